"""What was promised of a case, and how it was kept: by whom, until when, and by how much better (METRICS 2.7, 3.1 and 3.2)."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from ingest.event import Actor
from ingest.simulation.account import FAR, US, Account, Episode, Place
from ingest.simulation.tenure import HOUR, Tenure, Tenures, ended
from ingest.simulation.world import UNOWNED, Places


class Value(NamedTuple):
    """A value before it is shown at one level (-1: at all)."""

    measure: str
    level: int
    department: str
    start: int
    stop: int | None
    outcome: str
    calendar_us: int
    business_us: int
    due: int | None = None
    counterpart: str = ""


class Kept(Tenures):
    def __init__(self, account: Account, places: Places, now: int) -> None:
        super().__init__(account, places, now)
        self.episodes = account.episodes
        self.created = account.episodes[0].since
        self.asker = account.beneficiary
        lent = [p for other in account.merged for p in other.public if p > self.created]
        self.public = sorted([*account.public, *lent])
        self.acts = sorted([*account.acts, *((p, "") for p in lent)])
        self.asked = min([self.created[0], *(o.episodes[0].since[0] for o in account.merged if o.episodes)])

    def until(self, stop: int | None) -> int:
        return self.now if stop is None else stop

    def courtesy(self, i: int) -> bool:
        """An episode in which nobody worked, over within an open hour: who reopened the case only said thank you."""
        episode = self.episodes[i]
        if i == 0 or episode.until == FAR or episode.kind == "deleted":
            return False
        work = [at for at, _ in self.account.acts] + [at for at, *_ in self.account.routes]
        idle = not any(episode.since < at < episode.until for at in work)
        return idle and self.worked(self.owner(episode.until), episode.since[0], episode.until[0]) <= HOUR

    def solver(self, episode: Episode) -> str:
        """Whose solution it is."""
        human = episode.actor is Actor.provider_human
        return self.actor(episode.until, episode.who) if human else self.owner(episode.until)

    def reopened(self, i: int) -> int | None:
        """When what was solved in episode ``i`` was taken up again, and not out of courtesy."""
        return next((self.episodes[j].since[0] for j in range(i + 1, len(self.episodes)) if not self.courtesy(j)), None)

    def judged(self, due: int | None, stop: int | None, *, gave_up: bool = False, paused: bool = False) -> str:
        """Met or missed where there is something to keep; the end of a case without it is neither, unless it was late."""
        if gave_up and (due is None or (stop is not None and stop <= due)):
            return "cancelled"
        if due is not None:
            if stop is not None and stop <= due:
                return "met"
            return "missed" if due <= self.now else "running"
        if stop is not None:
            return "done"
        return "paused" if paused else "running"

    def promised(
        self, kind: str, department: str, began: Place, since: int, stop: Place, *, pauses: bool = False
    ) -> int | None:
        """When a promise to the requester is due that counts from ``since`` on, by the priority of the case at ``began`` and at
        each change until ``stop``: what is overdue stays so, and a change can make it due at once, but not before.
        """
        last = self.until(stop[0] if stop < FAR else None) + 1

        def due_of(priority: str, until: int) -> int | None:
            target = self.places.target(kind, department, self.asker, since, priority)
            return self.due(department, target, since, until if pauses else None) if target else None

        known = [priority for at, priority in self.account.priorities if at <= began][-1]
        due = due_of(known, last)
        for at, priority in self.account.priorities:
            if not began < at < stop:
                continue
            if priority == known:
                continue
            was = due_of(known, at[0]) if due is None or due > at[0] else due
            if was is not None and was <= at[0]:
                break
            paused = next((p for p in self.asked_away if pauses and p.since < at < p.until), None)
            soonest = at[0] if paused is None else paused.until[0]
            known, due = priority, due_of(priority, last)
            if due is not None and due < soonest:
                due = soonest if soonest <= self.now else None
        return due

    def promises(self) -> Iterator[Value]:
        """By the first date, and by the last that was named and agreed to before the one before it had passed."""
        for pledge in self.account.pledges:
            made, dates = pledge.dates[0][0], [US * due for _, due in pledge.dates]
            agreed = dates[0]
            for (named, _), due in zip(pledge.dates[1:], dates[1:], strict=True):
                again = next((at for at, _ in pledge.dates if at > named), FAR)
                if any(named < at < again and at[0] <= agreed for at in pledge.agreed):
                    agreed = due
            end = ended(self.episodes, made)
            stop_at = min(pledge.kept, end.until if end else FAR)
            stop = stop_at[0] if stop_at < FAR else None
            gave_up = end is not None and stop_at == end.until and end.kind == "deleted"
            department, until = self.actor(made, pledge.who), self.until(stop)
            time = self.worked(department, made[0], until)
            for name, due in (("promise_first", dates[0]), ("promise_final", agreed)):
                outcome = self.judged(due, stop, gave_up=gave_up)
                yield Value(name, -1, department, made[0], stop, outcome, until - made[0], time, due, self.asker)

    def left(self, episode: Episode, owning: Tenure, start: int) -> tuple[Fraction, bool] | None:
        """The share of the promised time that was left at a solution, and whether it was a quarter; None: nothing was promised."""
        stop = episode.until[0]
        since, began = max(owning.since[0], start), max(owning.since, episode.since)
        changes = [(at, priority) for at, priority in self.account.priorities if at < episode.until]
        known = [priority for at, priority in changes if at <= began][-1]
        target = self.places.target("resolution", owning.department, self.asker, since, known)
        if not target:
            return None
        for at, priority in changes:
            if at > began:
                due = self.promised("resolution", owning.department, began, since, at, pauses=True)
                if due is not None and due <= at[0]:
                    break
                target = self.places.target("resolution", owning.department, self.asker, since, priority)
        used = self.used(owning.department, target, since, stop)
        left = max(1 - used, Fraction(-1))
        over = self.promised("resolution", owning.department, began, since, episode.until, pauses=True)
        return left, left >= Fraction(1, 4) and not (over is not None and over < stop)

    def margin(self, i: int, department: str, owning: Tenure, start: int) -> Iterator[Value]:
        """What was left, in millionths; and whether it was a quarter, and the solution held."""
        episode = self.episodes[i]
        stop = episode.until[0]
        found = None if self.courtesy(i) else self.left(episode, owning, start)
        if found is None:
            return
        left, clearly = found
        yield Value(
            "margin", -1, department, start, stop, "done", stop - start, int(left * 1_000_000), None, self.asker
        )
        due = self.due(department, "7bd", stop)
        back = self.reopened(i)
        end = back if clearly else stop
        broken = end is not None and due is not None and end <= due
        held = not broken and due is not None and due <= self.now
        outcome = "missed" if broken else "met" if held else "running"
        until = stop if held and end is None else self.until(end)
        time = self.worked(department, stop, until)
        yield Value("exceeded", -1, department, stop, end, outcome, until - stop, time, due, self.asker)

    def breach(self, start: int, due: int) -> Iterator[Value]:
        """How long each department had the case, until it was late, without the time in which the requester was asked."""
        had = [t for t in self.all if t.department != UNOWNED and t.since[0] < due and start < t.until[0]]
        for level in range(self.places.levels):
            sums: dict[str, tuple[int, str, int]] = {}
            for t in had:
                a, b = max(start, t.since[0]), min(due, t.until[0])
                stretches = self.running(a, b)
                if not stretches:
                    continue
                label = self.places.path(t.department)[level]
                since, department, time = sums.get(label, (stretches[0][0], t.department, 0))
                time += sum(self.worked(t.department, *stretch) for stretch in stretches)
                sums[label] = (since, department, time)
            for since, department, time in sums.values():
                yield Value("breach", level, department, since, due, "done", due - since, time, None, self.asker)
