"""What a manager wants to know at the end of a demo: a few sentences, one table, and how sure they are.

All of it fits into 80 columns, as on a terminal so in a file. Departments come in the order of the company file: they
are never ranked.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deploy import findings, mood
from deploy.left_out import Reasons
from deploy.loose_norms import Margins
from deploy.numbers import ENOUGH, Numbers, above, in_order, name_of
from deploy.trend import FEWEST_WEEKS, Durations, changes, weeks_of
from deploy.truth_file import Comparison
from deploy.words import NO_DATA, about, day, share
from streams.configuration import Configuration
from streams.fact import UNMAPPED, UNOWNED
from streams.indicators import HORIZON_US, IndicatorValue
from streams.morale import MoraleValue

WIDTH = 79
SHOWN = 5
"""Of many differences, so many."""
WINDOW = "28d"
DAY_US = 86_400_000_000


class Column(NamedTuple):
    title: str
    indicator: str
    kind: str


COLUMNS = (
    Column("first\nanswer\nin time", "first_response_attainment_ratio", "share"),
    Column("first\nanswer\ntypical", "first_response_p50_seconds", "time"),
    Column("first\nanswer\n1 in 10", "first_response_p90_seconds", "time"),
    Column("taken\nup in\ntime", "acceptance_attainment_ratio", "share"),
    Column("\nsolved\nin time", "resolution_attainment_ratio", "share"),
    Column("\nre-\nopened", "reopening_share_ratio", "share"),
    Column("\nopen\nnow", "resolution_running_facts", "count"),
)
LEGEND = (
    "In time: as the department itself has promised, in its own opening hours. Typical: half waited longer; 1 in 10: "
    "one in ten did. Taken up: after a hand-over. – is no data, which is neither 0 nor 100 %."
)
SURE = (
    f"“Surely 87 to 89” and ± say how far chance reaches: such a range holds the true share 19 times out of 20 (a 95 % "
    f"interval). Of fewer than {ENOUGH} nothing is said (“only 3”). Of what is called clearly later or fewer, or named as "
    "worse, at most one in ten is chance."
)


NOTHING: Mapping[Any, Any] = MappingProxyType({})


class Beside(NamedTuple):
    """What a report looks at beside the present. Week by week, ``history``: what took how long, and how much of what was promised
    was ``left``; ``reasons``: why cases count nowhere, over :data:`WINDOW`; ``morale``: what people answered.
    """

    history: Durations = NOTHING
    left: Margins = NOTHING
    reasons: Reasons = NOTHING
    morale: Sequence[MoraleValue] = ()


def print_report(
    console: Console,
    values: Sequence[IndicatorValue],
    beside: Beside,
    configuration: Configuration,
    since: int,
) -> None:
    """``values`` as they stand now; ``since``: when measuring began, in microseconds."""
    if not values:
        missing = ", ".join(sorted(configuration.sources))
        say(console, f"No indicators yet: they wait until every source has said how far it is complete ({missing}).")
        return
    numbers = Numbers(values, WINDOW)
    organisation, zone = configuration.files.company.organisation, configuration.files.company.zone
    _title(console, f"How the departments of {organisation} served each other")
    days = -(-min(HORIZON_US, numbers.as_of - since) // DAY_US)
    say(console, f"{days} day{'s' if days > 1 else ''} to {day(numbers.as_of, zone)} ({zone})")
    _section(console, "Who answers in time", findings.answers(numbers, configuration))
    _section(console, "Where hand-overs stall", findings.handovers(numbers, configuration))
    promised = (*findings.promises(numbers, configuration), *findings.loose(beside.left, numbers.as_of, configuration))
    _section(console, "What is promised, and kept", promised)
    followed = findings.worth_following(beside.history, numbers.as_of, configuration)
    weeks = weeks_of(followed)
    title = "What got worse" + (f" in {weeks} weeks" if weeks >= FEWEST_WEEKS else "")
    _section(console, title, findings.slower(changes(followed), weeks, configuration))
    _section(console, "What counts nowhere", findings.left_out(numbers, beside.reasons, configuration))
    _section(console, "What people answered", mood.said(beside.morale, configuration))
    _title(console, "\nDepartment by department\n")
    console.print(_departments(numbers, configuration))
    _paragraph(console, LEGEND, "dim")
    _section(console, "How sure we are", [SURE])


def print_comparison(console: Console, found: Comparison, file: Path) -> None:
    """The line ``truth: …`` stands for itself; below it the first that differ."""
    _title(console, "\nWhether it is right")
    _paragraph(console, "The simulation wrote down what happened; beside it, what was measured:")
    say(console, f"{file}\n{found}")
    for difference in found.differences[:SHOWN]:
        _paragraph(console, f"{findings.ITEM}{difference}")
    if len(found.differences) > SHOWN:
        say(console, f"{findings.ITEM}and {len(found.differences) - SHOWN} more")


def _departments(numbers: Numbers, configuration: Configuration) -> Table:
    table = table_of(["department"], [c.title for c in COLUMNS])
    uppers = above(configuration, numbers.as_of)
    told = numbers.departments() - {UNOWNED, *configuration.hidden(numbers.as_of)}
    for department in in_order(told, configuration):
        cells = [numbers.get(c.indicator, department) for c in COLUMNS]
        if any(c is not None for c in cells):
            depth = 0 if department == UNMAPPED else configuration.depth(department, numbers.as_of)
            table.add_row(
                Text("  " * depth + name_of(department, configuration)),
                *(cell(v, c.kind) for v, c in zip(cells, COLUMNS, strict=True)),
                style="bold" if department in uppers else "",
            )
    return table


def cell(value: IndicatorValue | None, kind: str) -> Text:
    """No data is neither 0 nor 100 %."""
    if value is None or value.value is None:
        return Text(NO_DATA, "dim")
    if kind == "count":
        return Text(f"{value.value:.0f}")
    if value.n < ENOUGH:
        return Text(f"only {value.n}", "dim")
    if kind == "time":
        return Text((">" if value.beyond else "") + about(value.value))
    half = 50 * ((value.high or 0) - (value.low or 0))
    return Text(share(value.value)).append(f"±{half:.0f}", "dim")


# -- how it is laid out


def table_of(first: Sequence[str], rest: Sequence[str]) -> Table:
    """Names may be folded, numbers never are."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for title in first:
        table.add_column(title, overflow="fold", vertical="bottom")
    for title in rest:
        table.add_column(title, justify="right", no_wrap=True, overflow="fold")
    return table


def say(console: Console, text: str, style: str = "") -> None:
    """As it is: nothing in it is markup, and no line is broken."""
    console.print(Text(text, style), soft_wrap=True)


def _title(console: Console, text: str) -> None:
    say(console, text, "bold")


def _section(console: Console, title: str, paragraphs: Iterable[str]) -> None:
    _title(console, f"\n{title}")
    for paragraph in paragraphs:
        _paragraph(console, paragraph)


def _paragraph(console: Console, text: str, style: str = "") -> None:
    hanging = " " * len(findings.ITEM) if text.startswith(findings.ITEM) else ""
    say(console, textwrap.fill(text, WIDTH, subsequent_indent=hanging, break_on_hyphens=False), style)
