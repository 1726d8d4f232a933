"""SLA policies of helpdesks become norms files that say the same, and comments on what they cannot say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from deploy.config_files import load
from deploy.norms_import.calendar import ALL_DAY, WEEK, Closure, Opening, hours
from deploy.norms_import.claims import Claim, compiled
from deploy.norms_import.jql import Unsayable, scope
from deploy.norms_import.norms_text import Imported, Kind, Lost, norms_text, not_carried
from deploy.norms_import.zones import ZONES, zone_called
from deploy.norms_import_cli import import_norms
from deploy.yaml_text import parse
from streams.company import Company, CompanyFile
from streams.lint import lint
from streams.norm_entry import NormsFile
from streams.norms import Norms
from streams.opening import schedule
from streams.problems import Severity
from streams.target import By

FIXTURES = Path(__file__).parent / "fixtures" / "norms_import"
COMPANY = CompanyFile.model_validate(
    {
        "organisation": "Northwind",
        "zone": "Europe/Berlin",
        "hours": {"mon-fri": "09:00-17:00"},
        "holidays": "DE-BY",
        "sources": ["helpdesk"],
        "departments": [{"id": "it"}],
        "groups": [{"source": "helpdesk", "group": "360001", "department": "it"}],
    }
)
ZENDESK = ("--department", "it", "--group", "360001", "--schedule", "Office")
JIRA = ("--department", "it", "--years", "2026-2027")


def read_back(text: str) -> NormsFile:
    """As `crossdesk apply` reads it, with no error: that a target may be hard to keep is the helpdesk's own doing."""
    norms = NormsFile.model_validate(parse(text)[1])
    problems = lint(COMPANY, {"it.yaml": norms})
    assert [str(problem) for problem in problems if problem.severity is Severity.error] == []
    return norms


def book_of(text: str) -> Norms:
    return Norms(Company(COMPANY), [read_back(text)])


def promised(book: Norms, kind: str, service: str = "", priority: str = "") -> str | None:
    norm = book.norm(kind, "it", "", 0, service, priority)
    return None if norm is None else norm.written


def unwrapped(text: str) -> str:
    """With each comment on one line."""
    return " ".join(text.replace("# ", "").split())


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(import_norms, [str(word) for word in words], catch_exceptions=False)


def printed(*words: str | Path) -> str:
    result = run(*words)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def given_as(folder: Path, name: str, body: Any) -> Path:
    path = folder / name
    path.write_text(body if isinstance(body, str) else json.dumps(body), encoding="utf-8")
    return path


def fixture(name: str) -> Any:
    return json.loads((FIXTURES / name).read_text("utf-8"))


# -- what is carried over


@pytest.mark.parametrize(("vendor", "words"), [("zendesk", ZENDESK), ("jira", JIRA)])
def test_an_example_becomes_the_norms_file_beside_it(vendor: str, words: Sequence[str]) -> None:
    text = printed(vendor, FIXTURES / f"{vendor}.json", *words)
    assert text == (FIXTURES / f"{vendor}.yaml").read_text("utf-8")
    read_back(text)


def test_of_zendesk_every_ticket_has_the_target_of_the_first_policy_that_fits_it() -> None:
    book = book_of(printed("zendesk", FIXTURES / "zendesk.json", *ZENDESK))
    laptops, other = "360000471", "360000000"
    assert promised(book, "first_response", laptops, "urgent") == "30bm"
    assert promised(book, "first_response", other, "urgent") == "1h"
    assert promised(book, "first_response", other, "low") == "8bh"
    assert promised(book, "next_response", other, "low") == "16bh"
    assert promised(book, "resolution", other, "normal") == "40bh"
    assert promised(book, "resolution", laptops, "urgent") == "8bh"
    assert promised(book, "resolution", other, "urgent") is None
    assert promised(book, "finish") == "16bh"
    assert promised(book, "first_response", other, "") is None, "a ticket without a priority has no target there"


