# A handler in several processes: each change once, keys in order, TRUNCATE between what came before and after it,
# whatever ends the processes.
use strict;
use warnings;
use Pythia::Session;
use Pythia::Test;
use Test::More;

my $node = pg_node('handlers', log_min_messages => 'error', restart_after_crash => 'on', max_worker_processes => 20, 'pythia_db.max_workers' => 8,
	'pythia_db.restart_delay' => '100ms', deadlock_timeout => '20ms');
sub sql { return $node->safe_psql('postgres', $_[0]); }

# n counts calls: what is rolled back leaves a gap
sub prepare
{
	my ($server) = @_;
	$server->safe_psql('postgres', q{
		CREATE TABLE calls (n bigserial, change_id bigint, id int, v text, pid int DEFAULT pg_backend_pid());
		CREATE TABLE pace (seconds float8); INSERT INTO pace VALUES (0.002);
		CREATE TABLE mood (angry boolean); INSERT INTO mood VALUES (true);
		CREATE FUNCTION handle(c pythia.database_change) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN
			PERFORM pg_sleep(seconds) FROM public.pace;
			IF c.new_data->>'v' = 'bad' AND (SELECT angry FROM public.mood) THEN RAISE EXCEPTION 'not now'; END IF;
			INSERT INTO public.calls (change_id, id, v) VALUES (c.change_id, (c.primary_key->>'id')::int, COALESCE(c.new_data->>'v', c.change_type::text));
			RETURN NULL; END $$});
	return;
}

my $once = 'count(*) = count(DISTINCT change_id)';
my $ordered = 'SELECT count(*) FROM (SELECT change_id < lag(change_id) OVER (PARTITION BY id ORDER BY n) AS wrong FROM calls) s WHERE wrong';

sub worker
{
	my ($name, $options, $server) = @_;
	($server // $node)->safe_psql('postgres', qq{CREATE TABLE $name (id int PRIMARY KEY, v text);
		SELECT pythia.create_cdc_worker('$name', '{$name}', handler => 'handle', poll_interval => '50 ms', options => '{"capture": "trigger", $options}')});
	return;
}

sub finish
{
	my ($name) = @_;
	sql("SELECT pythia.drop_cdc_worker('$name'); DROP TABLE $name; TRUNCATE calls");
	return;
}

prepare($node);

for my $preloaded (1, 0)
{
	subtest 'several processes, ' . ($preloaded ? 'preloaded' : 'not preloaded') => sub {
		my $server = $preloaded ? $node : pg_node('plain', log_min_messages => 'error', shared_preload_libraries => '', max_worker_processes => 20);
		prepare($server) unless $preloaded;
		my $ask = sub { return $server->safe_psql('postgres', $_[0]); };
		worker('many', '"handlers": 4', $server);
		$ask->('INSERT INTO many SELECT i, 0 FROM generate_series(1, 50) i');
		$ask->("UPDATE many SET v = $_") for 1 .. 30;
		$ask->("SELECT pythia.start_cdc('many')");
		ok(wait_for($server, 'SELECT count(*) >= 1550 FROM calls'), 'every change is handed over');
		is($ask->("SELECT $once, count(*) FROM calls"), 't|1550', 'once');
		cmp_ok($ask->('SELECT count(DISTINCT pid) FROM calls'), '>', 1, 'by several processes');
		is($ask->($ordered), '0', 'the changes of a key in order');
		$ask->('UPDATE many SET v = 31 WHERE id = 1');
		ok(wait_for($server, 'SELECT count(*) = 1551 FROM calls'), 'what comes later too');
		ok(wait_for($server, 'SELECT NOT EXISTS (SELECT FROM pythia.handler_share)'), 'nothing is left of the shares');
		is($ask->("SELECT consumed, lag_rows FROM pythia.stat_consumer WHERE worker = 'many'"), '1551|0', 'and it is counted');
		ok(wait_for($server, "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pythia_db helper'"), 'helpers go');
		$ask->("SELECT pythia.drop_cdc_worker('many'); DROP TABLE many; TRUNCATE calls");
	};
}

