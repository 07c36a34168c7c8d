# validate_sync, sync_differences, repair_sync and their forms without a worker; in the background too.
use strict;
use warnings;
use Test::More;
use JSON::PP;
use Pythia::Test;

my $pg = pg_node('main', 'pythia_db.restart_delay' => '1s');
my $my = shared_mysql('validate_tap');
my $url = $my->url;
my $dir = PostgreSQL::Test::Utils::tempdir();

sub sql { return $pg->safe_psql('postgres', $_[0]); }

sub fails
{
	my ($statement, $expected, $test) = @_;
	my ($rc, $out, $err) = $pg->psql('postgres', $statement, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	isnt($rc, 0, "$test: it fails");
	like($err, $expected, $test);
	return;
}

sql(q{CREATE TABLE orders (id int PRIMARY KEY, amount numeric(10,2), note text, paid_at timestamptz,
		updated_at timestamptz DEFAULT now());
	INSERT INTO orders SELECT g, g * 1.5, 'note ' || g, now() - g * interval '1 min' FROM generate_series(1, 5000) g});
sql("SELECT pythia.create_connection('shop', '$url')");
sql(q{SELECT pythia.create_sync_worker('w', 'local', 'shop', '{"mode": "full"}', ARRAY['orders'])});
fails(q{SELECT pythia.validate_sync('w', 'orders')}, qr/42P01/, 'a target that is not there yet');
sql(q{SELECT pythia.sync_table('w', 'orders')});

# equal
is(sql(q{SELECT "table", is_valid, source_count, target_count, difference, method, error IS NULL, sample, max_difference,
	failed_checks, checks IS NULL FROM pythia.validate_sync('w', 'orders')}),
	'orders|t|5000|5000|0|checksum|t|1|0|0|t', 'what was synchronised is equal');
is(sql(q{SELECT last_valid, last_difference, last_validated > now() - interval '1 min' FROM pythia.stat_sync}), 't|0|t',
	'stat_sync knows it');
is(sql(q{SELECT count(*) FROM pythia.sync_differences('w', 'orders')}), 0, 'and there is nothing to name');

# one cell, one row gone, one too many
$my->sql("UPDATE orders SET note = 'Note 77' WHERE id = 77");
$my->sql('DELETE FROM orders WHERE id = 4000');
$my->sql("INSERT INTO orders VALUES (9999, 1, 'extra', NULL, NULL)");
is(sql(q{SELECT is_valid, source_count, target_count, difference, missing, extra, differing
	FROM pythia.validate_sync('w', 'orders')}), 'f|5000|5000|3|1|1|1', 'equal counts do not fool it');
is(sql(q{SELECT last_valid, last_difference FROM pythia.stat_sync}), 'f|3', 'stat_sync knows that too');
is(sql(q{SELECT primary_key, difference, columns, source_row ->> 'note', target_row ->> 'note'
	FROM pythia.sync_differences('w', 'orders') ORDER BY (primary_key ->> 'id')::int}),
	qq({"id": 77}|differing|{note}|note 77|Note 77\n{"id": 4000}|missing||note 4000|\n{"id": 9999}|extra|||extra),
	'each difference is named with key, kind, columns and both rows');
is(sql(q{SELECT count(*) FROM pythia.sync_differences('w', 'orders', '{"max_differences": 2}')}), 2, 'so many and no more');
for my $method (qw(count rows))
{
	is(sql(qq{SELECT is_valid, method FROM pythia.validate_sync('w', 'orders', '{"method": "$method"}')}),
		($method eq 'count' ? 't' : 'f') . "|$method", "method $method");
}
is(sql(q{SELECT is_valid, source_count FROM pythia.validate_sync('w', 'orders', '{"where": "id BETWEEN 100 AND 200"}')}),
	't|101', 'where limits the work');
is(sql(q{SELECT is_valid FROM pythia.validate_sync('w', 'orders', '{"where": "id < 5000", "exclude_columns": ["note"],
	"target_where": "id < 5000 AND id <> 9999"}')}), 'f', 'columns can be left out, and the target asked in its own words');
is(sql(q{SELECT source_count BETWEEN 1100 AND 1400, target_count BETWEEN 1100 AND 1400, sample, max_difference > 0
	FROM pythia.validate_sync('w', 'orders', '{"sample": 0.25}')}), 't|t|0.25|t', 'a sample, with what it says of the rest');
is(sql(q{SELECT is_valid, difference, failed_checks, checks FROM pythia.validate_sync('w', 'orders',
	'{"where": "id < 50", "checks": {"amount": "amount >= 3", "note": "note LIKE ''note%''"}}')}),
	'f|0|4|{"note": 2, "amount": 2}',
	'conditions are counted on the whole target');

# mended: nothing without leave, then exactly these
is(sql(q{SELECT rows_inserted, rows_updated, rows_deleted FROM pythia.repair_sync('w', 'orders', '{"dry_run": true}')}),
	'1|1|1', 'a dry run tells');
fails(q{SELECT pythia.repair_sync('w', 'orders', '{"max_changes": 2}')},
	qr/54000: 3 rows of table "orders" differ, more than max_changes \(2\).*nothing was changed.*HINT/s, 'more than is allowed');
is(sql(q{SELECT difference FROM pythia.validate_sync('w', 'orders')}), 3, 'and does nothing');
is(sql(q{SELECT sync_mode, rows_inserted, rows_updated, rows_deleted FROM pythia.repair_sync('w', 'orders')}), 'repair|1|1|1',
	'a repair');
is(sql(q{SELECT is_valid FROM pythia.validate_sync('w', 'orders')}), 't', 'after it the table is equal');
is($my->sql('SELECT count(*) FROM orders WHERE note = BINARY CONCAT(\'note \', id)'), 5000, 'really');

# into this database, rolled back with the caller
sql(q{CREATE TABLE back (LIKE orders INCLUDING ALL); INSERT INTO back SELECT * FROM orders WHERE id > 3});
is(sql(qq{BEGIN; SELECT rows_inserted FROM pythia.repair_between('shop', 'local', 'orders', '{"table_map": {"orders": "back"}}'); ROLLBACK;
	SELECT count(*) FROM back}), "3\n4997", 'a repair of this database is the caller\'s transaction');
is(sql(q{SELECT rows_inserted FROM pythia.repair_between('shop', 'local', 'orders', '{"table_map": {"orders": "back"}}');
	SELECT count(*) FROM back}), "3\n5000", 'and stays where that commits');
is(sql(q{SELECT is_valid FROM pythia.validate_between('local', 'local', 'orders', '{"table_map": {"orders": "back"}}')}), 't',
	'two tables of this database');
is(sql(qq{SELECT rows_inserted FROM pythia.sync_between('shop', 'sqlite:///$dir/a.db', 'orders', '{"mode": "full"}')}), 5000,
	'MariaDB to SQLite');
is(sql(qq{SELECT is_valid, source_count FROM pythia.validate_between('shop', 'sqlite:///$dir/a.db', 'orders')}), 't|5000',
	'neither side is this database');
is(sql(qq{SELECT is_valid FROM pythia.validate_between('sqlite:///$dir/a.db', 'local', 'orders')}), 't', 'SQLite and this one');

# the worker's own maps, condition and policies; JSON is spelled alike by this server and MariaDB
sql(q{CREATE TABLE visits (id int PRIMARY KEY, seen date, score float8, info jsonb, secret text);
	INSERT INTO visits SELECT g, CASE WHEN g % 10 = 0 THEN 'infinity' ELSE '2026-01-01'::date + g % 9 END,
		CASE WHEN g % 7 = 0 THEN 'NaN' ELSE g / 3.0::float8 END, jsonb_build_object('zz', g, 'a', 1.5), 's'
	FROM generate_series(1, 3000) g;
	SELECT pythia.create_sync_worker('mapped', 'local', 'shop', '{"mode": "full", "table_map": {"visits": "Besuche"},
		"column_map": {"id": "nr", "score": "Wert"}, "exclude_columns": ["secret"], "where": "id <= 2000",
		"infinity": "clamp", "nan": "null"}', ARRAY['visits'])});
sql(q{SELECT pythia.sync_table('mapped', 'visits')});
my $spelled = $ENV{MYSQLD} ? '' : 'JSON_COMPACT'; # MySQL keeps no spelling
$my->sql(qq{UPDATE Besuche SET info = $spelled(JSON_OBJECT('a', 1.50, 'zz', nr));
	INSERT INTO Besuche (nr, Wert) VALUES (2500, 1)});
is(sql(q{SELECT is_valid, source_count, target_count FROM pythia.validate_sync('mapped', 'visits')}), 't|2000|2000',
	'maps, condition and policies of the worker');
is(sql(q{SELECT count(*) FROM pythia.sync_differences('mapped', 'visits', '{"infinity": "null"}')}), '200',
	'another policy is another expectation');
$my->sql(q{UPDATE Besuche SET Wert = 0 WHERE nr = 7});
is(sql(q{SELECT primary_key, columns FROM pythia.sync_differences('mapped', 'visits')}), '{"id": 7}|{score}',
	'what no policy did is named');
is(sql(q{SELECT rows_updated FROM pythia.repair_sync('mapped', 'visits')}), 1, 'and mended by the policy');
is($my->sql('SELECT COUNT(*) FROM Besuche WHERE nr = 7 AND Wert IS NULL'), 1, 'which it was');

# too few rights
sql(q{CREATE ROLE poor LOGIN; SELECT pythia.grant_use('poor'); CREATE TABLE mine AS SELECT 1 AS id; CREATE TABLE theirs AS SELECT 1 AS id;
	GRANT SELECT ON theirs TO poor});
for my $call ('validate_between', 'differences_between', 'repair_between')
{
	fails(qq{SET ROLE poor; SELECT * FROM pythia.$call('local', 'local', 'theirs', '{"table_map": {"theirs": "mine"}, "key": ["id"]}')},
		qr/permission denied for table mine/, "$call needs the right to read");
}
fails(q{SET ROLE poor; SELECT * FROM pythia.validate_sync('mapped', 'visits')}, qr/mapped|denied/, 'another role\'s worker');
sql(q{INSERT INTO mine VALUES (2); GRANT SELECT ON mine TO poor});
is(sql(q{SET ROLE poor; SELECT extra FROM pythia.validate_between('local', 'local', 'theirs',
	'{"table_map": {"theirs": "mine"}, "key": ["id"]}')}), 1, 'reading is enough to compare');
fails(q{SET ROLE poor; SELECT * FROM pythia.repair_between('local', 'local', 'theirs', '{"table_map": {"theirs": "mine"}, "key": ["id"]}')},
	qr/permission denied for table mine/, 'but not to mend');
is(sql('SELECT count(*) FROM mine'), 2, 'nothing was changed');

# wrong words
fails(q{SELECT pythia.validate_sync('w', 'orders', '{"methods": "rows"}')}, qr/22023.*methods.*HINT/s, 'an unknown option');
fails(q{SELECT pythia.validate_sync('w', 'orders', '{"method": "guess"}')}, qr/22023.*method.*HINT/s, 'an unknown method');
fails(q{SELECT pythia.validate_sync('w', 'orders', '{"sample": 7}')}, qr/22023.*sample.*HINT/s, 'an impossible share');
fails(q{SELECT pythia.validate_sync('nobody', 'orders')}, qr/nobody/, 'an unknown worker');
fails(q{SELECT pythia.validate_sync('w', 'order')}, qr/42P01.*orders/s, 'an unknown table, with the like one');
fails(q{SELECT pythia.validate_sync('w', 'orders', '{"checks": {"x": "nonsense >"}}')}, qr/42000|42601/, 'a check that is no SQL');
fails(q{SELECT pythia.create_sync_worker('v', 'local', 'shop', '{"validate": {"methode": "rows"}}')}, qr/22023.*methode/s,
	'a wrong option of the scheduled validation is told at once');

# by schedule: what it finds is in stat_sync and the log
sql(qq{CREATE TABLE users (id int PRIMARY KEY, name text, updated_at timestamptz DEFAULT now());
	INSERT INTO users SELECT g, 'user ' || g FROM generate_series(1, 100) g;
	SELECT pythia.create_sync_worker('steady', 'local', 'sqlite:///$dir/users.db', '{"validate": {"recheck_after": 0}}',
		ARRAY['users'], '100 ms')});
sql(q{SELECT pythia.start_sync('steady')});
ok(wait_for($pg, q{SELECT last_valid FROM pythia.stat_sync WHERE worker = 'steady'}), 'validated after a run');
# a row whose stamp is older than the watermark: the incremental sync does not see it, the validation does
sql(q{INSERT INTO users VALUES (1000, 'late', '2001-01-01')});
ok(wait_for($pg, q{SELECT NOT last_valid AND last_difference = 1 FROM pythia.stat_sync WHERE worker = 'steady'}),
	'what the sync could not see, the validation finds');
ok($pg->log_contains(qr/table "users" is not equal to its source/), 'and the log says so');
is(sql(q{SELECT rows_inserted FROM pythia.repair_sync('steady', 'users')}), 1, 'mended');
ok(wait_for($pg, q{SELECT last_valid FROM pythia.stat_sync WHERE worker = 'steady'}), 'and found equal again');
sql(q{SELECT pythia.stop_sync('steady')});

done_testing();
