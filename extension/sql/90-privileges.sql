-- PUBLIC gets nothing; grant_use gives a role all that is meant for users.

ALTER TABLE pythia.quarantine ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON pythia.quarantine USING (pg_catalog.pg_has_role(owner::oid, 'USAGE'));
COMMENT ON POLICY own_rows ON pythia.quarantine IS 'each role sees the rows of its own syncs';

CREATE FUNCTION pythia.grant_use(role regrole) RETURNS void
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	f regprocedure;
	v regclass;
BEGIN
	IF role IS NULL THEN
		RAISE EXCEPTION 'argument "role" of pythia.grant_use must not be null'
			USING ERRCODE = 'null_value_not_allowed', HINT = 'Give a value: NULL does nothing here.';
	END IF;
	EXECUTE format('GRANT USAGE ON SCHEMA pythia TO %s', role);
	EXECUTE format('GRANT USAGE ON FOREIGN DATA WRAPPER pythia_db TO %s', role);
	-- no more than SELECT: with DELETE goes LOCK TABLE, and everybody's workers write there
	EXECUTE format('GRANT SELECT ON pythia.quarantine, pythia.failed_change, pythia.handler_result TO %s', role);
	FOR v IN SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'pythia'::regnamespace AND c.relkind = 'v' LOOP
		EXECUTE format('GRANT SELECT ON %s TO %s', v, role);
	END LOOP;
	FOR f IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'pythia'::regnamespace
				AND p.proname NOT IN ('grant_use', 'revoke_use', '_ensure_home', '_capture', '_rotate_journal') LOOP
		EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', f, role);
	END LOOP;
END $$;
COMMENT ON FUNCTION pythia.grant_use(regrole) IS
	'lets a role use pythia_db: its functions and views, for connections and workers of its own; workers that were held run again';

CREATE FUNCTION pythia.revoke_use(role regrole) RETURNS void
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	timeout_before text := current_setting('lock_timeout');
	known text;
	why text;
BEGIN
	IF role IS NULL THEN
		RAISE EXCEPTION 'argument "role" of pythia.revoke_use must not be null'
			USING ERRCODE = 'null_value_not_allowed', HINT = 'Give a value: NULL does nothing here.';
	END IF;
	EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA pythia FROM %s', role);
	EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA pythia FROM %s', role);
	EXECUTE format('REVOKE ALL ON FOREIGN DATA WRAPPER pythia_db FROM %s', role);
	EXECUTE format('REVOKE ALL ON SCHEMA pythia FROM %s', role);
	-- whoever drops a worker has what is known of its tables, until his transaction ends: the role loses the rest without it
	PERFORM set_config('lock_timeout', '2s', true);
	FOR known IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'pythia_tracked'::regnamespace
				AND EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.grantee = role::oid) LOOP
		BEGIN
			EXECUTE format('REVOKE ALL ON pythia_tracked.%I FROM %s', known, role);
		EXCEPTION WHEN lock_not_available OR undefined_table OR internal_error THEN
			why := COALESCE(why, known);
			PERFORM set_config('lock_timeout', '1ms', true);
		END;
	END LOOP;
	PERFORM set_config('lock_timeout', timeout_before, true);
	IF why IS NOT NULL THEN
		RAISE WARNING 'role % may still read what is known of tables whose worker is dropped in another session just now', role
			USING DETAIL = format('The first is pythia_tracked.%I.', why), HINT = 'Call pythia.revoke_use again when that session has ended its transaction.';
	END IF;
END $$;
COMMENT ON FUNCTION pythia.revoke_use(regrole) IS 'takes back what grant_use gave; the role''s workers end, and are held';

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA pythia FROM PUBLIC;

-- Nobody has anything else, whatever ALTER DEFAULT PRIVILEGES says: tables hold everybody's changes.
DO $$
DECLARE
	r record;
BEGIN
	FOR r IN
		SELECT DISTINCT o.kind, o.name, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee FROM (
			SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, c.oid::regclass::text AS name, c.relowner AS owner,
				c.relacl AS acl FROM pg_catalog.pg_class c WHERE c.relnamespace = 'pythia'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S')
			UNION ALL SELECT 'FUNCTION', p.oid::regprocedure::text, p.proowner, p.proacl FROM pg_catalog.pg_proc p
				WHERE p.pronamespace = 'pythia'::regnamespace
			UNION ALL SELECT 'SCHEMA', n.oid::regnamespace::text, n.nspowner, n.nspacl FROM pg_catalog.pg_namespace n
				WHERE n.nspname IN ('pythia', 'pythia_tracked')) o,
			LATERAL pg_catalog.aclexplode(o.acl) a
		WHERE a.grantee <> o.owner
	LOOP
		EXECUTE format('REVOKE ALL ON %s %s FROM %s', r.kind, r.name, r.grantee);
	END LOOP;
END $$;
GRANT USAGE ON SCHEMA pythia_tracked TO PUBLIC;
-- A partition gets its trigger from whoever makes it.  The function does nothing in a trigger that we did not make.
GRANT EXECUTE ON FUNCTION pythia._capture() TO PUBLIC;

-- A publication of all tables takes these along, and then refuses changes of what has no key.
DO $$
DECLARE
	name regclass;
BEGIN
	FOR name IN
		SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relnamespace = 'pythia'::regnamespace AND c.relkind IN ('r', 'p')
			AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
	LOOP
		EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', name);
	END LOOP;
END $$;

-- Who may monitor the server sees what the workers do, and nothing else.
GRANT USAGE ON SCHEMA pythia TO pg_monitor;
GRANT SELECT ON pythia.worker_status, pythia.stat_cdc, pythia.stat_consumer, pythia.stat_journal, pythia.stat_sync,
	pythia.stat_progress_sync TO pg_monitor;
GRANT EXECUTE ON FUNCTION pythia._held(oid, text), pythia._copied(uuid, text), pythia._process(integer), pythia._next_turn(integer),
	pythia._progress(), pythia._boundary(), pythia._last_poll(integer), pythia._low_text(text, bigint), pythia._longest_retention() TO pg_monitor;

DO $$ BEGIN PERFORM pythia._ensure_home(); END $$;
