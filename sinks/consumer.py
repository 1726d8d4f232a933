"""How records come from Kafka: as a member of a group, or of whole topics without one. The only import of kafka in sinks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any, NamedTuple

from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import CommitFailedError, KafkaError, RebalanceInProgressError, StaleMetadata
from kafka.structs import MemberState

from sinks.gathering import MEBIBYTE, Gathering
from sinks.record import ConsumerStopped, Partition, Record

log = logging.getLogger("crossdesk.sinks")

POLL_MS = 100
POLL_RECORDS = 5_000
ASK_EVERY = 1.0
ANSWER_MS = 2_000
BOOTSTRAP_MS = 10_000
CLOSE_MS = 2_000

_FETCHING: Mapping[str, Any] = {
    "auto_offset_reset": "earliest",
    "enable_auto_commit": False,
    "allow_auto_create_topics": False,
    "max_partition_fetch_bytes": 4 * MEBIBYTE,
    "bootstrap_timeout_ms": BOOTSTRAP_MS,
    "reconnect_backoff_max_ms": 3_000,
}


class Consumer(KafkaConsumer):  # type: ignore[misc]
    """A retriable error where the client knows the leaders of some of the partitions only, as after a broker came back:
    kafka-python leaves the others out of what it asks, and fails with a ``KeyError``.
    """

    def beginning_offsets(self, *args: Any, **options: Any) -> dict[TopicPartition, int]:
        with _leaders_known():
            return super().beginning_offsets(*args, **options)  # type: ignore[no-any-return]

    def end_offsets(self, *args: Any, **options: Any) -> dict[TopicPartition, int]:
        with _leaders_known():
            return super().end_offsets(*args, **options)  # type: ignore[no-any-return]


@contextmanager
def _leaders_known() -> Iterator[None]:
    try:
        yield
    except KeyError as partition:
        raise StaleMetadata(f"the client does not know yet who leads {partition}") from partition


class Reached(NamedTuple):
    """Of a partition: where we go on, and where it ended when the broker was last asked."""

    offset: int
    end: int


class Member:
    """One of a group, which fills a :class:`Gathering`. It polls in a thread of its own from :meth:`start` to :meth:`close`,
    however long a write takes, and commits what has been written. Raises :class:`ConsumerStopped`.
    """

    def __init__(
        self,
        client: Mapping[str, Any],
        group: str,
        topics: Sequence[str],
        gathering: Gathering,
        *,
        instance: str = "",
        session_seconds: float = 10.0,
    ) -> None:
        self.group, self.topics, self.gathering = group, list(topics), gathering
        self.rejoin_seconds = 3 * session_seconds
        self.reached: Mapping[Partition, Reached] = {}
        """Of what is assigned: what is committed, and where it ends."""
        self.answers = Answers()
        self._closing = Event()
        self._settled = time.monotonic()
        with _stopping(f"the group {group} cannot be joined"):
            self._consumer = Consumer(
                **{**_FETCHING, **client},
                client_id=group,
                group_id=group,
                group_instance_id=instance or None,
                partition_assignment_strategy=[CooperativeStickyAssignor],
                session_timeout_ms=int(session_seconds * 1000),
                heartbeat_interval_ms=int(session_seconds * 1000 / 4),
            )
            self._subscribe()
        self._thread = Thread(target=self._run, name=group, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Commit what has been written, and leave the group."""
        self._closing.set()
        if self._thread.ident is None:
            self._leave()
        else:
            self._thread.join(3 * CLOSE_MS / 1000)

    # -- the thread
    def _run(self) -> None:
        try:
            with _stopping(f"the group {self.group} cannot go on"):
                while not self._closing.is_set():
                    self._poll()
        except Exception as error:  # noqa: BLE001  # whoever takes batches raises it
            self.gathering.fail(error)
        finally:
            with suppress(KafkaError):
                self._commit(CLOSE_MS)
            self._leave()

    def _leave(self) -> None:
        with suppress(KafkaError):
            self._consumer.close(autocommit=False, timeout_ms=CLOSE_MS)

    def _poll(self) -> None:
        assigned, paused = self._consumer.assignment(), self._consumer.paused()
        room = self.gathering.room
        if room:
            self._consumer.resume(*paused)
            fetched = _polled(self._consumer, POLL_MS, min(room, POLL_RECORDS))
        else:
            self._consumer.pause(*(assigned - paused))
            fetched = _polled(self._consumer, 0, POLL_RECORDS)
            self.gathering.wait_for_room(POLL_MS / 1000)
        if fetched:
            self.gathering.add(fetched)
        self._commit(ANSWER_MS)
        self.answers.to(self._ask)
        self._stay()

    def _stay(self) -> None:
        """kafka-python forgets that it is joining where only new metadata had asked for that and it took longer than one poll: then
        it waits for ever, and we join anew.
        """
        now = time.monotonic()
        if self._consumer.group_metadata().state is MemberState.STABLE or self.answers.missing(2 * ASK_EVERY):
            self._settled = now
        elif now - self._settled > self.rejoin_seconds:
            log.warning("%s: not in the group for %.0f s, joining it anew", self.group, now - self._settled)
            self.gathering.revoked(self._consumer.assignment())
            self._consumer.unsubscribe()
            self._subscribe()
            self._settled = now

    def _subscribe(self) -> None:
        self._consumer.subscribe(self.topics, listener=_Rebalancing(self.gathering))
        self._consumer.topics()  # asks the broker: who joins before it knows the partitions joins twice

    def _commit(self, patience_ms: int) -> None:
        """Where that fails, the next round tries again, with what is still ours by then."""
        offsets = self.gathering.to_commit()
        if not offsets:
            return
        wanted = {
            TopicPartition(*partition): OffsetAndMetadata(offset, "", -1) for partition, offset in offsets.items()
        }
        try:
            self._consumer.commit(wanted, timeout_ms=patience_ms)
        except KafkaError as error:
            if not error.retriable and not isinstance(error, CommitFailedError | RebalanceInProgressError):
                raise
            log.debug("%s: not committed yet: %s", self.group, error)
        else:
            self.gathering.committed(offsets)
            self.reached = {p: Reached(offsets.get(p, at.offset), at.end) for p, at in self.reached.items()}

    def _ask(self) -> None:
        """Where partitions end, and of those that are new here what was committed."""
        assigned, known = list(self._consumer.assignment()), self.reached
        ends = self._consumer.end_offsets(assigned, timeout_ms=ANSWER_MS)
        self.reached = {p: Reached(known[p].offset if p in known else self._committed(p), ends[p]) for p in assigned}

    def _committed(self, partition: TopicPartition) -> int:
        offset: int | None = self._consumer.committed(partition, timeout_ms=ANSWER_MS)
        if offset is None:
            offset = self._consumer.beginning_offsets([partition], timeout_ms=ANSWER_MS)[partition]
        return offset


