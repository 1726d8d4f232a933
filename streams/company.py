"""The company file, and who belongs where: departments in their tree, groups and people in their departments, in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from streams.dated import FOR_EVER, Dated, Day, Since, ZoneName, instant
from streams.fact import UNMAPPED, UNOWNED
from streams.opening import HolidayCodes, Hours
from streams.people import Directory, department_of, joined
from streams.problems import Listed, Part, refuse

ANYBODY = "*"
"""In a norm: whoever gives the case. Never the id of a department."""


def _department_id(text: str) -> str:
    mend = "ids are short and plain, such as it-service"
    if not text or text != text.strip() or not text.isprintable() or len(text) > 120:
        raise refuse(f"'{text}' cannot be the id of a department", mend)
    if text.startswith("_") or "/" in text or text == ANYBODY:
        raise refuse(f"the id '{text}' starts with '_', contains '/' or is '*'", mend)
    return text


def _source_name(text: str) -> str:
    if not text or text != text.strip() or "/" in text:
        raise refuse(f"'{text}' cannot be the name of a source", "name it without '/' and outer spaces")
    return text


def _entries(key: str) -> BeforeValidator:
    """``x`` is short for ``[{key: x}]``, and ``[x]`` for the same."""

    def long(given: Any) -> Any:
        if isinstance(given, str):
            given = [given]
        return [{key: item} if isinstance(item, str) else item for item in given] if isinstance(given, list) else given

    return BeforeValidator(long)


DepartmentId = Annotated[str, AfterValidator(_department_id)]
SourceName = Annotated[str, AfterValidator(_source_name)]
Name = Annotated[str, Field(min_length=1, max_length=512)]
HeadCount = Annotated[int, Field(ge=0, strict=False)]


class SourceEntry(Part):
    name: SourceName
    zone: ZoneName | None = None


class ParentEntry(Part):
    """Without ``department``: at the top."""

    department: DepartmentId | None = None
    since: Since | None = None


class DepartmentEntry(Part):
    """``sites``: how many people of its own it has at each."""

    id: DepartmentId
    name: str = ""
    parent: Annotated[Listed[ParentEntry], _entries("department")] = ()
    zone: ZoneName | None = None
    head_count: HeadCount | None = None
    sites: Mapping[Name, HeadCount] = {}

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        known, all_of_them = sum(self.sites.values()), self.head_count
        if all_of_them is not None and known > all_of_them:
            raise refuse(
                f"'{self.id}' has {known} people at its sites, and a head_count of {all_of_them}", "mend one of them"
            )
        return self


class GroupEntry(Part):
    source: SourceName
    group: Name
    department: DepartmentId
    since: Since | None = None


class PersonEntry(Part):
    person: Name
    department: DepartmentId
    since: Since | None = None


class BotEntry(Part):
    source: SourceName
    who: Name


class WaveEntry(Part):
    """A survey that is open for longer or shorter than others: until the first Monday, 00:00 UTC, on or after ``closes``."""

    wave: Name
    closes: Day


def _groups_form(given: Any) -> str:
    return "each" if isinstance(given, str) else "list"


class CompanyFile(Part):
    """``company.yaml``. Dates mean midnight in ``zone``. ``groups: each``: every group is a department of its own."""

    organisation: Name
    zone: ZoneName
    hours: Hours
    holidays: HolidayCodes | None = None
    sources: Annotated[Listed[SourceEntry], _entries("name")] = ()
    departments: Listed[DepartmentEntry] = ()
    groups: Annotated[
        Annotated[Literal["each"], Tag("each")] | Annotated[Listed[GroupEntry], Tag("list")],
        Discriminator(_groups_form),
    ]
    people: Listed[PersonEntry] = ()
    bots: Listed[BotEntry] = ()
    waves: Listed[WaveEntry] = ()

    @property
    def group_entries(self) -> tuple[GroupEntry, ...]:
        return () if self.groups == "each" else self.groups


class Company:
    """The company file, compiled: look-ups by instant (UTC µs). ``directory``: where people are who are not written there."""

    def __init__(self, file: CompanyFile, directory: Directory | None = None) -> None:
        self.file = file
        self.directory: Directory = directory or {}
        self.each = file.groups == "each"
        self.entries: Mapping[str, DepartmentEntry] = {entry.id: entry for entry in file.departments}
        self.parents: Mapping[str, Dated[str]] = {
            d.id: Dated([(instant(p.since, file.zone), p.department or "") for p in d.parent], before="")
            for d in file.departments
        }
        self.groups: Mapping[tuple[str, str], Dated[str]] = _dated(
            (((e.source, e.group), instant(e.since, file.zone), e.department) for e in file.group_entries), UNMAPPED
        )
        self.people: Mapping[str, Dated[str]] = _dated(
            ((e.person, instant(e.since, file.zone), e.department) for e in file.people), ""
        )
        self._closes = {entry.wave: instant(entry.closes, "UTC") for entry in file.waves}
        self._people = {who: history for who, history in self.people.items() if who not in self.directory}
        self.levels = 1 if self.each else max((len(line) for line in self._lines()), default=1)
        self._own: dict[tuple[str, str], str] = {}
        self._paths: dict[str, Dated[tuple[str, ...]]] = {}
        self.lasting: dict[str, tuple[str, ...]] = {}
        """The paths, once they were asked for, that never change."""
        self._changes: dict[tuple[str, str], Dated[tuple[str, ...]]] = {}

    def department(self, source: str, group: str, at: int) -> str:
        """Which department the group is; ``_unowned`` for no group, ``_unmapped`` for one that no file names at ``at``."""
        if not group:
            return UNOWNED
        if self.each:
            return self._each(source, group)
        history = self.groups.get((source, group))
        return UNMAPPED if history is None else history.at(at)

    def person(self, who: str, at: int) -> str:
        """The department of a pseudonym, or empty."""
        history = self._people.get(who)
        if history is None:
            if who not in self.directory:
                return ""
            history = self.history(who)
        return history.at(at)

    def history(self, who: str) -> Dated[str]:
        """The departments of a pseudonym. From its first date on, what is written in the file counts, and not the directory."""
        history = self._people.get(who)
        if history is None:
            written = list(self.people.get(who, ()))
            told = department_of(self.directory.get(who, {}), self.groups, self.department)
            before = [(at, department) for at, department in told if not written or at < written[0][0]]
            history = Dated(joined([*before, *written]), before="")
            if who in self.directory:
                self._people[who] = history
        return history

    def path(self, department: str, at: int) -> tuple[str, ...]:
        """The department at each level, from the top, ``levels`` of them; below its own depth it stands for itself."""
        path = self.lasting.get(department)
        if path is not None:
            return path
        history = self._paths.get(department)
        if history is None:
            history = self._paths[department] = self._path(department)
            if len(paths := {path for _, path in history}) == 1:
                self.lasting[department] = paths.pop()
        return history.at(at)

    def next_change(self, source: str, group: str, after: int) -> int | None:
        """The next instant after ``after`` at which the path of the group's department changes."""
        if self.each or (source, group) not in self.groups:
            return None
        history = self._changes.get((source, group))
        if history is None:
            history = self._changes[source, group] = self._path_of_group(source, group)
        return next((start for start in history.starts if start > after), None)

    def line(self, department: str, at: int) -> list[str]:
        """The department and everything above it, from the top. A cycle is cut where it closes."""
        line: list[str] = []
        while department and department not in line:
            line.append(department)
            parents = self.parents.get(department)
            department = "" if parents is None else parents.at(at)
        return line[::-1] or [""]

    @cached_property
    def reorganisations(self) -> tuple[int, ...]:
        """All instants at which a parent changes."""
        return tuple(sorted({start for parents in self.parents.values() for start in parents.starts}))

    def zone(self, department: str) -> str:
        entry = self.entries.get(department)
        return self.file.zone if entry is None else entry.zone or self.file.zone

    def head_count(self, department: str, at: int) -> int | None:
        """Its own number, which counts everybody below it; without one the sum of its children's, if all are known."""
        entry = self.entries.get(department)
        if entry is not None and entry.head_count is not None:
            return entry.head_count
        below = [self.head_count(child, at) for child, parents in self.parents.items() if parents.at(at) == department]
        known = [count for count in below if count is not None]
        return sum(known) if known and len(known) == len(below) else None

    def sites(self, department: str) -> Mapping[str, int]:
        """How many people of its own it has at each; empty where the file does not say so."""
        entry = self.entries.get(department)
        return {} if entry is None else entry.sites

    def wave_closes(self, wave: str) -> int | None:
        """From when on no answer of it is taken, where the file says so."""
        return self._closes.get(wave)

    def _lines(self) -> Iterator[list[str]]:
        for department in self.parents:
            for at in (FOR_EVER, *self.reorganisations):
                yield self.line(department, at)

    def _each(self, source: str, group: str) -> str:
        """The group as an id of a department: what an id may not contain is replaced by what looks like it."""
        known = self._own.get((source, group))
        if known is None:
            name = f"{source}: {group}" if len(self.file.sources) > 1 else group
            name = name.replace("/", "\N{DIVISION SLASH}")
            known = "\N{FULLWIDTH LOW LINE}" + name[1:] if name[0] == "_" else name
            self._own[source, group] = known
        return known

    def _path(self, department: str) -> Dated[tuple[str, ...]]:
        return Dated(
            [(at, self._padded(department, at)) for at in (FOR_EVER, *self.reorganisations)],
            before=(department,) * self.levels,
        )

    def _padded(self, department: str, at: int) -> tuple[str, ...]:
        line = self.line(department, at)[: self.levels]
        return (*line, *[department] * (self.levels - len(line)))

    def _path_of_group(self, source: str, group: str) -> Dated[tuple[str, ...]]:
        """The path of whatever department the group belongs to, only where it changes."""
        changes: list[tuple[int, tuple[str, ...]]] = []
        for at in sorted({FOR_EVER, *self.groups[source, group].starts, *self.reorganisations}):
            path = self.path(self.department(source, group, at), at)
            if not changes or changes[-1][1] != path:
                changes.append((at, path))
        return Dated(changes, before=())


def _dated(entries: Iterator[tuple[Any, int, str]], before: str) -> dict[Any, Dated[str]]:
    histories: dict[Any, list[tuple[int, str]]] = {}
    for key, since, department in entries:
        histories.setdefault(key, []).append((since, department))
    return {key: Dated(history, before) for key, history in histories.items()}
