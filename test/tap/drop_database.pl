# A database that is dropped takes along what its workers made in other databases; one that stays keeps it.
use strict;
use warnings;
use Test::More;

# sessions are counted here
$Pythia::Kept::wanted = 0;
use Pythia::Session;
use Pythia::Test;

my $node = pg_node('host', extension => 0, 'pythia_db.restart_delay' => '1s');
my $other = pg_node('source', extension => 0);
my $maria = shared_mysql('drop_database');
my $file = PostgreSQL::Test::Utils::tempdir() . '/source.db';

sub sql { return $node->safe_psql($_[1] // 'postgres', $_[0]); }
$other->safe_psql('postgres', 'CREATE TABLE t (id int PRIMARY KEY)');
$maria->sql('CREATE TABLE t (id int PRIMARY KEY)');
PostgreSQL::Test::Utils::system_or_bail('sqlite3', $file, 'CREATE TABLE t (id INTEGER PRIMARY KEY)');
my %left = (
	pg => sub { $other->safe_psql('postgres', "SELECT (SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'pythia_log%') + (SELECT count(*) FROM pg_proc WHERE proname LIKE 'pythia_log%')") },
	maria => sub { $maria->sql("SELECT (SELECT count(*) FROM information_schema.TABLES WHERE TABLE_NAME LIKE 'pythia_log%' AND TABLE_SCHEMA = 'drop_database') + (SELECT count(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'drop_database')") },
	lite => sub { my $out = `sqlite3 $file "SELECT count(*) FROM sqlite_master WHERE name LIKE 'pythia_log%'"`; chomp $out; return $out });
my %url = (pg => pg_url($other), maria => $maria->url, lite => "sqlite:///$file");

for my $how ('DROP DATABASE doomed', 'DROP DATABASE doomed WITH (FORCE)')
{
	sql('CREATE DATABASE doomed');
	sql('CREATE EXTENSION pythia_db', 'doomed');
	sql("SELECT pythia.create_cdc_worker('$_', '{t}', '$url{$_}', poll_interval => '100 ms', options => '{\"capture\": \"trigger\"}')", 'doomed') for sort keys %url;
	sql("SELECT pythia.start_cdc('pg')", 'doomed');
	cmp_ok($left{$_}->(), '>', 0, "$_: it has triggers or a log") for sort keys %left;
	if ($how !~ /FORCE/)
	{
		my $session = Pythia::Session->new($node, 'doomed');
		$session->do('SELECT 1');
		my (undef, undef, $err) = $node->psql('postgres', $how);
		like($err, qr/is being accessed by other users/, 'a drop that fails');
		cmp_ok($left{$_}->(), '>', 0, "$_: takes nothing away") for sort keys %left;
		$other->safe_psql('postgres', 'INSERT INTO t VALUES (1)');
		ok(wait_for($node, "SELECT captured = 1 FROM pythia.stat_cdc WHERE worker = 'pg'", 't', 'doomed'), 'and capture goes on');
		$session->close;
		ok(wait_for($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'doomed' AND backend_type = 'client backend'"), 'the session is gone');
	}
	sql($how);
	is($left{$_}->(), '0', "$how: $_ has neither triggers nor a log") for sort keys %left;
}

# who copies template1 need not name it
sql('CREATE EXTENSION pythia_db; CREATE TABLE t (id int PRIMARY KEY, updated_at timestamptz DEFAULT now()); SELECT pythia.create_cdc_worker(\'local\', \'{t}\', poll_interval => \'100 ms\'); SELECT pythia.start_cdc(\'local\')', 'template1');
ok(wait_for($node, "SELECT count(*) > 1 FROM pg_stat_activity WHERE datname = 'template1' AND backend_type LIKE 'pythia%'"), 'a worker runs in template1');
sql('CREATE DATABASE another');
is(sql("SELECT count(*) FROM pg_database WHERE datname = 'another'"), 1, 'which can be copied all the same');
sql('DROP DATABASE another');
sql('DROP EXTENSION pythia_db; DROP TABLE t', 'template1');

# a source that is away does not keep it
sql('CREATE DATABASE doomed');
sql('CREATE EXTENSION pythia_db', 'doomed');
sql("SELECT pythia.create_cdc_worker('pg', '{t}', '$url{pg}', options => '{\"capture\": \"trigger\"}')", 'doomed');
$other->stop;
sql('DROP DATABASE doomed');
is(sql("SELECT count(*) FROM pg_database WHERE datname = 'doomed'"), 0, 'a source that is away does not keep it');
like(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/WARNING:  the triggers on table "public\.t" of \S+ stay.*HINT:  Run there: /s, 'the log says what stays, and how to remove it');
done_testing();
