"""What the fold ``cases`` asks of its shell."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct


class Output(Struct, frozen=True, gc=False):
    """A record for ``topic``. ``owner`` decides the partition; empty: it goes to every partition of the topic. Of records with one
    ``key`` the highest version is enough; empty: each counts.
    """

    topic: str
    owner: str
    value: bytes
    key: bytes = b""


class Effects(NamedTuple):
    """In this order: ``outputs`` acknowledged, then ``changes`` of the state (None: deleted), the partition's own row last."""

    outputs: list[Output]
    changes: dict[str, bytes | None]
