-- What everybody reads: the views of the current generation. They are replaced one after the other when it becomes another
-- one. Who reads them needs no grant on what lies behind them, and has none on another generation.
-- What was told of a department before it became small, or of its pairs, is told no more.

CREATE OR REPLACE VIEW crossdesk_public.indicators DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH (SELECT groupArray(id) FROM crossdesk_public.departments WHERE hidden) AS hidden
SELECT * FROM {generation}.indicators WHERE NOT has(hidden, department) AND NOT has(hidden, counterpart);

CREATE OR REPLACE VIEW crossdesk_public.published_revisions DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH (SELECT groupArray(id) FROM crossdesk_public.departments WHERE hidden) AS hidden
SELECT * FROM {generation}.published_revisions WHERE NOT has(hidden, department) AND NOT has(hidden, counterpart);

CREATE OR REPLACE VIEW crossdesk_public.published DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH (SELECT groupArray(id) FROM crossdesk_public.departments WHERE hidden) AS hidden
SELECT * FROM {generation}.published WHERE NOT has(hidden, department) AND NOT has(hidden, counterpart);

CREATE OR REPLACE VIEW crossdesk_public.combined DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH (SELECT groupArray(id) FROM crossdesk_public.departments WHERE hidden) AS hidden
SELECT * FROM {generation}.combined
WHERE NOT has(hidden, department) AND NOT has(hidden, counterpart)
    AND (counterpart = '' OR (department, counterpart, window, indicator) IN (SELECT * FROM {generation}.pairs_told))
    -- its n is of all pairs; and what was told of may have been handed over before the window
    AND (indicator != 'hand_over_share_ratio' OR round(value * n) >= 5)
UNION ALL
SELECT * FROM {generation}.reopen_heat WHERE NOT has(hidden, department);

CREATE OR REPLACE VIEW crossdesk_public.reciprocity DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH (SELECT groupArray(id) FROM crossdesk_public.departments WHERE hidden) AS hidden
SELECT * FROM {generation}.reciprocity WHERE NOT has(hidden, department) AND NOT has(hidden, counterpart);

CREATE OR REPLACE VIEW crossdesk_public.echo DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH (SELECT groupArray(id) FROM crossdesk_public.departments WHERE hidden) AS hidden
SELECT * FROM {generation}.echo_at(as_of = toUnixTimestamp64Micro(now64(6))) WHERE NOT has(hidden, department);

