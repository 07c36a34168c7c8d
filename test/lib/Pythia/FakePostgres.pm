# A PostgreSQL server that is not one: it lets nobody in but shows what a client tells whoever asks.
#
#   my $fake = Pythia::FakePostgres->start(asks => [ 'clear' ]);
#   … $fake->url …          # postgresql://user:password@127.0.0.1:PORT/shop
#   $fake->log              # what came: "password: …", "sasl: …", "query: …"
#
# What it is (all optional):
#   asks   => [ … ]     what it says when somebody comes, in turn, each after an answer: 'clear', 'md5', 'sasl', 'ok';
#                       a string of several ('sasl+clear') comes at once
#   pieces => N         in pieces of so many bytes
#   hidden => N         so many bytes of the first request come with the answer that there is no TLS
#   then   => …         once in: 'notices' (without end, never ready), 'rows' (the answer to any query, without end),
#                       'notifications' (the answer to any query, 400 MB of them, then the end), 'silent', 'closed'
package Pythia::FakePostgres;

use strict;
use warnings;
use parent -norequire, 'Pythia::FakeServer';
use Pythia::FakeServer;

my %requests = (
	ok => pack('N', 0), clear => pack('N', 3), md5 => pack('N', 5) . 'salt',
	sasl => pack('N', 10) . "SCRAM-SHA-256\0\0");

sub make
{
	my ($class, %self) = @_;
	return bless({ asks => ['ok'], then => 'silent', %self }, $class)->listen;
}

sub url
{
	my ($self, $parameters) = @_;
	return "postgresql://mallory:hidden_word\@127.0.0.1:$self->{port}/shop" . ($parameters // '');
}

sub message
{
	my ($type, $body) = @_;
	return $type . pack('N', 4 + length $body) . $body;
}

# What it asks at once.
sub asked
{
	my ($asked) = @_;
	return join '', map { message('R', $requests{$_}) } split /\+/, $asked;
}

sub put
{
	my ($self, $bytes) = @_;
	return $self->write_to($self->{socket}, $bytes) unless $self->{pieces};
	setsockopt $self->{socket}, Socket::IPPROTO_TCP(), Socket::TCP_NODELAY(), 1;
	while (length $bytes)
	{
		$self->write_to($self->{socket}, substr $bytes, 0, $self->{pieces}, '');
		# a pause makes them packets of their own
		select undef, undef, undef, 0.02;
	}
	return;
}

sub get
{
	my ($self, $count) = @_;
	my $bytes = '';
	while (length $bytes < $count)
	{
		sysread($self->{socket}, $bytes, $count - length $bytes, length $bytes) or die "closed by the client\n";
	}
	return $bytes;
}

sub get_message
{
	my ($self) = @_;
	my ($type, $length) = unpack 'aN', $self->get(5);
	return ($type, $self->get($length - 4));
}

sub talk
{
	my ($self) = @_;
	my $hidden = '';
	while (1)
	{
		my $body = $self->get(unpack('N', $self->get(4)) - 4);
		my $code = unpack 'N', $body;
		return $self->note('cancel') if $code == 80877102;
		last if $code < 80877103;
		# neither TLS nor GSSAPI
		$hidden = substr asked($self->{asks}[0]), 0, $self->{hidden} // 0;
		$self->put("N$hidden");
	}
	$self->note('came');
	for my $asked (@{ $self->{asks} })
	{
		$self->put(substr asked($asked), length $hidden);
		$hidden = '';
		next if $asked eq 'ok';
		for (split /\+/, $asked)
		{
			my ($type, $body) = $self->get_message;
			$body =~ s/\0/ /g;
			$self->note(($body =~ /SCRAM|n=,r=/ ? 'sasl' : 'password') . ": $body");
		}
	}
	return $self->serve_client;
}

sub serve_client
{
	my ($self) = @_;
	my $then = $self->{then};
	if ($then eq 'notices')
	{
		my $notice = message('N', "SWARNING\0VWARNING\0C01000\0Mword\0\0") x 100;
		$self->put($notice) while 1;
	}
	my $ready = message('Z', 'I');
	$self->put(message('S', "server_version\00015.1\0") . message('S', "client_encoding\0UTF8\0") . message('K', pack 'NN', 1, 2) . $ready);
	while (my ($type, $body) = $self->get_message)
	{
		$self->note("query: " . substr $body, 1, 60) if $type eq 'P';
		next unless $type eq 'S';
		return if $then eq 'closed';
		next if $then eq 'silent';
		if ($then eq 'notifications')
		{
			my $notification = message('A', pack('N', 1) . "word\0" . 'x' x 7000 . "\0") x 100;
			$self->put($notification) for 1 .. 600;
			return;
		}
		$self->put(message('1', '') . message('2', '') . message('T', pack('n', 1) . "a\0" . pack 'NnNnNn', 0, 0, 25, 65535, -1, 0));
		my $row = message('D', pack('nN', 1, 10000) . 'x' x 10000) x 10;
		$self->put($row) while 1;
	}
	return;
}

1;
