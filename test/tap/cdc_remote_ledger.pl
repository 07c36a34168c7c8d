# The proof for other databases: seeded random writers in MariaDB and in another
# PostgreSQL keep a ledger (triggers write it in their own transaction), somebody
# kills this server's worker, backends and postmaster, the source, and connections
# to it; in the end what was captured, by polling and by triggers, in sessions and
# in the background, equals the ledger.  Naive cursors on the same tables must lose
# changes, or the test would prove nothing.
#
#   PYTHIA_SEED=n   another run of random choices;  PYTHIA_STEPS=n   a longer one
use strict;
use warnings;
use Pythia::Test;
use Pythia::Session;
use Test::More;

my $seed = $ENV{PYTHIA_SEED} // 20261123;
my $steps = $ENV{PYTHIA_STEPS} // 700;
srand($seed);
diag("seed $seed, $steps steps");

my $host = pg_node('host', restart_after_crash => 'on', 'pythia_db.restart_delay' => '1s');
my $other = pg_node('source', other => 1, restart_after_crash => 'on', max_prepared_transactions => 20);
my $maria = Pythia::MariaDB->new('ledger');

my %source = (
	pg => {
		url => pg_url($other),
		session => sub { Pythia::Session->new($other) },
		sql => sub { $other->safe_psql('postgres', $_[0]) },
		now => 'now()', clock => 'clock_timestamp()', start => "'-infinity'",
		prepared => 'SELECT gid FROM pg_prepared_xacts', end => '%s PREPARED \'%s\'',
	},
	maria => {
		url => $maria->url,
		session => sub { my $s = Pythia::Session->mysql($maria); $s->do('SET innodb_lock_wait_timeout = 0'); $s },
		sql => sub { $maria->sql($_[0]) },
		now => 'now(6)', clock => 'sysdate(6)', start => "'1970-01-01'",
		prepared => 'XA RECOVER', end => 'XA %s \'%s\'',
	});

$source{pg}{sql}->(q{
	CREATE TABLE events (id bigint PRIMARY KEY, v bigint, updated_at timestamptz);
	CREATE TABLE items (id bigint PRIMARY KEY, v bigint, updated_at timestamptz);
	CREATE INDEX ON events (updated_at); CREATE INDEX ON items (updated_at);
	CREATE TABLE ledger (n bigserial PRIMARY KEY, tab text, op text, id bigint, v bigint);
	CREATE FUNCTION write_ledger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF TG_OP = 'DELETE' THEN INSERT INTO ledger (tab, op, id, v) VALUES (TG_TABLE_NAME, TG_OP, OLD.id, OLD.v);
		ELSIF TG_OP = 'UPDATE' AND OLD.id <> NEW.id THEN
			INSERT INTO ledger (tab, op, id, v) VALUES (TG_TABLE_NAME, 'DELETE', OLD.id, OLD.v), (TG_TABLE_NAME, 'INSERT', NEW.id, NEW.v);
		ELSE INSERT INTO ledger (tab, op, id, v) VALUES (TG_TABLE_NAME, TG_OP, NEW.id, NEW.v); END IF;
		RETURN NULL; END $$;
	CREATE TRIGGER ledger AFTER INSERT OR UPDATE OR DELETE ON events FOR EACH ROW EXECUTE FUNCTION write_ledger();
	CREATE TRIGGER ledger AFTER INSERT OR UPDATE OR DELETE ON items FOR EACH ROW EXECUTE FUNCTION write_ledger()});
$source{maria}{sql}->("CREATE TABLE ledger (n bigint AUTO_INCREMENT PRIMARY KEY, tab varchar(20), op varchar(20), id bigint, v bigint)");
for my $table ('events', 'items')
{
	$source{maria}{sql}->($_) for (
		"CREATE TABLE $table (id bigint PRIMARY KEY, v bigint, updated_at datetime(6), KEY (updated_at))",
		"CREATE TRIGGER ${table}_i AFTER INSERT ON $table FOR EACH ROW INSERT INTO ledger (tab, op, id, v) VALUES ('$table', 'INSERT', NEW.id, NEW.v)",
		"CREATE TRIGGER ${table}_d AFTER DELETE ON $table FOR EACH ROW INSERT INTO ledger (tab, op, id, v) VALUES ('$table', 'DELETE', OLD.id, OLD.v)",
		"CREATE TRIGGER ${table}_u AFTER UPDATE ON $table FOR EACH ROW INSERT INTO ledger (tab, op, id, v) SELECT '$table', 'UPDATE', NEW.id, NEW.v FROM DUAL WHERE NEW.id = OLD.id"
		. " UNION ALL SELECT '$table', 'DELETE', OLD.id, OLD.v FROM DUAL WHERE NEW.id <> OLD.id UNION ALL SELECT '$table', 'INSERT', NEW.id, NEW.v FROM DUAL WHERE NEW.id <> OLD.id");
}

