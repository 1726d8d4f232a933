"""An installation on Kafka as a log of the embedded mode: what its topics hold now, for commands that look through all of it.

Records stand in the order in which the broker took them in, whatever their partitions. A watermark stands where the last partition
has it, so that it says of all of them what it says; a version of the configuration where the first one has it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from deploy.configurations import Configurations
from deploy.directory import DIRECTORY
from deploy.intake import progress
from deploy.log import Log
from deploy.topic_reader import Kept, TopicReader
from ingest import event as e
from ingest.broker import BrokerSettings
from streams.cases import META, Meta
from streams.effects import GENERATION
from streams.timeline import microseconds

NAME = "the installation on Kafka"
CHUNK = 10_000

Row = tuple[int, int, int, str, bytes]
"""When the broker took a record in (ms), its partition and offset, its case (none: a mark), and the record."""


@contextmanager
def log_of_topics(broker: BrokerSettings, cases: Collection[str] | None = None) -> Iterator[Log]:
    """A log that is gone at the end, of the current generation. ``cases``: only those, as their sources name them.

    It lies in the folder of temporary files (``TMPDIR``), and takes about as much room as the events do. Raises
    ``ingest.broker.BrokerUnavailable`` and ``ingest.topics.TopicsDiffer``.
    """
    with (
        Configurations(broker) as configurations,
        TemporaryDirectory(prefix="crossdesk-") as folder,
        Log(Path(folder) / "log.sqlite3", configurations.read().generation) as log,
    ):
        log.name, log.has_versions = NAME, False
        with TopicReader(broker) as reader, progress("Reading the events") as bar:
            _copy(reader, log, cases, lambda n: bar(None, f"{n:,} records"))
        for version, files in configurations.read().versions.items():  # those too that came meanwhile
            log.add_configuration(version, files)
        yield log


def _copy(reader: TopicReader, log: Log, cases: Collection[str] | None, seen: Callable[[int], None]) -> None:
    partitions = len(reader.stretches("events"))
    log.db.execute("CREATE TEMP TABLE told (at INTEGER, partition INTEGER, place INTEGER, key TEXT, value BLOB)")
    with log.transaction():
        rows = _rows(reader.held("events"), str(log.generation).encode(), cases, seen)
        log.db.executemany("INSERT INTO told VALUES (?, ?, ?, ?, ?)", rows)
    marks = Marks(partitions)
    with log.transaction():
        told = iter(log.db.execute("SELECT * FROM told ORDER BY at, partition, place"))
        while chunk := list(islice(told, CHUNK)):
            log.append("events", [r for row in chunk for r in marks.in_order(row)], chunk[-1][0] * 1000)
        log.append(DIRECTORY, [(kept.key.decode(), kept.value or b"") for _, kept in reader.held(DIRECTORY)], 0)
        log.store("cases", {META.encode(): msgspec.msgpack.encode(Meta(marks=marks.reached))})
        log.set_position("cases", log.end("events"))
    log.db.execute("DROP TABLE told")


def _rows(
    records: Iterable[tuple[int, Kept]], generation: bytes, cases: Collection[str] | None, seen: Callable[[int], None]
) -> Iterator[Row]:
    """What the workers of a generation fold: what they cannot read, they set aside."""
    for n, (partition, kept) in enumerate(records):
        if n % CHUNK == 0:
            seen(n)
        name = kept.key.decode("utf-8", "replace").partition("/")[2]
        if kept.value is None or (cases is not None and kept.key and name not in cases):
            continue
        if any(header == GENERATION and value != generation for header, value in kept.headers):
            continue
        try:
            record = e.decode(kept.value)
        except e.Unreadable:
            continue
        yield kept.at, partition, kept.offset, "" if isinstance(record, e.Mark) else record.key, kept.value


class Marks:
    """The marks of all partitions become those of one log."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._of: dict[str, dict[int, datetime]] = {}
        self._versions = set[int]()
        self._reached: dict[str, datetime] = {}

    @property
    def reached(self) -> dict[str, int]:
        """How far each source is complete in all partitions, in µs."""
        return {source: microseconds(until) for source, until in self._reached.items()}

    def in_order(self, row: Row) -> Iterator[tuple[str, bytes]]:
        """The record, with its key, if it says something in this place."""
        _, partition, _, key, value = row
        if key:
            yield key, value
            return
        mark = e.decode(value)
        if isinstance(mark, e.ConfigMark) and mark.data.version not in self._versions:
            self._versions.add(mark.data.version)
            yield "", value
        if isinstance(mark, e.Watermark):
            of = self._of.setdefault(mark.source, {})
            of[partition] = max(mark.data.until, of.get(partition, mark.data.until))
            least, before = min(of.values()), self._reached.get(mark.source)
            if len(of) == self._partitions and (before is None or least > before):
                self._reached[mark.source] = least
                yield "", e.encode(e.watermark(mark.source, least))
