# Capture from other databases, case by case: what holds low back, what the source's user may not see, a source
# that hangs, values that this database cannot hold, secrets.
use strict;
use warnings;
use IO::Handle;
use POSIX ();
use Pythia::Test;
use Pythia::Session;
use DBI;
use Test::More;

my $node = pg_node('host', log_min_messages => 'notice', 'pythia_db.restart_delay' => '1s', max_worker_processes => 24, 'pythia_db.max_workers' => 14);
my $maria = Pythia::MariaDB->new('cases');
my $file = PostgreSQL::Test::Utils::tempdir() . '/source.db';

sub sqlite
{
	my ($sql) = @_;
	PostgreSQL::Test::Utils::system_or_bail('perl', '-MDBI', '-e', 'DBI->connect("dbi:SQLite:dbname=$ARGV[0]", "", "", { RaiseError => 1 })->do($ARGV[1])', $file, $sql);
	return;
}

sub changes
{
	my ($worker, $max) = @_;
	$max //= 1000000;
	return $node->safe_psql('postgres', "SELECT string_agg(change_type || ' ' || COALESCE(primary_key->>'id', '-') || COALESCE('=' || (new_data->>'v'), ''), ', ' ORDER BY change_id) FROM pythia.consume_changes('$worker', max_changes => $max)");
}

# What holds low back, and whether the condition is true.
sub held
{
	my ($worker, $condition) = @_;
	return $node->safe_psql('postgres', "SELECT COALESCE(held_why, 'nothing') || ' ' || ($condition) FROM pythia.stat_cdc WHERE worker = '$worker'") =~ s/true$/t/r;
}

sub create
{
	my ($worker, $tables, $url, $options) = @_;
	$options //= '{}';
	my (undef, undef, $err) = $node->psql('postgres', "SELECT pythia.create_cdc_worker('$worker', '{$tables}', '$url', poll_interval => '50 ms', options => '$options')");
	unlike($err, qr/ERROR/, "$worker: created");
	return $err;
}

$maria->sql('CREATE TABLE t (id int PRIMARY KEY, v varchar(20), updated_at datetime(6) DEFAULT now(6), KEY (updated_at)); '
	. 'CREATE TABLE s (id int PRIMARY KEY, v varchar(20), updated_at datetime DEFAULT now(), KEY (updated_at))');

# what its primary committed long ago may come at any time, while nothing tells that it is one
subtest 'a replica whose applier does not run' => sub {
	my ($set_up, $reset) = $maria->sql('SELECT version()') =~ /MariaDB/ ? ('MASTER TO MASTER', 'SLAVE') : ('REPLICATION SOURCE TO SOURCE', 'REPLICA');
	my $old = 'now(6) - INTERVAL 30 MINUTE';
	$maria->sql('CREATE TABLE r (id int PRIMARY KEY, v varchar(20), updated_at datetime(6) DEFAULT now(6), KEY (updated_at))');
	$maria->sql("CHANGE ${set_up}_HOST = '127.0.0.1'");
	# who may not see that is told so by read_only alone
	$maria->sql('GRANT ' . ($set_up =~ /^MASTER/ ? 'SLAVE MONITOR' : 'REPLICATION CLIENT') . " ON *.* TO 'pythia'");
	create('idle', 'r', $maria->url, '{"lookback": 0, "track": "none"}');
	$maria->sql("INSERT INTO r (id, v) VALUES (1, 'new')");
	is(changes('idle'), 'INSERT 1=new', 'what comes');
	like(held('idle', 'true'), qr/^a replica that applies nothing, .*: start it, .* t$/, 'what holds low back');
	$maria->sql("INSERT INTO r VALUES (2, 'late', $old)");
	is(changes('idle'), 'INSERT 2=late', 'what comes late');
	# nor does a sync take it for seen
	my $folder = PostgreSQL::Test::Utils::tempdir();
	my @sync = ($ENV{PYTHIA}, 'sync', '-s', $maria->url, '-t', "sqlite:///$folder/copy.db", '--tables', 'r', '--state', "$folder/state.db");
	PostgreSQL::Test::Utils::system_or_bail(@sync);
	$maria->sql("INSERT INTO r VALUES (9, 'later still', $old)");
	PostgreSQL::Test::Utils::system_or_bail(@sync);
	is(DBI->connect("dbi:SQLite:dbname=$folder/copy.db", '', '', { RaiseError => 1 })->selectrow_array('SELECT count(*) FROM r'), 3, 'a sync reads what comes late');
	$maria->sql('DELETE FROM r WHERE id = 9');
	my (undef, undef, $err) = $node->psql('postgres', q{SELECT pythia.create_cdc_worker('fires', '{r}', '} . $maria->url . q{', options => '{"capture": "trigger"}')});
	like($err, qr/triggers would miss what replication brings to table "r"/, 'triggers are refused');
	$maria->sql("RESET $reset ALL; SET GLOBAL read_only = 1");
	$maria->sql("INSERT INTO r VALUES (3, 'later', $old)");
	is(changes('idle'), 'INSERT 3=later', 'nobody may write there but what replicates');
	$maria->sql('SET GLOBAL read_only = 0');
	$maria->sql("INSERT INTO r (id, v) VALUES (4, 'own')");
	is(changes('idle'), 'INSERT 4=own', 'no replica any more');
	is(held('idle', 'true'), 'nothing t', 'and nothing holds low back');
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('idle')");
};

