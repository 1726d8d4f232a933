"""The public ServiceNow log gives exactly what docs/servicenow-log.md says it does: every query there is run."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.cli import main
from sinks.clickhouse import connect

ROOT = Path(__file__).parents[1]
LOG = ROOT.parent / "shared" / "data" / "uci498" / "incident_event_log.zip"
BLOCK = re.compile(r"```(sql|file-sql)\n(.*?)```\n→ (.*?)\n", re.DOTALL)
SETTINGS = "SETTINGS input_format_try_infer_dates = 0, input_format_try_infer_datetimes = 0"

pytestmark = pytest.mark.skipif(not LOG.exists(), reason="the public log of UCI 498 does not lie beside the project")


def documented(kind: str) -> list[tuple[str, list[list[str]]]]:
    """The queries of the page, and the rows that it promises."""
    found = BLOCK.findall((ROOT / "docs" / "servicenow-log.md").read_text())
    return [(sql, [row.split(", ") for row in re.findall(r"`(.*?)`", answer)]) for k, sql, answer in found if k == kind]


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    arguments = ["replay", str(LOG), "--connector", "servicenow_log", "--data", str(folder), "--no-serve"]
    subprocess.run([sys.executable, "-m", "deploy.cli", *arguments], check=True, capture_output=True, cwd=ROOT)
    return folder


def test_every_query_over_facts_gives_the_documented_answer(replayed: Path) -> None:
    queries = documented("sql")
    assert len(queries) >= 6
    store = connect(f"chdb://{replayed / 'store'}")
    answers = [[[str(cell) for cell in row] for row in store.query(sql).rows] for sql, _ in queries]
    store.close()
    assert answers == [wanted for _, wanted in queries]


def test_every_query_over_the_file_gives_the_documented_answer(tmp_path: Path) -> None:
    zipfile.ZipFile(LOG).extractall(tmp_path)
    queries = documented("file-sql")
    assert len(queries) >= 6
    for sql, wanted in queries:
        asked = [sys.executable, "-m", "chdb", f"{sql} {SETTINGS}", "TabSeparated"]
        answer = subprocess.run(asked, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
        assert [row.split("\t") for row in answer.splitlines()] == wanted, sql


def test_whom_each_case_waited_for_adds_up_to_its_time(replayed: Path, tally: Callable[[str, int], None]) -> None:
    """To the microsecond: from when it was asked until it was solved, for the last time."""
    store = connect(f"chdb://{replayed / 'store'}")
    cases = store.query(
        "SELECT sum(calendar_us), toUnixTimestamp64Micro(max(stop)) - toUnixTimestamp64Micro(min(start)) FROM facts"
        " WHERE measure LIKE 'waiting\\_%' AND stop IS NOT NULL GROUP BY case_id, level"
    ).rows
    store.close()
    assert len(cases) > 20_000
    assert [row for row in cases if row[0] != row[1]] == []
    tally("cases of a real log whose clocks add up", len(cases))


def test_every_case_can_be_explained_and_its_intervals_add_up(replayed: Path) -> None:
    store = connect(f"chdb://{replayed / 'store'}")
    rows = store.query("SELECT DISTINCT case_id FROM facts WHERE cityHash64(case_id) % 1000 = 7").rows
    store.close()
    assert len(rows) > 10
    for (case,) in rows:
        result = CliRunner().invoke(main, ["explain", str(case), "--data", str(replayed)])
        assert result.exit_code == 0, result.output
        assert "sum" in result.output
