/* The target table: designed from the source's description, created, indexed after the load. */
#include "sync/create/create.h"

#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "sync/create/maps.h"
#include "sync/plan.h"
#include "value/guards.h"

/* --- types that depend on the data ----------------------------------------- */

/* True in *found where a row of the source meets the condition over its column. */
static bool source_has(const pythia_sync_job *job, const pythia_table *source, const pythia_column *column,
					   const char *below, const char *above, bool *found, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(job->source);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_column_reference(dialect, &name, NULL, column);
	pythia_buffer_puts(&sql, "SELECT 1 FROM ");
	pythia_dialect_table(dialect, &sql, source->schema, source->name);
	pythia_buffer_printf(&sql, " WHERE %s < %s OR %s > %s LIMIT 1", name.data, below, name.data, above);
	ok = pythia_db_any(job->source, sql.data, found, error);
	pythia_buffer_free(&sql);
	pythia_buffer_free(&name);
	return ok;
}

/*
 * MySQL's tinyint(1) is a boolean only if it holds nothing but 0 and 1; its TIME is a time of day only
 * within the day; an unsigned number that counts on goes on counting where it has not gone beyond a signed one;
 * a MySQL TIMESTAMP ends in 2038, or in 2106.
 */
static bool adjust_type(const pythia_sync_job *job, const pythia_table *source, const pythia_column *column,
						pythia_type *type, pythia_error *error)
{
	bool found = false;

	if (job->source->engine == PYTHIA_MYSQL && type->kind == PYTHIA_KIND_BOOL)
	{
		if (!source_has(job, source, column, "0", "1", &found, error))
			return false;
		if (found)
			type->kind = PYTHIA_KIND_INT;
	}
	else if (job->source->engine == PYTHIA_MYSQL && type->kind == PYTHIA_KIND_UINT && column->identity &&
			 job->target->engine != PYTHIA_MYSQL)
	{
		if (type->size == 8 && !source_has(job, source, column, "0", "9223372036854775807", &found, error))
			return false;
		if (!found)
		{
			type->kind = PYTHIA_KIND_INT;
			type->is_unsigned = false;
			type->size = type->size < 4 ? 4 : 8;
		}
	}
	else if (job->source->engine == PYTHIA_MYSQL && type->kind == PYTHIA_KIND_TIME &&
			 job->target->engine == PYTHIA_POSTGRESQL)
	{
		if (!source_has(job, source, column, "'00:00:00'", "'24:00:00'", &found, error))
			return false;
		if (found)
			type->kind = PYTHIA_KIND_INTERVAL;
	}
	else if (job->target->engine == PYTHIA_MYSQL && type->kind == PYTHIA_KIND_TIMESTAMPTZ &&
			 (job->source->engine != PYTHIA_MYSQL ||
			  (pythia_mysql_to_2106(job->source) && !pythia_mysql_to_2106(job->target))))
	{
		const char *zone = job->source->engine == PYTHIA_SQLITE  ? "Z"
						   : job->source->engine == PYTHIA_MYSQL ? ""
																 : "+00";
		char first[32];
		char last[32];

		snprintf(first, sizeof(first), "'1970-01-01 00:00:01%s'", zone);
		snprintf(last, sizeof(last), "'%s%s'",
				 pythia_mysql_to_2106(job->target) ? "2106-02-07 06:28:15" : "2038-01-19 03:14:07", zone);
		if (!source_has(job, source, column, first, last, &found, error))
			return false;
		if (found)
			type->kind = PYTHIA_KIND_TIMESTAMP;
	}
	return true;
}

static bool in_list(const int *list, int n, int value)
{
	for (int i = 0; i < n; i++)
	{
		if (list[i] == value)
			return true;
	}
	return false;
}

/* Other indexes take a prefix, where a text is long. */
static bool in_unique_index(const pythia_table *table, int column)
{
	for (int i = 0; i < table->nindexes; i++)
	{
		if (table->indexes[i].unique && in_list(table->indexes[i].columns, table->indexes[i].ncolumns, column))
			return true;
	}
	return false;
}

/* MySQL's two limits: 65,535 bytes for all columns as declared, and what InnoDB keeps in the page itself,
 * where only columns of more than 255 bytes may leave a reference of 40. */
typedef struct row_room
{
	int64_t declared;
	int64_t in_page;
} row_room;

#define DECLARED_LIMIT 60000
#define IN_PAGE_LIMIT  7800
#define REFERENCE      40

