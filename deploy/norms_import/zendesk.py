"""Zendesk's SLA policies, group SLA policies, schedules and holidays.

https://developer.zendesk.com/api-reference/ticketing/business-rules/sla_policies/ and …/group_sla_policies/,
https://developer.zendesk.com/api-reference/ticketing/ticket-management/schedules/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import Struct

from deploy.norms_import.answers import Answer, as_json, of_kind, refuse
from deploy.norms_import.claims import Claim, compiled
from deploy.norms_import.norms_text import Imported, Kind, Lost
from deploy.norms_import.zendesk_schedules import HOLIDAYS, SCHEDULES, chosen
from streams.norm_entry import FINISH
from streams.schedule import US
from streams.target import Hours, RoundTheClock

POLICIES, GROUP_POLICIES = "sla_policies", "group_sla_policies"
PATHS: Mapping[str, str] = {POLICIES: "/api/v2/slas/policies", GROUP_POLICIES: "/api/v2/group_slas/policies"}
WANTED = "what GET /api/v2/slas/policies, /api/v2/group_slas/policies and /api/v2/business_hours/schedules answer"
SERVICES = ("ticket_form_id", "type")
"""Fields that may say what a ticket is about, as the source's settings name them."""
OWNERSHIP = "group_ownership_time"
KIND_OF: Mapping[str, str] = {
    "first_reply_time": "first_response",
    "next_reply_time": "next_response",
    OWNERSHIP: FINISH,
}
DIFFERENT: Mapping[str, str] = {
    "total_resolution_time": "total_resolution_time also runs while a ticket is pending; here the clock stands then.",
    "agent_work_time": "agent_work_time stands while a ticket is on hold; here the clock runs then.",
    OWNERSHIP: "group_ownership_time also counts tickets that nobody handed over; finish is of hand-overs, of whatever priority.",
}
"""What is another here than there."""
RESOLUTIONS = ("requester_wait_time", "total_resolution_time", "agent_work_time")
"""The best first: resolution here is the time in which the requester waits."""
RESOLUTION = "resolution"
POSITIVE = ("is", "includes")
NEGATIVE = ("is_not", "not_includes")


class Condition(Struct, frozen=True):
    field: str
    operator: str
    value: Any = None

    @property
    def values(self) -> frozenset[str]:
        given = self.value if isinstance(self.value, list) else [self.value]
        return frozenset(str(value) for value in given)

    def __str__(self) -> str:
        return " ".join(filter(None, (self.field, self.operator, as_json(self.value))))


class Filter(Struct, frozen=True):
    all: list[Condition] | None = None
    any: list[Condition] | None = None


class Metric(Struct, frozen=True):
    """``target``: minutes."""

    priority: str
    metric: str
    business_hours: bool
    target: int | None = None
    target_in_seconds: int | None = None

    @property
    def seconds(self) -> int | None:
        """Older answers have minutes alone."""
        if self.target_in_seconds is not None:
            return self.target_in_seconds
        return None if self.target is None else self.target * 60

    @property
    def written(self) -> str:
        us = (self.seconds or 0) * US
        return str(Hours(us) if self.business_hours else RoundTheClock(us))


class Policy(Struct, frozen=True):
    id: int | str
    title: str
    filter: Filter = Filter()
    policy_metrics: list[Metric] | None = None
    position: int | None = None
    metric_settings: Any = None

    @property
    def called(self) -> str:
        return f'policy "{self.title}"'


class Page(Struct, frozen=True):
    sla_policies: list[Policy] = []
    group_sla_policies: list[Policy] = []
    count: int | None = None


class Scope(NamedTuple):
    """The tickets of a department for which a policy is; None: all."""

    services: frozenset[str] | None = None
    priorities: frozenset[str] | None = None


class Unfit(Exception):
    """No scope says what the filter says."""


class Elsewhere(Exception):
    """The policy is never for this department."""


def known(body: Any) -> bool:
    """Whether it is an answer that is read here."""
    keys = (POLICIES, GROUP_POLICIES, SCHEDULES, HOLIDAYS)
    return isinstance(body, dict) and any(isinstance(body.get(key), list) for key in keys)


