"""The norms page: page, JSON and store say the same, in the reader's time, and nothing of few people."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner, Result

from deploy import config_files, serve
from deploy.demo import EXAMPLE
from deploy.embedded import Embedded
from deploy.folder import ask_store
from deploy.norms_page.compose import Pages
from deploy.norms_page.html import page_html
from deploy.norms_page.open_hours import hours_of
from deploy.norms_page.page import Hours
from deploy.norms_page.promised import in_words, promises_of
from deploy.norms_page_cli import page as command
from ingest import event as e
from ingest.connectors.simulated import simulate
from streams.company import CompanyFile
from streams.configuration import Configuration, Files, encode
from streams.norm_entry import NormsFile
from streams.problems import BadConfiguration
from streams.target import parse_target

DAYS = 16
Json = dict[str, Any]
OBSERVED = ("turnaround", "lines", "honesty", "coverage")
BROWSER = shutil.which("chromium")
FLAGS = [
    *(
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
    ),
    *("--disable-component-update", "--disable-sync", "--virtual-time-budget=2000"),
]


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


# -- an installation: the example company, with four people in Legal


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Configuration:
    files = tmp_path_factory.mktemp("company")
    for name in ("company.yaml", "norms.yaml"):
        text = (EXAMPLE / name).read_text(encoding="utf-8")
        (files / name).write_text(text.replace("head_count: 7}", "head_count: 4}"), encoding="utf-8")
    return config_files.load(files).configuration


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, config: Configuration) -> Path:
    folder = tmp_path_factory.mktemp("norms-page") / "d"
    with Embedded(folder) as embedded:
        embedded.apply(config.files)
        for _ in embedded.accept("simulated", simulate(3, DAYS)):
            pass
        embedded.flush()
        assert embedded.store is not None
        embedded.store.write_indicators(embedded.indicators())
    return folder


@pytest.fixture(scope="module")
def out(folder: Path) -> Path:
    made = folder.parent / "out"
    done = crossdesk("--data", folder, "--out", made)
    assert (done.exit_code, done.output) == (0, f"15 pages in {made}\n")
    return made


def crossdesk(*words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])


def stored(folder: Path, sql: str) -> list[Json]:
    answer = json.loads(ask_store(folder, sql))
    return [dict(zip(answer["columns"], row, strict=True)) for row in answer["rows"]]


def said(out: Path, department: str) -> Json:
    found: Json = json.loads((out / f"{department}.json").read_text(encoding="utf-8"))
    return found


class Shown(NamedTuple):
    """A number or an instant as a reader sees it, and what stands behind it."""

    path: str
    exact: str
    text: str


class Read(HTMLParser):
    """Reads a page back: what is shown of each place in the JSON, the cells of tables without that, all text, all tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.shown: list[Shown] = []
        self.cells: list[str] = []
        self.text = ""
        self.tags: list[tuple[str, Mapping[str, str | None]]] = []
        self._open: list[str] = []
        self._exact: tuple[str, str] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag not in ("meta", "br"):
            self._open.append(tag)
        if tag == "td":
            self.cells.append("")
        if path := given.get("data-json"):
            self._exact = (path, given.get("value") or given.get("datetime") or "")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> closes another element"
        self._exact = None

    def handle_data(self, data: str) -> None:
        if "script" in self._open or "style" in self._open:
            return
        self.text += data
        if self._exact is not None:
            self.shown.append(Shown(*self._exact, data))
        elif "td" in self._open:
            self.cells[-1] += data


def read(out: Path, department: str) -> Read:
    return Read((out / f"{department}.html").read_text(encoding="utf-8"))


def at(tree: Any, path: str) -> Any:
    for key in path.split("."):
        tree = tree[int(key)] if key.isdigit() else tree[key]
    return tree


