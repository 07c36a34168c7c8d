-- Sync workers, their state, and the functions that synchronise.

CREATE TABLE pythia.sync_worker (
	worker_id integer PRIMARY KEY REFERENCES pythia.worker ON DELETE CASCADE,
	source text NOT NULL,
	target text NOT NULL,
	source_owner pythia.role,
	target_owner pythia.role,
	sync_config jsonb NOT NULL DEFAULT '{}',
	tables text[],
	schedule interval,
	default_schema text NOT NULL
);
COMMENT ON TABLE pythia.sync_worker IS 'what each sync worker synchronises';
COMMENT ON COLUMN pythia.sync_worker.worker_id IS 'the worker';
COMMENT ON COLUMN pythia.sync_worker.source IS 'local, a connection''s name or a URL without secrets';
COMMENT ON COLUMN pythia.sync_worker.target IS 'local, a connection''s name or a URL without secrets';
COMMENT ON COLUMN pythia.sync_worker.source_owner IS 'role that the source''s connection belonged to when it was named: another one''s is not used';
COMMENT ON COLUMN pythia.sync_worker.target_owner IS 'the same of the target';
COMMENT ON COLUMN pythia.sync_worker.sync_config IS 'options of every table, and per-table overrides under tables';
COMMENT ON COLUMN pythia.sync_worker.tables IS 'tables of the source, schema.* for all of a schema; NULL for all of the default schema';
COMMENT ON COLUMN pythia.sync_worker.schedule IS 'how often the background worker repeats it; NULL for once';
COMMENT ON COLUMN pythia.sync_worker.default_schema IS 'schema that a table of this database without one is in: the first of the search_path when the worker was made';
SELECT pg_catalog.pg_extension_config_dump('pythia.sync_worker', '');

CREATE TABLE pythia.sync_state (
	worker_id integer NOT NULL REFERENCES pythia.worker ON DELETE CASCADE,
	table_name text NOT NULL,
	watermark text,
	checkpoint text,
	runs bigint NOT NULL DEFAULT 0,
	failures bigint NOT NULL DEFAULT 0,
	rows_synced bigint NOT NULL DEFAULT 0,
	rows_inserted bigint NOT NULL DEFAULT 0,
	rows_updated bigint NOT NULL DEFAULT 0,
	rows_deleted bigint NOT NULL DEFAULT 0,
	rows_skipped bigint NOT NULL DEFAULT 0,
	rows_quarantined bigint NOT NULL DEFAULT 0,
	bytes bigint NOT NULL DEFAULT 0,
	last_mode text,
	last_start timestamptz,
	last_end timestamptz,
	enabled_at timestamptz,
	last_error text,
	last_error_at timestamptz,
	last_valid boolean,
	last_difference bigint,
	last_validated timestamptz,
	copier integer,
	live text,
	PRIMARY KEY (worker_id, table_name)
) WITH (fillfactor = 70);
COMMENT ON TABLE pythia.sync_state IS 'where each table of each sync worker stands';
COMMENT ON COLUMN pythia.sync_state.worker_id IS 'the worker';
COMMENT ON COLUMN pythia.sync_state.table_name IS 'the table, as the worker names it';
COMMENT ON COLUMN pythia.sync_state.watermark IS 'stamp from which the next incremental run reads';
COMMENT ON COLUMN pythia.sync_state.checkpoint IS 'where an interrupted run goes on; NULL when none is under way';
COMMENT ON COLUMN pythia.sync_state.runs IS 'runs that ended well';
COMMENT ON COLUMN pythia.sync_state.failures IS 'runs that failed since the last good one';
COMMENT ON COLUMN pythia.sync_state.rows_synced IS 'rows applied or found equal, in all runs';
COMMENT ON COLUMN pythia.sync_state.rows_inserted IS 'rows inserted, in all runs';
COMMENT ON COLUMN pythia.sync_state.rows_updated IS 'rows updated, in all runs';
COMMENT ON COLUMN pythia.sync_state.rows_deleted IS 'rows deleted, in all runs';
COMMENT ON COLUMN pythia.sync_state.rows_skipped IS 'rows left alone by the conflict rule, in all runs';
COMMENT ON COLUMN pythia.sync_state.rows_quarantined IS 'rows put into quarantine, in all runs';
COMMENT ON COLUMN pythia.sync_state.bytes IS 'bytes that travelled, in all runs';
COMMENT ON COLUMN pythia.sync_state.last_mode IS 'mode of the last run';
COMMENT ON COLUMN pythia.sync_state.last_start IS 'when the last good run began';
COMMENT ON COLUMN pythia.sync_state.last_end IS 'when the last good run ended';
COMMENT ON COLUMN pythia.sync_state.enabled_at IS 'worker.enabled_at as the last good run began: the start that it answered';
COMMENT ON COLUMN pythia.sync_state.last_error IS 'why the last run failed; NULL after a good one';
COMMENT ON COLUMN pythia.sync_state.last_error_at IS 'when it failed';
COMMENT ON COLUMN pythia.sync_state.last_valid IS 'what the last validation said';
COMMENT ON COLUMN pythia.sync_state.last_difference IS 'rows that differed in the last validation';
COMMENT ON COLUMN pythia.sync_state.last_validated IS 'when it was last validated';
COMMENT ON COLUMN pythia.sync_state.copier IS 'process whose run others may join to copy parts; NULL: none';
COMMENT ON COLUMN pythia.sync_state.live IS 'of a live worker: copying, live or aside; NULL: not looked at yet';
SELECT pg_catalog.pg_extension_config_dump('pythia.sync_state', '');

