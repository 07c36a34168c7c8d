#include "targets.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <string.h>

#include "capture/internal.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/number.h"
#include "core/rows.h"
#include "core/url.h"
#include "dialect/tokens.h"
#include "sync/condition.h"
#include "dialect/dialect.h"
#include "drivers/driver.h"
#include "drivers/json_read.h"
#include "sync/create/create.h"
#include "validate/validate.h"

/* Not assert(): it must hold in every build. */
#define CHECK(condition)                                                                                               \
	do                                                                                                                 \
	{                                                                                                                  \
		if (!(condition))                                                                                              \
		{                                                                                                              \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition);                                    \
			abort();                                                                                                   \
		}                                                                                                              \
	} while (0)

/* The input as a text that ends. */
static char *text_of(const uint8_t *data, size_t size)
{
	return pythia_strndup((const char *) data, size);
}

static pythia_db *memory_db(void)
{
	static pythia_db *memory;
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_url url;

	if (!memory)
	{
		CHECK(pythia_url_parse("sqlite:///:memory:", &url, &error));
		CHECK(pythia_db_open(&url, NULL, NULL, &memory, &error));
		pythia_url_free(&url);
	}
	return memory;
}

/* pythia_json_read_text, without opening a database each time. */
static bool read_json(const char *what, const char *text, pythia_node **node, pythia_error *error)
{
	return pythia_json_read(memory_db(), what, text, node, error);
}

static void check_error(pythia_error *error)
{
	CHECK(error->error_class != PYTHIA_E_NONE && error->error_class != PYTHIA_E_INTERNAL);
	CHECK(strlen(error->sqlstate) == 5);
	CHECK(error->message && *error->message);
	pythia_error_reset(error);
}

void fuzz_url(const uint8_t *data, size_t size)
{
	char *text = text_of(data, size);
	pythia_url url;
	pythia_url again;
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_buffer shown = PYTHIA_BUFFER_INIT;

	if (!pythia_url_parse(text, &url, &error))
		check_error(&error);
	else
	{
		pythia_url_redact(&url, &shown);
		/* what is shown is a URL again, of the same parts but for the secrets */
		CHECK(pythia_url_parse(pythia_buffer_text(&shown), &again, &error));
		CHECK(again.engine == url.engine && again.port == url.port && again.nparameters == url.nparameters);
		CHECK((again.host == NULL) == (url.host == NULL) && (!url.host || strcmp(again.host, url.host) == 0));
		CHECK(!url.user || !*url.user || (again.user && strcmp(again.user, url.user) == 0));
		CHECK(!url.database || (again.database && strcmp(again.database, url.database) == 0));
		CHECK(!url.password || !*url.password || strcmp(again.password, "***") == 0);
		pythia_url_free(&again);
		pythia_url_free(&url);
	}
	pythia_buffer_free(&shown);
	pythia_free(text);
}

/* --- options ---------------------------------------------------------------------- */

static void read_everything(const pythia_node *tree)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_sync_config sync;
	pythia_capture_config capture;
	pythia_validate_options validate;

	if (!pythia_sync_config_read(tree, NULL, NULL, &sync, &error))
		check_error(&error);
	if (!pythia_sync_config_read(tree, tree, "t", &sync, &error))
		check_error(&error);
	if (!pythia_capture_config_read(tree, "t", &capture, &error))
		check_error(&error);
	if (!pythia_validate_options_read(tree, &validate, &error))
		check_error(&error);
}

void fuzz_options(const uint8_t *data, size_t size)
{
	char *text = text_of(data, size);
	pythia_node *tree = NULL;
	pythia_node *again = NULL;
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	pythia_buffer second = PYTHIA_BUFFER_INIT;

	if (!read_json("options", text, &tree, &error))
		check_error(&error);
	else
	{
		read_everything(tree);
		pythia_json_node(&out, tree);
		/* what we write, we read */
		CHECK(read_json("options", out.data, &again, &error));
		pythia_json_node(&second, again);
		CHECK(strcmp(out.data, second.data) == 0);
	}
	pythia_node_free(tree);
	pythia_node_free(again);
	pythia_buffer_free(&out);
	pythia_buffer_free(&second);
	pythia_free(text);
}

/* --- rows --------------------------------------------------------------------------- */

