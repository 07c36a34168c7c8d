/*
 * What a catalogue says of a column, read and written anew: types and defaults that are right stay what they are, and
 * nothing that a source makes up for one becomes SQL.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "core/memory.h"
#include "dialect/dialect.h"
#include "sync/create/create.h"

enum
{
	PG = PYTHIA_POSTGRESQL,
	MY = PYTHIA_MYSQL,
	LITE = PYTHIA_SQLITE,
	ENGINES
};

static pythia_db servers[ENGINES] = {[PG] = {.engine = PYTHIA_POSTGRESQL},
									 [MY] = {.engine = PYTHIA_MYSQL, .is_mariadb = true},
									 [LITE] = {.engine = PYTHIA_SQLITE}};

/* --- types ------------------------------------------------------------------- */

typedef struct known
{
	int engine;
	const char *type; /* it stays as it is */
	pythia_kind kind;
} known;

static const known known_types[] = {
	{PG, "boolean", PYTHIA_KIND_BOOL},
	{PG, "numeric(10,2)", PYTHIA_KIND_DECIMAL},
	{PG, "numeric(3,-2)", PYTHIA_KIND_DECIMAL},
	{PG, "numeric", PYTHIA_KIND_DECIMAL},
	{PG, "character varying(20)", PYTHIA_KIND_TEXT},
	{PG, "character varying", PYTHIA_KIND_TEXT},
	{PG, "\"char\"", PYTHIA_KIND_TEXT},
	{PG, "citext", PYTHIA_KIND_TEXT},
	{PG, "\"public\".citext", PYTHIA_KIND_TEXT},
	{PG, "character(3)", PYTHIA_KIND_CHAR},
	{PG, "double precision", PYTHIA_KIND_DOUBLE},
	{PG, "timestamp(3) with time zone", PYTHIA_KIND_TIMESTAMPTZ},
	{PG, "timestamp without time zone", PYTHIA_KIND_TIMESTAMP},
	{PG, "time(2) with time zone", PYTHIA_KIND_TIME},
	{PG, "interval day to second(3)", PYTHIA_KIND_INTERVAL},
	{PG, "interval(3)", PYTHIA_KIND_INTERVAL},
	{PG, "interval year to month", PYTHIA_KIND_INTERVAL},
	{PG, "bit varying(10)", PYTHIA_KIND_OTHER},
	{PG, "bit(8)", PYTHIA_KIND_BIT},
	{PG, "inet", PYTHIA_KIND_OTHER},
	{PG, "int4multirange", PYTHIA_KIND_OTHER},
	{PG, "integer[]", PYTHIA_KIND_ARRAY},
	{PG, "numeric(10,2)[]", PYTHIA_KIND_ARRAY},
	{PG, "timestamp(3) with time zone[]", PYTHIA_KIND_ARRAY},
	{PG, "geometry(Point,4326)", PYTHIA_KIND_GEOMETRY},
	{MY, "tinyint(1)", PYTHIA_KIND_BOOL},
	{MY, "int(11)", PYTHIA_KIND_INT},
	{MY, "bigint(20) unsigned", PYTHIA_KIND_UINT},
	{MY, "int(5) unsigned zerofill", PYTHIA_KIND_UINT},
	{MY, "bigint unsigned", PYTHIA_KIND_UINT},
	{MY, "decimal(10,2) unsigned", PYTHIA_KIND_DECIMAL},
	{MY, "float(7,3)", PYTHIA_KIND_FLOAT},
	{MY, "double unsigned", PYTHIA_KIND_DOUBLE},
	{MY, "varchar(20)", PYTHIA_KIND_TEXT},
	{MY, "CHAR(36) CHARACTER SET ascii COLLATE ascii_bin", PYTHIA_KIND_CHAR},
	{MY, "varbinary(16)", PYTHIA_KIND_BYTES},
	{MY, "mediumtext", PYTHIA_KIND_TEXT},
	{MY, "datetime(6)", PYTHIA_KIND_TIMESTAMP},
	{MY, "year(4)", PYTHIA_KIND_YEAR},
	{MY, "bit(64)", PYTHIA_KIND_BIT},
	{MY, "inet6", PYTHIA_KIND_OTHER},
	{MY, "enum('a','it''s','b\\\\c','x,y)','ä')", PYTHIA_KIND_ENUM},
	{MY, "set('a','b')", PYTHIA_KIND_SET},
	{LITE, "INTEGER", PYTHIA_KIND_INT},
	{LITE, "UNSIGNED BIG INT", PYTHIA_KIND_UINT},
	{LITE, "VARCHAR(20)", PYTHIA_KIND_TEXT},
	{LITE, "VARCHAR (20)", PYTHIA_KIND_TEXT},
	{LITE, "DECIMAL(10, 2)", PYTHIA_KIND_DECIMAL},
	{LITE, "DECIMAL(+10,-2)", PYTHIA_KIND_DECIMAL},
	{LITE, "DOUBLE PRECISION", PYTHIA_KIND_DOUBLE},
	{LITE, "NATIVE CHARACTER(70)", PYTHIA_KIND_TEXT},
	{LITE, "timestamp with time zone", PYTHIA_KIND_OTHER},
	{LITE, "FLOAT(10.5)", PYTHIA_KIND_DOUBLE},
	{LITE, "text[]", PYTHIA_KIND_TEXT},
	{LITE, "my type", PYTHIA_KIND_OTHER},
	{LITE, "größe", PYTHIA_KIND_OTHER},
	{LITE, "", PYTHIA_KIND_OTHER},
};

