# The journal's parts take turns; consumers hold it, up to a cap; failed changes; the worker's life.
use strict;
use warnings;
use Pythia::Test;
use Pythia::Session;
use Test::More;

# a session that wrote before looks from time to time where to: here each is new
$Pythia::Kept::wanted = 0;

my $node = pg_node('journal', 'pythia_db.retention' => '2min', log_min_messages => 'warning');
$node->safe_psql('postgres', q{
	CREATE TABLE t (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now());
	CREATE INDEX ON t (updated_at);
	SELECT pythia.create_cdc_worker('w', '{t}', options => '{"delete_interval": 0}')});

sub age
{
	# as if so many minutes had passed
	my ($minutes) = @_;
	$node->safe_psql('postgres', "UPDATE pythia.journal SET captured_at = captured_at - interval '$minutes min'; UPDATE pythia.journal_state SET since = since - interval '$minutes min'");
	return;
}
sub slots { return $node->safe_psql('postgres', "SELECT (SELECT slot FROM pythia.journal_state) || ': ' || (SELECT string_agg(n::text, ' ' ORDER BY s) FROM (SELECT 0 s, count(*) n FROM pythia.journal_0 UNION ALL SELECT 1, count(*) FROM pythia.journal_1 UNION ALL SELECT 2, count(*) FROM pythia.journal_2) x)"); }
sub rotate { $node->safe_psql('postgres', 'SELECT pythia._rotate_journal()'); return slots(); }
sub consume { return $node->safe_psql('postgres', "SELECT string_agg(primary_key->>'id', ' ' ORDER BY change_id) FROM pythia.consume_changes('w')"); }

subtest 'rotation' => sub {
	$node->safe_psql('postgres', "INSERT INTO t VALUES (1, 'a')");
	is(consume(), '1', 'one');
	is(rotate(), '0: 1 0 0', 'its time has not come');
	age(2);
	is(rotate(), '1: 1 0 0', 'on to the next part');
	$node->safe_psql('postgres', "INSERT INTO t VALUES (2, 'b')");
	# a session that wrote before looks from time to time: any part will do
	is(consume(), '2', 'read on');
	age(2);
	is(rotate(), '2: 1 1 0', 'the third');
	age(3);
	like(rotate(), qr/^0: 0 1 0$/, 'and the first again, emptied, since all of it was read long ago');
	$node->safe_psql('postgres', "SELECT pythia.create_consumer('w', 'slow', 'beginning')");
	age(3);
	is(rotate(), '0: 0 1 0', 'what somebody has not read stays');
	age(30);
	is(rotate(), '0: 0 1 0', 'ten times retention, and a day at least');
	age(24 * 60);
	my ($rc, $out, $err) = $node->psql('postgres', 'SELECT pythia._rotate_journal()');
	like($err, qr/consumer "slow" of CDC worker "w" is lost/, 'up to the cap: then it is lost, and told');
	is(slots(), '1: 0 0 0', 'emptied');
	($rc, $out, $err) = $node->psql('postgres', "SELECT * FROM pythia.consume_changes('w', 'slow')");
	like($err, qr/is lost.*pythia\.seek/s, 'it hears so itself');
	($rc, $out, $err) = $node->psql('postgres', "SELECT * FROM pythia.consume_changes('w', 'slow', wait => '1 s'); SELECT 'goes on'", on_error_stop => 0);
	is($out, 'goes on', 'and its session goes on, also when it would have waited');
	$node->safe_psql('postgres', "SELECT pythia.seek('w', 'slow', 'beginning')");
	is($node->safe_psql('postgres', "SELECT count(*) FROM pythia.consume_changes('w', 'slow')"), '0', 'and is whole after seek');
	is(consume(), '', 'the other one never noticed');
};

