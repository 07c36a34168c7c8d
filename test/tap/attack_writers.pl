# Who may only write to a captured table, or lock his own, stops neither its capture nor that of others, nor others' writes.
use strict;
use warnings;
use Pythia::Session;
use Pythia::Test;
use Test::More;

my $node = pg_node('writers', 'pythia_db.databases' => 'postgres');
sub sql { return $node->safe_psql('postgres', $_[0]); }

sql(q{CREATE ROLE mallory LOGIN; CREATE SCHEMA app; GRANT USAGE, CREATE ON SCHEMA app TO mallory;
	CREATE TABLE app.orders (id int PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now()); CREATE INDEX ON app.orders (updated_at)});

subtest 'json that jsonb cannot hold' => sub {
	sql(q{SET client_min_messages = error; CREATE TYPE app.pair AS (a int, j json)});
	for my $case (
		[ 'json', q('{"a":"\\u0000"}'), q({"a":"\\u0000"}) ],
		[ 'json', q('{"a":"\\ud800"}'), q({"a":"\\ud800"}) ],
		[ 'json', q('[1e999999]'), '[1e999999]' ],
		[ 'json', q(('[' || repeat('9', 200000) || ']')::json), undef ],
		[ 'json[]', q(ARRAY['{"a":"\\u0000"}']::json[]), undef ],
		[ 'app.pair', q(ROW(1, '"\\u0000"')), undef ])
	{
		my ($type, $value, $text) = @$case;
		for my $capture ('poll', 'trigger')
		{
			sql(qq{SET client_min_messages = error; CREATE TABLE app.e (id int PRIMARY KEY, j $type, updated_at timestamptz NOT NULL DEFAULT now()); CREATE INDEX ON app.e (updated_at); GRANT INSERT ON app.e TO mallory;
				SELECT pythia.create_cdc_worker('w', '{app.e}', options => '{"capture": "$capture", "track": "rows"}')});
			sql(qq{SET ROLE mallory; INSERT INTO app.e VALUES (1, $value); INSERT INTO app.e (id, j) VALUES (2, NULL)});
			is(sql(q{SELECT string_agg(primary_key->>'id', ',' ORDER BY change_id) FROM pythia.consume_changes('w')}), '1,2', "$type by $capture: both rows are told: " . substr($value, 0, 30));
			is(sql(q{SELECT active FROM pythia.stat_cdc WHERE worker = 'w'}), 't', 'and capture goes on');
			is(sql(q{SELECT pythia.seek('w', 'default', 'beginning'); SELECT new_data->>'j' FROM pythia.consume_changes('w', max_changes => 1)}) =~ s/^\n//r, $text, 'as text') if $text;
			sql(q{SELECT pythia.drop_cdc_worker('w'); DROP TABLE app.e});
		}
	}
	# what jsonb can hold is the document it was
	sql(q{SET client_min_messages = error; CREATE TABLE app.e (id int PRIMARY KEY, j json, updated_at timestamptz NOT NULL DEFAULT now()); SELECT pythia.create_cdc_worker('w', '{app.e}'); INSERT INTO app.e VALUES (1, '{"a": "\\u00e4", "b": [1e3]}')});
	is(sql(q{SELECT new_data->'j'->>'a', new_data->'j'->'b' FROM pythia.consume_changes('w')}), "\xc3\xa4|[1000]", 'other json is a document');
	sql(q{SELECT pythia.drop_cdc_worker('w'); DROP TABLE app.e});
};

subtest 'a table that its owner keeps locked' => sub {
	sql(q{SET ROLE mallory; CREATE TABLE app.mine (id int PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now()); CREATE INDEX ON app.mine (updated_at)});
	sql(q{SELECT pythia.create_cdc_worker('all', '{app.*}', poll_interval => '100 ms'); SELECT pythia.start_cdc('all')});
	ok(wait_for($node, q{SELECT state = 'running' FROM pythia.worker_status WHERE name = 'all'}), 'the worker runs');
	my $owner = Pythia::Session->new($node);
	$owner->do('SET ROLE mallory');
	$owner->do('BEGIN');
	$owner->do('INSERT INTO app.mine VALUES (1)');
	$owner->do('LOCK TABLE app.mine IN ACCESS EXCLUSIVE MODE');
	# for adoption
	$owner->do('CREATE TABLE app.new (id int PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now())');
	for my $id (1 .. 3)
	{
		sql("INSERT INTO app.orders VALUES ($id)");
		ok(wait_for($node, qq{SELECT count(*) = 1 FROM pythia.journal j JOIN pythia.cdc_table t USING (table_id) WHERE t.table_name = 'orders' AND j.primary_key->>'id' = '$id'}), 'other tables are captured meanwhile');
	}
	ok(wait_for($node, q{SELECT reason LIKE '%lock timeout%' FROM pythia.stat_cdc WHERE worker = 'all' AND "table" = 'mine'}), 'stat_cdc says what is the matter');
	is(sql(q{SELECT active FROM pythia.stat_cdc WHERE worker = 'all' AND "table" = 'mine'}), 't', 'which may pass');
	$owner->do('COMMIT');
	ok(wait_for($node, q{SELECT count(*) = 1 FROM pythia.journal j JOIN pythia.cdc_table t USING (table_id) WHERE t.table_name = 'mine'}), 'and when it has, nothing is lost');
	ok(wait_for($node, q{SELECT reason IS NULL FROM pythia.stat_cdc WHERE worker = 'all' AND "table" = 'mine'}), 'and the matter is settled');
	is(sql(q{SELECT failures FROM pythia.worker_status WHERE name = 'all'}), '0', 'the worker has not failed');
	sql(q{SELECT pythia.drop_cdc_worker('all')});
};

subtest 'a writer who calls too deep' => sub {
	$node->safe_psql('postgres', q{
		CREATE TABLE public.deep (id int, v text, updated_at timestamptz DEFAULT now()); CREATE TABLE public.deep_key (id int PRIMARY KEY);
		ALTER TABLE deep ADD PRIMARY KEY (id);
		SELECT pythia.create_cdc_worker('deep', '{public.deep}', options => '{"capture": "trigger", "where": "v IS DISTINCT FROM ''none''"}');
		CREATE SEQUENCE public.deep_seq;
		CREATE FUNCTION public.dive(n int, deepest int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
			IF n < deepest THEN BEGIN PERFORM dive(n + 1, deepest); EXCEPTION WHEN statement_too_complex THEN NULL; END; END IF;
			BEGIN INSERT INTO deep SELECT nextval('deep_seq'), 'x' WHERE n > 0; EXCEPTION WHEN statement_too_complex THEN NULL; END;
		END $$});
	my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
	# the plan is there, the trigger has not been called yet; then each depth tries
	my $session = Pythia::Session->new($node);
	$session->do('SET max_stack_depth = 200; SELECT dive(0, 0); SELECT dive(1, 100000)');
	$session->close;
	is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'the server stands');
	cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM deep'), '>', 0, 'rows were written');
	is($node->safe_psql('postgres', q{SELECT active, reason FROM pythia.stat_cdc WHERE worker = 'deep'}), 't|', 'the capture of the table goes on');
	is($node->safe_psql('postgres', q{SELECT (SELECT count(*) FROM deep) = count(*) FROM pythia.consume_changes('deep', max_changes => 1000000)}), 't', 'each row is told');
	$node->safe_psql('postgres', q{SELECT pythia.drop_cdc_worker('deep'); DROP TABLE deep, deep_key});
};

done_testing();
