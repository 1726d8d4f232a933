-- Whether listening is heard (docs/morale.md): a round is an item of a wave, about a department that has told, since the wave before
-- began and before this one did, what became of a suggestion on that topic. Improved rounds of all, at an instant in microseconds.
-- Its rows are those of `combined`.
CREATE OR REPLACE VIEW {generation}.echo_at AS
WITH
    604800000000 AS week_us,
    1.959963984540054 AS z,
    -- 1970 began on a Thursday
    intDiv({as_of:Int64} - 345600000000, week_us) * week_us + 345600000000 AS monday,
    -- Wilson's interval (sinks/recompute.py)
    (hits, n) -> if(hits = 0, 0.,
        (hits + z * z / 2 - z * sqrt(hits * (n - hits) / n + z * z / 4)) / (n + z * z)) AS lowest,
    began AS (
        -- answers of a week are sealed at its end
        SELECT toString(wave) AS wave, min(toUnixTimestamp64Micro(closed)) - week_us AS at
        FROM crossdesk_public.sealed
        WHERE kind = 'answers' AND toUnixTimestamp64Micro(closed) <= {as_of:Int64}
        GROUP BY wave
    ),
    changes AS (
        SELECT
            if(indicator = 'favourable_ratio', department, about) AS whose,
            if(indicator = 'favourable_ratio', 'working_here', item) AS topic,
            wave, before, trend = 'improved' AS improved
        FROM crossdesk_public.morale_at(as_of = {as_of:Int64})
        WHERE window = '' AND before != ''
            AND (indicator = 'perception_favourable_ratio' AND department = '' AND item != ''
                OR indicator = 'favourable_ratio' AND department != '' AND item = '')
            AND toUnixTimestamp64Micro(assumeNotNull(closed)) > monday - 52 * week_us
    ),
    told AS (
        SELECT DISTINCT toString(department) AS department, toString(flags) AS topic, toUnixTimestamp64Micro(assumeNotNull(stop)) AS at
        FROM {generation}.facts
        WHERE measure = 'loop' AND isNotNull(stop) AND stop <= fromUnixTimestamp64Micro({as_of:Int64})
    ),
    rounds AS (
        SELECT c.whose AS department, c.topic AS topic, c.wave AS wave, any(c.improved) AS improved
        FROM changes AS c
        INNER JOIN told AS t ON c.whose = t.department AND c.topic = t.topic
        INNER JOIN began AS now ON c.wave = now.wave
        INNER JOIN began AS then ON c.before = then.wave
        WHERE t.at >= then.at AND t.at < now.at
        GROUP BY department, topic, wave
    )
SELECT
    'echo_ratio' AS indicator, department, '' AS counterpart, '364d' AS window,
    fromUnixTimestamp64Micro({as_of:Int64}, 'UTC') AS as_of, countIf(improved) / count() AS value, count() AS n,
    lowest(countIf(improved), count()) AS low, 1 - lowest(count() - countIf(improved), count()) AS high, false AS beyond
FROM rounds
GROUP BY department;
