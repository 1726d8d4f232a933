"""What a manager wants to know at the end of a run: departments, the hand-overs that stall, and what could not be used.

All of it fits into 80 columns, as on a terminal so in a file. Departments come in the order of the company file: they
are never ranked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deploy.words import about, day, share, visible
from streams.configuration import Configuration
from streams.fact import UNMAPPED, UNOWNED
from streams.indicators import IndicatorValue

WORST = 5
ENOUGH = 5
BUSIEST = 15
REASONS = 10
NO_DATA = "–"
_QUOTED = re.compile(r"'[^']*'")
SPANS = {"1h": "hour", "24h": "24 hours", "7d": "7 days", "28d": "28 days"}
SPECIAL = {UNMAPPED: "groups without a department", UNOWNED: "nobody"}


class Numbers:
    """The values of one window, by indicator, department and counterpart; those that have no window too."""

    def __init__(self, values: Sequence[IndicatorValue], window: str) -> None:
        self.window = window
        self.values = {(v.indicator, v.department, v.counterpart): v for v in values if v.window in (window, "")}
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
    Column("first\nanswer\nin time", "first_response_attainment_ratio", "share"),
    Column("first\nanswer\ntypical", "first_response_p50_seconds", "time"),
    Column("first\nanswer\n1 in 10", "first_response_p90_seconds", "time"),
    Column("taken\nup in\ntime", "acceptance_attainment_ratio", "share"),
    Column("\nsolved\nin time", "resolution_attainment_ratio", "share"),
    Column("\nre-\nopened", "reopening_share_ratio", "share"),
    Column("\nopen\nnow", "resolution_running_facts", "count"),
)
LEGEND = """\
In time: as the norms promise, in the department's own working time. Typical:
half waited longer; 1 in 10: one in ten did. Taken up: after a hand-over. ± is
half the 95 % interval; "only 3" are too few to say, and – is no data. Nothing
here is about persons."""


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
    return Text(share(value.value)).append(f" ±{half:.0f}", "dim")


def _table(first: Sequence[str], rest: Sequence[str]) -> Table:
    """Names may be folded, numbers never are."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for title in first:
        table.add_column(title, overflow="fold", vertical="bottom")
    for title in rest:
        table.add_column(title, justify="right", no_wrap=True, overflow="fold")
    return table


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style), soft_wrap=True)


def print_report(console: Console, values: Sequence[IndicatorValue], configuration: Configuration, window: str) -> None:
    """The departments in the order of the company file, and the pairs that keep their norm least."""
    numbers = Numbers(values, window)
    if numbers.as_of is None:
        missing = ", ".join(sorted(configuration.sources))
        _say(console, f"No indicators yet: they wait until every source has said how far it is complete ({missing}).")
        return
    zone = configuration.files.company.zone
    until = f"{SPANS.get(window, window)} to {day(numbers.as_of, zone)} ({zone})"
    _say(console, f"How departments served each other\n{until}\n", "bold")
    console.print(_departments(numbers, configuration))
    _say(console, LEGEND, "dim")
    worst = _worst(numbers, configuration)
    if worst:
        _say(console, "\nWhere hand-overs stall: a step to mend, not somebody to blame\n", "bold")
        console.print(_pairs(numbers, worst, configuration))


def in_order(shown: set[str], configuration: Configuration) -> list[str]:
    """That of the company file; then groups that no file names, by name."""
    known = [d for d in configuration.departments if d in shown]
    strangers = sorted(d for d in shown.difference(known) if d not in SPECIAL)
    return [*known, *strangers, *(d for d in SPECIAL if d in shown)]


def name_of(department: str, configuration: Configuration) -> str:
    return SPECIAL.get(department) or visible(configuration.name(department))


def _departments(numbers: Numbers, configuration: Configuration) -> Table:
    at = numbers.as_of or 0
    table = _table(["department"], [c.title for c in COLUMNS])
    shown = numbers.departments() - {UNOWNED}
    above = _above(configuration, at)
    for department in in_order(shown, configuration):
        cells = [numbers.get(c.indicator, department) for c in COLUMNS]
        if any(c is not None for c in cells):
            depth = 0 if department == UNMAPPED else configuration.depth(department, at)
            table.add_row(
                Text("  " * depth + name_of(department, configuration)),
                *(cell(v, c.kind) for v, c in zip(cells, COLUMNS, strict=True)),
                style="bold" if department in above else "",
            )
    return table


def _above(configuration: Configuration, at: int) -> set[str]:
    """Departments that have others below them."""
    return {above for d in configuration.departments for above in configuration.path(d, at) if above != d}


def _worst(numbers: Numbers, configuration: Configuration) -> list[IndicatorValue]:
    """The pairs whose acceptance is lowest even when chance is allowed for, of those who do the work."""
    others = _above(configuration, numbers.as_of or 0) | {UNMAPPED}
    sure = [
        v
        for v in numbers.pairs("acceptance_attainment_ratio")
        if v.n >= ENOUGH and v.value not in (None, 1) and not others.intersection((v.department, v.counterpart))
    ]
    return sorted(sure, key=lambda v: (v.high or 0, v.department, v.counterpart))[:WORST]


