"""CONTRACT: how many facts stand behind each value of a pair (topic ``crossdesk.pairs``), and what is not told because of it.

The sums that would give a pair away (:mod:`streams.hidden`) are of pairs that lie in several partitions. So each partition says how
many facts its own have, all hear it, and each decides the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Protocol

import msgspec
from msgspec import Struct

from streams.hidden import Pair, untold_pairs
from streams.indicators import IndicatorValue

What = tuple[str, str]
"""An indicator and a window."""

Counts = Mapping[What, Mapping[Pair, int]]


class PairFacts(Struct, array_like=True, frozen=True):
    """Of one indicator, from one partition: behind the values of ``pairs``, over each window. ``offset``: of the last record that
    was folded; the highest stands.
    """

    offset: int
    pairs: tuple[Pair, ...] = ()
    facts: dict[str, tuple[int, ...]] = {}


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(PairFacts).decode


def key(partition: int, indicator: str) -> bytes:
    """Of a record. Without an indicator it says that the partition has said all others."""
    return f"{partition}/{indicator}".encode()


class Tree(Protocol):
    """Of departments, at an instant."""

    @property
    def hidden(self) -> Collection[str]:
        """Who is not told of."""

    def pair(self, value: IndicatorValue) -> Pair:
        """Of which it is a value."""

    def above(self, pair: Pair) -> Pair:
        """In which it is counted one level up."""


def told(
    values: Iterable[IndicatorValue], untold: Callable[[What], Collection[Pair]], tree: Tree
) -> Iterator[IndicatorValue]:
    """Those of pairs that are ``untold`` say that there is nothing to say, as those do that have no facts."""
    for value in values:
        hides = value.counterpart and value.n and tree.pair(value) in untold((value.indicator, value.window))
        yield nothing(value) if hides else value


def nothing(value: IndicatorValue) -> IndicatorValue:
    """There is nothing to say."""
    return msgspec.structs.replace(value, value=None, n=0, low=None, high=None, beyond=False)


def counted(values: Iterable[IndicatorValue], tree: Tree) -> Counts:
    """Behind those of pairs."""
    found: defaultdict[What, dict[Pair, int]] = defaultdict(dict)
    for value in values:
        if value.counterpart and value.n:
            found[value.indicator, value.window][tree.pair(value)] = value.n
    return found


def told_alone(values: Collection[IndicatorValue], tree: Tree) -> Iterator[IndicatorValue]:
    """Where these are all that there are."""
    untold = {what: untold_pairs(facts, tree.hidden, tree.above) for what, facts in counted(values, tree).items()}
    return told(values, untold.__getitem__, tree)


class Untold:
    """Which pairs are not told, of all ``partitions``: none is, before each has said how many facts its own have."""

    def __init__(self, partitions: int) -> None:
        self.changes = 0
        """How often something was heard that is new."""
        self._heard: dict[bytes, PairFacts] = {}
        self._overtaken: set[bytes] = set()
        """What the log has last was said by somebody who had been paused: whoever has the partition says it again."""
        self._missing = {key(partition, "") for partition in range(partitions)}
        self._of: defaultdict[str, dict[int, PairFacts]] = defaultdict(dict)
        self._decided: defaultdict[str, dict[str, tuple[Collection[str], Collection[Pair]]]] = defaultdict(dict)
        """Of an indicator, over each window: who was hidden then, and what is not told."""

    def hear(self, about: bytes, said: PairFacts) -> bool:
        """Whether it is news. What a worker says late that had been paused is not."""
        before = self._heard.get(about)
        if before is not None and before.offset > said.offset:
            self._overtaken.add(about)
            return False
        self._overtaken.discard(about)
        self._heard[about] = said
        self._missing.discard(about)
        if before is not None and (before.pairs, before.facts) == (said.pairs, said.facts):
            return False
        partition, _, indicator = about.decode().partition("/")
        self._of[indicator][int(partition)] = said
        self._decided.pop(indicator, None)
        self.changes += 1
        return True

    def say(
        self, partition: int, counts: Counts, offset: int, *, again: bool = False
    ) -> Iterator[tuple[bytes, PairFacts]]:
        """What of a partition the others have not heard, or (``again``) all. It counts from now on."""
        of: defaultdict[str, dict[str, Mapping[Pair, int]]] = defaultdict(dict)
        for (indicator, window), facts in counts.items():
            of[indicator][window] = facts
        gone = {indicator for indicator, said in self._of.items() if indicator and partition in said} - of.keys()
        for indicator in [*sorted(of.keys() | gone), ""]:
            windows = of[indicator]
            pairs = tuple(sorted({pair for facts in windows.values() for pair in facts}))
            numbers = {name: tuple(windows[name].get(pair, 0) for pair in pairs) for name in sorted(windows)}
            about, one = key(partition, indicator), PairFacts(offset, pairs, numbers)
            overtaken = about in self._overtaken
            if self.hear(about, one) or overtaken or again:
                yield about, one

    def pairs(self, what: What, tree: Tree) -> Collection[Pair]:
        """Of an indicator over a window."""
        indicator, window = what
        before = self._decided[indicator].get(window)
        if before is not None and before[0] == tree.hidden and not self._missing:
            return before[1]
        facts = {
            pair: n
            for said in self._of[indicator].values()
            for pair, n in zip(said.pairs, said.facts.get(window, ()), strict=False)
        }
        if self._missing:
            return facts.keys()
        untold = untold_pairs(facts, tree.hidden, tree.above)
        self._decided[indicator][window] = tree.hidden, untold
        return untold
