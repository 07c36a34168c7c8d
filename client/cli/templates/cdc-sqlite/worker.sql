-- The worker {{name}} inside a SQLite file: changes are captured when it is polled.
-- usage: sqlite3 FILE < worker.sql     (pythia_db must be where SQLite finds it, or give its path)
-- To make it again: SELECT pythia_drop_cdc_worker('{{name}}');
.bail on
.load pythia_db
SELECT pythia_create_cdc_worker('{{name}}', '{{tables_json_sql}}', NULL, {{poll_interval_seconds}},
    {{timestamp_column_literal}}, '{"track": "keys", "start_from": "beginning"}');
SELECT pythia_poll('{{name}}') AS captured;
SELECT change_id, "table", change_type, primary_key, new_data
    FROM pythia_consume_changes('{{name}}', 'default', 10);
-- the position of the consumer moves when its work is done:
-- SELECT pythia_ack('{{name}}', 'default', change_id);
