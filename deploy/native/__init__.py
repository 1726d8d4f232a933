"""The core, compiled: ``make native`` writes the modules of ``streams`` that fold cases anew for Cython, and has gcc compile them.

The sources stay what is read and tested; what is compiled from them says the same bytes (``tests/test_native.py``). State becomes
classes whose fields C reads directly, and their methods call each other without Python: most of an event's time goes into that.
"""
