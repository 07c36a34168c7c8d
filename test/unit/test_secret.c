/* Secrets in texts, hosts that may be reached, parameters that lend, characters that are shown. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "core/memory.h"
#include "core/parameters.h"
#include "core/reach.h"
#include "core/secret.h"
#include "core/visible.h"

/* --- secrets ---------------------------------------------------------------- */

static void test_names(void **state)
{
	static const char *const secret[] = {"password",   "PASSWORD",  "sslpassword", "passwd",
										 "pwd",        "MYSQL_PWD", "pass",        "user_pass",
										 "PGPASSWORD", "api_token", "secret",      "oauth_client_secret",
										 "PassPhrase"};
	static const char *const open[] = {"passfile", "password_file",  "PGPASSFILE", "password_required",
									   "user",     "require_auth",   "bypass",     "compass",
									   "",         "connect_timeout"};

	(void) state;
	for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
		if (!pythia_secret_name(secret[i], strlen(secret[i])))
			fail_msg("no secret: %s", secret[i]);
	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
		if (pythia_secret_name(open[i], strlen(open[i])))
			fail_msg("a secret: %s", open[i]);
}

/* Every text holds the word hunter2 in one way or another, and nothing of it may stay. */
static void test_masked(void **state)
{
	static const struct
	{
		const char *text;
		const char *masked; /* squeezed; NULL: whatever, but without the secret */
	} cases[] = {
		{"postgresql://u:hunter2@h:5432/d", "postgresql://u:***@h:5432/d"},
		{"--source=postgresql://u:hunter2@h/d", "--source=postgresql://u:***@h/d"},
		{"mysql+x://:hunter2@h", "mysql+x://:***@h"},
		{"POSTGRESQL://u:hun:ter2@hunter2@h/d", "POSTGRESQL://u:***@h/d"},
		{"postgresql://u:hunter2/x@h/d", NULL},
		{"postgresql://u:hunter2?x@h/d", NULL},
		{"postgresql://u:hunter2", NULL},
		{"postgresql://u:my word hunter2@h/d", NULL},
		{"SELECT f('mysql:u:hunter2@h')", NULL},
		{"SELECT f(\"MariaDB/u:hunter2@h\", 1)", NULL},
		{"SELECT f('postgresql:/u:hun@ter2:hunter2@h/d', 1)", NULL},
		{"postgresql://u@h/d?password=hunter2", "postgresql://u@h/d?password=***"},
		{"postgresql://u@h/d?a=b&PASSWORD=hunter2&c=d", "postgresql://u@h/d?a=b&PASSWORD=***&c=d"},
		{"postgresql://u@h/d?pass%77ord=hunter2", "postgresql://u@h/d?pass%77ord=***"},
		{"postgresql://u@h/d?%70%61%73%73%77%6F%72%64=hunter2&x=y", NULL},
		{"postgresql://u@h/d?sslpassword=hunter2", "postgresql://u@h/d?sslpassword=***"},
		{"postgresql://u@[::1]:1/d?pwd=hunter2", NULL},
		{"postgresql://a:hunter2@h/d,mysql://c:hunter2@h/d", "postgresql://a:***@h/d,mysql://c:***@h/d"},
		{"{\"target\": \"mysql://u:hunter2@h/d\", \"n\": 1}", "{\"target\": \"mysql://u:***@h/d\", \"n\": 1}"},
		{"{\"password\": \"hunter2\", \"n\": 1}", "{\"password\": \"***\", \"n\": 1}"},
		{"{\"password\":\"hun\\\"ter2 hunter2\"}", NULL},
		{"{\"pass\\u0077ord\":\"hunter2\"}", NULL},
		{"{\"target\": \"mysql:\\/\\/u:hunter2@h\\/d\"}", NULL},
		{"{\"target\": \"mysql\\u003a//u:hunter2@h/d\"}", NULL},
		{"{\"x\": \"{\\\"password\\\": \\\"hunter2\\\"}\"}", NULL},
		{"{\"password\": [\"hunter2\", \"hunter2\"], \"n\": 1}", "{\"password\": [***], \"n\": 1}"},
		{"{\"password\": {\"a b\": \"hunter2\"}}", NULL},
		{"host=h password=hunter2 dbname=d", NULL},
		{"host=h password='hunter2 hunter2' dbname=d", "host=h password='***' dbname=d"},
		{"SELECT pythia.create_connection('a', 'mysql://u:hunter2@h/d')",
		 "SELECT pythia.create_connection('a', 'mysql://u:***@h/d')"},
		{"SELECT f('a', ' mysql://u:hun''ter2 hunter2@h/d')", NULL},
		{"SELECT f('a', $$mysql://u:hun ter2 hunter2@h/d$$)", NULL},
		{"SELECT f('a', $x$mysql://u:hunter2$$@h/d$x$)", NULL},
		{"CREATE USER MAPPING FOR a SERVER s OPTIONS (user 'u', password 'hunter2')",
		 "CREATE USER MAPPING FOR a SERVER s OPTIONS (user 'u', password '***')"},
		{"ALTER USER MAPPING FOR a SERVER s OPTIONS (SET \"password\" E'hun\\'ter2 hunter2')", NULL},
		{"SELECT f(password => 'hunter2')", NULL},
		{"SELECT jsonb_build_object('password', 'hunter2')", "SELECT jsonb_build_object('password', '***')"},
		{"parameters: $1 = 'a', $2 = 'mysql://u:hunter2@h/d'", "parameters: $1 = 'a', $2 = 'mysql://u:***@h/d'"},
		{"JSON data, line 1: {\"password\": \"hunter2", NULL},
	};

	(void) state;
	for (int whole = 0; whole < 2; whole++)
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		{
			char *text = pythia_strdup(cases[i].text);

			/* without quotes a URL ends at a blank, unless it is the whole word */
			if (!whole && strncmp(text, "postgresql://u:my word", 22) == 0)
			{
				pythia_free(text);
				continue;
			}
			if (!pythia_secret_mask(text, whole))
				fail_msg("nothing found: %s", text);
			assert_int_equal(strlen(text), strlen(cases[i].text));
			if (strstr(text, "hunter2") || strstr(text, "ter2"))
				fail_msg("%s: %s", cases[i].text, text);
			pythia_secret_squeeze(text);
			if (cases[i].masked)
				assert_string_equal(text, cases[i].masked);
			pythia_free(text);
		}
}

