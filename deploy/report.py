"""What a manager wants to know at the end of a run: a table of departments, and the hand-overs that stall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from deploy.words import about, instant, share
from streams.configuration import Configuration
from streams.fact import UNMAPPED, UNOWNED
from streams.indicators import IndicatorValue

WORST = 5
ENOUGH = 5


class Numbers:
    """The values of one window, by indicator, department and counterpart."""

    def __init__(self, values: Sequence[IndicatorValue], window: str) -> None:
        self.window = window
        self.values = {(v.indicator, v.department, v.counterpart): v for v in values if v.window == window}
        self.as_of = max((v.as_of for v in values), default=None)

    def get(self, indicator: str, department: str, counterpart: str = "") -> IndicatorValue | None:
        return self.values.get((indicator, department, counterpart))

    def departments(self) -> set[str]:
        return {d for _, d, _ in self.values}

    def pairs(self, indicator: str) -> list[IndicatorValue]:
        return [v for (name, _, counterpart), v in self.values.items() if name == indicator and counterpart]


class Column(NamedTuple):
    title: str
    indicator: str
    kind: str


COLUMNS = (
    Column("answered\nin time", "first_response_attainment_ratio", "share"),
    Column("first answer\ntypically", "first_response_p50_seconds", "time"),
    Column("1 in 10\nlonger than", "first_response_p90_seconds", "time"),
    Column("hand-overs taken\nup in time", "acceptance_attainment_ratio", "share"),
    Column("solved\nin time", "resolution_attainment_ratio", "share"),
    Column("solutions\nreopened", "reopening_share_ratio", "share"),
    Column("open\nnow", "resolution_running_facts", "count"),
)


def cell(value: IndicatorValue | None, kind: str) -> str:
    """No data is neither 0 nor 100 %."""
    if value is None or value.value is None:
        return "[dim]no data[/]"
    if kind == "count":
        return f"{value.value:.0f}"
    if value.n < ENOUGH:
        return f"[dim]only {value.n}[/]"
    if kind == "time":
        return ("> " if value.beyond else "") + about(value.value)
    return f"{share(value.value)} [dim]± {50 * ((value.high or 0) - (value.low or 0)):.0f}[/]"


def print_report(console: Console, values: Sequence[IndicatorValue], configuration: Configuration, window: str) -> None:
    """The departments in the order of the company file, never ranked; the pairs that keep their norm least."""
    numbers = Numbers(values, window)
    if numbers.as_of is None:
        console.print("No indicators yet: no watermark of every source has come.")
        return
    zone = configuration.files.company.zone
    console.print(_departments(numbers, configuration, zone))
    worst = _worst(numbers)
    if worst:
        console.print(_pairs(numbers, worst, configuration))


def _departments(numbers: Numbers, configuration: Configuration, zone: str) -> Table:
    table = Table(
        title=f"How departments served each other in the {numbers.window} to {instant(numbers.as_of or 0, zone)} ({zone})",
        caption="Times are working time of the department. ± is half the 95 % interval. Nothing here is about persons.",
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("department", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column.title, justify="right")
    shown = numbers.departments()
    known = [d for d in configuration.departments if d in shown]
    strangers = sorted(d for d in shown - {*known} if d not in (UNOWNED, UNMAPPED))
    special = [d for d in (UNMAPPED,) if d in shown]
    for department in (*known, *strangers, *special):
        depth = configuration.depth(department, numbers.as_of or 0)
        cells = [numbers.get(c.indicator, department) for c in COLUMNS]
        if any(c is not None for c in cells):
            name = configuration.name(department) if department != UNMAPPED else "groups without a department"
            style = (
                "bold"
                if any(configuration.path(d, numbers.as_of or 0)[depth] == department != d for d in known)
                else ""
            )
            table.add_row(
                f"{'  ' * depth}{name}", *(cell(v, c.kind) for v, c in zip(cells, COLUMNS, strict=True)), style=style
            )
    return table


def _worst(numbers: Numbers) -> list[IndicatorValue]:
    """The pairs whose acceptance is lowest even when chance is allowed for."""
    sure = [v for v in numbers.pairs("acceptance_attainment_ratio") if v.n >= ENOUGH and v.high is not None]
    return sorted(sure, key=lambda v: (v.high or 0, v.department, v.counterpart))[:WORST]


def _pairs(numbers: Numbers, worst: Sequence[IndicatorValue], configuration: Configuration) -> Table:
    table = Table(title="Where hand-overs stall: a step to mend, not somebody to blame", title_justify="left")
    for title in ("from", "to"):
        table.add_column(title, no_wrap=True)
    for title in ("taken up\nin time", "hand-overs", "typically\nwaits", "1 in 10\nlonger than", "came straight\nback"):
        table.add_column(title, justify="right")
    for value in worst:
        pair = (value.department, value.counterpart)
        returned = numbers.get("ping_pong_facts", *pair)
        table.add_row(
            configuration.name(value.counterpart),
            configuration.name(value.department),
            cell(value, "share"),
            str(value.n),
            cell(numbers.get("acceptance_p50_seconds", *pair), "time"),
            cell(numbers.get("acceptance_p90_seconds", *pair), "time"),
            f"{returned.value:.0f}" if returned is not None and returned.value is not None else "0",
        )
    return table


OF_THE_LOG = """
SELECT department,
       countIf(measure = 'first_response' AND outcome IN ('met', 'missed', 'done')) AS answered,
       quantileExactIf(0.5)(business_us / 1e6, measure = 'first_response' AND outcome IN ('met', 'missed', 'done')) AS answer,
       countIf(measure = 'acceptance') AS handed_over,
       quantileExactIf(0.5)(business_us / 1e6, measure = 'acceptance' AND outcome IN ('met', 'missed', 'done')) AS accepted,
       countIf(measure = 'first_resolution' AND stop IS NOT NULL) AS solved,
       quantileExactIf(0.5)(business_us / 1e6, measure = 'first_resolution' AND stop IS NOT NULL) AS solution,
       countIf(measure = 'ping_pong') AS returned,
       countIf(measure = 'reopening' AND stop IS NOT NULL) AS reopened
FROM facts GROUP BY department, level
HAVING level = (SELECT max(level) FROM facts)
ORDER BY solved + handed_over DESC LIMIT 15
"""


def print_log_report(console: Console, rows: Sequence[Sequence[object]], configuration: Configuration) -> None:
    """Departments over the whole of a replayed log: rows of :data:`OF_THE_LOG`."""
    table = Table(
        title="The whole log, the fifteen busiest departments",
        caption="Typical times are medians of what ended, in working time. `crossdesk query` answers the rest.",
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("department", no_wrap=True)
    for title in (
        "answered",
        "typically\nafter",
        "handed\nto it",
        "taken up\nafter",
        "solved",
        "typically\nafter",
        "sent\nback",
        "reopened",
    ):
        table.add_column(title, justify="right")
    for department, answered, answer, handed, accepted, solved, solution, returned, reopened in rows:
        table.add_row(
            configuration.name(str(department)),
            f"{answered}",
            about(float(str(answer))) if answered else "–",
            f"{handed}",
            about(float(str(accepted))) if handed and accepted == accepted else "–",
            f"{solved}",
            about(float(str(solution))) if solved else "–",
            f"{returned}",
            f"{reopened}",
        )
    console.print(table)
