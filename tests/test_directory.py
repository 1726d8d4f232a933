"""Who is where, since when: as HR systems say it, into the directory, the configuration, and the facts of cases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from histories import DAY, Overheard, config_mark, facts_in
from on_kafka import Installation

from deploy import directory
from deploy.cli import main
from deploy.configurations import Configurations
from deploy.embedded import Embedded
from deploy.log_sink import LogSink
from deploy.topic_reader import TopicReader
from ingest import event as e
from ingest import persons
from ingest.connector import Connector, Rejected
from ingest.connectors.bamboohr import BambooHR
from ingest.connectors.hr_file import HrFile
from ingest.directory import Directory, History
from ingest.identity import Identity, People
from ingest.intake import Intake, Told
from ingest.publish import Publisher
from streams.company import CompanyFile
from streams.configuration import Configuration, Files, encode
from streams.fact import UNMAPPED
from streams.people import Places, within
from streams.successor import LIMIT_DAYS, check_successor

PARTITIONS = 2
IDENTITY = Identity(b"a key of the organisation", "k1")
PEOPLE = People(IDENTITY, "hr")
ANNA = IDENTITY.pseudonym("anna@x.org", "hr")
BEN = IDENTITY.pseudonym("ben@x.org", "hr")
COMPANY: dict[str, Any] = {
    "organisation": "Northwind",
    "zone": "UTC",
    "hours": "always",
    "sources": ["desk"],
    "departments": [{"id": "it"}, {"id": "sales"}, {"id": "legal"}],
    "groups": [
        {"source": "desk", "group": "IT Desk", "department": "it"},
        {"source": "hr", "group": "IT Dept", "department": "it"},
        {"source": "hr", "group": "Sales EMEA", "department": "sales"},
        {"source": "hr", "group": "Law", "department": "legal"},
    ],
}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def us(text: str) -> int:
    return int(at(text).timestamp()) * 1_000_000


def company(**changed: Any) -> CompanyFile:
    return CompanyFile.model_validate(COMPANY | changed)


def files(told: Mapping[str, Mapping[str, Places]] | None = None, version: int = 1, **changed: Any) -> Files:
    return Files(version=version, company=company(**changed), directory=told or {})


def places(*entries: tuple[str, str]) -> Places:
    return tuple((us(since), name) for since, name in entries)


def said(directory: Directory, events: Iterable[e.PersonEvent], *, whole: bool) -> dict[str, bytes]:
    return dict(directory(Told(list(events), whole)))


def since(directory: Directory, person: str = ANNA, source: str = "hr") -> list[tuple[str, str | None]]:
    history = directory.histories()[person][source]
    return [(place.since.date().isoformat(), place.department) for place in history.places]


class Heard:
    """A sink that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, bytes]] = []
        self.settled = 0

    def say(self, topic: str, key: str, value: bytes) -> None:
        self.said.append((topic, key, value))

    def settle(self) -> None:
        self.settled = len(self.said)

    def of(self, topic: str) -> list[tuple[str, bytes]]:
        return [(key, value) for of, key, value in self.said if of == topic]


def no_answer(_: object) -> None:
    raise AssertionError("HR systems tell no answers")


def intake(connector: Connector, sink: Any, told: Directory) -> Intake:
    return Intake(connector, People(IDENTITY, connector.source), sink, told, no_answer)


def hr_file(*rows: str) -> Iterator[Any]:
    return HrFile(source="hr").filed([f"{row}\n" for row in ("person,department,from,to", *rows)], "people.csv")


# -- the directory


def test_the_history_of_a_person_is_one_record_of_pseudonyms() -> None:
    """Under the key of its events: the source and the pseudonym."""
    heard = Heard()
    way = intake(HrFile(source="hr"), heard, Directory())
    way.take(hr_file("anna@x.org,IT Dept,2024-01-01,2026-06-30", "anna@x.org,Sales EMEA,2026-07-01,"))
    ((key, record),) = heard.of("directory")
    assert key == f"hr/{ANNA}"
    assert b"anna" not in record
    known = Directory()
    known.load([(key, record)])
    assert since(known) == [("2024-01-01", "IT Dept"), ("2026-07-01", "Sales EMEA")]


