"""The versions of the configuration on Kafka, and which generation is current: topic ``crossdesk.config``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple, Self

from deploy.directory import of_topic, with_people
from deploy.folder import Stopped
from deploy.succession import sources_of, successor
from deploy.topic_reader import Stretch, TopicReader
from deploy.watermarks import least_watermark
from ingest import event as e
from ingest.broker import BrokerSettings
from ingest.publish import Publisher
from streams.configuration import Configuration, Files, encode
from streams.configurations import CURRENT
from streams.problems import Problem

CONFIG = "config"


class Held(NamedTuple):
    """``versions``: number -> record. ``generation``: the current one."""

    versions: Mapping[int, bytes]
    generation: int

    @property
    def newest(self) -> Configuration | None:
        return Configuration.decode(self.versions[max(self.versions)]) if self.versions else None


class Configurations:
    """Raises :class:`ingest.broker.BrokerUnavailable` from every method. What they say is acknowledged when they return."""

    def __init__(self, broker: BrokerSettings) -> None:
        self._reader = TopicReader(broker)
        try:
            self._publisher = Publisher(broker)
        except BaseException:
            self._reader.close()
            raise

    def read(self) -> Held:
        """All that is there now."""
        versions: dict[int, bytes] = {}
        generation = 1
        for key, value in self._read():
            if key == CURRENT:
                generation = int(value)
            elif key.isdigit():
                versions.setdefault(int(key), value)  # of two that were said at the same moment the first stands
        return Held(versions, generation)

    @property
    def configuration(self) -> Configuration | None:
        """The newest version."""
        return self.read().newest

    def _read(self, first: int = 0) -> list[tuple[bytes, bytes]]:
        ((begin, end),) = self._reader.stretches(CONFIG).values()
        records = self._reader.read(CONFIG, 0, Stretch(max(begin, first), end))
        return [(record.key, record.value) for record in records if record.value is not None]

    def set_generation(self, generation: int) -> None:
        """From now on this one is current."""
        self._say(CURRENT, str(generation).encode())

    def add(self, files: Files) -> None:
        """A version that is not there yet. Raises :class:`Stopped` where somebody else adds it at that moment: the first is it."""
        ((_, before),) = self._reader.stretches(CONFIG).values()
        key, value = str(files.version).encode(), encode(files)
        self._say(key, value)
        first = next(said for k, said in self._read(before) if k == key)
        if first != value:
            self._say(key, first)
            raise Stopped(
                f"somebody else has put version {files.version} in force at the same moment: look whether you agree, and "
                "apply yours again"
            )

    def apply(self, files: Files) -> tuple[int, list[Problem]]:
        """Make ``files``, with all that HR systems have said, the next version, unless the newest says the same: its number, and
        what to know about it. The events from here on are folded under it. Raises :class:`deploy.succession.Refused`.

        A mark is said again for a version that is there already: who said it may have been killed before the mark.
        """
        old, files = self.read().newest, with_people(files, of_topic(self._reader))
        new, problems = successor(
            old, files, lambda: least_watermark(self._reader, sources_of(old) if old else frozenset())
        )
        if new is not old:
            self.add(new.files)
        self._publisher.say("events", "", e.encode(e.config_mark(new.version, datetime.now(UTC))))
        self._publisher.settle()
        return new.version, problems

    def _say(self, key: bytes, value: bytes) -> None:
        self._publisher.say(CONFIG, key.decode(), value)
        self._publisher.settle()

    def close(self) -> None:
        self._publisher.close()
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