def imported(found: Sequence[Answer], department: str, service: str, groups: Iterable[str], schedule: str) -> Imported:
    """``groups``: the ids of those that are the department. ``schedule``: id or name, where there are several.

    Raises :class:`streams.problems.BadConfiguration`.
    """
    mine = frozenset(groups)
    policies, of_groups = _policies(found, POLICIES), _policies(found, GROUP_POLICIES)
    if not policies and not of_groups and not any(of_kind(found, (SCHEDULES,))):
        refuse(found[0].file if found else "", "holds neither policies nor schedules", f"give {WANTED}")
    opening, notes = chosen(found, schedule)
    by_the_hours = any(m.business_hours for policy in (*policies, *of_groups) for m in policy.policy_metrics or ())
    if by_the_hours and opening is None:
        notes = (*notes, "Targets in business hours (bh, bm) count by the organisation's hours: no schedule was given.")
    claimed = _Claims(service, mine)
    for policy in (*policies, *of_groups):
        claimed.take(policy)
    return Imported(department, "Zendesk", opening, claimed.kinds(), tuple(claimed.lost), notes)


def _policies(found: Iterable[Answer], key: str) -> list[Policy]:
    """Of all pages, in the order in which Zendesk tries them."""
    policies: dict[str, Policy] = {}
    said, file = 0, ""
    for answer, _ in of_kind(found, (key,)):
        page = answer.read(Page, PATHS[key])
        said, file = max(said, page.count or 0), answer.place
        for policy in getattr(page, key):
            _check(answer.place, policy)
            if policies.setdefault(str(policy.id), policy) != policy:
                refuse(answer.place, f"{policy.called} is given twice, and differs", "give answers of one time")
    if len(policies) < said:
        refuse(
            file, f"says that there are {said} policies, and {len(policies)} were given", "give the other pages, too"
        )
    last = float("inf")
    return sorted(policies.values(), key=lambda policy: last if policy.position is None else policy.position)


def _check(place: str, policy: Policy) -> None:
    if not policy.policy_metrics:
        mend = f"take it out, or give what GET {PATHS[POLICIES]} answers, as it comes"
        refuse(place, f"{policy.called} has no metrics: it promises nothing", mend)
    seen = set()
    for metric in policy.policy_metrics:
        what = f"{metric.metric} of {policy.called} for priority {metric.priority}"
        if (metric.metric, metric.priority) in seen:
            refuse(place, f"{what} is given twice", "delete one")
        seen.add((metric.metric, metric.priority))
        if metric.seconds is not None and metric.seconds <= 0:
            refuse(place, f"{what} is {metric.seconds} s", "a target is above zero: mend it in Zendesk, or delete it")