subtest 'TRUNCATE' => sub {
	worker('cut', '"handlers": 3');
	sql("INSERT INTO cut SELECT i, 'before' FROM generate_series(1, 300) i; TRUNCATE cut; INSERT INTO cut SELECT i, 'after' FROM generate_series(1, 300) i; SELECT pythia.start_cdc('cut')");
	ok(wait_for($node, 'SELECT count(*) = 601 FROM calls'), 'all is handed over');
	is(sql("SELECT (SELECT max(n) FROM calls WHERE v = 'before') < t.n, t.n < (SELECT min(n) FROM calls WHERE v = 'after') FROM calls t WHERE v = 'TRUNCATE'"), 't|t', 'between what came before it and what came after');
	finish('cut');
};

subtest 'a changed number' => sub {
	worker('turn', '"handlers": 4, "batch_size": 200');
	sql(q{INSERT INTO turn SELECT i, 0 FROM generate_series(1, 40) i});
	sql("UPDATE turn SET v = $_") for 1 .. 40;
	sql(q{SELECT pythia.start_cdc('turn')});
	for my $number (2, 5, 1)
	{
		my $calls = sql('SELECT count(*) FROM calls');
		ok(wait_for($node, "SELECT count(*) >= least(1640, $calls + 100) FROM calls"), 'it goes on');
		sql(qq{SELECT pythia.alter_cdc_worker('turn', options => '{"capture": "trigger", "handlers": $number, "batch_size": 200}')});
	}
	ok(wait_for($node, 'SELECT count(*) = 1640 FROM calls'), 'all is handed over');
	is(sql("SELECT $once FROM calls"), 't', 'once');
	is(sql($ordered), '0', 'in order');
	finish('turn');
};

subtest 'failures' => sub {
	worker('fail', '"handlers": 3, "on_error": "block_key", "retry_delay": 0.05, "max_attempts": 1000');
	sql(q{INSERT INTO fail SELECT i, CASE i % 10 WHEN 3 THEN 'bad' ELSE 'good' END FROM generate_series(1, 300) i; UPDATE fail SET v = 'later'; TRUNCATE fail; INSERT INTO fail SELECT i, 'new' FROM generate_series(1, 300) i; SELECT pythia.start_cdc('fail')});
	ok(wait_for($node, 'SELECT count(*) = 540 FROM calls'), 'other keys go on, TRUNCATE and what follows does not');
	ok(wait_for($node, "SELECT string_agg(state || ' ' || count, ', ' ORDER BY state) FROM (SELECT state, count(*) FROM pythia.failed_change GROUP BY 1) s", 'blocked 331, retry 30'), 'and is noted');
	sql('UPDATE mood SET angry = false');
	ok(wait_for($node, 'SELECT count(*) = 901 FROM calls'), 'mended, all is handed over');
	is(sql("SELECT $once FROM calls"), 't', 'once');
	is(sql($ordered), '0', 'in order');
	is(sql("SELECT (SELECT max(n) FROM calls WHERE v IN ('good', 'bad', 'later')) < t.n, t.n < (SELECT min(n) FROM calls WHERE v = 'new') FROM calls t WHERE v = 'TRUNCATE'"), 't|t', 'TRUNCATE in its place');
	finish('fail');
};

