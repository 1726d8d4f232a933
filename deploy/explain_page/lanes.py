"""A lane for each department: when it is open, when it had the case, what happened in it, and what it handed on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from deploy.explain_page.axis import Axis
from deploy.explain_page.svg import box, element, length, line, shortened, text_of, told, words
from deploy.explain_page.wording import PAUSES, WAITS, department, event, moment, waits
from streams.fact import UNOWNED

if TYPE_CHECKING:
    from deploy.explain import Explanation

ROW, BAND = 14.0, 16.0
"""Pixels of a row of labels, and of the band that says who has it."""
ABOVE, BETWEEN, BELOW = 8.0, 9.0, 8.0


class Label(NamedTuple):
    text: str
    title: str
    x: float
    row: int

    @property
    def right(self) -> float:
        return self.x + length(self.text) + 10


class Lane(NamedTuple):
    """``marks``: the height of the dots. Under it is the ``band`` of who had the case, from there on ``deep``."""

    department: str
    y: float
    height: float
    labels: Sequence[Label]
    deep: float

    @property
    def marks(self) -> float:
        return self.band - (BETWEEN if self.deep else 4.0)

    @property
    def band(self) -> float:
        return self.y + self.height - BELOW - self.deep


def lanes(explanation: Explanation, axis: Axis, y: float) -> list[Lane]:
    """One under the other from ``y`` on: who asked, who had it, and who else did something, in the order of time."""
    order = [
        explanation.asks,
        *(s.department for s in explanation.course),
        *(h.department for h in explanation.happened),
    ]
    placed = []
    for name in dict.fromkeys(order):
        labels = _labels(explanation, name, axis)
        rows = max((label.row for label in labels), default=0) + 1
        deep = BAND if _had(explanation, name) else 0.0
        height = ABOVE + rows * ROW + BETWEEN + BETWEEN + deep + BELOW
        placed.append(Lane(name, y, height, labels, deep))
        y += height
    return placed


def _labels(explanation: Explanation, name: str, axis: Axis) -> list[Label]:
    """From the last to the first, each in the lowest row that is free: then no line to a label crosses another label."""
    marks = [
        (h.at, f"{number} {event(h)}", f": {h.note}" if h.note else "")
        for number, h in enumerate(explanation.happened, 1)
        if h.department == name
    ]
    marks += [(u.at, u.what, "") for u in explanation.untold if u.department == name]
    marks.sort(key=lambda mark: mark[0])
    free: list[float] = []
    found = []
    for at, text, note in reversed(marks):
        title, x = f"{text}, {moment(at, explanation)}{note}", axis.x(at)
        right = Label(text, title, x, 0).right
        row = next((row for row, least in enumerate(free) if right <= least), len(free))
        free[row : row + 1] = [x - 2]
        found.append(Label(text, title, x, row))
    return found


def ground(explanation: Explanation, axis: Axis, placed: Sequence[Lane]) -> Iterator[str]:
    """What everything else is drawn on."""
    for lane in placed:
        yield element("g", *_ground(explanation, axis, lane), class_="lane")


def draw(explanation: Explanation, axis: Axis, placed: Sequence[Lane]) -> Iterator[str]:
    for lane in placed:
        yield from _band(explanation, axis, lane)
    yield from _arrows(explanation, axis, {lane.department: lane for lane in placed})
    for lane in placed:
        yield from _marks(lane)


def _ground(explanation: Explanation, axis: Axis, lane: Lane) -> Iterator[str]:
    """What it is called, and its hours."""
    yield box(axis.left, lane.y, axis.right - axis.left, lane.height, "closed")
    for since, until in explanation.hours.get(lane.department, ()):
        if until > axis.since and since < axis.until:
            x = axis.x(since)
            hours = f"open {moment(since, explanation)} – {moment(until, explanation, '')}"
            yield box(x, lane.y + 1, axis.x(until) - x, lane.height - 2, "open", hours)
    yield line(0.0, lane.y, axis.right, lane.y, "rule")
    yield words(shortened(_named(explanation, lane), axis.left - 16, 7.2), 4.0, lane.y + 21, "strong")
    yield words(_part(explanation, lane), 4.0, lane.y + 37, "small")


def _named(explanation: Explanation, lane: Lane) -> str:
    name = department(explanation, lane.department)
    return name[:1].upper() + name[1:]


def _part(explanation: Explanation, lane: Lane) -> str:
    """What it has to do with the case."""
    asks = lane.department == explanation.asks
    had = _had(explanation, lane.department)
    if lane.department == UNOWNED:
        return "no department had it"
    return "asked, and had it" if asks and had else "asked" if asks else "had it" if had else "took part"


def _had(explanation: Explanation, department: str) -> bool:
    return any(s.department == department and s.waits_for != "closed" for s in explanation.course)


def _band(explanation: Explanation, axis: Axis, lane: Lane) -> Iterator[str]:
    for stretch in explanation.course:
        if stretch.department != lane.department or stretch.waits_for == "closed":
            continue
        x, width = axis.x(stretch.since), axis.x(stretch.until) - axis.x(stretch.since)
        title = (
            f"{waits(explanation, stretch.waits_for, stretch.department, stretch.reason)}, "
            f"{moment(stretch.since, explanation)} – {moment(stretch.until, explanation)}"
        )
        paused = stretch.waits_for in PAUSES
        yield box(x, lane.band, width, BAND, "nobody" if stretch.waits_for == "unowned" else "held", title)
        if paused:
            yield box(x, lane.band, width, BAND, "pause", title)
        said = WAITS.get(stretch.waits_for, stretch.waits_for)
        if length(said) + 8 <= width:
            yield words(said, x + 5, lane.band + 12, "hatched" if paused else "")


def _arrows(explanation: Explanation, axis: Axis, placed: dict[str, Lane]) -> Iterator[str]:
    """From the requester to whoever had it first, and on from lane to lane."""
    first = explanation.course[0] if explanation.course else None
    if first is not None and first.department != explanation.asks:
        yield _arrow(axis.x(first.since), placed[explanation.asks], placed[first.department], "asks", "the request")
    for hand_over in explanation.hand_overs:
        giver, receiver = (department(explanation, d) for d in (hand_over.giver, hand_over.receiver))
        when = moment(hand_over.at, explanation)
        moved = f"moved with its group from {giver} to {receiver} by a reorganisation, {when}"
        title = moved if hand_over.moved else f"handed over from {giver} to {receiver}, {when}"
        kind = "reorganised" if hand_over.moved else "handed"
        yield _arrow(axis.x(hand_over.at), placed[hand_over.giver], placed[hand_over.receiver], kind, title)


def _arrow(x: float, giver: Lane, receiver: Lane, kind: str, title: str) -> str:
    down = giver.y < receiver.y
    y = giver.band + giver.deep if down else giver.band
    y2 = receiver.band - 1 if down else receiver.band + receiver.deep + 1
    point = -7 if down else 7
    head = f"M{x:.1f} {y2:.1f} l-4 {point} h8 z"
    return element(
        "g",
        told(title),
        line(x, y, x, y2 + point, "shaft"),
        element("path", d=head, class_="head"),
        class_=f"arrow {kind}",
    )


def _marks(lane: Lane) -> Iterator[str]:
    for label in lane.labels:
        y = lane.marks - BETWEEN - label.row * ROW
        yield line(label.x, y - 8, label.x, lane.marks, "leader")
        yield element("text", told(label.title), text_of(label.text), x=label.x + 4, y=y, class_="haloed")
        yield element("circle", told(label.title), cx=label.x, cy=lane.marks, r=3.5, class_="mark")
