/* Columns that were given another type at the source: the target's follow, where its engine can. */
#include <string.h>

#include "core/memory.h"
#include "core/text.h"
#include "sync/create/create.h"
#include "sync/plan.h"

static bool lacks_label(const pythia_type *have, const pythia_type *want)
{
	for (int i = 0; i < want->nlabels; i++)
	{
		bool found = false;

		for (int k = 0; k < have->nlabels; k++)
			found = found || strcmp(have->labels[k], want->labels[i]) == 0;
		if (!found)
			return true;
	}
	return false;
}

static bool less(int64_t have, int64_t want)
{
	return have != -1 && (want == -1 || have < want);
}

/* Whether `want` holds what `have` does not, as far as the two are of a kind. */
static bool narrower(const pythia_type *have, const pythia_type *want)
{
	if (have->kind != want->kind)
		return want->kind == PYTHIA_KIND_DECIMAL && (have->kind == PYTHIA_KIND_INT || have->kind == PYTHIA_KIND_UINT);
	switch (have->kind)
	{
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
		case PYTHIA_KIND_FLOAT:
			return have->size < want->size;
		case PYTHIA_KIND_DECIMAL:
			return have->precision != -1 &&
				   (want->precision == -1 || want->precision - want->scale > have->precision - have->scale ||
					want->scale > have->scale);
		case PYTHIA_KIND_TIME:
		case PYTHIA_KIND_TIMESTAMP:
		case PYTHIA_KIND_TIMESTAMPTZ:
			return have->precision < want->precision;
		case PYTHIA_KIND_ENUM:
		case PYTHIA_KIND_SET:
			return lacks_label(have, want);
		default:
			return less(have->length, want->length);
	}
}

static bool to_be_changed(const pythia_sync_job *job, const char *was, const pythia_type *is, const pythia_type *have,
						  const pythia_type *want)
{
	pythia_type before = {0};
	bool turned;

	if (want->native == NULL)
		return false;
	if (job->target->engine == PYTHIA_SQLITE && pythia_sqlite_affinity(have) == pythia_sqlite_affinity(want))
		return false;
	pythia_dialect_of(job->source)->parse_type(was, &before);
	turned = before.kind != is->kind && have->kind != want->kind;
	pythia_type_free(&before);
	return turned || (narrower(have, want) && !narrower(want, have));
}

static void put_change(const pythia_sync_job *job, pythia_table *target, int position, const pythia_type *want,
					   pythia_buffer *sql)
{
	const pythia_dialect *dialect = pythia_dialect_of(job->target);
	pythia_column *column = &target->columns[position];
	pythia_type have = column->type;

	pythia_buffer_puts(sql, "ALTER TABLE ");
	pythia_dialect_table(dialect, sql, target->schema, target->name);
	if (job->target->engine == PYTHIA_POSTGRESQL)
	{
		pythia_buffer_puts(sql, " ALTER COLUMN ");
		dialect->identifier(sql, column->name);
		pythia_buffer_printf(sql, " TYPE %s USING ", want->native);
		dialect->identifier(sql, column->name);
		pythia_buffer_printf(sql, "::%s", want->native);
		return;
	}
	pythia_buffer_puts(sql, " MODIFY COLUMN ");
	column->type = *want;
	pythia_target_column_ddl(job->target, target, position, sql);
	column->type = have;
}

