-- Each wrong word gets an error that names it, with a fitting SQLSTATE and a
-- hint; and nothing half-done is left.
SELECT no_plan();

CREATE FUNCTION pg_temp.fails(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE m text; d text; h text;
BEGIN
	EXECUTE sql;
	RETURN 'it worked';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', SQLSTATE, m, nullif(d, ''), CASE WHEN h = '' THEN 'NO HINT' ELSE h END);
END $$;

CREATE TABLE users (id int PRIMARY KEY, name text, updated_at timestamptz DEFAULT now());
INSERT INTO users SELECT g, 'user ' || g FROM generate_series(1, 10) g;
CREATE TABLE nokey (id int, name text, updated_at timestamptz);
CREATE TABLE nostamp (id int PRIMARY KEY, name text);
\set file sqlite:/// :scratch /bad.db

SELECT lives_ok(format($$SELECT pythia.create_sync_worker('w', 'local', %L, tables => '{users}')$$, :'file'), 'a worker');

PREPARE refused(text, text, text) AS SELECT matches(pg_temp.fails($1), $2, $3);

-- workers
EXECUTE refused($$SELECT pythia.sync_table('ww', 'users')$$, '^42704 . sync worker "ww" does not exist . Perhaps you meant "w"', 'unknown worker, close');
EXECUTE refused($$SELECT pythia.sync_table('entirely_else', 'users')$$, '^42704 .* . Create it with pythia.create_sync_worker', 'unknown worker');
-- what is given is checked at once, not when it is first used
EXECUTE refused($$SELECT pythia.create_connection('x', 'postgresql://h/db?nosuch=1')$$, '^22023 . unknown URL parameter "nosuch" for PostgreSQL', 'a parameter that PostgreSQL does not have');
EXECUTE refused($$SELECT pythia.create_connection('x', 'postgresql://h/db', '{"charset": "utf8"}')$$, '^22023 .*"charset"', 'an option of another engine');
EXECUTE refused($$SELECT pythia.create_connection('x', 'postgresql://h/db', '{"sslmode": "bogus"}')$$, '^22023 .*"sslmode": "bogus" . It takes disable', 'no sslmode');
EXECUTE refused($$SELECT pythia.create_connection('x', 'postgresql://h/db?connect_timeout=soon')$$, '^22023 .*connect_timeout', 'no number');
EXECUTE refused($$SELECT pythia.create_connection('x', 'mariadb://h/db?ssl_mode=bogus')$$, '^22023 .*"ssl_mode": "bogus"', 'no ssl_mode');
EXECUTE refused($$SELECT pythia.create_connection('x', 'mariadb://h/db', '{"application_name": "me"}')$$, '^22023 .*"application_name" for MySQL', 'MySQL has no such thing');
EXECUTE refused($$SELECT pythia.create_connection('x', 'sqlite:////tmp/x.db?sslmode=require')$$, '^22023 .*"sslmode" for SQLite', 'SQLite neither');
EXECUTE refused($$SELECT pythia.create_sync_worker('x', 'local', 'mariadb://h/db?sslmode=require')$$, '^22023 .*"sslmode" for MySQL', 'nor in the URL of a worker');
EXECUTE refused($$SELECT pythia.create_sync_worker('x', 'local', 'local', tables => '{users}')$$, '^22023 . source and target are both this database . ', 'a table as its own target');
EXECUTE refused($$SELECT pythia.create_sync_worker('x', 'local', 'mariadb://h/db', '{"key": ["id", "id"]}')$$, '^22023 . option "key" names column "id" twice . ', 'a column of the key twice');
SELECT lives_ok($$SELECT pythia.create_cdc_worker('looked_at', '{users}')$$, 'a CDC worker');
EXECUTE refused($$SELECT pythia.seek('looked_at', 'default', '99999999')$$, '^22023 . there is no change 99999999 yet . The last one is ', 'a position that is not there yet');
EXECUTE refused($$SELECT pythia.create_consumer('looked_at', 'c', '99999999')$$, '^22023 . there is no change 99999999 yet . ', 'nor to begin at');
EXECUTE refused($$SELECT pythia.create_consumer('looked_at', 'c', '2020-13-45')$$, '^22008 ', 'no such day');
SELECT pythia.drop_cdc_worker('looked_at');
EXECUTE refused($$SELECT pythia.start_sync('entirely_else')$$, '^42704 ', 'start of an unknown worker');
EXECUTE refused($$SELECT pythia.stop_sync('entirely_else')$$, '^42704 ', 'stop of an unknown worker');
EXECUTE refused($$SELECT pythia.drop_sync_worker('entirely_else')$$, '^42704 ', 'drop of an unknown worker');
EXECUTE refused($$SELECT pythia.validate_sync('entirely_else', 'users')$$, '^42704 ', 'validate with an unknown worker');
EXECUTE refused($$SELECT pythia.create_sync_worker('w', 'local', 'local')$$, '^42710 . sync worker "w" already exists . Choose another name', 'a name that is taken');
EXECUTE refused($$SELECT pythia.create_sync_worker('', 'local', 'local')$$, '^22023 . a worker needs a name', 'an empty name');
EXECUTE refused($$SELECT pythia.create_sync_worker(repeat('w', 64), 'local', 'local')$$, '^42622 . the name of the worker is too long', 'a long name');
EXECUTE refused($$SELECT pythia.create_cdc_worker(repeat('w', 64), '{users}')$$, '^42622 . the name of the worker is too long', 'of a CDC worker, too');
EXECUTE refused($$SELECT pythia.create_cdc_worker('w', '{users}', options => jsonb_build_object('where', jsonb_build_object('users', repeat('x', 1100000))))$$, '^54000 . options are too large', 'options that are large');
EXECUTE refused($$SELECT pythia.create_sync_worker('w', 'local', 'local', jsonb_build_object('where', repeat('x', 1100000)))$$, '^54000 . the options in sync_config are too large', 'those of a sync as well');
EXECUTE refused($$SELECT pythia.create_cdc_worker('w', '{users}', options => '{"start_from": "infinity"}')$$, '^22023 . "infinity" is no time to start from', 'from no time');
EXECUTE refused($$SELECT pythia.create_cdc_worker('w', '{users}', options => '{"start_from": "-infinity"}')$$, '^22023 . "-infinity" is no time to start from', 'nor from before all');
EXECUTE refused($$SELECT pythia.create_sync_worker(NULL, 'local', 'local')$$, '^22004 . argument "name" of pythia.create_sync_worker must not be null . Give a value', 'no name');
EXECUTE refused($$SELECT pythia.create_sync_worker('x', NULL, 'local')$$, '^22004 . argument "source" of ', 'no source');
EXECUTE refused($$SELECT pythia.create_sync_worker('x', 'local', NULL)$$, '^22004 . argument "target" of ', 'no target');
EXECUTE refused($$SELECT pythia.create_sync_worker('x', 'local', 'local', tables => '{}')$$, '^22023 . the list of tables is empty', 'no tables');
EXECUTE refused($$SELECT pythia.create_sync_worker('x', 'local', 'local', tables => '{a,NULL}')$$, '^22023 . a table name must not be null', 'a null table');
EXECUTE refused($$SELECT pythia.create_sync_worker('x', 'local', 'local', schedule => '-1 s')$$, '^22023 . the schedule must be a positive interval', 'a negative schedule');
EXECUTE refused($$SELECT pythia._set_worker_enabled('other', 'w', true)$$, '^22023 . unknown kind of worker "other"', 'an unknown kind');

-- what a sync worker names is looked at when it is created or altered
EXECUTE refused($$SELECT pythia.create_sync_worker('x', 'local', 'sqlite:////tmp/no/matter.db', tables => '{users,usres}')$$, '^42P01 . table "usres" does not exist', 'a table that is not there');
EXECUTE refused($$SELECT pythia.create_sync_worker('x', 'local', 'sqlite:////tmp/no/matter.db', '{"tables": {"usres": {"mode": "full"}}}')$$, '^22023 . option "tables" names table "usres"', 'nor are its options');
EXECUTE refused($$SELECT pythia.create_sync_worker('x', 'local', 'sqlite:////tmp/no/matter.db', '{"conflict_resolution": "newst_wins"}')$$, '^42883 . conflict_resolution: function newst_wins\(jsonb, jsonb\) does not exist', 'a function that is not there');
EXECUTE refused($$SELECT pythia.create_sync_worker('x', 'local', 'sqlite:////tmp/no/matter.db', '{"tables": {"users": {"conflict_resolution": "merge_them"}}}')$$, '^42883 .*merge_them', 'nor for one table');
EXECUTE refused($$SELECT pythia.alter_sync_worker('w', tables => '{usres}')$$, '^42P01 . table "usres" does not exist', 'altered to a table that is not there');
EXECUTE refused($$SELECT pythia.alter_sync_worker('w', sync_config => '{"conflict_resolution": "merge_them"}')$$, '^42883 .*merge_them', 'altered to a function that is not there');
SELECT lives_ok($$SELECT pythia.create_sync_worker('away', 'postgresql://a:b@127.0.0.1:1/d', 'local', tables => '{users}')$$, 'of what cannot be reached now nobody knows: a warning');
SELECT pythia.drop_sync_worker('away');
-- a NULL where a value is needed is told: no public function is STRICT, but those without arguments
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'pythia'::regnamespace AND p.proname NOT LIKE '\_%'
	AND p.proisstrict AND p.pronargs > 0$$, 'none is STRICT');
