/*
 * The text of a PostgreSQL value.  A cast to text, json or text[] is looked up by
 * the value's type, and whoever owns that type may have made one: its function
 * would run with the rights of whoever reads.  Output functions are a superuser's.
 */
#include "dialect/dialect_internal.h"

#include <string.h>

bool pythia_postgres_is_builtin(const pythia_type *type)
{
	/* the session's search_path is pg_catalog, so every other type comes with its schema */
	return type->native != NULL && strchr(type->native, '.') == NULL;
}

void pythia_postgres_output(pythia_buffer *out, const char *subject)
{
	/* IS NOT NULL would be false of a row with a NULL in it */
	pythia_buffer_printf(out, "CASE WHEN %s IS DISTINCT FROM NULL THEN pg_catalog.concat(%s) END", subject, subject);
}

void pythia_postgres_text(pythia_buffer *out, const pythia_type *type, const char *subject)
{
	if (pythia_postgres_is_builtin(type) && type->kind != PYTHIA_KIND_OTHER)
		pythia_buffer_printf(out, "(%s)::text", subject);
	else
		/* also of inet, whose cast says something else */
		pythia_postgres_output(out, subject);
}

void pythia_postgres_json(pythia_buffer *out, const pythia_type *type, const char *subject)
{
	if (pythia_postgres_is_builtin(type))
	{
		pythia_buffer_printf(out, "pg_catalog.to_jsonb(%s)", subject);
		return;
	}
	pythia_buffer_puts(out, "pg_catalog.to_jsonb((");
	pythia_postgres_output(out, subject);
	pythia_buffer_puts(out, type->kind == PYTHIA_KIND_ARRAY ? ")::text[])" : ")::text)");
}
