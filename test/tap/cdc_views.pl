# Views and foreign tables of this database: their rows do not tell who wrote them, a hash does.
use strict;
use warnings;
use Pythia::Test;
use Pythia::Session;
use Test::More;

my $node = pg_node('views');
my $far = pg_node('far', other => 1);
sub sql { return $node->safe_psql('postgres', $_[0]); }
sub refused { my ($rc, $out, $err) = $node->psql('postgres', $_[0]); return $err; }

sub changes
{
	my ($worker) = @_;
	return sql("SELECT string_agg(change_type || ' ' || COALESCE(primary_key->>'id', '-') || COALESCE(' ' || (old_data->>'v'), '') || COALESCE('>' || (new_data->>'v'), ''), ', ' ORDER BY change_id) FROM pythia.consume_changes('$worker')");
}

sql(q{
	CREATE TABLE customers (id int PRIMARY KEY, name text);
	CREATE TABLE orders (id int PRIMARY KEY, customer int, v text, updated_at timestamptz DEFAULT now());
	CREATE INDEX ON orders (updated_at);
	INSERT INTO customers VALUES (1, 'ann');
	INSERT INTO orders VALUES (1, 1, 'old', now());
	CREATE VIEW sales AS SELECT o.id, o.v, c.name, o.updated_at FROM orders o JOIN customers c ON c.id = o.customer});

for my $case (['none', 'UPDATE 1>x', '', ''], ['keys', 'UPDATE 1>x', 'DELETE 1', 'TRUNCATE -'], ['rows', 'UPDATE 1 old>x', 'DELETE 1 x', 'TRUNCATE -'])
{
	my ($track, $update, $delete, $truncate) = @$case;
	subtest "a view, track: $track" => sub {
		sql(qq{SELECT pythia.create_cdc_worker('$track', '{sales}', options => '{"key": ["id"], "track": "$track", "delete_interval": 0}')});
		is(changes($track), '', 'what was there is not told');
		my $a = Pythia::Session->new($node);
		$a->do("BEGIN; INSERT INTO orders VALUES (2, 1, 'late')");
		sql("INSERT INTO orders VALUES (3, 1, 'early')");
		is(changes($track), 'INSERT 3>early', 'what is committed');
		$a->do('COMMIT');
		is(changes($track), 'INSERT 2>late', 'what was stamped before, and committed later');
		is(changes($track), '', 'once');
		sql("UPDATE orders SET v = 'x', updated_at = clock_timestamp() WHERE id = 1");
		is(changes($track), $update, 'an update');
		sql("UPDATE customers SET name = name");
		is(changes($track), '', 'a new version of the same row is none');
		is(sql("SELECT count(*) FROM pythia.journal j JOIN pythia.worker w USING (worker_id) WHERE w.name = '$track' AND source_xid IS NOT NULL"), '0', 'no transaction is made up');
		sql('DELETE FROM orders WHERE id = 1');
		is(changes($track), $delete, 'a delete');
		sql('TRUNCATE orders');
		is(changes($track), $truncate, 'empty');
		is(sql("BEGIN; INSERT INTO orders VALUES (9, 1, 'undone'); SELECT pythia.poll('$track'); ROLLBACK; SELECT count(*) FROM pythia.consume_changes('$track')"), "1\n0", 'its own rows go with a transaction that is rolled back');
		sql("SELECT pythia.drop_cdc_worker('$track'); INSERT INTO orders VALUES (1, 1, 'old', now())");
	};
}

