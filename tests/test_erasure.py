"""The key of pseudonyms is thrown away: nobody's past can be found any more, and no department's values change.

The people of the simulated company are told of by a helpdesk that does not say where they work, and by an HR system that does: so
what is whose hangs on pseudonyms alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from threading import Event

import msgspec
import pytest
from click.testing import CliRunner, Result
from histories import facts_in, keep, live
from on_kafka import Installation

from deploy.cli import main
from deploy.embedded import Embedded
from deploy.folder import KEY, identity_of
from deploy.ingesting import Way, pollers_of, ways_of
from deploy.log_sink import LogSink
from ingest import event as e
from ingest.broker import BrokerSettings
from ingest.connectors.simulated import example_configuration, simulate
from ingest.directory import Directory
from ingest.identity import Identity
from ingest.intake import Told
from ingest.publish import Publisher
from ingest.simulation.company import UNITS
from ingest.sources import SourceEntry
from streams.company import CompanyFile
from streams.configuration import Files
from streams.fact import Fact
from streams.indicators import IndicatorValue
from streams.norm_entry import NormsFile

PARTITIONS = 2
DAYS, CHANGED_AFTER = 20, 0.5
OLD, NEW = Identity(b"a key that is thrown away", "k1"), Identity(b"the key that comes after it", "k2")
HIRED = e.instant(0)

Values = dict[tuple[str, str, str, str], IndicatorValue]


@cache
def natively() -> tuple[Sequence[e.Record], Sequence[e.PersonEvent]]:
    """What the helpdesk says, and what HR does. Persons are called as their source calls them."""
    records = list(simulate(3, DAYS, cases_per_day=60))
    told = [record for record in records if isinstance(record, e.Joined | e.Moved | e.Left)]
    known = {person for unit in UNITS for person in unit.people}
    begun = [
        e.Joined(
            id=e.event_id("hr", person),
            source="hr",
            subject=person,
            time=HIRED,
            specversion="1.0",
            data=e.PlaceData(department=unit.name),
        )
        for unit in UNITS
        for person in unit.people
    ]
    moved = [msgspec.structs.replace(event, source="hr") for event in told]
    assert {event.subject for event in moved} - known, "somebody is hired"
    return [record for record in records if record not in told], [*begun, *moved]


def under(identity: Identity, record: e.Record) -> e.Record:
    """As the intake says it: persons by pseudonyms, and nothing of where they work."""
    who = identity.pseudonym(getattr(record, "who", ""), "helpdesk")
    if isinstance(record, e.Created):
        asks = identity.pseudonym(record.data.requester, "helpdesk")
        data = msgspec.structs.replace(record.data, requester=asks, requester_group="")
        return msgspec.structs.replace(record, who=who, data=data)
    return msgspec.structs.replace(record, who=who)


def hr(identity: Identity) -> Iterator[tuple[str, bytes]]:
    """All that HR says of everybody, read from its beginning: the records of the directory."""
    directory = Directory()
    of: dict[str, list[e.PersonEvent]] = {}
    for event in natively()[1]:
        person = identity.pseudonym(event.subject, "hr")
        of.setdefault(person, []).append(msgspec.structs.replace(event, subject=person))
    for events in of.values():
        yield from directory(Told(events, whole=True))


def files() -> Files:
    company, norms = example_configuration()
    company = {k: v for k, v in company.items() if k != "people"}
    company["groups"] = [
        *company["groups"],
        *({"source": "hr", "group": unit.name, "department": unit.department} for unit in UNITS),
    ]
    return Files(
        version=1,
        company=CompanyFile.model_validate(company),
        norms={"norms.yaml": NormsFile.model_validate(norms)},
    )


def direct(embedded: Embedded, records: Iterable[tuple[str, bytes]]) -> None:
    sink = LogSink(embedded.log)
    for key, value in records:
        sink.say("directory", key, value)
    sink.settle()


def take(embedded: Embedded, name: str, records: Iterable[e.Record]) -> None:
    for _ in embedded.accept(name, records):
        pass


def facts(embedded: Embedded) -> dict[str, Fact]:
    held: dict[str, Fact] = {}
    for fact in facts_in(raw for _, _, raw in embedded.log.read_facts(0, 1 << 60)):
        keep(held, fact)
    return live(held)


def values(embedded: Embedded) -> Values:
    return {
        (v.indicator, v.department, v.counterpart, v.window): msgspec.structs.replace(v, offset=0)
        for v in embedded.indicators()
    }


def measured(folder: Path, identity: Identity) -> tuple[dict[str, Fact], Values]:
    """Everything under one key."""
    with Embedded(folder, store=False) as embedded:
        direct(embedded, hr(identity))
        embedded.apply(files())
        take(embedded, "all", (under(identity, record) for record in natively()[0]))
        return facts(embedded), values(embedded)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Fact], Values]:
    return measured(tmp_path_factory.mktemp("old"), OLD)


def halves(identity: Identity, of: Identity) -> tuple[list[e.Record], list[e.Record]]:
    """What was said under the one key, and then under the other."""
    records = natively()[0]
    cut = int(len(records) * CHANGED_AFTER)
    return [under(identity, r) for r in records[:cut]], [under(of, r) for r in records[cut:]]


def rekeyed(folder: Path, *, hr_anew: bool) -> Embedded:
    """The key is changed in the middle. Whoever gets it closes it."""
    first, second = halves(OLD, NEW)
    embedded = Embedded(folder, store=False)
    direct(embedded, hr(OLD))
    embedded.apply(files())
    take(embedded, "first", first)
    if hr_anew:
        direct(embedded, hr(NEW))
    embedded.apply(files())
    take(embedded, "second", second)
    return embedded


def test_the_values_hang_on_pseudonyms(before: tuple[dict[str, Fact], Values], tmp_path: Path) -> None:
    """Or the tests below would show nothing."""
    with Embedded(tmp_path, store=False) as embedded:
        embedded.apply(files())
        take(embedded, "all", (under(OLD, record) for record in natively()[0]))
        assert facts(embedded) != before[0]
        assert values(embedded) != before[1]


def test_all_read_anew_under_another_key_gives_the_same_values(
    before: tuple[dict[str, Fact], Values], tmp_path: Path
) -> None:
    found, shown = measured(tmp_path, NEW)
    assert len(found) > 10_000
    assert found == before[0]
    assert shown == before[1]


def test_a_key_that_is_changed_on_the_way_changes_no_value_and_neither_does_a_rebuild(
    before: tuple[dict[str, Fact], Values], tmp_path: Path
) -> None:
    with rekeyed(tmp_path, hr_anew=True) as embedded:
        assert facts(embedded) == before[0]
        assert values(embedded) == before[1]
    with Embedded(tmp_path, store=False, generation=2) as rebuilt:
        rebuilt.fold()
        assert facts(rebuilt) == before[0]
        assert values(rebuilt) == before[1]


def test_hr_has_to_be_read_anew_under_the_new_key(before: tuple[dict[str, Fact], Values], tmp_path: Path) -> None:
    with rekeyed(tmp_path, hr_anew=False) as embedded:
        assert values(embedded) != before[1]


@pytest.mark.parametrize(
    ("connector", "settings", "cursors"),
    [
        ("bamboohr", {"zone": "UTC"}, ["reached", ""]),
        ("zendesk", {"user": "crossdesk@tidewell.example"}, ["reached", "reached"]),
    ],
)
def test_a_source_of_persons_begins_anew_under_another_key_and_others_go_on(
    connector: str, settings: dict[str, str], cursors: list[str]
) -> None:
    entry = SourceEntry.model_validate(
        {"name": "hr", "connector": connector, "url": "https://hr.example", "secret_file": "s", "settings": settings}
    )

    def way(identity: Identity) -> Way:
        return ways_of([entry], identity, lambda _: (), lambda _: None)["hr"]

    kept = {way(OLD).cursor_key: "reached"}
    assert [pollers_of({"hr": way(key)}, BrokerSettings(), kept, Event())["hr"].cursor for key in (OLD, NEW)] == cursors


# -- what is stored of one person


def asked(*words: str, person: str, **environment: str) -> Result:
    return CliRunner().invoke(main, ["privacy", "person", *words], input=f"{person}\n", env=environment)


def records_of(folder: Path, pseudonym: str) -> Mapping[str, int]:
    """By topic, counted by hand."""
    with Embedded(folder, store=False) as embedded:
        log = embedded.log
        found = {
            topic: sum(pseudonym in r.key + r.value.decode() for r in log.every(topic))
            for topic in ("events", "directory")
        }
        return {**found, "config": sum(pseudonym.encode() in value for value in log.configurations().values())}


def test_of_a_person_is_said_what_is_stored_and_without_the_key_nobody_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with Embedded(folder, store=False) as embedded:
        identity = identity_of(folder)
        direct(embedded, hr(identity))
        embedded.apply(files())
        take(embedded, "all", (under(identity, record) for record in natively()[0]))
    native = next(r.data.requester for r in natively()[0] if isinstance(r, e.Created))
    pseudonym = identity.pseudonym(native, "helpdesk")
    wanted = records_of(folder, pseudonym)
    assert wanted["events"] > 1
    assert (wanted["directory"], wanted["config"]) == (1, 1)

    said = asked("--data", str(folder), person=native.upper())
    assert said.exit_code == 0, said.output
    lines = [line.split() for line in said.stdout.splitlines()]
    assert lines[0] == [pseudonym]
    assert {words[1].rstrip(","): int(words[0]) for words in lines[1:] if words[1].rstrip(",") in wanted} == wanted
    types = {words[1]: int(words[0]) for words in lines if words[-1].startswith("crossdesk.")}
    assert sum(types.values()) == wanted["events"]
    assert types["crossdesk.created"] >= 1
    assert native not in said.stdout

    copied = asked("--data", str(folder), "--json", person=native)
    copies = [line.split(" ", 2) for line in copied.stdout.splitlines()]
    assert len(copies) == sum(wanted.values())
    assert all(pseudonym in key + record or topic == "config" for topic, key, record in copies)
    parts = {topic: json.loads(record) for topic, _, record in copies}
    assert parts["directory"]["places"][0][1] == parts["config"]["directory"]["hr"][0][1]
    others = {identity.pseudonym(person, "hr") for unit in UNITS for person in unit.people} - {pseudonym}
    assert not [person for person in others for topic, _, record in copies if topic == "config" and person in record]

    (folder / KEY).unlink()
    gone = asked("--data", str(folder), person=native)
    assert gone.exit_code == 1
    assert "cannot be said any more" in gone.stderr
    assert identity_of(folder).pseudonym(native, "helpdesk") != pseudonym
    assert "nothing is stored under it" in asked("--data", str(folder), person=native).stdout


def test_nobody_is_asked_for_without_a_name(tmp_path: Path) -> None:
    with Embedded(tmp_path / "data", store=False):
        identity_of(tmp_path / "data")
    said = asked("--data", str(tmp_path / "data"), person="  ")
    assert said.exit_code == 2
    assert "nobody is named" in said.stderr
    both = asked("--kafka", "--data", str(tmp_path), person="x")
    assert both.exit_code == 2
    assert "leave one of them out" in both.stderr


def test_on_kafka_under_the_key_of_the_intake(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"a key that is thrown away")
    (tmp_path / "new").write_bytes(b"the key that comes after it")
    created = next(r for r in natively()[0] if isinstance(r, e.Created))
    native = created.data.requester
    with Publisher(installation.settings) as publisher:
        publisher.say("events", created.key, e.encode(under(OLD, created)))
        for key, value in hr(OLD):
            publisher.say("directory", key, value)
        publisher.settle()

    def found(key: str, key_id: str) -> list[str]:
        environment = {name: value for name, value in installation.environment.items() if name.startswith("CROSSDESK_")}
        said = asked(
            "--kafka",
            person=native,
            CROSSDESK_INGEST_KEY_FILE=str(tmp_path / key),
            CROSSDESK_INGEST_KEY_ID=key_id,
            **environment,
        )
        assert said.exit_code == 0, said.output
        return said.stdout.splitlines()

    there = found("old", "k1")
    assert [line.split(",")[0].split() for line in there] == [
        [OLD.pseudonym(native, "")],
        ["1", "events"],
        ["1", "crossdesk.created"],
        ["1", "directory"],
    ]
    assert found("new", "k2")[1:] == ["nothing is stored under it"]
