# What one role may heap up, and what that does to everybody else's processes and views.
use strict;
use warnings;
use Pythia::Session;
use Pythia::Test;
use Test::More;

my $node = pg_node('main', max_worker_processes => 16, 'pythia_db.restart_delay' => '1s');

sub sql { return $node->safe_psql($_[1] // 'postgres', $_[0]); }
sub as { my ($role, $sql) = @_; return sql("SET ROLE $role; $sql"); }
sub says { my ($sql, $database) = @_; return ($node->psql($database // 'postgres', $sql))[2]; }

for my $role (qw(mallory alice))
{
	sql("CREATE ROLE $role LOGIN; SELECT pythia.grant_use('$role'); CREATE SCHEMA $role AUTHORIZATION $role; SET ROLE $role;
		CREATE TABLE $role.t (id int PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now()); CREATE INDEX ON $role.t (updated_at)");
}
sql('CREATE ROLE watcher LOGIN; GRANT pg_monitor TO watcher');

# every process looks whether an owner may make workers
subtest 'functions of a name that we look for' => sub {
	as('mallory', q{DO $$ DECLARE a text[] := '{int2,int4,int8,text,bytea,date,time,uuid,json,jsonb,inet,xml,oid}'; BEGIN
		FOR i IN 0 .. 1999 LOOP
			EXECUTE format('CREATE FUNCTION mallory.create_cdc_worker(%s, %s, %s) RETURNS int LANGUAGE sql AS ''SELECT 1''', a[i % 13 + 1], a[i / 13 % 13 + 1], a[i / 169 + 1]);
		END LOOP; END $$});
	my $size = q{SELECT used_bytes FROM pg_backend_memory_contexts WHERE name = 'CacheMemoryContext'};
	my ($before, $held, $after) = split /\n/, sql("$size; SELECT coalesce(pythia._held('alice'::regrole, 'cdc') || pythia._held('alice'::regrole, 'sync'), 'not held'); $size");
	is($held, 'not held', 'a role that may use pythia_db is known as such');
	cmp_ok($after - $before, '<', 1_000_000, 'without a look at the functions of others');
	sql("REVOKE EXECUTE ON FUNCTION pythia.create_sync_worker FROM alice");
	is(sql(q{SELECT pythia._held('alice'::regrole, 'cdc') IS NULL, pythia._held('alice'::regrole, 'sync') IS NULL}), 't|f', 'by the function of each kind');
	sql("SELECT pythia.grant_use('alice')");
};

subtest 'a text that UTF-8 has not' => sub {
	sql(q{CREATE DATABASE latin ENCODING 'WIN1252' LOCALE 'C' TEMPLATE template0});
	sql('CREATE EXTENSION pythia_db; CREATE TABLE t (id int PRIMARY KEY, updated_at timestamptz)', 'latin');
	my $size = q{SELECT (regexp_match(pg_read_file('/proc/self/status'), 'VmRSS:\s+(\d+)'))[1]};
	my $call = q{pythia.create_cdc_worker('w', '{t}', options => jsonb_build_object('a', repeat('x', 1000000), 'zz', chr(129)))};
	my ($before, $after) = split /\n/, sql(qq{DO \$\$ BEGIN PERFORM $call; EXCEPTION WHEN OTHERS THEN NULL; END \$\$; $size;
		DO \$\$ BEGIN FOR i IN 1 .. 100 LOOP BEGIN PERFORM $call; EXCEPTION WHEN untranslatable_character THEN NULL; END; END LOOP; END \$\$; $size}, 'latin');
	cmp_ok($after - $before, '<', 30_000, 'what was read before it is freed, in kB');
	sql('DROP DATABASE latin');
};

like(says(q{SET statement_timeout = '50ms'; SELECT length(pythia._json_normalized('[' || repeat('1, ', 30000000) || '1]'))}),
	qr/ERROR:  canceling statement due to statement timeout/, 'a long document can be cancelled');

done_testing();
