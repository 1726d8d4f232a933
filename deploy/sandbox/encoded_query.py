"""The encoded queries of ServiceNow, as far as our connectors ask them: ``a>=1^NQa=0^bIN2,3^ORcIN4^ORDERBYa^ORDERBYb``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Self

_CONDITION = re.compile(r"([a-z][a-z0-9_.]*)(IN|>=|<=|!=|=|>|<)(.*)")
_COMPARE: Mapping[str, Callable[[str, str], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}
ORDER = "ORDERBY"


class UnknownQuery(ValueError):
    """The fake does not know what is asked."""


class Condition(NamedTuple):
    """``values``: one, but of an ``IN``."""

    column: str
    compares: str
    values: frozenset[str]

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises :class:`UnknownQuery`."""
        found = _CONDITION.fullmatch(text)
        if found is None:
            raise UnknownQuery(f"no condition that is known here: {text!r}")
        column, compares, value = found.groups()
        return cls(column, compares, frozenset(value.split(",") if compares == "IN" else (value,)))

    def holds(self, row: Mapping[str, str]) -> bool:
        """Raises :class:`UnknownQuery`."""
        if self.column not in row:
            raise UnknownQuery(f"no column {self.column!r}")
        if self.compares == "IN":
            return row[self.column] in self.values
        (value,) = self.values
        return _COMPARE[self.compares](row[self.column], value)


class Query(NamedTuple):
    """One of ``parts`` must hold: of it all, and of each of these one. ``order``: columns."""

    parts: tuple[tuple[tuple[Condition, ...], ...], ...]
    order: tuple[str, ...]

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises :class:`UnknownQuery`."""
        parts, order = [], []
        for part in text.split("^NQ"):
            all_of: list[tuple[Condition, ...]] = []
            for word in filter(None, part.split("^")):
                if word.startswith(ORDER):
                    order.append(word.removeprefix(ORDER))
                elif word.startswith("OR") and all_of:
                    all_of[-1] += (Condition.read(word.removeprefix("OR")),)
                else:
                    all_of.append((Condition.read(word),))
            parts.append(tuple(all_of))
        return cls(tuple(parts), tuple(order))

    def holds(self, row: Mapping[str, str]) -> bool:
        """Raises :class:`UnknownQuery`."""
        return any(all(any(one.holds(row) for one in some) for some in part) for part in self.parts)

    def named(self, column: str) -> Iterator[str]:
        """The values of a column that it names, in any condition."""
        for part in self.parts:
            for one in (one for some in part for one in some if one.column == column):
                yield from one.values

    def least(self, column: str) -> str:
        """Rows with less than that it does not want."""
        return min((_bound(part, column) for part in self.parts), default="")


def _bound(part: Iterable[Iterable[Condition]], column: str) -> str:
    named = (one for some in part for one in some if one.column == column and one.compares in (">", ">=", "="))
    return max((value for one in named for value in one.values), default="")
