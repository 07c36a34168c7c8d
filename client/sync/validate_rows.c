/*
 * Two sides read row by row in one order and merged: by digest (what differs is only a
 * suspicion) or by decoded values (what differs, differs).
 *
 * A suspicion becomes a candidate; candidates are looked up by their keys with all
 * columns, those that still differ once more after a moment, and only then reported.
 */
#include "sync/validate_internal.h"

#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/memory.h"

/* Candidates kept before they are settled, and looked up by one statement. */
#define CANDIDATES_HELD   20000
#define CANDIDATES_LOOKUP 500
/* Settled candidates before it is judged whether digests are worth their while. */
#define CANDIDATES_TO_JUDGE 200

typedef enum comparison
{
	BY_DIGEST, /* collects */
	BY_VALUE,  /* collects */
	FINALLY    /* by value, and reports */
} comparison;

/* One side's rows: identity, key columns, then the digest or the other columns. */
typedef struct cursor
{
	pythia_side *side;
	pythia_stream *stream;
	pythia_rows chunk;
	pythia_rows_reader reader;
	pythia_kind *kinds;
	int nfields;
	pythia_buffer sql;
	bool row; /* on a row */
} cursor;

typedef struct merge
{
	pythia_validation *v;
	comparison how;
	pythia_candidates *into;
	cursor cursors[2];
	pythia_buffer *changed; /* a column: what the source's value becomes */
	const char **names;     /* of the differing columns */
	int64_t rows;
} merge;

/* --- candidates ---------------------------------------------------------------- */

void pythia_candidates_clear(pythia_candidates *candidates, int nkey)
{
	for (int i = 0; i < candidates->count; i++)
	{
		pythia_free(candidates->list[i].identity);
		for (int j = 0; j < nkey; j++)
			pythia_free(candidates->list[i].values[j]);
		pythia_free(candidates->list[i].values);
	}
	candidates->count = 0;
}

static pythia_candidate *make_candidate(merge *m, int side, pythia_candidate *candidate)
{
	const pythia_field *fields = m->cursors[side].reader.fields;
	int nkey = m->v->plan.nkey;

	candidate->identity = pythia_strndup(fields[0].value, fields[0].length);
	candidate->side = side;
	candidate->values = pythia_calloc((size_t) nkey, sizeof(char *));
	for (int i = 0; i < nkey; i++)
	{
		if (fields[1 + i].value != NULL)
			candidate->values[i] = pythia_strndup(fields[1 + i].value, fields[1 + i].length);
	}
	return candidate;
}

static void collect(merge *m, int side)
{
	pythia_candidates *into = m->into;
	const pythia_field *identity = &m->cursors[side].reader.fields[0];

	if (into->count > 0 && strcmp(into->list[into->count - 1].identity, identity->value) == 0)
		return;
	if (into->count == into->capacity)
	{
		into->capacity = into->capacity > 0 ? 2 * into->capacity : 64;
		into->list = pythia_realloc(into->list, (size_t) into->capacity * sizeof(pythia_candidate));
	}
	make_candidate(m, side, &into->list[into->count++]);
}

/* --- cursors ------------------------------------------------------------------- */

static void select_list(pythia_validation *v, cursor *c, comparison how)
{
	pythia_side *s = c->side;
	int n = 0;
	int ncolumns = how == BY_DIGEST ? v->plan.nkey : v->plan.npairs;
	bool digest_identity = !v->by_range || v->plan.nkey > 1;

	c->kinds = pythia_calloc((size_t) ncolumns + 2, sizeof(pythia_kind));
	pythia_buffer_puts(&c->sql, "SELECT ");
	/* the order of bytes, whatever the database's collation */
	pythia_buffer_printf(&c->sql, s->db->engine == PYTHIA_POSTGRESQL && digest_identity ? "(%s) COLLATE \"C\"" : "%s",
						 s->identity.data);
	/* names of their own, so that ORDER BY means the table's columns */
	pythia_buffer_printf(&c->sql, " AS pythia_%d", n);
	c->kinds[n++] = PYTHIA_KIND_TEXT;
	for (int i = 0; i < ncolumns; i++)
	{
		const pythia_column *column = s->items[i].column;

		pythia_buffer_puts(&c->sql, ", ");
		s->dialect->read_expression(s->db, &c->sql, NULL, column);
		pythia_buffer_printf(&c->sql, " AS pythia_%d", n);
		c->kinds[n++] = column->type.kind;
	}
	if (how == BY_DIGEST)
	{
		pythia_buffer_puts(&c->sql, ", ");
		pythia_canonical_digest(s->db, &c->sql, s->items, v->plan.npairs, v->digest);
		pythia_buffer_printf(&c->sql, " AS pythia_%d", n);
		c->kinds[n++] = PYTHIA_KIND_TEXT;
	}
	c->nfields = n;
}

