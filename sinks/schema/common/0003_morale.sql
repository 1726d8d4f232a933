-- Batches of answers, as they were sealed (streams/sealed.py): the record of morale, of every generation. Whatever is asked of it
-- is a function of sums of whole batches of five persons or more, so anybody may ask.

-- A batch is final: written again it is the same. A row for each of its items.
CREATE TABLE IF NOT EXISTS crossdesk_public.sealed_versions
(
    id String COMMENT 'of the batch: of kind, wave, week and cell',
    closed DateTime64(6, 'UTC') COMMENT 'the Monday that ended its week',
    week LowCardinality(String) COMMENT 'that week, as 2026-W48',
    kind LowCardinality(String) COMMENT 'answers or ratings',
    wave LowCardinality(String) COMMENT 'of ratings the week in which they were given',
    joined LowCardinality(String) COMMENT 'cell: all are of one department and site; else leftovers of several',
    department LowCardinality(String) COMMENT 'who answered; empty: the whole organisation',
    site LowCardinality(String),
    about LowCardinality(String) COMMENT 'whom the answers are about; empty: no department',
    persons UInt32,
    item LowCardinality(String),
    n UInt32 COMMENT 'answers to the item',
    total Nullable(UInt32) COMMENT 'of scores from 0 to 10',
    favourable Nullable(UInt32) COMMENT '8 to 10: the 4 and 5 of 5',
    promoters Nullable(UInt32) COMMENT 'of eNPS: 9 and 10',
    detractors Nullable(UInt32) COMMENT 'of eNPS: 0 to 6'
)
ENGINE = ReplacingMergeTree
ORDER BY (id, item)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE OR REPLACE VIEW crossdesk_public.sealed AS
SELECT * FROM crossdesk_public.sealed_versions FINAL;

-- What is above each department, and how many people it has with all below it, since when; '' is the whole organisation. All rows
-- of each version of the configuration, a row for each department whenever the tree changes; the highest version stands, whole.
CREATE TABLE IF NOT EXISTS crossdesk_public.department_lines_versions
(
    version UInt64,
    department LowCardinality(String),
    since DateTime64(6, 'UTC'),
    line Array(String) COMMENT 'from the top to the department itself',
    head_count Nullable(UInt32),
    sites Map(String, UInt32) COMMENT 'people of its own, by site; empty: not known'
)
ENGINE = ReplacingMergeTree
ORDER BY (version, department, since)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE OR REPLACE VIEW crossdesk_public.department_lines AS
SELECT department, since, line, head_count, sites
FROM crossdesk_public.department_lines_versions FINAL
WHERE version = (SELECT max(version) FROM crossdesk_public.department_lines_versions);

