# Every example of README.md and doc/*.md is run and compared.
#
#   ```sql       statements, run by psql in the document's own database
#   ```sh        commands, run by bash in an empty directory
#   ```text      directly after one of these: what it prints; "…" stands for
#                anything within a line, a line of "…" alone for any lines
#   ```sql norun (or any other language) is only shown
#   <!-- wait: SELECT … -->   waits until the query says t before going on
#   <!-- run: SELECT … -->    a statement that readers need not see
#
# Addresses of documentation stand for the test's own servers: see %address.
use strict;
use warnings;
use utf8;
use Pythia::Test;
use PostgreSQL::Test::Utils;
use Test::More;
use Cwd qw(getcwd);

my $top = $ENV{PYTHIA_TOP} // getcwd();
my $node = pg_node('docs', extension => 0);
my @documents = grep { -f } ("$top/README.md", sort glob("$top/doc/*.md"));
cmp_ok(scalar(@documents), '>=', 1, 'there are documents');

for my $document (@documents)
{
	(my $name = $document) =~ s{^\Q$top\E/}{};
	subtest $name => sub { document($name, $document) };
}
subtest 'the reference is complete' => \&reference;
done_testing();

# What a user may call, read or set is described somewhere in the reference.
sub reference
{
	my $text = join "\n", map { PostgreSQL::Test::Utils::slurp_file($_) } "$top/doc/reference.md", "$top/doc/configuration.md";
	$node->safe_psql('postgres', 'CREATE EXTENSION pythia_db');
	my $objects = $node->safe_psql('postgres', q{
		SELECT DISTINCT 'pythia.' || proname FROM pg_proc WHERE pronamespace = 'pythia'::regnamespace AND proname !~ '^_'
		UNION SELECT 'pythia.' || relname FROM pg_class
			WHERE relnamespace = 'pythia'::regnamespace AND relkind IN ('v', 'c') AND relname !~ '^_'
		UNION SELECT name FROM pg_settings WHERE name LIKE 'pythia_db.%'
		ORDER BY 1});
	for my $object (split /\n/, $objects)
	{
		ok($text =~ /\Q$object\E\b/, $object);
	}
	return;
}

# The fenced blocks and comments of a document, in order.
sub blocks
{
	my ($file) = @_;
	my @blocks;
	my $open;
	my $line = 0;
	open my $in, '<:encoding(UTF-8)', $file or die "$file: $!";
	while (<$in>)
	{
		$line++;
		if ($open)
		{
			if (/^```\s*$/) { push @blocks, $open; undef $open; }
			else { $open->{text} .= $_; }
		}
		elsif (/^```(\w*)\s*(.*?)\s*$/) { $open = { language => $1, flags => $2, line => $line, text => '' }; }
		elsif (/^<!-- (wait|run): (.*) -->$/) { push @blocks, { language => $1, flags => '', line => $line, text => $2 }; }
		elsif (/\S/) { push @blocks, { language => 'prose', flags => '', line => $line, text => $_ }; }
	}
	die "$file: a fence is not closed" if $open;
	return @blocks;
}

sub document
{
	my ($name, $file) = @_;
	(my $database = lc "docs_$name") =~ s/[^a-z0-9]+/_/g;
	my $mysql = shared_mysql($database);
	$node->safe_psql('postgres', qq{CREATE DATABASE "$database"});
	$node->safe_psql($database, 'CREATE EXTENSION pythia_db') if $name ne 'README.md';
	my $scratch = PostgreSQL::Test::Utils::tempdir();
	my %address = (
		'mariadb://app:secret@shop.example:3306/shop' => $mysql->url,
		'mysql://app:secret@shop.example:3306/shop' => $mysql->url,
		'postgresql://app:secret@pg.example:5432/shop' => pg_url($node, $database),
		'postgresql://app:secret@new.example:5432/shop' => pg_url($node, "${database}_new"),
		'/srv/shop' => $scratch);
	my @blocks = blocks($file);
	$node->safe_psql('postgres', qq{CREATE DATABASE "${database}_new"}) if grep { $_->{text} =~ /new\.example/ } @blocks;
	my $run = 0;
	for my $i (0 .. $#blocks)
	{
		my $block = $blocks[$i];
		my $where = "$name:$block->{line}";
		next if $block->{flags} =~ /\bnorun\b/;
		my $text = $block->{text};
		$text =~ s/\Q$_\E/$address{$_}/g for keys %address;
		if ($block->{language} eq 'wait')
		{
			ok(wait_for($node, $text, 't', $database), "$where: waits") or return;
			next;
		}
		next unless $block->{language} =~ /^(?:sql|sh|run)$/;
		my $expected =
		  $i < $#blocks && $blocks[ $i + 1 ]{language} eq 'text' && $blocks[ $i + 1 ]{flags} !~ /norun/
		  ? $blocks[ $i + 1 ]{text} : undef;
		my ($out, $status) = run_block($block->{language}, $text, $database, $scratch);
		for my $public (keys %address) { $out =~ s/\Q$address{$public}\E/$public/g; }
		$run++;
		# What follows a failed example would only fail, too.
		my $error = $out =~ /^(?:psql:\S+ )?(?:ERROR|FATAL):/m;
		if (defined $expected && (!$error || $expected =~ /ERROR|FATAL/))
		{
			ok(matches($out, $expected), "$where: prints what follows")
			  or diag(encoded("expected:\n$expected\ngot:\n$out"));
		}
		else
		{
			ok($status == 0 && !$error, "$where: runs") or diag(encoded($out)), return;
		}
	}
	ok(1, "$name: $run examples");
	return;
}

sub run_block
{
	my ($language, $text, $database, $scratch) = @_;
	my $top_bin = "$ENV{PYTHIA_TOP}/build";
	local $ENV{PATH} = "$top_bin:$ENV{PATH}";
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	local $ENV{PGDATABASE} = $database;
	local $ENV{HOME} = $scratch;
	local $ENV{COLUMNS} = 80;
	local $ENV{LD_LIBRARY_PATH} = "$top_bin/sqlite"; # where .load pythia_db finds it
	my $out = '';
	utf8::encode($text);
	my @command = $language eq 'sh' ? ('bash', '-c', "cd '$scratch'\n$text") : ('psql', '-X', '-q', '-P', 'pager=off');
	my $in = $language eq 'sh' ? '' : $text;
	IPC::Run::run(\@command, '<', \$in, '>', \$out, '2>&1');
	my $status = $?;
	utf8::decode($out);
	return ($out, $status);
}

sub matches
{
	my ($out, $expected) = @_;
	for ($out, $expected)
	{
		s/[ \t]+$//mg;
		s/\n+\z//;
		s/^\n+//;
		s/[ ]{2,}/ /g;
		s/-{3,}/---/g;
	}
	my $pattern = join "\n", map { $_ eq '…' ? '(?:.*\n?)*?.*' : join('.*', map { quotemeta } split /…/, $_, -1) }
	  split /\n/, $expected;
	return $out =~ /\A$pattern\z/;
}

sub encoded
{
	my ($text) = @_;
	utf8::encode($text);
	return $text;
}
