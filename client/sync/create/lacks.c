/* What a table that is made lacks of the source's. */
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "core/visible.h"
#include "sync/create/create.h"
#include "sync/plan.h"

/* Names told of one kind; the others are counted. */
#define NAMES_TOLD 20

static const pythia_extra_words words_of[PYTHIA_EXTRA_KINDS] = {
	[PYTHIA_EXTRA_UNREAD] = {"what else its definition says", NULL, "which cannot be read here"},
	[PYTHIA_EXTRA_GENERATED] = {"generated column", "generated columns", "because expressions are not translated"},
	[PYTHIA_EXTRA_NUMBERING] = {"column that counts on", "columns that count on", "because the target's column cannot"},
	[PYTHIA_EXTRA_SEQUENCE] = {"sequence of a column", "sequences of columns",
							   "because a column there counts on by itself, by 1, or not at all"},
	[PYTHIA_EXTRA_AUTOINCREMENT] = {"AUTOINCREMENT", NULL, "so a number that was deleted may be given again"},
	[PYTHIA_EXTRA_DEFAULT] = {"default of a domain", "defaults of domains", "because domains are not made"},
	[PYTHIA_EXTRA_ON_UPDATE] = {"ON UPDATE of a column", "ON UPDATE of columns",
								"because the source does that before rows are carried"},
	[PYTHIA_EXTRA_INVISIBLE] = {"mark INVISIBLE of a column", "marks INVISIBLE of columns",
								"because all columns are made visible"},
	[PYTHIA_EXTRA_COLLATION] = {"collation of a column", "collations of columns",
								"so texts may sort, and be equal, otherwise"},
	[PYTHIA_EXTRA_COMMENT] = {"comment", "comments", "because the target has no place for any"},
	[PYTHIA_EXTRA_PRIMARY_KEY] = {"the source's primary key", NULL, "because rows are told apart by another key"},
	[PYTHIA_EXTRA_PARTIAL_INDEX] = {"partial index", "partial indexes", "because conditions are not translated"},
	[PYTHIA_EXTRA_EXPRESSION_INDEX] = {"index over expressions", "indexes over expressions",
									   "because expressions are not translated"},
	[PYTHIA_EXTRA_PREFIX_INDEX] = {"index over a part of a column", "indexes over parts of columns",
								   "because indexes are made over whole columns"},
	[PYTHIA_EXTRA_OTHER_INDEX] = {"index of a special kind", "indexes of special kinds",
								  "because only ordinary ones are made"},
	[PYTHIA_EXTRA_INCOMPLETE_INDEX] = {"index", "indexes", "because not all of the columns are carried"},
	[PYTHIA_EXTRA_INDEX_OPTION] = {"option of an index", "options of indexes", "because only plain ones are made"},
	[PYTHIA_EXTRA_EXCLUSION] = {"EXCLUDE constraint", "EXCLUDE constraints",
								"because no index is made that could hold them"},
	[PYTHIA_EXTRA_CHECK] = {"CHECK constraint", "CHECK constraints", "because conditions are not translated"},
	[PYTHIA_EXTRA_CONFLICT] = {"ON CONFLICT clause", "ON CONFLICT clauses",
							   "because constraints are made without what they do"},
	[PYTHIA_EXTRA_STRICT] = {"STRICT", NULL, "so its columns take values of any type"},
	[PYTHIA_EXTRA_FOREIGN_KEY] = {"foreign key", "foreign keys", "because each table is made by itself"},
	[PYTHIA_EXTRA_TRIGGER] = {"trigger", "triggers", "because code is not translated"},
	[PYTHIA_EXTRA_RULE] = {"rule", "rules", "because code is not translated"},
	[PYTHIA_EXTRA_ROW_SECURITY] = {"row security", NULL, "so whoever may read it sees all rows"},
	[PYTHIA_EXTRA_PARTITIONING] = {"partitioning", NULL, "because it is made as one table"},
	[PYTHIA_EXTRA_INHERITANCE] = {"inheritance", NULL, "because each table is made by itself"},
	[PYTHIA_EXTRA_VERSIONING] = {"system versioning", NULL, "because only present rows are carried"},
};

const pythia_extra_words *pythia_extra_words_of(pythia_extra_kind kind)
{
	return &words_of[kind];
}

