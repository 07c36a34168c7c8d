# Roles that own what others capture, sync and call, and that put something else in its place: none of it runs as another.
use strict;
use warnings;
use Pythia::Session;
use Pythia::Test;
use Test::More;

my $node = pg_node('owners', 'pythia_db.databases' => 'postgres');
$node->append_conf('pg_hba.conf', "local all all trust\n");

my $admin = scalar getpwuid $<;

# one session a role: hundreds of new ones would take minutes on a busy machine
my %sessions;
sub as { my ($role, $text) = @_; return ($sessions{$role} //= Pythia::Session->new($node, 'postgres', $role))->do($text); }
sub sql { return as($admin, $_[0]); }
sub says_to { my ($role, $text) = @_; my ($rc, $out, $err) = $node->psql('postgres', $text, extra_params => ['-U', $role]); return ($out // '') . ($err // ''); }

sql(q{
	CREATE ROLE mallory LOGIN; CREATE ROLE alice LOGIN; CREATE ROLE bob;
	SELECT pythia.grant_use('mallory'); SELECT pythia.grant_use('alice');
	CREATE SCHEMA m AUTHORIZATION mallory; CREATE SCHEMA a AUTHORIZATION alice; GRANT USAGE, CREATE ON SCHEMA m TO alice});
as('mallory', q{
	CREATE TABLE m.calls (n serial PRIMARY KEY, who name, how text, updated_at timestamptz DEFAULT now());
	GRANT INSERT, SELECT ON m.calls TO PUBLIC; GRANT USAGE ON m.calls_n_seq TO PUBLIC;
	CREATE FUNCTION m.note(how text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
		BEGIN INSERT INTO m.calls (who, how) VALUES (current_user, how); EXCEPTION WHEN OTHERS THEN NULL; END;
		RETURN 0; END $$;
	-- which does not write itself may call what does
	CREATE FUNCTION m.evil(how text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN m.note(how); END $$});

# What ran as somebody else than mallory since the last time.
sub prize
{
	my $got = sql("SELECT string_agg(DISTINCT who || ': ' || how, ', ') FROM m.calls WHERE who <> 'mallory'");
	sql('TRUNCATE m.calls');
	return $got;
}

subtest 'what is constant in an index' => sub {
	as('mallory', q{CREATE TABLE m.t (id int PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now());
		CREATE INDEX ON m.t (updated_at) WHERE m.evil('predicate') = 0; CREATE INDEX ON m.t ((m.evil('expression')), updated_at)});
	sql('TRUNCATE m.calls');
	for my $capture ('poll', 'trigger')
	{
		sql(qq{SELECT pythia.create_cdc_worker('w', '{m.t}', options => '{"capture": "$capture", "track": "rows"}')});
		sql('INSERT INTO m.t VALUES (1)');
		sql('TRUNCATE m.calls');
		is(sql(q{SELECT count(*) FROM pythia.consume_changes('w')}), '1', "$capture: the row is told");
		sql(q{SELECT pythia.alter_cdc_worker('w', tables => '{m.t}'); SELECT pythia.drop_cdc_worker('w')});
		is(prize(), '', "$capture: nothing ran");
		sql('DELETE FROM m.t; TRUNCATE m.calls');
	}
	sql(q{SELECT pythia.create_cdc_worker('all', '{m.*}', poll_interval => '100 ms')});
	is(prize(), '', 'nor with a pattern');
	sql(q{SELECT pythia.drop_cdc_worker('all'); DROP TABLE m.t});
};

subtest 'what is constant in the key of partitions' => sub {
	as('mallory', q{
		CREATE TABLE m.p (id int, updated_at timestamptz NOT NULL DEFAULT now()) PARTITION BY RANGE ((id + m.evil('key')));
		CREATE TABLE m.p1 PARTITION OF m.p FOR VALUES FROM (0) TO (100);
		CREATE TABLE m.q (id int, updated_at timestamptz NOT NULL DEFAULT now()) PARTITION BY RANGE (id);
		CREATE TABLE m.q1 PARTITION OF m.q FOR VALUES FROM (0) TO (100) PARTITION BY RANGE ((id + m.evil('inner key')));
		CREATE TABLE m.q2 PARTITION OF m.q1 FOR VALUES FROM (0) TO (100)});
	sql('TRUNCATE m.calls');
	for my $table ('m.p', 'm.q')
	{
		for my $role ('mallory', $admin)
		{
			my $said = says_to($role, qq{SELECT pythia.create_cdc_worker('w', '{$table}', options => '{"capture": "trigger", "key": ["id"]}')});
			like($said, qr/a partition key of table "(p|q1)" would run with the rights of role/, "$role cannot capture $table by triggers");
			like($said, qr/HINT:.*poll/, 'and is told what can be done');
			is(prize(), '', 'nothing ran');
		}
		sql(qq{SELECT pythia.create_cdc_worker('w', '{$table}', options => '{"key": ["id"], "delete_interval": 0}')});
		as('mallory', "INSERT INTO $table VALUES (1)");
		sql('TRUNCATE m.calls');
		is(sql(q{SELECT count(*) FROM pythia.consume_changes('w')}), '1', "$table is captured by polling");
		is(prize(), '', 'and nothing ran');
		sql(q{SELECT pythia.drop_cdc_worker('w')});
		for my $map ([ $table, 'public.copy' ], [ 'public.mine', $table ])
		{
			my ($from, $to) = @$map;
			sql('CREATE TABLE IF NOT EXISTS public.mine (id int PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now()); TRUNCATE mine; INSERT INTO mine VALUES (1)');
			for my $what ('sync', 'validate')
			{
				my $said = says_to($admin, qq{SELECT pythia.${what}_between('local', 'local', '$from', '{"table_map": {"$from": "$to"}, "key": ["id"]}')});
				like($said, qr/a partition key of table/, "$what from $from to $to is refused") if $what eq 'sync';
				is(prize(), '', 'and nothing ran');
			}
		}
	}
	# functions of PostgreSQL, and of who has the rights, are no reason
	sql(q{CREATE TABLE public.r (id int, updated_at timestamptz NOT NULL DEFAULT now()) PARTITION BY RANGE ((abs(id)));
		CREATE TABLE public.r1 PARTITION OF public.r FOR VALUES FROM (0) TO (100); ALTER TABLE public.r OWNER TO mallory; GRANT CREATE, USAGE ON SCHEMA public TO mallory});
	as('mallory', q{SELECT pythia.create_cdc_worker('w', '{public.r}', options => '{"capture": "trigger", "key": ["id"]}'); INSERT INTO public.r VALUES (1)});
	is(as('mallory', q{SELECT count(*) FROM pythia.consume_changes('w')}), '1', 'a key by a function of PostgreSQL is no reason');
	as('mallory', q{SELECT pythia.drop_cdc_worker('w')});
	sql('DROP TABLE m.p, m.q, public.r, public.mine');
};

subtest 'a function of the same name in the place of another' => sub {
	# the owner of the schema may drop what others have in it
	as('alice', q{CREATE FUNCTION m.handler(c pythia.database_change) RETURNS jsonb LANGUAGE plpgsql AS 'BEGIN RETURN ''{}''; END';
		CREATE TABLE a.t (id int PRIMARY KEY, v text, updated_at timestamptz NOT NULL DEFAULT now()); CREATE INDEX ON a.t (updated_at);
		SELECT pythia.create_cdc_worker('h', '{a.t}', handler => 'm.handler', poll_interval => '50 ms'); SELECT pythia.start_cdc('h')});
	as('alice', 'INSERT INTO a.t VALUES (1)');
	ok(wait_for($node, q{SELECT consumed = 1 FROM pythia.stat_consumer WHERE worker = 'h'}), 'the handler is called');
	as('mallory', q{DROP FUNCTION m.handler(pythia.database_change);
		CREATE FUNCTION m.handler(c pythia.database_change) RETURNS jsonb LANGUAGE plpgsql AS 'BEGIN PERFORM m.evil(''handler''); RETURN ''{}''; END'});
	as('alice', 'INSERT INTO a.t VALUES (2)');
	ok(wait_for($node, q{SELECT last_error LIKE 'handler m.handler(pythia.database_change) belongs to role "mallory" now%' FROM pythia.worker_status WHERE name = 'h'}), 'one of another role is not');
	is(prize(), '', 'nothing of it ran');
	as('alice', q{SELECT pythia.alter_cdc_worker('h', handler => 'm.handler')});
	ok(wait_for($node, q{SELECT consumed = 2 FROM pythia.stat_consumer WHERE worker = 'h'}), 'until it is named again');
	like(prize(), qr/alice: handler/, 'by who will run it');
	as('alice', q{SELECT pythia.drop_cdc_worker('h')});

	as('alice', q{CREATE TABLE a.copy (LIKE a.t INCLUDING ALL); INSERT INTO a.copy VALUES (1, 'other', '2020-01-01');
		CREATE FUNCTION m.merge(jsonb, jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT $1';
		SELECT pythia.create_sync_worker('s', 'local', 'local', '{"mode": "full", "table_map": {"a.t": "a.copy"}, "conflict_resolution": "m.merge"}', '{a.t}')});
	is(as('alice', q{SELECT rows_updated FROM pythia.sync_table('s', 'a.t')}), '1', 'a function of her own says what is kept');
	as('mallory', q{DROP FUNCTION m.merge(jsonb, jsonb);
		CREATE FUNCTION m.merge(jsonb, jsonb) RETURNS jsonb LANGUAGE plpgsql AS 'BEGIN PERFORM m.evil(''conflict''); RETURN $1; END'});
	as('alice', q{UPDATE a.copy SET v = 'again'});
	like(says_to('alice', q{SELECT pythia.sync_table('s', 'a.t')}), qr/function m\.merge would run with the rights of role "alice".*HINT:/s, 'one of another role is not asked');
	is(prize(), '', 'nothing of it ran');
	as('alice', q{SELECT pythia.drop_sync_worker('s'); DROP TABLE a.t, a.copy});
};

subtest 'a membership that ends' => sub {
	sql(q{CREATE TABLE public.pay (id int PRIMARY KEY, amount int); GRANT SELECT, TRIGGER ON pay TO bob; GRANT INSERT ON pay TO alice; GRANT bob TO mallory});
	as('mallory', q{SELECT pythia.create_cdc_worker('spy', '{public.pay}', options => '{"capture": "trigger"}')});
	my $writer = Pythia::Session->new($node);
	$writer->do('SET ROLE alice');
	$writer->do('INSERT INTO public.pay VALUES (1, 100)');
	sql('REVOKE bob FROM mallory');
	$writer->do('INSERT INTO public.pay VALUES (2, 200)');
	is(as('mallory', q{SELECT string_agg(new_data->>'amount', ',') FROM pythia.consume_changes('spy')}), '100', 'ends the capture in sessions that write already');
	like(as('mallory', q{SELECT reason FROM pythia.stat_cdc WHERE worker = 'spy'}), qr/may not read it/, 'stat_cdc says that it may not read it');
	as('mallory', q{SELECT pythia.drop_cdc_worker('spy')});
	sql('DROP TABLE public.pay');
};

subtest 'the tables that workers of all write to' => sub {
	is(sql(q{SELECT string_agg(c.oid::regclass::text, ', ') FROM pg_class c WHERE c.relnamespace IN ('pythia'::regnamespace, 'pythia_tracked'::regnamespace) AND c.relkind IN ('r', 'v', 'p', 'm', 'f')
		AND has_table_privilege('mallory', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')}), '', 'nobody has a right by which he might lock them');
	like(says_to('mallory', "BEGIN; LOCK TABLE pythia.$_ IN SHARE MODE"), qr/permission denied for (table|view) $_/, "$_ is not locked") for qw(failed_change quarantine handler_result stat_cdc worker_status);
	# so there are functions, for what is one's own
	as('alice', q{CREATE FUNCTION a.fails(c pythia.database_change) RETURNS jsonb LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
		CREATE TABLE a.t (id int PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now()); CREATE INDEX ON a.t (updated_at);
		SELECT pythia.create_cdc_worker('f', '{a.t}', handler => 'a.fails', poll_interval => '50 ms', options => '{"max_attempts": 1}'); SELECT pythia.start_cdc('f');
		INSERT INTO a.t VALUES (1), (2), (3)});
	ok(wait_for($node, q{SELECT count(*) = 3 FROM pythia.failed_change WHERE state = 'dead'}), 'three changes have failed');
	like(says_to('mallory', q{SELECT pythia.discard_failed('f')}), qr/permission denied for CDC worker "f"/, 'another role cannot give them up');
	is(as('alice', q{SELECT pythia.discard_failed('f', ARRAY[min(change_id), -1]) FROM pythia.failed_change}), '1', 'its owner can one');
	is(as('alice', q{SELECT pythia.discard_failed('f')}), '2', 'and the others');
	is(sql('SELECT count(*) FROM pythia.failed_change'), '0', 'and they are gone');
	like(says_to('alice', q{SELECT pythia.discard_failed(NULL)}), qr/"worker" of pythia.discard_failed must not be null/, 'a worker is named');
	as('alice', q{SELECT pythia.drop_cdc_worker('f')});
	sql(q{INSERT INTO pythia.quarantine (owner, table_name, row_data, reason) VALUES ('alice', 't', '{}', 'x'), ('alice', 'u', '{}', 'x'), ('mallory', 't', '{}', 'x')});
	is(as('alice', q{SELECT pythia.discard_quarantine(NULL, 't')}), '1', 'of quarantined rows one table');
	is(as('alice', q{SELECT pythia.discard_quarantine(NULL)}), '1', 'or all');
	is(sql('SELECT count(*) FROM pythia.quarantine'), '1', 'and none of others');
};

subtest 'control characters in the log' => sub {
	as('mallory', q{CREATE FUNCTION m.escapes(c pythia.database_change) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION E'\x1b[2Jcleared\rforged \u009b2J'; END $$;
		CREATE TABLE m.e (id int PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now()); CREATE INDEX ON m.e (updated_at);
		SELECT pythia.create_cdc_worker('e', '{m.e}', handler => 'm.escapes', poll_interval => '50 ms'); SELECT pythia.start_cdc('e'); INSERT INTO m.e VALUES (1)});
	ok(wait_for($node, q{SELECT count(*) = 1 FROM pythia.failed_change}), 'a handler has failed');
	my @lines = grep { /handler of CDC worker "e" failed/ } split /\n/, PostgreSQL::Test::Utils::slurp_file($node->logfile);
	ok(@lines > 0, 'the log says so');
	unlike("@lines", qr/[\x00-\x08\x0b-\x1f\x7f]/, 'and no control character reaches it');
	unlike("@lines", qr/\xc2[\x80-\x9f]/, 'of those above ASCII neither');
	as('mallory', q{SELECT pythia.drop_cdc_worker('e')});
};

subtest 'what else a superuser would evaluate who syncs' => sub {
	as('mallory', q{CREATE FUNCTION m.fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM m.note(TG_OP); RETURN NULL; END'});
	for my $case (
		[ 'm.t', 'public.copy', 'CREATE STATISTICS m.s ON (x + m.evil(\'statistics\')), id FROM m.t', qr/an expression of statistics of table "t" would run/ ],
		[ 'public.mine', 'm.t', 'CREATE STATISTICS m.s ON (x + m.evil(\'statistics\')), id FROM m.t', qr/an expression of statistics of table "t" would run/ ],
		[ 'public.mine', 'm.t', 'CREATE TABLE m.child (id int REFERENCES m.t ON DELETE CASCADE); INSERT INTO m.child VALUES (9); CREATE TRIGGER g AFTER DELETE ON m.child FOR EACH ROW EXECUTE FUNCTION m.fires()', qr/a trigger of table "child" would run/ ],
		[ 'public.mine', 'm.t', 'CREATE TABLE m.between (id int PRIMARY KEY REFERENCES m.t ON DELETE CASCADE); CREATE TABLE m.child (id int REFERENCES m.between ON DELETE SET NULL); INSERT INTO m.between VALUES (9); INSERT INTO m.child VALUES (9); CREATE TRIGGER g AFTER UPDATE ON m.child FOR EACH ROW EXECUTE FUNCTION m.fires()', qr/a trigger of table "child" would run/ ],
		[ 'public.mine', 'public.other', 'CREATE TABLE m.child (id int REFERENCES public.other ON DELETE CASCADE); INSERT INTO m.child VALUES (9); CREATE TRIGGER g AFTER DELETE ON m.child FOR EACH ROW EXECUTE FUNCTION m.fires()', qr/a trigger of table "child" would run/ ])
	{
		my ($from, $to, $make, $told) = @$case;
		sql(q{CREATE TABLE public.mine (id int PRIMARY KEY, x int, updated_at timestamptz NOT NULL DEFAULT now()); INSERT INTO mine VALUES (1, 1);
			CREATE TABLE public.other (LIKE mine INCLUDING ALL); INSERT INTO other VALUES (9, 9); GRANT SELECT, REFERENCES ON other TO mallory});
		as('mallory', qq{CREATE TABLE m.t (id int PRIMARY KEY, x int, updated_at timestamptz NOT NULL DEFAULT now()); INSERT INTO m.t VALUES (9, 9); $make});
		sql('TRUNCATE m.calls');
		like(says_to($admin, qq{SELECT rows_deleted FROM pythia.sync_between('local', 'local', '$from', '{"mode": "full", "deletes": "hard", "table_map": {"$from": "$to"}}')}), $told, "$to: it is refused");
		is(prize(), '', 'and nothing ran');
		sql('DROP TABLE IF EXISTS m.child, m.between, m.t, public.copy, public.mine, public.other CASCADE');
	}
	# a foreign key that passes nothing on, and triggers of who syncs, are no reason
	sql(q{CREATE TABLE public.mine (id int PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now()); INSERT INTO mine VALUES (1); CREATE TABLE public.other (LIKE mine INCLUDING ALL); INSERT INTO other VALUES (9); GRANT SELECT, REFERENCES ON other TO mallory});
	as('mallory', 'CREATE TABLE m.child (id int REFERENCES public.other); CREATE TRIGGER g AFTER DELETE ON m.child FOR EACH ROW EXECUTE FUNCTION m.fires()');
	is(says_to($admin, q{SELECT rows_deleted FROM pythia.sync_between('local', 'local', 'public.mine', '{"mode": "full", "deletes": "hard", "table_map": {"public.mine": "public.other"}}')}), '1', 'a key that only looks is no reason');
	sql('DROP TABLE m.child, public.mine, public.other');
};

subtest 'a schema that its owner exchanges while a sync runs' => sub {
	sql(q{GRANT CREATE ON DATABASE postgres TO mallory; CREATE SCHEMA x AUTHORIZATION mallory; CREATE SCHEMA y AUTHORIZATION mallory;
		CREATE TABLE x.t (id int PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now()); INSERT INTO x.t VALUES (1)});
	as('mallory', q{CREATE VIEW y.t AS SELECT 1 AS id, now() AS updated_at WHERE m.evil('view') = 0});
	my $sync = Pythia::Session->new($node);
	$sync->do('BEGIN');
	$sync->do(q{SELECT pythia.sync_between('local', 'local', 'x.t', '{"mode": "full", "table_map": {"x.t": "public.copy"}}')});
	like(says_to('mallory', q{SET lock_timeout = '300ms'; ALTER SCHEMA x RENAME TO z}), qr/lock timeout/, 'it waits until the transaction has ended');
	$sync->do('COMMIT');
	is(says_to('mallory', q{SET lock_timeout = '300ms'; ALTER SCHEMA x RENAME TO z; ALTER SCHEMA y RENAME TO x}), '', 'and no longer');
	like(says_to($admin, q{SELECT pythia.sync_between('local', 'local', 'x.t', '{"mode": "full", "table_map": {"x.t": "public.copy"}}')}), qr/a view's query of table "t" would run/, 'what is there then is looked at anew');
	is(prize(), '', 'and nothing ran');
	sql('DROP TABLE public.copy');
};

# Each statement is looked at when it is about to run, and runs as the owner of the tables: so what he adds meanwhile, too.
subtest 'what is added to a target while a sync runs' => sub {
	as('mallory', q{CREATE OR REPLACE FUNCTION m.keeps() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM m.note(TG_OP); RETURN coalesce(NEW, OLD); END'});
	my $url = 'postgresql://' . $admin . '@/postgres?host=' . $node->host . '&port=' . $node->port;
	my $statistics = q{CREATE STATISTICS m.s ON (x + m.evil('statistics')), id FROM m.t};
	my $child = q{CREATE TABLE m.c (LIKE m.t INCLUDING ALL); INSERT INTO m.c VALUES (7, 7); };
	my $plain = 'CREATE TABLE m.t (id int PRIMARY KEY, x int, updated_at timestamptz NOT NULL DEFAULT now())';
	my $parted = 'CREATE TABLE m.t (id int PRIMARY KEY, x int, updated_at timestamptz NOT NULL DEFAULT now()) PARTITION BY RANGE (id); CREATE TABLE m.t1 PARTITION OF m.t FOR VALUES FROM (2) TO (10)';
	for my $case (
		[ 'statistics', $plain, $statistics ],
		[ 'statistics of a filled one', "$plain; INSERT INTO m.t VALUES (1, 9), (9, 9)", $statistics ],
		[ 'an index', "$plain; INSERT INTO m.t VALUES (1, 9), (9, 9)", q{CREATE INDEX CONCURRENTLY ON m.t (x) WHERE m.evil('predicate') = 0} ],
		[ 'a child with a trigger BEFORE', "$plain; INSERT INTO m.t VALUES (1, 9), (9, 9)", "$child CREATE TRIGGER g BEFORE DELETE OR UPDATE ON m.c FOR EACH ROW EXECUTE FUNCTION m.keeps(); ALTER TABLE m.c INHERIT m.t" ],
		[ 'a child with a trigger AFTER', "$plain; INSERT INTO m.t VALUES (1, 9), (9, 9)", "$child CREATE TRIGGER g AFTER DELETE OR UPDATE ON m.c FOR EACH ROW EXECUTE FUNCTION m.keeps(); ALTER TABLE m.c INHERIT m.t" ],
		[ 'a child with a deferred trigger', "$plain; INSERT INTO m.t VALUES (1, 9), (9, 9)", "$child CREATE CONSTRAINT TRIGGER g AFTER DELETE OR UPDATE ON m.c INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION m.keeps(); ALTER TABLE m.c INHERIT m.t" ],
		[ 'a child with a check', "$plain; INSERT INTO m.t VALUES (1, 9), (9, 9)", "$child ALTER TABLE m.c ADD CHECK (m.evil('check') = 0); ALTER TABLE m.c INHERIT m.t" ],
		[ 'a partition with a trigger', $parted, q{CREATE TABLE m.c (LIKE m.t INCLUDING ALL); CREATE TRIGGER g BEFORE INSERT ON m.c FOR EACH ROW EXECUTE FUNCTION m.keeps(); ALTER TABLE m.t ATTACH PARTITION m.c FOR VALUES FROM (0) TO (2)} ])
	{
		my ($what, $make, $add) = @$case;
		sql(q{CREATE TABLE public.mine (id int PRIMARY KEY, x int, updated_at timestamptz NOT NULL DEFAULT now()); INSERT INTO mine VALUES (1, 1), (2, 2)});
		as('mallory', $make);
		sql('TRUNCATE m.calls');
		my ($lock, $sync, $owner) = map { Pythia::Session->new($node) } 1 .. 3;
		$lock->do('BEGIN; SELECT pg_advisory_xact_lock(77)');
		$sync->send(qq{SELECT rows_synced FROM pythia.sync_between('$url', 'local', 'public.mine', '{"mode": "full", "deletes": "hard", "where": "pg_advisory_xact_lock_shared(77)::text IS NOT NULL", "table_map": {"public.mine": "m.t"}}')});
		ok(wait_for($node, q{SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND locktype = 'advisory' AND objid = 77}), "$what: the sync has looked at its target, and waits for the source");
		$owner->do('SET ROLE mallory');
		# an index is there at once, and then waits for who writes
		$owner->send($add);
		ok(wait_for($node, q{SELECT EXISTS (SELECT FROM pg_statistic_ext WHERE stxname = 's') OR (SELECT count(*) > 1 FROM pg_index WHERE indrelid = 'm.t'::regclass) OR EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass('m.c'))}), 'its owner adds to it');
		$lock->do('COMMIT');
		$sync->finish;
		# rows that go straight into an empty table evaluate nothing of it
		like($sync->{error}, $make =~ /INSERT/ ? qr/ would run with the rights of role "\Q$admin\E"/ : qr/^$| would run with the rights/, 'the sync is told');
		$owner->finish;
		is(prize(), '', 'and nothing ran with more rights than its owner has');
		sql('DROP TABLE m.t, public.mine CASCADE; DROP TABLE IF EXISTS m.c');
	}
};

subtest 'rights are asked of who syncs, whoever runs the statement' => sub {
	as('mallory', q{CREATE TABLE m.t (id int PRIMARY KEY, x int, updated_at timestamptz NOT NULL DEFAULT now()); INSERT INTO m.t VALUES (9, 9);
		CREATE TABLE m.r (LIKE m.t INCLUDING ALL); INSERT INTO m.r VALUES (9, 9); ALTER TABLE m.r ENABLE ROW LEVEL SECURITY; GRANT USAGE ON SCHEMA m TO alice; GRANT SELECT ON m.t, m.r TO alice});
	as('alice', q{CREATE TABLE a.mine (id int PRIMARY KEY, x int, updated_at timestamptz NOT NULL DEFAULT now()); INSERT INTO a.mine VALUES (1, 1)});
	my $into = q{SELECT rows_synced, rows_deleted FROM pythia.sync_between('local', 'local', 'a.mine', '{"mode": "full", "deletes": "hard", "table_map": {"a.mine": "m.t"}}')};
	like(says_to('alice', $into), qr/permission denied for table t/, 'who may only read does not write');
	as('mallory', 'GRANT INSERT, UPDATE ON m.t TO alice');
	like(says_to('alice', $into), qr/permission denied for table t/, 'nor delete without the right');
	as('mallory', 'GRANT DELETE ON m.t TO alice');
	# what sessions of others have open is known here without the right to see them
	my $hidden = Pythia::Session->new($node);
	$hidden->do('BEGIN; SELECT 1');
	is(says_to('alice', $into), '1|1', 'and with all of them both');
	$hidden->do('COMMIT');
	like(says_to('alice', q{SELECT rows_synced FROM pythia.sync_between('local', 'local', 'm.r', '{"mode": "full", "table_map": {"m.r": "a.copy"}}')}), qr/row-level security/, 'rows that a policy hides are no rows that are gone');
	is(says_to($admin, q{SELECT rows_synced FROM pythia.sync_between('local', 'local', 'm.r', '{"mode": "full", "table_map": {"m.r": "public.copy"}}')}) =~ s/\D.*//sr, '1', 'who is above policies sees them');
	sql('ALTER TABLE m.r FORCE ROW LEVEL SECURITY');
	is(says_to($admin, q{SELECT source_count FROM pythia.sync_between('local', 'local', 'm.r', '{"mode": "full", "table_map": {"m.r": "public.copy"}}')}), '1', 'also where they hold for the owner');
	# the owner has no right on what the statement reads besides, which is who syncs' own
	as('mallory', q{CREATE TABLE m.parent (id int PRIMARY KEY); INSERT INTO m.parent VALUES (1), (2), (3); CREATE TABLE m.k (id int PRIMARY KEY REFERENCES m.parent DEFERRABLE, x int REFERENCES m.k INITIALLY DEFERRED, updated_at timestamptz NOT NULL DEFAULT now()); INSERT INTO m.k VALUES (3, 3)});
	sql(q{CREATE TABLE public.rows (id int PRIMARY KEY, x int, updated_at timestamptz NOT NULL DEFAULT now()); INSERT INTO rows VALUES (1, 2), (2, 2)});
	is(says_to($admin, q{SELECT rows_synced, rows_deleted FROM pythia.sync_between('local', 'local', 'public.rows', '{"mode": "full", "deletes": "hard", "table_map": {"public.rows": "m.k"}}')}), '2|1', 'deferred keys of a table that is written as its owner');
	sql(q{UPDATE rows SET x = 1; SELECT pythia.create_sync_worker('k', 'local', 'local', '{"mode": "full", "deletes": "hard", "table_map": {"public.rows": "m.k"}}', '{public.rows}'); SELECT pythia.start_sync('k')});
	ok(wait_for($node, q{SELECT string_agg(id || ' ' || x, ', ' ORDER BY id) = '1 1, 2 1' FROM m.k}), 'and by a worker');
	sql(q{INSERT INTO rows VALUES (4, 4); SELECT pythia.start_sync('k')});
	ok(wait_for($node, q{SELECT last_error LIKE '%violates foreign key%' FROM pythia.sync_state}), 'which is told of a row that breaks one');
	sql(q{SELECT pythia.drop_sync_worker('k'); DROP TABLE m.t, m.r, a.mine, public.copy, m.k, m.parent, public.rows});
};

subtest 'what else one\'s own condition, or a key, would evaluate' => sub {
	sql(q{CREATE TABLE public.mine (id int PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now()); INSERT INTO mine VALUES (1)});
	as('mallory', q{CREATE TABLE m.listed (id int PRIMARY KEY); INSERT INTO m.listed VALUES (1); CREATE VIEW m.seen AS SELECT id FROM m.listed WHERE m.note('view') = 0;
		CREATE TABLE m.indexed (id int PRIMARY KEY); INSERT INTO m.indexed VALUES (1); CREATE INDEX ON m.indexed (id) WHERE m.evil('index') = 0; TRUNCATE m.calls});
	for my $case ([ 'seen', qr/a view's query of table "seen" would run/ ], [ 'indexed', qr/an index on an expression of table "indexed" would run/ ])
	{
		my ($table, $told) = @$case;
		for my $what ('sync', 'validate')
		{
			like(says_to($admin, qq{SELECT * FROM pythia.${what}_between('local', 'local', 'public.mine', '{"mode": "full", "where": "id IN (SELECT id FROM m.$table)", "table_map": {"public.mine": "public.copy"}}')}), $told, "$what: a condition over m.$table");
			is(prize(), '', 'nothing ran');
			sql('CREATE TABLE IF NOT EXISTS public.copy (LIKE mine INCLUDING ALL)');
		}
	}
	is(says_to($admin, q{SELECT rows_synced FROM pythia.sync_between('local', 'local', 'public.mine', '{"mode": "full", "where": "id IN (SELECT id FROM m.listed)", "table_map": {"public.mine": "public.copy"}}')}), '1', 'one over a plain table is taken');
	sql(q{INSERT INTO copy VALUES (9); GRANT REFERENCES, SELECT ON copy TO mallory});
	as('mallory', 'CREATE TABLE m.child (id int REFERENCES public.copy ON DELETE CASCADE) PARTITION BY RANGE (id)');
	like(says_to($admin, q{SELECT rows_deleted FROM pythia.sync_between('local', 'local', 'public.mine', '{"mode": "full", "deletes": "hard", "table_map": {"public.mine": "public.copy"}}')}), qr/what a foreign key passes on to partitions of table "child" would run.*HINT:/s, 'partitions that may come to a table that a key passes on to');
	sql('DROP TABLE m.child, public.copy, public.mine');
};

subtest 'a table that its owner locks, or reads for ever' => sub {
	as('mallory', 'CREATE TABLE m.a (id int PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now()); INSERT INTO m.a VALUES (1); CREATE TABLE m.b (LIKE m.a INCLUDING ALL); INSERT INTO m.b VALUES (1); CREATE TABLE m.into (LIKE m.a INCLUDING ALL)');
	sql('CREATE TABLE public.from_here (id int PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now()); INSERT INTO from_here VALUES (1)');
	my $owner = Pythia::Session->new($node, 'postgres', 'mallory');
	$owner->do('BEGIN; LOCK TABLE m.a, m.into');
	for my $parallel (1, 3)
	{
		sql(qq{SELECT pythia.create_sync_worker('s', 'local', 'local', '{"mode": "full", "parallel": $parallel, "table_map": {"m.a": "public.a", "m.b": "public.b", "public.from_here": "m.into"}}', '{m.a, public.from_here, m.b}', '1 s'); SELECT pythia.start_sync('s')});
		ok(wait_for($node, q{SELECT count(*) = 1 FROM pythia.sync_state WHERE table_name = 'm.b' AND last_end IS NOT NULL}), "parallel $parallel: a sync worker goes on with the others");
		ok(wait_for($node, q{SELECT count(*) = 2 FROM pythia.sync_state WHERE table_name IN ('m.a', 'public.from_here') AND last_error LIKE '%lock timeout%'}), 'and tells of those that are locked');
		sql(q{SELECT pythia.drop_sync_worker('s'); DROP TABLE public.b});
	}
	$owner->do('ROLLBACK');
	sql('DROP TABLE m.a, m.b, m.into, public.from_here; DROP TABLE IF EXISTS public.a');

	as('mallory', 'CREATE TABLE m.t (id int PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now()); CREATE INDEX ON m.t (updated_at); INSERT INTO m.t VALUES (1)');
	sql(q{SELECT pythia.create_cdc_worker('k', '{m.t}', options => '{"track": "rows"}')});
	my $known = sql(q{SELECT oid::regclass FROM pg_class WHERE relnamespace = 'pythia_tracked'::regnamespace AND relkind = 'r'});
	$owner->do("BEGIN; SELECT count(*) FROM $known");
	for my $call (q{drop_cdc_worker('k')}, q{alter_cdc_worker('k', tables => '{public.other}')}, q{alter_cdc_worker('k', options => '{"track": "keys"}')})
	{
		sql('CREATE TABLE IF NOT EXISTS public.other (id int PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now())');
		like(says_to($admin, "SET statement_timeout = '30s'; SELECT pythia.$call"), qr/table \Q$known\E is in use in another session.*HINT:.*pg_terminate_backend/s, "$call does not wait for who reads what is known of his table");
	}
	$owner->do('ROLLBACK');
	is(says_to($admin, q{SELECT pythia.drop_cdc_worker('k')}), '', 'and works when he has ended');
	sql('DROP TABLE m.t, public.other');
};

subtest 'what comes with PostgreSQL and runs what it is given' => sub {
	sql(q{CREATE TABLE public.src (id int PRIMARY KEY, v text); INSERT INTO public.src SELECT g, 'a' FROM generate_series(1, 300) g;
		CREATE TABLE public.ranges (id int PRIMARY KEY, v int4range); INSERT INTO public.ranges SELECT g, int4range(g * 3, g * 3 + 2) FROM generate_series(1, 1500) g;
		GRANT SELECT ON public.src, public.ranges TO alice});
	as('alice', q{CREATE TABLE a.precious (id int); INSERT INTO a.precious VALUES (1); GRANT USAGE ON SCHEMA a TO mallory;
		CREATE FUNCTION a.wipe() RETURNS bool LANGUAGE sql AS $$ DELETE FROM a.precious; SELECT true $$});
	as('mallory', q{
		CREATE FUNCTION m.noted(how text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN PERFORM m.note(how); RETURN true; END $$;
		CREATE DOMAIN m.guarded AS int CHECK (m.noted('domain')); CREATE TYPE m.pair AS (a m.guarded);
		CREATE FUNCTION m.diff(int4, int4) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM m.evil('diff'); RETURN $1 - $2; END $$;
		CREATE TYPE m.apart AS RANGE (subtype = int4, subtype_diff = m.diff);
		CREATE TABLE m.t1 (id int PRIMARY KEY, v text, CHECK (ts_rewrite('a', 'SELECT ''a''::tsquery, ''b''::tsquery WHERE m.noted(''ts_rewrite'')') IS NOT NULL));
		CREATE TABLE m.t2 (id int PRIMARY KEY, v text, CHECK (query_to_xml('SELECT m.note(''query_to_xml'')', true, true, '') IS NOT NULL));
		CREATE TABLE m.t3 (id int PRIMARY KEY, v text, w text DEFAULT query_to_xml('SELECT m.note(''default'')', true, true, '')::text);
		CREATE TABLE m.t4 (id int PRIMARY KEY, v text, CHECK (('(' || id || ')')::m.pair IS NOT NULL));
		CREATE TABLE m.t5 (id int PRIMARY KEY, v text, CHECK (('{' || id || '}')::m.guarded[] IS NOT NULL));
		CREATE TABLE m.t6 (id int PRIMARY KEY, v text, CHECK (jsonb_populate_record(NULL::m.pair, '{"a": 1}') IS NOT NULL));
		CREATE TABLE m.t7 (id int PRIMARY KEY, v text, CHECK (a.wipe()));
		CREATE TABLE m.t8 (id int PRIMARY KEY, v text, CHECK (id <> 1 OR pythia.drop_cdc_worker('none') IS NULL));
		CREATE TABLE m.t9 (id int PRIMARY KEY, v text);
		CREATE TRIGGER x BEFORE UPDATE ON m.t9 FOR EACH ROW WHEN (query_to_xml('SELECT m.note(''when'')', true, true, '') IS NOT NULL)
			EXECUTE FUNCTION suppress_redundant_updates_trigger();
		CREATE TABLE m.t10 (id int PRIMARY KEY, v m.apart); CREATE INDEX ON m.t10 USING gist (v);
		CREATE TABLE m.t11 (id int PRIMARY KEY, v m.apart, EXCLUDE USING gist (v WITH &&));
		GRANT ALL ON ALL TABLES IN SCHEMA m TO alice});
	prize();
	for my $role ($admin, 'alice')
	{
		for my $n (1 .. 11)
		{
			my $source = $n > 9 ? 'public.ranges' : 'public.src';
			like(says_to($role, qq{SELECT pythia.sync_between('local', 'local', '$source', '{"mode": "full", "table_map": {"$source": "m.t$n"}}')}),
				qr/would run with the rights of role/, "$role, table $n: refused");
			is(prize(), '', 'nothing ran');
		}
	}
	is(sql('SELECT count(*) FROM a.precious'), '1', 'nor what is his own');
	# likewise where it is read
	as('mallory', q{INSERT INTO m.t10 SELECT g, m.apart(g, g + 2) FROM generate_series(1, 500) g; ANALYZE m.t10});
	prize();
	as('alice', 'CREATE TABLE a.read (id int PRIMARY KEY, v text)');
	like(says_to('alice', q{SELECT pythia.sync_between('local', 'local', 'm.t10', '{"mode": "full", "where": "v && ''[3,5)''", "table_map": {"m.t10": "a.read"}}')}),
		qr/the type of a column of table "t10" would run with the rights of role/, 'alice reads none either');
	is(prize(), '', 'nothing ran');

	# what tables usually have is no reason
	as('mallory', q{CREATE TABLE m.good (id int PRIMARY KEY CHECK (id > 0), v text, n serial, at timestamptz DEFAULT now(), u uuid DEFAULT gen_random_uuid(),
			w text GENERATED ALWAYS AS (lower(v)) STORED, d date DEFAULT CURRENT_DATE, x text DEFAULT 'a' || 'b', r int4range DEFAULT int4range(1, 2));
		CREATE INDEX ON m.good (lower(v)); CREATE STATISTICS m.st ON (length(v)) FROM m.good; GRANT ALL ON m.good TO alice; GRANT USAGE ON m.good_n_seq TO alice});
	for my $role ($admin, 'alice')
	{
		like(says_to($role, q{SELECT rows_inserted FROM pythia.sync_between('local', 'local', 'public.src', '{"mode": "full", "table_map": {"public.src": "m.good"}}')}),
			qr/300/, "$role fills a table with the usual defaults, checks and indexes");
		as('mallory', 'TRUNCATE m.good');
	}
	# but a sequence of somebody else
	as('alice', 'CREATE SEQUENCE a.numbers; GRANT USAGE ON a.numbers TO mallory');
	as('mallory', q{ALTER TABLE m.good ADD COLUMN other bigint DEFAULT nextval('a.numbers'); });
	like(says_to('alice', q{SELECT pythia.sync_between('local', 'local', 'public.src', '{"mode": "full", "table_map": {"public.src": "m.good"}}')}),
		qr/a default or a generated column of table "good" would run/, "another's sequence is not hers to move");
	as('mallory', 'DROP TABLE m.good, m.t1, m.t2, m.t3, m.t4, m.t5, m.t6, m.t7, m.t8, m.t9, m.t10, m.t11');
};

subtest 'a partition that is being detached' => sub {
	as('mallory', q{
		CREATE TABLE m.p (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
		CREATE TABLE m.p0 PARTITION OF m.p FOR VALUES FROM (0) TO (6); CREATE TABLE m.p1 PARTITION OF m.p FOR VALUES FROM (6) TO (10000);
		CREATE FUNCTION m.fired() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM m.note('trigger'); RETURN NEW; END $$;
		CREATE TRIGGER x BEFORE INSERT ON m.p1 FOR EACH ROW EXECUTE FUNCTION m.fired(); GRANT ALL ON m.p TO alice});
	my $reader = Pythia::Session->new($node, 'postgres', $admin);
	$reader->do('BEGIN; SELECT count(*) FROM m.p');
	says_to('mallory', q{SET statement_timeout = '300ms'; ALTER TABLE m.p DETACH PARTITION m.p1 CONCURRENTLY});
	$reader->do('ROLLBACK');
	is(sql(q{SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = 'm.p1'::regclass}), 't', 'it has begun');
	for my $role ($admin, 'alice')
	{
		like(says_to($role, q{BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pythia.sync_between('local', 'local', 'public.src', '{"mode": "full", "table_map": {"public.src": "m.p"}}'); COMMIT}),
			qr/a trigger of table "p1" would run with the rights of role/, "$role: refused");
		is(prize(), '', 'nothing ran');
	}
	as('mallory', 'DROP TABLE m.p1, m.p');
};

# What alice says to pythia; the rows of a.src are what she has to give.
sub syncs { my ($config) = @_; return says_to('alice', "SELECT pythia.sync_between('local', 'local', $config)"); }

subtest 'the keys of the tables above a partition' => sub {
	as('alice', q{CREATE TABLE a.src (id int PRIMARY KEY, v text); INSERT INTO a.src VALUES (1, 'x'), (2, 'y')});
	as('mallory', q{
		CREATE FUNCTION m.key(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM m.note('key'); RETURN $1; END $$;
		CREATE TABLE m.top (id int NOT NULL, v text) PARTITION BY RANGE ((m.key(id)));
		CREATE TABLE m.middle (id int NOT NULL, v text) PARTITION BY RANGE (id);
		CREATE TABLE m.leaf (id int PRIMARY KEY, v text);
		ALTER TABLE m.middle ATTACH PARTITION m.leaf FOR VALUES FROM (0) TO (1000);
		ALTER TABLE m.top ATTACH PARTITION m.middle FOR VALUES FROM (0) TO (1000);
		GRANT ALL ON m.leaf TO alice});
	prize();
	like(syncs(q{'a.src', '{"mode": "full", "table_map": {"a.src": "m.leaf"}}'}), qr/a partition key of table "top" would run with the rights of role "alice"/, 'filling it');
	like(says_to($admin, q{SELECT pythia.sync_between('local', 'local', 'a.src', '{"mode": "full", "table_map": {"a.src": "m.leaf"}}')}), qr/a partition key of table "top" would run/, 'by a superuser as well');
	like(syncs(q{'m.leaf', '{"mode": "full", "table_map": {"m.leaf": "a.src"}}'}), qr/a partition key of table "top" would run/, 'reading it');
	is(prize(), '', 'nothing ran');
	as('mallory', 'DROP TABLE m.top');
	as('alice', 'DROP TABLE a.src');
};

subtest 'casts that the parser adds' => sub {
	as('mallory', q{
		CREATE TYPE m.mood AS ENUM ('sad', 'happy', 'gone');
		CREATE FUNCTION m.spell(m.mood) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM m.note('cast'); RETURN enum_out($1); END $$;
		CREATE FUNCTION m.read(text) RETURNS m.mood LANGUAGE plpgsql AS $$ BEGIN PERFORM m.note('cast back'); RETURN enum_in($1::cstring, 'm.mood'::regtype); END $$;
		CREATE CAST (m.mood AS text) WITH FUNCTION m.spell(m.mood) AS IMPLICIT;
		CREATE CAST (text AS m.mood) WITH FUNCTION m.read(text) AS ASSIGNMENT;
		CREATE TABLE m.people (id int PRIMARY KEY, mood m.mood); INSERT INTO m.people VALUES (1, 'sad'); GRANT ALL ON m.people TO alice});
	as('alice', 'CREATE TABLE a.people (id int PRIMARY KEY, mood text)');
	prize();
	# LIKE needs text, and so does lower(); of the operators named = that of texts is taken
	for my $where (q{mood LIKE ''s%''}, q{lower(mood) = ''sad''}, q{mood = ''sad''})
	{
		my $config = qq{'m.people', '{"mode": "full", "where": "$where", "table_map": {"m.people": "a.people"}}'};
		my $refused = qr/function m\.spell\(m\.mood\) would run with the rights of role "alice"/;
		like(syncs($config), $refused, "where $where");
		like(says_to('alice', "SELECT is_valid FROM pythia.validate_between('local', 'local', " . $config =~ s/"mode": "full", //r . ")"), $refused, 'in validation');
	}
	is(prize(), '', 'nothing ran');
	unlike(syncs(q{'m.people', '{"mode": "full", "where": "id = 1", "table_map": {"m.people": "a.people"}}'}), qr/ERROR/, 'a condition without a cast');
	is(sql('SELECT count(*) FROM a.people'), '1', 'syncs the row');
	is(prize(), '', 'and nothing ran');

	# (to a text PostgreSQL 18 lets no key of an enum refer)
	as('mallory', q{CREATE FUNCTION m.count(m.mood) RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM m.note('cast'); RETURN ascii(enum_out($1)::text); END $$;
		CREATE CAST (m.mood AS int) WITH FUNCTION m.count(m.mood) AS IMPLICIT;
		CREATE TABLE m.kinds (k int PRIMARY KEY); INSERT INTO m.kinds SELECT ascii(k) FROM unnest('{sad,happy,gone}'::text[]) k;
		CREATE TABLE m.moods (id int PRIMARY KEY, k m.mood REFERENCES m.kinds); INSERT INTO m.moods VALUES (1, 'sad'); GRANT ALL ON m.moods TO alice});
	as('alice', q{CREATE TABLE a.moods (id int PRIMARY KEY, k text); INSERT INTO a.moods VALUES (1, 'happy')});
	prize();
	like(syncs(q{'a.moods', '{"mode": "full", "table_map": {"a.moods": "m.moods"}}'}), qr/a cast for a foreign key of table "moods" would run with the rights of role "alice"/, 'a foreign key that needs one');
	is(prize(), '', 'nothing ran');

	as('alice', q{CREATE TABLE a.kinds (k int PRIMARY KEY); CREATE TABLE a.new (k int PRIMARY KEY); CREATE TABLE a.one (id int PRIMARY KEY); CREATE TABLE a.two (id int PRIMARY KEY);
		INSERT INTO a.kinds VALUES (ascii('sad')), (ascii('gone')); INSERT INTO a.new VALUES (ascii('sad')); GRANT USAGE ON SCHEMA a TO mallory; GRANT REFERENCES ON a.kinds TO mallory});
	as('mallory', q{CREATE TABLE m.child (id int PRIMARY KEY, k m.mood REFERENCES a.kinds); GRANT SELECT ON m.child TO alice});
	prize();
	as('alice', q{SELECT pythia.create_sync_worker('del', 'local', 'local', '{"mode": "full", "deletes": "hard", "table_map": {"a.new": "a.kinds", "a.one": "a.two"}}', ARRAY['a.new', 'a.one'])});
	like(says_to('alice', q{SELECT * FROM pythia.sync_all_tables('del')}), qr/function m\.count\(m\.mood\) would run with the rights of role "alice"/, 'a table that refers to the target');
	is(prize(), '', 'nothing ran');
	as('alice', q{SELECT pythia.drop_sync_worker('del')});
	as('mallory', 'DROP TABLE m.child, m.moods, m.kinds, m.people; DROP TYPE m.mood CASCADE');
	as('alice', 'DROP TABLE a.moods, a.kinds, a.new, a.one, a.two, a.people');
};

subtest 'what opens a table that it is told, and with it what is constant in its key' => sub {
	as('mallory', q{
		CREATE TABLE m.trap (id int) PARTITION BY HASH ((m.evil('trap') + id)); GRANT SELECT ON m.trap TO PUBLIC});
	my $opens = sprintf 'satisfies_hash_partition(%s::oid, 2, 0, %%s)', sql(q{SELECT 'm.trap'::regclass::oid});
	my ($of_column, $of_constant) = map { sprintf $opens, $_ } 'id', 1;
	as('mallory', qq{
		CREATE TABLE m.pp (id int, updated_at timestamptz NOT NULL DEFAULT now()) PARTITION BY RANGE (($of_constant\::int + id));
		CREATE TABLE m.pp1 PARTITION OF m.pp FOR VALUES FROM (0) TO (1000);
		CREATE TABLE m.in_check (id int PRIMARY KEY, v text, CHECK ($of_column IS NOT NULL));
		CREATE TABLE m.in_index (id int PRIMARY KEY, v text); CREATE INDEX ON m.in_index (($of_constant\::text || v));
		CREATE TABLE m.in_stats (id int PRIMARY KEY, v text); CREATE STATISTICS m.st_trap ON ($of_constant\::text || v) FROM m.in_stats;
		GRANT ALL ON m.in_check, m.in_index, m.in_stats TO alice});
	as('alice', q{CREATE TABLE a.rows (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now()); INSERT INTO a.rows VALUES (1, 'x'); GRANT USAGE ON SCHEMA a TO mallory; GRANT SELECT ON a.rows TO mallory});
	$node->safe_psql('postgres', 'SELECT 1');
	prize();
	# each in a session that has not opened the table yet
	like(says_to('mallory', q{SELECT pythia.create_cdc_worker('w', '{m.pp}', options => '{"capture": "trigger", "key": ["id"]}')}), qr/a partition key of table "pp" would run with the rights of role/, 'in a key of partitions');
	is(prize(), '', 'nothing ran');
	for my $table ('in_check', 'in_index', 'in_stats')
	{
		for my $role ($admin, 'alice')
		{
			like(says_to($role, qq{SELECT pythia.sync_between('local', 'local', 'a.rows', '{"mode": "full", "table_map": {"a.rows": "m.$table"}}')}), qr/would run with the rights of role/, "$role, $table: refused");
			is(prize(), '', 'nothing ran');
		}
	}
	for my $capture ('poll', 'trigger')
	{
		for my $table ('a.rows', 'm.in_check')
		{
			like(says_to('mallory', qq{SELECT pythia.create_cdc_worker('w', '{$table}', timestamp_column => 'id', options => '{"capture": "$capture", "start_from": "beginning", "where": "$of_column IS NOT NULL"}')}),
				qr/a condition cannot call function satisfies_hash_partition|permission denied for table rows/, "where of $table by $capture: refused");
			is(prize(), '', 'nothing ran');
		}
	}
	as('mallory', 'DROP TABLE m.pp, m.in_check, m.in_index, m.in_stats, m.trap');
};

subtest 'what follows the types that it is given' => sub {
	as('mallory', q{
		CREATE TYPE m.feeling AS ENUM ('x'); CREATE FUNCTION m.spelled(m.feeling) RETURNS json LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM m.evil('cast to json'); RETURN '1'; END $$;
		CREATE CAST (m.feeling AS json) WITH FUNCTION m.spelled(m.feeling);
		CREATE FUNCTION m.noted_of(anyelement) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM m.evil('check'); RETURN true; END $$;
		CREATE DOMAIN m.noted_ints AS int[] CHECK (m.noted_of(VALUE)); CREATE DOMAIN m.little AS int CHECK (m.noted_of(VALUE));
		CREATE TABLE m.felt (id int PRIMARY KEY, v text, c m.feeling); INSERT INTO m.felt VALUES (1, 'x', 'x');
		CREATE TABLE m.int_lists (id int PRIMARY KEY, v m.noted_ints);
		GRANT ALL ON ALL TABLES IN SCHEMA m TO alice});
	as('alice', q{CREATE TABLE a.kinds (id int PRIMARY KEY, v text); CREATE TABLE a.lists (id int PRIMARY KEY, v int[]); INSERT INTO a.lists VALUES (1, '{1}');
		CREATE TABLE a.plain (id int PRIMARY KEY, v text); INSERT INTO a.plain VALUES (1, 'x')});
	prize();
	my @conditions = ('to_jsonb(c) IS NOT NULL', 'to_json(ARRAY[c]) IS NOT NULL', 'row_to_json(felt) IS NOT NULL', 'json_build_array(c) IS NOT NULL', 'jsonb_build_object(1, c) IS NOT NULL',
		'EXISTS (SELECT json_agg(x) FROM m.felt x)', 'EXISTS (SELECT jsonb_object_agg(x.id, x.c) FROM m.felt x)', 'to_jsonb(ROW(c)) IS NOT NULL', '(id::m.little) IS NOT NULL', '(v::m.noted_ints) IS NOT NULL',
		'EXISTS (SELECT 1 FROM jsonb_to_record(to_jsonb(id)) AS t(a m.little))', 'jsonb_populate_record(NULL::m.felt, to_jsonb(id)) IS NULL');
	push @conditions, 'JSON_ARRAY(c) IS NOT NULL', q{JSON_OBJECT(''a'': c) IS NOT NULL} if $node->pg_version >= 16;
	push @conditions, 'JSON_SCALAR(c) IS NOT NULL', q{JSON_VALUE(jsonb ''1'', ''$'' RETURNING m.little) IS NOT NULL} if $node->pg_version >= 17;
	for my $where (@conditions)
	{
		like(syncs(qq{'m.felt', '{"mode": "full", "where": "$where", "table_map": {"m.felt": "a.kinds"}}'}), qr/what belongs to type .* would run with the rights of role "alice"|function m\.\S+ would run/, "where $where");
		is(prize(), '', 'nothing ran');
	}
	for my $pair ([ 'a.lists', 'm.int_lists' ])
	{
		like(syncs(qq{'$pair->[0]', '{"mode": "full", "table_map": {"$pair->[0]": "$pair->[1]"}}'}), qr/would run with the rights of role "alice"/, "$pair->[1]: refused");
		is(prize(), '', 'nothing ran');
	}
	# what is of no type of others is no reason
	unlike(syncs(q{'m.felt', '{"mode": "full", "where": "to_jsonb(id) IS NOT NULL AND row_to_json(ROW(id, v)::a.plain) IS NOT NULL AND count(c) OVER () > 0 IS NULL", "table_map": {"m.felt": "a.kinds"}}'}), qr/would run/, 'functions of the table\'s plain columns');
	unlike(syncs(q{'m.felt', '{"mode": "full", "where": "to_jsonb(id) IS NOT NULL AND jsonb_build_array(v, id)->>0 = ''x''", "table_map": {"m.felt": "a.kinds"}}'}), qr/ERROR/, 'a condition with JSON of plain columns');
	is(sql('SELECT count(*) FROM a.kinds'), '1', 'syncs the row');
	as('mallory', 'DROP TABLE m.felt, m.int_lists');
	as('alice', 'DROP TABLE a.kinds, a.lists, a.plain');
};

subtest 'operators that the planner exchanges' => sub {
	as('mallory', q{
		CREATE FUNCTION m.differs(int, int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM m.evil('negator'); RETURN $1 <> $2; END $$;
		CREATE OPERATOR m.= (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq, NEGATOR = OPERATOR(m.<>), COMMUTATOR = OPERATOR(m.=));
		CREATE OPERATOR m.<> (LEFTARG = int, RIGHTARG = int, FUNCTION = m.differs, NEGATOR = OPERATOR(m.=));
		CREATE TABLE m.negated (id int PRIMARY KEY, v text, CHECK (NOT (id OPERATOR(m.=) 5)));
		CREATE TABLE m.listed_not (id int PRIMARY KEY, v text, CHECK (NOT (id OPERATOR(m.=) ANY (ARRAY[5, 6]))));
		CREATE TABLE m.in_index_not (id int PRIMARY KEY, v text); CREATE INDEX ON m.in_index_not (v) WHERE NOT (id OPERATOR(m.=) 5);
		GRANT ALL ON m.negated, m.listed_not, m.in_index_not TO alice; GRANT USAGE ON SCHEMA m TO alice});
	as('alice', q{CREATE TABLE a.numbers_of (id int PRIMARY KEY, v text); INSERT INTO a.numbers_of VALUES (1, 'x'); GRANT SELECT ON a.numbers_of TO mallory; CREATE TABLE a.into (id int PRIMARY KEY, v text)});
	prize();
	for my $table ('negated', 'listed_not', 'in_index_not')
	{
		like(syncs(qq{'a.numbers_of', '{"mode": "full", "table_map": {"a.numbers_of": "m.$table"}}'}), qr/would run with the rights of role "alice"/, "$table: refused");
		is(prize(), '', 'nothing ran');
	}
	like(syncs(q{'a.numbers_of', '{"mode": "full", "where": "NOT (id OPERATOR(m.=) 5)", "table_map": {"a.numbers_of": "a.into"}}'}), qr/operator m\.=\S* would run with the rights of role "alice"/, 'in a where');
	is(prize(), '', 'nothing ran');
	for my $capture ('poll', 'trigger')
	{
		for my $table ('a.numbers_of', 'm.negated')
		{
			like(says_to('mallory', qq{SELECT pythia.create_cdc_worker('w', '{$table}', timestamp_column => 'id', options => '{"capture": "$capture", "where": "NOT (id OPERATOR(m.=) 5)"}')}),
				qr/a condition cannot use an operator that does not come with PostgreSQL|permission denied for table/, "where of $table by $capture");
			is(prize(), '', 'nothing ran');
		}
	}
	as('mallory', 'DROP TABLE m.negated, m.listed_not, m.in_index_not; DROP OPERATOR m.= (int, int), m.<> (int, int)');
	as('alice', 'DROP TABLE a.numbers_of, a.into');
};

subtest 'constants that are read beside a column, and what an index makes' => sub {
	as('mallory', q{
		CREATE FUNCTION m.noting(anyelement) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM m.evil('constant'); RETURN true; END $$;
		CREATE DOMAIN m.tag AS text CHECK (m.noting(VALUE)); CREATE TYPE m.two AS (a m.tag, b int); CREATE TYPE m.feeling2 AS ENUM ('a', 'b');
		CREATE FUNCTION m.says(m.feeling2) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM m.evil('cast to text'); RETURN 'a'; END $$;
		CREATE CAST (m.feeling2 AS text) WITH FUNCTION m.says(m.feeling2); CREATE FUNCTION m.takes(m.tag[]) RETURNS bool LANGUAGE sql AS 'SELECT true';
		CREATE TABLE m.tagged (id int PRIMARY KEY, v text, tags m.tag[], pair m.two, f m.feeling2); INSERT INTO m.tagged VALUES (1, 'x', NULL, NULL, 'a');
		CREATE TABLE m.made (id int PRIMARY KEY, v text); CREATE INDEX ON m.made USING gist ((CASE WHEN id > 5 THEN '[1,2)'::m.apart ELSE '[5,9)'::m.apart END));
		GRANT ALL ON m.tagged, m.made TO alice});
	as('alice', q{CREATE TABLE a.tagged (id int PRIMARY KEY, v text); CREATE TABLE a.many (id int PRIMARY KEY, v text); INSERT INTO a.many SELECT g, 'x' FROM generate_series(1, 2000) g});
	prize();
	for my $where (q{tags @> ''{vip}''}, q{tags = ''{vip}''}, q{''vip'' = ANY (tags)}, q{coalesce(pair, ''(1,2)'') IS NOT NULL}, q{pair = ''(1,2)''}, q{tags IN (''{a}'', ''{b}'')}, q{array_append(tags, ''a'') IS NULL}, q{f || ''-x'' = ''a-x''},
		q{(SELECT o.tags FROM m.tagged o LIMIT 1) = ''{a}''}, q{''{a}'' = ANY (SELECT o.tags FROM m.tagged o)}, q{coalesce(tagged.*, ''(1,x,{a},,)'') IS NOT NULL},
		q{EXISTS (SELECT FROM (SELECT tags AS x FROM m.tagged) s WHERE s.x = ''{a}'')}, q{EXISTS (SELECT tags FROM m.tagged UNION SELECT ''{a}'')}, q{m._tag(''{a}'') IS NOT NULL}, q{m.takes(''{a}'')},
		q{coalesce(tagged, ''(1,x,{a},,)'') IS NOT NULL}, q{EXISTS (SELECT FROM m.tagged o WHERE o.tags = ''{a}'')}, q{CASE WHEN id = 1 THEN tags ELSE ''{a}'' END IS NULL})
	{
		for my $role ('alice', $admin)
		{
			my $said = says_to($role, qq{SELECT pythia.sync_between('local', 'local', 'm.tagged', '{"mode": "full", "where": "$where", "exclude_columns": ["tags", "pair", "f"], "table_map": {"m.tagged": "a.tagged"}}')});
			like($said, qr/with the rights of role|ERROR/, "$role: where $where") if $role eq 'alice' && $where !~ /ANY \(tags\)/; # that is read as the text below the domain
			is(prize(), '', "$role: nothing ran of $where");
		}
	}
	# of a capture, as whoever creates or alters the worker
	for my $where (q{m._tag(''{a}'') IS NOT NULL}, q{m.takes(''{a}'')})
	{
		says_to('mallory', qq{SELECT pythia.create_cdc_worker('w', '{m.tagged}', timestamp_column => 'id', options => '{"where": "$where"}')});
		sql('TRUNCATE m.calls');
		says_to($admin, q{SELECT pythia.alter_cdc_worker('w', poll_interval => '5 s')});
		is(prize(), '', "nothing ran of where $where");
		says_to('mallory', q{SELECT pythia.drop_cdc_worker('w')});
	}
	unlike(syncs(q{'m.tagged', '{"mode": "full", "where": "id = ''1'' AND tags IS NULL AND v = ''x''", "exclude_columns": ["tags", "pair", "f"], "table_map": {"m.tagged": "a.tagged"}}'}), qr/ERROR/, 'constants beside other columns are no reason');
	is(sql('SELECT count(*) FROM a.tagged'), '1', 'the row is there');
	like(syncs(q{'a.many', '{"mode": "full", "table_map": {"a.many": "m.made"}}'}), qr/an index on an expression of table "made" would run/, 'an index over ranges that no column has');
	is(prize(), '', 'nothing ran');
	as('mallory', 'DROP TABLE m.tagged, m.made');
	as('alice', 'DROP TABLE a.tagged, a.many');
};

subtest 'a server by the name of this database' => sub {
	as('alice', q{CREATE TABLE a.one_to (id int PRIMARY KEY); CREATE TABLE a.one_from (id int PRIMARY KEY); SELECT pythia.create_sync_worker('own', 'local', 'local', '{"mode": "full", "table_map": {"a.one_from": "a.one_to"}}', '{a.one_from}')});
	as('mallory', q{CREATE SERVER "local" FOREIGN DATA WRAPPER pythia_db OPTIONS (url 'sqlite:///x')});
	unlike(says_to('alice', q{SELECT error FROM pythia.sync_all_tables('own')}), qr/ERROR|belongs/, 'keeps no worker from it');
	as('alice', q{SELECT pythia.drop_sync_worker('own'); DROP TABLE a.one_to, a.one_from});
	as('mallory', 'DROP SERVER "local"');
};

subtest 'a tablespace that one may not use' => sub {
	my $folder = PostgreSQL::Test::Utils::tempdir();
	sql("CREATE TABLESPACE guarded LOCATION '$folder'");
	as('alice', q{CREATE TABLE a.kept (id int PRIMARY KEY, updated_at timestamptz)});
	like(says_to('alice', q{SET default_tablespace = guarded; CREATE TABLE a.nope (id int)}), qr/permission denied for tablespace/, 'it is not alice\'s');
	says_to('alice', q{SET default_tablespace = guarded; SELECT pythia.create_cdc_worker('kept', '{a.kept}', options => '{"track": "rows"}')});
	is(sql(q{SELECT count(*) FROM pg_class WHERE reltablespace = (SELECT oid FROM pg_tablespace WHERE spcname = 'guarded')}), '0', 'nothing of hers is made there for her');
	as('alice', q{SELECT pythia.drop_cdc_worker('kept'); DROP TABLE a.kept});
	sql('DROP TABLESPACE guarded');
};

# whoever adds a partition makes its trigger, so the functions of capture are open to all
subtest 'partitions under trigger capture, and triggers forged' => sub {
	# as alice: the log would lie in her schema, and she would get our rights by another table in its place
	my $url = pg_url($node) . '?options=-c%20role=alice';
	as('alice', q{CREATE TABLE a.orders (id int PRIMARY KEY, v text) PARTITION BY RANGE (id); CREATE TABLE a.orders_1 PARTITION OF a.orders FOR VALUES FROM (0) TO (10);
		CREATE TABLE a.orders_3 (id int PRIMARY KEY, v text)});
	sql(q{GRANT USAGE ON SCHEMA a TO mallory});
	sql(qq{SELECT pythia.create_cdc_worker('near', '{a.orders}', options => '{"capture": "trigger"}');
		SELECT pythia.create_cdc_worker('far', '{a.orders}', '$url', options => '{"capture": "trigger"}')});
	unlike(says_to('alice', q{CREATE TABLE a.orders_2 PARTITION OF a.orders FOR VALUES FROM (10) TO (20); ALTER TABLE a.orders ATTACH PARTITION a.orders_3 FOR VALUES FROM (20) TO (30)}), qr/ERROR/,
		'the owner, who is not the worker\'s, adds partitions as before');
	as('alice', q{GRANT INSERT, TRIGGER ON a.orders_2 TO mallory; INSERT INTO a.orders VALUES (15, 'two'), (25, 'three'); ALTER TABLE a.orders DETACH PARTITION a.orders_3; INSERT INTO a.orders_3 VALUES (27, 'no more')});
	my ($function, $log) = split(/\|/, sql(q{SELECT p.oid::regprocedure, regexp_replace(proname, '_f$', '') FROM pg_proc p WHERE pronamespace = 'a'::regnamespace AND prosecdef}));
	like($function, qr/^a\.pythia_log/, 'the function over there');
	my $near = sql(q{SELECT table_id FROM pythia.cdc_table t JOIN pythia.worker w USING (worker_id) WHERE w.name = 'near'});
	# on a table of his own, and a second time on what he may trigger
	for my $table ('m.forged', 'a.orders_2')
	{
		as('mallory', 'CREATE TABLE m.forged (id int PRIMARY KEY, v text)') if $table eq 'm.forged';
		unlike(says_to('mallory', qq{CREATE TRIGGER x AFTER INSERT ON $table FOR EACH ROW EXECUTE FUNCTION $function; CREATE TRIGGER y AFTER INSERT ON $table FOR EACH ROW EXECUTE FUNCTION pythia._capture($near)}), qr/ERROR/, "$table: triggers of mallory's");
	}
	as('mallory', qq{CREATE TRIGGER " ${log}_r" AFTER INSERT ON m.forged FOR EACH ROW EXECUTE FUNCTION $function;
		CREATE TRIGGER " ${log}_t" AFTER TRUNCATE ON m.forged FOR EACH STATEMENT EXECUTE FUNCTION $function;
		CREATE TRIGGER "\x01 pythia_capture_$near" AFTER INSERT ON m.forged FOR EACH ROW EXECUTE FUNCTION pythia._capture($near);
		CREATE TRIGGER "\x01 pythia_truncate_$near" AFTER TRUNCATE ON m.forged FOR EACH STATEMENT EXECUTE FUNCTION pythia._capture($near)});
	as('mallory', q{INSERT INTO m.forged VALUES (99, 'forged'); TRUNCATE m.forged; INSERT INTO a.orders_2 VALUES (16, 'once')});
	for my $worker ('near', 'far')
	{
		is(sql(qq{SELECT string_agg(change_type || primary_key::text, ' ' ORDER BY change_id) FROM pythia.consume_changes('$worker')}), 'INSERT{"id": 15} INSERT{"id": 25} INSERT{"id": 16}',
			"$worker: what is written into the table and its partitions is told, once, and nothing else");
	}
	sql(q{SELECT pythia.drop_cdc_worker('near')});
	unlike(says_to($admin, q{SELECT pythia.drop_cdc_worker('far')}), qr/ERROR/, 'forged triggers keep no worker from being dropped');
	as('alice', 'DROP TABLE a.orders, a.orders_3');
	as('mallory', 'DROP TABLE m.forged');
};

subtest 'the name of a schema while what is in it is read' => sub {
	as('alice', q{CREATE TABLE m.read (id int PRIMARY KEY, updated_at timestamptz DEFAULT now()); CREATE INDEX ON m.read (updated_at)});
	sql(q{SELECT pythia.create_cdc_worker('reads', '{m.read}', options => '{"track": "rows"}')});
	as('alice', 'INSERT INTO m.read VALUES (1)');
	as($admin, q{BEGIN; SELECT pythia.poll('reads')});
	like(says_to('mallory', q{SET lock_timeout = '100ms'; ALTER SCHEMA m RENAME TO other}), qr/lock timeout/, 'is not given away');
	as($admin, 'COMMIT');
	is(sql(q{SELECT count(*) FROM pythia.consume_changes('reads')}), '1', 'the row is told');
	sql(q{SELECT pythia.drop_cdc_worker('reads')});
	as('alice', 'DROP TABLE m.read');
};

# what one table's owner does to it is that table's trouble
subtest 'captured tables of somebody who means harm' => sub {
	my $told = sub { return sql("SELECT string_agg(\"table\" || ' ' || change_type, ' ' ORDER BY change_id) FROM pythia.consume_changes('$_[0]')"); };
	as('mallory', q{CREATE TABLE m.old (id int PRIMARY KEY, v text); CREATE TABLE m.taken (id int PRIMARY KEY); CREATE TABLE m.given (id int PRIMARY KEY);
		CREATE TABLE m.parts (id int PRIMARY KEY) PARTITION BY RANGE (id); GRANT SELECT, TRIGGER ON m.old, m.taken, m.given, m.parts TO alice});
	as('alice', q{CREATE TABLE a.mine (id int PRIMARY KEY);
		SELECT pythia.create_cdc_worker('mixed', '{m.old,m.taken,m.given,m.parts,a.mine}', options => '{"capture": "trigger"}')});
	as('mallory', 'INSERT INTO m.old VALUES (1); BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM m.old');
	sql('REVOKE SELECT ON m.old FROM alice; INSERT INTO m.old VALUES (2)');
	unlike(says_to('mallory', 'INSERT INTO m.old VALUES (3)'), qr/ERROR/, 'capture of a table ends, and writers go on');
	my $mallory = $sessions{mallory};
	$mallory->try('INSERT INTO m.old VALUES (4); COMMIT; INSERT INTO m.old VALUES (5); SELECT pg_backend_pid()');
	unlike($mallory->{error}, qr/ERROR/, 'also one whose snapshot does not show that') or diag $mallory->{error};
	is(as('mallory', 'SELECT pg_backend_pid()'), $mallory->{pid}, 'and nothing that is gone is used');
	as('alice', 'INSERT INTO a.mine VALUES (1)');
	is($told->('mixed'), 'old INSERT mine INSERT', 'what was captured until then');

	as('mallory', 'DROP TABLE m.taken; ALTER TABLE m.given RENAME TO taken');
	as('alice', 'INSERT INTO a.mine VALUES (2)');
	is($told->('mixed'), 'mine INSERT', 'a table that gets the name of another one is no matter of a third');
	is(sql(q{SELECT reason FROM pythia.stat_cdc WHERE worker = 'mixed' AND "table" = 'given' AND NOT active}), 'it is m.taken now, in the place of another table of the worker', 'and its capture stops');

	my $id = sql(q{SELECT table_id FROM pythia.cdc_table WHERE table_name = 'parts'});
	as('mallory', qq{CREATE TABLE m.parts_1 PARTITION OF m.parts FOR VALUES FROM (0) TO (10); CREATE FUNCTION m.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
		CREATE TRIGGER "\x01 pythia_truncate_$id" BEFORE TRUNCATE ON m.parts_1 EXECUTE FUNCTION m.nothing()});
	as('alice', 'INSERT INTO a.mine VALUES (3)');
	is($told->('mixed'), 'mine INSERT', 'nor is a trigger that takes the name of ours');
	like(sql(q{SELECT reason FROM pythia.stat_cdc WHERE worker = 'mixed' AND "table" = 'parts' AND NOT active}), qr/already exists/, 'that table stops');

	as('mallory', qq{DROP TRIGGER "\x01 pythia_truncate_$id" ON m.parts_1});
	sql(q{SELECT pythia.start_cdc('mixed'); SELECT pythia.stop_cdc('mixed')});
	sql('CREATE SCHEMA held AUTHORIZATION mallory; GRANT CREATE ON DATABASE postgres TO mallory');
	as('mallory', 'CREATE TABLE held.parts_2 PARTITION OF m.parts FOR VALUES FROM (10) TO (20)');
	as('mallory', 'BEGIN; ALTER SCHEMA held RENAME TO elsewhere');
	as('alice', q{INSERT INTO a.mine VALUES (4); SET statement_timeout = '20s'});
	is(as('alice', q{SELECT string_agg("table" || ' ' || change_type, ' ') FROM pythia.consume_changes('mixed')}), 'mine INSERT', 'nor is a schema that is being renamed');
	as('alice', 'RESET statement_timeout');
	as('mallory', 'COMMIT; BEGIN; SELECT 1 FROM m.parts');
	like(says_to('alice', q{SELECT pythia.drop_cdc_worker('mixed')}), qr/ERROR:  the triggers on table "m.parts" cannot be dropped just now\nDETAIL:.*\nHINT:  Try again/, 'who drops the worker does not wait for ever');
	as('mallory', 'COMMIT');
	as('alice', q{SELECT pythia.drop_cdc_worker('mixed'); DROP TABLE a.mine});
	as('mallory', 'DROP TABLE m.old, m.taken, m.parts; DROP SCHEMA elsewhere; DROP FUNCTION m.nothing');
	sql('REVOKE CREATE ON DATABASE postgres FROM mallory');
};

done_testing();
