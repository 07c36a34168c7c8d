/* PostgreSQL's catalogue.  It is read in one snapshot, with an empty search_path, so that every name in an expression that is
 * not PostgreSQL's own has its schema before it. */
#include <string.h>

#include "core/memory.h"
#include "migrate/catalog.h"

#define NAMES         " n.nspname, c.relname"
#define IN_NAMESPACES "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
#define NO_MEMBER(classid, oid)                                                                                        \
	" NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog." classid                           \
	"'::pg_catalog.regclass AND d.objid = " oid " AND d.deptype = 'e')"

typedef struct reading
{
	pythia_catalog_query query;
	char *schemas; /* the condition that the schema `n` is one of those that are read */
} reading;

static char *text(reading *r, int64_t row, int column)
{
	return pythia_catalog_text(&r->query, row, column);
}

static bool is(const reading *r, int64_t row, int column)
{
	return pythia_result_true(&r->query.result, row, column);
}

static char *schemas_condition(const pythia_db *db, const pythia_catalog *catalog)
{
	pythia_buffer schemas = PYTHIA_BUFFER_INIT;

	pythia_buffer_puts(&schemas, "n.nspname IN (");
	for (int i = 0; i < catalog->nschemas; i++)
	{
		pythia_buffer_puts(&schemas, i > 0 ? ", " : "");
		pythia_dialect_of(db)->literal(&schemas, catalog->schemas[i], strlen(catalog->schemas[i]));
	}
	pythia_buffer_puts(&schemas, catalog->nschemas == 0 ? "NULL)" : ")");
	return pythia_buffer_take(&schemas);
}

/* The rows of `select`, whose %s is that condition. */
static bool ask(reading *r, const char *select, const char *shape)
{
	return pythia_catalog_ask(&r->query, select, "%s", r->schemas, shape);
}

/* The table that a row names in its first two columns; NULL: it is none of those that are read. */
static pythia_catalog_table *whose(reading *r, int64_t row)
{
	return pythia_catalog_whose(&r->query, pythia_result_text(&r->query.result, row, 0),
								pythia_result_text(&r->query.result, row, 1));
}

bool pythia_catalog_schemas_postgres(pythia_db *db, pythia_catalog *catalog, pythia_error *error)
{
	pythia_result result;
	bool ok = pythia_db_query(db,
							  "SELECT n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname !~ '^pg_'"
							  " AND n.nspname NOT IN ('information_schema', 'pythia') AND" NO_MEMBER(
								  "pg_namespace", "n.oid") " ORDER BY n.nspname",
							  "t", &result, error);

	for (int64_t i = 0; ok && i < result.nrows; i++)
		pythia_catalog_add_schema(catalog, pythia_result_text(&result, i, 0));
	if (ok)
		pythia_result_free(&result);
	return ok;
}

