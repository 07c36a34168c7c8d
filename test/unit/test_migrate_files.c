/* What a migration reads of texts: files of statements, and definitions of SQLite's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/list.h"
#include "core/memory.h"
#include "migrate/catalog.h"
#include "migrate/statements.h"

#define PG   PYTHIA_POSTGRESQL
#define MY   PYTHIA_MYSQL
#define LITE PYTHIA_SQLITE

static const struct
{
	pythia_engine engine;
	const char *text;
	const char *statements; /* | between them; NULL: it is refused */
} files[] = {
	{PG, "", ""},
	{PG, " -- nothing\n/* ; */ ;;\n", ""},
	{PG, "SELECT 1;SELECT 2", "SELECT 1|SELECT 2"},
	{PG, "SELECT 'a;b', \"c;d\"; -- x;\n SELECT $$;$$;", "SELECT 'a;b', \"c;d\"|SELECT $$;$$"},
	{PG, "SELECT E'\\';' ;", "SELECT E'\\';'"},
	{PG, "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $x$ SELECT 1; $x$;\nSELECT 2;",
	 "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $x$ SELECT 1; $x$|SELECT 2"},
	{PG, "SELECT 'no end", NULL},
	{PG, "SELECT /* no end", NULL},
	{MY, "SELECT 'a\\';', `b;c`; # x;\nSELECT 2;", "SELECT 'a\\';', `b;c`|SELECT 2"},
	{MY, "/*!50000 DROP TABLE t */;", NULL},
	{LITE, "CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; SELECT 1; END; SELECT 2;",
	 "CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; SELECT 1; END|SELECT 2"},
	{LITE, "CREATE TABLE \"trigger;\" (a); SELECT [b;c];", "CREATE TABLE \"trigger;\" (a)|SELECT [b;c]"},
	{LITE, "SELECT ?1;", NULL},
};

static void files_are_cut_into_statements(void **state)
{
	(void) state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
	{
		pythia_error error = PYTHIA_ERROR_INIT;
		pythia_buffer got = PYTHIA_BUFFER_INIT;
		char **statements;
		int count;
		bool ok = pythia_statements_split(files[i].engine, "a.sql", files[i].text, &statements, &count, &error);

		assert_int_equal(ok, files[i].statements != NULL);
		for (int k = 0; k < count; k++)
			pythia_buffer_printf(&got, "%s%s", k > 0 ? "|" : "", statements[k]);
		if (ok)
			assert_string_equal(pythia_buffer_text(&got), files[i].statements);
		else
			assert_int_equal(error.error_class, PYTHIA_E_USAGE);
		pythia_list_free(statements, count);
		pythia_buffer_free(&got);
		pythia_error_reset(&error);
	}
}

/* A table of the columns a, b and c. */
static void open_table(pythia_catalog *catalog, pythia_catalog_table **table)
{
	static const char *const names[] = {"a", "b", "c"};

	memset(catalog, 0, sizeof(*catalog));
	*table = pythia_catalog_add_table(catalog);
	(*table)->table.name = pythia_strdup("t");
	(*table)->table.schema = pythia_strdup("main");
	(*table)->table.columns = pythia_calloc(3, sizeof(pythia_column));
	(*table)->columns = pythia_calloc(4, sizeof(pythia_catalog_column));
	for (int i = 0; i < 3; i++)
	{
		(*table)->table.columns[i].name = pythia_strdup(names[i]);
		(*table)->table.ncolumns++;
		(*table)->columns[i].name = (*table)->table.columns[i].name;
	}
}

