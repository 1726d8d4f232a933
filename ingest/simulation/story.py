"""How one case goes, from asked to closed. Every decision is taken here, when the case is created."""

from __future__ import annotations

from collections.abc import Callable

from ingest.event import (
    Actor,
    ChildData,
    ChildLinked,
    CreatedData,
    NeedBy,
    NeedByData,
    Waiting,
)
from ingest.simulation.case import instant
from ingest.simulation.incidents import Incidents
from ingest.simulation.parts import DAY, HOUR, MINUTE, Department, Service, Unit
from ingest.simulation.world import World

SPEED = {"low": 1.25, "normal": 1.0, "high": 0.6, "urgent": 0.35}
CLOSES_AFTER = 5 * DAY


class Story(Incidents):
    """One case, told by what is decided: what happens, who takes part, how long it takes."""

    def __init__(self, world: World, unit: Unit, person: str, service: Service, now: int) -> None:
        super().__init__(world, unit, person, service, now)
        self.promise = ""
        self.priority = "normal"

    def tell(self) -> None:
        """The whole case of a requester."""
        self.ask()
        fate = self.rng.random()
        if fate < 0.004:
            self.spam()
        elif fate < 0.008:
            self.withdrawn()
        elif self.rng.random() < self.service.bot_solves:
            self.bot_solves()
        else:
            self.begin()
            self.go_on(fate)

    def go_on(self, fate: float) -> None:
        """Whatever the first department makes of it."""
        if fate < 0.012:
            self.withdrawn()
            return
        for below, detour in self.detours():
            if fate < below:
                detour()
                break
        if self.over:
            return
        self.work()
        for receiver in self.onward():
            self.hand_over(self.world.departments[receiver])
            self.work()
        self.finish()

    def detours(self) -> tuple[tuple[float, Callable[[], None]], ...]:
        """What goes wrong on the way, and with which chance, added up."""
        return (
            (0.016, self.deleted_by_mistake),
            (0.022, self.excluded),
            (0.030, self.solved_by_mistake),
            (0.040, self.called_back),
            (0.050, self.put_back),
        )

    # The beginning

    def ask(self) -> None:
        rng = self.rng
        self.priority = rng.choices(("low", "normal", "high", "urgent"), (10, 70, 16, 4))[0]
        channel = rng.choices(("portal", "email", "phone"), (62, 33, 5))[0]
        by_phone = channel == "phone" and self.opening().is_open(self.now)
        if by_phone:
            self.agent = rng.choice(self.staff())
        data = CreatedData(
            requester=self.person,
            requester_group=self.unit.name,
            service=self.service.name,
            priority=self.priority,
            channel=channel if by_phone or channel != "phone" else "portal",
        )
        self.created(data, on_behalf=by_phone)
        if rng.random() < 0.03:
            self.add(
                NeedBy, Actor.requester, self.person, NeedByData(due=instant(self.now + rng.randrange(1, 6) * DAY))
            )
        if rng.random() < (0.95 if channel == "email" else 0.5):
            self.bot_replies()
        chance = rng.random()
        if not by_phone and chance > 0.8:
            self.now += int(rng.uniform(1, 12) * MINUTE if chance < 0.96 else rng.uniform(0.5, 2.0) * HOUR)
        self.routed(self.group, by_human=False)

    def begin(self) -> None:
        """The first department takes the case up, and mostly answers."""
        rng = self.rng
        duplicate = None
        if rng.random() < 0.02:
            duplicate = self.asked_twice()
        self.wait_for_human(self.owner.begin * self.world.busy[self.owner.id] * SPEED[self.priority])
        self.take_up()
        if duplicate and self.merge(duplicate):
            duplicate.take_up()
            duplicate.finish()
        if rng.random() < 0.14:
            other = rng.choice(("low", "normal", "high"))
            self.classified(other if other != self.priority else "urgent")
        if rng.random() < self.service.second_line:
            self.wait_for_human(0.15)
            self.group = self.owner.groups[1]
            self.routed(self.group)
            self.agent = ""
            self.wait_for_human(self.owner.accept * 0.8 * self.world.busy[self.owner.id])
            self.take_up()
        if rng.random() < 0.9:
            self.wait_for_human(self.owner.answer)
            self.answer()

    def asked_twice(self) -> Story:
        """Somebody loses patience and asks the same again."""
        when = self.now + self.rng.randrange(5, 90) * MINUTE
        if self.rng.random() < 0.3 and self.began == self.now:  # the newer one is kept
            when = max(self.began - self.rng.randrange(5, 90) * MINUTE, self.began // DAY * DAY)
        again = Story(self.world, self.unit, self.person, self.service, when)
        again.ask()
        return again

    def bot_solves(self) -> None:
        self.now += self.rng.randrange(20, 90)
        self.bot_replies()
        self.solved_by_bot()
        if self.rng.random() < 0.12:
            self.now += self.rng.randrange(4, 120) * MINUTE
            self.requester_writes()
            self.reopened(Actor.requester)
            self.begin()
            self.work()
            self.finish()
        else:
            self.close()

    # The middle

    def work(self) -> None:
        """What the owner does until its part is done."""
        rng, owner = self.rng, self.owner
        if rng.random() < owner.promises:
            self.give_promise()
        if rng.random() < owner.asks:
            self.ask_requester()
        if rng.random() < owner.vendor:
            self.wait_for_others(Waiting.third_party, 14.0)
        if rng.random() < owner.waits_for[1]:
            self.wait_for_others(Waiting.other_department, 6.0)
        if owner.id == self.service.department and rng.random() < self.service.child[1]:
            self.open_child()
        effort = owner.effort * SPEED[self.priority]
        if rng.random() < 0.45:
            self.wait_for_human(effort * 0.4)
            self.note()
            effort *= 0.6
        if self.world.evenings.random() < owner.overtime:
            self.work_late()
        before = self.now
        self.wait_for_human(effort)
        if self.now - before > 30 * HOUR and rng.random() < 0.3:
            self.chase(before)

    def work_late(self) -> None:
        """Somebody goes on with it when the office is closed."""
        late = self.now + int(self.world.evenings.uniform(1, 10) * HOUR)
        if not self.opening().is_open(late):
            self.now = late
            self.note()

    def give_promise(self) -> None:
        self.wait_for_human(self.owner.effort * 0.2)
        self.promise = f"{self.subject}/p{self._changes}"
        due = self.opening().after(self.now, (4.0 + 2.2 * self.owner.effort) * HOUR)
        self.promised(self.promise, due)
        self.answer()
        if self.rng.random() < 0.4:
            self.wait_for_requester(0.7)
            self.agreed(self.promise)
        if self.rng.random() < 0.3:
            self.renegotiate(due)

    def renegotiate(self, due: int) -> None:
        """Another date, named before the first has passed, or when it is too late; not everybody agrees to it, or in time."""
        self.wait_for_human(self.owner.effort * 0.8)
        self.promised(self.promise, self.opening().after(max(self.now, due), (2.0 + self.owner.effort) * HOUR))
        self.answer()
        if self.rng.random() < 0.6:
            self.wait_for_requester(2.0)
            self.agreed(self.promise)

    def ask_requester(self) -> None:
        rng = self.rng
        self.wait_for_human(self.owner.effort * 0.15)
        self.ask_back()
        self.paused(Waiting.requester, "" if rng.random() < 0.06 else "question")
        self.wait_for_requester(3.5)
        self.requester_writes()
        forgets = rng.random() < self.owner.forgets
        if forgets:
            self.wait_for_human(self.owner.begin)
        self.resumed(by_human=forgets)
        self.wait_for_human(0.8 * self.owner.begin * self.world.busy[self.owner.id])
        self.answer()

    def wait_for_others(self, whom: Waiting, hours: float) -> None:
        self.wait_for_human(self.owner.effort * 0.15)
        reason = "supplier" if whom is Waiting.third_party else self.owner.waits_for[0]
        self.paused(whom, reason)
        self.wait_for_human(hours)
        self.resumed(by_human=True)

    def open_child(self) -> None:
        """A case of its own for another department, and a wait until it is solved."""
        self.wait_for_human(0.3)
        service = Service(self.service.name, self.service.child[0], 1.0)
        child = Story(self.world, self.world.units[self.owner.unit], self.who(), service, self.now)
        data = CreatedData(requester=self.who(), requester_group=self.owner.unit, service=service.name, channel="child")
        child.created(data)
        child.add(ChildLinked, Actor.system, "", ChildData(parent=self.subject))
        child.routed(child.group, by_human=False)
        self.paused(Waiting.other_department, "child")
        child.begin()
        child.work()
        self.now = max(self.now, child.solve())
        child.close()
        self.account.served_by(child.account)
        self.resumed(by_human=False)

    def chase(self, since: int) -> None:
        """The requester asks how it stands, and is answered."""
        resume = self.now
        self.now = since
        self.wait_for_requester(6.0)
        if self.now >= resume:
            self.now = resume
            return
        self.requester_writes()
        self.wait_for_human(self.owner.begin * 1.3)
        self.answer()
        self.now = max(self.now, resume)

    # From one department to the next

    def onward(self) -> tuple[str, ...]:
        chance = self.rng.random()
        for probability, departments in self.service.onward:
            chance -= probability
            if chance < 0:
                return departments
        return ()

    def hand_over(self, receiver: Department) -> None:
        """To ``receiver``, who may send it back for what is missing, or may not be the right one at first."""
        giver, giver_group = self.owner, self.group
        pair = self.world.pair(giver.id, receiver.id, self.now)
        chance = self.rng.random()
        if chance < pair.wrong:
            self.pass_through(giver, receiver)
        self.route(receiver, receiver.groups[0])
        self.accept(receiver.accept * pair.slow)
        if self.rng.random() < 0.04:
            self.put_back(patient=True)
        if chance > 1.0 - pair.needs_info:
            self.wait_for_human(0.3)
            self.note()
            self.route(giver, giver_group, "needs_info")
            self.accept(giver.accept)
            if self.rng.random() < 0.4:
                self.ask_requester()
            self.wait_for_human(1.0)
            self.note()
            self.route(receiver, receiver.groups[0])
            self.accept(receiver.accept * pair.slow)
        if not self.answered or self.rng.random() < 0.6:
            self.wait_for_human(receiver.answer)
            self.answer()

    def pass_through(self, giver: Department, receiver: Department) -> None:
        """To somebody who passes it on untouched."""
        others = [d for d in self.world.departments.values() if d is not giver and d is not receiver]
        if not others:
            return
        wrong = self.rng.choice(others)
        self.route(wrong, wrong.groups[0])
        self.wait_for_human(wrong.accept)

    def route(self, department: Department, group: str, reason: str = "") -> None:
        self.routed(group, reason)
        self.owner, self.group, self.agent = department, group, ""

    def accept(self, hours: float) -> None:
        before = self.now
        due = self.human_at(hours * self.world.busy[self.owner.id] * SPEED[self.priority])
        if due - before > 40 * HOUR and self.rng.random() < 0.25:
            self.wait_for_requester(6.0)
            if self.now < due:
                self.requester_writes()
        self.now = due
        self.take_up()

    def take_up(self) -> None:
        if self.rng.random() < 0.8:
            self.claim()
        else:
            self.note()

    # The end

    def finish(self) -> None:
        """Solved, perhaps with thanks, perhaps reopened, closed in the end."""
        self.solve()
        rng, owner = self.rng, self.owner
        chance = rng.random()
        if chance < owner.reopened:
            self.wait_for_requester(5.0)
            self.requester_writes()
            self.reopened(Actor.requester)
            self.wait_for_human(owner.begin)
            self.answer()
            self.wait_for_human(owner.effort * 0.8)
            self.solve()
        elif chance < owner.reopened + 0.02:
            self.wait_for_requester(1.0)
            self.requester_writes()
            self.reopened(Actor.system)
            self.now = self.opening().after(self.now, rng.uniform(3, 40) * MINUTE)
            self.solved()
        if rng.random() < owner.thanked:
            solved = self.now
            self.wait_for_requester(1.5)
            self.thanked(for_speed=rng.random() < 0.3)
            self.now = max(solved, self.now)
            self.close(solved)
        else:
            self.close()

    def solve(self) -> int:
        if self.promise:
            if self.rng.random() < 0.6:
                self.delivered(self.promise)
            self.promise = ""
        chance = self.rng.random()
        if chance < (0.7 if self.answered else 0.92):
            self.answer()
        elif chance > 0.96:
            self.note()
        if self.rng.random() < 0.015:
            self.solved_elsewhere()
        else:
            self.solved(group=self.group)
        return self.now

    def close(self, solved: int | None = None) -> None:
        self.now = max(self.now, (self.now if solved is None else solved) + CLOSES_AFTER)
        self.closed()
