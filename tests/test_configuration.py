"""A whole version: what is written is what everybody folds under, and the past keeps what it was judged by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from streams.configuration import Configuration, Files, encode, trial_configuration
from streams.fact import UNMAPPED, UNOWNED
from streams.norm_entry import NormsFile, OnChange
from streams.problems import Problem, Severity
from streams.successor import check_successor
from streams.target import HOUR

NOW = int(datetime(2026, 6, 15, 12, tzinfo=UTC).timestamp()) * 1_000_000
DESK = {"source": "helpdesk", "group": "Desk", "department": "it"}
PROMISE = {"department": "it", "first_response": "4bh"}


def configuration(*norms: dict[str, Any], version: int = 1, **company: Any) -> Configuration:
    plain: dict[str, Any] = {
        "organisation": "Northwind",
        "zone": "Europe/Berlin",
        "hours": {"mon-fri": "09:00-17:00"},
        "sources": ["helpdesk"],
        "departments": [{"id": "it", "name": "IT Service", "head_count": 25}, {"id": "cloud"}],
        "groups": [DESK],
    }
    files = {"version": version, "company": plain | company, "norms": {"norms.yaml": {"norms": norms}}}
    return Configuration(Files.model_validate(files))


def refused(old: Configuration, new: Configuration, watermark: int | None = NOW) -> list[str]:
    return [str(p) for p in check_successor(old, new, watermark) if p.severity is Severity.error]


def test_a_record_says_all_that_the_files_said() -> None:
    written = configuration(
        {
            "department": "it",
            "valid_from": "2026-01-01",
            "hours": {"mon-thu": "08:00-12:00, 13:00-17:00", "fri": "08:00-13:00", "sat": "closed"},
            "closures": ["2026-12-24..2026-12-31"],
            "half_days": {"2026-12-23": "09:00-12:00"},
            "acceptance": {"*": "4bh", "cloud": "2bh"},
        },
        version=7,
        holidays=["DE-BY"],
        people=[{"person": "k1:ab", "department": "it", "since": "2026-01-01T00:00:00+01:00"}],
        bots=[{"source": "helpdesk", "who": "automation"}],
    )
    read = Configuration.decode(encode(written.files))
    assert (read.version, read.files) == (7, written.files)
    assert encode(read.files) == encode(written.files)
    assert read.department("helpdesk", "Desk", NOW) == "it"
    norm = read.norm("acceptance", "it", "cloud", NOW)
    assert norm is not None
    assert norm.name == "it/acceptance/cloud@2026-01-01"


def test_rules_aims_and_exceptions_survive_the_record() -> None:
    rules = ["4bh", {"priority": ["high", "urgent"], "target": "by next business day 12:00", "attainment": "92.5%"}]
    norm = {"department": "it", "first_response": rules, "attainment": "90%", "on_change": "prorate", "finish": "2bd"}
    file = {"norms": [norm], "exceptions": [{"name": "strike", "since": "2026-06-01", "until": "2026-06-02"}]}
    files = configuration().files.model_copy(update={"norms": {"norms.yaml": NormsFile.model_validate(file)}})
    assert Configuration.decode(encode(files)).files == files
    norm_of_high = Configuration(files).norm("first_response", "it", "", NOW, "", "HIGH")
    assert norm_of_high is not None
    assert (norm_of_high.attainment, norm_of_high.on_change) == (0.925, OnChange.prorate)


@pytest.mark.parametrize(("since", "allowed"), [("2026-05-20", True), ("2026-05-01", False)])
def test_an_exception_reaches_35_days_back(since: str, allowed: bool) -> None:
    file = {"norms": [PROMISE], "exceptions": [{"name": "strike", "since": since, "until": "2026-06-01"}]}
    files = configuration().files.model_copy(update={"norms": {"norms.yaml": NormsFile.model_validate(file)}})
    found = refused(configuration(PROMISE), Configuration(files))
    assert (found == []) is allowed
    assert allowed or "exceptions reach back 35 days, to 2026-05-11" in found[0]
    assert (refused(Configuration(files), configuration(PROMISE)) == []) is allowed, "nor can it be taken back"


def test_groups_each_survives_the_record() -> None:
    read = Configuration.decode(encode(trial_configuration("Europe/Berlin").files))
    assert read.department("anything", "Desk", 0) == "Desk"


def test_a_requesters_unit_is_empty_where_nobody_told_it() -> None:
    here = configuration()
    assert [here.unit("helpdesk", group, 0) for group in ("", "Desk", "Who?")] == ["", "it", UNMAPPED]
    assert here.department("helpdesk", "", 0) == UNOWNED


def test_departments_are_shown_by_their_names() -> None:
    here = configuration(bots=[{"source": "helpdesk", "who": "automation"}])
    assert here.departments == ("it", "cloud")
    assert [here.name(department) for department in ("it", "cloud", UNMAPPED)] == ["IT Service", "cloud", UNMAPPED]
    assert (here.head_count("it", 0), here.head_count("cloud", 0), here.depth("it", 0)) == (25, None, 0)
    assert here.sources == {"helpdesk"}
    assert here.bots("helpdesk") == {"automation"}
    assert here.bots("hr") == frozenset()


def test_a_trial_needs_no_files() -> None:
    trial = trial_configuration("America/New_York")
    monday = int(datetime(2026, 6, 15, 4, tzinfo=UTC).timestamp()) * 1_000_000  # midnight in New York
    assert trial.calendar("Desk").worked(monday, monday + 168 * HOUR) == 40 * HOUR
    assert trial.norm("first_response", "Desk", "", monday) is None
    assert (trial.levels, trial.sources) == (1, frozenset())


def test_the_same_files_may_follow_themselves() -> None:
    here = configuration(PROMISE)
    assert check_successor(here, here, NOW) == []


@pytest.mark.parametrize(
    "changed",
    [
        [PROMISE | {"first_response": "8bh"}],
        [PROMISE | {"hours": {"mon-fri": "10:00-16:00"}}],
        [PROMISE, {"department": "it", "valid_from": "2026-06-15", "first_response": "4bh"}],
        [],
    ],
    ids=["another target", "other hours", "a version that began this morning", "taken back"],
)
def test_what_was_judged_stays_judged(changed: list[dict[str, Any]]) -> None:
    (problem,) = refused(configuration(PROMISE), configuration(*changed))
    assert "the norms of 'it' change" in problem


def test_norms_change_from_now_on() -> None:
    tomorrow = {"department": "it", "valid_from": "2026-06-16", "first_response": "8bh"}
    assert refused(configuration(PROMISE), configuration(PROMISE, tomorrow)) == []
    assert refused(configuration(PROMISE, tomorrow), configuration(PROMISE)) == []


def test_the_organisations_hours_cannot_change_under_a_norm_that_rests_on_them() -> None:
    later = configuration(PROMISE, hours={"mon-fri": "08:00-18:00"})
    assert len(refused(configuration(PROMISE), later)) == 1
    own_hours = PROMISE | {"hours": {"mon-fri": "09:00-17:00"}}
    assert refused(configuration(own_hours), configuration(own_hours, hours={"mon-fri": "08:00-18:00"})) == []


def test_default_hours_without_norms_change_with_a_warning() -> None:
    (problem,) = check_successor(configuration(), configuration(hours={"mon-fri": "08:00-18:00"}), NOW)
    assert problem.severity is Severity.warning


def test_what_is_named_for_the_first_time_has_no_limit() -> None:
    cloud = {"department": "cloud", "resolution": "2bd"}
    more = configuration(PROMISE, cloud, groups=[DESK, DESK | {"group": "New", "department": "cloud"}])
    assert refused(configuration(PROMISE), more) == []


def test_before_anything_was_seen_anything_may_change() -> None:
    assert refused(configuration(PROMISE), configuration(groups=[]), None) == []


@pytest.mark.parametrize(("since", "allowed"), [("2026-05-12", True), ("2026-05-11", False), (None, False)])
def test_a_group_moves_at_most_35_days_back(since: str | None, allowed: bool) -> None:
    moved = DESK | {"department": "cloud"}
    groups = [moved] if since is None else [DESK, moved | {"since": since}]
    assert (refused(configuration(), configuration(groups=groups)) == []) is allowed


def test_a_retired_group_stays_on_the_list() -> None:
    (problem,) = refused(configuration(), configuration(groups=[]))
    assert "group 'Desk'" in problem


def test_a_department_moves_at_most_35_days_back() -> None:
    def tree(parent: Any) -> Configuration:
        return configuration(departments=[{"id": "it"}, {"id": "cloud", "parent": parent}])

    nowhere = configuration(departments=[{"id": "it"}, {"id": "cloud"}])
    assert refused(nowhere, tree([{"since": "2026-06-01", "department": "it"}])) == []
    assert len(refused(nowhere, tree([{"since": "2026-03-01", "department": "it"}]))) == 1
    assert len(refused(tree("it"), nowhere)) == 1


def test_a_problem_reads_as_one_line() -> None:
    problem = Problem("norms.yaml", 12, "unknown department 'finnace'", "did you mean 'finance'?")
    assert str(problem) == "norms.yaml:12: unknown department 'finnace' – did you mean 'finance'?"
    assert str(Problem("norms", 0, "is missing", severity=Severity.warning)) == "norms: warning: is missing"
