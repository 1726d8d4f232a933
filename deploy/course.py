"""The course of a case: who had it when, whom it waited for, who handed it to whom, and in whose name something was done.

Departments only: a pseudonym is looked up, and forgotten. All instants are UTC microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from ingest import event as e
from streams import kinds
from streams.configuration import Configuration
from streams.fact import UNMAPPED, UNOWNED
from streams.timeline import ACTORS, HUMAN, OWN, Case, Moment, actor_department, advance

CLOSED = "closed"
REQUESTER = ACTORS.index(e.Actor.requester)


class Stretch(Struct, frozen=True):
    """The case was ``department``'s (``_unowned``: nobody's) and waited for one party: ``waits_for`` is one of the six who-waits
    clocks. ``reason`` is what the source said of a pause. ``business_us`` is by the hours of the department.
    """

    since: int
    until: int
    department: str
    waits_for: str
    business_us: int
    reason: str = ""


class HandOver(Struct, frozen=True):
    """``moved``: the organisation moved a group with its cases, and nobody handed anything over."""

    at: int
    giver: str
    receiver: str
    moved: bool = False


class Untold(Struct, frozen=True):
    """What no event tells, and yet it happened: the organisation changed, or a pause ended for want of a reason."""

    at: int
    what: str
    department: str


def joined(stretches: Iterable[Stretch], moments: Iterable[Moment]) -> list[Stretch]:
    """In order, without what lasted no time; what differs in nothing is one. ``reason`` comes from the pauses among the moments."""
    reasons = {m.time: m.extra for m in moments if m.kind == kinds.paused and m.relation == OWN}
    course: list[Stretch] = []
    for one in sorted((s for s in stretches if s.until > s.since), key=lambda s: s.since):
        last = course[-1] if course else None
        same = last is not None and (last.department, last.waits_for) == (one.department, one.waits_for)
        if last is not None and same and last.until == one.since and one.since not in reasons:
            course[-1] = replace(last, until=one.until, business_us=last.business_us + one.business_us)
        else:
            course.append(replace(one, reason=reasons.get(one.since, "")))
    return course


def hand_overs(course: Sequence[Stretch], moments: Iterable[Moment]) -> list[HandOver]:
    """Whoever has it after another got it from that one, and nobody's lane is one of them."""
    routed = {m.time for m in moments if m.kind == kinds.routed and m.relation == OWN}
    held = [s for s in course if s.waits_for != CLOSED]
    return [
        HandOver(b.since, a.department, b.department, not any(a.until <= at <= b.since for at in routed))
        for a, b in pairwise(held)
        if a.department != b.department
    ]


def untold(instants: Iterable[int], course: Sequence[Stretch], hand_overs: Sequence[HandOver]) -> list[Untold]:
    """What happened at ``instants``, of which no event tells."""
    moved = {h.at for h in hand_overs if h.moved}
    lapsed = {a.until for a, b in pairwise(course) if a.until == b.since and a.department == b.department}
    return [
        Untold(
            at,
            "moved by a reorganisation" if at in moved else "the pause lapsed" if at in lapsed else "reorganised",
            next((s.department for s in course if s.since <= at < s.until), _owner(course, at)),
        )
        for at in sorted(instants)
    ]


def asks(moments: Iterable[Moment], config: Configuration, source: str) -> str:
    """The department that the case was created for."""
    case = Case()
    for m in moments:
        if m.kind == kinds.created and m.relation == OWN:
            advance(case, m, config, source)
            return case.beneficiary
    return UNMAPPED


def place(m: Moment, requester: str, course: Sequence[Stretch], config: Configuration, source: str) -> str:
    """In which department it happened: the requester's, that of who acted, else that which had the case until then."""
    if m.relation == OWN and (m.actor == REQUESTER or m.kind == kinds.created):
        return requester
    owner = _owner(course, m.time) or requester
    if m.relation != OWN or m.actor != HUMAN:
        return owner
    if m.kind == kinds.routed:  # its group is where the case goes
        giver = config.person(m.who, m.time) if m.who else ""
        return giver or (requester if owner == UNOWNED else owner)
    return actor_department(config, source, Case(owner=owner), m)


def _owner(course: Sequence[Stretch], at: int) -> str:
    """Who had it just before; empty before the first."""
    before = [s.department for s in course if s.since < at]
    return before[-1] if before else ""
