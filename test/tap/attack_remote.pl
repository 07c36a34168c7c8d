# Another PostgreSQL's tables are captured without calling a cast that the owner of a type has made there.
use strict;
use warnings;
use Pythia::Session;
use Pythia::Test;
use Test::More;

my $node = pg_node('attack_remote');
my $url = pg_url($node, 'other');
sub other { return $node->safe_psql('other', $_[0]); }
$node->safe_psql('postgres', 'CREATE DATABASE other; CREATE ROLE mallory');
other(q{SET client_min_messages = error; CREATE TABLE calls (who name); GRANT INSERT ON calls TO PUBLIC; CREATE SCHEMA m;
	CREATE TYPE m.mood AS ENUM ('ok', 'bad'); CREATE TYPE m.pair AS RANGE (subtype = int); CREATE TYPE m.row AS (a int, p m.pair); CREATE DOMAIN m.d AS int CHECK (VALUE > 0);
	CREATE FUNCTION m.j(m.pair) RETURNS json LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.calls VALUES (current_user); RETURN ''1''; END'; CREATE CAST (m.pair AS json) WITH FUNCTION m.j(m.pair);
	CREATE FUNCTION m.k(m.mood) RETURNS json LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.calls VALUES (current_user); RETURN ''1''; END'; CREATE CAST (m.mood AS json) WITH FUNCTION m.k(m.mood);
	CREATE TABLE t (id int PRIMARY KEY, n numeric, mood m.mood, moods m.mood[], p m.pair, r m.row, d m.d, j jsonb, a int[], updated_at timestamptz NOT NULL DEFAULT now())});
for my $capture ('poll', 'trigger')
{
	other('TRUNCATE t');
	$node->safe_psql('postgres', qq{SELECT pythia.create_cdc_worker('$capture', '{t}', connection => '$url', options => '{"capture": "$capture", "lookback": 0, "exclude_columns": ["updated_at"]}')});
	other(q{INSERT INTO t VALUES (1, 1.50, 'ok', '{ok,NULL}', '[1,3)', '(1,"[1,3)")', 7, '{"x": [1]}', '{1,2}'); INSERT INTO t VALUES (2)});
	is($node->safe_psql('postgres', "SELECT string_agg(new_data::text, E'\\n' ORDER BY primary_key->>'id') FROM pythia.consume_changes('$capture')"),
		qq~{"a": [1, 2], "d": 7, "j": {"x": [1]}, "n": 1.50, "p": "[1,3)", "r": "(1,\\"[1,3)\\")", "id": 1, "mood": "ok", "moods": ["ok", null]}\n~ .
		'{"a": null, "d": null, "j": null, "n": null, "p": null, "r": null, "id": 2, "mood": null, "moods": null}', "$capture: the values");
	is(other('SELECT count(*) FROM calls'), '0', "$capture: no cast was called");
}

