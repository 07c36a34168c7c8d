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
{{#source_file}}
-- the source is a file of SQLite, which takes this; it holds for every file that the server may read
GRANT pg_read_server_files TO "{{role}}";
{{/source_file}}
{{#target_file}}
-- the target is a file of SQLite, which takes these; they hold for every file that the server may read and write
GRANT pg_read_server_files, pg_write_server_files TO "{{role}}";
{{/target_file}}
COMMIT;
