# The proof: seeded random writers keep a ledger (a trigger writes it in their own
# transaction), somebody kills worker, backends and the postmaster, and in the end
# what was captured equals the ledger.  Beside it two naive cursors read the same
# tables; they must lose changes, or the test would prove nothing.
#
#   PYTHIA_SEED=n   another run of random choices;  PYTHIA_STEPS=n   a longer one
use strict;
use warnings;
use Pythia::Test;
use Pythia::Session;
use Test::More;

my $seed = $ENV{PYTHIA_SEED} // 20261123;
my $steps = $ENV{PYTHIA_STEPS} // 900;
srand($seed);
diag("seed $seed, $steps steps");

my $node = pg_node('ledger', restart_after_crash => 'on', max_prepared_transactions => 20);
$node->safe_psql('postgres', q{
	CREATE TABLE events (id bigint PRIMARY KEY, v bigint, seq bigserial, updated_at timestamptz);
	CREATE TABLE items (id bigint PRIMARY KEY, v bigint, updated_at timestamptz);
	CREATE INDEX ON events (updated_at);
	CREATE INDEX ON items (updated_at);
	CREATE TABLE ledger (n bigserial PRIMARY KEY, tab text, op text, id bigint, v bigint);
	CREATE TABLE got (worker text, n bigserial, tab text, op text, id bigint, v bigint, change_id bigint);
	CREATE FUNCTION write_ledger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF TG_OP = 'DELETE' THEN INSERT INTO ledger (tab, op, id, v) VALUES (TG_TABLE_NAME, TG_OP, OLD.id, OLD.v);
		ELSIF TG_OP = 'UPDATE' AND OLD.id <> NEW.id THEN
			INSERT INTO ledger (tab, op, id, v) VALUES (TG_TABLE_NAME, 'DELETE', OLD.id, OLD.v), (TG_TABLE_NAME, 'INSERT', NEW.id, NEW.v);
		ELSE INSERT INTO ledger (tab, op, id, v) VALUES (TG_TABLE_NAME, TG_OP, NEW.id, NEW.v); END IF;
		RETURN NULL; END $$;
	CREATE TRIGGER ledger AFTER INSERT OR UPDATE OR DELETE ON events FOR EACH ROW EXECUTE FUNCTION write_ledger();
	CREATE TRIGGER ledger AFTER INSERT OR UPDATE OR DELETE ON items FOR EACH ROW EXECUTE FUNCTION write_ledger();
	CREATE FUNCTION note(c pythia.database_change) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO public.got (worker, tab, op, id, v, change_id) VALUES ('handler', c."table", c.change_type::text,
			(c.primary_key->>'id')::bigint, (COALESCE(c.new_data, c.old_data)->>'v')::bigint, c.change_id);
		RETURN NULL; END $$;
	SELECT pythia.create_cdc_worker('poll', '{events,items}', options => '{"delete_interval": 0}');
	CREATE VIEW vevents AS SELECT * FROM events; CREATE VIEW vitems AS SELECT * FROM items;
	SELECT pythia.create_cdc_worker('view', '{vevents,vitems}', options => '{"delete_interval": 0, "key": ["id"]}');
	SELECT pythia.create_cdc_worker('trigger', '{events,items}', options => '{"capture": "trigger"}');
	SELECT pythia.create_cdc_worker('handler', '{events,items}', poll_interval => '20 ms', handler => 'note', options => '{"delete_interval": 0}');
	SELECT pythia.start_cdc('handler');
});

# ---- writers ----

my $version = 0;
my (@writers, $reader, %naive, @prepared);
my %count;

sub connect_all
{
	@writers = map { { session => Pythia::Session->new($node), open => 0, savepoints => 0 } } 1 .. 4;
	$reader = Pythia::Session->new($node);
	return;
}

sub stamp { return rand() < 0.2 ? 'clock_timestamp()' : 'now()'; }
sub item { return 1 + int(rand(30)); }

