"""One event is the same in three modes of HTTP, of which all that it says is signed; no person is in it or in what is refused."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

import pytest
from test_connectors import IDENTITY, NOW, Fixture

from ingest import event as e
from ingest.connector import Doorbell, Forged, Hook, Rejected
from ingest.connectors.cloudevents import BATCHED, STRUCTURED, CloudEvents
from ingest.identity import People

DESK = CloudEvents.model_validate(
    {"source": "desk", "bots": ["clerk"], "signature": {"header": "Authorization", "scheme": "token"}}
)
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "type": "crossdesk.routed",
    "source": "desk",
    "id": "0d1c9a52-6a0b-5d7e-9a43-0c8a5f2c1d10",
    "subject": 'Küche "8" 100%',
    "time": "2026-03-02T08:00:00Z",
    "sequence": 7,
    "actor": "provider_human",
    "who": "ana@example.org",
    "data": {"group": "facilities"},
}
ENCODED = "K%C3%BCche%20%228%22%20100%25"
QUOTED = '"K%c3%bcche \\"8\\" 100%25"'


def told(headers: Mapping[str, str], body: Any) -> list[Any]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    people = People(IDENTITY, "desk")
    made: list[Any] = []
    for one in DESK.received(Hook(headers, raw, NOW)):
        assert not isinstance(one, Doorbell)
        made += [one] if isinstance(one, Rejected) else list(DESK.parse(one, people))
    return made


def binary(**changed: str) -> dict[str, str]:
    attributes = {name: str(value) for name, value in EVENT.items() if name != "data"}
    return {"content-type": "application/json"} | {
        f"ce-{name}": value for name, value in {**attributes, **changed}.items()
    }


def reason(made: list[Any]) -> str:
    (rejected,) = made
    assert isinstance(rejected, Rejected)
    return rejected.reason


def test_an_event_is_the_same_in_every_mode() -> None:
    (event,) = told({"content-type": "application/cloudevents+json; charset=UTF-8"}, EVENT)
    assert isinstance(event, e.Routed)
    assert (event.subject, event.sequence, event.who) == (
        EVENT["subject"],
        7,
        IDENTITY.pseudonym("ana@example.org", "desk"),
    )
    assert told({"content-type": "Application/CloudEvents-Batch+JSON"}, [EVENT, EVENT]) == [event, event]
    assert told(binary(subject=ENCODED), EVENT["data"]) == [event]
    assert told(binary(subject=QUOTED), EVENT["data"]) == [event]


def test_an_event_without_data_needs_no_body() -> None:
    headers = binary(subject="a", type="crossdesk.solved")
    (event,) = told({name: value for name, value in headers.items() if name != "content-type"}, b"")
    assert isinstance(event, e.Solved)
    assert told(headers, {}) == [event]


@pytest.mark.parametrize("media_type", [STRUCTURED, BATCHED, "application/json"])
def test_whatever_is_sent_raises_nothing(media_type: str) -> None:
    rnd = random.Random(media_type)
    bodies = [hook.body for hook, _ in Fixture("cloudevents").calls()]
    for _ in range(300):
        body, headers = bytearray(rnd.choice(bodies)), {**binary(subject=ENCODED), "content-type": media_type}
        for _ in range(rnd.randrange(4)):
            body[rnd.randrange(len(body))] = rnd.randrange(256)
        name = rnd.choice(sorted(headers.keys() - {"content-type"}))
        headers[name] = rnd.choice(("", '"', '"\\\\"', "%", "%ff", "%00", "9" * 30, "x" * 600, "crossdesk.answered"))
        for one in told(headers, bytes(body)):
            assert isinstance(one, Rejected) or e.decode(e.encode(one)) == one


@pytest.mark.parametrize(
    ("headers", "body", "wanted"),
    [
        ({"content-type": "application/cloudevents+avro"}, b"", "format 'application/cloudevents+avro' is not read"),
        (
            {"content-type": "application/json"},
            EVENT,
            "no CloudEvent: neither a content type application/cloudevents+json nor",
        ),
        ({**binary(subject="a"), "content-type": "text/xml"}, b"<a/>", "content type 'text/xml' is not read"),
        (binary(subject="%C0%A0"), {"group": "g"}, "'ce-subject' is no UTF-8"),
        (binary(subject="a"), b"", "no event of a known type: Object missing required field `data`"),
        (binary(subject="a"), b"{", "no JSON"),
        ({"content-type": "application/cloudevents+json"}, [EVENT], "Expected `object`, got `array`"),
        ({"content-type": "application/cloudevents-batch+json"}, EVENT, "Expected `array`, got `object`"),
        ({"content-type": "application/cloudevents-batch+json"}, [7], "no JSON object"),
    ],
)
def test_what_is_no_event_is_told(headers: Mapping[str, str], body: Any, wanted: str) -> None:
    assert reason(told(headers, body)).startswith(wanted)


def test_in_binary_mode_the_attributes_are_signed_too() -> None:
    fixture = Fixture("cloudevents")
    secrets = [fixture.hooks["secret"]]
    hook = next(hook for hook, _ in fixture.calls() if "ce-type" in hook.headers)
    fixture.connector.verify(hook, secrets)
    for changed in ({"ce-subject": "another"}, {"ce-type": "crossdesk.deleted"}, {"ce-new": "1"}):
        with pytest.raises(Forged):
            fixture.connector.verify(hook._replace(headers={**hook.headers, **changed}), secrets)
    with pytest.raises(Forged):
        fixture.connector.verify(
            hook._replace(headers={name: value for name, value in hook.headers.items() if name != "ce-time"}), secrets
        )


def test_a_token_signs_no_body_and_the_connector_says_so() -> None:
    assert (DESK.signs_body, DESK.signs_time) == (False, False)
    connector = Fixture("cloudevents").connector
    assert (connector.signs_body, connector.signs_time) == (True, True)


def test_only_a_pseudonym_of_the_key_in_force_stays_as_it_is() -> None:
    people, ours = People(IDENTITY, "desk"), IDENTITY.pseudonym("ana@example.org", "desk")
    digits = ours.partition(":")[2]
    for who, wanted in (
        (ours, ours),
        ("ana@example.org", ours),
        (" Ana@Example.org", ours),
        (f"k0:{digits}", IDENTITY.pseudonym(f"k0:{digits}", "desk")),
        (f"k1:{digits.upper()}", IDENTITY.pseudonym(f"k1:{digits}", "desk")),
        (f"k1:{digits}0", IDENTITY.pseudonym(f"k1:{digits}0", "desk")),
        ("k1:ana", IDENTITY.pseudonym("k1:ana", "desk")),
        ("", ""),
        ("clerk", ""),
    ):
        (event,) = DESK.parse({**EVENT, "who": who}, people)
        assert not isinstance(event, Rejected)
        assert event.who == wanted
        assert event.actor is (e.Actor.provider_bot if who == "clerk" else e.Actor.provider_human)


def test_what_is_refused_names_its_case_but_no_person() -> None:
    people = People(IDENTITY, "desk")
    (of_case,) = DESK.parse({**EVENT, "source": "other"}, people)
    (of_person,) = DESK.parse(
        {**EVENT, "type": "crossdesk.left", "subject": "ana@example.org", "source": "other"}, people
    )
    assert isinstance(of_case, Rejected)
    assert isinstance(of_person, Rejected)
    assert (of_case.subject, of_person.subject) == (EVENT["subject"], "")


def test_two_answers_of_a_person_in_one_wave_are_one_and_cannot_be_put_together_with_another_wave() -> None:
    people = People(IDENTITY, "desk")
    answer = {**EVENT, "type": "crossdesk.answered", "subject": "ana@example.org"}
    made: list[Any] = []
    for number, wave in enumerate(("spring", "spring", "autumn")):
        data = {"wave": wave, "person": "ana@example.org", "department": "sales", "items": {"enps": number}}
        made += list(DESK.parse({**answer, "id": f"{number}{EVENT['id'][1:]}", "data": data}, people))
    first, second, third = made
    assert isinstance(first, e.Answered)
    assert isinstance(third, e.Answered)
    assert first.id == second.id != third.id
    assert first.data.person != third.data.person
    assert first.subject == first.data.person
