# Polling misses nothing and tells nothing twice: the cases that lose data elsewhere, one by one.
use strict;
use warnings;
use Pythia::Test;
use Pythia::Session;
use Test::More;

my $node = pg_node('poll');
my $n = 0;

# A fresh table t<n> and a worker w<n> on it; returns both names.
sub fresh
{
	my ($options, $columns) = @_;
	$options //= '{"track": "keys", "delete_interval": 0}';
	$columns //= 'id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now()';
	$n++;
	$node->safe_psql('postgres', "CREATE TABLE t$n ($columns); CREATE INDEX ON t$n (updated_at)");
	$node->safe_psql('postgres', "SELECT pythia.create_cdc_worker('w$n', '{t$n}', options => '$options')");
	return ("t$n", "w$n");
}

sub poll { return $node->safe_psql('postgres', "SELECT pythia.poll('$_[0]')"); }

# "type key[=v]" of what the default consumer gets, in order.
sub changes
{
	my ($worker) = @_;
	return $node->safe_psql('postgres',
		"SELECT string_agg(change_type || ' ' || COALESCE(primary_key->>'id', '-') || COALESCE('=' || (new_data->>'v'), ''), ', ' ORDER BY change_id)"
		. " FROM pythia.consume_changes('$worker', max_changes => 1000000)");
}

subtest 'a transaction that stamps early and commits late' => sub {
	my ($t, $w) = fresh();
	my $a = Pythia::Session->new($node);
	$a->do('BEGIN');
	$a->do("INSERT INTO $t VALUES (1, 'late')");
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (2, 'early')");
	is(changes($w), 'INSERT 2=early', 'what is committed comes at once');
	# the server's own housekeeping may be older for a moment
	ok(wait_for($node, "SELECT pythia.poll('$w') = 0 AND held_by = $a->{pid} AND held_why = 'an open transaction' FROM pythia.stat_cdc WHERE worker = '$w'"),
		'stat_cdc says who holds low back');
	$a->do('COMMIT');
	is(changes($w), 'INSERT 1=late', 'the late one comes, and the early one not again');
	is(changes($w), '', 'and nothing more');
};

subtest 'a transaction that is idle before its first write' => sub {
	my ($t, $w) = fresh();
	my $a = Pythia::Session->new($node);
	$a->do('BEGIN');
	$a->do('SELECT now()');
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (2, 'b')") for 1;
	is(changes($w), 'INSERT 2=b', 'the other one');
	poll($w) for 1 .. 3;
	$a->do("INSERT INTO $t VALUES (1, 'a')");
	is(changes($w), '', 'not yet');
	$a->do('COMMIT');
	is(changes($w), 'INSERT 1=a', 'its stamp is old, and it is seen');
};

subtest 'an open transaction in another database holds nothing back' => sub {
	my ($t, $w) = fresh();
	$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
	my $a = Pythia::Session->new($node, 'elsewhere');
	$a->do('CREATE TABLE x (i int)');
	$a->do('BEGIN');
	$a->do('INSERT INTO x VALUES (1)');
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (1, 'a')");
	is(changes($w), 'INSERT 1=a', 'captured and consumed');
	is($node->safe_psql('postgres', "SELECT held_by IS NULL FROM pythia.stat_cdc WHERE worker = '$w'"), 't', 'low is free');
	$node->safe_psql('postgres', "UPDATE $t SET v = 'b', updated_at = now()");
	is(changes($w), 'UPDATE 1=b', 'and again');
	$a->do('COMMIT');
};

subtest 'savepoints: released, rolled back, more than 64' => sub {
	my ($t, $w) = fresh();
	my $a = Pythia::Session->new($node);
	$a->do('BEGIN');
	for my $i (1 .. 100)
	{
		$a->do("SAVEPOINT s; INSERT INTO $t VALUES ($i, 'x')");
		$a->do($i % 2 ? 'RELEASE s' : 'ROLLBACK TO s');
		# others commit meanwhile, and are polled, while our subtransactions are running
		$node->safe_psql('postgres', "INSERT INTO $t VALUES (1000 + $i, 'y')") if $i % 25 == 0;
		poll($w) if $i % 25 == 0;
	}
	my $before = changes($w);
	is($before, join(', ', map { 'INSERT ' . (1000 + $_ * 25) . '=y' } 1 .. 4), 'others');
	$a->do('COMMIT');
	is(changes($w), join(', ', map { 'INSERT ' . (2 * $_ - 1) . '=x' } 1 .. 50), 'every other one of ours');
	is(changes($w), '', 'once');
};

subtest 'blocks with EXCEPTION' => sub {
	my ($t, $w) = fresh();
	$node->safe_psql('postgres', qq{
		DO \$\$ BEGIN
			INSERT INTO $t VALUES (1, 'a');
			BEGIN INSERT INTO $t VALUES (2, 'b'); RAISE EXCEPTION 'x'; EXCEPTION WHEN others THEN INSERT INTO $t VALUES (3, 'c'); END;
			BEGIN INSERT INTO $t VALUES (4, 'd'); EXCEPTION WHEN others THEN NULL; END;
		END \$\$});
	is(changes($w), 'INSERT 1=a, INSERT 3=c, INSERT 4=d', 'what survived');
};

