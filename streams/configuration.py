"""One whole version of the configuration: company and norms, compiled. What everybody folds under (topic ``crossdesk.config``).

All instants are UTC microseconds. Look-ups never fail: what is unknown has a place (``_unmapped``) or no norm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import Field

from streams.company import Company, CompanyFile, SourceEntry
from streams.hours import Calendar
from streams.norms import Norm, Norms, NormsFile
from streams.problems import Part


class Files(Part):
    """What was written, checked for its types; norms by the name of their file."""

    version: int = Field(ge=1)
    company: CompanyFile
    norms: Mapping[str, NormsFile] = {}


def encode(files: Files) -> bytes:
    """The record of a version: one line of JSON in UTF-8, the same for the same files."""
    return files.model_dump_json(exclude_defaults=True).encode()


class Configuration:
    """Compiled :class:`Files`. It does not change; look-ups fill caches."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.version = files.version
        self.company = Company(files.company)
        self.norms = Norms(self.company, files.norms.values())
        self.levels = self.company.levels
        self.sources = frozenset(source.name for source in files.company.sources)

    @classmethod
    def decode(cls, record: bytes) -> Configuration:
        """Raises ``pydantic.ValidationError``: records are our own, so an unreadable one is a bug, or from a newer release."""
        return cls(Files.model_validate_json(record))

    def department(self, source: str, group: str, at: int) -> str:
        """Which department the group is; ``_unowned`` for no group, ``_unmapped`` for one that no file names at ``at``."""
        return self.company.department(source, group, at)

    def unit(self, source: str, group: str, at: int) -> str:
        """Which department a requester's group is; empty for no group."""
        return self.company.department(source, group, at) if group else ""

    def person(self, who: str, at: int) -> str:
        """The department of a pseudonym, or empty."""
        return self.company.person(who, at)

    def next_change(self, source: str, group: str, after: int) -> int | None:
        """The next instant after ``after`` at which the path of the group's department changes."""
        return self.company.next_change(source, group, after)

    def path(self, department: str, at: int) -> tuple[str, ...]:
        """The department at each level, from the top, ``levels`` of them; below its own depth it stands for itself."""
        return self.company.path(department, at)

    def calendar(self, department: str) -> Calendar:
        """Its hours over time; the organisation's for whatever has none."""
        return self.norms.calendar(department)

    def norm(self, kind: str, department: str, counterpart: str, at: int) -> Norm | None:
        """What ``department`` promised at ``at``. ``acceptance``: to ``counterpart``, else to what is above it, else to anybody."""
        return self.norms.norm(kind, department, counterpart, at)

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
