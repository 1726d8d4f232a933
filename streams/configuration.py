"""One whole version of the configuration: company and norms, compiled. What everybody folds under (topic ``crossdesk.config``).

All instants are UTC microseconds. Look-ups never fail: what is unknown has a place (``_unmapped``) or no norm.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping

from pydantic import Field

from streams.company import Company, CompanyFile, SourceEntry
from streams.hidden import hidden_departments, turns
from streams.norm_entry import NormsFile
from streams.norms import Norms
from streams.people import Places
from streams.problems import Part
from streams.staffing import StaffBlock


class Files(Part):
    """What was written, checked for its types; norms by the name of their file. ``directory``: what HR systems said of people until
    this version was made; ``staff``: what is counted of it by department, in blocks that are final.
    """

    version: int = Field(ge=1)
    company: CompanyFile
    norms: Mapping[str, NormsFile] = {}
    directory: Mapping[str, Mapping[str, Places]] = {}
    staff: tuple[StaffBlock, ...] = ()


def encode(files: Files) -> bytes:
    """The record of a version: one line of JSON in UTF-8, the same for the same files."""
    return files.model_dump_json(exclude_defaults=True).encode()


class Configuration:
    """Compiled :class:`Files`. It does not change; look-ups fill caches."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.version = files.version
        self.company = Company(files.company, files.directory)
        self.norms = Norms(self.company, files.norms.values())
        self.levels = self.company.levels
        self.every_level = tuple(range(self.levels))
        # Looked up for every event: without another call between.
        self.department = self.company.department
        self.person = self.company.person
        self.next_change = self.company.next_change
        self.path, self.lasting = self.company.path, self.company.lasting
        self.calendar = self.norms.calendar
        self.norm = self.norms.norm
        self.lapse = self.norms.lapse
        self.courteous = self.norms.courteous
        self.excused = self.norms.excused if self.norms.excuses else None
        self.turns = turns(self.company)
        """The instants at which other departments may be :meth:`hidden`."""
        self._hidden: dict[int, dict[str, list[str]]] = {}
        self.sources = frozenset(source.name for source in files.company.sources)

    @classmethod
    def decode(cls, record: bytes) -> Configuration:
        """Raises ``pydantic.ValidationError``: records are our own, so an unreadable one is a bug, or from a newer release."""
        return cls(Files.model_validate_json(record))

    def unit(self, source: str, group: str, at: int) -> str:
        """Which department a requester's group is; empty for no group."""
        return self.company.department(source, group, at) if group else ""

    @property
    def departments(self) -> tuple[str, ...]:
        """The ids that the company file names, in its order."""
        return tuple(self.company.entries)

    def name(self, department: str) -> str:
        """For display."""
        entry = self.company.entries.get(department)
        return (entry.name if entry else "") or department

    def head_count(self, department: str, at: int) -> int | None:
        """How many people it has with all below it, where the file says so."""
        return self.company.head_count(department, at)

    def hidden(self, at: int) -> Mapping[str, list[str]]:
        """Who is not told of by itself: department -> the small ones for whose sake (:func:`streams.hidden.hidden_departments`)."""
        turn = bisect_right(self.turns, at)
        if turn not in self._hidden:
            self._hidden[turn] = hidden_departments(self.company, at)
        return self._hidden[turn]

    def next_turn(self, at: int) -> int | None:
        """The first instant after ``at`` at which others may be :meth:`hidden`; None: never, under this version."""
        turn = bisect_right(self.turns, at)
        return self.turns[turn] if turn < len(self.turns) else None

    def depth(self, department: str, at: int) -> int:
        """0 at the top."""
        return len(self.company.line(department, at)) - 1

    def bots(self, source: str) -> frozenset[str]:
        """The names of its bots, as the source knows them: what its connector needs."""
        return frozenset(bot.who for bot in self.files.company.bots if bot.source == source)


def trial_configuration(zone: str, sources: Iterable[str] = ()) -> Configuration:
    """Without any file: every group is a department, Monday to Friday 09:00-17:00, and nobody promised anything."""
    company = CompanyFile(
        organisation="trial",
        zone=zone,
        hours={"mon-fri": "09:00-17:00"},
        groups="each",
        sources=tuple(SourceEntry(name=name) for name in sources),
    )
    return Configuration(Files(version=1, company=company))
