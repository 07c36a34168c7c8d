/* Runs a script of a test's own, one statement after another: a driver takes them one at a time. */
#ifndef PYTHIA_SCRIPT_H
#define PYTHIA_SCRIPT_H

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "drivers/driver.h"

static inline bool script_word(const char *at, const char *start, const char *word)
{
	size_t length = strlen(word);

	return strncasecmp(at, word, length) == 0 && !isalnum((unsigned char) at[length]) && at[length] != '_' &&
		   (at == start || (!isalnum((unsigned char) at[-1]) && at[-1] != '_'));
}

/* The end of the statement at `sql`: a semicolon outside of quotes and of a routine's BEGIN … END, or the text's. */
static inline const char *script_end(const char *sql)
{
	const char *at = sql;
	bool routine = script_word(sql, sql, "create");
	int depth = 0;

	while (*at && (*at != ';' || depth > 0))
	{
		if (*at == '\'' || *at == '"' || *at == '`')
		{
			char quote = *at;

			for (at++; *at && *at != quote; at++)
				at += quote == '\'' && *at == '\\' && (at[1] == '\'' || at[1] == '\\');
			at += *at != '\0';
			continue;
		}
		if (strncmp(at, "$$", 2) == 0)
		{
			const char *close = strstr(at + 2, "$$");

			at = close ? close + 2 : at + strlen(at);
			continue;
		}
		if (routine && (script_word(at, sql, "begin") || script_word(at, sql, "case")))
			depth++;
		if (routine && depth > 0 && script_word(at, sql, "end"))
			depth--;
		at++;
	}
	return at;
}

/* Tests are written in MariaDB's words: MySQL has another name for a collation that pads with no blanks. */
static inline void script_translate(const pythia_db *db, char *statement)
{
	static const char *const names[2] = {"utf8mb4_nopad_bin", "utf8mb4_0900_bin "};

	for (char *at = statement; db->engine == PYTHIA_MYSQL && !db->is_mariadb && (at = strstr(at, names[0]));)
		memcpy(at, names[1], strlen(names[1]));
}

static inline bool script_run(pythia_db *db, const char *sql, pythia_error *error)
{
	bool ok = true;

	while (ok && *(sql += strspn(sql, "; \t\r\n")))
	{
		const char *end = script_end(sql);
		char *statement = pythia_strndup(sql, (size_t) (end - sql));

		script_translate(db, statement);
		ok = pythia_db_exec(db, statement, NULL, error);
		pythia_free(statement);
		sql = end;
	}
	return ok;
}

#endif
