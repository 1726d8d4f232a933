"""What a manager wants to know, in sentences: who answers in time, where hand-overs stall, whether promises are kept, what got
worse, and what counts nowhere.

Every sentence is computed. Departments come in the order of the company file and are never ranked; steps come with those
first at which most was late, as there is most to mend. What may be chance is not said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized

from deploy.chance import Share, clear, so_few, together
from deploy.left_out import Reasons
from deploy.loose_norms import MUCH, WEEKS, Margins, last_weeks, too_loose
from deploy.numbers import ENOUGH, Numbers, above, in_order, name_of
from deploy.trend import FEWEST_WEEKS, Change, Durations
from deploy.words import about, day, of_100, share, visible
from streams.configuration import Configuration
from streams.fact import UNMAPPED, UNOWNED
from streams.indicators import EXCLUDED_AT_MOST, IndicatorValue
from streams.statistics import wilson

MOST = 5
ITEM = "• "

FIRST_RESPONSE = "first_response_attainment_ratio"
ACCEPTANCE = "acceptance_attainment_ratio"
COMPLETE = "first_time_complete_attainment_ratio"
PROMISE_FIRST, PROMISE_FINAL = "promise_first_attainment_ratio", "promise_final_attainment_ratio"
EXCLUDED = "excluded_share_ratio"
NOUNS = {"first_response": "first answers", "acceptance": "hand-overs"}
SECOND_US = 1_000_000


def answers(numbers: Numbers, configuration: Configuration) -> Iterator[str]:
    """Of the whole company, and of those departments that are clearly late more often than it."""
    company = _top(numbers, configuration)
    whole = numbers.get(FIRST_RESPONSE, company)
    if whole is None or whole.value is None:
        yield "No first answer was due yet, so there is nothing to say."
        return
    if whole.n < ENOUGH:
        yield f"Only {whole.n} first answer{'s were' if whole.n > 1 else ' was'} due: too few to say."
        return
    yield (
        f"Of 100 requests, {of_100(whole.value)} had their first answer in the time promised "
        f"({_surely(whole, 'requests')}).{_waits(numbers, company)}"
    )
    named = _named_below(FIRST_RESPONSE, share_of(whole).value, "in time", numbers, configuration)
    yield f"Clearly later than that: {_listed(named)}." if named else "No department is clearly later than that."


def _top(numbers: Numbers, configuration: Configuration) -> str:
    """The organisation as a whole."""
    return next((d for d in configuration.departments if configuration.depth(d, numbers.as_of) == 0), "")


def _named_below(indicator: str, usual: float, what: str, numbers: Numbers, configuration: Configuration) -> list[str]:
    """The departments that do the work and are clearly below ``usual``."""
    others = above(configuration, numbers.as_of)
    own = [numbers.get(indicator, d) for d in configuration.departments if d not in others]
    low = _clearly_below(own, usual)
    named = [f"{name_of(v.department, configuration)} ({of_100(v.value)} {what}, surely {_range(v)})" for v in low]
    if len(low) > MOST:
        named[MOST:] = [f"{len(low) - MOST} more"]
    return named


def _waits(numbers: Numbers, company: str) -> str:
    half, tenth = (numbers.get(f"first_response_{p}_seconds", company) for p in ("p50", "p90"))
    if half is None or half.value is None or half.beyond:
        return ""
    text = f" Half waited less than {about(half.value)} of opening time"
    return text + (f", one in ten more than {about(tenth.value)}." if tenth and tenth.value is not None else ".")


def handovers(numbers: Numbers, configuration: Configuration) -> Iterator[str]:
    """Of all of them, and of the steps at which they clearly stall."""
    others = above(configuration, numbers.as_of) | {UNMAPPED, UNOWNED}
    pairs, whole = _between(ACCEPTANCE, numbers, others)
    if not whole.n:
        yield "No hand-over between departments was due yet, so there is nothing to say."
        return
    if whole.n < ENOUGH:
        yield f"Only {whole.n} hand-over{'s were' if whole.n > 1 else ' was'} due: too few to say."
        return
    low, high = map(of_100, wilson(*whole))
    yield (
        f"Of 100 hand-overs between departments, {of_100(whole.value)} were taken up in time "
        f"(surely {low} to {high}; {whole.n:,} hand-overs).{_complete(numbers, others)}"
    )
    stalled = sorted(_clearly_below(pairs, whole.value), key=lambda v: share_of(v).hits - v.n)
    if not stalled:
        yield "At no step are they clearly fewer than that."
        return
    yield f"Clearly fewer at {'these steps' if len(stalled) > 1 else 'this step'}:"
    for value in stalled[:MOST]:
        half = numbers.get("acceptance_p50_seconds", value.department, value.counterpart)
        waited = "" if half is None or half.value is None else f"; half waited more than {about(half.value)}"
        yield (
            f"{ITEM}{_pair(value.department, value.counterpart, configuration)}: "
            f"{of_100(value.value)} of 100 in time ({_surely(value, 'hand-overs')}){waited}."
        )
    yield from _and_more(stalled)
    yield "A step that stalls is for both sides to mend. It is nobody's fault."


def _between(indicator: str, numbers: Numbers, others: set[str]) -> tuple[list[IndicatorValue], Share]:
    """The pairs without those ``others``, and all of them together."""
    pairs = [v for v in numbers.pairs(indicator) if not others.intersection((v.department, v.counterpart))]
    return pairs, together(share_of(v) for v in pairs if v.value is not None)


def _complete(numbers: Numbers, others: set[str]) -> str:
    """How often nothing was missing."""
    _, whole = _between(COMPLETE, numbers, others)
    return "" if whole.n < ENOUGH else f" Of 100 that were, {of_100(whole.value)} had come with all that was needed."


def promises(numbers: Numbers, configuration: Configuration) -> Iterator[str]:
    """Of the whole company: by the date first named, and by the last that both sides agreed on; and who clearly keeps fewer."""
    company = _top(numbers, configuration)
    first, final = (numbers.get(indicator, company) for indicator in (PROMISE_FIRST, PROMISE_FINAL))
    if first is None or first.value is None:
        yield "Nobody has promised a date that has passed, so there is nothing to say."
        return
    if first.n < ENOUGH:
        yield f"Only {first.n} promise{'s have' if first.n > 1 else ' has'} come due: too few to say."
        return
    text = f"Of 100 promises, {of_100(first.value)} were kept by the date first named ({_surely(first, 'promises')})"
    if final is not None and final.value is not None and share_of(final).hits > share_of(first).hits:
        text += f", and {of_100(final.value)} by the last that both had agreed on in time"
    yield f"{text}."
    usual = share_of(first).value
    named = _named_below(PROMISE_FIRST, usual, "kept", numbers, configuration)
    yield f"Clearly fewer than that: {_listed(named)}." if named else "No department clearly keeps fewer than that."


def loose(known: Margins, as_of: int, configuration: Configuration) -> Iterator[str]:
    """Of those who do the work and are not hidden, in the order of the company file: whose norm promises too little."""
    first = last_weeks(as_of)[0]
    if not any(left.week <= first for weeks in known.values() for left in weeks):
        yield f"Too early to say whether a norm is too loose: that takes {WEEKS} weeks."
        return
    others = above(configuration, as_of).union({UNMAPPED, UNOWNED}, configuration.hidden(as_of))
    found = {who: weeks for who, weeks in too_loose(known, as_of) if who not in others}
    if not found:
        yield "No norm is clearly too loose."
        return
    yield (
        f"A norm that is too loose, which is no praise: in each of {WEEKS} weeks, half of the solutions left more than "
        f"{share(MUCH)} of the time promised."
    )
    for department in in_order(set(found), configuration)[:MOST]:
        medians, n = [left.median for left in found[department]], sum(left.n for left in found[department])
        yield (
            f"{ITEM}{name_of(department, configuration)}: {share(min(medians))} to {share(max(medians))} "
            f"({n:,} solutions since {day(first, 'UTC')})."
        )
    yield from _and_more(found)


def slower(changed: Sequence[Change], weeks: int, configuration: Configuration) -> Iterator[str]:
    """What takes longer than it did, and then what is faster. ``weeks``: how many there were to compare."""
    if weeks < FEWEST_WEEKS:
        yield f"Too early to say: it takes {FEWEST_WEEKS + 1} weeks to compare."
        return
    worse, better = ([c for c in changed if c.slower == is_slower] for is_slower in (True, False))
    if not worse:
        yield "Nothing, clearly."
    yield from _changed(worse, configuration)
    if better:
        yield "What got better:"
        yield from _changed(better, configuration)


def _changed(changed: Sequence[Change], configuration: Configuration) -> Iterator[str]:
    for change in changed[:MOST]:
        measure, department, counterpart = change.series
        who = _pair(department, counterpart, configuration) if counterpart else name_of(department, configuration)
        before, after = (about(side.median / SECOND_US) for side in (change.before, change.after))
        yield (
            f"{ITEM}{who}: half of the {NOUNS[measure]} took more than {after} since about {day(change.since, 'UTC')}, "
            f"and {before} before ({change.after.n:,} and {change.before.n:,} of them)."
        )
    yield from _and_more(changed)


def _and_more(listed: Sized) -> Iterator[str]:
    if len(listed) > MOST:
        yield f"{ITEM}and {len(listed) - MOST} more."


def left_out(numbers: Numbers, reasons: Reasons, configuration: Configuration) -> Iterator[str]:
    """How many cases count nowhere and why, of the whole company and of those departments of which surely too many do."""
    company = _top(numbers, configuration)
    whole = numbers.get(EXCLUDED, company)
    if whole is None or not whole.value:
        yield "No case was left out."
        return
    if whole.n < ENOUGH:
        yield f"Only {whole.n} case{'s' if whole.n > 1 else ''}: too few to say."
        return
    yield f"{_left_out(whole)} ({_surely(whole, 'cases')}): {_why(reasons, company)}."
    others = above(configuration, numbers.as_of)
    too_many = [
        f"{name_of(d, configuration)} ({of_100(value.value)} of 100: {_why(reasons, d)})"
        for d in configuration.departments
        if d not in others and (value := numbers.get(EXCLUDED, d)) is not None and (value.low or 0) > EXCLUDED_AT_MOST
    ]
    if too_many:
        limit = of_100(EXCLUDED_AT_MOST)
        yield f"Surely more than {limit} of 100, so that what is left says little: {_listed(too_many)}."


def _left_out(value: IndicatorValue) -> str:
    return f"Of 100 cases, {of_100(value.value)} count{'s' if of_100(value.value) == '1' else ''} nowhere"


def _why(reasons: Reasons, department: str) -> str:
    """The most frequent first."""
    found = sorted(reasons.get(department, {}).items(), key=lambda one: (-one[1], one[0]))
    said = [f"{cases:,} {visible(reason)}" for reason, cases in found[:MOST]]
    further = sum(cases for _, cases in found[MOST:])
    return _listed([*said, *([f"{further:,} for other reasons"] if further else [])])


def worth_following(known: Durations, at: int, configuration: Configuration) -> Durations:
    """Of those who do the work and are not hidden, in the order of the company file."""
    others = above(configuration, at).union({UNMAPPED, UNOWNED}, configuration.hidden(at))
    place = {department: i for i, department in enumerate(configuration.departments)}
    followed = [s for s in known if not others.intersection((s.department, s.counterpart))]
    return {
        s: known[s] for s in sorted(followed, key=lambda s: (s.measure, place.get(s.department, -1), s.counterpart))
    }


def share_of(value: IndicatorValue) -> Share:
    """What is behind the value of a ratio that is there."""
    return Share(round((value.value or 0) * value.n), value.n)


def _clearly_below(values: Iterable[IndicatorValue | None], usual: float) -> list[IndicatorValue]:
    """Those that are lower than ``usual`` by more than chance, as many as they are."""
    judged = [v for v in values if v is not None and v.value is not None and v.n >= ENOUGH]
    certain = clear([so_few(share_of(v), usual) for v in judged])
    return [v for v, sure in zip(judged, certain, strict=True) if sure]


def _pair(department: str, counterpart: str, configuration: Configuration) -> str:
    return f"{name_of(counterpart, configuration)} to {name_of(department, configuration)}"


def _surely(value: IndicatorValue, what: str) -> str:
    return f"surely {_range(value)}; {value.n:,} {what}"


def _range(value: IndicatorValue) -> str:
    return f"{of_100(value.low)} to {of_100(value.high)}"


def _listed(items: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(items[:-1]), items[-1])))