static void test_known_types(void **state)
{
	(void) state;
	for (size_t i = 0; i < sizeof(known_types) / sizeof(known_types[0]); i++)
	{
		const known *it = &known_types[i];
		pythia_type type;

		pythia_dialect_for(it->engine)->parse_type(it->type, &type);
		if (type.native == NULL || strcmp(type.native, it->type) != 0 || type.kind != it->kind || type.unread != NULL)
			fail_msg("%s became %s, %s", it->type, type.native != NULL ? type.native : "nothing",
					 pythia_kind_name(type.kind));
		pythia_type_free(&type);
	}
}

static void test_labels(void **state)
{
	static const char *const labels[] = {"a", "it's", "b\\c", "x,y)", "d\ne"};
	pythia_type type;
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	(void) state;
	pythia_dialect_for(PYTHIA_MYSQL)->parse_type("enum('a','it''s','b\\\\c','x,y)','d\\ne')", &type);
	assert_int_equal(type.nlabels, 5);
	for (int i = 0; i < 5; i++)
		assert_string_equal(type.labels[i], labels[i]);
	assert_true(pythia_dialect_for(PYTHIA_MYSQL)->type_ddl(&servers[MY], &type, false, &out, NULL));
	assert_string_equal(out.data, "ENUM('a','it''s','b\\\\c','x,y)','d\ne')");
	pythia_buffer_free(&out);
	pythia_type_free(&type);
}

/* What no catalogue of an honest server says. */
static const char *const hostile_types[] = {
	"TEXT); ATTACH 'x' AS v; DELETE FROM v.money; --",
	"integer); DROP TABLE money; --",
	"int DEFAULT (SELECT 1)",
	"INTEGER PRIMARY KEY",
	"TEXT NOT NULL",
	"TEXT COLLATE NOCASE",
	"TEXT REFERENCES money",
	"TEXT CHECK (edit('x'))",
	"INT GENERATED ALWAYS AS (1)",
	"text, x text",
	"varchar(20",
	"varchar(20))",
	"varchar(20)(20)",
	"numeric(1,2,3)",
	"numeric(1); x",
	"text[] DEFAULT '{}'",
	"integer[1]",
	"enum('a'), x enum('b')",
	"enum('a','b'') , x int default (''x')",
	"enum('a\\'), evil int, x enum('b')",
	"enum('a' /* ', */)",
	"set(x)",
	"enum()",
	"text /* unfinished",
	"text -- \n); x",
	"text;",
	"\"text\"",
	"`text`",
	"'text'",
	"text'",
	"text\"",
	"text`",
	"timestamp with time zone at time zone 'UTC'",
	"int unsigned auto_increment",
	"varchar(20) character set latin1; x",
	"pg_catalog.text); x",
	"public.citext\"; x",
	"x'00'",
	"$$x$$",
	"varchar(2e9) x",
	"\xff\xfe'",
};