def leaves(tree: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from leaves(value, f"{path}.{key}" if path else str(key))
    elif tree is not None and not isinstance(tree, bool):
        yield path, tree


def pages(out: Path) -> list[str]:
    return sorted(path.stem for path in out.glob("*.json"))


# -- page and JSON


def test_every_number_on_a_page_is_that_of_its_json(out: Path) -> None:
    compared = 0
    for department in pages(out):
        page, known = read(out, department), said(out, department)
        for path, exact, text in page.shown:
            value = at(known, path)
            assert (exact == value) if isinstance(value, str) else (float(exact) == value), (department, path)
            if isinstance(value, int | float):
                assert rounded(text, value), (department, path, text, value)
            compared += 1
    assert compared > 1_000


def rounded(text: str, value: float) -> bool:
    """Whether that is how people write it: 54 min, 2.6 h, 93 %, 1,204."""
    number, _, unit = text.partition(" ")
    shown = float(number.replace(",", ""))
    if unit in ("min", "h"):
        size = 60 if unit == "min" else 3600
        return abs(shown * size - value) <= size * (0.05 if "." in number else 0.5) + 1e-6
    if isinstance(value, int):
        return shown == value
    return abs(shown - value * 100) <= 0.5 + 1e-9 or (shown in (1, 99) and 0 < value < 1)


def test_every_number_of_the_json_that_was_observed_stands_on_the_page(out: Path) -> None:
    """But for the total where there is only one promise, which says the same, and a number of cases that is there twice."""
    for department in pages(out):
        known, shown = said(out, department), {one.path for one in read(out, department).shown}
        for name in OBSERVED:
            for path, value in leaves(known[name], name):
                told_twice = re.search(r"p90\.n|ages\.\d+\.p50\.n|attainment\.", path)
                assert path in shown or told_twice or isinstance(value, str), (department, path)


def test_no_cell_of_a_table_holds_a_number_that_was_not_compared(out: Path) -> None:
    """Beside usual weeks and targets, which are the words of the JSON."""
    for department in pages(out):
        page = said(out, department)
        words = {p["words"] for t in page["turnaround"] for p in t["promised"]}
        words |= {p["words"] for one in page["small"] for _, p in one["promised"]}
        words |= {times for one in (page, *page["small"]) for _, times in one["hours"]["week"]}
        for cell in read(out, department).cells:
            assert not re.search(r"\d", cell) or cell.strip() in words, (department, cell)


# -- JSON and store


def test_observed_shares_and_times_are_the_indicators_of_the_store(folder: Path, out: Path) -> None:
    sql = "SELECT indicator, department, value, n, low, high, beyond FROM indicators WHERE window = '28d' AND counterpart = ''"
    store = {(row["indicator"], row["department"]): row for row in stored(folder, sql)}
    compared = 0
    for department in pages(out):
        for turnaround in said(out, department)["turnaround"]:
            kind = turnaround["kind"]
            measure = "ownership" if kind == "finish" else kind
            for field, ending in (("attainment", "attainment_ratio"), ("p50", "p50_seconds"), ("p90", "p90_seconds")):
                if (kind, field) in (("finish", "p50"), ("finish", "p90")):
                    continue
                mine, theirs = turnaround[field], store.get((f"{measure}_{ending}", department), {"n": 0})
                assert mine["n"] == theirs["n"]
                if mine["n"] >= 5:
                    told = mine.get("value", mine.get("seconds"))
                    assert (told, mine["low"], mine["high"]) == (theirs["value"], theirs["low"], theirs["high"])
                    assert mine.get("beyond", False) == bool(theirs["beyond"])
                    compared += 1
    assert compared > 60


def met_of(folder: Path, department: str, *norms: str) -> tuple[int, int]:
    """How many were met, of how many, of the facts that have one of these norms."""
    ((met, n),) = (
        tuple(row.values())
        for row in stored(
            folder,
            "SELECT countIf(outcome = 'met'), count() FROM facts WHERE level = 2 AND outcome IN ('met', 'missed')"
            f" AND department = '{department}' AND has({list(norms)}, norm)"
            " AND counts_at <= (SELECT max(as_of) FROM indicators)",
        )
    )
    return met, n


@pytest.mark.parametrize(
    ("department", "kind", "which", "norms"),
    [
        ("hr", "first_response", 0, ["hr/first_response"]),
        ("hr", "acceptance", 1, ["hr/acceptance/*"]),
        ("it", "resolution", 0, ["it/resolution:priority=urgent"]),
        ("it", "resolution", 2, ["it/resolution"]),
        ("facilities", "first_response", 0, ["facilities/first_response@2026-01-19"]),
        ("facilities", "next_response", 0, ["facilities/next_response", "facilities/next_response@2026-01-19"]),
    ],
)
def test_what_was_kept_of_a_promise_is_that_of_the_cases_that_were_judged_by_it(
    folder: Path, out: Path, department: str, kind: str, which: int, norms: list[str]
) -> None:
    """Also by an earlier version that said the same; not by one that said something else."""
    (turnaround,) = (t for t in said(out, department)["turnaround"] if t["kind"] == kind)
    kept = turnaround["promised"][which]["kept"]
    met, n = met_of(folder, department, *norms)
    assert n >= 5
    assert (kept["n"], kept["value"]) == (n, met / n)


def test_of_fewer_than_five_nothing_is_said_but_how_many(out: Path) -> None:
    promised = [
        (d, p["kept"]) for d in pages(out) for t in said(out, d)["turnaround"] for p in t["promised"] if p["kept"]
    ]
    few = [(department, kept) for department, kept in promised if kept["n"] < 5]
    assert few
    for department, kept in few:
        assert (kept["value"], kept["low"], kept["high"]) == (None, None, None)
        said_of_them = f"too few to say (only {kept['n']})" if kept["n"] else "none so far (0)"
        assert said_of_them in read(out, department).text


def test_promises_add_up_to_what_was_kept_at_all(out: Path) -> None:
    """Where none has changed in these days. Who solves a case is judged by the promise of who had it first: not on its own page."""
    for department in set(pages(out)) - {"facilities"}:
        for turnaround in said(out, department)["turnaround"]:
            kept = [p["kept"] for p in turnaround["promised"]]
            if kept and None not in kept and turnaround["kind"] != "resolution":
                assert sum(k["n"] for k in kept) == turnaround["attainment"]["n"], (department, turnaround["kind"])


def test_honesty_is_what_was_kept_of_all_that_is_on_the_page(folder: Path, out: Path, config: Configuration) -> None:
    told = {norm.name for _, v in config.norms.versions["hr"] if v for p in v.norms.values() for norm in p.each()}
    met, n = met_of(folder, "hr", *told)
    honesty = said(out, "hr")["honesty"]
    assert (honesty["n"], honesty["value"]) == (n, met / n)
    for department in pages(out):
        promised = [p["kept"]["n"] for t in said(out, department)["turnaround"] for p in t["promised"] if p["kept"]]
        assert (said(out, department)["honesty"] or {"n": 0})["n"] == sum(promised)


def test_coverage_is_the_share_of_cases_of_a_service_that_is_written(folder: Path, out: Path) -> None:
    sql = (
        "SELECT DISTINCT case_id FROM facts WHERE measure = 'first_response' AND department = '{}' AND level = {}"
        " AND outcome IN ('met', 'missed', 'done') AND counts_at <= (SELECT max(as_of) FROM indicators)"
    )
    service: dict[str, str] = {}
    for row in stored(folder, "SELECT case_id, raw FROM crossdesk_raw.events ORDER BY time, sequence, id"):
        named = json.loads(row["raw"]).get("data", {}).get("service")
        service[row["case_id"]] = named or service.get(row["case_id"], "")
    for department, level, offered in (("it", 2, "it"), ("people", 1, "hr")):
        cases = [row["case_id"] for row in stored(folder, sql.format(department, level))]
        known = {s["name"] for s in said(out, offered)["services"]}
        hits, coverage = sum(service[case] in known for case in cases), said(out, department)["coverage"]
        assert 0 < hits < len(cases)
        assert (coverage["n"], coverage["value"]) == (len(cases), hits / len(cases))
    assert said(out, "sales")["coverage"] is None


# -- where a case stands


def durations(folder: Path, config: Configuration, department: str, measure: str) -> tuple[list[int], list[int]]:
    """What ended, and how long the others have run by `as_of`."""
    ((as_of,),) = [
        tuple(r.values()) for r in stored(folder, "SELECT toUnixTimestamp64Micro(max(as_of)) FROM indicators")
    ]
    rows = stored(
        folder,
        "SELECT stop, business_us, calendar, outcome, toInt64(toUnixTimestamp64Micro(since)) AS since FROM facts WHERE"
        f" level = 2 AND department = '{department}' AND measure = '{measure}' AND outcome != 'cancelled'",
    )
    ended = [int(row["business_us"]) for row in rows if row["stop"] is not None]
    running = [
        int(row["business_us"])
        + config.calendar(row["calendar"]).worked(int(row["since"]), as_of) * bool(row["calendar"])
        for row in rows
        if row["stop"] is None
    ]
    return ended, running


def left(ended: list[int], running: list[int], age: int, share: float) -> int | None:
    """By definition: the first d at which S(age + d) / S(age) is no more than 1 - share."""

    def survival(t: int) -> float:
        product = 1.0
        for at in sorted({d for d in ended if d <= t}):
            product *= 1 - ended.count(at) / sum(d >= at for d in ended + running)
        return product

    begin = survival(age) if age else 1.0
    return next((d - age for d in sorted(set(ended)) if d > age and survival(d) / begin <= 1 - share + 1e-9), None)


@pytest.mark.parametrize("kind", ["first_response", "resolution"])
def test_what_is_left_is_what_kaplan_and_meier_say_given_the_age(
    folder: Path, out: Path, config: Configuration, kind: str
) -> None:
    ended, running = durations(folder, config, "facilities", kind)
    (line,) = (line for line in said(out, "facilities")["lines"] if line["kind"] == kind)
    assert line["waiting"] == len(running)
    assert len(line["ages"]) > 3
    for age in line["ages"]:
        waited = round(age["seconds"] * 1e6)
        assert age["n"] == sum(d > waited or not waited for d in ended + running)
        for name, share in (("p50", 0.5), ("p90", 0.9)):
            expected = left(ended, running, waited, share)
            found = age[name]
            assert found["beyond"] == (expected is None)
            if expected is not None:
                assert found["seconds"] == expected / 1e6


def test_who_begins_now_stands_where_the_indicators_say_and_is_through_at_that_opening_time(
    out: Path, config: Configuration
) -> None:
    for department in ("it", "facilities", "hr"):
        page = said(out, department)
        of_kind = {t["kind"]: t for t in page["turnaround"]}
        for line in page["lines"]:
            first = line["ages"][0]
            assert (first["p50"], first["p90"]) == (of_kind[line["kind"]]["p50"], of_kind[line["kind"]]["p90"])
            now, half_by = us(page["as_of"][:-1].split(".")[0]), us(line["half_by"][:-1].split(".")[0])
            worked = config.calendar(department).worked(now, half_by) / 1e6
            assert worked == pytest.approx(first["p50"]["seconds"], abs=2)
            for age in line["ages"][1:]:
                began = us(age["began"][:-1].split(".")[0])
                assert config.calendar(department).worked(began, now) / 1e6 == pytest.approx(age["seconds"], abs=2)


# -- hours


def company_of(*entries: Json) -> Configuration:
    company = CompanyFile.model_validate(
        {
            "organisation": "Northwind",
            "zone": "Europe/Berlin",
            "hours": {"mon-fri": "09:00-17:00"},
            "groups": [],
            "departments": [{"id": "desk"}],
        }
    )
    norms = {"norms.yaml": NormsFile.model_validate({"norms": [{"department": "desk", **one} for one in entries]})}
    return Configuration(Files(version=1, company=company, norms=norms))


def hours(entry: Json, now: str, *later: Json) -> Hours:
    return hours_of(company_of(entry, *later), "desk", us(now))


def opened(found: Hours, day: str) -> list[str]:
    (shown,) = (one for one in found.days if one.day == date.fromisoformat(day))
    return [f"{one.since:%d %H:%M}-{one.until:%d %H:%M}" for one in shown.openings]


LONDON: Json = {"zone": "Europe/London", "hours": {"mon-fri": "09:00-12:30, 13:30-17:00"}, "holidays": "GB-ENG"}


def test_the_clock_changes_and_the_office_opens_by_its_own() -> None:
    """On 29 March 2026 British clocks go forward: nine o'clock is 09:00 UTC on Friday and 08:00 on Monday."""
    found = hours(LONDON, "2026-03-27T18:00")
    assert found.next_open == datetime(2026, 3, 30, 8, tzinfo=UTC)
    assert opened(found, "2026-03-27") == ["27 09:00-27 12:30", "27 13:30-27 17:00"]
    assert opened(found, "2026-03-30") == ["30 08:00-30 11:30", "30 12:30-30 16:00"]


def test_holidays_closures_and_half_days_have_a_name_and_their_hours() -> None:
    special = {"closures": ["2026-04-07"], "half_days": {"2026-04-08": "09:00-12:00", "2026-04-11": "10:00-11:00"}}
    found = hours(LONDON | special, "2026-03-30T06:00")
    assert [(f"{one.day:%m-%d}", one.times, one.note) for one in found.special] == [
        ("04-03", "closed", "Good Friday"),
        ("04-06", "closed", "Easter Monday"),
        ("04-07", "closed", "not as usual"),
        ("04-08", "09:00–12:00", "not as usual"),
        ("04-11", "10:00–11:00", "not as usual"),
        ("05-04", "closed", "May Day"),
    ]
    assert opened(found, "2026-04-03") == []
    assert opened(found, "2026-04-08") == ["08 08:00-08 11:00"]
    assert opened(found, "2026-04-11") == ["11 09:00-11 10:00"]


def test_a_week_is_said_in_words() -> None:
    assert hours(LONDON, "2026-03-30T06:00").week == [
        ("Monday to Friday", "09:00–12:30, 13:30–17:00"),
        ("Saturday to Sunday", "closed"),
    ]
    night = hours({"hours": {"mon": "22:00-06:00", "sun": "00:00-24:00"}, "zone": "UTC"}, "2026-03-30T06:00")
    assert night.week == [("Monday", "22:00–06:00"), ("Tuesday to Saturday", "closed"), ("Sunday", "00:00–24:00")]
    assert opened(night, "2026-03-30") == ["30 22:00-31 00:00"]
    assert opened(night, "2026-03-31") == ["31 00:00-31 06:00"]
    assert hours({"hours": "always"}, "2026-03-30T06:00").week == [("Every day", "around the clock")]


def test_other_hours_that_are_written_already_show_on_their_day() -> None:
    other = {"valid_from": "2026-04-01", "zone": "Europe/London", "hours": {"mon-sun": "10:00-11:00"}, "holidays": []}
    found = hours(LONDON, "2026-03-30T06:00", other)
    assert found.changes == datetime(2026, 3, 31, 23, tzinfo=UTC)
    assert opened(found, "2026-03-31") == ["31 08:00-31 11:30", "31 12:30-31 16:00"]
    assert opened(found, "2026-04-03") == ["03 09:00-03 10:00"]
    assert found.special == []


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("4bh", "4 h of opening time"),
        ("90bm", "1 h 30 min of opening time"),
        ("1bd", "1 business day"),
        ("2.5bd", "2.5 business days"),
        ("24h", "24 h, day and night"),
        ("by next business day 16:00", "the next business day, 16:00"),
        ("by business day 4 close", "the 4th business day, closing time"),
    ],
)
def test_a_target_is_said_in_words(written: str, words: str) -> None:
    assert in_words(parse_target(written)) == words


