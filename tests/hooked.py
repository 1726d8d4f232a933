"""Sources that take webhooks, from the connectors' fixtures, and a log in memory, for tests of the HTTP intake."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from threading import Event
from typing import Any, NamedTuple

from signing import signed
from test_connectors import IDENTITY, Fixture

from ingest.broker import BrokerUnavailable
from ingest.connector import Hook, has_hooks
from ingest.connectors import CONNECTORS
from ingest.identity import People
from ingest.intake import Answer, Answers, Intake, Sink, Told
from ingest.webhooks.app import Hooks, HookSource
from ingest.webhooks.committing import ClosingSink

NAMES = tuple(sorted(name for name, one in CONNECTORS.items() if has_hooks(one)))
PATIENCE = 20.0

Said = list[tuple[str, str, bytes]]


class MemorySink:
    """``said``: in order. ``acknowledged``: how many of them are durable. While ``blocked`` is set no acknowledgement comes, and
    while ``away`` is set nobody is there.
    """

    def __init__(self) -> None:
        self.said: Said = []
        self.acknowledged = self.opened = self.closed = self.settled = 0
        self.free, self.away = Event(), Event()
        self.free.set()

    def open(self) -> MemorySink:
        self._there()
        self.opened += 1
        return self

    def say(self, topic: str, key: str, value: bytes) -> None:
        self._there()
        self.said.append((topic, key, value))

    def settle(self) -> None:
        said = len(self.said)
        assert self.free.wait(PATIENCE)
        self._there()
        self.settled += 1
        self.acknowledged = said

    def close(self) -> None:
        self.closed += 1

    def _there(self) -> None:
        if self.away.is_set():
            raise BrokerUnavailable("no broker answers: it is away, as the test wants")

    def forget(self) -> None:
        self.said.clear()
        self.acknowledged = 0

    def topic(self, name: str) -> list[bytes]:
        return [value for topic, _, value in self.said if topic == name]


def every_person(told: Told) -> Iterable[tuple[str, bytes]]:
    """A directory that is told everything."""
    return [(event.subject, event.id.encode()) for event in told.events]


class Setting(NamedTuple):
    """``rung``: source and subject of each doorbell."""

    hooks: Hooks
    sink: MemorySink
    rung: list[tuple[str, str]]
    answers: list[Answer]


@cache
def fixture(name: str) -> Fixture:
    return Fixture(name)


def calls(name: str) -> list[tuple[Hook, list[str]]]:
    return list(fixture(name).calls())


def source_of(
    name: str, rung: list[tuple[str, str]], keep: Answers, secrets: Sequence[str] | None = None, **limits: float
) -> HookSource:
    """``secrets``: others than the fixture's."""
    one = fixture(name)

    def opened(sink: Sink) -> Intake:
        return Intake(one.connector, People(IDENTITY, one.connector.source), sink, every_person, keep)

    wanted = [one.hooks["secret"]] if secrets is None else secrets
    return HookSource(one.connector, wanted, opened, lambda subject: rung.append((name, subject)), **limits)


def setting(
    names: Iterable[str] = NAMES,
    *,
    secrets: Sequence[str] | None = None,
    limits: Mapping[str, float] = {},
    sink: MemorySink | None = None,
    keep: Answers | None = None,
    open_sink: Callable[[], ClosingSink] | None = None,
    **options: Any,
) -> Setting:
    """Hooks of these connectors, each a source of the connector's name."""
    log = sink or MemorySink()
    rung: list[tuple[str, str]] = []
    answers: list[Answer] = []
    sources = {name: source_of(name, rung, keep or answers.extend, secrets, **limits) for name in names}
    return Setting(Hooks(sources, open_sink or log.open, **options), log, rung, answers)


def until(fulfilled: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not fulfilled():
        assert time.monotonic() < end, f"still not {what}"
        time.sleep(0.005)


def resigned(name: str, hook: Hook, body: bytes, secret: str = "") -> dict[str, str]:
    """The hook's headers, with the signature of another body, by the fixture's secret unless another is named."""
    return signed(fixture(name).connector, hook.headers, body, secret or fixture(name).hooks["secret"])
