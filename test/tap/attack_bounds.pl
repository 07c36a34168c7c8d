# What one role may heap up, and what that does to everybody else's processes and views.
use strict;
use warnings;
use Pythia::Session;
use Pythia::Test;
use Test::More;

my $node = pg_node('main', max_worker_processes => 16, 'pythia_db.restart_delay' => '1s');

sub sql { return $node->safe_psql($_[1] // 'postgres', $_[0]); }
sub as { my ($role, $sql) = @_; return sql("SET ROLE $role; $sql"); }
sub says { my ($sql, $database) = @_; return ($node->psql($database // 'postgres', $sql))[2]; }

for my $role (qw(mallory alice))
{
	sql("CREATE ROLE $role LOGIN; SELECT pythia.grant_use('$role'); CREATE SCHEMA $role AUTHORIZATION $role; SET ROLE $role;
		CREATE TABLE $role.t (id int PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now()); CREATE INDEX ON $role.t (updated_at)");
}
sql('CREATE ROLE watcher LOGIN; GRANT pg_monitor TO watcher');

# every process looks whether an owner may make workers
subtest 'functions of a name that we look for' => sub {
	as('mallory', q{DO $$ DECLARE a text[] := '{int2,int4,int8,text,bytea,date,time,uuid,json,jsonb,inet,xml,oid}'; BEGIN
		FOR i IN 0 .. 1999 LOOP
			EXECUTE format('CREATE FUNCTION mallory.create_cdc_worker(%s, %s, %s) RETURNS int LANGUAGE sql AS ''SELECT 1''', a[i % 13 + 1], a[i / 13 % 13 + 1], a[i / 169 + 1]);
		END LOOP; END $$});
	my $size = q{SELECT used_bytes FROM pg_backend_memory_contexts WHERE name = 'CacheMemoryContext'};
	my ($before, $held, $after) = split /\n/, sql("$size; SELECT coalesce(pythia._held('alice'::regrole, 'cdc') || pythia._held('alice'::regrole, 'sync'), 'not held'); $size");
	is($held, 'not held', 'a role that may use pythia_db is known as such');
	cmp_ok($after - $before, '<', 1_000_000, 'without a look at the functions of others');
	sql("REVOKE EXECUTE ON FUNCTION pythia.create_sync_worker FROM alice");
	is(sql(q{SELECT pythia._held('alice'::regrole, 'cdc') IS NULL, pythia._held('alice'::regrole, 'sync') IS NULL}), 't|f', 'by the function of each kind');
	sql("SELECT pythia.grant_use('alice')");
};

subtest 'a text that UTF-8 has not' => sub {
	sql(q{CREATE DATABASE latin ENCODING 'WIN1252' LOCALE 'C' TEMPLATE template0});
	sql('CREATE EXTENSION pythia_db; CREATE TABLE t (id int PRIMARY KEY, updated_at timestamptz)', 'latin');
	my $size = q{SELECT (regexp_match(pg_read_file('/proc/self/status'), 'VmRSS:\s+(\d+)'))[1]};
	my $call = q{pythia.create_cdc_worker('w', '{t}', options => jsonb_build_object('a', repeat('x', 1000000), 'zz', chr(129)))};
	my ($before, $after) = split /\n/, sql(qq{DO \$\$ BEGIN PERFORM $call; EXCEPTION WHEN OTHERS THEN NULL; END \$\$; $size;
		DO \$\$ BEGIN FOR i IN 1 .. 100 LOOP BEGIN PERFORM $call; EXCEPTION WHEN untranslatable_character THEN NULL; END; END LOOP; END \$\$; $size}, 'latin');
	cmp_ok($after - $before, '<', 30_000, 'what was read before it is freed, in kB');
	sql('DROP DATABASE latin');
};

# the journal is rotated by anybody's processes
subtest 'consumers' => sub {
	sql('CREATE DATABASE kept');
	sql(q{CREATE EXTENSION pythia_db; CREATE TABLE t (id int PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now());
		SELECT pythia.grant_use('mallory'); GRANT ALL ON t TO mallory; ALTER TABLE t OWNER TO mallory}, 'kept');
	sql(q{SET ROLE mallory; SELECT pythia.create_cdc_worker('w', '{t}', options => '{"capture": "trigger", "retention": "1 s"}');
		INSERT INTO t SELECT generate_series(1, 20000); SELECT pythia.create_consumer('w', 'c' || i) FROM generate_series(1, 63) i}, 'kept');
	sql(q{SET ROLE mallory; SELECT pythia.create_consumer('w', 'behind', 'beginning')}, 'kept');
	like(says(q{SET ROLE mallory; SELECT pythia.create_consumer('w', 'one more')}, 'kept'),
		qr/ERROR:  too many consumers of one CDC worker\nDETAIL:  It has 64.*\nHINT:  Drop some with pythia\.drop_consumer/, 'a worker has 64');
	like(says(q{SET ROLE mallory; SELECT * FROM pythia.consume_changes('w')}, 'kept'), qr/ERROR:  too many consumers/, 'who consumes makes no other one either');
	like(says(q{SET ROLE mallory; SELECT pythia.create_consumer('w', 'c1')}, 'kept'), qr/ERROR:  consumer "c1" .*already exists/, 'a name that is taken is told as such');
	sql(q{SET ROLE mallory; SELECT pythia.seek('w', 'c' || i, 'beginning') FROM generate_series(1, 63) i}, 'kept');
	my $read = q{SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_all_tables WHERE schemaname = 'pythia' AND relname LIKE 'journal%'};
	my ($lag, $rows) = split /\n/, sql(qq{BEGIN; SELECT min(lag_rows) > 10000 AND max(lag_rows) < 30000 FROM pythia.stat_consumer; $read; COMMIT}, 'kept');
	is($lag, 't', 'the view tells about how far they are behind');
	cmp_ok($rows, '<', 150_000, 'without reading the journal for each');
	# as many as it takes: reading the part for each would take an hour
	sql(q{SET ROLE mallory; SELECT pythia.seek('w', consumer, 'now') FROM pythia.stat_consumer}, 'kept');
	sql(q{INSERT INTO pythia.consumer (worker_id, name, done, done_floor, done_horizon, position) SELECT worker_id, i || name, done, done_floor, done_horizon, position
		FROM pythia.consumer, generate_series(1, 100) i}, 'kept');
	is(sql('SELECT count(*) FROM pythia.journal', 'kept'), '20000', 'the journal holds what all have read');
	my $said = '';
	for (1 .. 3)
	{
		ok(wait_for($node, "SELECT since + interval '1 s' < clock_timestamp() FROM pythia.journal_state", 't', 'kept'), 'time passes');
		my (undef, undef, $err) = $node->psql('kept', q{SET statement_timeout = '30 s'; SELECT pythia._rotate_journal()});
		$said .= $err;
	}
	is($said, '', 'it is rotated in time');
	is(sql('SELECT count(*) FROM pythia.journal', 'kept'), '0', 'and emptied');
	is(sql('SELECT count(*) FROM pythia.consumer WHERE lost', 'kept'), '0', 'nobody is lost');
	sql('DROP DATABASE kept');
};

# every look of a manager, and every rotation, passes these by
subtest 'rows of results and quarantine' => sub {
	sql('CREATE DATABASE many');
	sql(q{CREATE EXTENSION pythia_db; CREATE TABLE t (id int PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now()); CREATE INDEX ON t (updated_at);
		SELECT pythia.create_cdc_worker('w', '{t}', options => '{"retention": "1 day"}')}, 'many');
	sql(q{INSERT INTO pythia.handler_result (worker_id, change_id, handled_at, owner) SELECT worker_id, i, now(), owner FROM pythia.worker, generate_series(1, 5000) i;
		INSERT INTO pythia.quarantine (owner, table_name, row_data, reason) SELECT CURRENT_USER::regrole, 't', '{}', 'r' FROM generate_series(1, 5000) i}, 'many');
	sql(q{ALTER TABLE pythia.handler_result SET (autovacuum_enabled = off); ALTER TABLE pythia.quarantine SET (autovacuum_enabled = off)}, 'many');
	my $read = q{SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_all_tables WHERE schemaname = 'pythia' AND relname IN ('handler_result', 'quarantine', 'failed_change')};
	my $before = sql($read, 'many');
	sql(q{SELECT pythia.start_cdc('w')}, 'many');
	ok(wait_for($node, q{SELECT state IN ('running', 'idle') FROM pythia.worker_status}, 't', 'many'), 'a worker runs');
	sql(q{SELECT pythia.stop_cdc('w')}, 'many');
	# it tells what it has read when it goes
	ok(wait_for($node, q{SELECT count(*) FROM pg_stat_activity WHERE datname = 'many' AND backend_type LIKE 'pythia_db%'}, '0', 'many'), 'and has gone');
	cmp_ok(sql($read, 'many') - $before, '<', 1000, 'no look reads what there is');

	sql(q{CREATE ROLE gone; INSERT INTO pythia.quarantine (owner, table_name, row_data, reason) SELECT 'gone'::regrole, 't', '{}', 'r' FROM generate_series(1, 25000) i;
		UPDATE pythia.handler_result SET handled_at = now() - interval '100 days';
		INSERT INTO pythia.handler_result (worker_id, change_id, handled_at, owner) SELECT worker_id, 5000 + i, now() - interval '100 days', owner FROM pythia.worker, generate_series(1, 20000) i;
		INSERT INTO pythia.handler_result (worker_id, change_id, owner) SELECT worker_id, 0, owner FROM pythia.worker;
		DROP ROLE gone}, 'many');
	for my $left (15001, 5001, 1, 1)
	{
		sql('SELECT pythia._rotate_journal()', 'many');
		is(sql('SELECT count(*) FROM pythia.handler_result', 'many'), $left, "old results go in pieces: $left are left");
	}
	is(sql('SELECT change_id FROM pythia.handler_result', 'many'), '0', 'what is young stays');
	sql(q{SELECT pythia.start_cdc('w')}, 'many');
	ok(wait_for($node, q{SELECT count(*) = 25000 FROM pythia.quarantine WHERE owner::oid = 0}, 't', 'many'), 'all that a role has left belongs to nobody');
	is(sql(q{SELECT count(DISTINCT xmin::text) > 1 FROM pythia.quarantine WHERE owner::oid = 0}, 'many'), 't', 'not in one transaction');
	sql('DROP DATABASE many');
};

subtest 'workers' => sub {
	sql(q{INSERT INTO pythia.worker (kind, name, owner, owner_name, home) SELECT 'sync', 'heap' || i, 'mallory'::regrole, 'mallory', token FROM pythia.home, generate_series(1, 10000) i});
	my $create = q{SELECT pythia.create_cdc_worker('w', '{t}')};
	like(says("SET ROLE mallory; SET search_path = mallory; $create"), qr/ERROR:  too many workers of role "mallory"\nDETAIL:  It has 10000 .*\nHINT:  Drop some/, 'a role has ten thousand');
	is(says("SET ROLE alice; SET search_path = alice; $create; SELECT pythia.drop_cdc_worker('w')"), '', 'others are not concerned');
	sql(q{DELETE FROM pythia.worker WHERE name = 'heap1'});
	is(says("SET ROLE mallory; SET search_path = mallory; $create; SELECT pythia.drop_cdc_worker('w')"), '', 'one that is dropped makes room');
	sql(q{DELETE FROM pythia.worker WHERE name LIKE 'heap%'});
};

like(says(q{SET statement_timeout = '50ms'; SELECT length(pythia._json_normalized('[' || repeat('1, ', 30000000) || '1]'))}),
	qr/ERROR:  canceling statement due to statement timeout/, 'a long document can be cancelled');

subtest 'a row that cannot be shown' => sub {
	for my $option ('"lookback": 1e12', '"lookback": "37000 days"', '"retention": 4e9', '"delete_interval": 1e12')
	{
		like(says("SET ROLE mallory; SELECT pythia.create_cdc_worker('far', '{mallory.t}', options => '{$option}')"),
			qr/ERROR:  invalid value for option "\w+"\nHINT:  (It must be 100 years at most)/, "$option is refused");
	}
	as('mallory', q{SELECT pythia.create_cdc_worker('far', '{mallory.t}', options => '{"start_from": "294276-12-31 23:59:59.999999+00", "lookback": "36000 days"}')});
	as('alice', q{CREATE TABLE alice.d (id int PRIMARY KEY, updated_at date); CREATE TABLE alice.p (id int PRIMARY KEY, updated_at timestamp);
		SELECT pythia.create_cdc_worker('near', '{alice.t,alice.d,alice.p}')});
	is(as('watcher', q{SELECT low FROM pythia.stat_cdc WHERE worker = 'far'}), '294276-12-31 23:59:59.999999+00', 'who may monitor the server sees the last moment there is');
	for my $low ('9223372036854775807', '-9223372036854775807', '-9223372036854775808', '2147483648', '0')
	{
		sql("UPDATE pythia.cdc_state SET low = $low");
		my $shown = as('watcher', q{SELECT string_agg("table" || ' ' || low, ', ' ORDER BY "table") FROM pythia.stat_cdc WHERE worker = 'near'});
		like($shown, qr/^d \S.*, p \S/, "low is $low: $shown");
	}
	is(as('watcher', q{SELECT string_agg("table" || ' ' || low, ', ' ORDER BY "table") FROM pythia.stat_cdc WHERE worker = 'near'}),
		'd 2000-01-01, p 2000-01-01 00:00:00, t 2000-01-01 00:00:00+00', 'as the column would show it');
	sql(q{SELECT pythia.drop_cdc_worker('far'), pythia.drop_cdc_worker('near')});
};

done_testing();
