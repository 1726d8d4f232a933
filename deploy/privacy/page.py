"""The page of what is stored of people and answers: its blocks, as Markdown and as HTML that needs nothing else."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from html import escape
from typing import NamedTuple

from deploy.norms_page.elements import row, table, tag
from deploy.norms_page.html import document
from deploy.privacy import asking, places
from deploy.privacy.places import NEVER_READ, STORES, TOPICS, Place
from deploy.privacy.reasons import HOLDS, reason_for
from deploy.privacy.schemas import Schema, events, records, stores

GENERATOR = "crossdesk privacy page"
TITLE = "What is stored of people and answers, and what never is"
WIDTH = 132
INTRO = (
    "crossdesk measures departments and hand-overs, never persons. This page says every field that it stores, why, for how long, "
    "and who can read it. It is for those who must agree to it.",
    f"It is printed by `{GENERATOR}`, from the schemas that the code itself works by: a field that is stored is in it, and one "
    "that nobody has given a reason for does not pass the tests. Behind a field that holds a pseudonym or an answer stands that it "
    "does.",
)
WHERE = ("where", "what", "of persons", "for how long", "written by", "read by")
_CODE, _STRONG = re.compile(r"`([^`]+)`"), re.compile(r"\*\*([^*]+)\*\*")


class Heading(NamedTuple):
    level: int
    text: str


class Items(NamedTuple):
    texts: tuple[str, ...]


class Table(NamedTuple):
    """``caption`` is said in HTML alone, where a table may stand by itself."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = str | Heading | Items | Table


def blocks() -> Iterator[Block]:
    """All of the page, in its order. Raises KeyError where something has no reason, or no place."""
    yield Heading(1, TITLE)
    yield from INTRO
    yield Heading(2, "What is never read")
    yield Items(places.NEVER)
    yield "Of each kind of source, as its page says it:"
    yield Table("Never read", ("source", "never read"), tuple((f"`{name}`", text) for name, text in NEVER_READ.items()))
    yield Heading(2, "What is never said")
    yield Items(places.NEVER_SAID)
    yield Heading(2, "What you should know")
    yield Items(places.LIMITS)
    yield Heading(2, "Where something is, for how long, and who can read it")
    yield Table("Topics", WHERE, tuple(_where(f"`{name}`", one, places.kept(name)) for name, one in TOPICS.items()))
    yield Table("Stores", WHERE, tuple(_where(name, one, one.kept) for name, one in STORES.items()))
    yield Heading(2, "A person who asks")
    yield asking.STORED
    yield asking.ERASED
    yield Items(asking.STEPS)
    yield asking.STAYS
    yield Heading(2, "Every field")
    yield Heading(3, "Events")
    yield from _fields(events())
    yield Heading(3, "Other topics, and states")
    yield from _fields(records())
    yield Heading(3, "Stores")
    yield from _fields(stores())


def _where(name: str, place: Place, kept: str) -> tuple[str, ...]:
    return (name, place.what, place.persons, kept, place.writers, place.readers)


def _fields(schemas: Iterable[Schema]) -> Iterator[Table]:
    for name, fields, kept in schemas:
        rows = tuple((f"`{field}`", _why(name, field)) for field in fields)
        yield Table(name, (f"`{name}`" + (f", {kept}" if kept else ""), "what for"), rows)


def _why(schema: str, field: str) -> str:
    holds = HOLDS.get((schema, field))
    return reason_for(schema, field) + (f" – **{holds}**" if holds else "")


# -- as Markdown
def markdown() -> str:
    return "\n\n".join(_markdown(block) for block in blocks()) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"{'#' * level} {text}"
        case Items(texts):
            return "\n".join(_wrapped(f"- {text}", "  ") for text in texts)
        case Table(_, heads, rows):
            return "\n".join(["|".join(["", *(f" {cell} " for cell in cells), ""]) for cells in (heads, *_ruled(rows))])
        case text:
            return _wrapped(text, "")


def _ruled(rows: tuple[tuple[str, ...], ...]) -> Iterator[tuple[str, ...]]:
    yield ("---",) * len(rows[0])
    yield from rows


def _wrapped(text: str, indent: str) -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


# -- as HTML
def html() -> str:
    return document(TITLE, tag("main", "\n".join(map(_html, blocks()))), script=False, generator=GENERATOR)


def _html(block: Block) -> str:
    match block:
        case Heading(level, text):
            return tag(f"h{level}", escape(text))
        case Items(texts):
            return tag("ul", "".join(tag("li", _inline(text)) for text in texts))
        case Table(caption, heads, rows):
            cells = (row(*(_inline(cell) for cell in one)) for one in rows)
            return table([head.replace("`", "") for head in heads], cells, caption)
        case text:
            return tag("p", _inline(text))


def _inline(text: str) -> str:
    return _STRONG.sub(r"<strong>\1</strong>", _CODE.sub(r"<code>\1</code>", escape(text)))
