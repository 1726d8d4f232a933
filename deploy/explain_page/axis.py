"""The time axis: to scale where somebody is open or something happens, cut short where it is closed or silent for long.

                Mon 16──17    │ 16 h │    Tue 09──10          │ 12 days │   Mon 09──11
    to scale    ──────────    ╎      ╎    ──────────          ╎         ╎   ──────────
                              closed                  silent, whoever is open

Instants are UTC microseconds, places along the axis are pixels.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

HOUR = 3_600_000_000
DAY = 24 * HOUR

CLOSED_FOR = 5 * HOUR // 4
"""Who is closed for longer is cut out; a lunch break is not."""
SILENT_FOR = 30 * HOUR
"""Without anything that happens, hours are cut out too; of the hours beside an event so much stays."""
BESIDE = 3 * HOUR // 2

CUT = 16.0
LEAST = 9.0
"""Pixels of what is cut, and of what would else be too short to be seen."""
SCALE, LEAST_SCALE = 32.0, 7.0
NARROW, WIDE = 640.0, 1150.0
"""Pixels of an hour, while the axis is not narrower or wider than these; it is wider where hours would be too short."""

Span = tuple[int, int]


class Piece(NamedTuple):
    """A part of the axis; ``cut``: not to scale."""

    since: int
    until: int
    cut: bool
    x: float = 0.0
    width: float = 0.0


class Axis:
    """From the first of ``happens`` to the last. ``open``: when anybody is open, in any order. ``left``: where it begins."""

    def __init__(self, happens: Iterable[int], open: Iterable[Span], left: float) -> None:
        instants = sorted(set(happens))
        if len(instants) < 2:  # a case of one event has an axis too
            instants = [instants[0], instants[0] + HOUR]
        self.since, self.until, self.left = instants[0], instants[-1], left
        self.pieces = self._laid_out(list(_pieces(instants, union(open))))
        self.right = self.pieces[-1].x + self.pieces[-1].width
        self._starts = [piece.since for piece in self.pieces]

    def _laid_out(self, pieces: Sequence[Piece]) -> list[Piece]:
        hours = sum(p.until - p.since for p in pieces if not p.cut) / HOUR
        room = WIDE - CUT * sum(p.cut for p in pieces)
        scale = max(min(max(hours * SCALE, NARROW), room) / hours, LEAST_SCALE) if hours else 0.0
        placed, x = [], self.left
        for piece in pieces:
            width = CUT if piece.cut else max((piece.until - piece.since) / HOUR * scale, LEAST)
            placed.append(piece._replace(x=x, width=width))
            x += width
        return placed

    def x(self, at: int) -> float:
        """Where an instant is; outside, the nearest end."""
        at = min(max(at, self.since), self.until)
        piece = self.pieces[bisect_right(self._starts, at) - 1]
        return piece.x + piece.width * (at - piece.since) / (piece.until - piece.since)

    @property
    def cuts(self) -> list[Piece]:
        return [piece for piece in self.pieces if piece.cut]


def union(spans: Iterable[Span]) -> list[Span]:
    """What any of them covers, in order; none touches the next."""
    covered: list[Span] = []
    for since, until in sorted(spans):
        if covered and since <= covered[-1][1]:
            covered[-1] = (covered[-1][0], max(covered[-1][1], until))
        else:
            covered.append((since, until))
    return covered


def _pieces(instants: Sequence[int], open: Sequence[Span]) -> Iterator[Piece]:
    """In order, without gaps. What touches and is to scale is in one piece only between two instants: each has its least width."""
    for since, until in pairwise(instants):
        head, tail = since, until
        if until - since > SILENT_FOR:
            for opens, closes in open:
                if opens <= since < closes:
                    head = min(closes, since + BESIDE)
                if opens < until <= closes:
                    tail = max(opens, until - BESIDE)
            yield from _by_hours(since, head, open)
            yield Piece(head, tail, cut=True)
            yield from _by_hours(tail, until, open)
        else:
            yield from _by_hours(since, until, open)


def _by_hours(since: int, until: int, open: Sequence[Span]) -> Iterator[Piece]:
    """Where all are closed for long it is cut; the rest is to scale."""
    at = since
    gaps = pairwise(
        [(since, since), *((max(a, since), min(b, until)) for a, b in open if a < until and b > since), (until, until)]
    )
    for (_, closes), (opens, _) in gaps:
        if opens - closes > CLOSED_FOR:
            if at < closes:
                yield Piece(at, closes, cut=False)
            yield Piece(closes, opens, cut=True)
            at = opens
    if at < until:
        yield Piece(at, until, cut=False)
