"""How a case was taken: whether the requester said thank you, and how much was done in the evenings (METRICS 3.3, MOR-10)."""

from __future__ import annotations

from collections.abc import Iterator

from ingest.simulation.account import FAR, Episode, Place
from ingest.simulation.kept import Kept, Value
from ingest.simulation.tenure import first
from ingest.simulation.world import UNOWNED


class Regarded(Kept):
    def thanked(self) -> Iterator[Value]:
        """Within five working days of the first solution that nobody needed to reopen in them."""
        for i, episode in enumerate(self.episodes):
            if episode.until == FAR or episode.kind == "deleted" or self.courtesy(i):
                continue
            department, start = self.solver(episode), episode.until[0]
            due = self.due(department, "5bd", start)
            if due is None:
                raise AssertionError("what no pause holds up is due some day")
            again = self.episodes[i + 1].since if i + 1 < len(self.episodes) else FAR
            said = first([at for at, _ in self.account.thanks], episode.until)
            if said < again and said[0] <= due:
                speed = any(for_speed for at, for_speed in self.account.thanks if at == said)
                yield from self._thanks(i, department, due, said, speed=speed)
                return
            if again[0] > due:
                outcome = "missed" if due <= self.now else "running"
                stop = due + 1
                yield Value("thanks", -1, department, start, stop, outcome, stop - start, 0, due, self.asker)
                return
            if self.courtesy(i + 1):
                yield from self._thanks(i, department, due, again)
                return
            yield Value("thanks", -1, department, start, again[0], "cancelled", again[0] - start, 0, due, self.asker)

    def _thanks(self, i: int, department: str, due: int, at: Place, *, speed: bool = False) -> Iterator[Value]:
        start, stop = self.episodes[i].until[0], at[0]
        lasted, time = stop - start, self.worked(department, start, stop)
        yield Value("thanks", -1, department, start, stop, "met", lasted, time, due, self.asker)
        timely = speed or self.early(i)
        outcome, due = ("met", stop) if timely else ("missed", stop - 1)
        yield Value("timely_thanks", -1, department, start, stop, outcome, lasted, time, due, self.asker)

    def early(self, i: int) -> bool:
        """Whether a quarter of the promised time was left at the solution of episode ``i``."""
        episode = self.episodes[i]
        owning = next((t for t in self.within(episode.since, episode.until) if t.department != UNOWNED), None)
        found = self.left(episode, owning, episode.since[0] if i else self.asked) if owning is not None else None
        return found is not None and found[1]

    def after_hours(self) -> Iterator[Value]:
        """What people did while it was open, by whether their own department was: a million for each."""
        for episode in self.episodes:
            if episode.until < FAR:
                yield from self._done_in(episode)

    def _done_in(self, episode: Episode) -> Iterator[Value]:
        stop = episode.until[0]
        done: dict[tuple[str, bool], list[int]] = {}
        for at, who in sorted(self.account.deeds):
            if episode.since < at <= episode.until:
                department = self.actor(at, who)
                if department != UNOWNED:
                    outside = self.worked(department, at[0], at[0] + 1) == 0
                    done.setdefault((department, outside), []).append(at[0])
        for (department, outside), times in done.items():
            outcome, due = ("missed", stop - 1) if outside else ("met", stop)
            lasted, acts = stop - times[0], len(times) * 1_000_000
            yield Value("after_hours", -1, department, times[0], stop, outcome, lasted, acts, due)