static bool open_cursor(pythia_validation *v, cursor *c, pythia_side *side, comparison how, const char *where,
						pythia_error *error)
{
	c->side = side;
	select_list(v, c, how);
	pythia_buffer_printf(&c->sql, " FROM %s%s ORDER BY ", side->name.data, where);
	if (v->by_range)
		pythia_buffer_puts(&c->sql, side->first.data);
	if (!v->by_range || v->plan.nkey > 1)
		pythia_buffer_puts(&c->sql, v->by_range ? ", 1" : "1");
	return side->db->driver->stream_open(side->db, c->sql.data, c->nfields, c->kinds, &c->stream, error);
}

/* Moves to the next row; c->row is false at the end. */
static bool next_row(cursor *c, pythia_error *error)
{
	for (;;)
	{
		if (pythia_rows_next(&c->reader))
		{
			if (c->reader.nfields != c->nfields)
				return pythia_fail(error, PYTHIA_E_INTERNAL, "XX000", "a row has %d fields instead of %d",
								   c->reader.nfields, c->nfields);
			if (c->reader.fields[0].value == NULL)
				return pythia_fail(error, PYTHIA_E_DATABASE, "54000",
								   "the key of a row of table %s is too large to be hashed", c->side->name.data);
			c->row = true;
			return true;
		}
		if (!c->side->db->driver->stream_next(c->stream, &c->chunk, error))
			return false;
		if (c->chunk.count == 0)
		{
			c->row = false;
			return true;
		}
		pythia_rows_open(&c->reader, &c->chunk);
	}
}

static void close_cursor(cursor *c)
{
	if (c->stream != NULL)
		c->side->db->driver->stream_close(c->stream);
	pythia_rows_close(&c->reader);
	pythia_free(c->kinds);
	pythia_buffer_free(&c->sql);
	memset(c, 0, sizeof(*c));
}

/* Integers by value, then by bytes. */
static int compare_integers(const pythia_field *a, const pythia_field *b)
{
	bool a_minus = a->length > 0 && a->value[0] == '-';
	bool b_minus = b->length > 0 && b->value[0] == '-';
	int size;

	if (a_minus != b_minus)
		return a_minus ? -1 : 1;
	if (a->length != b->length)
		size = a->length < b->length ? -1 : 1;
	else
		size = memcmp(a->value, b->value, a->length);
	return a_minus ? -size : size;
}

/* Which side's row comes first: negative, 0 (the same key), positive. */
static int compare_places(const merge *m)
{
	const pythia_field *a = m->cursors[0].reader.fields;
	const pythia_field *b = m->cursors[1].reader.fields;

	if (m->v->by_range && a[1].value != NULL && b[1].value != NULL)
	{
		int order = compare_integers(&a[1], &b[1]);

		if (order != 0)
			return order;
		if (m->v->plan.nkey == 1)
			return 0;
	}
	return strcmp(a[0].value, b[0].value);
}

/* --- values -------------------------------------------------------------------- */

