/* Expressions of one engine, said for another: what they become, and which are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/memory.h"
#include "dialect/formula.h"

#define PG   PYTHIA_POSTGRESQL
#define MY   PYTHIA_MYSQL
#define LITE PYTHIA_SQLITE

/* Columns: i an integer, n a decimal, f a double, t a text, b a truth value, e an enum, d a date; all others are none. */
static bool put_column(void *context, const char *qualifier, const char *name, pythia_buffer *out, pythia_class *found)
{
	static const char names[] = "inftbed";
	static const pythia_class classes[] = {PYTHIA_CLASS_INT,  PYTHIA_CLASS_DECIMAL, PYTHIA_CLASS_DOUBLE,
										   PYTHIA_CLASS_TEXT, PYTHIA_CLASS_BOOL,    PYTHIA_CLASS_ENUM,
										   PYTHIA_CLASS_DATE};
	const char *at = strchr(names, name[0]);

	(void) qualifier;
	if (at == NULL || name[0] == '\0' || (name[1] != '\0' && strcmp(name + 1, "\"`; x") != 0))
		return false;
	pythia_dialect_for(*(pythia_engine *) context)->identifier(out, name);
	*found = classes[at - names];
	return true;
}

typedef struct translation
{
	pythia_engine from;
	pythia_engine to;
	const char *text;
	const char *said; /* NULL: it is refused */
	bool condition;
} translation;

static void translate(const translation *it)
{
	pythia_engine to = it->to;
	pythia_db source = {.engine = it->from, .is_mariadb = it->from == MY};
	pythia_db target = {.engine = to, .is_mariadb = to == MY};
	pythia_formula_target where = {.from = &source, .to = &target, .column = put_column, .context = &to};
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	bool ok = pythia_formula_translate(it->text, &where, it->condition, &out, NULL);

	bool right = ok == (it->said != NULL) && (!ok || strcmp(out.data, it->said) == 0);

	if (!right)
		print_error("%d to %d: %.200s: %s%s\n", it->from, it->to, it->text, ok ? "is said " : "is refused, as ",
					ok ? out.data : where.why);
	assert_true(right);
	assert_true(ok || where.why != NULL);
	pythia_buffer_free(&out);
}

