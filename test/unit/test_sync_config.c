/*
 * sync_config: each option given for all tables, for one table and for one run, with every word that it takes; and
 * what it does not take.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/json_read.h"
#include "core/list.h"
#include "core/memory.h"
#include "dialect/table_names.h"
#include "sync/sync.h"
#include "sync/target.h"
#include "validate/validate.h"

/* What of a config an option sets, as text. */
typedef void (*show)(const pythia_sync_config *config, char *out, size_t size);

#define SHOW_INT(field)                                                                                                \
	static void show_##field(const pythia_sync_config *config, char *out, size_t size)                                 \
	{                                                                                                                  \
		snprintf(out, size, "%lld", (long long) config->field);                                                        \
	}
#define SHOW_TEXT(field)                                                                                               \
	static void show_##field(const pythia_sync_config *config, char *out, size_t size)                                 \
	{                                                                                                                  \
		snprintf(out, size, "%s", config->field != NULL ? config->field : "-");                                        \
	}
#define SHOW_NODE(field)                                                                                               \
	static void show_##field(const pythia_sync_config *config, char *out, size_t size)                                 \
	{                                                                                                                  \
		const pythia_node *node = config->field;                                                                       \
		const pythia_node *first =                                                                                     \
			node == NULL || node->type == PYTHIA_NODE_OBJECT ? pythia_node_members(node) : pythia_node_items(node);    \
		const pythia_node *child = first != NULL ? first : node;                                                       \
                                                                                                                       \
		if (node == NULL)                                                                                              \
			snprintf(out, size, "-");                                                                                  \
		else                                                                                                           \
			snprintf(out, size, "%s%s%s", child->name != NULL && child != node ? child->name : "",                     \
					 child->name != NULL && child != node ? "=" : "", child->text != NULL ? child->text : "");         \
	}
#define SHOW_POLICY(field)                                                                                             \
	static void show_##field(const pythia_sync_config *config, char *out, size_t size)                                 \
	{                                                                                                                  \
		snprintf(out, size, "%d", (int) config->policies.field);                                                       \
	}

SHOW_INT(batch_size)
SHOW_INT(mode)
SHOW_INT(truncate_target)
SHOW_INT(create_target)
SHOW_INT(new_columns)
SHOW_INT(deletes)
SHOW_INT(parallel)
SHOW_INT(max_bytes_per_second)
SHOW_INT(dry_run)
SHOW_INT(quarantine)
SHOW_INT(lookback)
SHOW_INT(validate_every)
SHOW_TEXT(timestamp_column)
SHOW_TEXT(soft_delete_column)
SHOW_TEXT(where)
SHOW_TEXT(target_where)
SHOW_NODE(columns)
SHOW_NODE(exclude_columns)
SHOW_NODE(key)
SHOW_NODE(table_map)
SHOW_NODE(column_map)
SHOW_NODE(validate)
SHOW_POLICY(zero_date)
SHOW_POLICY(infinity)
SHOW_POLICY(nan)
SHOW_POLICY(nul_byte)
SHOW_POLICY(bad_utf8)
SHOW_POLICY(out_of_range)

static void show_conflict(const pythia_sync_config *config, char *out, size_t size)
{
	snprintf(out, size, "%d%s", (int) config->conflict,
			 config->conflict_function != NULL ? config->conflict_function : "");
}

typedef struct option
{
	const char *name;
	show shown;
	const char *usual;        /* without it */
	const char *values[7][2]; /* JSON, and what it comes to */
	const char *bad[4];       /* JSON that it does not take */
} option;

#define POLICY(name)                                                                                                   \
	{                                                                                                                  \
#name, show_##name, "0",                                                                                       \
			{{"\"error\"", "0" },                                                                                      \
			  {"\"null\"", "1" }, {"\"clamp\"", "2" }, {"\"replace\"", "3" }, {"\"quarantine\"", "4" } },              \
		{                                                                                                              \
			"\"ignore\"", "1", "true"                                                                                  \
		}                                                                                                              \
	}