/* What the source's value is on the target; *held is false where policy keeps the row from it. */
static pythia_field carried(merge *m, int i, bool *held)
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
static int differing_columns(merge *m)
{
	const pythia_field *target = m->cursors[PYTHIA_TARGET].reader.fields;
	int n = 0;

	for (int i = 0; i < m->v->plan.npairs; i++)
	{
		int pair = m->v->order[i];
		bool held = true;
		pythia_field source = carried(m, i, &held);
		bool same;

		if (source.value == NULL || target[1 + i].value == NULL)
			same = source.value == NULL && target[1 + i].value == NULL;
		else
			same = pythia_value_equal(&m->v->agreed[pair], source.value, source.length, target[1 + i].value,
									  target[1 + i].length);
		if (!same)
			m->names[n++] = pythia_pair_source(&m->v->plan, pair)->name;
	}
	return n;
}

/* True where a policy keeps the source's row from the target. */
static bool kept_back(merge *m)
{
	bool held = true;

	for (int i = 0; i < m->v->plan.npairs && held; i++)
		(void) carried(m, i, &held);
	return !held;
}

/* A side's current row as a JSON object, in the source's order of columns. */
static void row_json(merge *m, int side, pythia_buffer *out)
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

static void key_json(merge *m, int side, pythia_buffer *out)
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

static bool report(merge *m, pythia_difference_kind kind, int ncolumns, pythia_error *error)
{
	pythia_validation *v = m->v;
	int side = kind == PYTHIA_EXTRA ? PYTHIA_TARGET : PYTHIA_SOURCE;
	bool ok = true;

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
	if (v->mend != NULL)
	{
		pythia_candidate key;

		make_candidate(m, side, &key);
		ok = v->mend(v->mend_context, kind, &key, error);
		pythia_free(key.identity);
		for (int i = 0; i < v->plan.nkey; i++)
			pythia_free(key.values[i]);
		pythia_free(key.values);
	}
	if (ok && v->found != NULL && (v->options->max_differences == 0 || v->named < v->options->max_differences))
	{
		pythia_buffer key = PYTHIA_BUFFER_INIT;
		pythia_buffer rows[2] = {PYTHIA_BUFFER_INIT, PYTHIA_BUFFER_INIT};
		pythia_difference difference = {.kind = kind};

		key_json(m, side, &key);
		if (kind != PYTHIA_EXTRA)
			row_json(m, PYTHIA_SOURCE, &rows[0]);
		if (kind != PYTHIA_MISSING)
			row_json(m, PYTHIA_TARGET, &rows[1]);
		difference.primary_key = key.data;
		difference.source_row = rows[0].data;
		difference.target_row = rows[1].data;
		difference.columns = m->names;
		difference.ncolumns = ncolumns;
		v->named++;
		ok = v->found(v->found_context, &difference, error);
		pythia_buffer_free(&key);
		pythia_buffer_free(&rows[0]);
		pythia_buffer_free(&rows[1]);
	}
	return ok;
}

/* --- merging ------------------------------------------------------------------- */

static bool on_source_only(merge *m, pythia_error *error)
{
	if (m->how == BY_DIGEST)
		collect(m, PYTHIA_SOURCE);
	else if (kept_back(m))
		return true;
	else if (m->how == BY_VALUE)
		collect(m, PYTHIA_SOURCE);
	else
		return report(m, PYTHIA_MISSING, 0, error);
	return true;
}

static bool on_target_only(merge *m, pythia_error *error)
{
	if (m->how == FINALLY)
		return report(m, PYTHIA_EXTRA, 0, error);
	collect(m, PYTHIA_TARGET);
	return true;
}

static bool on_both(merge *m, pythia_error *error)
{
	int ncolumns;

	if (m->how == BY_DIGEST)
	{
		const pythia_field *a = &m->cursors[0].reader.fields[m->cursors[0].nfields - 1];
		const pythia_field *b = &m->cursors[1].reader.fields[m->cursors[1].nfields - 1];

		/* a row without a digest was too large for the engine to build one */
		if (a->value == NULL || b->value == NULL || strcmp(a->value, b->value) != 0)
			collect(m, PYTHIA_SOURCE);
		return true;
	}
	ncolumns = differing_columns(m);
	if (ncolumns == 0)
		return true;
	if (m->how == FINALLY)
		return report(m, PYTHIA_DIFFERING, ncolumns, error);
	collect(m, PYTHIA_SOURCE);
	return true;
}

