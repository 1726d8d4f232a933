"""What bots say (METRICS 2.3)."""

from streams import kinds
from streams.clock import Context
from streams.measure import Measure
from streams.timeline import Case, Moment


class BotTouch(Measure):
    """How long after the request a bot writes to the requester: one fact for each of its messages. None of them is an answer.

    Mon 09:00 created      finance
    Mon 09:00 routed       it
    Mon 09:02 bot_replied  it        => done 2m
    Mon 11:00 replied      it
    """

    name = "bot_touch"
    on = (kinds.bot_replied,)

    def step(self, m: Moment, was: Case, case: Case, ctx: Context) -> None:
        if case.opener and case.asked is not None:
            self.clock = ctx.start(m.id, min(case.asked, m.time), case.owner, case.beneficiary)
            self.finish(ctx, m.time)
