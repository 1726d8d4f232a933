"""Orphan time (METRICS 2.9, FEATURES HND-9)."""

from streams import kinds
from streams.clock import Context
from streams.fact import UNOWNED
from streams.measure import ENDINGS, Measure
from streams.timeline import Case, Moment


class Orphan(Measure):
    """How long nobody owns an open case. Charged to routing, never to the next owner.

    Mon 09:00 created  finance
    Mon 10:00 routed   it       => done 1h
    Mon 11:00 routed
    Mon 12:00 routed   legal    => done 1h
    Mon 13:00 solved   legal
    """

    name = "orphan"
    on = (kinds.created, kinds.routed, kinds.reorganised, *ENDINGS, kinds.reopened)

    def step(self, m: Moment, was: Case, case: Case, ctx: Context) -> None:
        unowned = case.open and case.owner == UNOWNED
        if unowned and self.clock is None:
            self.clock = ctx.start(m.id, m.time, UNOWNED)
            ctx.draw(self.name, self.clock)
        elif not unowned:
            self.finish(ctx, m.time)
