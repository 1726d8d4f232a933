"""What departments have promised, and since when."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest
from pydantic import ValidationError

from streams.company import Company, CompanyFile
from streams.norm_entry import NormsFile
from streams.norms import Norms
from streams.opening import closure, days_of_week, times_of_day
from streams.target import HOUR, Days, Hours, RoundTheClock, Target

COMPANY = Company(
    CompanyFile.model_validate(
        {
            "organisation": "Northwind",
            "zone": "Europe/Berlin",
            "hours": {"mon-fri": "09:00-17:00"},
            "holidays": "DE-BY",
            "groups": [],
            "departments": [
                {"id": "it"},
                {"id": "tokyo", "zone": "Asia/Tokyo"},
                {"id": "operations"},
                {"id": "finance", "parent": "operations"},
                {"id": "payroll", "parent": "finance"},
            ],
        }
    )
)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


def norms(*entries: dict[str, Any]) -> Norms:
    return Norms(COMPANY, [NormsFile.model_validate({"norms": entries})])


def target(book: Norms, kind: str, department: str, counterpart: str = "", day: str = "2026-06-01") -> Target | None:
    norm = book.norm(kind, department, counterpart, at(day))
    return norm.target if norm else None


def day_of(book: Norms, department: str, day: str) -> float:
    """Open hours of a day of UTC."""
    return book.calendar(department).worked(at(day), at(day) + 24 * HOUR) / HOUR


def test_a_norm_has_a_target_of_its_kind_and_a_name_that_stays() -> None:
    book = norms(
        {"department": "it", "valid_from": "2026-01-01", "first_response": "4bh", "resolution": "3bd"},
        {"department": "finance", "next_response": "24h"},
    )
    assert target(book, "first_response", "it") == Hours(4 * HOUR)
    assert target(book, "resolution", "it") == Days(Fraction(3))
    assert target(book, "next_response", "finance") == RoundTheClock(24 * HOUR)
    assert target(book, "next_response", "it") is None
    assert target(book, "resolution", "nobody") is None
    first, later = book.norm("first_response", "it", "", at("2026-06-01")), book.norm("next_response", "finance", "", 0)
    assert (first and first.name, later and later.name) == ("it/first_response@2026-01-01", "finance/next_response")


def test_a_norm_holds_from_midnight_in_the_zone_of_its_department() -> None:
    book = norms({"department": "tokyo", "valid_from": "2026-01-01", "resolution": "2bd"})
    midnight = at("2025-12-31T15:00")  # Tokyo is nine hours ahead
    assert book.norm("resolution", "tokyo", "", midnight - 1) is None
    assert book.norm("resolution", "tokyo", "", midnight) is not None


def test_a_new_version_replaces_the_whole_of_the_one_before() -> None:
    book = norms(
        {"department": "it", "valid_from": "2026-07-01", "resolution": "2bd"},
        {"department": "it", "first_response": "4bh", "resolution": "3bd"},
    )
    assert target(book, "resolution", "it", day="2026-06-30") == Days(Fraction(3))
    assert target(book, "resolution", "it", day="2026-07-01") == Days(Fraction(2))
    assert target(book, "first_response", "it", day="2026-07-01") is None


@pytest.mark.parametrize(
    ("giver", "hours"),
    [("finance", 2), ("payroll", 2), ("operations", 3), ("it", 4), ("_unmapped", 4), ("", 4)],
)
def test_acceptance_is_promised_to_the_giver_else_to_what_is_above_it_else_to_anybody(giver: str, hours: int) -> None:
    book = norms({"department": "it", "acceptance": {"*": "4bh", "operations": "3bh", "finance": "2bh"}})
    assert target(book, "acceptance", "it", giver) == Hours(hours * HOUR)


def test_one_value_for_acceptance_is_for_anybody_and_says_so_in_its_name() -> None:
    book = norms({"department": "it", "acceptance": "4bh"})
    norm = book.norm("acceptance", "it", "finance", 0)
    assert norm is not None
    assert (norm.name, norm.target) == ("it/acceptance/*", Hours(4 * HOUR))
    assert norms({"department": "it", "acceptance": {"finance": "2bh"}}).norm("acceptance", "it", "tokyo", 0) is None


def excusing(**exception: Any) -> Norms:
    file = {"norms": [{"department": "finance"}], "exceptions": [{"name": "power cut", **exception}]}
    return Norms(COMPANY, [NormsFile.model_validate(file)])


@pytest.mark.parametrize(
    ("since", "until", "excused"),
    [
        ("2026-06-01T08:00", "2026-06-01T10:00", ""),
        ("2026-06-01T08:00", "2026-06-01T10:01", "power cut"),
        ("2026-06-01T11:59", "2026-06-01T18:00", "power cut"),
        ("2026-06-01T12:00", "2026-06-01T18:00", ""),
        ("2026-06-01T08:00", "2026-06-01T18:00", "power cut"),
    ],
)
def test_what_was_to_be_kept_while_an_exception_lasted_is_excused(since: str, until: str, excused: str) -> None:
    book = excusing(since="2026-06-01T12:00+02:00", until="2026-06-01T14:00+02:00")
    assert book.excused("it", at(since), at(until)) == excused


def test_an_exception_may_be_of_some_departments_and_all_below_them() -> None:
    book = excusing(since="2026-06-01", until="2026-06-02", departments=["finance"])
    noon, later = at("2026-06-01T10:00"), at("2026-06-01T11:00")
    assert [d for d in ("it", "operations", "finance", "payroll") if book.excused(d, noon, later)] == [
        "finance",
        "payroll",
    ]


def test_a_calendar_is_the_hours_of_the_versions_one_after_the_other() -> None:
    book = norms(
        {"department": "it", "valid_from": "2026-06-01", "hours": {"mon-sun": "08:00-12:00"}},
        {"department": "it", "valid_from": "2026-06-15", "hours": "always"},
    )
    assert day_of(book, "it", "2026-05-27") == 8  # a Wednesday under the organisation's hours
    assert day_of(book, "it", "2026-06-07") == 4  # a Sunday
    assert day_of(book, "it", "2026-06-17") == 24


def test_a_department_without_norms_keeps_the_organisations_hours_on_its_own_clock() -> None:
    book = norms()
    assert book.calendar("tokyo").open_at(at("2026-06-01T00:00"))  # 09:00 in Tokyo
    assert book.calendar("it").open_at(at("2026-06-01T07:00"))  # 09:00 in Berlin
    for unknown in ("", "_unowned", "_unmapped", "nobody"):
        assert book.calendar(unknown) is book.default


@pytest.mark.parametrize(
    ("more", "day", "hours"),
    [
        ({}, "2026-06-04", 0),  # Corpus Christi: a holiday in Bavaria, not in Berlin
        ({"holidays": "DE-BE"}, "2026-06-04", 8),
        ({"holidays": []}, "2026-06-04", 8),
        ({"holidays": ["DE-BE", "DE-BY"]}, "2026-06-04", 0),
        ({"closures": ["2026-06-08..2026-06-10"]}, "2026-06-10", 0),
        ({"closures": ["2026-06-08..2026-06-10"]}, "2026-06-11", 8),
        ({"closures": "2026-06-11"}, "2026-06-11", 0),
        ({"half_days": {"2026-06-11": "09:00-12:00"}}, "2026-06-11", 3),
    ],
)
def test_holidays_closures_and_half_days_change_single_days(more: dict[str, Any], day: str, hours: int) -> None:
    assert day_of(norms({"department": "it", **more}), "it", day) == hours


def test_days_and_times_are_written_as_people_write_them() -> None:
    assert days_of_week("mon-thu") == (0, 1, 2, 3)
    assert days_of_week("Fri, sat") == (4, 5)
    assert days_of_week("sat-mon") == (5, 6, 0)
    assert times_of_day("08:00-12:00, 13:00-17:30") == ((480, 720), (780, 1050))
    assert times_of_day("22:00-06:00") == ((1320, 1800),)
    assert times_of_day("00:00-24:00") == ((0, 1440),)
    assert times_of_day("closed") == ()
    assert [str(day) for day in closure("2026-12-31..2027-01-01")] == ["2026-12-31", "2027-01-01"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"hours": {"mon": "9-17"}},
        {"hours": {"mon": "09:00-09:00"}},
        {"hours": {"mon": "09:00-24:01"}},
        {"hours": {"mon": "09:60-17:00"}},
        {"hours": {"mon": "13:00-17:00, 08:00-12:00"}},
        {"hours": {"mon": "22:00-06:00, 23:00-24:00"}},
        {"hours": {"mon-fri": "09:00-17:00", "fri": "09:00-13:00"}},
        {"hours": {"monday": "09:00-17:00"}},
        {"hours": "sometimes"},
        {"closures": ["2026-12-31..2026-12-24"]},
        {"closures": ["2026-02-30"]},
        {"half_days": {"23 December": "09:00-12:00"}},
        {"holidays": "Atlantis"},
        {"zone": "Berlin"},
        {"valid_from": "2026-01-01T12:00:00"},
        {"valid_from": "0206-01-01"},
        {"resolution": "3"},
        {"resolution": "3 days"},
        {"resolution": "0bd"},
        {"acceptance": {"*": "soon"}},
        {"acceptance": {"_unowned": "4bh"}},
        {"second_response": "4bh"},
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NormsFile.model_validate({"norms": [{"department": "it", **wrong}]})