$host->safe_psql('postgres', q{
	CREATE TABLE got (worker text, n bigserial, tab text, op text, id bigint, v bigint, change_id bigint);
	CREATE TABLE ledger (source text, n bigint, tab text, op text, id bigint, v bigint);
	CREATE TABLE truth (source text, id bigint, v bigint)});
my @workers;
for my $name (sort keys %source)
{
	for my $capture ('poll', 'trigger')
	{
		my $worker = "${name}_$capture";
		my $options = "options => '{\"capture\": \"$capture\", \"delete_interval\": 0, \"batch_size\": 20}'";
		$host->safe_psql('postgres', "CREATE FUNCTION note_$worker(c pythia.database_change) RETURNS jsonb LANGUAGE sql AS \$\$ INSERT INTO public.got (worker, tab, op, id, v, change_id) VALUES "
			. "('${worker}_bg', c.\"table\", c.change_type::text, (c.primary_key->>'id')::bigint, (COALESCE(c.new_data, c.old_data)->>'v')::bigint, c.change_id) RETURNING NULL::jsonb \$\$;"
			. "SELECT pythia.create_cdc_worker('$worker', '{events,items}', '$source{$name}{url}', $options);"
			. "SELECT pythia.create_cdc_worker('${worker}_bg', '{events,items}', '$source{$name}{url}', poll_interval => '20 ms', handler => 'note_$worker', $options);"
			. "SELECT pythia.start_cdc('${worker}_bg')");
		push @workers, $worker;
	}
}

# ---- writers ----

my $version = 0;
my (%writers, $reader, %naive, %count);

sub connect_writers
{
	my ($name) = @_;
	$writers{$name} = [ map { { source => $name, session => $source{$name}{session}->(), open => 0, savepoints => 0 } } 1 .. 3 ];
	return;
}

sub item { return 1 + int(rand(25)); }

# A lock that another writer holds is no mistake: this one goes on without.
sub attempt
{
	my ($w, $sql) = @_;
	$w->{session}->try($sql);
	my $error = $w->{session}{error};
	# a deadlock, or a row changed since the snapshot (MariaDB 11.8 sees to that by default), ends the transaction
	if ($error =~ /ERROR (?:1213|1020)/)
	{
		$w->{session}->try($_) for $w->{xa} ? ("XA END '$w->{xa}'", "XA ROLLBACK '$w->{xa}'") : 'ROLLBACK';
		$w->{open} = 0;
	}
	die "$sql: $error" if $error =~ /ERROR|FATAL/ && $error !~ /ERROR (?:1205|1213|1062|1020)/;
	return;
}

