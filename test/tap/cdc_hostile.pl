# Workers live with whatever the server, the database or the role set as defaults, and with sessions that hold on.
use strict;
use warnings;
use Pythia::Test;
use Pythia::Session;
use Test::More;

my $node = pg_node('hostile', restart_after_crash => 'on');
sub sql { return $node->safe_psql('postgres', $_[0]); }

sql(q{
	CREATE TABLE done (id int, v text, who text);
	CREATE FUNCTION handle(c pythia.database_change) RETURNS jsonb LANGUAGE plpgsql SET search_path = public AS $$ BEGIN
		INSERT INTO done VALUES ((c.primary_key->>'id')::int, c.new_data->>'v', current_user);
		IF c.new_data->>'v' = 'cancel' THEN RAISE query_canceled USING MESSAGE = 'a timeout of its own'; END IF;
		IF c.new_data->>'v' = 'shutdown' THEN RAISE admin_shutdown USING MESSAGE = 'a remote server went down'; END IF;
		IF c.new_data->>'v' = 'spoil' THEN
			PERFORM set_config('default_transaction_isolation', 'serializable', false), set_config('default_transaction_read_only', 'on', false),
				set_config('search_path', 'nowhere', false), set_config('DateStyle', 'SQL, DMY', false);
		END IF;
		RETURN NULL; END $$});

subtest 'defaults of the role, the database and the server' => sub {
	sql(q{
		CREATE ROLE other; CREATE ROLE fussy LOGIN IN ROLE other;
		SELECT pythia.grant_use('fussy'); SELECT pythia.grant_use('other');
		CREATE SCHEMA shadows; GRANT USAGE ON SCHEMA shadows TO fussy;
		CREATE FUNCTION shadows.not_less(timestamptz, timestamptz) RETURNS boolean LANGUAGE sql AS 'SELECT false';
		CREATE OPERATOR shadows.>= (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = shadows.not_less);
		CREATE TABLE t (id int PRIMARY KEY, v text, during tstzrange, updated_at timestamptz DEFAULT now());
		CREATE INDEX ON t (updated_at);
		GRANT ALL ON t, done TO fussy;
		SET ROLE fussy;
		SELECT pythia.create_cdc_worker('w', '{t}', poll_interval => '20 ms', handler => 'handle', options => '{"delete_interval": 0, "lookback": 0.05, "track": "rows"}')});
	sql("ALTER ROLE fussy SET $_") for
	  'default_transaction_isolation = serializable', 'default_transaction_read_only = on', 'default_transaction_deferrable = on',
	  "statement_timeout = '1ms'", "lock_timeout = '1ms'", "idle_in_transaction_session_timeout = '1ms'", 'row_security = off',
	  'session_replication_role = replica', "DateStyle = 'SQL, DMY'", "IntervalStyle = 'sql_standard'", 'bytea_output = escape',
	  'extra_float_digits = -10', 'search_path = shadows, pg_catalog', 'role = other', "TimeZone = 'Asia/Kolkata'",
	  'track_activities = off', loose_strings($node), 'quote_all_identifiers = on', 'enable_indexscan = off';
	$node->append_conf('postgresql.conf', "default_transaction_isolation = 'repeatable read'\n");
	$node->reload;
	sql("ALTER DATABASE postgres SET default_transaction_read_only = on");
	$node->safe_psql('template1', 'SELECT 1');
	sql("SET default_transaction_read_only = off; SET ROLE fussy; SELECT pythia.start_cdc('w')");
	sql("SET default_transaction_read_only = off; INSERT INTO t VALUES (1, 'a', '[2026-02-01,2026-03-02)')");
	ok(wait_for($node, "SELECT v || ' ' || who = 'a fussy' FROM done"), 'the change reaches the handler, as the owner');
	is(sql("SELECT new_data->>'during' FROM pythia.journal"), '["2026-02-01 00:00:00+00","2026-03-02 00:00:00+00")', 'told in one way');
	my $low = sql("SELECT low FROM pythia.stat_cdc WHERE worker = 'w'");
	sql("SET default_transaction_read_only = off; INSERT INTO t VALUES (2, 'b')");
	ok(wait_for($node, "SELECT low > '$low' AND EXISTS (SELECT FROM pythia.journal WHERE primary_key->>'id' = '2') FROM pythia.stat_cdc WHERE worker = 'w'"), 'low moves, and the row is told');
	# another session's way to write is no change
	sql("SET default_transaction_read_only = off; SET ROLE fussy; SELECT pythia.stop_cdc('w')");
	ok(wait_for($node, "SELECT pid IS NULL FROM pythia.worker_status WHERE name = 'w'"), 'stopped');
	sql("SET default_transaction_read_only = off; SET default_transaction_isolation = 'read committed'; SET TimeZone = 'America/Lima'; UPDATE t SET updated_at = clock_timestamp(); SELECT pythia.create_consumer('w', 'c', 'now'); SELECT pythia.poll('w')");
	is(sql("SET default_transaction_read_only = off; SELECT count(*) FROM pythia.consume_changes('w', 'c')"), '0', 'a row is the same whoever polls it');
	sql("SET default_transaction_read_only = off; ALTER DATABASE postgres RESET default_transaction_read_only");
	$node->append_conf('postgresql.conf', "default_transaction_isolation = 'read committed'\n");
	$node->reload;
	sql("SELECT pythia.drop_cdc_worker('w'); DROP OWNED BY fussy; DROP ROLE fussy; TRUNCATE done");
};

