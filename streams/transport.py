"""Faust's transport, a fetched batch at a time: of the topics named for it an agent gets one event for each fetch of one
partition, and what is committed is exactly what the agent has acknowledged.

Faust itself spends most of its time per message (two tasks, a queue, an acknowledgement each); assignment, rebalancing, tables and
recovery stay its own. What it leaves open, and this closes:

- A stream acknowledges what its agent raised on, too. Here only :meth:`Batch.ack` counts, and only in order.
- A fetch from before a seek can be delivered after it. Here each fetch carries the epoch of its partition, which every seek and
  assignment raises, in the thread that fetches.
- A fetch that waits for records goes on waiting while partitions are assigned, paused and sought, and may take of any of them what
  is dropped then, so that state is recovered with a gap. Here it is put back.
- When state has been recovered, partitions are fetched again before they are sought, and after that the queues of agents are
  emptied: what came between would be lost, and its partition stand still. Here nothing is delivered to agents while there is a
  rebalance.
- A worker that was paused does not know that its partitions are another's by now. :meth:`Batch.owned` asks before each write.
"""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from threading import Timer
from time import CLOCK_BOOTTIME, clock_gettime, time
from typing import Any, NamedTuple

import faust
from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as base
from faust.types import TP

LEASE_OF_SESSION = 0.6
"""Of the session timeout: so long after its last heartbeat a partition is certainly still ours."""
POLL_SECONDS = 0.02
FETCH_WAIT_MS = 100
"""For so long a broker holds a fetch when it has nothing. Partitions with records that nobody had taken yet when it was asked are
not in it, and nothing more is asked of that broker until it answers: with Faust's 1.5 s they stood still for that long.
"""
CRASH_SECONDS = 10.0


class Batch(list[Any]):
    """The records of one fetch of one partition, in order. ``records`` are aiokafka's."""

    __slots__ = ("done", "epoch", "generation", "next_offset", "thread", "tp")

    def __init__(self, records: Sequence[Any], tp: TP, epoch: int, thread: ConsumerThread) -> None:
        super().__init__(records)
        self.tp, self.epoch, self.thread, self.done = tp, epoch, thread, False
        self.generation = thread.app.consumer_generation_id
        self.next_offset = records[-1].offset + 1

    @property
    def reseeked(self) -> bool:
        """The partition has been sought or assigned since: these records come again, if they are ours."""
        return self.thread.epoch[self.tp] != self.epoch

    @property
    def stale(self) -> bool:
        return self.reseeked or self.thread.group_generation != self.generation

    async def owned(self) -> bool:
        """Whether the partition is certainly ours; to be asked before every write. False: do nothing, the batch comes again."""
        thread = self.thread
        while not self.stale:
            if thread.leased:
                return True
            if thread.app.rebalancing or thread.app.should_stop:
                return False  # a rebalance must not wait for us
            await asyncio.sleep(POLL_SECONDS)
        return False

    def ack(self) -> None:
        """All that it led to is acknowledged: its offset may be committed."""
        self.done = True


class Listener(base.ConsumerRebalanceListener):
    _thread: ConsumerThread

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        self._thread.bump(TP(tp.topic, tp.partition) for tp in assigned)  # before anything can be fetched
        with suppress(KafkaError):  # aiokafka would not say that, and go on without telling Faust
            await self._thread.beat()  # the lease begins
        await super().on_partitions_assigned(assigned)