SELECT pythia.create_cdc_worker('w', '{users}');
SELECT matches(pg_temp.fails(format('SELECT pythia.%I(%s)', p.proname,
		-- NULL in that place, and of the others something of their type
		(SELECT string_agg(CASE WHEN i = place THEN 'NULL::' || format_type(t, -1)
			WHEN p.proargnames[i] IN ('source', 'target', 'name_or_url') THEN quote_literal('local')
			WHEN p.proargnames[i] IN ('connection', 'url') THEN quote_literal('sqlite:///:memory:')
			WHEN p.proargnames[i] = 'consumer' THEN quote_literal('default')
			ELSE COALESCE(v.value, quote_literal('w')) END, ', ' ORDER BY i)
		FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS a(t, i)
		LEFT JOIN (VALUES ('regrole'::regtype, 'current_user::regrole'), ('jsonb', quote_literal('{}') || '::jsonb'),
			('text[]', quote_literal('{users}') || '::text[]'), ('interval', quote_literal('1 s') || '::interval'),
			('integer', '1'), ('bigint[]', quote_literal('{1}') || '::bigint[]'), ('regproc', 'NULL::regproc')) AS v(type, value)
			ON v.type = t))),
	format('^22004 . argument "%s" of pythia.%s must not be null . (Give a value|.*default)', p.proargnames[place], p.proname),
	format('%s: %s', p.proname, p.proargnames[place]))
