# What a role could do to end the server, or a process of another role: nothing of it does.
use strict;
use warnings;
use Pythia::Session;
use Pythia::Test;
use Test::More;

my $node = pg_node('crash', 'pythia_db.databases' => 'postgres');
$node->append_conf('pg_hba.conf', "local all all trust\n");
my $admin = scalar getpwuid $<;
my %sessions;
sub session { return $sessions{$_[0]} //= Pythia::Session->new($node, 'postgres', $_[0]); }
sub as { my ($role, $text) = @_; return session($role)->do($text); }
sub sql { return as($admin, $_[0]); }

sql(q{CREATE ROLE alice LOGIN; CREATE ROLE mallory LOGIN; SELECT pythia.grant_use('alice'); SELECT pythia.grant_use('mallory');
	CREATE SCHEMA a AUTHORIZATION alice; CREATE SCHEMA m AUTHORIZATION mallory; GRANT USAGE ON SCHEMA m TO alice});
my $started = sql('SELECT pg_postmaster_start_time()');

# The other one has waited for a lock of ours: what it does then.
sub after_waiting
{
	my ($first, $meanwhile) = @_;
	my $other = Pythia::Session->new($node, 'postgres', 'mallory');
	as('mallory', "BEGIN; $first");
	$other->send($meanwhile);
	$node->poll_query_until('postgres', "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $other->{pid}") or return 'it did not wait';
	as('mallory', 'COMMIT');
	$other->finish;
	return $other->{error};
}

subtest 'a worker that is dropped while somebody waits to use it' => sub {
	as('mallory', q{CREATE TABLE m.t (id int PRIMARY KEY, updated_at timestamptz DEFAULT now()); CREATE INDEX ON m.t (updated_at); SELECT pythia.create_cdc_worker('w', '{m.t}')});
	like(after_waiting(q{SELECT pythia.drop_cdc_worker('w')}, q{SELECT pythia.alter_cdc_worker('w', poll_interval => '2 s')}), qr/CDC worker "w" (does not exist|is in use in another session)/, 'alter');
	as('mallory', q{SELECT pythia.create_cdc_worker('w', '{m.t}'); ALTER TABLE m.t DROP COLUMN updated_at});
	session('mallory')->try(q{SELECT * FROM pythia.consume_changes('w')});
	like(after_waiting(q{SELECT pythia.drop_cdc_worker('w')}, q{SELECT pythia.start_cdc('w')}), qr/CDC worker "w" does not exist/, 'start');
};

subtest 'a handler whose subtransaction cannot end' => sub {
	as('mallory', q{CREATE TABLE m.src (id int PRIMARY KEY, updated_at timestamptz DEFAULT now()); CREATE INDEX ON m.src (updated_at);
		CREATE TABLE m.ta (id serial PRIMARY KEY, d text);
		CREATE FUNCTION m.h(c pythia.database_change) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN
			INSERT INTO m.ta (d) SELECT repeat('x', 20000) FROM generate_series(1, 6);
			IF (c.primary_key->>'id')::int = 7 THEN RETURN to_jsonb(pg_cancel_backend(pg_backend_pid())); END IF;
			RETURN NULL; END $$;
		SELECT pythia.create_cdc_worker('wt', '{m.ta}', options => '{"capture": "trigger"}');
		SELECT pythia.create_cdc_worker('wp', '{m.src}', poll_interval => '1 s', handler => 'm.h');
		INSERT INTO m.src SELECT g FROM generate_series(1, 7) g;
		SELECT pythia.start_cdc('wp')});
	ok(wait_for($node, q{SELECT count(DISTINCT d) = 1 AND count(*) >= 36 FROM m.ta}), 'the others are handled');
	like(as('mallory', q{SELECT string_agg((change).primary_key->>'id', ' ') FROM pythia.failed_change}), qr/^7?$/, 'none of them failed');
	as('mallory', q{SELECT pythia.stop_cdc('wp'); SELECT pythia.drop_cdc_worker('wp'); SELECT pythia.drop_cdc_worker('wt')});
};

subtest 'a view that reads another one twice, and that one another' => sub {
	as('mallory', join ';', 'CREATE TABLE m.seen (id int PRIMARY KEY, updated_at timestamptz DEFAULT now())', 'CREATE VIEW m.shown AS TABLE m.seen', 'CREATE VIEW m.v0 AS TABLE m.seen',
		map { my $below = $_ - 1; "CREATE VIEW m.v$_ AS SELECT a.* FROM m.v$below a JOIN m.v$below b USING (id)" } 1 .. 40);
	my $refused = qr/ERROR:  view "v40" is too large\nDETAIL:  It reads more than 1000 tables and views/;
	my $told = sub { my ($sql) = @_; session('mallory')->try($sql); return session('mallory')->{error}; };
	like($told->(q{SELECT pythia.create_cdc_worker('deep', '{m.v40}', options => '{"key": ["id"]}')}), $refused, 'capture of it is refused');
	like($told->(q{SELECT pythia.validate_between('local', 'local', 'm.v40', options => '{"key": ["id"]}')}), $refused, 'and validation');
	like($told->(q{SELECT pythia.create_sync_worker('deep', 'local', 'local', '{"key": ["id"], "table_map": {"m.v40": "m.copy"}}', tables => '{m.v40}')}), $refused, 'and a sync');
	sql(q{SELECT pythia.create_cdc_worker('wide', '{m.shown}', poll_interval => '50 ms', options => '{"key": ["id"]}'); SELECT pythia.start_cdc('wide')});
	as('mallory', 'CREATE OR REPLACE VIEW m.shown AS TABLE m.v40');
	ok(wait_for($node, q{SELECT last_error LIKE 'view "shown" is too large%' FROM pythia.stat_cdc WHERE worker = 'wide'}), 'a view that has become one stops its table');
	sql(q{SELECT pythia.stop_cdc('wide'); SELECT pythia.drop_cdc_worker('wide')});
	as('mallory', 'CREATE VIEW m.meant AS SELECT id, updated_at FROM m.seen WHERE id IN (WITH c0 AS NOT MATERIALIZED (SELECT 1 AS x), '
		  . join(', ', map { my $below = $_ - 1; "c$_ AS NOT MATERIALIZED (SELECT a.x FROM c$below a, c$below b)" } 1 .. 40) . ' SELECT x FROM c40)');
	like($told->(q{SELECT pythia.create_cdc_worker('deep', '{m.meant}', options => '{"key": ["id"]}')}), qr/ERROR:  view "meant" is too large/, 'so is one that does it by WITH');
};

subtest 'a function that calls another one twice, and that one another' => sub {
	as('mallory', join ';', 'CREATE TABLE m.counted (id int PRIMARY KEY, updated_at timestamptz DEFAULT now())', 'GRANT SELECT ON m.counted TO alice',
		q{CREATE FUNCTION m.f0(int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true'},
		map({ my $below = $_ - 1; "CREATE FUNCTION m.f$_(int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT m.f$below(\$1) AND m.f$below(\$1)'" } 1 .. 40),
		q{CREATE FUNCTION m.f(int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 > 0'; CREATE INDEX counted_f ON m.counted (m.f(id)); INSERT INTO m.counted VALUES (2, '2100-01-01')});
	as('alice', q{CREATE TABLE a.own (id int PRIMARY KEY, updated_at timestamptz DEFAULT now());
		SELECT pythia.create_cdc_worker('two', '{a.own,m.counted}', poll_interval => '50 ms'); SELECT pythia.start_cdc('two')});
	ok(wait_for($node, q{SELECT last_poll IS NOT NULL FROM pythia.stat_cdc WHERE worker = 'two' AND "table" = 'own'}), 'they are polled');
	as('mallory', q{CREATE OR REPLACE FUNCTION m.f(int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT m.f40($1)'; ALTER INDEX m.counted_f SET (fillfactor = 80); ALTER TABLE m.counted SET (fillfactor = 80)});
	as('alice', 'INSERT INTO a.own VALUES (1)');
	ok(wait_for($node, q{SELECT captured = 1 FROM pythia.stat_cdc WHERE worker = 'two' AND "table" = 'own'}), 'the other table is polled still');
	my $polled = sql(q{SELECT last_poll FROM pythia.stat_cdc WHERE worker = 'two' AND "table" = 'counted'});
	ok(wait_for($node, qq{SELECT last_poll > '$polled' FROM pythia.stat_cdc WHERE worker = 'two' AND "table" = 'counted'}), 'and this one');
	as('alice', q{SELECT pythia.stop_cdc('two'); SELECT pythia.drop_cdc_worker('two')});
};

subtest 'a type that is made of another one twice, and that of another' => sub {
	my $depth = 40;
	as('mallory', join ';', map({ "CREATE TYPE m.t$_ AS (x int)" } 0 .. $depth), "CREATE TABLE m.deep (id int PRIMARY KEY, c m.t$depth); GRANT SELECT ON m.deep TO alice",
		map({ my $below = $_ - 1; "ALTER TYPE m.t$_ ADD ATTRIBUTE a m.t$below, ADD ATTRIBUTE b m.t$below" } reverse 1 .. $depth));
	as('alice', q{SET statement_timeout = '20s'});
	session('alice')->try(q{SELECT is_valid FROM pythia.validate_between('local', 'local', 'm.deep')});
	unlike(session('alice')->{error}, qr/statement timeout/, 'is looked at once');
	as('alice', 'RESET statement_timeout');
};

subtest 'a key that is renamed, and a lock' => sub {
	as('mallory', q{CREATE TABLE m.locked (id int PRIMARY KEY, updated_at timestamptz DEFAULT now()); CREATE INDEX ON m.locked (updated_at); GRANT SELECT ON m.locked TO alice});
	as('alice', q{CREATE TABLE a.other (id int PRIMARY KEY, updated_at timestamptz DEFAULT now()); CREATE INDEX ON a.other (updated_at);
		SELECT pythia.create_cdc_worker('both', '{m.locked,a.other}', poll_interval => '200 ms'); SELECT pythia.start_cdc('both')});
	ok(wait_for($node, q{SELECT count(last_poll) = 2 FROM pythia.stat_cdc WHERE worker = 'both'}), 'it polls');
	as('mallory', "ALTER TABLE m.locked RENAME id TO id2; INSERT INTO m.locked VALUES (1); BEGIN; LOCK TABLE m.locked");
	as('alice', 'INSERT INTO a.other VALUES (1)');
	ok(wait_for($node, q{SELECT count(*) = 1 FROM pythia.journal j JOIN pythia.cdc_table t USING (table_id) WHERE t.table_name = 'other'}), 'the other table goes on');
	as('mallory', 'COMMIT');
	ok(wait_for($node, q{SELECT count(*) = 1 FROM pythia.journal j JOIN pythia.cdc_table t USING (table_id) WHERE t.table_name = 'locked'}), 'and it itself, then');
	as('alice', q{SELECT pythia.stop_cdc('both'); SELECT pythia.drop_cdc_worker('both')});
};

subtest 'a plan that is kept, and other options' => sub {
	as('mallory', q{SELECT format('CREATE TABLE m.wide (id int PRIMARY KEY, updated_at timestamptz DEFAULT now(), %s)', string_agg('c' || g || ' text', ', ')) FROM generate_series(1, 1500) g \gexec
		CREATE INDEX ON m.wide (updated_at);
		GRANT ALL ON m.wide TO mallory; SET search_path = m;
		SELECT pythia.create_cdc_worker('wide', '{wide}', options => jsonb_build_object('track', 'none', 'lookback', 0, 'columns',
			jsonb_build_object('wide', '["id", "updated_at"]'::jsonb, 'm.wide', (SELECT jsonb_agg('c' || g) FROM generate_series(1, 1500) g))))});
	as('mallory', q{INSERT INTO m.wide (id) VALUES (1)});
	is(as('mallory', q{SELECT pythia.poll('wide')}), '1', 'two columns');
	session('mallory')->try(q{SELECT pythia.alter_cdc_worker('wide', tables => '{m.wide}')});
	as('mallory', q{INSERT INTO m.wide (id, c1500) VALUES (2, 'last')});
	is(as('mallory', q{SELECT pythia.poll('wide') > 0}), 't', 'then 1500');
	is(as('mallory', q{SELECT new_data->>'c1500' FROM pythia.consume_changes('wide') WHERE primary_key = '{"id": 2}'}), 'last', 'with their values');
	as('mallory', q{SELECT pythia.drop_cdc_worker('wide'); RESET search_path});
};

subtest 'rows of which nothing is told' => sub {
	as('mallory', q{CREATE TABLE m.big (id int PRIMARY KEY, d text, updated_at timestamptz DEFAULT now()); CREATE INDEX ON m.big (updated_at);
		INSERT INTO m.big SELECT g, repeat(md5(g::text), 100) FROM generate_series(1, 20000) g;
		SELECT pythia.create_cdc_worker('big', '{m.big}', options => '{"track": "rows"}'); UPDATE m.big SET updated_at = clock_timestamp()});
	my $pid = as('mallory', 'SELECT pg_backend_pid()');
	my $peak = sub { return PostgreSQL::Test::Utils::slurp_file("/proc/$pid/status") =~ /^VmHWM:\s+(\d+)/m ? $1 : 0; };
	my $peak_before = $peak->();
	is(as('mallory', q{SELECT pythia.poll('big')}), '0', 'nothing is told');
	cmp_ok($peak->() - $peak_before, '<', 150_000, 'and nothing gathers (kB)');
	as('mallory', q{SELECT pythia.drop_cdc_worker('big')});
};

is(sql('SELECT pg_postmaster_start_time()'), $started, 'the server runs');
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'and none of its processes has crashed');
done_testing();
