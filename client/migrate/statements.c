#include "migrate/statements.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "core/list.h"
#include "core/memory.h"
#include "dialect/tokens.h"

static bool is_word(const pythia_token *token, const char *word)
{
	return token->kind == PYTHIA_TOKEN_NAME && token->length == strlen(word) &&
		   strncasecmp(token->text, word, token->length) == 0;
}

/* Where in CREATE [TEMP] TRIGGER … BEGIN …; END the reading is: semicolons before END end nothing (sqlite3_complete). */
typedef struct body
{
	int words; /* seen of the statement */
	bool create;
	bool trigger;
	bool ends; /* END was the last word */
} body;

static void look(body *b, const pythia_token *token)
{
	b->words++;
	b->create = b->create || (b->words == 1 && is_word(token, "CREATE"));
	b->trigger = b->trigger || (b->create && b->words <= 3 && is_word(token, "TRIGGER"));
	b->ends = is_word(token, "END");
}

static void add(char ***statements, int *count, const char *from, const char *end)
{
	if (from == NULL)
		return;
	*statements = pythia_realloc(*statements, sizeof(char *) * (size_t) (*count + 1));
	(*statements)[(*count)++] = pythia_strndup(from, (size_t) (end - from));
}

static int line_of(const char *text, const char *at)
{
	int line = 1;

	for (; text < at; text++)
		line += *text == '\n';
	return line;
}

bool pythia_statements_split(pythia_engine engine, const char *file, const char *text, char ***statements, int *count,
							 pythia_error *error)
{
	const char *from = NULL;
	const char *end = NULL;
	body b = {0};
	pythia_token token;

	*statements = NULL;
	*count = 0;
	for (pythia_token_read(engine, text, &token); token.kind != PYTHIA_TOKEN_END;
		 pythia_token_read(engine, token.text + token.length, &token))
	{
		if (token.kind == PYTHIA_TOKEN_REFUSED)
		{
			pythia_list_free(*statements, *count);
			*statements = NULL;
			*count = 0;
			pythia_fail(error, PYTHIA_E_USAGE, "42601", "%s cannot be read from line %d on: %s", file,
						line_of(text, token.text), token.reason);
			return pythia_error_hint(error, "Write it as statements that end in semicolons, without parameters.");
		}
		if (token.kind == PYTHIA_TOKEN_BLANK)
			continue;
		if (token.kind == PYTHIA_TOKEN_OTHER && *token.text == ';' &&
			!(engine == PYTHIA_SQLITE && b.trigger && !b.ends))
		{
			add(statements, count, from, end);
			from = NULL;
			b = (body){0};
			continue;
		}
		look(&b, &token);
		if (from == NULL)
			from = token.text;
		end = token.text + token.length;
	}
	add(statements, count, from, end);
	return true;
}
