/*
 * Two sides merged row by row: by digest (what differs is only a suspicion) or by decoded
 * values (what differs, differs).
 */
#include "validate/merge.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "dialect/forms.h"
#include "value/equal.h"

#define PROGRESS_ROWS 16384

/* --- values -------------------------------------------------------------------- */

/* What the source's value is on the target; *held is false where policy keeps the row from it. */
static pythia_field carried(pythia_merge *m, int i, bool *held)
{
	const pythia_pair *pair = &m->v->plan.pairs[m->v->order[i]];
	pythia_field field = m->cursors[PYTHIA_SOURCE].reader.fields[1 + i];
	pythia_bad_value bad;

	if (field.value == NULL || !pythia_transform_needed(&pair->transform))
		return field;
	switch (pythia_transform_value(&pair->transform, field.value, field.length, &m->changed[i], &bad))
	{
		case PYTHIA_VALUE_KEEP:
			break;
		case PYTHIA_VALUE_CHANGED:
			field.value = pythia_buffer_text(&m->changed[i]);
			field.length = m->changed[i].length;
			break;
		case PYTHIA_VALUE_NULL:
			field.value = NULL;
			field.length = 0;
			break;
		case PYTHIA_VALUE_BAD:
			if (bad.quarantine || m->v->config.quarantine)
				*held = false;
			break;
	}
	return field;
}

/* Fills m->names with the columns that differ and returns how many do. */
static int differing_columns(pythia_merge *m)
{
	const pythia_field *target = m->cursors[PYTHIA_TARGET].reader.fields;
	int n = 0;

	for (int i = 0; i < m->v->plan.npairs; i++)
	{
		int pair = m->v->order[i];
		bool held = true;
		const pythia_type *target_type = &pythia_pair_target(&m->v->plan, pair)->type;
		/* JSON for an array has become one, which is spelled otherwise than JSON */
		const pythia_type *agreed = target_type->kind == PYTHIA_KIND_ARRAY ? target_type : &m->v->agreed[pair];
		pythia_field source = carried(m, i, &held);
		bool same;

		if (source.value == NULL || target[1 + i].value == NULL)
			same = source.value == NULL && target[1 + i].value == NULL;
		else
			same = pythia_value_equal(agreed, source.value, source.length, target[1 + i].value, target[1 + i].length,
									  m->v->job->source->host);
		if (!same)
			m->names[n++] = pythia_pair_source(&m->v->plan, pair)->name;
	}
	return n;
}

/* True where a policy keeps the source's row from the target. */
static bool kept_back(pythia_merge *m)
{
	bool held = true;

	for (int i = 0; i < m->v->plan.npairs && held; i++)
		(void) carried(m, i, &held);
	return !held;
}

/* --- reporting ------------------------------------------------------------------ */

/* A side's current row as a JSON object, in the source's order of columns. */
static void row_json(pythia_merge *m, int side, pythia_buffer *out)
{
	const pythia_plan *plan = &m->v->plan;
	bool first = true;

	pythia_buffer_putc(out, '{');
	for (int pair = 0; pair < plan->npairs; pair++)
	{
		int i = 0;

		while (m->v->order[i] != pair)
			i++;
		pythia_json_column(out, m->cursors[side].side->items[i].column, &m->cursors[side].reader.fields[1 + i], first);
		first = false;
	}
	pythia_buffer_putc(out, '}');
}

static void key_json(pythia_merge *m, int side, pythia_buffer *out)
{
	pythia_buffer_putc(out, '{');
	for (int i = 0; i < m->v->plan.nkey; i++)
	{
		/* by the source's names, whichever side has the row */
		pythia_column column = *m->cursors[side].side->items[i].column;

		column.name = m->cursors[PYTHIA_SOURCE].side->items[i].column->name;
		pythia_json_column(out, &column, &m->cursors[side].reader.fields[1 + i], i == 0);
	}
	pythia_buffer_putc(out, '}');
}

/* Gives the row's key to a repair. */
static bool mend(pythia_merge *m, pythia_difference_kind kind, int side, pythia_error *error)
{
	pythia_validation_state *v = m->v;
	pythia_candidates one = {0};
	bool ok = v->mend(v->mend_context, kind, pythia_candidates_add(&one, &m->cursors[side], side, v->plan.nkey), error);

	pythia_candidates_free(&one, v->plan.nkey);
	return ok;
}

static bool name_it(pythia_merge *m, pythia_difference_kind kind, int side, int ncolumns, pythia_error *error)
{
	pythia_validation_state *v = m->v;
	pythia_buffer key = PYTHIA_BUFFER_INIT;
	pythia_buffer rows[2] = {PYTHIA_BUFFER_INIT, PYTHIA_BUFFER_INIT};
	pythia_difference difference = {.kind = kind, .columns = m->names, .ncolumns = ncolumns};
	bool ok;

	key_json(m, side, &key);
	if (kind != PYTHIA_EXTRA)
		row_json(m, PYTHIA_SOURCE, &rows[0]);
	if (kind != PYTHIA_MISSING)
		row_json(m, PYTHIA_TARGET, &rows[1]);
	difference.primary_key = key.data;
	difference.source_row = rows[0].data;
	difference.target_row = rows[1].data;
	v->named++;
	ok = v->found(v->found_context, &difference, error);
	pythia_buffer_free(&key);
	pythia_buffer_free(&rows[0]);
	pythia_buffer_free(&rows[1]);
	return ok;
}