CREATE TABLE pythia.live_state (
	worker_id integer PRIMARY KEY REFERENCES pythia.worker ON DELETE CASCADE,
	applied_until timestamptz,
	lag_seconds double precision,
	lag_changes bigint,
	windows bigint NOT NULL DEFAULT 0,
	changes bigint NOT NULL DEFAULT 0,
	rows_written bigint NOT NULL DEFAULT 0,
	seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 70);
COMMENT ON TABLE pythia.live_state IS 'how far each live sync worker has followed its source';
COMMENT ON COLUMN pythia.live_state.worker_id IS 'the worker';
COMMENT ON COLUMN pythia.live_state.applied_until IS 'the target has what the source had committed before this, by the source''s clock';
COMMENT ON COLUMN pythia.live_state.lag_seconds IS 'how far behind that was, when it was seen';
COMMENT ON COLUMN pythia.live_state.lag_changes IS 'logged changes that waited then';
COMMENT ON COLUMN pythia.live_state.windows IS 'windows that were applied, in all turns';
COMMENT ON COLUMN pythia.live_state.changes IS 'logged changes that they took, in all turns';
COMMENT ON COLUMN pythia.live_state.rows_written IS 'rows inserted, updated or deleted by them, in all turns';
COMMENT ON COLUMN pythia.live_state.seen_at IS 'when that was written down; each second at most';
SELECT pg_catalog.pg_extension_config_dump('pythia.live_state', '');

CREATE TABLE pythia.sync_part (
	worker_id integer NOT NULL,
	table_name text NOT NULL,
	part integer NOT NULL,
	checkpoint text,
	begun boolean NOT NULL DEFAULT false,
	done boolean NOT NULL DEFAULT false,
	pid integer,
	counted bigint[] NOT NULL DEFAULT '{0,0,0,0,0,0,0,0}',
	PRIMARY KEY (worker_id, table_name, part),
	FOREIGN KEY (worker_id, table_name) REFERENCES pythia.sync_state ON DELETE CASCADE
) WITH (fillfactor = 70);
COMMENT ON TABLE pythia.sync_part IS 'parts of tables that several processes copy, until the run has ended well';
COMMENT ON COLUMN pythia.sync_part.worker_id IS 'the worker';
COMMENT ON COLUMN pythia.sync_part.table_name IS 'the table, as the worker names it';
COMMENT ON COLUMN pythia.sync_part.part IS 'number of the part; sync_state.checkpoint says where each ends';
COMMENT ON COLUMN pythia.sync_part.checkpoint IS 'key of the last row that is safe on the target';
COMMENT ON COLUMN pythia.sync_part.begun IS 'somebody has had it';
COMMENT ON COLUMN pythia.sync_part.done IS 'all of it is on the target';
COMMENT ON COLUMN pythia.sync_part.pid IS 'process that had it last in this run';
COMMENT ON COLUMN pythia.sync_part.counted IS
	'rows synced, inserted, updated, deleted, skipped, quarantined, read, and bytes, in this run';
SELECT pg_catalog.pg_extension_config_dump('pythia.sync_part', '');

