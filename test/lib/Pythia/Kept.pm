# Lets the psql of PostgreSQL::Test::Cluster keep its programs open, one a database, and so the client of a
# Pythia::MariaDB: a new program and a new session for each of some thousand statements took most of the time
# of the tests.  A statement finds the session as a new one would: DISCARD ALL runs after each.  What leaves a
# transaction open, what wants a database without sessions, and what has parameters of psql gets a program of
# its own as before; so does all of a test that counts sessions, which says
#
#   use Pythia::Test;
#   $Pythia::Kept::wanted = 0;
package Pythia::Kept;

use strict;
use warnings;
use IPC::Run ();
use PostgreSQL::Test::Cluster;

our $wanted = 1;

my $own = \&PostgreSQL::Test::Cluster::psql;
my %kept;
my $number = 0;

{
	no warnings 'redefine';
	*PostgreSQL::Test::Cluster::psql = \&psql;
}

# True where nothing of it would reach the next statement.
sub is_fit
{
	my ($node, $sql, %params) = @_;
	return $wanted && $node->{_pid} && !ref $sql
	  && !grep({ !/^(?:on_error_stop|on_error_die|stdout|stderr|extra_params)$/ } keys %params)
	  && (!$params{extra_params} || "@{ $params{extra_params} }" =~ /^(?:-[Uv] \w+(?:=\w+)? ?)+$/)
	  && $sql !~ /\bBEGIN\s*(?:;|WORK|TRANSACTION|ISOLATION|READ|$)|\bSTART\s+TRANSACTION|\bPREPARE\s|\bDATABASE\b|\bSTDIN\b|^\s*\\/im;
}

# A program that reads statements; `marks`: a format of what makes it print a mark, on how many outputs.
sub open_program
{
	my ($marks, $outputs, @command) = @_;
	my $self = { in => '', out => '', err => '', fresh => 1, process => $$, marks => $marks, outputs => $outputs };
	$self->{run} = IPC::Run::start(\@command, '<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err});
	return $self;
}

# Runs it and waits; the exit code of the program, 0 where it is still there.
sub run
{
	my ($self, $text) = @_;
	my $mark = 'done-' . ++$number;
	my $length = length($mark) + 1;
	$self->{out} = $self->{err} = '';
	$self->{in} .= $text . sprintf($self->{marks}, ($mark) x $self->{outputs});
	eval {
		$self->{run}->pump until substr($self->{out}, -$length) eq "$mark\n"
		  && ($self->{outputs} < 2 || $self->{err} =~ s/^\Q$mark\E\n//m);
		substr($self->{out}, -$length) = '';
		1;
	} and return 0;
	# a server that crashed may have left it in any state
	eval { $self->{run}->finish; 1 } or eval { $self->{run}->kill_kill };
	return eval { $self->{run}->full_result >> 8 } || 2;
}

# Programs that were started later hold its standard input open, too: the end of that would not end it.
sub quit
{
	my ($self) = @_;
	$self->{in} .= "\\q\n";
	eval { $self->{run}->finish };
	return;
}

sub open_psql
{
	my ($node, $database, @arguments) = @_;
	local %ENV = $node->_get_env();
	return open_program("\n;\n\\echo %s\n\\warn %s\nDISCARD ALL;\n", 2,
		$node->installed_command('psql'), '-XAtq', '-d', $node->connstr($database), '-f', '-', @arguments);
}

sub close_all
{
	my ($node) = @_;
	for my $key (keys %kept)
	{
		my $self = $kept{$key};
		next if $self->{process} != $$ || ($node && ($self->{node} // 0) != $node);
		delete $kept{$key};
		quit($self);
	}
	return;
}

sub psql
{
	my ($node, $database, $sql, %params) = @_;
	if (!is_fit($node, $sql, %params))
	{
		close_all($node) if $sql && !ref $sql && $sql =~ /\bDATABASE\b/i;
		return $own->(@_);
	}
	my @arguments = @{ $params{extra_params} // [] };
	my $key = join("\0", $$, $node->name, $node->{_pid}, $database, @arguments, map { $_ // '' } @ENV{qw(PGOPTIONS PGUSER PGPASSWORD PGAPPNAME)});
	my $self = $kept{$key} //= open_psql($node, $database, @arguments);
	$self->{node} = $node;
	my $code = run($self, "\\set ON_ERROR_STOP " . ($params{on_error_stop} // 1) . "\n$sql");
	delete $kept{$key} if $code;
	# it had been ended before it was asked
	return $own->(@_) if $code == 2 && !$self->{fresh};
	$self->{fresh} = 0;

	my ($out, $err) = @{$self}{qw(out err)};
	chomp($out, $err);
	${ $params{stdout} } = $out if ref $params{stdout};
	${ $params{stderr} } = $err if ref $params{stderr};
	die(($code == 3 ? 'error running SQL' : $code == 2 ? 'connection error' : 'psql error')
		. ": '$err'\nwith sql '$sql'") if $code && $params{on_error_die};
	return wantarray ? ($code, $out, $err) : $code;
}

# What `command`, the client of a MariaDB, prints for the SQL; `server` is anything that another start of it changes.
# Dies as the program does.
sub mariadb
{
	my ($server, $sql, @command) = @_;
	my $fit = $wanted && $sql !~ /(?:^|;)\s*(?:SET\s(?!GLOBAL)|BEGIN|START|LOCK|USE|DELIMITER|PREPARE|XA|HANDLER|FLUSH|SHUTDOWN)|TEMPORARY|LOCK\(|\@|CONNECTION_ID|KILL\b/i;
	my $key = join("\0", $$, $server, @command);
	my ($self, $code);
	for (1 .. 2)
	{
		$self = $fit ? $kept{$key} : undef;
		$self //= open_program("SELECT '%s';\n", 1, @command);
		$kept{$key} = $self if $fit;
		$code = run($self, $sql =~ /;\s*\z/ ? "$sql\n" : "$sql\n;\n");
		delete $kept{$key} if $code;
		# it had been ended before it was asked
		last unless $code && !$self->{fresh} && $self->{err} =~ /server has gone away|Lost connection/;
	}
	quit($self) if !$fit && !$code;
	die "MariaDB: $self->{err}\n$sql\n" if $code;
	$self->{fresh} = 0;
	chomp(my $out = $self->{out});
	return $out;
}

END
{
	local $?;
	close_all();
}

1;
