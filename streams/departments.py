"""The fold ``departments``: facts and marks -> indicators (DESIGN 4 and 5).

State is the latest version of each fact of the last 28 days and of each that still runs, as the log has it, and of what was
taken back meanwhile. Windows are derived from it when they are asked for; which fact belongs to which series, and when it can
be let go, is kept in memory and rebuilt on recovery.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec import Struct

from streams.aggregate import CATALOGUE, PAIRS, Aggregator, Group
from streams.clock import NEVER
from streams.fact import ConfigPassed, Fact, Outcome, WatermarkPassed, encode, goes_on
from streams.indicators import FLOOR_US, HORIZON_US, IndicatorValue

if TYPE_CHECKING:
    from streams.configuration import Configuration

META = b"\xff"
ABOUT = b"\xfe"
KEEP_US = HORIZON_US + FLOOR_US
DAY_US = 86_400_000_000
LONG_AGO = (NEVER + KEEP_US) // DAY_US + 1

Series = tuple[str, str, int]
"""Measure, department, level."""


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


class _Version(Struct, array_like=True, gc=False, frozen=True, tag=0):
    """The beginning of a stored fact: all that its successor asks for."""

    version: int


class Filed(Struct, array_like=True, gc=False, frozen=True, tag=0):
    """The beginning of a :class:`streams.fact.Fact`: where it lies, and for how long."""

    version: int
    case_id: str
    measure: str
    opener: bytes
    level: int
    department: str
    counterpart: str
    outcome: Outcome
    counts_at: int | None
    stop: int | None


_encoder = msgspec.msgpack.Encoder()
_meta = msgspec.msgpack.Decoder(Meta)
_version = msgspec.msgpack.Decoder(_Version).decode
_filed = msgspec.msgpack.Decoder(Filed).decode
_record = msgspec.msgpack.Decoder(Filed | WatermarkPassed | ConfigPassed).decode
_fact = msgspec.msgpack.Decoder(Fact).decode
_about = msgspec.msgpack.Decoder(tuple[str, str, str]).decode


class Shelf:
    """Where the facts of a series lie: those that run, and the others by the day on which they can be let go.

    Who moves from one day to another leaves an entry behind, which is passed over: a day has too many to search. ``told``: the
    counterparts that :class:`Departments` remembers. ``running`` gives the key itself, so that each is in memory once.
    """

    __slots__ = ("hash", "leaving", "left", "running", "told")

    def __init__(self, of: Series) -> None:
        self.hash = hashlib.blake2b("/".join(map(str, of)).encode(), digest_size=8).digest()
        self.running: dict[bytes, bytes] = {}
        self.leaving: dict[int, list[bytes]] = {}
        self.left: dict[int, set[bytes]] = {}
        self.told: set[str] = set()

    def put(self, key: bytes, fact: Filed | Fact, known: bytes | None = None) -> None:
        """``known``: the version that lies here already."""
        day = day_to_go(fact)
        if known is not None:
            if key in self.running:
                if day is None:
                    return
                key = self.running.pop(key)
            else:
                before = day_to_go(_filed(known))
                if before == day:
                    return
                if before is not None:
                    self.left.setdefault(before, set()).add(key)
        if day is None:
            self.running[key] = key
        elif key in self.left.get(day, ()):
            self.left[day].remove(key)
        elif day in self.leaving:
            self.leaving[day].append(key)
        else:
            self.leaving[day] = [key]

    def on(self, day: int) -> Iterable[bytes]:
        """Those that can be let go on ``day``."""
        keys, left = self.leaving.get(day, ()), self.left.get(day)
        return [key for key in keys if key not in left] if left else keys

    def pop(self, day: int) -> Iterable[bytes]:
        keys = self.on(day)
        self.leaving.pop(day, None)
        self.left.pop(day, None)
        return keys

    def __iter__(self) -> Iterator[bytes]:
        return chain(self.running, *map(self.on, self.leaving))


class Departments:
    """The fold over one partition of the facts. ``partitions``: how many the events have: ``as_of`` is the least of all."""

    def __init__(
        self, state: Mapping[bytes, bytes], partitions: int, configuration: Callable[[int], Configuration]
    ) -> None:
        self.state, self.partitions, self.configuration = state, partitions, configuration
        stored = state.get(META)
        self.meta = Meta() if stored is None else _meta.decode(stored)
        self.changes: dict[bytes, bytes | None] = {}
        self.shelves: dict[Series, Shelf] = {}
        self.today = NEVER
        self.answered: set[tuple[str, str, str]] = set()
        for key, value in state.items():
            if key[:1] == ABOUT and len(key) == 17:
                self.answered.add(_about(value))
            elif key != META:
                fact = _filed(value)
                self._shelf((fact.measure, fact.department, fact.level)).put(key, fact)

    def batch(self, records: Iterable[tuple[int, bytes]]) -> Effects:
        """Fold ``(offset, record)`` in order. The caller stores the changes before the next batch."""
        self.changes = {}
        meta = self.meta
        before = last = meta.offset
        self._let_go()
        take = self._take
        for offset, raw in records:
            if offset > last:
                last = offset
                record = _record(raw)
                if type(record) is Filed:
                    take(record, raw)
                else:
                    self._mark(record)
        meta.offset = last
        if last > before:
            self.changes[META] = _encoder.encode(meta)
        return Effects(self.changes)

    def _take(self, fact: Filed, raw: bytes) -> None:
        series = (fact.measure, fact.department, fact.level)
        shelf = self.shelves.get(series) or self._shelf(series)
        key = fact.opener + shelf.hash + _hash_case(fact.case_id)
        changes = self.changes
        known = changes[key] if key in changes else self.state.get(key)
        if known is not None and _version(known).version >= fact.version:
            return
        if fact.outcome is Outcome.retracted:  # kept as long as a fact, or an older version could come back
            fact = msgspec.structs.replace(fact, counts_at=self.meta.as_of)
            raw = encode(msgspec.structs.replace(_fact(raw), counts_at=self.meta.as_of))
        if fact.counterpart not in shelf.told:
            self._remember(fact)
            shelf.told.add(fact.counterpart)
        changes[key] = raw
        shelf.put(key, fact, known)

    def _remember(self, fact: Filed) -> None:
        """Whose answer stands with the readers: whoever takes over must go on to tell it when nothing is left of it."""
        if fact.measure not in CATALOGUE:
            return
        paired = fact.measure in PAIRS and fact.counterpart != fact.department
        for counterpart in ("", fact.counterpart) if paired else ("",):
            about = (fact.measure, fact.department, counterpart)
            if about not in self.answered:
                self.answered.add(about)
                value = _encoder.encode(about)
                self.changes[ABOUT + hashlib.blake2b(value, digest_size=16).digest()] = value

    def _shelf(self, series: Series) -> Shelf:
        """A fact never leaves its series. With the hash of the series its key in the state is 31 bytes long: the opener, and
        hashes of what else there can be of that.
        """
        shelf = self.shelves.get(series)
        if shelf is None:
            shelf = self.shelves[series] = Shelf(series)
        return shelf

    def _mark(self, mark: WatermarkPassed | ConfigPassed) -> None:
        meta = self.meta
        if isinstance(mark, ConfigPassed):
            meta.config = max(meta.config, mark.version)
        else:
            of_source = meta.marks.setdefault(mark.source, {})
            of_source[mark.partition] = max(of_source.get(mark.partition, NEVER), mark.until)
        if meta.config:
            self._advance()

    def _advance(self) -> None:
        """``as_of``: the least watermark over partitions and configured sources; a new source joins when it has reached it.

        So who has joined is never behind, and ``as_of`` never goes back.
        """
        meta = self.meta
        least = {
            s: min((meta.marks.get(s, {}).get(p, NEVER) for p in range(self.partitions)), default=NEVER)
            for s in self.configuration(meta.config).sources
        }
        first = meta.as_of == NEVER
        meta.joined = frozenset(s for s, at in least.items() if first or s in meta.joined or at >= meta.as_of)
        if meta.joined:
            meta.as_of = min(least[s] for s in meta.joined)

    def _let_go(self) -> None:
        """Of what no window can reach any more. By the stored ``as_of``: a crash must not find that more has gone."""
        as_of = self.meta.as_of
        if as_of // DAY_US <= self.today:
            return
        self.today = as_of // DAY_US
        for name, shelf in list(self.shelves.items()):
            for key in shelf.pop(LONG_AGO):  # retracted before there was an ``as_of``
                fact = msgspec.structs.replace(_fact(self.state[key]), counts_at=as_of)
                self.changes[key] = encode(fact)
                shelf.put(key, fact)
            for day in [d for d in shelf.leaving if d <= self.today]:
                self.changes.update(dict.fromkeys(shelf.pop(day)))
            if not shelf.running and not shelf.leaving:
                del self.shelves[name]

    # -- indicators
    def indicators(self) -> Iterator[IndicatorValue]:
        """Every indicator at ``as_of``. Nothing before the first watermark of every source.

        Who had an answer once goes on to say that there is none: readers keep the last.
        """
        if self.meta.as_of == NEVER:
            return
        config = self.configuration(self.meta.config)
        aggregator = Aggregator(config, self.meta.as_of, self.meta.offset)
        silent = set(self.answered)
        changes, state = self.changes, self.state
        for (measure, department, level), shelf in sorted(self.shelves.items()):
            facts = (_fact(changes.get(key) or state[key]) for key in shelf)
            for counterpart, group in sorted(aggregator.groups(measure, department, level, facts).items()):
                about = (measure, department, counterpart)
                silent.discard(about)
                yield from aggregator.values(*about, group)
        for about in sorted(silent):
            yield from aggregator.values(*about, Group())


@lru_cache(maxsize=1 << 14)
def _hash_case(case_id: str) -> bytes:
    return hashlib.blake2b(case_id.encode(), digest_size=7).digest()


def day_to_go(fact: Filed | Fact) -> int | None:
    """The first day on which no window can reach it; None while it runs.

    An overdue clock that stops late counts when it was due, but is kept from its stop on, or an older version that comes
    back would run for ever.
    """
    last, stop, outcome = fact.counts_at, fact.stop, fact.outcome
    if last is None or goes_on(outcome, stop):
        return None
    return ((last if stop is None or stop < last else stop) + KEEP_US) // DAY_US + 1
