"""The smallest parts of a page. Each number and instant carries its exact value, and where in the JSON it stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from deploy.norms_page.page import Share, Time
from deploy.words import NO_DATA, about

FEW = "too few to say"
NONE = "none so far"
FEW_COLUMNS = 3


def tag(name: str, content: str, **attributes: str) -> str:
    """``content`` is HTML already; values of attributes are text. ``class_`` is ``class``, ``data_json`` is ``data-json``."""
    given = "".join(f' {k.rstrip("_").replace("_", "-")}="{escape(v)}"' for k, v in attributes.items() if v)
    return f"<{name}{given}>{content}</{name}>"


def number(value: float, shown: str, path: str) -> str:
    return tag("data", escape(shown), value=repr(value), data_json=path)


def moment(at: datetime, zone: str, path: str) -> str:
    """``Mon 04 May 2026 15:00``; a script may show it in another zone."""
    local = at.astimezone(ZoneInfo(zone))
    return tag("time", f"{local:%a %d %b %Y %H:%M}", datetime=iso(at), data_json=path, class_="moment")


def iso(at: datetime) -> str:
    """As the JSON has it."""
    return at.isoformat().replace("+00:00", "Z")


def count(n: int, path: str) -> str:
    return number(n, f"{n:,}", path)


def _few(n: int, counted: str) -> str:
    return f"{FEW} (only {counted})" if n else f"{NONE} ({counted})"


def share(said: Share | None, path: str) -> str:
    """``93 % (88–96 %, of 120)``, or that they are too few."""
    if said is None:
        return NO_DATA
    if said.value is None:
        return _few(said.n, count(said.n, f"{path}.n"))
    ends = "–".join(
        number(end, _percent(end), f"{path}.{name}")
        for name, end in (("low", said.low), ("high", said.high))
        if end is not None
    )
    return (
        tag("strong", number(said.value, f"{_percent(said.value)} %", f"{path}.value"))
        + " "
        + tag("small", f"({ends} %, of {count(said.n, f'{path}.n')})")
    )


def time(said: Time | None, path: str, *, with_n: bool = True) -> str:
    """``3.2 h (2.9–3.6 h, of 120)``."""
    if said is None:
        return NO_DATA
    n = count(said.n, f"{path}.n")
    if said.seconds is None:
        return _few(said.n, n) if with_n else FEW
    more = "more than " if said.beyond else ""
    found = more + tag("strong", number(said.seconds, about(said.seconds), f"{path}.seconds"))
    low = None if said.low is None else number(said.low, about(said.low), f"{path}.low")
    high = None if said.high is None else number(said.high, about(said.high), f"{path}.high")
    band = f"{low}–{high}" if low and high else f"at least {low}" if low else f"at most {high}" if high else ""
    notes = ", ".join(filter(None, (band, f"of {n}" if with_n else "")))
    return found + (" " + tag("small", f"({notes})") if notes else "")


def _percent(value: float) -> str:
    """Nearly all is not all, and nearly none is not none."""
    return f"{value * 100:.0f}" if value in (0, 1) else f"{min(99, max(1, round(value * 100)))}"


def table(heads: Sequence[str], rows: Iterable[str], caption: str, **attributes: str) -> str:
    """One of many columns keeps its width, and can be moved sideways, by keys too."""
    head = tag("tr", "".join(tag("th", escape(text), scope="col") for text in heads))
    inner = f"{tag('caption', escape(caption))}{tag('thead', head)}{tag('tbody', ''.join(rows))}"
    if len(heads) <= FEW_COLUMNS:
        return tag("div", tag("table", inner, **attributes), class_="wide")
    moved = {"tabindex": "0", "role": "region", "aria_label": caption}
    return tag("div", tag("table", inner, **attributes), class_="wide many", **moved)


def row(first: str, *cells: str, class_: str = "") -> str:
    """All of them HTML."""
    return tag("tr", tag("th", first, scope="row") + "".join(tag("td", cell) for cell in cells), class_=class_)


def text(said: str) -> str:
    """As it was written, line by line."""
    return escape(said.strip()).replace("\n", "<br>")
