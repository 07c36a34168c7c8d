# Where and how the extension may live: not preloaded, on a standby, dumped and
# restored, in a database of another encoding.
use strict;
use warnings;
use Test::More;
use Pythia::Test;

my $dir = PostgreSQL::Test::Utils::tempdir();

# --- not preloaded ------------------------------------------------------------
my $plain = pg_node('plain', shared_preload_libraries => '', max_worker_processes => 4, 'restart_after_crash' => 'on');
sub plain { return $plain->safe_psql('postgres', $_[0]); }

plain(q{CREATE TABLE t (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now()); INSERT INTO t SELECT g, g FROM generate_series(1, 100) g});
is(plain("SELECT rows_inserted FROM pythia.sync_between('local', 'sqlite:///$dir/plain.db', 't')"), 100, 'everything works in the session');
plain("SELECT pythia.create_sync_worker('w', 'local', 'sqlite:///$dir/w.db', tables => '{t}', schedule => '100 ms')");
my ($rc, $out, $err) = $plain->psql('postgres', "SELECT pythia.start_sync('w')");
like($err, qr/NOTICE:  the worker lasts until the server restarts\nHINT:  .*shared_preload_libraries/, 'a NOTICE says that the worker will not come back');
my $runs = "SELECT runs > 2 FROM pythia.stat_sync WHERE worker = 'w'";
ok(wait_for($plain, $runs), 'it runs again and again');
is(plain("SELECT state FROM pythia.worker_status WHERE name = 'w'"), 'running', 'worker_status knows it');
($rc, $out, $err) = $plain->psql('postgres', "SELECT pythia.start_sync('w')");
is($err, '', 'a second start changes nothing');
is(plain("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pythia_db worker'"), 1, 'there is one');
my $pid = plain("SELECT pid FROM pythia.worker_status WHERE name = 'w'");
plain("SELECT pg_terminate_backend($pid)");
ok(wait_for($plain, "SELECT pid <> $pid FROM pythia.worker_status WHERE name = 'w' AND pid IS NOT NULL"), 'terminated, it comes back');
plain("SELECT pythia.stop_sync('w')");
ok(wait_for($plain, "SELECT state = 'stopped' AND pid IS NULL FROM pythia.worker_status WHERE name = 'w'"), 'stop_sync stops it');
# a start that is rolled back: the process finds that it is not wanted
$plain->psql('postgres', "BEGIN; SELECT pythia.start_sync('w'); ROLLBACK");
ok(wait_for($plain, "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pythia_db worker'"), 'a start that is rolled back leaves no process');
is(plain("SELECT enabled FROM pythia.worker_status WHERE name = 'w'"), 'f', 'and no trace');
# no room
plain("SELECT pythia.create_sync_worker('x$_', 'local', 'sqlite:///$dir/x$_.db', tables => '{t}', schedule => '1 h')") for 1 .. 6;
my $told = '';
for my $i (1 .. 6)
{
	($rc, $out, $err) = $plain->psql('postgres', "SELECT pythia.start_sync('x$i')", on_error_stop => 1);
	$told = $err if $rc != 0;
}
like($told, qr/ERROR:  no background worker slot is free\nHINT:  Raise max_worker_processes/, 'without a free slot start_sync says so');
is(plain("SELECT count(*) FROM pythia.worker_status WHERE enabled AND name LIKE 'x%'"), plain("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pythia_db worker'"),
	'and starts nothing half');
$plain->restart;
is(plain("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pythia_db%'"), 0, 'after a restart none is left');
is(plain("SELECT state FROM pythia.worker_status WHERE name = 'x1'"), 'starting', 'though it is wanted');
is(plain('SELECT count(*) FROM pythia.stat_progress_sync'), 0, 'there is no progress to see');
$plain->stop;