FROM pg_proc p, generate_series(1, p.pronargs) place
WHERE p.pronamespace = 'pythia'::regnamespace AND p.proname NOT LIKE '\_%' AND p.prokind = 'f'
	AND (p.proname NOT LIKE 'alter\_%' OR place = 1)
	-- where NULL says something, the reference says what
	AND (p.proname, p.proargnames[place]) NOT IN (SELECT * FROM (VALUES ('create_cdc_worker', 'connection'), ('create_cdc_worker', 'handler'),
		('create_cdc_worker', 'options'), ('create_sync_worker', 'sync_config'), ('create_sync_worker', 'tables'),
		('create_sync_worker', 'schedule'), ('discard_failed', 'change_ids'), ('discard_quarantine', 'worker'),
		('discard_quarantine', 'table_name'), ('release_worker', 'owner'), ('consume_changes', 'wait')) AS n(f, a));
SELECT pythia.drop_cdc_worker('w');
SELECT matches(pg_temp.fails($$SELECT pythia.sync_tables('w', '{users,NULL}')$$), '^22004 . a table name must not be null', 'nor a table among others');

-- options
EXECUTE refused($$SELECT pythia.create_sync_worker('x', 'local', 'local', '{"batchsize": 1}')$$, '^22023 .*"batchsize".*batch_size', 'an unknown option, with the close one');
EXECUTE refused($$SELECT pythia.create_sync_worker('x', 'local', 'local', '{"mode": "sideways"}')$$, '^22023 .*mode.*incremental.*full', 'a bad word');
EXECUTE refused($$SELECT pythia.create_sync_worker('x', 'local', 'local', '{"batch_size": 0}')$$, '^22023 .*batch_size', 'a number out of range');
EXECUTE refused($$SELECT pythia.create_sync_worker('x', 'local', 'local', '{"batch_size": "many"}')$$, '^22023 .*batch_size', 'a word for a number');
EXECUTE refused($$SELECT pythia.create_sync_worker('x', 'local', 'local', '{"truncate_target": "perhaps"}')$$, '^22023 .*truncate_target', 'a word for a boolean');
EXECUTE refused($$SELECT pythia.create_sync_worker('x', 'local', 'local', '{"tables": {"users": {"mod": 1}}}')$$, '^22023 .*"mod"', 'an unknown option of a table');
EXECUTE refused($$SELECT pythia.create_sync_worker('x', 'local', 'local', '[1]')$$, '^22023 . sync_config must be a JSON object', 'not an object');
EXECUTE refused($$SELECT pythia.create_sync_worker('x', 'local', 'local', '7')$$, '^22023 . sync_config must be a JSON object', 'a number');
EXECUTE refused($$SELECT pythia.sync_table('w', 'users', '{"moed": "full"}')$$, '^22023 .*"moed".*mode', 'an unknown override');
EXECUTE refused($$SELECT pythia.sync_between('local', 'local', 'users', '{"moed": "full"}')$$, '^22023 .*"moed"', 'an unknown option of sync_between');
EXECUTE refused($$SELECT pythia.validate_sync('w', 'users', '{"methd": "rows"}')$$, '^22023 .*"methd"', 'an unknown option of validation');
EXECUTE refused($$SELECT pythia.validate_sync('w', 'users', '{"method": "feeling"}')$$, '^22023 .*method.*checksum', 'an unknown method');
EXECUTE refused($$SELECT pythia.validate_sync('w', 'users', '"x"')$$, '^22023 . options must be a JSON object', 'options that are no object');
EXECUTE refused($$SELECT pythia.sync_table('w', 'users', '{"conflict_resolution": "nobody_knows"}')$$, '^42883 .*nobody_knows.*source_wins', 'an unknown conflict function');
CREATE FUNCTION wrong_type(jsonb, jsonb) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$;
EXECUTE refused($$SELECT pythia.sync_table('w', 'users', '{"conflict_resolution": "wrong_type"}')$$, '^42P13 .*wrong_type.*does not return jsonb', 'a conflict function of another type');

