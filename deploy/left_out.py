"""Why cases count nowhere: how many of each department, by reason, over the window of the report."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from sinks.store import Asks
from streams.indicators import FLOOR_US, WINDOWS

# A department has facts at its own level and at all deeper ones: they say the same again.
REASONS = """
SELECT department, flags, uniqExact(case_id) FROM facts
WHERE measure = 'excluded' AND outcome = 'done'
  AND counts_at > fromUnixTimestamp64Micro({since:Int64}) AND counts_at <= fromUnixTimestamp64Micro({until:Int64})
GROUP BY department, flags ORDER BY department, flags
"""

Reasons = Mapping[str, Counter[str]]
"""Department -> reason -> cases."""


def reasons(store: Asks, as_of: int, window: str) -> Reasons:
    """Of the cases that were left out in the window that ends at ``as_of``, in microseconds."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    since = as_of // FLOOR_US * FLOOR_US - WINDOWS[window]
    for department, reason, cases in store.query(REASONS, {"since": since, "until": as_of}).rows:
        found[department][reason] = cases
    return found
