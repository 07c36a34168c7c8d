# Connections to other servers outlive a run and serve the next one, but never
# one that is stale, dead, of another role, or left in an odd state.
use strict;
use warnings;
use Test::More;

# sessions are counted here
$Pythia::Kept::wanted = 0;
use Pythia::Session;
use Pythia::Test;

my $pg = pg_node('main', 'pythia_db.restart_delay' => '1s');
my $my = Pythia::MariaDB->new('main');

sub sql { return $pg->safe_psql('postgres', $_[0]); }

sql('CREATE DATABASE far');
my $far = pg_url($pg, 'far');
sql(qq{CREATE TABLE t (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now());
	INSERT INTO t SELECT g, 'v' FROM generate_series(1, 10) g});
sql("SELECT pythia.create_connection('far', '$far'); SELECT pythia.create_connection('shop', '" . $my->url . "')");
sql(qq{SELECT pythia.create_sync_worker('pg', 'local', 'far', '{}', '{t}');
	SELECT pythia.create_sync_worker('my', 'local', 'shop', '{}', '{t}')});

# how sessions of ours over there are told apart
my $there = q{SELECT string_agg(pid::text, ',' ORDER BY pid) FROM pg_stat_activity WHERE datname = 'far' AND application_name = 'pythia_db'};

sub there { return sql($there); }

sub there_my
{
	return $my->sql(q{SELECT GROUP_CONCAT(ID ORDER BY ID) FROM information_schema.PROCESSLIST WHERE USER = 'pythia' AND ID <> CONNECTION_ID()});
}

sub gone { return wait_for($pg, qq{SELECT ($there) IS NULL}); }

my $session = Pythia::Session->new($pg);

sub run_pg { return $session->try("SELECT rows_synced || coalesce(error, '') FROM pythia.sync_table('pg', 't')"); }
sub run_my { return $session->try("SELECT rows_synced || coalesce(error, '') FROM pythia.sync_table('my', 't')"); }

is(run_pg(), '10', 'a run');
my $first = there();
like($first, qr/^\d+$/, 'leaves one connection');
run_pg();
is(there(), $first, 'which serves the next one');
is(run_my(), '10', 'a run to MariaDB');
# the first of them: a load may have had several
my ($first_my) = there_my() =~ /^(\d+)/;
run_my();
is(there_my(), $first_my, 'which serves the next one');

