-- What everybody reads: the views of the current generation. They are replaced one after the other when it becomes another
-- one. Who reads them needs no grant on what lies behind them, and has none on another generation.
CREATE OR REPLACE VIEW crossdesk_public.facts DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT * FROM {generation}.facts;

CREATE OR REPLACE VIEW crossdesk_public.indicators DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT * FROM {generation}.indicators;

CREATE OR REPLACE VIEW crossdesk_public.ran DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT * FROM {generation}.ran;

CREATE OR REPLACE VIEW crossdesk_public.published_revisions DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT * FROM {generation}.published_revisions;

CREATE OR REPLACE VIEW crossdesk_public.published DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT * FROM {generation}.published;

CREATE OR REPLACE VIEW crossdesk_public.combined DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT * FROM {generation}.combined;

CREATE OR REPLACE VIEW crossdesk_public.reciprocity DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT * FROM {generation}.reciprocity;
