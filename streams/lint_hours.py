"""Opening hours that can be read and are hardly meant: a night that is a slip of the pen, two days that run into each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

from streams.hours import Schedule, Span
from streams.opening import DAYS, MIDNIGHT, days_of_week, times_of_day
from streams.problems import Problem

Say = Callable[..., Problem]
"""Makes a problem of a text, a mend and a place in the file."""

LONGEST_NIGHT = 12 * 60
"""Minutes. Whoever writes 17:00-09:00 has hardly a shift of 16 hours."""


def odd_hours(say: Say, hours: str | Mapping[str, str], *at: str | int) -> Iterator[Problem]:
    """What looks wrong in hours by days (of the week, or dates), at their place in a file."""
    for days, times in {} if isinstance(hours, str) else hours.items():
        for span in times_of_day(times):
            if _long_night(span):
                start, end = _time(span.start), _time(span.end)
                hours_long = f"{(span.end - span.start) / 60:g}"
                mend = f"write {_meant(span)}, or {start}-24:00 and on the day after 00:00-{end} if it is meant so"
                yield say(f"{start}-{end} is open over midnight, {hours_long} h", mend, *at, days, warning=True)


def odd_week(say: Say, hours: str | Mapping[str, str], *at: str | int) -> Iterator[Problem]:
    """The days of a week that run into the day after."""
    written: list[tuple[str, tuple[Span, ...]]] = [("", ())] * 7
    for days, times in {} if isinstance(hours, str) else hours.items():
        for day in days_of_week(days):
            written[day] = (days, times_of_day(times))
    told: set[str] = set()
    for day, (days, spans) in enumerate(written):
        after = written[(day + 1) % 7][1]
        late = max((span.end for span in spans if not _long_night(span)), default=0) - MIDNIGHT
        if after and after[0].start < late and days not in told:
            told.add(days)
            text = f"{DAYS[day]} is open until {_time(late)} of {DAYS[(day + 1) % 7]}, which opens at "
            mend = "what both cover counts once: let one end where the other begins"
            yield say(text + _time(after[0].start), mend, *at, days, warning=True)


def never_open(hours: Schedule) -> bool:
    return not hours.always and not any(hours.week)


def longest_closed(hours: Schedule) -> int:
    """Minutes of a usual week in which it is closed at one stretch. Not of one that is never open."""
    if hours.always:
        return 0
    week = [
        (day * MIDNIGHT + start, day * MIDNIGHT + end)
        for day, spans in enumerate(hours.week * 2)
        for start, end in spans
    ]
    longest, closes = 0, week[0][1]
    for _, (opens, end) in pairwise(week):
        longest, closes = max(longest, opens - closes), max(closes, end)
    return longest


def _long_night(span: Span) -> bool:
    return span.end > MIDNIGHT and span.end - span.start > LONGEST_NIGHT


def _meant(span: Span) -> str:
    """09:00-05:00 is the clock of twelve hours, 17:00-09:00 the wrong way round."""
    start, end = span.start, span.end - MIDNIGHT
    afternoon = end + MIDNIGHT // 2
    if start < MIDNIGHT // 2 <= afternoon < MIDNIGHT:
        return f"{_time(start)}-{_time(afternoon)}"
    return f"{_time(end)}-{_time(start)}"


def _time(minute: int) -> str:
    return f"{minute % MIDNIGHT // 60:02}:{minute % 60:02}"
