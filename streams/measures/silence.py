"""Silence (METRICS 2.4)."""

from streams import kinds
from streams.clock import Context
from streams.fact import UNOWNED
from streams.measure import ENDINGS, Measure, ended
from streams.timeline import HUMAN, Case, Moment


class Silence(Measure):
    """How long nothing is heard: every gap between public messages of the provider, while the case is open.

        Mon 09:00 created         finance
        Mon 09:00 routed          it
        Mon 10:00 replied         it          => done 1h
        Mon 11:00 asked_requester it          => done 1h
        Mon 11:00 paused          requester
        Mon 15:00 resumed
        Mon 16:00 noted           it
        Mon 17:00 solved          it          => done 2h

    Time in which the requester was asked is not the provider's silence, and time in which nobody owned the case is not
    that of the first owner.
    """

    name = "silence"
    on = (
        kinds.created,
        kinds.routed,
        kinds.replied,
        kinds.asked_requester,
        kinds.paused,
        kinds.resumed,
        kinds.lapsed,
        *ENDINGS,
        kinds.reopened,
    )

    def step(self, m: Moment, was: Case, case: Case, ctx: Context) -> None:
        kind = m.kind
        if kind == kinds.replied or kind == kinds.asked_requester:
            if m.actor == HUMAN and self.clock is not None:
                self.finish(ctx, m.time)
                self.begin(m, case, ctx)
        elif kind == kinds.created or kind == kinds.reopened:
            if case.open and not was.open:
                self.begin(m, case, ctx)
        elif kind == kinds.routed:
            if self.clock is not None and self.clock.department == UNOWNED != case.owner:
                if m.time > self.clock.start:
                    self.finish(ctx, m.time)
                self.begin(m, case, ctx)
        elif ended(was, case):
            self.finish(ctx, m.time)
        elif self.clock is not None:
            self.follow_pause(was, case, ctx, m, self.clock.department)

    def begin(self, m: Moment, case: Case, ctx: Context) -> None:
        self.clock = ctx.start(m.id, m.time, case.owner, case.beneficiary)
        if case.pause == "requester":
            ctx.pause(self.clock, m.time)
        ctx.draw(self.name, self.clock)
