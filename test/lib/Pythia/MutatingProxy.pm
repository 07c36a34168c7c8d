# Stands between a client and a real server, MySQL or PostgreSQL, and changes some of what the server says.
#
#   my $proxy = Pythia::MutatingProxy->start(engine => 'mysql', port => $server_port, seed => 7, what => 'cells');
#   … connect to 127.0.0.1:$proxy->port …
#   $proxy->log        # what was changed, so that a seed can be understood; $proxy->changes counts them
#   $proxy->stop       # done too when it goes out of scope, or its parent ends
#
# what => 'cells': values of rows are exchanged for NULL, junk, or a flipped, shortened or repeated form of
#                  themselves, rows are dropped or doubled, and for PostgreSQL also COPY's bytes and the tags
#                  of commands are changed; the protocol's own frame stays right.
# what => 'bytes': single bytes are flipped, runs of them dropped, doubled or cut off, wherever they stand.
# rate  => how often (0.02 a cell; a thousandth of that a byte), after => 4: results that pass unchanged first
package Pythia::MutatingProxy;

use strict;
use warnings;
use parent -norequire, 'Pythia::FakeServer';
use IO::Socket::INET;
use Pythia::FakeServer;

sub make
{
	my ($class, %self) = @_;
	my $self = bless { what => 'cells', seed => 1, rate => 0.02, after => 4, results => 0, %self }, $class;
	$self->{server_port} = delete $self->{port};
	return $self->listen;
}

sub changes { return scalar(() = $_[0]->log =~ /\n/g); }

my @junk = (
	undef, '', '0', '1', '-1', 'NULL', "'", "''", '"', '\\', '\\N', '\\x', '\\x0', "\xff\xfe", "\0", "a\0b", '9' x 400,
	'1e999999', '-9223372036854775809', '18446744073709551616', 'nan', 'inf', 'A' x 70000, '%s%n%s', "\e[2J", '(', ')',
	'enum(', "enum('a','b", 'varchar(', 'varchar(-5)', 'varchar(99999999999999999999)', 'decimal(99,98)',
	'bit(9223372036854775807)', 'datetime(99)', 'timestamp(-3)', '[]', 'numeric(1000,2000)', '2024-02-30 25:61:61.9999999',
	'0000-00-00', '-infinity', '10000-01-01 BC', '{', '[' x 20000, 't', 'f', 'view', 'partitioned', 'PRIMARY', 'nosuch',
	'8.0.33', '1.2.3.4.5');

sub chance { return rand() < $_[0]; }

sub mutated
{
	my ($value) = @_;
	return $junk[ rand @junk ] if !defined $value || $value eq '' || chance(0.5);
	my $at = int rand length $value;
	my $how = int rand 4;
	if ($how == 0) { substr($value, $at, 1) = chr int rand 256; }
	elsif ($how == 1) { $value = substr $value, 0, $at; }
	elsif ($how == 2) { $value x= 2 + int rand 40; }
	else { substr($value, $at, 0) = substr $junk[ 1 + rand @junk - 1 ], 0, 100; }
	return $value;
}