subtest 'errors of a handler that look like a stop' => sub {
	sql(q{CREATE TABLE h (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now()); CREATE INDEX ON h (updated_at);
		SELECT pythia.create_cdc_worker('h', '{h}', poll_interval => '20 ms', handler => 'handle', options => '{"max_attempts": 2, "retry_delay": 0.01}');
		SELECT pythia.start_cdc('h'); INSERT INTO h VALUES (1, 'cancel'), (2, 'shutdown'), (3, 'spoil'), (4, 'fine')});
	ok(wait_for($node, "SELECT string_agg((change).primary_key->>'id' || ' ' || sqlstate || ' ' || state, ', ' ORDER BY change_id) = '1 57014 dead, 2 57P01 dead' FROM pythia.failed_change"),
		'go to failed_change as any other');
	ok(wait_for($node, "SELECT string_agg(v, ' ' ORDER BY id) = 'spoil fine' FROM done"), 'the others are handled');
	sql("INSERT INTO h VALUES (5, 'after')");
	ok(wait_for($node, "SELECT count(*) = 1 FROM done WHERE v = 'after'"), 'a handler that changes the session\'s defaults harms nobody');
	is(sql("SELECT failures = 0 AND state = 'running' AND last_error LIKE 'its handler failed on change %' FROM pythia.worker_status WHERE name = 'h'"), 't',
		'and the worker never failed, but its handler');
	sql("SELECT pythia.drop_cdc_worker('h')");
};

