"""The fold ``departments``: facts and marks -> indicators (DESIGN 4 and 5).

State is the latest version of each fact of the last 28 days and of each that still runs. Windows are derived from it when
they are asked for; an index of which fact belongs to which series is kept in memory and rebuilt on recovery.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec import Struct

from streams.aggregate import Series, values
from streams.fact import ConfigPassed, Fact, Outcome, WatermarkPassed, decode, encode
from streams.indicators import FLOOR_US, HORIZON_US, IndicatorValue

if TYPE_CHECKING:
    from streams.configuration import Configuration

META = b"\xff"
NEVER = -(1 << 62)
KEEP_US = HORIZON_US + FLOOR_US
DAY_US = 86_400_000_000

_encoder = msgspec.msgpack.Encoder()


class Effects(NamedTuple):
    """Changes of the state (None: deleted), the partition's own row last."""

    changes: dict[bytes, bytes | None]


class Meta(Struct, array_like=True, gc=False):
    """The partition's own row. ``marks``: the watermark of each source in each partition of the events; ``joined``: the sources
    that ``as_of`` waits for.
    """

    offset: int = -1
    as_of: int = NEVER
    config: int = 0
    marks: dict[str, dict[int, int]] = {}
    joined: frozenset[str] = frozenset()


_meta = msgspec.msgpack.Decoder(Meta)


class Departments:
    """The fold over one partition of the facts. ``partitions``: how many the events have: ``as_of`` is the least of all."""

    def __init__(
        self, state: Mapping[bytes, bytes], partitions: int, configuration: Callable[[int], Configuration]
    ) -> None:
        self.state, self.partitions, self.configuration = state, partitions, configuration
        stored = state.get(META)
        self.meta = Meta() if stored is None else _meta.decode(stored)
        self.changes: dict[bytes, bytes | None] = {}
        self.series: dict[tuple[str, str, int], set[bytes]] = defaultdict(set)
        self.expiring: dict[int, list[bytes]] = defaultdict(list)
        for key, value in state.items():
            if key != META:
                self._index(key, _fact(value))

    def batch(self, records: Iterable[tuple[int, bytes]]) -> Effects:
        """Fold ``(offset, record)`` in order. The caller stores the changes before the next batch."""
        self.changes = {}
        before = self.meta.offset
        for offset, raw in records:
            if offset <= self.meta.offset:
                continue
            self.meta.offset = offset
            record = decode(raw)
            if isinstance(record, Fact):
                self._take(record, raw)
            else:
                self._mark(record)
        if self.meta.offset > before:
            self._expire()
            self.changes[META] = _encoder.encode(self.meta)
        return Effects(self.changes)

    def _take(self, fact: Fact, raw: bytes) -> None:
        key = state_key(fact)
        known = self._get(key)
        if known is not None:
            old = _fact(known)
            if old.version >= fact.version:
                return
            self.series[_series(old)].discard(key)
        if fact.outcome is Outcome.retracted:  # kept as long as a fact, or an older version could come back
            fact = msgspec.structs.replace(fact, counts_at=self.meta.as_of, stop=self.meta.as_of)
            raw = encode(fact)
        self.changes[key] = raw
        self._index(key, fact)

    def _mark(self, mark: WatermarkPassed | ConfigPassed) -> None:
        meta = self.meta
        if isinstance(mark, ConfigPassed):
            meta.config = max(meta.config, mark.version)
        else:
            of_source = meta.marks.setdefault(mark.source, {})
            of_source[mark.partition] = max(of_source.get(mark.partition, NEVER), mark.until)
        self._advance()

    def _advance(self) -> None:
        """``as_of``: the least watermark over partitions and configured sources; a new source joins when it has reached it."""
        meta = self.meta
        least = {
            s: min((meta.marks.get(s, {}).get(p, NEVER) for p in range(self.partitions)), default=NEVER)
            for s in self.configuration(meta.config).sources
        }
        first = meta.as_of == NEVER
        meta.joined = frozenset(s for s, at in least.items() if first or s in meta.joined or at >= meta.as_of)
        if meta.joined:
            meta.as_of = max(meta.as_of, min(least[s] for s in meta.joined))

    # -- the index
    def _get(self, key: bytes) -> bytes | None:
        return self.changes[key] if key in self.changes else self.state.get(key)

    def _index(self, key: bytes, fact: Fact) -> None:
        if fact.outcome is not Outcome.retracted:
            self.series[_series(fact)].add(key)
        if fact.stop is not None and fact.counts_at is not None:
            self.expiring[_expiry_day(fact.counts_at)].append(key)

    def _expire(self) -> None:
        """Let go of what no window can reach any more."""
        today = self.meta.as_of // DAY_US
        for day in [d for d in self.expiring if d <= today]:
            for key in self.expiring.pop(day):
                value = self._get(key)
                if value is None:
                    continue
                fact = _fact(value)
                if fact.stop is not None and fact.counts_at is not None and _expiry_day(fact.counts_at) <= today:
                    self.series[_series(fact)].discard(key)
                    self.changes[key] = None

    # -- indicators
    def indicators(self) -> Iterator[IndicatorValue]:
        """Every indicator at ``as_of``. Nothing before the first watermark of every source."""
        if self.meta.as_of == NEVER:
            return
        config = self.configuration(self.meta.config)
        for (measure, department, level), keys in sorted(self.series.items()):
            if keys:
                facts = [_fact(value) for value in map(self._get, keys) if value is not None]
                yield from values(Series(measure, department, level, facts), self.meta.as_of, config, self.meta.offset)


def state_key(fact: Fact) -> bytes:
    """16 bytes that name a fact: keys are what a horizon of facts costs most."""
    return hashlib.blake2b(fact.fact_id.encode(), digest_size=16).digest()


def _fact(value: bytes) -> Fact:
    fact = decode(value)
    if not isinstance(fact, Fact):
        raise TypeError("a mark lies among the facts of the state: it was written by another version")
    return fact


def _series(fact: Fact) -> tuple[str, str, int]:
    return (fact.measure, fact.department, fact.level)


def _expiry_day(counts_at: int) -> int:
    return (counts_at + KEEP_US) // DAY_US + 1
