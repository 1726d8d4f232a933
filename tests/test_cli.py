"""The command line, as a new user meets it: each test is what somebody types, and what they read."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from deploy.cli import main
from sinks.clickhouse import connect

ROOT = Path(__file__).parent.parent
FIXTURES = Path(__file__).parent / "fixtures"
SERVICENOW = FIXTURES / "servicenow_log.csv"
EXAMPLE = ROOT / "deploy" / "example"
DAYS = "3"

COMPANY = """\
organisation: Test
zone: UTC
hours: {mon-fri: "09:00-17:00"}
sources: [desk]
departments: [{id: it, name: IT}]
groups: [{source: desk, group: Network, department: it}]
"""
NORMS = "norms: [{department: it, first_response: 4bh}]\n"


class Said(NamedTuple):
    code: int
    out: str
    err: str


def crossdesk(*words: str | Path, at: Path, without: Sequence[str] = ()) -> Said:
    """The command in a process of its own: chDB opens one folder in a process."""
    env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
    command = [*without, sys.executable, "-m", "deploy.cli", *map(str, words)]
    env["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(command, cwd=at, env=env, capture_output=True, text=True, timeout=120)
    assert "Traceback" not in done.stderr, done.stderr
    return Said(done.returncode, done.stdout, done.stderr)


def quickly(*words: str | Path) -> Said:
    """In this process, for what needs no chDB."""
    done = CliRunner(env={"COLUMNS": "80"}).invoke(main, list(map(str, words)), prog_name="crossdesk")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return Said(done.exit_code, done.stdout, done.stderr)


def counted(folder: Path, table: str = "facts") -> int:
    said = crossdesk("query", f"SELECT count() AS n FROM {table}", "--json", "--data", folder, at=folder.parent)
    assert said.code == 0, said.err
    return int(json.loads(said.out)["n"])


def replay(at: Path, file: Path, *more: str | Path) -> Said:
    return crossdesk("replay", file, "--connector", "servicenow_log", "--no-serve", "--data", "d", *more, at=at)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    """A demo of a few days, in ``data/demo-5-…`` of the folder."""
    at = tmp_path_factory.mktemp("demo")
    said = crossdesk("demo", "--days", DAYS, "--seed", "5", "--no-serve", at=at)
    assert said.code == 0, said.err
    return at, said


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A copy of the log of ServiceNow that a test may spoil."""
    return Path(shutil.copy(SERVICENOW, tmp_path / "log.csv"))


