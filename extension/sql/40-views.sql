-- What the workers are doing.  Everybody sees the workers whose owner's
-- privileges they have, and who may monitor the server sees all.  Behind a barrier:
-- else a cheap function in a query's condition would be shown the rows before we look whose they are.

CREATE FUNCTION pythia._progress(OUT pid integer, OUT role oid, OUT worker_id integer, OUT table_name text, OUT phase text,
	OUT rows bigint, OUT total bigint, OUT bytes bigint, OUT started timestamptz, OUT streams integer) RETURNS SETOF record
	LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'pythia_progress';
COMMENT ON FUNCTION pythia._progress() IS 'internal: the running syncs of this database, from shared memory';

CREATE VIEW pythia.worker_status WITH (security_barrier) AS
SELECT w.kind, w.name, w.owner::oid::regrole AS owner, w.enabled,
	CASE
		WHEN h.reason IS NOT NULL THEN 'held'
		WHEN l.pid IS NOT NULL AND s.failures > 0 AND s.retry_at IS NOT NULL THEN 'retrying'
		WHEN l.pid IS NOT NULL THEN 'running'
		WHEN w.enabled AND s.last_error_at > s.started_at THEN 'failed'
		WHEN w.enabled THEN 'starting'
		ELSE 'stopped'
	END AS state,
	l.pid, s.started_at, s.stopped_at, coalesce(s.failures, 0) AS failures,
	COALESCE(h.reason, s.last_error) AS last_error, s.last_error_sqlstate, s.last_error_at, s.retry_at
FROM pythia.worker w
LEFT JOIN pythia.worker_state s USING (worker_id)
LEFT JOIN pg_catalog.pg_locks l ON l.locktype = 'advisory' AND l.granted AND l.objsubid = 7 AND l.classid = 2::oid
	AND l.objid::bigint = w.worker_id AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
-- a worker that is stopped is not held, save where nobody could start it
LEFT JOIN LATERAL (SELECT COALESCE(pythia._copied(w.home, w.name), CASE WHEN w.enabled OR r.oid IS NULL THEN
		pythia._held(w.owner::oid, w.kind) || CASE WHEN r.oid IS NULL THEN ' It was "' || w.owner_name || '".' ELSE '' END END) AS reason
	FROM (SELECT) x LEFT JOIN pg_catalog.pg_roles r ON r.oid = w.owner::oid) h ON true
