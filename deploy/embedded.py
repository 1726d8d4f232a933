"""All stages in one process: the log is SQLite, the store is chDB. The same core as on Kafka, and the same facts.

Each batch is one transaction: its outputs, the changed state and the offset are stored together, so a process that is
killed at any moment goes on where it stopped. The store follows behind; what it repeats after a crash changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Self

from deploy.ahead import Prepared, prepare
from deploy.answers import Answers
from deploy.calendar_time import departments_of, store_departments
from deploy.directory import of_log, with_people
from deploy.log import TOPICS, Log, LogError, Stored
from deploy.rejected.ledger import Ledger
from deploy.succession import successor
from ingest import event as e
from ingest.connector import Rejected
from sinks.clickhouse import ClickHouse, connect
from sinks.configured import now_us
from sinks.morale import tell
from sinks.store import StoredRecord
from streams.cases import Cases
from streams.clock import NEVER
from streams.configuration import Configuration, Files, encode
from streams.departments import Departments
from streams.effects import carry_out
from streams.indicators import IndicatorValue
from streams.morale import MoraleValue
from streams.pooling import morale
from streams.problems import Problem
from streams.sealed import decode

BATCH = 16_000
STORE_FACTS = 100_000
STORE_EVENTS = 50_000
SAVE_EVERY = 400_000


class Writing(NamedTuple):
    """On its way into the store. ``positions``: where to go on when it is there."""

    positions: Mapping[str, int]
    done: Future[None]


class Progress(NamedTuple):
    """``records`` of a source are taken in; the last happened at ``now``, in seconds since 1970."""

    records: int
    now: float


class Embedded:
    """One generation of the installation in ``folder``: unless named, the current one. Only that one takes anything in.

    Raises :class:`LogError`, ``sinks.store.StoreError`` when the store cannot be used, or
    :class:`streams.cases.IncompatibleState`: then another generation can still be made.
    """

    def __init__(self, folder: Path, *, store: bool = True, generation: int | None = None) -> None:
        self.folder = folder
        self.log = Log(folder / "log.sqlite3", generation)
        self.store: ClickHouse | None = None
        self.writer = ThreadPoolExecutor(1, "store")
        self.writing: Writing | None = None
        self.unsaved: dict[bytes, bytes | None] = {}
        self.cases: Cases | None = None
        self.departments: Departments | None = None
        self.answers: Answers | None = None
        try:
            self.configurations = {v: Configuration.decode(c) for v, c in self.log.configurations().items()}
            self.case_state = {k.decode(): v for k, v in self.log.state("cases").items()}
            self.department_state = self.log.state("departments")
            if store:
                self.store = open_store(folder, self.log)
            if self.configurations:
                self._start()
            if self.store is not None and self.configuration is not None:  # who is hidden may be others than yesterday
                self.store.write_departments(departments_of(self.configuration, now_us()), self.configuration.version)
                self._tell_morale()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        self.cases = Cases(self.case_state, 0, self.configurations.__getitem__)
        self.departments = Departments(self.department_state, 1, self.configurations.__getitem__)
        self._forget_answers()
        while behind := self.log.read_facts(self.departments.meta.offset + 1, STORE_FACTS):
            self._fold_facts(behind)

    # -- configuration
    @property
    def configuration(self) -> Configuration | None:
        """The newest version."""
        return self.configurations[max(self.configurations)] if self.configurations else None

    def least_watermark(self) -> int | None:
        """Of the sources seen so far; None before the first watermark."""
        marks = self.cases.meta.marks.values() if self.cases else ()
        return min(marks, default=None)

    @property
    def as_of(self) -> int | None:
        """How far everything is known; None before the first watermark of every source."""
        known = self.departments.meta.as_of if self.departments else NEVER
        return known if known != NEVER else None

    def apply(self, files: Files) -> tuple[int, list[Problem]]:
        """Make ``files``, with all that HR systems have said, the next version, unless the newest says the same: its number, and
        what to know about it. Raises :class:`deploy.succession.Refused`.
        """
        old, files = self.configuration, with_people(files, of_log(self.log))
        new, problems = successor(old, files, self.least_watermark)
        version = new.version
        if new is old:
            return version, problems
        with self.log.transaction():
            self.log.add_configuration(version, encode(new.files))
            self.log.append("events", [("", e.encode(e.config_mark(version, e.instant(now_us()))))], now_us())
        self.configurations[version] = new
        if self.cases is None:
            self._start()
        self._finish_writing()
        if self.store is not None:
            store_departments(self.store, new, now_us())
            self._tell_morale()
        return version, problems

    # -- in
    def accept(
        self, name: str, records: Iterable[e.Record | Rejected | Prepared], *, size: int = BATCH
    ) -> Iterator[Progress]:
        """Take in what a source says, in the order in which it says it; ``name`` names the whole of it.

        A source that was interrupted is asked from its beginning again, and goes on where it stopped. Yields how far it is
        whenever some of it is durable and folded.
        """
        position = f"source:{name}"
        done, count, now = self.log.position(position), 0, 0.0
        chunk: list[Prepared] = []
        for count, record in enumerate(records, 1):
            if count <= done:
                if isinstance(record, Prepared) and record.topic == "feedback":
                    self._say_sealed(self._seal([record]))  # what was sealed of it is found again
                continue
            chunk.append(record if isinstance(record, Prepared) else prepare(record))
            if len(chunk) >= size:
                now = chunk[-1].time
                self._take_in(chunk, position, count)
                chunk = []
                yield Progress(count, now)
        self._take_in(chunk, position, count)
        yield Progress(count, chunk[-1].time if chunk else now)

    def _take_in(self, chunk: Sequence[Prepared], position: str, count: int) -> None:
        at = now_us()
        sealed = self._seal([record for record in chunk if record.topic == "feedback"])
        try:
            with self.log.transaction():
                for topic in TOPICS:
                    self.log.append(topic, [(r.key, r.value) for r in chunk if r.topic == topic], at)
                self.log.append("sealed", sealed, at)
                self.log.set_position(position, count)
        except BaseException:
            self._forget_answers()
            raise
        self.fold()
        self._write_beside()

    def _seal(self, answers: Sequence[Prepared]) -> list[tuple[str, bytes]]:
        """Keys and records of the batches that are closed by then."""
        if self.answers is None or not answers:
            return []
        outputs = self.answers.take((record.value for record in answers), max(self.configurations))
        return [(output.key.hex(), output.value) for output in outputs]

    def _say_sealed(self, sealed: Sequence[tuple[str, bytes]]) -> None:
        """What was not said when its week was published."""
        if sealed:
            with self.log.transaction():
                self.log.append("sealed", sealed, now_us())

    def _forget_answers(self) -> None:
        """What was sealed in memory is not in the log: whoever goes on is told all answers again."""
        self.answers = Answers(self.log, self.configurations.__getitem__)

    # -- through
    def fold(self) -> None:
        """Fold all that the log holds, cases to facts to windows, and what cases say to each other."""
        while self._fold_batch():
            pass

    def catch_up(self) -> Iterator[int]:
        """The same, on into the store. Yields where in the log it goes on, whenever what lies before is durable and folded."""
        while self._fold_batch():
            self._write_beside()
            yield self.log.position("cases")

    def _fold_batch(self) -> bool:
        """One batch through both folds, in one transaction."""
        if self.cases is None or self.departments is None:
            raise LogError("there is no configuration yet: `crossdesk apply DIR` first")
        records = self.log.read("events", self.log.position("cases"), BATCH)
        if not records:
            return False
        effects = self.cases.batch((r.offset, r.value) for r in records)
        said = {topic: [(o.owner, o.value) for o in effects.outputs if o.topic == topic] for topic in TOPICS}
        facts = [(o.key, o.value) for o in effects.outputs if o.topic == "facts"]
        first, at = self.log.end_of_facts(), now_us()
        with self.log.transaction():
            for topic, outputs in said.items():
                self.log.say(topic, outputs, at)
            self.log.append_facts(first, facts)
            self.log.store("cases", {k.encode(): v for k, v in effects.changes.items()})
            self.log.set_position("cases", records[-1].offset + 1)
        carry_out(effects.changes, self.case_state)
        self._fold_facts((offset, *keyed) for offset, keyed in enumerate(facts, first))
        return True

    def _fold_facts(self, facts: Iterable[tuple[int, bytes, bytes]]) -> None:
        """On to the windows. Their state is stored now and then: what came since is in the log of the facts."""
        if self.departments is None:
            return
        effects = self.departments.batch(facts)
        carry_out(effects.changes, self.department_state)
        self.unsaved.update(effects.changes)
        if len(self.unsaved) >= SAVE_EVERY:
            self._save_departments()

    def _save_departments(self) -> None:
        if self.departments is None or not self.unsaved:
            return
        with self.log.transaction():
            self.log.store("departments", self.unsaved)
            self.log.set_position("departments", self.departments.meta.offset + 1)
            self._drop_facts()
        self.unsaved = {}

    def _drop_facts(self) -> None:
        """Both the windows and the store must have read them, also where no store is open just now."""
        self.log.drop_facts(min(self.log.position("departments"), self.log.position("store:facts")))

    # -- out
    def flush(self) -> None:
        """Bring the store and the stored windows up to the end of the log."""
        self._save_departments()
        self._finish_writing()
        while self._begin_writing():
            self._finish_writing()
        self._tell_morale()

    def _tell_morale(self) -> None:
        """Of the last week that is over as far as everything is known; those before are history (:mod:`deploy.history`)."""
        if self.store is not None and self.as_of is not None:
            tell(self.store, self.as_of, course=False)

    def _write_beside(self) -> None:
        """Into the store, in a thread of its own, while this one folds on: all that there is, as one large batch at a time."""
        if self.writing is None or self.writing.done.done():
            self._finish_writing()
            self._begin_writing()

    def _begin_writing(self) -> bool:
        """The next batch, where there is something. What is written twice after a crash changes nothing."""
        if self.store is None:
            return False
        log = self.log
        facts = log.read_facts(log.position("store:facts"), STORE_FACTS)
        events = log.read("events", log.position("store:events"), STORE_EVENTS)
        sealed = log.read("sealed", log.position("store:sealed"), STORE_EVENTS)
        positions = {"store:facts": facts[-1][0] + 1} if facts else {}
        if events:
            positions["store:events"] = events[-1].offset + 1
        if sealed:
            positions["store:sealed"] = sealed[-1].offset + 1
        if positions:
            self.writing = Writing(positions, self.writer.submit(_write, self.store, facts, events, sealed))
        return bool(positions)

    def _finish_writing(self) -> None:
        """Wait until the batch is in the store, and move the positions on."""
        writing, self.writing = self.writing, None
        if writing is not None:
            writing.done.result()
            with self.log.transaction():
                for name, next in writing.positions.items():
                    self.log.set_position(name, next)
                self._drop_facts()

    def repair(self, case: str) -> None:
        """Fold a case anew from all its stored records. A generation that is made anew has no need of that."""
        stored = tuple(r.value for r in self.log.of_key("events", case) if not _revives(r.value))
        source, _, subject = case.partition("/")
        revive = e.Revive(
            id=e.event_id(source, f"revive|{case}|{self.log.end('events')}"),
            source=source,
            subject=subject,
            time=e.instant(now_us()),
            specversion="1.0",
            data=e.ReviveData(stored),
        )
        with self.log.transaction():
            self.log.say("events", [(case, e.encode(revive))], now_us())
        self.fold()

    def sources(self) -> list[str]:
        """The names under which :meth:`accept` has taken something in."""
        return self.log.positions("source:")

    def rejected(self) -> dict[str, tuple[int, str]]:
        """What could not be read, and nobody has handled: reason -> how often, and the first place."""
        ledger = Ledger(record.value for record in self.log.read("rejected", 0, 1 << 30))
        return reasons((row.reason, row.where) for row in ledger.rows() for _ in range(row.open))

    def indicators(self) -> list[IndicatorValue]:
        """Every indicator as it stands now."""
        return list(self.departments.indicators()) if self.departments is not None else []

    def morale(self) -> list[MoraleValue]:
        """What sealed answers say, as of now."""
        if self.configuration is None or self.as_of is None:
            return []
        sealed = map(decode, (record.value for record in self.log.every("sealed")))
        return morale(sealed, self.configuration.company, self.as_of)

    # -- the end
    def close(self) -> None:
        self.writer.shutdown()
        if self.store is not None:
            self.store.close()
            self.store = None
        self.log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_store(folder: Path, log: Log) -> ClickHouse:
    """The store of the generation of ``log``. Everybody reads from it what the log calls the current one: whoever was stopped while
    switching has switched.
    """
    store = connect(f"chdb://{(folder / 'store').resolve()}", log.generation)
    try:
        store.migrate()
        if store.current_generation() != log.current:
            store.switch(log.current)
    except BaseException:
        store.close()
        raise
    return store


def _write(
    store: ClickHouse, facts: Sequence[tuple[int, bytes, bytes]], events: Sequence[Stored], sealed: Sequence[Stored]
) -> None:
    """Of each fact the last version; marks have no key."""
    store.write_facts(list({key: fact for _, key, fact in facts if key}.values()))
    store.write_events([StoredRecord(r.offset, r.at, r.value) for r in events])
    store.write_sealed([decode(record.value) for record in sealed])


def reasons(refused: Iterable[tuple[str, str]]) -> dict[str, tuple[int, str]]:
    """Of ``(reason, place)``: reason -> how often, and the first place."""
    found: dict[str, tuple[int, str]] = {}
    for reason, place in refused:
        count, first = found.get(reason, (0, place))
        found[reason] = (count + 1, first)
    return found


def _revives(record: bytes) -> bool:
    """Whether it is an earlier repair: with those inside, each would be twice as large as the one before."""
    try:
        return isinstance(e.decode(record), e.Revive)
    except e.Unreadable:
        return False
