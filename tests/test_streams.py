"""Workers on a real broker: the same facts as one fold alone, whatever is killed, paused, stopped or poisoned meanwhile."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import msgspec
import pytest
from bench.recovery import rows_of
from late_worker import HELD, LATE
from on_kafka import DRAIN_SECONDS, Installation, ended, example, folded, worker

from deploy.ahead import Prepared, prepare
from ingest.connectors.simulated import simulate
from streams.changelog import VERSION_BYTES
from streams.configuration import encode
from streams.indicators import decode

PARTITIONS = 4
FAILING = Path(__file__).with_name("failing_worker.py")
LATE_WORKER = Path(__file__).with_name("late_worker.py")
DAYS = 8


@pytest.fixture(scope="module")
def records() -> list[Prepared]:
    return [prepare(record) for record in simulate(1, DAYS)]


def in_parts(records: list[Prepared], parts: int) -> list[list[Prepared]]:
    size = -(-len(records) // parts)
    return [records[i : i + size] for i in range(0, len(records), size)]


def test_two_workers_say_the_facts_of_one_fold_and_indicators_of_them(
    installation: Installation, records: list[Prepared], tmp_path: Path
) -> None:
    installation.configure()
    installation.say(records)
    first, second = worker(installation, tmp_path / "1.log"), worker(installation, tmp_path / "2.log")
    with ended(first, second):
        installation.drain()
        assert installation.facts() == folded(records)
        until = time.monotonic() + 30
        while not (told := [decode(v) for said in installation.held("indicators").values() for _, v in said if v]):
            assert time.monotonic() < until, "no indicator was told"
            time.sleep(0.3)
        assert {value.department for value in told} >= {"it", "hr"}
        assert first.stop() == second.stop() == 0


def test_workers_that_come_and_go_together_end_when_they_are_told_to_and_not_before(
    installation: Installation, records: list[Prepared], tmp_path: Path, sample: Callable[[int, int], int]
) -> None:
    """The second comes while the first recovers, and goes while what the first had is given to it."""
    installation.configure()
    for turn, part in enumerate(in_parts(records, sample(20, 2))):
        installation.say(part)
        workers = [worker(installation, tmp_path / f"{turn}.{n}.log") for n in range(2)]
        with ended(*workers):
            for one in workers:
                one.wait_until_ready()
            assert [one.stop() for one in workers] == [0, 0]
    with ended(worker(installation, tmp_path / "last.log")):
        installation.drain()
        assert installation.facts() == folded(records)


def test_workers_that_are_killed_in_turns_lose_nothing(
    installation: Installation, records: list[Prepared], tmp_path: Path
) -> None:
    installation.configure()
    workers = [worker(installation, tmp_path / f"{i}.log", f"w{i}", batch_records="300") for i in range(2)]
    with ended(*workers):
        for turn, part in enumerate(in_parts(records, 6)):
            installation.say(part)
            time.sleep(1.5)
            workers[turn % 2].kill()
            workers[turn % 2] = worker(installation, tmp_path / f"{turn % 2}.log", f"w{turn % 2}", batch_records="300")
        with ended(*workers):
            installation.drain()
            assert installation.facts() == folded(records)


def test_a_worker_that_was_paused_writes_nothing_that_counts_and_goes_on_with_what_others_wrote(
    installation: Installation, records: list[Prepared], tmp_path: Path
) -> None:
    """Its partitions are another's when it wakes up, and may come back to it. What it had on its way may still be written: then
    both end, and whoever supervises them starts them again.
    """
    installation.configure()
    parts = in_parts(records, 4)
    installation.say(parts[0])
    start = {
        name: partial(worker, installation, tmp_path / f"{name}.log", batch_records="200")
        for name in ("paused", "other")
    }
    workers = {name: begin() for name, begin in start.items()}
    with ExitStack() as ends:
        for process in workers.values():
            ends.callback(process.kill)
            process.wait_until_ready()
        installation.say(parts[1])
        time.sleep(0.5)
        workers["paused"].signal(signal.SIGSTOP)
        time.sleep(12)  # longer than its session
        installation.say(parts[2])
        workers["paused"].signal(signal.SIGCONT)
        for part in ([], parts[3]):
            installation.say(part)
            until = time.monotonic() + DRAIN_SECONDS
            while installation.lag("events", "facts"):
                assert time.monotonic() < until, "\n".join(process.said() for process in workers.values())
                for name, process in workers.items():
                    if process.process.poll() is not None:
                        assert "somebody else" in process.said()
                        workers[name] = start[name]()
                        ends.callback(workers[name].kill)
                time.sleep(0.3)
        assert installation.facts() == folded(records)
    again = worker(installation, tmp_path / "3.log")
    with ended(again):
        installation.say(last := [prepare(record) for record in simulate(1, DAYS + 1)][len(records) :])
        installation.drain()
        assert installation.facts() == folded([*records, *last])


def test_what_was_fetched_in_one_recovery_is_no_part_of_the_next(
    installation: Installation, records: list[Prepared], tmp_path: Path
) -> None:
    """It would count as read, and what lies before it would not be read at all. And what a fetch takes that has waited since then
    must not be missing.
    """
    installation.configure()
    parts = in_parts(records, 2)
    installation.say(parts[0])
    with ended(worker(installation, tmp_path / "1.log")):
        installation.drain()
    late = worker(installation, tmp_path / "late.log", batch_records="100", program=[str(LATE_WORKER)])
    with ended(late):
        late.wait_until_said(HELD)
        other = worker(installation, tmp_path / "2.log")
        with ended(other):
            late.wait_until_said(LATE)
            installation.say(parts[1])
            for one in (late, other):
                one.wait_until_ready()
            installation.drain()
            assert installation.facts() == folded(records)
            assert rows_of(late) + rows_of(other) == sum(map(installation.rows, ("cases", "departments")))
            assert late.stop() == other.stop() == 0


def test_an_error_in_a_batch_ends_the_worker_and_loses_nothing(
    installation: Installation, records: list[Prepared], tmp_path: Path
) -> None:
    """The batches behind it wait already: they must not be taken."""
    installation.configure()
    installation.say(records)
    failing = worker(installation, tmp_path / "1.log", batch_records="100", program=[str(FAILING)])
    with ended(failing):
        assert failing.process.wait(60) != 0
    assert "stopped by an error" in failing.said()
    again = worker(installation, tmp_path / "2.log")
    with ended(again):
        installation.drain()
        assert installation.facts() == folded(records)


def test_a_worker_that_is_told_to_stop_finishes_its_batch_and_what_follows_is_done_once(
    installation: Installation, records: list[Prepared], tmp_path: Path
) -> None:
    installation.configure()
    installation.say(records)
    all_of_it = installation.lag("events")
    first = worker(installation, tmp_path / "1.log", batch_records="50")
    with ended(first):
        while first.process.poll() is None and installation.lag("events") >= all_of_it:
            time.sleep(0.1)
        began = time.monotonic()
        assert first.stop(15) == 0
        assert time.monotonic() - began < 15
    said = sum(map(len, installation.held("facts").values()))
    left = installation.lag("events")
    assert left, "it should have been stopped before the end"
    second = worker(installation, tmp_path / "2.log", batch_records="500")
    with ended(second):
        installation.drain()
        assert installation.facts() == folded(records)
    assert said > 0


def test_a_record_that_cannot_be_read_is_set_aside_and_the_rest_flows(
    installation: Installation, records: list[Prepared], tmp_path: Path
) -> None:
    installation.configure()
    parts = in_parts(records, 3)
    future = msgspec.json.decode(next(r.value for r in records if r.key))
    future |= {"type": "crossdesk.teleported", "id": "0" * 32}
    large = [b'{"a":"' + b"x" * 5_000_000 + b'"}', b"\x00" * 5_000_000]
    poison = [b"\x00\xff not an event", b"", msgspec.json.encode(future), *large]
    installation.say(parts[0])
    for value in poison:
        installation.put("events", 1, b"helpdesk/POISON", value)
    installation.say([*parts[1], *parts[2]])
    one = worker(installation, tmp_path / "1.log")
    with ended(one):
        installation.drain()
        assert installation.facts() == folded(records)
        aside = [value for said in installation.held("rejected").values() for _, value in said if value]
        assert len(aside) == len(poison)
        assert all(msgspec.json.decode(value)["reason"] for value in aside)


def test_nothing_is_folded_under_a_version_that_is_not_there_yet(
    installation: Installation, records: list[Prepared], tmp_path: Path
) -> None:
    """The mark has overtaken the configuration."""
    from ingest import event as e

    mark = e.encode(e.config_mark(1, e.instant(0)))
    for partition in range(PARTITIONS):
        installation.put("events", partition, None, mark)
    installation.say(records[:3000])
    one = worker(installation, tmp_path / "1.log")
    with ended(one):
        one.wait_until_said("waiting for a configuration; `crossdesk apply FOLDER --kafka` says one")
        time.sleep(1)
        assert installation.facts() == {}
        installation.put("config", 0, b"2", encode(example().files.model_copy(update={"version": 2})))
        one.wait_until_said("waiting for version 1 of the configuration")
        time.sleep(1)
        assert installation.facts() == {}
        installation.put("config", 0, b"1", encode(example().files))
        installation.drain()
        assert installation.facts() == folded(records[:3000])


def test_of_a_row_that_a_paused_worker_overwrote_the_higher_version_stands_and_is_written_again(
    installation: Installation, records: list[Prepared], tmp_path: Path
) -> None:
    installation.configure()
    parts = in_parts(records, 2)
    installation.say(parts[0])
    one = worker(installation, tmp_path / "1.log")
    with ended(one):
        installation.drain()
        assert one.stop() == 0
    overwritten = 0
    for partition, rows in installation.held("cases").items():
        for key, value in [(k, v) for k, v in rows if v and k != "\U0010ffff".encode()][:40]:
            installation.put("cases", partition, key, (0).to_bytes(VERSION_BYTES, "big") + value[VERSION_BYTES:])
            overwritten += 1
    again = worker(installation, tmp_path / "2.log")
    with ended(again):
        installation.say(parts[1])
        installation.drain()
        assert installation.facts() == folded(records)
    assert overwritten > 100
    for rows in installation.held("cases").values():
        last: dict[bytes, int] = {}
        highest: dict[bytes, int] = {}
        for key, row in rows:
            if key is not None and row is not None:
                last[key] = version = int.from_bytes(row[:VERSION_BYTES], "big")
                highest[key] = max(version, highest.get(key, 0))
        assert last == highest


def test_a_worker_refuses_topics_that_are_not_as_declared(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "generation", 7)
    one = worker(installation, tmp_path / "1.log")
    with ended(one):
        assert one.process.wait(30) == 1
    assert ".cases.7: is not there. `crossdesk topics check` says all" in one.said()
    assert "Traceback" not in one.said()


@pytest.mark.full
def test_a_worker_that_is_stopped_is_not_ready_within_a_minute_and_goes_on_afterwards(
    installation: Installation, records: list[Prepared], tmp_path: Path
) -> None:
    installation.configure()
    one = worker(installation, tmp_path / "1.log", "w1").wait_until_ready()
    with ended(one):
        parts = in_parts(records, 2)
        installation.say(parts[0])
        one.signal(signal.SIGSTOP)
        installation.say(parts[1])
        time.sleep(60)
        assert one.why_not_ready()
        one.signal(signal.SIGCONT)
        one.wait_until_ready(90)
        installation.drain()
        assert installation.facts() == folded(records)
