"""CONTRACT: what a connector is. One source = one file in ``connectors/``, one fixture, one line in its ``__init__``.

A connector is pure: it gets lines or answers and yields records; who opens files and sockets is the shell around it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from functools import partial
from typing import ClassVar

from msgspec import Struct

from ingest.event import CaseEvent


class Rejected(Struct, frozen=True, kw_only=True):
    """A row or record that could not be read: ``place`` (file:line) tells where, ``subject`` which case, if known."""

    source: str
    reason: str
    place: str = ""
    subject: str = ""
    raw: str = ""


class BadFile(Exception):
    """Nothing of the file can be used: show ``reason`` and ``mend`` to who named the file."""

    def __init__(self, reason: str, mend: str, *, place: str = "") -> None:
        super().__init__(f"{place}: {reason}; {mend}" if place else f"{reason}; {mend}")
        self.reason, self.mend, self.place = reason, mend, place

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return partial(type(self), place=self.place), (self.reason, self.mend)


class LogConnector(ABC):
    """A source that is a log in a file.

    ``source`` is the name of the source in events and in the company file.
    """

    name: ClassVar[str]
    source: str

    @abstractmethod
    def events(self, lines: Iterable[str], place: str) -> Iterator[CaseEvent | Rejected]:
        """Events of all cases, in any order. ``lines`` keep their line ends; ``place`` names the file in messages.

        Raises :class:`BadFile` when nothing of the file can be used (a missing column, an empty file).
        """
