/*
 * Values that are not of their column's type.
 *
 * A column of SQLite holds anything, and a text may stand for a moment.  Most of what is no date or no
 * number a target refuses, but PostgreSQL reads 'now' as a moment of its own and drops the offset of a local
 * time, MySQL reads 1700000000 as a date of 2017, rounds 1.5 in an INT and keeps what fits of too many bits.
 */
#include "value/form.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "core/moment.h"
#include "core/stamp.h"
#include "value/limits.h"

static bool stamped(pythia_kind kind)
{
	return kind == PYTHIA_KIND_TIMESTAMP || kind == PYTHIA_KIND_TIMESTAMPTZ;
}

static bool whole(pythia_kind kind)
{
	return kind == PYTHIA_KIND_INT || kind == PYTHIA_KIND_BOOL || kind == PYTHIA_KIND_UINT || kind == PYTHIA_KIND_YEAR;
}

bool pythia_form_apply(const pythia_transform *t)
{
	pythia_kind from = t->from->kind;
	pythia_kind to = t->to->kind;
	bool anything = t->from_engine == PYTHIA_SQLITE;

	if (t->to_engine == PYTHIA_SQLITE)
		return false;
	if (to == PYTHIA_KIND_DATE || stamped(to) || to == PYTHIA_KIND_TIME)
		return anything || from == PYTHIA_KIND_TEXT || from == PYTHIA_KIND_CHAR || from == PYTHIA_KIND_OTHER;
	if (to == PYTHIA_KIND_BIT)
		return anything && from == PYTHIA_KIND_BIT;
	return anything && t->to_engine == PYTHIA_MYSQL && whole(from) && whole(to);
}

/* PostgreSQL's words for a moment that depends on when they are read. */
static bool names_a_moment(const char *value, size_t length)
{
	static const char *const words[] = {"now", "today", "tomorrow", "yesterday"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
	{
		size_t size = strlen(words[i]);

		for (size_t at = 0; at + size <= length; at++)
		{
			if (strncasecmp(value + at, words[i], size) == 0)
				return true;
		}
	}
	return false;
}

/* Digits and a hyphen: whatever else may be wrong with it the target tells. */
static bool begins_as_date(const char *value, size_t length)
{
	size_t digits = 0;

	while (digits < length && isdigit((unsigned char) value[digits]))
		digits++;
	return digits >= 4 && digits < length && value[digits] == '-';
}

static bool has_offset(const char *value, size_t length)
{
	return length > 16 &&
		   (memchr(value + 16, '+', length - 16) != NULL || memchr(value + 16, '-', length - 16) != NULL);
}

static bool only_digits(const char *value, size_t length, const char *digits)
{
	size_t sign = length > 1 && (value[0] == '-' || value[0] == '+');

	return length > sign && strspn(value + sign, digits) == length - sign;
}

/* A number without a fraction, or something that is none, which the target refuses. */
static bool is_whole(const char *value, size_t length)
{
	pythia_buffer plain = PYTHIA_BUFFER_INIT;
	bool is = only_digits(value, length, "0123456789") || !pythia_decimal_text(&plain, value, length, -1) ||
			  memchr(plain.data, '.', plain.length) == NULL;

	pythia_buffer_free(&plain);
	return is;
}

pythia_verdict pythia_form_check(const pythia_transform *t, const char *value, size_t length, pythia_buffer *out,
								 pythia_bad_value *bad)
{
	pythia_moment moment;
	const char *reason = NULL;

	if (t->to->kind == PYTHIA_KIND_BIT)
		reason = t->to->length > 0 && ((int64_t) length > t->to->length || strspn(value, "01") != length)
					 ? "a number that has more bits"
					 : NULL;
	else if (t->to->kind == PYTHIA_KIND_TIME)
		reason = names_a_moment(value, length) ? "a word that is no time" : NULL;
	else if (whole(t->to->kind))
		reason = is_whole(value, length) ? NULL : "a fraction for a whole number";
	else if (pythia_moment_stamp(value, length, &moment) || pythia_moment_date(value, length, &moment))
		return PYTHIA_VALUE_KEEP;
	else if (t->from_engine != PYTHIA_SQLITE)
		reason = names_a_moment(value, length) ? "a word that is no date" : NULL;
	else if (strcmp(value, "infinity") == 0 || strcmp(value, "-infinity") == 0)
		return PYTHIA_VALUE_KEEP;
	else if (!begins_as_date(value, length))
		reason = "a value that is no date";
	else if (stamped(t->to->kind) && has_offset(value, length) && pythia_stamp_canonical(out, value, length, 6))
		return PYTHIA_VALUE_CHANGED;
	if (reason == NULL)
		return PYTHIA_VALUE_KEEP;
	return pythia_policy_decide(t->policies.out_of_range, "out_of_range", NULL, reason, out, bad);
}
