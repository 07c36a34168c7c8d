-- Both sides in this database, and what a session does with transactions.
SELECT no_plan();
CREATE TABLE users (id int PRIMARY KEY, name text, updated_at timestamptz DEFAULT now());
INSERT INTO users SELECT g, 'user ' || g FROM generate_series(1, 5000) g;

SELECT is(rows_inserted::int, 5000, 'from this database into this database')
FROM pythia.sync_between('local', 'local', 'users', '{"table_map": {"users": "copy"}}');
SELECT results_eq('TABLE users ORDER BY id', 'TABLE copy ORDER BY id', 'the copy is equal');
UPDATE users SET name = 'changed', updated_at = clock_timestamp() WHERE id % 10 = 0;
SELECT is(row(rows_updated, rows_inserted)::text, '(500,0)', 'and again')
FROM pythia.sync_between('local', 'local', 'users', '{"table_map": {"users": "copy"}}');
SELECT is(is_valid, true, 'valid') FROM pythia.validate_between('local', 'local', 'users', '{"table_map": {"users": "copy"}}');
UPDATE copy SET name = 'bad' WHERE id = 7;
DELETE FROM copy WHERE id = 8;
INSERT INTO copy VALUES (-1, 'extra');
SELECT is(row(is_valid, missing, extra, differing)::text, '(f,1,1,1)', 'differences are found')
FROM pythia.validate_between('local', 'local', 'users', '{"table_map": {"users": "copy"}}');
SELECT is(string_agg(format('%s %s', primary_key->>'id', difference), ', ' ORDER BY (primary_key->>'id')::int), '-1 extra, 7 differing, 8 missing', 'and named')
FROM pythia.differences_between('local', 'local', 'users', '{"table_map": {"users": "copy"}}');
SELECT is(row(rows_inserted, rows_updated, rows_deleted)::text, '(1,1,1)', 'a dry run tells what would be mended')
FROM pythia.repair_between('local', 'local', 'users', '{"table_map": {"users": "copy"}, "dry_run": true}');
SELECT is(is_valid, false, 'and mends nothing') FROM pythia.validate_between('local', 'local', 'users', '{"table_map": {"users": "copy"}}');
SELECT is(row(rows_inserted, rows_updated, rows_deleted)::text, '(1,1,1)', 'repair')
FROM pythia.repair_between('local', 'local', 'users', '{"table_map": {"users": "copy"}}');
SELECT results_eq('TABLE users ORDER BY id', 'TABLE copy ORDER BY id', 'equal again');

-- the caller's transaction decides
BEGIN;
SELECT is(rows_inserted::int, 5000, 'a sync in a transaction') FROM pythia.sync_between('local', 'local', 'users', '{"table_map": {"users": "gone"}}');
SELECT is((SELECT count(*)::int FROM gone), 5000, 'is seen in it');
ROLLBACK;
SELECT is(to_regclass('gone'), NULL, 'and goes with its rollback');
SELECT is(rows_inserted::int, 5000, 'a dry run counts')
FROM pythia.sync_between('local', 'local', 'users', '{"table_map": {"users": "dry"}, "dry_run": true}');
SELECT is(to_regclass('dry'), NULL, 'and leaves nothing');

-- within savepoints, exception blocks, REPEATABLE READ, SERIALIZABLE, a cursor's loop
DO $$
BEGIN
	BEGIN
		PERFORM pythia.sync_between('local', 'local', 'users', '{"table_map": {"users": "undone"}}');
		RAISE EXCEPTION 'no';
	EXCEPTION WHEN raise_exception THEN NULL;
	END;
	BEGIN
		PERFORM pythia.sync_between('local', 'local', 'nothing_there');
	EXCEPTION WHEN undefined_table THEN NULL;
	END;
	PERFORM pythia.sync_between('local', 'local', 'users', '{"table_map": {"users": "done"}}');
END $$;
SELECT is(to_regclass('undone'), NULL, 'an exception block undoes it');
SELECT is((SELECT count(*)::int FROM done), 5000, 'after an error another one works');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT is(rows_inserted::int, 5000, 'in REPEATABLE READ') FROM pythia.sync_between('local', 'local', 'users', '{"table_map": {"users": "rr"}}');
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT is(rows_inserted::int, 5000, 'in SERIALIZABLE') FROM pythia.sync_between('local', 'local', 'users', '{"table_map": {"users": "sr"}}');
COMMIT;
BEGIN READ ONLY;
SELECT throws_ok($$SELECT pythia.sync_between('local', 'local', 'users', '{"table_map": {"users": "ro"}}')$$, '25006', NULL, 'not in READ ONLY');
ROLLBACK;
SELECT is(sum(rows_inserted)::int, 15000, 'one call a row')
FROM generate_series(1, 3) g, pythia.sync_between('local', 'local', 'users', format('{"table_map": {"users": "loop%s"}}', g)::jsonb);

