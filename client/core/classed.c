#include "core/classed.h"

#include <string.h>

#include "core/json.h"
#include "core/json_scan.h"
#include "core/number.h"
#include "core/text.h"

void pythia_classed_write(pythia_rows_writer *writer, char storage, const char *value, size_t length)
{
	pythia_buffer hex = PYTHIA_BUFFER_INIT;

	if (storage == 'b')
		pythia_rows_bytes(writer, value, length);
	else if (storage == 't' && memchr(value, '\0', length) != NULL)
	{
		pythia_buffer_hex(&hex, value, length);
		pythia_rows_marked(writer, 'T', hex.data, hex.length);
	}
	else
		pythia_rows_marked(writer, storage, value, length);
	pythia_buffer_free(&hex);
}

static bool unhex(const char *text, size_t length, pythia_buffer *out)
{
	if (length % 2 != 0)
		return false;
	pythia_buffer_reserve(out, length / 2);
	for (size_t i = 0; i < length; i += 2)
	{
		int high = pythia_hex_value(text[i]);
		int low = pythia_hex_value(text[i + 1]);

		if (high < 0 || low < 0)
			return false;
		pythia_buffer_putc(out, (char) (high << 4 | low));
	}
	return true;
}

char pythia_classed_read(const char *text, size_t length, pythia_buffer *scratch, const char **value,
						 size_t *value_length)
{
	char storage = length > 0 ? text[0] : '\0';
	int64_t integer;
	double number;

	if (storage == 'T' || storage == '\\')
	{
		size_t mark = storage == 'T' ? 1 : 2;

		pythia_buffer_clear(scratch);
		if ((mark == 2 && (length < 2 || text[1] != 'x')) || !unhex(text + mark, length - mark, scratch))
			return '\0';
		*value = pythia_buffer_text(scratch);
		*value_length = scratch->length;
		return mark == 1 ? 't' : 'b';
	}
	if (storage != 't' && !(storage == 'i' && pythia_int64_read(text + 1, length - 1, &integer)) &&
		!(storage == 'r' && pythia_double_read(text + 1, length - 1, &number)))
		return '\0';
	*value = text + 1;
	*value_length = length - 1;
	return storage;
}

void pythia_classed_json(pythia_buffer *out, const char *text, size_t length)
{
	pythia_buffer scratch = PYTHIA_BUFFER_INIT;
	const char *value = text;
	size_t value_length = length;
	char storage = pythia_classed_read(text, length, &scratch, &value, &value_length);

	/* Infinity is no number of JSON */
	if ((storage == 'i' || storage == 'r') && pythia_json_is_number(value, value_length))
		pythia_buffer_append(out, value, value_length);
	else if (storage == 'b')
		pythia_json_string(out, text, length);
	else
		pythia_json_string(out, value, value_length);
	pythia_buffer_free(&scratch);
}
