/*
 * Each guard's action is what the check itself says of a value that the guard is for, so that rows in SQL and
 * rows that are decoded cannot part ways.
 */
#include "value/guards.h"

#include <stdio.h>
#include <string.h>

#include "value/form.h"
#include "value/limits.h"

#define FLOAT_BOUND  "3.4028234663852886e38"
#define FLOAT_DIGITS 38 /* before the point, which it holds whatever they are */
/* Half a step beyond the greatest double: from there on it rounds to an infinity. */
#define DOUBLE_BOUND  "1.797693134862315807937289714053e308"
#define DOUBLE_DIGITS 308
/* Longer than any value that an engine holds. */
#define UNLIMITED 1000000000

typedef struct maker
{
	const pythia_transform *t;
	bool quarantine;
	pythia_guard *guards;
	int n;
} maker;

/* Adds a guard for values such as `sample`; `bound` may be NULL. */
static void add_sized(maker *m, pythia_guard_test test, const char *bound, const char *sample, size_t length)
{
	pythia_guard *guard = &m->guards[m->n];
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	pythia_bad_value bad = {0};
	bool wanted = m->n < PYTHIA_GUARDS;

	if (!wanted)
		return;
	*guard = (pythia_guard){.test = test};
	snprintf(guard->bound, sizeof(guard->bound), "%s", bound != NULL ? bound : "");
	switch (pythia_limits_check(m->t, sample, length, &out, &bad))
	{
		case PYTHIA_VALUE_KEEP:
			wanted = false;
			break;
		case PYTHIA_VALUE_NULL:
			guard->action = m->t->notnull ? PYTHIA_GUARD_HOLD : PYTHIA_GUARD_NULL;
			wanted = !m->t->notnull || m->quarantine;
			break;
		case PYTHIA_VALUE_CHANGED:
			guard->action = PYTHIA_GUARD_VALUE;
			wanted = out.length < sizeof(guard->value);
			snprintf(guard->value, sizeof(guard->value), "%s", pythia_buffer_text(&out));
			break;
		case PYTHIA_VALUE_BAD:
			guard->action = PYTHIA_GUARD_HOLD;
			wanted = bad.quarantine || m->quarantine;
			break;
	}
	m->n += wanted;
	pythia_buffer_free(&out);
}

static void add(maker *m, pythia_guard_test test, const char *bound, const char *sample)
{
	add_sized(m, test, bound, sample, strlen(sample));
}

static void add_kept(maker *m, pythia_guard_test test, const char *bound)
{
	pythia_guard *guard = &m->guards[m->n];

	if (m->n == PYTHIA_GUARDS)
		return;
	*guard = (pythia_guard){.test = test, .action = PYTHIA_GUARD_KEEP};
	snprintf(guard->bound, sizeof(guard->bound), "%s", bound);
	m->n++;
}

/* --- dates and times ------------------------------------------------------------ */

static bool is_dated(pythia_kind kind)
{
	return kind == PYTHIA_KIND_DATE || kind == PYTHIA_KIND_TIMESTAMP || kind == PYTHIA_KIND_TIMESTAMPTZ;
}

/* February's 30th and the like.  The day before, which `clamp` makes of it, is no one value: rows say that. */
static void impossible_days(maker *m)
{
	int before = m->n;

	add(m, PYTHIA_GUARD_NO_DAY, NULL, "2021-02-30 00:00:00");
	if (m->n > before && m->guards[before].action == PYTHIA_GUARD_VALUE)
		m->n = before;
}

