# Limits of time that an administrator sets for a role, an account, a database or a server: a sync and a snapshot take as long as
# they take.  Views show what our sessions are set to, and one of them takes longer than the limit.
use strict;
use warnings;
use JSON::PP ();
use Test::More;
use Pythia::Test;

my $pg = pg_node('main');
my $there = pg_node('there');
# MySQL has less to limit by
my ($mysql, @idle) = $ENV{MYSQLD} ? (1) : (0, map { "idle_${_}transaction_timeout" } '', 'readonly_', 'write_');
my $my = Pythia::MariaDB->new('limited', '--wait-timeout=2',
	$mysql ? '--max-execution-time=1000' : ('--max-statement-time=1', '--idle-transaction-timeout=2', '--idle-readonly-transaction-timeout=2'));
my $folder = PostgreSQL::Test::Utils::tempdir();
my $json = JSON::PP->new->canonical;

sub postgres { return $there->safe_psql('postgres', $_[0]); }
my @limits = (qw(statement_timeout idle_in_transaction_session_timeout),
	$there->pg_version >= 14 ? 'idle_session_timeout' : (), $there->pg_version >= 17 ? 'transaction_timeout' : ());
postgres('CREATE ROLE hasty LOGIN; GRANT CREATE ON SCHEMA public TO hasty');
postgres("ALTER ROLE hasty SET $_ = '1s'") for @limits;
postgres(q{CREATE VIEW told AS SELECT 1 AS id, concat_ws(' ', } . join(', ', map { "current_setting('$_')" } @limits) . q{) AS v, now() AS updated_at;
	CREATE VIEW slow AS SELECT 1 AS id, 'read' || pg_sleep(1.5)::text AS v, now() AS updated_at; GRANT SELECT ON told, slow TO hasty});
# a view names no variable: a function does
$my->sql(q{CREATE FUNCTION limits() RETURNS varchar(100) NOT DETERMINISTIC RETURN CONCAT_WS(' ', } . join(', ', map { "\@\@$_" } ($mysql ? 'max_execution_time' : 'max_statement_time'), @idle) . q{);
	CREATE VIEW slow AS SELECT 1 AS id, CONCAT('read', SLEEP(1.5) * 0) AS v, CURRENT_TIMESTAMP(6) AS updated_at;
	CREATE VIEW told AS SELECT 1 AS id, limits() AS v, CURRENT_TIMESTAMP(6) AS updated_at;
	CREATE USER hasty@'%' IDENTIFIED BY 'x'} . ($mysql ? '' : ' WITH MAX_STATEMENT_TIME 1') . q{; GRANT SELECT ON pythia.* TO hasty@'%'; GRANT EXECUTE ON pythia.* TO hasty@'%'; GRANT PROCESS ON *.* TO hasty@'%'});

my %url = (PostgreSQL => pg_url($there), MariaDB => $my->url);
$url{PostgreSQL} =~ s{//[^@/]*@}{//hasty@};
$url{MariaDB} =~ s{//[^@/]*@}{//hasty:x@};
my %told = (PostgreSQL => join(' ', ('0') x @limits), MariaDB => join(' ', $mysql ? '0' : '0.000000', ('0') x @idle));
my $options = { key => ['id'], start_from => 'beginning', delete_interval => 0 };

for my $engine (sort keys %url)
{
	my ($name, $url) = (lc $engine, $url{$engine});
	my %expected = (told => $told{$engine}, slow => $engine eq 'MariaDB' ? 'read0' : 'read');
	for my $table (sort keys %expected)
	{
		my $what = "$engine, $table";
		$pg->safe_psql('postgres', "SET client_min_messages = error; SELECT pythia.create_cdc_worker('${name}_$table', '{$table}', '$url', options => '" . $json->encode($options) . "')");
		like($pg->safe_psql('postgres', "SET client_min_messages = error; SELECT new_data->>'v' FROM pythia.consume_changes('${name}_$table')"), qr/^\Q$expected{$table}\E/, "$what: a poll");
		my ($out, $err) = ('', '');
		IPC::Run::run([ $ENV{PYTHIA}, 'cdc', $url, '--tables', $table, '--once', '--state', "$folder/$name$table.state", '--options', $json->encode($options) ], '<', \undef, '>', \$out, '2>', \$err);
		like($out, qr/"v": "\Q$expected{$table}\E/, "$what: pythia cdc") or diag($err);
		$out = $err = '';
		my $file = "$folder/$name$table.db";
		IPC::Run::run([ $ENV{PYTHIA}, 'sync', '-s', $url, '-t', "sqlite:///$file", '--tables', $table, '--mode', 'full', '--key', 'id', '--state', "$file.state" ], '<', \undef, '>', \$out, '2>', \$err);
		like(`sqlite3 $file 'SELECT v FROM $table'`, qr/^\Q$expected{$table}\E/, "$what: pythia sync") or diag($err);
		like($pg->safe_psql('postgres', "SELECT rows_inserted FROM pythia.sync_between('$url', 'sqlite:///${file}2', '$table', '{\"mode\": \"full\", \"key\": [\"id\"]}')"), qr/^1$/, "$what: a sync of the server's");
	}
}

# what a URL says is meant for this session
my ($code, $out, $err) = $pg->psql('postgres', qq{SELECT pythia.sync_between('$url{PostgreSQL}?options=--statement-timeout%3D700ms', 'sqlite:///$folder/none.db', 'slow', '{"mode": "full", "key": ["id"]}')});
like($err, qr/statement timeout.*HINT:  Raise statement_timeout/s, 'a limit that the URL sets holds');
done_testing;