-- the session's settings are the caller's
SET TimeZone = 'Asia/Kathmandu';
SET DateStyle = 'German, DMY';
SET IntervalStyle = 'sql_standard';
SET bytea_output = 'escape';
SET extra_float_digits = -3;
CREATE TABLE odd (id int PRIMARY KEY, t timestamptz, d date, i interval, b bytea, f float8, m money, updated_at timestamptz DEFAULT now());
INSERT INTO odd VALUES (1, '2026-01-02 03:04:05.678901+00', '2026-02-01', '1 year 2 mons -3 days 04:05:06.789', '\x00ff5c41', 0.1 + 0.2, 12.5);
SELECT is(rows_inserted::int, 1, 'other settings') FROM pythia.sync_between('local', 'local', 'odd', '{"table_map": {"odd": "even"}}');
SELECT results_eq('TABLE odd', 'TABLE even', 'do not change values');
SELECT is(current_setting('TimeZone') || current_setting('DateStyle') || current_setting('search_path'), 'Asia/KathmanduGerman, DMY' || current_setting('search_path'), 'and are as they were');
SELECT throws_ok($$SELECT pythia.sync_between('local', 'local', 'nothing_there')$$, '42P01', NULL, 'an error');
SELECT is(current_setting('TimeZone'), 'Asia/Kathmandu', 'leaves them too');
RESET ALL;

