"""A group of the simulated company moves to another department, with its open cases: nobody handed anything over, and what was
measured before stays as it is, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from histories import DAY, HOUR, Overheard, config_mark, encode, envelope, keyed, watermark
from histories import START as MARCH

from ingest import event as e
from ingest.connectors.simulated import example_configuration, simulate
from ingest.simulation.company import TIDEWELL
from streams.company import CompanyFile
from streams.configuration import Configuration, Files
from streams.departments import Departments
from streams.fact import Fact, Outcome, WatermarkPassed, decode
from streams.norm_entry import NormsFile

((_day, GROUP, TAKER),) = TIDEWELL.moves
GIVER = next(d.id for d in TIDEWELL.departments if GROUP in d.groups)
MOVED = int(datetime.combine(_day, datetime.min.time(), ZoneInfo(TIDEWELL.office.zone)).timestamp()) * 1_000_000
START, DAYS, CASES_PER_DAY = date(2026, 1, 14), 16, 60.0
HAND_OVERS = ("acceptance", "ping_pong")
STAYS, MOVES = 1, 2
THIRD = MARCH + DAY + DAY // 2


def configurations() -> dict[int, Configuration]:
    """The example company as it was, and with the move."""
    company, norms = example_configuration(1)
    files = {"norms.yaml": NormsFile.model_validate(norms)}
    as_it_was = company | {"groups": [group for group in company["groups"] if "since" not in group]}
    return {
        version: Configuration(Files(version=version, company=CompanyFile.model_validate(text), norms=files))
        for version, text in ((STAYS, as_it_was), (MOVES, company))
    }


def at(record: e.Record) -> int:
    return round(record.time.timestamp() * 1_000_000)


@pytest.fixture(scope="module")
def records() -> list[e.Record]:
    return list(simulate(3, DAYS, start=START, cases_per_day=CASES_PER_DAY))


def fold(records: list[e.Record], first: int, then: int) -> Overheard:
    """Under version ``first``, and from two days after the move on under version ``then``."""
    learned = next(n for n, record in enumerate(records) if at(record) > MOVED + 2 * DAY)
    world = Overheard(configurations())
    log = [e.encode(record) for record in records]
    world.log = [config_mark(first), *log[:learned], config_mark(then), *log[learned:]]
    world.run((1,))
    return world


@pytest.fixture(scope="module")
def stayed(records: list[e.Record]) -> Overheard:
    return fold(records, STAYS, STAYS)


@pytest.fixture(scope="module")
def moved(records: list[e.Record]) -> Overheard:
    return fold(records, MOVES, MOVES)


@pytest.fixture(scope="module")
def learned(records: list[e.Record]) -> Overheard:
    return fold(records, STAYS, MOVES)


def standing(world: Overheard) -> dict[str, Fact]:
    return {id: fact for id, fact in world.held.items() if fact.outcome is not Outcome.retracted}


def before(world: Overheard) -> dict[str, bytes]:
    """What counts before the move, and does not go on after it, versions included, to the last bit."""
    facts = standing(world).items()
    return {id: encode(fact) for id, fact in facts if fact.counts_at is not None and over_by(fact, MOVED)}


def over_by(fact: Fact, instant: int) -> bool:
    """What was missed may go on long after it counted."""
    ends = (fact.counts_at, fact.stop) if fact.stop is not None else (fact.counts_at,)
    return not fact.runs and all(end is not None and end < instant for end in ends)


def test_cases_move_with_their_group(moved: Overheard, stayed: Overheard) -> None:
    """Or there would be nothing to show."""
    ends = [f for f in standing(moved).values() if f.measure == "ownership" and f.stop == MOVED]
    begins = [f for f in standing(moved).values() if f.measure == "ownership" and f.start == MOVED]
    assert len({fact.case_id for fact in ends}) > 1
    assert {fact.department for fact in ends if fact.level == 1} <= {GIVER, "finance"}
    assert {fact.case_id for fact in begins} == {fact.case_id for fact in ends}
    assert TAKER in {fact.department for fact in begins}
    assert not [fact for fact in standing(stayed).values() if fact.start == MOVED]


@pytest.mark.parametrize("when", ["moved", "learned"])
def test_a_move_is_no_hand_over(when: str, records: list[e.Record], request: pytest.FixtureRequest) -> None:
    """Each has a routing behind it, and none begins or ends where nobody did anything."""
    world: Overheard = request.getfixturevalue(when)
    routed = {bytes.fromhex(record.id.replace("-", "")) for record in records if isinstance(record, e.Routed)}
    handed = [fact for fact in standing(world).values() if fact.measure in HAND_OVERS]
    assert {fact.measure for fact in handed} == set(HAND_OVERS)
    assert {fact.opener for fact in handed} <= routed
    assert not [fact for fact in handed if MOVED in (fact.start, fact.stop)]


@pytest.mark.parametrize("when", ["moved", "learned"])
def test_what_was_measured_before_stays_to_the_last_bit(
    when: str, stayed: Overheard, request: pytest.FixtureRequest, tally: Callable[[str, int], None]
) -> None:
    world: Overheard = request.getfixturevalue(when)
    assert before(world) == before(stayed)
    assert standing(world) != standing(stayed), "and what came after does not"
    tally("facts before a reorganisation", len(before(world)))


def test_so_do_the_indicators_until_then(moved: Overheard, stayed: Overheard) -> None:
    values = []
    for world in (moved, stayed):
        marks = [
            n for n, raw in enumerate(world.said) if isinstance(m := decode(raw), WatermarkPassed) and m.until < MOVED
        ]
        departments = Departments({}, 1, configurations().__getitem__)
        departments.batch(keyed(enumerate(world.said[: marks[-1] + 1])))
        values.append(list(departments.indicators()))
    assert values[0] == values[1]
    assert e.instant(values[0][0].as_of) > datetime.fromtimestamp(MOVED / 1e6 - 600, UTC)


def after(routed: list[tuple[int, str]], until: int) -> Overheard:
    """A case that is created when it is first routed; it-2, a group of IT, becomes one of HR on 4 March."""
    events: list[e.CaseEvent] = [e.Created(**envelope("C1", routed[0][0], "created", 0))]
    events += [
        e.Routed(**envelope("C1", time, f"routed {number}", number), data=e.RoutedData(group=group))
        for number, (time, group) in enumerate(routed, 1)
    ]
    world = Overheard()
    world.log = [config_mark(2), *map(e.encode, events), watermark(until)]
    world.run((1,))
    return world


@pytest.mark.parametrize(
    ("onward", "handed", "returned"),
    [
        ("it-1", {("it", "legal"), ("it", "hr")}, set()),
        ("legal-1", {("it", "legal"), ("legal", "hr")}, {("hr", "legal")}),
    ],
)
def test_who_has_a_case_by_a_move_is_its_giver_but_was_never_its_receiver(
    onward: str, handed: set[tuple[str, str]], returned: set[tuple[str, str]]
) -> None:
    """Of legal to it-2, before that moves; then to the rest of IT, or back."""
    routed = [(THIRD, "legal-1"), (THIRD + DAY // 4, "it-2"), (THIRD + 2 * DAY, onward)]
    world = after(routed, THIRD + 3 * DAY)
    for measure, wanted in zip(HAND_OVERS, (handed, returned), strict=True):
        facts = [fact for fact in standing(world).values() if fact.measure == measure and fact.level == 2]
        assert {(fact.department, fact.counterpart) for fact in facts} == wanted


def test_who_gets_a_case_by_a_move_has_not_got_it_once_more() -> None:
    """HR had it on Wednesday morning, and gets it back with its group in the night; then somebody gives it to IT, which had it."""
    wednesday = MARCH + DAY + 9 * HOUR
    routed = [
        (wednesday, "hr-1"),
        (wednesday + HOUR, "it-2"),
        (wednesday + DAY, "it-1"),
        (wednesday + DAY + HOUR, "it-2"),
    ]
    world = after(routed, wednesday + 2 * DAY)
    again = [fact for fact in standing(world).values() if fact.measure == "rework" and fact.level == 2]
    assert {(fact.department, fact.counterpart, fact.start) for fact in again} == {
        ("it", "hr", routed[2][0]),
        ("hr", "it", routed[3][0]),
    }


def test_a_department_that_moves_in_the_tree_has_waited_in_both_places() -> None:
    """Payroll goes from People to Tech, of Operations, in the night to 5 March; the case is its own from Wednesday 09:00 to
    Thursday 12:00.
    """
    world = Overheard()
    wednesday, thursday = MARCH + 2 * DAY + 9 * HOUR, MARCH + 3 * DAY + 12 * HOUR
    events: list[e.CaseEvent] = [
        e.Created(**envelope("C1", wednesday, "created", 0)),
        e.Routed(**envelope("C1", wednesday, "routed", 1), data=e.RoutedData(group="pay-1")),
        e.Solved(**envelope("C1", thursday, "solved", 2)),
    ]
    world.log = [config_mark(3), *map(e.encode, events), watermark(thursday)]
    world.run((1,))
    waited = [fact for fact in standing(world).values() if fact.measure == "waiting_provider"]
    assert {(fact.level, fact.department): fact.business_us // HOUR for fact in waited} == {
        (0, "people"): 8,
        (0, "ops"): 3,
        (1, "pay"): 8,
        (1, "tech"): 3,
        (2, "pay"): 11,
    }
