"""A directory of configuration is read whole, or everything that is wrong with it is said at once, each with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.config_files import Loaded, load
from streams.problems import BadConfiguration, Severity
from streams.successor import check_successor

COMPANY = """\
organisation: Northwind Works
zone: Europe/Berlin
hours: {mon-fri: "09:00-17:00"}
holidays: DE-BY
sources: [helpdesk]
departments:
  - {id: operations, head_count: 50}
  - id: it
    name: IT Service
    parent: operations
  - {id: finance, parent: operations}
groups:
  - {source: helpdesk, group: IT Desk, department: it}
  - {source: helpdesk, group: 007, department: finance}
"""
NORMS = """\
norms:
  - department: it
    valid_from: 2026-01-01
    hours: {mon-thu: "08:00-12:00, 13:00-17:00", fri: "08:00-13:00"}
    closures: ["2026-12-24..2026-12-31", 2026-06-05]
    half_days: {2026-12-23: "09:00-12:00"}
    first_response: 4bh
    acceptance: {"*": 4bh, finance: 2bh}
  - department: finance
    resolution: 3bd
"""


def read(folder: Path, company: str = COMPANY, norms: str = NORMS) -> Loaded:
    (folder / "company.yaml").write_text(company, encoding="utf-8")
    (folder / "norms.yaml").write_text(norms, encoding="utf-8")
    return load(folder)


def problems(folder: Path, company: str = COMPANY, norms: str = NORMS) -> list[str]:
    with pytest.raises(BadConfiguration) as caught:
        read(folder, company, norms)
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
    return [str(problem) for problem in caught.value.problems]


def test_a_directory_becomes_a_configuration(tmp_path: Path) -> None:
    loaded = read(tmp_path)
    assert loaded.warnings == ()
    assert loaded.configuration.version == 1
    assert loaded.configuration.path("it", 0) == ("operations", "it")
    assert loaded.configuration.norm("resolution", "finance", "", 0) is not None


def test_a_group_that_looks_like_a_number_is_the_text_that_was_written(tmp_path: Path) -> None:
    assert read(tmp_path).configuration.department("helpdesk", "007", 0) == "finance"


def test_norms_may_be_many_files(tmp_path: Path) -> None:
    (tmp_path / "company.yaml").write_text(COMPANY)
    (tmp_path / "norms").mkdir()
    (tmp_path / "norms" / "it.yaml").write_text("norms: [{department: it, first_response: 4bh}]")
    (tmp_path / "norms" / "finance.yaml").write_text("norms: [{department: finance, first_response: 2bh}]")
    configuration = load(tmp_path).configuration
    assert all(configuration.norm("first_response", department, "", 0) for department in ("it", "finance"))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("zone: Europe/Berlin", "zone: Europe/Berln", "company.yaml:2: unknown zone 'Europe/Berln' – did you mean 'Europe/Berlin"),
        ("DE-BY", "DE-XY", "company.yaml:4: unknown holidays 'DE-XY' – regions of DE: BB, "),
        ("[helpdesk]", "[]", "company.yaml:5: no sources are named"),
        ("[helpdesk]", "[help/desk]", "company.yaml:5: 'help/desk' cannot be the name of a source"),
        ("organisation: Northwind Works\n", "", "company.yaml:1: 'organisation' is missing – add `organisation:`"),
        ("Northwind Works", "", "company.yaml:1: 'organisation' is empty"),
        ("head_count: 50", "head_count: -1", "company.yaml:7: 'head_count' should be greater than or equal to 0, not '-1'"),
        ("head_count: 50", "head_count: many", "company.yaml:7: 'head_count' should be a valid integer"),
        ("head_count: 50", "headcount: 50", "company.yaml:7: unknown key 'headcount' – did you mean 'head_count'?"),
        ("id: it", "id: _it", "company.yaml:8: the id '_it' starts with '_'"),
        ("id: it", "id: i/t", "company.yaml:8: the id 'i/t' starts with '_', contains '/'"),
        ("id: finance", "id: it", "company.yaml:11: a second department 'it'"),
        ("    parent: operations", "    parent: operation", "company.yaml:10: unknown department 'operation' – did you mean"),
        ("head_count: 50", "parent: it", "company.yaml:7: a department lies in itself: 'operations' in 'it' in 'operations'"),
        ("head_count: 50", "parent: operations", "company.yaml:7: a department lies in itself: 'operations' in 'operations'"),
        ("department: it}", "department: itt}", "company.yaml:13: unknown department 'itt' – did you mean 'it'?"),
        ("group: 007", "group: IT Desk", "company.yaml:14: 'IT Desk' gets two departments at one time"),
        ("department: finance}", "department: finance, since: soon}", "company.yaml:14: 'soon' is no date"),
        ("department: it}", "department: it", "company.yaml:14: is not YAML: "),
        ("Northwind", "North\x07wind", "company.yaml:1: is not text: it holds control characters"),
        ("id: it\n", "id: it\n    id: it\n", "company.yaml:9: 'id' is given twice"),
        ("groups:", "waves: [{wave: a, closes: 2026-05-04}, {wave: a, closes: 2026-05-05}]\ngroups:", "company.yaml:12: a second"),
        ("groups:", "waves: [{wave: a, closes: spring}]\ngroups:", "company.yaml:12: 'spring' is no date – write a date such as"),
        ('{mon-fri: "09:00-17:00"}', "{mon-fri: closed}", "company.yaml:3: the organisation is never open"),
        ('{mon-fri: "09:00-17:00"}', "{mo-fri: 09:00-17:00}", "company.yaml:3: 'mo' is no day – did you mean 'mon'?"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_company_file(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert COMPANY.count(old) == 1
    assert any(said.startswith(problem) for said in problems(tmp_path, company=COMPANY.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("department: finance", "department: finnace", "norms.yaml:9: unknown department 'finnace' – did you mean 'finance'?"),
        ("finance: 2bh", "finnace: 2bh", "norms.yaml:8: unknown department 'finnace' – did you mean 'finance'?"),
        ("department: finance", "department: it\n    valid_from: 2026-01-01", "norms.yaml:9: a second version of the norms"),
        ("resolution: 3bd", "resolution: 3 days", "norms.yaml:10: '3 days' is no target"),
        ("resolution", "resolved", "norms.yaml:10: unknown key 'resolved'"),
        ("08:00-12:00", "08:00-25:00", "norms.yaml:4: '08:00-25:00' is no time span"),
        ('["2026-12-24..2026-12-31", 2026-06-05]', "[2026-12-23]", "norms.yaml:6: 2026-12-23 is a closure and a half day"),
        ("resolution: 3bd", "resolution: 3bd\n    hours: {sat: closed}", "norms.yaml:11: 'finance' is never open"),
        ("resolution: 3bd", "hours: always\n    closures: [2026-12-31]", "norms.yaml:11: who is always open has no closures"),
        ("valid_from: 2026-01-01", "valid_from: 2026-02-30", "norms.yaml:3: '2026-02-30' is no date"),
        ('{"*": 4bh, finance: 2bh}', "[4bh]", "norms.yaml:8: 'acceptance' is not made of `key: value`"),
        (NORMS, "", "norms.yaml: is empty"),
        (NORMS, "norms:\n", "norms.yaml:1: 'norms' is empty"),
        (NORMS, "- department: it", "norms.yaml:1: 'norms.yaml' is not made of `key: value`"),
        (NORMS, "norms: !!python/object:os.system []", "norms.yaml:1: is not YAML"),
        (NORMS, "[" * 5000, "norms.yaml: is nested too deeply"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_norms_file(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert NORMS.count(old) == 1
    assert any(said.startswith(problem) for said in problems(tmp_path, norms=NORMS.replace(old, new)))


def test_everything_that_is_wrong_is_said_at_once_and_nothing_else(tmp_path: Path) -> None:
    company = COMPANY.replace("zone: Europe/Berlin", "zone: Berlin").replace("group: IT Desk", "grp: IT Desk")
    norms = NORMS.replace("4bh\n", "soon\n").replace("department: finance", "department: finnace")
    found = problems(tmp_path, company, norms)
    assert [said.split(" – ")[0] for said in found] == [
        "company.yaml:2: unknown zone 'Berlin'",
        "company.yaml:13: 'group' is missing",
        "company.yaml:13: unknown key 'grp'",
        "norms.yaml:7: 'soon' is no target: write 4bh, 30bm or 2bd for business time, 24h or 30m for calendar time, "
        "'by next business day 16:00' for an instant",
        "norms.yaml:9: unknown department 'finnace'",
    ]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("company.yaml", None, "company.yaml: is missing – create "),
        ("company.yaml", b"", "company.yaml: is empty"),
        ("company.yaml", b"# nothing but a comment\n", "company.yaml: is empty"),
        ("company.yaml", b"zone: Europe/Berlin\nname: K\xf6ln\n", "company.yaml:2: is not text in UTF-8"),
        ("company.yaml", bytes(range(256)), "company.yaml:2: is not text in UTF-8"),
        ("norms.yaml", b"#" * (4 << 20) + b"#", "norms.yaml: is larger than 4 MiB"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes | None, problem: str) -> None:
    read(tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadConfiguration) as caught:
        load(tmp_path)
    assert str(caught.value).startswith(problem)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match=r"does not exist – name the directory"):
        load(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(BadConfiguration, match="is not a directory"):
        load(tmp_path / "file")


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    assert read(tmp_path, company="\ufeff" + COMPANY).warnings == ()


def test_what_only_looks_wrong_is_a_warning(tmp_path: Path) -> None:
    company = COMPANY.replace("holidays: DE-BY\n", "").replace(
        "source: helpdesk, group: 007", "source: helpdsk, group: 7"
    )
    (tmp_path / "norm.yaml").touch()
    loaded = read(tmp_path, company, "norms: [{department: it, first_response: 4bh}]")
    assert {problem.severity for problem in loaded.warnings} == {Severity.warning}
    assert [str(problem).split(" – ")[0] for problem in loaded.warnings] == [
        "company.yaml:1: warning: no holidays for Europe/Berlin",
        "company.yaml:10: warning: department 'finance' has no norms: the organisation's hours, and nothing to keep",
        "company.yaml:13: warning: 'helpdsk' is not among the sources",
        "norm.yaml: warning: is not read",
    ]


def test_holidays_of_another_zone_are_a_warning(tmp_path: Path) -> None:
    (problem,) = read(tmp_path, norms=NORMS.replace("resolution", "zone: America/New_York\n    resolution")).warnings
    assert str(problem).startswith(
        "norms.yaml:9: warning: 'finance' is in America/New_York with the holidays of Europe"
    )


def test_groups_each_needs_neither_departments_nor_norms(tmp_path: Path) -> None:
    (tmp_path / "company.yaml").write_text(
        "organisation: N\nzone: UTC\nhours: always\nsources: [helpdesk]\ngroups: each\n"
    )
    loaded = load(tmp_path)
    assert loaded.warnings == ()
    assert loaded.configuration.department("helpdesk", "Desk", 0) == "Desk"


def test_what_may_not_follow_is_found_in_the_new_file(tmp_path: Path) -> None:
    old = read(tmp_path).configuration
    new = read(tmp_path, norms=NORMS.replace("resolution: 3bd", "resolution: 5bd"))
    (problem,) = new.located(check_successor(old, new.configuration, 1_780_000_000_000_000))
    assert str(problem).startswith("norms.yaml:9: the norms of 'finance' change from the beginning")


def test_a_circle_is_one_problem(tmp_path: Path) -> None:
    assert len(problems(tmp_path, company=COMPANY.replace("head_count: 50", "parent: it"))) == 1
