/* What the tests of validation and repair share; included by one source each. */
#ifndef PYTHIA_VALIDATE_TESTS_H
#define PYTHIA_VALIDATE_TESTS_H

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include "driver_tests.h"
#pragma GCC diagnostic pop

#include <unistd.h>

#include "core/json_read.h"
#include "folder.h"
#include "validate/validate.h"

/* Two connections to each engine, so that every engine can be source and target. */
#define ENGINES 3
static pythia_db *sources[ENGINES];
static pythia_db *targets[ENGINES];
static const char *const engine_names[ENGINES] = {"postgresql", "mysql", "sqlite"};
static char scratch[FOLDER_SIZE];

static int open_engines(void **state)
{
	static const pythia_open_options create = {.create = true};
	char file[FOLDER_SIZE + 20];

	(void) state;
	if (getenv("PG_URL") == NULL || getenv("MYSQL_URL") == NULL)
		fail_msg("PG_URL and MYSQL_URL are not set: run this through test/with-servers");
	if (!make_test_folder(scratch, "validate"))
		fail_msg("no folder in TMPDIR");
	snprintf(file, sizeof(file), "sqlite:///%s/a.db", scratch);
	for (int i = 0; i < 2; i++)
	{
		pythia_db **list = i == 0 ? sources : targets;

		list[0] = open_url(getenv("PG_URL"), NULL);
		list[1] = open_url(getenv("MYSQL_URL"), NULL);
		list[2] = open_url(file, &create);
	}
	/* one connection reads while the other writes */
	must(sources[2], "PRAGMA journal_mode = WAL");
	return 0;
}

static int close_engines(void **state)
{
	(void) state;
	for (int i = 0; i < ENGINES; i++)
	{
		pythia_db_close(sources[i]);
		pythia_db_close(targets[i]);
	}
	return remove_test_folder(scratch);
}

/* A table's quoted name, in the schema that unqualified names are read in. */
static inline const char *quoted(pythia_db *db, const char *table)
{
	static char texts[4][200];
	static int turn;
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	char *out = texts[turn++ % 4];

	pythia_dialect_table(pythia_dialect_of(db), &name, db->default_schema, table);
	snprintf(out, sizeof(texts[0]), "%s", name.data);
	pythia_buffer_free(&name);
	return out;
}

/* Runs a statement in which each % stands for the quoted table. */
static inline void run(pythia_db *db, const char *table, const char *statement)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	for (; *statement != '\0'; statement++)
	{
		if (*statement == '%')
			pythia_buffer_puts(&sql, quoted(db, table));
		else
			pythia_buffer_putc(&sql, *statement);
	}
	must(db, sql.data);
	pythia_buffer_free(&sql);
}

static inline void drop(pythia_db *db, const char *table)
{
	run(db, table, "DROP TABLE IF EXISTS %");
}

/* What a validation said, and the differences it named: "kind key [columns]" a line. */
typedef struct verdict
{
	pythia_validate_result result;
	pythia_buffer lines;
	pythia_error error;
	bool ok;
} verdict;

static inline bool note_difference(void *context, const pythia_difference *difference, pythia_error *error)
{
	pythia_buffer *lines = context;

	(void) error;
	pythia_buffer_printf(lines, "%s %s [", pythia_difference_name(difference->kind), difference->primary_key);
	for (int i = 0; i < difference->ncolumns; i++)
		pythia_buffer_printf(lines, "%s%s", i > 0 ? "," : "", difference->columns[i]);
	pythia_buffer_puts(lines, "]\n");
	assert_true((difference->source_row == NULL) == (difference->kind == PYTHIA_EXTRA));
	assert_true((difference->target_row == NULL) == (difference->kind == PYTHIA_MISSING));
	return true;
}

static inline pythia_node *read_json(const char *text)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_node *node = NULL;

	if (!pythia_json_read("options", text, &node, &error))
		fail_msg("%s: %s", text, error.message);
	return node;
}

/* options and config are JSON or NULL; the differences are looked at once more at once, unless options say so. */
static inline void validate_with(pythia_db *source, pythia_db *target, const char *table, const char *options,
								 const char *config, const pythia_host *host, verdict *v)
{
	pythia_node *options_tree = read_json(options != NULL ? options : "{\"recheck_after\": 0}");
	pythia_node *config_tree = read_json(config != NULL ? config : "{}");
	pythia_validate_options validate_options;
	pythia_sync_config sync_config;
	pythia_sync_job job = {.source = source, .target = target, .table = table, .config = &sync_config};
	const pythia_host *usual = source->host;

	*v = (verdict){.error = PYTHIA_ERROR_INIT};
	if (host != NULL)
		source->host = host;
	v->ok = pythia_sync_config_read(config_tree, NULL, table, &sync_config, &v->error) &&
			pythia_validate_options_read(options_tree, &validate_options, &v->error) &&
			pythia_validate_table(&job, &validate_options, note_difference, &v->lines, &v->result, &v->error);
	source->host = usual;
	pythia_node_free(options_tree);
	pythia_node_free(config_tree);
}

