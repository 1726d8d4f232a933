"""Workers that find state in the changelog when they start, on a real broker."""

from __future__ import annotations

from pathlib import Path

from bench.folded import folded
from bench.load import load
from bench.record_batches import fill
from bench.recovery import changelog, rows_of
from on_kafka import Installation, ended, worker

from deploy.ahead import Prepared
from ingest import event as e
from ingest import topics as declared
from ingest.simulation.world import SOURCE

PARTITIONS = 4
CASES = 20_000


def test_a_worker_that_recovers_goes_on_in_every_partition(installation: Installation, tmp_path: Path) -> None:
    """Records that wait meanwhile are fetched while others are still being sought: none may be lost between."""
    installation.configure()
    rows = changelog(folded(load(100, 3), facts=0).state, CASES, PARTITIONS)
    fill(installation.settings, declared.name("cases"), rows)
    installation.say([Prepared("events", "", e.encode(e.watermark(SOURCE, e.instant(1_800_000_000_000_000))), 0.0)])
    running = worker(installation, tmp_path / "worker.log")
    with ended(running):
        installation.drain()
        running.wait_until_ready()
        assert rows_of(running) >= sum(map(len, rows.values())) > CASES
