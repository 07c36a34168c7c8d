# What capture costs: idle polls leave no trace, and memory does not grow with a transaction.
use strict;
use warnings;
use Pythia::Test;
use Test::More;

my $installed = qx("\$PYTHIA_PG_CONFIG" --pkglibdir);
chomp $installed;
my $statements = -e "$installed/pg_stat_statements.so";

# Few shared buffers: they count in a process's resident memory.
my $node = pg_node(
	'cost',
	shared_preload_libraries => 'pythia_db' . ($statements ? ', pg_stat_statements' : ''),
	shared_buffers => '16MB',
	autovacuum => 'off');
$node->safe_psql('postgres', 'CREATE EXTENSION pg_stat_statements') if $statements;

my $columns = "id int PRIMARY KEY, v text NOT NULL DEFAULT repeat('x', 300), updated_at timestamptz NOT NULL DEFAULT now()";
# a queue of the server's own grows with a statement's rows: about 16 bytes each
my $rows = 100_000;
my $growth = 24 * 1024;

sub sizes
{
	return $node->safe_psql('postgres', q{SELECT string_agg(c.oid::regclass || ' ' || pg_relation_size(c.oid), ', ' ORDER BY c.oid::regclass::text)
		FROM pg_class c WHERE relnamespace = 'pythia'::regnamespace AND relkind IN ('r', 'i')});
}

sub xid
{
	return $node->safe_psql('postgres', 'SELECT pg_snapshot_xmax(pg_current_snapshot())');
}

sub statements
{
	return $statements ? $node->safe_psql('postgres', 'SELECT count(*) FROM pg_stat_statements') : 0;
}

# What housekeeping would write down sooner or later, every ten seconds.
sub settled
{
	return wait_for($node, "SELECT pythia._rotate_journal()::text = '' AND (SELECT counted FROM pythia.journal_state) = (SELECT last_value FROM pythia.journal_change_id_seq)");
}

subtest 'idle polls in a session' => sub {
	plan skip_all => "there is no pg_stat_statements in $installed" unless $statements;
	$node->safe_psql('postgres', "CREATE TABLE a ($columns); CREATE INDEX ON a (updated_at); INSERT INTO a SELECT i FROM generate_series(1, 1000) i");
	$node->safe_psql('postgres', "CREATE TABLE b ($columns) PARTITION BY RANGE (id); CREATE TABLE b1 PARTITION OF b DEFAULT; CREATE INDEX ON b (updated_at)");
	$node->safe_psql('postgres', q{SELECT pythia.create_cdc_worker('idle', '{a,b}', options => '{"lookback": 0, "delete_interval": "1 day"}')});
	# stamps that never fall behind, and rows that the condition leaves out
	$node->safe_psql('postgres', "CREATE TABLE c ($columns); CREATE INDEX ON c (updated_at DESC)");
	$node->safe_psql('postgres', q{SELECT pythia.create_cdc_worker('some', '{c}', options => '{"lookback": 0, "delete_interval": "1 day", "where": "id > 0"}')});
	$node->safe_psql('postgres', "INSERT INTO $_ VALUES (7001, 'far', 'infinity'), (7002, 'near', '2999-12-31')") for 'a', 'b', 'c';
	$node->safe_psql('postgres', 'INSERT INTO c SELECT -i FROM generate_series(1, 100) i');
	# whatever else is at work in this server holds low back for a moment
	my $behind = "SELECT count(*) FROM c WHERE id < 0 AND updated_at >= (SELECT '2000-01-01Z'::timestamptz + low * interval '1 microsecond' FROM pythia.cdc_state JOIN pythia.cdc_table t USING (table_id) WHERE t.name = 'c')";
	ok(wait_for($node, "SELECT sum(pythia.poll(w)) = 0 AND ($behind) = 0 FROM unnest('{idle,some}'::text[]) w"), 'low has passed rows that the condition leaves out');
	is($node->safe_psql('postgres', "SELECT string_agg(worker || ' ' || \"table\" || ' ' || captured, ', ' ORDER BY \"table\") FROM pythia.stat_cdc"), 'idle a 2, idle b 2, some c 2', 'rows of the future are captured');
	$node->safe_psql('postgres', "SELECT count(*) FROM pythia.consume_changes('idle')") for 1 .. 2;
	$node->safe_psql('postgres', "SET pg_stat_statements.track = 'all'; SELECT pg_stat_statements_reset()");
	my ($sizes, $xid) = (sizes(), xid());
	my $first = statements();
	$node->safe_psql('postgres', "SET pg_stat_statements.track = 'all';\n" . "SELECT pythia.poll('idle'), pythia.poll('some');\nSELECT count(*) FROM pythia.consume_changes('idle');\n" x 2000);
	cmp_ok(statements() - $first, '<=', 8, 'a handful of statements in pg_stat_statements');
	is($node->safe_psql('postgres', "SELECT sum(calls) FROM pg_stat_statements WHERE query LIKE '%pythia.poll(%'"), '2000', 'which counts them all');
	is(sizes(), $sizes, 'no relation has grown');
	is(xid(), $xid, 'and no transaction id is spent');
};

