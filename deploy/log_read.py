"""The log of an installation for commands that only read it: of a folder, of one that a process serves, or of Kafka."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from deploy.command import refuse_folder
from deploy.folder import asked, log_of, newest, undamaged
from deploy.log import Log
from ingest.broker import broker_settings

COPY_SECONDS = 3_600
"""For as long the process that serves a folder may copy its log."""


@contextmanager
def log_read(data: Path | None, *, on_kafka: bool, cases: Collection[str] | None = None) -> Iterator[Log]:
    """``data``: a folder, or the newest. One that is served is copied, as it is now, for as long as it is read; so are the topics
    of Kafka, of which ``cases`` (as their sources name them) may be all that is wanted. Raises what :data:`deploy.command.KNOWN`
    lists.
    """
    if on_kafka:
        from deploy.topic_log import log_of_topics  # whoever needs no Kafka does not wait for it

        refuse_folder(data)
        with log_of_topics(broker_settings(os.environ), cases) as log:
            yield log
        return
    folder = data or newest()
    copied = asked(folder, "/copy", {}, COPY_SECONDS)
    if copied is None:
        with log_of(folder) as log:
            yield log
        return
    copy = folder / msgspec.json.decode(copied, type=str)
    try:
        with undamaged(folder), Log(copy) as log:
            yield log
    finally:
        for path in folder.glob(f"{copy.name}*"):
            path.unlink(missing_ok=True)
