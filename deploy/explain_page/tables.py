"""The same in tables: what happened, who had the case, and each fact as a bill that adds up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from deploy.explain_page import clocks
from deploy.explain_page.svg import element, text_of
from deploy.explain_page.wording import department, event, left, measure, moment, outcome, waits, whom
from deploy.explain_text import HOURS, acts
from deploy.words import duration

if TYPE_CHECKING:
    from deploy.explain import Explained, Explanation, Interval


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], foot: Sequence[str] = (), caption: str = "") -> str:
    """Cells are escaped already. A head that begins with ``#`` is of numbers, which stand to the right."""
    classes = ["number" if head.startswith("#") else None for head in heads]
    head = element(
        "tr",
        *(
            element("th", text_of(h.removeprefix("#")), scope="col", class_=c)
            for h, c in zip(heads, classes, strict=True)
        ),
    )
    body = [element("tr", *(_cell(c, k) for c, k in zip(row, classes, strict=True))) for row in rows]
    parts = [
        element("thead", head),
        element("tbody", *(body or [element("tr", element("td", "none", colspan=len(heads)))])),
    ]
    if caption:
        parts.insert(0, element("caption", caption))
    if foot:
        said, *rest = foot
        wide = element("th", said, scope="row", colspan=len(heads) - len(rest))
        parts.append(element("tfoot", element("tr", wide, *(_cell(c, "number") for c in rest))))
    return element("div", element("table", *parts), class_="scroll")


def _cell(text: str, class_: str | None) -> str:
    return element("td", text or " ", class_=class_)


def happened(explanation: Explanation) -> str:
    rows = (
        (
            str(number),
            text_of(moment(h.at, explanation)),
            text_of(event(h)),
            text_of(department(explanation, h.department)),
            text_of(h.note),
        )
        for number, h in enumerate(explanation.happened, 1)
    )
    return table(("#No.", "When", "What", "In", "What the source says"), rows)


def course(explanation: Explanation) -> str:
    """Whom it waited for; the sum is the time since it was created."""
    stretches = explanation.course
    rows = (
        (
            text_of(moment(s.since, explanation)),
            text_of(moment(s.until, explanation)),
            text_of(waits(explanation, s.waits_for, s.department, s.reason)),
            text_of(duration(s.until - s.since)),
            text_of(duration(s.business_us)),
        )
        for s in stretches
    )
    total = sum(s.until - s.since for s in stretches)
    foot = (
        "Sum: all the time between the first and the last",
        text_of(duration(total)),
        text_of(duration(sum(s.business_us for s in stretches))),
    )
    return table(("From", "Until", "What was going on", "#Time", "#Working time"), rows, foot if stretches else ())


def bills(explanation: Explanation) -> Iterator[str]:
    """A table for each fact, in the order of the drawing."""
    for _, items in clocks.groups(explanation):
        for item in items:
            yield element("section", *_bill(explanation, item), class_="bill")


def _bill(explanation: Explanation, item: Explained) -> Iterator[str]:
    fact = item.fact
    yield element(
        "h3",
        text_of(f"{measure(fact.measure)}: {whom(explanation, fact)} "),
        element(
            "span", text_of(f"{clocks.SIGNS.get(fact.outcome, '')} {outcome(fact)}"), class_=f"outcome {fact.outcome}"
        ),
    )
    yield element("p", *_terms(explanation, item), class_="terms")
    if not item.intervals:
        yield element("p", text_of(_without_time(explanation, item)))
        return
    names = {h.event: f"{n} {event(h)}" for n, h in enumerate(explanation.happened, 1)}
    rows = ([str(n), *_interval(explanation, i, names)] for n, i in enumerate(item.intervals, 1))
    total = text_of(duration(item.business_us))
    said = f"The sum, {text_of(item.so_far)}" if fact.stop is None else "The sum, which is the fact"
    yield table(
        ("#No.", "From", "Until", "Begins with", "Ends with", "By the hours of", "Open in it", "#Counts"),
        rows,
        (said, total),
    )


def _terms(explanation: Explanation, item: Explained) -> Iterator[str]:
    """The norm, the due instant, and what programs call it."""
    fact = item.fact
    if fact.norm:
        yield text_of(f"Promised {item.target}, ")
        yield text_of(f"due {moment(fact.due, explanation)}" if fact.due is not None else "not due while it is paused")
        yield text_of(f" (norm {fact.norm}). ")
    elif (due := clocks.due_of(fact)) is not None:
        yield text_of(f"Until {moment(due, explanation)}. ")
    if fact.flags:
        yield text_of(f"Note: {fact.flags.replace('_', ' ')}. ")
    yield element("code", text_of(fact.measure))


def _without_time(explanation: Explanation, item: Explained) -> str:
    fact = item.fact
    if item.share is not None:
        return (
            f"Of the promised time was left: {left(item.share, 4)}. That is what the work of the episode that began on "
            f"{moment(fact.start, explanation)} did not use of its target."
        )
    if item.acts is not None:
        return f"The sum is {acts(item.acts)}: answers, questions, notes, taking it up, solving."
    begins, ends = moment(fact.start, explanation), moment(clocks.ends(item, explanation.now), explanation)
    return (
        f"No time counts: {begins}"
        + (f" – {ends}" if ends != begins else "")
        + f". The sum is {duration(item.business_us)}."
    )


def _interval(explanation: Explanation, interval: Interval, names: dict[str, str]) -> Iterator[str]:
    yield text_of(moment(interval.since, explanation))
    yield text_of(moment(interval.until, explanation))
    untold = {explanation.now: "now"} | {u.at: u.what for u in explanation.untold}
    for ids, at in ((interval.begins, interval.since), (interval.ends, interval.until)):
        yield text_of(", ".join(names[id] for id in ids) or untold.get(at, ""))
    yield text_of(HOURS.get(interval.department) or department(explanation, interval.department))
    yield " + ".join(_open(explanation, interval)) or "never"
    yield text_of(duration(interval.business_us))


def _open(explanation: Explanation, interval: Interval) -> Iterator[str]:
    """Each stretch with its length: they add up to what the interval counts."""
    if [tuple(o) for o in interval.open] == [(interval.since, interval.until)]:
        yield "all of it"
        return
    day = ""
    for since, until in interval.open:
        begins = moment(since, explanation, "%a %d %b")
        said = begins if begins[:10] != day else moment(since, explanation, "")
        day = begins[:10]
        span = f"{said}–{moment(until, explanation, '')} ({duration(until - since)})"
        yield element("span", text_of(span), class_="span")
