"""What a department has promised: what is in force, in words, and which cases were judged by a promise that says the same."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from deploy.norms_page.page import Promised, Share
from deploy.numbers import ENOUGH
from deploy.words import duration
from streams.company import ANYBODY
from streams.configuration import Configuration
from streams.hidden import MIN_FACTS, covered
from streams.norm_entry import KINDS, NormEntry, Rule
from streams.norms import valid_from
from streams.target import By, Days, Hours, Target, parse_target

ORDINALS = {1: "next business day", 2: "second business day", 3: "third business day"}


class Found(NamedTuple):
    """A promise in force; ``met`` of ``n`` cases kept it, as far as that may be told."""

    kind: str
    promised: Promised
    met: int
    n: int


class Saying(NamedTuple):
    """What a promise says: two versions that say the same are one promise, whatever their names."""

    kind: str
    giver: str
    services: frozenset[str]
    priorities: frozenset[str]
    written: str


def entry_at(config: Configuration, department: str, at: int) -> NormEntry | None:
    """The version of its norms that is in force at an instant (UTC µs)."""
    entries = (entry for file in config.files.norms.values() for entry in file.norms if entry.department == department)
    begun = [(since, entry) for entry in entries if (since := valid_from(config.company, entry)) <= at]
    return max(begun, key=lambda one: one[0])[1] if begun else None


def promises_of(
    config: Configuration,
    department: str,
    at: int,
    judged: Mapping[str, tuple[int, int]] | None,
    hidden: Collection[str],
) -> Iterator[Found]:
    """Those in force. ``judged``: the name of a norm -> how many cases met it, of how many; None: nothing was
    measured. Of what is promised to a department that is ``hidden``, nothing observed is told, nor of what would give it away.
    """
    entry = entry_at(config, department, at)
    if entry is None:
        return
    names = names_of(config, department)
    rules = sorted(entry.rules(), key=_for_all_last)
    saying = [
        Saying(kind, giver, _folded(rule.service), _folded(rule.priority), str(parse_target(rule.target)))
        for kind, giver, rule in rules
    ]
    counted = {said: [(judged or {}).get(name, (0, 0)) for name in names[said]] for said in saying}
    untold = set(saying) if judged is None else {said for kind in KINDS for said in _untold(kind, counted, hidden)}
    for said, (kind, giver, rule) in zip(saying, rules, strict=True):
        told = said not in untold
        counts = counted[said] if told else []
        met, n = sum(met for met, _ in counts), sum(n for _, n in counts)
        promised = Promised(
            giver=giver,
            giver_name=config.name(giver) if giver not in ("", ANYBODY) else "",
            services=list(rule.service),
            priorities=list(rule.priority),
            written=said.written,
            words=in_words(parse_target(rule.target)),
            aim=entry.attainment if rule.attainment is None else rule.attainment,
            kept=Share.of(met, n) if told else None,
        )
        yield Found(kind, promised, met, n)


def _untold(kind: str, counted: Mapping[Saying, list[tuple[int, int]]], hidden: Collection[str]) -> list[Saying]:
    """Promises to those who are hidden, and to one department that few cases count for; and what else hides with them, since the
    page says too how all of a kind were kept.
    """
    sizes = {said: sum(n for _, n in counts) for said, counts in counted.items() if said.kind == kind}
    few = (said for said, n in sizes.items() if said.giver not in ("", ANYBODY) and 0 < n < MIN_FACTS)
    return covered(sizes, {*few, *(said for said in sizes if said.giver in hidden)}, ENOUGH)


def names_of(config: Configuration, department: str) -> dict[Saying, list[str]]:
    """The names that facts have for each promise, over all versions."""
    found: dict[Saying, list[str]] = {}
    for _, version in config.norms.versions.get(department, ()):
        for (kind, giver), promises in version.norms.items() if version is not None else ():
            for services, priorities, norm in promises.some:
                found.setdefault(Saying(kind, giver, services, priorities, norm.written), []).append(norm.name)
            if (norm_of_all := promises.all) is not None:
                said = Saying(kind, giver, frozenset(), frozenset(), norm_of_all.written)
                found.setdefault(said, []).append(norm_of_all.name)
    return found


def in_words(target: Target) -> str:
    """``4 h of opening time``, ``3 business days``, ``the next business day 16:00``."""
    if isinstance(target, Hours):
        return f"{duration(target.us)} of opening time"
    if isinstance(target, Days):
        number = str(target).removesuffix("bd")
        return f"{number} business day{'' if target.days == 1 else 's'}"
    if isinstance(target, By):
        day = ORDINALS.get(target.days, f"{target.days}th business day")
        return f"the {day}, {'closing time' if target.minute is None else f'{target.minute // 60:02}:{target.minute % 60:02}'}"
    return f"{duration(target.us)}, day and night"


def _folded(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(str.casefold, words))


def _for_all_last(one: tuple[str, str, Rule]) -> tuple[int, bool]:
    kind, giver, rule = one
    return KINDS.index(kind), giver in ("", ANYBODY) and not any(rule.specificity)
