"""How fast it is on this machine: the core alone, and how large that is; workers on Kafka, ours beside others; and the stages as
they are deployed.

``make bench``, ``make bench ARGS="--json"``, ``ARGS="--only core"`` (or ``stages``, ``views``), ``ARGS="--profile"``.

The load is the simulated company, many cases at once: encoded events in time order, with marks, in batches in which no case
has more than two events. Each figure is the median of several runs, of one process; those of the stages are measured once.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import platform
import pstats
import statistics
import sys
from collections.abc import Iterator, Sequence

from bench import kafka, stages, views
from bench.core import Run, long_case, run
from bench.load import BATCH, Load, load
from bench.many_norms import in_force, with_many_norms
from bench.memory import footprints

from deploy import config_files
from deploy.demo import EXAMPLE
from deploy.kafka.broker import BrokerError
from streams import COMPILED
from streams.configuration import Configuration

PARTS = {
    "windows: facts in": ("streams/departments.py", "batch"),
    "cases: steps of measures": ("streams/fold.py", "_step"),
    "cases: state in": ("streams/touch.py", "__init__"),
    "cases: facts and state out": ("streams/touch.py", "close"),
    "cases: events from bytes": ("ingest/event.py", "decode"),
    "cases: late, corrected, merged": ("streams/touch.py", "change"),
    "cases: watermarks": ("streams/touch.py", "pass_time"),
}
"""What the profile calls a part: all that happens in one function. Steps also happen in what is folded anew."""


WHAT = ("kafka", "stages", "core", "views")

Figure = tuple[str, float, str]
"""Its name, its value and the unit."""


def per_second(runs: Sequence[Run], events: int) -> float:
    return statistics.median(events / (r.cases_seconds + r.departments_seconds) for r in runs)


def of_the_core(work: Load, tenth: Load, count: int, configuration: Configuration) -> Iterator[Figure]:
    """``tenth``: the same with a tenth of the cases."""
    few, many = [], []
    for _ in range(count):  # in turns, so that a busy host disturbs both
        few.append(run(tenth, configuration))
        many.append(run(work, configuration))
    yield "core_events_per_second", per_second(many, work.events), "events/s, bytes to windows"
    yield "cases_events_per_second", statistics.median(work.events / r.cases_seconds for r in many), "events/s"
    yield "departments_facts_per_second", statistics.median(r.facts / r.departments_seconds for r in many), "facts/s"
    yield "facts_per_event", many[0].facts / work.events, ""
    yield "norms_in_force", in_force(configuration), ""
    yield "live_cases", many[0].live, ""
    yield "tenth_core_events_per_second", per_second(few, tenth.events), "events/s with a tenth of the cases"
    yield "tenth_live_cases", few[0].live, ""
    cases, facts = footprints(work.batches)
    yield "resident_bytes_per_case", cases.each, "B"
    yield "resident_bytes_per_fact", facts.each, "B"
    yield "facts_in_horizon", facts.items, ""
    yield "event_of_a_case_of_10_us", statistics.median(long_case(10, configuration) for _ in range(101)) * 1e6, "us"
    yield (
        "event_of_a_case_of_10000_us",
        statistics.median(long_case(10_000, configuration) for _ in range(3)) * 1e6,
        "us",
    )


def print_profile(work: Load, configuration: Configuration) -> None:
    """The parts, as shares of the whole, and the functions that take longest themselves."""
    profile = cProfile.Profile()
    profile.runcall(run, work, configuration)
    stats = pstats.Stats(profile)
    known = {
        (file, name): cumulative
        for (path, _, name), (_, _, _, cumulative, _) in stats.stats.items()  # type: ignore[attr-defined]
        for file in ["/".join(path.rsplit("/", 2)[-2:])]
    }
    whole = max(known.values())
    for part, where in sorted(PARTS.items(), key=lambda item: -known.get(item[1], 0)):
        print(f"{known.get(where, 0) / whole:>7.1%}  {part}")
    stats.sort_stats("tottime").print_stats(25)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--only", choices=WHAT, help="a part of it")
    parser.add_argument(
        "--profile", action="store_true", help="where the time goes in the core, instead of how much it is"
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--per-day", type=float, default=2500, help="cases a day")
    parser.add_argument("--days", type=int, default=30)
    options = parser.parse_args()
    if options.profile and COMPILED is not None:
        parser.error("a profile tells nothing of what is compiled: set CROSSDESK_CORE=interpreted")
    core = "interpreted" if COMPILED is None else "compiled"
    configuration = with_many_norms(config_files.load(EXAMPLE).configuration.files)
    print(f"making {options.days} days of {options.per_day:.0f} cases …", file=sys.stderr)
    work = load(options.per_day, options.days if options.only != "views" else 1)
    if options.profile:
        print_profile(work, configuration)
        return 0
    what = [options.only] if options.only else WHAT
    found: list[Figure] = []
    try:
        if "kafka" in what:
            found += kafka.figures(work, options.runs)
        if "stages" in what:
            found += stages.figures(work, options.per_day, options.days)
        if "views" in what:
            found += views.figures()
    except (kafka.BenchmarkError, BrokerError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if "core" in what:
        print(f"measuring the {core} core {options.runs} times …", file=sys.stderr)
        tenth = load(options.per_day / 10, options.days, BATCH // 10)  # so that a case is as often in a batch
        found += of_the_core(work, tenth, options.runs, configuration)
    if options.json:
        machine = {"python": platform.python_version(), "machine": platform.machine(), "core": core}
        print(json.dumps(machine | {"events": work.events} | {name: round(value, 3) for name, value, _ in found}))
    else:
        print(f"{'core':<38} {core:>14}")
        for name, value, unit in found:
            print(f"{name:<38} {value:>14,.1f}  {unit}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