static const option options[] = {
	{"batch_size", show_batch_size, "1000", {{"1", "1"}, {"50000", "50000"}}, {"0", "-1", "\"many\"", "[]"}},
	{"mode", show_mode, "0", {{"\"full\"", "1"}, {"\"incremental\"", "0"}}, {"\"half\"", "1", "true"}},
	{"conflict_resolution",
	 show_conflict,
	 "0",
	 {{"\"source_wins\"", "0"},
	  {"\"target_wins\"", "1"},
	  {"\"newest_wins\"", "2"},
	  {"\"oldest_wins\"", "3"},
	  {"\"error\"", "4"},
	  {"\"skip\"", "5"},
	  {"\"my.function\"", "6my.function"}},
	 {"\"\"", "7", "[]"}},
	{"timestamp_column",
	 show_timestamp_column,
	 "updated_at",
	 {{"\"changed\"", "changed"}},
	 {"7", "true", "[]", "\"\""}},
	{"create_target", show_create_target, "1", {{"false", "0"}, {"true", "1"}}, {"\"perhaps\"", "7", "[]"}},
	{"new_columns",
	 show_new_columns,
	 "0",
	 {{"\"add\"", "0"}, {"\"ignore\"", "1"}, {"\"error\"", "2"}},
	 {"\"drop\"", "true"}},
	{"deletes",
	 show_deletes,
	 "0",
	 {{"\"ignore\"", "0"}, {"\"hard\"", "1"}, {"\"soft\"", "2"}},
	 {"\"yes\"", "true", "1"}},
	{"soft_delete_column", show_soft_delete_column, "deleted_at", {{"\"gone\"", "gone"}}, {"1", "[]", "\" \""}},
	{"columns", show_columns, "-", {{"[\"a\"]", "a"}, {"\"b\"", "b"}}, {"[]", "[1]", "{}", "[\"\"]"}},
	{"exclude_columns", show_exclude_columns, "-", {{"[\"a\"]", "a"}, {"\"b\"", "b"}}, {"[1]", "{}", "7"}},
	{"where", show_where, "-", {{"\"a > 1\"", "a > 1"}}, {"1", "{}", "\"\"", "\" \\n\""}},
	{"target_where", show_target_where, "-", {{"\"b > 1\"", "b > 1"}}, {"1", "{}", "\"\"", "\"\\t\""}},
	{"table_map", show_table_map, "-", {{"{\"t\": \"x\"}", "t=x"}}, {"[]", "\"x\"", "{\"t\": 1}", "{\"t\": \"\"}"}},
	{"column_map", show_column_map, "-", {{"{\"a\": \"b\"}", "a=b"}}, {"[]", "\"x\"", "{\"a\": 1}"}},
	{"key", show_key, "-", {{"[\"a\"]", "a"}, {"\"b\"", "b"}}, {"{}", "[7]", "1"}},
	{"parallel", show_parallel, "0", {{"1", "1"}, {"64", "64"}}, {"0", "65", "\"all\""}},
	{"max_bytes_per_second", show_max_bytes_per_second, "0", {{"1000000", "1000000"}}, {"-1", "\"fast\""}},
	{"lookback", show_lookback, "-1", {{"0", "0"}, {"60", "60"}, {"\"2 min\"", "120"}}, {"\"soon\"", "[]"}},
	{"dry_run", show_dry_run, "0", {{"true", "1"}, {"false", "0"}}, {"\"perhaps\"", "7"}},
	{"on_bad_row", show_quarantine, "0", {{"\"quarantine\"", "1"}, {"\"error\"", "0"}}, {"\"skip\"", "true"}},
	{"validate",
	 show_validate,
	 "-",
	 {{"true", "true"}, {"{\"method\": \"rows\"}", "method=rows"}},
	 {"\"often\"", "[]"}},
	{"validate_every", show_validate_every, "0", {{"60", "60"}, {"\"1 h\"", "3600"}}, {"\"often\"", "{}"}},
	POLICY(zero_date),
	POLICY(infinity),
	POLICY(nan),
	POLICY(nul_byte),
	POLICY(bad_utf8),
	POLICY(out_of_range),
};
#define OPTIONS ((int) (sizeof(options) / sizeof(options[0])))