subtest 'each worker keeps its own changes as it wants, within what the server allows' => sub {
	my ($rc, $out, $err) = $node->psql('postgres', q{SELECT pythia.alter_cdc_worker('w', options => '{"retention": "31 days"}')});
	like($err, qr/ERROR:  invalid value for option "retention".*DETAIL:  pythia_db.max_retention is 30d.*HINT:/s, 'no more than pythia_db.max_retention');
	$node->safe_psql('postgres', q{
		CREATE TABLE greedy (id int PRIMARY KEY, updated_at timestamptz DEFAULT now()); CREATE INDEX ON greedy (updated_at);
		SELECT pythia.create_cdc_worker('greedy', '{greedy}', options => '{"delete_interval": 0, "retention": "20 days"}');
		INSERT INTO greedy VALUES (1); INSERT INTO t VALUES (900, 'x'); SELECT pythia.poll('greedy')});
	is(consume(), '900', 'read by one');
	is($node->safe_psql('postgres', "SELECT count(*) FROM pythia.consume_changes('greedy')"), '1', 'and by the other');
	age(11 * 24 * 60); rotate(); age(11 * 24 * 60); rotate();
	my $there = "SELECT string_agg(w.name, ' ' ORDER BY w.name) FROM pythia.journal j JOIN pythia.worker w USING (worker_id)";
	is($node->safe_psql('postgres', $there), 'greedy w', 'the part is kept for the one that wants it longest');
	$node->append_conf('postgresql.conf', "pythia_db.max_retention = '1d'\n");
	$node->reload;
	ok(wait_for($node, 'SHOW pythia_db.max_retention', '1d'), 'the administrator allows less');
	age(11 * 24 * 60); rotate(); age(11 * 24 * 60); rotate();
	is($node->safe_psql('postgres', $there), '', 'and what was kept beyond that goes');
	$node->safe_psql('postgres', "INSERT INTO greedy VALUES (2); SELECT pythia.poll('greedy')");
	$node->safe_psql('postgres', "SELECT pythia.create_consumer('greedy', 'dead', 'beginning'); SELECT count(*) FROM pythia.consume_changes('greedy')");
	age(2 * 24 * 60);
	my $lost = '';
	for (1 .. 3) { (undef, undef, $err) = $node->psql('postgres', 'SELECT pythia._rotate_journal()'); $lost .= $err; age(2 * 24 * 60); }
	like($lost, qr/consumer "dead" of CDC worker "greedy" is lost/, 'nor does a consumer that never reads hold it beyond');
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('greedy'); DELETE FROM t WHERE id = 900; SELECT count(*) FROM pythia.consume_changes('w')");
	($rc, $out, $err) = $node->psql('postgres', 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pythia._rotate_journal()');
	like($err, qr/READ COMMITTED only/, 'an old snapshot judges nothing');
};

subtest 'failed changes' => sub {
	$node->safe_psql('postgres', q{
		CREATE TABLE done (id int, v text, n serial);
		CREATE TABLE mood (angry boolean); INSERT INTO mood VALUES (true);
		CREATE FUNCTION handle(c pythia.database_change) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN
			INSERT INTO public.done (id, v) VALUES ((c.primary_key->>'id')::int, c.new_data->>'v');
			IF (SELECT angry FROM public.mood) AND c.new_data->>'v' LIKE 'bad%' THEN
				RAISE EXCEPTION 'no %', c.new_data->>'v' USING ERRCODE = 'P0042', DETAIL = 'Why.', HINT = 'Do.'; END IF;
			RETURN jsonb_build_object('saw', c.new_data->>'v'); END $$});
	for my $case (['skip', 'good1 good2 later'], ['block_key', 'good1 good2'])
	{
		my ($on_error, $expected) = @$case;
		$node->safe_psql('postgres', "TRUNCATE t, done; UPDATE mood SET angry = true");
		$node->safe_psql('postgres', qq{SELECT pythia.create_cdc_worker('$on_error', '{t}', poll_interval => '20 ms', handler => 'handle',
			options => '{"on_error": "$on_error", "max_attempts": 100, "retry_delay": 0.05, "keep_result": true}')});
		$node->safe_psql('postgres', "SELECT pythia.start_cdc('$on_error')");
		$node->safe_psql('postgres', "INSERT INTO t VALUES (1, 'good1'), (2, 'bad'), (3, 'good2')");
		ok(wait_for($node, "SELECT attempts >= 2 AND state = 'retry' AND sqlstate = 'P0042' AND message = 'no bad' AND detail = 'Why.' AND hint = 'Do.' FROM pythia.failed_change WHERE (change).primary_key->>'id' = '2'"), "$on_error: tried again, and why it failed is kept");
		$node->safe_psql('postgres', "UPDATE t SET v = 'later', updated_at = clock_timestamp() WHERE id = 2");
		ok(wait_for($node, $on_error eq 'skip' ? "SELECT count(*) = 1 FROM done WHERE v = 'later'" : "SELECT count(*) = 1 FROM pythia.failed_change WHERE state = 'blocked'"), "$on_error: a later change of the same key");
		is($node->safe_psql('postgres', 'SELECT string_agg(v, \' \' ORDER BY v) FROM done'), $expected, "$on_error: the rest goes on, and what failed left nothing");
		is($node->safe_psql('postgres', "SELECT failed FROM pythia.stat_cdc WHERE worker = '$on_error'"), $on_error eq 'skip' ? '1' : '2', 'stat_cdc counts');
		$node->safe_psql('postgres', 'UPDATE mood SET angry = false');
		ok(wait_for($node, 'SELECT count(*) = 0 FROM pythia.failed_change'), "$on_error: mended by itself");
		is($node->safe_psql('postgres', 'SELECT string_agg(v, \' \' ORDER BY n) FROM done WHERE id = 2'), $on_error eq 'skip' ? 'later bad' : 'bad later', $on_error eq 'skip' ? 'later' : 'in order');
		is($node->safe_psql('postgres', "SELECT result FROM pythia.handler_result r JOIN pythia.worker w USING (worker_id) WHERE w.name = '$on_error' ORDER BY change_id LIMIT 1"), '{"saw": "good1"}', 'results are kept');
		$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('$on_error')");
	}
	$node->safe_psql('postgres', q{TRUNCATE t, done; UPDATE mood SET angry = true;
		SELECT pythia.create_cdc_worker('dead', '{t}', poll_interval => '20 ms', handler => 'handle', options => '{"max_attempts": 2, "retry_delay": 0.01}');
		SELECT pythia.start_cdc('dead')});
	$node->safe_psql('postgres', "INSERT INTO t SELECT i, CASE WHEN i % 10 = 0 THEN 'bad' || i ELSE 'good' END FROM generate_series(1, 3000) i");
	ok(wait_for($node, "SELECT count(*) = 300 FROM pythia.failed_change WHERE state = 'dead' AND attempts = 2"), 'three hundred of three thousand are dead after two attempts');
	is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id) FROM done'), '2700|2700', 'all others were handled, once');
	is($node->safe_psql('postgres', "SELECT dead FROM pythia.stat_cdc WHERE worker = 'dead'"), '300', 'stat_cdc counts them');
	$node->safe_psql('postgres', 'UPDATE mood SET angry = false');
	is($node->safe_psql('postgres', "SELECT pythia.retry_failed('dead')"), '300', 'retry_failed');
	ok(wait_for($node, 'SELECT (SELECT count(*) FROM done) = 3000 AND NOT EXISTS (SELECT FROM pythia.failed_change)'), 'brings them back');
	# a handler that goes
	$node->safe_psql('postgres', 'DROP FUNCTION handle(pythia.database_change)');
	$node->safe_psql('postgres', "INSERT INTO t VALUES (9999, 'x')");
	ok(wait_for($node, "SELECT last_error LIKE '%handle%' FROM pythia.worker_status WHERE name = 'dead'"), 'a handler that is gone is told in worker_status');
	$node->safe_psql('postgres', q{CREATE FUNCTION handle(c pythia.database_change) RETURNS jsonb LANGUAGE sql AS $$ INSERT INTO public.done VALUES ((c.primary_key->>'id')::int, 'back'); SELECT NULL::jsonb $$});
	ok(wait_for($node, "SELECT count(*) = 1 FROM done WHERE v = 'back'"), 'and its change waits for it');
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('dead')");
};