subtest 'deadlocks' => sub {
	sql(q{CREATE TABLE shelf (id int PRIMARY KEY, n int); INSERT INTO shelf VALUES (0, 0), (1, 0);
		CREATE FUNCTION cross(c pythia.database_change) RETURNS jsonb LANGUAGE plpgsql AS $$ DECLARE k int = (c.primary_key->>'id')::int % 2; BEGIN
			UPDATE public.shelf SET n = n + 1 WHERE id = k; PERFORM pg_sleep(0.002);
			UPDATE public.shelf SET n = n + 1 WHERE id = 1 - k; RETURN NULL; END $$;
		CREATE TABLE stand (id int PRIMARY KEY, v text);
		SELECT pythia.create_cdc_worker('stand', '{stand}', handler => 'cross', poll_interval => '50 ms', options => '{"capture": "trigger", "handlers": 3, "max_attempts": 1, "retry_delay": 0.01}');
		INSERT INTO stand SELECT i, 'x' FROM generate_series(1, 600) i; SELECT pythia.start_cdc('stand')});
	ok(wait_for($node, 'SELECT sum(n) = 1200 FROM shelf'), 'all is handed over, once');
	is(sql("SELECT count(*) FROM pythia.failed_change WHERE state = 'dead'"), '0', 'a deadlock is no attempt');
	sql("SELECT pythia.drop_cdc_worker('stand'); DROP TABLE stand");
};

subtest 'processes that end' => sub {
	worker('kill', '"handlers": 4, "max_attempts": 1000, "retry_delay": 0.05');
	sql(q{INSERT INTO kill SELECT i, 0 FROM generate_series(1, 50) i});
	sql("UPDATE kill SET v = $_") for 1 .. 60;
	sql(q{SELECT pythia.start_cdc('kill')});
	for my $number (1 .. 3)
	{
		ok(wait_for($node, "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'pythia_db helper' AND wait_event = 'PgSleep'"), 'a helper is at work');
		sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pythia_db helper'});
	}
	ok(wait_for($node, "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'pythia_db helper'"), 'another helper');
	# the server itself goes down with all of them
	$node->stop('immediate');
	$node->start;
	ok(wait_for($node, 'SELECT count(*) = 3050 FROM calls'), 'all is handed over');
	is(sql("SELECT $once FROM calls"), 't', 'once');
	finish('kill');
};

subtest 'stop, seek' => sub {
	worker('move', '"handlers": 4');
	sql('UPDATE pace SET seconds = 0.01');
	sql(q{INSERT INTO move SELECT i, 'old' FROM generate_series(1, 2000) i; SELECT pythia.start_cdc('move')});
	ok(wait_for($node, 'SELECT count(*) FROM pythia.handler_share', 4), 'a segment of four');
	ok(wait_for($node, "SELECT count(*) > 50 FROM calls"), 'is under way');
	sql("SELECT pythia.stop_cdc('move')");
	ok(wait_for($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type IN ('pythia_db helper', 'pythia_db worker')"), 'stopped, with its helpers');
	my $handled = sql('SELECT count(*) FROM calls');
	cmp_ok($handled, '<', 2000, 'in the middle');
	sql("SELECT pythia.seek('move', 'handler', 'now'); INSERT INTO move VALUES (5000, 'new'); SELECT pythia.start_cdc('move')");
	ok(wait_for($node, "SELECT count(*) = 1 FROM calls WHERE v = 'new'"), 'seek: it begins where it was told');
	is(sql('SELECT count(*) FROM calls'), $handled + 1, 'and the old segment is void');
	finish('move');
};

subtest 'options' => sub {
	sql('CREATE TABLE o (id int PRIMARY KEY)');
	for ([ '"handlers": 0', qr/handlers/ ], [ '"handlers": 65', qr/handlers/ ], [ '"handlers": "x"', qr/handlers/ ], [ '"handlers": 2, "ordered": true', qr/"ordered" needs one handler/ ])
	{
		my (undef, undef, $err) = $node->psql('postgres', qq{SELECT pythia.create_cdc_worker('o', '{o}', handler => 'handle', options => '{"capture": "trigger", $_->[0]}')});
		like($err, qr/ERROR:.*$_->[1]/, $_->[0]);
	}
	my (undef, undef, $err) = $node->psql('postgres', q{SELECT pythia.create_cdc_worker('o', '{o}', options => '{"capture": "trigger", "handlers": 2}')});
	like($err, qr/"handlers".*no handler/, 'without a handler it has no effect, which is said');
};

done_testing();