static pythia_node *parse(const char *json)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_node *tree = NULL;

	if (!pythia_json_read("sync_config", json, &tree, &error))
		fail_msg("%s: %s", json, error.message);
	return tree;
}

static void expect(const char *json, const char *overrides, const char *table, const option *o, const char *wanted)
{
	pythia_node *tree = parse(json);
	pythia_node *over = overrides != NULL ? parse(overrides) : NULL;
	pythia_sync_config config;
	pythia_error error = PYTHIA_ERROR_INIT;
	char got[100];

	if (!pythia_sync_config_read(tree, over, table, &config, &error) || !pythia_validate_config_check(&config, &error))
		fail_msg("%s, %s: %s", json, overrides != NULL ? overrides : "-", error.message);
	o->shown(&config, got, sizeof(got));
	if (strcmp(got, wanted) != 0)
		fail_msg("%s, %s: %s of %s is %s and not %s", json, overrides != NULL ? overrides : "-", o->name, table, got,
				 wanted);
	pythia_node_free(tree);
	pythia_node_free(over);
}

static void test_every_option(void **state)
{
	char json[300];
	char over[300];

	(void) state;
	for (int i = 0; i < OPTIONS; i++)
	{
		const option *o = &options[i];

		expect("{}", NULL, "t", o, o->usual);
		snprintf(json, sizeof(json), "{\"%s\": null}", o->name);
		expect(json, NULL, "t", o, o->usual);
		for (int k = 0; k < 7 && o->values[k][0] != NULL; k++)
		{
			const char *value = o->values[k][0];
			const char *first = o->values[0][0];

			snprintf(json, sizeof(json), "{\"%s\": %s}", o->name, value);
			expect(json, NULL, "t", o, o->values[k][1]);
			/* for one table, whatever is said of the others, and however its name is written */
			snprintf(json, sizeof(json), "{\"tables\": {\"t\": {\"%s\": %s}}}", o->name, value);
			expect(json, NULL, "t", o, o->values[k][1]);
			expect(json, NULL, "public.t", o, o->values[k][1]);
			expect(json, NULL, "\"t\"", o, o->values[k][1]);
			expect(json, NULL, "u", o, o->usual);
			snprintf(json, sizeof(json), "{\"%s\": %s, \"tables\": {\"a.t\": {\"%s\": %s}}}", o->name, first, o->name,
					 value);
			expect(json, NULL, "a.t", o, o->values[k][1]);
			expect(json, NULL, "b.t", o, o->values[0][1]);
			/* for one run */
			snprintf(over, sizeof(over), "{\"%s\": %s}", o->name, first);
			expect(json, over, "a.t", o, o->values[0][1]);
		}
	}
}

static void refuse(const char *json, const char *overrides, const char *name)
{
	pythia_node *tree = parse(json);
	pythia_node *over = overrides != NULL ? parse(overrides) : NULL;
	pythia_sync_config config;
	pythia_error error = PYTHIA_ERROR_INIT;

	if (pythia_sync_config_read(tree, over, "t", &config, &error) && pythia_validate_config_check(&config, &error))
		fail_msg("%s, %s: no error", json, overrides != NULL ? overrides : "-");
	assert_int_equal(error.error_class, PYTHIA_E_USAGE);
	assert_string_equal(error.sqlstate, "22023");
	if (strstr(error.message, name) == NULL)
		fail_msg("%s: \"%s\" does not name %s", json, error.message, name);
	if (error.hint == NULL)
		fail_msg("%s: no hint", json);
	pythia_error_reset(&error);
	pythia_node_free(tree);
	pythia_node_free(over);
}

