/*
 * Each engine's catalogue tells, a row for each column of a foreign key and those of one key together: a text that tells
 * keys apart, the schema and the name of the table that refers, its column, the column that it refers to (NULL: the
 * primary key's at that place), the place, and whether it refuses to have a row deleted.
 */
#include "sync/referrers.h"

#include <string.h>

#include "core/memory.h"

static void put_query(const pythia_run *run, pythia_buffer *out)
{
	const pythia_dialect *dialect = pythia_dialect_of(run->target);
	const pythia_table *table = &run->plan.target;
	pythia_buffer name = PYTHIA_BUFFER_INIT;

	switch (run->target->engine)
	{
		case PYTHIA_POSTGRESQL:
			/* who may not read the other table leaves it to the key itself */
			pythia_buffer_puts(out, "SELECT f.oid::text, n.nspname, c.relname, a.attname, b.attname, k.place,"
									" f.confdeltype IN ('a', 'r') FROM pg_catalog.pg_constraint f"
									" JOIN pg_catalog.pg_class c ON c.oid = f.conrelid"
									" JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
									" CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(f.conkey),"
									" pg_catalog.unnest(f.confkey)) WITH ORDINALITY AS k(own, other, place)"
									" JOIN pg_catalog.pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.own"
									" JOIN pg_catalog.pg_attribute b ON b.attrelid = f.confrelid AND b.attnum = k.other"
									" WHERE f.contype = 'f' AND f.conparentid = 0 AND f.conrelid <> f.confrelid"
									" AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')"
									" AND pg_catalog.has_table_privilege(c.oid, 'SELECT') AND f.confrelid = ");
			pythia_merge_table(run, false, &name);
			dialect->literal(out, name.data, name.length);
			pythia_buffer_puts(out, "::pg_catalog.regclass ORDER BY f.oid, k.place");
			break;
		case PYTHIA_MYSQL:
			pythia_buffer_puts(out,
							   "SELECT CONCAT(k.TABLE_NAME, '.', k.CONSTRAINT_NAME), k.TABLE_SCHEMA, k.TABLE_NAME,"
							   " k.COLUMN_NAME, k.REFERENCED_COLUMN_NAME, k.ORDINAL_POSITION,"
							   " r.DELETE_RULE IN ('RESTRICT', 'NO ACTION') FROM information_schema.KEY_COLUMN_USAGE k"
							   " JOIN information_schema.REFERENTIAL_CONSTRAINTS r"
							   " ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.TABLE_NAME = k.TABLE_NAME"
							   " AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME WHERE ");
			pythia_dialect_named(dialect, out, "k.REFERENCED_TABLE_SCHEMA", "k.REFERENCED_TABLE_NAME", table);
			pythia_buffer_puts(out, " AND NOT (");
			pythia_dialect_named(dialect, out, "k.TABLE_SCHEMA", "k.TABLE_NAME", table);
			pythia_buffer_puts(out, ") ORDER BY k.TABLE_SCHEMA, k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION");
			break;
		case PYTHIA_SQLITE:
			pythia_buffer_puts(out, "SELECT m.name || '.' || f.id, m.schema, m.name, f.\"from\", f.\"to\", f.seq + 1,"
									" f.on_delete IN ('NO ACTION', 'RESTRICT') FROM pragma_foreign_keys() AS k"
									" JOIN pragma_table_list() AS m JOIN pragma_foreign_key_list(m.name, m.schema) AS f"
									" WHERE k.foreign_keys AND ");
			pythia_dialect_named(dialect, out, "m.schema COLLATE NOCASE", "f.\"table\" COLLATE NOCASE", table);
			pythia_buffer_puts(out, " AND NOT (");
			pythia_dialect_named(dialect, out, "m.schema COLLATE NOCASE", "m.name COLLATE NOCASE", table);
			pythia_buffer_puts(out, ") ORDER BY m.name, f.id, f.seq");
			break;
	}
	pythia_buffer_free(&name);
}

/* The column that row `row` of the keys refers to; NULL where the catalogue tells nothing that can be. */
static const char *referred(const pythia_run *run, const pythia_result *keys, int64_t row)
{
	const pythia_table *table = &run->plan.target;
	const char *name = pythia_result_optional(keys, row, 4);
	int64_t place = pythia_result_number(keys, row, 5);

	if (name != NULL || place < 1 || place > table->nkey)
		return name;
	return table->columns[table->key[place - 1]].name;
}

/* One key, from its first column's row on; *next is the row after its last. */
static void put_key(const pythia_run *run, const pythia_result *keys, int64_t first, int64_t *next, pythia_buffer *out)
{
	const pythia_dialect *dialect = pythia_dialect_of(run->target);
	const char *name = pythia_result_text(keys, first, 0);
	pythia_buffer exists = PYTHIA_BUFFER_INIT;
	bool whole = pythia_result_true(keys, first, 6);
	int64_t row = first;

	pythia_buffer_puts(&exists, " AND NOT EXISTS (SELECT 1 FROM ");
	pythia_dialect_table(dialect, &exists, pythia_result_text(keys, first, 1), pythia_result_text(keys, first, 2));
	pythia_buffer_puts(&exists, " c WHERE ");
	for (; row < keys->nrows && strcmp(pythia_result_text(keys, row, 0), name) == 0; row++)
	{
		const char *column = referred(run, keys, row);

		whole = whole && column != NULL;
		if (column == NULL)
			continue;
		pythia_buffer_puts(&exists, row > first ? " AND c." : "c.");
		dialect->identifier(&exists, pythia_result_text(keys, row, 3));
		pythia_buffer_puts(&exists, " = t.");
		dialect->identifier(&exists, column);
	}
	*next = row;
	pythia_buffer_putc(&exists, ')');
	if (whole)
		pythia_buffer_puts(out, exists.data);
	pythia_buffer_free(&exists);
}

bool pythia_referrers(pythia_run *run, bool *any, pythia_buffer *blocked, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result keys;
	bool ok;

	memset(&keys, 0, sizeof(keys));
	put_query(run, &sql);
	ok = pythia_db_query(run->target, sql.data, "ttttTnb", &keys, error);
	*any = ok && keys.nrows > 0;
	for (int64_t row = 0; ok && blocked != NULL && row < keys.nrows;)
		put_key(run, &keys, row, &row, blocked);
	pythia_result_free(&keys);
	pythia_buffer_free(&sql);
	return ok;
}
