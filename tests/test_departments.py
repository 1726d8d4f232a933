"""The fold ``departments``: what holds of facts, how far time has come, which facts a window holds, and what they say."""

from __future__ import annotations

import gc
import random
import tracemalloc
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import permutations, product
from pathlib import Path
from typing import Any

import msgspec
import pytest
from histories import (
    CONFIGURATIONS,
    DAY,
    HOUR,
    MINUTE,
    START,
    Overheard,
    config_mark,
    encode,
    facts_in,
    history,
    keep,
    keyed,
    watermark,
)

from deploy import config_files
from ingest import event as e
from ingest.connectors.simulated import simulate
from streams.cases import Cases
from streams.clock import NEVER
from streams.company import CompanyFile
from streams.configuration import Configuration, Files
from streams.departments import META, Departments
from streams.effects import carry_out
from streams.fact import (
    ConfigPassed,
    Fact,
    FactRecord,
    Facts,
    Outcome,
    WatermarkPassed,
    beginning,
    decode,
    ending,
)
from streams.indicators import INDICATORS, WINDOWS, Aggregation, IndicatorValue

SECOND = 1_000_000
EXAMPLE = Path(__file__).parent.parent / "deploy" / "example"
DEPTH = {"ops": 0, "people": 0, "_unowned": 0, "_unmapped": 0, "tech": 1, "legal": 1, "hr": 1, "pay": 1, "it": 2}
PATHS = {
    "it": ("ops", "tech", "it"),
    "legal": ("ops", "legal", "legal"),
    "hr": ("people", "hr", "hr"),
    "pay": ("people", "pay", "pay"),
    "_unowned": ("_unowned",) * 3,
    "": ("",) * 3,
}

MEASURES = (
    "first_response",
    "resolution",
    "acceptance",
    "silence",
    "reopening",
    "ping_pong",
    "waiting_requester",
    "excluded",
)

Key = tuple[str, str, str, str]


# -- what the tests are written with


class Fold:
    """The fold and its store."""

    def __init__(self, partitions: int = 1, configurations: Any = CONFIGURATIONS) -> None:
        self.partitions, self.configurations = partitions, configurations
        self.state: dict[bytes, bytes] = {}
        self.offset = 0
        self.restart()

    def restart(self) -> None:
        self.departments = Departments(self.state, self.partitions, self.configurations.__getitem__)

    def say(self, *records: FactRecord | Fact) -> dict[bytes, bytes | None]:
        """One batch."""
        batch = list(enumerate(map(encode, records), self.offset))
        self.offset += len(batch)
        changes = self.departments.batch(keyed(batch)).changes
        self.store(changes)
        return changes

    def store(self, changes: dict[bytes, bytes | None]) -> None:
        carry_out(changes, self.state)

    @property
    def as_of(self) -> int:
        return self.departments.meta.as_of

    def values(self) -> dict[Key, IndicatorValue]:
        values = list(self.departments.indicators())
        found = {(v.indicator, v.department, v.counterpart, v.window): v for v in values}
        assert len(found) == len(values), "no answer twice"
        return found

    def value(self, indicator: str, department: str, window: str = "28d", counterpart: str = "") -> Any:
        window = "" if indicator.endswith("_running_facts") else window
        found = self.values().get((indicator, department, counterpart, window))
        return None if found is None else found.value

    def n(self, indicator: str, department: str, window: str = "28d", counterpart: str = "") -> int:
        window = "" if indicator.endswith("_running_facts") else window
        found = self.values().get((indicator, department, counterpart, window))
        return -1 if found is None else found.n


def fact(version: int, **fields: Any) -> Fact:
    """A first response of legal to human resources that runs since the start, unless ``fields`` say else."""
    said: dict[str, Any] = {
        "case_id": "desk/C1",
        "measure": "first_response",
        "opener": b"0123456789abcdef",
        "level": 1,
        "department": "legal",
        "counterpart": "hr",
        "start": START,
        "since": START,
        "calendar": "legal",
    }
    return Fact(version=version, **(said | fields))


def stopped(version: int, at: int, outcome: Outcome = Outcome.met, **fields: Any) -> Fact:
    said: dict[str, Any] = {"stop": at, "since": at, "calendar": "", "outcome": outcome, "counts_at": at}
    return fact(version, **(said | fields))


def mark(until: int, source: str = "desk", partition: int = 0) -> WatermarkPassed:
    return WatermarkPassed(source=source, partition=partition, until=until)


def facts_among(rows: Iterable[bytes]) -> list[bytes]:
    return [key for key in rows if len(key) == 31]


CONFIG = ConfigPassed(partition=0, version=1)


def begun(as_of: int = START + 10 * DAY) -> Fold:
    fold = Fold()
    fold.say(CONFIG, mark(as_of))
    return fold


