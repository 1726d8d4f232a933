"""Clocks, to the microsecond: METRICS 2.7, and golden vectors G15 and G16 of its section 2.12 (G15 is a worked timeline of
``first_response``)."""

from __future__ import annotations

from fractions import Fraction

import pytest
from test_measures import MONDAY, configuration

from streams.clock import Clock, Context
from streams.configuration import Configuration
from streams.fact import Outcome
from streams.norm_entry import NormsFile
from streams.picture import facts
from streams.timeline import Case, microseconds

HOUR = 3_600_000_000
NINE = microseconds(MONDAY) + 9 * HOUR
FOREVER = NINE + 10_000 * HOUR


def context(now: int = NINE) -> Context:
    """Of departments that work from 09:00 to 17:00 UTC and promise a first response in 4 hours, resolution in 8."""
    return Context(configuration(), "desk/C1", now, 0)


def started(ctx: Context, norm: str = "first_response") -> Clock:
    return ctx.start(b"x" * 16, NINE, "it", "finance", norm)


@pytest.mark.parametrize(("late_by", "outcome"), [(0, Outcome.met), (1, Outcome.missed), (-1, Outcome.met)])
def test_elapsed_equal_to_the_target_is_met_and_one_microsecond_more_is_missed(late_by: int, outcome: Outcome) -> None:
    ctx = context()
    clock = started(ctx)
    ctx.end(clock, NINE + 4 * HOUR + late_by)
    assert clock.outcome(FOREVER)[0] is outcome
    assert clock.worked == 4 * HOUR + late_by


def test_what_is_overdue_is_missed_only_when_the_watermark_has_passed_it() -> None:
    ctx = context()
    clock = started(ctx)
    due = NINE + 4 * HOUR
    assert clock.outcome(due - 1) == (Outcome.running, None)
    assert clock.outcome(due) == (Outcome.missed, due)


def test_what_will_have_been_late_is_said_ahead_and_counts_when_it_is_due() -> None:
    ctx = context()
    clock = started(ctx)
    ctx.end(clock, NINE + 5 * HOUR)  # a later stop is known already
    due = NINE + 4 * HOUR
    assert clock.outcome(due - 1) == clock.outcome(due) == (Outcome.missed, due)


def test_of_what_is_decided_by_coming_due_it_is_known_when_it_runs_no_more() -> None:
    ctx = context()
    held = ctx.follow_up(b"solved", NINE, "it", "finance", Fraction(1))
    ctx.draw("reopening", held)
    due = held.due
    assert due is not None
    assert held.outcome(NINE) == (Outcome.met, due)
    (fact, *_) = facts(ctx.pictures)
    assert (fact.known_by(due - 1).outcome, fact.known_by(due - 1).counts_at) == (Outcome.running, None)
    assert fact.known_by(due) is fact
    ctx.end(held, due - 1)
    ctx.draw("reopening", held)
    (fact, *_) = facts(ctx.pictures)
    assert (fact.known_by(NINE).outcome, fact.counts_at) == (Outcome.missed, due)


def test_only_working_time_inside_a_pause_moves_the_due_instant() -> None:
    ctx = context()
    clock = started(ctx, "resolution")
    assert clock.due == NINE + 8 * HOUR
    ctx.pause(clock, NINE + 8 * HOUR - 1)
    ctx.resume(clock, NINE + 24 * HOUR, "it")  # the night, and one microsecond of the day
    assert clock.due == NINE + 24 * HOUR + 1


def test_a_pause_does_not_undo_what_was_overdue() -> None:
    ctx = context()
    clock = started(ctx)
    ctx.pause(clock, NINE + 6 * HOUR)
    assert clock.outcome(FOREVER) == (Outcome.missed, NINE + 4 * HOUR)
    ctx.resume(clock, NINE + 7 * HOUR, "it")
    assert clock.outcome(FOREVER) == (Outcome.missed, NINE + 4 * HOUR)


def test_a_paused_clock_has_no_due_instant_and_stands() -> None:
    ctx = context()
    clock = started(ctx)
    ctx.pause(clock, NINE + HOUR)
    assert clock.outcome(FOREVER) == (Outcome.paused, None)
    assert (clock.worked, clock.calendar) == (HOUR, "")


