"""Instants, durations and shares in words that people read."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from ingest.event import instant as instant_of

MINUTE_US = 60_000_000


def instant(us: int, zone: str) -> str:
    """``Mon 05 Jan 2026 09:00``, with seconds where there are any."""
    local = instant_of(us).astimezone(ZoneInfo(zone))
    text = local.strftime("%a %d %b %Y %H:%M")
    if us % MINUTE_US:
        text += local.strftime(":%S") + (f".{us % 1_000_000:06d}" if us % 1_000_000 else "")
    return text


def duration(us: float) -> str:
    """``2 h 05 min``; seconds only below an hour, or what would be lost."""
    seconds, rest = divmod(round(us), 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours} h"] if hours else []
    if minutes or not (hours or seconds or rest):
        parts.append(f"{minutes:02d} min" if hours else f"{minutes} min")
    if rest:
        parts.append(f"{seconds}.{rest:06d} s")
    elif seconds:
        parts.append(f"{seconds} s")
    return " ".join(parts)


def about(seconds: float | None) -> str:
    """A duration for a table: ``45 min``, ``3.2 h``, ``41 h``."""
    if seconds is None:
        return "–"
    minutes = seconds / 60
    if minutes < 59.5:
        return f"{minutes:.0f} min"
    hours = minutes / 60
    return f"{hours:.1f} h" if hours < 9.95 else f"{hours:.0f} h"


def share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"
