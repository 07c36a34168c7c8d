# TLS to MariaDB and PostgreSQL: told by test_connection, demanded and checked
# as the URL says, and a bulk load goes through it whole.
use strict;
use warnings;
use Pythia::Test;
use Test::More;

my $files = PostgreSQL::Test::Utils::tempdir();

sub openssl
{
	PostgreSQL::Test::Utils::run_log([ 'openssl', @_ ]) or BAIL_OUT("openssl @_ failed");
	return;
}

# An authority, and a certificate of it for this host under each name.
sub authority
{
	my ($name) = @_;
	openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', "/CN=$name",
		'-keyout', "$files/$name.key", '-out', "$files/$name.pem");
	return;
}

sub certificate
{
	my ($name, $alternative) = @_;
	open my $extension, '>', "$files/$name.ext" or die "$name.ext: $!";
	print $extension "subjectAltName=$alternative\n";
	close $extension;
	openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=server', '-keyout', "$files/$name.key", '-out', "$files/$name.csr");
	openssl('x509', '-req', '-in', "$files/$name.csr", '-CA', "$files/ours.pem", '-CAkey', "$files/ours.key", '-CAcreateserial',
		'-days', '2', '-extfile', "$files/$name.ext", '-out', "$files/$name.pem");
	chmod 0600, "$files/$name.key";
	return;
}

authority('ours');
authority('another');
certificate('here', 'IP:127.0.0.1');
certificate('elsewhere', 'DNS:elsewhere.test');

my $host = pg_node('host');

sub test_connection
{
	my ($url) = @_;
	return $host->safe_psql('postgres', "SELECT concat_ws(' ', reachable, tls, error) FROM pythia.test_connection('$url')");
}

sub with
{
	my ($url, $parameters) = @_;
	return $url . ($url =~ /\?/ ? '&' : '?') . $parameters;
}

my $maria = Pythia::MariaDB->new('tls', "--ssl-cert=$files/here.pem", "--ssl-key=$files/here.key", "--ssl-ca=$files/ours.pem");
# MariaDB makes itself a certificate from 11.4 on, MySQL does
my $plain = Pythia::MariaDB->new('plain', $ENV{MYSQLD} ? '--tls-version=' : '--skip-ssl');
my $strange = Pythia::MariaDB->new('strange', "--ssl-cert=$files/elsewhere.pem", "--ssl-key=$files/elsewhere.key", "--ssl-ca=$files/ours.pem");

