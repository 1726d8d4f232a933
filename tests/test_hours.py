"""Business time against vectors reckoned by hand, case by case. `test_hours_searched.py` searches for what nobody thought of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from streams.hours import ALWAYS, US, Calendar, NeverOpen, Schedule, Span, due_after, due_instant, elapsed
from streams.target import HOUR, Days, Hours, RoundTheClock, Target, parse_amount, parse_target

MINUTE = 60 * US
DAY = 24 * HOUR
GOLDEN: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "golden" / "business_time.yaml").read_text(encoding="utf-8")
)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NINE_TO_FIVE = ((Span(540, 1020),),) * 5 + ((), ())
CLOSED_WEEK: tuple[tuple[Span, ...], ...] = ((),) * 7


def instant(text: str, zone: str = "UTC") -> int:
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def simple(zone: str = "UTC", *spans: Span) -> Calendar:
    return Calendar([(None, Schedule(zone, (spans,) * 7))])


# -- the golden vectors


def spans_of(text: str) -> tuple[Span, ...]:
    """``09:00-17:00, 22:00-01:00`` or ``closed``."""
    if text == "closed":
        return ()
    edges = [[int(edge[:2]) * 60 + int(edge[3:]) for edge in part.strip().split("-")] for part in text.split(",")]
    return tuple(Span(start, end if start < end else end + 1440) for start, end in edges)


def schedule_of(version: dict[str, Any]) -> Schedule:
    week: list[tuple[Span, ...]] = [()] * 7
    for names, hours in version.get("hours", {}).items():
        first, _, last = names.partition("-")
        for day in range(WEEKDAYS.index(first), WEEKDAYS.index(last or first) + 1):
            week[day] = spans_of(hours)
    days = {day: spans_of(hours) for day, hours in version.get("days", {}).items()}
    return Schedule(
        version["zone"], tuple(week), tuple(version.get("holidays", ())), days, always=version.get("always", False)
    )


def calendar_of(vector: dict[str, Any]) -> Calendar:
    zone = vector["calendar"][0]["zone"]
    return Calendar([(instant(v["since"], zone) if "since" in v else None, schedule_of(v)) for v in vector["calendar"]])


def duration(text: str) -> int:
    hours, minutes, seconds = map(int, text.split(":"))
    return hours * HOUR + minutes * MINUTE + seconds * US


def having(*keys: str) -> pytest.MarkDecorator:
    vectors = [vector for vector in GOLDEN if all(key in vector for key in keys)]
    return pytest.mark.parametrize("vector", vectors, ids=[vector["id"] for vector in vectors])


def at(vector: dict[str, Any], key: str) -> int:
    return instant(vector[key], vector["calendar"][0]["zone"])


def test_every_golden_vector_of_business_time_is_there() -> None:
    ids = {vector["id"].partition("-")[0] for vector in GOLDEN}
    assert ids == {f"G{n}" for n in (*range(1, 15), 16, 17)} | {"Zendesk"}


@having("to", "biz")
def test_open_time_is_as_reckoned_by_hand(vector: dict[str, Any]) -> None:
    assert calendar_of(vector).worked(at(vector, "from"), at(vector, "to")) == duration(vector["biz"])


@having("to", "cal")
def test_calendar_time_is_as_reckoned_by_hand(vector: dict[str, Any]) -> None:
    assert ALWAYS.worked(at(vector, "from"), at(vector, "to")) == duration(vector["cal"])


@having("to", "bd")
def test_business_days_are_as_reckoned_by_hand(vector: dict[str, Any]) -> None:
    assert calendar_of(vector).days(at(vector, "from"), at(vector, "to")) == Fraction(vector["bd"])


@having("minutes")
def test_minutes_round_to_what_the_vendor_prints(vector: dict[str, Any]) -> None:
    calendars = {"biz": calendar_of(vector), "cal": ALWAYS}
    for key, minutes in vector["minutes"].items():
        worked = calendars[key].worked(at(vector, "from"), at(vector, "to"))
        assert round(Fraction(worked, MINUTE)) == minutes


@having("due")
def test_targets_are_due_as_reckoned_by_hand(vector: dict[str, Any]) -> None:
    zone = vector["calendar"][0]["zone"]
    pauses = [(instant(p, zone), r and instant(r, zone)) for p, r in vector.get("pauses", [])]
    due = due_instant(calendar_of(vector), at(vector, "from"), parse_amount(vector["target"]), pauses)
    assert due == (vector["due"] and at(vector, "due"))


def test_a_microsecond_after_it_is_due_more_than_the_target_has_elapsed() -> None:
    vector = next(vector for vector in GOLDEN if vector["id"] == "G16")
    calendar, start, due = calendar_of(vector), at(vector, "from"), at(vector, "due")
    assert [elapsed(calendar, start, due + late, ()) - 4 * HOUR for late in (-1, 0, 1)] == [-1, 0, 1]


# -- the clock changes

BERLIN = "Europe/Berlin"  # 2024-03-31 has no 02:00–03:00, 2024-10-27 has it twice


def hours_on(day: str, *spans: Span) -> Fraction:
    calendar = simple(BERLIN, *spans)
    noon = instant(f"{day}T12:00", BERLIN)
    return Fraction(calendar.worked(noon - DAY // 2 - HOUR, noon), HOUR)


@pytest.mark.parametrize(
    ("span", "hours"),
    [
        (Span(60, 240), 2),  # 01–04, without 02–03
        (Span(150, 240), 1),  # starts at the jump to 03
        (Span(60, 150), 1),  # ends at the jump
        (Span(130, 170), 0),  # lies in the gap
    ],
)
def test_an_edge_that_the_clock_jumps_over_is_the_instant_of_the_jump(span: Span, hours: int) -> None:
    assert hours_on("2024-03-31", span) == hours


@pytest.mark.parametrize(
    ("spans", "hours"),
    [
        ((Span(60, 240),), Fraction(4)),  # 01–04 with 02–03 twice
        ((Span(0, 120),), Fraction(2)),  # ends when 02:00 is first shown
        ((Span(150, 240),), Fraction(5, 2)),  # from the first 02:30, 02:30–03 and 02–03 and 03–04
        ((Span(0, 150),), Fraction(5, 2)),  # until the first 02:30
        ((Span(130, 160),), Fraction(1, 2)),  # half an hour on the clock is half an hour, and once
        ((Span(0, 150), Span(150, 360)), Fraction(7)),  # what touches on the clock touches in time
        ((Span(0, 135), Span(165, 360)), Fraction(13, 2)),  # a break is taken once
    ],
)
def test_an_edge_that_the_clock_shows_twice_is_the_first(spans: tuple[Span, ...], hours: Fraction) -> None:
    assert hours_on("2024-10-27", *spans) == hours


def test_a_day_that_the_country_left_out_is_no_business_day() -> None:
    calendar = Calendar([(None, Schedule("Pacific/Apia", ((Span(540, 1020),),) * 7))])
    a, b = instant("2011-12-29T00:00", "Pacific/Apia"), instant("2012-01-01T00:00", "Pacific/Apia")
    assert calendar.worked(a, b) == 16 * HOUR
    assert calendar.days(a, b) == 2


def test_days_of_a_calendar_that_never_closes_are_local_days() -> None:
    calendar = Calendar([(None, Schedule(BERLIN, always=True))])
    start = instant("2024-03-30T00:00", BERLIN)
    assert calendar.due_days(start, Fraction(2)) == start + 47 * HOUR


# -- whose day a span belongs to


def test_an_overnight_span_is_closed_by_a_holiday_on_the_day_on_which_it_starts() -> None:
    calendar = Calendar([(None, Schedule(BERLIN, ((Span(1020, 1500),),) * 7, ("DE",)))])
    eve, night = instant("2024-04-30T17:00", BERLIN), instant("2024-05-01T01:00", BERLIN)
    assert calendar.worked(eve, night) == 8 * HOUR
    assert calendar.worked(night, instant("2024-05-02T17:00", BERLIN)) == 0


def test_a_special_day_overrides_the_holiday_on_it_and_the_week() -> None:
    days = {date(2024, 5, 1): (Span(600, 660),), date(2024, 5, 2): ()}
    calendar = Calendar([(None, Schedule(BERLIN, NINE_TO_FIVE, ("DE",), days))])
    assert list(calendar.intervals(instant("2024-05-01", BERLIN), instant("2024-05-03", BERLIN))) == [
        (instant("2024-05-01T10:00", BERLIN), instant("2024-05-01T11:00", BERLIN))
    ]


def test_spans_that_overlap_count_once_and_for_the_earlier_day() -> None:
    calendar = simple("UTC", Span(0, 120), Span(60, 180), Span(1320, 1500))
    midnight = instant("2024-05-02")
    assert calendar.worked(midnight, midnight + DAY) == 5 * HOUR
    assert calendar.days(midnight, midnight + HOUR) == Fraction(1, 5)  # of yesterday's 01–03 and 22–01
    assert calendar.days(midnight + HOUR, midnight + DAY) == Fraction(4, 5)


def test_spans_that_touch_are_one_interval_in_whatever_order_they_are_given() -> None:
    calendar = simple("UTC", Span(720, 1020), Span(540, 720), Span(1200, 1440), Span(0, 60))
    opens = [start for start, _ in calendar.intervals(instant("2024-05-02T03:00"), instant("2024-05-04"))]
    assert opens == [instant(f"2024-05-{day}:00") for day in ("02T09", "02T20", "03T09", "03T20")]


def test_a_holiday_observed_on_another_day_is_closed() -> None:
    calendar = Calendar([(None, Schedule("America/New_York", NINE_TO_FIVE, ("US-NY",)))])
    day = instant("2021-12-31T00:00", "America/New_York")  # New Year 2022 is a Saturday
    assert calendar.worked(day, day + DAY) == 0


# -- versions


def test_before_the_first_version_the_calendar_is_closed() -> None:
    since = instant("2024-05-01T12:00")
    calendar = Calendar([(since, Schedule("UTC", NINE_TO_FIVE))])
    assert calendar.worked(since - 100 * DAY, since) == 0
    assert calendar.next_open(0) == since


def test_the_parts_of_a_day_under_two_schedules_are_one_business_day() -> None:
    noon = instant("2024-05-02T12:00")
    calendar = Calendar([(None, Schedule("UTC", NINE_TO_FIVE)), (noon, Schedule("UTC", ((Span(720, 780),),) * 7))])
    assert calendar.days(noon - DAY // 2, noon) == Fraction(3, 4)
    assert calendar.days(noon - DAY // 2, noon + DAY // 2) == 1


# -- pauses


def test_pauses_may_overlap_touch_be_empty_or_backwards_and_come_in_any_order() -> None:
    def hour(n: int) -> int:
        return instant("2024-05-02") + n * HOUR

    pauses = [
        (hour(14), hour(15)),
        (hour(10), hour(12)),
        (hour(11), hour(13)),
        (hour(16), hour(16)),
        (hour(13), hour(14)),
    ]
    calendar = Calendar([(None, Schedule("UTC", NINE_TO_FIVE))])
    assert elapsed(calendar, hour(9), hour(17), pauses) == 3 * HOUR
    assert due_instant(calendar, hour(9), Hours(3 * HOUR), pauses) == hour(17)
    assert due_instant(calendar, hour(11), Hours(HOUR), [*pauses, (hour(15), None)]) is None
    assert elapsed(calendar, hour(9), hour(17), [(hour(10), None)]) == HOUR
    assert elapsed(calendar, hour(9), hour(17), [(hour(12), hour(10))]) == 8 * HOUR


def test_a_target_of_nothing_is_due_at_once() -> None:
    night = instant("2024-05-02T03:00")
    calendar = Calendar([(None, Schedule("UTC", NINE_TO_FIVE))])
    assert calendar.due(night, 0) == calendar.due_days(night, Fraction(0)) == night
    assert due_instant(calendar, night, Hours(0), [(night - 1, None)]) == night


def test_what_was_used_up_before_is_due_at_once() -> None:
    night = instant("2024-05-02T03:00")
    calendar = Calendar([(None, Schedule("UTC", NINE_TO_FIVE))])
    for target, consumed in ((Hours(HOUR), HOUR + 1), (Days(Fraction(2)), Fraction(2)), (RoundTheClock(5), 5)):
        assert due_after(calendar, night, target, consumed) == night


def test_calendar_time_runs_at_night_too() -> None:
    friday = instant("2024-05-03T16:00")
    calendar = Calendar([(None, Schedule("UTC", NINE_TO_FIVE))])
    assert (
        due_instant(calendar, friday, parse_amount("24h"), [(friday + HOUR, friday + 2 * HOUR)]) == friday + 25 * HOUR
    )


# -- what cannot be, and how far it goes


@pytest.mark.parametrize(
    "ask",
    [lambda calendar: calendar.due(0, 1), lambda calendar: calendar.due_days(0, Fraction(1))],
    ids=["due", "due_days"],
)
def test_nothing_is_ever_due_on_a_calendar_that_never_opens(ask: Callable[[Calendar], int]) -> None:
    with pytest.raises(NeverOpen, match="give it opening hours"):
        ask(Calendar([(None, Schedule("UTC", CLOSED_WEEK))]))


def test_a_calendar_that_closed_for_good_has_no_next_opening() -> None:
    closed = instant("2024-05-03T12:00")
    calendar = Calendar([(None, Schedule("UTC", NINE_TO_FIVE)), (closed, Schedule("UTC", CLOSED_WEEK))])
    assert calendar.next_open(closed - 1) == closed - 1
    assert calendar.next_open(closed) is None
    with pytest.raises(NeverOpen, match="from 2024-05-03 on"):
        calendar.due(closed - HOUR, HOUR + 1)


def test_a_target_may_be_longer_than_the_patience_with_a_closed_calendar() -> None:
    start, decades = instant("2024-05-03T12:00"), 50_000 * HOUR
    calendar = Calendar([(None, Schedule("UTC", NINE_TO_FIVE))])
    assert calendar.worked(start, calendar.due(start, decades)) == decades


def test_years_from_1970_to_2200_are_known_whatever_was_asked_first() -> None:
    late, early = instant("2200-06-02T12:00Z"), 0
    forwards, backwards = (Calendar([(None, Schedule(BERLIN, NINE_TO_FIVE))]) for _ in range(2))
    known = [forwards.cumulative(early), forwards.cumulative(late)]
    assert [backwards.cumulative(late), backwards.cumulative(early)] == known[::-1]
    assert forwards.due(early, forwards.worked(early, late)) == late
    assert forwards.days(early, late) == backwards.days(early, late)


def test_looking_at_one_year_tabulates_no_century() -> None:
    calendar = Calendar([(None, Schedule(BERLIN, NINE_TO_FIVE))])
    calendar.worked(instant("2024-05-01"), instant("2024-06-01"))
    assert calendar._years == range(2020, 2025)


@pytest.mark.parametrize("t", [instant("1900-01-01"), instant("2301-01-01"), 1 << 62, -(1 << 62)])
def test_an_instant_centuries_away_is_an_error(t: int) -> None:
    with pytest.raises(ValueError, match="known from 1901 to 2300"):
        Calendar([(None, Schedule("UTC", NINE_TO_FIVE))]).open_at(t)


@pytest.mark.parametrize(
    ("given", "mend"),
    [
        ({"zone": "Mars/Olympus", "week": NINE_TO_FIVE}, "write an IANA name"),
        ({"zone": "UTC", "week": NINE_TO_FIVE[:5]}, "a week has seven days"),
        ({"zone": "UTC", "week": ((Span(600, 600),),) * 7}, "it must start within the day"),
        ({"zone": "UTC", "week": ((Span(1440, 1500),),) * 7}, "it must start within the day"),
        ({"zone": "UTC", "week": ((Span(600, 2041),),) * 7}, "it must start within the day"),
        (
            {"zone": "UTC", "week": NINE_TO_FIVE, "days": {date(2024, 1, 2): (Span(-1, 5),)}},
            "must start within the day",
        ),
        ({"zone": "UTC", "week": NINE_TO_FIVE, "holidays": ("XX",)}, "unknown holidays 'XX'"),
        ({"zone": "UTC", "week": NINE_TO_FIVE, "holidays": ("DE-ZZ",)}, "DE-BY for a region"),
        ({"zone": "UTC", "always": True, "holidays": ("DE",)}, "give a week of 00:00-24:00 instead"),
    ],
)
def test_a_schedule_that_cannot_be_meant_says_what_to_write(given: dict[str, Any], mend: str) -> None:
    with pytest.raises(ValueError, match=mend):
        Schedule(**given)


def test_versions_must_be_given_and_ascend() -> None:
    schedule = Schedule("UTC", NINE_TO_FIVE)
    for versions in ([], [(5, schedule), (5, schedule)], [(5, schedule), (None, schedule)]):
        with pytest.raises(ValueError, match="give"):
            Calendar(versions)


def test_time_to_work_cannot_be_negative() -> None:
    with pytest.raises(ValueError, match="negative"):
        ALWAYS.due(0, -1)
    with pytest.raises(ValueError, match="negative"):
        ALWAYS.due_days(0, Fraction(-1))


def test_a_schedule_is_equal_by_content_and_can_be_a_key() -> None:
    one, two = (Schedule("UTC", NINE_TO_FIVE, (), {date(2024, 1, 2): ()}) for _ in range(2))
    assert one == two
    assert {one: 1}[two] == 1
    assert one != Schedule("UTC", NINE_TO_FIVE)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("4bh", Hours(4 * HOUR)),
        ("30bm", Hours(30 * MINUTE)),
        ("1.5 bh", Hours(90 * MINUTE)),
        ("2bd", Days(Fraction(2))),
        ("1.5bd", Days(Fraction(3, 2))),
        ("24h", RoundTheClock(24 * HOUR)),
        ("30m", RoundTheClock(30 * MINUTE)),
    ],
)
def test_targets_are_written_in_business_or_calendar_units(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize("text", ["", "4", "bh", "4 hours", "-4bh", "2d", "1e3bh", "4bh 30bm", "1/0bd", ".5bh", "٤bh"])
def test_what_is_no_target_is_told_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="write 4bh, 30bm or 2bd"):
        parse_target(text)


@pytest.mark.parametrize("text", ["0bh", "0.0bd", "0.0000000001bh"])
def test_a_target_is_above_zero_and_whole_in_microseconds(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        parse_target(text)
