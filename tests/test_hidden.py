"""Which departments are not told of by themselves: no sum less what is shown beside it tells of few people."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from streams.company import Company, CompanyFile
from streams.hidden import covered, hidden_departments

Heads = dict[str, int | None]


def company(heads: Heads, parents: dict[str, str], own: tuple[str, ...] = ()) -> Company:
    """``own``: who has a group of its own."""
    departments = [
        {
            "id": one,
            **({} if count is None else {"head_count": count}),
            **({"parent": parents[one]} if one in parents else {}),
        }
        for one, count in heads.items()
    ]
    groups = [{"source": "desk", "group": f"of {one}", "department": one} for one in own]
    base: dict[str, Any] = {"organisation": "n", "zone": "UTC", "hours": "always", "sources": ["desk"]}
    return Company(CompanyFile.model_validate(base | {"departments": departments, "groups": groups}))


def flat(own: tuple[str, ...] = (), total: int | None = None, **heads: int | None) -> dict[str, list[str]]:
    """Of departments that lie in ``all``."""
    return hidden_departments(company({"all": total, **heads}, dict.fromkeys(heads, "all"), own), 0)


@pytest.mark.parametrize(
    ("sizes", "hidden", "found"),
    [
        ({"a": 9, "b": 8}, [], []),
        ({"a": 4, "b": 9, "c": 8}, ["a"], ["a", "c"]),
        ({"a": 1, "b": 2, "c": 8, "d": 7}, ["a", "b"], ["a", "b", "d"]),
        ({"a": 2, "b": 3, "c": 8}, ["a", "b"], ["a", "b"]),
        ({"a": 4, "b": 0, "c": 8}, ["a"], ["a", "c"]),
        ({"a": 4, "b": None, "c": 800}, ["a"], ["a", "c"]),
        ({"a": 4, "b": None}, ["a"], ["a", "b"]),
        ({"a": 4, "b": 7, "c": 7}, ["a"], ["a", "b"]),
        ({"a": 4}, ["a"], ["a"]),
    ],
)
def test_the_next_smallest_hide_too_until_they_are_two_and_not_few(
    sizes: Heads, hidden: list[str], found: list[str]
) -> None:
    assert covered(sizes, hidden, 5) == found


def test_who_hides_another_is_named_with_it() -> None:
    assert flat(a=4, b=9, c=8) == {"a": ["a"], "c": ["a"]}
    assert flat(a=5, b=9, c=8) == {}
    assert flat(a=None, b=9) == {}


def test_all_below_what_is_hidden_is_hidden_with_it() -> None:
    """Or its parts would tell what it is."""
    heads: Heads = {"all": None, "a": 4, "b": 8, "b1": 3, "b2": 5, "c": 9}
    tree = company(heads, {"a": "all", "b": "all", "c": "all", "b1": "b", "b2": "b"})
    assert hidden_departments(tree, 0) == {"a": ["a"], "b": ["a"], "b1": ["a"], "b2": ["a"]}


def test_at_the_top_no_sum_is_shown() -> None:
    assert hidden_departments(company({"a": 4, "b": 8, "c": 9}, {}), 0) == {"a": ["a"]}


def test_few_of_its_own_are_a_part_of_what_is_above_if_they_have_cases() -> None:
    """Three who are in neither: all of them less a and b."""
    assert flat(total=20, a=9, b=8) == {}
    assert flat(("all",), total=20, a=9, b=8) == {"b": ["all"]}
    assert flat(("all",), total=22, a=9, b=8) == {}
    assert flat(("all",), total=17, a=9, b=8) == {}
    assert flat(("all",), total=20, a=9, b=None) == {}


def test_a_department_that_moves_hides_with_those_where_it_is() -> None:
    parent = [{"department": "x"}, {"department": "y", "since": "2026-07-01"}]
    ids = ({"id": "x"}, {"id": "y"}, {"id": "a", "head_count": 4, "parent": parent})
    more = ({"id": "b", "head_count": 9, "parent": "x"}, {"id": "c", "head_count": 9, "parent": "y"})
    base: dict[str, Any] = {"organisation": "n", "zone": "UTC", "hours": "always", "groups": []}
    moving = Company(CompanyFile.model_validate(base | {"departments": [*ids, *more]}))
    assert hidden_departments(moving, 0) == {"a": ["a"], "b": ["a"]}
    assert hidden_departments(moving, 1_800_000_000_000_000) == {"a": ["a"], "c": ["a"]}


def test_in_no_tree_is_what_is_shown_above_less_what_is_shown_below_of_few(
    sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    draw = random.Random(4)
    trees = sample(2000, 300)
    for _ in range(trees):
        names = [f"d{i}" for i in range(draw.randint(2, 14))]
        parents = {name: draw.choice(names[:i]) for i, name in enumerate(names) if i}
        leaves = set(names) - set(parents.values())
        tree = company({n: draw.choice([1, 3, 4, 5, 8, 30]) if n in leaves else None for n in names}, parents)
        hidden = hidden_departments(tree, 0)
        for one in names:
            below = [n for n in names if parents.get(n) == one]
            gone = [n for n in below if n in hidden]
            if one in hidden:
                assert gone == below
            elif gone and gone != below:
                assert len(gone) > 1
                assert sum(tree.head_count(n, 0) or 0 for n in gone) >= 5
            assert one in hidden or (tree.head_count(one, 0) or 0) >= 5
    tally("trees of departments in which some hide", trees)
