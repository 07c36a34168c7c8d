/* The interchange format: what is written is read back, whatever the bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/memory.h"
#include "core/rows.h"

static uint64_t seed;

static uint64_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void assert_view(pythia_rows_writer *writer, const char *text)
{
	pythia_rows view = pythia_rows_view(writer);

	assert_int_equal(view.length, strlen(text));
	assert_memory_equal(view.data, text, view.length);
}

static void test_encoding(void **state)
{
	pythia_rows_writer writer = {0};

	(void) state;
	pythia_rows_text(&writer, "a\tb\nc\rd\\e\bf\fg\v", 14);
	pythia_rows_null(&writer);
	pythia_rows_text(&writer, "", 0);
	pythia_rows_bytes(&writer, "\x00\xff\x5c", 3);
	pythia_rows_text(&writer, "\\N", 2);
	pythia_rows_end(&writer);
	assert_view(&writer, "a\\tb\\nc\\rd\\\\e\\bf\\fg\\v\t\\N\t\t\\\\x00ff5c\t\\\\N\n");
	assert_int_equal(pythia_rows_view(&writer).count, 1);
	pythia_rows_clear(&writer);
	assert_int_equal(pythia_rows_view(&writer).length, 0);
	pythia_rows_free(&writer);
}

/* A bare tab ends a field whatever stands before it: else a value is longer than the room that was made for the row. */
static void test_backslash_before_tab(void **state)
{
	pythia_buffer text = PYTHIA_BUFFER_INIT;

	(void) state;
	for (int in_place = 0; in_place < 2; in_place++)
	{
		pythia_rows_reader reader = {.in_place = in_place};
		pythia_rows rows;

		pythia_buffer_clear(&text);
		pythia_buffer_puts(&text, "1\\\t\\\\x");
		for (int i = 0; i < 1500000; i++)
			pythia_buffer_puts(&text, "41");
		pythia_buffer_puts(&text, "\t\\\t\\\n");
		rows = (pythia_rows){text.data, text.length, 1};
		pythia_rows_open(&reader, &rows);
		assert_true(pythia_rows_next(&reader));
		assert_int_equal(reader.nfields, 4);
		assert_string_equal(reader.fields[0].value, "1\\");
		assert_int_equal(reader.fields[1].length, 3000002);
		assert_memory_equal(reader.fields[1].value, "\\x4141", 6);
		assert_string_equal(reader.fields[2].value, "\\");
		assert_string_equal(reader.fields[3].value, "\\");
		assert_false(pythia_rows_next(&reader));
		pythia_rows_close(&reader);
	}
	pythia_buffer_free(&text);
}

static void test_decoding(void **state)
{
	pythia_rows_reader reader = {0};
	const char *text = "1\t\\N\t\n\\\\N\tx\\ty\\\\\\n\t\\Nope\nlast";
	pythia_rows rows = {text, strlen(text), 3};

	(void) state;
	pythia_rows_open(&reader, &rows);
	assert_true(pythia_rows_next(&reader));
	assert_int_equal(reader.nfields, 3);
	assert_string_equal(reader.fields[0].value, "1");
	assert_null(reader.fields[1].value);
	assert_non_null(reader.fields[2].value);
	assert_int_equal(reader.fields[2].length, 0);
	assert_true(pythia_rows_next(&reader));
	assert_string_equal(reader.fields[0].value, "\\N");
	assert_string_equal(reader.fields[1].value, "x\ty\\\n");
	assert_string_equal(reader.fields[2].value, "Nope");
	assert_true(pythia_rows_next(&reader));
	assert_int_equal(reader.nfields, 1);
	assert_string_equal(reader.fields[0].value, "last");
	assert_false(pythia_rows_next(&reader));
	assert_false(pythia_rows_next(&reader));
	pythia_rows_close(&reader);
}