/* A piece of a definition is one where it stays within its parentheses and its quotes, and ends no statement. */
static bool stays_inside(int engine, const char *piece)
{
	int depth = 0;

	for (const char *at = piece; *at != '\0'; at++)
	{
		if (*at == '\'' || *at == '"')
		{
			char quote = *at;

			for (at++; *at != quote || at[1] == quote; at++)
			{
				at += *at == quote || (*at == '\\' && quote == '\'' && engine != LITE);
				if (*at == '\0')
					return false;
			}
			continue;
		}
		if (strchr(";`\\", *at) != NULL || strncmp(at, "--", 2) == 0 || strncmp(at, "/*", 2) == 0)
			return false;
		depth += *at == '(' ? 1 : *at == ')' ? -1 : 0;
		if (depth < 0 || (depth == 0 && *at == ','))
			return false;
	}
	return depth == 0;
}

static void test_hostile_types(void **state)
{
	(void) state;
	for (size_t i = 0; i < sizeof(hostile_types) / sizeof(hostile_types[0]); i++)
	{
		for (int from = 0; from < ENGINES; from++)
		{
			pythia_type type;

			pythia_dialect_for(from)->parse_type(hostile_types[i], &type);
			/* a comment is a blank, and text[] a type of SQLite's */
			if (type.native != NULL && !stays_inside(from, type.native))
				fail_msg("%s: %s", hostile_types[i], type.native);
			if (type.native == NULL)
				assert_non_null(type.unread);
			for (int to = 0; to < ENGINES; to++)
			{
				pythia_buffer out = PYTHIA_BUFFER_INIT;
				pythia_error error = PYTHIA_ERROR_INIT;
				pythia_type written;

				if (!pythia_dialect_for(to)->type_ddl(&servers[to], &type, false, &out, &error))
					fail_msg("%s: %s", hostile_types[i], error.message);
				if (!stays_inside(to, out.data))
					fail_msg("%s became %s", hostile_types[i], out.data);
				/* it is a type there, and the same once more */
				pythia_dialect_for(to)->parse_type(out.data, &written);
				assert_non_null(written.native);
				assert_int_equal(strcasecmp(written.native, out.data), 0);
				pythia_type_free(&written);
				pythia_buffer_free(&out);
			}
			pythia_type_free(&type);
		}
	}
}

/* Words that SQLite reads as the beginning of something else are no part of a type, however it was written. */
static void test_reserved_words(void **state)
{
	static const char *const types[] = {"INTEGER PRIMARY KEY",
										"TEXT NOT NULL",
										"TEXT UNIQUE",
										"TEXT DEFAULT x",
										"TEXT COLLATE NOCASE",
										"TEXT REFERENCES money",
										"a AS",
										"INT GENERATED ALWAYS",
										"TEXT CONSTRAINT c",
										"TEXT CHECK",
										"text null",
										"VARCHAR(max)"};
	pythia_type type;

	(void) state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
	{
		pythia_dialect_for(PYTHIA_SQLITE)->parse_type(types[i], &type);
		if (type.native != NULL)
			fail_msg("%s was taken for a type", types[i]);
		pythia_type_free(&type);
	}
}

/* --- defaults ------------------------------------------------------------------ */

typedef struct told
{
	int engine;
	const char *expression;
	pythia_default_kind kind;
	const char *text;
} told;

