"""Each measure of one case, read off its account (METRICS 2.3 to 2.9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from ingest.event import Actor
from ingest.simulation.account import FAR, Account, Episode, Place
from ingest.simulation.kept import Value
from ingest.simulation.regard import Regarded
from ingest.simulation.tenure import Tenure, ended, first
from ingest.simulation.waits import waiting
from ingest.simulation.world import UNOWNED, Places


class Measured(NamedTuple):
    """One value at one level; durations as of the end where it still runs. ``due`` is None without a promise, and while paused."""

    case: str
    measure: str
    level: int
    department: str
    counterpart: str
    start: int
    stop: int | None
    outcome: str
    calendar_us: int
    business_us: int
    due: int | None = None


def measure(account: Account, places: Places, now: int) -> Iterator[Measured]:
    """Everything there is to say about a case."""
    if not account.episodes:
        return
    case = _Case(account, places, now)
    for v in case.values():
        path, other = places.path(v.department), places.path(v.counterpart) if v.counterpart else ()
        for level in range(places.levels) if v.level < 0 else (v.level,):
            counterpart = other[level] if other else ""
            yield Measured(
                account.subject, v.measure, level, path[level], counterpart, v.start, v.stop, v.outcome,
                v.calendar_us, v.business_us, v.due,
            )  # fmt: skip


class Turn(NamedTuple):
    """In episode number ``episode``; ``label``: the department as it is called at the level."""

    episode: int
    label: str
    department: str
    giver: str
    since: Place
    until: Place


class _Case(Regarded):
    def values(self) -> Iterator[Value]:
        if self.account.struck is not None:
            _, at = self.account.struck
            yield Value("excluded", -1, self.owner(at), at[0], at[0], "done", 0, 0)
            return
        yield from self.orphan()
        yield from self.first_response()
        yield from self.next_response()
        yield from self.resolutions()
        yield from self.reopening()
        yield from self.silence()
        yield from self.promises()
        yield from self.pauses_founded()
        yield from self.bots()
        yield from self.thanked()
        yield from self.after_hours()
        for level in range(self.places.levels):
            yield from self.ownership(level)
            yield from self.rework(level)
            yield from self.acceptance(level)
            yield from self.ping_pong(level)
            yield from self.round_trips(level)
        yield from (Value(*share, counterpart=self.asker) for share in waiting(self, self.asked))

    # The measures

    def orphan(self) -> Iterator[Value]:
        """Nobody has it."""
        for episode in self.episodes:
            for t in self.within(episode.since, episode.until):
                if t.department == UNOWNED:
                    start = t.since[0]
                    stop = t.until[0] if t.until < FAR else None
                    end = self.until(stop)
                    time = self.worked(UNOWNED, start, end)
                    yield Value("orphan", -1, UNOWNED, start, stop, self.judged(None, stop), end - start, time)

    def first_response(self) -> Iterator[Value]:
        """From the request to the first word of a human; once more, if a bot had solved it and it came back."""
        opened, start = self.created, self.asked
        skip = self.account.on_behalf
        while True:
            heard = [p for p in self.public if p > opened][1 if skip else 0 :]
            answer = next((p for p in heard if p[0] > start), FAR)
            end = ended(self.episodes, opened)
            closing = end.until if end else FAR
            at = min(answer, closing)
            owning = next((t for t in self.within(opened, at) if t.department != UNOWNED), None)
            yield from self._responded("first_response", start, opened, owning, at, self.gave_up(end, at))
            if end is None or at != closing or end.actor is not Actor.provider_bot:
                return
            back = next((e for e in self.episodes if e.since > closing), None)
            if back is None:
                return
            opened, start = back.since, back.since[0]

    def gave_up(self, end: Episode | None, at: Place) -> bool:
        """The case ended, and no human had solved it."""
        human = end is not None and end.actor is Actor.provider_human and end.kind != "deleted"
        return end is not None and at == end.until and not human

    def _responded(
        self, name: str, start: int, opened: Place, owning: Tenure | None, at: Place, gave_up: bool
    ) -> Iterator[Value]:
        stop = at[0] if at < FAR else None
        end = self.until(stop)
        if owning is None:
            if stop is not None:
                outcome = self.judged(None, stop, gave_up=gave_up)
                work = self.worked(UNOWNED, start, end)
                yield Value(name, -1, UNOWNED, start, stop, outcome, end - start, work, None, self.asker)
            return
        department, since = owning.department, max(owning.since[0], start)
        began = max(owning.since, opened)
        due = self.promised(name, department, began, since, at)
        time = self.worked(UNOWNED, start, since) + self.worked(department, since, end)
        outcome = self.judged(due, stop, gave_up=gave_up)
        yield Value(name, -1, department, start, stop, outcome, end - start, time, due, self.asker)

    def next_response(self) -> Iterator[Value]:
        """Whoever had an answer before writes again, and waits for the next."""
        ends = [e for e in self.episodes if e.until < FAR]
        humans = [e.until for e in ends if e.actor is Actor.provider_human and e.kind != "deleted"]
        answers = sorted([*self.public, *humans])
        free = self.created
        for at, _ in self.account.wrote:
            open_then = any(e.since <= at < e.until for e in self.episodes)
            if at < free or not open_then or not answers or answers[0] > at:
                continue
            end = ended(self.episodes, at)
            stop = min(first(self.public, at), end.until if end else FAR)
            owning = next(t for t in self.within(at, FAR))
            yield from self._responded("next_response", at[0], at, owning, stop, self.gave_up(end, stop))
            free = stop

    def resolutions(self) -> Iterator[Value]:
        """To the first solution, pauses included; and each episode's working time, without them."""
        for i, episode in enumerate(self.episodes):
            start = self.asked if i == 0 else episode.since[0]
            stop = episode.until[0] if episode.until < FAR else None
            end = self.until(stop)
            gave_up = episode.kind == "deleted"
            nobody = stop is None or gave_up
            department = self.owner(min(self.end, episode.until)) if nobody else self.solver(episode)
            if stop is None and department == UNOWNED:
                continue
            if i == 0:
                outcome, time = self.judged(None, stop, gave_up=gave_up), self.owned(start, end)
                yield Value(
                    "first_resolution", -1, department, start, stop, outcome, end - start, time, None, self.asker
                )
            owning = next((t for t in self.within(episode.since, episode.until) if t.department != UNOWNED), None)
            due = None
            if owning is not None:
                since = max(owning.since[0], start)
                began = max(owning.since, episode.since)
                due = self.promised("resolution", owning.department, began, since, episode.until, pauses=True)
            outcome = self.judged(due, stop, gave_up=gave_up, paused=stop is None and self.paused_now())
            time = self.owned(start, end, pauses=True)
            yield Value("resolution", -1, department, start, stop, outcome, end - start, time, due, self.asker)
            if stop is not None and due is not None and due < stop and not gave_up:
                yield from self.breach(start, due)
            if stop is not None and owning is not None and not gave_up:
                yield from self.margin(i, department, owning, start)

    def reopening(self) -> Iterator[Value]:
        """Whether a solution held for seven working days. One that held has no duration."""
        for i, episode in enumerate(self.episodes):
            if episode.until == FAR or episode.kind == "deleted" or self.courtesy(i):
                continue
            yield self.held("reopening", i, self.solver(episode))

    def held(self, name: str, i: int, department: str) -> Value:
        """Of the solution of episode ``i``."""
        start = self.episodes[i].until[0]
        due = self.due(department, "7bd", start)
        stop = self.reopened(i)
        broken = stop is not None and due is not None and stop <= due
        held = not broken and due is not None and due <= self.now
        outcome = "missed" if broken else "met" if held else "running"
        end = start if held and stop is None else self.until(stop)
        time = self.worked(department, start, end)
        return Value(name, -1, department, start, stop, outcome, end - start, time, due, self.asker)

    def bots(self) -> Iterator[Value]:
        """What bots wrote; and what they solved, if it held for seven working days."""
        for at in self.account.bots:
            department, time = self.owner(at), at[0] - self.asked
            worked = self.worked(department, self.asked, at[0])
            yield Value("bot_touch", -1, department, self.asked, at[0], "done", time, worked, None, self.asker)
        for i, episode in enumerate(self.episodes):
            if episode.actor is Actor.provider_bot and episode.kind == "solved" and episode.until < FAR:
                yield self.held("self_service", i, self.owner(episode.until))

    def silence(self) -> Iterator[Value]:
        """The gaps between public messages while it is open; what nobody owned is a gap of its own."""
        for episode in self.episodes:
            taken = [t.since for t in self.within(episode.since, episode.until) if t.department != UNOWNED]
            cuts = [p for p in self.public if episode.since < p < episode.until]
            if self.owner(episode.since) == UNOWNED and taken and first(cuts, episode.since) > taken[0]:
                cuts.insert(0, taken[0])
            edges = [episode.since, *cuts, episode.until]
            for a, b in pairwise(edges):
                department = self.owner(a)
                stop = b[0] if b < FAR else None
                if department == UNOWNED and (stop is None or (taken and b == taken[0] and a[0] == b[0])):
                    continue
                end = self.until(stop)
                time = self.worked(department, a[0], end, pauses=True)
                paused = stop is None and self.paused_now()
                outcome = self.judged(None, stop, paused=paused)
                yield Value("silence", -1, department, a[0], stop, outcome, end - a[0], time, None, self.asker)

    def pauses_founded(self) -> Iterator[Value]:
        """Each wait for the requester, of whoever had the case: with good reason until the requester wrote, if there was one."""
        for pause in self.asked_away:
            wrote = first([at for at, _ in self.account.wrote], pause.since)
            groups = [t.since for t in self.all]
            cuts = sorted({pause.since, *(p for p in (*groups, wrote) if pause.since < p < pause.until), pause.until})
            edges = [p for p in cuts[1:-1] if p == wrote or self.owner(p) != self.owner((p[0], p[1] - 1))]
            if not pause.explained:
                edges = [p for p in edges if self.owner(p) != self.owner((p[0], p[1] - 1))]
            for a, b in pairwise([pause.since, *edges, pause.until]):
                department = self.owner(a)
                founded = pause.explained and a < wrote
                stop = b[0] if b < FAR else None
                if stop == a[0] or (department == UNOWNED and stop is None):
                    continue
                outcome = "running" if stop is None else "met" if founded else "missed"
                end = self.until(stop)
                time = self.worked(department, a[0], end)
                due = None if stop is None else stop if founded else stop - 1
                yield Value("pause", -1, department, a[0], stop, outcome, end - a[0], time, due, self.asker)

    def held_in_turn(self, level: int) -> Iterator[Turn]:
        """Each time in which one department, or what is below it, had the open case."""
        before = ""
        for i, episode in enumerate(self.episodes):
            runs: list[tuple[str, Place, Place]] = []
            for t in self.within(episode.since, episode.until):
                label = UNOWNED if t.department == UNOWNED else self.places.path(t.department)[level]
                if runs and runs[-1][0] == label:
                    runs[-1] = (label, runs[-1][1], t.until)
                else:
                    runs.append((label, t.since, t.until))
            for label, since, until in runs:
                if label == UNOWNED:
                    continue
                department, handed = self.owner(since), self.handed(since)
                giver = before if before and handed and self.places.path(before)[level] != label else ""
                before = self.owner((until[0], until[1] - 1)) if until < FAR else department
                yield Turn(i, label, department, giver, since, until)

    def ownership(self, level: int) -> Iterator[Value]:
        """One value for each turn; from whoever had the case before, if it was handed over."""
        for i, _, department, giver, since, until in self.held_in_turn(level):
            episode = self.episodes[i]
            stop = until[0] if until < FAR else None
            end = self.until(stop)
            target = self.places.target("finish", department, giver, since[0]) if giver else ""
            due = self.due(department, target, since[0], end + 1) if target else None
            deleted = until == episode.until and episode.kind == "deleted"
            if deleted or self.moved(until):
                due = due if due is not None and stop is not None and due < stop else None  # it was taken away
            outcome = self.judged(due, stop, paused=stop is None and self.paused_now())
            time = self.owned(since[0], end, pauses=True)
            yield Value("ownership", level, department, since[0], stop, outcome, end - since[0], time, due, giver)

    def rework(self, level: int) -> Iterator[Value]:
        """Turns of who had had one before, unless the organisation made them, or somebody who only said thank you."""
        had: set[str] = set()
        for i, label, department, giver, since, _ in self.held_in_turn(level):
            thanks = since == self.episodes[i].since and self.courtesy(i)
            if label in had and not thanks and not self.moved(since):
                yield Value("rework", level, department, since[0], since[0], "done", 0, 0, None, giver)
            had.add(label)

    def moved(self, at: Place) -> bool:
        """Whether the organisation moved the group there."""
        return any(t.since == at and not t.handed for t in self.all)

    def acceptance(self, level: int) -> Iterator[Value]:
        """From the hand-over until somebody of the receiver acts, or it is handed on, or the case ends."""
        path = self.places.path
        handed = [t for t in self.all if t.handed and t.department != UNOWNED]
        hands = [(self.holder((t.since[0], t.since[1] - 1)), t) for t in handed[1:]]
        over = [(giver, t) for giver, t in hands if path(giver)[level] != path(t.department)[level]]
        for i, (giver, t) in enumerate(over):
            onward = over[i + 1][1].since if i + 1 < len(over) else FAR
            acted = next((p for p, who in self._taking_up() if p > t.since and self._receives(p, who, level)), FAR)
            end = ended(self.episodes, t.since)
            stop_at = min(acted, onward, end.until if end else FAR)
            stop = stop_at[0] if stop_at < FAR else None
            target = self.places.target("acceptance", t.department, giver, t.since[0])
            due = self.due(t.department, target, t.since[0]) if target else None
            outcome = self.judged(due, stop, gave_up=stop is not None and stop_at not in (acted, onward))
            time = self.worked(t.department, t.since[0], self.until(stop))
            yield Value(
                "acceptance", level, t.department, t.since[0], stop, outcome,
                self.until(stop) - t.since[0], time, due, giver,
            )  # fmt: skip
            if stop is not None and stop_at == acted:
                yield from self.complete(level, giver, t, acted, onward)

    def complete(self, level: int, giver: str, taken: Tenure, acted: Place, onward: Place) -> Iterator[Value]:
        """Whether what was taken up at ``acted`` came back within two working days because something was missing."""
        path, department, start = self.places.path, taken.department, acted[0]
        due = self.due(department, "2bd", start)
        reason = next((why for at, _, why in self.account.routes if at == onward), "")
        back = reason == "needs_info" and path(self.owner(onward))[level] == path(giver)[level]
        missed = back and due is not None and onward[0] <= due
        outcome = "missed" if missed else "met" if due is not None and due <= self.now else "running"
        stop = onward[0] if back else None
        end = start if outcome == "met" and stop is None else self.until(stop)
        time = self.worked(department, start, end)
        yield Value("first_time_complete", level, department, start, stop, outcome, end - start, time, due, giver)

    def _taking_up(self) -> Iterable[tuple[Place, str]]:
        """What counts as taking a case up: whatever a human does on it, solving included."""
        return sorted([*self.acts, *self.account.finished])

    def _receives(self, at: Place, who: str, level: int) -> bool:
        holder = self.holder((at[0], at[1] - 1))
        return self.places.path(self.actor(at, who))[level] == self.places.path(holder)[level]

    def round_trips(self, level: int) -> Iterator[Value]:
        """Back to a department by way of two others or more: as long as those had it."""
        stints = self.stints(level)
        for j, (back, again, _) in enumerate(stints):
            i = next((i for i in reversed(range(j)) if stints[i][2] == again), j)
            if j - i > 2:
                since = stints[i + 1][0]
                holder = self.owner(back)
                giver = self.holder((back[0], back[1] - 1))
                time, lasted = self.owned(since[0], back[0]), back[0] - since[0]
                yield Value("round_trip", level, holder, since[0], back[0], "done", lasted, time, None, giver)

    def stints(self, level: int) -> list[tuple[Place, str, str]]:
        """Who had it in turn: since when, and who that was in the beginning and, where the organisation changed, in the end."""
        path = self.places.path
        stints: list[tuple[Place, str, str]] = []
        for t in self.all:
            if t.department == UNOWNED:
                continue
            label = path(t.department)[level]
            if stints and (not t.handed or label == stints[-1][2]):
                stints[-1] = (stints[-1][0], stints[-1][1], label)
            else:
                stints.append((t.since, label, label))
        return stints

    def ping_pong(self, level: int) -> Iterator[Value]:
        """From one department to another and straight back: as long as the other had it."""
        stints = self.stints(level)
        for (_, _, a), (since, _, b), (back, again, _) in zip(stints, stints[1:], stints[2:], strict=False):
            if again == a != b:
                holder = self.holder((back[0], back[1] - 1))
                giver = self.holder((since[0], since[1] - 1))
                time = self.owned(since[0], back[0])
                yield Value(
                    "ping_pong", level, holder, since[0], back[0], "done", back[0] - since[0], time, None, giver
                )
