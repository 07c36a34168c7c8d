# Live sync workers: a target that is always the source as of a moment, followed by a background worker; directions from and
# to this database and between two others.
use strict;
use warnings;
use DBI;
use POSIX ();
use Test::More;
use Pythia::Test;

my $pg = pg_node('main', 'pythia_db.restart_delay' => '100ms', 'pythia_db.max_workers' => 4, restart_after_crash => 'on');
my $other = pg_node('other', other => 1);
my $my = Pythia::MariaDB->new('main');
my $folder = PostgreSQL::Test::Utils::tempdir();

sub sql { return $pg->safe_psql('postgres', $_[0]); }

# An end of a sync: how a worker names it, and what runs a statement there.
sub here { return { name => 'local', engine => 'postgres', sql => sub { sql($_[0]) } }; }
sub there
{
	$other->safe_psql('postgres', "SET ROLE NONE; DROP DATABASE IF EXISTS $_[0]");
	$other->safe_psql('postgres', "SET ROLE NONE; CREATE DATABASE $_[0] OWNER pythia");
	my ($database) = @_;
	return { name => pg_url($other, $database), engine => 'postgres', sql => sub { $other->safe_psql($database, $_[0]) } };
}
sub mysql
{
	return { name => $my->url, engine => 'mysql', sql => sub { $my->sql($_[0]) } };
}
sub sqlite
{
	my ($file) = @_;
	unlink "$folder/$file";
	my $db = DBI->connect("dbi:SQLite:dbname=$folder/$file", '', '', { RaiseError => 1 });
	$db->do('PRAGMA journal_mode = wal');
	$db->sqlite_busy_timeout(20000);
	return { name => "sqlite:///$folder/$file", engine => 'sqlite', sql => sub {
		my ($text) = @_;
		return join "\n", map { join '|', map { $_ // '' } @$_ } @{ $db->selectall_arrayref($text) } if $text =~ /^SELECT/;
		$db->do($_) for grep { /\S/ } split /;/, $text;
		return '';
	} };
}

sub state_is
{
	my ($worker, $state, $count) = @_;
	return wait_for($pg, "SELECT count(*) = $count FROM pythia.stat_sync WHERE worker = '$worker' AND state = '$state'");
}

sub equal
{
	my ($worker, $table) = @_;
	return wait_for($pg, "SELECT is_valid FROM pythia.validate_sync('$worker', '$table')");
}

my $number = 0;
for my $ends ([ \&here, \&there ], [ \&here, \&mysql ], [ \&here, \&sqlite ], [ \&there, \&here ], [ \&mysql, \&here ], [ \&sqlite, \&here ], [ \&mysql, \&sqlite ])
{
	my $n = ++$number;
	my ($source, $target) = map { my ($end, $side) = @$_; $end == \&there ? $end->("live$n") : $end == \&sqlite ? $end->("live$n$side.db") : $end->() } ([ $ends->[0], 's' ], [ $ends->[1], 't' ]);
	my ($item, $part) = ("item$n", "part$n");
	my $do = sub { my ($end, $text) = @_; return $end->{sql}->($text) };
	my $ours = sub {
		my ($end) = @_;
		return $do->($end, $end->{engine} eq 'sqlite' ? "SELECT count(*) FROM sqlite_master WHERE name LIKE 'pythia%'"
			: $end->{engine} eq 'mysql' ? "SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE 'pythia%'"
			: "SELECT count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE relname LIKE 'pythia%' AND nspname = 'public'");
	};
	my $name = "$source->{engine} to $target->{engine}" . ($source->{name} eq 'local' ? ', from here' : $target->{name} eq 'local' ? ', to here' : '');
	my $worker = "w$n";
	my $text = $source->{engine} eq 'mysql' ? 'varchar(50)' : 'text';
	$do->($source, "CREATE TABLE $item (id int PRIMARY KEY, word $text); CREATE TABLE $part (id int PRIMARY KEY, item int REFERENCES $item (id), amount int)");
	$do->($source, "INSERT INTO $item VALUES (1, 'one'), (2, 'two'), (3, 'three'); INSERT INTO $part VALUES (10, 1, 5), (11, 1, 6), (12, 2, 7)");
	sql("SELECT pythia.create_sync_worker('$worker', '$source->{name}', '$target->{name}', '{\"mode\": \"live\"}', '{$item,$part}')");
	sql("SELECT pythia.start_sync('$worker')");
	ok(state_is($worker, 'live', 2), "$name: both tables are live");
	is($do->($target, "SELECT word FROM $item WHERE id = 3"), 'three', 'with the rows that there were');
	# inserts, changes, a key that changes, deletes; nothing has a stamp
	$do->($source, "INSERT INTO $item VALUES (4, 'four'); UPDATE $part SET amount = 50 WHERE id = 10; DELETE FROM $part WHERE id = 12; DELETE FROM $item WHERE id = 2; UPDATE $item SET id = 30 WHERE id = 3");
	ok(equal($worker, $item) && equal($worker, $part), 'changes come, deletes with them');
	is($do->($target, "SELECT count(*) FROM $item WHERE id IN (2, 3)"), '0', 'what is gone is gone');
	# without the process, and again with it
	sql("SELECT pythia.stop_sync('$worker')");
	ok(wait_for($pg, "SELECT pid IS NULL FROM pythia.worker_status WHERE name = '$worker'"), 'it stops');
	$do->($source, "INSERT INTO $item VALUES (5, 'five'); DELETE FROM $part WHERE id = 11");
	is($do->($target, "SELECT count(*) FROM $item WHERE id = 5"), '0', 'and nothing comes meanwhile');
	sql("SELECT pythia.start_sync('$worker')");
	ok(equal($worker, $item) && equal($worker, $part), 'it goes on where it was');
	is(sql("SELECT runs FROM pythia.stat_sync WHERE worker = '$worker' AND \"table\" = '$item'"), '1', 'without another copy');
	ok(wait_for($pg, "SELECT bool_and(lag_seconds < 5 AND lag_changes = 0 AND applied_until > now() - interval '1 min') FROM pythia.stat_sync WHERE worker = '$worker'"), 'how far it is stands in stat_sync');
	ok($ours->($source) > 0 && $ours->($target) > 0, 'it has tables of its own on both sides');
	# away, and all of it
	sql("SELECT pythia.stop_sync('$worker')");
	is(sql("SELECT pythia.drop_sync_worker('$worker')"), '', 'drop_sync_worker');
	is($ours->($source), '0', 'leaves nothing at the source');
	is($ours->($target), '0', 'nor at the target');
	is($do->($source, "INSERT INTO $item VALUES (6, 'six'); SELECT 1"), $source->{engine} eq 'sqlite' ? '' : '1', 'whose tables can be written as before');
}

# --- one worker, from here to another PostgreSQL: what it says and does ---
my $far = there('shop');
sql(q{CREATE TABLE shelf (id int PRIMARY KEY, v text); INSERT INTO shelf VALUES (1, 'one')});
sql("SELECT pythia.create_connection('far', '$far->{name}')");

sub fails
{
	my ($text, $expected, $name) = @_;
	my (undef, undef, $err) = $pg->psql('postgres', $text);
	like($err, $expected, $name);
	return;
}

fails(q{SELECT pythia.create_sync_worker('bad', 'local', 'local', '{"mode": "live", "table_map": {"shelf": "shelf2"}}', '{shelf}')}, qr/one database.*HINT:.*for two databases/s, 'a live sync is for two databases');
fails(q{SELECT pythia.create_sync_worker('bad', 'local', 'far', '{"mode": "live"}', '{shelf}', '1 min')}, qr/has no schedule.*HINT:.*"interval"/s, 'it has no schedule');
fails(q{SELECT pythia.create_sync_worker('bad', 'local', 'far', '{"mode": "live", "deletes": "soft"}', '{shelf}')}, qr/"deletes" has no place in mode "live"/, 'options of the other modes');
fails(q{SELECT pythia.create_sync_worker('bad', 'local', 'far', '{"mode": "live", "tables": {"shelf": {"mode": "full"}}}', '{shelf}')}, qr/All tables of a live sync are live/, 'also of single tables');
fails(q{SELECT pythia.create_sync_worker('bad', 'local', 'far', '{"mode": "live", "validate": true}', '{shelf}')}, qr/"validate" has no place in mode "live"/, 'validate');
fails(q{SELECT pythia.create_sync_worker('bad', 'local', 'far', '{"mode": "live", "on_bad_row": "quarantine"}', '{shelf}')}, qr/"on_bad_row" has no place/, 'quarantine');
fails(q{SELECT pythia.create_sync_worker('bad', 'local', 'far', '{"mode": "live", "on_schema_change": "run"}', '{shelf}')}, qr/"on_schema_change".*"follow", "stop" or "ignore"/s, 'a wrong word');
fails(q{SELECT pythia.create_sync_worker('bad', 'local', 'far', '{"mode": "live", "interval": "soon"}', '{shelf}')}, qr/"interval"/, 'a wrong time');
fails(q{SELECT pythia.create_sync_worker('bad', 'local', 'far', '{"mode": "full", "interval": 1}', '{shelf}')}, qr/option "interval" goes with mode "live"/, 'its options elsewhere');
fails(q{SELECT pythia.sync_between('local', 'far', 'shelf', '{"mode": "live"}')}, qr/is no single run.*pythia\.start_sync/s, 'sync_between');
is(sql(q{SELECT count(*) FROM pythia.worker}), '0', 'nothing of that is kept');

sql(q{SELECT pythia.create_sync_worker('shop', 'local', 'far', '{"mode": "live", "interval": "1 h"}', '{shelf}'); SELECT pythia.start_sync('shop')});
ok(state_is('shop', 'live', 1), 'it follows');
fails(q{SELECT pythia.sync_table('shop', 'shelf')}, qr/sync worker "shop" is live.*pythia\.validate_sync/s, 'sync_table');
fails(q{SELECT * FROM pythia.sync_all_tables('shop')}, qr/sync worker "shop" is live/, 'sync_all_tables');
fails(q{SELECT pythia.repair_sync('shop', 'shelf')}, qr/sync worker "shop" is live/, 'repair_sync');
fails(q{SELECT pythia.replay_quarantine('shop', 'shelf')}, qr/sync worker "shop" is live/, 'replay_quarantine');
fails(q{SELECT pythia.drop_sync_worker('shop')}, qr/is running.*pythia\.stop_sync/s, 'it is stopped before it is dropped');
fails(q{BEGIN; SELECT pythia.stop_sync('shop'); SELECT pythia.drop_sync_worker('shop')}, qr/has not ended yet.*Commit pythia\.stop_sync/s, 'for good');
# the interval is long: a change of the worker is heard at once all the same
sql(q{CREATE TABLE extra (id int PRIMARY KEY); INSERT INTO extra VALUES (7); SELECT pythia.alter_sync_worker('shop', sync_config => '{"mode": "live"}', tables => '{shelf,extra}')});
ok(state_is('shop', 'live', 2) && equal('shop', 'extra'), 'another table joins');
sql(q{ALTER TABLE shelf ADD COLUMN n int DEFAULT 5; INSERT INTO shelf VALUES (2, 'two', 6)});
ok(wait_for($other, 'SELECT string_agg(n::text, $$,$$ ORDER BY id) FROM shelf', '5,6', 'shop'), 'a new column follows');
# a table that cannot be followed is put aside, and the other goes on
$other->safe_psql('shop', 'ALTER TABLE shelf ADD CONSTRAINT small CHECK (n < 100)');
sql(q{INSERT INTO shelf VALUES (3, 'three', 1000); INSERT INTO extra VALUES (8)});
ok(state_is('shop', 'aside', 1) && equal('shop', 'extra'), 'a table that its target refuses is put aside, the other is not');
like(sql(q{SELECT last_error FROM pythia.stat_sync WHERE worker = 'shop' AND "table" = 'shelf'}), qr/violates check constraint "small"/, 'and says why');
$other->safe_psql('shop', 'ALTER TABLE shelf DROP CONSTRAINT small');
ok(state_is('shop', 'live', 2) && equal('shop', 'shelf'), 'it comes back by itself');
is(sql(q{SELECT last_error IS NULL FROM pythia.stat_sync WHERE worker = 'shop' AND "table" = 'shelf'}), 't', 'without an error');
# a crash of the server in the midst of changes
sql(q{CREATE TABLE account (id int PRIMARY KEY, balance int); INSERT INTO account SELECT g, 100 FROM generate_series(1, 50) g;
	SELECT pythia.alter_sync_worker('shop', tables => '{shelf,extra,account}')});
ok(state_is('shop', 'live', 3), 'a third table');
my $transfer = q{DO $$ DECLARE a int; b int; m int; BEGIN FOR i IN 1..200 LOOP
	a := 1 + random() * 49; b := 1 + random() * 49; m := 1 + random() * 9;
	UPDATE account SET balance = balance - m WHERE id = a; UPDATE account SET balance = balance + m WHERE id = b; COMMIT;
	END LOOP; END $$};
my $totals = '';
for my $round (1 .. 3)
{
	my $writer = fork // die;
	# what dies in it must not end our servers
	if (!$writer) { eval { $pg->psql("postgres", $transfer) for 1 .. 3 }; POSIX::_exit(0); }
	for (1 .. 20) { $totals .= $other->safe_psql('shop', 'SELECT sum(balance) FROM account') . ' '; }
	# the postmaster ends everybody, and begins again
	my $pid = sql(q{SELECT coalesce(pid, 0) FROM pythia.worker_status WHERE name = 'shop'});
	kill 9, $pid if $pid > 0;
	waitpid $writer, 0;
	ok(wait_for($pg, 'SELECT true'), "round $round: the server is there again");
}
ok(equal('shop', 'account'), 'after crashes the target is the source');
is(join(' ', sort { $a <=> $b } keys %{ { map { $_ => 1 } split ' ', $totals } }), '5000', 'a reader of the target has seen one total, always');
# a right that is taken away ends it
sql(q{CREATE ROLE clerk LOGIN; SELECT pythia.grant_use('clerk'); GRANT USAGE ON FOREIGN SERVER far TO clerk; GRANT CREATE ON SCHEMA public TO clerk;
	ALTER TABLE extra OWNER TO clerk});
sql(q{SELECT pythia.stop_sync('shop')});
is(sql(q{SELECT pythia.drop_sync_worker('shop')}), '', 'dropped');
$other->safe_psql('shop', q{SET ROLE NONE; CREATE ROLE clerk LOGIN PASSWORD 'secret'; GRANT CREATE ON SCHEMA public TO clerk; DROP TABLE extra});
# one that does not own the server enters by its password
my $hba = PostgreSQL::Test::Utils::slurp_file($other->data_dir . '/pg_hba.conf');
unlink $other->data_dir . '/pg_hba.conf';
$other->append_conf('pg_hba.conf', "host all clerk 127.0.0.1/32 scram-sha-256\n$hba");
$other->reload;
(my $mine = $far->{name}) =~ s{//[^@]*@}{//clerk:secret@};
my $clerk = 'SET ROLE clerk; ';
sql($clerk . "SELECT pythia.create_sync_worker('mine', 'local', '$mine', '{\"mode\": \"live\"}', '{extra}'); SELECT pythia.start_sync('mine')");
ok(wait_for($pg, q{SELECT last_error FROM pythia.worker_status WHERE name = 'mine'}, '') && state_is('mine', 'live', 1), 'a role of its own');
sql(q{INSERT INTO extra VALUES (9)});
ok(wait_for($other, 'SET ROLE NONE; SELECT count(*) FROM extra WHERE id = 9', '1', 'shop'), 'its worker follows');
sql(q{SELECT pythia.revoke_use('clerk')});
ok(wait_for($pg, q{SELECT state FROM pythia.worker_status WHERE name = 'mine'}, 'held'), 'without the right it is held');
sql(q{INSERT INTO extra VALUES (10); SELECT pythia.grant_use('clerk')});
ok(wait_for($other, 'SET ROLE NONE; SELECT count(*) FROM extra WHERE id = 10', '1', 'shop'), 'with it again it goes on');
sql(q{SELECT pythia.stop_sync('mine')});
my (undef, undef, $warned) = $pg->psql('postgres', q{SELECT pythia.drop_sync_worker('mine')});
like($warned, qr/stays there.*It was made as role "clerk".*pythia sync --mode live --drop --name mine_/s, 'another role, which may drop it, is told what stays');

# --- one process for several ---
my $few = pg_node('few', 'pythia_db.max_workers' => 1);
my $two = there('two');
$few->safe_psql('postgres', "CREATE TABLE t$_ (id int PRIMARY KEY); SELECT pythia.create_sync_worker('l$_', 'local', '$two->{name}', '{\"mode\": \"live\"}', '{t$_}'); SELECT pythia.start_sync('l$_')") for 1 .. 2;
$few->safe_psql('postgres', "INSERT INTO t1 VALUES (1); INSERT INTO t2 VALUES (1)");
for my $i (1 .. 2)
{
	ok(wait_for($other, "SELECT count(*) FROM t$_", '1', 'two'), "one process: worker $_ gets its turn") for $i;
	$few->safe_psql('postgres', "INSERT INTO t$i VALUES (2)");
	ok(wait_for($other, "SELECT count(*) FROM t$i", '2', 'two'), 'and goes on');
}
(undef, undef, $warned) = $few->psql('postgres', 'DROP EXTENSION pythia_db CASCADE');
like($warned, qr/live sync "l1_\d+_[0-9a-f]+" has put into its source and target stays.*pythia sync --mode live --drop --name l1_/s, 'DROP EXTENSION tells what stays');

# --- not preloaded ---
my $plain = pg_node('plain', shared_preload_libraries => '');
my $three = there('three');
$plain->safe_psql('postgres', "CREATE TABLE t (id int PRIMARY KEY); SELECT pythia.create_sync_worker('l', 'local', '$three->{name}', '{\"mode\": \"live\"}', '{t}'); SELECT pythia.start_sync('l')");
$plain->safe_psql('postgres', 'INSERT INTO t VALUES (1)');
ok(wait_for($other, 'SELECT count(*) FROM t', '1', 'three'), 'not preloaded: it follows');
$plain->safe_psql('postgres', q{SELECT pythia.stop_sync('l')});
is($plain->safe_psql('postgres', q{SELECT pythia.drop_sync_worker('l')}), '', 'and is dropped');

done_testing;
