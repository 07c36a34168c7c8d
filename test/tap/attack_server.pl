# A role that may use pythia_db, and servers of its own that lie: this server goes on, for everybody else too, the
# error is clear, and no file comes of it.
use strict;
use warnings;
use Pythia::Test;
use Pythia::FakeMySQL;
use Pythia::Session;
use Test::More;

my $node = pg_node('attacked', restart_after_crash => 'on', log_min_messages => 'warning');
sub sql { return $node->safe_psql('postgres', $_[0]); }

sql(q{CREATE ROLE mallory LOGIN; SELECT pythia.grant_use('mallory'); CREATE SCHEMA m AUTHORIZATION mallory;
	CREATE TABLE m.t (id int PRIMARY KEY, a varchar(20)); CREATE TABLE m.s (id int PRIMARY KEY, a text);
	ALTER TABLE m.t OWNER TO mallory; ALTER TABLE m.s OWNER TO mallory; INSERT INTO m.s VALUES (1, 'x')});

# Somebody else, who notices a crash.
my $bystander = Pythia::Session->new($node);

# As mallory; output and error.
sub try
{
	my ($sql) = @_;
	my ($out, $err);
	my $code = $node->psql('postgres', "SET search_path = m; SET statement_timeout = '20s'; $sql",
		stdout => \$out, stderr => \$err, extra_params => [ '-U', 'mallory', '-v', 'VERBOSITY=verbose' ]);
	return ($code, $out // '', $err // '');
}

sub alive
{
	return (eval { $bystander->do('SELECT 7') } // '') eq '7'
	  && PostgreSQL::Test::Utils::slurp_file($node->logfile) !~ /terminated by signal|TRAP|all server processes/;
}

my $full = q{'{"mode": "full"}'};
my %calls = (
	'sync from it' => sub { "SELECT pythia.sync_between('$_[0]', 'local', 't', $full)" },
	'sync to it' => sub { "SELECT pythia.sync_between('local', '$_[0]', 'm.t', '{\"mode\": \"full\", \"table_map\": {\"m.t\": \"t\"}}')" },
	'sync between two' => sub { "SELECT pythia.sync_between('$_[0]', 'sqlite://', 't', $full)" },
	'validate' => sub { "SELECT pythia.validate_between('$_[0]', 'local', 't')" },
	'validate the other way' => sub { "SELECT pythia.validate_between('local', '$_[0]', 'm.t', '{\"table_map\": {\"m.t\": \"t\"}}')" },
	'test_connection' => sub { "SELECT error FROM pythia.test_connection('$_[0]')" });

subtest 'an honest one works' => sub {
	my $fake = Pythia::FakeMySQL->start;
	my ($code, $out, $err) = try($calls{'sync from it'}->($fake->url));
	is($code, 0, 'sync') or diag($err);
	is(sql('SELECT string_agg(a, \' \' ORDER BY id) FROM m.t'), 'one two', 'its rows are here');
};

subtest 'answers that are none' => sub {
	my ($crashed, $runs, @unclear) = (0, 0);
	for my $what (sort keys %calls)
	{
		for my $mode (qw(nulls junk no_rows no_result few_columns))
		{
			for my $at (1, 5 .. 10)
			{
				my $fake = Pythia::FakeMySQL->start(mode => $mode, at => $at);
				my ($code, $out, $err) = try($calls{$what}->($fake->url));
				$runs++;
				push @unclear, "$what, $mode at $at: $err"
				  if $code && $err !~ /ERROR:\s+[0-9A-Z]{5}: / || $err =~ /XX000|server closed|hidden_word/;
				next if alive();
				$crashed++;
				diag("crashed: $what, $mode at $at: $err");
				wait_for($node, 'SELECT true') or return;
				$bystander = Pythia::Session->new($node);
				$node->rotate_logfile;
			}
		}
	}
	is($crashed, 0, "$runs answers, no crash");
	is("@unclear", '', 'each error has its own SQLSTATE');
	my $fake = Pythia::FakeMySQL->start(mode => 'nulls', at => 6);
	my ($code, $out, $err) = try($calls{'sync from it'}->($fake->url));
	like($err, qr/08P01: unexpected answer from mariadb:\/\/mallory:\*\*\*\@127.0.0.1:\d+\/shop: column 1 is NULL where a whole number was expected/,
		'the error says who answered what');
	like($err, qr/HINT:  Check that the URL leads to a MySQL or MariaDB server/, 'and what to do');
};

subtest 'packets that are none, and silence' => sub {
	for my $mode (qw(short_packet_closed ragged_rows wrong_number random closed error long_value many_announced random_greeting))
	{
		my $fake = Pythia::FakeMySQL->start(mode => $mode);
		my ($code, $out, $err) = try("SET statement_timeout = '3s'; " . $calls{'sync from it'}->($fake->url));
		isnt($code, 0, "$mode: an error");
		ok(alive(), 'and no crash');
	}
	for my $mode (qw(silent silent_greeting short_packet))
	{
		my $fake = Pythia::FakeMySQL->start(mode => $mode);
		my ($code, $out, $err) = try("SET statement_timeout = '1s'; " . $calls{'sync from it'}->($fake->url));
		like($err, qr/57014: canceling statement due to statement timeout|08/, "$mode: can be cancelled");
		ok(alive(), 'and no crash');
	}
};

subtest 'answers without end' => sub {
	my @cases = (
		[ 'rows for a statement that has none', qr/^SET SESSION time_zone/, 'endless', qr/08P01: .*rows where none were expected/ ],
		[ 'one result after the other', qr/^SET SESSION time_zone/, 'endless_results', qr/08P01: .*more results than one/ ],
		[ 'the same of a query', qr/SELECT DATABASE/, 'endless', qr/08P01: .*(?:more than \d+ MB|\d columns)/ ],
		[ 'columns', qr/SELECT DATABASE/, 'endless_columns', qr/08P01: .*more than 16 MB where a small result/ ],
		[ 'columns for a statement that has none', qr/^SET SESSION time_zone/, 'endless_columns', qr/08P01: .*more than 16 MB/ ],
		[ 'news of a statement that goes on', qr/^SET SESSION time_zone/, 'endless_progress', qr/08P01: .*more than 16 MB|HY000/ ]); # Oracle's library takes them for errors
	for my $case (@cases)
	{
		my ($what, $only, $mode, $error) = @$case;
		my $fake = Pythia::FakeMySQL->start(mode => $mode, only => $only);
		my ($code, $out, $err) = try('SELECT error FROM pythia.test_connection(\'' . $fake->url . '\')');
		my ($sync_code, $sync_out, $sync_err) = try($calls{'sync from it'}->($fake->url));
		like($sync_err, $error, "$what: an error at once");
		unlike("$out$err", qr/timeout/, 'also where one only looks');
		ok(alive(), 'and no crash');
	}
	# where there is no bound, one can stop
	my $fake = Pythia::FakeMySQL->start(mode => 'endless_progress_in_rows', only => qr/`a`.* FROM .*`t`/);
	my ($code, $out, $err) = try("SET statement_timeout = '3s'; " . $calls{'sync from it'}->($fake->url));
	like($err, qr/57014: canceling statement due to statement timeout/, 'a row that never comes: can be cancelled') or diag($err);
	ok(alive(), 'and no crash');
};

subtest 'workers of its own' => sub {
	my $number = 0;
	my @columns = (columns => [ [ id => 'int(11)' ], [ updated_at => 'datetime' ] ], rows => [ [ 1, '2026-01-01 00:00:00' ] ]);
	my $honest = Pythia::FakeMySQL->start(@columns);
	my ($code, $out, $err) = try("SELECT pythia.create_connection('c', '" . $honest->url . "');
		SELECT pythia.create_cdc_worker('w', '{t}', connection => 'c'); SELECT pythia.poll('w'); SELECT pythia.drop_cdc_worker('w')");
	is($code, 0, 'an honest server can be captured') or diag($err);
	for my $mode (qw(nulls junk few_columns no_result))
	{
		for my $after (0, 4, 5, 7)
		{
			$number++;
			my $fake = Pythia::FakeMySQL->start(mode => $mode, after => $after, @columns);
			try("SELECT pythia.create_connection('c$number', '" . $fake->url . "')");
			for my $way ('{}', '{"capture": "trigger"}')
			{
				my ($code, $out, $err) = try("SELECT pythia.create_cdc_worker('w$number', '{t}', connection => 'c$number', options => '$way'); SELECT pythia.poll('w$number')");
				ok(alive(), "$mode after $after, $way: no crash") or diag($err);
				try("SELECT pythia.drop_cdc_worker('w$number')");
			}
			try("SELECT pythia.drop_connection('c$number')");
		}
	}
};

subtest 'the password, and files' => sub {
	for my $mode (qw(clear_password old_password dialog unknown_plugin))
	{
		my $fake = Pythia::FakeMySQL->start(mode => $mode);
		my ($code, $out, $err) = try($calls{'sync from it'}->($fake->url));
		# (Oracle's library does not know of the old one)
		like($err, $mode eq 'old_password' ? qr/28000: .*method that is not allowed|08P01: .*Malformed packet/ : qr/28000: .*method that is not allowed/,
			"$mode: refused");
		unlike($fake->log . $err, qr/hidden_word|in clear/, 'and the password stays here');
	}
	for my $after (0, 5)
	{
		my $fake = Pythia::FakeMySQL->start(mode => 'infile', after => $after);
		my ($code, $out, $err) = try($calls{'sync from it'}->($fake->url));
		like($err, qr/08P01: .*asked for a file/, 'a file of this server is not handed out');
		unlike($fake->log, qr/^file [1-9]/m, 'not a byte of it');
	}
};

subtest 'no file by way of a database in memory' => sub {
	my $folder = PostgreSQL::Test::Utils::tempdir_short();
	chmod 0777, $folder;
	my $path = "$folder/made";
	my $characters = 'char(' . join(',', map { ord } split //, $path) . ')';
	my @defaults = ("'); ATTACH $characters AS v; CREATE TABLE v.t (x); --'", "'x'); ATTACH '$path' AS v; --", "(writefile('$path', 'x'))");
	for my $default (@defaults)
	{
		my $fake = Pythia::FakeMySQL->start(
			columns => [ [ id => 'int(11)', nullable => 0 ], [ a => 'varchar(10)', default => "'x''" ], [ b => 'varchar(10)', default => $default ] ], rows => []);
		my ($code, $out, $err) = try($calls{'sync between two'}->($fake->url));
		ok(!-e $path, "a default: $default");
	}
	for my $type ("int); ATTACH '$path' AS v; --", "enum('a'); ATTACH $characters AS v; --')")
	{
		my $fake = Pythia::FakeMySQL->start(columns => [ [ id => 'int(11)' ], [ a => $type ] ], rows => []);
		try($calls{'sync between two'}->($fake->url));
		ok(!-e $path, "a type: $type");
	}
	for my $word ("1); ATTACH '$path' AS f; --", "id IN (SELECT load_extension('$path'))")
	{
		(my $quoted = $word) =~ s/'/''/g;
		my ($code, $out, $err) = try(qq{SELECT pythia.validate_between('local', 'sqlite://', 's', '{"checks": {"c": "$quoted"}}')});
		isnt($code, 0, "a check: $word");
		try(qq{SELECT pythia.sync_between('sqlite://', 'local', 's', '{"mode": "full", "where": "$quoted"}')});
		try(qq{SELECT pythia.sync_between('local', 'sqlite://', 's', '{"mode": "full", "deletes": "hard", "where": "true", "target_where": "$quoted"}')});
		ok(!-e $path, 'makes no file');
	}
	for my $url ("sqlite:///$path", 'sqlite:///file::memory:?mode=rwc', "sqlite:///file:$path?mode=rwc", "sqlite:///:memory:/../..$path?mode=rwc")
	{
		my ($code, $out, $err) = try("SELECT pythia.sync_between('local', '$url', 's', $full)");
		isnt($code, 0, "$url is not for everybody");
		ok(!-e $path, 'makes no file');
	}
	ok(alive(), 'and the server goes on');
};

done_testing();
