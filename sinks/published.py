"""History: the table ``published`` (DESIGN 5.14), hourly and daily values that the second computation makes.

A period is an hour or a day of UTC, (its start, its end], so that its values are those of the windows 1h and 24h at its end.
It is published when ``as_of`` has passed its end, and gets a new revision where the same computation says something else
later, to the last bit.

Facts say how things are, not how they were: a clock that has stopped does not say how long it had run on Tuesday, nor
whose it was. So what ran at the end of each hour is remembered (table ``ran``) when the hour is first published, and stays,
unless facts now say that it had stopped by then or was never there. Where history is published long after, what ran is
told from the facts: since then the clock has run whenever its department was open. That is exact unless it was
paused or moved meanwhile; counts are exact always.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from sinks.recompute import (
    CALENDAR,
    DEPTHS,
    DETERMINED,
    HOURS,
    OWN,
    RUNS,
    asking,
    check_covered,
    questions,
    statement,
)
from sinks.store import Keeps, OfGeneration
from streams.indicators import HOUR_US, INDICATORS, Aggregation, Indicator

PERIODS: Mapping[str, int] = {"hour": HOUR_US, "day": 24 * HOUR_US}

AT_ONCE = 336
"""Ends of periods in one statement: two weeks of hours. What runs has a row for each, so it is this that takes memory."""

_WITH_RUNNING = (Aggregation.running, Aggregation.total, Aggregation.p50, Aggregation.p90)
_NUMBERS = (Aggregation.count, Aggregation.cases, Aggregation.running, Aggregation.total)
"""Of these a department has none where nothing is; of the others, and of a pair, there is nothing to say."""

TIMED = sorted({i.measure for i in INDICATORS if i.aggregation in _WITH_RUNNING})
"""The measures in which it counts what runs at the end of a period."""

# What names a clock, whichever department has it: a running clock is passed on, and is then another fact.
CLOCK = "cityHash64(case_id, measure, opener_id, level)"
FOR_EVER = "9223372036854775807"

# The last instant at which it ran. What held (met without a stop) was over when it counted.
LAST = f"if({RUNS}, {FOR_EVER}, toUnixTimestamp64Micro(ifNull(stop, counts_at)))"

PERIOD_FACTS = f"""
    remembered AS (
        SELECT toUnixTimestamp64Micro(instant) AS ends, clock, measure, department, counterpart, level, business_us
        FROM {OWN}.ran
        WHERE measure IN {{measures:Array(String)}}
            AND instant > fromUnixTimestamp64Micro({{since:Int64}}) AND instant <= fromUnixTimestamp64Micro({{until:Int64}})
    ),
    -- Of all facts of a clock the one that lasts: those of its earlier departments are taken back.
    lasting AS (
        SELECT {CLOCK} AS clock, max({LAST}) AS last
        FROM {OWN}.facts
        WHERE measure IN {{measures:Array(String)}} AND clock IN (SELECT clock FROM remembered)
        GROUP BY clock
    ),
    spans AS (
        SELECT
            measure, department, counterpart, level, case_id, outcome, false AS runs, business_us AS duration,
            period.1 AS span, intDiv(counted - 1, period.2) * period.2 + period.2 AS ends, true AS inside,
            -- what was missed and went on is among the remembered, with its duration
            NOT (outcome IN ('missed', 'excused') AND (isNull(stop) OR stop > fromUnixTimestamp64Micro(ends))) AS timed
        FROM (SELECT *, assumeNotNull(toUnixTimestamp64Micro(counts_at)) AS counted FROM {OWN}.facts
            WHERE measure IN {{measures:Array(String)}} AND {DETERMINED} AND isNotNull(counts_at)
                AND counts_at > fromUnixTimestamp64Micro({{since:Int64}})
                AND counts_at <= fromUnixTimestamp64Micro({{until:Int64}}))
        ARRAY JOIN {{periods:Array(Tuple(String, Int64))}} AS period
        WHERE ends - period.2 >= {{since:Int64}} AND ends <= {{until:Int64}}
        UNION ALL
        SELECT
            measure, department, counterpart, level, '' AS case_id, '' AS outcome, true AS runs, business_us AS duration,
            period.1 AS span, ends, false AS inside, true AS timed
        FROM remembered INNER JOIN lasting USING (clock)
        ARRAY JOIN {{periods:Array(Tuple(String, Int64))}} AS period
        WHERE last > ends AND ends % period.2 = 0 AND ends - period.2 >= {{since:Int64}}
    )"""

# For each hour's end the clocks that ran, as far as they are not remembered yet, and where anybody is shown for them.
# `told`: up to when the fact's business time counts. Before that, it is taken back.
REMEMBER = f"""
    INSERT INTO {OWN}.ran_versions (instant, measure, clock, department, counterpart, level, business_us)
    WITH {HOURS}, {DEPTHS},
    ran_then AS (
        SELECT
            measure, department, counterpart, level, business_us, clock, hour_end, told,
            if(calendar = '' AND told <= hour_end, '', {CALENDAR.format("if(calendar = '', department, calendar)")})
                AS hours_of
        FROM (
            SELECT
                measure, toString(department) AS department, toString(counterpart) AS counterpart, level, business_us,
                toString(calendar) AS calendar,
                {CLOCK} AS clock, toUnixTimestamp64Micro(ifNull(stop, since)) AS told,
                intDiv(toUnixTimestamp64Micro(start) - 1, {{step:Int64}}) * {{step:Int64}} AS before,
                arrayJoin(range(
                    greatest({{since:Int64}}, before) + {{step:Int64}},
                    least({{until:Int64}} + 1, {LAST}),
                    {{step:Int64}}
                )) AS hour_end
            FROM {OWN}.facts
            WHERE measure IN {{measures:Array(String)}} AND start <= fromUnixTimestamp64Micro({{until:Int64}})
                AND {LAST} > {{since:Int64}}
        )
        WHERE (hour_end, clock) NOT IN (
            SELECT toUnixTimestamp64Micro(instant), clock FROM {OWN}.ran_versions
            WHERE instant > fromUnixTimestamp64Micro({{since:Int64}}) AND instant <= fromUnixTimestamp64Micro({{until:Int64}})
        )
    )
    SELECT
        fromUnixTimestamp64Micro(r.hour_end), r.measure, r.clock, r.department, r.counterpart, r.level,
        greatest(0, r.business_us + if(r.hours_of = '', 0,
            (till.cumulative_us + least(r.hour_end - till.instant, till.rise))
            - (from.cumulative_us + least(r.told - from.instant, from.rise))
        ))
    FROM ran_then AS r
    ASOF LEFT JOIN depths AS own ON r.department = own.department AND r.hour_end >= own.since
    ASOF LEFT JOIN depths AS other ON r.counterpart = other.department AND r.hour_end >= other.since
    ASOF LEFT JOIN hours AS till ON r.hours_of = till.calendar AND r.hour_end >= till.instant
    ASOF LEFT JOIN hours AS from ON r.hours_of = from.calendar AND r.told >= from.instant
    WHERE r.level IN (own.depth, greatest(own.depth, other.depth))"""


# What is said now beside what was published last: `fresh` tells the two apart. Where one of them is missing, anyIf makes
# a tuple of NULL and 0 of it: no facts.
PUBLISH = """
    INSERT INTO {generation:Identifier}.published_versions
        (indicator, department, counterpart, period, period_start, revision, as_of, value, n, low, high, beyond)
    SELECT
        indicator, department, counterpart, period, fromUnixTimestamp64Micro(starts), latest + 1,
        fromUnixTimestamp64Micro({as_of:Int64}),
        if(now.2 = 0 AND {numbers:Bool} AND counterpart = '', 0., now.1), now.2, now.3, now.4, now.5
    FROM (
        SELECT
            indicator, department, counterpart, period, starts,
            max(revision) AS latest, anyIf(said, fresh) AS now, anyIf(said, NOT fresh) AS was
        FROM (
            SELECT
                toString(indicator) AS indicator, toString(department) AS department,
                toString(counterpart) AS counterpart, toString(span) AS period,
                ends - if(span = 'hour', {hour:Int64}, {day:Int64}) AS starts, 0 AS revision, true AS fresh,
                (value, n, low, high, beyond)
                    ::Tuple(Nullable(Float64), UInt64, Nullable(Float64), Nullable(Float64), Bool) AS said
            FROM (%s)
            UNION ALL
            SELECT
                toString(indicator), toString(department), toString(counterpart), toString(period),
                toUnixTimestamp64Micro(period_start), revision, false,
                (value, n, low, high, beyond)
                    ::Tuple(Nullable(Float64), UInt64, Nullable(Float64), Nullable(Float64), Bool)
            FROM {generation:Identifier}.published
            WHERE indicator IN {indicators:Array(String)} AND period IN {kinds:Array(String)}
                AND period_start >= fromUnixTimestamp64Micro({since:Int64})
                AND period_start <= fromUnixTimestamp64Micro({until:Int64} - if(period = 'hour', {hour:Int64}, {day:Int64}))
        )
        GROUP BY indicator, department, counterpart, period, starts
    )
    WHERE now IS DISTINCT FROM was AND (now.2 > 0 OR was.2 > 0)"""


class OwnHistory(OfGeneration, Keeps, Protocol):
    """A generation, into which its history is written."""


def publish(
    store: OwnHistory,
    since: int,
    until: int,
    as_of: int,
    indicators: Sequence[Indicator] = INDICATORS,
    periods: Mapping[str, int] = PERIODS,
) -> int:
    """Publish the hours and days that lie within (since, until] and that ``as_of`` has passed, all in microseconds.

    ``as_of`` is that of the stored facts. Returns how many revisions were written: none where nothing changed. It may be
    repeated, also after a crash in the middle. Raises :class:`sinks.recompute.NotCovered`, :class:`sinks.store.Unavailable`.
    """
    step = min(periods.values())
    since, until = -(-since // step) * step, min(until, as_of) // step * step
    if until <= since:
        return 0
    check_covered(store, as_of, since)
    before = _revisions(store)
    for start, end in _parts(since, until, AT_ONCE * step):
        span: dict[str, object] = {
            "generation": store.database,
            "since": start,
            "until": end,
            "as_of": as_of,
            "step": step,
            "periods": list(periods.items()),
            "kinds": list(periods),
            **PERIODS,
        }
        store.execute(REMEMBER, {**span, "measures": TIMED})
        for answer, answered in questions(indicators):
            _publish(store, answer, answered, span)
    return _revisions(store) - before


def _parts(since: int, until: int, length: int) -> Iterator[tuple[int, int]]:
    """Parts of about ``length``, which cut no day."""
    day = PERIODS["day"]
    while since < until:
        end = min((since + length) // day * day, until)
        yield since, end
        since = end


def _publish(store: OwnHistory, answer: str, indicators: Sequence[Indicator], span: Mapping[str, object]) -> None:
    names = {
        "indicators": [i.name for i in indicators],
        "numbers": indicators[0].aggregation in _NUMBERS,
    }
    store.execute(PUBLISH.replace("%s", statement(PERIOD_FACTS, answer)), {**span, **names, **asking(indicators)})


def _revisions(store: OwnHistory) -> int:
    sql = "SELECT count() FROM {generation:Identifier}.published_revisions"
    ((count,),) = store.query(sql, {"generation": store.database}).rows
    return int(count)
