/* How each pair of columns is compared: the agreed type, JSON's spelling, and what policies do to the source's values. */
#include "value/guards.h"
#include "validate/internal.h"

#include <string.h>

#include "core/memory.h"

bool pythia_postgres_offers(pythia_db *db, const char *function, bool *offered, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	int64_t count;
	bool ok;

	pythia_buffer_printf(&sql,
						 "SELECT count(*) FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n"
						 " ON n.oid = p.pronamespace WHERE n.nspname = 'pythia' AND p.proname = '%s'"
						 " AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')"
						 " AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')",
						 function);
	ok = pythia_db_count(db, sql.data, &count, error);
	if (ok)
		*offered = count > 0;
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_side_never_null(const pythia_side *side, const pythia_column *column)
{
	return !column->nullable && side->db->engine != PYTHIA_SQLITE &&
		   (side->table->relation == PYTHIA_RELATION_TABLE || side->table->relation == PYTHIA_RELATION_PARTITIONED);
}

/* SQLite and MariaDB store -0 as 0. */
static bool loses_sign_of_zero(const pythia_db *db)
{
	return db->engine == PYTHIA_SQLITE || (db->engine == PYTHIA_MYSQL && db->is_mariadb);
}

/* --- JSON ---------------------------------------------------------------------- */

static bool writes_jsonb(const pythia_side *side, const pythia_column *column)
{
	return side->db->engine == PYTHIA_SQLITE ||
		   (side->db->engine == PYTHIA_POSTGRESQL &&
			(column->type.kind == PYTHIA_KIND_JSON || column->type.kind == PYTHIA_KIND_ARRAY));
}

static bool normalizes(const pythia_side *side, bool *can, pythia_error *error)
{
	*can = false;
	switch (side->db->engine)
	{
		case PYTHIA_POSTGRESQL:
			return pythia_postgres_offers(side->db, "_json_normalized", can, error);
		case PYTHIA_MYSQL:
			*can = side->db->is_mariadb && side->db->version >= 100700;
			return true;
		default:
			*can = true;
			return true;
	}
}

static bool choose_json(pythia_validation_state *v, const pythia_column *const columns[2], pythia_json_form *form,
						pythia_error *error)
{
	bool can[2] = {false, false};

	*form = PYTHIA_JSON_TEXT;
	if (writes_jsonb(&v->sides[0], columns[0]) && writes_jsonb(&v->sides[1], columns[1]))
	{
		*form = PYTHIA_JSON_JSONB;
		return true;
	}
	for (int side = 0; side < 2; side++)
	{
		if (!normalizes(&v->sides[side], &can[side], error))
			return false;
	}
	if (can[0] && can[1])
		*form = PYTHIA_JSON_NORMALIZED;
	return true;
}

/* --- policies -------------------------------------------------------------------- */

/* The source's values as the policies give them to the target; rows that they keep back are not looked for. */
static void apply_policies(pythia_validation_state *v, int i, bool in_key)
{
	pythia_side *source = &v->sides[PYTHIA_SOURCE];
	pythia_canonical_item *item = &source->items[i];
	pythia_guard guards[PYTHIA_GUARDS];
	int n = pythia_transform_guards(&v->plan.pairs[v->order[i]].transform, v->config.quarantine, guards);
	pythia_buffer text = PYTHIA_BUFFER_INIT;

	/* a key is what finds the row: its own value */
	if (!in_key && pythia_guard_value(source->db, &text, item->column, guards, n))
	{
		item->value = v->values[i] = pythia_buffer_take(&text);
		for (int g = 0; g < n; g++)
			item->notnull = item->notnull && guards[g].action != PYTHIA_GUARD_NULL;
	}
	if (pythia_guard_condition(source->db, &text, item->column, guards, n))
	{
		pythia_and(&v->kept);
		pythia_buffer_puts(&v->kept, text.data);
	}
	pythia_buffer_free(&text);
}

/* --- all of them ------------------------------------------------------------------- */

static void put_in_order(pythia_validation_state *v)
{
	const pythia_plan *plan = &v->plan;
	int n = 0;

	v->order = pythia_calloc((size_t) plan->npairs + 1, sizeof(int));
	for (int i = 0; i < plan->nkey; i++)
		v->order[n++] = plan->key[i];
	for (int i = 0; i < plan->npairs; i++)
	{
		if (!pythia_pair_is_key(plan, i))
			v->order[n++] = i;
	}
}

bool pythia_validation_columns(pythia_validation_state *v, pythia_error *error)
{
	const pythia_plan *plan = &v->plan;
	bool unsigned_zero = loses_sign_of_zero(v->sides[0].db) || loses_sign_of_zero(v->sides[1].db);

	put_in_order(v);
	v->agreed = pythia_calloc((size_t) plan->npairs + 1, sizeof(pythia_type));
	v->values = pythia_calloc((size_t) plan->npairs + 1, sizeof(char *));
	v->sides[0].items = pythia_calloc((size_t) plan->npairs + 1, sizeof(pythia_canonical_item));
	v->sides[1].items = pythia_calloc((size_t) plan->npairs + 1, sizeof(pythia_canonical_item));
	for (int i = 0; i < plan->npairs; i++)
	{
		int pair = v->order[i];
		pythia_type *agreed = &v->agreed[pair];
		const pythia_column *columns[2] = {pythia_pair_source(plan, pair), pythia_pair_target(plan, pair)};
		pythia_json_form form = PYTHIA_JSON_TEXT;
		bool plain;

		pythia_type_agree(&columns[0]->type, &columns[1]->type, agreed);
		if (agreed->kind == PYTHIA_KIND_FLOAT || agreed->kind == PYTHIA_KIND_DOUBLE)
			agreed->is_unsigned = unsigned_zero;
		if (agreed->kind == PYTHIA_KIND_JSON && !choose_json(v, columns, &form, error))
			return false;
		plain = pythia_canonical_plain(v->sides[0].db, &columns[0]->type, agreed) &&
				pythia_canonical_plain(v->sides[1].db, &columns[1]->type, agreed);
		for (int side = 0; side < 2; side++)
			v->sides[side].items[i] =
				(pythia_canonical_item){.column = columns[side],
										.agreed = agreed,
										.json = form,
										.sha256 = v->digest == PYTHIA_DIGEST_SHA256,
										.plain = plain,
										.notnull = pythia_side_never_null(&v->sides[side], columns[side])};
		apply_policies(v, i, i < plan->nkey);
	}
	return true;
}
