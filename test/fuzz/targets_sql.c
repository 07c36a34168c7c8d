/* Values, names and conditions in SQL. */
#include <string.h>

#include "core/memory.h"
#include "dialect/dialect.h"
#include "dialect/forms.h"
#include "dialect/tokens.h"
#include "drivers/driver.h"
#include "sync/condition.h"
#include "targets.h"

/* The next token that is no blank; it has to be there. */
static pythia_token next_token(pythia_engine engine, const char **at)
{
	pythia_token token;

	do
	{
		pythia_token_read(engine, *at, &token);
		CHECK(token.kind != PYTHIA_TOKEN_REFUSED);
		*at = token.text + token.length;
	} while (token.kind == PYTHIA_TOKEN_BLANK);
	return token;
}

static bool is_word(const pythia_token *token, const char *word)
{
	return token->kind == PYTHIA_TOKEN_NAME && token->length == strlen(word) &&
		   memcmp(token->text, word, token->length) == 0;
}

static void expect_word(pythia_engine engine, const char **at, const char *word)
{
	pythia_token token = next_token(engine, at);

	CHECK(is_word(&token, word));
}

static void expect_sign(pythia_engine engine, const char **at, const char *sign)
{
	pythia_token token = next_token(engine, at);

	CHECK(token.kind == PYTHIA_TOKEN_OTHER && token.length == strlen(sign) &&
		  memcmp(token.text, sign, token.length) == 0);
}

/* One literal, with the cast that belongs to it; *text gets what a plain string holds, else it stays empty. */
static void expect_literal(pythia_engine engine, const char **at, pythia_buffer *text)
{
	pythia_token token = next_token(engine, at);

	if (is_word(&token, "CAST"))
	{
		expect_sign(engine, at, "(");
		expect_literal(engine, at, text);
		expect_word(engine, at, "AS");
		expect_word(engine, at, "TEXT");
		expect_sign(engine, at, ")");
		return;
	}
	if (is_word(&token, "pg_catalog"))
	{
		/* pg_catalog.convert_from(pg_catalog.decode('…', 'hex'), 'UTF8') */
		static const char *const signs[] = {".", "convert_from", "(", "pg_catalog", ".", "decode", "(", NULL};

		for (int i = 0; signs[i]; i++)
			i % 2 || i == 2 || i == 4 || i == 6 ? (void) next_token(engine, at) : expect_sign(engine, at, signs[i]);
		CHECK(next_token(engine, at).kind == PYTHIA_TOKEN_STRING);
		expect_sign(engine, at, ",");
		CHECK(next_token(engine, at).kind == PYTHIA_TOKEN_STRING);
		expect_sign(engine, at, ")");
		expect_sign(engine, at, ",");
		CHECK(next_token(engine, at).kind == PYTHIA_TOKEN_STRING);
		expect_sign(engine, at, ")");
		return;
	}
	if (is_word(&token, "_utf8mb4"))
		token = next_token(engine, at);
	if (is_word(&token, "x") || is_word(&token, "b"))
	{
		CHECK(next_token(engine, at).kind == PYTHIA_TOKEN_STRING);
		return;
	}
	if (engine == PYTHIA_SQLITE && is_word(&token, "NULL"))
		return;
	if (token.kind == PYTHIA_TOKEN_OTHER)
	{
		CHECK(*token.text == '-' || *token.text == '+');
		token = next_token(engine, at);
		CHECK(token.kind == PYTHIA_TOKEN_NUMBER);
	}
	if (token.kind == PYTHIA_TOKEN_NUMBER)
	{
		CHECK(pythia_numeric_text(token.text, token.length));
		return;
	}
	CHECK(token.kind == PYTHIA_TOKEN_STRING);
	pythia_token_content(engine, &token, text);
	if (engine == PYTHIA_POSTGRESQL && (*at)[0] == ':')
	{
		expect_sign(engine, at, "::");
		CHECK(next_token(engine, at).kind == PYTHIA_TOKEN_NAME);
		if (strncmp(*at, " AT", 3) == 0)
			for (int i = 0; i < 4; i++)
				(void) next_token(engine, at);
	}
}

/* What is written before ", 7" is one literal, and nothing of it is behind. */
static void check_literal(pythia_engine engine, pythia_buffer *sql, const char *value, size_t length, bool text)
{
	pythia_buffer content = PYTHIA_BUFFER_INIT;
	const char *at;
	size_t end = sql->length;

	pythia_buffer_puts(sql, ", 7");
	at = sql->data;
	expect_literal(engine, &at, &content);
	CHECK(at == sql->data + end);
	expect_sign(engine, &at, ",");
	CHECK(next_token(engine, &at).kind == PYTHIA_TOKEN_NUMBER && *at == '\0');
	if (text && content.length > 0)
		CHECK(content.length == length && memcmp(content.data, value, length) == 0);
	if (engine == PYTHIA_SQLITE)
	{
		pythia_buffer query = PYTHIA_BUFFER_INIT;
		pythia_result result;
		pythia_error error = PYTHIA_ERROR_INIT;

		pythia_buffer_printf(&query, "SELECT %s", sql->data);
		CHECK(pythia_db_query(fuzz_memory_db(), query.data, "VT", &result, &error));
		CHECK(result.nrows == 1 && strcmp(pythia_result_optional(&result, 0, 1), "7") == 0);
		CHECK(!text || memchr(value, '\0', length) || strcmp(pythia_result_optional(&result, 0, 0), value) == 0);
		pythia_result_free(&result);
		pythia_buffer_free(&query);
	}
	pythia_buffer_free(&content);
}

