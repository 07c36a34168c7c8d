# Functions of users that run in the midst of a verb (a view that is read, a trigger of what is written) meddle with it:
# they find none of its cursors, begin no other verb, and what they alter is seen before another row is stored.
use strict;
use warnings;
use Pythia::Session;
use Pythia::Test;
use Test::More;

my $node = pg_node('within');
$node->append_conf('pg_hba.conf', "local all all trust\n");
$node->reload;
$node->safe_psql('postgres', q{
	CREATE ROLE mallory LOGIN; SELECT pythia.grant_use('mallory'); CREATE SCHEMA m AUTHORIZATION mallory;
	SET ROLE mallory;
	CREATE TABLE m.log (what text);
	CREATE TABLE m.src (id int PRIMARY KEY, n bigint, pad text);
	INSERT INTO m.src SELECT i, 4702111234474983745, repeat('x', 1000) FROM generate_series(1, 12000) i;
	-- whatever cursor is open is closed, and another one put in its place; all of them, by CLOSE ALL
	CREATE FUNCTION m.exchange(one bool) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE p text; c refcursor;
	BEGIN
		FOR p IN SELECT name FROM pg_cursors WHERE name LIKE '%pythia%' LOOP
			INSERT INTO m.log VALUES ('saw a cursor');
			EXECUTE format('CLOSE %I', p);
			c := p;
			OPEN c FOR SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid() FROM generate_series(1, 100);
		END LOOP;
		c := 'pythia_db stream 1';
		BEGIN
			FETCH c INTO p;
			INSERT INTO m.log VALUES ('read ' || p);
		EXCEPTION WHEN invalid_cursor_name THEN
			INSERT INTO m.log VALUES ('found no cursor');
		END;
		IF NOT one THEN
			EXECUTE 'CLOSE ALL';
			INSERT INTO m.log VALUES ('closed all');
		END IF;
	END $$});
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
my $mallory = Pythia::Session->new($node, 'postgres', 'mallory');

# What a statement of hers makes of it: its result, or SQLSTATE and message. In a session that stays.
sub outcome
{
	my ($statement) = @_;
	return $mallory->do(qq{DO \$do\$ BEGIN $statement; EXCEPTION WHEN OTHERS THEN INSERT INTO m.log VALUES (SQLSTATE || ' ' || SQLERRM); END \$do\$});
}

sub seen
{
	my $seen = $node->safe_psql('postgres', q{SELECT string_agg(DISTINCT what, '; ' ORDER BY what) FROM m.log});
	$node->safe_psql('postgres', 'TRUNCATE m.log');
	return $seen;
}

sub sync { my ($from, $to) = @_; return qq{PERFORM pythia.sync_between('local', 'local', '$from', '{"mode": "full", "key": ["id"], "table_map": {"$from": "$to"}}')}; }

