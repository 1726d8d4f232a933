"""The second computation: every indicator of the catalogue as SQL over the view ``facts`` of a generation (DESIGN 5.11).

It knows the catalogue and the tables, and nothing of how the stream computes. A statement is put together from these parts:

    WINDOW_FACTS      which facts belong to which span (here a window; :mod:`sinks.published` has periods), and how long
    SHOWN             what of them a department says for itself, and what one pair says
    ANSWERS           one for each kind of aggregation: what they say together
    HIDING, TOLD      what of that is told: no pair with little behind it, nor what would give it away

A fact is ``inside`` a span by ``counts_at``; what ``runs`` belongs to every span and is censored at its end. A clock that
was missed and that nobody has stopped yet is both: one fact, determined, whose duration is not known. ``timed``: the row
has a duration (of a period, such a clock has two rows, and only that of what ran says how long).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from ingest.event import EPOCH
from sinks.hiding import HIDING, LINES, PAIRED, TOLD
from sinks.store import OfGeneration, StoreError
from streams.indicators import INDICATORS, WINDOWS, Aggregation, Indicator, IndicatorValue

_MICROSECOND = timedelta(microseconds=1)

QUANTILES = {Aggregation.p50: 0.5, Aggregation.p90: 0.9}
"""Which share of all has ended by then. One statement computes both: the curve is the same."""

OWN = "{generation:Identifier}"
"""The database of the generation that is asked about: a parameter of every statement."""

SERIES = "measure, department, counterpart, level, aside, span, ends"
"""``aside``: the counterpart is told of in what is above it alone."""


class NotCovered(StoreError):
    """Opening hours are not written far enough (``write_calendar_time``), so business time would be guessed."""


# -- where facts come from

# Business time by an instant t is that of the row before t, plus what has gone by since, up to where the next row stands:
# while it is open that is reached at the next row only, while it is closed at once.
HOURS = """
    hours AS (
        SELECT
            calendar, toUnixTimestamp64Micro(instant) AS instant, cumulative_us,
            leadInFrame(cumulative_us, 1, cumulative_us) OVER (
                PARTITION BY calendar ORDER BY instant ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
            ) - cumulative_us AS rise
        FROM crossdesk_public.calendar_time
    )"""

# What has no calendar of its own has that of *.
CALENDAR = "if({0} IN (SELECT calendar FROM crossdesk_public.calendar_time), {0}, '*')"

DEPTHS = """
    depths AS (
        SELECT department, toUnixTimestamp64Micro(since) AS since, depth, hidden FROM crossdesk_public.department_depths
    )"""

RUNS = "(outcome IN ('running', 'paused') OR (outcome IN ('missed', 'excused') AND isNull(stop)))"
DETERMINED = "outcome IN ('met', 'missed', 'excused', 'done')"
AHEAD = "ifNull(counts_at = due AND due > fromUnixTimestamp64Micro({as_of:Int64}), 0) AND (isNull(stop) OR stop > due)"
"""What is decided by coming due, after ``as_of``: see :meth:`streams.fact.Timed.known_by`."""

# Of each calendar, its business time by `as_of`. Beside HOURS.
WORKED_BY = """
    worked_by AS (
        SELECT
            calendar,
            argMax(cumulative_us, instant) + least({as_of:Int64} - max(instant), argMax(rise, instant)) AS worked
        FROM hours WHERE instant <= {as_of:Int64} GROUP BY calendar
    )"""

# At `as_of`, the end of all windows. ARRAY JOIN makes one row for each window that the fact lies in.
WINDOW_FACTS = f"""
    {WORKED_BY},
    known AS (
        SELECT
            measure, department, counterpart, level, case_id, outcome, business_us, calendar != '' AS goes_on,
            {RUNS} AS runs,
            if({DETERMINED}, toUnixTimestamp64Micro(counts_at), NULL) AS counted,
            toUnixTimestamp64Micro(since) AS since,
            {CALENDAR.format("calendar")} AS clock
        FROM {OWN}.facts
        WHERE measure IN {{measures:Array(String)}} AND (runs OR {DETERMINED})
    ),
    timed AS (
        SELECT
            k.measure AS measure, k.department AS department, k.counterpart AS counterpart, k.level AS level,
            k.case_id AS case_id, k.outcome AS outcome, k.runs AS runs, k.counted AS counted,
            k.business_us + if(
                k.runs AND k.goes_on,
                greatest(0, w.worked - h.cumulative_us - least(k.since - h.instant, h.rise)),
                0
            ) AS duration
        FROM known AS k
        LEFT JOIN worked_by AS w ON k.clock = w.calendar
        ASOF LEFT JOIN hours AS h ON k.clock = h.calendar AND k.since >= h.instant
    ),
    spans AS (
        SELECT
            measure, department, counterpart, level, case_id, outcome, runs, duration, one.1 AS span,
            {{as_of:Int64}} AS ends,
            ifNull(counted > one.2 AND counted <= {{as_of:Int64}}, 0) AS inside, 1 AS timed
        FROM timed
        ARRAY JOIN {{windows:Array(Tuple(String, Int64))}} AS one
        WHERE runs OR inside
    )"""

# A department is shown at its own depth in the tree, a pair at that of its deeper side; what the tree does not name lies
# at the top. Facts of other levels say the same again. A hidden department is not shown.
SHOWN = """
    placed AS (
        SELECT
            s.measure AS measure, s.department AS department, toString(s.counterpart) AS asker, s.level AS level,
            s.span AS span, s.ends AS ends, s.case_id AS case_id, s.outcome AS outcome, s.inside AS inside,
            s.runs AS runs, s.timed AS timed, s.duration AS duration,
            own.depth AS depth, greatest(own.depth, other.depth) AS depth_of_pair, other.hidden AS asker_hidden
        FROM spans AS s
        ASOF LEFT JOIN depths AS own ON s.department = own.department AND s.ends >= own.since
        ASOF LEFT JOIN depths AS other ON s.counterpart = other.department AND s.ends >= other.since
        WHERE NOT own.hidden
    ),
    shown AS (
        SELECT
            measure, department, counterpart, level, counterpart != '' AND asker_hidden AS aside, span, ends, case_id, outcome,
            inside, runs, timed, duration
        FROM placed
        ARRAY JOIN arrayConcat(
            if(level = depth, [''], []),
            if(
                level = depth_of_pair AND asker NOT IN ('', department) AND measure IN {pairs:Array(String)},
                [asker], []
            )
        ) AS counterpart
    )"""

# -- what they say together

# Which indicators a statement answers: name, measure, also for pairs, outcome, target.
CATALOGUE = """
    catalogue AS (
        SELECT entry.1 AS indicator, entry.2 AS measure, entry.3 AS pairs, entry.4 AS wanted, entry.5 AS target
        FROM (SELECT arrayJoin({catalogue:Array(Tuple(String, String, UInt8, String, Float64))}) AS entry)
    )"""

ASKED = f"""
    SELECT c.indicator AS indicator, c.wanted AS wanted, {SERIES}, case_id, outcome, inside, runs, timed, duration
    FROM shown AS s INNER JOIN catalogue AS c ON s.measure = c.measure
    WHERE s.counterpart = '' OR c.pairs"""

ANSWER = "indicator, department, counterpart, level, aside, span, ends"
Z = "1.959963984540054"  # two-sided 95 %

# Wilson's interval, multiplied out, so that its edges are exact where all or none were hit.
_WILSON_MIDDLE = f"(hits + {Z} * {Z} / 2) / (n + {Z} * {Z})"
_WILSON_HALF = f"{Z} * sqrt(hits * (n - hits) / n + {Z} * {Z} / 4) / (n + {Z} * {Z})"


def _ratio(hits: str, of: str) -> str:
    return f"""
    SELECT {ANSWER}, hits / n AS value, n,
        if(hits = 0, 0., {_WILSON_MIDDLE} - {_WILSON_HALF}) AS low,
        if(hits = n, 1., {_WILSON_MIDDLE} + {_WILSON_HALF}) AS high,
        false AS beyond
    FROM (SELECT {ANSWER}, countIf({hits}) AS hits, countIf({of}) AS n FROM ({ASKED}) GROUP BY {ANSWER})
    WHERE n > 0"""


def _number(value: str, n: str) -> str:
    return f"""
    SELECT {ANSWER}, toFloat64({value}) AS value, {n} AS n, NULL AS low, NULL AS high, false AS beyond
    FROM ({ASKED}) GROUP BY {ANSWER} HAVING n > 0"""


_SHARE_OF_TIME = f"""
    SELECT {ANSWER}, hits / time AS value, n, NULL AS low, NULL AS high, false AS beyond
    FROM (
        SELECT
            {ANSWER},
            sumIf(duration, inside AND NOT runs AND outcome = wanted) AS hits,
            sumIf(duration, inside AND NOT runs) AS time,
            countIf(inside AND NOT runs) AS n
        FROM ({ASKED}) GROUP BY {ANSWER}
    )
    WHERE time > 0"""


# Kaplan and Meier: at each distinct duration d, of all that lasted at least d (what was censored at d among them), so many
# ended. Survival is the product of what was left each time, as a sum of logarithms. Around it Greenwood's variance, and
# its log-log band; where nobody is left the variance is undefined and nothing is bounded. `slack`: what a sum of
# logarithms loses by rounding decides nothing, where survival is exactly the target.
_PERCENTILES = f"""
    SELECT
        {ANSWER},
        ifNull(minOrNullIf(duration, survival <= target), max(duration)) / 1e6 AS value,
        sum(leaving) AS n,
        minOrNullIf(duration, survival > 0 AND lowest <= target) / 1e6 AS low,
        minOrNullIf(duration, survival > 0 AND highest <= target) / 1e6 AS high,
        countIf(survival <= target) = 0 AS beyond
    FROM (
        SELECT
            c.indicator AS indicator, {SERIES}, duration, leaving, survival, 1 - c.target + 1e-9 AS target,
            -log(survival) AS hazard,
            exp({Z} * sqrt(variance) / hazard) AS width,
            if(hazard > 0, exp(-hazard * width), 1.) AS lowest,
            if(hazard > 0, exp(-hazard / width), 1.) AS highest
        FROM (
            SELECT
                *,
                exp(sum(log(1 - ended / at_risk)) OVER so_far) AS survival,
                sum(ended / (at_risk * (at_risk - ended))) OVER so_far AS variance
            FROM (
                SELECT *, sum(leaving) OVER (PARTITION BY {SERIES} ORDER BY duration DESC) AS at_risk
                FROM (
                    SELECT {SERIES}, duration, countIf(NOT runs) AS ended, count() AS leaving
                    FROM shown WHERE timed GROUP BY {SERIES}, duration
                )
            )
            WINDOW so_far AS (PARTITION BY {SERIES} ORDER BY duration)
        ) AS s INNER JOIN catalogue AS c ON s.measure = c.measure
        WHERE s.counterpart = '' OR c.pairs
    )
    GROUP BY {ANSWER}"""

ANSWERS: Mapping[Aggregation, str] = {
    Aggregation.attainment: _ratio("inside AND outcome = 'met'", "inside AND outcome IN ('met', 'missed')"),
    Aggregation.share: _ratio("inside AND outcome = wanted", "inside"),
    Aggregation.share_of_time: _SHARE_OF_TIME,
    Aggregation.count: _number("n", "countIf(inside)"),
    Aggregation.cases: _number("n", "uniqExactIf(case_id, inside)"),
    Aggregation.running: _number("n", "countIf(runs)"),
    Aggregation.total: _number("sumIf(duration, timed) / 1e6", "countIf(timed)"),
    Aggregation.p50: _PERCENTILES,
    Aggregation.p90: _PERCENTILES,
}


def questions(indicators: Iterable[Indicator] = INDICATORS) -> list[tuple[str, list[Indicator]]]:
    """Each statement's last part, and the indicators that it answers."""
    found: dict[str, list[Indicator]] = {}
    for indicator in indicators:
        found.setdefault(ANSWERS[indicator.aggregation], []).append(indicator)
    return list(found.items())


