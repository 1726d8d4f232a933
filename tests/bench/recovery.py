"""How long a worker takes from its start until it has the state of many cases in memory, and goes on folding."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path

import msgspec
from bench.kafka import BenchmarkError, say
from bench.record_batches import fill
from bench.waiting import wait_until
from on_kafka import Installation, Process, ended, worker
from sinks_on_kafka import Group

from deploy.ahead import Prepared
from ingest import event as e
from ingest import topics as declared
from ingest.simulation.world import SOURCE
from streams import row
from streams.cases import META, Meta
from streams.changelog import changed
from streams.stages import partition_of
from streams.transport import Record

CASES = 500_000
LAST_OFFSET = 0
"""Of the events, folded into all rows: the mark that puts the configuration in force."""
MINUTE_US = 60_000_000

_meta = msgspec.msgpack.Decoder(Meta)


def recovery(
    installation: Installation, state: Mapping[str, bytes], folder: Path, cases: int = CASES
) -> Iterator[tuple[str, float, str]]:
    """``state``: that of fewer cases. While the worker was away, a minute has passed."""
    say(f"writing the state of {cases:,} cases")
    rows = changelog(state, cases, installation.partitions)
    written = sum(map(len, rows.values()))
    installation.configure()
    fill(installation.settings, declared.name("cases"), rows)
    mark = e.watermark(SOURCE, e.instant(_meta.decode(state[META]).marks[SOURCE] + MINUTE_US))
    installation.say([Prepared("events", "", e.encode(mark), 0.0)])
    say("recovering it")
    began = time.monotonic()
    process = worker(installation, folder / "worker.log")
    with ended(process):
        reading = wait_until(
            lambda: "recovering" in process.asked("/ready")[1] or is_ready(process), "reading", process
        )
        at = wait_until(lambda: is_ready(process), "ready", process)
        if (recovered := rows_of(process)) < written:  # it may have gone on, and made some
            raise BenchmarkError(f"{written:,} rows were written, and it is ready with {recovered:,}")
        group = Group(installation.settings, f"{installation.prefix}-streams-{installation.generation}")
        on = wait_until(lambda: not group.lag(declared.name("events")), "going on", process)
        group.close()
    yield "recovery_cases", cases, ""
    yield "recovery_state_bytes", sum(len(value or b"") for of in rows.values() for _, value, _ in of), "B"
    yield "recovery_seconds", at - began, "s, from the start of a worker until it is ready"
    yield "recovery_reading_seconds", at - reading, "s, of these: since it reads"
    yield "recovery_going_on_seconds", on - began, "s, from its start until it has committed what it did next"


def changelog(state: Mapping[str, bytes], cases: int, partitions: int) -> dict[int, list[Record]]:
    """Of each partition the rows of its cases, each case as often as needed, under as many keys, and the partition's own row."""
    rows: dict[int, list[Record]] = {partition: [] for partition in range(partitions)}
    of_case: dict[str, list[tuple[str, bytes]]] = {}
    for key, value in state.items():
        if key != META:
            case, segment, _ = key.partition("\x00")
            of_case.setdefault(case, []).append((key[len(case) :], value if segment else as_of_last(value)))
    left = cases
    for copy in count():
        for case, values in list(of_case.items())[:left]:
            name = f"{case}~{copy}"
            there = rows[partition_of(name.encode(), partitions)]
            there += [changed((name + part).encode(), value, LAST_OFFSET) for part, value in values]
        left -= len(of_case)
        if left <= 0:
            break
    own = msgspec.structs.replace(_meta.decode(state[META]), offset=LAST_OFFSET, counts={})
    for of_partition in rows.values():
        of_partition.append(changed(META.encode(), msgspec.msgpack.encode(own), LAST_OFFSET))
    return rows


def as_of_last(value: bytes) -> bytes:
    """The row of a case that was folded up to :data:`LAST_OFFSET`."""
    found = row.decode_row(value)
    found.offset = LAST_OFFSET
    return row.encode(found)


def is_ready(process: Process) -> bool:
    return process.asked("/ready")[0] == 200


def rows_of(process: Process) -> int:
    found = re.search(r"^crossdesk_streams_state_rows (\S+)$", process.asked("/metrics")[1], re.MULTILINE)
    return int(float(found[1])) if found else 0
