\echo Use "CREATE EXTENSION pythia_db" to load this file. \quit

-- A schema that somebody else made beforehand could hold traps for our owner.
DO $$
BEGIN
	IF EXISTS (SELECT FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) n.nspowner
			   WHERE n.nspname OPERATOR(pg_catalog.=) 'pythia' AND NOT r.rolsuper
				 AND r.rolname OPERATOR(pg_catalog.<>) CURRENT_USER) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'insufficient_privilege',
			MESSAGE = 'schema "pythia" belongs to another role',
			HINT = 'Drop or rename that schema, then create the extension again.';
	END IF;
	IF EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) d.refobjid
			   WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass
				 AND n.nspname OPERATOR(pg_catalog.=) 'pythia' AND NOT (d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
					 AND d.objid OPERATOR(pg_catalog.=)
						 (SELECT e.oid FROM pg_catalog.pg_extension e WHERE e.extname OPERATOR(pg_catalog.=) 'pythia_db'))) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = 'schema "pythia" is not empty',
			DETAIL = 'What is in it would run with the rights of whoever creates the extension.',
			HINT = 'Drop what is in that schema, or rename it, then create the extension again.';
	END IF;
END $$;

COMMENT ON SCHEMA pythia IS 'change data capture and cross-database sync';

-- What is known of captured tables is read together with them, as whoever reads them: each may be read by that role alone.
CREATE SCHEMA pythia_tracked;
COMMENT ON SCHEMA pythia_tracked IS 'internal: rows known of captured tables';

CREATE TYPE pythia.change_type AS ENUM ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE');
COMMENT ON TYPE pythia.change_type IS 'what happened to a row, or, with TRUNCATE, to a whole table';

CREATE TYPE pythia.database_change AS (
	change_id bigint,
	"schema" text,
	"table" text,
	change_type pythia.change_type,
	primary_key jsonb,
	old_data jsonb,
	new_data jsonb,
	"timestamp" timestamptz,
	transaction_id text,
	captured_at timestamptz
);
COMMENT ON TYPE pythia.database_change IS 'one captured change, as consume_changes returns it and a handler receives it';
COMMENT ON COLUMN pythia.database_change.change_id IS 'number in the journal, unique and in order of capture';
COMMENT ON COLUMN pythia.database_change."schema" IS 'schema of the table (database in MySQL, main in SQLite)';
COMMENT ON COLUMN pythia.database_change."table" IS 'name of the table';
COMMENT ON COLUMN pythia.database_change.change_type IS 'kind of the change';
COMMENT ON COLUMN pythia.database_change.primary_key IS 'key columns and their values; NULL for TRUNCATE';
COMMENT ON COLUMN pythia.database_change.old_data IS 'the row before, where the worker keeps rows or uses triggers';
COMMENT ON COLUMN pythia.database_change.new_data IS 'the row after; NULL for DELETE and TRUNCATE';
COMMENT ON COLUMN pythia.database_change."timestamp" IS 'the row''s own stamp, or the time of the change';
COMMENT ON COLUMN pythia.database_change.transaction_id IS 'transaction that wrote it, where the source tells';
COMMENT ON COLUMN pythia.database_change.captured_at IS 'when the change was written to the journal';

CREATE TYPE pythia.sync_result AS (
	"table" text,
	sync_mode text,
	rows_synced bigint,
	rows_inserted bigint,
	rows_updated bigint,
	rows_deleted bigint,
	rows_skipped bigint,
	rows_quarantined bigint,
	source_count bigint,
	bytes bigint,
	duration_seconds double precision,
	start_time timestamptz,
	end_time timestamptz,
	watermark text,
	error text
);
COMMENT ON TYPE pythia.sync_result IS 'what synchronising one table did';
COMMENT ON COLUMN pythia.sync_result."table" IS 'the table, by its name in the source';
COMMENT ON COLUMN pythia.sync_result.sync_mode IS 'full or incremental';
COMMENT ON COLUMN pythia.sync_result.rows_synced IS 'rows read from the source that were applied or found equal';
COMMENT ON COLUMN pythia.sync_result.rows_inserted IS 'rows new in the target';
COMMENT ON COLUMN pythia.sync_result.rows_updated IS 'rows changed in the target';
COMMENT ON COLUMN pythia.sync_result.rows_deleted IS 'rows deleted, or marked as deleted, in the target';
COMMENT ON COLUMN pythia.sync_result.rows_skipped IS 'rows that the conflict rule left alone';
COMMENT ON COLUMN pythia.sync_result.rows_quarantined IS 'rows put into pythia.quarantine';
COMMENT ON COLUMN pythia.sync_result.source_count IS 'rows read from the source';
COMMENT ON COLUMN pythia.sync_result.bytes IS 'bytes that travelled, in COPY text';
COMMENT ON COLUMN pythia.sync_result.duration_seconds IS 'how long it took';
COMMENT ON COLUMN pythia.sync_result.start_time IS 'when it began';
COMMENT ON COLUMN pythia.sync_result.end_time IS 'when it ended';
COMMENT ON COLUMN pythia.sync_result.watermark IS 'stamp from which the next incremental run reads';
COMMENT ON COLUMN pythia.sync_result.error IS 'NULL, or why this table failed';