subtest 'prepared transactions, over a restart' => sub {
	my ($t, $w) = fresh();
	for my $round ('COMMIT', 'ROLLBACK')
	{
		my $id = $round eq 'COMMIT' ? 1 : 2;
		$node->safe_psql('postgres', "BEGIN; INSERT INTO $t VALUES ($id, 'p'); PREPARE TRANSACTION 'p$id'");
		$node->safe_psql('postgres', "INSERT INTO $t VALUES (10 + $id, 'q')");
		is(changes($w), 'INSERT ' . (10 + $id) . '=q', 'others go on');
		is($node->safe_psql('postgres', "SELECT held_why FROM pythia.stat_cdc WHERE worker = '$w'"), "prepared transaction 'p$id'", 'held');
		$node->restart;
		is(poll($w), '0', 'nothing yet');
		$node->safe_psql('postgres', "$round PREPARED 'p$id'");
		is(changes($w), $round eq 'COMMIT' ? 'INSERT 1=p' : '', "$round PREPARED");
	}
};

subtest 'ties: many rows of one stamp, before and after' => sub {
	my ($t, $w) = fresh();
	$node->safe_psql('postgres', "INSERT INTO $t SELECT i, 'a', '2030-01-01' FROM generate_series(1, 10) i");
	is(poll($w), '10', 'ten');
	$node->safe_psql('postgres', "INSERT INTO $t SELECT i, 'a', '2030-01-01' FROM generate_series(11, 15) i");
	is(poll($w), '5', 'five more of the same stamp, the ten not again');
	is(poll($w), '0', 'and no more');
	my $got = '';
	# a batch's edge within the tie
	for (1 .. 5) { $got .= $node->safe_psql('postgres', "SELECT string_agg(primary_key->>'id', ' ' ORDER BY change_id) || ' ' FROM pythia.consume_changes('$w', max_changes => 4)"); }
	is($got, join(' ', 1 .. 15) . ' ', 'in batches of four: each once, in order');
};

subtest 'a writer with clock_timestamp(), and one that sets the clock back' => sub {
	my ($t, $w) = fresh();
	my $a = Pythia::Session->new($node);
	$a->do('BEGIN');
	$a->do("INSERT INTO $t VALUES (1, 'a', clock_timestamp())");
	poll($w);
	$a->do("INSERT INTO $t VALUES (2, 'b', clock_timestamp())");
	$a->do('COMMIT');
	is(changes($w), 'INSERT 1=a, INSERT 2=b', 'clock_timestamp()');
	# a state as an earlier poll would have left it before the clock was set back: by seconds, by an hour, by days
	for my $case ([ 3, 'timestamptz' ], [ 3600, 'timestamptz' ], [ 3600, 'timestamp' ], [ 200_000, 'date' ])
	{
		my ($back, $type) = @$case;
		for my $machine ('the same', 'another')
		{
			next if $machine eq 'another' && $back < 3600;
			($t, $w) = fresh('{"delete_interval": "1 day", "track": "none"}', "id int PRIMARY KEY, v text, updated_at $type DEFAULT now()");
			$node->safe_psql('postgres', "INSERT INTO $t VALUES (1, 'a')");
			is(changes($w), 'INSERT 1=a', "$type: before");
			my $base = $machine eq 'the same' ? "+ interval '$back s'" : "- interval '1 day'";
			my $low = $type eq 'date' ? '(' . int($back / 86400) . ')' : "$back * 1000000::bigint";
			# nothing was polled since
			$node->safe_psql('postgres', "INSERT INTO $t VALUES (2, 'b'); UPDATE pythia.cdc_state SET low_at = low_at + interval '$back s', clock_base = clock_base $base, low = low + $low"
				. " WHERE table_id = (SELECT table_id FROM pythia.cdc_table WHERE table_name = '$t')");
			is(changes($w), 'INSERT 2=b', "$type, clock set back by $back s, $machine machine: what was stamped before a poll noticed");
			$node->safe_psql('postgres', "INSERT INTO $t VALUES (3, 'c')");
			is(changes($w), 'INSERT 3=c', 'and after; nothing is told twice');
			my $state = "SELECT xmin::text || ctid FROM pythia.cdc_state WHERE table_id = (SELECT table_id FROM pythia.cdc_table WHERE table_name = '$t')";
			# one of them may leave each of the three rows behind
			my @states = map { poll($w); $node->safe_psql('postgres', $state) } 1 .. 9;
			cmp_ok((grep { $states[$_] ne $states[ $_ - 1 ] } 1 .. 8), '<=', 3, 'then idle polls write nothing again');
		}
	}
};

