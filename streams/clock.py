"""Clocks: what runs between two moments of a case, in business time, against a norm. Facts are their pictures.

A clock runs on one calendar at a time (a department's) or is paused. Its norm runs on the calendar of the department that
owed it when it started. Outcomes depend on the watermark, never on when something arrived (METRICS 2.7).
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import gcd
from typing import TYPE_CHECKING

from msgspec import Struct

from streams.fact import CANCELLED, DONE, EXCUSED, MET, MISSED, PAUSED, RETRACTED, RUNNING, UNOWNED, Outcome
from streams.hours import due_after
from streams.norm_entry import OnChange
from streams.picture import Key, Picture, Shared
from streams.target import Amount, By, Days, RoundTheClock, Target, parse_target
from streams.timeline import Case

if TYPE_CHECKING:
    from streams.configuration import Configuration
    from streams.norms import Norm

Levels = tuple[int, ...]
"""Of the tree of departments, 0 for the top. Empty: all of them."""
ALL: Levels = ()
FAR = 1 << 62
NEVER = -FAR


Spent = tuple[int, int, int, int]
"""Calendar time and business time in µs, and business days as a fraction."""
NOTHING_SPENT: Spent = (0, 0, 0, 1)


class Clock(Struct, array_like=True, gc=False):
    """``since``: running, or paused, since then; ``worked``: business time before ``since``; ``calendar``: whose hours it runs on,
    empty while paused. ``target``/``keeper``: the norm's target and the department on whose calendar it is due. The norm counts
    from ``judged_from``; ``spent`` is what was used before ``spent_by``, in each unit that a target may have. ``follow_up``: not a
    duration but a promise to hold until ``due``: broken by a stop. ``judged``: the watermark has nothing more to say of it.
    """

    opener: bytes
    start: int
    department: str
    counterpart: str = ""
    since: int = 0
    worked: int = 0
    calendar: str = ""
    norm: str = ""
    target: str = ""
    keeper: str = ""
    judged_from: int = 0
    spent: Spent = NOTHING_SPENT
    spent_by: int = 0
    due: int | None = None
    stop: int | None = None
    cancelled: bool = False
    follow_up: bool = False
    judged: bool = False
    flags: str = ""

    def outcome(self, now: int) -> tuple[Outcome, int | None]:
        """The outcome at watermark ``now`` and the instant at which it counts. That may lie ahead: of what holds unless something
        comes, and of what is late once it is due.
        """
        stop, due = self.stop, self.due
        if self.cancelled:
            return CANCELLED, stop
        if due is not None:
            if self.follow_up:
                return (MISSED if stop is not None and stop <= due else MET), due
            if stop is not None and stop <= due:
                return MET, stop
            return (MISSED, due) if stop is not None or now >= due else (RUNNING, None)
        if stop is not None:
            return DONE, stop
        return (RUNNING if self.calendar else PAUSED), None


@lru_cache(maxsize=4096)
def _target(text: str) -> Target:
    return parse_target(text)


def _of(target: Amount, spent: Spent) -> int | Fraction:
    """What of the target is used, in its own unit."""
    around, open, days, whole = spent
    if isinstance(target, Days):
        return Fraction(days, whole)
    return around if isinstance(target, RoundTheClock) else open


def _told(measure: str, clock: Clock) -> bool:
    """Of those that nobody owns."""
    return measure == "orphan" or (clock.due is not None and not clock.keeper)


@lru_cache(maxsize=1 << 16)
def at_levels(path: tuple[str, ...], levels: Levels) -> tuple[str, ...]:
    return tuple(path[level] for level in levels)


NO_CASE = Case()


class Context:
    """What a step may use: the configuration, the watermark, the case as it stands, and where facts go.

    ``pictures`` collects what was drawn last of every clock that was touched, retractions included. ``wake`` is the least
    watermark at which something may change; ``freed``: the least one that a clock has awaited and awaits no more. ``early``:
    whether whoever ends a case at this moment had a quarter of the promised time left. Measures are stepped in the order of
    their names, so ``resolution`` has said that before ``thanks`` asks.
    """

    __slots__ = (
        "calendar",
        "case",
        "case_id",
        "config",
        "early",
        "freed",
        "levels",
        "now",
        "path",
        "pictures",
        "source",
        "version",
        "wake",
    )

    def __init__(self, config: Configuration, case_id: str, now: int, version: int) -> None:
        self.config, self.case_id, self.now, self.version = config, case_id, now, version
        self.source = case_id.partition("/")[0]
        self.levels, self.path, self.calendar = config.every_level, config.path, config.calendar
        self.case = NO_CASE
        self.pictures: dict[Key, Picture] = {}
        self.wake = FAR
        self.freed = FAR
        self.early = False

    # -- clocks
    def start(
        self,
        opener: bytes,
        at: int,
        department: str,
        counterpart: str = "",
        norm: str = "",
    ) -> Clock:
        """A clock that runs on the department's calendar; with ``norm``, against that kind of norm if there is one."""
        clock = Clock(opener, at, department, counterpart, since=at, calendar=department)
        if norm:
            self.judge_by(clock, norm, at)
        return clock

    def follow_up(self, opener: bytes, at: int, department: str, counterpart: str, days: Fraction) -> Clock:
        """A promise that something holds for so many business days of the department: broken by a stop until then."""
        clock = self.start(opener, at, department, counterpart)
        clock.follow_up, clock.due = True, self.calendar(department).due_days(at, days)
        return clock

    def judge_by(self, clock: Clock, kind: str, at: int) -> None:
        """Put the norm that is in force at ``at`` on the clock, if there is one; it counts from ``at``, and so does one that the
        case gets later (:meth:`judge_anew`).
        """
        rule = self._norm(kind, clock, clock.department, at)
        clock.keeper, clock.judged_from, clock.spent, clock.spent_by = clock.department, at, NOTHING_SPENT, at
        if rule is not None:
            clock.norm, clock.target = rule.name, rule.written
            if clock.calendar:
                calendar, target = self.calendar(clock.keeper), rule.target
                clock.due = target.due(calendar, at) if isinstance(target, By) else due_after(calendar, at, target, 0)

    def judge_anew(self, clock: Clock, kind: str, at: int) -> None:
        """The case is of another service or priority from ``at`` on. What is overdue stays so, and what was in force when the norm
        began to count stays in force (METRICS 2.7).
        """
        if not clock.keeper or clock.cancelled or clock.stop is not None or (clock.due is not None and clock.due <= at):
            return
        rule = self._norm(kind, clock, clock.keeper, clock.judged_from)
        if rule is None or rule.name == clock.norm or (clock.target and rule.on_change is OnChange.keep):
            return
        old = self._amount(clock) if clock.target else None
        clock.norm, clock.target = rule.name, rule.written
        self.free(clock)
        if old is not None and rule.on_change is OnChange.prorate:
            self._prorate(clock, old, at if clock.calendar else clock.since)
        if clock.calendar:
            clock.due = self._due(clock, at)

    def release(self, clock: Clock) -> None:
        """Nobody is held to its norm any more."""
        clock.norm = clock.target = clock.keeper = ""
        self.free(clock)
        clock.due = None

    def free(self, clock: Clock) -> None:
        """The watermark is not awaited any more by this clock, or another one is."""
        if clock.due is not None and clock.due < self.freed:
            self.freed = clock.due

    def _norm(self, kind: str, clock: Clock, keeper: str, at: int) -> Norm | None:
        case = self.case
        return self.config.norm(kind, keeper, clock.counterpart, at, case.service, case.priority)

    def _amount(self, clock: Clock) -> Amount:
        """Its target, as time that is used up."""
        target = _target(clock.target)
        return target.hours(self.calendar(clock.keeper), clock.judged_from) if isinstance(target, By) else target

    def _due(self, clock: Clock, at: int) -> int:
        """When it is due, if it runs from ``at`` on."""
        calendar, target, spent = self.calendar(clock.keeper), _target(clock.target), self._spent(clock, at)
        amount = self._amount(clock)
        due = due_after(calendar, at, amount, _of(amount, spent))
        if isinstance(target, By):  # an hour of a day stays that, unless open time was paused
            by = target.due(calendar, clock.judged_from)
            return by if _of(amount, spent) == calendar.worked(clock.judged_from, at) else max(by, due)
        return due

    def _spent(self, clock: Clock, at: int) -> Spent:
        """By ``at``, while it runs until then."""
        since, calendar = clock.spent_by, self.calendar(clock.keeper)
        if at <= since:
            return clock.spent
        around, open, days, whole = clock.spent
        gone, of = calendar.days_in_integers(since, at)
        days, whole = days * of + gone * whole, whole * of
        common = gcd(days, whole)
        return around + at - since, open + calendar.worked(since, at), days // common, whole // common

    def _prorate(self, clock: Clock, old: Amount, at: int) -> None:
        """As much of the new target is used at ``at`` as of the old one was."""
        used, size = self._share(clock, old, at)
        new = self._amount(clock)
        clock.spent_by = at
        if isinstance(new, Days):
            days = Fraction(used * new.days.numerator, size * new.days.denominator)
            clock.spent = (0, 0, days.numerator, days.denominator)
        else:
            us = used * new.us // size
            clock.spent = (us, us, 0, 1)

    def margin(self, clock: Clock, at: int) -> tuple[int, int] | None:
        """The share of its target that is left of a clock that stops at ``at``, as a numerator and a denominator: from -1 (it took
        twice as long, or longer) to 1. None without a target.
        """
        if not clock.target:
            return None
        used, size = self._share(clock, self._amount(clock), at)
        return max(size - used, -size), size

    def _share(self, clock: Clock, amount: Amount, at: int) -> tuple[int, int]:
        """Of a target, what is used at ``at``: a numerator and a denominator, for Fractions are slow."""
        around, open, days, whole = self._spent(clock, at) if clock.calendar else clock.spent
        if isinstance(amount, Days):
            return days * amount.days.denominator, whole * amount.days.numerator
        return around if isinstance(amount, RoundTheClock) else open, amount.us

    def pause(self, clock: Clock, at: int) -> None:
        if clock.calendar:
            self.change_calendar(clock, "", at)
            if clock.keeper:
                clock.spent = self._spent(clock, at)
            if clock.due is not None and at < clock.due:  # what is overdue stays so
                self.free(clock)
                clock.due = None

    def resume(self, clock: Clock, at: int, department: str) -> None:
        if not clock.calendar:
            clock.since, clock.calendar = at, department
            self._go_on(clock, at)

    def _go_on(self, clock: Clock, at: int) -> None:
        """The norm counts again."""
        if clock.keeper:
            clock.spent_by = at
            if clock.target and clock.due is None:
                clock.due = self._due(clock, at)

    def change_calendar(self, clock: Clock, department: str, at: int) -> None:
        """From ``at`` on the clock runs on another department's hours (empty: it stands)."""
        if clock.calendar and at != clock.since:  # who opens a case often routes it in the same instant
            self.ran(clock, clock.since, at, clock.calendar)
            clock.worked += self.calendar(clock.calendar).worked(clock.since, at)
        clock.since, clock.calendar = at, department

    def end(self, clock: Clock, at: int, flags: str = "") -> None:
        """The clock got what it waited for (or ended; see :meth:`cancel`)."""
        if not clock.calendar and not clock.cancelled:  # paused, and in time if it would have been
            self._go_on(clock, at)
        self.change_calendar(clock, "", at)
        clock.stop, clock.flags = at, flags or clock.flags
        self.free(clock)

    def cancel(self, clock: Clock, at: int) -> None:
        """The case ended without what the clock waits for. What was overdue by then stays missed."""
        clock.cancelled = clock.due is None or at <= clock.due
        self.end(clock, at, "unanswered")

    def copy(self, clock: Clock) -> Clock:
        """Another clock, which has run as this one has."""
        other: Clock = clock.__copy__()  # type: ignore[attr-defined]  # msgspec's own, which its types do not tell
        return other

    def ran(self, what: object, since: int, until: int, calendar: str) -> None:
        """``what`` ran from ``since`` to ``until`` on that department's hours. For whoever explains a number."""

    # -- facts
    def draw(self, measure: str, clock: Clock, levels: Levels = ALL) -> None:
        """The clock's fact, at some levels or at all. One that nobody owns has none before it ends, for that the case waits for an
        owner is another fact; but what is followed up, or was promised, is due whoever owns it.
        """
        outcome, counts_at = clock.outcome(self.now)
        stop, due, flags, department = clock.stop, clock.due, clock.flags, clock.department
        if outcome is MISSED and clock.keeper and due is not None and (excused := self.config.excused) is not None:
            why = excused(clock.keeper, clock.judged_from, due)
            if why:
                outcome, flags = EXCUSED, why
        clock.judged = judged = outcome is not RUNNING and outcome is not PAUSED
        if due is not None and due < self.wake and not judged:
            self.wake = due
        if stop is None and department == UNOWNED and not _told(measure, clock):
            return
        since = clock.since if stop is None else stop
        opener, start, lasting = clock.opener, clock.start, self.config.lasting
        shared = (
            outcome,
            counts_at,
            stop,
            self.case_id,
            measure,
            opener,
            start,
            due,
            since,
            clock.calendar,
            since - start,
            clock.worked,
            clock.norm,
            flags,
        )
        here = lasting.get(department) or self.path(department, start)
        towards = lasting.get(clock.counterpart) or self.path(clock.counterpart, start)
        self.put(shared, levels, here, towards)

    def retract(self, measure: str, clock: Clock, levels: Levels = ALL) -> None:
        """Take back what :meth:`draw` has drawn."""
        if clock.department == UNOWNED and not _told(measure, clock):
            return
        self.take_back(measure, clock.opener, levels, self.path(clock.department, clock.start))

    def put(self, shared: Shared, levels: Levels, departments: tuple[str, ...], counterparts: tuple[str, ...]) -> None:
        """The facts as they stand now, at some levels or at all; of departments and counterparts come all levels."""
        if levels:
            departments, counterparts = at_levels(departments, levels), at_levels(counterparts, levels)
        key = (shared[4], shared[5], levels or self.levels, departments)
        self.pictures[key] = Picture(self.version, shared, counterparts)

    def take_back(self, measure: str, opener: bytes, levels: Levels, departments: tuple[str, ...]) -> None:
        """The opposite of :meth:`put`. A fact that goes on in another picture must be put again in the same step."""
        self.put(self._nothing(measure, opener), levels, departments, ("",) * len(self.levels))

    def retraction(self, key: Key) -> Picture:
        measure, opener, levels, _ = key
        return Picture(self.version, self._nothing(measure, opener), ("",) * len(levels))

    def _nothing(self, measure: str, opener: bytes) -> Shared:
        return (RETRACTED, None, None, self.case_id, measure, opener, 0, None, 0, "", 0, 0, "", "")
