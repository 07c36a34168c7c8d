-- A role that owns the worker and can do nothing else: worker.sql makes the worker as this role.
-- usage: psql -f grants.sql DATABASE, as a superuser
\set ON_ERROR_STOP on
CREATE EXTENSION IF NOT EXISTS pythia_db;
BEGIN;
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{{role}}') THEN
        CREATE ROLE "{{role}}" LOGIN;
    END IF;
END
$$;
SELECT pythia.grant_use('{{role}}');
-- Its handler is in a schema of its own: who may create functions in public, where others look for theirs, may have them run as these.
CREATE SCHEMA IF NOT EXISTS "{{role}}" AUTHORIZATION "{{role}}";
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner WHERE n.nspname = '{{role}}' AND r.rolname = '{{role}}') THEN
        RAISE EXCEPTION 'schema {{role}} belongs to another role'
            USING HINT = 'Drop it, or give the worker another name.';
    END IF;
END
$$;
GRANT USAGE ON SCHEMA public TO "{{role}}";
{{#tables}}
GRANT SELECT ON {{table}} TO "{{role}}";
{{/tables}}
COMMIT;