subtest 'a consumer that waits holds no worker up' => sub {
	sql(q{CREATE TABLE w (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now()); CREATE INDEX ON w (updated_at);
		SELECT pythia.create_cdc_worker('late', '{w}', poll_interval => '50 ms', options => '{"delete_interval": 0}')});
	my $waiting = Pythia::Session->new($node);
	$waiting->send("SELECT string_agg(new_data->>'v', ' ') FROM pythia.consume_changes('late', wait => '1 hour')");
	ok(wait_for($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = $waiting->{pid} AND wait_event_type = 'Extension'"), 'it waits');
	# it polls from time to time
	ok(wait_for($node, "SELECT count(*) = 0 FROM pg_locks WHERE pid = $waiting->{pid} AND locktype = 'advisory'"), 'without the worker\'s lock');
	sql("SELECT pythia.start_cdc('late')");
	ok(wait_for($node, "SELECT pid IS NOT NULL FROM pythia.worker_status WHERE name = 'late'"), 'the worker starts meanwhile');
	sql("INSERT INTO w VALUES (1, 'a')");
	is($waiting->finish, 'a', 'captured by it, and consumed');
	# one that polls in a transaction left open
	sql("SELECT pythia.stop_cdc('late')");
	ok(wait_for($node, "SELECT pid IS NULL FROM pythia.worker_status WHERE name = 'late'"), 'stopped');
	my $open = Pythia::Session->new($node);
	sql("INSERT INTO w VALUES (2, 'b')");
	is($open->do("BEGIN; SELECT pythia.poll('late')"), '1', 'a session polls and does not commit');
	sql("SELECT pythia.start_cdc('late')");
	ok(wait_for($node, "SELECT pid IS NOT NULL FROM pythia.worker_status WHERE name = 'late'"), 'the worker runs');
	sql("SELECT pythia.stop_cdc('late')");
	ok(wait_for($node, "SELECT pid IS NULL FROM pythia.worker_status WHERE name = 'late'"), 'and is not stuck');
	$open->do('COMMIT');
	is(sql("SELECT string_agg(new_data->>'v', ' ') FROM pythia.consume_changes('late')"), 'b', 'nothing is lost');
	# waiting for long takes one place among the waiters, not one each turn
	my @many = map { Pythia::Session->new($node) } 1 .. 3;
	$_->send("SELECT string_agg(new_data->>'v', ' ') FROM pythia.consume_changes('late', wait => '1 hour')") for @many;
	ok(wait_for($node, "SELECT count(*) = 3 FROM pg_stat_activity WHERE pid IN (" . join(', ', map { $_->{pid} } @many) . ") AND wait_event_type = 'Extension'"), 'three wait');
	sql("INSERT INTO w VALUES (3, 'c')");
	# those who wait poll from time to time
	ok(wait_for($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid IN (" . join(', ', map { $_->{pid} } @many) . ") AND state = 'idle'"), 'one of them gets it');
	sql('SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid IN (' . join(', ', map { $_->{pid} } @many) . ')');
	is(join('', map { $_->finish } @many), 'c', 'once');
};

# A worker of a role of its own in a database of its own, running.
sub lonely
{
	my ($server, $n) = @_;
	$server->safe_psql('postgres', "CREATE ROLE lonely$n LOGIN; CREATE DATABASE lonely$n");
	$server->safe_psql("lonely$n", qq{CREATE EXTENSION pythia_db; SELECT pythia.grant_use('lonely$n'); CREATE TABLE t (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now()); CREATE INDEX ON t (updated_at);
		GRANT ALL ON t TO lonely$n; SET ROLE lonely$n; SELECT pythia.create_cdc_worker('w', '{t}', poll_interval => '20 ms', options => '{"delete_interval": 0}'); SELECT pythia.start_cdc('w')});
	ok(wait_for($server, "SELECT pid IS NOT NULL FROM pythia.worker_status WHERE name = 'w'", 't', "lonely$n"), 'a worker runs');
	return;
}
my $none = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pythia_db worker'";

for my $preloaded (1, 0)
{
	subtest 'DROP ROLE, EXTENSION, DATABASE under a live worker, ' . ($preloaded ? 'preloaded' : 'not preloaded') => sub {
		my $server = $preloaded ? $node : pg_node('plain', shared_preload_libraries => '', 'pythia_db.restart_delay' => '1s');
		lonely($server, 1);
		$server->safe_psql('lonely1', "INSERT INTO t VALUES (1, 'a')");
		ok(wait_for($server, "SELECT captured = 1 FROM pythia.stat_cdc", 't', 'lonely1'), 'and captures');
		$server->safe_psql('lonely1', 'REVOKE ALL ON t FROM lonely1; SELECT pythia.revoke_use(\'lonely1\'); DROP ROLE lonely1');
		ok(wait_for($server, $none, 0), 'DROP ROLE ends it');
		my $from = -s $server->logfile;
		lonely($server, 2);
		is($server->safe_psql('lonely1', "SELECT string_agg(v, '') FROM t"), 'a', 'the table is as it was');
		$server->safe_psql('lonely2', 'DROP EXTENSION pythia_db');
		ok(wait_for($server, $none, 0), 'DROP EXTENSION ends it');
		lonely($server, 3);
		$server->safe_psql('postgres', 'DROP DATABASE lonely3 WITH (FORCE)');
		ok(wait_for($server, $none, 0), 'DROP DATABASE ends it');
		lonely($server, 4);
		# killed, and the role gone before it is back
		my $pid = $server->safe_psql('lonely4', "SELECT pid FROM pythia.worker_status WHERE name = 'w'");
		$server->safe_psql('lonely4', "REVOKE ALL ON t FROM lonely4; SELECT pythia.revoke_use('lonely4'); BEGIN; DROP ROLE lonely4; SELECT pg_terminate_backend($pid); COMMIT");
		ok(wait_for($server, $none, 0), 'terminated as its role goes, it ends');
		# as long as it would take to be started again three times
		$server->safe_psql('postgres', 'SELECT pg_sleep(3.5)') unless $preloaded;
		my $log = substr(PostgreSQL::Test::Utils::slurp_file($server->logfile), $from);
		my $tries = () = $log =~ /FATAL:  (role with OID \d+|database \d+|database "\S+") does not exist/g;
		cmp_ok($tries, '<=', 2, "and nobody tries for ever: $tries");
	};
}

subtest 'names as they are written' => sub {
	sql(q{CREATE TABLE "Users" (id int PRIMARY KEY, updated_at timestamptz DEFAULT now()); CREATE INDEX ON "Users" (updated_at);
		CREATE SCHEMA "Shop"; CREATE TABLE "Shop"."Café au lait" (id int PRIMARY KEY, updated_at timestamptz DEFAULT now()); CREATE INDEX ON "Shop"."Café au lait" (updated_at)});
	sql(q{SELECT pythia.create_cdc_worker('n1', '{Users,Shop.Café au lait}'); SELECT pythia.create_cdc_worker('n2', '{Shop.*}'); SELECT pythia.create_cdc_worker('n3', ARRAY['"Shop".*', '"Users"'])});
	is(sql(q{SELECT string_agg(worker || ' ' || "schema" || '.' || "table", ', ' ORDER BY 1) FROM (SELECT worker, "schema", "table" FROM pythia.stat_cdc WHERE worker LIKE 'n_' ORDER BY 1, 2, 3) x}),
		'n1 Shop.Café au lait, n1 public.Users, n2 Shop.Café au lait, n3 Shop.Café au lait, n3 public.Users', 'need no quotes where SQL\'s reading finds nothing');
	my ($rc, $out, $err) = $node->psql('postgres', q{SELECT pythia.create_cdc_worker('n4', '{Shoop.*}')});
	like($err, qr/schema "Shoop" does not exist.*HINT/s, 'a schema that is not there is told');
	sql("SELECT pythia.drop_cdc_worker(name) FROM pythia.worker WHERE name LIKE 'n_'");
};

done_testing();
