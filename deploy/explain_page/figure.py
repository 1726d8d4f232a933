"""The drawing of a case: the time axis, a lane for each department, and the clocks under them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from deploy.explain_page import clocks, lanes
from deploy.explain_page.axis import Axis
from deploy.explain_page.svg import element, line, text_of, words
from deploy.explain_page.ticks import HEIGHT, ticks

if TYPE_CHECKING:
    from deploy.explain import Explanation

LEFT, RIGHT = 236.0, 12.0
"""Pixels for the names, and at least beside the axis, where the last labels end."""

PATTERN = element(
    "defs",
    element(
        "pattern",
        element("path", d="M0 7 L7 0 M-1 1 L1 -1 M6 8 L8 6", class_="hatch"),
        id="hatched",
        width=7,
        height=7,
        patternUnits="userSpaceOnUse",
    ),
)


def figure(explanation: Explanation, told: str) -> str:
    """Inline SVG; ``told`` says in words what it shows."""
    hours = (span for spans in explanation.hours.values() for span in spans)
    axis = Axis(explanation.instants or [explanation.now], hours, LEFT)
    placed = lanes.lanes(explanation, axis, HEIGHT)
    below = placed[-1].y + placed[-1].height
    height = below + clocks.height(explanation, axis) + 8
    width = max([axis.right, *(label.right for lane in placed for label in lane.labels)]) + RIGHT
    return element(
        "svg",
        element("title", f"Case {text_of(explanation.case)}", id="drawn"),
        element("desc", text_of(told), id="told"),
        PATTERN,
        *lanes.ground(explanation, axis, placed),
        *ticks(axis, explanation.zone, height),
        *lanes.draw(explanation, axis, placed),
        *clocks.draw(explanation, axis, below),
        *_now(explanation, axis, height),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        width=width,
        height=height,
        role="img",
        aria_labelledby="drawn told",
    )


def _now(explanation: Explanation, axis: Axis, height: float) -> Iterator[str]:
    """Only where something goes on."""
    if axis.since < explanation.now <= axis.until and any(item.fact.runs for item in explanation.facts):
        x = axis.x(explanation.now)
        yield line(x, HEIGHT, x, height, "now")
        yield words("now", x - 3, HEIGHT + 11, "small haloed", "end")
