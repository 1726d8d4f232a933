"""One case as a page: self-contained, without a script, legible in light, in the dark, on paper and aloud.

Departments, never persons: what is shown has no pseudonym in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from deploy.explain_page import clocks, tables
from deploy.explain_page.figure import figure
from deploy.explain_page.style import STYLE
from deploy.explain_page.svg import element, text_of
from deploy.explain_page.wording import department, measure, moment, result, waits, whom

if TYPE_CHECKING:
    from deploy.explain import Explanation


def page(explanation: Explanation) -> str:
    """HTML that is well-formed XML too."""
    title = f"Case {text_of(explanation.case)}, explained"
    known = f"As known on {moment(explanation.now, explanation)}. All times are those of {explanation.zone}."
    judged = f"Judged by version {explanation.version} of the company file and the norms."
    summary = list(_summary(explanation))
    told = ". ".join(f"{term}: {said}" for term, said, _ in summary) + ". The tables below hold all of it."
    head = element(
        "head",
        '<meta charset="utf-8"/>',
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
        '<meta name="color-scheme" content="light dark"/>',
        element("title", title),
        element("style", STYLE),
    )
    facts = list(tables.bills(explanation))
    body = element(
        "body",
        element("header", element("h1", title), element("p", text_of(known), class_="muted")),
        element(
            "main",
            element("dl", *(element("dt", text_of(t)) + _described(s, o) for t, s, o in summary)),
            element(
                "figure",
                element(
                    "div", figure(explanation, told), class_="scroll", tabindex=0, role="group", aria_label="Drawing"
                ),
                element("figcaption", *_key()),
            ),
            element("h2", "How the numbers add up"),
            element("p", text_of(_HOW), class_="muted"),
            *(facts or [element("p", "There are no facts of this case.")]),
            element("h2", "Whom the case waited for"),
            tables.course(explanation),
            element("h2", "What happened"),
            tables.happened(explanation),
        ),
        element("footer", element("p", text_of(f"{judged} {_UNITS}"), class_="muted")),
    )
    return f'<!DOCTYPE html>\n<html lang="en">{head}{body}</html>\n'


_HOW = (
    "Each number is the sum of the intervals in its table, and each interval counts the time in which the named department was "
    "open. Nothing is rounded."
)
_UNITS = "In targets bh and bm are business hours and minutes, bd business days, h and m round the clock."


def _summary(explanation: Explanation) -> Iterator[tuple[str, str, str]]:
    """Term, description in plain words, and the outcome that it tells, if any."""
    course = explanation.course
    if course:
        yield "Asked by", f"{department(explanation, explanation.asks)}, {moment(course[0].since, explanation)}", ""
        had = [s.department for s in course if s.waits_for != "closed"]
        line = [d for n, d in enumerate(had) if n == 0 or had[n - 1] != d]
        yield "Who had it", " → ".join(department(explanation, d) for d in line), ""
        yield "How it stands", _stands(explanation), ""
    for group, items in clocks.groups(explanation):
        for item in items:
            if group == clocks.PROMISED:
                said = f"{clocks.SIGNS.get(item.fact.outcome, '')} {result(item)} ({whom(explanation, item.fact)})"
                yield measure(item.fact.measure), said, str(item.fact.outcome)
    for item in explanation.facts:
        if item.fact.measure == "excluded":
            yield measure("excluded"), f"because it is {item.fact.flags.replace('_', ' ')}", ""


def _described(said: str, of: str) -> str:
    return element("dd", element("span", text_of(said), class_=f"outcome {of}") if of else text_of(said))


def _stands(explanation: Explanation) -> str:
    last = explanation.course[-1]
    if last.until == explanation.now:
        waiting = waits(explanation, last.waits_for, last.department, last.reason)
        return f"open: {waiting} since {moment(last.since, explanation)}"
    return f"ended on {moment(last.until, explanation)}"


def _key() -> Iterator[str]:
    """What the signs of the drawing mean, each beside its sign."""
    yield element("ul", *(element("li", _sign(sign), text_of(said)) for sign, said in _SIGNS), class_="key")
    yield element("p", text_of(_CUT))


def _sign(inside: str) -> str:
    return element("svg", inside, width=26, height=14, viewBox="0 0 26 14", aria_hidden="true")


_SIGNS = (
    ('<rect class="open" width="26" height="14"/>', "open"),
    ('<rect class="closed" width="26" height="14"/>', "closed"),
    ('<rect class="held" y="1" width="26" height="12"/>', "has the case"),
    (
        '<rect class="held" y="1" width="26" height="12"/><rect class="pause" y="1" width="26" height="12"/>',
        "has it, and waits",
    ),
    ('<rect class="nobody" y="1" width="26" height="12"/>', "nobody has it"),
    ('<circle class="mark" cx="13" cy="7" r="3.5"/>', "something happens (numbers as in the last table)"),
    (
        '<g class="arrow handed"><line class="shaft" x1="13" x2="13" y2="8"/><path class="head" d="M13 14 l-4 -7 h8 z"/></g>',
        "handed over (dotted: the request; dashed: moved by a reorganisation)",
    ),
    ('<g class="fact done"><rect class="solid" y="2" width="26" height="10"/></g>', "counts"),
    ('<g class="fact done"><line class="thin" x1="0" y1="7" x2="26" y2="7"/></g>', "runs, but does not count: closed"),
    ('<g class="fact done"><line class="stands" x1="0" y1="7" x2="26" y2="7"/></g>', "the clock stands"),
    ('<line class="due" x1="8" y1="0" x2="8" y2="14"/><path class="flag" d="M8 0 l8 4 l-8 4 z"/>', "due"),
    ('<rect class="cut" width="26" height="14"/>', "cut short"),
)
_CUT = (
    "Time runs to scale, but where everybody is closed, or nothing happens for days, it is cut short: the grey columns say how "
    "long they last. What lies within minutes is drawn apart so that it can be seen."
)
