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

CREATE OR REPLACE VIEW crossdesk_cases.facts DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT * FROM {generation}.facts;

CREATE OR REPLACE VIEW crossdesk_cases.ran DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT * FROM {generation}.ran;