WHERE pg_catalog.pg_has_role(w.owner::oid, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW pythia.worker_status IS 'every worker: whether it shall run, whether it does, and what went wrong last';
COMMENT ON COLUMN pythia.worker_status.kind IS 'cdc or sync';
COMMENT ON COLUMN pythia.worker_status.name IS 'name of the worker';
COMMENT ON COLUMN pythia.worker_status.owner IS 'role it runs as; - where that is gone';
COMMENT ON COLUMN pythia.worker_status.enabled IS 'whether it shall run in the background';
COMMENT ON COLUMN pythia.worker_status.state IS 'stopped, starting, running, retrying (runs, and waits after a failure), failed (has no process) or held (may not run: last_error says why)';
COMMENT ON COLUMN pythia.worker_status.pid IS 'its background process';
COMMENT ON COLUMN pythia.worker_status.started_at IS 'when that process started';
COMMENT ON COLUMN pythia.worker_status.stopped_at IS 'when the last process ended of its own accord';
COMMENT ON COLUMN pythia.worker_status.failures IS 'failures in a row';
COMMENT ON COLUMN pythia.worker_status.last_error IS 'why it is held, or the last failure';
COMMENT ON COLUMN pythia.worker_status.last_error_sqlstate IS 'SQLSTATE of the last failure';
COMMENT ON COLUMN pythia.worker_status.last_error_at IS 'when it last failed';
COMMENT ON COLUMN pythia.worker_status.retry_at IS 'when it tries again';

CREATE VIEW pythia.stat_sync WITH (security_barrier) AS
SELECT w.name AS worker, t.table_name AS "table",
	CASE WHEN t.checkpoint IS NOT NULL THEN 'interrupted' WHEN t.last_error IS NOT NULL THEN 'failed'
		 WHEN t.runs > 0 THEN 'synced' ELSE 'new' END AS state,
	t.runs, t.failures, t.rows_synced, t.rows_inserted, t.rows_updated, t.rows_deleted, t.rows_skipped,
	t.rows_quarantined, t.bytes, t.last_mode, t.last_start, t.last_end, t.watermark, t.last_error, t.last_error_at,
	t.last_valid, t.last_difference, t.last_validated
FROM pythia.sync_state t JOIN pythia.worker w USING (worker_id)
WHERE pg_catalog.pg_has_role(w.owner::oid, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW pythia.stat_sync IS 'counters of every table of every sync worker';
COMMENT ON COLUMN pythia.stat_sync.worker IS 'name of the worker';
COMMENT ON COLUMN pythia.stat_sync."table" IS 'the table, by its name in the source';
COMMENT ON COLUMN pythia.stat_sync.state IS 'new, synced, failed, or interrupted (goes on where it stopped)';
COMMENT ON COLUMN pythia.stat_sync.runs IS 'runs that ended well';
COMMENT ON COLUMN pythia.stat_sync.failures IS 'failed runs since the last good one';
COMMENT ON COLUMN pythia.stat_sync.rows_synced IS 'rows applied or found equal, in all runs';
COMMENT ON COLUMN pythia.stat_sync.rows_inserted IS 'rows inserted, in all runs';
COMMENT ON COLUMN pythia.stat_sync.rows_updated IS 'rows updated, in all runs';
COMMENT ON COLUMN pythia.stat_sync.rows_deleted IS 'rows deleted, in all runs';
COMMENT ON COLUMN pythia.stat_sync.rows_skipped IS 'rows left alone by the conflict rule, in all runs';
COMMENT ON COLUMN pythia.stat_sync.rows_quarantined IS 'rows put into quarantine, in all runs';
COMMENT ON COLUMN pythia.stat_sync.bytes IS 'bytes that travelled, in all runs';
COMMENT ON COLUMN pythia.stat_sync.last_mode IS 'full or incremental';
COMMENT ON COLUMN pythia.stat_sync.last_start IS 'when the last good run began';
COMMENT ON COLUMN pythia.stat_sync.last_end IS 'when the last good run ended';
COMMENT ON COLUMN pythia.stat_sync.watermark IS 'stamp from which the next incremental run reads';
COMMENT ON COLUMN pythia.stat_sync.last_error IS 'why the last run failed; NULL after a good one';
COMMENT ON COLUMN pythia.stat_sync.last_error_at IS 'when it failed';
COMMENT ON COLUMN pythia.stat_sync.last_valid IS 'what the last validation said';
COMMENT ON COLUMN pythia.stat_sync.last_difference IS 'rows that differed in the last validation';
COMMENT ON COLUMN pythia.stat_sync.last_validated IS 'when it was last validated';

CREATE VIEW pythia.stat_progress_sync WITH (security_barrier) AS
SELECT p.pid, w.name AS worker, p.table_name AS "table", p.phase, p.rows AS rows_processed, p.total AS rows_total,
	p.bytes AS bytes_processed, p.started, p.streams
FROM pythia._progress() p LEFT JOIN pythia.worker w USING (worker_id)
WHERE pg_catalog.pg_has_role(p.role, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW pythia.stat_progress_sync IS
	'one row for each sync that runs now in this database; empty where pythia_db was not preloaded';
COMMENT ON COLUMN pythia.stat_progress_sync.pid IS 'process that does it';
COMMENT ON COLUMN pythia.stat_progress_sync.worker IS 'name of the worker; NULL for sync_between';
COMMENT ON COLUMN pythia.stat_progress_sync."table" IS 'the table, by its name in the source';
COMMENT ON COLUMN pythia.stat_progress_sync.phase IS 'what it is doing';
COMMENT ON COLUMN pythia.stat_progress_sync.rows_processed IS 'rows so far';
COMMENT ON COLUMN pythia.stat_progress_sync.rows_total IS 'estimate of all rows; NULL where unknown';
COMMENT ON COLUMN pythia.stat_progress_sync.bytes_processed IS 'bytes so far';
COMMENT ON COLUMN pythia.stat_progress_sync.started IS 'when it began';
COMMENT ON COLUMN pythia.stat_progress_sync.streams IS 'processes that copy it, in parts where there are several';
