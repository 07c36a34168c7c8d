# How long and how large the journal is kept, and who sees it.
use strict;
use warnings;
use Test::More;
use Pythia::Session;
use Pythia::Test;

my $node = pg_node('main', 'pythia_db.restart_delay' => '1s', 'pythia_db.retention' => '7d');
# its tables are among all tables, and are written to all the same
$node->safe_psql('postgres', 'CREATE PUBLICATION everything FOR ALL TABLES');
sub sql { return $node->safe_psql('postgres', $_[0]); }

sql(q{CREATE TABLE t (id int PRIMARY KEY, v text, updated_at timestamptz NOT NULL DEFAULT now()); CREATE INDEX ON t (updated_at);
	CREATE TABLE u (id int PRIMARY KEY, v text, updated_at timestamptz NOT NULL DEFAULT now())});
sql(q{SELECT pythia.create_cdc_worker('short', '{t}', poll_interval => '100 ms', options => '{"capture": "trigger", "retention": "2 s"}'); SELECT pythia.create_consumer('short', 'reader')});
like(sql("SELECT size > 0, max_size IS NULL, oldest IS NULL, next_truncation > now(), furthest_behind FROM pythia.stat_journal"), qr{^t\|t\|t\|t\|short/reader$}, 'stat_journal of an empty one');
sql("INSERT INTO t SELECT g, repeat('x', 500) FROM generate_series(1, 20000) g");
is(sql("SELECT lag_rows, lag_seconds > 0 FROM pythia.stat_consumer WHERE consumer = 'reader'") =~ s/^(\d+)\|t$/$1 > 15000 && $1 < 25000 ? 'about right' : $1/er, 'about right', 'a consumer far behind is told an estimate');
sql("SELECT count(*) FROM pythia.consume_changes('short', 'reader', 19990)");
is(sql("SELECT lag_rows FROM pythia.stat_consumer WHERE consumer = 'reader'"), '10', 'and the truth when it is near');
sql("SELECT count(*) FROM pythia.consume_changes('short', 'reader', 20000)");
my $large = sql('SELECT size FROM pythia.stat_journal');
cmp_ok($large, '>', 10_000_000, 'it has grown');
sql("SELECT pythia.start_cdc('short')");
# its own retention counts, though the server's is longer; each look makes one part the next
for (1 .. 3)
{
	ok(wait_for($node, "SELECT since + interval '1 s' < clock_timestamp() FROM pythia.journal_state"), 'time passes');
	sql('SELECT pythia._rotate_journal()');
}
ok(wait_for($node, "SELECT pythia._rotate_journal() IS NOT NULL AND size < $large / 10 FROM pythia.stat_journal"), "a worker's own retention frees the disk");
is(sql("SELECT lag_rows FROM pythia.stat_consumer WHERE consumer = 'reader'"), '0', 'who has read it has lost nothing');
is(sql("SELECT lost FROM pythia.stat_consumer WHERE consumer = 'reader'"), 'f', 'indeed');
sql("SELECT pythia.drop_cdc_worker('short')");

# a limit in bytes
sql(q{SELECT pythia.create_cdc_worker('much', '{u}', options => '{"capture": "trigger", "retention": "10 d"}'); SELECT pythia.create_consumer('much', 'slow'), pythia.create_consumer('much', 'quick')});
$node->append_conf('postgresql.conf', "pythia_db.max_journal_size = '4MB'");
$node->reload;
sql("INSERT INTO u SELECT g, repeat('x', 500) FROM generate_series(1, 10000) g");
sql("SELECT count(*) FROM pythia.consume_changes('much', 'quick', 10000)");
is(sql('SELECT size > max_size, max_size FROM pythia.stat_journal'), 't|4194304', 'it is larger than it may be');
# whoever keeps a consumer locked is waited for by nobody, least of all by who keeps every reader out
my $open = Pythia::Session->new($node);
$open->do(q{BEGIN; SELECT pythia.seek('much', 'slow', 'beginning')});
for (1 .. 4)
{
	is(scalar($node->psql('postgres', q{SET statement_timeout = '20 s'; SELECT pythia._rotate_journal()})), 0, 'the journal is looked at while a seek is open');
	is(sql(q{SET statement_timeout = '20 s'; SELECT count(*) FROM pythia.consume_changes('much', 'quick', 10)}), '0', 'others read');
}
is(sql("SELECT count(*) FROM pythia.journal WHERE table_id = (SELECT table_id FROM pythia.cdc_table WHERE name = 'u')"), '10000', 'nothing is dropped that it may still want');
$open->do('ROLLBACK');
$open->close;
my $said = '';
for (1 .. 4)
{
	my (undef, undef, $err) = $node->psql('postgres', 'SELECT pythia._rotate_journal()');
	$said .= $err;
}
is(sql('SELECT size <= max_size FROM pythia.stat_journal'), 't', 'what is beyond goes');
like($said, qr/WARNING:  consumer "slow" of CDC worker "much" is lost/, 'a consumer that had not read it is told');
is(sql("SELECT string_agg(consumer || ' ' || lost, ', ' ORDER BY consumer) FROM pythia.stat_consumer"), 'quick false, slow true', 'and it alone');
is(sql("SELECT captured FROM pythia.stat_cdc WHERE worker = 'much'"), '10000', 'what was captured is still counted');

# who may monitor the server, and nothing else
sql("CREATE ROLE watcher LOGIN; GRANT pg_monitor TO watcher");
for my $view (qw(worker_status stat_cdc stat_consumer stat_journal stat_sync stat_progress_sync))
{
	my ($rc, $out, $err) = $node->psql('postgres', "SET ROLE watcher; SELECT count(*) FROM pythia.$view");
	is("$rc$err", '0', "pg_monitor reads $view");
	is($out, sql("SELECT count(*) FROM pythia.$view"), "and every row of $view");
}
like((($node->psql('postgres', "SET ROLE watcher; SELECT * FROM pythia.consume_changes('much')"))[2]), qr/permission denied/, 'it cannot consume');
like((($node->psql('postgres', "SET ROLE watcher; SELECT pythia.create_connection('c', 'sqlite:///x')"))[2]), qr/permission denied/, 'nor connect');
is(sql("SELECT has_schema_privilege('public', 'pythia', 'USAGE')"), 'f', 'others see nothing');
done_testing();
