"""A case as it was measured here, and what it would have been if counted in another way. Instants and durations in µs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from deploy.course import CLOSED, Stretch
from deploy.explain import explain, moments_of
from streams import kinds
from streams.configuration import Configuration
from streams.fact import UNOWNED, Fact, Outcome
from streams.fold import resolve
from streams.hours import ALWAYS, Calendar
from streams.measures.waiting import PARTIES
from streams.timeline import HUMAN, OWN

EVERYBODY = frozenset(PARTIES)
OPEN = EVERYBODY - {CLOSED}
MESSAGES = (kinds.replied, kinds.asked_requester, kinds.bot_replied)

Hours = Callable[[Stretch], Calendar]
"""By whose hours a stretch of the case counts."""


class Way(NamedTuple):
    """One way of counting: from ``start`` to ``stop`` (None: it has not come), while the case waits for one of ``parties``."""

    start: int
    stop: int | None
    parties: frozenset[str] = EVERYBODY


def always(_: Stretch) -> Calendar:
    """Every hour counts."""
    return ALWAYS


class Measured:
    """``facts`` are of the deepest level; ``course`` reaches from the request to the watermark ``now`` without a gap.

    ``excluded``: why it counts nowhere (empty: it does), and ``into`` which case it was merged, if that is why. ``vendor_hours``:
    the vendor's own schedules by department, where they are known.
    """

    def __init__(
        self,
        case_id: str,
        records: Sequence[bytes],
        config: Configuration,
        now: int,
        vendor_hours: Mapping[str, Calendar] = {},
    ) -> None:
        self.config, self.now, self.vendor_hours = config, now, vendor_hours
        explanation = explain(case_id, records, config, now)
        self.facts = [item.fact for item in explanation.facts]
        self.moments, standing = resolve(moments_of(records, now))
        self.excluded, self.into = standing.reason, standing.into
        self.course = list(explanation.course)
        if self.course and (last := self.course[-1]).until < now:  # the time after the last solution has no fact
            self.course.append(Stretch(last.until, now, last.department, CLOSED, 0))

    # -- what happened
    @property
    def asked(self) -> int:
        """When it was first asked for: also by a case that was merged into it."""
        return self.course[0].since if self.course else self.created

    @property
    def created(self) -> int:
        return next((m.time for m in self.moments if m.kind == kinds.created and m.relation == OWN), self.now)

    @property
    def for_another(self) -> bool:
        """Whether somebody who serves opened it for who asks."""
        return any(m.kind == kinds.created and m.relation == OWN and m.actor == HUMAN for m in self.moments)

    @property
    def reopened(self) -> list[int]:
        return [m.time for m in self.moments if m.kind == kinds.reopened and m.relation == OWN]

    @property
    def solved(self) -> list[int]:
        """When each of its episodes ended, but one that goes on."""
        return [stop for fact in self.of("resolution") if (stop := answered(fact)) is not None]

    @property
    def is_open(self) -> bool:
        """Also where it was solved just now, and no time has passed since."""
        if not self.course:
            return True
        last, ends = self.course[-1], [fact.stop for fact in self.of("resolution")]
        return last.waits_for != CLOSED and last.until not in ends

    def of(self, measure: str) -> list[Fact]:
        """In the order in which they began."""
        return sorted((fact for fact in self.facts if fact.measure == measure), key=lambda fact: fact.start)

    def replies(self, *, human: bool, messages: Sequence[int] = MESSAGES) -> list[int]:
        """When somebody who serves, or else a machine, wrote for who asked, after the request."""
        return sorted(
            {
                m.time
                for m in self.moments
                if m.kind in messages and m.time > self.asked
                if (m.actor == HUMAN and m.kind != kinds.bot_replied) == human
            }
        )

    # -- counted in one way or another
    def worked(self, way: Way, hours: Hours) -> int | None:
        """None where it has not ended."""
        if way.stop is None:
            return None
        total = 0
        for stretch in self.course:
            since, until = max(stretch.since, way.start), min(stretch.until, way.stop)
            if since < until and stretch.waits_for in way.parties:
                total += hours(stretch).worked(since, until)
        return total

    def at_the_time(self, stretch: Stretch) -> Calendar:
        """The hours of whoever had the case: as all measures count but first response."""
        return self.config.calendar(stretch.department)

    def of_the_first_owner(self, fact: Fact) -> Hours:
        """As first response counts: it stays with who had the case when it began, or had it first after that."""
        owned = (s.since for s in self.course if s.department != UNOWNED and s.until > fact.start)
        since, own = next(owned, self.now), self.config.calendar(fact.department)
        return lambda stretch: own if stretch.since >= since else self.at_the_time(stretch)

    def schedules(self) -> Iterator[tuple[str, Calendar]]:
        """The hours of each department that had the case, the last first, and the organisation's; with their names."""
        departments = [s.department for s in reversed(self.course) if s.department != UNOWNED]
        known: list[Calendar] = []
        for department in (*dict.fromkeys(departments), UNOWNED):
            calendar = self.config.calendar(department)
            if not any(calendar is other for other in known):
                known.append(calendar)
                whose = "the organisation" if department.startswith("_") else self.config.name(department)
                yield f"the hours of {whose}", calendar

    def by_the_vendor(self, stretch: Stretch) -> Calendar:
        """The vendor's hours of whoever had the case, as far as they are known."""
        return self.vendor_hours.get(stretch.department) or self.at_the_time(stretch)


def answered(fact: Fact) -> int | None:
    """When the clock got what it waited for; None: not, or not yet."""
    return None if fact.outcome is Outcome.cancelled or fact.flags == "unanswered" else fact.stop