def test_of_jira_every_issue_has_the_target_of_the_first_goal_that_fits_it() -> None:
    book = book_of(printed("jira", FIXTURES / "jira.json", *JIRA))
    assert promised(book, "first_response", "10004", "Highest") == "1h"
    assert promised(book, "first_response", "10004", "medium") == "4bh"
    assert promised(book, "first_response", "10007", "High") == "4bh"
    assert promised(book, "first_response", "10004", "Low") == "8bh"
    assert promised(book, "first_response", "10005", "High") == "8bh"
    assert promised(book, "resolution", "10005", "High") == "40bh"


def test_files_one_by_one_are_what_one_file_of_all_is(tmp_path: Path) -> None:
    whole = fixture("zendesk.json")
    names = ["policies.json", "groups.json", "schedules.json", "holidays-7.json"]
    files = [given_as(tmp_path, name, body) for name, body in zip(names, whole.values(), strict=True)]
    assert printed("zendesk", *files, *ZENDESK) == printed("zendesk", FIXTURES / "zendesk.json", *ZENDESK)


def test_a_file_is_written_once(tmp_path: Path) -> None:
    words = ("zendesk", FIXTURES / "zendesk.json", *ZENDESK, "--out", tmp_path / "norms")
    first = run(*words)
    written = (tmp_path / "norms" / "it.yaml").read_text("utf-8")
    assert first.exit_code == 0
    assert written == (FIXTURES / "zendesk.yaml").read_text("utf-8")
    assert f"rules: 11, not carried over: {not_carried(written)}" in first.stderr
    (tmp_path / "norms" / "it.yaml").write_text("mine", encoding="utf-8")
    again = run(*words)
    assert (again.exit_code, "is there already" in again.stderr) == (1, True)
    assert (tmp_path / "norms" / "it.yaml").read_text("utf-8") == "mine"


@pytest.mark.parametrize(("vendor", "words"), [("zendesk", ZENDESK), ("jira", JIRA)])
def test_what_is_written_is_read_with_the_company(tmp_path: Path, vendor: str, words: Sequence[str]) -> None:
    given_as(tmp_path, "company.yaml", COMPANY.model_dump(exclude_defaults=True, mode="json"))  # JSON is YAML
    assert run(vendor, FIXTURES / f"{vendor}.json", *words, "--out", tmp_path / "norms").exit_code == 0
    assert load(tmp_path).configuration.norm("first_response", "it", "", 0, "", "high") is not None


# -- Zendesk


def policy(id: int = 1, conditions: Any = (), **more: Any) -> dict[str, Any]:
    metric = {"priority": "high", "metric": "first_reply_time", "target": 60 * id, "business_hours": False}
    filter = {"all": list(conditions), "any": []}
    return {"id": id, "title": f"P{id}", "position": id, "filter": filter, "policy_metrics": [metric], **more}