static bool read_indexes(reading *r)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_catalog_index *index = NULL;
	bool ok;

	pythia_buffer_printf(
		&sql,
		"SELECT" NAMES ", x.relname, i.indisprimary::int, i.indisunique::int, (f.oid IS NOT NULL)::int,"
		" COALESCE(f.condeferrable, false)::int, COALESCE(f.condeferred, false)::int, %s, m.amname,"
		" pg_catalog.pg_get_expr(i.indpred, i.indrelid), pg_catalog.obj_description(x.oid, 'pg_class'),"
		" a.attname, CASE WHEN k.attnum = 0 THEN pg_catalog.pg_get_indexdef(i.indexrelid, k.position::int, false) END,"
		" (k.position <= i.indnkeyatts AND i.indoption[k.position - 1] & 1 = 1)::int,"
		" (k.position <= i.indnkeyatts AND i.indoption[k.position - 1] & 2 = 2)::int,"
		" CASE WHEN k.position <= i.indnkeyatts AND i.indcollation[k.position - 1] <> 0"
		" AND i.indcollation[k.position - 1] <> COALESCE(a.attcollation, 100) THEN"
		" (SELECT CASE WHEN l.collnamespace = 'pg_catalog'::pg_catalog.regnamespace THEN l.collname ELSE '' END"
		" FROM pg_catalog.pg_collation l WHERE l.oid = i.indcollation[k.position - 1]) END,"
		" CASE WHEN k.position <= i.indnkeyatts THEN (SELECT CASE WHEN o.opcdefault AND %s THEN NULL"
		" WHEN o.opcnamespace = 'pg_catalog'::pg_catalog.regnamespace AND %s THEN o.opcname ELSE '' END"
		" FROM pg_catalog.pg_opclass o WHERE o.oid = i.indclass[k.position - 1]) END,"
		" (k.position > i.indnkeyatts)::int, pg_catalog.array_to_string(x.reloptions, ', '),"
		" COALESCE(f.contype = 'x', false)::int, CASE WHEN f.contype = 'x' AND k.position <= i.indnkeyatts THEN"
		" (SELECT CASE WHEN o.oprnamespace = 'pg_catalog'::pg_catalog.regnamespace THEN o.oprname ELSE '' END"
		" FROM pg_catalog.pg_operator o WHERE o.oid = f.conexclop[k.position]) END"
		" FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid " IN_NAMESPACES
		" JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid JOIN pg_catalog.pg_am m ON m.oid = x.relam"
		" LEFT JOIN pg_catalog.pg_constraint f ON f.conindid = x.oid AND f.conrelid = c.oid"
		" AND f.contype IN ('p', 'u', 'x')"
		" CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, position)"
		" LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum AND k.attnum > 0"
		" WHERE i.indisvalid AND c.relkind IN ('r', 'p') AND ",
		r->query.db->version >= 150000 ? "i.indnullsnotdistinct::int" : "0",
		r->query.db->version >= 130000 ? "NOT EXISTS (SELECT FROM pg_catalog.pg_attribute z WHERE z.attrelid = x.oid"
										 " AND z.attnum = k.position AND z.attoptions IS NOT NULL)"
									   : "true",
		r->query.db->version >= 130000 ? "NOT EXISTS (SELECT FROM pg_catalog.pg_attribute z WHERE z.attrelid = x.oid"
										 " AND z.attnum = k.position AND z.attoptions IS NOT NULL)"
									   : "true");
	pythia_buffer_puts(&sql, "%s ORDER BY n.nspname, c.relname, x.relname, k.position");
	ok = ask(r, sql.data, "tttbbbbbbtTTTTbbTTbTbT");
	pythia_buffer_free(&sql);
	for (int64_t i = 0; ok && i < r->query.result.nrows; i++)
	{
		pythia_catalog_table *table = whose(r, i);
		const char *collation = pythia_result_optional(&r->query.result, i, 16);
		const char *opclass = pythia_result_optional(&r->query.result, i, 17);
		const char *operator= pythia_result_optional(&r->query.result, i, 21);
		pythia_catalog_part *part;

		if (table == NULL)
			continue;
		if (!pythia_catalog_goes_on(&r->query, i, 3))
		{
			index = pythia_catalog_add_index(table);
			index->name = text(r, i, 2);
			index->primary = is(r, i, 3);
			index->unique = is(r, i, 4);
			index->constraint = is(r, i, 5);
			index->deferrable = is(r, i, 6);
			index->deferred = is(r, i, 7);
			index->nulls_not_distinct = is(r, i, 8);
			index->method = text(r, i, 9);
			index->where = text(r, i, 10);
			index->comment = text(r, i, 11);
			index->exclusion = is(r, i, 20);
			if (pythia_result_optional(&r->query.result, i, 19) != NULL)
				index->odd = text(r, i, 19);
		}
		if (index == NULL)
			continue;
		part = pythia_catalog_add_part(index);
		part->column = text(r, i, 12);
		part->expression = text(r, i, 13);
		part->descending = is(r, i, 14);
		part->nulls_first = is(r, i, 15);
		part->collation = text(r, i, 16);
		part->opclass = text(r, i, 17);
		part->included = is(r, i, 18);
		part->excluded = text(r, i, 21);
		/* its signs are written as they are */
		if (operator!= NULL &&(*operator== '\0' || operator[strspn(operator, "+-*/<>=~!@#%^&|`?")] != '\0'))
			index->odd = pythia_texts_keep(&r->query.catalog->texts, "an operator of an extension or a user");
		if (collation != NULL && collation[0] == '\0')
			index->odd = pythia_texts_keep(&r->query.catalog->texts, "a collation of a user's");
		if (opclass != NULL && opclass[0] == '\0')
			index->odd = pythia_texts_keep(&r->query.catalog->texts,
										   "an operator class of an extension or a user, or with options");
	}
	return ok;
}

