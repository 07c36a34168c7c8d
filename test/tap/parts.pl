# One large table in parts, by several processes at once: in every direction, with kill -9 of helper, worker,
# postmaster and the other server while they are at it; what was kept is not read again.
use strict;
use warnings;
use Test::More;
use Pythia::Test;

my $pg = pg_node('main', restart_after_crash => 'on', 'pythia_db.restart_delay' => '1s', max_worker_processes => 12);
my $my = Pythia::MariaDB->new('main');
my $rows = 300000; # six parts for three streams

sub sql { return $pg->safe_psql('postgres', $_[0]); }

sql(qq{CREATE TABLE big (id bigint PRIMARY KEY, note text, n numeric(12,2), updated_at timestamptz DEFAULT now() - interval '1 hour');
	INSERT INTO big SELECT g, repeat(md5(g::text), 6), g * 1.01 FROM generate_series(1, $rows) g; CREATE INDEX ON big (n); ANALYZE big});
sql("SELECT pythia.create_connection('shop', '" . $my->url . "')");
sql('CREATE DATABASE far');
sql("SELECT pythia.create_connection('far', '" . pg_url($pg, 'far') . "')");

sub start
{
	my ($name, $source, $target, $config) = @_;
	sql("SELECT pythia.create_sync_worker('$name', '$source', '$target', '{\"mode\": \"full\", \"parallel\": 3$config}', tables => '{big}'); SELECT pythia.start_sync('$name')");
	return;
}

sub finished
{
	my ($name) = @_;
	ok(wait_for($pg, "SELECT runs = 1 AND state = 'synced' FROM pythia.stat_sync WHERE worker = '$name'"), "$name: it ends well");
	ok(wait_for($pg, "SELECT state = 'stopped' FROM pythia.worker_status WHERE name = '$name'"), "$name: and stops");
	return;
}

my $part = q{FROM pythia.sync_part p JOIN pythia.worker w USING (worker_id) WHERE w.name};
my $all = 'SELECT COUNT(*), SUM(id), SUM(n), COUNT(DISTINCT note) FROM big';
my $want = sql($all);

# from this database to another server, the progress of all together
start('out', 'local', 'shop', ', "max_bytes_per_second": 20000000');
ok(wait_for($pg, q{SELECT streams = 3 AND rows_processed > 0 AND rows_processed < rows_total FROM pythia.stat_progress_sync WHERE worker = 'out' AND phase = 'copying'}),
	'three processes copy one table, in one row of the progress');
is(sql(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pythia_db helper'}), '2', 'two of them helpers');
finished('out');
is($my->sql($all) =~ s/\t/|/gr, $want, 'every row is there once');
is(sql("SELECT rows_inserted || ' ' || rows_synced || ' ' || failures FROM pythia.stat_sync WHERE worker = 'out'"), "$rows $rows 0", 'and counted once');
is(sql("SELECT count(*) $part = 'out'"), '0', 'nothing is kept of the parts');
is(sql("SELECT is_valid FROM pythia.validate_sync('out', 'big')"), 't', 'all is equal');

# rows that the checkpoints cover: keys are dense
sub kept
{
	my ($name) = @_;
	return sql(qq{SELECT coalesce(sum(CASE WHEN p.done THEN coalesce((s.checkpoint::jsonb ->> (7 + p.part))::bigint, $rows + 1) - l.low
			WHEN p.checkpoint IS NOT NULL THEN (p.checkpoint::jsonb ->> 0)::bigint - l.low + 1 ELSE 0 END), 0)
		FROM pythia.sync_part p JOIN pythia.worker w USING (worker_id) JOIN pythia.sync_state s USING (worker_id, table_name),
		LATERAL (SELECT CASE WHEN p.part = 0 THEN 1 ELSE (s.checkpoint::jsonb ->> (6 + p.part))::bigint END AS low) l WHERE w.name = '$name'});
}

# Kills it once two parts have a checkpoint; in the end all is there, and what was kept was not read again.
sub survives
{
	my ($name, $source, $target, $map, $kill, $result) = @_;
	start($name, $source, $target, ", \"max_bytes_per_second\": 15000000$map");
	ok(wait_for($pg, "SELECT count(*) FILTER (WHERE p.checkpoint IS NOT NULL) >= 2 AND count(*) FILTER (WHERE NOT done) >= 2 $part = '$name'"), "$name: two parts have a checkpoint");
	my $kept = kept($name);
	$kill->();
	ok(wait_for($pg, 'SELECT true'), "$name: the server is there");
	finished($name);
	is($result->(), $want, "$name: every row is there once");
	cmp_ok($kept, '>', 0, "$name: $kept rows had been kept");
	cmp_ok(sql("SELECT rows_synced FROM pythia.stat_sync WHERE worker = '$name'"), '<=', $rows - $kept, "$name: and were not read again");
	is(sql("SELECT count(*) $part = '$name'"), '0', "$name: nothing is kept of the parts");
	return;
}

sub pid_of { return sql("SELECT pid FROM pg_stat_activity WHERE backend_type = '$_[0]' ORDER BY pid LIMIT 1"); }

survives('helper', 'local', 'far', ', "table_map": {"big": "b1"}', sub { kill 'KILL', pid_of('pythia_db helper') },
	sub { $pg->safe_psql('far', $all =~ s/big/b1/r) });
survives('worker', 'shop', 'local', ', "table_map": {"big": "b2"}', sub { kill 'KILL', pid_of('pythia_db worker') },
	sub { sql($all =~ s/big/b2/r) });
survives('postmaster', 'local', 'shop', ', "table_map": {"big": "b3"}', sub { $pg->stop('immediate'); $pg->start },
	sub { $my->sql($all =~ s/big/b3/r) =~ s/\t/|/gr });
# a server that is gone for a moment is tried again, by each stream for itself
for my $side ([ 'target', 'local', 'shop' ], [ 'source', 'shop', 'local' ])
{
	my ($what, $source, $target) = @$side;
	my $there = "k_$what";
	start($what, $source, $target, ", \"max_bytes_per_second\": 15000000, \"table_map\": {\"big\": \"$there\"}");
	ok(wait_for($pg, "SELECT count(*) FILTER (WHERE p.checkpoint IS NOT NULL) >= 2 $part = '$what'"), "MariaDB as $what: two parts have a checkpoint");
	$my->kill9;
	$my->start;
	finished($what);
	my $query = $all =~ s/big/$there/r;
	is($target eq 'local' ? sql($query) : $my->sql($query) =~ s/\t/|/gr, $want, "MariaDB as $what: every row is there once after its kill -9");
}
done_testing();