EXECUTE refused($$SELECT pythia.sync_table('w', 'users', '{"where": ""}')$$, '^22023 .*"where" is empty .*Leave it out', 'an empty condition');
EXECUTE refused($$SELECT pythia.sync_table('w', 'users', '{"key": ["id", "ID"]}')$$, '^42701 .*"key" names column "id" twice', 'a key column that is named twice');
EXECUTE refused($$SELECT pythia.sync_table('w', 'users', '{"table_map": {"user": "people"}}')$$, '^22023 .*"table_map" names table "user".*"users"', 'a map of another table for one run');
EXECUTE refused($$SELECT pythia.create_sync_worker('x', 'local', 'local', '{"tables": {"usres": {}}}', '{users}')$$, '^22023 .*"tables" names table "usres", which is not synchronised .*"users"', 'options for a table that the worker does not have');
EXECUTE refused($$SELECT pythia.alter_sync_worker('w', sync_config => '{"table_map": {"usres": "x"}}')$$, '^22023 .*"table_map" names table "usres"', 'and a map, later');
SELECT lives_ok($$SELECT pythia.create_sync_worker('named', 'local', 'local', '{"tables": {"users": {}}, "table_map": {"users": "people"}}', '{users}')$$, 'options for a table that it has');
EXECUTE refused($$SELECT pythia.alter_sync_worker('named', tables => '{nostamp}')$$, '^22023 .*"tables" names table "users"', 'and that it loses');
SELECT lives_ok($$SELECT pythia.create_sync_worker('every', 'local', 'local', '{"table_map": {"users": "people", "usres": "x"}}', '{public.*}')$$, 'which tables it will have is not known yet');
EXECUTE refused($$SELECT pythia.sync_all_tables('every')$$, '^22023 .*"table_map" names table "usres"', 'it is when they are listed');
EXECUTE refused($$SELECT pythia.sync_between('local', 'local', 'users', '{"table_map": {"users": "people", "usres": "x"}}')$$, '^22023 .*"table_map" names table "usres"', 'nor has the source it');
EXECUTE refused($$SELECT pythia.validate_between('local', 'local', 'users', '{"table_map": {"usres": "x"}}')$$, '^22023 .*"table_map" names table "usres"', 'likewise when validating');
SELECT lives_ok($$SELECT pythia.sync_between('local', 'local', 'users', '{"table_map": {"users": "people", "nokey": "x"}}')$$, 'a map may name other tables of the source');
DROP TABLE people;
SELECT pythia.drop_sync_worker('named'), pythia.drop_sync_worker('every');

