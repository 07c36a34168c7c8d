/* Reading expressions, by recursive descent: all three engines' operators, each as strong as it is there. */
#include "dialect/formula.h"

#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "dialect/forms.h"

/* Deeper ones are nobody's; each level is a handful of calls. */
#define MOST_DEPTH 200
/* All parts of one. */
#define MOST_PARTS 4000

typedef struct reading
{
	pythia_tokens *cursor;
	const char *why;
	int depth;
	int parts;
} reading;

static pythia_formula *read_or(reading *r);

static pythia_formula *refuse(reading *r, const char *why)
{
	if (r->why == NULL)
		r->why = why;
	return NULL;
}

static bool at(const reading *r, const char *word)
{
	return pythia_tokens_at(r->cursor, word);
}

static bool take(reading *r, const char *word)
{
	return pythia_tokens_take(r->cursor, word);
}

static pythia_formula *make(reading *r, pythia_formula_kind kind, const char *text)
{
	pythia_formula *made = pythia_calloc(1, sizeof(*made));

	r->parts++;
	made->kind = kind;
	made->text = pythia_strdup(text);
	return made;
}

/* Appends a child; without one the parent goes, too. */
static pythia_formula *with(pythia_formula *parent, pythia_formula *child)
{
	pythia_formula **last;

	if (child == NULL || parent == NULL)
	{
		pythia_formula_free(parent);
		pythia_formula_free(child);
		return NULL;
	}
	for (last = &parent->parts; *last != NULL; last = &(*last)->next)
		;
	*last = child;
	return parent;
}

void pythia_formula_free(pythia_formula *formula)
{
	while (formula != NULL)
	{
		pythia_formula *next = formula->next;

		pythia_formula_free(formula->parts);
		pythia_free(formula->text);
		pythia_free(formula->qualifier);
		pythia_free(formula);
		formula = next;
	}
}

/* --- operators ----------------------------------------------------------------------------------- */

/* How strong an operator binds; those of one level go from left to right. */
enum
{
	LEVEL_COMPARISON = 1,
	LEVEL_OTHER, /* PostgreSQL's own, and bits elsewhere */
	LEVEL_SUM,
	LEVEL_PRODUCT,
	LEVEL_CONCAT, /* SQLite's || */
	LEVEL_MOST
};

static const struct
{
	const char *sign; /* longer ones before those that they begin with */
	const char *name;
	int level[3]; /* of PostgreSQL, MySQL, SQLite; 0: it has none */
} operators[] = {
	{"<=>", "<=>", {0, LEVEL_COMPARISON, 0}},
	{"!~~*", "!~~*", {LEVEL_OTHER, 0, 0}},
	{"!~~", "NOT LIKE", {LEVEL_OTHER, 0, 0}},
	{"!~*", "!~*", {LEVEL_OTHER, 0, 0}},
	{"!~", "!~", {LEVEL_OTHER, 0, 0}},
	{"~~*", "~~*", {LEVEL_OTHER, 0, 0}},
	{"~~", "LIKE", {LEVEL_OTHER, 0, 0}},
	{"~*", "~*", {LEVEL_OTHER, 0, 0}},
	{"~", "~", {LEVEL_OTHER, 0, 0}},
	{"->>", "->>", {LEVEL_OTHER, 0, LEVEL_CONCAT}},
	{"->", "->", {LEVEL_OTHER, 0, LEVEL_CONCAT}},
	{"#>>", "#>>", {LEVEL_OTHER, 0, 0}},
	{"#>", "#>", {LEVEL_OTHER, 0, 0}},
	{"@>", "@>", {LEVEL_OTHER, 0, 0}},
	{"@@", "@@", {LEVEL_OTHER, 0, 0}},
	{"<@", "<@", {LEVEL_OTHER, 0, 0}},
	{"&&", "&&", {LEVEL_OTHER, 0, 0}},
	{"||", "||", {LEVEL_OTHER, 0, LEVEL_CONCAT}},
	{"<=", "<=", {LEVEL_COMPARISON, LEVEL_COMPARISON, LEVEL_COMPARISON}},
	{">=", ">=", {LEVEL_COMPARISON, LEVEL_COMPARISON, LEVEL_COMPARISON}},
	{"<>", "<>", {LEVEL_COMPARISON, LEVEL_COMPARISON, LEVEL_COMPARISON}},
	{"!=", "<>", {LEVEL_COMPARISON, LEVEL_COMPARISON, LEVEL_COMPARISON}},
	{"==", "=", {0, 0, LEVEL_COMPARISON}},
	{"<<", "<<", {LEVEL_OTHER, LEVEL_OTHER, LEVEL_OTHER}},
	{">>", ">>", {LEVEL_OTHER, LEVEL_OTHER, LEVEL_OTHER}},
	{"=", "=", {LEVEL_COMPARISON, LEVEL_COMPARISON, LEVEL_COMPARISON}},
	{"<", "<", {LEVEL_COMPARISON, LEVEL_COMPARISON, LEVEL_COMPARISON}},
	{">", ">", {LEVEL_COMPARISON, LEVEL_COMPARISON, LEVEL_COMPARISON}},
	{"&", "&", {LEVEL_OTHER, LEVEL_OTHER, LEVEL_OTHER}},
	{"|", "|", {LEVEL_OTHER, LEVEL_OTHER, LEVEL_OTHER}},
	{"+", "+", {LEVEL_SUM, LEVEL_SUM, LEVEL_SUM}},
	{"-", "-", {LEVEL_SUM, LEVEL_SUM, LEVEL_SUM}},
	{"*", "*", {LEVEL_PRODUCT, LEVEL_PRODUCT, LEVEL_PRODUCT}},
	{"/", "/", {LEVEL_PRODUCT, LEVEL_PRODUCT, LEVEL_PRODUCT}},
	{"%", "%", {LEVEL_PRODUCT, LEVEL_PRODUCT, LEVEL_PRODUCT}},
};

