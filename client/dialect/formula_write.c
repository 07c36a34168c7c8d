/* Writing expressions: every operation in parentheses, so that nothing depends on how strong an engine binds it. */
#include "dialect/formula.h"

#include <string.h>

#include "core/memory.h"
#include "core/number.h"
#include "dialect/dialect_internal.h"
#include "dialect/forms.h"
#include "dialect/formula_functions.h"

typedef struct writing
{
	pythia_formula_target *t;
	pythia_engine from;
	pythia_engine to;
	bool same; /* engines: what it means is what it meant */
} writing;

static bool put(writing *w, const pythia_formula *f, pythia_buffer *out, pythia_class *found);

static bool refuse(writing *w, const char *why)
{
	if (w->t->why == NULL)
		w->t->why = why;
	return false;
}

pythia_class pythia_class_of(const pythia_type *type)
{
	switch (type->kind)
	{
		case PYTHIA_KIND_BOOL:
			return PYTHIA_CLASS_BOOL;
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
		case PYTHIA_KIND_YEAR:
			return PYTHIA_CLASS_INT;
		case PYTHIA_KIND_DECIMAL:
			return PYTHIA_CLASS_DECIMAL;
		case PYTHIA_KIND_FLOAT:
		case PYTHIA_KIND_DOUBLE:
			return PYTHIA_CLASS_DOUBLE;
		case PYTHIA_KIND_TEXT:
		case PYTHIA_KIND_CHAR:
			return PYTHIA_CLASS_TEXT;
		case PYTHIA_KIND_ENUM:
			return PYTHIA_CLASS_ENUM;
		case PYTHIA_KIND_DATE:
			return PYTHIA_CLASS_DATE;
		case PYTHIA_KIND_TIMESTAMP:
			return PYTHIA_CLASS_STAMP;
		default:
			return PYTHIA_CLASS_OTHER;
	}
}

static bool is_number(pythia_class class)
{
	return class == PYTHIA_CLASS_INT || class == PYTHIA_CLASS_DECIMAL || class == PYTHIA_CLASS_DOUBLE;
}

static bool is_texts(pythia_class class)
{
	return class == PYTHIA_CLASS_TEXT || class == PYTHIA_CLASS_ENUM || class == PYTHIA_CLASS_UNKNOWN;
}

/* --- conditions ------------------------------------------------------------------------------------ */

/* As a truth value: PostgreSQL takes no number for one. */
static bool put_condition(writing *w, const pythia_formula *f, pythia_buffer *out)
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	pythia_class class = PYTHIA_CLASS_UNKNOWN;
	bool ok = put(w, f, &text, &class);

	if (ok && w->to == PYTHIA_POSTGRESQL && class != PYTHIA_CLASS_BOOL && f->kind != PYTHIA_FORMULA_NULL)
	{
		ok = is_number(class) || w->same || refuse(w, "it takes a text for a truth value");
		pythia_buffer_printf(out, is_number(class) ? "(%s <> 0)" : "%s", pythia_buffer_text(&text));
	}
	else
		pythia_buffer_puts(out, pythia_buffer_text(&text));
	pythia_buffer_free(&text);
	return ok;
}

static bool put_logic(writing *w, const pythia_formula *f, pythia_buffer *out)
{
	bool ok = true;

	pythia_buffer_putc(out, '(');
	if (f->kind == PYTHIA_FORMULA_NOT)
		pythia_buffer_puts(out, "NOT ");
	for (const pythia_formula *child = f->parts; ok && child != NULL; child = child->next)
	{
		if (child != f->parts)
			pythia_buffer_printf(out, " %s ", f->text);
		ok = put_condition(w, child, out);
	}
	pythia_buffer_putc(out, ')');
	return ok;
}

/* --- operators -------------------------------------------------------------------------------------- */

static bool in_list(const char *name, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(*list, name) == 0)
			return true;
	return false;
}

static bool is_comparison(const char *name)
{
	static const char *const names[] = {"=", "<>", "<", "<=", ">", ">=", "<=>", NULL};

	return in_list(name, names);
}

