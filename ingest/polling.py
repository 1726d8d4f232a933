"""Sources that are asked: what is new is said, and only when all of a page is acknowledged is it known from where to go on.

Each source has a thread, a way to the log and a budget of its own: one that is down, slow or refuses us stops no other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from threading import Event, Lock
from time import monotonic

from msgspec import Struct

from ingest.api import SourceDown, Stopped
from ingest.broker import BrokerUnavailable
from ingest.connector import Api, Document, Page, Refused
from ingest.event import Unreadable, encode, watermark
from ingest.intake import Intake

log = logging.getLogger("crossdesk.ingest")

LONGEST_REST = 300.0
TELL_SECONDS = 10.0
GONE = 404
RINGS_AT_ONCE = 50
"""Cases that are said before it is waited for their acknowledgement."""


class Standing(Struct):
    """How a source is doing, for ``/metrics`` and ``/ready``. ``failing``: why, empty while all is well, ``failing_since`` when;
    ``until``: up to when all of it has been said. Instants in seconds since 1970.
    """

    pages: int = 0
    failures: int = 0
    failing: str = ""
    failing_since: float = 0.0
    until: float = 0.0

    def fails(self, why: str, now: float) -> bool:
        """Whether that is another reason than it had."""
        is_new = why != self.failing
        if not self.failing:
            self.failing_since = now
        self.failing = why
        self.failures += 1
        return is_new


class Poller:
    """One source, asked every ``every`` seconds. ``cursor``: from where to go on. ``open_api`` is called anew after each failure,
    so that a secret that was changed is read again; ``way`` gives the way to the log; ``cursor_key``: under which the cursor is
    kept, unless it is the source's.
    """

    def __init__(
        self,
        open_api: Callable[[], AbstractContextManager[Api]],
        way: Callable[[], AbstractContextManager[Intake]],
        *,
        source: str,
        cursor: str,
        every: float,
        stop: Event,
        cursor_key: str = "",
    ) -> None:
        self.source, self.cursor, self.every = source, cursor, every
        self._cursor_key = cursor_key or source
        self.standing = Standing()
        self._open_api, self._way, self._stop = open_api, way, stop
        self._rings: dict[str, None] = {}
        self._lock, self._awake = Lock(), Event()
        self._told_at = monotonic()

    def ring(self, subject: str) -> None:
        """A doorbell: this case has changed. From any thread."""
        with self._lock:
            self._rings[subject] = None
        self._awake.set()

    def wake(self) -> None:
        """Whoever sets ``stop`` calls it, so that nobody waits for the next poll."""
        self._awake.set()

    def run(self) -> None:
        """Until we are stopped."""
        row = 0
        while not self._stop.is_set():
            try:
                with self._open_api() as api, self._way() as intake:
                    while not self._stop.is_set():
                        began = monotonic()
                        self.poll(api, intake, datetime.now(UTC))
                        self._well()
                        row = 0
                        self._answer_until(began + self.every, api, intake)
            except Stopped:
                return
            except Exception as error:  # noqa: BLE001  # whatever it stumbles over, other sources go on
                row += 1
                self._failed(error)
                self._stop.wait(min(LONGEST_REST, self.every * 2.0 ** (row - 1)))

    def poll(self, api: Api, intake: Intake, now: datetime) -> None:
        """All that is new. A watermark is said of what is acknowledged, never of what failed."""
        for page in one_ahead(intake.connector.fetch(api, self.cursor, now)):
            intake.take(page.documents)
            intake.settle()
            if page.until is not None:
                intake.sink.say("events", "", encode(watermark(self.source, page.until)))
            if page.cursor != self.cursor:
                intake.sink.say("cursors", self._cursor_key, page.cursor.encode())
            intake.settle()
            self.cursor = page.cursor
            self.standing.pages += 1
            if page.until is not None:
                self._known_up_to(page.until)
            elif monotonic() - self._told_at > TELL_SECONDS:
                self._tell("%d pages so far", self.standing.pages)
            if self._stop.is_set():
                raise Stopped

    def _known_up_to(self, until: datetime) -> None:
        if not self.standing.until:
            self._tell("all of it is said, up to %s", f"{until:%Y-%m-%d %H:%M:%S} UTC")
        self.standing.until = until.timestamp()

    def _tell(self, text: str, what: object) -> None:
        """To who waits for the first reading to end."""
        log.info(f"%s: {text}", self.source, what)
        self._told_at = monotonic()

    def answer(self, api: Api, intake: Intake) -> None:
        """The cases that were rung for. What fails is rung for again; the next poll finds it in any case."""
        with self._lock:
            rings, self._rings = list(self._rings), {}
        try:
            while rings:
                some = rings[-RINGS_AT_ONCE:]
                for subject in some:
                    intake.take(self._case(subject, api, intake))
                intake.settle()
                del rings[-len(some) :]
        finally:
            for subject in rings:
                self.ring(subject)

    @staticmethod
    def _case(subject: str, api: Api, intake: Intake) -> Sequence[Document]:
        try:
            return intake.connector.case(api, subject)
        except Refused as refused:
            if refused.status != GONE:
                raise
            return ()

    def _answer_until(self, end: float, api: Api, intake: Intake) -> None:
        while not self._stop.is_set():
            self._awake.clear()
            self.answer(api, intake)
            left = end - monotonic()
            if left <= 0 or not self._awake.wait(left):
                return

    def _well(self) -> None:
        if self.standing.failing:
            log.info("%s: answers again", self.source)
        self.standing.failing = ""

    def _failed(self, error: Exception) -> None:
        why = str(error)
        if not isinstance(error, SourceDown | Refused | BrokerUnavailable | Unreadable):
            why = f"{type(error).__name__}: {why}"
        self.standing.fails(why, datetime.now(UTC).timestamp())
        log.warning("%s: %s", self.source, why)


def one_ahead(pages: Iterator[Page]) -> Iterator[Page]:
    """The next page is asked for while this one is said: most of the time either waits."""
    with ThreadPoolExecutor(1, "fetch") as other:
        coming = other.submit(next, pages, None)
        while (page := coming.result()) is not None:
            coming = other.submit(next, pages, None)
            yield page
