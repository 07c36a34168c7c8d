# What can go wrong with sync on a server: workers whose tables would meet in the target, two
# that sync one table both ways, servers and roles with settings of their own, targets that are full.
use strict;
use warnings;
use Test::More;
use Pythia::Test;

my $pg = pg_node('main', 'pythia_db.restart_delay' => '1s');
my $my = Pythia::MariaDB->new('main');

sub sql { return $pg->safe_psql('postgres', $_[0]); }

sql("SELECT pythia.create_connection('shop', '" . $my->url . "')");

# two tables that would become one
sql(q{CREATE SCHEMA a; CREATE SCHEMA b;
	CREATE TABLE a.u (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now());
	CREATE TABLE b.u (LIKE a.u INCLUDING ALL);
	INSERT INTO a.u VALUES (1, 'a'); INSERT INTO b.u VALUES (1, 'b');
	SELECT pythia.create_sync_worker('meet', 'local', 'shop', tables => '{a.u,b.u}'); SELECT pythia.start_sync('meet')});
ok(wait_for($pg, q{SELECT last_error ~ 'tables "a.u" and "b.u" would both go to target table "u"' FROM pythia.worker_status WHERE name = 'meet'}),
	'start_sync: the worker says which tables would meet');
is($my->sql("SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'u'"), 0, 'and nothing was written');
sql(q{SELECT pythia.alter_sync_worker('meet', sync_config => '{"table_map": {"b.u": "ub"}}')});
ok(wait_for($pg, q{SELECT count(*) = 2 FROM pythia.stat_sync WHERE worker = 'meet' AND state = 'synced'}), 'told apart, they go');
is($my->sql('SELECT u.v, ub.v FROM u JOIN ub USING (id)'), "a\tb", 'each with its own rows');

# two workers that sync one table both ways: what one writes does not come back as news for ever
my $other = pg_node('other', other => 1);
$other->safe_psql('postgres', 'CREATE TABLE pair (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now())');
sql(q{CREATE TABLE pair (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now());
	INSERT INTO pair SELECT g, 'here' FROM generate_series(1, 100) g});
sql("SELECT pythia.create_connection('other', '" . pg_url($other) . "')");
for my $way ([ 'there', 'local', 'other' ], [ 'back', 'other', 'local' ])
{
	sql(qq{SELECT pythia.create_sync_worker('$way->[0]', '$way->[1]', '$way->[2]', '{"conflict_resolution": "newest_wins", "lookback": 2}', '{pair}', '200 ms'); SELECT pythia.start_sync('$way->[0]')});
}
ok(wait_for($other, 'SELECT count(*) = 100 FROM pair'), 'two ways: the rows are there');
sql("UPDATE pair SET v = 'changed here', updated_at = clock_timestamp() WHERE id = 1");
$other->safe_psql('postgres', "UPDATE pair SET v = 'changed there', updated_at = clock_timestamp() WHERE id = 2");
ok(wait_for($other, q{SELECT v = 'changed here' FROM pair WHERE id = 1}), 'a change goes there');
ok(wait_for($pg, q{SELECT v = 'changed there' FROM pair WHERE id = 2}), 'a change comes back');
my $written = q{SELECT sum(rows_inserted + rows_updated) || ' ' || min(runs) FROM pythia.sync_state JOIN pythia.worker USING (worker_id) WHERE name IN ('there', 'back')};
my ($rows, $runs) = split ' ', sql($written);
ok(wait_for($pg, "SELECT min(runs) >= $runs + 4 FROM pythia.sync_state JOIN pythia.worker USING (worker_id) WHERE name IN ('there', 'back')"), 'more runs go by');
is((split ' ', sql($written))[0], $rows, 'and write nothing');
is($rows, 102, 'each row and each change was written once');
sql("SELECT pythia.stop_sync('there'), pythia.stop_sync('back')");

# servers, databases and roles with settings of their own: a local time stays what it says and an instant when it is
my $isolation = $ENV{MYSQLD} ? 'transaction_isolation' : 'tx_isolation';
$my->root_sql(qq{SET GLOBAL time_zone = '+05:30', GLOBAL sql_mode = '', GLOBAL innodb_strict_mode = 0, GLOBAL character_set_client = 'latin1',
	GLOBAL character_set_results = 'latin1', GLOBAL character_set_connection = 'latin1', GLOBAL collation_connection = 'latin1_swedish_ci',
	GLOBAL group_concat_max_len = 4, GLOBAL max_sort_length = 64, GLOBAL autocommit = 0, GLOBAL $isolation = 'READ-UNCOMMITTED'});
