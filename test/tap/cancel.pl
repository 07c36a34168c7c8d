# Remote waits can be cancelled, and a server that fails midway leaves nothing half-done.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time);
use Pythia::Test;

my $pg = pg_node('main', restart_after_crash => 'on', 'pythia_db.restart_delay' => '1s');
my $my = Pythia::MariaDB->new('main');
my $url = $my->url;

sub sql { return $pg->safe_psql('postgres', $_[0]); }

# Runs SQL that must fail; returns what was said and how long it took.
sub fails
{
	my ($sql) = @_;
	my $start = time;
	my ($rc, $out, $err) = $pg->psql('postgres', $sql, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	isnt($rc, 0, 'it fails');
	return ($err, time - $start);
}

sql(q{CREATE TABLE orders (id bigint PRIMARY KEY, note text, updated_at timestamptz DEFAULT now());
	INSERT INTO orders SELECT g, repeat(md5(g::text), 20) FROM generate_series(1, 40000) g});
sql("SELECT pythia.create_connection('shop', '$url')");
my $kind = $ENV{MYSQLD} ? 'MySQL' : 'MariaDB';
is(sql("SELECT reachable, server_version LIKE '$kind%', round_trip > '0', error IS NULL FROM pythia.test_connection('shop')"),
	't|t|t|t', 'the connection works');
sql("SELECT pythia.sync_between('local', 'shop', 'orders', '{\"mode\": \"full\"}')");

# a server that answers no more
$my->freeze;
my ($err, $took) = fails("SET statement_timeout = '700ms'; SELECT pythia.sync_between('local', 'shop', 'orders')");
like($err, qr/57014: canceling statement due to statement timeout/, 'statement_timeout works in a remote wait');
cmp_ok($took, '<', 5, 'at once');
for my $call ("pythia.sync_between('shop', 'local', 'orders', '{\"table_map\": {\"orders\": \"back\"}}')",
	"pythia.validate_between('local', 'shop', 'orders')", "pythia.test_connection('shop')")
{
	my ($in, $out, $said) = ('', '', '');
	my $handle = IPC::Run::start([ 'psql', '-XAtq', '-d', $pg->connstr('postgres'), '-c', "SELECT $call" ], '<', \$in, '>', \$out, '2>', \$said);
	my $name = $call;
	$name =~ s/'/''/g;
	ok(wait_for($pg, "SELECT count(*) = 1 FROM pg_stat_activity WHERE query = 'SELECT $name' AND state = 'active' AND wait_event_type = 'Extension'"),
		'the call waits for the remote server: ' . $call =~ s/\(.*//r);
	my $start = time;
	sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT $name'");
	$handle->finish;
	cmp_ok(time - $start, '<', 5, 'pg_cancel_backend ends it at once');
	like($said, qr/canceling statement due to user request/, 'and says so');
}
is(sql("SELECT to_regclass('back') IS NULL"), 't', 'nothing half-done is left');

# a worker in a remote wait
sql("SELECT pythia.create_sync_worker('w', 'local', 'shop', tables => ARRAY['orders'], schedule => '100 ms'); SELECT pythia.start_sync('w')");
ok(wait_for($pg, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pythia_db worker' AND wait_event_type = 'Extension' AND state = 'active'"),
	'a worker waits for the remote server');
my $pid = sql("SELECT pid FROM pythia.worker_status WHERE name = 'w'");
my $start = time;
sql("SELECT pythia.stop_sync('w')");
ok(wait_for($pg, "SELECT pid IS NULL FROM pythia.worker_status WHERE name = 'w'"), 'stop_sync ends it there');
cmp_ok(time - $start, '<', 5, 'at once');
sql("SELECT pythia.start_sync('w')");
ok(wait_for($pg, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pythia_db worker' AND wait_event_type = 'Extension' AND state = 'active'"),
	'it waits again');
$start = time;
$pg->stop('fast');
cmp_ok(time - $start, '<', 10, 'a shutdown does not wait for it');
$my->thaw;
$pg->start;
ok(wait_for($pg, "SELECT runs > 0 FROM pythia.stat_sync WHERE worker = 'w'"), 'when the server answers again the worker goes on');

# a server that dies under workers, and comes back: it looks alike for both kinds, as long as it lasts
$my->sql('CREATE TABLE watched (id int PRIMARY KEY, updated_at datetime(6), KEY (updated_at))');
sql("SELECT pythia.create_cdc_worker('c', '{watched}', 'shop', '100 ms'); SELECT pythia.start_cdc('c')");
ok(wait_for($pg, "SELECT state IN ('running', 'idle') FROM pythia.worker_status WHERE name = 'c'"), 'a CDC worker beside it');
$my->kill9;
for my $worker ('w', 'c')
{
	ok(wait_for($pg, "SELECT failures >= 3 AND last_error IS NOT NULL AND last_error_sqlstate IS NOT NULL AND last_error_at IS NOT NULL AND retry_at > last_error_at AND state = 'retrying' FROM pythia.worker_status WHERE name = '$worker'"),
		"a dead server is told in worker_status ($worker)");
}
sql("SELECT pythia.drop_cdc_worker('c')");
unlike(sql("SELECT last_error FROM pythia.worker_status WHERE name = 'w'"), qr/secret/, 'without the password');
$my->start;
ok(wait_for($pg, "SELECT failures = 0 AND state = 'running' FROM pythia.worker_status WHERE name = 'w'"), 'the worker recovers by itself');
sql("SELECT pythia.drop_sync_worker('w')");

# it dies in the middle of a foreground sync
sql('CREATE TABLE victim (LIKE orders INCLUDING ALL)');
$my->sql('ANALYZE TABLE orders');
{
	my ($in, $out, $said) = ('', '', '');
	my $handle = IPC::Run::start([ 'psql', '-XAtq', '-d', $pg->connstr('postgres'), '-c',
			q{SELECT pythia.sync_between('shop', 'local', 'orders', '{"mode": "full", "table_map": {"orders": "victim"}, "max_bytes_per_second": 4000000}')} ],
		'<', \$in, '>', \$out, '2>', \$said);
	ok(wait_for($pg, 'SELECT bytes_processed > 0 FROM pythia.stat_progress_sync'), 'a sync is under way');
	is(sql(q{SELECT worker IS NULL, "table", phase, rows_total BETWEEN 20000 AND 80000, rows_processed BETWEEN 1 AND 39999,
			bytes_processed / rows_processed BETWEEN 600 AND 800, started BETWEEN a.query_start AND now(), a.query LIKE '%sync_between%'
			FROM pythia.stat_progress_sync JOIN pg_stat_activity a USING (pid)}),
		't|orders|copying|t|t|t|t|t', 'stat_progress_sync tells how far it is');
	my $rows = sql('SELECT rows_processed FROM pythia.stat_progress_sync');
	ok(wait_for($pg, "SELECT rows_processed > $rows FROM pythia.stat_progress_sync"), 'and follows it');
	$my->kill9;
	$handle->finish;
	like($said, qr/ERROR/, 'a server that disappears midway is an error');
	unlike($said, qr/secret/, 'without the password');
	is(sql('SELECT count(*) FROM victim'), 0, 'and nothing half-done is left');
}
($err) = fails("SELECT pythia.sync_between('local', 'shop', 'orders')");
like($err, qr/ERROR:  08\w{3}:.*/, 'a server that is down is a connection error');
like($err, qr/HINT/, 'with a hint');
is(sql("SELECT reachable FROM pythia.test_connection('shop')"), 'f', 'test_connection says so without an error');
$my->start;

# wrong password, wrong database
($err) = fails(sprintf("SELECT pythia.sync_between('local', 'mariadb://pythia:wrong\@127.0.0.1:%d/pythia', 'orders')", $my->{port}));
like($err, qr/ERROR:  28\w{3}:/, 'a wrong password is an authorization error');
unlike($err, qr/wrong/, 'that does not repeat it');
($err) = fails(sprintf("SELECT pythia.sync_between('local', 'mariadb://pythia:secret\@127.0.0.1:%d/nowhere', 'orders')", $my->{port}));
like($err, qr/nowhere/, 'an unknown database is named');
unlike($err, qr/secret/, 'without the password');

# secrets stay where they belong
is(sql("SELECT count(*) FROM pg_foreign_server WHERE srvoptions::text LIKE '%secret%'"), 0, 'no secret in the server');
sql("SELECT pythia.create_sync_worker('own', 'local', '$url', tables => ARRAY['orders'])");
is(sql("SELECT target FROM pythia.sync_worker"), 'own_target', 'a URL with a password becomes a connection of its own');
sql("SELECT pythia.start_sync('own')");
ok(wait_for($pg, "SELECT NOT enabled AND pid IS NULL FROM pythia.worker_status WHERE name = 'own'"), 'it works in the background');
sql("SELECT pythia.drop_sync_worker('own')");
is(sql("SELECT count(*) FROM pg_foreign_server WHERE srvname = 'own_target'"), 0, 'it goes with the worker');

# what our own errors and log lines say: the statements that hold it are the user's
my $log = PostgreSQL::Test::Utils::slurp_file($pg->logfile);
my @leaks = grep { /secret/ && !/(?:LOG|STATEMENT):/ } split /\n/, $log;
is(join("\n", @leaks), '', 'no secret in the log but in the statements as they were given');
done_testing();