static void test_every_mistake(void **state)
{
	char json[300];

	(void) state;
	for (int i = 0; i < OPTIONS; i++)
	{
		const option *o = &options[i];

		for (int k = 0; k < 4 && o->bad[k] != NULL; k++)
		{
			snprintf(json, sizeof(json), "{\"%s\": %s}", o->name, o->bad[k]);
			refuse(json, NULL, o->name);
			refuse("{}", json, o->name);
			snprintf(json, sizeof(json), "{\"tables\": {\"t\": {\"%s\": %s}}}", o->name, o->bad[k]);
			refuse(json, NULL, o->name);
			/* also where it is another table's */
			snprintf(json, sizeof(json), "{\"tables\": {\"u\": {\"%s\": %s}}}", o->name, o->bad[k]);
			refuse(json, NULL, o->name);
		}
		snprintf(json, sizeof(json), "{\"%sx\": 1}", o->name);
		refuse(json, NULL, o->name);
		refuse("{}", json, o->name);
	}
	refuse("{\"tables\": []}", NULL, "tables");
	refuse("{\"tables\": {\"t\": 7}}", NULL, "sync_config");
	refuse("{\"tables\": {\"t\": {\"tables\": {}}}}", NULL, "tables");
	refuse("{}", "{\"tables\": {}}", "tables");
	refuse("[]", NULL, "sync_config");
	refuse("{\"truncate_target\": true}", NULL, "truncate_target");
	refuse("{\"truncate_target\": 7, \"mode\": \"full\"}", NULL, "truncate_target");
}

/* truncate_target goes with mode full, wherever the two are said. */
static void test_truncate(void **state)
{
	const option o = {"truncate_target", show_truncate_target};

	(void) state;
	expect("{\"truncate_target\": true, \"mode\": \"full\"}", NULL, "t", &o, "1");
	expect("{\"truncate_target\": true, \"tables\": {\"t\": {\"mode\": \"full\"}}}", NULL, "t", &o, "1");
	expect("{\"mode\": \"full\", \"tables\": {\"t\": {\"truncate_target\": true}}}", NULL, "t", &o, "1");
	expect("{\"mode\": \"full\", \"tables\": {\"t\": {\"truncate_target\": true}}}", NULL, "u", &o, "0");
	expect("{\"truncate_target\": true, \"mode\": \"full\"}", "{\"truncate_target\": false}", "t", &o, "0");
}

static char told[1000];

static void listen(void *context, pythia_log_level level, const char *message)
{
	(void) context;
	(void) level;
	strncat(told, message, sizeof(told) - strlen(told) - 1);
}

