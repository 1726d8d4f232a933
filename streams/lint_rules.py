"""Promises that can be read and are hardly meant: nobody could keep them, nothing is judged by them, or they say nothing new."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from streams.company import ANYBODY, Company
from streams.dated import FOR_EVER
from streams.hours import Schedule
from streams.lint_hours import Say, longest_closed, never_open
from streams.norm_entry import BY_CLASS, BY_GIVER, NormEntry, Promise, Rule
from streams.opening import DAYS, MIDNIGHT
from streams.problems import Place, Problem, did_you_mean
from streams.target import HOUR, MINUTE, By, RoundTheClock, Target, parse_target


def promises(entry: NormEntry) -> Iterator[tuple[Place, Promise]]:
    """What is promised, and where in the entry it stands."""
    for kind in BY_CLASS:
        yield from (((kind, j), rule) for j, rule in enumerate(getattr(entry, kind)))
    for kind in BY_GIVER:
        yield from (((kind, giver), promise) for giver, promise in getattr(entry, kind).items())


def working_lines(company: Company) -> list[list[str]]:
    """The departments that groups belong to, each with all above it, as the tree is at any time; of ``groups: each`` none."""
    served = dict.fromkeys(group.department for group in company.file.group_entries)
    return [company.line(department, at) for at in (FOR_EVER, *company.reorganisations) for department in served]


def odd_rules(
    say: Say, company: Company, entry: NormEntry, hours: Schedule, lines: Sequence[list[str]], *at: str | int
) -> Iterator[Problem]:
    """``hours``: when the department of the norm is open; ``lines``: those of :func:`working_lines`."""
    for place, promise in promises(entry):
        yield from _out_of_reach(say, entry.department, promise, hours, *at, *place)
    for kind in BY_CLASS:
        yield from _repeated(say, entry, kind, *at)
        yield from _misspelt(say, entry, kind, *at)
    if not company.each:
        for kind in BY_GIVER:
            yield from _never_given(say, company, entry, kind, lines, *at)


# -- nobody could keep it
def _out_of_reach(say: Say, who: str, promise: Promise, hours: Schedule, *at: str | int) -> Iterator[Problem]:
    """What comes in while the department is closed would be too late before it opens."""
    target = parse_target(promise.target)
    if never_open(hours):
        return
    if isinstance(target, By) and target.days == 1 and target.minute is not None:
        days = _closed_before(hours, target.minute)
        if days:
            every = len(days) == sum(map(bool, hours.week))
            when = "" if every else f"on {', '.join(DAYS[day] for day in days)} "
            text = f"'{promise.target}' is over by the time '{who}' opens {when}".rstrip()
            mend = "write a later time, `by next business day close`, or `by business day 2 …`"
            yield say(f"{text}: what comes in after closing is always late", mend, *at, warning=True)
    if isinstance(target, RoundTheClock) and target.us <= (closed := longest_closed(hours) * MINUTE):
        text = f"'{promise.target}' runs by the calendar, and '{who}' is closed for up to {closed / HOUR:g} h"
        late = ": what comes in after closing may be late before anybody is there"
        yield say(text + late, f"write {_of_business(target)} if business time is meant", *at, warning=True)


def _closed_before(hours: Schedule, minute: int) -> list[int]:
    """The days of the week with no open time before that minute, nor until the midnight before."""
    return [
        day
        for day, spans in enumerate(() if hours.always else hours.week)
        if spans
        and all(span.start >= minute for span in spans)
        and all(span.end < MIDNIGHT for span in hours.week[day - 1])
    ]


def _of_business(target: RoundTheClock) -> str:
    text = str(target)
    return f"{text[:-1]}b{text[-1]}"


# -- it says nothing new
def _repeated(say: Say, entry: NormEntry, kind: str, *at: str | int) -> Iterator[Problem]:
    """A rule for some cases that promises what they would get without it."""
    rules: Sequence[Rule] = getattr(entry, kind)
    told = _promised(entry)
    for j, rule in enumerate(rules):
        if not rule.service and not rule.priority:
            continue
        others = [other for other in rules if other is not rule]
        cases = [
            (service, priority)
            for service in _words(rule.service, [other.service for other in others])
            for priority in _words(rule.priority, [other.priority for other in others])
            if _counts(rules, service, priority) is rule
        ]
        without = [_counts(others, service, priority) for service, priority in cases]
        if cases and all(other is not None and told(other) == told(rule) for other in without):
            text = f"the cases of this rule have '{rule.target}' without it"
            yield say(text, "delete it, or write the target that they shall have", *at, kind, j, warning=True)


def _promised(entry: NormEntry) -> Callable[[Rule], tuple[Target, float | None, str]]:
    def promised(rule: Rule) -> tuple[Target, float | None, str]:
        attainment = entry.attainment if rule.attainment is None else rule.attainment
        return parse_target(rule.target), attainment, rule.on_change or entry.on_change

    return promised


def _words(own: Sequence[str], others: Sequence[Sequence[str]]) -> list[str]:
    """What a case of a rule may be called: the rule's own words, else each that another rule names, and one that none names."""
    return list(own) or ["", *(word for words in others for word in words)]


def _counts(rules: Sequence[Rule], service: str, priority: str) -> Rule | None:
    """The rule that counts for such a case."""
    fitting = [
        rule
        for rule in rules
        if all(
            not words or word.casefold() in map(str.casefold, words) for word, words in _asked(rule, service, priority)
        )
    ]
    return max(fitting, key=lambda rule: rule.specificity, default=None)


def _asked(rule: Rule, service: str, priority: str) -> tuple[tuple[str, Sequence[str]], ...]:
    return (service, rule.service), (priority, rule.priority)


# -- nothing is judged by it
def _misspelt(say: Say, entry: NormEntry, kind: str, *at: str | int) -> Iterator[Problem]:
    """A rule for a service that is almost, and not quite, one that the department offers."""
    offered = {service.name.casefold(): service.name for service in entry.services}
    for j, rule in enumerate(getattr(entry, kind)):
        for word in rule.service:
            near = "" if word.casefold() in offered else did_you_mean(word, offered.values())
            if near:
                yield say(f"no service '{word}' is offered", near, *at, kind, j, warning=True)


def _never_given(
    say: Say, company: Company, entry: NormEntry, kind: str, lines: Sequence[list[str]], *at: str | int
) -> Iterator[Problem]:
    """A rule for a department that hands nothing over, or is hidden by those of all who do."""
    rules = getattr(entry, kind)
    lines = [line for line in lines if line[-1] != entry.department] if rules else []
    counts = {next((who for who in reversed(line) if who in rules), ANYBODY) for line in lines}
    for giver in rules:
        if giver in counts or giver == ANYBODY or giver not in company.entries:
            continue
        if any(giver in line for line in lines):
            text, mend = f"all who hand over in '{giver}' have rules of their own: this one never counts", "delete it"
        elif giver == entry.department:
            text, mend = f"'{giver}' hands nothing over to itself", "delete it"
        else:
            text = f"no group belongs to '{giver}': nobody hands over by this rule"
            mend = f"map its groups in company.yaml, or write '{ANYBODY}'"
        yield say(text, mend, *at, kind, giver, warning=True)
