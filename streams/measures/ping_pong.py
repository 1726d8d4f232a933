"""Ping-pong (METRICS 2.9, FEATURES HND-4)."""

from streams import kinds
from streams.clock import Clock, Context
from streams.fact import UNOWNED
from streams.measure import Measure
from streams.timeline import HUMAN, Case, Moment, actor_department


class PingPong(Measure):
    """A case goes from A to B and straight back to A: one fact for each return, of department B, with A as counterpart.

        Mon 09:00 created   finance
        Mon 09:00 routed    it
        Mon 10:00 routed    legal
        Mon 12:00 routed    it          => done 2h
        Mon 13:00 routed    legal       => done 1h

    It lasts as long as B had it. The flag ``finished`` says that B solved or delivered something meanwhile: then it
    is no ping-pong but work in turns.
    """

    name = "ping_pong"
    on = (kinds.routed, kinds.reorganised, kinds.solved, kinds.delivered)
    per_level = True

    holder: str = ""
    since: int = 0
    giver: str = ""
    gave: int = 0
    stint: Clock | None = None
    finished: bool = False

    def step(self, m: Moment, was: Case, case: Case, ctx: Context) -> None:
        if m.kind == kinds.solved or m.kind == kinds.delivered:
            if m.actor == HUMAN and not self.finished:
                self.finished = self.holds(actor_department(ctx.config, ctx.source, was, m), m, ctx)
            return
        comes = m.kind == kinds.routed and case.owner != UNOWNED and not self.holds(case.owner, m, ctx)
        returns = comes and self.gave_it(case.owner, m, ctx)
        if self.stint is not None and case.owner != was.owner:  # to the pool, or from child to child of one parent
            ctx.change_calendar(self.stint, case.owner, m.time)
        if returns:
            self.returned(m, ctx)
        if comes:
            self.giver, self.gave = self.holder, self.since
            self.stint, self.finished = Clock(b"", m.time, "", since=m.time, calendar=case.owner), False
        if case.owner != UNOWNED:
            self.holder, self.since = case.owner, m.time

    def holds(self, department: str, m: Moment, ctx: Context) -> bool:
        return bool(self.holder) and self.same(ctx.path(department, m.time), ctx.path(self.holder, self.since))

    def gave_it(self, department: str, m: Moment, ctx: Context) -> bool:
        return bool(self.giver) and self.same(ctx.path(department, m.time), ctx.path(self.giver, self.gave))

    def returned(self, m: Moment, ctx: Context) -> None:
        """The stint that ends here is the fact; the return opens it."""
        clock = self.stint
        if clock is not None:
            clock.opener, clock.department, clock.counterpart = m.id, self.holder, self.giver
            ctx.end(clock, m.time, "finished" if self.finished else "")
            ctx.draw(self.name, clock, self.levels)
