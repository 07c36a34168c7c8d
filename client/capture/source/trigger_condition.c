/* A condition that triggers evaluate: whoever writes must not fail for it. */
#include "capture/source/trigger.h"

#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "dialect/tokens.h"

/* What stands before a parenthesis and calls nothing, and functions that every SQLite has and that never fail. */
static const char *const harmless[] = {
	"and",        "or",        "not",      "in",     "between",  "is",       "like",
	"glob",       "when",      "then",     "else",   "case",     "collate",  "as",
	"cast",       "length",    "lower",    "upper",  "trim",     "ltrim",    "rtrim",
	"substr",     "substring", "instr",    "hex",    "quote",    "unicode",  "typeof",
	"coalesce",   "ifnull",    "nullif",   "iif",    "min",      "max",      "round",
	"sign",       "unixepoch", "date",     "time",   "datetime", "strftime", "julianday",
	"json_valid", "likely",    "unlikely", "isnull", "notnull",  "escape",   "sqlite_version"};

/* Operators that call a function which may not be there, or fail; and what reads other tables. */
static const char *const refused[] = {"regexp", "match", "select", "exists", "raise"};

static bool is_among(const pythia_token *token, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(words[i]) == token->length && strncasecmp(words[i], token->text, token->length) == 0)
			return true;
	return false;
}

/* SQLite has no way to catch an error within a trigger.  The word that may bring one, the caller's; or NULL. */
static char *what_may_fail(const char *condition)
{
	pythia_token token;
	pythia_token name = {0};

	for (const char *at = condition;; at += token.length)
	{
		pythia_token_read(PYTHIA_SQLITE, at, &token);
		if (token.kind == PYTHIA_TOKEN_END)
			return NULL;
		if (token.kind == PYTHIA_TOKEN_BLANK)
			continue;
		if (token.kind == PYTHIA_TOKEN_NAME && is_among(&token, refused, sizeof(refused) / sizeof(*refused)))
			return pythia_strndup(token.text, token.length);
		if (token.kind == PYTHIA_TOKEN_OTHER && token.text[0] == '-' && token.text[token.length] == '>')
			return pythia_strdup("->");
		if (token.kind == PYTHIA_TOKEN_OTHER && token.text[0] == '(' && name.text &&
			!is_among(&name, harmless, sizeof(harmless) / sizeof(*harmless)))
			return pythia_strndup(name.text, name.length);
		name = token;
		if (token.kind != PYTHIA_TOKEN_NAME && token.kind != PYTHIA_TOKEN_QUOTED)
			name.text = NULL;
	}
}

bool pythia_logger_check_condition(pythia_logger *w, pythia_error *error)
{
	const char *condition = w->table->config.where;
	const char *name = w->table->table.name;
	char *word;
	int64_t count;
	bool ok;

	if (!condition)
		return true;
	word = w->table->db->engine == PYTHIA_SQLITE ? what_may_fail(condition) : NULL;
	if (word)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "0A000", "option \"where\" of table \"%s\" must not use %s with triggers",
					name, word);
		pythia_error_detail(error,
							"Where it fails, or is not known to whoever writes, SQLite would refuse his changes.");
		pythia_free(word);
		return pythia_error_hint(error,
								 "Use \"capture\": \"poll\" for this table, or let who consumes leave out rows.");
	}
	/* nobody else reads it before the first write */
	if (w->table->db->engine == PYTHIA_POSTGRESQL &&
		!pythia_db_exec(w->table->db, "SET LOCAL search_path = pg_catalog, pg_temp", NULL, error))
		return false;
	pythia_buffer_puts(&w->sql, "SELECT count(*) FROM (SELECT * FROM ");
	pythia_logger_put_table(w);
	pythia_buffer_puts(&w->sql, " WHERE 1 = 0) AS ");
	w->dialect->identifier(&w->sql, name);
	pythia_buffer_puts(&w->sql, " WHERE ");
	pythia_condition_put(&w->sql, condition);
	ok = pythia_db_count(w->table->db, w->sql.data, &count, error);
	pythia_buffer_clear(&w->sql);
	return ok;
}
