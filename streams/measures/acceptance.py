"""Acceptance of hand-overs, and whether they were complete (METRICS 2.9, FEATURES HND-2 and HND-5)."""

from collections.abc import Iterator
from fractions import Fraction

from streams import kinds
from streams.clock import Clock, Context
from streams.fact import UNOWNED
from streams.measure import ENDINGS, Measure, Named, ended
from streams.timeline import HUMAN, Case, Moment, actor_department

ACTS = frozenset(
    (kinds.claimed, kinds.replied, kinds.noted, kinds.asked_requester, kinds.promised, kinds.paused, kinds.delivered)
)
COMPLETE = "first_time_complete"
RETURNED = "needs_info"
"""The reason of a routing by which something is missing."""
FOLLOW_UP = Fraction(2)


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

    What was taken up gets a second fact, ``first_time_complete``: ``missed`` when the case goes straight back to the giver within
    two business days because something is missing. It points at what is asked for, and not at who asked.

        Mon 09:00 created   finance
        Mon 09:00 routed    it
        Mon 10:00 routed    legal
        Mon 11:00 claimed   legal       => met 1h of 4bh
        Tue 09:00 returned  it          => missed 6h
        Tue 10:00 noted     it          => met 1h of 4bh
        Tue 11:00 routed    legal
        Tue 12:00 claimed   legal       => met 1h of 4bh
        Wed 10:00 routed    it
        Wed 11:00 claimed   it          => met 1h of 4bh
        Thu 10:00 now                   => met
        Thu 12:00 now                   => met
    """

    name = "acceptance"
    awaits = "clock"
    on = (kinds.routed, kinds.reorganised, *sorted(ACTS), *ENDINGS)
    per_level = True

    holder: str = ""
    since: int = 0
    taken: Clock | None = None

    def clocks(self) -> Iterator[Named]:
        return self.with_others(COMPLETE, self.taken)

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
            self.take_up(self.clock, m, ctx)
            self.finish(ctx, m.time)
        elif ended(was, case):
            self.give_up(ctx, m.time)

    def acts(self, m: Moment, was: Case, ctx: Context) -> bool:
        if m.kind == kinds.closed or m.kind == kinds.deleted:
            return False
        department = actor_department(ctx.config, ctx.source, was, m)
        return self.same(ctx.path(department, m.time), ctx.path(self.holder, self.since))

    def take_up(self, clock: Clock, m: Moment, ctx: Context) -> None:
        self.let_go(ctx)
        self.taken = ctx.follow_up(clock.opener, m.time, clock.department, clock.counterpart, FOLLOW_UP)
        ctx.draw(COMPLETE, self.taken, self.levels)

    def let_go(self, ctx: Context) -> None:
        """It cannot come straight back any more; that it held is known when its time has passed."""
        if self.taken is not None:
            ctx.draw(COMPLETE, self.taken, self.levels)
            self.taken = None

    def routed(self, m: Moment, case: Case, ctx: Context) -> None:
        giver, taken = self.holder, self.taken
        here = ctx.path(case.owner, m.time)
        kept = not giver or self.same(here, ctx.path(giver, self.since))
        returned = (
            m.text == RETURNED and taken is not None and self.same(here, ctx.path(taken.counterpart, taken.start))
        )
        self.holder, self.since = case.owner, m.time
        if not kept:
            if returned and taken is not None:
                ctx.end(taken, m.time)
            self.let_go(ctx)
            self.finish(ctx, m.time, "pass_through")
            self.clock = ctx.start(m.id, m.time, case.owner, giver, self.name)
            if case.open:
                ctx.draw(self.name, self.clock, self.levels)
            else:
                self.give_up(ctx, m.time)
