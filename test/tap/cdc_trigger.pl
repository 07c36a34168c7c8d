# Capture by triggers: every version, in the writer's own transaction.
use strict;
use warnings;
use Pythia::Test;
use Pythia::Session;
use Test::More;

my $node = pg_node('trigger');
my $n = 0;

sub fresh
{
	my ($options, $columns) = @_;
	$options = $options ? ", $options" : '';
	$columns //= 'id int PRIMARY KEY, v text';
	$n++;
	$node->safe_psql('postgres', "CREATE TABLE t$n ($columns)");
	$node->safe_psql('postgres', qq{SELECT pythia.create_cdc_worker('w$n', '{t$n}', options => '{"capture": "trigger"$options}')});
	return ("t$n", "w$n");
}

my $list = "string_agg(change_type || ' ' || COALESCE(primary_key->>'id', '-') || COALESCE(' ' || (old_data->>'v'), '') || COALESCE('>' || (new_data->>'v'), ''), ', ' ORDER BY change_id)";

sub changes
{
	my ($worker) = @_;
	return $node->safe_psql('postgres', "SELECT $list FROM pythia.consume_changes('$worker', max_changes => 1000000)");
}

subtest 'every version, old and new' => sub {
	my ($t, $w) = fresh();
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (1, 'a'); UPDATE $t SET v = 'b'; UPDATE $t SET v = 'c'; DELETE FROM $t; TRUNCATE $t");
	is(changes($w), 'INSERT 1>a, UPDATE 1 a>b, UPDATE 1 b>c, DELETE 1 c, TRUNCATE -', 'all of them');
	is(changes($w), '', 'once');
};

subtest 'a slow transaction stalls nobody and is not skipped' => sub {
	my ($t, $w) = fresh();
	my $slow = Pythia::Session->new($node);
	$slow->do("BEGIN; INSERT INTO $t VALUES (1, 'slow')");
	for my $i (2 .. 4)
	{
		$node->safe_psql('postgres', "INSERT INTO $t VALUES ($i, 'fast')");
		is(changes($w), "INSERT $i>fast", 'the fast one comes at once');
	}
	$slow->do('COMMIT');
	is(changes($w), 'INSERT 1>slow', 'the slow one after its commit, though its number is the least');
	is(changes($w), '', 'once');
};

subtest 'a slow transaction that two workers capture' => sub {
	my ($t, $w) = fresh();
	my ($u, $x) = fresh();
	my $slow = Pythia::Session->new($node);
	$slow->do("BEGIN; INSERT INTO $t VALUES (1, 'a'); INSERT INTO $u VALUES (1, 'b'); INSERT INTO $t VALUES (2, 'c'); INSERT INTO $u VALUES (2, 'd')");
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (3, 'fast'); INSERT INTO $u VALUES (3, 'fast')");
	is(changes($w), 'INSERT 3>fast', 'one goes on');
	is(changes($x), 'INSERT 3>fast', 'the other too');
	$slow->do('COMMIT');
	is(changes($w), 'INSERT 1>a, INSERT 2>c', 'one has what was slow');
	is(changes($x), 'INSERT 1>b, INSERT 2>d', 'the other too');
};

