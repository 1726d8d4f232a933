-- Indicators that are made of several (streams/combined.py): of a department and of a pair, computed when somebody
-- asks, over the windows that end when the numbers of every department were known last.
CREATE OR REPLACE VIEW {generation}.combined AS
WITH
    (
        SELECT toUnixTimestamp64Micro(min(newest))
        FROM (SELECT max(as_of) AS newest FROM {generation}.indicators GROUP BY department)
    ) AS ends,
    1.959963984540054 AS z,
    -- Wilson's interval (sinks/recompute.py)
    (hits, n) -> if(hits = 0, 0.,
        (hits + z * z / 2 - z * sqrt(hits * (n - hits) / n + z * z / 4)) / (n + z * z)) AS lowest,
    (hits, n) -> 1 - lowest(n - hits, n) AS highest,
    depths AS (
        SELECT department, argMax(depth, since) AS depth FROM crossdesk_public.department_depths
        WHERE since <= fromUnixTimestamp64Micro(ends) GROUP BY department
    ),
    -- Since and until when it is there: a stint while it lasts; a hand-over at the instant at which it happened, whatever
    -- became of it; else the instant at which a fact counts.
    known AS (
        SELECT
            measure, level, department, toString(counterpart) AS asker, case_id, opener_id, outcome,
            toUnixTimestamp64Micro(if(measure IN ('acceptance', 'ownership'), start, assumeNotNull(counts_at))) AS since,
            multiIf(
                measure != 'ownership', since,
                isNull(stop), 9223372036854775807,
                toUnixTimestamp64Micro(assumeNotNull(stop))
            ) AS until
        FROM {generation}.facts
        WHERE measure IN ('acceptance', 'ownership')
            OR (measure IN ('promise_first', 'promise_final', 'reopening', 'rework')
                AND outcome IN ('met', 'missed', 'excused', 'done') AND isNotNull(counts_at))
    ),
    inside AS (
        SELECT measure, level, department, asker, case_id, opener_id, outcome, one.1 AS window
        FROM known
        ARRAY JOIN [('1h', 1), ('24h', 24), ('7d', 168), ('28d', 672)] AS one
        WHERE since <= ends AND until > ends - ends % 300000000 - one.2 * 3600000000
    ),
    handed_over AS (
        SELECT level, window, count() AS n FROM inside WHERE measure = 'acceptance' GROUP BY level, window
    ),
    -- A department is shown at its own depth in the tree, a pair at that of its deeper side.
    placed AS (
        SELECT
            i.measure AS measure, i.level AS level, i.department AS department, i.asker AS asker, i.case_id AS case_id,
            i.opener_id AS opener_id, i.outcome AS outcome, i.window AS window,
            own.depth AS depth, greatest(own.depth, other.depth) AS depth_of_pair
        FROM inside AS i
        LEFT JOIN depths AS own ON i.department = own.department
        LEFT JOIN depths AS other ON i.asker = other.department
    ),
    -- A row for each case, and one for each promise: its two facts are opened by one event.
    by_case AS (
        SELECT
            department, counterpart, level, window,
            countIf(measure = 'promise_first' AND outcome = 'met') AS met_first,
            countIf(measure = 'promise_first' AND outcome IN ('met', 'missed')) AS judged_first,
            countIf(measure = 'promise_final' AND outcome = 'met') AS met_final,
            countIf(measure = 'promise_final' AND outcome IN ('met', 'missed')) AS judged_final,
            countIf(measure = 'reopening' AND outcome = 'missed') AS reopenings,
            countIf(measure = 'reopening') AS solutions,
            countIf(measure = 'acceptance') AS handings,
            countIf(measure = 'rework') AS repeats,
            countIf(measure = 'ownership') > 0 AS had
        FROM placed
        ARRAY JOIN arrayConcat(
            if(level = depth, [''], []),
            if(level = depth_of_pair AND asker NOT IN ('', department), [asker], [])
        ) AS counterpart
        GROUP BY
            department, counterpart, level, window, case_id,
            if(startsWith(measure, 'promise_'), opener_id, '') AS promise
    ),
    counted AS (
        SELECT
            department, counterpart, level, window,
            sum(met_first) AS first_met, sum(judged_first) AS first_n,
            sum(met_final) AS final_met, sum(judged_final) AS final_n,
            sum(judged_first * judged_final) AS both_n, sum(met_first * met_final) AS both_met,
            sum(met_first * judged_final) AS met_then, sum(judged_first * met_final) AS met_later,
            sum(reopenings) AS reopened, sum(solutions) AS solved,
            sum(handings) AS handed, sum(repeats) AS again, sum(had) AS cases
        FROM by_case GROUP BY department, counterpart, level, window
    ),
    -- What lies between a share and either end of its interval.
    rated AS (
        SELECT
            c.department AS department, c.counterpart AS counterpart, c.window AS window,
            first_n, final_n, solved, handed, again, cases, h.n AS handed_by_all,
            toInt64(both_n * both_met) - toInt64(met_then * met_later) AS together,
            ifNotFinite(
                if(together < 0, together, greatest(0, together - both_n / 2))
                    / sqrt(met_then * (both_n - met_then) * met_later * (both_n - met_later))
                    * both_n / sqrt(first_n * final_n),
                0.
            ) AS alike,
            first_met / first_n AS kept_first, final_met / final_n AS kept_final, 1 - reopened / solved AS held,
            kept_first - lowest(first_met, first_n) AS first_down, highest(first_met, first_n) - kept_first AS first_up,
            kept_final - lowest(final_met, final_n) AS final_down, highest(final_met, final_n) - kept_final AS final_up,
            held - lowest(solved - reopened, solved) AS held_down, highest(solved - reopened, solved) - held AS held_up
        FROM counted AS c LEFT JOIN handed_over AS h ON c.level = h.level AND c.window = h.window
    )
