"""Where people are, as HR systems say it: kept as they name it, and read by the groups of the company file.

All instants are UTC microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from streams.dated import Dated
from streams.fact import UNMAPPED

NOWHERE = ""
Places = tuple[tuple[int, str], ...]
"""Since when in which department, as the source names it; :data:`NOWHERE`: it names none, or the person has left."""
Directory = Mapping[str, Mapping[str, Places]]
"""Pseudonym -> HR system -> places, in their order."""


def department_of(
    told: Mapping[str, Places], mapped: Mapping[tuple[str, str], Dated[str]], department: Callable[[str, str, int], str]
) -> Dated[str]:
    """The departments of a person. ``mapped``: groups whose departments change; ``department`` looks one up, as of an instant."""
    histories = {source: Dated(places, NOWHERE) for source, places in told.items()}
    cuts = {since for places in told.values() for since, _ in places}
    for source, places in told.items():
        for _, name in places:
            if (source, name) in mapped:
                cuts.update(mapped[source, name].starts)
    return Dated(joined((at, _at(histories, department, at)) for at in sorted(cuts)), before="")


def _at(histories: Mapping[str, Dated[str]], department: Callable[[str, str, int], str], at: int) -> str:
    """Where several systems know the person, what is mapped counts before what is not, then what began last."""
    found = [
        (known != UNMAPPED, since, source, known)
        for source, history in histories.items()
        for since, name in [history.entry(at)]
        if name
        for known in [department(source, name, at)]
    ]
    return max(found)[3] if found else ""


def within(limit: int, old: Directory, new: Directory) -> tuple[Directory, int]:
    """``new``, but for what ``old`` has said of before ``limit``: that stands. And of how many people it stands against ``new``.

    What ``old`` said nothing of is told for the first time, and has no limit.
    """
    kept: dict[str, Mapping[str, Places]] = {}
    corrected = 0
    for person in sorted({*old, *new}):
        was, becomes = old.get(person, {}), new.get(person, {})
        if was != becomes:
            spliced = {
                source: _spliced(limit, was.get(source, ()), becomes.get(source, ())) for source in {*was, *becomes}
            }
            corrected += spliced != {source: becomes.get(source, ()) for source in spliced}
            becomes = {source: spliced[source] for source in sorted(spliced) if spliced[source]}
        if becomes:
            kept[person] = becomes
    return kept, corrected


def _spliced(limit: int, old: Places, new: Places) -> Places:
    if old == new:
        return new
    was, becomes = Dated(old, NOWHERE), Dated(new, NOWHERE)
    cuts = sorted({limit, *was.starts, *becomes.starts})
    return tuple(joined((at, (at < limit and was.at(at)) or becomes.at(at)) for at in cuts))


def joined(entries: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
    """Only where something changes, and from where something is known."""
    changes: list[tuple[int, str]] = []
    last = ""
    for at, value in entries:
        if value != last:
            changes.append((at, value))
            last = value
    return changes
