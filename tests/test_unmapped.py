"""``crossdesk unmapped``: who occurs and is in no company file, and lines of YAML that mend it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from fake_source import Answer, FakeSource, serving
from on_kafka import Installation

from deploy.cli import main
from deploy.configurations import Configurations
from deploy.embedded import Embedded
from deploy.unmapped import Search, Unmapped, yaml_lines
from ingest import event as e
from ingest import persons
from ingest.connector import Refused
from ingest.connectors import CONNECTORS
from ingest.directory import Directory
from ingest.feedback import you_said
from ingest.identity import Identity, People
from ingest.intake import Told
from ingest.publish import Publisher
from streams.company import CompanyFile
from streams.configuration import Configuration, Files
from streams.people import Places

PARTITIONS = 2
IDENTITY = Identity(b"a key of the organisation", "k1")
ANNA, BEN = IDENTITY.pseudonym("anna", "hr"), IDENTITY.pseudonym("ben", "hr")
DAY = 86_400_000_000
MARCH = 1_772_323_200_000_000  # 1 March 2026
COMPANY: dict[str, Any] = {
    "organisation": "Northwind",
    "zone": "UTC",
    "hours": "always",
    "sources": ["desk"],
    "departments": [{"id": "it", "name": "IT Service"}, {"id": "payables", "name": "Accounts Payable"}],
    "groups": [
        {"source": "desk", "group": "Service Desk", "department": "it"},
        {"source": "hr", "group": "Information Technology", "department": "it"},
    ],
}
IN_IT: dict[str, Places] = {"hr": ((MARCH, "Information Technology"),)}

Crossdesk = Callable[..., Result]


def event(kind: type[e.CaseEvent], subject: str, day: int, **more: Any) -> e.CaseEvent:
    fields: dict[str, Any] = {
        "id": e.event_id("desk", f"{kind.__name__} {subject} {day} {more}"),
        "source": "desk",
        "subject": subject,
        "time": e.instant(MARCH + day * DAY),
        "specversion": "1.0",
    }
    return kind(**fields, **more)


def routed(subject: str, group: str, day: int) -> e.CaseEvent:
    return event(e.Routed, subject, day, data=e.RoutedData(group=group))


def created(subject: str, day: int, requester: str = "", group: str = "") -> e.CaseEvent:
    return event(e.Created, subject, day, data=e.CreatedData(requester=requester, requester_group=group))


def replied(subject: str, day: int, group: str, who: str) -> e.CaseEvent:
    return event(e.Replied, subject, day, who=who, data=e.ActedData(group=group))


def files(told: dict[str, dict[str, Places]] | None = None, **changed: Any) -> Files:
    return Files(version=1, company=CompanyFile.model_validate(COMPANY | changed), directory=told or {})


def searched(
    events: Sequence[e.CaseEvent | e.YouSaid], told: dict[str, dict[str, Places]] | None = None, **changed: Any
) -> dict[str, Unmapped]:
    search = Search(Configuration(files(told, **changed)).company)
    for one in events:
        search.hear(e.encode(one))
    return {row.group: row for row in search.found()}


def suggested(row: Unmapped) -> str:
    return row.suggestion.department if row.suggestion else ""


# -- what is found


def test_a_group_is_counted_by_cases_and_the_last_time_is_known() -> None:
    rows = searched(
        [routed("1", "Desk X", 1), routed("2", "Desk X", 2), routed("2", "Desk X", 5), routed("3", "Service Desk", 9)]
    )
    (row,) = rows.values()
    assert (row.kind, row.source, row.group, row.cases, row.last) == ("group", "desk", "Desk X", 2, MARCH + 5 * DAY)


def test_what_comes_in_no_order_and_what_is_unreadable_changes_nothing() -> None:
    search = Search(Configuration(files()).company)
    for record in (e.encode(routed("1", "X", 5)), b"no json", e.encode(routed("1", "X", 1))):
        search.hear(record)
    (row,) = search.found()
    assert (row.cases, row.last) == (1, MARCH + 5 * DAY)


def test_a_requesters_group_is_one_too() -> None:
    row = searched([created("1", 1, group="Acounts Payable")])["Acounts Payable"]
    assert (row.kind, row.cases, suggested(row)) == ("requester's group", 1, "payables")


def test_so_is_a_department_to_which_something_was_suggested() -> None:
    suggestions = [
        you_said("desk", n, e.instant(MARCH), department="Catering", topic=e.Topic.other) for n in ("1", "2")
    ]
    row = searched(suggestions)["Catering"]
    assert (row.kind, row.source, row.cases, row.people) == ("group", "desk", 2, 0)


def test_an_hr_department_is_counted_by_people_and_by_their_cases() -> None:
    told: dict[str, dict[str, Places]] = {
        ANNA: {"hr": ((MARCH, "IT Services"), (MARCH + 5 * DAY, "Information Technology"))},
        BEN: {"hr": ((MARCH + DAY, "IT Services"),)},
    }
    events = [created("1", 2, ANNA), created("2", 6, ANNA), replied("3", 3, "Service Desk", BEN)]
    (row,) = searched(events, told).values()
    assert (row.kind, row.source, row.group) == ("HR department", "hr", "IT Services")
    assert (row.cases, row.people, row.last, suggested(row)) == (2, 2, MARCH + 3 * DAY, "it")


def test_a_group_is_found_that_is_mapped_only_later() -> None:
    late = [{"source": "desk", "group": "Late", "department": "it", "since": "2026-03-10"}]
    events = [routed("1", "Late", 2), routed("2", "Late", 20)]
    assert searched(events, groups=late)["Late"].cases == 1


def test_where_each_group_is_a_department_none_is_unmapped() -> None:
    assert searched([routed("1", "Anything", 1)], groups="each", departments=[]) == {}


# -- what is suggested


@pytest.mark.parametrize(
    ("group", "department"),
    [
        ("IT Servce", "it"),  # like the name of a department
        ("PAYABLES", "payables"),  # like its id
        ("Servicedesk", "it"),  # like another group
        ("Gardening", ""),
        ("360001234", ""),
    ],
)
def test_a_name_is_compared_with_names_ids_and_groups(group: str, department: str) -> None:
    assert suggested(searched([routed("1", group, 1)])[group]) == department


def test_ids_that_are_alike_say_nothing() -> None:
    groups = [{"source": "desk", "group": "360001233", "department": "it"}]
    assert suggested(searched([routed("1", "360001234", 1)], groups=groups)["360001234"]) == ""


def test_an_id_is_known_by_whose_people_work_in_it() -> None:
    acts = [replied(str(n), n + 1, "360001234", ANNA) for n in range(3)]
    assert suggested(searched(acts, {ANNA: IN_IT})["360001234"]) == "it"
    assert suggested(searched(acts[:2], {ANNA: IN_IT})["360001234"]) == "", "twice may be chance"


# -- what is shown


def shown(*rows: Unmapped) -> tuple[str, list[dict[str, str]]]:
    """The lines, and what YAML reads in them."""
    text = "\n".join(["groups:", *yaml_lines(rows, "UTC")])
    return text, yaml.safe_load(text)["groups"] or []


@pytest.mark.parametrize(
    "name", ['a "b" \\ c', "a: b # c", "line\nfeed", "\x1b[31m", "- x", "Ünï 😀", "\u2028\x85", "no", "007", "\ufeff"]
)
def test_any_name_comes_back_as_it_was(name: str) -> None:
    (row,) = searched([*(replied(str(n), n, name, ANNA) for n in range(1, 4))], {ANNA: IN_IT}).values()
    text, (entry,) = shown(row)
    assert entry == {"source": "desk", "group": name, "department": "it"}
    assert "\x1b" not in text
    assert len(text.splitlines()) == 3


def test_what_nothing_is_suggested_for_is_a_comment() -> None:
    text, entries = shown(*searched([routed("1", "Gardening", 1), routed("2", "360001234", 2)]).values())
    assert entries == []
    assert '# - {source: desk, group: "Gardening", department: ?}' in text
    assert "only desk knows what this id is called: look it up there" in text


# -- the command


@pytest.fixture
def company(tmp_path: Path) -> Path:
    folder = tmp_path / "company"
    folder.mkdir()
    (folder / "company.yaml").write_text(json.dumps(COMPANY))
    (folder / "norms.yaml").write_text("norms: [{department: it, first_response: 4h}]\n")
    return folder


def crossdesk(*words: str | Path) -> Result:
    return CliRunner().invoke(main, list(map(str, words)))


def filled(data: Path, *events: e.CaseEvent) -> None:
    told = Directory()(Told([persons.joined(People(IDENTITY, "hr"), ANNA, e.instant(MARCH), "Acct Payable")], True))
    with Embedded(data) as embedded:
        embedded.apply(files())
        with embedded.log.transaction():
            embedded.log.append("directory", told, 0)
            embedded.log.append("events", [(one.key, e.encode(one)) for one in events], 0)
        embedded.fold()


def test_what_is_listed_is_pasted_and_applied_and_nothing_is_left(tmp_path: Path, company: Path) -> None:
    data = tmp_path / "data"
    filled(data, created("1", 1, ANNA), routed("1", "IT Servicedesk", 1))
    listed = crossdesk("unmapped", "--data", data)
    assert listed.exit_code == 0, listed.output
    assert "# group: 1 case, last on Mon 02 Mar 2026; like the group 'Service Desk' of desk" in listed.stdout
    assert (
        "# HR department: 1 case, 1 person, last on Mon 02 Mar 2026; like the department 'Accounts Payable'"
        in listed.stdout
    )
    assert ANNA not in listed.stdout
    groups = yaml.safe_load(listed.stdout)["groups"]
    assert {(g["source"], g["group"]): g["department"] for g in groups} == {
        ("desk", "IT Servicedesk"): "it",
        ("hr", "Acct Payable"): "payables",
    }
    with Embedded(data) as embedded:
        assert embedded.configuration is not None
        assert embedded.configuration.version == 1, "nothing is changed by looking"
    (company / "company.yaml").write_text(json.dumps(COMPANY | {"groups": COMPANY["groups"] + groups}))
    applied = crossdesk("apply", company, "--data", data)
    assert applied.exit_code == 0, applied.output
    none = crossdesk("unmapped", "--data", data)
    assert (none.exit_code, none.stdout) == (0, "")
    assert none.stderr == "Every group and HR department that occurs is in company.yaml.\n"


def test_rows_as_json(tmp_path: Path) -> None:
    filled(tmp_path / "data", routed("1", "360001234", 1))
    rows = [
        json.loads(line) for line in crossdesk("unmapped", "--json", "--data", tmp_path / "data").stdout.splitlines()
    ]
    assert [(row["kind"], row["group"], row["cases"], row["people"]) for row in rows] == [
        ("group", "360001234", 1, 0),
        ("HR department", "Acct Payable", 0, 1),
    ]


def test_before_anything_is_in_force_it_says_what_to_do(tmp_path: Path) -> None:
    with Embedded(tmp_path / "data"):
        pass
    refused = crossdesk("unmapped", "--data", tmp_path / "data")
    assert refused.exit_code == 1
    assert "nothing is in force yet: `crossdesk apply FOLDER`" in refused.stderr


def test_a_folder_and_kafka_at_once_are_refused(tmp_path: Path) -> None:
    assert crossdesk("unmapped", "--kafka", "--data", tmp_path).exit_code == 2


# -- what a source calls its groups


class Api:
    """Answers what is at a path, and 404 elsewhere."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers

    def get(self, path: str, _: Any = None) -> Any:
        if path not in self.answers:
            raise Refused(404, path)
        return self.answers[path]


