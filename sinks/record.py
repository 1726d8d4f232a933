"""A record of a topic as the sinks see it, and what is raised where there is none or it cannot be used."""

from __future__ import annotations

from typing import Protocol

Partition = tuple[str, int]
"""A topic and a number."""

_SHOWN = 300


class Record(Protocol):
    """As kafka-python has it. ``timestamp``: when the log took it in, in milliseconds."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class UnusableRecord(Exception):
    """Our own record cannot be read, or the store refuses it. Whoever consumes it stops and holds its offset, for whatever comes
    behind it may rest on it.
    """

    def __init__(self, record: Record, reason: str) -> None:
        first = reason.strip().split("\n", 1)[0][:_SHOWN]
        super().__init__(
            f"{record.topic}, partition {record.partition}, offset {record.offset}: {first}. "
            "Either a later crossdesk wrote that: run this stage in its version. Or it is a bug: please report it. "
            "Nothing is lost meanwhile: the stage goes on from there when it is started again"
        )


class ConsumerStopped(Exception):
    """Kafka cannot be reached at the start, or refuses us, or a topic is not there; the message says which."""