class _Claims:
    """What the policies say of each kind, one after the other."""

    def __init__(self, service: str, groups: frozenset[str]) -> None:
        self._service, self._groups = service, groups
        self._claims: dict[str, list[Claim]] = {}
        self._lost: dict[str, list[Lost]] = {}
        self._notes: dict[str, list[str]] = {}
        self.lost: list[Lost] = []

    def take(self, policy: Policy) -> None:
        by_metric: dict[str, list[Metric]] = {}
        for metric in policy.policy_metrics or ():
            if metric.seconds is not None:
                by_metric.setdefault(metric.metric, []).append(metric)
        for_groups = OWNERSHIP in by_metric
        kinds = {FINISH} if for_groups else {*KIND_OF.values(), RESOLUTION} - {FINISH}
        try:
            scope, why = self._scope(policy), ""
        except Elsewhere as error:
            self.lost.append(Lost(f"{policy.called} is not for this department ({error})."))
            return
        except Unfit as error:
            scope, why = None, f"{policy.called} is for tickets with {error}."
        for name, targets in by_metric.items():
            kind = self._kind(name, by_metric)
            if kind:
                self._take(kind, policy, targets, scope, why)
                if scope is not None and name in DIFFERENT:
                    self._notes.setdefault(kind, []).append(f"{policy.called}: {DIFFERENT[name]}")
            else:
                self.lost.append(Lost(self._no_kind(policy, name, by_metric, targets)))
        if scope is not None:
            for kind in kinds:
                self._claims.setdefault(kind, []).append(Claim(*scope, None, policy.called))
        if policy.metric_settings:
            self.lost.append(Lost(f"{policy.called} has settings of metrics: {as_json(policy.metric_settings)}."))

    def kinds(self) -> dict[str, Kind]:
        found = {}
        for kind in (*KIND_OF.values(), RESOLUTION):
            rules, unsaid = compiled(self._claims.get(kind, ()))
            lost, notes = self._lost.get(kind, ()), self._notes.get(kind, ())
            if rules or lost:
                found[kind] = Kind(rules, unsaid, tuple(lost), tuple(dict.fromkeys(notes)))
        return found

    def _take(self, kind: str, policy: Policy, targets: Sequence[Metric], scope: Scope | None, why: str) -> None:
        if scope is None:
            rules = compiled(Claim(None, frozenset({m.priority}), m.written, policy.called) for m in targets).rules
            self._lost.setdefault(kind, []).append(Lost(f"{why} Here they are judged by the other rules.", rules))
            return
        for metric in targets:
            if scope.priorities is None or metric.priority in scope.priorities:
                claim = Claim(scope.services, frozenset({metric.priority}), metric.written, policy.called)
                self._claims.setdefault(kind, []).append(claim)

    def _kind(self, metric: str, among: Mapping[str, object]) -> str:
        if metric in RESOLUTIONS:
            best = next(name for name in RESOLUTIONS if name in among)
            return RESOLUTION if metric == best else ""
        return KIND_OF.get(metric, "")

    def _no_kind(self, policy: Policy, metric: str, among: Mapping[str, object], targets: Sequence[Metric]) -> str:
        said = ", ".join(f"{target.priority} {target.written}" for target in targets)
        if metric in RESOLUTIONS:
            best = next(name for name in RESOLUTIONS if name in among)
            return f"{metric} of {policy.called} ({said}): resolution has one clock, and {best} is taken for it."
        return f"{metric} of {policy.called} ({said}): there is no norm of this kind."

    def _scope(self, policy: Policy) -> Scope:
        """Raises :class:`Unfit`, :class:`Elsewhere`."""
        scope = Scope()
        unfit = []
        for condition in _conditions(policy.filter):
            try:
                scope = self._narrowed(scope, condition)
            except Unfit as error:
                unfit.append(str(error))
        if unfit:
            raise Unfit(" and ".join(unfit))
        return scope

    def _narrowed(self, scope: Scope, condition: Condition) -> Scope:
        if condition.field == "group_id" and condition.operator in POSITIVE + NEGATIVE and self._groups:
            inside = condition.operator in POSITIVE
            matching = self._groups & condition.values if inside else self._groups - condition.values
            if not matching:
                raise Elsewhere(condition)
            if matching == self._groups:
                return scope
        elif condition.field == "group_id" and not self._groups:
            raise Unfit(f"{condition} (name the department's groups with --group ID)")
        elif condition.operator in POSITIVE and condition.field == self._service:
            return scope._replace(services=_both(scope.services, condition.values))
        elif condition.operator in POSITIVE and condition.field == "priority":
            return scope._replace(priorities=_both(scope.priorities, condition.values))
        raise Unfit(condition)


def _both(known: frozenset[str] | None, values: frozenset[str]) -> frozenset[str]:
    return values if known is None else known & values


def _conditions(filter: Filter) -> Iterator[Condition]:
    """All of them must hold. Alternatives are one if they ask for values of one field."""
    yield from filter.all or ()
    either = filter.any or ()
    if either:
        fields, operators = {one.field for one in either}, {one.operator for one in either}
        if len(either) == 1 or (len(fields) == 1 and operators <= set(POSITIVE)):
            values = sorted(frozenset().union(*(one.values for one in either)))
            yield either[0] if len(either) == 1 else Condition(either[0].field, "includes", values)
        else:
            yield Condition("any of", "", [str(one) for one in either])
