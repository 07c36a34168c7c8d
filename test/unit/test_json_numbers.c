/* Numbers within JSON that become doubles: which of them come back as they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "value/json_numbers.h"

static bool kept(const char *json)
{
	return pythia_json_numbers_kept(json, strlen(json));
}

static void these_are_kept(void **state)
{
	static const char *const documents[] = {
		"{}",
		"[]",
		"null",
		"0",
		"-0.5",
		"[0.1, 1e300, 1.5e-300]",
		"18446744073709551615",
		"-9223372036854775808",
		"0.30000000000000004",
		"1.7976931348623157e308",
		"{\"0.12345678901234567890123\": \"0.12345678901234567890123\"}",
		"{\"a\\\"0.12345678901234567890123\": true}",
		"[\"\\\\\", 1.000000000000000000000, 100000000000000000000000]",
	};

	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++)
		if (!kept(documents[i]))
			fail_msg("%s", documents[i]);
}

static void these_are_rounded(void **state)
{
	static const char *const documents[] = {
		"0.12345678901234567890123",       "[1, {\"a\": [18446744073709551617]}]", "-9223372036854775809",
		"{\"a\": 1.00000000000000000001}", "[\"x\", 123456789012345678.5]",
	};

	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++)
		if (kept(documents[i]))
			fail_msg("%s", documents[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(these_are_kept),
		cmocka_unit_test(these_are_rounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
