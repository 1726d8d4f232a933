"""Answers are sealed by a worker on a real broker: after a kill, by whoever has the partition then, and for one generation."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from on_kafka import DRAIN_SECONDS, Installation, ended, example, worker

from deploy.configurations import Configurations
from ingest import event as e
from ingest.connectors.simulated import simulate_with_feedback
from ingest.publish import Publisher
from ingest.simulation.feedback import Week
from streams.sealed import Batch, decode
from streams.sealing import Sealing

PARTITIONS = 2
DAYS = 70


@pytest.fixture(scope="module")
def published() -> list[list[bytes]]:
    """The records of each publication, as the intake says them."""
    weeks = [week for week in simulate_with_feedback(1, DAYS) if isinstance(week, Week)]
    return [
        [
            *map(e.encode, week.answers),
            e.encode(e.config_mark(1, week.begins)),
            e.encode(e.watermark(e.PUBLISHED, week.begins + timedelta(weeks=1))),
        ]
        for week in weeks
    ]


def say(installation: Installation, published: Sequence[Sequence[bytes]]) -> None:
    with Publisher(installation.settings) as publisher:
        for records in published:
            for record in records:
                publisher.say("feedback", "somebody", record)
        publisher.settle()


def sealed(installation: Installation) -> list[Batch]:
    return [decode(value) for said in installation.held("sealed").values() for _, value in said if value]


def expected(published: Sequence[Sequence[bytes]]) -> list[Batch]:
    """By the fold alone, all at once."""
    fold = Sealing({}, lambda _: example(), [])
    records = enumerate(record for records in published for record in records)
    return [decode(output.value) for output in fold.batch(records).outputs]


def wait_for(installation: Installation, batches: Sequence[Batch]) -> None:
    until = time.monotonic() + DRAIN_SECONDS
    while len(sealed(installation)) < len(batches):
        assert time.monotonic() < until, f"{len(sealed(installation))} of {len(batches)} batches are sealed"
        time.sleep(0.3)


def test_batches_are_those_of_the_fold_whoever_is_killed_between_and_no_number_tells_of_an_answer(
    installation: Installation, published: list[list[bytes]], tmp_path: Path
) -> None:
    installation.configure()
    half = len(published) // 2
    say(installation, published[:half])
    first = worker(installation, tmp_path / "1.log", agents="sealing")
    with ended(first):
        wait_for(installation, expected(published[:half]))
        shown = first.wait_until_ready().asked("/metrics")[1]
        assert "feedback" not in shown
        assert "sealing" not in shown
        first.kill()
    say(installation, published[half:])
    second = worker(installation, tmp_path / "2.log", agents="sealing")
    with ended(second):
        batches = expected(published)
        wait_for(installation, batches)
        assert len(batches) > 50
        assert second.stop() == 0
    assert sealed(installation) == batches, "in order, and each once"
    text = (tmp_path / "1.log").read_text() + (tmp_path / "2.log").read_text()
    assert not any(e.decode(record).id in text for records in published for record in records)


def test_only_the_current_generation_seals_and_another_goes_on_where_that_ended(
    installation: Installation, published: list[list[bytes]], tmp_path: Path
) -> None:
    installation.configure()
    with Configurations(installation.settings) as configurations:
        configurations.set_generation(2)
    say(installation, published[:3])
    first = worker(installation, tmp_path / "1.log", agents="sealing")
    with ended(first):
        until = time.monotonic() + DRAIN_SECONDS
        while installation.lag("feedback"):
            assert time.monotonic() < until, first.said()
            time.sleep(0.3)
        assert not sealed(installation)
        with Configurations(installation.settings) as configurations:
            configurations.set_generation(1)
        time.sleep(2)
        say(installation, published[3:])
        wait_for(installation, expected(published))
        assert first.stop() == 0
    assert sealed(installation) == expected(published)
