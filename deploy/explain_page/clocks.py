"""Under the lanes, a bar for each fact: what of it counted, when it was due, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from deploy.explain_page.axis import Axis
from deploy.explain_page.svg import box, element, length, line, shortened, told, words
from deploy.explain_page.wording import HELD, measure, moment, result, whom
from deploy.explain_text import NOT_DUE
from streams.fact import Fact, Outcome

if TYPE_CHECKING:
    from deploy.explain import Explained, Explanation

TALL, ROW, HEADING = 44.0, 34.0, 28.0
BAR = 10.0
PROMISED = "What was promised"
SIGNS = {
    Outcome.met: "✓",
    Outcome.missed: "✗",
    Outcome.excused: "○",
    Outcome.running: "▸",
    Outcome.paused: "‖",
    Outcome.done: "•",
    Outcome.cancelled: "∅",
}


def groups(explanation: Explanation) -> list[tuple[str, list[Explained]]]:
    """Facts as they stand under each other: what was promised comes first."""
    by_title: dict[str, list[Explained]] = {
        PROMISED: [],
        "What was measured without a promise": [],
        "Whether it held, and pauses were founded": [],
        "Whom the case waited for": [],
    }
    promised, measured, followed, waited = by_title.values()
    for item in explanation.facts:
        fact = item.fact
        if waiting(fact):
            waited.append(item)
        elif fact.measure in HELD:
            followed.append(item)
        elif fact.norm or fact.due is not None:
            promised.append(item)
        else:
            measured.append(item)
    return [
        (title, sorted(items, key=lambda item: (item.fact.start, item.fact.measure)))
        for title, items in by_title.items()
        if items
    ]


def height(explanation: Explanation, axis: Axis) -> float:
    return sum(
        HEADING + sum(_row_of(explanation, item, axis).height for item in items) for _, items in groups(explanation)
    )


def draw(explanation: Explanation, axis: Axis, y: float) -> Iterator[str]:
    """From ``y`` on."""
    for title, items in groups(explanation):
        yield line(0.0, y, axis.right, y, "rule")
        yield words(title, 4.0, y + 19, "heading")
        y += HEADING
        for item in items:
            row = _row_of(explanation, item, axis)
            yield element("g", *_drawn(explanation, item, axis, row, y), class_="clock")
            y += row.height


class Row(NamedTuple):
    """``said`` stands at ``x``: beside the bar if there is room, else above it."""

    height: float
    bar: float
    said: str
    x: float
    baseline: float


def _row_of(explanation: Explanation, item: Explained, axis: Axis) -> Row:
    said = f"{SIGNS.get(item.fact.outcome, '')} {result(item)}"
    wide, start, end = length(said, 7.0), axis.x(item.fact.start), axis.x(ends(item, explanation.now))
    before, after = start - 8 - wide, end + 8
    if due_of(item.fact) is None:
        for x, fits in ((after, after + wide <= axis.right), (before, before >= axis.left)):
            if fits:
                return Row(ROW, 8.0, said, x, 17.0)
    return Row(TALL, 18.0, said, max(axis.left, min(start, axis.right - wide)), 13.0)


def due_of(fact: Fact) -> int | None:
    return None if fact.measure in NOT_DUE else fact.due


def waiting(fact: Fact) -> bool:
    return fact.measure.startswith("waiting_")


def ends(item: Explained, now: int) -> int:
    """Where its bar ends: what still runs goes on until ``now``."""
    fact = item.fact
    if waiting(fact):  # all of them stop when the case does
        return item.intervals[-1].until if item.intervals else fact.start
    if fact.stop is not None:
        return fact.stop
    return now if fact.runs or fact.due is None else fact.due


def _drawn(explanation: Explanation, item: Explained, axis: Axis, row: Row, y: float) -> Iterator[str]:
    fact = item.fact
    yield line(0.0, y, axis.right, y, "between")
    yield words(shortened(measure(fact.measure), axis.left - 14, 6.8), 4.0, y + 14, "strong")
    yield words(shortened(whom(explanation, fact), axis.left - 14, 5.8), 4.0, y + 27, "small")
    end = axis.x(ends(item, explanation.now))
    yield element("g", *_bar(item, axis, y + row.bar, end), class_=f"fact {fact.outcome}")
    if (due := due_of(fact)) is not None:
        yield from _due(explanation, item, due, axis, y + row.bar)
    yield words(row.said, row.x, y + row.baseline, f"haloed said {fact.outcome}")


def _bar(item: Explained, axis: Axis, y: float, end: float) -> Iterator[str]:
    fact, start = item.fact, axis.x(item.fact.start)
    middle = y + BAR / 2
    yield told(f"{measure(fact.measure)}: {result(item)}")
    if not item.intervals:  # an instant, or a clock that never ran
        yield line(start, middle, end, middle, "stands")
        yield element("circle", cx=start, cy=middle, r=4.0, class_="solid")
        return
    if not waiting(fact):
        for since, until in _standing(item, end, axis):
            yield line(since, middle, until, middle, "stands")
    for interval in item.intervals:
        yield line(axis.x(interval.since), middle, axis.x(interval.until), middle, "thin")
        for since, until in interval.open:
            yield box(axis.x(since), y, axis.x(until) - axis.x(since), BAR, "solid")
    if waiting(fact):
        return
    yield line(start, y - 2, start, y + BAR + 2, "thin")
    if fact.stop is not None:
        yield line(end, y - 2, end, y + BAR + 2, "thin")


def _standing(item: Explained, end: float, axis: Axis) -> Iterator[tuple[float, float]]:
    """Between its intervals the clock stands."""
    edges: Sequence[tuple[float, float]] = [(axis.x(i.since), axis.x(i.until)) for i in item.intervals]
    for (_, since), (until, _) in pairwise([(0.0, axis.x(item.fact.start)), *edges, (end, end)]):
        if until > since:
            yield since, until


def _due(explanation: Explanation, item: Explained, due: int, axis: Axis, y: float) -> Iterator[str]:
    fact = item.fact
    x = axis.x(due)
    what = f"due {moment(due, explanation, '%a %d %b')}" + (f", promised {item.target}" if item.target else "")
    late = fact.outcome is Outcome.missed
    yield element(
        "g",
        told(what + (f" (norm {fact.norm})" if fact.norm else "")),
        line(x, y - 4, x, y + BAR + 5, "due"),
        element("path", d=f"M{x:.1f} {y - 4:.1f} l8 4 l-8 4 z", class_="flag"),
        class_="late" if late else None,
    )
    wide = length(what, 5.4)
    anchor, at = ("end", x - 4) if x + wide > axis.right else (None, x + 4)
    yield words(what, at, y + BAR + 12, "small haloed", anchor)