static bool read_foreigns(reading *r)
{
	static const char action[] = "CASE %c WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT'"
								 " WHEN 'r' THEN 'RESTRICT' ELSE 'NO ACTION' END";
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_catalog_foreign *foreign = NULL;
	bool ok;

	pythia_buffer_puts(&sql, "SELECT" NAMES ", f.conname, rn.nspname, rc.relname, ");
	for (int i = 0; i < 2; i++)
		for (const char *at = action; *at != '\0' || (pythia_buffer_puts(&sql, ", "), false); at++)
		{
			if (*at == '%')
				pythia_buffer_puts(&sql, i == 0 ? "f.confupdtype" : "f.confdeltype"), at++;
			else
				pythia_buffer_putc(&sql, *at);
		}
	pythia_buffer_printf(&sql,
						 "(f.confmatchtype = 'f')::int, f.condeferrable::int, f.condeferred::int,"
						 " (NOT f.convalidated)::int, a.attname, b.attname, %s",
						 r->query.db->version >= 150000 ? "(f.confdelsetcols IS NOT NULL)::int" : "0");
	pythia_buffer_puts(
		&sql, " FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_class c ON c.oid = f.conrelid " IN_NAMESPACES
			  " JOIN pg_catalog.pg_class rc ON rc.oid = f.confrelid JOIN pg_catalog.pg_namespace rn ON rn.oid ="
			  " rc.relnamespace CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(f.conkey),"
			  " pg_catalog.unnest(f.confkey)) WITH ORDINALITY AS k(here, there, position)"
			  " JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.here"
			  " JOIN pg_catalog.pg_attribute b ON b.attrelid = rc.oid AND b.attnum = k.there"
			  " WHERE f.contype = 'f' AND f.conparentid = 0 AND %s"
			  " ORDER BY n.nspname, c.relname, f.conname, k.position");
	ok = ask(r, sql.data, "tttttttbbbbttb");
	pythia_buffer_free(&sql);
	for (int64_t i = 0; ok && i < r->query.result.nrows; i++)
	{
		pythia_catalog_table *table = whose(r, i);

		if (table == NULL)
			continue;
		if (!pythia_catalog_goes_on(&r->query, i, 3))
		{
			foreign = pythia_catalog_add_foreign(table);
			foreign->name = text(r, i, 2);
			foreign->to_schema = text(r, i, 3);
			foreign->to_table = text(r, i, 4);
			foreign->on_update = text(r, i, 5);
			foreign->on_delete = text(r, i, 6);
			foreign->match_full = is(r, i, 7);
			foreign->deferrable = is(r, i, 8);
			foreign->deferred = is(r, i, 9);
			foreign->not_valid = is(r, i, 10);
			if (is(r, i, 13))
				foreign->odd = pythia_texts_keep(&r->query.catalog->texts, "ON DELETE SET NULL of some of its columns");
		}
		if (foreign != NULL)
			pythia_catalog_add_pair(foreign, text(r, i, 11), text(r, i, 12));
	}
	return ok;
}

static bool read_checks(reading *r)
{
	bool ok = ask(r,
				  "SELECT" NAMES ", f.conname, pg_catalog.pg_get_expr(f.conbin, f.conrelid), (NOT f.convalidated)::int"
				  " FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_class c ON c.oid = f.conrelid " IN_NAMESPACES
				  " WHERE f.contype = 'c' AND %s ORDER BY n.nspname, c.relname, f.conname",
				  "ttttb");

	for (int64_t i = 0; ok && i < r->query.result.nrows; i++)
	{
		pythia_catalog_table *table = whose(r, i);
		pythia_catalog_check *check = table != NULL ? pythia_catalog_add_check(table) : NULL;

		if (check == NULL)
			continue;
		check->name = text(r, i, 2);
		check->expression = text(r, i, 3);
		check->not_valid = is(r, i, 4);
	}
	return ok;
}

static bool read_storage(reading *r)
{
	bool ok =
		ask(r,
			"SELECT" NAMES ", pg_catalog.concat_ws(', ', CASE WHEN c.relpersistence = 'u' THEN 'UNLOGGED' END,"
			" pg_catalog.array_to_string(c.reloptions, ', '), (SELECT 'TABLESPACE ' || s.spcname"
			" FROM pg_catalog.pg_tablespace s WHERE s.oid = c.reltablespace)) FROM pg_catalog.pg_class c " IN_NAMESPACES
			" WHERE c.relkind IN ('r', 'p') AND %s AND (c.relpersistence = 'u' OR c.reloptions"
			" IS NOT NULL OR c.reltablespace <> 0)",
			"ttt");

	for (int64_t i = 0; ok && i < r->query.result.nrows; i++)
	{
		pythia_catalog_table *table = whose(r, i);

		if (table != NULL)
			table->storage = text(r, i, 2);
	}
	return ok;
}

