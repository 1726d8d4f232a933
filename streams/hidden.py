"""Which departments, and which pairs of them, are not told of by themselves: the small ones, and those that hide with them.

What is above a department counts it too. So where a single one below is hidden, or all of those are few people, what is above less
what is shown below it would give them away: the next-smallest hides with them, until what is hidden is two and not small. So it is
with the pairs of a department, whose own number counts them all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import TypeVar

from streams.company import Company

MIN_HEADCOUNT = 5
"""Fewer people are a small department, and are told of in what is above it alone."""

MIN_FACTS = 5
"""With fewer behind it, a value of a pair is not told."""

K = TypeVar("K")


def covered(sizes: Mapping[K, int | None], hidden: Collection[K], least: int) -> list[K]:
    """Of the parts of a sum that is shown: ``hidden``, and as many more, the smallest first, as make them two or more, of ``least``
    together. Empty where nothing is hidden.

    None: a size that is not known, which is taken for ``least``. What is empty covers nothing. Of equals the first hides.
    """
    found = [part for part in sizes if part in hidden]
    more = sorted(
        (size is None, size or 0, place)
        for place, (part, size) in enumerate(sizes.items())
        if part not in hidden and size != 0
    )
    parts, total = list(sizes), sum(_known(sizes[part], least) for part in found)
    for _, _, place in more if found else ():
        if len(found) >= 2 and total >= least:
            break
        found.append(parts[place])
        total += _known(sizes[parts[place]], least)
    return found


def _known(size: int | None, least: int) -> int:
    return least if size is None else size


def hidden_pairs(facts: Mapping[str, int], hidden: Collection[str]) -> list[str]:
    """The counterparts with whom one value of a department is not told: those with few facts behind it, those that are ``hidden``
    themselves, and those that hide with them, since the department's own value counts them all.

    ``facts``: behind the value of each pair, at one level of the tree. Where there are none, there is nothing to hide.
    """
    some = {counterpart: n for counterpart, n in sorted(facts.items()) if n}
    return covered(some, [who for who, n in some.items() if n < MIN_FACTS or who in hidden], MIN_FACTS)


def turns(company: Company) -> tuple[int, ...]:
    """The instants (UTC µs), ascending, at which other departments may be hidden: between two of them they are the same."""
    moves = {start for history in company.groups.values() for start in history.starts}
    return tuple(sorted(moves.union(company.reorganisations)))


def hidden_departments(
    company: Company, at: int, least: int = MIN_HEADCOUNT, people: Mapping[str, int] | None = None
) -> dict[str, list[str]]:
    """Department -> the small ones for whose sake it is not told of, as of an instant (UTC µs): a small one, and all below it, for
    its own. ``people``: how many are in each department that has any, with all below it; without it, as the company file says, and
    of whom that says nothing is not small. At the top none hides with another: no sum is shown above it.
    """
    size = people.get if people is not None else partial(company.head_count, at=at)
    below: dict[str, list[str]] = {}
    for department in company.entries if people is None else people:
        line = company.line(department, at)
        below.setdefault(line[-2] if len(line) > 1 else "", []).append(department)
    return dict(_hidden(company, at, least, size, "", below))


def _hidden(
    company: Company,
    at: int,
    least: int,
    size: Callable[[str], int | None],
    parent: str,
    below: Mapping[str, list[str]],
) -> Iterator[tuple[str, list[str]]]:
    """Of those below ``parent``, which is shown itself."""
    sizes: dict[str, int | None] = {one: size(one) for one in below.get(parent, ())}
    if parent and (own := _people_of_its_own(company, parent, size(parent), sizes, at)) is not None and own < least:
        sizes[parent] = own
    small = [one for one, people in sizes.items() if people is not None and people < least]
    hide = covered(sizes, small, least) if parent else small
    for one in below.get(parent, ()):
        if one not in hide:
            yield from _hidden(company, at, least, size, one, below)
            continue
        for each in _all_below(one, below):
            yield each, [one] if one in small else small


def _people_of_its_own(
    company: Company, parent: str, total: int | None, below: Mapping[str, int | None], at: int
) -> int | None:
    """How many are in none of those below it, where it has groups, and so numbers, of its own. None: not known, or none."""
    known = [size for size in below.values() if size is not None]
    if not below or total is None or len(known) < len(below):
        return None
    own = max(total - sum(known), 0)
    return own or None if any(history.at(at) == parent for history in company.groups.values()) else None


def _all_below(department: str, below: Mapping[str, list[str]]) -> Iterator[str]:
    yield department
    for one in below.get(department, ()):
        yield from _all_below(one, below)