def flat(version: int, *sources: str) -> Configuration:
    company: dict[str, Any] = {
        "organisation": "t",
        "zone": "UTC",
        "hours": {"mon-fri": "09:00-17:00"},
        "groups": "each",
    }
    return Configuration(
        Files(version=version, company=CompanyFile.model_validate(company | {"sources": list(sources)}))
    )


# -- which version of a fact stands


LIFE = (
    fact(1),
    stopped(2, START + DAY, Outcome.missed),
    fact(3, outcome=Outcome.retracted, counterpart="", calendar="", since=0, start=0),
    stopped(4, START + 2 * DAY),
)


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_highest_version_stands_whatever_the_order(order: Sequence[int]) -> None:
    fold = begun()
    for i in order:
        fold.say(LIFE[i])
    assert fold.value("first_response_attainment_ratio", "legal") == 1.0
    assert fold.n("first_response_attainment_ratio", "legal") == 1
    assert fold.n("first_response_running_facts", "legal") == 0


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_retraction_stands_whatever_the_order(order: Sequence[int]) -> None:
    fold = begun()
    fold.say(*(LIFE[i] for i in order))
    assert {v.n for v in fold.values().values()} == {0}


def test_equal_versions_change_nothing() -> None:
    fold = begun()
    assert len(facts_among(fold.say(LIFE[1]))) == 1
    assert list(fold.say(LIFE[1], LIFE[0])) == [META]
    assert fold.n("first_response_facts", "legal") == 1


def test_records_that_were_folded_already_are_not_folded_again() -> None:
    fold = begun()
    again = [(i, encode(fact(9))) for i in range(fold.offset)]
    assert fold.departments.batch(keyed(again)).changes == {}
    assert fold.departments.meta.offset == fold.offset - 1
    assert fold.departments.batch(keyed([*again, (fold.offset, encode(fact(1)))])).changes.keys() > {META}


def test_a_fact_that_moves_to_another_department_leaves_the_first() -> None:
    fold = begun()
    fold.say(fact(1))
    fold.say(fact(2, outcome=Outcome.retracted, counterpart=""), fact(2, department="pay", calendar="pay"))
    assert fold.n("first_response_running_facts", "legal") == 0
    assert fold.n("first_response_running_facts", "pay") == 1


def five(**fields: Any) -> list[Fact]:
    """Of fewer a pair does not tell."""
    return [fact(1, case_id=f"desk/P{i}", **fields) for i in range(5)]


def test_a_pair_that_has_nothing_left_says_so() -> None:
    """Readers keep the last answer: silence would leave it standing."""
    fold = begun()
    fold.say(*five())
    assert fold.n("first_response_running_facts", "legal", counterpart="hr") == 5
    fold.say(*(fact(2, case_id=f"desk/P{i}", outcome=Outcome.retracted, counterpart="") for i in range(5)))
    assert fold.n("first_response_running_facts", "legal", counterpart="hr") == 0
    assert fold.n("first_response_p50_seconds", "legal", counterpart="hr") == 0


@pytest.mark.parametrize("left", ["retracted", "of another pair", "let go", "too few"])
def test_whoever_takes_over_says_so_too(left: str) -> None:
    fold = begun()
    fold.say(*five(counterpart="pay"), *(stopped(1, START + DAY, case_id=f"desk/C{i}") for i in range(5)))
    assert fold.n("first_response_p50_seconds", "legal", counterpart="hr") == 5
    gone = range(1 if left == "too few" else 5)
    match left:
        case "retracted" | "too few":
            fold.say(*(fact(2, case_id=f"desk/C{i}", outcome=Outcome.retracted, counterpart="") for i in gone))
        case "of another pair":
            fold.say(*(stopped(2, START + DAY, case_id=f"desk/C{i}", counterpart="it") for i in gone))
        case _:
            later(fold, START + 40 * DAY)
    fold.restart()
    for indicator, window in (("first_response_p50_seconds", "28d"), ("first_response_facts", "28d")):
        said = fold.values()[indicator, "legal", "hr", window]
        assert (said.value, said.n, said.low, said.high, said.beyond) == (None, 0, None, None, False)


def test_facts_differ_by_case_opener_level_and_department() -> None:
    fold = begun()
    fold.say(
        fact(1),
        fact(2, case_id="desk/C2"),
        fact(3, opener=b"fedcba9876543210"),
        fact(4, level=2, department="it", counterpart="hr"),
        fact(5, measure="resolution"),
    )
    assert fold.n("first_response_running_facts", "legal") == 3
    assert fold.n("first_response_p50_seconds", "legal") == 3
    assert fold.n("first_response_running_facts", "it") == 1
    assert fold.n("resolution_running_facts", "legal") == 1


# -- how far time has come


