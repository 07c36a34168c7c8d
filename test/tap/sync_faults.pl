# What can go wrong with sync in the background: workers whose tables would meet in the target.
use strict;
use warnings;
use Test::More;
use Pythia::Test;

my $pg = pg_node('main', 'pythia_db.restart_delay' => '1s');
my $my = Pythia::MariaDB->new('main');

sub sql { return $pg->safe_psql('postgres', $_[0]); }

sql("SELECT pythia.create_connection('shop', '" . $my->url . "')");

# two tables that would become one
sql(q{CREATE SCHEMA a; CREATE SCHEMA b;
	CREATE TABLE a.u (id int PRIMARY KEY, v text, updated_at timestamptz DEFAULT now());
	CREATE TABLE b.u (LIKE a.u INCLUDING ALL);
	INSERT INTO a.u VALUES (1, 'a'); INSERT INTO b.u VALUES (1, 'b');
	SELECT pythia.create_sync_worker('meet', 'local', 'shop', tables => '{a.u,b.u}'); SELECT pythia.start_sync('meet')});
ok(wait_for($pg, q{SELECT last_error ~ 'tables "a.u" and "b.u" would both go to target table "u"' FROM pythia.worker_status WHERE name = 'meet'}),
	'start_sync: the worker says which tables would meet');
is($my->sql("SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'u'"), 0, 'and nothing was written');
sql(q{SELECT pythia.alter_sync_worker('meet', sync_config => '{"table_map": {"b.u": "ub"}}')});
ok(wait_for($pg, q{SELECT count(*) = 2 FROM pythia.stat_sync WHERE worker = 'meet' AND state = 'synced'}), 'told apart, they go');
is($my->sql('SELECT u.v, ub.v FROM u JOIN ub USING (id)'), "a\tb", 'each with its own rows');
done_testing();
