-- The public contract: every object is there, with the signature that the
-- documentation promises, and says what it is.
BEGIN;
SELECT no_plan();

SELECT is(pg_describe_object(d.classid, d.objid, d.objsubid) || ' has no comment', NULL)
FROM pg_depend d
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
	AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pythia_db')
	AND obj_description(d.objid, d.classid::regclass::name) IS NULL
	-- a table's row type and an array's type come with what they belong to
	AND NOT (d.classid = 'pg_type'::regclass AND (SELECT typrelid <> 0 AND (SELECT relkind FROM pg_class c WHERE c.oid = typrelid) <> 'c' OR typelem <> 0 FROM pg_type WHERE oid = d.objid));
SELECT pass('every object has a comment');

SELECT is(format('%s.%s has no comment', c.oid::regclass, a.attname), NULL)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'pythia'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'c') AND a.attnum > 0 AND NOT a.attisdropped
	AND NOT a.attislocal IS FALSE
	AND c.relname !~ '^journal_[0-9]+$'
	AND col_description(c.oid, a.attnum) IS NULL;
SELECT pass('every column has a comment');

SELECT is(format('%s is not internal and open to PUBLIC', p.oid::regprocedure), NULL)
FROM pg_proc p WHERE p.pronamespace = 'pythia'::regnamespace AND has_function_privilege('public', p.oid, 'EXECUTE')
	-- does nothing in a trigger that we did not make; whoever adds a partition makes one
	AND p.proname <> '_capture';
SELECT pass('PUBLIC may call nothing');
SELECT is(format('%s is open to PUBLIC', c.oid::regclass), NULL)
FROM pg_class c WHERE c.relnamespace = 'pythia'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND has_table_privilege('public', c.oid, 'SELECT, INSERT, UPDATE, DELETE');
SELECT pass('PUBLIC may read nothing');
SELECT ok(NOT has_schema_privilege('public', 'pythia', 'USAGE'), 'PUBLIC may not look into the schema');
SELECT is(format('%s runs as its definer without a fixed search_path', p.oid::regprocedure), NULL)
FROM pg_proc p WHERE p.pronamespace = 'pythia'::regnamespace AND p.prosecdef AND NOT coalesce(p.proconfig::text LIKE '%search_path%', false);

PREPARE promised(text, text, text) AS
SELECT is(
	(SELECT pg_get_function_arguments(p.oid) || ' -> ' || pg_get_function_result(p.oid) FROM pg_proc p
	 WHERE p.pronamespace = 'pythia'::regnamespace AND p.proname = $1),
	$2 || ' -> ' || $3, $1);
