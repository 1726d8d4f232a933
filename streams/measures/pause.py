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
        Mon 12:00 requester_replied             => met 2h
        Mon 15:00 resumed                       => missed 3h

    A pause without a reason ends after one business day: the clocks go on, and their facts have the flag ``pause_without_reason``.

        Mon 09:00 created            finance
        Mon 09:00 routed             it
        Mon 10:00 paused_unexplained requester
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
        asked_anew = m.kind == kinds.paused
        wrote = paused and not asked_anew and (self.unfounded or m.kind == kinds.requester_replied)
        unfounded = wrote or not case.pause_reason
        stays = case.owner == was.owner and m.kind != kinds.reorganised
        if pauses and paused and stays and unfounded == self.unfounded:
            return
        if self.clock is not None:
            self.over(ctx, m.time)
        if pauses:
            self.clock, self.unfounded = ctx.start(m.id, m.time, case.owner, case.beneficiary), unfounded
            ctx.draw(self.name, self.clock)

    def over(self, ctx: Context, at: int) -> None:
        """It is judged when it is over: what was founded is in time, whenever that is. What took no time was no pause."""
        clock = self.clock
        if clock is None:
            return
        if clock.start == at:
            ctx.retract(self.name, clock)
            self.clock = None
            return
        clock.due = at - 1 if self.unfounded else at
        self.finish(ctx, at)