subtest 'start_from and ties' => sub {
	sql(q{TRUNCATE orders; INSERT INTO orders VALUES (1, 1, 'a', '2020-01-01'), (2, 1, 'b', '2022-01-01')});
	for my $case (['beginning', 'INSERT 1>a, INSERT 2>b'], ['2021-01-01', 'INSERT 2>b'])
	{
		sql(qq{SELECT pythia.create_cdc_worker('s', '{sales}', options => '{"key": ["id"], "start_from": "$case->[0]", "delete_interval": 0}')});
		is(changes('s'), $case->[1], $case->[0]);
		is(changes('s'), '', 'once');
		sql("SELECT pythia.drop_cdc_worker('s')");
	}
	sql(q{SELECT pythia.create_cdc_worker('s', '{sales}', options => '{"key": ["id"]}'); INSERT INTO orders SELECT i, 1, 'tie', '2030-01-01' FROM generate_series(10, 12) i});
	is(changes('s'), 'INSERT 10>tie, INSERT 11>tie, INSERT 12>tie', 'one stamp');
	sql(q{INSERT INTO orders VALUES (13, 1, 'tie', '2030-01-01'); UPDATE orders SET v = 'moved' WHERE id = 11});
	is(changes('s'), 'UPDATE 11>moved, INSERT 13>tie', 'more of the same stamp');
	sql("SELECT pythia.drop_cdc_worker('s'); TRUNCATE orders");
};

subtest 'a foreign table' => sub {
	$far->safe_psql('postgres', 'CREATE TABLE stock (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now()); CREATE INDEX ON stock (updated_at)');
	sql('CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host \'127.0.0.1\', port \'' . $far->port . '\', dbname \'postgres\');'
		. 'CREATE USER MAPPING FOR CURRENT_USER SERVER far; CREATE FOREIGN TABLE stock (id int, v text, updated_at timestamptz) SERVER far');
	my ($rc, $out, $err) = $node->psql('postgres', q{SELECT pythia.create_cdc_worker('f', '{stock}', poll_interval => '50 ms', options => '{"key": ["id"], "delete_interval": 0}')});
	like($err, qr/NOTICE:  transactions of the server of foreign table "stock" cannot be seen.*lookback/s, 'what cannot be seen there is said');
	my $a = Pythia::Session->new($far);
	$a->do("BEGIN; INSERT INTO stock VALUES (1, 'slow')");
	$far->safe_psql('postgres', "INSERT INTO stock VALUES (2, 'fast')");
	is(changes('f'), 'INSERT 2>fast', 'captured');
	$a->do('COMMIT');
	is(changes('f'), 'INSERT 1>slow', 'a transaction within lookback');
	$far->safe_psql('postgres', "UPDATE stock SET v = 'sold', updated_at = now() WHERE id = 2; DELETE FROM stock WHERE id = 1");
	is(changes('f'), 'UPDATE 2>sold, DELETE 1', 'update and delete');
	# its server goes: the worker goes on, and so does its other table
	sql(q{CREATE TABLE near (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now()); CREATE INDEX ON near (updated_at);
		SELECT pythia.alter_cdc_worker('f', tables => '{stock,near}', options => '{"key": ["id"]}'); SELECT pythia.start_cdc('f')});
	$far->stop('immediate');
	sql("INSERT INTO near VALUES (1, 'here')");
	ok(wait_for($node, "SELECT active AND reason IS NOT NULL FROM pythia.stat_cdc WHERE worker = 'f' AND \"table\" = 'stock'"), 'a server that is away is told');
	ok(wait_for($node, "SELECT captured = 1 AND reason IS NULL FROM pythia.stat_cdc WHERE worker = 'f' AND \"table\" = 'near'"), 'other tables go on');
	$far->start;
	$far->safe_psql('postgres', "INSERT INTO stock VALUES (3, 'back')");
	ok(wait_for($node, "SELECT captured = 5 AND reason IS NULL FROM pythia.stat_cdc WHERE worker = 'f' AND \"table\" = 'stock'"), 'and it, when it is back');
	is(changes('f'), 'INSERT 1>here, INSERT 3>back', 'nothing is lost');
	sql("SELECT pythia.drop_cdc_worker('f')");
};