subtest 'ordered: a failed change holds back every later one' => sub {
	$node->safe_psql('postgres', q{TRUNCATE t, done; UPDATE mood SET angry = true;
		CREATE OR REPLACE FUNCTION handle(c pythia.database_change) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN
			IF (SELECT angry FROM public.mood) AND c.new_data->>'v' = 'bad' THEN RAISE EXCEPTION 'no'; END IF;
			INSERT INTO public.done (id, v) VALUES ((c.primary_key->>'id')::int, c.new_data->>'v'); RETURN NULL; END $$;
		SELECT pythia.create_cdc_worker('strict', '{t}', poll_interval => '20 ms', handler => 'handle', options => '{"ordered": true, "max_attempts": 100, "retry_delay": 0.05}');
		SELECT pythia.start_cdc('strict')});
	$node->safe_psql('postgres', "INSERT INTO t VALUES (1, 'a'), (2, 'bad'), (3, 'c')");
	ok(wait_for($node, "SELECT count(*) = 1 FROM pythia.failed_change WHERE attempts >= 2"), 'it fails');
	$node->safe_psql('postgres', "INSERT INTO t VALUES (4, 'd')");
	ok(wait_for($node, "SELECT captured = 4 FROM pythia.stat_cdc WHERE worker = 'strict'"), 'captured');
	is($node->safe_psql('postgres', "SELECT string_agg(id::text, ' ' ORDER BY n) FROM done"), '1', 'the others wait');
	$node->safe_psql('postgres', 'UPDATE mood SET angry = false');
	ok(wait_for($node, 'SELECT count(*) = 4 FROM done'), 'then all come');
	is($node->safe_psql('postgres', "SELECT string_agg(id::text, ' ' ORDER BY n) FROM done"), '1 2 3 4', 'in order');
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('strict')");
};

