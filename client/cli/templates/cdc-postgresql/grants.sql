-- A role that owns the worker and can do nothing else.  Load worker.sql as it.
-- usage: psql -f grants.sql DATABASE, as a superuser
\set ON_ERROR_STOP on
CREATE EXTENSION IF NOT EXISTS pythia_db;
BEGIN;
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{{ident}}') THEN
        CREATE ROLE {{ident}} LOGIN;
    END IF;
END
$$;
GRANT USAGE ON SCHEMA pythia TO {{ident}};
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pythia TO {{ident}};
GRANT USAGE, CREATE ON SCHEMA public TO {{ident}};
{{#tables}}
GRANT SELECT ON {{table}} TO {{ident}};
{{/tables}}
COMMIT;
