#define _GNU_SOURCE /* memrchr */
#include "cli/scrub.h"

#include <string.h>
#include <strings.h>

#include "core/memory.h"

/* Replaces length bytes at `start` by ***, closing the gap so that not even the
 * password's length shows. */
static void blank(char *start, size_t length)
{
	size_t rest = strlen(start + length);
	size_t stars = length < 3 ? length : 3;

	memset(start, '*', stars);
	memmove(start + stars, start + length, rest);
	memset(start + stars + rest, 0, length - stars);
}

static void scrub_word(char *word)
{
	static const char *const secret[] = {"password=", "passwd=", "sslpassword=", "pwd="};
	char *authority = strstr(word, "://");
	char *query;

	if (authority == NULL)
		return;
	authority += 3;
	{
		size_t length = strcspn(authority, "/?#");
		char *at = memrchr(authority, '@', length);
		char *colon = at != NULL ? memchr(authority, ':', (size_t) (at - authority)) : NULL;

		/* A password may hold an unescaped slash: then the last @ of the word ends it. */
		if (at == NULL && strchr(authority, '@') != NULL)
		{
			at = strrchr(authority, '@');
			colon = memchr(authority, ':', (size_t) (at - authority));
		}
		if (colon != NULL && at > colon + 1)
			blank(colon + 1, (size_t) (at - colon - 1));
	}
	query = strchr(authority, '?');
	while (query != NULL && *query != '\0')
	{
		query++;
		for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
		{
			size_t n = strlen(secret[i]);

			if (strncasecmp(query, secret[i], n) == 0)
				blank(query + n, strcspn(query + n, "&"));
		}
		query = strchr(query, '&');
	}
}

char **cli_scrub(int argc, char **argv)
{
	char **copy = pythia_malloc(sizeof(char *) * (size_t) (argc + 1));

	for (int i = 0; i < argc; i++)
	{
		copy[i] = pythia_strdup(argv[i]);
		scrub_word(argv[i]);
	}
	copy[argc] = NULL;
	return copy;
}

void cli_scrub_free(int argc, char **copy)
{
	for (int i = 0; i < argc; i++)
	{
		explicit_bzero(copy[i], strlen(copy[i]));
		pythia_free(copy[i]);
	}
	pythia_free(copy);
}
