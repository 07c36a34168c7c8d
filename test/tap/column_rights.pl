# A source's role that may read some columns only: never silently without the others, and well where those that it may read are named.
use strict;
use warnings;
use JSON::PP ();
use Test::More;
use Pythia::Test;

my $pg = pg_node('main');
my $there = pg_node('there');
my $my = shared_mysql('column_rights');
my $folder = PostgreSQL::Test::Utils::tempdir();

$there->safe_psql('postgres', q{CREATE ROLE part LOGIN; CREATE TABLE t (id int PRIMARY KEY, v text, secret text, updated_at timestamptz DEFAULT now());
	CREATE INDEX ON t (updated_at); GRANT SELECT (id, v, updated_at) ON t TO part; INSERT INTO t VALUES (1, 'a', 's')});
$my->sql(q{CREATE TABLE t (id int PRIMARY KEY, v varchar(9), secret varchar(9), updated_at datetime(6) DEFAULT now(6), KEY (updated_at)); INSERT INTO t VALUES (1, 'a', 's', now(6));
	DROP USER IF EXISTS part@'%'; CREATE USER part@'%' IDENTIFIED BY 'x'; GRANT SELECT (id, v, updated_at) ON column_rights.t TO part@'%'; GRANT PROCESS ON *.* TO part@'%'});
my %url = (PostgreSQL => pg_url($there), MariaDB => $my->url);
$url{PostgreSQL} =~ s{//[^@/]*@}{//part@};
$url{MariaDB} =~ s{//[^@/]*@}{//part:x@};

for my $engine (sort keys %url)
{
	my $number = 0;
	for my $columns ('', ', "columns": ["id", "v", "updated_at"]')
	{
		my ($url, $worker, $options) = ($url{$engine}, lc($engine) . $number++, qq({"start_from": "beginning", "delete_interval": 0$columns}));
		my ($out, $err) = ('', '');
		IPC::Run::run([ $ENV{PYTHIA}, 'cdc', $url, '--tables', 't', '--once', '--state', "$folder/$worker.state", '--options', $options ], '<', \undef, '>', \$out, '2>', \$err);
		my (undef, $created, $why) = $pg->psql('postgres', "SELECT pythia.create_cdc_worker('$worker', '{t}', '$url', options => '$options')");
		my (undef, $told, $said) = $pg->psql('postgres', "SELECT change_type, new_data->>'v' FROM pythia.consume_changes('$worker')");
		if ($columns eq '')
		{
			like("$out$err", qr/^(?!.*"INSERT").*permission denied for.*hint: .*--columns/s, "$engine: the command tells what is missing");
			like("$why$said", qr/permission denied for/, "$engine: so does the server") or diag($told);
			is($told, '', 'and tells no changes');
			next;
		}
		like($out, qr/"INSERT".*"v": "a"/, "$engine: the command has those that are named") or diag($err);
		is($told, 'INSERT|a', "$engine: so has the server") or diag("$why$said");
	}
}
$my->sql(q{DROP USER part@'%'});
done_testing;
