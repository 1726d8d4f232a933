"""The files of ``schema/``: what they are, and where one SQL statement ends and the next begins.

    common/       numbered: what all generations share
    generation/   numbered: the database of one generation
    current.sql   the views of the current generation

``{generation}`` in them is the name of a generation's database.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from typing import NamedTuple

_SCHEMA = resources.files("sinks").joinpath("schema")
_PLACE = "{generation}"
_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")

_OPAQUE = re.compile(
    r"""
      --[^\n]* | \#[\ !][^\n]* | /\*
    | '(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" | `(?:[^`\\]|\\.|``)*`
    | ‘[^’]*’ | “[^”]*” | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"/\*|\*/")


class Migration(NamedTuple):
    """Forward only. Every statement can be run again: a crash may lie between a statement and the record of it."""

    version: int
    name: str
    sql: str


def load(database: str = "") -> list[Migration]:
    """Of the ``database`` of a generation, or of what is common; in the order of their numbers."""
    found = []
    for file in _SCHEMA.joinpath("generation" if database else "common").iterdir():
        if match := _FILE.fullmatch(file.name):
            sql = file.read_text(encoding="utf-8").replace(_PLACE, database)
            found.append(Migration(int(match[1]), match[2], sql))
    return sorted(found)


def current_views(database: str) -> str:
    """The views by which everybody reads what lies in the ``database`` of a generation."""
    return _SCHEMA.joinpath("current.sql").read_text(encoding="utf-8").replace(_PLACE, database)


def masked(sql: str) -> str:
    """``sql`` with its strings, quoted names and comments blanked out, character for character."""
    pieces: list[str] = []
    at = 0
    while token := _OPAQUE.search(sql, at):
        end = _comment_end(sql, token.end()) if token[0] == "/*" else token.end()
        pieces += sql[at : token.start()], " " * (end - token.start())
        at = end
    return "".join(pieces) + sql[at:]


def _comment_end(sql: str, at: int) -> int:
    """ClickHouse's comments nest."""
    depth = 1
    for edge in _COMMENT.finditer(sql, at):
        depth += 1 if edge[0] == "/*" else -1
        if not depth:
            return edge.end()
    return len(sql)


def statements(sql: str) -> Iterator[str]:
    """The statements of ``sql``, without their semicolons; what holds nothing but comments is left out."""
    start = 0
    bare = masked(sql)
    for part in bare.split(";"):
        if part.strip():
            yield sql[start : start + len(part)].strip()
        start += len(part) + 1
