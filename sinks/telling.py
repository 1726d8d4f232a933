"""Which morale a stage still has to tell (:mod:`sinks.morale`), a week at a time: facts do not wait for all of them."""

from __future__ import annotations

import logging
import time

from sinks.configured import now_us
from sinks.morale import Week, tell_week, untold
from sinks.store import Keeps, Unavailable
from streams.morale import last_monday

log = logging.getLogger("crossdesk.sinks")

AGAIN_SECONDS = 60.0
"""After a failure nothing is told for so long. It holds nothing else: what is told is computed from what is stored."""


class Telling:
    """Looks what there is to tell whenever a week is over, and after :meth:`look`."""

    def __init__(self) -> None:
        self._weeks: list[Week] = []
        self._looked_at: int | None = None
        """The Monday up to which there is nothing to tell but these; None: look."""
        self._pause_until = 0.0

    def look(self) -> None:
        """What it is computed from may be new."""
        self._looked_at = None

    def step(self, store: Keeps) -> bool:
        """Tell what is next, if anything is: whether something was told."""
        if time.monotonic() < self._pause_until:
            return False
        monday = last_monday(now_us())
        try:
            if self._looked_at != monday:
                self._weeks = untold(store, monday)
                self._looked_at = monday
            if not self._weeks:
                return False
            tell_week(store, self._weeks[0])
        except Unavailable as error:
            log.warning("morale of the week is not told yet, and nothing else waits for it: %s", error)
            self._pause_until = time.monotonic() + AGAIN_SECONDS
            return False
        del self._weeks[0]
        return True
