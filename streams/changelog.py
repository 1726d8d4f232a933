"""State of partitions, kept in memory and in a changelog: a Faust table that is written and recovered a batch at a time.

Every record of the changelog carries the offset of the last record behind it, its version: before the row, or, of a row that was
deleted, in a header. Recovery keeps the highest version of a row, and writes it again where the changelog's last is lower: a
worker that had been paused may have written after it was no longer the owner (DESIGN 5.7).
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

import faust
from faust.types import TP

from streams.transport import Batch, Record, Sent, raw_topic, send_all

log = logging.getLogger("crossdesk.streams")

VERSION_BYTES = 8
HEADER = "version"
BEGINNING = -1

Key = TypeVar("Key", str, bytes)


class Coding(NamedTuple, Generic[Key]):
    """How keys of rows are written, and read."""

    encode: Callable[[Key], bytes]
    decode: Callable[[bytes], Key]


TEXT: Coding[str] = Coding(str.encode, bytes.decode)
BYTES: Coding[bytes] = Coding(bytes, bytes)


class Overtaken(Exception):
    """A worker that had been paused wrote after its partition had become ours. The process ends; started again, it mends that."""


class Versions:
    """Of one partition while it recovers: the highest version of each row, and whose last record is an older one."""

    def __init__(self) -> None:
        self.highest: dict[bytes, int] = {}
        self.overtaken: set[bytes] = set()

    def stands(self, key: bytes, version: int) -> bool:
        if version < self.highest.get(key, -1):
            self.overtaken.add(key)
            return False
        self.highest[key] = version
        self.overtaken.discard(key)
        return True


class ChangelogTable(faust.Table, Generic[Key]):  # type: ignore[type-arg]
    """``rows`` by partition: what a fold calls its state, from the end of its recovery until it is revoked. ``topic`` is the
    changelog; as many partitions as what is folded.
    """

    app: Any

    def __init__(self, app: faust.App, name: str, topic: str, partitions: int, coding: Coding[Key]) -> None:
        super().__init__(
            app,
            name=name,
            partitions=partitions,
            key_type=bytes,
            value_type=bytes,
            changelog_topic=raw_topic(app, topic, partitions),
        )
        self.topic = topic
        self.coding: Coding[Key] = coding
        self.rows: defaultdict[int, dict[Key, bytes]] = defaultdict(dict)
        self.versions: dict[int, Versions] = {}
        """Of the partitions that are being recovered."""
        self.ends: dict[int, int] = {}
        """Of the others: the last offset that was read or written here. Faust's own may be of a write that is under way."""
        self.saying: set[int] = set()
        """Where a write is under way."""
        self.overtaken: dict[int, list[Record]] = {}
        """What must be written again where a recovery has ended."""
        app.tables.add(self)

    # -- recovery
    async def on_rebalance(
        self,
        assigned: set[TP],
        revoked: set[TP],
        newly_assigned: set[TP],
        generation_id: int = 0,  # noqa: ARG002  # Faust's
    ) -> None:
        """What is new here is read from the beginning of its changelog; and what seems to have stayed, if somebody else has written
        to it: while this worker was paused, its partitions were another's, and came back.
        """
        offsets = self.app.tables.recovery.active_offsets
        assigned, revoked, new = (
            {tp for tp in some if tp.topic == self.topic} for some in (assigned, revoked, newly_assigned)
        )
        kept = assigned - new
        ends = await self.app.consumer.highwaters(*kept) if kept else {}
        foreign = {tp for tp in kept if self.ends.get(tp.partition) != ends[tp] - 1}
        for tp in revoked:
            self.forget(tp.partition)
        for tp in new | foreign:
            self.forget(tp.partition)
            self.versions[tp.partition] = Versions()
            offsets[tp] = BEGINNING  # Faust would have nothing here, and stumble when a rebalance follows another

    def forget(self, partition: int) -> None:
        self.rows.pop(partition, None)
        self.versions.pop(partition, None)
        self.ends.pop(partition, None)
        self.overtaken.pop(partition, None)

    def read(self, records: Batch) -> None:
        """Raises :class:`Overtaken`."""
        tp = records.tp
        if tp.partition not in self.versions:
            if self._is_known(tp, records.next_offset - 1):
                return
            raise Overtaken(f"{tp.topic}, partition {tp.partition}: somebody else writes to it")
        rows, stands, decode = self.rows[tp.partition], self.versions[tp.partition].stands, self.coding.decode
        for record in records:
            key, value = record.key, record.value
            if value is None:
                if stands(key, int.from_bytes(dict(record.headers)[HEADER], "big")):
                    rows.pop(decode(key), None)
            elif stands(key, int.from_bytes(value[:VERSION_BYTES], "big")):
                rows[decode(key)] = value[VERSION_BYTES:]

    def _is_known(self, tp: TP, offset: int) -> bool:
        """Of a partition that is not being recovered: whether it has been revoked meanwhile, or this is what we wrote ourselves.
        Of a write that is under way, its answer tells.
        """
        there = self.ends.get(tp.partition)
        return tp not in self.app.consumer.assignment() or (
            there is not None and (offset <= there or tp.partition in self.saying)
        )

    def recovered(self, partitions: Iterable[TP]) -> None:
        """All of it has been read."""
        for tp in partitions:
            found = self.versions.pop(tp.partition, None)
            if found is not None:
                self.ends[tp.partition] = self.app.tables.recovery.active_offsets[tp]
                rows, decode = self.rows[tp.partition], self.coding.decode
                self.overtaken[tp.partition] = [
                    changed(key, rows.get(decode(key)), found.highest[key]) for key in sorted(found.overtaken)
                ]

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Write again what was overtaken, before the log is compacted and the higher version is gone. Faust does not look at errors
        here.
        """
        try:
            for tp in active_tps:
                if again := self.overtaken.pop(tp.partition, None):
                    await self._say(tp.partition, again)
        except Exception as error:
            log.exception("%s: what was overtaken could not be written again", self.topic)
            await self.app.crash(error)
            raise
        await super().on_recovery_completed(active_tps, standby_tps)

    # -- writing
    async def write(self, partition: int, changes: Mapping[Key, bytes | None], version: int) -> None:
        """Into the changelog, in this order; returns when all replicas have it. ``rows`` are the caller's to change."""
        encode = self.coding.encode
        await self._say(partition, [changed(encode(key), value, version) for key, value in changes.items()])

    async def _say(self, partition: int, records: Iterable[Record]) -> None:
        """What we have written ourselves need not be read again at the next rebalance. Raises :class:`Overtaken` where another
        wrote between: the rows must be recovered, and what it overwrote written again. Where they are being recovered already, or
        are not ours any more, nobody goes on with what is here.
        """
        tp, offsets = TP(self.topic, partition), self.app.tables.recovery.active_offsets
        self.saying.add(partition)
        try:
            for one in await send_all(self.app, self.topic, partition, records):
                first, known = (await one.acknowledged).offset, self.ends.get(partition)
                if known is None:
                    continue
                if first != known + 1:
                    raise Overtaken(
                        f"{self.topic}, partition {partition}: somebody else has written to it while it was ours"
                    )
                self.ends[partition] = offsets[tp] = first + one.records - 1
        finally:
            self.saying.discard(partition)


def changed(key: bytes, value: bytes | None, version: int) -> Record:
    """A row, or that it is deleted, as the changelog has it."""
    stamp = version.to_bytes(VERSION_BYTES, "big")
    return (key, None, [(HEADER, stamp)]) if value is None else (key, stamp + value, [])


async def acknowledged(sent: Iterable[Sent]) -> None:
    """Wait until all replicas have all of it."""
    await asyncio.gather(*(one.acknowledged for one in sent))
