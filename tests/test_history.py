"""History in the embedded mode: what is published at the end of a run, and with which hours and tree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import config_files
from deploy.demo import EXAMPLE
from deploy.embedded import Embedded
from deploy.history import publish_history, started
from ingest.connectors.simulated import simulate
from sinks.clickhouse import ClickHouse
from sinks.recompute import check_covered

DAY = 86_400_000_000
MONDAY = 1_767_571_200_000_000  # 5 January 2026, 00:00 UTC


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Embedded]:
    """Four days of the example company, not yet published."""
    with Embedded(tmp_path / "d") as opened:
        opened.apply(config_files.load(EXAMPLE).configuration.files)
        for _ in opened.accept("simulated", simulate(3, 4)):
            pass
        opened.flush()
        yield opened


def store_of(embedded: Embedded) -> ClickHouse:
    assert embedded.store is not None
    return embedded.store


def test_each_day_that_is_over_is_published_as_of_what_is_known(embedded: Embedded) -> None:
    assert publish_history(embedded) > 1000
    sql = "SELECT DISTINCT period, toUnixTimestamp64Micro(period_start), toUnixTimestamp64Micro(as_of) FROM published ORDER BY ALL"
    assert embedded.as_of == MONDAY + 4 * DAY - 1
    assert store_of(embedded).query(sql).rows == [("day", MONDAY + n * DAY, embedded.as_of) for n in range(3)]


def test_hours_are_known_from_before_the_first_clock_and_beyond_the_last(embedded: Embedded) -> None:
    publish_history(embedded)
    first, as_of = started(embedded), embedded.as_of
    assert first is not None
    assert as_of is not None
    assert MONDAY < first < MONDAY + DAY
    check_covered(store_of(embedded), as_of, MONDAY)


def test_what_is_published_is_not_published_again_until_there_is_something_new(embedded: Embedded) -> None:
    revisions = "SELECT count() FROM published_revisions"
    publish_history(embedded)
    before = store_of(embedded).query(revisions).rows
    assert publish_history(embedded) == 0
    for _ in embedded.accept("simulated", simulate(3, 5)):
        pass
    embedded.flush()
    assert publish_history(embedded) > 300
    assert store_of(embedded).query(revisions).rows > before


def test_another_configuration_brings_its_own_hours(embedded: Embedded) -> None:
    publish_history(embedded)
    files = config_files.load(EXAMPLE).configuration.files
    company = files.company.model_copy(update={"organisation": "Tidewell and Sons"})
    embedded.apply(files.model_copy(update={"company": company}))
    embedded.fold()
    embedded.flush()
    publish_history(embedded)
    sql = "SELECT DISTINCT version FROM crossdesk_public.calendar_time_versions ORDER BY version"
    assert store_of(embedded).query(sql).rows == [(1,), (2,)]


def test_without_facts_there_is_no_history(tmp_path: Path) -> None:
    with Embedded(tmp_path / "d") as opened:
        opened.apply(config_files.load(EXAMPLE).configuration.files)
        assert publish_history(opened) == 0
        assert started(opened) is None
