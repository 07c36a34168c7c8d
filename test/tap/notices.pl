# What a sync in a session has to tell reaches whoever called it, by what he has set client_min_messages to; what the
# server itself says meanwhile does not.
use strict;
use warnings;
use Pythia::Test;
use Test::More;

my $node = pg_node('notices');
$node->safe_psql('postgres', q{
	CREATE TABLE shop (id int PRIMARY KEY, a text, extra text, later text);
	CREATE TABLE copy (id int PRIMARY KEY, a text);
	INSERT INTO shop VALUES (1, 'x', 'y', 'z');
	CREATE FUNCTION chatter() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''chatter''; RETURN NEW; END';
	CREATE TRIGGER chatter BEFORE INSERT ON copy FOR EACH ROW EXECUTE FUNCTION chatter()});
my $sync = q{SELECT rows_inserted FROM pythia.sync_between('local', 'local', 'shop', '{"mode": "full", "table_map": {"shop": "copy"}, "new_columns": "ignore", "validate_every": 5}')};

# Output and error of statements in one session.
sub says
{
	my ($sql) = @_;
	my ($out, $err);
	is($node->psql('postgres', "TRUNCATE copy; $sql", stdout => \$out, stderr => \$err), 0, 'it succeeds') or diag($err);
	return ($out, $err);
}

my ($out, $err) = says($sync);
is($out, '1', 'a row is copied');
like($err, qr/NOTICE:  column "$_" of table "shop" has no counterpart in the target and is left out/, "column $_ that is left out is told")
  for qw(extra later);
like($err, qr/NOTICE:  table "shop": option "validate_every" has no effect: nothing is validated/, 'so is an option that does nothing');
unlike($err, qr/chatter/, 'what a trigger says is not');
unlike($err, qr/[^[:print:]\s]/, 'it is text');

(undef, $err) = says("SET client_min_messages = warning; $sync");
is($err, '', 'who wants warnings alone gets no notices');

# the same after what was undone, within and without the transaction
(undef, $err) = says(qq{SET client_min_messages = warning;
	DO \$\$ BEGIN PERFORM * FROM pythia.sync_between('local', 'local', 'none', '{"mode": "full"}'); EXCEPTION WHEN OTHERS THEN NULL; END \$\$;
	SET client_min_messages = notice; $sync});
like($err, qr/NOTICE:  column "extra"/, 'a sync that failed before leaves no level behind');
(undef, $err) = says(qq{BEGIN; SET LOCAL client_min_messages = warning;
	DO \$\$ BEGIN PERFORM * FROM pythia.sync_between('local', 'local', 'none', '{"mode": "full"}'); EXCEPTION WHEN OTHERS THEN NULL; END \$\$;
	SET LOCAL client_min_messages = notice; SAVEPOINT s; $sync; COMMIT; DO \$\$ BEGIN RAISE NOTICE 'after'; END \$\$});
like($err, qr/NOTICE:  column "extra"/, 'nor within its transaction');
like($err, qr/NOTICE:  after/, 'and the setting is what it was');

$node->safe_psql('postgres', q{CREATE TABLE odd (id int PRIMARY KEY, v text DEFAULT md5('x'))});
my $lite = PostgreSQL::Test::Utils::tempdir_short() . '/lite.db';
my $make = qq{SELECT FROM pythia.sync_between('local', 'sqlite:///$lite', 'odd', '{"mode": "full"}')};
(undef, $err) = says($make);
like($err, qr/WARNING:  column "v" of table "odd" is made without its default/, 'a warning is told');
unlink $lite;
(undef, $err) = says("SET client_min_messages = error; $make");
is($err, '', 'and not to him who wants errors alone');

# what a table that is made lacks: in a session, and by a worker, which has nobody to tell but the log
$node->safe_psql('postgres', q{CREATE TABLE kept (id int PRIMARY KEY, CONSTRAINT positive CHECK (id > 0))});
my $lacks = qr/table "kept" is made without 1 CHECK constraint, because conditions are not translated: positive/;
(undef, $err) = says(qq{SELECT FROM pythia.sync_between('local', 'sqlite:///$lite', 'kept', '{"mode": "full"}')});
like($err, qr/WARNING:  $lacks/, 'what a table that is made lacks is told');
my $from = -s $node->logfile;
$node->safe_psql('postgres', qq{SELECT pythia.create_sync_worker('copier', 'local', 'sqlite:///$lite.too', '{"mode": "full"}', '{kept}', '1 h'); SELECT pythia.start_sync('copier')});
ok(wait_for($node, q{SELECT runs = 1 FROM pythia.stat_sync WHERE worker = 'copier'}), 'a worker makes it, too');
like(PostgreSQL::Test::Utils::slurp_file($node->logfile, $from), qr/WARNING:  $lacks/, 'and the log has it');

done_testing();
