/* Secondary indexes of a target that was made for a sync, put on when its rows are there. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/digest.h"
#include "core/list.h"
#include "core/memory.h"
#include "sync/create/create.h"

/* What names are made from, and those that they must not take. */
typedef struct index_names
{
	const char *source; /* the table's name there */
	char **tables;      /* in order, without regard to case */
	int count;
	int most;
} index_names;

/* Bytes of a name in PostgreSQL; MySQL takes one more. */
#define LONGEST_NAME 63

static bool same_columns(const pythia_table *a, const pythia_index *x, const pythia_table *b, const pythia_index *y)
{
	if (x->ncolumns != y->ncolumns || (x->unique && !y->unique))
		return false;
	for (int i = 0; i < x->ncolumns; i++)
	{
		if (strcmp(a->columns[x->columns[i]].name, b->columns[y->columns[i]].name) != 0)
			return false;
	}
	return true;
}

static bool is_there(const pythia_table *design, const pythia_index *index, const pythia_table *there)
{
	for (int i = 0; i < there->nindexes; i++)
	{
		if (same_columns(design, index, there, &there->indexes[i]))
			return true;
	}
	return false;
}

/* The name is the schema's in PostgreSQL and SQLite, where the source's own may lie beside it, so it says whose
 * index it is; one too long ends in a digest, so that two of them stay apart.  `turn` counts from 0 where names are taken. */
static void make_name(const pythia_dialect *dialect, const char *source, const char *table, const char *name, int turn,
					  pythia_buffer *text)
{
	size_t length = strlen(source);

	pythia_buffer_clear(text);
	if (strncmp(name, "sqlite_autoindex_", 17) == 0)
		name += 17;
	if (strncmp(name, source, length) == 0 && name[length] == '_')
		name += length + 1;
	if (dialect->engine != PYTHIA_MYSQL)
		pythia_buffer_printf(text, "%s_", table);
	pythia_buffer_puts(text, name);
	if (turn > 0)
		pythia_buffer_printf(text, "_%d", turn);
	if (text->length > LONGEST_NAME)
	{
		char hex[33];
		size_t cut = LONGEST_NAME - 9;

		pythia_md5(text->data, text->length, hex);
		while (cut > 0 && ((unsigned char) text->data[cut] & 0xC0) == 0x80)
			cut--;
		text->length = cut;
		pythia_buffer_printf(text, "_%.8s", hex);
	}
}

/* Does anything in the target's schema have the name?  MySQL's indexes have names of their table's own. */
static bool is_taken(pythia_db *target, const pythia_table *design, const char *name, bool *taken, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(target);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	*taken = false;
	switch (target->engine)
	{
		case PYTHIA_MYSQL:
			return true;
		case PYTHIA_POSTGRESQL:
			pythia_buffer_puts(&sql, "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
									 " ON n.oid = c.relnamespace WHERE c.relname = ");
			dialect->literal(&sql, name, strlen(name));
			pythia_buffer_puts(&sql, " AND n.nspname = ");
			dialect->literal(&sql, design->schema, strlen(design->schema));
			break;
		case PYTHIA_SQLITE:
			pythia_buffer_puts(&sql, "SELECT 1 FROM ");
			dialect->identifier(&sql, design->schema);
			pythia_buffer_puts(&sql, ".sqlite_master WHERE name = ");
			dialect->literal(&sql, name, strlen(name));
			pythia_buffer_puts(&sql, " COLLATE NOCASE");
			break;
	}
	ok = pythia_db_any(target, sql.data, taken, error);
	pythia_buffer_free(&sql);
	return ok;
}

static int compare_names(const void *a, const void *b)
{
	return strcasecmp(*(char *const *) a, *(char *const *) b);
}

/* A table that has not come yet wants its name, too. */
static bool is_wanted(const index_names *names, const char *name)
{
	return names->count > 0 &&
		   bsearch(&name, names->tables, (size_t) names->count, sizeof(char *), compare_names) != NULL;
}

