/* A sync's own table_map, column_map, key, columns and where, as a validation and a repair take them. */
#include "validate_tests.h"

#include "sync/condition.h"

/* --- conditions in the target's words ------------------------------------------------ */

static void test_conditions(void **state)
{
	static const struct
	{
		pythia_engine from, to;
		const char *condition;
		const char *expected;
	} cases[] = {
		{PYTHIA_POSTGRESQL, PYTHIA_MYSQL, "amount > 0", "`Total` > 0"},
		{PYTHIA_POSTGRESQL, PYTHIA_MYSQL, "AMOUNT>0 and kind='amount'", "`Total`>0 and `kind`='amount'"},
		{PYTHIA_POSTGRESQL, PYTHIA_MYSQL, "\"amount\" IS NULL OR \"it's\" = 'it''s'",
		 "`Total` IS NULL OR `it's` = 'it''s'"},
		{PYTHIA_POSTGRESQL, PYTHIA_POSTGRESQL, "orders.amount = public.orders.amount + 1e5",
		 "\"Orders\".\"Total\" = \"Orders\".\"Total\" + 1e5"},
		{PYTHIA_POSTGRESQL, PYTHIA_POSTGRESQL, "amount::amount > amount(amount)",
		 "\"Total\"::amount > amount(\"Total\")"},
		{PYTHIA_POSTGRESQL, PYTHIA_POSTGRESQL, "kind = E'a\\'amount' AND kind <> $x$amount$x$ -- amount\n/* amount */",
		 "\"kind\" = E'a\\'amount' AND \"kind\" <> $x$amount$x$ -- amount\n/* amount */"},
		{PYTHIA_POSTGRESQL, PYTHIA_MYSQL, "date '2026-01-01' < date", "date '2026-01-01' < `day`"},
		{PYTHIA_MYSQL, PYTHIA_POSTGRESQL, "`amount` > 0 AND kind = \"am\"\"ou'nt\\\"\"",
		 "\"Total\" > 0 AND \"kind\" = 'am\"ou''nt\"'"},
		{PYTHIA_MYSQL, PYTHIA_MYSQL, "kind = 'a\\'amount' AND amount > .5", "`kind` = 'a\\'amount' AND `Total` > .5"},
		{PYTHIA_SQLITE, PYTHIA_POSTGRESQL, "[amount] > 0 OR `amount` < 1 OR \"amount\" = 2",
		 "\"Total\" > 0 OR \"Total\" < 1 OR \"Total\" = 2"},
		{PYTHIA_SQLITE, PYTHIA_SQLITE, "x_amount > amount_x OR hidden = 1", "x_amount > amount_x OR hidden = 1"},
		{PYTHIA_POSTGRESQL, PYTHIA_POSTGRESQL, "kind = 'unclosed", NULL},
		{PYTHIA_POSTGRESQL, PYTHIA_POSTGRESQL, "", NULL},
		{PYTHIA_POSTGRESQL, PYTHIA_POSTGRESQL, "amount > 0) OR (true", NULL},
		/* a string means the same there, and ends where it did */
		{PYTHIA_MYSQL, PYTHIA_POSTGRESQL, "kind = 'a\\' OR true) -- '", "\"kind\" = 'a'' OR true) -- '"},
		{PYTHIA_POSTGRESQL, PYTHIA_MYSQL, "kind = '\\' OR kind = ' OR 1=1) -- '",
		 "`kind` = _utf8mb4 x'5c' OR `kind` = ' OR 1=1) -- '"},
		{PYTHIA_SQLITE, PYTHIA_MYSQL, "kind = '\\'", "`kind` = _utf8mb4 x'5c'"},
		{PYTHIA_POSTGRESQL, PYTHIA_SQLITE, "kind = E'\\x27\\n\\u0041\\101b' OR kind = $$a'b$$",
		 "\"kind\" = '''\nAAb' OR \"kind\" = 'a''b'"},
		{PYTHIA_MYSQL, PYTHIA_SQLITE, "kind LIKE 'a\\_\\\\%' /* b */ # c\nOR 1=1",
		 "\"kind\" LIKE 'a\\_\\%'    \nOR 1=1"},
		/* signs that are a comment there */
		{PYTHIA_MYSQL, PYTHIA_POSTGRESQL, "amount--1 > 0", "\"Total\"- -1 > 0"},
		{PYTHIA_POSTGRESQL, PYTHIA_MYSQL, "(amount # 1) > 0", NULL},
		{PYTHIA_POSTGRESQL, PYTHIA_MYSQL, "amount > 0 ; DROP TABLE orders", NULL},
		{PYTHIA_MYSQL, PYTHIA_MYSQL, "1 = 1 /*!99999 ) OR (1 = 1 */", NULL},
	};
	pythia_column source[] = {{.name = "id"},   {.name = "amount"}, {.name = "kind"},
							  {.name = "it's"}, {.name = "date"},   {.name = "hidden"}};
	pythia_column target[] = {{.name = "id"}, {.name = "Total"}, {.name = "kind"}, {.name = "it's"}, {.name = "day"}};
	pythia_pair pairs[] = {{.source = 0, .target = 0},
						   {.source = 1, .target = 1},
						   {.source = 2, .target = 2},
						   {.source = 3, .target = 3},
						   {.source = 4, .target = 4}};
	pythia_plan plan = {.source = {.schema = "public", .name = "orders", .columns = source, .ncolumns = 6},
						.target = {.schema = "shop", .name = "Orders", .columns = target, .ncolumns = 5},
						.pairs = pairs,
						.npairs = 5};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		pythia_buffer out = PYTHIA_BUFFER_INIT;
		pythia_error error = PYTHIA_ERROR_INIT;
		bool said = pythia_condition_translate(&plan, cases[i].from, cases[i].to, cases[i].condition, &out, &error);

		assert_int_equal(said, cases[i].expected != NULL);
		if (said)
			assert_string_equal(pythia_buffer_text(&out), cases[i].expected);
		else
			assert_string_equal(error.sqlstate, "42601");
		pythia_error_reset(&error);
		pythia_buffer_free(&out);
	}
}

