-- The worker {{name}} inside a PostgreSQL database with pythia_db.
-- usage: psql -f worker.sql DATABASE, after grants.sql, as a superuser: the connections are made by it, the worker is the
-- role's and has its rights alone
-- To make it again: SELECT pythia.drop_sync_worker('{{name}}');
\set ON_ERROR_STOP on

BEGIN;
SELECT pythia.create_connection('{{name}}_source', {{source_sql}});
SELECT pythia.create_connection('{{name}}_target', {{target_sql}});
-- The role uses them by the same name and password, where the URLs have one, and may go without: a role that makes its own
-- connections needs a password in their URLs.  Functions are named with their schema, so that no other's fits better.
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT m.srvname, m.umoptions FROM pg_user_mappings m
        WHERE m.umuser = (SELECT oid FROM pg_roles WHERE rolname = current_user)
        AND m.srvname IN ('{{name}}_source', '{{name}}_target')
    LOOP
        EXECUTE pg_catalog.format('GRANT USAGE ON FOREIGN SERVER %I TO "{{role}}"', one.srvname);
        EXECUTE pg_catalog.format('CREATE USER MAPPING FOR "{{role}}" SERVER %I OPTIONS (%s)', one.srvname,
            (SELECT pg_catalog.string_agg(pg_catalog.format('%I %L', o.option_name, o.option_value), ', ')
                FROM (SELECT * FROM pg_catalog.pg_options_to_table(one.umoptions) UNION ALL SELECT 'password_required', 'false') o));
    END LOOP;
END
$$;
SET LOCAL ROLE "{{role}}";
SELECT pythia.create_sync_worker(
    name => '{{name}}',
    source => '{{name}}_source',
    target => '{{name}}_target',
    sync_config => '{"mode": "{{mode}}", {{timestamp_setting_sql}}"conflict_resolution": "source_wins"}',
    tables => ARRAY[{{tables_sql}}],
    schedule => '5 min');
COMMIT;

SET ROLE "{{role}}";
-- now, in this session; pythia.start_sync('{{name}}') does it in the background, on its schedule
SELECT "table", sync_mode, rows_synced, rows_inserted, rows_updated, error
    FROM pythia.sync_all_tables('{{name}}');