static const told told_defaults[] = {
	{PG, "'it''s'::text", PYTHIA_DEFAULT_TEXT, "it's"},
	{PG, "'a\\b'::character varying", PYTHIA_DEFAULT_TEXT, "a\\b"},
	{PG, "E'a\\\\b'::text", PYTHIA_DEFAULT_TEXT, "a\\b"},
	{PG, "' a::b '::text", PYTHIA_DEFAULT_TEXT, " a::b "},
	{PG, "'x'::\"My Schema\".\"My Type\"", PYTHIA_DEFAULT_TEXT, "x"},
	{PG, "('x'::text)::character varying(20)", PYTHIA_DEFAULT_TEXT, "x"},
	{PG, "'-1.50'::numeric(10,2)", PYTHIA_DEFAULT_TEXT, "-1.50"},
	{PG, "1.239::numeric(3,2)", PYTHIA_DEFAULT_UNREAD, "1.239::numeric(3,2)"},
	{PG, "(1.7)::integer", PYTHIA_DEFAULT_EXPRESSION, "(1.7)::integer"},
	{PG, "'abc'::character varying(2)", PYTHIA_DEFAULT_UNREAD, "'abc'::character varying(2)"},
	{PG, "('101'::\"bit\")::bit(8)", PYTHIA_DEFAULT_BITS, "10100000"},
	{PG, "'101'::bit(8)", PYTHIA_DEFAULT_BITS, "10100000"},
	{PG, "('101'::\"bit\")::bit(2)", PYTHIA_DEFAULT_BITS, "10"},
	{PG, "7", PYTHIA_DEFAULT_NUMBER, "7"},
	{PG, "(3)::smallint", PYTHIA_DEFAULT_NUMBER, "3"},
	{PG, "(-1.5)", PYTHIA_DEFAULT_NUMBER, "-1.5"},
	{PG, "true", PYTHIA_DEFAULT_BOOL, "1"},
	{PG, "now()", PYTHIA_DEFAULT_NOW, NULL},
	{PG, "CURRENT_TIMESTAMP(3)", PYTHIA_DEFAULT_NOW, NULL},
	{PG, "LOCALTIMESTAMP", PYTHIA_DEFAULT_NOW, NULL},
	{PG, "NULL::character varying", PYTHIA_DEFAULT_NONE, NULL},
	{PG, "'101'::\"bit\"", PYTHIA_DEFAULT_BITS, "101"},
	{PG, "'\\x00ff'::bytea", PYTHIA_DEFAULT_BYTES, "\\x00ff"},
	{PG, "md5('x'::text)", PYTHIA_DEFAULT_EXPRESSION, "pg_catalog.md5('x'::text)"},
	{PG, "('a'::text || 'b'::text)", PYTHIA_DEFAULT_EXPRESSION, "('a'::text || 'b'::text)"},
	{PG, "(now() AT TIME ZONE 'utc'::text)", PYTHIA_DEFAULT_EXPRESSION, "(pg_catalog.now() AT TIME ZONE 'utc'::text)"},
	{PG, "gen_random_uuid()", PYTHIA_DEFAULT_EXPRESSION, "pg_catalog.gen_random_uuid()"},
	{PG, "(CURRENT_DATE + '1 mon'::interval)", PYTHIA_DEFAULT_EXPRESSION, "(current_date + '1 mon'::interval)"},
	{PG, "('x'::text)::character varying(20) || 'y'", PYTHIA_DEFAULT_UNREAD,
	 "('x'::text)::character varying(20) || 'y'"},
	{PG, "public.gen_random_uuid()", PYTHIA_DEFAULT_UNREAD, "public.gen_random_uuid()"},
	{PG, "nextval('s'::regclass)", PYTHIA_DEFAULT_UNREAD, "nextval('s'::regclass)"},
	{PG, "pg_read_file('x'::text)", PYTHIA_DEFAULT_UNREAD, "pg_read_file('x'::text)"},
	{PG, "now", PYTHIA_DEFAULT_UNREAD, "now"},
	{MY, "'it''s'", PYTHIA_DEFAULT_TEXT, "it's"},
	{MY, "'it\\'s'", PYTHIA_DEFAULT_TEXT, "it's"},
	{MY, "'b\\\\c\\n'", PYTHIA_DEFAULT_TEXT, "b\\c\n"},
	{MY, "000.00", PYTHIA_DEFAULT_NUMBER, "000.00"},
	{MY, "-7", PYTHIA_DEFAULT_NUMBER, "-7"},
	{MY, "b'101'", PYTHIA_DEFAULT_BITS, "101"},
	{MY, "current_timestamp(3)", PYTHIA_DEFAULT_NOW, NULL},
	{MY, "current_timestamp()", PYTHIA_DEFAULT_NOW, NULL},
	{MY, "(1 + 2)", PYTHIA_DEFAULT_EXPRESSION, "(1 + 2)"},
	{MY, "uuid()", PYTHIA_DEFAULT_EXPRESSION, "uuid()"},
	{MY, "(current_timestamp() + interval 1 DAY)", PYTHIA_DEFAULT_EXPRESSION, "(current_timestamp() + INTERVAL 1 day)"},
	{MY, "concat(_utf8mb3'it\\'s',Lower(uuid()))", PYTHIA_DEFAULT_EXPRESSION, "concat('it''s', lower(uuid()))"},
	{MY, "_utf8mb4'[]'", PYTHIA_DEFAULT_TEXT, "[]"},
	{MY, "_latin1'a'", PYTHIA_DEFAULT_UNREAD, "_latin1'a'"},
	{MY, "_utf8mb4 'a'", PYTHIA_DEFAULT_UNREAD, "_utf8mb4 'a'"},
	{MY, "(`id` + 1)", PYTHIA_DEFAULT_UNREAD, "(`id` + 1)"},
	{MY, "uuid() or load_file('x')", PYTHIA_DEFAULT_UNREAD, "uuid() or load_file('x')"},
	{MY, "1 || 2", PYTHIA_DEFAULT_UNREAD, "1 || 2"},
	{MY, "- - 1", PYTHIA_DEFAULT_EXPRESSION, "- - 1"},
	{MY, "(now() + interval 1 day_hour)", PYTHIA_DEFAULT_UNREAD, "(now() + interval 1 day_hour)"},
	{MY, "'a\\0b'", PYTHIA_DEFAULT_UNREAD, "'a\\0b'"},
	{LITE, "'it''s'", PYTHIA_DEFAULT_TEXT, "it's"},
	{LITE, "'a\\'", PYTHIA_DEFAULT_TEXT, "a\\"},
	{LITE, "\"x y\"", PYTHIA_DEFAULT_TEXT, "x y"},
	{LITE, "abc", PYTHIA_DEFAULT_TEXT, "abc"},
	{LITE, "-  5", PYTHIA_DEFAULT_NUMBER, "-5"},
	{LITE, "+1.5e3", PYTHIA_DEFAULT_NUMBER, "1.5e3"},
	{LITE, "((7))", PYTHIA_DEFAULT_NUMBER, "7"},
	{LITE, "x'00Ff'", PYTHIA_DEFAULT_BYTES, "\\x00Ff"},
	{LITE, "TRUE", PYTHIA_DEFAULT_BOOL, "1"},
	{LITE, "null", PYTHIA_DEFAULT_NONE, NULL},
	{LITE, "current_timestamp", PYTHIA_DEFAULT_NOW, NULL},
	{LITE, "current_date", PYTHIA_DEFAULT_EXPRESSION, "current_date"},
	{LITE, "datetime('now')", PYTHIA_DEFAULT_EXPRESSION, "datetime('now')"},
	{LITE, "lower(hex(randomblob(16)))", PYTHIA_DEFAULT_EXPRESSION, "lower(hex(randomblob(16)))"},
	{LITE, "randomblob(1000000000)", PYTHIA_DEFAULT_UNREAD, "randomblob(1000000000)"},
	{LITE, "zeroblob(9)", PYTHIA_DEFAULT_UNREAD, "zeroblob(9)"},
	{PG, "rpad('x'::text, 1000000000)", PYTHIA_DEFAULT_UNREAD, "rpad('x'::text, 1000000000)"},
	{MY, "hex(hex(hex(hex(hex(hex(hex(hex(hex(hex(1))))))))))", PYTHIA_DEFAULT_UNREAD,
	 "hex(hex(hex(hex(hex(hex(hex(hex(hex(hex(1))))))))))"},
	{LITE, "edit('x')", PYTHIA_DEFAULT_UNREAD, "edit('x')"},
	{LITE, "'a' | | 'b'", PYTHIA_DEFAULT_UNREAD, "'a' | | 'b'"},
	{LITE, "\"date\"('now')", PYTHIA_DEFAULT_UNREAD, "\"date\"('now')"},
	{LITE, "0x1F", PYTHIA_DEFAULT_UNREAD, "0x1F"},
	{LITE, "", PYTHIA_DEFAULT_NONE, NULL},
};

