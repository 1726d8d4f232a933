"""Why a number is what it is: every interval that makes it, with the hours and the norm behind it. The intervals add up.

The case is folded once more from its stored records, while somebody takes notes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from deploy.log import Log
from deploy.words import duration, instant, visible
from ingest import event as e
from streams import kinds
from streams.cases import META, Meta
from streams.clock import ALL, Clock, Context, Levels
from streams.configuration import Configuration
from streams.fact import UNMAPPED, UNOWNED, Fact, Outcome
from streams.fold import fold_whole
from streams.measures.waiting import Share
from streams.picture import facts as drawn
from streams.row import Taken, foreign_moments, payload_hash
from streams.timeline import ACTORS, OWN, Moment, moment
from streams.touch import SKEW_US


class Happened(Struct, frozen=True):
    """A moment of the case. ``note`` says what the source named: a group, a party, a reason."""

    at: int
    kind: str
    actor: str
    note: str
    event: str


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
    names: dict[str, str]
    happened: list[Happened]
    facts: list[Explained]


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
    fold_whole(moments, ctx)
    at = config.levels - 1 if level is None else level
    facts = [
        f
        for f in drawn(ctx.pictures)
        if f.level == at and f.outcome is not Outcome.retracted and (not measure or f.measure == measure)
    ]
    events: dict[int, list[str]] = {}
    for m in moments:
        events.setdefault(m.time, []).append(m.id.hex())
    explained = [
        _explained(f, ctx, now, events) for f in sorted(facts, key=lambda f: (f.measure, f.start, f.department))
    ]
    return Explanation(
        case=case_id,
        now=now,
        zone=config.files.company.zone,
        version=config.version,
        names={d: config.name(d) for d in _departments(explained)},
        happened=[_happened(m) for m in moments],
        facts=explained,
    )


def _departments(facts: Sequence[Explained]) -> list[str]:
    own = {d for item in facts for d in (item.fact.department, item.fact.counterpart)}
    return sorted((own | {i.department for item in facts for i in item.intervals}) - {""})


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
    told = f"of case {m.origin}" if m.relation != OWN else ""
    note = " · ".join(x for x in (m.group, m.text, m.extra, told) if x)
    return Happened(m.time, kinds.NAMES[m.kind], str(ACTORS[m.actor]), note, m.id.hex())


def _explained(fact: Fact, ctx: _Recording, now: int, events: Mapping[int, list[str]]) -> Explained:
    runs = list(ctx.of(fact))
    if fact.stop is None and fact.calendar and now > fact.since:
        runs.append((fact.since, now, fact.calendar))
    intervals = [i for run in runs if (i := _interval(run, ctx.config, events)).until > i.since]
    norm = ctx.config.norms.named(fact.norm) if fact.norm else None
    return Explained(fact, norm.written if norm else "", sum(i.business_us for i in intervals), intervals)


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
    """What `explain` prints. ``question``: ``case``, and if wanted ``measure``, ``level``, ``json``. Raises :class:`NotThere`."""
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
    return to_json(explanation) + b"\n" if question.get("json") else ("\n".join(lines(explanation)) + "\n").encode()


def to_json(explanation: Explanation) -> bytes:
    """For programs: instants in microseconds, the openers of facts as hexadecimal."""
    plain: dict[str, Any] = msgspec.to_builtins(explanation, builtin_types=(bytes,))
    for item, explained in zip(plain["facts"], explanation.facts, strict=True):
        fact = explained.fact
        item["fact"] = {f: getattr(fact, f) for f in fact.__struct_fields__} | {"opener": fact.opener.hex()}
        item["fact"]["fact_id"] = fact.fact_id
    return msgspec.json.encode(plain)


# -- for people
ACTOR = {"provider_human": "provider", "provider_bot": "bot", "third_party": "third party"}
NAMES = {UNOWNED: "nobody", UNMAPPED: "unknown department"}
HOURS = {UNOWNED: "the organisation", UNMAPPED: "the organisation"}
THIS_YEAR, ANY_YEAR = "%a %d %b", "%a %d %b %Y"


def lines(explanation: Explanation) -> Iterator[str]:
    """First what happened, numbered; then each fact as a bill, whose items refer to those numbers."""
    zone, happened = explanation.zone, explanation.happened
    yield f"Case {explanation.case}, as known on {instant(explanation.now // 1_000_000 * 1_000_000, zone)} ({zone})"
    yield ""
    times = [instant(h.at, zone) for h in happened]
    width = max(map(len, times), default=0)
    for number, (h, time) in enumerate(zip(happened, times, strict=True), 1):
        yield visible(
            f"{number:>4}  {time:<{width}}  {h.kind:<17}  {ACTOR.get(h.actor, h.actor):<11}  {h.event[:8]}  {h.note}"
        ).rstrip()
    bill = _Bill(explanation)
    for item in explanation.facts:
        yield ""
        yield from bill.lines(item)
    yield ""
    yield f"Judged by version {explanation.version} of the company file and the norms. bh, bd: business hours and days."
    yield "Whole ids of events, and instants in microseconds: --json."


class _Bill:
    """A fact in lines: what is owed, the items, the sum."""

    def __init__(self, explanation: Explanation) -> None:
        self.now, self.zone, self.names = explanation.now, explanation.zone, explanation.names
        self.events = {h.event: f"{n} {h.kind}" for n, h in enumerate(explanation.happened, 1)}
        ends = [explanation.now, *(h.at for h in explanation.happened)]
        self.form = THIS_YEAR if len({instant(at, self.zone, "%Y")[:4] for at in ends}) == 1 else ANY_YEAR

    def lines(self, item: Explained) -> Iterator[str]:
        fact = item.fact
        whom = self.name(fact.department) + (f" ← {self.name(fact.counterpart)}" if fact.counterpart else "")
        timed = bool(item.intervals or fact.business_us)
        yield visible(
            f"{fact.measure} · {whom}: {fact.outcome}"
            + (f", {duration(item.business_us)} of working time" if timed else "")
        )
        if fact.norm:
            due = f"due {instant(fact.due, self.zone)}" if fact.due is not None else "not due while it is paused"
            yield visible(f"  promised {item.target}, {due}  (norm {fact.norm})")
        elif fact.due is not None:
            yield f"  until {instant(fact.due, self.zone)}"
        if fact.flags:
            yield visible(f"  note: {fact.flags}")
        if not timed:
            yield f"  {self.span(fact.start, fact.stop or fact.start)}  {self.events.get(fact.opener.hex(), '')}".rstrip()
            return
        yield from self.items(item.intervals)
        if fact.stop is not None and item.business_us != fact.business_us:
            raise AssertionError(f"{fact.fact_id}: the intervals add up to {item.business_us}, not {fact.business_us}")
        yield f"  sum {duration(item.business_us)}" + ("" if fact.stop is not None else ", so far")

    def items(self, intervals: Sequence[Interval]) -> Iterator[str]:
        by = ""
        for interval in intervals:
            if interval.department != by:
                by = interval.department
                yield visible(f"  by the hours of {HOURS.get(by) or self.name(by)}")
            yield (
                f"  {duration(interval.business_us):>16}  {self.span(interval.since, interval.until):<42}"
                f"  {self.between(interval)}"
            ).rstrip()
            if [tuple(o) for o in interval.open] != [(interval.since, interval.until)]:
                for since, until in interval.open:
                    yield f"  {duration(until - since):>20}  open {self.span(since, until)}"

    def name(self, department: str) -> str:
        return NAMES.get(department) or self.names.get(department) or department

    def span(self, since: int, until: int) -> str:
        """The day of the end only where it is another."""
        if until == self.now:
            until = until // 1_000_000 * 1_000_000
        first, last = (instant(at, self.zone, self.form) for at in (since, until))
        if since >= until:
            return first
        same = instant(since, self.zone, "%Y%m%d")[:8] == instant(until, self.zone, "%Y%m%d")[:8]
        return f"{first} – {instant(until, self.zone, '') if same else last}"

    def between(self, interval: Interval) -> str:
        begins, ends = (", ".join(self.events[i] for i in ids) for ids in (interval.begins, interval.ends))
        return (
            f"{begins} – {ends or ('now' if interval.until == self.now else '')}".strip(" –") if begins or ends else ""
        )
