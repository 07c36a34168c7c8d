# What a role with grant_use might do to workers, to others' workers and to who drops things: none of it gets anywhere.
use strict;
use warnings;
use IO::Socket::INET;
use Pythia::Session;
use Pythia::Test;
use Test::More;

my $node = pg_node('main', max_worker_processes => 24, 'pythia_db.max_workers' => 6, 'pythia_db.restart_delay' => '1s');

sub sql { return $node->safe_psql($_[1] // 'postgres', $_[0]); }
sub as { my ($role, $sql, $database) = @_; return sql("SET ROLE $role; $sql", $database); }
sub says { my ($sql, $database) = @_; return ($node->psql($database // 'postgres', $sql))[2]; }

sub state_is
{
	my ($name, $state, $test, $database) = @_;
	return ok(wait_for($node, "SELECT state = '$state' FROM pythia.worker_status WHERE name = '$name'", 't', $database), $test);
}

# A role, and its schema with a table t.
sub tenant
{
	my ($role, $database) = @_;
	sql("CREATE ROLE $role LOGIN") if sql("SELECT count(*) FROM pg_roles WHERE rolname = '$role'") eq '0';
	sql("SELECT pythia.grant_use('$role'); CREATE SCHEMA $role AUTHORIZATION $role; SET ROLE $role;
		CREATE TABLE $role.t (id int PRIMARY KEY, act text, updated_at timestamptz NOT NULL DEFAULT now()); CREATE INDEX ON $role.t (updated_at)", $database);
	return;
}

# The same, and a worker of its own that runs.
sub worker
{
	my ($role, $name, $database) = @_;
	as($role, "SELECT pythia.create_cdc_worker('$name', '{$role.t}', poll_interval => '50 ms'); SELECT pythia.start_cdc('$name')", $database);
	return;
}

tenant($_) for qw(mallory alice);

subtest 'what a handler leaves behind' => sub {
	sql('CREATE ROLE bob; GRANT bob TO mallory; GRANT USAGE ON SCHEMA mallory TO bob');
	as('mallory', q{
		CREATE TABLE mallory.seen (n serial, act text, who text, path text, pid int DEFAULT pg_backend_pid());
		GRANT ALL ON mallory.seen, mallory.seen_n_seq TO PUBLIC;
		CREATE TABLE mallory.late (act text); GRANT ALL ON mallory.late TO PUBLIC;
		CREATE FUNCTION mallory.at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SET ROLE bob'; PERFORM set_config('search_path', 'late', false); RETURN NULL; END $$;
		CREATE CONSTRAINT TRIGGER late AFTER INSERT ON mallory.late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION mallory.at_commit();
		CREATE FUNCTION mallory.handler(c pythia.database_change) RETURNS jsonb LANGUAGE plpgsql AS $$
		DECLARE a text := c.new_data->>'act';
		BEGIN
			INSERT INTO mallory.seen (act, who, path) VALUES (a, current_user || ' ' || session_user, current_setting('search_path'));
			IF a = 'role' THEN EXECUTE 'SET ROLE bob';
			ELSIF a = 'path' THEN PERFORM set_config('search_path', 'mallory', false), set_config('timezone', 'Asia/Tokyo', false);
			ELSIF a = 'reset' THEN EXECUTE 'RESET ALL';
			ELSIF a = 'late' THEN INSERT INTO mallory.late VALUES (a);
			ELSIF a = 'temporary' THEN CREATE TEMP TABLE worker (x int); CREATE TEMP TABLE failed_change (x int);
			ELSIF a = 'locks' THEN PERFORM pg_advisory_lock(4711);
			ELSIF a = 'unlock' THEN PERFORM pg_advisory_unlock_all();
			ELSIF a = 'prepare' THEN EXECUTE 'PREPARE left_over AS SELECT 1';
			ELSIF a = 'cursor' THEN EXECUTE 'DECLARE held CURSOR WITH HOLD FOR SELECT 1';
			ELSIF a = 'cancel' THEN PERFORM pg_cancel_backend(pg_backend_pid());
			ELSIF a = 'terminate' THEN PERFORM pg_terminate_backend(pg_backend_pid());
			ELSIF a = 'code' THEN RAISE EXCEPTION 'x' USING ERRCODE = '57014';
			ELSIF a = 'wait' THEN PERFORM pg_sleep(600);
			ELSIF a = 'look' THEN
				INSERT INTO mallory.seen (act, who, path) SELECT 'left: ' || name, '', '' FROM pg_prepared_statements UNION ALL SELECT 'left: ' || name, '', '' FROM pg_cursors WHERE name = 'held'
					UNION ALL SELECT 'left: ' || k.relname, '', '' FROM pg_class k WHERE relpersistence = 't' AND relkind = 'r' AND pg_table_is_visible(oid)
					UNION ALL SELECT 'left: zone', '', '' WHERE current_setting('timezone') <> 'UTC';
			END IF;
			RETURN '{}';
		END $$;
		SELECT pythia.create_cdc_worker('h', '{mallory.t}', poll_interval => '50 ms', handler => 'mallory.handler', options => '{"max_attempts": 2, "retry_delay": 0.1}');
		SELECT pythia.start_cdc('h')});
	my $id = 0;
	my $act = sub { for my $what (@_) { $id++; as('mallory', "INSERT INTO mallory.t VALUES ($id, '$what')"); } };
	# all that has happened is done, or dead
	my $settled = sub { ok(wait_for($node, "SELECT count(*) = $id FROM (SELECT act FROM mallory.seen WHERE act NOT LIKE 'left%' UNION SELECT (change).new_data->>'act' FROM pythia.failed_change WHERE state = 'dead') x"), 'every change has been handled'); };
	my $worker_pid = "SELECT pid FROM pythia.worker_status WHERE name = 'h'";
	# in one transaction: the next call of the same batch is looked at, too
	$id = 8;
	as('mallory', q{INSERT INTO mallory.t SELECT i, a FROM unnest('{role,after role,path,after path,late,after late,reset,after reset}'::text[]) WITH ORDINALITY x(a, i)});
	$settled->();
	for my $what (qw(temporary locks unlock prepare cursor))
	{
		$act->($what);
		ok(wait_for($node, "SELECT count(*) = 1 FROM mallory.seen WHERE act = '$what'"), "$what is handled");
	}
	$act->('role alone', 'look');
	$settled->();
	is(sql("SELECT DISTINCT who || ' ' || path FROM mallory.seen WHERE act NOT LIKE 'left%'"), "mallory mallory \"\$user\", public", 'every call runs as the owner, with the owner\'s settings');
	is(sql("SELECT string_agg(act, ', ' ORDER BY act) FROM mallory.seen WHERE act LIKE 'left%'"), '', 'and finds nothing of the calls before');
	ok(wait_for($node, "SELECT count(*) = 0 FROM pg_locks l JOIN pythia.worker_status w USING (pid) WHERE l.locktype = 'advisory' AND l.objid = 4711"), 'no advisory lock either');
	is(sql('SELECT count(DISTINCT pid) FROM mallory.seen'), '1', 'all in one process');
	is(sql('SELECT string_agg(message, chr(10)) FROM pythia.failed_change'), '', 'nothing failed');

	my $before = sql($worker_pid);
	$act->('cancel', 'after cancel', 'code', 'after code');
	$settled->();
	ok(wait_for($node, q{SELECT string_agg(new_data->>'act' || ' ' || state || ' ' || attempts, ', ' ORDER BY change_id) = 'cancel dead 2, code dead 2' FROM (SELECT (change).new_data, change_id, state, attempts FROM pythia.failed_change) x}),
		'a call that cancels itself fails as others do, and is dead in the end');
	is(sql($worker_pid), $before, 'in the same process');

	# from another session, while it is called
	$act->('wait');
	for my $attempt (1, 2)
	{
		ok(wait_for($node, "SELECT count(*) = 1 FROM pg_stat_activity a JOIN pythia.worker_status w USING (pid) WHERE a.wait_event = 'PgSleep'"), 'a call hangs');
		sql("SELECT pg_cancel_backend(pid) FROM pythia.worker_status WHERE name = 'h'");
		ok(wait_for($node, "SELECT attempts >= $attempt FROM pythia.failed_change WHERE (change).new_data->>'act' = 'wait'"), "cancelled from elsewhere it has failed $attempt time(s)");
	}
	is(sql("SELECT state FROM pythia.failed_change WHERE (change).new_data->>'act' = 'wait'"), 'dead', 'and is dead');
	sql('DELETE FROM pythia.failed_change');

	# the innocent in the same batch are not blamed
	$id++;
	as('mallory', "INSERT INTO mallory.t VALUES ($id, 'fine 1'), ($id + 1, 'terminate'), ($id + 2, 'fine 2')");
	$id += 2;
	ok(wait_for($node, q{SELECT string_agg((change).new_data->>'act' || ' ' || state || ' ' || attempts || ' ' || sqlstate, ', ') = 'terminate dead 2 57P02' FROM pythia.failed_change}),
		'a call that ends its own process is dead in the end, and alone');
	ok(wait_for($node, "SELECT count(*) = 1 FROM mallory.seen WHERE act = 'fine 2'"), 'what came after it is handled');
	is(sql("SELECT count(*) FROM mallory.seen WHERE act = 'fine 1'"), '1', 'once, as is what came before');
	state_is('h', 'running', 'the worker runs');
	# stopped in a call, it has failed at nothing
	$act->('wait');
	ok(wait_for($node, "SELECT count(*) = 1 FROM pg_stat_activity a JOIN pythia.worker_status w USING (pid) WHERE a.wait_event = 'PgSleep'"), 'a call hangs');
	as('mallory', "SELECT pythia.stop_cdc('h')");
	state_is('h', 'stopped', 'stop_cdc stops it');
	is(sql("SELECT count(*) FROM pythia.failed_change WHERE (change).new_data->>'act' = 'wait'"), '0', 'which is no failure of the call');
	as('mallory', "SELECT pythia.drop_cdc_worker('h')");
};

subtest 'one role takes every worker' => sub {
	sql('CREATE DATABASE second');
	sql('CREATE EXTENSION pythia_db', 'second');
	tenant('mallory', 'second');
	my $mallorys = "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pythia_db %' AND usename = 'mallory'";
	# many that are quick share a process
	worker('mallory', "quick$_") for 1 .. 5;
	ok(wait_for($node, q{SELECT count(*) = 5 AND count(DISTINCT pid) < 5 FROM pythia.worker_status WHERE name LIKE 'quick%' AND state = 'running'}), 'workers of one role share processes');
	as('mallory', "SELECT pythia.drop_cdc_worker(name) FROM pythia.worker_status WHERE name LIKE 'quick%'");
	# each of these keeps the process that serves it
	my $flood = sub {
		my ($names, $database) = @_;
		as('mallory', q{CREATE FUNCTION mallory.hang(c pythia.database_change) RETURNS jsonb LANGUAGE sql AS $$ SELECT to_jsonb(pg_sleep(600)::text) $$}, $database);
		as('mallory', "SELECT pythia.create_cdc_worker('flood$_', '{mallory.t}', poll_interval => '50 ms', handler => 'mallory.hang', options => '{\"start_from\": \"beginning\"}'); SELECT pythia.start_cdc('flood$_')", $database) for @$names;
		as('mallory', "INSERT INTO mallory.t VALUES (1000, 'x')", $database);
	};
	$flood->([ 1 .. 5 ]);
	ok(wait_for($node, $mallorys, '3'), 'it has half of the processes');
	$flood->([ 6 .. 9 ], 'second');
	ok(wait_for($node, "SELECT count(*) = 4 FROM pythia.worker_status WHERE last_error LIKE 'pythia_db.max_workers_per_role processes of its owner are busy%'", 't', 'second'), 'in all databases together, and is told');
	is(sql($mallorys), '3', 'it has no more');
	like(says("SET ROLE mallory; SELECT pythia.start_cdc('flood6')", 'second'), qr/WARNING:  pythia_db\.max_workers_per_role processes of role "mallory" are busy/, 'as is who starts one that will wait');
	# helpers count, too
	as('mallory', q{CREATE VIEW mallory.slow1 AS SELECT 1 AS id, pg_sleep(600)::text AS v; CREATE VIEW mallory.slow2 AS SELECT * FROM mallory.slow1; CREATE VIEW mallory.slow3 AS SELECT * FROM mallory.slow1;
		SELECT pythia.stop_cdc('flood' || i) FROM generate_series(1, 5) i});
	my $drop_all = sub {
		sql("SELECT pythia.stop_cdc(name) FROM pythia.worker_status", 'second');
		sql('SELECT pythia.drop_cdc_worker(name) FROM pythia.worker_status', 'second');
	};
	$drop_all->();
	as('mallory', "SELECT pythia.drop_cdc_worker('flood' || i) FROM generate_series(1, 5) i");
	ok(wait_for($node, $mallorys, '0'), 'they are given back');
	as('mallory', q{SELECT pythia.create_sync_worker('wide', 'local', 'local', '{"key": ["id"], "mode": "full", "parallel": 8, "table_map": {"mallory.slow1": "mallory.c1", "mallory.slow2": "mallory.c2", "mallory.slow3": "mallory.c3"}}', tables => '{mallory.slow1,mallory.slow2,mallory.slow3}');
		SELECT pythia.start_sync('wide')});
	ok(wait_for($node, "SELECT count(*) = 3 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND usename = 'mallory'"), 'with its helpers a sync has as many');
	as('mallory', "INSERT INTO mallory.t VALUES (2000, 'x')");
	is(sql($mallorys), '3', 'and no more');
	worker('alice', 'alices');
	state_is('alices', 'running', 'another role has hers');
	as('mallory', "SELECT pythia.drop_sync_worker('wide')");
	sql('DROP FUNCTION mallory.hang; DELETE FROM mallory.t', 'second');
	$flood->([ 6 .. 9 ], 'second');
	ok(wait_for($node, $mallorys, '3'), 'what it gives back here it may use there');
	$node->append_conf('postgresql.conf', 'pythia_db.max_workers_per_role = 4');
	$node->reload;
	ok(wait_for($node, $mallorys, '4'), 'the limit can be set');
	$drop_all->();
	sql('DROP DATABASE second');
};

subtest 'revoke_use' => sub {
	# 17 lets a worker run as a role that may not log in
	my $login_not_needed = $node->pg_version >= 17;
	for my $how ("SELECT pythia.revoke_use('alice')", 'REVOKE USAGE ON SCHEMA pythia FROM alice', 'REVOKE EXECUTE ON FUNCTION pythia.create_cdc_worker FROM alice',
		$login_not_needed ? () : 'ALTER ROLE alice NOLOGIN')
	{
		state_is('alices', 'running', 'a worker runs');
		sql($how);
		state_is('alices', 'held', "$how: held");
		ok(wait_for($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pythia_db worker' AND usename = 'alice'"), 'it has no process');
		like(sql("SELECT last_error FROM pythia.worker_status WHERE name = 'alices'"), qr/^its owner may not (use pythia_db\. .*grant_use|log in\. .*LOGIN)/, 'and is told why');
		sql("ALTER ROLE alice LOGIN; SELECT pythia.grant_use('alice')");
	}
	if ($login_not_needed)
	{
		sql("ALTER ROLE alice NOLOGIN; SELECT pythia.stop_cdc('alices')");
		sql("SELECT pythia.start_cdc('alices')");
		ok(wait_for($node, "SELECT active FROM pythia.stat_cdc WHERE worker = 'alices'"), 'a role that may not log in has its worker');
		sql('ALTER ROLE alice LOGIN');
	}
	state_is('alices', 'running', 'grant_use starts it');
	as('alice', "INSERT INTO alice.t VALUES (1, 'x')");
	ok(wait_for($node, "SELECT captured = 1 AND active FROM pythia.stat_cdc WHERE worker = 'alices'"), 'and it captures');
	# a sync worker, in the midst of a long statement
	as('alice', q{CREATE VIEW alice.slow AS SELECT 1 AS id, pg_sleep(600)::text AS v; CREATE TABLE alice.copy (id int PRIMARY KEY, v text);
		SELECT pythia.create_sync_worker('slow', 'local', 'local', '{"key": ["id"], "mode": "full", "table_map": {"alice.slow": "alice.copy"}}', tables => '{alice.slow}'); SELECT pythia.start_sync('slow')});
	ok(wait_for($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND usename = 'alice'"), 'a sync is at work');
	sql("SELECT pythia.revoke_use('alice')");
	state_is('slow', 'held', 'it is held');
	ok(wait_for($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'alice'"), 'and ends');
	sql("SELECT pythia.drop_sync_worker('slow'); SELECT pythia.grant_use('alice')");
	state_is('alices', 'running', 'the other one runs again');
};

subtest 'DROP ROLE' => sub {
	tenant('zack');
	as('zack', q{CREATE TABLE zack.log (who text); GRANT ALL ON SCHEMA zack TO PUBLIC; GRANT ALL ON zack.log, zack.t TO PUBLIC;
		CREATE FUNCTION zack.handler(c pythia.database_change) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN INSERT INTO zack.log VALUES (current_user); RETURN '{}'; END $$;
		SELECT pythia.create_cdc_worker('orphan', '{zack.t}', poll_interval => '50 ms', handler => 'zack.handler'); SELECT pythia.start_cdc('orphan')});
	# one that never ran, so that no process is there to notice
	as('zack', q{SELECT pythia.create_cdc_worker('idle', '{zack.t}'); INSERT INTO zack.t VALUES (1, 'x')});
	ok(wait_for($node, "SELECT count(*) = 1 FROM zack.log WHERE who = 'zack'"), 'its handler runs');
	sql("INSERT INTO pythia.quarantine (owner, table_name, row_data, reason) VALUES ('zack', 't', '{}', 'r')");
	my $number = sql("SELECT 'zack'::regrole::oid");
	sql('REASSIGN OWNED BY zack TO current_user; DROP OWNED BY zack; DROP ROLE zack');
	state_is('orphan', 'held', 'its worker is held');
	state_is('idle', 'held', 'the one that never ran too');
	like(sql("SELECT last_error FROM pythia.worker_status WHERE name = 'orphan'"), qr/^its owner is gone\. .*release_worker.*"zack"/, 'and told why, and whose it was');
	ok(wait_for($node, "SELECT bool_and(owner::text = '-' AND NOT enabled) FROM pythia.worker WHERE name IN ('orphan', 'idle')"), 'it belongs to nobody');
	is(sql('SELECT owner FROM pythia.quarantine'), '-', 'as does what it left in quarantine');
	# whoever gets the name, or the number
	sql("CREATE ROLE zack LOGIN; SET allow_system_table_mods = on; UPDATE pg_authid SET oid = $number WHERE rolname = 'zack'");
	sql("SELECT pythia.grant_use('zack')");
	is(as('zack', 'SELECT count(*) FROM pythia.worker_status'), '0', 'one of the same name and number does not see it');
	is(as('zack', 'SELECT count(*) FROM pythia.quarantine'), '0', 'nor the quarantine');
	like(says("SET ROLE zack; SELECT pythia.start_cdc('orphan')"), qr/permission denied for CDC worker/, 'nor start it');
	like(says("SET ROLE zack; SELECT pythia.release_worker('orphan')"), qr/permission denied/, 'nor release it');
	like(says("SELECT pythia.poll('orphan')"), qr/the worker is held: its owner is gone/, 'a superuser is told');
	like(says("SELECT pythia.start_cdc('orphan')"), qr/WARNING:  the worker is held: its owner is gone/, 'as he is by start_cdc');
	sql("INSERT INTO zack.t VALUES (2, 'y')");
	like(says("SELECT pythia.release_worker('nobody')"), qr/no worker "nobody" is held/, 'only one that is held can be released');
	my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
	$node->command_ok([ 'pg_dumpall', '--file', $dump, '--dbname', $node->connstr('postgres') ], 'pg_dumpall');

	# in another cluster, where the old number is somebody else's
	my $other = pg_node('other', extension => 0);
	$other->psql('postgres', PostgreSQL::Test::Utils::slurp_file($dump), on_error_stop => 0);
	is($other->safe_psql('postgres', "SELECT string_agg(name || ' ' || owner::text, ', ' ORDER BY name) FROM pythia.worker"), 'alices alice, idle -, orphan -', 'restored elsewhere it belongs to nobody either');
	$other->restart;
	ok(wait_for($other, "SELECT string_agg(name || ' ' || state, ', ' ORDER BY name) = 'alices held, idle held, orphan held' FROM pythia.worker_status"), 'and is held, as all are that come from a dump');
	$other->safe_psql('postgres', "SET ROLE alice; SELECT pythia.release_worker('alices')");
	ok(wait_for($other, "SELECT string_agg(name || ' ' || state, ', ' ORDER BY name) = 'alices running, idle held, orphan held' FROM pythia.worker_status"), 'those with an owner run when he releases them');
	is($other->safe_psql('postgres', "SELECT string_agg(who, ' ') FROM zack.log"), 'zack', 'its handler has run as nobody');
	$other->stop;

	like(says("SELECT pythia.release_worker('orphan', 'alice')"), qr/NOTICE:  worker "orphan" belongs to role "alice"/, 'released');
	ok(wait_for($node, "SELECT string_agg(who, ' ') = 'zack alice' FROM zack.log"), 'it runs again, as its new owner');
	sql("SELECT pythia.release_worker('idle'); SELECT pythia.drop_cdc_worker('idle')");
	sql("SELECT pythia.drop_cdc_worker('orphan')");
	is(sql("SELECT count(*) FROM pythia.worker_status WHERE state = 'held'"), '0', 'nothing is held');
	sql('ALTER ROLE alice RENAME TO alicia');
	is(sql("SELECT owner FROM pythia.worker WHERE name = 'alices'"), 'alicia', 'a role that is renamed keeps its workers');
	sql('ALTER ROLE alicia RENAME TO alice');
};

subtest 'a command on a database is ended in its midst' => sub {
	my $place = PostgreSQL::Test::Utils::tempdir();
	sql('CREATE DATABASE held');
	sql("CREATE TABLESPACE elsewhere LOCATION '$place'");
	sql('CREATE EXTENSION pythia_db', 'held');
	tenant('alice', 'held');
	worker('alice', 'w', 'held');
	for my $command ('CREATE DATABASE copy TEMPLATE held', 'ALTER DATABASE held RENAME TO other', 'ALTER DATABASE held SET TABLESPACE elsewhere', 'DROP DATABASE held')
	{
		for my $end ('terminate', 'cancel')
		{
			state_is('w', 'running', 'the worker runs', 'held');
			# the command waits for this one to go
			my $guest = Pythia::Session->new($node, 'held');
			my $command_session = Pythia::Session->new($node);
			$command_session->send($command);
			ok(wait_for($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = $command_session->{pid} AND query = '$command;'"), "$command begins");
			ok(wait_for($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'held' AND backend_type LIKE 'pythia_db%'"), 'and ends our processes');
			sql("SELECT pg_${end}_backend($command_session->{pid})");
			eval { $command_session->finish; };
			$guest->close;
			state_is('w', 'running', "after $end the worker runs again", 'held');
		}
	}
	sql('DROP DATABASE held');
	sql('DROP TABLESPACE elsewhere');
};

subtest 'code that catches cancels' => sub {
	sql('CREATE DATABASE deaf');
	sql('CREATE EXTENSION pythia_db', 'deaf');
	tenant($_, 'deaf') for qw(mallory alice);
	my $deaf = sub { return sql($_[0], 'deaf') };
	as('mallory', q{CREATE FUNCTION mallory.hang() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
			LOOP BEGIN PERFORM pg_sleep(600); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$;
		CREATE FUNCTION mallory.hang_in() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
			IF current_setting('application_name') LIKE 'pythia_db%' THEN PERFORM mallory.hang(); END IF; RETURN 1; END $$;
		CREATE FUNCTION mallory.hang_handler(c pythia.database_change) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.hang(); RETURN '{}'; END $$;
		GRANT USAGE ON SCHEMA mallory TO alice; GRANT SELECT ON mallory.t TO alice;
		CREATE INDEX expression ON mallory.t ((id + mallory.hang_in()))}, 'deaf');
	my $hangs = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = 'deaf' AND backend_type = 'pythia_db worker'";
	my $begin = sub {
		my ($role, $handler) = @_;
		as($role, "SELECT pythia.create_cdc_worker('w', '{mallory.t}', poll_interval => '50 ms', options => '{\"start_from\": \"beginning\"}'" . ($handler ? ", handler => '$handler'" : '') . "); SELECT pythia.start_cdc('w')", 'deaf');
		ok(wait_for($node, $hangs, '1', 'deaf'), 'a process hangs');
	};
	sql(q{INSERT INTO mallory.t VALUES (1, 'x')}, 'deaf');
	$begin->('alice');
	my $pid = $deaf->("SELECT pid FROM pythia.worker_status WHERE name = 'w'");
	like(says("SET ROLE alice; SET statement_timeout = '30s'; SELECT pythia.alter_cdc_worker('w', poll_interval => '1 s')", 'deaf'),
		qr/ERROR:  CDC worker "w" is in use in another session\nDETAIL:  Process $pid polls or alters it\.\nHINT:  Try again .*stop_cdc/, 'alter_cdc_worker says who is in the way');
	as('alice', "SELECT pythia.stop_cdc('w')", 'deaf');
	state_is('w', 'stopped', 'stop_cdc stops a poll', 'deaf');
	as('alice', "SELECT pythia.start_cdc('w')", 'deaf');
	ok(wait_for($node, $hangs, '1', 'deaf'), 'it hangs again');
	is(says("SET ROLE alice; SET statement_timeout = '30s'; SELECT pythia.drop_cdc_worker('w')", 'deaf'), '', 'drop_cdc_worker drops it');
	ok(wait_for($node, $hangs, '0', 'deaf'), 'and nothing hangs');
	$deaf->('DROP INDEX mallory.expression');
	for my $end ("SET ROLE mallory; SELECT pythia.stop_cdc('w')", "SELECT pythia.revoke_use('mallory')", "SET ROLE mallory; SELECT pythia.drop_cdc_worker('w')", 'DROP EXTENSION pythia_db CASCADE')
	{
		$begin->('mallory', 'mallory.hang_handler');
		is(says("SET client_min_messages = error; SET statement_timeout = '30s'; $end", 'deaf'), '', "$end: done");
		ok(wait_for($node, $hangs, '0', 'deaf'), 'its handler ends');
		$deaf->("SELECT pythia.grant_use('mallory'); SELECT pythia.drop_cdc_worker(name) FROM pythia.worker_status") if $end =~ /stop|revoke/;
	}
	sql('DROP DATABASE deaf');
};

subtest 'servers that do not answer' => sub {
	# it takes connections and says nothing
	my $silent = IO::Socket::INET->new(Listen => 16, LocalAddr => '127.0.0.1') or die;
	my $port = $silent->sockport;
	my $maria = shared_mysql('attack_workers');
	$maria->sql('CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY)');
	for my $case ([ "statement_timeout = '400ms'", 'DROP EXTENSION pythia_db CASCADE' ], [ "statement_timeout = '400ms'", "SELECT pythia.drop_cdc_worker('w1'), pythia.drop_cdc_worker('w2')" ])
	{
		my ($setting, $command) = @$case;
		sql('CREATE DATABASE dx');
		sql('CREATE EXTENSION pythia_db', 'dx');
		sql("SELECT pythia.grant_use('mallory')", 'dx');
		# as far as mallory says, who gives it a day
		as('mallory', sprintf(q{SELECT pythia.create_connection('c', '%s'); SELECT pythia.create_cdc_worker('w1', '{t}', 'c', options => '{"capture": "trigger"}');
			SELECT pythia.create_cdc_worker('w2', '{u}', 'c', options => '{"capture": "trigger"}');
			ALTER SERVER c OPTIONS (SET url 'mysql://127.0.0.1:%d/attack_workers?connect_timeout=86400')}, $maria->url, $port), 'dx');
		my $err = says("SET $setting; $command", 'dx');
		like($err, qr/WARNING:  the triggers on table "attack_workers\.t" of .* stay\nDETAIL:  It did not answer in time\.\nHINT:  Run there: DROP TRIGGER IF EXISTS `attack_workers`\.`pythia_log_/, "$command goes on without it");
		unlike($err, qr/ERROR/, 'without an error');
		# the statements are good as they are
		for my $hint ($err =~ /Run there: ((?:DROP [^\n]*;\n?)+)/g)
		{
			$maria->sql($hint);
		}
		is($maria->sql("SELECT (SELECT count(*) FROM information_schema.TRIGGERS WHERE TRIGGER_NAME LIKE 'pythia_log%' AND TRIGGER_SCHEMA = 'attack_workers') + (SELECT count(*) FROM information_schema.TABLES WHERE TABLE_NAME LIKE 'pythia_log%' AND TABLE_SCHEMA = 'attack_workers')"), '0', 'what it tells to run there cleans up');
		sql('DROP DATABASE dx');
	}
	# a cancel is one
	sql('CREATE DATABASE dx');
	sql('CREATE EXTENSION pythia_db', 'dx');
	sql(sprintf(q{SELECT pythia.create_connection('c', '%s'); SELECT pythia.create_cdc_worker('w1', '{t}', 'c', options => '{"capture": "trigger"}'); ALTER SERVER c OPTIONS (SET url 'mysql://127.0.0.1:%d/attack_workers')}, $maria->url, $port), 'dx');
	my $session = Pythia::Session->new($node, 'dx');
	$session->send('DROP EXTENSION pythia_db CASCADE');
	ok(wait_for($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = $session->{pid} AND state = 'active' AND wait_event_type = 'Extension'"), 'DROP EXTENSION waits for a server');
	sql("SELECT pg_cancel_backend($session->{pid})");
	$session->finish;
	like($session->{error}, qr/ERROR:  canceling statement due to user request/, 'and can be cancelled');
	is(sql('SELECT count(*) FROM pythia.worker', 'dx'), '1', 'then nothing is dropped');
	is(says('SET ROLE mallory; DROP EXTENSION pythia_db', 'dx') =~ s/\n.*//sr =~ s/^psql:\S+ //r, 'ERROR:  must be owner of extension pythia_db', 'who may not drop it waits for nobody');
	$session->close;
	sql('DROP DATABASE dx');
};

subtest 'a lock that any MySQL account may take' => sub {
	my $maria = Pythia::MariaDB->new('locked');
	$maria->root_sql('CREATE USER nobody@localhost; GRANT USAGE ON *.* TO nobody@localhost');
	$maria->sql('CREATE TABLE t (id int PRIMARY KEY, updated_at timestamp(6) DEFAULT now(6), KEY (updated_at)); INSERT INTO t (id) VALUES (1)');
	my $thief = Pythia::Session->start("SELECT '%s';", 'SELECT connection_id()', grep({ !/^--(?:user|password)=/ } $maria->command('')), '--user=nobody', '--force', '--unbuffered');
	is($thief->do("SELECT GET_LOCK('pythia_db boundary', 0)"), '1', 'somebody has it');
	$node->psql('postgres', sprintf(q{SELECT pythia.create_cdc_worker('locked', '{t}', '%s', options => '{"start_from": "beginning"}')}, $maria->url));
	my $long = time + 60;
	select(undef, undef, undef, 0.1) while time < $long && $maria->root_sql("SELECT TIME < 3 FROM information_schema.PROCESSLIST WHERE ID = $thief->{pid}");
	my $status = $ENV{MYSQLD} ? 'performance_schema' : 'information_schema';
	my $asked = sub { return $maria->root_sql("SELECT VARIABLE_VALUE FROM $status.global_status WHERE VARIABLE_NAME = 'Com_select'") };
	my $before = $asked->();
	is(sql("SELECT pythia.poll('locked')"), '1', 'a poll does without');
	cmp_ok($asked->() - $before, '<', 30, 'and does not ask for it again and again');
	$thief->close;
	sql("SELECT pythia.drop_cdc_worker('locked')");
};

subtest 'a user of MySQL whose name has lines' => sub {
	my $maria = shared_mysql('attack_workers');
	my $user = "`x\x1b[31m\nERROR:  f`\@'%'";
	$maria->root_sql("CREATE TABLE attack_workers.named (id int PRIMARY KEY); CREATE USER $user IDENTIFIED BY 'p'; GRANT ALL ON attack_workers.* TO $user");
	my $url = $maria->url =~ s{//[^@]*@}{//x%1B%5B31m%0AERROR%3A%20%20f:p@}r;
	like(says(qq{SELECT pythia.create_cdc_worker('named', '{named}', '$url', options => '{"capture": "trigger"}')}),
		qr/NOTICE:  triggers on table named run as x\\x1b\[31m\\nERROR:  f\@%: [^\n]*$/, 'is told in one');
	sql(q{SELECT pythia.drop_cdc_worker('named')});
	$maria->root_sql("DROP USER $user; DROP TABLE attack_workers.named");
};

subtest 'locks here' => sub {
	# by all the numbers that SQL can name
	my $thief = Pythia::Session->new($node);
	my $id = sql("SELECT worker_id FROM pythia.worker WHERE name = 'alices'");
	$thief->do("SET ROLE mallory; SELECT pg_advisory_lock($id), pg_advisory_lock((2::bigint << 32) + $id), pg_advisory_lock(2, $id), pg_advisory_lock(1, 0), pg_advisory_lock('pythia'::regnamespace::oid::int, $id), pg_advisory_lock(3, $id)");
	as('alice', "SELECT pythia.stop_cdc('alices'); SELECT pythia.start_cdc('alices')");
	state_is('alices', 'running', 'no advisory lock of another role keeps a worker out');
	as('alice', "INSERT INTO alice.t VALUES (99, 'x')");
	ok(wait_for($node, "SELECT captured = 2 FROM pythia.stat_cdc WHERE worker = 'alices'"), 'or from polling');
	$thief->do("RESET ROLE; SET ROLE mallory; BEGIN; SELECT pythia.create_cdc_worker('sought', '{mallory.t}')");
	like(says("SET ROLE alice; SELECT pythia.create_cdc_worker('sought', '{alice.t}')"), qr/CDC worker "sought" is created or dropped in another session just now/, 'a name that is not committed keeps nobody waiting for long');
	$thief->do('ROLLBACK');
	$thief->close;
	is(as('mallory', "SELECT count(*) FROM pythia.worker_status WHERE name = 'alices'"), '0', 'others do not see it');
	like(as('alice', "SELECT pythia._process($id), pythia._last_poll($id)"), qr/^\d+\|\S+/, 'its owner sees its process and polls');
	is(as('mallory', "SELECT pythia._process($id), pythia._last_poll($id), pythia._next_turn($id)"), '||', 'others do not, by the views\' functions either');
	is(as('mallory', 'SELECT count(*) FROM pythia.stat_cdc') . as('mallory', 'SELECT count(*) FROM pythia.stat_consumer'), '00', 'nor what it captures');
	for my $verb ("stop_cdc('alices')", "start_cdc('alices')", "drop_cdc_worker('alices')", "poll('alices')", "retry_failed('alices')", "seek('alices', 'default', 'now')", "alter_cdc_worker('alices', poll_interval => '1 h')", "release_worker('alices')")
	{
		like(says("SET ROLE mallory; SELECT pythia.$verb"), qr/ERROR: +permission denied/, $verb);
	}
};

subtest 'one role takes every place of the roster' => sub {
	as('mallory', q{DO $$ BEGIN FOR i IN 1 .. 1100 LOOP
		PERFORM pythia.create_sync_worker('many' || i, 'local', 'local', '{"key": ["id"], "mode": "full", "table_map": {"mallory.t": "mallory.many"}}', tables => '{mallory.t}', schedule => '1 day'); END LOOP; END $$});
	my $start = q{SELECT pythia.start_sync('many' || i) FROM generate_series(%d, %d) i};
	as('mallory', sprintf $start, 1, 1024);
	ok(wait_for($node, q{SELECT count(*) = 1024 FROM pythia.worker w WHERE w.name LIKE 'many%' AND (pythia._process(w.worker_id) IS NOT NULL OR pythia._next_turn(w.worker_id) IS NOT NULL)}), 'a role has 1024 workers');
	like(says('SET ROLE mallory; ' . sprintf $start, 1025, 1025), qr/ERROR:  too many workers of role "mallory" are started\nDETAIL:  1024 of them .*\nHINT:  Stop some/, 'and may start no other');
	unlike(says('SET ROLE mallory; ' . sprintf $start, 1, 1), qr/ERROR/, 'but those again that it has');
	# as from another database, or by sessions at the same moment
	sql(q{UPDATE pythia.worker SET enabled = true WHERE name LIKE 'many%'});
	as('mallory', sprintf $start, 2, 2);
	ok(wait_for($node, q{SELECT last_error LIKE '1024 workers of its owner run already%' FROM pythia.worker_status WHERE name = 'many1025'}), 'one more is told why it waits');
	unlike(says("SET ROLE alice; SELECT pythia.create_sync_worker('hers', 'local', 'local', '{\"table_map\": {\"alice.t\": \"alice.u\"}}', '{alice.t}'); SELECT pythia.start_sync('hers')"), qr/run already/, 'another role is not concerned');
	# its worker comes after all those
	ok(wait_for($node, q{SELECT count(*) = 1 FROM pythia.worker_state JOIN pythia.worker USING (worker_id) WHERE name = 'hers' AND started_at IS NOT NULL}), 'nor its worker');
	is(sql(q{SELECT count(*) FROM pythia.worker_state JOIN pythia.worker USING (worker_id) WHERE last_error LIKE '1024 workers%'}), '1', 'the manager has read no more');
	sql(q{SELECT pythia.drop_sync_worker(name) FROM pythia.worker WHERE name LIKE 'many%' OR name = 'hers'});
};

# the manager of a database starts everybody's workers
subtest 'rows that somebody keeps locked' => sub {
	my $map = '{"key": ["id"], "mode": "full", "table_map": {"mallory.t": "mallory.kept"}}';
	as('mallory', "SELECT pythia.create_sync_worker('kept', 'local', 'local', '$map', '{mallory.t}', schedule => '1 day'); SELECT pythia.start_sync('kept')");
	ok(wait_for($node, q{SELECT count(*) > 0 FROM pythia.worker_state JOIN pythia.worker USING (worker_id) WHERE name = 'kept' AND started_at IS NOT NULL}), 'it ran');
	my $stopping = Pythia::Session->new($node);
	my $dropping = Pythia::Session->new($node);
	$_->do('SET ROLE mallory; BEGIN') for $stopping, $dropping;
	$stopping->do(q{SELECT pythia.stop_sync('kept')});
	$dropping->send(q{SELECT pythia.drop_sync_worker('kept')});
	ok(wait_for($node, q{SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%drop_sync_worker%' AND pid <> pg_backend_pid()}), 'one session waits for the other');
	$stopping->do('COMMIT');
	$dropping->finish;
	tenant('carol');
	worker('carol', 'carols');
	state_is('carols', 'running', 'what another role starts meanwhile runs');
	as('carol', "SELECT pythia.stop_cdc('carols')");
	state_is('carols', 'stopped', 'and stops');
	as('carol', "SELECT pythia.start_cdc('carols')");
	state_is('carols', 'running', 'and runs again');
	$dropping->do('ROLLBACK');
	$_->close for $stopping, $dropping;
	sql(q{SELECT pythia.drop_cdc_worker('carols'); SELECT pythia.drop_sync_worker('kept')});
};

# its own worker, dropped in a transaction that does not end
subtest 'a role that does not want to lose its rights' => sub {
	sql('CREATE ROLE dave');
	tenant($_) for qw(eve frank);
	as($_, "SELECT pythia.create_cdc_worker('${_}s', '{$_.t}')") for qw(eve frank);
	my $dropping = Pythia::Session->new($node);
	$dropping->do(q{SET ROLE eve; BEGIN; SELECT pythia.drop_cdc_worker('eves')});
	for my $role (qw(dave frank))
	{
		sql("SELECT pythia.grant_use('$role')");
		is(says("SET statement_timeout = '20s'; SELECT pythia.revoke_use('$role')"), '', "keeps nobody from taking those of $role");
		is(sql("SELECT has_schema_privilege('$role', 'pythia', 'USAGE')"), 'f', 'which are gone');
	}
	is(sql(q{SELECT count(*) FROM pg_class c, aclexplode(c.relacl) a WHERE c.relnamespace = 'pythia_tracked'::regnamespace AND a.grantee = 'frank'::regrole}), '0', 'to what is known of its tables, too');
	like(says(q{SET statement_timeout = '20s'; SET lock_timeout = '10s'; SELECT pythia.revoke_use('eve'); SELECT 1 / (current_setting('lock_timeout') = '10s')::int}),
		qr/^psql:\S+ WARNING:  role eve may still read what is known of tables whose worker is dropped.*\nDETAIL: .*\nHINT: [^\n]*$/, 'nor its own, and says what is left');
	is(sql(q{SELECT has_schema_privilege('eve', 'pythia', 'USAGE')}), 'f', 'which it has lost');
	$dropping->do('COMMIT');
	$dropping->close;
	is(says(q{SELECT pythia.revoke_use('eve')}), '', 'afterwards nothing is');
	sql(q{SELECT pythia.drop_cdc_worker('franks')});
	sql("DROP OWNED BY $_ CASCADE; DROP ROLE $_") for qw(dave eve frank);
};

# a name without a schema means what it did when the worker was made, whoever may create schemas
subtest 'a schema that comes before the one that was meant' => sub {
	sql(q{GRANT CREATE ON DATABASE postgres TO mallory; GRANT ALL ON SCHEMA public TO alice});
	as('alice', q{CREATE TABLE public.orders (id int PRIMARY KEY, v text); INSERT INTO public.orders VALUES (1, 'a'); CREATE TABLE alice.sink (id int PRIMARY KEY, v text)});
	# hers comes first on the path: made when there was none of that name
	sql('ALTER SCHEMA alice RENAME TO hers');
	as('alice', q{SELECT pythia.create_sync_worker('ships', 'local', 'local', '{"mode": "full", "deletes": "hard", "table_map": {"orders": "hers.sink"}}', '{orders}');
		SELECT pythia.create_sync_worker('takes', 'local', 'local', '{"mode": "full", "table_map": {"hers.sink": "orders"}}', '{hers.sink}'); SELECT pythia.sync_all_tables('ships')});
	as('mallory', q{CREATE SCHEMA alice; CREATE TABLE alice.orders (id int PRIMARY KEY, v text); GRANT USAGE ON SCHEMA alice TO alice; GRANT ALL ON alice.orders TO alice});
	is(as('alice', q{SELECT rows_deleted FROM pythia.sync_all_tables('ships')}), '0', 'nothing is deleted for an empty table of somebody else\'s');
	is(as('alice', q{SELECT error IS NULL FROM pythia.sync_all_tables('takes')}) . sql('SELECT count(*) FROM alice.orders'), 't0', 'nor does it get what was meant for another');
	as('alice', q{SELECT pythia.start_sync('ships'), pythia.start_sync('takes')});
	ok(wait_for($node, q{SELECT count(*) = 2 FROM pythia.worker_state JOIN pythia.worker USING (worker_id) WHERE name IN ('ships', 'takes') AND NOT enabled AND stopped_at >= started_at AND failures = 0}), 'in the background');
	is(sql('SELECT count(*) FROM hers.sink') . sql('SELECT count(*) FROM alice.orders'), '10', 'into the tables that were meant');
	sql(q{SELECT pythia.drop_sync_worker('ships'); SELECT pythia.drop_sync_worker('takes'); DROP SCHEMA alice CASCADE; ALTER SCHEMA hers RENAME TO alice; DROP TABLE public.orders});
};

# where nothing is shared, a worker is a process, and takes a slot from others as long as it runs
subtest 'all processes for one role, not preloaded' => sub {
	my $plain = pg_node('plain', shared_preload_libraries => '', max_worker_processes => 8, 'pythia_db.max_workers_per_role' => 2, 'pythia_db.restart_delay' => '1s');
	my $does = sub { return $plain->safe_psql('postgres', $_[0]); };
	my $processes = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pythia_db %' AND usename = 'mallory'};
	$does->("CREATE ROLE $_ LOGIN; SELECT pythia.grant_use('$_'); CREATE SCHEMA $_ AUTHORIZATION $_; SET ROLE $_;
		CREATE TABLE $_.t (id int PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now()); CREATE INDEX ON $_.t (updated_at); RESET ROLE") for 'mallory', 'alice';
	$does->("SET ROLE mallory; SELECT pythia.create_cdc_worker('m$_', '{mallory.t}', poll_interval => '50 ms')") for 1 .. 6;
	$does->("SET ROLE mallory; SELECT pythia.start_cdc('m$_')") for 1, 2;
	ok(wait_for($plain, $processes, '2'), 'a role has as many as it may');
	my $start = "SET ROLE mallory; SELECT pythia.start_cdc('m3')";
	like(($plain->psql('postgres', $start))[2], qr/ERROR:  pythia_db\.max_workers_per_role processes of role "mallory" are busy\nHINT:  Raise/, 'and is told');
	$does->("SET ROLE mallory; SELECT pythia.stop_cdc('m1')");
	$does->($start);
	ok(wait_for($plain, "SELECT state = 'running' FROM pythia.worker_status WHERE name = 'm3'"), 'one that is stopped makes room');
	$does->("SET ROLE mallory; SELECT pythia.stop_cdc('m$_')") for 2, 3;
	ok(wait_for($plain, $processes, '0'), 'they are given back');

	# all at once: each finds room as long as none of the others has begun
	my @sessions = map { Pythia::Session->new($plain) } 1 .. 6;
	$_->do('SET ROLE mallory') for @sessions;
	$sessions[$_ - 1]->send("SELECT pythia.start_cdc('m$_')") for 1 .. 6;
	$_->finish for @sessions;
	$_->close for @sessions;
	ok(wait_for($plain, $processes, '2'), 'two of those that are started at once stay');
	$does->("SET ROLE alice; SELECT pythia.create_cdc_worker('a', '{alice.t}', poll_interval => '50 ms'); SELECT pythia.start_cdc('a')");
	ok(wait_for($plain, "SELECT state = 'running' FROM pythia.worker_status WHERE name = 'a'"), 'another role has hers');
	ok(wait_for($plain, $processes, '2'), 'and they have no more');
	$does->("SET ROLE mallory; SELECT pythia.stop_cdc('m$_')") for 1 .. 6;
	ok(wait_for($plain, $processes, '0'), 'they are given back, too');

	# helpers count
	$does->(q{SET ROLE mallory; CREATE VIEW mallory.slow1 AS SELECT 1 AS id, pg_sleep(600)::text AS v; CREATE VIEW mallory.slow2 AS SELECT * FROM mallory.slow1; CREATE VIEW mallory.slow3 AS SELECT * FROM mallory.slow1;
		SELECT pythia.create_sync_worker('wide', 'local', 'local', '{"key": ["id"], "mode": "full", "parallel": 8, "table_map": {"mallory.slow1": "mallory.c1", "mallory.slow2": "mallory.c2", "mallory.slow3": "mallory.c3"}}', tables => '{mallory.slow1,mallory.slow2,mallory.slow3}');
		SELECT pythia.start_sync('wide')});
	ok(wait_for($plain, "SELECT count(*) = 2 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND usename = 'mallory'"), 'a sync with a helper');
	# one that finds no room any more goes by itself
	ok(wait_for($plain, $processes, '2'), 'has no more that stay');
	$plain->stop('immediate');
};

done_testing();
