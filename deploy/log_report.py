"""What is said at the end of a replay: the departments over the whole of the log, and what of it could not be used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from deploy.numbers import in_order, name_of
from deploy.rejected.ledger import kind as kind_of
from deploy.report import say, table_of
from deploy.words import NO_DATA, about
from streams.configuration import Configuration
from streams.fact import UNMAPPED

BUSIEST = 15
REASONS = 10

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
    say(console, f"The whole log, {which}\n", "bold")
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
    table = table_of(["\ndepartment"], titles)
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
    say(console, "After: the median of what ended, in working time since request or hand-over.", "dim")


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
        kinds.setdefault(kind_of(reason), []).append((reason, count, first))
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
    yield f"All of them, with their places: crossdesk rejected list --all{where}"
