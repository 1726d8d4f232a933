"""The worked example of docs/norms.md: its files are clean, and what it says of them is so."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from deploy.config_files import load
from streams.clock import Clock, Context
from streams.configuration import Configuration
from streams.norm_entry import NormEntry, OnChange
from streams.timeline import Case, microseconds

PAGE = (Path(__file__).parent.parent / "docs" / "norms.md").read_text(encoding="utf-8")
COMPANY, NORMS, EXCEPTIONS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
BERLIN = ZoneInfo("Europe/Berlin")


def rows(heading: str) -> list[list[str]]:
    """Of the table whose heading that is, the cells of each row, without their ticks."""
    lines = PAGE.split(f"\n{heading}\n", 1)[1].split("\n\n")[0].splitlines()
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines[1:]]


def configuration(folder: Path, norms: str = NORMS) -> Configuration:
    (folder / "company.yaml").write_text(COMPANY, encoding="utf-8")
    (folder / "norms.yaml").write_text(norms, encoding="utf-8")
    loaded = load(folder)
    assert loaded.warnings == ()
    return loaded.configuration


def instant(text: str) -> int:
    """``Wed 3 June 15:00``, of 2026 in Berlin."""
    clock = "%H:%M:%S" if text.count(":") == 2 else "%H:%M"
    moment = datetime.strptime(f"{text} 2026", f"%a %d %B {clock} %Y").replace(tzinfo=BERLIN)
    assert moment.strftime("%a") == text[:3]
    return microseconds(moment)


class Running:
    """A clock of IT, for a case of such words."""

    def __init__(self, config: Configuration, kind: str, at: str, words: str = "") -> None:
        self.kind, self.context = kind, Context(config, "helpdesk/C1", 0, 0)
        said = dict(word.split(" ") for word in words.split(", ") if word)
        self.is_now(said)
        self.clock: Clock = self.context.start(b"", instant(at), "it", said.get("giver", ""), kind)

    def is_now(self, words: dict[str, str]) -> None:
        self.context.case = Case(service=words.get("service", ""), priority=words.get("priority", ""))


CLOCKS = rows("| clock | of | starts | norm | due |")


@pytest.mark.parametrize(("kind", "of", "starts", "norm", "due"), CLOCKS, ids=[" ".join(row[:3]) for row in CLOCKS])
def test_the_example_is_due_when_the_page_says(
    tmp_path: Path, kind: str, of: str, starts: str, norm: str, due: str
) -> None:
    clock = Running(configuration(tmp_path), kind, starts, of).clock
    assert (clock.norm, clock.due) == (norm, instant(due))


@pytest.mark.parametrize(("policy", "due"), [(row[0], row[2]) for row in rows("| `on_change` | the clock | due |")])
def test_a_case_that_changes_is_due_when_the_page_says(tmp_path: Path, policy: str, due: str) -> None:
    config = configuration(tmp_path, NORMS.replace("on_change: prorate", f"on_change: {policy}"))
    running = Running(config, "resolution", "Wed 3 June 16:00", "service Laptop")
    running.is_now({"service": "Laptop", "priority": "urgent"})
    running.context.judge_anew(running.clock, "resolution", instant("Fri 5 June 10:00"))
    assert running.clock.due == instant(due)


def test_a_pause_moves_what_is_due_as_the_page_says(tmp_path: Path) -> None:
    running = Running(configuration(tmp_path), "resolution", "Wed 3 June 15:00", "service Printer")
    running.context.pause(running.clock, instant("Wed 3 June 16:30"))
    running.context.resume(running.clock, instant("Fri 5 June 10:00"), "it")
    (said,) = re.findall(r"waits from Wednesday 16:30 to Friday 10:00 is due on (\w+ \d+ June [\d:]+),", PAGE)
    assert running.clock.due == instant(said)


def test_the_page_has_every_key_and_every_policy() -> None:
    keys = {key for row in rows("| key | | |") for key in re.findall(r"\w+", row[0])}
    assert keys == set(NormEntry.model_fields)
    assert {row[0] for row in rows("| `on_change` | the clock | due |")} == set(OnChange)


def test_every_version_counts_from_the_first_clock_that_starts_in_it(tmp_path: Path) -> None:
    config = configuration(tmp_path)
    assert config.norm("acceptance", "it", "hr", instant("Tue 30 June 23:59")) is not None
    assert config.norm("acceptance", "it", "hr", instant("Wed 1 July 00:00")) is None


def test_the_exception_of_the_page_excuses_whom_it_names(tmp_path: Path) -> None:
    named = EXCEPTIONS.replace("2026-02-03", "2026-06-03")
    config = configuration(tmp_path, f"{NORMS}\n{named}")
    noon = instant("Wed 3 June 12:00")
    assert config.excused is not None
    assert config.excused("it", noon, noon + 1) == "power cut in Berlin"
    assert config.excused("finance", noon, noon + 1) == ""
