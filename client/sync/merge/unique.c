/*
 * Rows of the source that come to one key of the target: by a key that somebody named and that is none, or
 * because the target's type holds less than the source's.  Within a merge, or in two of them, the later would
 * hide the earlier.  Where that can be, the keys of all merges of a run are kept in a table beside the stage,
 * whose unique index refuses the second row: an error, or one row for quarantine.
 */
#include <string.h>

#include "core/memory.h"
#include "sync/run.h"

#define KEPT_NAME "pythia_kept"

bool pythia_plan_key_constrained(const pythia_plan *plan, bool source)
{
	const pythia_table *table = source ? &plan->source : &plan->target;

	for (int i = -1; i < table->nindexes; i++)
	{
		const int *columns = i < 0 ? table->key : table->indexes[i].columns;
		int ncolumns = i < 0 ? table->nkey : table->indexes[i].ncolumns;
		int within = 0;

		for (int c = 0; c < ncolumns; c++)
		{
			for (int k = 0; k < plan->nkey; k++)
			{
				const pythia_pair *pair = &plan->pairs[plan->key[k]];

				within += (source ? pair->source : pair->target) == columns[c];
			}
		}
		if (ncolumns > 0 && within == ncolumns && (i < 0 || table->indexes[i].unique))
			return true;
	}
	return false;
}

static bool replaced(pythia_policy policy)
{
	return policy != PYTHIA_POLICY_ERROR && policy != PYTHIA_POLICY_QUARANTINE;
}

static bool is_text(const pythia_type *type)
{
	return type->kind == PYTHIA_KIND_TEXT || type->kind == PYTHIA_KIND_CHAR;
}

static bool integers_stay_apart(const pythia_type *from, const pythia_type *to, bool clamped)
{
	switch (to->kind)
	{
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
			return !clamped || to->size > from->size || (to->size == from->size && to->kind == from->kind);
		case PYTHIA_KIND_DECIMAL:
			return !clamped;
		case PYTHIA_KIND_DOUBLE:
			return from->size <= 4;
		default:
			return to->kind == from->kind || is_text(to);
	}
}

/* Are two values of the source never one in the target?  False also where that is not known. */
static bool stay_apart(const pythia_run *run, int pair)
{
	const pythia_type *from = &pythia_pair_source(&run->plan, pair)->type;
	const pythia_type *to = &pythia_pair_target(&run->plan, pair)->type;
	const pythia_policies *policies = &run->job->config->policies;
	bool clamped = replaced(policies->out_of_range);
	bool free = run->source->engine == PYTHIA_SQLITE; /* any value, however it is written, in any column */

	if (run->source->engine == run->target->engine && from->native != NULL && to->native != NULL &&
		strcmp(from->native, to->native) == 0)
		return true;
	switch (from->kind)
	{
		case PYTHIA_KIND_BOOL:
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
		case PYTHIA_KIND_YEAR:
			return integers_stay_apart(from, to, clamped);
		case PYTHIA_KIND_DECIMAL:
			return !free && !clamped &&
				   (is_text(to) || (to->kind == PYTHIA_KIND_DECIMAL &&
									(to->precision < 0 || (from->precision >= 0 && to->scale >= from->scale))));
		case PYTHIA_KIND_FLOAT:
		case PYTHIA_KIND_DOUBLE:
			return !free && !clamped && !replaced(policies->nan) && !replaced(policies->infinity) &&
				   (to->kind == PYTHIA_KIND_DOUBLE || to->kind == from->kind);
		case PYTHIA_KIND_TEXT:
			return to->kind == PYTHIA_KIND_TEXT && !clamped && !replaced(policies->nul_byte) &&
				   !replaced(policies->bad_utf8);
		case PYTHIA_KIND_CHAR:
		case PYTHIA_KIND_ENUM:
			return (is_text(to) || to->kind == from->kind) && !clamped;
		case PYTHIA_KIND_UUID:
			return !free && (is_text(to) || to->kind == PYTHIA_KIND_UUID);
		case PYTHIA_KIND_BYTES:
			return to->kind == PYTHIA_KIND_BYTES && !clamped;
		case PYTHIA_KIND_DATE:
		case PYTHIA_KIND_TIME:
		case PYTHIA_KIND_TIMESTAMP:
		case PYTHIA_KIND_TIMESTAMPTZ:
			return !free && !clamped && !replaced(policies->zero_date) && !replaced(policies->infinity) &&
				   (to->kind == from->kind ||
					((to->kind == PYTHIA_KIND_TIMESTAMP || to->kind == PYTHIA_KIND_TIMESTAMPTZ) &&
					 from->kind != PYTHIA_KIND_TIME)) &&
				   (from->kind == PYTHIA_KIND_DATE || to->precision >= from->precision);
		default:
			return false;
	}
}