static const struct
{
	const char *word;
	const char *name;
	int level[3];
} word_operators[] = {
	{"DIV", "DIV", {0, LEVEL_PRODUCT, 0}},
	{"MOD", "%", {0, LEVEL_PRODUCT, 0}},
};

static int engine_at(const reading *r)
{
	return r->cursor->engine == PYTHIA_POSTGRESQL ? 0 : r->cursor->engine == PYTHIA_MYSQL ? 1 : 2;
}

/* The operator that stands here, in the table, or -1: what is no operator, and those that are not known. */
static int operator_at(const reading *r)
{
	const char *text = r->cursor->token.text;

	if (r->cursor->token.kind != PYTHIA_TOKEN_OTHER)
		return -1;
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
		if (strncmp(text, operators[i].sign, strlen(operators[i].sign)) == 0)
			return (int) i;
	return -1;
}

/* Its name, or NULL where none of the level follows; it is taken. */
static const char *take_operator(reading *r, int level)
{
	int found = operator_at(r);

	for (size_t i = 0; found < 0 && i < sizeof(word_operators) / sizeof(word_operators[0]); i++)
		if (word_operators[i].level[engine_at(r)] == level && take(r, word_operators[i].word))
			return word_operators[i].name;
	if (found < 0 || operators[found].level[engine_at(r)] != level)
		return NULL;
	/* each of its signs is a token */
	for (size_t i = 0; i < strlen(operators[found].sign); i++)
		pythia_tokens_next(r->cursor);
	return operators[found].name;
}

/* --- what stands alone ------------------------------------------------------------------------------ */

static pythia_formula *read_string(reading *r)
{
	const char *text = pythia_buffer_text(&r->cursor->value);
	pythia_formula *made;

	if (strlen(text) != r->cursor->value.length)
		return refuse(r, "it holds a NUL");
	made = make(r, PYTHIA_FORMULA_TEXT, text);
	pythia_tokens_next(r->cursor);
	return made;
}

static pythia_formula *read_number(reading *r, bool minus)
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	pythia_formula *made;

	pythia_buffer_puts(&text, minus ? "-" : "");
	pythia_buffer_append(&text, r->cursor->token.text, r->cursor->token.length);
	pythia_tokens_next(r->cursor);
	made = make(r, PYTHIA_FORMULA_NUMBER, text.data);
	pythia_buffer_free(&text);
	return made;
}

