/* Values as JSON, spelled as PostgreSQL's to_jsonb spells them. */
#include "capture/internal.h"

#include <string.h>

#include "core/json.h"
#include "core/json_scan.h"
#include "core/text.h"

static void put_number(pythia_buffer *out, const char *text, size_t length)
{
	/* MySQL pads ZEROFILL columns */
	while (length > 1 && text[0] == '0' && pythia_is_digit(text[1]))
	{
		text++;
		length--;
	}
	if (pythia_json_is_number(text, length))
		pythia_buffer_append(out, text, length);
	else
		pythia_json_string(out, text, length);
}

/* Length of the date that a stamp begins with, with a blank and a time behind it, and nothing that JSON would want
 * escaped; 0: it is none.  Years have four digits or more. */
static size_t date_length(const char *text, size_t length)
{
	size_t year = strspn(text, "0123456789");

	if (year < 4 || length < year + 15 || text[year] != '-' || text[year + 3] != '-' || text[year + 6] != ' ' ||
		!pythia_is_digit(text[length - 1]))
		return 0;
	for (size_t i = 0; i < length; i++)
		if (!pythia_is_digit(text[i]) && text[i] != '-' && text[i] != ':' && text[i] != ' ' && text[i] != '.')
			return 0;
	return year + 6;
}

/* YYYY-MM-DD HH:MM:SS… becomes ISO 8601, before Christ as PostgreSQL's jsonb has it; others (infinity, zero dates) stay as
 * they are. */
static void put_timestamp(pythia_buffer *out, const char *text, size_t length, const char *zone)
{
	bool bc = length > 3 && strcmp(text + length - 3, " BC") == 0;
	size_t date = date_length(text, bc ? length - 3 : length);

	if (date == 0)
	{
		pythia_json_string(out, text, length);
		return;
	}
	pythia_buffer_putc(out, '"');
	pythia_buffer_append(out, text, date);
	pythia_buffer_putc(out, 'T');
	pythia_buffer_append(out, text + date + 1, length - date - 1 - (bc ? 3 : 0));
	pythia_buffer_puts(out, zone);
	pythia_buffer_puts(out, bc ? " BC\"" : "\"");
}

static void put_stored(pythia_buffer *out, const pythia_type *type, char storage, const pythia_field *field)
{
	switch (storage)
	{
		case 'i':
			if (type->kind == PYTHIA_KIND_BOOL && field->length == 1 &&
				(field->value[0] == '0' || field->value[0] == '1'))
				pythia_buffer_puts(out, field->value[0] == '1' ? "true" : "false");
			else
				put_number(out, field->value, field->length);
			break;
		case 'r':
			put_number(out, field->value, field->length);
			break;
		case 'j':
			pythia_json_foreign(out, field->value, field->length);
			break;
		case 'b':
			pythia_buffer_puts(out, "\"\\\\x");
			pythia_buffer_hex(out, field->value, field->length);
			pythia_buffer_putc(out, '"');
			break;
		default:
			pythia_json_string(out, field->value, field->length);
			break;
	}
}

void pythia_capture_json_field(pythia_buffer *out, const pythia_capture_column *column, const pythia_type *type,
							   char storage, const pythia_field *field)
{
	if (!field->value)
	{
		pythia_buffer_append(out, "null", 4);
		return;
	}
	if (storage)
	{
		put_stored(out, type, storage, field);
		return;
	}
	if (column->whole)
	{
		pythia_json_foreign(out, field->value, field->length);
		return;
	}
	switch (type->kind)
	{
		case PYTHIA_KIND_BOOL:
			if (field->length == 1 && (field->value[0] == '0' || field->value[0] == '1'))
			{
				pythia_buffer_puts(out, field->value[0] == '1' ? "true" : "false");
				break;
			}
			put_number(out, field->value, field->length);
			break;
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
		case PYTHIA_KIND_YEAR:
		case PYTHIA_KIND_DECIMAL:
		case PYTHIA_KIND_FLOAT:
		case PYTHIA_KIND_DOUBLE:
			put_number(out, field->value, field->length);
			break;
		case PYTHIA_KIND_TIMESTAMP:
			put_timestamp(out, field->value, field->length, "");
			break;
		case PYTHIA_KIND_TIMESTAMPTZ:
			put_timestamp(out, field->value, field->length, "+00:00");
			break;
		default:
			pythia_json_string(out, field->value, field->length);
			break;
	}
}