# -- small departments


def test_a_department_of_four_and_the_smallest_beside_it_appear_in_their_parent_without_their_numbers(
    out: Path,
) -> None:
    """Marketing, of ten, hides with Legal: of Commercial less what is shown below it, fourteen are left."""
    assert not [*out.glob("legal.*"), *out.glob("marketing.*")]
    page = said(out, "commercial")
    assert [link["department"] for link in page["below"]] == ["procurement", "sales"]
    legal, marketing = page["small"]
    assert (legal["name"], legal["hours"]["zone"], marketing["name"]) == ("Legal", "Europe/London", "Marketing")
    assert ["resolution", "8 business days"] in [[kind, p["words"]] for kind, p in legal["promised"]]
    for one in page["small"]:
        assert {p["kept"] and p["kept"]["value"] for _, p in one["promised"]} == {None}
        assert f"with {one['name']}" in read(out, "index").text or f", {one['name']}" in read(out, "index").text
    assert "not told alone" in read(out, "commercial").text
    links = [given.get("href") for path in out.glob("*.html") for _, given in read(out, path.stem).tags]
    assert not {"legal.html", "marketing.html"} & set(links)


def test_what_was_kept_to_a_small_department_is_not_told_nor_what_would_give_it_away(out: Path) -> None:
    """The page says how all acceptances were kept: less all others, that would be those of Legal."""
    (acceptance,) = (t for t in said(out, "procurement")["turnaround"] if t["kind"] == "acceptance")
    assert acceptance["attainment"]["n"] > 0
    kept = {p["giver"]: p["kept"] for p in acceptance["promised"]}
    assert kept.keys() == {"it", "legal", "*"}
    assert kept["legal"] is None
    assert (kept["it"] is None) != (kept["*"] is None), "one of the two others goes untold with it"


