"""Where answers wait for the end of their week: an encrypted file of the connector, from which they leave all at once, shuffled.

docs/feedback.md says what may be known from where. Whoever can read the file without its keys learns how many answers wait of
which week; no row says whose it is or when it came, and rows lie in the order of their marks, which are random to him.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from secrets import SystemRandom
from threading import Lock
from typing import Any, Self
from uuid import UUID

from msgspec import UNSET, Struct
from msgspec.structs import replace

from ingest.answers.keys import Keys, Unopened
from ingest.event import PUBLISHED, Answered, Rated, config_mark, decode, encode, watermark
from ingest.feedback import FLOOR, week_begins
from ingest.intake import Answer, Sink

REMEMBERED = timedelta(days=35)
"""At least so long is known what has been published: as long as the topic holds it."""
WEEK = timedelta(days=7)
TIDY_EVERY = timedelta(minutes=1)

APPLICATION, FORMAT = 0x63726461, 1
PAGE_BYTES = 8192
"""So that a row fits into a page: what does not would lie in pages of its own."""
CHECK = b"answers of crossdesk"
TABLES = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    # Weeks are dates of Mondays, as text. leaving: its publication has begun.
    "CREATE TABLE answers (mark BLOB PRIMARY KEY, week TEXT NOT NULL, leaving INTEGER NOT NULL, sealed BLOB NOT NULL)"
    " WITHOUT ROWID",
    "CREATE TABLE published (mark BLOB PRIMARY KEY, week TEXT NOT NULL) WITHOUT ROWID",
)


class AnswersError(Exception):
    """The answers that wait cannot be got at; the message says why and what to do. What was kept before stays."""


class AnswersLocked(AnswersError):
    """Another process has the file open."""


class WrongKey(AnswersError):
    """The file was written under keys that are not there."""


class AnswerCounts(Struct):
    """Since the start, and as they were when the week last changed: numbers that moved with each answer would tell when it came.

    ``waiting``: held back then, for there were fewer than ``ingest.feedback.FLOOR``. ``late``: came when their week had been
    published. ``repeated``: not taken, for their id had been published.
    """

    waiting: int = 0
    published: int = 0
    late: int = 0
    repeated: int = 0


class AnswerStore:
    """Opens or makes ``path``. Raises :class:`AnswersError`. Several threads may keep; one publishes.

    ``random`` shuffles: another one than the system's is for tests.
    """

    def __init__(self, path: Path, keys: Keys, random: Random | None = None) -> None:
        self.path = path
        self.counts = AnswerCounts()
        self._keys, self._random = keys, random or SystemRandom()
        self._lock = Lock()
        self._came: Counter[str] = Counter()
        self._untidy = False
        self._tidied: datetime | None = None
        with self._in_words():
            _make_private(path)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
        try:
            with self._in_words():
                self._prepare()
        except BaseException:
            self._db.close()
            raise

    # -- in
    def keep(self, answer: Answer) -> None:
        """It is durable when this returns. Raises :class:`AnswersError`: it is not kept then, and may come again."""
        self.keep_all((answer,))

    def keep_all(self, answers: Iterable[Answer]) -> None:
        """All of them or none, in one write to the disk."""
        ready = [self._ready(answer) for answer in answers]
        if not ready:
            return
        with self._lock:
            with self._transaction():
                came = Counter(self._keep(*one) for one in ready)
            self._came += came
            self._untidy = True

    def _keep(self, marks: Sequence[bytes], week: str, sealed: bytes) -> str:
        """What became of it."""
        if self._has_left(marks):
            return "repeated"
        late = week < self._week and self._one("SELECT 1 FROM answers WHERE mark = ?", marks[0]) is None
        self._db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, 0, ?)", (marks[0], week, sealed))
        return "late" if late else "in time"

    def _ready(self, answer: Answer) -> tuple[Sequence[bytes], str, bytes]:
        answer = _coarse(answer)
        return self._keys.marks(answer.id), _monday(answer.time), self._keys.seal(encode(answer))

    def _has_left(self, marks: Sequence[bytes]) -> bool:
        """Or is on its way: what was said of it stands."""
        for mark in marks:
            if self._one("SELECT 1 FROM published WHERE mark = ?", mark) is not None:
                return True
        return bool(self._one("SELECT leaving FROM answers WHERE mark = ?", marks[0]))

    # -- out
    def publish(self, now: datetime, sink: Sink, version: int = 0) -> int:
        """If another week has begun, say all answers whose week is over, in random order, and behind the last that the week is
        published; how many they were. Call it every minute. ``version``: of the configuration under which they are sealed.

        They are deleted when the sink has settled. Who is stopped before that, or gets an error of the sink, says the same
        answers again at the next call, and no others with them.
        """
        with self._lock, self._transaction():
            self._decide(_monday(now))
        leaving = [mark for (mark,) in self._all("SELECT mark FROM answers WHERE leaving")]
        self._random.shuffle(leaving)
        for mark in leaving:
            self._say(mark, sink)
        with self._lock:
            unmarked = self._get("unmarked") or (leaving and self._week)
        if unmarked:
            sink.settle()
            self._mark(unmarked, version, sink)
            with self._lock, self._transaction():
                self._forget_leaving()
                self._set("unmarked", "")
            self.counts.published += len(leaving)
            self._tidied = None
        self._tidy(now)
        return len(leaving)

    def _mark(self, week: str, version: int, sink: Sink) -> None:
        """Its id is a number that nobody can guess, and is kept nowhere but in the topic: sealing locks with it what would tell
        who is in a batch. Who says it again says another one, and the first counts.
        """
        monday = datetime.combine(date.fromisoformat(week), datetime.min.time(), UTC)
        if version:
            sink.say("feedback", PUBLISHED, encode(config_mark(version, monday)))
        key = str(UUID(int=self._random.getrandbits(128)))
        sink.say("feedback", PUBLISHED, encode(replace(watermark(PUBLISHED, monday), id=key)))
        sink.settle()

    def _decide(self, week: str) -> None:
        """Which ones leave now. It is written down before the first is said: whatever comes then, or changes, is not among them."""
        before = self._week
        if _earlier(before, WEEK) <= week <= before:
            return  # A clock that was put back over a Monday makes no week of its own.
        self._set("week", week)
        if not before < week or not before:
            return  # New, or the clock was ahead: what is there leaves when this week is over, all together.
        self._set("unmarked", week)
        self._db.execute("DELETE FROM published WHERE week < ?", (_earlier(week, REMEMBERED),))
        if self._enough(week):
            self._db.execute("UPDATE answers SET leaving = 1 WHERE week < ?", (week,))
        self.counts.waiting = self._one("SELECT count(*) FROM answers WHERE week < ? AND NOT leaving", week)
        self.counts.late, self.counts.repeated = self._came["late"], self._came["repeated"]

    def _enough(self, week: str) -> bool:
        persons: set[str] = set()
        for (sealed,) in self._db.execute("SELECT sealed FROM answers WHERE week < ?", (week,)):
            persons.add(self._read(sealed).subject)
            if len(persons) >= FLOOR:
                return True
        return False

    def _say(self, mark: bytes, sink: Sink) -> None:
        with self._lock:
            answer = self._read(self._one("SELECT sealed FROM answers WHERE mark = ?", mark))
        sink.say("feedback", answer.data.department or answer.source, encode(answer))

    def _forget_leaving(self) -> None:
        self._db.execute("INSERT OR REPLACE INTO published SELECT mark, ? FROM answers WHERE leaving", (self._week,))
        self._db.execute("DELETE FROM answers WHERE leaving")
        self._untidy = True

    def _read(self, sealed: bytes) -> Answer:
        try:
            answer = decode(self._keys.open(sealed))
        except Unopened:
            raise self._damaged() from None
        if not isinstance(answer, Answered | Rated):
            raise self._damaged()
        return answer

    # -- the file
    def _prepare(self) -> None:
        db = self._db
        for pragma in (
            f"page_size = {PAGE_BYTES}",
            "locking_mode = EXCLUSIVE",
            # A write-ahead log would hold what came in the order in which it came; this journal is empty after each write.
            "journal_mode = TRUNCATE",
            "synchronous = FULL",
            "secure_delete = ON",
            "temp_store = MEMORY",
        ):
            db.execute(f"PRAGMA {pragma}")
        with self._transaction("EXCLUSIVE"):
            if not self._one("SELECT count(*) FROM sqlite_schema"):
                for table in TABLES:
                    db.execute(table)
                db.execute(f"PRAGMA application_id = {APPLICATION}")
                db.execute(f"PRAGMA user_version = {FORMAT}")
                self._set("check", self._keys.seal(CHECK))
            self._check()
            self._set(
                "opened", b""
            )  # A disk that is full, or a folder that is not ours, is known now and not at the first answer.
        db.execute("VACUUM")

    def _check(self) -> None:
        if self._one("PRAGMA application_id") != APPLICATION:
            raise AnswersError(f"{self.path} is no store of answers: name another file")
        if self._one("PRAGMA user_version") != FORMAT:
            raise AnswersError(f"{self.path} was written by another version of crossdesk: use that one to empty it")
        check = self._one("SELECT value FROM meta WHERE name = 'check'")
        try:
            self._keys.open(check)
        except Unopened:
            raise WrongKey(
                f"{self.path} was written under another key: put the line of that key behind the new one in the file of the"
                " keys; if it is lost, the answers that wait are too: move the store away and start again"
            ) from None
        if not self._keys.is_newest(check):
            self._change_keys()

    def _change_keys(self) -> None:
        """Everything that waits is sealed under the first key. What was published is remembered under the key of its time."""
        for (mark,) in self._db.execute("SELECT mark FROM answers").fetchall():
            week, leaving, sealed = self._db.execute(
                "SELECT week, leaving, sealed FROM answers WHERE mark = ?", (mark,)
            ).fetchone()
            answer = self._read(sealed)
            row = (self._keys.mark(answer.id), week, leaving, self._keys.seal(encode(answer)))
            self._db.execute("DELETE FROM answers WHERE mark = ?", (mark,))
            self._db.execute("INSERT INTO answers VALUES (?, ?, ?, ?)", row)
        self._set("check", self._keys.seal(CHECK))

    def _tidy(self, now: datetime) -> None:
        """Within a page SQLite puts rows where there is room, so in the order in which they came: written anew, they lie in the
        order of their marks. It takes 10 ms for each thousand answers, so not after each of them.
        """
        if self._untidy and (self._tidied is None or not timedelta(0) <= now - self._tidied < TIDY_EVERY):
            with self._lock, self._in_words():
                self._db.execute("VACUUM")
                self._untidy = False
            self._tidied = now

    def close(self) -> None:
        with self._lock:
            try:
                if self._untidy:
                    with self._in_words():
                        self._db.execute("VACUUM")
            finally:
                self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- SQL
    @property
    def _week(self) -> str:
        """The Monday of the week in which it was last decided what leaves; empty: never."""
        return self._get("week")

    def _get(self, name: str) -> str:
        return self._one("SELECT value FROM meta WHERE name = ?", name) or ""

    def _set(self, name: str, value: str | bytes) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def _one(self, sql: str, *parameters: object) -> Any:
        """The first value of the first row, or None."""
        row = self._db.execute(sql, parameters).fetchone()
        return row and row[0]

    def _all(self, sql: str) -> list[tuple[Any, ...]]:
        with self._lock, self._in_words():
            return self._db.execute(sql).fetchall()

    @contextmanager
    def _transaction(self, kind: str = "IMMEDIATE") -> Iterator[None]:
        """All writes inside are durable together, or none of them is there."""
        with self._in_words():
            self._db.execute(f"BEGIN {kind}")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite itself rolls back when the disk is full
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise _said(error, self.path) from error

    def _damaged(self) -> AnswersError:
        return AnswersError(f"{self.path} is damaged: put it back from a backup, or move it away and start again")


def _coarse(answer: Answer) -> Answer:
    """Whatever a connector let through: no time but the week's, and nothing by which answers could be put in order."""
    return replace(answer, time=week_begins(answer.time), observedtime=UNSET, sequence=0, who="")


