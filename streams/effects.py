"""What the folds ask of their shells."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import NamedTuple, TypeVar

from msgspec import Struct

K = TypeVar("K")
GENERATION = "generation"
"""The header of what cases say to each other: it is for those of one generation alone, and lies among the events of all."""


class Output(Struct, frozen=True, gc=False):
    """A record for ``topic``. ``owner`` decides the partition; empty: it goes to every partition of the topic. Of records with one
    ``key`` the highest version is enough; empty: each counts.
    """

    topic: str
    owner: str
    value: bytes
    key: bytes = b""


def carry_out(changes: Mapping[K, bytes | None], state: MutableMapping[K, bytes]) -> None:
    """Make ``changes`` (None: deleted) of a state that lies in memory."""
    state.update(changes)  # type: ignore[arg-type]  # a moment later no longer None
    for key in [key for key, value in changes.items() if value is None]:
        del state[key]


class Effects(NamedTuple):
    """In this order: ``outputs`` acknowledged, then ``changes`` of the state (None: deleted), the partition's own row last."""

    outputs: list[Output]
    changes: dict[str, bytes | None]