void fuzz_rows(const uint8_t *data, size_t size)
{
	pythia_rows rows = {(const char *) data, size, 0};
	pythia_rows view;
	pythia_rows_reader reader = {0};
	pythia_rows_reader again = {0};
	pythia_rows_writer writer = {0};
	pythia_buffer bytes = PYTHIA_BUFFER_INIT;

	pythia_rows_open(&reader, &rows);
	while (pythia_rows_next(&reader))
	{
		pythia_rows_clear(&writer);
		CHECK(reader.nfields > 0);
		for (int i = 0; i < reader.nfields; i++)
		{
			const pythia_field *field = &reader.fields[i];
			int64_t integer;
			double number;

			if (!field->value)
			{
				pythia_rows_null(&writer);
				continue;
			}
			CHECK(field->value[field->length] == '\0');
			pythia_int64_read(field->value, field->length, &integer);
			pythia_double_read(field->value, field->length, &number);
			pythia_buffer_clear(&bytes);
			if (pythia_rows_unhex(field, &bytes) && i % 2)
				pythia_rows_bytes(&writer, pythia_buffer_text(&bytes), bytes.length);
			else
				pythia_rows_text(&writer, field->value, field->length);
		}
		pythia_rows_end(&writer);
		view = pythia_rows_view(&writer);
		pythia_rows_open(&again, &view);
		CHECK(pythia_rows_next(&again));
		CHECK(again.nfields == reader.nfields);
		for (int i = 0; i < reader.nfields; i++)
		{
			CHECK((again.fields[i].value == NULL) == (reader.fields[i].value == NULL));
			CHECK(again.fields[i].length == reader.fields[i].length);
			/* hex may have come in capitals */
			CHECK(i % 2 || !again.fields[i].value ||
				  memcmp(again.fields[i].value, reader.fields[i].value, again.fields[i].length) == 0);
		}
		CHECK(!pythia_rows_next(&again));
	}
	pythia_rows_close(&reader);
	pythia_rows_close(&again);
	pythia_rows_free(&writer);
	pythia_buffer_free(&bytes);
}

/* --- JSON ------------------------------------------------------------------------------ */

void fuzz_json(const uint8_t *data, size_t size)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	pythia_node *tree = NULL;
	pythia_error error = PYTHIA_ERROR_INIT;

	pythia_buffer_putc(&out, '[');
	pythia_json_string(&out, (const char *) data, size);
	pythia_buffer_putc(&out, ']');
	for (size_t i = 0; i < out.length; i++)
		CHECK((unsigned char) out.data[i] >= 0x20);
	/* SQLite reads it back; a NUL ends its text, so only without one can they be compared */
	CHECK(read_json("string", out.data, &tree, &error));
	CHECK(tree->children && tree->children->type == PYTHIA_NODE_STRING);
	if (!memchr(data, 0, size))
	{
		const char *text = tree->children->text;

		/* the same but for bytes that are no UTF-8, which became U+FFFD */
		CHECK((strlen(text) == size && memcmp(text, data, size) == 0) || strstr(text, "\xef\xbf\xbd"));
	}
	pythia_node_free(tree);
	pythia_buffer_free(&out);
}

/* --- images --------------------------------------------------------------------------- */

/* A value of any kind, as any engine might send it, becomes one line of JSON that is whole. */
static void check_field(const pythia_field *field, pythia_kind kind, char storage, bool whole)
{
	pythia_capture_column column = {.in_image = true, .whole = whole};
	pythia_type type = {.kind = kind};
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	pythia_node *tree = NULL;
	pythia_error error = PYTHIA_ERROR_INIT;

	pythia_buffer_putc(&out, '[');
	pythia_capture_json_field(&out, &column, &type, storage, field);
	pythia_buffer_putc(&out, ']');
	CHECK(!memchr(out.data, '\n', out.length));
	CHECK(read_json("field", out.data, &tree, &error));
	CHECK(tree->children && !tree->children->next);
	pythia_node_free(tree);
	pythia_buffer_free(&out);
}

