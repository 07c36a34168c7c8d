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

done_testing();
