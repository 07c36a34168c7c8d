/* Texts of users, and values on their way. */
#include <stdio.h>
#include <string.h>

#include "capture/internal.h"
#include "core/json.h"
#include "core/json_read.h"
#include "core/memory.h"
#include "core/number.h"
#include "core/rows.h"
#include "core/url.h"
#include "drivers/driver.h"
#include "sync/sync.h"
#include "targets.h"
#include "validate/validate.h"

void fuzz_url(const uint8_t *data, size_t size)
{
	char *text = fuzz_text_of(data, size);
	pythia_url url;
	pythia_url again;
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_buffer shown = PYTHIA_BUFFER_INIT;

	if (!pythia_url_parse(text, &url, &error))
		fuzz_check_error(&error);
	else
	{
		pythia_url_redact(&url, &shown);
		/* what is shown is a URL again, of the same parts but for the secrets */
		CHECK(pythia_url_parse(pythia_buffer_text(&shown), &again, &error));
		CHECK(again.engine == url.engine && again.port == url.port && again.nparameters == url.nparameters);
		CHECK((again.host == NULL) == (url.host == NULL) && (!url.host || strcmp(again.host, url.host) == 0));
		CHECK(!url.user || !*url.user || (again.user && strcmp(again.user, url.user) == 0));
		CHECK(!url.database || (again.database && strcmp(again.database, url.database) == 0));
		CHECK(!url.password || !*url.password || strcmp(again.password, "***") == 0);
		pythia_url_free(&again);
		pythia_url_free(&url);
	}
	pythia_buffer_free(&shown);
	pythia_free(text);
}

/* --- options ---------------------------------------------------------------------- */

static void read_everything(const pythia_node *tree)
{
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_sync_config sync;
	pythia_capture_config capture;
	pythia_validate_options validate;

	if (!pythia_sync_config_read(tree, NULL, NULL, &sync, &error))
		fuzz_check_error(&error);
	if (!pythia_sync_config_read(tree, tree, "t", &sync, &error))
		fuzz_check_error(&error);
	if (!pythia_capture_config_read(tree, "t", &capture, &error))
		fuzz_check_error(&error);
	if (!pythia_validate_options_read(tree, &validate, &error))
		fuzz_check_error(&error);
}

void fuzz_options(const uint8_t *data, size_t size)
{
	char *text = fuzz_text_of(data, size);
	pythia_node *tree = NULL;
	pythia_node *again = NULL;
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	pythia_buffer second = PYTHIA_BUFFER_INIT;

	if (!pythia_json_read("options", text, &tree, &error))
		fuzz_check_error(&error);
	else
	{
		read_everything(tree);
		pythia_json_node(&out, tree);
		/* what we write, we read */
		CHECK(pythia_json_read("options", out.data, &again, &error));
		pythia_json_node(&second, again);
		CHECK(strcmp(out.data, second.data) == 0);
	}
	pythia_node_free(tree);
	pythia_node_free(again);
	pythia_buffer_free(&out);
	pythia_buffer_free(&second);
	pythia_free(text);
}

/* --- rows --------------------------------------------------------------------------- */

void fuzz_rows(const uint8_t *data, size_t size)
{
	pythia_rows rows = {(const char *) data, size, 0};
	pythia_rows view;
	pythia_rows_reader reader = {0};
	pythia_rows_reader again = {0};
	pythia_rows_writer writer = {0};
	pythia_buffer bytes = PYTHIA_BUFFER_INIT;

	pythia_rows_open(&reader, &rows);
	for (const char *from = rows.data; pythia_rows_next(&reader); from = reader.cursor)
	{
		int tabs = 0;

		pythia_rows_clear(&writer);
		/* whoever checks a row before it is read counts so */
		for (; from < reader.cursor; from++)
			tabs += *from == '\t';
		CHECK(reader.nfields == tabs + 1);
		for (int i = 0; i < reader.nfields; i++)
		{
			const pythia_field *field = &reader.fields[i];
			int64_t integer;
			double number;

			if (!field->value)
			{
				pythia_rows_null(&writer);
				continue;
			}
			CHECK(field->value[field->length] == '\0');
			pythia_int64_read(field->value, field->length, &integer);
			pythia_double_read(field->value, field->length, &number);
			pythia_buffer_clear(&bytes);
			if (pythia_rows_unhex(field, &bytes) && i % 2)
				pythia_rows_bytes(&writer, pythia_buffer_text(&bytes), bytes.length);
			else
				pythia_rows_text(&writer, field->value, field->length);
		}
		pythia_rows_end(&writer);
		view = pythia_rows_view(&writer);
		pythia_rows_open(&again, &view);
		CHECK(pythia_rows_next(&again));
		CHECK(again.nfields == reader.nfields);
		for (int i = 0; i < reader.nfields; i++)
		{
			CHECK((again.fields[i].value == NULL) == (reader.fields[i].value == NULL));
			CHECK(again.fields[i].length == reader.fields[i].length);
			/* hex may have come in capitals */
			CHECK(i % 2 || !again.fields[i].value ||
				  memcmp(again.fields[i].value, reader.fields[i].value, again.fields[i].length) == 0);
		}
		CHECK(!pythia_rows_next(&again));
	}
	pythia_rows_close(&reader);
	pythia_rows_close(&again);
	pythia_rows_free(&writer);
	pythia_buffer_free(&bytes);
}