def test_a_case_that_ends_without_an_answer_cancels_the_clock_unless_it_was_overdue() -> None:
    ctx = context()
    in_time, late = started(ctx), started(ctx)
    ctx.cancel(in_time, NINE + 2 * HOUR)
    ctx.cancel(late, NINE + 6 * HOUR)
    assert in_time.outcome(FOREVER) == (Outcome.cancelled, NINE + 2 * HOUR)
    assert late.outcome(FOREVER) == (Outcome.missed, NINE + 4 * HOUR)


def test_a_clock_without_a_norm_is_done_when_it_stops() -> None:
    ctx = context()
    clock = started(ctx, "")
    assert clock.outcome(FOREVER) == (Outcome.running, None)
    ctx.end(clock, NINE + HOUR)
    assert clock.outcome(FOREVER) == (Outcome.done, NINE + HOUR)


def test_time_on_two_calendars_is_the_sum_of_its_parts() -> None:
    ctx = context()
    clock = started(ctx)
    ctx.change_calendar(clock, "legal", NINE + 7 * HOUR)
    ctx.end(clock, NINE + 26 * HOUR)
    assert clock.worked == 7 * HOUR + 3 * HOUR


# -- what nobody has to answer for


@pytest.mark.parametrize(("stop", "outcome"), [(3, Outcome.met), (6, Outcome.excused), (None, Outcome.excused)])
def test_what_is_missed_for_a_named_reason_is_excused_and_what_is_kept_is_kept(
    stop: int | None, outcome: Outcome
) -> None:
    files = configuration().files
    cut = {"name": "power cut", "since": "2026-03-02T10:00+00:00", "until": "2026-03-02T11:00+00:00"}
    excused = {"excused.yaml": NormsFile.model_validate({"exceptions": [cut]})}
    ctx = Context(Configuration(files.model_copy(update={"norms": {**files.norms, **excused}})), "desk/C1", FOREVER, 0)
    clock = started(ctx)
    if stop is not None:
        ctx.end(clock, NINE + stop * HOUR)
    ctx.draw("first_response", clock)
    (fact,) = facts(ctx.pictures)
    assert (fact.outcome, fact.runs) == (outcome, stop is None)
    assert fact.flags == ("power cut" if outcome is Outcome.excused else "")
    assert fact.counts_at == (NINE + 3 * HOUR if outcome is Outcome.met else NINE + 4 * HOUR)


# -- another service or priority while the clock runs


def of_class(priority: str, **entry: object) -> Context:
    """The same, of department ``it`` alone, which promises what ``entry`` says."""
    files = configuration().files
    norms = {"norms": [{"department": "it", "hours": {"mon-fri": "09:00-17:00"}, **entry}]}
    changed = files.model_copy(update={"norms": {"norms.yaml": NormsFile.model_validate(norms)}})
    ctx = Context(Configuration(changed), "desk/C1", NINE, 0)
    ctx.case = Case(priority=priority)
    return ctx


def becomes(ctx: Context, clock: Clock, priority: str, at: int) -> None:
    ctx.case = Case(priority=priority)
    ctx.judge_anew(clock, "first_response", at)


RULES = ["8bh", {"priority": "high", "target": "4bh"}, {"priority": "top", "target": "1bd"}]


@pytest.mark.parametrize(
    ("policy", "due"),
    [
        ("keep", NINE + 8 * HOUR),
        ("retroactive", NINE + 4 * HOUR),
        ("prorate", NINE + 5 * HOUR),  # a quarter is used: 3 of 4 hours are left
    ],
)
def test_a_change_of_priority_counts_as_the_norm_says(policy: str, due: int) -> None:
    ctx = of_class("", first_response=RULES, on_change=policy)
    clock = started(ctx)
    becomes(ctx, clock, "high", NINE + 2 * HOUR)
    assert clock.due == due


def test_a_rule_may_say_itself_what_a_change_does() -> None:
    ctx = of_class("", first_response=["8bh", {"priority": "high", "target": "4bh", "on_change": "keep"}])
    clock = started(ctx)
    becomes(ctx, clock, "high", NINE + 2 * HOUR)
    assert (clock.due, clock.norm) == (NINE + 8 * HOUR, "it/first_response")


def test_pauses_are_carried_into_another_unit() -> None:
    ctx = of_class("", first_response=RULES)
    clock = started(ctx)
    ctx.pause(clock, NINE + 2 * HOUR)
    ctx.resume(clock, NINE + 26 * HOUR, "it")  # a day later: a quarter of a day is used
    becomes(ctx, clock, "top", NINE + 28 * HOUR)
    assert clock.due == NINE + 32 * HOUR  # half of it is used by then, and half a day is left
