-- A role that owns the worker and can do nothing else: worker.sql makes the worker as this role.
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
GRANT USAGE, CREATE ON SCHEMA public TO {{role}};
{{#tables}}
GRANT SELECT ON {{table}} TO {{role}};
{{/tables}}
COMMIT;