subtest 'an idle background worker' => sub {
	plan skip_all => "there is no pg_stat_statements in $installed" unless $statements;
	$node->safe_psql('postgres', q{CREATE FUNCTION handle(pythia.database_change) RETURNS jsonb LANGUAGE sql AS 'SELECT NULL::jsonb'});
	$node->safe_psql('postgres', q{SELECT pythia.create_cdc_worker('busy', '{a}', poll_interval => '2 ms', handler => 'handle', options => '{"lookback": 0, "delete_interval": "1 day"}')});
	$node->safe_psql('postgres', q{SELECT pythia.start_cdc('busy')});
	$node->safe_psql('postgres', 'INSERT INTO a VALUES (0)');
	ok(wait_for($node, "SELECT consumed >= 1 FROM pythia.consumer WHERE name = 'handler'"), 'works');
	my $turns = 'SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()';
	# its first turns have yet to come to rest
	ok(settled(), 'all is counted');
	my $start = $node->safe_psql('postgres', $turns);
	ok(wait_for($node, "SELECT xact_commit > $start + 200 FROM pg_stat_database WHERE datname = current_database()"), 'and rests');
	my ($sizes, $xid, $first) = (sizes(), xid(), statements());
	$start = $node->safe_psql('postgres', $turns);
	ok(wait_for($node, "SELECT xact_commit > $start + 2000 FROM pg_stat_database WHERE datname = current_database()"), 'two thousand transactions');
	is(sizes(), $sizes, 'no relation has grown');
	is(xid(), $xid, 'no transaction id is spent');
	cmp_ok(statements() - $first, '<=', 8, 'a handful of statements in pg_stat_statements');
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('busy')");
};

# Statements over there count, too: it is the same server.
subtest 'idle polls of another database' => sub {
	plan skip_all => "there is no pg_stat_statements in $installed" unless $statements;
	$node->safe_psql('postgres', 'CREATE DATABASE far');
	$node->safe_psql('far', "CREATE TABLE a ($columns); CREATE INDEX ON a (updated_at); INSERT INTO a SELECT i FROM generate_series(1, 1000) i");
	my $url = pg_url($node, 'far');
	for my $capture ('poll', 'trigger')
	{
		$node->safe_psql('postgres', "SELECT pythia.create_cdc_worker('far_$capture', '{a}', '$url', poll_interval => '2 ms', options => '{\"capture\": \"$capture\", \"delete_interval\": \"1 day\"}')");
		$node->safe_psql('far', "INSERT INTO a VALUES (" . ($capture eq 'poll' ? 2001 : 2002) . ')');
		# a row at or after low is read again until low has passed it
		my $stamp = $node->safe_psql('far', "SELECT max(updated_at) AT TIME ZONE 'UTC' FROM a");
		ok(wait_for($node, "SELECT pythia.poll('far_$capture') = 0 AND COALESCE(min(remote_low), 'none') > '$stamp' FROM pythia.cdc_state JOIN pythia.cdc_table t USING (table_id) JOIN pythia.worker USING (worker_id) WHERE worker.name = 'far_$capture'"), "$capture: at rest");
		is($node->safe_psql('postgres', "SELECT captured > 0 FROM pythia.stat_cdc WHERE worker = 'far_$capture'"), 't', "$capture: works");
		$node->safe_psql('postgres', "SELECT count(*) FROM pythia.consume_changes('far_$capture')") for 1 .. 2;
		my ($sizes, $xid, $first) = (sizes(), xid(), statements());
		$node->safe_psql('postgres', "SET pg_stat_statements.track = 'all';\n" . "SELECT pythia.poll('far_$capture');\n" x 300);
		cmp_ok(statements() - $first, '<=', 25, "$capture, in a session: a handful of statements in pg_stat_statements");
		my $after = statements();
		$node->safe_psql('postgres', "SET pg_stat_statements.track = 'all';\n" . "SELECT pythia.poll('far_$capture');\n" x 300);
		is(statements(), $after, 'a fixed one');
		is(sizes(), $sizes, 'no relation has grown');
		is(xid(), $xid, 'no transaction id is spent');
		$node->safe_psql('postgres', "SELECT pythia.start_cdc('far_$capture')");
		my $calls = q{SELECT COALESCE(sum(calls), 0) FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = 'far')};
		my $start = $node->safe_psql('postgres', $calls);
		ok(wait_for($node, "SELECT ($calls) > $start + 200"), 'a background worker polls');
		ok(settled(), 'all is counted');
		($sizes, $xid, $first) = (sizes(), xid(), statements());
		$start = $node->safe_psql('postgres', $calls);
		ok(wait_for($node, "SELECT ($calls) > $start + 1000"), 'again and again');
		is(sizes(), $sizes, 'no relation has grown');
		is(xid(), $xid, 'no transaction id is spent');
		cmp_ok(statements() - $first, '<=', 8, 'a handful of statements in pg_stat_statements');
		$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('far_$capture')");
	}
};

