"""The second computation of the indicators of morale: the view ``morale_at`` of ``schema/``, by which SQL makes them of the table
``sealed``. It knows the tables, and nothing of how :mod:`streams.pooling` computes.
"""

from __future__ import annotations

from datetime import timedelta

from ingest.event import EPOCH
from sinks.store import Asks
from streams.morale import MoraleValue, Trend

_MICROSECOND = timedelta(microseconds=1)
_FIELDS = tuple(name for name in MoraleValue.__struct_fields__ if name != "as_of")


def morale_at(store: Asks, as_of: int) -> list[MoraleValue]:
    """Every value at ``as_of``, in microseconds. Raises :class:`sinks.store.Unavailable`."""
    sql = f"SELECT {', '.join(_FIELDS)} FROM crossdesk_public.morale_at(as_of = {{as_of:Int64}})"
    found = []
    for row in store.query(sql, {"as_of": as_of}).rows:
        fields = dict(zip(_FIELDS, row, strict=True))
        closed = fields.pop("closed")
        fields |= {"trend": Trend(fields["trend"]), "closed": closed and (closed - EPOCH) // _MICROSECOND}
        found.append(MoraleValue(as_of=as_of, **fields))
    return found
