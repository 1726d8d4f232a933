"""Why a number is what it is: every interval that makes it, with the hours and the norm behind it. The intervals add up.

The case is folded once more from its stored records, while somebody takes notes. ``explain_text`` and ``explain_page`` show it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from deploy import course, explain_page, explain_text
from deploy.course import HandOver, Stretch, Untold
from deploy.log import Log
from ingest import event as e
from streams import kinds
from streams.breach import BREACH
from streams.cases import META, Meta
from streams.clock import ALL, Clock, Context, Levels
from streams.configuration import Configuration
from streams.fact import Fact, Outcome
from streams.fold import fold, fold_whole, new_head, resolve
from streams.measures.after_hours import AFTER_HOURS, MILLION
from streams.measures.resolution import MARGIN
from streams.measures.waiting import FACTS, Share
from streams.picture import facts as drawn
from streams.row import Taken, foreign_moments, payload_hash
from streams.timeline import ACTORS, OWN, Moment, moment
from streams.touch import SKEW_US


class Happened(Struct, frozen=True):
    """A moment of the case. ``note`` says what the source named: a group, a party, a reason. ``department``: where it happened.
    ``origin``: the other case whose event it is, if any.
    """

    at: int
    kind: str
    actor: str
    note: str
    event: str
    department: str = ""
    origin: str = ""


class Interval(Struct, frozen=True):
    """``business_us`` of ``since``..``until`` count: those in ``open``, by the hours of ``department``.

    ``begins`` and ``ends`` are the events at those instants, if any.
    """

    since: int
    until: int
    department: str
    business_us: int
    open: list[tuple[int, int]]
    begins: list[str]
    ends: list[str]


class Explained(Struct, frozen=True):
    """One fact, and what it is made of: the sum of ``intervals`` is its business time (while it runs: until ``now``; of what held
    until it was due: until then). A :attr:`share` and :attr:`acts` are no time, and have none.
    """

    fact: Fact
    target: str
    business_us: int
    intervals: list[Interval]

    @property
    def share(self) -> float | None:
        """Of ``margin``: how much of the target was left."""
        return self.fact.business_us / 1_000_000 if self.fact.measure == MARGIN else None

    @property
    def acts(self) -> int | None:
        """Of ``after_hours``: how many."""
        return self.fact.business_us // MILLION if self.fact.measure == AFTER_HOURS else None

    @property
    def so_far(self) -> str:
        """Of a sum that is no fact yet."""
        return "so far" if self.fact.runs else "until it was due"


class Explanation(Struct, frozen=True):
    """``asks`` is the requester's department; ``course`` and ``hand_overs`` name those that had the case; ``untold`` is what begins
    or ends intervals and is no event; ``hours`` are the open intervals of all departments that had to do with the case, from the
    first of :attr:`instants` to the last.
    """

    case: str
    now: int
    zone: str
    version: int
    names: dict[str, str]
    happened: list[Happened]
    facts: list[Explained]
    asks: str = ""
    course: list[Stretch] = []
    hand_overs: list[HandOver] = []
    untold: list[Untold] = []
    hours: dict[str, list[tuple[int, int]]] = {}

    @property
    def instants(self) -> list[int]:
        """All at which something begins, happens, ends or is due, in order."""
        found = {h.at for h in self.happened}
        found.update(at for s in self.course for at in (s.since, s.until))
        for item in self.facts:
            fact = item.fact
            found.update(at for at in (fact.start, fact.stop, fact.due) if at is not None)
            found.update(at for i in item.intervals for at in (i.since, i.until))
        return sorted(found)


class NotThere(ValueError):
    """What somebody asked for does not exist."""


class _Recording(Context):
    """Notes which clock ran when, and which fact a clock became.

    ``whose`` runs those are, by its ``id``: kept, or another clock would be given the number of one that is gone.
    """

    def __init__(self, config: Configuration, case_id: str, now: int, version: int) -> None:
        super().__init__(config, case_id, now, version)
        self.runs: dict[int, list[tuple[int, int, str]]] = {}
        self.clocks: dict[tuple[str, bytes, int, str], Clock] = {}
        self.whose: dict[int, object] = {}

    def ran(self, what: object, since: int, until: int, calendar: str) -> None:
        self.runs.setdefault(id(what), []).append((since, until, calendar))
        self.whose[id(what)] = what

    def copy(self, clock: Clock) -> Clock:
        other = super().copy(clock)
        self.runs[id(other)] = list(self.runs.get(id(clock), ()))
        self.whose[id(other)] = other
        return other

    def draw(self, measure: str, clock: Clock, levels: Levels = ALL) -> None:
        super().draw(measure, clock, levels)
        departments = self.config.path(clock.department, clock.start)
        for at in levels or self.levels:
            self.clocks[measure, clock.opener, at, departments[at]] = clock

    def stretches(self) -> list[Stretch]:
        """Whom the case waited for, and whose it was meanwhile."""
        noted = [
            (run, share.waits_for)
            for key, share in self.whose.items()
            if isinstance(share, Share)
            for run in self.runs[key]
        ]
        noted += [
            ((fact.since, self.now, fact.calendar), waits_for)
            for fact in drawn(self.pictures)
            for waits_for, measure in FACTS.items()
            if fact.measure == measure and fact.level == self.config.levels - 1 and fact.calendar
        ]
        return [
            Stretch(since, until, department, waits_for, self.config.calendar(department).worked(since, until))
            for (since, until, department), waits_for in noted
        ]

    def of(self, fact: Fact) -> list[tuple[int, int, str]]:
        """When the clock behind the fact ran."""
        clock = self.clocks.get((fact.measure, fact.opener, fact.level, fact.department))
        if clock is not None:
            return self.runs.get(id(clock), [])
        waits_for = fact.measure.removeprefix("waiting_")
        mine = (
            key
            for key, share in self.whose.items()
            if isinstance(share, Share)
            and share.waits_for == waits_for
            and self.config.path(share.department, share.start)[fact.level] == fact.department
        )
        return sorted(run for key in mine for run in self.runs[key])


def explain(
    case_id: str, records: Sequence[bytes], config: Configuration, now: int, measure: str = "", level: int | None = None
) -> Explanation:
    """What ``records`` (all stored ones of the case) say at watermark ``now``, at one level (the deepest) of the tree.

    ``measure`` keeps the facts of one measure only.
    """
    moments = moments_of(records, now)
    ctx = _Recording(config, case_id, now, 0)
    _, standing = fold_whole(moments, ctx)
    counted, _ = resolve(moments)  # corrected ones are at the instants that count
    lived = ctx
    if standing.reason:  # it counts nowhere, and yet somebody had it until then
        lived = _Recording(config, case_id, standing.since, 0)
        fold(new_head(), [m for m in counted if m.time <= standing.since], lived)
    at = config.levels - 1 if level is None else level
    facts = [
        f.known_by(now)
        for f in drawn(ctx.pictures)
        if f.level == at and f.outcome is not Outcome.retracted and (not measure or f.measure == measure)
    ]
    events: dict[int, list[str]] = {}
    for m in counted:
        events.setdefault(m.time, []).append(m.id.hex())
    explained = [
        _explained(f, ctx, now, events) for f in sorted(facts, key=lambda f: (f.measure, f.start, f.department))
    ]
    requester = course.asks(moments, config, ctx.source)
    stretches = course.joined(lived.stretches(), counted)
    happened = [_happened(m, course.place(m, requester, stretches, config, ctx.source)) for m in moments]
    own = {d for f in facts for d in (f.department, f.counterpart)} | {
        i.department for item in explained for i in item.intervals
    }
    lanes = {requester, *(h.department for h in happened), *(s.department for s in stretches)}
    handed = course.hand_overs(stretches, counted)
    bounds = {at for item in explained for i in item.intervals for at in (i.since, i.until) if at != _due(item.fact)}
    bounds |= {at for s in stretches for at in (s.since, s.until)}
    explanation = Explanation(
        case=case_id,
        now=now,
        zone=config.files.company.zone,
        version=config.version,
        names={d: config.name(d) for d in sorted((own | lanes) - {""})},
        happened=happened,
        facts=explained,
        asks=requester,
        course=stretches,
        hand_overs=handed,
        untold=course.untold(bounds - events.keys() - {now}, stretches, handed),
    )
    instants = explanation.instants or [now]
    hours = {d: list(config.calendar(d).intervals(instants[0], instants[-1])) for d in sorted(lanes)}
    return msgspec.structs.replace(explanation, hours=hours)


def moments_of(records: Sequence[bytes], now: int) -> list[Moment]:
    """The set of moments that the records name, in order: duplicates once, conflicts decided, what is too far ahead left out."""
    own: dict[bytes, Moment] = {}
    taken: dict[str, Taken] = {}
    for raw in records:
        record = e.decode(raw)
        if isinstance(record, e.Absorbed):
            known = taken.get(record.data.origin)
            if known is None or known.version < record.data.version:
                taken[record.data.origin] = Taken(record.data.version, record.data.entries)
        elif isinstance(record, e.CaseEvent | e.Suggestion):
            m = moment(record)
            own[m.id] = min((x for x in (m, own.get(m.id)) if x is not None), key=payload_hash)
    told = sorted((m for t in taken.values() for m in foreign_moments(t)), key=lambda m: -m.relation)
    known_moments = {**{m.id: m for m in told}, **own}
    return sorted((m for m in known_moments.values() if m.time <= now + SKEW_US), key=lambda m: m.order)


def _happened(m: Moment, department: str) -> Happened:
    told = f"of case {m.origin}" if m.relation != OWN else ""
    note = " · ".join(x for x in (m.group, m.text, m.extra, told) if x)
    return Happened(m.time, kinds.NAMES[m.kind], str(ACTORS[m.actor]), note, m.id.hex(), department, m.origin)


def _due(fact: Fact) -> int | None:
    """An instant at which nothing happens. A breach counts until then, whenever the case is solved."""
    return fact.stop if fact.measure == BREACH else fact.due


def _explained(fact: Fact, ctx: _Recording, now: int, events: Mapping[int, list[str]]) -> Explained:
    if fact.measure in (MARGIN, AFTER_HOURS):
        return Explained(fact, "", fact.business_us, [])
    runs = list(ctx.of(fact))
    end = now if fact.runs or fact.due is None else min(now, fact.due)  # what held until it was due goes no further
    if fact.stop is None and fact.calendar and end > fact.since:
        runs.append((fact.since, end, fact.calendar))
    intervals = [i for run in runs if (i := _interval(run, ctx.config, events)).until > i.since]
    total = sum(i.business_us for i in intervals)
    if fact.stop is not None and total != fact.business_us:
        raise AssertionError(f"{fact.fact_id}: the intervals add up to {total}, not {fact.business_us}")
    norm = ctx.config.norms.named(fact.norm) if fact.norm else None
    return Explained(fact, norm.written if norm else "", total, intervals)


def _interval(run: tuple[int, int, str], config: Configuration, events: Mapping[int, list[str]]) -> Interval:
    since, until, department = run
    calendar = config.calendar(department)
    return Interval(
        since,
        until,
        department,
        calendar.worked(since, until),
        list(calendar.intervals(since, until)),
        events.get(since, []),
        events.get(until, []),
    )


# -- asked by name
def case_named(log: Log, name: str) -> str:
    """The one case of that name, with or without its source. Raises :class:`NotThere`."""
    keys = log.keys_like(name, 6)
    if not keys:
        raise NotThere(
            f'there is no case {name!r}; `crossdesk query "SELECT DISTINCT case_id FROM facts LIMIT 9"` names some'
        )
    if len(keys) > 1:
        raise NotThere(f"there are several cases {name!r}; say which: {', '.join(keys)}")
    return keys[0]


def answer(log: Log, question: Mapping[str, Any]) -> bytes:
    """What `explain` prints. ``question``: ``case``, and if wanted ``measure``, ``level``, and ``json`` or ``html``. Raises
    :class:`NotThere`.
    """
    case, measure, level = str(question.get("case")), str(question.get("measure") or ""), question.get("level")
    versions = log.configurations()
    case = case_named(log, case)
    # the row of the partition alone: all of the state may be gigabytes
    meta = log.row_of_state("cases", META.encode())
    now = msgspec.msgpack.decode(meta, type=Meta).marks.get(case.partition("/")[0]) if meta else None
    if not versions or now is None:
        raise NotThere(f"{case} is not measured yet: its source has not said how far it is complete")
    config = Configuration.decode(versions[max(versions)])
    if level is not None and not 0 <= int(level) < config.levels:
        raise NotThere(f"there is no level {level}: the tree of departments has levels 0 to {config.levels - 1}")
    explanation = explain(case, [r.value for r in log.of_key("events", case)], config, now, level=level)
    facts = [f for f in explanation.facts if measure in ("", f.fact.measure)]
    if measure and not facts:
        known = dict.fromkeys(f.fact.measure for f in explanation.facts)
        raise NotThere(f"{case} has no {measure!r}; it has {', '.join(known) or 'no facts'}")
    explanation = msgspec.structs.replace(explanation, facts=facts)
    if question.get("html"):
        return explain_page.page(explanation).encode()
    if question.get("json"):
        return to_json(explanation) + b"\n"
    return ("\n".join(explain_text.lines(explanation)) + "\n").encode()


def to_json(explanation: Explanation) -> bytes:
    """For programs: instants in microseconds, the openers of facts as hexadecimal."""
    plain: dict[str, Any] = msgspec.to_builtins(explanation, builtin_types=(bytes,))
    for item, explained in zip(plain["facts"], explanation.facts, strict=True):
        fact = explained.fact
        item["fact"] = {f: getattr(fact, f) for f in fact.__struct_fields__} | {"opener": fact.opener.hex()}
        item["fact"]["fact_id"] = fact.fact_id
    return msgspec.json.encode(plain)
