#include "capture/discover.h"

#include <string.h>

#include "core/memory.h"
#include "dialect/dialect.h"

char *pythia_discover_next(const char **patterns)
{
	size_t length = *patterns ? strcspn(*patterns, "\n") : 0;
	char *next;

	if (!*patterns || !**patterns)
		return NULL;
	next = pythia_strndup(*patterns, length);
	*patterns += length + ((*patterns)[length] == '\n');
	return next;
}

bool pythia_discover(pythia_db *db, const char *pattern, bool again, char ***names, int *count, pythia_error *error)
{
	char *schema = NULL;
	char *star = NULL;
	bool ok;

	*names = NULL;
	*count = 0;
	if (!pythia_name_is_pattern(pattern))
	{
		*names = pythia_calloc(1, sizeof(char *));
		(*names)[(*count)++] = pythia_strdup(pattern);
		return true;
	}
	if (!pythia_name_parse(pattern, &schema, &star, error))
		return false;
	ok = pythia_list_tables(db, schema, names, count, error);
	if (ok && *count == 0 && !again)
	{
		ok = pythia_fail(error, PYTHIA_E_USAGE, "42P01", "schema \"%s\" has no tables", schema);
		pythia_error_hint(error, "Check its name and the right to see its tables.");
	}
	pythia_free(schema);
	pythia_free(star);
	return ok;
}
