"""Why a vendor's value is another than ours: a closed list, and one compared value as a row.

A reason is given where counting in that way, and in no simpler one, gives the vendor's value. It is never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

Values = Mapping[str, int | bool | None]
"""By names that say the unit: ``calendar_us``, ``business_us``, ``elapsed_us``, ``count``, ``breached``. None: there is none."""


class Reason(StrEnum):
    rounding = "rounding"
    one_schedule = "one_schedule"
    other_hours = "other_hours"
    calendar_time = "calendar_time"
    bot_answer = "bot_answer"
    opening_comment = "opening_comment"
    silent_solve = "silent_solve"
    pauses_more = "pauses_more"
    pauses_less = "pauses_less"
    closed_time = "closed_time"
    new_cycle = "new_cycle"
    one_cycle = "one_cycle"
    from_creation = "from_creation"
    merged_request = "merged_request"
    other_target = "other_target"
    still_running = "still_running"
    not_yet = "not_yet"
    older = "older"
    merged = "merged"
    excluded = "excluded"
    not_found = "not_found"
    not_explained = "not_explained"


WORDS: Mapping[Reason, str] = {
    Reason.rounding: "equal, but for what the vendor rounds",
    Reason.one_schedule: "the vendor counts all of it by one schedule, ours go by who had the case",
    Reason.other_hours: "the vendor counts by its own schedule, which has other hours than our norms",
    Reason.calendar_time: "the vendor counts every hour, ours only those that are open",
    Reason.bot_answer: "the vendor takes a message of a bot or a trigger for an answer",
    Reason.opening_comment: "the vendor counts what the agent wrote on opening the case for somebody",
    Reason.silent_solve: "solved without a word: for us that answers, the vendor waits for a message",
    Reason.pauses_more: "the vendor stands still while the case waits for others, where ours goes on",
    Reason.pauses_less: "the vendor goes on while the case waits for others, where ours stands still",
    Reason.closed_time: "the vendor leaves out the time between a solution and the reopening",
    Reason.new_cycle: "the vendor begins anew when the case is reopened, ours goes on from its creation",
    Reason.one_cycle: "the vendor goes on over a reopening, ours begins anew",
    Reason.from_creation: "a bot had solved it: ours begins when it came back, the vendor's when it was created",
    Reason.merged_request: "a case that was merged into it had asked earlier; the vendor counts from its own creation",
    Reason.other_target: "the vendor's goal is another than our norm, or there is no norm",
    Reason.still_running: "it still runs, and the vendor's value is of another moment",
    Reason.not_yet: "it happened after what our source has told so far",
    Reason.older: "it happened after the vendor's answer was written",
    Reason.merged: "merged into another case, which counts instead",
    Reason.excluded: "left out here: spam, by a label, or by hand",
    Reason.not_found: "the vendor has it, and our source has not told of it",
    Reason.not_explained: "not explained",
}
EQUAL = ((), (Reason.rounding,))


class Row(Struct, frozen=True):
    """One value of a case, ours beside the vendor's; no ``reasons``: they are equal. Of a whole case the ``metric`` is empty.

    ``note`` is what else there is to know: the case it was merged into, whose schedule it was.
    """

    case: str
    metric: str
    ours: Values
    theirs: Values
    reasons: tuple[Reason, ...] = ()
    note: str = ""

    @property
    def equal(self) -> bool:
        return self.reasons in EQUAL

    @property
    def explained(self) -> bool:
        return Reason.not_explained not in self.reasons


def whole(case: str, reason: Reason, note: str = "") -> Row:
    """Nothing of the case can be compared, for one reason."""
    return Row(case, "", {}, {}, (reason,), note)
