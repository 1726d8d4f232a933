"""What a stage says about itself: alive, ready because it moves, and its metrics."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from socket import socket

import pytest
from test_prometheus import lint, series

from deploy.health import Check, HealthServer, Lag, Moving, fine
from deploy.http_server import PortTaken
from sinks.prometheus import Exporter

A, B = ("facts", 0), ("facts", 1)


def asked(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
def reasons() -> dict[str, str]:
    """Why not, by check; what is not in it is fine."""
    return {}


@pytest.fixture
def port(reasons: dict[str, str]) -> Iterator[int]:
    def check(name: str) -> Check:
        return lambda: reasons.get(name, "")

    exporter = Exporter()
    exporter.level("lag_records", "Records that are not read yet.").set(7)
    with closing(HealthServer("127.0.0.1", 0, exporter.render, check("live"), check("ready"))) as server:
        yield server.port


def test_a_stage_that_is_fine_says_so(port: int) -> None:
    assert asked(port, "/live") == asked(port, "/ready") == (200, "ok\n")


def test_one_that_is_not_says_why(port: int, reasons: dict[str, str]) -> None:
    reasons["ready"] = "7 records wait"
    assert asked(port, "/ready") == (503, "7 records wait\n")
    assert asked(port, "/live") == (200, "ok\n")
    reasons["live"] = "it hangs"
    assert asked(port, "/live") == (503, "it hangs\n")
    reasons.clear()
    assert asked(port, "/ready") == (200, "ok\n")


def test_metrics_are_served_and_nothing_else(port: int) -> None:
    status, body = asked(port, "/metrics")
    assert status == 200
    assert "crossdesk_lag_records 7.0" in body
    assert asked(port, "/") == (404, "there are /metrics, /live and /ready\n")


def test_a_port_that_is_taken_is_said_with_the_variable_that_names_another() -> None:
    with socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(
            PortTaken, match=f"port {port} cannot be used .*: name another with CROSSDESK_X_HEALTH_PORT"
        ):
            HealthServer("127.0.0.1", port, Exporter().render, fine, fine, variable="CROSSDESK_X_HEALTH_PORT")


def looked(moving: Moving, since: int, until: int, committed: int, end: int) -> None:
    """Once a second."""
    for now in range(since, until):
        moving.saw(now, {A: (committed, end)})


def test_without_lag_there_is_nothing_to_do_and_a_stage_is_ready() -> None:
    moving = Moving(0)
    looked(moving, 0, 300, committed=10, end=10)
    assert moving.reason(300) == ""


def test_with_lag_it_is_ready_while_offsets_advance() -> None:
    moving = Moving(0)
    for now in range(300):
        moving.saw(now, {A: (now // 30, 1000), B: (now // 50, 1000)})
        assert moving.reason(now) == ""


def test_with_lag_and_without_moving_it_is_not_ready_after_a_minute() -> None:
    moving = Moving(0)
    looked(moving, 0, 10, committed=10, end=10)
    looked(moving, 10, 70, committed=10, end=1234)
    assert moving.reason(69) == ""
    looked(moving, 70, 71, committed=10, end=1234)
    assert moving.reason(70) == "1,224 records wait, and no offset was committed for 61 s"
    looked(moving, 71, 72, committed=11, end=1234)
    assert moving.reason(71) == ""


def test_how_long_that_may_take_is_a_setting() -> None:
    moving = Moving(0, stuck=5)
    looked(moving, 0, 8, committed=0, end=1)
    assert moving.reason(8) != ""


def test_a_partition_that_comes_or_goes_is_no_movement() -> None:
    moving = Moving(0)
    for now in range(100):
        moving.saw(now, {A: (10, 20)} if now % 2 else {A: (10, 20), B: (500, 600)})
    assert moving.reason(100) != ""


def test_one_partition_that_stands_still_beside_others_that_move_is_seen() -> None:
    moving = Moving(0, stuck=60)
    for now in range(70):
        moving.saw(now, {("events", 0): (100 + now, 1_000), ("events", 1): (5, 6)})
    assert "events, partition 1, wait" in moving.reason(69)
    moving.saw(70, {("events", 0): (170, 1_000), ("events", 1): (6, 6)})
    assert moving.reason(70) == ""


def test_a_stage_that_nobody_looks_at_is_not_ready() -> None:
    """The thread that looks hangs, or the process was stopped and has just been continued."""
    moving = Moving(0)
    looked(moving, 0, 10, committed=10, end=10)
    assert moving.reason(50) == "nobody has looked for 41 s: the process was stopped, or hangs"


def test_a_process_that_was_stopped_is_not_ready_before_it_moves_again() -> None:
    moving = Moving(0)
    looked(moving, 0, 10, committed=10, end=20)
    looked(moving, 50, 55, committed=10, end=500)
    assert moving.reason(55) == "the process was stopped, and has not moved since; 490 records wait"
    looked(moving, 55, 56, committed=11, end=500)
    assert moving.reason(56) == ""


def test_or_sees_that_there_is_nothing_to_do() -> None:
    moving = Moving(0)
    looked(moving, 0, 10, committed=10, end=20)
    looked(moving, 50, 51, committed=20, end=20)
    assert moving.reason(51) == ""


def test_lag_is_shown_for_each_partition_that_is_ours() -> None:
    exporter = Exporter()
    lag = Lag(exporter)
    lag.saw({A: (10, 25), B: (7, 5)})
    assert series(exporter) == {
        'crossdesk_consumer_lag_records{partition="0",topic="facts"}': 15,
        'crossdesk_consumer_lag_records{partition="1",topic="facts"}': 0,
    }
    lag.saw({B: (7, 9)})
    assert series(exporter) == {'crossdesk_consumer_lag_records{partition="1",topic="facts"}': 2}
    assert lint(exporter) == ""