# An idle poll of a thousand tables is to take a second: by few statements over there, and none that is long in planning.
subtest 'idle polls of many tables of another database' => sub {
	plan skip_all => "there is no pg_stat_statements in $installed" unless $statements;
	$node->safe_psql('postgres', 'CREATE DATABASE wide');
	$node->safe_psql('wide', "CREATE SCHEMA few; CREATE SCHEMA many; " . join('', map { my $schema = $_; map { "CREATE TABLE $schema.t$_ ($columns); CREATE INDEX ON $schema.t$_ (updated_at);" } 1 .. ($schema eq 'few' ? 10 : 60) } 'few', 'many'));
	my $url = pg_url($node, 'wide');
	my %most = (poll => 1, trigger => 2);
	for my $capture ('poll', 'trigger')
	{
		my %calls;
		for my $schema ('few', 'many')
		{
			my $worker = "${capture}_$schema";
			$node->safe_psql('postgres', "SELECT pythia.create_cdc_worker('$worker', '{$schema.*}', '$url', options => '{\"capture\": \"$capture\", \"delete_interval\": \"1 day\"}')");
			$node->safe_psql('postgres', "SELECT pythia.poll('$worker')") for 1 .. 2;
			my $sent = q{SELECT sum(calls) FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = 'wide')};
			my $before = $node->safe_psql('postgres', $sent);
			is($node->safe_psql('postgres', "SELECT pythia.poll('$worker')"), 0, "$worker is idle");
			$calls{$schema} = $node->safe_psql('postgres', $sent) - $before;
			$node->safe_psql('wide', "INSERT INTO $schema.t3 VALUES (" . ($capture eq 'poll' ? 1 : 2) . ")");
			ok(wait_for($node, "SELECT pythia.poll('$worker') >= 0 AND EXISTS (SELECT FROM pythia.consume_changes('$worker'))"), 'and works');
			$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('$worker')");
		}
		cmp_ok($calls{many} - $calls{few}, '<=', 50 * $most{$capture}, "$capture: statements for a further table, $calls{few} for 10 tables and $calls{many} for 60");
	}
};

# Rows of any table that a statement makes the server read, whatever it does with them, in this session.
sub read_by
{
	my ($statement) = @_;
	# what the planner takes depends on what it knows of the catalogs
	$node->safe_psql('postgres', 'VACUUM ANALYZE');
	my $read = q{SELECT 'read ' || COALESCE(sum(seq_tup_read + COALESCE(idx_tup_fetch, 0)), 0) FROM pg_stat_xact_all_tables};
	my ($rows) = $node->safe_psql('postgres', "BEGIN;\n$statement \\g /dev/null\n$read;\nCOMMIT") =~ /^read (\d+)$/m;
	return $rows;
}

subtest 'many tables cost as much as so many single ones' => sub {
	my @counts = (100, 400);
	my %rows;
	for my $count (@counts)
	{
		$node->safe_psql('postgres', "CREATE SCHEMA many$count");
		$node->safe_psql('postgres', "DO \$\$ BEGIN FOR i IN 1..$count LOOP EXECUTE format('CREATE TABLE many$count.t%s (id int PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now()); CREATE INDEX ON many$count.t%s (updated_at)', i, i); END LOOP; END \$\$");
	}
	for my $capture ('trigger', 'poll')
	{
		for my $count (@counts)
		{
			$rows{create}{$count} = read_by("SELECT pythia.create_cdc_worker('many', '{many$count.*}', options => '{\"capture\": \"$capture\"}')");
			$node->safe_psql('postgres', "SELECT pythia.poll('many')");
			$rows{'an idle poll'}{$count} = read_by("SELECT pythia.poll('many')");
			$rows{drop}{$count} = read_by("SELECT pythia.drop_cdc_worker('many')");
		}
		for my $what ('create', 'an idle poll', 'drop')
		{
			note("$capture, $what: $rows{$what}{$_} rows read for $_ tables") for @counts;
			# the catalogs have thousands: whoever reads one of them for each table is far beyond that
			cmp_ok($rows{$what}{400} - $rows{$what}{100}, '<', 300 * 400, "$capture, $what: a further table costs a few rows");
		}
	}
	$node->safe_psql('postgres', "DROP SCHEMA many$_ CASCADE") for @counts;
};