/* Options that say nothing beside others are told, and those that contradict one another refused. */
static void test_together(void **state)
{
	static const struct
	{
		const char *json;
		const char *told; /* NULL: nothing */
	} cases[] = {
		{"{}", NULL},
		{"{\"soft_delete_column\": \"gone\"}", "\"soft_delete_column\" has no effect: rows are not deleted softly"},
		{"{\"soft_delete_column\": \"gone\", \"deletes\": \"hard\"}", "\"soft_delete_column\" has no effect"},
		{"{\"soft_delete_column\": \"gone\", \"deletes\": \"soft\"}", NULL},
		{"{\"soft_delete_column\": null}", NULL},
		{"{\"validate_every\": 60}", "\"validate_every\" has no effect: nothing is validated"},
		{"{\"validate_every\": 60, \"validate\": false}", "\"validate_every\" has no effect: nothing is validated"},
		{"{\"validate_every\": 60, \"validate\": true}", NULL},
		{"{\"mode\": \"full\", \"truncate_target\": true, \"conflict_resolution\": \"target_wins\"}",
		 "\"conflict_resolution\" has no effect: all rows of the target are replaced"},
		{"{\"mode\": \"full\", \"truncate_target\": true, \"conflict_resolution\": \"f\"}",
		 "\"conflict_resolution\" has no effect: all rows of the target are replaced"},
		{"{\"mode\": \"full\", \"truncate_target\": true, \"deletes\": \"hard\"}", NULL},
		{"{\"mode\": \"full\", \"conflict_resolution\": \"skip\"}", NULL},
	};
	pythia_host host = *pythia_default_host();

	(void) state;
	host.log = listen;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		pythia_node *tree = parse(cases[i].json);
		pythia_error error = PYTHIA_ERROR_INIT;
		pythia_sync_config config;

		told[0] = '\0';
		assert_true(pythia_sync_config_read(tree, NULL, "t", &config, &error));
		pythia_sync_config_tell(&config, &host, "t");
		if (cases[i].told != NULL ? strstr(told, cases[i].told) == NULL : told[0] != '\0')
			fail_msg("%s: told \"%s\" and not \"%s\"", cases[i].json, told, cases[i].told != NULL ? cases[i].told : "");
		pythia_node_free(tree);
	}
	refuse("{\"mode\": \"full\", \"truncate_target\": true, \"deletes\": \"soft\"}", NULL, "truncate_target");
	refuse("{\"deletes\": \"soft\"}", "{\"mode\": \"full\", \"truncate_target\": true}", "truncate_target");
}

/* A slip in a table's name would have its options do nothing. */
static void test_names(void **state)
{
	static const struct
	{
		const char *json;
		const char *tables[3];
		const char *said; /* NULL: nothing to say */
		const char *hint;
	} cases[] = {
		{"{\"tables\": {\"orders\": {}}}", {"orders", "users"}, NULL, NULL},
		{"{\"tables\": {\"orders\": {}}}", {"shop.orders", "users"}, NULL, NULL},
		{"{\"tables\": {\"SHOP.Orders\": {}}}", {"shop.orders"}, NULL, NULL},
		{"{\"tables\": {\"orders\": {}}, \"table_map\": {\"users\": \"u\"}}", {"orders", "users"}, NULL, NULL},
		{"{\"tables\": {\"ordres\": {}}}", {"users", "orders"}, "\"tables\" names table \"ordres\"", "\"orders\""},
		{"{\"tables\": {\"other.orders\": {}}}", {"shop.orders"}, "\"tables\" names table \"other.orders\"", ""},
		{"{\"table_map\": {\"user\": \"u\"}}", {"users"}, "\"table_map\" names table \"user\"", "\"users\""},
		{"{\"tables\": {\"orders\": {}}}", {"shop.*", "users"}, NULL, NULL},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		pythia_node *tree = parse(cases[i].json);
		pythia_error error = PYTHIA_ERROR_INIT;
		int count = 0;
		bool ok;

		while (count < 3 && cases[i].tables[count] != NULL)
			count++;
		ok = pythia_sync_config_names(tree, (char *const *) cases[i].tables, count, NULL, &error);
		assert_int_equal(ok, cases[i].said == NULL);
		if (!ok && (strstr(error.message, cases[i].said) == NULL || strstr(error.hint, cases[i].hint) == NULL))
			fail_msg("%s: \"%s\", \"%s\"", cases[i].json, error.message, error.hint);
		if (!ok)
			assert_string_equal(error.sqlstate, "22023");
		pythia_error_reset(&error);
		pythia_node_free(tree);
	}
	/* what is one table's, or one run's, maps that table */
	refuse("{\"tables\": {\"t\": {\"table_map\": {\"u\": \"x\"}}}}", NULL, "table_map");
	refuse("{}", "{\"table_map\": {\"u\": \"x\"}}", "table_map");
}

