"""An invented organisation: who works in it, when it is open, how its cases go; and what must be measured of them.

What happens is decided here, so what must be measured is known here: ``truth`` writes it down by arithmetic of its own. It
shares no code with ``streams``, so that the two can be held against each other.
"""
