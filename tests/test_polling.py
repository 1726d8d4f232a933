"""Sources that are asked: nothing is skipped, whatever happens between a page and its acknowledgement."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any, ClassVar

import pytest

from ingest import event as e
from ingest.api import SourceDown, Stopped
from ingest.broker import BrokerUnavailable
from ingest.connector import Api, Connector, Document, FromOutside, Page, Refused, Rejected, Tells, tells
from ingest.identity import Identity, People
from ingest.intake import Intake
from ingest.polling import Poller

START = datetime(2026, 3, 2, 9, tzinfo=UTC)


class Numbered(Connector):
    """Documents with a number each; a cursor is how many there were. Every page holds two, and repeats the last one."""

    name: ClassVar[str] = "numbered"
    tells: ClassVar[Tells] = tells("noted")

    def fetch(self, api: Api, cursor: str, now: datetime) -> Iterator[Page]:  # noqa: ARG002
        first = int(cursor or 0)
        while True:
            found = api.get("/documents", {"from": str(max(0, first - 1))})
            first += len([n for n in found["numbers"] if n >= first])
            until = START + timedelta(minutes=first) if first == found["all"] else None
            yield Page([{"n": n} for n in found["numbers"]], str(first), until, first < found["all"])
            if first >= found["all"]:
                return

    def case(self, api: Api, subject: str) -> Sequence[Document]:
        return [{"n": n} for n in api.get(f"/cases/{subject}")["numbers"]]

    def means(self, document: Document, people: People) -> Iterator[FromOutside | Rejected]:  # noqa: ARG002
        n = document["n"]
        yield e.Noted(
            id=e.event_id(self.source, str(n)),
            source=self.source,
            subject=f"C{n}",
            time=START + timedelta(minutes=n),
            specversion="1.0",
        )


class Source:
    """The API of :class:`Numbered`. ``trouble``: what the next questions raise, in turn; none: they are answered."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.trouble: list[Exception | None] = []
        self.asked: list[str] = []
        self.opened = 0

    def get(self, path: str, query: Mapping[str, str] = {}) -> Any:
        self.asked.append(path)
        trouble = self.trouble.pop(0) if self.trouble else None
        if trouble is not None:
            raise trouble
        if path.startswith("/cases/"):
            return {"numbers": [int(path.removeprefix("/cases/C"))]}
        first = int(query["from"])
        return {"numbers": list(range(first, min(self.count, first + 3))), "all": self.count}

    def post(self, path: str, body: Mapping[str, Any], query: Mapping[str, str] = {}) -> Any:
        raise NotImplementedError

    @contextmanager
    def open(self) -> Iterator[Source]:
        self.opened += 1
        yield self