def documented(name: str, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", (ROOT / "docs" / name).read_text(), re.DOTALL)


# -- help
COMMANDS = (
    *(
        "apply",
        "compare",
        "demo",
        "explain",
        "ingest",
        "norms",
        "privacy",
        "publish",
        "query",
        "rebuild",
        "reconcile",
        "rejected",
    ),
    *("repair", "replay", "reproduce", "sandbox", "schema", "sink", "streams", "switch", "topics", "unmapped"),
)
PARTS = (
    *("rejected list", "rejected show", "rejected replay", "rejected discard"),
    *("ingest run", "ingest check", "ingest file"),
    *("norms lint", "norms plan", "norms page", "norms import zendesk", "norms import jira"),
    *("compare zendesk", "compare jira", "privacy page", "privacy person"),
    *("topics apply", "topics check", "sink clickhouse", "sink prometheus"),
)


def test_the_help_names_every_command_in_whole_sentences() -> None:
    said = quickly("--help")
    assert tuple(re.findall(r"^  ([a-z]+)  ", said.out.partition("Commands:")[2], re.MULTILINE)) == COMMANDS
    assert "..." not in said.out.partition("Commands:")[2]


@pytest.mark.parametrize("command", [*COMMANDS, *PARTS])
def test_each_help_fits_a_terminal(command: str) -> None:
    said = quickly(*command.split(), "--help")
    assert said.code == 0
    assert max(map(len, said.out.splitlines())) <= 80


# -- demo
def test_the_tables_of_a_demo_are_whole_at_eighty_columns_and_in_a_file(demo: tuple[Path, Said]) -> None:
    out = demo[1].out
    assert "…" not in out
    assert max(map(len, out.splitlines())) <= 80
    assert not set(out) & set("┃│╇┡┏┓")
    names = re.findall(r'name: ([^,}"]+)', (EXAMPLE / "company.yaml").read_text())
    rows = [line.strip() for line in out.partition("Department by department")[2].splitlines()]
    shown = [name for row in rows for name in names if re.match(rf"{re.escape(name)}  ", row)]
    assert shown == [name for name in names if name in shown], "not in the order of the company file"
    assert len(shown) >= 12


def test_a_demo_says_what_a_manager_wants_to_know(demo: tuple[Path, Said]) -> None:
    out = demo[1].out
    titles = [
        "Who answers in time",
        "Where hand-overs stall",
        "What is promised, and kept",
        "What got worse",
        "What counts nowhere",
        "Department by department",
        "How sure we are",
    ]
    assert [line for line in out.splitlines() if line in titles] == titles
    assert "\n3 days to Thu 08 Jan 2026 (Europe/Berlin)\n" in out
    assert re.search(r"^Of 100 requests, \d+ had their first answer in the time promised \(surely", out, re.MULTILINE)
    assert re.search(r"^Of 100 cases, \d+ counts? nowhere \(surely .*\n?.* merged", out, re.MULTILINE)
    assert "Too early to say" in out
    assert out.count("─" * 40) == 1, "one table"


def test_a_demo_compares_itself_with_its_truth_file(demo: tuple[Path, Said]) -> None:
    at, said = demo
    found = re.findall(r"^truth: (\d+) values, 0 differ$", said.out, re.MULTILINE)
    assert [int(n) > 3_000 for n in found] == [True]
    truth = json.loads((at / f"data/demo-5-{DAYS}/truth.json").read_text())
    assert truth["truth"] == {"seed": 5, "days": 3, "start": "2026-01-05"}
    assert len(truth["cells"]) * 3 == int(found[0])


def test_a_fact_that_is_not_what_happened_is_shown_and_fails(demo: tuple[Path, Said], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(demo[0] / f"data/demo-5-{DAYS}", tmp_path / "d", symlinks=True))
    store = connect(f"chdb://{folder / 'store'}")
    sql = "fact_id = (SELECT min(fact_id) FROM crossdesk_cases.facts WHERE measure = 'ping_pong')"
    store.execute(
        "INSERT INTO crossdesk_1.facts_versions (* EXCEPT (fact_id, retracted, standing))"
        " SELECT * EXCEPT (fact_id, retracted, standing)"
        f" REPLACE (version + 1 AS version, business_us + 7 AS business_us) FROM crossdesk_1.facts_versions WHERE {sql}"
    )
    store.close()
    said = crossdesk("demo", "--days", DAYS, "--seed", "5", "--no-serve", "--data", "d", at=tmp_path)
    assert said.code == 1
    assert re.search(r"^truth: \d+ values, 1 differ$", said.out, re.MULTILINE)
    assert re.search(r"^• ping_pong, \w+ \(from \w+\), level \d, done: is n \d+, ", said.out, re.MULTILINE)
    assert "what was measured is not what was simulated" in said.err
    assert "rm -r d" in said.err


def test_a_demo_publishes_the_days_that_are_over(demo: tuple[Path, Said]) -> None:
    sql = "SELECT period, uniqExact(period_start) AS n, max(revision) AS revisions FROM published GROUP BY ALL"
    said = crossdesk("query", sql, "--json", at=demo[0])
    assert json.loads(said.out) == {"period": "day", "n": 2, "revisions": 1}


@pytest.mark.full
@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_four_months_are_what_happened_and_what_was_planted_in_them_comes_out(seed: str, tmp_path: Path) -> None:
    said = crossdesk("demo", "--seed", seed, "--no-serve", "--data", "d", at=tmp_path)
    assert said.code == 0, said.err
    assert re.search(r"^truth: \d{5} values, 0 differ$", said.out, re.MULTILINE)
    worse = said.out.partition("What got worse in 17 weeks")[2].partition("Department by department")[0]
    assert re.search(
        r"IT Service to Procurement: half of the hand-overs took more than \S+ h\s+since\s+about Mon 09 Mar", worse
    )
    if seed != "3":  # where chance hides it
        assert "• Controlling: half of the first answers took more than" in worse


def test_a_company_of_another_size(tmp_path: Path) -> None:
    said = crossdesk("demo", "--departments", "3", "--days", "1", "--no-serve", at=tmp_path)
    assert said.code == 0, said.err
    assert "How the departments of Tidewell Group of 3 served each other\n1 day to " in said.out
    assert re.search(r"^truth: \d+ values, 0 differ$", said.out, re.MULTILINE)
    assert json.loads((tmp_path / "data/demo-1-1-3/truth.json").read_text())["truth"]["departments"] == 3
    said = crossdesk("query", "SELECT DISTINCT period FROM published ORDER BY period", "--json", at=tmp_path)
    assert said.out == '{"period": "hour"}\n', "the only day is not over"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--seed", "abc"), "Invalid value for '--seed': 'abc' is no whole number: write 0 or more, such as 7"),
        (("--seed", "-1"), "Invalid value for '--seed': -1 is too small: write 0 or more"),
        (("--days", "0"), "Invalid value for '--days': 0 is too small: write one from 1 to 3650"),
        (("--days", "1.5"), "Invalid value for '--days': '1.5' is no whole number: write one from 1 to 3650"),
        (("--departments", "1"), "Invalid value for '--departments': 1 is too small: write one from 2 to 500"),
        (("--departments", "501"), "Invalid value for '--departments': 501 is too large: write one from 2 to 500"),
        (("--departments", "500"), "500 departments over 120 days do not fit"),
        (("--departments", "500"), "write --days 10 or less, or --departments 79 or less"),
    ],
)
def test_a_demo_that_cannot_be_is_refused_with_what_to_write(words: tuple[str, ...], says: str, tmp_path: Path) -> None:
    said = quickly("demo", *words, "--no-serve", "--data", tmp_path / "d")
    assert said.code == 2
    assert says in said.err
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    ("run", "what"),
    [
        ({"seed": 8, "days": 1}, "the truth of seed 8, 1 days from 2026-01-05, not of seed 7, 1 days"),
        ({"seed": 7, "days": 2}, "the truth of seed 7, 2 days from 2026-01-05, not of"),
        (
            {"seed": 7, "days": 1, "departments": 4},
            "the truth of seed 7, 1 days from 2026-01-05, 4 departments, not of",
        ),
        ({}, "no truth file"),
    ],
)
def test_the_truth_of_another_run_is_refused_before_anything_is_done(
    run: dict[str, int], what: str, tmp_path: Path
) -> None:
    (tmp_path / "d").mkdir()
    text = json.dumps({"truth": {"start": "2026-01-05"} | run, "as_of_us": 0, "cells": []})
    (tmp_path / "d" / "truth.json").write_text(text)
    said = crossdesk("demo", "--days", "1", "--seed", "7", "--no-serve", "--data", "d", at=tmp_path)
    assert said.code == 1
    assert f"d/truth.json: {what}" in said.err
    assert "elete it" in said.err, "how to mend it"
    assert (tmp_path / "d" / "truth.json").read_text() == text


