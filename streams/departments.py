"""The fold ``departments``: facts and marks -> indicators (DESIGN 4 and 5).

State is the latest version of each fact of the last 28 days and of each that still runs, as the log has it, and of what was
taken back meanwhile. Windows are derived from it when they are asked for; which fact is counted where, and when it can
be let go, is kept in memory and rebuilt on recovery.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec import Struct

from streams.aggregate import BESIDE, CATALOGUE, PART_OF, Aggregator
from streams.clock import NEVER
from streams.fact import (
    PLACE,
    VERSION,
    ConfigPassed,
    Facts,
    Outcome,
    WatermarkPassed,
    encode,
    ending,
    goes_on,
    takes_back,
)
from streams.indicators import FLOOR_US, HORIZON_US, IndicatorValue
from streams.pair_facts import told_alone
from streams.rolling import PAIRS, Group, Rolling

if TYPE_CHECKING:
    from streams.configuration import Configuration

META = b"\xff"
ABOUT = b"\xfe"
KEEP_US = HORIZON_US + FLOOR_US
DAY_US = 86_400_000_000
KEEP_DAYS = KEEP_US // DAY_US + 1


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


class Filed(Struct, array_like=True, gc=False, frozen=True, tag=0):
    """The beginning of a record of facts: for how long it is kept."""

    version: int
    outcome: Outcome
    counts_at: int | None
    stop: int | None


_encoder = msgspec.msgpack.Encoder()
_meta = msgspec.msgpack.Decoder(Meta)
_filed = msgspec.msgpack.Decoder(Filed).decode
_decode_mark = msgspec.msgpack.Decoder(WatermarkPassed | ConfigPassed).decode
_facts = msgspec.msgpack.Decoder(Facts).decode
_about = msgspec.msgpack.Decoder(tuple[str, str, str]).decode


class Shelf:
    """The keys of the records that are counted in one place, each under the day on which to look whether it can be let go: what
    becomes of a fact meanwhile moves nothing here. ``told``: of the counterparts (empty: the department alone) with whom
    :class:`Departments` remembers it, how a record of theirs ends.
    """

    __slots__ = ("days", "departments", "levels", "measure", "paired", "told")

    def __init__(self, first: Facts) -> None:
        self.measure, self.levels, self.departments = first.measure, first.levels, first.departments
        self.paired = first.measure in PAIRS
        self.days: dict[int, list[bytes]] = {}
        self.told: tuple[bytes, ...] = ()

    def put(self, key: bytes, day: int) -> None:
        if day in self.days:
            self.days[day].append(key)
        else:
            self.days[day] = [key]

    def __iter__(self) -> Iterator[bytes]:
        return chain.from_iterable(self.days.values())


class Departments:
    """The fold over one partition of the facts. ``partitions``: how many the events have: ``as_of`` is the least of all."""

    def __init__(
        self, state: Mapping[bytes, bytes], partitions: int, configuration: Callable[[int], Configuration]
    ) -> None:
        self.state, self.partitions, self.configuration = state, partitions, configuration
        stored = state.get(META)
        self.meta = Meta() if stored is None else _meta.decode(stored)
        self.changes: dict[bytes, bytes | None] = {}
        self.shelves: dict[bytes, Shelf] = {}
        self.today = NEVER
        self.answered: set[tuple[str, str, str]] = set()
        self.rolling: Rolling | None = None
        self.changed: dict[bytes, bytes | None] = {}
        """Since windows were last asked for: what they have of it."""
        for key, value in state.items():
            if key[:1] == ABOUT and len(key) == 17:
                self.answered.add(_about(value))
            elif key != META:
                self._shelf(key, value).put(key, self._day(_filed(value)))

    def batch(self, records: Iterable[tuple[int, bytes, bytes]]) -> Effects:
        """Fold ``(offset, key, record)`` in order, the key by :func:`streams.fact.record_key`. The caller stores the changes before
        the next batch.
        """
        self.changes = {}
        meta = self.meta
        before = last = meta.offset
        self._let_go()
        take = self._take
        for offset, key, raw in records:
            if offset > last:
                last = offset
                if key:
                    take(key, raw)
                else:
                    self._mark(_decode_mark(raw))
        meta.offset = last
        if last > before:
            self.changes[META] = _encoder.encode(meta)
        return Effects(self.changes)

    def _take(self, key: bytes, raw: bytes) -> None:
        """Most facts only take the place of an older version, and are not read."""
        changes = self.changes
        known = changes[key] if key in changes else self.state.get(key)
        if known is not None and known[VERSION] >= raw[VERSION]:
            return
        if takes_back(raw):  # kept as long as a fact, or an older version could come back
            raw = self._retracted(raw)
        shelf = self._shelf(key, raw)
        if known is None:
            shelf.put(key, self.meta.as_of // DAY_US + KEEP_DAYS)
        if shelf.paired and not raw.endswith(shelf.told):
            self._remember(shelf, _facts(raw).counterparts)
        self._note(key, known)
        changes[key] = raw  # after what is remembered because of it: a crash may come between

    def _now(self, key: bytes) -> bytes | None:
        return self.changes[key] if key in self.changes else self.state.get(key)

    def _note(self, key: bytes, known: bytes | None) -> None:
        """What windows have of it will have to be taken away."""
        if self.rolling is not None:
            self.changed.setdefault(key, known)

    def _retracted(self, raw: bytes) -> bytes:
        """It is counted nowhere any more, and let go like what counts now."""
        return encode(msgspec.structs.replace(_facts(raw), counts_at=self.meta.as_of))

    def _shelf(self, key: bytes, raw: bytes) -> Shelf:
        """Where this record is counted."""
        shelf = self.shelves.get(key[PLACE])
        if shelf is None:
            shelf = self.shelves[key[PLACE]] = Shelf(_facts(raw))
            self._remember(shelf, ("",) * len(shelf.levels))
        return shelf

    def _day(self, fact: Filed) -> int:
        """When to look at it again: what runs cannot be let go before this long."""
        day = day_to_go(fact)
        return self.meta.as_of // DAY_US + KEEP_DAYS if day is None else day

    def _remember(self, shelf: Shelf, counterparts: tuple[str, ...]) -> None:
        """Whose answer stands with the readers: whoever takes over must go on to tell it when nothing is left of it."""
        end = ending(counterparts, shelf.levels, shelf.departments)
        if end in shelf.told:
            return
        shelf.told = (*shelf.told, end)
        for pair in zip(shelf.departments, counterparts, strict=True):
            about = (shelf.measure, *pair)
            if pair[0] != pair[1] and shelf.measure in CATALOGUE and about not in self.answered:
                self.answered.add(about)
                value = _encoder.encode(about)
                self.changes[ABOUT + hashlib.blake2b(value, digest_size=16).digest()] = value

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
        for place, shelf in list(self.shelves.items()):
            for key in [key for day in [d for d in shelf.days if d <= self.today] for key in shelf.days.pop(day)]:
                fact = _filed(self.state[key])
                if fact.counts_at == NEVER:  # retracted before there was an ``as_of``
                    self.changes[key] = raw = self._retracted(self.state[key])
                    fact = _filed(raw)
                day = self._day(fact)
                if day > self.today:
                    shelf.put(key, day)
                else:
                    self._note(key, self.state[key])
                    self.changes[key] = None
            if not shelf.days:
                del self.shelves[place]

    # -- indicators
    def indicators(self) -> Iterator[IndicatorValue]:
        """Every indicator at ``as_of``, where this is the only partition. Nothing before the first watermark of every source."""
        aggregator = self.aggregator()
        if aggregator is not None:
            yield from told_alone(list(self.values(aggregator)), aggregator)

    def aggregator(self) -> Aggregator | None:
        """That of ``as_of``; None before the first watermark of every source."""
        if self.meta.as_of == NEVER:
            return None
        return Aggregator(self.configuration(self.meta.config), self.meta.as_of, self.meta.offset)

    def values(self, aggregator: Aggregator) -> Iterator[IndicatorValue]:
        """Every indicator at ``as_of``, those of pairs as if each were told. What is folded while they are computed changes none of
        them.

        Who had an answer once goes on to say that there is none, and so does who is hidden: readers keep the last.
        """
        yield from self.values_alone(aggregator)
        yield from self.values_of_pairs(aggregator)

    def values_alone(self, aggregator: Aggregator) -> Iterator[IndicatorValue]:
        """Those of departments."""
        groups = self._rolled(aggregator.config).groups
        own = {
            (series.measure, series.department): group
            for series, group in groups.items()
            if group and not series.counterpart and aggregator.shows(series)
        }
        alone = own.keys() | {(measure, who) for measure, who, giver in self.answered if not giver}
        alone |= {(PART_OF[measure], who) for measure, who in alone if measure in PART_OF}
        for measure, who in sorted(alone):
            group, beside = own.get((measure, who)), own.get((BESIDE.get(measure, ""), who))
            if group or beside:
                yield from aggregator.values(measure, who, "", group or Group(), beside)
            else:
                yield from aggregator.silence(measure, who, "")

    def values_of_pairs(self, aggregator: Aggregator) -> Iterator[IndicatorValue]:
        """Those of pairs, of the same facts as :meth:`values_alone`, which comes before."""
        assert self.rolling is not None
        groups = self.rolling.groups
        shown = [
            series for series, group in groups.items() if group and series.counterpart and aggregator.shows(series)
        ]
        silent = {about for about in self.answered if about[2]}
        for series in sorted(shown):
            about = series.measure, series.department, series.counterpart
            silent.discard(about)
            yield from aggregator.values(*about, groups[series])
        for about in sorted(silent):
            yield from aggregator.silence(*about)

    def _rolled(self, config: Configuration) -> Rolling:
        """Under this configuration, and with all that has changed."""
        rolling = self.rolling
        if rolling is None or rolling.version != config.version:
            rolling = self.rolling = Rolling(config.version, config.calendar)
            keys = (key for shelf in self.shelves.values() for key in shelf)
            kept = map(self._now, keys)
            rolling.load(_facts(raw) for raw in kept if raw)
            self.changed = {}
        for key, old in self.changed.items():
            new = self._now(key)
            if new is not old:
                rolling.replace(_facts(old) if old else None, _facts(new) if new else None)
        self.changed = {}
        return rolling


def day_to_go(fact: Filed) -> int | None:
    """The first day on which no window can reach it; None while it runs.

    An overdue clock that stops late counts when it was due, but is kept from its stop on, or an older version that comes
    back would run for ever.
    """
    last, stop, outcome = fact.counts_at, fact.stop, fact.outcome
    if last is None or goes_on(outcome, stop):
        return None
    return ((last if stop is None or stop < last else stop) + KEEP_US) // DAY_US + 1