def _earlier(monday: str, by: timedelta) -> str:
    return (date.fromisoformat(monday) - by).isoformat() if monday else ""


def _monday(at: datetime) -> str:
    return week_begins(at).date().isoformat()


def _make_private(path: Path) -> None:
    """What SQLite makes beside it gets the same rights."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _said(error: OSError | sqlite3.Error, path: Path) -> AnswersError:
    text = str(error).lower()
    for words, kind, reason in REASONS:
        if any(word in text for word in words):
            return kind(reason.format(path=path, folder=path.parent))
    return AnswersError(f"{path}: {error}")


REASONS: tuple[tuple[tuple[str, ...], Callable[[str], AnswersError], str], ...] = (
    (
        ("locked", "busy"),
        AnswersLocked,
        "{path} is in use by another crossdesk: one process keeps answers; stop one of them",
    ),
    (
        ("full", "no space", "too large", "disk i/o"),
        AnswersError,
        "the disk of {path} is full, or takes nothing: make room; no answer that was kept is lost",
    ),
    (
        ("readonly", "read-only", "permission", "unable to open", "is a directory", "not a directory", "file exists"),
        AnswersError,
        "{path} cannot be written: see who may write to {folder}, or name another file",
    ),
    (
        ("not a database", "malformed"),
        AnswersError,
        "{path} is no store of answers, or is damaged: put it back from a backup, or name another file",
    ),
)