def test_as_of_is_the_least_watermark_of_all_partitions() -> None:
    fold = Fold(partitions=2)
    fold.say(CONFIG, mark(START + 5))
    assert fold.as_of == NEVER
    assert fold.values() == {}
    fold.say(fact(1), mark(START + 3, partition=1))
    assert fold.as_of == START + 3
    fold.say(mark(START + 9, partition=1))
    assert fold.as_of == START + 5
    assert {v.as_of for v in fold.values().values()} == {START + 5}
    assert {v.offset for v in fold.values().values()} == {fold.offset - 1}


def test_as_of_waits_for_every_source_that_is_configured_and_for_no_other() -> None:
    fold = Fold(configurations={1: flat(1, "desk", "people")})
    fold.say(CONFIG, mark(START), mark(START + 1, "elsewhere"))
    assert fold.as_of == NEVER
    fold.say(mark(START + 7, "people"))
    assert fold.as_of == START


def test_as_of_never_goes_back() -> None:
    fold = begun(START + 9)
    fold.say(mark(START + 4))
    assert fold.as_of == START + 9


def test_a_new_source_joins_when_it_has_reached_as_of_and_a_retired_one_leaves() -> None:
    fold = Fold(partitions=2, configurations={1: flat(1, "a"), 2: flat(2, "a", "b"), 3: flat(3, "b")})

    def both(until: int, source: str) -> None:
        fold.say(mark(until, source, 0), mark(until, source, 1))

    fold.say(CONFIG)
    both(START + 10, "a")
    fold.say(ConfigPassed(partition=0, version=2), CONFIG)
    both(START + 20, "a")
    assert fold.as_of == START + 20, "b has said nothing: it does not hold anybody up"
    fold.say(mark(START + 25, "b", 0))
    both(START + 30, "a")
    assert fold.as_of == START + 30, "b was there in one partition only"
    both(START + 35, "b")
    both(START + 90, "a")
    assert fold.as_of == START + 35, "b has joined, and holds up"
    fold.restart()
    both(START + 40, "b")
    assert fold.as_of == START + 40
    fold.say(ConfigPassed(partition=1, version=3))
    both(START + 99, "b")
    assert fold.as_of == START + 99, "a is not asked any more"


def test_marks_before_any_configuration_wait_for_it() -> None:
    fold = Fold()
    fold.say(mark(START))
    assert fold.as_of == NEVER
    fold.say(CONFIG)
    assert fold.as_of == START


# -- which facts a window holds


@pytest.mark.parametrize("window", WINDOWS)
def test_the_edges_of_a_window_are_exact(window: str) -> None:
    floor = START + 40 * DAY
    as_of = floor + 4 * MINUTE + 59 * SECOND + 999_999
    since = floor - WINDOWS[window]
    for at, inside in ((since, 0), (since + 1, 1), (as_of, 1), (as_of + 1, 0)):
        fold = begun(as_of)
        fold.say(stopped(1, at))
        assert fold.n("first_response_facts", "legal", window) == inside


def test_what_runs_belongs_to_every_window_and_is_censored_at_as_of() -> None:
    """Monday 10:00 in Berlin, after an hour's work, until Tuesday 09:00: 2 h + 4 h on Monday, 1 h on Tuesday."""
    fold = begun(START + DAY + 8 * HOUR)
    fold.say(fact(1, level=2, department="it", since=START + 9 * HOUR, calendar="it", business_us=HOUR))
    for window in WINDOWS:
        found = fold.values()["first_response_p50_seconds", "it", "", window]
        assert (found.value, found.beyond, found.n) == (8 * 3600, True, 1)
        assert fold.n("first_response_attainment_ratio", "it", window) == 0
    assert fold.value("first_response_running_facts", "it") == 1


def test_a_clock_that_is_missed_and_still_runs_is_one_fact() -> None:
    """It is determined, so it counts against the promise; its duration is not known yet, so it is censored."""
    fold = begun(START + DAY)
    fold.say(fact(1, outcome=Outcome.missed, due=START + 12 * HOUR, counts_at=START + 12 * HOUR))
    assert (
        fold.value("first_response_attainment_ratio", "legal"),
        fold.n("first_response_attainment_ratio", "legal"),
    ) == (0, 1)
    assert fold.n("first_response_facts", "legal") == 1
    assert fold.n("first_response_running_facts", "legal") == 1
    assert fold.n("first_response_p50_seconds", "legal") == 1
    assert fold.values()["first_response_p50_seconds", "legal", "", "28d"].beyond
    assert fold.n("first_response_p50_seconds", "legal", "1h") == 1, "it runs: that belongs to every window"
    assert fold.n("first_response_attainment_ratio", "legal", "1h") == 0, "it was missed half a day ago"


