# Triggers on tables of other databases: MariaDB, another PostgreSQL, a SQLite file.
use strict;
use warnings;
use Pythia::Test;
use Pythia::Session;
use Test::More;

my $node = pg_node('host');
# of our tables, too
$node->safe_psql('postgres', 'CREATE PUBLICATION everything FOR ALL TABLES');
my $other = pg_node('source', other => 1);
my $maria = shared_mysql('cdc_remote_trigger');
my $file = PostgreSQL::Test::Utils::tempdir() . '/source.db';

my %source = (
	pg => {
		url => pg_url($other),
		sql => sub { $other->safe_psql('postgres', $_[0]) },
		leftovers => "SELECT (SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'pythia_log%') + (SELECT count(*) FROM pg_proc WHERE proname LIKE 'pythia_log%')",
	},
	maria => {
		url => $maria->url,
		sql => sub { $maria->sql($_[0]) },
		leftovers => "SELECT (SELECT count(*) FROM information_schema.TABLES WHERE TABLE_NAME LIKE 'pythia_log%' AND TABLE_SCHEMA = 'cdc_remote_trigger') + (SELECT count(*) FROM information_schema.TRIGGERS WHERE TRIGGER_NAME LIKE 'pythia_log%' AND TRIGGER_SCHEMA = 'cdc_remote_trigger')",
	},
	lite => {
		url => "sqlite:///$file",
		sql => sub {
			my $out = '';
			IPC::Run::run([ 'perl', '-MDBI', '-e', q{
				my $db = DBI->connect("dbi:SQLite:dbname=$ARGV[0]", "", "", { RaiseError => 1, sqlite_allow_multiple_statements => 1 });
				my $s = $db->prepare($ARGV[1]); $s->execute; print join("|", map { $_ // "" } @$_), "\n" for $s->{NUM_OF_FIELDS} ? @{ $s->fetchall_arrayref } : () },
				$file, $_[0] ], '>', \$out) or die $_[0];
			chomp $out;
			return $out;
		},
		leftovers => "SELECT count(*) FROM sqlite_master WHERE name LIKE 'pythia_log%'",
	});

sub changes
{
	my ($worker) = @_;
	return $node->safe_psql('postgres',
		"SELECT string_agg(change_type || ' ' || COALESCE(primary_key->>'id', '-') || COALESCE(' ' || (old_data->>'v'), '') || COALESCE('=' || (new_data->>'v'), ''), ', ' ORDER BY change_id)"
		. " FROM pythia.consume_changes('$worker', max_changes => 1000000)");
}

sub create
{
	my ($name, $worker, $options) = @_;
	$options //= '';
	return $node->safe_psql('postgres', "SELECT pythia.create_cdc_worker('$worker', '{t}', '$source{$name}{url}', options => '{\"capture\": \"trigger\"$options}')");
}

sub leftovers { my ($name) = @_; return $source{$name}{sql}->($source{$name}{leftovers}); }
sub log_rows
{
	my ($name, $worker) = @_;
	my $log = $node->safe_psql('postgres', "SELECT log_name FROM pythia.cdc_state JOIN pythia.cdc_table USING (table_id) JOIN pythia.worker USING (worker_id) WHERE worker.name = '$worker'");
	# MariaDB has two rows an update
	return $source{$name}{sql}->("SELECT count(DISTINCT pythia_id) FROM $log");
}

$other->safe_psql('postgres', 'CREATE TABLE t (id int PRIMARY KEY, v text, updated_at timestamptz)');
$maria->sql('CREATE TABLE t (id int PRIMARY KEY, v varchar(20), updated_at datetime(6))');
$source{lite}{sql}->('CREATE TABLE t (id integer PRIMARY KEY, v text, updated_at text)');

subtest 'pg: a partition that is emptied alone' => sub {
	my $sql = $source{pg}{sql};
	$sql->(q{CREATE TYPE mood AS ENUM ('ok', 'bad');
		CREATE TABLE parts (id int PRIMARY KEY, v text, m mood, j json) PARTITION BY RANGE (id);
		CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10); CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (id);
		CREATE TABLE "parts_2 a" PARTITION OF parts_2 FOR VALUES FROM (10) TO (15)});
	for my $worker (['parted', ''], ['some', q(, "where": "parts.v <> ''b'' AND id < 15")])
	{
		$node->safe_psql('postgres', "SELECT pythia.create_cdc_worker('$worker->[0]', '{parts}', '$source{pg}{url}', options => '{\"capture\": \"trigger\"$worker->[1]}')");
	}
	$sql->(q{INSERT INTO parts VALUES (1, 'a', 'ok', '{"x": 1}'), (2, 'b', NULL, NULL), (11, 'c', 'bad', '[]')});
	changes($_) for 'parted', 'some';
	$sql->('BEGIN; TRUNCATE parts_1; TRUNCATE parts_2; SAVEPOINT s; TRUNCATE parts; ROLLBACK TO s; COMMIT');
	is($node->safe_psql('postgres', q{SELECT string_agg(change_type || old_data::text, ', ' ORDER BY change_id) FROM pythia.consume_changes('parted')}),
		'DELETE{"j": {"x": 1}, "m": "ok", "v": "a", "id": 1}, DELETE{"j": null, "m": null, "v": "b", "id": 2}, DELETE{"j": [], "m": "bad", "v": "c", "id": 11}', 'its rows, as images show them');
	is(changes('some'), 'DELETE 1 a, DELETE 11 c', 'those of the condition');
	$sql->(q{INSERT INTO parts VALUES (3, 'd'); TRUNCATE parts; CREATE TABLE parts_3 PARTITION OF parts_2 FOR VALUES FROM (15) TO (20)});
	is(changes('parted'), 'INSERT 3=d, TRUNCATE -', 'the whole table, told once');
	$sql->(q{INSERT INTO parts VALUES (16, 'e'); TRUNCATE parts_3; INSERT INTO parts VALUES (17, 'f')});
	is(changes('parted'), 'INSERT 16=e, DELETE 16 e, INSERT 17=f', 'a partition that came later');
	$sql->('BEGIN ISOLATION LEVEL REPEATABLE READ; TRUNCATE parts_3; COMMIT');
	is(changes('parted'), '', 'what a snapshot may not show');
	like($node->safe_psql('postgres', q{SELECT reason FROM pythia.stat_cdc WHERE worker = 'parted'}), qr/a partition was emptied in a transaction that does not see all of its rows/, 'stops the table');
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('$_')") for 'parted', 'some';
	is($sql->(q{SELECT count(*) FROM pg_trigger WHERE tgrelid::regclass::text LIKE '%parts%' AND NOT tgisinternal}), '0', 'no trigger is left');
	$sql->('DROP TABLE parts; DROP TYPE mood');
};

for my $name (qw(pg maria lite))
{
	my $sql = $source{$name}{sql};

	subtest "$name: every change" => sub {
		$sql->("INSERT INTO t (id, v) VALUES (1, 'there')");
		create($name, "${name}_w");
		create($name, "${name}_all", ', "start_from": "beginning"');
		is(changes("${name}_w"), '', 'nothing is new');
		is(changes("${name}_all"), 'INSERT 1=there', 'from the beginning');
		$sql->("INSERT INTO t (id, v) VALUES (2, 'a')");
		$sql->("UPDATE t SET v = 'b' WHERE id = 2");
		$sql->("UPDATE t SET id = 3 WHERE id = 2");
		$sql->("UPDATE t SET v = v WHERE id = 3");
		$sql->("DELETE FROM t WHERE id = 3");
		my $expected = 'INSERT 2=a, UPDATE 2 a=b, DELETE 2 b, INSERT 3=b, DELETE 3 b';
		is(changes("${name}_w"), $expected, 'each version, in order');
		is(changes("${name}_w"), '', 'once');
		is(log_rows($name, "${name}_w"), '0', 'and the log over there is empty');
		is(changes("${name}_all"), $expected, 'another worker sees the same');
	};

	subtest "$name: transactions here" => sub {
		$sql->("INSERT INTO t (id, v) VALUES (10, 'x')");
		is($node->safe_psql('postgres', "BEGIN; SELECT pythia.poll('${name}_w'); SELECT pythia.poll('${name}_w'); COMMIT"), "1\n0", 'two polls in one transaction tell it once');
		is(changes("${name}_w"), 'INSERT 10=x', 'it is there');
		$sql->("UPDATE t SET v = 'y' WHERE id = 10");
		is($node->safe_psql('postgres', "BEGIN; SELECT pythia.poll('${name}_w'); ROLLBACK"), '1', 'told …');
		is(changes("${name}_w"), 'UPDATE 10 x=y', '… and, being rolled back, told again');
		is(log_rows($name, "${name}_w"), '1', 'it stays in the log until that is certain');
		is(changes("${name}_w"), '', 'but is not told again');
		is(log_rows($name, "${name}_w"), '0', 'then it goes');

		my $before = leftovers($name);
		$node->safe_psql('postgres', "BEGIN; SELECT pythia.create_cdc_worker('gone', '{t}', '$source{$name}{url}', options => '{\"capture\": \"trigger\"}'); ROLLBACK");
		is(leftovers($name), $before, 'a creation that is rolled back leaves no trigger');
		$node->safe_psql('postgres', "BEGIN; SAVEPOINT s; SELECT pythia.create_cdc_worker('gone', '{t}', '$source{$name}{url}', options => '{\"capture\": \"trigger\"}'); ROLLBACK TO s; COMMIT");
		is(leftovers($name), $before, 'nor one that a savepoint undoes');
		$node->safe_psql('postgres', "BEGIN; SELECT pythia.drop_cdc_worker('${name}_w'); ROLLBACK");
		is(leftovers($name), $before, 'a drop that is rolled back takes none');
		$sql->("UPDATE t SET v = 'z' WHERE id = 10");
		is(changes("${name}_w"), 'UPDATE 10 y=z', 'and capture goes on');
	};

	subtest "$name: altered" => sub {
		$node->safe_psql('postgres', "SELECT pythia.alter_cdc_worker('${name}_all', options => '{\"capture\": \"poll\"}')");
		$sql->("UPDATE t SET v = 'q', updated_at = " . ($name eq 'pg' ? 'now()' : $name eq 'maria' ? 'utc_timestamp(6)' : "datetime('now')") . ' WHERE id = 10');
		like(changes("${name}_all"), qr/UPDATE 10( z)?=q$/, 'by polling');
		$node->safe_psql('postgres', "SELECT pythia.alter_cdc_worker('${name}_all', options => '{\"capture\": \"trigger\"}')");
		changes("${name}_all");
		$sql->("DELETE FROM t WHERE id = 10");
		is(changes("${name}_all"), 'DELETE 10 q', 'and by triggers again');
		changes("${name}_w");
	};

	subtest "$name: columns that come and go" => sub {
		my ($rc, $out, $err) = $node->psql('postgres', "SELECT pythia.alter_cdc_worker('${name}_w', options => '{\"track\": \"rows\"}')");
		is($rc, 0, 'altered') or diag $err;
		$sql->("INSERT INTO t (id, v) VALUES (20, 'before')");
		$sql->('ALTER TABLE t ADD COLUMN w varchar(10)');
		$sql->("INSERT INTO t (id, v, w) VALUES (21, 'after', 'W')");
		my @got = split /\n/, $node->safe_psql('postgres', "SELECT change_type, primary_key->>'id', new_data->>'w' FROM (SELECT * FROM pythia.consume_changes('${name}_w')) c ORDER BY change_id");
		push @got, split /\n/, $node->safe_psql('postgres', "SELECT change_type, primary_key->>'id', new_data->>'w' FROM (SELECT * FROM pythia.consume_changes('${name}_w')) c ORDER BY change_id");
		is((grep { /\|21\|/ } @got)[-1] =~ s/^\w+//r, '|21|W', 'its value comes, if later than the row') or diag join ' ', @got;
		$sql->("UPDATE t SET w = 'X' WHERE id = 20");
		is($node->safe_psql('postgres', "SELECT change_type, old_data->>'w', new_data->>'w' FROM pythia.consume_changes('${name}_w')"), 'UPDATE||X', 'both rows with it');
		if ($name ne 'lite')
		{
			$sql->('ALTER TABLE t DROP COLUMN w');
			changes("${name}_w"); # MariaDB's triggers are mended by this
			$sql->("UPDATE t SET v = 'without' WHERE id = 21");
			is(changes("${name}_w"), 'UPDATE 21 after=without', 'and without it');
		}
		changes("${name}_all");
	};

	subtest "$name: where" => sub {
		$node->safe_psql('postgres', "SELECT pythia.alter_cdc_worker('${name}_w', options => '{\"where\": \"t.v > ''m''\"}')");
		$sql->("INSERT INTO t (id, v) VALUES (30, 'a'), (31, 'n')");
		$sql->("UPDATE t SET v = 'o' WHERE id = 31");
		$sql->("UPDATE t SET v = 'p' WHERE id = 30");
		$sql->("UPDATE t SET v = 'b' WHERE id = 31");
		$sql->("DELETE FROM t WHERE id >= 30");
		is(changes("${name}_w"), 'INSERT 31=n, UPDATE 31 n=o, INSERT 30=p, DELETE 31 o, DELETE 30 p', 'rows that come under it and leave it');
		if ($name eq 'lite')
		{
			$sql->("INSERT INTO t (id, v) VALUES (32, 'x')");
			$sql->("REPLACE INTO t (id, v) VALUES (32, 'y')");
			$sql->("REPLACE INTO t (id, v) VALUES (32, 'b')");
			is(changes("${name}_w"), 'INSERT 32=x, UPDATE 32 x=y, DELETE 32 y', 'REPLACE, too');
		}
		changes("${name}_all");
	};

	subtest "$name: in the background" => sub {
		$node->safe_psql('postgres', "SELECT pythia.alter_cdc_worker('${name}_all', poll_interval => '50 ms'); SELECT pythia.start_cdc('${name}_all')");
		$sql->("INSERT INTO t (id, v) VALUES (40, 'bg')");
		ok(wait_for($node, "SELECT count(*) = 1 FROM pythia.consume_changes('${name}_all') WHERE primary_key->>'id' = '40'"), 'told');
		ok(wait_for($node, "SELECT count(*) = 0 FROM pythia.remote_told JOIN pythia.cdc_table USING (table_id) JOIN pythia.worker w USING (worker_id) WHERE w.name = '${name}_all'"), 'and gone from the log');
		is(log_rows($name, "${name}_all"), '0', 'which is empty');
		$sql->('DROP TABLE t');
		ok(wait_for($node, "SELECT NOT active AND reason LIKE '%does not exist%' FROM pythia.stat_cdc WHERE worker = '${name}_all'"), 'a table that is dropped stops, with a reason');
		is($node->safe_psql('postgres', "SELECT state FROM pythia.worker_status WHERE name = '${name}_all'"), 'running', 'the worker does not');
		$sql->('CREATE TABLE t (id int PRIMARY KEY, v varchar(20))');
		$node->safe_psql('postgres', "SELECT pythia.start_cdc('${name}_all')");
		ok(wait_for($node, "SELECT active AND start_as IS NULL FROM pythia.cdc_state JOIN pythia.cdc_table USING (table_id) JOIN pythia.worker w USING (worker_id) WHERE w.name = '${name}_all'"), 'another table by its name gets triggers when it is started again');
		$sql->("INSERT INTO t (id, v) VALUES (50, 'again')");
		ok(wait_for($node, "SELECT count(*) = 1 FROM pythia.consume_changes('${name}_all') WHERE primary_key->>'id' = '50'"), 'and is captured');
		$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('${name}_all'); SELECT pythia.drop_cdc_worker('${name}_w')");
		is(leftovers($name), '0', 'dropped workers leave nothing');
		create($name, "${name}_many");
		$sql->('DELETE FROM t');
		$node->safe_psql('postgres', "SELECT count(*) FROM pythia.consume_changes('${name}_many')");
		$sql->($name eq 'maria' ? "INSERT INTO t (id, v) SELECT seq, 'x' FROM " . mysql_numbers(25000) : $name eq 'pg' ? "INSERT INTO t (id, v) SELECT i, 'x' FROM generate_series(1, 25000) i"
			: "INSERT INTO t (id, v) WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < 25000) SELECT i, 'x' FROM g");
		is($node->safe_psql('postgres', "SELECT pythia.poll('${name}_many')"), '25000', 'one poll takes all there is');
		is($node->safe_psql('postgres', "SELECT pythia.poll('${name}_many')"), '0', 'and the next nothing');
		is(log_rows($name, "${name}_many"), '0', 'but empties the log');
		$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('${name}_many')");
	};
}

subtest 'mistakes' => sub {
	$maria->sql('CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, p int, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE)');
	$maria->sql('CREATE TABLE wide (id int PRIMARY KEY, ' . join(', ', map { "c$_ tinyint" } 1 .. 1012) . ')');
	$other->safe_psql('postgres', 'CREATE VIEW vt AS SELECT * FROM t');
	for my $case (
		['{t,c}', 'maria', '', qr/triggers would miss what the foreign key/],
		['{wide}', 'maria', '', qr/table "wide" is too wide for triggers: 1013 columns, where a log has room for 1012.*HINT:.*exclude_columns/s],
		['{vt}', 'pg', ', "key": ["id"]', qr/no table that triggers/],
		['{t}', 'pg', ', "start_from": "2026-01-01 00:00:00"', qr/triggers cannot start from/],
		['{t}', 'pg', ', "where": "nonsense >"', qr/syntax error/])
	{
		my ($tables, $name, $options, $error) = @$case;
		my (undef, undef, $err) = $node->psql('postgres', "SELECT pythia.create_cdc_worker('bad', '$tables', '$source{$name}{url}', options => '{\"capture\": \"trigger\"$options}')");
		like($err, $error, "$tables $options");
		is(leftovers($name), '0', 'nothing is left over there');
	}
	my (undef, undef, $err) = $node->psql('postgres', "BEGIN; SELECT pythia.create_cdc_worker('bad', '{t}', '$source{pg}{url}', options => '{\"capture\": \"trigger\"}'); PREPARE TRANSACTION 'p'");
	like($err, qr/cannot PREPARE/, 'not with two phases');
	is(leftovers('pg'), '0', 'and undone');
	create('pg', 'ext');
	create('maria', 'ext2');
	my $open = Pythia::Session->new($node);
	$open->do('BEGIN; LOCK TABLE pythia.cdc_state IN ACCESS EXCLUSIVE MODE');
	for my $case ([ "'300ms'", "'5s'", 'statement timeout' ], [ "'0'", "'300ms'", 'lock timeout' ])
	{
		my ($statement, $lock, $why) = @$case;
		(undef, undef, $err) = $node->psql('postgres', "SET statement_timeout = $statement; SET lock_timeout = $lock; DROP EXTENSION pythia_db CASCADE");
		like($err, qr/ERROR: .*canceling statement due to $why/, "DROP EXTENSION ends with a $why");
		unlike($err, qr/WARNING/, 'and not by leaving its triggers elsewhere behind');
	}
	$open->do('ROLLBACK');
	$node->safe_psql('postgres', 'BEGIN; DROP EXTENSION pythia_db CASCADE; ROLLBACK');
	isnt(leftovers('pg'), '0', 'DROP EXTENSION that is rolled back leaves all');
	$node->safe_psql('postgres', 'DROP EXTENSION pythia_db CASCADE; CREATE EXTENSION pythia_db');
	is(leftovers('pg') + leftovers('maria'), '0', 'DROP EXTENSION takes its triggers elsewhere along');
	create('pg', 'down');
	$other->stop;
	(undef, undef, $err) = $node->psql('postgres', "SELECT pythia.drop_cdc_worker('down')");
	like($err, qr/WARNING: .*the triggers on table "public.t".* stay.*HINT: .*pythia_log_/s, 'a source that is down keeps its triggers: told');
	is($node->safe_psql('postgres', "SELECT count(*) FROM pythia.worker"), '0', 'and the worker is dropped');
};

done_testing();
