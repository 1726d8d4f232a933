"""Batches of answers: who is in one, when it closes, and that nobody can solve what is released for what a person answered."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from adversary import MONDAY, SOURCE, WEEK, Shell, company, mark, numbered
from pydantic import BaseModel

from ingest import broker
from ingest import event as e
from ingest import settings as of_ingest
from ingest.feedback import answered, rated
from ingest.survey import BEST, Item, Question
from sinks import settings as of_sinks
from streams import settings as of_streams
from streams.configuration import Configuration
from streams.sealed import ENPS, PERSONS, Batch, Joined, Kind, decode, encode
from streams.sealed import Item as Sums
from streams.sealing import META, Sealing

Published = Mapping[int, Sequence[bytes]]
PARENTS = {"all": "", "ops": "all", "it": "ops", "cloud": "ops", "people": "all", "hr": "people", "pay": "people"}
GROUPS = {name.upper(): name for name in PARENTS} | {"HELPDESK": "it"}
COMPANY = company(1, PARENTS, GROUPS)
DICE = random.Random(1)


def answer(person: str, department: str = "IT", week: int = 0, **more: object) -> e.Answered:
    """In the week after so many."""
    written = {"wave": "spring", "items": {"empathy": 6}, **more}
    return answered(SOURCE, person, MONDAY + week * WEEK, department=department, **written)  # type: ignore[arg-type]


def rating(person: str, about: str = "IT", week: int = 0, **more: object) -> e.Rated:
    written = {"score": 4, "best": 5, "department": "HR", **more}
    return rated(SOURCE, person, MONDAY + week * WEEK, about=about, **written)  # type: ignore[arg-type]


def several(n: int, department: str = "IT", week: int = 0, first: int = 0, **more: object) -> list[e.Record]:
    return [answer(f"{department} {number}", department, week, **more) for number in range(first, first + n)]


def sealed(
    *weeks: Sequence[e.Record | bytes],
    configuration: Configuration | Sequence[Configuration] = COMPANY,
    until: int = 0,
) -> list[Batch]:
    """What is sealed when these are published, one week after the other, and ``until`` so many are over. A configuration for each
    week, or one for all.
    """
    versions = [configuration] * max(len(weeks), 1) if isinstance(configuration, Configuration) else configuration
    shell = Shell(lambda version: versions[min(version, len(versions)) - 1])
    shell.run(log(*weeks, until=until))
    return shell.sealed


def log(*weeks: Sequence[e.Record | bytes], until: int = 0) -> list[tuple[int, bytes]]:
    said = {}
    for week in range(1, max(len(weeks), until) + 1):
        at = MONDAY + week * WEEK
        records = [r if isinstance(r, bytes) else e.encode(r) for r in (weeks[week - 1] if week <= len(weeks) else ())]
        said[week] = [*records, e.encode(e.config_mark(week, at)), e.encode(mark(at, DICE))]
    return numbered(said)


def cells(batches: Sequence[Batch]) -> list[tuple[str, str, str, int]]:
    return sorted((b.department, b.site, b.about, b.persons) for b in batches)


# -- one batch


def test_five_persons_close_a_batch_and_four_do_not() -> None:
    assert sealed(several(4)) == []
    (batch,) = sealed([*several(4), answer("fifth", items={"empathy": 9})])
    assert (batch.kind, batch.wave, batch.department, batch.site, batch.about) == (Kind.answers, "spring", "it", "", "")
    assert (batch.persons, batch.items, batch.joined) == (5, {"empathy": Sums(5, 4 * 6 + 9, 1)}, Joined.cell)
    assert (e.instant(batch.closed), batch.week) == (MONDAY + WEEK, "2026-W10")
    assert decode(encode(batch)) == batch


def test_a_cell_closes_with_all_that_waits_and_not_with_five() -> None:
    assert cells(sealed(several(8))) == [("it", "", "", 8)]
    assert cells(sealed(several(4), several(4, first=4), several(5, first=8))) == [("it", "", "", 5), ("it", "", "", 8)]


def test_a_cell_waits_where_those_to_come_would_be_too_few_for_another_batch() -> None:
    twelve = company(1, PARENTS, GROUPS, heads={"it": 12})
    first, second = several(8), several(3, first=8)
    assert sealed(first, second, configuration=twelve, until=3) == []
    assert cells(sealed(first, second, configuration=twelve, until=4)) == [("it", "", "", 11)], "when the wave closes"
    assert cells(sealed(several(7), configuration=twelve)) == [("it", "", "", 7)], "five may come"
    assert cells(sealed(several(12), configuration=twelve)) == [("it", "", "", 12)], "nobody is to come"
    again = sealed(
        several(5), several(6, first=5), configuration=company(1, PARENTS, GROUPS, heads={"it": 13}), until=4
    )
    assert [batch.persons for batch in again] == [5, 6]
    assert [e.instant(batch.closed) for batch in again] == [MONDAY + WEEK, MONDAY + 4 * WEEK]


def test_a_batch_is_of_one_wave() -> None:
    """Pseudonyms are good for one: two answers in two waves may be of one person."""
    assert sealed([*several(3), *several(3, wave="summer", first=3)], until=9) == []
    assert sealed([rating(f"{n}", week=n % 2) for n in range(8)], until=9) == []
    assert [batch.wave for batch in sealed([rating(f"{n}") for n in range(5)])] == ["2026-W10"]


def test_each_item_has_five_persons_or_is_not_there() -> None:
    records = [*several(4, items={"empathy": 6, "enps": 10}), answer("fifth", items={"empathy": 1})]
    assert [*sealed(records)[0].items] == ["empathy"]
    assert [*sealed([*records, answer("sixth", items={"enps": 3})])[0].items] == ["empathy", "enps"]
    assert sealed([answer(f"{n}", items={f"item {n % 2}": 5}) for n in range(8)], until=9) == []


def test_sums_hold_what_indicators_need_and_no_more() -> None:
    scores = [0, 6, 7, 8, 9, 10]
    (batch,) = sealed([answer(f"{s}", items={"enps": s, "empathy": s}) for s in scores])
    assert batch.items == {"enps": Sums(6, promoters=2, detractors=2), "empathy": Sums(6, total=40, favourable=3)}
    assert Item.enps == ENPS
    likert = [Question(item=Item.empathy, worst=1, best=5).score(given) for given in range(1, 6)]
    assert [score >= 8 for score in likert] == [False, False, False, True, True]
    (of_five,) = sealed([rating(f"{score}", score=score) for score in range(6)])
    assert of_five.items == {"rating": Sums(6, total=30, favourable=2)}
    (good_or_bad,) = sealed([rating(f"{n}", score=n % 2, best=1) for n in range(7)])
    assert good_or_bad.items == {"rating": Sums(7, total=3 * BEST, favourable=3)}


def test_a_batch_of_four_can_neither_be_made_nor_written_nor_read() -> None:
    (batch,) = sealed(several(5))
    with pytest.raises(ValueError, match="fewer than 5 persons is never sealed"):
        msgspec.structs.replace(batch, persons=4)
    with pytest.raises(ValueError, match="fewer than 5 persons is never sealed"):
        Sums(4, total=3)
    forged = msgspec.msgpack.decode(encode(batch))
    forged[forged.index(5)] = 4
    with pytest.raises(msgspec.ValidationError, match="fewer than 5 persons is never sealed"):
        decode(msgspec.msgpack.encode(forged))


# -- leftovers


def test_leftovers_join_their_nearest_relatives_when_the_wave_closes() -> None:
    """Sites first, then departments under one parent, then what lies above; what is too little even at the top is never seen."""

    def at(site: str, n: int) -> list[e.Record]:
        return [answer(f"{site} {number}", "IT", site=site) for number in range(n)]

    assert sealed([*at("north", 3), *at("south", 2)], until=3) == []
    (joined,) = sealed([*at("north", 3), *at("south", 2)], until=4)
    assert (joined.department, joined.site, joined.persons, joined.joined) == ("it", "", 5, Joined.respondents)
    assert cells(sealed([*at("north", 6), *at("south", 4), *several(1, "CLOUD")], until=4)) == [
        ("it", "north", "", 6),
        ("ops", "", "", 5),
    ]
    assert cells(sealed([*several(4, "IT"), *several(3, "HR"), *several(2, "PAY")], until=4)) == [("people", "", "", 5)]
    assert cells(sealed([*several(4, "IT"), *several(3, "HR")], until=4)) == [("all", "", "", 7)]
    assert cells(sealed([*several(4, "IT"), *several(1, "NOBODY KNOWS")], until=4)) == [("", "", "", 5)]
    assert sealed([*several(2, "IT"), *several(2, "HR")], until=30) == []


def test_the_example_of_the_page() -> None:
    def week(north: int, south: int, hr: int, first: int) -> list[e.Record]:
        it = [
            (site, n) for site, several in (("north", north), ("south", south)) for n in range(first, first + several)
        ]
        records: list[e.Record] = [answer(f"{site} {n}", site=site, about="CLOUD") for site, n in it]
        return [*records, *several(hr, "HR", about="CLOUD", first=first)]

    batches = sealed(week(6, 3, 2, 0), week(2, 0, 1, 9), until=4)
    assert cells(batches) == [("it", "", "cloud", 5), ("it", "north", "cloud", 6)]
    assert sorted(batch.week for batch in batches) == ["2026-W10", "2026-W13"]


def test_leftovers_about_departments_of_one_parent_join_last() -> None:
    records = [*several(3, "HR", about="IT"), *several(2, "PAY", about="CLOUD"), *several(4, "HR", about="")]
    (joined,) = sealed(records, until=4)
    assert (joined.department, joined.about, joined.persons, joined.joined) == ("", "ops", 5, Joined.abouts)
    twice = [*several(3, "HR", about="IT"), *several(3, "HR", about="CLOUD")]
    assert sealed(twice, until=9) == [], "six answers of three persons"
    (both,) = sealed([*twice, *several(2, "HR", about="CLOUD", first=3)], until=4)
    assert (both.about, both.persons, both.items["empathy"].n) == ("cloud", 5, 5), "what is enough alone stays alone"


def test_the_tree_is_that_of_the_day_on_which_the_wave_closes() -> None:
    moved = company(2, PARENTS | {"it": "people"}, GROUPS)
    records = [*several(3, "IT"), *several(2, "HR")]
    versions = [COMPANY, COMPANY, COMPANY, moved]
    assert cells(sealed(records, until=4, configuration=versions)) == [("people", "", "", 5)]
    assert cells(sealed(records, until=4)) == [("all", "", "", 5)]


def test_a_wave_closes_after_three_weeks_or_when_the_company_file_says_and_takes_nothing_then() -> None:
    late = several(5, "HR", week=9)
    assert sealed(several(4), [], [], [], late, until=9) == []
    assert cells(sealed(several(4), [], [], late, until=9)) == [("hr", "", "", 5)]
    longer = company(1, PARENTS, GROUPS, waves=[{"wave": "spring", "closes": "2026-04-14"}])
    assert cells(sealed(several(4), [], [], [], late, configuration=longer, until=9)) == [("hr", "", "", 5)]
    assert sealed(several(4), *[[]] * 6, late, configuration=longer, until=9) == []
    other = [longer] * 3 + [company(4, PARENTS, GROUPS)] + [longer] * 9
    assert sealed(several(4), [], [], [], late, configuration=other, until=9) == [], "what has closed stays closed"


# -- what is not taken


def test_of_a_person_one_answer_counts() -> None:
    first, again = several(5), answer("IT 0", items={"empathy": 0})
    other_id = msgspec.structs.replace(again, id=e.event_id("hr", "forged"))
    assert sealed([*several(4), other_id, other_id]) == []
    assert sealed([*first, other_id, again])[0].items == {"empathy": Sums(5, 30, 0)}
    assert [batch.persons for batch in sealed(first, [other_id, *several(4, first=5)])] == [5], (
        "in a later week neither"
    )
    two_names = [answer(f"{n}", "HR", about=name) for n in range(3) for name in ("IT", "HELPDESK")]
    assert sealed(two_names, until=9) == [], "of one department"


def test_what_is_said_again_counts_once() -> None:
    """The store of answers says a publication again that was stopped, and then its mark under another id."""
    records = several(5)
    assert len(sealed([*records, *records], records)) == 1
    said = log(records)
    repeated = [*said, *((offset + len(said), record) for offset, record in said)]
    shell = Shell(lambda _: COMPANY)
    shell.run([*repeated[:-1], (repeated[-1][0], e.encode(mark(MONDAY + WEEK, DICE)))])
    assert len(shell.said) == 1


def test_a_week_ends_once() -> None:
    """Two batches of a cell in one week would be one to whoever reads them."""
    first, second = ([e.encode(record) for record in several(5, first=n)] for n in (0, 5))
    ends = [e.encode(mark(MONDAY + week * WEEK, DICE)) for week in (2, 2, 1, 2, 3)]
    shell = Shell(lambda _: COMPANY)
    shell.run([*enumerate([e.encode(e.config_mark(1, MONDAY)), *first, ends[0], *second, *ends[1:]])])
    assert [e.instant(batch.closed) for batch in shell.sealed] == [MONDAY + 2 * WEEK, MONDAY + 3 * WEEK]


def test_what_was_sealed_is_known_under_another_name_too() -> None:
    """The group that the answers are about belongs to another department when they are said again."""
    records = several(5, "HR", about="HELPDESK")
    moved = company(2, PARENTS, GROUPS | {"HELPDESK": "cloud"})
    assert cells(sealed(records, records, configuration=[COMPANY, moved], until=9)) == [("hr", "", "it", 5)]


def test_nothing_tells_whether_fewer_than_five_have_answered_or_none() -> None:
    others = several(6, "HR")
    silent, few = Shell(lambda _: COMPANY), Shell(lambda _: COMPANY)
    marks = [e.encode(mark(MONDAY + week * WEEK, DICE)) for week in range(1, 9)]
    for shell, records in (silent, others), (few, [*others, *several(4), *several(3, about="HR"), rating("x")]):
        shell.run(numbered({1: [e.encode(e.config_mark(1, MONDAY)), *map(e.encode, records), marks[0]], 2: marks[1:]}))
    assert silent.said == few.said != []


IMPOSSIBLE = {
    "no event": b"nothing",
    "a score over ten": e.encode(answer("x")).replace(b'"empathy":6', b'"empathy":11'),
    "no item": e.encode(answer("x", items={})),
    "better than best": e.encode(rating("x", score=6)),
    "out of nothing": e.encode(rating("x", score=0, best=0)),
    "no week": e.encode(rating("x")).replace(b'"week":"2026-W10"', b'"week":"soon"'),
    "another event": e.encode(e.watermark("desk", MONDAY + WEEK)),
    "a mark within a week": e.encode(mark(MONDAY + timedelta(days=3), DICE)),
}


@pytest.mark.parametrize("record", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_is_impossible_leaves_no_trace(record: bytes) -> None:
    shell = Shell(lambda _: COMPANY)
    shell.run(log(several(4)))
    before = dict(shell.state)
    effects = shell.fold.batch([(99, record)])
    assert effects.outputs == []
    assert effects.changes.keys() == {META}
    fresh = Sealing({**before, META: effects.changes[META] or b""}, lambda _: COMPANY, ())
    assert (fresh.waiting, fresh.waves) == (shell.fold.waiting, shell.fold.waves)


def test_about_a_department_that_nobody_knows_nothing_is_released_until_it_is_known() -> None:
    records = several(5, "HR", about="NEW")
    assert sealed(records, until=9) == []
    known = company(2, PARENTS, GROUPS | {"NEW": "cloud"})
    assert cells(sealed(records, until=9, configuration=[COMPANY, known])) == [("hr", "", "cloud", 5)]


def test_without_a_configuration_everything_waits() -> None:
    shell = Shell(lambda _: COMPANY)
    shell.run([(n, e.encode(record)) for n, record in enumerate([*several(5), mark(MONDAY + WEEK, DICE)])])
    assert shell.said == []
    shell.run([(9, e.encode(e.config_mark(1, MONDAY))), (10, e.encode(mark(MONDAY + 2 * WEEK, DICE)))])
    assert len(shell.said) == 1


def test_a_clock_that_was_years_ahead_ends_what_was_open_and_no_more() -> None:
    far = MONDAY + 900 * WEEK
    shell = Shell(lambda _: COMPANY)
    first = [e.config_mark(1, MONDAY), *several(3), *several(2, "HR"), mark(far, DICE), *several(9, wave="summer")]
    then = [mark(MONDAY + week * WEEK, DICE) for week in (1, 2)]
    shell.run([*enumerate(map(e.encode, [*first, *then]))])
    assert cells(shell.sealed) == [("all", "", "", 5), ("it", "", "", 9)]
    assert {e.instant(batch.closed) for batch in shell.sealed} == {MONDAY + WEEK}


# -- five is a constant


def seals_four(configuration: Configuration) -> bool:
    """Everything else that could hinder them is away."""
    return bool(sealed([*several(4), *[rating(f"{n}") for n in range(4)]], configuration=configuration, until=9))


@pytest.mark.parametrize("key", ["min_headcount", "k", "persons", "floor", "sealing"])
def test_no_key_of_the_company_file_lowers_the_five(key: str) -> None:
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        company(1, PARENTS, GROUPS, **{key: 1})


def test_no_number_in_the_company_file_lowers_the_five() -> None:
    waves = [{"wave": "spring", "closes": "2026-03-03"}]
    assert not seals_four(company(1, PARENTS, GROUPS, heads=dict.fromkeys(PARENTS, 1), waves=waves))
    assert not seals_four(company(1, PARENTS, GROUPS, heads=dict.fromkeys(PARENTS, 4), waves=waves))


def test_no_variable_of_the_environment_lowers_the_five() -> None:
    prefixes: dict[str, type[BaseModel]] = {
        broker.ENVIRONMENT: broker.BrokerSettings,
        of_ingest.ENVIRONMENT: of_ingest.IngestSettings,
        of_streams.ENVIRONMENT: of_streams.Settings,
        of_sinks.ENVIRONMENT: of_sinks.SinkSettings,
    }
    names = {f"{prefix}{name.upper()}" for prefix, model in prefixes.items() for name in model.model_fields}
    guesses = ["K", "PERSONS", "FLOOR", "MIN_HEADCOUNT", "SEALING_K", "SEALED_PERSONS", "MIN_PERSONS"]
    guesses += [f"{prefix}{guess}" for prefix in ["CROSSDESK_", *prefixes] for guess in guesses]
    program = "import test_sealing as t; from streams.sealed import PERSONS; print(PERSONS, t.seals_four(t.COMPANY))"
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(here.parent)])
    ones = {name: "1" for name in (*names, *guesses) if not name.endswith("TOPIC_PREFIX")}
    run = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": paths, **ones}, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["5", "False"]
    assert PERSONS == 5


# -- what is stored


def test_a_wave_of_which_a_batch_is_not_found_again_says_nothing_more() -> None:
    """Its answers are no longer in the log, so nobody can say which have been sealed."""
    shell = Shell(lambda _: COMPANY)
    weeks = log(several(6), several(4, first=6), several(3, first=10))
    shell.run(weeks[:-5])
    assert [batch.persons for batch in shell.sealed] == [6]
    without_one = [record for record in weeks if record[0] != 2]
    for kept in (weeks, without_one, weeks[7:]):
        shell.start(state=False)
        before = list(shell.said)
        shell.run(kept)
        assert [batch.persons for batch in shell.sealed] == ([6, 7] if kept is weeks else [6])
        shell.said = before


def test_answers_that_have_been_sealed_or_come_too_late_are_not_kept() -> None:
    shell = Shell(lambda _: COMPANY)
    shell.run(log([*several(5), *several(3, "HR")], until=3))
    assert len(shell.state) == 3 + 2, "of three answers, the wave, and what has been read"
    shell.run(log([*several(5), *several(3, "HR")], [], [], [], several(3, "PAY"), until=6))
    assert len(shell.state) == 2, "the wave has closed"


def test_the_state_names_no_pseudonym_not_even_while_answers_wait() -> None:
    shell = Shell(lambda _: COMPANY)
    waiting = [answer(f"HR {n}", "HR") for n in range(3)]
    shell.run(log([*several(5), *waiting]))
    stored = b"".join([*map(str.encode, shell.state), *shell.state.values()])
    assert b"empathy" in stored
    assert not any(one.data.person.encode() in stored for one in waiting)
    assert not any(one.id.encode() in stored for one in waiting)


def test_a_proof_cannot_be_tried_without_the_mark() -> None:
    """The same answers, sealed behind another mark."""
    assert sealed(several(5))[0].proof != sealed(several(5))[0].proof
    assert sealed(several(5))[0].id == sealed(several(5))[0].id