-- How a department serves, what is handed over to it and by it, and how its people feel, side by side: of the 28 days to each Monday
-- where history is published (kind `week`), and of now. What people answered is sealed, and of the last 91 days as of that Monday;
-- what is done tells of that as a proxy only, and its columns say so. No column is made of both, and none says who is better. Of the
-- `department` that is asked for (empty: of all): no filter from outside reaches what lies below, which is much.
CREATE OR REPLACE VIEW crossdesk_public.department_overview DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
    (SELECT groupArray(id) FROM crossdesk_public.departments WHERE hidden) AS hidden,
    (SELECT mapFromArrays(groupArray(id), groupArray(depth)) FROM crossdesk_public.departments) AS depths,
    (SELECT max(period_start) + INTERVAL 1 DAY FROM {generation}.published_versions WHERE period = 'day') AS published_until,
    (SELECT max(monday) FROM crossdesk_public.morale_told WHERE whole) AS told_until,
    (
        SELECT argMax(wave, (closed, wave)) FROM crossdesk_public.sealed_versions
        WHERE kind = 'answers' AND about = '' AND closed <= (SELECT max(monday) FROM crossdesk_public.morale_told WHERE whole)
    ) AS newest_wave,
    1.959963984540054 AS z,
    -- Wilson's interval (sinks/recompute.py)
    (hits, n) -> if(hits = 0, 0.,
        (hits + z * z / 2 - z * sqrt(hits * (n - hits) / n + z * z / 4)) / (n + z * z)) AS lowest,
    (value, n, low, high) -> (value, n, low, high)
        ::Tuple(Nullable(Float64), Nullable(UInt64), Nullable(Float64), Nullable(Float64)) AS tell,
    (hits, n) -> tell(hits / n, n, lowest(hits, n), 1 - lowest(n - hits, n)) AS pool,
    -- What morale said as of one Monday holds until it says something else.
    weeks AS (
        SELECT
            turn, arrayMap(n -> turn + toIntervalWeek(n), range(toUInt64(dateDiff('day', turn, next) / 7))) AS mondays
        FROM (
            SELECT
                turn, leadInFrame(turn, 1, assumeNotNull(told_until) + INTERVAL 1 WEEK) OVER (
                    ORDER BY turn ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
                ) AS next
            FROM (SELECT DISTINCT monday AS turn FROM crossdesk_public.morale_told WHERE NOT whole AND monday <= told_until)
        )
    ),
    sides AS (
        SELECT
            'week' AS kind, department, monday AS as_of, toString(indicator) AS what,
            pool(sum(hits), sum(facts)) AS said
        FROM (
            SELECT
                department, indicator, round(value * n) AS hits, n AS facts,
                toDateTime64(toMonday(period_start) + arrayJoin([7, 14, 21, 28]), 6, 'UTC') AS monday
            FROM crossdesk_public.published
            WHERE period = 'day' AND counterpart = '' AND n > 0 AND indicator IN (
                'first_response_attainment_ratio', 'next_response_attainment_ratio', 'resolution_attainment_ratio', 'acceptance_attainment_ratio',
                'first_time_complete_attainment_ratio', 'thanks_attainment_ratio', 'reopening_share_ratio'
            ) AND {department:String} IN ('', department)
        )
        GROUP BY department, monday, indicator
        HAVING monday <= published_until
        UNION ALL
        SELECT 'now', department, as_of, toString(indicator), tell(value, n, low, high)
        FROM crossdesk_public.indicators
        WHERE window = '28d' AND counterpart = '' AND n > 0 AND indicator IN (
            'first_response_attainment_ratio', 'next_response_attainment_ratio', 'resolution_attainment_ratio', 'acceptance_attainment_ratio',
            'first_time_complete_attainment_ratio', 'thanks_attainment_ratio', 'reopening_share_ratio',
            'after_hours_ratio'
        ) AND {department:String} IN ('', department)
        UNION ALL
        -- Of the pairs that are told: with whom lies as deep as itself, or less, or a hand-over would count at two levels.
        SELECT
            'now', counterpart, max(as_of), concat('given ', indicator), pool(sum(round(value * n)), sum(n))
        FROM crossdesk_public.indicators
        WHERE window = '28d' AND counterpart != '' AND n > 0 AND indicator IN ('acceptance_attainment_ratio', 'first_time_complete_attainment_ratio')
            AND depths[department] <= depths[counterpart] AND {department:String} IN ('', counterpart)
        GROUP BY counterpart, indicator
        UNION ALL
        SELECT 'week', department, arrayJoin(mondays), toString(indicator), tell(value, n, low, high)
        FROM crossdesk_public.morale_weeks INNER JOIN weeks ON as_of = turn
        WHERE department != '' AND about = '' AND item IN ('', 'enps') AND (window = '91d' OR indicator = 'response_ratio')
            AND {department:String} IN ('', department)
        UNION ALL
        SELECT 'week', about, arrayJoin(mondays), toString(indicator), tell(value, n, low, high)
        FROM crossdesk_public.morale_weeks INNER JOIN weeks ON as_of = turn
        WHERE department = '' AND about != '' AND item = '' AND window = '91d'
            AND {department:String} IN ('', about)
        UNION ALL
        SELECT 'now', department, as_of, toString(indicator), tell(value, n, low, high)
        FROM crossdesk_public.morale
        WHERE department != '' AND about = '' AND item IN ('', 'enps')
            AND (window = '91d' OR indicator = 'response_ratio' AND wave = newest_wave)
            AND {department:String} IN ('', department)
        UNION ALL
        SELECT 'now', about, as_of, toString(indicator), tell(value, n, low, high)
        FROM crossdesk_public.morale
        WHERE department = '' AND about != '' AND item = '' AND window = '91d'
            AND {department:String} IN ('', about)
    )
