"""What the report says of answers: of the last wave, and never who is before whom."""

from __future__ import annotations

from typing import Any

from deploy import config_files, mood
from deploy.demo import EXAMPLE
from streams.morale import MoraleValue, Trend

CONFIGURATION = config_files.load(EXAMPLE).configuration


def value(indicator: str, value: float | None, n: int, wave: str, **more: Any) -> MoraleValue:
    fields: dict[str, Any] = {"item": "", "department": "", "about": "", "window": "", "as_of": 10}
    return MoraleValue(indicator=indicator, value=value, n=n, wave=wave, **(fields | more))


def perception(about: str, favourable: float, change: float, trend: Trend, wave: str = "w2") -> MoraleValue:
    return value(
        "perception_favourable_ratio", favourable, 40, wave, about=about, change=change, trend=trend, before="w1"
    )


def test_of_the_last_wave_it_says_how_many_answered_and_what_has_clearly_changed() -> None:
    said = list(
        mood.said(
            [
                value("response_ratio", 0.6, 300, "w1", closed=1),
                value("response_ratio", 0.55, 280, "w2", closed=2),
                value("enps_points", 40.0, 300, "w1"),
                value("enps_points", 4.6, 280, "w2", low=-0.2, high=9.4, trend=Trend.no_clear_change),
                perception("legal", 0.4, -0.2, Trend.declined),
                perception("it", 0.5, -0.25, Trend.declined),
                perception("hr", 0.7, 0.3, Trend.improved),
                perception("payables", 0.6, -0.01, Trend.no_clear_change),
                perception("marketing", 0.1, -0.9, Trend.declined, wave="w1"),
            ],
            CONFIGURATION,
        )
    )
    assert said == [
        "The last wave was w2. About 55 of 100 answered: 280 people.",
        "Of 100, +5 more would recommend working here than would not (surely +0 to +9; no clear change).",
        "Clearly less content than in the wave before, with:",
        "• IT Service: of 100 answers 50 are favourable, 75 before (40 people).",
        "• Legal: of 100 answers 40 are favourable, 60 before (40 people).",
        "Clearly more content, with:",
        "• HR Service: of 100 answers 70 are favourable, 40 before (40 people).",
    ], "in the order of the company file"


def test_where_nothing_has_clearly_changed_it_says_so() -> None:
    values = [value("response_ratio", 0.6, 300, "w2", closed=2), perception("it", 0.5, 0.01, Trend.no_clear_change)]
    assert list(mood.said(values, CONFIGURATION))[1:] == [
        "No department is spoken of clearly better or worse than in the wave before."
    ]


def test_of_fewer_than_five_it_says_what_it_says_of_none() -> None:
    nothing = list(mood.said([], CONFIGURATION))
    assert nothing == ["Nothing is sealed yet: a number is told when five persons or more have answered."]
    assert list(mood.said([value("response_ratio", None, 0, "w1")], CONFIGURATION)) == nothing