/* expression, … ) */
static pythia_formula *read_list(reading *r, pythia_formula *parent)
{
	do
		parent = with(parent, read_or(r));
	while (parent != NULL && take(r, ","));
	if (parent != NULL && take(r, ")"))
		return parent;
	pythia_formula_free(parent);
	return refuse(r, "it is not read to its end");
}

/* WHEN … THEN … [ELSE …] END */
static pythia_formula *read_case(reading *r)
{
	pythia_formula *made = make(r, PYTHIA_FORMULA_CASE, NULL);

	if (!at(r, "WHEN"))
	{
		made->subject = true;
		made = with(made, read_or(r));
	}
	while (made != NULL && take(r, "WHEN"))
	{
		made = with(made, read_or(r));
		if (made != NULL && !take(r, "THEN"))
		{
			pythia_formula_free(made);
			return refuse(r, "its CASE is not read to its end");
		}
		made = made != NULL ? with(made, read_or(r)) : NULL;
	}
	if (made != NULL && take(r, "ELSE"))
	{
		made->otherwise = true;
		made = with(made, read_or(r));
	}
	if (made != NULL && take(r, "END"))
		return made;
	pythia_formula_free(made);
	return refuse(r, "its CASE is not read to its end");
}

/* The words of a type, with numbers in parentheses and [] perhaps, in lower case; false where it is something else. */
static bool read_type(reading *r, pythia_buffer *type)
{
	pythia_tokens *cursor = r->cursor;
	bool any = false;

	while (cursor->token.kind == PYTHIA_TOKEN_NAME || cursor->token.kind == PYTHIA_TOKEN_QUOTED)
	{
		/* what follows an expression, and no type */
		static const char *const ends[] = {"AND",     "OR",   "NOT",     "IS",   "IN",      "THEN", "ELSE",
										   "END",     "WHEN", "BETWEEN", "LIKE", "AS",      "FROM", "AT",
										   "COLLATE", "DESC", "ASC",     "FOR",  "SIMILAR", NULL};
		bool end = false;

		for (int i = 0; any && ends[i] != NULL; i++)
			end = end || at(r, ends[i]);
		if (end)
			break;
		pythia_buffer_puts(type, any ? " " : "");
		if (cursor->token.kind == PYTHIA_TOKEN_QUOTED)
			pythia_buffer_puts(type, pythia_buffer_text(&cursor->value));
		else
			for (size_t i = 0; i < cursor->token.length; i++)
			{
				char c = cursor->token.text[i];

				pythia_buffer_putc(type, c >= 'A' && c <= 'Z' ? (char) (c + 32) : c);
			}
		any = true;
		pythia_tokens_next(cursor);
		/* it was the schema's */
		if (take(r, "."))
		{
			pythia_buffer_clear(type);
			pythia_buffer_putc(type, '.');
			any = false;
		}
		if (take(r, "("))
		{
			pythia_buffer_putc(type, '(');
			while (cursor->token.kind == PYTHIA_TOKEN_NUMBER)
			{
				pythia_buffer_append(type, cursor->token.text, cursor->token.length);
				pythia_tokens_next(cursor);
				if (take(r, ","))
					pythia_buffer_putc(type, ',');
			}
			if (!take(r, ")"))
				return false;
			pythia_buffer_putc(type, ')');
		}
	}
	if (any && take(r, "["))
	{
		pythia_buffer_puts(type, "[]");
		return take(r, "]");
	}
	return any;
}

static pythia_formula *cast_to(reading *r, pythia_formula *what)
{
	pythia_buffer type = PYTHIA_BUFFER_INIT;
	pythia_formula *made = NULL;

	if (what != NULL && read_type(r, &type))
		made = with(make(r, PYTHIA_FORMULA_CAST, type.data), what);
	else
	{
		pythia_formula_free(what);
		refuse(r, "it casts to a type that cannot be read");
	}
	pythia_buffer_free(&type);
	return made;
}

/* ARRAY[…] */
static pythia_formula *read_array(reading *r)
{
	pythia_formula *made = make(r, PYTHIA_FORMULA_ARRAY, NULL);

	if (!take(r, "["))
	{
		pythia_formula_free(made);
		return refuse(r, "it holds an array of a query");
	}
	do
		made = with(made, read_or(r));
	while (made != NULL && take(r, ","));
	if (made != NULL && take(r, "]"))
		return made;
	pythia_formula_free(made);
	return refuse(r, "it is not read to its end");
}

