"""An invented organisation: who works in it, when it is open, and how its cases go.

Nothing here computes what crossdesk measures: it decides what happens. It shares no code with ``streams``, so that the
two can be held against each other.
"""
