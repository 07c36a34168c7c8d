# What connections must not give away: passwords to readers of the log and of
# statistics, the server's files and identity to whoever writes a URL, the
# server's network to every role.
use strict;
use warnings;
use Pythia::Session;
use Pythia::Test;
use PostgreSQL::Test::Utils;
use Test::More;
use IO::Socket::INET;

my $node = pg_node('main',
	shared_preload_libraries => 'pg_stat_statements,pythia_db',
	'pg_stat_statements.track' => 'all',
	log_statement => 'all',
	log_min_duration_statement => '0',
	log_min_error_statement => 'info',
	log_parameter_max_length => '-1',
	log_parameter_max_length_on_error => '-1',
	log_error_verbosity => 'verbose',
	'pythia_db.restart_delay' => '1s');
my $maria = shared_mysql('attack_connections');
my $files = PostgreSQL::Test::Utils::tempdir();

# Another PostgreSQL, which asks for a password, and lets its own user in by a socket without one.
my $other = pg_node('other', extension => 0);
$other->safe_psql('postgres', q{CREATE ROLE app LOGIN PASSWORD 'hunter2'; CREATE TABLE t (id int PRIMARY KEY, updated_at timestamptz DEFAULT now());
	GRANT ALL ON t TO app; INSERT INTO t VALUES (1)});
PostgreSQL::Test::Utils::append_to_file($other->data_dir . '/pg_hba.conf', '');
my $hba = PostgreSQL::Test::Utils::slurp_file($other->data_dir . '/pg_hba.conf');
open my $out, '>', $other->data_dir . '/pg_hba.conf' or die "pg_hba.conf: $!";
print $out "host all app 127.0.0.1/32 scram-sha-256\nhost all app ::1/128 scram-sha-256\nlocal all app scram-sha-256\n$hba";
close $out;
$other->reload;

my $port = $other->port;
my $socket = $other->host;
my $there = "postgresql://app:hunter2\@127.0.0.1:$port/postgres";
(my $mine = $maria->url) =~ s/^mariadb:/mysql:/;

$node->safe_psql('postgres', q{CREATE EXTENSION pg_stat_statements; CREATE ROLE bob LOGIN; CREATE ROLE reader LOGIN IN ROLE pg_read_server_files;
	CREATE ROLE watcher LOGIN IN ROLE pg_monitor; CREATE ROLE alice LOGIN;
	SELECT pythia.grant_use('bob'); SELECT pythia.grant_use('reader'); SELECT pythia.grant_use('alice');
	GRANT CREATE ON SCHEMA public TO bob});

# rows, and what went wrong
sub by
{
	my ($role, $sql, %how) = @_;
	my ($code, $rows, $errors) = (undef, '', '');
	local $ENV{PGOPTIONS} = $how{options} if $how{options};
	$code = $node->psql($how{database} // 'postgres', $sql, stdout => \$rows, stderr => \$errors,
		extra_params => [ '-U', $role, '-v', 'VERBOSITY=verbose', '-v', 'ON_ERROR_STOP=1' ]);
	return $rows . $errors;
}

sub tested
{
	my ($role, $url, %how) = @_;
	$url =~ s/'/''/g;
	return by($role, "SELECT reachable, error FROM pythia.test_connection('$url')", %how);
}

sub quiet_log { my ($from) = @_; return PostgreSQL::Test::Utils::slurp_file($node->logfile, $from); }
my $superuser = getpwuid($<);