class Log:
    """What was said, and how much of it is durable. ``full``: saying fails from so many records on."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, bytes]] = []
        self.durable = 0
        self.full = 1 << 30

    def say(self, topic: str, key: str, value: bytes) -> None:
        self.said.append((topic, key, value))

    def settle(self) -> None:
        if len(self.said) > self.full:
            raise BrokerUnavailable("the broker has gone")
        self.durable = len(self.said)

    def of(self, topic: str) -> list[bytes]:
        """What is durable."""
        return [value for said, _, value in self.said[: self.durable] if said == topic]

    def cases(self) -> set[str]:
        return {r.subject for r in map(e.decode, self.of("events")) if not isinstance(r, e.Mark)}

    def marks(self) -> list[datetime]:
        return [r.data.until for r in map(e.decode, self.of("events")) if isinstance(r, e.Watermark)]


class Polled:
    def __init__(self, source: Source, log: Log, cursor: str = "", every: float = 60.0, key: str = "") -> None:
        self.stop = Event()
        self.intake = Intake(
            Numbered(source="desk"),
            People(Identity(b"k" * 32, "k1"), "desk"),
            log,
            lambda _: (),
            lambda _: None,
        )

        @contextmanager
        def way() -> Iterator[Intake]:
            yield self.intake

        self.poller = Poller(
            source.open, way, source="desk", cursor=cursor, every=every, stop=self.stop, cursor_key=key
        )
        self.source, self.log = source, log

    def poll(self) -> None:
        self.poller.poll(self.source, self.intake, START)

    @contextmanager
    def running(self) -> Iterator[Poller]:
        thread = Thread(target=self.poller.run)
        thread.start()
        try:
            yield self.poller
        finally:
            self.stop.set()
            self.poller.wake()
            thread.join(10)
            assert not thread.is_alive()


def wait_for(what: Callable[[], object], seconds: float = 10.0) -> None:
    done = Event()
    for _ in range(int(seconds / 0.01)):
        if what():
            return
        done.wait(0.01)
    raise AssertionError("it did not happen")


def test_all_pages_are_said_and_a_watermark_when_all_is_known() -> None:
    polled = Polled(Source(7), Log())
    polled.poll()
    assert polled.log.cases() == {f"C{n}" for n in range(7)}
    assert polled.log.marks() == [START + timedelta(minutes=7)]
    assert polled.log.of("cursors")[-1] == b"7"


@pytest.mark.parametrize(("key", "under"), [("", "desk"), ("desk/k2", "desk/k2")])
def test_a_cursor_is_kept_under_the_name_of_the_source_or_the_key_that_is_given(key: str, under: str) -> None:
    polled = Polled(Source(7), Log(), key=key)
    polled.poll()
    assert {said for topic, said, _ in polled.log.said if topic == "cursors"} == {under}
    assert {e.decode(record).source for record in polled.log.of("events")} == {"desk"}


@pytest.mark.parametrize("full", range(13))
def test_a_cursor_is_never_ahead_of_what_is_durable(full: int) -> None:
    """Wherever the broker goes away: who goes on from the last durable cursor has everything in the end."""
    log = Log()
    log.full = full
    first = Polled(Source(7), log)
    with pytest.raises(BrokerUnavailable):
        first.poll()
    del log.said[log.durable :]
    log.full = 1 << 30
    cursor = (log.of("cursors") or [b""])[-1].decode()
    reached = int(cursor or 0)
    assert {f"C{n}" for n in range(reached)} <= log.cases()
    Polled(Source(7), log, cursor).poll()
    assert log.cases() == {f"C{n}" for n in range(7)}


def test_no_watermark_while_a_page_is_missing() -> None:
    polled = Polled(Source(7), Log())
    polled.source.trouble = [None, SourceDown("down")]
    with pytest.raises(SourceDown):
        polled.poll()
    assert polled.log.cases()
    assert polled.log.marks() == []


@pytest.mark.parametrize(
    "trouble", [SourceDown("down"), Refused(401, "who are you"), KeyError("numbers"), OSError("cut")]
)
def test_a_source_that_fails_is_asked_again_and_says_since_when(trouble: Exception) -> None:
    polled = Polled(Source(3), Log(), every=0.05)
    polled.source.trouble = [trouble, trouble]
    with polled.running() as poller:
        wait_for(lambda: poller.standing.failing)
        assert poller.standing.failing_since
        wait_for(lambda: poller.standing.until)
    assert poller.standing.failures == 2
    assert poller.standing.failing == ""
    assert polled.source.opened == 3  # a secret that was changed is read again
    assert polled.log.cases() == {"C0", "C1", "C2"}


def test_what_is_new_is_found_by_the_next_poll() -> None:
    polled = Polled(Source(3), Log(), every=0.05)
    with polled.running():
        wait_for(lambda: "C2" in polled.log.cases())
        polled.source.count = 5
        wait_for(lambda: "C4" in polled.log.cases())


def test_a_doorbell_is_answered_at_once_with_the_whole_case() -> None:
    polled = Polled(Source(0), Log(), every=600)
    with polled.running() as poller:
        wait_for(lambda: poller.standing.pages)
        poller.ring("C42")
        wait_for(lambda: "C42" in polled.log.cases())


def test_a_doorbell_for_a_case_that_is_gone_rings_once() -> None:
    polled = Polled(Source(0), Log())
    polled.source.trouble = [Refused(404, "gone")]
    polled.poller.ring("C42")
    polled.poller.answer(polled.source, polled.intake)
    polled.poller.answer(polled.source, polled.intake)
    assert polled.source.asked == ["/cases/C42"]


def test_a_doorbell_that_could_not_be_answered_rings_again() -> None:
    polled = Polled(Source(0), Log())
    polled.source.trouble = [None, SourceDown("down")]
    for subject in ("C1", "C2", "C3"):
        polled.poller.ring(subject)
    with pytest.raises(SourceDown):
        polled.poller.answer(polled.source, polled.intake)
    polled.poller.answer(polled.source, polled.intake)
    assert polled.log.cases() == {"C1", "C2", "C3"}


def test_who_is_stopped_stops_after_the_page_in_hand() -> None:
    polled = Polled(Source(1_000), Log())
    polled.stop.set()
    with pytest.raises(Stopped):
        polled.poll()
    assert polled.log.of("cursors") == [b"3"]
