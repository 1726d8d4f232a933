"""Ownership and rework (METRICS 2.9)."""

from collections.abc import Iterator

from streams import kinds
from streams.clock import Clock, Context
from streams.fact import UNOWNED
from streams.measure import ENDINGS, Measure, Named, Path, ended
from streams.timeline import Case, Moment

REWORK = "rework"


class Ownership(Measure):
    """How long a department holds an open case: one fact for each stint, without the time in which the requester was asked.

        Mon 09:00 created   finance
        Mon 09:00 routed    it
        Mon 11:00 routed    legal       => done 2h
        Mon 12:00 paused    requester
        Mon 13:00 resumed
        Mon 14:00 solved    legal       => met 2h of 8bh
        Mon 15:00 reopened              => done 0m
        Mon 16:00 routed    it          => done 1h, done 0m

    The counterpart is who handed it over, and has been promised when the receiver will be done with it (norm ``finish``). A stint
    that begins because a case comes back to life has none, and nobody to keep a promise to.

    At a parent's level moves among its children are one stint. When the organisation moves a group, the stint is
    split at that instant and nobody handed anything over.

    A second fact, ``rework``, is of each stint of a department that had let the case go before: an instant, at which the stint
    begins. Its counterpart is who handed the case over, and nobody where it came back to life, or out of the pool. Who only
    said thank you by that has made no work: the fact is taken back.

        Mon 09:00 created   finance
        Mon 09:00 routed    it
        Mon 10:00 solved    it          => done 1h
        Mon 12:00 reopened              => done 0m
        Mon 12:30 solved    it          => done 30m
    """

    name = "ownership"
    awaits = "clock"
    on = (
        kinds.created,
        kinds.routed,
        kinds.reorganised,
        kinds.paused,
        kinds.resumed,
        kinds.lapsed,
        *ENDINGS,
        kinds.reopened,
    )
    per_level = True

    holder: str = ""
    since: int = 0
    holds: bool = False
    had: tuple[tuple[str, int], ...] = ()
    """Each department that ever had it, and an instant at which it did."""
    revived: Clock | None = None
    """The rework that may turn out to be a thank-you."""

    def clocks(self) -> Iterator[Named]:
        return self.with_others(REWORK, self.revived)

    def step(self, m: Moment, was: Case, case: Case, ctx: Context) -> None:
        holder, before = case.owner if case.open and case.owner != UNOWNED else "", self.holder
        here = ctx.path(holder, m.time) if holder else ()
        again = bool(holder and before) and self.same(here, ctx.path(before, self.since))
        stays = again if holder and self.holds else not holder and not self.holds
        once_more = again or (not stays and bool(holder) and self.has_had(here, ctx))
        moved = m.kind == kinds.reorganised
        if (stays and holder) or (moved and not self.holds and before):
            self.holder, self.since = (holder or case.owner), m.time
        if self.revived is not None and ended(was, case):
            if case.courtesy:
                ctx.retract(REWORK, self.revived, self.levels)
            self.revived = None
        if not stays:
            self.let_go(m, ctx)
            self.holds = bool(holder)
            if holder:
                giver = "" if again or moved else before
                if not once_more:
                    self.had = (*self.had, (holder, m.time))
                elif not moved:
                    self.rework(m, holder, giver, ctx)
                self.holder, self.since = holder, m.time
                self.clock = ctx.start(m.id, m.time, holder, giver, "finish" if giver else "")
                if case.pause == "requester":
                    ctx.pause(self.clock, m.time)
                ctx.draw(self.name, self.clock, self.levels)
        elif self.clock is not None and case.owner != was.owner and self.clock.calendar:
            ctx.change_calendar(self.clock, case.owner, m.time)
            ctx.draw(self.name, self.clock, self.levels)
        else:
            self.follow_pause(was, case, ctx, m, case.owner)

    def has_had(self, here: Path, ctx: Context) -> bool:
        return any(self.same(here, ctx.path(department, at)) for department, at in self.had)

    def rework(self, m: Moment, holder: str, giver: str, ctx: Context) -> None:
        clock = ctx.start(m.id, m.time, holder, giver)
        ctx.end(clock, m.time)
        ctx.draw(REWORK, clock, self.levels)
        self.revived = clock if m.kind == kinds.reopened else None

    def let_go(self, m: Moment, ctx: Context) -> None:
        """Who loses the case by its deletion, or with its group, has broken no promise by that."""
        clock = self.clock
        taken = m.kind in (kinds.deleted, kinds.reorganised)
        if taken and clock is not None and clock.target and (clock.due is None or m.time <= clock.due):
            ctx.release(clock)
        self.finish(ctx, m.time)
