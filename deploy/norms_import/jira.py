"""SLAs of Jira Service Management with their goals and calendars.

Atlassian documents no API for them (https://jira.atlassian.com/browse/JSDCLOUD-15659 asks for one). What is read is what the
product's own settings page reads: ``/rest/servicedesk/1/servicedesk/agent/KEY/sla/metrics``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import Struct

from deploy.norms_import.answers import Answer, as_json, of_kind, refuse
from deploy.norms_import.claims import Claim, Ruled, compiled
from deploy.norms_import.jira_calendars import CALENDARS, Book, is_calendar
from deploy.norms_import.jql import ISSUE_TYPE, PRIORITY, PROJECT, REQUEST_TYPE, Unsayable, scope
from deploy.norms_import.norms_text import Imported, Kind, Lost
from streams.target import Hours, RoundTheClock

METRICS = "timeMetrics"
PATH = "/rest/servicedesk/1/servicedesk/agent/KEY/sla/metrics"
WANTED = f"what GET {PATH} and /rest/workinghours/1/api/calendar/ID answer"
SERVICES: Mapping[str, str] = {"issuetype": ISSUE_TYPE, "requesttype": REQUEST_TYPE}
TYPES: Mapping[str, str] = {
    ISSUE_TYPE: "/rest/api/2/issuetype",
    REQUEST_TYPE: "/rest/servicedeskapi/servicedesk/ID/requesttype",
}
MS = 1_000

RESOLUTION = "resolution"
CREATED, ASKED = "issue-created-hit-condition", "comment-by-reporter-hit-condition"
ANSWERED, RESOLVED = "comment-for-reporter-hit-condition", "resolution-set-hit-condition"
MEANT: Mapping[str, tuple[str, str]] = {
    "first_response": (CREATED, ANSWERED),
    "next_response": (ASKED, ANSWERED),
    RESOLUTION: (CREATED, RESOLVED),
}
"""What starts and what stops an SLA of each kind; resolution is the last."""


class Condition(Struct, frozen=True, rename="camel"):
    condition_id: str
    name: str = ""

    @property
    def called(self) -> str:
        return self.name or self.condition_id


class Definition(Struct, frozen=True):
    start: list[Condition] = []
    pause: list[Condition] = []
    stop: list[Condition] = []


class Goal(Struct, frozen=True, rename="camel"):
    """``duration``: milliseconds; None: no target. Without a calendar it counts round the clock."""

    jql_query: str | None = None
    duration: int | None = None
    calendar_id: int | str | None = None
    calendar_name: str | None = None
    sub_goals: Any = None

    @property
    def said(self) -> str:
        return (self.jql_query or "").strip() or "for all remaining issues"


class Config(Struct, frozen=True):
    definition: Definition
    goals: list[Goal] | None = None


class Metric(Struct, frozen=True):
    id: int | str
    name: str
    config: Config

    @property
    def called(self) -> str:
        return f'SLA "{self.name}"'

    @property
    def goals(self) -> list[Goal]:
        return self.config.goals or []


class OfMetrics(Struct, frozen=True, rename="camel"):
    time_metrics: list[Metric]


class Type(Struct, frozen=True):
    id: int | str
    name: str


class Types(Struct, frozen=True):
    values: list[Type]


class Fit(NamedTuple):
    """The issues that a goal is for; None: all. ``notes``: what was taken for granted."""

    services: frozenset[str] | None
    priorities: frozenset[str] | None
    notes: tuple[str, ...] = ()


def known(body: Any) -> bool:
    """Whether it is an answer that is read here."""
    if isinstance(body, dict):
        return any(isinstance(body.get(key), list) for key in (METRICS, CALENDARS, "values")) or is_calendar(body)
    return isinstance(body, list) and bool(body) and all(isinstance(one, dict) and "name" in one for one in body)


def imported(found: Sequence[Answer], department: str, service: str, calendar: str, years: Sequence[int]) -> Imported:
    """``service``: one of :data:`SERVICES`. ``calendar``: id or name, where goals use several. ``years``: for which holidays that
    come back are written.

    Raises :class:`streams.problems.BadConfiguration`.
    """
    taken, lost, place = _taken(found)
    types = _types(found)
    book = Book(found, years)
    fits = {kind: [_fit(goal, SERVICES[service], types) for goal in metric.goals] for kind, metric in taken.items()}
    used = {
        kind: [book.of(goal.calendar_id, goal.calendar_name) for goal in metric.goals] for kind, metric in taken.items()
    }
    carried = [
        calendar_id
        for kind, metric in taken.items()
        for goal, fit, calendar_id in zip(metric.goals, fits[kind], used[kind], strict=True)
        if goal.duration is not None and isinstance(fit, Fit)
    ]
    id, opening, notes = book.chosen(calendar, carried, place)
    kinds = {}
    for kind, metric in taken.items():
        by_the_hours = [bool(one) for one in used[kind]]
        elsewhere = [book.named(one) if one not in ("", id) else "" for one in used[kind]]
        kinds[kind] = _kind(kind, metric, fits[kind], by_the_hours, elsewhere)
    return Imported(department, "Jira Service Management", opening, kinds, lost, notes)


def _taken(found: Sequence[Answer]) -> tuple[dict[str, Metric], tuple[Lost, ...], str]:
    """For each kind the first SLA of it, what else there is, and where they were found."""
    taken: dict[str, Metric] = {}
    lost: list[Lost] = []
    place = ""
    for place, metric in _metrics(found):
        kinds = _kinds(metric.config.definition)
        if not kinds:
            lost.append(
                Lost(
                    f"{metric.called} {_said(metric.config.definition)}: there is no norm of this kind. {_goals(metric)}"
                )
            )
        elif not metric.goals:
            refuse(
                place,
                f"{metric.called} has no goals: it promises nothing",
                f"take it out, or give what GET {PATH} answers",
            )
        for kind in kinds:
            if kind in taken:
                lost.append(
                    Lost(
                        f"{metric.called} is a second one for {kind}: {taken[kind].called} is taken for it. {_goals(metric)}"
                    )
                )
            taken.setdefault(kind, metric)
    if not taken and not lost:
        refuse(found[0].place if found else "", "holds no SLA", f"give {WANTED}")
    return taken, tuple(lost), place


def _metrics(found: Iterable[Answer]) -> Iterator[tuple[str, Metric]]:
    seen: dict[str, Metric] = {}
    for answer, _ in of_kind(found, (METRICS,)):
        for metric in answer.read(OfMetrics, PATH).time_metrics:
            for goal in metric.goals:
                if goal.duration is not None and goal.duration <= 0:
                    refuse(answer.place, f"a goal of {metric.called} is {goal.duration} ms", "a target is above zero")
            known = seen.setdefault(str(metric.id), metric)
            if known != metric:
                refuse(
                    answer.place,
                    f"{metric.called} has the id of {known.called}",
                    "give the SLAs of one project at a time",
                )
            if known is metric:
                yield answer.place, metric


def _types(found: Iterable[Answer]) -> dict[str, dict[str, str]]:
    """Field -> name in small letters -> id: issue types are a bare list, request types are ``values``."""
    types: dict[str, dict[str, str]] = {ISSUE_TYPE: {}, REQUEST_TYPE: {}}
    for answer in found:
        if isinstance(answer.body, list) and not any(is_calendar(one) for one in answer.body):
            field, listed = ISSUE_TYPE, answer.read(list[Type], TYPES[ISSUE_TYPE])
        elif isinstance(answer.body, dict) and isinstance(answer.body.get("values"), list):
            field, listed = REQUEST_TYPE, answer.read(Types, TYPES[REQUEST_TYPE]).values
        else:
            continue
        types[field].update((one.name.casefold(), str(one.id)) for one in listed)
    return types


def _kinds(definition: Definition) -> list[str]:
    """Which norms an SLA is, by what starts and what stops it. What an answer stops is no resolution."""
    starts = {condition.condition_id for condition in definition.start}
    stops = {condition.condition_id for condition in definition.stop}
    found = [kind for kind, (start, stop) in MEANT.items() if start in starts and stop in stops]
    return found[:-1] if len(found) > 1 and found[-1] == RESOLUTION else found


def _fit(goal: Goal, service: str, types: Mapping[str, Mapping[str, str]]) -> Fit | str:
    """For which issues it is; or why that cannot be said."""
    if goal.sub_goals:
        return f"it has targets by priority inside: {as_json(goal.sub_goals)}"
    try:
        asked = dict(scope(goal.jql_query or ""))
        named = asked.pop(service, None)
        services = None if named is None else frozenset(_id(service, value, types[service]) for value in named)
    except Unsayable as error:
        return str(error)
    priorities = asked.pop(PRIORITY, None)
    if priorities is not None and any(value.isdecimal() for value in priorities):
        return "a priority by its number: write its name there"
    project = asked.pop(PROJECT, None)
    if asked:
        return f"a condition on {', '.join(asked)}, which is not the service here (--service)"
    notes = (f"project {', '.join(sorted(project))} is taken to be the one whose SLAs these are.",) if project else ()
    return Fit(services, priorities, notes)


def _id(field: str, value: str, known: Mapping[str, str]) -> str:
    """Sources name types by their ids."""
    if value.isdecimal():
        return value
    if value.casefold() not in known:
        raise Unsayable(f"the {field} {value!r}, whose id is not known (give what GET {TYPES[field]} answers, too)")
    return known[value.casefold()]


def _kind(
    kind: str, metric: Metric, fits: Sequence[Fit | str], by_the_hours: Sequence[bool], elsewhere: Sequence[str]
) -> Kind:
    """``elsewhere``: for each goal the calendar by which it counts, if it is not the department's."""
    claims: list[Claim] = []
    lost: list[Lost] = []
    notes = list(_notes(kind, metric))
    for goal, fit, open_time, other in zip(metric.goals, fits, by_the_hours, elsewhere, strict=True):
        origin = f"{metric.called}, {goal.said}"
        us = (goal.duration or 0) * MS
        target = None if goal.duration is None else str(Hours(us) if open_time else RoundTheClock(us))
        rule = () if target is None else (Ruled((), (), target, origin),)
        why = [fit] if isinstance(fit, str) else []
        if other and target is not None:
            why.append(f"it counts by another calendar, {other!r}")
        if why or isinstance(fit, str):
            said = (
                f"the goal {goal.said} of {metric.called}: {'; '.join(why)}. Here they are judged by the other rules."
            )
            lost.append(Lost(said, rule))
        else:
            claims.append(Claim(fit.services, fit.priorities, target, origin))
            notes += fit.notes
    rules, unsaid = compiled(claims)
    return Kind(rules, unsaid, tuple(lost), tuple(dict.fromkeys(notes)))


def _notes(kind: str, metric: Metric) -> Iterator[str]:
    """Of conditions beyond those that make it what it is."""
    definition, meant = metric.config.definition, MEANT[kind]
    for what, conditions in (("also starts", definition.start), ("also stops", definition.stop)):
        more = [condition.called for condition in conditions if condition.condition_id not in meant]
        if more:
            yield f"{metric.called} {what} at {', '.join(more)}."
    if definition.pause:
        paused = ", ".join(condition.called for condition in definition.pause)
        yield f"{metric.called} pauses at {paused}. Here a pause is what the source's states say it is."


def _said(definition: Definition) -> str:
    parts = (("starts at", definition.start), ("stops at", definition.stop))
    return " and ".join(f"{what} {', '.join(one.called for one in some) or 'nothing'}" for what, some in parts)


def _goals(metric: Metric) -> str:
    said = "; ".join(
        f"{goal.said} {RoundTheClock(goal.duration * MS) if goal.duration else 'no target'}" for goal in metric.goals
    )
    return f"Its goals: {said or 'none'}."
