"""One case while it is being written: who has it, who acts, when; the events that come of it, and the account of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from math import exp

from ingest.event import (
    ActedData,
    Actor,
    AskedRequester,
    BotReplied,
    CaseEvent,
    Claimed,
    Classified,
    ClassifiedData,
    Closed,
    Created,
    CreatedData,
    Deleted,
    Delivered,
    Noted,
    Paused,
    PausedData,
    Payload,
    PromiseAccepted,
    Promised,
    PromiseData,
    PromisedData,
    Reopened,
    Replied,
    RequesterReplied,
    Resumed,
    Routed,
    RoutedData,
    Solved,
    Thanked,
    ThankedData,
    Waiting,
    event_id,
)
from ingest.simulation.account import US, Account
from ingest.simulation.opening import Opening
from ingest.simulation.parts import DAY, HOUR, Service, Unit
from ingest.simulation.world import SOURCE, World


class Case:
    """``now`` is the instant the case has reached, in seconds since 1970; it only goes forward.

    ``owner`` and ``group`` have it, ``agent`` is whoever there took it up; ``answered`` is whether a human has answered.
    Whatever happens goes through the verbs below: each says its event and writes the account.
    """

    def __init__(self, world: World, unit: Unit, person: str, service: Service, now: int) -> None:
        self.world, self.rng = world, world.rng
        self.unit, self.person, self.service = unit, person, service
        self.subject = world.next_subject()
        self.now = self.began = now
        self.owner = world.departments[service.department]
        self.group = self.owner.groups[0]
        self.agent = ""
        self.answered = False
        self._changes = self._sequence = 0
        self._last = -1
        beneficiary = world.places.person(person, now * US) or unit.department
        self.account = Account(self.subject, beneficiary, world.known)
        if now < world.known:
            world.told.append(self.account)

    # Who and when

    def opening(self) -> Opening:
        return self.world.openings[self.owner.unit]

    def staff(self) -> list[str]:
        return self.world.people[self.owner.unit]

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

    # What can happen

    def created(self, data: CreatedData, *, on_behalf: bool = False) -> None:
        if on_behalf:
            self.human(Created, data)
        else:
            self.add(Created, Actor.requester, self.person, data)
        self.account.opened(self.now, on_behalf, data.priority)

    def classified(self, priority: str) -> None:
        self.human(Classified, ClassifiedData(priority=priority))
        self.account.classified(self.now, priority)

    def routed(self, group: str, reason: str = "", *, by_human: bool = True) -> None:
        data = RoutedData(group=group, reason=reason)
        if by_human:
            self.human(Routed, data)
        else:
            self.add(Routed, Actor.system, "", data)
        self.account.routed(self.now, group, reason)

    def answer(self) -> str:
        self.answered = True
        self.account.spoke(self.now, self.who())
        return self.human(Replied)

    def bot_replies(self) -> None:
        self.add(BotReplied, Actor.provider_bot)
        self.account.bot_spoke(self.now)

    def claim(self) -> None:
        self.human(Claimed)
        self.account.acted(self.now, self.agent)

    def note(self) -> None:
        self.human(Noted)
        self.account.acted(self.now, self.agent)

    def ask_back(self) -> None:
        self.answered = True
        self.human(AskedRequester)
        self.account.spoke(self.now, self.agent)

    def promised(self, promise: str, due: int) -> None:
        self.human(Promised, PromisedData(promise=promise, due=instant(due)))
        self.account.promised(self.now, self.agent, promise, due)

    def agreed(self, promise: str) -> None:
        self.add(PromiseAccepted, Actor.requester, self.person, PromiseData(promise=promise))
        self.account.agreed(self.now, promise)

    def delivered(self, promise: str) -> None:
        self.human(Delivered, PromiseData(promise=promise))
        self.account.delivered(self.now, self.agent, promise)

    def paused(self, whom: Waiting, reason: str) -> None:
        self.human(Paused, PausedData(owner=whom, reason=reason))
        self.account.paused(self.now, whom.value, self.agent, explained=bool(reason))

    def resumed(self, *, by_human: bool) -> None:
        if by_human:
            self.human(Resumed)
        else:
            self.add(Resumed, Actor.system)
        self.account.resumed(self.now)

    def requester_writes(self) -> None:
        self.add(RequesterReplied, Actor.requester, self.person)
        self.account.written(self.now)

    def thanked(self, *, for_speed: bool) -> None:
        self.add(Thanked, Actor.requester, self.person, ThankedData(for_speed=for_speed))
        self.account.thanked(self.now, for_speed=for_speed)

    def solved(self, *, group: str = "") -> str:
        event = self.human(Solved, ActedData(group=group) if group else None)
        self.account.ended(self.now, "solved", Actor.provider_human, f"#{group}" if group else self.agent)
        return event

    def solved_by_bot(self) -> None:
        self.add(Solved, Actor.provider_bot)
        self.account.ended(self.now, "solved", Actor.provider_bot)

    def reopened(self, actor: Actor) -> None:
        requester = actor is Actor.requester
        self.add(Reopened, actor, self.person if requester else "")
        self.account.reopened(self.now, requester)

    def closed(self) -> None:
        self.add(Closed, Actor.system)
        self.account.ended(self.now, "closed", Actor.system)

    def deleted(self, actor: Actor) -> None:
        if actor is Actor.provider_human:
            self.human(Deleted)
        else:
            self.add(Deleted, actor, self.person if actor is Actor.requester else "")

    # The event itself

    def human(self, kind: Callable[..., CaseEvent], data: Payload | None = None) -> str:
        return self.add(kind, Actor.provider_human, self.who(), data)

    def add(self, kind: Callable[..., CaseEvent], actor: Actor, who: str = "", data: Payload | None = None) -> str:
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
        return key


def instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