subtest 'secrets stay out of the log and of statistics' => sub {
	my $from = -s $node->logfile;
	my @statements = (
		q{SELECT pythia.create_connection('one', 'postgresql://app:hunter2@127.0.0.1:1/d')},
		q{SELECT pythia.create_connection('one', 'postgresql://app:hunter2@127.0.0.1:1/d')},
		q{SELECT pythia.create_connection('two', 'postgresql://app@127.0.0.1:1/d', '{"password": "hunter2"}')},
		q{SELECT pythia.create_connection('three', 'postgresql://app@127.0.0.1:1/d?password=hunter2')},
		q{SELECT pythia.create_connection('bad', 'postgresql://app:hunter2@h:port/d')},
		q{SELECT pythia.create_connection('bad', 'postgresql://app:hunter2/x@h/d')},
		q{SELECT pythia.create_connection('bad', 'oracle://app:hunter2@h/d')},
		q{SELECT pythia.create_connection('bad', 'postgresql://app@h/d', '{"pasword": "x", "password": "hunter2"}')},
		q{SELECT pythia.create_connection('bad', 'postgresql://app@h/d', '{"password": "hunter2" oops}')},
		q{SELECT pythia.create_connection('bad', 'postgresql://app@h/d', '{"password": ["hunter2"]}')},
		q{SELECT pythia.create_connection('bad', 'postgresql://app@h/d?pass%77ord=hunter2&nonsense=1'), pythia.test_connection('bad')},
		q{SELECT pythia.test_connection('postgresql://app:hunter2@127.0.0.1:1/d')},
		q{SELECT pythia.test_connection($$mysql://app:hunter2@127.0.0.1:1/d$$)},
		q{SELECT pythia.sync_between('postgresql://app:hunter2@127.0.0.1:1/d', 'local', 't')},
		q{SELECT pythia.create_sync_worker('w', source => 'postgresql://app:hunter2@127.0.0.1:1/d', target => 'local', tables => '{t}')},
		q{SELECT pythia.create_sync_worker('w', source => 'postgresql://app:hunter2@127.0.0.1:1/d', target => 'local', tables => '{t}')},
		q{SELECT pythia.create_cdc_worker('c', '{t}', 'mysql://app:hunter2@127.0.0.1:1/d')},
		q{SELECT pythia.create_connection('x', 'postgresql://app:hunter2@h/d') FROM nosuch},
		q{SELECT pythia.create_conection('x', 'postgresql://app:hunter2@h/d')},
		q{SELECT 'postgresql://app:hunter2@h/d'::int},
		q{CREATE SERVER s FOREIGN DATA WRAPPER pythia_db OPTIONS (url 'postgresql://app:hunter2@h/d')},
		q{CREATE SERVER s FOREIGN DATA WRAPPER pythia_db OPTIONS (url 'postgresql://h/d')},
		q{CREATE USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (user 'app', password 'hunter2')},
		q{CREATE USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (user 'app', password 'hunter2')},
		q{ALTER USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (SET password 'hunter2')},
		q{ALTER USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (SET "password" E'hunter2', ADD sslpassword $$hunter2$$)},
		q{ALTER USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (ADD nonsense 'x', SET password 'hunter2')},
		q{PREPARE p AS SELECT pythia.test_connection('postgresql://app:hunter2@127.0.0.1:1/d'); EXECUTE p},
		q{PREPARE q(text) AS SELECT pythia.test_connection($1); EXECUTE q('postgresql://app:hunter2@127.0.0.1:1/d')},
		q{DO $$BEGIN PERFORM pythia.test_connection('postgresql://app:hunter2@127.0.0.1:1/d'); END$$},
		q{DO $$BEGIN PERFORM pythia.create_connection('one', 'postgresql://app:hunter2@127.0.0.1:1/d'); END$$},
		q{DO $$BEGIN EXECUTE format('SELECT pythia.create_connection(%L, %L)', 'one', 'postgresql://app:hunter2@h/d'); END$$},
		q{EXPLAIN ANALYZE SELECT pythia.test_connection('postgresql://app:hunter2@127.0.0.1:1/d')},
		q{CREATE TABLE u AS SELECT pythia.test_connection('postgresql://app:hunter2@127.0.0.1:1/d')},
		q{SELECT pythia.create_connection('six', 'postgresql://app@h/d', jsonb_build_object('password', 'hunter2'))},
		q{BEGIN; SELECT pythia.create_connection('seven', 'postgresql://app:hunter2@h/d'); SELECT 1/0; COMMIT});
	my $said = '';
	for my $role ($superuser, 'bob')
	{
		$said .= by($role, $_) for @statements;
		by($role, "SELECT pythia.drop_connection(srvname) FROM pg_foreign_server WHERE srvowner = current_user::regrole AND srvname NOT IN ('w', 'c')");
	}
	# psql shows the place of an error in what it has sent itself
	unlike(join("\n", grep { !/^LINE 1:/ } split /\n/, $said), qr/hunter2/, 'no message says a password');

	# by the extended protocol
	PostgreSQL::Test::Utils::append_to_file("$files/extended.sql", "SELECT pythia.create_connection('eight', :url);\n");
	my ($bench_out, $bench_err);
	IPC::Run::run([ $node->installed_command('pgbench'), '-n', '-t', '2', '-M', 'extended', '-f', "$files/extended.sql",
			'-D', 'url=postgresql://app:hunter2@h/d', '-h', $node->host, '-p', $node->port, 'postgres' ],
		'>', \$bench_out, '2>', \$bench_err);
	is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_foreign_server WHERE srvname = 'eight'}), 1, 'the extended protocol came here, too');

	my $log = quiet_log($from);
	like($log, qr/create_connection/, 'the log has the statements');
	like($log, qr/already exists/, 'and the errors');
	my @lines = grep { /hunter2/ } split /\n/, $log;
	is_deeply(\@lines, [], 'without a password');
	is($node->safe_psql('postgres', q{SELECT query FROM pg_stat_statements WHERE query LIKE '%hunter2%'}), '', 'nor has pg_stat_statements');
	cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_statements WHERE query LIKE '%USER MAPPING%'}), '>', 0, 'which has user mappings');
	is($node->safe_psql('postgres', q{SELECT srvname, srvoptions FROM pg_foreign_server WHERE srvoptions::text LIKE '%hunter2%' OR srvoptions::text LIKE '%app%'}),
		'', 'and what everybody reads of a server');
	for my $view (qw(worker_status stat_sync stat_cdc))
	{
		unlike($node->safe_psql('postgres', "SELECT * FROM pythia.$view"), qr/hunter2/, "nor pythia.$view");
	}
};

