# A MariaDB that takes a megabyte at once: larger rows go in and out all the same; what it cannot compare is said
# and set apart, and nothing is lost.
use strict;
use warnings;
use Test::More;
use Pythia::Test;

plan skip_all => "through Oracle's client library rows go by INSERT, whole" if by_oracles_library();

my $pg = pg_node('main');
my $my = Pythia::MariaDB->new('small', '--max-allowed-packet=1M');
my $url = $my->url;

sub sql { return $pg->safe_psql('postgres', $_[0]); }

sub sync
{
	my ($more) = @_;
	return sql(qq{SELECT rows_inserted, rows_updated, rows_quarantined
		FROM pythia.sync_between('local', 'shop', 'letters', '{"mode": "full"$more}')});
}

sql(q{CREATE TABLE letters (id int PRIMARY KEY, body text, scan bytea);
	INSERT INTO letters SELECT g, repeat('x', CASE g WHEN 3 THEN 3000000 ELSE 9 END),
		decode(repeat('00ff', CASE g WHEN 4 THEN 1500000 ELSE 1 END), 'hex') FROM generate_series(1, 5) g});
sql("SELECT pythia.create_connection('shop', '$url')");

is(sync(''), '5|0|0', 'rows larger than max_allowed_packet are loaded');
is($my->sql('SELECT SUM(LENGTH(body)), SUM(LENGTH(scan)) FROM letters'), "3000036\t3000008", 'whole');
is( sql(q{SELECT rows_inserted FROM pythia.sync_between('shop', 'local', 'letters',
		'{"mode": "full", "table_map": {"letters": "back"}}')}), '5', 'and read');
is(sql('SELECT count(*) FROM (TABLE letters EXCEPT TABLE back) d'), '0', 'as they were');

# through the stage: bytes are compared as they are, texts only up to that size
sql(q{UPDATE letters SET scan = scan || '\x01'});
$my->sql('UPDATE letters SET body = NULL WHERE id = 3');
my ($rc, $out, $err) = $pg->psql('postgres', q{SELECT pythia.sync_between('local', 'shop', 'letters', '{"mode": "full"}')},
	extra_params => [ '-v', 'VERBOSITY=verbose' ]);
isnt($rc, 0, 'a text larger than that cannot be compared');
like($err, qr/54000: .*max_allowed_packet/, 'and the error says why');
like($err, qr/HINT:  Raise max_allowed_packet on that server/, 'and what to do');
like($err, qr/table "letters"/, 'and which table');
is($my->sql('SELECT SUM(LENGTH(scan)) FROM letters'), '3000008', 'nothing was changed');
is(sync(', "on_bad_row": "quarantine"'), '0|4|1', 'or the row goes to quarantine, the others are stored');
is($my->sql('SELECT SUM(LENGTH(scan)) FROM letters'), '3000012', 'as they are now');
is($my->sql('SELECT body IS NULL FROM letters WHERE id = 3'), '1', 'the row itself is as it was');
$my->root_sql('SET GLOBAL max_allowed_packet = 67108864');
sql("SELECT pythia.drop_connection('shop'); SELECT pythia.create_connection('shop', '$url')");
is(sync(''), '0|1|0', 'with a larger max_allowed_packet it is stored');
is(sql(q{SELECT is_valid FROM pythia.validate_between('local', 'shop', 'letters')}), 't', 'all are equal');

done_testing;