def test_what_was_kept_to_one_department_in_few_cases_is_not_what_is_left_of_the_others(config: Configuration) -> None:
    def told(*judged: tuple[int, int]) -> list[tuple[str, int]]:
        norms = ("procurement/acceptance/it", "procurement/acceptance/legal", "procurement/acceptance/*")
        at, counted = us("2026-03-20"), dict(zip(norms, judged, strict=True))
        found = promises_of(config, "procurement", at, counted, hidden=())
        return [(one.promised.giver, one.n) for one in found if one.kind == "acceptance" and one.promised.kept]

    assert sorted(told((9, 10), (5, 5), (20, 30))) == [("*", 30), ("it", 10), ("legal", 5)]
    assert told((9, 10), (2, 4), (20, 30)) == [("*", 30)]
    assert sorted(told((9, 10), (5, 5), (2, 3))) == [("*", 3), ("it", 10), ("legal", 5)], (
        "the others together are no pair"
    )


def test_who_asks_for_a_hidden_one_is_told_where_it_is_and_why(folder: Path, tmp_path: Path) -> None:
    for department, why in (
        ("legal", "'legal' has no page, since 'legal' has fewer than 5 people: it is on the page of 'commercial'"),
        ("marketing", "or the numbers above it would give away those of 'legal': it is on the page of 'commercial'"),
    ):
        done = crossdesk("--data", folder, "--out", tmp_path / "o", "--department", department)
        assert done.exit_code == 1
        assert why in done.output
    assert not (tmp_path / "o").exists()