def test_a_corrected_date_replaces_the_wrong_one() -> None:
    told = Directory()
    way = intake(HrFile(source="hr"), Heard(), told)
    way.take(hr_file("anna@x.org,IT Dept,2024-01-01,2026-06-30", "anna@x.org,Sales EMEA,2026-07-01,"))
    way.take(hr_file("anna@x.org,IT Dept,2024-01-01,2026-07-14", "anna@x.org,Sales EMEA,2026-07-15,"))
    assert since(told) == [("2024-01-01", "IT Dept"), ("2026-07-15", "Sales EMEA")]


def test_who_has_left_is_nowhere_from_then_on() -> None:
    told = Directory()
    intake(HrFile(source="hr"), Heard(), told).take(hr_file("anna@x.org,IT Dept,2024-01-01,2026-06-30"))
    assert since(told) == [("2024-01-01", "IT Dept"), ("2026-07-01", None)]


def test_what_a_doubt_leaves_open_stays_as_it_was_known() -> None:
    told, heard = Directory(), Heard()
    way = intake(HrFile(source="hr"), heard, told)
    way.take(hr_file("anna@x.org,IT Dept,2024-01-01,2026-06-30", "anna@x.org,Law,2026-07-01,"))
    way.take(hr_file("anna@x.org,IT Dept,2024-01-01,2026-03-31", "anna@x.org,Law,2026-04-01,30 February"))
    assert len(heard.of("rejected")) == 1
    assert since(told) == [("2024-01-01", "IT Dept"), ("2026-07-01", "Law")]


def test_a_row_without_a_person_takes_nothing_away_from_anybody() -> None:
    told = Directory()
    way = intake(HrFile(source="hr"), Heard(), told)
    way.take(hr_file("anna@x.org,IT Dept,2024-01-01,2026-06-30", "anna@x.org,Law,2026-07-01,"))
    way.take(hr_file("anna@x.org,IT Dept,2024-01-01,2026-06-30", ",Law,2026-07-01,"))
    assert since(told) == [("2024-01-01", "IT Dept"), ("2026-07-01", "Law")]


def test_what_is_durable_is_not_said_again_and_what_is_not_is() -> None:
    heard = Heard()
    way = intake(HrFile(source="hr"), heard, Directory())
    for settled, times in ((False, 1), (True, 2), (True, 2)):
        way.take(hr_file("anna@x.org,IT Dept,2024-01-01,"))
        assert len(heard.of("directory")) == times
        if settled:
            way.settle()


def test_changes_that_are_told_alone_are_added() -> None:
    told = Directory()
    said(told, [persons.joined(PEOPLE, ANNA, at("2024-01-01"), "IT Dept")], whole=False)
    said(told, [persons.moved(PEOPLE, ANNA, at("2026-07-01"), "Law")], whole=False)
    said(told, [persons.moved(PEOPLE, ANNA, at("2025-01-01"), "Sales EMEA", "Berlin")], whole=False)
    assert since(told) == [("2024-01-01", "IT Dept"), ("2025-01-01", "Sales EMEA"), ("2026-07-01", "Law")]


def test_a_change_under_the_same_id_is_the_same_change_with_another_date() -> None:
    told = Directory()
    wrong = persons.moved(PEOPLE, ANNA, at("2026-07-01"), "Law")
    said(told, [persons.joined(PEOPLE, ANNA, at("2024-01-01"), "IT Dept"), wrong], whole=False)
    right = e.Moved(id=wrong.id, source="hr", subject=ANNA, time=at("2026-07-15"), specversion="1.0", data=wrong.data)
    (record,) = said(told, [right], whole=False).values()
    read = Directory()
    read.load([(f"hr/{ANNA}", record)])
    assert since(told) == since(read) == [("2024-01-01", "IT Dept"), ("2026-07-15", "Law")]


