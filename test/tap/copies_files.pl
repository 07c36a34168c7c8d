# A copy of a server's files does nothing by itself: its workers are held until they are released.
# What is no copy (a promoted standby, an upgraded server) goes on.
use strict;
use warnings;
use Test::More;
use Pythia::Copies;
use Pythia::Test;

make_original();

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
		my $id = new_row();
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