/* Both sides of a comparison, whose classes have to fit: PostgreSQL takes no number for a truth value. */
static bool put_pair(writing *w, const pythia_formula *a, const pythia_formula *b, pythia_buffer *left,
					 pythia_buffer *right, pythia_class *left_class, pythia_class *right_class)
{
	const pythia_formula *sides[2] = {a, b};
	pythia_buffer *texts[2] = {left, right};
	pythia_class classes[2] = {PYTHIA_CLASS_UNKNOWN, PYTHIA_CLASS_UNKNOWN};

	if (!put(w, a, left, &classes[0]) || !put(w, b, right, &classes[1]))
		return false;
	for (int i = 0; w->to == PYTHIA_POSTGRESQL && !w->same && i < 2; i++)
	{
		if (classes[i] != PYTHIA_CLASS_BOOL || !is_number(classes[1 - i]))
			continue;
		/* 1 and 0 stand for true and false */
		if (sides[1 - i]->kind == PYTHIA_FORMULA_NUMBER &&
			(strcmp(sides[1 - i]->text, "1") == 0 || strcmp(sides[1 - i]->text, "0") == 0))
		{
			pythia_buffer_clear(texts[1 - i]);
			pythia_buffer_puts(texts[1 - i], *sides[1 - i]->text == '1' ? "true" : "false");
		}
		else
			pythia_buffer_puts(texts[i], "::integer");
	}
	if (!w->same && ((is_number(classes[0]) && classes[1] == PYTHIA_CLASS_TEXT && b->kind != PYTHIA_FORMULA_TEXT) ||
					 (is_number(classes[1]) && classes[0] == PYTHIA_CLASS_TEXT && a->kind != PYTHIA_FORMULA_TEXT)))
		return refuse(w, "it compares a text with a number");
	*left_class = classes[0];
	*right_class = classes[1];
	return true;
}

static const char *comparison(const writing *w, const char *name)
{
	if (strcmp(name, "<=>") != 0)
		return name;
	return w->to == PYTHIA_POSTGRESQL ? "IS NOT DISTINCT FROM" : w->to == PYTHIA_SQLITE ? "IS" : "<=>";
}

static bool put_comparison(writing *w, const pythia_formula *f, pythia_buffer *out)
{
	pythia_buffer left = PYTHIA_BUFFER_INIT;
	pythia_buffer right = PYTHIA_BUFFER_INIT;
	pythia_class a;
	pythia_class b;
	bool ok = put_pair(w, f->parts, f->parts->next, &left, &right, &a, &b);

	if (ok && !w->same && (*f->text == '<' || *f->text == '>') && strcmp(f->text, "<>") != 0 &&
		strcmp(f->text, "<=>") != 0 && (a == PYTHIA_CLASS_ENUM || b == PYTHIA_CLASS_ENUM))
		ok = refuse(w, "it compares labels by their order");
	if (ok)
		pythia_buffer_printf(out, "(%s %s %s)", left.data, comparison(w, f->text), right.data);
	pythia_buffer_free(&left);
	pythia_buffer_free(&right);
	return ok;
}

static pythia_class wider(pythia_class a, pythia_class b)
{
	if (a == PYTHIA_CLASS_DOUBLE || b == PYTHIA_CLASS_DOUBLE)
		return PYTHIA_CLASS_DOUBLE;
	if (a == PYTHIA_CLASS_DECIMAL || b == PYTHIA_CLASS_DECIMAL)
		return PYTHIA_CLASS_DECIMAL;
	return a == PYTHIA_CLASS_UNKNOWN ? b : a;
}

/* Between whole numbers the one engine's quotient is whole, the other's is not. */
static bool put_division(writing *w, const char *left, const char *right, pythia_class a, pythia_class b,
						 pythia_buffer *out)
{
	bool whole = a == PYTHIA_CLASS_INT && b == PYTHIA_CLASS_INT;

	if (w->same || (!whole && w->from != PYTHIA_MYSQL && w->to != PYTHIA_MYSQL))
		pythia_buffer_printf(out, "(%s / %s)", left, right);
	else if (!is_number(a) || !is_number(b))
		return refuse(w, "it divides what is no number");
	else if (!whole)
		pythia_buffer_printf(out, "(%s / %s)", left, right);
	else if (w->to == PYTHIA_MYSQL)
		pythia_buffer_printf(out, "(%s DIV %s)", left, right);
	else if (w->from == PYTHIA_MYSQL)
		pythia_buffer_printf(out, w->to == PYTHIA_POSTGRESQL ? "(%s::numeric / %s)" : "(%s * 1.0 / %s)", left, right);
	else
		pythia_buffer_printf(out, "(%s / %s)", left, right);
	return true;
}

