"""Round trips (METRICS 2.9, FEATURES HND-4: indirect ping-pong)."""

from __future__ import annotations

from msgspec import Struct

from streams import kinds
from streams.clock import Clock, Context
from streams.fact import UNOWNED
from streams.measure import Measure
from streams.timeline import Case, Moment

KEPT = 64
"""Of so many changes of hands a case remembers who had it: of more, it is known that it went round and round."""


class Stretch(Struct, array_like=True, gc=False):
    """Who had it since when. ``given``: it was given to another department than had it before."""

    owner: str
    since: int
    given: bool


class RoundTrip(Measure):
    """A case comes back to a department after two or more others had it: one fact for each return, of the department that has it
    again, with who gave it as counterpart.

        Mon 09:00 created   finance
        Mon 09:00 routed    it
        Mon 10:00 routed    legal
        Mon 12:00 routed    hr
        Mon 13:00 routed    it          => done 3h
        Mon 14:00 routed    finance
        Mon 15:00 routed    it

    It lasts as long as the others had it, in their own hours. Straight back is ping-pong.
    """

    name = "round_trip"
    on = (kinds.routed, kinds.reorganised)
    per_level = True

    trail: tuple[Stretch, ...] = ()

    def step(self, m: Moment, was: Case, case: Case, ctx: Context) -> None:
        owner, trail = case.owner, self.trail
        held = bool(trail) and self.is_of(len(trail) - 1, owner, m, ctx)
        given = m.kind == kinds.routed and owner != UNOWNED and not held
        stints = [i for i, stretch in enumerate(trail) if stretch.given] if given else []
        ends = [*(i - 1 for i in stints[1:]), len(trail) - 1]
        before = [n for n, end in enumerate(ends[:-1]) if self.is_of(end, owner, m, ctx)]
        if before and len(stints) - before[-1] > 2:
            self.returned(trail[stints[before[-1] + 1] :], m, case, ctx)
        if owner != was.owner or given:
            self.trail = (*trail, Stretch(owner, m.time, given))[-KEPT:]

    def is_of(self, i: int, owner: str, m: Moment, ctx: Context) -> bool:
        """Whether ``owner`` is who had it in that stretch or, where nobody had it, before: at these levels."""
        while i > 0 and self.trail[i].owner == UNOWNED:
            i -= 1
        stretch = self.trail[i]
        if UNOWNED in (owner, stretch.owner):
            return False
        return self.same(ctx.path(owner, m.time), ctx.path(stretch.owner, stretch.since))

    def returned(self, away: tuple[Stretch, ...], m: Moment, case: Case, ctx: Context) -> None:
        giver = next(stretch.owner for stretch in reversed(away) if stretch.owner != UNOWNED)
        clock = Clock(m.id, away[0].since, case.owner, giver, since=m.time, stop=m.time)
        for stretch, until in zip(away, [*(later.since for later in away[1:]), m.time], strict=True):
            ctx.ran(clock, stretch.since, until, stretch.owner)
            clock.worked += ctx.calendar(stretch.owner).worked(stretch.since, until)
        ctx.draw(self.name, clock, self.levels)
