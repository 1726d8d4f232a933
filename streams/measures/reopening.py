"""Reopening (METRICS 2.6)."""

from collections.abc import Iterator

from streams import kinds
from streams.clock import Clock, Context
from streams.measure import FOLLOW_UP, Measure, Named, ended
from streams.timeline import HUMAN, Case, Moment, actor_department


class Reopening(Measure):
    """Does a solution hold? One fact for each solution: ``missed`` when it was reopened within seven business days.

        Mon 09:00 created   finance
        Mon 09:00 routed    it
        Mon 10:00 solved    it
        Tue 10:00 reopened              => missed 8h
        Tue 11:00 solved    it
        Fri 17:00 now
        Mon 09:00 closed    system
        Thu 11:00 now                   => met

    It counts when the seven days are over, either way, and is the department's that solved. ``stop`` is when it was
    reopened, also where that was later.

    Whoever says thank you may reopen a case by that. If it is solved again within an hour, and nobody has worked on it
    meanwhile, the solution holds (flag ``courtesy_reopen``), and the second is none.

        Mon 09:00 created   finance
        Mon 09:00 routed    it
        Mon 10:00 solved    it
        Mon 12:00 reopened  system      => missed 2h
        Mon 12:30 solved    it
        Wed 10:00 now
        Tue 10:00 now
        Wed 10:00 now                   => met
    """

    name = "reopening"
    on = (kinds.solved, kinds.closed, kinds.reopened)

    broken: Clock | None = None

    def clocks(self) -> Iterator[Named]:
        return self.with_others(self.name, self.broken)

    def step(self, m: Moment, was: Case, case: Case, ctx: Context) -> None:
        if m.kind == kinds.reopened:
            if case.open and not was.open:
                self.broken = self.clock
                self.finish(ctx, m.time)
        elif ended(was, case):
            broken, self.broken = self.broken, None
            if case.courtesy and broken is not None:
                self.clock = self.hold_again(ctx, broken)
                ctx.draw(self.name, self.clock)
                return
            by_human = m.actor == HUMAN
            department = actor_department(ctx.config, ctx.source, was, m) if by_human else was.owner
            self.clock = ctx.follow_up(m.id, m.time, department, case.beneficiary, FOLLOW_UP)
            ctx.draw(self.name, self.clock)
