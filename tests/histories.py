"""Random histories of a few cases, a company that is reorganised under them, and the fold that they must end in."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ingest import event as e
from sinks.store import Store
from streams import fact as f
from streams import kinds
from streams.cases import Cases
from streams.clock import Context
from streams.company import CompanyFile
from streams.configuration import Configuration, Files
from streams.fact import Fact, Facts, Outcome, Timed, decode, record_key
from streams.fold import fold_whole, resolve
from streams.norm_entry import NormsFile
from streams.picture import facts as drawn
from streams.row import payload_hash
from streams.timeline import CHILD, MERGED, Moment, moment
from streams.touch import LIFE, SKEW_US

MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
START = 1_772_409_600_000_000  # Monday, 2 March 2026, 00:00 UTC
GROUPS = ("it-1", "it-2", "legal-1", "hr-1", "pay-1", "lost", "")

FactKey = tuple[str, str, bytes, int, str]


def configuration(version: int) -> Configuration:
    """Three levels, three zones, lunch breaks; version 2 moves a group, version 3 a department and a norm. In version 4
    all live in another zone, and always have, and in version 5 as before: hardly a fact is what it was.
    """
    hours = {"it": ("Europe/Berlin", "08:00-12:00, 13:00-17:00"), "legal": ("America/New_York", "09:00-17:00")}
    norms: list[dict[str, Any]] = [
        {
            "department": d,
            "zone": hours.get(d, ("UTC", ""))[0] if version != 4 else "Pacific/Auckland",
            "hours": {"mon-fri": hours.get(d, ("", "09:00-17:00"))[1]},
            "first_response": "4bh",
            "next_response": "2bh",
            "resolution": "2bd",
            "acceptance": {"*": "3bh", "it": "1bh"},
        }
        for d in ("it", "legal", "hr")
    ]
    if version >= 3:
        norms.append({**norms[0], "valid_from": "2026-03-06", "first_response": "1bh", "resolution": "5bh"})
    company: dict[str, Any] = {
        "organisation": "test",
        "zone": "UTC" if version != 4 else "Pacific/Auckland",
        "hours": {"mon-fri": "09:00-17:00"},
        "sources": ["desk"],
        "departments": [
            {"id": "ops", "name": "Operations"},
            {"id": "people", "name": "People"},
            {"id": "tech", "name": "Tech", "parent": "ops"},
            {"id": "it", "name": "IT", "parent": "tech"},
            {"id": "legal", "name": "Legal", "parent": "ops"},
            {"id": "hr", "name": "HR", "parent": "people"},
            {
                "id": "pay",
                "name": "Payroll",
                "parent": "people"
                if version < 3
                else [{"department": "people"}, {"since": "2026-03-05", "department": "tech"}],
            },
        ],
        "groups": [
            {"source": "desk", "group": "it-1", "department": "it"},
            {"source": "desk", "group": "it-2", "department": "it"},
            {"source": "desk", "group": "legal-1", "department": "legal"},
            {"source": "desk", "group": "hr-1", "department": "hr"},
            {"source": "desk", "group": "pay-1", "department": "pay"},
            *([{"source": "desk", "group": "it-2", "department": "hr", "since": "2026-03-04"}] if version >= 2 else []),
        ],
    }
    return Configuration(
        Files(
            version=version,
            company=CompanyFile.model_validate(company),
            norms={"norms.yaml": NormsFile.model_validate({"norms": norms})},
        )
    )


CONFIGURATIONS = {v: configuration(v) for v in (1, 2, 3)}
WEIGHTS = {
    "routed": 10, "claimed": 4, "replied": 7, "noted": 3, "bot_replied": 1, "asked_requester": 2, "requester_replied": 5,
    "paused": 5, "resumed": 4, "solved": 5, "reopened": 4, "closed": 2, "classified": 1, "delivered": 1, "thanked": 1,
}  # fmt: skip
STRUCTURAL = {"merged": 2, "unmerged": 1, "deleted": 1, "restored": 1, "corrected": 2, "excluded": 1, "child_linked": 1}


def envelope(
    subject: str, time: int, native: str, sequence: int = 0, actor: e.Actor = e.Actor.system
) -> dict[str, Any]:
    return {
        "id": e.event_id("desk", native),
        "source": "desk",
        "subject": subject,
        "time": e.instant(time),
        "specversion": "1.0",
        "sequence": sequence,
        "actor": actor,
    }


def watermark(until: int) -> bytes:
    fields = envelope("desk", until, f"watermark{until}")
    return e.encode(e.Watermark(**fields, data=e.WatermarkData(e.instant(until))))


def config_mark(version: int) -> bytes:
    return e.encode(e.ConfigMark(**envelope("desk", START, f"config{version}"), data=e.ConfigData(version)))


def keyed(records: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes, bytes]]:
    """Facts and marks, with the keys under which they lie in the log."""
    for offset, raw in records:
        yield offset, record_key(decode(raw)), raw


def encode(record: f.FactRecord | Fact) -> bytes:
    """A fact alone makes a record of one level."""
    if isinstance(record, Fact):
        shared = [getattr(record, name) for name in Timed.__struct_fields__]
        record = Facts(*[*shared, (record.counterpart,), (record.level,), (record.department,)])
    return f.encode(record)


def facts_in(records: Iterable[bytes]) -> Iterator[Fact]:
    for record in map(decode, records):
        if isinstance(record, Facts):
            yield from record


def keep(held: dict[str, Fact], fact: Fact) -> None:
    """The highest version stands, and of one version what is said against what is taken back."""
    known = held.get(fact.fact_id)
    if known is None or _standing(fact) > _standing(known):
        held[fact.fact_id] = fact


def _standing(fact: Fact) -> tuple[int, bool]:
    return fact.version, fact.outcome is not Outcome.retracted


def write(store: Store, facts: Iterable[Fact]) -> None:
    store.write_facts(list(map(encode, facts)))


def history(
    rnd: random.Random, cases: int, length: int, *, structural: bool, more: Mapping[str, int] | None = None
) -> list[e.CaseEvent]:
    """What happens to ``cases`` cases in about a week: ``length`` events each, in no particular order. ``more``: weights of
    kinds that shall be frequent.
    """
    events: list[e.CaseEvent] = []
    kinds = {**WEIGHTS, **(STRUCTURAL if structural else {}), **(more or {})}
    for case in range(cases):
        subject = f"C{case}"
        begin = START + rnd.randrange(2 * 24 * 4) * 15 * MINUTE
        for i in range(length):
            # whole quarters of an hour: many events at one instant, and on the edges of opening hours
            at = begin + rnd.randrange(1, 20 * 24 * 4) * 15 * MINUTE // (1 if rnd.random() < 0.1 else 4)
            kind = rnd.choices(list(kinds), list(kinds.values()))[0]
            if i == 0:
                kind, at = ("created" if rnd.random() < 0.95 else "noted"), begin
            events.append(_event(rnd, kind, subject, cases, at, i, events))
    if rnd.random() < 0.3:  # the same id with another meaning
        victim = rnd.choice([x for x in events if isinstance(x, e.Routed)] or events)
        if isinstance(victim, e.Routed):
            events.append(msgspec.structs.replace(victim, data=e.RoutedData(group=rnd.choice(GROUPS))))
    return events


def _event(
    rnd: random.Random, kind: str, subject: str, cases: int, at: int, i: int, before: Sequence[e.CaseEvent]
) -> e.CaseEvent:
    cls: Any = e.TYPES[e.TYPE_PREFIX + kind]
    mine = [x.id for x in before if x.subject == subject]
    payloads: dict[str, dict[str, Any]] = {
        "created": {"requester_group": rnd.choice(GROUPS)},
        "routed": {"group": rnd.choice(GROUPS)},
        "classified": {"priority": rnd.choice("123")},
        "delivered": {"promise": "p"},
        "paused": {"owner": rnd.choice(list(e.Waiting))},
        "merged": {"into": f"C{rnd.randrange(cases)}"},
        "child_linked": {"parent": f"C{rnd.randrange(cases)}"},
        "corrected": {
            "supersedes": rnd.choice(mine or ["0" * 32]),
            **({"at": e.instant(at)} if rnd.random() < 0.5 else {}),
        },
        "excluded": {"reason": "test", "reverted": rnd.random() < 0.5},
        "you_said": {"department": GROUPS[i % 2], "week": "2026-W10", "topic": "other"},
        "we_did": {"week": "2026-W10"},
    }
    in_the_name_of = kind in ("replied", "solved", "claimed") and rnd.random() < 0.3
    data = payloads.get(kind, {"group": rnd.choice(GROUPS)} if in_the_name_of else {})
    actor = rnd.choices(list(e.Actor), (3, 12, 2, 1, 1))[0]
    field = next(f for f in msgspec.structs.fields(cls) if f.name == "data")
    fields = {"data": msgspec.convert(data, field.type)} if data else {}
    event: e.CaseEvent = cls(**envelope(subject, at, f"{subject}|{i}", i % 3, actor), **fields)
    return event


def delivered(rnd: random.Random, events: Sequence[e.CaseEvent]) -> list[bytes]:
    """The events as records, as they arrive: in order, nearly so, or in no order at all, and some of them twice."""
    style = rnd.random()
    order = sorted(events, key=lambda x: (x.time, x.sequence, x.id))
    if style < 0.4:
        rnd.shuffle(order)
    elif style < 0.8:  # nearly in order
        order.sort(key=lambda x: x.time.timestamp() + rnd.expovariate(1 / 7200) * (rnd.random() < 0.3))
    records = [e.encode(x) for x in order]
    for i in range(len(records)):
        if rnd.random() < 0.15:
            records.insert(rnd.randrange(i, len(records) + 1), records[i])
    return records


class World:
    """One partition: its log, its state, and whoever holds the facts. What ``cases`` says to other cases comes back as input."""

    def __init__(self, configurations: Mapping[int, Configuration] = CONFIGURATIONS) -> None:
        self.configurations = configurations
        self.log: list[bytes] = []
        self.state: dict[str, bytes] = {}
        self.done = 0
        self.held: dict[str, Fact] = {}
        self.cases = self.worker()

    def worker(self) -> Cases:
        return Cases(self.state, 0, self.configurations.__getitem__)

    def run(self, sizes: Sequence[int], *, crash: random.Random | None = None) -> None:
        """Fold the whole log in batches of these sizes, in turn; with ``crash``, workers die after saying some of it."""
        turn = 0
        while self.done < len(self.log):
            size = sizes[turn % len(sizes)]
            turn += 1
            records = list(enumerate(self.log[self.done : self.done + size], self.done))
            effects = self.cases.batch(records)
            dies = crash is not None and crash.random() < 0.2
            said = effects.outputs
            if dies and crash is not None:
                said = said[: crash.randrange(len(said) + 1)]
            for output in said:
                if output.topic == "facts":
                    self.hold(output.value)
                elif output.topic == "events":
                    self.log.append(output.value)
            changes = list(effects.changes.items())
            if dies and crash is not None:
                changes = changes[: crash.randrange(len(changes) + 1)] if len(said) == len(effects.outputs) else []
            for key, value in changes:
                if value is None:
                    self.state.pop(key, None)
                else:
                    self.state[key] = value
            if dies:
                self.cases = self.worker()
            else:
                self.done += len(records)

    def hold(self, record: bytes) -> None:
        for fact in facts_in([record]):
            known = self.held.get(fact.fact_id)
            if known is not None and _standing(known) == _standing(fact):
                assert known == fact, "equal versions mean equal content"
            keep(self.held, fact)

    def facts(self) -> dict[str, Fact]:
        """What holds now, without versions."""
        return live(self.held)


class Overheard(World):
    """A partition whose facts and marks are written down as they are said."""

    def __init__(self, configurations: Mapping[int, Configuration] = CONFIGURATIONS) -> None:
        self.said: list[bytes] = []
        super().__init__(configurations)

    def hold(self, record: bytes) -> None:
        self.said.append(record)
        super().hold(record)


def live(held: Mapping[str, Fact]) -> dict[str, Fact]:
    """What holds of it, without versions."""
    return {id: msgspec.structs.replace(f, version=0) for id, f in held.items() if f.outcome is not Outcome.retracted}


def expected(events: Sequence[e.CaseEvent | e.Suggestion], config: Configuration, now: int) -> dict[str, Fact]:
    """The definition: each case folded once, from the set of its events and of what merged cases and children tell it."""
    own: dict[str, dict[bytes, Moment]] = {}
    for event in events:
        m = moment(event)
        if m.time <= now + SKEW_US:
            mine = own.setdefault(event.key, {})
            mine[m.id] = min((x for x in (m, mine.get(m.id)) if x is not None), key=payload_hash)
    in_order = {case: sorted(ms.values(), key=lambda m: m.order) for case, ms in own.items()}
    into = {case: f"desk/{s.into}" for case, ms in in_order.items() if (s := resolve(ms)[1]).into}
    foreign: dict[str, dict[bytes, Moment]] = {}

    def tell(target: str, ms: Sequence[Moment], relation: int, origin: str, path: set[str]) -> None:
        while target and target not in path:
            for m in ms:
                known = foreign.setdefault(target, {}).get(m.id)
                if known is None or known.relation > relation:
                    foreign[target][m.id] = m.__replace__(relation=relation, origin=origin)
            path = path | {target}
            target = into.get(target, "")

    for case, ms in in_order.items():
        kept, standing = resolve(ms)
        tell(into.get(case, ""), kept, MERGED, case, {case})
        parents = [f"desk/{m.text}" for m in kept if m.kind == kinds.child_linked]
        if parents and not standing.reason:
            tell(parents[-1], [m for m in kept if m.kind in LIFE], CHILD, case, {case})
    facts: dict[str, Fact] = {}
    for case in {*in_order, *foreign}:
        moments = sorted((*in_order.get(case, ()), *foreign.get(case, {}).values()), key=lambda m: m.order)
        ctx = Context(config, case, now, 0)
        fold_whole(moments, ctx)
        for fact in drawn(ctx.pictures):
            keep(facts, fact)
    return {id: fact for id, fact in facts.items() if fact.outcome is not Outcome.retracted}


def differences(got: Mapping[str, Fact], wanted: Mapping[str, Fact | None]) -> list[str]:
    return [
        f"{id}\n   is        {got.get(id)}\n   should be {wanted.get(id)}"
        for id in sorted({*got, *wanted})
        if got.get(id) != wanted.get(id)
    ]