def condition(field: str, operator: str, value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


def of_policies(folder: Path, *policies: dict[str, Any], words: Sequence[str] = ()) -> str:
    file = given_as(folder, "policies.json", {"sla_policies": policies})
    return printed("zendesk", file, "--department", "it", *words)


def test_policies_are_tried_by_their_position_whatever_their_order_in_the_answer(tmp_path: Path) -> None:
    text = of_policies(tmp_path, policy(2), policy(1))
    assert promised(book_of(text), "first_response", "", "high") == "1h"


@pytest.mark.parametrize(
    ("conditions", "words", "said"),
    [
        ([condition("current_tags", "includes", "vip")], (), 'current_tags includes "vip"'),
        ([condition("organization_id", "is", 7)], (), "organization_id is 7"),
        ([condition("ticket_form_id", "is_not", 7)], (), "ticket_form_id is_not 7"),
        ([condition("type", "is", "incident")], (), 'type is "incident"'),
        ([condition("group_id", "is", "360001")], (), "(name the department's groups with --group ID)"),
        ([condition("group_id", "includes", [360001])], ("--group", "360001", "--group", "360002"), "[360001]"),
    ],
)
def test_a_filter_that_no_norm_can_say_is_a_comment_with_its_words(
    tmp_path: Path, conditions: Any, words: Sequence[str], said: str
) -> None:
    text = of_policies(tmp_path, policy(1, conditions), policy(2), words=words)
    assert promised(book_of(text), "first_response", "", "high") == "2h"
    assert not_carried(text) == 1
    assert said in unwrapped(text)
    assert '# - {target: 1h, priority: [high]}  # policy "P1"' in text


@pytest.mark.parametrize(
    ("conditions", "words", "service", "target"),
    [
        ([condition("group_id", "includes", [360001, 360002])], ("--group", "360001"), "", "1h"),
        ([condition("group_id", "is_not", "360002")], ("--group", "360001"), "", "1h"),
        ([condition("group_id", "is", "360002")], ("--group", "360001"), "", "2h"),
        ([condition("group_id", "not_includes", [360001])], ("--group", "360001"), "", "2h"),
        ([condition("type", "is", "incident")], ("--service", "type"), "incident", "1h"),
        ([condition("type", "is", "incident")], ("--service", "type"), "task", "2h"),
        ([condition("ticket_form_id", "includes", [7, 8])], (), "8", "1h"),
        ([condition("priority", "is", "low")], (), "", "2h"),
        ([condition("priority", "is", "high")], (), "", "1h"),
    ],
)
def test_conditions_on_groups_services_and_priorities_are_said(
    tmp_path: Path, conditions: Any, words: Sequence[str], service: str, target: str
) -> None:
    text = of_policies(tmp_path, policy(1, conditions), policy(2), words=words)
    assert promised(book_of(text), "first_response", service, "high") == target


def test_alternatives_are_said_if_they_ask_for_one_field(tmp_path: Path) -> None:
    forms = [condition("ticket_form_id", "is", "7"), condition("ticket_form_id", "is", "8")]
    one = policy(1, filter={"all": [], "any": forms})
    assert promised(book_of(of_policies(tmp_path, one, policy(2))), "first_response", "8", "high") == "1h"
    two = policy(1, filter={"all": [], "any": [*forms, condition("type", "is", "task")]})
    text = of_policies(tmp_path, two, policy(2))
    assert promised(book_of(text), "first_response", "8", "high") == "2h"
    assert not_carried(text) == 1


def test_a_kind_of_which_nothing_can_be_said_is_all_comments(tmp_path: Path) -> None:
    text = of_policies(tmp_path, policy(1, [condition("current_tags", "includes", "vip")]))
    assert "# first_response: nothing was carried over" in text
    assert list(read_back(text).norms[0].rules()) == []


def test_ownership_that_depends_on_the_priority_is_left_to_whoever_reads_it(tmp_path: Path) -> None:
    metrics = [
        {"priority": priority, "metric": "group_ownership_time", "target": target, "business_hours": False}
        for priority, target in (("low", 120), ("high", 60))
    ]
    file = given_as(tmp_path, "groups.json", {"group_sla_policies": [policy(1, policy_metrics=metrics)]})
    text = printed("zendesk", file, "--department", "it")
    assert promised(book_of(text), "finish") is None
    assert '# finish: {"*": 2h}  # policy "P1", for cases of priority low' in text
    assert '# finish: {"*": 1h}  # policy "P1", for cases of priority high' in text


def test_seconds_count_where_there_are_any(tmp_path: Path) -> None:
    metric = {
        "priority": "high",
        "metric": "first_reply_time",
        "target": 0,
        "target_in_seconds": 30,
        "business_hours": False,
    }
    text = of_policies(tmp_path, policy(1, policy_metrics=[metric]))
    assert promised(book_of(text), "first_response", "", "high") == "30s"


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ([(1980, 2460)], (("mon", "09:00-17:00"),)),
        ([(0, 360), (9900, 10080)], (("sat", "21:00-24:00"), ("sun", "00:00-06:00"))),
        ([(1980, 3900)], (("mon", "09:00-24:00"), ("tue", "00:00-17:00"))),
        ([(1980, 2160), (2160, 2460)], (("mon", "09:00-17:00"),)),
        ([(1980, 2160), (2160, 2460), (2100, 2400)], (("mon", "09:00-17:00"),)),
        ([(540 + 1440 * day, 1020 + 1440 * day) for day in range(7)], (("mon-sun", "09:00-17:00"),)),
    ],
)
def test_intervals_count_minutes_from_sunday(
    tmp_path: Path, intervals: Sequence[tuple[int, int]], expected: Sequence[tuple[str, str]]
) -> None:
    spans = [{"start_time": start, "end_time": end} for start, end in intervals]
    body = {"schedules": [{"id": 7, "name": "Office", "time_zone": "Berlin", "intervals": spans}]}
    text = printed("zendesk", given_as(tmp_path, "schedules.json", body), "--department", "it")
    (entry,) = read_back(text).norms
    assert (entry.hours, entry.zone, entry.holidays) == (dict(expected), "Europe/Berlin", None)
    assert "Holidays were not given" in text