-- The second computation of the indicators of morale (their catalogue is in streams/morale.py, what they mean in docs/morale.md),
-- at an instant in microseconds: SELECT … FROM morale_at(as_of = 1767225600000000).
CREATE OR REPLACE VIEW crossdesk_public.morale_at AS
WITH
    604800000000 AS week_us,
    1.959963984540054 AS z,
    -- 1970 began on a Thursday
    intDiv({as_of:Int64} - 345600000000, week_us) * week_us + 345600000000 AS monday,
    tree AS (
        SELECT
            toString(l.department) AS department, toUnixTimestamp64Micro(l.since) AS since, l.line AS line,
            l.head_count AS heads, l.sites AS sites, below.parts > 0 AS inner,
            -- who is in none of the departments below; unknown where one of those is
            if(below.parts = 0, l.head_count, if(below.known = below.parts, l.head_count - below.heads, NULL)) AS own
        FROM crossdesk_public.department_lines AS l
        LEFT JOIN (
            SELECT
                if(length(line) > 1, line[-2], '') AS parent, since, count() AS parts, count(head_count) AS known,
                toInt64(sum(head_count)) AS heads
            FROM crossdesk_public.department_lines
            WHERE department != ''
            GROUP BY parent, since
        ) AS below ON toString(l.department) = below.parent AND l.since = below.since
    ),
    batches AS (
        SELECT *, toUnixTimestamp64Micro(closed) AS closed_us
        FROM crossdesk_public.sealed
        WHERE closed_us <= {as_of:Int64}
    ),
    -- The tree of a wave is that of its newest batch. Weeks of ratings stand in the order of their names.
    waves AS (
        SELECT kind, wave, max(closed_us) AS at, if(kind = 'ratings', 0, min(closed_us)) AS began
        FROM batches
        GROUP BY kind, wave
    ),
    -- What each batch says: of an item, of all items together, and how many have answered.
    said AS (
        SELECT
            multiIf(item = 'enps', 'enps_points', about = '', 'favourable_ratio', 'perception_favourable_ratio') AS indicator,
            item, id, kind, wave, joined, department, site, about, closed_us, toInt64(persons) AS persons, toInt64(n) AS answers,
            toInt64(if(item = 'enps', ifNull(promoters, 0), ifNull(favourable, 0))) AS plus,
            toInt64(if(item = 'enps', ifNull(detractors, 0), 0)) AS minus
        FROM batches
        WHERE kind = 'answers'
        UNION ALL
        SELECT
            multiIf(kind = 'ratings', 'rating_favourable_ratio', about = '', 'favourable_ratio', 'perception_favourable_ratio'),
            '', id, kind, wave, joined, department, site, about, closed_us, toInt64(any(persons)), toInt64(sum(n)),
            toInt64(sum(ifNull(favourable, 0))), 0
        FROM batches
        WHERE item != 'enps'
        GROUP BY id, kind, wave, joined, department, site, about, closed_us
        UNION ALL
        SELECT
            'response_ratio', '', id, kind, wave, joined, department, site, about, closed_us, toInt64(any(persons)),
            toInt64(any(persons)), toInt64(any(persons)), 0
        FROM batches
        WHERE kind = 'answers' AND about = ''
        GROUP BY id, kind, wave, joined, department, site, about, closed_us
        UNION ALL
        -- of departments without a batch it is said that there is none
        SELECT 'response_ratio', '', '', 'answers', wave, 'cell', department, '', '', 0, 0, 0, 0, 0
        FROM (SELECT DISTINCT department FROM crossdesk_public.department_lines WHERE department != '') AS d
        CROSS JOIN (SELECT DISTINCT wave FROM batches WHERE kind = 'answers' AND about = '') AS w
    ),
    labelled AS (
        SELECT
            s.indicator AS indicator, s.item AS item, s.kind AS kind, s.wave AS wave, w.at AS at, w.began AS began,
            s.joined AS joined, toString(s.department) AS label, toString(s.site) AS site, toString(s.about) AS label_about,
            s.closed_us AS closed_us, s.persons AS persons, s.answers AS answers, least(s.answers, s.persons) AS counted,
            s.plus AS plus, s.minus AS minus
        FROM said AS s INNER JOIN waves AS w ON s.kind = w.kind AND s.wave = w.wave
    ),
    placed AS (
        SELECT
            l.*,
            if(empty(own.sites), own.own, toInt64(own.sites[l.site])) AS people_of_stratum,
            if(empty(own.sites), l.joined = 'cell' OR NOT own.inner, l.joined = 'cell' AND mapContains(own.sites, l.site))
                AS has_stratum,
            if(empty(own.sites), l.label, concat(l.label, '/', l.site)) AS stratum,
            if(l.label = '', [''], arrayConcat([''], if(empty(own.line), [l.label], own.line))) AS askers,
            if(l.label_about = '' OR empty(other.line), [l.label_about], other.line) AS abouts
        FROM labelled AS l
        ASOF LEFT JOIN tree AS own ON l.label = own.department AND l.at >= own.since
        ASOF LEFT JOIN tree AS other ON l.label_about = other.department AND l.at >= other.since
    ),
    -- It counts for each department above who answered, beside each above whom that is about.
    counting AS (
        SELECT *, asker, target, max(closed_us) OVER (PARTITION BY indicator, item, asker, target) AS newest
        FROM placed
        ARRAY JOIN askers AS asker
        ARRAY JOIN abouts AS target
        WHERE asker != target OR target = ''
    ),
    spans AS (
        SELECT *, span.1 AS window, span.2 * week_us AS length, if(newest > monday - length, monday, newest) AS ends
        FROM counting
        ARRAY JOIN [('', 0), ('28d', 4), ('91d', 13), ('364d', 52)] AS span
        WHERE window = '' OR (indicator != 'response_ratio' AND closed_us > ends - length AND closed_us <= ends)
    ),
    of_strata AS (
        SELECT
            indicator, item, asker, target, window, kind, wave, at, began, label_about, stratum, has_stratum, people_of_stratum,
            sum(persons) AS persons, sum(answers) AS answers, sum(counted) AS counted, sum(plus) AS plus, sum(minus) AS minus,
            max(closed_us) AS closed_us
        FROM spans
        GROUP BY indicator, item, asker, target, window, kind, wave, at, began, label_about, stratum, has_stratum, people_of_stratum
    ),
    asked AS (
        SELECT s.*, if(s.kind = 'answers', t.heads, NULL) AS heads
        FROM of_strata AS s ASOF LEFT JOIN tree AS t ON s.asker = t.department AND s.at >= t.since
    ),
    sums AS (
        SELECT
            indicator, item, asker, target, window, if(window = '', wave, '') AS of_wave, min(began) AS begins,
            sum(a.persons) AS persons, sum(a.answers) AS answers, sum(a.counted) AS counted,
            sum(a.plus) AS plus, sum(a.minus) AS minus, max(a.closed_us) AS newest,
            -- in each wave about each department everybody was asked once
            if(countIf(isNull(heads)) > 0, NULL, arraySum(one -> one.3, groupUniqArray((wave, label_about, ifNull(heads, 0)))))
                AS people,
            countIf(has_stratum AND ifNull(people_of_stratum, 0) <= 0) = 0 AND countIf(has_stratum) > 0 AS strata_known,
            -- the 1 keeps strata of nobody, which sumMap would leave out
            sumMapIf([stratum], [a.answers], [a.plus - a.minus], [1], has_stratum) AS strata,
            maxMapIf([stratum], [ifNull(people_of_stratum, 0)], has_stratum) AS people_of,
            sumIf(a.answers, NOT has_stratum) AS other_answers, sumIf(a.plus - a.minus, NOT has_stratum) AS other_balance
        FROM asked AS a
        GROUP BY indicator, item, asker, target, window, of_wave
    ),
    weighed AS (
        SELECT
            *, if(people >= counted, people, NULL) AS population,
            arrayMap(
                (size, n) -> least(3., greatest(1 / 3, size * arraySum(strata.2) / (n * arraySum(people_of.2)))),
                people_of.2, strata.2
            ) AS weights,
            if(
                window = '' AND strata_known AND people >= persons AND 100 * persons >= 30 * people,
                (other_balance + arraySum(arrayMap((w, b) -> w * b, weights, strata.3)))
                    / (other_answers + arraySum(arrayMap((w, n) -> w * n, weights, strata.2))),
                NULL
            ) AS weighted_share
        FROM sums
    ),
    estimated AS (
        SELECT
            *, indicator = 'enps_points' AS is_enps, indicator = 'response_ratio' AS is_response, if(is_enps, 100., 1.) AS scale,
            (plus - minus) / answers AS share,
            -- what is left of doubt where many of them have answered: an interval as if of so many more
            if(isNull(population), 1., (population - counted) / population) AS doubt,
            counted / doubt AS effective,
            z * sqrt(((plus + minus) / answers - share * share) / counted * doubt) AS half,
            z * sqrt(share * (1 - share) / effective + z * z / (4 * effective * effective)) / (1 + z * z / effective) AS wilson,
            (share + z * z / (2 * effective)) / (1 + z * z / effective) AS middle,
            multiIf(is_enps, share - half, doubt = 0 OR plus = 0, share, middle - wilson) * scale AS low_end,
            multiIf(is_enps, share + half, doubt = 0 OR plus = answers, share, middle + wilson) * scale AS high_end
        FROM weighed
    ),
    changing AS (
        SELECT
            *, row_number() OVER in_turn > 1 AND window = '' AND NOT is_response AS has_before, share * scale AS point,
            lagInFrame(of_wave) OVER in_turn AS wave_before,
            point - lagInFrame(point) OVER in_turn AS difference,
            sqrt(pow(point - low_end, 2) + pow(lagInFrame(high_end) OVER in_turn - lagInFrame(point) OVER in_turn, 2)) AS less,
            sqrt(pow(high_end - point, 2) + pow(lagInFrame(point) OVER in_turn - lagInFrame(low_end) OVER in_turn, 2)) AS more
        FROM estimated
        WINDOW in_turn AS (
            PARTITION BY indicator, item, asker, target, window ORDER BY begins, of_wave
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )
    )
