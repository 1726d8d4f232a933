"""Who belongs where, and since when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from streams.company import Company, CompanyFile
from streams.fact import UNMAPPED, UNOWNED


def at(text: str) -> int:
    """UTC µs of a day or minute in Berlin's summer time, UTC+2."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() - 7200) * 1_000_000


def company(**more: Any) -> Company:
    plain: dict[str, Any] = {
        "organisation": "Northwind",
        "zone": "Europe/Berlin",
        "hours": {"mon-fri": "09:00-17:00"},
        "sources": ["helpdesk"],
        "departments": [],
        "groups": [],
    }
    return Company(CompanyFile.model_validate(plain | more))


#            until June        July            August
#   Desk     it                                cloud
#   it       in operations     in support
#   cloud    in operations
MOVING = company(
    departments=[
        {"id": "operations", "head_count": 50},
        {"id": "support"},
        {"id": "it", "parent": ["operations", {"since": "2026-07-01", "department": "support"}], "head_count": 25},
        {"id": "cloud", "parent": "operations"},
    ],
    groups=[
        {"source": "helpdesk", "group": "Desk", "department": "it"},
        {"source": "helpdesk", "group": "Desk", "department": "cloud", "since": "2026-08-01"},
        {"source": "helpdesk", "group": "New", "department": "it", "since": "2026-06-01"},
    ],
    people=[{"person": "k1:ab", "department": "it", "since": "2026-06-01"}],
)


def test_a_group_moves_at_midnight_of_the_organisations_zone() -> None:
    assert MOVING.department("helpdesk", "Desk", at("2026-07-31T23:59")) == "it"
    assert MOVING.department("helpdesk", "Desk", at("2026-08-01")) == "cloud"


def test_an_instant_with_an_offset_is_taken_as_it_is() -> None:
    moved = company(
        departments=[{"id": "it"}],
        groups=[{"source": "s", "group": "g", "department": "it", "since": "2026-06-01T12:00:00+02:00"}],
    )
    assert moved.department("s", "g", at("2026-06-01T12:00") - 1) == UNMAPPED
    assert moved.department("s", "g", at("2026-06-01T12:00")) == "it"


def test_what_nobody_named_has_a_place() -> None:
    assert MOVING.department("helpdesk", "", 0) == UNOWNED
    assert MOVING.department("helpdesk", "Who?", 0) == UNMAPPED
    assert MOVING.department("elsewhere", "Desk", 0) == UNMAPPED
    assert MOVING.department("helpdesk", "New", at("2026-05-31")) == UNMAPPED
    assert MOVING.person("k1:ab", at("2026-05-31")) == ""
    assert MOVING.person("k1:ab", at("2026-06-01")) == "it"
    assert MOVING.person("k1:cd", at("2026-06-01")) == ""


def test_a_path_leads_from_the_top_to_the_department_at_that_instant() -> None:
    assert MOVING.levels == 2
    assert MOVING.path("it", at("2026-06-30")) == ("operations", "it")
    assert MOVING.path("it", at("2026-07-01")) == ("support", "it")


def test_what_is_not_that_deep_stands_for_itself() -> None:
    assert MOVING.path("support", 0) == ("support", "support")
    for place in (UNOWNED, UNMAPPED, "", "never heard of"):
        assert MOVING.path(place, 0) == (place, place)


def test_a_department_that_leaves_its_parent_is_at_the_top() -> None:
    spun_off = company(departments=[{"id": "a"}, {"id": "b", "parent": ["a", {"since": "2026-07-01"}]}])
    assert spun_off.path("b", at("2026-06-30")) == ("a", "b")
    assert spun_off.path("b", at("2026-07-01")) == ("b", "b")


def test_the_next_change_of_a_group_is_its_own_move_or_one_above_it() -> None:
    assert MOVING.next_change("helpdesk", "Desk", 0) == at("2026-07-01")
    assert MOVING.next_change("helpdesk", "Desk", at("2026-07-01")) == at("2026-08-01")
    assert MOVING.next_change("helpdesk", "Desk", at("2026-08-01")) is None
    assert MOVING.next_change("helpdesk", "", 0) is None
    assert MOVING.next_change("helpdesk", "Who?", 0) is None


def test_a_change_that_leaves_the_path_as_it_is_is_none() -> None:
    again = {"source": "s", "group": "g", "department": "it"}
    same = company(departments=[{"id": "it"}], groups=[again, again | {"since": "2026-07-01"}])
    assert same.next_change("s", "g", 0) is None


def test_a_flat_company_has_one_level() -> None:
    assert company().levels == 1
    assert company(departments=[{"id": "it"}]).path("it", 0) == ("it",)


def test_with_groups_each_every_group_is_a_department() -> None:
    trial = company(groups="each")
    assert trial.department("helpdesk", "IT Desk", 0) == "IT Desk"
    assert trial.department("helpdesk", "", 0) == UNOWNED
    assert trial.path("IT Desk", 0) == ("IT Desk",)
    assert trial.next_change("helpdesk", "IT Desk", 0) is None


def test_with_groups_each_no_group_gets_an_id_that_means_something_else() -> None:
    trial = company(groups="each")
    assert trial.department("helpdesk", "_unowned", 0) not in (UNOWNED, UNMAPPED)
    assert "/" not in trial.department("helpdesk", "IT/Network", 0)


def test_with_groups_each_groups_of_two_sources_stay_apart() -> None:
    trial = company(groups="each", sources=["helpdesk", "hr"])
    assert trial.department("helpdesk", "Desk", 0) != trial.department("hr", "Desk", 0)


@pytest.mark.parametrize(("department", "count"), [("operations", 50), ("it", 25), ("support", 25), ("cloud", None)])
def test_a_department_without_a_head_count_has_that_of_its_children(department: str, count: int | None) -> None:
    assert MOVING.head_count(department, at("2026-07-01")) == count


def test_no_sum_is_made_up_of_children_whose_number_nobody_told() -> None:
    family = company(
        departments=[{"id": "all"}, {"id": "a", "parent": "all", "head_count": 3}, {"id": "b", "parent": "all"}]
    )
    assert family.head_count("all", 0) is None


def test_sites_have_no_more_people_than_the_department() -> None:
    sites = {"north": 15, "south": 10}
    assert company(departments=[{"id": "it", "head_count": 25, "sites": sites}]).sites("it") == sites
    assert company(departments=[{"id": "it", "sites": sites}]).sites("it") == sites
    assert MOVING.sites("it") == MOVING.sites("nobody knows") == {}
    with pytest.raises(ValidationError, match=r"'it' has 25 people at its sites, and a head_count of 24"):
        company(departments=[{"id": "it", "head_count": 24, "sites": sites}])