class ConsumerThread(base.AIOKafkaConsumerThread):
    app: Any
    consumer: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        self.epoch: defaultdict[TP, int] = defaultdict(int)
        self.lease_seconds = self.app.conf.broker_session_timeout * LEASE_OF_SESSION
        self.beaten_at = 0.0

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer: Any = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer

    async def on_start(self) -> None:
        await super().on_start()
        coordinator = self._ensure_consumer()._coordinator
        self._heartbeat = coordinator._do_heartbeat
        coordinator._do_heartbeat = self.beat

    async def _shutdown_thread(self) -> None:
        """Who is stopped while partitions are assigned cancels that on the way. Faust would not say then that the thread has ended,
        and wait for it for ever.
        """
        try:
            with suppress(asyncio.CancelledError):
                await super()._shutdown_thread()
        finally:
            self.set_shutdown()

    async def beat(self) -> Any:
        """A heartbeat. The clock goes on while the machine sleeps."""
        sent = clock_gettime(CLOCK_BOOTTIME)
        answered = await self._heartbeat()
        if answered and not self.rejoins:
            self.beaten_at = sent
        return answered

    @property
    def rejoins(self) -> bool:
        """Whether the group is being assigned anew. A heartbeat is answered all the same."""
        rejoins: bool = self._ensure_consumer()._coordinator._rejoin_needed_fut.done()
        return rejoins

    @property
    def leased(self) -> bool:
        left: float = self.beaten_at + self.lease_seconds - clock_gettime(CLOCK_BOOTTIME)
        return left > 0

    @property
    def group_generation(self) -> int:
        generation: int = self._ensure_consumer()._coordinator.generation
        return generation

    def bump(self, partitions: Iterable[TP]) -> None:
        for tp in partitions:
            self.epoch[tp] += 1

    async def seek_to_committed(self) -> Mapping[TP, int]:
        found: Mapping[TP, int] = await self.call_thread(self._seek_to_committed)
        return found

    async def _seek_to_committed(self) -> Mapping[TP, int | None]:
        """aiokafka leaves a partition without a commit wherever it is."""
        consumer = self._ensure_consumer()
        found: dict[TP, int | None] = {}
        new: list[Any] = []
        for tp in consumer.assignment():
            key = TP(tp.topic, tp.partition)
            found[key] = committed = await consumer.committed(tp)
            if committed is not None:
                consumer.seek(tp, committed)
                self.bump([key])  # in the same step of the loop as the seek
            elif tp.topic in self.app.batched_topics:
                new.append(tp)
        if new:
            self.bump(TP(tp.topic, tp.partition) for tp in new)
            await consumer.seek_to_beginning(*new)  # at once: each may wait for a fetch that is under way
        return found

    def verify_event_path(self, *_: Any) -> None:
        """Whether it moves is looked at from outside (``deploy/worker.py``). Faust knows of no batches, and warns of changelogs."""

    async def _seek_wait(self, consumer: Any, partitions: Mapping[TP, int]) -> None:
        self.bump(partitions)
        await super()._seek_wait(consumer, partitions)

    async def _fetch_records(self, consumer: Any, *args: Any, **options: Any) -> Any:
        """All in the same step as the take. What nobody wants now would be dropped: it is put back."""
        taken, wanted = await super()._fetch_records(consumer, *args, **options), {}
        for tp, records in taken.items():
            if self.consumer.wants(tp):
                wanted[tp] = (self.epoch[tp], records)
            else:
                consumer.seek(tp, records[0].offset)
        return wanted

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        epochs = self.consumer.commit_epoch
        offsets = {
            tp: offset
            for tp, offset in offsets.items()
            if tp.topic not in self.app.batched_topics or epochs.get(tp) == self.epoch[tp]
        }
        return await super()._commit(offsets) if offsets else False


