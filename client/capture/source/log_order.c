#include "capture/source/log_order.h"

#include <stdlib.h>
#include <string.h>

#include "capture/internal.h"
#include "core/memory.h"
#include "dialect/tokens.h"

/* --- what waits ---------------------------------------------------------------------- */

void pythia_log_order_put(pythia_log_order *order, int64_t number, const pythia_capture_change *change)
{
	if (order->count == order->capacity)
	{
		order->capacity = order->capacity ? 2 * order->capacity : 64;
		order->changes = pythia_realloc(order->changes, sizeof(*order->changes) * (size_t) order->capacity);
	}
	order->changes[order->count++] = (pythia_logged){.number = number,
													 .change_type = change->change_type,
													 .key = pythia_strdup(change->primary_key),
													 .old_data = pythia_strdup(change->old_data),
													 .new_data = pythia_strdup(change->new_data),
													 .at = pythia_strdup(change->timestamp)};
}

static void forget_from(pythia_log_order *order, int first)
{
	for (int i = first; i < order->count; i++)
	{
		pythia_free(order->changes[i].key);
		pythia_free(order->changes[i].old_data);
		pythia_free(order->changes[i].new_data);
		pythia_free(order->changes[i].at);
	}
	order->count = first;
}

void pythia_log_order_cut(pythia_log_order *order, int64_t number)
{
	int kept = order->count;

	while (kept > 0 && order->changes[kept - 1].number >= number)
		kept--;
	forget_from(order, kept);
}

void pythia_log_order_free(pythia_log_order *order)
{
	forget_from(order, 0);
	pythia_free(order->changes);
	memset(order, 0, sizeof(*order));
}

/* --- the changes of one key in one statement -------------------------------------------- */

/* Both NULL is the same: no row. */
static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool follows(const pythia_logged *before, const pythia_logged *after)
{
	return same(before->new_data, after->old_data);
}

/*
 * Where a change belongs among those before it: into a gap that it closes, else behind them if it goes on from there,
 * else before those that go on from it.
 */
static int place_of(const pythia_logged *chain, int count, const pythia_logged *change)
{
	for (int i = 1; i < count; i++)
		if (!follows(&chain[i - 1], &chain[i]) && follows(&chain[i - 1], change) && follows(change, &chain[i]))
			return i;
	if (count == 0 || follows(&chain[count - 1], change))
		return count;
	for (int i = count - 1; i >= 0; i--)
		if (follows(change, &chain[i]) && (i == 0 || follows(&chain[i - 1], change)))
			return i;
	return count;
}

static void make_chain(pythia_logged *chain, int count)
{
	for (int i = 1; i < count; i++)
	{
		pythia_logged change = chain[i];
		int place = place_of(chain, i, &change);

		memmove(chain + place + 1, chain + place, sizeof(*chain) * (size_t) (i - place));
		chain[place] = change;
	}
}

/* Turns a ring so that it ends with this state, if it has it. */
static void end_with(pythia_logged *chain, int count, const char *state)
{
	int last = count - 1;
	pythia_logged *turned;

	while (last >= 0 && !same(chain[last].new_data, state))
		last--;
	if (last < 0 || last == count - 1)
		return;
	turned = pythia_calloc((size_t) count, sizeof(*turned));
	for (int i = 0; i < count; i++)
		turned[i] = chain[(last + 1 + i) % count];
	memcpy(chain, turned, sizeof(*chain) * (size_t) count);
	pythia_free(turned);
}

/* --- the row as it is -------------------------------------------------------------------- */

typedef struct sorter
{
	const pythia_capture_table *table;
	const pythia_log *log;
	const int *place;
	pythia_error *error;
} sorter;

static void put_same(const sorter *s, pythia_buffer *sql, int i, const char *operator)
{
	const pythia_column *column = &s->table->table.columns[s->table->columns[i].position];

	pythia_buffer_puts(sql, "pythia_t.");
	pythia_dialect_for(PYTHIA_SQLITE)->identifier(sql, column->name);
	pythia_buffer_printf(sql, " %s pythia_l.n%d", operator, s->place[i]);
}

/* For each change that left a row: whether the table has it still (1), or another one of that key (0). */
static void put_question(const sorter *s, pythia_buffer *sql, const pythia_logged *chain, int count)
{
	const pythia_capture_table *table = s->table;
	const pythia_dialect *dialect = pythia_dialect_for(PYTHIA_SQLITE);
	const char *before = "";

	pythia_buffer_puts(sql, "SELECT pythia_l.pythia_id, 1");
	for (int i = 0; i < table->ncolumns; i++)
		if (table->columns[i].in_image)
		{
			pythia_buffer_puts(sql, " AND ");
			put_same(s, sql, i, "COLLATE BINARY IS");
		}
	pythia_buffer_puts(sql, " FROM ");
	pythia_dialect_table(dialect, sql, table->table.schema, s->log->name);
	pythia_buffer_puts(sql, " AS pythia_l JOIN (SELECT * FROM ");
	pythia_capture_put_table(table, sql);
	if (table->config.where)
	{
		pythia_buffer_puts(sql, " WHERE ");
		pythia_condition_put(sql, table->config.where);
	}
	pythia_buffer_puts(sql, ") AS pythia_t ON 1");
	for (int k = 0; k < table->nkey; k++)
	{
		pythia_buffer_puts(sql, " AND ");
		put_same(s, sql, table->key[k], "=");
		pythia_buffer_puts(sql, " AND ");
		put_same(s, sql, table->key[k], "COLLATE BINARY =");
	}
	pythia_buffer_puts(sql, " WHERE pythia_l.pythia_id IN (");
	for (int i = 0; i < count; i++)
		if (chain[i].new_data)
		{
			pythia_buffer_printf(sql, "%s%lld", before, (long long) chain[i].number);
			before = ", ";
		}
	pythia_buffer_puts(sql, ")");
}

