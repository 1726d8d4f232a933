"""What measures, parties, events and outcomes are called on the page. What is not here is called as in the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.explain_text import ACTOR, NAMES, acts
from deploy.words import duration, instant
from streams.fact import UNOWNED, Fact, Outcome

if TYPE_CHECKING:
    from deploy.explain import Explained, Explanation, Happened

MEASURES = {
    "acceptance": "Taking it up",
    "after_hours": "When it was worked on",
    "bot_touch": "A bot wrote",
    "breach": "Had it until it was late",
    "exceeded": "Clearly earlier than promised",
    "excluded": "Left out of all numbers",
    "first_resolution": "First solution",
    "first_time_complete": "Handed over complete",
    "loop": "What became of the suggestion",
    "margin": "Promised time that was left",
    "orphan": "Without an owner",
    "pause": "Was the pause founded",
    "ping_pong": "Sent straight back",
    "promise_final": "Promise, last date agreed",
    "promise_first": "Promise, first date named",
    "reopening": "Does the solution hold",
    "resolution": "Work of an episode",
    "rework": "Had it once more",
    "round_trip": "Came back by way of others",
    "self_service": "Solved by a bot, and it held",
    "thanks": "Thanks for the solution",
    "timely_thanks": "Thanks for being in time",
    "waiting_closed": "Closed in between",
    "waiting_other_department": "Waited for another department",
    "waiting_provider": "Waited for the provider",
    "waiting_requester": "Waited for the requester",
    "waiting_third_party": "Waited for a third party",
    "waiting_unowned": "Waited for an owner",
}
WAITS = {
    "provider": "works on it",
    "requester": "waits for the requester",
    "other_department": "waits for another department",
    "third_party": "waits for a third party",
    "unowned": "nobody has it",
    "closed": "closed",
}
PAUSES = ("requester", "other_department", "third_party")
HELD = {
    "after_hours": ("within opening hours", "outside opening hours"),
    "exceeded": ("a quarter was left, and it held", "less than a quarter was left, or it was reopened"),
    "first_time_complete": ("it did not come back", "it came back for what was missing"),
    "pause": ("an answer was due", "the requester had written, or nobody said why"),
    "reopening": ("it held", "it was reopened"),
    "self_service": ("nobody was needed", "it was reopened"),
    "thanks": ("who asked said thank you", "nobody did in five business days"),
    "timely_thanks": ("they said so, or a quarter was left", "for something else"),
}
"""What follow-ups say when they are met, and when they are not."""
HANDED = ("acceptance", "first_time_complete", "ownership", "ping_pong", "rework", "round_trip")
"""Their counterpart is who handed it over, else who asked."""


def measure(name: str) -> str:
    return MEASURES.get(name) or name.replace("_", " ").capitalize()


def department(explanation: Explanation, id: str) -> str:
    return NAMES.get(id) or explanation.names.get(id) or id


def whom(explanation: Explanation, fact: Fact) -> str:
    """``IT Service, for Finance``; of a hand-over ``IT Service, from Finance``."""
    mine = department(explanation, fact.department)
    towards = "from" if fact.measure in HANDED else "for"
    return f"{mine}, {towards} {department(explanation, fact.counterpart)}" if fact.counterpart else mine


def outcome(fact: Fact) -> str:
    """In words that need no colour."""
    if fact.measure in HELD and fact.outcome in (Outcome.met, Outcome.missed):
        return f"{fact.outcome}: {HELD[fact.measure][fact.outcome is Outcome.missed]}"
    if fact.measure.startswith("waiting_"):
        return {Outcome.running: "goes on", Outcome.paused: "not now"}.get(fact.outcome, str(fact.outcome))
    if fact.outcome is Outcome.excused:
        return f"excused: {fact.flags}"
    if fact.outcome is Outcome.missed and fact.stop is None:
        return "missed, and still open"
    said = {
        Outcome.running: "still running",
        Outcome.paused: "paused",
        Outcome.cancelled: "cancelled: the case ended without it",
    }
    return said.get(fact.outcome, str(fact.outcome))


def result(item: Explained) -> str:
    """``met: 2 h 05 min of 4bh``."""
    fact = item.fact
    said = outcome(fact)
    if item.share is not None:
        return f"{said} · {left(item.share)}"
    if item.acts is not None:
        return f"{said} · {acts(item.acts)}"
    if not (item.intervals or fact.business_us):
        return said
    time = duration(item.business_us)
    if item.target:
        return f"{said} · {time} of {item.target}"
    return f"{said} · {time}" + (f" {item.so_far}" if fact.stop is None else "")


def left(share: float, digits: int = 1) -> str:
    """Of a promised time: the share is cut off below -1."""
    if share >= 0:
        return f"{share:.{digits}%} of it"
    return f"none, and {-share:.{digits}%} of it too late" + (", or later" if share <= -1 else "")


def event(happened: Happened) -> str:
    """``asked requester``, and who where it was no human of the provider's."""
    said = happened.kind.replace("_", " ") + (f" of {happened.origin.partition('/')[2]}" if happened.origin else "")
    if happened.actor not in ("provider_human", "requester") and happened.kind != "bot_replied":
        said += f" ({ACTOR.get(happened.actor, happened.actor)})"
    return said


def long(us: int) -> str:
    """About how long, for a label: ``40 min``, ``16 h``, ``2 d 15 h``, ``12 days``."""
    minutes = round(us / 60_000_000)
    if minutes < 90:
        return f"{minutes} min"
    hours = round(us / 3_600_000_000)
    if hours < 48:
        return f"{hours} h"
    days, rest = divmod(hours, 24)
    return f"{days} d {rest} h" if days < 5 and rest else f"{round(hours / 24)} days"


def waits(explanation: Explanation, waits_for: str, by: str, reason: str = "") -> str:
    """Of a stretch: ``IT Service waits for the requester (needs info)``."""
    said = WAITS.get(waits_for, waits_for.replace("_", " "))
    if waits_for == UNOWNED.removeprefix("_") or waits_for == "closed":
        return said
    return f"{department(explanation, by)} {said}" + (f" ({reason.replace('_', ' ')})" if reason else "")


def moment(us: int, explanation: Explanation, form: str = "%a %d %b %Y") -> str:
    """The watermark is some microsecond: whole seconds say as much."""
    return instant(us // 1_000_000 * 1_000_000 if us == explanation.now else us, explanation.zone, form)
