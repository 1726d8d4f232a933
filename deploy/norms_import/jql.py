"""As much of the Jira Query Language as goals of an SLA need: what is asked of priority, issue type, request type, project."""

from __future__ import annotations

import re
from collections.abc import Mapping

PRIORITY, ISSUE_TYPE, REQUEST_TYPE, PROJECT = "priority", "issuetype", "request type", "project"
FIELDS: Mapping[str, str] = {
    "priority": PRIORITY,
    "issuetype": ISSUE_TYPE,
    "issue type": ISSUE_TYPE,
    "type": ISSUE_TYPE,
    "request type": REQUEST_TYPE,
    "customer request type": REQUEST_TYPE,
    "project": PROJECT,
}
DEEPEST = 32

_TOKEN = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|!=|!~|<=|>=|[=~<>(),!]|[^\s"'=~<>(),!]+)""")
_ESCAPE = re.compile(r"\\(.)")
_RESERVED = frozenset({"and", "or", "not", "in", "is", "was", "changed", "order", "empty", "null"})

Scope = Mapping[str, frozenset[str]]
"""Field -> the values of which it must have one, as they are written. A field that is not there may have any."""


class Unsayable(ValueError):
    """The query asks for what no norm can say; the message names it."""


def scope(query: str) -> Scope:
    """What an issue must have to be found. Raises :class:`Unsayable`."""
    reader = _Reader(_tokens(query))
    if not reader.left:
        return {}
    found = reader.either(0)
    if reader.left:
        raise Unsayable(f"{reader.left[0]!r} is not understood here")
    return found


def _tokens(query: str) -> list[str]:
    tokens: list[str] = []
    at, query = 0, query.rstrip()
    while at < len(query):
        found = _TOKEN.match(query, at)
        if found is None:
            raise Unsayable(f"{query[at:].strip()[:20]!r} is not understood")
        tokens.append(found[1])
        at = found.end()
    return tokens


class _Reader:
    """``left``: the tokens that are still to be read."""

    def __init__(self, tokens: list[str]) -> None:
        self.left = tokens

    def either(self, depth: int) -> Scope:
        """Alternatives can be said if all of them ask for the same one field."""
        found = [self._both(depth)]
        while self._next("or"):
            found.append(self._both(depth))
        if len(found) == 1:
            return found[0]
        fields = {field for one in found for field in one}
        if len(fields) != 1 or any(len(one) != 1 for one in found):
            raise Unsayable("OR between conditions of several fields")
        (field,) = fields
        return {field: frozenset().union(*(one[field] for one in found))}

    def _both(self, depth: int) -> Scope:
        found = dict(self._one(depth))
        while self._next("and"):
            for field, values in self._one(depth).items():
                folded = {value.casefold() for value in values}
                known = found.get(field)
                found[field] = values if known is None else frozenset(v for v in known if v.casefold() in folded)
        return found

    def _one(self, depth: int) -> Scope:
        if depth > DEEPEST:
            raise Unsayable("it is nested too deeply")
        if self._next("("):
            found = self.either(depth + 1)
            self._must(")")
            return found
        word = self._word()
        field = FIELDS.get(word.casefold())
        if field is None:
            raise Unsayable(f"a condition on {word!r}")
        return {field: self._values(field)}

    def _values(self, field: str) -> frozenset[str]:
        if self._next("="):
            return frozenset({self._word()})
        if not self._next("in"):
            raise Unsayable(f"{' '.join([field, *self.left[:2]])!r} is neither = nor in")
        self._must("(")
        values = [self._word()]
        while self._next(","):
            values.append(self._word())
        self._must(")")
        return frozenset(values)

    def _word(self) -> str:
        token = self.left.pop(0) if self.left else ""
        if token[:1] in ('"', "'"):
            return _ESCAPE.sub(r"\1", token[1:-1])
        if not token or token in "=~<>(),!" or token in ("!=", "!~", "<=", ">=") or token.casefold() in _RESERVED:
            raise Unsayable(f"{token!r} is not understood here" if token else "it ends too early")
        if self.left and self.left[0] == "(":
            raise Unsayable(f"the function {token}()")
        return token

    def _next(self, token: str) -> bool:
        if self.left and self.left[0].casefold() == token:
            del self.left[0]
            return True
        return False

    def _must(self, token: str) -> None:
        if not self._next(token):
            raise Unsayable(f"{token!r} is missing")