static bool read_columns(reading *r)
{
	bool ok = ask(r,
				  "SELECT" NAMES ", a.attname, CASE WHEN a.attgenerated <> '' THEN"
				  " pg_catalog.pg_get_expr(e.adbin, e.adrelid) END, (a.attgenerated = 's')::int,"
				  " CASE WHEN y.typtype IN ('e', 'd') THEN yn.nspname END, CASE WHEN y.typtype IN ('e', 'd') THEN"
				  " y.typname END,"
				  " sn.nspname, s.relname"
				  " FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid " IN_NAMESPACES
				  " JOIN pg_catalog.pg_type y ON y.oid = a.atttypid JOIN pg_catalog.pg_namespace yn ON yn.oid ="
				  " y.typnamespace LEFT JOIN pg_catalog.pg_attrdef e ON e.adrelid = a.attrelid AND e.adnum = a.attnum"
				  " LEFT JOIN pg_catalog.pg_depend p ON p.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass"
				  " AND p.objid = e.oid AND p.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass"
				  " AND a.attgenerated = '' AND pg_catalog.pg_get_expr(e.adbin, e.adrelid) ~"
				  " '^nextval\\(''[^'']*''::regclass\\)$'"
				  " LEFT JOIN pg_catalog.pg_class s ON s.oid = p.refobjid AND s.relkind = 'S'"
				  " LEFT JOIN pg_catalog.pg_namespace sn ON sn.oid = s.relnamespace"
				  " WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p') AND %s"
				  " AND (y.typtype IN ('e', 'd') OR a.attgenerated <> '' OR s.oid IS NOT NULL)"
				  " ORDER BY n.nspname, c.relname, a.attnum",
				  "tttTbTTTT");

	for (int64_t i = 0; ok && i < r->query.result.nrows; i++)
	{
		pythia_catalog_table *table = whose(r, i);
		pythia_catalog_column *column =
			table != NULL ? pythia_catalog_column_of(table, pythia_result_text(&r->query.result, i, 2)) : NULL;

		if (column == NULL)
			continue;
		column->generated = text(r, i, 3);
		column->stored = is(r, i, 4);
		column->type_schema = text(r, i, 5);
		column->type_name = text(r, i, 6);
		column->sequence_schema = text(r, i, 7);
		column->sequence_name = text(r, i, 8);
	}
	return ok;
}

static bool read_sequences(reading *r)
{
	bool ok = ask(r,
				  "SELECT" NAMES ", on_n.nspname, o.relname, a.attname, a.attidentity::text,"
				  " pg_catalog.format_type(q.seqtypid, NULL), q.seqstart, q.seqincrement, q.seqmin, q.seqmax,"
				  " q.seqcache, q.seqcycle::int, CASE WHEN pg_catalog.has_sequence_privilege(c.oid, 'USAGE, SELECT')"
				  " THEN pg_catalog.pg_sequence_last_value(c.oid) END"
				  " FROM pg_catalog.pg_sequence q JOIN pg_catalog.pg_class c ON c.oid = q.seqrelid " IN_NAMESPACES
				  " LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass"
				  " AND d.objid = c.oid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass"
				  " AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0"
				  " LEFT JOIN pg_catalog.pg_class o ON o.oid = d.refobjid"
				  " LEFT JOIN pg_catalog.pg_namespace on_n ON on_n.oid = o.relnamespace"
				  " LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = o.oid AND a.attnum = d.refobjsubid"
				  " WHERE c.relkind = 'S' AND %s AND" NO_MEMBER("pg_class", "c.oid") " ORDER BY n.nspname, c.relname",
				  "ttTTTTtnnnnnbN");

	for (int64_t i = 0; ok && i < r->query.result.nrows; i++)
	{
		pythia_catalog_sequence *sequence;
		const char *identity = pythia_result_optional(&r->query.result, i, 5);

		/* whose numbers are a dropped column's, or a stranger's */
		if (pythia_own_table(pythia_result_text(&r->query.result, i, 1)))
			continue;
		sequence = pythia_catalog_add_sequence(r->query.catalog);
		sequence->schema = text(r, i, 0);
		sequence->name = text(r, i, 1);
		sequence->table_schema = text(r, i, 2);
		sequence->table = text(r, i, 3);
		sequence->column = text(r, i, 4);
		sequence->identity = identity != NULL ? identity[0] : '\0';
		sequence->type = text(r, i, 6);
		sequence->start = text(r, i, 7);
		sequence->increment = text(r, i, 8);
		sequence->minimum = text(r, i, 9);
		sequence->maximum = text(r, i, 10);
		sequence->cache = text(r, i, 11);
		sequence->cycle = is(r, i, 12);
		sequence->last = text(r, i, 13);
		sequence->called = sequence->last != NULL;
	}
	return ok;
}

