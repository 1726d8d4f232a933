"""What commands read of an installation that others have open: of a folder that is served, what they read of it when it is not."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import Popen
from typing import Any, NamedTuple

import pytest
from histories import envelope
from test_serve import run, said_port, start

from deploy.demo import EXAMPLE
from deploy.folder import LOG, Stopped, asked
from deploy.log import Log, LogError
from deploy.log_read import log_read
from deploy.serve import COPY, Server, ask, copied, running
from ingest import event as e

ROOT = Path(__file__).parent.parent
SLA: dict[str, Any] = {
    "name": "Time to first response",
    "completedCycles": [
        {
            "startTime": {"epochMillis": 1767600000000},
            "stopTime": {"epochMillis": 1767600060000},
            "breached": False,
            "goalDuration": {"millis": 14_400_000},
            "elapsedTime": {"millis": 60_000},
        }
    ],
}
ANSWER = {"issueId": "HD-100001", "issueKey": "HD-100001", "sla": {"values": [SLA]}}
DAY = "2026-01-06"
COMMANDS = {
    "plan": ("norms", "plan", "new", "--json"),
    "reproduce": ("reproduce", "it/first_response_attainment_ratio", DAY),
    "reproduce for programs": ("reproduce", "it/first_response_attainment_ratio", DAY, "--json"),
    "what is not published": ("reproduce", "it/first_response_attainment_ratio", "2025-01-06"),
    "compare": ("compare", "jira", "sla.json", "--json"),
}


class Answers(NamedTuple):
    """Of each command: exit code, what it printed, and what it said went wrong."""

    at: Path
    served: dict[str, tuple[int, str, str]]
    alone: dict[str, tuple[int, str, str]]
    left: list[str]


def answers(at: Path) -> dict[str, tuple[int, str, str]]:
    done = {name: run(at, *words, "--data", "d") for name, words in COMMANDS.items()}
    return {name: (said.returncode, said.stdout, said.stderr) for name, said in done.items()}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """The same commands while a demo of four days is served, and when it has ended."""
    at = tmp_path_factory.mktemp("read")
    (at / "sla.json").write_text(json.dumps(ANSWER))
    (at / "new").mkdir()
    for name in ("company.yaml", "norms.yaml"):
        text = (EXAMPLE / name).read_text(encoding="utf-8")
        (at / "new" / name).write_text(text.replace("first_response: 4bh", "first_response: 1bh"), encoding="utf-8")
    process: Popen[str] = start(at, "demo", "--days", "4", "--data", "d", "--port", "0")
    try:
        said_port(process)
        (at / "d" / f"{COPY}of-the-dead.sqlite3").write_text("")
        served = answers(at)
        left = sorted(path.name for path in (at / "d").glob(f"{COPY}*"))
    finally:
        process.terminate()
        process.communicate(timeout=30)
    return Answers(at, served, answers(at), left)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_that_is_served_is_answered_of_as_one_that_is_not(name: str, told: Answers) -> None:
    assert told.served[name] == told.alone[name]
    assert "Traceback" not in told.served[name][2]


def test_they_say_what_they_are_asked_for(told: Answers) -> None:
    found = json.loads(told.served["plan"][1])
    assert found["cases"] > 100
    assert told.served["reproduce"][0] == 0
    assert "the same, bit for bit" in told.served["reproduce"][1]
    assert json.loads(told.served["reproduce for programs"][1])["same"]
    code, _, why = told.served["what is not published"]
    assert (code, "is not published: there is 2026-01-05 to" in why) == (1, True)
    rows = json.loads(told.served["compare"][1])["rows"]
    assert {row["case"] for row in rows} == {"HD-100001"}
    assert not any("not_found" in row["reasons"] for row in rows)


def test_what_was_copied_is_removed_by_who_asked(told: Answers) -> None:
    assert told.left == [f"{COPY}of-the-dead.sqlite3"]


def test_who_serves_again_removes_what_the_killed_left(told: Answers) -> None:
    assert (told.at / "d" / f"{COPY}of-the-dead.sqlite3").exists()
    process = start(told.at, "demo", "--days", "4", "--data", "d", "--port", "0")
    try:
        said_port(process)
        address = running(told.at / "d")
        assert address is not None
        ask(address, "/hello", {})
        assert not list((told.at / "d").glob(f"{COPY}*"))
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_a_copy_holds_what_the_log_holds_now_and_who_reads_it_changes_nothing(tmp_path: Path) -> None:
    event = e.Noted(**envelope("C1", 0, "C1-1"), data=e.ActedData())
    with Log(tmp_path / LOG) as log:
        with log.transaction():
            log.append("events", [(event.key, e.encode(event))], 7)
            log.set_position("cases", 1)
        server = Server(tmp_path, 0, lambda _: ("text/plain", b""), {"/copy": lambda _: copied(log)})
        try:
            with log_read(tmp_path, on_kafka=False) as copy:
                assert copy.name == str(tmp_path)
                assert copy.of_key("events", event.key) == log.of_key("events", event.key)
                assert copy.position("cases") == 1
                with copy.transaction():
                    copy.set_position("cases", 2)
            assert log.position("cases") == 1
            assert not list(tmp_path.glob(f"{COPY}*"))
        finally:
            server.close()


def test_a_copy_that_cannot_be_made_is_told_to_who_asked(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    with Log(folder / LOG) as log:
        server = Server(tmp_path, 0, lambda _: ("text/plain", b""), {"/copy": lambda _: copied(log)})
        try:
            folder.rename(tmp_path / "moved")
            with pytest.raises(Stopped, match=f"cannot be written: check who may write to {folder}"):
                asked(tmp_path, "/copy", {})
        finally:
            server.close()


def test_a_copy_replaces_nothing(tmp_path: Path) -> None:
    with Log(tmp_path / LOG) as log:
        log.copy(taken := tmp_path / "taken")
        with log.transaction():
            log.set_position("cases", 1)
        with pytest.raises(LogError, match="already exists"):
            log.copy(taken)
    with Log(taken) as copy:
        assert copy.position("cases") == 0