def test_a_page_of_who_became_small_does_not_stay_and_what_is_not_ours_does(
    folder: Path, out: Path, tmp_path: Path
) -> None:
    there = tmp_path / "o"
    shutil.copytree(out, there)
    for ending in ("html", "json"):
        shutil.copy(there / f"it.{ending}", there / f"legal.{ending}")
    (there / "about.html").write_text("<!doctype html><title>Ours</title>")
    assert crossdesk("--data", folder, "--out", there).exit_code == 0
    assert not list(there.glob("legal.*"))
    assert (there / "about.html").exists()
    assert {path.name for path in there.iterdir()} == {path.name for path in out.iterdir()} | {"about.html"}


# -- other installations


def installed(folder: Path, company: Json, *entries: Json, events: bool = False) -> Path:
    """Of a company with one case of each group, or with none at all."""
    base: Json = {"organisation": "Northwind", "zone": "UTC", "hours": "always", "sources": ["desk"]}
    norms = {"norms.yaml": NormsFile.model_validate({"norms": entries})} if entries else {}
    with Embedded(folder) as embedded:
        embedded.apply(Files(version=1, company=CompanyFile.model_validate(base | company), norms=norms))
        if events:
            for _ in embedded.accept("test", happened("Bob's \\ desk")):
                pass
        embedded.flush()
        assert embedded.store is not None
        embedded.store.write_indicators(embedded.indicators())
    return folder


