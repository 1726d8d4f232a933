"""Rows that come alone make the events that the same rows make in a file; a mapping that needs the row before is refused."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

import pytest
from pydantic import ValidationError
from test_connectors import FIXTURES, IDENTITY, NOW

from ingest import event as e
from ingest.connector import Doorbell, Hook, Rejected
from ingest.connectors.event_log import EventLog
from ingest.connectors.http_json import HttpJson
from ingest.identity import People

SETTINGS = json.loads((FIXTURES / "http_json" / "settings.json").read_text())
BY_TIME: dict[str, Any] = {
    "source": "orders",
    "signature": {"header": "X-Token", "scheme": "token"},
    "mapping": {
        "case": "id",
        "time": "at",
        "order": "version",
        "change": ["id", "version"],
        "created": "opened",
        "requester": "by_whom",
        "requester_group": "unit",
        "actor": "editor",
        "events": {
            "column": "did",
            "values": {"wrote": "replied", "sent": {"routed": {"group": "team"}}, "saw": "ignore"},
        },
    },
}
ORDER = {"id": 7, "opened": "2026-03-02T07:59:00Z", "by_whom": "ana", "unit": "Sales"}
ORDERS = [
    {**ORDER, "version": 1, "at": "2026-03-02T08:00:00Z", "editor": "ben", "did": "saw"},
    {**ORDER, "version": 2, "at": "2026-03-02T08:00:00Z", "editor": "ben", "did": "sent", "team": "T-1"},
    {**ORDER, "version": 3, "at": "2026-03-02T08:00:00Z", "editor": "ana", "did": "wrote"},
    {**ORDER, "version": 4, "at": "2026-03-02T08:01:00Z", "editor": "", "did": "wrote"},
    {**ORDER, "id": 8, "version": 1, "at": "2026-03-02T08:00:00Z", "editor": "ana", "did": "wrote"},
]


def fixture_rows() -> list[dict[str, Any]]:
    hooks = json.loads((FIXTURES / "http_json" / "hooks.json").read_text())["hooks"]
    bodies = [json.loads(hook["body"]) for hook in hooks]
    return [row for body in bodies for row in (body if isinstance(body, list) else [body])]


def filed(connector: HttpJson, rows: Iterable[Any]) -> dict[str, bytes]:
    log = EventLog(connector.source, IDENTITY, mapping=connector.mapping, bots=connector.bots)
    return told(log.events([json.dumps(row) + "\n" for row in rows], "file"))


def posted(connector: HttpJson, body: Any) -> list[Any]:
    people = People(IDENTITY, connector.source)
    made: list[Any] = []
    for one in connector.received(Hook({}, json.dumps(body).encode(), NOW)):
        assert not isinstance(one, Doorbell)
        made += [one] if isinstance(one, Rejected) else list(connector.parse(one, people))
    return made


def told(made: Iterable[Any]) -> dict[str, bytes]:
    """What each event says. None is made in two ways."""
    events: dict[str, bytes] = {}
    for event in made:
        assert not isinstance(event, Rejected), event
        assert events.setdefault(event.id, e.encode(event)) == e.encode(event)
    return events


@pytest.mark.parametrize("settings", [SETTINGS, BY_TIME], ids=["created by a row", "created at a time"])
@pytest.mark.parametrize("seed", range(5))
def test_rows_posted_one_by_one_in_any_order_are_the_events_of_the_same_rows_in_a_file(
    settings: Mapping[str, Any], seed: int
) -> None:
    connector = HttpJson.model_validate(settings)
    rows = fixture_rows() if settings is SETTINGS else deepcopy(ORDERS)
    wanted = filed(connector, rows)
    random.Random(seed).shuffle(rows)
    assert told(made for row in rows for made in posted(connector, row)) == wanted
    assert told(posted(connector, rows)) == wanted
    assert len(wanted) > len(ORDERS)


def test_a_case_is_created_once_whichever_row_comes_first() -> None:
    connector = HttpJson.model_validate(BY_TIME)
    made = [event for row in ORDERS[:4] for event in posted(connector, row) if isinstance(event, e.Created)]
    assert len(made) == 4
    assert len({e.encode(event) for event in made}) == 1
    assert made[0].time.isoformat() == "2026-03-02T07:59:00+00:00"


@pytest.mark.parametrize(
    ("opened", "reason"),
    [
        ("", "when the case was created is not told: 'opened' is empty"),
        ("2026-03-02T09:00:00Z", "the case was created after it changed: 'opened' lies after 'at'"),
    ],
)
def test_a_row_that_cannot_say_when_its_case_was_created_still_says_what_it_means(opened: str, reason: str) -> None:
    event, rejected = posted(HttpJson.model_validate(BY_TIME), {**ORDERS[1], "opened": opened})
    assert isinstance(event, e.Routed)
    assert (rejected.reason, rejected.subject) == (reason, "7")


def test_an_element_that_is_no_row_costs_the_others_nothing() -> None:
    made = posted(HttpJson.model_validate(BY_TIME), [ORDERS[2], 7, ORDERS[3]])
    assert [(one.place, one.reason) for one in made if isinstance(one, Rejected)] == [("row 2", "no JSON object")]
    assert len(made) == 5


EVENTS = {"column": "did", "values": {"opened": "created", "wrote": "replied"}}


@pytest.mark.parametrize(
    ("mapping", "problem"),
    [
        (
            {"group": "team"},
            "say under 'events' what each row means; a log of snapshots is read as a file, by 'event_log'",
        ),
        ({"state": {"column": "status", "values": {"New": "open"}}}, "say under 'events' what each row means"),
        ({"events": EVENTS, "group": "team"}, "instead of 'group': {routed: {group: COLUMN}}"),
        ({"events": EVENTS, "session": "chat"}, "instead of 'session': replied, of the first message only"),
        (
            {"events": EVENTS, "exclude": {"column": "tags", "labels": {"test": "test"}}},
            "instead of 'exclude': {excluded: {reason: COLUMN}}",
        ),
        (
            {"events": EVENTS, "assignee": "to", "priority": "p"},
            "instead of 'assignee': claimed, by who acts; instead of 'pri",
        ),
        (
            {"events": EVENTS, "state": {"column": "status", "values": {"New": "open"}}},
            "instead of 'state': solved, closed",
        ),
        ({"events": EVENTS, "order": ["major", "minor"]}, "name the one that orders all"),
        ({"events": EVENTS, "format": "csv"}, "posted rows are JSON: leave out 'format'"),
        ({"events": EVENTS, "zone": "Europe/Lisboa"}, "did you mean 'Europe/Lisbon'?"),
        (
            {"events": {"column": "did", "values": {"wrote": "replied"}}},
            "which row means 'created', or name under 'created' the",
        ),
        ({"events": EVENTS, "grup": "team"}, "unknown key 'grup'; did you mean 'group'?"),
    ],
)
def test_a_mapping_that_does_not_fit_rows_that_come_alone_is_refused_with_what_to_do(
    mapping: Mapping[str, Any], problem: str
) -> None:
    with pytest.raises(ValidationError) as error:
        HttpJson.model_validate({**BY_TIME, "mapping": {"case": "id", "time": "at", **mapping}})
    assert problem in str(error.value)


def test_the_mapping_is_the_one_that_a_file_is_read_by() -> None:
    assert HttpJson.model_validate({**BY_TIME, "mapping": {**BY_TIME["mapping"], "format": "ndjson"}}) == (
        HttpJson.model_validate(BY_TIME)
    )
