-- Rows straight into a heap of this database, indexes after them; COPY where it must be.
SELECT no_plan();
CREATE EXTENSION IF NOT EXISTS amcheck;

-- what reads values by itself agrees with the types' own input functions, for every text that may come
CREATE TABLE texts (id int PRIMARY KEY, t text);
CREATE TEMP TABLE word (type text, words text[]);
INSERT INTO word VALUES
	('smallint', '{0,-0,7,+7," 7","7 ",00012,-32768,32767,32768,-32769,1.0,abc,"",-}'),
	('integer', '{0,2147483647,-2147483648,2147483648,1_000,99999999999999999999}'),
	('bigint', '{9223372036854775807,-9223372036854775808,9223372036854775808,-9223372036854775809,12x}'),
	('numeric', '{0,-0,0.00,-0.00,00012.50,.5,5.,-.5,1e5,1E-3,NaN,Infinity,-Infinity,123456789012345678,
		1234567890123456789,0.000000000000000001,-12345.678900,+1,"",-,.,1.2.3,12a}'),
	('numeric(12,2)', '{0,0.005,-0.005,1.5,1.55,1.555,9999999999.99,9999999999.994,9999999999.995,-9999999999.99,
		10000000000,00000000000.1,0000000000000000000000.1,NaN,Infinity}'),
	('numeric(3,3)', '{0.999,0.9999,1,.5,0,-0.001}'),
	('numeric(18,0)', '{999999999999999999,999999999999999999.4,999999999999999999.5,-999999999999999999}'),
	('numeric(30,25)', '{12345.6789,1,0.1}'),
	('double precision', '{0,-0,1,-1.5,0.1,1e308,1.7976931348623157e308,1e309,1e-308,4.9e-324,1e-400,NaN,Infinity,-Infinity,
		123456789.12345678,0.30000000000000004,9007199254740993,1234567890123456789012345,1e23,8.5e-5," 1","1 ",0x10,inf,""}'),
	('real', '{0.1,3.4e38,1e39,16777217}'),
	('boolean', '{0,1,t,f,true,off,2,""}'),
	('text', '{"", " a ","tab	","back\\\\slash","new
line",ä,😀,\\N,"NULL"}'),
	('varchar(3)', '{"",abc,äöü,abcd,"abc  ",äöüß,😀😀😀}'),
	('char(3)', '{"",ab,abc,"ab ",äöü,abcd}'),
	('date', '{2024-02-29,2023-02-29,0001-01-01,9999-12-31,10000-01-01,0000-01-01,"0044-03-15 BC",infinity,2024-13-01,2024-00-10,
		2024-04-31,2024-1-1,20240101,1900-02-29,2000-02-29,4713-01-01}'),
	('time', '{00:00:00,23:59:59.999999,24:00:00,12:34:56.7,12:34:56.1234567,25:00:00,12:60:00,12:34:60,12:34,1:2:3,12:34:56.}'),
	('time(2)', '{12:34:56.12,12:34:56.125,23:59:59.999}'),
	('timestamp', '{"2024-02-29 23:59:59.999999","2024-02-30 00:00:00","2024-02-29 24:00:00","2024-02-29 12:00:60",
		"0001-01-01 00:00:00","9999-12-31 23:59:59.9999999","10000-01-01 00:00:00",infinity,-infinity,2024-02-29,
		"2024-02-29T12:00:00","2024-02-29 12:00:00+02","2024-02-29 12:00:00.5 BC","1582-10-15 00:00:00.000001","2024-02-29 12:00:00."}'),
	('timestamp(3)', '{"2024-02-29 23:59:59.9999","2024-02-29 23:59:59.999","2024-02-29 23:59:59.12"}'),
	('timestamptz', '{"2024-03-31 02:30:00","1969-12-31 23:59:59.5","2024-02-29 12:00:00+02","2024-02-29 12:00:00Z"}'),
	('uuid', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11,a0eebc999c0b4ef8bb6d6bb9bd380a11,
		"{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g,a0eebc9-99c0b-4ef8-bb6d-6bb9bd380a11,""}'),
	('jsonb', '{"{\"a\": [1, null]}","null","",1e400}'),
	('inet', '{10.0.0.1/8,::1,300.1.1.1}');
CREATE TABLE answer (type text, word text, input text, load text);
DO $$
DECLARE
	one record;
	good text;
	synced text := $q$SELECT pythia.sync_between('local', 'local', 'texts', '{"mode": "full", "table_map": {"texts": "target"}}')$q$;
	shown text := $q$SELECT format('%L %s', t, pg_column_size(t)) FROM target WHERE id = $1$q$;
BEGIN
	FOR one IN SELECT type, unnest(words) AS word FROM word LOOP
		EXECUTE format('CREATE TABLE target (id int PRIMARY KEY, t %s)', one.type);
		BEGIN
			EXECUTE format('INSERT INTO target VALUES (1, %L)', one.word);
			EXECUTE shown INTO good USING 1;
		EXCEPTION WHEN OTHERS THEN good := SQLSTATE;
		END;
		INSERT INTO answer VALUES (one.type, one.word, good);
		DROP TABLE target;
	END LOOP;
	-- those that are values in one load, each of the others in one of its own
	FOR one IN SELECT type, array_agg(word) AS words FROM answer GROUP BY type, CASE WHEN input ~ '^\d' THEN word END LOOP
		EXECUTE format('CREATE TABLE target (id int PRIMARY KEY, t %s)', one.type);
		TRUNCATE texts;
		INSERT INTO texts SELECT row_number() OVER (), w FROM unnest(one.words || NULL::text) w;
		BEGIN
			EXECUTE synced;
			FOR i IN 1 .. cardinality(one.words) LOOP
				EXECUTE shown INTO good USING i;
				UPDATE answer SET load = good WHERE type = one.type AND word = one.words[i];
			END LOOP;
		EXCEPTION WHEN OTHERS THEN UPDATE answer SET load = SQLSTATE WHERE type = one.type AND word = ANY (one.words);
		END;
		DROP TABLE target;
	END LOOP;
END $$;
SELECT is(load, input, format('%s of %s', type, to_json(word))) FROM answer ORDER BY type, word;
SELECT cmp_ok((SELECT count(*)::int FROM answer WHERE load LIKE '''%'), '>', 100, 'many of them are values');
SELECT cmp_ok((SELECT count(*)::int FROM answer WHERE load ~ '^22'), '>', 40, 'and many are none');

-- indexes built after the rows are whole, and may be used by everything that follows
CREATE TABLE orders (id bigint PRIMARY KEY, code text UNIQUE, at timestamp, big text, gone int);
INSERT INTO orders SELECT g, 'c' || g, timestamp '2025-01-01' + g * interval '1 min', CASE WHEN g % 5000 = 0 THEN repeat(md5(g::text), 5000) END
	FROM generate_series(1, 20000) g;
ALTER TABLE orders DROP COLUMN gone;
CREATE TABLE copied (dropped int, at timestamp NOT NULL, extra int, id bigint PRIMARY KEY, code text, big text);
ALTER TABLE copied DROP COLUMN dropped;
CREATE UNIQUE INDEX ON copied (code);
CREATE INDEX ON copied (at) WHERE at > '2025-01-02';
CREATE INDEX ON copied (lower(code));
CREATE INDEX ON copied USING hash (code);
CREATE INDEX ON copied USING brin (at);
CREATE TEMP TABLE node AS SELECT relname, relfilenode FROM pg_class WHERE relname = 'copied_pkey';
SELECT is(rows_inserted::int, 20000, 'into a table with indexes')
	FROM pythia.sync_between('local', 'local', 'orders', '{"mode": "full", "table_map": {"orders": "copied"}}');
SELECT isnt((SELECT relfilenode FROM pg_class WHERE relname = 'copied_pkey'), (SELECT relfilenode FROM node), 'they were built anew');
SELECT results_eq('SELECT id, code, at, big FROM copied ORDER BY id', 'SELECT id, code, at, big FROM orders ORDER BY id', 'the rows are there');
SELECT lives_ok(format('SELECT bt_index_check(%L, true)', i.indexrelid::regclass), 'every row is in ' || i.indexrelid::regclass)
	FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
	WHERE i.indrelid = 'copied'::regclass AND a.amname = 'btree';
SET enable_seqscan = off;
SELECT is((SELECT id::int FROM copied WHERE code = 'c777'), 777, 'found by an index');
SELECT is((SELECT count(*)::int FROM copied WHERE at BETWEEN '2025-01-03' AND '2025-01-04'), 1441, 'or another');
RESET enable_seqscan;
SELECT is(is_valid, true, 'and valid') FROM pythia.validate_between('local', 'local', 'orders', '{"table_map": {"orders": "copied"}}');
SELECT throws_ok($$INSERT INTO copied VALUES (now(), 1, 5, 'new', NULL)$$, '23505', NULL, 'the key holds');

-- in a transaction: seen at once, gone with a rollback
TRUNCATE copied;
BEGIN;
SELECT is(rows_inserted::int, 20000, 'a load in a transaction')
	FROM pythia.sync_between('local', 'local', 'orders', '{"mode": "full", "table_map": {"orders": "copied"}}');
SELECT is((SELECT id::int FROM copied WHERE id = 20000), 20000, 'is seen in it');
ROLLBACK;
SELECT is((SELECT count(*)::int FROM copied), 0, 'and goes with its rollback');
SELECT lives_ok($$INSERT INTO copied VALUES (now(), 1, 5, 'new', NULL)$$, 'the old indexes are in force again');
SELECT is((SELECT id::int FROM copied WHERE code = 'new'), 5, 'and used');

-- rows that cannot stay leave nothing
TRUNCATE copied;
INSERT INTO orders VALUES (-1, 'x', NULL, NULL);
SELECT throws_ok($$SELECT pythia.sync_between('local', 'local', 'orders', '{"mode": "full", "table_map": {"orders": "copied"}}')$$,
	'23502', NULL, 'NULL where there must be none');
UPDATE orders SET at = now(), code = 'x' WHERE id = -1;
ALTER TABLE orders DROP CONSTRAINT orders_code_key;
UPDATE orders SET code = 'c1' WHERE id = -1;
SELECT throws_ok($$SELECT pythia.sync_between('local', 'local', 'orders', '{"mode": "full", "table_map": {"orders": "copied"}}')$$,
	'23505', NULL, 'a second unique key that collides');
SELECT is((SELECT count(*)::int FROM copied), 0, 'nothing is left');
SELECT lives_ok($$INSERT INTO copied VALUES (now(), 1, 5, 'new', NULL)$$, 'and the table works');

-- what only COPY may do
CREATE TABLE made (id bigint PRIMARY KEY, code text, at timestamp, big text, n int DEFAULT 7, twice bigint GENERATED ALWAYS AS (id * 2) STORED);
SELECT is(rows_inserted::int, 20001, 'into a table with a default and a generated column')
	FROM pythia.sync_between('local', 'local', 'orders', '{"mode": "full", "table_map": {"orders": "made"}}');
SELECT is((SELECT count(*)::int FROM made WHERE n = 7 AND twice = id * 2), 20001, 'both are made');
CREATE TABLE told (id bigint);
CREATE TABLE watched (LIKE orders INCLUDING ALL);
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.told VALUES (NEW.id); RETURN NEW; END $$;
CREATE TRIGGER tell AFTER INSERT ON watched FOR EACH ROW EXECUTE FUNCTION tell();
SELECT is(rows_inserted::int, 20001, 'into a table with a trigger')
	FROM pythia.sync_between('local', 'local', 'orders', '{"mode": "full", "table_map": {"orders": "watched"}}');
SELECT is((SELECT count(DISTINCT id)::int FROM told), 20001, 'which sees each row');
CREATE TABLE parent (id bigint PRIMARY KEY);
CREATE TABLE child (LIKE orders INCLUDING ALL, FOREIGN KEY (id) REFERENCES parent);
SELECT throws_ok($$SELECT pythia.sync_between('local', 'local', 'orders', '{"mode": "full", "table_map": {"orders": "child"}}')$$,
	'23503', NULL, 'a foreign key is looked at');
CREATE TABLE parts (LIKE orders, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE low PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (10000);
CREATE TABLE high PARTITION OF parts FOR VALUES FROM (10000) TO (MAXVALUE);
SELECT is(rows_inserted::int, 20001, 'into partitions')
	FROM pythia.sync_between('local', 'local', 'orders', '{"mode": "full", "table_map": {"orders": "parts"}}');
SELECT is((SELECT count(*)::int FROM high), 10001, 'each row into its own');
CREATE DOMAIN filled AS text NOT NULL;
CREATE DOMAIN short AS text CHECK (length(VALUE) < 6);
CREATE TABLE of_domain (id bigint PRIMARY KEY, code short, at timestamp, big filled);
SELECT throws_ok($$SELECT pythia.sync_between('local', 'local', 'orders', '{"mode": "full", "table_map": {"orders": "of_domain"}}')$$,
	'23502', NULL, 'a domain without NULL');
ALTER TABLE of_domain ALTER big TYPE text;
SELECT throws_ok($$SELECT pythia.sync_between('local', 'local', 'orders', '{"mode": "full", "table_map": {"orders": "of_domain"}}')$$,
	'23514', NULL, 'a domain''s constraint');

-- a reader is not waited for, a writer is not shut out
CREATE EXTENSION dblink;
SELECT dblink_connect('other', format('host=127.0.0.1 port=%s user=postgres dbname=%s', current_setting('port'), current_database()));
TRUNCATE copied;
DELETE FROM orders WHERE id = -1;
UPDATE node SET relfilenode = c.relfilenode FROM pg_class c WHERE c.relname = 'copied_pkey';
SELECT dblink_exec('other', 'BEGIN');
SELECT is((SELECT n::int FROM dblink('other', 'SELECT count(*) FROM copied') AS r (n bigint)), 0, 'a reader has seen the empty table, and stays');
SELECT is(rows_inserted::int, 20000, 'the load does not wait for it')
	FROM pythia.sync_between('local', 'local', 'orders', '{"mode": "full", "table_map": {"orders": "copied"}}');
SELECT dblink_exec('other', 'ROLLBACK');
SELECT is((SELECT relfilenode FROM pg_class WHERE relname = 'copied_pkey'), (SELECT relfilenode FROM node), 'the indexes were filled as they are');
SELECT lives_ok(format('SELECT bt_index_check(%L, true)', i.indexrelid::regclass), 'every row is in ' || i.indexrelid::regclass)
	FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
	WHERE i.indrelid = 'copied'::regclass AND a.amname = 'btree';
TRUNCATE copied;
SELECT dblink_exec('other', 'BEGIN');
SELECT dblink_exec('other', $$INSERT INTO copied VALUES (now(), 1, -5, 'other', NULL)$$);
SELECT is(rows_inserted::int, 20000, 'nor for a writer')
	FROM pythia.sync_between('local', 'local', 'orders', '{"mode": "full", "table_map": {"orders": "copied"}}');
SELECT dblink_exec('other', 'COMMIT');
SELECT is((SELECT count(*)::int FROM copied), 20001, 'whose row is there, too');
SELECT lives_ok($$SELECT bt_index_check('copied_pkey', true)$$, 'and in the index');
SELECT dblink_disconnect('other');

-- where rows have been, those that come get their entries one by one
CREATE INDEX ON copied USING gin (to_tsvector('simple', code));
DELETE FROM copied;
SELECT is(rows_inserted::int, 20000, 'into an empty table that has held rows')
	FROM pythia.sync_between('local', 'local', 'orders', '{"mode": "full", "table_map": {"orders": "copied"}}');
SELECT results_eq('SELECT id, code, at, big FROM copied ORDER BY id', 'SELECT id, code, at, big FROM orders ORDER BY id', 'the rows are there');
SELECT lives_ok(format('SELECT bt_index_check(%L, true)', i.indexrelid::regclass), 'every row is in ' || i.indexrelid::regclass)
	FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
	WHERE i.indrelid = 'copied'::regclass AND a.amname = 'btree';
SET enable_seqscan = off;
SELECT is((SELECT id::int FROM copied WHERE to_tsvector('simple', code) @@ 'c777'), 777, 'and in the one of words');
SELECT is((SELECT count(*)::int FROM copied WHERE at BETWEEN '2025-01-03' AND '2025-01-04'), 1441, 'and in that of a condition');
RESET enable_seqscan;
DELETE FROM copied;
UPDATE orders SET code = 'c1' WHERE id = 19999;
SELECT throws_ok($$SELECT pythia.sync_between('local', 'local', 'orders', '{"mode": "full", "table_map": {"orders": "copied"}}')$$,
	'23505', NULL, 'a second unique key that collides');
SELECT is((SELECT count(*)::int FROM copied), 0, 'leaves nothing');
UPDATE orders SET code = 'c19999' WHERE id = 19999;

-- another's table may be filled by who may insert, without building its indexes
CREATE ROLE filler;
GRANT USAGE ON SCHEMA pythia TO filler;
SELECT pythia.grant_use('filler');
CREATE TABLE lent (LIKE orders, PRIMARY KEY (id));
GRANT SELECT, INSERT, UPDATE ON lent TO filler;
GRANT SELECT ON orders TO filler;
UPDATE node SET relfilenode = c.relfilenode FROM pg_class c WHERE c.relname = 'lent_pkey';
SET ROLE filler;
SELECT is(rows_inserted::int, 20000, 'into a table of another role')
	FROM pythia.sync_between('local', 'local', 'orders', '{"mode": "full", "table_map": {"orders": "lent"}}');
RESET ROLE;
SELECT is((SELECT relfilenode FROM pg_class WHERE relname = 'lent_pkey'), (SELECT relfilenode FROM node), 'its index is left as it is');
SELECT lives_ok($$SELECT bt_index_check('lent_pkey', true)$$, 'and has every row');
SELECT pythia.revoke_use('filler');
DROP OWNED BY filler;
DROP ROLE filler;
SELECT * FROM finish();