# what cannot be told in the database's encoding, or cannot be converted any more since the transaction has failed
subtest 'a rollback here, a server there that is gone, and another encoding' => sub {
	$node->safe_psql('postgres', q{CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'; CREATE ROLE rem LOGIN});
	other('GRANT CREATE ON SCHEMA public TO rem');
	$node->safe_psql('latin', 'CREATE EXTENSION pythia_db');
	my $there = sprintf 'postgresql://rem@127.0.0.1:%d/other', $node->port;
	my @names = map { "\x{c3}\x{a9}$_" } 1 .. 8;
	other(join ';', map { qq(CREATE TABLE "$_" (id int PRIMARY KEY); ALTER TABLE "$_" OWNER TO rem) } @names);
	my $session = Pythia::Session->new($node, 'latin');
	$session->do(q(SET client_encoding = 'UTF8'));
	my $made = sprintf q{BEGIN; SELECT pythia.create_cdc_worker('w', '{%s}', '%s', options => '{"capture": "trigger"}') > 0}, join(',', @names), $there;
	is($session->do($made), 't', 'triggers on eight tables');
	$node->safe_psql('postgres', q{ALTER ROLE rem NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rem'});
	$session->try('ROLLBACK');
	is(scalar(() = $session->{error} =~ /the triggers on table "public.\x{c3}\x{a9}\d" of .* stay/g), 8, 'each that stays is told') or diag $session->{error};
	is($session->do('SELECT pg_backend_pid()'), $session->{pid}, 'and the session goes on');
};

# triggers write into a log with the rights of who made them: whoever can put another table in its place would get these
subtest 'who owns the schema of a log' => sub {
	my $folder = PostgreSQL::Test::Utils::tempdir();
	$node->safe_psql('postgres', q{CREATE ROLE eve LOGIN});
	$node->safe_psql('postgres', 'CREATE DATABASE eves OWNER eve');
	$node->safe_psql('eves', 'CREATE EXTENSION pythia_db');
	$node->safe_psql('eves', "SET ROLE eve; CREATE SCHEMA IF NOT EXISTS e; CREATE TABLE $_ (id int PRIMARY KEY, updated_at timestamptz DEFAULT now()); INSERT INTO $_ VALUES (1)") for 'e.t', 'public.p';
	my $eves = pg_url($node, 'eves');
	my $run = sub {
		my $text = '';
		IPC::Run::run([ $ENV{PYTHIA}, @_ ], '<', \undef, '>', \$text, '2>&1');
		return $text;
	};
	my $refused = qr/triggers on table "\w" would lend your rights to role "eve".*owns schema.*options=-c%20role=eve/s;
	for my $table ('e.t', 'public.p')
	{
		my $out = "sqlite:///$folder/copy.db";
		like($run->('cdc', $eves, '--tables', $table, '--once', '--capture', 'trigger', '--state', "$folder/state.db"), $refused, "$table: pythia cdc");
		like($run->('sync', '-s', $eves, '-t', $out, '--tables', $table, '--mode', 'live', '--once', '--config', '{"table_map": {"' . $table . '": "t"}}'), $refused, 'pythia sync --mode live');
		my (undef, undef, $err) = $node->psql('postgres', qq{SELECT pythia.create_cdc_worker('eves', '{$table}', '$eves', options => '{"capture": "trigger"}')});
		like($err, $refused, 'a CDC worker of another database');
		$node->safe_psql('eves', qq{SELECT pythia.create_sync_worker('eves', 'local', '$out', '{"mode": "live", "table_map": {"$table": "t"}}', '{$table}'); SELECT pythia.start_sync('eves')});
		ok(wait_for($node, q{SELECT last_error ~ 'would lend your rights to role "eve"' FROM pythia.worker_status WHERE name = 'eves'}, 't', 'eves'), 'a live worker of this one');
		$node->safe_psql('eves', q{SELECT pythia.stop_sync('eves'); SELECT pythia.drop_sync_worker('eves')});
	}
	is($node->safe_psql('eves', q{SELECT count(*) FROM pg_class WHERE relname ~ '^pythia_log'}), '0', 'no log stays');
	is($node->safe_psql('eves', q{SELECT count(*) FROM pg_proc WHERE prosecdef AND pronamespace <> 'pythia'::regnamespace}), '0', 'nothing is left that would run with our rights');
	# as that role all goes on, and what she puts there is hers
	like($run->('cdc', "$eves?options=-c%20role=eve", '--tables', 'e.t', '--once', '--capture', 'trigger', '--options', '{"start_from": "beginning"}', '--state', "$folder/eve.db"), qr/"id":\s*1/, 'as eve it is captured');
	my $log = $node->safe_psql('eves', q{SELECT relname FROM pg_class WHERE relname ~ '^pythia_log_[0-9a-f]+$' AND relkind = 'r'});
	my (undef, undef, $err) = $node->psql('eves', qq{SET ROLE eve; DROP TABLE e.$log;
		CREATE TABLE e.$log (pythia_id bigserial, pythia_op text, pythia_at timestamptz DEFAULT now(), pythia_xid bigint, o jsonb, n jsonb);
		CREATE FUNCTION e.evil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN EXECUTE ''ALTER ROLE eve SUPERUSER''; RETURN NEW; END';
		CREATE TRIGGER evil BEFORE INSERT OR DELETE ON e.$log FOR EACH ROW EXECUTE FUNCTION e.evil(); INSERT INTO e.t VALUES (2)});
	$run->('cdc', "$eves?options=-c%20role=eve", '--tables', 'e.t', '--once', '--state', "$folder/eve.db");
	is($node->safe_psql('eves', q{SELECT rolsuper FROM pg_roles WHERE rolname = 'eve'}), 'f', 'another table in its place gives her nothing');
	$node->safe_psql('postgres', 'DROP DATABASE eves WITH (FORCE); DROP ROLE eve');
};

done_testing();
