"""`crossdesk replay --kafka` and `crossdesk demo --kafka`: what was acknowledged is not said again, whatever happens between."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from on_kafka import Installation, example

from deploy.ahead import Prepared, prepare
from deploy.cli import main
from deploy.folder import Stopped
from deploy.kafka.broker import Broker
from deploy.measure_cli import STAGES
from deploy.settled import FILE, Settled
from deploy.topics import Topics
from ingest import event as e
from ingest import topics as declared
from ingest.connectors.simulated import simulate
from streams.configuration import Configuration

PARTITIONS = 2
LOG = Path(__file__).parent / "fixtures" / "servicenow_log.csv"
REPLAY = ("replay", LOG, "--connector", "servicenow_log", "--kafka", "--data", "d")
DEMO = ("demo", "--days", "2", "--kafka", "--data", "d")

COMPANY = """\
organisation: Test
zone: UTC
hours: {mon-fri: "09:00-17:00"}
sources: [desk]
bots: [{source: desk, who: nils}]
departments: [{id: it, name: IT}]
groups: [{source: desk, group: Network, department: it}]
"""

Crossdesk = Callable[..., Result]


@pytest.fixture
def installation(kafka: Broker, monkeypatch: pytest.MonkeyPatch, prefix: str, tmp_path: Path) -> Installation:
    monkeypatch.setattr(declared, "PREFIX", prefix)
    monkeypatch.chdir(tmp_path)
    return Installation(kafka, prefix, PARTITIONS)


@pytest.fixture
def crossdesk(installation: Installation) -> Crossdesk:
    def run(*words: str | Path) -> Result:
        return CliRunner(env=installation.environment).invoke(main, list(map(str, words)))

    return run


@pytest.fixture
def company(tmp_path: Path) -> Path:
    (tmp_path / "company").mkdir()
    (tmp_path / "company" / "company.yaml").write_text(COMPANY)
    return Path("company")


def events(installation: Installation) -> list[e.Record]:
    return [e.decode(value) for records in installation.held("events").values() for _, value in records if value]


def cases(installation: Installation) -> list[e.Record]:
    return [event for event in events(installation) if not isinstance(event, e.Mark)]


def in_force(installation: Installation) -> list[Configuration]:
    return [Configuration.decode(value) for _, value in installation.held("config")[0] if value]


def simulated(days: int) -> list[Prepared]:
    return [prepare(record) for record in simulate(1, days)]


# -- a demo


def test_a_demo_makes_topics_puts_the_example_in_force_and_says_all_that_happens(
    crossdesk: Crossdesk, installation: Installation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installation.prefix += ".new"
    monkeypatch.setattr(declared, "PREFIX", installation.prefix)
    said = crossdesk(*DEMO)
    assert said.exit_code == 0, said.output
    assert [c.files for c in in_force(installation)] == [example().files]
    records, held = simulated(2), installation.held("events")
    assert len(held) == declared.PARTITIONS
    for there in held.values():
        _, first = there[0]
        assert isinstance(e.decode(first or b""), e.ConfigMark)
        ours = {key for key, _ in there if key}
        expected = [(r.key.encode() or None, r.value) for r in records if not r.key or r.key.encode() in ours]
        assert there[1:] == expected
    assert json.loads((tmp_path / "d" / "truth.json").read_text())["truth"]["days"] == 2


def test_a_demo_ends_by_saying_what_to_start_and_there_is_such_a_command(crossdesk: Crossdesk) -> None:
    out = crossdesk(*DEMO).stdout
    commands = re.findall(r"^    crossdesk (.*)$", out, re.MULTILINE)
    assert commands == [command for _, command in STAGES]
    for command in commands:
        assert crossdesk(*command.split(), "--help").exit_code == 0
    assert max(map(len, out.splitlines())) <= 80


def test_the_same_demo_again_says_nothing(crossdesk: Crossdesk, installation: Installation) -> None:
    crossdesk(*DEMO)
    before = installation.held("events")
    again = crossdesk(*DEMO)
    assert again.exit_code == 0
    assert "Nothing is new: all of it was acknowledged before" in again.stderr
    assert installation.held("events") == before


def test_who_is_killed_goes_on_where_it_was_acknowledged(installation: Installation, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.cli", *DEMO]
    environment = installation.environment | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    first = subprocess.Popen([*command, "--rate", "400"], cwd=tmp_path, env=environment)
    try:
        until = time.monotonic() + 60
        while settled(tmp_path / "d") < 1_000:
            assert time.monotonic() < until
            time.sleep(0.1)
    finally:
        first.kill()
        first.wait()
    done = settled(tmp_path / "d")
    again = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    records, held = simulated(2), installation.held("events")
    assert f"Went on behind the {done:,} records" in again.stderr
    assert settled(tmp_path / "d") == len(records) > done
    for there in held.values():
        said = [value for _, value in there[1:]]
        ours = {key for key, _ in there if key}
        expected = [r.value for r in records if not r.key or r.key.encode() in ours]
        assert list(dict.fromkeys(said)) == expected, "each is there, and was first said in order"
        assert len(said) - len(expected) < 400 * 4, (
            "no more is repeated than was said since the last time it was settled"
        )


def settled(folder: Path) -> int:
    file = folder / FILE
    return sum(said["records"] for said in json.loads(file.read_text()).values()) if file.exists() else 0


def test_no_more_records_a_second_than_asked_for(crossdesk: Crossdesk) -> None:
    started = time.monotonic()
    said = crossdesk("demo", "--days", "1", "--kafka", "--rate", "500", "--data", "d")
    assert said.exit_code == 0
    assert time.monotonic() - started >= (len(simulated(1)) - 1) / 500


def test_a_rate_is_for_kafka_only() -> None:
    refused = CliRunner().invoke(main, ["demo", "--rate", "5"])
    assert refused.exit_code == 2
    assert "--rate is for what is said to Kafka" in refused.stderr


# -- a log


def test_a_log_is_said_under_a_trial_where_nothing_is_in_force(
    crossdesk: Crossdesk, installation: Installation
) -> None:
    assert crossdesk(*REPLAY).exit_code == 0
    (configuration,) = in_force(installation)
    assert configuration.files.company.organisation == "trial"
    assert {event.source for event in cases(installation)} == {"servicenow_log"} == configuration.sources
    for there in installation.held("events").values():
        _, first = there[0]
        assert isinstance(e.decode(first or b""), e.ConfigMark), "before any event"


def test_a_log_is_said_under_what_is_in_force(crossdesk: Crossdesk, installation: Installation, company: Path) -> None:
    crossdesk("apply", company, "--kafka")
    assert crossdesk(*REPLAY).exit_code == 0
    assert [c.version for c in in_force(installation)] == [1]
    assert {event.source for event in cases(installation)} == {"desk"}
    assert any(event.actor is e.Actor.provider_bot for event in cases(installation)), "nils is a bot there"


def test_a_log_puts_its_own_company_in_force(crossdesk: Crossdesk, installation: Installation, company: Path) -> None:
    assert crossdesk(*REPLAY, "--config", company).exit_code == 0
    (configuration,) = in_force(installation)
    assert configuration.files.company.organisation == "Test"
    again = crossdesk(*REPLAY, "--config", company)
    assert again.exit_code == 0
    assert "Nothing is new" in again.stderr
    (company / "company.yaml").write_text(COMPANY.replace("name: IT", "name: Infotech"))
    refused = crossdesk(*REPLAY, "--config", company)
    assert refused.exit_code == 1
    assert "other company files or norms are in force than those in company" in refused.stderr
    crossdesk("apply", company, "--kafka")
    assert crossdesk(*REPLAY, "--config", company).exit_code == 0


def test_a_log_that_is_read_otherwise_does_not_mix_with_itself(
    crossdesk: Crossdesk, installation: Installation
) -> None:
    crossdesk(*REPLAY)
    before = installation.held("events")
    refused = crossdesk(*REPLAY, "--zone", "Asia/Tokyo")
    assert refused.exit_code == 1
    assert "the same log, read with another mapping, zone, source or other bots" in refused.stderr
    assert installation.held("events") == before


def test_topics_that_were_made_anew_get_all_of_it_again(crossdesk: Crossdesk, installation: Installation) -> None:
    crossdesk(*REPLAY)
    before = len(cases(installation))
    with Topics(installation.settings, list(declared.topics())) as topics:
        topics._admin.delete_topics([topic.name for topic in declared.topics()])
        while len(topics.differences()) < len(topics.declared):
            time.sleep(0.1)
        topics.partitions = PARTITIONS
        topics.apply()
    again = crossdesk(*REPLAY)
    assert again.exit_code == 0, again.output
    assert "Nothing is new" not in again.stderr
    assert len(cases(installation)) == before > 0


def test_two_sources_share_a_folder_and_its_key(
    crossdesk: Crossdesk, installation: Installation, tmp_path: Path
) -> None:
    crossdesk(*REPLAY)
    key = (tmp_path / "d" / "identity.key").read_bytes()
    (tmp_path / "other.csv").write_text(LOG.read_text().replace("INC", "OTHER"))
    other = crossdesk("replay", "other.csv", *REPLAY[2:])
    assert other.exit_code == 0, other.output
    assert (tmp_path / "d" / "identity.key").read_bytes() == key
    first, second = ({c for c in cases(installation) if c.subject.startswith(which)} for which in ("INC", "OTHER"))
    assert {c.who for c in first} == {c.who for c in second}
    assert len(json.loads((tmp_path / "d" / FILE).read_text())) == 2


def test_nothing_is_said_to_topics_that_differ(crossdesk: Crossdesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declared, "PREFIX", "not-made")
    said = crossdesk(*REPLAY)
    assert said.exit_code == 1
    assert "not-made.events: is not there. `crossdesk topics check` says all, `apply` mends it" in said.stderr


def test_a_broker_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.topics.ANSWER_MS", 500)
    monkeypatch.chdir(tmp_path)
    said = CliRunner(env={**os.environ, "CROSSDESK_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}).invoke(
        main, [str(word) for word in REPLAY]
    )
    assert said.exit_code == 1
    assert "no broker answers at 127.0.0.1:1; is CROSSDESK_KAFKA_BOOTSTRAP_SERVERS right?" in said.stderr


# -- what a folder remembers


def test_two_at_once_in_one_folder_are_refused(tmp_path: Path) -> None:
    with Settled(tmp_path), pytest.raises(Stopped, match="another crossdesk says what is in"):
        Settled(tmp_path)
    with Settled(tmp_path):
        pass


def test_a_count_is_of_one_source_and_one_topic(tmp_path: Path) -> None:
    with Settled(tmp_path) as one:
        one.settle("a", "topic", 7)
        one.settle("b", "topic", 9)
    with Settled(tmp_path) as again:
        assert (again.records("a", "topic"), again.records("b", "topic")) == (7, 9)
        assert again.records("a", "the one made after it") == 0
        assert again.records("c", "topic") == 0


def test_a_damaged_count_is_named_with_its_mend(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"a": {"records": "many"}}')
    with pytest.raises(Stopped, match=r"settled\.json is damaged .*: delete it, and all is said again; it counts once"):
        Settled(tmp_path)
