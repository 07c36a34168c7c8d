/* Rows that are marked and not deleted: a stamp where they are gone, else NULL; or a flag. */
#include "sync/soft.h"

#include <string.h>

#include "core/stamp.h"
#include "dialect/dialect.h"

const pythia_column *pythia_soft_column(const pythia_sync_config *config, const pythia_table *target)
{
	int position =
		config->deletes == PYTHIA_DELETES_SOFT ? pythia_table_column(target, config->soft_delete_column) : -1;

	return position < 0 ? NULL : &target->columns[position];
}

static bool is_flag(const pythia_column *column)
{
	pythia_kind kind = column->type.kind;

	return kind == PYTHIA_KIND_BOOL || kind == PYTHIA_KIND_INT || kind == PYTHIA_KIND_UINT;
}

static bool is_stamp(const pythia_db *db, const pythia_column *column)
{
	pythia_kind kind = column->type.kind;

	return kind == PYTHIA_KIND_TIMESTAMP || kind == PYTHIA_KIND_TIMESTAMPTZ || kind == PYTHIA_KIND_DATE ||
		   (db->engine == PYTHIA_SQLITE && (kind == PYTHIA_KIND_TEXT || kind == PYTHIA_KIND_OTHER));
}

bool pythia_soft_check(const pythia_db *db, const pythia_sync_config *config, const pythia_plan *plan,
					   pythia_error *error)
{
	const pythia_column *column = pythia_soft_column(config, &plan->target);

	if (column == NULL)
		return true;
	for (int i = 0; i < plan->npairs; i++)
	{
		if (&plan->target.columns[plan->pairs[i].target] != column)
			continue;
		pythia_fail(error, PYTHIA_E_USAGE, "42701", "column \"%s\" of target table \"%s\" cannot mark deleted rows",
					column->name, plan->target.name);
		pythia_error_detail(error, "It takes the values of the source's column \"%s\".",
							pythia_pair_source(plan, i)->name);
		return pythia_error_hint(error, "Name another column in soft_delete_column, or leave this one out by "
										"exclude_columns.");
	}
	if (is_flag(column) || (is_stamp(db, column) && column->nullable))
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "42804", "column \"%s\" of target table \"%s\" cannot mark deleted rows",
				column->name, plan->target.name);
	pythia_error_detail(error, "Its type is %s%s.", pythia_type_shown(&column->type),
						column->nullable ? "" : " NOT NULL");
	return pythia_error_hint(error, "Name a timestamp that may be NULL, or a boolean, in soft_delete_column.");
}

static const char *flag_text(const pythia_db *db, const pythia_column *column, bool gone)
{
	if (column->type.kind == PYTHIA_KIND_BOOL && db->engine == PYTHIA_POSTGRESQL)
		return gone ? "true" : "false";
	return gone ? "1" : "0";
}

void pythia_soft_gone(const pythia_db *db, const pythia_column *column, pythia_buffer *out)
{
	char now[PYTHIA_INSTANT_SIZE];

	if (is_flag(column))
	{
		pythia_buffer_puts(out, flag_text(db, column, true));
		return;
	}
	(void) pythia_instant_write(now, pythia_host_now(db->host));
	/* a time of now is one of any column that pythia_soft_check let pass */
	(void) pythia_dialect_of(db)->value_literal(db, out, &column->type, now, strlen(now));
}

void pythia_soft_here(const pythia_db *db, const pythia_column *column, pythia_buffer *out)
{
	pythia_buffer_puts(out, is_flag(column) ? flag_text(db, column, false) : "NULL");
}

void pythia_soft_condition(const pythia_db *db, const pythia_column *column, pythia_buffer *out)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;

	pythia_dialect_of(db)->identifier(&name, column->name);
	if (is_flag(column))
		pythia_buffer_printf(out, "(%s IS NULL OR %s = %s)", name.data, name.data, flag_text(db, column, false));
	else
		pythia_buffer_printf(out, "%s IS NULL", name.data);
	pythia_buffer_free(&name);
}

void pythia_soft_marked(const pythia_db *db, const pythia_column *column, const char *name, pythia_buffer *out)
{
	if (is_flag(column))
		pythia_buffer_printf(out, "%s <> %s", name, flag_text(db, column, false));
	else
		pythia_buffer_printf(out, "%s IS NOT NULL", name);
}
