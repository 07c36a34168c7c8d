# What a TAP test in Perl starts with:
#
#   use Pythia::Test;
#   my $pg = pg_node('main', shared_preload_libraries => 'pythia_db', ...);   # PostgreSQL::Test::Cluster
#   my $my = Pythia::MariaDB->new('main', '--option', ...);                   # start stop restart kill9 sql url
#   is(wait_for($pg, 'SELECT count(*) = 3 FROM t'), ...)                      # polls; a failed test, never a hang
#
# Both stop at the end of the script, however it ends.
package Pythia::Test;

use strict;
use warnings;
use Exporter 'import';
use Test::More;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Pythia::Kept;

# So that END blocks run, which stop the servers.
$SIG{INT} = $SIG{TERM} = sub { die "ended by a signal\n" };

# What one test cannot go on without is no reason to end the others.
{
	no warnings 'redefine';
	*Test::Builder::BAIL_OUT = sub { die "$_[1]\n" };
}

our @EXPORT = qw(by_oracles_library loose_strings mysql_numbers pg_node pg_url wait_for shared_mysql);

# An initialised, started node with pythia_db preloaded and created in database
# postgres.  Options are lines of postgresql.conf; extension => 0 leaves out
# CREATE EXTENSION, start => 0 leaves it stopped.  other => 1 is a server that knows
# nothing of pythia_db, a mere source or target: that of PYTHIA_OTHER_POSTGRES where
# the environment has one, see test/lib/servers.sh.
sub pg_node
{
	my ($name, %conf) = @_;
	my $other = delete $conf{other};
	my $extension = delete $conf{extension} // !$other;
	my $start = delete $conf{start} // 1;
	my @install = $other && $ENV{PYTHIA_OTHER_POSTGRES} ? (install_path => $ENV{PYTHIA_OTHER_POSTGRES}) : ();
	my $node = PostgreSQL::Test::Cluster->new($name, @install);
	$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
	%conf = (
		shared_preload_libraries => $other ? '' : 'pythia_db',
		max_prepared_transactions => 10,
		timezone => 'UTC',
		listen_addresses => '127.0.0.1',
		%conf);
	$node->append_conf('postgresql.conf', join('', map { "$_ = '$conf{$_}'\n" } sort keys %conf));
	# Remote connections of the tests come by TCP.
	$node->append_conf('pg_hba.conf', "host all all 127.0.0.1/32 trust\n");
	start_first($node) if $start;
	$node->safe_psql('postgres', 'CREATE EXTENSION pythia_db') if $start && $extension;
	be_plain($node) if $other && $start;
	return $node;
}

# A source or target as people have it: pg_url is by a role that has what doc/urls.md says that one needs, and the
# tests' own sessions are that role until they SET ROLE NONE.
sub be_plain
{
	my ($node) = @_;
	$node->safe_psql('postgres', PostgreSQL::Test::Utils::slurp_file("$ENV{PYTHIA_TOP}/test/lib/role.sql") . 'ALTER ROLE CURRENT_USER SET role = pythia');
	# one that is kept open is as it was
	Pythia::Kept::close_all($node);
	die "the sessions of a source are not those of a plain role\n" if $node->safe_psql('postgres', 'SELECT current_user') ne 'pythia';
	$node->{pythia_role} = 'pythia:secret';
	return;
}

# Its port was free when it was chosen; whoever took it since, another will do.
sub start_first
{
	my ($node) = @_;
	for (1 .. 2)
	{
		return if $node->start(fail_ok => 1);
		$node->{_port} = PostgreSQL::Test::Cluster::get_free_port();
		$node->append_conf('postgresql.conf', "port = $node->{_port}\n");
	}
	$node->start;
	return;
}

