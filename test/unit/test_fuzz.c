/*
 * The fuzz targets on seeded mutations of what leads them deep: short, and the
 * same every time.  `make fuzz` looks for longer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/buffer.h"

#include "../fuzz/targets.c"
#include "../fuzz/targets_drivers.c"

#define RUNS 4000

static uint64_t seed;

static uint64_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static const char *word(const char *alphabet)
{
	int count = 0;
	int wanted;

	for (const char *p = alphabet; *p; p += strlen(p) + 1)
		count++;
	wanted = (int) (draw() % (uint64_t) count);
	while (wanted-- > 0)
		alphabet += strlen(alphabet) + 1;
	return alphabet;
}

/* One more change: a word or a byte put in, bytes taken out or turned over. */
static void mutate(pythia_buffer *input, const char *alphabet)
{
	char tail[4096];
	size_t at = input->length ? draw() % (input->length + 1) : 0;
	size_t rest = input->length - at;

	if (rest > sizeof(tail))
		rest = sizeof(tail);
	if (rest > 0)
		memcpy(tail, input->data + at, rest);
	input->length = at;
	switch (draw() % 4)
	{
		case 0:
		case 1:
			pythia_buffer_puts(input, word(alphabet));
			pythia_buffer_append(input, tail, rest);
			break;
		case 2:
			pythia_buffer_putc(input, (char) draw());
			pythia_buffer_append(input, tail, rest);
			break;
		default:
			at = rest ? draw() % rest : 0;
			pythia_buffer_append(input, tail + at, rest - at);
			break;
	}
}

static void run_target(void **state)
{
	const fuzz_target *target = *state;
	pythia_buffer input = PYTHIA_BUFFER_INIT;

	for (int run = 0; run < RUNS; run++)
	{
		if (run % 50 == 0)
			pythia_buffer_clear(&input);
		mutate(&input, target->alphabet);
		target->run((const uint8_t *) pythia_buffer_text(&input), input.length);
	}
	pythia_buffer_free(&input);
}

int main(void)
{
	struct CMUnitTest tests[sizeof(fuzz_targets) / sizeof(fuzz_targets[0])];
	size_t count = 0;
	const char *given = getenv("PYTHIA_TEST_SEED");

	seed = given ? strtoull(given, NULL, 10) : 88172645463325252;
	for (const fuzz_target *target = fuzz_targets; target->name; target++)
	{
		struct CMUnitTest test = {target->name, run_target, NULL, NULL, (void *) target};

		tests[count++] = test;
	}
	return _cmocka_run_group_tests("fuzz", tests, count, NULL, NULL);
}
