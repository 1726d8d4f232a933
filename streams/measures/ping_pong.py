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

    label: str = ""
    holder: str = UNOWNED
    giver: str = ""
    came_from: str = ""
    stint: Clock | None = None
    finished: bool = False

    def step(self, m: Moment, was: Case, case: Case, ctx: Context, level: int) -> None:
        if m.kind == kinds.solved or m.kind == kinds.delivered:
            if m.actor == HUMAN:
                by = ctx.config.path(actor_department(ctx.config, ctx.source, was, m), m.time)[level]
                self.finished = self.finished or by == self.label
            return
        if self.stint is not None and case.owner != was.owner:  # to the pool, or from child to child of one parent
            ctx.change_calendar(self.stint, case.owner, m.time)
        if case.owner == UNOWNED:
            return
        label = ctx.config.path(case.owner, m.time)[level]
        if m.kind == kinds.routed and label != self.label:
            if label == self.giver:
                self.returned(m, ctx, level)
            self.giver, self.came_from = self.label, self.holder
            self.stint, self.finished = Clock(b"", m.time, "", since=m.time, calendar=case.owner), False
        self.label, self.holder = label, case.owner

    def returned(self, m: Moment, ctx: Context, level: int) -> None:
        """The stint that ends here is the fact; the return opens it."""
        clock = self.stint
        if clock is not None:
            clock.opener, clock.department, clock.counterpart = m.id, self.holder, self.came_from
            ctx.end(clock, m.time, "finished" if self.finished else "")
            ctx.draw_last(self.name, clock, level)
