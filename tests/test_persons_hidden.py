"""One person is one pseudonym in all sources, and on no topic is there anything that names one."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import yaml
from cryptography.fernet import Fernet
from on_kafka import Installation, Process, ended
from sandbox_client import IDENTITY, Client, connector_of
from signing import signed
from test_connectors import Fixture

from deploy.sandbox.engine import VENDORS, Sandbox
from deploy.sandbox.people import Person
from ingest import event as e
from ingest import topics as declared
from ingest.answers.keys import Keys
from ingest.connector import Document, Rejected, valid
from ingest.feedback import answered
from ingest.identity import People
from ingest.intake import Intake
from ingest.persons import joined
from streams.company import CompanyFile
from streams.configuration import Configuration, Files

PARTITIONS = 2
PATIENCE = 90.0
PSEUDONYM = re.compile(rb"k1:[0-9a-f]{32}")


def answer_of(person: Person) -> dict[str, Any]:
    """A webhook of Typeform in which the person has answered."""
    fixture = Fixture("typeform")
    told: dict[str, Any] = json.loads(fixture.hooks["hooks"][0]["body"])
    told["form_response"]["hidden"] |= {"who": person.email.upper()}
    told["form_response"]["token"] = f"tok-{person.number}"
    return told


def made_by(name: str, document: Document, source: str = "") -> list[Any]:
    fixture = Fixture(name)
    made = list(fixture.connector.parse(document, People(IDENTITY, source or name)))
    assert not [one for one in made if isinstance(one, Rejected)]
    return made


def test_one_person_is_one_pseudonym_in_every_source() -> None:
    with Sandbox("zendesk", seed=4, days=3, cases_per_day=60) as sandbox:
        sandbox.advance(timedelta(minutes=2))
        person = sandbox.people[sandbox.data.cases[5].requester]
        wanted = IDENTITY.pseudonym(person.email, "anything")
        requesters = {made.data.requester for made in created(sandbox)}
    assert wanted in requesters
    employee = {
        "employee": {
            "employeeId": "77",
            "workEmail": person.email.capitalize(),
            "employeeNumber": "77",
            "hireDate": "2025-02-03",
            "terminationDate": None,
            "status": "Active",
        },
        "jobInfo": [{"date": "2025-02-03", "location": "Braga", "department": "Support"}],
        "employmentStatus": [],
    }
    (joined,) = (made for made in made_by("bamboohr", employee) if isinstance(made, e.Joined))
    assert joined.subject == wanted
    response = answer_of(person)["form_response"]
    (answered,) = made_by("typeform", {"form": "QsrvA1", "response": response})
    assert answered.data.person == IDENTITY.in_wave(wanted, answered.data.wave)


def created(sandbox: Sandbox) -> list[e.Created]:
    said: list[e.Created] = []

    class Heard:
        def say(self, topic: str, key: str, value: bytes) -> None:  # noqa: ARG002
            record = e.decode(value) if topic == "events" else None
            if isinstance(record, e.Created):
                said.append(record)

        def settle(self) -> None:
            """It is kept already."""

    connector = connector_of(sandbox)
    intake = Intake(connector, People(IDENTITY, sandbox.source), Heard(), lambda _: (), lambda _: None)
    with Client(sandbox, connector) as api:
        for page in connector.fetch(api, "", sandbox.now):
            intake.take(page.documents)
            intake.settle()
    return said


@pytest.mark.parametrize("vendor", sorted(VENDORS))
def test_the_requesters_department_of_every_case_is_right(vendor: str) -> None:
    with Sandbox(vendor, seed=4, days=4, cases_per_day=60) as sandbox:
        sandbox.advance(timedelta(minutes=2))
        company = sandbox.company(lambda address: IDENTITY.pseudonym(address, sandbox.source))
        configuration = Configuration(Files(version=1, company=CompanyFile.model_validate(company)))
        units = {unit.name: unit.department for unit in sandbox.data.plan.units}
        subjects = {sandbox.vendor.subject(n): case for n, case in enumerate(sandbox.data.cases)}
        told = created(sandbox)
        for event in told:
            at = round(event.time.timestamp() * 1e6)
            department = configuration.person(event.data.requester, at) or configuration.unit(
                sandbox.source, event.data.requester_group, at
            )
            assert department == units[subjects[event.subject].unit]
    assert len(told) > 150


@pytest.mark.parametrize("site", ["", "x" * 513])
def test_what_cannot_be_said_of_a_person_or_an_answer_does_not_tell_whose_it_is(site: str) -> None:
    people = People(IDENTITY, "hr")
    nadia, at = people.person("nadia@tidewell.example"), datetime(2026, 3, 2, tzinfo=UTC)
    for event in (
        joined(people, nadia, at, "IT", site),
        answered(people, nadia, at, items={"enps": 9}, site=site),
    ):
        if not site:
            assert valid(event) is event
            continue
        with pytest.raises(e.Unreadable, match="512") as refused:
            valid(event)
        assert refused.value.subject == ""


class Sources(NamedTuple):
    """All that the stage needs, in a folder."""

    folder: Path
    environment: dict[str, str]

    @classmethod
    def written(cls, folder: Path, installation: Installation, sandbox: Sandbox, survey_secret: str) -> Sources:
        survey = Fixture("typeform").connector
        (folder / "secret").write_text(sandbox.secret)
        (folder / "hooks").write_text(sandbox.hook_secret)
        (folder / "survey").write_text(survey_secret)
        (folder / "pseudonyms.key").write_text("a key of the tests, no secret")
        (folder / "answers.key").write_bytes(Fernet.generate_key())
        sources = [
            {
                "name": sandbox.source,
                "connector": "zendesk",
                "url": sandbox.url,
                "secret_file": str(folder / "secret"),
                "hook_secret_files": [str(folder / "hooks")],
                "requests_per_minute": "1000000",
                "settings": {k: v for k, v in sandbox.settings.items() if k != "source"},
            },
            {"name": "hr", "connector": "hr_file"},
            {
                "name": "survey",
                "connector": "typeform",
                "hook_secret_files": [str(folder / "survey")],
                "settings": survey.model_dump(mode="json", exclude_unset=True, exclude={"source"}),
            },
        ]
        (folder / "sources.yaml").write_text(yaml.safe_dump({"sources": sources}))
        settings = {
            "SOURCES": "sources.yaml",
            "KEY_FILE": "pseudonyms.key",
            "ANSWERS": "answers",
            "ANSWERS_KEY_FILE": "answers.key",
        }
        environment = {f"CROSSDESK_INGEST_{name}": str(folder / file) for name, file in settings.items()}
        ports = {f"CROSSDESK_INGEST_{name}": "0" for name in ("HOOKS_PORT", "HEALTH_PORT")}
        return cls(folder, {**installation.environment, **environment, **ports})


def test_no_topic_names_anybody(installation: Installation, tmp_path: Path) -> None:
    """A helpdesk, an HR file and a survey, through the commands; then every byte of every topic."""
    secret = "typeform-signs-with-this"
    with Sandbox("zendesk", seed=4, days=12) as sandbox:
        sandbox.advance(timedelta(minutes=2))
        sources = Sources.written(tmp_path, installation, sandbox, secret)
        people = [person for person in sandbox.people if person.unit]
        assert len(people) > 500
        with (tmp_path / "people.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("person", "department", "from", "to", "name"))
            rows.writerows((p.email, p.unit, "2025-01-01", "", p.name) for p in people)
        hr = Process(["ingest", "file", "hr", str(tmp_path / "people.csv")], sources.environment, tmp_path / "hr.log")
        with ended(hr):
            assert hr.process.wait(PATIENCE) == 0, hr.said()
        stage = Process(["ingest"], sources.environment, tmp_path / "ingest.log")
        with ended(stage):
            stage.wait_until_ready()
            stage.wait_until_said("all of it is said", PATIENCE)
            answers = answer(stage, people, secret)
            logs = stage.said() + hr.said() + stage.asked("/metrics")[1]
    topics = {t.name.removeprefix(f"{installation.prefix}."): t for t in declared.topics(installation.generation)}
    held = {name.removesuffix(".1"): b"" for name in topics}
    for name in held:
        records = [record for some in installation.held(name).values() for record in some]
        held[name] = b"\n".join(part for record in records for part in record if part is not None)
    assert held["events"].count(b"crossdesk.created") > 500
    assert held["directory"].count(b"hr/k1:") == len(people)
    assert held["feedback"] == b"", "answers wait for the end of their week"
    plain = {word for person in people for word in (person.name, person.email)}
    plain |= {parseaddr(address)[1].partition("@")[0] for address in plain if "@" in address}
    everything = b"\n".join(held.values()).lower() + logs.lower().encode()
    assert [word for word in plain if word.lower().encode() in everything] == []
    assert b"tidewell.example" not in everything
    holding = {name for name, content in held.items() if PSEUDONYM.search(content)}
    assert holding == {"events", "directory"}
    assert not PSEUDONYM.search(logs.encode())
    waiting = waiting_in(tmp_path)
    assert {one.id for one in answers} < {one.id for one in waiting}, "ratings of the helpdesk wait too"
    assert len(waiting) > 100
    everything += b"".join(path.read_bytes() for path in tmp_path.glob("answers*"))
    for one in waiting:
        assert one.id.encode() not in everything
        assert one.data.person.partition(":")[2].encode() not in everything


def waiting_in(folder: Path) -> list[e.Answered | e.Rated]:
    """The answers in the store, for who has its key."""
    keys = Keys((folder / "answers.key").read_text())
    db = sqlite3.connect(folder / "answers")
    try:
        opened = [e.decode(keys.open(sealed)) for (sealed,) in db.execute("SELECT sealed FROM answers")]
    finally:
        db.close()
    return [one for one in opened if isinstance(one, e.Answered | e.Rated)]


def answer(stage: Process, people: list[Person], secret: str) -> list[e.Answered]:
    """A webhook of each of some people; what each means."""
    said, answers = stage.said(), []
    port = said.partition("taken at 127.0.0.1:")[2].partition("/")[0]
    fixture = Fixture("typeform")
    for person in people[:7]:
        told = answer_of(person)
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        told["form_response"] |= {"submitted_at": now, "landed_at": now}
        body = json.dumps(told).encode()
        headers = signed(fixture.connector, {"content-type": "application/json"}, body, secret)
        answered = httpx.post(f"http://127.0.0.1:{port}/hooks/survey", content=body, headers=headers, timeout=20)
        assert answered.status_code == 202, answered.text
        answers += made_by("typeform", {"form": "QsrvA1", "response": told["form_response"]}, "survey")
    return answers
