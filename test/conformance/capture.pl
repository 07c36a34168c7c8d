# What capture tells, the same in every host and of every source: a table of situations.
#
# Each situation has a table of its own (named as it is) and a worker, and goes in steps: [ statements => what is told ].
# What is told is written TYPE key image, the image being `v`, with `old>new` where there was an old one; in the order of
# keys.  With `again` the worker is started again before, and tells nothing then.  Words in braces are the engine's own, see Hosts.pm.  Situations of one engine alone give statements by engine.
# A host or source that differs, for a documented reason, stands in `but`.  CONFORMANCE and CONFORMANCE_HOST (regular
# expressions) choose some situations, of some hosts.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Hosts;
use JSON::PP ();
use Test::More;

my $json = JSON::PP->new->canonical->allow_nonref;
my $rows = "INSERT INTO T VALUES (1, 'a', '2026-01-01 00:00:00'), (2, 'b', '2026-01-01 00:00:00')";
my $table = 'CREATE TABLE T (id int PRIMARY KEY, v {text}, updated_at {stamp})';
my $texts = 'CREATE TABLE T (id {text} PRIMARY KEY, v {text}, updated_at {stamp})';
my $touch = 'UPDATE T SET updated_at = {now}';

# The key gets another type, its values stay as they are.
sub retyped
{
	my ($postgresql, $type) = @_;
	return {
		postgresql => "ALTER TABLE T ALTER id TYPE $postgresql USING id::$postgresql",
		mariadb => "ALTER TABLE T MODIFY id $type",
		sqlite => "ALTER TABLE T RENAME TO T_old; CREATE TABLE T (id $type PRIMARY KEY, v {text}, updated_at {stamp}); INSERT INTO T SELECT * FROM T_old; DROP TABLE T_old" };
}

# A view that fails with this SQLSTATE while it is told to.
sub sick
{
	my ($sqlstate) = @_;
	return {
		postgresql => 'CREATE TABLE T_base (id int PRIMARY KEY, v {text}, updated_at {stamp}); CREATE TABLE T_flag (sick bool); INSERT INTO T_flag VALUES (false); '
		  . "CREATE FUNCTION T_sick() RETURNS bool LANGUAGE plpgsql AS \$\$ BEGIN IF (SELECT sick FROM public.T_flag) THEN RAISE 'it is sick' USING ERRCODE = '$sqlstate'; END IF; RETURN true; END \$\$; "
		  . 'CREATE VIEW T AS SELECT * FROM T_base WHERE T_sick()' };
}

# A trigger of the application's that SQLite fires before ours.
sub newer
{
	my ($event, $statements) = @_;
	return "CREATE TRIGGER T_newer AFTER $event ON T BEGIN $statements; END; ";
}

# Whatever a writer's session sets.
my $touch_oddly = {
	postgresql => "BEGIN; SET LOCAL bytea_output = 'escape'; SET LOCAL DateStyle = 'SQL, DMY'; SET LOCAL IntervalStyle = 'sql_standard'; "
	  . "SET LOCAL extra_float_digits = -5; SET LOCAL TimeZone = 'Asia/Kolkata'; $touch; COMMIT",
	mariadb => "SET time_zone = '+05:30', sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES'; $touch; SET time_zone = DEFAULT, sql_mode = DEFAULT" };

# Two values of a type, by polls and by triggers: what is read at the start, scanned, and logged is spelled alike, as
# JSON; references are to what is no string in it.
sub alike
{
	my ($name, $type, $values, @spelled) = @_;
	my ($engine) = keys %$values;
	my ($one, $two) = @{ $values->{$engine} };
	my $touch = $touch_oddly->{$engine};
	@spelled = map { ref $_ ? $$_ : $json->encode($_) } @spelled ? @spelled : ($one, $two);
	my %table = (
		table => { $engine => "CREATE TABLE T (id int PRIMARY KEY, v $type, updated_at {stamp})" },
		rows => "INSERT INTO T VALUES (1, '$one', '2026-01-01 00:00:00'), (2, '$two', '2026-01-01 00:00:00')");
	my $first = [ '' => "INSERT 1 $spelled[0], INSERT 2 $spelled[1]" ];
	return (
		[ "alike_$name", { %table, exact => 1 }, $first, [ $touch => "UPDATE 1 $spelled[0], UPDATE 2 $spelled[1]" ] ],
		[ "alike_${name}_logged", { %table, exact => 1, capture => 'trigger' }, $first,
			[ $touch => "UPDATE 1 $spelled[0]>$spelled[0], UPDATE 2 $spelled[1]>$spelled[1]" ] ]);
}