/* A collation is the type's, too: it is kept where there is a text still, and its name is plain. */
static void keep_collation(pythia_column *column, const pythia_type *want)
{
	bool text = want->kind == PYTHIA_KIND_TEXT || want->kind == PYTHIA_KIND_ENUM || want->kind == PYTHIA_KIND_SET;

	if (column->collation == NULL ||
		(text && column->collation[0] != '\0' &&
		 column->collation[strspn(column->collation, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0'))
		return;
	pythia_free(column->collation);
	column->collation = NULL;
}

static bool change(const pythia_sync_job *job, pythia_plan *plan, const pythia_column *source, int position,
				   const pythia_type *want, pythia_error *error)
{
	pythia_column *column = &plan->target.columns[position];
	pythia_error why = PYTHIA_ERROR_INIT;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok = false;

	keep_collation(column, want);
	if (job->target->engine == PYTHIA_SQLITE)
		pythia_fail(&why, PYTHIA_E_USAGE, "0A000", "SQLite changes no column's type");
	else
	{
		put_change(job, &plan->target, position, want, &sql);
		ok = pythia_db_exec(job->target, sql.data, NULL, &why);
	}
	pythia_buffer_free(&sql);
	if (ok)
		pythia_host_log(job->target->host, PYTHIA_LOG_NOTICE,
						"column \"%s\" of table \"%s\" is %s at the source now: the target's, %s, was made %s",
						source->name, plan->source.name, pythia_type_shown(&source->type),
						pythia_type_shown(&column->type), pythia_type_shown(want));
	else if (job->target->broken || pythia_sync_later(&why) || why.error_class == PYTHIA_E_CANCELLED)
		pythia_error_move(error, &why);
	else
	{
		pythia_fail(error, PYTHIA_E_USAGE, "0A000",
					"column \"%s\" of table \"%s\" is %s at the source now, and the target's, %s, cannot be made %s",
					source->name, plan->source.name, pythia_type_shown(&source->type), pythia_type_shown(&column->type),
					pythia_type_shown(want));
		pythia_error_detail(error, "The target says: %s.", why.message);
		pythia_error_hint(error, "Give the target's column a type that holds the source's; the table is tried again.");
	}
	pythia_error_reset(&why);
	return ok;
}

/* The target as it would be made now. */
static bool design(const pythia_sync_job *job, const pythia_plan *plan, const char **names, pythia_table *made,
				   pythia_error *error)
{
	int *key = pythia_calloc((size_t) plan->nkey + 1, sizeof(int));
	bool ok;

	for (int i = 0; i < plan->npairs; i++)
		names[plan->pairs[i].source] = plan->target.columns[plan->pairs[i].target].name;
	for (int i = 0; i < plan->nkey; i++)
		key[i] = plan->pairs[plan->key[i]].source;
	ok = pythia_target_design(job, &plan->source, names, key, plan->nkey, plan->target.schema, plan->target.name, made,
							  error);
	pythia_free(key);
	return ok;
}

static bool widen(const pythia_sync_job *job, pythia_plan *plan, const pythia_node *was, pythia_error *error)
{
	const char **names = pythia_calloc((size_t) plan->source.ncolumns + 1, sizeof(char *));
	pythia_table made = {0};
	bool ok = design(job, plan, names, &made, error);

	for (int i = 0; ok && i < plan->npairs; i++)
	{
		const pythia_column *source = &plan->source.columns[plan->pairs[i].source];
		int position = plan->pairs[i].target;
		const pythia_node *before = pythia_node_get(was, source->name);
		const pythia_type *want = NULL;

		if (before == NULL || before->text == NULL || source->type.native == NULL ||
			strcmp(before->text, source->type.native) == 0)
			continue;
		for (int k = 0; k < made.ncolumns; k++)
			if (strcmp(made.columns[k].name, plan->target.columns[position].name) == 0)
				want = &made.columns[k].type;
		if (want != NULL && to_be_changed(job, before->text, &source->type, &plan->target.columns[position].type, want))
			ok = change(job, plan, source, position, want, error);
	}
	pythia_table_free(&made);
	pythia_free(names);
	return ok;
}

bool pythia_target_widen(const pythia_sync_job *job, const pythia_node *was, pythia_error *error)
{
	pythia_plan plan = {0};
	bool ok;

	if (!pythia_plan_make(job, &plan, error))
		return false;
	ok = plan.target_missing || widen(job, &plan, was, error);
	pythia_plan_free(&plan);
	return ok;
}