CREATE TABLE pythia.quarantine (
	quarantine_id bigserial PRIMARY KEY,
	worker_id integer REFERENCES pythia.worker ON DELETE CASCADE,
	owner pythia.role NOT NULL,
	table_name text NOT NULL,
	row_data jsonb NOT NULL,
	column_name text,
	reason text NOT NULL,
	quarantined_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE pythia.quarantine IS 'rows that a target could not hold';
COMMENT ON COLUMN pythia.quarantine.quarantine_id IS 'number of the row here';
COMMENT ON COLUMN pythia.quarantine.worker_id IS 'the worker that met it; NULL for sync_between';
COMMENT ON COLUMN pythia.quarantine.owner IS 'the role that may see it';
COMMENT ON COLUMN pythia.quarantine.table_name IS 'its table in the source';
COMMENT ON COLUMN pythia.quarantine.row_data IS 'the whole row as the source has it';
COMMENT ON COLUMN pythia.quarantine.column_name IS 'the column whose value cannot be held';
COMMENT ON COLUMN pythia.quarantine.reason IS 'why';
COMMENT ON COLUMN pythia.quarantine.quarantined_at IS 'when';
COMMENT ON SEQUENCE pythia.quarantine_quarantine_id_seq IS 'numbers of pythia.quarantine';
CREATE INDEX quarantine_worker_id_table_name_idx ON pythia.quarantine (worker_id, table_name);
COMMENT ON INDEX pythia.quarantine_worker_id_table_name_idx IS 'finds the rows of one table';
CREATE INDEX quarantine_owner ON pythia.quarantine (owner);
COMMENT ON INDEX pythia.quarantine_owner IS 'finds roles that are gone';
SELECT pg_catalog.pg_extension_config_dump('pythia.quarantine', '');
SELECT pg_catalog.pg_extension_config_dump('pythia.quarantine_quarantine_id_seq', '');

CREATE FUNCTION pythia.create_sync_worker(name text, source text, target text, sync_config jsonb DEFAULT '{}',
	tables text[] DEFAULT NULL, schedule interval DEFAULT NULL) RETURNS integer
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_create_sync_worker';
COMMENT ON FUNCTION pythia.create_sync_worker(text, text, text, jsonb, text[], interval) IS
	'describes how tables of one database are kept equal in another; returns the worker''s number';

CREATE FUNCTION pythia.alter_sync_worker(name text, source text DEFAULT NULL, target text DEFAULT NULL,
	sync_config jsonb DEFAULT NULL, tables text[] DEFAULT NULL, schedule interval DEFAULT NULL) RETURNS void
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_alter_sync_worker';
COMMENT ON FUNCTION pythia.alter_sync_worker(text, text, text, jsonb, text[], interval) IS
	'changes what is not NULL; a schedule of 0 means once';

CREATE FUNCTION pythia.drop_sync_worker(name text) RETURNS void
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_drop_sync_worker';
COMMENT ON FUNCTION pythia.drop_sync_worker(text) IS 'forgets a sync worker and its state; the tables stay as they are';

CREATE FUNCTION pythia.start_sync(worker text) RETURNS void
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_start_sync';
COMMENT ON FUNCTION pythia.start_sync(text) IS
	'lets a background worker synchronise the worker''s tables, once or on its schedule, from the commit on';

CREATE FUNCTION pythia.stop_sync(worker text) RETURNS void
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_stop_sync';
COMMENT ON FUNCTION pythia.stop_sync(text) IS 'ends the background worker at commit; what it did stays, and it can go on later';

CREATE FUNCTION pythia.sync_table(worker text, table_name text, overrides jsonb DEFAULT '{}') RETURNS pythia.sync_result
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_sync_table_sql';
COMMENT ON FUNCTION pythia.sync_table(text, text, jsonb) IS 'synchronises one table of a worker now; overrides are options for this run';

CREATE FUNCTION pythia.sync_tables(worker text, tables text[]) RETURNS SETOF pythia.sync_result
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_sync_tables';
COMMENT ON FUNCTION pythia.sync_tables(text, text[]) IS
	'synchronises several tables now, a row each; one that fails says why in its error and does not stop the rest';

CREATE FUNCTION pythia.sync_all_tables(worker text) RETURNS SETOF pythia.sync_result
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_sync_all_tables';
COMMENT ON FUNCTION pythia.sync_all_tables(text) IS 'synchronises every table of a worker now, a row each';

CREATE FUNCTION pythia.sync_between(source text, target text, table_name text, sync_config jsonb DEFAULT '{}')
	RETURNS pythia.sync_result
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_sync_between';
COMMENT ON FUNCTION pythia.sync_between(text, text, text, jsonb) IS
	'synchronises one table now without a worker; nothing is remembered, so each run reads the whole table';

CREATE FUNCTION pythia.replay_quarantine(worker text, table_name text) RETURNS pythia.sync_result
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_replay_quarantine';
COMMENT ON FUNCTION pythia.replay_quarantine(text, text) IS
	'tries the quarantined rows of a table again, as the source has them now, up to 1000 at a call; those that fail again stay';

CREATE FUNCTION pythia.discard_quarantine(worker text, table_name text DEFAULT NULL) RETURNS bigint
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_discard_quarantine';
COMMENT ON FUNCTION pythia.discard_quarantine(text, text) IS
	'forgets quarantined rows of a worker, of one table or of all; with worker NULL those of sync_between; returns their number';

CREATE FUNCTION pythia.plan_migration(source text, target text, options jsonb DEFAULT '{}')
	RETURNS TABLE (step integer, object text, action text, statement text, reason text)
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_plan_migration';
COMMENT ON FUNCTION pythia.plan_migration(text, text, jsonb) IS
	'what "pythia migrate" would do to bring a whole database to another one: statements and copies in their order, then what is changed or not carried, and why; nothing is done';