-- conflict functions
CREATE FUNCTION keep_longer(source jsonb, target jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT CASE WHEN length(source->>'name') >= length(target->>'name') THEN source ELSE NULL END $$;
CREATE TABLE ours AS SELECT id, name, updated_at FROM users WHERE id <= 4;
ALTER TABLE ours ADD PRIMARY KEY (id);
UPDATE ours SET name = 'a much longer name' WHERE id = 2;
UPDATE ours SET name = 'x' WHERE id = 3;
SELECT is(row(rows_updated, rows_skipped)::text, '(1,1)', 'a function decides')
FROM pythia.sync_between('local', 'local', 'users', '{"table_map": {"users": "ours"}, "where": "id <= 4", "conflict_resolution": "keep_longer"}');
SELECT is(string_agg(name, ',' ORDER BY id), 'user 1,a much longer name,user 3,user 4', 'row by row') FROM ours;
CREATE FUNCTION explode(source jsonb, target jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'boom' USING ERRCODE = 'P0007', HINT = 'no hint'; END $$;
SELECT throws_ok($$SELECT pythia.sync_between('local', 'local', 'users', '{"table_map": {"users": "ours"}, "where": "id <= 4", "conflict_resolution": "explode"}')$$,
	'P0007', 'boom', 'its error is the sync''s');
SELECT is(string_agg(name, ',' ORDER BY id), 'user 1,a much longer name,user 3,user 4', 'and nothing has changed') FROM ours;

-- row-level security hides nothing silently
CREATE ROLE reader LOGIN;
SELECT lives_ok($$SELECT pythia.grant_use('reader')$$, 'grant_use');
GRANT ALL ON SCHEMA public TO reader;
GRANT SELECT ON users TO reader;
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON users USING (id < 10);
SET ROLE reader;
SELECT throws_ok($$SELECT pythia.sync_between('local', 'local', 'users', '{"table_map": {"users": "readers"}}')$$, '42501', NULL, 'a policy that hides rows is an error');
RESET ROLE;
REVOKE ALL ON SCHEMA public FROM reader;
REVOKE ALL ON users FROM reader;
SELECT lives_ok($$SELECT pythia.revoke_use('reader')$$, 'revoke_use');
DROP ROLE reader;

-- a trigger that drops rows is told
CREATE FUNCTION drop_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN CASE WHEN new.id = 3 THEN NULL ELSE new END; END $$;
CREATE TABLE sieve (LIKE users INCLUDING ALL);
CREATE TRIGGER sieve BEFORE INSERT ON sieve FOR EACH ROW EXECUTE FUNCTION drop_row();
SELECT throws_like($$SELECT pythia.sync_between('local', 'local', 'users', '{"table_map": {"users": "sieve"}, "mode": "full"}')$$, '%not stored%', 'a trigger that drops rows is told');
SELECT is((SELECT count(*)::int FROM sieve), 0, 'and nothing half-done is left');

-- what a session knows of a table by heart, it learns again when that changes
CREATE TABLE growing (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now());
INSERT INTO growing SELECT i, 'row ' || i FROM generate_series(1, 10) i;
SELECT pythia.create_sync_worker('grows', 'local', 'local', '{"table_map": {"growing": "grown"}}', '{growing}');
SELECT is(sum(rows_inserted)::int, 10, 'four turns of one session') FROM generate_series(1, 4) g, pythia.sync_table('grows', repeat('growing', (g > 0)::int));
ALTER TABLE growing ADD more int DEFAULT 7;
UPDATE growing SET v = v || '!', updated_at = clock_timestamp();
SELECT is(row(rows_inserted, rows_updated)::text, '(0,10)', 'then a column more') FROM pythia.sync_table('grows', 'growing');
SELECT is((SELECT count(*)::int FROM grown WHERE more = 7 AND v LIKE '%!'), 10, 'is carried');
ALTER TABLE growing ALTER v TYPE varchar(40);
ALTER TABLE growing RENAME COLUMN more TO less;
ALTER TABLE grown RENAME COLUMN more TO less;
UPDATE growing SET less = 8, updated_at = clock_timestamp() WHERE id > 5;
INSERT INTO growing VALUES (11, 'new', clock_timestamp(), 9);
SELECT is(row(rows_inserted, rows_updated)::text, '(1,5)', 'and another name') FROM pythia.sync_table('grows', 'growing');
DROP TABLE grown;
SELECT is(rows_inserted::int, 11, 'or the target is gone') FROM pythia.sync_table('grows', 'growing');
SELECT is((SELECT string_agg(DISTINCT less::text, ',' ORDER BY less::text) FROM grown), '7,8,9', 'and made again');
SELECT pythia.drop_sync_worker('grows');

-- rows that swap a unique key's values, and a stranger in the way, within the caller's transaction
CREATE TABLE moving (id int PRIMARY KEY, code text NOT NULL UNIQUE, updated_at timestamptz DEFAULT now());
INSERT INTO moving VALUES (1, 'a'), (2, 'b'), (3, 'c');
SELECT is(rows_inserted::int, 3, 'codes') FROM pythia.sync_between('local', 'local', 'moving', '{"table_map": {"moving": "moved"}}');
ALTER TABLE moving DROP CONSTRAINT moving_code_key;
UPDATE moving SET code = CASE id WHEN 1 THEN 'b' WHEN 2 THEN 'a' ELSE 'c' END, updated_at = clock_timestamp();
BEGIN;
SELECT is(row(rows_inserted, rows_updated, rows_deleted)::text, '(0,3,0)', 'swapped') FROM pythia.sync_between('local', 'local', 'moving', '{"table_map": {"moving": "moved"}}');
INSERT INTO moved VALUES (9, 'z');
UPDATE moving SET code = 'z', updated_at = clock_timestamp() WHERE id = 3;
SELECT throws_ok($$SELECT pythia.sync_between('local', 'local', 'moving', '{"table_map": {"moving": "moved"}}')$$, '23505', NULL, 'a stranger in the way');
COMMIT;
SELECT is(string_agg(id || code, ',' ORDER BY id), '1b,2a,3c,9z', 'and what came before it stays') FROM moved;

-- tables that refer to one another: deferred by their constraints or by the caller
CREATE TABLE ring_a (id int PRIMARY KEY, other int);
CREATE TABLE ring_b (id int PRIMARY KEY, other int);
INSERT INTO ring_a VALUES (1, 1), (2, 2);
INSERT INTO ring_b VALUES (1, 2), (2, 1);
CREATE TABLE to_a (id int PRIMARY KEY, other int);
CREATE TABLE to_b (id int PRIMARY KEY, other int REFERENCES to_a DEFERRABLE);
ALTER TABLE to_a ADD FOREIGN KEY (other) REFERENCES to_b DEFERRABLE;
SELECT pythia.create_sync_worker('ring', 'local', 'local', '{"mode": "full", "table_map": {"ring_a": "to_a", "ring_b": "to_b"}}', '{ring_a,ring_b}');
SELECT is(count(error), 2::bigint, 'each refers to rows that are not there yet') FROM pythia.sync_all_tables('ring');
BEGIN;
SET CONSTRAINTS ALL DEFERRED;
SELECT is(string_agg(coalesce(error, rows_inserted::text), ','), '2,2', 'in one transaction they come together') FROM pythia.sync_all_tables('ring');
COMMIT;
SELECT is(count(*), 2::bigint, 'and are kept at its end') FROM to_a JOIN to_b ON to_b.id = to_a.other;
SELECT pythia.drop_sync_worker('ring');
SELECT * FROM finish();