subtest 'idle polls leave no trace' => sub {
	$node->safe_psql('postgres', 'VACUUM pythia.cdc_state; VACUUM pythia.consumer');
	$node->safe_psql('postgres', q{SELECT pythia.alter_cdc_worker('w', options => '{"delete_interval": "1 h"}')});
	$node->safe_psql('postgres', "SELECT pythia.poll('w') FROM generate_series(1, 3)");
	my $before = $node->safe_psql('postgres', "SELECT pg_table_size('pythia.cdc_state') + pg_table_size('pythia.consumer') + pg_table_size('pythia.seen')");
	my $xid = $node->safe_psql('postgres', 'SELECT pg_snapshot_xmax(pg_current_snapshot())');
	$node->safe_psql('postgres', "SELECT pythia.poll('w') FROM generate_series(1, 1000)");
	$node->safe_psql('postgres', "SELECT count(*) FROM pythia.consume_changes('w')");
	is($node->safe_psql('postgres', "SELECT pg_table_size('pythia.cdc_state') + pg_table_size('pythia.consumer') + pg_table_size('pythia.seen')"), $before, 'no bloat after a thousand polls');
	cmp_ok($node->safe_psql('postgres', 'SELECT pg_snapshot_xmax(pg_current_snapshot())') - $xid, '<=', 5, 'hardly a transaction id is spent');
};

