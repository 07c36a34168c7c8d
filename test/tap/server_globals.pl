# A MariaDB whose administrator has set as defaults what a session would not expect: nothing that is done there changes by it.
use strict;
use warnings;
use Pythia::Test;
use Test::More;

my $pg = pg_node('main', other => 1);
my $maria = Pythia::MariaDB->new('odd');
plan skip_all => 'the variables are those of MariaDB' if $maria->sql('SELECT version()') !~ /MariaDB/;
my $folder = PostgreSQL::Test::Utils::tempdir();
my ($here, $there, $file) = (pg_url($pg), $maria->url, "sqlite:///$folder/copy.db");

$pg->safe_psql('postgres', q{CREATE TABLE t (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now());
	INSERT INTO t SELECT i, 'v' || i || '\\', now() FROM generate_series(1, 3000) i});

sub pythia
{
	my (@arguments) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run([ $ENV{PYTHIA}, @arguments ], '<', \undef, '>', \$out, '2>', \$err) or return "@arguments[0 .. 2]: $out$err";
	return '';
}

# What fails, or tells anything else than it should.
sub all_of_it
{
	my @sync = ('sync', '--state', "$folder/state.db", '--tables', 't', '--mode', 'full', '--quiet');
	my $failed = '';
	my $changes = sub { $pg->safe_psql('postgres', "UPDATE t SET v = v || 'x' WHERE id < 20; DELETE FROM t WHERE id = 30; INSERT INTO t VALUES (3000 + $_[0], 'new') ON CONFLICT (id) DO UPDATE SET v = 'newer'") };
	my $cdc = sub { my ($out, $err) = ('', ''); IPC::Run::run([ $ENV{PYTHIA}, 'cdc', $there, '--tables', 't', '--once', '--capture', 'trigger', '--state', "$folder/cdc.db" ], '<', \undef, '>', \$out, '2>', \$err) or $failed .= $err; return $out; };
	$maria->sql('DROP TABLE IF EXISTS t');
	unlink "$folder/copy.db", "$folder/cdc.db", "$folder/state.db";
	$failed .= pythia(@sync, '-s', $here, '-t', $there);
	$cdc->();
	$changes->(1);
	$failed .= pythia(@sync, '-s', $here, '-t', $there, '--deletes', 'hard');
	my $told = () = $cdc->() =~ /"change_type":/g;
	$failed .= "$told changes were told" if $told != 21;
	unlink "$folder/cdc.db";
	$maria->sql('DROP TABLE t');
	$failed .= pythia(@sync, '-s', $here, '-t', $there);
	$failed .= pythia(@sync, '-s', $here, '-t', $there, '--truncate-target');
	$failed .= pythia(@sync, '-s', $there, '-t', $file);
	$changes->(2);
	$failed .= pythia('repair', '-s', $here, '-t', $there, '--tables', 't');
	$failed .= pythia('validate', '-s', $here, '-t', $there, '--tables', 't');
	$failed .= pythia('repair', '-s', $there, '-t', $file, '--tables', 't');
	$failed .= pythia('validate', '-s', $there, '-t', $file, '--tables', 't', '--method', 'rows');
	$pg->safe_psql('postgres', "DELETE FROM t WHERE id > 3000; INSERT INTO t VALUES (30, 'again')");
	return $failed;
}

is(all_of_it(), '', 'as it comes');
# those that might hide one another's effects apart
for my $settings (
	{ sql_select_limit => 100, sql_safe_updates => 1, tx_isolation => q{'SERIALIZABLE'}, group_concat_max_len => 4, default_storage_engine => 'MyISAM' },
	{ autocommit => 0, max_join_size => 10, sql_big_selects => 0, innodb_force_primary_key => 1, sql_auto_is_null => 1, foreign_key_checks => 0, unique_checks => 0 },
	{ max_statement_time => 0.001, default_tmp_storage_engine => 'MEMORY', max_heap_table_size => 16384, completion_type => 'CHAIN', time_zone => q{'+05:30'} },
	{ sql_mode => q{'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,NO_UNSIGNED_SUBTRACTION,ONLY_FULL_GROUP_BY,NO_ZERO_DATE,NO_ZERO_IN_DATE,ORACLE'}, completion_type => q{'RELEASE'} },
	{ tx_read_only => 1, collation_server => 'ucs2_general_ci', collation_connection => 'latin1_bin', lock_wait_timeout => 0, innodb_lock_wait_timeout => 0 })
{
	my @names = sort keys %$settings;
	my %before = map { my $value = $maria->sql("SELECT \@\@GLOBAL.$_"); chomp $value; $_ => $value } @names;
	my $set = sub { my ($values) = @_; $maria->root_sql('SET ' . join ', ', map { "GLOBAL $_ = $values->{$_}" } @names) };
	$set->($settings);
	my $failed = all_of_it();
	$set->({ map { $_ => $before{$_} eq 'NULL' ? 'DEFAULT' : $before{$_} =~ /^[-0-9.]+$/ ? $before{$_} : "'$before{$_}'" } @names });
	is($failed, '', join ', ', map { "$_ = $settings->{$_}" } @names);
}
# what the server itself forbids is told with what to do, and not tried again
$maria->root_sql('SET GLOBAL read_only = 1');
my $refused = pythia('sync', '--state', "$folder/refused.db", '-s', $here, '-t', $there, '--tables', 't', '--mode', 'full');
like($refused, qr/read-only.*hint: /s, 'a server that is read-only');
unlike($refused, qr/trying again/, 'once');
$maria->root_sql('SET GLOBAL read_only = 0');
done_testing();
