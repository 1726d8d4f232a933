"""Whether listening is heard (METRICS 3.10): when people were told what became of what they had said, does the next wave's item
improve? docs/morale.md says what a round is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from ingest.event import Topic
from streams.company import Company
from streams.fact import Fact
from streams.indicators import IndicatorValue
from streams.morale import WEEK_US, WINDOWS, MoraleValue, Trend, last_monday
from streams.pooling import ORGANISATION, beginnings, morale
from streams.sealed import Batch
from streams.statistics import wilson

ECHO = "echo_ratio"
QUESTION = "After people were told what became of what they had said, how often does the next wave clearly improve?"
LOOP = "loop"
WINDOW = "364d"


def echo(batches: Sequence[Batch], company: Company, facts: Iterable[Fact], as_of: int) -> list[IndicatorValue]:
    """Of each department with a round: improved rounds / rounds, and Wilson's interval. ``n`` counts rounds. ``batches`` as
    :func:`streams.pooling.morale` wants them, ``facts`` those of the measure ``loop`` as they stand, ``as_of`` in UTC microseconds.
    """
    told: dict[tuple[str, str], set[int]] = defaultdict(set)
    for fact in facts:
        if fact.measure == LOOP and fact.stop is not None and fact.stop <= as_of:
            told[fact.department, fact.flags].add(fact.stop)
    began = beginnings(batches, as_of)
    until = last_monday(as_of)
    since = until - WINDOWS[WINDOW]
    rounds: dict[str, list[bool]] = defaultdict(list)
    for value in morale(batches, company, as_of):
        department, topic = _heard(value)
        if not department or value.trend is Trend.unknown or value.closed is None:
            continue
        if not since < value.closed <= until:
            continue
        # answers of a week are sealed at its end
        first, last = began[value.before] - WEEK_US, began[value.wave] - WEEK_US
        if any(first <= at < last for at in told[department, topic]):
            rounds[department].append(value.trend is Trend.improved)
    return [_value(department, improved, as_of) for department, improved in sorted(rounds.items())]


def _heard(value: MoraleValue) -> tuple[str, str]:
    """The department and the topic of suggestions that a value can echo; empty: none."""
    if value.indicator == "perception_favourable_ratio" and value.department == ORGANISATION and value.item:
        return value.about, value.item
    if value.indicator == "favourable_ratio" and not value.item:
        return value.department, Topic.working_here
    return "", ""


def _value(department: str, improved: Sequence[bool], as_of: int) -> IndicatorValue:
    hits, n = sum(improved), len(improved)
    low, high = wilson(hits, n)
    return IndicatorValue(
        indicator=ECHO,
        department=department,
        counterpart="",
        window=WINDOW,
        as_of=as_of,
        value=hits / n,
        n=n,
        low=low,
        high=high,
    )