my @situations = (
	[ 'beginning', {}, [ '' => 'INSERT 1 a, INSERT 2 b' ], [ '' => '' ] ],
	[ 'start_now', { start_from => 'now' }, [ '' => '' ], [ "UPDATE T SET v = 'c', updated_at = {now} WHERE id = 1" => 'UPDATE 1 c' ] ],
	[ 'start_then', { start_from => '2026-01-01 00:00:00' }, [ '' => 'INSERT 1 a, INSERT 2 b' ] ],
	[ 'tracked_keys', {},
		[ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ "UPDATE T SET v = 'c', updated_at = {now} WHERE id = 1; DELETE FROM T WHERE id = 2; INSERT INTO T VALUES (3, 'd', {now})" => 'UPDATE 1 c, DELETE 2, INSERT 3 d' ] ],
	[ 'images', { track => 'rows' },
		[ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ "UPDATE T SET v = 'c', updated_at = {now} WHERE id = 1; DELETE FROM T WHERE id = 2; INSERT INTO T VALUES (3, 'd', {now})" => 'UPDATE 1 a>c, DELETE 2 b, INSERT 3 d' ],
		[ "UPDATE T SET v = 'e', updated_at = {now} WHERE id = 1" => 'UPDATE 1 c>e' ] ],
	# what came within lookback is known all the same
	[ 'nothing_kept', { track => 'none', lookback => 600 },
		[ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ "INSERT INTO T VALUES (3, 'd', {now}); DELETE FROM T WHERE id = 1" => 'INSERT 3 d' ],
		[ "UPDATE T SET v = 'e', updated_at = {now} WHERE id = 3" => 'UPDATE 3 e' ] ],
	[ 'restamped', {}, [ '' => 'INSERT 1 a, INSERT 2 b' ], [ $touch => 'UPDATE 1 a, UPDATE 2 b' ] ],
	[ 'restamped_rows', { track => 'rows' }, [ '' => 'INSERT 1 a, INSERT 2 b' ], [ $touch => '' ], [ $touch => '' ],
		[ "UPDATE T SET v = 'c', updated_at = {now} WHERE id = 1" => 'UPDATE 1 a>c' ] ],
	[ 'restamped_from_now', { track => 'rows', start_from => 'now' }, [ '' => '' ], [ $touch => '' ],
		[ "UPDATE T SET v = 'c', updated_at = {now} WHERE id = 1; DELETE FROM T WHERE id = 2" => 'UPDATE 1 a>c, DELETE 2 b' ] ],
	[ 'unseen_column', { track => 'rows', exclude_columns => ['v'] }, [ '' => 'INSERT 1 -, INSERT 2 -' ],
		[ "UPDATE T SET v = 'c', updated_at = {now}" => '' ] ],
	[ 'emptied', {}, [ '' => 'INSERT 1 a, INSERT 2 b' ], [ 'DELETE FROM T' => 'TRUNCATE' ], [ "INSERT INTO T VALUES (1, 'a', {now})" => 'INSERT 1 a' ] ],
	[ 'emptied_condition', { where => "v <> 'x'" }, [ '' => 'INSERT 1 a, INSERT 2 b' ], [ 'DELETE FROM T' => 'DELETE 1, DELETE 2' ] ],
	[ 'leaves_condition', { where => "v <> 'x'", track => 'rows' }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ "UPDATE T SET v = 'x', updated_at = {now}" => 'DELETE 1 a, DELETE 2 b' ] ],
	[ 'never_there', {}, [ '' => 'INSERT 1 a, INSERT 2 b' ], [ "INSERT INTO T VALUES (3, 'c', {now}); DELETE FROM T WHERE id = 3" => '' ] ],
	[ 'new_key', { track => 'rows' }, [ '' => 'INSERT 1 a, INSERT 2 b' ], [ 'UPDATE T SET id = 3, updated_at = {now} WHERE id = 1' => 'DELETE 1 a, INSERT 3 a' ] ],
	[ 'replaced', { track => 'rows' }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ "DELETE FROM T WHERE id = 1; INSERT INTO T VALUES (1, 'z', {now})" => 'UPDATE 1 a>z' ] ],
	[ 'no_stamp', {}, [ "INSERT INTO T VALUES (3, 'c', NULL)" => 'INSERT 1 a, INSERT 2 b' ], [ "UPDATE T SET v = 'd' WHERE id = 3" => '' ] ],
	[ 'one_stamp', {}, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ "INSERT INTO T VALUES (3, 'c', '2100-01-01 00:00:00')" => 'INSERT 3 c' ], [ "INSERT INTO T VALUES (4, 'd', '2100-01-01 00:00:00')" => 'INSERT 4 d' ] ],
	[ 'more_columns', { track => 'rows' }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ "ALTER TABLE T ADD w int; UPDATE T SET v = 'c', updated_at = {now} WHERE id = 1" => 'UPDATE 1 a>c' ] ],
	[ 'key_widened', {}, [ '' => 'INSERT 1 a, INSERT 2 b' ], [ retyped('bigint', 'bigint') => '' ],
		[ "UPDATE T SET v = 'c', updated_at = {now} WHERE id = 1" => 'UPDATE 1 c' ] ],
	[ 'key_becomes_number', { table => $texts }, [ '' => 'INSERT 1 a, INSERT 2 b' ], [ retyped('integer', 'integer') => '', stopped => qr/key/ ],
		[ $touch => '', stopped => qr/key/ ] ],
	[ 'key_becomes_text', { track => 'rows', start_from => 'now' }, [ '' => '' ],
		[ retyped('text', 'varchar(20)') => '', stopped => qr/key/, but => { 'PostgreSQL, its own tables' => { stopped => undef } } ] ],

	# what ails the source for now stops nothing; what is wrong with the table stops it
	[ 'source_is_sick', { table => sick('53200'), key => ['id'] }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ { postgresql => "UPDATE T_flag SET sick = true; UPDATE T_base SET v = 'c', updated_at = {now} WHERE id = 1" } => '' ],
		[ { postgresql => 'UPDATE T_flag SET sick = false' } => 'UPDATE 1 c' ] ],
	[ 'table_is_sick', { table => sick('P0001'), key => ['id'] }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ { postgresql => "UPDATE T_flag SET sick = true; UPDATE T_base SET v = 'c', updated_at = {now} WHERE id = 1" } => '', stopped => qr/it is sick/ ] ],

	# triggers tell every version
	[ 'every_version', { capture => 'trigger' }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ "INSERT INTO T VALUES (3, 'c', {now}); UPDATE T SET v = 'd' WHERE id = 3; UPDATE T SET v = 'e' WHERE id = 3; DELETE FROM T WHERE id = 3" => 'INSERT 3 c, UPDATE 3 c>d, UPDATE 3 d>e, DELETE 3 e' ] ],
	# also where the value is worked out when it is read, but in PostgreSQL
	[ 'logged_generated', {
			capture => 'trigger', table => {
				postgresql => 'CREATE TABLE T (id int PRIMARY KEY, w {text}, updated_at {stamp}, v text GENERATED ALWAYS AS (upper(w)) STORED)',
				map { $_ => 'CREATE TABLE T (id int PRIMARY KEY, w {text}, updated_at {stamp}, v {text} GENERATED ALWAYS AS (upper(w)) VIRTUAL)' } qw(mariadb sqlite) },
			rows => $rows =~ s/T VALUES/T (id, w, updated_at) VALUES/r },
		[ '' => 'INSERT 1 A, INSERT 2 B' ], [ "UPDATE T SET w = 'c' WHERE id = 1" => 'UPDATE 1 A>C' ] ],
	[ 'logged_restamped', { capture => 'trigger' }, [ '' => 'INSERT 1 a, INSERT 2 b' ], [ $touch => 'UPDATE 1 a>a, UPDATE 2 b>b' ] ],
	[ 'logged_restamped_rows', { capture => 'trigger', track => 'rows' }, [ '' => 'INSERT 1 a, INSERT 2 b' ], [ $touch => '' ],
		[ 'UPDATE T SET v = v' => '' ], [ "UPDATE T SET v = 'c', updated_at = {now} WHERE id = 1" => 'UPDATE 1 a>c' ] ],
	[ 'logged_new_key', { capture => 'trigger', track => 'rows' }, [ '' => 'INSERT 1 a, INSERT 2 b' ], [ 'UPDATE T SET id = 3 WHERE id = 1' => 'DELETE 1 a, INSERT 3 a' ] ],
	[ 'logged_key_unseen', { capture => 'trigger', track => 'rows', exclude_columns => [ 'id', 'v' ] }, [ '' => 'INSERT 1 -, INSERT 2 -' ],
		[ 'UPDATE T SET id = 3 WHERE id = 1' => 'DELETE 1 -, INSERT 3 -' ] ],
	[ 'logged_condition', { capture => 'trigger', where => "v <> 'x'" }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ "UPDATE T SET v = 'x' WHERE id = 1" => 'DELETE 1 a' ], [ "UPDATE T SET v = 'y' WHERE id = 1" => 'INSERT 1 y' ] ],
	[ 'logged_names', {
			capture => 'trigger', where => "after > 3 AND tg_op = 'x' AND n = 1",
			table => 'CREATE TABLE T (id int PRIMARY KEY, v {text}, updated_at {stamp}, after int, tg_op {text}, n int)',
			rows => "INSERT INTO T VALUES (1, 'a', '2026-01-01 00:00:00', 4, 'x', 1), (2, 'b', '2026-01-01 00:00:00', 4, 'x', 1)" },
		[ '' => 'INSERT 1 a, INSERT 2 b' ], [ "UPDATE T SET after = 3 WHERE id = 1; UPDATE T SET v = 'c' WHERE id = 2" => 'DELETE 1 a, UPDATE 2 b>c' ] ],
	[ 'logged_failing_condition', {
			capture => 'trigger', where => '100 / n > 3',
			table => 'CREATE TABLE T (id int PRIMARY KEY, v {text}, updated_at {stamp}, n int)',
			rows => "INSERT INTO T VALUES (1, 'a', '2026-01-01 00:00:00', 4), (2, 'b', '2026-01-01 00:00:00', 4)" },
		[ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ { postgresql => 'UPDATE T SET n = 0 WHERE id = 1' } => '', stopped => qr/division by zero/ ] ],
	[ 'logged_nothing_condition', {
			capture => 'trigger', where => '100 / n > 3',
			table => 'CREATE TABLE T (id int PRIMARY KEY, v {text}, updated_at {stamp}, n int)',
			rows => "INSERT INTO T VALUES (1, 'a', '2026-01-01 00:00:00', 4), (2, 'b', '2026-01-01 00:00:00', 4)" },
		[ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ { mariadb => 'UPDATE T SET n = 0 WHERE id = 1', sqlite => 'UPDATE T SET n = 0 WHERE id = 1' } => 'DELETE 1 a' ] ],
	# what jsonb does not take is told as its JSON text
	[ 'logged_json', {
			capture => 'trigger', table => 'CREATE TABLE T (id int PRIMARY KEY, v json, updated_at {stamp})',
			rows => q{INSERT INTO T VALUES (1, '"a"', '2026-01-01 00:00:00'), (2, '"b"', '2026-01-01 00:00:00')} },
		[ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ { postgresql => q{INSERT INTO T VALUES (3, '"x\\u0000y"', {now}); UPDATE T SET v = '1e400000' WHERE id = 1; UPDATE T SET v = '"\\ud83d"' WHERE id = 2} }
			=> q{UPDATE 1 a>1e400000, UPDATE 2 b>"\ud83d", INSERT 3 "x\u0000y"} ] ],
	[ 'zero_byte', {}, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ { mariadb => q{INSERT INTO T VALUES (3, 'x\\0y', {now})}, sqlite => q{INSERT INTO T VALUES (3, 'x' || char(0) || 'y', {now})} } => "INSERT 3 x\0y",
			but => { map { +"PostgreSQL, from $_" => { told => q{INSERT 3 "x\u0000y"} } } qw(mariadb sqlite) } ],
		[ { mariadb => "UPDATE T SET v = 'c', updated_at = {now} WHERE id = 3", sqlite => "UPDATE T SET v = 'c', updated_at = {now} WHERE id = 3" } => 'UPDATE 3 c' ] ],
	# the table's own triggers, and its foreign keys, change the row again
	[ 'logged_order', {
			capture => 'trigger', table => {
				postgresql => 'CREATE TABLE T (id int PRIMARY KEY, v {text}, updated_at {stamp}); '
				  . 'CREATE FUNCTION T_first() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN '
				  . q{IF NEW.v = 'gone' THEN DELETE FROM public.T WHERE id = NEW.id; ELSE UPDATE public.T SET v = upper(v) WHERE id = NEW.id; END IF; RETURN NULL; END $$; }
				  . 'CREATE TRIGGER "0_first" AFTER INSERT ON T FOR EACH ROW EXECUTE FUNCTION T_first()' } },
		[ '' => 'INSERT 1 A, INSERT 2 B' ],
		[ { postgresql => "INSERT INTO T VALUES (3, 'c', {now}), (4, 'gone', {now})" } => 'INSERT 3 c, UPDATE 3 c>C, INSERT 4 gone, DELETE 4 gone' ] ],
	(map {
		my ($kind, $first) = @$_;
		[ "logged_order_$kind", {
				capture => 'trigger', table => {
					postgresql => 'CREATE TABLE T (id int PRIMARY KEY, v {text}, updated_at {stamp}); '
					  . 'CREATE FUNCTION T_first() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE public.T SET v = upper(v) WHERE id = NEW.id; RETURN NULL; END $$; '
					  . qq{CREATE TRIGGER "$first" AFTER INSERT ON T FOR EACH ROW EXECUTE FUNCTION T_first()} } },
			[ '' => 'INSERT 1 A, INSERT 2 B' ], [ { postgresql => "INSERT INTO T VALUES (3, 'c', {now})" } => 'INSERT 3 c, UPDATE 3 c>C' ] ]
	} [ blank => ' a' ], [ blanks => '    a' ], [ tab => "\ta" ], [ sign => '!a' ]),
	# SQLite fires the newest trigger first: until the next poll the inner change is logged before the outer one
	[ 'logged_order_newer', { capture => 'trigger' }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ { sqlite => newer('INSERT', 'UPDATE T SET v = upper(v) WHERE id = NEW.id; UPDATE T SET v = v || 1 WHERE id = NEW.id')
				. "INSERT INTO T VALUES (3, 'c', {now}), (4, 'd', {now})" } => 'INSERT 3 c, UPDATE 3 c>C, UPDATE 3 C>C1, INSERT 4 d, UPDATE 4 d>D, UPDATE 4 D>D1' ],
		[ { sqlite => "INSERT INTO T VALUES (5, 'e', {now})" } => 'INSERT 5 e, UPDATE 5 e>E, UPDATE 5 E>E1' ] ],
	[ 'logged_order_gone', { capture => 'trigger' }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ { sqlite => newer('INSERT', 'DELETE FROM T WHERE id = NEW.id') . "INSERT INTO T VALUES (3, 'c', {now}); INSERT INTO T VALUES (3, 'd', {now})" }
			=> 'INSERT 3 c, DELETE 3 c, INSERT 3 d, DELETE 3 d' ] ],
	[ 'logged_order_back', { capture => 'trigger' }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ { sqlite => newer('DELETE', 'INSERT INTO T VALUES (OLD.id, OLD.v, OLD.updated_at)') . 'DELETE FROM T WHERE id = 1' } => 'DELETE 1 a, INSERT 1 a' ] ],
	[ 'logged_order_undone', { capture => 'trigger' }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ { sqlite => newer('UPDATE', 'UPDATE T SET v = OLD.v WHERE id = NEW.id') . "UPDATE T SET v = 'x' WHERE id = 1" } => 'UPDATE 1 a>x, UPDATE 1 x>a' ] ],
	[ 'logged_order_session', { capture => 'trigger' }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ { sqlite => newer('INSERT', 'UPDATE T SET v = upper(v) WHERE id = NEW.id') =~ s/CREATE/CREATE TEMP/r . "INSERT INTO T VALUES (3, 'c', {now})" } => 'INSERT 3 c, UPDATE 3 c>C' ] ],
	[ 'logged_order_recursive', { capture => 'trigger' }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ { sqlite => 'PRAGMA recursive_triggers = on; ' . newer('UPDATE', 'UPDATE T SET v = v || 1 WHERE id = NEW.id AND length(v) < 4') . "UPDATE T SET v = 'x' WHERE id = 1; PRAGMA recursive_triggers = off" }
			=> 'UPDATE 1 a>x, UPDATE 1 x>x1, UPDATE 1 x1>x11, UPDATE 1 x11>x111' ] ],
	[ 'logged_order_replaced', { capture => 'trigger', table => { sqlite => 'CREATE TABLE T (id int PRIMARY KEY, v text UNIQUE, updated_at {stamp})' } }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ { sqlite => newer('INSERT', 'UPDATE T SET v = upper(v) WHERE id = NEW.id') . "REPLACE INTO T VALUES (1, 'x', {now}), (3, 'b', {now})" }
			=> 'UPDATE 1 a>x, UPDATE 1 x>X, DELETE 2 b, INSERT 3 b, UPDATE 3 b>B' ],
		[ { sqlite => "REPLACE INTO T VALUES (1, 'y', {now}), (4, 'B', {now})" } => 'UPDATE 1 X>y, UPDATE 1 y>Y, DELETE 3 B, INSERT 4 B' ] ],
	[ 'logged_order_replaced_unseen', { capture => 'trigger', where => "v <> 'x'", table => { sqlite => 'CREATE TABLE T (id int PRIMARY KEY, v text, updated_at {stamp})' } }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ { sqlite => newer('INSERT', 'UPDATE T SET v = upper(v) WHERE id = 2') . "REPLACE INTO T VALUES (1, 'x', {now})" } => 'DELETE 1 a, UPDATE 2 b>B' ] ],
	[ 'logged_order_cascade', {
			capture => 'trigger', track => 'rows', table => { sqlite => 'CREATE TABLE T (id int PRIMARY KEY, v int REFERENCES T (id) ON UPDATE CASCADE ON DELETE CASCADE, updated_at {stamp})' },
			rows => "INSERT INTO T VALUES (1, 1, '2026-01-01 00:00:00'), (2, 1, '2026-01-01 00:00:00')" }, [ '' => 'INSERT 1 1, INSERT 2 1' ],
		[ { sqlite => 'PRAGMA foreign_keys = on; UPDATE T SET id = 5 WHERE id = 1; PRAGMA foreign_keys = off' } => 'DELETE 1 1, UPDATE 2 1>5, INSERT 5 1, UPDATE 5 1>5' ],
		[ { sqlite => 'PRAGMA foreign_keys = on; DELETE FROM T WHERE id = 5; PRAGMA foreign_keys = off' } => 'DELETE 2 5, DELETE 5 5' ] ],
	[ 'logged_wide', {
			capture => 'trigger', table => { mariadb => 'CREATE TABLE T (id int PRIMARY KEY, v {text}, updated_at {stamp}, ' . join(', ', map { "c$_ text" } 1 .. 150) . ')' },
			rows => 'INSERT INTO T VALUES ' . join(', ', map { "($_->[0], '$_->[1]', '2026-01-01 00:00:00'" . (", repeat('a', 40)" x 150) . ')' } ([ 1, 'a' ], [ 2, 'b' ])) },
		[ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ { mariadb => "UPDATE T SET v = 'c', c1 = repeat('b', 40); UPDATE T SET v = 'd', " . join(', ', map { "c$_ = repeat('d', 40)" } 1 .. 150) }
			=> 'UPDATE 1 a>c, UPDATE 1 c>d, UPDATE 2 b>c, UPDATE 2 c>d' ] ],
	# a row without a key is none to polls, and told by triggers; in a key that is chosen, as in SQLite's own
	(map {
		my ($name, $key, $more) = @$_;
		my %made = (%$more, table => $key, rows => "INSERT INTO T VALUES ('A', 'a', '2026-01-01 00:00:00'), (NULL, 'b', '2026-01-01 00:00:00')");
		my $change = "INSERT INTO T VALUES (NULL, 'c', {now}), ('D', 'd', {now}); UPDATE T SET v = 'e', updated_at = {now} WHERE v = 'b'; DELETE FROM T WHERE v = 'c'; UPDATE T SET id = NULL, updated_at = {now} WHERE v = 'a'";
		my @change = (ref $key ? { sqlite => $change } : $change);
		[ "$name", {%made}, [ '' => 'INSERT A a' ], [ @change => 'DELETE A, INSERT D d' ] ],
		  [ "${name}_logged", { %made, capture => 'trigger' }, [ '' => 'INSERT b, INSERT A a' ],
			[ @change => 'INSERT c, UPDATE b>e, DELETE c, INSERT a, DELETE A a, INSERT D d' ] ]
	} [ keyless => 'CREATE TABLE T (id {text} UNIQUE, v {text}, updated_at {stamp})', { key => ['id'] } ],
		[ keyless_own => { sqlite => 'CREATE TABLE T (id {text} PRIMARY KEY, v {text}, updated_at {stamp})' }, {} ]),
	# where another unique column tells which row goes: of two without a key the one becomes the other
	[ 'keyless_replaced', {
			capture => 'trigger', table => { sqlite => 'CREATE TABLE T (id text PRIMARY KEY, v text UNIQUE, updated_at {stamp})' },
			rows => "INSERT INTO T VALUES (NULL, 'a', 0), ('B', 'b', 0)" },
		[ '' => 'INSERT a, INSERT B b' ],
		[ { sqlite => "REPLACE INTO T VALUES (NULL, 'a', 1); REPLACE INTO T VALUES (NULL, 'b', 1), ('C', 'a', 2)" } => 'UPDATE a>a, INSERT b, DELETE a, DELETE B b, INSERT C a' ] ],
	# keys of every type that can be one
	(map {
		my ($name, $type, $before, $one, $two, @spelled) = @$_;
		my $engine = $before =~ s/^(\w+): ?// ? $1 : 'postgresql';
		my %made = (table => { $engine => "${before}CREATE TABLE T (id $type, v {text}, updated_at {stamp}, PRIMARY KEY (id))" },
			rows => "INSERT INTO T VALUES ($one, 'a', '2026-01-01 00:00:00'), ($two, 'b', '2026-01-01 00:00:00')");
		my $told = sub { my ($one, $two) = @_; join ', ', $spelled[0] lt $spelled[1] ? ($one, $two) : ($two, $one) };
		map {
			my $logged = $_;
			[ "key_$name" . ($logged ? '_logged' : ''), { %made, $logged ? (capture => 'trigger') : () }, [ '' => $told->("INSERT $spelled[0] a", "INSERT $spelled[1] b") ],
				[ { $engine => "UPDATE T SET v = 'c', updated_at = {now} WHERE v = 'a'" } => "UPDATE $spelled[0] " . ($logged ? 'a>c' : 'c') ],
				[ { $engine => "DELETE FROM T WHERE v = 'c'; UPDATE T SET v = 'd', updated_at = {now} WHERE v = 'b'" } => $told->("DELETE $spelled[0]" . ($logged ? ' c' : ''), "UPDATE $spelled[1] " . ($logged ? 'b>d' : 'd')) ] ]
		} 0, 1
	} [ float => 'float8', '', "'NaN'", "'-Infinity'", 'NaN', '-Infinity' ],
		[ domain => 'T_positive', 'CREATE DOMAIN T_positive AS numeric(10, 2) CHECK (VALUE > 0); ', '1.50', '22', '1.5', '22' ],
		[ composite => 'T_pair', 'CREATE TYPE T_pair AS (a int, b text); ', "(1, 'x y')", "(2, 'z')", '(1,"x y")', '(2,z)' ],
		[ enum => 'T_mood', q{CREATE TYPE T_mood AS ENUM ('low', 'Low', 'a'); }, "'low'", "'Low'", 'low', 'Low' ],
		[ collation => 'text COLLATE T_blind', q{CREATE COLLATION T_blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false); }, "'Ann'", "'BEN'", 'Ann', 'BEN' ],
		[ bytes => 'bytea', '', q{'\x00ff'}, q{'a'}, '\x00ff', '\x61' ],
		[ oid => 'oid', '', '4294967295', '7', '4294967295', '7' ],
		[ class => 'regclass', '', "'pg_class'", "4000000000", 'pg_class', '4000000000' ],
		[ double => 'double', 'mariadb:', '1e15', '-0.5', '1000000000000000', '-0.5' ],
		[ labels => q{enum('low', 'high')}, 'mariadb:', "'low'", "'high'", 'low', 'high' ],
		[ blind => 'varchar(20) COLLATE utf8mb4_unicode_ci', 'mariadb:', "'Ann'", "'BEN'", 'Ann', 'BEN' ]),
	# a table that an online change of its definition swaps under its triggers
	[ 'logged_swapped', { capture => 'trigger' }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ { postgresql => "CREATE TABLE T_gho (LIKE T INCLUDING ALL); INSERT INTO T_gho SELECT * FROM T; BEGIN; ALTER TABLE T RENAME TO T_del; ALTER TABLE T_gho RENAME TO T; COMMIT; UPDATE T SET v = 'c' WHERE id = 1",
			mariadb => "CREATE TABLE T_gho LIKE T; INSERT INTO T_gho SELECT * FROM T; RENAME TABLE T TO T_del, T_gho TO T; UPDATE T SET v = 'c' WHERE id = 1",
			sqlite => "CREATE TABLE T_gho (id int PRIMARY KEY, v {text}, updated_at {stamp}); INSERT INTO T_gho SELECT * FROM T; ALTER TABLE T RENAME TO T_del; ALTER TABLE T_gho RENAME TO T; UPDATE T SET v = 'c' WHERE id = 1" } => '', stopped => qr/gone|disabled/ ],
		[ "UPDATE T SET v = 'd' WHERE id = 1; UPDATE T SET v = 'e' WHERE id = 2" => 'UPDATE 1 c>d, UPDATE 2 b>e', again => 1 ] ],
	# somebody drops what the triggers log to: no writer fails
	[ 'logged_without_log', { capture => 'trigger' }, [ "UPDATE T SET v = 'b' WHERE id = 2" => 'INSERT 1 a, INSERT 2 b' ],
		[ { mariadb => "SET \@gone = (SELECT CONCAT('DROP TABLE ', LEFT(TRIGGER_NAME, 23)) FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = 'T' LIMIT 1); PREPARE gone FROM \@gone; EXECUTE gone; UPDATE T SET v = 'c' WHERE id = 1",
			postgresql => q{DO $$ BEGIN EXECUTE (SELECT 'DROP TABLE ' || substring(tgname FROM 'pythia_log_[0-9a-f]+') FROM pg_trigger WHERE tgrelid = 'T'::regclass AND tgname ~ 'pythia_log_' LIMIT 1); EXCEPTION WHEN null_value_not_allowed THEN END $$; UPDATE T SET v = 'c' WHERE id = 1} }
			=> '', stopped => qr/pythia_log_/, but => { 'PostgreSQL, its own tables' => { told => 'UPDATE 1 a>c', stopped => undef } } ],
		[ "UPDATE T SET v = 'd' WHERE id = 1; UPDATE T SET v = 'e' WHERE id = 2" => 'UPDATE 1 c>d, UPDATE 2 b>e', again => 1 ] ],
	# a partition's rows come with it: polls tell those whose stamps are new, triggers none
	(map {
		my ($capture, $told) = @$_;
		[ "attached_$capture", {
				$capture eq 'trigger' ? (capture => 'trigger') : (),
				table => { postgresql => 'CREATE TABLE T (id int PRIMARY KEY, v {text}, updated_at {stamp}) PARTITION BY RANGE (id); CREATE TABLE T_1 PARTITION OF T FOR VALUES FROM (0) TO (10)' } },
			[ '' => 'INSERT 1 a, INSERT 2 b' ],
			[ { postgresql => "CREATE TABLE T_2 (id int PRIMARY KEY, v {text}, updated_at {stamp}); INSERT INTO T_2 VALUES (11, 'c', {now}), (12, 'd', '2000-01-01'); ALTER TABLE T ATTACH PARTITION T_2 FOR VALUES FROM (10) TO (20); INSERT INTO T VALUES (13, 'e', {now})" } => $told ],
			[ { postgresql => "ALTER TABLE T DETACH PARTITION T_2; UPDATE T_2 SET v = 'f', updated_at = {now}; UPDATE T SET v = 'g', updated_at = {now} WHERE id = 1" } => $capture eq 'trigger' ? 'UPDATE 1 a>g' : 'UPDATE 1 g, DELETE 11, DELETE 13' ] ]
	} [ poll => 'INSERT 11 c, INSERT 13 e' ], [ trigger => 'INSERT 13 e' ]),
	# what triggers do not see any more is noticed
	[ 'logged_cascade_later', { capture => 'trigger' }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ { mariadb => 'ALTER TABLE T ADD p int; CREATE TABLE T_parent (id int PRIMARY KEY); ALTER TABLE T ADD FOREIGN KEY (p) REFERENCES T_parent (id) ON DELETE CASCADE' } => '', stopped => qr/foreign key/ ] ],
	[ 'logged_heir_later', { capture => 'trigger' }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ { postgresql => 'CREATE TABLE T_heir () INHERITS (T)' } => '', stopped => qr/inherits? from/ ] ],
	[ 'logged_disabled', { capture => 'trigger' }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ { postgresql => "ALTER TABLE T DISABLE TRIGGER ALL; UPDATE T SET v = 'c'; ALTER TABLE T ENABLE TRIGGER ALL" } => '', stopped => qr/disabled/ ] ],
	[ 'logged_truncate_disabled', { capture => 'trigger' }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ { postgresql => q{DO $$ DECLARE name name; BEGIN SELECT tgname INTO name FROM pg_trigger WHERE tgrelid = 'T'::regclass AND tgtype & 32 <> 0; EXECUTE format('ALTER TABLE T DISABLE TRIGGER %I', name); TRUNCATE T; EXECUTE format('ALTER TABLE T ENABLE TRIGGER %I', name); END $$} } => '', stopped => qr/TRUNCATE|disabled/ ] ],
	[ 'logged_truncate_dropped', { capture => 'trigger' }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ { postgresql => q{DO $$ DECLARE name name; BEGIN SELECT tgname INTO name FROM pg_trigger WHERE tgrelid = 'T'::regclass AND tgtype & 32 <> 0; EXECUTE format('DROP TRIGGER %I ON T', name); END $$} } => '', stopped => qr/TRUNCATE|gone/ ] ],
	[ 'logged_unlogged', { capture => 'trigger' }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ { postgresql => 'ALTER TABLE T SET UNLOGGED' } => '', stopped => qr/unlogged/ ] ],
	[ 'logged_renamed', { capture => 'trigger' }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ "ALTER TABLE T RENAME TO T_new; UPDATE T_new SET v = 'c' WHERE id = 1" => 'UPDATE 1 a>c' ], [ "UPDATE T_new SET v = 'd' WHERE id = 1" => 'UPDATE 1 c>d' ] ],
	[ 'renamed', {}, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ "ALTER TABLE T RENAME TO T_new; UPDATE T_new SET v = 'c', updated_at = {now} WHERE id = 1" => '', stopped => qr/does not exist/,
			but => { 'PostgreSQL, its own tables' => { told => 'UPDATE 1 c', stopped => undef } } ] ],
	[ 'stamp_renamed', {}, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ "ALTER TABLE T RENAME COLUMN updated_at TO stamped_at; UPDATE T SET v = 'c', stamped_at = {now} WHERE id = 1" => '', stopped => qr/updated_at/,
			but => { 'PostgreSQL, its own tables' => { told => 'UPDATE 1 c', stopped => undef } } ] ],
	[ 'logged_replaced_nocase', {
			capture => 'trigger', table => { sqlite => 'CREATE TABLE T (id text COLLATE NOCASE PRIMARY KEY, v text COLLATE RTRIM UNIQUE, updated_at {stamp})' },
			rows => "INSERT INTO T VALUES ('A', 'a', 0), ('B', 'b', 0)" },
		[ '' => 'INSERT A a, INSERT B b' ],
		[ { sqlite => "INSERT OR REPLACE INTO T VALUES ('a', 'x', 0); INSERT OR REPLACE INTO T VALUES ('C', 'b ', 0)" } => 'DELETE A a, DELETE B b, INSERT C b , INSERT a x' ] ],
	# by indexes that SQLite alone can read, also by one that comes later
	(map {
		my ($name, $index) = @$_;
		my %made = (capture => 'trigger', rows => "INSERT INTO T VALUES (1, 'a', 0), (2, 'b', 0)");
		my $columns = 'id integer PRIMARY KEY, v text, updated_at {stamp}';
		[ "logged_replaced_$name", { %made, table => { sqlite => "CREATE TABLE T ($columns); $index" } }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
			[ { sqlite => q{INSERT OR REPLACE INTO T VALUES (3, 'A', 0); INSERT OR REPLACE INTO T (v, updated_at) VALUES ('B', 0)} } => 'DELETE 1 a, DELETE 2 b, INSERT 3 A, INSERT 4 B' ],
			[ { sqlite => q{INSERT OR IGNORE INTO T VALUES (5, 'b', 0), (6, 'c', 0); UPDATE OR REPLACE T SET v = 'a' WHERE id = 4; UPDATE OR IGNORE T SET v = 'a' WHERE id = 6} } => 'DELETE 3 A, UPDATE 4 B>a, INSERT 6 c' ],
			[ { sqlite => q{UPDATE OR REPLACE T SET id = 4 WHERE id = 6; REPLACE INTO T VALUES (4, 'd', 0)} } => 'DELETE 4 a, INSERT 4 c, UPDATE 4 c>d, DELETE 6 c' ] ],
		  [ "logged_replaced_${name}_later", { %made, table => { sqlite => "CREATE TABLE T ($columns)" } }, [ '' => 'INSERT 1 a, INSERT 2 b' ], [ { sqlite => $index } => '' ],
			[ { sqlite => q{INSERT OR REPLACE INTO T VALUES (3, 'A', 0)} } => 'DELETE 1 a, INSERT 3 A' ] ],
		  [ "logged_replaced_${name}_unseen", { %made, where => "v <> 'X'", table => { sqlite => "CREATE TABLE T ($columns); $index" }, rows => "INSERT INTO T VALUES (1, 'x', 0), (2, 'b', 0)" }, [ '' => 'INSERT 1 x, INSERT 2 b' ],
			[ { sqlite => q{REPLACE INTO T VALUES (3, 'X', 0); INSERT OR IGNORE INTO T VALUES (4, 'B', 0)} } => 'DELETE 1 x' ],
			[ { sqlite => q{UPDATE OR REPLACE T SET v = 'y' WHERE id = 2; UPDATE OR REPLACE T SET v = 'X' WHERE id = 2} } => 'UPDATE 2 b>y, DELETE 2 y' ] ]
	} [ expression => 'CREATE UNIQUE INDEX T_x ON T (lower(v) DESC)' ],
		[ partial => q{CREATE UNIQUE INDEX "T x(" ON T (v COLLATE NOCASE /* ) */, updated_at) WHERE v <> ')' AND length(v) > 0 -- (} . "\n" ],
		[ collated => 'CREATE UNIQUE INDEX T_x ON T (v COLLATE NOCASE)' ]),
	[ 'logged_replaced_constraint', { capture => 'trigger', table => { sqlite => 'CREATE TABLE T (id text COLLATE NOCASE PRIMARY KEY, v text, updated_at {stamp}, UNIQUE (v COLLATE RTRIM)) WITHOUT ROWID' },
			rows => "INSERT INTO T VALUES ('A', 'a', 0), ('B', 'b', 0)" }, [ '' => 'INSERT A a, INSERT B b' ],
		[ { sqlite => "REPLACE INTO T VALUES ('a', 'b  ', 0)" } => 'DELETE A a, DELETE B b, INSERT a b  ' ] ],
	# of one column, stamps that are written in several ways
	[ 'stamps_mixed', { table => { sqlite => 'CREATE TABLE T (id int PRIMARY KEY, v {text}, updated_at datetime)' } }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ { sqlite => q{INSERT INTO T VALUES (3, 'c', strftime('%Y-%m-%dT%H:%M:%fZ', 'now')); INSERT INTO T VALUES (4, 'd', CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))} } => 'INSERT 3 c, INSERT 4 d' ],
		[ { sqlite => q{INSERT INTO T VALUES (5, 'e', datetime('now')); INSERT INTO T VALUES (6, 'f', CAST(strftime('%s', 'now') AS INTEGER)); INSERT INTO T VALUES (7, 'g', strftime('%Y-%m-%dT%H:%M:%f', 'now'))} } => 'INSERT 5 e, INSERT 6 f, INSERT 7 g' ],
		[ '' => '' ] ],
	[ 'stamps_come_later', { rows => '', start_from => 'now', table => { sqlite => 'CREATE TABLE T (id int PRIMARY KEY, v {text}, updated_at datetime)' } }, [ '' => '' ],
		[ { sqlite => q{INSERT INTO T VALUES (4, 'd', CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))} } => 'INSERT 4 d' ] ],
	# a row that is stamped with a day alone comes at any time of it
	[ 'stamps_days', { table => 'CREATE TABLE T (id int PRIMARY KEY, v {text}, updated_at date)', rows => "INSERT INTO T VALUES (1, 'a', '2026-01-01'), (2, 'b', '2026-01-01')" },
		[ '' => 'INSERT 1 a, INSERT 2 b' ], [ '' => '' ],
		[ "INSERT INTO T VALUES (3, 'c', CURRENT_DATE)" => 'INSERT 3 c' ], [ '' => '' ],
		[ "UPDATE T SET v = 'd' WHERE id = 3; INSERT INTO T VALUES (4, 'e', CURRENT_DATE)" => 'UPDATE 3 d, INSERT 4 e' ], [ '' => '' ] ],
	[ 'stamps_days_beside_times', { start_from => 'now' }, [ '' => '' ],
		[ { sqlite => "INSERT INTO T VALUES (3, 'c', {now})" } => 'INSERT 3 c' ],
		[ { sqlite => "INSERT INTO T VALUES (4, 'd', CURRENT_DATE)" } => 'INSERT 4 d' ], [ '' => '' ],
		[ { sqlite => "UPDATE T SET v = 'e', updated_at = CURRENT_DATE WHERE id = 3" } => 'UPDATE 3 e' ], [ '' => '' ] ],
	# a minute alone likewise; and numbers with a fraction: days as julianday counts them, seconds, milliseconds
	(map {
		my ($name, @spelled) = @$_;
		map {
			my $type = $_;
			my $number = 3;
			my @each = map { my $now = $_; my $id = $number++; [ { sqlite => "INSERT INTO T VALUES ($id, 'c', $now)" } => "INSERT $id c" ], [ '' => '' ] } 'datetime(\'now\')', @spelled, 'datetime(\'now\')', @spelled;
			my $last = $number - 1;
			[ "stamps_${name}_$type", { table => { sqlite => "CREATE TABLE T (id int PRIMARY KEY, v {text}, updated_at $type); CREATE INDEX T_at ON T (updated_at)" } },
				[ '' => 'INSERT 1 a, INSERT 2 b' ], @each, [ { sqlite => "UPDATE T SET v = 'd', updated_at = $spelled[0] WHERE id = $last" } => "UPDATE $last d" ], [ '' => '' ] ]
		} qw(datetime text real)
	} [ minutes => map { "strftime('$_', 'now')" } '%Y-%m-%dT%H:%M', '%Y-%m-%d %H:%M', '%Y-%m-%dT%H:%MZ', '%Y-%m-%d %H:%M+00:00' ],
		[ fractions => "julianday('now')", "(julianday('now') - 2440587.5) * 86400.0", "(julianday('now') - 2440587.5) * 86400000.0" ]),
	# one that is written west of Greenwich reads less than others do that were given before
	(map {
		my $type = $_;
		[ "stamps_west_$type", { table => { sqlite => "CREATE TABLE T (id int PRIMARY KEY, v {text}, updated_at $type)" } }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
			[ { sqlite => q{INSERT INTO T VALUES (3, 'c', strftime('%Y-%m-%dT%H:%M:%SZ', 'now')), (4, 'd', strftime('%Y-%m-%dT%H:%M:%S-05:00', 'now', '-5 hours'))} } => 'INSERT 3 c, INSERT 4 d' ],
			[ { sqlite => q{INSERT INTO T VALUES (5, 'e', strftime('%Y-%m-%d %H:%M-11:30', 'now', '+1 minutes', '-11 hours', '-30 minutes')), (6, 'f', strftime('%Y-%m-%d %H:%M:%S+14:00', 'now', '+14 hours'))} }
				=> 'INSERT 5 e, INSERT 6 f' ],
			[ '' => '' ] ]
	} qw(datetime text)),
	[ 'stamps_of_zone', { time_zone => '+09:00', table => { sqlite => 'CREATE TABLE T (id int PRIMARY KEY, v {text}, updated_at datetime)' } }, [ '' => 'INSERT 1 a, INSERT 2 b' ],
		[ { sqlite => q{INSERT INTO T VALUES (3, 'c', strftime('%Y-%m-%dT%H:%M:%SZ', 'now')), (4, 'd', strftime('%Y-%m-%dT%H:%M:%S-05:00', 'now', '-5 hours'))} } => 'INSERT 3 c, INSERT 4 d' ],
		[ { sqlite => q{INSERT INTO T VALUES (5, 'e', datetime('now', '+9 hours')), (6, 'f', strftime('%Y-%m-%d %H:%M:%S+09:00', 'now', '+9 hours')), (7, 'g', CAST(strftime('%s', 'now') AS INTEGER)), (8, 'h', date('now', '+9 hours'))} }
			=> 'INSERT 5 e, INSERT 6 f, INSERT 7 g, INSERT 8 h' ],
		[ '' => '' ] ],
	# numbers that are times, of whatever unit: one that is ahead of the clock hides none behind it
	(map {
		my ($unit, $factor) = @$_;
		my $insert = sub {
			my ($values, $ahead) = @_;
			my %now = (
				postgresql => "(extract(epoch FROM clock_timestamp()) * $factor)::bigint", mariadb => "CAST(UNIX_TIMESTAMP(NOW(6)) * $factor AS SIGNED)",
				sqlite => "CAST(strftime('%s', 'now') AS INTEGER) * $factor");
			return { map { $_ => "INSERT INTO T VALUES ($values, $now{$_} + " . $ahead * $factor . ")" } keys %now };
		};
		[ "epoch_$unit", { start_from => 'now', lookback => 0, rows => '', table => 'CREATE TABLE T (id int PRIMARY KEY, v {text}, updated_at bigint)' },
			[ '' => '' ], [ $insert->("1, 'a'", 0) => 'INSERT 1 a' ], [ $insert->("2, 'b'", 3600) => 'INSERT 2 b' ], [ '' => '' ], [ '' => '' ],
			[ $insert->("3, 'c'", 0) => 'INSERT 3 c' ], [ '' => '' ], [ $insert->("4, 'd'", 0) => 'INSERT 4 d' ] ]
	} [ seconds => 1 ], [ milliseconds => 1000 ], [ microseconds => 1_000_000 ], [ nanoseconds => 1_000_000_000 ]),
	[ 'start_with_zone', { start_from => '2026-01-01T12:00:00+02:00', time_zone => '-05:00', table => { mariadb => 'CREATE TABLE T (id int PRIMARY KEY, v {text}, updated_at datetime)' },
			rows => "INSERT INTO T VALUES (1, 'a', '2026-01-01 04:59:59'), (2, 'b', '2026-01-01 05:00:00')" }, [ '' => 'INSERT 2 b' ] ],
	[ 'start_in_zone', { start_from => '2026-01-01T12:00:00+02:00', time_zone => 'America/Bogota', table => { postgresql => 'CREATE TABLE T (id int PRIMARY KEY, v {text}, updated_at timestamp)' },
			rows => "INSERT INTO T VALUES (1, 'a', '2026-01-01 04:59:59'), (2, 'b', '2026-01-01 05:00:00')" }, [ '' => 'INSERT 2 b' ] ],
	[ 'condition_names_table', { where => "condition_names_table.v <> 'a'" }, [ '' => 'INSERT 2 b' ], [ "UPDATE T SET v = 'c', updated_at = {now}" => 'INSERT 1 c, UPDATE 2 c' ] ],
	# values are spelled alike by polls and by triggers, here and elsewhere
	alike('date', 'date', { postgresql => [ '0044-03-15 BC', '12345-06-07' ] }),
	alike('timestamp', 'timestamp', { postgresql => [ '0044-03-15 12:00:00.5 BC', '12345-06-07 01:02:03' ] }, '0044-03-15T12:00:00.5 BC', '12345-06-07T01:02:03'),
	alike('timestamptz', 'timestamptz', { postgresql => [ '0044-03-15 12:00:00+00 BC', '12345-06-07 01:02:03.25+00' ] }, '0044-03-15T12:00:00+00:00 BC', '12345-06-07T01:02:03.25+00:00'),
	alike('bytes', 'bytea', { postgresql => [ '\x00ff', 'a\\\\b' ] }, '\\x00ff', '\\x615c62'),
	alike('interval', 'interval', { postgresql => [ '-1 mon 2 days', '1 year 03:00:00.5' ] }, '-1 mons +2 days', '1 year 03:00:00.5'),
	alike('double', 'float8', { postgresql => [ '0.12345678901234', '1e-300' ] }, \'0.12345678901234', \'1e-300'),
	alike('range', 'tstzrange', { postgresql => [ '[2024-02-01 00:00:00+00,2024-03-01 00:00:00+00)', 'empty' ] }, '["2024-02-01 00:00:00+00","2024-03-01 00:00:00+00")', 'empty'),
	alike('instant', 'timestamp', { mariadb => [ '2024-02-01 12:00:00', '2024-03-01 00:00:00' ] }, '2024-02-01T12:00:00+00:00', '2024-03-01T00:00:00+00:00'),
	alike('oid', 'oid', { postgresql => [ '4294967295', '7' ] }),
	alike('vector', 'oidvector', { postgresql => [ '1 2 4294967295', '7' ] }, \'["1","2","4294967295"]', \'["7"]'),
	alike('int2vector', 'int2vector', { postgresql => [ '1 2 -3', '7' ] }, \'[1,2,-3]', \'[7]'),
	alike('class', 'regclass', { postgresql => [ 'pg_catalog.pg_class', '4000000000' ] }, 'pg_class', '4000000000'),
	alike('kind', 'regtype', { postgresql => [ 'double precision', 'int4[]' ] }, 'double precision', 'integer[]'),
	alike('money', 'money', { postgresql => [ '12.50', '-1234567.89' ] }, '$12.50', '-$1,234,567.89'),
	alike('float', 'float', { mariadb => [ '0.1', '16777.217' ] }, \'0.100000001490116', \'16777.216796875'),
	alike('boolean', 'tinyint(1)', { mariadb => [ '1', '-7' ] }, \'true', \'-7'),
	alike('booleans', 'tinyint(1)', { mariadb => [ '1', '0' ] }, \'true', \'false'),
	# an UPDATE that changes nothing
	[ 'nothing_changed', {}, [ '' => 'INSERT 1 a, INSERT 2 b' ], [ 'UPDATE T SET v = v' => '' ] ],
	[ 'logged_nothing_changed', { capture => 'trigger' }, [ '' => 'INSERT 1 a, INSERT 2 b' ], [ 'UPDATE T SET v = v' => '' ] ],
	[ 'logged_condition_names_table', { capture => 'trigger', where => "logged_condition_names_table.v <> 'a'" }, [ '' => 'INSERT 2 b' ],
		[ "UPDATE T SET v = 'c' WHERE id = 1; UPDATE T SET v = 'a' WHERE id = 2" => 'INSERT 1 c, DELETE 2 b' ] ],
	[ 'logged_truncate', { capture => 'trigger' }, [ '' => 'INSERT 1 a, INSERT 2 b' ], [ { postgresql => 'TRUNCATE T' } => 'TRUNCATE' ] ],
);