def happened(group: str) -> Iterator[e.Record]:
    """Six cases of a desk. What T1 is, was said wrongly and taken back; of T2 it was said in the wrong order, and corrected."""
    start = us("2026-03-02T09:00")

    def event(kind: type[Any], i: int, minute: int, data: Any, **more: Any) -> Any:
        id, time = e.event_id("desk", f"{kind.__name__} {i} {minute}"), e.instant(start + minute * 60_000_000)
        return kind(id=id, time=time, source="desk", subject=f"T{i}", specversion="1.0", data=data, **more)

    human: Json = {"actor": e.Actor.provider_human, "who": "k1:a"}
    for i in range(6):
        yield event(e.Created, i, 0, e.CreatedData(service="Repair" if i else "Other"))
        yield event(e.Routed, i, 0, e.RoutedData(group=group))
        yield event(e.Replied, i, 10 + i, e.ActedData(), **human)
        yield event(e.Solved, i, 20 + i, e.ActedData(), **human)
    wrong = event(e.Classified, 1, 5, e.ClassifiedData(service="Other"))
    early, late = (event(e.Classified, 2, at, e.ClassifiedData(service=to)) for at, to in ((5, "Other"), (6, "Repair")))
    yield from (wrong, early, late)
    yield event(e.Corrected, 1, 30, e.CorrectedData(supersedes=wrong.id))
    yield event(e.Corrected, 2, 30, e.CorrectedData(supersedes=early.id, at=e.instant(start + 8 * 60_000_000)))
    yield e.watermark("desk", e.instant(start + 86_400_000_000))


def test_groups_that_are_departments_have_pages_whatever_they_are_called(tmp_path: Path) -> None:
    promise = {"department": "Bob's \\ desk", "services": ["repair"]}
    folder = installed(tmp_path / "d", {"groups": "each"}, promise, events=True)
    assert crossdesk("--data", folder, "--out", tmp_path / "o").output == f"1 page in {tmp_path / 'o'}\n"
    page = said(tmp_path / "o", "Bob's \\ desk")
    (first,) = (t for t in page["turnaround"] if t["kind"] == "first_response")
    assert (first["p50"]["n"], first["p50"]["seconds"]) == (6, 12 * 60)
    assert first["promised"] == []
    assert (page["coverage"]["n"], page["coverage"]["value"]) == (6, 4 / 6), (
        "T1, T3, T4 and T5 were to repair something"
    )
    assert any(given.get("href") == "Bob%27s%20%5C%20desk.html" for _, given in read(tmp_path / "o", "index").tags)


def test_before_anything_is_measured_there_is_what_was_promised(tmp_path: Path) -> None:
    promise = {"department": "index", "first_response": "4h", "services": ["Repair"]}
    folder = installed(tmp_path / "d", {"groups": [], "departments": [{"id": "index"}]}, promise)
    assert crossdesk("--data", folder, "--out", tmp_path / "o").exit_code == 0
    page = said(tmp_path / "o", "_index")
    assert (page["since"], page["honesty"], page["coverage"], page["lines"]) == (None, None, None, [])
    assert [(p["words"], p["kept"]) for t in page["turnaround"] for p in t["promised"]] == [
        ("4 h, day and night", None)
    ]
    assert "Nothing has been measured yet" in read(tmp_path / "o", "_index").text
    assert "What our departments offer" in read(tmp_path / "o", "index").text


def test_how_often_a_promise_is_meant_to_be_kept_stands_beside_it() -> None:
    urgent = {"target": "1bh", "priority": "urgent", "attainment": "99.5%"}
    entry: Json = {"department": "desk", "first_response": ["4bh", urgent], "attainment": "90%"}
    (page,) = Pages(company_of(entry), lambda _: [], us("2026-03-02T09:00")).made("desk")
    shown = {one.path: (one.exact, one.text) for one in Read(page_html(page)).shown}
    assert shown["turnaround.0.promised.0.aim"] == ("0.995", "99.5 %")
    assert shown["turnaround.0.promised.1.aim"] == ("0.9", "90 %")