static void dates(maker *m)
{
	const pythia_transform *t = m->t;
	bool zero_dates = t->from_engine != PYTHIA_POSTGRESQL;

	if (!is_dated(t->from->kind))
		return;
	if (t->to_engine == PYTHIA_POSTGRESQL)
	{
		if (zero_dates)
		{
			add(m, PYTHIA_GUARD_ZERO_DATE, NULL, "0000-00-00 00:00:00");
			impossible_days(m);
		}
		return;
	}
	if (zero_dates)
	{
		add_kept(m, PYTHIA_GUARD_ZERO_DATE, "");
		impossible_days(m);
	}
	if (t->from_engine != PYTHIA_MYSQL)
	{
		add(m, PYTHIA_GUARD_EQUAL, "infinity", "infinity");
		add(m, PYTHIA_GUARD_EQUAL, "-infinity", "-infinity");
		add(m, PYTHIA_GUARD_LATE_YEAR, NULL, "10000-01-01 00:00:00");
		add(m, PYTHIA_GUARD_BC, NULL, "0044-03-15 00:00:00 BC");
	}
	if (t->to->kind == PYTHIA_KIND_TIMESTAMPTZ)
	{
		add(m, PYTHIA_GUARD_BELOW, "1970-01-01 00:00:01", "1969-12-31 00:00:00");
		if (t->to_2106)
			add(m, PYTHIA_GUARD_FROM, "2106-02-07 06:28:16", "2106-02-08 00:00:00");
		else
			add(m, PYTHIA_GUARD_FROM, "2038-01-19 03:14:08", "2038-01-20 00:00:00");
	}
}

static void times(maker *m)
{
	const pythia_transform *t = m->t;

	if (t->from->kind != PYTHIA_KIND_TIME && t->from->kind != PYTHIA_KIND_INTERVAL)
		return;
	/* PostgreSQL's times of day end with the day, and it reads no others */
	if (t->from->kind == PYTHIA_KIND_TIME && t->from_engine == PYTHIA_POSTGRESQL)
		return;
	if (t->to_engine == PYTHIA_POSTGRESQL)
	{
		add(m, PYTHIA_GUARD_BELOW, "00:00:00", "-01:00:00");
		add(m, PYTHIA_GUARD_ABOVE, "24:00:00", "25:00:00");
	}
	else if (t->from_engine != PYTHIA_MYSQL)
	{
		add(m, PYTHIA_GUARD_FROM, "839:00:00", "840:00:00");
		add(m, PYTHIA_GUARD_UPTO, "-839:00:00", "-840:00:00");
	}
}

/* --- numbers ------------------------------------------------------------------- */

static bool is_float(pythia_kind kind)
{
	return kind == PYTHIA_KIND_FLOAT || kind == PYTHIA_KIND_DOUBLE;
}

/* NaN and infinities; MySQL has none. */
static void specials(maker *m)
{
	const pythia_type *from = m->t->from;

	if (m->t->from_engine == PYTHIA_MYSQL || (!is_float(from->kind) && from->kind != PYTHIA_KIND_DECIMAL))
		return;
	/* a decimal that holds none, and cannot be asked for them */
	if (from->native != NULL && strcmp(from->native, "money") == 0)
		return;
	if (m->t->from_engine == PYTHIA_POSTGRESQL)
		add(m, PYTHIA_GUARD_EQUAL, "NaN", "NaN");
	/* a numeric of fixed precision holds none; and before version 14 its literal is an error */
	if (is_float(from->kind))
	{
		add(m, PYTHIA_GUARD_EQUAL, "Infinity", "Infinity");
		add(m, PYTHIA_GUARD_EQUAL, "-Infinity", "-Infinity");
	}
}

static int whole_digits(const pythia_transform *t)
{
	if (t->from->kind == PYTHIA_KIND_DECIMAL)
		return t->from->precision > 0 && t->from_engine != PYTHIA_SQLITE ? t->from->precision - t->from->scale : 1000;
	if (t->from_engine == PYTHIA_SQLITE || t->from->size > 4)
		return 20;
	return t->from->size == 4 ? 10 : t->from->size == 3 ? 8 : t->from->size == 2 ? 5 : 3;
}

