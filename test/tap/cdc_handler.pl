# Handlers: order within a key whatever fails, what the commit refuses, retries.
use strict;
use warnings;
use Pythia::Session;
use Pythia::Test;
use Test::More;

my $node = pg_node('handler', log_min_messages => 'error');
sub sql { return $node->safe_psql('postgres', $_[0]); }

sql(q{
	CREATE TABLE mood (angry boolean); INSERT INTO mood VALUES (true);
	CREATE TABLE done (n serial, id int, what text);
	CREATE TABLE parent (id int PRIMARY KEY);
	CREATE TABLE child (id int, parent int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
	CREATE FUNCTION handle(c pythia.database_change) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN
		IF c.new_data->>'v' = 'bad' AND (SELECT angry FROM public.mood) THEN RAISE EXCEPTION 'not now'; END IF;
		INSERT INTO public.done (id, what) VALUES ((c.primary_key->>'id')::int, COALESCE(c.new_data->>'v', c.change_type::text));
		RETURN c.primary_key; END $$;
	CREATE FUNCTION adopt(c pythia.database_change) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN
		-- its parent may be there by the end of the transaction, or not
		INSERT INTO public.child VALUES ((c.primary_key->>'id')::int, (c.new_data->>'v')::int); RETURN NULL; END $$});
my $done = q{SELECT string_agg(COALESCE(id || ' ', '') || what, ', ' ORDER BY n) FROM done};

subtest 'block_key: a failed change holds back its key, the table\'s TRUNCATE, and what comes after that' => sub {
	sql(q{CREATE TABLE k (id int PRIMARY KEY, v text); CREATE TABLE l (id int PRIMARY KEY, v text);
		SELECT pythia.create_cdc_worker('k', '{k,l}', handler => 'handle', poll_interval => '50 ms', options => '{"capture": "trigger", "on_error": "block_key", "max_attempts": 1000, "retry_delay": 0.05}');
		SELECT pythia.start_cdc('k');
		INSERT INTO k VALUES (1, 'bad'), (2, 'good'); TRUNCATE k; INSERT INTO k VALUES (2, 'new'), (3, 'other'); TRUNCATE l; INSERT INTO l VALUES (1, 'free')});
	ok(wait_for($node, "SELECT count(*) = 3 FROM pythia.failed_change WHERE state = 'blocked'"), 'they wait');
	ok(wait_for($node, 'SELECT attempts > 2 FROM pythia.failed_change WHERE state = \'retry\''), 'while it is tried again');
	is(sql($done), '2 good, TRUNCATE, 1 free', 'another table\'s TRUNCATE and keys do not');
	is(sql("SELECT failed FROM pythia.stat_cdc WHERE worker = 'k' AND \"table\" = 'k'"), '4', 'counted as failed');
	sql('UPDATE mood SET angry = false');
	ok(wait_for($node, 'SELECT NOT EXISTS (SELECT FROM pythia.failed_change)'), 'it is mended');
	is(sql($done), '2 good, TRUNCATE, 1 free, 1 bad, TRUNCATE, 2 new, 3 other', 'in order');
	sql("SELECT pythia.drop_cdc_worker('k'); TRUNCATE done; UPDATE mood SET angry = true");
};

subtest 'block_key with thousands of failed keys' => sub {
	sql(q{CREATE TABLE m (id int PRIMARY KEY, v text);
		SELECT pythia.create_cdc_worker('m', '{m}', handler => 'handle', poll_interval => '50 ms', options => '{"capture": "trigger", "on_error": "block_key", "retry_delay": "1 h"}');
		INSERT INTO m SELECT i, 'bad' FROM generate_series(1, 10100) i; SELECT pythia.start_cdc('m')});
	ok(wait_for($node, "SELECT count(*) = 10100 FROM pythia.failed_change WHERE state = 'retry'"), 'all have failed');
	cmp_ok(sql('SELECT count(DISTINCT retry_at - last_failed_at) FROM pythia.failed_change'), '>', 5000, 'and will not all come back at one moment');
	sql("UPDATE m SET v = 'later' WHERE id IN (1, 10050); INSERT INTO m VALUES (20000, 'fresh')");
	ok(wait_for($node, "SELECT count(*) = 1 FROM done"), 'a fresh key is handled');
	is(sql($done), '20000 fresh', 'the last of the failed keys waits as the first does');
	is(sql("SELECT string_agg((change).primary_key->>'id', ' ' ORDER BY change_id) FROM pythia.failed_change WHERE state = 'blocked'"), '1 10050', 'and is noted');
	sql("SELECT pythia.drop_cdc_worker('m'); TRUNCATE done");
};

subtest 'block_key where the turn has waited longer than it may last' => sub {
	sql(q{CREATE TABLE held (id int PRIMARY KEY, v text);
		SELECT pythia.create_cdc_worker('held', '{held}', handler => 'handle', poll_interval => '50 ms', options => '{"capture": "trigger", "on_error": "block_key", "retry_delay": "1 h"}');
		SELECT pythia.start_cdc('held'); INSERT INTO held VALUES (1, 'bad')});
	ok(wait_for($node, "SELECT count(*) = 1 FROM pythia.failed_change WHERE state = 'retry'"), 'a change has failed');
	# first its consumer cannot be had, then the list of failed changes cannot be read
	for my $held ('pythia.consumer', 'pythia.failed_change')
	{
		my $session = Pythia::Session->new($node, 'postgres', scalar getpwuid $<);
		$session->do("BEGIN; LOCK TABLE $held IN ACCESS EXCLUSIVE MODE");
		sql(qq{UPDATE held SET v = '$held' WHERE id = 1; INSERT INTO held VALUES ((SELECT max(id) + 1 FROM held), 'fresh')});
		ok(wait_for($node, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = '$held'::regclass AND waitstart < clock_timestamp() - interval '1.1 s'"), "the worker waits for $held");
		$session->do('COMMIT');
	}
	ok(wait_for($node, 'SELECT count(*) = 2 FROM done'), 'fresh keys are handled');
	is(sql($done), '2 fresh, 3 fresh', 'none of the key that waits');
	is(sql(q{SELECT string_agg((change).new_data->>'v', ' ' ORDER BY change_id) FROM pythia.failed_change WHERE state = 'blocked'}), 'pythia.consumer pythia.failed_change', 'its changes are noted');
	sql("SELECT pythia.drop_cdc_worker('held'); TRUNCATE done");
};

subtest 'what only the commit refuses' => sub {
	sql(q{INSERT INTO parent VALUES (1);
		CREATE TABLE d (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now()); CREATE INDEX ON d (updated_at);
		SELECT pythia.create_cdc_worker('d', '{d}', handler => 'adopt', poll_interval => '50 ms', options => '{"max_attempts": 2, "retry_delay": 0.01}');
		INSERT INTO d SELECT i, CASE i WHEN 4 THEN 99 WHEN 7 THEN 99 ELSE 1 END FROM generate_series(1, 10) i; SELECT pythia.start_cdc('d')});
	ok(wait_for($node, "SELECT string_agg((change).primary_key->>'id' || ' ' || sqlstate || ' ' || state, ', ' ORDER BY change_id) = '4 23503 dead, 7 23503 dead' FROM pythia.failed_change"),
		'a deferred constraint fails the change that broke it');
	is(sql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM child"), '1 2 3 5 6 8 9 10', 'and none else');
	is(sql("SELECT failures FROM pythia.worker_status WHERE name = 'd'"), '0', 'the worker did not fail');
	sql("INSERT INTO parent VALUES (99); SELECT pythia.retry_failed('d')");
	ok(wait_for($node, 'SELECT count(*) = 10 FROM child'), 'retry_failed brings them in');
	sql("INSERT INTO d VALUES (11, 1)");
	ok(wait_for($node, 'SELECT count(*) = 11 FROM child'), 'and it goes on');
	sql("SELECT pythia.drop_cdc_worker('d')");
};

subtest 'a handler that is set later; results' => sub {
	sql(q{CREATE TABLE r (id int PRIMARY KEY, v text);
		SELECT pythia.create_cdc_worker('r', '{r}', poll_interval => '50 ms', options => '{"capture": "trigger", "keep_result": true}');
		INSERT INTO r VALUES (1, 'before'); SELECT pythia.alter_cdc_worker('r', handler => 'handle'); SELECT pythia.start_cdc('r'); INSERT INTO r VALUES (2, 'after')});
	ok(wait_for($node, 'SELECT count(*) = 1 FROM done'), 'is called');
	is(sql($done), '2 after', 'for what comes later');
	is(sql('SELECT string_agg(result::text, \' \') FROM pythia.handler_result'), '{"id": 2}', 'what it returns is kept');
	is(sql("SELECT count(*) FROM pythia.consume_changes('r')"), '2', 'consumers have both');
	sql("SELECT pythia.drop_cdc_worker('r')");
};

subtest 'a slow handler shows its progress, and a stop loses little' => sub {
	sql(q{CREATE TABLE s (id int PRIMARY KEY);
		CREATE FUNCTION slow(c pythia.database_change) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN
			PERFORM pg_sleep(0.05); INSERT INTO public.done (id, what) VALUES ((c.primary_key->>'id')::int, 'slow'); RETURN NULL; END $$;
		TRUNCATE done; SELECT pythia.create_cdc_worker('s', '{s}', poll_interval => '50 ms', handler => 'slow', options => '{"capture": "trigger"}');
		INSERT INTO s SELECT generate_series(1, 1000); SELECT pythia.start_cdc('s')});
	# all of them are one batch, of fifty seconds
	ok(wait_for($node, "SELECT count(*) > 0 AND count(*) < 500 FROM done"), 'what is done is committed before the batch is');
	ok(wait_for($node, "SELECT consumed >= 5 FROM pythia.stat_consumer WHERE worker = 's'"), 'the position with it');
	sql("SELECT pythia.stop_cdc('s')");
	ok(wait_for($node, "SELECT state = 'stopped' AND pid IS NULL FROM pythia.worker_status WHERE name = 's'"), 'stopped');
	is(sql("SELECT consumed = (SELECT count(*) FROM done) FROM pythia.stat_consumer WHERE worker = 's'"), 't', 'what was handled stays so');
	sql("SELECT pythia.drop_cdc_worker('s')");
};

subtest 'an outage' => sub {
	$node->append_conf('postgresql.conf', "log_min_messages = 'warning'");
	$node->reload;
	my $logged = -s $node->logfile;
	sql(q{CREATE TABLE o (id int PRIMARY KEY, v text); UPDATE mood SET angry = true; TRUNCATE done;
		SELECT pythia.create_cdc_worker('o', '{o}', poll_interval => '50 ms', handler => 'handle', options => '{"capture": "trigger"}');
		INSERT INTO o SELECT g, 'bad' FROM generate_series(1, 300) g; SELECT pythia.start_cdc('o')});
	ok(wait_for($node, 'SELECT count(*) = 300 FROM pythia.failed_change'), 'many changes fail');
	ok(wait_for($node, 'SELECT min(attempts) > 1 FROM pythia.failed_change'), 'more than once');
	my @lines = substr(PostgreSQL::Test::Utils::slurp_file($node->logfile), $logged) =~ /WARNING:  (handler of CDC worker "o" failed.*)/g;
	cmp_ok(scalar @lines, '<', 30, 'the log has a line for many');
	like($lines[0], qr/failed \d+ times, as on change \d+: not now/, 'which says how many, and why');
	like(sql("SELECT last_error FROM pythia.worker_status WHERE name = 'o'"), qr/^its handler failed on change \d+, \d+ time\(s\): not now$/, 'worker_status says so');
	sql('UPDATE mood SET angry = false');
	ok(wait_for($node, 'SELECT count(*) = 300 FROM done'), 'when it is over all are handled');
	is(sql('SELECT count(*) FROM pythia.failed_change'), '0', 'none is dead');
	is(sql("SELECT last_error IS NULL FROM pythia.worker_status WHERE name = 'o'"), 't', 'and worker_status is at rest');
	sql("SELECT pythia.drop_cdc_worker('o')");
};

done_testing();
