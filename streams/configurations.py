"""The versions of the configuration, as a worker follows them on their topic: read whole before anything is folded (DESIGN 5.5)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from streams.configuration import Configuration
from streams.followed import Followed

CURRENT = b"generation"
"""Under this key lies which generation is current; under numbers are versions."""
WAIT_SECONDS = 0.05
ANY = 0
"""Instead of a version: whichever there is. What comes before every mark is folded under the oldest."""


class Configurations(dict[int, Configuration]):
    """Version -> what it says. ``client``: the arguments of a client of aiokafka."""

    def __init__(self, topic: str, client: Mapping[str, Any]) -> None:
        super().__init__()
        self.generation = 1
        """The current one."""
        followed = Followed(topic, client, self.hear)
        self.follow, self.complete = followed.follow, followed.complete

    def hear(self, key: bytes, record: bytes) -> None:
        """Of two versions that were said at the same moment the first stands."""
        if key == CURRENT:
            self.generation = int(record)
        elif key.isdigit() and (version := int(key)) not in self:
            self[version] = Configuration.decode(record)

    def version(self, version: int) -> Configuration:
        """Raises KeyError."""
        return self[version or min(self)]

    async def hold(self, version: int, given_up: Callable[[], bool], missing: Callable[[], None]) -> bool:
        """Wait until it is there, all of them first; False: ``given_up``. ``missing`` is called when there is none such."""
        told = False
        while not (self.complete.is_set() and (version in self or (version == ANY and self))):
            if self.complete.is_set() and not told:
                missing()
                told = True
            if given_up():
                return False
            await asyncio.sleep(WAIT_SECONDS)
        return True
