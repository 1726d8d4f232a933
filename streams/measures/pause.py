"""Are pauses founded? (METRICS 2.5, FEATURES RSP-9)"""

from streams import kinds
from streams.clock import Context
from streams.measure import ENDINGS, Measure
from streams.timeline import Case, Moment


class Pause(Measure):
    """While a case waits for the requester, the clocks of who works on it stand. Is it the requester who is waited for? One fact
    for each stretch: ``met`` while an answer was due, ``missed`` from when the requester had written, or where nobody said why.

        Mon 09:00 created            finance
        Mon 09:00 routed             it
        Mon 10:00 paused             requester
        Mon 12:00 requester_replied             => met 2h, missed
        Mon 15:00 resumed                       => missed 3h

    A pause without a reason ends after one business day: the clocks go on, and their facts have the flag ``pause_without_reason``.

        Mon 09:00 created            finance
        Mon 09:00 routed             it
        Mon 10:00 paused_unexplained requester  => missed
        Tue 12:00 now                           => missed 8h

    The department is who has the case; where it changes hands, another stretch begins.
    """

    name = "pause"
    on = (
        kinds.paused,
        kinds.resumed,
        kinds.lapsed,
        kinds.requester_replied,
        kinds.routed,
        kinds.reorganised,
        *ENDINGS,
    )

    unfounded: bool = False

    def step(self, m: Moment, was: Case, case: Case, ctx: Context) -> None:
        pauses, paused = case.open and case.pause == "requester", self.clock is not None
        unfounded = not case.pause_reason or (paused and (self.unfounded or m.kind == kinds.requester_replied))
        if pauses and paused and case.owner == was.owner and unfounded == self.unfounded:
            return
        if self.clock is not None:
            self.over(ctx, m.time)
        if pauses:
            self.clock, self.unfounded = ctx.start(m.id, m.time, case.owner, case.beneficiary), unfounded
            if unfounded:
                self.clock.due = m.time
            ctx.draw(self.name, self.clock)

    def over(self, ctx: Context, at: int) -> None:
        """What was founded was so until now: it is in time, whenever it ends. What took no time was no pause."""
        clock = self.clock
        if clock is None:
            return
        if clock.start == at:
            ctx.retract(self.name, clock)
            self.clock = None
            return
        if not self.unfounded:
            clock.due = at
        self.finish(ctx, at)