def test_no_progress_bar_is_drawn_where_nobody_looks(demo: tuple[Path, Said]) -> None:
    assert re.fullmatch(r"Simulating 3 days of Tidewell Instruments: [\d,]+ records, \d+ s\n", demo[1].err)


def test_what_a_demo_suggests_works_as_printed(demo: tuple[Path, Said]) -> None:
    at, said = demo
    hints = re.findall(r"^    crossdesk (.*)$", said.out, re.MULTILINE)
    assert len(hints) == 3
    for command in hints:
        assert crossdesk(*shlex.split(command), at=at).code == 0


def test_the_same_demo_again_finds_all_of_it_there(demo: tuple[Path, Said]) -> None:
    again = crossdesk("demo", "--days", DAYS, "--seed", "5", "--no-serve", at=demo[0])
    assert again.out == demo[1].out
    assert "Nothing is new" in again.err


def test_another_seed_does_not_mix_into_the_same_folder(demo: tuple[Path, Said]) -> None:
    folder = f"data/demo-5-{DAYS}"
    facts = counted(demo[0] / folder)
    said = crossdesk("demo", "--days", DAYS, "--seed", "6", "--no-serve", "--data", folder, at=demo[0])
    assert said.code == 1
    assert f"already holds another run: simulated seed 5, {DAYS} days" in said.err
    assert "--data" in said.err
    assert counted(demo[0] / folder) == facts


