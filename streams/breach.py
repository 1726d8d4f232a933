"""Who had a case while its time ran out (METRICS 2.9, FEATURES HND-7)."""

from __future__ import annotations

from msgspec import Struct

from streams import kinds
from streams.clock import ALL, Clock, Context
from streams.fact import UNOWNED
from streams.timeline import Case, Moment

BREACH = "breach"
KEPT = 256
"""Of so many changes of hands an episode remembers who had it."""


class Held(Struct, array_like=True, gc=False):
    """Who had it since when; nobody while the requester was asked."""

    owner: str
    since: int


Holding = tuple[Held, ...]


def begin(case: Case, at: int) -> Holding:
    return (Held(_holder(case), at),)


def go_on(holding: Holding, case: Case, m: Moment) -> Holding:
    """After a moment. Where the organisation changes, the same department may lie elsewhere in it."""
    holder = _holder(case)
    if holding and holder == holding[-1].owner and m.kind != kinds.reorganised:
        return holding
    return (*holding, Held(holder, m.time))[-KEPT:]


def _holder(case: Case) -> str:
    return "" if case.pause == "requester" or case.owner == UNOWNED else case.owner


def attribute(holding: Holding, late: Clock, ctx: Context) -> None:
    """The facts of a clock that was stopped after it was due: of each department, at each level, how long it had the case until
    then, in its own hours. Together they say who had which share of the breach.
    """
    due = late.due
    if due is None or late.stop is None or late.stop <= due:
        return
    ends = [*(later.since for later in holding[1:]), due]
    had = [(one, min(until, due)) for one, until in zip(holding, ends, strict=True) if one.owner and one.since < due]
    paths = [ctx.path(one.owner, one.since) for one, _ in had]
    alike = len(set(paths)) == 1
    for level in (ctx.levels[0],) if alike else ctx.levels:
        for label in dict.fromkeys(path[level] for path in paths):
            mine = [stretch for stretch, path in zip(had, paths, strict=True) if path[level] == label]
            first = mine[0][0]
            clock = Clock(late.opener, first.since, first.owner, late.counterpart, since=due, stop=due)
            for one, until in mine:
                ctx.ran(clock, one.since, until, one.owner)
                clock.worked += ctx.calendar(one.owner).worked(one.since, until)
            ctx.draw(BREACH, clock, ALL if alike else (level,))
