#include "dialect/create_text.h"

#include <string.h>
#include <strings.h>

void pythia_create_text_next(pythia_create_text *text)
{
	if (text->token.kind == PYTHIA_TOKEN_OTHER)
		text->depth += *text->token.text == '(' ? 1 : *text->token.text == ')' ? -1 : 0;
	do
		pythia_token_read(PYTHIA_SQLITE, text->token.text + text->token.length, &text->token);
	while (text->token.kind == PYTHIA_TOKEN_BLANK);
}

void pythia_create_text_open(pythia_create_text *text, const char *sql)
{
	*text = (pythia_create_text){.token = {.kind = PYTHIA_TOKEN_BLANK, .text = sql}};
	pythia_create_text_next(text);
}

bool pythia_create_text_table(pythia_create_text *text, const char *sql)
{
	pythia_create_text_open(text, sql);
	if (!pythia_create_text_take(text, "CREATE") || !pythia_create_text_take(text, "TABLE"))
		return false;
	while (!pythia_create_text_ended(text) && !pythia_create_text_at(text, "("))
		pythia_create_text_next(text);
	return pythia_create_text_take(text, "(");
}

bool pythia_create_text_ended(const pythia_create_text *text)
{
	return text->token.kind == PYTHIA_TOKEN_END || text->token.kind == PYTHIA_TOKEN_REFUSED;
}

bool pythia_create_text_at_column(const pythia_create_text *text)
{
	static const char *const constraints[] = {"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN", NULL};

	for (int i = 0; constraints[i] != NULL; i++)
		if (pythia_create_text_at(text, constraints[i]))
			return false;
	return true;
}

bool pythia_create_text_at_comma(const pythia_create_text *text)
{
	return pythia_create_text_ended(text) ||
		   (text->depth <= 1 && (pythia_create_text_at(text, ",") || pythia_create_text_at(text, ")")));
}

bool pythia_create_text_at(const pythia_create_text *text, const char *word)
{
	const pythia_token *token = &text->token;

	return (token->kind == PYTHIA_TOKEN_NAME || token->kind == PYTHIA_TOKEN_OTHER) && token->length == strlen(word) &&
		   strncasecmp(token->text, word, token->length) == 0;
}

bool pythia_create_text_take(pythia_create_text *text, const char *word)
{
	bool is = pythia_create_text_at(text, word);

	if (is)
		pythia_create_text_next(text);
	return is;
}

void pythia_create_text_take_name(pythia_create_text *text, pythia_buffer *name)
{
	pythia_buffer_clear(name);
	if (text->token.kind == PYTHIA_TOKEN_QUOTED || text->token.kind == PYTHIA_TOKEN_STRING)
		pythia_token_content(PYTHIA_SQLITE, &text->token, name);
	else
		pythia_buffer_append(name, text->token.text, text->token.length);
	if (!pythia_create_text_ended(text))
		pythia_create_text_next(text);
}