# Changes cells in place; returns how many such rows are to be sent.
sub mutate_row
{
	my ($self, $cells) = @_;
	my $changed = 0;
	return (1, 0) if $self->{results} <= $self->{after};
	for my $i (0 .. $#$cells)
	{
		next unless chance($self->{rate});
		my $new = mutated($cells->[$i]);
		$self->note(sprintf 'result %d, cell %d: %s -> %s', $self->{results}, $i, map { shown($_) } $cells->[$i], $new);
		$cells->[$i] = $new;
		$changed = 1;
	}
	return (1, $changed) unless chance($self->{rate} / 2);
	my $times = chance(0.5) ? 0 : 2;
	$self->note("result $self->{results}: row sent $times times");
	return ($times, 1);
}

sub shown
{
	my ($value) = @_;
	return 'NULL' unless defined $value;
	return (substr $value, 0, 60) =~ s/[^ -~]/./gr;
}

sub mutate_bytes
{
	my ($self, $bytes, $rate) = @_;
	for my $at (reverse 0 .. length($bytes) - 1)
	{
		next unless chance($rate);
		my $how = int rand 4;
		my $run = 1 + int rand 20;
		if ($how == 0) { substr($bytes, $at, 1) = chr int rand 256; }
		elsif ($how == 1) { substr($bytes, $at, $run) = ''; }
		elsif ($how == 2) { substr($bytes, $at, 0) = substr $bytes, $at, $run; }
		else { substr($bytes, $at, 4) = pack 'N', (0xffffffff, 0xfffffffe, 0, 0x7fffffff, 0x80000000, 1 << 28)[ rand 6 ]; }
		$self->note("byte $at of " . length($bytes) . ": change $how");
	}
	return $bytes;
}

# --- a connection ----------------------------------------------------------------

sub talk
{
	my ($self) = @_;
	my $server = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{server_port}) or die "server: $@\n";
	$self->{server} = $server;
	my $client = $self->{socket};
	my %buffer = (client => '', server => '');
	srand $self->{seed};
	while (1)
	{
		my $ready = '';
		vec($ready, fileno $_, 1) = 1 for $client, $server;
		select($ready, undef, undef, undef);
		for my $side (qw(client server))
		{
			my $socket = $side eq 'client' ? $client : $server;
			next unless vec $ready, fileno $socket, 1;
			sysread $socket, $buffer{$side}, 65536, length $buffer{$side} or return;
		}
		my $reader = "$self->{engine}_";
		$self->write_to($server, $self->${ \"${reader}client" }(\$buffer{client}));
		$self->write_to($client, $self->${ \"${reader}server" }(\$buffer{server}));
		if ($self->{cut})
		{
			$self->note('cut off');
			return;
		}
	}
	return;
}

# What passes whole: in the wild, but for the first packets, without which there is no session.
sub wild
{
	my ($self, $bytes) = @_;
	return $bytes if $self->{what} ne 'bytes' || $self->{results} <= $self->{after};
	$self->{cut} = chance($self->{rate} / 100);
	return $self->mutate_bytes($bytes, $self->{rate} / 1000);
}

# --- MySQL -------------------------------------------------------------------------

# The client's packets pass; those that begin a command tell what the answer will look like.
sub mysql_client
{
	my ($self, $buffer) = @_;
	my $out = '';
	while (length $$buffer >= 4)
	{
		my $length = unpack 'V', substr($$buffer, 0, 3) . "\0";
		last if length $$buffer < 4 + $length;
		my $packet = substr $$buffer, 0, 4 + $length, '';
		if (ord(substr $packet, 3, 1) == 0)
		{
			$self->{state} = ord(substr $packet, 4, 1) == 3 ? 'first' : 'pass';
			$self->{shift} = 0;
		}
		$out .= $packet;
	}
	return $out;
}