def test_what_people_write_is_text_and_nothing_else(tmp_path: Path) -> None:
    evil = "</script><img src=x onerror=alert(1)>\"'&"
    promise = {
        "department": "desk",
        "services": [{"name": evil, "description": evil}],
        "contact": {"best": evil, "phone": evil, "meeting": evil, "link": "https://a.example/?q=1&r='x'"},
    }
    folder = installed(tmp_path / "d", {"groups": [], "departments": [{"id": "desk", "name": evil}]}, promise)
    assert crossdesk("--data", folder, "--out", tmp_path / "o").exit_code == 0
    for name in ("desk", "index"):
        page = read(tmp_path / "o", name)
        assert not [tag for tag, _ in page.tags if tag == "img"]
        assert page.text.count(evil) >= (5 if name == "desk" else 2)
        fetched = [given for tag, given in page.tags if tag in ("link", "iframe") or "src" in given]
        assert fetched == []


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("services: [Repair, repair]", "norms.yaml:3: 'repair' is offered twice – delete one"),
        ("services: [{description: what}]", "norms.yaml:3: 'name' is missing – add `name:`"),
        ("services: Repair", "norms.yaml:3: 'services' is not a list"),
        ("contact: {link: 'javascript:alert(1)'}", "'javascript:alert(1)' is no link – write a whole address"),
        ("contact: {email: it at example}", "'it at example' is no e-mail address"),
        ("contact: {mail: it@example.org}", "norms.yaml:3: unknown key 'mail' – did you mean 'email'?"),
    ],
)
def test_what_is_wrong_in_an_offer_has_its_line_and_mend(tmp_path: Path, written: str, problem: str) -> None:
    (tmp_path / "company.yaml").write_text(
        "organisation: N\nzone: UTC\nhours: always\nsources: [desk]\ndepartments: [{id: it}]\ngroups: []\n"
    )
    (tmp_path / "norms.yaml").write_text(f"norms:\n  - department: it\n    {written}\n")
    with pytest.raises(BadConfiguration) as refused:
        config_files.load(tmp_path)
    assert problem in str(refused.value)


def test_no_number_depends_on_what_is_offered() -> None:
    """Or a published text could not be mended without a new date."""
    plain, offered = company_of({"services": []}), company_of({"services": ["Repair"], "contact": {"best": "Ask."}})
    assert plain.norms.versions["desk"].first_difference(offered.norms.versions["desk"]) is None
    assert Configuration.decode(encode(offered.files)).files == offered.files


