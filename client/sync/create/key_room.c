/*
 * What a key of MySQL's has room for: 3072 bytes, for all its columns together, and a length has to be said of each text.
 * Other engines know neither, so the lengths are chosen by what the source holds.
 */
#include <string.h>

#include "core/memory.h"
#include "core/number.h"
#include "sync/create/create.h"

#define SHORT_KEY 255
#define LONG_KEY  768 /* characters, which make InnoDB's 3072 bytes */
#define KEY_BYTES 3072
#define A_LETTER  4 /* bytes of utf8mb4 */
/* Of a column that holds neither texts nor bytes: no such one takes more. */
#define A_NUMBER 16

/* The length of the column's longest value, in characters, or in bytes where it holds bytes; 0 of no rows. */
static bool longest_value(const pythia_sync_job *job, const pythia_table *source, const pythia_column *column,
						  int64_t *longest, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(job->source);
	bool bytes = column->type.kind == PYTHIA_KIND_BYTES;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	char *found = NULL;
	bool ok;

	*longest = 0;
	/* every value has blanks up to it */
	if (job->source->engine == PYTHIA_POSTGRESQL && column->type.kind == PYTHIA_KIND_CHAR && column->type.length > 0)
	{
		*longest = column->type.length;
		return true;
	}
	pythia_buffer_puts(&sql, job->source->engine == PYTHIA_SQLITE ? "SELECT max(length("
							 : bytes                              ? "SELECT max(octet_length("
																  : "SELECT max(char_length(");
	dialect->identifier(&sql, column->name);
	/* an array, an address */
	if (job->source->engine == PYTHIA_POSTGRESQL && !bytes && column->type.kind != PYTHIA_KIND_TEXT &&
		column->type.kind != PYTHIA_KIND_CHAR)
		pythia_buffer_puts(&sql, "::pg_catalog.text");
	pythia_buffer_puts(&sql, ")) FROM ");
	pythia_dialect_table(dialect, &sql, source->schema, source->name);
	ok = pythia_db_text(job->source, sql.data, &found, error);
	if (ok && found != NULL)
		(void) pythia_int64_read(found, strlen(found), longest);
	pythia_free(found);
	pythia_buffer_free(&sql);
	return ok;
}

static bool too_long(const pythia_table *source, pythia_error *error)
{
	pythia_fail(error, PYTHIA_E_DATA, "22001", "the key of table \"%s\" is too long for MySQL", source->name);
	return pythia_error_hint(error, "Name other columns that identify a row in \"key\", or create the target table"
									" yourself, with a shorter key that is unique.");
}

bool pythia_key_text(const pythia_sync_job *job, const pythia_table *source, const pythia_column *column, bool primary,
					 bool *in_key, pythia_type *type, pythia_error *error)
{
	int64_t length;

	if ((type->kind != PYTHIA_KIND_TEXT && type->kind != PYTHIA_KIND_CHAR) ||
		(type->length > 0 && type->length <= LONG_KEY && job->source->engine != PYTHIA_SQLITE))
		return true;
	if (!longest_value(job, source, column, &length, error))
		return false;
	if (length <= LONG_KEY)
	{
		if (type->length <= 0 || type->length > LONG_KEY || length > type->length)
			type->length = length <= SHORT_KEY ? SHORT_KEY : LONG_KEY;
		return true;
	}
	if (!primary)
	{
		*in_key = false;
		return true;
	}
	too_long(source, error);
	return pythia_error_detail(error, "Column \"%s\" holds texts of %lld characters; a key there may have %d.",
							   column->name, (long long) length, LONG_KEY);
}

/* One that takes a length: its unit in bytes; else 0. */
static int64_t unit_of(const pythia_column *column)
{
	/* one that keeps its collation has been a key of this length before */
	if (column->type.length <= 0 || column->collation != NULL)
		return 0;
	if (column->type.kind == PYTHIA_KIND_TEXT || column->type.kind == PYTHIA_KIND_CHAR)
		return A_LETTER;
	return column->type.kind == PYTHIA_KIND_BYTES ? 1 : 0;
}

static int64_t key_bytes(const pythia_table *target, bool sized)
{
	int64_t sum = 0;

	for (int i = 0; i < target->nkey; i++)
	{
		const pythia_column *column = &target->columns[target->key[i]];
		int64_t unit = unit_of(column);

		if (unit > 0 || !sized)
			sum += unit > 0 ? column->type.length * unit : A_NUMBER;
	}
	return sum;
}

static bool shorten(const pythia_sync_job *job, pythia_column *column, int64_t length, pythia_error *error)
{
	pythia_buffer ddl = PYTHIA_BUFFER_INIT;
	pythia_type type;
	bool ok;

	if (length >= column->type.length)
		return true;
	pythia_type_copy(&type, &column->type);
	type.length = length;
	ok = pythia_dialect_of(job->target)->type_ddl(job->target, &type, true, &ddl, error);
	pythia_type_free(&type);
	if (ok)
	{
		pythia_type_free(&column->type);
		pythia_dialect_of(job->target)->parse_type(ddl.data, &column->type);
		pythia_host_log(job->target->host, PYTHIA_LOG_NOTICE,
						"column \"%s\" may have %lld %s in the target: all of the key share %d bytes there",
						column->name, (long long) length,
						column->type.kind == PYTHIA_KIND_BYTES ? "bytes" : "characters", KEY_BYTES);
	}
	pythia_buffer_free(&ddl);
	return ok;
}

bool pythia_key_share(const pythia_sync_job *job, const pythia_table *source, const int *key, pythia_table *target,
					  pythia_error *error)
{
	int64_t *longest;
	int64_t room;
	int sized = 0;
	bool ok = true;

	if (job->target->engine != PYTHIA_MYSQL || key_bytes(target, false) <= KEY_BYTES)
		return true;
	room = KEY_BYTES - (key_bytes(target, false) - key_bytes(target, true));
	longest = pythia_calloc((size_t) target->nkey, sizeof(int64_t));
	for (int i = 0; ok && i < target->nkey; i++)
	{
		int64_t unit = unit_of(&target->columns[target->key[i]]);

		if (unit == 0)
			continue;
		ok = longest_value(job, source, &source->columns[key[i]], &longest[i], error);
		longest[i] += longest[i] == 0;
		room -= longest[i] * unit;
		sized++;
	}
	if (ok && room < 0)
	{
		too_long(source, error);
		ok =
			pythia_error_detail(error, "Its columns hold values of up to %lld bytes together; a key there may have %d.",
								(long long) (KEY_BYTES - room), KEY_BYTES);
	}
	/* what is left over is everybody's alike */
	for (int i = 0; ok && i < target->nkey; i++)
	{
		pythia_column *column = &target->columns[target->key[i]];
		int64_t unit = unit_of(column);

		ok = unit == 0 || shorten(job, column, longest[i] + room / sized / unit, error);
	}
	pythia_free(longest);
	return ok;
}