def test_a_solution_that_held_has_no_stop_and_does_not_run() -> None:
    week = START + 7 * DAY
    follow_up: dict[str, Any] = {"measure": "reopening", "due": week, "counts_at": week}
    fold = begun(START + 10 * DAY)
    fold.say(
        fact(1, **follow_up, outcome=Outcome.met, opener=b"held" * 4),
        stopped(2, START + DAY, Outcome.missed, **follow_up, opener=b"back" * 4),
        fact(3, measure="reopening", due=START + 11 * DAY, opener=b"open" * 4),
        stopped(4, START + DAY, Outcome.missed, measure="reopening", counts_at=START + 11 * DAY, opener=b"wait" * 4),
    )
    assert fold.value("reopening_share_ratio", "legal") == 0.5
    assert fold.n("reopening_share_ratio", "legal") == 2, "two are not decided yet"


def test_a_share_of_waiting_that_stands_still_belongs_to_what_runs() -> None:
    """The case waits for its provider now, since 09:00 of Tuesday; for the requester it waited two hours."""
    fold = begun(START + DAY + 10 * HOUR)
    share: dict[str, Any] = {"department": "pay", "level": 1}
    fold.say(
        fact(1, **share, measure="waiting_requester", outcome=Outcome.paused, calendar="", business_us=2 * HOUR),
        fact(1, **share, measure="waiting_provider", since=START + DAY + 9 * HOUR, calendar="pay", business_us=HOUR),
        stopped(1, START + DAY, Outcome.done, **share, case_id="desk/C2", measure="waiting_provider", business_us=HOUR),
    )
    assert fold.value("waiting_requester_seconds", "pay", "1h") == 2 * 3600
    assert fold.value("waiting_provider_seconds", "pay", "1h") == 2 * 3600
    assert fold.value("waiting_provider_seconds", "pay", "24h") == 3 * 3600


def test_what_was_cancelled_counts_nowhere() -> None:
    fold = begun()
    fold.say(stopped(1, START + DAY, Outcome.cancelled))
    assert {v.n for v in fold.values().values()} == {0}


def test_cases_are_counted_once() -> None:
    fold = begun()
    back: dict[str, Any] = {"measure": "ping_pong", "outcome": Outcome.done}
    fold.say(
        stopped(1, START + DAY, **back),
        stopped(2, START + 2 * DAY, **back, opener=b"twice" * 3 + b"."),
        stopped(3, START + 2 * DAY, **back, case_id="desk/C2"),
    )
    assert fold.value("ping_pong_facts", "legal") == 3
    assert fold.value("ping_pong_cases", "legal") == 2


# -- departments and pairs in the tree


def at_every_level(department: str, counterpart: str) -> list[Fact]:
    return [
        clock
        for level in range(3)
        for clock in five(level=level, department=PATHS[department][level], counterpart=PATHS[counterpart][level])
    ]


def test_a_department_is_shown_at_its_own_depth_and_a_pair_at_that_of_its_deeper_side() -> None:
    fold = begun()
    fold.say(*at_every_level("it", "hr"), *at_every_level("legal", "it"))
    running = {
        (department, counterpart): v.n
        for (name, department, counterpart, window), v in fold.values().items()
        if (name, window) == ("first_response_running_facts", "")
    }
    assert running == {
        ("ops", ""): 5,  # both are its own: the facts of legal and it at level 0 are one fact here, of each case
        ("tech", ""): 5,
        ("it", ""): 5,
        ("legal", ""): 5,
        ("ops", "people"): 5,
        ("tech", "hr"): 5,
        ("it", "hr"): 5,
        ("legal", "tech"): 5,
        ("legal", "it"): 5,
    }


def test_who_asks_itself_is_no_pair() -> None:
    fold = begun()
    fold.say(fact(1, counterpart="legal"), fact(2, counterpart="", case_id="desk/C2"))
    assert {counterpart for _, _, counterpart, _ in fold.values()} == {""}
    assert fold.n("first_response_running_facts", "legal") == 2


# -- what is kept, and for how long


def rows(fold: Fold) -> int:
    return len(facts_among(fold.state))


def later(fold: Fold, as_of: int) -> None:
    """What can go goes with the batch after the one that brought the watermark."""
    fold.say(mark(as_of))
    fold.say(mark(as_of))


def test_what_no_window_can_reach_any_more_is_let_go() -> None:
    fold = begun(START)
    fold.say(stopped(1, START))
    later(fold, START + 28 * DAY - 1)
    assert fold.n("first_response_facts", "legal") == 1
    later(fold, START + 30 * DAY)
    assert rows(fold) == 0


def test_what_runs_is_never_let_go() -> None:
    fold = begun(START)
    fold.say(
        fact(1, opener=b"runs" * 4),
        fact(1, opener=b"rest" * 4, outcome=Outcome.paused, calendar=""),
        fact(1, opener=b"late" * 4, outcome=Outcome.missed, due=START + DAY, counts_at=START + DAY),
    )
    later(fold, START + 400 * DAY)
    assert rows(fold) == 3
    assert fold.n("first_response_running_facts", "legal") == 3