static bool put_arithmetic(writing *w, const pythia_formula *f, pythia_buffer *out, pythia_class *found)
{
	pythia_buffer left = PYTHIA_BUFFER_INIT;
	pythia_buffer right = PYTHIA_BUFFER_INIT;
	pythia_class a = PYTHIA_CLASS_UNKNOWN;
	pythia_class b = PYTHIA_CLASS_UNKNOWN;
	bool ok = put(w, f->parts, &left, &a) && put(w, f->parts->next, &right, &b);

	if (ok && !w->same && (!is_number(a) || !is_number(b)))
		ok = refuse(w, "it computes with what is no number");
	else if (ok && strcmp(f->text, "DIV") == 0)
	{
		ok =
			w->same || (a == PYTHIA_CLASS_INT && b == PYTHIA_CLASS_INT) || refuse(w, "it uses DIV of no whole numbers");
		pythia_buffer_printf(out, w->to == PYTHIA_MYSQL ? "(%s DIV %s)" : "(%s / %s)", left.data, right.data);
	}
	else if (ok && strcmp(f->text, "/") == 0)
		ok = put_division(w, left.data, right.data, a, b, out);
	else if (ok)
		pythia_buffer_printf(out, "(%s %s %s)", left.data, f->text, right.data);
	*found = w->same && !is_number(a) ? a : wider(a, b);
	if (ok && strcmp(f->text, "/") == 0 && w->from == PYTHIA_MYSQL && *found == PYTHIA_CLASS_INT)
		*found = PYTHIA_CLASS_DECIMAL;
	pythia_buffer_free(&left);
	pythia_buffer_free(&right);
	return ok;
}

/* Texts one behind the other: in MySQL || is OR. */
static bool put_concat(writing *w, const pythia_formula *children, pythia_buffer *out)
{
	bool mysql = w->to == PYTHIA_MYSQL;
	bool ok = true;

	pythia_buffer_puts(out, mysql ? "concat(" : "(");
	for (const pythia_formula *child = children; ok && child != NULL; child = child->next)
	{
		pythia_class class = PYTHIA_CLASS_UNKNOWN;

		pythia_buffer_puts(out, child == children ? "" : mysql ? ", " : " || ");
		ok = put(w, child, out, &class);
		if (ok && !w->same && class != PYTHIA_CLASS_INT && !is_texts(class))
			ok = refuse(w, "it makes a text of a value that each engine writes in its own way");
		else if (ok && (class == PYTHIA_CLASS_INT || class == PYTHIA_CLASS_ENUM) && !w->same &&
				 w->to == PYTHIA_POSTGRESQL)
			pythia_buffer_puts(out, "::text");
	}
	pythia_buffer_putc(out, ')');
	return ok;
}

static bool put_like(writing *w, const pythia_formula *f, pythia_buffer *out)
{
	pythia_class class;
	bool ok;

	if (!w->same && (w->from == PYTHIA_SQLITE || w->to == PYTHIA_SQLITE))
		return refuse(w, "SQLite's LIKE is blind to case, and has no backslash");
	pythia_buffer_putc(out, '(');
	ok = put(w, f->parts, out, &class) && (w->same || is_texts(class) || refuse(w, "it matches what is no text"));
	pythia_buffer_printf(out, " %s ", f->text);
	ok = ok && put(w, f->parts->next, out, &class);
	pythia_buffer_putc(out, ')');
	return ok;
}

/* Operators that one engine has. */
static bool put_own(writing *w, const pythia_formula *f, pythia_buffer *out, pythia_class *found)
{
	static const char *const conditions[] = {"~",  "~*",         "!~",     "!~*", "~~*",      "!~~*", "@>", "<@",
											 "&&", "NOT REGEXP", "REGEXP", "@@",  "NOT GLOB", "GLOB", NULL};
	bool ok;

	if (!w->same)
		return refuse(w, "it has an operator of its own engine");
	pythia_buffer_putc(out, '(');
	ok = put(w, f->parts, out, found);
	pythia_buffer_printf(out, " %s ", f->text);
	ok = ok && put(w, f->parts->next, out, found);
	pythia_buffer_putc(out, ')');
	*found = in_list(f->text, conditions)  ? PYTHIA_CLASS_BOOL
			 : strcmp(f->text, "->>") == 0 ? PYTHIA_CLASS_TEXT
										   : PYTHIA_CLASS_OTHER;
	return ok;
}