/* Functions that have a syntax of their own; the parenthesis is taken. */
static pythia_formula *read_extract(reading *r)
{
	static const char *const fields[] = {"year", "month", "day", NULL};

	for (int i = 0; fields[i] != NULL; i++)
	{
		if (!take(r, fields[i]))
			continue;
		if (take(r, "FROM"))
			return read_list(r, make(r, PYTHIA_FORMULA_CALL, fields[i]));
		break;
	}
	return refuse(r, "it extracts another field than year, month and day");
}

static pythia_formula *read_trim(reading *r)
{
	const char *name = take(r, "LEADING") ? "ltrim" : take(r, "TRAILING") ? "rtrim" : NULL;
	pythia_formula *made;

	if (name == NULL && !take(r, "BOTH"))
		return read_list(r, make(r, PYTHIA_FORMULA_CALL, "trim"));
	made = make(r, PYTHIA_FORMULA_CALL, name != NULL ? name : "trim");
	if (take(r, "FROM"))
		return read_list(r, made);
	pythia_formula_free(made);
	return refuse(r, "it trims other characters than blanks");
}

/* substring(x, 1, 2) or substring(x FROM 1 FOR 2) */
static pythia_formula *read_substring(reading *r)
{
	pythia_formula *made = with(make(r, PYTHIA_FORMULA_CALL, "substr"), read_or(r));

	while (made != NULL && (take(r, ",") || take(r, "FROM") || take(r, "FOR")))
		made = with(made, read_or(r));
	if (made != NULL && take(r, ")"))
		return made;
	pythia_formula_free(made);
	return refuse(r, "it is not read to its end");
}

static pythia_formula *read_cast_call(reading *r)
{
	pythia_formula *what = read_or(r);
	pythia_formula *made;

	if (what == NULL || !take(r, "AS"))
	{
		pythia_formula_free(what);
		return refuse(r, "its CAST is not read to its end");
	}
	made = cast_to(r, what);
	if (made != NULL && take(r, ")"))
		return made;
	pythia_formula_free(made);
	return refuse(r, "it casts to a type that cannot be read");
}

/* name( … ): the name was taken, and the parenthesis. */
static pythia_formula *read_call(reading *r, const char *name)
{
	pythia_buffer lower = PYTHIA_BUFFER_INIT;
	pythia_formula *made;

	if (strcasecmp(name, "extract") == 0)
		return read_extract(r);
	if (strcasecmp(name, "trim") == 0)
		return read_trim(r);
	if (strcasecmp(name, "substring") == 0 || strcasecmp(name, "substr") == 0 || strcasecmp(name, "mid") == 0)
		return read_substring(r);
	if (strcasecmp(name, "cast") == 0)
		return read_cast_call(r);
	for (; *name != '\0'; name++)
		pythia_buffer_putc(&lower, *name >= 'A' && *name <= 'Z' ? (char) (*name + 32) : *name);
	made = make(r, PYTHIA_FORMULA_CALL, lower.data);
	pythia_buffer_free(&lower);
	if (take(r, ")"))
		return made;
	if (take(r, "*"))
	{
		made = with(made, make(r, PYTHIA_FORMULA_STAR, NULL));
		if (take(r, ")"))
			return made;
		pythia_formula_free(made);
		return refuse(r, "it is not read to its end");
	}
	made->negated = take(r, "DISTINCT");
	return read_list(r, made);
}

static char *taken_name(reading *r)
{
	pythia_tokens *cursor = r->cursor;
	char *name = cursor->token.kind == PYTHIA_TOKEN_QUOTED ? pythia_strdup(pythia_buffer_text(&cursor->value))
														   : pythia_strndup(cursor->token.text, cursor->token.length);

	pythia_tokens_next(cursor);
	return name;
}

static bool at_name(const reading *r)
{
	return r->cursor->token.kind == PYTHIA_TOKEN_NAME || r->cursor->token.kind == PYTHIA_TOKEN_QUOTED;
}

