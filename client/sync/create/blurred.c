/* What MySQL's catalogue cannot show. */
#include <string.h>

#include "sync/create/create.h"

bool pythia_catalog_blurs(const pythia_db *source, const pythia_column *column, const char *text)
{
	static const char *const wide[] = {"utf8mb4_", "utf16_", "utf16le_", "utf32_", "gb18030_"};

	if (source->engine != PYTHIA_MYSQL || column->collation == NULL || text == NULL || strchr(text, '?') == NULL)
		return false;
	for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++)
	{
		if (strncmp(column->collation, wide[i], strlen(wide[i])) == 0)
			return true;
	}
	return false;
}

bool pythia_labels_are_blurred(const pythia_db *source, const pythia_column *column)
{
	for (int i = 0; i < column->type.nlabels; i++)
	{
		if (pythia_catalog_blurs(source, column, column->type.labels[i]))
			return true;
	}
	return false;
}