def test_bad_input_is_refused_with_what_to_do(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    unknown = crossdesk("--data", folder, "--out", tmp_path / "o", "--department", "lgal")
    assert (
        unknown.exit_code,
        "there is no department 'lgal': there are tidewell, operations, it" in unknown.output,
    ) == (1, True)
    assert "is a file" in crossdesk("--data", folder, "--out", file).output
    assert "Not a directory" in crossdesk("--data", folder, "--out", file / "below").output
    assert "holds no data of crossdesk" in crossdesk("--data", tmp_path / "no", "--out", tmp_path / "o").output
    assert "Missing option '--out'" in crossdesk("--data", folder).output
    with Embedded(tmp_path / "new", store=False):
        pass
    assert "no norms are in force" in crossdesk("--data", tmp_path / "new", "--out", tmp_path / "o").output


def test_where_all_are_small_there_is_no_page(tmp_path: Path) -> None:
    departments = [{"id": "all", "head_count": 4}, {"id": "some", "parent": "all"}]
    folder = installed(tmp_path / "d", {"groups": [], "departments": departments})
    done = crossdesk("--data", folder, "--out", tmp_path / "o")
    assert "no department has a page: name some of five people or more" in done.output
    done = crossdesk("--data", folder, "--out", tmp_path / "o", "--department", "some")
    assert "'some' has no page, since 'all' has fewer than 5 people: what is above it has none" in done.output
    assert not (tmp_path / "o").exists()


def test_one_department_is_written_alone(folder: Path, out: Path, tmp_path: Path) -> None:
    assert crossdesk("--data", folder, "--out", tmp_path, "--department", "hr").output == f"1 page in {tmp_path}\n"
    assert {path.name for path in tmp_path.iterdir()} == {"hr.html", "hr.json"}
    assert (tmp_path / "hr.html").read_bytes() == (out / "hr.html").read_bytes()


def test_beside_a_process_that_serves_the_folder_that_one_is_asked(folder: Path, out: Path, tmp_path: Path) -> None:
    with Embedded(folder) as embedded:
        assert embedded.store is not None
        assert embedded.configuration is not None
        store, written = embedded.store, encode(embedded.configuration.files)
        answers = {"/query": lambda asked: serve.queried(store, asked["sql"]), "/configuration": lambda _: written}
        server = serve.Server(folder, 0, lambda _: ("text/plain", b""), answers)
        try:
            done = crossdesk("--data", folder, "--out", tmp_path)
        finally:
            server.close()
    assert done.exit_code == 0, done.output
    assert (tmp_path / "it.json").read_bytes() == (out / "it.json").read_bytes()


# -- for its colleagues


def test_the_text_for_an_automatic_reply_says_what_the_page_says(out: Path) -> None:
    reply = said(out, "hr")["reply"]
    assert "We are open Monday to Friday 09:00–12:30, 13:30–17:30 (Europe/London time)" in reply
    assert "We promise a first answer within 6 h of opening time and a solution within 4 business days." in reply
    (first,) = (t for t in said(out, "hr")["turnaround"] if t["kind"] == "first_response")
    found = re.search(
        r"half of ([\d,]+) cases had their first answer within ([\d.]+ \w+), nine of ten within ([\d.]+ \w+)", reply
    )
    assert found is not None
    assert int(found[1]) == first["p50"]["n"]
    assert rounded(found[2], first["p50"]["seconds"])
    assert rounded(found[3], first["p90"]["seconds"])
    assert reply.strip() in read(out, "hr").text


def test_a_page_can_be_read_by_everybody(out: Path) -> None:
    """A language, a title, one heading of the first level and none left out, tables with captions and headed rows."""
    for path in out.glob("*.html"):
        page = read(out, path.stem)
        names = [tag for tag, _ in page.tags]
        assert ("html", {"lang": "en"}) in page.tags
        assert (names.count("h1"), names.count("main"), names.count("title")) == (1, 1, 1)
        assert names.count("table") == names.count("caption")
        assert names.count("tr") == sum(given.get("scope") == "row" for _, given in page.tags) + names.count("thead")
        levels = [int(name[1]) for name in names if re.fullmatch(r"h[1-6]", name)]
        assert all(after <= before + 1 for before, after in pairwise(levels))


def in_browser(file: Path, profile: Path, zone: str) -> Read:
    """As the script leaves it."""
    words = [BROWSER or "", *FLAGS, f"--user-data-dir={profile}", "--dump-dom", file.as_uri()]
    done = subprocess.run(words, env=os.environ | {"TZ": zone}, check=True, capture_output=True, text=True, timeout=120)
    return Read(done.stdout)


@pytest.mark.skipif(BROWSER is None, reason="needs Debian's chromium")
@pytest.mark.parametrize(
    ("zone", "first", "note"),
    [
        ("Europe/London", "09:00–12:30, 13:30–17:30", "Times are in Europe/London."),
        (
            "Asia/Tokyo",
            "18:00–21:30, 22:30–02:30 (Wed 21 Jan)",
            "Times are in your time zone, Asia/Tokyo. Show in Europe/London",
        ),
        ("America/New_York", "04:00–07:30, 08:30–12:30", "Times are in your time zone, America/New_York."),
    ],
)
def test_in_a_browser_hours_are_those_of_the_reader(
    out: Path, tmp_path: Path, zone: str, first: str, note: str
) -> None:
    page = in_browser(out / "hr.html", tmp_path, zone)
    assert note in page.text
    own = read(out, "hr")
    moments = [[given["datetime"] for tag, given in one.tags if given.get("class") == "moment"] for one in (own, page)]
    assert moments[0] == moments[1], "instants stay what they are"
    about, shown = (one.text.split("About these numbers")[1].strip() for one in (own, page))
    assert (about == shown) == (zone == "Europe/London")
    (day,) = re.findall(r"Tue 20 Jan 2026(.*?)Wed 21 Jan 2026", page.text.split("The days ahead")[1], re.DOTALL)[:1]
    assert day.strip() == first


@pytest.mark.skipif(BROWSER is None, reason="needs Debian's chromium")
@pytest.mark.parametrize(
    ("clock", "said_now"),
    [
        ("2026-01-22T10:00:00Z", "Open now, until Thu 22 Jan 2026 13:30"),
        ("2026-01-22T13:00:00Z", "Closed now, open again: Thu 22 Jan 2026 14:30"),
        ("2026-01-23T20:00:00Z", "Closed now, open again: Mon 26 Jan 2026 10:00"),
        ("2026-06-01T10:00:00Z", "Closed now (as of Wed 21 Jan 2026 00:59), open again: Wed 21 Jan 2026 10:00."),
    ],
)
def test_in_a_browser_whether_it_is_open_goes_by_the_clock_as_far_as_days_are_known(
    out: Path, tmp_path: Path, clock: str, said_now: str
) -> None:
    its = f'<script>Date = class extends Date {{ constructor(...a) {{ super(...(a.length ? a : ["{clock}"])); }} }};</script>'
    html = (out / "hr.html").read_text(encoding="utf-8")
    (tmp_path / "hr.html").write_text(html.replace("<main>", f"{its}<main>"), encoding="utf-8")
    assert said_now in in_browser(tmp_path / "hr.html", tmp_path / "profile", "Europe/Berlin").text
