-- What the second computation of the indicators needs besides the facts (sinks/recompute.py): business time and the tree. It
-- is of the configuration, and so of every generation.

-- Business time as a table: what a calendar has been open by each instant. Between two rows it grows by one microsecond
-- each until it has reached the next row's, so the rows are the openings and the closings, and the two ends of what is known.
-- All rows of each version of the configuration; the highest version stands, whole: its openings may lie elsewhere.
CREATE TABLE IF NOT EXISTS crossdesk_public.calendar_time_versions
(
    version UInt64,
    calendar LowCardinality(String) COMMENT 'a department; *: whoever has no calendar of its own',
    instant DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    cumulative_us Int64 CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (version, calendar, instant)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE OR REPLACE VIEW crossdesk_public.calendar_time AS
SELECT calendar, instant, cumulative_us
FROM crossdesk_public.calendar_time_versions FINAL
WHERE version = (SELECT max(version) FROM crossdesk_public.calendar_time_versions);

-- How deep a department lies in the tree, since when. `departments` knows one instant only, and history has to be
-- computed with the tree as it was.
CREATE TABLE IF NOT EXISTS crossdesk_public.department_depths_versions
(
    version UInt64,
    department LowCardinality(String),
    since DateTime64(6, 'UTC'),
    depth UInt8
)
ENGINE = ReplacingMergeTree
ORDER BY (version, department, since)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE OR REPLACE VIEW crossdesk_public.department_depths AS
SELECT department, since, depth
FROM crossdesk_public.department_depths_versions FINAL
WHERE version = (SELECT max(version) FROM crossdesk_public.department_depths_versions);
