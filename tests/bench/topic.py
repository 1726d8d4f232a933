"""The topic that the workers read: the load of the benchmark as ingest says it, in one partition."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from bench.load import BATCH, MOST_OF_A_CASE, Load

from deploy.topics import Topics
from ingest import event as e
from ingest.broker import BrokerSettings
from ingest.publish import Publisher
from ingest.topics import name, topics

EVENTS = name("events")

Keyed = tuple[str, bytes]
"""A record under its case. A mark has none: its key is empty."""


class Topic(NamedTuple):
    """``keys``: of its records, in order."""

    keys: Sequence[str]

    def events(self, until: int) -> int:
        """How many lie before that offset."""
        return sum(key != "" for key in self.keys[:until])

    def cases(self, until: int) -> int:
        return len({key for key in self.keys[:until] if key})


def filled(broker: BrokerSettings, work: Load) -> Topic:
    """All declared topics, and the load in that of the events."""
    Topics(broker, list(topics()), partitions=1, replication=1).apply()
    keys = []
    with Publisher(broker) as publisher:
        for key, raw in spread(keyed(work), BATCH):
            publisher.say("events", key, raw)
            keys.append(key)
        publisher.settle()
    return Topic(keys)


def keyed(work: Load) -> Iterator[Keyed]:
    for batch in work.batches:
        for _, raw in batch:
            record = e.decode(raw)
            yield "" if isinstance(record, e.Mark) else record.key, raw


def spread(records: Iterable[Keyed], width: int) -> Iterator[Keyed]:
    """Wherever a worker cuts its batches: no ``width`` records in a row have more than ``MOST_OF_A_CASE`` of one case. What is more
    waits for its turn, as do the later ones of its case; who still waits at the end is left out.
    """
    went: defaultdict[str, deque[int]] = defaultdict(lambda: deque(maxlen=MOST_OF_A_CASE))
    waiting: defaultdict[str, deque[bytes]] = defaultdict(deque)
    turns: list[tuple[int, str]] = []

    def turn(key: str) -> int:
        """The first place that the next of that case may take."""
        places = went[key]
        return places[0] + width if len(places) == MOST_OF_A_CASE else 0

    at = 0
    for key, raw in records:
        while turns and turns[0][0] <= at:
            _, first = heappop(turns)
            yield first, waiting[first].popleft()
            went[first].append(at)
            at += 1
            if waiting[first]:
                heappush(turns, (turn(first), first))
            else:
                del waiting[first]
        if key and (key in waiting or turn(key) > at):
            if key not in waiting:
                heappush(turns, (turn(key), key))
            waiting[key].append(raw)
            continue
        yield key, raw
        if key:
            went[key].append(at)
        at += 1
