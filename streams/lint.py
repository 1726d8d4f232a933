"""What a configuration must hold beyond its types: names that exist, each thing said once, promises that can be kept.

What can be read and is hardly meant is a warning (:mod:`streams.lint_hours`, :mod:`streams.lint_rules`).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from streams.company import ANYBODY, Company, CompanyFile
from streams.dated import FOR_EVER, instant
from streams.hours import Schedule
from streams.lint_hours import Say, never_open, odd_hours, odd_week
from streams.lint_rules import odd_rules, promises, working_lines
from streams.norm_entry import BY_CLASS, BY_GIVER, NormEntry, NormsFile, Rule
from streams.norms import default_schedule, excuse, opening, valid_from
from streams.opening import ALWAYS_OPEN, closure
from streams.problems import Place, Problem, Severity, did_you_mean, one_of
from streams.target import RoundTheClock, parse_target

COMPANY = "company.yaml"
SOME_HOURS = 'write `hours: {mon-fri: "09:00-17:00"}`, say, or `hours: always`'


def lint(company: CompanyFile, norms: Mapping[str, NormsFile]) -> list[Problem]:
    """Everything that is wrong or looks wrong, without lines; ``norms`` by the name of their file."""
    compiled = Company(company)
    say = partial(_say, COMPANY)
    return [
        *_defaults(say, compiled),
        *_departments(say, compiled),
        *_cycles(say, compiled),
        *_members(say, compiled),
        *_norms(compiled, norms),
        *_silent(say, compiled, norms.values()),
        *_idle(compiled, norms),
    ]


def _say(file: str, text: str, mend: str, *at: str | int, warning: bool = False) -> Problem:
    return Problem(file, 0, text, mend, Severity.warning if warning else Severity.error, at)


def _defaults(say: Say, company: Company) -> Iterator[Problem]:
    file, hours = company.file, default_schedule(company)
    if not file.sources:
        yield say("no sources are named", "name those that numbers have to wait for: `sources: [helpdesk]`", "sources")
    names = ((("sources", i, "name"), s.name, f"a second source '{s.name}'") for i, s in enumerate(file.sources))
    yield from _twice(say, names)
    waves = ((("waves", i, "wave"), w.wave, f"a second end of the wave '{w.wave}'") for i, w in enumerate(file.waves))
    yield from _twice(say, waves)
    if never_open(hours):
        yield say("the organisation is never open", SOME_HOURS, "hours")
    yield from odd_hours(say, file.hours, "hours")
    yield from odd_week(say, file.hours, "hours")
    if file.holidays is None and not hours.always:
        mend = "add `holidays: DE-BY`, say, or `holidays: []` if every weekday is worked"
        yield say(f"no holidays for {file.zone}", mend, "holidays", warning=True)


def _departments(say: Say, company: Company) -> Iterator[Problem]:
    zone, departments = company.file.zone, company.file.departments
    ids = ((("departments", i, "id"), d.id, f"a second department '{d.id}'") for i, d in enumerate(departments))
    yield from _twice(say, ids)
    for i, entry in enumerate(departments):
        here = ("departments", i, "parent")
        if entry.parent and company.each:
            yield say("with `groups: each` departments have no parents", "list the groups", *here)
        for j, parent in enumerate(entry.parent):
            if parent.department is not None:
                yield from _unknown(say, company, parent.department, *here, j, "department")
        text = f"'{entry.id}' gets two parents at one time"
        yield from _twice(say, (((*here, j), instant(p.since, zone), text) for j, p in enumerate(entry.parent)))


def _cycles(say: Say, company: Company) -> Iterator[Problem]:
    reported: set[str] = set()
    for i, entry in enumerate(company.file.departments):
        for at in (FOR_EVER, *company.reorganisations):
            line = company.line(entry.id, at)
            parents = company.parents.get(line[0])
            if parents is not None and parents.at(at) == entry.id and entry.id not in reported:
                circle = " in ".join(f"'{name}'" for name in (*reversed(line), entry.id))
                reported.update(line)
                yield say(f"a department lies in itself: {circle}", "break the circle", "departments", i, "parent")


def _members(say: Say, company: Company) -> Iterator[Problem]:
    """Groups, people and bots."""
    file, groups = company.file, company.file.group_entries
    for i, group in enumerate(groups):
        yield from _unknown(say, company, group.department, "groups", i, "department")
    for i, person in enumerate(file.people):
        yield from _unknown(say, company, person.department, "people", i, "department")
    dated = [
        (("groups", i), (g.source, g.group, instant(g.since, file.zone)), g.group) for i, g in enumerate(groups)
    ] + [(("people", i), ("", p.person, instant(p.since, file.zone)), p.person) for i, p in enumerate(file.people)]
    yield from _twice(say, ((at, key, f"'{name}' gets two departments at one time") for at, key, name in dated))
    sources = [source.name for source in file.sources]
    named = [(("groups", i, "source"), g.source) for i, g in enumerate(groups)]
    named += [(("bots", i, "source"), bot.source) for i, bot in enumerate(file.bots)]
    for at, source in named:
        if sources and source not in sources:
            mend = did_you_mean(source, sources) or "right if it is retired, or an HR system; else add it to `sources`"
            yield say(f"'{source}' is not among the sources", mend, *at, warning=True)


def _norms(company: Company, files: Mapping[str, NormsFile]) -> Iterator[Problem]:
    first: dict[tuple[str, int], str] = {}
    lines = working_lines(company)
    for file, content in files.items():
        yield from _exceptions(partial(_say, file), company, content)
        for i, entry in enumerate(content.norms):
            say = partial(_say, file)
            yield from _norm(say, company, entry, lines, i)
            key = (entry.department, valid_from(company, entry))
            if key in first:
                text = (
                    f"a second version of the norms of '{entry.department}' from {entry.valid_from or 'the beginning'}"
                )
                yield say(text, f"give it another valid_from (the other one is in {first[key]})", "norms", i)
            first.setdefault(key, file)


def _norm(say: Say, company: Company, entry: NormEntry, lines: Sequence[list[str]], i: int) -> Iterator[Problem]:
    here = ("norms", i)
    yield from _unknown(say, company, entry.department, *here, "department")
    for kind in BY_GIVER:
        for giver in getattr(entry, kind):
            if giver != ANYBODY:
                yield from _unknown(say, company, giver, *here, kind, giver)
    for kind in BY_CLASS:
        yield from _alike(say, getattr(entry, kind), *here, kind)
    if entry.hours == ALWAYS_OPEN:
        for key in ("holidays", "closures", "half_days"):
            if getattr(entry, key):
                mend = 'write `hours: {mon-sun: "00:00-24:00"}` to close on some days'
                yield say(f"who is always open has no {key}", mend, *here, key)
    closed = {day.isoformat() for text in entry.closures for day in closure(text)}
    for day in entry.half_days:
        if day in closed:
            yield say(f"{day} is a closure and a half day", "delete one", *here, "half_days", day)
    hours = opening(company, entry)
    if never_open(hours):
        yield say(f"'{entry.department}' is never open: no business time would pass", SOME_HOURS, *here, "hours")
    yield from odd_hours(say, entry.half_days, *here, "half_days")
    if entry.hours is not None:
        yield from odd_hours(say, entry.hours, *here, "hours")
        yield from odd_week(say, entry.hours, *here, "hours")
    elif hours.always and any(not isinstance(parse_target(p.target), RoundTheClock) for _, p in promises(entry)):
        text = f"'{entry.department}' has no hours, and the organisation is always open: nights are business time"
        yield say(text, f"{SOME_HOURS} if it is so", *here, warning=True)
    if entry.holidays is None:
        yield from _without_holidays(say, company, entry.department, hours, *here)
    yield from odd_rules(say, company, entry, hours, lines, *here)


def _without_holidays(say: Say, company: Company, who: str, hours: Schedule, *at: str | int) -> Iterator[Problem]:
    """Of a department that names none, and so has the organisation's."""
    file = company.file
    if hours.always or (hours.zone == file.zone and (file.holidays is not None or file.hours != ALWAYS_OPEN)):
        return  # or the organisation's own lack says it
    mend = f"add `holidays:` to the norms of '{who}'"
    if file.holidays is None:
        yield say(f"no holidays for {hours.zone}", mend, *at, warning=True)
    elif file.holidays:
        yield say(f"'{who}' is in {hours.zone} with the holidays of {file.zone}", mend, *at, warning=True)


