# Where capture runs, for the conformance suite: each host with each source it is tried with.
#
#   my @hosts = Hosts::all();          # starts a PostgreSQL, takes the shared MariaDB, makes SQLite files
#   $host->write(SQL);                 # at the source
#   $host->create(WORKER => { tables => [...], capture, track, ... });
#   $host->told(WORKER, ...)           # polls: { WORKER => [ { type, key, old, new } ... ] }; {stopped}{WORKER} says why its table stopped
package Hosts;

use strict;
use warnings;
use File::Temp ();
use IPC::Run ();
use JSON::PP ();
use Pythia::Test;

my $json = JSON::PP->new->canonical->allow_nonref;

# The engines' words for what a situation leaves open.
my %words = (
	postgresql => { now => 'clock_timestamp()', stamp => 'timestamptz(3)', text => 'varchar(20)' },
	mariadb => { now => 'now(3)', stamp => 'datetime(3)', text => 'varchar(20)' },
	sqlite => { now => q{strftime('%Y-%m-%d %H:%M:%f', 'now')}, stamp => 'timestamp', text => 'varchar(20)' });

my %run = (
	postgresql => sub { my ($self, $sql) = @_; $self->{node}->safe_psql($self->{database}, $sql) },
	mariadb => sub { my ($self, $sql) = @_; $self->{maria}->sql($sql, $self->{database}) },
	sqlite => sub { my ($self, $sql) = @_; run([ 'sqlite3', '-bail', $self->{file} ], $sql) });

sub run
{
	my ($command, $input) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run($command, '<', \$input, '>', \$out, '2>', \$err)
	  or die "@$command failed:\n$err\n" . substr($input, 0, 3000) . "\n";
	return $out;
}