is(test_connection($maria->url), 't t', 'MariaDB: where the server has TLS, it is used');
is(test_connection(with($maria->url, 'ssl_mode=disabled')), 't f', 'unless it is disabled');
is(test_connection(with($maria->url, 'ssl=false')), 't f', 'also in the other spelling');
is(test_connection($plain->url), 't f', 'a server without TLS is reached');
like(test_connection(with($plain->url, 'ssl_mode=required')), qr/^f .*(TLS|SSL)/, 'but not where TLS is required');
is(test_connection(with($maria->url, 'ssl_mode=required')), 't t', 'required, there');
# Connector/C compares no certificate with an address of this machine from 3.4 on, which is told
like(test_connection(with($maria->url, "ssl_ca=$files/ours.pem")), qr/^(t t$|f .*does not compare a server's certificate with 127\.0\.0\.1)/, 'of an authority that is trusted');
like(test_connection(with($maria->url, "ssl_ca=$files/another.pem")), qr/^f .*(TLS|SSL|certificate)/i, 'not of another one');
like(test_connection(with($strange->url, "ssl_ca=$files/ours.pem")), qr/^f .*(TLS|SSL|certificate|host)/i, 'nor for another host');
is(test_connection(with($strange->url, "ssl_mode=verify_ca&ssl_ca=$files/ours.pem")), 't t', 'unless the host is not to be verified');
like(test_connection(with($maria->url, "ssl_mode=verify_ca&ssl_ca=$files/another.pem")), qr/^f .*(TLS|SSL|certificate)/i, 'while the authority is');
like(test_connection(with($maria->url, 'ssl_mode=verify_ca')), qr/^f .*ssl_ca/, 'which must be named');
like(test_connection(with($maria->url, "ssl_ca=$files/missing.pem")), qr/^f .*missing\.pem/, 'a file that is not there is named');
$maria->root_sql("CREATE USER 'sealed'\@'%' IDENTIFIED BY 'secret' REQUIRE SSL; GRANT ALL ON pythia.* TO 'sealed'\@'%'");
(my $sealed = $maria->url) =~ s{//pythia:}{//sealed:};
is(test_connection($sealed), 't t', 'a user who must use TLS');
like(test_connection(with($sealed, 'ssl_mode=disabled')), qr/^f .*denied/i, 'cannot enter without');
unlike(test_connection(with($sealed, 'ssl_mode=disabled')), qr/secret/, 'and no password is told');

my $other = pg_node('source', extension => 0, ssl => 'on', ssl_cert_file => "$files/here.pem", ssl_key_file => "$files/here.key");
is(test_connection(pg_url($other)), 't t', 'PostgreSQL: where the server has TLS, it is used');
is(test_connection(with(pg_url($other), 'sslmode=disable')), 't f', 'unless it is disabled');
is(test_connection(with(pg_url($other), "sslmode=verify-full&sslrootcert=$files/ours.pem")), 't t', 'of an authority that is trusted');
like(test_connection(with(pg_url($other), "sslmode=verify-full&sslrootcert=$files/another.pem")), qr/^f .*certificate/, 'not of another one');
like(test_connection(with(pg_url($host), 'sslmode=require')), qr/^f .*SSL/, 'nor of a server that has none');

# Who asks for the password in clear gets it where he has proved who he is, not merely through TLS.
my $asking = pg_node('asking', extension => 0, ssl => 'on', ssl_cert_file => "$files/here.pem", ssl_key_file => "$files/here.key");
$asking->safe_psql('postgres', q{CREATE ROLE app LOGIN PASSWORD 'hunter2'; CREATE ROLE hashed LOGIN PASSWORD 'hunter3'});
{
	my $rules = $asking->data_dir . '/pg_hba.conf';
	my $others = PostgreSQL::Test::Utils::slurp_file($rules);
	open my $hba, '>', $rules or die "$rules: $!";
	print $hba "hostssl all app all password\nhostssl all hashed all scram-sha-256\n$others";
	close $hba;
}
$asking->reload;
my $asked = 'postgresql://app:hunter2@127.0.0.1:' . $asking->port . '/postgres';
like(test_connection(with($asked, $_)), qr/^f .*(asked for the password in clear|authentication method requirement)/, "$_: the password is kept") for 'sslmode=require', 'sslmode=prefer', "sslmode=verify-ca&sslrootcert=$files/ours.pem";
is(test_connection(with($asked, "sslmode=verify-full&sslrootcert=$files/ours.pem")), 't t', 'verify-full: it is shown');
(my $hashed = $asked) =~ s/app:hunter2/hashed:hunter3/;
is(test_connection(with($hashed, 'sslmode=require')), 't t', 'a method that does not show it needs no proof');

# Both bulk paths, in a backend: more than one buffer each way.
$host->safe_psql('postgres', "CREATE TABLE many AS SELECT i AS id, md5(i::text) AS a, repeat(md5(i::text), 10) AS b FROM generate_series(1, 60000) i;"
	. 'ALTER TABLE many ADD PRIMARY KEY (id)');
my $sealed_url = with($maria->url, "ssl_mode=verify_ca&ssl_ca=$files/ours.pem");
is($host->safe_psql('postgres', "SELECT rows_inserted, error FROM pythia.sync_between('local', '$sealed_url', 'many', '{\"mode\": \"full\", \"parallel\": 2}')"),
	'60000|', 'a load through TLS');
is($host->safe_psql('postgres', "SELECT is_valid, source_count FROM pythia.validate_between('local', '$sealed_url', 'many')"), 't|60000', 'arrived whole');
is($host->safe_psql('postgres', "SELECT rows_inserted, error FROM pythia.sync_between('$sealed_url', '" . with(pg_url($other), 'sslmode=require') . "', 'many', '{\"mode\": \"full\"}')"),
	'60000|', 'from one sealed connection to another');
is($other->safe_psql('postgres', 'SELECT count(*), sum(length(b)) FROM many'), '60000|19200000', 'and that, too');

done_testing();
