"""What stands above the time axis: days, hours, and how long each cut is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from deploy.explain_page.axis import DAY, HOUR, Axis
from deploy.explain_page.svg import box, length, line, words
from deploy.explain_page.wording import long
from ingest.event import instant as instant_of

HEIGHT = 62.0
APART = 36.0
"""Pixels between two hours that are named."""
STEPS = (1, 2, 3, 6, 12)


def ticks(axis: Axis, zone: str, until: float) -> Iterator[str]:
    """Down to ``until``."""
    yield from _cuts(axis, until)
    yield from _days(axis, ZoneInfo(zone), until)
    yield from _hours(axis, ZoneInfo(zone))


def _cuts(axis: Axis, until: float) -> Iterator[str]:
    for piece in axis.cuts:
        said = long(piece.until - piece.since)
        x, middle = piece.x, piece.x + piece.width / 2 + 3.5
        yield box(x, 0.0, piece.width, until, "cut", f"{said}, cut short here")
        yield line(x, 0.0, x, until, "edge")
        yield line(x + piece.width, 0.0, x + piece.width, until, "edge")
        yield words(said, middle, HEIGHT - 4, "small", transform=f"rotate(-90 {middle:.1f} {HEIGHT - 4:.1f})")


def _days(axis: Axis, zone: ZoneInfo, until: float) -> Iterator[str]:
    last, free = "", [axis.left, axis.left]
    for since, end in _to_scale(axis):
        for at in (since, *_midnights(since, end, zone)):
            day, x = instant_of(at).astimezone(zone).strftime("%a %d %b"), axis.x(at)
            if day != last:
                yield line(x, 4.0, x, until, "day")
                row = next((row for row, least in enumerate(free) if x >= least), None)
                if row is not None:
                    yield words(day, x + 4, 14.0 + 14.0 * row, "strong")
                    free[row] = x + 8 + length(day, 6.8)
            last = day


def _hours(axis: Axis, zone: ZoneInfo) -> Iterator[str]:
    free = axis.left
    for since, until in _to_scale(axis):
        free = max(free, axis.x(since))
        wide = (axis.x(until) - axis.x(since)) / ((until - since) / HOUR)
        step = next((step for step in STEPS if step * wide >= APART), 24)
        local = instant_of(since).astimezone(zone)
        at = since - (local - local.replace(minute=0, second=0, microsecond=0)) // timedelta(microseconds=1)
        while at <= until:
            hour, x = instant_of(at).astimezone(zone).hour, axis.x(at)
            if at >= since and hour % step == 0:
                yield line(x, HEIGHT - 8, x, HEIGHT, "tick")
                if x - 14 >= free and x + 14 <= axis.x(until):
                    yield words(f"{hour:02}:00", x, HEIGHT - 12, "small", "middle")
                    free = x + 18
            at += HOUR


def _to_scale(axis: Axis) -> Iterator[tuple[int, int]]:
    """The stretches between cuts."""
    for cut, pieces in groupby(axis.pieces, lambda piece: piece.cut):
        if not cut:
            run = list(pieces)
            yield run[0].since, run[-1].until


def _midnights(since: int, until: int, zone: ZoneInfo) -> Iterator[int]:
    day = instant_of(since).astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    for _ in range((until - since) // DAY + 2):
        day += timedelta(days=1)  # a local day, however long
        at = round(day.timestamp()) * 1_000_000
        if since < at < until:
            yield at
