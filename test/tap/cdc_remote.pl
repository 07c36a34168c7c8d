# Capture from other databases: MariaDB, another PostgreSQL, a SQLite file.
use strict;
use warnings;
use Pythia::Test;
use Pythia::Session;
use Test::More;

my $node = pg_node('host');
my $other = pg_node('source', other => 1);
my $maria = shared_mysql('cdc_remote');
my $scratch = PostgreSQL::Test::Utils::tempdir();

sub changes
{
	my ($worker) = @_;
	return $node->safe_psql('postgres',
		"SELECT string_agg(change_type || ' ' || COALESCE(primary_key->>'id', '-') || COALESCE(' ' || (old_data->>'v'), '') || COALESCE('=' || (new_data->>'v'), ''), ', ' ORDER BY change_id)"
		. " FROM pythia.consume_changes('$worker', max_changes => 1000000)");
}

# Runs statements in a SQLite file.
sub lite
{
	my ($file) = @_;
	return sub { my ($text) = @_; system('perl', '-MDBI', '-e', 'DBI->connect("dbi:SQLite:dbname=$ARGV[0]", "", "", { RaiseError => 1 })->do($ARGV[1])', $file, $text) == 0 or die $text; };
}

sub create
{
	my ($worker, $url, $options) = @_;
	return $node->safe_psql('postgres', "SELECT pythia.create_cdc_worker('$worker', '{t}', '$url', options => '$options')");
}

# The same story for every source; $sql runs statements there.
sub story
{
	my ($name, $url, $sql, $now) = @_;
	$sql->("INSERT INTO t (id, v, updated_at) VALUES (1, 'old', '2020-01-01 00:00:00')");
	create($name, $url, '{"delete_interval": 0, "track": "rows"}');
	create("${name}_all", $url, '{"delete_interval": 0, "start_from": "beginning", "track": "none"}');
	is(changes($name), '', "$name: nothing is new");
	is(changes("${name}_all"), 'INSERT 1=old', "$name: from the beginning");
	$sql->("INSERT INTO t (id, v, updated_at) VALUES (2, 'a', $now), (3, 'b', $now)");
	$sql->("UPDATE t SET v = 'new', updated_at = $now WHERE id = 1");
	my $got = changes($name);
	like($got, qr/INSERT 2=a/, "$name: inserted");
	like($got, qr/UPDATE 1 old=new/, "$name: updated, with the row before");
	is(changes($name), '', "$name: once");
	$sql->('DELETE FROM t WHERE id = 2');
	is(changes($name), 'DELETE 2 a', "$name: deleted");
	$sql->('DELETE FROM t');
	is(changes($name), 'TRUNCATE -', "$name: found empty");
	is($node->safe_psql('postgres', "SELECT count(*) FROM pythia.consume_changes('${name}_all') WHERE change_type IN ('INSERT', 'UPDATE')"), '0', "$name: without tracking, what went between two polls is not told");
	$sql->("INSERT INTO t (id, v, updated_at) VALUES (9, 'z', $now)");
	is(changes("${name}_all"), 'INSERT 9=z', "$name: and what comes is");
	return;
}

subtest 'PostgreSQL' => sub {
	$other->safe_psql('postgres', 'CREATE TABLE t (id int PRIMARY KEY, v text, updated_at timestamptz); CREATE INDEX ON t (updated_at)');
	story('pg', pg_url($other), sub { $other->safe_psql('postgres', $_[0]) }, 'now()');
	my $a = Pythia::Session->new($other);
	$a->do("BEGIN; INSERT INTO t VALUES (20, 'late', now())");
	$other->safe_psql('postgres', "INSERT INTO t VALUES (21, 'early', now())");
	is(changes('pg'), 'INSERT 9=z, INSERT 21=early', 'what is committed');
	$a->do('COMMIT');
	is(changes('pg'), 'INSERT 20=late', 'a late commit over there');
};

