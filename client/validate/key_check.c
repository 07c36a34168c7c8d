/* A key that somebody named and that is none: rows could not be told apart, and what is counted would be wrong. */
#include "core/memory.h"
#include "validate/internal.h"

static void put_key(const pythia_validation_state *v, int side, pythia_buffer *out)
{
	for (int i = 0; i < v->plan.nkey; i++)
	{
		int pair = v->plan.key[i];
		const pythia_column *column =
			side == PYTHIA_SOURCE ? pythia_pair_source(&v->plan, pair) : pythia_pair_target(&v->plan, pair);

		pythia_buffer_puts(out, i > 0 ? ", " : "");
		v->sides[side].dialect->identifier(out, column->name);
	}
}

static bool has_twice(const pythia_validation_state *v, int side, bool *twice, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_buffer_printf(&sql, "SELECT 1 FROM %s%s GROUP BY ", pythia_buffer_text(&v->sides[side].name),
						 pythia_buffer_text(&v->sides[side].filter));
	put_key(v, side, &sql);
	pythia_buffer_puts(&sql, " HAVING count(*) > 1 LIMIT 1");
	ok = pythia_db_any(v->sides[side].db, pythia_buffer_text(&sql), twice, error);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_repair_key_tells(const pythia_validation_state *v, pythia_error *error)
{
	bool twice = false;

	if (v->keyless || pythia_plan_key_constrained(&v->plan, false))
		return true;
	if (!has_twice(v, PYTHIA_TARGET, &twice, error))
		return false;
	if (!twice)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "23505", "rows of table \"%s\" in the target have the same key",
				v->sides[PYTHIA_TARGET].table->name);
	pythia_error_detail(error, "Nothing was changed: a row is mended by its key.");
	return pythia_error_hint(error,
							 "Delete all but one of each key, and give the table a primary key or a unique index "
							 "over it.");
}

bool pythia_validation_key_tells(const pythia_validation_state *v, pythia_error *error)
{
	if (v->keyless || v->config.key == NULL)
		return true;
	for (int side = 0; side < 2; side++)
	{
		bool twice = false;

		if (pythia_plan_key_constrained(&v->plan, side == PYTHIA_SOURCE))
			continue;
		if (!has_twice(v, side, &twice, error))
			return false;
		if (!twice)
			continue;
		pythia_fail(error, PYTHIA_E_USAGE, "23505", "option \"key\" does not tell the rows of table \"%s\" apart in %s",
					v->sides[side].table->name, side == PYTHIA_SOURCE ? "the source" : "the target");
		return pythia_error_hint(error, "Name columns in \"key\" that no two rows have alike, or leave it out: rows of "
										"a table without a key are compared as a whole.");
	}
	return true;
}