/* The first byte chooses engine and kind. */
void fuzz_literals(const uint8_t *data, size_t size)
{
	char *value;
	size_t length = size > 0 ? size - 1 : 0;
	pythia_engine engine;
	pythia_type type = {.precision = -1, .length = -1};
	pythia_db db = {0};
	const pythia_dialect *dialect;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	pythia_token token;

	if (size == 0)
		return;
	value = pythia_malloc(length + 1);
	memcpy(value, data + 1, length);
	value[length] = '\0';
	engine = (pythia_engine) (data[0] % 3);
	type.kind = (pythia_kind) (data[0] / 3 % (PYTHIA_KIND_OTHER + 1));
	type.size = data[0] & 0x80 ? 4 : 0;
	type.zone = type.size > 0;
	db.engine = engine;
	dialect = pythia_dialect_for(engine);
	if (dialect->value_literal(&db, &sql, &type, value, length))
		check_literal(engine, &sql, value, length, type.kind == PYTHIA_KIND_TEXT);
	else
		CHECK(sql.length == 0 && (engine != PYTHIA_SQLITE || type.kind == PYTHIA_KIND_STORED));
	pythia_buffer_clear(&sql);
	dialect->literal(&sql, value, length);
	check_literal(engine, &sql, value, length, true);
	/* a name ends at its first NUL, and where the engine ends it */
	pythia_buffer_clear(&sql);
	dialect->identifier(&sql, value);
	pythia_buffer_puts(&sql, ",");
	pythia_token_read(engine, sql.data, &token);
	CHECK(token.kind == PYTHIA_TOKEN_QUOTED && token.length == sql.length - 1);
	pythia_token_content(engine, &token, &name);
	CHECK(strcmp(pythia_buffer_text(&name), value) == 0);
	pythia_buffer_free(&name);
	pythia_buffer_free(&sql);
	pythia_free(value);
}

/* Parentheses open with the first character and close with the last, and not before. */
static void check_enclosed(pythia_engine engine, const char *condition)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_token token;
	const char *at;
	int depth = 0;

	pythia_condition_put(&sql, condition);
	at = sql.data;
	for (token = next_token(engine, &at); token.kind != PYTHIA_TOKEN_END; token = next_token(engine, &at))
	{
		depth += token.kind == PYTHIA_TOKEN_OTHER && *token.text == '(';
		depth -= token.kind == PYTHIA_TOKEN_OTHER && *token.text == ')';
		CHECK(depth > 0 || *at == '\0');
		CHECK(token.kind != PYTHIA_TOKEN_OTHER || *token.text != ';');
	}
	CHECK(depth == 0);
	if (engine == PYTHIA_SQLITE)
	{
		pythia_buffer query = PYTHIA_BUFFER_INIT;
		pythia_result result = {0};
		pythia_error error = PYTHIA_ERROR_INIT;

		/* whatever it is: nothing comes of it */
		pythia_buffer_printf(&query, "SELECT 1 WHERE 0 AND %s AND 0", sql.data);
		CHECK(!pythia_db_query(fuzz_memory_db(), query.data, "T", &result, &error) || result.nrows == 0);
		pythia_result_free(&result);
		pythia_error_reset(&error);
		pythia_buffer_free(&query);
	}
	pythia_buffer_free(&sql);
}

/* The first byte chooses the engine that the condition is of, and the one that it is said to. */
void fuzz_conditions(const uint8_t *data, size_t size)
{
	static pythia_column columns[] = {{.name = "a"}, {.name = "b"}};
	static pythia_column others[] = {{.name = "A`\"]"}, {.name = "b"}};
	static pythia_pair pairs[] = {{.source = 0, .target = 0}, {.source = 1, .target = 1}};
	static const pythia_plan plan = {.source = {.schema = "s", .name = "t", .columns = columns, .ncolumns = 2},
									 .target = {.schema = "s", .name = "u", .columns = others, .ncolumns = 2},
									 .pairs = pairs,
									 .npairs = 2};
	pythia_buffer said = PYTHIA_BUFFER_INIT;
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_engine from, to;
	char *text;

	if (size == 0)
		return;
	from = (pythia_engine) (data[0] % 3);
	to = (pythia_engine) (data[0] / 3 % 3);
	text = fuzz_text_of(data + 1, size - 1);
	if (!pythia_condition_check(from, "where", text, &error))
		fuzz_check_error(&error);
	else
	{
		check_enclosed(from, text);
		if (pythia_condition_translate(&plan, from, to, text, &said, &error))
			check_enclosed(to, pythia_buffer_text(&said));
		else
			fuzz_check_error(&error);
	}
	pythia_buffer_free(&said);
	pythia_free(text);
}
