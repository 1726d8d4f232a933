"""How much of each source the broker has acknowledged, remembered in a folder: whoever was killed goes on there."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Self

import msgspec

from deploy.folder import READ_AS, Stopped, refuse_unwritable
from deploy.serve import write_private

FILE, LOCK = "settled.json", "settled.lock"


class Said(msgspec.Struct):
    """``records``: of all that a source says, in its order, so many are in the topic. ``topic``: which one, whatever its name."""

    topic: str
    records: int


class Settled:
    """In ``folder``, which is made. One process at a time; raises :class:`Stopped` where another is at it."""

    def __init__(self, folder: Path) -> None:
        refuse_unwritable(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / FILE
        self._lock = (folder / LOCK).open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._sources = self._read()
        except BlockingIOError:
            self.close()
            raise Stopped(f"another crossdesk says what is in {folder} to Kafka: wait for it, or stop it") from None
        except BaseException:
            self.close()
            raise

    def _read(self) -> dict[str, Said]:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=dict[str, Said])
        except FileNotFoundError:
            return {}
        except msgspec.DecodeError as error:
            raise Stopped(
                f"{self._file} is damaged ({error}): delete it, and all is said again; it counts once"
            ) from None

    def records(self, source: str, topic: str) -> int:
        """Those of ``source`` that are in ``topic``."""
        said = self._sources.get(source)
        return said.records if said and said.topic == topic else 0

    def refuse_other_reading(self, source: str, topic: str) -> None:
        """Raises :class:`Stopped` where the same log, read otherwise, is in the topic: its events would differ."""
        log = source.partition(READ_AS)[0]
        for other in self._sources:
            if other != source and other.partition(READ_AS)[0] == log and self.records(other, topic):
                raise Stopped(
                    "the topic already holds the same log, read with another mapping, zone, source or other bots: read it as "
                    f"before, or say it to other topics (CROSSDESK_KAFKA_TOPIC_PREFIX)\nThis one is: {source}"
                )

    def settle(self, source: str, topic: str, records: int) -> None:
        """So many of ``source`` have been acknowledged."""
        self._sources[source] = Said(topic, records)
        write_private(self._file, msgspec.json.encode(self._sources))

    def close(self) -> None:
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
