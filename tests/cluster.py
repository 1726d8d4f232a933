"""A cluster in small: its shell is played here, its folds are the real ones (DESIGN 5.7).

Several partitions of events and of facts, each with an owner. Every effect of a worker is a step of its own: an output appended, a
row of state written, the offset committed. Between any two of them it may die, lose its partition to another worker, or be
paused and wake up when it is no longer the owner.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple
from zlib import crc32

import msgspec
from histories import CONFIGURATIONS, DAY, START, configuration, envelope, facts_in, keep, keyed, live

from ingest import event as e
from streams import fact as f
from streams import indicators as i
from streams.cases import Cases
from streams.departments import Departments
from streams.effects import Output
from streams.pair_facts import PairFacts, Untold, counted, told

VERSIONS = {**CONFIGURATIONS, 4: configuration(4), 5: configuration(5)}
FACT_KEY = 31

Key = Any
"""Of a row: text in the state of ``cases``, bytes in that of ``departments``."""

Batch = Callable[[Sequence[tuple[int, bytes]]], tuple[Sequence[Output], Mapping[Key, bytes | None]]]
"""A fold: records with their offsets -> what must be said, and what must be stored."""

Series = tuple[str, str, str, str]


def series_of(value: i.IndicatorValue) -> Series:
    return (value.indicator, value.department, value.counterpart, value.window)


class Rules(NamedTuple):
    """What a shell must keep to. Each can be left out, to see that it matters.

    ``outputs_first``: before the state; ``offset_last``: after it. ``highest_row``: recovery keeps the highest version of a row,
    not the last one. ``rewritten``: whoever takes over writes it again where the last one is lower, before the log is compacted.
    """

    outputs_first: bool = True
    offset_last: bool = True
    highest_row: bool = True
    rewritten: bool = True


class Entry(NamedTuple):
    """A row, or that it was deleted. ``version``: the offset of the last record of the batch that it comes from."""

    key: Key
    version: int
    value: bytes | None


class Changelog:
    """Where the state of one partition is kept."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.first = 0
        """The offset of the first: compaction moves it on."""
        self.settled = 0
        """Where the log ended when somebody last took over, and has written again what was overtaken."""

    @property
    def end(self) -> int:
        return self.first + len(self.entries)

    def recover(self, rules: Rules) -> dict[Key, Entry]:
        rows: dict[Key, Entry] = {}
        for entry in self.entries:
            if not rules.highest_row or entry.key not in rows or entry.version >= rows[entry.key].version:
                rows[entry.key] = entry
        return rows

    def overtaken(self, rows: Mapping[Key, Entry]) -> list[Entry]:
        """Of which a paused worker that woke up has written an older version since."""
        last = {entry.key: entry for entry in self.entries}
        return [row for key, row in rows.items() if last[key].version < row.version]

    def compact(self) -> None:
        """Of what is settled, keep the last entry of each key."""
        old = self.entries[: self.settled - self.first]
        last = {entry.key: at for at, entry in enumerate(old)}
        kept = [entry for at, entry in enumerate(old) if last[entry.key] == at]
        self.entries[: len(old)] = kept
        self.first += len(old) - len(kept)


class Stage:
    """One partition of one stage: what it reads, how far it has come, and who works on it."""

    def __init__(self, cluster: Cluster, topic: str, partition: int) -> None:
        self.cluster, self.topic, self.partition = cluster, topic, partition
        self.input = cluster.logs[topic, partition]
        self.committed = 0
        self.changelog = Changelog()
        self.zombies: list[Worker] = []
        self.owner = Worker(self)

    def hand_over(self, *, paused: bool) -> None:
        """Another worker takes over; the one before it is dead, or ``paused`` and will wake up."""
        if paused:
            self.zombies.append(self.owner)
        self.owner = Worker(self)

    @property
    def idle(self) -> bool:
        return self.owner.phase == "idle" and self.owner.position >= len(self.input)

    def fold(self, state: dict[Key, bytes]) -> Batch:
        """The fold over this partition, as it is found in ``state``."""
        if self.topic == "events":
            return Cases(state, self.partition, VERSIONS.__getitem__, self.cluster.partition_of_facts).batch
        return Told(self.departments(state), self.partition, self.cluster).batch

    def departments(self, state: Mapping[Key, bytes]) -> Departments:
        return Departments(state, self.cluster.partitions, VERSIONS.__getitem__)


