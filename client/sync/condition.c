#include "sync/condition.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "dialect/tokens.h"

typedef struct translator
{
	const pythia_plan *plan;
	pythia_engine from;
	pythia_engine to;
	const char *at; /* behind the token at hand */
	pythia_buffer *out;
	pythia_buffer name; /* or the text, of the token at hand */
	bool after_cast;    /* what follows :: is a type */
	bool computed;      /* it names a column that is another one in the target */
} translator;

static const char *skip_blanks(const char *at)
{
	while (isspace((unsigned char) *at))
		at++;
	return at;
}

static void put_identifier(translator *t, const char *name)
{
	pythia_dialect_for(t->to)->identifier(t->out, name);
}

/* Writes the name, or what it is called in the target; `quoted` says how it was written. */
static void put_name(translator *t, bool quoted)
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
				t->computed = t->computed || plan->source.columns[column].expression != NULL;
				put_identifier(t, pythia_pair_target(plan, i)->name);
				return;
			}
		}
	}
	if (quoted)
		put_identifier(t, name);
	else
		pythia_buffer_puts(t->out, name);
}

/* A string means the same bytes to the other engine, however each of them writes a quote or a backslash. */
static void put_string(translator *t, const pythia_token *token)
{
	if (t->from == t->to)
	{
		pythia_buffer_append(t->out, token->text, token->length);
		return;
	}
	pythia_token_content(t->from, token, &t->name);
	pythia_dialect_for(t->to)->literal(t->out, pythia_buffer_text(&t->name), t->name.length);
}

/* What is a comment here may be none there. */
static void put_blank(translator *t, const pythia_token *token)
{
	if (t->from == t->to || isspace((unsigned char) *token->text))
		pythia_buffer_append(t->out, token->text, token->length);
	else
		pythia_buffer_putc(t->out, ' ');
}

/* Signs that only together make a comment stay apart; false for one that is a comment by itself. */
static bool put_sign(translator *t, const pythia_token *token)
{
	char last = t->out->length > 0 ? t->out->data[t->out->length - 1] : '\0';

	if (t->from != t->to && *token->text == '#')
		return false;
	if (t->from != t->to && ((*token->text == '-' && last == '-') || (*token->text == '*' && last == '/')))
		pythia_buffer_putc(t->out, ' ');
	pythia_buffer_append(t->out, token->text, token->length);
	return true;
}

static bool put_token(translator *t, const pythia_token *token)
{
	pythia_buffer_clear(&t->name);
	switch (token->kind)
	{
		case PYTHIA_TOKEN_BLANK:
			put_blank(t, token);
			return true;
		case PYTHIA_TOKEN_NAME:
			pythia_buffer_append(&t->name, token->text, token->length);
			put_name(t, false);
			return true;
		case PYTHIA_TOKEN_QUOTED:
			pythia_token_content(t->from, token, &t->name);
			put_name(t, true);
			return true;
		case PYTHIA_TOKEN_STRING:
			put_string(t, token);
			return true;
		case PYTHIA_TOKEN_NUMBER:
			pythia_buffer_append(t->out, token->text, token->length);
			return true;
		case PYTHIA_TOKEN_OTHER:
			return put_sign(t, token);
		default:
			return false;
	}
}

bool pythia_condition_translate(const pythia_plan *plan, pythia_engine from, pythia_engine to, const char *condition,
								pythia_buffer *out, pythia_error *error)
{
	static const char option[] = "where";
	translator t = {.plan = plan, .from = from, .to = to, .at = condition, .out = out};
	pythia_token token;
	bool ok = pythia_condition_check(from, option, condition, error);
	bool said = true;

	for (; ok && said && *t.at != '\0'; t.after_cast = (token.kind == PYTHIA_TOKEN_OTHER && *token.text == ':') ||
													   (token.kind == PYTHIA_TOKEN_BLANK && t.after_cast))
	{
		pythia_token_read(from, t.at, &token);
		t.at += token.length;
		said = put_token(&t, &token);
	}
	pythia_buffer_free(&t.name);
	said = said && !t.computed;
	if (ok && t.computed)
		pythia_fail(error, PYTHIA_E_USAGE, "0A000",
					"option \"%s\" names a column that is computed or masked: the target has another value there",
					option);
	else if (ok && !said)
		pythia_fail(error, PYTHIA_E_USAGE, "42601", "option \"%s\" cannot be said in the target's SQL", option);
	if (!ok || !said || !pythia_condition_check(to, option, pythia_buffer_text(out), error))
		return pythia_error_hint(error,
								 ok ? "Give the same condition in the target's words as option \"target_where\"."
									: "Give one condition over the table's columns, as it stands behind WHERE; for"
									  " example status <> 'draft'.");
	return true;
}
