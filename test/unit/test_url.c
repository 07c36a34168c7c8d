/* Database URLs: what is taken, what is refused, and that no secret shows. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/memory.h"
#include "core/url.h"

static uint64_t seed;

static uint64_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void assert_text(const char *given, const char *expected)
{
	if (!expected)
		assert_null(given);
	else
	{
		assert_non_null(given);
		assert_string_equal(given, expected);
	}
}

static void check(const char *text, pythia_engine engine, const char *user, const char *password, const char *host,
				  int port, const char *database, const char *redacted)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	pythia_url url;

	if (!pythia_url_parse(text, &url, &error))
		fail_msg("%s: %s", text, error.message);
	assert_int_equal(url.engine, engine);
	assert_text(url.user, user);
	assert_text(url.password, password);
	assert_text(url.host, host);
	assert_int_equal(url.port, port);
	assert_text(url.database, database);
	pythia_url_redact(&url, &out);
	assert_string_equal(out.data, redacted);
	pythia_buffer_free(&out);
	pythia_url_free(&url);
}

static void test_taken(void **state)
{
	(void) state;
	check("postgresql://u:p@h:5432/d", PYTHIA_POSTGRESQL, "u", "p", "h", 5432, "d", "postgresql://u:***@h:5432/d");
	check("postgres://h/d", PYTHIA_POSTGRESQL, NULL, NULL, "h", 0, "d", "postgres://h/d");
	check("postgresql+asyncpg://u@h/d", PYTHIA_POSTGRESQL, "u", NULL, "h", 0, "d", "postgresql://u@h/d");
	check("  MySQL+aiomysql://u:@h/d", PYTHIA_MYSQL, "u", "", "h", 0, "d", "mysql://u:***@h/d");
	check("mariadb://u:p%40s%2Fs%25@h/d", PYTHIA_MYSQL, "u", "p@s/s%", "h", 0, "d", "mariadb://u:***@h/d");
	check("mysql://u:p@ss@h/d", PYTHIA_MYSQL, "u", "p@ss", "h", 0, "d", "mysql://u:***@h/d");
	check("mysql://u:a:b@h:1/d", PYTHIA_MYSQL, "u", "a:b", "h", 1, "d", "mysql://u:***@h:1/d");
	check("postgresql://u:p@[::1]:5433/d", PYTHIA_POSTGRESQL, "u", "p", "::1", 5433, "d",
		  "postgresql://u:***@[::1]:5433/d");
	check("postgresql://[fe80::1]/d", PYTHIA_POSTGRESQL, NULL, NULL, "fe80::1", 0, "d", "postgresql://[fe80::1]/d");
	check("postgresql://[fe80::1%25eth0]/d", PYTHIA_POSTGRESQL, NULL, NULL, "fe80::1%eth0", 0, "d",
		  "postgresql://fe80%3A%3A1%25eth0/d");
	check("postgresql://a,b.c-d_e:1/d", PYTHIA_POSTGRESQL, NULL, NULL, "a,b.c-d_e", 1, "d",
		  "postgresql://a%2Cb.c-d_e:1/d");
	check("mysql://a%40b:p@h/d", PYTHIA_MYSQL, "a@b", "p", "h", 0, "d", "mysql://a%40b:***@h/d");
	check("postgresql:///d", PYTHIA_POSTGRESQL, NULL, NULL, NULL, 0, "d", "postgresql:///d");
	check("postgresql://", PYTHIA_POSTGRESQL, NULL, NULL, NULL, 0, NULL, "postgresql://");
	check("postgresql://%2Ftmp/d", PYTHIA_POSTGRESQL, NULL, NULL, "/tmp", 0, "d", "postgresql://%2Ftmp/d");
	check("sqlite:////a/b.db", PYTHIA_SQLITE, NULL, NULL, NULL, 0, "/a/b.db", "sqlite:////a/b.db");
	check("sqlite:///b.db", PYTHIA_SQLITE, NULL, NULL, NULL, 0, "b.db", "sqlite:///b.db");
	check("sqlite+aiosqlite:///:memory:", PYTHIA_SQLITE, NULL, NULL, NULL, 0, ":memory:", "sqlite:///:memory:");
	check("sqlite://", PYTHIA_SQLITE, NULL, NULL, NULL, 0, NULL, "sqlite://");
	check("sqlite:////a%20b/100%25.db", PYTHIA_SQLITE, NULL, NULL, NULL, 0, "/a b/100%.db",
		  "sqlite:////a%20b/100%25.db");
	check("mysql://h/d?ssl_ca=/x&password=pw&charset=utf8mb4", PYTHIA_MYSQL, NULL, NULL, "h", 0, "d",
		  "mysql://h/d?ssl_ca=/x&password=***&charset=utf8mb4");
}

static void test_parameters(void **state)
{
	pythia_url url;
	pythia_error error = PYTHIA_ERROR_INIT;

	(void) state;
	assert_true(pythia_url_parse("postgresql://h/d?a=1&b=&a=x%26y%3D", &url, &error));
	assert_int_equal(url.nparameters, 3);
	assert_string_equal(pythia_url_parameter_get(&url, "a"), "x&y=");
	assert_string_equal(pythia_url_parameter_get(&url, "b"), "");
	assert_null(pythia_url_parameter_get(&url, "c"));
	pythia_url_free(&url);
	pythia_url_free(&url);
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"", "  ", "name", "://x", "oracle://topsecret@h/d", "postgresql:/u:topsecret@h/d", "u:topsecret@h/d",
		"postgresql://u:topsecret@h:port/d", "postgresql://u:topsecret@h:0/d", "postgresql://u:topsecret@h:65536/d",
		"postgresql://u:topsecret@[::1/d", "postgresql://u:topsecret@[::1]x/d", "postgresql://u:topsecret@::1:x/d",
		"postgresql://u:topsecret%@h/d", "postgresql://u:topsecret%zz@h/d", "postgresql://u:topsecret%00@h/d",
		"postgresql://u:topsecret@h/d?novalue", "postgresql://u:topsecret@h/d?=1", "postgresql://u:topsecret@a:b:1/d",
		"postgresql://u:topsecret/x@h/d", "sqlite://topsecret/x.db", "sqlite://topsecret", "topsecret@x://h",
		"postgresql://u:topsecret@h:99999999999999999999/d",
		/* a host is a host to every reader, and no list of options to a library */
		"postgresql://user@evil@h/d", "postgresql://u\\@evil:topsecret@h/d", "postgresql://u:topsecret@h\\evil/d",
		"postgresql://u:topsecret@h%0Aevil/d", "postgresql://u:topsecret@h\nevil/d", "postgresql://u:topsecret@h/d\n",
		"postgresql://u:topsecret@h\x7f/d", "postgresql://u:topsecret@h%20evil/d",
		"postgresql://u:topsecret@h%40evil/d", "postgresql://u:topsecret@%2e%2e%2ftmp/d",
		"postgresql://u:topsecret@h%23/d", "postgresql://u:topsecret@[::1%25e;x]/d", "postgresql://u:topsecret@[h]/d",
		"postgresql://u:topsecret@[%2ftmp]/d", "mysql://u:topsecret@h%3Bplugin-dir=%2Ftmp/d",
		"mysql://u:topsecret@%2Ftmp%2Fs/d", "mysql://u:topsecret@aurora%3A%2F%2Fh/d", "mysql://u:topsecret@h,evil/d",
		"mysql://u:topsecret@h%3A1/d", "postgresql://u:topsecret@h:+1/d", "postgresql://u:topsecret@h:-1/d",
		"postgresql://u:topsecret@h: 1/d", "postgresql://u:topsecret@h:0x1/d", "postgresql://u:topsecret@h/d?a%00=b",
		"postgresql://u:topsecret@h/d?a=b%00", "postgresql://u%00:topsecret@h/d", "postgresql://u:topsecret@h/d%00",
		"sqlite:////a%00b", "postgresql\n://h/d"};
	pythia_url url;
	pythia_error error = PYTHIA_ERROR_INIT;

	(void) state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		if (pythia_url_parse(bad[i], &url, &error))
			fail_msg("taken: %s", bad[i]);
		assert_int_equal(error.error_class, PYTHIA_E_USAGE);
		assert_string_equal(error.sqlstate, "22023");
		assert_non_null(error.hint);
		assert_null(strstr(error.message, "topsecret"));
		assert_null(strstr(error.hint, "topsecret"));
		assert_null(url.scheme);
	}
	assert_false(pythia_url_parse(NULL, &url, &error));
	pythia_error_reset(&error);
	assert_true(pythia_url_like("mysql://h"));
	assert_false(pythia_url_like("shop"));
	assert_false(pythia_url_like(NULL));
}