class Told:
    """The fold over facts, which tells its indicators now and then, and on every day that begins: before what has left all windows
    is let go, or nobody would know that there was something. It has heard what all partitions say of their pairs.
    """

    def __init__(self, departments: Departments, partition: int, cluster: Cluster) -> None:
        self.departments, self.partition, self.cluster = departments, partition, cluster
        self.day = departments.meta.as_of // DAY
        self.untold = Untold(cluster.of_facts)
        self.heard = 0

    def batch(self, records: Sequence[tuple[int, bytes]]) -> tuple[Sequence[Output], Mapping[Key, bytes | None]]:
        changes = self.departments.batch(keyed(records)).changes
        before, self.day = self.day, self.departments.meta.as_of // DAY
        tells = self.day > before or records[-1][0] % self.cluster.telling == 0
        return [*self.says_of_pairs(), *self.tells()] if tells else [], changes

    def says_of_pairs(self) -> list[Output]:
        """What others have not heard."""
        self._hear()
        aggregator = self.departments.aggregator()
        if aggregator is None:
            return []
        counts = counted(self.departments.values(aggregator), aggregator)
        said = self.untold.say(self.partition, counts, self.departments.meta.offset)
        return [Output("pairs", "all", msgspec.msgpack.encode(one)) for one in said]

    def tells(self) -> list[Output]:
        self._hear()
        aggregator = self.departments.aggregator()
        if aggregator is None:
            return []
        values = told(self.departments.values(aggregator), partial(self.untold.pairs, tree=aggregator), aggregator)
        return [Output("indicators", value.department, i.encode(value)) for value in values]

    def _hear(self) -> None:
        log = self.cluster.logs["pairs", 0]
        for record in log[self.heard :]:
            self.untold.hear(*msgspec.msgpack.decode(record, type=tuple[bytes, PairFacts]))
        self.heard = len(log)


