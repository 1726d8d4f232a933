"""Which pairs are not told is decided over all partitions: each says how many facts its own have, and hears what others say."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain
from zlib import crc32

import msgspec
import pytest
from histories import config_mark, keyed
from test_departments import EXAMPLE
from test_second_computation import Key

from deploy import config_files
from ingest import event as e
from ingest.connectors.simulated import simulate
from streams import pair_facts, told
from streams.cases import Cases
from streams.configuration import Configuration
from streams.departments import Departments
from streams.effects import carry_out
from streams.hidden import Pair
from streams.indicators import IndicatorValue
from streams.pair_facts import PairFacts, Untold, key
from streams.told import Told

PARTITIONS = 3
WHAT = "first_response_facts", "28d"
Facts = dict[Pair, int]


class Flat:
    """All are beside each other."""

    hidden: Collection[str] = ()

    def pair(self, value: IndicatorValue) -> Pair:
        return Pair(value.department, value.counterpart, 0)

    def above(self, pair: Pair) -> Pair:
        return Pair("", "", pair.level - 1)


def of(department: str, **asked: int) -> Facts:
    return {Pair(department, counterpart, 0): n for counterpart, n in asked.items()}


def exchanged(*of_partitions: Facts) -> Untold:
    """As somebody heard it who reads all that they say, in the form that it has on the topic."""
    reader = Untold(len(of_partitions))
    for partition, facts in enumerate(of_partitions):
        for about, said in Untold(len(of_partitions)).say(partition, {WHAT: facts}, 7):
            reader.hear(about, pair_facts.decode(pair_facts.encode(said)))
    return reader


def untold(reader: Untold, tree: Flat | None = None) -> set[tuple[str, str]]:
    return {pair[:2] for pair in reader.pairs(WHAT, tree or Flat())}


def test_what_a_department_asks_of_those_in_other_partitions_hides_what_would_give_a_small_pair_away() -> None:
    """Sales asked 3 times of it, 6 times of the lab, and 20 times of hr: it knows how often in all."""
    parts = (
        of("it", sales=3, ops=30, legal=3),
        of("lab", sales=6, ops=30, legal=9),
        of("hr", sales=20, ops=30, legal=30),
    )
    assert untold(exchanged(*parts)) == {("it", "sales"), ("it", "legal"), ("lab", "sales"), ("lab", "legal")}
    assert untold(exchanged({**parts[0], **parts[1], **parts[2]})) == untold(exchanged(*parts))
    alone = exchanged(parts[0])
    assert untold(alone) == {("it", "sales"), ("it", "legal")}, "those of the lab are not seen there"


def test_nothing_is_told_of_pairs_before_each_partition_has_said_what_its_own_have() -> None:
    reader, it, lab = Untold(2), of("it", sales=30, ops=30), of("lab", sales=30, ops=30)
    for about, said in Untold(2).say(0, {WHAT: it}, 7):
        reader.hear(about, said)
    assert untold(reader) == {("it", "sales"), ("it", "ops")}
    pairs, end = Untold(2).say(1, {WHAT: lab}, 7)
    reader.hear(*pairs)
    assert untold(reader) == {("it", "sales"), ("it", "ops"), ("lab", "sales"), ("lab", "ops")}
    reader.hear(*end)
    assert untold(reader) == set()


def test_a_partition_without_pairs_says_that_it_has_none() -> None:
    assert list(Untold(2).say(1, {}, 7)) == [(key(1, ""), PairFacts(7))]


def test_what_is_no_news_is_said_again_only_where_all_is() -> None:
    speaker = Untold(1)
    assert len(list(speaker.say(0, {WHAT: of("it", sales=9)}, 7))) == 2
    assert list(speaker.say(0, {WHAT: of("it", sales=9)}, 8)) == []
    assert len(list(speaker.say(0, {WHAT: of("it", sales=9)}, 8, again=True))) == 2
    assert [about for about, _ in speaker.say(0, {WHAT: of("it", sales=10)}, 9)] == [key(0, WHAT[0])]


def test_what_is_left_of_a_partition_counts_no_more() -> None:
    speaker = Untold(1)
    list(speaker.say(0, {WHAT: of("it", sales=3, ops=9)}, 7))
    gone = list(speaker.say(0, {}, 8))
    assert gone == [(key(0, WHAT[0]), PairFacts(8))]
    assert untold(speaker) == set()


def test_who_had_been_paused_changes_nothing_and_is_corrected() -> None:
    speaker, slept = Untold(1), Untold(1)
    list(speaker.say(0, {WHAT: of("it", sales=3, ops=9)}, 9))
    for about, said in slept.say(0, {WHAT: of("it", sales=30, ops=9)}, 8):
        assert not speaker.hear(about, said)
    assert untold(speaker) == {("it", "sales"), ("it", "ops")}
    again = list(speaker.say(0, {WHAT: of("it", sales=3, ops=9)}, 9))
    assert (key(0, WHAT[0]), PairFacts(9, (Pair("it", "ops", 0), Pair("it", "sales", 0)), {"28d": (9, 3)})) in again
    for about, said in again:
        speaker.hear(about, said)
    assert list(speaker.say(0, {WHAT: of("it", sales=3, ops=9)}, 9)) == []


def test_another_tree_decides_anew() -> None:
    reader, tree = exchanged(of("it", sales=30, ops=9, legal=40)), Flat()
    assert untold(reader, tree) == set()
    tree.hidden = ("sales",)
    assert untold(reader, tree) == {("it", "sales"), ("it", "ops")}


# -- with the fold


@pytest.fixture(scope="module")
def configuration() -> Configuration:
    return config_files.load(EXAMPLE).configuration


@pytest.fixture(scope="module")
def said(configuration: Configuration) -> list[list[bytes]]:
    """Facts of a simulated company, in each partition; what has no owner is in all."""
    state: dict[str, bytes] = {}
    cases = Cases(state, 0, lambda _: configuration, partition_of)
    found: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
    records = [config_mark(1), *(e.encode(r) for r in simulate(5, 12))]
    for first in range(0, len(records), 400):
        effects = cases.batch(enumerate(records[first : first + 400], first))
        for output in effects.outputs:
            if output.topic == "facts":
                for partition in [partition_of(output.owner)] if output.owner else range(PARTITIONS):
                    found[partition].append(output.value)
        carry_out(effects.changes, state)
    return found


def partition_of(department: str) -> int:
    return crc32(department.encode()) % PARTITIONS


def fold(records: Sequence[bytes], configuration: Configuration) -> Departments:
    departments = Departments({}, 1, lambda _: configuration)
    carry_out(departments.batch(keyed(enumerate(records))).changes, {})
    return departments


def spoken(values: Sequence[IndicatorValue]) -> Iterator[tuple[Key, IndicatorValue]]:
    for value in values:
        series = value.indicator, value.department, value.counterpart, value.window
        yield series, msgspec.structs.replace(value, offset=0)


def test_several_partitions_tell_what_one_tells(said: list[list[bytes]], configuration: Configuration) -> None:
    """In two rounds: in the first nobody has heard of all. In the third there is nothing new."""
    folds = [fold(records, configuration) for records in said]
    tellers = [Told(partition, Untold(PARTITIONS)) for partition in range(PARTITIONS)]
    heard: dict[Key, IndicatorValue] = {}

    async def tell() -> list[int]:
        """How many values each tells."""
        many = []
        for teller, departments in zip(tellers, folds, strict=True):
            news = await teller.departments(departments)
            for about, facts in await teller.counts(departments):
                for other in tellers:
                    other.untold.hear(about, facts)
            news += await teller.of_pairs()
            heard.update(spoken(news))
            many.append(len(news))
        return many

    first = asyncio.run(tell())
    assert all(first)
    assert not any(value.n for value in heard.values() if value.counterpart and partition_of(value.department) == 0)
    second = asyncio.run(tell())
    assert second[0] > 100
    assert second[-1] == 0, "it had heard all"
    at_once = with_facts(spoken(list(fold([*chain.from_iterable(said)], configuration).indicators())))
    assert sum(1 for value in at_once.values() if value.counterpart) > 1000
    assert with_facts(heard.items()) == at_once
    assert asyncio.run(tell()) == [0, 0, 0]


def with_facts(values: Iterable[tuple[Key, IndicatorValue]]) -> dict[Key, IndicatorValue]:
    return {series: value for series, value in values if value.n}


def test_all_is_told_anew_now_and_then(
    said: list[list[bytes]], configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    departments, teller = fold(said[0], configuration), Told(0, Untold(1))

    async def tell() -> list[int]:
        said = await teller.departments(departments), await teller.counts(departments), await teller.of_pairs()
        return [len(one) for one in said]

    before = asyncio.run(tell())
    assert min(before) > 10
    assert asyncio.run(tell()) == [0, 0, 0]
    monkeypatch.setattr(told, "AGAIN_SECONDS", 0)
    assert asyncio.run(tell()) == [0, 0, 0], "nothing was folded"
    departments.meta.offset += 1
    assert asyncio.run(tell()) == before
