"""The stages as processes on a broker, as a platform team deploys them: how long a worker recovers, how long an event takes until
it can be scraped, and what the sinks take in. Each is measured once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.folded import folded
from bench.kafka import BenchmarkError, say
from bench.latency import RATE, SECONDS, latency
from bench.load import Load
from bench.recovery import recovery
from bench.sinks import clickhouse, prometheus
from on_kafka import Installation

from deploy.ahead import Prepared, prepare
from deploy.kafka.broker import Broker
from ingest import topics as declared
from ingest.connectors.simulated import simulate

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
        say("making what is to be said")
        records = [prepare(record) for record in simulate(1, days, cases_per_day=per_day)]
        yield from latencies("latency", records[: end_of_events(records, RATE * SECONDS)], Path(folder) / "new")
        yield from latencies("latency_full_windows", records, Path(folder) / "full")


def latencies(name: str, records: Sequence[Prepared], folder: Path) -> Iterator[tuple[str, float, str]]:
    with installation(folder) as fresh:
        found = latency(fresh, records, folder)
    what = f"s, event to /metrics at {RATE:,} events/s"
    yield f"{name}_p50_seconds", found.p50, what
    yield f"{name}_p99_seconds", found.p99, what


def end_of_events(records: Sequence[Prepared], wanted: int) -> int:
    """Behind so many events, and the mark that makes them visible."""
    events = [number for number, record in enumerate(records) if record.key]
    if len(events) < wanted:
        raise BenchmarkError(f"{wanted:,} events are wanted, and there are {len(events):,}: --days may be more")
    return next(number for number in range(events[wanted - 1], len(records)) if not records[number].key) + 1


@contextmanager
def installation(folder: Path) -> Iterator[Installation]:
    """On a broker of its own, which has nothing else in its memory."""
    with Broker(folder / "kafka") as broker:
        yield Installation(broker, declared.PREFIX, PARTITIONS)