def asking(indicators: Sequence[Indicator]) -> dict[str, object]:
    """The parameters that say which indicators a statement is about."""
    return {
        "measures": sorted({measure for i in indicators for measure in i.measures}),
        "pairs": sorted({i.measure for i in indicators if i.pairs}),
        "catalogue": [
            # facts of another measure are part of the whole, and never what is wanted
            (
                i.name,
                measure,
                int(i.pairs),
                i.outcome if measure == i.measure else "",
                QUANTILES.get(i.aggregation, 0.0),
            )
            for i in indicators
            for measure in i.measures
        ],
    }


def statement(facts: str, answer: str) -> str:
    """``facts`` defines ``spans``; ``answer`` is one of :data:`ANSWERS`."""
    parts = (HOURS, DEPTHS, LINES, facts, SHOWN, CATALOGUE, PAIRED % answer, HIDING)
    return f"WITH RECURSIVE {', '.join(parts)}\n{TOLD}"


# -- at one instant


def indicators_at(
    store: OfGeneration, as_of: int, indicators: Iterable[Indicator] = INDICATORS
) -> list[IndicatorValue]:
    """Every value that has facts behind it, over every window that ends at ``as_of``, in microseconds.

    ``as_of`` is that of the stored facts: they do not say what ran before. Where no fact is, there is no value.
    Raises :class:`NotCovered`.
    """
    check_covered(store, as_of)
    found = []
    floor = as_of - as_of % (5 * 60 * 1_000_000)
    windows = [(name, floor - length) for name, length in WINDOWS.items()]
    for answer, answered in questions(indicators):
        has_window = answered[0].aggregation is not Aggregation.running
        parameters = {
            "generation": store.database,
            "as_of": as_of,
            "windows": windows if has_window else [("", as_of)],
            **asking(answered),
        }
        for name, department, counterpart, span, ends, value, n, low, high, beyond in store.query(
            statement(WINDOW_FACTS, answer), parameters
        ).rows:
            found.append(
                IndicatorValue(
                    indicator=name,
                    department=department,
                    counterpart=counterpart,
                    window=span,
                    as_of=ends,
                    value=value,
                    n=n,
                    low=low,
                    high=high,
                    beyond=bool(beyond),
                )
            )
    return found


def check_covered(store: OfGeneration, until: int, since: int | None = None) -> None:
    """Whether opening hours are known from ``since``, and from the first clock that runs on them, until ``until``."""
    ((first_clock, first, last),) = store.query(
        f"SELECT (SELECT minOrNull(since) FROM {OWN}.facts WHERE calendar != '' AND {RUNS}),"
        " minOrNull(instant), maxOrNull(instant) FROM crossdesk_public.calendar_time WHERE calendar = '*'",
        {"generation": store.database},
    ).rows
    needed = [moment for moment in (first_clock, None if since is None else _instant(since)) if moment is not None]
    if needed and (first is None or min(needed) < first or _instant(until) > last):
        raise NotCovered(
            f"Opening hours are written from {first} to {last}, and are needed from {min(needed)} to "
            f"{_instant(until)}: write them for all that time (write_calendar_time), then compute again."
        )


def _instant(microseconds: int) -> datetime:
    return EPOCH + microseconds * _MICROSECOND
