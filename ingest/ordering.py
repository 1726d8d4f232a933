"""In which order things of one instant happened, where a source numbers its changes and its messages apart. Pure.

As in ``ORDINALS``: who serves answers, and then pauses or solves; whoever asked is heard after that has reopened the case.
"""

from __future__ import annotations

from ingest.event import Actor

NUMBERS = 1 << 51
"""A number is below it, so that an order fits into 53 bits."""


def order_of_change(number: int) -> int:
    return NUMBERS + number


def order_of_message(number: int, actor: Actor) -> int:
    return 2 * NUMBERS + number if actor is Actor.requester else number
