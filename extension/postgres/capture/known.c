#include "postgres/capture/known.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "postgres/capture/columns.h"
#include "postgres/capture/nested.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* By its bytes: that tells keys apart that any other collation does. */
static Oid collation_of(Oid type, Oid own)
{
	if (!OidIsValid(get_typcollation(type)))
		return InvalidOid;
	return OidIsValid(own) && own < FirstNormalObjectId ? own : C_COLLATION_OID;
}

pythia_known_column pythia_known_column_of(const FormData_pg_attribute *attribute)
{
	pythia_known_column column = {.typmod = attribute->atttypmod};

	column.type = getBaseTypeAndTypmod(attribute->atttypid, &column.typmod);
	column.as_text = !pythia_nested_is_builtin(column.type);
	if (column.as_text)
	{
		column.type = TEXTOID;
		column.typmod = -1;
	}
	column.collation = column.as_text ? C_COLLATION_OID : collation_of(column.type, attribute->attcollation);
	return column;
}

char *pythia_known_column_type(const pythia_known_column *column)
{
	char *type =
		format_type_extended(column->type, column->typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);

	return OidIsValid(column->collation) ? psprintf("%s COLLATE %s", type, generate_collation_name(column->collation))
										 : type;
}

static void append_equals(StringInfo out, Oid type)
{
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_EQ_OPR);
	HeapTuple tuple;
	Form_pg_operator form;

	if (!OidIsValid(entry->eq_opr))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
						errmsg("type %s has no equality, so it cannot identify rows", format_type_be(type)),
						errhint("Name other columns with the option \"key\".")));
	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(entry->eq_opr));
	form = (Form_pg_operator) GETSTRUCT(tuple);
	appendStringInfo(out, "OPERATOR(%s.%s)", quote_identifier(get_namespace_name(form->oprnamespace)),
					 NameStr(form->oprname));
	ReleaseSysCache(tuple);
}

/* concat and its like call output functions; a cast to text would call the type owner's, where he has made one. */
void pythia_append_known_value(StringInfo out, const FormData_pg_attribute *attribute)
{
	pythia_known_column column = pythia_known_column_of(attribute);
	const char *name = quote_identifier(NameStr(attribute->attname));

	if (column.as_text)
		appendStringInfo(out, "CASE WHEN t.%s IS DISTINCT FROM NULL THEN pg_catalog.concat(t.%s) END", name, name);
	else
		appendStringInfo(out, "t.%s", name);
}

void pythia_append_known_condition(StringInfo out, Relation relation, const pythia_cdc_table *table)
{
	for (int i = 0; i < table->nkey; i++)
	{
		Form_pg_attribute attribute =
			TupleDescAttr(RelationGetDescr(relation), pythia_column_position(relation, table->key[i]));
		pythia_known_column column = pythia_known_column_of(attribute);

		appendStringInfo(out, "%sk.k%d ", i ? " AND " : "", i + 1);
		append_equals(out, column.type);
		appendStringInfoString(out, " (");
		pythia_append_known_value(out, attribute);
		appendStringInfoChar(out, ')');
		/* an index on a column of a collation of its own is of no use then, but one of the same is */
		if (column.as_text || column.collation != attribute->attcollation)
			appendStringInfo(out, " COLLATE %s", generate_collation_name(column.collation));
		appendStringInfoChar(out, ' ');
	}
}

void pythia_append_keyed(StringInfo out, Relation relation, const pythia_cdc_table *table, const char *before,
						 bool keyed)
{
	if (table->config.capture != PYTHIA_CAPTURE_POLL)
		return;
	for (int i = 0; i < table->nkey; i++)
	{
		Form_pg_attribute attribute =
			TupleDescAttr(RelationGetDescr(relation), pythia_column_position(relation, table->key[i]));

		if (attribute->attnotnull)
			continue;
		appendStringInfo(out, "%st.%s %s", before, quote_identifier(table->key[i]), keyed ? "IS NOT NULL" : "IS NULL");
		before = keyed ? " AND " : " OR ";
	}
}

pythia_keeper *pythia_keepers_make(const pythia_cdc_table *table, TupleDesc desc, const int *attributes)
{
	pythia_keeper *keepers = palloc0(sizeof(pythia_keeper) * table->nkey);

	for (int i = 0; i < table->nkey; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, attributes[i]);

		keepers[i].table = table;
		keepers[i].column = table->key[i];
		keepers[i].as_text = pythia_known_column_of(attribute).as_text;
		keepers[i].by_value = attribute->attbyval;
		keepers[i].length = attribute->attlen;
		if (keepers[i].as_text)
		{
			Oid output;
			bool varlena;

			getTypeOutputInfo(attribute->atttypid, &output, &varlena);
			fmgr_info(output, &keepers[i].output);
		}
	}
	return keepers;
}

Datum pythia_keep(pythia_keeper *keeper, Datum value, bool isnull)
{
	if (isnull)
		ereport(ERROR, (errcode(ERRCODE_NOT_NULL_VIOLATION),
						errmsg("key column \"%s\" of \"%s\" is NULL, so it cannot identify rows", keeper->column,
							   keeper->table->table_name),
						errhint("Name other columns with the option \"key\".")));
	if (keeper->as_text)
		return CStringGetTextDatum(OutputFunctionCall(&keeper->output, value));
	return datumCopy(value, keeper->by_value, keeper->length);
}
