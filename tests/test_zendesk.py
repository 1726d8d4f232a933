"""The first audit of a Zendesk ticket is the request, whoever wrote it down; a ticket without audits is no case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from test_connectors import IDENTITY

from ingest.connector import Rejected
from ingest.connectors import CONNECTORS
from ingest.event import TYPE_PREFIX
from ingest.identity import People

ZENDESK = CONNECTORS["zendesk"].model_validate({"source": "desk", "user": "reader@tern.example"})
REQUESTER, AGENT, GONE = 7, 8, 9
USERS = {"7": {"role": "end-user"}, "8": {"role": "agent"}}
RULE = {"channel": "rule", "source": {"rel": "trigger"}}
AT = "2026-03-09T09:00:00Z"

Event = Mapping[str, Any]
FIELDS: Sequence[Event] = (
    {"type": "Create", "field_name": "status", "value": "open"},
    {"type": "Create", "field_name": "group_id", "value": "31"},
)


def comment(author: int, *, public: bool = True, **further: Any) -> Event:
    return {"type": "Comment", "public": public, "author_id": author, **further}


def told(author: int, events: Sequence[Event], status: str = "open") -> str:
    ticket = {"id": 1, "status": status, "updated_at": AT, "requester_id": REQUESTER}
    audits = [{"id": 5, "created_at": AT, "author_id": author, "events": events}] if events else []
    made = ZENDESK.parse({"ticket": ticket, "audits": audits, "users": USERS}, People(IDENTITY, "desk"))
    return " ".join(
        f"rejected: {one.reason}"
        if isinstance(one, Rejected)
        else f"{str(type(one).__struct_config__.tag).removeprefix(TYPE_PREFIX)}:{one.actor}"
        for one in made
    )


@pytest.mark.parametrize(
    ("author", "speaker", "story"),
    [
        (REQUESTER, REQUESTER, "created:requester routed:requester"),
        (AGENT, AGENT, "created:requester routed:provider_human"),
        # on behalf of the requester: by telephone, or over the API
        (AGENT, REQUESTER, "created:requester routed:provider_human"),
        # whom nobody knows any more
        (GONE, REQUESTER, "created:requester routed:system"),
        (GONE, GONE, "created:requester routed:system"),
    ],
)
def test_what_comes_with_the_creation_is_the_request(author: int, speaker: int, story: str) -> None:
    assert told(author, [comment(speaker), *FIELDS]) == story


def test_the_next_comment_is_an_answer_or_asks_again() -> None:
    assert told(REQUESTER, [comment(REQUESTER)]) == "requester_replied:requester"
    assert told(AGENT, [comment(AGENT)]) == "replied:provider_human"
    assert told(AGENT, [comment(AGENT, public=False)]) == "noted:provider_human"


def test_a_rule_may_answer_at_once() -> None:
    events = [comment(REQUESTER), *FIELDS, comment(-1, via=RULE)]
    assert told(REQUESTER, events) == "created:requester routed:requester bot_replied:system"


def test_a_field_that_only_a_rule_set_creates_nothing() -> None:
    assert told(AGENT, [{**FIELDS[1], "via": RULE}, comment(AGENT)]) == "routed:system replied:provider_human"


def test_a_ticket_without_audits_is_rejected_unless_it_was_deleted() -> None:
    reason = "no audit says how it came about: let the user whose token it is see all tickets"
    assert told(AGENT, []) == f"rejected: {reason}"
    assert told(AGENT, [], "deleted") == "deleted:system"
