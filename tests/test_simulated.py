"""The simulated company: what it promises to those who measure it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from functools import cache
from itertools import islice, pairwise
from pathlib import Path
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import pytest
import yaml

from ingest.connectors.simulated import example_configuration, simulate
from ingest.event import (
    Actor,
    CaseEvent,
    ChildLinked,
    Closed,
    Corrected,
    Created,
    Deleted,
    Excluded,
    Joined,
    Left,
    Merged,
    Moved,
    Noted,
    Paused,
    PersonEvent,
    Record,
    Reopened,
    Replied,
    Restored,
    Resumed,
    Routed,
    Solved,
    Unmerged,
    Watermark,
    decode,
    encode,
)
from ingest.simulation.company import DEPARTMENTS, DIVISIONS, PAIRS, SERVICES, TIDEWELL, UNITS
from ingest.simulation.opening import Office, Opening

START = date(2026, 1, 5)
EXAMPLE = Path(__file__).parent.parent / "deploy" / "example"
OWNER = {group: department.id for department in DEPARTMENTS for group in department.groups} | {"": ""}
UNIT_OF = {person: unit for unit in UNITS for person in unit.people}
MOVERS = {who for _, who, _, _ in TIDEWELL.transfers}
DOWN = [(datetime.fromtimestamp(a, UTC), datetime.fromtimestamp(b, UTC)) for a, b in TIDEWELL.outages]


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return list(simulate(7, 60))


@pytest.fixture(scope="module")
def cases(records: list[Record]) -> dict[str, list[CaseEvent]]:
    found: dict[str, list[CaseEvent]] = defaultdict(list)
    for record in records:
        if not isinstance(record, Watermark | PersonEvent):
            found[record.subject].append(record)  # type: ignore[arg-type]
    return {subject: sorted(case, key=lambda e: (e.time, e.sequence)) for subject, case in found.items()}


def routes(case: list[CaseEvent]) -> list[str]:
    """The departments that had the case, one after the other."""
    owners = [OWNER[event.data.group] for event in case if isinstance(event, Routed) and event.data.group]
    return [owner for n, owner in enumerate(owners) if n == 0 or owner != owners[n - 1]]


def share(cases: dict[str, list[CaseEvent]], kind: type) -> float:
    return sum(any(isinstance(event, kind) for event in case) for case in cases.values()) / len(cases)


# The stream


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert [encode(r) for r in simulate(3, 10)] == [encode(r) for r in simulate(3, 10)]


def test_another_seed_gives_other_events() -> None:
    assert {r.id for r in simulate(3, 5)} != {r.id for r in simulate(4, 5)}
    assert [encode(r) for r in simulate(3, 5)] != [encode(r) for r in simulate(-3, 5)]


def test_a_longer_run_begins_with_the_events_of_a_shorter_one() -> None:
    short = [r for r in simulate(3, 9) if not isinstance(r, Watermark)]
    longer = [r for r in simulate(3, 12) if not isinstance(r, Watermark)]
    assert len(longer) > len(short)
    assert longer[: len(short)] == short


def test_records_are_strictly_ordered_by_time_sequence_and_id(records: list[Record]) -> None:
    told_at_once = [r for r in records if not while_down(r)]
    assert all((a.time, a.sequence, a.id) < (b.time, b.sequence, b.id) for a, b in pairwise(told_at_once))


def test_ids_are_unique(records: list[Record]) -> None:
    assert len({record.id for record in records}) == len(records)


def test_everything_can_be_read_again(records: list[Record]) -> None:
    assert all(decode(encode(record)) == record for record in records[:5000])


def test_all_lies_within_the_days_asked_for(records: list[Record]) -> None:
    end = datetime.combine(START + timedelta(days=60), time(), UTC)
    assert datetime.combine(START, time(), UTC) <= records[0].time
    assert records[-1].time < end


# The watermarks


def test_nothing_lies_at_or_below_a_watermark_that_came_before(records: list[Record]) -> None:
    mark = datetime.min.replace(tzinfo=UTC)
    for record in records:
        if isinstance(record, Watermark):
            assert record.time == record.data.until > mark
            mark = record.time
        else:
            assert record.time > mark


def test_an_event_is_less_than_a_minute_from_the_last_watermark(records: list[Record]) -> None:
    mark = datetime.combine(START, time(), UTC)
    for record in records:
        if isinstance(record, Watermark):
            assert record.time - mark <= timedelta(minutes=10) or any(mark < since < record.time for since, _ in DOWN)
            mark = record.time
        elif not while_down(record):
            assert record.time - mark < timedelta(seconds=60)


def test_a_source_that_was_down_tells_later_what_happened_and_moves_its_watermark_only_then(
    records: list[Record],
) -> None:
    ((since, back),) = DOWN
    late = [n for n, record in enumerate(records) if while_down(record)]
    assert len(late) > 50
    assert late == list(range(late[0], late[-1] + 1))
    assert [records[n].time for n in late] != sorted(records[n].time for n in late)
    assert all(records[n].observedtime >= back for n in late)  # type: ignore[operator]
    before = max(r.time for r in records[: late[0]])
    assert before < since
    after = records[late[-1] + 1]
    assert isinstance(after, Watermark)
    assert after.time >= back - timedelta(microseconds=1)


def test_the_last_record_is_the_watermark_at_the_end_of_the_last_day(records: list[Record]) -> None:
    last = records[-1]
    assert isinstance(last, Watermark)
    assert last.data.until == datetime.combine(START + timedelta(days=60), time(), UTC) - timedelta(microseconds=1)


def test_a_day_without_cases_is_full_of_watermarks() -> None:
    records = [r for r in simulate(1, 1, cases_per_day=1e-9) if not isinstance(r, PersonEvent)]
    assert len(records) == 144
    assert all(isinstance(record, Watermark) for record in records)


# The people


def test_humans_act_only_while_their_office_is_open_but_for_notes_of_who_works_late(
    cases: dict[str, list[CaseEvent]],
) -> None:
    known = [event for event in human_events(cases) if event.who not in MOVERS and not changed_hours(event)]
    late = [event for event in known if not is_open(UNIT_OF[event.who].office, event.time)]
    for event in late:
        assert isinstance(event, Noted), f"{UNIT_OF[event.who].name} acts at {event.time}"
    assert 0.005 < len(late) / sum(isinstance(event, Noted) for event in known) < 0.1


def test_humans_act_only_for_the_department_that_has_the_case(cases: dict[str, list[CaseEvent]]) -> None:
    departments = {department.unit: department.id for department in DEPARTMENTS}
    moved = {group for _, group, _ in TIDEWELL.moves}
    for case in cases.values():
        if any(isinstance(event, Routed) and event.data.group in {*moved, ""} for event in case):
            continue
        owner = SERVICE_OWNER[case[0].data.service] if isinstance(case[0], Created) else ""
        for event in case:
            if isinstance(event, Solved) and OWNER.get(event.data.group, owner) != owner:
                continue  # somebody else's colleague did it
            if event.actor is Actor.provider_human and not isinstance(event, Created) and event.who not in MOVERS:
                assert departments[UNIT_OF[event.who].name] == owner
            if isinstance(event, Routed):
                owner = OWNER[event.data.group]


def test_bots_answer_at_night_too(cases: dict[str, list[CaseEvent]]) -> None:
    bots = [event for case in cases.values() for event in case if event.actor is Actor.provider_bot]
    assert any(event.time.hour in (21, 22, 23, 0, 1) for event in bots)


def test_requests_follow_the_day_and_the_week(cases: dict[str, list[CaseEvent]]) -> None:
    created = [case[0] for case in cases.values()]
    zones = {unit.name: ZoneInfo(unit.office.zone) for unit in UNITS}
    asked = [e.time.astimezone(zones[e.data.requester_group]) for e in created if isinstance(e, Created)]
    assert sum(9 <= local.hour < 18 for local in asked) > 0.8 * len(asked)
    assert 0 < sum(local.weekday() > 4 for local in asked) < 0.04 * len(asked)


def test_pseudonyms_look_like_pseudonyms() -> None:
    assert len(UNIT_OF) == sum(unit.heads for unit in UNITS)
    assert all(person.startswith("k1:") and int(person[3:], 16) for person in UNIT_OF)


# The cases


def test_a_case_begins_created_and_ends_closed_merged_or_deleted(cases: dict[str, list[CaseEvent]]) -> None:
    open_ones = 0
    for case in cases.values():
        assert isinstance(case[0], Created)
        assert not any(isinstance(event, Created) for event in case[1:])
        apart = any(isinstance(event, Unmerged | Restored) for event in case)
        ended = [n for n, event in enumerate(case) if isinstance(event, Closed | Merged | Deleted)]
        open_ones += not ended
        assert apart or ended in ([], [len(case) - 1])
    assert open_ones < 0.2 * len(cases)


def test_cases_are_closed_five_days_after_they_were_solved(cases: dict[str, list[CaseEvent]]) -> None:
    for case in cases.values():
        if isinstance(case[-1], Closed):
            solved = max(event.time for event in case if isinstance(event, Solved))
            assert case[-1].time - solved >= timedelta(days=5)


def test_pauses_do_not_overlap(cases: dict[str, list[CaseEvent]]) -> None:
    for case in cases.values():
        kinds = [type(event) for event in case if isinstance(event, Paused | Resumed)]
        assert kinds[::2] == [Paused] * len(kinds[::2])
        assert kinds[1::2] == [Resumed] * len(kinds[1::2])


def test_other_cases_that_are_named_exist(cases: dict[str, list[CaseEvent]]) -> None:
    for case in cases.values():
        for event in case:
            if isinstance(event, Merged):
                assert event.data.into in cases
            if isinstance(event, ChildLinked):
                assert event.data.parent in cases


def test_rates_are_those_of_an_organisation(records: list[Record], cases: dict[str, list[CaseEvent]]) -> None:
    days = 60
    assert 60 * days < len(cases) < 100 * days
    assert 8 < sum(map(len, cases.values())) / len(cases) < 14
    assert 0.12 < sum(len(routes(case)) > 1 for case in cases.values()) / len(cases) < 0.3
    assert 0.03 < share(cases, Reopened) < 0.1
    assert 0.2 < share(cases, Paused) < 0.6
    assert 0.005 < share(cases, Merged) < 0.03
    assert 0 < share(cases, Unmerged) < share(cases, Merged)
    assert 0.0005 < share(cases, Restored) < share(cases, Deleted) < 0.03
    assert 0.002 < share(cases, Excluded) < 0.015
    assert 0.005 < share(cases, Corrected) < 0.04
    assert 0.005 < share(cases, ChildLinked) < 0.04
    assert len(records) < 3 * sum(map(len, cases.values()))


def test_contracts_go_to_and_fro_between_procurement_and_legal(cases: dict[str, list[CaseEvent]]) -> None:
    seen = [tuple(routes(case)) for case in cases.values()]
    there = [route for route in seen if ("procurement", "legal") in pairwise(route)]
    twice = [route for route in there if list(pairwise(route)).count(("procurement", "legal")) > 1]
    assert len(there) > 50
    assert 0.25 < len(twice) / len(there) < 0.6


def test_legal_is_the_worst_at_accepting_from_procurement(cases: dict[str, list[CaseEvent]]) -> None:
    waits: dict[tuple[str, str], list[timedelta]] = defaultdict(list)
    for case in cases.values():
        owner = ""
        for n, event in enumerate(case):
            if isinstance(event, Routed):
                giver, owner = owner, OWNER[event.data.group]
                first = next((e for e in case[n + 1 :] if e.actor is Actor.provider_human), None)
                if first and giver not in ("", owner):
                    waits[giver, owner].append(first.time - event.time)
    median = {pair: sorted(w)[len(w) // 2] for pair, w in waits.items() if len(w) >= 20}
    worst, second, *_ = sorted(median, key=lambda pair: median[pair], reverse=True)
    assert worst == ("procurement", "legal")
    assert median[worst] > 2 * median[second]


def test_what_it_hands_over_lies_at_procurement_from_the_ninth_of_march_on() -> None:
    before = hand_overs(simulate(2, 20, start=date(2026, 2, 14), cases_per_day=400), "it", "procurement")
    after = hand_overs(simulate(2, 20, start=date(2026, 3, 10), cases_per_day=400), "it", "procurement")
    assert min(len(before), len(after)) > 50
    assert median(after) > 3 * median(before)


def test_controlling_gets_worse_from_week_to_week() -> None:
    early = answered_after(simulate(2, 20, start=date(2026, 1, 10), cases_per_day=300), "controlling")
    late = answered_after(simulate(2, 20, start=date(2026, 5, 10), cases_per_day=300), "controlling")
    assert min(len(early), len(late)) > 50
    assert median(late) > 1.5 * median(early)


# The example files describe the same company


def test_every_group_is_in_the_company_file(cases: dict[str, list[CaseEvent]]) -> None:
    groups = {entry["group"]: entry["department"] for entry in example("company")["groups"]}
    routed_to = {event.data.group for case in cases.values() for event in case if isinstance(event, Routed)}
    assert routed_to - {""} <= set(groups)
    assert {
        event.data.requester_group for case in cases.values() for event in case if isinstance(event, Created)
    } <= set(groups)
    first = {**OWNER, **{unit.name: unit.department for unit in UNITS}}
    del first[""]
    assert groups == first | {group: department for _, group, department in TIDEWELL.moves}


def test_every_department_is_in_the_company_file_with_its_people() -> None:
    company = example("company")
    heads: dict[str, int] = defaultdict(int)
    for unit in UNITS:
        heads[unit.department] += unit.heads
    assert {entry["id"]: entry["head_count"] for entry in company["departments"] if "head_count" in entry} == heads
    assert {d.id: d.name for d in DEPARTMENTS}.items() <= {e["id"]: e["name"] for e in company["departments"]}.items()


def test_norms_have_the_hours_that_people_keep() -> None:
    norms = {entry["department"]: entry for entry in reversed(example("norms")["norms"])}
    zones = {entry["id"]: entry.get("zone") for entry in example("company")["departments"]}
    offices = {unit.name: unit.office for unit in UNITS}
    for department in DEPARTMENTS:
        norm, office = norms[department.id], offices[department.unit]
        assert norm["hours"] == office.hours
        assert norm["holidays"] == office.country
        assert norm["zone"] == office.zone == zones[department.id]
        assert norm.get("half_days", {}) == {day.isoformat(): text for day, text in office.half_days.items()}
        assert norm.get("closures", []) == [f"{first}..{last}" for first, last in office.closures]


def test_plans_name_only_departments_that_serve() -> None:
    served = {department.id for department in DEPARTMENTS}
    for service in SERVICES:
        assert {service.department, *(d for _, onward in service.onward for d in onward)} <= served
    assert {department for pair in PAIRS for department in pair} <= served


def test_the_example_files_are_those_of_the_company() -> None:
    norms = example("norms")
    for entry in norms["norms"]:  # for its colleagues: nothing is simulated by them
        entry.pop("services", None)
        entry.pop("contact", None)
    assert (example("company"), norms) == example_configuration()


def test_there_are_twelve_departments_in_a_tree_of_three_levels() -> None:
    parents = {division.id: division.parent for division in DIVISIONS}
    deep = [d for d in parents if parents[d] and parents[parents[d]]]
    assert len(deep) == 12
    assert not any(parents[parents[parents[d]]] for d in deep)


@pytest.mark.parametrize("departments", [2, 3, 9, 13, 40, 500])
def test_a_company_has_as_many_departments_as_asked_for(departments: int) -> None:
    company, norms = example_configuration(5, departments)
    parents = {entry["id"]: entry.get("parent", "") for entry in company["departments"]}
    deep = [d for d in parents if parents[d] and parents[parents[d]]]
    assert len(deep) == departments == len({entry["department"] for entry in norms["norms"]})
    groups = {entry["group"] for entry in company["groups"]}
    named = {r.data.group for r in islice(simulate(5, 30, departments=departments), 3000) if isinstance(r, Routed)}
    assert named
    assert named <= {*groups, ""}


# The people


def test_people_join_move_and_leave(records: list[Record]) -> None:
    people = [record for record in records if isinstance(record, PersonEvent)]
    assert {type(event) for event in people} == {Joined, Moved, Left}
    assert {event.subject for event in people if isinstance(event, Moved)} == MOVERS
    assert all(event.subject.startswith("k1:") for event in people)


# The office


def test_open_time_is_counted_to_the_microsecond_and_in_days_of_the_office() -> None:
    office = Office("Europe/Berlin", "DE-BE", {"mon-thu": "09:00-17:00", "fri": "09:00-13:00"})
    opening = Opening(office, START)
    wednesday = int(datetime(2026, 1, 14, 14, tzinfo=UTC).timestamp()) * 1_000_000  # 15:00 in Berlin
    friday_noon = int(datetime(2026, 1, 16, 11, tzinfo=UTC).timestamp()) * 1_000_000
    assert opening.due_days(wednesday, Fraction(2)) == friday_noon
    assert opening.days(wednesday, friday_noon) == 2
    assert opening.worked(wednesday, friday_noon) == 13 * 3_600_000_000
    assert opening.due(wednesday, 13 * 3_600_000_000) == friday_noon
    assert opening.worked(wednesday - 1, wednesday) == 1


def test_open_time_skips_lunch_nights_and_holidays() -> None:
    office = Office("Europe/Berlin", "DE-BE", {"mon-fri": "09:00-12:00, 13:00-17:00"})
    opening = Opening(office, START)
    thursday = int(
        datetime(2026, 4, 2, 9, 30, tzinfo=UTC).timestamp()
    )  # 11:30; then come Good Friday and Easter Monday
    assert opening.after(thursday, 3600) == int(datetime(2026, 4, 2, 11, 30, tzinfo=UTC).timestamp())
    assert opening.after(thursday, 5 * 3600) == int(datetime(2026, 4, 7, 7, 30, tzinfo=UTC).timestamp())


# What cannot be


@pytest.mark.parametrize("seed", ["1", 1.5, None, True])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    with pytest.raises(ValueError, match="seed must be a whole number such as 1"):
        simulate(seed, 10)


@pytest.mark.parametrize("days", [0, -3, 1.5])
def test_there_is_at_least_one_day(days: Any) -> None:
    with pytest.raises(ValueError, match="days must be a whole number of at least 1"):
        simulate(1, days)


@pytest.mark.parametrize("departments", [0, 1, 501, 2.5, True])
def test_a_company_has_from_2_to_500_departments(departments: Any) -> None:
    with pytest.raises(ValueError, match="departments must be a whole number from 2 to 500"):
        simulate(1, 10, departments=departments)


@pytest.mark.parametrize("rate", [0, -1.0, float("nan")])
def test_a_rate_is_positive(rate: float) -> None:
    with pytest.raises(ValueError, match="cases_per_day must be above 0"):
        simulate(1, 10, cases_per_day=rate)


def test_days_stay_in_this_century() -> None:
    with pytest.raises(ValueError, match="start must be a date such that"):
        simulate(1, 10, start=date(2099, 12, 30))


def test_a_long_run_begins_at_once() -> None:
    assert len(list(islice(simulate(1, 20_000), 500))) == 500


SERVICE_OWNER = {service.name: service.department for service in SERVICES}


def example(name: str) -> dict[str, Any]:
    """Days as text, which is how crossdesk reads them."""
    found: dict[str, Any] = yaml.load((EXAMPLE / f"{name}.yaml").read_text(encoding="utf-8"), yaml.BaseLoader)
    plain: dict[str, Any] = numbers(found)
    return plain


def numbers(node: Any) -> Any:
    if isinstance(node, dict):
        return {k: int(v) if k == "head_count" else numbers(v) for k, v in node.items()}
    return [numbers(item) for item in node] if isinstance(node, list) else node


def while_down(record: Record) -> bool:
    """What happened while the source was down."""
    return not isinstance(record, Watermark) and any(since <= record.time < back for since, back in DOWN)


def changed_hours(event: CaseEvent) -> bool:
    """Whether the office had other hours by then."""
    return any(event.time.date() >= since - timedelta(days=1) for since, _ in UNIT_OF[event.who].office.later)


def hand_overs(records: Iterator[Record], giver: str, taker: str) -> list[float]:
    """How long each lay until a human acted."""
    had: dict[str, str] = {}
    lies: dict[str, datetime] = {}
    found = []
    for event in records:
        if event.actor is Actor.provider_human and event.subject in lies:
            found.append((event.time - lies.pop(event.subject)).total_seconds())
        if isinstance(event, Routed):
            if (had.get(event.subject), OWNER[event.data.group]) == (giver, taker):
                lies[event.subject] = event.time
            had[event.subject] = OWNER[event.data.group]
    return found


def answered_after(records: Iterator[Record], department: str) -> list[float]:
    """How long until the first answer to what the department was asked for."""
    asked: dict[str, datetime] = {}
    found = []
    for event in records:
        if isinstance(event, Created) and SERVICE_OWNER[event.data.service] == department:
            asked[event.subject] = event.time
        elif isinstance(event, Replied) and event.subject in asked:
            found.append((event.time - asked.pop(event.subject)).total_seconds())
    return found


def human_events(cases: dict[str, list[CaseEvent]]) -> Iterator[CaseEvent]:
    return (event for case in cases.values() for event in case if event.actor is Actor.provider_human)


def is_open(office: Office, at: datetime) -> bool:
    """Read off the clock on the office's wall."""
    local = at.astimezone(ZoneInfo(office.zone))
    if local.date() in _holidays(office.country, local.year):
        return False
    if any(first <= local.date() <= last for first, last in office.closures):
        return False
    hours = office.half_days.get(local.date()) or next(
        (text for days, text in office.hours.items() if local.strftime("%a").lower() in _days(days)), ""
    )
    parts = (part.strip().split("-") for part in hours.split(",") if part)
    return any(opens <= local.strftime("%H:%M") < closes for opens, closes in parts)


@cache
def _holidays(country: str, year: int) -> frozenset[date]:
    land, _, part = country.partition("-")
    return frozenset(holidays.country_holidays(land, subdiv=part or None, years=[year]))


def _days(days: str) -> list[str]:
    names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    first, _, last = days.partition("-")
    return names[names.index(first) : names.index(last or first) + 1]
