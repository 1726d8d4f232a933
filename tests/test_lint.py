"""`crossdesk norms lint`: what was written, and the line and the mend that are said of it. Nothing else is said."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from deploy.demo import EXAMPLE
from deploy.norms_cli import norms as command

ROWS: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "golden" / "lint.yaml").read_text(encoding="utf-8")
)
COMPANY = """\
organisation: Northwind Works
zone: Europe/Berlin
hours: {mon-fri: "09:00-17:00"}
holidays: DE-BY
sources: [helpdesk]
departments:
  - {id: operations}
  - {id: it, parent: operations}
  - {id: cloud, parent: operations}
  - {id: finance}
groups:
  - {source: helpdesk, group: IT Desk, department: it}
  - {source: helpdesk, group: Cloud, department: cloud}
  - {source: helpdesk, group: Finance, department: finance}
"""
NORMS = """\
norms:
  - department: it
    hours: {mon-fri: "09:00-17:00"}
    first_response: 4bh
    resolution:
      - {service: Laptop, target: 2bd}
      - {priority: urgent, target: 4bh}
      - 3bd
    acceptance: {"*": 4bh, finance: 2bh}
  - department: cloud
    resolution: 3bd
  - department: finance
    resolution: 3bd
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def lint(*words: str) -> Result:
    return CliRunner().invoke(command, ["lint", *words])


def linted(company: str, norms: str) -> list[str]:
    """What is said of the two files."""
    folder = Path("files")
    folder.mkdir()
    (folder / "company.yaml").write_text(company, encoding="utf-8")
    (folder / "norms.yaml").write_text(norms, encoding="utf-8")
    said = lint("files")
    problems = [problem.removeprefix("files/") for problem in said.stdout.splitlines()]
    assert said.exit_code == any(": warning: " not in problem for problem in problems)
    return problems


@pytest.mark.parametrize("row", ROWS, ids=[row["what"] for row in ROWS])
def test_what_is_written_and_what_is_said(row: dict[str, Any]) -> None:
    old, new = row["old"], row["new"]
    assert (COMPANY + NORMS).count(old) == 1, "a row changes one place"
    said = linted(COMPANY.replace(old, new), NORMS.replace(old, new))
    assert [
        wanted if wanted.endswith("…") and problem.startswith(wanted[:-1]) else problem
        for problem, wanted in zip_longest(said, row["said"], fillvalue="")
    ] == row["said"]


def test_who_has_no_holidays_where_the_organisation_needs_none() -> None:
    company = COMPANY.replace("holidays: DE-BY\n", "").replace("hours: {", "hours: always  # {")
    assert linted(company, NORMS.partition("  - department: cloud")[0])[-1] == (
        "norms.yaml:2: warning: no holidays for Europe/Berlin – add `holidays:` to the norms of 'it'"
    )


def test_groups_that_are_departments_have_no_tree_to_look_at() -> None:
    assert linted(COMPANY.partition("departments:")[0] + "groups: each\n", NORMS) == []


# -- the command
def test_what_only_looks_wrong_fails_if_it_shall() -> None:
    assert len(linted(COMPANY, NORMS.replace("4bh\n    res", "4h\n    res"))) == 1
    assert [lint("files").exit_code, lint("files", "--strict").exit_code] == [0, 1]
    assert lint("files").stderr == "files/company.yaml, files/norms.yaml: no errors, 1 warning\n"


def test_a_folder_that_is_not_there() -> None:
    said = lint("nowhere")
    assert (said.exit_code, said.stdout) == (
        1,
        "nowhere: does not exist – name the directory that holds company.yaml\n",
    )
    assert said.stderr == "nowhere: 1 error, no warnings\n"


def test_the_example_is_clean() -> None:
    said = lint(str(EXAMPLE), "--strict")
    assert (said.exit_code, said.stdout) == (0, "")
