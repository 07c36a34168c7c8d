#include "sync/condition.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

typedef struct translator
{
	const pythia_plan *plan;
	pythia_engine from;
	pythia_engine to;
	const char *at;
	pythia_buffer *out;
	pythia_buffer name; /* of the identifier at hand */
	bool after_cast;    /* what follows :: is a type */
} translator;

static bool begins_name(char c)
{
	return isalpha((unsigned char) c) || c == '_' || (c & 0x80) != 0;
}

static bool in_name(char c)
{
	return begins_name(c) || isdigit((unsigned char) c) || c == '$';
}

static const char *skip_blanks(const char *at)
{
	while (isspace((unsigned char) *at))
		at++;
	return at;
}

static void copy(translator *t, const char *end)
{
	pythia_buffer_append(t->out, t->at, (size_t) (end - t->at));
	t->at = end;
}

/* The end of what a quote opens; a doubled quote does not close it, nor one behind a backslash where that counts. */
static const char *closing(const char *at, char quote, bool backslash)
{
	for (at++; *at != '\0'; at++)
	{
		if (backslash && *at == '\\' && at[1] != '\0')
			at++;
		else if (*at == quote && at[1] == quote)
			at++;
		else if (*at == quote)
			return at + 1;
	}
	return at;
}

/* A string in double quotes, which is MySQL's alone. */
static void double_quoted_string(translator *t)
{
	const char *end = closing(t->at, '"', true);

	if (t->to == PYTHIA_MYSQL)
	{
		copy(t, end);
		return;
	}
	pythia_buffer_putc(t->out, '\'');
	for (const char *c = t->at + 1; c < end - 1; c++)
	{
		if (*c == '"' && c[1] == '"')
			c++;
		else if (*c == '\'')
			pythia_buffer_putc(t->out, '\'');
		pythia_buffer_putc(t->out, *c);
	}
	pythia_buffer_putc(t->out, '\'');
	t->at = end;
}

/* $tag$ … $tag$, where PostgreSQL has such a string here. */
static bool dollar_quoted(translator *t)
{
	const char *tag = t->at + 1;
	const char *end;
	size_t length;

	while (in_name(*tag) && *tag != '$')
		tag++;
	if (t->from != PYTHIA_POSTGRESQL || *tag != '$' || isdigit((unsigned char) t->at[1]))
		return false;
	length = (size_t) (tag + 1 - t->at);
	for (end = tag + 1; *end != '\0' && strncmp(end, t->at, length) != 0;)
		end++;
	copy(t, *end != '\0' ? end + length : end);
	return true;
}

static void put_identifier(translator *t, const char *name)
{
	pythia_dialect_for(t->to)->identifier(t->out, name);
}

/* Writes the name, or what it is called in the target; `quoted` says how it was written. */
static void put_name(translator *t, const char *start, bool quoted)
{
	const pythia_plan *plan = t->plan;
	const char *next = skip_blanks(t->at);
	const char *name = pythia_buffer_text(&t->name);
	bool literal = !quoted && (*next == '\'' || *next == '(');

	if (!literal && !t->after_cast && *next == '.')
	{
		bool table = strcasecmp(name, plan->source.name) == 0;

		/* the schema goes: the table's name is enough */
		if (!table && strcasecmp(name, plan->source.schema) == 0)
		{
			t->at = next + 1;
			return;
		}
		if (table)
		{
			put_identifier(t, plan->target.name);
			return;
		}
	}
	else if (!literal && !t->after_cast)
	{
		int column = pythia_table_column(&plan->source, name);

		for (int i = 0; column >= 0 && i < plan->npairs; i++)
		{
			if (plan->pairs[i].source == column)
			{
				put_identifier(t, pythia_pair_target(plan, i)->name);
				return;
			}
		}
	}
	if (quoted)
		put_identifier(t, name);
	else
		pythia_buffer_append(t->out, start, (size_t) (t->at - start));
}

static void quoted_name(translator *t, char close)
{
	const char *start = t->at;
	const char *end = closing(start, close, false);

	pythia_buffer_clear(&t->name);
	for (const char *c = start + 1; c < end - 1; c++)
	{
		c += *c == close;
		pythia_buffer_putc(&t->name, *c);
	}
	t->at = end;
	put_name(t, start, true);
}

static void bare_name(translator *t)
{
	const char *start = t->at;

	while (in_name(*t->at))
		t->at++;
	pythia_buffer_clear(&t->name);
	pythia_buffer_append(&t->name, start, (size_t) (t->at - start));
	put_name(t, start, false);
}

/* Copies or translates what begins here. */
static void token(translator *t)
{
	char c = *t->at;
	bool escapes = t->from == PYTHIA_MYSQL;
	const char *end;

	if (c == '\'')
		copy(t, closing(t->at, '\'', escapes));
	else if ((c == 'E' || c == 'e') && t->at[1] == '\'' && t->from == PYTHIA_POSTGRESQL)
	{
		copy(t, t->at + 1);
		copy(t, closing(t->at, '\'', true));
	}
	else if (c == '"' && t->from == PYTHIA_MYSQL)
		double_quoted_string(t);
	else if (c == '"' || (c == '`' && t->from != PYTHIA_POSTGRESQL))
		quoted_name(t, c);
	else if (c == '[' && t->from == PYTHIA_SQLITE)
		quoted_name(t, ']');
	else if (c == '-' && t->at[1] == '-')
	{
		end = strchr(t->at, '\n');
		copy(t, end != NULL ? end : t->at + strlen(t->at));
	}
	else if (c == '/' && t->at[1] == '*')
	{
		end = strstr(t->at + 2, "*/");
		copy(t, end != NULL ? end + 2 : t->at + strlen(t->at));
	}
	else if (begins_name(c))
		bare_name(t);
	else if (isdigit((unsigned char) c))
	{
		/* with what belongs to it: 1e5, 0xff */
		end = t->at;
		while (in_name(*end) || *end == '.')
			end++;
		copy(t, end);
	}
	else if (c != '$' || !dollar_quoted(t))
		copy(t, t->at + 1);
}

void pythia_condition_translate(const pythia_plan *plan, pythia_engine from, pythia_engine to, const char *condition,
								pythia_buffer *out)
{
	translator t = {.plan = plan, .from = from, .to = to, .at = condition, .out = out};

	while (*t.at != '\0')
	{
		bool cast = t.at[0] == ':' && t.at[1] == ':';
		bool blank = isspace((unsigned char) *t.at);

		if (cast)
			copy(&t, t.at + 2);
		else
			token(&t);
		t.after_cast = cast || (blank && t.after_cast);
	}
	pythia_buffer_free(&t.name);
}