class _Rebalancing(ConsumerRebalanceListener):  # type: ignore[misc]
    """Called while the member polls."""

    def __init__(self, gathering: Gathering) -> None:
        self.gathering = gathering

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self.gathering.assigned(assigned)

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self.gathering.revoked(revoked)


class Follower:
    """Reads topics whole, each from its beginning, and follows them. It belongs to no group. Raises :class:`ConsumerStopped`."""

    def __init__(self, client: Mapping[str, Any], name: str) -> None:
        self.reached: Mapping[Partition, Reached] = {}
        """How far it has read, and where the partitions ended when we last looked."""
        self.answers = Answers()
        self._goals: dict[str, dict[TopicPartition, int]] = {}
        self._caught_up: set[str] = set()
        with _stopping("nothing can be read"):
            self._consumer = Consumer(**{**_FETCHING, **client}, client_id=name, group_id=None)

    def follow(self, topic: str) -> None:
        """From now on it is polled too."""
        with _stopping(f"{topic} cannot be read"):
            partitions = [TopicPartition(topic, p) for p in self._consumer.partitions_for_topic(topic)]
            if not partitions:
                raise ConsumerStopped(
                    f"there is no topic {topic}: `crossdesk topics apply` makes those that are missing"
                )
            self._goals[topic] = self._consumer.end_offsets(partitions, timeout_ms=BOOTSTRAP_MS)
            self._consumer.assign(self._partitions())

    def leave(self, topic: str) -> None:
        del self._goals[topic]
        self._caught_up.discard(topic)
        self._consumer.assign(self._partitions())

    def poll(self, wait: float) -> list[Record]:
        """What came, of each partition in order; empty after ``wait`` seconds in which nothing did."""
        with _stopping("nothing can be read"):
            fetched = _polled(self._consumer, int(wait * 1000))
        return [record for records in fetched.values() for record in records]

    def look(self) -> None:
        """Brings :attr:`reached` up to date, now and then."""
        with _stopping("nothing can be read"):
            self.answers.to(self._ask)

    def caught_up(self, topic: str) -> bool:
        """Whether everything was polled that was there when :meth:`follow` was called."""
        if topic not in self._caught_up and all(self._at(p) >= end for p, end in self._goals[topic].items()):
            self._caught_up.add(topic)
        return topic in self._caught_up

    def close(self) -> None:
        self._consumer.close(autocommit=False, timeout_ms=CLOSE_MS)

    def _ask(self) -> None:
        ends = self._consumer.end_offsets(self._partitions(), timeout_ms=ANSWER_MS)
        self.reached = {partition: Reached(self._at(partition), end) for partition, end in ends.items()}

    def _at(self, partition: TopicPartition) -> int:
        return self._consumer.position(partition, timeout_ms=ANSWER_MS) or 0

    def _partitions(self) -> list[TopicPartition]:
        return [partition for ends in self._goals.values() for partition in ends]


class Answers:
    """When the broker last answered, and what is said when it does no more, and when it does again."""

    def __init__(self) -> None:
        self.last = time.monotonic()
        self._next = 0.0
        self._missed = False

    def to(self, question: Callable[[], None]) -> None:
        """Ask, if it is time to."""
        if time.monotonic() < self._next:
            return
        try:
            question()
        except KafkaError as error:
            if not error.retriable:
                raise
            if not self._missed:
                log.error(
                    "no broker answers; records wait there and nothing is lost, we go on when one does: %s", error
                )
            self._missed = True
        else:
            if self._missed:
                log.warning("the broker answers again, after %.0f s", time.monotonic() - self.last)
            self.last, self._missed = time.monotonic(), False
        self._next = time.monotonic() + ASK_EVERY

    def missing(self, longest: float) -> str:
        """That there was none for longer than ``longest`` seconds, or nothing."""
        silent = time.monotonic() - self.last
        return f"no broker has answered for {silent:.0f} s" if silent > longest else ""


def _polled(consumer: KafkaConsumer, wait_ms: int, most: int = POLL_RECORDS) -> Mapping[Partition, Sequence[Record]]:
    """What goes away by itself is no error: there is nothing yet."""
    try:
        fetched: Mapping[Partition, Sequence[Record]] = consumer.poll(timeout_ms=wait_ms, max_records=most)
    except KafkaError as error:
        if not error.retriable:
            raise
        log.info("nothing comes from Kafka just now: %s", error)
        time.sleep(wait_ms / 1000)
        return {}
    return fetched


@contextmanager
def _stopping(what: str) -> Iterator[None]:
    try:
        yield
    except KafkaError as error:
        raise ConsumerStopped(f"{what}: {error}") from error
