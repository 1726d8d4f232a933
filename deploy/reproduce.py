"""A published value computed again from facts: the same to the last bit, or which revision says something else, and why.

It only reads. What ran at the end of the period was remembered when the period was first published, and belongs to the facts.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from deploy.explain import NotThere
from deploy.log import Log
from deploy.reproduce_why import Changes, Period, Why
from ingest.event import EPOCH
from sinks.published import PERIOD_FACTS, PERIODS
from sinks.recompute import ANSWERS, asking, statement
from sinks.store import OfGeneration
from streams.indicators import BY_NAME, Aggregation
from streams.problems import one_of

NUMBERS = (Aggregation.count, Aggregation.cases, Aggregation.running, Aggregation.total)
"""Of these there are none where nothing is; of the others there is nothing to say."""
HOUR_FORM = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d)(?::00)?Z?")
SHAPE = (
    "DEPARTMENT/INDICATOR, or DEPARTMENT/INDICATOR/COUNTERPART for a pair, such as it/first_response_attainment_ratio"
)

REVISIONS = """
    SELECT revision, toUnixTimestamp64Micro(as_of), value, n, low, high, beyond
    FROM {generation:Identifier}.published_revisions
    WHERE indicator = {indicator:String} AND department = {department:String} AND counterpart = {counterpart:String}
        AND period = {period:String} AND period_start = fromUnixTimestamp64Micro({start:Int64})
    ORDER BY revision"""

SPAN = """
    SELECT period, toUnixTimestamp64Micro(min(period_start)), toUnixTimestamp64Micro(max(period_start)), count()
    FROM {generation:Identifier}.published
    WHERE indicator = {indicator:String} AND department = {department:String} AND counterpart = {counterpart:String}
    GROUP BY period ORDER BY period"""

SERIES = """
    SELECT DISTINCT department, counterpart FROM {generation:Identifier}.published
    WHERE indicator = {indicator:String} ORDER BY ALL"""

ALL_INDICATORS = "SELECT DISTINCT indicator FROM {generation:Identifier}.published ORDER BY ALL"


class Value(NamedTuple):
    """What is published of a period, and computed again."""

    value: float | None
    n: int
    low: float | None
    high: float | None
    beyond: bool

    def same(self, other: Value) -> bool:
        """To the last bit: a rounding that is another one is a difference."""
        return self.n == other.n and self.beyond == other.beyond and self._bits() == other._bits()

    def _bits(self) -> tuple[bytes | None, ...]:
        return tuple(None if x is None else struct.pack(">d", x) for x in (self.value, self.low, self.high))


class Revision(NamedTuple):
    """``as_of``: how far facts were known when it was made, in UTC µs."""

    number: int
    as_of: int
    said: Value


class Differs(NamedTuple):
    """``revision`` says something else than ``after``: the number of the next one, or None for what facts say now."""

    revision: Revision
    after: int | None
    why: Why


class Reproduced(NamedTuple):
    """``again``: what facts say now; ``differs``: the latest first."""

    series: str
    period: Period
    revisions: list[Revision]
    again: Value
    differs: list[Differs]

    @property
    def same(self) -> bool:
        """Whether what is published now is what facts say."""
        return self.revisions[-1].said.same(self.again)


def reproduce(store: OfGeneration, log: Callable[[], Log], series: str, period: str) -> Reproduced:
    """``series``: :data:`SHAPE`; ``period``: a day (``2026-01-14``) or an hour (``2026-01-14T09``) of UTC. ``log`` is asked for
    where a revision says something else.

    Raises :class:`NotThere` with what there is.
    """
    asked = _asked(series, period)
    revisions = _revisions(store, asked)
    if not revisions:
        raise NotThere(_what_there_is(store, asked))
    again = computed(store, asked)
    differs: list[Differs] = []
    if not (len(revisions) == 1 and revisions[0].said.same(again)):
        changes = Changes(store, log(), asked)
        following: tuple[int | None, Value] = (None, again)
        for revision in reversed(revisions):
            number, said = following
            if not revision.said.same(said):
                counted = changes.since(revision.as_of, revision.said.n - again.n, _hits(revision.said, again, asked))
                differs.append(Differs(revision, number, counted))
            following = (revision.number, revision.said)
    return Reproduced(series, asked, revisions, again, differs)


def _asked(series: str, period: str) -> Period:
    department, _, rest = series.partition("/")
    name, _, counterpart = rest.partition("/")
    if not department or not name:
        raise NotThere(f"{series!r} is no series: write {SHAPE}")
    if name not in BY_NAME:
        raise NotThere(f"there is no indicator {name!r}: {one_of(name, list(BY_NAME))}")
    kind, start = _period(period)
    return Period(BY_NAME[name], department, counterpart, kind, start, start + PERIODS[kind])


def _period(text: str) -> tuple[str, int]:
    found = HOUR_FORM.fullmatch(text)
    try:
        at = datetime.fromisoformat(f"{found[1]}T{found[2]}:00" if found else f"{text}T00:00").replace(tzinfo=UTC)
    except ValueError:
        raise NotThere(f"{text!r} is no period: write a day (2026-01-14) or an hour (2026-01-14T09), of UTC") from None
    return "hour" if found else "day", round((at - EPOCH).total_seconds()) * 1_000_000


def _named(store: OfGeneration, asked: Period) -> dict[str, object]:
    return {
        "generation": store.database,
        "indicator": asked.indicator.name,
        "department": asked.department,
        "counterpart": asked.counterpart,
    }


def _revisions(store: OfGeneration, asked: Period) -> list[Revision]:
    rows = store.query(REVISIONS, {**_named(store, asked), "period": asked.kind, "start": asked.start}).rows
    return [Revision(number, as_of, _value(*said)) for number, as_of, *said in rows]


def _value(value: float | None, n: int, low: float | None, high: float | None, beyond: object) -> Value:
    return Value(value, n, low, high, bool(beyond))


def computed(store: OfGeneration, asked: Period) -> Value:
    """The statement that publishes, for this one period; nothing is written."""
    aggregation = asked.indicator.aggregation
    parameters: dict[str, object] = {
        "generation": store.database,
        "since": asked.start,
        "until": asked.end,
        "periods": [(asked.kind, PERIODS[asked.kind])],
        **asking([asked.indicator]),
    }
    rows = store.query(statement(PERIOD_FACTS, ANSWERS[aggregation]), parameters).rows
    for _, department, counterpart, _, _, *said in rows:
        if (department, counterpart) == (asked.department, asked.counterpart):
            return _value(*said)
    return Value(0.0 if aggregation in NUMBERS and not asked.counterpart else None, 0, None, None, False)


def _hits(said: Value, again: Value, asked: Period) -> int | None:
    """Of a share, how many more the revision had hit than facts say now."""
    if asked.indicator.aggregation not in (Aggregation.attainment, Aggregation.share):
        return None
    hit = [round(value.value * value.n) if value.value is not None else 0 for value in (said, again)]
    return hit[0] - hit[1]


# -- where it is not found
def _what_there_is(store: OfGeneration, asked: Period) -> str:
    named = _named(store, asked)
    spans = store.query(SPAN, named).rows
    if spans:
        parts = (
            f"{_shown(kind, first)} to {_shown(kind, last)} ({kind}s: {count:,})" for kind, first, last, count in spans
        )
        what = f"the {asked.kind} {_shown(asked.kind, asked.start)} of {asked.series}"
        return f"{what} is not published: there is {', and '.join(parts)}"
    series = ["/".join(filter(None, (d, asked.indicator.name, c))) for d, c in store.query(SERIES, named).rows]
    if series:
        return f"nothing is published of {asked.series}: {one_of(asked.series, series)}"
    known = [name for (name,) in store.query(ALL_INDICATORS, named).rows]
    if known:
        return f"nothing is published of {asked.indicator.name}; there is {', '.join(known)}"
    return (
        "nothing is published yet: `crossdesk demo` and `crossdesk replay` do it when they have measured, and on Kafka "
        "`crossdesk publish`"
    )


def _shown(kind: str, start: int) -> str:
    at = datetime.fromtimestamp(start // 1_000_000, UTC)
    return at.strftime("%Y-%m-%dT%H" if kind == "hour" else "%Y-%m-%d")


# -- in words
def lines(found: Reproduced, most: int = 20) -> Iterator[str]:
    """``most``: cases that are named of each revision."""
    asked, latest = found.period, found.revisions[-1]
    yield f"{asked.series}, the {asked.kind} {_shown(asked.kind, asked.start)} (UTC)"
    yield f"  published  {_said(latest.said)}  (revision {latest.number}, as known on {_instant(latest.as_of)})"
    yield f"  from facts {_said(found.again)}  {'the same, bit for bit' if found.same else 'DIFFERS'}"
    for differs in found.differs:
        yield ""
        after = "facts now" if differs.after is None else f"revision {differs.after}"
        number = differs.revision.number
        yield f"Revision {number} said {_said(differs.revision.said)}, as known on {_instant(differs.revision.as_of)}."
        yield f"Between it and {after}:"
        yield from _why(differs.why, most)


def _why(why: Why, most: int) -> Iterator[str]:
    for change in why.changes[:most]:
        yield f"  {change.case}: {change.was or 'not in it'} → {change.becomes or 'not in it'}"
        yield from (f"      {reason}" for reason in change.reasons)
    if len(why.changes) > most:
        yield f"  and {len(why.changes) - most:,} more cases"
    if not why.explained:
        yield "  This does not explain all of it: facts of the store are not those of the log (`crossdesk rebuild` measures anew),"
        yield "  or, on Kafka, some of its partitions were ahead of others when it was published."


def _said(said: Value) -> str:
    if said.value is None:
        return "nothing"
    low, high = ("no bound" if edge is None else repr(edge) for edge in (said.low, said.high))
    band = "" if said.low is None and said.high is None else f", {low} to {high}"
    return f"{said.value!r} (n {said.n}{band}{', beyond what was observed' if said.beyond else ''})"


def _instant(at: int) -> str:
    return datetime.fromtimestamp(at // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def as_json(found: Reproduced) -> dict[str, object]:
    """Instants in microseconds; floats as they are, which JSON keeps to the bit."""

    def value(said: Value) -> dict[str, object]:
        return said._asdict()

    def differing(differs: Differs) -> dict[str, object]:
        changes: Sequence[dict[str, object]] = [change._asdict() for change in differs.why.changes]
        return {
            "revision": differs.revision.number,
            "after": differs.after,
            "explained": differs.why.explained,
            "changes": changes,
        }

    return {
        "series": found.period.series,
        "period": found.period.kind,
        "start": found.period.start,
        "same": found.same,
        "from_facts": value(found.again),
        "revisions": [{"revision": r.number, "as_of": r.as_of, **value(r.said)} for r in found.revisions],
        "differs": [differing(one) for one in found.differs],
    }


def answer(store: OfGeneration, log: Callable[[], Log], question: Mapping[str, Any]) -> bytes:
    """What `reproduce` prints, and whether it is the same, as JSON. ``question``: ``series``, ``period``, and if wanted ``json``.
    Raises :class:`NotThere`.
    """
    found = reproduce(store, log, str(question.get("series")), str(question.get("period")))
    said = [json.dumps(as_json(found))] if question.get("json") else list(lines(found))
    return msgspec.json.encode({"same": found.same, "lines": said})