static bool report(pythia_merge *m, pythia_difference_kind kind, int side, int ncolumns, pythia_error *error)
{
	pythia_validation_state *v = m->v;

	switch (kind)
	{
		case PYTHIA_MISSING:
			v->result->missing++;
			break;
		case PYTHIA_EXTRA:
			v->result->extra++;
			break;
		case PYTHIA_DIFFERING:
			v->result->differing++;
			break;
	}
	v->result->difference++;
	if (v->mend != NULL && !mend(m, kind, side, error))
		return false;
	return v->found == NULL || (v->options->max_differences > 0 && v->named >= v->options->max_differences) ||
		   name_it(m, kind, side, ncolumns, error);
}

/* --- merging ------------------------------------------------------------------- */

static int by_identity(const void *key, const void *candidate)
{
	return strcmp(key, ((const pythia_candidate *) candidate)->identity);
}

/* A lookup may find rows whose keys are alike only under the engine's collation: those are none of it. */
static bool next_row(pythia_merge *m, int side, pythia_error *error)
{
	pythia_cursor *c = &m->cursors[side];

	do
	{
		if (!pythia_cursor_next(c, error))
			return false;
	} while (c->row && m->known != NULL &&
			 bsearch(c->reader.fields[0].value, m->known, (size_t) m->nknown, sizeof(*m->known), by_identity) == NULL);
	return true;
}

/* A difference that was seen: reported, or kept for another look. */
static bool differs(pythia_merge *m, pythia_difference_kind kind, int ncolumns, pythia_error *error)
{
	int side = kind == PYTHIA_EXTRA ? PYTHIA_TARGET : PYTHIA_SOURCE;
	const pythia_candidate *known = NULL;
	pythia_candidate *candidate;
	uint64_t seen[2] = {0, 0};

	if (m->how == PYTHIA_FINALLY)
		return report(m, kind, side, ncolumns, error);
	if (m->how != PYTHIA_BY_DIGEST)
	{
		if (kind != PYTHIA_EXTRA)
			seen[PYTHIA_SOURCE] = pythia_cursor_hash(&m->cursors[PYTHIA_SOURCE]);
		if (kind != PYTHIA_MISSING)
			seen[PYTHIA_TARGET] = pythia_cursor_hash(&m->cursors[PYTHIA_TARGET]);
	}
	if (m->how == PYTHIA_AGAIN)
	{
		known = bsearch(m->cursors[side].reader.fields[0].value, m->known, (size_t) m->nknown, sizeof(*m->known),
						by_identity);
		if (known != NULL && memcmp(known->seen, seen, sizeof(seen)) == 0)
			return report(m, kind, side, ncolumns, error);
	}
	candidate = pythia_candidates_add(m->into, &m->cursors[side], side, m->v->plan.nkey);
	memcpy(candidate->seen, seen, sizeof(seen));
	return true;
}

static bool on_both(pythia_merge *m, pythia_error *error)
{
	int ncolumns;

	if (m->how == PYTHIA_BY_DIGEST)
	{
		const pythia_field *a = &m->cursors[0].reader.fields[m->cursors[0].nfields - 1];
		const pythia_field *b = &m->cursors[1].reader.fields[m->cursors[1].nfields - 1];

		/* a row without a digest was too large for the engine to build one */
		return (a->value != NULL && b->value != NULL && strcmp(a->value, b->value) == 0) ||
			   differs(m, PYTHIA_DIFFERING, 0, error);
	}
	ncolumns = differing_columns(m);
	/* what was not compared to its end is no difference */
	if (ncolumns > 0 && pythia_host_cancelled(m->v->job->source->host))
		return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "validation was cancelled");
	return ncolumns == 0 || differs(m, PYTHIA_DIFFERING, ncolumns, error);
}

static bool on_source_only(pythia_merge *m, pythia_error *error)
{
	return (m->how != PYTHIA_BY_DIGEST && kept_back(m)) || differs(m, PYTHIA_MISSING, 0, error);
}

/* Remembers the place of the row that was just looked at. */
static void stop_here(pythia_merge *m, int side)
{
	const pythia_field *fields = m->cursors[side].reader.fields;

	m->finished = false;
	pythia_buffer_clear(&m->resume[0]);
	pythia_buffer_clear(&m->resume[1]);
	pythia_buffer_append(&m->resume[0], fields[0].value, fields[0].length);
	if (fields[1].value != NULL)
		pythia_buffer_append(&m->resume[1], fields[1].value, fields[1].length);
}