subtest 'nor do they show in pg_stat_activity' => sub {
	# a server that takes the connection and says nothing
	my $silent = IO::Socket::INET->new(Listen => 9, LocalAddr => '127.0.0.1') or die "no socket: $!";
	my $url = sprintf 'postgresql://app:hunter2@127.0.0.1:%d/d', $silent->sockport;
	for my $sql ("SELECT pythia.test_connection('$url')", "SELECT pythia.sync_between('$url', 'local', 't')",
		"DO \$\$BEGIN PERFORM pythia.test_connection('$url'); END\$\$")
	{
		my $session = Pythia::Session->new($node);
		$session->send($sql);
		ok(wait_for($node, "SELECT wait_event_type IS NOT NULL AND query LIKE '%127.0.0.1%' FROM pg_stat_activity WHERE pid = $session->{pid}"), 'it waits');
		unlike(by('watcher', "SELECT query, application_name FROM pg_stat_activity"), qr/hunter2/, substr($sql, 0, 30));
		$node->safe_psql('postgres', "SELECT pg_cancel_backend($session->{pid})");
		eval { $session->finish };
	}
};

subtest 'a password without writing it' => sub {
	# as doc/urls.md shows it
	local $ENV{SHOP_PASSWORD} = 'hunter2';
	my $from = -s $node->logfile;
	is($node->safe_psql('postgres', "\\getenv password SHOP_PASSWORD\nSELECT pythia.create_connection('asked', 'postgresql://app\@127.0.0.1:$port/postgres', jsonb_build_object('password', :'password'));\n"
		  . "SELECT reachable FROM pythia.test_connection('asked')"), "\nt", 'from the environment of psql');
	unlike(quiet_log($from), qr/hunter2/, 'which no log sees');

	PostgreSQL::Test::Utils::append_to_file("$files/password", "hunter2\n");
	chmod 0600, "$files/password";
	is($node->safe_psql('postgres', "SELECT pythia.create_connection('filed', 'postgresql://app\@127.0.0.1:$port/postgres', '{\"password_file\": \"$files/password\"}');"
		  . "SELECT reachable FROM pythia.test_connection('filed')"), "\nt", 'from a file of the server');
	PostgreSQL::Test::Utils::append_to_file("$files/pgpass", "127.0.0.1:$port:*:app:hunter2\n");
	chmod 0600, "$files/pgpass";
	like(tested('reader', "postgresql://app\@127.0.0.1:$port/postgres?password_file=$files/password"), qr/^t/, 'a reader of server files may');
	like(tested('reader', "postgresql://app\@127.0.0.1:$port/postgres?passfile=$files/pgpass"), qr/^t/, 'also by passfile');
	like(tested('reader', "postgresql://app\@127.0.0.1:$port/postgres?password_file=$files/none"), qr/^f.*No such file/, 'a missing file is told');
	like(tested('bob', "postgresql://app\@127.0.0.1:$port/postgres?password_file=$files/password"), qr/42501/, 'another role may not');
	like(by('bob', "SELECT pythia.create_connection('x', 'postgresql://app\@127.0.0.1:$port/postgres', '{\"password_file\": \"$files/password\"}')"), qr/42501.*HINT/s, 'nor make such a connection');
	$node->safe_psql('postgres', 'GRANT USAGE ON FOREIGN SERVER filed TO bob');
	like(by('bob', "CREATE USER MAPPING FOR bob SERVER filed OPTIONS (user 'app'); SELECT reachable FROM pythia.test_connection('filed')"), qr/^t/, 'unless a superuser has made it and granted USAGE');
	$node->safe_psql('postgres', 'ALTER SERVER filed OWNER TO bob');
	like(tested('bob', 'filed'), qr/42501/, 'a server is worth what its owner may');
};

