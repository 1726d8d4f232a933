"""Which departments, and which pairs of them, are not told of by themselves: the small ones, and those that hide with them.

What is above a department counts it too. So where a single one below is hidden, or all of those are few people, what is above less
what is shown below it would give them away: the next-smallest hides with them, until what is hidden is two and not small. So it is
with the pairs of a department, whose own number counts them all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

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


class Pair(NamedTuple):
    """A value of a pair: of ``department``, from ``counterpart``, at a ``level`` of the tree."""

    department: str
    counterpart: str
    level: int


def untold_pairs(facts: Mapping[Pair, int], hidden: Collection[str], above: Callable[[Pair], Pair]) -> frozenset[Pair]:
    """The pairs of which one value (of one indicator, over one window) is not told: those with few ``facts`` behind it, those with
    a counterpart that is ``hidden``, and those that hide with them, so that no sum less what is told of it is one of them. Sums are

    - what a department does for all, and what it asks of all, at one level;
    - a pair one level up (``above``), of those below both its sides. What lies below one that is not told is not told.

    All sums hide others at once, again and again, until none has to.
    """
    some = {pair: n for pair, n in facts.items() if n}
    sums: dict[tuple[str, ...] | Pair, list[Pair]] = {}
    of: dict[Pair, list[tuple[str, ...] | Pair]] = {}
    for pair in sorted(some, key=lambda one: (some[one], one)):
        level = str(pair.level)
        of[pair] = [("for", pair.department, level, ""), ("from", pair.counterpart, level, "")]
        if (one := above(pair)) in some:
            of[pair].append(one)
        for each in of[pair]:
            sums.setdefault(each, []).append(pair)
    new = {pair for pair, n in some.items() if n < MIN_FACTS or pair.counterpart in hidden}
    untold: set[Pair] = set()
    while new:
        untold |= new
        touched = {each for pair in new for each in (*of[pair], pair) if each in sums}
        new = {pair for each in touched for pair in _hiding(sums[each], some, untold, each in untold)} - untold
    return frozenset(untold)


def _hiding(
    parts: Sequence[Pair], facts: Mapping[Pair, int], untold: Collection[Pair], all_of_them: bool
) -> list[Pair]:
    """Of the parts of a sum, the smallest first: those that are not told then."""
    if all_of_them:
        return list(parts)
    return covered({pair: facts[pair] for pair in parts}, untold, MIN_FACTS)


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
