"""An activity of a Freshservice ticket: sentences of the product, of which the fields that they set are read. Pure.

``created ticket, set Status as Open, set Group as Network and set Priority as Low``: a field, and a value up to the next field or
the end. The sentences are in the language of the user who asks; English is read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

STATUS, GROUP, AGENT, PRIORITY, SOURCE = "Status", "Group", "Agent", "Priority", "Source"
_SET = re.compile(r"(?:^|[\s,])set (?P<field>\S.*?) as (?P<value>\S.*?)(?=(?:,| and)? set \S.*? as |\s*$)")
_CREATED = re.compile(r"\bcreated\b")


class Actor(Struct, frozen=True):
    id: int | str | None = None


class Activity(Struct, frozen=True):
    created_at: str
    content: str | None = None
    sub_contents: tuple[str, ...] | None = None
    actor: Actor | None = None

    @property
    def fields(self) -> dict[str, str]:
        """What it set, by the names of the fields."""
        said = (self.content or "", *(self.sub_contents or ()))
        return {found["field"]: found["value"] for part in said for found in _SET.finditer(" ".join(part.split()))}

    @property
    def creates(self) -> bool:
        return _CREATED.search(self.content or "") is not None


def in_order(activities: Sequence[tuple[datetime, Activity]]) -> list[tuple[datetime, Activity]]:
    """The oldest first, and those of one instant as they are listed: the list begins with the newest or with the oldest."""
    newest_first = len(activities) > 1 and activities[0][0] > activities[-1][0]
    return sorted(reversed(activities) if newest_first else activities, key=lambda one: one[0])
