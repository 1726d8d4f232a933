"""Morale as Prometheus gets it: of sealed batches alone, the latest of each department, and of no pair (DESIGN 5.14).

    crossdesk_morale_favourable_ratio{department="it",window="91d"}                        what its people say of working there
    crossdesk_morale_favourable_low_ratio, …_high_ratio, crossdesk_morale_favourable_answers
    crossdesk_morale_favourable_ratio{department="it",question="empathy",window="91d"}     of one question, without bounds
    crossdesk_morale_enps_points{department="it",window="91d"}                             with its bounds and answers
    crossdesk_morale_response_ratio{department="it"}                                       of the newest wave
    crossdesk_morale_perception_favourable_ratio{about="it",window="91d"}                  what all together say about it
    crossdesk_morale_rating_favourable_ratio{about="it",window="91d"}                      how they rate what it solves

One window, that of a quarter: within it most surveys are asked once. What nobody may see has no series, and is no zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from streams.morale import MORALE, MoraleValue

WINDOW = "91d"
PREFIX = "crossdesk_morale_"
RESPONSE, ENPS = "response_ratio", "enps_points"

_QUESTIONS: Mapping[str, str] = {indicator.name: indicator.question for indicator in MORALE}
_OWN = {indicator.name for indicator in MORALE if indicator.name in (ENPS, RESPONSE) or indicator.about is False}
"""What a department says; of others, what is said about it."""


class Family(NamedTuple):
    """All series of one name: labels, as they are written, and numbers."""

    name: str
    text: str
    series: list[tuple[dict[str, str], float]]


def of_whom(value: MoraleValue) -> str:
    """The department that it is shown for."""
    return value.department or value.about


def exported(values: Iterable[MoraleValue]) -> list[MoraleValue]:
    """Those that are shown."""
    every = list(values)
    answered = [(v.closed or 0, v.wave) for v in every if v.indicator == RESPONSE and v.n]
    wave = max(answered)[1] if answered else None
    return [value for value in every if _is_exported(value, wave)]


def _is_exported(value: MoraleValue, wave: str | None) -> bool:
    if value.value is None or bool(value.department) == bool(value.about):
        return False
    if bool(value.department) != (value.indicator in _OWN):
        return False
    return value.wave == wave if value.indicator == RESPONSE else value.window == WINDOW and _has_series(value)


def _has_series(value: MoraleValue) -> bool:
    """Of single questions only what a department says itself."""
    return not value.item or value.indicator == ENPS or bool(value.department)


def families(values: Iterable[MoraleValue]) -> Iterator[Family]:
    """Of what :func:`exported` gave."""
    found: dict[str, Family] = {}

    def add(name: str, text: str, value: MoraleValue, number: float | None) -> None:
        if number is not None:
            found.setdefault(name, Family(PREFIX + name, text, [])).series.append((_labels(value), number))

    newest = 0
    for value in values:
        newest = max(newest, value.closed or 0)
        name, question = value.indicator, _QUESTIONS[value.indicator]
        add(name, question, value, value.value)
        if name != RESPONSE and (not value.item or name == ENPS):
            stem, _, unit = name.rpartition("_")
            add(f"{stem}_low_{unit}", f"{question} At least, at 95 %.", value, value.low)
            add(f"{stem}_high_{unit}", f"{question} At most, at 95 %.", value, value.high)
            add(f"{stem}_answers", f"{question} Answers behind it; of several questions, persons.", value, value.n)
    yield from (found[name] for name in sorted(found))
    if newest:
        text = "When the newest batch closed that is in morale; it changes once a week at most."
        yield Family(f"{PREFIX}closed_timestamp_seconds", text, [({}, newest / 1e6)])


def _labels(value: MoraleValue) -> dict[str, str]:
    question = "" if value.indicator == ENPS else value.item
    named = {"about": value.about, "department": value.department, "question": question, "window": value.window}
    return {label: text for label, text in named.items() if text}