subtest 'MariaDB' => sub {
	$maria->sql('CREATE TABLE t (id int PRIMARY KEY, v varchar(20), updated_at datetime(6), KEY (updated_at))');
	story('maria', $maria->url, sub { $maria->sql($_[0]) }, 'utc_timestamp(6)');
};

subtest 'SQLite' => sub {
	my $file = "$scratch/source.db";
	my $sql = lite($file);
	$sql->('CREATE TABLE t (id integer PRIMARY KEY, v text, updated_at text)');
	$sql->('CREATE INDEX t_stamp ON t (updated_at)');
	story('lite', "sqlite:///$file", $sql, "datetime('now')");
};

# whoever may insert would stop the capture of the table
subtest 'keys that are longer than an index takes' => sub {
	my $file = "$scratch/long.db";
	my $sql = lite($file);
	my $key = join '', map { chr(33 + (($_ * 7919) ^ ($_ >> 3) * 104729) % 90) } 1 .. 9000;
	$key =~ tr/'"\\/xyz/;
	$sql->('CREATE TABLE t (id text NOT NULL PRIMARY KEY, v text, updated_at text)');
	$sql->('CREATE INDEX t_stamp ON t (updated_at)');
	create('long', "sqlite:///$file", '{"delete_interval": 0, "track": "rows"}');
	$sql->("INSERT INTO t VALUES ('$key', 'a', datetime('now')), ('${key}2', 'b', datetime('now'))");
	my $told = sub { return $node->safe_psql('postgres', q{SELECT string_agg(change_type || ' ' || length(primary_key->>'id') || COALESCE('=' || (new_data->>'v'), ''), ', ' ORDER BY change_id) FROM pythia.consume_changes('long')}); };
	is($told->(), 'INSERT 9000=a, INSERT 9001=b', 'rows are told');
	$sql->("UPDATE t SET v = 'c', updated_at = datetime('now', '+1 second') WHERE v = 'a'");
	is($told->(), 'UPDATE 9000=c', 'and what becomes of them');
	$sql->("DELETE FROM t WHERE v = 'b'");
	is($told->(), 'DELETE 9001', 'to the end');
	is($node->safe_psql('postgres', "SELECT active FROM pythia.stat_cdc WHERE worker = 'long'"), 't', 'nothing stopped');
	$node->safe_psql('postgres', q{SELECT pythia.drop_cdc_worker('long')});
};

subtest 'a source that goes and comes back' => sub {
	$node->safe_psql('postgres', q{SELECT pythia.alter_cdc_worker('pg', poll_interval => '50 ms'); SELECT pythia.start_cdc('pg')});
	changes('pg');
	$other->stop('immediate');
	ok(wait_for($node, "SELECT failures > 0 AND last_error IS NOT NULL FROM pythia.worker_status WHERE name = 'pg'"), 'worker_status tells');
	$other->start;
	$other->safe_psql('postgres', "INSERT INTO t VALUES (30, 'back', now())");
	ok(wait_for($node, "SELECT count(*) = 1 FROM pythia.consume_changes('pg') WHERE primary_key->>'id' = '30'"), 'and it goes on by itself');
	$other->safe_psql('postgres', 'ALTER TABLE t RENAME TO gone');
	ok(wait_for($node, "SELECT NOT active FROM pythia.stat_cdc WHERE worker = 'pg'"), 'a table that goes stops alone');
	$other->safe_psql('postgres', 'ALTER TABLE gone RENAME TO t');
	$node->safe_psql('postgres', q{SELECT pythia.start_cdc('pg')});
	$other->safe_psql('postgres', "INSERT INTO t VALUES (31, 'again', now())");
	ok(wait_for($node, "SELECT count(*) = 1 FROM pythia.consume_changes('pg') WHERE primary_key->>'id' = '31'"), 'started again');
	$node->safe_psql('postgres', q{SELECT pythia.drop_cdc_worker('pg')});
};