/* The first byte chooses the kind, or the class of a SQLite value; the rest is a row of COPY text. */
void fuzz_image(const uint8_t *data, size_t size)
{
	static const pythia_kind kinds[] = {
		PYTHIA_KIND_BOOL,  PYTHIA_KIND_YEAR, PYTHIA_KIND_DECIMAL,   PYTHIA_KIND_FLOAT,       PYTHIA_KIND_DOUBLE,
		PYTHIA_KIND_TEXT,  PYTHIA_KIND_DATE, PYTHIA_KIND_TIMESTAMP, PYTHIA_KIND_TIMESTAMPTZ, PYTHIA_KIND_TIME,
		PYTHIA_KIND_BYTES, PYTHIA_KIND_BIT,  PYTHIA_KIND_UUID,      PYTHIA_KIND_INTERVAL,    PYTHIA_KIND_OTHER};
	static const char classes[] = {'r', 't', 'b'};
	size_t nkinds = sizeof(kinds) / sizeof(kinds[0]);
	pythia_rows_reader reader = {0};
	pythia_rows rows;
	size_t choice;

	if (size == 0)
		return;
	choice = data[0] % (nkinds + sizeof(classes));
	rows = (pythia_rows){(const char *) data + 1, size - 1, 0};
	pythia_rows_open(&reader, &rows);
	for (int fields = 0; fields < 16 && pythia_rows_next(&reader);)
		for (int i = 0; i < reader.nfields && fields < 16; i++, fields++)
		{
			if (choice < nkinds)
				check_field(&reader.fields[i], kinds[choice], 0, false);
			else
				check_field(&reader.fields[i], PYTHIA_KIND_TEXT, classes[choice - nkinds], false);
		}
	pythia_rows_close(&reader);
}

/* --- SQL ----------------------------------------------------------------------------- */

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
	if (token.kind == PYTHIA_TOKEN_OTHER)
	{
		CHECK(*token.text == '-' || *token.text == '+');
		token = next_token(engine, at);
		CHECK(token.kind == PYTHIA_TOKEN_NUMBER);
	}
	if (token.kind == PYTHIA_TOKEN_NUMBER)
	{
		size_t points = 0;

		for (size_t i = 0; i < token.length; i++)
		{
			points += token.text[i] == '.';
			CHECK(strchr("0123456789.eE+-", token.text[i]));
		}
		CHECK(points <= 1);
		/* the exponent's sign is a token of its own, and what follows it is the rest */
		if (strchr("eE", token.text[token.length - 1]))
		{
			pythia_token sign = next_token(engine, at);

			CHECK(sign.kind == PYTHIA_TOKEN_OTHER && (*sign.text == '-' || *sign.text == '+'));
			CHECK(next_token(engine, at).kind == PYTHIA_TOKEN_NUMBER);
		}
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
		CHECK(pythia_db_query(memory_db(), query.data, "VT", &result, &error));
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
		CHECK(sql.length == 0 && engine != PYTHIA_SQLITE);
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
		CHECK(!pythia_db_query(memory_db(), query.data, "T", &result, &error) || result.nrows == 0);
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
	text = text_of(data + 1, size - 1);
	if (!pythia_condition_check(from, "where", text, &error))
		check_error(&error);
	else
	{
		check_enclosed(from, text);
		if (pythia_condition_translate(&plan, from, to, text, &said, &error))
			check_enclosed(to, pythia_buffer_text(&said));
		else
			check_error(&error);
	}
	pythia_buffer_free(&said);
	pythia_free(text);
}

/* --- types and defaults that a catalogue tells ----------------------------------------- */

/* Right after the quotes that begin at `at`, or NULL. */
static const char *after_quotes(pythia_engine engine, const char *at, bool escapes)
{
	char quote = *at++;

	for (;; at++)
	{
		if (*at == quote && at[1] != quote)
			return at + 1;
		at += *at == quote || (*at == '\\' && quote == '\'' && (escapes || engine == PYTHIA_MYSQL));
		if (*at == '\0')
			return NULL;
	}
}

/* Nothing in the piece of a definition ends it, or the statement. */
static void check_inside(pythia_engine engine, const char *piece)
{
	int depth = 0;

	for (const char *at = piece; *at != '\0'; at++)
	{
		if (*at == '\'' || *at == '"')
		{
			at = after_quotes(engine, at, at > piece && at[-1] == 'E');
			CHECK(at != NULL);
			at--;
			continue;
		}
		CHECK(strchr(";`\\", *at) == NULL && strncmp(at, "--", 2) != 0 && strncmp(at, "/*", 2) != 0);
		depth += *at == '(' ? 1 : *at == ')' ? -1 : 0;
		CHECK(depth >= 0 && (depth > 0 || *at != ','));
	}
	CHECK(depth == 0);
}

