"""Workers on Kafka, ours beside others: events per second of one process of each, on one broker and one topic, in one run.

The others decode and count the events of each case; each keeps its counts as it does by default, in a changelog, at least once.
A worker is measured from when it is warm until it has committed everything. What it has counted, committed and stored is then
compared with the topic.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench.load import Load
from bench.peers.consumer_decode import TIMES
from bench.peers.task import Task
from bench.topic import EVENTS, Topic, filled
from kafka import KafkaConsumer, TopicPartition

from deploy.kafka.broker import Broker
from ingest.broker import BrokerSettings, broker_settings

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / ".venv-bench" / "bin" / "python"
JAVA = Path(__file__).with_name("peers") / "kafka_streams_count"
PROGRAMS = {"javac": "default-jdk-headless", "mvn": "maven"}
"""What the peers need, and Debian's packages of it."""

WARM = 0.1
"""The share of its records after which a worker is warm."""
TIMEOUT_SECONDS = 600


class BenchmarkError(Exception):
    """Nothing can be measured, or what was measured is not what it should be; the message says why."""


class Worker(NamedTuple):
    """``command``: what is to be run, before the arguments of its task. ``share`` of the topic it reads: of the slow, the beginning
    is enough. ``times``: how often it reads it. ``batch``: how many records it may have passed since it was warm when it starts its
    clock. ``counts``: whether its changelog has a key for each case.
    """

    command: Sequence[str]
    share: float = 1.0
    times: int = 1
    batch: int = 1
    counts: bool = True


def workers(classes: Path) -> dict[str, Worker]:
    """By the name of their figure. Whoever adds one gives the command line of a process that is asked and answers as
    ``bench.peers.task`` says.
    """
    path = f"{classes / 'classes'}:{classes / 'jars'}/*"
    java = ["java", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", path]
    return {
        "cases_agent": Worker([sys.executable, "-m", "bench.cases_agent"], counts=False),
        "faust_count": Worker([str(PEERS), "-m", "bench.peers.faust_count"], share=0.1),
        "faust_tuned_count": Worker([str(PEERS), "-m", "bench.peers.faust_tuned_count"], share=0.1),
        "quix_count": Worker([str(PEERS), "-m", "bench.peers.quix_count"]),
        "kafka_streams_count": Worker([*java, "KafkaStreamsCount"]),
        "consumer_decode": Worker([str(PEERS), "-m", "bench.peers.consumer_decode"], times=TIMES, counts=False),
    }


def figures(work: Load, runs: int) -> Iterator[tuple[str, float, str]]:
    """Name, value and unit of each. Raises :class:`BenchmarkError`."""
    look_for_programs()
    with TemporaryDirectory(prefix="crossdesk-bench-") as temporary:
        folder = Path(temporary)
        compile_java(folder / "java")
        with Broker(folder / "kafka") as broker:
            settings = broker_settings({"CROSSDESK_KAFKA_BOOTSTRAP_SERVERS": broker.address})
            say("filling the topic")
            topic = filled(settings, work)
            yield "kafka_records", len(topic.keys), ""
            yield "kafka_cases", topic.cases(len(topic.keys)), ""
            every = workers(folder / "java")
            rates: dict[str, list[float]] = {name: [] for name in every}
            for run in range(runs):
                for name in random.Random(run).sample(sorted(every), len(every)):  # so that a busy host disturbs all
                    say(f"run {run + 1} of {runs}: {name}")
                    rates[name].append(measured(name, every[name], topic, settings, folder / f"{name}-{run}"))
            for name, worker in every.items():
                part = "" if worker.share == 1 else f", the first {worker.share:.0%} of the topic"
                yield name, statistics.median(rates[name]), f"events/s{part}"


def look_for_programs() -> None:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        packages = " ".join(PROGRAMS[program] for program in missing)
        raise BenchmarkError(
            f"the peers need on PATH, and there is not: {' '.join(missing)}. "
            f"On Debian: apt-get install --no-install-recommends {packages}"
        )


def compile_java(out: Path) -> None:
    say("compiling the peer in Java")
    goals = ["compile", "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={out / 'jars'}"]
    maven = ["mvn", "-q", "-B", "-f", str(JAVA / "pom.xml"), f"-Dout={out}", *goals]
    done = subprocess.run(maven, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"Maven could not compile {JAVA}:\n{(done.stdout + done.stderr).strip()[-2000:]}")


def measured(name: str, worker: Worker, topic: Topic, broker: BrokerSettings, folder: Path) -> float:
    """Events per second of one process."""
    until = int(len(topic.keys) * worker.share)
    task = Task(broker.bootstrap_servers, EVENTS, f"bench-{folder.name}", int(until * WARM), until, folder)
    folder.mkdir()
    answer = answered(name, [*worker.command, *task.arguments])
    expected = worker.times * topic.events(until) - topic.events(task.warm)
    if not expected - worker.batch < answer["events"] <= expected:
        raise BenchmarkError(f"{name} counted {answer['events']} events of {expected}")
    check_commit(name, task, broker)
    if worker.counts:
        check_changelog(name, task, topic.cases(until), broker)
    return answer["events"] / answer["seconds"]


def answered(name: str, command: Sequence[str]) -> dict[str, float]:
    paths = os.pathsep.join([str(ROOT / "tests"), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": paths}
    try:
        process = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS, env=environment
        )
    except subprocess.TimeoutExpired as late:
        raise BenchmarkError(f"{name} had not come to the end after {late.timeout:.0f} s") from None
    if process.returncode or not process.stdout.strip():
        raise BenchmarkError(f"{name} ended with {process.returncode}:\n{process.stderr.strip()[-2000:]}")
    answer: dict[str, float] = json.loads(process.stdout.splitlines()[-1])
    return answer


def check_commit(name: str, task: Task, broker: BrokerSettings) -> None:
    consumer = KafkaConsumer(**broker.client, group_id=task.group, enable_auto_commit=False)
    committed = consumer.committed(TopicPartition(task.topic, 0))
    consumer.close()
    if (committed or 0) < task.until:
        raise BenchmarkError(f"{name} has committed {committed} of {task.until} records")


def check_changelog(name: str, task: Task, cases: int, broker: BrokerSettings) -> None:
    """It knows each case; a few more of a worker that went on until it was stopped."""
    consumer = KafkaConsumer(**broker.client, enable_auto_commit=False, consumer_timeout_ms=1000)
    (changelog,) = (topic for topic in consumer.topics() if task.group in topic)
    partition = TopicPartition(changelog, 0)
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    end = consumer.end_offsets([partition])[partition]
    keys: set[bytes] = set()
    while consumer.position(partition) < end:
        for records in consumer.poll(timeout_ms=1000, max_records=50_000).values():
            keys.update(record.key for record in records)
    consumer.close()
    if len(keys) < cases:
        raise BenchmarkError(f"the changelog of {name} has {len(keys)} keys for {cases} cases")


def say(what: str) -> None:
    print(f"{what} …", file=sys.stderr)