void pythia_target_tell(const pythia_sync_job *job, const pythia_table *source, const pythia_column *from,
						const pythia_column *made)
{
	if (from->type.unread != NULL && from->type.kind != PYTHIA_KIND_ENUM)
		pythia_host_log(job->target->host, PYTHIA_LOG_WARNING,
						"column \"%s\" of table \"%s\" is made as %s: its type \"%s\" is not known here", from->name,
						source->name, made->type.native, from->type.unread);
	if (pythia_labels_are_blurred(job->source, from) && job->target->engine == PYTHIA_MYSQL)
		pythia_host_log(
			job->target->host, PYTHIA_LOG_WARNING,
			"column \"%s\" of table \"%s\" is made as %s: the source's catalogue shows its labels with question "
			"marks, which may stand for other characters",
			from->name, source->name, made->type.native);
	if (made->nullable && !from->nullable)
		pythia_host_log(job->target->host, PYTHIA_LOG_NOTICE,
						"column \"%s\" of table \"%s\" is made without NOT NULL, because a policy may say NULL there",
						from->name, source->name);
	if (from->value.kind != PYTHIA_DEFAULT_NONE && !from->identity && made->value.kind == PYTHIA_DEFAULT_NONE)
	{
		char *shown = pythia_visible_short(from->value.text != NULL ? from->value.text : "the current time");

		pythia_host_log(job->target->host, PYTHIA_LOG_WARNING,
						"column \"%s\" of table \"%s\" is made without its default, which cannot be said there: %s",
						from->name, source->name, shown);
		pythia_free(shown);
	}
}

bool pythia_target_counts(const pythia_db *target, const pythia_table *table, int position)
{
	const pythia_column *column = &table->columns[position];

	switch (target->engine)
	{
		case PYTHIA_SQLITE:
			/* only the exact words make it the rowid */
			return table->nkey == 1 && table->key[0] == position && strcmp(column->type.native, "INTEGER") == 0;
		case PYTHIA_MYSQL:
			return column->identity && table->nkey > 0 && table->key[0] == position;
		default:
			return column->identity;
	}
}

/* The target's column that takes a column of the source, or NULL. */
static const pythia_column *made_of(const pythia_plan *plan, int column, int *position)
{
	for (int i = 0; i < plan->npairs; i++)
	{
		if (plan->pairs[i].source != column)
			continue;
		*position = plan->pairs[i].target;
		return &plan->target.columns[*position];
	}
	return NULL;
}

typedef struct sides
{
	const pythia_sync_job *job;
	const pythia_plan *plan;
} sides;

/* A collation that compares byte by byte, as MySQL's tables that are made and SQLite's columns do. */
static bool is_plain_collation(const sides *s, const char *collation)
{
	return s->job->target->engine != PYTHIA_POSTGRESQL &&
		   (strcmp(collation, "C") == 0 || strcmp(collation, "POSIX") == 0 || strcmp(collation, "ucs_basic") == 0);
}

/* Of an index's columns some descend in the source: do they not in the target?  PostgreSQL tells nothing but where NULLs
 * stand. */
static bool lacks_order(const sides *s, const char *index)
{
	const pythia_table *source = &s->plan->source;
	const pythia_table *target = &s->plan->target;

	for (int i = 0; i < source->nindexes && s->job->source->engine != PYTHIA_POSTGRESQL; i++)
	{
		const pythia_index *from = &source->indexes[i];

		if (strcmp(from->name, index) != 0)
			continue;
		for (int k = 0; k < target->nindexes; k++)
			if (strcmp(target->indexes[k].name, index) == 0)
				return target->indexes[k].ncolumns != from->ncolumns ||
					   memcmp(target->indexes[k].descending, from->descending,
							  sizeof(bool) * (size_t) from->ncolumns) != 0;
		return false; /* that it is not made at all is told */
	}
	return s->job->source->engine != PYTHIA_MYSQL || source->nkey != target->nkey ||
		   memcmp(target->key_descending, source->key_descending, sizeof(bool) * (size_t) source->nkey) != 0;
}

/* Of what the catalogue told: what the target does not get. */
static bool is_lacking(const void *context, const pythia_extra *extra)
{
	const sides *s = context;
	const pythia_column *made = NULL;
	int position;

	if (extra->column != NULL)
	{
		int column = pythia_table_column(&s->plan->source, extra->column);

		/* a column that is left out takes along what it has */
		made = column >= 0 ? made_of(s->plan, column, &position) : NULL;
		if (made == NULL)
			return false;
	}
	switch (extra->kind)
	{
		case PYTHIA_EXTRA_AUTOINCREMENT:
		case PYTHIA_EXTRA_STRICT:
			/* elsewhere there is nothing else */
			return s->job->target->engine == PYTHIA_SQLITE;
		case PYTHIA_EXTRA_COLLATION:
			return made == NULL || made->collation == NULL;
		case PYTHIA_EXTRA_INDEX_OPTION:
			return extra->name == NULL || extra->detail == NULL || strcmp(extra->detail, "order") != 0 ||
				   lacks_order(s, extra->name);
		case PYTHIA_EXTRA_INVISIBLE:
			return made == NULL || !made->invisible;
		default:
			return true;
	}
}

