"""From the configuration in force to the next: the same for every installation, whatever holds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from streams.configuration import Configuration, Files
from streams.problems import Problem, Severity
from streams.successor import check_successor, keep_past


class Refused(Exception):
    """The configuration cannot follow the one in force; ``problems`` say why."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class Applies(Protocol):
    """An installation, as far as its configuration goes."""

    def apply(self, files: Files) -> tuple[int, list[Problem]]:
        """Make ``files`` the next version, unless they say what the newest says: its number, and what to know about it.

        Raises :class:`Refused`.
        """


def same(files: Files, old: Configuration) -> bool:
    """Whether they say what is in force, whatever number they have."""
    return files.model_copy(update={"version": old.version}) == old.files


def written_the_same(files: Files, old: Configuration) -> bool:
    """The same, whatever HR systems have said meanwhile."""
    return same(files.model_copy(update={"directory": old.files.directory, "staff": old.files.staff}), old)


def successor(
    old: Configuration | None, files: Files, least_watermark: Callable[[], int | None]
) -> tuple[Configuration, list[Problem]]:
    """``old`` itself where ``files`` say the same, else its next version; and what to know about it. ``least_watermark`` is asked
    only where it matters. Raises :class:`Refused`.
    """
    if old is None:
        return Configuration(files.model_copy(update={"version": 1})), []
    if same(files, old):
        return old, []
    watermark = least_watermark()
    files, notes = keep_past(old, files, watermark)
    if same(files, old):
        return old, notes
    new = Configuration(files.model_copy(update={"version": old.version + 1}))
    problems = [*check_successor(old, new, watermark), *notes]
    if any(p.severity is Severity.error for p in problems):
        raise Refused(problems)
    return new, problems


def sources_of(configuration: Configuration) -> frozenset[str]:
    """All that the company file names: among its sources, or beside a group."""
    return configuration.sources | {group.source for group in configuration.files.company.group_entries}
