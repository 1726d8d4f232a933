"""What HR systems tell of departments: who left, who was away, which positions are open; of many people, and the same by SQL."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from test_directory import IDENTITY, PEOPLE, Heard, intake

from deploy.calendar_time import departments_of, write_tree
from deploy.directory import with_people
from deploy.succession import successor
from ingest import event as e
from ingest import persons
from ingest.connector import Rejected
from ingest.connectors.hr_file import HrFile
from ingest.directory import Directory
from ingest.identity import Identity, People
from ingest.intake import Told as Heads
from sinks.clickhouse import ClickHouse
from sinks.configured import now_us
from streams.company import Company, CompanyFile
from streams.configuration import Configuration, Files, encode
from streams.indicators import PROXY, IndicatorValue
from streams.morale import MONDAY_US, WEEK_US
from streams.people import Places
from streams.staffing import (
    AWAY,
    BLOCK_US,
    LEFT,
    LONGEST_AWAY_US,
    OPEN,
    QUESTIONS,
    SETTLED_US,
    StaffBlock,
    Told,
    kept,
    staff,
    staff_blocks,
)

DAY_US = 86_400_000_000
ENDS = 225 * BLOCK_US + MONDAY_US
"""Of a block, in 2026."""
NOW = ENDS + SETTLED_US
TREE = {"ops": "", "it": "ops", "cloud": "ops", "hr": "ops"}


def file(parents: Mapping[str, Any] = TREE) -> CompanyFile:
    return CompanyFile.model_validate(
        {
            "organisation": "t",
            "zone": "UTC",
            "hours": "always",
            "departments": [{"id": d, **({"parent": above} if above else {})} for d, above in parents.items()],
            "groups": [{"source": "hr", "group": d.upper(), "department": d} for d in parents],
        }
    )


def company(people: Mapping[str, Places], parents: Mapping[str, Any] = TREE) -> Company:
    return Company(file(parents), {who: {"hr": places} for who, places in people.items()})


def people(**numbers: int) -> dict[str, Places]:
    """So many of each department, who have always been there."""
    return {f"k1:{d}-{n}": ((0, d.upper()),) for d, number in numbers.items() for n in range(number)}


def leave(who: Mapping[str, Places], department: str, number: int, at: int) -> dict[str, Places]:
    """The first so many of a department do."""
    gone = {f"k1:{department}-{n}" for n in range(number)}
    return {name: (*places, (at, "")) if name in gone else places for name, places in who.items()}


def counted(who: Mapping[str, Places], now: int = NOW, parents: Mapping[str, Any] = TREE, **told: Any) -> Any:
    """The newest block, by department."""
    blocks = staff_blocks(company(who, parents), Told([*who], **told), now)
    newest = max((one.ends for one in blocks), default=0)
    return {one.department: one for one in blocks if one.ends == newest}


def values(who: Mapping[str, Places], as_of: int = NOW, **told: Any) -> dict[tuple[str, str, str], IndicatorValue]:
    blocks = staff_blocks(company(who), Told([*who], **told), NOW)
    return {(v.indicator, v.department, v.window): v for v in staff(blocks, as_of)}


# -- by hand


def test_who_left_is_a_share_of_the_people_on_average() -> None:
    """Of 40 people six leave in the middle of the last 13 weeks: 37 on average, 16 %; of the year 39.25, 15 %."""
    who = leave(people(it=40, cloud=30, hr=30), "it", 6, ENDS - BLOCK_US // 2)
    assert counted(who)["it"] == StaffBlock("it", ENDS, 37 * BLOCK_US, None, 6, None)
    assert counted(who)["ops"] == StaffBlock("ops", ENDS, 97 * BLOCK_US, None, 6, None)
    found = values(who)
    assert [(found[LEFT, "it", w].value, found[LEFT, "it", w].n) for w in ("91d", "364d")] == [(0.15, 35), (0.15, 40)]
    assert found[LEFT, "ops", "91d"].value == 0.05
    assert found[LEFT, "it", "91d"].as_of == ENDS
    assert not [key for key in found if key[0] == OPEN], "nobody says"


def test_of_fewer_than_five_who_left_no_number_is_told() -> None:
    who = people(it=40, cloud=30, hr=30)
    for number in (0, 1, 4):
        assert values(leave(who, "it", number, ENDS - 1))[LEFT, "it", "91d"].value is None
    assert values(leave(who, "it", 5, ENDS - 1))[LEFT, "it", "91d"].value == 0.15, "12.5 %"


def test_who_moves_has_not_left_and_belongs_where_they_are() -> None:
    half = ENDS - BLOCK_US // 2
    who = people(it=40, cloud=30, hr=30)
    moved = {name: (*places, (half, "CLOUD")) if "it-" in name else places for name, places in who.items()}
    found = counted(moved)
    assert {d: (one.present_us / BLOCK_US, one.left) for d, one in found.items()} == {
        "ops": (100, 0),
        "it": (20, 0),
        "cloud": (50, 0),
        "hr": (30, 0),
    }


def test_absences_of_up_to_six_weeks_count_once() -> None:
    who = people(it=20, cloud=30, hr=30)
    begin = ENDS - BLOCK_US
    away = {
        "k1:it-0": [(begin - 5 * DAY_US, begin + 5 * DAY_US), (begin + 4 * DAY_US, begin + 7 * DAY_US)],
        "k1:it-1": [(begin, begin + LONGEST_AWAY_US)],
        "k1:it-2": [(begin, begin + LONGEST_AWAY_US + DAY_US)],
        "k1:it-3": [(ENDS - DAY_US, ENDS + 9 * DAY_US)],
    }
    assert counted(who, away=away)["it"].away_us == (7 + 42 + 0 + 1) * DAY_US
    found = values(who, away=away)
    assert found[AWAY, "it", "364d"].value == 0.01, "55 days of 20 times 364"
    assert (AWAY, "it", "91d") not in found, "of the year alone"
    assert not [name for name, _, _ in values(who) if name == AWAY], "where nobody tells absences, there may be any"


def test_open_positions_are_those_at_the_end() -> None:
    told = {("hr", "IT"): [(0, 9), (ENDS - DAY_US, 5), (ENDS + 1, 0)], ("hr", "NOBODY'S"): [(0, 50)]}
    found = values(people(it=20, cloud=30, hr=30), positions=told)
    of = {department: value.value for (name, department, _), value in found.items() if name == OPEN}
    assert of == {"it": 0.2, "ops": 0.05, "cloud": 0, "hr": 0}


# -- who is told of


def test_with_fewer_than_twenty_people_a_department_and_who_would_give_it_away_are_not_told_of() -> None:
    assert counted(people(it=20, cloud=30, hr=40)).keys() == {"ops", "it", "cloud", "hr"}
    assert counted(people(it=19, cloud=30, hr=40)).keys() == {"ops", "hr"}, "the next-smallest hides with it"
    assert counted(people(it=19, cloud=18, hr=40)).keys() == {"ops", "hr"}
    assert counted(people(it=5, cloud=5, hr=9)) == {}
    assert counted(people(cloud=30, hr=40)).keys() == {"ops", "cloud", "hr"}, "where nobody is, nobody is hidden"
    some_of_its_own = people(it=30, cloud=30, hr=30) | people(ops=3)
    assert len(counted(some_of_its_own)) < 4, "three people of its own"


def test_who_is_told_of_in_each_part_is_told_of_in_the_year() -> None:
    who = people(it=40, cloud=30, hr=30)
    early = leave(who, "it", 25, ENDS - BLOCK_US - 1)
    found = values(early)
    assert (LEFT, "ops", "364d") in found
    assert (LEFT, "it", "364d") not in found, "fifteen are left"


def test_a_block_is_told_of_when_it_is_settled_under_the_tree_of_its_end() -> None:
    who = people(it=40, cloud=30, hr=30)
    blocks = staff_blocks(company(who), Told([*who]), NOW - 1)
    assert max(one.ends for one in blocks) == ENDS - BLOCK_US
    assert {v.as_of for v in staff(staff_blocks(company(who), Told([*who]), NOW), NOW - 1)} == {ENDS - BLOCK_US}
    after = f"{e.instant(ENDS + DAY_US):%Y-%m-%d}"
    moved = TREE | {"top": "", "it": [{"department": "ops"}, {"department": "top", "since": after}]}
    assert counted(who, parents=moved)["ops"].present_us == 100 * BLOCK_US


def test_a_block_that_was_counted_stands() -> None:
    old = [StaffBlock("it", ENDS - BLOCK_US, 1, 0, 0, None), StaffBlock("it", 5, 1, 0, 0, None)]
    new = [StaffBlock(d, ENDS - back * BLOCK_US, 2, 0, 9, None) for back in (1, 0) for d in ("it", "hr")]
    assert kept(old, new) == (old[0], *new[2:]), "neither corrected nor added to; and what is old is let go"
    assert kept(old, ()) == (old[0],), "nothing is known of anybody any more"
    assert kept(old, new[2:]) == (old[0], *new[2:]), "nobody is told of in that block now"


# -- from HR systems


def directory_of(events: Iterable[Any], *, whole: bool = True) -> Directory:
    told = Directory()
    of: dict[str, list[Any]] = {}
    for event in events:
        of.setdefault(event.subject, []).append(event)
    for one in of.values():
        list(told(Heads(one, whole)))
    return told


def joined(number: int, department: str = "IT", key: str = "k1") -> list[Any]:
    way = People(Identity(b"a key of the organisation", key), "hr")
    who = [way.person(f"{department}-{n}@x.org", f"{department}-{n}@x.org") for n in range(number)]
    return [persons.joined(way, one, datetime(2020, 1, 1, tzinfo=e.EPOCH.tzinfo), department) for one in who]


def test_a_version_of_the_configuration_holds_what_is_counted_and_keeps_it() -> None:
    told = directory_of(joined(25))
    files = with_people(Files(version=1, company=file({"it": ""})), told)
    assert {one.present_us for one in files.staff} == {25 * BLOCK_US}
    assert Configuration.decode(encode(files)).files.staff == files.staff
    old, _ = successor(None, files, lambda: None)
    fewer = with_people(Files(version=1, company=file({"it": ""})), directory_of(joined(24)))
    new, _ = successor(old, fewer, lambda: None)
    assert new.version == 2, "somebody is not there"
    assert new.files.staff == files.staff, "and what was counted stands"
    again, _ = successor(new, with_people(new.files, directory_of(joined(24))), lambda: None)
    assert again is new


def test_people_under_an_older_key_are_not_there_twice() -> None:
    told = directory_of([*joined(30), *joined(30, key="k2")])
    assert told.newest_key() == "k2"
    files = with_people(Files(version=1, company=file({"it": ""})), told)
    assert {one.present_us for one in files.staff} == {30 * BLOCK_US}
    reread = Directory()
    reread.load(
        (key, record) for one in (joined(3, key="k2"), joined(3)) for key, record in Directory()(Heads(one, True))
    )
    assert reread.newest_key() == "k1", "in the order of the topic"


def test_absences_and_positions_come_from_the_directory() -> None:
    begin = e.instant(with_people(Files(version=1, company=file({"it": ""})), directory_of(joined(25))).staff[0].ends)
    begin -= timedelta(days=30)
    who = joined(25)
    events = [
        *who,
        persons.absent(PEOPLE, who[0].subject, begin, begin + timedelta(days=10)),
        persons.open_positions(PEOPLE, "IT", begin, 3),
    ]
    first = with_people(Files(version=1, company=file({"it": ""})), directory_of(events)).staff[0]
    assert (first.away_us, first.open) == (10 * DAY_US, 3)


def test_open_positions_are_kept_beside_people() -> None:
    told, at = Directory(), [e.instant(ENDS + day * DAY_US) for day in range(3)]
    first = [persons.open_positions(PEOPLE, "Law / EU", at[0], 2), persons.open_positions(PEOPLE, "Law / EU", at[2], 0)]
    records = dict(told(Heads(first, True)))
    assert [*records] == ["hr/positions/Law / EU"]
    list(told(Heads([persons.open_positions(PEOPLE, "Law / EU", at[1], 1)], False)))
    changed = told.positions()["hr", "Law / EU"]
    assert [(one.since, one.number) for one in changed] == [(at[0], 2), (at[1], 1), (at[2], 0)]
    list(told(Heads([persons.open_positions(PEOPLE, "Law / EU", at[1], 4)], True)))
    assert [one.number for one in told.positions()["hr", "Law / EU"]] == [4]
    assert told.histories() == {}, "it is nobody"
    again = Directory()
    again.load(records.items())
    assert [one.number for one in again.positions()["hr", "Law / EU"]] == [2, 0]
    again.load([("hr/positions/Law / EU", None)])
    assert again.positions() == {}


def hr_file(*rows: str) -> list[Any]:
    connector = HrFile.model_validate({"source": "hr", "vacant": ["VACANT"]})
    lines = [f"{row}\n" for row in ("person,department,from,to", *rows)]
    return list(connector.filed(lines, "people.csv"))


def test_a_file_tells_of_open_positions_whenever_their_number_changes() -> None:
    connector, heard = HrFile.model_validate({"source": "hr", "vacant": ["VACANT"]}), Heard()
    rows = (
        "anna@x.org,IT,2024-01-01,",
        "VACANT,IT,2026-01-01,2026-01-31",
        "VACANT,IT,2026-01-11,",
        "VACANT,HR,2026-02-01,",
    )
    told = Directory()
    intake(connector, heard, told).take(hr_file(*rows))
    found = {of: [(f"{one.since:%m-%d}", one.number) for one in counts] for of, counts in told.positions().items()}
    assert found == {("hr", "IT"): [("01-01", 1), ("01-11", 2), ("02-01", 1)], ("hr", "HR"): [("02-01", 1)]}
    assert [*told.histories()] == [IDENTITY.pseudonym("anna@x.org", "hr")]
    broken = Heard()
    intake(connector, broken, other := Directory()).take(
        hr_file("VACANT,IT,2026-13-01,", "VACANT,,2026-01-11,", "VACANT,IT,2026-01-11,")
    )
    assert other.positions() == {}
    assert len(broken.of("rejected")) == 2
    assert not [one for one in hr_file(*rows) if isinstance(one, Rejected)]


# -- by SQL


def by_sql(store: ClickHouse) -> list[IndicatorValue]:
    sql = "SELECT * EXCEPT as_of, toUnixTimestamp64Micro(as_of) AS as_of FROM staff ORDER BY indicator, department, window"
    names, rows = store.query(sql)
    return [IndicatorValue(**dict(zip(names, row, strict=True))) for row in rows]


def random_files(dice: random.Random, version: int, now: int) -> Files:
    """A company that somebody leaves, and is away from, now and then."""
    departments = [f"d{n}" for n in range(dice.randint(2, 6))]
    parents = {d: dice.choice(["", *departments[:n]]) for n, d in enumerate(departments)}
    who = people(**{d: dice.choice([0, 7, 19, 20, 25, 60]) for d in departments})
    ends = (now - SETTLED_US - MONDAY_US) // BLOCK_US * BLOCK_US + MONDAY_US
    for d in departments:
        for back in range(5):
            who = leave(who, d, dice.choice([0, 2, 6]), ends - back * BLOCK_US - dice.randrange(BLOCK_US))
    who = {name: tuple(sorted(dict(places).items()))[: dice.choice([2, 9])] for name, places in who.items()}
    away = {
        name: [(at, at + dice.randint(1, 50) * DAY_US)]
        for name in who
        if dice.random() < 0.5
        for at in [ends - dice.randrange(BLOCK_US)]
    }
    positions = {("hr", d.upper()): [(0, dice.randint(0, 9))] for d in departments if dice.random() < 0.7}
    told = Told([*who], away if dice.random() < 0.8 else {}, positions if dice.random() < 0.8 else {})
    blocks = staff_blocks(company(who, parents), told, now)
    return Files(version=version, company=file(parents), staff=blocks)


def write(store: ClickHouse, files: Files) -> Configuration:
    configuration = Configuration(files)
    store.write_departments(departments_of(configuration, now_us()), files.version)
    write_tree(store, configuration)
    return configuration


def test_both_say_the_same(
    store: ClickHouse, sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    ((now,),) = store.query("SELECT toUnixTimestamp64Micro(now64(6))").rows
    compared: list[IndicatorValue] = []
    for seed in range(1, sample(200, 12) + 1):
        files = random_files(random.Random(seed), seed, now)
        write(store, files)
        mine = staff(files.staff, now)
        assert by_sql(store) == mine
        compared += mine
    assert {(v.indicator, v.value is None) for v in compared} == {
        (LEFT, True),
        (LEFT, False),
        (AWAY, False),
        (OPEN, False),
    }
    tally("values of staff by SQL", len(compared))


def test_the_exact_sums_are_not_in_what_everybody_reads(store: ClickHouse) -> None:
    columns = store.query("SELECT DISTINCT name FROM system.columns WHERE database = 'crossdesk_public'").rows
    assert not {"present_us", "away_us", "left_people"} & {name for (name,) in columns}


def test_a_version_without_people_takes_back_what_was_told(store: ClickHouse) -> None:
    ((now,),) = store.query("SELECT toUnixTimestamp64Micro(now64(6))").rows
    files = random_files(random.Random(3), 1, now)
    write(store, files)
    assert by_sql(store)
    write(store, files.model_copy(update={"version": 2, "staff": ()}))
    assert by_sql(store) == []


def test_each_is_called_a_proxy() -> None:
    assert [*QUESTIONS] == [LEFT, AWAY, OPEN]
    assert all(question.endswith(PROXY) for question in QUESTIONS.values())


def test_weeks_begin_on_mondays() -> None:
    assert e.instant(ENDS).weekday() == 0
    assert BLOCK_US == 13 * WEEK_US