/* A random part, percent-encoded where it must be. */
static void random_part(pythia_buffer *plain, pythia_buffer *encoded)
{
	size_t length = 1 + draw() % 12;

	pythia_buffer_clear(plain);
	for (size_t i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) (1 + draw() % 255);

		pythia_buffer_putc(plain, (char) c);
		if (isalnum(c) && draw() % 4)
			pythia_buffer_putc(encoded, (char) c);
		else
			pythia_buffer_printf(encoded, draw() % 2 ? "%%%02x" : "%%%02X", c);
	}
}

static void test_round_trip(void **state)
{
	pythia_buffer parts[4] = {PYTHIA_BUFFER_INIT, PYTHIA_BUFFER_INIT, PYTHIA_BUFFER_INIT, PYTHIA_BUFFER_INIT};
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_url url;

	(void) state;
	for (int run = 0; run < 5000; run++)
	{
		int port = 1 + (int) (draw() % 65535);
		size_t host;

		pythia_buffer_clear(&text);
		pythia_buffer_puts(&text, "postgresql://");
		random_part(&parts[0], &text);
		pythia_buffer_putc(&text, ':');
		random_part(&parts[1], &text);
		pythia_buffer_putc(&text, '@');
		/* of what a host may hold */
		pythia_buffer_clear(&parts[2]);
		for (size_t i = draw() % 12 + 1; i > 0; i--)
			pythia_buffer_putc(&parts[2], "abcXYZ019.-_\xc3\xa4"[draw() % 14]);
		host = 0;
		for (; host < parts[2].length; host++)
			pythia_buffer_printf(&text, draw() % 2 ? "%c" : "%%%02x", (unsigned char) parts[2].data[host]);
		pythia_buffer_printf(&text, ":%d/", port);
		random_part(&parts[3], &text);
		if (!pythia_url_parse(text.data, &url, &error))
			fail_msg("%s: %s", text.data, error.message);
		assert_string_equal(url.user, parts[0].data);
		assert_string_equal(url.password, parts[1].data);
		assert_string_equal(url.host, parts[2].data);
		assert_string_equal(url.database, parts[3].data);
		assert_int_equal(url.port, port);
		pythia_url_free(&url);
	}
	/* anything at all is taken or refused, and what is taken can be shown */
	for (int run = 0; run < 20000; run++)
	{
		static const char *const heads[] = {"postgresql://", "mysql://", "sqlite:///", ""};

		pythia_buffer_clear(&text);
		pythia_buffer_clear(&out);
		pythia_buffer_puts(&text, heads[draw() % 4]);
		for (int i = 0; i < (int) (draw() % 30); i++)
			pythia_buffer_putc(&text, draw() % 2 ? "@:/?&=%[]+"[draw() % 10] : (char) (1 + draw() % 255));
		if (pythia_url_parse(text.data, &url, &error))
		{
			pythia_url_redact(&url, &out);
			pythia_url_free(&url);
		}
		else
			assert_int_equal(error.error_class, PYTHIA_E_USAGE);
	}
	for (int i = 0; i < 4; i++)
		pythia_buffer_free(&parts[i]);
	pythia_buffer_free(&text);
	pythia_buffer_free(&out);
	pythia_error_reset(&error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_round_trip),
	};
	const char *given = getenv("PYTHIA_TEST_SEED");

	seed = given ? strtoull(given, NULL, 10) : 88172645463325252;
	return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