sub write_step
{
	my ($w) = @_;
	my $s = $w->{session};
	if (!$w->{open})
	{
		$s->do('BEGIN');
		$s->do('SELECT now()') if rand() < 0.3;
		@$w{qw(open savepoints)} = (1, 0);
		return;
	}
	my $dice = rand();
	my $v = ++$version;
	if ($dice < 0.30) { $s->do("INSERT INTO events (id, v, updated_at) VALUES ($v, $v, " . stamp() . ')'); }
	elsif ($dice < 0.42) { $s->do("INSERT INTO items SELECT i, $v, " . stamp() . ' FROM (SELECT ' . item() . ' i) x WHERE pg_try_advisory_xact_lock(i) ON CONFLICT (id) DO NOTHING'); }
	elsif ($dice < 0.56) { $s->do("UPDATE items SET v = $v, updated_at = " . stamp() . ' WHERE id = ' . item() . ' AND pg_try_advisory_xact_lock(id)'); }
	elsif ($dice < 0.62) { $s->do('DELETE FROM items WHERE id = ' . item() . ' AND pg_try_advisory_xact_lock(id)'); }
	elsif ($dice < 0.65)
	{
		my ($from, $to) = (item(), item());
		$s->do("UPDATE items SET id = $to, v = $v, updated_at = " . stamp() . " WHERE id = $from AND pg_try_advisory_xact_lock($from) AND pg_try_advisory_xact_lock($to) AND NOT EXISTS (SELECT FROM items WHERE id = $to)") if $from != $to;
	}
	elsif ($dice < 0.73) { $s->do('SAVEPOINT s'); $w->{savepoints}++; }
	elsif ($dice < 0.77) { $s->do('ROLLBACK TO s; RELEASE s') if $w->{savepoints}; $w->{savepoints}-- if $w->{savepoints}; }
	elsif ($dice < 0.80) { $s->do('RELEASE s') if $w->{savepoints}; $w->{savepoints}-- if $w->{savepoints}; }
	elsif ($dice < 0.93) { $s->do('COMMIT'); $w->{open} = 0; $count{committed}++; }
	elsif ($dice < 0.97) { $s->do('ROLLBACK'); $w->{open} = 0; $count{'rolled back'}++; }
	else { $s->do("PREPARE TRANSACTION 'p$v'"); push @prepared, "p$v"; $w->{open} = 0; $count{prepared}++; }
	return;
}

sub end_prepared
{
	return unless @prepared;
	my $name = splice(@prepared, int(rand(@prepared)), 1);
	$reader->do((rand() < 0.7 ? 'COMMIT' : 'ROLLBACK') . " PREPARED '$name'");
	return;
}

# ---- readers ----

sub consume
{
	my ($worker, $max) = @_;
	return $reader->do("WITH c AS (SELECT * FROM pythia.consume_changes('$worker', max_changes => $max)), i AS ("
		. "INSERT INTO got (worker, tab, op, id, v, change_id) SELECT '$worker', regexp_replace(\"table\", '^v', ''), change_type::text, (primary_key->>'id')::bigint, "
		. "(COALESCE(new_data, old_data)->>'v')::bigint, change_id FROM c ORDER BY change_id RETURNING 1) SELECT count(*) FROM i");
}

# What everybody writes first: WHERE updated_at > :last, WHERE seq > :last, and the same on a journal's numbers.
my %naive_sql = (
	'updated_at >' => ['SELECT id, updated_at FROM events WHERE updated_at > %s ORDER BY updated_at', "'-infinity'"],
	'seq >' => ['SELECT id, seq FROM events WHERE seq > %s ORDER BY seq', '0'],
	'journal >' => ["SELECT change_id, change_id FROM pythia.journal WHERE worker_id = (SELECT worker_id FROM pythia.worker WHERE name = 'trigger') AND change_id > %s ORDER BY change_id", '0'],
);

sub read_naively
{
	for my $name (keys %naive_sql)
	{
		my $state = $naive{$name} //= { last => $naive_sql{$name}[1], seen => {} };
		for my $row (split /\n/, $reader->do(sprintf($naive_sql{$name}[0], $state->{last})))
		{
			my ($id, $last) = split /\|/, $row;
			$state->{seen}{$id}++;
			$state->{last} = $name =~ /updated/ ? "'$last'" : $last;
		}
	}
	return;
}

# ---- the killer ----

sub kill_somebody
{
	my $whom = (qw(worker backend postmaster))[int(rand(3))];
	$count{"$whom killed"}++;
	if ($whom eq 'postmaster')
	{
		$node->stop('immediate');
		$node->start;
	}
	else
	{
		my $pid = $whom eq 'worker'
			? $node->safe_psql('postgres', "SELECT pid FROM pythia.worker_status WHERE name = 'handler' AND pid IS NOT NULL")
			: $writers[int(rand(@writers))]{session}{pid};
		if ($pid)
		{
			kill 'KILL', $pid;
			# the postmaster sends everybody away and recovers
			wait_for($node, "SELECT pg_postmaster_start_time() IS NOT NULL AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)");
		}
	}
	wait_for($node, 'SELECT true');
	connect_all();
	my %alive = map { $_ => 1 } split /\n/, $reader->do('SELECT gid FROM pg_prepared_xacts');
	@prepared = sort keys %alive;
	return;
}

END { local $?; @writers = (); undef $reader; }
connect_all();
for my $step (1 .. $steps)
{
	my $dice = rand();
	eval {
		if ($dice < 0.80) { write_step($writers[int(rand(@writers))]); }
		elsif ($dice < 0.83) { end_prepared(); }
		elsif ($dice < 0.90) { consume($step % 3 ? 'poll' : 'view', 1 + int(rand(20))); }
		elsif ($dice < 0.95) { consume('trigger', 1 + int(rand(20))); }
		else { read_naively(); }
		1;
	} or do {
		my $why = $@;
		# crash recovery may still be at it
		die "step $step: $why" if $why =~ /ERROR/ && $why !~ /terminat|recovery|starting up|connection/;
		connect_all();
	};
	kill_somebody() if $step % 150 == 75;
}
$_->{open} and $_->{session}->do('COMMIT') for @writers;
end_prepared() while @prepared;

