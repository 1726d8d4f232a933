"""The views of a department where a company of 500 has answered for three years: how long whoever looks at one waits, and how long
sealing, and telling the morale of a week, took before. Indicators and their history are made up: a value is as slow as any other.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from adversary import MONDAY, WEEK, Answer, Life, Shell, company, log_of, numbered
from bench.kafka import BenchmarkError, say

from deploy.calendar_time import store_departments
from sinks.clickhouse import ClickHouse, connect
from sinks.morale import tell, tell_week, untold
from streams import indicators as i
from streams.configuration import Configuration
from streams.sealed import ENPS, Batch, Kind
from streams.timeline import microseconds

ANSWERS, DEPARTMENTS, YEARS = 100_000, 500, 3
QUESTIONS = ("reliability", "responsiveness", "assurance", "empathy", "tangibles", "communication")
WEEKS = 52 * YEARS
WAVES = range(0, WEEKS, 13)
END = microseconds(MONDAY + WEEKS * WEEK)
COURSE = 8
"""Of so many weeks, the last ones, morale stands beside service."""
ASKED = 60
"""Departments that are looked at: the largest first."""

VIEWS = {
    "responsiveness": "SELECT * FROM indicators WHERE department = {department:String} AND counterpart = ''",
    "hand_overs": "SELECT * FROM indicators WHERE counterpart != '' AND {department:String} IN (department, counterpart)",
    "morale": "SELECT * FROM morale WHERE department = {department:String}",
    "overview": "SELECT * FROM crossdesk_public.department_overview(department = {department:String})",
}

# Of each day, of each department, those indicators that stand beside morale.
HISTORY = """
    INSERT INTO crossdesk_1.published_versions
        (indicator, department, counterpart, period, period_start, revision, as_of, value, n, low, high, beyond)
    SELECT
        indicator, department, '', 'day', toDateTime64({end:Int64} / 1000000 - number * 86400, 6, 'UTC'), 1,
        fromUnixTimestamp64Micro({end:Int64}), (1 + number % 8) / 10, 10, 0.1, 0.9, false
    FROM numbers(1, {days:UInt64})
    ARRAY JOIN {indicators:Array(String)} AS indicator
    ARRAY JOIN {departments:Array(String)} AS department"""
OF_HISTORY = (
    "first_response_attainment_ratio",
    "next_response_attainment_ratio",
    "resolution_attainment_ratio",
    "acceptance_attainment_ratio",
    "first_time_complete_attainment_ratio",
    "thanks_attainment_ratio",
    "reopening_share_ratio",
)


def figures() -> Iterator[tuple[str, float, str]]:
    """Name, value and unit of each."""
    parents = departments()
    configuration = company(1, parents, {d: d for d in parents})
    say(f"sealing {ANSWERS:,} answers")
    batches, number, seconds = sealed(configuration)
    yield "sealed_answers", number, f"in {len(batches):,} batches, of {DEPARTMENTS} departments in {YEARS} years"
    yield "sealing_seconds", seconds, "s, all of them"
    with (
        TemporaryDirectory(prefix="crossdesk-bench-") as folder,
        closing(connect(f"chdb://{Path(folder) / 'store'}")) as store,
    ):
        say("storing them, and what else is looked at")
        store.migrate()
        store_departments(store, configuration, END)
        store.write_sealed(batches)
        store.write_indicators(list(indicators([*parents])))
        history = {"end": END, "days": 7 * WEEKS, "indicators": list(OF_HISTORY), "departments": [*parents]}
        store.execute(HISTORY, history)
        say("telling the morale of weeks")
        yield "morale_week_seconds", timed(lambda: tell(store, END, course=False)), "s, once a week"
        last = untold(store, END)[-COURSE:]
        began = perf_counter()
        for week in last:
            tell_week(store, week)
        seconds = perf_counter() - began
        yield "morale_course_seconds", seconds / len(last), "s, for each week whose course is told"
        yield from views(store, [*parents][:ASKED])


def views(store: ClickHouse, asked: Sequence[str]) -> Iterator[tuple[str, float, str]]:
    for name, sql in VIEWS.items():
        say(f"asking for {name}")
        found = []
        for department in asked:
            began = perf_counter()
            rows = store.query(sql, {"department": department}).rows
            found.append((perf_counter() - began) * 1000)
            if not rows:
                raise BenchmarkError(f"{name} of {department} says nothing")
        yield f"view_{name}_p50_ms", statistics.median(found), "ms, of one department"
        yield f"view_{name}_max_ms", max(found), f"ms, of {len(asked)} departments"


def timed(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began


def departments() -> dict[str, str]:
    """Each with what is above it: eight at the top, and eight below each."""
    names = [f"d{n}" for n in range(DEPARTMENTS)]
    return {name: names[(n - 8) // 8] if n >= 8 else "" for n, name in enumerate(names)}


def answers(dice: random.Random) -> Iterator[Answer]:
    """In each quarter somebody of each department about working there, and about one of three others."""
    names, numbers = [*departments()], count()
    each = ANSWERS / (len(WAVES) * len(names) * 2)
    due = 0.0
    for first in WAVES:
        for n, department in enumerate(names):
            for about in ("", names[(n * 7 + first % 3) % len(names)]):
                due += each
                for person in range(int(due)):
                    day = first * 7 + min(int(dice.expovariate(1 / 6)), 20)
                    who = f"{department}-{person}"
                    yield Answer(
                        next(numbers), Kind.answers, f"wave {first}", who, department, "", about, day, day // 7 + 1
                    )
                due -= int(due)


def sealed(configuration: Configuration) -> tuple[list[Batch], int, float]:
    """The batches, of how many answers, and the seconds that sealing took."""
    dice = random.Random(1)
    life = Life(list(answers(dice)), WEEKS, {0: configuration})

    def scores(_: Answer) -> dict[str, int]:
        return {name: dice.choice((2, 4, 6, 8, 10)) for name in QUESTIONS} | {ENPS: dice.randint(0, 10)}

    log = numbered(log_of(life, scores, dice))
    shell = Shell(lambda _: configuration, lambda: 1000)
    seconds = timed(lambda: shell.run(log))
    return shell.sealed, len(life.answers), seconds


def indicators(names: Sequence[str]) -> Iterator[i.IndicatorValue]:
    """All of each department, and of it with three who hand over to it."""
    for n, department in enumerate(names):
        for counterpart in ("", *(names[n - back] for back in (1, 2, 3))):
            for indicator in i.INDICATORS:
                if indicator.pairs or not counterpart:
                    for window in [""] if indicator.aggregation is i.Aggregation.running else i.WINDOWS:
                        yield i.IndicatorValue(
                            indicator=indicator.name,
                            department=department,
                            counterpart=counterpart,
                            window=window,
                            as_of=END,
                            value=0.5,
                            n=10,
                            low=0.2,
                            high=0.8,
                            offset=1,
                        )
