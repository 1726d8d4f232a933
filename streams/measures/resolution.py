"""Resolution, by episode; by how much it was better than promised, and who had it when it was not (METRICS 2.6, 2.9, 3.2)."""

from collections.abc import Iterator

from streams import kinds
from streams.breach import Holding, attribute, begin, go_on
from streams.clock import Clock, Context
from streams.fact import UNOWNED
from streams.measure import ENDINGS, FOLLOW_UP, Measure, Named, ended
from streams.timeline import HUMAN, Case, Moment, actor_department

MARGIN, EXCEEDED = "margin", "exceeded"
CLEARLY = 4
"""Of the target, a fourth: what is left of it when an expectation was exceeded."""
MILLION = 1_000_000


class Resolution(Measure):
    """How long the work on a case takes: one fact for each episode, without the time in which the requester was asked.

        Mon 09:00 created   finance
        Mon 09:00 routed    it
        Mon 10:00 paused    requester
        Mon 12:00 resumed
        Mon 13:00 solved    it          => met 2h of 8bh
        Mon 14:00 reopened          => missed 1h
        Mon 16:00 solved    it          => met 2h of 8bh

    Time while a case is closed never counts. The norm is that of the department which took the case on; the fact is the
    department's that solved, and of the owner while it runs.

    Where there was a norm, two more facts say how well it was kept. The business time of ``margin`` is the share of the target that
    was left, in millionths: an hour before the end of eight is 125,000. ``exceeded`` is ``met`` where at least a quarter was left
    and the case was not reopened within seven business days, and counts when those are over, either way.

        Mon 09:00 created   finance
        Mon 09:00 routed    it
        Mon 13:00 solved    it          => met 4h of 8bh
        Wed 13:00 reopened              => missed 16h
        Wed 17:00 solved    it          => met 4h of 8bh
        Mon 17:00 now
        Fri 17:00 now                   => met

    Where it was late, a fact ``breach`` of each department says for how long it had the case until it was due. They count when it
    was due, and are known when it is solved.

        Mon 09:00 created   finance
        Mon 09:00 routed    it
        Mon 11:00 routed    legal
        Mon 12:00 paused    requester
        Mon 14:00 resumed
        Tue 11:00 now                   => missed
        Tue 12:00 solved    legal       => missed 9h of 8bh, missed 0m, done 2h, done 6h
    """

    name = "resolution"
    awaits = "clock"
    on = (
        kinds.created,
        kinds.classified,
        kinds.routed,
        kinds.reorganised,
        kinds.paused,
        kinds.resumed,
        kinds.lapsed,
        *ENDINGS,
        kinds.reopened,
    )

    solved: Clock | None = None
    broken: Clock | None = None
    holding: Holding = ()

    def clocks(self) -> Iterator[Named]:
        return self.with_others(EXCEEDED, self.solved, self.broken)

    def step(self, m: Moment, was: Case, case: Case, ctx: Context) -> None:
        kind = m.kind
        if kind == kinds.created or kind == kinds.reopened:
            if case.open and not was.open:
                self.let_go(ctx, m.time)
                start = m.time if kind == kinds.reopened or case.asked is None else case.asked
                norm = "" if case.owner == UNOWNED else self.name
                self.clock, self.holding = (
                    ctx.start(m.id, start, case.owner, case.beneficiary, norm),
                    begin(case, start),
                )
                ctx.draw(self.name, self.clock)
            return
        if self.clock is not None:
            self.holding = go_on(self.holding, case, m) if case.open else self.holding
        if kind == kinds.routed or kind == kinds.reorganised:
            self.pass_to(ctx, case.owner, m.time, "" if case.owner == UNOWNED else self.name)
        elif kind == kinds.classified:
            self.follow_class(was, case, ctx, m.time)
        elif not ended(was, case):
            self.follow_pause(was, case, ctx, m, case.owner)
        elif kind == kinds.deleted:
            self.give_up(ctx, m.time)
        else:
            if m.actor == HUMAN:
                self.pass_to(ctx, actor_department(ctx.config, ctx.source, was, m), m.time)
            self.kept(m, case, ctx)
            late = self.clock
            self.finish(ctx, m.time)
            if late is not None:
                attribute(self.holding, late, ctx)

    def kept(self, m: Moment, case: Case, ctx: Context) -> None:
        """It is solved: by how much better than promised?"""
        clock = self.clock
        broken, self.broken = self.broken, None
        ctx.early = False
        if case.courtesy:
            if broken is not None:
                self.solved = self.hold_again(ctx, broken)
                ctx.draw(EXCEEDED, self.solved)
            return
        margin = ctx.margin(clock, m.time) if clock is not None else None
        if clock is None or margin is None:
            return
        department, counterpart = clock.department, clock.counterpart
        left = Clock(clock.opener, clock.start, department, counterpart, since=m.time, stop=m.time)
        saved, size = margin
        left.worked = saved * MILLION // size if saved >= 0 else -(-saved * MILLION // size)
        ctx.draw(MARGIN, left)
        solved = self.solved = ctx.follow_up(m.id, m.time, department, counterpart, FOLLOW_UP)
        ctx.early = saved * CLEARLY >= size and (clock.due is None or clock.due >= m.time)
        if not ctx.early:
            ctx.end(solved, m.time)
        ctx.draw(EXCEEDED, solved)

    def let_go(self, ctx: Context, at: int) -> None:
        """Reopened: it did not hold, if that was soon."""
        solved = self.solved
        if solved is not None:
            if solved.stop is None:
                self.broken = solved
                ctx.end(solved, at)
            ctx.draw(EXCEEDED, solved)
            self.solved = None
