-- What the workers are doing.  Everybody sees the workers whose owner's
-- privileges they have, and who may monitor the server sees all.  Behind a barrier:
-- else a cheap function in a query's condition would be shown the rows before we look whose they are.

CREATE FUNCTION pythia._progress(OUT pid integer, OUT role oid, OUT worker_id integer, OUT table_name text, OUT phase text,
	OUT rows bigint, OUT total bigint, OUT bytes bigint, OUT started timestamptz, OUT streams integer) RETURNS SETOF record
	LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'pythia_progress';
COMMENT ON FUNCTION pythia._progress() IS 'internal: the running syncs of this database, from shared memory';

CREATE FUNCTION pythia._process(worker_id integer) RETURNS integer
	LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'pythia_process_of';
COMMENT ON FUNCTION pythia._process(integer) IS 'internal: the background process that serves a worker; NULL where none does';
CREATE FUNCTION pythia._next_turn(worker_id integer) RETURNS timestamptz
	LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'pythia_next_turn_of';
COMMENT ON FUNCTION pythia._next_turn(integer) IS 'internal: when a worker wants its next turn; NULL while it has one, and where it is not known';

CREATE VIEW pythia.worker_status WITH (security_barrier) AS
SELECT w.kind, w.name, w.owner::oid::regrole AS owner, w.enabled,
	CASE
		WHEN h.reason IS NOT NULL THEN 'held'
		WHEN (l.pid IS NOT NULL OR n.next_turn IS NOT NULL) AND s.failures > 0 AND s.retry_at IS NOT NULL THEN 'retrying'
		WHEN l.pid IS NOT NULL THEN 'running'
		WHEN w.enabled AND s.last_error_at > s.started_at THEN 'failed'
		WHEN w.enabled AND n.next_turn > clock_timestamp() THEN 'idle'
		WHEN w.enabled THEN 'starting'
		ELSE 'stopped'
	END AS state,
	l.pid, s.started_at, s.stopped_at, coalesce(s.failures, 0) AS failures,
	CASE WHEN h.reason IS NOT NULL THEN h.reason WHEN f.shown THEN f.message ELSE s.last_error END AS last_error,
	CASE WHEN f.shown THEN f.sqlstate ELSE s.last_error_sqlstate END AS last_error_sqlstate,
	CASE WHEN f.shown THEN f.last_failed_at ELSE s.last_error_at END AS last_error_at, s.retry_at,
	n.next_turn
FROM pythia.worker w
LEFT JOIN pythia.worker_state s USING (worker_id)
CROSS JOIN LATERAL (SELECT pythia._process(w.worker_id) AS pid) l
CROSS JOIN LATERAL (SELECT CASE WHEN w.enabled THEN pythia._next_turn(w.worker_id) END AS next_turn) n
-- of the changes that its handler could not handle the oldest, unless it is the worker itself that fails
LEFT JOIN LATERAL (SELECT COALESCE(s.failures, 0) = 0 AS shown, c.sqlstate, c.last_failed_at,
		format('its handler failed on change %s, %s time(s): %s', c.change_id, c.attempts, c.message) AS message
	FROM pythia.failed_change c WHERE c.worker_id = w.worker_id AND c.message IS NOT NULL ORDER BY c.change_id LIMIT 1) f ON true
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
COMMENT ON COLUMN pythia.worker_status.state IS 'stopped, starting (waits for a process), running, idle (waits for its next turn, without a process), retrying (waits after a failure), failed (has no process) or held (may not run: last_error says why)';
COMMENT ON COLUMN pythia.worker_status.pid IS 'the background process that serves it, with others of its owner';
COMMENT ON COLUMN pythia.worker_status.started_at IS 'when it last began to run';
COMMENT ON COLUMN pythia.worker_status.stopped_at IS 'when it last ended of its own accord';
COMMENT ON COLUMN pythia.worker_status.failures IS 'failures in a row';
COMMENT ON COLUMN pythia.worker_status.last_error IS 'why it is held, what its handler fails at, or the last failure';
COMMENT ON COLUMN pythia.worker_status.last_error_sqlstate IS 'SQLSTATE of the last failure';
COMMENT ON COLUMN pythia.worker_status.last_error_at IS 'when it last failed';
COMMENT ON COLUMN pythia.worker_status.retry_at IS 'when it tries again';
COMMENT ON COLUMN pythia.worker_status.next_turn IS 'when it wants its next turn; NULL while it has one, and where that is not known';