def _alike(say: Say, rules: Sequence[Rule], *at: str | int) -> Iterator[Problem]:
    """Two rules for one case, and nothing says which."""
    for j, rule in enumerate(rules):
        for i, other in enumerate(rules[:j]):
            if rule.overlaps(other):
                text = f"a case may be for this rule and for number {i + 1}, and neither names more of it"
                yield say(text, "give each its own services and priorities", *at, j)
                break


def _exceptions(say: Say, company: Company, content: NormsFile) -> Iterator[Problem]:
    for i, entry in enumerate(content.exceptions):
        since, until, *_ = excuse(company, entry)
        if until <= since:
            yield say(
                f"'{entry.name}' ends before it begins", "write since and until in order", "exceptions", i, "until"
            )
        for j, department in enumerate(entry.departments):
            yield from _unknown(say, company, department, "exceptions", i, "departments", j)


def _silent(say: Say, company: Company, files: Iterable[NormsFile]) -> Iterator[Problem]:
    """Departments that work on cases and have no norms."""
    promised = {entry.department for file in files for entry in file.norms}
    served = {group.department for group in company.file.group_entries}
    for i, entry in enumerate(company.file.departments):
        if entry.id in served - promised:
            text = f"department '{entry.id}' has no norms: the organisation's hours, and nothing to keep"
            yield say(text, f"add a norm with `department: {entry.id}`", "departments", i, warning=True)
            yield from _without_holidays(say, company, entry.id, default_schedule(company, entry.id), "departments", i)


def _idle(company: Company, files: Mapping[str, NormsFile]) -> Iterator[Problem]:
    """Departments that have norms and work on no case."""
    served = {group.department for group in company.file.group_entries}
    told: set[str] = set()
    for file, content in files.items():
        for i, entry in enumerate(content.norms):
            known = entry.department in company.entries and not company.each
            if known and entry.department not in served | told and any(promises(entry)):
                told.add(entry.department)
                text = f"no group belongs to '{entry.department}': nothing is judged by its norms"
                mend = f"map its groups in {COMPANY}, or give the norms to the departments below it"
                yield _say(file, text, mend, "norms", i, "department", warning=True)


def _unknown(say: Say, company: Company, department: str, *at: str | int) -> Iterator[Problem]:
    if department not in company.entries and not company.each:
        yield say(f"unknown department '{department}'", one_of(department, list(company.entries)), *at)


def _twice(say: Say, entries: Iterable[tuple[Place, Hashable, str]]) -> Iterator[Problem]:
    seen = set()
    for at, key, text in entries:
        if key in seen:
            yield say(text, "delete one, or give it another id or date", *at)
        seen.add(key)
