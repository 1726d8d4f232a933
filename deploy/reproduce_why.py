"""Why a revision said something else: which facts of the period came, went or changed after it, and by what.

Decided by computing: each case that may matter is folded from the records that the log held then, under the configuration that was
in force then, and from those of later. A revision says up to when everything was known, and not where in the log that was:
it is the first place at which the cases add up to its numbers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple

from deploy.explain import moments_of
from deploy.log import Log
from deploy.words import duration
from ingest import event as e
from sinks.store import OfGeneration
from streams import kinds
from streams.clock import NEVER, Context
from streams.configuration import Configuration
from streams.fact import Fact, Outcome
from streams.fold import fold_whole
from streams.indicators import Aggregation, Indicator
from streams.picture import facts as drawn
from streams.timeline import microseconds, moment

RUNNING = (Aggregation.running, Aggregation.total, Aggregation.p50, Aggregation.p90)
"""Of these, what ran at the end of the period is in it too."""
DETERMINED = (Outcome.met, Outcome.missed, Outcome.done)

CANDIDATES = """
    SELECT DISTINCT case_id FROM {generation:Identifier}.facts_versions
    WHERE measure IN {measures:Array(String)} AND department = {department:String} AND version > {after:UInt64}
        AND (retracted OR start <= fromUnixTimestamp64Micro({end:Int64}))
    ORDER BY case_id"""


class Period(NamedTuple):
    """What was asked about. A period is (start, end], in UTC µs."""

    indicator: Indicator
    department: str
    counterpart: str
    kind: str
    start: int
    end: int

    @property
    def series(self) -> str:
        return "/".join(filter(None, (self.department, self.indicator.name, self.counterpart)))


class Change(NamedTuple):
    """What a case had in the period and has now, in words; empty: nothing."""

    case: str
    was: str
    becomes: str
    reasons: list[str]


class Why(NamedTuple):
    """``explained``: the changes add up to the whole difference."""

    changes: list[Change]
    explained: bool


class Part(NamedTuple):
    """What one fact is in the period: ``counted``, or else it ran at its end. ``us``: its business time, where that counts.
    ``hit``: it is one of those that make a share.
    """

    fact: str
    counted: bool
    outcome: str
    us: int
    hit: bool

    def __str__(self) -> str:
        if not self.counted:
            return "running"
        return f"{self.outcome} after {duration(self.us)}" if self.us else self.outcome


Parts = frozenset[Part]


class Record(NamedTuple):
    offset: int
    record: e.Record
    raw: bytes


class Marks:
    """How far sources were complete, and which configuration was in force, at each place of the log."""

    def __init__(self, log: Log, configurations: Mapping[int, Configuration]) -> None:
        sql = "SELECT offset, value FROM events WHERE key = '' AND generation IN (0, ?) ORDER BY offset"
        self.of_source: dict[str, tuple[list[int], list[int]]] = {}
        self.versions: list[tuple[int, int]] = []
        self.known: list[tuple[int, int]] = []
        """How far everything was known, from which place on."""
        joined, as_of = frozenset[str](), NEVER
        for place, raw in log.db.execute(sql, (log.generation,)):
            mark = e.decode(raw)
            if isinstance(mark, e.Watermark):
                places, untils = self.of_source.setdefault(mark.source, ([], []))
                places.append(place)
                untils.append(max(microseconds(mark.data.until), untils[-1] if untils else NEVER))
            elif isinstance(mark, e.ConfigMark):
                self.versions.append((place, mark.data.version))
            if self.versions:  # who is waited for: as the indicators do it (streams.departments)
                sources = configurations[self.version(place)].sources
                least = {s: self.until(s, place) for s in sources}
                joined = frozenset(s for s, at in least.items() if as_of == NEVER or s in joined or at >= as_of)
                as_of = min((least[s] for s in joined), default=as_of)
                self.known.append((place, as_of))

    def version(self, place: int) -> int:
        return max((version for at, version in self.versions if at <= place), default=1)

    def until(self, source: str, place: int) -> int:
        places, untils = self.of_source.get(source, ([], []))
        passed = bisect_right(places, place)
        return untils[passed - 1] if passed else NEVER

    def stretch(self, as_of: int, end: int) -> tuple[int, int]:
        """The first and the last place at which everything was known up to ``as_of``, and no further; of a log up to ``end``."""
        first = next((place for place, known in self.known if known >= as_of), end)
        last = next((place - 1 for place, known in self.known if known > as_of), end)
        return min(first, last), last


class Changes:
    """Goes back from what facts say now, revision by revision."""

    def __init__(self, store: OfGeneration, log: Log, period: Period) -> None:
        self.store, self.log, self.period = store, log, period
        self.end = log.position("cases") - 1
        self.later = self.end
        """Where in the log the state is that the next revision differs from."""
        self.configurations = {v: Configuration.decode(c) for v, c in log.configurations().items()}
        self.marks = Marks(log, self.configurations)
        self.records: dict[str, list[Record]] = {}
        self.parts = lru_cache(maxsize=None)(self._parts)

    def since(self, as_of: int, more: int, more_hits: int | None) -> Why:
        """What changed between the revision that was made when all was known up to ``as_of`` and the one after it, which was asked
        about before. It had ``more`` facts than there are now, and ``more_hits`` of those that make a share.
        """
        first, last = self.marks.stretch(as_of, self.end)
        first, last = min(first, self.later), min(last, self.later)
        cases = self._candidates(first)
        place = self._place(cases, first, last, (more, more_hits))
        explained = place is not None
        place = first if place is None else place
        changes = [change for case in cases if (change := self._change(case, place, as_of)) is not None]
        self.later = place
        return Why(changes, explained)

    def _candidates(self, after: int) -> list[str]:
        """Cases of which anything was said later that may be in the period."""
        if not self.log.has_versions:
            after = 0
        parameters = {
            "generation": self.store.database,
            "measures": [*self.period.indicator.measures],
            "department": self.period.department,
            "after": max(after, 0),
            "end": self.period.end,
        }
        return [case for (case,) in self.store.query(CANDIDATES, parameters).rows]

    def _place(self, cases: Sequence[str], first: int, last: int, wanted: tuple[int, int | None]) -> int | None:
        """The first place in the log at which the cases have so many facts more, and hits, than at its end."""
        moved: dict[int, list[str]] = {}
        for case in cases:
            for record in self._records(case):
                if first < record.offset <= last:
                    moved.setdefault(record.offset, []).append(case)
        moved |= {at: list(cases) for at, _ in self.marks.versions if first < at <= last}
        now = {case: self._count(self._at(case, first)) for case in cases}
        ends = [self._count(self._at(case, self.end)) for case in cases]
        n, hits = (sum(column) for column in zip(*ends, strict=True)) if ends else (0, 0)
        more, more_hits = wanted
        for at in (first, *sorted(moved)):
            now |= {case: self._count(self._at(case, at)) for case in moved.get(at, ())}
            if sum(count for count, _ in now.values()) - n == more and (
                more_hits is None or sum(hit for _, hit in now.values()) - hits == more_hits
            ):
                return at
        return None

    def _count(self, parts: Parts) -> tuple[int, int]:
        """How many count for a value, and how many of them are hits of a share."""
        n = int(bool(parts)) if self.period.indicator.aggregation is Aggregation.cases else len(parts)
        return n, sum(part.hit for part in parts)

    # -- one case
    def _records(self, case: str) -> list[Record]:
        if case not in self.records:
            self.records[case] = [Record(r.offset, e.decode(r.value), r.value) for r in self.log.of_key("events", case)]
        return self.records[case]

    def _at(self, case: str, place: int, version: int | None = None) -> Parts:
        """What the case had in the period as the log was at ``place``; under another ``version`` of the configuration if wanted."""
        known = bisect_right(self._records(case), place, key=attrgetter("offset"))
        until = self.marks.until(case.partition("/")[0], place)
        return self.parts(case, known, until, self.marks.version(place) if version is None else version)

    def _parts(self, case: str, known: int, until: int, version: int) -> Parts:
        config, period = self.configurations[version], self.period
        moments = moments_of([r.raw for r in self._records(case)[:known]], until)
        if not moments or until == NEVER:
            return frozenset()
        ctx = Context(config, case, until, 0)
        fold_whole(moments, ctx)
        level = config.depth(period.department, period.end)
        if period.counterpart:
            level = max(level, config.depth(period.counterpart, period.end))
        facts = (
            fact
            for fact in drawn(ctx.pictures)
            if fact.measure in period.indicator.measures
            and (fact.department, fact.level) == (period.department, level)
            and (not period.counterpart or fact.counterpart == period.counterpart)
        )
        return frozenset(part for fact in facts for part in self._of(fact))

    def _of(self, fact: Fact) -> Iterable[Part]:
        """A clock that was missed and goes on is in a period twice: determined, and as what ran at its end."""
        period, aggregation = self.period, self.period.indicator.aggregation
        counts_at = fact.counts_at if fact.outcome in DETERMINED else None
        inside = counts_at is not None and period.start < counts_at <= period.end
        last = None if fact.runs else fact.stop if fact.stop is not None else counts_at
        ran = fact.outcome is not Outcome.retracted and fact.start < period.end and (last is None or last > period.end)
        if inside and aggregation is not Aggregation.running:
            judged = fact.outcome in (Outcome.met, Outcome.missed) or aggregation is not Aggregation.attainment
            if judged and not (ran and aggregation in RUNNING):
                wanted = period.indicator.measure, period.indicator.outcome or Outcome.met.value
                hit = (fact.measure, fact.outcome.value) == wanted
                worked = fact.business_us if aggregation in RUNNING else 0
                yield Part(fact.fact_id, True, fact.outcome.value, worked, hit)
        if ran and aggregation in RUNNING:
            yield Part(fact.fact_id, False, "", 0, False)

    def _change(self, case: str, place: int, as_of: int) -> Change | None:
        was, becomes = self._at(case, place), self._at(case, self.later)
        if was == becomes:
            return None
        said, says = (", ".join(sorted(map(str, parts))) for parts in (was, becomes))
        return Change(case, said, says, list(self._reasons(case, place, as_of, was)))

    def _reasons(self, case: str, place: int, as_of: int, was: Parts) -> Iterable[str]:
        version, later = self.marks.version(place), self.marks.version(self.later)
        if version != later and self._at(case, place, later) != was:
            yield f"version {later} of the configuration came in place of version {version}"
        for record in self._records(case):
            if place < record.offset <= self.later and (reason := _reason(record, as_of)):
                yield reason


def _reason(record: Record, as_of: int) -> str:
    """What a record is, seen from a revision that knew everything up to ``as_of``; empty: it says nothing new."""
    event, place = record.record, f"at place {record.offset:,} of the log"
    if isinstance(event, e.Absorbed):
        return f"what case {event.data.origin} told it, {place}"
    if not isinstance(event, e.CaseEvent):
        return ""
    kind = kinds.NAMES[moment(event).kind]
    what = (
        "correction"
        if isinstance(event, e.Corrected)
        else "late event"
        if microseconds(event.time) <= as_of
        else "event"
    )
    return f"{what}: {kind} of {event.time:%Y-%m-%d %H:%M:%S} UTC, {place}"
