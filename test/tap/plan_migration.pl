# plan_migration says what the command would do, from this database and from others.
use strict;
use warnings;
use Pythia::Test;
use Test::More;

my $pg = pg_node('main');
my $my = shared_mysql('plan_migration');
my $folder = PostgreSQL::Test::Utils::tempdir();
sub sql { return $pg->safe_psql('postgres', $_[0]); }
sub run
{
	my $text = '';
	IPC::Run::run([ $ENV{PYTHIA}, @_ ], '<', \undef, '>', \$text, '2>&1');
	return $text;
}
sub fails
{
	my ($text, $expected, $name) = @_;
	my (undef, undef, $err) = $pg->psql('postgres', $text);
	like($err, $expected, $name);
	return;
}

sql(q{CREATE TYPE mood AS ENUM ('ok', 'bad');
	CREATE TABLE customer (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, m mood);
	CREATE TABLE sale (id int PRIMARY KEY, customer int REFERENCES customer (id) ON DELETE CASCADE, total numeric(10,2) CHECK (total >= 0));
	CREATE INDEX sale_total ON sale (total) WHERE total > 5;
	INSERT INTO customer (name) VALUES ('Ann');
	CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
	CREATE TRIGGER t BEFORE INSERT ON sale FOR EACH ROW EXECUTE FUNCTION nothing()});
sql("SELECT pythia.create_connection('shop', '" . $my->url . "')");

# the statements are those of the command's files
my $url = pg_url($pg);
for my $source ('local', $url)
{
	my $options = q{'{"schemas": ["public"]}'};
	my $plan = sub { return sql("SELECT $_[0] FROM pythia.plan_migration('$source', 'shop', $options) $_[1]") };
	my $dir = "$folder/" . ($source eq 'local' ? 'local' : 'url');
	run('migrate', '--source', $url, '--target', $my->url, '--schema', 'public', '--plan', $dir);
	for my $file ([ 'before rows', '01-tables.sql' ], [ 'after rows', '02-after-load.sql' ])
	{
		my $text = PostgreSQL::Test::Utils::slurp_file("$dir/$file->[1]");
		my $count = $plan->('count(*)', "WHERE action = '$file->[0]'");
		cmp_ok($count, '>', 1, "$source: $count statements, $file->[0]");
		my @missing = grep { index($text, $_) < 0 } split /\x01/, $plan->(q{string_agg(statement, E'\x01' ORDER BY step)}, "WHERE action = '$file->[0]'");
		is("@missing", '', "$source: each is in $file->[1]");
	}
	is($plan->(q{string_agg(object, ', ' ORDER BY step)}, "WHERE action = 'copy rows'"), 'table customer, table sale', 'rows are copied, parents first');
	is($plan->(q{bool_and(step = n)}, 'CROSS JOIN LATERAL (SELECT 1) x (n) WHERE step = 1'), 't', 'steps are numbered from 1');
	is($plan->(q{count(*) = max(step)}, 'WHERE step IS NOT NULL'), 't', 'without a gap');
	is($plan->(q{bool_and(action IN ('before rows', 'copy rows', 'after rows'))}, 'WHERE step IS NOT NULL'), 't', 'and are what is done');
	like($plan->(q{object || ': ' || reason}, "WHERE action = 'not carried' AND object LIKE 'trigger%'"), qr/^trigger.*sale.*: ./, 'what is not carried has a reason');
}
is($my->sql('SHOW TABLES'), '', 'nothing was done');
is(sql(q{SELECT count(*) FROM pythia.plan_migration('shop', 'local')}), '0', 'a database without tables has no steps');
$my->sql('CREATE TABLE there (id int PRIMARY KEY, v varchar(10))');
like(sql(q{SELECT string_agg(statement, ' ') FROM pythia.plan_migration('shop', 'local', '{"table_map": {"there": "here"}}')}), qr/CREATE TABLE.*here/s, 'to this database');

like(sql(q{BEGIN; SET search_path = public; SELECT count(*) > 0 FROM pythia.plan_migration('local', 'shop'); SHOW search_path; SELECT (SELECT count(*) FROM customer); COMMIT}), qr/^t\npublic\n1$/, 'the session is as it was');

fails(q{SELECT * FROM pythia.plan_migration('local', 'local')}, qr/are the same database/, 'one database');
fails(q{SELECT * FROM pythia.plan_migration('local', 'nowhere')}, qr/connection "nowhere" does not exist/, 'an unknown connection');
fails(q{SELECT * FROM pythia.plan_migration('local', 'shop', '{"mode": "full"}')}, qr/option of a migration.*mode/s, 'an option of syncs');
fails(q{SELECT * FROM pythia.plan_migration('local', 'shop', '{"schemas": 5}')}, qr/"schemas".*list of names/s, 'schemas that are none');
fails(q{SELECT * FROM pythia.plan_migration('shop', 'local', '{"schemas": ["a"]}')}, qr/"schemas" goes with a source that is a PostgreSQL/, 'schemas of MySQL');
fails(q{SELECT * FROM pythia.plan_migration('local', 'shop', '[]')}, qr/options must be a JSON object/, 'options that are none');
fails(q{SELECT * FROM pythia.plan_migration(NULL, 'shop')}, qr/must not be null/, 'no source');
# who may not use a connection is not told what is there
sql(q{CREATE ROLE clerk; SELECT pythia.grant_use('clerk')});
fails(q{SET ROLE clerk; SELECT * FROM pythia.plan_migration('shop', 'local')}, qr/permission denied for foreign server shop/, 'a role without the right');

done_testing;