# The address of a database of a node, as pythia writes it.
sub pg_url
{
	my ($node, $database) = @_;
	$database //= 'postgres';
	return sprintf('postgresql://%s@127.0.0.1:%d/%s', $node->{pythia_role} // scalar(getpwuid($<)), $node->port, $database);
}

# What stands behind FROM for rows of seq from 1 to $count (100,000 at most), in MariaDB and MySQL.
sub mysql_numbers
{
	my ($count) = @_;
	my $ten = join ' UNION ALL ', map { "SELECT $_ AS d" } 0 .. 9;
	return "(WITH ten AS ($ten) SELECT 1 + a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d AS seq "
	  . "FROM ten a, ten b, ten c, ten e, ten f) numbers WHERE seq <= $count";
}

# The setting with which a backslash escapes in every text, as the end of an ALTER … SET; 19 knows no other than "on".
sub loose_strings
{
	my ($node) = @_;
	return $node->safe_psql('postgres', 'SHOW server_version_num') < 190000 ? ('standard_conforming_strings = off') : ();
}

# Built with libmysqlclient, which loads no rows by LOAD DATA.
sub by_oracles_library { return `ldd '$ENV{PYTHIA}'` =~ /libmysqlclient/; }

# Waits until the query says t (or $expected): true where it did within
# PG_TEST_TIMEOUT_DEFAULT seconds (else the test says what it said at last).
sub wait_for
{
	my ($node, $query, $expected, $database) = @_;
	$expected //= 't';
	$database //= 'postgres';
	my $timeout = $PostgreSQL::Test::Utils::timeout_default;
	my $until = time + $timeout;
	my ($out, $err);
	while (time < $until)
	{
		# a server that goes away while it is asked has not answered yet
		eval { (undef, $out, $err) = $node->psql($database, $query); 1 } or ($out, $err) = (undef, $@);
		return 1 if defined $out && $out eq $expected;
		select(undef, undef, undef, 0.05);
	}
	diag("waited $timeout s in vain for: $query\nat last: " . ($out // '') . ($err // ''));
	return 0;
}

# The MariaDB that the test runner started for everybody, with a database of
# this test's own; a test that stops its server starts its own instead.
sub shared_mysql
{
	my ($database) = @_;
	die "run this by test/run or test/with-servers\n" unless $ENV{MYSQL_PORT};
	my $self = bless {
		socket => $ENV{MYSQL_SOCKET}, port => $ENV{MYSQL_PORT}, user => $ENV{MYSQL_USER},
		password => $ENV{MYSQL_PASSWORD}, database => $database, shared => 1 }, 'Pythia::MariaDB';
	$self->sql("DROP DATABASE IF EXISTS `$database`; CREATE DATABASE `$database`", 'mysql');
	return $self;
}

package Pythia::MariaDB;

use strict;
use warnings;
use File::Basename ();
use File::Path ();
use File::Temp ();
use IO::Socket::INET;
use POSIX ();

my @running;
# MariaDB's programs from 11.4 on ask a server for TLS, which some tests' servers do not have; a socket needs none.
my ($admin) = grep { -x } map { ("$_/mariadb-admin", "$_/mysqladmin") } split /:/, $ENV{PATH};

# Starts a MariaDB, or a MySQL where MYSQLD names its server, with a data directory of its own; the arguments after
# the name are given to it.
sub new
{
	my ($class, $name, @arguments) = @_;
	my $log = "$PostgreSQL::Test::Utils::tmp_check/mariadb_$name.log";
	# in memory, where test/run found room: a MariaDB waits for the disk at every CREATE TABLE
	my $directory = File::Temp::tempdir("mariadb_XXXX", CLEANUP => 0,
		DIR => $ENV{PYTHIA_MEMORY} || $PostgreSQL::Test::Utils::tmp_check) . "/$name";
	my $self = bless {
		directory => $directory, log => $log, user => 'maker', password => 'all', database => 'pythia',
		# a socket's path is short
		socket => PostgreSQL::Test::Utils::tempdir_short() . '/s', arguments => \@arguments,
		port => PostgreSQL::Test::Cluster::get_free_port() }, $class;
	$ENV{PATH} .= ':/usr/sbin';
	# temporary files in a folder of its own: a server that starts deletes those it finds
	mkdir "$directory.tmp";
	PostgreSQL::Test::Utils::system_or_bail($ENV{MYSQLD}
		? ($ENV{MYSQLD}, '--no-defaults', '--initialize-insecure', "--datadir=$directory", '--secure-file-priv=NULL')
		: ('mariadb-install-db', '--no-defaults', "--datadir=$directory", "--tmpdir=$directory.tmp",
			'--auth-root-authentication-method=normal', '--skip-test-db', '--skip-name-resolve', '--skip-log-bin'));
	push @running, $self;
	$self->start;
	$self->root_sql("CREATE USER 'maker'\@'%' IDENTIFIED BY 'all'; GRANT ALL ON *.* TO 'maker'\@'%' WITH GRANT OPTION; "
		  . 'CREATE DATABASE pythia; ' . PostgreSQL::Test::Utils::slurp_file("$ENV{PYTHIA_TOP}/test/lib/account.sql"));
	return $self;
}

sub start
{
	my ($self) = @_;
	my $log = $self->{log};
	my $pid = fork // die "fork: $!";
	if (!$pid)
	{
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', $log;
		open STDERR, '>&', \*STDOUT;
		exec('setpriv', '--pdeathsig', 'TERM', '--', $ENV{MYSQLD} || 'mariadbd', '--no-defaults', "--datadir=$self->{directory}",
			"--tmpdir=$self->{directory}.tmp", "--socket=$self->{socket}", "--port=$self->{port}", '--bind-address=127.0.0.1', '--skip-log-bin',
			'--local-infile=1', '--skip-name-resolve', '--character-set-server=utf8mb4',
			'--innodb-flush-log-at-trx-commit=2',
			($ENV{MYSQLD} ? ('--mysqlx=OFF', '--secure-file-priv=NULL', '--collation-server=utf8mb4_bin') : ()),
			@{ $self->{arguments} })
		  or POSIX::_exit(127);
	}
	$self->{pid} = $pid;
	for (1 .. 600)
	{
		return if system("$admin --no-defaults @{[ $admin =~ /mariadb/ ? '--skip-ssl' : '' ]} --socket='$self->{socket}' --user=root ping >>'$log' 2>&1") == 0;
		select(undef, undef, undef, 0.1);
		last if waitpid($pid, POSIX::WNOHANG()) == $pid;
	}
	die "the server did not start:\n" . PostgreSQL::Test::Utils::slurp_file($log);
}

sub end_by
{
	my ($self, $signal) = @_;
	return unless $self->{pid};
	kill $signal, $self->{pid};
	# keep the script's own exit status
	local $?;
	waitpid($self->{pid}, 0);
	delete $self->{pid};
	return;
}

sub stop    { return $_[0]->end_by('TERM'); }
sub kill9   { return $_[0]->end_by('KILL'); }
sub restart { my ($self) = @_; $self->stop; return $self->start; }

# Freezes the server, as a network that hangs would; thaw lets it go on.
sub freeze { kill 'STOP', $_[0]->{pid}; return; }
sub thaw   { kill 'CONT', $_[0]->{pid}; return; }

# By the account that has the privileges which doc/urls.md tells, and no others (account.sql).
sub url
{
	my ($self, $database) = @_;
	return sprintf('mariadb://pythia:%s@127.0.0.1:%d/%s', account_password(), $self->{port}, $database // $self->{database});
}

sub account_password { return 'secret'; }

# Runs SQL, as one who may do all, and returns what it prints: tabs between columns, no headings.
sub sql
{
	my ($self, $sql, $database) = @_;
	return $self->client($sql, "--user=$self->{user}", "--password=$self->{password}", $database // $self->{database});
}

sub plain { return ($ENV{MYSQL_CLIENT} || 'mariadb') =~ /mariadb/ ? '--skip-ssl' : (); }

# The client that a Pythia::Session keeps open.
sub command
{
	my ($self, $database) = @_;
	return ($ENV{MYSQL_CLIENT} || 'mariadb', '--no-defaults', plain(), "--socket=$self->{socket}", '--batch', '--skip-column-names',
		'--default-character-set=utf8mb4', "--user=$self->{user}", "--password=$self->{password}",
		$database // $self->{database});
}

sub root_sql
{
	my ($self, $sql) = @_;
	return $self->client($sql, '--user=root');
}

sub client
{
	my ($self, $sql, @arguments) = @_;
	return Pythia::Kept::mariadb($self->{pid} // 0, $sql, $ENV{MYSQL_CLIENT} || 'mariadb', '--no-defaults', plain(), "--socket=$self->{socket}",
		'--batch', '--skip-column-names', '--unbuffered', '--default-character-set=utf8mb4', @arguments);
}

END
{
	for my $server (@running)
	{
		$server->stop;
		File::Path::remove_tree(File::Basename::dirname($server->{directory})) if $ENV{PYTHIA_MEMORY};
	}
}

1;