static bool put_binary(writing *w, const pythia_formula *f, pythia_buffer *out, pythia_class *found)
{
	static const char *const sums[] = {"+", "-", "*", "/", "%", "DIV", NULL};

	*found = PYTHIA_CLASS_BOOL;
	if (strcmp(f->text, "AND") == 0 || strcmp(f->text, "OR") == 0)
		return put_logic(w, f, out);
	if (is_comparison(f->text))
		return put_comparison(w, f, out);
	if (strcmp(f->text, "LIKE") == 0 || strcmp(f->text, "NOT LIKE") == 0)
		return put_like(w, f, out);
	if (in_list(f->text, sums))
		return put_arithmetic(w, f, out, found);
	if (strcmp(f->text, "||") == 0)
	{
		*found = PYTHIA_CLASS_TEXT;
		return put_concat(w, f->parts, out);
	}
	return put_own(w, f, out, found);
}

/* --- what has more than two sides --------------------------------------------------------------------- */

static bool put_in(writing *w, const pythia_formula *f, pythia_buffer *out)
{
	pythia_buffer left = PYTHIA_BUFFER_INIT;
	pythia_buffer list = PYTHIA_BUFFER_INIT;
	bool ok = f->parts != NULL && f->parts->next != NULL;

	for (const pythia_formula *item = ok ? f->parts->next : NULL; ok && item != NULL; item = item->next)
	{
		pythia_buffer right = PYTHIA_BUFFER_INIT;
		pythia_class a;
		pythia_class b;

		pythia_buffer_clear(&left);
		ok = put_pair(w, f->parts, item, &left, &right, &a, &b);
		pythia_buffer_printf(&list, "%s%s", list.length > 0 ? ", " : "", pythia_buffer_text(&right));
		pythia_buffer_free(&right);
	}
	if (ok)
		pythia_buffer_printf(out, "(%s %s (%s))", left.data, f->negated ? "NOT IN" : "IN", list.data);
	pythia_buffer_free(&left);
	pythia_buffer_free(&list);
	return ok;
}

static bool put_between(writing *w, const pythia_formula *f, pythia_buffer *out)
{
	pythia_class class;
	bool ok;

	pythia_buffer_putc(out, '(');
	ok = put(w, f->parts, out, &class);
	if (ok && !w->same && (class == PYTHIA_CLASS_ENUM || class == PYTHIA_CLASS_BOOL))
		ok = refuse(w, "it compares labels or truth values by their order");
	pythia_buffer_puts(out, f->negated ? " NOT BETWEEN " : " BETWEEN ");
	ok = ok && put(w, f->parts->next, out, &class);
	pythia_buffer_puts(out, " AND ");
	ok = ok && put(w, f->parts->next->next, out, &class);
	pythia_buffer_putc(out, ')');
	return ok;
}

static bool put_is(writing *w, const pythia_formula *f, pythia_buffer *out)
{
	bool null = strcmp(f->text, "NULL") == 0;
	pythia_class class;
	bool ok;

	pythia_buffer_putc(out, '(');
	ok = null ? put(w, f->parts, out, &class) : put_condition(w, f->parts, out);
	pythia_buffer_printf(out, " IS %s%s)", f->negated ? "NOT " : "", f->text);
	return ok;
}

static bool put_case(writing *w, const pythia_formula *f, pythia_buffer *out, pythia_class *found)
{
	const pythia_formula *child = f->parts;
	pythia_class class = PYTHIA_CLASS_UNKNOWN;
	bool ok = true;

	*found = PYTHIA_CLASS_UNKNOWN;
	pythia_buffer_puts(out, "CASE");
	if (f->subject)
	{
		pythia_buffer_putc(out, ' ');
		ok = put(w, child, out, &class);
		child = child->next;
	}
	while (ok && child != NULL)
	{
		if (f->otherwise && child->next == NULL)
			pythia_buffer_puts(out, " ELSE ");
		else
		{
			pythia_buffer_puts(out, " WHEN ");
			ok = f->subject ? put(w, child, out, &class) : put_condition(w, child, out);
			pythia_buffer_puts(out, " THEN ");
			child = child->next;
		}
		ok = ok && child != NULL && put(w, child, out, &class);
		if (ok && *found == PYTHIA_CLASS_UNKNOWN)
			*found = class;
		else if (ok && class != PYTHIA_CLASS_UNKNOWN && *found != class)
			*found = wider(*found, class);
		child = child != NULL ? child->next : NULL;
	}
	pythia_buffer_puts(out, " END");
	return ok;
}

/* --- literals and casts ----------------------------------------------------------------------------------- */

static void put_text(writing *w, const char *text, pythia_buffer *out)
{
	pythia_dialect_for(w->to)->plain_string(out, text);
}

