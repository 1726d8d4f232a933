"""The values of one window, ready to be looked up, and the departments they are about: what every report needs."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.words import visible
from streams.configuration import Configuration
from streams.fact import UNMAPPED, UNOWNED
from streams.indicators import IndicatorValue

ENOUGH = 5
"""Of fewer, nothing is said."""

SPECIAL = {UNMAPPED: "groups without a department", UNOWNED: "nobody"}


class Numbers:
    """The values of one window, by indicator, department and counterpart; those that have no window too.

    ``as_of``: up to when, in microseconds. Raises ``ValueError`` where there is no value at all.
    """

    def __init__(self, values: Sequence[IndicatorValue], window: str) -> None:
        self.window = window
        self.values = {(v.indicator, v.department, v.counterpart): v for v in values if v.window in (window, "")}
        self.as_of = max(v.as_of for v in values)

    def get(self, indicator: str, department: str, counterpart: str = "") -> IndicatorValue | None:
        return self.values.get((indicator, department, counterpart))

    def departments(self) -> set[str]:
        return {d for _, d, _ in self.values}

    def pairs(self, indicator: str) -> list[IndicatorValue]:
        return [v for (name, _, counterpart), v in self.values.items() if name == indicator and counterpart]


def above(configuration: Configuration, at: int) -> set[str]:
    """Departments that have others below them."""
    return {upper for d in configuration.departments for upper in configuration.path(d, at) if upper != d}


def in_order(shown: set[str], configuration: Configuration) -> list[str]:
    """That of the company file; then groups that no file names, by name."""
    known = [d for d in configuration.departments if d in shown]
    strangers = sorted(d for d in shown.difference(known) if d not in SPECIAL)
    return [*known, *strangers, *(d for d in SPECIAL if d in shown)]


def name_of(department: str, configuration: Configuration) -> str:
    return SPECIAL.get(department) or visible(configuration.name(department))
