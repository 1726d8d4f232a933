"""CONTRACT: closed batches of answers, the record of morale (topic ``crossdesk.sealed``). docs/sealing.md has the rules, and why.

A batch is final: it is written once, and whatever is shown of answers later is a sum of whole batches. Instants are UTC
microseconds since 1970. Records are msgpack arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum

import msgspec
from msgspec import Struct

from ingest.event import instant

PERSONS = 5
"""So many persons at least are in a batch, and have answered each item of it. A constant of the code: no setting lowers it."""
ENPS = "enps"
RATING = "rating"
"""What the one item of ratings is called."""


class Kind(StrEnum):
    answers = "answers"
    ratings = "ratings"


class Joined(StrEnum):
    """``cell``: all are of one department and site. ``respondents``: left over, and joined under a common parent; ``abouts``: also
    what they are about was.
    """

    cell = "cell"
    respondents = "respondents"
    abouts = "abouts"


class Item(Struct, array_like=True, gc=False, frozen=True):
    """What the answers to one item add up to: ``n`` of them. Only what an indicator needs is there: of :data:`ENPS` ``promoters``
    (9, 10) and ``detractors`` (0 to 6), of others ``total`` (of scores from 0 to 10) and ``favourable`` (4 and 5 of 5: 8 to 10).
    Raises ``ValueError`` for fewer than :data:`PERSONS`.
    """

    n: int
    total: int | None = None
    favourable: int | None = None
    promoters: int | None = None
    detractors: int | None = None

    def __post_init__(self) -> None:
        _refuse_few(self.n)


class Batch(Struct, array_like=True, gc=False, frozen=True, kw_only=True, tag=0):
    """Answers that left together, for ever.

    ``id`` (16 bytes) is of kind, wave, week and cell. ``closed`` is the Monday that ended its week. ``department`` is that of who
    answered, empty for the whole organisation; ``site`` is empty where it has none, or several. ``about`` is the department that
    the answers are about, empty where they are about none. ``proof`` (16 bytes) is the same only for the same answers, and says
    nothing to who does not read ``crossdesk.feedback``. Raises ``ValueError`` for fewer than :data:`PERSONS`.
    """

    id: bytes
    kind: Kind
    wave: str
    closed: int
    joined: Joined
    department: str
    site: str
    about: str
    persons: int
    items: dict[str, Item]
    proof: bytes

    def __post_init__(self) -> None:
        _refuse_few(self.persons)

    @property
    def week(self) -> str:
        """The ISO week at whose end it closed, as ``2026-W48``."""
        year, week, _ = (instant(self.closed) - timedelta(days=1)).isocalendar()
        return f"{year}-W{week:02}"


def _refuse_few(persons: int) -> None:
    """The last door: whatever is wrong before it, no smaller batch can be written or read."""
    if persons < PERSONS:
        raise ValueError(f"a batch of fewer than {PERSONS} persons is never sealed")


encode: Callable[[Batch], bytes] = msgspec.msgpack.Encoder(order="deterministic").encode
decode: Callable[[bytes], Batch] = msgspec.msgpack.Decoder(Batch).decode
"""Raises ``msgspec.DecodeError``: batches are our own, so an unreadable one is a bug."""