/* What a type's words mean here: the class, or OTHER. */
static pythia_class class_of_words(const char *type)
{
	static const struct
	{
		const char *word;
		pythia_class class;
	} words[] = {
		{"text", PYTHIA_CLASS_TEXT},
		{"character varying", PYTHIA_CLASS_TEXT},
		{"varchar", PYTHIA_CLASS_TEXT},
		{"character", PYTHIA_CLASS_TEXT},
		{"char", PYTHIA_CLASS_TEXT},
		{"bpchar", PYTHIA_CLASS_TEXT},
		{"integer", PYTHIA_CLASS_INT},
		{"int", PYTHIA_CLASS_INT},
		{"bigint", PYTHIA_CLASS_INT},
		{"smallint", PYTHIA_CLASS_INT},
		{"signed", PYTHIA_CLASS_INT},
		{"unsigned", PYTHIA_CLASS_INT},
		{"numeric", PYTHIA_CLASS_DECIMAL},
		{"decimal", PYTHIA_CLASS_DECIMAL},
		{"double precision", PYTHIA_CLASS_DOUBLE},
		{"double", PYTHIA_CLASS_DOUBLE},
		{"real", PYTHIA_CLASS_DOUBLE},
		{"boolean", PYTHIA_CLASS_BOOL},
		{"date", PYTHIA_CLASS_DATE},
		{"timestamp without time zone", PYTHIA_CLASS_STAMP},
		{"timestamp", PYTHIA_CLASS_STAMP},
		{"datetime", PYTHIA_CLASS_STAMP},
	};
	size_t length = strcspn(type, "(");

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i].word) == length && strncmp(type, words[i].word, length) == 0)
			return words[i].class;
	return PYTHIA_CLASS_OTHER;
}

/* Types to which an engine may cast for itself. */
static bool is_own_type(const writing *w, const char *type)
{
	static const char *const postgres[] = {"interval",
										   "json",
										   "jsonb",
										   "uuid",
										   "bytea",
										   "inet",
										   "cidr",
										   "time",
										   "time without time zone",
										   "timestamp with time zone",
										   "regconfig",
										   "text[]",
										   "integer[]",
										   "character varying[]",
										   "bigint[]",
										   "money",
										   NULL};
	static const char *const mysql[] = {"time", "binary", "json", "year", NULL};
	static const char *const sqlite[] = {"blob", "numeric", "real", NULL};
	char base[64];
	size_t length = strcspn(type, "(");
	const char *behind = strchr(type, ')');

	if (length >= sizeof(base) - (behind != NULL ? strlen(behind) : 0))
		return false;
	memcpy(base, type, length);
	base[length] = '\0';
	if (behind != NULL)
		strncat(base, behind + 1, sizeof(base) - length - 1);
	if (class_of_words(base) != PYTHIA_CLASS_OTHER)
		return true;
	return in_list(base, w->to == PYTHIA_POSTGRESQL ? postgres : w->to == PYTHIA_MYSQL ? mysql : sqlite);
}

/* The type's words, which have been looked up in a list, as they stand in a cast. */
static void put_cast(const writing *w, const char *value, const char *type, pythia_buffer *out)
{
	if (w->to == PYTHIA_POSTGRESQL)
		pythia_buffer_printf(out, "%s::%s", value, type);
	else
		pythia_buffer_printf(out, "CAST(%s AS %s)", value, type);
}

/* A literal under casts: the text within, or NULL. */
static const pythia_formula *literal_within(const pythia_formula *f)
{
	while (f->kind == PYTHIA_FORMULA_CAST)
		f = f->parts;
	return f->kind == PYTHIA_FORMULA_TEXT || f->kind == PYTHIA_FORMULA_NUMBER || f->kind == PYTHIA_FORMULA_NULL ? f
																												: NULL;
}

/* A literal of a type that is said: a number where it is one, else a text that the engine reads itself. */
static bool put_typed_literal(writing *w, const pythia_formula *literal, const char *type, pythia_buffer *out,
							  pythia_class *found)
{
	pythia_class class = class_of_words(type);

	if (literal->kind == PYTHIA_FORMULA_NULL)
		pythia_buffer_puts(out, "NULL");
	else if (literal->kind == PYTHIA_FORMULA_NUMBER ||
			 (is_number(class) && pythia_numeric_text(literal->text, strlen(literal->text))))
		pythia_buffer_printf(out, *literal->text == '-' ? "(%s)" : "%s", literal->text);
	else if (class == PYTHIA_CLASS_BOOL)
		pythia_buffer_puts(out,
						   strncmp(literal->text, "t", 1) == 0 || strcmp(literal->text, "1") == 0 ? "true" : "false");
	else if (class == PYTHIA_CLASS_DATE || class == PYTHIA_CLASS_STAMP)
	{
		/* words for the day on which it is read mean something in PostgreSQL alone */
		if (!pythia_stamp_text(literal->text, strlen(literal->text)))
			return refuse(w, "it has a date that is none");
		put_text(w, literal->text, out);
	}
	else
		put_text(w, literal->text, out);
	*found = class == PYTHIA_CLASS_OTHER ? PYTHIA_CLASS_UNKNOWN : class;
	return true;
}