static void test_every_byte_at_every_offset(void **state)
{
	pythia_rows_writer writer = {0};
	pythia_rows_reader reader = {0};
	char value[40];

	(void) state;
	for (int byte = 0; byte < 256; byte++)
		for (int at = 0; at < 40; at++)
		{
			pythia_rows rows;

			memset(value, 'x', sizeof(value));
			value[at] = (char) byte;
			pythia_rows_clear(&writer);
			pythia_rows_text(&writer, value, sizeof(value));
			pythia_rows_text(&writer, value, (size_t) at);
			pythia_rows_end(&writer);
			rows = pythia_rows_view(&writer);
			assert_ptr_equal(memchr(rows.data, '\n', rows.length), rows.data + rows.length - 1);
			pythia_rows_open(&reader, &rows);
			assert_true(pythia_rows_next(&reader));
			assert_int_equal(reader.nfields, 2);
			assert_int_equal(reader.fields[0].length, sizeof(value));
			assert_memory_equal(reader.fields[0].value, value, sizeof(value));
			assert_int_equal(reader.fields[1].length, at);
		}
	pythia_rows_free(&writer);
	pythia_rows_close(&reader);
}

/* Random rows with a liking for special bytes: read back as written. */
static void test_round_trip(void **state)
{
	static const char liked[] = "\\\t\n\r\b\f\vNx\0ab";
	pythia_rows_writer writer = {0};
	pythia_rows_reader reader = {0};
	char *values[64];
	size_t lengths[64];

	(void) state;
	for (int run = 0; run < 2000; run++)
	{
		int nfields = 1 + (int) (draw() % 8);
		int nrows = 1 + (int) (draw() % 8);
		pythia_rows rows;

		pythia_rows_clear(&writer);
		for (int i = 0; i < nrows * nfields; i++)
		{
			size_t length = draw() % 4 == 0 ? draw() % 300 : draw() % 20;

			values[i] = NULL;
			lengths[i] = 0;
			if (draw() % 8 == 0)
				pythia_rows_null(&writer);
			else
			{
				values[i] = pythia_malloc(length);
				lengths[i] = length;
				for (size_t j = 0; j < length; j++)
					values[i][j] = draw() % 3 ? (char) draw() : liked[draw() % (sizeof(liked) - 1)];
				pythia_rows_text(&writer, values[i], length);
			}
			if (i % nfields == nfields - 1)
				pythia_rows_end(&writer);
		}
		rows = pythia_rows_view(&writer);
		assert_int_equal(rows.count, nrows);
		pythia_rows_open(&reader, &rows);
		for (int i = 0; i < nrows; i++)
		{
			assert_true(pythia_rows_next(&reader));
			assert_int_equal(reader.nfields, nfields);
			for (int j = 0; j < nfields; j++)
			{
				pythia_field *field = &reader.fields[j];
				int k = i * nfields + j;

				assert_int_equal(field->value == NULL, values[k] == NULL);
				assert_int_equal(field->length, lengths[k]);
				if (values[k])
				{
					assert_memory_equal(field->value, values[k], lengths[k]);
					assert_int_equal(field->value[field->length], 0);
				}
			}
		}
		assert_false(pythia_rows_next(&reader));
		for (int i = 0; i < nrows * nfields; i++)
			pythia_free(values[i]);
	}
	pythia_rows_free(&writer);
	pythia_rows_close(&reader);
}

static void test_ten_megabytes(void **state)
{
	size_t length = 10 * 1024 * 1024;
	char *value = pythia_malloc(length);
	pythia_rows_writer writer = {0};
	pythia_rows_reader reader = {0};
	pythia_buffer bytes = PYTHIA_BUFFER_INIT;
	pythia_rows rows;

	(void) state;
	for (size_t i = 0; i < length; i++)
		value[i] = (char) (i * 7 + i / 256);
	pythia_rows_text(&writer, value, length);
	pythia_rows_bytes(&writer, value, length);
	pythia_rows_end(&writer);
	rows = pythia_rows_view(&writer);
	pythia_rows_open(&reader, &rows);
	assert_true(pythia_rows_next(&reader));
	assert_int_equal(reader.nfields, 2);
	assert_int_equal(reader.fields[0].length, length);
	assert_memory_equal(reader.fields[0].value, value, length);
	assert_true(pythia_rows_unhex(&reader.fields[1], &bytes));
	assert_int_equal(bytes.length, length);
	assert_memory_equal(bytes.data, value, length);
	pythia_buffer_free(&bytes);
	pythia_rows_free(&writer);
	pythia_rows_close(&reader);
	pythia_free(value);
}

