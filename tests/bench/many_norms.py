"""The simulated company with more norms than its files have: for every service and every ordered pair."""

from __future__ import annotations

from collections.abc import Iterable

from ingest.simulation.company import SERVICES
from streams.configuration import Configuration, Files
from streams.norm_entry import BY_CLASS, BY_GIVER, NormEntry, NormsFile, Promise, Rule


def with_many_norms(files: Files) -> Configuration:
    """``files`` with the same targets written out for each; nobody's outcome is another."""
    departments = [entry.id for entry in files.company.departments]
    norms = {
        name: NormsFile(
            norms=tuple(_written_out(entry, departments) for entry in file.norms), exceptions=file.exceptions
        )
        for name, file in files.norms.items()
    }
    return Configuration(files.model_copy(update={"norms": norms}))


def in_force(configuration: Configuration) -> int:
    """How many norms, of the versions that came last."""
    last = {entry.department: entry for file in configuration.files.norms.values() for entry in file.norms}
    return sum(len(list(entry.rules())) for entry in last.values())


def _written_out(entry: NormEntry, departments: Iterable[str]) -> NormEntry:
    rules = {}
    for kind in BY_CLASS:
        written: tuple[Rule, ...] = getattr(entry, kind)
        rules[kind] = written + tuple(
            one.model_copy(update={"service": (service.name,)})
            for one in written
            for service in SERVICES
            if service.department == entry.department
        )
    pairs = {}
    for kind in BY_GIVER:
        promised: dict[str, Promise] = getattr(entry, kind)
        others = (other for other in departments if other not in promised and other != entry.department)
        pairs[kind] = promised | {other: promised["*"] for other in others if "*" in promised}
    return entry.model_copy(update=rules | pairs)
