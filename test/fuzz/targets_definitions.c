/* Types and defaults that a catalogue tells, and the definitions that come of them. */
#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "dialect/dialect.h"
#include "dialect/extras.h"
#include "dialect/formula.h"
#include "drivers/driver.h"
#include "sync/create/create.h"
#include "targets.h"

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

/* SQLite tells an expression without the parentheses that it has to be written in. */
static bool is_default(const char *told, const char *written)
{
	size_t length = strlen(told);

	return strcmp(told, written) == 0 || (written[0] == '(' && strlen(written) == length + 2 &&
										  strncmp(told, written + 1, length) == 0 && written[length + 1] == ')');
}

/* SQLite itself reads the definition as one column of that type, or with that default, and nothing more. */
static void check_by_sqlite(const char *type, const char *value, const char *wanted)
{
	pythia_db *memory = fuzz_memory_db();
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
	CHECK(!value || is_default(pythia_result_optional(&result, 0, 1), value));
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
		fuzz_check_error(&error);
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
	char *text = fuzz_text_of(data + (size > 0), size - (size > 0));
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

/* An expression that is written is one that would be read as it is. */
static void check_read_again(pythia_engine engine, const char *written)
{
	pythia_default again;

	pythia_default_read(engine, written, &again);
	CHECK(again.kind == PYTHIA_DEFAULT_EXPRESSION && strcmp(again.text, written) == 0);
	pythia_default_free(&again);
}

/* The first byte chooses the engine that tells it, the second the type of the column that it is for. */
void fuzz_defaults(const uint8_t *data, size_t size)
{
	size_t skipped = size < 2 ? size : 2;
	pythia_engine from = size > 0 ? data[0] % ENGINES : 0;
	pythia_type type = {.kind = size > 1 ? data[1] % (PYTHIA_KIND_OTHER + 1) : 0, .precision = 6, .length = 20};
	char *text = fuzz_text_of(data + skipped, size - skipped);
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
				check_by_sqlite("", out.data,
								type.kind == PYTHIA_KIND_TEXT && value.kind != PYTHIA_DEFAULT_EXPRESSION ? value.text
																										 : NULL);
			if (value.kind == PYTHIA_DEFAULT_EXPRESSION)
				check_read_again(to, value.text);
			/* a literal of one token: quotes, or no blank at all */
			else
				CHECK(strchr(out.data, '\'') || (!strchr(out.data, ' ') && (!number || !strchr(out.data, '('))));
		}
		pythia_buffer_free(&out);
	}
	pythia_default_free(&value);
	pythia_free(text);
}

/* The text stands between the parentheses of a CREATE TABLE. */
void fuzz_tables(const uint8_t *data, size_t size)
{
	pythia_db *memory = fuzz_memory_db();
	char *text = fuzz_text_of(data, size);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_extras extras = {0};
	pythia_error ignored = PYTHIA_ERROR_INIT;
	bool taken;

	/* AUTOINCREMENT leaves a table that nobody can drop */
	CHECK(memory->driver->begin(memory, PYTHIA_BEGIN_WRITE, NULL));
	pythia_buffer_printf(&sql, "CREATE TABLE f (%s)", text);
	taken = pythia_db_exec(memory, sql.data, NULL, &ignored);
	pythia_sqlite_read_definition(sql.data, &extras);
	for (int i = 0; i < extras.count; i++)
	{
		const pythia_extra *extra = &extras.items[i];
		bool there = extra->column == NULL;

		/* of what is no definition anything may be read */
		if (!taken)
			continue;
		CHECK(extra->name != NULL || extra->detail != NULL || extra->kind == PYTHIA_EXTRA_STRICT);
		CHECK(extra->kind != PYTHIA_EXTRA_UNREAD);
		pythia_buffer_clear(&sql);
		pythia_buffer_puts(&sql, "SELECT 1 FROM pragma_table_xinfo('f') WHERE name = ");
		if (!there)
		{
			pythia_dialect_for(PYTHIA_SQLITE)->literal(&sql, extra->column, strlen(extra->column));
			CHECK(pythia_db_any(memory, sql.data, &there, NULL));
		}
		CHECK(there);
	}
	CHECK(memory->driver->rollback(memory, NULL));
	pythia_error_reset(&ignored);
	pythia_extras_free(&extras);
	pythia_buffer_free(&sql);
	pythia_free(text);
}

/* A column by any name; its class is the name's. */
static bool put_any_column(void *context, const char *qualifier, const char *name, pythia_buffer *out,
						   pythia_class *found)
{
	(void) context;
	(void) qualifier;
	pythia_buffer_puts(out, "c");
	*found = (pythia_class) ((unsigned char) name[0] % (PYTHIA_CLASS_OTHER + 1));
	return true;
}

/* The first byte chooses the engine that tells it. */
void fuzz_formulas(const uint8_t *data, size_t size)
{
	pythia_engine from = size > 0 ? data[0] % ENGINES : 0;
	char *text = fuzz_text_of(data + (size > 0), size - (size > 0));

	for (size_t to = 0; to < ENGINES; to++)
	{
		pythia_formula_target target = {
			.from = &servers[from], .to = &servers[to], .column = put_any_column, .aggregates = size % 2 == 0};
		pythia_buffer out = PYTHIA_BUFFER_INIT;

		if (pythia_formula_translate(text, &target, size % 3 == 0, &out, NULL))
		{
			CHECK(out.length > 0);
			check_inside(to, out.data);
		}
		else
			CHECK(target.why != NULL);
		pythia_buffer_free(&out);
	}
	pythia_free(text);
}