sub write_step
{
	my ($w) = @_;
	my $s = $w->{session};
	my $source = $source{$w->{source}};
	my $pg = $w->{source} eq 'pg';
	if (!$w->{open})
	{
		$w->{xa} = rand() < 0.08 ? 'p' . ++$version : undef;
		$s->do($w->{xa} && !$pg ? "XA START '$w->{xa}'" : 'BEGIN');
		attempt($w, "SELECT count(*) FROM items") if rand() < 0.3;
		@$w{qw(open savepoints)} = (1, 0);
		return;
	}
	my $dice = rand();
	my $v = ++$version;
	my $stamp = rand() < 0.2 ? $source->{clock} : $source->{now};
	my $mine = sub { $pg ? " AND pg_try_advisory_xact_lock($_[0])" : '' };
	if ($dice < 0.34) { attempt($w, "INSERT INTO events (id, v, updated_at) VALUES ($v, $v, $stamp)"); }
	elsif ($dice < 0.46)
	{
		my $i = item();
		attempt($w, "INSERT INTO items (id, v, updated_at) SELECT i, $v, $stamp FROM (SELECT $i AS i) x WHERE NOT EXISTS (SELECT 1 FROM items WHERE id = $i)" . $mine->($i)) unless $pg;
		attempt($w, "INSERT INTO items SELECT i, $v, $stamp FROM (SELECT $i i) x WHERE pg_try_advisory_xact_lock(i) ON CONFLICT (id) DO NOTHING") if $pg;
	}
	elsif ($dice < 0.60) { my $i = item(); attempt($w, "UPDATE items SET v = $v, updated_at = $stamp WHERE id = $i" . $mine->($i)); }
	elsif ($dice < 0.66) { my $i = item(); attempt($w, "DELETE FROM items WHERE id = $i" . $mine->($i)); }
	elsif ($dice < 0.69)
	{
		my ($from, $to) = (item(), item());
		attempt($w, "UPDATE items SET id = $to, v = $v, updated_at = $stamp WHERE id = $from" . $mine->($from) . $mine->($to)
			. ($pg ? " AND NOT EXISTS (SELECT FROM items WHERE id = $to)" : '')) if $from != $to;
	}
	elsif ($dice < 0.74) { if (!$w->{xa}) { $s->do('SAVEPOINT s'); $w->{savepoints}++; } }
	elsif ($dice < 0.78) { if ($w->{savepoints}) { $s->do('ROLLBACK TO s'); } }
	elsif ($dice < 0.80) { if ($w->{savepoints}) { $s->do('RELEASE SAVEPOINT s'); $w->{savepoints} = $pg ? $w->{savepoints} - 1 : 0; } }
	elsif ($w->{xa} && $pg) { $s->do("PREPARE TRANSACTION '$w->{xa}'"); $w->{open} = 0; $count{prepared}++; }
	elsif ($w->{xa})
	{
		$s->do("XA END '$w->{xa}'; XA PREPARE '$w->{xa}'");
		$s->close; # it outlives its connection, and binds one that stays
		$w->{session} = $source->{session}->();
		$w->{open} = 0;
		$count{prepared}++;
	}
	elsif ($dice < 0.96) { $s->do('COMMIT'); $w->{open} = 0; $count{committed}++; }
	else { $s->do('ROLLBACK'); $w->{open} = 0; $count{'rolled back'}++; }
	return;
}

sub end_prepared
{
	my ($name, $all) = @_;
	my @prepared = map { (split /\t/)[-1] } split /\n/, $source{$name}{sql}->($source{$name}{prepared});
	for my $id (sort @prepared)
	{
		my $sql = sprintf($source{$name}{end}, rand() < 0.7 ? 'COMMIT' : 'ROLLBACK', $id);
		# MariaDB rolls back by itself what wrote nothing
		eval { $source{$name}{sql}->($sql); 1 } or $@ =~ /XA_RB/ or die $@;
		last unless $all;
	}
	return;
}

# ---- readers ----

sub consume
{
	my ($worker, $max) = @_;
	return $reader->do("WITH c AS (SELECT * FROM pythia.consume_changes('$worker', max_changes => $max)), i AS ("
		. "INSERT INTO got (worker, tab, op, id, v, change_id) SELECT '$worker', \"table\", change_type::text, (primary_key->>'id')::bigint, "
		. "(COALESCE(new_data, old_data)->>'v')::bigint, change_id FROM c ORDER BY change_id RETURNING 1) SELECT count(*) FROM i");
}

# What everybody writes first.
sub read_naively
{
	my ($name) = @_;
	for my $cursor ([ 'updated_at >', 'id, updated_at', 'events', 'updated_at' ], [ 'journal >', 'n, n', 'ledger', 'n' ])
	{
		my ($label, $columns, $table, $by) = @$cursor;
		my $state = $naive{$name}{$label} //= { last => $by eq 'n' ? 0 : $source{$name}{start}, seen => {} };
		for my $row (split /\n/, $source{$name}{sql}->("SELECT $columns FROM $table WHERE $by > $state->{last} ORDER BY $by"))
		{
			my ($id, $last) = split /[|\t]/, $row;
			$state->{seen}{$id}++;
			$state->{last} = $by eq 'n' ? $last : "'$last'";
		}
	}
	return;
}

# ---- the killer ----

sub cut_connections
{
	$source{pg}{sql}->("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'pythia_db'");
	# those of this server: the writers come by the socket
	for my $id (split /\n/, $maria->root_sql("SELECT id FROM information_schema.PROCESSLIST WHERE HOST LIKE '127.0.0.1:%'"))
	{
		eval { $maria->root_sql("KILL $id") };
	}
	return;
}