static void test_defaults(void **state)
{
	(void) state;
	for (size_t i = 0; i < sizeof(told_defaults) / sizeof(told_defaults[0]); i++)
	{
		const told *it = &told_defaults[i];
		pythia_default value;

		pythia_default_read(it->engine, it->expression, &value);
		if (value.kind != it->kind || (it->text == NULL) != (value.text == NULL) ||
			(it->text != NULL && strcmp(it->text, value.text) != 0))
			fail_msg("%s became %d, %s", it->expression, value.kind, value.text != NULL ? value.text : "nothing");
		pythia_default_free(&value);
	}
}

static const char *const hostile_defaults[] = {
	"'x''",
	"'); ATTACH 'x' AS v; --'",
	"'a' || (SELECT edit('x'))",
	"'a'; DROP TABLE money",
	"'a\\'); DROP TABLE money; --'",
	"E'a\\'); DROP TABLE money; --'",
	"'a'::text); DROP TABLE money; --",
	"'a'::\"x\"\"y\" ; z",
	"1); DROP TABLE money; --",
	"1 /* ",
	"1 -- x",
	"-(1)",
	"--1",
	"- -1",
	"1.5.5",
	"1e",
	"now() + edit('x')",
	"now(); x",
	"now('x')",
	"CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP; x",
	"b'2'",
	"b '1'",
	"x'0'",
	"x'zz'",
	"x''; --'",
	"true AND edit('x')",
	"NULL, evil text",
	"nextval('money')",
	"((((((((((((((((((((((((((((((((((((((((1))))))))))))))))))))))))))))))))))))))))",
	"(1",
	"1)",
	"`a`",
	"[a]",
	"\"a\" || \"b\"",
	"$$a$$",
	"_utf8mb4'a'",
	"U&'\\0041'",
	"N'a'",
	"'a' 'b'",
	"a b",
	"\x01",
};