subtest 'a foreign table as a partition' => sub {
	my $url = pg_url($node, 'postgres');
	$far->safe_psql('postgres', 'CREATE TABLE part_far (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now())');
	sql(q{CREATE TABLE parted (id int, v text, updated_at timestamptz DEFAULT now()) PARTITION BY RANGE (id); CREATE TABLE part_here PARTITION OF parted FOR VALUES FROM (0) TO (100);
		CREATE FOREIGN TABLE part_far (id int, v text, updated_at timestamptz) SERVER far});
	sql(q{SELECT pythia.create_cdc_worker('pp', '{parted}', options => '{"key": ["id"], "delete_interval": 0}')});
	sql(q{SELECT pythia.create_cdc_worker('pt', '{parted}', options => '{"key": ["id"], "capture": "trigger"}')});
	sql(qq{SELECT pythia.create_cdc_worker('rp', '{parted}', '$url', options => '{"key": ["id"], "delete_interval": 0}')});
	sql(qq{SELECT pythia.create_cdc_worker('rt', '{parted}', '$url', options => '{"key": ["id"], "capture": "trigger"}')});
	sql("INSERT INTO parted VALUES (1, 'a')");
	is(changes($_), 'INSERT 1>a', "$_: before") for qw(pp pt rp rt);
	sql('ALTER TABLE parted ATTACH PARTITION part_far FOR VALUES FROM (100) TO (200)');
	$far->safe_psql('postgres', "INSERT INTO part_far VALUES (100, 'far')");
	sql("SELECT pythia.poll('$_')") for qw(pp pt rt);
	is(sql(qq{SELECT active || ' ' || (reason LIKE '%part_far%') FROM pythia.stat_cdc WHERE worker = '$_'}), 'false true', "$_: one that is attached later stops it, told") for qw(pp pt rt);
	like(changes('rp'), qr/INSERT 100>far/, 'polled elsewhere it is told as the others');
	for my $options ('"capture": "poll"', '"capture": "trigger"')
	{
		like(refused(qq{SELECT pythia.create_cdc_worker('no', '{parted}', options => '{"key": ["id"], $options}')}), qr/its partition "part_far" is a foreign table\nHINT:  Name the other partitions/, "refused: $options");
	}
	like(refused(qq{SELECT pythia.create_cdc_worker('no', '{parted}', '$url', options => '{"key": ["id"], "capture": "trigger"}')}), qr/partition "public.part_far" of table "parted".*HINT:  Name the other partitions/s, 'and elsewhere by triggers');
	sql("SELECT pythia.drop_cdc_worker('$_')") for qw(pp pt rp rt);
};

subtest 'refused' => sub {
	sql('CREATE MATERIALIZED VIEW mat AS SELECT * FROM orders; CREATE SEQUENCE seq; CREATE VIEW odd AS SELECT NULLIF(id, 1) AS id, v, updated_at FROM orders; CREATE VIEW twice AS SELECT 1 AS id, v, updated_at FROM orders');
	like(refused("SELECT pythia.create_cdc_worker('r', '{sales}')"), qr/"sales" is no table, and so has no primary key\nHINT:.*"key"/, 'a view without a declared key');
	like(refused(q{SELECT pythia.create_cdc_worker('r', '{mat}', options => '{"key": ["id"]}')}), qr/"mat": it is a materialized view/, 'a materialized view');
	like(refused(q{SELECT pythia.create_cdc_worker('r', '{seq}', options => '{"key": ["id"]}')}), qr/"seq": it is no table and no view/, 'a sequence');
	like(refused(q{SELECT pythia.create_cdc_worker('r', '{sales}', options => '{"key": ["id"], "capture": "trigger"}')}), qr/"sales" by triggers: its rows are written elsewhere/, 'triggers');
	like(refused(q{SELECT pythia.create_cdc_worker('r', '{sales}', options => '{"key": ["idd"]}')}), qr/column "idd" of table "sales" does not exist\nHINT:  Perhaps you meant "id"/, 'a key that is not there');
	sql(q{SELECT pythia.create_cdc_worker('null', '{odd}', options => '{"key": ["id"], "delete_interval": 0}'); INSERT INTO orders VALUES (1, 1, 'a'), (3, 1, 'b')});
	is(sql("SELECT pythia.poll('null'); SELECT active, null_stamps FROM pythia.stat_cdc WHERE worker = 'null'"), "1\nt|1", 'a row whose key is NULL is counted, and the others are told');
	sql(q{TRUNCATE orders; SELECT pythia.create_cdc_worker('twice', '{twice}', options => '{"key": ["id"]}'); INSERT INTO orders VALUES (1, 1, 'a'), (2, 1, 'b')});
	like(refused("SELECT pythia.poll('twice')"), qr/stopped: duplicate key value/, 'a key that is not unique');
};

done_testing();
