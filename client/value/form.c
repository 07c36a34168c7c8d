/*
 * Values that are not of their column's type.
 *
 * A column of SQLite holds anything, and a text may stand for a moment.  Most of what is no date or no
 * number a target refuses, but PostgreSQL reads 'now' as a moment of its own and drops the offset of a local
 * time, MySQL reads 1700000000 as a date of 2017, rounds 1.5 in an INT and keeps what fits of too many bits.
 */
#include "value/form.h"

#include <string.h>
#include <strings.h>

#include "core/moment.h"
#include "core/reading.h"
#include "dialect/forms.h"
#include "value/limits.h"

static bool timed(pythia_kind kind)
{
	return kind == PYTHIA_KIND_DATE || kind == PYTHIA_KIND_TIMESTAMP || kind == PYTHIA_KIND_TIMESTAMPTZ ||
		   kind == PYTHIA_KIND_TIME;
}

/* What is made into the target's kind first has the form of its own. */
static bool converted(pythia_kind from, pythia_kind to)
{
	return from == PYTHIA_KIND_BYTES || from == PYTHIA_KIND_GEOMETRY || from == PYTHIA_KIND_BIT ||
		   (to == PYTHIA_KIND_JSON && from == PYTHIA_KIND_ARRAY);
}

/* Kinds whose values have a form. */
static bool formed(pythia_kind kind)
{
	return pythia_kind_is_number(kind) || timed(kind) || kind == PYTHIA_KIND_UUID || kind == PYTHIA_KIND_JSON;
}

pythia_kind pythia_form_kind(const pythia_transform *t)
{
	bool text = t->to->kind == PYTHIA_KIND_CHAR || t->to->kind == PYTHIA_KIND_TEXT;

	return t->from->kind == PYTHIA_KIND_UUID && text ? PYTHIA_KIND_UUID : t->to->kind;
}

bool pythia_form_apply(const pythia_transform *t)
{
	pythia_kind from = t->from->kind;
	pythia_kind to = t->to->kind;

	if (t->to_engine == PYTHIA_SQLITE)
		return false;
	/* numbers are made into bits, which reads them */
	if (to == PYTHIA_KIND_BIT)
		return from == to ? t->from_engine == PYTHIA_SQLITE : !pythia_kind_is_number(from);
	if (t->from_engine == PYTHIA_SQLITE)
		return formed(pythia_form_kind(t)) && !converted(from, to);
	return timed(to) && (from == PYTHIA_KIND_TEXT || from == PYTHIA_KIND_CHAR || from == PYTHIA_KIND_OTHER);
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

/* What most values look like costs no reading. */
static bool is_plain(const pythia_transform *t, const char *value, size_t length)
{
	pythia_moment moment;

	switch (t->to->kind)
	{
		case PYTHIA_KIND_BOOL:
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
		case PYTHIA_KIND_YEAR:
			return pythia_integer_text(value, length);
		case PYTHIA_KIND_DECIMAL:
		case PYTHIA_KIND_FLOAT:
		case PYTHIA_KIND_DOUBLE:
			return pythia_numeric_text(value, length);
		case PYTHIA_KIND_DATE:
			return pythia_moment_date(value, length, &moment);
		case PYTHIA_KIND_TIMESTAMP:
		case PYTHIA_KIND_TIMESTAMPTZ:
			return pythia_moment_stamp(value, length, &moment);
		default:
			return false;
	}
}

static const char *misread(pythia_kind kind, const char *value, size_t length)
{
	switch (kind)
	{
		case PYTHIA_KIND_BOOL:
			return "a value that is no truth value";
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
		case PYTHIA_KIND_YEAR:
			return pythia_numeric_text(value, length) ? "a fraction for a whole number" : "a value that is no number";
		case PYTHIA_KIND_DECIMAL:
		case PYTHIA_KIND_FLOAT:
		case PYTHIA_KIND_DOUBLE:
			return "a value that is no number";
		case PYTHIA_KIND_TIME:
			return "a value that is no time";
		case PYTHIA_KIND_UUID:
			return "a value that is no UUID";
		case PYTHIA_KIND_JSON:
			return "a value that is no JSON";
		default:
			return "a value that is no date";
	}
}

/* SQLite's values are read by the one rule, and spelled anew where that is not how they are written. */
static pythia_value_verdict read_value(const pythia_transform *t, const char *value, size_t length, pythia_buffer *out,
									   pythia_bad_value *bad)
{
	pythia_kind kind = pythia_form_kind(t);
	/* an offset is no part of the rule */
	bool zoned = kind == PYTHIA_KIND_TIME && t->to->zone;

	if (zoned ? !names_a_moment(value, length) : is_plain(t, value, length))
		return PYTHIA_VALUE_KEEP;
	if (!zoned && pythia_read_as(kind, value, length, out))
	{
		if (out->length != length || memcmp(out->data, value, length) != 0)
			return PYTHIA_VALUE_CHANGED;
		pythia_buffer_clear(out);
		return PYTHIA_VALUE_KEEP;
	}
	return pythia_policy_decide(t->policies.out_of_range, "out_of_range", NULL, misread(kind, value, length), out, bad);
}

pythia_value_verdict pythia_form_check(const pythia_transform *t, const char *value, size_t length, pythia_buffer *out,
									   pythia_bad_value *bad)
{
	const char *reason = NULL;

	if (t->to->kind == PYTHIA_KIND_BIT)
	{
		if (!pythia_bits_text(value, length) || (t->to->length > 0 && (int64_t) length > t->to->length))
			reason = pythia_integer_text(value, length) ? "a number that has more bits" : "a value that is no bits";
	}
	else if (t->from_engine == PYTHIA_SQLITE)
		return read_value(t, value, length, out, bad);
	else if (names_a_moment(value, length))
		reason = t->to->kind == PYTHIA_KIND_TIME ? "a word that is no time" : "a word that is no date";
	if (reason == NULL)
		return PYTHIA_VALUE_KEEP;
	return pythia_policy_decide(t->policies.out_of_range, "out_of_range", NULL, reason, out, bad);
}
