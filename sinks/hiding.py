"""Which pairs the second computation tells of: no pair with little behind it, nor what would give it away (small-departments.md).

Parts of a statement of :mod:`sinks.recompute`, which knows nothing of how the stream decides it.
"""

FEWEST = 5
"""With fewer facts behind it, a value of a pair is not told."""
COLUMNS = "indicator, department, counterpart, span, ends, value, n, low, high, beyond"

# Little pairs are not told, nor is what would give them away. Three sums are told, or known to somebody: what a department does for
# all, and what it asks of all, at one level; and the pair one level up (`above`), of those below both its sides. Of the parts of
# each the little ones are not told, and the next-smallest with them, until they are two and not little; and none of a pair that
# is not told itself. So others may have to hide, which are parts of other sums: again, until nothing changes.
# Each pair has two rows in a step, one in its own `place` and one among the parts of the pair above.
LINES = """
    lines AS (
        SELECT department, toUnixTimestamp64Micro(since) AS since, line FROM crossdesk_public.department_lines
    )"""

_UP = "if(empty({0}.line), toString(a.{1}), {0}.line[least(a.level, length({0}.line))])"

PAIRED = f"""
    answered AS (%s),
    paired AS (
        SELECT
            toString(a.indicator) AS indicator, toString(a.department) AS department, toString(a.counterpart) AS counterpart,
            toInt16(a.level) AS level, toString(a.span) AS span, toInt64(a.ends) AS ends,
            a.value::Nullable(Float64) AS value, toUInt64(a.n) AS n, a.low::Nullable(Float64) AS low,
            a.high::Nullable(Float64) AS high, a.beyond::Bool AS beyond,
            (a.counterpart != '' AND (a.aside OR a.n < {FEWEST}))::Bool AS untold,
            if(a.level = 0 OR a.counterpart = '', ('', ''),
                ({_UP.format("own", "department")}, {_UP.format("other", "counterpart")})) AS above
        FROM answered AS a
        ASOF LEFT JOIN lines AS own ON toString(a.department) = toString(own.department) AND a.ends >= own.since
        ASOF LEFT JOIN lines AS other ON toString(a.counterpart) = toString(other.department) AND a.ends >= other.since
    )"""

_PAIR = "indicator, department, counterpart, level, span, ends, value, n, low, high, beyond"
_FIRST = "ORDER BY untold DESC, n, department, counterpart ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
_ONE = "PARTITION BY indicator, span, ends, counterpart = ''"


def _give_away(parts: str) -> str:
    """Whether who hides before this one is there, and too little by itself."""
    return f"(max(untold) OVER {parts} AND (count() OVER {parts} < 2 OR sum(n) OVER {parts} < {FEWEST}))"


HIDING = f"""
    steps AS (
        SELECT {_PAIR}, untold, above, true AS changed, toUInt16(0) AS step FROM paired
        UNION ALL
        SELECT {_PAIR}, becomes AS untold, above, max(becomes != was) OVER () AS changed, toUInt16(step + 1) AS step
        FROM (
            SELECT
                {_PAIR}, above, step, untold AS was, place.1 AS among_parts,
                (untold OR counterpart != '' AND (
                    {_give_away("served")}
                    OR {_give_away("asked")}
                    OR maxIf(untold, NOT place.1) OVER whole
                    OR maxIf(1, NOT place.1) OVER whole AND {_give_away("parts")}
                ))::Bool AS becomes
            FROM steps
            ARRAY JOIN [(false, department, counterpart, level), (true, above.1, above.2, toInt16(level - 1))] AS place
            WHERE changed
            WINDOW
                served AS ({_ONE}, place.1, department, level {_FIRST}),
                asked AS ({_ONE}, place.1, counterpart, level {_FIRST}),
                parts AS ({_ONE}, place {_FIRST}),
                whole AS ({_ONE}, place.2, place.3, place.4)
        )
        WHERE among_parts
    )"""

TOLD = f"SELECT {COLUMNS} FROM (SELECT *, max(step) OVER () AS last FROM steps) WHERE step = last AND NOT untold"