-- connections and URLs
EXECUTE refused($$SELECT pythia.sync_between('nowhere', 'local', 'users')$$, '^42704 . connection "nowhere" does not exist . Create it', 'an unknown connection');
EXECUTE refused($$SELECT pythia.test_connection('nowhere')$$, '^42704 ', 'test of an unknown connection');
EXECUTE refused($$SELECT pythia.test_connection('oracle://scott:tiger@h/x')$$, '^22023 .*oracle', 'an unknown scheme');
SELECT doesnt_match(pg_temp.fails($$SELECT pythia.test_connection('oracle://scott:tiger@h/x')$$), 'tiger', 'without its password');
EXECUTE refused($$SELECT pythia.test_connection('mysql://u:tiger@h:port/x')$$, '^22023 .*port', 'a port that is no number');
SELECT doesnt_match(pg_temp.fails($$SELECT pythia.test_connection('mysql://u:tiger@h:port/x')$$), 'tiger', 'without its password');
EXECUTE refused($$SELECT pythia.test_connection('mysql://u:%zz@h/x')$$, '^22023 ', 'a bad percent-encoding');
EXECUTE refused($$SELECT pythia.create_connection('local', 'mysql://h/x')$$, '^42602 .*"local" cannot be the name', 'a reserved name');
EXECUTE refused($$SELECT pythia.create_connection('', 'mysql://h/x')$$, '^42602 ', 'an empty name');
EXECUTE refused($$SELECT pythia.create_connection('c', 'mysql:/h/x')$$, '^22023 ', 'a URL that does not parse');
EXECUTE refused($$SELECT pythia.create_connection('c', 'mysql://h/x', '{"sslmod": "require"}')$$, '^22023 .*"sslmod".*sslmode', 'an unknown option of a connection');
EXECUTE refused($$SELECT pythia.create_connection('c', 'mysql://h/x', '[]')$$, '^22023 . options must be a JSON object', 'options that are no object');
SELECT lives_ok($$SELECT pythia.create_connection('c', 'mysql://h/x')$$, 'a connection');
EXECUTE refused($$SELECT pythia.create_connection('c', 'mysql://h/x')$$, '^42710 . connection "c" already exists', 'a name that is taken');
SELECT lives_ok($$SELECT pythia.create_sync_worker('cw', 'local', 'c')$$, 'a worker that uses it');
EXECUTE refused($$SELECT pythia.drop_connection('c')$$, '^2BP01 . cannot drop connection "c": worker "cw" uses it', 'a connection in use');
SELECT lives_ok($$SELECT pythia.drop_sync_worker('cw')$$, 'the worker goes');
SELECT lives_ok($$SELECT pythia.drop_connection('c')$$, 'the connection goes');
EXECUTE refused($$SELECT pythia.drop_connection('c')$$, '^42704 ', 'drop of an unknown connection');
EXECUTE refused($$CREATE SERVER s FOREIGN DATA WRAPPER pythia_db OPTIONS (url 'mysql://u:tiger@h/x')$$, '^HV024 .*must not hold a user or a secret', 'a server with a password');
EXECUTE refused($$CREATE SERVER s FOREIGN DATA WRAPPER pythia_db OPTIONS (host 'h')$$, '^HV00D . invalid option "host"', 'a server with an unknown option');
EXECUTE refused($$SELECT pythia.test_connection('mysql://u:tiger@127.0.0.1:1/x')$$, 'it worked', 'a server that is down is no error of test_connection');
SELECT is(reachable, false, 'it is not reachable') FROM pythia.test_connection('mysql://u:tiger@127.0.0.1:1/x');
SELECT doesnt_match(error, 'tiger', 'and the password is not told') FROM pythia.test_connection('mysql://u:tiger@127.0.0.1:1/x');
EXECUTE refused($$SELECT pythia.sync_between('local', 'mysql://u:tiger@127.0.0.1:1/x', 'users')$$, '^08', 'a server that is down');
EXECUTE refused($$SELECT pythia.sync_between('local', 'postgresql://u:tiger@127.0.0.1:1/x', 'users')$$, '^08', 'a PostgreSQL server that is down');
EXECUTE refused($$SELECT pythia.sync_between('sqlite:////no/such/file.db', 'local', 'users')$$, '^(08|58|42)\w+ .*no/such/file.db', 'a file that is not there');

