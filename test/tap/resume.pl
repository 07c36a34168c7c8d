# A background sync goes on where it was cut off: by kill -9 of the worker, of
# the server, of the other server; nothing twice, nothing lost.
use strict;
use warnings;
use Test::More;
use Pythia::Test;

my $pg = pg_node('main', restart_after_crash => 'on', 'pythia_db.restart_delay' => '1s', fsync => 'on');
my $my = Pythia::MariaDB->new('main');
my $rows = 180000;

sub sql { return $pg->safe_psql('postgres', $_[0]); }

sql(qq{CREATE TABLE big (id bigint PRIMARY KEY, note text, n numeric(12,2), updated_at timestamptz DEFAULT now() - interval '1 hour');
	INSERT INTO big SELECT g, repeat(md5(g::text), 8), g * 1.01 FROM generate_series(1, $rows) g});
sql("SELECT pythia.create_connection('shop', '" . $my->url . "')");

my $all = 'SELECT COUNT(*), MIN(id), MAX(id), SUM(id), SUM(n) FROM big';

sub worker_runs
{
	my ($name) = @_;
	return wait_for($pg, "SELECT checkpoint IS NOT NULL FROM pythia.sync_state JOIN pythia.worker USING (worker_id) WHERE name = '$name'");
}

sub start_throttled
{
	my ($name, $source, $target, $config) = @_;
	sql("SELECT pythia.create_sync_worker('$name', '$source', '$target', '{\"mode\": \"full\", \"max_bytes_per_second\": 20000000$config}', tables => '{big}'); SELECT pythia.start_sync('$name')");
	ok(worker_runs($name), "$name: a checkpoint is stored");
	return;
}

sub finished
{
	my ($name) = @_;
	ok(wait_for($pg, "SELECT runs = 1 AND state = 'synced' FROM pythia.stat_sync WHERE worker = '$name'"), "$name: it ends well");
	return;
}

# to MariaDB, the worker killed
start_throttled('to', 'local', 'shop', ', "parallel": 1');
kill 'KILL', sql("SELECT pid FROM pythia.worker_status WHERE name = 'to'");
ok(wait_for($pg, 'SELECT true'), 'the server restarts after kill -9 of the worker');
finished('to');
is($my->sql($all), $pg->safe_psql('postgres', $all) =~ s/\|/\t/gr, 'every row is there once');
my ($read) = sql("SELECT rows_synced FROM pythia.stat_sync WHERE worker = 'to'");
cmp_ok($read, '<', $rows, 'what had been stored was not read again');
is(sql("SELECT is_valid FROM pythia.validate_sync('to', 'big')"), 't', 'and is equal');

# back, the server crashing
start_throttled('back', 'shop', 'local', ', "table_map": {"big": "back"}');
$pg->stop('immediate');
$pg->start;
finished('back');
is(sql($all =~ s/big/back/r), sql($all), 'every row came back once');
cmp_ok(sql("SELECT rows_synced FROM pythia.stat_sync WHERE worker = 'back'"), '<', $rows, 'without reading all again');

# back again, the other server killed
start_throttled('again', 'shop', 'local', ', "table_map": {"big": "again"}');
$my->kill9;
$my->start;
finished('again');
is(sql($all =~ s/big/again/r), sql($all), 'every row came back once');
done_testing();