A, B = {"id": 7, "name": "A"}, {"id": 7, "name": "B"}
TABLE = "/api/now/table"
NAMES: list[tuple[str, str, dict[str, Any]]] = [
    ("zendesk", "7", {"/api/v2/groups/7.json": {"group": A}, "/api/v2/organizations/7.json": {"organization": B}}),
    ("freshservice", "7", {"/api/v2/groups/7": {"group": A}, "/api/v2/departments/7": {"department": B}}),
    ("zammad", "7", {"/api/v1/groups/7": A, "/api/v1/organizations/7": B}),
    ("servicenow", "a1", {f"{TABLE}/sys_user_group/a1": {"result": A}, f"{TABLE}/cmn_department/a1": {"result": B}}),
    ("glpi", "7", {"/apirest.php/initSession": {"session_token": "t"}, "/apirest.php/Group/7": A}),
]


@pytest.mark.parametrize(("name", "group", "answers"), NAMES, ids=[name for name, *_ in NAMES])
def test_a_source_says_what_its_groups_are_called(name: str, group: str, answers: dict[str, Any]) -> None:
    needed = {"zendesk": {"user": "crossdesk@x.org"}, "servicenow": {"user": "crossdesk"}}.get(name, {})
    connector = CONNECTORS[name].model_validate({"source": "desk", **needed})
    api: Any = Api(answers)
    assert connector.group_name(api, group, asks=False) == "A"
    assert connector.group_name(api, group, asks=True) == ("A" if name == "glpi" else "B")
    assert connector.group_name(api, "8", asks=False) == "", "it is gone"
    assert connector.group_name(api, "../users/7", asks=False) == "", "no id"