/* A ring ends with the row that is there, or with none. */
static bool end_as_it_is(const sorter *s, pythia_logged *chain, int count)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result;
	bool ok;

	put_question(s, &sql, chain, count);
	ok = pythia_db_query(s->table->db, sql.data, "nb", &result, s->error);
	pythia_buffer_free(&sql);
	if (!ok)
		return false;
	if (result.nrows == 0)
		end_with(chain, count, NULL);
	for (int64_t row = 0; row < result.nrows; row++)
	{
		int i = count - 1;

		if (!pythia_result_true(&result, row, 1))
			continue;
		while (i >= 0 && !(chain[i].new_data && chain[i].number == pythia_result_number(&result, row, 0)))
			i--;
		if (i >= 0)
		{
			end_with(chain, count, chain[i].new_data);
			break;
		}
	}
	pythia_result_free(&result);
	return true;
}

/* --- all keys ------------------------------------------------------------------------------ */

static const char *key_of(const pythia_logged *change)
{
	return change->key ? change->key : "";
}

static int by_key(const void *a, const void *b)
{
	const pythia_logged *const *left = a;
	const pythia_logged *const *right = b;
	int order = strcmp(key_of(*left), key_of(*right));

	/* they are pointers into one array, in the order of the log */
	return order != 0 ? order : (*left > *right) - (*left < *right);
}

/*
 * The changes of one statement, in a chain that may have gaps.  What ends where it began could have had any of its
 * changes as the last: it ends where the next begins, or with the row as it is.  *next: a change of the key that comes
 * after them, or NULL; then their first one.
 */
static bool turn_rings(const sorter *s, pythia_logged *chain, int count, const pythia_logged **next)
{
	for (int end = count, begin; end > 0; end = begin)
	{
		begin = end - 1;
		while (begin > 0 && follows(&chain[begin - 1], &chain[begin]))
			begin--;
		if (end - begin > 1 && follows(&chain[end - 1], &chain[begin]))
		{
			if (*next)
				end_with(chain + begin, end - begin, (*next)->old_data);
			else if (!end_as_it_is(s, chain + begin, end - begin))
				return false;
		}
		*next = &chain[begin];
	}
	return true;
}

/* The changes of one key, of all statements, from the last to the first. */
static bool sort_key(const sorter *s, pythia_logged **changes, int count)
{
	pythia_logged *chain = pythia_calloc((size_t) count, sizeof(*chain));
	const pythia_logged *next = NULL;
	bool ok = true;

	for (int end = count, first; ok && end > 0; end = first)
	{
		first = end - 1;
		while (first > 0 && same(changes[first - 1]->at, changes[end - 1]->at))
			first--;
		for (int i = first; i < end; i++)
			chain[i] = *changes[i];
		make_chain(chain + first, end - first);
		ok = turn_rings(s, chain + first, end - first, &next);
	}
	for (int i = 0; i < count; i++)
		if (chain[i].change_type)
			*changes[i] = chain[i];
	pythia_free(chain);
	return ok;
}

/* Of a key as we write it, as JSON. */
static bool holds_null(const char *key)
{
	bool quoted = false;

	for (; *key; key++)
		if (*key == '"')
			quoted = !quoted;
		else if (quoted && *key == '\\' && key[1])
			key++;
		else if (!quoted && *key == 'n')
			return true;
	return false;
}

static bool sort(const sorter *s, pythia_log_order *order)
{
	pythia_logged **changes = pythia_calloc((size_t) order->count + 1, sizeof(*changes));
	bool ok = true;

	for (int i = 0; i < order->count; i++)
		changes[i] = &order->changes[i];
	qsort(changes, (size_t) order->count, sizeof(*changes), by_key);
	for (int first = 0, end; ok && first < order->count; first = end)
	{
		for (end = first + 1; end < order->count && strcmp(key_of(changes[first]), key_of(changes[end])) == 0; end++)
			;
		/* what has a NULL in its key may be several rows */
		if (end - first > 1 && !holds_null(key_of(changes[first])))
			ok = sort_key(s, changes + first, end - first);
	}
	pythia_free(changes);
	return ok;
}

bool pythia_log_order_deliver(pythia_log_order *order, const pythia_capture_table *table, const pythia_log *log,
							  const int *place, pythia_capture_emit emit, void *context, pythia_error *error)
{
	sorter s = {.table = table, .log = log, .place = place, .error = error};
	bool ok = sort(&s, order);

	for (int i = 0; ok && i < order->count; i++)
	{
		const pythia_logged *logged = &order->changes[i];
		pythia_capture_change change = {.schema = table->table.schema,
										.table = table->table.name,
										.change_type = logged->change_type,
										.primary_key = logged->key,
										.old_data = logged->old_data,
										.new_data = logged->new_data,
										.timestamp = logged->at};

		ok = emit(context, &change, error);
	}
	forget_from(order, 0);
	return ok;
}
