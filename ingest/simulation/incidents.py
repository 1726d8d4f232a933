"""What does not go as it should: asked twice, merged and unmerged, withdrawn, excluded, recorded wrongly and corrected."""

from __future__ import annotations

from ingest.event import (
    Actor,
    Corrected,
    CorrectedData,
    Excluded,
    ExcludedData,
    Merged,
    MergedData,
    Replied,
    Restored,
    Solved,
    Unmerged,
)
from ingest.simulation.case import Case, instant
from ingest.simulation.parts import HOUR, MINUTE


class Incidents(Case):
    """Each is a detour of one case; what its account says is what is known in the end. ``over``: the detour has ended it."""

    over = False

    def knows(self, t: int) -> bool:
        """Whether what happens at ``t`` is known when the simulated time is over."""
        return t < self.world.known

    # Merged

    def merge(self, duplicate: Incidents) -> bool:
        """``duplicate`` is merged into this case, and sometimes out of it again: then it goes on, and True is returned."""
        rng = self.rng
        here = self.now
        duplicate.agent = self.agent
        if rng.random() < 0.3:
            early = duplicate.opening().after(duplicate.now, rng.uniform(1, 5) * MINUTE)
            if max(duplicate.now, self.began) < early < here:
                duplicate.now = early
                duplicate.answer()
        duplicate.now = max(here, duplicate.opening().after(duplicate.now, 5 * MINUTE))
        merged_at = duplicate.now
        duplicate.human(Merged, MergedData(into=self.subject))
        apart = rng.random() < 0.2
        if apart:
            duplicate.wait_for_human(rng.uniform(0.2, 8.0))
            duplicate.human(Unmerged)
        if not apart or not self.knows(duplicate.now):
            duplicate.account.strike(merged_at, "merged")
            self.account.absorb(merged_at, duplicate.account)
        return apart

    # Out of the numbers

    def spam(self) -> None:
        """Not meant for anybody: deleted within the hour."""
        self.now += self.rng.randrange(4, 50) * MINUTE
        self.deleted(Actor.system)
        self.gone(self.now, Actor.system)

    def gone(self, at: int, actor: Actor) -> None:
        """Deleted at ``at``, for good: within an hour, and before any human answered, that is no case at all."""
        answered = self.answered or any(other.public for other in self.account.merged)
        if at - self.began <= HOUR and not answered:
            self.account.strike(at, "spam")
        else:
            self.account.ended(at, "deleted", actor)

    def withdrawn(self) -> None:
        """The requester takes it back, or asks somebody there to."""
        self.wait_for_requester(1.0)
        actor = Actor.requester
        if self.rng.random() < 0.3:
            actor = Actor.provider_human
            self.wait_for_human(0.2)
        self.deleted(actor)
        self.gone(self.now, actor)

    def deleted_by_mistake(self) -> None:
        """Deleted, and restored soon: as if nothing had happened."""
        self.wait_for_human(0.3)
        at = self.now
        self.deleted(Actor.system)
        self.now = self.opening().after(at, self.rng.uniform(2, 50) * MINUTE)
        self.add(Restored, Actor.provider_human, self.who())
        if not self.knows(self.now):
            self.gone(at, Actor.system)

    def excluded(self) -> None:
        """A test, or a case that came over from another system: taken out by hand, sometimes put back."""
        at = self.now
        reason = self.rng.choice(("test", "migrated"))
        self.human(Excluded, ExcludedData(reason=reason, role="service lead"))
        if self.rng.random() < 0.4:
            self.now = self.opening().after(at, self.rng.uniform(1, 20) * HOUR)
            self.human(Excluded, ExcludedData(reason=reason, role="service lead", reverted=True))
            if self.knows(self.now):
                return
        self.account.strike(at, reason)

    # Nobody's, or somebody else's

    def put_back(self, *, patient: bool = False) -> None:
        """Back into the pool: nobody has it until somebody routes it again, or the requester has had enough."""
        self.routed("", "not ours")
        self.agent = ""
        if not patient and self.rng.random() < 0.25:
            self.over = True
            self.withdrawn()
            return
        self.wait_for_human(self.rng.uniform(0.2, 6.0))
        self.routed(self.group, by_human=False)
        self.wait_for_human(0.5)
        self.claim()

    def solved_elsewhere(self) -> None:
        """A colleague from another department does it, in that department's name."""
        others = [d for d in self.world.departments.values() if d is not self.owner]
        other = self.rng.choice(others or [self.owner])
        self.now = self.world.openings[other.unit].after(self.now, 60)
        self.agent = self.rng.choice(self.world.people[other.unit])
        self.solved(group=other.groups[0])
        self.agent = ""

    # Recorded wrongly

    def solved_by_mistake(self) -> None:
        """The wrong button: the solution is void as soon as somebody says so."""
        at = self.now
        wrong = self.human(Solved)
        self.now = self.opening().after(at, self.rng.uniform(3, 90) * MINUTE)
        self.human(Corrected, CorrectedData(supersedes=wrong))
        if not self.knows(self.now):
            self.account.ended(at, "solved", Actor.provider_human, self.agent)

    def called_back(self) -> None:
        """An answer by telephone, written down later: it counts from when it was given, and that is after what was written then."""
        given = self.now + 1
        self.now = self.opening().after(self.now, self.rng.uniform(5, 100) * MINUTE)
        written = self.now
        reply = self.human(Replied)
        self.now = self.opening().after(written, self.rng.uniform(0.5, 5) * MINUTE)
        self.human(Corrected, CorrectedData(supersedes=reply, at=instant(given)))
        self.answered = True
        self.account.spoke(given if self.knows(self.now) else written, self.agent)