def test_of_two_changes_at_one_instant_the_last_stands() -> None:
    told = Directory()
    said(told, [persons.joined(PEOPLE, ANNA, at("2024-01-01"), "IT Dept")], whole=False)
    said(told, [persons.moved(PEOPLE, ANNA, at("2024-01-01"), "Law")], whole=False)
    assert since(told) == [("2024-01-01", "Law")]


def test_absences_stay_beside_a_new_history_and_one_with_other_dates_replaces_the_old() -> None:
    told = Directory()
    said(told, [persons.joined(PEOPLE, ANNA, at("2024-01-01"), "IT Dept")], whole=True)
    for first, last in (("2026-01-05", "2026-01-10"), ("2026-03-02", "2026-03-07"), ("2026-03-05", "2026-03-12")):
        said(told, [persons.absent(PEOPLE, ANNA, at(first), at(last))], whole=False)
    said(told, [persons.joined(PEOPLE, ANNA, at("2024-02-01"), "IT Dept")], whole=True)
    history = told.histories()[ANNA]["hr"]
    assert [(a.since.day, a.until.day) for a in history.absences] == [(5, 10), (5, 12)]
    assert since(told) == [("2024-02-01", "IT Dept")]


def test_bamboohrs_employee_is_a_history_and_its_absence_is_not() -> None:
    employee = {"employeeId": 7, "workEmail": "anna@x.org", "hireDate": "2024-01-01"}
    job = {"date": "2024-01-01", "department": "IT Dept", "location": "Berlin"}
    absence = {"id": 1, "start": "2026-03-02", "end": "2026-03-06", "status": {"status": "approved"}}
    told = Directory()
    way = intake(BambooHR(source="hr"), Heard(), told)
    way.take([{"employee": employee, "jobInfo": [job], "employmentStatus": []}])
    way.take([{"absence": absence, "employee": employee}])
    later = employee | {"hireDate": "2024-02-01"}
    way.take([{"employee": later, "jobInfo": [job | {"date": "2024-02-01"}], "employmentStatus": []}])
    assert since(told) == [("2024-02-01", "IT Dept")]
    assert len(told.histories()[ANNA]["hr"].absences) == 1


def test_two_sources_have_a_record_each_and_a_key_is_taken_back() -> None:
    told = Directory()
    said(told, [persons.joined(PEOPLE, ANNA, at("2024-01-01"), "IT Dept")], whole=True)
    said(told, [persons.joined(People(IDENTITY, "payroll"), ANNA, at("2024-01-02"), "4711")], whole=True)
    assert {source: len(h.places) for source, h in told.histories()[ANNA].items()} == {"hr": 1, "payroll": 1}
    told.load([(f"hr/{ANNA}", None)])
    assert list(told.histories()[ANNA]) == ["payroll"]


# -- who is whose, as of when


def test_who_moves_in_july_counts_for_the_old_department_in_june() -> None:
    told = {ANNA: {"hr": places(("2024-01-01", "IT Dept"), ("2026-07-01", "Sales EMEA"), ("2026-09-01", ""))}}
    person = Configuration(files(told)).person
    days = ("2023-12-31", "2024-01-01", "2026-06-30", "2026-07-01", "2026-09-01")
    assert [person(ANNA, us(day)) for day in days] == ["", "it", "it", "sales", ""]
    assert person(BEN, us("2026-06-30")) == ""


def test_a_department_that_no_file_maps_is_unmapped() -> None:
    told = {ANNA: {"hr": places(("2024-01-01", "Special Projects"))}}
    assert Configuration(files(told)).person(ANNA, us("2026-01-01")) == UNMAPPED