def test_who_is_open_all_the_week_is_always_open_unless_there_are_holidays(tmp_path: Path) -> None:
    body = {
        "schedules": [{"id": 7, "name": "A", "time_zone": "UTC", "intervals": [{"start_time": 0, "end_time": WEEK}]}]
    }
    schedules = given_as(tmp_path, "schedules.json", body)
    day = {"id": 1, "name": "Founders' day", "start_date": "2026-05-04", "end_date": "2026-05-04"}
    holidays = given_as(tmp_path, "holidays.json", {"holidays": [day]})
    assert read_back(printed("zendesk", schedules, "--department", "it")).norms[0].hours == "always"
    (entry,) = read_back(printed("zendesk", schedules, holidays, "--department", "it")).norms
    assert (entry.hours, entry.closures) == ({"mon-sun": ALL_DAY}, ("2026-05-04",))


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("Eastern Time (US & Canada)", "America/New_York"),
        ("Berlin", "Europe/Berlin"),
        ("Hong Kong", "Asia/Hong_Kong"),
        ("Kathmandu", "Asia/Kathmandu"),
        ("Samoa", "Pacific/Apia"),
        ("Europe/Paris", "Europe/Paris"),
        ("Berlín", ""),
    ],
)
def test_zones_are_known_by_the_names_that_zendesk_gives_them(name: str, zone: str) -> None:
    assert zone_called(name) == zone


def test_every_zone_of_the_table_is_one() -> None:
    assert set(ZONES.values()) <= available_timezones()


# -- Jira


def sla(
    goals: Any, id: int = 1, start: str = "issue-created-hit-condition", stop: str = "resolution-set-hit-condition"
) -> Any:
    definition = {"start": [{"conditionId": start, "name": "A"}], "stop": [{"conditionId": stop, "name": "B"}]}
    return {"id": id, "name": f"S{id}", "config": {"definition": definition, "goals": goals}}


def calendar(id: int = 2, **more: Any) -> dict[str, Any]:
    times = [{"weekday": "monday", "start": 32_400_000, "end": 61_200_000}]
    return {"id": id, "name": f"C{id}", "timezoneId": "Europe/Berlin", "workingTimes": times, "holidays": [], **more}


def goal(duration: int | None, jql: str = "", **more: Any) -> dict[str, Any]:
    return {"jqlQuery": jql, "duration": None if duration is None else duration * 3_600_000, "timeMetricId": 1, **more}


def of_slas(folder: Path, *slas: Any, more: Sequence[Any] = (), words: Sequence[str] = ()) -> str:
    body = {"metrics": {"timeMetrics": slas}, **{f"more{n}": one for n, one in enumerate(more)}}
    return printed("jira", given_as(folder, "jira.json", body), "--department", "it", *words)


@pytest.mark.parametrize(
    ("start", "stop", "kinds"),
    [
        ("issue-created-hit-condition", "comment-for-reporter-hit-condition", {"first_response"}),
        ("comment-by-reporter-hit-condition", "comment-for-reporter-hit-condition", {"next_response"}),
        ("issue-created-hit-condition", "resolution-set-hit-condition", {"resolution"}),
        ("issue-created-hit-condition", "10004", set()),
        ("assignee-set-hit-condition", "resolution-set-hit-condition", set()),
    ],
)
def test_what_starts_and_stops_an_sla_says_which_norm_it_is(
    tmp_path: Path, start: str, stop: str, kinds: set[str]
) -> None:
    text = of_slas(tmp_path, sla([goal(4)], start=start, stop=stop))
    assert {kind for kind, _, _ in read_back(text).norms[0].rules()} == kinds
    assert not_carried(text) == (not kinds)
    assert kinds or 'SLA "S1" starts at A and stops at B' in text


