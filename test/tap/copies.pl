# A copy of a database does nothing by itself: its workers are held until they are released, however it was made.
# What is no copy (a promoted standby, an upgraded server) goes on.
use strict;
use warnings;
use Test::More;
use Pythia::Test;

my $dir = PostgreSQL::Test::Utils::tempdir();
my %fast = ('pythia_db.restart_delay' => '1s', max_wal_senders => 4, wal_level => 'replica');
my $source = pg_node('source', extension => 0);
$source->safe_psql('postgres', q{CREATE TABLE seen (id int PRIMARY KEY); CREATE TABLE target (id int PRIMARY KEY, updated_at timestamptz)});
my $url = pg_url($source);
my $main = pg_node('main', %fast);
$main->append_conf('pg_hba.conf', "local replication all trust\nhost replication all 127.0.0.1/32 trust\n");
$main->reload;

sub main_sql { return $main->safe_psql('postgres', $_[0]); }

# An original: a worker that drains a log at the source, and one that deletes in the target what it has not itself.
main_sql(qq{CREATE TABLE target (id int PRIMARY KEY, updated_at timestamptz); INSERT INTO target VALUES (1, now());
	SELECT pythia.create_cdc_worker('drain', '{seen}', '$url', poll_interval => '200 ms', options => '{"capture": "trigger"}');
	SELECT pythia.create_sync_worker('mirror', 'local', '$url', '{"deletes": "hard", "mode": "full"}', '{target}', '200 ms');
	SELECT pythia.create_sync_worker('idle', 'local', '$url', '{"deletes": "hard", "mode": "full"}', '{target}');
	SELECT pythia.start_sync('mirror'), pythia.start_cdc('drain')});
ok(wait_for($main, q{SELECT count(*) = 1 FROM pythia.stat_sync WHERE runs > 0 AND worker = 'mirror'}), 'the original works');

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
	my @statements = sort keys %refused;
	my (undef, $out, $err) = $node->psql($database, join(';', @statements, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pythia_db worker' AND datname = current_database()"), on_error_stop => 0);
	my @errors = $err =~ /ERROR:  worker "(\w+)" is held: [^\n]*$why[^\n]*\nHINT: [^\n]*release_worker\('\g1'\)/g;
	is_deeply(\@errors, [ @refused{@statements} ], "$name: nothing that reads or writes elsewhere is done") or diag($err);
	is($out, '0', "$name: there is no process");
	return;
}

my $logs = "SELECT count(*) FROM pg_class WHERE relname LIKE 'pythia\\_log\\_%' AND relkind = 'r'";
my $next = 1;

# What the source logs reaches the original, whatever the copy does: also when that drops everything it has.
sub drops_harmlessly
{
	my ($node, $database, $name) = @_;
	my ($first, $second) = ($next++, $next++);
	$source->safe_psql('postgres', "INSERT INTO seen VALUES ($first)");
	my (undef, undef, $err) = $node->psql($database, "SELECT pythia.drop_cdc_worker('drain'); SELECT pythia.drop_sync_worker('idle')");
	like($err, qr/NOTICE:  the triggers on table "public.seen" of ".*" stay/, "$name: a worker that is dropped leaves the original's triggers") if $name !~ /dump/;
	$node->psql($database, 'DROP EXTENSION pythia_db CASCADE');
	is($node->safe_psql($database, q{SELECT count(*) FROM pg_extension WHERE extname = 'pythia_db'}), 0, "$name: the extension can be dropped");
	$source->safe_psql('postgres', "INSERT INTO seen VALUES ($second)");
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

# --- dump and restore -----------------------------------------------------------------------------------------------
my $dump = "$dir/dump.sql";
$main->command_ok([ 'pg_dump', '--file', $dump, '--dbname', $main->connstr('postgres') ], 'pg_dump');
my $second = pg_node('second', %fast, extension => 0);
for my $node ($main, $second)
{
	my $name = $node == $main ? 'a dump, in the same server' : 'a dump, in another server';
	$node->safe_psql('postgres', 'CREATE DATABASE restored');
	$node->command_ok([ 'psql', '-XAq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('restored') ], "$name: restore");
	$node->safe_psql('restored', 'DELETE FROM target');
	is_held($node, 'restored', 'dump of a database', $name);
	$node->restart;
	is_held($node, 'restored', 'dump of a database', "$name, after a restart");
	is($source->safe_psql('postgres', 'SELECT count(*) FROM target'), 1, "$name: the target keeps its rows");
	all_reach_the_original($name, drops_harmlessly($node, 'restored', $name));
}

# --- CREATE DATABASE … TEMPLATE -------------------------------------------------------------------------------------
main_sql('CREATE DATABASE stencil');
$main->command_ok([ 'psql', '-XAq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $main->connstr('stencil') ], 'a restored original');
$main->safe_psql('stencil', "SELECT pythia.release_worker(name) FROM pythia.worker_status WHERE name <> 'mirror'");
ok(wait_for($main, "SELECT state = 'running' FROM pythia.worker_status WHERE name = 'drain'", 't', 'stencil'), 'a worker that is released runs, where it was running');
is($main->safe_psql('stencil', "SELECT string_agg(name || ' ' || state, ', ' ORDER BY name) FROM pythia.worker_status"), 'drain running, idle stopped, mirror held', 'and those alone');
like((($main->psql('stencil', "SELECT pythia.release_worker('idle')"))[2]), qr/no worker "idle" is held that could be released/, 'once');
$main->safe_psql('stencil', "SELECT pythia.release_worker('mirror'); SELECT pythia.stop_sync('mirror'), pythia.stop_cdc('drain')");
main_sql('CREATE DATABASE printed TEMPLATE stencil');
is_held($main, 'printed', 'copied from another database', 'a TEMPLATE copy');
$main->restart;
is_held($main, 'printed', 'copied from another database', 'a TEMPLATE copy, after a restart');
like($main->safe_psql('printed', "SELECT pythia.create_sync_worker('own', 'local', 'local'); SELECT state FROM pythia.worker_status WHERE name = 'own'"), qr/stopped/, 'a worker that a copy makes is its own');
is($main->safe_psql('stencil', "SELECT string_agg(DISTINCT state, '') FROM pythia.worker_status"), 'stopped', 'the one it was copied from is none');

# who may release
main_sql('DROP DATABASE printed; CREATE DATABASE printed TEMPLATE stencil; CREATE ROLE clerk LOGIN; CREATE ROLE thief LOGIN');
$main->safe_psql('printed', "SELECT pythia.grant_use('clerk'), pythia.grant_use('thief'); UPDATE pythia.worker SET owner = 'clerk', owner_name = 'clerk' WHERE name = 'idle'");
like((($main->psql('printed', "SET ROLE thief; SELECT pythia.release_worker('idle')"))[2]), qr/permission denied to release worker "idle"/, 'another role may not');
is($main->safe_psql('printed', "SET ROLE clerk; SELECT pythia.release_worker('idle'); SELECT state FROM pythia.worker_status WHERE name = 'idle'"), "\nstopped", 'its owner may');
$main->safe_psql('stencil', "SELECT pythia.drop_cdc_worker('drain')");
main_sql('DROP DATABASE printed; DROP DATABASE stencil');

done_testing();
