"""Processes that are killed while a company is measured: nothing is lost and nothing counts twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chaos import chaos


def test_killed_workers_sink_and_ingest_lose_nothing(tmp_path: Path, tally: Callable[[str, int], None]) -> None:
    outcome = chaos(tmp_path, 90, seed=1, rate=500)  # other tests run beside it
    assert outcome.differ == 0
    assert outcome.facts > 50_000
    assert outcome.kills >= 3
    assert outcome.processed >= 0.6
    tally("facts after kill -9 of workers, sink and ingest", outcome.facts)