/* SQLite itself reads the definition as one column of that type, or with that default, and nothing more. */
static void check_by_sqlite(const char *type, const char *value, const char *wanted)
{
	pythia_db *memory = memory_db();
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result = {0};

	pythia_buffer_printf(&sql, "CREATE TABLE f (\"a\" %s%s%s, b)", type, value ? " DEFAULT " : "", value ? value : "");
	CHECK(pythia_db_exec(memory, sql.data, NULL, NULL));
	CHECK(pythia_db_query(memory,
						  "SELECT type, dflt_value, (SELECT count(*) FROM sqlite_schema WHERE name <> 'f'),"
						  " (SELECT count(*) FROM pragma_table_xinfo('f')) FROM pragma_table_xinfo('f')"
						  " WHERE name = 'a' AND NOT \"notnull\" AND NOT pk AND NOT hidden",
						  "1VVVV", &result, NULL));
	/* a standard type comes back in capitals */
	CHECK(strcasecmp(pythia_result_optional(&result, 0, 0), type) == 0);
	CHECK(!value || strcmp(pythia_result_optional(&result, 0, 1), value) == 0);
	CHECK(strcmp(pythia_result_optional(&result, 0, 2), "0") == 0 &&
		  strcmp(pythia_result_optional(&result, 0, 3), "2") == 0);
	pythia_result_free(&result);
	if (wanted)
	{
		char *text = NULL;

		CHECK(pythia_db_exec(memory, "INSERT INTO f DEFAULT VALUES", NULL, NULL));
		CHECK(pythia_db_text(memory, "SELECT a FROM f", &text, NULL));
		CHECK(text && strcmp(text, wanted) == 0);
		pythia_free(text);
	}
	CHECK(pythia_db_exec(memory, "DROP TABLE f", NULL, NULL));
	pythia_buffer_free(&sql);
}

static const pythia_db servers[] = {[PYTHIA_POSTGRESQL] = {.engine = PYTHIA_POSTGRESQL},
									[PYTHIA_MYSQL] = {.engine = PYTHIA_MYSQL, .is_mariadb = true},
									[PYTHIA_SQLITE] = {.engine = PYTHIA_SQLITE}};

#define ENGINES (sizeof(servers) / sizeof(servers[0]))

static void check_written(pythia_engine to, const pythia_type *type)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_type again;

	/* MySQL has no decimal of so many digits */
	if (!pythia_dialect_for(to)->type_ddl(&servers[to], type, false, &out, &error))
		check_error(&error);
	else
	{
		check_inside(to, out.data);
		pythia_dialect_for(to)->parse_type(out.data, &again);
		CHECK(again.native && strcasecmp(again.native, out.data) == 0);
		pythia_type_free(&again);
		if (to == PYTHIA_SQLITE)
			check_by_sqlite(out.data, NULL, NULL);
	}
	pythia_buffer_free(&out);
}

/* The first byte chooses the engine that tells it. */
void fuzz_types(const uint8_t *data, size_t size)
{
	pythia_engine from = size > 0 ? data[0] % ENGINES : 0;
	char *text = text_of(data + (size > 0), size - (size > 0));
	pythia_type type;
	pythia_type again;

	pythia_dialect_for(from)->parse_type(text, &type);
	CHECK(type.native || type.unread);
	if (type.native)
	{
		/* what goes to another database of the engine */
		check_inside(from, type.native);
		pythia_dialect_for(from)->parse_type(type.native, &again);
		CHECK(again.native && strcmp(again.native, type.native) == 0 && again.kind == type.kind);
		CHECK(again.nlabels == type.nlabels);
		pythia_type_free(&again);
		if (from == PYTHIA_SQLITE)
			check_by_sqlite(type.native, NULL, NULL);
	}
	for (size_t to = 0; to < ENGINES; to++)
		check_written(to, &type);
	pythia_type_free(&type);
	pythia_free(text);
}

/* The first byte chooses the engine that tells it, the second the type of the column that it is for. */
void fuzz_defaults(const uint8_t *data, size_t size)
{
	size_t skipped = size < 2 ? size : 2;
	pythia_engine from = size > 0 ? data[0] % ENGINES : 0;
	pythia_type type = {.kind = size > 1 ? data[1] % (PYTHIA_KIND_OTHER + 1) : 0, .precision = 6, .length = 20};
	char *text = text_of(data + skipped, size - skipped);
	pythia_default value;

	pythia_default_read(from, text, &value);
	for (size_t to = 0; to < ENGINES; to++)
	{
		pythia_buffer out = PYTHIA_BUFFER_INIT;
		bool number = value.kind == PYTHIA_DEFAULT_NUMBER || value.kind == PYTHIA_DEFAULT_TEXT;

		if (pythia_default_ddl(&value, &servers[to], &type, &out))
		{
			CHECK(out.length > 0);
			check_inside(to, out.data);
			if (to == PYTHIA_SQLITE)
				check_by_sqlite("", out.data, type.kind == PYTHIA_KIND_TEXT ? value.text : NULL);
			/* a literal of one token: quotes, or no blank at all */
			CHECK(strchr(out.data, '\'') || (!strchr(out.data, ' ') && (!number || !strchr(out.data, '('))));
		}
		pythia_buffer_free(&out);
	}
	pythia_default_free(&value);
	pythia_free(text);
}

