"""A case's events, in order, and the situation they lead to. The one place that knows what states mean.

Instants are UTC microseconds. A :class:`Moment` is an event as the core keeps it: a short array, without what only the log needs.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Protocol

from msgspec import UNSET, Struct

from ingest import event as e
from streams import kinds
from streams.fact import UNMAPPED, UNOWNED

ACTORS: Final = tuple(e.Actor)
HUMAN: Final = ACTORS.index(e.Actor.provider_human)
OWN, MERGED, CHILD = 0, 1, 2
WORK: Final = frozenset(
    (
        *(kinds.routed, kinds.claimed, kinds.replied, kinds.noted, kinds.asked_requester),
        *(kinds.paused, kinds.promised, kinds.delivered),
    )
)
"""What a human does to a case, short of ending it."""

Order = tuple[int, int, bytes]
FIRST: Final[Order] = (-(1 << 62), -1, b"")


class Moment(Struct, array_like=True, gc=False, frozen=True):
    """``actor`` indexes :data:`ACTORS`; ``text``, ``extra`` and ``at`` mean what :func:`moment` says for the kind.

    ``relation`` is ``OWN``, or ``MERGED`` or ``CHILD`` for an event of the case ``origin`` that speaks here too.
    """

    time: int
    seq: int
    id: bytes
    kind: int
    actor: int
    who: str = ""
    group: str = ""
    text: str = ""
    extra: str = ""
    at: int = 0
    relation: int = OWN
    origin: str = ""

    @property
    def order(self) -> Order:
        return (self.time, self.seq, self.id)


def microseconds(instant: datetime) -> int:
    """A zoned ``datetime`` as UTC microseconds since 1970, exactly (doubles hold those until the year 2255)."""
    return round(instant.timestamp() * 1_000_000)


# (who, group, text, extra, at) of each payload; who is empty where it is whoever acted
Details = tuple[str, str, str, str, int]
_PLAIN: Final[Details] = ("", "", "", "", 0)


def _plain(_: Any) -> Details:
    return _PLAIN


def _in_the_name_of(data: e.ActedData | e.ThankedData) -> Details:
    return ("", data.group, "", "", 0)


_DETAILS: Final[dict[type, tuple[int, Callable[[Any], Details]]]] = {
    e.Created: (kinds.created, lambda d: (d.requester, d.requester_group, d.service, d.priority, 0)),
    e.Classified: (kinds.classified, lambda d: ("", "", d.service, d.priority, 0)),
    e.Routed: (kinds.routed, lambda d: ("", d.group, d.reason, "", 0)),
    e.Claimed: (kinds.claimed, _in_the_name_of),
    e.Replied: (kinds.replied, _in_the_name_of),
    e.Noted: (kinds.noted, _in_the_name_of),
    e.BotReplied: (kinds.bot_replied, _in_the_name_of),
    e.AskedRequester: (kinds.asked_requester, _in_the_name_of),
    e.RequesterReplied: (kinds.requester_replied, _plain),
    e.Paused: (kinds.paused, lambda d: ("", "", d.owner.value, d.reason, 0)),
    e.Resumed: (kinds.resumed, _plain),
    e.Promised: (kinds.promised, lambda d: ("", "", d.promise, "", microseconds(d.due))),
    e.PromiseAccepted: (kinds.promise_accepted, lambda d: ("", "", d.promise, "", 0)),
    e.Delivered: (kinds.delivered, lambda d: ("", "", d.promise, "", 0)),
    e.NeedBy: (kinds.need_by, lambda d: ("", "", "", "", microseconds(d.due))),
    e.Solved: (kinds.solved, _in_the_name_of),
    e.Reopened: (kinds.reopened, _plain),
    e.Closed: (kinds.closed, _plain),
    e.Merged: (kinds.merged, lambda d: ("", "", d.into, "", 0)),
    e.Unmerged: (kinds.unmerged, _plain),
    e.ChildLinked: (kinds.child_linked, lambda d: ("", "", d.parent, "", 0)),
    e.Deleted: (kinds.deleted, _plain),
    e.Restored: (kinds.restored, _plain),
    e.Corrected: (kinds.corrected, lambda d: ("", "", d.supersedes, "", 0 if d.at is UNSET else microseconds(d.at))),
    e.Excluded: (kinds.excluded, lambda d: ("", "", d.reason, "" if d.reverted else "excluded", 0)),
    e.Thanked: (kinds.thanked, lambda d: ("", d.group, "speed" if d.for_speed else "", "", 0)),
    e.YouSaid: (kinds.you_said, lambda d: ("", d.department, d.topic.value, "", 0)),
    e.WeDid: (kinds.we_did, _plain),
}
_ACTOR_INDEX: Final = {actor: i for i, actor in enumerate(ACTORS)}


def moment(event: e.CaseEvent | e.Suggestion) -> Moment:
    """An event as the core keeps it: of a case, or of a suggestion, which is folded like one."""
    kind, details = _DETAILS[type(event)]
    who, group, text, extra, at = details(event.data)
    return Moment(
        round(event.time.timestamp() * 1_000_000),
        event.sequence,
        bytes.fromhex(event.id.replace("-", "")),
        kind,
        _ACTOR_INDEX[event.actor],
        who or event.who,
        group,
        text,
        extra,
        at,
    )


class Organisation(Protocol):
    """What the timeline asks of the configuration (``streams.configuration``): who is what, as of an instant."""

    def department(self, source: str, group: str, at: int) -> str: ...
    def unit(self, source: str, group: str, at: int) -> str: ...
    def person(self, who: str, at: int) -> str: ...
    def next_change(self, source: str, group: str, after: int) -> int | None: ...
    def lapse(self, department: str, since: int) -> int: ...
    def courteous(self, department: str, since: int, until: int) -> bool: ...


class Case(Struct, array_like=True, gc=False):
    """Where a case stands after a moment. Departments are leaves of the tree, as of the moment that set them.

    ``asked`` is when the request was first made (None: not yet), ``owner`` who holds it, ``split_at`` when the
    organisation will next move its owner, ``pause`` whom a pause waits for, ``lapses_at`` when it ends for want of a
    reason, ``children`` the open child cases, ``ended`` when the last episode ended, ``answered_early`` a reply on a
    merged case before this one was created. ``untouched``: reopened then, and nobody has worked on it since; ``courtesy``:
    it ended like that, soon: who reopened it only wanted to say thank you (METRICS 2.6).
    """

    asked: int | None = None
    opener: bytes = b""
    beneficiary: str = UNMAPPED
    on_behalf: bool = False
    service: str = ""
    priority: str = ""
    group: str = ""
    owner: str = UNOWNED
    split_at: int | None = None
    open: bool = False
    pause: str = ""
    pause_reason: str = ""
    lapses_at: int | None = None
    children: list[str] = []
    ended: int | None = None
    answered_early: int | None = None
    untouched: int | None = None
    courtesy: bool = False

    @property
    def happens_next(self) -> tuple[int, int] | None:
        """When, and of what kind, the next moment is that no event tells."""
        if self.lapses_at is not None and (self.split_at is None or self.lapses_at < self.split_at):
            return self.lapses_at, kinds.lapsed
        return None if self.split_at is None else (self.split_at, kinds.reorganised)

    @property
    def waits_for(self) -> str:
        """Exactly one of the six who-waits clocks (METRICS 2.5)."""
        if not self.open:
            return "closed"
        if self.pause:
            return self.pause
        if self.owner == UNOWNED:
            return "unowned"
        return "other_department" if self.children else "provider"


def actor_department(org: Organisation, source: str, case: Case, m: Moment) -> str:
    """In whose name somebody acted: the group that the source names, else the person's department, else the owner."""
    if m.group:
        return org.department(source, m.group, m.time)
    return (org.person(m.who, m.time) if m.who else "") or case.owner


