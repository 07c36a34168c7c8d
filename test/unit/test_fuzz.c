/*
 * The fuzz targets on their corpus and on seeded mutations of what leads them
 * deep: short, and the same every time.  `make fuzz` looks for longer.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/buffer.h"

#include "../fuzz/targets.h"

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

static void run_file(const fuzz_target *target, const char *path)
{
	pythia_buffer input = PYTHIA_BUFFER_INIT;
	char bytes[4096];
	size_t length;
	FILE *file = fopen(path, "rb");

	assert_non_null(file);
	while ((length = fread(bytes, 1, sizeof(bytes), file)) > 0)
		pythia_buffer_append(&input, bytes, length);
	fclose(file);
	target->run((const uint8_t *) pythia_buffer_text(&input), input.length);
	pythia_buffer_free(&input);
}

/* What has broken a promise once, and what shows where to look. */
static void run_corpus(const fuzz_target *target)
{
	const char *top = getenv("PYTHIA_TOP");
	pythia_buffer path = PYTHIA_BUFFER_INIT;
	struct dirent *entry;
	DIR *folder;
	int files = 0;

	pythia_buffer_printf(&path, "%s/test/fuzz/corpus/%s", top ? top : ".", target->name);
	folder = opendir(path.data);
	if (!folder)
		fail_msg("%s: there is no corpus", path.data);
	while ((entry = readdir(folder)))
	{
		pythia_buffer file = PYTHIA_BUFFER_INIT;

		if (entry->d_name[0] == '.')
			continue;
		pythia_buffer_printf(&file, "%s/%s", path.data, entry->d_name);
		run_file(target, file.data);
		pythia_buffer_free(&file);
		files++;
	}
	closedir(folder);
	assert_true(files > 0);
	pythia_buffer_free(&path);
}

static void run_target(void **state)
{
	const fuzz_target *target = *state;
	pythia_buffer input = PYTHIA_BUFFER_INIT;

	print_message("# %s: %s\n", target->name, target->promise);
	run_corpus(target);
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
	struct CMUnitTest tests[32];
	size_t count = 0;
	const char *given = getenv("PYTHIA_TEST_SEED");

	seed = given ? strtoull(given, NULL, 10) : 88172645463325252;
	for (const fuzz_target *target = fuzz_targets; target->name; target++)
	{
		struct CMUnitTest test = {target->name, run_target, NULL, NULL, (void *) target};

		assert_true(count < sizeof(tests) / sizeof(tests[0]));
		tests[count++] = test;
	}
	return _cmocka_run_group_tests("fuzz", tests, count, NULL, NULL);
}