static void floats(maker *m)
{
	const pythia_transform *t = m->t;
	bool decimal = t->from->kind == PYTHIA_KIND_DECIMAL;

	specials(m);
	if (t->to->kind == PYTHIA_KIND_FLOAT &&
		(t->from->kind == PYTHIA_KIND_DOUBLE || (decimal && whole_digits(t) > FLOAT_DIGITS)))
	{
		add(m, PYTHIA_GUARD_ABOVE, FLOAT_BOUND, "1e39");
		add(m, PYTHIA_GUARD_BELOW, "-" FLOAT_BOUND, "-1e39");
	}
	else if (t->to->kind == PYTHIA_KIND_DOUBLE && decimal && whole_digits(t) > DOUBLE_DIGITS)
	{
		add(m, PYTHIA_GUARD_FROM, DOUBLE_BOUND, "1e309");
		add(m, PYTHIA_GUARD_UPTO, "-" DOUBLE_BOUND, "-1e309");
	}
}

static bool is_whole(const pythia_type *type)
{
	switch (type->kind)
	{
		case PYTHIA_KIND_BOOL:
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
		case PYTHIA_KIND_YEAR:
			return true;
		case PYTHIA_KIND_DECIMAL:
			return type->precision > 0 && type->scale == 0;
		default:
			return false;
	}
}

static void wholes(maker *m)
{
	const pythia_transform *t = m->t;
	const char *low, *high, *from_low, *from_high;
	static const pythia_type any = {.kind = PYTHIA_KIND_INT, .size = 8};
	bool bounded = t->from->kind != PYTHIA_KIND_DECIMAL;

	if (!is_whole(t->from))
		return;
	pythia_whole_bounds(t->to, t->to_engine, &low, &high);
	/* SQLite's columns hold any integer, whatever their type is called */
	pythia_whole_bounds(t->from_engine == PYTHIA_SQLITE ? &any : t->from, t->from_engine, &from_low, &from_high);
	if (t->to->kind == PYTHIA_KIND_YEAR && t->to_engine == PYTHIA_MYSQL)
		add_kept(m, PYTHIA_GUARD_EQUAL, "0");
	if (!bounded || pythia_whole_compare(from_low, low) < 0)
		add(m, PYTHIA_GUARD_BELOW, low, "-99999999999999999999");
	if (!bounded || pythia_whole_compare(from_high, high) > 0)
		add(m, PYTHIA_GUARD_ABOVE, high, "99999999999999999999");
}

static void decimals(maker *m)
{
	const pythia_transform *t = m->t;
	int room = t->to->precision - t->to->scale;
	char bound[100] = "-1";
	char sample[100] = "-9";

	if (!is_whole(t->from) && t->from->kind != PYTHIA_KIND_DECIMAL)
		return;
	specials(m);
	if (t->to->precision <= 0 || room < 0 || room > 90 || whole_digits(t) <= room)
		return;
	memset(bound + 2, '0', (size_t) room);
	memset(sample + 2, '9', (size_t) room);
	bound[2 + room] = sample[2 + room] = '\0';
	add(m, PYTHIA_GUARD_FROM, bound + 1, sample + 1);
	add(m, PYTHIA_GUARD_UPTO, bound, sample);
}

/* --- texts and bytes ------------------------------------------------------------- */

static bool is_text(pythia_kind kind)
{
	return kind == PYTHIA_KIND_TEXT || kind == PYTHIA_KIND_CHAR;
}

/* A text that loses bytes: at the first, or each of them. */
static void add_text(maker *m, pythia_guard_test test, const char *sample)
{
	int before = m->n;

	add_sized(m, test, NULL, sample, 3);
	if (m->n > before && m->guards[before].action == PYTHIA_GUARD_VALUE)
		m->guards[before].action = m->guards[before].value[1] == '\0' ? PYTHIA_GUARD_CUT : PYTHIA_GUARD_REPLACE;
}

