-- How heated solutions are (streams/combined.py): how often one was reopened, for each case that was solved. A share says how
-- many solutions do not hold; here a case that goes to and fro counts each time. Its rows are those of `combined`.
CREATE OR REPLACE VIEW {generation}.reopen_heat AS
WITH
    (
        SELECT toUnixTimestamp64Micro(min(newest))
        FROM (SELECT max(as_of) AS newest FROM {generation}.indicators GROUP BY department)
    ) AS ends,
    solutions AS (
        SELECT department, level, case_id, outcome, span.1 AS window
        FROM {generation}.facts
        ARRAY JOIN [('1h', 1), ('24h', 24), ('7d', 168), ('28d', 672)] AS span
        WHERE measure = 'reopening' AND outcome IN ('met', 'missed')
            AND toUnixTimestamp64Micro(assumeNotNull(counts_at)) <= ends
            AND toUnixTimestamp64Micro(assumeNotNull(counts_at)) > ends - ends % 300000000 - span.2 * 3600000000
    )
SELECT
    'reopen_heat_ratio' AS indicator, s.department AS department, '' AS counterpart, s.window AS window,
    fromUnixTimestamp64Micro(assumeNotNull(ends), 'UTC') AS as_of,
    countIf(s.outcome = 'missed') / uniqExact(s.case_id) AS value, uniqExact(s.case_id) AS n,
    NULL::Nullable(Float64) AS low, NULL::Nullable(Float64) AS high, false AS beyond
FROM solutions AS s
INNER JOIN (
    SELECT department, argMax(depth, since) AS depth FROM crossdesk_public.department_depths
    WHERE since <= fromUnixTimestamp64Micro(ends) GROUP BY department
) AS d ON s.department = d.department AND s.level = d.depth
GROUP BY department, window;
