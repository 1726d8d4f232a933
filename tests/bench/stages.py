"""The stages as processes on a broker, as a platform team deploys them: how long a worker recovers, how long an event takes until
it can be scraped, and what the sinks take in. Each is measured once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.folded import folded
from bench.kafka import say
from bench.latency import latency
from bench.load import Load
from bench.recovery import recovery
from bench.sinks import clickhouse, prometheus
from on_kafka import Installation

from deploy.kafka.broker import Broker
from ingest import topics as declared

PARTITIONS = 4


def figures(work: Load, per_day: float, days: int) -> Iterator[tuple[str, float, str]]:
    """Name, value and unit of each; ``work`` is the load of that many cases a day, and days. Raises
    :class:`bench.kafka.BenchmarkError`.
    """
    say("folding the load, for its state and its facts")
    made = folded(work)
    with TemporaryDirectory(prefix="crossdesk-bench-") as folder:
        with installation(Path(folder) / "recovery") as fresh:
            yield from recovery(fresh, made.state, Path(folder) / "recovery")
        with installation(Path(folder) / "sinks") as fresh:
            yield from clickhouse(fresh, made.facts, Path(folder) / "sinks")
            yield from prometheus(fresh, Path(folder) / "sinks")
        del made
        with installation(Path(folder) / "latency") as fresh:
            yield from latency(fresh, per_day, days, Path(folder) / "latency")


@contextmanager
def installation(folder: Path) -> Iterator[Installation]:
    """On a broker of its own, which has nothing else in its memory."""
    with Broker(folder / "kafka") as broker:
        yield Installation(broker, declared.PREFIX, PARTITIONS)