subtest 'stat_cdc and stat_consumer tell' => sub {
	my $stat = sub { return $node->safe_psql('postgres', "SELECT $_[1] FROM pythia.stat_cdc WHERE worker = '$_[0]' AND \"table\" = '$_[2]'"); };
	$node->safe_psql('postgres', q{
		CREATE TABLE sa (id int PRIMARY KEY, updated_at timestamptz DEFAULT now()); CREATE INDEX ON sa (updated_at); CREATE TABLE sb (LIKE sa INCLUDING ALL);
		SELECT pythia.create_cdc_worker('st', '{sa,sb}', poll_interval => '50 ms', options => '{"delete_interval": 0}');
		SELECT pythia.create_cdc_worker('stt', '{sa}', options => '{"capture": "trigger"}');
		INSERT INTO sa SELECT generate_series(1, 5); INSERT INTO sb VALUES (1, NULL), (2, now());
		SELECT pythia.poll('st'); SELECT pythia.create_consumer('st', 'other', 'beginning')});
	is($stat->('st', "captured || ' ' || consumed", 'sa'), '5 0', 'captured');
	$node->safe_psql('postgres', q{SELECT count(*) FROM pythia.consume_changes('st', max_changes => 4); SELECT count(*) FROM pythia.consume_changes('st'); SELECT count(*) FROM pythia.consume_changes('st', 'other', 3)});
	is($stat->('st', 'consumed', 'sa') + $stat->('st', 'consumed', 'sb'), '9', 'consumed, to all consumers');
	is($stat->('st', "captured || ' ' || consumed || ' ' || null_stamps", 'sb'), '1 1 1', 'by table, and rows without a stamp');
	is($stat->('stt', "captured || ' ' || consumed", 'sa'), '5 0', 'what triggers captured');
	is($node->safe_psql('postgres', "SELECT string_agg(consumer || ' ' || lag_rows || ' ' || (lag_seconds > 0), ', ' ORDER BY consumer) FROM pythia.stat_consumer WHERE worker = 'st'"), 'default 0 false, other 3 true', 'lag of each consumer');
	for (1 .. 4) { age(15 * 24 * 60); rotate(); $node->safe_psql('postgres', "SELECT count(*) FROM pythia.consume_changes('stt')"); }
	is($stat->('stt', "captured || ' ' || consumed", 'sa'), '5 5', 'what was emptied since stays counted');
	$node->safe_psql('postgres', "SELECT pythia.start_cdc('st')");
	ok(wait_for($node, "SELECT bool_and(last_poll > now() - interval '2 s') AND count(*) = 2 FROM pythia.stat_cdc WHERE worker = 'st'"), 'the last poll, though it found nothing');
	my $open = Pythia::Session->new($node);
	$open->do('BEGIN; SELECT pg_sleep(0.2)');
	is($stat->('st', "held_by = $open->{pid} AND behind > interval '100 ms' AND held_why = 'an open transaction'", 'sa'), 't', 'who holds low back, and how far');
	is($stat->('stt', 'held_by IS NULL AND behind IS NULL', 'sa'), 't', 'triggers know no low');
	$open->do("INSERT INTO sa VALUES (100); PREPARE TRANSACTION 'held'");
	is($stat->('st', "held_why = 'prepared transaction ''held''' AND behind > interval '0'", 'sa'), 't', 'a prepared transaction, too');
	$node->safe_psql('postgres', "COMMIT PREPARED 'held'; DROP TABLE sb");
	ok(wait_for($node, "SELECT last_error LIKE '%does not exist' AND NOT active FROM pythia.stat_cdc WHERE worker = 'st' AND \"table\" = 'sb'"), 'why a table stopped');
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('st'); SELECT pythia.drop_cdc_worker('stt')");
};

subtest 'what triggers captured is counted behind them' => sub {
	$node->safe_psql('postgres', q{CREATE TABLE k (id int PRIMARY KEY); CREATE TABLE k2 (id int PRIMARY KEY); SELECT pythia.create_cdc_worker('k', '{k,k2}', options => '{"capture": "trigger"}')});
	my $captured = sub { return $node->safe_psql('postgres', "SELECT string_agg(captured::text, ' ' ORDER BY \"table\") FROM pythia.stat_cdc WHERE worker = 'k'"); };
	my $counted = sub { return $node->safe_psql('postgres', "SELECT COALESCE(string_agg(n.captured::text, ' ' ORDER BY t.name), '') FROM pythia.journal_count n JOIN pythia.cdc_table t USING (table_id) WHERE t.name LIKE 'k%'"); };
	my $open = Pythia::Session->new($node);
	$node->safe_psql('postgres', 'INSERT INTO k SELECT generate_series(1, 10)');
	$open->do('BEGIN; INSERT INTO k VALUES (100)');
	$node->safe_psql('postgres', 'INSERT INTO k2 VALUES (1)');
	rotate();
	is($counted->(), '', 'not while somebody who has drawn a number may still commit');
	is($captured->(), '10 1', 'what is committed is told all the same');
	$open->do('COMMIT');
	is($captured->(), '11 1', 'as soon as it is');
	rotate();
	is($counted->(), '11 1', 'counted');
	is($captured->(), '11 1', 'once');
	$open->do('BEGIN; INSERT INTO k VALUES (200); SAVEPOINT a; INSERT INTO k2 VALUES (2); ROLLBACK TO a; INSERT INTO k2 VALUES (3); COMMIT; BEGIN; INSERT INTO k VALUES (201); ROLLBACK');
	is($captured->(), '12 2', 'not what was rolled back');
	rotate();
	is($counted->() . ', ' . $captured->(), '12 2, 12 2', 'nor counted');
	is($node->safe_psql('postgres', 'SELECT xmin || $$ $$ || ctid FROM pythia.journal_state'), do { rotate(); $node->safe_psql('postgres', 'SELECT xmin || $$ $$ || ctid FROM pythia.journal_state') }, 'at rest nothing is written');
	$node->safe_psql('postgres', 'INSERT INTO k VALUES (300)');
	for (1 .. 4) { age(15 * 24 * 60); rotate(); $node->safe_psql('postgres', "SELECT count(*) FROM pythia.consume_changes('k')"); }
	is($captured->(), '13 2', 'nor lost with the parts that were emptied');
	$node->safe_psql('postgres', "INSERT INTO k2 VALUES (4); SELECT pythia.start_cdc('k')");
	ok(wait_for($node, "SELECT sum(captured) = 16 FROM pythia.journal_count n JOIN pythia.cdc_table t USING (table_id) WHERE t.name LIKE 'k%'"), 'the background worker counts by itself');
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('k'); DROP TABLE k, k2");
};

