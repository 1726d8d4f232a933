"""How far the sources are, read from the end of the events: what a new configuration may not judge anew."""

from __future__ import annotations

from datetime import timedelta

from deploy.topic_reader import Stretch, TopicReader
from ingest import event as e

FIRST_STEP = 2_000
GROWTH = 4
TICK = timedelta(microseconds=1)


def least_watermark(reader: TopicReader, sources: frozenset[str]) -> int | None:
    """Of the ``sources``, and of others that are met on the way, the least of what each has reached in every partition, in
    microseconds; None where none has.

    A source that was never heard of is looked for through one partition, the shortest: what is not in one is not in all.
    """
    reached: dict[str, int] | None = None
    stretches = reader.stretches("events")
    for partition in sorted(stretches, key=lambda p: stretches[p].end - stretches[p].first):
        last = _last(reader, partition, stretches[partition], sources)
        reached = last if reached is None else {s: min(reached[s], last[s]) for s in reached.keys() & last.keys()}
        sources = frozenset(reached)
        if not sources:
            return None
    return min(reached.values()) if reached else None


def _last(reader: TopicReader, partition: int, stretch: Stretch, sources: frozenset[str]) -> dict[str, int]:
    """The last watermark of each source there. Without any ``sources`` all of it is read."""
    found: dict[str, int] = {}
    end, step = stretch.end, FIRST_STEP
    while end > stretch.first and not (sources and sources <= found.keys()):
        begin = max(stretch.first, end - step)
        found = _watermarks(reader, partition, Stretch(begin, end)) | found
        end, step = begin, step * GROWTH
    return found


def _watermarks(reader: TopicReader, partition: int, stretch: Stretch) -> dict[str, int]:
    """How far each source says to be. Who was replaced by another may have said less a little later."""
    found: dict[str, int] = {}
    for record in reader.read("events", partition, stretch):
        if record.key or record.value is None:
            continue
        try:
            mark = e.decode(record.value)
        except e.Unreadable:
            continue  # the fold sets it aside
        if isinstance(mark, e.Watermark):
            until = (mark.data.until - e.EPOCH) // TICK
            found[mark.source] = max(until, found.get(mark.source, until))
    return found
