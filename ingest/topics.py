"""CONTRACT: the topics between the stages: their names, what decides the partition, and for how long records are kept.

Topics that are computed from others belong to a generation: whoever computes anew fills the next ones beside them (DESIGN 5.13).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ingest.event import LARGEST_RECORD_BYTES

DAY_MS = 86_400_000
MONTH_MS = 2_629_800_000
PREFIX = os.environ.get("CROSSDESK_KAFKA_TOPIC_PREFIX") or "crossdesk"
"""Of an installation: several may share a broker. It is part of every name, so it is read here, and checked with the other settings
(``ingest.broker``).
"""
PARTITIONS = 12

FOR_EVER: Mapping[str, str] = {"cleanup.policy": "delete", "retention.ms": "-1"}
COMPACTED: Mapping[str, str] = {"cleanup.policy": "compact", "min.compaction.lag.ms": str(DAY_MS)}
"""The lag leaves time to find a row that a worker overwrote which had been paused (DESIGN 5.7)."""


def _kept(milliseconds: int) -> Mapping[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(milliseconds)}


class TopicsDiffer(Exception):
    """The broker's topics are not as declared here; the message says which, and what to do. No stage starts on them."""


class Topic(NamedTuple):
    """``key``: what a record is about. ``spread``: over all partitions; else there is one. ``config``: as Kafka calls it."""

    name: str
    key: str
    config: Mapping[str, str]
    spread: bool = True
    derived: bool = False


_TOPICS = (
    Topic("events", "case", _kept(13 * MONTH_MS)),
    Topic("config", "version", COMPACTED, spread=False),
    Topic("directory", "source and pseudonym", COMPACTED, spread=False),
    Topic("cursors", "source", COMPACTED, spread=False),
    Topic("cases", "row of the state of a case", COMPACTED, derived=True),
    Topic("facts", "fact; the partition is the department's", _kept(13 * MONTH_MS), derived=True),
    Topic("departments", "row of the state of the windows", COMPACTED, derived=True),
    Topic("feedback", "department", _kept(35 * DAY_MS), spread=False),
    Topic("sealed", "batch", FOR_EVER, spread=False),
    Topic("pairs", "partition and indicator", COMPACTED, spread=False, derived=True),
    Topic("indicators", "indicator, department, counterpart, window", COMPACTED, derived=True),
    Topic("late", "case", FOR_EVER),
    Topic("rejected", "case, where it is known", FOR_EVER),
)
_DECLARED = {topic.name: topic for topic in _TOPICS}
OF_ALL = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(LARGEST_RECORD_BYTES)}
"""Retention counts from when a record came: an event dated last year must not be deleted before it was read."""


def name(topic: str, generation: int = 1) -> str:
    """What a topic is called on the broker. Raises KeyError."""
    return f"{PREFIX}.{topic}.{generation}" if _DECLARED[topic].derived else f"{PREFIX}.{topic}"


def topics(generation: int = 1) -> Iterator[Topic]:
    """All of them, under the names that they have on the broker and with all that is set for them."""
    for topic in _TOPICS:
        yield topic._replace(name=name(topic.name, generation), config={**topic.config, **OF_ALL})