/* Merges until both ends, or until `into` is full: then *resume says after which place to go on. */
static bool run_merge(merge *m, pythia_buffer resume[2], bool *finished, pythia_error *error)
{
	*finished = false;
	if (!next_row(&m->cursors[0], error) || !next_row(&m->cursors[1], error))
		return false;
	while (m->cursors[0].row || m->cursors[1].row)
	{
		int order = !m->cursors[1].row ? -1 : !m->cursors[0].row ? 1 : compare_places(m);
		int side = order <= 0 ? PYTHIA_SOURCE : PYTHIA_TARGET;

		if (!(order < 0 ? on_source_only(m, error) : order > 0 ? on_target_only(m, error) : on_both(m, error)))
			return false;
		m->rows++;
		if (m->how != FINALLY && m->into->count >= CANDIDATES_HELD)
		{
			const pythia_field *fields = m->cursors[side].reader.fields;

			pythia_buffer_clear(&resume[0]);
			pythia_buffer_clear(&resume[1]);
			pythia_buffer_append(&resume[0], fields[0].value, fields[0].length);
			if (fields[1].value != NULL)
				pythia_buffer_append(&resume[1], fields[1].value, fields[1].length);
			return true;
		}
		if (order <= 0 && !next_row(&m->cursors[0], error))
			return false;
		if (order >= 0 && !next_row(&m->cursors[1], error))
			return false;
	}
	*finished = true;
	return true;
}

/* " AND the place is behind the one in resume" */
static void after_place(const pythia_validation *v, const pythia_side *s, const pythia_buffer resume[2],
						pythia_buffer *where)
{
	const char *collate = s->db->engine == PYTHIA_POSTGRESQL ? " COLLATE \"C\"" : "";

	pythia_and(where);
	if (v->by_range && v->plan.nkey == 1)
		pythia_buffer_printf(where, "%s > %s", s->first.data, resume[1].data);
	else if (v->by_range)
		pythia_buffer_printf(where, "(%s > %s OR (%s = %s AND (%s)%s > '%s'))", s->first.data, resume[1].data,
							 s->first.data, resume[1].data, s->identity.data, collate, resume[0].data);
	else
		pythia_buffer_printf(where, "(%s)%s > '%s'", s->identity.data, collate, resume[0].data);
}

/* Opens both sides, merges, closes. */
static bool compare(pythia_validation *v, comparison how, pythia_candidates *into, const pythia_buffer where[2],
					pythia_buffer resume[2], bool *finished, pythia_error *error)
{
	merge m = {.v = v, .how = how, .into = into};
	bool ok = true;

	m.changed = pythia_calloc((size_t) v->plan.npairs + 1, sizeof(pythia_buffer));
	m.names = pythia_calloc((size_t) v->plan.npairs + 1, sizeof(char *));
	for (int side = 0; ok && side < 2; side++)
		ok = open_cursor(v, &m.cursors[side], &v->sides[side], how, pythia_buffer_text(&where[side]), error);
	ok = ok && run_merge(&m, resume, finished, error);
	for (int side = 0; side < 2; side++)
		close_cursor(&m.cursors[side]);
	for (int i = 0; i < v->plan.npairs; i++)
		pythia_buffer_free(&m.changed[i]);
	pythia_free(m.changed);
	pythia_free(m.names);
	return ok;
}

/* Collects and settles in turns, so that memory is bounded however much differs. */
static bool compare_all(pythia_validation *v, comparison how, const pythia_buffer condition[2], pythia_error *error)
{
	pythia_buffer resume[2] = {PYTHIA_BUFFER_INIT, PYTHIA_BUFFER_INIT};
	pythia_buffer where[2] = {PYTHIA_BUFFER_INIT, PYTHIA_BUFFER_INIT};
	bool finished = false;
	bool ok = true;

	for (int side = 0; side < 2; side++)
		pythia_buffer_puts(&where[side], pythia_buffer_text(&condition[side]));
	while (ok && !finished)
	{
		v->decoded = how == BY_VALUE;
		ok = compare(v, how, &v->candidates, where, resume, &finished, error) && pythia_settle_candidates(v, error);
		for (int side = 0; ok && !finished && side < 2; side++)
		{
			pythia_buffer_clear(&where[side]);
			pythia_buffer_puts(&where[side], pythia_buffer_text(&condition[side]));
			after_place(v, &v->sides[side], resume, &where[side]);
		}
	}
	for (int side = 0; side < 2; side++)
	{
		pythia_buffer_free(&resume[side]);
		pythia_buffer_free(&where[side]);
	}
	return ok;
}