CREATE VIEW pythia.stat_sync WITH (security_barrier) AS
SELECT w.name AS worker, t.table_name AS "table",
	CASE WHEN EXISTS (SELECT FROM pythia._progress() p WHERE p.worker_id = t.worker_id AND p.table_name = t.table_name) THEN 'running'
		 -- without shared memory: what a process of the worker's has begun, and nothing has gone wrong with
		 WHEN t.checkpoint IS NOT NULL AND t.last_error IS NULL AND pythia._process(t.worker_id) IS NOT NULL THEN 'running'
		 WHEN t.live IN ('live', 'aside') THEN t.live
		 WHEN t.checkpoint IS NOT NULL THEN 'interrupted' WHEN t.last_error IS NOT NULL THEN 'failed'
		 WHEN t.runs > 0 THEN 'synced' ELSE 'new' END AS state,
	t.runs, t.failures, t.rows_synced, t.rows_inserted, t.rows_updated, t.rows_deleted, t.rows_skipped,
	t.rows_quarantined, t.bytes, t.last_mode, t.last_start, t.last_end, t.watermark, t.last_error, t.last_error_at,
	t.last_valid, t.last_difference, t.last_validated,
	-- it is told at least each five seconds; when nobody tells any more the lag grows
	CASE WHEN t.live = 'live' THEN l.lag_seconds
		+ greatest(0, extract(epoch FROM clock_timestamp() - l.seen_at)::float8 - 6) END AS lag_seconds,
	CASE WHEN t.live = 'live' THEN l.lag_changes END AS lag_changes,
	CASE WHEN t.live = 'live' THEN l.applied_until END AS applied_until
FROM pythia.sync_state t JOIN pythia.worker w USING (worker_id) LEFT JOIN pythia.live_state l USING (worker_id)
WHERE pg_catalog.pg_has_role(w.owner::oid, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW pythia.stat_sync IS 'counters of every table of every sync worker';
COMMENT ON COLUMN pythia.stat_sync.worker IS 'name of the worker';
COMMENT ON COLUMN pythia.stat_sync."table" IS 'the table, by its name in the source';
COMMENT ON COLUMN pythia.stat_sync.state IS 'new, running, synced, failed, or interrupted (goes on where it stopped); of a live worker also live, or aside (not followed for now: last_error says why)';
COMMENT ON COLUMN pythia.stat_sync.runs IS 'runs that ended well';
COMMENT ON COLUMN pythia.stat_sync.failures IS 'failed runs since the last good one';
COMMENT ON COLUMN pythia.stat_sync.rows_synced IS 'rows applied or found equal, in all runs';
COMMENT ON COLUMN pythia.stat_sync.rows_inserted IS 'rows inserted, in all runs';
COMMENT ON COLUMN pythia.stat_sync.rows_updated IS 'rows updated, in all runs';
COMMENT ON COLUMN pythia.stat_sync.rows_deleted IS 'rows deleted, in all runs';
COMMENT ON COLUMN pythia.stat_sync.rows_skipped IS 'rows left alone by the conflict rule, in all runs';
COMMENT ON COLUMN pythia.stat_sync.rows_quarantined IS 'rows put into quarantine, in all runs';
COMMENT ON COLUMN pythia.stat_sync.bytes IS 'bytes that travelled, in all runs';
COMMENT ON COLUMN pythia.stat_sync.last_mode IS 'full, incremental or live';
COMMENT ON COLUMN pythia.stat_sync.last_start IS 'when the last good run began';
COMMENT ON COLUMN pythia.stat_sync.last_end IS 'when the last good run ended';
COMMENT ON COLUMN pythia.stat_sync.watermark IS 'stamp from which the next incremental run reads';
COMMENT ON COLUMN pythia.stat_sync.last_error IS 'why the last run failed; NULL after a good one';
COMMENT ON COLUMN pythia.stat_sync.last_error_at IS 'when it failed';
COMMENT ON COLUMN pythia.stat_sync.last_valid IS 'what the last validation said';
COMMENT ON COLUMN pythia.stat_sync.last_difference IS 'rows that differed in the last validation';
COMMENT ON COLUMN pythia.stat_sync.last_validated IS 'when it was last validated';
COMMENT ON COLUMN pythia.stat_sync.lag_seconds IS 'of a live worker: how far its target is behind; it grows while nobody follows';
COMMENT ON COLUMN pythia.stat_sync.lag_changes IS 'of a live worker: logged changes of all its tables that waited when it was last seen';
COMMENT ON COLUMN pythia.stat_sync.applied_until IS 'of a live worker: the target has what the source had committed before this, by the source''s clock';

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