/* A column, with its table before it perhaps, or a function. */
static pythia_formula *read_name(reading *r)
{
	bool string = r->cursor->engine == PYTHIA_SQLITE && *r->cursor->token.text == '"';
	char *name = taken_name(r);
	char *qualifier = NULL;
	pythia_formula *made;

	while (take(r, "."))
	{
		/* a schema before the table's name goes: both are looked up by what the statement reads from */
		pythia_free(qualifier);
		qualifier = name;
		name = NULL;
		if (!at_name(r))
			break;
		name = taken_name(r);
	}
	if (name == NULL)
	{
		pythia_free(qualifier);
		return refuse(r, "it names all columns of a table");
	}
	if (take(r, "("))
	{
		if (qualifier != NULL && strcmp(qualifier, "pg_catalog") != 0)
			made = refuse(r, "it calls a function of a user's");
		else
			made = read_call(r, name);
		pythia_free(qualifier);
	}
	else
	{
		made = make(r, PYTHIA_FORMULA_COLUMN, name);
		made->qualifier = qualifier;
		made->string = string && qualifier == NULL;
	}
	pythia_free(name);
	return made;
}

static pythia_formula *read_word(reading *r)
{
	static const char *const words[] = {"current_date", "current_time",   "current_timestamp",
										"localtime",    "localtimestamp", NULL};
	/* what an expression goes on with, or what holds a query */
	static const char *const no_names[] = {"AND",  "OR",     "NOT",      "IS",    "IN",    "BETWEEN", "THEN",   "ELSE",
										   "END",  "WHEN",   "LIKE",     "FROM",  "WHERE", "SELECT",  "EXISTS", "ROW",
										   "WITH", "BINARY", "INTERVAL", "MATCH", "RAISE", NULL};

	if (take(r, "NULL"))
		return make(r, PYTHIA_FORMULA_NULL, NULL);
	if (at(r, "TRUE") || at(r, "FALSE"))
	{
		bool yes = at(r, "TRUE");

		pythia_tokens_next(r->cursor);
		return make(r, PYTHIA_FORMULA_BOOL, yes ? "true" : "false");
	}
	if (take(r, "CASE"))
		return read_case(r);
	if (r->cursor->engine == PYTHIA_POSTGRESQL && take(r, "ARRAY"))
		return read_array(r);
	for (int i = 0; words[i] != NULL; i++)
	{
		if (!take(r, words[i]))
			continue;
		if (take(r, "(") && !take(r, ")"))
			return refuse(r, "it tells the time");
		return make(r, PYTHIA_FORMULA_WORD, words[i]);
	}
	for (int i = 0; no_names[i] != NULL; i++)
		if (at(r, no_names[i]))
			return refuse(r, "it holds a query, or a word that is not known here");
	if (pythia_tokens_at_introducer(r->cursor))
	{
		pythia_tokens_next(r->cursor);
		return r->cursor->token.kind == PYTHIA_TOKEN_STRING && !r->cursor->apart ? read_string(r)
																				 : refuse(r, "it has an odd text");
	}
	return read_name(r);
}

static pythia_formula *read_operand(reading *r);

static pythia_formula *read_plain(reading *r)
{
	pythia_formula *made;

	if (take(r, "("))
	{
		made = read_or(r);
		if (made != NULL && take(r, ")"))
			return made;
		pythia_formula_free(made);
		return refuse(r, "it is not read to its end");
	}
	if (take(r, "-"))
	{
		if (r->cursor->token.kind == PYTHIA_TOKEN_NUMBER)
			return read_number(r, true);
		return with(make(r, PYTHIA_FORMULA_MINUS, NULL), read_operand(r));
	}
	if (take(r, "+"))
		return read_operand(r);
	if (r->cursor->engine == PYTHIA_MYSQL && take(r, "!"))
		return with(make(r, PYTHIA_FORMULA_NOT, NULL), read_operand(r));
	switch (r->cursor->token.kind)
	{
		case PYTHIA_TOKEN_NUMBER:
			return read_number(r, false);
		case PYTHIA_TOKEN_STRING:
			return read_string(r);
		case PYTHIA_TOKEN_NAME:
			return read_word(r);
		case PYTHIA_TOKEN_QUOTED:
			return read_name(r);
		default:
			return refuse(r, "it holds something that is not known here");
	}
}