sub kill_somebody
{
	my ($turn) = @_;
	my $whom = (qw(worker connections postmaster backend source))[$turn % 5];
	$count{"$whom killed"}++;
	if ($whom eq 'connections') { cut_connections(); }
	elsif ($whom eq 'postmaster')
	{
		$host->stop('immediate');
		$host->start;
	}
	elsif ($whom eq 'source')
	{
		$maria->kill9;
		$other->stop('immediate');
		$maria->start;
		$other->start;
		connect_writers($_) for sort keys %source;
	}
	else
	{
		my $pid = $whom eq 'backend' ? $reader->{pid}
			: $host->safe_psql('postgres', "SELECT pid FROM pythia.worker_status WHERE pid IS NOT NULL ORDER BY name LIMIT 1 OFFSET " . int(rand(4)));
		if ($pid)
		{
			kill 'KILL', $pid;
			# the postmaster sends everybody away and recovers
			wait_for($host, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)");
		}
	}
	wait_for($host, 'SELECT true');
	$reader = Pythia::Session->new($host);
	return;
}

END { local $?; %writers = (); undef $reader; }
connect_writers($_) for sort keys %source;
$reader = Pythia::Session->new($host);
my $kills = 0;
for my $step (1 .. $steps)
{
	my $dice = rand();
	my $name = rand() < 0.5 ? 'pg' : 'maria';
	eval {
		if ($dice < 0.82) { write_step($writers{$name}[int(rand(3))]); }
		elsif ($dice < 0.84) { end_prepared($name); }
		elsif ($dice < 0.89) { consume("${name}_poll", 1 + int(rand(20))); }
		elsif ($dice < 0.94) { consume("${name}_trigger", 1 + int(rand(20))); }
		else { read_naively($name); }
		1;
	} or do {
		my $why = $@;
		# recovery may still be at it, and cut connections are the point
		die "step $step: $why" if $why =~ /ERROR/ && $why !~ /terminat|recovery|starting up|connection|gone away|shutting down|crash/i;
		$reader = Pythia::Session->new($host) if wait_for($host, 'SELECT true');
	};
	kill_somebody($kills++) if $step % 70 == 35;
}
for my $name (sort keys %source)
{
	for my $w (@{ $writers{$name} })
	{
		next unless $w->{open};
		if ($w->{xa} && $name eq 'maria') { $w->{session}->do("XA END '$w->{xa}'; XA COMMIT '$w->{xa}' ONE PHASE"); }
		else { $w->{session}->do('COMMIT'); }
	}
	end_prepared($name, 1);
	read_naively($name);
}

# ---- the balance ----

for my $worker (@workers)
{
	my $empty = 0;
	while ($empty < 3) { $empty = consume($worker, 1000) == 0 ? $empty + 1 : 0; }
}
for my $name (sort keys %source)
{
	my $values = sub { join(',', map { "('$name'," . join(',', map { /^-?\d+$/ ? $_ : "'$_'" } split /[|\t]/) . ')' } split /\n/, $_[0]) };
	$reader->do('INSERT INTO ledger VALUES ' . $values->($source{$name}{sql}->('SELECT n, tab, op, id, v FROM ledger ORDER BY n')));
	$reader->do('INSERT INTO truth VALUES ' . $values->($source{$name}{sql}->('SELECT id, v FROM items') || "0\t0"));
	my $changes = $reader->do("SELECT count(*) FROM ledger WHERE source = '$name'");
	cmp_ok($changes, '>', 30, "$changes changes in the ledger of $name");
}
diag(join(', ', map { "$count{$_} $_" } sort keys %count));

# items as they are after applying what a worker was told, in its order
my $replayed = q{SELECT id, v FROM (SELECT DISTINCT ON (id) id, op, v FROM got WHERE worker = '%1$s' AND tab = 'items'
	AND change_id > COALESCE((SELECT max(change_id) FROM got WHERE worker = '%1$s' AND tab = 'items' AND op = 'TRUNCATE'), 0)
	ORDER BY id, change_id DESC) l WHERE op <> 'DELETE'};
