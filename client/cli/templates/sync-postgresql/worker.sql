-- The worker {{name}} inside a PostgreSQL database with pythia_db.
-- usage: psql -f worker.sql DATABASE
-- To make it again: SELECT pythia.drop_sync_worker('{{name}}');
\set ON_ERROR_STOP on
CREATE EXTENSION IF NOT EXISTS pythia_db;

BEGIN;
SELECT pythia.create_connection('{{name}}_source', {{source_sql}});
SELECT pythia.create_connection('{{name}}_target', {{target_sql}});
SELECT pythia.create_sync_worker(
    name => '{{name}}',
    source => '{{name}}_source',
    target => '{{name}}_target',
    sync_config => '{"mode": "{{mode}}", {{timestamp_setting_sql}}"conflict_resolution": "source_wins"}',
    tables => ARRAY[{{tables_sql}}],
    schedule => '5 min');
COMMIT;

-- now, in this session; pythia.start_sync('{{name}}') does it in the background, on its schedule
SELECT "table", sync_mode, rows_synced, rows_inserted, rows_updated, error
    FROM pythia.sync_all_tables('{{name}}');