-- The intervals of a difference and of a product are made of those of their parts (Zou and Donner 2008). The two shares of the
-- difference are of the same promises, and go up and down together: as much as they are alike (Newcombe 1998, method 10).
SELECT
    said.1 AS indicator, department, counterpart, window, fromUnixTimestamp64Micro(assumeNotNull(ends), 'UTC') AS as_of,
    said.2 AS value, said.3 AS n, said.4 AS low, said.5 AS high, false AS beyond
FROM rated
ARRAY JOIN [
    (
        'promise_slip_ratio', kept_final - kept_first, least(first_n, final_n),
        kept_final - kept_first
            - sqrt(greatest(0, pow(final_down, 2) + pow(first_up, 2) - 2 * alike * final_down * first_up)),
        kept_final - kept_first
            + sqrt(greatest(0, pow(final_up, 2) + pow(first_down, 2) - 2 * alike * final_up * first_down))
    ),
    (
        'promise_dependable_ratio', kept_first * held, if(counterpart = '', least(first_n, solved), 0),
        kept_first * held - sqrt(pow(held * first_down, 2) + pow(kept_first * held_down, 2)),
        kept_first * held + sqrt(pow(held * first_up, 2) + pow(kept_first * held_up, 2))
    ),
    (
        'hand_over_share_ratio', handed / handed_by_all, if(counterpart != '' AND handed > 0, handed_by_all, 0),
        lowest(handed, handed_by_all), highest(handed, handed_by_all)
    ),
    ('rework_per_case_ratio', again / cases, if(counterpart = '', cases, 0), NULL, NULL)
] AS said
WHERE n > 0;

-- Pairs of which the stream tells nothing, since they are of too few, are not told of here either: those whose parts it tells.
CREATE OR REPLACE VIEW {generation}.pairs_told AS
WITH told AS (
    SELECT department, counterpart, window, groupArray(indicator) AS parts
    FROM {generation}.indicators WHERE counterpart != '' AND n > 0 GROUP BY department, counterpart, window
)
SELECT department, counterpart, window, one.1 AS indicator
FROM told
ARRAY JOIN [
    ('hand_over_share_ratio', ['acceptance_facts']),
    ('promise_slip_ratio', ['promise_first_attainment_ratio', 'promise_final_attainment_ratio'])
] AS one
WHERE hasAll(parts, one.2);