def test_a_second_sla_of_a_kind_is_a_comment_with_its_goals(tmp_path: Path) -> None:
    text = of_slas(tmp_path, sla([goal(4)]), sla([goal(2, "priority = High"), goal(None)], id=2))
    assert promised(book_of(text), "resolution", "", "High") == "4h"
    assert 'SLA "S2" is a second one for resolution' in text
    assert "priority = High 2h; for all remaining issues no target" in unwrapped(text)


def test_a_goal_by_another_calendar_is_a_comment(tmp_path: Path) -> None:
    goals = [goal(2, "priority = High", calendarId=3), goal(8, calendarId=2)]
    text = of_slas(tmp_path, sla(goals), more=[calendar(2), calendar(3)], words=("--calendar", "C2"))
    assert promised(book_of(text), "resolution", "", "High") == "8bh"
    assert "it counts by another calendar, 'C3'" in text
    assert "# - {target: 2bh}" in text


def test_a_goal_without_a_calendar_counts_round_the_clock(tmp_path: Path) -> None:
    always = calendar(4, workingTimes=[{"weekday": day, "start": 0, "end": 86_400_000} for day in DAYS])
    goals = [goal(1, "priority = A"), goal(2, "priority = B", calendarId=4), goal(3, calendarId=2)]
    book = book_of(of_slas(tmp_path, sla(goals), more=[calendar(), always]))
    assert [promised(book, "resolution", "", priority) for priority in ("A", "B", "C")] == ["1h", "2h", "3bh"]


DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def test_targets_by_priority_inside_a_goal_are_a_comment_with_their_words(tmp_path: Path) -> None:
    goals = [goal(1, "issuetype = 7", subGoals=[{"id": 9, "goalId": 1}]), goal(8)]
    text = of_slas(tmp_path, sla(goals))
    assert promised(book_of(text), "resolution", "7") == "8h"
    assert '[{"id": 9, "goalId": 1}]' in unwrapped(text)


def test_holidays_that_come_back_are_written_for_the_years_asked_for(tmp_path: Path) -> None:
    holidays = [
        {"name": "Leap", "iso8601Date": "2024-02-29", "recurring": True},
        {"name": "Move", "iso8601Date": "2026-03-02", "recurring": False},
    ]
    more = [calendar(holidays=holidays)]
    text = of_slas(tmp_path, sla([goal(8, calendarId=2)]), more=more, words=("--years", "2025-2028"))
    (entry,) = read_back(text).norms
    assert (entry.closures, entry.holidays) == (("2024-02-29", "2026-03-02", "2028-02-29"), ())


