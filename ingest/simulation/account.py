"""What happened to one case, in the words of whoever decided it: who had it when, what was waited for, who spoke.

Only what was known at the end of the simulated time is written down: so a correction that came in time replaces what it
corrects, and one that came later does not. :mod:`ingest.simulation.truth` reads from it what must be measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ingest.event import Actor

US = 1_000_000
Place = tuple[int, int]
"""An instant in UTC microseconds, and the number of the decision, for what happens at one instant."""
FAR: Place = (1 << 62, 0)


@dataclass
class Pause:
    whom: str
    since: Place
    until: Place = FAR
    explained: bool = True


@dataclass
class Episode:
    """An open time of a case; ``kind``: solved, closed or deleted, by ``actor`` (and ``who``)."""

    since: Place
    until: Place = FAR
    kind: str = ""
    actor: Actor = Actor.system
    who: str = ""


@dataclass
class Pledge:
    """A promise called ``id``, by ``who``: the ``dates`` that were named (UTC seconds), when the requester agreed to the last of
    them, and when it was kept.
    """

    id: str
    who: str
    dates: list[tuple[Place, int]]
    agreed: list[Place] = field(default_factory=list)
    kept: Place = FAR


@dataclass
class Account:
    """``known``: the end of the simulated time, in seconds; what is decided for later is not written down.

    ``public``: messages of humans who serve; ``acts``: where a human took the case up, and who; ``wrote``: where the requester
    wrote, and whether that opened it again; ``finished``: where a human solved or delivered; ``deeds``: where a human who serves
    wrote, took it up or solved, and who; ``thanks``: where the requester said thank you, and whether for speed. ``struck``: why
    and when the case was taken out of all numbers. ``merged``: the accounts of cases that were merged into this one.
    """

    subject: str
    beneficiary: str
    known: int
    number: int = 0
    on_behalf: bool = False
    routes: list[tuple[Place, str, str]] = field(default_factory=list)
    pauses: list[Pause] = field(default_factory=list)
    episodes: list[Episode] = field(default_factory=list)
    public: list[Place] = field(default_factory=list)
    acts: list[tuple[Place, str]] = field(default_factory=list)
    wrote: list[tuple[Place, bool]] = field(default_factory=list)
    finished: list[tuple[Place, str]] = field(default_factory=list)
    deeds: list[tuple[Place, str]] = field(default_factory=list)
    thanks: list[tuple[Place, bool]] = field(default_factory=list)
    bots: list[Place] = field(default_factory=list)
    priorities: list[tuple[Place, str]] = field(default_factory=list)
    pledges: list[Pledge] = field(default_factory=list)
    children: list[tuple[Place, Place]] = field(default_factory=list)
    merged: list[Account] = field(default_factory=list)
    struck: tuple[str, Place] | None = None

    def place(self, t: int) -> Place | None:
        """Where the next decision stands, at ``t`` seconds; None if that is later than anybody knows."""
        if t >= self.known:
            return None
        self.number += 1
        return (t * US, self.number)

    def opened(self, t: int, on_behalf: bool, priority: str) -> None:
        if at := self.place(t):
            self.on_behalf = on_behalf
            self.episodes.append(Episode(at))
            self.priorities.append((at, priority))

    def classified(self, t: int, priority: str) -> None:
        if at := self.place(t):
            self.priorities.append((at, priority))

    def routed(self, t: int, group: str, reason: str = "") -> None:
        if at := self.place(t):
            self.routes.append((at, group, reason))

    def spoke(self, t: int, who: str) -> None:
        """A human answered, or asked back, in public."""
        if at := self.place(t):
            self.public.append(at)
            self.acts.append((at, who))
            self.deeds.append((at, who))

    def acted(self, t: int, who: str) -> None:
        if at := self.place(t):
            self.acts.append((at, who))
            self.deeds.append((at, who))

    def promised(self, t: int, who: str, id: str, due: int) -> None:
        """For the first time, or until another date."""
        if at := self.place(t):
            self.acts.append((at, who))
            known = next((pledge for pledge in self.pledges if pledge.id == id), None)
            if known is None:
                self.pledges.append(Pledge(id, who, [(at, due)]))
            else:
                known.dates.append((at, due))

    def agreed(self, t: int, id: str) -> None:
        if at := self.place(t):
            next(pledge for pledge in self.pledges if pledge.id == id).agreed.append(at)

    def delivered(self, t: int, who: str, id: str) -> None:
        if at := self.place(t):
            self.acts.append((at, who))
            self.finished.append((at, who))
            next(pledge for pledge in self.pledges if pledge.id == id).kept = at

    def paused(self, t: int, whom: str, who: str, *, explained: bool) -> None:
        if at := self.place(t):
            self.acts.append((at, who))
            self.pauses.append(Pause(whom, at, explained=explained))

    def resumed(self, t: int) -> None:
        if (at := self.place(t)) and self.pauses and self.pauses[-1].until == FAR:
            self.pauses[-1].until = at

    def bot_spoke(self, t: int) -> None:
        if at := self.place(t):
            self.bots.append(at)

    def written(self, t: int) -> None:
        if at := self.place(t):
            self.wrote.append((at, False))

    def thanked(self, t: int, *, for_speed: bool) -> None:
        if at := self.place(t):
            self.thanks.append((at, for_speed))

    def ended(self, t: int, kind: str, actor: Actor, who: str = "") -> None:
        at = self.place(t)
        if at is None:
            return
        human = actor is Actor.provider_human
        if kind == "solved" and human:
            self.finished.append((at, who))
            self.deeds.append((at, who))
        last = self.episodes[-1]
        if last.until == FAR:
            last.until, last.kind, last.actor, last.who = at, kind, actor, who
            if self.pauses and self.pauses[-1].until == FAR:
                self.pauses[-1].until = at

    def reopened(self, t: int, by_requester: bool) -> None:
        if at := self.place(t):
            self.episodes.append(Episode(at))
            if by_requester:
                self.wrote.append((at, True))

    def strike(self, t: int, why: str) -> None:
        """From ``t`` on the case counts nowhere."""
        if at := self.place(t):
            self.struck = (why, at)

    def absorb(self, t: int, other: Account) -> None:
        """``other`` was merged into this one at ``t``, for good."""
        if t < self.known:
            self.merged.append(other)

    def served_by(self, child: Account) -> None:
        """A case that was opened to serve this one."""
        self.children += [(episode.since, episode.until) for episode in child.episodes]