subtest 'DROP TABLE, ROLE, DATABASE, EXTENSION under a live worker; hours down' => sub {
	$node->safe_psql('postgres', q{CREATE DATABASE doomed});
	$node->safe_psql('doomed', q{CREATE EXTENSION pythia_db; CREATE TABLE t (id int PRIMARY KEY, updated_at timestamptz); SELECT pythia.create_cdc_worker('d', '{t}', poll_interval => '20 ms'); SELECT pythia.start_cdc('d')});
	ok(wait_for($node, "SELECT pid IS NOT NULL FROM pythia.worker_status WHERE name = 'd'", 't', 'doomed'), 'runs');
	$node->safe_psql('doomed', 'DROP EXTENSION pythia_db');
	ok(wait_for($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'doomed' AND application_name LIKE '%cdc d%'"), 'ends with its extension');
	is($node->safe_psql('doomed', "SELECT count(*) FROM pg_class WHERE relname LIKE 'tracked\\_%'"), '0', 'and with it what it knew of rows');
	$node->safe_psql('doomed', q{CREATE EXTENSION pythia_db; SELECT pythia.create_cdc_worker('d', '{t}', poll_interval => '20 ms'); SELECT pythia.start_cdc('d')});
	ok(wait_for($node, "SELECT pid IS NOT NULL FROM pythia.worker_status WHERE name = 'd'", 't', 'doomed'), 'made anew');
	$node->safe_psql('postgres', 'DROP DATABASE doomed WITH (FORCE)');
	is($node->safe_psql('postgres', 'SELECT 1'), '1', 'DROP DATABASE');
	$node->safe_psql('postgres', "TRUNCATE t; SELECT pythia.start_cdc('w')");
	$node->safe_psql('postgres', "SELECT * FROM pythia.consume_changes('w')");
	$node->stop;
	$node->start;
	$node->safe_psql('postgres', "INSERT INTO t VALUES (77, 'after', now() - interval '1 second')");
	ok(wait_for($node, "SELECT count(*) = 1 FROM pythia.consume_changes('w') WHERE primary_key->>'id' = '77'"), 'goes on after a restart');
};

subtest 'a dump takes settings along, not positions' => sub {
	$node->safe_psql('postgres', q{SELECT pythia.stop_cdc('w'); CREATE DATABASE copy});
	$node->safe_psql('postgres', "INSERT INTO t VALUES (80, 'before the dump')");
	my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
	$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
	my ($rc, $out, $err) = $node->psql('copy', "\\i $dump");
	unlike($err, qr/ERROR/, 'restores without an error');
	($rc, $out, $err) = $node->psql('copy', "SELECT pythia.poll('w')");
	is($out, '0', 'the copy tells nothing of what was there');
	like($err, qr/starts anew/, 'and says so');
	$node->safe_psql('copy', "INSERT INTO t VALUES (81, 'in the copy')");
	is($node->safe_psql('copy', "SELECT primary_key->>'id' FROM pythia.consume_changes('w')"), '81', 'it goes on from there');
};

done_testing();
