"""Ownership (METRICS 2.9)."""

from streams import kinds
from streams.clock import Context
from streams.fact import UNOWNED
from streams.measure import ENDINGS, Measure
from streams.timeline import Case, Moment


class Ownership(Measure):
    """How long a department holds an open case: one fact for each stint, without the time in which the requester was asked.

        Mon 09:00 created   finance
        Mon 09:00 routed    it
        Mon 11:00 routed    legal       => done 2h
        Mon 12:00 paused    requester
        Mon 13:00 resumed
        Mon 14:00 solved    legal       => done 2h
        Mon 15:00 reopened
        Mon 16:00 routed    it          => done 1h

    At a parent's level moves among its children are one stint. When the organisation moves a group, the stint is
    split at that instant and nobody handed anything over.
    """

    name = "ownership"
    on = (kinds.created, kinds.routed, kinds.reorganised, kinds.paused, kinds.resumed, *ENDINGS, kinds.reopened)
    per_level = True

    holder: str = ""
    since: int = 0

    def step(self, m: Moment, was: Case, case: Case, ctx: Context) -> None:
        path = ctx.config.path
        holder, before = case.owner if case.open and case.owner != UNOWNED else "", self.holder
        stays = self.same(path(holder, m.time), path(before, self.since)) if holder and before else holder == before
        if not stays:
            self.finish(ctx, m.time)
            self.holder, self.since = holder, m.time
            if holder:
                self.clock = ctx.start(m.id, m.time, case.owner)
                if case.pause == "requester":
                    ctx.pause(self.clock, m.time)
                ctx.draw(self.name, self.clock, self.levels)
        elif self.clock is not None and case.owner != was.owner and self.clock.calendar:
            ctx.change_calendar(self.clock, case.owner, m.time)
            ctx.draw(self.name, self.clock, self.levels)
        else:
            self.follow_pause(was, case, ctx, m.time, case.owner)
