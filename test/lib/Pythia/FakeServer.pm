# What servers of a test's own have in common: a port, a process for each connection, a log, and an end that comes
# with the parent's.  A package that is one gives make(), which ends in listen(), and talk() for a connection.
package Pythia::FakeServer;

use strict;
use warnings;
use File::Temp ();
use IO::Socket::INET;
use POSIX ();

sub start
{
	my ($class, @arguments) = @_;
	my $self = $class->make(@arguments);
	$self->{log_handle} = File::Temp->new(TEMPLATE => 'fake_server_XXXXXX', TMPDIR => 1);
	$self->{owner} = $$;
	$self->{pid} = fork // die "fork: $!";
	if (!$self->{pid})
	{
		$self->{log_handle}->unlink_on_destroy(0);
		eval { $self->serve($self->{owner}) };
		POSIX::_exit(0);
	}
	close delete $self->{listener};
	return $self;
}

sub listen
{
	my ($self) = @_;
	$self->{listener} = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 20, ReuseAddr => 1)
	  // die "listen: $@";
	$self->{port} = $self->{listener}->sockport;
	return $self;
}

sub port { return $_[0]{port}; }

sub log
{
	my ($self) = @_;
	open my $file, '<', $self->{log_handle}->filename or die "log: $!";
	local $/;
	return scalar(<$file>) // '';
}

sub stop
{
	my ($self) = @_;
	return unless $self->{pid} && $self->{owner} == $$;
	local ($?, $!);
	kill 'TERM', $self->{pid};
	waitpid($self->{pid}, 0);
	delete $self->{pid};
	return;
}

sub DESTROY { $_[0]->stop; return; }

# One process a connection, all in a group of their own that ends with $parent.
sub serve
{
	my ($self, $parent) = @_;
	my $end = sub { $SIG{TERM} = 'IGNORE'; kill 'TERM', -$$; POSIX::_exit(0) };
	setpgrp(0, 0);
	$SIG{TERM} = $SIG{INT} = $end;
	$SIG{CHLD} = 'IGNORE';
	$SIG{PIPE} = 'IGNORE';
	my $listener = $self->{listener};
	while (getppid == $parent)
	{
		my $ready = '';
		vec($ready, fileno $listener, 1) = 1;
		next if select($ready, undef, undef, 1) <= 0;
		my $socket = $listener->accept or next;
		my $pid = fork // die "fork: $!";
		next if $pid;
		$SIG{TERM} = $SIG{INT} = 'DEFAULT';
		close $listener;
		$self->{socket} = $socket;
		srand $self->{seed} if defined $self->{seed};
		eval { $self->talk; 1 } or $self->note("ended: $@");
		POSIX::_exit(0);
	}
	$end->();
	return;
}

sub note
{
	my ($self, $text) = @_;
	$text =~ s/\n/ /g;
	utf8::encode($text) if utf8::is_utf8($text);
	syswrite $self->{log_handle}, "$text\n";
	return;
}

sub write_to
{
	my (undef, $socket, $bytes) = @_;
	while (length $bytes)
	{
		my $written = syswrite $socket, $bytes or die "closed by the other side\n";
		substr($bytes, 0, $written) = '';
	}
	return;
}

# A length and a value as MySQL writes them.
sub mysql_number
{
	my ($n) = @_;
	return $n < 251 ? chr $n : $n < 65536 ? "\xfc" . pack 'v', $n
	  : $n < 1 << 24 ? "\xfd" . substr pack('V', $n), 0, 3
	  : "\xfe" . pack 'Q<', $n;
}

sub mysql_cell
{
	my ($value) = @_;
	return "\xfb" unless defined $value;
	utf8::encode($value) if utf8::is_utf8($value);
	return mysql_number(length $value) . $value;
}

1;