void pythia_keys_look(pythia_run *run, bool *constrained_there)
{
	run->way.keys_may_meet = run->plan.nkey > 0 && !pythia_plan_key_constrained(&run->plan, true);
	for (int i = 0; i < run->plan.nkey; i++)
		run->way.keys_may_meet = run->way.keys_may_meet || !stay_apart(run, run->plan.key[i]);
	*constrained_there = pythia_plan_key_constrained(&run->plan, false);
}

static void put_kept(const pythia_run *run, pythia_buffer *out)
{
	pythia_dialect_table(pythia_dialect_of(run->target), out, pythia_stage_schema(run), KEPT_NAME);
}

bool pythia_keys_begin(pythia_run *run, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool sqlite = run->target->engine == PYTHIA_SQLITE;
	bool ok;

	if (!run->way.keys_may_meet || run->state.keys_kept)
		return true;
	ok = pythia_stage_make(run, KEPT_NAME, run->plan.key, run->plan.nkey, error);
	/* MySQL's has a primary key */
	if (ok && run->target->engine != PYTHIA_MYSQL)
	{
		pythia_buffer_printf(&sql, "CREATE UNIQUE INDEX %spythia_kept_key_%u ON ", sqlite ? "temp." : "",
							 pythia_stage_serial());
		if (sqlite)
			pythia_buffer_puts(&sql, KEPT_NAME);
		else
			put_kept(run, &sql);
		pythia_buffer_puts(&sql, " (");
		pythia_merge_key_columns(run, &sql, "", "");
		pythia_buffer_putc(&sql, ')');
		ok = pythia_db_exec(run->target, sql.data, NULL, error);
	}
	run->state.keys_kept = ok;
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_keys_keep(pythia_run *run, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_error refusal = PYTHIA_ERROR_INIT;
	bool ok;

	if (!run->state.keys_kept)
		return true;
	pythia_buffer_puts(&sql, "INSERT INTO ");
	put_kept(run, &sql);
	pythia_buffer_puts(&sql, " SELECT ");
	pythia_merge_key_columns(run, &sql, "", "");
	pythia_buffer_puts(&sql, " FROM ");
	pythia_merge_table(run, true, &sql);
	ok = pythia_db_exec(run->target, sql.data, NULL, &refusal);
	pythia_buffer_free(&sql);
	if (ok)
		return true;
	if (strcmp(refusal.sqlstate, "23505") != 0)
		return pythia_error_move(error, &refusal);
	pythia_fail(error, PYTHIA_E_DATA, "23505", "two rows of table \"%s\" have one key in the target",
				run->plan.source.name);
	pythia_error_detail(error, "%s", refusal.detail != NULL ? refusal.detail : refusal.message);
	pythia_error_reset(&refusal);
	return pythia_error_hint(error, "Name columns in \"key\" that tell rows apart, give the target's column a type that"
									" holds the source's values, or set on_bad_row to quarantine, which keeps the "
									"first of them.");
}

bool pythia_keys_end(pythia_run *run, pythia_error *error)
{
	bool kept = run->state.keys_kept;

	run->state.keys_kept = false;
	return !kept || pythia_stage_drop_named(run, KEPT_NAME, error);
}
