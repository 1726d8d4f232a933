"""One case while it is being written: who has it, who acts, when, and the events that come of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from math import exp

from ingest.event import Actor, CaseEvent, Payload, Replied, event_id
from ingest.simulation.company import DAY, HOUR, Service, Unit
from ingest.simulation.opening import Opening
from ingest.simulation.world import World

SOURCE = "helpdesk"


class Case:
    """``now`` is the instant the case has reached, in seconds since 1970; it only goes forward.

    ``owner`` and ``group`` have it, ``agent`` is whoever there took it up; ``answered`` is whether a human has answered.
    """

    def __init__(self, world: World, unit: Unit, person: str, service: Service, now: int) -> None:
        self.world, self.rng = world, world.rng
        self.unit, self.person, self.service = unit, person, service
        self.subject = world.next_subject()
        self.now = now
        self.owner = world.departments[service.department]
        self.group = self.owner.groups[0]
        self.agent = ""
        self.answered = False
        self._changes = self._sequence = 0
        self._last = -1

    def opening(self) -> Opening:
        return self.world.openings[self.owner.unit]

    def staff(self) -> tuple[str, ...]:
        return self.world.units[self.owner.unit].people

    def who(self) -> str:
        if not self.agent:
            self.agent = self.rng.choice(self.staff())
        return self.agent

    def human_at(self, hours: float) -> int:
        """When the owner gets to it: about ``hours`` open hours from now."""
        return self.opening().after(self.now, 20 + hours * HOUR * exp(self.rng.gauss(0.0, self.owner.spread)))

    def wait_for_human(self, hours: float) -> None:
        self.now = self.human_at(hours)

    def wait_for_requester(self, hours: float) -> None:
        opening = self.world.openings[self.unit.name]
        self.now = opening.after(self.now, 60 + hours * HOUR * exp(self.rng.gauss(0.0, 0.9)))

    def answer(self) -> None:
        self.answered = True
        self.human(Replied)

    def human(self, kind: Callable[..., CaseEvent], data: Payload | None = None) -> None:
        self.add(kind, Actor.provider_human, self.who(), data)

    def add(self, kind: Callable[..., CaseEvent], actor: Actor, who: str = "", data: Payload | None = None) -> None:
        now = self.now
        self._sequence = self._sequence + 1 if now == self._last else 0
        self._last = now
        self._changes += 1
        key = event_id(SOURCE, f"{self.subject}/{self._changes}")
        fields = {} if data is None else {"data": data}
        event = kind(
            id=key,
            source=SOURCE,
            subject=self.subject,
            time=instant(now),
            specversion="1.0",
            sequence=self._sequence,
            actor=actor,
            who=who,
            **fields,
        )
        self.world.agenda[now // DAY].append((now, self._sequence, key, event))


def instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
