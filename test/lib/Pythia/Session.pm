# A psql that stays open, so that a test can hold transactions open and go on elsewhere:
#
#   my $a = Pythia::Session->new($node);          # or ($node, 'database'), ($node, 'database', 'role')
#   $a->do('BEGIN');                              # dies on an error
#   is($a->do('SELECT 1'), '1');                  # rows, unaligned
#   $a->send('SELECT pythia.poll(…)');            # does not wait …
#   is($a->finish, '3');                          # … this does
#   my $m = Pythia::Session->mysql($maria);       # the same of a Pythia::MariaDB: columns apart by tabs
package Pythia::Session;

use strict;
use warnings;
use IPC::Run ();
use PostgreSQL::Test::Utils;

my $number = 0;

sub new
{
	my ($class, $node, $database, $role) = @_;
	my @command = (
		$node->installed_command('psql'), '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=0', '-d',
		$node->connstr($database // 'postgres'), defined $role ? ('-U', $role) : ());
	local %ENV = $node->_get_env();
	return $class->start('\\echo %s', 'SELECT pg_backend_pid()', @command);
}

sub mysql
{
	my ($class, $maria, $database) = @_;
	return $class->start("SELECT '%s';", 'SELECT connection_id()', $maria->command($database), '--force', '--unbuffered');
}

sub start
{
	my ($class, $echo, $who, @command) = @_;
	my $self = bless { in => '', out => '', err => '', echo => $echo }, $class;
	$self->{run} = IPC::Run::start(\@command, '<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err},
		$self->{timer} = IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	$self->{pid} = $self->do($who);
	return $self;
}

sub send
{
	my ($self, $sql) = @_;
	$self->{mark} = 'done-' . ++$number;
	$self->{sql} = $sql;
	$self->{in} .= "$sql;\n" . sprintf($self->{echo}, $self->{mark}) . "\n";
	$self->{timer}->start;
	$self->{run}->pump_nb;
	return;
}

# Waits for what was sent; returns its output, and its errors in $self->{error}.
sub finish
{
	my ($self) = @_;
	my $mark = $self->{mark};
	$self->{run}->pump until $self->{out} =~ /^\Q$mark\E$/m;
	(my $out = $self->{out}) =~ s/\n?\Q$mark\E\n//;
	$self->{error} = $self->{err};
	$self->{out} = '';
	$self->{err} = '';
	chomp $out;
	return $out;
}

# Runs it and lets it fail.
sub try
{
	my ($self, $sql) = @_;
	$self->send($sql);
	return $self->finish;
}

sub do
{
	my ($self, $sql) = @_;
	my $out = $self->try($sql);
	die "$self->{sql}: $self->{error}" if $self->{error} =~ /ERROR|FATAL/;
	return $out;
}

sub close
{
	my ($self) = @_;
	return unless $self->{run};
	$self->{in} .= "\\q\n";
	eval { $self->{run}->finish };
	delete $self->{run};
	return;
}

sub DESTROY
{
	my ($self) = @_;
	return if ${^GLOBAL_PHASE} eq 'DESTRUCT';
	eval { $self->{run}->kill_kill } if $self->{run};
	return;
}

1;
