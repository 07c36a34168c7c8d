# The life of background workers: start, stop, failure, shortage, kill, restart,
# and what may happen to their database, role and extension.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time);
use Pythia::Session;
use Pythia::Test;

my $pg = pg_node('main', restart_after_crash => 'on', max_worker_processes => 16, 'pythia_db.max_workers' => 3, 'pythia_db.restart_delay' => '1s');
my $dir = PostgreSQL::Test::Utils::tempdir();

sub sql { return $pg->safe_psql($_[1] // 'postgres', $_[0]); }

sub state_is
{
	my ($name, $state, $test, $database) = @_;
	ok(wait_for($pg, "SELECT state = '$state' FROM pythia.worker_status WHERE name = '$name'", 't', $database), $test);
	return;
}

sub processes
{
	my ($type, $database) = @_;
	return "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pythia_db $type'"
	  . ($database ? " AND datname = '$database'" : '');
}

sql(q{CREATE TABLE t (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now());
	INSERT INTO t SELECT g, g FROM generate_series(1, 1000) g});
is(sql(processes('launcher')), 1, 'the launcher runs');
ok(wait_for($pg, processes('manager'), 0), 'no manager stays where no worker is enabled');

# once
sql("SELECT pythia.create_sync_worker('once', 'local', 'sqlite:///$dir/once.db', tables => ARRAY['t'])");
state_is('once', 'stopped', 'a new worker is stopped');
sql("SELECT pythia.start_sync('once')");
ok(wait_for($pg, "SELECT NOT enabled AND pid IS NULL FROM pythia.worker_status WHERE name = 'once'"),
	'a worker without a schedule ends when its tables are synchronised');
is(sql("SELECT rows_inserted, runs, last_error IS NULL FROM pythia.stat_sync WHERE worker = 'once'"), '1000|1|t',
	'and did them');
sql("SELECT pythia.start_sync('once')");
ok(wait_for($pg, "SELECT runs = 2 FROM pythia.stat_sync WHERE worker = 'once'"), 'started again it runs again');

# a start that comes just as the worker ends is a run of its own
my ($reader, $starter) = map { Pythia::Session->new($pg) } 1 .. 2;
$reader->do('BEGIN; LOCK TABLE t');
sql("SELECT pythia.start_sync('once')");
$starter->do("BEGIN; SELECT FROM pythia.worker WHERE name = 'once' FOR NO KEY UPDATE");
$reader->do('COMMIT');
ok(wait_for($pg, "SELECT (SELECT runs FROM pythia.stat_sync WHERE worker = 'once') = 3 AND wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = (SELECT pid FROM pythia.worker_status WHERE name = 'once')"), 'a worker is about to end');
$starter->do("SELECT pythia.start_sync('once'); COMMIT");
ok(wait_for($pg, "SELECT runs = 4 FROM pythia.stat_sync WHERE worker = 'once'"), 'and runs for the start that came meanwhile');
# one that was not committed when the rows were read does not count as done
$starter->do("BEGIN; SELECT pythia.start_sync('once')");
sql("SELECT rows_synced FROM pythia.sync_all_tables('once')");
$starter->do('COMMIT');
ok(wait_for($pg, "SELECT runs = 6 FROM pythia.stat_sync WHERE worker = 'once'"), 'a run before the start was committed does not answer it');
ok(wait_for($pg, "SELECT NOT enabled FROM pythia.worker_status WHERE name = 'once'"), 'then it rests');

# by schedule, start that is rolled back, stop
sql("SELECT pythia.create_sync_worker('steady', 'local', 'sqlite:///$dir/steady.db', tables => ARRAY['t'], schedule => '100 ms')");
sql("BEGIN; SELECT pythia.start_sync('steady'); ROLLBACK");
is(sql("SELECT enabled FROM pythia.worker_status WHERE name = 'steady'"), 'f', 'a start that is rolled back starts nothing');
sql("SELECT pythia.start_sync('steady')");
state_is('steady', 'running', 'a scheduled worker runs');
{
	my ($rc, $out, $err) = $pg->psql('postgres', "BEGIN; SELECT pythia.stop_sync('steady'); PREPARE TRANSACTION 'p'");
	like($err, qr/cannot PREPARE a transaction that has started, stopped or dropped a worker/, 'PREPARE would lose it, and is refused');
}
ok(wait_for($pg, "SELECT runs >= 3 FROM pythia.stat_sync WHERE worker = 'steady'"), 'again and again');
is(sql("SELECT count(*) FROM pg_stat_activity a JOIN pythia.worker_status w USING (pid) WHERE a.application_name LIKE 'pythia_db worker %' AND usename = current_user"),
	1, 'pg_stat_activity names it');
sql("BEGIN; SELECT pythia.stop_sync('steady'); ROLLBACK");
state_is('steady', 'running', 'a stop that is rolled back stops nothing');
my $start = time;
sql("SELECT pythia.stop_sync('steady')");
state_is('steady', 'stopped', 'stop_sync stops it');
cmp_ok(time - $start, '<', 5, 'soon');
my $runs = sql("SELECT runs FROM pythia.stat_sync WHERE worker = 'steady'");

# what comes back by itself
sql("SELECT pythia.start_sync('steady')");
state_is('steady', 'running', 'it runs again');
my $pid = sql("SELECT pid FROM pythia.worker_status WHERE name = 'steady'");
sql("SELECT pg_terminate_backend($pid)");
ok(wait_for($pg, "SELECT pid <> $pid FROM pythia.worker_status WHERE name = 'steady' AND pid IS NOT NULL"),
	'a terminated worker comes back');
$pid = sql("SELECT pid FROM pythia.worker_status WHERE name = 'steady'");
my $manager = sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'pythia_db manager'");
sql("SELECT pg_terminate_backend($manager)");
ok(wait_for($pg, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pythia_db manager' AND pid <> $manager"),
	'a terminated manager comes back');
is(sql("SELECT pid FROM pythia.worker_status WHERE name = 'steady'"), $pid, 'its worker was not disturbed');
my $launcher = sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'pythia_db launcher'");
sql("SELECT pg_terminate_backend($launcher)");
ok(wait_for($pg, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pythia_db launcher' AND pid <> $launcher"),
	'a terminated launcher comes back');
is(sql(processes('worker')), 1, 'there is one worker still');
$pid = sql("SELECT pid FROM pythia.worker_status WHERE name = 'steady'");
sql("SELECT pg_cancel_backend($pid)");
state_is('steady', 'running', 'a cancel costs it a turn at most');
is(sql("SELECT pid FROM pythia.worker_status WHERE name = 'steady'"), $pid, 'the process is the same');
kill 'KILL', $pid;
ok(wait_for($pg, "SELECT pid <> $pid FROM pythia.worker_status WHERE name = 'steady' AND pid IS NOT NULL"),
	'after kill -9 the server restarts and the worker is there again');
$pg->restart;
state_is('steady', 'running', 'after a restart of the server too');
$pg->stop('immediate');
$pg->start;
state_is('steady', 'running', 'and after a crash of it');
ok(wait_for($pg, "SELECT runs > $runs FROM pythia.stat_sync WHERE worker = 'steady'"), 'it works');

# failure and recovery
sql('CREATE TABLE later (id int PRIMARY KEY)');
sql("SELECT pythia.create_sync_worker('late', 'local', 'sqlite:///$dir/late.db', tables => ARRAY['later', 't'], schedule => '200 ms')");
sql('DROP TABLE later');
sql("SELECT pythia.start_sync('late')");
ok(wait_for($pg, q{SELECT last_error LIKE '%"later" does not exist%' FROM pythia.stat_sync WHERE worker = 'late' AND "table" = 'later'}),
	'a missing table is told in stat_sync');
ok(wait_for($pg, q{SELECT runs > 1 FROM pythia.stat_sync WHERE worker = 'late' AND "table" = 't'}), 'the other table goes on');
sql('CREATE TABLE later (id int PRIMARY KEY, updated_at timestamptz)');
ok(wait_for($pg, q{SELECT runs > 0 AND last_error IS NULL FROM pythia.stat_sync WHERE worker = 'late' AND "table" = 'later'}),
	'once it is there it is synchronised');
sql("SELECT pythia.drop_sync_worker('late')");
ok(wait_for($pg, "SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 7 AND classid = 2"), 'a dropped worker ends');

# many share a few processes, and those that are not due have none
sql('CREATE TABLE seen (w text, id int)');
sql(q{CREATE FUNCTION see(c pythia.database_change) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen VALUES (c."table", (c.primary_key->>'id')::int); RETURN NULL; END $$});
sql(q{DO $$ BEGIN FOR i IN 1..40 LOOP
	EXECUTE format('CREATE TABLE many%s (id int PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now())', i);
	PERFORM pythia.create_cdc_worker('many' || i, ARRAY['many' || i], poll_interval => '1 s', handler => 'see');
	PERFORM pythia.start_cdc('many' || i);
END LOOP; END $$});
ok(wait_for($pg, "SELECT count(*) = 40 AND count(DISTINCT pid) <= 3 FROM pythia.worker_status WHERE name LIKE 'many%' AND state = 'running'"), 'forty workers run in pythia_db.max_workers processes');
sql(q{DO $$ BEGIN FOR i IN 1..40 LOOP EXECUTE format('INSERT INTO many%s VALUES (1)', i); END LOOP; END $$});
ok(wait_for($pg, 'SELECT count(*) = 40 AND count(DISTINCT w) = 40 FROM seen'), 'each has its turn');
is(sql("SELECT count(DISTINCT a.application_name) > 1 FROM (SELECT 1) x, LATERAL (SELECT application_name FROM pg_stat_activity WHERE backend_type = 'pythia_db worker' UNION SELECT 'other') a"), 't', 'under its own name');
sql("SELECT pythia.stop_cdc('many' || i) FROM generate_series(1, 40) i");
ok(wait_for($pg, "SELECT count(*) = 0 FROM pythia.worker_status WHERE name LIKE 'many%' AND (state <> 'stopped' OR pid IS NOT NULL)"), 'all stop');
sql("SELECT pythia.drop_cdc_worker('many' || i) FROM generate_series(1, 40) i");
sql("SELECT pythia.stop_sync('steady')");
for my $i (1 .. 3)
{
	sql("SELECT pythia.create_sync_worker('w$i', 'local', 'sqlite:///$dir/w$i.db', tables => ARRAY['t'], schedule => '1 h'); SELECT pythia.start_sync('w$i')");
}
ok(wait_for($pg, q{SELECT count(*) = 3 FROM pythia.stat_sync WHERE worker LIKE 'w_' AND runs = 1}), 'workers with a schedule run');
ok(wait_for($pg, q{SELECT count(*) = 3 FROM pythia.worker_status WHERE name LIKE 'w_' AND state = 'idle' AND pid IS NULL AND next_turn > now() + interval '50 min'}), 'and have no process until the next time');
ok(wait_for($pg, processes('worker'), 0), 'nobody has one');

# no room: who has a process and keeps it leaves the others none
my @owners = map { "owner$_" } 1 .. 5;
sql(q{CREATE FUNCTION nap(c pythia.database_change) RETURNS jsonb LANGUAGE sql AS $$ SELECT to_jsonb(pg_sleep(600)::text) $$; GRANT ALL ON t TO PUBLIC});
for my $owner (@owners)
{
	sql("CREATE ROLE $owner LOGIN SUPERUSER; CREATE TABLE $owner (id int PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now())");
	sql("SET ROLE $owner; SELECT pythia.create_cdc_worker('$owner', '{$owner}', poll_interval => '200 ms', handler => '" . ($owner =~ /[123]/ ? 'nap' : 'see') . "')");
}
sql("SELECT pythia.start_cdc('$_')") for @owners;
ok(wait_for($pg, "SELECT count(*) = 5 FROM pythia.stat_cdc WHERE worker LIKE 'owner%' AND last_poll IS NOT NULL"), 'owners take turns where there are more than processes');
sql("INSERT INTO $_ VALUES (1)") for @owners[3, 4];
ok(wait_for($pg, "SELECT count(*) = 2 FROM seen WHERE w LIKE 'owner%'"), 'and their workers work');
sql("INSERT INTO $_ VALUES (1)") for @owners[0 .. 2];
ok(wait_for($pg, "SELECT count(*) = 2 FROM pythia.worker_status WHERE name LIKE 'owner%' AND pid IS NULL AND last_error LIKE '%max_workers processes are busy%'"), 'who finds none is told');
{
	my ($rc, $out, $err) = $pg->psql('postgres', "SELECT pythia.start_cdc('owner5')");
	like($err, qr/WARNING:  pythia_db\.max_workers processes are busy with other workers\n.*DETAIL:  This one waits.*HINT:  Raise pythia_db\.max_workers/s, 'also by start_cdc');
}
sql("SELECT pythia.stop_cdc('owner1')");
sql("INSERT INTO $_ VALUES (2)") for @owners[3, 4];
ok(wait_for($pg, "SELECT count(*) = 4 FROM seen WHERE w LIKE 'owner%'"), 'they go on when there is room');
# who notes the end of a turn has nothing locked that who drops the worker wants, too
{
	my $dropper = Pythia::Session->new($pg);
	my $refused = 0;

	$dropper->send("BEGIN; SELECT FROM pythia.consumer JOIN pythia.worker w USING (worker_id) WHERE w.name = 'owner2' FOR UPDATE OF consumer");
	ok(wait_for($pg, "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $dropper->{pid}"), 'a turn has its consumer');
	sql("SELECT pythia.stop_cdc('owner2')");
	$dropper->finish;
	for (1 .. 10)
	{
		my ($rc, $out, $err) = $pg->psql('postgres',
			"SELECT FROM pythia.worker_state s JOIN pythia.worker w USING (worker_id) WHERE w.name = 'owner2' FOR UPDATE OF s NOWAIT");
		$refused += $err ne '';
		select(undef, undef, undef, 0.1);
	}
	is($refused, 0, 'the state of its worker is free when it has ended');
	$dropper->do('COMMIT');
}
sql("SELECT pythia.stop_cdc('$_')") for @owners;
sql("SELECT pythia.drop_cdc_worker('$_')") for @owners;
sql("SELECT pythia.drop_sync_worker('w$_')") for 1 .. 3;
ok(wait_for($pg, processes('worker'), 0), 'all have ended');
ok(wait_for($pg, processes('manager'), 0), 'and the manager with them');

# a role of its own
sql('CREATE ROLE clerk LOGIN; GRANT pg_read_server_files, pg_write_server_files TO clerk; GRANT SELECT ON t TO clerk');
sql("SELECT pythia.grant_use('clerk')");
sql("SET ROLE clerk; SELECT pythia.create_sync_worker('clerks', 'local', 'sqlite:///$dir/clerk.db', tables => ARRAY['t'], schedule => '100 ms'); SELECT pythia.start_sync('clerks')");
state_is('clerks', 'running', 'another role has a worker');
is(sql("SELECT usename FROM pg_stat_activity JOIN pythia.worker_status USING (pid) WHERE name = 'clerks'"), 'clerk', 'it runs as that role');
ok(wait_for($pg, "SELECT runs > 0 FROM pythia.stat_sync WHERE worker = 'clerks'"), 'with the rights of that role');
sql("SELECT pythia.stop_sync('clerks')");
state_is('clerks', 'stopped', 'its superuser may stop it');
ok(wait_for($pg, processes('worker'), 0), 'its process has left');
sql('ALTER ROLE clerk NOLOGIN');
sql("SELECT pythia.start_sync('clerks')");
my $bypass = sql("SELECT current_setting('server_version_num')::int >= 170000");
if ($bypass eq 't')
{
	state_is('clerks', 'running', 'a role that may not log in still works');
}
else
{
	ok(wait_for($pg, "SELECT last_error LIKE '%may not log in%LOGIN%' FROM pythia.worker_status WHERE name = 'clerks'"),
		'a role that may not log in is told');
}
sql('ALTER ROLE clerk LOGIN');
state_is('clerks', 'running', 'and runs once it may');
sql("SELECT pythia.stop_sync('clerks')");
state_is('clerks', 'stopped', 'it is stopped');
ok(wait_for($pg, processes('worker'), 0), 'its process has left again');
sql("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC; SELECT pythia.start_sync('clerks')");
ok(wait_for($pg, "SELECT last_error LIKE '%could not enter the database%' FROM pythia.worker_status WHERE name = 'clerks'"),
	'a process that cannot enter the database is told');
sql('GRANT CONNECT ON DATABASE postgres TO PUBLIC');
state_is('clerks', 'running', 'and tried again');
sql("REVOKE ALL ON t FROM clerk; SELECT pythia.revoke_use('clerk'); DROP ROLE clerk");
ok(wait_for($pg, processes('worker'), 0), 'DROP ROLE ends its worker');
ok(wait_for($pg, "SELECT last_error LIKE '%owner is gone%' FROM pythia.worker_status WHERE name = 'clerks'"), 'and it is told why');
sql("SELECT pythia.drop_sync_worker('clerks')");

# other databases
sql('CREATE DATABASE shop');
sql("CREATE EXTENSION pythia_db; CREATE TABLE t (id int PRIMARY KEY, updated_at timestamptz);
	SELECT pythia.create_sync_worker('s', 'local', 'sqlite:///$dir/shop.db', tables => ARRAY['t'], schedule => '50 ms');
	SELECT pythia.start_sync('s')", 'shop');
state_is('s', 'running', 'a second database has workers', 'shop');
sql('ALTER DATABASE shop RENAME TO store');
state_is('s', 'running', 'it can be renamed under them', 'store');
sql('CREATE DATABASE copy TEMPLATE store');
state_is('s', 'running', 'and copied', 'store');
$start = time;
sql('DROP DATABASE store');
cmp_ok(time - $start, '<', 5, 'and dropped, without waiting');
is(sql(processes('worker', 'store')), 0, 'its workers are gone');
sql('DROP DATABASE copy');

# the extension goes
sql("SELECT pythia.start_sync('steady')");
state_is('steady', 'running', 'a worker runs');
sql('DROP EXTENSION pythia_db CASCADE');
ok(wait_for($pg, processes('worker'), 0), 'DROP EXTENSION ends it');
ok(wait_for($pg, processes('manager'), 0), 'and the manager');
sql('CREATE EXTENSION pythia_db');
is(sql('SELECT count(*) FROM pythia.worker_status'), 0, 'a new extension begins empty');

# SIGHUP and a database that is not served
$pg->append_conf('postgresql.conf', "pythia_db.databases = 'other'");
$pg->reload;
sql("SELECT pythia.create_sync_worker('n', 'local', 'sqlite:///$dir/n.db', tables => ARRAY['t'], schedule => '1 h')");
my ($rc, $out, $err) = $pg->psql('postgres', "SELECT pythia.start_sync('n')");
like($err, qr/WARNING:  no background worker serves database "postgres".*pythia_db\.databases/s, 'a database that is not served is told');
$pg->append_conf('postgresql.conf', "pythia_db.databases = 'postgres, other'");
$pg->reload;
state_is('n', 'running', 'a reload of the configuration starts it');

ok(PostgreSQL::Test::Utils::slurp_file($pg->logfile) !~ /TRAP|PANIC|lwlock \d+ is not held/, 'nothing terrible in the log');
done_testing();
