"""How fast all that a helpdesk has is taken in, beside a bare HTTP client that asks the same sandbox the same.

``PYTHONPATH=tests python -m bench.backfill --tickets 20000``. The sandbox is a process of its own.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any, NamedTuple

import httpx
import msgspec
from on_kafka import Installation

from deploy.kafka.broker import Broker
from deploy.memory import collect_rarely
from deploy.sandbox.engine import Sandbox
from ingest import topics as declared
from ingest.api import Budget, HttpApi
from ingest.connector import Connector
from ingest.connectors import CONNECTORS
from ingest.identity import Identity, People
from ingest.intake import Intake
from ingest.polling import Poller
from ingest.publish import Publisher

VENDOR = "zendesk"
TICKETS = 10_000
PER_DAY = 500.0
PARTITIONS = 4


class Filled(NamedTuple):
    """``bare`` and ``ours``: records (audits of tickets) a second; ``megabytes``: the most that our process had resident."""

    tickets: int
    records: int
    bare: float
    ours: float
    megabytes: float


class Bare:
    """Asks, decodes to find the next page, and that is all."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self.client = httpx.Client(base_url=url, headers=dict(headers), timeout=60, trust_env=False)

    def get(self, path: str, query: Mapping[str, str] = {}) -> Any:
        return msgspec.json.decode(self.client.get(path, params=dict(query)).raise_for_status().content)

    def post(self, path: str, body: Mapping[str, Any], query: Mapping[str, str] = {}) -> Any:
        raise NotImplementedError


def filled(tickets: int = TICKETS, vendor: str = VENDOR) -> Filled:
    with _served(vendor, tickets) as (url, secret, settings):
        connector = CONNECTORS[vendor].model_validate(settings)
        headers, now = connector.authorization(secret), datetime.now(UTC)
        began, documents, records = time.perf_counter(), 0, 0
        for page in connector.fetch(Bare(url, headers), "", now):
            documents += len(page.documents)
            records += sum(len(document.get("audits", ())) for document in page.documents)
        bare = time.perf_counter() - began
        with ProcessPoolExecutor(1, get_context("spawn")) as other:
            ours, megabytes = other.submit(_taken_in, vendor, url, secret, settings).result()
    return Filled(documents, records, records / bare, records / ours, megabytes)


def _taken_in(vendor: str, url: str, secret: str, settings: Mapping[str, Any]) -> tuple[float, float]:
    """Seconds, and MiB."""
    collect_rarely()  # as the stage does
    connector: Connector = CONNECTORS[vendor].model_validate(settings)
    with TemporaryDirectory(prefix="crossdesk-bench-") as folder, Broker(Path(folder) / "kafka") as broker:
        installation = Installation(broker, declared.PREFIX, PARTITIONS)
        headers = connector.authorization(secret)
        people = People(Identity(b"a key of the benchmark", "k1"), connector.source)
        with (
            HttpApi(url, headers, Budget(60_000_000), lambda _: False) as api,
            Publisher(installation.settings) as publisher,
        ):
            intake = Intake(connector, people, publisher, lambda _: (), lambda _: None)
            poller = Poller(
                lambda: nullcontext(api),
                lambda: nullcontext(intake),
                source=connector.source,
                cursor="",
                every=1,
                stop=Event(),
            )
            began = time.perf_counter()
            poller.poll(api, intake, datetime.now(UTC))
            return time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def _served(vendor: str, tickets: int) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(vendor, tickets, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send("end")
        process.join()


def _serve(vendor: str, tickets: int, told: Connection) -> None:
    days = max(2, round(tickets / PER_DAY * 7 / 5))
    with Sandbox(vendor, seed=1, days=days, cases_per_day=PER_DAY) as sandbox:
        sandbox.advance(timedelta(minutes=2))
        told.send((sandbox.url, sandbox.secret, sandbox.settings))
        told.recv()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--tickets", type=int, default=TICKETS)
    parser.add_argument("--vendor", choices=("zendesk", "servicenow", "jira_service_management"), default=VENDOR)
    options = parser.parse_args()
    found = filled(options.tickets, options.vendor)
    print(
        f"{found.tickets:,} tickets, {found.records:,} records: {found.ours:,.0f} records/s, {found.ours / found.bare:.0%} of"
        f" a bare client's {found.bare:,.0f}; {found.megabytes:.0f} MiB"
    )


if __name__ == "__main__":
    main()
