# A role that owns a table, its types and what hangs on them gets no more rights by that, whoever captures the table.
use strict;
use warnings;
use Pythia::Session;
use Pythia::Test;
use Test::More;

my $node = pg_node('attack', 'pythia_db.databases' => 'postgres');
$node->append_conf('pg_hba.conf', "local all all trust\n");
my $admin = scalar getpwuid $<;

# one session a role: hundreds of new ones would take minutes on a busy machine
my %sessions;
sub as { my ($role, $text) = @_; return ($sessions{$role} //= Pythia::Session->new($node, 'postgres', $role))->do($text); }
sub sql { return as($admin, $_[0]); }
sub try_as { my ($role, $text) = @_; my ($rc, $out, $err) = $node->psql('postgres', $text, extra_params => ['-U', $role]); return ($out // '') . ($err // ''); }

# evil() writes down as whom it was called, and takes what it can.
sql(qq{
	CREATE ROLE mallory LOGIN; CREATE ROLE alice LOGIN; CREATE ROLE intern LOGIN;
	SELECT pythia.grant_use('mallory'); SELECT pythia.grant_use('alice');
	CREATE SCHEMA m AUTHORIZATION mallory; CREATE SCHEMA a AUTHORIZATION alice;
	GRANT USAGE, CREATE ON SCHEMA m TO alice; GRANT USAGE ON SCHEMA a TO mallory;
	CREATE TABLE public.prey (secret text); INSERT INTO prey VALUES ('jewels')});
as('mallory', q{
	CREATE TABLE m.calls (who name, by name, how text);
	GRANT INSERT, SELECT ON m.calls TO PUBLIC;
	CREATE FUNCTION m.evil(how text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
		IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN EXECUTE 'ALTER ROLE mallory SUPERUSER'; END IF;
		BEGIN INSERT INTO m.calls VALUES (current_user, session_user, how); EXCEPTION WHEN OTHERS THEN NULL; END;
		RETURN true; END $$;
	CREATE FUNCTION m.evil_now(how text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN m.evil(how); END $$});

# What ran as somebody else than mallory since the last time; the prize is taken back, so that each attack is told.
sub prize
{
	my $got = sql("SELECT string_agg(DISTINCT who || ': ' || how, ', ') FROM m.calls WHERE who <> 'mallory'");
	my $super = sql("SELECT rolname FROM pg_roles WHERE rolname IN ('mallory', 'intern') AND rolsuper");
	sql("ALTER ROLE $_ NOSUPERUSER") for split /\n/, $super;
	sql('TRUNCATE m.calls');
	return join '; ', grep { length } $got, map { "$_ is superuser" } split /\n/, $super;
}
my $n = 0;
sub polled
{
	my ($worker) = @_;
	sql("DO \$\$ BEGIN PERFORM pythia.poll('$worker'); EXCEPTION WHEN insufficient_privilege OR wrong_object_type OR feature_not_supported OR datatype_mismatch OR undefined_function THEN NULL; END \$\$; SELECT count(*) FROM pythia.consume_changes('$worker')");
	return;
}

subtest 'a key that gets a type of its owner\'s' => sub {
	for my $change (
		[ 'a domain', 'CREATE DOMAIN m.d AS int CHECK (m.evil(\'domain\') AND VALUE > 0)', 'm.d' ],
		[ 'a domain over a domain', 'CREATE DOMAIN m.d AS int CHECK (m.evil(\'inner\')); CREATE DOMAIN m.e AS m.d', 'm.e' ],
		[ 'an enum, by a cast', q{CREATE TYPE m.d AS ENUM ('1', '2'); CREATE FUNCTION m.c(int) RETURNS m.d LANGUAGE plpgsql AS 'BEGIN PERFORM m.evil(''cast''); RETURN $1::text::m.d; END'; CREATE CAST (int AS m.d) WITH FUNCTION m.c(int) AS ASSIGNMENT}, 'm.d' ],
		[ 'a row, by a cast', q{CREATE TYPE m.d AS (i int); CREATE FUNCTION m.c(int) RETURNS m.d LANGUAGE plpgsql AS 'BEGIN PERFORM m.evil(''cast''); RETURN ROW($1)::m.d; END'; CREATE CAST (int AS m.d) WITH FUNCTION m.c(int) AS ASSIGNMENT}, 'm.d' ],
		[ 'a range', q{CREATE TYPE m.d AS RANGE (subtype = int); CREATE FUNCTION m.c(int) RETURNS m.d LANGUAGE plpgsql AS 'BEGIN PERFORM m.evil(''cast''); RETURN m.d($1, $1 + 1); END'; CREATE CAST (int AS m.d) WITH FUNCTION m.c(int) AS ASSIGNMENT}, 'm.d' ])
	{
		my ($what, $make, $type) = @$change;
		for my $owner ('mallory', $admin)
		{
			as('mallory', "CREATE TABLE m.t (id int PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now()); CREATE INDEX ON m.t (updated_at); INSERT INTO m.t VALUES (1)");
			as($owner, q{SELECT pythia.create_cdc_worker('k', '{m.t}', options => '{"delete_interval": 0}')});
			as('mallory', "$make; ALTER TABLE m.t ALTER id TYPE $type; TRUNCATE m.calls; UPDATE m.t SET updated_at = clock_timestamp()");
			polled('k');
			polled('k');
			is(prize(), '', "$what, polled for $owner");
			sql("SELECT pythia.drop_cdc_worker('k'); DROP TABLE m.t; DROP TYPE m.d CASCADE; DROP FUNCTION IF EXISTS m.c(int)");
		}
	}
};

# each: what mallory makes, and what of it stands in a table of hers
my @types = (
	[ 'a range', 'CREATE TYPE m.v AS RANGE (subtype = int)', 'm.v', "'[1,2)'", '"[1,2)"' ],
	[ 'an enum', "CREATE TYPE m.v AS ENUM ('ok', 'bad')", 'm.v', "'ok'", '"ok"' ],
	[ 'an array of an enum', "CREATE TYPE m.v AS ENUM ('ok', 'bad')", 'm.v[]', "'{ok,NULL,bad}'", '["ok", null, "bad"]' ],
	[ 'an array of two dimensions', "CREATE TYPE m.v AS ENUM ('ok', 'bad')", 'm.v[]', "'{{ok},{bad}}'", '[["ok"], ["bad"]]' ],
	[ 'a row', 'CREATE TYPE m.r AS RANGE (subtype = int); CREATE TYPE m.v AS (a int, b m.r, c text[])', 'm.v', q{ROW(1, '[1,2)', '{x,y}')}, '{"a": 1, "b": "[1,2)", "c": ["x", "y"]}' ],
	[ 'a domain', 'CREATE DOMAIN m.v AS int', 'm.v', '7', '7' ],
	[ 'an array of a domain', 'CREATE DOMAIN m.v AS numeric', 'm.v[]', "'{1.50,2}'", '[1.50, 2]' ],
	[ 'a domain over a row', 'CREATE TYPE m.r AS (d date); CREATE DOMAIN m.v AS m.r', 'm.v', "ROW('2026-02-01')::m.r", '{"d": "2026-02-01"}' ]);

subtest 'casts of a type\'s owner' => sub {
	for my $case (@types)
	{
		my ($what, $make, $type, $value, $json) = @$case;
		for my $capture ('poll', 'trigger')
		{
			as('mallory', "$make; CREATE TABLE m.t (id int PRIMARY KEY, v $type, updated_at timestamptz NOT NULL DEFAULT now()); CREATE INDEX ON m.t (updated_at)");
			sql(qq{SELECT pythia.create_cdc_worker('c', '{m.t}', options => '{"capture": "$capture", "track": "rows"}')});
			my $i = 0;
			for my $from ($type =~ /\[/ ? ('m.v[]', 'm.v') : ('m.v', 'm.r'))
			{
				next if $from eq 'm.r' && $make !~ /m\.r AS/;
				for my $to ('json', 'jsonb', 'text', 'bytea')
				{
					$i++;
					# a domain's casts are ignored, and told so
					as('mallory', "SET client_min_messages = error; CREATE FUNCTION m.f$i($from) RETURNS $to LANGUAGE plpgsql AS 'BEGIN PERFORM m.evil(''cast of $from to $to''); RETURN ''{}''; END'; CREATE CAST ($from AS $to) WITH FUNCTION m.f$i($from) AS IMPLICIT");
				}
			}
			sql("SET timezone = 'Europe/Berlin'; INSERT INTO m.t VALUES (1, $value)");
			is(sql(q{SELECT new_data->'v' FROM pythia.consume_changes('c')}), $json, "$what by $capture: the value");
			is(prize(), '', "$what by $capture: no function ran");
			sql("SELECT pythia.drop_cdc_worker('c'); DROP TABLE m.t");
			sql("DROP TYPE m.v CASCADE; DROP TYPE IF EXISTS m.r CASCADE");
			sql("DO \$\$ DECLARE f regprocedure; BEGIN FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'm'::regnamespace AND proname ~ '^f[0-9]' LOOP EXECUTE 'DROP FUNCTION ' || f; END LOOP; END \$\$");
		}
	}
};

subtest 'what a table becomes after its capture was set up' => sub {
	my $table = 'CREATE TABLE m.t (id int PRIMARY KEY, x int, updated_at timestamptz NOT NULL DEFAULT now()); CREATE INDEX ON m.t (updated_at)';
	for my $change (
		[ 'a view', q{DROP TABLE m.t; CREATE VIEW m.t AS SELECT 1 AS id, 2 AS x, now() AS updated_at WHERE m.evil('view')}, qr/"t" is a view now, and was a table/ ],
		[ 'a parent of a child with a check', q{CREATE TABLE m.h (CHECK (m.evil_now('check'))) INHERITS (m.t)}, undef ],
		[ 'a table with an index on an expression', q{CREATE FUNCTION m.i(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM m.evil(''index''); RETURN $1; END'; CREATE INDEX ON m.t (m.i(x)); CREATE INDEX ON m.t (m.i(5))}, undef ],
		[ 'a table with a partial index', q{CREATE INDEX ON m.t (x) WHERE m.evil_now('predicate')}, undef ],
		[ 'a table with policies', q{ALTER TABLE m.t ENABLE ROW LEVEL SECURITY; ALTER TABLE m.t FORCE ROW LEVEL SECURITY; CREATE POLICY p ON m.t USING (m.evil('policy'))}, undef ],
		[ 'a table with a generated column', q{ALTER TABLE m.t ADD g boolean GENERATED ALWAYS AS (m.evil_now('generated')) STORED}, undef ],
		[ 'another role\'s', q{GRANT alice TO mallory; ALTER TABLE m.t OWNER TO alice}, qr/"t" belongs to role "alice" now/ ])
	{
		my ($what, $make, $reason) = @$change;
		as('mallory', $table);
		sql(q{SELECT pythia.create_cdc_worker('s', '{m.t}', options => '{"delete_interval": 0, "track": "rows"}'); INSERT INTO m.t VALUES (1, 1)});
		sql('GRANT alice TO mallory') if $make =~ s/GRANT alice TO mallory; //;
		as('mallory', "$make; TRUNCATE m.calls");
		sql('INSERT INTO m.t VALUES (2, 2)') unless $make =~ /VIEW/;
		sql('TRUNCATE m.calls; ALTER ROLE mallory NOSUPERUSER');
		my $told = sql(q{SELECT count(*) FROM pythia.consume_changes('s')});
		is(prize(), '', "$what: nothing ran with more rights");
		if ($reason)
		{
			like(sql("SELECT reason FROM pythia.stat_cdc WHERE worker = 's'"), $reason, "$what: it stopped, and says why");
		}
		else
		{
			is($told, '2', "$what: both rows are told");
		}
		sql("SELECT pythia.drop_cdc_worker('s'); DROP TABLE IF EXISTS m.h; DROP " . ($make =~ /VIEW/ ? 'VIEW' : 'TABLE') . ' m.t; DROP FUNCTION IF EXISTS m.i(int); REVOKE alice FROM mallory');
	}
	# the owner of the worker says that it is meant
	as('mallory', $table);
	sql(q{SELECT pythia.create_cdc_worker('s', '{m.t}'); ALTER TABLE m.t OWNER TO alice; INSERT INTO m.t VALUES (1, 1)});
	sql(q{SELECT count(*) FROM pythia.consume_changes('s')});
	is(sql(q{SELECT active FROM pythia.stat_cdc WHERE worker = 's'}), 'f', 'another owner stops it');
	sql(q{SELECT pythia.start_cdc('s')});
	ok(wait_for($node, q{SELECT captured = 1 FROM pythia.stat_cdc WHERE worker = 's'}), 'start_cdc takes him for right');
	sql(q{SELECT pythia.drop_cdc_worker('s'); DROP TABLE m.t});
};

subtest 'children of other roles, and views over their tables' => sub {
	sql(q{CREATE TABLE public.p (id int, updated_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (id)) PARTITION BY RANGE (id);
		CREATE TABLE public.p1 PARTITION OF public.p FOR VALUES FROM (0) TO (10); CREATE INDEX ON public.p (updated_at);
		ALTER TABLE public.p1 OWNER TO mallory; GRANT USAGE, CREATE ON SCHEMA public TO mallory});
	as('mallory', q{CREATE INDEX ON public.p1 ((m.evil_now('index of a partition'))) WHERE m.evil_now('predicate')});
	my ($rc, $out, $err) = $node->psql('postgres', q{SELECT pythia.create_cdc_worker('p', '{p}')});
	like($err, qr/what role "mallory" has put into "p" would run with the rights of role/, 'a partition of another role is refused');
	like($err, qr/HINT:/, 'with a hint');
	as('mallory', q{CREATE VIEW m.inner AS SELECT 1 AS id, now() AS updated_at WHERE m.evil('inner view'); GRANT SELECT ON m.inner TO PUBLIC});
	sql('CREATE VIEW public.outer AS SELECT * FROM m.inner');
	($rc, $out, $err) = $node->psql('postgres', q{SELECT pythia.create_cdc_worker('p', '{public.outer}', options => '{"key": ["id"]}')});
	is(prize(), '', 'nothing of it ran');
	sql('DROP VIEW public.outer; DROP VIEW m.inner; DROP TABLE public.p');
	# a view of his own is read as himself
	as('mallory', q{CREATE TABLE m.b (id int PRIMARY KEY, updated_at timestamptz DEFAULT now()); INSERT INTO m.b VALUES (1); CREATE VIEW m.w AS SELECT * FROM m.b WHERE m.evil('own view')});
	sql(q{SELECT pythia.create_cdc_worker('p', '{m.w}', options => '{"key": ["id"], "start_from": "beginning"}')});
	is(sql(q{SELECT count(*) FROM pythia.consume_changes('p')}), '1', 'a view is captured with the rights of its owner');
	is(prize(), '', 'and with no more');
	sql(q{SELECT pythia.drop_cdc_worker('p'); DROP VIEW m.w; DROP TABLE m.b});
};

subtest 'conditions' => sub {
	as('mallory', q{
		CREATE TABLE m.t (id int PRIMARY KEY, s text, mood text, updated_at timestamptz NOT NULL DEFAULT now());
		CREATE DOMAIN m.trap AS int CHECK (m.evil('constant'));
		CREATE TYPE m.row_trap AS (x m.trap); CREATE TYPE m.range_trap AS RANGE (subtype = m.trap);
		CREATE FUNCTION m.lower(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM m.evil(''function''); RETURN $1; END';
		CREATE FUNCTION m.eq(text, text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN m.evil(''operator''); END';
		CREATE OPERATOR m.= (LEFTARG = text, RIGHTARG = text, FUNCTION = m.eq)});
	for my $where (q{('(1)')::m.row_trap IS NOT NULL}, q{'1'::m.trap = id}, q{'{1}'::m.trap[] IS NOT NULL}, q{'[1,2)'::m.range_trap IS NOT NULL},
		q{query_to_xml('select m.evil(1::text)', true, true, '') IS NOT NULL}, q{table_to_xml('public.prey', true, true, '') IS NOT NULL},
		q{m.lower(s) = 'x'}, q{s OPERATOR(m.=) 'x'}, q{ts_stat('select 1') IS NOT NULL}, q{jsonb_populate_record(NULL::m.row_trap, '{"x": 1}') IS NOT NULL},
		q{(SELECT m.evil('subquery'))}, q{EXISTS (SELECT FROM prey)}, q{t IS NOT NULL}, q{t::text <> ''}, q{current_user = 'x'}, q{current_setting('primary_conninfo') = ''},
		q{pg_sleep(0) IS NULL}, q{id::m.trap > 0}, q{s::xml IS NOT NULL AND xmlserialize(CONTENT s::xml AS text) = ''}, q{to_jsonb(t) IS NOT NULL})
	{
		for my $capture ('poll', 'trigger')
		{
			my $literal = $where =~ s/\\/\\\\/gr =~ s/"/\\"/gr =~ s/'/''/gr;
			like(try_as('mallory', qq{SELECT pythia.create_cdc_worker('w', '{m.t}', options => '{"capture": "$capture", "where": "$literal"}')}), qr/ERROR/, "$where is refused ($capture)");
		}
	}
	sql('TRUNCATE m.calls');
	# what is meant is taken, and names no type of a user's
	as('mallory', q{CREATE TYPE m.mood AS ENUM ('ok', 'bad', 'so so'); ALTER TABLE m.t ALTER mood TYPE m.mood USING mood::m.mood});
	for my $where (q{mood = 'ok'}, q{mood IN ('ok', 'bad')}, q{mood <> 'bad'::m.mood}, q{lower(s) LIKE 'a%' AND id BETWEEN 1 AND 5}, q{updated_at > '2020-01-01'::timestamptz}, q{updated_at::date >= date '2020-01-01'},
		q{s ~ '^a' OR s IS NULL}, q{CASE WHEN id > 3 THEN s = 'a' ELSE true END}, q{coalesce(s, '') = concat('a', 'b') OR (id, s) = (1, 'a')}, q{greatest(id, 3) = 3})
	{
		my $literal = $where =~ s/'/''/gr;
		for my $capture ('poll', 'trigger')
		{
			as('mallory', qq{SELECT pythia.create_cdc_worker('w', '{m.t}', options => '{"capture": "$capture", "where": "$literal"}')});
			unlike(sql("SELECT condition FROM pythia.cdc_table"), qr/m\.mood/, "$where ($capture)");
			as('mallory', "TRUNCATE m.t; INSERT INTO m.t VALUES (1, 'a', 'ok')");
			is(as('mallory', "SELECT string_agg(new_data->>'mood', ',') FROM pythia.consume_changes('w')"), 'ok', "$where: told ($capture)");
			as('mallory', "SELECT pythia.drop_cdc_worker('w')");
		}
	}
	# the name of its type is given to something else
	as('mallory', q{GRANT ALL ON m.t TO alice; SELECT pythia.create_cdc_worker('w', '{m.t}', options => '{"where": "mood = ''ok''"}'); SELECT pythia.create_cdc_worker('x', '{m.t}', options => '{"capture": "trigger", "where": "mood = ''ok''"}')});
	as('mallory', q{ALTER TABLE m.t DROP mood; DROP TYPE m.mood; CREATE DOMAIN m.mood AS text CHECK (m.evil('rebound')); ALTER TABLE m.t ADD mood m.mood; TRUNCATE m.calls});
	as('mallory', "INSERT INTO m.t (id, s, mood) VALUES (9, 'x', 'ok')");
	polled('w');
	for my $call (q{alter_cdc_worker('w', poll_interval => '1 min')}, q{alter_cdc_worker('x', poll_interval => '1 min')}, q{poll('w')}, q{start_cdc('w')}, q{stop_cdc('w')}, q{retry_failed('w')}, q{seek('w', 'default', 'now')}, q{drop_cdc_worker('w')}, q{drop_cdc_worker('x')})
	{
		$node->psql('postgres', "SELECT pythia.$call");
	}
	is(prize(), '', 'whatever a superuser calls');
	sql('DROP TABLE m.t');
};

subtest 'a table of another, with a worker of one\'s own' => sub {
	as('alice', q{CREATE TABLE a.t (id int PRIMARY KEY, s text, updated_at timestamptz NOT NULL DEFAULT now()); CREATE INDEX ON a.t (updated_at); ALTER TABLE a.t FORCE ROW LEVEL SECURITY; GRANT SELECT ON a.t TO mallory});
	as('mallory', q{SELECT pythia.create_cdc_worker('o', '{a.t}', options => '{"track": "rows", "delete_interval": 0}')});
	as('alice', "INSERT INTO a.t VALUES (1, 'x'), (2, 'y')");
	is(as('mallory', "SELECT count(*) FROM pythia.consume_changes('o')"), '2', 'what one may read is captured');
	as('alice', 'DELETE FROM a.t WHERE id = 1');
	is(as('mallory', "SELECT string_agg(change_type || ' ' || (primary_key->>'id'), ',') FROM pythia.consume_changes('o')"), 'DELETE 1', 'its deletes too');
	as('alice', 'REVOKE SELECT ON a.t FROM mallory; UPDATE a.t SET updated_at = clock_timestamp()');
	is(as('mallory', "SELECT count(*) FROM pythia.consume_changes('o')"), '0', 'and nothing once one may not');
	like(sql("SELECT reason FROM pythia.stat_cdc WHERE worker = 'o'"), qr/permission denied for table t/, 'stat_cdc says that it may not read the table');
	as('mallory', "SELECT pythia.drop_cdc_worker('o')");
	sql('DROP TABLE a.t');
};

subtest 'a pattern, in the background' => sub {
	sql(q{CREATE SCHEMA app; GRANT ALL ON SCHEMA app TO intern; CREATE TABLE app.orders (id int PRIMARY KEY, updated_at timestamptz DEFAULT now());
		SELECT pythia.create_cdc_worker('all_app', '{app.*}', poll_interval => '100 ms'); SELECT pythia.start_cdc('all_app')});
	as('intern', q{SET client_min_messages = error;
		CREATE FUNCTION app.take() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
			IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN ALTER ROLE intern SUPERUSER; END IF; RETURN true; END $$;
		CREATE TYPE app.r AS RANGE (subtype = int);
		CREATE FUNCTION app.j(app.r) RETURNS json LANGUAGE plpgsql AS $$ BEGIN PERFORM app.take(); RETURN '1'; END $$;
		CREATE CAST (app.r AS json) WITH FUNCTION app.j(app.r);
		CREATE FUNCTION app.i(int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN app.take(); END $$;
		CREATE DOMAIN app.d AS int CHECK (app.take());
		CREATE TABLE app.mine (id app.d PRIMARY KEY, r app.r, updated_at timestamptz DEFAULT now());
		CREATE INDEX ON app.mine (app.i(1)); INSERT INTO app.mine VALUES (1, '[1,2)')});
	ok(wait_for($node, "SELECT count(*) = 1 FROM pythia.journal j JOIN pythia.cdc_table t USING (table_id) WHERE t.table_name = 'mine' AND j.new_data->>'r' = '[1,2)'"), 'the table is taken in');
	is(prize(), '', 'and its owner gets nothing by it');
	as('intern', 'BEGIN; DROP TABLE app.mine; CREATE VIEW app.mine AS SELECT 1 AS id, now() AS updated_at WHERE app.take(); COMMIT');
	ok(wait_for($node, "SELECT reason LIKE '%is a view now%' FROM pythia.stat_cdc WHERE \"table\" = 'mine'"), 'a view in its place is not read');
	is(prize(), '', 'nor run');
	sql("SELECT pythia.drop_cdc_worker('all_app'); DROP SCHEMA app CASCADE; DROP ROLE intern");
};

subtest 'tables of others that a superuser syncs and validates' => sub {
	sql('CREATE TABLE public.mine (id int PRIMARY KEY, v text, updated_at timestamptz NOT NULL DEFAULT now()); INSERT INTO mine VALUES (1, $$a$$)');
	my @cases = (
		[ 'a view', 'source', q{CREATE VIEW m.t AS SELECT 1 AS id, 'a'::text AS v, now() AS updated_at WHERE m.evil('view')}, qr/a view's query of table "t" would run with the rights of role/ ],
		[ 'an index on an expression', 'source', q{CREATE INDEX ON m.t ((m.evil_now('index')))}, qr/an index on an expression of table "t" would run/ ],
		[ 'a child with a check', 'source', q{CREATE TABLE m.h (CHECK (m.evil_now('check'))) INHERITS (m.t)}, qr/a check of table "h" would run/ ],
		[ 'a trigger', 'target', q{CREATE FUNCTION m.g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM m.evil(''trigger''); RETURN NEW; END'; CREATE TRIGGER g BEFORE INSERT OR UPDATE ON m.t FOR EACH ROW EXECUTE FUNCTION m.g()}, qr/a trigger of table "t" would run/ ],
		[ 'a default', 'target', q{ALTER TABLE m.t ADD d boolean DEFAULT m.evil('default')}, qr/a default or a generated column of table "t"/ ],
		[ 'a domain', 'target', q{CREATE DOMAIN m.d AS text CHECK (m.evil('domain')); ALTER TABLE m.t ALTER v TYPE m.d}, qr/a column of a domain/ ],
		[ 'a domain that has no check yet', 'target', q{CREATE DOMAIN m.d AS text; ALTER TABLE m.t ALTER v TYPE m.d}, qr/a column of a domain/ ],
		[ 'a multirange', 'target', q{CREATE DOMAIN m.d AS int CHECK (m.evil('multirange')); CREATE TYPE m.r AS RANGE (subtype = m.d, multirange_type_name = m.mr); ALTER TABLE m.t ADD w m.mr}, qr/a column of a domain/ ],
		[ 'a check', 'target', q{ALTER TABLE m.t ADD CHECK (m.evil('check'))}, qr/a check of table "t"/ ],
		[ 'a rule', 'target', q{CREATE RULE r AS ON INSERT TO m.t DO ALSO INSERT INTO m.calls VALUES (current_user, session_user, 'rule')}, qr/a rule of table "t"/ ]);
	for my $case (@cases)
	{
		my ($what, $side, $make, $reason) = @$case;
		my ($from, $to) = $side eq 'source' ? ('m.t', 'public.copy') : ('public.mine', 'm.t');
		as('mallory', 'CREATE TABLE m.t (id int PRIMARY KEY, v text, updated_at timestamptz NOT NULL DEFAULT now())');
		# the worker is looked at when it is created: what she makes comes later
		sql(qq{SELECT pythia.create_sync_worker('s', 'local', 'local', '{"table_map": {"$from": "$to"}, "key": ["id"]}', '{$from}')});
		as('mallory', 'DROP TABLE m.t') if $make =~ /^CREATE VIEW/;
		as('mallory', "$make; TRUNCATE m.calls");
		my ($rc, $out, $err) = $node->psql('postgres', qq{SELECT pythia.sync_between('local', 'local', '$from', '{"table_map": {"$from": "$to"}, "key": ["id"]}')});
		like($err, $reason, "$what in the $side is told");
		like($err, qr/HINT:.*mallory/s, 'with a hint');
		sql(q{SELECT pythia.start_sync('s')});
		ok(wait_for($node, q{SELECT count(*) > 0 FROM pythia.sync_state WHERE last_error IS NOT NULL}), 'in the background too');
		is(prize(), '', 'and nothing ran');
		sql(q{SELECT pythia.drop_sync_worker('s'); DROP TABLE IF EXISTS m.h, public.copy; DROP } . ($make =~ /^CREATE VIEW/ ? 'VIEW' : 'TABLE') . ' m.t; DROP FUNCTION IF EXISTS m.g(); DROP TYPE IF EXISTS m.r; DROP DOMAIN IF EXISTS m.d');
	}
	# what calls nothing of hers is synced as ever, and validated by output functions alone
	as('mallory', q{SET client_min_messages = error; CREATE TYPE m.temper AS ENUM ('ok', 'bad'); CREATE TYPE m.pair AS (a int, b text);
		CREATE TABLE m.t (id int PRIMARY KEY, mood m.temper, moods m.temper[], p m.pair, updated_at timestamptz NOT NULL DEFAULT now(), CHECK (id > 0)); INSERT INTO m.t (id, mood, moods, p) VALUES (1, 'ok', '{ok,bad}', '(1,)'), (2, NULL, NULL, NULL);
		CREATE FUNCTION m.f1(m.temper) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM m.evil(''to text''); RETURN ''x''; END'; CREATE CAST (m.temper AS text) WITH FUNCTION m.f1(m.temper);
		CREATE FUNCTION m.f2(m.temper[]) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM m.evil(''array to text''); RETURN ''x''; END'; CREATE CAST (m.temper[] AS text) WITH FUNCTION m.f2(m.temper[]);
		CREATE FUNCTION m.f3(m.pair) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM m.evil(''row to text''); RETURN ''x''; END'; CREATE CAST (m.pair AS text) WITH FUNCTION m.f3(m.pair)});
	my $file = $node->data_dir . '/copy.db';
	is(sql("SELECT rows_inserted FROM pythia.sync_between('local', 'sqlite:///$file', 'm.t')"), '2', 'synced to a file');
	is(sql("SELECT is_valid, differing FROM pythia.validate_between('local', 'sqlite:///$file', 'm.t')"), 't|0', 'and valid');
	is(sql(q{SELECT rows_inserted FROM pythia.sync_between('local', 'local', 'm.t', '{"table_map": {"m.t": "public.copy"}}')}), '2', 'synced to a table');
	is(sql(q{SELECT is_valid, differing FROM pythia.validate_between('local', 'local', 'm.t', '{"table_map": {"m.t": "public.copy"}}')}), 't|0', 'and valid');
	is(prize(), '', 'no cast of hers was called');
};

subtest 'default privileges that somebody has set' => sub {
	$node->safe_psql('postgres', 'CREATE DATABASE generous');
	$node->safe_psql('generous', join ';', (map { ("ALTER DEFAULT PRIVILEGES GRANT ALL ON $_ TO mallory", "ALTER DEFAULT PRIVILEGES GRANT ALL ON $_ TO PUBLIC") } qw(TABLES SEQUENCES FUNCTIONS SCHEMAS)), 'CREATE EXTENSION pythia_db');
	is($node->safe_psql('generous', q{SELECT count(*) FROM (
			SELECT oid::regclass::text, relacl, relowner FROM pg_class WHERE relnamespace = 'pythia'::regnamespace AND relkind IN ('r', 'p', 'v', 'S')
			UNION ALL SELECT oid::regprocedure::text, proacl, proowner FROM pg_proc WHERE pronamespace = 'pythia'::regnamespace
			UNION ALL SELECT nspname, nspacl, nspowner FROM pg_namespace WHERE nspname = 'pythia') o (name, acl, owner), aclexplode(acl) a
		WHERE a.grantee NOT IN (owner, 'pg_monitor'::regrole) AND name <> 'pythia._capture()'}), '0', 'give nobody anything of ours');
	$node->safe_psql('generous', 'DROP EXTENSION pythia_db; CREATE SCHEMA IF NOT EXISTS pythia; GRANT ALL ON SCHEMA pythia TO mallory');
	$node->safe_psql('generous', q{SET ROLE mallory; CREATE FUNCTION pythia.format(text, int) RETURNS text LANGUAGE sql AS 'SELECT $1'});
	like(($node->psql('generous', 'CREATE EXTENSION pythia_db'))[2], qr/schema "pythia" is not empty\nDETAIL: .*\nHINT:  Drop what is in that schema/, 'nor is a schema taken that others have put something into');
	$node->safe_psql('generous', 'DROP FUNCTION pythia.format(text, int); CREATE EXTENSION pythia_db');
	$node->safe_psql('postgres', 'DROP DATABASE generous');
};

done_testing();
