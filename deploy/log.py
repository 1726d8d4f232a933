"""The log of the embedded mode: what topics, changelogs and committed offsets are on Kafka, in one SQLite file.

What one transaction writes survives ``kill -9`` whole or not at all. One process at a time writes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

FORMAT = 6
AT_ONCE = 10_000
TOPICS = ("events", "rejected", "directory", "sealed")
STATES = ("cases", "departments")
FIRST = 1
CURRENT, UNFINISHED = "current", "unfinished"
COMMON = ("format", CURRENT, "source:", "end:", "store:events", "store:sealed")
"""How the names of positions begin that belong to no generation."""

KeyedFact = tuple[bytes, bytes]
"""Key (see ``streams.fact.record_key``) and record."""

_chunk = msgspec.msgpack.Decoder(list[KeyedFact])


class Stored(NamedTuple):
    """A record of a topic; ``at``: when the log took it in, UTC microseconds."""

    offset: int
    key: str
    at: int
    value: bytes


class LogError(Exception):
    """The log cannot be used; the message says why and what to do. What was stored before stays."""


class LogLocked(LogError):
    """Another process writes this log."""


class Log:
    """Opens or makes ``path``. Raises :class:`LogError`.

    Events, positions in sources and configurations are common. What was computed of them belongs to a generation: facts, state,
    positions in the log, and what cases say to each other, which lies among the events and is read by its own generation
    alone. ``generation``: the reader's own; unless named, the current one. A new one that is not current is unfinished.
    """

    def __init__(self, path: Path, generation: int | None = None) -> None:
        self.path, self.name = path, str(path.parent)
        """``name``: whose log it is, in words."""
        self.has_versions = True
        """Whether versions of facts are places in it."""
        self._last: dict[str, list[Stored]] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
        except (OSError, sqlite3.Error) as error:
            raise _in_words(error, path) from error
        try:
            self._prepare()
            self.generation = self.current if generation is None else generation
            self._prepare_generation()
        except BaseException as error:
            self.db.close()
            if isinstance(error, sqlite3.Error):
                raise _in_words(error, path) from error
            raise

    def _prepare(self) -> None:
        db = self.db
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(
            "PRAGMA synchronous=NORMAL"
        )  # safe against a killed process; a lost machine may lose the last second
        db.execute("PRAGMA cache_size=-32000")
        db.execute("PRAGMA wal_autocheckpoint=50000")
        with self.transaction():
            db.execute(
                "CREATE TABLE IF NOT EXISTS positions (generation INTEGER NOT NULL, name TEXT NOT NULL, next INTEGER NOT NULL,"
                " PRIMARY KEY (generation, name)) WITHOUT ROWID"
            )
            if "generation" not in [column for _, column, *_ in db.execute("PRAGMA table_info(positions)")]:
                raise self._other_version()
            db.execute("INSERT OR IGNORE INTO positions VALUES (0, 'format', ?)", (FORMAT,))
            if self.position("format") != FORMAT:
                raise self._other_version()
            for topic in TOPICS:
                db.execute(
                    f"CREATE TABLE IF NOT EXISTS {topic} (offset INTEGER PRIMARY KEY, key TEXT NOT NULL, at INTEGER NOT NULL,"
                    " value BLOB NOT NULL, generation INTEGER NOT NULL)"
                )
            db.execute("CREATE INDEX IF NOT EXISTS events_key ON events (key) WHERE key <> ''")  # marks have no key
            db.execute("CREATE TABLE IF NOT EXISTS config (version INTEGER PRIMARY KEY, value BLOB NOT NULL)")

    def _prepare_generation(self) -> None:
        db, generation = self.db, self.generation
        if generation in self.generations():
            return
        with self.transaction():
            db.execute(
                f"CREATE TABLE facts_{generation} (offset INTEGER PRIMARY KEY, count INTEGER NOT NULL, value BLOB NOT NULL)"
            )
            for state in STATES:
                db.execute(
                    f"CREATE TABLE {state}_state_{generation} (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
                )
            if generation != self.current:
                self.set_position(UNFINISHED, 1)

    def _other_version(self) -> LogError:
        return LogError(
            f"{self.path} was written by another version of crossdesk: use that one, or another --data folder"
        )

    # -- transactions
    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside are stored together, or none of them. Raises :class:`LogError`."""
        try:
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.db.execute("COMMIT")
            except BaseException:
                self._last.clear()
                if self.db.in_transaction:  # SQLite itself rolls back when the disk is full
                    self.db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise _in_words(error, self.path) from error

    def copy(self, path: Path) -> None:
        """All of it as it is now, into a new file. Raises :class:`LogError`."""
        try:
            self.db.execute("VACUUM INTO ?", (str(path),))
        except sqlite3.Error as error:
            raise _in_words(error, self.path) from error

    # -- generations
    @property
    def current(self) -> int:
        """The generation whose numbers are shown."""
        return self.position(CURRENT) or FIRST

    def switch(self, generation: int) -> None:
        with self.transaction():
            self.set_position(CURRENT, generation)

    def generations(self) -> list[int]:
        names = self.db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'facts_[0-9]*'")
        return sorted(int(name.removeprefix("facts_")) for (name,) in names)

    def unfinished(self, generation: int) -> bool:
        """Whether it has never been brought up to the end of the log, and compared."""
        return bool(self.position(UNFINISHED, generation))

    def finish(self) -> None:
        """This generation may be switched to."""
        with self.transaction():
            self.set_position(UNFINISHED, 0)

    def forget(self, generation: int) -> None:
        """Nothing is left of it. Offsets of what it said are not given again: others may have read on."""
        if generation == self.current:
            raise LogError(f"generation {generation} is the current one: `crossdesk switch` to another first")
        with self.transaction():
            for topic in TOPICS:
                self.set_position(f"end:{topic}", self.end(topic))
                self.db.execute(f"DELETE FROM {topic} WHERE generation = ?", (generation,))
            for table in ("facts", *(f"{state}_state" for state in STATES)):
                self.db.execute(f"DROP TABLE IF EXISTS {table}_{generation}")
            self.db.execute("DELETE FROM positions WHERE generation = ?", (generation,))

    # -- topics
    def append(self, topic: str, records: Iterable[tuple[str, bytes]], at: int) -> None:
        """Put ``(key, value)`` at the end of a topic: something from outside, for every generation."""
        self._append(topic, records, at, 0)

    def say(self, topic: str, records: Iterable[tuple[str, bytes]], at: int) -> None:
        """The same, for nobody but this generation."""
        self._append(topic, records, at, self.generation)

    def _append(self, topic: str, records: Iterable[tuple[str, bytes]], at: int, generation: int) -> None:
        rows = [Stored(i, key, at, value) for i, (key, value) in enumerate(records, self.end(topic))]
        self.db.executemany(f"INSERT INTO {topic} VALUES (?, ?, ?, ?, {generation})", rows)
        if rows:
            self._last[topic] = rows

    def end(self, topic: str) -> int:
        """The offset that the next record of the topic gets."""
        (last,) = self.db.execute(f"SELECT max(offset) FROM {topic}").fetchone()
        return max(0 if last is None else int(last) + 1, self.position(f"end:{topic}"))

    def read(self, topic: str, first: int, most: int) -> list[Stored]:
        """At most ``most`` records from offset ``first`` on, of those for this generation. What was written last is still at
        hand.
        """
        last = self._last.get(topic)
        if last and first >= last[0].offset:
            return last[first - last[0].offset :][:most]
        rows = self.db.execute(
            f"SELECT offset, key, at, value FROM {topic} WHERE offset >= ? AND {self._for_us} ORDER BY offset LIMIT ?",
            (first, most),
        )
        return [Stored(*row) for row in rows]

    def every(self, topic: str) -> Iterator[Stored]:
        """All records for this generation, in order; not all are at hand at once."""
        first = 0
        while records := self.read(topic, first, AT_ONCE):
            yield from records
            first = records[-1].offset + 1

    @property
    def _for_us(self) -> str:
        return f"generation IN (0, {self.generation})"

    def behind(self) -> int:
        """What of the log is not in the store as this generation sees it: events to fold, facts to store."""
        sql = f"SELECT count() FROM events WHERE offset >= ? AND {self._for_us}"
        (events,) = self.db.execute(sql, (self.position("cases"),)).fetchone()
        return int(events) + self.end_of_facts() - self.position("store:facts")

    # -- facts: many, small, and only passing through, so they lie in chunks
    @property
    def _facts(self) -> str:
        return f"facts_{self.generation}"

    def end_of_facts(self) -> int:
        row = self.db.execute(f"SELECT offset + count FROM {self._facts} ORDER BY offset DESC LIMIT 1").fetchone()
        return int(row[0]) if row else self.position("facts")

    def append_facts(self, first: int, values: Sequence[KeyedFact]) -> None:
        """One chunk; ``first`` is the offset of its first fact."""
        if values:
            chunk = (first, len(values), msgspec.msgpack.encode(values))
            self.db.execute(f"INSERT INTO {self._facts} VALUES (?, ?, ?)", chunk)
            self.set_position("facts", first + len(values))

    def read_facts(self, first: int, most: int) -> list[tuple[int, bytes, bytes]]:
        """Facts from offset ``first`` on (offset, key, record), whole chunks until there are ``most`` of them or more."""
        facts: list[tuple[int, bytes, bytes]] = []
        for offset, value in self.db.execute(
            f"SELECT offset, value FROM {self._facts} WHERE offset + count > ? ORDER BY offset", (first,)
        ):
            facts += [(i, *keyed) for i, keyed in enumerate(_chunk.decode(value), offset) if i >= first]
            if len(facts) >= most:
                break
        return facts

    def drop_facts(self, before: int) -> None:
        """Let go of chunks that everybody has read."""
        self.db.execute(f"DELETE FROM {self._facts} WHERE offset + count <= ?", (before,))

    def of_key(self, topic: str, key: str) -> list[Stored]:
        """Every record of one key for this generation, in order."""
        rows = self.db.execute(
            f"SELECT offset, key, at, value FROM {topic} WHERE key = ? AND {self._for_us} ORDER BY offset", (key,)
        )
        return [Stored(*row) for row in rows]

    def keys_like(self, ending: str, most: int) -> list[str]:
        """Keys of events whose subject is ``ending``, whatever their source."""
        rows = self.db.execute(
            "SELECT DISTINCT key FROM events WHERE key <> '' AND (key = ?1 OR substr(key, instr(key, '/') + 1) = ?1) LIMIT ?2",
            (ending, most),
        )
        return [key for (key,) in rows]

    # -- state, positions, configuration
    def _state(self, name: str) -> str:
        return f"{name}_state_{self.generation}"

    def state(self, name: str) -> dict[bytes, bytes]:
        return dict(self.db.execute(f"SELECT key, value FROM {self._state(name)}"))

    def store(self, name: str, changes: Mapping[bytes, bytes | None]) -> None:
        """Write changed rows of a state; None deletes."""
        table = self._state(name)
        self.db.executemany(f"DELETE FROM {table} WHERE key = ?", ((k,) for k, v in changes.items() if v is None))
        self.db.executemany(
            f"INSERT INTO {table} VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            ((k, v) for k, v in changes.items() if v is not None),
        )

    def row_of_state(self, name: str, key: bytes) -> bytes | None:
        row = self.db.execute(f"SELECT value FROM {self._state(name)} WHERE key = ?", (key,)).fetchone()
        return bytes(row[0]) if row else None

    def position(self, name: str, generation: int | None = None) -> int:
        """Where a reader of a topic, or a source, goes on; 0 at first. ``generation``: of a reader of another one."""
        row = self.db.execute(
            "SELECT next FROM positions WHERE generation = ? AND name = ?", (self._owner(name, generation), name)
        ).fetchone()
        return int(row[0]) if row else 0

    def set_position(self, name: str, next: int) -> None:
        self.db.execute(
            "INSERT INTO positions VALUES (?, ?, ?) ON CONFLICT (generation, name) DO UPDATE SET next = excluded.next",
            (self._owner(name), name, next),
        )

    def _owner(self, name: str, generation: int | None = None) -> int:
        """Whose position it is; 0: everybody's."""
        if name.startswith(COMMON):
            return 0
        return self.generation if generation is None else generation

    def positions(self, prefix: str) -> list[str]:
        """The names of positions that begin with ``prefix``, without it."""
        rows = self.db.execute("SELECT name FROM positions WHERE substr(name, 1, ?) = ?", (len(prefix), prefix))
        return [name.removeprefix(prefix) for (name,) in rows]

    def configurations(self) -> dict[int, bytes]:
        return dict(self.db.execute("SELECT version, value FROM config"))

    def add_configuration(self, version: int, value: bytes) -> None:
        self.db.execute("INSERT INTO config VALUES (?, ?)", (version, value))

    # -- the end
    def close(self) -> None:
        self.db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _in_words(error: OSError | sqlite3.Error, path: Path) -> LogError:
    text = str(error).lower()
    if "locked" in text or "busy" in text:
        return LogLocked(f"{path} is in use by another crossdesk: stop it, or ask it (it answers whoever only reads)")
    if "full" in text or "no space" in text:
        return LogError(f"the disk of {path} is full: make room and start again; nothing that was stored is lost")
    if "not a database" in text or "malformed" in text:
        return LogError(f"{path} is not a log of crossdesk, or is damaged: name another --data folder")
    if "readonly" in text or "permission" in text or "unable to open" in text:
        return LogError(
            f"{path} cannot be written: check who may write to {path.parent}, or name another --data folder"
        )
    return LogError(f"{path}: {error}")