static const translation translations[] = {
	/* as PostgreSQL's catalogue writes them */
	{PG, MY, "((n >= (0)::numeric) AND (i < 10))", "((`n` >= 0) AND (`i` < 10))", true},
	{PG, LITE, "(t IS NOT NULL)", "(\"t\" IS NOT NULL)", true},
	{PG, MY, "(e = ANY (ARRAY['new'::state, 'it''s'::public.state]))", "(`e` IN ('new', 'it''s'))", true},
	{PG, PG, "((t)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))",
	 "(\"t\"::text IN ('a'::character varying, 'b'::character varying))", true},
	{PG, LITE, "(i <> ALL (ARRAY[1, 2]))", "(\"i\" NOT IN (1, 2))", true},
	{PG, MY, "((t)::text || '-'::text)", "concat(`t`, '-')", false},
	{PG, LITE, "lower((t)::text)", "lower(\"t\")", false},
	{PG, MY, "(n * (i)::numeric)", "(`n` * (`i` * 1.0))", false},
	{PG, MY, "(i / 2)", "(`i` DIV 2)", false},
	{PG, LITE, "(i / 2)", "(\"i\" / 2)", false},
	{PG, MY, "EXTRACT(year FROM d)", "EXTRACT(year FROM `d`)", false},
	{PG, LITE, "EXTRACT(month FROM d)", "CAST(strftime('%m', \"d\") AS INTEGER)", false},
	{PG, MY, "(d > '2000-01-01'::date)", "(`d` > '2000-01-01')", true},
	{PG, MY, "(b IS TRUE)", "(`b` IS TRUE)", true},
	{PG, LITE, "CASE WHEN (i > 0) THEN 'a'::text ELSE 'b'::text END", "CASE WHEN (\"i\" > 0) THEN 'a' ELSE 'b' END",
	 false},
	{PG, MY, "(i IS DISTINCT FROM 3)", "(NOT (`i` <=> 3))", true},
	{PG, LITE, "(i IS NOT DISTINCT FROM 3)", "(\"i\" IS 3)", true},
	{PG, MY, "((t)::text ~~ 'a%'::text)", "(`t` LIKE 'a%')", true},
	{PG, PG, "((t)::text ~ '^[a-z]+$'::text)", "(\"t\"::text ~ '^[a-z]+$'::text)", true},
	{PG, PG, "to_tsvector('english'::regconfig, t)", "pg_catalog.\"to_tsvector\"('english'::regconfig, \"t\")", false},
	{PG, PG, "date_trunc('day'::text, (d AT TIME ZONE 'UTC'::text))",
	 "pg_catalog.\"date_trunc\"('day'::text, (\"d\" AT TIME ZONE 'UTC'::text))", false},
	{PG, MY, "(d AT TIME ZONE 'UTC'::text)", NULL, false},
	{PG, PG, "\"substring\"(t, 1, 2)", "pg_catalog.\"substr\"(\"t\", 1, 2)", false},
	{PG, LITE, "COALESCE(t, 'x'::text)", "coalesce(\"t\", 'x')", false},
	{PG, MY, "(i = '-1'::integer)", "(`i` = (-1))", true},
	{PG, MY, "(length(t) > 0)", "(char_length(`t`) > 0)", true},
	{PG, MY, "(NOT (b AND (i > 1)))", "(NOT (`b` AND (`i` > 1)))", true},
	/* MySQL's and MariaDB's */
	{MY, PG, "`i` between 1 and 5 and `b` = 1", "((\"i\" BETWEEN 1 AND 5) AND (\"b\" = true))", true},
	{MY, PG, "`b`", "\"b\"", true},
	{MY, PG, "`i`", "(\"i\" <> 0)", true},
	{MY, PG, "`i` & 1", NULL, true},
	{MY, PG, "`i` / 2", "(\"i\"::numeric / 2)", false},
	{MY, LITE, "`i` / 2", "(\"i\" * 1.0 / 2)", false},
	{MY, PG, "`i` DIV 2", "(\"i\" / 2)", false},
	{MY, PG, "`i` MOD 2 = 1", "((\"i\" % 2) = 1)", true},
	{MY, PG, "concat(`t`,' ',`i`)", "(\"t\" || ' ' || \"i\"::text)", false},
	{MY, PG, "concat(`t`,' ',`n`)", NULL, false},
	{MY, PG, "octet_length(`t`) > 1", "(pg_catalog.\"octet_length\"(\"t\") > 1)", true},
	{MY, LITE, "octet_length(`t`) > 1", NULL, true},
	{MY, PG, "ifnull(`i`,0)", "coalesce(\"i\", 0)", false},
	{MY, PG, "if(`i` > 0,'y','n')", "CASE WHEN (\"i\" > 0) THEN 'y' ELSE 'n' END", false},
	{MY, PG, "`t` regexp 'a'", NULL, true},
	{MY, MY, "`t` regexp 'a\\\\.b'", "(`t` REGEXP 'a\\\\.b')", true},
	{MY, PG, "`e` in ('a','b\\'c')", "(\"e\" IN ('a', 'b''c'))", true},
	{MY, PG, "(`t` = _utf8mb4'a')", "(\"t\" = 'a')", true},
	{MY, PG, "year(`d`) > 2000", "(EXTRACT(year FROM \"d\")::integer > 2000)", true},
	{MY, PG, "`t` + 1", NULL, false},
	{MY, LITE, "1 or 0", "(1 OR 0)", true},
	{MY, PG, "`i` <=> NULL", "(\"i\" IS NOT DISTINCT FROM NULL)", true},
	/* SQLite's, as somebody wrote them */
	{LITE, PG, "i>0 and t<>''", "((\"i\" > 0) AND (\"t\" <> ''))", true},
	{LITE, PG, "i == -1 OR t IS NULL", "((\"i\" = (-1)) OR (\"t\" IS NULL))", true},
	{LITE, PG, "b", "\"b\"", true},
	{LITE, PG, "b IN (0,1)", "(\"b\" IN (false, true))", true},
	{LITE, MY, "t || 'x' || i", "concat(concat(`t`, 'x'), `i`)", false},
	{LITE, PG, "t LIKE 'a%'", NULL, true},
	{LITE, LITE, "t LIKE 'a%' AND t NOT GLOB '*[^a]*'", "((\"t\" LIKE 'a%') AND (\"t\" NOT GLOB '*[^a]*'))", true},
	{LITE, MY, "t <> \"odd\"", "(`t` <> 'odd')", true},
	{LITE, PG, "length(t) BETWEEN 1 AND 9 /* why */ -- and so on", "(pg_catalog.\"length\"(\"t\") BETWEEN 1 AND 9)",
	 true},
	{LITE, LITE, "strftime('%Y', d)", "strftime('%Y', \"d\")", false},
	{LITE, PG, "strftime('%Y', d)", NULL, false},
	{LITE, MY, "iif(i, 1, 2)", "CASE WHEN `i` THEN 1 ELSE 2 END", false},
	{LITE, LITE, "i ISNULL or i NOTNULL", "((\"i\" IS NULL) OR (\"i\" IS NOT NULL))", true},
	/* names and texts are the target's own */
	{PG, MY, "(\"i\"\"`; x\" > 0)", "(`i\"``; x` > 0)", true},
	{MY, PG, "(`i\"``; x` > 0)", "(\"i\"\"`; x\" > 0)", true},
	{PG, MY, "(t <> 'x'';\\ DROP'::text)", "(`t` <> 'x'';\\\\ DROP')", true},
	/* what may do more than compute, and what is no expression */
	{PG, PG, "f(i)", NULL, false},
	{PG, PG, "public.lower(t)", NULL, false},
	{PG, PG, "pg_catalog.pg_sleep(1)", NULL, false},
	{PG, PG, "pg_read_file('/etc/passwd'::text)", NULL, false},
	{PG, PG, "nextval('s'::regclass)", NULL, false},
	{PG, PG, "(i > (SELECT 1))", NULL, true},
	{PG, PG, "(i > 0); DROP TABLE x", NULL, true},
	{PG, PG, "i > 0) OR (1 = 1", NULL, true},
	{PG, PG, "(i OPERATOR(public.>) 0)", NULL, true},
	{PG, PG, "(i = x)", NULL, true},
	{PG, PG, "(t)::my_type", NULL, false},
	{PG, PG, "(t COLLATE \"C\")", NULL, false},
	{MY, MY, "sleep(1)", NULL, false},
	{MY, MY, "load_file('/etc/passwd')", NULL, false},
	{MY, MY, "`i` > /*!50000 sleep(1) */ 0", NULL, true},
	{MY, MY, "@x", NULL, false},
	{LITE, LITE, "load_extension('x')", NULL, false},
	{LITE, LITE, "randomblob(1000000000)", NULL, false},
	{LITE, LITE, "i > 0 --", "(\"i\" > 0)", true},
	{LITE, LITE, "i > 0 /*", NULL, true},
	{LITE, LITE, "EXISTS (SELECT 1)", NULL, true},
	{LITE, LITE, "i IN (SELECT 1)", NULL, true},
	{LITE, LITE, "t COLLATE NOCASE = 'a'", NULL, true},
	{LITE, LITE, "", NULL, true},
	{LITE, LITE, "()", NULL, true},
	{LITE, LITE, "i >", NULL, true},
	{LITE, LITE, "i i", NULL, true},
	{LITE, LITE, "CASE WHEN i THEN", NULL, false},
	{LITE, LITE, "1e400x", NULL, false},
	{LITE, LITE, "?1", NULL, false},
};

