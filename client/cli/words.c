#include "cli/words.h"

#include <string.h>

#include "cli/cli.h"
#include "core/buffer.h"
#include "core/text.h"

static const cli_args *given = NULL;

void cli_words_of(const cli_args *args)
{
	given = args;
}

static bool is_key(const cli_option *option, const char *key, size_t length)
{
	return option->key != NULL && strlen(option->key) == length && strncmp(option->key, key, length) == 0;
}

static const cli_option *by_flag(const char *key, size_t length)
{
	for (int i = 0; given != NULL && i < given->nvalues; i++)
		if (is_key(given->values[i].option, key, length))
			return given->values[i].option;
	return NULL;
}

static const cli_option *has_flag(const char *key, size_t length)
{
	for (const cli_option *const *set = given != NULL ? given->command->sets : NULL; set != NULL && *set != NULL; set++)
		for (const cli_option *option = *set; option->name != NULL; option++)
			if (is_key(option, key, length))
				return option;
	return NULL;
}

const char *cli_flag_given(const char *option)
{
	const cli_option *flag = by_flag(option, strlen(option));

	return flag != NULL ? flag->name : NULL;
}

static bool is_word(char c)
{
	return pythia_is_letter(c) || pythia_is_digit(c) || c == '_';
}

/* The option that is named there, in quotes or by several words; *length: of what names it. */
static const cli_option *named(const char *text, bool hint, size_t *length)
{
	static const char opening[] = "option ";
	size_t before = strncmp(text, opening, strlen(opening)) == 0 ? strlen(opening) : 0;
	bool quoted = text[before] == '"';
	const char *word = text + before + quoted;
	size_t n = 0;

	while (is_word(word[n]))
		n++;
	*length = before + n + (quoted ? 2 : 0);
	if (n == 0 || (quoted ? word[n] != '"' : memchr(word, '_', n) == NULL))
		return NULL;
	if (hint)
		return has_flag(word, n);
	/* what a message has in quotes may be a name of the user's */
	return before > 0 || !quoted ? by_flag(word, n) : NULL;
}

/* The value that JSON gives the option behind its name, as in "capture": "poll"; NULL for none.  *length: with what is around. */
static const char *given_value(const char *text, size_t *length)
{
	static const char before[] = ": \"";
	size_t n;

	*length = 0;
	if (strncmp(text, before, strlen(before)) != 0)
		return NULL;
	n = strcspn(text + strlen(before), "\"");
	if (text[strlen(before) + n] != '"')
		return NULL;
	*length = strlen(before) + n + 1;
	return text + strlen(before);
}

char *cli_in_flags(const char *text, bool hint)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	while (*text != '\0')
	{
		size_t length = 0;
		/* what is shown as JSON stays so */
		bool json = out.length > 0 && out.data[out.length - 1] == '{';
		const cli_option *option = json ? NULL : named(text, hint, &length);

		if (option != NULL)
		{
			size_t around;
			const char *value = given_value(text + length, &around);

			pythia_buffer_printf(&out, "--%s", option->name);
			if (value != NULL)
				pythia_buffer_printf(&out, " %.*s", (int) strcspn(value, "\""), value);
			length += around;
		}
		else
		{
			/* whole words, so that none begins within another */
			length = 0;
			while (is_word(text[length]))
				length++;
			length = length > 0 ? length : 1;
			pythia_buffer_append(&out, text, length);
		}
		text += length;
	}
	return pythia_buffer_take(&out);
}