SET search_path = public, pg_catalog;
EXECUTE promised('version', '', 'text');
EXECUTE promised('create_connection', $$name text, url text, options jsonb DEFAULT '{}'::jsonb$$, 'void');
EXECUTE promised('drop_connection', 'name text', 'void');
EXECUTE promised('test_connection', 'name_or_url text', 'pythia.connection_test');
EXECUTE promised('create_sync_worker', $$name text, source text, target text, sync_config jsonb DEFAULT '{}'::jsonb, tables text[] DEFAULT NULL::text[], schedule interval DEFAULT NULL::interval$$, 'integer');
EXECUTE promised('alter_sync_worker', 'name text, source text DEFAULT NULL::text, target text DEFAULT NULL::text, sync_config jsonb DEFAULT NULL::jsonb, tables text[] DEFAULT NULL::text[], schedule interval DEFAULT NULL::interval', 'void');
EXECUTE promised('drop_sync_worker', 'name text', 'void');
EXECUTE promised('start_sync', 'worker text', 'void');
EXECUTE promised('stop_sync', 'worker text', 'void');
EXECUTE promised('sync_table', $$worker text, table_name text, overrides jsonb DEFAULT '{}'::jsonb$$, 'pythia.sync_result');
EXECUTE promised('sync_tables', 'worker text, tables text[]', 'SETOF pythia.sync_result');
EXECUTE promised('sync_all_tables', 'worker text', 'SETOF pythia.sync_result');
EXECUTE promised('sync_between', $$source text, target text, table_name text, sync_config jsonb DEFAULT '{}'::jsonb$$, 'pythia.sync_result');
EXECUTE promised('validate_sync', $$worker text, table_name text, options jsonb DEFAULT '{}'::jsonb$$, 'pythia.validate_result');
EXECUTE promised('validate_between', $$source text, target text, table_name text, options jsonb DEFAULT '{}'::jsonb$$, 'pythia.validate_result');
EXECUTE promised('sync_differences', $$worker text, table_name text, options jsonb DEFAULT '{}'::jsonb$$, 'SETOF pythia.sync_difference');
EXECUTE promised('differences_between', $$source text, target text, table_name text, options jsonb DEFAULT '{}'::jsonb$$, 'SETOF pythia.sync_difference');
EXECUTE promised('repair_sync', $$worker text, table_name text, options jsonb DEFAULT '{}'::jsonb$$, 'pythia.sync_result');
EXECUTE promised('repair_between', $$source text, target text, table_name text, options jsonb DEFAULT '{}'::jsonb$$, 'pythia.sync_result');
EXECUTE promised('replay_quarantine', 'worker text, table_name text', 'pythia.sync_result');
EXECUTE promised('discard_quarantine', 'worker text, table_name text DEFAULT NULL::text', 'bigint');
EXECUTE promised('discard_failed', 'worker text, change_ids bigint[] DEFAULT NULL::bigint[]', 'bigint');
EXECUTE promised('grant_use', 'role regrole', 'void');
EXECUTE promised('revoke_use', 'role regrole', 'void');

PREPARE shape(text, text) AS
SELECT is((SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum) FROM pg_attribute a
		   WHERE a.attrelid = $1::regclass AND a.attnum > 0), $2, $1);
EXECUTE shape('pythia.database_change', 'change_id bigint, schema text, table text, change_type pythia.change_type, primary_key jsonb, old_data jsonb, new_data jsonb, timestamp timestamp with time zone, transaction_id text, captured_at timestamp with time zone');
EXECUTE shape('pythia.sync_result', 'table text, sync_mode text, rows_synced bigint, rows_inserted bigint, rows_updated bigint, rows_deleted bigint, rows_skipped bigint, rows_quarantined bigint, source_count bigint, bytes bigint, duration_seconds double precision, start_time timestamp with time zone, end_time timestamp with time zone, watermark text, error text');
EXECUTE shape('pythia.validate_result', 'table text, is_valid boolean, source_count bigint, target_count bigint, difference bigint, missing bigint, extra bigint, differing bigint, method text, duration_seconds double precision, error text, sample double precision, max_difference double precision, failed_checks bigint, checks jsonb');
EXECUTE shape('pythia.sync_difference', 'primary_key jsonb, difference text, columns text[], source_row jsonb, target_row jsonb');
EXECUTE shape('pythia.connection_test', 'reachable boolean, server_version text, round_trip interval, tls boolean, error text');
SELECT is(enum_range(NULL::pythia.change_type)::text, '{INSERT,UPDATE,DELETE,TRUNCATE}', 'pythia.change_type');
SELECT has_view('pythia'::name, v, 'view ' || v) FROM unnest('{worker_status,stat_sync,stat_progress_sync}'::name[]) v;
SELECT is(pythia.version(), (SELECT extversion FROM pg_extension WHERE extname = 'pythia_db'), 'library and extension have one version');
SELECT is(format('state table %s would not be dumped', c.oid::regclass), NULL)
FROM pg_class c WHERE c.relnamespace = 'pythia'::regnamespace AND c.relkind = 'r'
	AND c.relname IN ('worker', 'sync_worker', 'sync_state', 'quarantine')
	AND NOT c.oid = ANY ((SELECT extconfig FROM pg_extension WHERE extname = 'pythia_db')::oid[]);
SELECT * FROM finish();
ROLLBACK;