static void test_shown(void **state)
{
	static const char *const words[][2] = {
		{"sync", "sync"},
		{"app.orders", "app.orders"},
		{"user@host", "user@host"},
		{"12:30", "12:30"},
		{"mysql://u@h:3306/a@b", "mysql://u@h:3306/a@b"},
		{"postgresql://u:hunter2@h/d", "postgresql://u:***@h/d"},
		{"postgresql:/u:hunter2@h/d", "postgresql:***@h/d"},
		{"postgresql//u:hunter2@h/d", "postgresql//u:***@h/d"},
		{"mysql:u:hun@ter2@h", "mysql:***@h"},
		{"u:hunter2@h", "u:***@h"},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
	{
		char *shown = pythia_secret_shown(words[i][0]);

		assert_string_equal(shown, words[i][1]);
		pythia_free(shown);
	}
}

static void test_left_alone(void **state)
{
	static const char *const cases[] = {"",
										"SELECT 1",
										"could not connect to postgresql://u@h:5432/d: password authentication failed",
										"could not connect to postgresql://u:***@h/d: x@y:z",
										"mysql://u@h:3306/d?ssl_ca=/x&charset=utf8mb4",
										"postgresql://h:5432/d",
										"postgresql://[::1]:5432/d",
										"password is required",
										"Token \"x\" is invalid",
										"SELECT 'bypass' AS compass, passfile",
										"{\"password_file\": \"/run/secrets/x\"}",
										"a % b \\u0041",
										"$$ $1 \" ' \\",
										"://",
										"x://",
										"\"\\\\\\\""};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int whole = 0; whole < 2; whole++)
		{
			char *text = pythia_strdup(cases[i]);

			/* as one word this one may be a password with a colon and an at sign in it */
			if (whole && strchr(text, ' ') && strstr(text, "://"))
			{
				pythia_free(text);
				continue;
			}
			pythia_secret_mask(text, whole);
			assert_string_equal(text, cases[i]);
			pythia_free(text);
		}
}

static uint64_t seed = 88172645463325252;

static uint64_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Anything at all keeps its length, and asterisks are all that comes in. */
static void test_any_text(void **state)
{
	static const char *const parts[] = {"postgresql://",
										"://",
										"password",
										"\"",
										"'",
										"$",
										"$a$",
										"\\",
										"\\u0070",
										"=",
										":",
										"@",
										"/",
										"?",
										"&",
										" ",
										",",
										"E'",
										"x",
										"%70",
										"{"};

	(void) state;
	for (int run = 0; run < 50000; run++)
	{
		char text[256] = "";
		char before[256];

		for (int i = (int) (draw() % 20); i > 0; i--)
			strcat(text, parts[draw() % (sizeof(parts) / sizeof(parts[0]))]);
		strcpy(before, text);
		pythia_secret_mask(text, draw() % 2);
		assert_int_equal(strlen(text), strlen(before));
		for (size_t i = 0; text[i]; i++)
			assert_true(text[i] == before[i] || text[i] == '*');
		pythia_secret_squeeze(text);
	}
}