static void take_room(const pythia_type *type, row_room *room)
{
	bool text = type->kind == PYTHIA_KIND_TEXT || type->kind == PYTHIA_KIND_CHAR;
	int64_t bytes = 16;

	if (type->length > 0 && (text || type->kind == PYTHIA_KIND_BYTES))
		bytes = (type->length < DECLARED_LIMIT ? type->length : DECLARED_LIMIT) * (text ? 4 : 1) + 2;
	else if (text || type->kind == PYTHIA_KIND_BYTES)
		bytes = REFERENCE;
	room->declared += bytes;
	room->in_page += bytes > 255 ? REFERENCE : bytes;
}

static bool has_room(const pythia_type *type, row_room room)
{
	take_room(type, &room);
	return room.declared <= DECLARED_LIMIT && room.in_page <= IN_PAGE_LIMIT;
}

/* Between databases of one engine a type keeps its own spelling, where the other side is sure to know it. */
static bool same_spelling(const pythia_sync_job *job, const pythia_column *column)
{
	const char *native = column->type.native;

	if (job->source->engine != job->target->engine || job->source->is_mariadb != job->target->is_mariadb ||
		native == NULL || (native[0] == '\0' && job->source->engine != PYTHIA_SQLITE))
		return false;
	/* a type of somebody's own has its schema before it */
	if (job->source->engine == PYTHIA_POSTGRESQL)
		return column->type.kind != PYTHIA_KIND_ENUM && column->type.kind != PYTHIA_KIND_ARRAY &&
			   column->type.kind != PYTHIA_KIND_OTHER && strchr(native, '.') == NULL;
	return true;
}