static bool put_cast_node(writing *w, const pythia_formula *f, pythia_buffer *out, pythia_class *found)
{
	const pythia_formula *literal = literal_within(f);
	pythia_class wanted = class_of_words(f->text);
	pythia_buffer value = PYTHIA_BUFFER_INIT;
	pythia_class has = PYTHIA_CLASS_UNKNOWN;
	bool ok;

	if (literal != NULL && !(w->same && is_own_type(w, f->text)))
		return put_typed_literal(w, literal, f->text, out, found);
	ok = put(w, f->parts, &value, &has);
	*found = wanted;
	if (ok && w->same)
	{
		ok = is_own_type(w, f->text) || refuse(w, "it casts to a type of a user's, or one that is not known here");
		if (ok)
			put_cast(w, value.data, f->text, out);
	}
	else if (ok && strchr(f->text, '(') == NULL && ((is_texts(has) && wanted == PYTHIA_CLASS_TEXT) || has == wanted))
	{
		/* an enum's label is its text */
		pythia_buffer_printf(out, has == PYTHIA_CLASS_ENUM && w->to == PYTHIA_POSTGRESQL ? "%s::text" : "%s",
							 value.data);
	}
	else if (ok && strchr(f->text, '(') == NULL && has == PYTHIA_CLASS_INT &&
			 (wanted == PYTHIA_CLASS_DECIMAL || wanted == PYTHIA_CLASS_TEXT))
	{
		if (wanted == PYTHIA_CLASS_TEXT)
			put_cast(w, value.data, w->to == PYTHIA_MYSQL ? "CHAR" : "TEXT", out);
		else if (w->to == PYTHIA_POSTGRESQL)
			put_cast(w, value.data, "numeric", out);
		else
			pythia_buffer_printf(out, "(%s * 1.0)", value.data);
	}
	else if (ok)
		ok = refuse(w, "it casts in a way that each engine has for itself");
	pythia_buffer_free(&value);
	return ok;
}

/* --- columns and functions ------------------------------------------------------------------------------------ */

static bool put_column(writing *w, const pythia_formula *f, pythia_buffer *out, pythia_class *found)
{
	if (w->t->column(w->t->context, f->qualifier, f->text, out, found))
		return true;
	/* SQLite's misspelled literal */
	if (f->string)
	{
		put_text(w, f->text, out);
		*found = PYTHIA_CLASS_TEXT;
		return true;
	}
	return refuse(w, "it names a column that is not carried");
}

static bool put_arguments(writing *w, const pythia_formula *f, bool texts, pythia_buffer *out, pythia_class *first)
{
	bool ok = true;

	*first = PYTHIA_CLASS_UNKNOWN;
	for (const pythia_formula *child = f->parts; ok && child != NULL; child = child->next)
	{
		pythia_class class = PYTHIA_CLASS_UNKNOWN;

		pythia_buffer_puts(out, child == f->parts ? "" : ", ");
		ok = put(w, child, out, &class);
		if (child == f->parts && ok && texts && !is_texts(class))
			ok = refuse(w, "it takes for a text what is none");
		/* an enum is no text in PostgreSQL */
		if (ok && texts && class == PYTHIA_CLASS_ENUM && w->to == PYTHIA_POSTGRESQL)
			pythia_buffer_puts(out, "::text");
		if (*first == PYTHIA_CLASS_UNKNOWN)
			*first = class;
	}
	return ok;
}

static int count_of(const pythia_formula *f)
{
	int n = 0;

	for (const pythia_formula *child = f->parts; child != NULL; child = child->next)
		n++;
	return n;
}

/* if(a, b, c) */
static bool put_if(writing *w, const pythia_formula *f, pythia_buffer *out, pythia_class *found)
{
	bool ok;

	pythia_buffer_puts(out, "CASE WHEN ");
	ok = put_condition(w, f->parts, out);
	pythia_buffer_puts(out, " THEN ");
	ok = ok && put(w, f->parts->next, out, found);
	pythia_buffer_puts(out, " ELSE ");
	ok = ok && put(w, f->parts->next->next, out, found);
	pythia_buffer_puts(out, " END");
	return ok;
}