/* Of a text beyond what is looked through the rest is hidden; one that tells of nothing secret stays. */
static void test_very_long_text(void **state)
{
	size_t length = 3 << 20;
	char *text = pythia_malloc(length + 1);

	(void) state;
	memset(text, 'x', length);
	text[length] = '\0';
	assert_false(pythia_secret_mask(text, false));
	assert_int_equal(strspn(text, "x"), length);
	for (size_t at = (1 << 20) - 40; at < (1 << 20) + 3; at++)
	{
		static const char secret[] = "\xc3\xa9 password 'hunter2' \xc3\xa9";

		memset(text, 'x', length);
		memcpy(text + at, secret, sizeof(secret) - 1);
		assert_true(pythia_secret_mask(text, false));
		assert_null(strstr(text, "hunter"));
		assert_non_null(strstr(text, "xx"));
		assert_int_equal(text[length - 1], '*');
		for (size_t i = at; i < at + 40; i++)
			assert_true(text[i] != '\xa9' || text[i - 1] == '\xc3');
	}
	pythia_free(text);
}

/* However long the text is, it is read in a moment. */
static void test_long_text(void **state)
{
	static const char *const parts[] = {"a://", "a://b:",    "password '", "\"\\\"",   "$a$password", "\"password\": [",
										"://@", "\\u0070\"", "''a://",     "$1$a:// ", "'a:\\/\\/\"", "x"};
	size_t most = 2 << 20;

	(void) state;
	for (size_t i = 0; i < 2 * sizeof(parts) / sizeof(parts[0]); i++)
	{
		char *text = pythia_malloc(most + 4096);
		size_t n = 0;
		size_t slashes = 0;
		clock_t start = clock();

		while (n < most)
		{
			n += (size_t) sprintf(text + n, "%s", parts[i / 2]);
			/* quotes of which none closes another one */
			if (strcmp(parts[i / 2], "x") != 0)
				continue;
			slashes = (slashes + 8) % 2048;
			memset(text + n, '\\', slashes);
			n += slashes;
			n += (size_t) sprintf(text + n, "\"\\u0070ass");
		}
		pythia_secret_mask(text, i % 2);
		assert_int_equal(strlen(text), n);
		if (clock() - start > 20 * CLOCKS_PER_SEC)
			fail_msg("takes too long: %s", parts[i / 2]);
		pythia_free(text);
	}
}

/* --- reach ------------------------------------------------------------------ */

static bool reaches(const char *list, const char *host, const char *address, int port)
{
	struct sockaddr_in four = {.sin_family = AF_INET};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, address, &four.sin_addr) == 1)
		return pythia_reach_address(list, host, (struct sockaddr *) &four, port);
	assert_int_equal(inet_pton(AF_INET6, address, &six.sin6_addr), 1);
	return pythia_reach_address(list, host, (struct sockaddr *) &six, port);
}

