#include "core/list.h"

#include "core/memory.h"

char **pythia_list_split(const char *text, int *count)
{
	char **items = NULL;
	const char *p = text;

	*count = 0;
	while (*p != '\0')
	{
		const char *start;
		const char *end;
		char closing = 0;

		while (*p == ' ')
			p++;
		start = p;
		while (*p != '\0' && (closing != 0 || *p != ','))
		{
			if (closing != 0)
			{
				if (*p == closing)
					closing = 0;
			}
			else if (*p == '"' || *p == '`')
				closing = *p;
			else if (*p == '[')
				closing = ']';
			p++;
		}
		end = p;
		while (end > start && end[-1] == ' ')
			end--;
		if (end > start)
		{
			items = pythia_realloc(items, sizeof(char *) * (size_t) (*count + 1));
			items[(*count)++] = pythia_strndup(start, (size_t) (end - start));
		}
		if (*p == ',')
			p++;
	}
	return items;
}

void pythia_list_free(char **items, int count)
{
	for (int i = 0; i < count; i++)
		pythia_free(items[i]);
	pythia_free(items);
}
