#include "cli/mycnf.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/buffer.h"
#include "core/memory.h"

/* Both ends, and one pair of quotes around the whole. */
static char *trimmed(char *text)
{
	size_t length;

	while (isspace((unsigned char) *text))
		text++;
	length = strlen(text);
	while (length > 0 && isspace((unsigned char) text[length - 1]))
		text[--length] = '\0';
	if (length >= 2 && (*text == '"' || *text == '\'') && text[length - 1] == *text)
	{
		text[length - 1] = '\0';
		text++;
	}
	return text;
}

static bool our_group(const char *line)
{
	static const char *const groups[] = {"[client]", "[client-server]", "[client-mariadb]"};

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (strcmp(line, groups[i]) == 0)
			return true;
	return false;
}

static void read_option_file(FILE *file, pythia_url *url)
{
	char line[1024];
	bool in_group = false;

	while (fgets(line, sizeof(line), file) != NULL)
	{
		char *text = trimmed(line);
		char *equals;

		if (*text == '#' || *text == ';' || *text == '\0')
			continue;
		if (*text == '[')
		{
			in_group = our_group(text);
			continue;
		}
		equals = strchr(text, '=');
		if (!in_group || equals == NULL)
			continue;
		*equals = '\0';
		text = trimmed(text);
		if (strcmp(text, "user") == 0 && url->user == NULL)
			url->user = pythia_strdup(trimmed(equals + 1));
		else if (strcmp(text, "password") == 0 && url->password == NULL)
			url->password = pythia_strdup(trimmed(equals + 1));
	}
	explicit_bzero(line, sizeof(line));
}

void cli_mysql_defaults(pythia_url *url)
{
	const char *password = getenv("MYSQL_PWD");
	const char *home = getenv("HOME");
	pythia_buffer path = PYTHIA_BUFFER_INIT;
	struct stat status;
	FILE *file;

	if (url->engine != PYTHIA_MYSQL || url->password != NULL)
		return;
	if (password != NULL)
	{
		url->password = pythia_strdup(password);
		return;
	}
	if (home == NULL)
		return;
	pythia_buffer_printf(&path, "%s/.my.cnf", home);
	file = fopen(pythia_buffer_text(&path), "re");
	pythia_buffer_free(&path);
	if (file == NULL)
		return;
	if (fstat(fileno(file), &status) == 0 && (status.st_mode & S_IWOTH) == 0)
		read_option_file(file, url);
	fclose(file);
}
