"""Next response (METRICS 2.4)."""

from streams import kinds
from streams.clock import Context
from streams.fact import UNOWNED
from streams.measure import ENDINGS, Measure, ended
from streams.timeline import ACTORS, HUMAN, Case, Moment

REQUESTER = ACTORS.index("requester")


class NextResponse(Measure):
    """How long a requester who writes again waits for the next human answer. Solving ends the wait.

        Mon 09:00 created            finance
        Mon 09:00 routed             it
        Mon 10:00 replied            it
        Mon 11:00 requester_replied
        Mon 11:30 requester_replied
        Mon 12:00 replied            it       => met 1h of 4bh
        Mon 12:30 replied            it
        Mon 13:00 requester_replied
        Mon 14:00 solved             it       => met 1h of 4bh

    Several messages in a row are one wait, from the first of them. Before the first response the wait is that one's.
    """

    name = "next_response"
    awaits = "clock"
    on = (
        kinds.classified,
        kinds.routed,
        kinds.replied,
        kinds.asked_requester,
        kinds.requester_replied,
        *ENDINGS,
        kinds.reopened,
    )

    answered: bool = False

    def step(self, m: Moment, was: Case, case: Case, ctx: Context) -> None:
        kind = m.kind
        if kind == kinds.replied or kind == kinds.asked_requester:
            if m.actor == HUMAN and case.opener:
                self.answered = True
                self.finish(ctx, m.time)
        elif kind == kinds.requester_replied:
            if self.answered and case.open:
                self.begin(m, case, ctx)
        elif kind == kinds.reopened:
            if m.actor == REQUESTER and self.answered and case.open and not was.open:
                self.begin(m, case, ctx)
        elif kind == kinds.classified:
            self.follow_class(was, case, ctx, m.time)
        elif kind == kinds.routed:
            if self.clock is not None and self.clock.department == UNOWNED:
                self.pass_to(ctx, case.owner, m.time, self.name)
        elif ended(was, case):
            if m.actor == HUMAN and kind != kinds.deleted:
                self.answered = True
                self.finish(ctx, m.time, flags="silent_solve")
            else:
                self.give_up(ctx, m.time)

    def begin(self, m: Moment, case: Case, ctx: Context) -> None:
        if self.clock is None:
            norm = "" if case.owner == UNOWNED else self.name
            self.clock = ctx.start(m.id, m.time, case.owner, case.beneficiary, norm)
            ctx.draw(self.name, self.clock)
