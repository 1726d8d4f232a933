-- Morale as it was at the end of each week (sinks/morale.py fills it): computed once, so that whoever asks does not wait for all
-- departments. Everything here is a function of `sealed` and `department_lines`, and written by crossdesk alone.

-- What is told: `input` is of all that it was computed from. Of each week, and of `whole`, the highest number stands.
CREATE TABLE IF NOT EXISTS crossdesk_public.morale_told
(
    number UInt64 COMMENT 'counts what is told',
    whole Bool COMMENT 'all values of the last week; else what stays of each week',
    monday DateTime64(6, 'UTC') COMMENT 'the end of the week',
    input UInt64 COMMENT 'hash of the batches and the tree that were known',
    told_at DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = MergeTree
ORDER BY number
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- All values of the last week that is over: each time that they are told is a partition, and the one before is dropped. And what
-- stays of each week in which something has changed: the windows of what each department says about none and of what all together
-- say about each, and who had answered the newest wave.
CREATE TABLE IF NOT EXISTS crossdesk_public.morale_versions
(
    number UInt64,
    whole Bool,
    monday DateTime64(6, 'UTC'),
    indicator LowCardinality(String),
    item LowCardinality(String),
    department LowCardinality(String) COMMENT 'who answered; empty: the whole organisation',
    about LowCardinality(String) COMMENT 'whom the answers are about; empty: no department',
    window LowCardinality(String),
    wave LowCardinality(String),
    value Nullable(Float64),
    n UInt64,
    shown LowCardinality(String),
    low Nullable(Float64),
    high Nullable(Float64),
    weighted Nullable(Float64),
    trend LowCardinality(String),
    before LowCardinality(String),
    change Nullable(Float64),
    change_low Nullable(Float64),
    change_high Nullable(Float64),
    closed Nullable(DateTime64(6, 'UTC')),
    age_weeks Nullable(Int64),
    invited Nullable(UInt64)
)
ENGINE = ReplacingMergeTree
PARTITION BY if(whole, number, 0)
ORDER BY (department, about, indicator, item, window, wave, monday, number)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE OR REPLACE VIEW crossdesk_public.morale AS
SELECT
    indicator, item, department, about, window, wave, value, n, shown, low, high, weighted, trend, before, change, change_low,
    change_high, closed, age_weeks, invited, monday AS as_of
FROM crossdesk_public.morale_versions FINAL
WHERE whole AND number = (SELECT max(number) FROM crossdesk_public.morale_told WHERE whole);

CREATE OR REPLACE VIEW crossdesk_public.morale_weeks AS
SELECT
    indicator, item, department, about, window, wave, value, n, shown, low, high, weighted, closed, age_weeks, invited,
    monday AS as_of
FROM crossdesk_public.morale_versions FINAL
WHERE NOT whole AND (monday, number) IN (SELECT monday, max(number) FROM crossdesk_public.morale_told WHERE NOT whole GROUP BY monday);
