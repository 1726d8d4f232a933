"""A run of the simulated company is searched for every person and every single answer: each file, table, page, log and scrape.

Where a pseudonym may stand is what the page of what is stored says (docs/privacy.md). tests/test_persons_hidden.py searches the
same of a helpdesk, an HR system and a survey that know names.
"""

from __future__ import annotations

import re
import sqlite3
import urllib.request
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from cryptography.fernet import Fernet
from test_serve import run, said_port, start

from deploy import config_files
from deploy.demo import EXAMPLE
from deploy.privacy.reasons import HOLDS
from deploy.privacy.schemas import SERIES, SERIES_OF_MORALE
from deploy.serve import running
from ingest import event as e
from ingest.answers.keys import Keys
from ingest.answers.store import AnswerStore
from ingest.connectors.simulated import simulate, simulate_with_feedback
from ingest.simulation.feedback import Week
from sinks.clickhouse import connect
from sinks.prometheus import LABELS
from streams.sealed import decode
from streams.sealing import Sealing

SEED, DAYS = 5, 8
PERSON = re.compile(rb"k1:[0-9a-f]{32}")
OPEN_METRICS = "application/openmetrics-text"
OF_THE_LOG = {"events", "config", "cases_state_1"}
"""Tables of the log in which pseudonyms stand: topics and states, as the page says. HR has told nothing here."""


def places(content: bytes, names: Iterable[bytes]) -> set[bytes]:
    """Those of ``names`` (four bytes at least) that stand in it, in one walk through it."""
    begun: dict[bytes, list[bytes]] = {}
    for name in names:
        begun.setdefault(name[:4], []).append(name)
    return {
        name
        for at in range(len(content) - 3)
        for name in begun.get(content[at : at + 4], ())
        if content.startswith(name, at)
    }


class Run(NamedTuple):
    """All that a run leaves: texts by where they are from, the folder, and who is in it."""

    texts: Mapping[str, bytes]
    folder: Path
    persons: frozenset[bytes]


def persons() -> frozenset[bytes]:
    """Every one that the simulated company tells of."""
    return frozenset(found for record in simulate(SEED, DAYS) for found in PERSON.findall(e.encode(record)))


def asked(port: int, path: str, **headers: str) -> bytes:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        body: bytes = answer.read()
        return body + str(answer.headers).encode()


def cases_of(at: Path) -> list[str]:
    """Some that were handed over."""
    sql = "SELECT DISTINCT case_id FROM facts WHERE measure = 'acceptance' ORDER BY case_id LIMIT 3"
    rows = run(at, "query", sql, "--data", "d", "--json").stdout
    return re.findall(r'"case_id": "([^"]+)"', rows)


def everything_said(at: Path, port: int) -> Iterator[tuple[str, bytes]]:
    """What a process that serves says to Prometheus, to browsers and to the other commands."""
    address = running(at / "d")
    assert address is not None
    yield "/metrics", asked(port, "/metrics")
    yield "/metrics, newer form", asked(port, "/metrics", Accept=OPEN_METRICS)
    token = {"Authorization": "Basic " + b64encode(f"me:{address.token}".encode()).decode()}
    cases = cases_of(at)
    assert len(cases) == 3
    for case in cases:
        yield f"/explain/{case}", asked(port, f"/explain/{case}", **token)
        for form in ((), ("--json",), ("--html", f"{case.partition('/')[2]}.html")):
            yield f"explain {case} {form}", run(at, "explain", case, *form, "--data", "d").stdout.encode()
    for words in (
        ("norms", "page", "--out", "pages"),
        ("query", "SELECT * FROM indicators", "--json"),
        ("rejected", "list", "--all"),
        ("unmapped",),
    ):
        done = run(at, *words, "--data", "d")
        yield " ".join(words), (done.stdout + done.stderr).encode()


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Run:
    at = tmp_path_factory.mktemp("searched")
    process = start(at, "demo", "--days", str(DAYS), "--seed", str(SEED), "--data", "d", "--port", "0", "--cases")
    try:
        texts = dict(everything_said(at, said_port(process)))
    finally:
        process.terminate()
        out, err = process.communicate(timeout=60)
    texts["the command"] = (out + err).encode()
    for file in (path for path in at.rglob("*") if path.is_file() and at / "d" / "store" not in path.parents):
        if not file.name.startswith("log.sqlite3"):
            texts[str(file.relative_to(at))] = file.read_bytes()
    return Run(texts, at / "d", persons())


def test_no_page_log_scrape_or_answer_names_a_person(searched: Run) -> None:
    assert len(searched.persons) > 200
    assert sum(map(len, searched.texts.values())) > 500_000
    assert {"/metrics", "the command", "d/truth.json", "pages/index.html", "pages/it.html"} <= searched.texts.keys()
    assert {name for name, text in searched.texts.items() if PERSON.search(text)} == set()
    bare = [person.removeprefix(b"k1:") for person in searched.persons]
    assert {name for name, text in searched.texts.items() if places(text, bare)} == set()