static const pythia_kind written_kinds[] = {PYTHIA_KIND_BOOL,   PYTHIA_KIND_INT,         PYTHIA_KIND_DECIMAL,
											PYTHIA_KIND_DOUBLE, PYTHIA_KIND_TEXT,        PYTHIA_KIND_CHAR,
											PYTHIA_KIND_ENUM,   PYTHIA_KIND_BIT,         PYTHIA_KIND_YEAR,
											PYTHIA_KIND_BYTES,  PYTHIA_KIND_TIMESTAMPTZ, PYTHIA_KIND_OTHER};

/* Where anything is written for it at all, it is one literal. */
static void test_hostile_defaults(void **state)
{
	(void) state;
	for (size_t i = 0; i < sizeof(hostile_defaults) / sizeof(hostile_defaults[0]); i++)
	{
		for (int from = 0; from < ENGINES; from++)
		{
			pythia_default value;

			pythia_default_read(from, hostile_defaults[i], &value);
			for (size_t k = 0; k < ENGINES * sizeof(written_kinds) / sizeof(written_kinds[0]); k++)
			{
				int to = (int) (k % ENGINES);
				pythia_type type = {.kind = written_kinds[k / ENGINES], .precision = 6, .length = 20};
				pythia_buffer out = PYTHIA_BUFFER_INIT;

				if (pythia_default_ddl(&value, &servers[to], &type, &out) && !stays_inside(to, out.data))
					fail_msg("%s became %s", hostile_defaults[i], out.data);
				pythia_buffer_free(&out);
			}
			pythia_default_free(&value);
		}
	}
	/* the one that once passed for a literal */
	for (int from = 0; from < ENGINES; from++)
	{
		pythia_default value;

		pythia_default_read(from, "'x''", &value);
		assert_int_equal(value.kind, PYTHIA_DEFAULT_UNREAD);
		pythia_default_free(&value);
	}
}