const fuzz_target fuzz_targets[] = {
	{"url", fuzz_url,
	 "postgresql://\0mysql\0sqlite:///\0+x\0:\0@\0/\0?\0&\0=\0%\0%41\0[\0]\0::1\0:5432\0password=\0***\0 \0"},
	{"options", fuzz_options,
	 "{\0}\0[\0]\0\"\0:\0,\0{\"mode\": \"full\"}\0\"batch_size\"\0\"tables\"\0\"columns\"\0\"lookback\"\0null\0true\0"
	 "1e3\0-0\0\"5 min\"\0\\u0041\0\\\0\"sample\"\0\"track\"\0"},
	{"rows", fuzz_rows, "\\\0\t\0\n\0\\N\0\\\\x00ff\0\\b\0\\v\0a\0123\0-1.5e300\0Infinity\0"},
	{"json", fuzz_json, "\"\0\\\0\n\0\x01\0\xc3\xa4\0\xf0\x9f\x98\x80\0\xed\xa0\x80\0\xff\0a\0"},
	{"image", fuzz_image,
	 "\x01\0\x03\0\x05\0\x07\0\x08\0\x10\0\x11\0\t\0\n\0\\N\0\\b\0007\0-0\0.5\0001e5\0NaN\0-Infinity\0"
	 "2026-11-23 10:00:00\0true\0\"\0\xc3\xa4\0\xff\0"},
	{"literals", fuzz_literals,
	 "\\x\0' OR 1\0' OR '\0\\'\0\\\0'\0\"\0`\0]\0--\0 */\0;\0)\0(\0009 OR 1\0001.5.5\0-9e+9\0NaN\0now\0"
	 "1e\0"
	 "0101\0"
	 "2026-01-01\0 10:00:00.5\0 BC\0-12:00:00\0Z\0infinity\0\xc3\xa4\0\xff\0\xc3\0$$\0E'\0"},
	{"conditions", fuzz_conditions,
	 "(\0)\0[\0]\0'\0''\0\\'\0\\\0\"\0`\0$$\0$x$\0$1\0?\0--\0-- \0\n\0#\0/\x2a\0*\x2f\0/\x2a!\0;\0E'\0e'\0"
	 "1e'\0x'\0U&'\0a\0t.a\0"
	 " AND \0::\0=\0"
	 "1\0{\0}\0:\0@\0,\0 \0\xc3\xa4\0\xff\0\r\0"},
	{"types", fuzz_types,
	 "\x01\0\x02\0\x03\0(\0)\0,\0'\0''\0\\\0\"\0[]\0;\0--\0/*\0*/\0 \0 10\0-2\0.\0\x80\0enum('a')\0set(\0varchar\0"
	 "character varying\0numeric\0interval\0 day to second\0timestamp\0 with time zone\0 unsigned\0 zerofill\0"
	 "public.\0citext\0geometry\0integer\0decimal\0text\0blob\0 primary\0 default\0 generated\0 as\0"},
	{"defaults", fuzz_defaults,
	 "\x01\0\x02\0\x03\0\x06\0\x09\0'\0''\0\\\0\"\0(\0)\0::\0text\0\"bit\"\0bytea\0[]\0;\0--\0/*\0*/\0 "
	 "\0-\0+\0007\0.5\0"
	 "e5\0E'\0b'\0x'\0ff\0now()\0current_timestamp\0(3)\0true\0null\0a\0\x80\0"},
	{"postgres_binary", fuzz_postgres_binary,
	 "\t\0\n\0\\N\0\\\\x00ff\0001\0t\0-123.4500\0000.0001\0002026-11-23 10:00:00.5\00012:30:00\0Infinity\0"
	 "00000000-1111-2222-3333-444444444444\0\x01\0\x02\0\x08\0\x09\0{}\0"},
	{"mysql_results", fuzz_mysql_results,
	 "\t\0\n\0\\N\0\x1e\0\\0\0table\0"
	 "1\0shop\0t\0int(11)\0id\0"
	 "0\0PRIMARY\0updated_at\0datetime(6)\0\xff\0"
	 "99999999999999999999\0-1\0I\0U\0\x02\0\x06\0"},
	{NULL, NULL, NULL},
};
