"""May this configuration follow that one? The past keeps what it was judged by (DESIGN, invariant 5).

Norms cannot be changed before the least watermark; groups, parents and people can be, by up to 35 days. What is named
for the first time has no limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TypeVar

from streams.company import Company
from streams.configuration import Configuration, Files
from streams.dated import FOR_EVER, Dated, shown
from streams.fact import UNMAPPED
from streams.lint import COMPANY
from streams.norms import Version, default_schedule, excuse, valid_from
from streams.people import within
from streams.problems import Place, Problem, Severity
from streams.staffing import kept as kept_blocks

DAY_US = 86_400_000_000
LIMIT_DAYS = 35
DIRECTORY = "people"
"""Instead of a file, in problems."""
NOT_KNOWN = ("", UNMAPPED)

K = TypeVar("K")


def check_successor(old: Configuration, new: Configuration, least_watermark: int | None) -> list[Problem]:
    """Errors refuse ``new``, warnings do not. ``least_watermark`` is None while nothing has been seen."""
    if least_watermark is None:
        return []
    return [
        *_norms(old, new, least_watermark),
        *_organisation(old, new, least_watermark - LIMIT_DAYS * DAY_US),
        *_exceptions(old, new, least_watermark - LIMIT_DAYS * DAY_US),
        *_hours(old, new),
    ]


def keep_past(old: Configuration, files: Files, least_watermark: int | None) -> tuple[Files, list[Problem]]:
    """``files`` with as much of what HR systems say now as may follow ``old``, and what to know about it. They correct by
    themselves, so a correction that reaches further back than the limit is no error: before it stands what was there.
    """
    files = files.model_copy(update={"staff": kept_blocks(old.files.staff, files.staff)})
    if least_watermark is None or files.directory == old.files.directory:
        return files, []
    limit = least_watermark - LIMIT_DAYS * DAY_US
    directory, corrected = within(limit, old.files.directory, files.directory)
    kept = files.model_copy(update={"directory": directory})
    if not corrected:
        return kept, []
    day = shown(limit, files.company.zone)
    people = "1 person was" if corrected == 1 else f"{corrected} people were"
    text = f"HR systems have corrected where {people} before {day}"
    mend = f"corrections reach back {LIMIT_DAYS} days: until then stays what was there, from then on they count"
    return kept, [Problem(DIRECTORY, 0, text, mend, Severity.warning)]


def _norms(old: Configuration, new: Configuration, least_watermark: int) -> Iterator[Problem]:
    nothing: Dated[Version | None] = Dated((), before=None)
    for department, before in old.norms.versions.items():
        changed = before.first_difference(new.norms.versions.get(department, nothing))
        if changed is None or changed >= least_watermark:
            continue
        zone = new.company.zone(department)
        file, at = _entry_of_norm(new, department, changed)
        yield Problem(
            file,
            0,
            f"the norms of '{department}' change from {shown(changed, zone)}, and what was judged stays judged",
            f"put back what was there; change it from a day after {shown(least_watermark, zone)} on (valid_from)",
            at=at,
        )


def _entry_of_norm(new: Configuration, department: str, changed: int) -> tuple[str, Place]:
    """The entry that begins at the change, else any of the department's, else the first file."""
    entries = [
        (valid_from(new.company, entry) != changed, file, i)
        for file, content in new.files.norms.items()
        for i, entry in enumerate(content.norms)
        if entry.department == department
    ]
    if not entries:
        return next(iter(new.files.norms), COMPANY), ()
    _, file, i = min(entries)
    return file, ("norms", i)


def _exceptions(old: Configuration, new: Configuration, limit: int) -> Iterator[Problem]:
    """They are named afterwards, but not for ever."""
    zone = new.files.company.zone
    for one in sorted(set(old.norms.excuses) ^ set(new.norms.excuses)):
        if one.since < limit:
            written = (
                (file, ("exceptions", i))
                for file, content in new.files.norms.items()
                for i, entry in enumerate(content.exceptions)
                if excuse(new.company, entry) == one
            )
            file, at = next(written, (next(iter(new.files.norms), COMPANY), ()))
            text = f"the exception '{one.name}' changes what was judged from {shown(one.since, zone)} on"
            mend = f"put back what was there; exceptions reach back {LIMIT_DAYS} days, to {shown(limit, zone)}"
            yield Problem(file, 0, text, mend, at=at)


def _organisation(old: Configuration, new: Configuration, limit: int) -> Iterator[Problem]:
    was, becomes, file = old.company, new.company, new.files.company
    if becomes.each and not was.each:
        text = "with `groups: each` the groups would lose the departments that they had"
        yield Problem(COMPANY, 0, text, "keep the list of groups", at=("groups",))
        return
    groups = {(g.source, g.group): ("groups", i) for i, g in enumerate(file.group_entries)}
    departments = {d.id: ("departments", i) for i, d in enumerate(file.departments)}
    backdated = partial(_backdated, zone=file.zone, limit=limit)
    yield from backdated("group", was.groups, becomes.groups, groups)
    yield from backdated("department", was.parents, becomes.parents, departments)
    yield from backdated("person", *_people(was, becomes), {p.person: ("people", i) for i, p in enumerate(file.people)})


def _backdated(
    what: str,
    old: Mapping[K, Dated[str]],
    new: Mapping[K, Dated[str]],
    places: Mapping[K, Place],
    *,
    zone: str,
    limit: int,
) -> Iterator[Problem]:
    for key, before in old.items():
        changed = before.first_difference(new.get(key, Dated((), before.before)))
        if changed is not None and changed < limit:
            name = key[-1] if isinstance(key, tuple) else key
            text = f"the place of {what} '{name}' changes from {shown(changed, zone)}"
            mend = f"put back what was there; changes reach back {LIMIT_DAYS} days, to {shown(limit, zone)}"
            yield Problem(COMPANY, 0, text, mend, at=places.get(key, ()))


def _people(was: Company, becomes: Company) -> tuple[Mapping[str, Dated[str]], Mapping[str, Dated[str]]]:
    """Of whom the file names. What HR systems say of the others has its limit already (``streams.people.within``). Where a system
    knows somebody, a department where there was none is named for the first time.
    """
    named = [*was.people, *(who for who in becomes.people if who in was.directory and who not in was.people)]
    old = {who: was.history(who) for who in named}
    new = {who: becomes.history(who) for who in named}
    for who in named:
        if who in becomes.directory:
            starts = sorted({FOR_EVER, *old[who].starts, *new[who].starts})
            told = [(at, old[who].at(at) if old[who].at(at) not in NOT_KNOWN else new[who].at(at)) for at in starts]
            old[who] = Dated(told, before="")
    return old, new


def _hours(old: Configuration, new: Configuration) -> Iterator[Problem]:
    """Hours without norms have no date: they change for the past too."""
    for department in ("", *old.departments):
        promised = department in old.norms.versions or department in new.norms.versions
        if not promised and default_schedule(old.company, department) != default_schedule(new.company, department):
            who = f"'{department}'" if department else "the organisation"
            text = f"the default hours of {who} change, for the past too"
            mend = "give the departments norms with hours and valid_from to keep their past"
            yield Problem(COMPANY, 0, text, mend, Severity.warning, at=("hours",))
            return
