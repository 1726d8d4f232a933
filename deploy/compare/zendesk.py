"""Zendesk's ticket metrics beside our facts of the same ticket.

Read are the answers of ``/api/v2/ticket_metrics``, ``/api/v2/tickets/{id}/metrics`` and of tickets with their ``metric_sets``, as
https://developer.zendesk.com/api-reference/ticketing/tickets/ticket_metrics/ describes them. By which schedule is told in
https://support.zendesk.com/hc/en-us/articles/5654110765338 : first reply and both resolutions by one for the whole ticket.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import replace

from deploy.compare.measured import EVERYBODY, OPEN, Measured, Way, always, answered
from deploy.compare.reasons import Reason, Row
from deploy.compare.search import By, Options, Parties, Said, Start, Stop, find, hours_of, pause_reason, pauses
from deploy.folder import Stopped
from ingest.times import time_reader
from streams import kinds
from streams.timeline import microseconds

MINUTE = 60_000_000
_time = time_reader(("iso",), UTC)


class Minutes(Struct, frozen=True):
    calendar: int | None = None
    business: int | None = None


class Metrics(Struct, frozen=True):
    """Of one ticket. ``for_another``: an agent opened it for somebody, where that is known."""

    ticket_id: int
    created_at: str | None = None
    updated_at: str | None = None
    status_updated_at: str | None = None
    reopens: int | None = None
    replies: int | None = None
    reply_time_in_minutes: Minutes | None = None
    first_resolution_time_in_minutes: Minutes | None = None
    full_resolution_time_in_minutes: Minutes | None = None
    agent_wait_time_in_minutes: Minutes | None = None
    requester_wait_time_in_minutes: Minutes | None = None
    on_hold_time_in_minutes: Minutes | None = None
    for_another: bool = False

    @property
    def until(self) -> int | None:
        """It knows what happened until then."""
        return _instant(self.updated_at)

    @property
    def created(self) -> int | None:
        return _instant(self.created_at)


class Ticket(Struct, frozen=True):
    id: int
    requester_id: int | None = None
    submitter_id: int | None = None


# -- files
def read(answers: Iterable[tuple[Path, Mapping[str, Any]]]) -> list[Metrics]:
    """The metrics of each ticket once, the newest. Raises :class:`Stopped`."""
    found: dict[int, Metrics] = {}
    for_another: set[int] = set()
    for path, answer in answers:
        try:
            for one in _metrics(answer):
                known = found.get(one.ticket_id)
                if known is None or (known.until or 0) <= (one.until or 0):
                    found[one.ticket_id] = one
            for ticket in _tickets(answer):
                if ticket.submitter_id is not None and ticket.submitter_id != ticket.requester_id:
                    for_another.add(ticket.id)
        except (msgspec.ValidationError, ValueError) as error:
            raise Stopped(f"{path}: is not what Zendesk answers for ticket metrics: {error}") from None
    if not found:
        raise Stopped(
            "the files hold no ticket metrics: save what GET /api/v2/ticket_metrics or /api/v2/tickets?include=metric_sets answers"
        )
    return [replace(one, for_another=one.ticket_id in for_another) for _, one in sorted(found.items())]


def _metrics(answer: Mapping[str, Any]) -> Iterator[Metrics]:
    raw = [*_listed(answer, "ticket_metrics"), *_listed(answer, "metric_sets")]
    raw += [answer["ticket_metric"]] if "ticket_metric" in answer else []
    raw += [one["metric_set"] for one in _raw_tickets(answer) if one.get("metric_set")]
    raw += [answer] if "ticket_id" in answer else []
    for one in raw:
        metrics = msgspec.convert(one, Metrics)
        for text in filter(None, (metrics.created_at, metrics.updated_at, metrics.status_updated_at)):
            _time(text)
        yield metrics


def _tickets(answer: Mapping[str, Any]) -> Iterator[Ticket]:
    yield from (msgspec.convert(one, Ticket) for one in _raw_tickets(answer))


def _raw_tickets(answer: Mapping[str, Any]) -> list[Any]:
    return [*_listed(answer, "tickets"), *([answer["ticket"]] if isinstance(answer.get("ticket"), dict) else [])]


def _listed(answer: Mapping[str, Any], key: str) -> list[Any]:
    value = answer.get(key)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _instant(text: str | None) -> int | None:
    return microseconds(_time(text)) if text else None


# -- in how many ways each of them may be counted
def _reply(case: Measured, metrics: Metrics) -> Options:
    """From the creation to the first public comment of an agent."""
    facts = case.of("first_response")
    fact = facts[-1] if facts else None
    start, stop = (case.asked, None) if fact is None else (fact.start, answered(fact))
    hours = hours_of(case, case.at_the_time if fact is None else case.of_the_first_owner(fact))
    starts = [Start(start), *_own_creation(case), *_from_creation(case, start)]
    stops = [Stop(stop), *(Stop(at, Reason.bot_answer) for at in case.replies(human=False)[:1])]
    if case.for_another or metrics.for_another:
        stops += [Stop(at, Reason.opening_comment) for at in (start, *case.replies(human=True)[:1])]
    if fact is not None and fact.flags == "silent_solve" and stop is not None:
        later = [at for at in case.replies(human=True) if at > stop]
        stops.append(Stop(later[0] if later else None, Reason.silent_solve))
    return Options(starts, stops, [Parties(EVERYBODY)], hours)


def _first_resolution(case: Measured, _: Metrics) -> Options:
    """From the creation to the first solution, whatever it waited for."""
    solved = case.solved[:1]
    starts = [Start(case.asked), *_own_creation(case)]
    return Options(starts, [Stop(solved[0] if solved else None)], pauses(EVERYBODY), hours_of(case, case.at_the_time))


def _full_resolution(case: Measured, metrics: Metrics) -> Options:
    """From the creation to the last solution: the time in between in which it was solved counts too."""
    solved = case.solved[-1:]
    starts = [Start(case.asked), *_own_creation(case), *(Start(at, Reason.new_cycle) for at in case.reopened[-1:])]
    stops = [Stop(solved[0] if solved and not case.is_open else None)]
    stops += [Stop(at, Reason.still_running) for at in solved if case.is_open]
    if metrics.until is not None:
        stops += [Stop(at, Reason.older) for at in case.solved if at <= metrics.until < case.solved[-1]]
    parties = [*pauses(EVERYBODY), Parties(OPEN, Reason.closed_time)]
    return Options(starts, stops, parties, hours_of(case, case.at_the_time))


def _waits(*parties: str, also: Iterable[tuple[str, ...]] = ()) -> Callable[[Measured, Metrics], Options]:
    """All the time it waited for these. ``also``: as others may have it, who see no pause or another in a status."""
    ours = frozenset(parties)
    others = [Parties(frozenset(one), pause_reason(ours, frozenset(one))) for one in also]

    def options(case: Measured, metrics: Metrics) -> Options:
        stops = [Stop(case.now)]
        if case.is_open and case.course:  # the total grows when the status changes
            stops.append(Stop(case.course[-1].since, Reason.still_running))
            if (at := _instant(metrics.status_updated_at)) is not None:
                stops.append(Stop(at, Reason.still_running))
        if metrics.until is not None and metrics.until < case.now:
            stops.append(Stop(metrics.until, Reason.older))
        starts = [Start(case.asked), *_own_creation(case)]
        return Options(starts, stops, [Parties(ours), *others], hours_of(case, case.at_the_time))

    return options


def _own_creation(case: Measured) -> list[Start]:
    return [Start(case.created, Reason.merged_request)] if case.created > case.asked else []


def _from_creation(case: Measured, start: int) -> list[Start]:
    return [Start(case.asked, Reason.from_creation)] if start > case.asked else []


SPANS: Mapping[str, Callable[[Measured, Metrics], Options]] = {
    "reply_time": _reply,
    "first_resolution_time": _first_resolution,
    "full_resolution_time": _full_resolution,
    "agent_wait_time": _waits("requester", also=[("requester", "third_party")]),
    "requester_wait_time": _waits(
        "provider",
        "other_department",
        "third_party",
        "unowned",
        also=[("provider", "unowned"), ("provider", "unowned", "other_department"), tuple(sorted(OPEN))],
    ),
    "on_hold_time": _waits("third_party", also=[("third_party", "other_department")]),
}
WAITS = ("agent_wait_time", "requester_wait_time", "on_hold_time")
WRITTEN = (kinds.replied, kinds.bot_replied)
"""That a status asks the requester is no reply."""


# -- side by side
def rows(case: Measured, metrics: Metrics) -> Iterator[Row]:
    for name, options in SPANS.items():
        minutes: Minutes | None = getattr(metrics, f"{name}_in_minutes")
        if minutes is not None:
            yield _span(case, metrics, name, minutes, options(case, metrics))
    for name, given in (("reopens", metrics.reopens), ("replies", metrics.replies)):
        if given is not None:
            yield _count(case, metrics, name, given)


def _span(case: Measured, metrics: Metrics, name: str, minutes: Minutes, options: Options) -> Row:
    calendar, business = _us(minutes.calendar), _us(minutes.business)
    if name in WAITS and (calendar, business) == (None, None):  # nothing has been added up yet
        calendar = business = 0
    said = Said(unit=MINUTE, calendar=calendar, business=UNSET if business is None is not calendar else business)
    way, known_until = options.ours, metrics.until
    if known_until is not None and way.stop is not None and known_until < way.stop and name not in WAITS:
        options.stops.append(Stop(None, Reason.older))
    found = find(case, options, said)
    ours = {"calendar_us": case.worked(way, always), "business_us": case.worked(way, options.hours[0].hours)}
    theirs = {"calendar_us": calendar, "business_us": business}
    if found is not None:
        return Row(str(metrics.ticket_id), name, ours, theirs, found.reasons, found.whose)
    reason = Reason.not_yet if _is_ahead(case, metrics, way, options.hours[0], said) else Reason.not_explained
    return Row(str(metrics.ticket_id), name, ours, theirs, (reason,))


def _is_ahead(case: Measured, metrics: Metrics, way: Way, by: By, said: Said) -> bool:
    """Whether the vendor has seen more than we, who have no end of it so far, and counts no less."""
    if metrics.until is None or metrics.until <= case.now or not (way.stop is None or case.is_open):
        return False
    until = way._replace(stop=case.now)
    pairs = ((case.worked(until, always), said.calendar), (case.worked(until, by.hours), said.business))
    return all(
        isinstance(theirs, int) and theirs + said.unit > (ours or 0) for ours, theirs in pairs if theirs is not UNSET
    )


def _count(case: Measured, metrics: Metrics, name: str, theirs: int) -> Row:
    times = case.reopened if name == "reopens" else case.replies(human=True, messages=WRITTEN)
    machine = [] if name == "reopens" else case.replies(human=False, messages=WRITTEN)
    known = metrics.until
    opened = int(name == "replies" and (case.for_another or metrics.for_another))
    ways: list[tuple[int, tuple[Reason, ...]]] = [
        (len(times), ()),
        (len(times) + len(machine), (Reason.bot_answer,)),
        (len(times) + opened, (Reason.opening_comment,)),
        (len(times) + opened + len(machine), (Reason.bot_answer, Reason.opening_comment)),
    ]
    if known is not None and known < case.now:
        ways.append((sum(at <= known for at in times), (Reason.older,)))
    reasons = next((reasons for count, reasons in ways if count == theirs), None)
    if reasons is None:
        ahead = known is not None and known > case.now and theirs > len(times)
        reasons = (Reason.not_yet if ahead else Reason.not_explained,)
    return Row(str(metrics.ticket_id), name, {"count": len(times)}, {"count": theirs}, reasons)


def _us(minutes: int | None) -> int | None:
    return None if minutes is None else minutes * MINUTE