/* year(x), extract(year FROM x) */
static bool put_field(writing *w, const pythia_formula *f, pythia_buffer *out, pythia_class *found)
{
	pythia_buffer value = PYTHIA_BUFFER_INIT;
	pythia_class class = PYTHIA_CLASS_UNKNOWN;
	bool ok = put(w, f->parts, &value, &class);

	*found = PYTHIA_CLASS_INT;
	if (ok && !w->same && class != PYTHIA_CLASS_DATE && class != PYTHIA_CLASS_STAMP)
		ok = refuse(w, "it extracts a field of what is no date");
	else if (ok && w->to == PYTHIA_SQLITE)
		pythia_buffer_printf(out, "CAST(strftime('%s', %s) AS INTEGER)",
							 *f->text == 'y'   ? "%Y"
							 : *f->text == 'm' ? "%m"
											   : "%d",
							 value.data);
	else if (ok)
		pythia_buffer_printf(
			out, w->to == PYTHIA_POSTGRESQL && !w->same ? "EXTRACT(%s FROM %s)::integer" : "EXTRACT(%s FROM %s)",
			f->text, value.data);
	pythia_buffer_free(&value);
	return ok;
}

/* Numbers that say where a part of a text is: below 1 each engine counts in its own way. */
static bool counts_plainly(const pythia_formula *f)
{
	for (const pythia_formula *child = f->parts->next; child != NULL; child = child->next)
		if (child->kind != PYTHIA_FORMULA_NUMBER || *child->text == '-' || strspn(child->text, "0") > 0)
			return false;
	return true;
}

/* A function that every engine has, by whatever name. */
static bool put_common(writing *w, const pythia_formula *f, const pythia_function *function, pythia_buffer *out,
					   pythia_class *found)
{
	const char *name = pythia_function_name(function, w->to);
	bool postgres = w->to == PYTHIA_POSTGRESQL;
	pythia_class first = PYTHIA_CLASS_UNKNOWN;
	bool ok;

	if (name == NULL)
		return refuse(w, "it calls a function that the target has not");
	if (!w->same && (function->careful || (function->counts && !counts_plainly(f))))
		return refuse(w, "it calls a function that means another thing there");
	/* coalesce, nullif, greatest and least are no functions there, but words */
	pythia_buffer_printf(out, postgres && !function->word ? "pg_catalog.\"%s\"(%s" : "%s(%s", name,
						 f->negated ? "DISTINCT " : "");
	ok = put_arguments(w, f, function->texts && !w->same, out, &first);
	pythia_buffer_putc(out, ')');
	if (ok && !w->same && first == PYTHIA_CLASS_DOUBLE && strcmp(name, "round") == 0)
		ok = refuse(w, "it rounds a double, which each engine does in its own way");
	*found = function->result == PYTHIA_CLASS_UNKNOWN ? first : function->result;
	return ok;
}

static bool put_call(writing *w, const pythia_formula *f, pythia_buffer *out, pythia_class *found)
{
	const pythia_function *function;
	int n = count_of(f);

	if ((strcmp(f->text, "year") == 0 || strcmp(f->text, "month") == 0 || strcmp(f->text, "day") == 0) && n == 1 &&
		(w->from != PYTHIA_SQLITE))
		return put_field(w, f, out, found);
	if ((w->from == PYTHIA_MYSQL ? strcmp(f->text, "if") == 0
								 : w->from == PYTHIA_SQLITE && strcmp(f->text, "iif") == 0) &&
		n == 3)
		return put_if(w, f, out, found);
	if (w->from == PYTHIA_MYSQL && strcmp(f->text, "concat") == 0 && n > 0)
	{
		*found = PYTHIA_CLASS_TEXT;
		return put_concat(w, f->parts, out);
	}
	function = pythia_function_find(w->from, f->text, n, w->t->aggregates);
	if (function != NULL)
		return put_common(w, f, function, out, found);
	if (!w->same || !pythia_function_is_own(w->from, f->text))
		return refuse(w, w->same ? "it calls a function that is not known here"
								 : "it calls a function that is not known in both engines");
	*found = PYTHIA_CLASS_OTHER;
	pythia_buffer_printf(out, w->to == PYTHIA_POSTGRESQL ? "pg_catalog.\"%s\"(" : "%s(", f->text);
	{
		bool ok = put_arguments(w, f, false, out, &(pythia_class){PYTHIA_CLASS_UNKNOWN});

		pythia_buffer_putc(out, ')');
		return ok;
	}
}

