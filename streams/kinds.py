"""What a moment is. The numbers are stored: append, never renumber. ``reorganised`` and ``lapsed`` are no events of the log.

Plain numbers in a module: looking up a member of an enum takes ten times as long, and each event is compared with many.
"""

from typing import Final

created: Final = 0
classified: Final = 1
routed: Final = 2
claimed: Final = 3
replied: Final = 4
noted: Final = 5
bot_replied: Final = 6
asked_requester: Final = 7
requester_replied: Final = 8
paused: Final = 9
resumed: Final = 10
promised: Final = 11
promise_accepted: Final = 12
delivered: Final = 13
need_by: Final = 14
solved: Final = 15
reopened: Final = 16
closed: Final = 17
merged: Final = 18
unmerged: Final = 19
child_linked: Final = 20
deleted: Final = 21
restored: Final = 22
corrected: Final = 23
excluded: Final = 24
thanked: Final = 25
reorganised: Final = 26
lapsed: Final = 27
you_said: Final = 28
we_did: Final = 29

NAMES: Final = {number: name for name, number in list(globals().items()) if isinstance(number, int)}
