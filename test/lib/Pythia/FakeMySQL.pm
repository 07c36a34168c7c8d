# A MySQL server that is not one: it speaks the protocol, answers as it is told, and notes what it was asked.
#
#   my $fake = Pythia::FakeMySQL->start(
#       columns => [ [ id => 'int(11)' ], [ a => 'varchar(9)', default => "'x'", comment => 'c' ] ],
#       rows => [ [ 1, 'x' ], [ 2, undef ] ]);
#   … $fake->url …          # mariadb://user:password@127.0.0.1:PORT/shop
#   $fake->log              # what came: "query 4: SELECT …", "password in clear: …", "file …"
#   $fake->stop             # done too when it goes out of scope, or its parent ends
#
# What it is (all optional):
#   schema => 'shop', table => 't', comment => '', estimate => rows, relation => 'table', version => '5.5.5-10.11.6-MariaDB'
#   columns => [ [ NAME => TYPE, nullable => 1, generated => 0, identity => 0, default, collation, comment, labels ], … ]
#   keys    => [ [ NAME, PRIMARY, UNIQUE, COLUMN, DESCENDING ], … ]      (as the catalog gives them; else the first column)
#   extras  => [ [ KIND, NAME, DETAIL, COLUMN ], … ]         what else the table has (client/dialect/extras.h)
#   rows    => [ [ … ], … ]                                  undef is NULL
#   local_infile => 1                                        whether it takes LOAD DATA LOCAL
#   plugin => 'mysql_native_password'                        the method of logging in that it greets with
#   answers => [ [ qr/…/i => ANSWER ], … ]                   looked at first, against the text of the query
#   mode    => what goes wrong (see %modes), for queries that  only => qr/…/,  at => N (the Nth of its connection)
#              or  after => N (5: those that set a session up, and find the table, are answered well)
#
# An ANSWER is a list of rows, a hash { columns => [names], rows => [ … ] }, { error => [ 1105, 'HY000', 'text' ] },
# { affected => N }, 'ok', the name of a mode, or a function of the query that gives one of these.
package Pythia::FakeMySQL;

use strict;
use warnings;
use parent -norequire, 'Pythia::FakeServer';
use POSIX ();
use Pythia::FakeServer;

# Listens, but serves nobody yet.
sub make
{
	my ($class, %self) = @_;
	my $self = bless {
		schema => 'shop', table => 't', comment => '', relation => 'table', version => '5.5.5-10.11.6-MariaDB',
		columns => [ [ id => 'int(11)' ], [ a => 'varchar(20)' ] ],
		rows => [ [ 1, 'one' ], [ 2, 'two' ] ], answers => [], after => 5, seed => 1, %self }, $class;
	$self->{keys} //= [ [ 'PRIMARY', 1, 1, $self->{columns}[0][0] ] ];
	$self->{estimate} = scalar @{ $self->{rows} } unless exists $self->{estimate};
	return $self->listen;
}

