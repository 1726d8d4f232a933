"""Answers where all stages are one process: they lie in memory until they are sealed, and nowhere else. The log has what is sealed.

Whoever is started again is told all answers again by the source that it reads, and finds in them what has been sealed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from deploy.log import Log
from ingest import event as e
from streams.configuration import Configuration
from streams.effects import Output
from streams.sealed import decode
from streams.sealing import Sealing


class Answers:
    """``configuration`` gives a version of it."""

    def __init__(self, log: Log, configuration: Callable[[int], Configuration]) -> None:
        self._sealing = Sealing({}, configuration, (decode(record.value) for record in log.every("sealed")))
        self._count = 0

    def take(self, records: Iterable[bytes], version: int) -> list[Output]:
        """Answers, and marks that a week is published; ``version``: of the configuration under which they are sealed. What is to be
        said to the topic ``sealed``.
        """
        mark = e.encode(e.config_mark(version, e.EPOCH))
        numbered = list(enumerate([mark, *records], self._count))
        self._count += len(numbered)
        return self._sealing.batch(numbered).outputs