static bool merge_all(pythia_merge *m, pythia_error *error)
{
	m->finished = true;
	if (!next_row(m, PYTHIA_SOURCE, error) || !next_row(m, PYTHIA_TARGET, error))
		return false;
	while (m->cursors[0].row || m->cursors[1].row)
	{
		int order = !m->cursors[1].row ? -1 : !m->cursors[0].row ? 1 : pythia_cursor_order(m->cursors);

		if (!(order < 0   ? on_source_only(m, error)
			  : order > 0 ? differs(m, PYTHIA_EXTRA, 0, error)
						  : on_both(m, error)))
			return false;
		m->rows[0] += order <= 0;
		m->rows[1] += order >= 0;
		if (m->v->options->method == PYTHIA_VALIDATE_ROWS && m->bounded && m->rows[0] % PROGRESS_ROWS == 0 &&
			order <= 0)
		{
			m->v->rows_done = m->rows[0];
			pythia_validation_progress(m->v, "rows");
		}
		if (m->bounded && pythia_candidates_full(m->into))
		{
			stop_here(m, order <= 0 ? PYTHIA_SOURCE : PYTHIA_TARGET);
			return true;
		}
		if (order <= 0 && !next_row(m, PYTHIA_SOURCE, error))
			return false;
		if (order >= 0 && !next_row(m, PYTHIA_TARGET, error))
			return false;
	}
	return true;
}

/* Either side may have told the integer: it is not taken for one on trust, and bare, for it may be beyond the other's
 * type. */
static bool put_integer(const pythia_side *s, const pythia_buffer *text, pythia_buffer *out, pythia_error *error)
{
	if (!pythia_integer_text(pythia_buffer_text(text), text->length))
		return pythia_fail(error, PYTHIA_E_DATA, "22P02", "column %s of table %s holds a key that is no integer",
						   s->first.data, s->name.data);
	pythia_buffer_append(out, text->data, text->length);
	return true;
}

bool pythia_merge_after(const pythia_validation_state *v, const pythia_side *s, const pythia_buffer resume[2],
						pythia_buffer *where, pythia_error *error)
{
	pythia_buffer identity = PYTHIA_BUFFER_INIT;
	pythia_buffer integer = PYTHIA_BUFFER_INIT;
	bool ok = !v->by_range || put_integer(s, &resume[1], &integer, error);

	pythia_buffer_printf(&identity, "(%s)%s > ", s->identity.data,
						 s->db->engine == PYTHIA_POSTGRESQL ? " COLLATE \"C\"" : "");
	s->dialect->literal(&identity, pythia_buffer_text(&resume[0]), resume[0].length);
	if (ok)
	{
		pythia_and(where);
		if (!v->by_range)
			pythia_buffer_puts(where, identity.data);
		else if (v->plan.nkey == 1)
			pythia_buffer_printf(where, "%s > %s", s->first.data, integer.data);
		else
			pythia_buffer_printf(where, "(%s > %s OR (%s = %s AND %s))", s->first.data, integer.data, s->first.data,
								 integer.data, identity.data);
	}
	pythia_buffer_free(&identity);
	pythia_buffer_free(&integer);
	return ok;
}

/* To stop reading is to cancel a query, which ends PostgreSQL's transaction: it may hold rows that were mended. */
static bool keep_transaction(pythia_merge *m, bool before, pythia_error *error)
{
	pythia_db *target = m->v->sides[PYTHIA_TARGET].db;

	if (!m->v->mending || !m->bounded || target->engine != PYTHIA_POSTGRESQL || target->local)
		return true;
	if (before)
		return pythia_db_exec(target, "SAVEPOINT pythia_read", NULL, error);
	return (m->finished || pythia_db_exec(target, "ROLLBACK TO SAVEPOINT pythia_read", NULL, error)) &&
		   pythia_db_exec(target, "RELEASE SAVEPOINT pythia_read", NULL, error);
}

bool pythia_merge_rows(pythia_merge *m, const pythia_buffer where[2], pythia_error *error)
{
	pythia_validation_state *v = m->v;
	bool ok = keep_transaction(m, true, error);

	m->changed = pythia_calloc((size_t) v->plan.npairs + 1, sizeof(pythia_buffer));
	m->names = pythia_calloc((size_t) v->plan.npairs + 1, sizeof(char *));
	for (int side = 0; ok && side < 2; side++)
		ok = pythia_cursor_open(v, &m->cursors[side], side, m->how == PYTHIA_BY_DIGEST,
								pythia_buffer_text(&where[side]), error);
	ok = ok && merge_all(m, error);
	for (int side = 0; side < 2; side++)
		pythia_cursor_close(&m->cursors[side]);
	ok = ok && keep_transaction(m, false, error);
	for (int i = 0; i < v->plan.npairs; i++)
		pythia_buffer_free(&m->changed[i]);
	pythia_free(m->changed);
	pythia_free(m->names);
	return ok;
}
