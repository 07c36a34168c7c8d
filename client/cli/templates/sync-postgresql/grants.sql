-- A role that owns the worker and can do nothing else.  Load worker.sql as it.
-- usage: psql -f grants.sql DATABASE, as a superuser
\set ON_ERROR_STOP on
CREATE EXTENSION IF NOT EXISTS pythia_db;
BEGIN;
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{{role}}') THEN
        CREATE ROLE {{role}} LOGIN;
    END IF;
END
$$;
SELECT pythia.grant_use('{{role}}');
COMMIT;