def test_types_are_known_by_their_ids_as_the_source_names_them(tmp_path: Path) -> None:
    goals = [goal(1, "issuetype = Incident"), goal(2, '"Request Type" = "New laptop"'), goal(8)]
    types = [{"id": "10005", "name": "Incident", "subtask": False}]
    requests = {"values": [{"id": "31", "name": "New laptop", "serviceDeskId": "2"}]}
    unknown = of_slas(tmp_path, sla(goals))
    assert promised(book_of(unknown), "resolution", "10005") == "8h"
    assert "GET /rest/api/2/issuetype" in unknown
    by_issue_type = of_slas(tmp_path, sla(goals), more=[types, requests])
    assert promised(book_of(by_issue_type), "resolution", "10005") == "1h"
    by_request = of_slas(tmp_path, sla(goals), more=[types, requests], words=("--service", "requesttype"))
    assert promised(book_of(by_request), "resolution", "31") == "2h"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {}),
        ("priority = High", {"priority": {"High"}}),
        (
            'Priority in (High, \'Very high\') AND type="A \\"b\\""',
            {"priority": {"High", "Very high"}, "issuetype": {'A "b"'}},
        ),
        ("priority = High or (priority in (Low))", {"priority": {"High", "Low"}}),
        ("priority in (High, Low) and priority = LOW", {"priority": {"Low"}}),
        ("priority = High and priority = Low", {"priority": set()}),
        ("((project = IT))", {"project": {"IT"}}),
    ],
)
def test_queries_that_norms_can_say(query: str, expected: dict[str, set[str]]) -> None:
    assert scope(query) == expected


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("priority != High", "neither = nor in"),
        ("priority not in (High)", "neither = nor in"),
        ("priority = High OR issuetype = Bug", "OR between"),
        ("not priority = High", "'not'"),
        ("labels = vip", "a condition on 'labels'"),
        ("priority = High ORDER BY created", "'ORDER'"),
        ("reporter in membersOf(board)", "a condition on 'reporter'"),
        ("priority in membersOf(board)", "'(' is missing"),
        ("priority = currentUser()", "the function currentUser()"),
        ("priority is EMPTY", "neither = nor in"),
        ("priority = ", "ends too early"),
        ("priority = 'High", "is not understood"),
        ("(priority = High", "')' is missing"),
        ("(" * 40 + "priority = High" + ")" * 40, "nested too deeply"),
    ],
)
def test_of_other_queries_it_is_said_why_not(query: str, why: str) -> None:
    with pytest.raises(Unsayable) as caught:
        scope(query)
    assert why in str(caught.value)


# -- the first that fits, and the most specific

WORDS = st.sampled_from(["a", "b", "c"])
SETS = st.none() | st.frozensets(WORDS, min_size=1)
CLAIMS = st.lists(
    st.builds(Claim, SETS, SETS, st.none() | st.sampled_from(["1h", "2h", "3h"]), st.just("somebody")), max_size=7
)


@given(CLAIMS)
def test_rules_say_of_every_case_what_the_first_claim_says(claims: list[Claim]) -> None:
    rules, unsaid = compiled(claims)
    text = norms_text(Imported("it", "a helpdesk", None, {"resolution": Kind(rules, unsaid)}))
    book = book_of(text)
    for service in ("a", "b", "c", "other"):
        for priority in ("A", "b", "c", "other"):
            first = next((claim for claim in claims if claim.fits(service, priority.lower())), None)
            said = promised(book, "resolution", service, priority)
            if said != (first.target if first else None):
                assert first is None or first.target is None, "only what has no target cannot be said"
                assert any(
                    (not one.services or service in one.services)
                    and (not one.priorities or priority.lower() in one.priorities)
                    and one.target == said
                    for one in unsaid
                )


def test_what_cannot_be_said_is_named_with_the_target_that_it_gets() -> None:
    claims = [Claim(frozenset({"x"}), frozenset({"low"}), None, ""), Claim(None, None, "4h", "all")]
    (one,) = compiled(claims).unsaid
    assert (one.services, one.priorities, one.target) == (("x",), ("low",), "4h")


SPANS = st.lists(st.tuples(st.integers(0, WEEK - 1), st.integers(1, 3000)), min_size=1, max_size=12)


@given(SPANS)
def test_hours_are_open_in_the_minutes_of_the_intervals_and_no_other(spans: list[tuple[int, int]]) -> None:
    intervals = [(start, min(start + length, WEEK)) for start, length in spans]
    written = hours(intervals, always=False)
    assert not isinstance(written, str)
    week = schedule("UTC", dict(written)).week
    minutes = {
        day * 1440 + minute
        for day, of_day in enumerate(week)
        for span in of_day
        for minute in range(span.start, span.end)
    }
    assert minutes == {minute for start, end in intervals for minute in range(start, end)}


# -- what is printed

NASTY = 'a: "b" # c\n- d\x85\u2028\ud800\x00 {e} \\ \U0001f600'