$other->safe_psql('postgres', q{CREATE DATABASE odd});
$other->safe_psql('postgres', qq{ALTER DATABASE odd SET $_}) for "TimeZone = 'America/St_Johns'", "DateStyle = 'SQL, DMY'", "IntervalStyle = 'sql_standard'",
	"bytea_output = 'escape'", 'extra_float_digits = -3', loose_strings($other), "backslash_quote = 'on'", "search_path = ''",
	"default_transaction_isolation = 'serializable'", "xmlbinary = 'hex'", "xmloption = 'document'", "client_encoding = 'LATIN1'",
	'array_nulls = off', 'quote_all_identifiers = on', 'transform_null_equals = on';
$other->safe_psql('odd', q{SET standard_conforming_strings = on; SET client_encoding = 'UTF8'; SET array_nulls = on;
	CREATE TABLE public.moments (id int PRIMARY KEY, at timestamp, instant timestamptz, d date, f float8, b bytea, t text, i interval, l text[]);
	INSERT INTO public.moments VALUES (0, '2024-03-10 02:30:00.000001', '2024-03-10 02:30:00.000001+00', '2024-02-03', 0.1 + 0.2::float8, '\x00ff5c27',
		'back\slash ''quote'' ü€😀', '1 day -02:03:04.5', '{NULL,"NULL",a}'), (1, '1969-12-31 23:59:59', '2024-07-01 12:00+14', '0044-03-15', 1e23, '\x', '', '-1 year', '{}')});