class Consumer(base.Consumer):
    RebalanceListener = Listener
    app: Any
    _thread: ConsumerThread

    def __init__(self, *args: Any, **options: Any) -> None:
        self.inflight: defaultdict[TP, deque[Batch]] = defaultdict(deque)
        """In the order in which they were delivered."""
        self.commit_epoch: dict[TP, int] = {}
        super().__init__(*args, **options)

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def leased(self) -> bool:
        return self._thread.leased

    def wants(self, tp: TP) -> bool:
        """From any thread: whether what is taken of it now is delivered, or sought again."""
        return self.flow_active and tp in self._get_active_partitions()

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        for tp in self.inflight.keys() - assigned:
            del self.inflight[tp]
        await super().on_partitions_assigned(assigned, generation_id)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        fetched, _ = await self._wait_next_records(timeout)
        app, epochs = self.app, self._thread.epoch
        generation = app.consumer_generation_id
        for tp, (epoch, records) in (fetched or {}).items():
            while app.rebalancing and tp.topic in app.batched_topics and self._goes_on(generation):
                await asyncio.sleep(POLL_SECONDS)
            if not self._goes_on(generation):
                return  # a seek to what is committed always follows
            if not self.wants(tp):
                continue  # paused since
            if not records or epoch != epochs[tp]:
                continue  # fetched before the last seek: it will be fetched again
            app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            message: Any = self._to_message(tp, records[-1])
            message.key, message.value = None, Batch(records, tp, epoch, self._thread)
            if tp.topic in app.batched_topics:
                self.inflight[tp].append(message.value)
            self._read_offset[tp] = None  # that nothing is missing between batches is the epoch's business
            yield tp, message

    def _goes_on(self, generation: int) -> bool:
        return not self.should_stop and self.flow_active and self.app.consumer_generation_id == generation

    def on_buffer_full(self, tp: TP) -> None:
        """A bounded queue already makes the fetcher wait; with every partition put aside it would sleep for a second."""

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Any:
        return [tp for tp in {*self._acked, *self.inflight} if topics is None or tp in topics or tp.topic in topics]

    def _new_offset(self, tp: TP) -> int | None:
        """Up to where everything is done, without a hole."""
        self._acked[tp].clear()  # streams fill them whatever their agent did
        self._acked_index[tp].clear()
        queue, epoch, offset = self.inflight[tp], self._thread.epoch[tp], None
        while queue and (queue[0].done or queue[0].epoch != epoch):
            batch = queue.popleft()
            offset = batch.next_offset if batch.epoch == epoch else None
        self.commit_epoch[tp] = epoch
        return offset


class Producer(base.Producer):
    def _settings_extra(self) -> Mapping[str, Any]:
        """Idempotence has no setting outside exactly-once."""
        return {"acks": "all", "enable_idempotence": True}


class Transport(base.Transport):
    Consumer = Consumer
    Producer = Producer


class BatchedApp(faust.App):
    """``batched_topics``: whose agents get a :class:`Batch` as value of an event. Changelogs are batched for their tables too."""

    batched_topics: frozenset[str] = frozenset()

    async def crash(self, reason: BaseException) -> None:
        """Faust may hang on its way out, and whoever starts the process again must not wait for that."""
        timer = Timer(CRASH_SECONDS, os._exit, (os.EX_SOFTWARE,))
        timer.daemon = True
        timer.start()
        await super().crash(reason)

    def _create_directories(self) -> None:
        """Nothing lies in files: rows are in memory, and their changelogs on the broker."""

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> Transport:
        return Transport(self.conf.broker_producer, self)


def raw_topic(app: faust.App, name: str, partitions: int) -> Any:
    """What is in it is nobody's business but the agent's. Faust does not make it."""
    return app.topic(name, key_serializer="raw", value_serializer="raw", partitions=partitions, internal=False)


Record = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]]
"""Key, value, headers."""


class Sent(NamedTuple):
    """So many ``records`` on their way; ``acknowledged`` gives what the broker says of the first of them."""

    records: int
    acknowledged: asyncio.Future[Any]


async def send_all(app: Any, topic: str, partition: int, records: Iterable[Record]) -> list[Sent]:
    """Record batches built directly: three times as fast as a send for each record. In order."""
    producer, now = app.producer._ensure_producer(), int(time() * 1000)
    sent, batch = [], producer.create_batch()
    for key, value, headers in records:
        if batch.append(key=key, value=value, timestamp=now, headers=headers) is None:
            sent.append(await _send(producer, batch, topic, partition))
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=now, headers=headers)  # an empty one takes any
    if batch.record_count():
        sent.append(await _send(producer, batch, topic, partition))
    return sent


async def _send(producer: Any, batch: Any, topic: str, partition: int) -> Sent:
    batch.close()
    return Sent(batch.record_count(), await producer.send_batch(batch, topic, partition=partition))
