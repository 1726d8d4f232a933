"""Instants, durations, shares and plain tables, in the words that people read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo

from rich.cells import cell_len

from ingest.event import instant as instant_of

MINUTE_US = 60_000_000
NO_DATA = "–"
_VISIBLE = {code: repr(chr(code))[1:-1] for code in (*range(32), *range(127, 160))}


def instant(us: int, zone: str, form: str = "%a %d %b %Y") -> str:
    """``Mon 05 Jan 2026 09:00``, with seconds where there are any. ``form`` is that of the day; it may be empty."""
    local = instant_of(us).astimezone(ZoneInfo(zone))
    text = local.strftime(f"{form} %H:%M").strip()
    if us % MINUTE_US:
        text += local.strftime(":%S") + (f".{us % 1_000_000:06d}" if us % 1_000_000 else "")
    return text


def day(us: int, zone: str) -> str:
    """``Mon 05 Jan 2026``."""
    return instant_of(us).astimezone(ZoneInfo(zone)).strftime("%a %d %b %Y")


def duration(us: float) -> str:
    """``2 h 05 min``, to the microsecond: seconds where there are any."""
    seconds, rest = divmod(round(us), 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours} h"] if hours else []
    if minutes or (hours and (seconds or rest)) or not (hours or seconds or rest):
        parts.append(f"{minutes:02d} min" if hours else f"{minutes} min")
    if seconds or rest:
        text = f"{seconds}.{rest:06d} s" if rest else f"{seconds} s"
        parts.append(text if not (hours or minutes) or seconds > 9 else f"0{text}")
    return " ".join(parts)


def about(seconds: float | None) -> str:
    """A duration for a table: ``45 min``, ``3.2 h``, ``41 h``."""
    if seconds is None:
        return NO_DATA
    minutes = seconds / 60
    if minutes < 59.5:
        return f"{minutes:.0f} min"
    hours = minutes / 60
    return f"{hours:.1f} h" if hours < 9.95 else f"{hours:.0f} h"


def share(value: float | None) -> str:
    return NO_DATA if value is None else f"{100 * value:.0f}%"


def of_100(value: float | None) -> str:
    """``88``, for a sentence. Nearly none is not none, and nearly all is not all."""
    if value is None:
        return NO_DATA
    return f"{value * 100:.0f}" if value in (0, 1) else str(min(99, max(1, round(100 * value))))


def visible(text: str) -> str:
    """One line, without anything that a terminal obeys."""
    return text.translate(_VISIBLE)


def grid(names: Sequence[str], rows: Sequence[Sequence[object]], width: int | None = None) -> Iterator[str]:
    """The lines of a table; where they would be wider than ``width``, one line for each field of a row instead."""
    heads = [visible(name) for name in names]
    cells = [["" if value is None else visible(str(value)) for value in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(heads, *cells, strict=True)]
    if width is not None and rows and sum(widths) + 2 * (len(widths) - 1) > width:
        most = max(map(cell_len, heads))
        for number, row in enumerate(cells, 1):
            yield f"── row {number}"
            yield from (f"{head}{' ' * (most - cell_len(head))}  {text}" for head, text in zip(heads, row, strict=True))
        return
    numeric = [all(_is_number(row[i]) for row in rows) and bool(rows) for i in range(len(heads))]
    yield _line(heads, widths, numeric)
    yield "  ".join("─" * w for w in widths)
    for row in cells:
        yield _line(row, widths, numeric)


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _line(texts: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    padded = (
        " " * (w - cell_len(t)) + t if right else t + " " * (w - cell_len(t))
        for t, w, right in zip(texts, widths, numeric, strict=True)
    )
    return "  ".join(padded).rstrip()