bool pythia_compare_digests(pythia_validation *v, const pythia_buffer condition[2], pythia_error *error)
{
	return compare_all(v, BY_DIGEST, condition, error);
}

bool pythia_compare_values(pythia_validation *v, const pythia_buffer condition[2], pythia_error *error)
{
	return compare_all(v, BY_VALUE, condition, error);
}

/* --- settling ------------------------------------------------------------------ */

static bool look_up(pythia_validation *v, comparison how, const pythia_candidates *keys, pythia_candidates *into,
					pythia_error *error)
{
	pythia_buffer resume[2] = {PYTHIA_BUFFER_INIT, PYTHIA_BUFFER_INIT};
	bool ok = true;

	for (int first = 0; ok && first < keys->count; first += CANDIDATES_LOOKUP)
	{
		int count = keys->count - first < CANDIDATES_LOOKUP ? keys->count - first : CANDIDATES_LOOKUP;
		pythia_buffer where[2] = {PYTHIA_BUFFER_INIT, PYTHIA_BUFFER_INIT};
		bool finished;

		for (int side = 0; side < 2; side++)
		{
			pythia_buffer_puts(&where[side], pythia_buffer_text(&v->sides[side].lookup_filter));
			pythia_and(&where[side]);
			pythia_key_condition(v, side, &keys->list[first], count, &where[side]);
		}
		ok = compare(v, how, into, where, resume, &finished, error);
		pythia_buffer_free(&where[0]);
		pythia_buffer_free(&where[1]);
	}
	pythia_buffer_free(&resume[0]);
	pythia_buffer_free(&resume[1]);
	return ok;
}

bool pythia_look_finally(pythia_validation *v, const pythia_candidates *keys, pythia_error *error)
{
	return look_up(v, FINALLY, keys, NULL, error);
}

bool pythia_settle_candidates(pythia_validation *v, pythia_error *error)
{
	/* Once a look again found every difference still there, nothing is in flight: no more waiting. */
	bool again = v->options->recheck_after > 0 && (!v->looked_again || v->unstable);
	pythia_candidates sure = {0};
	const pythia_candidates *keys = &v->candidates;
	int64_t before = v->result->difference;
	bool ok = true;

	if (v->candidates.count == 0)
		return true;
	if (!v->decoded)
		v->result->suspected += v->candidates.count;
	if (again && !v->decoded)
	{
		ok = look_up(v, BY_VALUE, &v->candidates, &sure, error);
		keys = &sure;
		if (ok && v->candidates.count >= CANDIDATES_TO_JUDGE && sure.count < v->candidates.count / 2)
			v->prefer_rows = true;
	}
	if (ok && again && keys->count > 0)
	{
		if (pythia_host_wait(v->job->source->host, -1, 0, (long) (v->options->recheck_after * 1000)) ==
			PYTHIA_WAIT_CANCELLED)
			ok = pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "validation was cancelled");
	}
	if (ok && keys->count > 0)
		ok = pythia_look_finally(v, keys, error);
	if (ok && again && keys->count > 0)
	{
		v->looked_again = true;
		v->unstable = v->result->difference - before < keys->count;
	}
	else if (ok && !again && v->candidates.count >= CANDIDATES_TO_JUDGE &&
			 v->result->difference - before < v->candidates.count / 2)
		v->prefer_rows = true;
	pythia_candidates_clear(&sure, v->plan.nkey);
	pythia_free(sure.list);
	pythia_candidates_clear(&v->candidates, v->plan.nkey);
	return ok;
}
