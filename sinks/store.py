"""What a store is, and what it may raise.

Every ``write_*`` is an upsert that may be repeated: after a crash or an :class:`Unavailable` the caller writes the same
batch again, from the offsets it held, and the store reads as if it had been written once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from streams.indicators import IndicatorValue
from streams.sealed import Batch


class StoredRecord(NamedTuple):
    """A record of ``crossdesk.events`` as the log holds it; ``appended_us`` is the log's own time stamp."""

    offset: int
    appended_us: int
    raw: bytes


class Department(NamedTuple):
    """``depth`` is 0 at the top, where ``parent`` is empty. ``hidden``: it is told of in what is above it alone."""

    id: str
    name: str
    parent: str
    depth: int
    head_count: int
    hidden: bool = False


class CalendarTime(NamedTuple):
    """``calendar`` had been open for ``cumulative_us`` by ``instant`` (both microseconds), counted from anywhere.

    There is a row for each opening and closing and for both ends of what is known. ``*`` is whoever has no calendar.
    """

    calendar: str
    instant: int
    cumulative_us: int


class DepartmentDepth(NamedTuple):
    """``depth`` 0 is the top; it holds from ``since`` (microseconds) until the department's next row. ``hidden``: it is told of in
    what is above it alone.
    """

    department: str
    since: int
    depth: int
    hidden: bool = False


class DepartmentLine(NamedTuple):
    """``line``: the departments from the top down to itself; ``head_count`` is of it and all below it, None where nobody says so.
    Both hold from ``since`` (microseconds) until the department's next row; ``""`` is the whole organisation. All departments have
    a row for each instant at which the tree changes. ``sites``: the people of its own, by site.
    """

    department: str
    since: int
    line: list[str]
    head_count: int | None
    sites: dict[str, int]


class StaffRow(NamedTuple):
    """What HR systems tell of a department over the 13 weeks that end at ``ends`` (microseconds): how long its people were there,
    and away; how many left, and how many positions were open at the end (None: nobody says).
    """

    department: str
    ends: int
    present_us: int
    away_us: int | None
    left_people: int
    open_positions: int | None


class Result(NamedTuple):
    """The answer to a question."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class Asks(Protocol):
    """Whoever reads needs no more of a store."""

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Result:
        """One statement that reads. Raises :class:`BadQuery`, :class:`Unavailable`."""


class Keeps(Asks, Protocol):
    """Who also writes what the store computes from what it holds."""

    def execute(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """One statement of crossdesk's own. Raises :class:`Unavailable`."""


class OfGeneration(Asks, Protocol):
    """Asks about one generation: what it has computed lies in ``database``, whether it is the current one or not."""

    database: str


class Store(Protocol):
    """What is computed of events belongs to a generation, and a store writes into one.

    Raises :class:`Unavailable` from every method; any other exception is a bug and stops the process.
    """

    def write_facts(self, facts: Sequence[bytes]) -> None:
        """Encoded facts. Of each fact id the highest version stands, retractions included, in whatever order they come."""

    def write_events(self, records: Sequence[StoredRecord]) -> None: ...

    def write_indicators(self, values: Sequence[IndicatorValue]) -> None:
        """Of each series the highest offset stands."""

    def write_departments(self, departments: Sequence[Department], version: int) -> None:
        """All departments as the configuration ``version`` has them: the highest version stands, whole."""

    def write_calendar_time(self, rows: Sequence[CalendarTime], version: int) -> None:
        """Business time as the configuration ``version`` has it: the highest version stands, whole.

        What is written of one version must leave no gap in time.
        """

    def write_department_depths(self, rows: Sequence[DepartmentDepth], version: int) -> None:
        """The tree as the configuration ``version`` has it: the highest version stands, whole."""

    def write_department_lines(self, rows: Sequence[DepartmentLine], version: int) -> None:
        """The same with what is above each, and who is in it."""

    def write_staff(self, rows: Sequence[StaffRow], version: int) -> None:
        """What is counted of people by department as the configuration ``version`` has it: the highest version stands, whole."""

    def write_sealed(self, batches: Sequence[Batch]) -> None:
        """Sealed batches; each is there once, however often it is written."""


class Full(Store, Keeps, Protocol):
    """What a stage that stores everything needs."""


class StoreError(Exception):
    """The message is for people.

    StoreError
    ├── Unavailable    come back later; whoever writes holds the offsets
    ├── StoreLocked    another process has the store open: stop it first
    ├── StoreTooNew    the store was migrated by a later crossdesk: run that one
    ├── NoGeneration   it is not there, or must stay because everybody reads it: name another
    └── BadQuery       whoever asked asks differently
    """


class Unavailable(StoreError):
    pass


class StoreLocked(StoreError):
    def __init__(self, path: str, pid: int | None) -> None:
        holder = f"process {pid}" if pid else "another process"
        super().__init__(
            f"{path} is open in {holder}, and chDB lets one process at a time have it open: stop that one first, and start "
            "it again afterwards. A server of ClickHouse answers all at once"
        )
        self.path, self.pid = path, pid


class StoreTooNew(StoreError):
    pass


class NoGeneration(StoreError):
    pass


class BadQuery(StoreError):
    pass
