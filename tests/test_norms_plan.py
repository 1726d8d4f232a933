"""`norms plan`: what is predicted of other norms is what is measured under them, and what is in force is left alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from histories import DAY, HOUR, START, envelope, facts_in, keep, watermark

from deploy import config_files
from deploy.demo import EXAMPLE
from deploy.embedded import Embedded
from deploy.folder import Stopped, log_of
from deploy.norms_plan import Plan, falls_short, plan, stored, weeks
from deploy.norms_plan_cli import plan as command
from deploy.norms_plan_fold import Scope, Tally, Times, scopes, tally
from ingest import event as e
from ingest.connectors.simulated import simulate
from streams.configuration import Configuration, Files
from streams.fact import Fact, Outcome

SEED, DAYS, PER_DAY = 3, 30, 40.0
LATER = "2026-02-09"  # behind the last watermark
EXAMPLE_COMPANY, EXAMPLE_NORMS = (
    yaml.safe_load((EXAMPLE / name).read_text(encoding="utf-8")) for name in ("company.yaml", "norms.yaml")
)
FIRST_OF_HR = Scope("hr", "first_response", "", "hr/first_response")


def measure(folder: Path, files: Files, records: Iterator[e.Record]) -> dict[str, Fact]:
    """The facts that stand when all has been folded under ``files``."""
    held: dict[str, Fact] = {}
    with Embedded(folder, store=False) as embedded:
        embedded.apply(files)
        for _ in embedded.accept("simulated", records):
            pass
        for fact in facts_in(value for _, key, value in embedded.log.read_facts(0, 1 << 40) if key):
            keep(held, fact)
    return held


def kept(held: Mapping[str, Fact], norm: str, level: int = 2) -> tuple[int, int]:
    """Met and missed, by the norm's name."""
    counts = Counter(
        f.outcome for f in held.values() if f.level == level and f.norm.partition("@")[0] == norm and f.counts_at
    )
    return counts[Outcome.met], counts[Outcome.missed]


def simulated() -> Iterator[e.Record]:
    return simulate(SEED, DAYS, cases_per_day=PER_DAY)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plan") / "d"


@pytest.fixture(scope="module")
def in_force(folder: Path) -> dict[str, Fact]:
    """What is measured under the example's own norms."""
    return measure(folder, config_files.load(EXAMPLE).configuration.files, simulated())


def written(at: Path, norms: list[dict[str, Any]], company: Mapping[str, Any] = EXAMPLE_COMPANY) -> Path:
    at.mkdir(exist_ok=True)
    (at / "company.yaml").write_text(yaml.safe_dump(dict(company), sort_keys=False), encoding="utf-8")
    (at / "norms.yaml").write_text(yaml.safe_dump({"norms": norms}, sort_keys=False), encoding="utf-8")
    return at


def of(department: str) -> list[dict[str, Any]]:
    """Its entries in the example, the last one last."""
    return [entry for entry in EXAMPLE_NORMS["norms"] if entry["department"] == department]


def halved(department: str = "hr", **more: Any) -> list[dict[str, Any]]:
    """The example's norms, and from :data:`LATER` on a first answer of the department in 3 hours instead of 6."""
    last = of(department)[-1]
    return [*EXAMPLE_NORMS["norms"], {**last, "valid_from": LATER, "first_response": "3bh", **more}]


def planned(folder: Path, directory: Path, days: int = 90) -> Plan:
    with log_of(folder) as log:
        return plan(log, config_files.load(directory), days)


def asked(folder: Path, directory: Path, *words: str) -> Result:
    return CliRunner().invoke(command, [str(directory), "--data", str(folder), *words])


