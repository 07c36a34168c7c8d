-- What a user sees: connections, a sync worker, its results and its errors.
CREATE EXTENSION pythia_db;
\set VERBOSITY default
SELECT pythia.version() = (SELECT extversion FROM pg_extension WHERE extname = 'pythia_db') AS same_version;

CREATE TABLE users (id int PRIMARY KEY, name text, "E-Mail" text, updated_at timestamptz DEFAULT '2026-01-01 00:00:00+00');
INSERT INTO users (id, name, "E-Mail") SELECT g, 'user ' || g, NULLIF('u' || g || '@shop.example', 'u3@shop.example') FROM generate_series(1, 5) g;

-- connections
SELECT pythia.create_connection('shop', 'mysql://app:secret@db.example:3306/shop?charset=utf8mb4', '{"connect_timeout": 3}');
SELECT srvname, srvoptions FROM pg_foreign_server;
SELECT pythia.create_connection('shop', 'mysql://h/x');
SELECT pythia.drop_connection('shop');
SELECT pythia.drop_connection('shop');
SELECT count(*) FROM pg_user_mappings;
SELECT reachable, tls, error FROM pythia.test_connection('local');

-- a worker
SELECT pythia.create_sync_worker('copy', 'local', 'local', '{"table_map": {"users": "people"}}', '{users}') > 0 AS made;
SELECT "table", sync_mode, rows_synced, rows_inserted, rows_updated, rows_deleted, rows_skipped, rows_quarantined, source_count, error
FROM pythia.sync_table('copy', 'users');
TABLE people ORDER BY id;
SELECT "table", rows_inserted, error FROM pythia.sync_tables('copy', '{users,nobody}') ORDER BY 1;
SELECT "table", is_valid, source_count, target_count, difference, method FROM pythia.validate_sync('copy', 'users');
UPDATE people SET "E-Mail" = 'wrong' WHERE id = 3;
DELETE FROM people WHERE id = 4;
SELECT is_valid, missing, extra, differing FROM pythia.validate_sync('copy', 'users');
SELECT primary_key, difference, columns, source_row->>'E-Mail' AS source, target_row->>'E-Mail' AS target FROM pythia.sync_differences('copy', 'users') ORDER BY primary_key->>'id';
SELECT rows_inserted, rows_updated FROM pythia.repair_sync('copy', 'users');
SELECT is_valid FROM pythia.validate_sync('copy', 'users');
SELECT kind, name, enabled, state, failures, last_error FROM pythia.worker_status;
SELECT worker, "table", state, runs, failures, rows_inserted, last_valid, last_difference FROM pythia.stat_sync ORDER BY 2;

-- changed and dropped
SELECT pythia.alter_sync_worker('copy', sync_config => '{"mode": "full", "table_map": {"users": "people"}}', schedule => '1 min');
SELECT source, target, sync_config, tables, schedule FROM pythia.sync_worker;
SELECT pythia.alter_sync_worker('copy', schedule => '0');
SELECT schedule FROM pythia.sync_worker;
SELECT pythia.drop_sync_worker('copy');
SELECT count(*) FROM pythia.worker_status;
SELECT count(*) FROM pythia.stat_sync;

-- errors
SELECT pythia.sync_table('copy', 'users');
SELECT pythia.sync_between('local', 'local', 'user');
SELECT pythia.sync_between('local', 'elsewhere', 'users');
SELECT pythia.sync_between('local', 'local', 'users', '{"mod": "full"}');
SELECT pythia.sync_between('local', 'local', 'users', '{"mode": "half"}');
SELECT pythia.sync_between('local', 'mysql://app:secret@[::1/shop', 'users');
SELECT pythia.validate_between('local', 'local', 'users', '{"method": "guess"}');
DROP EXTENSION pythia_db;
SELECT count(*) FROM pg_class WHERE relnamespace = 'pythia'::regnamespace;
