"""The engine of the fakes: its clock, its pages, what goes wrong, webhooks, and the command."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import httpx
import pytest
import yaml
from click.testing import CliRunner
from sandbox_client import (
    IDENTITY,
    Client,
    connector_of,
    polled,
    subjects_of,
)

from deploy import sandbox_cli
from deploy.cli import main
from deploy.sandbox.encoded_query import Query
from deploy.sandbox.engine import VENDORS, Sandbox
from deploy.sandbox.faults import Faults
from ingest import event as e
from ingest.connector import Connector, Doorbell, Forged, Hook, Rejected
from ingest.connectors import CONNECTORS
from ingest.connectors.simulated import START
from ingest.identity import People

START_TIME = datetime(START.year, START.month, START.day, tzinfo=UTC)
PEOPLE = People(IDENTITY, "any")
every = pytest.mark.parametrize("vendor", sorted(VENDORS))


# -- the clock


@every
def test_what_is_asked_for_bit_by_bit_is_what_there_is_in_the_end_and_more(vendor: str) -> None:
    begun = partial(Sandbox, vendor, seed=10, days=3, cases_per_day=50.0)
    with begun(at=START_TIME, page=5) as served:
        found = polled(served)
        assert (found.cases, found.rejected) == ({}, [])
        while served.now < START_TIME + timedelta(days=3, minutes=2):
            served.advance(timedelta(hours=5))
            polled(served, found)
            assert all(START_TIME <= event.time <= served.now for event in found.events.values())
        assert found.rejected == []
    with begun(at=served.now) as whole:
        at_once = polled(whole)
    assert len(at_once.events) > 600
    missing = {key: event for key, event in at_once.events.items() if found.events.get(key) != event}
    assert missing == {}
    further = {subjects_of(whole)[found.events[key].subject] for key in found.events.keys() - at_once.events.keys()}
    gone = {case.subject for number, case in enumerate(whole.data.cases) if number in whole.data.absences}
    assert further <= gone
    assert further, "of what was deleted by then more had been seen"


@every
def test_the_clock_goes_forward_and_what_lies_ahead_is_not_shown(vendor: str) -> None:
    at = START_TIME + timedelta(days=1, hours=10)
    with Sandbox(vendor, seed=2, days=3, at=at) as served:
        assert served.now == at
        later = [number for number in range(len(served.data.cases)) if not served.data.last(number)]
        assert later
        connector, subject = connector_of(served), served.vendor.subject(later[0])
        client = Client(served, connector)
        assert list(connector.case(client, subject)) == []
        served.advance(timedelta(days=3))
        assert connector.case(client, subject)
        client.close()


# -- pages


@every
def test_pages_of_any_size_show_the_same_though_several_changed_in_one_second(vendor: str) -> None:
    shown = []
    for page in (0, 1, 3):
        with Sandbox(vendor, seed=51, days=1, cases_per_day=70.0, page=page) as served:
            served.advance(timedelta(minutes=2))
            lasts = [at for at, _ in served.data.changed(0)]
            assert len(set(lasts)) < len(lasts), "this seed shows it no more: take another"
            shown.append(polled(served).events)
    assert shown[1] == shown[0]
    assert shown[2] == shown[0]


@every
def test_the_same_seed_gives_the_same_bytes(vendor: str) -> None:
    bodies = []
    for seed in (4, 4, 5):
        with Sandbox(vendor, seed=seed, days=1) as served:
            with asking(served) as client:
                told = client.get(FIRST[vendor]).raise_for_status().content
            bodies.append(told.replace(served.url.encode(), b""))
    assert bodies[0] == bodies[1] != bodies[2]
    assert len(bodies[0]) > 10_000


FIRST = {
    "zendesk": "/api/v2/incremental/tickets/cursor.json?start_time=0",
    "servicenow": "/api/now/table/incident?sysparm_query=ORDERBYsys_updated_on^ORDERBYsys_id&sysparm_limit=100",
    "jira_service_management": "/rest/api/3/search/jql?jql=project in (HELP) ORDER BY updated ASC, key ASC",
}
WRONG = {
    "zendesk": ["/api/v2/incremental/tickets/cursor.json?cursor=nonsense", "/api/v2/incremental/tickets/cursor.json"],
    "servicenow": [
        "/api/now/table/nonsense",
        "/api/now/table/incident?sysparm_query=ORDERBYnumber",
        "/api/now/table/sys_audit?sysparm_query=documentkeyLIKEa",
        "/api/now/table/sys_user?sysparm_query=sys_id=89^colour=red&sysparm_limit=many",
    ],
    "jira_service_management": [
        "/rest/api/3/search/jql?jql=updated > 1",
        FIRST["jira_service_management"] + "&nextPageToken=x",
    ],
}
"""What is answered 400: whoever writes a connector is told at once."""


@every
def test_what_it_does_not_know_it_refuses(vendor: str) -> None:
    with Sandbox(vendor, seed=1, days=1) as served, asking(served) as client:
        assert [(path, client.get(path).status_code) for path in WRONG[vendor]] == [
            (path, 400) for path in WRONG[vendor]
        ]
        assert client.get("/api/nothing").status_code == 404


@every
def test_whom_it_does_not_know_it_refuses(vendor: str) -> None:
    with Sandbox(vendor, seed=1, days=1) as served:
        for headers in ({}, connector_of(served).authorization("another secret")):
            assert httpx.get(served.url + FIRST[vendor], headers=headers, trust_env=False).status_code == 401


def asking(served: Sandbox) -> httpx.Client:
    headers = connector_of(served).authorization(served.secret)
    return httpx.Client(base_url=served.url, headers=dict(headers), trust_env=False, timeout=10.0)


@every
def test_a_case_that_was_merged_for_a_while_into_one_that_is_gone_is_shown(vendor: str) -> None:
    with Sandbox(vendor, seed=232, days=4, cases_per_day=60.0) as served:
        served.advance(timedelta(minutes=2))
        number, case = next((n, one) for n, one in enumerate(served.data.cases) if one.subject == "HD-100003")
        kinds = {step.kind: step.number for step in served.data.steps(number)}
        assert "unmerged" in kinds, "this seed shows it no more: take another"
        assert served.data.deleted(kinds["merged"], for_good=True)
        assert {one.kind for one in polled(served).cases[case.subject]} >= {"created", "routed"}


@every
def test_what_was_deleted_is_not_there_and_servicenow_says_since_when(vendor: str) -> None:
    with Sandbox(vendor, seed=10, days=3, cases_per_day=50.0) as served:
        connector = connector_of(served)
        client = Client(served, connector)
        gone = [number for number in served.data.absences if served.data.deleted(number, for_good=True)]
        assert gone
        for number in gone:
            subject = served.vendor.subject(number)
            made = [one for document in connector.case(client, subject) for one in connector.parse(document, PEOPLE)]
            told = [(type(one), one.time.timestamp()) for one in made if isinstance(one, e.Deleted)]
            assert told == ([(e.Deleted, served.data.deleted(number))] if vendor == "servicenow" else [])
            assert len(made) == len(told)
        client.close()


@pytest.mark.parametrize("vendor", ["servicenow", "zendesk"])
def test_it_says_what_its_groups_are_called(vendor: str) -> None:
    """Jira says so of nothing but its issues."""
    with Sandbox(vendor, seed=1, days=1) as served:
        connector = connector_of(served)
        client = Client(served, connector)
        for asks, ids in ((False, served.vendor.group), (True, served.vendor.unit)):
            assert connector.group_name(client, ids("Accounts Payable"), asks=asks) == "Accounts Payable"
            assert connector.group_name(client, ids("Accounts Payable"), asks=not asks) == ""
        client.close()


# -- faults


@every
def test_through_faults_all_is_found_as_without(vendor: str) -> None:
    begun = partial(Sandbox, vendor, seed=6, days=2, cases_per_day=40.0, page=3)
    with begun() as whole:
        wanted = polled(whole)
    faults = Faults(errors=0.1, cut=0.1, slow=0.05, seconds=0.01, seed=3)
    with begun(faults=faults) as served:
        found = polled(served)
        assert found.events == wanted.events
        assert served.gate.answered[500] > 4
        assert served.gate.answered[200] > whole.gate.answered[200]  # those that were cut


def test_the_same_plan_makes_the_same_faults() -> None:
    plans = [Faults(errors=0.2, slow=0.1, cut=0.1, drop=0.3, double=0.3, late=0.2, seed=seed) for seed in (1, 1, 2)]
    drawn = [[(plan.request(), plan.hook()) for _ in range(300)] for plan in plans]
    assert drawn[0] == drawn[1] != drawn[2]
    assert {fault for fault, _ in drawn[0]} == {"", "error", "slow", "cut"}
    assert {fault for _, fault in drawn[0]} == {"", "drop", "double", "late"}
    assert 40 < sum(fault == "error" for fault, _ in drawn[0]) < 80


@every
def test_who_asks_too_often_is_told_when_to_come_back(vendor: str) -> None:
    with Sandbox(vendor, seed=1, days=1, faults=Faults(per_minute=3)) as served, asking(served) as client:
        answers = [client.get(FIRST[vendor]) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert 0 < int(answers[3].headers["retry-after"]) <= 61


@every
def test_a_secret_expires_and_another_takes_its_place(vendor: str) -> None:
    with Sandbox(vendor, seed=1, days=1, faults=Faults(expires_after=2)) as served:
        with asking(served) as client:
            assert [client.get(FIRST[vendor]).status_code for _ in range(4)] == [200, 200, 401, 401]
            served.renew()
            assert client.get(FIRST[vendor]).status_code == 401
        with asking(served) as client:
            assert client.get(FIRST[vendor]).status_code == 200


# -- webhooks


class Heard(BaseHTTPRequestHandler):
    """``hooks`` that came."""

    hooks: ClassVar[list[Hook]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.hooks.append(Hook(headers, body, datetime.now(UTC)))
        self.send_response(202)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    Heard.hooks.clear()
    with HTTPServer(("127.0.0.1", 0), Heard) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hooks"
        server.shutdown()
        thread.join()


def subject_of(connector: Connector, hook: Hook) -> str:
    (told,) = connector.received(hook)
    if isinstance(told, Doorbell):
        return told.subject
    assert not isinstance(told, Rejected)
    return str(told["deleted"]["issue"]["id"])


@every
def test_webhooks_are_signed_as_the_vendor_signs_and_tell_of_every_change(vendor: str, address: str) -> None:
    with Sandbox(vendor, seed=9, days=2, at=START_TIME + timedelta(hours=9)) as served:
        connector = connector_of(served)
        assert served.send_hooks(address) == (0, 0, 0, 0)
        served.advance(timedelta(minutes=90))
        sent = served.send_hooks(address)
        since = int((START_TIME + timedelta(hours=9)).timestamp())
        changed = {served.vendor.subject(case) for _, case in served.data.changes(since, served.data.now)}
        assert sent == (len(Heard.hooks), len(Heard.hooks), 0, 0)
        assert sent.changes > 20
        for hook in Heard.hooks:
            connector.verify(hook, ["another", served.hook_secret])
            with pytest.raises(Forged):
                connector.verify(hook, ["another"])
        assert {subject_of(connector, hook) for hook in Heard.hooks} == changed
        assert served.send_hooks(address).changes == 0


def test_webhooks_are_dropped_doubled_and_late_by_plan(address: str) -> None:
    heard = []
    for faults in (Faults(), Faults(drop=0.2, double=0.2, late=0.2, seed=8)):
        with Sandbox("zendesk", seed=9, days=2, at=START_TIME, faults=faults) as served:
            served.advance(timedelta(hours=11))
            sent = served.send_hooks(address)
            heard.append([hook.body for hook in Heard.hooks])
            Heard.hooks.clear()
    whole, faulty = heard
    times = Counter(faulty)
    assert sent.dropped == sum(body not in times for body in whole) > 5
    assert sum(number == 2 for number in times.values()) > 5
    assert sent.calls == len(faulty)
    assert list(dict.fromkeys(faulty)) != [body for body in whole if body in times]  # some came late
    assert times.keys() <= set(whole)


def test_a_webhook_that_nobody_takes_is_counted() -> None:
    with Sandbox("zendesk", seed=9, days=2, at=START_TIME) as served:
        served.advance(timedelta(hours=7))
        sent = served.send_hooks("http://127.0.0.1:9/")
        assert sent.refused == sent.calls > 0


# -- people


def test_a_person_is_one_pseudonym_in_every_helpdesk() -> None:
    asked: list[dict[str, str]] = []
    for vendor in sorted(VENDORS):
        with Sandbox(vendor, seed=2, days=2, cases_per_day=60.0) as served:
            served.advance(timedelta(minutes=2))
            found = polled(served)
            asked.append({subject: some[0].who for subject, some in found.cases.items() if some[0].kind == "created"})
    shared = set.intersection(*(set(some) for some in asked))
    assert len(shared) > 60
    assert len({asked[0][subject] for subject in shared}) > 30
    for subject in shared:
        assert len({some[subject] for some in asked}) == 1


@every
def test_names_and_addresses_are_shown_and_never_become_events(vendor: str) -> None:
    with Sandbox(vendor, seed=2, days=2, cases_per_day=60.0) as served:
        served.advance(timedelta(minutes=2))
        events = b"".join(map(e.encode, polled(served).events.values()))
        with asking(served) as client:
            assert b"The lamp of" in client.get(FIRST[vendor]).content
    for person in served.people:
        assert person.email.encode() not in events
        assert person.name.encode() not in events


# -- the command


def test_the_command_knows_every_fake() -> None:
    assert tuple(VENDORS) == sandbox_cli.VENDORS


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_stopped(tmp_path: Path, number: signal.Signals) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret of the tests\n")
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "deploy.cli",
        "sandbox",
        "zendesk",
        "--days",
        "1",
        "--port",
        "0",
        "--secret-file",
        secret,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(9)]
        entry = yaml.safe_load("".join(said[2:]))[0]
        assert entry["connector"] == "zendesk"
        connector = CONNECTORS["zendesk"].model_validate({"source": entry["name"], **entry["settings"]})
        headers = connector.authorization("a secret of the tests")
        assert httpx.get(entry["url"] + FIRST["zendesk"], headers=headers, trust_env=False).json()["tickets"]
        process.send_signal(number)
        said_last, _ = process.communicate(timeout=30)
        assert "Stopped." in said_last
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("zendesk", "--start", "2199-01-01"), "lies ahead"),
        (("glpi",), "is not one of"),
        (("zendesk", "--cases-per-day", "-1"), "cases_per_day must be above 0"),
        (("zendesk", "--errors", "2"), "is not in the range"),
    ],
)
def test_what_it_cannot_serve_it_says(arguments: Sequence[str], said: str) -> None:
    result = CliRunner().invoke(main, ["sandbox", *arguments])
    assert result.exit_code == 2
    assert said in result.output


# -- encoded queries


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", "abc"),
        ("n=1", "a"),
        ("n>1", "bc"),
        ("n>=2^name!=c", "b"),
        ("nIN1,3", "ac"),
        ("n<2^NQn>2", "ac"),
        ("n=1^ORn=2^name<b", "a"),
        ("n<=2^ORDERBYname^ORDERBYn", "ab"),
    ],
)
def test_an_encoded_query(query: str, names: str) -> None:
    read = Query.read(query)
    assert "".join(name for name, n in zip("abc", "123", strict=True) if read.holds({"name": name, "n": n})) == names


def test_of_an_encoded_query_is_known_where_it_begins() -> None:
    assert Query.read("n>5^name=a^NQn=5^m>3^ORDERBYn").least("n") == "5"
    assert Query.read("n>5^NQm=5").least("n") == ""
    assert Query.read("n>=5^n>7").least("n") == "7"