sub url
{
	my ($self, $parameters) = @_;
	return "mariadb://mallory:hidden_word\@127.0.0.1:$self->{port}/$self->{schema}" . ($parameters // '');
}

sub queries { return $_[0]->log =~ /^query \d+: (.*)$/mg; }

# --- packets ----------------------------------------------------------------

sub read_bytes
{
	my ($self, $count) = @_;
	my $bytes = '';
	while (length $bytes < $count)
	{
		my $got = sysread $self->{socket}, $bytes, $count - length $bytes, length $bytes;
		die "closed by the client\n" unless $got;
	}
	return $bytes;
}

sub receive
{
	my ($self) = @_;
	my $whole = '';
	while (1)
	{
		my ($low, $high, $number) = unpack 'vCC', $self->read_bytes(4);
		my $length = $low | $high << 16;
		$self->{number} = $number + 1;
		$whole .= $self->read_bytes($length);
		return $whole if $length < 0xffffff;
	}
}

sub raw
{
	my ($self, $bytes) = @_;
	return $self->write_to($self->{socket}, $bytes);
}

sub packet
{
	my ($self, $payload) = @_;
	$self->raw(substr(pack('V', length $payload), 0, 3) . chr($self->{number}++ & 255) . $payload);
	return;
}

sub ok
{
	my ($self, $affected, $more) = @_;
	$self->packet("\x00" . Pythia::FakeServer::mysql_number($affected // 0) . "\x00" . pack 'vv', $more ? 10 : 2, 0);
	return;
}

sub eof
{
	my ($self, $more) = @_;
	$self->packet("\xfe" . pack 'vv', 0, $more ? 10 : 2);
	return;
}

sub fail
{
	my ($self, $code, $state, $message) = @_;
	$self->packet("\xff" . pack('v', $code) . "#$state$message");
	return;
}

sub head
{
	my ($self, @names) = @_;
	$self->packet(Pythia::FakeServer::mysql_number(scalar @names));
	$self->packet(join('', map { Pythia::FakeServer::mysql_cell($_) } 'def', '', $self->{table}, $self->{table}, $_, $_)
		  . "\x0c" . pack 'vVCvCv', 45, 1024, 0xfd, 0, 0, 0)
	  for @names;
	$self->eof;
	return;
}

sub result
{
	my ($self, $names, $rows, $more) = @_;
	$self->head(@$names);
	$self->packet(join '', map { Pythia::FakeServer::mysql_cell($_) } @$_) for @$rows;
	$self->eof($more);
	return;
}

sub hang { sleep 3600; return; }

# --- what can go wrong --------------------------------------------------------

# A mode's function gets the server, the query and how many columns it asks for.
my %modes = (
	nulls => sub { $_[0]->result([ map { "c$_" } 1 .. $_[2] ], [ map { [ (undef) x $_[2] ] } 1 .. 3 ]) },
	empty => sub { $_[0]->result([ map { "c$_" } 1 .. $_[2] ], [ [ ('') x $_[2] ] ]) },
	junk => sub { $_[0]->result([ map { "c$_" } 1 .. $_[2] ], [ map { [ ($_) x $_[2] ] } "-99999999999999999999", "\xff\x00'" ]) },
	no_rows => sub { $_[0]->result([ map { "c$_" } 1 .. $_[2] ], []) },
	no_result => sub { $_[0]->ok },
	few_columns => sub { $_[0]->result(['c'], [ ['table'] ]) },
	many_columns => sub { $_[0]->result([ map { "c$_" } 1 .. 500 ], [ [ ('1') x 500 ] ]) },
	ragged_rows => sub {
		$_[0]->head(map { "c$_" } 1 .. $_[2]);
		$_[0]->packet(Pythia::FakeServer::mysql_cell('1') x $_) for 1, $_[2] + 3;
		$_[0]->packet('');
		$_[0]->eof;
	},
	no_columns_at_all => sub { $_[0]->packet(Pythia::FakeServer::mysql_number(1 << 40)); $_[0]->hang },
	many_announced => sub { $_[0]->packet(Pythia::FakeServer::mysql_number(0x7fffffff)); $_[0]->packet(Pythia::FakeServer::mysql_cell('def')); close $_[0]{socket} },
	long_value => sub { $_[0]->head('c'); $_[0]->packet("\xfe" . pack('Q<', 1 << 62) . 'abc'); $_[0]->eof },
	short_packet => sub { $_[0]->raw("\x50\x00\x00\x01\x05abc"); $_[0]->hang },
	short_packet_closed => sub { $_[0]->raw("\x50\x00\x00\x01\x05abc"); close $_[0]{socket}; die "closed\n" },
	wrong_number => sub { $_[0]{number} = 77; $_[0]->ok },
	random => sub {
		$_[0]->packet(join '', map { chr int rand 256 } 1 .. int rand 300) for 0 .. int rand 30;
		close $_[0]{socket};
		die "closed\n";
	},
	endless => sub {
		$_[0]->head('c');
		$_[0]->packet(Pythia::FakeServer::mysql_cell('x' x 60000)) while 1;
	},
	endless_results => sub { $_[0]->raw(packets(1, ("\x00\x00\x00" . pack 'vv', 10, 0) x 10000)) while 1 },
	endless_columns => sub {
		$_[0]->packet(Pythia::FakeServer::mysql_number(65535));
		my $name = Pythia::FakeServer::mysql_cell('n' x 60000);
		my $column = Pythia::FakeServer::mysql_cell('def') . $name x 5 . "\x0c" . pack 'vVCvCv', 45, 1024, 0xfd, 0, 0, 0;
		$_[0]->raw(packets($_[0]{number}++, $column)) while 1;
	},
	endless_progress => sub { endless_progress($_[0]) },
	endless_progress_in_rows => sub { $_[0]->head(map { "c$_" } 1 .. $_[2]); endless_progress($_[0]) },
	silent => sub { $_[0]->hang },
	closed => sub { close $_[0]{socket}; die "closed\n" },
	error => sub { $_[0]->fail(1105, 'HY000', "evil \e]0;title\a\e[31m %s%n " . 'A' x 4000) },
	infile => sub { $_[0]->take_file('/etc/passwd') },
);

# Packets at once, of these numbers on.
sub packets
{
	my ($number, @payloads) = @_;
	return join '', map { substr(pack('V', length), 0, 3) . chr($number++ & 255) . $_ } @payloads;
}

# MariaDB tells by errors that are none how far it is.
sub endless_progress
{
	my ($self) = @_;
	my $report = "\xff\xff\xff\x01\x01\x01\x00\x00\x00" . Pythia::FakeServer::mysql_cell('x' x 200);
	while (1)
	{
		$self->raw(packets($self->{number}, ($report) x 256));
	}
	return;
}

# Asks the client for a file, and takes what comes.
sub take_file
{
	my ($self, $name, $more) = @_;
	$self->packet("\xfb$name");
	my $data = '';
	while (length(my $part = $self->receive)) { $data .= $part; }
	$self->note('file ' . length($data) . " bytes: $data");
	$self->ok(($data =~ tr/\n//), $more);
	return;
}

# --- a connection --------------------------------------------------------------

# What a server may ask for instead of taking the answer to its salt.
my %switches = (
	clear_password => "\xfemysql_clear_password\x00",
	old_password => "\xfe",
	dialog => "\xfedialog\x00\x02Password: ",
	unknown_plugin => "\xfe../../../../tmp/evil\x00",
	caching_sha2_password => "\xfecaching_sha2_password\x00abcdefghijklmnopqrst\x00",
	sha256_password => "\xfesha256_password\x00abcdefghijklmnopqrst\x00",
);

# For the two sha methods; nobody has the other half.
my $public_key = <<'END';
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA5PWzLStEC+kuepABMwG2
YEezFfpPPa6+GbKR6uNWFBdOY7kMxG7p3eg+klbRPpU1VL9S2r/orRbe7Y8OGzSo
Cpb+N7dQk2RWJ2mI71T44wetW1jSt8ZCOUxLre6bqN5u04XrhQAe5W+pFBkKco9L
POQWEQUF0Eb+ymQ0vkyUrI6pjhRXiwVfxiVuZeY4x/kt9LINxFInxvDJ1+5ZJpiO
agZwtJY5vSmfyJtjyOeVnYPfmyutmyP9Tjjm7E5lOvh2AvSwYDh51eWR8iDou/eQ
L5/REfJcTk+mHLIsIwD/UT8krvKgCr7h5OuISysmX9Zx5m0lHyo8vL6i2OvRPH6p
jQIDAQAB
-----END PUBLIC KEY-----
END

sub readable { return $_[0] =~ s/[^ -~]/./gr; }

# Wants the password itself, as a server does that does not know it yet; $first is what the method has said.
sub full_authentication
{
	my ($self, $plugin, $first) = @_;
	if ($plugin eq 'caching_sha2_password')
	{
		$self->packet("\x01\x04");
		$first = $self->receive;
		$self->note('answer: ' . readable($first));
	}
	return if $first ne ($plugin eq 'sha256_password' ? "\x01" : "\x02");
	$self->packet("\x01$public_key");
	my $said = $self->receive;
	$self->note('by the key: ' . length($said) . ' bytes, ' . readable($said));
	return;
}

sub talk
{
	my ($self) = @_;
	my $mode = $self->{mode} // '';
	$self->hang if $mode eq 'silent_greeting';
	$self->{number} = 0;
	if ($mode eq 'random_greeting')
	{
		$self->packet(join '', "\x0a", map { chr int rand 256 } 1 .. 90);
		return;
	}
	my $plugin = $self->{plugin} // 'mysql_native_password';
	# everything but TLS, compression and the newer ends of results
	my $can = 0x1 | 0x4 | 0x8 | 0x80 | 0x200 | 0x2000 | 0x8000 | 0x10000 | 0x20000 | 0x80000;
	$self->packet("\x0a$self->{version}\x00" . pack('V', 42) . "abcdefgh\x00" . pack('v', $can & 0xffff) . "\x2d"
		  . pack('v', 2) . pack('v', $can >> 16) . "\x15" . "\x00" x 10 . "ijklmnopqrst\x00$plugin\x00");
	my $answer = $self->receive;
	$self->{several} = unpack('V', $answer) & 0x10000;
	$self->note('client ' . ($answer =~ /\A.{32}([^\0]*)/s ? $1 : '?'));
	$self->note('login ' . readable(substr $answer, 32)) if $self->{plugin};
	$self->full_authentication($plugin, $answer =~ /\A.{32}[^\0]*\0\x01(.)/s ? $1 : '') if $plugin =~ /sha/;
	if (my $switch = $switches{$mode})
	{
		$self->packet($switch);
		my $said = $self->receive;
		$self->note(($mode eq 'clear_password' || $mode eq 'dialog' ? 'password in clear: ' : 'answer: ') . readable($said));
		$self->full_authentication($mode, $said) if $mode =~ /sha/;
	}
	$self->ok;
	for (my $n = 1;; $n++)
	{
		my $message = $self->receive;
		my ($command, $query) = (ord $message, substr $message, 1);
		return $self->note('quit') if $command == 1;
		if ($command == 14 || $command == 31)    # ping, reset
		{
			$self->ok;
		}
		elsif ($command != 3)
		{
			$self->note("command $command");
			$self->fail(1047, '08S01', 'unknown command');
		}
		else
		{
			# where the client may send several statements at once, it must get as many answers
			my @parts = $self->{several} ? $query =~ /\G((?:'(?:[^'\\]|\\.)*'|[^;'])+);?/g : $query;
			@parts = grep { /\S/ } @parts;
			for my $i (0 .. $#parts)
			{
				$self->note("query $n: $parts[$i]");
				$self->answer($parts[$i], $n, $i < $#parts);
			}
		}
	}
}

sub goes_wrong
{
	my ($self, $query, $n) = @_;
	return 0 unless $self->{mode} && $modes{ $self->{mode} };
	return $query =~ $self->{only} if $self->{only};
	return $n == $self->{at} if $self->{at};
	return $n > $self->{after};
}

sub answer
{
	my ($self, $query, $n, $more) = @_;
	my @wanted = select_list($query);
	return $modes{ $self->{mode} }->($self, $query, scalar @wanted || 1) if $self->goes_wrong($query, $n);
	my ($told) = map { $_->[1] } grep { $query =~ $_->[0] } @{ $self->{answers} };
	$told = $told->($query) if ref $told eq 'CODE';
	$told //= $self->honest_answer($query, @wanted);
	return $self->ok(0, $more) if $told eq 'ok';
	return $self->take_file($1, $more) if $told =~ /^file (.*)/;
	return $modes{$told}->($self, $query, scalar @wanted || 1) if $modes{$told};
	return $self->fail(@{ $told->{error} }) if ref $told eq 'HASH' && $told->{error};
	return $self->ok($told->{affected}, $more) if ref $told eq 'HASH' && defined $told->{affected};
	my ($names, $rows) = ref $told eq 'HASH' ? @$told{ 'columns', 'rows' } : (undef, $told);
	$names //= [ map { "c$_" } 1 .. (@$rows ? scalar @{ $rows->[0] } : scalar @wanted || 1) ];
	return $self->result($names, $rows, $more);
}

# The expressions of a SELECT: what stands between the commas outside of parentheses and quotes.
sub select_list
{
	my ($query) = @_;
	my ($depth, $item, @items) = (0, '');
	return unless $query =~ /\A\s*SELECT\s+(?:DISTINCT\s+|STRAIGHT_JOIN\s+|\/\*.*?\*\/\s*)*/gi;
	while ($query =~ /\G('(?:[^'\\]|''|\\.)*'|`(?:[^`]|``)*`|\bFROM\b|\bCASE\b|\bEND\b|\w+|.)/gsi)
	{
		my $token = $1;
		last if $depth == 0 && uc $token eq 'FROM';
		$depth++ if $token eq '(';
		$depth-- if $token eq ')';
		if ($token eq ',' && $depth == 0)
		{
			push @items, $item;
			$item = '';
		}
		else { $item .= $token; }
	}
	return (@items, $item);
}

# What a server with that one table would say, as far as pythia asks.
sub honest_answer
{
	my ($self, $query, @wanted) = @_;
	my $table = $self->{table};
	return 'file rows' if $query =~ /\A\s*LOAD DATA LOCAL/i;
	return 'ok' unless $query =~ /\A\s*(?:SELECT|SHOW|WITH|\()/i;
	return [] unless $query =~ /\A\s*SELECT/i;
	return [ [ $self->{schema}, 0, $self->{local_infile} // 1, 16777216 ] ] if $query =~ /SELECT DATABASE\(\), /i;
	return $self->{extras} // [] if $query =~ /\be\.of_column\b/;
	if ($query =~ /information_schema\.TABLES/i)
	{
		return [ [ 0, $self->{relation}, $self->{estimate}, $self->{comment}, $self->{schema}, $table ] ] if @wanted == 6;
		return [ [ $self->{schema}, $table ] ];
	}
	return [ map { catalog_column(@$_) } @{ $self->{columns} } ] if $query =~ /information_schema\.COLUMNS/i;
	return [ map { [ 0, @$_[0 .. 3], $_->[4] // 0 ] } @{ $self->{keys} } ] if $query =~ /information_schema\.STATISTICS/i;
	return [ [ map { clock_value($_) } @wanted ] ] if $wanted[0] =~ /DATE_FORMAT\(/i;
	return [] if $query =~ /information_schema/i;
	return $self->table_rows($query, @wanted) if $query =~ /\bFROM\b.*`\Q$table\E`/is;
	return [ [ map { clock_value($_) } @wanted ] ];
}

# What clocks, and locks that are free, say.
sub clock_value
{
	my ($item) = @_;
	return $1 if $item =~ /FROM_UNIXTIME\((\d+)\)/i;
	return POSIX::strftime('%Y-%m-%d %H:%M:%S.000000', gmtime) if $item =~ /DATE_FORMAT\(/i;
	return time . '000000' if $item =~ /UNIX_TIMESTAMP\(NOW/i;
	return $item =~ /TIMESTAMPDIFF\(MICROSECOND|GET_LOCK/i ? 1 : 0;
}

sub catalog_column
{
	my ($name, $type, %more) = @_;
	return [ 0, $name, $type, map({ $more{$_} // ($_ eq 'nullable' ? 1 : 0) } qw(nullable generated identity)),
		@more{ qw(default collation) }, $more{comment} // '', $more{labels}, $more{invisible} // 0 ];
}

# The values of the columns that are named.  There is one page: who asks for what comes after, gets nothing.
sub table_rows
{
	my ($self, $query, @wanted) = @_;
	my @names = map { $_->[0] } @{ $self->{columns} };
	my %position = map { $names[$_] => $_ } 0 .. $#names;
	return [ [ map { /count\(/i ? scalar @{ $self->{rows} } : 0 } @wanted ] ] if "@wanted" =~ /\bcount\(/i;
	return [] if $query =~ /\bWHERE\b.*[`)] > /s;
	my @from = map {
		my $item = $_;
		my @found = grep { $item =~ /`\Q$_\E`/ } sort { length $b <=> length $a } @names;
		@found ? $position{ $found[0] } : undef
	} @wanted;
	return { columns => [ map { "c$_" } 1 .. @wanted ],
		rows => [ map { my $row = $_; [ map { defined $_ ? $row->[$_] : 0 } @from ] } @{ $self->{rows} } ] };
}

1;
