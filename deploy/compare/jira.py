"""The SLAs of Jira Service Management beside our facts of the same issue, cycle by cycle.

Read are the answers of ``/rest/servicedeskapi/request/{issue}/sla``, and the same where it stands in the fields of an issue
(``/rest/api/3/issue/{issue}``, a search), as https://developer.atlassian.com/cloud/jira/service-desk/rest/ describes them. What is
``friendly`` there is not read: it is rounded, and wrong in the documentation's own example.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from deploy.compare.measured import EVERYBODY, OPEN, Measured, Way, answered
from deploy.compare.reasons import Reason, Row
from deploy.compare.search import Options, Parties, Said, Start, Stop, find, hours_of, pauses
from deploy.folder import Stopped
from streams.fact import Fact, Outcome
from streams.target import MINUTE

SECOND = MINUTE // 60
"""An SLA is known to the millisecond, but its instants are some milliseconds off those of the change they come from."""
MEASURES = {"time to first response": "first_response", "time to resolution": "resolution"}
"""Of the SLAs that it brings, which measure says the same, by the name in small letters."""
KNOWN = tuple(dict.fromkeys(MEASURES.values()))
WAITING = OPEN - {"requester"}
_request = re.compile(r"/request/([^/?]+)/sla")


class Millis(Struct, frozen=True):
    millis: int


class At(Struct, frozen=True, rename="camel"):
    epoch_millis: int


class Cycle(Struct, frozen=True, rename="camel"):
    """``stop_time``: of one that is over."""

    start_time: At
    elapsed_time: Millis
    stop_time: At | None = None
    goal_duration: Millis | None = None
    breached: bool = False
    paused: bool = False

    @property
    def start(self) -> int:
        return self.start_time.epoch_millis * 1000

    @property
    def stop(self) -> int | None:
        return None if self.stop_time is None else self.stop_time.epoch_millis * 1000

    @property
    def elapsed(self) -> int:
        return self.elapsed_time.millis * 1000


class Sla(Struct, frozen=True, rename="camel"):
    name: str
    completed_cycles: tuple[Cycle, ...] = ()
    ongoing_cycle: Cycle | None = None

    @property
    def cycles(self) -> list[Cycle]:
        """In the order in which they began."""
        ongoing = () if self.ongoing_cycle is None else (self.ongoing_cycle,)
        return sorted((*self.completed_cycles, *ongoing), key=lambda cycle: cycle.start)


class Page(Struct, frozen=True):
    """As it came: the SLAs are told from whatever else the answer holds."""

    values: tuple[dict[str, Any], ...] = ()


class Issue(Struct, frozen=True):
    """``id`` is a key (``HD-12``) where no answer tells the id of that issue. ``for_another``: somebody opened it for the reporter,
    where that is known.
    """

    id: str
    key: str
    slas: tuple[Sla, ...]
    for_another: bool = False


class Told(NamedTuple):
    """What one answer tells of an issue."""

    id: str
    key: str
    slas: list[Sla]
    for_another: bool = False


# -- files
def read(answers: Iterable[tuple[Path, Mapping[str, Any]]]) -> list[Issue]:
    """The SLAs of each issue by their names, of the last answer. Raises :class:`Stopped`."""
    ids: dict[str, str] = {}
    slas: dict[str, dict[str, Sla]] = {}
    for_another: set[str] = set()
    for path, answer in answers:
        try:
            for told in _issues(answer):
                name = told.key or told.id
                if told.id and told.key:
                    ids[told.key] = told.id
                if told.for_another:
                    for_another.add(told.id)
                slas.setdefault(name, {}).update({one.name: one for one in told.slas})
        except (msgspec.ValidationError, ValueError) as error:
            raise Stopped(f"{path}: is not what Jira Service Management answers for SLAs: {error}") from None
    merged: dict[str, dict[str, Sla]] = {}
    for name, some in slas.items():
        merged.setdefault(ids.get(name, name), {}).update(some)
    if not any(merged.values()):
        raise Stopped(
            "the files hold no SLAs: save what GET /rest/servicedeskapi/request/ISSUE/sla answers, or issues with them"
        )
    keys = {issue: key for key, issue in ids.items()}
    return [
        Issue(issue, keys.get(issue, ""), tuple(some.values()), issue in for_another)
        for issue, some in merged.items()
        if some
    ]


def _issues(answer: Mapping[str, Any]) -> Iterator[Told]:
    if isinstance(answer.get("issues"), list):
        for one in msgspec.convert(answer["issues"], list[dict[str, Any]]):
            yield from _issues(one)
    elif isinstance(answer.get("fields"), dict):
        fields = answer["fields"]
        found = msgspec.convert([one for one in fields.values() if _is_sla(one)], list[Sla])
        creator, reporter = _person(fields.get("creator")), _person(fields.get("reporter"))
        other = bool(creator and reporter) and creator != reporter
        yield Told(str(answer.get("id") or ""), str(answer.get("key") or ""), found, other)
    elif "issueId" in answer:
        some = msgspec.convert(answer.get("sla"), Page | None) or Page()
        found = msgspec.convert(some.values, list[Sla])
        yield Told(str(answer["issueId"]), str(answer.get("issueKey") or ""), found)
    elif isinstance(answer.get("values"), list):
        for one in msgspec.convert(answer, Page).values:
            yield _named(one, answer)
    elif _is_sla(answer):
        yield _named(answer, answer)


def _named(sla: Mapping[str, Any], page: Mapping[str, Any]) -> Told:
    """By the address that it has, which says for which issue it was asked. Raises ValueError where it says none."""
    links = [one.get("_links") for one in (sla, page)]
    addresses = [at for one in links if isinstance(one, dict) for at in one.values() if isinstance(at, str)]
    named = next((found[1] for at in addresses if (found := _request.search(at))), None)
    if named is None:
        raise ValueError("no link in it names the issue: keep '_links' as they came")
    some = [msgspec.convert(sla, Sla)]
    return Told(named, "", some) if named.isdecimal() else Told("", named, some)


def _person(value: Any) -> str:
    """By which it is told from others; Data Center has no account ids."""
    found = (value.get(name) for name in ("accountId", "key", "name")) if isinstance(value, dict) else ()
    return next((str(one) for one in found if one), "")


def _is_sla(value: Any) -> bool:
    return isinstance(value, dict) and ("completedCycles" in value or "ongoingCycle" in value)


# -- side by side
def measure_of(sla: str, means: Mapping[str, str]) -> str:
    """Empty where none says the same. ``means``: by the names in small letters."""
    return {**MEASURES, **means}.get(sla.strip().casefold(), "")


def rows(case: Measured, issue: Issue, means: Mapping[str, str]) -> Iterator[Row]:
    """Two of each cycle: how long it took, and whether that was too long, where we have judged the same."""
    name = issue.key or issue.id
    for sla in issue.slas:
        measure = measure_of(sla.name, means)
        if not measure:
            continue
        facts = case.of(measure)
        for number, cycle in enumerate(sla.cycles, 1):
            fact = _beside(facts, cycle)
            metric = sla.name if len(sla.cycles) == 1 else f"{sla.name} {number}"
            row = _elapsed(case, _options(case, fact, measure, issue.for_another), cycle, Row(name, metric, {}, {}))
            yield row
            if cycle.goal_duration is not None and fact is not None and Reason.new_cycle not in row.reasons:
                yield _breached(fact, cycle, row)
        if not sla.cycles and any(answered(fact) is not None for fact in facts):
            elapsed = {"elapsed_us": facts[-1].business_us}
            yield Row(name, sla.name, elapsed, {"elapsed_us": None}, (Reason.not_explained,), "it has no cycle there")


def _beside(facts: list[Fact], cycle: Cycle) -> Fact | None:
    """The one that began with the cycle, else the last before it, else the first."""
    same = [fact for fact in facts if abs(fact.start - cycle.start) < SECOND]
    before = [fact for fact in facts if fact.start <= cycle.start]
    return next(iter((*same, *reversed(before), *facts)), None)


def _options(case: Measured, fact: Fact | None, measure: str, for_another: bool) -> Options:
    """In how many ways a cycle may have been counted."""
    start, stop = (case.asked, None) if fact is None else (fact.start, answered(fact))
    starts = [Start(start), *(Start(at, Reason.new_cycle) for at in case.reopened)]
    if case.created > case.asked:
        starts.append(Start(case.created, Reason.merged_request))
    stops = [Stop(stop)]
    if measure == "resolution":
        stops += [Stop(at, Reason.one_cycle) for at in case.solved if at > start]
        parties = [*pauses(WAITING, OPEN), *(Parties(EVERYBODY, Reason.one_cycle) for _ in case.solved[1:2])]
        return Options(starts, stops, parties, hours_of(case, case.at_the_time))
    if start > case.asked:
        starts.append(Start(case.asked, Reason.from_creation))
    human = case.replies(human=True)
    stops += [Stop(at, Reason.bot_answer) for at in case.replies(human=False)]
    stops += [Stop(at, Reason.opening_comment) for at in (start, *human[:1]) if for_another or case.for_another]
    stops += [Stop(at, Reason.new_cycle) for again in case.reopened for at in [t for t in human if t > again][:1]]
    if fact is not None and fact.flags == "silent_solve" and stop is not None:
        stops += [Stop(at, Reason.silent_solve) for at in human if at > stop]
    hours = case.at_the_time if fact is None else case.of_the_first_owner(fact)
    return Options(starts, stops, pauses(EVERYBODY), hours_of(case, hours))


def _elapsed(case: Measured, options: Options, cycle: Cycle, row: Row) -> Row:
    by, way = options.hours[0].hours, options.ours
    until = way._replace(stop=case.now if way.stop is None else way.stop)
    reasons: tuple[Reason, ...]
    note = ""
    if cycle.stop is None:
        reasons = _of_ongoing(case, options, cycle)
    else:
        said = Said(unit=SECOND, business=cycle.elapsed, start=cycle.start, stop=cycle.stop)
        found = find(case, options, said)
        ahead = cycle.stop > case.now
        reasons = found.reasons if found else (Reason.not_yet if ahead else Reason.not_explained,)
        note = found.whose if found else ""
    ours, theirs = {"elapsed_us": case.worked(until, by)}, {"elapsed_us": cycle.elapsed}
    return Row(row.case, row.metric, ours, theirs, reasons, note)


def _of_ongoing(case: Measured, options: Options, cycle: Cycle) -> tuple[Reason, ...]:
    """What runs is of the moment at which the vendor was asked, which it does not say: that it began where ours did is all that can
    be compared, and that it has not counted more where ours is over.
    """
    start = next((one for one in options.starts if abs(one.at - cycle.start) < SECOND), None)
    if start is None:
        return (Reason.not_yet if cycle.start > case.now else Reason.not_explained,)
    began = () if start.reason is None else (start.reason,)
    stop = next((one.at for one in options.stops if one.reason == start.reason and one.at is not None), None)
    if stop is None:
        return (*began, Reason.still_running)
    most = max(
        case.worked(Way(start.at, stop, one.parties), by.hours) or 0 for one in options.parties for by in options.hours
    )
    return (*began, Reason.older) if cycle.elapsed < most + SECOND else (Reason.not_explained,)


def _breached(fact: Fact, cycle: Cycle, elapsed: Row) -> Row:
    """Whether it is late follows from how long it took, and from the goal: if not from the one, then from the other."""
    ours = (
        None if fact.outcome in (Outcome.done, Outcome.cancelled) or not fact.norm else fact.outcome is Outcome.missed
    )
    goal = cycle.goal_duration.millis * 1000 if cycle.goal_duration is not None else 0
    ended = fact.outcome is not Outcome.cancelled
    took, they_took = int(elapsed.ours["elapsed_us"] or 0), int(elapsed.theirs["elapsed_us"] or 0)
    reasons: tuple[Reason, ...] = ()
    if ours != cycle.breached:
        if ended and (took > goal) == cycle.breached:
            reasons = (Reason.other_target,)
        elif (they_took > goal) == cycle.breached:
            reasons = elapsed.reasons
        else:
            reasons = (Reason.not_explained,)
    values = {"breached": ours}, {"breached": cycle.breached}
    return Row(elapsed.case, f"{elapsed.metric}, breached", *values, reasons)
