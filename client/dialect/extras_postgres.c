/* What else a table of PostgreSQL has. */
#include "dialect/dialect_internal.h"

/* The query is planned for each table anew, which takes longer than it runs: few joins, each part by the table's number. */
#define OF_TABLE    "(SELECT t.oid FROM t)"
#define IN_CLASSES  "'pg_catalog.pg_class'::pg_catalog.regclass"
#define IN_DEFAULTS "'pg_catalog.pg_attrdef'::pg_catalog.regclass"

/* Those that keys_query leaves out, and what it leaves out of the others; an exclusion constraint's is the constraint. */
static void indexes(const pythia_db *db, pythia_buffer *out)
{
	pythia_buffer_printf(out,
						 "SELECT CASE WHEN i.indpred IS NOT NULL THEN %d WHEN i.method <> 'btree' THEN %d"
						 " WHEN i.expression THEN %d ELSE %d END AS kind, i.name, CASE"
						 " WHEN i.indpred IS NULL AND i.method <> 'btree' THEN i.method"
						 " WHEN i.indpred IS NULL AND NOT i.expression THEN i.options"
						 " WHEN i.indisunique THEN 'unique' END AS detail, NULL::pg_catalog.text AS of_column FROM (",
						 PYTHIA_EXTRA_PARTIAL_INDEX, PYTHIA_EXTRA_OTHER_INDEX, PYTHIA_EXTRA_EXPRESSION_INDEX,
						 PYTHIA_EXTRA_INDEX_OPTION);
	pythia_buffer_printf(out,
						 "SELECT i.indpred, i.indisunique, 0 = ANY (i.indkey) AS expression,"
						 " x.relname::pg_catalog.text AS name,"
						 " (SELECT m.amname::pg_catalog.text FROM pg_catalog.pg_am m WHERE m.oid = x.relam) AS method,"
						 " pg_catalog.concat_ws(', ', CASE WHEN i.indnatts > i.indnkeyatts THEN 'INCLUDE' END,"
						 " CASE WHEN i.indoption::pg_catalog.text ~ '[12]' THEN 'order' END,"
						 " CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_attribute k"
						 " ON k.attrelid = i.indexrelid AND a.attnum = i.indkey[k.attnum - 1]"
						 " WHERE a.attrelid = i.indrelid AND k.attnum <= i.indnkeyatts"
						 " AND k.attcollation <> a.attcollation) THEN 'COLLATE' END,"
						 " CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_opclass q WHERE q.oid = ANY (i.indclass)"
						 " AND NOT q.opcdefault) THEN 'operator class' END,"
						 " CASE WHEN NOT i.indimmediate THEN 'DEFERRABLE' END%s) AS options"
						 " FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid"
						 " WHERE i.indrelid = " OF_TABLE " AND i.indisvalid AND NOT EXISTS (SELECT"
						 " FROM pg_catalog.pg_constraint f WHERE f.conrelid = i.indrelid AND f.conindid = i.indexrelid"
						 " AND f.contype = 'x')) AS i"
						 " WHERE i.indpred IS NOT NULL OR i.method <> 'btree' OR i.expression OR i.options <> ''",
						 db->version >= 150000 ? ", CASE WHEN i.indnullsnotdistinct THEN 'NULLS NOT DISTINCT' END"
											   : "");
}

/* A domain's belong to each column of its type, and the column has the domain's type without them. */
static void constraints(pythia_buffer *out)
{
	pythia_buffer_printf(out,
						 " UNION ALL SELECT CASE f.contype WHEN 'x' THEN %d WHEN 'c' THEN %d ELSE %d END, f.conname,"
						 " (SELECT r.relname FROM pg_catalog.pg_class r WHERE r.oid = f.confrelid), NULL"
						 " FROM pg_catalog.pg_constraint f WHERE f.conrelid = " OF_TABLE
						 " AND f.contype IN ('x', 'c', 'f')"
						 " UNION ALL SELECT %d, f.conname, 'domain ' || d.typname, d.attname FROM d"
						 " JOIN pg_catalog.pg_constraint f ON f.contypid = d.oid AND f.contype = 'c'"
						 " UNION ALL SELECT %d, 'NOT NULL', 'domain ' || d.typname, d.attname FROM d"
						 " WHERE d.typnotnull AND NOT d.attnotnull"
						 " UNION ALL SELECT %d, d.attname, 'domain ' || d.typname, d.attname FROM d"
						 " WHERE d.typdefault IS NOT NULL AND NOT d.atthasdef",
						 PYTHIA_EXTRA_EXCLUSION, PYTHIA_EXTRA_CHECK, PYTHIA_EXTRA_FOREIGN_KEY, PYTHIA_EXTRA_CHECK,
						 PYTHIA_EXTRA_CHECK, PYTHIA_EXTRA_DEFAULT);
}