def test_a_promise_that_held_is_let_go_like_others() -> None:
    fold = begun(START)
    fold.say(fact(1, measure="reopening", outcome=Outcome.met, due=START + 7 * DAY, counts_at=START + 7 * DAY))
    later(fold, START + 34 * DAY)
    assert rows(fold) == 1
    later(fold, START + 37 * DAY)
    assert rows(fold) == 0


@pytest.mark.parametrize("before", [True, False])
def test_a_retraction_is_kept_as_long_as_a_fact(before: bool) -> None:
    """Also one from before the first watermark: its time begins with that."""
    fold = Fold() if before else begun(START)
    fold.say(fact(2, outcome=Outcome.retracted))
    if before:
        fold.say(CONFIG, mark(START))
    for days in (5, 27):
        later(fold, START + days * DAY)
        fold.restart()
        fold.say(fact(1))
        assert fold.n("first_response_running_facts", "legal") < 1, "an older version came back"
    later(fold, START + 31 * DAY)
    assert rows(fold) == 0


def test_an_overdue_clock_is_kept_from_its_stop_on() -> None:
    """It was due two months before it stopped; forgotten at once, an older version would run for ever."""
    fold = begun(START + 60 * DAY)
    fold.say(fact(1, outcome=Outcome.missed, due=START, counts_at=START))
    fold.say(stopped(2, START + 60 * DAY, Outcome.missed, due=START, counts_at=START))
    later(fold, START + 80 * DAY)
    fold.say(fact(1, outcome=Outcome.missed, due=START, counts_at=START))
    assert fold.n("first_response_running_facts", "legal") == 0
    later(fold, START + 90 * DAY)
    assert rows(fold) == 0


def test_a_fact_whose_end_is_corrected_is_kept_for_its_new_end_and_not_for_ever() -> None:
    for first, second in ((START, START + 20 * DAY), (START + 20 * DAY, START)):
        fold = begun(START + 21 * DAY)
        fold.say(stopped(1, first))
        fold.say(stopped(2, second))
        later(fold, START + 31 * DAY)
        assert rows(fold) >= (second > first)
        later(fold, START + 60 * DAY)
        assert rows(fold) == len(fold.departments.shelves) == 0


def test_a_crash_finds_nothing_gone_that_the_stored_as_of_can_reach() -> None:
    """The rows of a batch are written before its own row: whatever came of them, the old ``as_of`` must find its facts."""
    fold = begun(START)
    fold.say(stopped(1, START))
    before = fold.values()
    raw = [(fold.offset + i, encode(mark(START + i * 40 * DAY))) for i in range(1, 4)]
    changes = fold.departments.batch(keyed(raw)).changes
    del changes[META]
    fold.store(changes)
    fold.restart()
    assert fold.values() == before


# -- all of it against the definition


