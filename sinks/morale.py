"""The second computation of the indicators of morale: the view ``morale_at`` of ``schema/``, by which SQL makes them of the table
``sealed``. It knows the tables, and nothing of how :mod:`streams.pooling` computes.

That takes seconds where many have answered, and changes once a week. So what it says as of a Monday is told, which is written into
tables, and read from there: all of the last week that is over (view ``morale``), and of each week before in which something has
changed what a course is made of (view ``morale_weeks``). Beside it stands a hash of what it was computed from: all batches that had
closed, the tree by then, and the computation itself. Where that is another one, because a batch came late, or a configuration or a
release is new, the week is told anew. So it may be repeated, also after a crash in the middle, and by several at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, NamedTuple

from ingest.event import EPOCH
from sinks.store import Asks, Keeps
from streams.morale import WINDOWS, MoraleValue, Trend, last_monday

_MICROSECOND = timedelta(microseconds=1)
_FIELDS = tuple(name for name in MoraleValue.__struct_fields__ if name != "as_of")
_COLUMNS = f"{', '.join(_FIELDS)}, shown"

_CLOSED = """
    SELECT closed, sum(cityHash64(id))
    FROM (SELECT DISTINCT id, closed FROM crossdesk_public.sealed_versions)
    WHERE closed <= fromUnixTimestamp64Micro({until:Int64})
    GROUP BY closed ORDER BY closed"""
# as a string: a hash of what is not known would be none
_TREE = """
    SELECT since, sum(cityHash64(toString((department, line, head_count, mapSort(sites))))) FROM crossdesk_public.department_lines
    GROUP BY since ORDER BY since"""
_COMPUTATION = """
    SELECT cityHash64(as_select) FROM system.tables WHERE database = 'crossdesk_public' AND name = 'morale_at'"""

_STAYS = """
    window != '' AND (about = '' OR department = '')
    OR indicator = 'response_ratio' AND wave = (
        SELECT argMax(wave, (closed, wave)) FROM crossdesk_public.sealed_versions
        WHERE kind = 'answers' AND about = '' AND closed <= fromUnixTimestamp64Micro({monday:Int64})
    )"""

_TELL = f"""
    INSERT INTO crossdesk_public.morale_versions (number, whole, monday, {_COLUMNS})
    SELECT {{number:UInt64}}, {{whole:Bool}}, fromUnixTimestamp64Micro({{monday:Int64}}), {_COLUMNS}
    FROM crossdesk_public.morale_at(as_of = {{monday:Int64}})
    WHERE %s"""
_TOLD = """
    INSERT INTO crossdesk_public.morale_told (number, whole, monday, input)
    SELECT {number:UInt64}, {whole:Bool}, fromUnixTimestamp64Micro({monday:Int64}), {input:UInt64}"""


def morale_at(store: Asks, as_of: int) -> list[MoraleValue]:
    """Every value at ``as_of``, in microseconds. Raises :class:`sinks.store.Unavailable`."""
    sql = f"SELECT {', '.join(_FIELDS)} FROM crossdesk_public.morale_at(as_of = {{as_of:Int64}})"
    return [_value(row, as_of) for row in store.query(sql, {"as_of": as_of}).rows]


def _value(row: tuple[Any, ...], as_of: int) -> MoraleValue:
    fields: dict[str, Any] = dict(zip(_FIELDS, row, strict=True))
    closed = fields.pop("closed")
    fields |= {"trend": Trend(fields["trend"]), "closed": closed and (closed - EPOCH) // _MICROSECOND}
    return MoraleValue(as_of=as_of, **fields)


class Week(NamedTuple):
    """What is to be told as of ``monday``, in microseconds: all values, if it is ``whole``."""

    whole: bool
    monday: int
    input: int


def tell(store: Keeps, until: int, *, course: bool = True) -> int:
    """Everything that is not told yet of the weeks that are over at ``until``, in microseconds; without the ``course`` of those
    before, of the last one alone. Returns how much was told. Raises :class:`sinks.store.Unavailable`.
    """
    weeks = [week for week in untold(store, until) if course or week.whole]
    for week in weeks:
        tell_week(store, week)
    return len(weeks)


def untold(store: Asks, until: int) -> list[Week]:
    """What is not told yet, or was of something else; the last week first, then the others in their order."""
    monday = last_monday(until)
    closed = [(_us(at), hash) for at, hash in store.query(_CLOSED, {"until": monday}).rows]
    if not closed:
        return []
    tree = [(_us(since), hash) for since, hash in store.query(_TREE).rows]
    ((computation,),) = store.query(_COMPUTATION).rows
    numbers = "SELECT whole, monday, argMax(input, number) FROM crossdesk_public.morale_told GROUP BY whole, monday"
    told = {(whole, _us(at)): input for whole, at, input in store.query(numbers).rows}
    newest = store.query(
        "SELECT monday FROM crossdesk_public.morale_told WHERE whole ORDER BY number DESC LIMIT 1"
    ).rows

    def week(whole: bool, at: int) -> Week:
        known = (*(row for row in closed if row[0] <= at), "", *(row for row in tree if row[0] <= at), "", computation)
        return Week(whole, at, int.from_bytes(blake2b(repr(known).encode(), digest_size=8).digest()))

    last = week(True, monday)
    is_last = bool(newest) and _us(newest[0][0]) == monday
    weeks = [week(False, at) for at in _turns(at for at, _ in closed) if at <= monday]
    stale = [one for one in weeks if told.get((False, one.monday)) != one.input]
    return stale if is_last and told.get((True, monday)) == last.input else [last, *stale]


def _turns(closed: Iterator[int]) -> list[int]:
    """The Mondays as of which another thing is said than a week before: batches close, and leave a window."""
    return sorted({at + length for at in closed for length in (0, *WINDOWS.values())})


def tell_week(store: Keeps, week: Week) -> None:
    """Who reads sees it when it is told as a whole."""
    ((number,),) = store.query("SELECT max(number) + 1 FROM crossdesk_public.morale_told").rows
    said = {"number": number, **week._asdict()}
    _forget(store, week, f"number >= {number}")  # of whoever was stopped in the middle
    store.execute(_TELL % ("true" if week.whole else _STAYS), said)
    store.execute(_TOLD, said)
    _forget(store, week, f"number < {number}")


def _forget(store: Keeps, week: Week, which: str) -> None:
    """What nobody reads: of all values a partition each, of a week its rows."""
    table = "crossdesk_public.morale_versions"
    if week.whole:
        for (number,) in store.query(f"SELECT DISTINCT number FROM {table} WHERE whole AND {which}").rows:
            store.execute(f"ALTER TABLE {table} DROP PARTITION {int(number)}")
    else:
        old = f"FROM {table} WHERE NOT whole AND monday = fromUnixTimestamp64Micro({week.monday}) AND {which}"
        if store.query(f"SELECT 1 {old} LIMIT 1").rows:
            store.execute(f"DELETE {old}")


def _us(instant: datetime) -> int:
    return (instant - EPOCH) // _MICROSECOND