/* Of defaults, and of identity columns. */
static void sequences(pythia_buffer *out)
{
	pythia_buffer_printf(out,
						 " UNION ALL SELECT %d, u.attname, pg_catalog.concat_ws(', ', CASE WHEN NOT u.own THEN"
						 " (SELECT r.relname FROM pg_catalog.pg_class r WHERE r.oid = q.seqrelid) END,"
						 " CASE WHEN q.seqincrement <> 1 THEN 'INCREMENT ' || q.seqincrement END,"
						 " CASE WHEN q.seqcycle THEN 'CYCLE' END), u.attname FROM"
						 " (SELECT a.attname, p.refobjid AS number, EXISTS (SELECT FROM pg_catalog.pg_depend o"
						 " WHERE o.classid = " IN_CLASSES " AND o.objid = p.refobjid AND o.refclassid = " IN_CLASSES
						 " AND o.refobjid = a.attrelid AND o.refobjsubid = a.attnum AND o.deptype = 'a') AS own"
						 " FROM pg_catalog.pg_attrdef e JOIN pg_catalog.pg_attribute a ON a.attrelid = e.adrelid"
						 " AND a.attnum = e.adnum AND a.attgenerated = '' JOIN pg_catalog.pg_depend p"
						 " ON p.classid = " IN_DEFAULTS " AND p.objid = e.oid AND p.refclassid = " IN_CLASSES
						 " WHERE e.adrelid = " OF_TABLE
						 " UNION ALL SELECT a.attname, p.objid, true FROM pg_catalog.pg_depend p"
						 " JOIN pg_catalog.pg_attribute a ON a.attrelid = p.refobjid AND a.attnum = p.refobjsubid"
						 " WHERE p.classid = " IN_CLASSES " AND p.refclassid = " IN_CLASSES
						 " AND p.refobjid = " OF_TABLE " AND p.deptype = 'i') AS u"
						 " JOIN pg_catalog.pg_sequence q ON q.seqrelid = u.number"
						 " WHERE NOT u.own OR q.seqincrement <> 1 OR q.seqcycle",
						 PYTHIA_EXTRA_SEQUENCE);
}

static void what_acts(pythia_buffer *out)
{
	pythia_buffer_printf(out,
						 " UNION ALL SELECT %d, g.tgname, NULL, NULL FROM pg_catalog.pg_trigger g"
						 " WHERE g.tgrelid = " OF_TABLE " AND NOT g.tgisinternal"
						 " UNION ALL SELECT %d, w.rulename, NULL, NULL FROM pg_catalog.pg_rewrite w"
						 " WHERE w.ev_class = " OF_TABLE " AND w.rulename <> '_RETURN'"
						 " UNION ALL SELECT %d, p.polname, NULL, NULL FROM t"
						 " LEFT JOIN pg_catalog.pg_policy p ON p.polrelid = t.oid WHERE t.relrowsecurity",
						 PYTHIA_EXTRA_TRIGGER, PYTHIA_EXTRA_RULE, PYTHIA_EXTRA_ROW_SECURITY);
}

/* The rows of a table's heirs are read with it. */
static void relatives(pythia_buffer *out)
{
	pythia_buffer_printf(out,
						 " UNION ALL SELECT %d, pg_catalog.pg_get_partkeydef(t.oid), NULL, NULL FROM t"
						 " WHERE t.relkind = 'p'"
						 " UNION ALL SELECT CASE WHEN t.relispartition THEN %d ELSE %d END, r.relname,"
						 " CASE WHEN t.relispartition THEN 'a partition of it' ELSE 'parent' END, NULL FROM t"
						 " JOIN pg_catalog.pg_inherits h ON h.inhrelid = t.oid"
						 " JOIN pg_catalog.pg_class r ON r.oid = h.inhparent"
						 " UNION ALL SELECT %d, r.relname, 'child', NULL FROM t"
						 " JOIN pg_catalog.pg_inherits h ON h.inhparent = t.oid"
						 " JOIN pg_catalog.pg_class r ON r.oid = h.inhrelid WHERE t.relkind <> 'p'",
						 PYTHIA_EXTRA_PARTITIONING, PYTHIA_EXTRA_PARTITIONING, PYTHIA_EXTRA_INHERITANCE,
						 PYTHIA_EXTRA_INHERITANCE);
}

void pythia_postgres_extras_query(const pythia_dialect *own, const pythia_db *db, pythia_buffer *out,
								  const pythia_table *table)
{
	pythia_buffer_puts(out, "WITH RECURSIVE t AS MATERIALIZED (SELECT c.oid, c.relkind, c.relispartition,"
							" c.relrowsecurity FROM pg_catalog.pg_class c"
							" JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE ");
	pythia_dialect_named(own, out, "n.nspname", "c.relname", table);
	pythia_buffer_puts(out, "), d AS (SELECT a.attname, a.attnotnull, a.atthasdef, y.oid, y.typname, y.typbasetype,"
							" y.typnotnull, y.typdefault FROM pg_catalog.pg_attribute a"
							" JOIN pg_catalog.pg_type y ON y.oid = a.atttypid AND y.typtype = 'd'"
							" WHERE a.attrelid = " OF_TABLE " AND a.attnum > 0 AND NOT a.attisdropped"
							" UNION ALL SELECT d.attname, d.attnotnull, d.atthasdef, y.oid,"
							" y.typname, y.typbasetype, y.typnotnull, y.typdefault FROM d"
							" JOIN pg_catalog.pg_type y ON y.oid = d.typbasetype AND y.typtype = 'd')"
							" SELECT e.kind, e.name, e.detail, e.of_column FROM (");
	indexes(db, out);
	constraints(out);
	sequences(out);
	what_acts(out);
	relatives(out);
	pythia_buffer_puts(out, ") AS e ORDER BY e.kind, e.name COLLATE pg_catalog.\"C\"");
}
