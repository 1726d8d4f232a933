"""A source compared with what was said of it: what is missing is found by its id, said, and nothing else."""

from __future__ import annotations

import json
import random
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from click.testing import CliRunner
from fake_source import Answer, Asked, FakeSource, serving
from on_kafka import Installation
from test_connectors import IDENTITY, NOW, Fixture

from deploy.cli import main
from deploy.log import Log
from deploy.reconcile_cli import said_in, said_on_kafka, walked
from ingest import event as e
from ingest.connector import Refused, Rejected
from ingest.identity import People
from ingest.publish import Publisher
from ingest.reconcile import Found, Ids, Said, missing, reconcile

PARTITIONS = 3
NAMES = ("zendesk", "servicenow", "jira_service_management", "freshservice", "glpi", "zammad")
every = pytest.mark.parametrize("name", NAMES)


class Heard:
    """A sink that keeps what it is told, when it is settled."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, bytes]] = []
        self.waiting: list[tuple[str, str, bytes]] = []

    def say(self, topic: str, key: str, value: bytes) -> None:
        self.waiting.append((topic, key, value))

    def settle(self) -> None:
        self.said += self.waiting
        self.waiting = []


def fed(name: str) -> tuple[Fixture, list[Any]]:
    """What its whole feed means, each once."""
    fixture = Fixture(name)
    documents = [document for page in fixture.pages() for document in page.documents]
    made = {m.id: m for m in fixture.parse(documents) if isinstance(m, e.CaseEvent | e.OpenFeedback)}
    return fixture, list(made.values())


def said_of(fixture: Fixture, events: list[Any], until: datetime | None = NOW, since: datetime | None = None) -> Said:
    said = Said(fixture.connector.source, since)
    said.expect(0)
    for event in events:
        said.hear(0, event.key.encode(), e.encode(event))
    if until is not None:
        said.hear(0, b"", e.encode(e.watermark(fixture.connector.source, until)))
    return said


def compared(fixture: Fixture, said: Said, sink: Heard | None = None) -> Found:
    return reconcile(fixture.connector, fixture.api, People(IDENTITY, fixture.connector.source), said, NOW, sink)


# -- what is missing
@every
def test_of_a_source_that_was_said_whole_nothing_is_missing(name: str) -> None:
    fixture, events = fed(name)
    sink = Heard()
    found = compared(fixture, said_of(fixture, events), sink)
    assert (found.missing.total(), found.later, found.untold, found.told) == (0, 0, 0, len(events))
    assert sink.said == []


@every
def test_what_was_never_said_is_said_once_and_then_nothing_is_missing(name: str) -> None:
    fixture, events = fed(name)
    lost = random.Random(name).sample(events, 3)
    there = [event for event in events if event not in lost]
    sink = Heard()
    found = compared(fixture, said_of(fixture, there), sink)
    assert sorted(sink.said) == sorted(("events", event.key, e.encode(event)) for event in lost)
    assert found.missing.total() == len(lost)
    assert {c for cases in found.examples.values() for c in cases} == {event.subject for event in lost}
    assert compared(fixture, said_of(fixture, events)).missing.total() == 0


@every
def test_a_check_says_nothing(name: str) -> None:
    fixture, events = fed(name)
    assert compared(fixture, said_of(fixture, [])).missing.total() == len(events)


def test_what_happened_after_the_watermark_is_not_missing_only_not_polled() -> None:
    fixture, events = fed("zendesk")
    until = sorted(event.time for event in events)[len(events) // 2]
    later = [event for event in events if event.time > until]
    assert later
    sink = Heard()
    found = compared(fixture, said_of(fixture, [], until), sink)
    assert (found.later, found.missing.total()) == (len(later), len(events) - len(later))
    assert len(sink.said) == len(events) - len(later)
    never = compared(fixture, said_of(fixture, [], None), sink)
    assert (never.later, never.missing.total()) == (len(events), 0)


def test_only_what_happened_since_a_day_is_compared() -> None:
    fixture, events = fed("zendesk")
    since = sorted(event.time for event in events)[len(events) // 2]
    recent = [event for event in events if event.time >= since]
    assert len(recent) < len(events)
    assert compared(fixture, said_of(fixture, [], since=since)).missing.total() == len(recent)
    found = compared(fixture, said_of(fixture, events, since=since))
    assert (found.told, found.untold, found.missing.total()) == (len(recent), 0, 0)


def test_what_the_source_does_not_tell_any_more_is_counted_and_stays() -> None:
    fixture, events = fed("zendesk")
    gone = [msgspec.structs.replace(events[0], id=str(uuid.uuid5(uuid.NAMESPACE_DNS, str(n)))) for n in range(4)]
    found = compared(fixture, said_of(fixture, [*events, *gone, *gone]))
    assert (found.untold, found.told, found.missing.total()) == (4, len(events), 0)


def test_ids_may_be_given_in_any_collection() -> None:
    fixture, events = fed("zendesk")
    documents = [document for page in fixture.pages() for document in page.documents]
    people = People(IDENTITY, fixture.connector.source)
    known = {event.id for event in events[1:]}
    found = [one for one in missing(fixture.connector, documents, people, known) if not isinstance(one, Rejected)]
    assert {one.id for one in found} == {events[0].id}


# -- what was said
def test_what_is_not_of_the_source_or_cannot_be_read_is_not_counted() -> None:
    _, events = fed("zendesk")
    said = Said("desk")
    other = msgspec.structs.replace(events[0], source="desk2")
    said.hear(0, b"desk2/41", e.encode(other))
    said.hear(0, b"desk/41", e.encode(other))
    entries = (e.Entry(("desk/1",), False, (b"{}",)),)
    absorbed = {"id": events[0].id, "source": "desk", "subject": "41", "time": NOW, "specversion": "1.0"}
    said.hear(0, b"desk/41", e.encode(e.Absorbed(**absorbed, data=e.AbsorbedData("desk/1", 1, entries))))
    spoilt = msgspec.json.decode(e.encode(events[0]))
    for value in (b"", b"{", b"\xff", b"[]", msgspec.json.encode({**spoilt, "id": "12"}), None):
        said.hear(0, b"desk/41", value)
    assert len(said.ids) == 0
    said.hear(0, b"desk/41", msgspec.json.encode({**spoilt, "type": "crossdesk.of_a_later_release"}))
    assert len(said.ids) == 1


def test_a_source_is_known_up_to_the_least_of_its_watermarks() -> None:
    said = Said("desk")
    for partition in range(3):
        said.expect(partition)
    for partition, minutes in ((0, 5), (1, 7), (0, 3), (1, 2)):
        said.hear(partition, b"", e.encode(e.watermark("desk", NOW + timedelta(minutes=minutes))))
    said.hear(2, b"", e.encode(e.watermark("another desk", NOW)))
    assert said.until is None, "nothing says how far it is in the third"
    said.hear(2, b"", e.encode(e.watermark("desk", NOW + timedelta(minutes=9))))
    assert said.until == NOW + timedelta(minutes=5)


def test_ids_are_found_again_and_no_others_in_twenty_bytes_each() -> None:
    rnd = random.Random(5)
    there, absent = ([str(uuid.UUID(int=rnd.getrandbits(128))) for _ in range(200_000)] for _ in range(2))
    ids = Ids()
    for id in (*there, *there[:1000]):
        ids.add(id)
    assert len(ids) == len(there)
    assert not any(map(ids.tell, absent))
    assert all(map(ids.tell, there[:150_000]))
    assert ids.untold == 50_000
    held = sum(part.__sizeof__() for bucket in (ids._buckets, ids._told) for part in bucket)
    assert held / len(there) < 21


def test_an_id_is_not_found_across_two_others() -> None:
    """Sixteen bytes that begin in the middle of one are another id."""
    first, second = "000a0b0c0d0e0f00000102030405060" + "0", "00" + "0708090a0b0c0d0e0f0001020304" + "05"
    ids = Ids()
    ids.add(first)
    ids.add(second)
    joined = (uuid.UUID(first).bytes + uuid.UUID(second).bytes)[7:23]
    assert joined[0] << 4 | joined[1] >> 4 == 0, "in the same bucket"
    assert not ids.tell(str(uuid.UUID(bytes=joined)))
    assert ids.tell(first)
    assert ids.tell(second)


# -- in a folder and on a broker
def test_of_a_folder_the_log_tells_what_was_said(tmp_path: Path) -> None:
    fixture, events = fed("zendesk")
    with Log(tmp_path / "log.sqlite3") as log, log.transaction():
        log.append("events", [(event.key, e.encode(event)) for event in events[1:]], 0)
        log.append("events", [("", e.encode(e.watermark("desk", NOW)))], 0)
        said = said_in(log, "desk")
    found = compared(fixture, said)
    assert (found.missing.total(), found.told, found.untold) == (1, len(events) - 1, 0)


def test_what_is_missing_on_a_broker_is_said_and_then_it_is_there(installation: Installation) -> None:
    fixture, events = fed("zendesk")
    lost = events[::5]
    with Publisher(installation.settings) as publisher:
        for event in events:
            if event not in lost:
                publisher.say("events", event.key, e.encode(event))
        publisher.say("events", "", e.encode(e.watermark("desk", NOW)))
        publisher.settle()
        said = said_on_kafka(installation.settings, "desk")
        assert walked(fixture.connector, fixture.api, IDENTITY, said, None).missing.total() == len(lost)
        said = said_on_kafka(installation.settings, "desk")
        assert walked(fixture.connector, fixture.api, IDENTITY, said, publisher).missing.total() == len(lost)
    held = [value for there in installation.held("events").values() for key, value in there if key and value]
    assert sorted(held) == sorted(e.encode(event) for event in events)
    again = walked(fixture.connector, fixture.api, IDENTITY, said_on_kafka(installation.settings, "desk"), None)
    assert (again.missing.total(), again.told) == (0, len(events))


# -- the command
class Desk(FakeSource):
    """The API of a fixture, over HTTP."""

    def __init__(self, fixture: Fixture) -> None:
        super().__init__()
        self.fixture = fixture

    def answer(self, asked: Asked) -> Answer:
        path, query = urlsplit(asked.path).path, dict(parse_qsl(urlsplit(asked.path).query))
        try:
            return Answer(json=self.fixture.api.get(path, query))
        except Refused as refused:
            return Answer(refused.status)


def sources_file(folder: Path, url: str) -> Path:
    (folder / "token").write_text("a token of the tests")
    settings = {name: value for name, value in fed("zendesk")[0].read("settings.json", {}).items() if name != "source"}
    entry = {"name": "desk", "connector": "zendesk", "url": url, "requests_per_minute": 100_000, "settings": settings}
    written = {
        "sources": [
            {**entry, "secret_file": str(folder / "token")},
            {"name": "file", "connector": "zendesk", "settings": settings},
        ]
    }
    (folder / "sources.yaml").write_text(json.dumps(written))  # JSON is YAML
    return folder / "sources.yaml"


def test_the_command_finds_and_mends_and_finds_nothing_then(installation: Installation, tmp_path: Path) -> None:
    fixture, events = fed("zendesk")
    (tmp_path / "key").write_text("a key of the tests, no secret")
    with Publisher(installation.settings) as publisher:
        for event in events[1:]:
            publisher.say("events", event.key, e.encode(event))
        publisher.say("events", "", e.encode(e.watermark("desk", NOW)))
        publisher.settle()
    environment = {**installation.environment, "CROSSDESK_INGEST_KEY_FILE": str(tmp_path / "key")}
    with serving(Desk(fixture)) as desk:
        words = ["reconcile", "desk", "--kafka", "--sources", str(sources_file(tmp_path, desk.url))]
        checked = CliRunner(env=environment).invoke(main, [*words, "--check"])
        mended, again = (CliRunner(env=environment).invoke(main, words) for _ in range(2))
    missed = str(type(events[0]).__struct_config__.tag).removeprefix("crossdesk.")
    assert checked.exit_code == 1
    assert f"        1  {missed}, of {events[0].subject}\n" in checked.output
    assert f"desk: {len(events) - 1} events are there, 1 event is missing\n" in checked.output
    assert (mended.exit_code, again.exit_code) == (0, 0), mended.output + again.output
    assert "1 event was missing, and is said now" in mended.output
    assert again.output == f"desk: {len(events)} events are there, none is missing\n"
    assert all("a token" not in said.output for said in (checked, mended, again))


@pytest.mark.parametrize(
    ("source", "message"),
    [("nobody", "names no source 'nobody'; it names desk, file"), ("file", "file has no API to walk")],
)
def test_a_source_that_cannot_be_walked_is_named(source: str, message: str, tmp_path: Path) -> None:
    file = sources_file(tmp_path, "http://127.0.0.1:9")
    said = CliRunner().invoke(main, ["reconcile", source, "--kafka", "--sources", str(file)])
    assert said.exit_code == 1
    assert message in said.output
