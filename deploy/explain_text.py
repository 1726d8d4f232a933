"""An explanation in lines, for people at a terminal: first what happened, then each fact as a bill."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from deploy.words import duration, instant, visible
from streams.fact import UNMAPPED, UNOWNED

if TYPE_CHECKING:
    from deploy.explain import Explained, Explanation, Interval

ACTOR = {"provider_human": "provider", "provider_bot": "bot", "third_party": "third party"}
NAMES = {UNOWNED: "nobody", UNMAPPED: "unknown department"}
HOURS = {UNOWNED: "the organisation", UNMAPPED: "the organisation"}
NOT_DUE = frozenset(("after_hours", "pause", "timely_thanks"))
"""What these were is told by an instant at which nothing is due."""
THIS_YEAR, ANY_YEAR = "%a %d %b", "%a %d %b %Y"


def lines(explanation: Explanation) -> Iterator[str]:
    """First what happened, numbered; then each fact as a bill, whose items refer to those numbers."""
    zone, happened = explanation.zone, explanation.happened
    yield f"Case {explanation.case}, as known on {instant(explanation.now // 1_000_000 * 1_000_000, zone)} ({zone})"
    yield ""
    times = [instant(h.at, zone) for h in happened]
    width = max(map(len, times), default=0)
    for number, (h, time) in enumerate(zip(happened, times, strict=True), 1):
        yield visible(
            f"{number:>4}  {time:<{width}}  {h.kind:<17}  {ACTOR.get(h.actor, h.actor):<11}  {h.event[:8]}  {h.note}"
        ).rstrip()
    bill = _Bill(explanation)
    for item in explanation.facts:
        yield ""
        yield from bill.lines(item)
    yield ""
    yield f"Judged by version {explanation.version} of the company file and the norms. bh, bd: business hours and days."
    yield "Whole ids of events, and instants in microseconds: --json."


def acts(n: int) -> str:
    return f"{n} act{'s' if n > 1 else ''}"


class _Bill:
    """A fact in lines: what is owed, the items, the sum."""

    def __init__(self, explanation: Explanation) -> None:
        self.now, self.zone, self.names = explanation.now, explanation.zone, explanation.names
        self.untold = {u.at: u.what for u in explanation.untold}
        self.events = {h.event: f"{n} {h.kind}" for n, h in enumerate(explanation.happened, 1)}
        ends = [explanation.now, *(h.at for h in explanation.happened)]
        self.form = THIS_YEAR if len({instant(at, self.zone, "%Y")[:4] for at in ends}) == 1 else ANY_YEAR

    def lines(self, item: Explained) -> Iterator[str]:
        fact = item.fact
        whom = self.name(fact.department) + (f" ← {self.name(fact.counterpart)}" if fact.counterpart else "")
        timed = item.share is None and item.acts is None and bool(item.intervals or fact.business_us)
        what = f", {duration(item.business_us)} of working time" if timed else ""
        if item.share is not None:
            what = f", {item.share:.2%} of the promised time was left"
        if item.acts is not None:
            what = f", {acts(item.acts)}"
        yield visible(f"{fact.measure} · {whom}: {fact.outcome}{what}")
        if fact.norm:
            due = f"due {instant(fact.due, self.zone)}" if fact.due is not None else "not due while it is paused"
            yield visible(f"  promised {item.target}, {due}  (norm {fact.norm})")
        elif fact.due is not None and fact.measure not in NOT_DUE:
            yield f"  until {instant(fact.due, self.zone)}"
        if fact.flags:
            yield visible(f"  note: {fact.flags}")
        if not timed:
            yield f"  {self.span(fact.start, fact.stop or fact.start)}  {self.events.get(fact.opener.hex(), '')}".rstrip()
            return
        yield from self.items(item.intervals)
        yield f"  sum {duration(item.business_us)}" + ("" if fact.stop is not None else f", {item.so_far}")

    def items(self, intervals: Sequence[Interval]) -> Iterator[str]:
        by = ""
        for interval in intervals:
            if interval.department != by:
                by = interval.department
                yield visible(f"  by the hours of {HOURS.get(by) or self.name(by)}")
            yield (
                f"  {duration(interval.business_us):>16}  {self.span(interval.since, interval.until):<42}"
                f"  {self.between(interval)}"
            ).rstrip()
            if [tuple(o) for o in interval.open] != [(interval.since, interval.until)]:
                for since, until in interval.open:
                    yield f"  {duration(until - since):>20}  open {self.span(since, until)}"

    def name(self, department: str) -> str:
        return NAMES.get(department) or self.names.get(department) or department

    def span(self, since: int, until: int) -> str:
        """The day of the end only where it is another."""
        if until == self.now:
            until = until // 1_000_000 * 1_000_000
        first, last = (instant(at, self.zone, self.form) for at in (since, until))
        if since >= until:
            return first
        same = instant(since, self.zone, "%Y%m%d")[:8] == instant(until, self.zone, "%Y%m%d")[:8]
        return f"{first} – {instant(until, self.zone, '') if same else last}"

    def between(self, interval: Interval) -> str:
        begins, ends = (", ".join(self.events[i] for i in ids) for ids in (interval.begins, interval.ends))
        begins = begins or self.untold.get(interval.since, "")
        ends = ends or self.untold.get(interval.until, "now" if interval.until == self.now else "")
        return f"{begins} – {ends}".strip(" –") if begins or ends else ""