def test_a_mapping_in_time_moves_its_people() -> None:
    groups = [*COMPANY["groups"], {"source": "hr", "group": "Law", "department": "sales", "since": "2026-03-01"}]
    person = Configuration(files({ANNA: {"hr": places(("2024-01-01", "Law"))}}, groups=groups)).person
    assert [person(ANNA, us(day)) for day in ("2026-02-28", "2026-03-01")] == ["legal", "sales"]


def test_people_written_by_hand_win_from_their_first_date_on() -> None:
    by_hand = [{"person": ANNA, "department": "legal", "since": "2026-02-01"}]
    told = {ANNA: {"hr": places(("2024-01-01", "IT Dept"), ("2026-07-01", "Sales EMEA"))}}
    person = Configuration(files(told, people=by_hand)).person
    assert [person(ANNA, us(day)) for day in ("2026-01-31", "2026-02-01", "2026-07-01")] == ["it", "legal", "legal"]


def test_of_two_systems_the_later_word_counts_and_what_is_mapped_before_what_is_not() -> None:
    groups = [*COMPANY["groups"], {"source": "payroll", "group": "4711", "department": "legal"}]
    told = {
        ANNA: {
            "hr": places(("2024-01-01", "IT Dept"), ("2026-07-01", "")),
            "payroll": places(("2025-01-01", "4711"), ("2026-01-01", "4712")),
        }
    }
    person = Configuration(files(told, groups=groups)).person
    days = ("2024-06-01", "2025-06-01", "2026-06-01", "2026-08-01")
    assert [person(ANNA, us(day)) for day in days] == ["it", "legal", "it", UNMAPPED]


def test_a_version_says_its_people_and_is_as_before_without_any() -> None:
    told = {ANNA: {"hr": places(("2024-01-01", "IT Dept"))}}
    read = Configuration.decode(encode(files(told)))
    assert read.files == files(told)
    assert read.person(ANNA, us("2026-01-01")) == "it"
    assert b"directory" not in encode(files())


# -- the past


LIMIT = us("2026-05-11")


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        # within the limit: as it is said now
        ([("2024-01-01", "A"), ("2026-07-01", "B")], [("2024-01-01", "A"), ("2026-06-01", "B")], None),
        # further back: what was there stands until the limit
        (
            [("2024-01-01", "A"), ("2026-07-01", "B")],
            [("2024-01-01", "A"), ("2026-02-01", "B")],
            [("2024-01-01", "A"), ("2026-05-11", "B")],
        ),
        ([("2024-01-01", "A")], [("2024-01-01", "B")], [("2024-01-01", "A"), ("2026-05-11", "B")]),
        ([("2024-01-01", "A")], [("2025-01-01", "A")], [("2024-01-01", "A")]),
        ([("2024-01-01", "A")], [], [("2024-01-01", "A"), ("2026-05-11", "")]),
        # where nothing was said, it is said for the first time
        ([], [("2020-01-01", "A")], None),
        ([("2024-01-01", "A")], [("2020-01-01", "B"), ("2024-01-01", "A")], None),
    ],
)
def test_what_was_attributed_before_the_limit_stands(
    old: list[tuple[str, str]], new: list[tuple[str, str]], kept: list[tuple[str, str]] | None
) -> None:
    before = {ANNA: {"hr": places(*old)}} if old else {}
    now = {ANNA: {"hr": places(*new)}} if new else {}
    expected = ({ANNA: {"hr": places(*kept)}}, 1) if kept is not None else (now, 0)
    assert within(LIMIT, before, now) == expected
    later = within(LIMIT + 20 * DAY, expected[0], now)[0]
    assert later == expected[0], "what stands is the same on the next day"