subtest 'key update, delete, reinsert, truncate' => sub {
	my ($t, $w) = fresh();
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (1, 'a'), (2, 'b')");
	is(changes($w), 'INSERT 1=a, INSERT 2=b', 'two');
	$node->safe_psql('postgres', "UPDATE $t SET id = 3, updated_at = now() WHERE id = 1");
	is(changes($w), 'INSERT 3=a, DELETE 1', 'a key that changed: the new one comes, the old one goes');
	$node->safe_psql('postgres', "DELETE FROM $t WHERE id = 2; INSERT INTO $t VALUES (2, 'again')");
	is(changes($w), 'UPDATE 2=again', 'gone and back between two polls');
	$node->safe_psql('postgres', "TRUNCATE $t");
	is(changes($w), 'TRUNCATE -', 'found empty');
	is(changes($w), '', 'told once');
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (2, 'new')");
	is(changes($w), 'INSERT 2=new', 'and after it an INSERT');
};

subtest 'track: none and rows' => sub {
	my ($t, $w) = fresh('{"track": "none"}');
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (1, 'a')");
	is(changes($w), 'INSERT 1=a', 'the tuple header knows an INSERT');
	$node->safe_psql('postgres', "UPDATE $t SET v = 'b', updated_at = now()");
	is(changes($w), 'UPDATE 1=b', 'and an UPDATE');
	$node->safe_psql('postgres', "DELETE FROM $t");
	is(changes($w), '', 'no deletes');
	($t, $w) = fresh('{"track": "rows", "delete_interval": 0}');
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (1, 'a'), (2, 'b')");
	is(changes($w), 'INSERT 1=a, INSERT 2=b', 'rows: inserted');
	$node->safe_psql('postgres', "UPDATE $t SET updated_at = now()");
	is(changes($w), '', 'a new stamp alone is no change');
	$node->safe_psql('postgres', "UPDATE $t SET v = 'c', updated_at = now() WHERE id = 1; DELETE FROM $t WHERE id = 2");
	is($node->safe_psql('postgres', "SELECT string_agg(change_type || ' ' || (old_data->>'v') || '>' || COALESCE(new_data->>'v', '-'), ', ' ORDER BY change_id) FROM pythia.consume_changes('$w')"),
		'UPDATE a>c, DELETE b>-', 'the row before');
};

subtest 'partitions: rows that move, ATTACH, DETACH' => sub {
	$node->safe_psql('postgres', q{
		CREATE TABLE parts (id int, k text, v text, updated_at timestamptz DEFAULT now(), PRIMARY KEY (id, k)) PARTITION BY LIST (k);
		CREATE INDEX ON parts (updated_at);
		CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a');
		CREATE TABLE parts_b PARTITION OF parts FOR VALUES IN ('b');
		CREATE TABLE parts_c (LIKE parts INCLUDING ALL);
		INSERT INTO parts_c VALUES (9, 'c', 'nine');});
	$node->safe_psql('postgres', q{SELECT pythia.create_cdc_worker('wp', '{parts}', options => '{"key": ["id"], "delete_interval": 0}')});
	$node->safe_psql('postgres', "INSERT INTO parts VALUES (1, 'a', 'x'), (2, 'b', 'y')");
	is(changes('wp'), 'INSERT 1=x, INSERT 2=y', 'both partitions');
	$node->safe_psql('postgres', "UPDATE parts SET k = 'b', updated_at = now() WHERE id = 1");
	is(changes('wp'), 'UPDATE 1=x', 'moved');
	$node->safe_psql('postgres', "ALTER TABLE parts ATTACH PARTITION parts_c FOR VALUES IN ('c')");
	$node->safe_psql('postgres', "UPDATE parts SET v = 'z', updated_at = now() WHERE id = 9");
	is(changes('wp'), 'INSERT 9=z', 'attached');
	$node->safe_psql('postgres', 'ALTER TABLE parts DETACH PARTITION parts_c');
	is(changes('wp'), 'DELETE 9', 'detached');
};

subtest 'COPY, MERGE, ON CONFLICT, cascades' => sub {
	my ($t, $w) = fresh();
	$node->safe_psql('postgres', "COPY $t (id, v) FROM STDIN;\n1\ta\n2\tb\n\\.\n");
	is(changes($w), 'INSERT 1=a, INSERT 2=b', 'COPY');
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (1, 'c'), (3, 'd') ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v, updated_at = now()");
	is(changes($w), 'UPDATE 1=c, INSERT 3=d', 'ON CONFLICT');
  SKIP:
	{
		skip 'MERGE came with PostgreSQL 15', 1 if $node->safe_psql('postgres', 'SHOW server_version_num') < 150000;
		$node->safe_psql('postgres', "MERGE INTO $t USING (VALUES (2, 'm'), (4, 'n')) s(id, v) ON s.id = $t.id WHEN MATCHED THEN UPDATE SET v = s.v, updated_at = now() WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.v, now())");
		is(changes($w), 'UPDATE 2=m, INSERT 4=n', 'MERGE');
	}
	$node->safe_psql('postgres', "CREATE TABLE child (id int PRIMARY KEY, v text, parent int REFERENCES $t ON DELETE CASCADE, updated_at timestamptz DEFAULT now()); CREATE INDEX ON child (updated_at)");
	$node->safe_psql('postgres', q{SELECT pythia.create_cdc_worker('wc', '{child}', options => '{"delete_interval": 0}')});
	$node->safe_psql('postgres', "INSERT INTO child VALUES (1, 'x', 1), (2, 'y', 2)");
	is(changes('wc'), 'INSERT 1=x, INSERT 2=y', 'children');
	$node->safe_psql('postgres', "DELETE FROM $t WHERE id = 1");
	is(changes('wc'), 'DELETE 1', 'ON DELETE CASCADE');
	$node->safe_psql('postgres', "TRUNCATE $t CASCADE");
	is(changes('wc'), 'TRUNCATE -', 'TRUNCATE … CASCADE');
};

