/* The texts that statements over stage s and target t are put together from. */
#include "sync/run.h"
#include "sync/soft.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

static const pythia_dialect *dialect_of(const pythia_run *run)
{
	return pythia_dialect_of(run->target);
}

static void put_stage(const pythia_run *run, pythia_buffer *out)
{
	pythia_dialect_table(dialect_of(run), out, pythia_stage_schema(run), run->stage);
}

static void put_target(const pythia_run *run, pythia_buffer *out)
{
	pythia_dialect_table(dialect_of(run), out, run->plan.target.schema, run->plan.target.name);
}

void pythia_merge_table(const pythia_run *run, bool stage, pythia_buffer *out)
{
	if (stage)
		put_stage(run, out);
	else
		put_target(run, out);
}

void pythia_merge_column(const pythia_run *run, pythia_buffer *out, const char *alias, int pair)
{
	pythia_buffer_puts(out, alias);
	dialect_of(run)->identifier(out, run->names[pair]);
}

void pythia_merge_columns(const pythia_run *run, pythia_buffer *out, const char *alias)
{
	for (int i = 0; i < run->plan.npairs; i++)
	{
		pythia_buffer_puts(out, i > 0 ? ", " : "");
		pythia_merge_column(run, out, alias, i);
	}
}

void pythia_merge_key_columns(const pythia_run *run, pythia_buffer *out, const char *alias, const char *after)
{
	for (int i = 0; i < run->plan.nkey; i++)
	{
		pythia_buffer_puts(out, i > 0 ? ", " : "");
		pythia_merge_column(run, out, alias, run->plan.key[i]);
		pythia_buffer_puts(out, after);
	}
}

static const char *collation_of(const pythia_column *column)
{
	return column->collation != NULL ? column->collation : "";
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text);

	return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

/* Texts that this key's equality takes for one though they are not: in other case, with blanks behind. */
static bool equality_is_loose(const pythia_run *run, int pair)
{
	const pythia_column *column = pythia_pair_target(&run->plan, pair);
	pythia_kind kind = column->type.kind;

	if (kind != PYTHIA_KIND_TEXT && kind != PYTHIA_KIND_CHAR && kind != PYTHIA_KIND_OTHER && kind != PYTHIA_KIND_STORED)
		return false;
	if (run->target->engine == PYTHIA_MYSQL)
		return collation_of(column)[0] != '\0' && !ends_with(collation_of(column), "_nopad_bin") &&
			   strcmp(collation_of(column), "binary") != 0;
	/* PostgreSQL names a collation where it is not the type's own, as one that is not deterministic must be */
	return run->target->engine == PYTHIA_SQLITE || collation_of(column)[0] != '\0' ||
		   (column->type.native != NULL && strstr(column->type.native, "citext") != NULL);
}

bool pythia_merge_keys_are_loose(const pythia_run *run)
{
	for (int i = 0; i < run->plan.nkey; i++)
	{
		if (equality_is_loose(run, run->plan.key[i]))
			return true;
	}
	return false;
}

/* Both sides take the same texts for one: then the row is the same, and its key's spelling may change. */
static bool spelling_may_change(const pythia_run *run, int pair)
{
	return equality_is_loose(run, pair) && run->source->engine == run->target->engine &&
		   run->target->engine == PYTHIA_MYSQL &&
		   strcmp(collation_of(pythia_pair_source(&run->plan, pair)),
				  collation_of(pythia_pair_target(&run->plan, pair))) == 0;
}

/*
 * A row is another one's counterpart only where their keys are the same, byte for byte: else the
 * target's equality would have one row of the source overwrite another's.  The engine's own
 * equality comes first, for the index; whoever collides fails when it is inserted.
 */
