#include "capture/source/log_replaced.h"

#include <string.h>

#include "capture/internal.h"
#include "core/memory.h"

void pythia_replaced_row_free(const pythia_capture_table *table, pythia_replaced_row *replaced_row)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		pythia_free(replaced_row->values[i]);
		if (replaced_row->rival)
			pythia_free(replaced_row->rival[i]);
	}
	pythia_free(replaced_row->values);
	pythia_free(replaced_row->rival);
	pythia_free(replaced_row->key);
	pythia_free(replaced_row->image);
}

void pythia_replaced_rows_begin(pythia_replaced_rows *b, const pythia_capture_table *table)
{
	*b = (pythia_replaced_rows){.table = table};
	b->places = pythia_malloc(sizeof(int) * ((size_t) table->table.ncolumns + 1));
	for (int i = 0; i < table->table.ncolumns; i++)
		b->places[i] = -1;
	for (int i = 0; i < table->ncolumns; i++)
		b->places[table->columns[i].position] = i;
}

void pythia_replaced_rows_forget(pythia_replaced_rows *b)
{
	for (int i = 0; i < b->count; i++)
		pythia_replaced_row_free(b->table, &b->all[i]);
	b->count = 0;
}

void pythia_replaced_rows_free(pythia_replaced_rows *b)
{
	pythia_replaced_rows_forget(b);
	pythia_free(b->all);
	pythia_free(b->places);
	memset(b, 0, sizeof(*b));
}

static pythia_replaced_row take_out(pythia_replaced_rows *b, int i)
{
	pythia_replaced_row taken = b->all[i];

	memmove(&b->all[i], &b->all[i + 1], sizeof(*b->all) * (size_t) (b->count - i - 1));
	b->count--;
	return taken;
}

static char **copied(const pythia_replaced_rows *b, const pythia_field *values)
{
	char **copies = pythia_calloc((size_t) b->table->ncolumns + 1, sizeof(char *));

	for (int i = 0; i < b->table->ncolumns; i++)
		copies[i] = pythia_strdup(values[i].value);
	return copies;
}

void pythia_replaced_rows_add(pythia_replaced_rows *b, const char *key, const char *image, const pythia_field *values,
							  const pythia_field *rival, bool update)
{
	pythia_replaced_row *added;

	/* what was in the way of an earlier one as well, and stayed */
	for (int i = b->count - 1; i >= 0; i--)
		if (b->all[i].update == update && strcmp(b->all[i].key, key) == 0)
		{
			pythia_replaced_row before = take_out(b, i);

			pythia_replaced_row_free(b->table, &before);
		}
	b->all = pythia_realloc(b->all, sizeof(*b->all) * (size_t) (b->count + 1));
	added = &b->all[b->count++];
	added->update = update;
	added->key = pythia_strdup(key);
	added->image = pythia_strdup(image);
	added->values = copied(b, values);
	added->rival = rival ? copied(b, rival) : NULL;
}

void pythia_replaced_rows_changed(pythia_replaced_rows *b, const char *key, const char *image)
{
	for (int i = b->count - 1; i >= 0; i--)
		if (strcmp(b->all[i].key, key) == 0 && strcmp(b->all[i].image, image) == 0)
		{
			pythia_replaced_row changed = take_out(b, i);

			pythia_replaced_row_free(b->table, &changed);
		}
}

static bool same_value(const pythia_replaced_rows *b, int position, char **values, const pythia_field *new)
{
	int place = b->places[position];

	return place >= 0 && values[place] && new[place].value &&strcmp(values[place], new[place].value) == 0;
}

/* True where two rows cannot both be in the table, by its primary key or one of its unique indexes. */
static bool exclude_each_other(const pythia_replaced_rows *b, char **values, const pythia_field *new)
{
	const pythia_table *table = &b->table->table;
	bool same = table->nkey > 0;

	for (int k = 0; same && k < table->nkey; k++)
		same = same_value(b, table->key[k], values, new);
	for (int x = 0; !same && x < table->nindexes; x++)
	{
		same = table->indexes[x].unique;
		for (int i = 0; same && i < table->indexes[x].ncolumns; i++)
			same = same_value(b, table->indexes[x].columns[i], values, new);
	}
	return same;
}

/* Whether this is the row that it is in the way of.  Before SQLite has given a row its number that is -1. */
static bool is_rival(const pythia_replaced_rows *b, const pythia_replaced_row *one, const pythia_field *values)
{
	const pythia_capture_table *table = b->table;

	for (int i = 0; i < table->ncolumns; i++)
	{
		const char *rival = one->rival[i];
		bool unknown = !one->update && table->nkey == 1 && table->key[0] == i && rival && strcmp(rival, "-1") == 0;

		if (!unknown && (rival && values[i].value ? strcmp(rival, values[i].value) != 0 : rival || values[i].value))
			return false;
	}
	return true;
}

bool pythia_replaced_rows_take(pythia_replaced_rows *b, const char *old_key, const char *key,
							   const pythia_field *values, pythia_replaced_row *taken)
{
	for (int i = 0; i < b->count; i++)
	{
		const pythia_replaced_row *one = &b->all[i];

		/* an UPDATE OR IGNORE may have found in its way the row that this one updates */
		if (one->update != (old_key != NULL) || (old_key && strcmp(one->key, old_key) == 0))
			continue;
		if (one->rival ? !is_rival(b, one, values)
					   : strcmp(one->key, key) != 0 && !exclude_each_other(b, one->values, values))
			continue;
		*taken = take_out(b, i);
		return true;
	}
	return false;
}
