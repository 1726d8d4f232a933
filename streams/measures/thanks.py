"""Thanks (METRICS 3.3)."""

from collections.abc import Iterator
from fractions import Fraction

from streams import kinds
from streams.clock import Clock, Context
from streams.measure import Measure, Named, ended
from streams.timeline import ACTORS, HUMAN, Case, Moment, actor_department

TIMELY = "timely_thanks"
SOON = Fraction(5)
"""Business days of who solved, in which thanks are waited for."""
REQUESTER = ACTORS.index("requester")


class Thanks(Measure):
    """Does who asked say thank you? One fact for each case that was solved: ``met`` at the first thanks within five business days,
    ``missed`` when these are over. It is the department's that solved, and nobody's in it.

        Mon 09:00 created   finance
        Mon 09:00 routed    it
        Mon 10:00 solved    it
        Tue 10:00 thanked   requester   => met 8h, met 8h
        Tue 11:00 thanked   requester

        Mon 09:00 created   finance
        Mon 09:00 routed    it
        Mon 10:00 solved    it
        Fri 17:00 now
        Mon 10:00 now                   => missed 0m

    Another fact, ``timely_thanks``, says of thanks whether they are for being in time: because they say so, or because a quarter of
    the promised time was left.

        Mon 09:00 created   finance
        Mon 09:00 routed    it
        Mon 16:00 solved    it
        Tue 09:00 thanked   requester   => met 1h, missed 1h

    A solution that is reopened before was none, and the next one is waited for. Who reopened only to say thank you has said it.

        Mon 09:00 created   finance
        Mon 09:00 routed    it
        Mon 16:00 solved    it
        Tue 10:00 reopened  system      => cancelled 0m
        Tue 10:30 solved    it          => met 2h, missed 2h
    """

    name = "thanks"
    on = (kinds.solved, kinds.closed, kinds.reopened, kinds.thanked)

    early: bool = False
    counted: bool = False
    broken: Clock | None = None

    def clocks(self) -> Iterator[Named]:
        return self.with_others(self.name, self.broken)

    def step(self, m: Moment, was: Case, case: Case, ctx: Context) -> None:
        if m.kind == kinds.thanked:
            clock = self.clock
            if clock is not None and not _over(clock, m.time) and _meant(clock, m, case, ctx):
                self.thank(clock, m.time, ctx, speed=m.text == "speed")
        elif m.kind == kinds.reopened:
            if case.open and not was.open:
                self.reopened(m.time, ctx)
        elif ended(was, case) and not self.counted:
            broken, self.broken = self.broken, None
            if case.courtesy and broken is not None and broken.stop is not None:
                self.thank(broken, broken.stop, ctx, flags="courtesy_reopen")
                return
            self.early = ctx.early
            by_human = m.actor == HUMAN
            department = actor_department(ctx.config, ctx.source, was, m) if by_human else was.owner
            due = ctx.calendar(department).due_days(m.time, SOON)
            # it ends when nobody waits for it any longer, or it would run until it comes
            self.clock = Clock(m.id, m.time, department, case.beneficiary, since=m.time, due=due, stop=due + 1)
            ctx.draw(self.name, self.clock)

    def thank(self, waited: Clock, at: int, ctx: Context, *, speed: bool = False, flags: str = "") -> None:
        timely = speed or self.early
        ctx.free(waited)
        thanks = ctx.start(waited.opener, waited.start, waited.department, waited.counterpart)
        thanks.due = waited.due
        ctx.end(thanks, at, flags or ("timely" if timely else ""))
        ctx.draw(self.name, thanks)
        of_them = ctx.copy(thanks)
        of_them.due, of_them.flags = at if timely else at - 1, flags
        ctx.draw(TIMELY, of_them)
        self.clock, self.counted = None, True

    def reopened(self, at: int, ctx: Context) -> None:
        clock, self.clock = self.clock, None
        if clock is None:
            return
        if _over(clock, at):
            ctx.draw(self.name, clock)
            self.counted = True
            return
        ctx.free(clock)
        clock.cancelled, clock.stop, clock.flags = True, at, "reopened"
        ctx.draw(self.name, clock)
        self.broken = clock


def _over(clock: Clock, at: int) -> bool:
    return clock.due is not None and clock.due < at


def _meant(clock: Clock, m: Moment, case: Case, ctx: Context) -> bool:
    """Whether the requester, or somebody of the same department, thanks who solved."""
    if m.group and ctx.config.department(ctx.source, m.group, m.time) != clock.department:
        return False
    return m.actor == REQUESTER or (bool(m.who) and ctx.config.person(m.who, m.time) == case.beneficiary)