static void expressions_are_said(void **state)
{
	(void) state;
	for (size_t i = 0; i < sizeof(translations) / sizeof(translations[0]); i++)
		translate(&translations[i]);
}

/* Neither its depth nor its length takes more than the grammar gives. */
static void long_ones_end(void **state)
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;

	(void) state;
	for (int i = 0; i < 100000; i++)
		pythia_buffer_putc(&text, '(');
	translate(&(translation){PG, MY, text.data, NULL, true});
	pythia_buffer_clear(&text);
	for (int i = 0; i < 100000; i++)
		pythia_buffer_puts(&text, "NOT ");
	translate(&(translation){LITE, MY, text.data, NULL, true});
	pythia_buffer_clear(&text);
	for (int i = 0; i < 100000; i++)
		pythia_buffer_puts(&text, "- ");
	translate(&(translation){LITE, MY, text.data, NULL, true});
	pythia_buffer_clear(&text);
	pythia_buffer_puts(&text, "1");
	for (int i = 0; i < 100000; i++)
		pythia_buffer_puts(&text, " + 1");
	translate(&(translation){LITE, MY, text.data, NULL, true});
	pythia_buffer_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(expressions_are_said),
		cmocka_unit_test(long_ones_end),
	};

	return cmocka_run_group_tests_name("migrate expressions", tests, NULL, NULL);
}
