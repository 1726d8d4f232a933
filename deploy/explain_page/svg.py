"""Elements as text: what stands in them is escaped, and nothing in them leads out of the page."""

from __future__ import annotations

from html import escape

from deploy.words import visible

LETTER = 6.2
"""Pixels of a letter, about, of 11 pixels' height."""


def text_of(text: str) -> str:
    """For the inside of an element or an attribute."""
    return escape(visible(text))


def element(name: str, *inside: str, **attributes: object) -> str:
    """``inside`` are elements, or escaped already. ``class_`` is the attribute ``class``, and ``_`` in other names is ``-``."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_plain(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{given}>{''.join(inside)}</{name}>" if inside else f"<{name}{given}/>"


def told(title: str) -> str:
    """What is shown to whoever points at an element."""
    return element("title", text_of(title))


def words(text: str, x: float, y: float, class_: str = "", anchor: str | None = None, **attributes: object) -> str:
    return element("text", text_of(text), x=x, y=y, class_=class_ or None, text_anchor=anchor, **attributes)


def box(x: float, y: float, width: float, height: float, class_: str, title: str = "", **attributes: object) -> str:
    inside = [told(title)] if title else []
    return element("rect", *inside, x=x, y=y, width=max(width, 0.5), height=height, class_=class_, **attributes)


def line(x: float, y: float, x2: float, y2: float, class_: str) -> str:
    return element("line", x1=x, y1=y, x2=x2, y2=y2, class_=class_)


def length(text: str, letter: float = LETTER) -> float:
    return len(text) * letter


def shortened(text: str, width: float, letter: float = LETTER) -> str:
    most = max(int(width / letter), 1)
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _plain(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else text_of(str(value))
