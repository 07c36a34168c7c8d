/* Numbers within JSON, on their way to where they become doubles. */
#include "value/json_numbers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/json_canonical.h"
#include "core/number.h"

/* So many digits come back from a double whatever they are. */
#define SAFE_DIGITS 15
#define LONGEST     64

/* A whole number that the engine keeps as such. */
static bool whole(const char *digits)
{
	errno = 0;
	if (digits[0] == '-')
		(void) strtoll(digits, NULL, 10);
	else
		(void) strtoull(digits, NULL, 10);
	return errno == 0;
}

static bool kept(const char *text, size_t length)
{
	char number[LONGEST];
	char shortest[PYTHIA_DOUBLE_TEXT];
	size_t digits = 0;
	double value;

	for (size_t i = 0; i < length && text[i] != 'e' && text[i] != 'E'; i++)
		digits += text[i] >= '0' && text[i] <= '9' && (digits > 0 || text[i] != '0');
	if (digits <= SAFE_DIGITS)
		return true;
	if (length < sizeof(number) && memchr(text, '.', length) == NULL && memchr(text, 'e', length) == NULL &&
		memchr(text, 'E', length) == NULL)
	{
		memcpy(number, text, length);
		number[length] = '\0';
		if (whole(number))
			return true;
	}
	if (!pythia_double_read(text, length, &value))
		return true; /* no number: the engine says so */
	pythia_double_text(shortest, value);
	return pythia_json_equal(text, length, shortest, strlen(shortest), NULL);
}

bool pythia_json_numbers_kept(const char *text, size_t length)
{
	const char *end = text + length;

	for (const char *at = text; at < end; at++)
	{
		const char *number = at;

		if (*at == '"')
		{
			for (at++; at < end && *at != '"'; at++)
				at += *at == '\\';
			continue;
		}
		while (at < end && *at != '\0' && strchr("0123456789.eE+-", *at) != NULL)
			at++;
		/* the letters of true and false are no numbers */
		if (at > number && (*number == '-' || (*number >= '0' && *number <= '9')) &&
			!kept(number, (size_t) (at - number)))
			return false;
		if (at > number)
			at--;
	}
	return true;
}