# --- how it runs ---------------------------------------------------------------------

# One change as text; in a poll, what is said to have been there is what was told last.  `exact`: as JSON.
sub spelled
{
	my ($change, $told, $polled, $exact) = @_;
	my $key = $change->{key} ? join('/', map { $change->{key}{$_} } sort keys %{ $change->{key} }) : '';
	my @images = map { !defined $_ ? '' : $exact ? $json->encode($_->{v}) : $_->{v} // '-' } @$change{ 'old', 'new' };
	my $text = $change->{type} . ($key eq '' ? '' : " $key");
	if ($change->{type} eq 'DELETE' ? $change->{old} : $change->{new} || $change->{old})
	{
		$text .= ' ' . ($change->{type} eq 'DELETE' ? $images[0] : $change->{old} ? "$images[0]>$images[1]" : $images[1]);
	}
	$text .= ' (was never told so)'
	  if $polled && $change->{old} && $told->{$key} && $json->encode($change->{old}) ne $json->encode($told->{$key});
	if ($change->{type} eq 'TRUNCATE') { %$told = (); }
	else { $told->{$key} = $change->{new}; }
	return [ $key, $text ];
}

sub situation
{
	my ($entry) = @_;
	my ($name, $options, @steps) = @$entry;
	my %options = (start_from => 'beginning', ($options->{capture} // $options->{track} // '') =~ /trigger|none/ ? () : (delete_interval => 0), %$options);
	my $made = delete $options{table} // $table;
	my $filled = delete $options{rows} // $rows;
	my $exact = delete $options{exact};
	return { name => $name, table => $made, rows => $filled, options => \%options, steps => \@steps, told => {}, exact => $exact };
}

sub named { my ($host, $s, $sql) = @_; return $host->words($sql) =~ s/\bT(_\w+)?\b/"$s->{name}" . ($1 \/\/ '')/ger; }

for my $host (grep { !$ENV{CONFORMANCE_HOST} || $_->{name} =~ /$ENV{CONFORMANCE_HOST}/ } Hosts::all())
{
	subtest $host->{name} => sub {
		my @here = grep {
			my $s = $_;
			defined $host->words($s->{table}) && !grep { ref $_->[0] && !defined $host->words($_->[0]) } @{ $s->{steps} }
		} map { situation($_) } @situations;
		@here = grep { !$ENV{CONFORMANCE} || $_->{name} =~ /$ENV{CONFORMANCE}/ } @here;
		plan skip_all => 'CONFORMANCE chooses none of these' if !@here;
		$host->write(join '', map { named($host, $_, $_->{table}) . ";\n" . named($host, $_, $_->{rows}) . ($_->{rows} eq '' ? '' : ";\n") } @here);
		for my $s (@here)
		{
			$host->create($s->{name}, { %{ $s->{options} }, tables => [ $s->{name} ] });
		}
		for (my $n = 0; my @now = grep { $n < @{ $_->{steps} } } @here; $n++)
		{
			for my $s (grep { my (undef, undef, %more) = @{ $_->{steps}[$n] }; $more{again} } @now)
			{
				$host->again($s->{name});
				my $told = $host->told($s->{name})->{ $s->{name} };
				is(scalar(@{ $told // [] }), 0, "$s->{name}, step $n: nothing is told twice");
			}
			$host->write(join '', map { named($host, $_, $_->{steps}[$n][0]) . ";\n" } grep { $_->{steps}[$n][0] ne '' } @now);
			my $told = $host->told(map { $_->{name} } @now);
			for my $s (@now)
			{
				my (undef, $expected, %more) = @{ $s->{steps}[$n] };
				%more = (%more, %{ $more{but}{ $host->{name} } // {} });
				$expected = $more{told} // $expected;
				my $polled = ($s->{options}{capture} // 'poll') eq 'poll';
				my @changes = map { spelled($_, $s->{told}, $polled, $s->{exact}) } @{ $told->{ $s->{name} } // [] };
				my $stopped = $host->{stopped}{ $s->{name} };
				# a stable sort: of one key in the order in which they were told
				is(join(', ', map { $_->[1] } sort { $a->[0] cmp $b->[0] } @changes), $expected, "$s->{name}, step $n");
				if ($more{stopped}) { like($stopped, $more{stopped}, "$s->{name}, step $n: the table stops, and says why"); }
				else { is($stopped, undef, "$s->{name}, step $n: nothing stops"); }
			}
		}
	};
}

# TABLE TYPE key of each change, in the order of names.
sub named_changes { return join ', ', sort map { "$_->{table} $_->{type} " . join('/', values %{ $_->{key} }) } @_; }

# --- one table's trouble is that table's ------------------------------------------------

# Of a worker with two tables one is in trouble: the other goes on, and the trouble over it goes on from where it was.
# [ name, options, statements of the trouble, why, statements that end it, what is told then ]; `lock`: another session has it
my @troubles = (
	[ 'dropped', {}, 'DROP TABLE T', qr/T|exist/, 'CREATE TABLE T (id int PRIMARY KEY, v {text}, updated_at {stamp}); '
		  . "INSERT INTO T VALUES (1, 'a', '2026-01-01 00:00:00'), (2, 'c', {now})", 'UPDATE 2' ],
	[ 'moved_away', {}, 'ALTER TABLE T RENAME TO T_aside', qr/exist/,
		"ALTER TABLE T_aside RENAME TO T; UPDATE T SET v = 'c', updated_at = {now} WHERE id = 2", 'UPDATE 2' ],
	[ 'without_stamp', {}, 'ALTER TABLE T RENAME COLUMN updated_at TO other', qr/updated_at/,
		"ALTER TABLE T RENAME COLUMN other TO updated_at; UPDATE T SET v = 'c', updated_at = {now} WHERE id = 2", 'UPDATE 2' ],
	[ 'bad_condition', { where => '100 / (CASE WHEN v = \'zero\' THEN 0 ELSE 1 END) > 0' },
		{ postgresql => "UPDATE T SET v = 'zero', updated_at = {now} WHERE id = 2" }, qr/zero/, "UPDATE T SET v = 'c', updated_at = {now} WHERE id = 2", 'UPDATE 2' ],
	[ 'locked', {}, 'lock', qr/lock/i, "UPDATE T SET v = 'c', updated_at = {now} WHERE id = 2", 'UPDATE 2' ],
);

for my $host (grep { !$ENV{CONFORMANCE_HOST} || $_->{name} =~ /$ENV{CONFORMANCE_HOST}/ } Hosts::all('trouble'))
{
	# names are followed there
	my $own = $host->{name} eq 'PostgreSQL, its own tables';
	subtest "one of two tables: $host->{name}" => sub {
		plan skip_all => 'CONFORMANCE chooses none of these' if $ENV{CONFORMANCE} && 'trouble' !~ /$ENV{CONFORMANCE}/;
		for my $trouble (@troubles)
		{
			my ($name, $options, $statements, $why, $end, $then) = @$trouble;
			next if $own && $name =~ /dropped|moved_away|without_stamp/;
			next if $statements eq 'lock' && ($host->{engine} eq 'sqlite' || $own);
			next if $statements ne 'lock' && !defined $host->words($statements);
			my ($ill, $well) = ("ill_$name", "well_$name");
			my $sql = sub { $host->words($_[0]) =~ s/\bT(_\w+)?\b/$ill . ($1 \/\/ '')/ger . ';' };
			$host->write(join '', map { "$_;\n" }
				  map { my $t = $_; map { $host->words($_) =~ s/\bT\b/$t/gr } $table, $rows } $ill, $well);
			$host->create($name, { tables => [ $ill, $well ], start_from => 'beginning', delete_interval => 0, %$options });
			is(named_changes(@{ $host->told($name)->{$name} }), "$ill INSERT 1, $ill INSERT 2, $well INSERT 1, $well INSERT 2", "$name: all is well");
			my $lock = $statements eq 'lock' ? $host->lock($ill) : $host->write($sql->($statements)) && undef;
			$host->write("UPDATE $well SET v = 'x', updated_at = " . $host->words('{now}') . ' WHERE id = 1;');
			is(named_changes(@{ $host->told($name)->{$name} }), "$well UPDATE 1", "$name: the other goes on");
			like($host->troubled($name), $why, "$name: and the reason is told");
			$host->unlock($lock) if $lock;
			$host->write($sql->($end));
			$host->again($name);
			is(named_changes(map { @{ $host->told($name)->{$name} } } 1 .. 2), "$ill $then", "$name: goes on from where it was");
			is($host->troubled($name), '', "$name: nothing ails it");
		}
	};
}

# --- schema.* -------------------------------------------------------------------------

for my $host ($ENV{CONFORMANCE} ? () : Hosts::all('found'))
{
	subtest "all tables of a schema: $host->{name}" => sub {
		my ($other, $schema) = $host->with_schema;
		my $write = sub { $other->write(join '', map { defined $_ ? $other->words($_) =~ s/\bS\./$schema./gr . ";\n" : '' } @_) };
		$write->(
			'CREATE TABLE S.one (id int PRIMARY KEY, v {text}, updated_at {stamp})',
			'CREATE VIEW S.seen AS SELECT * FROM one' =~ s/FROM one/FROM S.one/r,
			'CREATE TABLE S.pythia_log_0123456789ab (id int PRIMARY KEY, v {text}, updated_at {stamp})',
			$host->{engine} eq 'postgresql'
			? ( 'CREATE TABLE S.parted (id int PRIMARY KEY, v {text}, updated_at {stamp}) PARTITION BY RANGE (id)',
				'CREATE TABLE S.part PARTITION OF S.parted DEFAULT' )
			: 'CREATE TABLE S.parted (id int PRIMARY KEY, v {text}, updated_at {stamp})',
			map { "INSERT INTO S.$_ VALUES (1, 'a', {now})" } qw(one parted pythia_log_0123456789ab));
		$write->('CREATE VIRTUAL TABLE S.words USING fts5(id, updated_at); DROP TABLE S.words') if $host->{engine} eq 'sqlite';
		$other->create('all_of_it', { tables => ["$schema.*"], start_from => 'beginning', delete_interval => 0 });
		is(named_changes(@{ $other->told('all_of_it')->{all_of_it} }), 'one INSERT 1, parted INSERT 1', 'tables, and partitions as their parent');
		is($other->{stopped}{all_of_it}, undef, 'all of them fit');
		$write->(
			'CREATE TABLE S.two (id int PRIMARY KEY, v {text}, updated_at {stamp})', "INSERT INTO S.two VALUES (1, 'a', {now})",
			'CREATE TABLE S.keyless (v {text}, updated_at {stamp})', "INSERT INTO S.keyless VALUES ('a', {now})",
			"INSERT INTO S.one VALUES (2, 'b', {now})");
		# what is found is told by the poll that follows, at the latest
		my @changes = map { @{ $other->told('all_of_it')->{all_of_it} } } 1 .. 2;
		is(named_changes(@changes), 'one INSERT 2, two INSERT 1', 'one that is made later is captured from its first row');
		like($other->{stopped}{all_of_it}, qr/key/, 'one that does not fit is noted with the reason');
		$write->('DROP TABLE S.keyless', "UPDATE S.two SET v = 'c', updated_at = {now}");
		@changes = map { @{ $other->told('all_of_it')->{all_of_it} } } 1 .. 2;
		is(named_changes(@changes), 'two UPDATE 1', 'and the others go on');
	};
}

done_testing;