static void test_unhex_refuses(void **state)
{
	static const char *const bad[] = {"", "x00", "\\x0", "\\xgg", "\\y00", "00"};
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	pythia_field field;

	(void) state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		field.value = bad[i];
		field.length = strlen(bad[i]);
		assert_false(pythia_rows_unhex(&field, &out));
	}
	field.value = NULL;
	field.length = 0;
	assert_false(pythia_rows_unhex(&field, &out));
	field.value = "\\x";
	field.length = 2;
	assert_true(pythia_rows_unhex(&field, &out));
	assert_int_equal(out.length, 0);
	pythia_buffer_free(&out);
}

/* Large values of bytes are read where they lie, if the caller goes by lengths; others are decoded. */
static void test_in_place(void **state)
{
	size_t length = 3 << 20;
	char *bytes = pythia_malloc(length);
	pythia_rows_writer writer = {0};
	pythia_rows_reader reader = {0};
	pythia_buffer back = PYTHIA_BUFFER_INIT;

	(void) state;
	for (size_t i = 0; i < length; i++)
		bytes[i] = (char) (i * 31 + i / 256);
	pythia_rows_text(&writer, "7", 1);
	pythia_rows_bytes(&writer, bytes, length);
	pythia_rows_text(&writer, "a\tb\\", 4);
	pythia_rows_end(&writer);
	memset(bytes, 'x', length);
	bytes[0] = '\\';
	bytes[length - 1] = '\\';
	pythia_rows_text(&writer, bytes, length); /* a text that only looks like one */
	pythia_rows_null(&writer);
	pythia_rows_bytes(&writer, "", 0);
	pythia_rows_end(&writer);
	for (int in_place = 0; in_place < 2; in_place++)
	{
		pythia_rows rows = pythia_rows_view(&writer);

		reader.in_place = in_place != 0;
		pythia_rows_open(&reader, &rows);
		assert_true(pythia_rows_next(&reader));
		assert_int_equal(reader.nfields, 3);
		assert_string_equal(reader.fields[0].value, "7");
		assert_int_equal(reader.fields[1].length, length * 2 + 2);
		pythia_buffer_clear(&back);
		assert_true(pythia_rows_unhex(&reader.fields[1], &back));
		assert_int_equal(back.length, length);
		for (size_t i = 0; i < length; i++)
			assert_int_equal(back.data[i], (char) (i * 31 + i / 256));
		assert_string_equal(reader.fields[2].value, "a\tb\\");
		assert_int_equal(reader.scratch.capacity > length * 2, !in_place);
		assert_true(pythia_rows_next(&reader));
		assert_int_equal(reader.nfields, 3);
		assert_int_equal(reader.fields[0].length, length);
		assert_memory_equal(reader.fields[0].value, bytes, length);
		assert_null(reader.fields[1].value);
		assert_string_equal(reader.fields[2].value, "\\x");
		assert_false(pythia_rows_next(&reader));
		pythia_rows_close(&reader);
	}
	pythia_buffer_free(&back);
	pythia_rows_free(&writer);
	pythia_free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_place),
		cmocka_unit_test(test_encoding),
		cmocka_unit_test(test_backslash_before_tab),
		cmocka_unit_test(test_decoding),
		cmocka_unit_test(test_every_byte_at_every_offset),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_ten_megabytes),
		cmocka_unit_test(test_unhex_refuses),
	};
	const char *given = getenv("PYTHIA_TEST_SEED");

	seed = given ? strtoull(given, NULL, 10) : 20240531;
	return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
