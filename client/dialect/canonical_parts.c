/* What canonical texts of all engines are put together from. */
#include "dialect/dialect_internal.h"

bool pythia_kind_is_textual(pythia_kind kind)
{
	switch (kind)
	{
		case PYTHIA_KIND_TEXT:
		case PYTHIA_KIND_CHAR:
		case PYTHIA_KIND_ENUM:
		case PYTHIA_KIND_SET:
		case PYTHIA_KIND_JSON:
		case PYTHIA_KIND_ARRAY:
		case PYTHIA_KIND_OTHER:
			return true;
		default:
			return false;
	}
}

void pythia_canonical_around(const pythia_db *db, pythia_buffer *out, const char *prefix,
							 const pythia_canonical_item *item, const char *suffix)
{
	pythia_buffer_puts(out, prefix);
	pythia_canonical_reference(db, out, item);
	pythia_buffer_puts(out, suffix);
}

void pythia_canonical_reference(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item)
{
	/* a FLOAT would become a double */
	bool padded = db->engine == PYTHIA_MYSQL && item->column->type.kind != PYTHIA_KIND_FLOAT &&
				  pythia_mysql_is_padded(&item->column->type);

	pythia_buffer_puts(out, padded ? "(" : "");
	if (item->value != NULL)
		pythia_buffer_puts(out, item->value);
	else
		pythia_column_reference(pythia_dialect_of(db), out, NULL, item->column);
	pythia_buffer_puts(out, padded ? " + 0)" : "");
}

void pythia_canonical_hash(const pythia_db *db, pythia_buffer *out, bool sha256, bool is_text, const char *expression)
{
	switch (db->engine)
	{
		case PYTHIA_POSTGRESQL:
			if (!sha256)
				pythia_buffer_printf(out,
									 is_text && db->recoded ? "pg_catalog.md5(pg_catalog.convert_to(%s, 'UTF8'))"
															: "pg_catalog.md5(%s)",
									 expression);
			else if (is_text) /* what is no UTF-8 in such a database is no error: these rows differ */
				pythia_buffer_printf(out,
									 "pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(%s, (SELECT CASE "
									 "pg_catalog.getdatabaseencoding() WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' "
									 "END))), 'hex')",
									 expression);
			else
				pythia_buffer_printf(out, "pg_catalog.encode(pg_catalog.sha256(%s), 'hex')", expression);
			break;
		case PYTHIA_MYSQL:
			pythia_buffer_printf(out, sha256 ? "SHA2(%s, 256)" : "MD5(%s)", expression);
			break;
		case PYTHIA_SQLITE:
			pythia_buffer_printf(out, sha256 ? "pythia_sha256(%s)" : "pythia_md5(%s)", expression);
			break;
	}
}

/* MySQL has it in a component that few install, from there on. */
bool pythia_canonical_has_md5(const pythia_db *db)
{
	return db->engine != PYTHIA_MYSQL || db->is_mariadb || db->version < 90600;
}