static void add_columns(const sides *s, pythia_extras *lacks)
{
	const pythia_table *source = &s->plan->source;
	int told = lacks->count;

	for (int i = 0; i < source->ncolumns; i++)
	{
		const pythia_column *from = &source->columns[i];
		int position = -1;
		const pythia_column *made = made_of(s->plan, i, &position);
		bool counts =
			from->identity && made != NULL && !pythia_target_counts(s->job->target, &s->plan->target, position);

		if (made == NULL && from->generated)
			pythia_extras_add(lacks, PYTHIA_EXTRA_GENERATED, from->name, NULL, from->name);
		for (int k = 0; counts && k < told; k++)
			counts = lacks->items[k].kind != PYTHIA_EXTRA_SEQUENCE || lacks->items[k].column == NULL ||
					 strcmp(lacks->items[k].column, from->name) != 0;
		if (counts)
			pythia_extras_add(lacks, PYTHIA_EXTRA_NUMBERING, from->name, NULL, from->name);
		/* MySQL gives each text one: those that matter the catalogue has told */
		if (s->job->source->engine == PYTHIA_POSTGRESQL && made != NULL && from->collation != NULL &&
			!is_plain_collation(s, from->collation))
			pythia_extras_add(lacks, PYTHIA_EXTRA_COLLATION, from->name, from->collation, from->name);
		if (s->job->target->engine == PYTHIA_SQLITE && made != NULL && from->comment != NULL)
			pythia_extras_add(lacks, PYTHIA_EXTRA_COMMENT, from->name, NULL, from->name);
	}
	if (s->job->target->engine == PYTHIA_SQLITE && source->comment != NULL)
		pythia_extras_add(lacks, PYTHIA_EXTRA_COMMENT, "the table's own", NULL, NULL);
}

static bool is_made(const pythia_plan *plan, const int *columns, int ncolumns)
{
	int position;

	for (int i = 0; i < ncolumns; i++)
	{
		if (made_of(plan, columns[i], &position) == NULL)
			return false;
	}
	return true;
}

/* Is the source's primary key the key of the target, in any order? */
static bool is_key(const pythia_plan *plan)
{
	const pythia_table *source = &plan->source;

	if (source->nkey != plan->target.nkey)
		return false;
	for (int i = 0; i < source->nkey; i++)
	{
		bool found = false;
		int position = -1;

		(void) made_of(plan, source->key[i], &position);
		for (int k = 0; k < plan->target.nkey; k++)
			found = found || plan->target.key[k] == position;
		if (!found)
			return false;
	}
	return true;
}

static void add_keys(const pythia_plan *plan, pythia_extras *lacks)
{
	const pythia_table *source = &plan->source;

	if (source->nkey > 0 && !is_key(plan))
		pythia_extras_add(lacks, PYTHIA_EXTRA_PRIMARY_KEY, NULL, NULL, NULL);
	for (int i = 0; i < source->nindexes; i++)
	{
		const pythia_index *index = &source->indexes[i];

		if (!is_made(plan, index->columns, index->ncolumns))
			pythia_extras_add(lacks, PYTHIA_EXTRA_INCOMPLETE_INDEX, index->name, index->unique ? "unique" : NULL, NULL);
	}
}

bool pythia_target_lacks(const pythia_sync_job *job, const pythia_plan *plan, pythia_extras *lacks, pythia_error *error)
{
	sides s = {.job = job, .plan = plan};

	memset(lacks, 0, sizeof(*lacks));
	if (!pythia_extras_read(job->source, &plan->source, lacks, error))
		return false;
	pythia_extras_filter(lacks, is_lacking, &s);
	add_columns(&s, lacks);
	add_keys(plan, lacks);
	pythia_extras_sort(lacks);
	return true;
}

static void put_name(pythia_buffer *out, const pythia_extra *extra, const char *between)
{
	char *name = pythia_visible_short(extra->name != NULL ? extra->name : extra->detail);
	char *detail = extra->name != NULL && extra->detail != NULL ? pythia_visible_short(extra->detail) : NULL;

	pythia_buffer_printf(out, "%s%s", between, name);
	if (detail != NULL)
		pythia_buffer_printf(out, " (%s)", detail);
	pythia_free(name);
	pythia_free(detail);
}

void pythia_target_tell_lacks(const pythia_sync_job *job, const pythia_table *source, const pythia_extras *lacks)
{
	for (int i = 0, end; i < lacks->count; i = end)
	{
		const pythia_extra_words *words = pythia_extra_words_of(lacks->items[i].kind);
		pythia_buffer names = PYTHIA_BUFFER_INIT;
		char count[24] = "";
		int n;

		for (end = i; end < lacks->count && lacks->items[end].kind == lacks->items[i].kind; end++)
		{
			if (end - i < NAMES_TOLD && (lacks->items[end].name != NULL || lacks->items[end].detail != NULL))
				put_name(&names, &lacks->items[end], names.length > 0 ? ", " : ": ");
		}
		n = end - i;
		if (n > NAMES_TOLD)
			pythia_buffer_printf(&names, " and %d more", n - NAMES_TOLD);
		if (words->many != NULL)
			snprintf(count, sizeof(count), "%d ", n);
		pythia_host_log(job->target->host, PYTHIA_LOG_WARNING, "table \"%s\" is made without %s%s, %s%s", source->name,
						count, n > 1 && words->many != NULL ? words->many : words->one, words->why,
						pythia_buffer_text(&names));
		pythia_buffer_free(&names);
	}
}
