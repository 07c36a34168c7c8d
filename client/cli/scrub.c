#define _GNU_SOURCE /* environ */
#include "cli/scrub.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/memory.h"
#include "core/secret.h"

static void blank(char *text)
{
	memset(text, '*', strlen(text));
}

/* True where the next word is a secret, because this one is an option that takes it. */
static bool scrub_word(char *word)
{
	size_t dashes = strspn(word, "-");
	char *equals = strchr(word, '=');
	bool option = dashes > 0 && pythia_secret_name(word + dashes, strcspn(word + dashes, "="));

	if (option && equals)
		blank(equals + 1);
	else
		pythia_secret_mask(word, true);
	pythia_secret_squeeze(word);
	return option && !equals;
}

char **cli_scrub(int argc, char **argv)
{
	char **copy = pythia_malloc(sizeof(char *) * (size_t) (argc + 1));
	bool secret = false;

	for (int i = 0; i < argc; i++)
	{
		copy[i] = pythia_strdup(argv[i]);
		if (secret)
		{
			blank(argv[i]);
			pythia_secret_squeeze(argv[i]);
			secret = false;
		}
		else
			secret = scrub_word(argv[i]);
	}
	copy[argc] = NULL;
	return copy;
}

/* "NAME=value"; true where there was a secret. */
static bool scrub_variable(char *variable)
{
	char *equals = strchr(variable, '=');

	if (!equals)
		return false;
	if (!pythia_secret_name(variable, (size_t) (equals - variable)))
		return pythia_secret_mask(equals + 1, true);
	blank(equals + 1);
	return true;
}

void cli_scrub_environment(void)
{
	size_t count = 0;
	char **first;

	while (environ && environ[count])
		count++;
	/* setenv moves the list */
	first = pythia_malloc(sizeof(char *) * (count + 1));
	for (size_t i = 0; i < count; i++)
		first[i] = environ[i];
	for (size_t i = 0; i < count; i++)
	{
		char *copy = pythia_strdup(first[i]);
		char *equals = strchr(copy, '=');

		if (scrub_variable(first[i]))
		{
			*equals = '\0';
			setenv(copy, equals + 1, 1);
			explicit_bzero(equals + 1, strlen(equals + 1));
		}
		pythia_free(copy);
	}
	pythia_free(first);
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
