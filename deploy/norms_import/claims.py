"""Vendors take the first of their rules that fits a case, norms the most specific: here the one becomes the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

Words = tuple[str, ...]
ALL: Words = ()


class Claim(NamedTuple):
    """What a vendor promises for cases of these services and priorities (None: all). ``target`` None: it promises nothing.

    ``origin``: whose rule it is, in words.
    """

    services: frozenset[str] | None
    priorities: frozenset[str] | None
    target: str | None
    origin: str

    def fits(self, service: str | None, priority: str | None) -> bool:
        """None: one that no claim names. All in small letters."""
        return (self.services is None or service in self.services) and (
            self.priorities is None or priority in self.priorities
        )


class Ruled(NamedTuple):
    """A rule of a norm; empty: all."""

    services: Words
    priorities: Words
    target: str
    origin: str


class Compiled(NamedTuple):
    """``rules``, the most specific first. ``unsaid``: for which cases the vendor has no target, and norms cannot say so: they get
    ``target``, which is that of others.
    """

    rules: tuple[Ruled, ...]
    unsaid: tuple[Ruled, ...]


def compiled(claims: Iterable[Claim]) -> Compiled:
    """Rules under which every case has the target of the first claim that fits it, but for what is ``unsaid``."""
    return _Table(tuple(claims)).compiled()


class _Table:
    """Services down, priorities across; None is for all that are named nowhere."""

    def __init__(self, claims: Sequence[Claim]) -> None:
        self._spelled: dict[str, str] = {}
        self._claims = [
            claim._replace(services=self._folded(claim.services), priorities=self._folded(claim.priorities))
            for claim in claims
        ]
        self._services = _named(claim.services for claim in self._claims)
        self._priorities = _named(claim.priorities for claim in self._claims)
        self._rules: list[Ruled] = []
        self._unsaid: list[Ruled] = []

    def compiled(self) -> Compiled:
        base = self._claim(None, None)
        across = self._row(None, base)
        for service in self._services:
            self._rows_of(service, base, across)
        rules = sorted(_merged(self._rules), key=lambda rule: (not rule.services, not rule.priorities))
        return Compiled(tuple(rules), tuple(_merged(self._unsaid)))

    def _row(self, service: str | None, base: Claim | None) -> dict[str, Claim | None]:
        """The rules of one service (None: of all others) for each priority; gives what counts for each."""
        self._say(service, None, base)
        row: dict[str, Claim | None] = {}
        for priority in self._priorities:
            claim = self._claim(service, priority)
            if _target(claim) == _target(base):
                row[priority] = base
            elif claim is None or claim.target is None:
                self._fall(service, priority, base)
                row[priority] = base
            else:
                self._say(service, priority, claim)
                row[priority] = claim
        return row

    def _rows_of(self, service: str, base: Claim | None, across: dict[str, Claim | None]) -> None:
        own = self._claim(service, None)
        wanted = {priority: self._claim(service, priority) for priority in self._priorities}
        if _target(own) not in (None, _target(base)):
            self._row(service, own)  # a rule for the service alone comes before all that name a priority alone
            return
        if _target(own) != _target(base):
            self._fall(service, None, base)
        for priority, claim in wanted.items():
            if _target(claim) == _target(across[priority]):
                continue
            if claim is None or claim.target is None:
                self._fall(service, priority, across[priority])
            else:
                self._say(service, priority, claim)

    def _say(self, service: str | None, priority: str | None, claim: Claim | None) -> None:
        if claim is not None and claim.target is not None:
            self._rules.append(Ruled(self._word(service), self._word(priority), claim.target, claim.origin))

    def _fall(self, service: str | None, priority: str | None, claim: Claim | None) -> None:
        if claim is not None and claim.target is not None:
            self._unsaid.append(Ruled(self._word(service), self._word(priority), claim.target, claim.origin))

    def _claim(self, service: str | None, priority: str | None) -> Claim | None:
        return next((claim for claim in self._claims if claim.fits(service, priority)), None)

    def _folded(self, words: frozenset[str] | None) -> frozenset[str] | None:
        if words is None:
            return None
        for word in sorted(words):
            self._spelled.setdefault(word.casefold(), word)
        return frozenset(word.casefold() for word in words)

    def _word(self, folded: str | None) -> Words:
        return ALL if folded is None else (self._spelled[folded],)


def _target(claim: Claim | None) -> str | None:
    return None if claim is None else claim.target


def _named(sets: Iterable[frozenset[str] | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for words in sets if words for word in sorted(words)))


def _merged(rules: Iterable[Ruled]) -> Iterable[Ruled]:
    """Rules that differ in priorities alone are one, and then those that differ in services alone."""
    by_priority: dict[tuple[object, ...], Ruled] = {}
    for rule in rules:
        key = (bool(rule.priorities), rule._replace(priorities=ALL))
        before = by_priority.get(key)
        by_priority[key] = rule if before is None else rule._replace(priorities=before.priorities + rule.priorities)
    by_service: dict[tuple[object, ...], Ruled] = {}
    for rule in by_priority.values():
        key = (bool(rule.services), rule._replace(services=ALL))
        before = by_service.get(key)
        by_service[key] = rule if before is None else rule._replace(services=before.services + rule.services)
    return by_service.values()
