"""`explain`: the intervals add up to the number, for whoever reads them and for programs."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from deploy.cli import main
from deploy.words import duration, grid, instant

ROOT = Path(__file__).parent.parent
SEED = 5
BILL = re.compile(r"^(\w+) · .+: \w+(?:, .+)?$")
ITEM = re.compile(r"^  +(\d[\w. ]*?)  (open )?\w{3} \d\d \w{3} ")
SUM = re.compile(r"^  sum (.+?)(, .+)?$")
NO_TIME = ("margin", "after_hours")
"""Millionths of a target, and acts."""


class Stored(NamedTuple):
    """A fact of the store."""

    fact_id: str
    case_id: str
    measure: str
    department: str
    level: int
    outcome: str
    business_us: int
    calendar_us: int
    ended: bool
    calendar: str
    since_us: int


def crossdesk(at: Path, *words: str) -> str:
    command = [sys.executable, "-m", "deploy.cli", *words]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=at, env=env, check=True, capture_output=True, text=True, timeout=120).stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, sample: Callable[[int, int], int]) -> Path:
    at = tmp_path_factory.mktemp("explain")
    crossdesk(at, "demo", "--days", str(sample(20, 12)), "--seed", str(SEED), "--no-serve", "--data", "d")
    return at / "d"


@pytest.fixture(scope="module")
def stored(folder: Path, sample: Callable[[int, int], int]) -> dict[str, list[Stored]]:
    """What ``facts`` holds of some random cases, by case."""
    sql = (
        "SELECT fact_id, case_id, measure, department, level, outcome, business_us, calendar_us, stop IS NOT NULL AS ended,"
        " calendar, toInt64(toUnixTimestamp64Micro(since)) AS since_us FROM facts ORDER BY case_id, fact_id"
    )
    by_case: dict[str, list[Stored]] = {}
    for line in crossdesk(folder.parent, "query", sql, "--json", "--data", str(folder)).splitlines():
        row = json.loads(line)
        by_case.setdefault(row["case_id"], []).append(Stored(**row | {"ended": bool(row["ended"])}))
    cases = random.Random(SEED).sample(sorted(by_case), sample(1000, 100))
    assert any(not f.ended for case in cases for f in by_case[case]), "none of them runs"
    return {case: by_case[case] for case in cases}


@pytest.fixture(scope="module")
def explained(folder: Path, stored: dict[str, list[Stored]]) -> dict[str, Any]:
    return {case: json.loads(asked(folder, case, "--json")) for case in stored}


@pytest.fixture(scope="module")
def printed(folder: Path, stored: dict[str, list[Stored]]) -> dict[str, str]:
    return {case: asked(folder, case) for case in stored}


def asked(folder: Path, *words: str) -> str:
    """In this process: `explain` reads the log alone."""
    done = CliRunner().invoke(main, ["explain", *words, "--data", str(folder)])
    assert done.exit_code == 0, done.output
    return done.stdout


def of_deepest(explained: dict[str, Any], stored: dict[str, list[Stored]]) -> Iterator[tuple[Any, Stored]]:
    """Each fact that is explained with the one in the store."""
    for case, said in explained.items():
        facts = {f.fact_id: f for f in stored[case] if f.level == 2}
        assert {item["fact"]["fact_id"] for item in said["facts"]} == facts.keys()
        for item in said["facts"]:
            yield item, facts[item["fact"]["fact_id"]]


def test_every_fact_of_the_store_is_explained_and_its_intervals_sum_to_it(
    explained: dict[str, Any], stored: dict[str, list[Stored]], tally: Callable[[str, int], None]
) -> None:
    count = 0
    for item, fact in of_deepest(explained, stored):
        if fact.measure in NO_TIME:
            assert (item["business_us"], item["intervals"]) == (fact.business_us, [])
            continue
        until = [i for i in item["intervals"] if not fact.calendar or i["until"] <= fact.since_us]
        assert sum(i["business_us"] for i in until) == fact.business_us, fact
        assert item["business_us"] == sum(i["business_us"] for i in item["intervals"])
        if fact.ended or not fact.calendar:
            assert item["business_us"] == fact.business_us, fact
        count += 1
    assert count > 300
    tally("explained facts that add up", count)


def test_an_interval_counts_what_is_open_in_it(explained: dict[str, Any]) -> None:
    for said in explained.values():
        for interval in (i for item in said["facts"] for i in item["intervals"]):
            assert sum(until - since for since, until in interval["open"]) == interval["business_us"]
            assert all(interval["since"] <= s < u <= interval["until"] for s, u in interval["open"])


def test_an_interval_begins_and_ends_with_events_or_now(explained: dict[str, Any]) -> None:
    for said in explained.values():
        if any(h["kind"] == "corrected" for h in said["happened"]):
            continue  # what is listed is when the source said it was, and not when it counts
        at = {h["event"]: h["at"] for h in said["happened"]}
        untold = {u["at"] for u in said["untold"]}
        for fact, interval in ((item["fact"], i) for item in said["facts"] for i in item["intervals"]):
            assert interval["begins"] or interval["since"] in untold
            held = fact["outcome"] == "met" and fact["stop"] is None
            last = fact["stop"] if fact["measure"] == "breach" else fact["due"] if held else said["now"]
            assert interval["ends"] or interval["until"] in {*untold, last}
            assert {at[event] for event in interval["begins"]} <= {interval["since"]}
            assert {at[event] for event in interval["ends"]} <= {interval["until"]}


def test_the_printed_intervals_add_up_to_the_printed_sum_and_that_is_the_number_in_facts(
    printed: dict[str, str], stored: dict[str, list[Stored]], tally: Callable[[str, int], None]
) -> None:
    count = 0
    for case, facts in stored.items():
        bills = list(billed(printed[case]))
        for bill in bills:
            assert sum(counts for counts, _ in bill.items) == bill.sum, (case, bill)
            assert all(sum(opened) == counts for counts, opened in bill.items if opened), (case, bill)
        want = sorted(
            (f.measure, f.business_us)
            for f in facts
            if f.measure not in NO_TIME and f.level == 2 and f.ended and (f.business_us or f.calendar_us)
            if f.measure != "thanks" or f.outcome == "met"  # else only that there were none
        )
        assert sorted((bill.measure, bill.sum) for bill in bills if bill.final) == want, case
        count += sum(len(bill.items) for bill in bills)
    tally("printed intervals that add up", count)


class Bill(NamedTuple):
    """``items``: what each interval counts, and its open stretches, if they are listed."""

    measure: str
    items: list[tuple[int, list[int]]]
    sum: int
    final: bool


def billed(text: str) -> Iterator[Bill]:
    """The bills of what `explain` prints, read as a person reads them."""
    measure, items = "", list[tuple[int, list[int]]]()
    for line in text.splitlines():
        if found := BILL.match(line):
            measure, items = found[1], []
        elif found := SUM.match(line):
            yield Bill(measure, items, microseconds(found[1]), not found[2])
        elif measure and (found := ITEM.match(line)):
            if found[2]:
                items[-1][1].append(microseconds(found[1]))
            else:
                items.append((microseconds(found[1]), []))


def microseconds(words: str) -> int:
    """What :func:`deploy.words.duration` says."""
    hours, minutes, seconds = (re.search(rf"([\d.]+) {unit}\b", words) for unit in ("h", "min", "s"))
    whole = 3600 * int(hours[1] if hours else 0) + 60 * int(minutes[1] if minutes else 0)
    return round((whole + float(seconds[1] if seconds else 0)) * 1_000_000)


@pytest.mark.parametrize("level", [0, 1])
def test_other_levels_add_up_too(level: int, folder: Path, stored: dict[str, list[Stored]]) -> None:
    for case, facts in list(stored.items())[:10]:
        said = json.loads(asked(folder, case, "--json", "--level", str(level)))
        numbers = {item["fact"]["fact_id"]: item["business_us"] for item in said["facts"]}
        for fact in facts:
            if fact.level == level and (fact.ended or not fact.calendar):
                assert numbers[fact.fact_id] == fact.business_us, fact


def test_a_bill_reads_from_the_event_that_began_it_to_the_one_that_ended_it(
    folder: Path, explained: dict[str, Any]
) -> None:
    case, item = next(
        (case, item)
        for case, said in explained.items()
        for item in said["facts"]
        if item["fact"]["measure"] == "first_response" and item["fact"]["outcome"] == "met"
    )
    text = asked(folder, case.partition("/")[2], "first_response")
    zone = explained[case]["zone"]
    begin, end = item["intervals"][0]["since"], item["intervals"][-1]["until"]
    assert re.search(rf"^ +1  {instant(begin, zone)} +created  +requester  +[0-9a-f]{{8}}", text, re.MULTILINE)
    assert f"  promised {item['target']}, due {instant(item['fact']['due'], zone)}" in text
    assert instant(begin, zone, "%a %d %b") in text.partition("first_response")[2]
    assert re.search(rf"{instant(end, zone, '')} +\d+ .* – .*\d+ (replied|asked_requester)", text)
    assert "by the hours of " in text
    assert text.rstrip().endswith("--json.")


def test_a_page_is_written_and_says_the_same(folder: Path, explained: dict[str, Any], tmp_path: Path) -> None:
    case, said = next((case, said) for case, said in explained.items() if len(said["facts"]) > 12)
    told = asked(folder, case, "--html", str(tmp_path / "case.html"))
    assert str(tmp_path / "case.html") in told
    page = (tmp_path / "case.html").read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert page.count('class="clock"') == len(said["facts"])
    measure = said["facts"][0]["fact"]["measure"]
    asked(folder, case, measure, "--html", str(tmp_path / "case.html"))
    page = (tmp_path / "case.html").read_text("utf-8")
    assert page.count('class="clock"') == sum(item["fact"]["measure"] == measure for item in said["facts"])


@pytest.mark.parametrize(
    ("words", "message"),
    [(("--json", "--html", "x.html"), "leave one of them out"), (("--html", "no/such/folder.html"), "No such file")],
)
def test_a_page_that_cannot_be_written_is_refused(
    words: tuple[str, ...], message: str, folder: Path, stored: dict[str, Any]
) -> None:
    done = CliRunner().invoke(main, ["explain", next(iter(stored)), *words, "--data", str(folder)])
    assert done.exit_code != 0
    assert message in done.output


def test_nothing_is_explained_twice_or_with_microseconds_of_the_watermark(printed: dict[str, str]) -> None:
    for text in printed.values():
        assert ".999999" not in text.replace(" .999999 s", "")


# -- the words
@pytest.mark.parametrize(
    ("us", "words"),
    [
        (0, "0 min"),
        (1, "0.000001 s"),
        (59_000_000, "59 s"),
        (7_620_000_000, "2 h 07 min"),
        (3_643_000_000, "1 h 00 min 43 s"),
        (61_000_001, "1 min 01.000001 s"),
    ],
)
def test_a_duration_in_words_loses_nothing(us: int, words: str) -> None:
    assert duration(us) == words
    assert microseconds(words) == us


def test_a_table_that_is_too_wide_becomes_one_line_a_field() -> None:
    assert list(grid(["name", "n"], [["a", 1], ["bb", 20]])) == ["name   n", "────  ──", "a      1", "bb    20"]
    assert list(grid(["name", "n"], [["a" * 20, 1]], 20)) == ["── row 1", f"name  {'a' * 20}", "n     1"]


def test_what_a_terminal_would_obey_is_shown_instead() -> None:
    assert list(grid(["x"], [["\x1b[31mred\n"]]))[2] == r"\x1b[31mred\n"
