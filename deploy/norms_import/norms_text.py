"""Norms as YAML with comments: what was carried over, and beside it in the vendor's own words what was not."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from deploy.norms_import.calendar import Opening
from deploy.norms_import.claims import ALL, Ruled
from streams.company import ANYBODY
from streams.norm_entry import FINISH, KINDS

WIDTH = 116
NOT_CARRIED = "Not carried over: "
_PLAIN = re.compile(r"[A-Za-z][\w/+-]*", re.ASCII)
_NOTHING = frozenset({"null", "Null", "NULL"})


@dataclass(frozen=True)
class Lost:
    """What could not be carried over. ``rules``: as they would be, for whoever can say the condition in another way."""

    why: str
    rules: tuple[Ruled, ...] = ()


@dataclass(frozen=True)
class Kind:
    """Of one kind of norms."""

    rules: tuple[Ruled, ...] = ()
    unsaid: tuple[Ruled, ...] = ()
    lost: tuple[Lost, ...] = ()
    notes: tuple[str, ...] = ()
    """Of what means something else here than there."""


@dataclass(frozen=True)
class Imported:
    """One version of the norms of a department. ``lost``: what is of no kind that there is."""

    department: str
    vendor: str
    opening: Opening | None
    kinds: Mapping[str, Kind]
    lost: tuple[Lost, ...] = ()
    notes: tuple[str, ...] = field(default=())


def norms_text(imported: Imported) -> str:
    """A norms file. It is read back as what was carried over; all else is comments."""
    return "\n".join(line.rstrip() for line in _lines(imported)) + "\n"


def not_carried(text: str) -> int:
    """How many comments of a norms file tell of what could not be carried over."""
    return sum(line.lstrip().startswith(f"# {NOT_CARRIED}") for line in text.splitlines())


def _lines(imported: Imported) -> Iterator[str]:
    yield from _comment(
        f"Norms of {imported.department}, imported from {imported.vendor}. Read what begins with {NOT_CARRIED.strip()!r} "
        "before you put them in force: there the two systems differ.",
        "",
    )
    yield ""
    yield "norms:"
    yield f"  - department: {plain(imported.department)}"
    here = " " * 4
    yield from _comment("From when they hold. Without it they judge all that was before, too.", here)
    yield f"{here}# valid_from: 2026-01-31"
    for note in imported.notes:
        yield from _comment(note, here)
    if imported.opening is not None:
        yield from _opening(imported.opening, here)
    for kind in KINDS:
        if kind in imported.kinds:
            yield from (
                _finish(imported.kinds[kind], here) if kind == FINISH else _kind(kind, imported.kinds[kind], here)
            )
    for lost in imported.lost:
        yield from _comment(NOT_CARRIED + lost.why, here)


def _opening(opening: Opening, here: str) -> Iterator[str]:
    said = "" if opening.zone == opening.zone_said else f"  # {_visible(opening.zone_said)}"
    yield from _comment(f"Opening hours of {opening.name!r}.", here)
    yield f"{here}zone: {plain(opening.zone)}{said}"
    for note in opening.notes:
        yield from _comment(note, here)
    if isinstance(opening.hours, str):
        yield f"{here}hours: {opening.hours}"
        return
    days = ", ".join(f"{days}: {quoted(times)}" for days, times in opening.hours)
    yield f"{here}hours: {{{days}}}"
    if opening.closures is None:
        return
    yield f"{here}holidays: []  # no public holidays but those that are closures here"
    if opening.closures:
        yield f"{here}closures:"
        for closure in opening.closures:
            said = f"  # {_visible(closure.said)}" if closure.said else ""
            yield f"{here}  - {quoted(closure.text)}{said}"


def _kind(name: str, kind: Kind, here: str) -> Iterator[str]:
    if not kind.rules:
        yield f"{here}# {name}: nothing was carried over"
    else:
        yield f"{here}{name}:"
    inside = f"{here}  "
    for note in kind.notes:
        yield from _comment(note, inside)
    for rule in kind.rules:
        yield from _said_of(rule.origin, f"{inside}- {_rule(rule)}")
    for unsaid in kind.unsaid:
        yield from _comment(
            f"{NOT_CARRIED}there is no target for {_scope(unsaid.services, unsaid.priorities)}. Here they have that of others, "
            f"{unsaid.target}.",
            inside,
        )
    yield from _lost(kind.lost, inside)


def _finish(kind: Kind, here: str) -> Iterator[str]:
    """Between departments there is one target for a giver: no services, no priorities."""
    for note in kind.notes:
        yield from _comment(note, here)
    targets = {rule.target for rule in kind.rules}
    if len(targets) == 1 and not kind.unsaid and not any(rule.services for rule in kind.rules):
        rule = kind.rules[0]
        yield from _said_of(rule.origin, f"{here}{FINISH}: {{{quoted(ANYBODY)}: {rule.target}}}")
    elif kind.rules:
        why = "a norm between departments knows neither services nor priorities. Choose one target for all of them."
        yield from _lost((Lost(why, kind.rules),), here, f'{FINISH}: {{"*": %s}}')
    yield from _lost(kind.lost, here, f'{FINISH}: {{"*": %s}}')


def _lost(lost: Iterable[Lost], here: str, form: str = "") -> Iterator[str]:
    for one in lost:
        yield from _comment(NOT_CARRIED + one.why, here)
        for rule in one.rules:
            if form:
                of = f"{rule.origin}, for {_scope(rule.services, rule.priorities)}"
                yield from _said_of(of, f"{here}# {form % rule.target}")
            else:
                yield from _said_of(rule.origin, f"{here}# - {_rule(rule)}")


def _rule(rule: Ruled) -> str:
    parts = [f"target: {rule.target}"]
    parts += [
        f"{key}: [{', '.join(map(plain, words))}]"
        for key, words in (("service", rule.services), ("priority", rule.priorities))
        if words != ALL
    ]
    return f"{{{', '.join(parts)}}}"


def _said_of(origin: str, line: str) -> Iterator[str]:
    """A line with its comment behind it; above it, if both are too long for one line."""
    behind = f"{line}  # {_visible(origin)}"
    if len(behind) <= WIDTH:
        yield behind
    else:
        yield from _comment(f"{origin}:", line[: len(line) - len(line.lstrip())])
        yield line


def _scope(services: Iterable[str], priorities: Iterable[str]) -> str:
    of = [f"service {_visible(', '.join(services))}" if services else "", _visible(", ".join(priorities))]
    named = [part for part in (of[0], f"priority {of[1]}" if priorities else "") if part]
    return "cases of " + " and ".join(named) if named else "all other cases"


def _comment(text: str, here: str) -> Iterator[str]:
    lines = textwrap.wrap(_visible(text), WIDTH - len(here), break_long_words=False, break_on_hyphens=False)
    yield from (f"{here}# {line}" for line in lines)


def plain(text: str) -> str:
    """In quotes only if it needs them."""
    return text if _PLAIN.fullmatch(text) and text not in _NOTHING else quoted(text)


def quoted(text: str) -> str:
    return '"' + _visible(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _visible(text: str) -> str:
    """On one line, and as YAML reads it between double quotes: what is no letter, sign or space has its number."""
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in text)