def test_with_sources_ids_get_names_and_who_does_not_answer_is_told_of(tmp_path: Path) -> None:
    filled(tmp_path / "data", routed("1", "360001234", 1), created("1", 1, group="99"), routed("2", "Gardening", 2))
    (tmp_path / "secret").write_text("s3cret")
    with serving(FakeSource()) as source:
        source.says("/api/v2/groups/360001234.json", Answer(json={"group": {"name": "Accounts Payables"}}))
        (tmp_path / "sources.yaml").write_text(
            json.dumps(
                {
                    "sources": [
                        {
                            "name": "desk",
                            "connector": "zendesk",
                            "url": source.url,
                            "secret_file": str(tmp_path / "secret"),
                            "requests_per_minute": "6000",
                            "settings": {"user": "crossdesk@x.org"},
                        }
                    ]
                }
            )
        )
        words: list[str | Path] = ["unmapped", "--data", tmp_path / "data", "--sources", tmp_path / "sources.yaml"]
        listed = crossdesk(*words)
        assert listed.exit_code == 0, listed.output
        assert '# group "Accounts Payables": 1 case' in listed.stdout
        assert {"source": "desk", "group": "360001234", "department": "payables"} in yaml.safe_load(listed.stdout)[
            "groups"
        ]
        assert sorted(asked.path for asked in source.asked) == [
            "/api/v2/groups/360001234.json",
            "/api/v2/organizations/99.json",
        ]
        source.says("/api/v2/groups/360001234.json", Answer(403))
        refused = crossdesk(*words)
        assert refused.exit_code == 0, refused.output
        assert "desk does not say what its groups are called: 403" in refused.stderr
        assert "s3cret" not in refused.output
        assert '- {source: desk, group: "360001234", department: ?}' in refused.stdout


def test_on_kafka(installation: Installation) -> None:
    def run() -> Result:
        return CliRunner(env=installation.environment).invoke(main, ["unmapped", "--kafka"])

    refused = run()
    assert refused.exit_code == 1
    assert "nothing is in force yet" in refused.stderr
    with Configurations(installation.settings) as configurations:
        configurations.apply(files())
    none = run()
    assert (none.exit_code, none.stdout) == (0, "")
    with Publisher(installation.settings) as publisher:
        for one in (routed("1", "IT Servicedesk", 1), routed("2", "IT Servicedesk", 2), created("2", 2, ANNA)):
            publisher.say("events", one.key, e.encode(one))
        hr = People(IDENTITY, "hr")
        for key, record in Directory()(Told([persons.joined(hr, ANNA, e.instant(MARCH), "Gardening")], True)):
            publisher.say("directory", key, record)
        publisher.settle()
    listed = run()
    assert listed.exit_code == 0, listed.output
    assert "# group: 2 cases" in listed.stdout
    assert "# HR department: 1 case, 1 person" in listed.stdout
    assert [g["department"] for g in yaml.safe_load(listed.stdout)["groups"]] == ["it"]