static bool find_name(pythia_db *target, const index_names *names, const pythia_table *design, const char *index,
					  pythia_buffer *name, pythia_error *error)
{
	bool taken = true;

	for (int turn = 0; taken; turn++)
	{
		if (pythia_host_cancelled(target->host))
			return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "the search for an index's name was cancelled");
		make_name(pythia_dialect_of(target), names->source, design->name, index, turn, name);
		taken = target->engine != PYTHIA_MYSQL && is_wanted(names, name->data);
		if (!taken && !is_taken(target, design, name->data, &taken, error))
			return false;
	}
	return true;
}

/* InnoDB's limit for all columns of an index. */
#define LONGEST_INDEX 3072

static int64_t bytes_of(const pythia_type *type)
{
	bool text = type->kind == PYTHIA_KIND_TEXT || type->kind == PYTHIA_KIND_CHAR;

	if (!text && type->kind != PYTHIA_KIND_BYTES && type->kind != PYTHIA_KIND_JSON && type->kind != PYTHIA_KIND_OTHER)
		return 16;
	if (type->length <= 0 ||
		(type->native != NULL && (strstr(type->native, "text") != NULL || strstr(type->native, "blob") != NULL)))
		return INT32_MAX;
	return text ? type->length * 4 : type->length;
}

int64_t pythia_index_prefix(const pythia_table *design, const pythia_index *index, const pythia_type *type)
{
	int64_t sum = 0;
	int64_t room = LONGEST_INDEX / index->ncolumns;

	for (int i = 0; i < index->ncolumns; i++)
	{
		int64_t bytes = bytes_of(&design->columns[index->columns[i]].type);

		sum += bytes;
	}
	/* half of a value does not tell whether the whole is there twice */
	if (sum <= LONGEST_INDEX || index->unique || bytes_of(type) <= room)
		return 0;
	return type->kind == PYTHIA_KIND_BYTES ? room : room / 4;
}

static void put_columns(const pythia_dialect *dialect, const pythia_table *design, const pythia_index *index,
						pythia_buffer *out)
{
	pythia_buffer_puts(out, " (");
	for (int i = 0; i < index->ncolumns; i++)
	{
		const pythia_column *column = &design->columns[index->columns[i]];
		int64_t prefix = dialect->engine == PYTHIA_MYSQL ? pythia_index_prefix(design, index, &column->type) : 0;

		pythia_buffer_puts(out, i > 0 ? ", " : "");
		dialect->identifier(out, column->name);
		if (prefix > 0)
			pythia_buffer_printf(out, "(%lld)", (long long) prefix);
		pythia_buffer_puts(out, index->descending[i] ? " DESC" : "");
	}
	pythia_buffer_putc(out, ')');
}

static void put_statement(const pythia_dialect *dialect, const char *name, const pythia_table *design,
						  const pythia_index *index, pythia_buffer *out)
{
	pythia_buffer_printf(out, "CREATE %sINDEX ", index->unique ? "UNIQUE " : "");
	/* SQLite wants the schema before the index, the others before the table */
	if (dialect->engine == PYTHIA_SQLITE)
	{
		dialect->identifier(out, design->schema);
		pythia_buffer_putc(out, '.');
	}
	dialect->identifier(out, name);
	pythia_buffer_puts(out, " ON ");
	pythia_dialect_table(dialect, out, dialect->engine == PYTHIA_SQLITE ? NULL : design->schema, design->name);
	put_columns(dialect, design, index, out);
}

/* What lies in the index, and will be so the next time, too. */
static bool is_refusal(const pythia_db *target, const pythia_error *error)
{
	return !target->broken && (error->error_class == PYTHIA_E_DATABASE || error->error_class == PYTHIA_E_DATA) &&
		   strcmp(error->sqlstate, "57014") != 0 && strncmp(error->sqlstate, "53", 2) != 0;
}

