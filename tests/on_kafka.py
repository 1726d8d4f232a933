"""An installation on a broker, for tests: its topics, its workers as processes, and what it has measured."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from histories import facts_in, keep, live
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from deploy import config_files
from deploy.ahead import Prepared
from deploy.configurations import Configurations
from deploy.demo import EXAMPLE
from deploy.groups import Groups
from deploy.kafka.broker import Broker
from deploy.topics import Topics
from ingest import event as e
from ingest import topics as declared
from ingest.broker import BrokerSettings
from ingest.publish import Publisher
from streams.cases import Cases
from streams.configuration import Configuration
from streams.effects import carry_out
from streams.fact import Fact

PATIENCE = 60.0
DRAIN_SECONDS = 240.0
"""Other tests may run beside it."""


def example() -> Configuration:
    return config_files.load(EXAMPLE).configuration


class Installation:
    """Topics of its own, with the example company in force."""

    def __init__(self, broker: Broker, prefix: str, partitions: int, generation: int = 1) -> None:
        self.settings = BrokerSettings(bootstrap_servers=broker.address)
        self.prefix, self.partitions, self.generation = prefix, partitions, generation
        with Topics(self.settings, list(declared.topics(generation)), partitions) as topics:
            topics.apply()

    def configure(self) -> None:
        with Configurations(self.settings) as configurations:
            configurations.apply(example().files)

    def say(self, records: Iterable[Prepared]) -> None:
        with Publisher(self.settings) as publisher:
            for record in records:
                publisher.say(record.topic, record.key, record.value)
            publisher.settle()

    def put(self, topic: str, partition: int, key: bytes | None, value: bytes | None) -> None:
        """Whatever it is, as a foreign client would."""
        producer = KafkaProducer(**self.settings.client, acks="all", max_request_size=1 << 24)
        try:
            producer.send(declared.name(topic, self.generation), value, key=key, partition=partition).get(30)
        finally:
            producer.close()

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "CROSSDESK_KAFKA_BOOTSTRAP_SERVERS": self.settings.bootstrap_servers,
            "CROSSDESK_KAFKA_TOPIC_PREFIX": self.prefix,
        }

    # -- what is there
    def held(self, topic: str) -> dict[int, list[tuple[bytes | None, bytes | None]]]:
        """Of each partition the keys and values, in order."""
        full = declared.name(topic, self.generation)
        consumer = KafkaConsumer(**self.settings.client, auto_offset_reset="earliest", consumer_timeout_ms=1)
        try:
            there = [TopicPartition(full, p) for p in sorted(consumer.partitions_for_topic(full))]
            consumer.assign(there)
            ends = consumer.end_offsets(there)
            found: dict[int, list[tuple[bytes | None, bytes | None]]] = {p.partition: [] for p in there}
            while any(consumer.position(p) < ends[p] for p in there):
                for records in consumer.poll(1000).values():
                    for record in records:
                        found[record.partition].append((record.key, record.value))
            return found
        finally:
            consumer.close()

    def facts(self) -> dict[str, Fact]:
        """What holds, by id, without versions."""
        standing: dict[str, Fact] = {}
        for records in self.held("facts").values():
            for fact in facts_in(value for _, value in records if value is not None):
                keep(standing, fact)
        return live(standing)

    def rows(self, topic: str) -> int:
        """How many stand in a changelog."""
        return sum(value is not None for held in self.held(topic).values() for value in dict(held).values())

    def lag(self, *topics: str, stage: str = "streams") -> int:
        """Records of these topics that the stage has still to do."""
        return sum(end - committed for committed, end in self.reached(*topics, stage=stage))

    def reached(self, *topics: str, stage: str = "streams") -> list[tuple[int, int]]:
        """Of each partition of these topics: up to where the stage has committed, and where it ends."""
        with Groups(self.settings) as groups:
            committed = groups.committed(f"{self.prefix}-{stage}-{self.generation}")
            ends = [end for topic in topics for end in groups.ends(declared.name(topic, self.generation)).items()]
            return [(committed.get(partition, 0), end) for partition, end in ends]

    def drain(self, seconds: float = DRAIN_SECONDS) -> None:
        """Wait until the workers have done everything."""
        self._wait(lambda: self.lag("events") or self.lag("events", "facts"), seconds)

    def drain_sink(self, seconds: float = DRAIN_SECONDS) -> None:
        """Wait until everything that was measured is in ClickHouse."""
        self._wait(lambda: self.lag("facts", "events", "indicators", stage="clickhouse"), seconds)

    @staticmethod
    def _wait(lag: Callable[[], int], seconds: float) -> None:
        until = time.monotonic() + seconds
        while left := lag():
            assert time.monotonic() < until, f"{left} records are still to be done after {seconds:.0f} s"
            time.sleep(0.3)


class Process:
    """A command of crossdesk with its health, which it says at its start."""

    def __init__(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        program: Sequence[str] = ("-m", "deploy.cli"),
    ) -> None:
        self.log = log
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, *program, *words], env=dict(environment), stdout=file, stderr=file
            )

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def url(self) -> str:
        """Where it says how it is doing; empty while it does not say."""
        found = re.findall(r"(http://\S+)/ready", self.said())
        return found[-1] if found else ""

    def why_not_ready(self) -> str:
        """Empty: it is."""
        return self.asked("/ready")[1] if self.asked("/ready")[0] != 200 else ""

    def asked(self, path: str) -> tuple[int, str]:
        if not self.url():
            return 0, "it does not say where it answers"
        try:
            with urllib.request.urlopen(self.url() + path, timeout=2) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def wait_until_ready(self, seconds: float = PATIENCE) -> Self:
        until = time.monotonic() + seconds
        while why := self.why_not_ready():
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.said()}"
            assert time.monotonic() < until, f"not ready after {seconds:.0f} s: {why}\n{self.said()}"
            time.sleep(0.2)
        return self

    def wait_until_said(self, text: str, seconds: float = PATIENCE) -> None:
        until = time.monotonic() + seconds
        while text not in self.said():
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.said()}"
            assert time.monotonic() < until, f"it did not say {text!r} for {seconds:.0f} s:\n{self.said()}"
            time.sleep(0.2)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self, seconds: float = 15.0) -> int:
        """Politely: its exit code."""
        self.process.terminate()
        return self.process.wait(seconds)


def worker(
    installation: Installation,
    log: Path,
    instance: str = "",
    program: Sequence[str] = ("-m", "deploy.cli"),
    **settings: str,
) -> Process:
    environment = {
        **installation.environment,
        "CROSSDESK_STREAMS_HEALTH_PORT": "0",
        "CROSSDESK_STREAMS_INSTANCE": instance,
        "CROSSDESK_STREAMS_GENERATION": str(installation.generation),
        **{f"CROSSDESK_STREAMS_{name.upper()}": value for name, value in settings.items()},
    }
    return Process(["streams"], environment, log, program)


@contextmanager
def ended(*processes: Process) -> Iterator[None]:
    """What still runs at the end is killed."""
    with ExitStack() as stack:
        for process in processes:
            stack.callback(process.kill)
        yield


def folded(records: Iterable[Prepared]) -> dict[str, Fact]:
    """What one fold over one partition says, without any shell, when it has heard too what cases say to each other."""
    configuration, state = example(), dict[str, bytes]()
    cases, standing = Cases(state, 0, lambda _: configuration), dict[str, Fact]()
    said = deque([e.encode(e.config_mark(1, e.instant(0))), *(r.value for r in records if r.topic == "events")])
    offset = 0
    while said:
        batch = [(offset + i, said.popleft()) for i in range(min(len(said), 5_000))]
        offset += len(batch)
        effects = cases.batch(batch)
        carry_out(effects.changes, state)
        said.extend(o.value for o in effects.outputs if o.topic == "events")
        for fact in facts_in(o.value for o in effects.outputs if o.topic == "facts"):
            keep(standing, fact)
    return live(standing)