static bool read_enums(reading *r)
{
	pythia_catalog_enum *type = NULL;
	bool ok = ask(r,
				  "SELECT n.nspname, c.typname, e.enumlabel, pg_catalog.obj_description(c.oid, 'pg_type')"
				  " FROM pg_catalog.pg_type c JOIN pg_catalog.pg_namespace n ON n.oid = c.typnamespace"
				  " JOIN pg_catalog.pg_enum e ON e.enumtypid = c.oid WHERE %s AND" NO_MEMBER(
					  "pg_type", "c.oid") " ORDER BY n.nspname, c.typname, e.enumsortorder",
				  "tttT");

	for (int64_t i = 0; ok && i < r->query.result.nrows; i++)
	{
		if (type == NULL || strcmp(type->name, pythia_result_text(&r->query.result, i, 1)) != 0 ||
			strcmp(type->schema, pythia_result_text(&r->query.result, i, 0)) != 0)
		{
			type = pythia_catalog_add_enum(r->query.catalog);
			type->schema = text(r, i, 0);
			type->name = text(r, i, 1);
			type->comment = text(r, i, 3);
		}
		pythia_type_add_label(&type->labels, pythia_result_text(&r->query.result, i, 2));
	}
	return ok;
}

static bool read_domains(reading *r)
{
	pythia_catalog_domain *domain = NULL;
	bool ok = ask(r,
				  "SELECT n.nspname, c.typname, pg_catalog.format_type(c.typbasetype, c.typtypmod),"
				  " CASE WHEN bn.nspname <> 'pg_catalog' THEN bn.nspname END,"
				  " CASE WHEN bn.nspname <> 'pg_catalog' THEN b.typname END,"
				  " pg_catalog.pg_get_expr(c.typdefaultbin, 0), c.typnotnull::int,"
				  " CASE WHEN c.typcollation <> b.typcollation THEN l.collname END,"
				  " pg_catalog.obj_description(c.oid, 'pg_type'), f.conname, pg_catalog.pg_get_expr(f.conbin, 0),"
				  " (NOT f.convalidated)::int FROM pg_catalog.pg_type c JOIN pg_catalog.pg_namespace n ON"
				  " n.oid = c.typnamespace JOIN pg_catalog.pg_type b ON b.oid = c.typbasetype"
				  " JOIN pg_catalog.pg_namespace bn ON bn.oid = b.typnamespace"
				  " LEFT JOIN pg_catalog.pg_collation l ON l.oid = c.typcollation"
				  " LEFT JOIN pg_catalog.pg_constraint f ON f.contypid = c.oid AND f.contype = 'c'"
				  " WHERE c.typtype = 'd' AND %s AND" NO_MEMBER("pg_type", "c.oid") " ORDER BY c.oid, f.conname",
				  "tttTTTbTTTTB");

	for (int64_t i = 0; ok && i < r->query.result.nrows; i++)
	{
		if (!pythia_catalog_goes_on(&r->query, i, 2))
		{
			domain = pythia_catalog_add_domain(r->query.catalog);
			domain->schema = text(r, i, 0);
			domain->name = text(r, i, 1);
			domain->base = text(r, i, 2);
			domain->base_schema = text(r, i, 3);
			domain->base_name = text(r, i, 4);
			domain->expression = text(r, i, 5);
			domain->required = is(r, i, 6);
			domain->collation = text(r, i, 7);
			domain->comment = text(r, i, 8);
		}
		if (domain != NULL && pythia_result_optional(&r->query.result, i, 9) != NULL)
		{
			pythia_catalog_check *check = pythia_catalog_add_domain_check(domain);

			check->name = text(r, i, 9);
			check->expression = text(r, i, 10);
			check->not_valid = is(r, i, 11);
		}
	}
	return ok;
}

