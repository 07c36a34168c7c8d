-- Capture: workers, their tables, the journal and those who read it.
-- (state that only means something in this cluster is left out of dumps.)

CREATE TABLE pythia.cdc_worker (
	worker_id integer PRIMARY KEY REFERENCES pythia.worker ON DELETE CASCADE,
	tables text[] NOT NULL,
	connection text,
	connection_owner pythia.role,
	poll_interval interval NOT NULL CHECK (poll_interval > '0'),
	timestamp_column text NOT NULL,
	handler text,
	handler_owner pythia.role,
	options jsonb NOT NULL,
	retention double precision,
	created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE pythia.cdc_worker IS 'settings of the CDC workers, as create_cdc_worker was told';
COMMENT ON COLUMN pythia.cdc_worker.worker_id IS 'the worker';
COMMENT ON COLUMN pythia.cdc_worker.tables IS 'names and patterns of its tables, as written';
COMMENT ON COLUMN pythia.cdc_worker.connection IS 'NULL: this database; else a connection''s name or a URL';
COMMENT ON COLUMN pythia.cdc_worker.connection_owner IS 'role that the connection belonged to when it was named: another one''s is not used';
COMMENT ON COLUMN pythia.cdc_worker.poll_interval IS 'time between two polls of the background worker';
COMMENT ON COLUMN pythia.cdc_worker.timestamp_column IS 'column that tells when a row changed';
COMMENT ON COLUMN pythia.cdc_worker.handler IS 'function(pythia.database_change) that the background worker calls, or NULL';
COMMENT ON COLUMN pythia.cdc_worker.handler_owner IS 'role that function belonged to when it was named: another one''s is not called';
COMMENT ON COLUMN pythia.cdc_worker.options IS 'options, as given';
COMMENT ON COLUMN pythia.cdc_worker.retention IS 'seconds that its read changes are kept, as its options say; NULL: as the server does';
COMMENT ON COLUMN pythia.cdc_worker.created_at IS 'when it was created';
SELECT pg_catalog.pg_extension_config_dump('pythia.cdc_worker', '');

CREATE TABLE pythia.cdc_table (
	table_id serial PRIMARY KEY,
	worker_id integer NOT NULL REFERENCES pythia.cdc_worker ON DELETE CASCADE,
	name text NOT NULL,
	relation text,
	schema_name text NOT NULL,
	table_name text NOT NULL,
	table_owner pythia.role,
	timestamp_column text NOT NULL,
	stamp_kind text NOT NULL CHECK (stamp_kind IN ('timestamptz', 'timestamp', 'date', 'integer', 'none')),
	key_columns text[] NOT NULL,
	condition text,
	time_zone text,
	versions text NOT NULL DEFAULT 'xmin' CHECK (versions IN ('xmin', 'hash', 'foreign')),
	UNIQUE (worker_id, schema_name, table_name)
);
COMMENT ON TABLE pythia.cdc_table IS 'the tables of each CDC worker';
COMMENT ON COLUMN pythia.cdc_table.table_id IS 'number by which state and journal refer to it';
COMMENT ON COLUMN pythia.cdc_table.worker_id IS 'the worker';
COMMENT ON COLUMN pythia.cdc_table.name IS 'name by which options may speak of it';
COMMENT ON COLUMN pythia.cdc_table.relation IS 'quoted name of a table of this database, or NULL';
COMMENT ON COLUMN pythia.cdc_table.schema_name IS 'its schema (database in MySQL)';
COMMENT ON COLUMN pythia.cdc_table.table_name IS 'its name';
COMMENT ON COLUMN pythia.cdc_table.table_owner IS 'role it belonged to when its capture was set up: another one''s table is not read; NULL of another database';
COMMENT ON COLUMN pythia.cdc_table.timestamp_column IS 'column that tells when a row changed';
COMMENT ON COLUMN pythia.cdc_table.stamp_kind IS 'what that column holds';
COMMENT ON COLUMN pythia.cdc_table.key_columns IS 'columns that identify a row';
COMMENT ON COLUMN pythia.cdc_table.condition IS 'only rows that fulfil it are captured';
COMMENT ON COLUMN pythia.cdc_table.versions IS 'how versions of a row are told apart: by transaction, or (views, and foreign tables) by a hash';
COMMENT ON COLUMN pythia.cdc_table.time_zone IS 'zone in which stamps without one are read';
SELECT pg_catalog.pg_extension_config_dump('pythia.cdc_table', '');
SELECT pg_catalog.pg_extension_config_dump('pythia.cdc_table_table_id_seq', '');
COMMENT ON SEQUENCE pythia.cdc_table_table_id_seq IS 'numbers of pythia.cdc_table';

-- One row a table, updated in place by polls that found something.
CREATE TABLE pythia.cdc_state (
	table_id integer PRIMARY KEY REFERENCES pythia.cdc_table ON DELETE CASCADE,
	active boolean NOT NULL DEFAULT true,
	reason text,
	low bigint,
	clock_base timestamptz,
	seen_until pg_snapshot,
	history_at timestamptz[] NOT NULL DEFAULT '{}',
	history_value bigint[] NOT NULL DEFAULT '{}',
	captured bigint NOT NULL DEFAULT 0,
	null_stamps bigint NOT NULL DEFAULT 0,
	low_at timestamptz,
	polled_at timestamptz,
	swept_at timestamptz,
	journal_floor bigint NOT NULL DEFAULT 0,
	remote_low text,
	remote_mark text,
	remote_mark_time bigint NOT NULL DEFAULT 0,
	round bigint NOT NULL DEFAULT 0,
	started boolean NOT NULL DEFAULT true,
	start_as text CHECK (start_as IN ('now', 'beginning')),
	log_name text,
	log_columns text,
	key_form text,
	relid oid,
	stamp_attnum smallint
) WITH (fillfactor = 40);
COMMENT ON TABLE pythia.cdc_state IS 'how far the capture of each table has come';
COMMENT ON COLUMN pythia.cdc_state.table_id IS 'the table';
COMMENT ON COLUMN pythia.cdc_state.active IS 'false: capture of this table stopped';
COMMENT ON COLUMN pythia.cdc_state.reason IS 'why it stopped, or its last failure';
COMMENT ON COLUMN pythia.cdc_state.low IS 'every row stamped before it has been seen: microseconds or days since 2000, or a number';
COMMENT ON COLUMN pythia.cdc_state.clock_base IS 'start of the machine by its clock when low was written: where it goes back, the clock was set back';
COMMENT ON COLUMN pythia.cdc_state.seen_until IS 'what was visible in it and stamped at or after low has been captured';
COMMENT ON COLUMN pythia.cdc_state.history_at IS 'for a column of numbers: times, oldest first';
COMMENT ON COLUMN pythia.cdc_state.history_value IS 'for a column of numbers: greatest number visible at each of those times';
COMMENT ON COLUMN pythia.cdc_state.captured IS 'changes captured so far';
COMMENT ON COLUMN pythia.cdc_state.null_stamps IS 'rows without a stamp or key, which polling cannot see, when last counted';
COMMENT ON COLUMN pythia.cdc_state.low_at IS 'the instant low stands for';
COMMENT ON COLUMN pythia.cdc_state.polled_at IS 'last poll that wrote something down';
COMMENT ON COLUMN pythia.cdc_state.swept_at IS 'last sweep for deletes';
COMMENT ON COLUMN pythia.cdc_state.journal_floor IS 'every entry of the worker has a greater number';
COMMENT ON COLUMN pythia.cdc_state.remote_low IS 'low of a table in another database, in its own text';
COMMENT ON COLUMN pythia.cdc_state.remote_mark IS 'for a column of numbers there: greatest one seen at remote_mark_time';
COMMENT ON COLUMN pythia.cdc_state.remote_mark_time IS 'microseconds since 1970 by its clock';
COMMENT ON COLUMN pythia.cdc_state.round IS 'grows with each poll of another database that wrote something down';
COMMENT ON COLUMN pythia.cdc_state.started IS 'false: the next poll of that database starts this table';
COMMENT ON COLUMN pythia.cdc_state.start_as IS 'where it then starts, whatever start_from says; of one that has started: its triggers are made anew where they are gone';
COMMENT ON COLUMN pythia.cdc_state.log_name IS 'table over there that triggers write to';
COMMENT ON COLUMN pythia.cdc_state.log_columns IS 'what its columns hold, a number and a name a line';
COMMENT ON COLUMN pythia.cdc_state.relid IS 'the table, of this database: followed where it gets another name';
COMMENT ON COLUMN pythia.cdc_state.stamp_attnum IS 'number of its timestamp column, likewise';
COMMENT ON COLUMN pythia.cdc_state.key_form IS 'of a table elsewhere: names and types of the key by which its rows are known';

-- What the last polls of another database saw there; written where it changes.
CREATE TABLE pythia.cdc_source (
	worker_id integer PRIMARY KEY REFERENCES pythia.cdc_worker ON DELETE CASCADE,
	held_by bigint,
	held_why text,
	held_since timestamptz
) WITH (fillfactor = 40);
COMMENT ON TABLE pythia.cdc_source IS 'what holds low back in the databases of workers with a connection';
COMMENT ON COLUMN pythia.cdc_source.worker_id IS 'the worker';
COMMENT ON COLUMN pythia.cdc_source.held_by IS 'number of the connection or process there that holds low back, or NULL';
COMMENT ON COLUMN pythia.cdc_source.held_why IS 'what holds it back; NULL where nothing does';
COMMENT ON COLUMN pythia.cdc_source.held_since IS 'where it is held, by the clock here; NULL where that is not known';

-- Rows known of tables in other databases: all of them, or without tracking those that may be read again.
CREATE TABLE pythia.remote_row (
	table_id integer NOT NULL REFERENCES pythia.cdc_table ON DELETE CASCADE,
	key text COLLATE "C" NOT NULL,
	version text,
	image jsonb
) WITH (fillfactor = 70);
-- Of keys as long as other engines have them, which no index takes.  No two rows of a table have one key.
CREATE INDEX remote_row_key ON pythia.remote_row (table_id, pg_catalog.hashtextextended(key, 0));
COMMENT ON TABLE pythia.remote_row IS 'rows known of captured tables in other databases';
COMMENT ON COLUMN pythia.remote_row.table_id IS 'the table';
COMMENT ON COLUMN pythia.remote_row.key IS 'key columns and their values, as JSON text';
COMMENT ON COLUMN pythia.remote_row.version IS 'tells the version captured last from others';
COMMENT ON COLUMN pythia.remote_row.image IS 'the row as captured last, with track: rows';

-- What triggers in another database logged, was delivered here and may still be in their log: deleted there
-- only after the transaction that delivered it has committed, forgotten here only after that.
CREATE TABLE pythia.remote_told (
	table_id integer NOT NULL REFERENCES pythia.cdc_table ON DELETE CASCADE,
	xid xid8 NOT NULL,
	numbers bigint[] NOT NULL
);
CREATE INDEX ON pythia.remote_told (table_id);
COMMENT ON TABLE pythia.remote_told IS 'rows of trigger logs in other databases that were delivered and are to be deleted there';
COMMENT ON COLUMN pythia.remote_told.table_id IS 'the table';
COMMENT ON COLUMN pythia.remote_told.xid IS 'transaction that delivered them';
COMMENT ON COLUMN pythia.remote_told.numbers IS 'their numbers in the log';

-- Transactions whose rows were captured although they are younger than the oldest
-- transaction open at that poll: everything older is told by the snapshot alone.
CREATE TABLE pythia.seen (
	table_id integer NOT NULL REFERENCES pythia.cdc_table ON DELETE CASCADE,
	xid xid8 NOT NULL,
	PRIMARY KEY (table_id, xid)
);
COMMENT ON TABLE pythia.seen IS 'young transactions whose rows have been captured';
COMMENT ON COLUMN pythia.seen.table_id IS 'the table';
COMMENT ON COLUMN pythia.seen.xid IS 'transaction or subtransaction';

-- The journal: append-only, three children that take turns. Keys of its indexes only grow,
-- so that new entries go to the last page without a search.
CREATE SEQUENCE pythia.journal_change_id_seq CACHE 1;
COMMENT ON SEQUENCE pythia.journal_change_id_seq IS 'numbers of the journal';
CREATE TABLE pythia.journal (
	change_id bigint NOT NULL,
	xid xid8 NOT NULL,
	worker_id integer NOT NULL,
	table_id integer NOT NULL,
	captured_at timestamptz NOT NULL,
	stamp timestamptz,
	source_xid xid8,
	change_type "char" NOT NULL,
	first boolean NOT NULL,
	primary_key jsonb,
	old_data jsonb,
	new_data jsonb
);
COMMENT ON TABLE pythia.journal IS 'captured changes, until everybody has read them; read it with pythia.consume_changes';
COMMENT ON COLUMN pythia.journal.change_id IS 'order of capture; of one key always the order of its changes';
COMMENT ON COLUMN pythia.journal.xid IS 'transaction that wrote this entry';
COMMENT ON COLUMN pythia.journal.worker_id IS 'whose change it is';
COMMENT ON COLUMN pythia.journal.table_id IS 'row of pythia.cdc_table';
COMMENT ON COLUMN pythia.journal.captured_at IS 'when it was written';
COMMENT ON COLUMN pythia.journal.stamp IS 'the row''s own stamp';
COMMENT ON COLUMN pythia.journal.source_xid IS 'transaction that changed the row, where known';
COMMENT ON COLUMN pythia.journal.change_type IS 'I, U, D or T';
COMMENT ON COLUMN pythia.journal.first IS 'begins a run of entries written together: the others of its worker in it have greater numbers';
COMMENT ON COLUMN pythia.journal.primary_key IS 'key columns and their values';
COMMENT ON COLUMN pythia.journal.old_data IS 'the row before';
COMMENT ON COLUMN pythia.journal.new_data IS 'the row after';
CREATE INDEX journal_order ON pythia.journal (change_id);
DO $$
BEGIN
	FOR i IN 0..2 LOOP
		EXECUTE format('CREATE TABLE pythia.journal_%s () INHERITS (pythia.journal)', i);
		EXECUTE format('COMMENT ON TABLE pythia.journal_%s IS %L', i, 'one of three parts of the journal that take turns');
		EXECUTE format('CREATE INDEX journal_%s_order ON pythia.journal_%1$s (change_id)', i);
		EXECUTE format('CREATE INDEX journal_%s_xid ON pythia.journal_%1$s (xid) WHERE first', i);
		EXECUTE format('COMMENT ON INDEX pythia.journal_%s_order IS %L', i, 'the order in which consumers read');
		EXECUTE format('COMMENT ON INDEX pythia.journal_%s_xid IS %L', i, 'finds where the entries of transactions begin that were slow to commit');
	END LOOP;
END $$;
COMMENT ON INDEX pythia.journal_order IS 'the order in which consumers read';

CREATE TABLE pythia.journal_state (
	slot integer NOT NULL CHECK (slot BETWEEN 0 AND 2),
	since timestamptz NOT NULL DEFAULT now(),
	counted bigint NOT NULL DEFAULT 0,
	counting bigint NOT NULL DEFAULT 0,
	counting_horizon xid8 NOT NULL DEFAULT '1'
) WITH (fillfactor = 20);
COMMENT ON TABLE pythia.journal_state IS 'which part of the journal is being written';
COMMENT ON COLUMN pythia.journal_state.slot IS 'number of that part';
COMMENT ON COLUMN pythia.journal_state.since IS 'since when';
COMMENT ON COLUMN pythia.journal_state.counted IS 'entries up to this number are in pythia.journal_count';
COMMENT ON COLUMN pythia.journal_state.counting IS 'entries up to this number are counted next, once every transaction before counting_horizon has ended';
COMMENT ON COLUMN pythia.journal_state.counting_horizon IS 'see counting: later transactions have greater numbers';
INSERT INTO pythia.journal_state VALUES (0);

-- Triggers cannot count without standing in each other's way: background workers do it behind them.
CREATE TABLE pythia.journal_count (
	table_id integer PRIMARY KEY,
	captured bigint NOT NULL
) WITH (fillfactor = 40);
COMMENT ON TABLE pythia.journal_count IS 'changes captured by triggers of this database, up to journal_state.counted';
COMMENT ON COLUMN pythia.journal_count.table_id IS 'the table';
COMMENT ON COLUMN pythia.journal_count.captured IS 'how many';

-- A consumer's position is a snapshot, not a number (see the manual, "How capture works").
CREATE TABLE pythia.consumer (
	worker_id integer NOT NULL REFERENCES pythia.cdc_worker ON DELETE CASCADE,
	name text NOT NULL CHECK (name <> ''),
	lost boolean NOT NULL DEFAULT false,
	done pg_snapshot NOT NULL,
	done_own xid8,
	done_upto bigint NOT NULL DEFAULT 0,
	done_floor bigint NOT NULL DEFAULT 0,
	done_horizon xid8 NOT NULL DEFAULT '1',
	reading pg_snapshot,
	reading_own xid8,
	reading_upto bigint NOT NULL DEFAULT 0,
	reading_floor bigint NOT NULL DEFAULT 0,
	reading_horizon xid8 NOT NULL DEFAULT '1',
	reading_ceiling bigint NOT NULL DEFAULT 0,
	position bigint NOT NULL DEFAULT 0,
	segment xid8,
	consumed bigint NOT NULL DEFAULT 0,
	calling bigint,
	tables integer[] NOT NULL DEFAULT '{}',
	consumed_of bigint[] NOT NULL DEFAULT '{}',
	consumed_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (worker_id, name)
) WITH (fillfactor = 40);
COMMENT ON TABLE pythia.consumer IS 'who reads a worker''s changes, and how far each has come';
COMMENT ON COLUMN pythia.consumer.worker_id IS 'the worker';
COMMENT ON COLUMN pythia.consumer.name IS 'the consumer';
COMMENT ON COLUMN pythia.consumer.lost IS 'it fell so far behind that changes were dropped; seek makes it whole';
COMMENT ON COLUMN pythia.consumer.done IS 'everything visible in it has been consumed';
COMMENT ON COLUMN pythia.consumer.done_own IS 'the consuming transaction itself, whose entries up to done_upto have been consumed';
COMMENT ON COLUMN pythia.consumer.done_upto IS 'see done_own';
COMMENT ON COLUMN pythia.consumer.done_floor IS 'last number drawn before done: transactions from done_horizon on have greater ones';
COMMENT ON COLUMN pythia.consumer.done_horizon IS 'next transaction id, read after done_floor';
COMMENT ON COLUMN pythia.consumer.reading IS 'everything visible in it and not in done is being read; NULL between two readings';
COMMENT ON COLUMN pythia.consumer.reading_own IS 'as done_own';
COMMENT ON COLUMN pythia.consumer.reading_upto IS 'as done_upto';
COMMENT ON COLUMN pythia.consumer.reading_floor IS 'as done_floor';
COMMENT ON COLUMN pythia.consumer.reading_horizon IS 'as done_horizon';
COMMENT ON COLUMN pythia.consumer.reading_ceiling IS 'no entry of this reading has a greater number';
COMMENT ON COLUMN pythia.consumer.position IS 'last number handed over in this reading';
COMMENT ON COLUMN pythia.consumer.segment IS 'transaction that divided the next entries of this reading into pythia.handler_share; NULL: it is read alone';
COMMENT ON COLUMN pythia.consumer.consumed IS 'changes handed over so far';
COMMENT ON COLUMN pythia.consumer.calling IS 'of a handler that is being called: number of the change, or 0 for a batch; NULL once it has come back';
COMMENT ON COLUMN pythia.consumer.tables IS 'tables it has been handed changes of';
COMMENT ON COLUMN pythia.consumer.consumed_of IS 'how many of each';
COMMENT ON COLUMN pythia.consumer.consumed_at IS 'when some were last handed over';
COMMENT ON COLUMN pythia.consumer.created_at IS 'when it was created';

-- A handler that several processes run: each change belongs to one share, by its key.
CREATE TABLE pythia.handler_share (
	worker_id integer NOT NULL REFERENCES pythia.cdc_worker ON DELETE CASCADE,
	share integer NOT NULL,
	shares integer NOT NULL,
	segment xid8 NOT NULL,
	position bigint NOT NULL,
	upto bigint NOT NULL,
	calling bigint,
	PRIMARY KEY (worker_id, share)
) WITH (fillfactor = 40);
COMMENT ON TABLE pythia.handler_share IS 'how far the processes of a handler have come with the changes that they share';
COMMENT ON COLUMN pythia.handler_share.worker_id IS 'the worker';
COMMENT ON COLUMN pythia.handler_share.share IS 'number of the share, from 0';
COMMENT ON COLUMN pythia.handler_share.shares IS 'how many there are';
COMMENT ON COLUMN pythia.handler_share.segment IS 'as consumer.segment: the share of another one is void';
COMMENT ON COLUMN pythia.handler_share.position IS 'last number handed over';
COMMENT ON COLUMN pythia.handler_share.upto IS 'last number of the segment';
COMMENT ON COLUMN pythia.handler_share.calling IS 'as consumer.calling';

CREATE TABLE pythia.failed_change (
	worker_id integer NOT NULL REFERENCES pythia.cdc_worker ON DELETE CASCADE,
	change_id bigint NOT NULL,
	table_id integer NOT NULL,
	state text NOT NULL CHECK (state IN ('retry', 'blocked', 'dead')),
	change pythia.database_change NOT NULL,
	attempts integer NOT NULL,
	sqlstate text,
	message text,
	detail text,
	hint text,
	first_failed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	last_failed_at timestamptz,
	retry_at timestamptz,
	owner pythia.role NOT NULL,
	PRIMARY KEY (worker_id, change_id)
);
COMMENT ON TABLE pythia.failed_change IS 'changes that a handler could not handle';
COMMENT ON COLUMN pythia.failed_change.worker_id IS 'the worker';
COMMENT ON COLUMN pythia.failed_change.change_id IS 'number of the change';
COMMENT ON COLUMN pythia.failed_change.table_id IS 'row of pythia.cdc_table';
COMMENT ON COLUMN pythia.failed_change.state IS 'retry: it will be tried again; blocked: it waits for an earlier change; dead: max_attempts was reached';
COMMENT ON COLUMN pythia.failed_change.change IS 'the change itself';
COMMENT ON COLUMN pythia.failed_change.attempts IS 'how often it failed';
COMMENT ON COLUMN pythia.failed_change.sqlstate IS 'SQLSTATE of the last failure';
COMMENT ON COLUMN pythia.failed_change.message IS 'message of the last failure';
COMMENT ON COLUMN pythia.failed_change.detail IS 'its detail';
COMMENT ON COLUMN pythia.failed_change.hint IS 'its hint';
COMMENT ON COLUMN pythia.failed_change.first_failed_at IS 'when it first failed, or began to wait';
COMMENT ON COLUMN pythia.failed_change.last_failed_at IS 'when it last failed';
COMMENT ON COLUMN pythia.failed_change.retry_at IS 'when it will be tried again';
COMMENT ON COLUMN pythia.failed_change.owner IS 'role of the worker';
CREATE INDEX failed_change_owner ON pythia.failed_change (owner);
COMMENT ON INDEX pythia.failed_change_owner IS 'finds roles that are gone';
SELECT pg_catalog.pg_extension_config_dump('pythia.failed_change', '');

CREATE TABLE pythia.handler_result (
	worker_id integer NOT NULL REFERENCES pythia.cdc_worker ON DELETE CASCADE,
	change_id bigint NOT NULL,
	result jsonb,
	handled_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	owner pythia.role NOT NULL,
	PRIMARY KEY (worker_id, change_id)
);
COMMENT ON TABLE pythia.handler_result IS 'what handlers returned, for workers with the option keep_result';
COMMENT ON COLUMN pythia.handler_result.worker_id IS 'the worker';
COMMENT ON COLUMN pythia.handler_result.change_id IS 'number of the change';
COMMENT ON COLUMN pythia.handler_result.result IS 'what the handler returned';
COMMENT ON COLUMN pythia.handler_result.handled_at IS 'when';
COMMENT ON COLUMN pythia.handler_result.owner IS 'role of the worker';
CREATE INDEX handler_result_owner ON pythia.handler_result (owner);
COMMENT ON INDEX pythia.handler_result_owner IS 'finds roles that are gone';
CREATE INDEX handler_result_handled_at ON pythia.handler_result (handled_at);
COMMENT ON INDEX pythia.handler_result_handled_at IS 'finds those that are old';

-- What users call.

CREATE FUNCTION pythia.create_cdc_worker(
	name text,
	tables text[],
	connection text DEFAULT NULL,
	poll_interval interval DEFAULT COALESCE(NULLIF(pg_catalog.current_setting('pythia_db.poll_interval', true), ''), '5 s')::interval,
	timestamp_column text DEFAULT 'updated_at',
	handler regproc DEFAULT NULL,
	options jsonb DEFAULT '{}'
) RETURNS integer
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_create_cdc_worker';
COMMENT ON FUNCTION pythia.create_cdc_worker(text, text[], text, interval, text, regproc, jsonb) IS
	'creates a worker that captures the changes of some tables; start it with pythia.start_cdc, or call pythia.poll';

CREATE FUNCTION pythia.alter_cdc_worker(
	name text,
	tables text[] DEFAULT NULL,
	poll_interval interval DEFAULT NULL,
	timestamp_column text DEFAULT NULL,
	handler regproc DEFAULT NULL,
	options jsonb DEFAULT NULL
) RETURNS void
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_alter_cdc_worker';
COMMENT ON FUNCTION pythia.alter_cdc_worker(text, text[], interval, text, regproc, jsonb) IS
	'changes a worker: what is NULL stays as it is, options are merged, an option set to null goes back to its default';

CREATE FUNCTION pythia.drop_cdc_worker(name text) RETURNS void
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_drop_cdc_worker';
COMMENT ON FUNCTION pythia.drop_cdc_worker(text) IS 'stops and removes a worker, its journal entries, consumers and triggers';

CREATE FUNCTION pythia.start_cdc(name text) RETURNS void
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_start_cdc';
COMMENT ON FUNCTION pythia.start_cdc(text) IS 'lets a background worker poll and call the handler, now and after every restart';

CREATE FUNCTION pythia.stop_cdc(name text) RETURNS void
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_stop_cdc';
COMMENT ON FUNCTION pythia.stop_cdc(text) IS 'ends the background worker; nothing is lost, start_cdc goes on from there';

CREATE FUNCTION pythia.poll(name text) RETURNS bigint
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_poll';
COMMENT ON FUNCTION pythia.poll(text) IS 'polls now, in this session; returns the number of changes captured';

CREATE FUNCTION pythia.consume_changes(
	worker text,
	consumer text DEFAULT 'default',
	max_changes integer DEFAULT 1000,
	wait interval DEFAULT '0 s'
) RETURNS SETOF pythia.database_change
	LANGUAGE C VOLATILE ROWS 1000 AS 'MODULE_PATHNAME', 'pythia_consume_changes';
COMMENT ON FUNCTION pythia.consume_changes(text, text, integer, interval) IS
	'the next changes for a consumer; its position moves when this transaction commits';

CREATE FUNCTION pythia.create_consumer(worker text, consumer text, start_from text DEFAULT 'now') RETURNS void
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_create_consumer';
COMMENT ON FUNCTION pythia.create_consumer(text, text, text) IS
	'adds a reader of a worker''s changes; start_from is now, beginning, a timestamp or a change_id';

CREATE FUNCTION pythia.drop_consumer(worker text, consumer text) RETURNS void
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_drop_consumer';
COMMENT ON FUNCTION pythia.drop_consumer(text, text) IS 'removes a reader, so that it holds no changes back';

CREATE FUNCTION pythia.seek(worker text, consumer text, "position" text) RETURNS void
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_seek';
COMMENT ON FUNCTION pythia.seek(text, text, text) IS
	'moves a consumer: to now, to the beginning of what is kept, after a change_id, or to a timestamp';

CREATE FUNCTION pythia.retry_failed(worker text) RETURNS bigint
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_retry_failed';
COMMENT ON FUNCTION pythia.retry_failed(text) IS
	'lets every failed change of a worker, dead ones too, be tried again at once; returns their number';

CREATE FUNCTION pythia.discard_failed(worker text, change_ids bigint[] DEFAULT NULL) RETURNS bigint
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_discard_failed';
COMMENT ON FUNCTION pythia.discard_failed(text, bigint[]) IS
	'gives up failed changes of a worker: those named, or all; returns their number';

CREATE FUNCTION pythia._capture() RETURNS trigger
	LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'pythia_write_row';
COMMENT ON FUNCTION pythia._capture() IS 'internal: appends what a trigger saw to the journal';

-- Each role sees what belongs to its own workers.
ALTER TABLE pythia.failed_change ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON pythia.failed_change USING (pg_catalog.pg_has_role(owner::oid, 'USAGE'));
COMMENT ON POLICY own_rows ON pythia.failed_change IS 'each role sees the failures of its own workers';
ALTER TABLE pythia.handler_result ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON pythia.handler_result USING (pg_catalog.pg_has_role(owner::oid, 'USAGE'));
COMMENT ON POLICY own_rows ON pythia.handler_result IS 'each role sees the results of its own workers';

-- What is going on.

CREATE FUNCTION pythia._boundary(OUT clock timestamptz, OUT instant timestamptz, OUT hold boolean, OUT pid integer, OUT reason text)
	LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'pythia_boundary_now';
COMMENT ON FUNCTION pythia._boundary() IS
	'internal: the moment before which no open transaction can still commit a stamp, and what holds it back';

CREATE FUNCTION pythia._last_poll(worker_id integer) RETURNS timestamptz
	LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'pythia_last_poll_of';
COMMENT ON FUNCTION pythia._last_poll(integer) IS 'internal: when the background process of a worker last polled; NULL where it has not, or is not known';

CREATE FUNCTION pythia._low_text(kind text, low bigint) RETURNS text
	LANGUAGE C STABLE STRICT AS 'MODULE_PATHNAME', 'pythia_low_water_text';
COMMENT ON FUNCTION pythia._low_text(text, bigint) IS 'internal: cdc_state.low as a value of its column''s kind; raises for no number';

CREATE VIEW pythia.stat_cdc WITH (security_barrier) AS
-- what triggers have captured since a background worker last counted: of one look, and of so many at most
WITH uncounted AS MATERIALIZED (
	SELECT j.table_id, count(*) AS captured
	FROM (SELECT l.table_id FROM pythia.journal l WHERE l.change_id > (SELECT n.counted FROM pythia.journal_state n)
			AND EXISTS (SELECT FROM pythia.cdc_worker x WHERE x.connection IS NULL AND x.options ->> 'capture' = 'trigger')
		ORDER BY l.change_id LIMIT 100000) j
	GROUP BY j.table_id
)
SELECT w.name AS worker,
	t.schema_name AS "schema",
	t.table_name AS "table",
	COALESCE(c.options ->> 'capture', 'poll') AS capture,
	COALESCE(s.active, true) AS active,
	s.reason,
	COALESCE(s.captured, 0) + CASE WHEN c.options ->> 'capture' = 'trigger' AND t.relation IS NOT NULL
		THEN (SELECT COALESCE(sum(k.captured), 0)::bigint FROM pythia.journal_count k WHERE k.table_id = t.table_id)
			+ COALESCE((SELECT u.captured FROM uncounted u WHERE u.table_id = t.table_id), 0)
		ELSE 0 END AS captured,
	(SELECT COALESCE(sum(u.n), 0)::bigint FROM pythia.consumer r CROSS JOIN LATERAL unnest(r.tables, r.consumed_of) u(id, n)
		WHERE r.worker_id = w.worker_id AND u.id = t.table_id) AS consumed,
	(SELECT count(*) FROM pythia.failed_change f WHERE f.worker_id = w.worker_id AND f.table_id = t.table_id AND f.state <> 'dead') AS failed,
	(SELECT count(*) FROM pythia.failed_change f WHERE f.worker_id = w.worker_id AND f.table_id = t.table_id AND f.state = 'dead') AS dead,
	CASE WHEN s.low = '-9223372036854775808'::bigint OR t.stamp_kind <> 'none' THEN pythia._low_text(t.stamp_kind, s.low)
		ELSE s.remote_low END AS low,
	CASE WHEN NOT p.polled THEN NULL
		WHEN t.relation IS NOT NULL THEN b.clock - CASE WHEN b.hold THEN LEAST(b.instant, s.low_at) ELSE b.instant END
		WHEN h.held_why IS NOT NULL THEN b.clock - COALESCE(h.held_since, s.low_at)
		WHEN s.started THEN interval '0' END AS behind,
	CASE WHEN NOT p.polled THEN NULL WHEN t.relation IS NULL THEN h.held_by ELSE NULLIF(b.pid, 0) END AS held_by,
	CASE WHEN NOT p.polled THEN NULL WHEN t.relation IS NULL THEN h.held_why ELSE b.reason END AS held_why,
	COALESCE(s.null_stamps, 0) AS null_stamps,
	GREATEST(s.polled_at, pythia._last_poll(w.worker_id)) AS last_poll,
	s.swept_at AS last_sweep,
	COALESCE(s.reason, f.last_error) AS last_error,
	CASE WHEN s.reason IS NULL THEN f.last_error_at END AS last_error_at
FROM pythia.worker w
	JOIN pythia.cdc_worker c ON c.worker_id = w.worker_id
	JOIN pythia.cdc_table t ON t.worker_id = w.worker_id
	LEFT JOIN pythia.cdc_state s ON s.table_id = t.table_id
	LEFT JOIN pythia.cdc_source h ON h.worker_id = w.worker_id
	LEFT JOIN pythia.worker_state f ON f.worker_id = w.worker_id
	CROSS JOIN pythia._boundary() b
	CROSS JOIN LATERAL (SELECT COALESCE(c.options ->> 'capture', 'poll') = 'poll' AS polled) p
WHERE pg_catalog.pg_has_role(w.owner::oid, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW pythia.stat_cdc IS 'capture of each table: how much, how far, and what holds it back';
COMMENT ON COLUMN pythia.stat_cdc.worker IS 'the worker';
COMMENT ON COLUMN pythia.stat_cdc."schema" IS 'schema of the table';
COMMENT ON COLUMN pythia.stat_cdc."table" IS 'the table';
COMMENT ON COLUMN pythia.stat_cdc.capture IS 'poll or trigger';
COMMENT ON COLUMN pythia.stat_cdc.active IS 'false: capture of this table stopped, see reason';
COMMENT ON COLUMN pythia.stat_cdc.reason IS 'why it stopped';
COMMENT ON COLUMN pythia.stat_cdc.captured IS 'changes written to the journal';
COMMENT ON COLUMN pythia.stat_cdc.consumed IS 'changes handed over, to all consumers together';
COMMENT ON COLUMN pythia.stat_cdc.failed IS 'changes whose handler failed and will be tried again';
COMMENT ON COLUMN pythia.stat_cdc.dead IS 'changes given up after max_attempts';
COMMENT ON COLUMN pythia.stat_cdc.low IS 'every row stamped before it has been seen; an idle poll leaves it where it stands';
COMMENT ON COLUMN pythia.stat_cdc.behind IS 'how far open transactions hold low behind the clock just now; of another database, as the last poll saw it';
COMMENT ON COLUMN pythia.stat_cdc.held_by IS 'process that holds it back, in the table''s own database (a connection''s number in MySQL), or NULL';
COMMENT ON COLUMN pythia.stat_cdc.held_why IS 'what holds it back, a prepared transaction by its name';
COMMENT ON COLUMN pythia.stat_cdc.null_stamps IS 'rows without a stamp or key, which polling cannot see, when last counted';
COMMENT ON COLUMN pythia.stat_cdc.last_poll IS 'last poll by the background worker, or of another session''s polls the last that found something';
COMMENT ON COLUMN pythia.stat_cdc.last_sweep IS 'last sweep for deletes';
COMMENT ON COLUMN pythia.stat_cdc.last_error IS 'why its capture stopped, or the last failure of its worker';
COMMENT ON COLUMN pythia.stat_cdc.last_error_at IS 'when the worker failed';

CREATE VIEW pythia.stat_consumer WITH (security_barrier) AS
SELECT c.worker,
	c.name AS consumer,
	c.lost,
	c.consumed,
	c.consumed_at AS last_consumed,
	l.lag_rows,
	COALESCE(EXTRACT(epoch FROM clock_timestamp() - l.oldest), 0)::double precision AS lag_seconds
FROM (SELECT r.*, x.name AS worker, x.owner,
		-- consumers of one role share what is counted for it
		LEAST(10000, GREATEST(100, 100000 / count(*) OVER (PARTITION BY x.owner))) AS counted
	FROM pythia.consumer r JOIN pythia.worker x ON x.worker_id = r.worker_id) c
	-- all that has not been read lies behind: as consumption itself finds it
	CROSS JOIN LATERAL (
		SELECT LEAST(c.done_floor,
			(SELECT min(j.change_id) - 1 FROM pg_snapshot_xip(c.done) x JOIN pythia.journal j ON j.xid = x
				WHERE j.worker_id = c.worker_id AND j.first),
			(SELECT min(j.change_id) - 1 FROM pythia.journal j WHERE j.worker_id = c.worker_id AND j.first
				AND j.xid >= pg_snapshot_xmax(c.done) AND j.xid < c.done_horizon)) AS after
	) b
	CROSS JOIN LATERAL (SELECT CASE WHEN c.reading IS NULL THEN b.after ELSE c.position END AS place) a
	-- counted are so many entries at most; what lies behind them is as they are
	CROSS JOIN LATERAL (
		SELECT CASE WHEN count(*) < c.counted THEN count(*) FILTER (WHERE j.unread)
			ELSE (count(*) FILTER (WHERE j.unread)::double precision / c.counted
				* GREATEST((SELECT q.last_value FROM pythia.journal_change_id_seq q) - a.place, c.counted))::bigint END AS lag_rows,
			min(j.captured_at) FILTER (WHERE j.unread) AS oldest
		FROM (SELECT e.captured_at,
				e.worker_id = c.worker_id
				AND NOT pg_visible_in_snapshot(e.xid, c.done)
				AND NOT (c.done_own IS NOT NULL AND e.xid = c.done_own AND e.change_id <= c.done_upto)
				AND NOT (c.reading IS NOT NULL AND e.change_id <= c.position
					AND (pg_visible_in_snapshot(e.xid, c.reading) OR (e.xid = c.reading_own AND e.change_id <= c.reading_upto))) AS unread
			FROM pythia.journal e
			WHERE e.change_id > a.place
			ORDER BY e.change_id LIMIT c.counted) j
	) l
WHERE pg_catalog.pg_has_role(c.owner::oid, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW pythia.stat_consumer IS 'who reads a worker''s changes, and how far behind each is';
COMMENT ON COLUMN pythia.stat_consumer.worker IS 'the worker';
COMMENT ON COLUMN pythia.stat_consumer.consumer IS 'the consumer; "handler" stands for the worker''s own function';
COMMENT ON COLUMN pythia.stat_consumer.lost IS 'it fell so far behind that changes were dropped';
COMMENT ON COLUMN pythia.stat_consumer.consumed IS 'changes handed over so far';
COMMENT ON COLUMN pythia.stat_consumer.last_consumed IS 'when some were last handed over';
COMMENT ON COLUMN pythia.stat_consumer.lag_rows IS 'changes in the journal that it has not read; beyond 10,000 an estimate, sooner where its role has more than ten consumers';
COMMENT ON COLUMN pythia.stat_consumer.lag_seconds IS 'age of the oldest of them';

CREATE FUNCTION pythia._longest_retention() RETURNS interval
	LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'pythia_longest_retention';
COMMENT ON FUNCTION pythia._longest_retention() IS 'internal: how long the worker that wants it longest keeps changes';

CREATE VIEW pythia.stat_journal WITH (security_barrier) AS
SELECT z.size,
	(SELECT NULLIF(g.setting::bigint, 0) * 1024 FROM pg_catalog.pg_settings g WHERE g.name = 'pythia_db.max_journal_size') AS max_size,
	(SELECT j.captured_at FROM pythia.journal j ORDER BY j.change_id LIMIT 1) AS oldest,
	(SELECT j.captured_at FROM pythia.journal j ORDER BY j.change_id DESC LIMIT 1) AS newest,
	GREATEST(s.since + pythia._longest_retention() / 2, clock_timestamp()) AS next_truncation,
	(SELECT w.name || '/' || c.name FROM pythia.consumer c JOIN pythia.worker w USING (worker_id)
		WHERE NOT c.lost ORDER BY c.done_floor, w.name, c.name LIMIT 1) AS furthest_behind
FROM pythia.journal_state s
	CROSS JOIN LATERAL (SELECT sum(pg_catalog.pg_total_relation_size(p.inhrelid))::bigint AS size
		FROM pg_catalog.pg_inherits p WHERE p.inhparent = 'pythia.journal'::regclass) z
WHERE pg_catalog.pg_has_role('pg_monitor', 'USAGE');
COMMENT ON VIEW pythia.stat_journal IS 'the journal of this database: how large it is, and when it next shrinks; for who may monitor the server';
COMMENT ON COLUMN pythia.stat_journal.size IS 'bytes on disk, indexes included';
COMMENT ON COLUMN pythia.stat_journal.max_size IS 'pythia_db.max_journal_size in bytes; NULL where there is no limit';
COMMENT ON COLUMN pythia.stat_journal.oldest IS 'when the oldest change in it was captured';
COMMENT ON COLUMN pythia.stat_journal.newest IS 'when the newest one was';
COMMENT ON COLUMN pythia.stat_journal.next_truncation IS 'from when on its oldest part may be emptied, if everything in it has been read or is too old';
COMMENT ON COLUMN pythia.stat_journal.furthest_behind IS 'worker and consumer that have read least';

CREATE FUNCTION pythia._rotate_journal() RETURNS void
	LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'pythia_rotate_journal';
COMMENT ON FUNCTION pythia._rotate_journal() IS 'internal: goes on to the next part of the journal where its time has come, as background workers do';
