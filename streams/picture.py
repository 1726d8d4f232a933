"""How facts are drawn and said: a clock is drawn once for all levels of the tree, and most of its record is written once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

import msgspec
from msgspec import Struct

from streams.effects import Output
from streams.fact import RETRACTED, Fact, Outcome, beginning, case_key, ending, place_key

Key = tuple[str, bytes, tuple[int, ...], tuple[str, ...]]
"""Measure, opener, levels, departments."""

Shared = tuple[
    Outcome, int | None, int | None, str, str, bytes, int, int | None, int, str, int, int, str, str
]  # fmt: skip
"""The fields of :class:`streams.fact.Timed` from ``outcome`` on."""

Partition = Callable[[str], int]
"""Which partition of the facts a department's are in."""


def only_partition(department: str) -> int:  # noqa: ARG001
    """Of facts that all lie together."""
    return 0


_encode = msgspec.msgpack.Encoder().encode


class Picture(Struct, gc=False, frozen=True):
    """The facts of one clock, but for what its :data:`Key` tells."""

    version: int
    shared: Shared
    counterparts: tuple[str, ...]


def retracted(picture: Picture) -> bool:
    return picture.shared[0] is RETRACTED


def facts(pictures: Mapping[Key, Picture]) -> Iterable[Fact]:
    """One by one, retractions included."""
    for (_, _, levels, departments), picture in pictures.items():
        for counterpart, level, department in zip(picture.counterparts, levels, departments, strict=True):
            yield Fact(picture.version, *picture.shared, counterpart, level, department)


def records(pictures: dict[Key, Picture], case_id: str, partition: Partition) -> list[Output]:
    """What is said to the topic of facts: one record for the levels that are in one partition.

    Two pictures may share such a record, where one takes back what goes on in the other: then that one is said.
    """
    picture: Picture
    case: bytes = case_key(case_id)
    said: dict[bytes, Output] = {}
    drawn: Iterable[tuple[Key, Picture]] = pictures.items()
    for picture in pictures.values():
        if picture.shared[0] is RETRACTED:
            drawn = sorted(drawn, key=_standing)
            break
    version, begins = -1, b""
    for (measure, opener, levels, departments), picture in drawn:
        if picture.version != version:
            version = picture.version
            begins = beginning(version)
        shared: bytes = begins + _encode(picture.shared)[1:]
        for owner, place, end in _places(measure, levels, departments, picture.counterparts, partition):
            key = opener + place + case
            said[key] = Output("facts", owner, shared + end, key)
    return list(said.values())


def _standing(drawn: tuple[Key, Picture]) -> tuple[int, bool]:
    """The greatest stands."""
    _, picture = drawn
    return picture.version, not retracted(picture)


@lru_cache(maxsize=1 << 16)
def _places(
    measure: str,
    levels: tuple[int, ...],
    departments: tuple[str, ...],
    counterparts: tuple[str, ...],
    partition: Partition,
) -> list[tuple[str, bytes, bytes]]:
    """Of each record: a department that decides its partition, where its facts are counted, and its last fields."""
    together: dict[int, list[tuple[str, int, str]]] = {}
    for fields in zip(counterparts, levels, departments, strict=True):
        together.setdefault(partition(fields[2]), []).append(fields)
    places = []
    for some in together.values():
        towards, at, of = (tuple(column) for column in zip(*some, strict=True))
        places.append((some[0][2], place_key(measure, at, of), ending(towards, at, of)))
    return places
