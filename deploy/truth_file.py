"""The truth file of a demo: what the simulation knows of itself, beside its data; and whether the facts say the same.

The simulation adds up what it decided, by arithmetic of its own (``ingest/simulation``); the facts went the whole way
through log, fold and store. Both are sums over the same cells, so they can be held against each other to the microsecond.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, fields
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from deploy.folder import Stopped
from deploy.serve import write_private
from ingest.connectors.simulated import simulate_with_feedback
from ingest.event import PUBLISHED, Record, watermark
from ingest.simulation.feedback import Week
from ingest.simulation.truth import Cell, Run, Total, Truth, WrongTruth, read
from sinks.recompute import AHEAD, CALENDAR, HOURS, RUNS, WORKED_BY
from sinks.store import Asks

TRUTH = "truth.json"

# What runs is counted up to the end of the simulated time, as the simulation does: the facts say what had gone by at `since`.
# What a case waits is the sum of many stretches, so its start says nothing. Ten years of a large company do not fit 64 bits.
FACTS = f"""
    WITH {HOURS},
    {WORKED_BY},
    known AS (
        SELECT
            measure, level, department, counterpart, calendar_us, business_us,
            {AHEAD} AS ahead, if(ahead, 'running', outcome) AS outcome,
            startsWith(measure, 'waiting_') AS waits,
            ({RUNS} OR ahead) AND isNull(stop) AS runs, runs AND calendar != '' AS goes_on,
            toUnixTimestamp64Micro(start) AS start, toUnixTimestamp64Micro(since) AS since,
            {CALENDAR.format("calendar")} AS clock
        FROM crossdesk_cases.facts
    )
    SELECT
        k.measure, k.level, k.department, k.counterpart, k.outcome, count(),
        sum(toInt128(multiIf(
            k.runs AND NOT k.waits, {{as_of:Int64}} - k.start,
            k.goes_on, k.calendar_us + {{as_of:Int64}} - k.since,
            k.calendar_us
        ))),
        sum(toInt128(
            k.business_us + if(k.goes_on, w.worked - h.cumulative_us - least(k.since - h.instant, h.rise), 0)
        ))
    FROM known AS k
    LEFT JOIN worked_by AS w ON k.clock = w.calendar
    ASOF LEFT JOIN hours AS h ON k.clock = h.calendar AND k.since >= h.instant
    GROUP BY ALL"""


class Difference(NamedTuple):
    """What the facts say of a cell, and what they should say."""

    cell: Cell
    got: Total
    right: Total

    def __str__(self) -> str:
        measure, level, department, counterpart, outcome = self.cell
        where = f"{department} (from {counterpart})" if counterpart else department
        return f"{measure}, {where}, level {level}, {outcome}: is {_said(self.got)}, should be {_said(self.right)}"


class Comparison(NamedTuple):
    """``values``: how many numbers were compared; ``differ``: how many of them are not the same, in which cells."""

    values: int
    differ: int
    differences: list[Difference]

    def __str__(self) -> str:
        return f"truth: {self.values} values, {self.differ} differ"


def recorded(run: Run, file: Path) -> Iterator[Record]:
    """What is simulated; when it has ended, its truth is in ``file``. It is told anew whenever the source is asked anew."""
    truth = Truth()
    told = simulate_with_feedback(
        run.seed, run.days, cases_per_day=run.cases_per_day, departments=run.departments, recorder=truth
    )
    for one in told:
        if isinstance(one, Week):
            yield from one.suggestions
            yield from one.answers
            yield watermark(PUBLISHED, one.begins + timedelta(weeks=1))
        else:
            yield one
    write_private(file, truth.written())


def truth_of(run: Run, file: Path) -> Truth:
    """What lies in ``file``. Raises :class:`Stopped` where that is not the truth of ``run``."""
    try:
        return read(file.read_bytes(), run)
    except WrongTruth as error:
        raise Stopped(f"{file}: {error}") from error


def compare(store: Asks, truth: Truth) -> Comparison:
    """The facts, of which all up to the truth's end must be stored, and the hours too (``write_hours_and_tree``)."""
    got: dict[Cell, Total] = {}
    for measure, level, department, counterpart, outcome, *sums in store.query(FACTS, {"as_of": truth.now}).rows:
        got[Cell(measure, level, department, counterpart, outcome)] = Total(*sums)
    cells = sorted(got.keys() | truth.totals.keys())
    found = [Difference(cell, got.get(cell, Total()), truth.totals.get(cell, Total())) for cell in cells]
    differ = sum(a != b for d in found for a, b in zip(astuple(d.got), astuple(d.right), strict=True))
    return Comparison(len(cells) * len(fields(Total)), differ, [d for d in found if d.got != d.right])


def _said(total: Total) -> str:
    return f"n {total.n}, {total.calendar_us} and {total.business_us} µs"