void pythia_merge_key_join(const pythia_run *run, pythia_buffer *out)
{
	for (int i = 0; i < run->plan.nkey; i++)
	{
		int pair = run->plan.key[i];
		bool mysql = run->target->engine == PYTHIA_MYSQL;
		bool postgres = run->target->engine == PYTHIA_POSTGRESQL;

		pythia_buffer_puts(out, i > 0 ? " AND " : "");
		pythia_merge_column(run, out, "t.", pair);
		pythia_buffer_puts(out, " = ");
		pythia_merge_column(run, out, "s.", pair);
		if (!equality_is_loose(run, pair) || spelling_may_change(run, pair))
			continue;
		pythia_buffer_puts(out, mysql ? " AND BINARY " : " AND ");
		pythia_merge_column(run, out, "t.", pair);
		pythia_buffer_puts(out, mysql ? " = BINARY " : postgres ? "::pg_catalog.text = " : " = ");
		pythia_merge_column(run, out, "s.", pair);
		if (!mysql)
			pythia_buffer_puts(out, postgres ? "::pg_catalog.text COLLATE pg_catalog.\"C\"" : " COLLATE BINARY");
	}
}

/* A key column that is the same wherever a row has a counterpart. */
bool pythia_merge_is_fixed(const pythia_run *run, int pair)
{
	return pythia_pair_is_key(&run->plan, pair) && !spelling_may_change(run, pair);
}

/* PostgreSQL: types that have no equality, or whose equality is looser than their text, or a user's own. */
static bool postgres_compares_texts(const pythia_type *type)
{
	static const char *const textual[] = {"json", "xml",  "point",   "line",   "lseg",
										  "box",  "path", "polygon", "circle", NULL};

	if (type->kind == PYTHIA_KIND_INTERVAL || type->kind == PYTHIA_KIND_OTHER || !pythia_postgres_is_builtin(type))
		return true;
	for (const char *const *name = textual; *name != NULL; name++)
	{
		if (strcmp(type->native, *name) == 0)
			return true;
	}
	return false;
}

static void put_postgres_value(const pythia_run *run, int pair, const char *alias, pythia_buffer *out)
{
	const pythia_type *type = run->types[pair];
	pythia_buffer subject = PYTHIA_BUFFER_INIT;

	pythia_merge_column(run, &subject, alias, pair);
	if (type->kind == PYTHIA_KIND_DOUBLE || type->kind == PYTHIA_KIND_FLOAT)
		pythia_buffer_printf(out, "pg_catalog.float%dsend(%s)", type->kind == PYTHIA_KIND_DOUBLE ? 8 : 4,
							 pythia_buffer_text(&subject));
	else if (postgres_compares_texts(type))
		pythia_postgres_text(out, type, pythia_buffer_text(&subject));
	else if ((type->kind == PYTHIA_KIND_TEXT || type->kind == PYTHIA_KIND_CHAR) &&
			 strcmp(type->native, "\"char\"") != 0)
		/* one that is not deterministic takes other spellings for the same */
		pythia_buffer_printf(out, "%s COLLATE pg_catalog.\"C\"", pythia_buffer_text(&subject));
	else
		pythia_buffer_puts(out, pythia_buffer_text(&subject));
	pythia_buffer_free(&subject);
}

static void put_postgres_difference(const pythia_run *run, int pair, pythia_buffer *out)
{
	put_postgres_value(run, pair, "t.", out);
	pythia_buffer_puts(out, " IS DISTINCT FROM ");
	put_postgres_value(run, pair, "s.", out);
}

static void put_mysql_difference(const pythia_run *run, int pair, pythia_buffer *out)
{
	pythia_kind kind = run->types[pair]->kind;
	bool text = kind == PYTHIA_KIND_TEXT || kind == PYTHIA_KIND_CHAR || kind == PYTHIA_KIND_OTHER ||
				kind == PYTHIA_KIND_ENUM || kind == PYTHIA_KIND_SET ||
				(kind == PYTHIA_KIND_JSON && run->target->is_mariadb);
	/* a geometry's bytes begin with its SRID */
	const char *before = text ? "BINARY " : kind == PYTHIA_KIND_GEOMETRY ? "SUBSTR(" : "";
	const char *after = kind == PYTHIA_KIND_GEOMETRY ? ", 1)" : "";

	/* a stage is made from the target's columns, so bytes can be compared with bytes */
	pythia_buffer_printf(out, "NOT (%s", before);
	pythia_merge_column(run, out, "t.", pair);
	pythia_buffer_printf(out, "%s <=> %s", after, before);
	pythia_merge_column(run, out, "s.", pair);
	pythia_buffer_printf(out, "%s)", after);
}