my %tables = (ledger => "SELECT tab, op, id, v FROM ledger WHERE source = '%2\$s'", got => "SELECT tab, op, id, v FROM got WHERE worker = '%1\$s'");
for my $worker (map { ($_, "${_}_bg") } @workers)
{
	my ($name, $capture) = $worker =~ /^(\w+?)_(poll|trigger)/;
	my $ask = sub { $reader->do(sprintf("SELECT count(*) FROM ($_[0]) x", $worker, $name)) };
	if ($worker =~ /_bg$/)
	{
		$host->safe_psql('postgres', "SELECT pythia.start_cdc('$worker')"); # not in its own time: it may wait after a failure
		ok(wait_for($host, sprintf("SELECT count(*) = 0 FROM ((SELECT id, 0 FROM ledger WHERE source = '%2\$s' AND tab = 'events' EXCEPT ALL SELECT id, 0 FROM got WHERE worker = '%1\$s' AND tab = 'events')"
			. " UNION ALL (SELECT id, v FROM truth WHERE source = '%2\$s' AND id > 0 EXCEPT ($replayed)) UNION ALL (($replayed) EXCEPT SELECT id, v FROM truth WHERE source = '%2\$s')) x", $worker, $name)), "$worker: the handler has seen them all");
	}
	is($ask->("SELECT id FROM ledger WHERE source = '%2\$s' AND tab = 'events' EXCEPT ALL SELECT id FROM got WHERE worker = '%1\$s' AND tab = 'events'"), '0', "$worker: no event missed")
		or diag($source{$name}{sql}->('SELECT * FROM events WHERE id IN (' . join(',', split /\n/, $reader->do(sprintf("SELECT id FROM ledger WHERE source = '%2\$s' AND tab = 'events' EXCEPT ALL SELECT id FROM got WHERE worker = '%1\$s' AND tab = 'events'", $worker, $name))) . ')'),
			"\n", $reader->do("SELECT s, last_error FROM pythia.stat_cdc s, pythia.worker_status w WHERE worker = name AND worker = '$worker'"));
	is($ask->("SELECT id FROM got WHERE worker = '%1\$s' AND tab = 'events' EXCEPT ALL SELECT id FROM ledger WHERE source = '%2\$s' AND tab = 'events'"), '0', "$worker: none told twice or made up");
	is($ask->("(SELECT id, v FROM truth WHERE source = '%2\$s' AND id > 0 EXCEPT ($replayed)) UNION ALL (($replayed) EXCEPT SELECT id, v FROM truth WHERE source = '%2\$s')"), '0', "$worker: replayed, the items are the table");
	is($ask->("SELECT id, v FROM got WHERE worker = '%1\$s' AND tab = 'items' AND op IN ('INSERT', 'UPDATE') GROUP BY 1, 2 HAVING count(*) > 1"), '0', "$worker: no version of an item twice");
	is($ask->("SELECT FROM got g WHERE worker = '%1\$s' AND op IN ('INSERT', 'UPDATE') AND NOT EXISTS (SELECT FROM ledger l WHERE l.source = '%2\$s' AND l.tab = g.tab AND l.id = g.id AND l.v = g.v)"), '0', "$worker: no version that was never committed");
	next if $capture eq 'poll';
	is($ask->("$tables{ledger} EXCEPT ALL $tables{got}"), '0', "$worker: every version, delete and key change is there");
	is($ask->("$tables{got} EXCEPT ALL $tables{ledger}"), '0', "$worker: and nothing else");
	is($ask->("SELECT FROM (SELECT tab, id, string_agg(op || v, ',' ORDER BY n) s FROM ledger WHERE source = '%2\$s' GROUP BY 1, 2) l"
		. " JOIN (SELECT tab, id, string_agg(op || v, ',' ORDER BY change_id) s FROM got WHERE worker = '%1\$s' GROUP BY 1, 2) g USING (tab, id) WHERE l.s <> g.s"), '0', "$worker: of each key in the order of its changes");
}

for my $name (sort keys %source)
{
	for my $cursor (sort keys %{ $naive{$name} })
	{
		my $total = $reader->do("SELECT count(*) FROM ledger WHERE source = '$name'" . ($cursor =~ /updated/ ? " AND tab = 'events'" : ''));
		my $lost = $total - keys %{ $naive{$name}{$cursor}{seen} };
		cmp_ok($lost, '>', 0, "$name: a naive cursor \"$cursor :last\" lost $lost of $total");
		diag("$name: naive cursor \"$cursor :last\" lost $lost of $total changes; pythia_db: 0");
	}
}

done_testing();
