# Options name tables and columns in the encoding of the database, whichever that is; what they say holds there, too.
use strict;
use warnings;
use Pythia::Test;
use Test::More;

my $node = pg_node('encodings', extension => 0);
my $url = pg_url($node, 'postgres');

# Each with the names of a schema, a table, its key, what is secret, and what else it has; texts here are UTF-8.
my %names = (
	LATIN1 => [qw(maße größe schlüssel geheimnis_ä länge)],
	EUC_JP => [qw(倉庫 商品 番号 秘密 名前)],
	UTF8 => [qw(maße 商品 schlüssel 秘密 länge)]);

for my $encoding (sort keys %names)
{
	my ($schema, $table, $key, $secret, $other) = @{ $names{$encoding} };
	my $database = lc $encoding;
	my $columns = qq{("$key" int PRIMARY KEY, "$secret" text, "$other" text, "ä$other" text, updated_at timestamptz NOT NULL DEFAULT now())};
	$columns =~ s/ä// if $encoding eq 'EUC_JP';
	$columns =~ s/"$other" text, "$other" text/"$other" text, "${other}二" text/;
	my $second = $encoding eq 'EUC_JP' ? "${other}二" : "ä$other";
	my $tables = qq{CREATE SCHEMA "$schema"; CREATE TABLE "$schema"."$table" $columns; CREATE INDEX ON "$schema"."$table" (updated_at)};
	my $rows = qq{INSERT INTO "$schema"."$table" ("$key", "$secret", "$other", "$second") VALUES (1, 's1', 'o1', 'p1'), (2, 's2', 'o2', 'p2')};
	my $run = sub { return eval { $node->safe_psql($database, "SET client_min_messages = error; SET client_encoding = 'UTF8'; $_[0]") } // "failed: $@"; };
	my $fails = sub { return ($node->psql($database, "SET client_encoding = 'UTF8'; $_[0]"))[2]; };
	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0 ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C'");
	$run->("CREATE EXTENSION pythia_db; $tables");
	$node->safe_psql('postgres', "SET client_min_messages = error; DROP SCHEMA IF EXISTS \"$schema\" CASCADE; $tables");

	my $name = qq(\\"$schema\\".\\"$table\\");
	my $quoted = qq("$schema"."$table");
	my $by_table = qq("exclude_columns": {"$name": ["$secret"]}, "where": {"$name": "\\"$key\\" > 1"});
	# the same of a table by its name, by its schema, and by the name as it is written without quotes
	for my $given ([ 'named', $quoted ], [ 'pattern', qq("$schema".*) ], [ 'bare', qq($schema.$table) ])
	{
		my ($what, $pattern) = @$given;
		my $array = "ARRAY['$pattern']";
		for my $capture ('poll', 'trigger')
		{
			subtest "$encoding: options by table, $capture, $what" => sub {
				for my $place ('local', $url)
				{
					my $worker = $place eq 'local' ? 'here' : 'there';
					my $there = $place eq 'local' ? $run : sub { return $node->safe_psql('postgres', $_[0]); };
					$there->(qq(DELETE FROM $quoted));
					$run->(qq{SELECT pythia.create_cdc_worker('$worker', $array, '$place', options => '{"capture": "$capture", "lookback": 0, $by_table}')});
					$there->($rows);
					my $seen = "SELECT string_agg(new_data::text, ';') FROM pythia.consume_changes('$worker')";
					my $data = $run->($seen);
					like($data, qr/^\{[^;]*"o2"[^;]*\}$/, "$worker: the rows of the condition");
					like($data, qr/"\Q$other\E": "o2"/, "$worker: under their names");
					unlike($data, qr/s2|\Q$secret\E/, "$worker: no column that is left out");
					$run->("SELECT pythia.drop_cdc_worker('$worker')");
				}
			};
		}
	}

	subtest "$encoding: options for a table that comes later" => sub {
		for my $place ('local', $url)
		{
			my $worker = $place eq 'local' ? 'here' : 'there';
			my $there = $place eq 'local' ? $run : sub { return $node->safe_psql('postgres', $_[0]); };
			$run->(qq{SELECT pythia.create_cdc_worker('$worker', ARRAY['"$schema".*'], '$place', options => '{"lookback": 0, "exclude_columns": {"\\"$schema\\".\\"${table}3\\"": ["$secret"]}}')});
			$there->("$tables; $rows" =~ s/CREATE SCHEMA[^;]*; //r =~ s/$table"/${table}3"/gr);
			my $changes = qq{SELECT string_agg(new_data->>'$other' || coalesce(new_data->>'$secret', ''), ';' ORDER BY change_id) FROM pythia.consume_changes('$worker')};
			$run->("SELECT pythia.poll('$worker')");
			is($run->($changes), 'o1;o2', "$worker: its column is left out");
			$run->("SELECT pythia.drop_cdc_worker('$worker')");
			$there->(qq(DROP TABLE "$schema"."${table}3"));
		}
	};

	subtest "$encoding: other options of capture" => sub {
		$run->(qq(DELETE FROM $quoted));
		$run->(qq{SELECT pythia.create_cdc_worker('c', ARRAY['$quoted'], options => '{"lookback": 0, "columns": {"$name": ["$key", "$other"]}, "key": {"$name": ["$other"]}, "timestamp_columns": {"$name": "updated_at"}}')});
		$run->($rows);
		is($run->(qq{SELECT string_agg(format('%s %s: %s %s', primary_key->>'$other', new_data->>'$key', primary_key - '$other', new_data - '$key' - '$other'), '; ' ORDER BY change_id)
				FROM pythia.consume_changes('c')}),
			'o1 1: {} {}; o2 2: {} {}',
			'columns and key');
		like($fails->(qq{SELECT pythia.create_cdc_worker('d', ARRAY['$quoted'], options => '{"columns": {"\\"$schema\\".\\"${table}x\\"": ["$key"]}}')}), qr/names table ""\Q$schema\E"\."\Q$table\Ex"", which is not captured/, 'a table that the worker has not');
		like($fails->(qq{SELECT pythia.create_cdc_worker('d', ARRAY['$quoted'], options => '{"columns": {"$name": ["${key}x"]}}')}), qr/column "\Q$key\Ex" of table "\Q$table\E" does not exist.*Perhaps you meant "\Q$key\E"/s, 'a column that the table has not');
		like($fails->(qq{SELECT pythia.create_cdc_worker('d', ARRAY['$quoted'], options => '{"start_from": "$key"}')}), qr/"\Q$key\E"/, 'a time that is none');
		like($fails->(qq{SELECT pythia.create_cdc_worker('d', ARRAY['$quoted'], options => '{"time_zone": "$key"}')}), qr/time zone "\Q$key\E"/, 'a zone that is none');
	};

	subtest "$encoding: options of syncs" => sub {
		$run->(qq{DELETE FROM $quoted; $rows; CREATE SCHEMA "${schema}2"; CREATE TABLE "${schema}2"."${table}2" ("${key}2" int PRIMARY KEY, "${other}2" text, "$second" text, updated_at timestamptz)});
		my $own = qq({"column_map": {"$key": "${key}2", "$other": "${other}2"}, "exclude_columns": ["$secret"], "where": "\\"$key\\" > 1", "key": ["$key"]});
		my $config = qq({"mode": "full", "new_columns": "error", "table_map": {"$name": "\\"${schema}2\\".\\"${table}2\\""}, "tables": {"$name": $own}});
		my $result = qq{SELECT string_agg("${key}2" || "${other}2" || "$second", ';') FROM "${schema}2"."${table}2"};
		for my $pattern ($quoted, qq("$schema".*))
		{
			for my $source ('local', $url)
			{
				my $where = $source eq 'local' ? 'here' : 'there';
				$run->(qq{DELETE FROM "${schema}2"."${table}2"});
				$node->safe_psql('postgres', qq(DELETE FROM $quoted; $rows)) unless $source eq 'local';
				$run->(qq{SELECT pythia.create_sync_worker('s', '$source', 'local', '$config', ARRAY['$pattern'])});
				is($run->(q{SELECT string_agg(rows_inserted || coalesce(error, ''), ';') FROM pythia.sync_all_tables('s')}), '1', "$where, $pattern: one row goes");
				is($run->($result), '2o2p2', 'in its columns');
				is($run->(qq{SELECT is_valid FROM pythia.validate_sync('s', '$quoted')}), 't', 'which are compared');
				$run->(qq{UPDATE "${schema}2"."${table}2" SET "$second" = '$other'});
				is($run->(qq{SELECT columns::text FROM pythia.sync_differences('s', '$quoted')}), "{$second}", 'the one that differs is told');
				is($run->(qq{SELECT rows_updated FROM pythia.repair_sync('s', '$quoted')}), '1', 'and mended');
				$run->(q{SELECT pythia.drop_sync_worker('s')});
			}
		}
		$run->(qq{CREATE FUNCTION "${schema}2"."$key"(jsonb, jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT ''1''::jsonb'; DELETE FROM "${schema}2"."${table}2"; INSERT INTO "${schema}2"."${table}2" VALUES (2)});
		like($run->(qq{SELECT pythia.sync_between('local', 'local', '$quoted', '$config'::jsonb || '{"conflict_resolution": "\\"${schema}2\\".\\"$key\\""}')}), qr/function "${schema}2"\."$key" returned no JSON object/, 'a function that decides conflicts');
	};
}

# Keys and values are compared by their characters, whatever bytes each side keeps.
my $maria = shared_mysql('encodings');
{
	my $do = sub { return $node->safe_psql('latin1', "SET client_min_messages = error; SET client_encoding = 'UTF8'; $_[0]"); };
	$do->("CREATE TABLE few (k text PRIMARY KEY, n int, v text); INSERT INTO few VALUES ('é', 1, 'ü'), ('a', 2, 'ß'), ('ß', 3, 'x'), ('ñ', 4, 'é')");
	my $file = PostgreSQL::Test::Utils::tempdir() . '/few.db';
	for my $target ($maria->url, $url, "sqlite:///$file")
	{
		my $engine = $target =~ /^(\w+)/ ? $1 : '';
		is($do->("SELECT rows_inserted FROM pythia.sync_between('local', '$target', 'few', '{\"mode\": \"full\"}')"), '4', "to $engine");
		for my $method ('checksum', 'rows')
		{
			is($do->("SELECT is_valid FROM pythia.validate_between('local', '$target', 'few', '{\"method\": \"$method\", \"recheck_after\": 0}')"), 't', "to $engine: equal, by $method");
			IPC::Run::run([ $ENV{PYTHIA}, 'validate', '-s', pg_url($node, 'latin1'), '-t', $target, '--tables', 'few', '--method', $method ], '<', \undef, '>', \my $out, '2>&1');
			is($? >> 8, 0, "to $engine: by the command, too") or diag $out;
		}
		$do->("UPDATE few SET v = 'ö' WHERE k = 'é'; DELETE FROM few WHERE k = 'ß'; INSERT INTO few VALUES ('ß$engine', 5, 'new')");
		is($do->("SELECT missing, extra, differing FROM pythia.validate_between('local', '$target', 'few', '{\"recheck_after\": 0}')"), '1|1|1', "to $engine: what differs");
		is($do->("SELECT rows_inserted, rows_updated, rows_deleted FROM pythia.repair_between('local', '$target', 'few', '{\"recheck_after\": 0}')"), '1|1|1', "to $engine: is mended");
		is($do->("SELECT is_valid FROM pythia.validate_between('local', '$target', 'few')"), 't', "to $engine: and equal");
		$do->("UPDATE few SET v = 'ü' WHERE k = 'é'; DELETE FROM few WHERE n = 5; INSERT INTO few VALUES ('ß', 3, 'x')");
	}
}

# A background sync goes on from a key that is no ASCII, in both directions.
{
	my $rows = 180000;
	my $do = sub { return $node->safe_psql('latin1', "SET client_min_messages = error; SET client_encoding = 'UTF8'; $_[0]"); };
	$do->("CREATE TABLE long (k text COLLATE \"C\" PRIMARY KEY, v text); INSERT INTO long SELECT CASE WHEN g % 3 = 0 THEN 'é' ELSE 'k' END || lpad(g::text, 6, '0') || 'ü', repeat('ß', 100) FROM generate_series(1, $rows) g");
	for my $way ([ 'there', 'local', $maria->url, '' ], [ 'back', $maria->url, 'local', ', "table_map": {"long": "long_back"}' ])
	{
		my ($worker, $source, $target, $more) = @$way;
		$do->("SELECT pythia.create_sync_worker('$worker', '$source', '$target', '{\"mode\": \"full\", \"parallel\": 1, \"max_bytes_per_second\": 12000000$more}', tables => '{long}'); SELECT pythia.start_sync('$worker')");
		ok(wait_for($node, "SELECT checkpoint ~ '[^ -~]' FROM pythia.sync_state JOIN pythia.worker USING (worker_id) WHERE name = '$worker'", 't', 'latin1'), "$worker: a checkpoint with a letter that is no ASCII")
		  or diag $do->("SELECT last_error FROM pythia.worker_status WHERE name = '$worker'");
		$do->("SELECT pythia.stop_sync('$worker')");
		is($do->("SELECT checkpoint IS NOT NULL FROM pythia.sync_state JOIN pythia.worker USING (worker_id) WHERE name = '$worker'"), 't', "$worker: stopped within");
		$do->("SELECT pythia.start_sync('$worker')");
		ok(wait_for($node, "SELECT state = 'synced' FROM pythia.stat_sync WHERE worker = '$worker'", 't', 'latin1'), "$worker: it ends well");
		cmp_ok($do->("SELECT rows_synced FROM pythia.stat_sync WHERE worker = '$worker'"), '<=', $rows, "$worker: what had been stored was not read again");
		is($do->("SELECT is_valid FROM pythia.validate_sync('$worker', 'long')"), 't', "$worker: equal");
		$do->("SELECT pythia.drop_sync_worker('$worker')");
	}
}
done_testing();
