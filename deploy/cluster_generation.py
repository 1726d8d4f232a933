"""Generations on Kafka: fill another one beside the current one, compare them, and change over (DESIGN 5.13).

What is filled is filled by stages like those that run already, of the crossdesk that this is. Readers follow: the views of
ClickHouse are replaced, and the stage for Prometheus hears of it through the topic of the configuration.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from deploy.configurations import Configurations
from deploy.folder import Stopped
from deploy.generation import Difference, compare
from deploy.groups import GroupNames, Groups, Offsets
from deploy.topics import Topics, refuse_differences
from ingest import topics as declared
from ingest.broker import BrokerSettings
from ingest.topics import name
from sinks.clickhouse import ClickHouse, connect

END_SECONDS = 20.0
PATIENCE_SECONDS = 60.0

Seen = Callable[[str], None]


class Cluster:
    """One installation: its broker and its store. Raises ``BrokerUnavailable`` and ``sinks.store.StoreError`` from all methods."""

    def __init__(self, broker: BrokerSettings, dsn: str) -> None:
        self.broker, self.dsn = broker, dsn

    def current(self) -> int:
        with Configurations(self.broker) as configurations:
            return configurations.read().generation

    def shown(self) -> int:
        """The one that ClickHouse shows: another where a switch was ended in the middle."""
        with self._store(self.current()) as store:
            return store.current_generation()

    def begun(self, generation: int) -> bool:
        """Whether anybody has worked on it."""
        with Groups(self.broker) as known:
            return bool(known.committed(GroupNames.of(generation).streams))

    def fill(self, generation: int, workers: int, seen: Seen) -> None:
        """Everything that is in the events now, all the way into the store; by ``workers`` of ours, or (0) by others."""
        with Topics(self.broker, list(declared.topics(generation))) as topics:
            topics.apply()
        groups = GroupNames.of(generation)
        with running(stages(workers), environment(generation)) as alive, Groups(self.broker) as known:

            def reach(group: str, offsets: Offsets, what: str) -> None:
                def told(records: int) -> None:
                    alive()
                    seen(f"{what}: {records:,} records to go")

                if not known.wait(group, offsets, told, PATIENCE_SECONDS):
                    raise Stopped(f"{group} has not moved for {PATIENCE_SECONDS:.0f} s. {_started(generation)}")

            reach(groups.streams, known.ends(name("events")), "events")
            facts = known.ends(name("facts", generation))
            reach(groups.streams, facts, "facts")
            reach(groups.clickhouse, facts, "into the store")

    def compare(self, before: int, after: int) -> list[Difference]:
        """Raises :class:`Stopped` where a generation is not in the store."""
        with self._store(after) as store:
            self._refuse_missing(store, before, after)
            return compare(store, before, after)

    def switch(self, generation: int, seen: Seen, patience: float = PATIENCE_SECONDS) -> None:
        """Have everybody read it, when it has reached what the current one has: no number goes back in time.

        Raises :class:`Stopped`.
        """
        current = self.current()
        with self._store(generation) as store, Groups(self.broker) as known:
            self._refuse_missing(store, generation)
            refuse_differences(self.broker, generation)
            theirs, ours = GroupNames.of(generation), GroupNames.of(current)
            reached = {p: at for p, at in known.committed(ours.streams).items() if p.topic == name("events")}
            for group, offsets in (
                (theirs.streams, reached),
                (theirs.streams, known.ends(name("facts", generation))),
                (theirs.clickhouse, known.ends(name("facts", generation))),
            ):
                if not known.wait(group, offsets, lambda left: seen(f"{left:,} records to go"), patience):
                    raise Stopped(
                        f"generation {generation} has not reached what generation {current} has: {group} lacks "
                        f"{known.behind(group, offsets):,} records, and does not move. {_started(generation)}"
                    )
            with Configurations(self.broker) as configurations:
                configurations.set_generation(generation)
            store.switch(generation)

    def drop(self, generation: int) -> None:
        """Its tables and topics. Raises :class:`Stopped` where it is the current one."""
        if generation == self.current():
            raise Stopped(f"generation {generation} is the current one: switch to another before it is dropped")
        with Groups(self.broker) as known:
            for group in GroupNames.of(generation):
                known.forget(group)
        with self._store(self.current()) as store:
            store.drop(generation)
        with Topics(self.broker, [t for t in declared.topics(generation) if t.derived]) as topics:
            topics.remove()

    def _refuse_missing(self, store: ClickHouse, *generations: int) -> None:
        there = store.generations()
        for generation in generations:
            if generation not in there:
                listed = ", ".join(map(str, there))
                raise Stopped(
                    f"the store has no generation {generation}, only {listed}: `crossdesk rebuild --kafka` makes the next one"
                )

    @contextmanager
    def _store(self, generation: int) -> Iterator[ClickHouse]:
        store = connect(self.dsn, generation)
        try:
            yield store
        finally:
            store.close()


def _started(generation: int) -> str:
    return (
        f"Are its workers and its sink running (CROSSDESK_STREAMS_GENERATION={generation} crossdesk streams, "
        f"CROSSDESK_SINKS_GENERATION={generation} crossdesk sink clickhouse)?"
    )


def stages(workers: int) -> list[list[str]]:
    """The commands that fill a generation: none where others do."""
    return [["streams"]] * workers + [["sink", "clickhouse"]] if workers else []


def environment(generation: int) -> dict[str, str]:
    """They run beside those that are there: under no name and on no port of theirs."""
    return {
        **os.environ,
        "CROSSDESK_STREAMS_GENERATION": str(generation),
        "CROSSDESK_SINKS_GENERATION": str(generation),
        **{f"CROSSDESK_{stage}_INSTANCE": "" for stage in ("STREAMS", "SINKS")},
        **{f"CROSSDESK_{stage}_HEALTH_PORT": "0" for stage in ("STREAMS", "SINKS")},
    }


@contextmanager
def running(commands: Sequence[Sequence[str]], environment: Mapping[str, str]) -> Iterator[Callable[[], None]]:
    """Stages of ours, until the end. What is given raises :class:`Stopped` when one of them has ended by itself."""
    command = [sys.executable, "-m", "deploy.cli"]
    started = [subprocess.Popen([*command, *words], env=dict(environment)) for words in commands]

    def alive() -> None:
        for words, process in zip(commands, started, strict=True):
            if process.poll() is not None:
                raise Stopped(f"crossdesk {' '.join(words)} ended with {process.returncode}; it says above why")

    try:
        yield alive
    finally:
        for process in started:
            process.terminate()
        until = time.monotonic() + END_SECONDS
        for process in started:
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
