-- Three kinds of databases, because a dashboard is no border: whoever may look at one may send any query (SEC-1).
--   crossdesk_public  what everybody may read who reads dashboards. Grafana's user has SELECT here, readonly = 1, and no
--                     grant on anything else. Single cases have a database of their own (0004_small_departments.sql).
--   crossdesk_1, …    what was computed from events, each time anew: a generation (schema/generation/). Its views in
--                     crossdesk_public show the current one (schema/current.sql); nobody else sees another.
--   crossdesk_raw     events as they came, with pseudonyms inside. For `crossdesk explain` and `crossdesk repair`.
-- What people query are views without traps. The tables behind them keep every version until a merge drops it.
-- Each statement can be run again (IF NOT EXISTS, OR REPLACE). fsync: who writes moves its offsets on after an insert, so
-- what was inserted must outlive a power cut too.

CREATE DATABASE IF NOT EXISTS crossdesk_public;
CREATE DATABASE IF NOT EXISTS crossdesk_raw;

-- Which generation is the current one: the last to which somebody switched.
CREATE TABLE IF NOT EXISTS crossdesk_public.switches
(
    number UInt64 COMMENT 'counts them: the highest stands',
    generation UInt32,
    switched_at DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = MergeTree
ORDER BY number
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- All departments of each version of the configuration; the highest version stands, whole.
CREATE TABLE IF NOT EXISTS crossdesk_public.departments_versions
(
    version UInt64,
    id String,
    name String,
    parent String,
    depth UInt8,
    head_count UInt32
)
ENGINE = ReplacingMergeTree
ORDER BY (version, id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE OR REPLACE VIEW crossdesk_public.departments AS
SELECT id, name, parent, depth, head_count, version
FROM crossdesk_public.departments_versions FINAL
WHERE version = (SELECT max(version) FROM crossdesk_public.departments_versions);

-- Events are immutable; the key is a function of the record, so that writing it again changes nothing, and both
-- deliveries of one event are kept (an id may come back with another meaning). `subject` and `case_id` are empty where
-- they would be a person's. What the log took in more than 13 months ago is not kept, not even just after it was written.
CREATE TABLE IF NOT EXISTS crossdesk_raw.events_versions
(
    case_id String CODEC(ZSTD(1)),
    time DateTime64(6, 'UTC'),
    id String,
    offset UInt64,
    appended_at DateTime64(6, 'UTC') COMMENT 'when the log took it in',
    type LowCardinality(String) COMMENT 'empty: the record cannot be read',
    source LowCardinality(String),
    subject String CODEC(ZSTD(1)),
    sequence UInt64,
    actor LowCardinality(String),
    raw String CODEC(ZSTD(3)) COMMENT 'the record as it came, fields that we do not know included'
)
ENGINE = ReplacingMergeTree
ORDER BY (case_id, time, id, offset)
TTL toDateTime(appended_at) + INTERVAL 13 MONTH
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE OR REPLACE VIEW crossdesk_raw.events AS
SELECT id, type, source, subject, case_id, time, sequence, actor, offset, appended_at, raw
FROM crossdesk_raw.events_versions FINAL;
