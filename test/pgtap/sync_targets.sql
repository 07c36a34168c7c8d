-- Two tables of one run must not become one table of the target.
SELECT no_plan();

CREATE FUNCTION pg_temp.fails(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE m text; h text;
BEGIN
	EXECUTE sql;
	RETURN 'it worked';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, h = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', SQLSTATE, m, h);
END $$;
PREPARE refused(text, text, text) AS SELECT matches(pg_temp.fails($1), $2, $3);

CREATE SCHEMA a; CREATE SCHEMA b;
CREATE TABLE a.u (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now());
CREATE TABLE b.u (LIKE a.u INCLUDING ALL);
CREATE TABLE "Log" (LIKE a.u INCLUDING ALL);
CREATE TABLE a.log (LIKE a.u INCLUDING ALL);
CREATE TABLE "UserLog" (LIKE a.u INCLUDING ALL);
CREATE TABLE b.user_log (LIKE a.u INCLUDING ALL);
CREATE TABLE plain (LIKE a.u INCLUDING ALL);
INSERT INTO a.u VALUES (1, 'of a'); INSERT INTO b.u VALUES (1, 'of b'); INSERT INTO plain VALUES (1, 'plain');
\set file sqlite:/// :scratch /targets.db
SELECT format('postgresql://%s@127.0.0.1:%s/%s', current_user, current_setting('port'), current_database()) AS self \gset

-- by schemas that the target does not have
SELECT pythia.create_sync_worker('lite', 'local', :'file', '{}', '{a.u,b.u}');
SELECT pythia.create_sync_worker('my', 'local', :'mysql_url', '{}', '{a.u,b.u}');
EXECUTE refused($$SELECT * FROM pythia.sync_all_tables('lite')$$, '^42712 . tables "a.u" and "b.u" would both go to target table "u" .*table_map', 'all tables, SQLite');
EXECUTE refused($$SELECT * FROM pythia.sync_all_tables('my')$$, '^42712 . tables "a.u" and "b.u" would both go to target table "u"', 'all tables, MariaDB');
EXECUTE refused($$SELECT * FROM pythia.sync_tables('lite', '{a.u,plain,b.u}')$$, '^42712 . tables "a.u" and "b.u"', 'some tables');
EXECUTE refused($$SELECT * FROM pythia.sync_tables('lite', '{b.u}')$$, '^42712 . tables "b.u" and "a.u"', 'one now, the other at another time');
EXECUTE refused($$SELECT * FROM pythia.sync_table('lite', 'a.u')$$, '^42712 . tables "a.u" and "b.u"', 'or by itself');
SELECT is((SELECT count(*)::int FROM pythia.sync_state WHERE runs > 0), 0, 'nothing was run');
SELECT is((SELECT error FROM pythia.sync_table('lite', 'a.u', '{"table_map": {"a.u": "au"}}')), NULL, 'a name of its own for this run');
SELECT pythia.alter_sync_worker('lite', sync_config => '{"table_map": {"a.u": "a_u", "b.u": "b_u"}}');
SELECT is(string_agg(coalesce(error, 'ok'), ','), 'ok,ok', 'or in table_map') FROM pythia.sync_all_tables('lite');
SELECT is((SELECT string_agg(rows_inserted::text, ',') FROM pythia.sync_between(:'file', 'local', 'b_u', '{"table_map": {"b_u": "from_b"}}')), '1', 'read back');
SELECT is((SELECT v FROM from_b), 'of b', 'each has its own rows');

-- by table_map
SELECT pythia.alter_sync_worker('lite', sync_config => '{"table_map": {"a.u": "plain"}}', tables => '{a.u,plain}');
EXECUTE refused($$SELECT * FROM pythia.sync_all_tables('lite')$$, '^42712 . tables "a.u" and "plain" would both go to target table "plain"', 'a map to another one''s name');
SELECT pythia.alter_sync_worker('lite', sync_config => '{"tables": {"a.u": {"table_map": {"a.u": "X"}}, "b.u": {"table_map": {"b.u": "x"}}}}', tables => '{a.*,b.*}');
EXECUTE refused($$SELECT * FROM pythia.sync_all_tables('lite')$$, '^42712 . tables .*u.* and .*u.* would both go to target table "[Xx]"', 'two maps, case folded, by patterns');

-- by the target's case folding, and by our own search for similar names
SELECT pythia.alter_sync_worker('lite', sync_config => '{}', tables => '{"\"Log\"",a.log}');
EXECUTE refused($$SELECT * FROM pythia.sync_all_tables('lite')$$, '^42712 . tables .*Log.* and "a.log" would both go', 'names that SQLite takes for one');
SELECT pythia.alter_sync_worker('my', tables => '{"\"UserLog\"",b.user_log}');
EXECUTE refused($$SELECT * FROM pythia.sync_all_tables('my')$$, '^42712 . tables .*UserLog.* and "b.user_log" would both go', 'names that differ by convention');

-- one table named twice is one table
SELECT pythia.alter_sync_worker('lite', tables => '{plain}');
SELECT is(count(*)::int, 2, 'named twice, run once') FROM pythia.sync_tables('lite', '{plain,public.plain,plain,a.log}');
SELECT is((SELECT runs::int FROM pythia.sync_state WHERE table_name = 'plain'), 1, 'once');
SELECT is(string_agg("table" || CASE WHEN error IS NULL THEN ' ok' ELSE ' fails' END, ', '), 'nope fails, plain ok', 'an unknown one stops no other') FROM pythia.sync_tables('lite', '{nope,plain,plain}');

-- a table is not its own target
EXECUTE refused($$SELECT pythia.sync_between('local', 'local', 'plain', '{"mode": "full", "truncate_target": true}')$$, '^42712 . table "plain" is source and target at once', 'local to local');
EXECUTE refused(format($$SELECT pythia.sync_between('local', %L, 'plain', '{"mode": "full", "truncate_target": true}')$$, :'self'), '^42712 . table "plain" is source and target at once', 'local to its own address');
EXECUTE refused(format($$SELECT pythia.sync_between(%L, %L, 'b_u')$$, :'file', :'file'), '^42712 .* source and target at once', 'a file to itself');
EXECUTE refused(format($$SELECT pythia.sync_between(%L, %L, 'u1', '{"table_map": {"u1": "U1"}}')$$, :'mysql_url', :'mysql_url'), '^42P01 ', 'MariaDB knows no such table');
SELECT is((SELECT count(*)::int FROM plain), 1, 'its rows stay');
DROP TABLE from_b;
SELECT * FROM finish();
