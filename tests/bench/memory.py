"""What a case and a fact take in memory: how much a new process grows by when it folds what it reads from a file."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from bench.core import facts_among, live
from bench.load import Batch

from deploy import config_files
from deploy.demo import EXAMPLE
from streams.cases import Cases
from streams.configuration import Configuration
from streams.departments import Departments
from streams.effects import carry_out

FACT_KEY = 31
"""The length of a key under which the windows keep facts."""


class Footprint(NamedTuple):
    """``resident`` bytes of memory for ``items``."""

    resident: int
    items: int

    @property
    def each(self) -> float:
        return self.resident / max(1, self.items)


def footprints(batches: Sequence[Batch]) -> tuple[Footprint, Footprint]:
    """Of the cases, facts thrown away; and of the facts in the horizon, cases thrown away."""
    with TemporaryDirectory(prefix="crossdesk-bench-") as folder:
        events, facts = Path(folder) / "events", Path(folder) / "facts"
        with events.open("wb") as file:
            for batch in batches:
                pickle.dump(batch, file)
        in_a_process(write_facts, events, facts)
        return in_a_process(of_cases, events, events), in_a_process(of_facts, facts, facts)


def of_cases(events: Path, _: Path) -> Footprint:
    state: dict[str, bytes] = {}
    return Footprint(growth(Cases(state, 0, configuration), state, events), live(state))


def of_facts(facts: Path, _: Path) -> Footprint:
    windows: dict[bytes, bytes] = {}
    grown = growth(Departments(windows, 1, configuration), windows, facts)
    return Footprint(grown, facts_among(value for key, value in windows.items() if len(key) == FACT_KEY))


def growth(fold: Any, state: dict[Any, bytes], records: Path) -> int:
    """By how many bytes this process grows when ``fold`` brings ``state`` to the end of ``records``."""
    configuration(1)
    before = resident()
    for batch in stored(records):
        carry_out(fold.batch(batch).changes, state)
    return resident() - before


def write_facts(events: Path, facts: Path) -> Footprint:
    """What the cases say, batch by batch."""
    state: dict[str, bytes] = {}
    cases = Cases(state, 0, configuration)
    count = 0
    with facts.open("wb") as file:
        for batch in stored(events):
            effects = cases.batch(batch)
            carry_out(effects.changes, state)
            said = [(n, o.key, o.value) for n, o in enumerate(effects.outputs, count) if o.topic == "facts"]
            pickle.dump(said, file)
            count += len(said)
    return Footprint(0, count)


def stored(file: Path) -> Iterator[list[Any]]:
    with file.open("rb") as records:
        while True:
            try:
                yield pickle.load(records)
            except EOFError:
                return


_loaded: list[Configuration] = []


def configuration(_: int) -> Configuration:
    if not _loaded:
        _loaded.append(config_files.load(EXAMPLE).configuration)
    return _loaded[0]


def in_a_process(task: Callable[[Path, Path], Footprint], source: Path, target: Path) -> Footprint:
    """In a new one, so that memory which others have freed is not taken for its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(task, (source, target))


def resident() -> int:
    """Bytes of memory that this process holds."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status has no VmRSS: the memory of a process is measured on Linux only")
