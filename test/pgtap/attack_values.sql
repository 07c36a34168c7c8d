-- Conditions and values of a role that means harm, given to the functions: what is no condition is refused wherever it
-- is given, and no text leaves its place.
SELECT no_plan();
CREATE FUNCTION pg_temp.fails(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE m text;
BEGIN
	EXECUTE sql;
	RETURN 'it worked';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS m = MESSAGE_TEXT;
	RETURN concat_ws(' | ', SQLSTATE, m);
END $$;
SET client_min_messages = warning;
CREATE TABLE goods (id int PRIMARY KEY, name text, updated_at timestamptz DEFAULT now());
INSERT INTO goods VALUES (1, 'one'), (2, 'two'), (3, 'three');
CREATE TABLE victims (id int PRIMARY KEY);
INSERT INTO victims VALUES (1);
CREATE TEMP TABLE bad (condition text);
INSERT INTO bad VALUES ('1 = 1) OR (1 = 1'), ('1 = 1; DELETE FROM victims'), ('1); ATTACH ''pwned.db'' AS f; CREATE TABLE f.x (y); --'),
	('name = ''open'), ('name = "open'), ('1 = 1 /* open'), ('(1 = 1'), ('1 = 1) --'), ('-- all'), ('id = [1)');
SELECT pythia.sync_between('local', t, 'goods', '{"mode": "full"}') IS NOT NULL AS copied FROM (VALUES (:'mysql_url')) t (t) \gset

-- every option, every engine
SELECT matches(pg_temp.fails(format('SELECT pythia.sync_between(%L, %L, %L, %L)', 'local', target, 'goods', jsonb_build_object('mode', 'full', 'deletes', 'hard', option, condition))),
	'^42601 . option "' || option || '" is not one condition', format('sync_between to %s, %s: <%s>', left(target, 6), option, condition))
FROM bad, (VALUES ('where'), ('target_where')) o (option), (VALUES ('sqlite://'), (:'mysql_url')) t (target);
SELECT matches(pg_temp.fails(format('SELECT pythia.validate_between(%L, %L, %L, %L)', 'local', :'mysql_url', 'goods',
		CASE WHEN option = 'checks' THEN jsonb_build_object(option, jsonb_build_object('c', condition)) ELSE jsonb_build_object(option, condition) END)),
	'^42601 . option "' || option || '" is not one condition', format('validate_between, %s: <%s>', option, condition))
FROM bad, (VALUES ('where'), ('target_where'), ('checks')) o (option);
SELECT matches(pg_temp.fails(format('SELECT pythia.repair_between(%L, %L, %L, %L)', 'local', :'mysql_url', 'goods', jsonb_build_object(option, condition))),
	'^42601 . option "' || option || '" is not one condition', format('repair_between, %s: <%s>', option, condition))
FROM bad, (VALUES ('where'), ('target_where')) o (option);
-- a worker of this database, and of another one
SELECT matches(pg_temp.fails(format('SELECT pythia.create_cdc_worker(%L, %L, options => %L)', 'here', '{goods}', jsonb_build_object('capture', capture, 'where', condition))),
	'^(42|22)', format('a worker by %s: <%s>', capture, condition))
FROM bad, (VALUES ('poll'), ('trigger')) c (capture);
SELECT matches(pg_temp.fails(format('SELECT pythia.create_cdc_worker(%L, %L, connection => %L, options => %L)', 'there', '{goods}', :'mysql_url', jsonb_build_object('capture', capture, 'where', condition))),
	'^42601 . option "where" is not one condition', format('a worker elsewhere by %s: <%s>', capture, condition))
FROM bad, (VALUES ('poll'), ('trigger')) c (capture);
SELECT is((SELECT count(*)::int FROM pythia.worker_status), 0, 'no worker was made');
SELECT is((SELECT count(*)::int FROM victims), 1, 'no statement was run');
SELECT is(is_valid, true, 'no row was changed') FROM pythia.validate_between('local', :'mysql_url', 'goods');

-- a worker's own condition does not get out of its parentheses in a replay of its quarantine either
CREATE TABLE narrow (id int PRIMARY KEY, name varchar(3), updated_at timestamptz);
SELECT pythia.create_sync_worker('q', 'local', 'local', '{"table_map": {"goods": "narrow"}, "on_bad_row": "quarantine"}', '{goods}') IS NOT NULL AS made \gset
SELECT is(rows_quarantined, 1::bigint, 'a row is kept back') FROM pythia.sync_table('q', 'goods');
ALTER TABLE narrow ALTER name TYPE text;
UPDATE pythia.sync_worker SET sync_config = sync_config || '{"where": "false) OR (true"}';
SELECT matches(pg_temp.fails($$SELECT pythia.replay_quarantine('q', 'goods')$$), '^42601 . option "where" is not one condition', 'replay_quarantine');
UPDATE pythia.sync_worker SET sync_config = sync_config || '{"where": "id = 3 -- all of it"}';
SELECT is(rows_inserted, 1::bigint, 'and one that stays there is asked') FROM pythia.replay_quarantine('q', 'goods');
-- a quarantined row's key is a value
UPDATE narrow SET name = 'x' WHERE id = 3;
ALTER TABLE narrow ALTER name TYPE varchar(3);
UPDATE pythia.sync_worker SET sync_config = sync_config - 'where';
UPDATE goods SET name = 'four', updated_at = now() WHERE id = 3;
SELECT is(rows_quarantined, 1::bigint, 'a row is kept back again') FROM pythia.sync_table('q', 'goods');
UPDATE pythia.quarantine SET row_data = row_data || '{"id": "3 OR 1=1"}';
SELECT matches(pg_temp.fails($$SELECT pythia.replay_quarantine('q', 'goods')$$), '^22P02 . a quarantined row of table "goods" has no value of type integer', 'a key that is none');
SELECT pythia.drop_sync_worker('q') IS NOT NULL AS dropped \gset

-- a key has no more columns than its table, whatever an index names again and again
CREATE TABLE again (b text, a int NOT NULL);
SELECT format('CREATE UNIQUE INDEX ON again (%s)', string_agg('a', ', ')) FROM generate_series(1, 32) \gexec
INSERT INTO again VALUES ('x', 1), ('y', 2);
CREATE TABLE again_too (LIKE again INCLUDING INDEXES);
SELECT is(rows_inserted, 2::bigint, 'an index of 32 times one column: sync') FROM pythia.sync_between('local', 'local', 'again', '{"mode": "full", "table_map": {"again": "again_too"}}');
UPDATE again_too SET b = 'z' WHERE a = 2;
SELECT is(is_valid, false, 'validation') FROM pythia.validate_between('local', 'local', 'again', '{"table_map": {"again": "again_too"}}');
SELECT is(rows_inserted, 2::bigint, 'to another engine') FROM pythia.sync_between('local', :'mysql_url', 'again', '{"mode": "full"}');
SELECT * FROM finish();
