"""What every log connector must do: one suite for all of them. A new one brings its line in ``LOGS`` and its fixtures, and no test.

``fixtures/NAME.csv`` (or ``.ndjson``) is a log with made-up people, ``NAME.yaml`` its mapping where the connector takes one, and
``NAME.events.ndjson`` the events it becomes.
"""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import msgspec
import pytest

from ingest import event as e
from ingest.connector import Rejected
from ingest.connectors import LOGS, build
from ingest.identity import Identity
from ingest.mapping import parse
from ingest.replay import replay

FIXTURES = Path(__file__).parent / "fixtures"
IDENTITY = Identity(b"a key of the tests, no secret", "k1")
EXPECTED = ".events.ndjson"


def records(name: str) -> list[e.Record | Rejected]:
    """The fixture of a connector, replayed."""
    (log,) = (p for p in FIXTURES.glob(f"{name}.*") if p.suffix != ".yaml" and not p.name.endswith(EXPECTED))
    mapping = FIXTURES / f"{name}.yaml"
    connector = build(name, "desk", IDENTITY, mapping=parse(mapping.read_text()) if mapping.exists() else None)
    return list(replay(connector, log))


def events(name: str) -> list[e.CaseEvent]:
    return [r for r in records(name) if isinstance(r, e.CaseEvent)]


pytestmark = pytest.mark.parametrize("name", sorted(LOGS))


def test_the_log_becomes_the_events_that_lie_beside_it(name: str) -> None:
    wanted = (FIXTURES / f"{name}{EXPECTED}").read_text().splitlines()
    assert [e.encode(event).decode() for event in events(name)] == wanted


def test_every_event_is_valid_by_its_schema(name: str) -> None:
    schemas = e.json_schemas()
    for event in events(name):
        document = msgspec.json.decode(e.encode(event))
        jsonschema.validate(document, schemas[document["type"]])


def test_reading_the_log_again_gives_the_same_bytes(name: str) -> None:
    first, second = ([e.encode(r) if not isinstance(r, Rejected) else r for r in records(name)] for _ in range(2))
    assert first == second


def test_ids_are_unique_and_a_case_has_an_order(name: str) -> None:
    found = events(name)
    assert len({event.id for event in found}) == len(found)
    orders = [(event.key, event.time, event.sequence) for event in found]
    assert len(set(orders)) == len(orders), "two events of a case at one instant have one sequence"


def test_nothing_comes_after_a_watermark_that_lies_before_it(name: str) -> None:
    mark = None
    for record in records(name):
        if isinstance(record, e.Watermark):
            assert mark is None or record.data.until >= mark
            mark = record.data.until
        elif isinstance(record, e.CaseEvent):
            assert mark is not None
            assert record.time > mark
    found = events(name)
    assert mark == max(event.time for event in found), "the last mark says that the log is complete"


def test_persons_are_pseudonyms_and_nothing_else(name: str) -> None:
    for event in events(name):
        persons = [event.who] + ([event.data.requester] if isinstance(event, e.Created) else [])
        assert all(re.fullmatch(r"(k1:[0-9a-f]{32,64})?", person) for person in persons)