/* x AT TIME ZONE y */
static pythia_formula *read_zone(reading *r, pythia_formula *what)
{
	if (take(r, "AT") && take(r, "TIME") && take(r, "ZONE"))
		return with(with(make(r, PYTHIA_FORMULA_BINARY, "AT TIME ZONE"), what), read_operand(r));
	pythia_formula_free(what);
	return refuse(r, "it is not read to its end");
}

static pythia_formula *read_operand(reading *r)
{
	pythia_formula *made;

	if (r->depth > MOST_DEPTH || r->parts > MOST_PARTS)
		return refuse(r, "it is too long");
	r->depth++;
	made = read_plain(r);
	while (made != NULL && r->cursor->engine == PYTHIA_POSTGRESQL && (at(r, "::") || at(r, "AT")))
		made = take(r, "::") ? cast_to(r, made) : read_zone(r, made);
	if (made != NULL && at(r, "COLLATE"))
	{
		pythia_formula_free(made);
		made = refuse(r, "it names a collation");
	}
	r->depth--;
	return made;
}

/* --- operators, by their strength --------------------------------------------------------------------- */

static pythia_formula *read_level(reading *r, int level)
{
	pythia_formula *left = level < LEVEL_MOST ? read_level(r, level + 1) : read_operand(r);
	const char *name;

	while (left != NULL && level < LEVEL_MOST && level > LEVEL_COMPARISON && (name = take_operator(r, level)) != NULL)
		left = with(with(make(r, PYTHIA_FORMULA_BINARY, name), left), read_level(r, level + 1));
	return left;
}

/* = ANY (ARRAY[…]), <> ALL (ARRAY[…]): the list of an IN. */
static pythia_formula *read_any(reading *r, pythia_formula *left, bool negated)
{
	pythia_formula *list = take(r, "(") ? read_or(r) : NULL;
	pythia_formula *array = list;
	pythia_formula *made = make(r, PYTHIA_FORMULA_IN, NULL);

	while (array != NULL && array->kind == PYTHIA_FORMULA_CAST)
		array = array->parts;
	made->negated = negated;
	made = with(made, left);
	if (array == NULL || array->kind != PYTHIA_FORMULA_ARRAY || array->parts == NULL || !take(r, ")"))
	{
		pythia_formula_free(list);
		pythia_formula_free(made);
		return refuse(r, "it compares with what is no list");
	}
	made->parts->next = array->parts;
	array->parts = NULL;
	pythia_formula_free(list);
	return made;
}

/* IS [NOT] NULL | TRUE | FALSE | DISTINCT FROM x, and SQLite's IS x; IS was taken. */
static pythia_formula *read_is(reading *r, pythia_formula *left)
{
	static const char *const states[] = {"NULL", "TRUE", "FALSE", NULL};
	bool negated = take(r, "NOT");
	pythia_formula *made;

	for (int i = 0; states[i] != NULL; i++)
	{
		if (!take(r, states[i]))
			continue;
		made = make(r, PYTHIA_FORMULA_IS, states[i]);
		made->negated = negated;
		return with(made, left);
	}
	if (take(r, "DISTINCT"))
	{
		negated = !negated;
		if (!take(r, "FROM"))
		{
			pythia_formula_free(left);
			return refuse(r, "it is not read to its end");
		}
	}
	else if (r->cursor->engine != PYTHIA_SQLITE)
	{
		pythia_formula_free(left);
		return refuse(r, "it asks for a state that is not known here");
	}
	made = with(with(make(r, PYTHIA_FORMULA_BINARY, "<=>"), left), read_level(r, LEVEL_COMPARISON + 1));
	return negated && made != NULL ? with(make(r, PYTHIA_FORMULA_NOT, NULL), made) : made;
}

static pythia_formula *read_between(reading *r, pythia_formula *left, bool negated)
{
	pythia_formula *made = make(r, PYTHIA_FORMULA_BETWEEN, NULL);

	made->negated = negated;
	made = with(with(made, left), read_level(r, LEVEL_COMPARISON + 1));
	if (made != NULL && !take(r, "AND"))
	{
		pythia_formula_free(made);
		return refuse(r, "its BETWEEN is not read to its end");
	}
	return made != NULL ? with(made, read_level(r, LEVEL_COMPARISON + 1)) : NULL;
}

