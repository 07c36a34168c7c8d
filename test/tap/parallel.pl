# Several tables of one sync worker at once: parents before children, one process
# a table, nothing twice after kill -9, and all of them gone with the worker.
use strict;
use warnings;
use Test::More;
use Pythia::Test;

my $pg = pg_node('main', restart_after_crash => 'on', 'pythia_db.restart_delay' => '1s', max_worker_processes => 12);
my $my = Pythia::MariaDB->new('main');
my $rows = 80000;
my @tables = map { "t$_" } 1 .. 4;

sub sql { return $pg->safe_psql('postgres', $_[0]); }

sql(join ';', map { "CREATE TABLE $_ (id bigint PRIMARY KEY, note text, updated_at timestamptz DEFAULT now() - interval '1 hour');
	INSERT INTO $_ SELECT g, repeat(md5(g::text), 8) FROM generate_series(1, $rows) g; ANALYZE $_" } @tables);
sql("SELECT pythia.create_connection('shop', '" . $my->url . "')");

sub start
{
	my ($name, $target, $config, @which) = @_;
	sql("SELECT pythia.create_sync_worker('$name', 'local', '$target', '{\"mode\": \"full\"$config}', tables => '{" . join(',', @which) . "}');
		SELECT pythia.start_sync('$name')");
	return;
}

sub synced { my ($name, $count) = @_; return wait_for($pg, "SELECT count(*) = $count FROM pythia.stat_sync WHERE worker = '$name' AND state = 'synced'"); }

sub over { return wait_for($pg, "SELECT state = 'stopped' FROM pythia.worker_status WHERE name = '$_[0]'"); }

my $processes = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type IN ('pythia_db worker', 'pythia_db helper')};

# three at once
start('together', 'shop', ', "parallel": 3, "max_bytes_per_second": 8000000', @tables);
ok(wait_for($pg, "SELECT count(DISTINCT pid) = 3 AND count(DISTINCT \"table\") = 3 FROM pythia.stat_progress_sync WHERE worker = 'together' AND phase = 'copying' AND rows_processed > 0 AND rows_processed < rows_total AND bytes_processed > 0"),
	'three tables are copied by three processes, each with its progress');
is(sql($processes), '3', 'the worker and two helpers');
ok(synced('together', 4), 'all four are synchronised');
ok(over('together'), 'and the worker is done');
ok(wait_for($pg, $processes, 0), 'no process is left');
is(sql("SELECT string_agg(DISTINCT runs || ' ' || failures || ' ' || rows_inserted, ',') FROM pythia.stat_sync WHERE worker = 'together'"),
	"1 0 $rows", 'each was taken once');
is($my->sql(join ' UNION ALL ', map { "SELECT COUNT(*) FROM $_" } @tables), join("\n", ($rows) x 4), 'and every row is there');

# a helper killed: the server starts again, and so does the worker, where it was
$my->sql("DROP TABLE $_") for @tables;
start('killed', 'shop', ', "parallel": 3, "max_bytes_per_second": 5000000', @tables);
ok(wait_for($pg, q{SELECT count(DISTINCT table_name) >= 2 FROM pythia.sync_part p JOIN pythia.worker USING (worker_id) WHERE name = 'killed' AND p.checkpoint IS NOT NULL}),
	'two tables have a checkpoint');
my ($helper) = split /\n/, sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'pythia_db helper'});
kill 'KILL', $helper;
ok(wait_for($pg, 'SELECT true'), 'the server restarts after kill -9 of a helper');
ok(synced('killed', 4), 'all are synchronised in the end');
is($my->sql(join ' UNION ALL ', map { "SELECT COUNT(*) FROM $_" } @tables), join("\n", ($rows) x 4), 'every row is there once');
cmp_ok(sql("SELECT sum(rows_synced) FROM pythia.stat_sync WHERE worker = 'killed'"), '<', 4 * $rows, 'what had been stored was not read again');

# a session works in its own transaction, and says so
my ($out, $err);
$pg->psql('postgres', q{SELECT count(*) FROM pythia.sync_all_tables('killed')}, stdout => \$out, stderr => \$err);
is($out, '4', 'sync_all_tables does all');
like($err, qr/NOTICE:  tables go one after another in a session.*start_sync/s, 'and says that it takes them in turn');

# stopped midway: helpers end too
$my->sql("DROP TABLE $_") for @tables;
start('stopped', 'shop', ', "parallel": 4, "max_bytes_per_second": 1000000', @tables);
ok(wait_for($pg, "SELECT count(*) = 4 FROM pythia.stat_progress_sync WHERE worker = 'stopped'"), 'four at once');
sql("SELECT pythia.stop_sync('stopped')");
ok(wait_for($pg, "SELECT ($processes) = 0"), 'stop_sync ends the worker and its helpers');
is(sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 7 AND classid = 3"), '0', 'and nobody has a table');

# parents first, by the target's keys alone
sql('CREATE DATABASE far');
$pg->safe_psql('far', q{CREATE TABLE c (id int PRIMARY KEY, v text, updated_at timestamptz);
	CREATE TABLE b (id int PRIMARY KEY, c int REFERENCES c, updated_at timestamptz);
	CREATE TABLE a (id int PRIMARY KEY, b int REFERENCES b, updated_at timestamptz)});
sql(q{CREATE TABLE pc (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now()); INSERT INTO pc SELECT g, repeat('x', 500) FROM generate_series(1, 3000) g;
	CREATE TABLE pb (id int PRIMARY KEY, c int, updated_at timestamptz DEFAULT now()); INSERT INTO pb SELECT g, g FROM generate_series(1, 3000) g;
	CREATE TABLE pa (id int PRIMARY KEY, b int, updated_at timestamptz DEFAULT now()); INSERT INTO pa SELECT g, g FROM generate_series(1, 3000) g});
start('family', pg_url($pg, 'far'), ', "parallel": 3, "table_map": {"pa": "a", "pb": "b", "pc": "c"}, "tables": {"pc": {"max_bytes_per_second": 1000000}}', 'pc', 'pb', 'pa');
ok(synced('family', 3), 'tables that refer to each other are synchronised');
is(sql("SELECT sum(failures) FROM pythia.stat_sync WHERE worker = 'family'"), '0', 'without a failure');
is(sql(q{SELECT string_agg("table", ' ' ORDER BY last_start) FROM pythia.stat_sync WHERE worker = 'family'}), 'pc pb pa', 'parents first');
is(sql(q{SELECT bool_and(last_start >= coalesce(before, last_start)) FROM (SELECT last_start, lag(last_end) OVER (ORDER BY last_start) AS before FROM pythia.stat_sync WHERE worker = 'family') s}),
	't', 'each after the one it refers to');

# without a process for a helper the worker does it all
$my->sql("DROP TABLE IF EXISTS $_") for @tables;
$pg->append_conf('postgresql.conf', "max_worker_processes = 4\n");
$pg->restart;
start('alone', 'shop', ', "parallel": 4', @tables);
ok(synced('alone', 4), 'with few processes all are synchronised too');
done_testing();