SELECT
    indicator, toString(item) AS item, asker AS department, target AS about, window, toString(of_wave) AS wave,
    multiIf(
        NOT is_response, toNullable(point),
        counted = 0, NULL,
        intDiv(40 * counted + population, 2 * population) / 20
    ) AS value,
    toUInt64(counted) AS n, if(n < 5, '<5', toString(n)) AS shown,
    if(is_response, NULL, greatest(low_end, if(is_enps, -100., 0.))) AS low,
    if(is_response, NULL, least(high_end, if(is_enps, 100., 1.))) AS high,
    if(is_response, NULL, weighted_share * scale) AS weighted,
    multiIf(
        NOT has_before, '', difference - less > 0, 'improved', difference + more < 0, 'declined', 'no clear change'
    ) AS trend,
    if(has_before, toString(wave_before), '') AS before,
    if(has_before, difference, NULL) AS change, if(has_before, difference - less, NULL) AS change_low,
    if(has_before, difference + more, NULL) AS change_high,
    if(counted = 0, NULL, fromUnixTimestamp64Micro(newest, 'UTC')) AS closed,
    if(counted = 0, NULL, intDiv(monday - newest, week_us)) AS age_weeks,
    if(is_response, if(population < 5, 0, intDiv(2 * population + 5, 10) * 5), NULL) AS invited
FROM changing;

CREATE OR REPLACE VIEW crossdesk_public.morale AS
SELECT * FROM crossdesk_public.morale_at(as_of = toUnixTimestamp64Micro(now64(6)));