def histories_of_facts(rnd: random.Random, many: int) -> list[bytes]:
    """What ``cases`` might say in two months about ``many`` facts at every level, with its marks, and some of it again."""
    said: list[tuple[int, int, dict[str, Any]]] = []
    openers = [rnd.randbytes(16) for _ in range(many // 4)]  # one event opens facts of several measures
    measures = rnd.choice((MEASURES, MEASURES[:1]))  # of one, pairs have enough to be told
    for number in range(many):
        measure = rnd.choice(measures)
        subject = {"case_id": f"desk/C{rnd.randrange(many // 5)}", "measure": measure, "opener": rnd.choice(openers)}
        for at, department, counterpart, fields in life(rnd, measure):
            said.append((at, number, subject | {"department": department, "counterpart": counterpart, **fields}))
    said = sorted((s for s in said if s[0] < START + 58 * DAY), key=lambda s: s[:2])
    records: list[FactRecord | Fact] = [CONFIG]
    facts: list[tuple[int, Fact]] = []
    until = START
    for version, (at, _, fields) in enumerate(said):
        if at > until + 6 * HOUR * rnd.random():
            until = at - rnd.randrange(HOUR)
            records += [mark(until - rnd.choice((0, DAY)), partition=p) for p in rnd.sample((0, 1), 2)]
        for level in range(3):
            there = {key: PATHS[fields[key]][level] for key in ("department", "counterpart")}
            new = Fact(version=version, level=level, **(fields | there))
            facts.append((at, new))
            records.append(new)
        while rnd.random() < 0.1:  # said again after a crash
            again, old = rnd.choice(facts[-60:])
            if at - again < 2 * DAY:
                records.append(old)
    for i in range(0, len(records) - 5, 5):  # and not quite in order
        if rnd.random() < 0.3:
            records[i : i + 5] = rnd.sample(records[i : i + 5], 5)
    return [encode(r) for r in (*records, mark(until + DAY), mark(until + DAY, partition=1))]


def life(rnd: random.Random, measure: str) -> Iterable[tuple[int, str, str, dict[str, Any]]]:
    """(when it is said, department, counterpart, the rest) of one clock: it runs, moves, stands, stops, is taken back."""
    department, counterpart = rnd.choice(("it", "legal", "hr", "pay", "_unowned")), rnd.choice(("it", "hr", "pay", ""))
    at = start = START + rnd.randrange(55 * 24 * 12) * 5 * MINUTE
    due = None if measure in ("silence", "ping_pong", "waiting_requester") else start + rnd.randrange(1, 10 * 24) * HOUR
    base: dict[str, Any] = {"start": start, "due": due}
    worked = 0
    while rnd.random() < 0.5:
        on = rnd.random() < 0.8
        outcome = Outcome.running if on else Outcome.paused
        yield at, department, counterpart, {
            **base, "since": at, "calendar": department if on else "", "business_us": worked, "outcome": outcome,
        }  # fmt: skip
        if rnd.random() < 0.2:
            yield at, department, counterpart, {"outcome": Outcome.retracted}
            department = rnd.choice(("it", "legal", "hr"))
        at += rnd.randrange(3 * 24) * HOUR
        worked += rnd.randrange(8) * HOUR + rnd.choice((0, 1))
    if measure == "reopening" and due is not None:
        at = max(at, due)
        if rnd.random() < 0.5:
            yield (
                at,
                department,
                counterpart,
                {**base, "calendar": department, "outcome": Outcome.met, "counts_at": due},
            )
            return
    elif due is not None and at >= due and rnd.random() < 0.7:
        yield at, department, counterpart, {
            **base, "since": at, "calendar": department, "business_us": worked, "outcome": Outcome.missed, "counts_at": due,
        }  # fmt: skip
        if rnd.random() < 0.3:
            return  # nobody ever stops it
        at += rnd.randrange(40 * 24) * HOUR
    elif rnd.random() < 0.1:
        return
    outcome = Outcome.done if due is None else Outcome.met if at <= due else Outcome.missed
    if rnd.random() < 0.1:
        outcome = Outcome.cancelled
    counts_at = at if due is None or outcome is Outcome.cancelled else min(at, due)
    said = at + (rnd.random() < 0.1) * rnd.randrange(5 * 24) * HOUR  # late
    yield said, department, counterpart, {
        **base, "stop": at, "since": at, "business_us": worked, "outcome": outcome, "counts_at": counts_at,
    }  # fmt: skip
    if rnd.random() < 0.1:
        yield said + rnd.randrange(DAY), department, counterpart, {"outcome": Outcome.retracted}


def by_definition(
    records: Sequence[bytes], partitions: int, config: Configuration
) -> tuple[int, dict[Key, tuple[Any, int]]]:
    """``as_of``, and value and n of whatever has an n, from everything that was ever said."""
    facts: dict[str, Fact] = {}
    marks = dict.fromkeys(range(partitions), NEVER)
    for fact in facts_in(records):
        keep(facts, fact)
    for record in map(decode, records):
        if isinstance(record, WatermarkPassed):
            marks[record.partition] = max(marks[record.partition], record.until)
    as_of = min(marks.values())
    found: dict[Key, tuple[Any, int]] = {}
    if as_of == NEVER:
        return as_of, found
    standing = [f for f in facts.values() if f.outcome != "retracted"]
    who = {(f.department, c) for f in standing for c in ("", f.counterpart) if c != f.department}
    for indicator in INDICATORS:
        for department, counterpart in sorted(who):
            if counterpart and not indicator.pairs:
                continue
            level = max(DEPTH[department], DEPTH[counterpart] if counterpart else 0)
            of = [f for f in standing if (f.department, f.level) == (department, level)]
            mine = [f for f in of if f.measure == indicator.measure and counterpart in ("", f.counterpart)]
            others = [f for f in of if f.measure == indicator.among]
            windows = {"": 0} if indicator.aggregation is Aggregation.running else WINDOWS
            for window, length in windows.items():
                since = as_of - as_of % (5 * MINUTE) - length
                answer = answered(indicator.aggregation, indicator.outcome, mine, others, since, as_of, config)
                if answer[1]:
                    found[indicator.name, department, counterpart, window] = answer
    hidden = untold(found)
    return as_of, {key: answer for key, answer in found.items() if key not in hidden}


Pair = tuple[str, str]


def untold(found: Mapping[Key, tuple[Any, int]]) -> set[Key]:
    """Of the pairs of an indicator and window: those under five, and round by round the smallest of each sum."""
    hidden: set[Key] = set()
    for indicator, window in {(key[0], key[3]) for key in found}:
        cells = {
            (key[1], key[2]): n for key, (_, n) in found.items() if (key[0], key[3]) == (indicator, window) and key[2]
        }
        gone: set[Pair] = set()
        more = {pair for pair, n in cells.items() if n < 5}
        while more - gone:
            gone |= more
            more = {pair for whole, parts in sums(cells).items() for pair in hides(parts, cells, gone, whole in gone)}
        hidden |= {(indicator, *pair, window) for pair in gone}
    return hidden


def sums(cells: Mapping[Pair, int]) -> dict[Any, list[Pair]]:
    found: dict[Any, list[Pair]] = {}
    for pair in cells:
        level = max(DEPTH[one] for one in pair)
        whole = (up(pair[0], level), up(pair[1], level)) if level else None
        for each in (("for", pair[0], level), ("from", pair[1], level), *([whole] if whole in cells else [])):
            found.setdefault(each, []).append(pair)
    return found


def hides(parts: Sequence[Pair], cells: Mapping[Pair, int], gone: set[Pair], whole: bool) -> list[Pair]:
    in_order = sorted(parts, key=lambda pair: (pair not in gone, cells[pair], pair))
    first = sum(pair in gone for pair in parts)
    for many in range(first, len(parts)) if first and not whole else ():
        if many > 1 and sum(cells[pair] for pair in in_order[:many]) >= 5:
            return in_order[:many]
    return in_order if first or whole else []


def up(department: str, level: int) -> str:
    """One level higher."""
    return (PATHS | {"tech": ("ops", "tech", "tech")}).get(department, (department,) * 3)[level - 1]


def answered(
    how: Aggregation,
    outcome: str,
    facts: Sequence[Fact],
    others: Sequence[Fact],
    since: int,
    as_of: int,
    config: Configuration,
) -> tuple[Any, int]:
    inside, beside = (
        [
            f
            for f in some
            if f.outcome in ("met", "missed", "excused", "done")
            and f.counts_at is not None
            and since < f.counts_at <= as_of
        ]
        for some in (facts, others)
    )
    waiting = [
        f
        for f in facts
        if f.outcome in ("running", "paused") or (f.outcome in ("missed", "excused") and f.stop is None)
    ]
    ended = [f.business_us for f in inside if f not in waiting]
    so_far = [
        f.business_us + (config.calendar(f.calendar).worked(f.since, as_of) if f.calendar else 0) for f in waiting
    ]
    counts = {o: sum(f.outcome == o for f in inside) for o in ("met", "missed", "excused", "done")}
    match how:
        case Aggregation.attainment:
            n = counts["met"] + counts["missed"]
            return (counts["met"] / n if n else None), n
        case Aggregation.share:
            n = len(inside) + len(beside)
            return (counts[outcome] / n if n else None), n
        case Aggregation.share_of_time:
            of = [f.business_us for f in inside if f not in waiting and f.outcome == outcome]
            return (sum(of) / sum(ended), len(ended)) if sum(ended) else (None, 0)
        case Aggregation.count:
            return float(len(inside)), len(inside)
        case Aggregation.cases:
            n = len({f.case_id for f in inside})
            return float(n), n
        case Aggregation.running:
            return float(len(waiting)), len(waiting)
        case Aggregation.total:
            return (sum(ended) + sum(so_far)) / SECOND, len(ended) + len(so_far)
        case Aggregation.p50 | Aggregation.p90:
            return quantile(ended, so_far, Fraction(1, 2) if how is Aggregation.p50 else Fraction(1, 10))


def quantile(ended: Sequence[int], censored: Sequence[int], target: Fraction) -> tuple[Any, int]:
    everybody = [*ended, *censored]
    survival = Fraction(1)
    for d in sorted(set(ended)):
        survival *= 1 - Fraction(ended.count(d), sum(x >= d for x in everybody))
        if survival <= target:
            return (d / SECOND, False), len(everybody)
    return (max(everybody, default=0) / SECOND, True), len(everybody)


def answers(departments: Departments) -> dict[Key, tuple[Any, int]]:
    """What is answered, and that whatever else is said is that there is nothing to say."""
    found: dict[Key, tuple[Any, int]] = {}
    for v in departments.indicators():
        assert (v.as_of, v.offset) == (departments.meta.as_of, departments.meta.offset)
        if v.n:
            value = (v.value, v.beyond) if "_p50_" in v.indicator or "_p90_" in v.indicator else v.value
            found[v.indicator, v.department, v.counterpart, v.window] = (value, v.n)
        else:
            assert v.value in (None, 0.0)
    return found


def said_to_the_end(log: Sequence[bytes], done: int) -> bool:
    """Not in the middle of what one record of a case led to: what is taken back there may go on in the next record."""
    if done == len(log):
        return True
    last, following = decode(log[done - 1]), decode(log[done])
    if not isinstance(last, Facts) or not isinstance(following, Facts):
        return True
    return (last.case_id, last.version) != (following.case_id, following.version)


def lives(rnd: random.Random, log: Sequence[bytes], partitions: int, config: Configuration, checks: int) -> Fold:
    """Fold the log in batches of any size, with workers that die in the middle of storing, and look at some of its states."""
    fold = Fold(partitions, {1: config})
    done = ahead = 0
    sizes = rnd.choice(((1, 7, 50), (20, 100), (400, 3000)))
    looks = {rnd.randrange(len(log)) for _ in range(checks)}
    while done < len(log):
        size = rnd.choice(sizes)
        batch = list(enumerate(log[max(done - rnd.choice((0, 0, 9)), 0) : done + size]))
        first = min(done + size, len(log)) - len(batch)
        changes = fold.departments.batch(keyed((first + i, raw) for i, raw in batch)).changes
        assert list(changes)[-1:] in ([META], []) or META not in changes, "the partition's own row is the last"
        if rnd.random() < 0.15:
            rows_first = [k for k in changes if k != META]
            fold.store({k: changes[k] for k in rnd.sample(rows_first, rnd.randrange(len(rows_first) + 1))})
            fold.restart()
            ahead = max(ahead, min(done + size, len(log)))  # some rows are: until then there is something in flight
            continue
        fold.store(changes)
        if rnd.random() < 0.1:
            fold.restart()
        before, done = done, min(done + size, len(log))
        if done >= ahead and said_to_the_end(log, done) and any(before <= look < done for look in looks):
            as_of, wanted = by_definition(log[:done], partitions, config)
            assert fold.as_of == as_of
            assert answers(fold.departments) == wanted
    return fold


def test_indicators_are_those_of_all_facts_ever_said(
    sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    let_go = compared = pairs = 0
    seeds = sample(300, 12)
    for seed in range(seeds):
        rnd = random.Random(seed)
        log = histories_of_facts(rnd, 150)
        fold = lives(rnd, log, 2, CONFIGURATIONS[1], 5)
        found = answers(fold.departments)
        assert (fold.as_of, found) == by_definition(log, 2, CONFIGURATIONS[1])
        compared += len(found)
        pairs += sum(bool(key[2]) for key in found)
        fold.restart()
        assert answers(fold.departments) == found
        held = {fact.fact_id for fact in facts_in(fold.state[k] for k in facts_among(fold.state))}
        said = {fact.fact_id for fact in facts_in(log)}
        assert held <= said
        let_go += len(said - held)
    assert let_go > 20 * seeds
    assert compared > 100 * seeds
    assert pairs > seeds
    tally("random histories of facts", seeds)


def test_indicators_of_real_cases_are_those_of_all_their_facts(
    sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    seeds, compared = sample(80, 4), 0
    for seed in range(seeds):
        rnd = random.Random(seed)
        events = sorted(history(rnd, 8, 25, structural=True), key=lambda x: (x.time, x.sequence, x.id))
        world = Overheard()
        world.log = [config_mark(1)]
        for event in events:
            world.log += [e.encode(event), watermark(int(event.time.timestamp()) * SECOND - SECOND)]
        world.log.append(watermark(int(events[-1].time.timestamp()) * SECOND + DAY))
        world.run((1, 40), crash=rnd)
        fold = lives(rnd, world.said, 1, CONFIGURATIONS[1], 5)
        compared += len(answers(fold.departments))
    assert compared > 50 * seeds
    tally("random histories of cases, down to their indicators", seeds)


# -- what it costs


def test_a_fact_in_the_horizon_costs_less_than_300_bytes() -> None:
    config = config_files.load(EXAMPLE).configuration
    start = e.decode(config_mark(1))
    records = [e.encode(start), *(e.encode(r) for r in simulate(1, 12))]
    outputs = Cases({}, 0, lambda _: config).batch(enumerate(records)).outputs
    said = [(n, o.key, o.value) for n, o in enumerate(outputs) if o.topic == "facts"]
    folded = Departments({}, 1, lambda _: config).batch(said).changes
    stored = msgspec.msgpack.encode(folded)
    gc.collect()
    tracemalloc.start()
    state = msgspec.msgpack.decode(stored, type=dict[bytes, bytes])
    departments = Departments(state, 1, lambda _: config)
    gc.collect()
    bytes_, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    facts = sum(1 for _ in facts_in(state[key] for key in facts_among(state)))
    assert facts > 30_000
    assert bytes_ / facts < 300
    assert departments.shelves


def test_no_record_ends_like_one_with_other_counterparts() -> None:
    shared = msgspec.msgpack.encode(("done", None, None, "desk/C1", "thanks", b"x", 1, None, 1, "", 0, 0, "", ""))[1:]
    names = ("", "it", "ⓢit", "①", "it①", "\U00012820")
    for depth in (1, 2, 3):
        levels, departments = tuple(range(depth)), ("hr",) * depth
        ends = {some: ending(some, levels, departments) for some in product(names, repeat=depth)}
        for some, end in ends.items():
            assert [other for other, longer in ends.items() if longer.endswith(end)] == [some]
            record = decode(beginning(1) + shared + end)
            assert isinstance(record, Facts)
            assert (record.counterparts, record.levels, record.departments) == (some, levels, departments)
