# A database with workers, the original, that copies are made of; and what a copy must not do.
package Pythia::Copies;

use strict;
use warnings;
use Exporter 'import';
use PostgreSQL::Test::Utils;
use Pythia::Test;
use Test::More;

our @EXPORT = qw($dir %fast $source $main main_sql make_original is_held drops_harmlessly all_reach_the_original new_row);

our ($dir, $source, $main);
our %fast = ('pythia_db.restart_delay' => '1s', max_wal_senders => 4, wal_level => 'replica');
my $next = 1;

sub main_sql { return $main->safe_psql('postgres', $_[0]); }

# An original: a worker that drains a log at the source, and one that deletes in the target what it has not itself.
sub make_original
{
	$dir = PostgreSQL::Test::Utils::tempdir();
	$source = pg_node('source', extension => 0);
	$source->safe_psql('postgres', q{CREATE TABLE seen (id int PRIMARY KEY); CREATE TABLE target (id int PRIMARY KEY, updated_at timestamptz)});
	my $url = pg_url($source);
	$main = pg_node('main', %fast);
	$main->append_conf('pg_hba.conf', "local replication all trust\nhost replication all 127.0.0.1/32 trust\n");
	$main->reload;
	main_sql(qq{CREATE TABLE target (id int PRIMARY KEY, updated_at timestamptz); INSERT INTO target VALUES (1, now());
		SELECT pythia.create_cdc_worker('drain', '{seen}', '$url', poll_interval => '200 ms', options => '{"capture": "trigger"}');
		SELECT pythia.create_sync_worker('mirror', 'local', '$url', '{"deletes": "hard", "mode": "full"}', '{target}', '200 ms');
		SELECT pythia.create_sync_worker('idle', 'local', '$url', '{"deletes": "hard", "mode": "full"}', '{target}');
		SELECT pythia.start_sync('mirror'), pythia.start_cdc('drain')});
	ok(wait_for($main, q{SELECT count(*) = 1 FROM pythia.stat_sync WHERE runs > 0 AND worker = 'mirror'}), 'the original works');
	return;
}

# All workers of a node's database are held, for a reason, and nothing that they may be asked does anything.
sub is_held
{
	my ($node, $database, $why, $name) = @_;
	ok(wait_for($node, "SELECT string_agg(name, ' ' ORDER BY name) = 'drain idle mirror' FROM pythia.worker_status WHERE state = 'held' AND last_error LIKE '%$why%' AND last_error LIKE '%pythia.release_worker(''' || name || ''')%'", 't', $database),
		"$name: every worker is held, and says why and what to do");
	my %refused = (
		"SELECT pythia.poll('drain')" => 'drain',
		"SELECT * FROM pythia.consume_changes('drain')" => 'drain',
		"SELECT pythia.start_cdc('drain')" => 'drain',
		"SELECT pythia.alter_cdc_worker('drain', poll_interval => '1 s')" => 'drain',
		"SELECT pythia.sync_table('mirror', 'target')" => 'mirror',
		"SELECT * FROM pythia.sync_all_tables('idle')" => 'idle',
		"SELECT pythia.repair_sync('mirror', 'target')" => 'mirror',
		"SELECT pythia.start_sync('idle')" => 'idle');
	# one that had been started before it was seen to be a copy ends by itself
	my $processes = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pythia_db worker' AND datname = current_database()";
	ok(wait_for($node, $processes, '0', $database), "$name: none goes on");
	my @statements = sort keys %refused;
	my (undef, $out, $err) = $node->psql($database, join(';', @statements, $processes), on_error_stop => 0);
	my @errors = $err =~ /ERROR:  worker "(\w+)" is held: [^\n]*$why[^\n]*\nHINT: [^\n]*release_worker\('\g1'\)/g;
	is_deeply(\@errors, [ @refused{@statements} ], "$name: nothing that reads or writes elsewhere is done") or diag($err);
	is($out, '0', "$name: there is no process");
	return;
}

my $logs = "SELECT count(*) FROM pg_class WHERE relname LIKE 'pythia\\_log\\_%' AND relkind = 'r'";
# One more in the source, and its id.
sub new_row
{
	my $id = $next++;
	$source->safe_psql('postgres', "INSERT INTO seen VALUES ($id)");
	return $id;
}

# What the source logs reaches the original, whatever the copy does: also when that drops everything it has.
sub drops_harmlessly
{
	my ($node, $database, $name) = @_;
	my $first = new_row();
	my (undef, undef, $err) = $node->psql($database, "SELECT pythia.drop_cdc_worker('drain'); SELECT pythia.drop_sync_worker('idle')");
	like($err, qr/NOTICE:  the triggers on table "public.seen" of ".*" stay/, "$name: a worker that is dropped leaves the original's triggers") if $name !~ /dump/;
	$node->psql($database, 'DROP EXTENSION pythia_db CASCADE');
	is($node->safe_psql($database, q{SELECT count(*) FROM pg_extension WHERE extname = 'pythia_db'}), 0, "$name: the extension can be dropped");
	my $second = new_row();
	is($source->safe_psql('postgres', $logs), 1, "$name: the source's log stays");
	return ($first, $second);
}

sub all_reach_the_original
{
	my ($name, @ids) = @_;
	for my $id (@ids)
	{
		ok(wait_for($main, "SELECT count(*) = 1 FROM pythia.journal WHERE primary_key = '{\"id\": $id}'"), "$name: change $id reaches the original");
	}
	return;
}

1;
