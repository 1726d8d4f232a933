"""Acceptance of hand-overs (METRICS 2.9)."""

from streams import kinds
from streams.clock import Context
from streams.fact import UNOWNED
from streams.measure import ENDINGS, Measure, ended
from streams.timeline import HUMAN, Case, Moment, actor_department

ACTS = frozenset(
    (kinds.claimed, kinds.replied, kinds.noted, kinds.asked_requester, kinds.promised, kinds.paused, kinds.delivered)
)


class Acceptance(Measure):
    """How long a hand-over lies until somebody of the receiving department takes it up: one fact for each hand-over.

        Mon 09:00 created   finance
        Mon 09:00 routed    it
        Mon 10:00 routed    legal
        Mon 10:05 noted     it
        Mon 13:00 claimed   legal       => met 3h of 4bh
        Mon 14:00 routed    it
        Mon 14:30 routed    legal       => met 30m of 4bh
        Mon 15:00 solved    legal       => met 30m of 4bh

    Who passes a case on has received it until then (flag ``pass_through``). The receiver's hours and the norm for
    this giver count. Time in which nobody owns the case is no hand-over; giver is who held it last.
    """

    name = "acceptance"
    on = (kinds.routed, kinds.reorganised, *sorted(ACTS), *ENDINGS)
    per_level = True

    holder: str = ""
    since: int = 0

    def step(self, m: Moment, was: Case, case: Case, ctx: Context) -> None:
        kind = m.kind
        if kind == kinds.routed:
            if case.owner != UNOWNED:
                self.routed(m, case, ctx)
        elif kind == kinds.reorganised:
            if case.owner != UNOWNED:
                self.holder, self.since = case.owner, m.time
        elif self.clock is None:
            return
        elif m.actor == HUMAN and self.acts(m, was, ctx):
            self.finish(ctx, m.time)
        elif ended(was, case):
            self.give_up(ctx, m.time)

    def acts(self, m: Moment, was: Case, ctx: Context) -> bool:
        if m.kind == kinds.closed or m.kind == kinds.deleted:
            return False
        department = actor_department(ctx.config, ctx.source, was, m)
        return self.same(ctx.config.path(department, m.time), ctx.config.path(self.holder, self.since))

    def routed(self, m: Moment, case: Case, ctx: Context) -> None:
        path, giver = ctx.config.path, self.holder
        kept = not giver or self.same(path(case.owner, m.time), path(giver, self.since))
        self.holder, self.since = case.owner, m.time
        if not kept:
            self.finish(ctx, m.time, "pass_through")
            self.clock = ctx.start(m.id, m.time, case.owner, giver, self.name)
            if case.open:
                ctx.draw(self.name, self.clock, self.levels)
            else:
                self.give_up(ctx, m.time)