class Worker:
    """Folds the records of its partition in batches, and carries out the effects of a batch step by step."""

    def __init__(self, stage: Stage) -> None:
        self.stage, rules = stage, stage.cluster.rules
        rows = stage.changelog.recover(rules)
        self.found = stage.changelog.end
        self.state = {key: row.value for key, row in rows.items() if row.value is not None}
        self.fold = stage.fold(self.state)
        self.position = self.next = stage.committed
        self.fetched = 0
        self.outputs: list[tuple[tuple[str, int], bytes]] = []
        self.rows = deque(stage.changelog.overtaken(rows) if rules.rewritten else ())
        self.phases: list[str] = ["rewrite"]

    @property
    def phase(self) -> str:
        return self.phases[0] if self.phases else "idle"

    @property
    def owns(self) -> bool:
        return self.stage.owner is self

    def step(self, r: int) -> None:
        """One effect, or some; ``r`` says how many, and of how many records a new batch is."""
        match self.phase:
            case "idle":
                self.fetch((1, 2, 3, 7, 30)[r % 5])
            case "outputs":
                self.say((1, 1, 3, 100)[r % 4], r // 4)
            case "state" | "rewrite":
                self.store((1, 1, 4, 1000)[r % 4])
            case "offset":
                if self.owns:  # of others the broker refuses it
                    self.stage.committed = self.next
                self.begin(self.phases[1:])

    def begin(self, phases: list[str]) -> None:
        """Before it says or stores anything a worker looks whether it still is the owner; what it has begun may land late."""
        self.phases = phases
        if self.stage.cluster.lease and not self.owns and self.phase in ("outputs", "state"):
            self.phases = ["dead"]

    def fetch(self, size: int) -> None:
        if not self.owns and (self.stage.cluster.lease or self.fetched >= 2):
            self.phases = ["dead"]
            return
        first, log, rules = self.position, self.stage.input, self.stage.cluster.rules
        records = list(enumerate(log[first : first + size], first))
        if not records:
            return
        self.fetched += 1
        self.position = self.next = first + len(records)
        said, changes = self.fold(records)
        self.outputs = [(place, output.value) for output in said for place in self.stage.cluster.places(output)]
        self.rows = deque(Entry(key, self.next - 1, value) for key, value in changes.items())
        phases = ["outputs", "state"] if rules.outputs_first else ["state", "outputs"]
        self.begin([*phases, "offset"] if rules.offset_last else ["offset", *phases])

    def say(self, many: int, r: int) -> None:
        """Partitions go forward on their own, each in order."""
        for _ in range(min(many, len(self.outputs))):
            places = sorted({place for place, _ in self.outputs})
            place = places[r % len(places)]
            at = next(n for n, output in enumerate(self.outputs) if output[0] == place)
            self.stage.cluster.append(place, self.outputs.pop(at)[1])
        if not self.outputs:
            self.begin(self.phases[1:])

    def store(self, many: int) -> None:
        for _ in range(min(many, len(self.rows))):
            entry = self.rows.popleft()
            self.stage.changelog.entries.append(entry)
            if entry.value is None:
                self.state.pop(entry.key, None)
            else:
                self.state[entry.key] = entry.value
        if not self.rows:
            if self.phase == "rewrite" and self.owns:
                self.stage.changelog.settled = self.found
            self.begin(self.phases[1:])


class Reader:
    """Whoever holds the facts of one partition: the highest versions. What it is told must be consistent."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.held: dict[str, f.Fact] = {}

    def take(self, record: f.FactRecord) -> None:
        if isinstance(record, f.Facts):
            for fact in record:
                self.keep(fact)
        elif isinstance(record, f.WatermarkPassed):
            self.cluster.violations += [
                f"a mark before its facts: {fact}" for fact in self.held.values() if self.owed(fact, record)
            ]

    def owed(self, fact: f.Fact, mark: f.WatermarkPassed) -> bool:
        """Whether it should have been judged before that mark."""
        if fact.outcome is not f.Outcome.running or fact.due is None or fact.due > mark.until:
            return False
        return fact.source == mark.source and self.cluster.partition(fact.case_id) == mark.partition

    def keep(self, fact: f.Fact) -> None:
        if fact.outcome is not f.Outcome.retracted:  # what one record takes back another may say
            same = self.cluster.said.setdefault((fact.fact_id, fact.version), fact)
            if same != fact:
                self.cluster.violations.append(f"one version, two contents: {same} and {fact}")
        keep(self.held, fact)


class Cluster:
    """The logs, and what stands between them. ``lease``: whether workers look if they still own what they write to; ``telling``:
    every how many facts the indicators are told.
    """

    def __init__(self, rules: Rules, partitions: int, of_facts: int, *, lease: bool, telling: int) -> None:
        self.rules, self.partitions, self.of_facts, self.lease, self.telling = (
            rules, partitions, of_facts, lease, telling,
        )  # fmt: skip
        self.logs: dict[tuple[str, int], list[bytes]] = defaultdict(list)
        self.stored: dict[str, list[bytes]] = defaultdict(list)
        self.reviving: deque[tuple[tuple[str, int], bytes]] = deque()
        self.violations: list[str] = []
        self.said: dict[tuple[str, int], f.Fact] = {}
        self.readers = [Reader(self) for _ in range(of_facts)]
        self.roused = False
        self.shown: dict[Series, i.IndicatorValue] = {}
        self.stages = [Stage(self, "events", p) for p in range(partitions)]
        self.stages += [Stage(self, "facts", p) for p in range(of_facts)]

    # -- topics
    def partition(self, key: str) -> int:
        return crc32(key.encode()) % self.partitions

    def partition_of_facts(self, department: str) -> int:
        return crc32(department.encode()) % self.of_facts

    def places(self, output: Output) -> list[tuple[str, int]]:
        """Where a record goes; without an owner, everywhere."""
        many = {"events": self.partitions, "facts": self.of_facts}.get(output.topic, 1)
        return [(output.topic, p) for p in ([crc32(output.owner.encode()) % many] if output.owner else range(many))]

    def append(self, place: tuple[str, int], record: bytes) -> None:
        self.logs[place].append(record)
        topic, partition = place
        if topic == "facts":
            self.readers[partition].take(f.decode(record))
        elif topic == "indicators":
            self.show(i.decode(record))
        elif topic == "events" and isinstance(event := read(record), e.CaseEvent | e.Absorbed):
            self.stored[event.key].append(record)

    def tell(self) -> None:
        """Whoever folds facts says what its pairs have, and tells of all that it knows."""
        tolds = [Told(s.departments(s.owner.state), s.partition, self) for s in self.stages if s.topic == "facts"]
        for saying in (Told.says_of_pairs, Told.tells):
            for output in [output for one in tolds for output in saying(one)]:
                self.append((output.topic, 0), output.value)

    def show(self, value: i.IndicatorValue) -> None:
        series = series_of(value)
        known = self.shown.get(series)
        if known is None or value.offset >= known.offset:
            if known is not None and value.as_of < known.as_of:
                self.violations.append(f"time goes back: {known} and {value}")
            self.shown[series] = value

    # -- what can happen
    def do(self, action: str, r: int) -> None:
        stage = self.stages[r % len(self.stages)]
        r //= len(self.stages)
        match action:
            case "step":
                stage.owner.step(r)
            case "crash":
                stage.hand_over(paused=False)
            case "pause":
                stage.hand_over(paused=not self.roused)
            case "wake":
                if stage.zombies:
                    stage.zombies[r % len(stage.zombies)].step(r // 3)
            case "compact":
                stage.changelog.compact()
            case "repair":
                if self.reviving and r % 2:
                    self.append(*self.reviving.popleft())
                elif self.stored:
                    self.repair(sorted(self.stored)[r // 2 % len(self.stored)])

    def repair(self, case: str) -> None:
        """All stored records of a case, in one: read now, and said later."""
        source, _, subject = case.partition("/")
        records = tuple(self.stored[case])
        fields = envelope(subject, START, f"revive {case} {len(records)}")
        revive = e.Revive(**{**fields, "source": source}, data=e.ReviveData(records))
        self.reviving.append((("events", self.partition(case)), e.encode(revive)))

    def rouse(self) -> None:
        """Whoever sleeps ends what it has begun, and nobody sleeps any more: time leaps, and a worker that slept while facts grew
        too old to be kept could bring back what they were.
        """
        self.roused = True
        for zombie in (z for stage in self.stages for z in stage.zombies):
            while zombie.phase not in ("idle", "dead"):
                zombie.step(3)
        for stage in self.stages:
            stage.zombies.clear()

    def drain(self, *, late_risers: bool = False) -> None:
        """All that was said is folded, and who has begun something ends it: zombies too, with ``late_risers`` after all others."""
        while self.reviving:
            self.append(*self.reviving.popleft())
        for turn in range(100_000):
            busy = [stage.owner for stage in self.stages if not stage.idle]
            if not busy or not late_risers:
                zombies = [z for stage in self.stages for z in stage.zombies]
                busy += [z for z in zombies if z.phase not in ("idle", "dead")]
            if not busy:
                return
            for worker in busy:
                worker.step(turn)
        self.violations.append("it never comes to rest")

    def facts(self) -> dict[str, f.Fact]:
        """What holds, by those who read the facts."""
        return live({id: fact for reader in self.readers for id, fact in reader.held.items()})

    def kept(self) -> dict[str, f.Fact]:
        """What holds, by the state of ``departments``."""
        states = [stage.owner.state for stage in self.stages if stage.topic == "facts"]
        facts = facts_in(v for s in states for k, v in s.items() if len(k) == FACT_KEY)
        standing = [fact for fact in facts if fact.outcome is not f.Outcome.retracted]
        kept = {fact.fact_id: fact for fact in standing}
        if len(kept) < len(standing):
            self.violations.append("a fact is kept twice, in several records")
        return live(kept)


def read(record: bytes) -> e.Record | None:
    try:
        return e.decode(record)
    except e.Unreadable:
        return None