def test_what_hr_names_for_somebody_written_by_hand_is_no_change_of_the_past() -> None:
    """A refresh that is refused would stop all others."""
    by_hand = [{"person": ANNA, "department": "legal", "since": "2026-06-01"}]
    old = Configuration(files(people=by_hand))
    new = Configuration(files({ANNA: {"hr": places(("2020-01-01", "IT Dept"))}}, version=2, people=by_hand))
    assert check_successor(old, new, us("2026-06-15")) == []


@pytest.mark.parametrize(("day", "refused"), [("2026-06-01", False), ("2026-04-01", True)])
def test_by_hand_nobody_who_was_somewhere_is_moved_further_back(day: str, refused: bool) -> None:
    told = {ANNA: {"hr": places(("2024-01-01", "IT Dept"))}}
    by_hand = [{"person": ANNA, "department": "legal", "since": day}]
    old, new = Configuration(files(told)), Configuration(files(told, version=2, people=by_hand))
    assert bool(check_successor(old, new, us("2026-06-15"))) is refused


# -- cases


def case(subject: str, opened: str) -> list[bytes]:
    """Anna asks, and IT answers an hour later."""
    common = {"source": "desk", "subject": subject, "specversion": "1.0"}
    asked, answered = at(opened), datetime.fromtimestamp(at(opened).timestamp() + 3600, UTC)

    def envelope(what: str, time: datetime, actor: e.Actor) -> dict[str, Any]:
        return {**common, "id": e.event_id("desk", f"{subject} {what}"), "time": time, "actor": actor}

    events: list[e.CaseEvent] = [
        e.Created(**envelope("created", asked, e.Actor.requester), data=e.CreatedData(requester=ANNA)),
        e.Routed(**envelope("routed", asked, e.Actor.system), data=e.RoutedData(group="IT Desk")),
        e.Replied(**envelope("replied", answered, e.Actor.provider_human)),
    ]
    return [e.encode(event) for event in events]


def watermark(day: str) -> bytes:
    return e.encode(e.watermark("desk", at(day)))


def askers(world: Overheard, measure: str = "first_response") -> dict[str, str]:
    """Case -> whose it is, by what holds."""
    found = {f.case_id: f.counterpart for f in world.facts().values() if f.measure == measure and f.level == 0}
    return {case.partition("/")[2]: department for case, department in sorted(found.items())}


def world_of(*versions: Files) -> Overheard:
    return Overheard({f.version: Configuration(f) for f in versions})


JUNE, JULY = "2026-06-20", "2026-07-10"


def test_a_case_of_june_stays_junes_when_its_requester_moves_in_july() -> None:
    stays = files({ANNA: {"hr": places(("2024-01-01", "Law"))}})
    moves = files({ANNA: {"hr": places(("2024-01-01", "Law"), ("2026-07-01", "Sales EMEA"))}}, version=2)
    world = world_of(stays, moves)
    world.log = [config_mark(1), *case("june", JUNE), watermark("2026-06-30")]
    world.run((1,))
    assert askers(world) == {"june": "legal"}
    world.log += [config_mark(2), *case("july", JULY), watermark("2026-07-20")]
    world.run((1,))
    assert askers(world) == {"july": "sales", "june": "legal"}


def test_a_corrected_date_attributes_cases_anew() -> None:
    """HR first said that Anna moves on 15 July; it was 1 July."""
    late = files({ANNA: {"hr": places(("2024-01-01", "Law"), ("2026-07-15", "Sales EMEA"))}})
    right = files({ANNA: {"hr": places(("2024-01-01", "Law"), ("2026-07-01", "Sales EMEA"))}}, version=2)
    world = world_of(late, right)
    world.log = [config_mark(1), *case("june", JUNE), *case("july", JULY), watermark("2026-07-20")]
    world.run((1,))
    assert askers(world) == {"july": "legal", "june": "legal"}
    world.log += [config_mark(2), *[watermark(f"2026-07-{day}") for day in range(21, 28)]]
    world.run((1,))
    assert askers(world) == {"july": "sales", "june": "legal"}
    july = [f for f in facts_in(world.said) if (f.case_id, f.measure, f.level) == ("desk/july", "first_response", 0)]
    assert list(dict.fromkeys(fact.counterpart for fact in july)) == ["legal", "sales"]
    assert len({fact.fact_id for fact in july}) == 1, "one fact, and not one beside the other"