static bool read_views(reading *r)
{
	bool ok = ask(r,
				  "SELECT" NAMES ", pg_catalog.pg_get_viewdef(c.oid, false), pg_catalog.obj_description(c.oid,"
				  " 'pg_class'), CASE WHEN c.relkind = 'm' THEN 'it is materialized'"
				  " WHEN c.reloptions IS NOT NULL THEN 'it has options (' ||"
				  " pg_catalog.array_to_string(c.reloptions, ', ') || ')' END"
				  " FROM pg_catalog.pg_class c " IN_NAMESPACES
				  " WHERE c.relkind IN ('v', 'm') AND %s AND" NO_MEMBER("pg_class", "c.oid") " ORDER BY c.oid",
				  "ttTTT");

	for (int64_t i = 0; ok && i < r->query.result.nrows; i++)
	{
		pythia_catalog_view *view;

		if (pythia_own_table(pythia_result_text(&r->query.result, i, 1)))
			continue;
		view = pythia_catalog_add_view(r->query.catalog);
		view->schema = text(r, i, 0);
		view->name = text(r, i, 1);
		view->definition = text(r, i, 2);
		view->comment = text(r, i, 3);
		view->odd = text(r, i, 4);
	}
	return ok;
}

static bool read_others(reading *r)
{
	bool ok =
		ask(r,
			"SELECT CASE WHEN c.prokind = 'p' THEN 'procedure' ELSE 'function' END AS what, n.nspname AS schema,"
			" c.proname || '(' || pg_catalog.pg_get_function_identity_arguments(c.oid) || ')' AS name"
			" FROM pg_catalog.pg_proc c JOIN pg_catalog.pg_namespace n ON n.oid = c.pronamespace WHERE %s"
			" AND c.proname !~ '^pythia_' AND" NO_MEMBER(
				"pg_proc",
				"c.oid") " UNION ALL SELECT CASE c.typtype WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range type'"
						 " WHEN 'b' THEN 'base type' ELSE 'composite type' END, n.nspname, c.typname FROM "
						 "pg_catalog.pg_type c"
						 " JOIN pg_catalog.pg_namespace n ON n.oid = c.typnamespace LEFT JOIN pg_catalog.pg_class k"
						 " ON k.oid = c.typrelid WHERE %s AND (c.typtype IN ('d', 'r') OR (c.typtype = 'c'"
						 " AND k.relkind = 'c') OR (c.typtype = 'b' AND c.typelem = 0)) AND" NO_MEMBER(
							 "pg_type",
							 "c.oid") " UNION ALL SELECT 'foreign table', n.nspname, c.relname FROM "
									  "pg_catalog.pg_class c " IN_NAMESPACES " WHERE c.relkind = 'f' AND %s"
									  " UNION ALL SELECT 'grants', n.nspname, c.relname FROM pg_catalog.pg_class "
									  "c " IN_NAMESPACES
									  " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S') AND c.relacl IS NOT NULL AND %s"
									  " UNION ALL SELECT 'extension', NULL, e.extname FROM pg_catalog.pg_extension e"
									  " WHERE e.extname NOT IN ('plpgsql', 'pythia_db')"
									  " UNION ALL SELECT 'event trigger', NULL, e.evtname FROM "
									  "pg_catalog.pg_event_trigger e"
									  " ORDER BY what, schema, name",
			"tTt");

	for (int64_t i = 0; ok && i < r->query.result.nrows; i++)
	{
		pythia_catalog_other *other = pythia_catalog_add_other(r->query.catalog);

		other->what = text(r, i, 0);
		other->schema = text(r, i, 1);
		other->name = text(r, i, 2);
	}
	return ok;
}

bool pythia_catalog_postgres(pythia_db *db, pythia_catalog *catalog, pythia_error *error)
{
	reading r = {.query = {.db = db, .catalog = catalog, .error = error}, .schemas = schemas_condition(db, catalog)};
	pythia_error ignored = PYTHIA_ERROR_INIT;
	bool ok = db->driver->begin(db, PYTHIA_BEGIN_SNAPSHOT, error) &&
			  pythia_db_exec(db, "SELECT pg_catalog.set_config('search_path', '', true)", NULL, error) &&
			  read_indexes(&r) && read_foreigns(&r) && read_checks(&r) && read_storage(&r) && read_columns(&r) &&
			  read_sequences(&r) && read_enums(&r) && read_domains(&r) && read_views(&r) && read_others(&r);

	pythia_result_free(&r.query.result);
	pythia_free(r.schemas);
	if (ok)
		return db->driver->commit(db, error);
	if (!db->broken)
		db->driver->rollback(db, &ignored);
	pythia_error_reset(&ignored);
	return false;
}