static void test_reach(void **state)
{
	(void) state;
	assert_true(reaches("*", NULL, "127.0.0.1", 1));
	assert_false(reaches("", "db", "10.0.0.1", 1));
	assert_true(reaches("*:5432", "db", "10.0.0.1", 5432));
	assert_false(reaches("*:5432", "db", "10.0.0.1", 22));
	assert_true(reaches("db.example", "DB.Example.", "10.0.0.1", 5432));
	assert_true(reaches("a, db.example:5432", "db.example", "10.0.0.1", 5432));
	assert_false(reaches("db.example:5432", "db.example", "10.0.0.1", 3306));
	assert_false(reaches("db.example", "evil.db.example", "10.0.0.1", 1));
	assert_false(reaches("db.example", "db.example.evil", "10.0.0.1", 1));
	assert_true(reaches("*.example", "db.example", "10.0.0.1", 1));
	assert_false(reaches("*.example", "example", "10.0.0.1", 1));
	assert_false(reaches("*.example", "dbxexample", "10.0.0.1", 1));
	/* a name that has come to mean this machine */
	assert_false(reaches("db.example", "db.example", "127.0.0.1", 1));
	assert_false(reaches("db.example", "db.example", "::1", 1));
	assert_false(reaches("db.example", "db.example", "::ffff:127.0.0.1", 1));
	assert_false(reaches("db.example", "db.example", "0.0.0.0", 1));
	assert_false(reaches("db.example", "db.example", "169.254.169.254", 1));
	assert_false(reaches("db.example", "db.example", "fe80::1", 1));
	assert_true(reaches("localhost", "localhost", "127.0.0.1", 1));
	assert_true(reaches("localhost", "LOCALHOST", "::1", 1));
	assert_true(reaches("db.example, 127.0.0.1", "db.example", "127.0.0.1", 1));
	/* addresses, however they are reached */
	assert_true(reaches("10.1.0.0/16", "db", "10.1.255.1", 1));
	assert_false(reaches("10.1.0.0/16", "db", "10.2.0.1", 1));
	assert_true(reaches("10.1.0.0/16:5432", "db", "10.1.0.1", 5432));
	assert_false(reaches("10.1.0.0/16:5432", "db", "10.1.0.1", 5433));
	assert_true(reaches("10.1.2.3", "db", "::ffff:10.1.2.3", 1));
	assert_true(reaches("fd00::/8", NULL, "fd12::1", 1));
	assert_false(reaches("fd00::/8", NULL, "fe12::1", 1));
	assert_true(reaches("[fd00::/8]:3306", NULL, "fd12::1", 3306));
	assert_false(reaches("[fd00::/8]:3306", NULL, "fd12::1", 3307));
	assert_true(reaches("0.0.0.0/0", NULL, "10.2.0.1", 1));
	assert_false(reaches("0.0.0.0/0", NULL, "fd12::1", 1));
	assert_true(reaches("10.0.0.0/9", NULL, "10.127.0.1", 1));
	assert_false(reaches("10.0.0.0/9", NULL, "10.128.0.1", 1));

	assert_true(pythia_reach_socket("/run/a, /run/b", "/run/b"));
	assert_false(pythia_reach_socket("/run/a", "/run/b"));
	assert_false(pythia_reach_socket("localhost, 127.0.0.1, *:5432", "/run/b"));
	assert_true(pythia_reach_socket("*", "/run/b"));
	assert_false(pythia_reach_socket("", "/run/b"));
}

static void test_reach_lists(void **state)
{
	static const char *const good[] = {"",
									   "  ",
									   "*",
									   "a",
									   "a:1",
									   "*.a",
									   "1.2.3.4",
									   "1.2.3.4/5:6",
									   "::1",
									   "[::1]:1",
									   "/run/x",
									   " a , b ",
									   "localhost",
									   "b\xc3\xbc"
									   "cher.example"};
	static const char *const bad[] = {"a b",      "a:b",        "a:0x1",   "a:99999", "**",      "a*",  "*.",
									  "1.2.3",    "1.2.3.4/33", "::1/129", "[::1",    "[::1]1",  "[a]", "u@h",
									  "http://h", "1.2.3.4/",   "a;b",     "127.1",   "[1.2.3.4"};

	(void) state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!pythia_reach_valid(good[i], NULL))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		char *item = NULL;

		if (pythia_reach_valid(bad[i], &item))
			fail_msg("taken: %s", bad[i]);
		assert_non_null(item);
		pythia_free(item);
	}
}

/* Numbers written as no list has them are still the address they mean. */
static void test_reach_resolved(void **state)
{
	static const char *const loopback[] = {"127.0.0.1",    "127.1", "0x7f000001", "2130706433",
										   "017700000001", "::1",   "localhost"};
	pythia_buffer addresses = PYTHIA_BUFFER_INIT;
	pythia_error error = PYTHIA_ERROR_INIT;
	int count = 0;

	(void) state;
	for (size_t i = 0; i < sizeof(loopback) / sizeof(loopback[0]); i++)
	{
		if (pythia_reach_resolve("10.0.0.0/8, *.example", loopback[i], 5432, &addresses, &count, &error))
			fail_msg("reached: %s", loopback[i]);
		assert_string_equal(error.sqlstate, "42501");
		pythia_error_reset(&error);
	}
	assert_int_equal(count, 0);
	assert_true(pythia_reach_resolve("127.0.0.0/8", "127.1", 5432, &addresses, &count, &error));
	assert_string_equal(addresses.data, "127.0.0.1");
	assert_int_equal(count, 1);
	assert_true(pythia_reach_resolve("::1", "::1", 5432, &addresses, &count, &error));
	assert_string_equal(addresses.data, "127.0.0.1,::1");
	pythia_buffer_free(&addresses);
}

