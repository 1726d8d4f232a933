-- Who may look at indicators may not list single cases: that is a right of its own, with a database of its own.
--   crossdesk_cases   `facts` and `ran`, a row for each thing that was measured, with the case; and, so that who asks needs no
--                     prefix, a view of each view in crossdesk_public. It is the default database of every connection that
--                     crossdesk opens to ask. Grafana's user has no grant here.
-- There a department of few people could be told from its facts, and a pair from its cases.

CREATE DATABASE IF NOT EXISTS crossdesk_cases;
DROP VIEW IF EXISTS crossdesk_public.facts;
DROP VIEW IF EXISTS crossdesk_public.ran;

-- Which departments are told of in what is above them alone: the small ones, and those that hide with them.
ALTER TABLE crossdesk_public.departments_versions ADD COLUMN IF NOT EXISTS hidden Bool DEFAULT false
    COMMENT 'its indicators are in those of what is above it, and nowhere else';
ALTER TABLE crossdesk_public.department_depths_versions ADD COLUMN IF NOT EXISTS hidden Bool DEFAULT false;

CREATE OR REPLACE VIEW crossdesk_public.departments AS
SELECT id, name, parent, depth, head_count, hidden, version
FROM crossdesk_public.departments_versions FINAL
WHERE version = (SELECT max(version) FROM crossdesk_public.departments_versions);

CREATE OR REPLACE VIEW crossdesk_public.department_depths AS
SELECT department, since, depth, hidden
FROM crossdesk_public.department_depths_versions FINAL
WHERE version = (SELECT max(version) FROM crossdesk_public.department_depths_versions);
