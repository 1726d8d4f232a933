-- What HR systems tell of departments (docs/staff.md): sums of blocks of 13 weeks, of departments of twenty people and more, which are
-- final. The exact sums are for nobody to look at: what everybody may read is rounded, and says nothing of fewer than five who left.

-- All blocks of each version of the configuration; the highest version stands, whole.
CREATE TABLE IF NOT EXISTS crossdesk_raw.staff_versions
(
    version UInt64,
    department LowCardinality(String),
    ends DateTime64(6, 'UTC'),
    present_us Int64 COMMENT 'how long people of the department, and of all below it, were there, all together',
    away_us Nullable(Int64) COMMENT 'and away, up to six weeks at a time; NULL: nobody says',
    left_people UInt32 COMMENT 'who were in no department afterwards',
    open_positions Nullable(UInt32) COMMENT 'at the end; NULL: nobody says'
)
ENGINE = ReplacingMergeTree
ORDER BY (version, department, ends)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- With the columns of `indicators`. A block is told of when it has been over for five weeks. `n` is the number of people, to five.
-- Shares are rounded to five points of a hundred, that of time to one. Where value is NULL, fewer than five have left.
CREATE OR REPLACE VIEW crossdesk_public.staff DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH
    13 * 604800000000 AS block_us,
    (SELECT groupArray(id) FROM crossdesk_public.departments WHERE hidden) AS hidden,
    blocks AS (
        SELECT *, toUnixTimestamp64Micro(ends) AS ends_us, max(ends_us) OVER () AS newest
        FROM crossdesk_raw.staff_versions FINAL
        WHERE version = (SELECT max(version) FROM crossdesk_public.departments_versions)
            AND ends <= now64(6) - INTERVAL 5 WEEK
    ),
    sums AS (
        SELECT
            toString(department) AS department, newest, span.1 AS window, span.2 AS parts,
            toInt128(sum(present_us)) AS present, if(countIf(isNull(away_us)) > 0, NULL, toInt128(sum(away_us))) AS away, toInt128(sum(left_people)) AS gone,
            toInt128(argMax(present_us, ends_us)) AS present_last, argMax(tuple(open_positions), ends_us).1 AS positions
        FROM blocks
        ARRAY JOIN [('91d', 1), ('364d', 4)] AS span
        WHERE ends_us > newest - span.2 * block_us
        GROUP BY department, newest, window, parts
        HAVING count() = parts
    ),
    said AS (
        SELECT
            'left_ratio' AS indicator, department, window, newest, intDiv(present, parts * block_us) AS people,
            if(gone < 5, NULL, intDiv(40 * gone * parts * block_us + present, 2 * present) / 20) AS value
        FROM sums
        UNION ALL
        SELECT 'away_ratio', department, window, newest, intDiv(present, parts * block_us),
            intDiv(200 * assumeNotNull(away) + present, 2 * present) / 100
        FROM sums WHERE parts > 1 AND isNotNull(away)
        UNION ALL
        SELECT
            'open_positions_ratio', department, '', newest, intDiv(present_last, block_us),
            intDiv(40 * assumeNotNull(positions) * block_us + assumeNotNull(positions) * block_us + present_last,
                2 * (assumeNotNull(positions) * block_us + present_last)) / 20
        FROM sums WHERE parts = 1 AND isNotNull(positions)
    )
SELECT
    indicator, department, '' AS counterpart, window, fromUnixTimestamp64Micro(newest, 'UTC') AS as_of, value,
    toUInt64(intDiv(2 * people + 5, 10) * 5) AS n, NULL::Nullable(Float64) AS low, NULL::Nullable(Float64) AS high, false AS beyond
FROM said
WHERE NOT has(hidden, department);
