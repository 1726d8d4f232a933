"""How fast webhooks are taken: so many signed ones a second from a process of its own, to the HTTP intake on a real broker.

``PYTHONPATH=tests python -m bench.hooks --rate 500 --seconds 600``. Webhooks are sent when their time has come, however late
answers are; how long one took counts from then.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import aiohttp
from bench.kafka import BenchmarkError
from hooked import fixture, setting, until
from on_kafka import Installation
from signing import signed

from deploy.kafka.broker import Broker
from ingest import topics as declared
from ingest.publish import Publisher
from ingest.webhooks.serving import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

RATE = 500.0
SECONDS = 20.0
WARM_SECONDS = 3.0
CONNECTIONS = 200
PARTITIONS = 4
SOURCE = "http_json"


class Taken(NamedTuple):
    """``rate``: answered a second. ``p50`` and ``p99``: seconds from when a webhook was to be sent to its answer. ``answers``:
    how many of each status; 0 where none came.
    """

    rate: float
    p50: float
    p99: float
    answers: Mapping[int, int]


def taken(rate: float = RATE, seconds: float = SECONDS) -> Taken:
    """Raises :class:`bench.kafka.BenchmarkError` where what was answered 202 is not on the broker."""
    with TemporaryDirectory(prefix="crossdesk-bench-") as folder, Broker(Path(folder) / "kafka") as broker:
        installation = Installation(broker, declared.PREFIX, PARTITIONS)
        with (
            _serving(installation, rate) as port,
            ProcessPoolExecutor(1, get_context("spawn")) as other,
        ):
            warm = other.submit(drive, port, rate, WARM_SECONDS, 0).result()
            found = other.submit(drive, port, rate, seconds, sum(warm.answers.values())).result()
        there = {value for records in installation.held("events").values() for _, value in records}
    accepted = warm.answers.get(202, 0) + found.answers.get(202, 0)
    if len(there) < accepted:
        raise BenchmarkError(f"{accepted:,} webhooks were answered 202, and there are {len(there):,} events")
    return found


@contextmanager
def _serving(installation: Installation, rate: float) -> Iterator[int]:
    limits = {"per_second": 10 * rate, "burst": 10 * rate}
    made = setting([SOURCE], limits=limits, open_sink=lambda: Publisher(installation.settings, wait=5))
    made.hooks.start()
    try:
        with serve(made.hooks.app, "127.0.0.1", 0) as port:
            until(lambda: not made.hooks.away, "connected to the broker")
            yield port
    finally:
        made.hooks.close()


# -- the other process
def drive(port: int, rate: float, seconds: float, first: int) -> Taken:
    """Send webhooks from number ``first`` on, each an event of its own."""
    return asyncio.run(_driven(f"http://127.0.0.1:{port}/hooks/{SOURCE}", rate, int(rate * seconds), first))


async def _driven(address: str, rate: float, count: int, first: int) -> Taken:
    took: list[float] = []
    answers: Counter[int] = Counter()
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as sending:
        began = time.monotonic()

        async def send(number: int, due: float) -> None:
            body, headers = webhook(number)
            try:
                async with session.post(address, data=body, headers=headers) as answer:
                    await answer.read()
                    answers[answer.status] += 1
            except (aiohttp.ClientError, TimeoutError):
                answers[0] += 1
            took.append(time.monotonic() - due)

        for number in range(count):
            due = began + number / rate
            await asyncio.sleep(max(due - time.monotonic(), 0))
            sending.create_task(send(first + number, due))
    elapsed = time.monotonic() - began
    quantiles = statistics.quantiles(took, n=100)
    return Taken(len(took) / elapsed, quantiles[49], quantiles[98], dict(answers))


def webhook(number: int) -> tuple[bytes, dict[str, str]]:
    """A reply in one of a thousand cases."""
    row = {
        "what": "wrote",
        "at": datetime.now(UTC).isoformat(),
        "revision": number,
        "request": {"key": f"R-{number % 1000}", "title": "Badge", "asked_by": {"mail": "ana.prado@example.org"}},
        "by": {"mail": "cy.marsh@example.org", "role": "agent"},
        "text": "The badge opens the door again. " * 8,
    }
    body = json.dumps(row).encode()
    headers = {"content-type": "application/json", "x-request-signed-at": str(int(time.time()))}
    return body, signed(fixture(SOURCE).connector, headers, body, fixture(SOURCE).hooks["secret"])


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast webhooks are taken.")
    parser.add_argument("--rate", type=float, default=RATE, help="webhooks a second")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    wanted = parser.parse_args()
    found = taken(wanted.rate, wanted.seconds)
    print(
        f"{found.rate:,.0f}/s, p50 {found.p50 * 1e3:.1f} ms, p99 {found.p99 * 1e3:.1f} ms, answers {dict(found.answers)}"
    )


if __name__ == "__main__":
    main()
