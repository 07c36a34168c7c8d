/* Names that the target's indexes, constraints and sequences get. */
#include <string.h>
#include <strings.h>

#include "core/digest.h"
#include "core/memory.h"
#include "migrate/planner.h"

/* Bytes in PostgreSQL; MySQL takes one character more. */
#define LONGEST_NAME 63

static bool is_taken(const planner *p, const pythia_names *names, const char *full)
{
	/* PostgreSQL tells names in other case apart */
	int (*compare)(const char *, const char *) = planner_to(p, PYTHIA_POSTGRESQL) ? strcmp : strcasecmp;

	for (int i = 0; i < names->count; i++)
		if (compare(names->items[i], full) == 0)
			return true;
	return false;
}

static void fit(pythia_buffer *name)
{
	char hex[33];
	size_t cut = LONGEST_NAME - 9;

	if (name->length <= LONGEST_NAME)
		return;
	pythia_md5(name->data, name->length, hex);
	while (cut > 0 && ((unsigned char) name->data[cut] & 0xC0) == 0x80)
		cut--;
	name->length = cut;
	pythia_buffer_printf(name, "_%.8s", hex);
}

char *planner_take_name(planner *p, pythia_names *names, const char *schema, const char *table, const char *wanted)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	pythia_buffer full = PYTHIA_BUFFER_INIT;

	/* SQLite makes these itself, and takes them from nobody */
	if (strncmp(wanted, "sqlite_autoindex_", 17) == 0)
		wanted += 17;
	for (int turn = 0;; turn++)
	{
		pythia_buffer_clear(&name);
		pythia_buffer_clear(&full);
		if (turn > 0 && table != NULL)
			pythia_buffer_printf(&name, "%s_", table);
		pythia_buffer_puts(&name, wanted);
		if (turn > 1)
			pythia_buffer_printf(&name, "_%d", turn);
		fit(&name);
		pythia_buffer_printf(&full, "%s.%s", schema != NULL ? schema : "", name.data);
		if (!is_taken(p, names, full.data))
			break;
	}
	names->items = pythia_realloc(names->items, sizeof(char *) * (size_t) (names->count + 1));
	names->items[names->count++] = pythia_buffer_take(&full);
	return pythia_texts_take(&p->plan->texts, &name);
}

void planner_names_free(pythia_names *names)
{
	for (int i = 0; i < names->count; i++)
		pythia_free(names->items[i]);
	pythia_free(names->items);
	memset(names, 0, sizeof(*names));
}