def test_a_halved_target_is_predicted_as_it_is_then_measured(
    folder: Path, in_force: dict[str, Fact], tmp_path: Path, tally: Callable[[str, int], None]
) -> None:
    """Not only of the norm that changes: of every norm, under both."""
    found = planned(folder, written(tmp_path / "new", halved()))
    throughout = [entry for entry in EXAMPLE_NORMS["norms"] if entry["department"] != "hr"]
    throughout.append({**of("hr")[-1], "first_response": "3bh"})
    files = config_files.load(written(tmp_path / "throughout", throughout)).configuration.files
    under_new = measure(tmp_path / "measured", files, simulated())
    for row in found.rows:
        assert (row.in_force.met, row.in_force.missed) == kept(in_force, row.norm.name), row
        assert (row.planned.met, row.planned.missed) == kept(under_new, row.norm.name), row
    assert found.cases == len({f.case_id for f in in_force.values() if f.measure != "excluded"})
    (row,) = (row for row in found.rows if row.differs)
    assert row.norm == FIRST_OF_HR
    assert (row.in_force.target, row.planned.target) == ("6bh", "3bh")
    assert row.turned.now_missed == row.in_force.met - row.planned.met > 0
    assert row.turned.now_met == row.turned.gained == row.turned.lost == 0
    tally("norms whose attainment was predicted", len(found.rows))


def test_what_is_in_force_differs_in_nothing(folder: Path, in_force: dict[str, Fact]) -> None:
    found = planned(folder, EXAMPLE)
    assert in_force
    assert found.same
    assert not found.changes
    assert not [row for row in found.rows if row.differs]
    assert "nothing changes: --all" in (said := asked(folder, EXAMPLE).output)
    assert "apply` would leave version 1 there" in said
    assert "hr/first_response" not in said
    assert "hr/first_response" in asked(folder, EXAMPLE, "--all").output


@pytest.mark.usefixtures("in_force")
def test_it_says_from_when_on_it_would_count_and_that_closed_periods_stay(folder: Path, tmp_path: Path) -> None:
    found = planned(folder, written(tmp_path / "new", halved()))
    (change,) = found.changes
    assert (change.department, change.first, change.earlier) == ("hr", False, None)
    assert e.instant(change.valid_from or 0).isoformat() == "2026-02-09T00:00:00+00:00"  # in London
    assert found.refused == []
    said = asked(folder, tmp_path / "new")
    assert said.exit_code == 0
    assert "hr: would count for clocks that start from Mon 09 Feb 2026 on" in said.output
    assert "Closed periods stay" in said.output


@pytest.mark.usefixtures("in_force")
def test_a_change_of_the_past_is_shown_and_that_it_would_be_refused(folder: Path, tmp_path: Path) -> None:
    norms = [{**n, "first_response": "3bh"} if n["department"] == "hr" else n for n in EXAMPLE_NORMS["norms"]]
    said = asked(folder, written(tmp_path / "new", norms))
    assert said.exit_code == 0
    assert "6bh → 3bh" in said.output
    assert "apply` would refuse it" in said.output
    assert "the norms of 'hr' change from the beginning" in said.output
    assert f"{tmp_path / 'new' / 'norms.yaml'}:" in said.output


@pytest.mark.usefixtures("in_force")
def test_it_changes_nothing(folder: Path, tmp_path: Path) -> None:
    def everything() -> list[str]:
        with log_of(folder) as log:
            return list(log.db.iterdump())

    before = everything()
    assert asked(folder, written(tmp_path / "new", halved())).exit_code == 0
    assert everything() == before


@pytest.mark.usefixtures("in_force")
def test_many_processes_count_as_one(folder: Path) -> None:
    config = config_files.load(EXAMPLE).configuration
    times = Times(0, (0,))

    def counted(few: int) -> Tally:
        with log_of(folder) as log:
            return tally(stored(log, {"helpdesk": 1 << 60}), config, config, times, few)

    assert counted(few=1) == counted(few=1 << 30)


@pytest.mark.usefixtures("in_force")
def test_only_clocks_that_started_in_those_days_count(folder: Path, in_force: dict[str, Fact]) -> None:
    found = planned(folder, EXAMPLE, days=5)
    since = found.until - 5 * DAY
    assert found.since == since
    late = {id: f for id, f in in_force.items() if f.start > since}
    assert 0 < len(late) < len(in_force)
    for row in found.rows:
        assert (row.in_force.met, row.in_force.missed) == kept(late, row.norm.name), row