-- tables and columns
EXECUTE refused($$SELECT pythia.sync_table('w', 'userz')$$, '^42P01 .*"userz" does not exist.*users', 'an unknown table, with the close one');
EXECUTE refused($$SELECT pythia.sync_table('w', 'no_schema.users')$$, '^42P01 ', 'an unknown schema');
EXECUTE refused($$SELECT pythia.sync_table('w', '"unclosed')$$, '^(42602|22023|42601) ', 'a name that does not parse');
EXECUTE refused($$SELECT pythia.sync_table('w', 'nokey')$$, '^\w+ .*nokey.*key', 'a table without a key');
EXECUTE refused($$SELECT pythia.sync_table('w', 'nostamp', '{"timestamp_column": "changed"}')$$, '^42703 .*"changed"', 'a missing timestamp column');
EXECUTE refused($$SELECT pythia.sync_table('w', 'users', '{"columns": ["id", "nmae"]}')$$, '^42703 .*"nmae".*name', 'an unknown column');
EXECUTE refused($$SELECT pythia.sync_table('w', 'users', '{"where": "nmae = 1"}')$$, '^42703 .*nmae', 'an unknown column in where');
EXECUTE refused($$SELECT pythia.sync_table('w', 'users', '{"key": ["ident"]}')$$, '^42703 .*"ident"', 'an unknown key');
SELECT is(("table", error IS NULL)::text, '(users,t)', 'a good table') FROM pythia.sync_tables('w', '{users,userz}') WHERE error IS NULL;
SELECT matches(error, '"userz" does not exist', 'a bad one beside it') FROM pythia.sync_tables('w', '{users,userz}') WHERE error IS NOT NULL;
EXECUTE refused($$SELECT * FROM pythia.sync_tables('w', '{}')$$, '^22023 . the list of tables is empty', 'no tables');

-- options of a CDC worker by table: a name misspelt would leave them without effect
EXECUTE refused($$SELECT pythia.create_cdc_worker('c', ARRAY['"No Schema"."No Table"'])$$, '^42P01 . table "No Schema.No Table" does not exist', 'a quoted name, in quotes once');
EXECUTE refused($$SELECT pythia.create_cdc_worker('c', '{users}', options => '{"exclude_columns": {"usrs": ["name"]}}')$$, '^22023 .*"exclude_columns" names table "usrs", which is not captured', 'columns left out of a table that is none');
EXECUTE refused($$SELECT pythia.create_cdc_worker('c', '{public.users}', options => '{"where": {"other.users": "true"}}')$$, '^22023 .*"where" names table "other.users"', 'a condition for a table of another schema');
SET client_min_messages = error;
SELECT lives_ok($$SELECT pythia.create_cdc_worker('c', '{users}', options => '{"exclude_columns": {"public.users": ["name"]}}')$$, 'a table by another way to write its name');
EXECUTE refused($$SELECT pythia.alter_cdc_worker('c', options => '{"key": {"nobody": ["id"]}}')$$, '^22023 .*"key" names table "nobody"', 'a table that is none, later');
INSERT INTO users VALUES (100, 'secret');
SELECT is((SELECT new_data ? 'name' FROM pythia.consume_changes('c')), false, 'which is heeded');
DELETE FROM users WHERE id = 100;
SELECT pythia.drop_cdc_worker('c');
RESET client_min_messages;