# nor does a standby of PostgreSQL tell what is open at its primary
subtest 'a standby of PostgreSQL' => sub {
	my $primary = pg_node('primary', other => 1, wal_level => 'replica', max_wal_senders => 4);
	$primary->append_conf('pg_hba.conf', "local replication all trust\n");
	$primary->restart;
	$primary->backup('base');
	my $standby = PostgreSQL::Test::Cluster->new('standby', $primary->{_install_path} ? (install_path => $primary->{_install_path}) : ());
	$standby->init_from_backup($primary, 'base', has_streaming => 1);
	$standby->append_conf('postgresql.conf', 'port = ' . $standby->port);
	$standby->start;
	my $replayed = sub { $primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert')) };
	$primary->safe_psql('postgres', 'CREATE TABLE st (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now()); CREATE INDEX ON st (updated_at)');
	$replayed->();
	my $url = pg_url($standby);
	like(create('standby', 'st', $url), qr/WARNING: .*cannot be seen.*HINT: .*of no use on a standby/s, 'a warning says that it tells less');
	my $folder = PostgreSQL::Test::Utils::tempdir();
	my $command = sub {
		my ($out, $err) = ('', '');
		IPC::Run::run([ $ENV{PYTHIA}, 'cdc', $url, '--tables', 'st', '--once', '--state', "$folder/state.db" ], '<', \undef, '>', \$out, '2>', \$err);
		return join ', ', $out =~ /"primary_key":\{"id": (\d+)\}/g;
	};
	is($command->(), '', 'the command begins now');
	my $late = Pythia::Session->new($primary);
	$late->do("BEGIN; INSERT INTO st VALUES (1, 'late')");
	for my $id (2, 3)
	{
		# low follows what has been replayed: its clock goes on with each commit
		$primary->safe_psql('postgres', "SELECT pg_sleep(1.1)");
		$primary->safe_psql('postgres', "INSERT INTO st VALUES ($id, 'early')");
		$replayed->();
		is(changes('standby'), "INSERT $id=early", "what is committed: $id");
		is($command->(), $id, '… by the command, too');
	}
	$late->do('COMMIT');
	$replayed->();
	is(changes('standby'), 'INSERT 1=late', 'what comes late is told all the same');
	is($command->(), '1', '… by the command, too');
	my (undef, undef, $err) = $node->psql('postgres', "SELECT pythia.create_cdc_worker('fires', '{st}', '$url', options => '{\"capture\": \"trigger\"}')");
	like($err, qr/ERROR: .*(read-only|recovery|standby)/, 'triggers are refused');
	$late->close;
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('standby')");
	$standby->stop;
	$primary->stop;
};

# what the source has that is stopped may come at any time, however far the other one is
subtest 'a replica of two sources, one of which is stopped' => sub {
	plan skip_all => 'the statements are those of MariaDB' if $maria->sql('SELECT version()') !~ /MariaDB/;
	$maria->sql('DELETE FROM r');
	$maria->sql("CHANGE MASTER '$_' TO MASTER_HOST = '127.0.0.1'") for qw(one two);
	$maria->sql("START SLAVE 'one' SQL_THREAD");
	create('two_sources', 'r', $maria->url, '{"lookback": 0, "track": "none"}');
	$maria->sql("INSERT INTO r (id, v) VALUES (1, 'new')");
	is(changes('two_sources'), 'INSERT 1=new', 'what comes');
	like(held('two_sources', 'true'), qr/^a replica that applies nothing, or not from each of its sources: /, 'what holds low back');
	$maria->sql("INSERT INTO r VALUES (2, 'late', now(6) - INTERVAL 30 MINUTE)");
	is(changes('two_sources'), 'INSERT 2=late', 'what comes late');
	$maria->sql("START SLAVE 'two' SQL_THREAD");
	$maria->sql("INSERT INTO r (id, v) VALUES (3, 'both')");
	is(changes('two_sources'), 'INSERT 3=both', 'both are applied');
	like(held('two_sources', 'true'), qr/^open transactions cannot be seen there/, 'and low follows what was applied');
	$maria->sql("STOP ALL SLAVES; RESET SLAVE 'one' ALL; RESET SLAVE 'two' ALL");
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('two_sources')");
};

subtest 'open transactions' => sub {
	create('w', 't', $maria->url, '{"lookback": 0, "track": "none"}');
	my $a = Pythia::Session->mysql($maria);
	my $began = $a->do('SELECT utc_timestamp()');
	$a->do("BEGIN; INSERT INTO t (id, v) VALUES (1, 'late')");
	$maria->sql("INSERT INTO t (id, v) VALUES (2, 'early')");
	is(changes('w'), 'INSERT 2=early', 'what is committed');
	$maria->sql('DO SLEEP(1.1)');
	$maria->sql("INSERT INTO t (id, v) VALUES (3, 'later')");
	is(changes('w'), 'INSERT 3=later', 'and later');
	is($node->safe_psql('postgres', "SELECT remote_low <= '$began' FROM pythia.cdc_state"), 't', 'low waits');
	$maria->sql('DO SLEEP(1)');
	is(changes('w'), '', 'still');
	is(held('w', "held_by = $a->{pid} AND behind > interval '2 s'"), 'an open transaction t', 'stat_cdc names the connection that holds it back');
	$a->do('COMMIT');
	is(changes('w'), 'INSERT 1=late', 'for the late one');
	# MariaDB itself shows what was open a moment ago, to who asks all the time for up to a second
	my $held;
	for (my $until = time + $PostgreSQL::Test::Utils::timeout_default; time < $until; )
	{
		$node->safe_psql('postgres', "SELECT pythia.poll('w')");
		last if ($held = held('w', "held_by IS NULL AND behind = interval '0'")) eq 'nothing t';
	}
	is($held, 'nothing t', 'and then nothing');
	$a->close;
};

# The server shows a copy of its transactions, and makes no new one while somebody reads it often.
sub reads_often
{
	my $pid = fork // die "fork: $!";
	return $pid if $pid;
	open my $client, '|-', $maria->command or POSIX::_exit(1);
	open STDOUT, '>', '/dev/null';
	$client->autoflush(1);
	$SIG{TERM} = sub { POSIX::_exit(0) };
	while (1)
	{
		print $client "SELECT COUNT(*) INTO \@n FROM information_schema.INNODB_TRX;\n" or POSIX::_exit(0);
		select(undef, undef, undef, 0.02);
	}
}

for my $reader ('the worker itself', 'somebody else')
{
	subtest "open transactions that $reader reads often" => sub {
		my $table = $reader eq 'somebody else' ? 'theirs' : 'ours';
		my $pid;
		$maria->sql("CREATE TABLE $table (id int PRIMARY KEY, v varchar(20), updated_at datetime(6) DEFAULT now(6), KEY (updated_at))");
		create($table, $table, $maria->url, '{"lookback": 0, "track": "none"}');
		changes($table);
		if ($reader eq 'somebody else')
		{
			$pid = reads_often();
		}
		else
		{
			$node->safe_psql('postgres', "SELECT pythia.alter_cdc_worker('$table', poll_interval => '10 ms'); SELECT pythia.start_cdc('$table')");
		}
		$maria->sql('DO SLEEP(0.5)');
		my $a = Pythia::Session->mysql($maria);
		$a->do("BEGIN; INSERT INTO $table (id, v) VALUES (1, 'late')");
		for my $id (2 .. 4)
		{
			$maria->sql('DO SLEEP(1.1)');
			$maria->sql("INSERT INTO $table (id, v) VALUES ($id, 'early')");
			$node->safe_psql('postgres', "SELECT pythia.poll('$table')") if $pid;
			ok(wait_for($node, "SELECT count(*) = 1 FROM pythia.consume_changes('$table') WHERE primary_key->>'id' = '$id'"), "what is committed: $id");
		}
		$a->do('COMMIT');
		ok(wait_for($node, "SELECT count(*) = 1 FROM pythia.consume_changes('$table') WHERE primary_key->>'id' = '1'"), 'and the late one');
		if ($pid)
		{
			kill 'TERM', $pid;
			waitpid($pid, 0);
		}
		else
		{
			# with nobody in its way low goes on
			ok(wait_for($node, "SELECT held_by IS NULL AND behind < interval '3 s' FROM pythia.stat_cdc WHERE worker = '$table'"), 'low goes on');
		}
		$a->close;
		$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('$table')");
	};
}

subtest 'a key of another type' => sub {
	$maria->sql("CREATE TABLE retyped (id int PRIMARY KEY, v varchar(20), updated_at datetime(6) DEFAULT now(6), KEY (updated_at)); INSERT INTO retyped (id, v) VALUES (1, 'a'), (2, 'b')");
	create('retyped', 'retyped', $maria->url, '{"track": "keys", "delete_interval": 0, "start_from": "beginning"}');
	is(changes('retyped'), 'INSERT 1=a, INSERT 2=b', 'as a number');
	$maria->sql("ALTER TABLE retyped MODIFY id varchar(20)");
	my (undef, $out, $err) = $node->psql('postgres', q{SELECT pythia.poll('retyped'); SELECT change_type FROM pythia.consume_changes('retyped'); SELECT reason FROM pythia.stat_cdc WHERE worker = 'retyped' AND NOT active}, on_error_stop => 0);
	unlike($out, qr/DELETE/, 'no row is called deleted');
	like("$out$err", qr/the key of table "\S*retyped\S*" has another type/, 'and it is told');
	$node->safe_psql('postgres', q{SELECT pythia.alter_cdc_worker('retyped', tables => '{t}'); SELECT pythia.alter_cdc_worker('retyped', tables => '{retyped}')});
	$maria->sql("INSERT INTO retyped (id, v) VALUES ('c', 'c')");
	like(changes('retyped'), qr/INSERT c=c$/, 'taken in again it goes on');
	$node->safe_psql('postgres', q{SELECT pythia.drop_cdc_worker('retyped')});
};

# What touches InnoDB late has stamped early.
subtest 'a statement that takes its time before it touches the table' => sub {
	my $a = Pythia::Session->mysql($maria);
	$a->send('INSERT INTO t (id, v, updated_at) SELECT 5, IF(SLEEP(6), 0, 1), NOW(6)');
	$maria->sql('DO SLEEP(4)');
	$maria->sql("INSERT INTO t (id, v) VALUES (6, 'early')");
	is(changes('w'), 'INSERT 6=early', 'what is committed');
	is(held('w', "held_by = $a->{pid} AND behind > interval '3 s'"), 'a running statement t', 'stat_cdc names it');
	$a->finish;
	is(changes('w'), 'INSERT 5=1', 'and what it wrote at last');
	$a->close;
};

subtest 'a prepared transaction outlives a restart' => sub {
	my $a = Pythia::Session->mysql($maria);
	$a->do("XA START 'x'; INSERT INTO t (id, v) VALUES (10, 'prepared'); XA END 'x'; XA PREPARE 'x'");
	$a->close;
	changes('w');
	$maria->kill9;
	$maria->start;
	$maria->sql("DO SLEEP(1.1); INSERT INTO t (id, v) VALUES (11, 'after')");
	is(changes('w'), 'INSERT 11=after', 'it is not there yet');
	$maria->sql("DO SLEEP(1.1); INSERT INTO t (id, v) VALUES (12, 'again')");
	is(changes('w'), 'INSERT 12=again', 'low does not pass what it stamped before');
	# MySQL tells its name to who has XA_RECOVER_ADMIN
	is(held('w', "held_by IS NULL AND behind > interval '1 s'"), $ENV{MYSQLD} ? 'a prepared transaction t' : "prepared XA transaction 'x' t", 'stat_cdc names it');
	$maria->sql("XA COMMIT 'x'");
	is(changes('w'), 'INSERT 10=prepared', 'for it is told when it commits');
};

subtest 'a transaction of no connection that is not prepared' => sub {
	# which tells these two apart in MySQL
	$maria->root_sql("GRANT XA_RECOVER_ADMIN ON *.* TO pythia\@'%'") if $ENV{MYSQLD};
	my $a = Pythia::Session->mysql($maria);
	$a->do("BEGIN; INSERT INTO t (id, v) VALUES (13, 'never')");
	# a commit writes the log for all
	$maria->sql("INSERT INTO t (id, v) VALUES (14, 'committed')");
	$maria->kill9;
	$a->close;
	# what a crash left is not rolled back so, and stands there as InnoDB's own transactions do
	push @{ $maria->{arguments} }, '--innodb-force-recovery=3';
	$maria->start;
	is($maria->sql('SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX'), '0', 'it is open');
	is(changes('w'), 'INSERT 14=committed', 'what is committed');
	is(held('w', "behind < interval '3 s'"), 'nothing t', 'nothing holds low back');
	pop @{ $maria->{arguments} };
	$maria->restart;
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('w')");
};

subtest 'many pollers of one server' => sub {
	my @workers = map { "many$_" } 1 .. 12;
	for my $worker (@workers)
	{
		create($worker, 's', $maria->url, '{"track": "none"}');
		$node->safe_psql('postgres', "SELECT pythia.alter_cdc_worker('$worker', poll_interval => '30 ms'); SELECT pythia.start_cdc('$worker')");
	}
	for my $time (1 .. 3)
	{
		# long enough for a copy that nobody leaves alone to grow old
		$maria->sql('DO SLEEP(3)');
		my $now = $node->safe_psql('postgres', 'SELECT clock_timestamp()');
		ok(wait_for($node, "SELECT count(*) = 12 FROM pythia.stat_cdc WHERE worker LIKE 'many%' AND last_poll > '$now' AND behind < interval '3 s'"), "low goes on for each: $time");
	}
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('$_')") for @workers;
};

subtest 'stamps of whole seconds, ties over batches' => sub {
	# a stamp that stays as it was is looked at again within lookback
	create('second', 's', $maria->url, '{"batch_size": 10, "lookback": 600}');
	$maria->sql("INSERT INTO s (id, v) SELECT seq, 'a' FROM " . mysql_numbers(95));
	my @got = map { split /, /, changes('second', 10) } 1 .. 10;
	is(scalar(@got), 95, 'each row of one stamp');
	is(join(',', map { /(\d+)/ } @got), join(',', 1 .. 95), 'in the order of their keys, once');
	for my $v ('b', 'c', 'd')
	{
		$maria->sql("UPDATE s SET v = '$v' WHERE id = 7");
		is(changes('second'), "UPDATE 7=$v", "another version within the second: $v");
	}
	sqlite('CREATE TABLE s (id integer PRIMARY KEY, v text, updated_at text DEFAULT CURRENT_TIMESTAMP)');
	create('lite', 's', "sqlite:///$file", '{"lookback": 600}');
	for my $v ('a', 'b', 'c')
	{
		sqlite("INSERT INTO s (id, v) VALUES (1, '$v') ON CONFLICT (id) DO UPDATE SET v = excluded.v, updated_at = CURRENT_TIMESTAMP");
		is(changes('lite'), ($v eq 'a' ? 'INSERT' : 'UPDATE') . " 1=$v", "SQLite, too: $v");
	}
	$node->safe_psql('postgres', "SELECT pythia.start_cdc('lite')");
	for my $v ('d', 'e')
	{
		sqlite("UPDATE s SET v = '$v'");
		ok(wait_for($node, "SELECT string_agg(new_data->>'v', '') = '$v' FROM pythia.consume_changes('lite')"), "idle polls skip the file, but no change: $v");
	}
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('lite'); SELECT pythia.drop_cdc_worker('second')");
};

subtest 'a SQLite file that is replaced' => sub {
	my $folder = PostgreSQL::Test::Utils::tempdir();
	my $there = "$folder/there.db";
	my $do = sub { DBI->connect("dbi:SQLite:dbname=$_[0]", '', '', { RaiseError => 1 })->do($_[1]) };
	my $replace = sub { system('cp', $_[0], "$folder/new.db") == 0 && $do->("$folder/new.db", $_[1]) && rename "$folder/new.db", $there or die "replacing: $!" };
	my $told = sub { my ($worker, $id) = @_; return wait_for($node, "SELECT count(*) = 1 FROM pythia.consume_changes('$worker') WHERE primary_key->>'id' = '$id'") };
	$do->("$folder/old.db", 'CREATE TABLE t (id integer PRIMARY KEY, updated_at text DEFAULT CURRENT_TIMESTAMP)');
	system('cp', "$folder/old.db", $there);
	for my $capture ('poll', 'trigger')
	{
		create($capture, 't', "sqlite:///$there", "{\"capture\": \"$capture\"}");
		$node->safe_psql('postgres', "SELECT pythia.start_cdc('$capture')");
	}
	$do->($there, 'INSERT INTO t (id) VALUES (1)');
	ok($told->($_, 1), "it is followed: $_") for 'poll', 'trigger';
	$replace->($there, 'INSERT INTO t (id) VALUES (2)');
	ok($told->($_, 2), "as is the one that takes its place: $_") for 'poll', 'trigger';
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('poll')");
	$replace->("$folder/old.db", 'INSERT INTO t (id) VALUES (3)');
	ok(wait_for($node, "SELECT NOT active AND reason ~ 'triggers .* are gone' FROM pythia.stat_cdc WHERE worker = 'trigger'"), 'one without our triggers stops the table')
	  or diag $node->safe_psql('postgres', "SELECT active, reason FROM pythia.stat_cdc WHERE worker = 'trigger'");
	$node->safe_psql('postgres', "SELECT pythia.start_cdc('trigger')");
	ok(wait_for($node, "SELECT active AND start_as IS NULL FROM pythia.cdc_state JOIN pythia.cdc_table USING (table_id) JOIN pythia.worker w USING (worker_id) WHERE w.name = 'trigger'"), 'started again it gets them, and their log');
	$do->($there, 'INSERT INTO t (id) VALUES (4)');
	ok($told->('trigger', 4), 'and goes on');
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('trigger')");
};

subtest 'who holds low back in PostgreSQL and SQLite' => sub {
	my $other = pg_node('other', other => 1);
	$other->safe_psql('postgres', 'CREATE TABLE p (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now()); CREATE INDEX ON p (updated_at)');
	create('there', 'p', pg_url($other));
	my $a = Pythia::Session->new($other);
	$a->do("BEGIN; INSERT INTO p VALUES (1, 'late'); SELECT pg_sleep(2.1)");
	is(changes('there'), '', 'not committed');
	is(held('there', "held_by = $a->{pid} AND behind > interval '2 s'"), 'an open transaction t', 'the process there');
	$a->do(q{PREPARE TRANSACTION 'it''s'});
	is(changes('there'), '', 'nor is it now');
	is(held('there', "held_by IS NULL AND behind > interval '2 s'"), q{prepared transaction 'it''s' t}, 'a prepared one has a name');
	$node->safe_psql('postgres', "SELECT pythia.start_cdc('there')");
	$a->do(q{COMMIT PREPARED 'it''s'});
	ok(wait_for($node, "SELECT held_why IS NULL AND held_by IS NULL AND behind = interval '0' AND captured = 1 FROM pythia.stat_cdc WHERE worker = 'there'"), 'the background worker sees that it is gone');
	$a->do("BEGIN; INSERT INTO p VALUES (2, 'late'); SELECT pg_sleep(2.1)");
	ok(wait_for($node, "SELECT held_by = $a->{pid} FROM pythia.stat_cdc WHERE worker = 'there'"), 'and who comes');
	my $written = "SELECT string_agg(xmin || ' ' || ctid, ', ') FROM pythia.cdc_source";
	my $count = $node->safe_psql('postgres', $written);
	my $turns = 'SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()';
	my $start = $node->safe_psql('postgres', $turns);
	ok(wait_for($node, "SELECT xact_commit > $start + 40 FROM pg_stat_database WHERE datname = current_database()"), 'polls go on');
	is($node->safe_psql('postgres', $written), $count, 'but write nothing while nothing changes');
	$a->do('COMMIT');
	$a->close;
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('there')");
	$other->stop;

	create('lite', 's', "sqlite:///$file");
	my $db = DBI->connect("dbi:SQLite:dbname=$file", '', '', { RaiseError => 1 });
	$db->do('BEGIN IMMEDIATE');
	is(changes('lite'), '', 'somebody writes');
	is(held('lite', "held_by IS NULL AND behind > interval '0'"), 'somebody who is writing there t', 'a SQLite file says no more');
	$db->do('ROLLBACK');
	is(changes('lite'), '', 'nobody does');
	is(held('lite', "behind = interval '0'"), 'nothing t', 'and nobody holds it');
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('lite')");
};

subtest 'a user who sees little' => sub {
	my $blind = sub { scalar(() = PostgreSQL::Test::Utils::slurp_file($node->logfile) =~ /WARNING: .*cannot be seen/g) };
	my $before = $blind->();
	$maria->root_sql("CREATE USER small\@'%' IDENTIFIED BY 'tiny'; GRANT SELECT ON pythia.t TO small\@'%'");
	(my $url = $maria->url) =~ s/pythia:secret/small:tiny/;
	like(create('small', 't', $url), qr/WARNING: .*cannot be seen.*HINT: .*PROCESS/s, 'what is missing is said');
	$node->safe_psql('postgres', "SELECT pythia.start_cdc('small')");
	# before, sessions poll by themselves, and each says it
	ok(wait_for($node, "SELECT state = 'running' FROM pythia.worker_status WHERE name = 'small'"), 'in the background');
	$maria->sql("INSERT INTO t (id, v) VALUES (20, 'x')");
	ok(wait_for($node, "SELECT count(*) = 1 FROM pythia.consume_changes('small')"), 'captured all the same');
	my $said = $blind->() - $before;
	cmp_ok($said, '<=', 2, 'once here, once in the background, not with every poll');
	$maria->sql("DO SLEEP(0.5)");
	is($blind->() - $before, $said, 'and not again');
	like(held('small', 'behind IS NULL'), qr/^open transactions cannot be seen.* t$/, 'stat_cdc says so, too');
	my (undef, undef, $err) = $node->psql('postgres', "SELECT pythia.create_cdc_worker('no', '{t}', '$url', options => '{\"capture\": \"trigger\"}')");
	like($err, qr/ERROR: .*(denied|CREATE)/, 'triggers need more');
	unlike($err, qr/tiny/, 'without the password');
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('small')");
};

# MySQL runs a trigger as the user that made it, or lets nobody write
subtest 'the user as whom triggers run' => sub {
	$maria->sql('CREATE TABLE defined (id int PRIMARY KEY, v varchar(20), updated_at datetime(6) DEFAULT now(6))');
	my $make = "CREATE OR REPLACE USER definer\@'%' IDENTIFIED BY 'made'; GRANT ALL ON pythia.* TO definer\@'%'";
	$make =~ s/CREATE OR REPLACE USER/DROP USER IF EXISTS definer\@'%'; CREATE USER/ if $maria->sql('SELECT version()') !~ /MariaDB/;
	$maria->root_sql($make);
	(my $url = $maria->url) =~ s/pythia:secret/definer:made/;
	my $reason = "SELECT reason FROM pythia.stat_cdc WHERE worker = 'defined'";
	my $lost = qr/^the user as whom the triggers on table "pythia\.defined" run has lost a privilege, or does not exist any more$/;
	my $folder = PostgreSQL::Test::Utils::tempdir();
	my $command = sub {
		my ($out, $err);
		IPC::Run::run([ $ENV{PYTHIA}, 'cdc', $url, '--tables', 'defined', '--once', '--capture', 'trigger', '--state', "$folder/state.db" ], '>', \$out, '2>', \$err);
		return $out . $err;
	};
	like(create('defined', 'defined', $url, '{"capture": "trigger"}'), qr/NOTICE: .*triggers on table defined run as definer\@%: while that user does not exist, or lacks/, 'it is said at creation');
	like($command->(), qr/triggers on table defined run as definer\@%/, 'by the command, too');
	for my $right (qw(INSERT TRIGGER))
	{
		$maria->root_sql("REVOKE $right ON pythia.* FROM definer\@'%'");
		is(changes('defined'), '', "without $right nothing can be told");
		like($node->safe_psql('postgres', $reason), $lost, '… which is');
		like($command->(), qr/as whom the triggers .* run has lost a privilege.*detail: .*$right.*hint: .*or give it back TRIGGER/s, '… by the command, too');
		$maria->root_sql("GRANT $right ON pythia.* TO definer\@'%'");
		$node->safe_psql('postgres', "SELECT pythia.start_cdc('defined'); SELECT pythia.stop_cdc('defined')");
		$command->();
		$maria->sql("REPLACE INTO defined (id, v) VALUES (1, '$right')");
		like(changes('defined'), qr/INSERT 1=$right$/, 'given back, it goes on');
		like($command->(), qr/"v": "$right"/, 'as does the command');
	}
	# who is connected sees of itself that it is gone
	$node->safe_psql('postgres', "SELECT pythia.start_cdc('defined')");
	$maria->sql("INSERT INTO defined (id, v) VALUES (2, 'background')");
	ok(wait_for($node, "SELECT count(*) = 1 FROM pythia.consume_changes('defined') WHERE primary_key->>'id' = '2'"), 'in the background');
	$maria->root_sql("DROP USER definer\@'%'");
	# some servers let go of its sessions, which then cannot be had again
	my $error = "SELECT last_error FROM pythia.worker_status WHERE name = 'defined'";
	ok(wait_for($node, "SELECT ($reason) IS NOT NULL OR ($error) LIKE '%Access denied%'"), 'a user that is dropped');
	like($node->safe_psql('postgres', "SELECT coalesce(($reason), ($error))"), qr/$lost|^could not connect .*Access denied/, 'the reason or the last error says that the user is gone');
	$maria->root_sql($make);
	$node->safe_psql('postgres', "SELECT pythia.start_cdc('defined')");
	ok(wait_for($node, $reason =~ s/SELECT reason/SELECT count(reason) = 0/r), 'made anew');
	$maria->sql("INSERT INTO defined (id, v) VALUES (3, 'again')");
	ok(wait_for($node, "SELECT count(*) = 1 FROM pythia.consume_changes('defined') WHERE primary_key->>'id' = '3'"), 'it goes on');
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('defined')");
	$maria->sql('DROP TABLE defined');
};

subtest 'a source that hangs' => sub {
	create('hang', 't', $maria->url);
	$node->safe_psql('postgres', "SELECT pythia.start_cdc('hang')");
	$maria->sql("INSERT INTO t (id, v) VALUES (30, 'x')");
	ok(wait_for($node, "SELECT count(*) = 1 FROM pythia.consume_changes('hang')"), 'it polls');
	$maria->freeze;
	my $waiting = "SELECT count(*) = 1 FROM pg_stat_activity a JOIN pythia.worker_status w USING (pid) WHERE w.name = 'hang' AND a.wait_event = 'PythiaRemote'";
	$waiting = "SELECT count(*) = 1 FROM pg_stat_activity a JOIN pythia.worker_status w USING (pid) WHERE w.name = 'hang' AND a.wait_event_type = 'Extension'" if $node->pg_version < 17;
	ok(wait_for($node, $waiting), 'it waits for the source');
	is($node->safe_psql('postgres', "SELECT a.xact_start IS NULL AND a.backend_xmin IS NULL AND a.backend_xid IS NULL FROM pg_stat_activity a JOIN pythia.worker_status w USING (pid) WHERE w.name = 'hang'"), 't', 'outside of any transaction');
	is($node->safe_psql('postgres', "SELECT count(*) FROM pg_locks l JOIN pythia.worker_status w USING (pid) WHERE w.name = 'hang' AND l.locktype = 'relation'"), '0', 'without a lock');
	$node->safe_psql('postgres', "SELECT pythia.stop_cdc('hang')");
	ok(wait_for($node, "SELECT pid IS NULL FROM pythia.worker_status WHERE name = 'hang'"), 'and is stopped all the same');
	$maria->thaw;
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('hang')");
};

subtest 'what this database cannot hold' => sub {
	for my $capture ('poll', 'trigger')
	{
		create($capture, 't,s', $maria->url, "{\"capture\": \"$capture\"}");
		$node->safe_psql('postgres', "SELECT pythia.create_consumer('$capture', 'second'); SELECT pythia.start_cdc('$capture')");
		$maria->sql("INSERT INTO t (id, v) VALUES (40, CONCAT('a', CHAR(0 USING utf8mb4))); INSERT INTO s (id, v) VALUES (1000, 'fine')");
		ok(wait_for($node, qq{SELECT string_agg(new_data->>'v', '') = '"a\\u0000"' FROM pythia.consume_changes('$capture') WHERE "table" = 't'}), "$capture: a NUL character is told as JSON text");
		ok(wait_for($node, "SELECT count(*) = 1 FROM pythia.consume_changes('$capture', 'second') WHERE \"table\" = 's'"), "$capture: others go on");
		ok(wait_for($node, "SELECT state = 'running' FROM pythia.worker_status WHERE name = '$capture'"), "$capture: as does the worker")
				or diag($node->safe_psql('postgres', "SELECT state, last_error FROM pythia.worker_status WHERE name = '$capture'"));
		$maria->sql("DELETE FROM t WHERE id = 40; DELETE FROM s WHERE id = 1000");
		$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('$capture')");
	}
};

subtest 'a lock that is held over there' => sub {
	create('locked', 't', $maria->url, '{"capture": "trigger"}');
	my $a = Pythia::Session->mysql($maria);
	$a->do("BEGIN; INSERT INTO t (id, v) VALUES (50, 'open')");
	$maria->sql("INSERT INTO t (id, v) VALUES (51, 'done')");
	is(changes('locked'), 'INSERT 51=done', 'told beside it');
	is(changes('locked'), '', 'once, though the log is locked');
	$a->do('COMMIT');
	is(changes('locked'), 'INSERT 50=open', 'then the other');
	is(changes('locked'), '', 'once');
	$a->close;
	$node->safe_psql('postgres', "SELECT pythia.drop_cdc_worker('locked')");
};

subtest 'secrets' => sub {
	(my $url = $maria->url) =~ s/secret/s3cr3t-wrong/;
	my (undef, $out, $err) = $node->psql('postgres', "SELECT pythia.create_cdc_worker('x', '{t}', '$url')");
	like($err, qr/ERROR/, 'a wrong password');
	unlike($err, qr/s3cr3t/, 'is not repeated');
	create('keeps', 't', $maria->url, '{"capture": "trigger"}');
	$node->safe_psql('postgres', "SELECT pythia.start_cdc('keeps')");
	$maria->stop;
	ok(wait_for($node, "SELECT failures > 0 FROM pythia.worker_status WHERE name = 'keeps'"), 'a failure');
	for my $where ("SELECT w::text FROM pythia.worker_status w", "SELECT s::text FROM pythia.stat_cdc s", "SELECT c::text FROM pythia.cdc_worker c", "SELECT s::text FROM pythia.cdc_state s",
		"SELECT a::text FROM pg_stat_activity a WHERE pid <> pg_backend_pid()", "SELECT srvoptions::text FROM pg_foreign_server")
	{
		unlike($node->safe_psql('postgres', $where), qr/secret/, $where);
	}
	# the statements of this test are in it, as PostgreSQL logs them
	my $log = join "\n", grep { !/STATEMENT:|statement:/ } split /\n/, PostgreSQL::Test::Utils::slurp_file($node->logfile);
	unlike($log, qr/:secret@/, 'nor the log');
	my (undef, undef, $warning) = $node->psql('postgres', "SELECT pythia.drop_cdc_worker('keeps')");
	like($warning, qr/WARNING: .*stay/, 'what stays there is told');
	unlike($warning, qr/secret/, 'without it, too');
	$maria->start;
};

done_testing();
