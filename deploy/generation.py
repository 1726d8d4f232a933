"""What differs between two generations of a store: fact by fact, in all that it says but the version.

A version is where in the log the fact was said last. That is another place where the same was said in fewer words, or where cases
heard of each other at another moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from deploy.words import grid, visible
from sinks.columns import database_of
from sinks.store import Asks

EXAMPLES = 3
"""Cases that are named of each kind."""

AT_ONCE = 100_000
"""Facts of either generation in one statement, about."""

# Where one part ends and the next begins: facts lie in the order of their ids.
BOUNDS = """
SELECT DISTINCT fact_id FROM (
    SELECT fact_id FROM {before:Identifier}.facts_versions UNION ALL SELECT fact_id FROM {after:Identifier}.facts_versions
)
WHERE cityHash64(fact_id) % {part:UInt32} = 0
"""

_SAID = """
        SELECT fact_id, measure, case_id, %s AS fresh, sipHash128(tuple(* EXCEPT (version))) AS said
        FROM {%s:Identifier}.facts WHERE fact_id > {since:String} AND ({until:String} = '' OR fact_id <= {until:String})"""
COMPARE = f"""
SELECT
    measure, countIf(kind = 'same'), countIf(kind = 'changed'), countIf(kind = 'gone'), countIf(kind = 'new'),
    groupUniqArrayIf({EXAMPLES})(case_id, kind = 'changed'),
    groupUniqArrayIf({EXAMPLES})(case_id, kind = 'gone'),
    groupUniqArrayIf({EXAMPLES})(case_id, kind = 'new')
FROM (
    SELECT
        any(measure) AS measure, any(case_id) AS case_id,
        multiIf(count() = 1 AND any(fresh), 'new', count() = 1, 'gone', min(said) = max(said), 'same', 'changed') AS kind
    FROM ({_SAID % ("false", "before")}
        UNION ALL{_SAID % ("true", "after")}
    )
    GROUP BY fact_id
)
GROUP BY measure
"""

KINDS = ("changed", "gone", "new")


class Difference(NamedTuple):
    """Of one measure: how many facts are the same in both generations, say something else, are only in the one, only in the
    other. ``cases``: some of each of :data:`KINDS`.
    """

    measure: str
    same: int = 0
    changed: int = 0
    gone: int = 0
    new: int = 0
    cases: tuple[tuple[str, ...], ...] = ((), (), ())

    @property
    def differ(self) -> int:
        return self.changed + self.gone + self.new

    def and_more(self, counts: Sequence[int], cases: Sequence[Sequence[str]]) -> Difference:
        """With those of another part of the facts."""
        same, changed, gone, new = (a + b for a, b in zip(self[1:5], counts, strict=True))
        named = tuple(tuple(sorted({*a, *b})[:EXAMPLES]) for a, b in zip(self.cases, cases, strict=True))
        return Difference(self.measure, same, changed, gone, new, named)


def compare(store: Asks, before: int, after: int) -> list[Difference]:
    """For every measure that either generation has."""
    asked = {"before": database_of(before), "after": database_of(after), "part": AT_ONCE}
    bounds = sorted(row[0] for row in store.query(BOUNDS, asked).rows)
    found: dict[str, Difference] = {}
    for since, until in pairwise(["", *bounds, ""]):
        for row in store.query(COMPARE, {**asked, "since": since, "until": until}).rows:
            measure, *counts = row[:5]
            found[measure] = found.get(measure, Difference(measure)).and_more(counts, row[5:])
    return [found[measure] for measure in sorted(found)]


def told(found: Sequence[Difference]) -> Iterator[str]:
    """The lines of a table, some cases of what differs, and whether anything does."""
    if found:
        yield from grid(("measure", "the same", *KINDS), [row[:5] for row in found])
    for row in found:
        for kind, cases in zip(KINDS, row.cases, strict=True):
            if cases:
                yield f"{row.measure}, {kind}: {', '.join(map(visible, cases))}"
    differ = sum(row.differ for row in found)
    yield f"generations: {sum(row.same for row in found) + differ:,} facts, {differ:,} differ"