/* --- JSON ------------------------------------------------------------------------------ */

void fuzz_json(const uint8_t *data, size_t size)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	pythia_node *tree = NULL;
	pythia_error error = PYTHIA_ERROR_INIT;

	pythia_buffer_putc(&out, '[');
	pythia_json_string(&out, (const char *) data, size);
	pythia_buffer_putc(&out, ']');
	for (size_t i = 0; i < out.length; i++)
		CHECK((unsigned char) out.data[i] >= 0x20);
	/* what reads options takes no NUL, which no name and no condition can hold */
	if (memchr(data, 0, size))
	{
		CHECK(!pythia_json_read("string", out.data, &tree, &error) && strcmp(error.sqlstate, "22021") == 0);
		fuzz_check_error(&error);
	}
	else
	{
		const char *text;

		CHECK(pythia_json_read("string", out.data, &tree, &error));
		CHECK(pythia_node_items(tree) && pythia_node_items(tree)->type == PYTHIA_NODE_STRING);
		text = pythia_node_items(tree)->text;

		/* the same but for bytes that are no UTF-8, which became U+FFFD */
		CHECK((strlen(text) == size && memcmp(text, data, size) == 0) || strstr(text, "\xef\xbf\xbd"));
	}
	pythia_node_free(tree);
	pythia_buffer_free(&out);
}

/* --- images --------------------------------------------------------------------------- */

/* A value of any kind, as any engine might send it, becomes one line of JSON that is whole. */
static void check_field(const pythia_field *field, pythia_kind kind, char storage, bool whole)
{
	pythia_capture_column column = {.in_image = true, .whole = whole};
	pythia_type type = {.kind = kind};
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	pythia_node *tree = NULL;
	pythia_error error = PYTHIA_ERROR_INIT;

	pythia_buffer_putc(&out, '[');
	pythia_capture_json_field(&out, &column, &type, storage, field);
	pythia_buffer_putc(&out, ']');
	CHECK(!memchr(out.data, '\n', out.length));
	/* valid; only what reads options refuses numbers beyond a double, which a DECIMAL may hold, and NUL characters */
	if (!pythia_json_read("field", out.data, &tree, &error))
	{
		CHECK(strcmp(error.sqlstate, "22003") == 0 || strcmp(error.sqlstate, "22021") == 0);
		fuzz_check_error(&error);
	}
	else
		CHECK(pythia_node_items(tree) && !pythia_node_items(tree)->next);
	pythia_node_free(tree);
	pythia_buffer_free(&out);
}

/* The first byte chooses the kind, or the class of a SQLite value; the rest is a row of COPY text. */
void fuzz_image(const uint8_t *data, size_t size)
{
	static const pythia_kind kinds[] = {
		PYTHIA_KIND_BOOL,  PYTHIA_KIND_YEAR, PYTHIA_KIND_DECIMAL,   PYTHIA_KIND_FLOAT,       PYTHIA_KIND_DOUBLE,
		PYTHIA_KIND_TEXT,  PYTHIA_KIND_DATE, PYTHIA_KIND_TIMESTAMP, PYTHIA_KIND_TIMESTAMPTZ, PYTHIA_KIND_TIME,
		PYTHIA_KIND_BYTES, PYTHIA_KIND_BIT,  PYTHIA_KIND_UUID,      PYTHIA_KIND_INTERVAL,    PYTHIA_KIND_OTHER};
	static const char classes[] = {'r', 't', 'b'};
	size_t nkinds = sizeof(kinds) / sizeof(kinds[0]);
	pythia_rows_reader reader = {0};
	pythia_rows rows;
	size_t choice;

	if (size == 0)
		return;
	choice = data[0] % (nkinds + sizeof(classes));
	rows = (pythia_rows){(const char *) data + 1, size - 1, 0};
	pythia_rows_open(&reader, &rows);
	for (int fields = 0; fields < 16 && pythia_rows_next(&reader);)
		for (int i = 0; i < reader.nfields && fields < 16; i++, fields++)
		{
			if (choice < nkinds)
				check_field(&reader.fields[i], kinds[choice], 0, false);
			else
				check_field(&reader.fields[i], PYTHIA_KIND_TEXT, classes[choice - nkinds], false);
		}
	pythia_rows_close(&reader);
}