static void test_written_defaults(void **state)
{
	static const struct
	{
		int from;
		const char *expression;
		int to;
		pythia_type type;
		const char *written; /* NULL: left out */
	} all[] = {
		{PG, "'it''s \\'::text", PG, {.kind = PYTHIA_KIND_TEXT}, "E'it''s \\\\'"},
		{PG, "'it''s \\'::text", MY, {.kind = PYTHIA_KIND_TEXT}, "'it''s \\\\'"},
		{PG, "'it''s \\'::text", LITE, {.kind = PYTHIA_KIND_TEXT}, "'it''s \\'"},
		{MY, "'7'", PG, {.kind = PYTHIA_KIND_INT}, "7"},
		{MY, "'7; x'", PG, {.kind = PYTHIA_KIND_INT}, NULL},
		{MY, "'1.2.3'", PG, {.kind = PYTHIA_KIND_DECIMAL}, NULL},
		{MY, "'.'", PG, {.kind = PYTHIA_KIND_DECIMAL}, NULL},
		{MY, "1", PG, {.kind = PYTHIA_KIND_BOOL}, "true"},
		{PG, "false", MY, {.kind = PYTHIA_KIND_BOOL}, "0"},
		{LITE, "TRUE", MY, {.kind = PYTHIA_KIND_INT}, "1"},
		{MY, "b'101'", PG, {.kind = PYTHIA_KIND_BIT, .length = 8}, "'00000101'"},
		{PG, "'00000101'::\"bit\"", MY, {.kind = PYTHIA_KIND_BIT, .length = 8}, "b'00000101'"},
		{PG, "'101'::\"bit\"", MY, {.kind = PYTHIA_KIND_BIT, .length = 2}, NULL},
		{LITE, "x'00ff'", PG, {.kind = PYTHIA_KIND_BYTES, .length = -1}, "E'\\\\x00ff'::bytea"},
		{LITE, "x'00ff'", MY, {.kind = PYTHIA_KIND_BYTES, .length = -1}, "x'00ff'"},
		{LITE, "x'00ff'", MY, {.kind = PYTHIA_KIND_BYTES, .length = 1}, NULL},
		{PG, "now()", MY, {.kind = PYTHIA_KIND_TIMESTAMP, .precision = 6}, "CURRENT_TIMESTAMP(6)"},
		{PG, "now()", LITE, {.kind = PYTHIA_KIND_TEXT}, NULL},
		{PG, "'2024-02-29'::date", MY, {.kind = PYTHIA_KIND_DATE}, "'2024-02-29'"},
		{PG, "'infinity'::date", PG, {.kind = PYTHIA_KIND_DATE}, "'infinity'"},
		{MY, "'0000-00-00'", PG, {.kind = PYTHIA_KIND_DATE}, NULL},
		{LITE, "'2023-02-29'", PG, {.kind = PYTHIA_KIND_DATE}, NULL},
		{LITE, "'2024-02-29''; x'", PG, {.kind = PYTHIA_KIND_DATE}, NULL},
		{LITE, "'2024-02-29 x'", PG, {.kind = PYTHIA_KIND_TIMESTAMP, .precision = 6}, NULL},
		{PG,
		 "'2026-01-01 02:00:00.5+01'::timestamp with time zone",
		 PG,
		 {.kind = PYTHIA_KIND_TIMESTAMPTZ, .precision = 6},
		 "'2026-01-01 01:00:00.5+00'"},
		{PG,
		 "'2026-01-01 00:00:00+00'::timestamp with time zone",
		 LITE,
		 {.kind = PYTHIA_KIND_TIMESTAMPTZ, .precision = 6},
		 "'2026-01-01 00:00:00Z'"},
		{PG,
		 "'2026-01-01 00:00:00+00'::timestamp with time zone",
		 MY,
		 {.kind = PYTHIA_KIND_TIMESTAMPTZ, .precision = 6},
		 "'2026-01-01 00:00:00'"},
		{PG,
		 "'2039-01-01 00:00:00+00'::timestamp with time zone",
		 MY,
		 {.kind = PYTHIA_KIND_TIMESTAMPTZ, .precision = 6},
		 NULL},
		{PG, "'now'::timestamp", PG, {.kind = PYTHIA_KIND_TIMESTAMP, .precision = 6}, NULL},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
	{
		pythia_default value;
		pythia_buffer out = PYTHIA_BUFFER_INIT;
		bool written;

		pythia_default_read(all[i].from, all[i].expression, &value);
		written = pythia_default_ddl(&value, &servers[all[i].to], &all[i].type, &out);
		if (written != (all[i].written != NULL) || (written && strcmp(out.data, all[i].written) != 0))
			fail_msg("%s became %s", all[i].expression, written ? out.data : "nothing");
		pythia_default_free(&value);
		pythia_buffer_free(&out);
	}
}

/* An enumeration takes one of its labels; what is shown of a text is no more than shown. */
static void test_edges(void **state)
{
	pythia_type mood;
	pythia_type type;
	pythia_default value;
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	(void) state;
	pythia_dialect_for(PYTHIA_MYSQL)->parse_type("enum('a','b')", &mood);
	pythia_default_read(PYTHIA_POSTGRESQL, "'c'::mood", &value);
	assert_false(pythia_default_ddl(&value, &servers[MY], &mood, &out));
	pythia_default_free(&value);
	pythia_default_read(PYTHIA_POSTGRESQL, "'b'::mood", &value);
	assert_true(pythia_default_ddl(&value, &servers[MY], &mood, &out));
	assert_string_equal(out.data, "'b'");
	pythia_default_free(&value);
	pythia_buffer_free(&out);
	pythia_type_free(&mood);
	pythia_dialect_for(PYTHIA_SQLITE)->parse_type("a'\x1b[2J\nb\xc2\x9b\xff", &type);
	assert_string_equal(type.unread, "a'\\x1b[2J\\nb\\u009b\\xff");
	pythia_type_free(&type);
	/* numbers beyond any size do not make anybody allocate it */
	pythia_dialect_for(PYTHIA_SQLITE)->parse_type("DECIMAL(9999999999,9999999999)", &type);
	assert_int_equal(type.precision, -1);
	pythia_type_free(&type);
	pythia_dialect_for(PYTHIA_SQLITE)->parse_type("BIT(999999999)", &type);
	assert_int_equal(type.length, -1);
	pythia_type_free(&type);
}

/* What one engine reads as a literal, a blank or a name, another reads as something else: each text is read as its own
 * engine reads it, and what its catalogue never writes is not believed. */
static void test_own_tokens(void **state)
{
	static const told unread[] = {
		{MY, "E'a'", PYTHIA_DEFAULT_UNREAD, NULL},         {LITE, "E'a'", PYTHIA_DEFAULT_UNREAD, NULL},
		{PG, "E'a\\Zb'", PYTHIA_DEFAULT_UNREAD, NULL},     {PG, "E'a\\u0041'", PYTHIA_DEFAULT_UNREAD, NULL},
		{MY, "\"a\"", PYTHIA_DEFAULT_UNREAD, NULL},        {MY, "'a\\qb'", PYTHIA_DEFAULT_UNREAD, NULL},
		{MY, "1 /*! + 1 */", PYTHIA_DEFAULT_UNREAD, NULL}, {MY, "1 --x", PYTHIA_DEFAULT_UNREAD, NULL},
		{PG, "1 /* /* */", PYTHIA_DEFAULT_UNREAD, NULL},   {LITE, "'a\xff'", PYTHIA_DEFAULT_UNREAD, NULL},
		{PG, "$$a$$", PYTHIA_DEFAULT_UNREAD, NULL},        {PG, "0x1F", PYTHIA_DEFAULT_UNREAD, NULL},
	};
	static const told others[] = {
		{PG, "1 /* /* */ */", PYTHIA_DEFAULT_NUMBER, "1"},
		{MY, "1 -- x", PYTHIA_DEFAULT_NUMBER, "1"},
		{LITE, "-1.5E-07", PYTHIA_DEFAULT_NUMBER, "-1.5E-07"},
		{PG, "'1e-7'::real", PYTHIA_DEFAULT_TEXT, "1e-7"},
	};
	static const known types[] = {
		{PG, "`public`.citext"},
		{PG, "[public].citext"},
		{MY, "int /*! unsigned */"},
		{LITE, "te\xffxt"},
	};
	pythia_default value;
	pythia_type type;

	(void) state;
	for (size_t i = 0; i < sizeof(unread) / sizeof(unread[0]); i++)
	{
		pythia_default_read(unread[i].engine, unread[i].expression, &value);
		if (value.kind != PYTHIA_DEFAULT_UNREAD)
			fail_msg("%d, %s: was read as %s", unread[i].engine, unread[i].expression, value.text);
		pythia_default_free(&value);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
	{
		pythia_default_read(others[i].engine, others[i].expression, &value);
		assert_int_equal(value.kind, others[i].kind);
		assert_string_equal(value.text, others[i].text);
		pythia_default_free(&value);
	}
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
	{
		pythia_dialect_for(types[i].engine)->parse_type(types[i].type, &type);
		if (type.native != NULL)
			fail_msg("%d, %s: was read as %s", types[i].engine, types[i].type, type.native);
		pythia_type_free(&type);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_known_types),      cmocka_unit_test(test_labels),
									   cmocka_unit_test(test_hostile_types),    cmocka_unit_test(test_reserved_words),
									   cmocka_unit_test(test_defaults),         cmocka_unit_test(test_hostile_defaults),
									   cmocka_unit_test(test_written_defaults), cmocka_unit_test(test_edges),
									   cmocka_unit_test(test_own_tokens)};

	return cmocka_run_group_tests_name("definitions", tests, NULL, NULL);
}