# ---- the balance ----

for my $worker ('poll', 'view', 'trigger')
{
	my $empty = 0;
	while ($empty < 2) { $empty = consume($worker, 1000) == 0 ? $empty + 1 : 0; }
}
read_naively();
ok(wait_for($node, "SELECT (SELECT count(*) FROM ledger WHERE tab = 'events') = (SELECT count(*) FROM got WHERE worker = 'handler' AND tab = 'events')"
	. " AND (SELECT sum(lag_rows) FROM pythia.stat_consumer WHERE worker = 'handler') = 0"), 'the handler has seen them all');

my $changes = $node->safe_psql('postgres', 'SELECT count(*) FROM ledger');
cmp_ok($changes, '>', 100, "$changes changes in the ledger: " . join(', ', map { "$count{$_} $_" } sort keys %count));

# items as they are after applying what a worker was told, in its order
my $replayed = q{
	SELECT id, v FROM (SELECT DISTINCT ON (id) id, op, v FROM got WHERE worker = '%s' AND tab = 'items'
		AND change_id > COALESCE((SELECT max(change_id) FROM got WHERE worker = '%1$s' AND tab = 'items' AND op = 'TRUNCATE'), 0)
		ORDER BY id, change_id DESC) l WHERE op <> 'DELETE'};
for my $worker ('poll', 'view', 'trigger', 'handler')
{
	is($node->safe_psql('postgres', "SELECT count(*) FROM (SELECT id FROM ledger WHERE tab = 'events' EXCEPT ALL SELECT id FROM got WHERE worker = '$worker' AND tab = 'events') x"), '0', "$worker: no event missed");
	is($node->safe_psql('postgres', "SELECT count(*) FROM (SELECT id FROM got WHERE worker = '$worker' AND tab = 'events' EXCEPT ALL SELECT id FROM ledger WHERE tab = 'events') x"), '0', "$worker: none told twice or made up");
	is($node->safe_psql('postgres', sprintf("SELECT count(*) FROM ((TABLE items EXCEPT SELECT r.id, r.v, i.updated_at FROM ($replayed) r JOIN items i USING (id)) ", $worker)
		. sprintf("UNION ALL (SELECT r.id, r.v, NULL FROM ($replayed) r WHERE NOT EXISTS (SELECT FROM items i WHERE i.id = r.id AND i.v = r.v))) x", $worker)), '0', "$worker: replayed, the items are the table");
	is($node->safe_psql('postgres', "SELECT count(*) FROM (SELECT id, v FROM got WHERE worker = '$worker' AND tab = 'items' AND op IN ('INSERT', 'UPDATE') GROUP BY 1, 2 HAVING count(*) > 1) x"), '0', "$worker: no version of an item twice");
	is($node->safe_psql('postgres', "SELECT count(*) FROM got g WHERE worker = '$worker' AND op IN ('INSERT', 'UPDATE') AND NOT EXISTS (SELECT FROM ledger l WHERE l.tab = g.tab AND l.id = g.id AND l.v = g.v)"), '0', "$worker: no version that was never committed");
}
is($node->safe_psql('postgres', "SELECT count(*) FROM (SELECT tab, op, id, v FROM ledger EXCEPT ALL SELECT tab, op, id, v FROM got WHERE worker = 'trigger') x"), '0', 'trigger: every version, delete and key change is there');
is($node->safe_psql('postgres', "SELECT count(*) FROM (SELECT tab, op, id, v FROM got WHERE worker = 'trigger' EXCEPT ALL SELECT tab, op, id, v FROM ledger) x"), '0', 'trigger: and nothing else');
is($node->safe_psql('postgres', "SELECT count(*) FROM (SELECT tab, id, string_agg(op || v, ',' ORDER BY n) s FROM ledger GROUP BY 1, 2) l"
	. " JOIN (SELECT tab, id, string_agg(op || v, ',' ORDER BY n) s FROM got WHERE worker = 'trigger' GROUP BY 1, 2) g USING (tab, id) WHERE l.s <> g.s"), '0', 'trigger: of each key in the order of its changes');

my $events = $node->safe_psql('postgres', "SELECT count(*) FROM ledger WHERE tab = 'events'");
my %total = ('updated_at >' => $events, 'seq >' => $events, 'journal >' => $node->safe_psql('postgres', "SELECT count(*) FROM got WHERE worker = 'trigger'"));
for my $name (sort keys %naive)
{
	my $lost = $total{$name} - keys %{ $naive{$name}{seen} };
	cmp_ok($lost, '>', 0, "a naive cursor \"$name :last\" lost $lost of $total{$name}");
	diag("naive cursor \"$name :last\": lost $lost of $total{$name} changes; pythia_db: 0");
}

done_testing();