static bool put(writing *w, const pythia_formula *f, pythia_buffer *out, pythia_class *found)
{
	bool ok;

	*found = PYTHIA_CLASS_UNKNOWN;
	switch (f->kind)
	{
		case PYTHIA_FORMULA_COLUMN:
			return put_column(w, f, out, found);
		case PYTHIA_FORMULA_TEXT:
			put_text(w, f->text, out);
			*found = PYTHIA_CLASS_UNKNOWN;
			return true;
		case PYTHIA_FORMULA_NUMBER:
			if (!pythia_numeric_text(f->text, strlen(f->text)))
				return refuse(w, "it has a number that is none");
			/* two signs would begin a comment */
			pythia_buffer_printf(out, *f->text == '-' ? "(%s)" : "%s", f->text);
			*found = strpbrk(f->text, "eE") != NULL ? PYTHIA_CLASS_DOUBLE
					 : strchr(f->text, '.') != NULL ? PYTHIA_CLASS_DECIMAL
													: PYTHIA_CLASS_INT;
			return true;
		case PYTHIA_FORMULA_NULL:
			pythia_buffer_puts(out, "NULL");
			return true;
		case PYTHIA_FORMULA_BOOL:
			pythia_buffer_puts(out, w->to == PYTHIA_SQLITE ? strcmp(f->text, "true") == 0 ? "1" : "0" : f->text);
			*found = PYTHIA_CLASS_BOOL;
			return true;
		case PYTHIA_FORMULA_WORD:
			if (!w->same)
				return refuse(w, "it tells the time");
			*found = PYTHIA_CLASS_OTHER;
			pythia_buffer_puts(out, f->text);
			return true;
		case PYTHIA_FORMULA_MINUS:
			pythia_buffer_puts(out, "(- ");
			ok = put(w, f->parts, out, found);
			pythia_buffer_putc(out, ')');
			return ok;
		case PYTHIA_FORMULA_NOT:
			*found = PYTHIA_CLASS_BOOL;
			return put_logic(w, f, out);
		case PYTHIA_FORMULA_BINARY:
			return put_binary(w, f, out, found);
		case PYTHIA_FORMULA_IS:
			*found = PYTHIA_CLASS_BOOL;
			return put_is(w, f, out);
		case PYTHIA_FORMULA_IN:
			*found = PYTHIA_CLASS_BOOL;
			return put_in(w, f, out);
		case PYTHIA_FORMULA_BETWEEN:
			*found = PYTHIA_CLASS_BOOL;
			return put_between(w, f, out);
		case PYTHIA_FORMULA_CALL:
			return put_call(w, f, out, found);
		case PYTHIA_FORMULA_STAR:
			pythia_buffer_putc(out, '*');
			return w->t->aggregates || refuse(w, "it counts rows");
		case PYTHIA_FORMULA_CAST:
			return put_cast_node(w, f, out, found);
		case PYTHIA_FORMULA_CASE:
			return put_case(w, f, out, found);
		case PYTHIA_FORMULA_ARRAY:
			return refuse(w, "it holds an array");
	}
	return refuse(w, "it holds something that is not known here");
}

bool pythia_formula_write(const pythia_formula *formula, pythia_formula_target *target, bool condition,
						  pythia_buffer *out, pythia_class *found)
{
	writing w = {.t = target,
				 .from = target->from->engine,
				 .to = target->to->engine,
				 .same =
					 target->from->engine == target->to->engine && target->from->is_mariadb == target->to->is_mariadb};
	pythia_class class = PYTHIA_CLASS_BOOL;
	bool ok;

	target->why = NULL;
	ok = condition ? put_condition(&w, formula, out) : put(&w, formula, out, &class);
	if (found != NULL)
		*found = class;
	return ok;
}

bool pythia_formula_translate(const char *text, pythia_formula_target *target, bool condition, pythia_buffer *out,
							  pythia_class *found)
{
	pythia_tokens cursor;
	pythia_formula *formula;
	const char *why = NULL;
	bool ok = false;

	pythia_tokens_open(&cursor, target->from->engine, text);
	formula = pythia_formula_read(&cursor, &why);
	if (formula == NULL)
		target->why = why;
	else if (cursor.token.kind != PYTHIA_TOKEN_END)
		target->why = "it goes on with something that is not known here";
	else
		ok = pythia_formula_write(formula, target, condition, out, found);
	pythia_formula_free(formula);
	pythia_tokens_close(&cursor);
	return ok;
}
