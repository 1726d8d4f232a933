"""What all tests share: how large a search is, and what the searches have seen.

``make test`` runs the long searches as seeded samples, ``make test-full`` (``CROSSDESK_FULL=1``) at full size. What exists
at full size only is marked ``full``. A search says what it has compared with ``tally("random histories", n)``; the counts of those
that passed are summed at the end.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from deploy.kafka.broker import Broker
from ingest import topics as declared
from sinks.clickhouse import ClickHouse, connect

if TYPE_CHECKING:
    from on_kafka import Installation

FULL = os.environ.get("CROSSDESK_FULL") == "1"
COUNTED = "counted: "

# A sample is the same in every run, whatever machine is how busy; at full size Hypothesis goes where it was not before.
settings.register_profile("sample", deadline=None, derandomize=True)
settings.register_profile("full", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile("full" if FULL else "sample")


@pytest.fixture(scope="session")
def full() -> bool:
    """Whether the long searches run at full size."""
    return FULL


@pytest.fixture(scope="session")
def sample(full: bool) -> Callable[[int, int], int]:
    """``sample(full_size, sample_size)`` is the size that this run wants."""
    return lambda full_size, sample_size: full_size if full else sample_size


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Callable[[str, int], None]:
    """``tally(what, n)`` says at the end of the run that ``n`` of ``what`` were searched."""
    return lambda what, n: record_property(COUNTED + what, n)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker. Whoever uses it gives topics names of its own, or a generation."""
    with Broker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ClickHouse]:
    """A store of chDB with nothing in it."""
    opened = connect(f"chdb://{tmp_path / 'store'}")
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """Of topics that are this test's alone."""
    return re.sub(r"[^\w-]", "-", request.node.name)


@pytest.fixture
def installation(
    kafka: Broker, prefix: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Installation:
    """Topics of this test's alone, with as many partitions as its module says."""
    from on_kafka import Installation  # only who asks for it needs Kafka's clients

    monkeypatch.setattr(declared, "PREFIX", prefix)
    return Installation(kafka, prefix, request.module.PARTITIONS)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes would stand in the test's name, and what is compressed holds its time: workers must agree on names."""
    return argname if isinstance(val, bytes) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not FULL:
        for item in items:
            if item.get_closest_marker("full"):
                item.add_marker(pytest.mark.skip(reason="takes minutes: make test-full"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counted: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed"):
        for name, n in report.user_properties:
            if name.startswith(COUNTED):
                counted[name.removeprefix(COUNTED)] += n
    if counted:
        terminalreporter.section("searched")
        for what, n in sorted(counted.items()):
            terminalreporter.line(f"{n:>12,} {what}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run of which every test was skipped has shown nothing, and fails."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    ran = reporter is None or {"passed", "failed", "error"} & reporter.stats.keys()
    if session.exitstatus == pytest.ExitCode.OK and not ran and not session.config.option.collectonly:
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
