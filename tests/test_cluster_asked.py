"""What commands answer about an installation on Kafka: of its store, and of what was set aside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from on_kafka import Installation

from deploy.cli import main
from deploy.demo import EXAMPLE
from ingest import topics
from ingest.event import Unreadable
from streams.cases import rejected

PARTITIONS = 2
OPENS = (
    "from sinks.clickhouse import connect; import sys; store = connect(sys.argv[1]); store.migrate(); print(flush=True)"
)
HOLDS = f"{OPENS}; input()"


def run(*words: str, environment: Mapping[str, str]) -> Result:
    return CliRunner(env=dict(environment)).invoke(main, words)


# -- the store
@pytest.fixture
def store(tmp_path: Path) -> str:
    address = f"chdb://{tmp_path / 'store'}"
    subprocess.run([sys.executable, "-c", OPENS, address], check=True, capture_output=True)
    return address


def asked(store: str, sql: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: chDB has one folder open in each."""
    command = [sys.executable, "-m", "deploy.cli", "query", "--kafka", "--json", sql]
    environment = {**os.environ, "CROSSDESK_SINKS_CLICKHOUSE_DSN": store}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_store_that_the_sink_writes_to_is_asked_in_sql(store: str) -> None:
    said = asked(store, "SELECT count() AS facts FROM facts")
    assert (said.returncode, json.loads(said.stdout)) == (0, {"facts": 0}), said.stderr


def test_while_the_sink_has_chdb_open_it_says_who_has_it_and_what_to_do(store: str) -> None:
    holding = [sys.executable, "-c", HOLDS, store]
    with subprocess.Popen(holding, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        said = asked(store, "SELECT 1")
        holder.communicate("\n")
    assert said.returncode == 1
    assert f"is open in process {holder.pid}" in said.stderr
    assert "stop that one first, and start it again afterwards" in said.stderr


def test_whoever_has_not_said_where_the_store_is_learns_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROSSDESK_SINKS_CLICKHOUSE_DSN", raising=False)
    said = run("query", "--kafka", "SELECT 1", environment={})
    assert said.exit_code == 1
    assert "CROSSDESK_SINKS_CLICKHOUSE_DSN_FILE is not set; the file holds clickhouse://" in said.output


@pytest.mark.parametrize(
    "words", [("query", "SELECT 1"), ("rejected",), ("apply", str(EXAMPLE)), ("rebuild",), ("switch",)]
)
def test_a_folder_and_the_installation_on_kafka_are_not_asked_at_once(words: tuple[str, ...], tmp_path: Path) -> None:
    said = run(*words, "--kafka", "--data", str(tmp_path), environment={})
    assert said.exit_code == 2
    assert "leave one of them out" in said.output


# -- what was set aside
def test_what_could_not_be_read_is_listed_once_with_its_partition(installation: Installation) -> None:
    one, other = (rejected(p, 7, Unreadable("no JSON"), b"\xff") for p in (0, 1))
    for value in (one, other, one):
        installation.put("rejected", 0, b"7", value)
    said = run("rejected", "--kafka", "--all", environment=installation.environment)
    assert said.output.splitlines() == [
        "0-7 partition 0, offset 7 of the log: no JSON",
        "1-7 partition 1, offset 7 of the log: no JSON",
    ]
    shown = run("rejected", "--kafka", "--all", "--json", environment=installation.environment).output
    assert [json.loads(line)["partition"] for line in shown.splitlines()] == [0, 1]
    assert msgspec.json.decode(one)["raw"] == "\ufffd"


def test_a_missing_topic_is_not_taken_for_nothing_set_aside(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topics, "PREFIX", "nobody-made-these")
    said = run("rejected", "--kafka", environment=installation.environment)
    assert said.exit_code == 1
    assert "there is no topic nobody-made-these.rejected: `crossdesk topics apply` makes" in said.output