static inline void verdict_free(verdict *v)
{
	pythia_validate_result_free(&v->result);
	pythia_buffer_free(&v->lines);
	pythia_error_reset(&v->error);
}

/* Said with a failure; a test sets it. */
static char doing[300];

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* The lines in the order of their bytes: rows are named in an order of their keys or of the keys' digests. */
static inline void sort_lines(pythia_buffer *text)
{
	char *copy = pythia_strdup(pythia_buffer_text(text));
	char *lines[1000];
	int n = 0;

	for (char *line = strtok(copy, "\n"); line != NULL && n < 1000; line = strtok(NULL, "\n"))
		lines[n++] = line;
	qsort(lines, (size_t) n, sizeof(char *), compare_lines);
	pythia_buffer_clear(text);
	for (int i = 0; i < n; i++)
		pythia_buffer_printf(text, "%s\n", lines[i]);
	pythia_free(copy);
}

static inline void assert_lines(pythia_db *source, pythia_db *target, const char *table, const char *options,
								const char *config, const char *expected)
{
	pythia_buffer sorted = PYTHIA_BUFFER_INIT;
	verdict v;

	validate_with(source, target, table, options, config, NULL, &v);
	if (!v.ok)
		fail_msg("%s to %s, %s: %s (%s) %s", engine_names[source->engine], engine_names[target->engine], table,
				 v.error.message, v.error.detail != NULL ? v.error.detail : "",
				 v.error.context != NULL ? v.error.context : "");
	pythia_buffer_puts(&sorted, expected);
	sort_lines(&sorted);
	sort_lines(&v.lines);
	if (strcmp(pythia_buffer_text(&v.lines), pythia_buffer_text(&sorted)) != 0)
		fail_msg("%s to %s, %s %s: differences\n%swhere expected\n%s", engine_names[source->engine],
				 engine_names[target->engine], table, doing, pythia_buffer_text(&v.lines), expected);
	assert_int_equal(v.result.is_valid, expected[0] == '\0');
	pythia_buffer_free(&sorted);
	verdict_free(&v);
}

static inline void assert_equal(pythia_db *source, pythia_db *target, const char *table)
{
	assert_lines(source, target, table, NULL, NULL, "");
}

/* Makes a table of `type` columns (one spelling an engine) and fills in one row. */
static inline void one_row(int engine, bool target, const char *table, const char *const types[ENGINES],
						   const char *values)
{
	pythia_db *db = target ? targets[engine] : sources[engine];
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	drop(db, table);
	pythia_buffer_printf(&sql, "CREATE TABLE %s (id INTEGER NOT NULL PRIMARY KEY, %s)", quoted(db, table),
						 types[engine]);
	must(db, sql.data);
	pythia_buffer_clear(&sql);
	pythia_buffer_printf(&sql, "INSERT INTO %s VALUES (1, %s)", quoted(db, table), values);
	must(db, sql.data);
	pythia_buffer_free(&sql);
}

/* Synchronises a table by a config. */
static inline void copy(pythia_db *source, pythia_db *target, const char *table, const char *config)
{
	pythia_node *tree = read_json(config);
	pythia_sync_config sync_config;
	pythia_sync_job job = {.source = source, .target = target, .table = table, .config = &sync_config};
	pythia_sync_result result;
	pythia_error error = PYTHIA_ERROR_INIT;

	if (!pythia_sync_config_read(tree, NULL, table, &sync_config, &error) || !pythia_sync_table(&job, &result, &error))
		fail_msg("copying %s with %s: %s (%s) %s", table, config, error.message,
				 error.detail != NULL ? error.detail : "", error.context != NULL ? error.context : "");
	pythia_sync_result_free(&result);
	pythia_node_free(tree);
}

/* A repeatable sequence: xorshift64*. */
static uint64_t random_state = 0x9E3779B97F4A7C15u;

static inline uint64_t random_bits(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 2685821657736338717u;
}

static inline int random_below(int n)
{
	return (int) (random_bits() % (uint64_t) n);
}

#endif