my $odd = pg_url($other, 'odd');
my $file = 'sqlite:///' . PostgreSQL::Test::Utils::tempdir() . '/moments.db';
# `shop` has an auto_increment key, and so would make 1 of 0
$my->sql('CREATE TABLE moments (id int AUTO_INCREMENT PRIMARY KEY, at datetime(6), instant timestamp(6) NULL, d date, f double, b blob, t text CHARACTER SET utf8mb4, i varchar(64), l json)');
my @legs = ([ $odd, 'shop' ], [ 'shop', $file ], [ $file, 'local' ], [ 'local', "$odd" ]);
for my $i (0 .. $#legs)
{
	my $map = $i == $#legs ? q{, "table_map": {"moments": "moments_back"}} : '';
	is(sql(qq{SELECT rows_inserted FROM pythia.sync_between('$legs[$i][0]', '$legs[$i][1]', 'moments', '{"mode": "full"$map}')}), '2', "settings of their own, leg $i");
}
my $same = q{SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET extra_float_digits = 1; SET bytea_output = 'hex'; SET IntervalStyle = 'postgres'; SET client_encoding = 'UTF8';
	SELECT string_agg(to_jsonb(m)::text, '; ' ORDER BY id) FROM public.};
is($other->safe_psql('odd', $same . 'moments_back m'), $other->safe_psql('odd', $same . 'moments m'), 'all came back as they were');
is($my->sql(q{SET time_zone = '+00:00'; SELECT at, instant, f = 0.1e0 + 0.2e0, t FROM moments WHERE id = 0}),
	"2024-03-10 02:30:00.000001\t2024-03-10 02:30:00.000001\t1\tback\\\\slash 'quote' ü€😀", 'in MariaDB, too');
is(sql(qq{SELECT is_valid FROM pythia.validate_between('$odd', 'shop', 'moments')}), 't', 'and are equal to validation');
$my->sql(q{SET time_zone = '+00:00'; CREATE TABLE stamps (id int PRIMARY KEY, at datetime, instant timestamp NULL, w varchar(10) CHARACTER SET latin1);
	INSERT INTO stamps VALUES (1, '2024-01-01 12:00:00', '2024-01-01 12:00:00', CONVERT(UNHEX('808599E9') USING latin1)); UPDATE stamps SET w = UNHEX('808599E9'); COMMIT});
is(sql(q{SELECT rows_inserted FROM pythia.sync_between('shop', 'local', 'stamps', '{"mode": "full"}')}), '1', 'from MariaDB');
is(sql(q{SET TimeZone = 'UTC'; SELECT at, instant, w FROM stamps}), '2024-01-01 12:00:00|2024-01-01 12:00:00+00|€…™é', 'a DATETIME is local, a TIMESTAMP an instant, latin1 Windows-1252');
is(sql(q{SELECT rows_inserted FROM pythia.sync_between('local', 'shop', 'stamps', '{"mode": "full", "truncate_target": true}')}), '1', 'and back');
is($my->sql('SELECT HEX(w) FROM stamps'), '808599E9', 'byte for byte');
sql(q{ALTER TABLE stamps ALTER w TYPE text; UPDATE stamps SET w = 'far too long for it'});
my ($code, undef, $said) = $pg->psql('postgres', q{SELECT pythia.sync_between('local', 'shop', 'stamps', '{"mode": "full"}')});
like($said, qr/too long|truncated/, 'a server that is not strict cuts nothing all the same');
is($my->sql('SELECT HEX(w) FROM stamps'), '808599E9', 'and the row is as it was');
$my->root_sql(qq{SET GLOBAL time_zone = 'SYSTEM', GLOBAL sql_mode = DEFAULT, GLOBAL autocommit = 1, GLOBAL $isolation = 'REPEATABLE-READ', GLOBAL group_concat_max_len = DEFAULT,
	GLOBAL max_sort_length = DEFAULT});

# rows that a policy hides are not taken for deleted
$other->safe_psql('postgres', q{SET ROLE NONE; CREATE ROLE tenant LOGIN; RESET ROLE; CREATE TABLE public.hidden (id int PRIMARY KEY, owner text);
	INSERT INTO public.hidden VALUES (1, 'tenant'), (2, 'another'); GRANT SELECT ON public.hidden TO tenant});
(my $tenant = pg_url($other, 'postgres')) =~ s{//[^@/]*@}{//tenant@};
sql('CREATE TABLE hidden (id int PRIMARY KEY, owner text)');
my $hidden = qq{SELECT pythia.sync_between('$tenant', 'local', 'hidden', '{"mode": "full", "deletes": "hard"}')};
sql($hidden);
$other->safe_psql('postgres', 'ALTER TABLE public.hidden ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON public.hidden USING (owner = current_user)');
($code, undef, $said) = $pg->psql('postgres', $hidden);
like($said, qr/affected by row-level security policy for table "hidden".*HINT:  Rows hidden by a policy would pass for deleted/s, 'a policy that hides rows is an error');
is(sql('SELECT count(*) FROM hidden'), 2, 'and deletes nothing');

# a target that is full says so, keeps what it had, and takes the rows once there is room
sql(q{CREATE TABLE wide (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now());
	ALTER TABLE wide ALTER v SET STORAGE EXTERNAL;
	INSERT INTO wide SELECT g, repeat(md5(g::text), 100) FROM generate_series(1, 8000) g});
my $small = Pythia::MariaDB->new('small', '--innodb-file-per-table=0', '--innodb-data-file-path=ibdata1:12M:autoextend:max:24M');
sql("SELECT pythia.create_connection('small', '" . $small->url . "')");
sql(q{SELECT pythia.create_sync_worker('full', 'local', 'small', '{"mode": "full", "deletes": "hard"}', '{wide}')});
my ($status, undef, $message) = $pg->psql('postgres', q{SELECT * FROM pythia.sync_table('full', 'wide')});
isnt($status, 0, 'MariaDB: a full target is an error');
like($message, qr/table '?`?"?wide.* is full/i, 'that says so');
is($small->sql("SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'wide'"), 0, 'and leaves no table that was not there');
sql('DELETE FROM wide WHERE id > 500');
is(sql(q{SELECT rows_inserted FROM pythia.sync_table('full', 'wide')}), 500, 'what fits goes');

SKIP:
{
	skip 'no prlimit to bound the size of a file', 4 if system('prlimit --version >/dev/null 2>&1') != 0;
	# no file may grow beyond 17 MB from now on: one of the write-ahead log has 16
	my ($postmaster) = split /\n/, PostgreSQL::Test::Utils::slurp_file($other->data_dir . '/postmaster.pid');
	sql('DELETE FROM wide');
	sql(q{INSERT INTO wide SELECT g, repeat(md5(g::text), 100) FROM generate_series(1, 8000) g});
	$other->safe_psql('postgres', q{CREATE TABLE wide (id int PRIMARY KEY, v text, updated_at timestamptz); ALTER TABLE wide ALTER v SET STORAGE EXTERNAL; INSERT INTO wide VALUES (1, 'kept', NULL)});
	system("prlimit --pid $postmaster --fsize=17000000:unlimited");
	sql(q{SELECT pythia.create_sync_worker('full_pg', 'local', 'other', '{"mode": "full", "truncate_target": true}', '{wide}'), pythia.disconnect()});
	($status, undef, $message) = $pg->psql('postgres', q{SELECT * FROM pythia.sync_table('full_pg', 'wide')});
	isnt($status, 0, 'PostgreSQL: a file that cannot grow is an error');
	like($message, qr/could not (extend|write)/, 'that says so');
	is($other->safe_psql('postgres', 'SELECT v FROM wide'), 'kept', 'and the old rows are there');
	system("prlimit --pid $postmaster --fsize=unlimited:unlimited");
	sql('SELECT pythia.disconnect()');
	is(sql(q{SELECT rows_inserted || ' ' || rows_deleted FROM pythia.sync_table('full_pg', 'wide')}), '8000 1', 'with room it goes');
}
done_testing();