def test_ctrl_c_while_it_simulates_keeps_what_there_is_and_the_next_run_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.cli", "demo", "--days", "40", "--no-serve", "--data", "d"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # in the background it would be ignored
    process = subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True, preexec_fn=heard)
    deadline = time.monotonic() + 60
    while not _position(tmp_path / "d" / "log.sqlite3-wal"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert "the same command goes on from there" in process.communicate(timeout=60)[1]
    assert process.returncode == 130
    said = crossdesk("demo", "--days", "40", "--no-serve", "--data", "d", at=tmp_path)
    assert said.code == 0
    assert "Went on behind" in said.err
    assert re.search(r"^truth: \d+ values, 0 differ$", said.out, re.MULTILINE)


def _position(wal: Path) -> bool:
    """Enough is in the log that some batch was stored."""
    return wal.exists() and wal.stat().st_size > 2_000_000


# -- query
def test_without_data_the_newest_folder_answers_and_says_so(demo: tuple[Path, Said], tmp_path: Path) -> None:
    for name in ("old", "new"):
        shutil.copytree(demo[0] / f"data/demo-5-{DAYS}", tmp_path / "data" / name, symlinks=True)
    os.utime(tmp_path / "data/old/log.sqlite3", (1, 1))
    said = crossdesk("query", "SELECT 1 AS one", "--json", at=tmp_path)
    assert said.out == '{"one": 1}\n'
    assert said.err == "(of data/new, the newest)\n"


def test_nothing_is_there_yet(tmp_path: Path) -> None:
    said = crossdesk("query", "SELECT 1", at=tmp_path)
    assert said.code == 2
    assert "run `crossdesk demo`" in said.err


@pytest.mark.parametrize("command", [("query", "SELECT 1"), ("explain", "C1"), ("repair", "C1"), ("rejected",)])
def test_a_folder_without_data_is_named_and_not_made(command: tuple[str, ...], tmp_path: Path) -> None:
    said = quickly(*command, "--data", tmp_path / "nowhere")
    assert said.code == 1
    assert "nowhere holds no data of crossdesk" in said.err
    assert not (tmp_path / "nowhere").exists()


def test_rows_are_a_table_of_whole_cells(demo: tuple[Path, Said]) -> None:
    said = crossdesk("query", "SELECT fact_id, '[bold]' AS markup, 1 AS n FROM facts LIMIT 3", at=demo[0])
    lines = said.out.splitlines()
    assert len(lines) == 5
    assert all(re.match(r"helpdesk/\S+/[0-9a-f]{32}/\d/\S+ +\[bold\] +1$", line) for line in lines[2:])
    assert said.err.endswith("3 rows\n")


def test_json_is_json_for_every_value(demo: tuple[Path, Said]) -> None:
    sql = "SELECT nan AS a, NULL AS b, toDateTime64('2026-01-05 09:00:00', 6, 'UTC') AS c, toDecimal64(1.5, 2) AS d, [1] AS e"
    said = crossdesk("query", sql, "--json", at=demo[0])
    row = json.loads(said.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert row == {"a": None, "b": None, "c": "2026-01-05T09:00:00Z", "d": "1.50", "e": [1]}


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELEC 1", "Only statements that read"),
        ("DROP TABLE crossdesk_1.facts_versions", "Only statements that read"),
        ("INSERT INTO crossdesk_1.facts_versions SELECT * FROM facts", "Only statements that read"),
        ("SELECT 1; DROP TABLE crossdesk_1.facts_versions", "One statement at a time"),
        ("SELECT outcom FROM facts", "Maybe you meant: ['outcome']"),
        ("", "no statement"),
    ],
)
def test_what_is_no_question_is_refused_in_words(sql: str, message: str, demo: tuple[Path, Said]) -> None:
    said = crossdesk("query", sql, at=demo[0])
    assert said.code == 1
    assert message in said.err


