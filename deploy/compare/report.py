"""All compared values of a vendor's answers: their sums, the lines that people read, and the JSON for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from deploy.compare.reasons import WORDS, Reason, Row, Values
from deploy.words import NO_DATA, duration, grid, instant, visible

HEADS = ("case", "metric", "ours", "theirs", "why")


class Comparison(Struct, frozen=True):
    """``now``: up to where ``source`` is known (µs); ``unread``: what of the answers no measure says, and in how many cases."""

    vendor: str
    source: str
    now: int
    zone: str
    rows: list[Row]
    unread: Mapping[str, int] = {}

    @property
    def cases(self) -> int:
        return len({row.case for row in self.rows})

    @property
    def reasons(self) -> Counter[Reason]:
        return Counter(reason for row in self.rows for reason in row.reasons)

    @property
    def equal(self) -> int:
        """Within the vendor's rounding."""
        return sum(row.equal for row in self.rows)

    @property
    def not_explained(self) -> list[Row]:
        return [row for row in self.rows if not row.explained]


def to_json(comparison: Comparison) -> bytes:
    """Durations and instants in microseconds."""
    found = comparison
    summary = {
        "cases": found.cases,
        "compared": len(found.rows),
        "equal": found.equal,
        "differ": len(found.rows) - found.equal,
        "not_explained": len(found.not_explained),
        "reasons": {reason: found.reasons[reason] for reason in Reason if found.reasons[reason]},
    }
    plain: dict[str, Any] = {
        "vendor": found.vendor,
        "source": found.source,
        "now": found.now,
        "summary": summary,
        "not_compared": found.unread,
        "rows": msgspec.to_builtins(found.rows),
    }
    return msgspec.json.format(msgspec.json.encode(plain), indent=1)


def lines(comparison: Comparison, width: int | None, *, differing: bool = False) -> Iterator[str]:
    """``differing``: of the values only those that are not equal."""
    shown = [row for row in comparison.rows if not (differing and row.equal)]
    if shown:
        yield from grid(HEADS, [_cells(row) for row in shown], width)
        yield ""
    yield from summary(comparison)


def summary(comparison: Comparison) -> Iterator[str]:
    found, total = comparison, len(comparison.rows)
    exactly = sum(not row.reasons for row in found.rows)
    rounded, left = found.equal - exactly, len(found.not_explained)
    at = instant(found.now // 1_000_000 * 1_000_000, found.zone)
    yield visible(
        f"{found.vendor}: {_n(found.cases, 'case')} beside source {found.source}, known up to {at} ({found.zone})"
    )
    yield (
        f"{_n(total, 'value')}: {found.equal:,} equal ({exactly:,} exactly, {rounded:,} within the vendor's rounding), "
        f"{total - found.equal - left:,} differ for a known reason, {left:,} not explained"
    )
    told = [
        (reason, found.reasons[reason]) for reason in Reason if reason is not Reason.rounding and found.reasons[reason]
    ]
    for reason, count in told:
        yield f"{count:>6,}  {reason:<16} {WORDS[reason] if reason is not Reason.not_explained else 'no way of counting gives it'}"
    for name, count in sorted(found.unread.items()):
        yield visible(f"not compared: {name!r} of {_n(count, 'case')}, which no measure is known to say (--means)")


def _cells(row: Row) -> Sequence[object]:
    why = " + ".join(row.reasons) if row.reasons else "="
    return (
        row.case,
        row.metric or "all",
        _words(row.ours),
        _words(row.theirs),
        f"{why} ({row.note})" if row.note else why,
    )


def _words(values: Values) -> str:
    """Calendar time before business time."""
    return " / ".join(_word(name, value) for name, value in values.items())


def _word(name: str, value: int | bool | None) -> str:
    if value is None:
        return NO_DATA
    if isinstance(value, bool):
        return "yes" if value else "no"
    return duration(value) if name.endswith("_us") else f"{value:,}"


def _n(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