/* Whoever looks into options that nobody has read yet finds nothing in what is of another shape. */
static void test_shapes(void **state)
{
	static const char *const shapes[] = {"null",         "7", "\"x\"", "[]", "[\"x\"]", "[null]", "{\"t\": [\"x\"]}",
										 "{\"t\": null}"};
	char *tables[] = {"t", "u", "T"};

	(void) state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		for (int form = 0; form < 4; form++)
		{
			static const char *const forms[] = {"%s", "{\"table_map\": %s}", "{\"tables\": %s}",
												"{\"tables\": {\"t\": {\"table_map\": %s}}}"};
			pythia_error error = PYTHIA_ERROR_INIT;
			pythia_sync_config config;
			pythia_node *tree;
			char json[100];

			snprintf(json, sizeof(json), forms[form], shapes[i]); /* NOLINT */
			tree = parse(json);
			assert_null(pythia_node_get(tree, "x"));
			assert_true(pythia_tables_alike(tree, tables, 3, NULL, 0)); /* t and T */
			assert_false(pythia_tables_alike(tree, tables, 2, NULL, 0));
			pythia_sync_config_names(tree, tables, 3, NULL, &error);
			pythia_error_reset(&error);
			pythia_sync_config_read(tree, NULL, "t", &config, &error);
			pythia_error_reset(&error);
			pythia_node_free(tree);
		}
}

/* Names with options each, taken together with as many tables: in seconds of this process. */
static double time_names(int count)
{
	pythia_node *tree = pythia_node_new(PYTHIA_NODE_OBJECT, NULL, NULL);
	pythia_node *own = pythia_node_new(PYTHIA_NODE_OBJECT, "tables", NULL);
	char **tables = pythia_calloc((size_t) count, sizeof(char *));
	pythia_error error = PYTHIA_ERROR_INIT;
	clock_t begin = clock();

	pythia_node_add(tree, own);
	for (int i = 0; i < count; i++)
	{
		char name[30];

		snprintf(name, sizeof(name), "shop.t%d", i);
		tables[i] = pythia_strdup(name);
		pythia_node_add(own, pythia_node_new(PYTHIA_NODE_OBJECT, name, NULL));
	}
	assert_true(pythia_sync_config_names(tree, tables, count, NULL, &error));
	assert_false(pythia_tables_alike(tree, tables, count, tables, count));
	pythia_list_free(tables, count);
	pythia_node_free(tree);
	return (double) (clock() - begin) / CLOCKS_PER_SEC;
}

/* Four times as many take about four times as long, not sixteen times. */
static void test_growth(void **state)
{
	double once = time_names(4000);
	double more = time_names(16000);

	(void) state;
	if (more > 10 * once + 0.2)
		fail_msg("4000 tables take %.3f s, 16000 take %.3f s", once, more);
}

/* The one that was added last counts, among those that could be meant. */
static void test_lookup(void **state)
{
	static const char *const given[] = {"a.t", "T", "b.\"t\"", "u", "b.u", "no.name.at.all"};
	static const struct
	{
		const char *name;
		const char *found; /* NULL: none */
	} cases[] = {{"t", "b.\"t\""}, {"a.T", "T"}, {"b.t", "b.\"t\""}, {"c.t", "T"},
				 {"u", "b.u"},     {"x.u", "u"}, {"v", NULL},        {"no.name.at.all", NULL}};
	pythia_table_names names = {0};

	(void) state;
	assert_false(pythia_table_names_find(&names, "t", NULL));
	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
		pythia_table_names_add(&names, given[i], given[i]);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		const char *found = NULL;

		assert_int_equal(pythia_table_names_find(&names, cases[i].name, &found), cases[i].found != NULL);
		if (cases[i].found != NULL)
			assert_string_equal(found, cases[i].found);
	}
	pythia_table_names_free(&names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_option), cmocka_unit_test(test_every_mistake),
									   cmocka_unit_test(test_truncate),     cmocka_unit_test(test_together),
									   cmocka_unit_test(test_names),        cmocka_unit_test(test_shapes),
									   cmocka_unit_test(test_growth),       cmocka_unit_test(test_lookup)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