# --- a standby ----------------------------------------------------------------
my $main = pg_node('main', wal_level => 'replica', max_wal_senders => 4, 'pythia_db.restart_delay' => '1s');
sub main_sql { return $main->safe_psql('postgres', $_[0]); }
main_sql(q{CREATE TABLE t (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now()); INSERT INTO t SELECT g, g FROM generate_series(1, 100) g});
main_sql("SELECT pythia.create_sync_worker('w', 'local', 'sqlite:///$dir/standby.db', tables => '{t}', schedule => '100 ms'); SELECT pythia.start_sync('w')");
ok(wait_for($main, $runs), 'a worker runs on the primary');
$main->append_conf('pg_hba.conf', "local replication all trust\nhost replication all 127.0.0.1/32 trust\n");
$main->reload;
$main->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($main, 'base', has_streaming => 1);
$standby->start;
ok(wait_for($standby, "SELECT enabled FROM pythia.worker_status WHERE name = 'w'"), 'the standby has it in its catalogue');
is($standby->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pythia_db%'"), 0, 'and runs nothing');
($rc, $out, $err) = $standby->psql('postgres', "SELECT pythia.start_sync('w')");
like($err, qr/read-only transaction/, 'start_sync is refused there');
($rc, $out, $err) = $standby->psql('postgres', "SELECT pythia.sync_between('local', 'local', 't', '{\"table_map\": {\"t\": \"u\"}}')");
like($err, qr/ERROR/, 'and so is a sync into it');
$main->stop;
$standby->promote;
ok(wait_for($standby, "SELECT state = 'running' FROM pythia.worker_status WHERE name = 'w'"), 'promoted, it runs the worker');
$standby->stop;

# --- dump and restore ---------------------------------------------------------
$main->start;
main_sql(q{SELECT pythia.stop_sync('w'); SELECT pythia.create_connection('shop', 'mysql://app:secret@127.0.0.1:1/shop');
	SELECT pythia.create_sync_worker('far', 'local', 'shop', '{"mode": "full"}', schedule => '1 day');
	INSERT INTO pythia.quarantine (owner, table_name, row_data, reason) VALUES (current_user::regrole, 't', '{"id": 1}', 'a test')});
ok(wait_for($main, "SELECT pid IS NULL FROM pythia.worker_status WHERE name = 'w'"), 'the worker is stopped');
my $image = q{SELECT string_agg(w::text, E'\n' ORDER BY worker_id) FROM pythia.worker w};
my $spec = q{SELECT string_agg(w::text, E'\n' ORDER BY worker_id) FROM pythia.sync_worker w};
my $state = q{SELECT string_agg(w::text, E'\n' ORDER BY table_name) FROM pythia.sync_state w};
my @before = map { main_sql($_) } $image, $spec, $state;
my $dump = "$dir/dump.sql";
$main->command_ok([ 'pg_dump', '--file', $dump, '--dbname', $main->connstr('postgres') ], 'pg_dump');
main_sql('CREATE DATABASE again');
$main->command_ok([ 'psql', '-XAq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $main->connstr('again') ], 'restore');
my @after = map { $main->safe_psql('again', $_) } $image, $spec, $state;
is_deeply(\@after, \@before, 'workers, their settings and where they stand come back');
is($main->safe_psql('again', "SELECT table_name || reason FROM pythia.quarantine"), 'ta test', 'the quarantine too');
is($main->safe_psql('again', "SELECT srvname FROM pg_foreign_server"), 'shop', 'and the connection');
is($main->safe_psql('again', "SELECT umoptions::text LIKE '%secret%' FROM pg_user_mappings"), 't', 'with its secret');
$main->safe_psql('again', "SELECT pythia.create_sync_worker('new', 'local', 'local', '{\"table_map\": {\"t\": \"b\"}}')");
is($main->safe_psql('again', "SELECT count(DISTINCT worker_id) = count(*) FROM pythia.worker"), 't', 'numbers go on after the last');
$main->safe_psql('again', "SELECT pythia.release_worker('w')");
is($main->safe_psql('again', "SELECT rows_inserted + rows_updated FROM pythia.sync_table('w', 't')"), 0, 'a sync goes on where it stood');

# --- another encoding -----------------------------------------------------------
main_sql(q{CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'});
$main->safe_psql('latin', q{SET client_encoding = 'UTF8'; CREATE EXTENSION pythia_db; CREATE TABLE "größe" (id int PRIMARY KEY, "straße" text, updated_at timestamptz);
	INSERT INTO "größe" VALUES (1, 'Köln', now()), (2, 'Ærø', now())});
is($main->safe_psql('latin', qq{SET client_encoding = 'UTF8'; SELECT rows_inserted FROM pythia.sync_between('local', 'sqlite:///$dir/latin.db', '"größe"')}), 2, 'a LATIN1 database is read');
is($main->safe_psql('latin', qq{SET client_encoding = 'UTF8'; SELECT rows_inserted FROM pythia.sync_between('sqlite:///$dir/latin.db', 'local', '"größe"', '{"table_map": {"größe": "zurück"}}'); SELECT string_agg("straße", ',' ORDER BY id) FROM "zurück"}),
	"2\nKöln,Ærø", 'and written');
is($main->safe_psql('latin', qq{SET client_encoding = 'UTF8'; SELECT is_valid FROM pythia.validate_between('local', 'sqlite:///$dir/latin.db', '"größe"')}), 't', 'and compared');
# what this database cannot spell
PostgreSQL::Test::Utils::system_or_bail('sqlite3', "$dir/latin.db", q{INSERT INTO "größe" VALUES (3, '日本', NULL)});
(undef, undef, $err) = $main->psql('latin', qq{SET client_encoding = 'UTF8'; SELECT pythia.sync_between('sqlite:///$dir/latin.db', 'local', 'größe', '{"table_map": {"größe": "zurück"}, "mode": "full"}')});
like($err, qr/no equivalent in encoding "LATIN1".*synchronising table "größe"/s, 'what it cannot spell is an error, told in the encoding of the client');
is($main->safe_psql('latin', qq{SET client_encoding = 'UTF8'; SELECT pythia.create_cdc_worker('w', '{"\\"größe\\""}', options => '{"start_from": "beginning", "key": ["id"]}');}
	. q{UPDATE "größe" SET updated_at = now() WHERE id = 1; SELECT "table", new_data->>'straße' FROM pythia.consume_changes('w') WHERE primary_key->>'id' = '1'}),
	"1\ngröße|" . $main->safe_psql('latin', q{SET client_encoding = 'UTF8'; SELECT "straße" FROM "größe" WHERE id = 1}), 'and captured');
($rc, $out, $err) = $main->psql('latin', qq{SELECT pythia.sync_between('sqlite:///$dir/latin.db', 'local', 'nowhere')});
like($err, qr/"nowhere" does not exist/, 'errors come through');
ok(PostgreSQL::Test::Utils::slurp_file($main->logfile) !~ /database "template0" is not currently accepting/, 'no manager is sent where none can live');
done_testing();