@given(st.text(min_size=1) | st.just(NASTY))
def test_whatever_a_vendor_calls_things_the_file_is_read_back(name: str) -> None:
    opening = Opening(name, "Europe/Berlin", name, (("mon", "09:00-17:00"),), (Closure("2026-01-01", name),), (name,))
    said = compiled([Claim(frozenset({name}), frozenset({name}), "4bh", name)])
    kinds = {"resolution": Kind(said.rules, lost=(Lost(name, said.rules),), notes=(name,)), "finish": Kind(said.rules)}
    whole = Imported("it", name, opening, kinds, (Lost(name),), (name,))
    (entry,) = NormsFile.model_validate(parse(norms_text(whole))[1]).norms
    assert len(entry.resolution) == 1
    if name.isprintable():
        assert entry.resolution[0].service == (name,)
    assert entry.closures == ("2026-01-01",)
    assert parse(norms_text(replace(whole, department="null")))[1]["norms"][0]["department"] == "null"


# -- bad input

SCHEDULE = {"id": 7, "name": "Office", "time_zone": "Berlin", "intervals": [{"start_time": 1980, "end_time": 2460}]}
HOLIDAY = {"id": 1, "name": "X", "start_date": "2026-05-04", "end_date": "2026-05-04"}


def metrics(**changed: Any) -> dict[str, Any]:
    one = {"priority": "high", "metric": "first_reply_time", "target": 60, "business_hours": False, **changed}
    return {"sla_policies": [policy(policy_metrics=[one])]}


@pytest.mark.parametrize(
    ("body", "words", "said"),
    [
        ("{", (), "is not JSON"),
        ("[" * 100_000, (), "is nested too deeply"),
        ([], (), "is no answer that is known – give what GET /api/v2/slas/policies"),
        ({"tickets": []}, (), "'tickets' is no answer that is known"),
        (
            {"error": "Couldn't authenticate you"},
            (),
            'a refusal, not an answer: "Couldn\'t authenticate you" – ask again',
        ),
        ({"sla_policies": []}, (), "holds neither policies nor schedules"),
        (
            {"sla_policies": [policy(policy_metrics=[])]},
            (),
            'policy "P1" has no metrics: it promises nothing – take it out',
        ),
        ({"sla_policies": [policy(policy_metrics=None)]}, (), "has no metrics"),
        ({"sla_policies": [{"id": 1}]}, (), "is not as documented: Object missing required field `title`"),
        (
            metrics(target="soon"),
            (),
            "Expected `int | null`, got `str` - at `$.sla_policies[0].policy_metrics[0].target`",
        ),
        (metrics(target=-5), (), "is -300 s – a target is above zero"),
        (
            {"sla_policies": [policy()], "count": 3},
            (),
            "says that there are 3 policies, and 1 were given – give the other pages",
        ),
        (
            {"a": {"sla_policies": [policy()]}, "b": {"sla_policies": [policy(title="Q")]}},
            (),
            "is given twice, and differs",
        ),
        (
            {"schedules": [{**SCHEDULE, "time_zone": "Eastern Time"}]},
            (),
            "unknown zone 'Eastern Time' of schedule 'Office'",
        ),
        ({"schedules": [{**SCHEDULE, "intervals": []}]}, (), "has no intervals: it is never open"),
        ({"schedules": [{**SCHEDULE, "intervals": [{"start_time": 90, "end_time": 20}]}]}, (), "from minute 90 to 20"),
        (
            {"schedules": [SCHEDULE, {**SCHEDULE, "id": 8, "name": "Night"}]},
            (),
            "several schedules: 'Night', 'Office' – say --schedule",
        ),
        ({"schedules": [SCHEDULE]}, ("--schedule", "Day"), "no schedule is called 'Day' – there are 'Office'"),
        ({"sla_policies": [policy()]}, ("--schedule", "Day"), "no schedule is called 'Day' – give their answer"),
        (
            {"s": {"schedules": [SCHEDULE]}, "h": {"holidays": [{**HOLIDAY, "end_date": "2026-05-01"}]}},
            (),
            "holiday 'X'",
        ),
        ({"h": {"holidays": [HOLIDAY]}, "p": {"sla_policies": [policy()]}}, (), "holidays without a schedule"),
        (
            {"s": {"schedules": [SCHEDULE, {**SCHEDULE, "id": 8}]}, "h": {"holidays": [HOLIDAY]}},
            ("--schedule", "7"),
            "nothing says of which schedule – call it by the id",
        ),
    ],
)
def test_of_bad_answers_of_zendesk_it_is_said_what_to_do(
    tmp_path: Path, body: Any, words: Sequence[str], said: str
) -> None:
    refused("zendesk", given_as(tmp_path, "answer.json", body), words, said)


