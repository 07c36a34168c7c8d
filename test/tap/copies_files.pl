# A copy of a server's files does nothing by itself: its workers are held until they are released.
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
	my (undef, undef, $err) = $node->psql($database, join(';', @statements), on_error_stop => 0);
	my @errors = $err =~ /ERROR:  worker "(\w+)" is held: [^\n]*$why[^\n]*\nHINT: [^\n]*release_worker\('\g1'\)/g;
	is_deeply(\@errors, [ @refused{@statements} ], "$name: nothing that reads or writes elsewhere is done") or diag($err);
	# one that had been started before it was seen to be a copy ends by itself
	ok(wait_for($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pythia_db worker' AND datname = current_database()", 't', $database), "$name: there is no process");
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

# --- copies of the files --------------------------------------------------------------------------------------------
sub start_copy
{
	my ($copy) = @_;
	$copy->append_conf('postgresql.conf', join("\n", 'port = ' . $copy->port, "unix_socket_directories = '" . $copy->host . "'", ''));
	$copy->start;
	return;
}

$main->backup('base');
my $clone = PostgreSQL::Test::Cluster->new('clone');
$clone->init_from_backup($main, 'base');
$clone->start;
is_held($clone, 'postgres', 'copy of its data directory', 'a base backup');
$clone->restart;
is_held($clone, 'postgres', 'copy of its data directory', 'a base backup, after a restart');
all_reach_the_original('a base backup', drops_harmlessly($clone, 'postgres', 'a base backup'));
is($source->safe_psql('postgres', 'SELECT count(*) FROM target'), 1, 'the target keeps its rows');
$clone->stop;

$main->stop;
$main->backup_fs_cold('cold');
my $cold = PostgreSQL::Test::Cluster->new('cold');
$cold->init_from_backup($main, 'cold');
$cold->start;
is_held($cold, 'postgres', 'copy of its data directory', 'a cold copy');
$cold->stop;
rename $main->data_dir, $main->data_dir . '.moved' or die $!;
rename $main->data_dir . '.moved', $main->data_dir or die $!;
$main->start;
ok(wait_for($main, "SELECT count(*) = 2 FROM pythia.worker_status WHERE state = 'running'"), 'the original goes on: also in a folder that was renamed');

# without preloading too, where nobody but sessions looks
my $plain = PostgreSQL::Test::Cluster->new('plain');
$plain->init_from_backup($main, 'cold');
$plain->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$plain->start;
is_held($plain, 'postgres', 'copy of its data directory', 'a copy that is not preloaded');
$plain->stop;

# a server whose identifier was changed, and its files not
main_sql("SELECT pythia.stop_sync('mirror'), pythia.stop_cdc('drain'); UPDATE pythia.home SET system_identifier = '1'");
is_held($main, 'postgres', 'clone of another', 'a clone with an identifier of its own');
main_sql("SELECT pythia.release_worker(name) FROM pythia.worker_status; SELECT pythia.start_sync('mirror'), pythia.start_cdc('drain')");
ok(wait_for($main, "SELECT count(*) = 2 FROM pythia.worker_status WHERE state = 'running'"), 'released it works');

# --- what is none ---------------------------------------------------------------------------------------------------
for my $policy ('run', 'hold')
{
	my $standby = PostgreSQL::Test::Cluster->new("standby_$policy");
	$main->backup("for_$policy");
	$standby->init_from_backup($main, "for_$policy", has_streaming => 1);
	$standby->append_conf('postgresql.conf', "pythia_db.after_promotion = '$policy'");
	$standby->start;
	is($standby->safe_psql('postgres', "SELECT count(*) FROM pythia.worker_status WHERE state = 'held'"), 0, 'a standby judges nothing');
	$main->stop;
	$standby->promote;
	if ($policy eq 'run')
	{
		ok(wait_for($standby, "SELECT count(*) = 2 FROM pythia.worker_status WHERE state = 'running'"), 'promoted, it runs the workers');
		my $id = $next++;
		$source->safe_psql('postgres', "INSERT INTO seen VALUES ($id)");
		ok(wait_for($standby, "SELECT count(*) = 1 FROM pythia.journal WHERE primary_key = '{\"id\": $id}'"), 'and they work');
		$standby->restart;
		ok(wait_for($standby, "SELECT count(*) = 2 FROM pythia.worker_status WHERE state = 'running'"), 'after a restart too');
	}
	else
	{
		is_held($standby, 'postgres', 'after_promotion is hold', 'a promoted standby, by the setting');
	}
	$standby->stop;
	$main->start;
}

my $new = PostgreSQL::Test::Cluster->new('new');
$new->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$new->append_conf('postgresql.conf', "shared_preload_libraries = 'pythia_db'\ntimezone = 'UTC'\nlisten_addresses = '127.0.0.1'\npythia_db.restart_delay = '1s'\n");
$main->stop;
chdir $dir;
$new->command_ok([ 'pg_upgrade', '-d', $main->data_dir, '-D', $new->data_dir, '-b', $main->config_data('--bindir'), '-B', $new->config_data('--bindir'),
	'-s', $new->host, '-p', $main->port, '-P', $new->port ], 'pg_upgrade');
$new->start;
ok(wait_for($new, "SELECT count(*) = 2 FROM pythia.worker_status WHERE state = 'running'"), 'an upgraded server runs the workers');
done_testing();
