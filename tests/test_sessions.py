"""Chats: what one side writes in a session until the other speaks is one reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from test_connectors import IDENTITY

from ingest.change import Change, Message, events, in_sessions
from ingest.changes import OPEN, State
from ingest.connector import Rejected
from ingest.connectors import CONNECTORS
from ingest.event import TYPE_PREFIX, Actor, RoutedData
from ingest.identity import People
from ingest.mapping import Means

START = datetime(2026, 3, 9, 9, tzinfo=UTC)
ACTORS = {"r": Actor.requester, "p": Actor.provider_human, "q": Actor.provider_human, "b": Actor.provider_bot}


def change(at: int, said: str) -> Change:
    """Who (``r`` asks, ``p`` and ``q`` serve, ``b`` is a bot) and the number of the session (0: none); or what interrupts."""
    made = Change(subject="1", native=str(at), time=START + timedelta(minutes=at))
    if said == "routed":
        made.routed = RoutedData(group="other")
    elif said == "solved":
        made.before, made.after = OPEN, State(Means.solved)
    else:
        made.actor, made.who = ACTORS[said[0]], said[0]
        made.message = Message.internal if said.endswith("note") else Message.public
        made.session = said[1:].removesuffix("note").replace("0", "")
    return made


def replies(told: str) -> str:
    """The minutes at which somebody is heard."""
    changes = in_sessions(change(at, said) for at, said in enumerate(told.split()))
    return " ".join(f"{one.time:%M}".lstrip("0") or "0" for one in changes if one.message is Message.public)


@pytest.mark.parametrize(
    ("told", "heard"),
    [
        ("r1 p1 p1 p1 r1 r1 p1", "0 1 4 6"),
        ("p0 p0 p0", "0 1 2"),  # no chat
        ("p1 p2 p1", "0 1"),  # two sessions at once
        ("p1 r0 p1", "0 1 2"),  # the requester wrote a mail meanwhile
        ("p1 p0 p1", "0 1"),  # the agent did
        ("b1 p1 b1 p1", "0 1"),  # an answer of a bot is none of a human
        ("p1 q1 p1 q1", "0 1"),  # each has a reply of their own
        ("p1 p1note p1", "0"),
        ("p1 p1 routed p1 p1", "0 3"),
        ("p1 solved p1", "0 2"),
    ],
)
def test_one_reply_is_what_one_writes_until_the_other_side_speaks(told: str, heard: str) -> None:
    assert replies(told) == heard


def test_the_order_in_which_they_are_read_does_not_matter() -> None:
    changes = [(at, said) for at, said in enumerate(["r1", "p1", "p1", "r1", "p1"])]
    for some in permutations(changes):
        kept = in_sessions(change(at, said) for at, said in some)
        assert [one.native for one in kept if one.message] == ["0", "1", "3", "4"]


def test_what_else_came_with_a_message_stays() -> None:
    second = change(1, "p1")
    second.assignee = "p"
    _, kept = in_sessions([change(0, "p1"), second])
    assert [type(one).__name__ for one in events(kept, "desk")] == ["Claimed"]


# -- Zendesk's chats
ZENDESK = CONNECTORS["zendesk"].model_validate({"source": "desk", "user": "reader@tern.example", "bots": ["4"]})
USERS = {"7": {"role": "end-user"}, "8": {"role": "agent"}}


def chatted(*lines: tuple[str, Any, str], opens: bool = False, comment: str = "") -> Sequence[str]:
    """A chat of these lines (type, actor, what it calls the actor), a minute apart: events, and at which minute."""
    start = round(START.timestamp() * 1000)
    history = [
        {"chat_index": at, "type": kind, "timestamp": start + 60_000 * at, "actor_id": who, "actor_type": called}
        for at, (kind, who, called) in enumerate(lines)
    ]
    chat = {"type": "ChatStartedEvent", "value": {"chat_id": "c1", "history": history}}
    first = [{"type": "Create", "field_name": "status", "value": "open"}] if opens else []
    audits = [{"id": 5, "created_at": f"{START:%FT%TZ}", "author_id": 7, "events": [*first, chat]}]
    if comment:
        said = {"type": "Comment", "public": True, "author_id": 8, "via": {"channel": comment}}
        audits.append({"id": 6, "created_at": "2026-03-09T09:30:00Z", "author_id": 8, "events": [said]})
    ticket = {"id": 1, "status": "open", "updated_at": f"{START:%FT%TZ}", "requester_id": 7}
    made = ZENDESK.parse({"ticket": ticket, "audits": audits, "users": USERS}, People(IDENTITY, "desk"))
    return [_short(one) for one in made]


def _short(one: Any) -> str:
    if isinstance(one, Rejected):
        return one.reason
    return f"{str(type(one).__struct_config__.tag).removeprefix(TYPE_PREFIX)} {one.time:%M}"


M = "ChatMessage"


def test_a_chat_is_heard_message_by_message_and_answered_once() -> None:
    lines = [(M, "7", "end-user"), (M, "agent:8", "agent"), (M, "8", "agent"), (M, 7, "end-user"), (M, 8, "agent")]
    assert chatted(*lines) == ["requester_replied 00", "replied 01", "requester_replied 03", "replied 04"]


def test_what_opened_the_ticket_is_the_request() -> None:
    lines = [(M, "7", "end-user"), (M, "7", "end-user"), (M, None, "system"), (M, "7", "end-user"), (M, "8", "agent")]
    assert chatted(*lines, opens=True) == ["created 00", "bot_replied 02", "requester_replied 03", "replied 04"]


def test_who_comes_and_goes_says_nothing() -> None:
    assert chatted(("ChatJoin", "8", "agent"), (M, "8", "agent"), ("ChatLeave", "8", "agent")) == ["replied 01"]


@pytest.mark.parametrize(
    ("who", "called", "heard"),
    [
        ("v-12.77", "end-user", "requester_replied"),  # a visitor without account
        ("agent:99", "agent", "replied"),  # who has left
        ("agent:4", "agent", "bot_replied"),  # named under bots
        ("trigger:8", "system", "bot_replied"),
        (None, "agent", "bot_replied"),
    ],
)
def test_whom_the_chat_names_by_no_user_is_what_it_calls_them(who: Any, called: str, heard: str) -> None:
    assert chatted((M, who, called)) == [f"{heard} 00"]


def test_the_transcript_of_a_chat_is_no_reply_and_a_comment_is_one() -> None:
    assert chatted((M, "8", "agent"), comment="chat_transcript") == ["replied 00"]
    assert chatted((M, "8", "agent"), comment="web") == ["replied 00", "replied 30"]


def test_what_was_said_in_an_earlier_chat_is_said_once() -> None:
    line: Mapping[str, Any] = {"chat_index": 0, "type": M, "timestamp": 1, "is_history_context": True}
    event = {"type": "ChatStartedEvent", "value": {"chat_id": "c1", "history": [line]}}
    audit = {"id": 5, "created_at": f"{START:%FT%TZ}", "events": [event]}
    ticket = {"id": 1, "status": "open", "updated_at": f"{START:%FT%TZ}"}
    assert not list(ZENDESK.parse({"ticket": ticket, "audits": [audit]}, People(IDENTITY, "desk")))


def test_a_chat_that_cannot_be_read_hides_nothing_else() -> None:
    bad = {"type": "ChatStartedEvent", "value": {"history": []}}
    said = {"type": "Comment", "public": True, "author_id": 8}
    audit = {"id": 5, "created_at": f"{START:%FT%TZ}", "author_id": 8, "events": [bad, said]}
    ticket = {"id": 1, "status": "open", "updated_at": f"{START:%FT%TZ}", "requester_id": 7}
    made = ZENDESK.parse({"ticket": ticket, "audits": [audit], "users": USERS}, People(IDENTITY, "desk"))
    assert [_short(one) for one in made] == ["Object missing required field `chat_id`", "replied 00"]