# -- explain: what is not there (what is: test_explain.py)
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("NOCASE",), "there is no case 'NOCASE'"),
        (("HD-100001", "first_respons"), "has no 'first_respons'; it has "),
        (("HD-100001", "--level", "3"), "levels 0 to 2"),
    ],
)
def test_what_cannot_be_explained_says_what_can(words: tuple[str, ...], message: str, demo: tuple[Path, Said]) -> None:
    said = crossdesk("explain", *words, at=demo[0])
    assert said.code == 1
    assert message in said.err


# -- replay
@pytest.mark.parametrize(
    ("file", "options"),
    [
        ("servicenow_log.csv", ["--connector", "servicenow_log"]),
        ("event_log.ndjson", ["--connector", "event_log", "--mapping", str(FIXTURES / "event_log.yaml")]),
    ],
)
def test_the_fixtures_are_replayed(file: str, options: list[str], tmp_path: Path) -> None:
    said = crossdesk("replay", FIXTURES / file, *options, "--no-serve", at=tmp_path)
    assert said.code == 0, said.err
    assert "The whole log, all departments" in said.out
    assert max(map(len, said.out.splitlines())) <= 80
    assert counted(tmp_path / "data" / file.partition(".")[0]) > 10


def test_the_example_of_the_docs_works_as_printed(tmp_path: Path) -> None:
    (tmp_path / "tickets.csv").write_text(documented("event-log.md", "csv")[0])
    (tmp_path / "tickets.yaml").write_text(documented("event-log.md", "yaml")[0])
    words = ["replay", "tickets.csv", "--connector", "event_log", "--mapping", "tickets.yaml", "--no-serve"]
    said = crossdesk(*words, at=tmp_path)
    assert said.code == 0, said.err
    assert "not read" not in said.err
    assert "of group" not in said.err
    sql = "SELECT count() AS n FROM facts WHERE measure = 'acceptance' AND department = 'Legal'"
    assert json.loads(crossdesk("query", sql, "--json", at=tmp_path).out) == {"n": 1}


def test_a_replay_again_finds_all_of_it_there(tmp_path: Path) -> None:
    first, again = replay(tmp_path, SERVICENOW), replay(tmp_path, SERVICENOW)
    assert again.out == first.out
    assert "Nothing is new" in again.err


def test_a_log_read_otherwise_does_not_mix_with_itself(tmp_path: Path) -> None:
    replay(tmp_path, SERVICENOW)
    facts = counted(tmp_path / "d")
    said = replay(tmp_path, SERVICENOW, "--zone", "Asia/Tokyo")
    assert said.code == 1
    assert "the same log, read with another mapping, zone, source or other bots" in said.err
    assert counted(tmp_path / "d") == facts


def _spoilt(what: str, log: Path) -> None:
    text = log.read_text()
    match what:
        case "missing":
            log.unlink()
        case "directory":
            log.unlink()
            log.mkdir()
        case "empty":
            log.write_text("")
        case "no rows":
            log.write_text(text.splitlines()[0] + "\n")
        case "binary":
            log.write_bytes(b"\x89PNG\r\n\0\0" * 50)
        case "latin":
            log.write_bytes(text.replace("nadia", "nädia").encode("latin-1"))
        case "columns":
            log.write_text("".join(",".join(line.split(",")[:6]) + "\n" for line in text.splitlines()))
        case "dates":
            log.write_text(re.sub(r"(\d+)/(\d+)/2024", r"2024-\2-\1", text))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("missing", "log.csv: does not exist; check the path"),
        ("directory", "log.csv: is a directory; name the file inside it"),
        ("empty", "log.csv: is empty; export it again"),
        ("no rows", "log.csv: nothing of it can be used, and nothing was stored\nit has no rows: export it again"),
        ("binary", "log.csv: is binary, not text; export the log as CSV or NDJSON"),
        ("latin", "line 2; export it as UTF-8, or convert it"),
        ("columns", "log.csv: lacks the columns "),
        ("dates", "12 rows could not be read:\n       12  impossible time"),
    ],
)
def test_a_file_of_no_use_is_refused_with_its_place_and_mend(what: str, message: str, changed: Path) -> None:
    _spoilt(what, changed)
    said = replay(changed.parent, Path("log.csv"))
    assert said.code == 1
    if what != "dates":
        assert message in said.err
    else:
        assert "nothing was stored\n12 rows could not be read:" in said.err
        assert "(first: log.csv:2)" in said.err
    assert not (changed.parent / "d").exists(), "a wrong file leaves nothing behind"