-- what is left
SELECT is((SELECT string_agg(name, ',') FROM pythia.worker), 'w', 'no worker was made by what failed');
SELECT is((SELECT count(*)::int FROM pg_foreign_server), 0, 'nor a connection');
SELECT is(last_error ~ 'userz', true, 'a failed table is told in stat_sync') FROM pythia.stat_sync WHERE "table" = 'userz';
SELECT is(count(*)::int, 0, 'no sync is left in progress') FROM pythia.stat_progress_sync;

-- a local target that fails midway
CREATE TABLE small (id int PRIMARY KEY, name varchar(3), updated_at timestamptz);
EXECUTE refused($$SELECT pythia.sync_between('local', 'local', 'users', '{"table_map": {"users": "small"}}')$$, '^22001 .*', 'a value that does not fit');
SELECT is((SELECT count(*)::int FROM small), 0, 'leaves the target as it was');
SELECT is((SELECT count(*)::int FROM pg_class WHERE relname ~ 'pythia_stage'), 0, 'and no stage');

-- others
CREATE ROLE outsider LOGIN;
CREATE ROLE clerk LOGIN;
SET ROLE outsider;
SELECT matches(pg_temp.fails($$SELECT pythia.version()$$), '^42501 ', 'PUBLIC may do nothing');
RESET ROLE;
SELECT lives_ok($$SELECT pythia.grant_use('clerk'), pythia.grant_use('outsider')$$, 'grant_use');
SET ROLE clerk;
EXECUTE refused($$SELECT pythia.sync_table('w', 'users')$$, '^42501 . permission denied for sync worker "w"', 'somebody else''s worker');
EXECUTE refused($$SELECT pythia.start_sync('w')$$, '^42501 ', 'cannot be started');
EXECUTE refused($$SELECT pythia.stop_sync('w')$$, '^42501 ', 'or stopped');
EXECUTE refused($$SELECT pythia.drop_sync_worker('w')$$, '^42501 ', 'or dropped');
EXECUTE refused($$SELECT pythia.alter_sync_worker('w', tables => '{users}')$$, '^42501 ', 'or altered');
SELECT is((SELECT count(*)::int FROM pythia.worker_status), 0, 'or seen');
SELECT is((SELECT count(*)::int FROM pythia.stat_sync), 0, 'nor its tables');
-- a cheap function is tried on rows before a condition that costs more
CREATE FUNCTION pg_temp.peek(what text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS
	$$ BEGIN PERFORM set_config('test.peeked', what, false); RETURN true; END $$;
SELECT set_config('test.peeked', '', false);
SELECT is((SELECT count(*)::int FROM pythia.worker_status WHERE pg_temp.peek(name)), 0, 'not with a condition either');
SELECT is((SELECT count(*)::int FROM pythia.stat_sync WHERE pg_temp.peek("table")), 0, 'nor in the counters');
SELECT is(current_setting('test.peeked'), '', 'and no condition sees what it may not');
SELECT is(c.oid::regclass::text || ' has no barrier', NULL) FROM pg_class c
WHERE c.relnamespace = 'pythia'::regnamespace AND c.relkind = 'v' AND NOT coalesce(c.reloptions @> '{security_barrier=true}', false);
RESET ROLE;

-- somebody else's sync: neither seen from inside, nor does it lend its caller's rights
CREATE SCHEMA desk AUTHORIZATION clerk;
CREATE TABLE desk.seen (what text);
GRANT ALL ON desk.seen TO outsider, clerk;
SET ROLE outsider;
CREATE FUNCTION pg_temp.look() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
	$$ BEGIN INSERT INTO desk.seen SELECT 'progress ' || table_name FROM pythia._progress(); RETURN NULL; END $$;
RESET ROLE;
GRANT USAGE ON SCHEMA desk TO outsider;
SET ROLE clerk;
CREATE TABLE desk.a (id int PRIMARY KEY, updated_at timestamptz);
CREATE TABLE desk.b (id int PRIMARY KEY, updated_at timestamptz);
INSERT INTO desk.a VALUES (1, now());
CREATE FUNCTION desk.note() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN INSERT INTO desk.seen VALUES ('as ' || current_user); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER note AFTER INSERT ON desk.b DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION desk.note();
CREATE TRIGGER look AFTER INSERT ON desk.b FOR EACH ROW EXECUTE FUNCTION pg_temp.look();
SELECT lives_ok($$SELECT pythia.create_sync_worker('desk', 'local', 'local', '{"table_map": {"desk.a": "desk.b"}}', '{desk.a}')$$, 'the clerk''s worker');
RESET ROLE;
-- a held cursor of the target's trigger would be read at commit, as whoever called
EXECUTE refused($$SELECT pythia.sync_table('desk', 'desk.a')$$, '^42501 ', 'not even a superuser runs it in its own session');
EXECUTE refused($$SELECT pythia.validate_sync('desk', 'desk.a')$$, '^42501 ', 'or validates');
SET ROLE clerk;
SELECT is(rows_inserted, 1::bigint, 'but its owner does') FROM pythia.sync_table('desk', 'desk.a');
RESET ROLE;
SELECT is(string_agg(what, ', '), 'as clerk', 'its triggers run as its owner, and others see no progress of it') FROM desk.seen;
SELECT pythia.drop_sync_worker('desk');
SET client_min_messages = warning;
DROP SCHEMA desk CASCADE;
RESET client_min_messages;
DROP FUNCTION pg_temp.peek, pg_temp.look;
GRANT pg_monitor TO clerk;
SET ROLE clerk;
SELECT is((SELECT count(*)::int FROM pythia.worker_status), 1, 'but who monitors the server sees it');
EXECUTE refused($$SELECT count(*) FROM pythia.worker$$, '^42501 ', 'the catalogue is not for reading');
EXECUTE refused(format($$SELECT pythia.sync_between(%L, 'local', 'users')$$, :'file'), '^42501 . permission denied for SQLite files', 'no files of the server');
EXECUTE refused($$SELECT pythia.sync_between('local', 'sqlite:///:memory:', 'users')$$, '^42501 . permission denied for SQLite files', 'nor a database that fills its memory');
EXECUTE refused($$SELECT pythia.validate_between('sqlite://', 'local', 'users')$$, '^(42501|22023) ', 'by whatever name');
EXECUTE refused($$SELECT pythia.test_connection('postgresql://127.0.0.1/postgres')$$, '^2F003 . password is required', 'no borrowing of the server''s credentials');
EXECUTE refused($$SELECT pythia.test_connection('postgresql://u:p@h/x?passfile=/etc/passwd')$$, '^42501 .*passfile', 'no files in a URL');
EXECUTE refused($$SELECT pythia.test_connection('mysql://u:p@h/x?unix_socket=/run/s')$$, '^42501 .*unix_socket', 'no sockets either');
EXECUTE refused($$SELECT pythia.sync_between('local', 'local', 'users', '{"table_map": {"users": "u2"}}')$$, '^42501 ', 'a table it may not read');
EXECUTE refused($$SELECT pythia.grant_use('clerk')$$, '^42501 ', 'it cannot grant');
RESET ROLE;
SELECT lives_ok($$SELECT pythia.revoke_use('clerk'), pythia.revoke_use('outsider')$$, 'revoke_use');
SELECT is((SELECT count(*)::int FROM pg_class WHERE relname = 'u2'), 0, 'nothing was made');
DROP ROLE clerk;
DROP ROLE outsider;
SELECT pass('the roles hold nothing any more');
SELECT * FROM finish();