# -- of one department, by hand
COMPANY: dict[str, Any] = {
    "organisation": "test",
    "zone": "UTC",
    "hours": {"mon-fri": "09:00-17:00"},
    "holidays": [],
    "sources": ["desk"],
    "departments": [{"id": "it", "name": "IT"}, {"id": "hr", "name": "HR"}],
    "groups": [
        {"source": "desk", "group": "it-1", "department": "it"},
        {"source": "desk", "group": "hr-1", "department": "hr"},
    ],
}
HOURS = {"hours": {"mon-fri": "09:00-17:00"}}
IT = {"department": "it", **HOURS, "first_response": {"target": "4bh", "attainment": "75%"}}
HR = {"department": "hr", **HOURS}
NINE = START + 9 * HOUR


def case(number: int, at: int, answered: int, group: str = "it-1", priority: str = "") -> list[e.CaseEvent]:
    """Created and routed at ``at``, answered by a human at ``answered``."""
    subject = f"C{number}"

    def fields(n: int, time: int, actor: e.Actor = e.Actor.system) -> dict[str, Any]:
        return envelope(subject, time, f"{subject}-{n}", n, actor)

    created = e.CreatedData(requester="", priority=priority)
    return [
        e.Created(**fields(0, at, e.Actor.requester), data=created),
        e.Routed(**fields(1, at), data=e.RoutedData(group=group)),
        e.Replied(**fields(2, answered, e.Actor.provider_human), data=e.ActedData()),
    ]


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Two weeks. In the first three of four are answered in time (three hours; the fourth takes five), in the second one of two
    (three hours, and seven). Another case is hr's.
    """
    week = 7 * DAY
    records: list[e.Record] = []
    for number, (at, hours) in enumerate([(0, 3), (1, 3), (2, 3), (3, 5), (7, 3), (8, 7)]):
        start = NINE + at * DAY
        records += case(number, start, start + hours * HOUR, priority="high" if hours == 3 else "low")
    records += case(6, NINE, NINE + HOUR, "hr-1")
    records.sort(key=lambda record: record.time)
    folder = tmp_path / "desk"
    files = config_files.load(written(tmp_path / "first", [IT, HR], COMPANY)).configuration.files
    measure(folder, files, iter([*records, e.decode(watermark(START + 2 * week))]))
    return folder


def test_weeks_below_the_aim_would_have_alerted(desk: Path, tmp_path: Path) -> None:
    """Three of four are 75 % exactly, and no alert; of two hours nothing is kept."""
    later = {"valid_from": "2026-04-01", "first_response": {"target": "2bh", "attainment": "75%"}}
    found = planned(desk, written(tmp_path / "new", [IT, {**IT, **later}, HR], COMPANY))
    (row,) = found.rows
    assert (row.in_force.met, row.in_force.missed) == (4, 2)
    assert (row.in_force.weeks, row.in_force.below) == (2, ["2026-03-09"])
    assert (row.planned.met, row.planned.missed) == (0, 6)
    assert row.planned.below == ["2026-03-02", "2026-03-09"]
    said = asked(desk, tmp_path / "new").output
    assert "1 of 2 → 2 of 2" in said
    assert "66.7% → 0%" in said


def test_a_department_that_promises_for_the_first_time(desk: Path, tmp_path: Path) -> None:
    found = planned(
        desk, written(tmp_path / "new", [IT, {**HR, "resolution": "3bd", "first_response": "4bh"}], COMPANY)
    )
    (change,) = found.changes
    assert (change.department, change.first) == ("hr", True)
    row = next(row for row in found.rows if row.norm.name == "hr/first_response")
    assert (row.in_force.target, row.planned.met, row.turned.gained) == (None, 1, 1)
    assert "hr: promises something for the first time" in asked(desk, tmp_path / "new").output


def test_a_rule_takes_clocks_from_the_norm_for_all(desk: Path, tmp_path: Path) -> None:
    """Those of low priority get six hours: of the two one is met, that had missed four."""
    rules = ["4bh", {"target": "6bh", "priority": "low"}]
    found = planned(desk, written(tmp_path / "new", [{**IT, "first_response": rules}, HR], COMPANY))
    rows = {row.norm.name: row for row in found.rows}
    low = rows["it/first_response:priority=low"]
    assert (low.in_force.target, low.in_force.n, low.planned.met, low.planned.missed) == (None, 0, 1, 1)
    assert low.turned.now_met == 1
    rest = rows["it/first_response"]
    assert (rest.in_force.n, rest.planned.met, rest.planned.missed) == (6, 4, 0)


def test_who_is_who_counts_for_all_that_is_replayed(desk: Path, tmp_path: Path) -> None:
    """The group is hr's: it keeps its norm, and has nothing to answer."""
    groups = [{**group, "department": "hr"} for group in COMPANY["groups"]]
    found = planned(desk, written(tmp_path / "new", [IT, HR], {**COMPANY, "groups": groups}))
    (row,) = found.rows
    assert found.company_differs
    assert (row.in_force.n, row.planned.n, row.turned.lost) == (6, 0, 6)
    said = asked(desk, tmp_path / "new").output
    assert "company.yaml differs too" in said
    assert "6 → 0" in said


