"""Watches how many records lie in ``crossdesk.rejected`` that nobody has handled: beyond a limit a stage is not ready."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event, Thread

from deploy.rejected.ledger import Ledger, Row, beyond
from deploy.topic_reader import Stretch, TopicReader
from ingest.broker import BrokerSettings, BrokerUnavailable

log = logging.getLogger("crossdesk.rejected")

LOOK_SECONDS = 15.0


def of_sources(row: Row) -> bool:
    """What the intake rejected."""
    return not row.of_events


def of_events(row: Row) -> bool:
    """What the folds set aside."""
    return row.of_events


class RejectedLimit:
    """Reads the topic in a thread of its own, from :meth:`start` to :meth:`stop`, and what has come since every ``every`` seconds.
    ``counted`` says which rows are the stage's; ``wanted``, whether it is worth to look at all. What a broker that is away does
    not tell stays as it was.
    """

    def __init__(
        self,
        broker: BrokerSettings,
        limit: int,
        counted: Callable[[Row], bool],
        wanted: Callable[[], bool] = lambda: True,
        every: float = LOOK_SECONDS,
    ) -> None:
        self.unhandled = 0
        self._broker, self._limit, self._counted, self._wanted, self._every = broker, limit, counted, wanted, every
        self._ledger = Ledger()
        self._next: dict[int, int] = {}
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="rejected", daemon=True)

    def not_ready(self) -> str:
        """Why the stage is not ready, or nothing."""
        return beyond(self.unhandled, self._limit)

    def look(self) -> None:
        """Raises ``BrokerUnavailable``."""
        with TopicReader(self._broker) as reader:
            for partition, stretch in reader.stretches("rejected").items():
                first = max(self._next.get(partition, 0), stretch.first)
                for record in reader.read("rejected", partition, Stretch(first, stretch.end)):
                    self._next[partition] = record.offset + 1
                    if record.value is not None:
                        self._ledger.add(record.value)
        self.unhandled = self._ledger.unhandled(self._counted)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if not self._wanted():
                self.unhandled = 0
            else:
                try:
                    self.look()
                except BrokerUnavailable as error:
                    log.info("what was rejected could not be counted: %s", error)
            self._stopping.wait(self._every)
