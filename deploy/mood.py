"""What people answered, in sentences: of sealed batches alone (docs/morale.md). Departments stand in the order of the company file:
nobody is ranked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deploy.findings import ITEM, MOST
from deploy.numbers import in_order, name_of
from deploy.words import NO_DATA, of_100, visible
from streams.configuration import Configuration
from streams.morale import MoraleValue, Trend
from streams.pooling import ORGANISATION

TURNS = {Trend.declined: "Clearly less content than in the wave before", Trend.improved: "Clearly more content"}


def said(values: Sequence[MoraleValue], configuration: Configuration) -> Iterator[str]:
    """Of the newest wave: how many answered, how they like to work here, and whom they are more or less content with."""
    waves = [v for v in values if v.indicator == "response_ratio" and v.department == ORGANISATION and v.n]
    if not waves:
        yield "Nothing is sealed yet: a number is told when five persons or more have answered."
        return
    last = max(waves, key=lambda v: (v.closed or 0, v.wave))
    of_wave = [v for v in values if v.wave == last.wave and v.department == ORGANISATION]
    how_many = f" About {of_100(last.value)} of 100 answered: {last.n:,} people." if last.value is not None else ""
    yield f"The last wave was {visible(last.wave)}.{how_many}"
    for value in of_wave:
        if value.indicator == "enps_points" and value.value is not None:
            yield (
                f"Of 100, {_points(value.value)} more would recommend working here than would not "
                f"(surely {_points(value.low)} to {_points(value.high)}; {value.trend or 'no wave before'})."
            )
    about = {v.about: v for v in of_wave if v.indicator == "perception_favourable_ratio" and not v.item}
    turned = False
    for trend, words in TURNS.items():
        which = [d for d in in_order(set(about), configuration) if about[d].trend is trend]
        if which:
            turned = True
            yield f"{words}, with:"
        for department in which[:MOST]:
            value = about[department]
            before = of_100((value.value or 0) - (value.change or 0))
            yield (
                f"{ITEM}{name_of(department, configuration)}: of 100 answers {of_100(value.value)} are favourable, "
                f"{before} before ({value.n:,} people)."
            )
        if len(which) > MOST:
            yield f"{ITEM}and {len(which) - MOST} more."
    if about and not turned:
        yield "No department is spoken of clearly better or worse than in the wave before."


def _points(value: float | None) -> str:
    return NO_DATA if value is None else f"{round(value):+d}"
