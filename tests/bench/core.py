"""The folds alone, without any shell: events per second."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from bench.load import Load

from deploy.memory import collect_rarely
from ingest import event as e
from streams.cases import Cases
from streams.configuration import Configuration
from streams.departments import Departments
from streams.effects import carry_out
from streams.fact import Facts, decode


class Run(NamedTuple):
    """Seconds in each fold, facts said, and the cases in the state at the end."""

    cases_seconds: float
    departments_seconds: float
    facts: int
    live: int


def live(state: Mapping[str, bytes]) -> int:
    """How many cases: segments of long ones lie beside them."""
    return sum("\x00" not in key for key in state)


def facts_among(records: Iterable[bytes]) -> int:
    """How many: a record holds one for each level of the tree."""
    return sum(len(r.levels) for r in map(decode, records) if isinstance(r, Facts))


def run(work: Load, configuration: Configuration) -> Run:
    """Events to facts to windows, from encoded bytes."""
    collect_rarely()  # as who runs the folds does
    gc.collect()
    gc.freeze()  # the load is not theirs: on Kafka, and in the embedded log, it does not lie in memory
    state: dict[str, bytes] = {}
    windows: dict[bytes, bytes] = {}
    cases = Cases(state, 0, lambda _: configuration)
    departments = Departments(windows, 1, lambda _: configuration)
    in_cases = in_departments = 0.0
    facts = records = 0
    for batch in work.batches:
        began = time.perf_counter()
        effects = cases.batch(batch)
        carry_out(effects.changes, state)
        between = time.perf_counter()
        said = [(n, o.key, o.value) for n, o in enumerate(effects.outputs, records) if o.topic == "facts"]
        carry_out(departments.batch(said).changes, windows)
        records += len(said)
        in_cases += between - began
        in_departments += time.perf_counter() - between
        facts += facts_among(value for _, _, value in said)
    return Run(in_cases, in_departments, facts, live(state))


def long_case(length: int, configuration: Configuration) -> float:
    """Seconds per event of one case of ``length`` events that arrive one per batch."""

    def envelope(i: int) -> dict[str, Any]:
        return {
            "id": e.event_id("helpdesk", f"long|{i}"),
            "source": "helpdesk",
            "subject": "LONG",
            "time": e.instant(1_767_600_000_000_000 + i * 60_000_000),
            "specversion": "1.0",
            "sequence": i,
            "actor": e.Actor.provider_human,
        }

    records: list[bytes] = []
    until = e.instant(1_767_600_000_000_000 + length * 60_000_000)
    records.append(
        e.encode(e.Watermark(**(envelope(0) | {"id": e.event_id("helpdesk", "mark")}), data=e.WatermarkData(until)))
    )
    kinds = (e.Noted, e.Replied, e.RequesterReplied, e.Noted)
    records.append(e.encode(e.Created(**envelope(0), data=e.CreatedData(requester_group="Sales"))))
    records += [e.encode(kinds[i % 4](**envelope(i))) for i in range(1, length)]
    state: dict[str, bytes] = {}
    cases = Cases(state, 0, lambda _: configuration)
    began = time.perf_counter()
    for record in enumerate(records):
        carry_out(cases.batch([record]).changes, state)
    return (time.perf_counter() - began) / length