def test_new_problems_of_the_files_are_told_and_old_ones_not(desk: Path, tmp_path: Path) -> None:
    tokyo = {**IT, "zone": "Asia/Tokyo", "valid_from": "2026-04-01"}
    company = {**COMPANY, "holidays": "DE"}
    found = asked(desk, written(tmp_path / "new", [IT, tokyo, HR], company))
    assert "new: " in found.output
    assert "Asia/Tokyo with the holidays of UTC" in found.output
    assert "new: " not in asked(desk, tmp_path / "first").output


def test_for_programs(desk: Path, tmp_path: Path) -> None:
    norms = [IT, {**IT, "valid_from": "2026-04-01", "first_response": "2bh"}, HR]
    said = json.loads(asked(desk, written(tmp_path / "new", norms, COMPANY), "--json").output)
    (row,) = said["rows"]
    assert row["norm"] == {"department": "it", "kind": "first_response", "giver": "", "name": "it/first_response"}
    assert row["differs"]
    assert (row["planned"]["met"], row["turned"]["now_missed"]) == (0, 4)
    assert said["until"] == START + 14 * DAY


def test_files_that_cannot_be_read_are_refused_with_their_lines(desk: Path, tmp_path: Path) -> None:
    said = asked(desk, written(tmp_path / "new", [{**IT, "first_response": "4 fortnights"}], COMPANY))
    assert said.exit_code == 1
    assert f"{tmp_path / 'new' / 'norms.yaml'}:" in said.output
    assert "'4 fortnights' is no target" in said.output


def test_nothing_is_replayed_before_anything_is_measured(tmp_path: Path) -> None:
    with Embedded(tmp_path / "d", store=False) as embedded:
        embedded.apply(config_files.load(EXAMPLE).configuration.files)
    with pytest.raises(Stopped, match="nothing to replay"):
        planned(tmp_path / "d", EXAMPLE)


def test_an_aim_is_compared_exactly() -> None:
    assert not falls_short(999, 1, 0.999)
    assert falls_short(998, 1, 0.999)
    assert not falls_short(3, 1, 0.75)


def test_weeks_begin_on_mondays_of_the_zone() -> None:
    """Through the end of winter time: the last one is an hour shorter."""
    sunday = START + 27 * DAY
    found = weeks(START - 1, sunday, "Europe/Berlin")
    assert [e.instant(at).isoformat() for at in found] == [
        "2026-03-01T23:00:00+00:00",
        "2026-03-08T23:00:00+00:00",
        "2026-03-15T23:00:00+00:00",
        "2026-03-22T23:00:00+00:00",
    ]


def test_configurations_are_replayed_with_their_own_names() -> None:
    """A scope is the same norm in every version: the date of the version is not part of it."""
    config: Configuration = config_files.load(EXAMPLE).configuration
    assert {scope.name for scope in scopes(config).values()} == {n.partition("@")[0] for n in scopes(config)}