# -- put in force, in a folder


@pytest.fixture
def company_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "company"
    folder.mkdir()
    (folder / "company.yaml").write_text(
        """\
organisation: Northwind
zone: UTC
hours: always
holidays: []
sources: [desk]
departments: [{id: it, name: IT}, {id: sales, name: Sales}, {id: legal, name: Legal}]
groups:
  - {source: desk, group: IT Desk, department: it}
  - {source: hr, group: IT Dept, department: it}
  - {source: hr, group: Law, department: legal}
  - {source: hr, group: Sales EMEA, department: sales}
"""
    )
    (folder / "norms.yaml").write_text("norms: [{department: it, first_response: 4h}]\n")
    return folder


def counterparts(embedded: Embedded) -> dict[str, str]:
    assert embedded.store is not None
    embedded.flush()
    sql = "SELECT case_id, counterpart FROM facts WHERE measure = 'first_response' AND level = 0 ORDER BY case_id"
    rows = embedded.store.query(sql).rows
    return {case.partition("/")[2]: department for case, department in rows}


def hear(embedded: Embedded, *rows: str) -> None:
    told = directory.of_log(embedded.log)
    way = intake(HrFile(source="hr"), LogSink(embedded.log), told)
    way.take(hr_file(*rows))
    way.settle()


def events(embedded: Embedded, *records: bytes) -> None:
    with embedded.log.transaction():
        embedded.log.append("events", [(_key(record), record) for record in records], 0)
    embedded.fold()


def _key(record: bytes) -> str:
    event = e.decode(record)
    return "" if isinstance(event, e.Mark) else event.key


def test_a_correction_within_35_days_counts_and_one_further_back_only_from_there_on(tmp_path: Path) -> None:
    with Embedded(tmp_path / "data") as embedded:
        hear(embedded, "anna@x.org,Law,2024-01-01,")
        assert directory.refresh(embedded) is None, "nothing is in force yet"
        assert embedded.apply(files()) == (1, [])
        events(
            embedded, *case("april", "2026-04-01"), *case("june", JUNE), *case("july", JULY), watermark("2026-07-20")
        )
        assert counterparts(embedded) == {"april": "legal", "june": "legal", "july": "legal"}
        assert directory.refresh(embedded) == (1, False, [])

        hear(embedded, "anna@x.org,Law,2024-01-01,2026-06-30", "anna@x.org,Sales EMEA,2026-07-01,")
        assert directory.refresh(embedded) == (2, True, [])
        events(embedded, *[watermark(f"2026-07-{day}") for day in range(21, 25)])
        assert counterparts(embedded) == {"april": "legal", "june": "legal", "july": "sales"}

        hear(embedded, "anna@x.org,Sales EMEA,2024-01-01,")
        refreshed = directory.refresh(embedded)
        assert refreshed is not None
        assert (refreshed.version, refreshed.changed) == (3, True)
        (note,) = map(str, refreshed.notes)
        assert "HR systems have corrected where 1 person was before 2026-06-19" in note
        assert f"corrections reach back {LIMIT_DAYS} days" in note
        events(embedded, *[watermark(f"2026-07-{day}") for day in range(25, 29)])
        assert counterparts(embedded) == {"april": "legal", "june": "sales", "july": "sales"}
        again = directory.refresh(embedded)
        assert again is not None
        assert (again.version, again.changed) == (3, False)
    with Embedded(tmp_path / "data") as embedded:
        assert embedded.configuration is not None
        assert embedded.configuration.person(ANNA, us("2026-04-01")) == "legal"