CREATE TYPE pythia.validate_result AS (
	"table" text,
	is_valid boolean,
	source_count bigint,
	target_count bigint,
	difference bigint,
	missing bigint,
	extra bigint,
	differing bigint,
	method text,
	duration_seconds double precision,
	error text,
	sample double precision,
	max_difference double precision,
	failed_checks bigint,
	checks jsonb
);
COMMENT ON TYPE pythia.validate_result IS 'whether two tables are equal';
COMMENT ON COLUMN pythia.validate_result."table" IS 'the table, by its name in the source';
COMMENT ON COLUMN pythia.validate_result.is_valid IS 'true where every row compared is equal; NULL with an error';
COMMENT ON COLUMN pythia.validate_result.source_count IS 'rows in the source';
COMMENT ON COLUMN pythia.validate_result.target_count IS 'rows in the target';
COMMENT ON COLUMN pythia.validate_result.difference IS 'rows that differ in any way: missing, extra and differing';
COMMENT ON COLUMN pythia.validate_result.missing IS 'rows in the source only';
COMMENT ON COLUMN pythia.validate_result.extra IS 'rows in the target only';
COMMENT ON COLUMN pythia.validate_result.differing IS 'rows in both whose values differ';
COMMENT ON COLUMN pythia.validate_result.method IS 'checksum, count or rows';
COMMENT ON COLUMN pythia.validate_result.duration_seconds IS 'how long it took';
COMMENT ON COLUMN pythia.validate_result.error IS 'NULL, or why this table could not be compared';
COMMENT ON COLUMN pythia.validate_result.sample IS 'share of the rows that was looked at; 1 for all';
COMMENT ON COLUMN pythia.validate_result.max_difference IS 'at a confidence of 95 %, at most this share of all rows differs';
COMMENT ON COLUMN pythia.validate_result.failed_checks IS 'rows of the target that break one of the checks, once a check';
COMMENT ON COLUMN pythia.validate_result.checks IS 'rows that break each check, by its name; NULL without checks';

CREATE TYPE pythia.sync_difference AS (
	primary_key jsonb,
	difference text,
	columns text[],
	source_row jsonb,
	target_row jsonb
);
COMMENT ON TYPE pythia.sync_difference IS 'one row that differs between source and target';
COMMENT ON COLUMN pythia.sync_difference.primary_key IS 'key columns and their values';
COMMENT ON COLUMN pythia.sync_difference.difference IS 'missing (in the source only), extra (in the target only) or differing';
COMMENT ON COLUMN pythia.sync_difference.columns IS 'the columns that differ, by their names in the source';
COMMENT ON COLUMN pythia.sync_difference.source_row IS 'the row in the source, or NULL';
COMMENT ON COLUMN pythia.sync_difference.target_row IS 'the row in the target, or NULL';

CREATE TYPE pythia.connection_test AS (
	reachable boolean,
	server_version text,
	round_trip interval,
	tls boolean,
	error text
);
COMMENT ON TYPE pythia.connection_test IS 'what test_connection found';
COMMENT ON COLUMN pythia.connection_test.reachable IS 'whether the database could be entered';
COMMENT ON COLUMN pythia.connection_test.server_version IS 'product and version of the server';
COMMENT ON COLUMN pythia.connection_test.round_trip IS 'time of one empty query';
COMMENT ON COLUMN pythia.connection_test.tls IS 'whether the connection is encrypted';
COMMENT ON COLUMN pythia.connection_test.error IS 'NULL, or why it cannot be entered';

CREATE FUNCTION pythia.version() RETURNS text
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'pythia_version';
COMMENT ON FUNCTION pythia.version() IS 'version of the pythia_db library';