/* An index that cannot be made is told, and keeps no row from being there. */
static bool make_index(pythia_db *target, const index_names *names, const pythia_table *design,
					   const pythia_index *index, pythia_error *error)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_error refusal = PYTHIA_ERROR_INIT;
	bool ok = find_name(target, names, design, index->name, &name, error);

	if (ok)
	{
		put_statement(pythia_dialect_of(target), name.data, design, index, &sql);
		ok = pythia_db_exec(target, sql.data, NULL, &refusal);
		if (!ok && is_refusal(target, &refusal))
		{
			pythia_host_log(target->host, PYTHIA_LOG_WARNING, "table \"%s\" is made without its %sindex \"%s\": %s",
							design->name, index->unique ? "unique " : "", index->name, refusal.message);
			pythia_error_reset(&refusal);
			ok = true;
		}
		else if (!ok)
			pythia_error_move(error, &refusal);
	}
	pythia_buffer_free(&name);
	pythia_buffer_free(&sql);
	return ok;
}

/* MySQL makes several in one pass over the table. */
static void put_addition(const pythia_dialect *dialect, const char *name, const pythia_table *design,
						 const pythia_index *index, pythia_buffer *out)
{
	if (out->length == 0)
	{
		pythia_buffer_puts(out, "ALTER TABLE ");
		pythia_dialect_table(dialect, out, design->schema, design->name);
		pythia_buffer_putc(out, ' ');
	}
	else
		pythia_buffer_puts(out, ", ");
	pythia_buffer_printf(out, "ADD %sINDEX ", index->unique ? "UNIQUE " : "");
	dialect->identifier(out, name);
	put_columns(dialect, design, index, out);
}

/* *all is false where they have to be made one by one. */
static bool add_together(pythia_db *target, const index_names *names, const pythia_table *design,
						 const pythia_table *there, bool *all, pythia_error *error)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok = true;

	for (int i = 0; ok && i < design->nindexes; i++)
	{
		if (is_there(design, &design->indexes[i], there))
			continue;
		ok = find_name(target, names, design, design->indexes[i].name, &name, error);
		put_addition(pythia_dialect_of(target), name.data, design, &design->indexes[i], &sql);
	}
	*all = ok && (sql.length == 0 || pythia_db_exec(target, sql.data, NULL, error));
	if (ok && !*all)
	{
		ok = is_refusal(target, error);
		if (ok)
			pythia_error_reset(error);
	}
	pythia_buffer_free(&name);
	pythia_buffer_free(&sql);
	return ok;
}

/* The names that tables of the source's schema may take in the target, one day. */
static bool list_names(const pythia_sync_job *job, const pythia_table *source, index_names *names, pythia_error *error)
{
	const pythia_node *map = job->config->table_map;
	char **tables;
	int count;

	memset(names, 0, sizeof(*names));
	names->source = source->name;
	if (job->target->engine == PYTHIA_MYSQL)
		return true;
	if (!pythia_list_table_names(job->source, source->schema, &tables, &count, error))
		return false;
	for (const pythia_node *node = pythia_node_members(map); node != NULL; node = node->next)
		names->most++;
	names->tables = pythia_calloc((size_t) (count + names->most) + 1, sizeof(char *));
	for (int i = 0; i < count; i++)
	{
		pythia_error ignored = PYTHIA_ERROR_INIT;
		char *schema = NULL;

		if (pythia_name_parse(tables[i], &schema, &names->tables[names->count], &ignored))
			names->count++;
		pythia_free(schema);
		pythia_error_reset(&ignored);
	}
	for (const pythia_node *node = pythia_node_members(map); node != NULL; node = node->next)
		names->tables[names->count++] = pythia_strdup(node->text);
	qsort(names->tables, (size_t) names->count, sizeof(char *), compare_names);
	pythia_list_free(tables, count);
	return true;
}

bool pythia_target_create_indexes(const pythia_sync_job *job, const pythia_table *source, const pythia_table *design,
								  const pythia_table *there, pythia_error *error)
{
	pythia_db *target = job->target;
	index_names names;
	bool all = false;
	bool ok = list_names(job, source, &names, error);

	if (ok && target->engine == PYTHIA_MYSQL)
		ok = add_together(target, &names, design, there, &all, error);
	for (int i = 0; ok && !all && i < design->nindexes; i++)
	{
		if (!is_there(design, &design->indexes[i], there))
			ok = make_index(target, &names, design, &design->indexes[i], error);
	}
	if (!ok)
		pythia_error_context(error, "creating indexes of table \"%s\"", design->name);
	pythia_list_free(names.tables, names.count);
	return ok;
}
