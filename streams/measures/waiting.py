"""Who waits for whom (METRICS 2.5, FEATURES RSP-5)."""

from collections.abc import Sequence

from msgspec import Struct

from streams import kinds
from streams.clock import ALL, Context, Levels
from streams.fact import DONE, PAUSED, RUNNING
from streams.measure import ENDINGS, Measure
from streams.timeline import Case, Moment

PARTIES = ("provider", "requester", "other_department", "third_party", "unowned", "closed")
FACTS = {party: f"waiting_{party}" for party in PARTIES}


class Share(Struct, array_like=True, gc=False):
    """What one department's case waited for one party, before now."""

    waits_for: str
    department: str
    start: int
    calendar_us: int = 0
    business_us: int = 0


class Waiting(Measure):
    """Whom does a case wait for? At each instant exactly one: the provider, the requester, another department, a third
    party, nobody (unowned), or, between two episodes, closed. One fact for each of them and each owner; together they
    add up to the time since the case was created.

        Mon 09:00 created   finance
        Mon 09:00 routed    it
        Mon 11:00 paused    requester
        Mon 14:00 resumed
        Mon 15:00 routed    legal
        Mon 17:00 solved    legal       => done 0m, done 3h, done 3h, done 2h

    The facts count when the case is solved, and go on running if it is reopened. The time after the last solution is
    no waiting, and has no fact.
    """

    name = "waiting"
    on = (
        kinds.created,
        kinds.routed,
        kinds.reorganised,
        kinds.paused,
        kinds.resumed,
        kinds.lapsed,
        kinds.child_linked,
        *ENDINGS,
        kinds.reopened,
    )

    shares: tuple[Share, ...] = ()
    active: int = -1
    since: int = 0
    opener: bytes = b""
    beneficiary: str = ""
    stop: int | None = None

    def step(self, m: Moment, was: Case, case: Case, ctx: Context) -> None:
        if not case.opener:
            return
        waits_for, before = case.waits_for, self.active
        since = m.time
        if before < 0:
            since = m.time if case.asked is None else case.asked
            self.opener, self.beneficiary = case.opener, case.beneficiary
        elif not self.changed(waits_for, case.owner, m, ctx):
            return
        self.book(m.time, ctx)
        known = len(self.shares)
        self.active, self.since = self.place(waits_for, case.owner, since, ctx), since
        which = {before, self.active} if before >= 0 else {self.active}
        if self.active == known:
            which |= self.tell_apart(waits_for, ctx)
        if (self.stop is None) != case.open:  # all of them stop, or go on
            self.stop = None if case.open else m.time
            which = set(range(len(self.shares)))
        self.draw_shares(ctx, sorted(which))

    def draw(self, ctx: Context) -> None:
        self.draw_shares(ctx, range(len(self.shares)))

    def changed(self, waits_for: str, department: str, m: Moment, ctx: Context) -> bool:
        now: Share = self.shares[self.active]
        if now.waits_for == waits_for == "closed":
            return False  # whoever it is moved to meanwhile, nobody works on it
        if now.waits_for != waits_for or now.department != department:
            return True
        return m.kind == kinds.reorganised and ctx.path(department, now.start) != ctx.path(department, m.time)

    def book(self, at: int, ctx: Context) -> None:
        """Add to the active share what it waited until ``at``."""
        if self.active >= 0:
            share: Share = self.shares[self.active]
            ctx.ran(share, self.since, at, share.department)
            share.calendar_us += at - self.since
            share.business_us += ctx.calendar(share.department).worked(self.since, at)

    def place(self, waits_for: str, department: str, at: int, ctx: Context) -> int:
        share: Share
        for i, share in enumerate(self.shares):
            if (
                share.waits_for == waits_for
                and share.department == department
                and ctx.path(department, share.start) == ctx.path(department, at)
            ):
                return i
        self.shares = (*self.shares, Share(waits_for, department, at))
        return len(self.shares) - 1

    def tell_apart(self, waits_for: str, ctx: Context) -> set[int]:
        """While a party has one share, its levels are drawn together. From the second on each level is drawn on its own, for
        departments may have a parent in common. Returns the shares of the party, all to be drawn.
        """
        parts = [i for i, share in enumerate(self.shares) if share.waits_for == waits_for]
        if len(parts) == 2:
            first = self.shares[parts[0]]
            ctx.take_back(FACTS[waits_for], self.opener, ALL, ctx.path(first.department, first.start))
        return set(parts)

    def draw_shares(self, ctx: Context, which: Sequence[int]) -> None:
        """The facts, at every level, of the parties and departments that these shares belong to."""
        done = set[str]()
        for i in which:
            share: Share = self.shares[i]
            waits_for = share.waits_for
            parts = [one for one in self.shares if one.waits_for == waits_for]
            if len(parts) == 1:
                self.draw_sum(ctx, ALL, ctx.path(share.department, share.start), parts)
            elif waits_for not in done:
                done.add(waits_for)
                self.draw_levels(ctx, parts, [self.shares[k] for k in which])

    def draw_levels(self, ctx: Context, parts: Sequence[Share], touched: Sequence[Share]) -> None:
        """The facts of one party, whom several departments' cases have waited for, where one of ``touched`` is counted."""
        paths = [ctx.path(share.department, share.start) for share in parts]
        for level in ctx.levels:
            of = {labels[level]: labels for labels, share in zip(paths, parts, strict=True) if share in touched}
            for label, departments in of.items():
                own = [share for labels, share in zip(paths, parts, strict=True) if labels[level] == label]
                self.draw_sum(ctx, (level,), departments, own)

    def draw_sum(self, ctx: Context, levels: Levels, departments: tuple[str, ...], parts: Sequence[Share]) -> None:
        """The fact of one party, of ``departments`` at one level or at all: the sum of ``parts``."""
        share: Share
        active: Share = self.shares[self.active]
        first: Share = parts[0]
        stop, waited, worked, runs = self.stop, 0, 0, False
        for share in parts:
            waited += share.calendar_us
            worked += share.business_us
            runs = runs or (share is active and stop is None)
        if first.waits_for == "closed" and not waited:
            return  # the time after the last solution
        measure, opener, start = FACTS[first.waits_for], self.opener, first.start
        outcome = DONE if stop is not None else RUNNING if runs else PAUSED
        since, calendar = (self.since, active.department) if runs else (start, "")
        shared = (
            outcome,
            stop,
            stop,
            ctx.case_id,
            measure,
            opener,
            start,
            None,
            since,
            calendar,
            waited,
            worked,
            "",
            "",
        )
        ctx.put(shared, levels, departments, ctx.path(self.beneficiary, start))
