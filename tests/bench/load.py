"""The load of the benchmark: a busy simulated company, encoded and cut into batches."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from ingest import event as e
from ingest.connectors.simulated import simulate

BATCH = 4_000
MOST_OF_A_CASE = 2
Batch = list[tuple[int, bytes]]


class Load(NamedTuple):
    """``events``: without marks."""

    batches: list[Batch]
    events: int


def load(per_day: float, days: int, batch: int = BATCH) -> Load:
    """Encoded records in order, so that no batch has more than two events of one case: what is more waits for the next."""
    batches: list[list[bytes]] = [[e.encode(e.config_mark(1, e.instant(0)))]]
    seen: Counter[str] = Counter()
    waiting: list[tuple[str, bytes]] = []
    waits: set[str] = set()
    events = 0
    for record in simulate(1, days, cases_per_day=per_day):
        key = "" if isinstance(record, e.Mark) else record.key
        events += bool(key)
        if key and (seen[key] >= MOST_OF_A_CASE or key in waits):
            waiting.append((key, e.encode(record)))
            waits.add(key)
            continue
        seen[key] += 1
        batches[-1].append(e.encode(record))
        if len(batches[-1]) >= batch:
            batches.append([])
            seen.clear()
            held, waiting = waiting, []
            waits.clear()
            for k, raw in held:
                if seen[k] < MOST_OF_A_CASE:
                    seen[k] += 1
                    batches[-1].append(raw)
                else:
                    waiting.append((k, raw))
                    waits.add(k)
    batches.append([raw for _, raw in waiting])
    numbered, offset = [], 0
    for records in batches:
        numbered.append(list(enumerate(records, offset)))
        offset += len(records)
    return Load(numbered, events)
