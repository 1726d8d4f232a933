-- History, which the second computation makes of the facts (sinks/published.py). Everything here is written by crossdesk alone.

-- What ran at the end of an hour, as it was known when that hour was first published. Facts forget: a clock that has stopped
-- does not say any more how long it had run on Tuesday, nor whose it was then. The week of an instant cannot change, so it
-- may be a partition, and weeks that nobody will revise can be dropped. Within one, a clock's hours lie side by side: that
-- takes a byte or two for each.
CREATE TABLE IF NOT EXISTS {generation}.ran_versions
(
    instant DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    measure LowCardinality(String),
    clock UInt64 COMMENT 'hash of what names a clock, whichever department has it: case, measure, opener, level',
    department LowCardinality(String),
    counterpart LowCardinality(String),
    level UInt8,
    business_us Int64 CODEC(Delta, ZSTD(1)) COMMENT 'how long by then'
)
ENGINE = ReplacingMergeTree
PARTITION BY toMonday(instant)
ORDER BY (measure, department, clock, instant)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE OR REPLACE VIEW {generation}.ran AS
SELECT instant, measure, clock, department, counterpart, level, business_us
FROM {generation}.ran_versions FINAL;

-- History. A period is (period_start, its end]: an hour or a day of UTC. Revisions count from 1.
CREATE TABLE IF NOT EXISTS {generation}.published_versions
(
    indicator LowCardinality(String),
    department LowCardinality(String),
    counterpart LowCardinality(String),
    period LowCardinality(String) COMMENT 'hour or day',
    period_start DateTime64(6, 'UTC'),
    revision UInt32,
    as_of DateTime64(6, 'UTC') COMMENT 'how far the facts were known when this revision was made',
    value Nullable(Float64) COMMENT 'NULL: there is nothing to say, which is neither 0 nor 100 %',
    n UInt64,
    low Nullable(Float64),
    high Nullable(Float64),
    beyond Bool COMMENT 'the percentile lies beyond the largest observed, which is value'
)
ENGINE = ReplacingMergeTree
ORDER BY (indicator, department, counterpart, period, period_start, revision)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE OR REPLACE VIEW {generation}.published_revisions AS
SELECT indicator, department, counterpart, period, period_start, revision, as_of, value, n, low, high, beyond
FROM {generation}.published_versions FINAL;

CREATE OR REPLACE VIEW {generation}.published AS
SELECT
    indicator, department, counterpart, period, period_start, latest.1 AS revision,
    latest.2 AS as_of, latest.3 AS value, latest.4 AS n, latest.5 AS low, latest.6 AS high, latest.7 AS beyond
FROM
(
    SELECT
        indicator, department, counterpart, period, period_start,
        -- in a tuple, because argMax passes over NULL
        argMax(tuple(revision, as_of, value, n, low, high, beyond), revision) AS latest
    FROM {generation}.published_versions
    GROUP BY indicator, department, counterpart, period, period_start
);