# Tables that are made later, in a schema that is captured whole: here, and elsewhere.
subtest 'schema.*' => sub {
	$other->safe_psql('postgres', 'CREATE SCHEMA s; CREATE TABLE s.first (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now())');
	$node->safe_psql('postgres', 'CREATE SCHEMA s; CREATE TABLE s.first (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now())');
	for my $case (map { my $place = $_; map { [ $place, $_ ] } 'poll', 'trigger' } 'here', 'there')
	{
		my ($place, $capture) = @$case;
		my ($worker, $source) = ("${place}_$capture", $place eq 'here' ? $node : $other);
		my $url = $place eq 'here' ? 'NULL' : q{'} . pg_url($other) . q{'};
		my (undef, undef, $warnings) = $node->psql('postgres', "SELECT pythia.create_cdc_worker('$worker', '{s.*}', $url, poll_interval => '50 ms', options => '{\"capture\": \"$capture\"}')");
		like($warnings, qr/column "updated_at" of table "(s\.)?first" has no index/, "$worker: an index that is missing is told") if $capture eq 'poll';
		$source->safe_psql('postgres', "CREATE TABLE s.\"La ter\" (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now()); INSERT INTO s.\"La ter\" VALUES (1, 'a')");
		$source->safe_psql('postgres', 'CREATE TABLE s.unfit (v text)');
		$node->safe_psql('postgres', "SELECT pythia.poll('$worker')") for 1 .. 2;
		is(changes($worker), 'INSERT 1=a', "$worker: what was in it, too");
		like($node->safe_psql('postgres', "SELECT reason FROM pythia.stat_cdc WHERE worker = '$worker' AND \"table\" = 'unfit' AND NOT active"), qr/no primary key/, "$worker: one that does not fit is told");
		$source->safe_psql('postgres', "INSERT INTO s.\"La ter\" VALUES (2, 'b'); INSERT INTO s.first VALUES ((SELECT count(*) + 10 FROM s.first), 'c')");
		like(changes($worker), qr/^(INSERT 2=b, INSERT \d+=c|INSERT \d+=c, INSERT 2=b)$/, "$worker: and what comes");
		$node->safe_psql('postgres', "SELECT pythia.start_cdc('$worker')");
		$source->safe_psql('postgres', "CREATE TABLE s.third (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now()); INSERT INTO s.third VALUES (3, 'd')");
		# waited for without consuming: what comes twice is seen, and what does not come is told by the worker's state
		ok(wait_for($node, "SELECT count(*) > 0 FROM pythia.journal j JOIN pythia.worker w USING (worker_id) JOIN pythia.cdc_table t USING (table_id) WHERE w.name = '$worker' AND t.table_name = 'third'"), "$worker: by the background worker as well")
		  or diag($node->safe_psql('postgres', "SELECT * FROM pythia.stat_cdc WHERE worker = '$worker'; SELECT * FROM pythia.worker_status"));
		is(changes($worker), 'INSERT 3=d', "$worker: once");
		$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('$worker')");
		$source->safe_psql('postgres', 'DROP TABLE s."La ter", s.unfit, s.third');
	}
};

subtest 'mistakes' => sub {
	for my $case (
		['{nope}', pg_url($other), '{}', qr/nope/],
		['{t}', 'postgresql://127.0.0.1:1/x', '{}', qr/connect/],
		['{t}', 'nowhere', '{}', qr/nowhere/])
	{
		my ($tables, $url, $options, $error) = @$case;
		my ($rc, $out, $err) = $node->psql('postgres', "SELECT pythia.create_cdc_worker('bad', '$tables', '$url', options => '$options')");
		like($err, $error, "$tables $url $options");
	}
	is($node->safe_psql('postgres', "SELECT count(*) FROM pythia.worker WHERE name = 'bad'"), '0', 'nothing is left behind');
};

done_testing();