/* --- parameters -------------------------------------------------------------- */

static void test_parameters(void **state)
{
	static const char *const files[] = {"sslcert",   "sslkey",   "sslrootcert",  "sslcrl",
										"sslcrldir", "passfile", "password_file"};
	static const char *const admin[] = {
		"service",     "servicefile", "krbsrvname",    "gsslib",       "gssdelegation", "gssencmode",
		"requirepeer", "replication", "sslkeylogfile", "ssl_max",      "SSLMODE",       "",
		"tty",         "authtype",    "sslcertmode",   "oauth_issuer", "nonsense"};

	(void) state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		assert_int_equal(pythia_parameter_class_of(PYTHIA_POSTGRESQL, files[i], "/x"), PYTHIA_PARAMETER_FILE);
	for (size_t i = 0; i < sizeof(admin) / sizeof(admin[0]); i++)
	{
		assert_int_equal(pythia_parameter_class_of(PYTHIA_POSTGRESQL, admin[i], "x"), PYTHIA_PARAMETER_ADMIN);
		assert_int_equal(pythia_parameter_class_of(PYTHIA_MYSQL, admin[i], "x"), PYTHIA_PARAMETER_ADMIN);
	}
	assert_int_equal(pythia_parameter_class_of(PYTHIA_POSTGRESQL, "sslmode", "x"), PYTHIA_PARAMETER_ANYBODY);
	assert_int_equal(pythia_parameter_class_of(PYTHIA_POSTGRESQL, "sslrootcert", "system"), PYTHIA_PARAMETER_ANYBODY);
	assert_int_equal(pythia_parameter_class_of(PYTHIA_MYSQL, "unix_socket", "/x"), PYTHIA_PARAMETER_ADMIN);
	assert_int_equal(pythia_parameter_class_of(PYTHIA_MYSQL, "ssl_ca", "/x"), PYTHIA_PARAMETER_FILE);
	assert_int_equal(pythia_parameter_class_of(PYTHIA_MYSQL, "ssl_mode", "x"), PYTHIA_PARAMETER_ANYBODY);
}

/* --- shown ------------------------------------------------------------------- */

static void check_visible(const char *text, size_t length, const char *expected)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	pythia_visible(&out, text, length);
	assert_string_equal(pythia_buffer_text(&out), expected);
	pythia_buffer_free(&out);
}

static void test_visible(void **state)
{
	pythia_buffer json = PYTHIA_BUFFER_INIT;

	(void) state;
	check_visible("", 0, "");
	check_visible("gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x98", 11, "gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\x98");
	check_visible("\033[31mred\033]0;t\a", 14, "\\x1b[31mred\\x1b]0;t\\x07");
	check_visible("a\nb\rc\td\0e", 9, "a\\nb\\rc\\td\\x00e");
	check_visible("\x7f\xc2\x9b"
				  "31m\x9b",
				  7, "\\x7f\\u009b31m\\x9b");
	check_visible("\xe2\x80\xae\xe2\x81\xa6\xe2\x80\x8b\xef\xbb\xbf\xe2\x80\xa8", 15,
				  "\\u202e\\u2066\\u200b\\ufeff\\u2028");
	check_visible("\xf3\xa0\x81\x81", 4, "\\U000e0041");
	check_visible("\xc3", 1, "\\xc3");

	pythia_buffer_puts(&json, "{\"a\": \"\xc2\x9b\x7f\xe2\x80\xae \xc3\xbc\xf3\xa0\x81\x81\"}\n");
	pythia_visible_json(&json);
	assert_string_equal(json.data, "{\"a\": \"\\u009b\\u007f\\u202e \xc3\xbc\\udb40\\udc41\"}\n");
	pythia_buffer_free(&json);
	pythia_visible_json(&json);
	pythia_buffer_free(&json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),          cmocka_unit_test(test_masked),     cmocka_unit_test(test_shown),
		cmocka_unit_test(test_left_alone),     cmocka_unit_test(test_any_text),   cmocka_unit_test(test_very_long_text),
		cmocka_unit_test(test_long_text),      cmocka_unit_test(test_reach),      cmocka_unit_test(test_reach_lists),
		cmocka_unit_test(test_reach_resolved), cmocka_unit_test(test_parameters), cmocka_unit_test(test_visible),
	};
	const char *given = getenv("PYTHIA_TEST_SEED");

	if (given)
		seed = strtoull(given, NULL, 10);
	return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
