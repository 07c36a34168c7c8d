-- A role in a table: its number, so that it may be renamed; its name in a dump, and "-" where it is gone.
-- (regrole would write the bare number there, which in another cluster is somebody else's.)
CREATE TYPE pythia.role;
CREATE FUNCTION pythia._role_in(cstring) RETURNS pythia.role
	LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'pythia_role_in';
COMMENT ON FUNCTION pythia._role_in(cstring) IS 'internal: reads the name of a role';
CREATE FUNCTION pythia._role_out(pythia.role) RETURNS cstring
	LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'pythia_role_out';
COMMENT ON FUNCTION pythia._role_out(pythia.role) IS 'internal: writes the name of a role';
CREATE TYPE pythia.role (INPUT = pythia._role_in, OUTPUT = pythia._role_out, LIKE = pg_catalog.oid);
COMMENT ON TYPE pythia.role IS 'a role, by its name; - for one that is gone';
CREATE CAST (pythia.role AS oid) WITHOUT FUNCTION AS IMPLICIT;
COMMENT ON CAST (pythia.role AS oid) IS 'the number of the role; 0 for one that is gone';
CREATE CAST (oid AS pythia.role) WITHOUT FUNCTION AS ASSIGNMENT;
COMMENT ON CAST (oid AS pythia.role) IS 'the role of that number';
CREATE CAST (regrole AS pythia.role) WITHOUT FUNCTION AS ASSIGNMENT;
COMMENT ON CAST (regrole AS pythia.role) IS 'the same role';

-- Where the workers of this database are at home (see worker/home.h). Not in dumps, so that what is restored has another one.
CREATE TABLE pythia.home (
	place integer PRIMARY KEY DEFAULT 1 CHECK (place = 1),
	token uuid NOT NULL,
	copied_from uuid,
	why text,
	system_identifier text NOT NULL,
	database oid NOT NULL,
	catalog text NOT NULL,
	timeline integer NOT NULL,
	directory text NOT NULL
);
COMMENT ON TABLE pythia.home IS 'one row: by what this database is told from its copies, whose workers are held';
COMMENT ON COLUMN pythia.home.place IS 'there is one';
COMMENT ON COLUMN pythia.home.token IS 'what pythia.worker.home has of workers that may run here';
COMMENT ON COLUMN pythia.home.copied_from IS 'of a copy: the token of the original';
COMMENT ON COLUMN pythia.home.why IS 'by what it was found to be a copy';
COMMENT ON COLUMN pythia.home.system_identifier IS 'the server''s, as in pg_control_system()';
COMMENT ON COLUMN pythia.home.database IS 'number of the database';
COMMENT ON COLUMN pythia.home.catalog IS 'numbers of objects in its catalog, which pg_upgrade makes anew';
COMMENT ON COLUMN pythia.home.timeline IS 'the server''s, which grows when it is promoted or restored';
COMMENT ON COLUMN pythia.home.directory IS 'tells the data directory from its copies';

-- The catalogue of workers.  Launcher and workers read only this table; what
-- a kind of worker needs beside it lives in its own one (cdc_worker, sync_worker).

CREATE TABLE pythia.worker (
	worker_id serial PRIMARY KEY,
	kind text NOT NULL CHECK (kind IN ('cdc', 'sync')),
	name text NOT NULL CHECK (name <> ''),
	-- it makes no dependency: a role may be dropped, and its workers are held
	owner pythia.role NOT NULL DEFAULT CURRENT_USER::regrole,
	owner_name text NOT NULL DEFAULT CURRENT_USER,
	enabled boolean NOT NULL DEFAULT false,
	enabled_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now(),
	home uuid NOT NULL,
	UNIQUE (kind, name)
);
COMMENT ON TABLE pythia.worker IS 'every CDC and sync worker of this database';
COMMENT ON COLUMN pythia.worker.worker_id IS 'number by which other tables refer to it';
COMMENT ON COLUMN pythia.worker.kind IS 'cdc or sync';
COMMENT ON COLUMN pythia.worker.name IS 'unique among the workers of its kind';
COMMENT ON COLUMN pythia.worker.owner IS 'the role that created it, as which it runs; - where that is gone';
COMMENT ON COLUMN pythia.worker.owner_name IS 'name of that role, for people: also when it is gone';
COMMENT ON COLUMN pythia.worker.enabled IS 'whether a background worker shall run it';
COMMENT ON COLUMN pythia.worker.enabled_at IS 'since when it shall run; kept while it is held; NULL while it shall not';
COMMENT ON COLUMN pythia.worker.created_at IS 'when it was created';
COMMENT ON COLUMN pythia.worker.home IS 'token of the database where it may run, see pythia.home';
CREATE INDEX worker_owner ON pythia.worker (owner, worker_id) WHERE enabled;
COMMENT ON INDEX pythia.worker_owner IS 'finds those that shall run, of each role';
CREATE INDEX worker_any_owner ON pythia.worker (owner);
COMMENT ON INDEX pythia.worker_any_owner IS 'finds roles that are gone';
SELECT pg_catalog.pg_extension_config_dump('pythia.worker', '');
SELECT pg_catalog.pg_extension_config_dump('pythia.worker_worker_id_seq', '');
COMMENT ON SEQUENCE pythia.worker_worker_id_seq IS 'numbers of pythia.worker';

-- Written when a worker starts, fails, recovers or stops, never by an idle turn.
CREATE TABLE pythia.worker_state (
	worker_id integer PRIMARY KEY REFERENCES pythia.worker ON DELETE CASCADE,
	started_at timestamptz,
	stopped_at timestamptz,
	failures integer NOT NULL DEFAULT 0,
	last_error text,
	last_error_sqlstate text,
	last_error_at timestamptz,
	retry_at timestamptz
) WITH (fillfactor = 50);
COMMENT ON TABLE pythia.worker_state IS 'how the background worker of each worker is doing';
COMMENT ON COLUMN pythia.worker_state.worker_id IS 'the worker';
COMMENT ON COLUMN pythia.worker_state.started_at IS 'when its process last started';
COMMENT ON COLUMN pythia.worker_state.stopped_at IS 'when its process last ended of its own accord';
COMMENT ON COLUMN pythia.worker_state.failures IS 'failures in a row; 0 once a turn went well';
COMMENT ON COLUMN pythia.worker_state.last_error IS 'the last failure, without secrets';
COMMENT ON COLUMN pythia.worker_state.last_error_sqlstate IS 'SQLSTATE of the last failure';
COMMENT ON COLUMN pythia.worker_state.last_error_at IS 'when it last failed';
COMMENT ON COLUMN pythia.worker_state.retry_at IS 'when it will try again, while it waits for that';

CREATE FUNCTION pythia._set_worker_enabled(kind text, name text, enabled boolean) RETURNS void
	LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'pythia_set_worker_enabled';
COMMENT ON FUNCTION pythia._set_worker_enabled(text, text, boolean) IS
	'internal: lets the background worker of a worker run, or stops it, when the transaction commits';

CREATE FUNCTION pythia._held(role oid, kind text) RETURNS text
	LANGUAGE C STABLE STRICT AS 'MODULE_PATHNAME', 'pythia_hold_reason';
COMMENT ON FUNCTION pythia._held(oid, text) IS 'internal: why workers of a role do not run; NULL where they may';

CREATE FUNCTION pythia._copied(home uuid, name text) RETURNS text
	LANGUAGE C STABLE STRICT AS 'MODULE_PATHNAME', 'pythia_copy_reason';
COMMENT ON FUNCTION pythia._copied(uuid, text) IS 'internal: why a worker of that home does not run in this database; NULL where it may';

CREATE FUNCTION pythia._ensure_home() RETURNS void
	LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'pythia_ensure_home';
COMMENT ON FUNCTION pythia._ensure_home() IS 'internal: notes where this database is; where it is a copy, its workers are held';

CREATE FUNCTION pythia.release_worker(name text, owner regrole DEFAULT NULL) RETURNS void
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_release_worker';
COMMENT ON FUNCTION pythia.release_worker(text, regrole) IS
	'lets a worker that is held run: here, where its database is a copy; for another owner, where its own is gone (for superusers); with connections that belong to other roles by now';
