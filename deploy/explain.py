"""Why a number is what it is: every interval that makes it, with the hours and the norm behind it. The intervals add up.

The case is folded once more from its stored records, while somebody takes notes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from ingest import event as e
from streams.cases import SKEW_US, Taken, foreign_moments, payload_hash
from streams.clock import Clock, Context
from streams.configuration import Configuration
from streams.fact import Fact, Outcome
from streams.fold import fold_whole
from streams.measures.waiting import Share
from streams.timeline import ACTORS, OWN, Kind, Moment, moment


class Happened(Struct, frozen=True):
    """A moment of the case. ``note`` says what the source named: a group, a party, a reason."""

    at: int
    kind: str
    actor: str
    note: str
    event: str


class Interval(Struct, frozen=True):
    """``business_us`` of ``since``..``until`` count: those in ``open``, by the hours of ``department``."""

    since: int
    until: int
    department: str
    business_us: int
    open: list[tuple[int, int]]


class Explained(Struct, frozen=True):
    """One fact, and what it is made of: the sum of ``intervals`` is its business time (while it runs: until ``now``)."""

    fact: Fact
    target: str
    business_us: int
    intervals: list[Interval]


class Explanation(Struct, frozen=True):
    case: str
    now: int
    zone: str
    version: int
    happened: list[Happened]
    facts: list[Explained]


class _Recording(Context):
    """Notes which clock ran when, and which fact a clock became."""

    def __init__(self, config: Configuration, case_id: str, now: int, version: int) -> None:
        super().__init__(config, case_id, now, version)
        self.runs: dict[int, list[tuple[int, int, str]]] = {}
        self.clocks: dict[tuple[str, bytes, int, str], Clock] = {}
        self.shares: dict[int, Share] = {}

    def ran(self, what: object, since: int, until: int, calendar: str) -> None:
        self.runs.setdefault(id(what), []).append((since, until, calendar))
        if isinstance(what, Share):
            self.shares[id(what)] = what

    def draw(self, measure: str, clock: Clock, level: int = -1) -> None:
        super().draw(measure, clock, level)
        departments = self.config.path(clock.department, clock.start)
        for at in self.levels if level < 0 else (level,):
            self.clocks[measure, clock.opener, at, departments[at]] = clock

    def of(self, fact: Fact) -> list[tuple[int, int, str]]:
        """When the clock behind the fact ran."""
        clock = self.clocks.get((fact.measure, fact.opener, fact.level, fact.department))
        if clock is not None:
            return self.runs.get(id(clock), [])
        waits_for = fact.measure.removeprefix("waiting_")
        mine = (
            key
            for key, share in self.shares.items()
            if share.waits_for == waits_for
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
    fold_whole(moments, ctx)
    at = config.levels - 1 if level is None else level
    facts = [
        f
        for f in ctx.facts.values()
        if f.level == at and f.outcome is not Outcome.retracted and (not measure or f.measure == measure)
    ]
    return Explanation(
        case=case_id,
        now=now,
        zone=config.files.company.zone,
        version=config.version,
        happened=[_happened(m) for m in moments if m.relation == OWN],
        facts=[_explained(f, ctx, now) for f in sorted(facts, key=lambda f: (f.measure, f.start, f.department))],
    )


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
        elif isinstance(record, e.CaseEvent):
            m = moment(record)
            own[m.id] = min((x for x in (m, own.get(m.id)) if x is not None), key=payload_hash)
    told = sorted((m for t in taken.values() for m in foreign_moments(t)), key=lambda m: -m.relation)
    known_moments = {**{m.id: m for m in told}, **own}
    return sorted((m for m in known_moments.values() if m.time <= now + SKEW_US), key=lambda m: m.order)


def _happened(m: Moment) -> Happened:
    note = " · ".join(x for x in (m.group, m.text, m.extra) if x)
    return Happened(m.time, Kind(m.kind).name, str(ACTORS[m.actor]), note, m.id.hex())


def _explained(fact: Fact, ctx: _Recording, now: int) -> Explained:
    runs = list(ctx.of(fact))
    if fact.stop is None and fact.calendar and now > fact.since:
        runs.append((fact.since, now, fact.calendar))
    intervals = [i for run in runs if (i := _interval(run, ctx.config)).until > i.since]
    norm = ctx.config.norm(fact.measure, fact.department, fact.counterpart, fact.start) if fact.norm else None
    return Explained(fact, str(norm.target) if norm else "", sum(i.business_us for i in intervals), intervals)


def _interval(run: tuple[int, int, str], config: Configuration) -> Interval:
    since, until, department = run
    calendar = config.calendar(department)
    return Interval(since, until, department, calendar.worked(since, until), list(calendar.intervals(since, until)))


def to_json(explanation: Explanation) -> bytes:
    """For programs: instants in microseconds, the openers of facts as hexadecimal."""
    plain: dict[str, Any] = msgspec.to_builtins(explanation, builtin_types=(bytes,))
    for item, explained in zip(plain["facts"], explanation.facts, strict=True):
        fact = explained.fact
        item["fact"] = {f: getattr(fact, f) for f in fact.__struct_fields__} | {"opener": fact.opener.hex()}
        item["fact"]["fact_id"] = fact.fact_id
    return msgspec.json.encode(plain)


def lines(explanation: Explanation) -> Iterator[str]:
    """For people."""
    from deploy.words import duration, instant

    zone = explanation.zone
    yield f"Case {explanation.case}, as known at {instant(explanation.now, zone)} ({zone}), configuration {explanation.version}"
    yield ""
    for h in explanation.happened:
        yield f"  {instant(h.at, zone)}  {h.kind:<17} {h.actor:<14} {h.note}".rstrip()
    for item in explanation.facts:
        fact = item.fact
        whom = f"{fact.department} ← {fact.counterpart}" if fact.counterpart else fact.department
        yield ""
        yield f"{fact.measure} · {whom}: {fact.outcome}, {duration(item.business_us)} of working time"
        if fact.norm:
            due = f", due {instant(fact.due, zone)}" if fact.due is not None else ", no due time while it is paused"
            yield f"  norm {fact.norm}: {item.target}{due}"
        if fact.flags:
            yield f"  note: {fact.flags}"
        yield f"  opened by event {fact.opener.hex()}"
        for interval in item.intervals:
            span = f"{instant(interval.since, zone)} – {instant(interval.until, zone)}"
            yield f"  {span}  {duration(interval.business_us):>12}  hours of {interval.department}"
            if len(interval.open) > 1 or [tuple(o) for o in interval.open] != [(interval.since, interval.until)]:
                for since, until in interval.open:
                    yield f"      open {instant(since, zone)} – {instant(until, zone)}  {duration(until - since):>12}"
        if fact.stop is not None and item.business_us != fact.business_us:
            raise AssertionError(f"{fact.fact_id}: the intervals add up to {item.business_us}, not {fact.business_us}")
        yield f"  sum {duration(item.business_us)}" + ("" if fact.stop is not None else " so far")