def test_apply_takes_the_people_in_and_mapping_a_department_names_them(tmp_path: Path, company_folder: Path) -> None:
    data = tmp_path / "data"
    with Embedded(data) as embedded:
        embedded.apply(files(groups=[{"source": "desk", "group": "IT Desk", "department": "it"}]))
        hear(embedded, "anna@x.org,Law,2024-01-01,")
        events(embedded, *case("april", "2026-04-01"), watermark("2026-07-20"))
        directory.refresh(embedded)
        events(embedded, watermark("2026-07-21"))
        assert counterparts(embedded) == {"april": UNMAPPED}
    applied = CliRunner().invoke(main, ["apply", str(company_folder), "--data", str(data)])
    assert applied.exit_code == 0, applied.output
    assert "version 3 is in force" in applied.stdout
    with Embedded(data) as embedded:
        events(embedded, watermark("2026-07-22"))
        assert counterparts(embedded) == {"april": "legal"}


def test_a_dump_of_the_folder_holds_pseudonyms_only(tmp_path: Path) -> None:
    with Embedded(tmp_path / "data") as embedded:
        hear(embedded, "anna@x.org,Law,2024-01-01,", "Ben Miller,IT Dept,2024-01-01,")
        embedded.apply(files())
    stored = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert ANNA.encode() in stored
    assert not [name for name in (b"anna@", b"Miller") if name in stored]


# -- on Kafka


def test_on_kafka_the_directory_is_read_and_put_in_force(installation: Installation) -> None:
    with Publisher(installation.settings) as publisher:
        way = intake(HrFile(source="hr"), publisher, Directory())
        way.take(hr_file("anna@x.org,IT Dept,2024-01-01,", "Ben Miller,Law,2024-01-01,"))
        way.settle()
        way.take(hr_file("anna@x.org,IT Dept,2024-01-01,2026-06-30", "anna@x.org,Sales EMEA,2026-07-01,"))
        way.settle()
    with Configurations(installation.settings) as configurations:
        assert configurations.apply(files()) == (1, [])
        assert directory.refresh(configurations) == (1, False, [])
        found = configurations.configuration
        assert found is not None
        assert [found.person(ANNA, us(day)) for day in ("2026-06-30", "2026-07-01")] == ["it", "sales"]
        with Publisher(installation.settings) as publisher:
            way = intake(HrFile(source="hr"), publisher, Directory())
            way.take(hr_file("anna@x.org,IT Dept,2024-01-01,"))
            way.settle()
        assert directory.refresh(configurations) == (2, True, [])
    with TopicReader(installation.settings) as reader:
        assert since(directory.of_topic(reader)) == [("2024-01-01", "IT Dept")]
    for topic in ("directory", "config"):
        dump = b"".join(
            (key or b"") + (value or b"") for held in installation.held(topic).values() for key, value in held
        )
        assert ANNA.encode() in dump
        assert b"anna" not in dump
        assert b"Miller" not in dump


def test_the_people_of_a_large_organisation_fit_into_a_version(installation: Installation) -> None:
    """30,000 of them, who have all moved once: more than a record from outside may hold."""
    moved = places(("2024-01-01", "IT Dept"), ("2026-07-01", "Sales EMEA"))
    told = {f"k1:{number:032x}": {"hr": moved} for number in range(30_000)}
    with Configurations(installation.settings) as configurations:
        configurations.add(files(told))
        found = configurations.configuration
    assert found is not None
    assert len(encode(found.files)) > 2 * e.MAX_RECORD_BYTES
    assert found.person(f"k1:{29_999:032x}", us("2026-08-01")) == "sales"


def test_a_whole_document_of_ours_is_readable() -> None:
    """Or nothing above would show anything."""
    assert not [one for one in hr_file("anna@x.org,IT Dept,2024-01-01,") if isinstance(one, Rejected)]
    assert History() == History((), ())
