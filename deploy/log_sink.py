"""The log of a folder as that to which is said what sources tell."""

from __future__ import annotations

from deploy.log import TOPICS, Log
from sinks.configured import now_us


class LogSink:
    """An ``ingest.intake.Sink``. What is said lies in the log when :meth:`settle` returns, all of it or nothing."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._said: dict[str, list[tuple[str, bytes]]] = {topic: [] for topic in TOPICS}

    def say(self, topic: str, key: str, value: bytes) -> None:
        """Raises KeyError for a topic that a folder has not."""
        self._said[topic].append((key, value))

    def settle(self) -> None:
        with self._log.transaction():
            for topic, records in self._said.items():
                self._log.append(topic, records, now_us())
        self._said = {topic: [] for topic in TOPICS}
