-- The worker {{name}} inside a SQLite file: it runs when an application asks for it.
-- usage: sqlite3 FILE < worker.sql     (pythia_db must be where SQLite finds it, or give its path)
-- To make it again: SELECT pythia_drop_sync_worker('{{name}}');
.bail on
.load pythia_db
SELECT pythia_create_sync_worker('{{name}}', {{source_sql}}, {{target_sql}},
    '{"mode": "{{mode}}", {{timestamp_setting_sql}}"conflict_resolution": "source_wins"}', '{{tables_json_sql}}');
SELECT "table", rows_synced, rows_inserted, rows_updated, error FROM pythia_sync_all_tables('{{name}}');
