"""First response (METRICS 2.3)."""

from streams import kinds
from streams.clock import Context
from streams.fact import UNOWNED
from streams.measure import ENDINGS, Measure, ended
from streams.timeline import ACTORS, HUMAN, Case, Moment

SKEW_US = 2 * 60 * 1_000_000
BOT = ACTORS.index("provider_bot")


class FirstResponse(Measure):
    """How long a requester waits for the first human answer.

        Mon 09:00 created      finance
        Mon 09:00 routed       it
        Mon 09:01 bot_replied  it
        Mon 09:05 noted        it
        Mon 11:00 replied      it          => met 2h of 4bh
        Mon 11:30 replied      it

    A bot's reply and an internal note are no answer. Whoever solves without a word has answered by that. What a bot solves
    asked for no human; if it comes back, the wait starts there.

        Mon 09:00 created      finance
        Mon 09:00 routed       it
        Mon 09:01 solved       bot         => cancelled 1m of 4bh
        Mon 10:00 reopened
        Mon 10:10 replied      it          => met 10m of 4bh

    The department is the owner when the clock starts. While nobody owns the case the clock waits for the first
    owner, whose norm then starts anew: the time before is routing's.

        Mon 09:00 created      finance
        Mon 12:00 routed       it
        Mon 16:00 now                      => missed
        Mon 17:00 replied      it          => missed 8h of 4bh

    A human who answers before the request, by the clocks of the source, has answered at once if it is by two minutes at most,
    and else not at all; the flag ``clock_skew`` says so.

        Mon 08:59 replied      it
        Mon 09:00 created      finance
        Mon 09:00 routed       it          => met 0m of 4bh
    """

    name = "first_response"
    awaits = "clock"
    on = (kinds.created, kinds.classified, kinds.routed, kinds.replied, kinds.asked_requester, *ENDINGS, kinds.reopened)

    skip: bool = False
    by_bot: bool = False
    early: int | None = None

    def step(self, m: Moment, was: Case, case: Case, ctx: Context) -> None:
        kind = m.kind
        if kind == kinds.created:
            if case.opener == m.id and not was.opener:
                self.begin(m.id, case.asked if case.asked is not None else m.time, case, ctx)
                # What whoever opened it for somebody else wrote first is no answer.
                first_of_all = case.on_behalf and self.early is not None
                self.skip = case.on_behalf and not first_of_all
                self.early = case.answered_early if first_of_all or self.early is None else self.early
                self.heard_before(ctx)
        elif kind == kinds.reopened:
            if self.by_bot and case.open and not was.open:
                self.by_bot = False
                self.begin(m.id, m.time, case, ctx)
        elif self.clock is None:
            if not case.opener and m.actor == HUMAN and kind in (kinds.replied, kinds.asked_requester):
                self.early = m.time
        elif kind == kinds.classified:
            self.follow_class(was, case, ctx, m.time)
        elif kind == kinds.routed:
            if self.clock.department == UNOWNED:
                self.pass_to(ctx, case.owner, m.time, "first_response")
                self.heard_before(ctx)
        elif kind == kinds.replied or kind == kinds.asked_requester:
            self.answered(m, ctx)
        elif ended(was, case):
            self.heard_before(ctx, anyway=True)
            self.by_bot = m.actor == BOT
            if m.actor == HUMAN and kind != kinds.deleted:
                self.finish(ctx, m.time, flags="silent_solve")
            else:
                self.give_up(ctx, m.time)

    def heard_before(self, ctx: Context, *, anyway: bool = False) -> None:
        """Before the case was created, which is known now. Once somebody has it, or ``anyway``."""
        clock, early = self.clock, self.early
        if clock is None or early is None or (clock.department == UNOWNED and not anyway):
            return
        self.early = None
        if early == clock.start:
            return
        if early < clock.start:
            clock.flags = "clock_skew"
        if clock.start - early <= SKEW_US:
            clock.worked, clock.since = 0, clock.start  # whatever it ran on meanwhile
            self.finish(ctx, max(early, clock.start))
        else:
            ctx.draw(self.name, clock)

    def begin(self, opener: bytes, at: int, case: Case, ctx: Context) -> None:
        norm = "" if case.owner == UNOWNED else "first_response"
        self.clock = ctx.start(opener, at, case.owner, case.beneficiary, norm)
        ctx.draw(self.name, self.clock)

    def answered(self, m: Moment, ctx: Context) -> None:
        if m.actor != HUMAN:
            return
        self.heard_before(ctx, anyway=True)
        if self.clock is None:
            return
        if self.skip:  # who opens a case for somebody else writes its first message for them
            self.skip = False
            return
        if m.time > self.clock.start:
            self.finish(ctx, m.time)
