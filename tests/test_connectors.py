"""What every connector must do: one suite for all. A new one brings its line in ``CONNECTORS`` and its fixtures, and no test.

``fixtures/connectors/NAME/`` has, after the vendor's documented format and with made-up people:

    settings.json    its fields
    api.json         the answers of its API: path, query (or body), answer. Where it is polled
    hooks.json       a secret and webhooks that are signed with it: when it comes, headers, body, and the cases that it asks us
                     to fetch (doorbells; none: it tells itself). Where it has webhooks
    file.csv (.json) a file. Where it reads files
    documents.json   further documents, and of each what is wrong with it (""; nothing)
    hidden.json      what must be in no event: names, addresses, plain ids, words of texts
    events.ndjson    all events, in their order
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from ingest import event as e
from ingest.connector import (
    Connector,
    Document,
    Doorbell,
    Forged,
    Hook,
    Page,
    Refused,
    Rejected,
    has_hooks,
    is_polled,
    reads_files,
)
from ingest.connectors import CONNECTORS
from ingest.identity import Identity, People

FIXTURES = Path(__file__).parent / "fixtures" / "connectors"
IDENTITY = Identity(b"a key of the tests, no secret", "k1")
DOCS = Path(__file__).parents[1] / "docs" / "connectors"
NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
LATER = timedelta(minutes=6)
OUTCOMES = ("hidden.json", "events.ndjson")
FORGERIES = 40
BROKEN = 300


class FakeApi:
    """Answers what the fixture has, and 404 for a path that is not there."""

    def __init__(self, answers: Iterable[Mapping[str, Any]]) -> None:
        self.answers = [(one["path"], one.get("query", {}), one.get("body", {}), one["answer"]) for one in answers]

    def get(self, path: str, query: Mapping[str, str] = {}) -> Any:
        return self._answer(path, query, {})

    def post(self, path: str, body: Mapping[str, Any], query: Mapping[str, str] = {}) -> Any:
        return self._answer(path, query, body)

    def _answer(self, path: str, query: Mapping[str, str], body: Mapping[str, Any]) -> Any:
        assert all(isinstance(value, str) for value in query.values()), "a query is text"
        there = [one for one in self.answers if one[0] == path]
        if not there:
            raise Refused(404, f"{path}: not found")
        for _, wanted, said, answer in there:
            if wanted == query and said == body:
                return deepcopy(answer)
        raise AssertionError(f"{path} is asked with {query} {body}; the fixture has {[one[1:3] for one in there]}")


class Fixture:
    def __init__(self, name: str) -> None:
        self.folder = FIXTURES / name
        assert self.folder.is_dir(), (
            f"connector {name!r} has no fixtures: make {self.folder.relative_to(FIXTURES.parents[1])}"
        )
        self.connector: Connector = CONNECTORS[name].model_validate(self.read("settings.json", {}))
        self.api = FakeApi(self.read("api.json", []))
        self.hooks: Mapping[str, Any] = self.read("hooks.json", {"secret": "", "hooks": []})

    def read(self, name: str, otherwise: Any) -> Any:
        path = self.folder / name
        return json.loads(path.read_text()) if path.exists() else otherwise

    def pages(self, cursor: str = "") -> list[Page]:
        return list(self.connector.fetch(self.api, cursor, NOW)) if is_polled(type(self.connector)) else []

    def calls(self) -> Iterator[tuple[Hook, list[str]]]:
        for one in self.hooks["hooks"]:
            headers = {name.lower(): value for name, value in one["headers"].items()}
            at = datetime.fromisoformat(one["at"])
            yield Hook(headers, one["body"].encode(), at), one["doorbells"]

    def documents(self) -> list[Document]:
        """By every way in."""
        found: list[Document] = [document for page in self.pages() for document in page.documents]
        for hook, _ in self.calls():
            found += [one for one in self.connector.received(hook) if not isinstance(one, Doorbell | Rejected)]
        found += [one for one in self.filed() if not isinstance(one, Rejected)]
        return found + [one["document"] for one in self.read("documents.json", [])]

    def filed(self) -> list[Document | Rejected]:
        if not reads_files(type(self.connector)):
            return []
        files = sorted(self.folder.glob("file.*"))
        assert files, "the fixture needs a file"
        return [one for path in files for one in self.connector.filed(path.read_text().splitlines(True), path.name)]

    def parse(self, documents: Iterable[Document]) -> list[Any]:
        people = People(IDENTITY, self.connector.source)
        return [made for document in documents for made in self.connector.parse(document, people)]

    def events(self) -> list[Any]:
        """All that it tells, once, in order."""
        made = {event.id: event for event in self.parse(self.documents()) if not isinstance(event, Rejected)}
        return sorted(made.values(), key=lambda event: (event.key, event.time, event.sequence, event.id))


@cache
def fixture(name: str) -> Fixture:
    return Fixture(name)


every = pytest.mark.parametrize("name", sorted(CONNECTORS))
with_api = pytest.mark.parametrize("name", sorted(name for name, one in CONNECTORS.items() if is_polled(one)))
with_hooks = pytest.mark.parametrize("name", sorted(name for name, one in CONNECTORS.items() if has_hooks(one)))


# -- what it tells


@every
def test_it_tells_the_events_that_lie_beside_it(name: str) -> None:
    wanted = (fixture(name).folder / "events.ndjson").read_text().splitlines()
    assert [e.encode(event).decode() for event in fixture(name).events()] == wanted


@every
def test_its_fixture_shows_every_type_that_it_tells_and_no_other(name: str) -> None:
    assert {type(event) for event in fixture(name).events()} == CONNECTORS[name].tells


@every
def test_every_event_is_valid_by_its_schema(name: str) -> None:
    schemas = e.json_schemas()
    for event in fixture(name).events():
        document = msgspec.json.decode(e.encode(event))
        jsonschema.validate(document, schemas[document["type"]])


@every
def test_the_same_change_is_the_same_event_however_it_comes(name: str) -> None:
    seen: dict[str, bytes] = {}
    made = fixture(name).parse(fixture(name).documents())
    for event in made + fixture(name).parse(fixture(name).documents()):
        if not isinstance(event, Rejected):
            assert seen.setdefault(event.id, e.encode(event)) == e.encode(event)


@every
def test_what_happens_to_a_case_has_an_order(name: str) -> None:
    orders = [
        (event.key, event.time, event.sequence) for event in fixture(name).events() if isinstance(event, e.CaseEvent)
    ]
    assert len(set(orders)) == len(orders), "two events of a case at one instant have one sequence"


@every
def test_no_person_and_no_word_of_a_text_is_in_an_event(name: str) -> None:
    hidden = fixture(name).read("hidden.json", [])
    assert hidden, "the fixture must say what is to be hidden"
    given = "".join(path.read_text() for path in fixture(name).folder.iterdir() if path.name not in OUTCOMES)
    said = "\n".join(e.encode(event).decode() for event in fixture(name).events()).casefold()
    for word in hidden:
        assert word in given, f"{word!r} is nowhere in the fixture"
        assert word.casefold() not in said


@every
def test_what_cannot_be_read_is_rejected_with_its_reason(name: str) -> None:
    for one in fixture(name).read("documents.json", []):
        reasons = [made.reason for made in fixture(name).parse([one["document"]]) if isinstance(made, Rejected)]
        assert reasons == ([one["rejected"]] if one["rejected"] else [])
    pages = [document for page in fixture(name).pages() for document in page.documents]
    assert not [made for made in fixture(name).parse(pages) if isinstance(made, Rejected)]


@every
def test_whatever_is_broken_in_a_document_raises_nothing(name: str) -> None:
    rnd, documents = random.Random(name), fixture(name).documents()
    for _ in range(BROKEN):
        broken = deepcopy(dict(rnd.choice(documents)))
        for _ in range(rnd.randrange(1, 4)):
            spoil(broken, rnd)
        for made in fixture(name).parse([broken]):
            assert isinstance(made, Rejected) or e.decode(e.encode(made)) == made


@every
def test_a_page_tells_how_to_connect_it(name: str) -> None:
    """What to click, which rights, which settings, what is read and what never is."""
    page = (DOCS / f"{name}.md").read_text()
    for field in CONNECTORS[name].model_fields:
        assert f"`{field}`" in page, f"{field!r} is not explained"
    for heading in ("## In the product", "## Rights", "## Settings", "## What is read", "## What is never read"):
        assert heading in page


# -- the API


@with_api
def test_who_goes_on_from_any_cursor_misses_nothing(name: str) -> None:
    pages = fixture(name).pages()
    assert [page.more for page in pages] == [True] * (len(pages) - 1) + [False]
    assert pages[-1].until is not None, "the last page tells how far the source is known"
    wanted = ids(fixture(name).parse(document for page in pages for document in page.documents))
    for at, page in enumerate(pages):
        before = [document for one in pages[: at + 1] for document in one.documents]
        after = [document for one in fixture(name).pages(page.cursor) for document in one.documents]
        assert ids(fixture(name).parse(before + after)) == wanted


@with_api
def test_it_says_who_it_is_and_shows_the_secret_to_nobody_else(name: str) -> None:
    connector = fixture(name).connector
    headers = connector.authorization("a secret of the tests")
    assert headers
    assert "a secret of the tests" not in repr(connector)


# -- webhooks


@with_hooks
def test_a_webhook_that_is_signed_tells_what_the_fixture_says(name: str) -> None:
    fx, secret = fixture(name), fixture(name).hooks["secret"]
    wanted = {event.id: e.encode(event) for event in fx.events()}
    calls = list(fx.calls())
    assert calls, "the fixture needs webhooks"
    for hook, doorbells in calls:
        fx.connector.verify(hook, [secret])
        fx.connector.verify(hook, ["another one", secret])
        told = list(fx.connector.received(hook))
        assert [one.subject for one in told if isinstance(one, Doorbell)] == doorbells
        documents = [one for one in told if not isinstance(one, Doorbell | Rejected)]
        for subject in doorbells:
            documents += fx.connector.case(fx.api, subject)
        assert not [one for one in told if isinstance(one, Rejected)]
        made = fx.parse(documents)
        assert all(wanted[event.id] == e.encode(event) for event in made)


@with_hooks
def test_a_webhook_of_somebody_else_is_refused(name: str) -> None:
    fx, secret, rnd = fixture(name), fixture(name).hooks["secret"], random.Random(name)
    for hook, _ in fx.calls():
        for secrets in ([], ["another one"], [secret + "x"]):
            with pytest.raises(Forged):
                fx.connector.verify(hook, secrets)
        with pytest.raises(Forged):
            fx.connector.verify(hook._replace(headers={}), [secret])
        if fx.connector.signs_body:
            for _ in range(FORGERIES):
                with pytest.raises(Forged):
                    fx.connector.verify(hook._replace(body=flipped(hook.body, rnd)), [secret])
        if fx.connector.signs_time:
            for at in (hook.at + LATER, hook.at - LATER):
                with pytest.raises(Forged):
                    fx.connector.verify(hook._replace(at=at), [secret])


@with_hooks
def test_whatever_a_body_is_raises_nothing(name: str) -> None:
    fx, rnd = fixture(name), random.Random(name)
    bodies = [hook.body for hook, _ in fx.calls()]
    nothing = [b"", b"null", b"[]", b"{}", b'"a"', b"[" * 100_000, b"\xff\xfe", b'{"a":' * 50_000, b"1e999999"]
    spoiled = []
    for _ in range(BROKEN):
        changed = bytearray(rnd.choice(bodies))
        for _ in range(rnd.randrange(1, 6)):
            changed[rnd.randrange(len(changed))] = rnd.randrange(256)
        spoiled.append(bytes(changed[: rnd.choice((len(changed), rnd.randrange(len(changed))))]))
    for body in nothing + spoiled:
        for one in fx.connector.received(Hook({"content-type": "application/json"}, body, NOW)):
            if not isinstance(one, Doorbell | Rejected):
                fx.parse([one])


# -- helpers


def ids(made: Iterable[Any]) -> set[str]:
    return {event.id for event in made if not isinstance(event, Rejected)}


def flipped(body: bytes, rnd: random.Random) -> bytes:
    """One bit of it another."""
    at = rnd.randrange(len(body))
    return body[:at] + bytes([body[at] ^ (1 << rnd.randrange(8))]) + body[at + 1 :]


def spoil(there: Any, rnd: random.Random) -> None:
    """Somewhere in it a value is gone, or of another kind."""
    while True:
        keys = list(there) if isinstance(there, dict) else list(range(len(there)))
        if not keys:
            return
        key = rnd.choice(keys)
        inner = there[key]
        if isinstance(inner, dict | list) and inner and rnd.random() < 0.8:
            there = inner
            continue
        if rnd.random() < 0.3:
            del there[key]
        else:
            there[key] = rnd.choice(
                (None, "", "x", "x" * 600, -1, 10**30, 1.5, True, [], {}, [None], {"a": None}, str(inner), "2026-13-45")
            )
        return


def written(name: str) -> None:  # pragma: no cover
    """``events.ndjson`` of a new fixture, to be read with care: in ``tests/``, ``python -m test_connectors NAME``."""
    lines = [e.encode(event).decode() for event in fixture(name).events()]
    (fixture(name).folder / "events.ndjson").write_text("".join(line + "\n" for line in lines))


if __name__ == "__main__":
    import sys

    written(sys.argv[1])