def test_in_the_log_pseudonyms_are_in_events_and_what_is_folded_of_them(searched: Run) -> None:
    found: dict[str, set[bytes]] = {}
    with sqlite3.connect(searched.folder / "log.sqlite3") as db:
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            found[table] = set()
            for row in db.execute(f"SELECT * FROM {table}"):
                for cell in row:
                    content = cell.encode() if isinstance(cell, str) else cell if isinstance(cell, bytes) else b""
                    found[table].update(PERSON.findall(content))
    db.close()
    assert {"facts_1", "departments_state_1", "rejected", "positions"} <= found.keys()
    assert {table for table, persons in found.items() if persons} == OF_THE_LOG
    assert found["events"] >= searched.persons


def test_in_the_store_pseudonyms_are_in_the_raw_events_alone(searched: Run) -> None:
    pattern = PERSON.pattern.decode()
    store = connect(f"chdb://{searched.folder / 'store'}")
    try:
        columns = store.query(
            "SELECT database, table, name FROM system.columns WHERE database LIKE 'crossdesk%' AND type LIKE '%String%'"
        ).rows
        assert len(columns) > 40
        found = {
            (f"{database}.{table}", name)
            for database, table, name in columns
            if store.query(
                f"SELECT 1 FROM {database}.{table} WHERE match(toString(`{name}`), '{pattern}') LIMIT 1"
            ).rows
        }
    finally:
        store.close()
    tables = {place for place in HOLDS if place[0].startswith("crossdesk_")}
    assert found == tables | {("crossdesk_raw.events", "raw")}


def test_prometheus_gets_no_label_but_those_of_the_page(searched: Run) -> None:
    labels = set(re.findall(rb'[{,](\w+)="', searched.texts["/metrics"]))
    assert labels <= {name.encode() for name in (*SERIES, *SERIES_OF_MORALE, *LABELS)}
    assert {b"department", b"window"} <= labels


# -- answers


class Feedback:
    """A sink that keeps what leaves the store."""

    def __init__(self) -> None:
        self.said: list[bytes] = []

    def say(self, topic: str, key: str, value: bytes) -> None:
        assert (topic, PERSON.search(key.encode())) == ("feedback", None)
        self.said.append(value)

    def settle(self) -> None:
        """It is kept already."""


def names_of(answer: e.Answered | e.Rated) -> Iterator[bytes]:
    """What would lead to it, as text and as bytes."""
    yield answer.id.encode()
    yield bytes.fromhex(answer.id.replace("-", ""))
    yield from whose(answer)


def whose(answer: e.Answered | e.Rated) -> Iterator[bytes]:
    person = answer.data.person.partition(":")[2]
    yield person.encode()
    yield bytes.fromhex(person)


def test_single_answers_are_in_the_feedback_alone(tmp_path: Path) -> None:
    told = list(simulate_with_feedback(SEED, 70))
    weeks = [one for one in told if isinstance(one, Week)]
    answers = [answer for week in weeks for answer in week.answers]
    assert len(answers) > 1_000
    feedback = Feedback()
    with AnswerStore(tmp_path / "answers", Keys(Fernet.generate_key().decode()), Random(1)) as store:
        store.publish(weeks[0].begins, feedback, 1)
        for week in weeks:
            store.keep_all(week.answers)
            files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
            assert places(files, (name for answer in week.answers for name in names_of(answer))) == set()
            store.publish(week.begins + timedelta(weeks=1), feedback, 1)
        left = (tmp_path / "answers").read_bytes()
    configuration = config_files.load(EXAMPLE).configuration
    effects = Sealing({}, lambda _: configuration, ()).batch(enumerate(feedback.said))
    batches = [decode(output.value) for output in effects.outputs]
    assert len(batches) > 20
    assert sum(batch.persons for batch in batches) > 500

    sealed = b"\n".join(part for o in effects.outputs for part in (o.value, o.key, o.owner.encode()))
    events = b"\n".join(e.encode(one) for one in told if not isinstance(one, Week))
    events += b"\n".join(e.encode(one) for week in weeks for one in week.suggestions)
    state = b"\n".join(key.encode() + (row or b"") for key, row in effects.changes.items())
    names = [name for answer in answers for name in names_of(answer)]
    ids = {answer.id.encode() for answer in answers}
    assert places(b"\n".join(feedback.said), ids) == ids
    for content in (left, sealed, events):
        assert places(content, names) == set()
    assert places(state, (name for answer in answers for name in whose(answer))) == set()