/* Between two MySQLs, or two MariaDBs, a text keeps its collation, unless the target might not know it yet. */
static bool same_collation(const pythia_sync_job *job, const pythia_column *column)
{
	return job->source->engine == PYTHIA_MYSQL && job->target->engine == PYTHIA_MYSQL &&
		   job->source->is_mariadb == job->target->is_mariadb && job->target->version >= job->source->version &&
		   column->collation != NULL && column->collation[0] != '\0' &&
		   column->collation[strspn(column->collation, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0' &&
		   column->type.kind != PYTHIA_KIND_JSON;
}

/* Two MySQLs, or two MariaDBs, know the same functions; so do two of another engine, as far as defaults call them. */
static bool same_expressions(const pythia_sync_job *job)
{
	return job->source->is_mariadb == job->target->is_mariadb && job->target->version >= job->source->version;
}

/* Does the target have columns that SELECT * does not show? */
static bool hides_columns(const pythia_db *target)
{
	return target->engine == PYTHIA_MYSQL && target->version >= (target->is_mariadb ? 100300 : 80023);
}

/* Does it keep the order of an index's column? */
static bool keeps_descending(const pythia_db *target)
{
	return target->engine != PYTHIA_MYSQL || target->version >= (target->is_mariadb ? 100800 : 80001);
}

/* A policy may say NULL where the source never does. */
static bool policy_says_null(const pythia_sync_job *job, const pythia_type *from, const pythia_type *to)
{
	pythia_transform transform;
	pythia_guard guards[PYTHIA_GUARDS];
	int n;

	pythia_transform_init(&transform, from, job->source->engine, to, job->target->engine, &job->config->policies, true);
	n = pythia_transform_guards(&transform, job->config->quarantine, guards);
	for (int i = 0; i < n; i++)
	{
		if (guards[i].action == PYTHIA_GUARD_NULL)
			return true;
	}
	return false;
}

static bool design_column(const pythia_sync_job *job, const pythia_table *source, int position, const char *name,
						  bool primary, bool in_key, row_room *room, pythia_column *out, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(job->target);
	const pythia_column *column = &source->columns[position];
	pythia_buffer ddl = PYTHIA_BUFFER_INIT;
	pythia_buffer value = PYTHIA_BUFFER_INIT;
	bool blurred = pythia_labels_are_blurred(job->source, column);
	const char *mapped;
	bool has_default = false;
	pythia_default given = {0};
	pythia_type type;
	bool ok;

	pythia_type_copy(&type, &column->type);
	if (blurred)
		pythia_type_forget_labels(&type);
	ok = pythia_map_type(job, column, &mapped, error);
	if (ok && mapped != NULL)
	{
		pythia_type_free(&type);
		dialect->parse_type(mapped, &type);
		pythia_buffer_puts(&ddl, type.native);
	}
	else
		ok = ok && adjust_type(job, source, column, &type, error);
	if (ok && mapped == NULL && in_key && job->target->engine == PYTHIA_MYSQL && job->source->engine != PYTHIA_MYSQL)
		ok = pythia_key_text(job, source, column, primary, &in_key, &type, error);
	if (ok && mapped == NULL && !in_key && job->target->engine == PYTHIA_MYSQL && job->source->engine != PYTHIA_MYSQL &&
		!has_room(&type, *room))
		type.length = -1;
	take_room(&type, room);
	/* a TIMESTAMP that ends too early there has become a DATETIME */
	if (ok && mapped != NULL)
		;
	else if (ok && !blurred && same_spelling(job, column) &&
			 (type.kind == column->type.kind || column->type.kind != PYTHIA_KIND_TIMESTAMPTZ))
		pythia_buffer_puts(&ddl, column->type.native);
	else if (ok && job->source->engine == PYTHIA_SQLITE && job->target->engine == PYTHIA_SQLITE &&
			 type.kind == PYTHIA_KIND_OTHER)
		pythia_buffer_puts(&ddl, "NUMERIC");
	else
		ok = ok && dialect->type_ddl(job->target, &type, in_key, &ddl, error);
	if (ok)
	{
		memset(out, 0, sizeof(*out));
		out->name = pythia_strdup(name);
		dialect->parse_type(ddl.data, &out->type);
		/* a key holds no NULL, whatever policies say */
		out->nullable = column->nullable || (!primary && policy_says_null(job, &column->type, &out->type));
		/* what numbers itself holds no NULL; PostgreSQL and SQLite number with signs alone */
		out->identity = column->identity && !column->nullable &&
						(out->type.kind == PYTHIA_KIND_INT ||
						 (out->type.kind == PYTHIA_KIND_UINT && job->target->engine == PYTHIA_MYSQL));
		out->comment = pythia_strdup(column->comment);
		/* a key that is only the sync's tells texts apart that the source's collation does not */
		if (same_collation(job, column) && (!primary || in_list(source->key, source->nkey, position)))
			out->collation = pythia_strdup(column->collation);
		ok = pythia_map_default(job, column, &out->type, &has_default, &given, error);
		if (has_default)
			out->value = given;
		else if (!column->identity && !pythia_catalog_blurs(job->source, column, column->value.text) &&
				 (column->value.kind != PYTHIA_DEFAULT_EXPRESSION || same_expressions(job)) &&
				 pythia_default_ddl(&column->value, job->target, &out->type, &value))
			pythia_default_copy(&out->value, &column->value);
		/* one that holds no NULL and has no default would keep everybody from inserting rows */
		out->invisible = column->invisible && hides_columns(job->target) &&
						 (out->nullable || out->identity || out->value.kind != PYTHIA_DEFAULT_NONE);
	}
	if (!ok)
		pythia_error_context(error, "column \"%s\" of table \"%s\"", column->name, source->name);
	pythia_type_free(&type);
	pythia_buffer_free(&ddl);
	pythia_buffer_free(&value);
	return ok;
}

static void design_indexes(const pythia_sync_job *job, const pythia_table *source, const int *position_of,
						   pythia_table *target)
{
	target->indexes = pythia_calloc((size_t) source->nindexes + 1, sizeof(pythia_index));
	for (int i = 0; i < source->nindexes; i++)
	{
		const pythia_index *from = &source->indexes[i];
		pythia_index *to = &target->indexes[target->nindexes];
		bool whole = true;

		for (int k = 0; k < from->ncolumns; k++)
			whole = whole && position_of[from->columns[k]] >= 0;
		if (!whole)
			continue;
		to->name = pythia_strdup(from->name);
		to->unique = from->unique;
		to->ncolumns = from->ncolumns;
		to->columns = pythia_calloc((size_t) from->ncolumns, sizeof(int));
		to->descending = pythia_calloc((size_t) from->ncolumns, sizeof(bool));
		for (int k = 0; k < from->ncolumns; k++)
		{
			to->columns[k] = position_of[from->columns[k]];
			to->descending[k] = from->descending[k] && keeps_descending(job->target);
		}
		target->nindexes++;
	}
}

/* The order of a key's columns is the source's primary key's, where that is the key and the target keeps it. */
static bool key_descends(const pythia_sync_job *job, const pythia_table *source, int column)
{
	for (int i = 0; i < source->nkey; i++)
		if (source->key[i] == column)
			return source->key_descending[i] && job->target->engine == PYTHIA_MYSQL && keeps_descending(job->target);
	return false;
}

/* One at least is to be seen. */
static void show_columns(pythia_table *target)
{
	for (int i = 0; i < target->ncolumns; i++)
		if (!target->columns[i].invisible)
			return;
	for (int i = 0; i < target->ncolumns; i++)
		target->columns[i].invisible = false;
}

/* The column that will mark rows which are gone, where the source's columns bring none of its name. */
static bool design_soft_column(const pythia_sync_job *job, pythia_table *target, pythia_error *error)
{
	pythia_type type = {.kind = PYTHIA_KIND_TIMESTAMPTZ, .precision = 6};
	pythia_column *column = &target->columns[target->ncolumns];
	pythia_buffer ddl = PYTHIA_BUFFER_INIT;
	bool ok;

	if (job->config->deletes != PYTHIA_DELETES_SOFT ||
		pythia_table_column(target, job->config->soft_delete_column) >= 0)
		return true;
	ok = pythia_dialect_of(job->target)->type_ddl(job->target, &type, false, &ddl, error);
	if (ok)
	{
		column->name = pythia_strdup(job->config->soft_delete_column);
		pythia_dialect_of(job->target)->parse_type(ddl.data, &column->type);
		column->nullable = true;
		target->ncolumns++;
	}
	pythia_buffer_free(&ddl);
	return ok;
}

bool pythia_target_design(const pythia_sync_job *job, const pythia_table *source, const char *const *names,
						  const int *key, int nkey, const char *schema, const char *name, pythia_table *target,
						  pythia_error *error)
{
	int *position_of = pythia_calloc((size_t) source->ncolumns + 1, sizeof(int));
	row_room room = {0};
	bool ok = true;
	const char *usual = job->target->default_schema;

	memset(target, 0, sizeof(*target));
	target->schema = pythia_strdup(schema != NULL ? schema : usual != NULL ? usual : "public");
	target->name = pythia_strdup(name);
	target->relation = PYTHIA_RELATION_TABLE;
	target->estimated_rows = 0;
	target->comment = pythia_strdup(source->comment);
	target->columns = pythia_calloc((size_t) source->ncolumns + 2, sizeof(pythia_column));
	for (int i = 0; ok && i < source->ncolumns; i++)
	{
		bool primary = in_list(key, nkey, i);
		bool in_key = primary || in_unique_index(source, i);

		position_of[i] = -1;
		if (names[i] == NULL)
			continue;
		ok = design_column(job, source, i, names[i], primary, in_key, &room, &target->columns[target->ncolumns], error);
		if (target->columns[target->ncolumns].name != NULL)
			position_of[i] = target->ncolumns++;
	}
	ok = ok && design_soft_column(job, target, error);
	if (ok)
	{
		target->key = pythia_calloc((size_t) nkey + 1, sizeof(int));
		target->key_descending = pythia_calloc((size_t) nkey + 1, sizeof(bool));
		for (int i = 0; i < nkey; i++)
		{
			target->key_descending[target->nkey] = key_descends(job, source, key[i]);
			target->key[target->nkey++] = position_of[key[i]];
		}
		ok = pythia_key_share(job, source, key, target, error);
	}
	if (ok)
	{
		design_indexes(job, source, position_of, target);
		show_columns(target);
	}
	pythia_free(position_of);
	if (!ok)
		pythia_table_free(target);
	return ok;
}

/* --- making it ------------------------------------------------------------- */

static bool postgres_comments(pythia_db *db, const pythia_table *table, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok = true;

	for (int i = -1; ok && i < table->ncolumns; i++)
	{
		pythia_buffer_clear(&sql);
		ok = !pythia_target_comment(table, i, &sql) || pythia_db_exec(db, sql.data, NULL, error);
	}
	pythia_buffer_free(&sql);
	return ok;
}

/* With its comments, or not at all. */
static bool create_whole(pythia_db *db, const char *sql, const pythia_table *table, pythia_error *error)
{
	pythia_error ignored = PYTHIA_ERROR_INIT;

	if (!db->driver->begin(db, PYTHIA_BEGIN_WRITE, error))
		return false;
	if (pythia_db_exec(db, sql, NULL, error) && postgres_comments(db, table, error) && db->driver->commit(db, error))
		return true;
	if (!db->broken)
		db->driver->rollback(db, &ignored);
	pythia_error_reset(&ignored);
	return false;
}

static int most_columns(const pythia_db *db)
{
	return db->engine == PYTHIA_MYSQL ? 1017 : db->engine == PYTHIA_POSTGRESQL ? 1600 : 2000;
}

bool pythia_target_create(const pythia_sync_job *job, const pythia_plan *plan, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_extras lacks = {0};
	bool ok = pythia_target_name_fits(job->target, plan->target.name, "table_map", error);

	for (int i = 0; ok && i < plan->target.ncolumns; i++)
		ok = pythia_target_name_fits(job->target, plan->target.columns[i].name, "column_map", error);
	pythia_target_ddl(job->target, &plan->target, NULL, &sql);
	ok = ok && pythia_target_lacks(job, plan, &lacks, error);
	ok = ok && (job->target->engine == PYTHIA_POSTGRESQL ? create_whole(job->target, sql.data, &plan->target, error)
														 : pythia_db_exec(job->target, sql.data, NULL, error));
	for (int i = 0; ok && i < plan->npairs; i++)
		pythia_target_tell(job, &plan->source, &plan->source.columns[plan->pairs[i].source],
						   &plan->target.columns[plan->pairs[i].target]);
	if (ok)
		pythia_target_tell_lacks(job, &plan->source, &lacks);
	else
	{
		/* a server that says so itself does not say how many */
		if ((error->hint == NULL || strcmp(error->sqlstate, "54011") == 0) &&
			plan->target.ncolumns > most_columns(job->target))
			pythia_error_hint(error,
							  "It may have %d columns there: name those to carry in option \"columns\", or leave some"
							  " out by \"exclude_columns\".",
							  most_columns(job->target));
		if (error->hint == NULL && strcmp(error->sqlstate, "3F000") == 0)
			pythia_error_hint(error, "Create that schema there, or name another one for the table by \"table_map\".");
		pythia_error_context(error, "creating table \"%s\"", plan->target.name);
	}
	pythia_extras_free(&lacks);
	pythia_buffer_free(&sql);
	return ok;
}

/* What the rows that are there already can bear: without a value of the default's they have none. */
static void soften(const pythia_db *db, pythia_column *column)
{
	/* SQLite adds constants only; a key that counts on would number the rows that are there */
	if ((column->value.kind == PYTHIA_DEFAULT_NOW || column->value.kind == PYTHIA_DEFAULT_EXPRESSION) &&
		db->engine == PYTHIA_SQLITE)
		pythia_default_free(&column->value);
	column->identity = false;
	column->nullable = column->nullable || column->value.kind == PYTHIA_DEFAULT_NONE;
}

static bool add_column(const pythia_sync_job *job, const pythia_plan *plan, int position, pythia_error *error)
{
	const pythia_column *column = &plan->source.columns[position];
	pythia_column made;
	pythia_table table = {
		.schema = plan->target.schema, .name = plan->target.name, .columns = &made, .ncolumns = 1, .nkey = 0};
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	row_room room = {0};
	bool ok;

	if (!pythia_target_name_fits(job->target, column->name, "column_map", error) ||
		!design_column(job, &plan->source, position, column->name, false, false, &room, &made, error))
		return false;
	soften(job->target, &made);
	pythia_buffer_puts(&sql, "ALTER TABLE ");
	pythia_dialect_table(pythia_dialect_of(job->target), &sql, table.schema, table.name);
	pythia_buffer_puts(&sql, " ADD COLUMN ");
	pythia_target_column_ddl(job->target, &table, 0, &sql);
	ok = pythia_db_exec(job->target, sql.data, NULL, error) &&
		 (job->target->engine != PYTHIA_POSTGRESQL || postgres_comments(job->target, &table, error));
	if (ok)
		pythia_target_tell(job, &plan->source, column, &made);
	else
		pythia_error_context(error, "adding column \"%s\" to table \"%s\"", made.name, table.name);
	pythia_free(made.name);
	pythia_default_free(&made.value);
	pythia_free(made.comment);
	pythia_free(made.collation);
	pythia_type_free(&made.type);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_target_add_columns(const pythia_sync_job *job, const pythia_plan *plan, pythia_error *error)
{
	bool ok = true;

	for (int i = 0; ok && i < plan->nunmatched; i++)
		ok = add_column(job, plan, plan->unmatched[i], error);
	return ok;
}
