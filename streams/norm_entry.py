"""Norms files as they are written: what departments promise, by versions.

A version is whole: what it does not say is not inherited from the version before it, but from the company file (hours,
holidays), or is no norm at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from streams.company import ANYBODY, DepartmentId
from streams.dated import Since, ZoneName
from streams.offer import Contact, Services
from streams.opening import Closures, HalfDays, HolidayCodes, Hours
from streams.problems import Listed, Part, did_you_mean, refuse
from streams.target import parse_target

ACCEPTANCE, FINISH = "acceptance", "finish"
BY_CLASS = ("first_response", "next_response", "resolution")
"""Kinds of norms towards requesters: by the service and priority of a case."""
BY_GIVER = (ACCEPTANCE, FINISH)
"""Between departments: by who hands over."""
KINDS = (*BY_CLASS, *BY_GIVER)

_PERCENT = re.compile(r"\s*([0-9]{1,3}(?:\.[0-9]{1,3})?)\s*%\s*")


class OnChange(StrEnum):
    """What a change of a case's service or priority does to a clock that runs (METRICS 2.7). ``retroactive``: the new target counts
    from the clock's start, pauses carried. ``keep``: its target stays. ``prorate``: the share of the target that is used stays.
    """

    retroactive = "retroactive"
    keep = "keep"
    prorate = "prorate"


def _target(text: str) -> str:
    try:
        parse_target(text)
    except ValueError as error:
        raise refuse(str(error)) from None
    return text


def _share(given: Any) -> float:
    if isinstance(given, float):  # as a version of the configuration is stored: files have text only
        return given
    found = _PERCENT.fullmatch(given) if isinstance(given, str) else None
    share = float(found[1]) / 100 if found else None
    if share is None or not 0 < share <= 1:
        raise refuse(f"'{given}' is no share", "write a percentage above 0, such as 90%")
    return share


def _words(given: Any) -> Any:
    words = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, list) else given
    if isinstance(words, tuple) and not words:
        raise refuse("an empty list names nothing", "name what the rule is for, or leave the key out")
    return words


def _giver(text: str) -> str:
    if text != ANYBODY and text.startswith("_"):
        raise refuse(f"'{text}' is no department", f"name a department, or '{ANYBODY}' for all others")
    return text


def _policy(given: Any) -> OnChange:
    try:
        return OnChange(given)
    except ValueError:
        mend = did_you_mean(str(given), OnChange) or f"write {', '.join(OnChange)}"
        raise refuse(f"'{given}' is nothing that a change can do", mend) from None


TargetText = Annotated[str, AfterValidator(_target)]
Share = Annotated[float, BeforeValidator(_share)]
Policy = Annotated[OnChange, BeforeValidator(_policy)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]


class Promise(Part):
    """A target, and in how many cases out of a hundred the department means to keep it (empty: nobody said)."""

    target: TargetText
    attainment: Share | None = None


class Rule(Promise):
    """For cases of these services and priorities, as the source calls them; empty: of all. Of those that fit, the one that names a
    service counts before the one that names a priority, and both before one alone.
    """

    service: Words = ()
    priority: Words = ()
    on_change: Policy | None = None

    @property
    def specificity(self) -> tuple[bool, bool]:
        return bool(self.service), bool(self.priority)

    def overlaps(self, other: Rule) -> bool:
        """Whether a case could get either of them, and nothing says which."""
        return self.specificity == other.specificity and all(
            not mine or {word.casefold() for word in mine} & {word.casefold() for word in others}
            for mine, others in ((self.service, other.service), (self.priority, other.priority))
        )


def _rules(given: Any) -> Any:
    """A target alone, one rule, or a list of either."""
    each = given if isinstance(given, list) else [given]
    return [{"target": one} if isinstance(one, str) else one for one in each]


def _by_giver(given: Any) -> Any:
    """A target alone is for anybody."""
    if isinstance(given, str):
        return {ANYBODY: {"target": given}}
    if isinstance(given, dict):
        return {giver: {"target": one} if isinstance(one, str) else one for giver, one in given.items()}
    return given


Rules = Annotated[Listed[Rule], BeforeValidator(_rules)]
ByGiver = Annotated[dict[Annotated[str, AfterValidator(_giver)], Promise], BeforeValidator(_by_giver)]


class NormEntry(Part):
    """One version of what one department promises. ``acceptance`` and ``finish`` are by giving department, ``*`` for all others.
    ``services`` and ``contact`` are for its colleagues: no number depends on them.
    """

    department: DepartmentId
    valid_from: Since | None = None
    zone: ZoneName | None = None
    hours: Hours | None = None
    holidays: HolidayCodes | None = None
    closures: Closures = ()
    half_days: HalfDays = Field(default_factory=dict)
    first_response: Rules = ()
    next_response: Rules = ()
    resolution: Rules = ()
    acceptance: ByGiver = Field(default_factory=dict)
    finish: ByGiver = Field(default_factory=dict)
    on_change: Policy = OnChange.retroactive
    attainment: Share | None = None
    services: Services = ()
    contact: Contact | None = None

    def rules(self) -> Iterator[tuple[str, str, Rule]]:
        """Kind, giver (empty except between departments), and what is promised."""
        for kind in BY_CLASS:
            yield from ((kind, "", rule) for rule in getattr(self, kind))
        for kind in BY_GIVER:
            for giver, promise in getattr(self, kind).items():
                yield kind, giver, Rule(target=promise.target, attainment=promise.attainment)


class ExceptionEntry(Part):
    """What nobody has to answer for, such as a power cut: who missed a promise that was to be kept while it lasted is excused, if
    of these ``departments`` or below them (none: of any).
    """

    name: Annotated[str, Field(min_length=1, max_length=80)]
    since: Since
    until: Since
    departments: Listed[DepartmentId] = ()


class NormsFile(Part):
    """``norms.yaml``, or one file in ``norms/``."""

    norms: Listed[NormEntry] = ()
    exceptions: Listed[ExceptionEntry] = ()

    @model_validator(mode="after")
    def _something(self) -> NormsFile:
        if not self.model_fields_set:
            raise refuse("it holds neither norms nor exceptions", "write what belongs there, or delete the file")
        return self