@pytest.mark.parametrize(
    ("body", "words", "said"),
    [
        ({"errorMessages": ["Not found"]}, (), 'a refusal, not an answer: ["Not found"]'),
        ({"calendars": [calendar()]}, (), "holds no SLA – give what GET /rest/servicedesk/1"),
        ({"timeMetrics": [sla([])]}, (), 'SLA "S1" has no goals'),
        ({"timeMetrics": [sla(None)]}, (), 'SLA "S1" has no goals'),
        ({"timeMetrics": [{"id": 1, "name": "S"}]}, (), "is not as documented: Object missing required field `config`"),
        ({"timeMetrics": [sla([goal(0)])]}, (), "a target is above zero"),
        ({"timeMetrics": [sla([goal(1)]), sla([goal(2)])]}, (), "give the SLAs of one project at a time"),
        ({"timeMetrics": [sla([goal(1, calendarId=2)])]}, (), "by calendar '2', which was not given – give what GET"),
        (
            {
                "m": {"timeMetrics": [sla([goal(1, "priority = A", calendarId=2), goal(1, calendarId=3)])]},
                "c": [calendar(2), calendar(3)],
            },
            (),
            "several calendars: 'C2', 'C3' – say --calendar NAME",
        ),
        ({"timeMetrics": [sla([goal(1)])]}, ("--calendar", "X"), "no calendar is called 'X'"),
        (
            calendar(timezoneId="Europe/Berlim"),
            (),
            "unknown zone 'Europe/Berlim' of calendar 'C2' – did you mean 'Europe/Berlin'?",
        ),
        (calendar(workingTimes=[]), (), "has no working times"),
        (calendar(workingTimes=[{"weekday": "moonday", "start": 0, "end": 60_000}]), (), "which is no day"),
        (calendar(workingTimes=[{"weekday": "monday", "start": 0, "end": 86_399_999}]), (), "give whole minutes"),
        (calendar(holidays=[{"name": "X", "iso8601Date": "1 May"}]), (), "holiday 'X' of calendar 'C2' is on '1 May'"),
    ],
)
def test_of_bad_answers_of_jira_it_is_said_what_to_do(
    tmp_path: Path, body: Any, words: Sequence[str], said: str
) -> None:
    if isinstance(body, dict) and "workingTimes" in body:
        body = {"metrics": {"timeMetrics": [sla([goal(1)])]}, "calendar": body}
    refused("jira", given_as(tmp_path, "answer.json", body), words, said)


def refused(vendor: str, file: Path, words: Sequence[str], said: str) -> None:
    result = run(vendor, file, "--department", "it", *words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("zendesk", FIXTURES / "zendesk.json"), "Missing option '--department'"),
        (("zendesk", "--department", "it"), "Missing argument 'FILE…'"),
        (("zendesk", FIXTURES / "zendesk.json", "--department", "a/b"), "contains '/'"),
        (("jira", FIXTURES / "jira.json", "--department", "it", "--years", "2028-2026"), "the first year comes before"),
        (("jira", FIXTURES / "jira.json", "--department", "it", "--years", "soon"), "such as 2026-2028"),
    ],
)
def test_a_command_that_cannot_be_done_says_how_it_is_written(words: Sequence[str | Path], said: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_file_that_is_not_there_is_named() -> None:
    result = run("zendesk", "nowhere.json", "--department", "it")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: nowhere.json: No such file or directory\n"


def test_no_imported_target_is_a_deadline() -> None:
    """Neither vendor has any; a target is time that is used up."""
    for vendor, words in (("zendesk", ZENDESK), ("jira", JIRA)):
        book = book_of(printed(vendor, FIXTURES / f"{vendor}.json", *words))
        norms = [
            norm for _, version in book.versions["it"] if version for p in version.norms.values() for norm in p.each()
        ]
        assert norms
        assert not any(isinstance(norm.target, By) for norm in norms)
