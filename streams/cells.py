"""Which of a wave's waiting answers close a batch when a week has been published, and what they add up to (docs/sealing.md).

A cell is who answered (department and site) and what about. All instants are UTC microseconds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from streams.company import Company
from streams.fact import UNMAPPED, UNOWNED
from streams.sealed import ENPS, PERSONS, Item, Joined

ORGANISATION = ""
"""The parent of the topmost departments, and where answers belong whose department nobody knows."""
Path = tuple[str, ...]


class Waiting(Struct, array_like=True, gc=False, frozen=True):
    """An answer that is in no batch yet. ``id`` and ``person`` are 16 bytes; department and what it is ``about`` are as ``source``
    names them at ``at``; ``offset`` is where it stands in the log.
    """

    offset: int
    id: bytes
    person: bytes
    source: str
    department: str
    site: str
    about: str
    at: int
    scores: dict[str, int]


class Placed(NamedTuple):
    answer: Waiting
    department: str
    about: str


class Group(NamedTuple):
    """A batch to be."""

    joined: Joined
    department: str
    site: str
    about: str
    members: Sequence[Waiting]


def placed(answer: Waiting, company: Company) -> Placed:
    """Where it is counted: ``about`` a department that nobody knows is ``_unmapped``, and may be known before the wave closes."""
    department = company.department(answer.source, answer.department, answer.at)
    about = answer.about and company.department(answer.source, answer.about, answer.at)
    return Placed(answer, ORGANISATION if department in (UNMAPPED, UNOWNED) else department, about)


def persons(members: Iterable[Waiting]) -> int:
    return len({member.person for member in members})


def items(members: Iterable[Waiting]) -> dict[str, Item]:
    """The sums of each item that enough persons have answered. A batch has at least one."""
    answers: dict[str, list[Waiting]] = defaultdict(list)
    for member in members:
        for name in member.scores:
            answers[name].append(member)
    return {
        name: _item(name, [member.scores[name] for member in answered])
        for name, answered in sorted(answers.items())
        if persons(answered) >= PERSONS
    }


def _item(name: str, scores: Sequence[int]) -> Item:
    if name == ENPS:
        return Item(len(scores), promoters=sum(s >= 9 for s in scores), detractors=sum(s <= 6 for s in scores))
    return Item(len(scores), total=sum(scores), favourable=sum(s >= 8 for s in scores))


def closing(
    waiting: Iterable[Placed], released: Mapping[str, int], company: Company, until: int, *, final: bool
) -> Iterator[Group]:
    """The batches that close at ``until``; ``final``: the wave does too. ``released``: how many are in batches, by :func:`whose`.

    A cell that is large enough closes whole. It waits where those who have not answered yet would be too few for another batch:
    they would be left over.
    """
    cells: dict[tuple[str, str, str], list[Waiting]] = defaultdict(list)
    answered = Counter(released)
    for answer, department, about in waiting:
        if about != UNMAPPED:
            cells[about, department, answer.site if department else ""].append(answer)
            answered[whose(department, about)] += 1
    left: dict[str, dict[Path, list[Waiting]]] = defaultdict(lambda: defaultdict(list))
    for (about, department, site), members in sorted(cells.items()):
        if items(members) and (
            final or not _few_to_come(department, answered[whose(department, about)], company, until)
        ):
            yield Group(Joined.cell, department, site, about, members)
        elif final:
            left[about][_path(department, company, until)] += members
    over: dict[Path, list[Waiting]] = defaultdict(list)
    for about, by_path in sorted(left.items()):
        found, rest = _join(by_path)
        for department, members in found:
            yield Group(Joined.respondents, department, "", about, members)
        if about:
            over[tuple(company.line(about, until))] += rest
    for about, members in _join(over)[0]:
        yield Group(Joined.abouts, ORGANISATION, "", about, members)


def whose(department: str, about: str) -> str:
    return f"{department}/{about}"


def _few_to_come(department: str, answered: int, company: Company, until: int) -> bool:
    people = company.head_count(department, until) if department else None
    return people is not None and 0 < people - answered < PERSONS


def _path(department: str, company: Company, until: int) -> Path:
    return (ORGANISATION, *company.line(department, until)) if department else (ORGANISATION,)


def _join(left: Mapping[Path, list[Waiting]]) -> tuple[list[tuple[str, list[Waiting]]], list[Waiting]]:
    """From the lowest departments to the top, what is left over under one parent is put together until it is enough: these, by
    department, and what is too little even at the top.
    """
    open_ = {path: list(members) for path, members in left.items()}
    found, rest = [], []
    for depth in range(max(map(len, open_), default=0), 0, -1):
        for path in sorted(path for path in open_ if len(path) == depth):
            members = open_.pop(path)
            if items(members):
                found.append((path[-1], members))
            elif depth > 1:
                open_.setdefault(path[:-1], []).extend(members)
            else:
                rest += members
    return found, rest
