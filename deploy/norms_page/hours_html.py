"""When a department is open, as HTML: in its own zone, until a script shows it in the reader's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from datetime import time as midnight
from html import escape
from zoneinfo import ZoneInfo

from deploy.norms_page.elements import iso, moment, row, table, tag
from deploy.norms_page.open_hours import CLOSED
from deploy.norms_page.page import Day, Hours

DATE = "%a %d %b %Y"


def hours_html(hours: Hours, path: str, level: str, as_of: datetime) -> Iterator[str]:
    yield tag(level, "When we are open")
    if hours.next_open is None:
        yield tag("p", "Not within the next ten years.", class_="now")
    elif hours.always:
        yield tag("p", "Around the clock.", class_="now")
    else:
        at = moment(hours.next_open, hours.zone, f"{path}.next_open")
        known = tag("small", f"(as of {moment(as_of, hours.zone, 'as_of')})")
        said = (
            f"Open now {known}."
            if hours.next_open == as_of
            else f"Closed now {known}, open again: {tag('strong', at)}."
        )
        yield tag("p", said, class_="now")
    week = (row(escape(days), escape(times), class_="shut" if times == CLOSED else "") for days, times in hours.week)
    yield table(("Days", "Hours"), week, f"A usual week, in {hours.zone}")
    if not hours.always:
        rows = (_day(day, hours, f"{path}.days.{i}") for i, day in enumerate(hours.days))
        until = datetime.combine(hours.days[-1].day + timedelta(1), midnight(), ZoneInfo(hours.zone)).astimezone(UTC)
        yield table(
            ("Day", "Open"), rows, "The days ahead", class_="days", data_since=iso(as_of), data_until=iso(until)
        )
    later = [(i, s) for i, s in enumerate(hours.special) if hours.days and s.day > hours.days[-1].day]
    if later:
        told = (tag("li", f"{s.day:{DATE}}: {escape(s.times)} ({escape(s.note)})") for _, s in later)
        yield tag("p", f"Later, not as usual (in {escape(hours.zone)}):") + tag("ul", "".join(told))
    if hours.changes is not None:
        at = moment(hours.changes, hours.zone, f"{path}.changes")
        yield tag("p", f"Other hours or promises hold from {at} on.")


def _day(day: Day, hours: Hours, path: str) -> str:
    zone = ZoneInfo(hours.zone)
    spans = []
    for i, opening in enumerate(day.openings):
        since, until = opening.since.astimezone(zone), opening.until.astimezone(zone)
        end = "24:00" if until.date() > day.day else f"{until:%H:%M}"
        at = f"{path}.openings.{i}"
        spans.append(
            '<span data-open="">'
            + tag("time", f"{since:%H:%M}", datetime=iso(opening.since), data_json=f"{at}.since")
            + "–"
            + tag("time", end, datetime=iso(opening.until), data_json=f"{at}.until")
            + "</span>"
        )
    label = f"{day.day:{DATE}}"
    note = f" ({escape(day.note)})" if day.note else ""
    cells = tag("th", label, scope="row") + tag("td", (", ".join(spans) or CLOSED) + note)
    return tag("tr", cells, class_="" if spans else "shut", data_label=label, data_note=day.note)
