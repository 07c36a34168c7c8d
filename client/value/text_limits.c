#include "value/text_limits.h"

#include <string.h>

#include "core/utf8.h"
#include "value/limits.h"
#include "value/transform.h"

/* The policies that would rewrite or cut it have been asked. */
static pythia_value_verdict cut_else(pythia_policy policy, const char *name, const char *reason, pythia_buffer *out,
									 pythia_bad_value *bad)
{
	pythia_value_verdict verdict = pythia_policy_decide(policy, name, NULL, reason, out, bad);

	bad->bounded = true;
	return verdict;
}

static pythia_value_verdict by_policy(pythia_policy policy, const char *name, const char *reason, const char *value,
									  size_t length, pythia_buffer *out, pythia_bad_value *bad)
{
	if (policy == PYTHIA_POLICY_CLAMP || policy == PYTHIA_POLICY_REPLACE)
	{
		pythia_utf8_rewrite(value, length, policy == PYTHIA_POLICY_CLAMP, strcmp(name, "nul_byte") == 0, out);
		return PYTHIA_VALUE_CHANGED;
	}
	return cut_else(policy, name, reason, out, bad);
}

/* Bytes of the first `characters` characters. */
static size_t prefix_bytes(const char *value, size_t length, int64_t characters)
{
	const unsigned char *at = (const unsigned char *) value;
	const unsigned char *end = at + length;

	for (int64_t i = 0; i < characters && at < end; i++)
	{
		size_t size = pythia_utf8_length(at, end);

		at += size > 0 ? size : 1;
	}
	return (size_t) (at - (const unsigned char *) value);
}

static pythia_value_verdict check_length(const pythia_transform *t, const char *value, size_t length,
										 pythia_buffer *out, pythia_bad_value *bad)
{
	/* the TEXT family counts bytes, VARCHAR characters */
	bool bytes = t->to_engine == PYTHIA_MYSQL && t->to->native != NULL && strstr(t->to->native, "text") != NULL;
	size_t written = length;
	size_t keep;

	if (t->to->length <= 0 || (int64_t) length <= t->to->length)
		return PYTHIA_VALUE_KEEP;
	/* the blanks behind a char(n) are no part of it */
	while (t->from->kind == PYTHIA_KIND_CHAR && length > 0 && value[length - 1] == ' ')
		length--;
	keep = bytes ? (size_t) t->to->length : prefix_bytes(value, length, t->to->length);
	while (bytes && keep > 0 && ((unsigned char) value[keep] & 0xC0) == 0x80)
		keep--;
	if (keep >= length)
	{
		if (length == written)
			return PYTHIA_VALUE_KEEP;
		pythia_buffer_clear(out);
		pythia_buffer_append(out, value, length);
		return PYTHIA_VALUE_CHANGED;
	}
	if (t->policies.out_of_range == PYTHIA_POLICY_CLAMP || t->policies.out_of_range == PYTHIA_POLICY_REPLACE)
	{
		pythia_buffer_clear(out);
		pythia_buffer_append(out, value, keep);
		return PYTHIA_VALUE_CHANGED;
	}
	return cut_else(t->policies.out_of_range, "out_of_range", "a text that is too long", out, bad);
}

static pythia_value_verdict check_bytes(const pythia_transform *t, const char *value, size_t length, pythia_buffer *out,
										pythia_bad_value *bad)
{
	size_t allowed = 2 + (size_t) t->to->length * 2;

	if (t->to->length <= 0 || length <= allowed)
		return PYTHIA_VALUE_KEEP;
	if (t->policies.out_of_range == PYTHIA_POLICY_CLAMP || t->policies.out_of_range == PYTHIA_POLICY_REPLACE)
	{
		pythia_buffer_clear(out);
		pythia_buffer_append(out, value, allowed);
		return PYTHIA_VALUE_CHANGED;
	}
	return cut_else(t->policies.out_of_range, "out_of_range", "bytes that are too many", out, bad);
}

/* What a policy made of the value is what the next check looks at. */
static pythia_value_verdict go_on(pythia_value_verdict verdict, const pythia_buffer *out, pythia_buffer *rewritten,
								  const char **value, size_t *length)
{
	if (verdict != PYTHIA_VALUE_CHANGED)
		return verdict;
	pythia_buffer_clear(rewritten);
	pythia_buffer_append(rewritten, pythia_buffer_text(out), out->length);
	*value = pythia_buffer_text(rewritten);
	*length = rewritten->length;
	return PYTHIA_VALUE_KEEP;
}

pythia_value_verdict pythia_text_check(const pythia_transform *t, const char *value, size_t length, pythia_buffer *out,
									   pythia_bad_value *bad)
{
	const char *given = value;
	pythia_buffer rewritten = PYTHIA_BUFFER_INIT;
	pythia_value_verdict verdict = PYTHIA_VALUE_KEEP;

	if (t->to->kind == PYTHIA_KIND_BYTES)
		return check_bytes(t, value, length, out, bad);
	if (t->to->kind == PYTHIA_KIND_GEOMETRY || t->to->kind == PYTHIA_KIND_BIT || t->to_engine == PYTHIA_SQLITE)
		return PYTHIA_VALUE_KEEP;
	if (!pythia_utf8_valid(value, length))
		verdict = by_policy(t->policies.bad_utf8, "bad_utf8", "a text that is not UTF-8", value, length, out, bad);
	verdict = go_on(verdict, out, &rewritten, &value, &length);
	if (verdict == PYTHIA_VALUE_KEEP && t->to_engine == PYTHIA_POSTGRESQL && memchr(value, '\0', length) != NULL)
		verdict = by_policy(t->policies.nul_byte, "nul_byte", "a text with a NUL byte", value, length, out, bad);
	verdict = go_on(verdict, out, &rewritten, &value, &length);
	if (verdict == PYTHIA_VALUE_KEEP)
		verdict = check_length(t, value, length, out, bad);
	pythia_buffer_free(&rewritten);
	return value != given && verdict == PYTHIA_VALUE_KEEP ? PYTHIA_VALUE_CHANGED : verdict;
}
