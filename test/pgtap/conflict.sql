-- conflict_resolution by a function: what it is given, what it may return, and what it may not.
SELECT no_plan();
CREATE TABLE here (id int, part text, name text, price numeric(8,2), updated_at timestamptz, PRIMARY KEY (id, part));
CREATE TABLE there (LIKE here INCLUDING ALL);
INSERT INTO here SELECT g, 'p' || g, 'here', g * 1.5, '2026-01-01' FROM generate_series(1, 4) g;
INSERT INTO there SELECT g, 'p' || g, 'there', g * 1.5, '2026-01-01' FROM generate_series(1, 3) g;
CREATE FUNCTION pg_temp.run(f text, more text DEFAULT '') RETURNS text LANGUAGE sql AS $$
	SELECT format('%s %s %s', rows_inserted, rows_updated, rows_skipped) FROM pythia.sync_between('local', 'local', 'here',
		format('{"mode": "full", "table_map": {"here": "there"}, "conflict_resolution": %s%s}', to_json(f), more)::jsonb) $$;
CREATE FUNCTION pg_temp.names() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(name, ',' ORDER BY id) FROM there $$;

CREATE TABLE asked (source jsonb, target jsonb);
CREATE FUNCTION target_stays(source jsonb, target jsonb) RETURNS jsonb LANGUAGE sql AS $$
	INSERT INTO public.asked VALUES (source, target) RETURNING NULL::jsonb $$;
SELECT is(pg_temp.run('target_stays'), '1 0 3', 'NULL keeps the target''s row, and is counted as skipped');
SELECT is(pg_temp.names(), 'there,there,there,here', 'so it is; what was missing is inserted without asking');
SELECT is((SELECT source || '{"updated_at": 0}' FROM asked WHERE source->>'id' = '2')::text,
	'{"id": 2, "name": "here", "part": "p2", "price": 3.00, "updated_at": 0}', 'it is given the source''s row');
SELECT is((SELECT target->>'name' FROM asked WHERE source->>'id' = '2'), 'there', 'and the target''s');
SELECT is(count(*)::int, 3, 'for each row that is there and differs, once') FROM asked;
DELETE FROM there WHERE id = 4;

