"""Doing a thing until it works: with waits that grow, are never two processes' at once, and are said once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from random import Random
from threading import Event

from sinks.prometheus import Exporter
from sinks.store import Unavailable

log = logging.getLogger("crossdesk.sinks")

FIRST_SECONDS = 0.5
MOST_SECONDS = 30.0


def waits(dice: Random, most: float = MOST_SECONDS) -> Iterator[float]:
    """Seconds between attempts: they double up to ``most``, and each is somewhere in its upper half."""
    longest = min(FIRST_SECONDS, most)
    while True:
        yield longest * dice.uniform(0.5, 1)
        longest = min(2 * longest, most)


class Persistence:
    """What it does may raise :class:`sinks.store.Unavailable`, and is done again then. ``stop`` ends the waiting."""

    def __init__(self, stop: Event, exporter: Exporter, most: float = MOST_SECONDS) -> None:
        self.stop, self.most, self.dice = stop, most, Random()
        self._failures = exporter.count("sink_backoffs_total", "Attempts after which the store was given time.")
        self._away = exporter.level(
            "sink_unavailable_seconds", "For how long the store has taken nothing; 0: it takes."
        )
        self._failures.add(0)
        self._away.set(0)

    def done(self, what: Callable[[], None], waiting: str) -> bool:
        """Whether it could be done before ``stop``. ``waiting``: what is not lost meanwhile, for whoever reads the log."""
        began, failures, pauses = time.monotonic(), 0, waits(self.dice, self.most)
        while True:
            try:
                what()
            except Unavailable as error:
                self._failures.add()
                self._away.set(time.monotonic() - began)
                if not failures:
                    log.error("%s", _said(error, waiting, self.most))
                failures += 1
                if self.stop.wait(next(pauses)):
                    log.warning("stopped while the store takes nothing; %s", waiting)
                    return False
            else:
                if failures:
                    seconds = time.monotonic() - began
                    log.warning("the store takes records again, after %.0f s and %d attempts", seconds, failures + 1)
                self._away.set(0)
                return True


def _said(error: Unavailable, waiting: str, most: float) -> str:
    text = str(error).splitlines()[0].rstrip(".") if str(error) else "it does not say why"
    mend = " Make room on its disk." if "space" in text.lower() else ""
    return f"the store takes nothing: {text}.{mend} {waiting}; next attempts within {most:.0f} s each, until it works"
