-- What is computed from events. {generation} is the database of one generation (crossdesk_1, …): a computation from the first
-- event on, beside the others and apart from them.

CREATE DATABASE IF NOT EXISTS {generation};

-- Versioned upserts. ORDER BY the id alone and no partition: department and stop may change, and rows of one fact in
-- two partitions or under two keys would both survive FINAL. `fact_id` is the fact's key as one string (streams/fact.py).
CREATE TABLE IF NOT EXISTS {generation}.facts_versions
(
    fact_id String DEFAULT concat(case_id, '/', measure, '/', lower(hex(opener)), '/', toString(level), '/', department)
        CODEC(ZSTD(1)),
    case_id String CODEC(ZSTD(1)),
    measure LowCardinality(String),
    opener String COMMENT 'the 16 bytes of the id of the event that opened it',
    level UInt8 COMMENT 'depth in the tree of departments, 0 at the top',
    department LowCardinality(String),
    counterpart LowCardinality(String) COMMENT 'who asked or handed over; empty: nobody',
    start DateTime64(6, 'UTC'),
    stop Nullable(DateTime64(6, 'UTC')),
    due Nullable(DateTime64(6, 'UTC')),
    since DateTime64(6, 'UTC') COMMENT 'up to when calendar_us and business_us count, while it runs',
    calendar LowCardinality(String) COMMENT 'whose business time is added after since; empty: none is',
    calendar_us Int64,
    business_us Int64,
    outcome LowCardinality(String),
    norm LowCardinality(String),
    counts_at Nullable(DateTime64(6, 'UTC')) COMMENT 'when it enters a window; NULL: not determined yet',
    flags LowCardinality(String),
    version UInt64 COMMENT 'offset of the last event folded: the highest stands, equal ones are equal',
    retracted UInt8 DEFAULT outcome = 'retracted',
    standing UInt64 DEFAULT version * 2 + (outcome != 'retracted')
        COMMENT 'of one version, what is said stands against what is taken back: it goes on in another record'
)
ENGINE = ReplacingMergeTree(standing)
ORDER BY fact_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- What is inserted: the records of the topic of facts, each with the facts of one clock at several levels.
CREATE TABLE IF NOT EXISTS {generation}.facts_records
(
    version UInt64,
    outcome LowCardinality(String),
    counts_at Nullable(DateTime64(6, 'UTC')),
    stop Nullable(DateTime64(6, 'UTC')),
    case_id String,
    measure LowCardinality(String),
    opener String,
    start DateTime64(6, 'UTC'),
    due Nullable(DateTime64(6, 'UTC')),
    since DateTime64(6, 'UTC'),
    calendar LowCardinality(String),
    calendar_us Int64,
    business_us Int64,
    norm LowCardinality(String),
    flags LowCardinality(String),
    counterparts Array(String),
    levels Array(UInt8),
    departments Array(String)
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS {generation}.facts_of_records TO {generation}.facts_versions AS
SELECT * EXCEPT (counterparts, levels, departments), counterpart, level, department
FROM {generation}.facts_records
ARRAY JOIN counterparts AS counterpart, levels AS level, departments AS department;

CREATE OR REPLACE VIEW {generation}.facts AS
SELECT
    fact_id, case_id, measure, department, counterpart, level, start, stop, due, calendar_us, business_us, outcome,
    norm, counts_at, version, since, calendar, lower(hex(opener)) AS opener_id, flags
FROM {generation}.facts_versions FINAL
WHERE retracted = 0;

-- The latest value of each series. History is in `published`.
CREATE TABLE IF NOT EXISTS {generation}.indicators_versions
(
    indicator LowCardinality(String),
    department LowCardinality(String),
    counterpart LowCardinality(String),
    window LowCardinality(String),
    as_of DateTime64(6, 'UTC'),
    value Nullable(Float64) COMMENT 'NULL: there is nothing to say, which is neither 0 nor 100 %',
    n UInt64,
    low Nullable(Float64),
    high Nullable(Float64),
    beyond Bool COMMENT 'the percentile lies beyond the largest observed, which is value',
    offset UInt64 COMMENT 'of the last fact behind it: the highest stands'
)
ENGINE = ReplacingMergeTree(offset)
ORDER BY (indicator, department, counterpart, window)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE OR REPLACE VIEW {generation}.indicators AS
SELECT indicator, department, counterpart, window, as_of, value, n, low, high, beyond, offset
FROM {generation}.indicators_versions FINAL;
