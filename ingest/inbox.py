"""Sources that are read from files: what lies in their folder is taken in, and put aside when the broker has acknowledged it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

from ingest.connector import BadFile
from ingest.files import open_log
from ingest.intake import Intake
from ingest.polling import Standing

log = logging.getLogger("crossdesk.ingest")

STILL_SECONDS = 2.0
"""Whoever writes a file may still be at it."""
TAKEN, REFUSED = "taken", "refused"


class Inbox:
    """One folder, looked into every ``every`` seconds. A file is moved to ``taken`` below it when all that it tells is durable; to
    ``refused`` where nothing of it can be used. Names with a dot in front are not looked at: write under one, and rename.
    """

    def __init__(
        self,
        folder: Path,
        way: Callable[[], AbstractContextManager[Intake]],
        *,
        source: str,
        every: float,
        stop: Event,
        still: float = STILL_SECONDS,
    ) -> None:
        self.folder, self.source, self.every = folder, source, every
        self.standing = Standing()
        self._way, self._stop, self._still = way, stop, still

    def run(self) -> None:
        """Until we are stopped."""
        while not self._stop.is_set():
            try:
                self.look(time.time())
                self.standing.failing = ""
            except Exception as error:  # noqa: BLE001  # whatever it is, other sources go on, and the files stay
                why = f"{type(error).__name__}: {error}"
                if self.standing.fails(why, time.time()):
                    log.warning("%s: %s", self.source, why)
            self._stop.wait(self.every)

    def look(self, now: float) -> None:
        """Take in what lies there, oldest first. ``now``: seconds since 1970."""
        waiting = sorted(
            (file.stat().st_mtime, file)
            for file in self.folder.iterdir()
            if file.is_file() and not file.name.startswith(".")
        )
        for written, file in waiting:
            if now - written >= self._still and not self._stop.is_set():
                self._take(file)

    def _take(self, file: Path) -> None:
        try:
            with open_log(file) as lines, self._way() as intake:
                intake.take(intake.connector.filed(lines, str(file)))
                intake.settle()
        except BadFile as error:
            log.error("%s: nothing was taken in: %s", self.source, error)
            self.standing.failures += 1
            self._put(file, REFUSED)
        else:
            self.standing.pages += 1
            log.info("%s: %s is taken in", self.source, file.name)
            self._put(file, TAKEN)

    def _put(self, file: Path, where: str) -> None:
        """Under a name that is not there yet."""
        aside = self.folder / where
        aside.mkdir(exist_ok=True)
        file.rename(aside / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{file.name}")