static void add_length(maker *m, pythia_guard_test test, int64_t length)
{
	pythia_guard guard = {.test = test, .length = length};

	if (length <= 0 || length >= UNLIMITED || m->n == PYTHIA_GUARDS)
		return;
	switch (m->t->policies.out_of_range)
	{
		case PYTHIA_POLICY_NULL:
			guard.action = m->t->notnull ? PYTHIA_GUARD_HOLD : PYTHIA_GUARD_NULL;
			if (m->t->notnull && !m->quarantine)
				return;
			break;
		case PYTHIA_POLICY_CLAMP:
		case PYTHIA_POLICY_REPLACE:
			guard.action = PYTHIA_GUARD_CUT;
			break;
		case PYTHIA_POLICY_QUARANTINE:
			guard.action = PYTHIA_GUARD_HOLD;
			break;
		case PYTHIA_POLICY_ERROR:
			if (!m->quarantine)
				return;
			guard.action = PYTHIA_GUARD_HOLD;
			break;
	}
	m->guards[m->n++] = guard;
}

static void texts(maker *m)
{
	const pythia_transform *t = m->t;
	/* the TEXT family counts bytes */
	bool bytes = t->to_engine == PYTHIA_MYSQL && t->to->native != NULL && strstr(t->to->native, "text") != NULL;

	if (t->to->kind == PYTHIA_KIND_BYTES)
	{
		if (t->from->kind == PYTHIA_KIND_BYTES && (t->from->length <= 0 || t->from->length > t->to->length))
			add_length(m, PYTHIA_GUARD_BYTES, t->to->length);
		return;
	}
	if (pythia_no_label(t, 0))
		add(m, PYTHIA_GUARD_EQUAL, "", "");
	if (!is_text(t->from->kind) || !is_text(t->to->kind))
		return;
	if (t->from_engine == PYTHIA_SQLITE)
		add_text(m, PYTHIA_GUARD_BAD_UTF8,
				 "a\xff"
				 "b");
	if (t->from_engine != PYTHIA_POSTGRESQL && t->to_engine == PYTHIA_POSTGRESQL)
		add_text(m, PYTHIA_GUARD_NUL, "a\0b");
	if (bytes)
	{
		if (t->from_engine == PYTHIA_SQLITE || t->from->length <= 0 || 4 * t->from->length > t->to->length)
			add_length(m, PYTHIA_GUARD_BYTES, t->to->length);
	}
	else if (t->from_engine == PYTHIA_SQLITE || t->from->length <= 0 || t->from->length > t->to->length)
		add_length(m, PYTHIA_GUARD_CHARACTERS, t->to->length);
}

/* What is no value of the target's kind at all, however it may be told. */
static void misread(maker *m)
{
	const pythia_transform *t = m->t;
	pythia_guard *guard = &m->guards[m->n];

	if (!t->form || t->from_engine != PYTHIA_SQLITE || t->to->kind == PYTHIA_KIND_BIT ||
		(t->to->kind == PYTHIA_KIND_TIME && t->to->zone))
		return;
	*guard = (pythia_guard){.test = PYTHIA_GUARD_MISREAD, .action = PYTHIA_GUARD_HOLD};
	snprintf(guard->bound, sizeof(guard->bound), "%s", pythia_kind_name(pythia_form_kind(t)));
	if (t->policies.out_of_range == PYTHIA_POLICY_NULL && !t->notnull)
		guard->action = PYTHIA_GUARD_NULL;
	else if (t->policies.out_of_range != PYTHIA_POLICY_QUARANTINE && !m->quarantine)
		return;
	m->n++;
}

int pythia_transform_guards(const pythia_transform *t, bool quarantine, pythia_guard guards[PYTHIA_GUARDS])
{
	maker m = {.t = t, .quarantine = quarantine, .guards = guards};
	pythia_kind to = t->to->kind;

	misread(&m);
	if (!t->check || (t->convert && t->from->kind != PYTHIA_KIND_INTERVAL))
		return m.n;
	if (is_dated(to))
		dates(&m);
	else if (is_float(to))
		floats(&m);
	else if (to == PYTHIA_KIND_DECIMAL)
		decimals(&m);
	else if (to == PYTHIA_KIND_TIME)
		times(&m);
	else if (to == PYTHIA_KIND_BOOL || to == PYTHIA_KIND_INT || to == PYTHIA_KIND_UINT || to == PYTHIA_KIND_YEAR)
		wholes(&m);
	else
		texts(&m);
	return m.n;
}
