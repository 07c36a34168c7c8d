# Whoever makes tables in a schema that another role captures whole (schema.*) decides how many there are: what each
# costs does not grow with the others.
use strict;
use warnings;
use Pythia::Session;
use Pythia::Test;
use Test::More;

my $node = pg_node('many', max_locks_per_transaction => 256);
my $most = 100; # taken in by one look
my $tables = 2 * $most + 20;
sub sql { return $node->safe_psql('postgres', $_[0]); }

# An entry of the options for each table, of which some 10 kB are one text: neither is a cost of each table.
my $options = sprintf '{"capture": "trigger", "where": {"s.other": "id <> 0%s", %s}}', ' AND id <> 0' x 800, join ', ', map { qq("s.t$_": "id > 0") } 1 .. $tables;
sql("CREATE SCHEMA s; CREATE TABLE s.first (id int PRIMARY KEY)");
sql("SELECT pythia.create_cdc_worker('w', '{s.*}', options => '$options')");
sql(join ';', map { "CREATE TABLE s.t$_ (id int PRIMARY KEY)" } 1 .. $tables);

my $session = Pythia::Session->new($node);

# PostgreSQL 18 names a context's parent by its number alone
my $contexts = $node->pg_version < 18 ? 'pg_backend_memory_contexts'
  : '(WITH c AS MATERIALIZED (SELECT * FROM pg_backend_memory_contexts) SELECT c.*, p.name AS parent FROM c LEFT JOIN c p ON p.path = c.path[:cardinality(c.path) - 1]) contexts';

subtest 'tables that are taken in' => sub {
	my $captured = 'SELECT count(*) FROM pythia.cdc_table';
	# what the server itself keeps of tables is not ours to count
	my $poll = qq{WITH polled AS MATERIALIZED (SELECT pythia.poll('w') AS n) SELECT (SELECT sum(total_bytes) FROM $contexts
		WHERE n >= 0 AND name <> 'CacheMemoryContext' AND parent <> 'CacheMemoryContext') FROM polled};
	my $before = $session->do(qq{SELECT sum(total_bytes) FROM $contexts WHERE name <> 'CacheMemoryContext' AND parent <> 'CacheMemoryContext'});
	my $grown = $session->do($poll) - $before;
	note("a look took $grown bytes");
	cmp_ok($grown, '<', 6 * 1024 * 1024, 'memory of one look');
	is($session->do($captured), 1 + $most, 'it takes in so many');
	$session->do($poll) for 1, 2;
	is($session->do($captured), 1 + $tables, 'those that follow take in the others');
	is($session->do('SELECT count(*) FROM pythia.cdc_state WHERE NOT active'), 0, 'all of them are captured');
	$session->do($poll);
	is($session->do($captured), 1 + $tables, 'none twice');
};

subtest 'tables that one session writes to' => sub {
	my $kept = qq{SELECT coalesce(sum(total_bytes), 0) FROM $contexts WHERE name LIKE 'pythia_db trigger %'
		OR parent LIKE 'pythia_db trigger %'};
	$session->do(join ';', map { "INSERT INTO s.t$_ VALUES (0), ($_)" } 1 .. $tables);
	is($session->do(q{SELECT count(*) FROM pythia.consume_changes('w', max_changes => 1000)}), $tables, 'each change is captured');
	my $bytes = $session->do($kept);
	note("$bytes bytes for $tables tables");
	cmp_ok($bytes, '>', 1000 * $tables, 'what a session keeps of them');
	cmp_ok($bytes, '<', 64 * 1024 * $tables, 'is the table\'s own');
};

subtest 'a worker\'s process takes in all of them' => sub {
	sql(join ';', map { "CREATE TABLE s.u$_ (id int PRIMARY KEY)" } 1 .. $most + 1);
	sql(q{SELECT pythia.start_cdc('w')});
	ok(wait_for($node, sprintf q{SELECT count(*) = %d FROM pythia.cdc_table}, 2 + $tables + $most), 'in looks that follow each other');
};

subtest 'a turn of a handler does not read them all' => sub {
	my $calls = 200;
	sql(q{SELECT pythia.drop_cdc_worker('w')});
	sql('CREATE TABLE handled (id serial)');
	sql('CREATE FUNCTION handle(pythia.database_change) RETURNS jsonb LANGUAGE sql AS \'INSERT INTO public.handled DEFAULT VALUES RETURNING NULL::jsonb\'');
	sql('CREATE SCHEMA h; ' . join ';', map { "CREATE TABLE h.t$_ (id int PRIMARY KEY)" } 1 .. 50);
	sql(q{SELECT pythia.create_cdc_worker('h', '{h.*}', poll_interval => '1 h', handler => 'handle', options => '{"capture": "trigger", "batch_size": 1}')});
	sql(q{SELECT pythia.start_cdc('h')});
	sql('INSERT INTO h.t1 VALUES (0)');
	ok(wait_for($node, 'SELECT count(*) = 1 FROM handled'), 'it works');
	# what a process has counted of both is told at once
	my $scans = q{SELECT idx_scan FROM pg_stat_all_indexes WHERE indexrelid = 'pythia.cdc_state_pkey'::regclass};
	my $inserts = q{SELECT n_tup_ins FROM pg_stat_all_tables WHERE relid = 'handled'::regclass};
	ok(wait_for($node, "SELECT ($inserts) = 1"), 'all is counted');
	my $before = sql($scans);
	sql("INSERT INTO h.t1 SELECT generate_series(1, $calls)");
	ok(wait_for($node, "SELECT ($inserts) = 1 + $calls"), 'a change a turn');
	# each turn needs one of them, and housekeeping comes every ten seconds
	my $read = sql($scans) - $before;
	note("$read states were read");
	cmp_ok($read, '<', 5 * $calls, 'the states that were read');
};

done_testing();