subtest 'a transaction in another database, one idle before its first write, and one that waits for another' => sub {
	my ($t, $w) = fresh();
	$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
	my $else = Pythia::Session->new($node, 'elsewhere');
	$else->do('BEGIN; CREATE TABLE x ()');
	my $idle = Pythia::Session->new($node);
	$idle->do('BEGIN; SELECT now()');
	my $old = Pythia::Session->new($node);
	$old->do('BEGIN; SELECT pg_current_xact_id()');
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (1, 'a')");
	is(changes($w), 'INSERT 1>a', 'hold nothing back');
	my $young = Pythia::Session->new($node);
	$young->do("BEGIN; UPDATE $t SET v = 'young'");
	$old->send("UPDATE $t SET v = 'old'");
	ok(wait_for($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = $old->{pid} AND wait_event_type = 'Lock'"), 'the older one waits');
	$young->do('COMMIT');
	$old->finish;
	is(changes($w), 'UPDATE 1 a>young', 'the younger one');
	$idle->do("INSERT INTO $t VALUES (2, 'idle'); COMMIT");
	is(changes($w), 'INSERT 2>idle', 'the one that was idle');
	$old->do('COMMIT');
	is(changes($w), 'UPDATE 1 young>old', 'the older one, which committed last');
	$else->do('COMMIT');
	is(changes($w), '', 'nothing twice');
};

subtest 'odd names, and a primary key that is renamed' => sub {
	$node->safe_psql('postgres', q{CREATE SCHEMA "a ""b"; CREATE TABLE "a ""b"."Odd.Name" ("The Id" int, "from" text, PRIMARY KEY ("The Id"));
		SELECT pythia.create_cdc_worker('odd', ARRAY['"a ""b"."Odd.Name"'], options => '{"capture": "trigger", "where": "\"from\" <> ''it''''s''"}');
		INSERT INTO "a ""b"."Odd.Name" VALUES (1, 'x'), (2, 'it''s'); ALTER TABLE "a ""b"."Odd.Name" RENAME COLUMN "The Id" TO "New"; DELETE FROM "a ""b"."Odd.Name"; TRUNCATE "a ""b"."Odd.Name"});
	is($node->safe_psql('postgres', q{SELECT string_agg("schema" || '|' || "table" || '|' || change_type || COALESCE(primary_key::text, ''), ' ' ORDER BY change_id) FROM pythia.consume_changes('odd')}),
		'a "b|Odd.Name|INSERT{"The Id": 1} a "b|Odd.Name|DELETE{"New": 1} a "b|Odd.Name|TRUNCATE', 'told as they are');
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('odd')");
};

subtest 'savepoints, more than 64 and nested, read in the middle' => sub {
	my ($t, $w) = fresh();
	my $a = Pythia::Session->new($node);
	$a->do("BEGIN; INSERT INTO $t VALUES (1, 'a'); SAVEPOINT s; INSERT INTO $t VALUES (2, 'b'); SAVEPOINT i; INSERT INTO $t VALUES (3, 'c')");
	is($a->do("SELECT $list FROM pythia.consume_changes('$w')"), 'INSERT 1>a, INSERT 2>b, INSERT 3>c', 'its own, in the middle');
	$a->do('ROLLBACK TO i; RELEASE i');
	is($a->do("SELECT $list FROM pythia.consume_changes('$w')"), 'INSERT 1>a, INSERT 2>b', 'the position went back with the savepoint');
	$a->do("ROLLBACK TO s; INSERT INTO $t VALUES (4, 'd'); RELEASE s; INSERT INTO $t VALUES (5, 'e')");
	is($a->do("SELECT $list FROM pythia.consume_changes('$w')"), 'INSERT 1>a, INSERT 4>d, INSERT 5>e', 'what is left');
	$a->do("INSERT INTO $t VALUES (6, 'f'); COMMIT");
	is(changes($w), 'INSERT 6>f', 'and the rest after the commit');
	$a->do('BEGIN');
	$a->do("SAVEPOINT s; INSERT INTO $t VALUES (100 + $_, 'x'); " . ($_ % 2 ? 'RELEASE s' : 'ROLLBACK TO s; RELEASE s')) for 1 .. 100;
	$a->do('COMMIT');
	is(changes($w), join(', ', map { 'INSERT ' . (99 + 2 * $_) . '>x' } 1 .. 50), 'every other one of a hundred');
	$node->safe_psql('postgres', "DO \$\$ BEGIN BEGIN INSERT INTO $t VALUES (300, 'x'); RAISE 'no'; EXCEPTION WHEN others THEN INSERT INTO $t VALUES (301, 'y'); END; END \$\$");
	is(changes($w), 'INSERT 301>y', 'a block with EXCEPTION');
};

subtest 'prepared transactions, over a restart' => sub {
	my ($t, $w) = fresh();
	$node->safe_psql('postgres', "BEGIN; INSERT INTO $t VALUES (1, 'p'); PREPARE TRANSACTION 'a'; BEGIN; INSERT INTO $t VALUES (2, 'q'); PREPARE TRANSACTION 'b'");
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (3, 'r')");
	is(changes($w), 'INSERT 3>r', 'others');
	$node->restart;
	$node->safe_psql('postgres', "COMMIT PREPARED 'a'; ROLLBACK PREPARED 'b'");
	is(changes($w), 'INSERT 1>p', 'the one that was committed');
};

subtest 'writers of all sorts' => sub {
	my ($t, $w) = fresh(undef, 'id int PRIMARY KEY, v text, other int');
	$node->safe_psql('postgres', "CREATE ROLE writer; GRANT INSERT ON $t TO writer; SET ROLE writer; INSERT INTO $t VALUES (1, 'plain')");
	$node->safe_psql('postgres', "SET session_replication_role = replica; INSERT INTO $t VALUES (2, 'replica')");
	$node->safe_psql('postgres', "COPY $t (id, v) FROM STDIN;\n3\tcopy\n\\.\n");
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (3, 'upsert') ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v");
	is(changes($w), 'INSERT 1>plain, INSERT 2>replica, INSERT 3>copy, UPDATE 3 copy>upsert', 'all told');
  SKIP:
	{
		skip 'MERGE came with PostgreSQL 15', 1 if $node->safe_psql('postgres', 'SHOW server_version_num') < 150000;
		$node->safe_psql('postgres', "MERGE INTO $t USING (VALUES (1), (4)) s(id) ON s.id = $t.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.id, 'merge')");
		is(changes($w), 'DELETE 1 plain, INSERT 4>merge', 'MERGE');
	}
	$node->safe_psql('postgres', "UPDATE $t SET id = 40 WHERE id = 4");
	is(changes($w), 'DELETE 4 merge, INSERT 40>merge', 'a key that changes');
	$node->safe_psql('postgres', "SET bytea_output = 'escape'; SET intervalstyle = 'iso_8601'; ALTER TABLE $t ADD COLUMN b bytea, ADD COLUMN i interval; INSERT INTO $t (id, v, b, i) VALUES (5, 'x', '\\x00ff', '1 day 02:00')");
	is($node->safe_psql('postgres', "SELECT new_data->>'b' || ' ' || (new_data->>'i') FROM pythia.consume_changes('$w')"), '\\x00ff 1 day 02:00:00', 'however the writer likes its output');
	$node->safe_psql('postgres', "ALTER TABLE $t DROP COLUMN other; ALTER TABLE $t RENAME COLUMN b TO bb; INSERT INTO $t (id, v) VALUES (6, 'y')");
	is($node->safe_psql('postgres', "SELECT new_data FROM pythia.consume_changes('$w')"), '{"i": null, "v": "y", "bb": null, "id": 6}', 'columns come and go');
};

subtest 'cascades and partitions' => sub {
	my ($t, $w) = fresh();
	$node->safe_psql('postgres', "CREATE TABLE child (id int PRIMARY KEY, v text, parent int REFERENCES $t ON DELETE CASCADE ON UPDATE CASCADE)");
	$node->safe_psql('postgres', q{SELECT pythia.create_cdc_worker('wc', '{child}', options => '{"capture": "trigger"}')});
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (1, 'a'); INSERT INTO child VALUES (1, 'x', 1); DELETE FROM $t; TRUNCATE $t CASCADE");
	is(changes('wc'), 'INSERT 1>x, DELETE 1 x, TRUNCATE -', 'a cascade');
	$node->safe_psql('postgres', q{
		CREATE TABLE parts (id int, k text, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
		CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a');
		CREATE TABLE parts_c (v text, k text NOT NULL, id int NOT NULL)});
	$node->safe_psql('postgres', q{SELECT pythia.create_cdc_worker('wp', '{parts}', options => '{"capture": "trigger"}')});
	$node->safe_psql('postgres', "CREATE TABLE parts_b PARTITION OF parts FOR VALUES IN ('b'); ALTER TABLE parts ATTACH PARTITION parts_c FOR VALUES IN ('c')");
	$node->safe_psql('postgres', "INSERT INTO parts VALUES (1, 'a', 'x'); UPDATE parts SET k = 'b'; INSERT INTO parts_c VALUES ('y', 'c', 2), ('z', 'c', 7)");
	is(changes('wp'), 'INSERT 1>x, DELETE 1 x, INSERT 1>x, INSERT 2>y, INSERT 7>z', 'partitions of then and of later');
	$node->safe_psql('postgres', 'TRUNCATE parts');
	is(changes('wp'), 'TRUNCATE -', 'all of them emptied, told once');
	$node->safe_psql('postgres', q{
		CREATE TABLE parts_d PARTITION OF parts FOR VALUES IN ('d', 'e') PARTITION BY LIST (k);
		CREATE TABLE parts_e PARTITION OF parts_d FOR VALUES IN ('e')});
	$node->safe_psql('postgres', "SELECT pythia.poll('wp')");
	is($node->safe_psql('postgres', q{SELECT string_agg(tgrelid::regclass::text, ' ' ORDER BY tgrelid::regclass::text COLLATE "C") FROM pg_trigger WHERE tgname LIKE '%pythia_truncate%' AND tgrelid::regclass::text LIKE 'parts%'}), 'parts parts_a parts_b parts_c parts_e', 'triggers of those that rows are in');
	$node->safe_psql('postgres', "INSERT INTO parts SELECT i, chr(97 + i % 5), 'v' || i FROM generate_series(0, 9) i WHERE i % 5 <> 3");
	changes('wp');
	$node->safe_psql('postgres', 'BEGIN; TRUNCATE parts_a; TRUNCATE parts_d; SAVEPOINT s; TRUNCATE parts; ROLLBACK TO s; TRUNCATE parts_b; COMMIT');
	is(changes('wp'), 'DELETE 0 v0, DELETE 5 v5, DELETE 4 v4, DELETE 9 v9, DELETE 1 v1, DELETE 6 v6', 'one emptied alone: its rows, and nothing of the others');
	my $late = Pythia::Session->new($node);
	$late->do('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
	$node->safe_psql('postgres', "INSERT INTO parts VALUES (3, 'c', repeat('x', 100))");
	is(changes('wp'), 'INSERT 3>' . 'x' x 100, 'a row that an open snapshot does not see');
	$late->do('TRUNCATE parts_c; COMMIT');
	is(changes('wp'), 'DELETE 2 v2, DELETE 7 v7, DELETE 3 ' . 'x' x 100, 'TRUNCATE takes it, too');
	$node->safe_psql('postgres', "BEGIN; INSERT INTO parts VALUES (8, 'a', 'new'); TRUNCATE parts, parts_a; INSERT INTO parts VALUES (8, 'a', 'newer'); TRUNCATE parts_a; COMMIT");
	is(changes('wp'), 'INSERT 8>new, TRUNCATE -, INSERT 8>newer, DELETE 8 newer', 'emptied twice');
	$node->safe_psql('postgres', "ALTER TABLE parts DETACH PARTITION parts_c; INSERT INTO parts_c VALUES ('z', 'c', 3)");
	is(changes('wp'), '', 'what is detached is no longer told');
	$node->safe_psql('postgres', "INSERT INTO parts VALUES (4, 'a', 'stays'); TRUNCATE parts_c");
	is(changes('wp'), 'INSERT 4>stays', 'nor is its TRUNCATE');
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('wp')");
	is($node->safe_psql('postgres', "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'parts'::regclass"), '0', 'drop takes the triggers along');
};

subtest 'options' => sub {
	my ($t, $w) = fresh(q("where": "v <> ''skip''", "exclude_columns": ["secret"]), 'id int PRIMARY KEY, v text, secret text');
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (1, 'skip', 's'), (2, 'b', 's'); UPDATE $t SET v = 'c'; UPDATE $t SET v = 'skip' WHERE id = 2");
	is(changes($w), 'INSERT 2>b, INSERT 1>c, UPDATE 2 b>c, DELETE 2 c', 'rows come into the condition and leave it');
	is($node->safe_psql('postgres', "SELECT count(*) FROM pythia.journal WHERE new_data ? 'secret'"), '0', 'columns left out');
	$node->safe_psql('postgres', "CREATE TABLE was (id int PRIMARY KEY, v text); INSERT INTO was VALUES (1, 'a')");
	$node->safe_psql('postgres', q{SELECT pythia.create_cdc_worker('was', '{was}', options => '{"capture": "trigger", "start_from": "beginning"}')});
	$node->safe_psql('postgres', "UPDATE was SET v = 'b'");
	is(changes('was'), 'INSERT 1>a, UPDATE 1 a>b', 'from the beginning');
	$node->safe_psql('postgres', q{SELECT pythia.alter_cdc_worker('was', options => '{"track": "rows"}'); UPDATE was SET v = v});
	is(changes('was'), '', 'an update that changed nothing');
};

subtest 'a consumer in the middle of a window, rolled back, in every isolation level' => sub {
	my ($t, $w) = fresh();
	my $a = Pythia::Session->new($node);
	$node->safe_psql('postgres', "INSERT INTO $t SELECT i, 'x' FROM generate_series(1, 10) i");
	my $four = "SELECT string_agg(primary_key->>'id', ' ' ORDER BY change_id) FROM pythia.consume_changes('$w', max_changes => 4)";
	is($a->do($four), '1 2 3 4', 'four');
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (11, 'x')");
	is($a->do("BEGIN; $four; ROLLBACK; $four"), "5 6 7 8\n5 6 7 8", 'rolled back');
	is($a->do("BEGIN ISOLATION LEVEL SERIALIZABLE; $four; COMMIT"), '9 10 11', 'on into the next window');
	is($a->do($four), '', 'the end');
};

subtest 'a handler runs within moments of the commit' => sub {
	$node->safe_psql('postgres', q{
		CREATE TABLE seen (id int, at timestamptz);
		CREATE FUNCTION note(c pythia.database_change) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN
			INSERT INTO public.seen VALUES ((c.primary_key->>'id')::int, clock_timestamp()); RETURN NULL; END $$;
		CREATE TABLE src (id int PRIMARY KEY);});
	$node->safe_psql('postgres', q{SELECT pythia.create_cdc_worker('quick', '{src}', poll_interval => '1 hour', handler => 'note', options => '{"capture": "trigger"}'); SELECT pythia.start_cdc('quick')});
	ok(wait_for($node, "SELECT pid IS NOT NULL FROM pythia.worker_status WHERE name = 'quick'"), 'running');
	$node->safe_psql('postgres', "INSERT INTO src VALUES ($_)") for 1 .. 20;
	ok(wait_for($node, 'SELECT count(*) = 20 FROM seen'), 'twenty, though it polls but once an hour');
};

subtest 'a big transaction in little memory' => sub {
	my ($t, $w) = fresh();
	my $a = Pythia::Session->new($node);
	$a->do("INSERT INTO $t SELECT i, repeat('x', 50) FROM generate_series(1, 300000) i");
	my $peak = $node->safe_psql('postgres', "SELECT (regexp_match(pg_read_file('/proc/$a->{pid}/status'), 'VmHWM:\\s+(\\d+)'))[1]::int - (regexp_match(pg_read_file('/proc/$a->{pid}/status'), 'RssShmem:\\s+(\\d+)'))[1]::int");
	cmp_ok($peak, '<', 100 * 1024, "300,000 rows in one statement: $peak KiB beside shared memory");
	is($node->safe_psql('postgres', "SELECT count(*) FROM pythia.consume_changes('$w', max_changes => 1000000)"), '300000', 'all there');
};

# What stopped a table, once the worker has looked: its round of housekeeping comes every ten seconds.
sub stopped
{
	my ($worker, $why, $test) = @_;
	return ok(wait_for($node, "SELECT NOT active AND reason LIKE '%$why%' FROM pythia.stat_cdc WHERE worker = '$worker'"), $test);
}

subtest 'a table that is dropped, made anew, altered or closed' => sub {
	$node->safe_psql('postgres', q{CREATE ROLE maker; CREATE ROLE taker LOGIN; GRANT CREATE ON SCHEMA public TO maker, taker; SELECT pythia.grant_use('taker')});
	my $worker = 0;
	my $table = sub {
		my ($columns, $options) = @_;
		$worker++;
		$node->safe_psql('postgres', "SET ROLE taker; CREATE TABLE own$worker ($columns)");
		$node->safe_psql('postgres', qq{SET ROLE taker; SELECT pythia.create_cdc_worker('own$worker', '{own$worker}', poll_interval => '200 ms', options => '{"capture": "trigger"$options}'); SELECT pythia.start_cdc('own$worker')});
		return "own$worker";
	};
	# another role makes a table of the same name: it is none of the worker's business
	my $anew = $table->('id int PRIMARY KEY, v text', '');
	# dropped
	my $gone = $table->('id int PRIMARY KEY, v text', '');
	$node->safe_psql('postgres', "BEGIN; DROP TABLE $anew, $gone; SET ROLE maker; CREATE TABLE $anew (id int PRIMARY KEY, v text); CREATE TRIGGER pythia_capture_1 BEFORE TRUNCATE ON $anew EXECUTE FUNCTION suppress_redundant_updates_trigger(); COMMIT");
	stopped($anew, 'trigger is gone', 'a table made anew by somebody else is not captured');
	$node->safe_psql('postgres', "INSERT INTO $anew VALUES (1, 'secret')");
	is(changes($anew), '', 'nothing of it is told');
	$node->safe_psql('postgres', "SET ROLE taker; SELECT pythia.start_cdc('$anew')");
	stopped($anew, 'trigger is gone', 'nor when it is started again');
	stopped($gone, 'does not exist', 'a table that is gone is told');
	$node->safe_psql('postgres', "SET ROLE taker; CREATE TABLE $gone (id int PRIMARY KEY, v text); SELECT pythia.start_cdc('$gone'); INSERT INTO $gone VALUES (1, 'again')");
	is(changes($gone), 'INSERT 1>again', 'made anew by its owner and started, it is captured again');
	# disabled
	$node->safe_psql('postgres', "ALTER TABLE $gone DISABLE TRIGGER ALL");
	stopped($gone, 'disabled', 'a trigger that is disabled is told');
	$node->safe_psql('postgres', "SET ROLE taker; SELECT pythia.start_cdc('$gone'); INSERT INTO $gone VALUES (2, 'enabled')");
	is(changes($gone), 'INSERT 2>enabled', 'and put back by start_cdc');
	# closed: at once, in the session of whoever writes
	my $closed = $table->('id int PRIMARY KEY, v text', '');
	$node->safe_psql('postgres', "ALTER TABLE $closed OWNER TO maker");
	my $writer = Pythia::Session->new($node);
	$writer->do("SET client_min_messages = error; INSERT INTO $closed VALUES (1, 'secret')");
	is(changes($closed), '', 'a table that is taken from the worker\'s owner is not captured');
	stopped($closed, 'may not read it', 'and that is told');
	$node->safe_psql('postgres', "GRANT SELECT, TRIGGER ON $closed TO taker; SET ROLE taker; SELECT pythia.start_cdc('$closed')");
	$writer->do("INSERT INTO $closed VALUES (2, 'open')");
	is(changes($closed), 'INSERT 2>open', 'until it is given back');
	# columns the worker needs
	my $key = $table->('id int PRIMARY KEY, v text, w int', ', "where": "w > 0"');
	my ($rc, $out, $err) = $node->psql('postgres', "ALTER TABLE $key DROP COLUMN w; INSERT INTO $key VALUES (1, 'a')");
	is($rc, 0, 'writers go on');
	like($err, qr/WARNING:  capture of table "$key" of CDC worker "$key" stopped: column t\.w does not exist/, 'and are warned');
	stopped($key, "column t.w does not exist", 'when a column of the condition goes');
	my $stamp = $table->("id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now()", '');
	$node->safe_psql('postgres', "ALTER TABLE $stamp ALTER updated_at DROP DEFAULT, ALTER updated_at TYPE text USING updated_at::text; INSERT INTO $stamp VALUES (1, 'a', 'x'); ALTER TABLE $stamp DROP COLUMN updated_at; INSERT INTO $stamp VALUES (2, 'b')");
	is(changes($stamp), 'INSERT 1>a, INSERT 2>b', 'a stamp that goes is not missed');
	# settings that change under open sessions
	my $hidden = $table->('id int PRIMARY KEY, v text, w text', '');
	$writer->do("INSERT INTO $hidden VALUES (1, 'a', 'w')");
	$node->safe_psql('postgres', qq{SELECT pythia.alter_cdc_worker('$hidden', options => '{"exclude_columns": ["w"]}')});
	$writer->do("INSERT INTO $hidden VALUES (2, 'b', 'w')");
	is($node->safe_psql('postgres', "SELECT string_agg(new_data::text, ' ' ORDER BY change_id) FROM pythia.consume_changes('$hidden')"), '{"v": "a", "w": "w", "id": 1} {"v": "b", "id": 2}', 'alter_cdc_worker reaches writers that have written before');
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker(name) FROM pythia.worker WHERE name LIKE 'own%'");
};

# as tools do that change a big table in a copy of it
subtest 'a table whose name another one takes' => sub {
	my ($t, $w) = fresh();
	$node->safe_psql('postgres', "INSERT INTO $t VALUES (1, 'a'); ALTER TABLE $t RENAME TO ${t}_old; CREATE TABLE $t (LIKE ${t}_old INCLUDING ALL);"
		. " SELECT pythia.start_cdc('$w'); INSERT INTO $t VALUES (2, 'new'); INSERT INTO ${t}_old VALUES (2, 'old'); TRUNCATE ${t}_old");
	is(changes($w), 'INSERT 1>a, INSERT 2>new', 'from start_cdc on the one is captured, and the other no more');
	$node->safe_psql('postgres', "ALTER TABLE $t RENAME TO ${t}_older; SELECT pythia.drop_cdc_worker('$w')");
	is($node->safe_psql('postgres', "SELECT count(*) FROM pg_trigger WHERE tgrelid IN ('${t}_old'::regclass, '${t}_older'::regclass)"), '0', 'drop finds its triggers whatever the table is called');
};

subtest 'conditions and images are nobody\'s but the worker\'s' => sub {
	$node->safe_psql('postgres', q{
		CREATE TABLE cond (id int PRIMARY KEY, v text, at timestamptz, span tstzrange, many timestamptz[], f float8);
		CREATE ROLE scribe; GRANT INSERT ON cond TO scribe;
		CREATE SCHEMA trap; GRANT USAGE ON SCHEMA trap TO scribe;
		CREATE FUNCTION trap.not_more(timestamptz, timestamptz) RETURNS boolean LANGUAGE sql AS 'SELECT false';
		CREATE OPERATOR trap.> (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = trap.not_more);
		SELECT pythia.create_cdc_worker('cond', '{cond}', options => '{"capture": "trigger", "where": "id > 1 AND at > ''2026-01-01 00:00+00''"}')});
	$node->safe_psql('postgres', q{SET ROLE scribe; SET search_path = trap, pg_catalog; SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'SQL, DMY'; SET extra_float_digits = -5;
		INSERT INTO public.cond VALUES (1, 'small', '2026-06-01 09:00', NULL, NULL, 0), (2, 'big', '2026-06-01 09:00', '[2026-06-01 09:00,)', '{2026-06-01 09:00}', 0.1)});
	is($node->safe_psql('postgres', "SELECT new_data FROM pythia.consume_changes('cond')"),
		'{"f": 0.1, "v": "big", "at": "2026-06-01T00:00:00+00:00", "id": 2, "many": ["2026-06-01T00:00:00+00:00"], "span": "[\"2026-06-01 00:00:00+00\",)"}', 'whoever writes, with whatever settings');
};

# money, month names and dates as they are spelled depend on settings: of whoever makes the worker when he is understood, of nobody later
subtest 'a condition means what it meant to whoever wrote it' => sub {
	for my $capture ('poll', 'trigger')
	{
		my ($t, $w) = ("spelled_$capture", "spelled_$capture");
		$node->safe_psql('postgres', qq{SET DateStyle = 'SQL, DMY'; CREATE TABLE $t (id int PRIMARY KEY, day date, amount money, updated_at timestamptz DEFAULT now()); CREATE INDEX ON $t (updated_at);
			SELECT pythia.create_cdc_worker('$w', '{$t}', options => '{"capture": "$capture", "where": "day > ''05/12/2026'' AND amount > ''5.50''"}')});
		is($node->safe_psql('postgres', "SELECT condition FROM pythia.cdc_table WHERE name = '$t'"), q{((t.day > '2026-12-05'::date) AND (t.amount > '$5.50'::money))}, "$capture: it is written down so that every session reads the same");
		$node->safe_psql('postgres', qq{SET lc_monetary = 'C.UTF-8'; INSERT INTO $t (id, day, amount) VALUES (1, '2026-06-01', 6), (2, '2026-12-06', 6), (3, '2026-12-06', 5)});
		is($node->safe_psql('postgres', "SELECT string_agg(new_data->>'id' || ' ' || (new_data->>'amount'), ',') FROM pythia.consume_changes('$w')"), '2 $6.00', "$capture: whoever writes");
	}
};

subtest 'what triggers cannot get right is refused' => sub {
	my ($rc, $out, $err);
	$node->safe_psql('postgres', 'CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE heir (x int) INHERITS (parent); CREATE UNLOGGED TABLE fleeting (id int PRIMARY KEY)');
	($rc, $out, $err) = $node->psql('postgres', q{SELECT pythia.create_cdc_worker('no', '{parent}', options => '{"capture": "trigger"}')});
	like($err, qr/cannot capture "parent" by triggers: other tables inherit from it.*HINT:  Name/s, 'a table with heirs');
	($rc, $out, $err) = $node->psql('postgres', q{SELECT pythia.create_cdc_worker('no', '{fleeting}', options => '{"capture": "trigger"}')});
	like($err, qr/cannot capture "fleeting" by triggers: it is unlogged.*HINT:/s, 'a table that a crash empties');
};

done_testing();
