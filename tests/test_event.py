"""The contract of events: ids, envelopes, and what may travel as bytes."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import jsonschema
import pytest

from ingest.event import (
    NAMESPACE,
    TYPES,
    Actor,
    Created,
    Event,
    Record,
    Unreadable,
    decode,
    encode,
    event_id,
    json_schemas,
)

AT = datetime(2024, 3, 4, 9, 0, 0, 123456, tzinfo=UTC)

DATA: dict[str, Any] = {
    "created": {"requester": "k1:ab", "service": "Laptop", "priority": "high", "channel": "phone"},
    "classified": {"service": "Printer"},
    "routed": {"group": "Network", "reason": "needs_info"},
    "paused": {"owner": "third_party", "reason": "vendor"},
    "promised": {"promise": "p1", "due": "2024-03-05T12:00:00Z"},
    "promise_accepted": {"promise": "p1"},
    "delivered": {"promise": "p1"},
    "need_by": {"due": "2024-03-05T12:00:00Z"},
    "merged": {"into": "INC2"},
    "child_linked": {"parent": "INC2"},
    "corrected": {"supersedes": event_id("desk", "1"), "at": "2024-03-04T08:00:00Z"},
    "excluded": {"reason": "test", "role": "lead"},
    "thanked": {"group": "Network", "for_speed": True},
    "joined": {"department": "finance", "site": "Porto"},
    "moved": {"department": "finance"},
    "open_positions": {"count": 2},
    "absent": {"until": "2024-04-01T00:00:00Z"},
    "answered": {"wave": "2024-03", "person": "w:1", "department": "finance", "items": {"helpful": 9}},
    "rated": {"week": "2024-W10", "person": "w:1", "department": "finance", "about": "it", "score": 4, "best": 5},
    "external_score": {"week": "2024-W10", "score": 4.5, "answers": 120},
    "you_said": {"department": "it", "week": "2024-W10", "topic": "communication", "wave": "2024-03"},
    "we_did": {"week": "2024-W12"},
    "watermark": {"until": "2024-03-04T09:00:00Z"},
    "config": {"version": 3},
    "absorbed": {"origin": "desk/INC2", "version": 7, "entries": [[["desk/INC2"], True, ["e30="]]]},
    "revive": {"records": ["e30="]},
}
"""Payloads by type; a type that is not here needs none."""


def envelope(name: str, **more: Any) -> dict[str, Any]:
    return {
        "type": f"crossdesk.{name}",
        "id": event_id("desk", name),
        "source": "desk",
        "subject": "INC1",
        "time": "2024-03-04T09:00:00.123456Z",
        "specversion": "1.0",
        "data": DATA.get(name, {}),
        **more,
    }


def record(name: str, **more: Any) -> bytes:
    return json.dumps(envelope(name, **more)).encode()


NAMES = [name.removeprefix("crossdesk.") for name in TYPES]
PUBLIC = [str(t.__struct_config__.tag).removeprefix("crossdesk.") for t in get_args(Event)]


def test_the_id_of_a_change_is_the_same_on_every_host() -> None:
    assert event_id("desk", "INC1|3") == "e380a219-87d8-5f3d-8e5c-d05958c69138"


def test_an_id_is_a_uuid_of_version_5() -> None:
    for ordinal in range(200):
        assert event_id("desk", "INC1|3", ordinal) == str(uuid.uuid5(NAMESPACE, f"desk\x1fINC1|3\x1f{ordinal}"))


@pytest.mark.parametrize(
    "other", [("desk2", "INC1|3", 0), ("desk", "INC1|4", 0), ("desk", "INC1|3", 1)], ids=["source", "change", "ordinal"]
)
def test_another_source_change_or_ordinal_is_another_id(other: tuple[str, str, int]) -> None:
    assert event_id(*other) != event_id("desk", "INC1|3", 0)


@pytest.mark.parametrize("name", NAMES)
def test_every_type_comes_back_as_it_went(name: str) -> None:
    event = decode(record(name, sequence=7, actor="provider_human", who="k1:cd"))
    assert type(event) is TYPES[f"crossdesk.{name}"]
    assert decode(encode(event)) == event
    for field, value in DATA.get(name, {}).items():
        assert json.loads(encode(event))["data"][field] == value


@pytest.mark.parametrize("name", PUBLIC)
def test_what_is_encoded_satisfies_the_schema_of_its_type(name: str) -> None:
    schema = json_schemas()[f"crossdesk.{name}"]
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    event = json.loads(encode(decode(record(name, who="k1:ab"))))
    validator.validate(event)
    for attribute in ("id", "source", "subject", "time", "specversion", "type"):
        broken = {key: value for key, value in event.items() if key != attribute}
        assert not validator.is_valid(broken), f"{attribute} must be there"


@pytest.mark.parametrize("name", [name for name in PUBLIC if name in DATA])
def test_the_schema_knows_the_payload_too(name: str) -> None:
    validator = jsonschema.Draft202012Validator(json_schemas()[f"crossdesk.{name}"])
    event = json.loads(encode(decode(record(name))))
    for field in event["data"]:
        assert not validator.is_valid(event | {"data": event["data"] | {field: []}}), f"{field} is no list"


def test_every_public_type_has_a_schema_and_no_internal_one_has() -> None:
    assert set(json_schemas()) == {f"crossdesk.{name}" for name in PUBLIC}
    assert "crossdesk.absorbed" not in json_schemas()


def test_the_envelope_is_that_of_cloud_events() -> None:
    event = json.loads(encode(decode(record("created"))))
    assert event["specversion"] == "1.0"
    assert {"id", "source", "type", "subject", "time"} <= set(event)
    names = set(Created.__struct_fields__) | {"type"}
    assert all(name.isalnum() and name.islower() for name in names), "CloudEvents allows a-z and 0-9 in names"


def test_unknown_fields_are_ignored_when_decoding_and_live_on_in_the_bytes() -> None:
    plain = decode(record("routed"))
    later = record("routed", traceparent="00-ab-cd-01", data={**DATA["routed"], "queue": 7})
    assert decode(later) == plain
    assert b"traceparent" in later
    assert b"queue" in later


def test_defaults_are_not_written() -> None:
    written = json.loads(encode(decode(record("noted"))))
    assert "who" not in written
    assert "observedtime" not in written


def test_a_time_keeps_its_microseconds_and_its_instant_whatever_the_offset() -> None:
    there = timezone(timedelta(hours=-3))
    event = decode(record("noted", time=AT.astimezone(there).isoformat()))
    assert event.time == AT
    assert decode(encode(event)).time == AT


def test_the_key_of_a_record_is_the_case_across_sources() -> None:
    assert decode(record("noted")).key == "desk/INC1"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "crossdesk.rooted"}, "crossdesk.rooted"),
        ({"id": "1"}, r"\$\.id"),
        ({"subject": ""}, r"\$\.subject"),
        ({"source": "x" * 513}, r"\$\.source"),
        ({"time": "2024-03-04T09:00:00"}, r"\$\.time"),
        ({"time": "yesterday"}, r"\$\.time"),
        ({"specversion": "0.3"}, r"\$\.specversion"),
        ({"actor": "cat"}, r"\$\.actor"),
        ({"sequence": -1}, r"\$\.sequence"),
        ({"data": {"group": 7}}, r"\$\.data\.group"),
    ],
)
def test_a_record_that_is_none_of_ours_says_where(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        decode(record("routed", **change))


@pytest.mark.parametrize("junk", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"type": 3}'])
def test_bytes_that_are_no_event_are_unreadable_and_nothing_else(junk: bytes) -> None:
    with pytest.raises(Unreadable):
        decode(junk)


def test_actors_are_classes_not_persons() -> None:
    assert {str(actor) for actor in Actor} == {"requester", "provider_human", "provider_bot", "system", "third_party"}


def test_an_unreadable_row_names_its_place() -> None:
    error = Unreadable("impossible time", place="log.csv:3", subject="INC1")
    assert str(error) == "log.csv:3: impossible time"
    assert (error.reason, error.place, error.subject) == ("impossible time", "log.csv:3", "INC1")


def test_all_records_have_a_type_of_their_own() -> None:
    assert len(TYPES) == len(get_args(Record))