static void put_sqlite_difference(const pythia_run *run, int pair, pythia_buffer *out)
{
	pythia_merge_column(run, out, "t.", pair);
	pythia_buffer_puts(out, " IS NOT ");
	pythia_merge_column(run, out, "s.", pair);
	pythia_buffer_puts(out, " COLLATE BINARY");
	if (run->types[pair]->kind != PYTHIA_KIND_STORED)
		return;
	/* 1 is 1.0 to the operator */
	pythia_buffer_puts(out, " OR typeof(");
	pythia_merge_column(run, out, "t.", pair);
	pythia_buffer_puts(out, ") <> typeof(");
	pythia_merge_column(run, out, "s.", pair);
	pythia_buffer_putc(out, ')');
}

/* A row that was marked as gone, and is back. */
static void put_returned(const pythia_run *run, pythia_buffer *out)
{
	const pythia_column *soft = pythia_soft_column(run->job->config, &run->plan.target);
	pythia_buffer name = PYTHIA_BUFFER_INIT;

	if (soft == NULL)
		return;
	pythia_buffer_puts(&name, "t.");
	dialect_of(run)->identifier(&name, soft->name);
	pythia_buffer_puts(out, ") OR (");
	pythia_soft_marked(run->target, soft, name.data, out);
	pythia_buffer_free(&name);
}

/* SQLite's expressions may be a thousand terms deep, and each OR is one. */
#define TERMS_A_GROUP 50

void pythia_merge_difference(const pythia_run *run, pythia_buffer *out)
{
	int terms = 0;

	if (run->way.known_to_differ)
	{
		pythia_buffer_puts(out, "1 = 1");
		return;
	}
	pythia_buffer_puts(out, "((");
	for (int i = 0; i < run->plan.npairs; i++)
	{
		if (pythia_merge_is_fixed(run, i))
			continue;
		pythia_buffer_puts(out, terms == 0 ? "" : terms % TERMS_A_GROUP == 0 ? ") OR (" : " OR ");
		terms++;
		switch (run->target->engine)
		{
			case PYTHIA_POSTGRESQL:
				put_postgres_difference(run, i, out);
				break;
			case PYTHIA_MYSQL:
				put_mysql_difference(run, i, out);
				break;
			case PYTHIA_SQLITE:
				put_sqlite_difference(run, i, out);
				break;
		}
	}
	if (terms == 0)
		pythia_buffer_puts(out, "1 = 0");
	put_returned(run, out);
	pythia_buffer_puts(out, "))");
}

/* Between files of SQLite a stamp keeps its spelling, of which there are several. */
static void put_stamp(const pythia_run *run, const char *alias, pythia_buffer *out)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;

	pythia_merge_column(run, &name, alias, run->plan.stamp);
	if (run->types[run->plan.stamp]->kind == PYTHIA_KIND_STORED)
		pythia_buffer_printf(out, "CASE typeof(%s) WHEN 'text' THEN pythia_canonical('S6', %s) ELSE %s END", name.data,
							 name.data, name.data);
	else
		pythia_buffer_puts(out, name.data);
	pythia_buffer_free(&name);
}

/* Whose row stays, where both have one: a NULL stamp loses, a tie goes to the source. */
void pythia_merge_rule(const pythia_run *run, pythia_buffer *out)
{
	const char *comparison = run->job->config->conflict == PYTHIA_CONFLICT_NEWEST_WINS ? " >= " : " <= ";

	if (run->job->config->conflict != PYTHIA_CONFLICT_NEWEST_WINS &&
		run->job->config->conflict != PYTHIA_CONFLICT_OLDEST_WINS)
		return;
	pythia_buffer_puts(out, " AND (");
	pythia_merge_column(run, out, "t.", run->plan.stamp);
	pythia_buffer_puts(out, " IS NULL OR ");
	put_stamp(run, "s.", out);
	pythia_buffer_puts(out, comparison);
	put_stamp(run, "t.", out);
	pythia_buffer_putc(out, ')');
}