subtest 'parameters are harmless or refused' => sub {
	my %lends = (
		postgresql => [
			'passfile=/etc/passwd', 'sslcert=/etc/passwd', 'sslkey=/etc/passwd', 'sslrootcert=/etc/passwd', 'sslcrl=/etc/passwd',
			'sslcrldir=/etc', 'service=x', 'servicefile=/etc/passwd', 'krbsrvname=x', 'gsslib=gssapi', 'gssencmode=require',
			'requirepeer=postgres', 'replication=database', 'password_file=/etc/passwd', 'sslcertmode=allow', 'nonsense=1',
			'SSLCERT=/etc/passwd', 'ssl%63ert=/etc/passwd' ],
		mysql => [
			'unix_socket=/run/mysqld/mysqld.sock', 'ssl_ca=/etc/passwd', 'ssl_capath=/etc', 'ssl_cert=/etc/passwd', 'ssl_key=/etc/passwd',
			'read_default_file=/etc/passwd', 'default_file=/etc/passwd', 'plugin_dir=/tmp', 'init_command=x', 'password_file=/etc/passwd', 'nonsense=1' ]);
	my $n = 0;
	for my $scheme (sort keys %lends)
	{
		for my $parameter (@{ $lends{$scheme} })
		{
			my $url = "$scheme://app:x\@127.0.0.1:1/d?$parameter";
			like(tested('bob', $url), qr/42501.*HINT/s, "$scheme: $parameter");
			like(by('bob', "SELECT pythia.create_connection('lend', '$url')"), qr/42501|22023: unknown URL parameter/, 'in a connection') if $n++ % 3 == 0;
		}
	}
	like(by('bob', "CREATE SERVER lend FOREIGN DATA WRAPPER pythia_db OPTIONS (url 'postgresql://127.0.0.1/d?sslkey=/x')"), qr/42501/, 'in a server');
	by('bob', "SELECT pythia.create_connection('own', '$there')");
	like(by('bob', "ALTER SERVER own OPTIONS (SET url 'postgresql://127.0.0.1/d?service=x')"), qr/42501/, 'in a server that is altered');
	like(by('bob', "ALTER USER MAPPING FOR bob SERVER own OPTIONS (ADD $_)"), qr/HV00D/, "in a user mapping: $_")
	  for "passfile '/x'", "sslkey '/x'", "host '/tmp'", "hostaddr '127.0.0.1'", "port '1'", "password_file '/x'", "token 'x'";
	like(by('bob', "ALTER USER MAPPING FOR bob SERVER own OPTIONS (ADD password_required 'false')"), qr/42501/, 'nor may a role waive its password');
	like(tested('bob', "$there?sslmode=prefer&connect_timeout=20&keepalives=1&application_name=x&target_session_attrs=any&channel_binding=prefer&options=-c%20work_mem%3D1MB"),
		qr/^t/, 'what concerns the connection alone is taken');
	like(tested('bob', "$mine?ssl_mode=disabled&connect_timeout=20&charset=utf8mb4&compress=true"), qr/^t/, 'of MariaDB, too');
	like(tested('bob', 'mysql://app:x@h%3Bplugin-dir%3D%2Ftmp/d'), qr/22023/, 'a host is no list of options');
	is(tested($superuser, "$there?sslcert=/nonexistent"), 't|', 'a superuser may name files');

	# what the server's own user could be asked for
	like(tested('bob', sprintf('postgresql://%s:x@127.0.0.1:%d/postgres', $superuser, $port)), qr/^f.*password is required/, 'who is let in without a password has used another identity');
	like(tested('bob', sprintf('postgresql://%s@127.0.0.1:%d/postgres', $superuser, $port)), qr/2F003/, 'a password must be given');

	# what a superuser waives, he waives for the server that he made
	$node->safe_psql('postgres', "SELECT pythia.create_connection('waived', 'postgresql://$superuser\@127.0.0.1:$port/postgres'); GRANT USAGE ON FOREIGN SERVER waived TO bob;
		CREATE USER MAPPING FOR bob SERVER waived OPTIONS (user '$superuser', password_required 'false')");
	like(tested('bob', 'waived'), qr/^t/, 'a password that a superuser has waived');
	$node->safe_psql('postgres', 'ALTER SERVER waived OWNER TO bob');
	like(tested('bob', 'waived'), qr/2F003/, 'is wanted again where another role could point the server elsewhere');
};

# --- hosts --------------------------------------------------------------------

sub allow
{
	my ($list) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET pythia_db.allowed_hosts = '$list'");
	$node->reload;
	wait_for($node, "SELECT current_setting('pythia_db.allowed_hosts') = '$list'");
	return;
}

subtest 'hosts that may be reached' => sub {
	by('bob', "SELECT pythia.create_connection('pg', '$there'); SELECT pythia.create_connection('my', '$mine')");
	like(tested('bob', 'pg'), qr/^t/, 'any, as it is installed') or return;

	allow('');
	for my $name ('pg', 'my', $there, $mine)
	{
		like(tested('bob', $name), qr/^f.*permission denied to connect to "127\.0\.0\.1".*allowed_hosts/s, 'none: ' . ($name =~ s/:[^:]*@/@/r));
		like(tested('alice', $name =~ /:/ ? $name : $there), qr/^f.*permission denied/s, 'for every role');
	}
	is(tested($superuser, $there), 't|', 'but for superusers');

	allow("127.0.0.1:$port");
	like(tested('bob', 'pg'), qr/^t/, 'an address and a port');
	like(tested('bob', 'my'), qr/^f.*permission denied/, 'opens that port alone');
	allow("127.0.0.0/8");
	like(tested('bob', $_), qr/^t/, 'a network') for 'pg', 'my';
	allow('10.0.0.0/8, *.example, db.internal');
	like(tested('bob', $_), qr/^f.*permission denied/, 'another network') for 'pg', 'my';

	# ways round a list that does not have this host
	my @ways = (
		"postgresql://app:hunter2\@localhost:$port/postgres", "postgresql://app:hunter2\@127.1:$port/postgres",
		"postgresql://app:hunter2\@2130706433:$port/postgres", "postgresql://app:hunter2\@0x7f000001:$port/postgres",
		"postgresql://app:hunter2\@0.0.0.0:$port/postgres", "postgresql://app:hunter2\@0:$port/postgres",
		"postgresql://app:hunter2\@[::ffff:127.0.0.1]:$port/postgres", "postgresql://app:hunter2\@[::1]:$port/postgres",
		"postgresql://app:hunter2\@localhost.:$port/postgres",
		"postgresql://app:hunter2\@db.internal:$port/postgres?hostaddr=127.0.0.1",
		"postgresql://app:hunter2\@10.0.0.1:$port/postgres?hostaddr=127.0.0.1",
		"postgresql://app:hunter2\@10.0.0.1:$port/postgres?host=127.0.0.1",
		"postgresql://app:hunter2\@10.0.0.1:$port/postgres?host=127.0.0.1&host=",
		"postgresql://app:hunter2\@10.0.0.1:$port/postgres?h%6fst=localhost",
		"postgresql://app:hunter2\@10.0.0.1,127.0.0.1:$port/postgres",
		"postgresql://app:hunter2\@/postgres?host=10.0.0.1,127.0.0.1&port=1,$port",
		"postgresql://app:hunter2\@/postgres?host=10.0.0.1,127.0.0.1&hostaddr=10.0.0.1,127.0.0.1&port=$port",
		"postgresql://app:hunter2\@/postgres?port=$port", "postgresql://app:hunter2\@/postgres?host=$socket&port=$port",
		"postgresql://app:hunter2\@/postgres?host=,127.0.0.1&port=$port",
		'postgresql://app:hunter2@' . ($socket =~ s{/}{%2F}gr) . ":$port/postgres",
		(map { s/127\.0\.0\.1/$_[0] \/\/ 'localhost'/er } $mine), map { (my $m = $mine) =~ s/127\.0\.0\.1/$_/; $m } '127.1', '2130706433', '[::1]', '[::ffff:127.0.0.1]', '0', 'localhost.');
	for my $url (@ways)
	{
		like(tested('bob', $url), qr/^f.*permission denied to connect|2F003|42501/s, $url);
	}
	like(by('bob', "ALTER SERVER pg OPTIONS (SET url 'postgresql://10.0.0.1:$port/postgres?hostaddr=127.0.0.1'); SELECT error FROM pythia.test_connection('pg')"),
		qr/permission denied to connect/, 'by a server that is altered');
	by('bob', "ALTER SERVER pg OPTIONS (SET url 'postgresql://127.0.0.1:$port/postgres')");
	$node->safe_psql('postgres', "SELECT pythia.create_connection('super', 'postgresql://127.0.0.1:$port/postgres'); GRANT USAGE ON FOREIGN SERVER super TO bob");
	like(by('bob', "CREATE USER MAPPING FOR bob SERVER super OPTIONS (user 'app', password 'hunter2'); SELECT error FROM pythia.test_connection('super')"),
		qr/permission denied to connect/, 'by the server of another');
	like(by('bob', "SELECT error FROM pythia.sync_between('$there', 'local', 't')"), qr/permission denied to connect/, 'by a sync');
	like(by('bob', "SELECT pythia.create_cdc_worker('spy', '{t}', '$there')"), qr/permission denied to connect/, 'by a capture');

	# the setting is the superuser's
	like(by('bob', "SET pythia_db.allowed_hosts = '*'"), qr/42501/, 'a role may not set it');
	like(by('bob', "ALTER ROLE bob SET pythia_db.allowed_hosts = '*'"), qr/42501/, 'not for its sessions either');
	like(by('bob', "CREATE FUNCTION open_up() RETURNS text LANGUAGE sql SET pythia_db.allowed_hosts = '*' AS 'SELECT 1'"), qr/42501/, 'nor by a function');
	like(tested('bob', $there, options => '-c pythia_db.allowed_hosts=*'), qr/permission denied/, 'nor by options of its connection');
	like(by($superuser, "SET pythia_db.allowed_hosts = 'http://x'"), qr/22023.*neither a host/s, 'a list that cannot be read is refused');
	is($node->safe_psql('postgres', "SET pythia_db.allowed_hosts = '127.0.0.1'; SET ROLE bob; SELECT reachable FROM pythia.test_connection('$there'); RESET ROLE;
		SET pythia_db.allowed_hosts = ''; SET ROLE bob; SELECT reachable FROM pythia.test_connection('$there')"), "t\nf", 'a change counts at once');

	allow("localhost, $socket");
	like(tested('bob', "postgresql://app:hunter2\@localhost:$port/postgres"), qr/^t/, 'localhost may be named');
	(my $local = $mine) =~ s/127\.0\.0\.1/localhost/;
	like(tested('bob', $local), qr/^t/, 'for MariaDB, too');
	like(tested('bob', "postgresql://app:hunter2\@/postgres?host=$socket&port=$port"), qr/^t/, 'and a folder of sockets');
	like(tested('bob', $there), qr/^f.*permission denied/, 'its address is another item');
	allow('*');
};

subtest 'a connection that is kept is asked again' => sub {
	$node->safe_psql('postgres', "CREATE TABLE kept (id int PRIMARY KEY, updated_at timestamptz DEFAULT now()); ALTER TABLE kept OWNER TO bob; INSERT INTO kept VALUES (1)");
	$maria->sql('DROP TABLE IF EXISTS kept; DROP TABLE IF EXISTS background');
	like(by($superuser, "SET pythia_db.allowed_hosts = '127.0.0.1'; SET ROLE bob; SELECT rows_inserted FROM pythia.sync_between('local', '$mine', 'kept'); RESET ROLE;
		SET pythia_db.allowed_hosts = ''; SET ROLE bob; SELECT * FROM pythia.sync_between('local', '$mine', 'kept')"), qr/^1\n?psql.*42501.*permission denied to connect/s, 'it is no way round the list');
};

subtest 'in the background' => sub {
	$node->safe_psql('postgres', 'CREATE TABLE background (id int PRIMARY KEY, updated_at timestamptz DEFAULT now()); ALTER TABLE background OWNER TO bob; INSERT INTO background VALUES (1)');
	by('bob', "SELECT pythia.create_sync_worker('steady', source => 'local', target => '$mine', tables => '{background}', schedule => '100 ms'); SELECT pythia.start_sync('steady')");
	ok(wait_for($node, "SELECT rows_synced > 0 FROM pythia.stat_sync WHERE worker = 'steady'"), 'a worker syncs') or return;
	allow('10.0.0.0/8');
	ok(wait_for($node, "SELECT coalesce(last_error, '') LIKE '%permission denied to connect%' FROM pythia.stat_sync WHERE worker = 'steady'"), 'until its host is taken away');
	# from here on it knows of that: a turn begins and ends after the row is there
	$node->safe_psql('postgres', 'INSERT INTO background VALUES (2)');
	my $failed = $node->safe_psql('postgres', "SELECT failures FROM pythia.stat_sync WHERE worker = 'steady'");
	ok(wait_for($node, "SELECT failures > $failed + 1 FROM pythia.stat_sync WHERE worker = 'steady'"), 'it tries again');
	is($maria->sql('SELECT count(*) FROM background'), 1, 'nothing more comes there');
	unlike(by('watcher', 'SELECT query, application_name FROM pg_stat_activity'), qr/\Q@{[ $maria->account_password ]}\E@|mysql:/, 'nor does a worker show where it goes to');
	allow('*');
	ok(wait_for($node, "SELECT last_error IS NULL FROM pythia.stat_sync WHERE worker = 'steady'"), 'and goes on when it is given back');
	is($maria->sql('SELECT count(*) FROM background'), 2, 'with what has come meanwhile');
	by('bob', "SELECT pythia.stop_sync('steady')");
};

subtest 'the name of a connection that goes to another role' => sub {
	$node->safe_psql('postgres', "CREATE ROLE eve LOGIN; SELECT pythia.grant_use('eve'); ALTER SYSTEM SET pythia_db.allowed_hosts = '*'; SELECT pg_reload_conf()");
	$node->safe_psql('postgres', 'CREATE TABLE stock (id int PRIMARY KEY, updated_at timestamptz DEFAULT now()); ALTER TABLE stock OWNER TO bob');
	$maria->sql($_) for 'DROP TABLE IF EXISTS stock', 'CREATE TABLE stock (id int PRIMARY KEY, updated_at timestamp NULL)';
	my $url = $mine =~ s/'/''/gr;
	like(by('bob', "SELECT pythia.create_connection('shop', '$url')"), qr/^$/, 'a connection of his');
	for my $made (
		[ 'told', 'target', q{SELECT pythia.create_sync_worker('told', source => 'local', target => 'shop', tables => '{stock}')}, q{SELECT error FROM pythia.sync_table('told', 'stock')} ],
		[ 'asked', 'source', q{SELECT pythia.create_sync_worker('asked', source => 'shop', target => 'local', tables => '{stock}')}, q{SELECT is_valid FROM pythia.validate_sync('asked', 'stock')} ],
		[ 'followed', 'capture', q{SELECT pythia.create_cdc_worker('followed', '{stock}', 'shop')}, q{SELECT pythia.poll('followed')} ])
	{
		my ($worker, $use, $make, $run) = @$made;
		like(by('bob', $make), qr/^\d+(?!.*ERROR)/s, "$use: a worker that names it");
		unlike(by('bob', $run), qr/ERROR|belongs/, "$use: it is used");
	}
	for my $taken ('ALTER SERVER shop RENAME TO old_shop', 'DROP SERVER shop CASCADE')
	{
		$node->safe_psql('postgres', $taken);
		like(by('eve', "SELECT pythia.create_connection('shop', '$url')"), qr/^$/, "$taken: another role takes the name");
		by('eve', "GRANT USAGE ON FOREIGN SERVER shop TO bob; CREATE USER MAPPING FOR bob SERVER shop OPTIONS (user 'pythia', password 'secret')");
		for my $run (q{SELECT pythia.sync_table('told', 'stock')}, q{SELECT is_valid FROM pythia.validate_sync('asked', 'stock')}, q{SELECT pythia.poll('followed')},
			q{SELECT pythia.alter_sync_worker('asked', schedule => '1 h')})
		{
			like(by('bob', $run), qr/42501.*connection "shop" belongs to role "eve" now, and did not when/, "$taken: $run");
		}
		like(by('eve', q{SELECT pythia.release_worker('told')}), qr/42501|does not exist/, 'she cannot release it');
		$node->safe_psql('postgres', 'DROP SERVER IF EXISTS old_shop CASCADE');
		next if $taken =~ /RENAME/;
		like(by('bob', "SELECT pythia.release_worker('$_')"), qr/^$/, "$_: he may, where he means it") for qw(told asked followed);
		unlike(by('bob', q{SELECT error FROM pythia.sync_table('told', 'stock')}), qr/ERROR|belongs/, 'told: and it is used');
		unlike(by('bob', q{SELECT pythia.poll('followed')}), qr/ERROR|belongs/, 'followed: and it is used');
	}
	like(by('bob', q{SELECT pythia.release_worker('told')}), qr/no worker "told" is held/, 'there is nothing to release any more');
	by('bob', "SELECT pythia.drop_sync_worker('told'); SELECT pythia.drop_sync_worker('asked'); SELECT pythia.drop_cdc_worker('followed')");
};

subtest 'a server that does not preload' => sub {
	# each in a session that has not loaded the library yet
	local $Pythia::Kept::wanted = 0;
	my $late = pg_node('late', shared_preload_libraries => '', log_statement => 'none', 'pythia_db.allowed_hosts' => '10.0.0.0/8');
	$late->safe_psql('postgres', q{CREATE ROLE bob LOGIN; SELECT pythia.grant_use('bob')});
	my $from = -s $late->logfile;
	my $ask = "SELECT error FROM pythia.test_connection('$there')";
	for my $trick ("SET pythia_db.allowed_hosts = '*'; $ask", "SET LOCAL pythia_db.allowed_hosts = '*'; $ask", "SELECT set_config('pythia_db.allowed_hosts', '*', false); $ask",
		"BEGIN; SET LOCAL pythia_db.allowed_hosts = '*'; $ask", $ask)
	{
		my ($rows, $errors);
		$late->psql('postgres', $trick, stdout => \$rows, stderr => \$errors, extra_params => [ '-U', 'bob' ]);
		like($rows . $errors, qr/permission denied to connect/, 'the setting holds before the library is there: ' . substr($trick, 0, 40));
	}
	local $ENV{PGOPTIONS} = '-c pythia_db.allowed_hosts=*';
	my ($rows, $errors);
	$late->psql('postgres', $ask, stdout => \$rows, stderr => \$errors, extra_params => [ '-U', 'bob' ]);
	like($rows . $errors, qr/permission denied to connect/, 'also against options of the connection');
	$late->psql('postgres', $_, stderr => \$errors)
	  for "SELECT pythia.create_connection('x', 'postgresql://app:hunter2\@h:port/d')", "SELECT pythia.create_connection('x', 'postgresql://app:' || 'hunter2' || '\@h:port/d')";
	like(PostgreSQL::Test::Utils::slurp_file($late->logfile, $from), qr/invalid database URL/, 'errors are logged');
	unlike(PostgreSQL::Test::Utils::slurp_file($late->logfile, $from), qr/hunter2/, 'errors of our functions show no password there either');
	$late->stop;
};

done_testing();