def _pairs(numbers: Numbers, worst: Sequence[IndicatorValue], configuration: Configuration) -> Table:
    titles = ("taken up\nin time", "hand-\novers", "\ntypical", "\n1 in 10", "straight\nback")
    table = _table(["\nfrom", "\nto"], titles)
    for value in worst:
        pair = (value.department, value.counterpart)
        returned = numbers.get("ping_pong_facts", *pair)
        table.add_row(
            Text(name_of(value.counterpart, configuration)),
            Text(name_of(value.department, configuration)),
            cell(value, "share"),
            str(value.n),
            cell(numbers.get("acceptance_p50_seconds", *pair), "time"),
            cell(numbers.get("acceptance_p90_seconds", *pair), "time"),
            f"{returned.value:.0f}" if returned is not None and returned.value is not None else "0",
        )
    return table


# -- of a log
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
FROM facts WHERE department <> '_unowned' GROUP BY department, level
HAVING level = (SELECT max(level) FROM facts)
ORDER BY solved + handed_over DESC, department
"""


def print_log_report(console: Console, rows: Sequence[Sequence[object]], configuration: Configuration) -> None:
    """Departments over the whole of a replayed log: rows of :data:`OF_THE_LOG`."""
    busiest = {str(row[0]): row for row in rows[:BUSIEST]}
    known = {d: i for i, d in enumerate(in_order(set(busiest), configuration))} if configuration.departments else {}
    which = f"the {BUSIEST} busiest of {len(rows)} departments" if len(rows) > BUSIEST else "all departments"
    _say(console, f"The whole log, {which}\n", "bold")
    titles = (
        "ans-\nwered",
        "\nafter",
        "handed\nto it",
        "taken\nup after",
        "\nsolved",
        "\nafter",
        "sent\nback",
        "re-\nopened",
    )
    table = _table(["\ndepartment"], titles)
    for department, *numbers in sorted(busiest.values(), key=lambda row: known.get(str(row[0]), 0)):
        answered, answer, handed, accepted, solved, solution, returned, reopened = numbers
        table.add_row(
            Text(name_of(str(department), configuration)),
            f"{answered}",
            _median(answer),
            f"{handed}",
            _median(accepted),
            f"{solved}",
            _median(solution),
            f"{returned}",
            f"{reopened}",
        )
    console.print(table)
    _say(console, "After: the median of what ended, in working time since request or hand-over.", "dim")


def _median(seconds: object) -> str:
    """Of nothing, ClickHouse says NaN; our JSON, None."""
    return about(seconds) if isinstance(seconds, float) and seconds == seconds else NO_DATA


# -- what could not be used
NAMED_GROUPS = """
SELECT source, JSONExtractString(raw, 'data', key) AS name, uniqExact(case_id) AS cases,
       toInt64(toUnixTimestamp64Micro(max(time))) AS last
FROM crossdesk_raw.events ARRAY JOIN ['group', 'requester_group'] AS key
WHERE name <> '' GROUP BY ALL ORDER BY cases DESC, name
"""
"""The groups that the events name."""


def unmapped(rows: Sequence[Sequence[object]], configuration: Configuration, where: str) -> Iterator[str]:
    """The groups of :data:`NAMED_GROUPS` that the company file does not name, the most frequent first."""
    lost: dict[tuple[str, str], int] = {}
    for source, group, cases, last in rows:
        if configuration.department(str(source), str(group), int(str(last))) == UNMAPPED:
            key = (str(source), str(group))
            lost[key] = max(lost.get(key, 0), int(str(cases)))
    for (source, group), cases in list(lost.items())[:REASONS]:
        counted = f"{cases:,} case{'s' if cases != 1 else ''} of group {group!r} (source {source})"
        yield f"{counted} belong{'s' if cases == 1 else ''} to no department: add it to {where}"
    if len(lost) > REASONS:
        yield f"and {len(lost) - REASONS} more groups that {where} does not name"


def _alike(reasons: Mapping[str, tuple[int, str]]) -> dict[str, tuple[int, str]]:
    """Reasons that differ only in what they quote become one, which quotes the first."""
    kinds: dict[str, list[tuple[str, int, str]]] = {}
    for reason, (count, first) in reasons.items():
        kinds.setdefault(_QUOTED.sub("", reason), []).append((reason, count, first))
    return {
        kind[0][0] + (", and others" if len(kind) > 1 else ""): (sum(count for _, count, _ in kind), kind[0][2])
        for kind in kinds.values()
    }


def rejections(reasons: Mapping[str, tuple[int, str]], where: str) -> Iterator[str]:
    """``reasons``: -> how often, and the first place. The most frequent first; ``where``: an option that names the folder."""
    if not reasons:
        return
    total = sum(count for count, _ in reasons.values())
    if len(reasons) > REASONS:
        reasons = _alike(reasons)
    yield f"{total:,} row{'s' if total != 1 else ''} could not be read:"
    ordered = sorted(reasons.items(), key=lambda item: (-item[1][0], item[0]))
    for reason, (count, first) in ordered[:REASONS]:
        yield f"{count:>9,}  {reason} (first: {first})"
    if len(ordered) > REASONS:
        left = sum(count for _, (count, _) in ordered[REASONS:])
        yield f"{left:>9,}  for {len(ordered) - REASONS} more reasons"
    yield f"All of them, with their places: crossdesk rejected{where}"
