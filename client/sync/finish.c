/* What comes after the rows: sequences. */
#include <string.h>

#include "core/memory.h"
#include "sync/run.h"

/* PostgreSQL's sequences know nothing of values that were given; the other engines' counters do. */
bool pythia_finish_sequences(pythia_run *run, pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(run->target);
	const pythia_table *table = &run->plan.target;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	bool ok = true;

	if (run->target->engine != PYTHIA_POSTGRESQL)
		return true;
	pythia_dialect_table(dialect, &name, table->schema, table->name);
	for (int i = 0; ok && i < run->plan.npairs; i++)
	{
		const pythia_column *column = pythia_pair_target(&run->plan, i);

		if (!column->identity || column->type.kind != PYTHIA_KIND_INT)
			continue;
		pythia_buffer_clear(&sql);
		pythia_buffer_puts(&sql, "SELECT pg_catalog.setval(q.s, q.m) FROM (SELECT coalesce("
								 "pg_catalog.pg_get_serial_sequence(");
		dialect->literal(&sql, name.data, name.length);
		pythia_buffer_puts(&sql, ", ");
		dialect->literal(&sql, column->name, strlen(column->name));
		/* one that a default names, and that nothing owns; another's is his to move */
		pythia_buffer_puts(
			&sql, ")::pg_catalog.regclass, (SELECT s.oid::pg_catalog.regclass"
				  " FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid"
				  " AND a.attnum = d.adnum JOIN pg_catalog.pg_depend p ON p.objid = d.oid AND p.classid ="
				  " 'pg_catalog.pg_attrdef'::pg_catalog.regclass JOIN pg_catalog.pg_class s"
				  " ON s.oid = p.refobjid JOIN pg_catalog.pg_class t ON t.oid = d.adrelid AND t.relowner = s.relowner"
				  " WHERE CASE WHEN s.relkind = 'S' THEN pg_catalog.has_sequence_privilege(s.oid, 'UPDATE') END"
				  " AND d.adrelid = ");
		dialect->literal(&sql, name.data, name.length);
		pythia_buffer_puts(&sql, "::pg_catalog.regclass AND a.attname = ");
		dialect->literal(&sql, column->name, strlen(column->name));
		pythia_buffer_puts(&sql, " LIMIT 1)) AS s, (SELECT max(");
		dialect->identifier(&sql, column->name);
		pythia_buffer_printf(&sql, ") FROM %s) AS m) q", name.data);
		/* last_value is where the sequence stands; it never goes back */
		pythia_buffer_puts(&sql,
						   " WHERE q.s IS NOT NULL AND q.m > COALESCE(pg_catalog.pg_sequence_last_value(q.s), 0)");
		{
			bool moved;

			ok = pythia_db_any(run->target, sql.data, &moved, error);
		}
	}
	pythia_buffer_free(&sql);
	pythia_buffer_free(&name);
	return ok;
}