def advance(case: Case, m: Moment, org: Organisation, source: str) -> None:
    """Move ``case`` on by one moment, in place. Moments come in order."""
    if m.relation:
        _advance_foreign(case, m)
        return
    kind = m.kind
    if case.untouched is not None and m.actor == HUMAN and kind in WORK:
        case.untouched = None
    if kind == kinds.routed or kind == kinds.reorganised:
        if kind == kinds.routed:
            case.group = m.group
        case.owner = org.department(source, case.group, m.time)
        case.split_at = org.next_change(source, case.group, m.time) if case.group else None
    elif kind == kinds.created:
        if case.opener:
            return
        case.asked = m.time if case.asked is None else min(case.asked, m.time)
        case.opener, case.open = m.id, True
        case.on_behalf = m.actor == HUMAN
        case.service, case.priority = m.text or case.service, m.extra or case.priority
        case.beneficiary = (org.person(m.who, m.time) if m.who else "") or org.unit(source, m.group, m.time) or UNMAPPED
    elif kind == kinds.classified:
        case.service, case.priority = m.text or case.service, m.extra or case.priority
    elif kind == kinds.paused:
        if case.open:
            unexplained = case.lapses_at if case.pause == m.text else None
            case.pause, case.pause_reason = m.text, m.extra
            case.lapses_at = None if m.extra else unexplained or org.lapse(case.owner, m.time)
    elif kind == kinds.resumed or kind == kinds.lapsed:
        _resume(case)
    elif kind == kinds.solved or kind == kinds.closed or kind == kinds.deleted:
        if case.open:
            case.open, case.ended = False, m.time
            since = case.untouched
            case.courtesy = since is not None and kind != kinds.deleted and org.courteous(case.owner, since, m.time)
            case.untouched = None
        _resume(case)
    elif kind == kinds.reopened and case.opener:
        case.untouched = None if case.open else m.time
        case.open, case.ended = True, None


def _resume(case: Case) -> None:
    case.pause = case.pause_reason = ""
    case.lapses_at = None


def _advance_foreign(case: Case, m: Moment) -> None:
    """A merged case lends its earliest request and its replies; a child, that it is open."""
    if m.relation == CHILD:
        if m.kind in (kinds.created, kinds.reopened) and m.origin not in case.children:
            case.children = [*case.children, m.origin]
        elif m.kind in (kinds.solved, kinds.closed, kinds.deleted) and m.origin in case.children:
            case.children = [c for c in case.children if c != m.origin]
    elif not case.opener:
        if m.kind == kinds.created:
            case.asked = m.time if case.asked is None else min(case.asked, m.time)
        elif m.kind in (kinds.replied, kinds.asked_requester) and m.actor == HUMAN and case.answered_early is None:
            case.answered_early = m.time