sub mysql_server
{
	my ($self, $buffer) = @_;
	my $out = '';
	while (length $$buffer >= 4)
	{
		my ($length, $number) = (unpack('V', substr($$buffer, 0, 3) . "\0"), ord substr $$buffer, 3, 1);
		last if length $$buffer < 4 + $length;
		my $payload = substr substr($$buffer, 0, 4 + $length, ''), 4;
		my @send = $self->mysql_packet($payload);
		for my $i (0 .. $#send)
		{
			$self->{shift} += $i > 0;
			$out .= substr(pack('V', length $send[$i]), 0, 3) . chr(($number + ($self->{shift} // 0)) & 255) . $send[$i];
		}
		$self->{shift}-- unless @send;
	}
	return $self->wild($out);
}

sub mysql_packet
{
	my ($self, $payload) = @_;
	my $first = ord $payload;
	my $state = $self->{state} //= 'greeting';
	if ($state eq 'greeting')
	{
		# no TLS and no compression, or nothing could be read; and an end after the columns
		my $at = index($payload, "\0", 1) + 1 + 4 + 8 + 1;
		substr($payload, $at, 2) = pack 'v', unpack('v', substr $payload, $at, 2) & ~0x820;
		substr($payload, $at + 5, 2) = pack 'v', unpack('v', substr $payload, $at + 5, 2) & ~0x100;
		$self->{state} = 'pass';
	}
	elsif ($state eq 'first')
	{
		return $payload if $first == 0 || $first == 0xff || $first == 0xfb;
		$self->{results}++;
		$self->{state} = 'columns';
	}
	elsif ($state eq 'columns')
	{
		$self->{state} = 'rows' if $first == 0xfe && length $payload < 9;
	}
	elsif ($state eq 'rows')
	{
		if (($first == 0xfe && length $payload < 9) || $first == 0xff)
		{
			$self->{state} = 'first';
			return $payload;
		}
		return $payload if $self->{what} ne 'cells' || length $payload == 0xffffff;
		my @cells = mysql_cells($payload);
		my ($times, $changed) = $self->mutate_row(\@cells);
		$payload = join '', map { Pythia::FakeServer::mysql_cell($_) } @cells if $changed;
		return ($payload) x $times;
	}
	return $payload;
}

sub mysql_cells
{
	my ($payload) = @_;
	my ($at, @cells) = (0);
	while ($at < length $payload)
	{
		my $length = ord substr $payload, $at++, 1;
		if ($length == 0xfb) { push @cells, undef; next; }
		if ($length > 0xfb)
		{
			my $bytes = { 0xfc => 2, 0xfd => 3, 0xfe => 8 }->{$length};
			$length = unpack 'Q<', substr($payload, $at, $bytes) . "\0" x (8 - $bytes);
			$at += $bytes;
		}
		push @cells, substr $payload, $at, $length;
		$at += $length;
	}
	return @cells;
}

# --- PostgreSQL ------------------------------------------------------------------------

sub postgresql_client
{
	my ($self, $buffer) = @_;
	# no TLS or GSSAPI, or nothing could be read
	while (!$self->{started} && length $$buffer >= 8)
	{
		my ($length, $code) = unpack 'NN', $$buffer;
		if ($code == 80877103 || $code == 80877104)
		{
			substr($$buffer, 0, $length) = '';
			$self->write_to($self->{socket}, 'N');
			next;
		}
		$self->{started} = 1;
	}
	return '' unless $self->{started};
	my $out = $$buffer;
	$$buffer = '';
	return $out;
}

sub postgresql_server
{
	my ($self, $buffer) = @_;
	my $out = '';
	while (length $$buffer >= 5)
	{
		my ($type, $length) = unpack 'aN', $$buffer;
		last if length $$buffer < 1 + $length;
		my $payload = substr substr($$buffer, 0, 1 + $length, ''), 5;
		$self->{results}++ if $type eq 'T' || $type eq 'H';
		my $times = 1;
		($payload, $times) = $self->postgresql_message($type, $payload) if $self->{what} eq 'cells';
		$out .= ($type . pack('N', 4 + length $payload) . $payload) x $times;
	}
	return $self->wild($out);
}

sub postgresql_message
{
	my ($self, $type, $payload) = @_;
	return ($payload, 1) if $self->{results} <= $self->{after};
	if ($type eq 'D')
	{
		my ($at, @cells) = (2);
		while ($at < length $payload)
		{
			my $length = unpack 'l>', substr $payload, $at, 4;
			$at += 4;
			push @cells, $length < 0 ? undef : substr $payload, $at, $length;
			$at += $length if $length > 0;
		}
		my ($times, $changed) = $self->mutate_row(\@cells);
		$payload = pack('n', scalar @cells) . join '', map { defined $_ ? pack('N', length $_) . $_ : pack 'l>', -1 } @cells
		  if $changed;
		return ($payload, $times);
	}
	return ($self->mutate_bytes($payload, $self->{rate} / 100), 1) if $type eq 'd';
	if ($type eq 'C' && chance($self->{rate} / 2))
	{
		$payload = ('SELECT 99999999999999999999', 'COPY -1', '', 'COMMIT x', 'ROLLBACK', 'INSERT 0 -5')[ rand 6 ] . "\0";
		$self->note("tag $payload");
	}
	return ($payload, 1);
}

1;