subtest 'triggers on many tables over there go through one connection' => sub {
	local $Pythia::Kept::wanted = 0; # sessions are counted
	$node->safe_psql('postgres', 'CREATE DATABASE farther');
	$node->safe_psql('farther', "DO \$\$ BEGIN FOR i IN 1..20 LOOP EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, updated_at timestamptz)', i); END LOOP; END \$\$");
	my $url = pg_url($node, 'farther');
	my $sessions = q{SELECT sessions FROM pg_stat_database WHERE datname = 'farther'};
	my $alone = q{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = 'farther')};
	$node->safe_psql('postgres', qq{SELECT pythia.create_cdc_worker('many', '{public.*}', '$url', options => '{"capture": "trigger"}')});
	ok(wait_for($node, $alone), 'nobody is there');
	my $before = $node->safe_psql('postgres', $sessions);
	$node->safe_psql('postgres', q{SELECT pythia.drop_cdc_worker('many')});
	is($node->safe_psql('farther', q{SELECT count(*) FROM pg_class WHERE relname LIKE 'pythia_log_%'}), '0', 'dropped with the worker');
	ok(wait_for($node, "$alone AND ($sessions) > $before"), 'nobody is there');
	cmp_ok($node->safe_psql('postgres', $sessions) - $before, '<', 10, 'by a few sessions');
};

# How much more memory a session has ever had after the second statement than after the first, in kB.
sub growth
{
	my ($prepare, $first, $second) = @_;
	my $peak = q{SELECT substring(pg_read_file('/proc/self/status') FROM 'VmHWM:\s+(\d+)')};
	$node->safe_psql('postgres', $prepare);
	# all shared buffers touched, so that they count before and after
	my @peaks = grep { /^\d+$/ } split /\n/, $node->safe_psql('postgres', "SELECT sum(length(r::text)) FROM everything r \\g /dev/null\n$first \\g /dev/null\n$peak;\n$second \\g /dev/null\n$peak");
	note("peak memory: $peaks[0] kB, then $peaks[1] kB");
	return $peaks[1] - $peaks[0];
}

subtest 'memory does not grow with a transaction' => sub {
	plan skip_all => 'there is no /proc/self/status here' unless -e '/proc/self/status';
	$node->safe_psql('postgres', "CREATE TABLE everything AS SELECT i, repeat('x', 1000) FROM generate_series(1, 20000) i");
	$node->safe_psql('postgres', "CREATE TABLE big ($columns); CREATE INDEX ON big (updated_at)");
	my $insert = 'INSERT INTO big SELECT i FROM generate_series(%d, %d) i';
	my ($few, $many) = (sprintf($insert, 1, 5000), sprintf($insert, 5001, $rows));

	cmp_ok(growth(q{SELECT pythia.create_cdc_worker('t', '{big}', options => '{"capture": "trigger"}')}, $few, $many), '<', $growth, 'a trigger on many rows');
	my $consume = "SELECT count(*) FROM pythia.consume_changes('t', max_changes => %d)";
	cmp_ok(growth('SELECT 1', sprintf($consume, 1000), sprintf($consume, $rows)), '<', $growth, 'reading them');
	is($node->safe_psql('postgres', "SELECT max(consumed) FROM pythia.consumer"), $rows, 'all of them');

	my $savepoints = 'CREATE FUNCTION many(f int, t int) RETURNS void LANGUAGE plpgsql AS $$BEGIN FOR i IN f..t LOOP BEGIN UPDATE big SET v = repeat(\'y\', 300) WHERE id = i; EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END$$';
	cmp_ok(growth($savepoints, 'SELECT many(1, 1000)', 'SELECT many(1001, 30000)'), '<', $growth, 'a savepoint a row');
	is($node->safe_psql('postgres', "SELECT count(*) FROM pythia.consume_changes('t', max_changes => 100000)"), 30000, 'not one is missing');
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('t')");

	for my $track ('none', 'keys', 'rows')
	{
		my $worker = qq{SELECT pythia.create_cdc_worker('$track', '{big}', options => '{"track": "$track", "lookback": 0}')};
		my $update = "UPDATE big SET updated_at = clock_timestamp(), v = v || 'x'";
		$node->safe_psql('postgres', "TRUNCATE big; $insert" =~ s/%d/1/r =~ s/%d/$rows/r);
		$node->safe_psql('postgres', $worker);
		$node->safe_psql('postgres', "$update WHERE id <= 5000");
		my $poll = "SELECT pythia.poll('$track')";
		cmp_ok(growth('SELECT 1', $poll, "$update; $poll"), '<', $growth, "a poll of many rows, track $track");
		is($node->safe_psql('postgres', "SELECT captured FROM pythia.stat_cdc WHERE worker = '$track'"), $rows + 5000, 'all of them');
		$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('$track')");
	}
};

done_testing();
