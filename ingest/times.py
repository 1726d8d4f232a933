"""Reads the times of a source, as it writes them, into UTC."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from difflib import get_close_matches
from zoneinfo import ZoneInfo, available_timezones

from ingest.event import EPOCH, Unreadable

LAST = datetime(2200, 1, 1, tzinfo=UTC)
_CACHED = 1 << 18
_UNITS = {"epoch_s": 1_000_000, "epoch_ms": 1_000}
_NUMBER = re.compile(r"\d{1,15}(\.\d{1,9})?")


class UnknownZone(ValueError):
    """No such time zone: name one of the IANA data base."""

    def __init__(self, name: str) -> None:
        close = get_close_matches(name, available_timezones(), 1)
        super().__init__(
            f"time zone {name!r} is unknown; "
            + (
                f"did you mean {close[0]!r}?"
                if close
                else "name one of the IANA data base, such as Europe/Lisbon or UTC"
            )
        )


def zone(name: str) -> tzinfo:
    """Raises :class:`UnknownZone`."""
    if name.upper() in ("UTC", "Z"):
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UnknownZone(name) from None


def time_reader(formats: Sequence[str], where: tzinfo) -> Callable[[str], datetime]:
    """A function from text to UTC, with a memory: ``formats`` are tried in turn.

    ``iso``, ``epoch_s``, ``epoch_ms``, or what ``strptime`` takes. A time without offset is one of ``where``; of the two
    instants of an hour that comes twice it is the first. The function raises :class:`~ingest.event.Unreadable`.
    """
    known: dict[str, datetime] = {}

    def read(text: str) -> datetime:
        instant = known.get(text)
        if instant is None:
            instant = _first_that_fits(text, formats, where)
            if len(known) >= _CACHED:
                known.clear()
            known[text] = instant
        return instant

    return read


def _first_that_fits(text: str, formats: Sequence[str], where: tzinfo) -> datetime:
    for form in formats:
        try:
            instant = _parsed(text.strip(), form, where)
        except (ValueError, OverflowError):
            continue
        if not EPOCH <= instant < LAST:
            raise Unreadable(f"time {text!r} lies outside {EPOCH.year} to {LAST.year}")
        return instant
    raise Unreadable(f"impossible time {text!r} (expected {' or '.join(formats)})")


def _parsed(text: str, form: str, where: tzinfo) -> datetime:
    if form in _UNITS:
        if not _NUMBER.fullmatch(text):
            raise ValueError(text)
        return EPOCH + timedelta(microseconds=int(Decimal(text) * _UNITS[form]))
    instant = datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)  # noqa: DTZ007 (see below)
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=where)
    return instant.astimezone(UTC)
