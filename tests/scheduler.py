"""Schedules of what can happen to a cluster, and what must be true in the end whatever did.

A schedule is a random history, the order in which it arrives, and a list of actions. The same one does the same again.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec
from cluster import VERSIONS, Cluster, Rules, Series, series_of
from histories import DAY, HOUR, START, config_mark, delivered, differences, encode, expected, history, keyed, watermark

from ingest import event as e
from streams import fact as f
from streams import indicators as i
from streams.departments import Departments
from streams.fold import STUB_AFTER


class Schedule(NamedTuple):
    """``plan``: what comes from outside, in its order (a key, or a partition; the record); ``late``: what comes after the first
    rest. ``until``: the last watermark; ``version``: the last configuration. ``of_facts``: partitions of facts; ``lease`` and
    ``telling``: see :class:`Cluster`.
    """

    seed: int
    partitions: int
    of_facts: int
    lease: bool
    telling: int
    events: list[e.CaseEvent]
    plan: list[tuple[str | int, bytes]]
    late: list[tuple[str | int, bytes]]
    actions: list[tuple[str, int]]
    until: int
    version: int


GARBAGE = b'{"type": "crossdesk.unheard_of"}'
WEIGHTS = {"publish": 30, "step": 100, "crash": 4, "pause": 4, "wake": 12, "compact": 3}


def schedule(seed: int) -> Schedule:
    """A random one. Each is of some kind: what is rare in one is frequent in another."""
    rnd = random.Random(seed)
    partitions, of_facts = rnd.choice((1, 2, 2, 3, 4)), rnd.choice((1, 2, 2, 3))
    weights, more, structural, days = dict(WEIGHTS), {}, True, rnd.choice((6, 12, 20, 25))
    versions: tuple[int, ...] = (1, 2, 3, 4)
    match rnd.choice(("mixed", "long", "many", "told", "told", "stubs", "handed over")):
        case "long":  # sealed segments
            cases, length, structural = 1, rnd.choice((40, 70, 110)), rnd.random() < 0.5
        case "many":  # more than are folded again after one record
            cases, length, partitions, structural = rnd.choice((40, 60)), rnd.choice((1, 2)), 1, False
            weights["crash"], versions = 8, (4,)
        case "told":  # cases that speak to each other, in circles too
            cases, length = rnd.choice((2, 3, 4)), rnd.choice((6, 10))
            more = {"merged": 12, "unmerged": 9, "child_linked": 6}
            weights |= {"pause": 10, "wake": 15}
        case "stubs":
            cases, length, days = rnd.choice((2, 4)), rnd.choice((3, 5, 40)), rnd.choice((45, 60))
            more = {"closed": 10}
        case "handed over":
            cases, length = 2, 12
            weights |= {"crash": 8, "pause": 12, "wake": 40, "compact": 10}
        case _:
            cases, length = rnd.choice((1, 3, 6)), rnd.choice((4, 8, 16))
    weights["repair"] = rnd.choice((0, 0, 1, 4))  # it mends: too much of it would hide what is wrong
    events = history(rnd, cases, length, structural=structural, more=more)
    version, until = rnd.choice(versions), START + days * DAY
    share = rnd.choice((0.7, 0.9, 1))
    first = [x for x in events if rnd.random() < share]
    plan = planned(rnd, first, partitions, version, until)
    late: list[tuple[str | int, bytes]] = [(x.key, e.encode(x)) for x in events if x not in first or rnd.random() < 0.2]
    rnd.shuffle(late)
    focus, share = rnd.randrange(partitions + of_facts), rnd.choice((0, 0.5, 0.9))
    actions = []
    for name in rnd.choices(list(weights), list(weights.values()), k=rnd.choice((200, 400, 800))):
        r = rnd.randrange(1 << 20)
        if name != "publish" and rnd.random() < share:
            r = r // (partitions + of_facts) * (partitions + of_facts) + focus
        actions.append((name, r))
    return Schedule(
        seed, partitions, of_facts, rnd.random() < 0.7, rnd.choice((5, 20)), events, plan, late, actions, until, version
    )


def planned(
    rnd: random.Random, events: Sequence[e.CaseEvent], partitions: int, version: int, until: int
) -> list[tuple[str | int, bytes]]:
    """What comes from outside: events, watermarks that reach partitions at different times, configurations, and rubbish.

    A configuration that reaches back comes before what it changes can be a stub: so the last watermarks stand behind it.
    """
    records = delivered(rnd, events)
    plan: list[tuple[str | int, bytes]] = []
    own_time = rnd.random() < 0.7
    for record in records:
        event = e.decode(record)
        plan.append((f"{event.source}/{event.subject}", record))
        if own_time and rnd.random() < 0.3:
            at = min(int(event.time.timestamp()) * 1_000_000 - rnd.randrange(2) * HOUR, until)
            plan += [(p, watermark(at)) for p in range(partitions) if rnd.random() < 0.8]
    for _ in range(rnd.randrange(3)):
        at = min(START + rnd.randrange(24) * DAY, until)
        for p in range(partitions):
            plan.insert(rnd.randrange(len(plan) + 1), (p, watermark(at)))
    earliest = rnd.choice((0, len(plan) * 3 // 4))
    for number in range(2, version + 1):
        for p in range(partitions):
            plan.insert(rnd.randrange(earliest, len(plan) + 1), (p, config_mark(number)))
    if rnd.random() < 0.2:
        plan.insert(rnd.randrange(len(plan) + 1), (rnd.randrange(partitions), GARBAGE))
    begin = [(p, config_mark(1)) for p in range(partitions)]
    return [*begin, *plan, *((p, watermark(until)) for p in range(partitions))]


def run(schedule: Schedule, rules: Rules = Rules()) -> list[str]:  # noqa: B008  # it does not change
    """Live through it; what is wrong in the end."""
    cluster = Cluster(rules, schedule.partitions, schedule.of_facts, lease=schedule.lease, telling=schedule.telling)
    coming = deque(schedule.plan)

    def publish(many: int) -> None:
        for _ in range(min(many, len(coming))):
            if len(coming) <= schedule.partitions and schedule.until - START > i.HORIZON_US and not cluster.roused:
                cluster.rouse()
            to, record = coming.popleft()
            cluster.append(("events", to if isinstance(to, int) else cluster.partition(to)), record)

    publish(schedule.partitions)
    for action, r in schedule.actions:
        if action == "publish":
            publish(1 + r % 4)
        else:
            cluster.do(action, r)
    publish(len(coming))
    cluster.drain(late_risers=schedule.seed % 2 == 0)
    for stage in cluster.stages:  # whoever takes over knows the same
        stage.hand_over(paused=False)
    ends = [(p, watermark(schedule.until)) for _ in range(4) for p in range(schedule.partitions)]
    coming.extend([*schedule.late, *ends])
    publish(len(coming))
    cluster.drain()
    wrong = check(cluster, schedule, schedule.version)
    if schedule.until < START + STUB_AFTER:  # all that they know is folded again
        other = max(schedule.version + 1, 4)
        coming.extend([*((p, config_mark(other)) for p in range(schedule.partitions)), *ends])
        publish(len(coming))
        cluster.drain()
        wrong += check(cluster, schedule, other)
    return [*cluster.violations, *wrong]


def check(cluster: Cluster, schedule: Schedule, version: int) -> list[str]:
    """Against a fold without crashes: facts, what ``departments`` keeps of them, and what they say together."""
    until = schedule.until
    wanted = expected(schedule.events, VERSIONS[version], until)
    found = [f"facts: {text}" for text in differences(cluster.facts(), wanted)]
    kept = cluster.kept()
    due = {id for id, fact in wanted.items() if fact.runs or (fact.counts_at or 0) > until - i.HORIZON_US}
    found += [f"departments: {text}" for text in differences(kept, {id: wanted.get(id) for id in due | kept.keys()})]
    cluster.tell()
    shown, right = answered(cluster.shown.values()), answered(at_once(wanted.values(), version, until))
    for series in sorted({*shown, *right}):
        if shown.get(series) != right.get(series):
            found.append(f"indicators: is {shown.get(series)}, should be {right.get(series)}")
    refused = sum(len(log) for (topic, _), log in cluster.logs.items() if topic == "rejected")
    if (refused > 0) != any(record == GARBAGE for _, record in schedule.plan):
        found.append(f"{refused} records were rejected")
    return found


def at_once(facts: Iterable[f.Fact], version: int, until: int) -> Iterator[i.IndicatorValue]:
    """The indicators of these facts, folded in one go."""
    config = f.ConfigPassed(partition=0, version=version)
    end = f.WatermarkPassed(source="desk", partition=0, until=until)
    departments = Departments({}, 1, VERSIONS.__getitem__)
    records: list[f.FactRecord | f.Fact] = [config, end, *facts]
    departments.batch(keyed(enumerate(map(encode, records))))
    return departments.indicators()


def answered(values: Iterable[i.IndicatorValue]) -> dict[Series, i.IndicatorValue]:
    """What has facts behind it."""
    return {series_of(v): msgspec.structs.replace(v, offset=0) for v in values if v.n}
