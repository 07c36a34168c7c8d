# A copy of a database does nothing by itself: its workers are held until they are released, however it was made.
# What is no copy (a promoted standby, an upgraded server) goes on.
use strict;
use warnings;
use Test::More;
use Pythia::Copies;
use Pythia::Test;

make_original();

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

# a captured table whose owner the other server lacks: a matter of its worker alone
main_sql(q{CREATE ROLE leaver; CREATE DATABASE left_behind});
$main->safe_psql('left_behind', q{CREATE EXTENSION pythia_db; CREATE TABLE his (id int PRIMARY KEY, updated_at timestamptz); CREATE TABLE ours (id int PRIMARY KEY, updated_at timestamptz); ALTER TABLE his OWNER TO leaver;
	SELECT pythia.create_cdc_worker('his', '{his}', options => '{"capture": "trigger"}'); SELECT pythia.create_cdc_worker('ours', '{ours}')});
$main->command_ok([ 'pg_dump', '--no-owner', '--file', "$dump.left", '--dbname', $main->connstr('left_behind') ], 'pg_dump');
$second->safe_psql('postgres', 'CREATE DATABASE arrived');
$second->command_ok([ 'psql', '-XAq', '-v', 'ON_ERROR_STOP=1', '-f', "$dump.left", '-d', $second->connstr('arrived') ], 'restored without that role');
is($second->safe_psql('arrived', "SELECT string_agg(w.name || ' ' || COALESCE(t.table_owner::text, 'nobody'), ', ' ORDER BY w.name) FROM pythia.worker w LEFT JOIN pythia.cdc_table t USING (worker_id)"), 'his -, ours ' . $second->safe_psql('arrived', 'SELECT current_user'), 'no worker has lost its tables');
$second->safe_psql('arrived', q{SELECT pythia.release_worker(name) FROM pythia.worker_status; SELECT count(*) FROM pythia.consume_changes('ours'); INSERT INTO ours VALUES (1, now() + interval '1 minute')});
is($second->safe_psql('arrived', "SELECT count(*) FROM pythia.consume_changes('ours')"), '1', 'and they capture');

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
like($main->safe_psql('printed', "SELECT pythia.create_sync_worker('own', 'local', 'local', '{\"table_map\": {\"target\": \"b\"}}'); SELECT state FROM pythia.worker_status WHERE name = 'own'"), qr/stopped/, 'a worker that a copy makes is its own');
is($main->safe_psql('stencil', "SELECT string_agg(DISTINCT state, '') FROM pythia.worker_status"), 'stopped', 'the one it was copied from is none');

# who may release
main_sql('DROP DATABASE printed; CREATE DATABASE printed TEMPLATE stencil; CREATE ROLE clerk LOGIN; CREATE ROLE thief LOGIN');
$main->safe_psql('printed', "SELECT pythia.grant_use('clerk'), pythia.grant_use('thief'); UPDATE pythia.worker SET owner = 'clerk', owner_name = 'clerk' WHERE name = 'idle'");
like((($main->psql('printed', "SET ROLE thief; SELECT pythia.release_worker('idle')"))[2]), qr/permission denied to release worker "idle"/, 'another role may not');
is($main->safe_psql('printed', "SET ROLE clerk; SELECT pythia.release_worker('idle'); SELECT state FROM pythia.worker_status WHERE name = 'idle'"), "\nstopped", 'its owner may');
$main->safe_psql('stencil', "SELECT pythia.drop_cdc_worker('drain')");
main_sql('DROP DATABASE printed; DROP DATABASE stencil');

done_testing();