CREATE FUNCTION two_rows(source jsonb, target jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('name', (source->>'name') || '+' || (target->>'name')) $$;
SELECT is(pg_temp.run('two_rows', ', "dry_run": true'), '1 3 0', 'a dry run tells what it would ask about');
SELECT is(pg_temp.names(), 'there,there,there', 'and changes nothing');
SELECT is(pg_temp.run('two_rows'), '1 3 0', 'a part of a row');
SELECT is(pg_temp.names(), 'here+there,here+there,here+there,here', 'is put over the target''s row');
SELECT is((SELECT price FROM there WHERE id = 2), 3.00, 'whose other columns stay');
CREATE FUNCTION source_row(source jsonb, target jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT source';
SELECT is(pg_temp.run('source_row'), '0 3 0', 'the whole row, with its key');
SELECT is(pg_temp.run('source_row'), '0 0 0', 'rows that are equal are not asked about');
CREATE FUNCTION nulls(source jsonb, target jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT source || '{"name": null}' $$;
UPDATE there SET name = 'x' WHERE id = 1;
SELECT is(pg_temp.run('nulls'), '0 1 0', 'a null in it');
SELECT is((SELECT name FROM there WHERE id = 1), NULL, 'is stored');
CREATE SCHEMA "Odd schema";
CREATE FUNCTION "Odd schema"."Source Row"(source jsonb, target jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT source';
SELECT is(pg_temp.run('"Odd schema"."Source Row"'), '0 1 0', 'a function by its schema and quoted');

-- what it may not
UPDATE there SET name = 'there';
CREATE FUNCTION other_key(source jsonb, target jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT source || '{"part": "q"}' $$;
SELECT throws_ok($$SELECT pg_temp.run('other_key')$$, '22000', 'function other_key returned another key in column "part"', 'another key');
CREATE FUNCTION no_column(source jsonb, target jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT source || '{"nam": "x"}' $$;
SELECT throws_ok($$SELECT pg_temp.run('no_column')$$, '42703', 'function no_column returned a column "nam" that is not carried', 'a column that there is not');
CREATE FUNCTION no_object(source jsonb, target jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '[1]'::jsonb $$;
SELECT throws_ok($$SELECT pg_temp.run('no_object')$$, '22000', 'function no_object returned no JSON object', 'no object');
CREATE FUNCTION bad_value(source jsonb, target jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT source || '{"price": "much"}' $$;
SELECT throws_ok($$SELECT pg_temp.run('bad_value')$$, '22P02', NULL, 'a value that the column cannot hold');
CREATE FUNCTION fails_late(source jsonb, target jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
	BEGIN IF source->>'id' = '3' THEN RAISE EXCEPTION 'not this one' USING ERRCODE = 'P0009', DETAIL = 'row 3'; END IF; RETURN source; END $$;
SELECT throws_ok($$SELECT pg_temp.run('fails_late')$$, 'P0009', 'not this one', 'an error of its own is the sync''s');
SELECT is(pg_temp.names(), 'there,there,there,there', 'none of them changes a row');
CREATE FUNCTION wrong_arguments(source text, target text) RETURNS jsonb LANGUAGE sql AS 'SELECT NULL::jsonb';
SELECT throws_ok($$SELECT pg_temp.run('wrong_arguments')$$, '42883', NULL, 'other arguments');
CREATE ROLE asker;
SELECT lives_ok($$SELECT pythia.grant_use('asker')$$, 'grant_use');
GRANT SELECT ON here TO asker;
GRANT ALL ON there TO asker;
GRANT TEMPORARY ON DATABASE pgtap_conflict TO asker;
REVOKE EXECUTE ON FUNCTION two_rows FROM PUBLIC;
CREATE FUNCTION as_asker() RETURNS pythia.sync_result LANGUAGE sql AS $$
	SELECT pythia.sync_between('local', 'local', 'here', '{"mode": "full", "table_map": {"here": "there"}, "conflict_resolution": "two_rows"}') $$;
SET ROLE asker;
SELECT throws_ok($$SELECT as_asker()$$, '42501', NULL, 'a function that the role may not call');
RESET ROLE;
REVOKE ALL ON here, there FROM asker;
REVOKE ALL ON DATABASE pgtap_conflict FROM asker;
SELECT lives_ok($$SELECT pythia.revoke_use('asker')$$, 'revoke_use');
DROP ROLE asker;

-- values of every type go through it unchanged, into another engine too
CREATE TABLE many (id bigint PRIMARY KEY, f4 real, f8 float8, n numeric(30,10), b boolean, y bytea, t text, d date, ts timestamp, tz timestamptz,
	u uuid, j jsonb, bits bit(10), a text[], i interval, m int);
INSERT INTO many VALUES (9007199254740993, 0.1, 0.30000000000000004, 12345678901234567890.0123456789, true, '\x00ff5c', E'a\tb\\c"ü😀', '2024-02-29',
	'2024-02-29 12:00:00.000001', '2024-02-29 12:00:00.000001+02', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": [1, null, "x"]}', B'1000000001',
	'{"a,b",NULL,"q\"r"}', '1 year 2 days 03:04:05.6', 1), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1);
SELECT is(rows_inserted::int, 2, target || ': rows of every type') FROM (VALUES ('local'), (:'mysql_url'), ('sqlite:///' || :'scratch' || '/conflict.db')) t (target),
	pythia.sync_between('local', target, 'many', '{"mode": "full", "table_map": {"many": "conflict_many"}}');
UPDATE many SET m = 2;
SELECT is(rows_updated::int, 2, target || ': by a function') FROM (VALUES ('local'), (:'mysql_url'), ('sqlite:///' || :'scratch' || '/conflict.db')) t (target),
	pythia.sync_between('local', target, 'many', '{"mode": "full", "table_map": {"many": "conflict_many"}, "conflict_resolution": "source_row"}');
SELECT is(is_valid, true, target || ': are equal') FROM (VALUES ('local'), (:'mysql_url'), ('sqlite:///' || :'scratch' || '/conflict.db')) t (target),
	pythia.validate_between('local', target, 'many', '{"table_map": {"many": "conflict_many"}, "method": "rows"}');

-- more columns than a query can give of both rows at once; every type beside each other, NULLs too
SELECT format('CREATE TABLE wide (id int, %s, %s, PRIMARY KEY (c1, id))', string_agg(format('c%s smallint', g), ', ' ORDER BY g),
	'f4 real, n numeric(30,10), b boolean, y bytea, t text, tz timestamptz, j jsonb') FROM generate_series(1, 1592) g \gexec
INSERT INTO wide (id, c1, c2, c900, c1592, f4, n, b, y, t, tz, j) SELECT i, 1, 1, i, NULL, 0.1, 12345678901234567890.0123456789, true,
	'\x00ff5c', E'a\tb"ü😀', '2024-02-29 12:00:00.000001+02', '{"a": [1, null]}' FROM generate_series(1, 300) i;
INSERT INTO wide (id, c1) VALUES (301, 1);
SELECT is(rows_inserted::int, 301, target || ': rows of 1600 columns') FROM (VALUES ('local'), ('sqlite:///' || :'scratch' || '/wide.db')) t (target),
	pythia.sync_between('local', target, 'wide', '{"mode": "full", "table_map": {"wide": "wide_there"}}');
UPDATE wide SET c2 = 2 WHERE id % 2 = 1;
CREATE FUNCTION adds_both(source jsonb, target jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT CASE WHEN source->'id' IS DISTINCT FROM target->'id' OR source->'c900' IS DISTINCT FROM target->'c900' THEN jsonb_build_object('mixed', 1)
		ELSE jsonb_build_object('c3', (source->>'c2')::int * 10 + coalesce((target->>'c2')::int, 0)) END $$;
SELECT is(rows_updated::int, 151, target || ': by a function') FROM (VALUES ('local'), ('sqlite:///' || :'scratch' || '/wide.db')) t (target),
	pythia.sync_between('local', target, 'wide', '{"mode": "full", "table_map": {"wide": "wide_there"}, "conflict_resolution": "adds_both"}');
SELECT is((SELECT string_agg(DISTINCT id % 2 || ':' || c3, ',') FROM wide_there WHERE c3 IS NOT NULL), '1:20,1:21', 'which has got the right pairs');
UPDATE wide SET c3 = CASE WHEN id = 301 THEN 20 ELSE 21 END, c2 = CASE WHEN id = 301 THEN NULL ELSE 1 END WHERE id % 2 = 1;
SELECT is(is_valid, true, target || ': all else is as it was') FROM (VALUES ('local'), ('sqlite:///' || :'scratch' || '/wide.db')) t (target),
	pythia.validate_between('local', target, 'wide', '{"table_map": {"wide": "wide_there"}}');
SELECT * FROM finish();