def test_a_file_of_no_use_changes_nothing_that_was_stored(changed: Path) -> None:
    replay(changed.parent, Path("log.csv"))
    facts = counted(changed.parent / "d")
    _spoilt("columns", changed)
    assert replay(changed.parent, Path("log.csv")).code == 1
    assert counted(changed.parent / "d") == facts


@pytest.mark.parametrize(
    ("old", "new", "reason", "line"),
    [
        ("4/3/2024 09:10", "34/13/2024 09:10", "impossible time '34/13/2024 09:10' (expected %d/%m/%Y %H:%M)", 4),
        ("INC1,Active,true,2", "INC1,Dozing,true,2", "unknown state 'Dozing': say under 'state' what it means", 4),
        ("INC1,Active,true,3", "INC1,true,3", "has 16 columns, the header 17", 5),
    ],
)
def test_a_row_that_cannot_be_read_is_counted_with_its_place_and_the_rest_flows(
    old: str, new: str, reason: str, line: int, changed: Path
) -> None:
    text = changed.read_text()
    assert old in text
    changed.write_text(text.replace(old, new, 1))
    said = replay(changed.parent, Path("log.csv"))
    assert said.code == 0
    assert f"1 row could not be read:\n        1  {reason} (first: log.csv:{line})\n" in said.err
    assert counted(changed.parent / "d") > 10
    listed = crossdesk("rejected", "list", "--all", "--data", "d", at=changed.parent)
    assert re.fullmatch(
        rf"[0-9a-f]{{12}} servicenow_log log.csv:{line}: {re.escape(reason)}( \(case INC1\))?\n", listed.out
    )
    assert json.loads(crossdesk("rejected", "--json", "--data", "d", at=changed.parent).out)["reason"] == reason


def test_two_different_changes_of_one_id_are_told_apart_aloud(changed: Path) -> None:
    lines = changed.read_text().splitlines(keepends=True)
    changed.write_text("".join([*lines, lines[3].replace("Active", "Resolved")]))
    said = replay(changed.parent, Path("log.csv"))
    assert said.code == 0
    assert "another change of this case has the same id 'INC1|2|4/3/2024 09:10'; name more columns" in said.err
    assert f"(first: log.csv:{len(lines) + 1})" in said.err


def test_many_reasons_of_one_kind_are_one_line(changed: Path) -> None:
    header, first, *_ = changed.read_text().splitlines()
    rows = [first.replace("4/3/2024 09:00", f"bad{i}") for i in range(30)]
    changed.write_text("\n".join([header, first, *rows]) + "\n")
    said = replay(changed.parent, Path("log.csv"))
    assert "30 rows could not be read:\n       30  impossible time 'bad0'" in said.err
    assert len(crossdesk("rejected", "--all", "--data", "d", at=changed.parent).out.splitlines()) == 30
    (line,) = crossdesk("rejected", "--data", "d", at=changed.parent).out.splitlines()
    assert line.startswith("     30  servicenow_log: impossible time 'bad0'")