# a table that is refused, to a sync or a poll, spoils no connection: there is one, and it is at rest
{
	$pg->safe_psql('far', q{CREATE ROLE clerk LOGIN; CREATE TABLE open_to (id int PRIMARY KEY, updated_at timestamptz DEFAULT now()); CREATE TABLE closed_to (LIKE open_to INCLUDING ALL);
		INSERT INTO open_to VALUES (1); GRANT SELECT ON open_to TO clerk; GRANT SELECT ON closed_to TO clerk});
	(my $url = $far) =~ s{//[^@]*@}{//clerk@};
	my $clerks = q{SELECT string_agg(pid || ' ' || state, ', ') FROM pg_stat_activity WHERE usename = 'clerk'};
	$session->do("SELECT pythia.create_cdc_worker('clerk', '{open_to,closed_to}', '$url', options => '{\"start_from\": \"beginning\"}')");
	like(sql($clerks), qr/^\d+ idle$/, 'a worker leaves one connection');
	$pg->safe_psql('far', 'REVOKE SELECT ON closed_to FROM clerk');
	is($session->do("SELECT pythia.poll('clerk')"), '1', 'the table that is open is polled');
	like(sql(q{SELECT string_agg("table" || ' ' || active || coalesce(' ' || reason, ''), ', ' ORDER BY "table") FROM pythia.stat_cdc}), qr/^closed_to false permission denied.*, open_to true$/, 'the other one stops');
	like(sql($clerks), qr/^\d+ idle$/, 'one connection is left, at rest');
	$session->try("SELECT pythia.sync_between('$url', 'local', 'closed_to')");
	like($session->{error}, qr/ERROR: .*permission denied/, 'a sync is refused');
	is($session->do("SELECT rows_inserted FROM pythia.sync_between('$url', 'local', 'open_to', '{\"mode\": \"full\"}')"), '1', 'the next one is not');
	like(sql($clerks), qr/^\d+ idle$/, 'by one connection, at rest');
	$session->do("SELECT pythia.drop_cdc_worker('clerk'); SELECT pythia.disconnect()");
}
run_pg();
run_my();
$first = there();
($first_my) = there_my() =~ /^(\d+)/;

# what a trigger over there sets is not the next run's business
$pg->safe_psql('far', q{CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
		PERFORM set_config('TimeZone', 'Asia/Tokyo', false), set_config('DateStyle', 'German', false),
			set_config('search_path', 'nowhere', false), set_config('bytea_output', 'escape', false);
		CREATE TEMP TABLE IF NOT EXISTS pythia_stage (odd int);
		RETURN NEW;
	END$$;
	CREATE TRIGGER odd BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION odd()});
sql("UPDATE t SET v = 'w', updated_at = clock_timestamp()");
run_pg();
sql("UPDATE t SET v = 'x', updated_at = timestamptz '2030-01-02 03:04:05.678901Z' WHERE id = 3");
run_pg();
is(there(), $first, 'the same connection');
is($pg->safe_psql('far', 'SELECT v, updated_at FROM t WHERE id = 3'), sql('SELECT v, updated_at FROM t WHERE id = 3'),
	'a session that was turned about is put right');
$pg->safe_psql('far', 'DROP TRIGGER odd ON t');

# dead ones
sql("SELECT pg_terminate_backend($first, 10000)");
like(run_pg(), qr{^\d+$}, 'one that the server ended is replaced');
isnt(there(), $first, 'by another');
$my->sql("KILL $first_my");
like(run_my(), qr{^\d+$}, 'in MariaDB too');
isnt(there_my(), $first_my, 'by another');

# an error closes
$pg->safe_psql('far', 'ALTER TABLE t ADD CHECK (v <> $$bad$$)');
sql("UPDATE t SET v = 'bad', updated_at = timestamptz '2030-02-01' WHERE id = 1");
$session->try("SELECT error FROM pythia.sync_tables('pg', '{t}')");
ok(gone(), 'after a failure none is kept');
sql("UPDATE t SET v = 'good', updated_at = timestamptz '2030-02-02' WHERE id = 1");
run_pg();
like(there(), qr/^\d+$/, 'after a good run one is');

# within the caller's transaction, given up
$session->try("BEGIN; SELECT 1 FROM pythia.sync_table('pg', 't'); ROLLBACK");
like(there(), qr/^\d+$/, 'a rollback of the caller does it no harm');

# changes of the connection
(my $bare = $far) =~ s{//[^@]+@}{//};
sql("ALTER SERVER far OPTIONS (SET url '$bare?application_name=other')");
$session->try('SELECT 1');
ok(gone(), 'ALTER SERVER closes it');
run_pg();
is(sql("SELECT count(*) FROM pg_stat_activity WHERE datname = 'far' AND application_name = 'other'"), '1', 'and the new one is used');
sql("ALTER SERVER far OPTIONS (SET url '$bare')");
run_pg();
like(there(), qr/^\d+$/, 'and changed back');
sql(q{ALTER USER MAPPING FOR CURRENT_USER SERVER shop OPTIONS (SET password 'wrong')});
unlike(run_my(), qr{^\d+$}, 'a changed password counts at once');
sql(q{ALTER USER MAPPING FOR CURRENT_USER SERVER shop OPTIONS (SET password 'secret')});
like(run_my(), qr{^\d+$}, 'and the right one again');

# polls of other databases keep theirs as well, which may only read
$my->sql('CREATE TABLE c (id int PRIMARY KEY, updated_at datetime(6) DEFAULT now(6), KEY (updated_at))');
$pg->safe_psql('far', 'CREATE TABLE c (id int PRIMARY KEY, updated_at timestamptz DEFAULT now()); CREATE INDEX ON c (updated_at)');
sql("SELECT pythia.create_cdc_worker('c_pg', '{c}', 'far'); SELECT pythia.create_cdc_worker('c_my', '{c}', 'shop')");
$session->do("SELECT pythia.disconnect(), pythia.poll('c_pg'), pythia.poll('c_my')");
$first = there();
like($first, qr/^\d+$/, 'a poll leaves one connection');
$first_my = there_my();
$pg->safe_psql('far', 'INSERT INTO c VALUES (1)');
$my->sql('INSERT INTO c (id) VALUES (1)');
is($session->try("SELECT pythia.poll('c_pg') || ' ' || (SELECT count(*) FROM pythia.consume_changes('c_my'))"), '1 1', 'polls of other databases');
is(there(), $first, 'which serves the next one');
is(there_my(), $first_my, 'in MariaDB too');
$my->sql("KILL $first_my");
$my->sql('INSERT INTO c (id) VALUES (2)');
is($session->try("SELECT pythia.poll('c_my')"), '1', 'and replace one that is dead');

# by hand and by setting
run_pg();
cmp_ok($session->try('SELECT pythia.disconnect()'), '>=', 1, 'disconnect tells how many it closed');
ok(gone(), 'and closes them');
is($session->try('SELECT pythia.disconnect()'), '0', 'once');
$session->try('SET pythia_db.keep_connections = off');
run_pg();
ok(gone(), 'keep_connections = off keeps none');
$session->try('RESET pythia_db.keep_connections');
run_pg();
like(there(), qr/^\d+$/, 'and on does');
$session->close;
ok(gone(), 'they end with the session');

# a worker keeps its own between turns
sql("SELECT pythia.alter_sync_worker('pg', schedule => '200 ms'); SELECT pythia.start_sync('pg')");
ok(wait_for($pg, "SELECT runs > (SELECT runs FROM pythia.stat_sync WHERE worker = 'my') + 12 FROM pythia.stat_sync WHERE worker = 'pg'"), 'a worker runs again and again');
my $of_worker = there();
my $runs = sql("SELECT runs FROM pythia.stat_sync WHERE worker = 'pg'");
ok(wait_for($pg, "SELECT runs > $runs + 3 FROM pythia.stat_sync WHERE worker = 'pg'"), 'and again');
is(there(), $of_worker, 'over one connection');
sql("SELECT pythia.stop_sync('pg')");
ok(gone(), 'which ends with it');
done_testing();
