"""Rework (METRICS 2.9)."""

from streams import kinds
from streams.clock import Clock, Context
from streams.fact import UNOWNED
from streams.measure import ENDINGS, Measure, ended
from streams.timeline import Case, Moment


class Rework(Measure):
    """A department has a case once more, which it had let go: one fact for each stint of it but the first.

        Mon 09:00 created   finance
        Mon 09:00 routed    it
        Mon 10:00 routed    legal
        Mon 12:00 routed    it          => done 0m
        Mon 13:00 solved    it
        Mon 15:00 reopened              => done 0m
        Mon 16:00 routed    hr
        Mon 16:30 routed    legal       => done 0m

    It is an instant, and takes no time: how long the stint is, is ownership. The counterpart is who handed the case over,
    and nobody where it came back to life, or out of the pool. Who only said thank you by that has made no work: the fact
    is taken back. When the organisation moves a group, nobody has a case once more.
    """

    name = "rework"
    on = (kinds.created, kinds.routed, kinds.reorganised, *ENDINGS, kinds.reopened)
    per_level = True

    holder: str = ""
    since: int = 0
    holds: bool = False
    had: tuple[tuple[str, int], ...] = ()
    """Each department that ever had it, and an instant at which it did."""
    revived: Clock | None = None

    def step(self, m: Moment, was: Case, case: Case, ctx: Context) -> None:
        path = ctx.config.path
        holder, before = case.owner if case.open and case.owner != UNOWNED else "", self.holder
        here = path(holder, m.time) if holder else ()
        held_last = bool(holder and before) and self.same(here, path(before, self.since))
        begins = bool(holder) and not (self.holds and held_last)
        again = begins and (held_last or any(self.same(here, path(*other)) for other in self.had))
        moved = m.kind == kinds.reorganised
        if ended(was, case):
            self.let_go(case, ctx)
        if begins and not again:
            self.had = (*self.had, (holder, m.time))
        elif begins and not moved:
            clock = ctx.start(m.id, m.time, holder, "" if held_last else before)
            ctx.end(clock, m.time)
            ctx.draw_last(self.name, clock, self.levels)
            self.revived = clock if m.kind == kinds.reopened else None
        if holder or (moved and not self.holds and before):
            self.holder, self.since = (holder or case.owner), m.time
        self.holds = bool(holder)

    def let_go(self, case: Case, ctx: Context) -> None:
        if case.courtesy and self.revived is not None:
            ctx.retract(self.name, self.revived, self.levels)
        self.revived = None