static void definitions_of_sqlite_are_read(void **state)
{
	pythia_catalog catalog;
	pythia_catalog_table *table;

	(void) state;
	open_table(&catalog, &table);
	/* the pragma tells them last one first */
	pythia_catalog_add_foreign(table);
	pythia_catalog_add_foreign(table);
	pythia_catalog_sqlite_table(
		&catalog, table,
		"CREATE TABLE [t] (a INTEGER PRIMARY KEY AUTOINCREMENT CHECK (a > 0), -- ,\n \"b\" text COLLATE nocase"
		" CONSTRAINT \"one\" REFERENCES x (y) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED NOT NULL,"
		" c AS (a || ')') STORED, CONSTRAINT two CHECK ((b <> '(') AND (1)),"
		" FOREIGN KEY (a) REFERENCES z ON UPDATE CASCADE NOT DEFERRABLE)");
	assert_true(table->autoincrement);
	assert_int_equal(table->nchecks, 2);
	assert_null(table->checks[0].name);
	assert_string_equal(table->checks[0].expression, "a > 0");
	assert_string_equal(table->checks[1].name, "two");
	assert_string_equal(table->checks[1].expression, "(b <> '(') AND (1)");
	assert_string_equal(table->columns[1].collation, "nocase");
	assert_string_equal(table->columns[2].generated, "a || ')'");
	assert_true(table->columns[2].stored);
	assert_string_equal(table->foreigns[1].name, "one");
	assert_true(table->foreigns[1].deferrable && table->foreigns[1].deferred);
	assert_null(table->foreigns[0].name);
	assert_false(table->foreigns[0].deferrable);
	pythia_catalog_free(&catalog);
}

/* More of them than the pragma has told, and no end: nothing is written that is not there. */
static void broken_definitions_end(void **state)
{
	static const char *const broken[] = {
		"",
		"CREATE TABLE",
		"CREATE TABLE t (",
		"CREATE TABLE t (a REFERENCES",
		"CREATE TABLE t (a REFERENCES x (",
		"CREATE TABLE t (a CHECK",
		"CREATE TABLE t (a CHECK (",
		"CREATE TABLE t (a AS",
		"CREATE TABLE t (a AS (",
		"CREATE TABLE t (a REFERENCES x, b REFERENCES y ON, c REFERENCES z ON DELETE SET)",
		"CREATE TABLE t (a CONSTRAINT",
		"CREATE TABLE t (a COLLATE",
		"CREATE TABLE t (nobody AS (1), 'a",
		"CREATE VIRTUAL TABLE t USING fts5(a)"};

	(void) state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
	{
		pythia_catalog catalog;
		pythia_catalog_table *table;
		pythia_catalog_index *index;

		open_table(&catalog, &table);
		pythia_catalog_sqlite_table(&catalog, table, broken[i]);
		index = pythia_catalog_add_index(table);
		pythia_catalog_add_part(index);
		pythia_catalog_sqlite_index(&catalog, index, broken[i]);
		assert_null(index->where);
		pythia_catalog_free(&catalog);
	}
}

static void indexes_of_sqlite_are_read(void **state)
{
	pythia_catalog catalog;
	pythia_catalog_table *table;
	pythia_catalog_index *index;

	(void) state;
	open_table(&catalog, &table);
	index = pythia_catalog_add_index(table);
	pythia_catalog_add_part(index)->column = pythia_texts_keep(&catalog.texts, "a");
	pythia_catalog_add_part(index);
	pythia_catalog_sqlite_index(&catalog, index,
								"CREATE UNIQUE INDEX \"i (\" ON t (a DESC, lower(b || ',') COLLATE NOCASE ASC)"
								" WHERE b <> ';' -- x");
	assert_null(index->parts[0].expression);
	assert_string_equal(index->parts[1].expression, "lower(b || ',')");
	assert_string_equal(index->where, "b <> ';' -- x");
	pythia_catalog_free(&catalog);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_cut_into_statements),
		cmocka_unit_test(definitions_of_sqlite_are_read),
		cmocka_unit_test(broken_definitions_end),
		cmocka_unit_test(indexes_of_sqlite_are_read),
	};

	return cmocka_run_group_tests_name("migrate files", tests, NULL, NULL);
}
