"""A plan in words, and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from deploy.norms_plan import Change, Plan, Row, Side
from deploy.words import NO_DATA, day, grid, visible
from streams.dated import shown

HEADS = ("norm", "promised", "judged", "kept", "aim", "weeks below it", "now missed", "now met")


def to_json(plan: Plan) -> bytes:
    """Instants in microseconds; problems as lines of text."""
    rows = [{**msgspec.to_builtins(row), "norm": row.norm._asdict(), "differs": row.differs} for row in plan.rows]
    said: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(plan, rows=[], problems=[], refused=[]))
    texts = {"problems": list(map(str, plan.problems)), "refused": list(map(str, plan.refused))}
    return msgspec.json.encode({**said, "rows": rows, **texts})


def lines(plan: Plan, width: int | None = None, *, each: bool = False) -> Iterator[str]:
    """``each``: norms of which nothing changes, too."""
    first, last = (shown(at, plan.zone) for at in (plan.since, plan.until))
    yield (
        f"{plan.cases:,} case{'s' * (plan.cases != 1)} with a clock that started from {first} to {last}, as in force (version "
        f"{plan.version}) → as planned"
    )
    yield ""
    shown_rows = [row for row in plan.rows if each or row.differs]
    if shown_rows:
        yield from grid(HEADS, [_cells(row) for row in shown_rows], width)
    if same := len(plan.rows) - len(shown_rows):
        more = "Another" if shown_rows and same == 1 else f"{same:,} more" if shown_rows else f"{same:,}"
        yield f"{more} norm{'s' * (same != 1)} of which nothing changes: --all"
    for part in (list(_what_changes(plan)), list(_consequence(plan))):
        if part:
            yield from ("", *part)


def _cells(row: Row) -> list[object]:
    was, becomes = row.in_force, row.planned
    return [
        row.norm.name,
        _both(was.target or NO_DATA, becomes.target or NO_DATA),
        _both(f"{was.n:,}", f"{becomes.n:,}"),
        _both(_percent(was.kept), _percent(becomes.kept)),
        _both(_percent(was.attainment), _percent(becomes.attainment)),
        _both(_below(was), _below(becomes)),
        row.turned.now_missed,
        row.turned.now_met,
    ]


def _both(was: str, becomes: str) -> str:
    return was if was == becomes else f"{was} → {becomes}"


def _percent(share: float | None) -> str:
    """One decimal, and never rounded up to all or down to none."""
    if share is None:
        return NO_DATA
    tenths = round(share * 1000)
    if 0 < share < 1:
        tenths = min(999, max(1, tenths))
    return f"{tenths // 10}.{tenths % 10}%" if tenths % 10 else f"{tenths // 10}%"


def _below(side: Side) -> str:
    return NO_DATA if side.attainment is None else f"{len(side.below)} of {side.weeks}"


def _what_changes(plan: Plan) -> Iterator[str]:
    for change in plan.changes:
        if change.first:
            yield visible(f"{change.department}: promises something for the first time")
        if change.earlier is not None:
            since = shown(change.earlier, plan.zone)
            yield visible(
                f"{change.department}: what is in force is so since {since} only, and judged as it was before that"
            )
    if plan.company_differs:
        yield "company.yaml differs too: what it says counts for all that is replayed"
    for problem in plan.problems:
        yield visible(f"new: {problem}")


def _consequence(plan: Plan) -> Iterator[str]:
    """What `apply` would do, and what stays."""
    if plan.same:
        yield f"This is what is in force: `crossdesk apply` would leave version {plan.version} there."
    elif plan.refused:
        yield "`crossdesk apply` would refuse it, so that closed periods stay what they are:"
        yield from (visible(f"  {problem}") for problem in plan.refused)
    else:
        for change in plan.changes:
            yield visible(f"{change.department}: {_counts(change, plan.zone)}")
        yield "Closed periods stay: what was judged stays judged. `crossdesk apply` would put it in force."


def _counts(change: Change, zone: str) -> str:
    since = "any time" if change.valid_from is None else f"{day(change.valid_from, zone)} on"
    return f"would count for clocks that start from {since}"
