"""How fast and how large the core is on this machine: ``make bench``, ``make bench ARGS="--json"``, ``ARGS="--profile"``.

The load is the simulated company, many cases at once: encoded events in time order, with marks, in batches in which no case
has more than two events. Each figure is the median of several runs in this process, on one core.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from deploy import config_files
from deploy.cli import EXAMPLE
from ingest import event as e
from ingest.connectors.simulated import simulate
from streams.cases import Cases
from streams.configuration import Configuration
from streams.departments import Departments

BATCH = 2_000
Batch = list[tuple[int, bytes]]


class Load(NamedTuple):
    batches: list[Batch]
    events: int
    cases: int


class Run(NamedTuple):
    """Seconds in each fold, events folded in them, facts said, and what was left in state."""

    cases_seconds: float
    departments_seconds: float
    events: int
    facts: int
    live: int
    state_bytes: int
    facts_held: int
    resident_per_case: float


def load(per_day: float, days: int) -> Load:
    """Encoded records of a busy company, cut so that no batch has more than two events of one case."""
    mark = e.ConfigMark(
        id=e.event_id("bench", "config"),
        source="bench",
        subject="config",
        time=e.instant(0),
        specversion="1.0",
        data=e.ConfigData(1),
    )
    batches: list[list[bytes]] = [[e.encode(mark)]]
    seen: Counter[str] = Counter()
    waiting: list[tuple[str, bytes]] = []
    events, cases = 0, set()
    for record in simulate(1, days, cases_per_day=per_day):
        key = "" if isinstance(record, e.Mark) else record.key
        if key:
            events += 1
            cases.add(key)
        if key and (seen[key] >= 2 or any(k == key for k, _ in waiting)):
            waiting.append((key, e.encode(record)))
            continue
        seen[key] += 1
        batches[-1].append(e.encode(record))
        if len(batches[-1]) >= BATCH:
            batches.append([])
            seen.clear()
            held, waiting = waiting, []
            for k, raw in held:
                if seen[k] < 2:
                    seen[k] += 1
                    batches[-1].append(raw)
                else:
                    waiting.append((k, raw))
    batches.append([raw for _, raw in waiting])
    numbered, offset = [], 0
    for batch in batches:
        numbered.append(list(enumerate(batch, offset)))
        offset += len(batch)
    return Load(numbered, events, len(cases))


def resident() -> int:
    """Bytes of memory this process holds."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def run(work: Load, configuration: Configuration) -> Run:
    gc.collect()
    before = resident()
    state: dict[str, bytes] = {}
    windows: dict[bytes, bytes] = {}
    cases = Cases(state, 0, lambda _: configuration)
    departments = Departments(windows, 1, lambda _: configuration)
    in_cases = in_departments = 0.0
    facts = 0
    for batch in work.batches:
        began = time.perf_counter()
        effects = cases.batch(batch)
        for key, value in effects.changes.items():
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value
        between = time.perf_counter()
        said = [o.value for o in effects.outputs if o.topic == "facts"]
        for fact_key, fact in departments.batch(enumerate(said, facts)).changes.items():
            if fact is None:
                windows.pop(fact_key, None)
            else:
                windows[fact_key] = fact
        facts += len(said)
        in_cases += between - began
        in_departments += time.perf_counter() - between
    rows = [v for k, v in state.items() if "\x00" not in k]
    gc.collect()
    held = len(windows)
    size = sum(map(len, state.values()))
    del windows, departments
    gc.collect()
    per_case = (resident() - before) / max(1, len(rows))
    return Run(in_cases, in_departments, work.events, facts, len(rows), size, held, per_case)


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
        for key, value in cases.batch([record]).changes.items():
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value
    return (time.perf_counter() - began) / length


def figures(runs: Sequence[Run], work: Load, configuration: Configuration) -> Iterator[tuple[str, float, str]]:
    """Name, value and unit of each figure."""
    whole = statistics.median(r.events / (r.cases_seconds + r.departments_seconds) for r in runs)
    yield "core_events_per_second", whole, "events/s, bytes to windows"
    yield "cases_events_per_second", statistics.median(r.events / r.cases_seconds for r in runs), "events/s"
    yield "departments_facts_per_second", statistics.median(r.facts / r.departments_seconds for r in runs), "facts/s"
    yield "facts_per_event", runs[0].facts / work.events, ""
    yield "live_cases", runs[0].live, ""
    yield "state_bytes_per_case", runs[0].state_bytes / runs[0].live, "B"
    yield "resident_bytes_per_case", runs[0].resident_per_case, "B"
    yield "facts_in_horizon", runs[0].facts_held, ""
    short = statistics.median(long_case(10, configuration) for _ in range(21))
    long = statistics.median(long_case(10_000, configuration) for _ in range(3))
    yield "event_of_a_case_of_10_us", short * 1e6, "us"
    yield "event_of_a_case_of_10000_us", long * 1e6, "us"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--profile", action="store_true", help="where the time goes, instead of how much it is")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--per-day", type=float, default=2500, help="cases a day")
    parser.add_argument("--days", type=int, default=30)
    options = parser.parse_args()
    configuration = config_files.load(EXAMPLE).configuration
    print(f"making {options.days} days of {options.per_day:.0f} cases …", file=sys.stderr)
    work = load(options.per_day, options.days)
    if options.profile:
        import cProfile
        import pstats

        profile = cProfile.Profile()
        profile.runcall(run, work, configuration)
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
        return 0
    runs = []
    for number in range(options.runs):
        print(f"run {number + 1} of {options.runs} …", file=sys.stderr)
        runs.append(run(work, configuration))
    found = list(figures(runs, work, configuration))
    if options.json:
        machine = {"python": platform.python_version(), "machine": platform.machine(), "events": work.events}
        print(json.dumps(machine | {name: round(value, 3) for name, value, _ in found}))
    else:
        for name, value, unit in found:
            print(f"{name:<32} {value:>14,.1f}  {unit}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