/* --- in every direction ---------------------------------------------------------------- */

static void fill(pythia_db *db, bool target)
{
	const char *table = target ? "MappedOrders" : "mapped_orders";

	drop(db, table);
	run(db, table,
		target ? "CREATE TABLE % (no INTEGER NOT NULL, line INTEGER NOT NULL, Total DECIMAL(10,2), kind VARCHAR(20), "
				 "secret VARCHAR(20), more INTEGER, PRIMARY KEY (no, line))"
			   : "CREATE TABLE % (id INTEGER NOT NULL, line INTEGER NOT NULL, amount DECIMAL(10,2), kind VARCHAR(20), "
				 "secret VARCHAR(20), PRIMARY KEY (id, line))");
	run(db, table,
		target ? "INSERT INTO % (no, line, Total, kind, secret) VALUES (1, 1, 1.5, 'a', 'x'), (1, 2, 2.5, 'b', 'x'), "
				 "(2, 1, 3.5, 'a', 'x'), (7, 1, -5, 'old', 'x')"
			   : "INSERT INTO % (id, line, amount, kind, secret) VALUES (1, 1, 1.5, 'a', 's'), (1, 2, 2.5, 'b', 's'), "
				 "(2, 1, 3.5, 'a', 's'), (3, 1, -1, 'a', 's')");
}

static const char mapped[] =
	"{\"table_map\": {\"mapped_orders\": \"MappedOrders\"}, \"column_map\": {\"id\": \"no\", \"amount\": \"Total\"}, "
	"\"exclude_columns\": [\"secret\"], \"where\": \"amount > 0\", \"key\": [\"id\", \"line\"]}";

static void test_a_sync_s_own_where(void **state)
{
	static const char *const methods[] = {"checksum", "rows", "count"};

	(void) state;
	for (int from = 0; from < ENGINES; from++)
	{
		for (int to = 0; to < ENGINES; to++)
		{
			pythia_db *source = sources[from];
			pythia_db *target = targets[to];

			fill(source, false);
			fill(target, true);
			for (int m = 0; m < 3; m++)
			{
				char options[200];

				/* -1 and -5 are no concern of this sync */
				snprintf(options, sizeof(options), "{\"method\": \"%s\", \"recheck_after\": 0}", methods[m]);
				assert_lines(source, target, "mapped_orders", options, mapped, "");
				/* besides it, the validation's own */
				snprintf(options, sizeof(options),
						 "{\"method\": \"%s\", \"where\": \"id < 2 AND amount < 2.2\", \"recheck_after\": 0}",
						 methods[m]);
				assert_lines(source, target, "mapped_orders", options, mapped, "");
			}
			run(target, "MappedOrders", "UPDATE % SET Total = 9 WHERE no = 1 AND line = 2");
			/* no longer within the condition there, and still found */
			run(target, "MappedOrders", "UPDATE % SET Total = -3.5 WHERE no = 2");
			run(target, "MappedOrders", "INSERT INTO % (no, line, Total) VALUES (8, 8, 8)");
			assert_lines(source, target, "mapped_orders", NULL, mapped,
						 "differing {\"id\": 1, \"line\": 2} [amount]\ndiffering {\"id\": 2, \"line\": 1} [amount]\n"
						 "extra {\"id\": 8, \"line\": 8} []\n");
			assert_lines(source, target, "mapped_orders", "{\"where\": \"id < 2\", \"recheck_after\": 0}", mapped,
						 "differing {\"id\": 1, \"line\": 2} [amount]\n");
			assert_lines(source, target, "mapped_orders",
						 "{\"where\": \"id < 2\", \"target_where\": \"no = 0\", \"recheck_after\": 0}", mapped,
						 "differing {\"id\": 1, \"line\": 2} [amount]\n");
		}
	}
}

static void test_where_that_the_target_does_not_understand(void **state)
{
	verdict v;

	(void) state;
	fill(sources[0], false);
	fill(targets[1], true);
	/* the column is there, but not in the sync, and under no name in the target */
	validate_with(sources[0], targets[1], "mapped_orders", "{\"where\": \"amount::float8 > 0\"}", mapped, NULL, &v);
	assert_false(v.ok);
	assert_non_null(strstr(v.error.hint, "target_where"));
	assert_non_null(strstr(v.error.context, "`Total`::float8"));
	verdict_free(&v);
	validate_with(sources[0], targets[1], "mapped_orders", "{\"target_where\": \"nonsense\"}", mapped, NULL, &v);
	assert_false(v.ok);
	assert_non_null(strstr(v.error.message, "nonsense"));
	verdict_free(&v);
	/* and the connection goes on */
	assert_lines(sources[0], targets[1], "mapped_orders", NULL, mapped, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_a_sync_s_own_where),
		cmocka_unit_test(test_where_that_the_target_does_not_understand),
	};

	return cmocka_run_group_tests(tests, open_engines, close_engines);
}
