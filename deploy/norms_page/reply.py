"""A text for a department's automatic reply: what colleagues may expect. It stands for weeks, so it names no next opening."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deploy.norms_page.open_hours import hours_in_a_sentence
from deploy.norms_page.page import Turnaround, Written
from deploy.words import about, day

EXPECTED = {"first_response": "a first answer", "resolution": "a solution"}


def reply_text(written: Written, turnaround: Sequence[Turnaround], at: int) -> str:
    """``at``: when it is written (UTC µs)."""
    return "\n\n".join(paragraph for paragraph in _paragraphs(written, turnaround, at) if paragraph)


def _paragraphs(written: Written, turnaround: Sequence[Turnaround], at: int) -> Iterator[str]:
    hours = written.hours
    yield f"Thank you for your message to {written.name}. This reply is automatic: it only says what you may expect."
    if hours.always:
        yield "We are open around the clock."
    else:
        yield f"We are open {hours_in_a_sentence(hours)} ({hours.zone} time), but not on our public holidays."
    by_kind = {one.kind: one for one in turnaround if one.kind in EXPECTED}
    promises = [_promise(one) for one in by_kind.values()]
    if promised := " and ".join(filter(None, promises)):
        some = any(p.services or p.priorities for one in by_kind.values() for p in one.promised)
        yield f"We promise {promised}." + (" For some services and priorities other times hold." if some else "")
    said = [_observed(kind, one) for kind, one in by_kind.items()]
    if observed := "; ".join(filter(None, said)):
        yield f"In the 28 days until {day(at, hours.zone)}, counting our opening time only: {observed}."
    yield _reach(written)


def _promise(one: Turnaround) -> str:
    general = next((p for p in one.promised if not p.services and not p.priorities), None)
    if general is None:
        return ""
    preposition = "by" if general.written.startswith("by ") else "within"
    return f"{EXPECTED[one.kind]} {preposition} {general.words}"


def _observed(kind: str, one: Turnaround) -> str:
    p50, p90 = one.p50, one.p90
    if p50 is None or p90 is None or p50.seconds is None or p90.seconds is None or p50.beyond:
        return ""
    most = (
        f"nine of ten waited more than {about(p90.seconds)}"
        if p90.beyond
        else f"nine of ten within {about(p90.seconds)}"
    )
    what = {"first_response": "had their first answer", "resolution": "were solved"}[kind]
    return f"half of {p50.n:,} cases {what} within {about(p50.seconds)}, {most}"


def _reach(written: Written) -> str:
    contact = written.contact
    if contact is None:
        return ""
    ways = (contact.link, contact.email, contact.phone)
    lines = [contact.best, " · ".join(filter(None, ways)), contact.meeting]
    return "\n".join(filter(None, lines))