subtest 'cursors' => sub {
	$mallory->do(q{
		CREATE TABLE m.dst (id int PRIMARY KEY, n bigint, pad text);
		CREATE FUNCTION m.on_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.id = 3 THEN PERFORM m.exchange(current_setting('m.one', true) = 'on'); END IF; RETURN NEW; END $$;
		CREATE TRIGGER t BEFORE INSERT ON m.dst FOR EACH ROW EXECUTE FUNCTION m.on_row()});
	$mallory->do("SET m.one = 'on'");
	outcome(sync('m.src', 'm.dst'));
	is(seen(), 'found no cursor', 'a trigger of the target sees no cursor of ours, and finds none by its name');
	is($node->safe_psql('postgres', 'SELECT count(*), min(n), max(n) FROM m.dst'), '12000|4702111234474983745|4702111234474983745', 'every row has arrived');
	$mallory->do("SET m.one = 'off'; TRUNCATE m.dst");
	outcome(sync('m.src', 'm.dst'));
	like(seen(), qr/^24000 the rows that were read are lost/, 'where it closes all cursors the sync fails');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM m.dst'), 0, 'and leaves nothing');
	$mallory->do(q{
		CREATE TABLE m.other (LIKE m.src INCLUDING ALL); INSERT INTO m.other SELECT * FROM m.src WHERE id % 3 > 0;
		CREATE FUNCTION m.on_read(i int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN IF i IN (1, 6000) THEN PERFORM m.exchange(true); END IF; RETURN i; END $$;
		CREATE VIEW m.seen AS SELECT m.on_read(id) AS id, n, pad FROM m.src});
	outcome(q{INSERT INTO m.log SELECT 'differences ' || count(*) FROM pythia.differences_between('local', 'local', 'm.seen', '{"method": "rows", "key": ["id"], "table_map": {"m.seen": "m.other"}}')});
	is(seen(), 'differences 4000; found no cursor', 'nor does a view that is compared');
};

# A table of the admin's refers to one of hers: her partial index is looked at, as her, in the midst of his sync.
subtest 'cursors of an administrator' => sub {
	$mallory->do(q{
		CREATE TABLE m.customers (id int PRIMARY KEY); INSERT INTO m.customers SELECT generate_series(0, 9);
		GRANT REFERENCES, SELECT ON m.customers TO postgres;
		CREATE FUNCTION m.own() RETURNS int LANGUAGE plpgsql AS $$ BEGIN INSERT INTO m.log VALUES ('as ' || current_user); IF current_user <> 'mallory' THEN ALTER ROLE mallory SUPERUSER; END IF; RETURN 1; END $$;
		CREATE FUNCTION m.note() RETURNS int LANGUAGE plpgsql AS $$
		DECLARE p text; c refcursor;
		BEGIN
			INSERT INTO m.log VALUES ('looked as ' || current_user);
			FOR p IN SELECT name FROM pg_cursors WHERE name LIKE '%pythia%' UNION SELECT 'pythia_db stream ' || i FROM generate_series(1, 30) i LOOP
				BEGIN
					c := p;
					CLOSE c;
					OPEN c FOR SELECT 999999, m.own(), 'x'::text;
				EXCEPTION WHEN invalid_cursor_name THEN NULL;
				END;
			END LOOP;
			RETURN 0;
		END $$;
		CREATE FUNCTION m.evil() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN m.note(); END $$;
		CREATE INDEX ON m.customers (id) WHERE m.evil() = 0;
		TRUNCATE m.log});
	$node->safe_psql('postgres', q{CREATE TABLE public.orders_src (id int PRIMARY KEY, customer int, pad text); INSERT INTO public.orders_src SELECT i, i % 10, repeat('x', 1000) FROM generate_series(1, 12000) i; CREATE TABLE public.orders (id int PRIMARY KEY, customer int REFERENCES m.customers, pad text)});
	$node->psql('postgres', q{SELECT pythia.sync_between('local', 'local', 'public.orders_src', '{"mode": "full", "table_map": {"public.orders_src": "public.orders"}}')});
	unlike(seen() // '', qr/as postgres/, 'nothing of hers runs as somebody else');
	is($node->safe_psql('postgres', q{SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'}), 'f', 'she is what she was');
};

subtest 'a target that is altered' => sub {
	my %alter = (
		'another type' => q{ALTER TABLE m.target ALTER n TYPE bytea USING ''},
		'a column more' => 'ALTER TABLE m.target ADD more int DEFAULT 7',
		'a condition' => 'ALTER TABLE m.target ADD CHECK (id > 0)',
		'a trigger' => 'CREATE TRIGGER t BEFORE INSERT ON m.target FOR EACH ROW EXECUTE FUNCTION m.on_row()',
		'an index' => 'CREATE INDEX ON m.target (n)');
	for my $how (sort keys %alter)
	{
		$mallory->do(qq{
			CREATE TABLE m.target (id int PRIMARY KEY, n bigint, pad text);
			CREATE OR REPLACE FUNCTION m.alter_it(i int) RETURNS int LANGUAGE plpgsql AS \$\$ BEGIN IF i = 1500 THEN $alter{$how}; END IF; RETURN i; END \$\$;
			CREATE OR REPLACE VIEW m.altering AS SELECT m.alter_it(id) AS id, n, pad FROM m.src});
		outcome(sync('m.altering', 'm.target'));
		like(seen(), qr/^55006 /, "$how in the midst of a load ends it");
		is($node->safe_psql('postgres', 'SELECT count(*) FROM m.target'), 0, 'which leaves nothing');
		$mallory->do('DROP TABLE m.target');
	}
};

subtest 'verbs within verbs' => sub {
	$mallory->do(q{
		CREATE TABLE m.inner_src (id int PRIMARY KEY, pad text); INSERT INTO m.inner_src SELECT i, repeat('y', 1000) FROM generate_series(1, 9000) i;
		CREATE TABLE m.inner_dst (id int PRIMARY KEY, pad text);
		CREATE TABLE m.captured (id int PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now());
		CREATE FUNCTION m.begin_another(verb text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE verb; INSERT INTO m.log VALUES ('done: ' || verb); EXCEPTION WHEN OTHERS THEN INSERT INTO m.log VALUES (SQLSTATE); END $$;
		CREATE FUNCTION m.within(i int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN IF i = 3 THEN PERFORM m.begin_another(current_setting('m.verb')); END IF; RETURN i; END $$;
		CREATE FUNCTION m.within() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM m.within(NEW.id); RETURN NEW; END $$;
		CREATE VIEW m.polled AS SELECT m.within(id) AS id, updated_at FROM m.captured;
		SELECT pythia.create_cdc_worker('poller', '{m.polled}', options => '{"key": ["id"], "track": "none"}');
		TRUNCATE m.dst; DROP TRIGGER t ON m.dst; CREATE TRIGGER t BEFORE INSERT ON m.dst FOR EACH ROW EXECUTE FUNCTION m.within()});
	my %verbs = (
		poll => q{SELECT pythia.poll('poller')},
		alter => q{SELECT pythia.alter_cdc_worker('poller', options => '{"delete_interval": 7}')},
		start => q{SELECT pythia.start_cdc('poller')},
		stop => q{SELECT pythia.stop_cdc('poller')},
		drop => q{SELECT pythia.drop_cdc_worker('poller')},
		sync => q{SELECT pythia.sync_between('local', 'local', 'm.inner_src', '{"mode": "full", "table_map": {"m.inner_src": "m.inner_dst"}}')},
		validate => q{SELECT pythia.validate_between('local', 'local', 'm.inner_src', '{"table_map": {"m.inner_src": "m.inner_dst"}}')},
		consume => q{SELECT pythia.consume_changes('poller')},
		disconnect => q{SELECT pythia.disconnect()});
	my %within = (
		'a sync' => sub { outcome('TRUNCATE m.dst; ' . sync('m.src', 'm.dst')); return $node->safe_psql('postgres', 'SELECT count(*) = 12000 FROM m.dst'); },
		'a poll' => sub { $mallory->do('INSERT INTO m.captured VALUES (3) ON CONFLICT (id) DO UPDATE SET updated_at = clock_timestamp()'); outcome(q{PERFORM pythia.poll('poller')}); return 't'; },
		'a validation' => sub { outcome(q{PERFORM pythia.validate_between('local', 'local', 'm.polled', '{"method": "rows", "key": ["id"], "table_map": {"m.polled": "m.captured"}}')}); return 't'; });
	for my $verb (sort keys %verbs)
	{
		(my $quoted = $verbs{$verb}) =~ s/'/''/g;
		$mallory->do("SET m.verb = '$quoted'");
		for my $at (sort keys %within)
		{
			is($within{$at}->(), 't', "$at ends well");
			is(seen(), '55006', "$verb within $at is refused");
		}
	}
	# and in a worker's process
	$node->safe_psql('postgres', 'TRUNCATE m.log');
	$mallory->do(q{CREATE OR REPLACE FUNCTION m.within(i int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM m.begin_another('SELECT pythia.disconnect()'); RETURN i; END $$; SELECT pythia.alter_cdc_worker('poller', poll_interval => '0.1 s'); SELECT pythia.start_cdc('poller'); INSERT INTO m.captured VALUES (3) ON CONFLICT (id) DO UPDATE SET updated_at = clock_timestamp()});
	ok(wait_for($node, 'SELECT EXISTS (SELECT FROM m.log)'), 'a worker polls it');
	is(seen(), '55006', 'where it is refused, too');
	# but a handler may do as it likes
	$mallory->do(q{
		CREATE FUNCTION m.handle(pythia.database_change) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM m.begin_another('SELECT pythia.poll(''poller'')'); RETURN NULL; END $$;
		CREATE TABLE m.handled (id int PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now());
		SELECT pythia.create_cdc_worker('handling', '{m.handled}', handler => 'm.handle', poll_interval => '0.1 s');
		SELECT pythia.start_cdc('handling'); INSERT INTO m.handled VALUES (1)});
	ok(wait_for($node, q{SELECT EXISTS (SELECT FROM m.log WHERE what LIKE 'done: %poll%')}), 'a handler polls another worker');
	$mallory->do("SELECT pythia.drop_cdc_worker('handling'); SELECT pythia.drop_cdc_worker('poller')");
};

is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'no process of the server has crashed');
done_testing;