static pythia_formula *read_in(reading *r, pythia_formula *left, bool negated)
{
	pythia_formula *made = make(r, PYTHIA_FORMULA_IN, NULL);

	made->negated = negated;
	made = with(made, left);
	if (take(r, "(") && !at(r, "SELECT") && !at(r, ")"))
		return read_list(r, made);
	pythia_formula_free(made);
	return refuse(r, "it holds a query");
}

static pythia_formula *read_matching(reading *r, pythia_formula *left, const char *name)
{
	pythia_formula *made = with(with(make(r, PYTHIA_FORMULA_BINARY, name), left), read_level(r, LEVEL_COMPARISON + 1));

	if (made != NULL && at(r, "ESCAPE"))
	{
		pythia_formula_free(made);
		return refuse(r, "its LIKE has an escape of its own");
	}
	return made;
}

static pythia_formula *read_comparison(reading *r)
{
	pythia_formula *left = read_level(r, LEVEL_COMPARISON + 1);

	while (left != NULL)
	{
		const char *name = take_operator(r, LEVEL_COMPARISON);
		bool negated;

		if (name != NULL)
		{
			bool any = r->cursor->engine == PYTHIA_POSTGRESQL && strcmp(name, "=") == 0 && take(r, "ANY");
			bool all = r->cursor->engine == PYTHIA_POSTGRESQL && strcmp(name, "<>") == 0 && take(r, "ALL");

			left = any || all
					   ? read_any(r, left, all)
					   : with(with(make(r, PYTHIA_FORMULA_BINARY, name), left), read_level(r, LEVEL_COMPARISON + 1));
			continue;
		}
		if (take(r, "IS"))
			left = read_is(r, left);
		else if (take(r, "ISNULL") || at(r, "NOTNULL"))
		{
			pythia_formula *made = make(r, PYTHIA_FORMULA_IS, "NULL");

			made->negated = take(r, "NOTNULL");
			left = with(made, left);
		}
		else
		{
			negated = take(r, "NOT");
			if (take(r, "IN"))
				left = read_in(r, left, negated);
			else if (take(r, "BETWEEN"))
				left = read_between(r, left, negated);
			else if (take(r, "LIKE"))
				left = read_matching(r, left, negated ? "NOT LIKE" : "LIKE");
			else if (r->cursor->engine == PYTHIA_MYSQL && (take(r, "REGEXP") || take(r, "RLIKE")))
				left = read_matching(r, left, negated ? "NOT REGEXP" : "REGEXP");
			else if (r->cursor->engine == PYTHIA_SQLITE && take(r, "GLOB"))
				left = read_matching(r, left, negated ? "NOT GLOB" : "GLOB");
			else if (negated)
			{
				pythia_formula_free(left);
				return refuse(r, "it holds something that is not known here");
			}
			else
				break;
		}
	}
	return left;
}

static pythia_formula *read_not(reading *r)
{
	pythia_formula *made;

	if (!take(r, "NOT"))
		return read_comparison(r);
	if (r->depth > MOST_DEPTH)
		return refuse(r, "it is too long");
	r->depth++;
	made = with(make(r, PYTHIA_FORMULA_NOT, NULL), read_not(r));
	r->depth--;
	return made;
}

static pythia_formula *read_and(reading *r)
{
	pythia_formula *left = read_not(r);

	while (left != NULL && take(r, "AND"))
		left = with(with(make(r, PYTHIA_FORMULA_BINARY, "AND"), left), read_not(r));
	return left;
}

static pythia_formula *read_or(reading *r)
{
	pythia_formula *left;

	if (r->depth > MOST_DEPTH || r->parts > MOST_PARTS)
		return refuse(r, "it is too long");
	r->depth++;
	left = read_and(r);
	while (left != NULL && take(r, "OR"))
		left = with(with(make(r, PYTHIA_FORMULA_BINARY, "OR"), left), read_and(r));
	r->depth--;
	return left;
}

pythia_formula *pythia_formula_read(pythia_tokens *cursor, const char **why)
{
	reading r = {.cursor = cursor};
	pythia_formula *made = read_or(&r);

	if (made == NULL)
		*why = r.why != NULL ? r.why : "it cannot be read";
	return made;
}