@pytest.mark.parametrize(
    ("zone", "mend"), [("Mars/Base", "such as Europe/Lisbon"), ("Europe/Berlim", "'Europe/Berlin'?")]
)
def test_a_wrong_zone_is_refused_with_the_nearest(zone: str, mend: str, tmp_path: Path) -> None:
    options: list[str | Path] = ["--connector", "servicenow_log", "--zone", zone, "--data", tmp_path / "d"]
    said = quickly("replay", SERVICENOW, *options)
    assert said.code == 2
    assert f"time zone '{zone}' is unknown" in said.err
    assert mend in said.err
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("cas: number\n", "m.yaml: unknown key 'cas'; did you mean 'case'?"),
        ("case: number\ntime: when\nstate: {column: s, values: {A: opne}}\n", "m.yaml: state.values.A"),
        ("case: number\ntime: when\ngroup: g\nzone: Mars/Base\n", "m.yaml: zone: time zone 'Mars/Base' is unknown"),
        ("[a, b", "m.yaml: no YAML"),
    ],
)
def test_a_mapping_with_mistakes_is_refused_with_its_place(mapping: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(mapping)
    options: list[str | Path] = ["--connector", "event_log", "--mapping", tmp_path / "m.yaml", "--data", tmp_path / "d"]
    said = quickly("replay", SERVICENOW, *options)
    assert said.code in (1, 2)
    assert f"{tmp_path}/{message}" in said.err
    assert not (tmp_path / "d").exists()


def company(at: Path, text: str = COMPANY, norms: str = NORMS) -> Path:
    folder = at / "company"
    folder.mkdir(exist_ok=True)
    (folder / "company.yaml").write_text(text)
    (folder / "norms.yaml").write_text(norms)
    return Path("company")


def test_groups_that_no_department_has_are_named_at_the_end(tmp_path: Path) -> None:
    said = replay(tmp_path, SERVICENOW, "--config", company(tmp_path))
    assert said.code == 0
    assert "2 cases of group 'Desk' (source desk) belong to no department: add it to company/company.yaml" in said.err
    assert "'Network'" not in said.err


def test_the_only_source_of_the_company_file_is_meant(tmp_path: Path) -> None:
    replay(tmp_path, SERVICENOW, "--config", company(tmp_path))
    assert crossdesk("explain", "desk/INC1", "--data", "d", at=tmp_path).code == 0


def test_a_source_that_the_company_file_does_not_name_is_refused(tmp_path: Path) -> None:
    said = replay(tmp_path, SERVICENOW, "--config", company(tmp_path), "--source", "helpdesk")
    assert said.code == 1
    assert "names no source 'helpdesk': say --source desk" in said.err


def test_other_norms_do_not_judge_a_log_that_is_already_measured(tmp_path: Path) -> None:
    replay(tmp_path, SERVICENOW, "--config", company(tmp_path))
    said = replay(tmp_path, SERVICENOW, "--config", company(tmp_path, norms=NORMS.replace("4bh", "1bm")))
    assert said.code == 1
    assert "rm -r d" in said.err


# -- apply
def test_a_good_folder_is_put_in_force_once(tmp_path: Path) -> None:
    folder = company(tmp_path)
    assert "version 1 is in force in d" in crossdesk("apply", folder, "--data", "d", at=tmp_path).out
    assert "version 1 says the same and stays in force" in crossdesk("apply", folder, "--data", "d", at=tmp_path).out
    company(tmp_path, COMPANY.replace("name: IT", "name: Infotech"))
    assert "version 2 is in force in d" in crossdesk("apply", folder, "--data", "d", at=tmp_path).out
    sql = "SELECT name, version FROM departments"
    said = crossdesk("query", sql, "--json", "--data", "d", at=tmp_path)
    assert json.loads(said.out) == {"name": "Infotech", "version": 2}


def test_a_company_that_contradicts_itself_is_refused_with_file_line_and_mend(tmp_path: Path) -> None:
    text = COMPANY.replace("department: it}]", "department: itt}]").replace("zone: UTC", "zone: Mars/Base")
    said = crossdesk("apply", company(tmp_path, text), "--data", "d", at=tmp_path)
    assert said.code == 1
    assert "company/company.yaml:2: unknown zone 'Mars/Base'" in said.err
    assert "company/company.yaml:6: unknown department 'itt' – did you mean 'it'?" in said.err
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("wrong", ["nowhere", "company/norms.yaml", "."])
def test_what_is_no_folder_of_a_company_is_refused(wrong: str, tmp_path: Path) -> None:
    company(tmp_path)
    said = crossdesk("apply", wrong, "--data", "d", at=tmp_path)
    assert said.code == 1
    assert "company.yaml" in said.err


def test_the_past_is_not_judged_anew(tmp_path: Path) -> None:
    replay(tmp_path, SERVICENOW, "--config", company(tmp_path))
    facts = counted(tmp_path / "d")
    said = crossdesk("apply", company(tmp_path, norms=NORMS.replace("4bh", "1bm")), "--data", "d", at=tmp_path)
    assert said.code == 1
    assert "company/norms.yaml:1: " in said.err
    assert "what was judged stays judged" in said.err
    assert counted(tmp_path / "d") == facts


# -- folders that cannot be used
def test_a_damaged_log_says_so_and_is_left_alone(tmp_path: Path) -> None:
    replay(tmp_path, SERVICENOW)
    log = tmp_path / "d" / "log.sqlite3"
    content = log.read_bytes()
    log.write_bytes(content[:8192] + b"\xaa" * (len(content) - 8192))
    for command in (("explain", "INC1"), ("repair", "INC1")):
        said = crossdesk(*command, "--data", "d", at=tmp_path)
        assert said.code == 1
        assert "d/log.sqlite3" in said.err
        assert "damaged" in said.err
        assert "another --data folder" in said.err


def test_a_damaged_store_says_so(tmp_path: Path) -> None:
    replay(tmp_path, SERVICENOW)
    for file in (tmp_path / "d" / "store").rglob("*.sql"):
        file.write_text("CREATE")
    said = crossdesk("query", "SELECT 1", "--data", "d", at=tmp_path)
    assert said.code == 1
    assert "d/store" in said.err
    assert "If it is damaged, put it back from a backup" in said.err


def test_a_log_in_the_middle_of_another_run_is_not_disturbed(tmp_path: Path) -> None:
    replay(tmp_path, SERVICENOW)
    db = sqlite3.connect(tmp_path / "d" / "log.sqlite3", isolation_level=None)
    db.execute("PRAGMA locking_mode=EXCLUSIVE")
    db.execute("BEGIN IMMEDIATE")
    for command in (("explain", "INC1"), ("repair", "INC1"), ("apply", company(tmp_path))):
        said = crossdesk(*command, "--data", "d", at=tmp_path)
        assert said.code == 1
        assert "d is being filled by another crossdesk" in said.err
    db.close()


def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    if not (drop := shutil.which("setpriv")):
        pytest.skip("setpriv (util-linux) is missing: root may write everywhere")
    without = [drop, "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"] if os.geteuid() == 0 else []
    replay(tmp_path, SERVICENOW)
    (tmp_path / "d").chmod(0o555)
    try:
        for command in (("explain", "INC1"), ("query", "SELECT 1"), ("demo", "--no-serve")):
            said = crossdesk(*command, "--data", "d", at=tmp_path, without=without)
            assert said.code == 1
            assert said.err.startswith("Error: d may not be read and written by this user")
    finally:
        (tmp_path / "d").chmod(0o755)


def test_repair_says_how_many_and_changes_nothing_that_was_right(demo: tuple[Path, Said]) -> None:
    folder = demo[0] / f"data/demo-5-{DAYS}"
    facts = counted(folder)
    said = crossdesk("repair", "HD-100001", "helpdesk/HD-100002", "--data", folder, at=demo[0])
    assert said.out == "2 folded again\n"
    assert counted(folder) == facts


def test_schemas_are_listed_and_printed() -> None:
    assert "crossdesk.created" in quickly("schema").out.split()
    assert json.loads(quickly("schema", "created").out)["$id"] == "crossdesk.created.json"
    said = quickly("schema", "creatd")
    assert said.code == 2
    assert "there is no event type 'creatd'" in said.err
