"""The fold ``cases``: its facts depend on the set of events, the configuration and the watermark, and on nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

import pytest
from histories import (
    CONFIGURATIONS,
    DAY,
    HOUR,
    MINUTE,
    START,
    World,
    config_mark,
    delivered,
    differences,
    envelope,
    expected,
    history,
    watermark,
)
from msgspec import Struct, defstruct

from ingest import event as e
from ingest.feedback import we_did, you_said
from streams.fold import format_of
from streams.history import TAIL, Segment
from streams.row import decode_row
from streams.successor import LIMIT_DAYS
from streams.timeline import microseconds

END = START + 60 * DAY  # long enough that cases become stubs


def arrangement(rnd: random.Random, events: list[e.CaseEvent], versions: int) -> list[bytes]:
    """The events in some order, some twice, with marks between them, as one log. Its end says all."""
    records = delivered(rnd, events)
    marks = sorted(START + rnd.randrange(-DAY, rnd.choice((20, 59)) * DAY) for _ in range(rnd.randrange(12)))
    if rnd.random() < 0.4:  # the log's own time
        marks = []
        kept: list[bytes] = []
        for record in records:
            kept.append(record)
            if rnd.random() < 0.3:
                kept.append(watermark(int(e.decode(record).time.timestamp()) * 1_000_000 - rnd.randrange(2) * MINUTE))
        records = kept
    for until in marks:
        records.insert(rnd.randrange(len(records) + 1), watermark(until))
    for version in range(2, versions + 1):
        records.insert(rnd.randrange(last_chance(records) + 1), config_mark(version))
    return [config_mark(1), *records, watermark(END)]


def last_chance(records: list[bytes]) -> int:
    """Where a configuration that changes March may still come: once all is known for longer than a change may reach back, it is
    refused.
    """
    beyond = START + LIMIT_DAYS * DAY
    late = (
        n
        for n, record in enumerate(map(e.decode, records))
        if isinstance(record, e.Watermark) and microseconds(record.data.until) > beyond
    )
    return next(late, len(records))


def check(
    seed: int, *, structural: bool, arrangements: int, crash: bool = False, more: Mapping[str, int] | None = None
) -> int:
    """One random history in several arrangements; the number of them."""
    rnd = random.Random(seed)
    cases = rnd.choice((1, 1, 2, 4))
    length = rnd.choice((3, 8, 20, 40) if structural else (3, 8, 20, 45, 120))
    events = history(rnd, cases, length, structural=structural, more=more)
    versions = rnd.choice((1, 2, 3))
    wanted = expected(events, CONFIGURATIONS[versions], END)
    for number in range(arrangements):
        rnd = random.Random(f"{seed}/{number}")
        world = World()
        world.log = arrangement(rnd, events, versions)
        sizes = rnd.choice(((1,), (2, 5), (7,), (30, 1), (1000,)))
        world.run(sizes, crash=rnd if crash else None)
        wrong = differences(world.facts(), wanted)
        assert not wrong, f"seed {seed}, arrangement {number}:\n" + "\n".join(wrong[:5])
    return arrangements


def test_order_duplicates_and_batches_do_not_change_where_facts_end(
    sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    histories, arrangements = sample(200, 25), sample(50, 4)
    for seed in range(histories):
        check(seed, structural=False, arrangements=arrangements)
    tally("arrangements of random histories", histories * arrangements)


def test_nor_do_merges_children_corrections_and_exclusions(
    sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    histories = sample(1000, 40)
    for seed in range(1000, 1000 + histories):
        check(seed, structural=True, arrangements=2)
    tally("arrangements with merges, children, corrections and exclusions", 2 * histories)


def test_nor_do_crashes_between_any_two_effects(
    sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    histories = sample(1000, 40)
    for seed in range(5000, 5000 + histories):
        check(seed, structural=seed % 3 > 0, arrangements=2, crash=True)
    tally("arrangements with crashes", 2 * histories)


def test_nor_do_thanks_courtesies_and_suggestions(
    sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    """With much coming to and fro, and nobody at work in between."""
    histories = sample(1000, 40)
    often = {"solved": 30, "reopened": 30, "thanked": 15, "you_said": 3, "we_did": 3}
    for seed in range(9000, 9000 + histories):
        check(seed, structural=seed % 3 > 1, arrangements=2, more=often)
    tally("arrangements with thanks and suggestions", 2 * histories)


def test_a_late_note_takes_a_courtesy_back_wherever_a_segment_ends() -> None:
    """Solved, reopened to say thank you, and solved again; later it is told that somebody had worked on it in between."""
    nine, human = START + 9 * HOUR, e.Actor.provider_human
    created = e.Created(**envelope("C1", nine, "created"), data=e.CreatedData(requester_group="hr-1"))
    routed = e.Routed(**envelope("C1", nine, "routed", 1), data=e.RoutedData(group="it-1"))
    solved = e.Solved(**envelope("C1", nine + HOUR, "solved", actor=human))
    reopened = e.Reopened(**envelope("C1", nine + 2 * HOUR, "reopened"))
    again = e.Solved(**envelope("C1", nine + 2 * HOUR + 30 * MINUTE, "again", actor=human))
    late = e.Noted(**envelope("C1", nine + 2 * HOUR + 10 * MINUTE, "late", actor=human))
    for before in range(TAIL - 8, TAIL):
        bots = [*range(before), *range(150, 150 + TAIL)]
        talk = [e.BotReplied(**envelope("C1", nine + (n + 2) * MINUTE // 2, f"bot {n}")) for n in bots]
        events: list[e.CaseEvent] = [created, routed, *talk[:before], solved, reopened, again, *talk[before:]]
        world = World()
        world.log = [config_mark(1), *map(e.encode, events), watermark(START + DAY), e.encode(late), watermark(END)]
        world.run((1,))
        wrong = differences(world.facts(), expected([*events, late], CONFIGURATIONS[1], END))
        assert not wrong, f"{before} before: {wrong[:3]}"


def test_a_stub_that_unfolds_in_the_batch_in_which_it_was_made_still_knows_its_moments() -> None:
    """Its segments are let go and written again before anything is carried out."""
    created = e.Created(**envelope("C1", START, "created"), data=e.CreatedData(requester_group="ops-1"))
    notes = [e.Noted(**envelope("C1", START + (n + 1) * MINUTE, f"note {n}")) for n in range(2 * TAIL)]
    reply = e.Replied(**envelope("C1", START + HOUR // 2, "reply"))
    solved = e.Solved(**envelope("C1", START + DAY, "solved"))
    events: list[e.CaseEvent] = [created, *notes, reply, solved]
    late = e.Noted(**envelope("C1", START + 2 * HOUR, "late"))
    first = [config_mark(1), *map(e.encode, events)]
    log = [*first, watermark(END), e.encode(late), *map(e.encode, events)]
    moments = []
    for sizes in ((1,), (len(first), 2, len(log))):
        world = World()
        world.log = list(log)
        world.run(sizes)
        row = decode_row(world.state["desk/C1"])
        moments.append(row.log.segments * TAIL + row.log.count)
        assert world.facts() == expected([*events, late], CONFIGURATIONS[1], END)
    assert moments == [2 * TAIL + 4] * 2


@pytest.mark.parametrize("told", [None, 14, 50])
def test_a_suggestion_that_is_over_for_long_becomes_a_stub_and_unfolds(told: int | None) -> None:
    """Told in time; too late, but before it is a stub; or never, and then after all."""
    at, week = e.instant(START), 7 * DAY
    said = you_said("desk", "S1", at, department="it-1", topic=e.Topic.empathy)
    done = [we_did("desk", "S1", e.instant(START + told * DAY))] if told is not None else []
    world = World()
    world.log = [config_mark(1), e.encode(said), *map(e.encode, done), watermark(START + 40 * DAY)]
    world.run((1,))
    assert not decode_row(world.state["desk/S1"]).stub, "what is over for less than 35 days may still change"
    after = [watermark(START + 120 * DAY)]
    world.log += after
    world.run((1,))
    assert decode_row(world.state["desk/S1"]).stub
    late = we_did("desk", "S1", e.instant(START + 13 * week))
    world.log += [e.encode(late), watermark(START + 130 * DAY)]
    world.run((1,))
    assert decode_row(world.state["desk/S1"]).stub, "again"
    assert world.facts() == expected([said, *done, late], CONFIGURATIONS[1], START + 130 * DAY)


def test_state_is_read_again_when_only_the_words_about_it_have_changed() -> None:
    def kept(words: str, start: int = 0) -> type[Struct]:
        return defstruct("Kept", [("start", int, start), ("by", Segment | None, None)], namespace={"__doc__": words})

    assert format_of(kept("When it began.")) == format_of(kept("When it had begun.\n\n        Indented."))
    assert format_of(kept("When it began.")) != format_of(kept("When it began.", start=1))
    assert format_of(defstruct("Kept", [("by", Segment | None, None)])) != format_of(kept("When it began."))
