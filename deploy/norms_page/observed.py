"""What the store says of departments: indicators of 28 days, and sums over the same facts.

The facts of a department are those of its own depth in the tree. A window is that of the indicators: (floor5(as_of) - 28 d, as_of].
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from deploy.norms_page.page import Share
from sinks.recompute import DETERMINED, RUNS
from streams.configuration import Configuration
from streams.indicators import BY_NAME, FLOOR_US, WINDOWS, IndicatorValue
from streams.norm_entry import FINISH
from streams.statistics import Survival

Ask = Callable[[str], Sequence[Mapping[str, Any]]]
"""SQL -> rows by the names of their columns."""

WINDOW = "28d"
MEASURES = {FINISH: "ownership"}
"""What tells of a kind of norm, where that has another name."""

INDICATORS = f"""
SELECT indicator, department, counterpart, window, toInt64(toUnixTimestamp64Micro(as_of)) AS as_of, value, n, low, high, beyond
FROM indicators WHERE counterpart = '' AND window IN ('{WINDOW}', '')"""

NORMS = """
SELECT department, norm, countIf(outcome = 'met') AS met, count() AS n
FROM facts WHERE {own} AND {inside} AND norm != '' AND outcome IN ('met', 'missed') GROUP BY department, norm"""

# Of what a department holds, only what was handed over to it: nobody else has been promised when it will be done.
DURATIONS = f"""
SELECT department, measure, {RUNS} AS runs, business_us, calendar, toInt64(toUnixTimestamp64Micro(since)) AS since
FROM facts WHERE {{own}} AND ({RUNS} OR ({DETERMINED} AND {{inside}})) AND (
    measure IN ('first_response', 'resolution') OR (measure = '{MEASURES[FINISH]}' AND counterpart NOT IN ('', department))
)"""

# Of each case the service that was named last, as the fold sees it: what was corrected away is void, or happened when the
# correction says.
SERVICES = f"""
WITH
    cases AS (
        SELECT DISTINCT department, case_id FROM facts
        WHERE {{own}} AND measure = 'first_response' AND {DETERMINED} AND {{inside}}
    ),
    corrections AS (
        SELECT JSONExtractString(raw, 'data', 'supersedes') AS id, argMax(JSONExtractString(raw, 'data', 'at'), (time, id)) AS at
        FROM crossdesk_raw.events WHERE type = 'crossdesk.corrected' AND case_id IN (SELECT case_id FROM cases) GROUP BY id
    ),
    named AS (
        SELECT
            e.case_id AS case_id,
            argMaxIf(
                JSONExtractString(e.raw, 'data', 'service'),
                (ifNull(parseDateTime64BestEffortOrNull(c.at, 6, 'UTC'), e.time), e.sequence, e.id),
                JSONExtractString(e.raw, 'data', 'service') != '' AND (c.id = '' OR c.at != '')
            ) AS service
        FROM crossdesk_raw.events AS e LEFT JOIN corrections AS c ON e.id = c.id
        WHERE e.type IN ('crossdesk.created', 'crossdesk.classified') AND e.case_id IN (SELECT case_id FROM cases) GROUP BY case_id
    )
SELECT department, service, count() AS n FROM cases LEFT JOIN named USING (case_id) GROUP BY department, service"""


class Durations(NamedTuple):
    """µs of opening time, ascending: of what ended, and so far of what still runs."""

    ended: list[int]
    running: list[int]

    def survival(self, age: int = 0) -> Survival:
        """How much longer it takes, after ``age``. Of those that went on from there: what the curve says given that age."""
        if not age:
            return Survival(self.ended, self.running)
        return Survival(*([us - age for us in known if us > age] for known in self))


class Observed:
    """What the facts of some departments say as of an instant (UTC µs). The store is asked once for all of them."""

    def __init__(self, ask: Ask, config: Configuration, departments: Iterable[str], as_of: int) -> None:
        self._ask, self._config, self.as_of = ask, config, as_of
        self.since = as_of // FLOOR_US * FLOOR_US - WINDOWS[WINDOW]
        own = ", ".join(f"({quoted(department)}, {config.depth(department, as_of)})" for department in departments)
        self._parts = {
            "own": f"(department, level) IN ({own})",
            "inside": f"counts_at > {_instant(self.since)} AND counts_at <= {_instant(as_of)}",
        }

    def by_norm(self, department: str) -> Mapping[str, tuple[int, int]]:
        """The name of a norm -> how many were met, of how many."""
        return self._norms.get(department, {})

    def durations(self, department: str, measure: str) -> Durations:
        return self._durations.get((department, measure), Durations([], []))

    def coverage(self, department: str, services: Iterable[str]) -> Share:
        """Of the cases that were opened with the department, those of one of ``services``."""
        known = {name.casefold() for name in services}
        counted = self._services.get(department, {})
        return Share.of(sum(n for name, n in counted.items() if name.casefold() in known), sum(counted.values()))

    @cached_property
    def _norms(self) -> dict[str, dict[str, tuple[int, int]]]:
        found: dict[str, dict[str, tuple[int, int]]] = {}
        for row in self._rows(NORMS):
            found.setdefault(row["department"], {})[row["norm"]] = int(row["met"]), int(row["n"])
        return found

    @cached_property
    def _durations(self) -> dict[tuple[str, str], Durations]:
        found: dict[tuple[str, str], Durations] = {}
        for row in self._rows(DURATIONS):
            known = found.setdefault((row["department"], row["measure"]), Durations([], []))
            us, clock = int(row["business_us"]), row["calendar"]
            if not row["runs"]:
                known.ended.append(us)
            else:
                goes_on = self._config.calendar(clock).worked(int(row["since"]), self.as_of) if clock else 0
                known.running.append(us + goes_on)
        for known in found.values():
            known.ended.sort()
            known.running.sort()
        return found

    @cached_property
    def _services(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for row in self._rows(SERVICES):
            found.setdefault(row["department"], {})[row["service"]] = int(row["n"])
        return found

    def _rows(self, sql: str) -> Sequence[Mapping[str, Any]]:
        return self._ask(sql.format(**self._parts))


class Told:
    """The latest indicators of all departments."""

    def __init__(self, ask: Ask) -> None:
        values = [IndicatorValue(**{**row, "beyond": bool(row["beyond"])}) for row in ask(INDICATORS)]
        self._values = {(v.indicator, v.department): v for v in values}
        self._as_of: dict[str, int] = {}
        for v in values:
            self._as_of[v.department] = max(v.as_of, self._as_of.get(v.department, v.as_of))

    @property
    def departments(self) -> set[str]:
        return set(self._as_of)

    def as_of(self, department: str) -> int | None:
        """How far its numbers are known; of one that has none, how far all are. None: nothing is known of anybody."""
        return self._as_of.get(department, min(self._as_of.values(), default=None))

    def get(self, measure: str, ending: str, *, department: str) -> IndicatorValue | None:
        """An indicator that there is: one without facts says that there are none."""
        name = f"{measure}_{ending}"
        if name not in BY_NAME or department not in self._as_of:
            return None
        empty = IndicatorValue(
            indicator=name, department=department, counterpart="", window="", as_of=0, value=None, n=0
        )
        return self._values.get((name, department), empty)


def quoted(text: str) -> str:
    """As a string of SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _instant(us: int) -> str:
    return f"fromUnixTimestamp64Micro(toInt64({us}), 'UTC')"
