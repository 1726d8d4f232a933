"""Solved by a bot (METRICS 2.3)."""

from collections.abc import Iterator

from streams import kinds
from streams.clock import Clock, Context
from streams.measure import FOLLOW_UP, Measure, Named, ended
from streams.timeline import ACTORS, Case, Moment

BOT = ACTORS.index("provider_bot")


class SelfService(Measure):
    """Was the requester served without a human? One fact for each solution of a bot: ``met`` when seven business days went by and
    the case was not reopened.

        Mon 09:00 created   finance
        Mon 09:00 routed    it
        Mon 09:01 solved    bot
        Mon 12:00 reopened            => missed 2h 59m
        Mon 13:00 solved    it

    It counts when the seven days are over, either way, and is the department's that had the case. Who says thank you does not
    break it.
    """

    name = "self_service"
    on = (kinds.solved, kinds.reopened)

    broken: Clock | None = None

    def clocks(self) -> Iterator[Named]:
        return self.with_others(self.name, self.broken)

    def step(self, m: Moment, was: Case, case: Case, ctx: Context) -> None:
        if m.kind == kinds.reopened:
            if case.open and not was.open:
                self.broken = self.clock
                self.finish(ctx, m.time)
            return
        if not ended(was, case):
            return
        broken, self.broken = self.broken, None
        if case.courtesy and broken is not None:
            self.clock = self.hold_again(ctx, broken)
            ctx.draw(self.name, self.clock)
        elif m.actor == BOT:
            self.clock = ctx.follow_up(m.id, m.time, was.owner, case.beneficiary, FOLLOW_UP)
            ctx.draw(self.name, self.clock)