subtest 'concurrent updates of one row' => sub {
	my ($t, $w) = fresh();
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (1, 'a')");
	changes($w);
	my $old = Pythia::Session->new($node);
	my $young = Pythia::Session->new($node);
	$old->do('BEGIN');
	$old->do('SELECT pg_current_xact_id()');
	$young->do("BEGIN; UPDATE $t SET v = 'young', updated_at = now()");
	$old->send("UPDATE $t SET v = 'old', updated_at = now()");
	ok(wait_for($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = $old->{pid} AND wait_event_type = 'Lock'"), 'the older one waits');
	$young->do('COMMIT');
	is(changes($w), 'UPDATE 1=young', 'the younger one');
	$old->finish;
	$old->do('COMMIT');
	is(changes($w), 'UPDATE 1=old', 'the older one, which committed last and is stamped before');
};

subtest 'columns come and go while changes wait' => sub {
	my ($t, $w) = fresh();
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (1, 'a'); ALTER TABLE $t ADD COLUMN extra int DEFAULT 7");
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (2, 'b')");
	poll($w);
	$node->safe_psql('postgres', "ALTER TABLE $t RENAME COLUMN extra TO more; ALTER TABLE $t ALTER COLUMN more TYPE text; UPDATE $t SET more = 'x', updated_at = now() WHERE id = 1");
	poll($w);
	$node->safe_psql('postgres', "ALTER TABLE $t DROP COLUMN more; UPDATE $t SET v = 'z', updated_at = now() WHERE id = 1");
	# a change of type writes every row anew: those stamped of late are told again, with their new value
	like($node->safe_psql('postgres', "SELECT string_agg((new_data - 'updated_at')::text, ' ' ORDER BY change_id) FROM pythia.consume_changes('$w')"),
		qr/^\Q{"v": "a", "id": 1, "extra": 7} {"v": "b", "id": 2, "extra": 7} \E(\Q{"v": "b", "id": 2, "more": "7"} \E)?\Q{"v": "a", "id": 1, "more": "x"} {"v": "z", "id": 1}\E$/, 'each as it was');
};

subtest 'a table that goes stops alone' => sub {
	$node->safe_psql('postgres', "CREATE TABLE stays (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now()); CREATE INDEX ON stays (updated_at); CREATE TABLE goes (LIKE stays INCLUDING ALL)");
	$node->safe_psql('postgres', q{SELECT pythia.create_cdc_worker('two', '{goes,stays}', poll_interval => '50 ms', options => '{"delete_interval": 0}'); SELECT pythia.start_cdc('two')});
	$node->safe_psql('postgres', "INSERT INTO goes VALUES (1, 'a')");
	ok(wait_for($node, "SELECT captured = 1 FROM pythia.stat_cdc WHERE worker = 'two' AND \"table\" = 'goes'"), 'captured');
	$node->safe_psql('postgres', 'DROP TABLE goes');
	ok(wait_for($node, "SELECT NOT active AND reason LIKE '%does not exist' FROM pythia.stat_cdc WHERE worker = 'two' AND \"table\" = 'goes'"), 'stopped, and says why');
	$node->safe_psql('postgres', "INSERT INTO stays VALUES (1, 'b')");
	ok(wait_for($node, "SELECT captured = 1 FROM pythia.stat_cdc WHERE worker = 'two' AND \"table\" = 'stays'"), 'the other goes on');
	is(changes('two'), 'INSERT 1=a, INSERT 1=b', 'nothing lost');
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('two')");
};

# as the worker's process does it
subtest 'a session polls the others where a table is in trouble' => sub {
	my @troubles = (
		[ 'DROP SCHEMA near CASCADE', qr/does not exist/ ], [ 'DROP TABLE near.ill', qr/does not exist/ ],
		[ 'REVOKE ALL ON near.ill FROM clerk', qr/permission denied/ ], [ 'ALTER TABLE near.ill DROP COLUMN updated_at', qr/updated_at/ ],
		[ 'ALTER TABLE near.ill DROP COLUMN id', qr/"id"|key/ ], [ 'ALTER TABLE near.ill ALTER updated_at TYPE text USING now()::text', qr/updated_at/ ],
		[ 'ALTER TABLE near.ill DROP COLUMN w; INSERT INTO near.ill VALUES (1)', qr/\bw\b/ ]);
	my $far = pg_url($node, 'postgres') =~ s{//[^@]*@}{//clerk@}r;
	$node->safe_psql('postgres', 'CREATE ROLE clerk LOGIN; SELECT pythia.grant_use(\'clerk\'); GRANT CREATE ON DATABASE postgres TO clerk');
	for my $trouble (@troubles)
	{
		for my $connection ('NULL', "'$far'")
		{
			my ($statement, $why) = @$trouble;
			# a role that is no superuser reaches no server without a password
			my $as = $connection eq 'NULL' ? 'SET ROLE clerk;' : '';
			my $name = $statement . ($connection eq 'NULL' ? '' : ', remote');
			$node->safe_psql('postgres', 'CREATE SCHEMA near; GRANT USAGE ON SCHEMA near TO clerk; ' . join ' ', map {
				"CREATE TABLE near.$_ (id int PRIMARY KEY, v text, w text, updated_at timestamptz DEFAULT now()); CREATE INDEX ON near.$_ (updated_at); GRANT SELECT ON near.$_ TO clerk;"
			} qw(ill well));
			$node->safe_psql('postgres', 'CREATE SCHEMA aside; ALTER TABLE near.well SET SCHEMA aside; GRANT USAGE ON SCHEMA aside TO clerk');
			$node->safe_psql('postgres', "$as SELECT pythia.create_cdc_worker('tw', '{near.ill, aside.well}', $connection, options => '{\"delete_interval\": 0, \"exclude_columns\": [\"v\"], \"where\": \"w IS NULL\"}')");
			$node->safe_psql('postgres', "$statement; INSERT INTO aside.well VALUES (1, 'a')");
			my ($code, $out, $err) = $node->psql('postgres', "$as SELECT pythia.poll('tw')");
			is("$code:$out", '0:1', "$name: the other is polled");
			like($err, qr/WARNING:  capture of table "[^"]*ill" of CDC worker "tw" stopped: .*$why/s, 'and this one is told');
			is($node->safe_psql('postgres', q{SELECT string_agg("table" || ' ' || active, ',' ORDER BY "table") FROM pythia.stat_cdc WHERE worker = 'tw'}), 'ill false,well true', 'and marked');
			is($node->safe_psql('postgres', q{SELECT pythia.drop_cdc_worker('tw'); SELECT count(*) FROM pythia.worker_status; DROP SCHEMA IF EXISTS near CASCADE; DROP SCHEMA aside CASCADE}) ne '', 1, 'dropped');
		}
	}
};

subtest 'row-level security, other writers, replication role, odd names' => sub {
	$node->safe_psql('postgres', q{CREATE ROLE plain LOGIN; GRANT CREATE ON SCHEMA public TO plain; SELECT pythia.grant_use('plain')});
	my ($t, $w) = fresh();
	$node->safe_psql('postgres', "GRANT SELECT, INSERT ON $t TO plain");
	$node->safe_psql('postgres', "SET ROLE plain; INSERT INTO $t VALUES (1, 'plain')");
	$node->safe_psql('postgres', "SET session_replication_role = replica; INSERT INTO $t VALUES (2, 'replica')");
	is(changes($w), 'INSERT 1=plain, INSERT 2=replica', 'whoever writes, however');
	$node->safe_psql('postgres', "ALTER TABLE $t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON $t USING (id = 1)");
	my ($rc, $out, $err) = $node->psql('postgres', "SET ROLE plain; SELECT pythia.create_cdc_worker('rls', '{$t}')");
	like($err, qr/row-level security hides rows/, 'a role that does not see all rows is refused');
	$node->safe_psql('postgres', "SET ROLE plain; CREATE TABLE mine (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now())");
	$node->safe_psql('postgres', "SET ROLE plain; SELECT pythia.create_cdc_worker('mine', '{mine}')");
	$node->safe_psql('postgres', "INSERT INTO mine VALUES (1, 'a')");
	is($node->safe_psql('postgres', "SET ROLE plain; SELECT new_data->>'v' FROM pythia.consume_changes('mine')"), 'a', 'a plain role has its own worker');
	($rc, $out, $err) = $node->psql('postgres', "SET ROLE plain; SELECT * FROM pythia.consume_changes('$w')");
	like($err, qr/permission denied for CDC worker/, 'and not another\'s');
	$node->safe_psql('postgres', q{CREATE TABLE "Odd ""Name" ("The Id" int PRIMARY KEY, "from" text, "Updated At" timestamptz DEFAULT now()); CREATE INDEX ON "Odd ""Name" ("Updated At")});
	$node->safe_psql('postgres', q{SELECT pythia.create_cdc_worker('odd', ARRAY['"Odd ""Name"'], timestamp_column => 'Updated At', options => '{"delete_interval": 0, "where": "\"from\" <> ''it''''s''"}')});
	$node->safe_psql('postgres', q{INSERT INTO "Odd ""Name" VALUES (1, 'x'), (2, 'it''s')});
	is($node->safe_psql('postgres', q{SELECT "table" || ' ' || primary_key || ' ' || (new_data->>'from') FROM pythia.consume_changes('odd')}), 'Odd "Name {"The Id": 1} x', 'quotes, spaces, capitals');
};

subtest 'consumers: two of one name, rollback, isolation levels' => sub {
	my ($t, $w) = fresh();
	$node->safe_psql('postgres', "INSERT INTO $t SELECT i, 'x' FROM generate_series(1, 10) i");
	poll($w);
	my $a = Pythia::Session->new($node);
	my $b = Pythia::Session->new($node);
	my $four = "SELECT string_agg(primary_key->>'id', ' ' ORDER BY change_id) FROM pythia.consume_changes('$w', max_changes => 4)";
	$a->do('BEGIN');
	is($a->do($four), '1 2 3 4', 'one takes four');
	$b->send($four);
	ok(wait_for($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = $b->{pid} AND wait_event_type = 'Lock'"), 'the other waits');
	$a->do('COMMIT');
	is($b->finish, '5 6 7 8', 'and takes the next four');
	$a->do('BEGIN');
	is($a->do($four), '9 10', 'the rest');
	$a->do('ROLLBACK');
	is($b->do($four), '9 10', 'rolled back, so it comes again');
	for my $level ('REPEATABLE READ', 'SERIALIZABLE')
	{
		$node->safe_psql('postgres', "INSERT INTO $t SELECT i, 'x' FROM generate_series((SELECT max(id) + 1 FROM $t), (SELECT max(id) + 3 FROM $t)) i");
		$a->do("BEGIN ISOLATION LEVEL $level");
		is($a->do("SELECT count(*) FROM pythia.consume_changes('$w')"), '3', "$level");
		$node->safe_psql('postgres', "INSERT INTO $t SELECT max(id) + 1, 'later' FROM $t");
		is($a->do("SELECT count(*) FROM pythia.consume_changes('$w')"), '0', 'its snapshot stands');
		$a->do('COMMIT');
		is($node->safe_psql('postgres', "SELECT count(*) FROM pythia.consume_changes('$w')"), '1', 'nothing lost, nothing twice');
	}
	$node->safe_psql('postgres', "SELECT pythia.create_consumer('$w', 'second', 'beginning')");
	is($node->safe_psql('postgres', "SELECT count(*) FROM pythia.consume_changes('$w', 'second', 1000)"), '18', 'a second consumer reads for itself');
	$node->safe_psql('postgres', "SELECT pythia.seek('$w', 'second', '16')");
	is($node->safe_psql('postgres', "SELECT count(*) FROM pythia.consume_changes('$w', 'second') WHERE change_id <= 16"), '0', 'seek to a number');
	is($a->do("BEGIN; INSERT INTO $t VALUES (500, 'own'); SELECT count(*) FROM pythia.consume_changes('$w')"), '0', 'a transaction\'s own rows wait for its commit');
	$a->do('COMMIT');
	is(changes($w), 'INSERT 500=own', 'and come then');
};

subtest 'waiting for changes' => sub {
	my ($t, $w) = fresh();
	my $a = Pythia::Session->new($node);
	$node->safe_psql('postgres', "SELECT pythia.alter_cdc_worker('$w', poll_interval => '1 hour')");
	$a->send("SELECT count(*) FROM pythia.consume_changes('$w', wait => '1 hour')");
	ok(wait_for($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = $a->{pid} AND wait_event_type = 'Extension'"), 'it sleeps');
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (1, 'a')");
	# it holds the lock of its own poll until its transaction ends: a cancel ends both
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($a->{pid})");
	$a->finish;
	like($a->{error}, qr/canceling statement due to user request/, 'and can be cancelled');
	is(changes($w), 'INSERT 1=a', 'nothing was lost by it');
};

subtest 'stamps without a zone, days, numbers' => sub {
	my ($t, $w) = fresh('{"delete_interval": 0, "time_zone": "UTC"}', 'id int PRIMARY KEY, v text, updated_at timestamp DEFAULT (now() AT TIME ZONE \'UTC\')');
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (1, 'a')");
	is(changes($w), 'INSERT 1=a', 'timestamp');
	is($node->safe_psql('postgres', "SELECT abs(EXTRACT(epoch FROM now() - low::timestamp AT TIME ZONE 'UTC')) < 60 FROM pythia.stat_cdc WHERE worker = '$w'"), 't', 'low in UTC');
	($t, $w) = fresh('{"delete_interval": 0, "time_zone": "any"}', 'id int PRIMARY KEY, v text, updated_at timestamp DEFAULT now()');
	$node->safe_psql('postgres', "SET TimeZone = 'Pacific/Honolulu'; INSERT INTO $t VALUES (1, 'west')");
	$node->safe_psql('postgres', "SET TimeZone = 'Pacific/Kiritimati'; INSERT INTO $t VALUES (2, 'east')");
	is(changes($w), 'INSERT 1=west, INSERT 2=east', 'writers in any zone');
	$node->safe_psql('postgres', "SET TimeZone = 'Pacific/Honolulu'; INSERT INTO $t VALUES (3, 'west')");
	is(changes($w), 'INSERT 3=west', 'also after one further east was seen');
	($t, $w) = fresh('{"delete_interval": 0}', 'id int PRIMARY KEY, v text, updated_at date DEFAULT current_date');
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (1, 'a')");
	is(changes($w), 'INSERT 1=a', 'a day');
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (2, 'b'); UPDATE $t SET v = 'c' WHERE id = 1");
	is(changes($w), 'UPDATE 1=c, INSERT 2=b', 'the same day');
	($t, $w) = fresh('{"delete_interval": 0}', 'id int PRIMARY KEY, v text, updated_at bigserial');
	my $a = Pythia::Session->new($node);
	$a->do("BEGIN; INSERT INTO $t VALUES (1, 'slow')");
	for my $i (2 .. 5) { $node->safe_psql('postgres', "INSERT INTO $t VALUES ($i, 'fast')"); is(changes($w), "INSERT $i=fast", 'a number'); }
	$a->do('COMMIT');
	is(changes($w), 'INSERT 1=slow', 'a lesser number that was committed later');
	is(changes($w), '', 'once');
};

subtest 'NULL stamps are counted, not forgotten' => sub {
	my ($t, $w) = fresh();
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (1, 'a', NULL), (2, 'b', now())");
	is(changes($w), 'INSERT 2=b', 'unseen');
	is($node->safe_psql('postgres', "SELECT null_stamps FROM pythia.stat_cdc WHERE worker = '$w'"), '1', 'but told');
};

subtest 'start_from' => sub {
	$node->safe_psql('postgres', "CREATE TABLE st (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now()); CREATE INDEX ON st (updated_at); INSERT INTO st VALUES (1, 'old', '2020-01-01'), (2, 'new', '2022-01-01')");
	for my $case (['now', ''], ['beginning', 'INSERT 1=old, INSERT 2=new'], ['2021-06-01', 'INSERT 2=new'])
	{
		my ($from, $expected) = @$case;
		$node->safe_psql('postgres', qq{SELECT pythia.create_cdc_worker('st', '{st}', options => '{"start_from": "$from", "delete_interval": 0}')});
		is(changes('st'), $expected, $from);
		is(changes('st'), '', 'once');
		$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('st')");
	}
};

subtest 'a primary key that is renamed' => sub {
	my ($t, $w) = fresh();
	my $told = "SELECT string_agg(change_type || ' ' || primary_key, ', ' ORDER BY change_id) FROM pythia.consume_changes('$w')";
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (1, 'a'), (2, 'b')");
	is(changes($w), 'INSERT 1=a, INSERT 2=b', 'before');
	$node->safe_psql('postgres', "ALTER TABLE $t RENAME COLUMN id TO number; UPDATE $t SET v = 'c', updated_at = now() WHERE number = 1; DELETE FROM $t WHERE number = 2");
	# the poll that finds it out learns the new name, the next one uses it
	is(join(', ', grep { $_ ne '' } map { $node->safe_psql('postgres', $told) } 1 .. 3), 'UPDATE {"number": 1}, DELETE {"number": 2}', 'is followed, and what was known of its rows with it');
};

subtest 'a primary key that changes its type' => sub {
	for my $type ('bigint', 'numeric', 'text', 'text COLLATE "C"')
	{
		$n++;
		my ($t, $w) = ("t$n", "w$n");
		my ($old, $new) = $type =~ /COLLATE/ ? ('text', 'd') : ('int', $type =~ /text/ ? 'd' : 4294967298);
		$node->safe_psql('postgres', "CREATE TABLE $t (id $old PRIMARY KEY, v text, updated_at timestamptz DEFAULT now());"
			. " CREATE INDEX ON $t (updated_at); INSERT INTO $t VALUES (1, 'a', '2020-01-01'), (2, 'b', '2020-01-01'), (3, 'c', '2020-01-01');"
			. " SELECT pythia.create_cdc_worker('$w', '{$t}', options => '{\"track\": \"keys\", \"delete_interval\": 0}')");
		is(changes($w), '', "$type: nothing yet");
		$node->safe_psql('postgres', "ALTER TABLE $t ALTER COLUMN id TYPE $type; INSERT INTO $t VALUES ('$new', 'n');"
			. " UPDATE $t SET v = 'a2', updated_at = now() WHERE id = '1'; DELETE FROM $t WHERE id = '3'");
		is(changes($w), "INSERT $new=n, UPDATE 1=a2, DELETE 3", "$type: keys are known by their values");
		is(changes($w), '', "$type: and no row that nobody has seen goes");
		$node->safe_psql('postgres', "DELETE FROM $t WHERE id = '$new'");
		is(changes($w), "DELETE $new", "$type: what goes is told as it was");
	}
	my ($t, $w) = fresh();
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (1, 'a')");
	is(changes($w), 'INSERT 1=a', 'one more');
	$node->safe_psql('postgres', "ALTER TABLE $t ALTER COLUMN id TYPE date USING '2026-01-01'::date + id; INSERT INTO $t VALUES ('2026-03-01', 'b')");
	my ($ret, undef, $err) = $node->psql('postgres', "SELECT pythia.poll('$w')");
	like($err, qr/key column "id" of table "$t" changed its type from integer to date/, 'values of another kind are said to be that');
};

subtest 'polls in one snapshot while others poll' => sub {
	my ($t, $w) = fresh();
	my $old = Pythia::Session->new($node);
	my $rr = Pythia::Session->new($node);
	$old->do('BEGIN; SELECT pg_current_xact_id()');
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (1, 'a')");
	$rr->do('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
	is(changes($w), 'INSERT 1=a', 'captured by another session since');
	$rr->try("SELECT count(*) FROM pythia.consume_changes('$w')");
	like($rr->{error}, qr/could not serialize access/, 'is an error that asks for another try, not a change told twice');
	$rr->do('ROLLBACK');
	$old->do('COMMIT');
	is($node->safe_psql('postgres', "SELECT active FROM pythia.stat_cdc WHERE worker = '$w'"), 't', 'and stops no table');
	is(changes($w), '', 'nothing twice');
};

subtest 'down for hours' => sub {
	my ($t, $w) = fresh();
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (1, 'a')");
	is(changes($w), 'INSERT 1=a', 'before');
	# as if the worker had stopped five hours ago, and writers had gone on
	$node->safe_psql('postgres', "UPDATE pythia.cdc_state SET low = low - 5 * 3600 * 1000000::bigint WHERE table_id = (SELECT table_id FROM pythia.cdc_table WHERE table_name = '$t')");
	$node->safe_psql('postgres', "INSERT INTO $t SELECT 10 + i, 'h', now() - i * interval '1 hour' FROM generate_series(1, 4) i; DELETE FROM $t WHERE id = 1");
	$node->restart;
	is(changes($w), 'INSERT 14=h, INSERT 13=h, INSERT 12=h, INSERT 11=h, DELETE 1', 'all of the hours between');
};

subtest 'NOTIFY tells of each batch' => sub {
	my ($t, $w) = fresh();
	my $id = $node->safe_psql('postgres', "SELECT worker_id FROM pythia.worker WHERE name = '$w'");
	my $listener = Pythia::Session->new($node);
	$listener->do('LISTEN pythia_cdc');
	$node->safe_psql('postgres', "SELECT pythia.alter_cdc_worker('$w', poll_interval => '50 ms'); SELECT pythia.start_cdc('$w')");
	ok(wait_for($node, "SELECT pid IS NOT NULL FROM pythia.worker_status WHERE name = '$w'"), 'a worker runs');
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (1, 'a')");
	ok(wait_for($node, "SELECT captured = 1 FROM pythia.stat_cdc WHERE worker = '$w'"), 'and captures');
	# told to the backend at that commit; psql shows it after its next command
	my $heard = join('', map { $listener->do('SELECT pg_sleep(0.1)') } 1 .. 5);
	like($heard, qr/Asynchronous notification "pythia_cdc" with payload "$id"/, 'who listens hears its number');
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('$w')");
};

subtest 'a big transaction in little memory' => sub {
	my $rss = sub { return $node->safe_psql('postgres', "SELECT (regexp_match(f, 'VmHWM:\\s+(\\d+)'))[1]::int - (regexp_match(f, 'RssShmem:\\s+(\\d+)'))[1]::int FROM pg_read_file('/proc/$_[0]/status') f"); };
	for my $track ('none', 'keys', 'rows')
	{
		my ($t, $w) = fresh(qq({"track": "$track", "delete_interval": 0}));
		$node->safe_psql('postgres', "INSERT INTO $t SELECT i, repeat('x', 50) FROM generate_series(1, 200000) i");
		my $a = Pythia::Session->new($node);
		is($a->do("SELECT pythia.poll('$w')"), '200000', "track $track: polled");
		cmp_ok($rss->($a->{pid}), '<', 100 * 1024, 'in less than 100 MiB beside shared memory');
		is($a->do("SET work_mem = '4MB'; SELECT count(*) FROM pythia.consume_changes('$w', max_changes => 1000000)"), '200000', 'consumed');
		cmp_ok($rss->($a->{pid}), '<', 100 * 1024, 'in less than 100 MiB beside shared memory, too');
		$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('$w'); DROP TABLE $t");
	}
};

done_testing();
