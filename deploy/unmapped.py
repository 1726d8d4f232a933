"""Groups and departments of HR systems that occur and that no company file names: who they are, and who they may be."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct

from deploy.words import day
from ingest import event as e
from streams.company import Company
from streams.dated import Dated
from streams.fact import UNMAPPED
from streams.people import NOWHERE

NEAR = 0.6
ENOUGH_ACTS = 3
HALF = 0.5
_WORD = re.compile(r"[^\W\d_]{3}")
_KEY = re.compile(r"[0-9a-fA-F-]{24,}")

Kind = Literal["group", "requester's group", "HR department"]


class Suggestion(Struct, frozen=True):
    """``why``: in words."""

    department: str
    why: str


class Unmapped(Struct):
    """``cases``: how many it occurs in; ``people``: how many are or were in it, by the HR system; ``last``: UTC microseconds.

    ``name``: what the source calls it, where it was asked.
    """

    kind: Kind
    source: str
    group: str
    cases: int = 0
    people: int = 0
    last: int = 0
    name: str = ""
    suggestion: Suggestion | None = None


class _Seen:
    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.cases: set[str] = set()
        self.people: set[str] = set()
        self.last = 0
        self.departments: Counter[str] = Counter()
        """Of those who acted in the group's name, or asked out of it."""


class Search:
    """What is unmapped under a company file, in the events that it hears."""

    def __init__(self, company: Company) -> None:
        self._company = company
        self._seen: dict[tuple[str, str], _Seen] = {}
        self._of_hr()

    def hear(self, record: bytes) -> None:
        """What cannot be read is set aside elsewhere."""
        try:
            event = e.decode(record)
        except e.Unreadable:
            return
        at = round(event.time.timestamp() * 1_000_000)
        if isinstance(event, e.YouSaid):
            self._group("group", event, event.data.department, "", at)
        elif isinstance(event, e.CaseEvent):
            data: Any = event.data
            requester = getattr(data, "requester", "")
            self._group("group", event, getattr(data, "group", ""), event.who, at)
            self._group("requester's group", event, getattr(data, "requester_group", ""), requester, at)
            for person in {event.who, requester} - {""}:
                self._person(event, person, at)

    def found(self, names: Mapping[tuple[str, str], str] | None = None) -> list[Unmapped]:
        """Those in most cases first. ``names``: of groups, where their source was asked: (source, id) -> name."""
        names = names or {}
        guess = _Guess(self._company)
        rows = [
            Unmapped(
                seen.kind,
                source,
                group,
                len(seen.cases),
                len(seen.people),
                seen.last,
                names.get((source, group), ""),
                guess(names.get((source, group)) or group, seen.departments),
            )
            for (source, group), seen in self._seen.items()
        ]
        return sorted(rows, key=lambda row: (-row.cases, -row.people, row.source, row.group))

    def _of_hr(self) -> None:
        """All that HR systems have said, whether or not anybody of there is in an event."""
        for person, told in self._company.directory.items():
            for source, places in told.items():
                for since, name in places:
                    if name != NOWHERE and self._company.department(source, name, since) == UNMAPPED:
                        seen = self._note("HR department", source, name, since)
                        seen.people.add(person)

    def _group(self, kind: Kind, event: e.CaseEvent | e.YouSaid, group: str, who: str, at: int) -> None:
        if group and self._company.department(event.source, group, at) == UNMAPPED:
            seen = self._note(kind, event.source, group, at)
            seen.cases.add(event.key)
            department = self._company.person(who, at) if who else ""
            if department not in ("", UNMAPPED):
                seen.departments[department] += 1

    def _person(self, event: e.CaseEvent, person: str, at: int) -> None:
        if self._company.person(person, at) != UNMAPPED:
            return
        for source, places in self._company.directory.get(person, {}).items():
            name = Dated(places, NOWHERE).at(at)
            if name != NOWHERE and self._company.department(source, name, at) == UNMAPPED:
                self._note("HR department", source, name, at).cases.add(event.key)

    def _note(self, kind: Kind, source: str, group: str, at: int) -> _Seen:
        seen = self._seen.get((source, group))
        if seen is None:
            seen = self._seen[source, group] = _Seen(kind)
        if kind == "group":
            seen.kind = kind  # whoever works on cases matters more than who asks
        seen.last = max(seen.last, at)
        return seen


class _Guess:
    """Which department it may be: like whose name it is, or whose people work in it."""

    def __init__(self, company: Company) -> None:
        self._known: dict[str, Suggestion] = {}
        for (source, group), departments in company.groups.items():
            if not says_nothing(group):
                department = [*departments][-1][1]
                self._add(group, Suggestion(department, f"like the group {group!r} of {source}"))
        for id, entry in company.entries.items():
            self._add(id, Suggestion(id, f"like the department {id!r}"))
            if entry.name:
                self._add(entry.name, Suggestion(id, f"like the department {entry.name!r}"))

    def _add(self, name: str, suggestion: Suggestion) -> None:
        self._known[name.casefold()] = suggestion

    def __call__(self, name: str, acted: Counter[str]) -> Suggestion | None:
        for department, acts in acted.most_common(1):
            if acts >= ENOUGH_ACTS and acts > HALF * acted.total():
                share = round(100 * acts / acted.total())
                return Suggestion(department, f"its people are of {department}, by {share} % of what they did")
        if says_nothing(name):
            return None
        near = difflib.get_close_matches(name.casefold(), self._known, n=1, cutoff=NEAR)
        return self._known[near[0]] if near else None


def says_nothing(group: str) -> bool:
    """Whether it is an id that only the source can read: two of these are alike without meaning."""
    return not _WORD.search(group) or _KEY.fullmatch(group) is not None


def yaml_lines(rows: Iterable[Unmapped], zone: str) -> Iterator[str]:
    """For ``groups:`` of company.yaml. What nothing is suggested for is a comment, in which the department is to be filled in."""
    for row in rows:
        of = ", 1 person" if row.people == 1 else f", {row.people:,} people" if row.people else ""
        cases = "no case" if not row.cases else "1 case" if row.cases == 1 else f"{row.cases:,} cases"
        name = f" {_quoted(row.name)}" if row.name else ""
        yield f"  # {row.kind}{name}: {cases}{of}, last on {day(row.last, zone)}; {_why(row)}"
        department = _plain(row.suggestion.department) if row.suggestion else "?"
        entry = f"- {{source: {_plain(row.source)}, group: {_quoted(row.group)}, department: {department}}}"
        yield f"  {entry}" if row.suggestion else f"  # {entry}"


def _why(row: Unmapped) -> str:
    if row.suggestion:
        return _escaped(row.suggestion.why)
    if not row.name and says_nothing(row.group):
        return f"only {_escaped(row.source)} knows what this id is called: look it up there"
    return "nothing is called like it"


def _plain(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z][\w-]*", text, re.ASCII) else _quoted(text)


def _quoted(text: str) -> str:
    return '"' + _escaped(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _escaped(text: str) -> str:
    """As YAML reads it between double quotes, and on one line."""
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in text)