# `suffix`: once more, with other sources.
sub all
{
	my ($suffix) = @_;
	our $node //= pg_node('conformance', 'pythia_db.restart_delay' => '1s', log_min_messages => 'error');
	our $folder //= File::Temp::tempdir(CLEANUP => 1);
	my @hosts;
	my $source = sub {
		my ($host, $engine, $far, $package) = @_;
		my $name = lc("${host}_$engine") . ($far ? "_far" : "") . ($suffix // "");
		my %self = (
			name => "$host, " . ($far ? "from $engine" : 'its own tables'), engine => $engine, node => $node,
			folder => $folder, far => $far, database => $far ? $name : 'postgres');
		if ($engine eq 'postgresql')
		{
			$node->safe_psql('postgres', "CREATE DATABASE $name") if $far;
			$self{url} = pg_url($node, $self{database});
		}
		elsif ($engine eq 'mariadb')
		{
			$self{maria} = shared_mysql($name);
			$self{url} = $self{maria}->url($name);
		}
		else
		{
			$self{file} = "$folder/$name.db";
			$self{url} = "sqlite:///$self{file}";
			run([ 'sqlite3', $self{file} ], 'PRAGMA journal_mode = wal');
		}
		push @hosts, bless \%self, $package;
	};
	$source->('PostgreSQL', 'postgresql', 0, 'Hosts::PostgreSQL');
	$source->('PostgreSQL', $_, 1, 'Hosts::PostgreSQL') for qw(postgresql mariadb sqlite);
	$source->('SQLite', 'sqlite', 0, 'Hosts::SQLite');
	$source->('SQLite', $_, 1, 'Hosts::SQLite') for qw(postgresql mariadb sqlite);
	$source->('command', $_, 1, 'Hosts::Command') for qw(postgresql mariadb sqlite);
	return @hosts;
}

# The same host with a source of a schema of its own, for schema.*, which it names.
sub with_schema
{
	my ($self) = @_;
	my $other = bless { %$self, schema => 1 }, ref $self;
	if ($self->{engine} eq 'postgresql')
	{
		$self->write('CREATE SCHEMA found');
		return ($other, 'found');
	}
	if ($self->{engine} eq 'mariadb')
	{
		my $schema = "$self->{database}_found";
		$self->write("DROP DATABASE IF EXISTS $schema; CREATE DATABASE $schema");
		return ($other, $schema);
	}
	$other->{file} =~ s/\.db$/_found.db/;
	$other->{url} =~ s/\.db$/_found.db/;
	return ($other, 'main');
}

# Statements of a situation: a text for all engines, or one an engine; undef where it is none of this one's.
sub words
{
	my ($self, $sql) = @_;
	$sql = $sql->{ $self->{engine} } if ref $sql;
	$sql =~ s/\{(\w+)\}/$words{ $self->{engine} }{$1}/g if defined $sql;
	return $sql;
}

sub write { my ($self, $sql) = @_; return $sql eq '' ? '' : $run{ $self->{engine} }->($self, $sql); }

# Another session that keeps a table locked, until unlock.
sub lock
{
	my ($self, $table) = @_;
	my ($in, $out) = ('', '');
	my $postgres = $self->{engine} eq 'postgresql';
	my @command = $postgres
	  ? ('psql', '-XAtq', '-d', $self->{url})
	  : ($self->{maria}->command($self->{database}), '--unbuffered');
	my $session = IPC::Run::start(\@command, '<', \$in, '>', \$out, IPC::Run::timeout(60));
	$in = ($postgres ? "BEGIN; LOCK TABLE $table" : "LOCK TABLES $table WRITE") . ";\nSELECT 'locked';\n";
	$session->pump until $out =~ /locked/;
	return [ $session, \$in ];
}

sub unlock { my ($self, $lock) = @_; ${ $lock->[1] } .= "ROLLBACK;\n"; $lock->[0]->finish; return; }

# Why a worker's tables do not go on, '' where all do; and what is to be done before they are tried again.
sub troubled { my ($self, $worker) = @_; return $self->{trouble}{$worker} // ''; }
sub again { }

sub quoted { my ($text) = @_; return "'" . ($text =~ s/'/''/gr) . "'"; }

sub change
{
	my ($row) = @_;
	return { table => $row->{table}, type => $row->{change_type}, key => $row->{primary_key}, old => $row->{old_data}, new => $row->{new_data} };
}

sub decoded
{
	my ($text) = @_;
	return map { change($json->decode($_)) } grep { /^\{/ } split /\n/, $text;
}

package Hosts::PostgreSQL;
our @ISA = ('Hosts');

sub create
{
	my ($self, $worker, $options) = @_;
	my $tables = '{' . join(',', @{ delete $options->{tables} }) . '}';
	my $url = $self->{far} ? Hosts::quoted($self->{url}) : 'NULL';
	$self->{prefix} //= $self->{engine} . ($self->{far} ? '_far_' : '_');
	$self->{node}->safe_psql('postgres',
		"SELECT pythia.create_cdc_worker('$self->{prefix}$worker', '$tables', $url, options => " . Hosts::quoted($json->encode($options)) . ')');
	return;
}

# A worker that fails says so; the others go on.
sub told
{
	my ($self, @workers) = @_;
	my $sql = '';
	for my $worker (@workers)
	{
		my $name = "$self->{prefix}$worker";
		$sql .= "\\echo worker $worker\n";
		# to consume is to poll, but for tables that have come under a pattern
		$sql .= "SELECT pythia.poll('$name') \\g /dev/null\n" if $self->{schema};
		$sql .= "SELECT row_to_json(c) FROM pythia.consume_changes('$name') c ORDER BY change_id;\n"
		  . "SELECT 'stopped: ' || reason FROM pythia.stat_cdc WHERE worker = '$name' AND NOT active;\n"
		  . "SELECT 'trouble: ' || reason FROM pythia.stat_cdc WHERE worker = '$name' AND reason IS NOT NULL;\n";
	}
	my ($code, $out, $err) = $self->{node}->psql('postgres', $sql, on_error_stop => 0);
	my %told;
	$out .= "\n";
	while ($out =~ /^worker (\w+)\n(.*?)(?=^worker |\z)/msg)
	{
		my ($worker, $text) = ($1, $2);
		$told{$worker} = [ Hosts::decoded($text) ];
		$self->{stopped}{$worker} = $text =~ /^stopped: (.*)/m ? $1 : undef;
		$self->{trouble}{$worker} = $text =~ /^trouble: (.*)/m ? $1 : undef;
	}
	return \%told;
}

sub again { my ($self, $worker) = @_; $self->{node}->safe_psql('postgres', "BEGIN; SELECT pythia.start_cdc('$self->{prefix}$worker'); SELECT pythia.stop_cdc('$self->{prefix}$worker'); COMMIT"); return; }

package Hosts::SQLite;
our @ISA = ('Hosts');

sub shell
{
	my ($self, $sql, %more) = @_;
	my ($out, $err) = ('', '');
	local $ENV{MYSQL_PWD} = $self->{maria} ? $self->{maria}->account_password : '';
	my $input = ".load $ENV{PYTHIA_SQLITE_EXTENSION}\n$sql";
	my $ok = IPC::Run::run([ 'sqlite3', $more{careless} ? () : '-bail', $self->{far} ? "$self->{file_here}" : $self->{file} ],
		'<', \$input, '>', \$out, '2>', \$err);
	# of MySQL it says as whom triggers run
	$err =~ s/^.*triggers on table .* run as .*\n//mg;
	die "sqlite3 failed:\n$err\n$sql\n" if !$more{careless} && (!$ok || $err ne '');
	return $out;
}

sub create
{
	my ($self, $worker, $options) = @_;
	my $tables = delete $options->{tables};
	# a file keeps no secrets
	$self->{url} =~ s{:[^:/@]*@}{@} if $self->{maria};
	$self->{file_here} //= "$self->{folder}/store_$self->{database}.db";
	$self->shell("SELECT pythia_create_cdc_worker('$worker', " . Hosts::quoted($json->encode($tables)) . ', '
		  . ($self->{far} ? Hosts::quoted($self->{url}) : 'NULL') . ", 5, 'updated_at', " . Hosts::quoted($json->encode($options)) . ');');
	return;
}

sub told
{
	my ($self, @workers) = @_;
	my $sql = '';
	for my $worker (@workers)
	{
		# to consume is to poll: once is enough
		$sql .= ".print worker $worker\n"
		  . "SELECT json_object('table', \"table\", 'change_type', change_type, 'primary_key', json(primary_key), 'old_data', json(old_data), 'new_data', json(new_data))"
		  . " FROM pythia_consume_changes('$worker') ORDER BY change_id;\nSELECT pythia_seek('$worker', 'default', 'now');\n"
		  . "SELECT 'stopped: ' || error FROM pythia_cdc_table t JOIN pythia_cdc_worker w USING (worker_id) WHERE w.name = '$worker' AND state = 'failed';\n"
		  . "SELECT 'trouble: ' || error FROM pythia_cdc_table t JOIN pythia_cdc_worker w USING (worker_id) WHERE w.name = '$worker' AND error IS NOT NULL;\n";
	}
	my $out = $self->shell($sql, careless => 1);
	my %told;
	$out .= "\n";
	while ($out =~ /^worker (\w+)\n(.*?)(?=^worker |\z)/msg)
	{
		my ($worker, $text) = ($1, $2);
		$told{$worker} = [ Hosts::decoded($text) ];
		$self->{stopped}{$worker} = $text =~ /^stopped: (.*)/m ? $1 : undef;
		$self->{trouble}{$worker} = $text =~ /^trouble: (.*)/m ? $1 : undef;
	}
	return \%told;
}

package Hosts::Command;
our @ISA = ('Hosts');

sub state { my ($self, $worker) = @_; return "$self->{folder}/$self->{database}_$worker.state"; }

sub follow
{
	my ($self, $worker) = @_;
	my $definition = $self->{definitions}{$worker};
	my ($out, $err) = ('', '');
	IPC::Run::run([ $ENV{PYTHIA}, 'cdc', $self->{url}, '--tables', join(',', @{ $definition->{tables} }), '--once', '--state',
			$self->state($worker), '--options', $json->encode($definition->{options}) ],
		'<', \undef, '>', \$out, '2>', \$err);
	return ($out, $err);
}

sub create
{
	my ($self, $worker, $options) = @_;
	my $tables = delete $options->{tables};
	$self->{definitions}{$worker} = { tables => $tables, options => $options };
	my ($out, $err) = $self->follow($worker);
	die "pythia cdc failed: $err\n" if $err ne '' && $err =~ /error/i;
	$self->{first}{$worker} = [ Hosts::decoded($out) ];
	return;
}

sub told
{
	my ($self, @workers) = @_;
	my %told;
	for my $worker (@workers)
	{
		my ($out, $err) = $self->follow($worker);
		$told{$worker} = [ @{ delete $self->{first}{$worker} // [] }, Hosts::decoded($out) ];
	}
	# the state files of all of them, by one program
	my $sql = join '', map {
		".open '" . $self->state($_) . "'\n.print worker $_\n"
		  . "SELECT 'stopped: ' || error FROM pythia_cdc_table WHERE state = 'failed';\n"
		  . "SELECT 'trouble: ' || error FROM pythia_cdc_table WHERE error IS NOT NULL;\n"
	} @workers;
	my $out = Hosts::run([ 'sqlite3', '-bail' ], $sql);
	while ($out =~ /^worker (\w+)\n(.*?)(?=^worker |\z)/msg)
	{
		my ($worker, $text) = ($1, $2);
		$self->{stopped}{$worker} = $text =~ /^stopped: (.*)/m ? $1 : undef;
		$self->{trouble}{$worker} = $text =~ /^trouble: (.*)/m ? $1 : undef;
	}
	return \%told;
}

1;