SELECT
    department, kind, as_of,
    first_response.1 AS first_response_ratio, first_response.2 AS first_response_n, first_response.3 AS first_response_low_ratio, first_response.4 AS first_response_high_ratio,
    next_response.1 AS next_response_ratio, next_response.2 AS next_response_n, next_response.3 AS next_response_low_ratio, next_response.4 AS next_response_high_ratio,
    resolution.1 AS resolution_ratio, resolution.2 AS resolution_n, resolution.3 AS resolution_low_ratio, resolution.4 AS resolution_high_ratio,
    received_acceptance.1 AS received_acceptance_ratio, received_acceptance.2 AS received_acceptance_n, received_acceptance.3 AS received_acceptance_low_ratio, received_acceptance.4 AS received_acceptance_high_ratio,
    received_complete.1 AS received_complete_ratio, received_complete.2 AS received_complete_n, received_complete.3 AS received_complete_low_ratio, received_complete.4 AS received_complete_high_ratio,
    given_acceptance.1 AS given_acceptance_ratio, given_acceptance.2 AS given_acceptance_n, given_acceptance.3 AS given_acceptance_low_ratio, given_acceptance.4 AS given_acceptance_high_ratio,
    given_complete.1 AS given_complete_ratio, given_complete.2 AS given_complete_n, given_complete.3 AS given_complete_low_ratio, given_complete.4 AS given_complete_high_ratio,
    favourable.1 AS favourable_ratio, favourable.2 AS favourable_n, favourable.3 AS favourable_low_ratio, favourable.4 AS favourable_high_ratio,
    enps.1 AS enps_points, enps.2 AS enps_n, enps.3 AS enps_low_points, enps.4 AS enps_high_points,
    response.1 AS response_ratio, response.2 AS response_n,
    perceived_favourable.1 AS perceived_favourable_ratio, perceived_favourable.2 AS perceived_favourable_n, perceived_favourable.3 AS perceived_favourable_low_ratio, perceived_favourable.4 AS perceived_favourable_high_ratio,
    rated_favourable.1 AS rated_favourable_ratio, rated_favourable.2 AS rated_favourable_n, rated_favourable.3 AS rated_favourable_low_ratio, rated_favourable.4 AS rated_favourable_high_ratio,
    proxy_thanks.1 AS proxy_thanks_ratio, proxy_thanks.2 AS proxy_thanks_n, proxy_thanks.3 AS proxy_thanks_low_ratio, proxy_thanks.4 AS proxy_thanks_high_ratio,
    proxy_reopening.1 AS proxy_reopening_ratio, proxy_reopening.2 AS proxy_reopening_n, proxy_reopening.3 AS proxy_reopening_low_ratio, proxy_reopening.4 AS proxy_reopening_high_ratio,
    proxy_after_hours.1 AS proxy_after_hours_ratio, proxy_after_hours.2 AS proxy_after_hours_n
FROM (
    SELECT
        department, kind, if(kind = 'now', toDateTime64(0, 6, 'UTC'), sides.as_of) AS week, max(sides.as_of) AS as_of,
        anyIf(said, what = 'first_response_attainment_ratio') AS first_response,
        anyIf(said, what = 'next_response_attainment_ratio') AS next_response,
        anyIf(said, what = 'resolution_attainment_ratio') AS resolution,
        anyIf(said, what = 'acceptance_attainment_ratio') AS received_acceptance,
        anyIf(said, what = 'first_time_complete_attainment_ratio') AS received_complete,
        anyIf(said, what = 'given acceptance_attainment_ratio') AS given_acceptance,
        anyIf(said, what = 'given first_time_complete_attainment_ratio') AS given_complete,
        anyIf(said, what = 'favourable_ratio') AS favourable,
        anyIf(said, what = 'enps_points') AS enps,
        anyIf(said, what = 'response_ratio') AS response,
        anyIf(said, what = 'perception_favourable_ratio') AS perceived_favourable,
        anyIf(said, what = 'rating_favourable_ratio') AS rated_favourable,
        anyIf(said, what = 'thanks_attainment_ratio') AS proxy_thanks,
        anyIf(said, what = 'reopening_share_ratio') AS proxy_reopening,
        anyIf(said, what = 'after_hours_ratio') AS proxy_after_hours
    FROM sides
    GROUP BY department, kind, week
)
WHERE NOT has(hidden, department);

CREATE OR REPLACE VIEW crossdesk_cases.facts DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT * FROM {generation}.facts;

CREATE OR REPLACE VIEW crossdesk_cases.ran DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT * FROM {generation}.ran;
