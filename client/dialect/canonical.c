/*
 * A row's digest, and the sums of digests, as SQL.
 */
#include "dialect/dialect_internal.h"

/* SQLite takes at most 127 arguments: the spec and this many values a call. */
#define VALUES_A_CALL 100
/* PostgreSQL takes at most 100: the separator, and one or two an item. */
#define ITEMS_A_CALL 49

bool pythia_canonical_plain(const pythia_db *db, const pythia_type *own, const pythia_type *agreed)
{
	switch (agreed->kind)
	{
		case PYTHIA_KIND_TEXT:
		case PYTHIA_KIND_CHAR:
		case PYTHIA_KIND_ENUM:
		case PYTHIA_KIND_SET:
		case PYTHIA_KIND_JSON:
		case PYTHIA_KIND_ARRAY:
		case PYTHIA_KIND_INTERVAL:
		case PYTHIA_KIND_STORED:
		case PYTHIA_KIND_OTHER:
			return false;
		default:
			break;
	}
	/* there the function escapes what is not of the kind */
	if (db->engine == PYTHIA_SQLITE)
		return true;
	return !pythia_kind_is_textual(own->kind) || agreed->kind == PYTHIA_KIND_BYTES;
}

void pythia_canonical_text(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item)
{
	switch (db->engine)
	{
		case PYTHIA_POSTGRESQL:
			pythia_canonical_postgres(db, out, item);
			break;
		case PYTHIA_MYSQL:
			pythia_canonical_mysql(db, out, item);
			break;
		case PYTHIA_SQLITE:
			pythia_canonical_sqlite(db, out, item);
			break;
	}
}

static void encode_items(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *items, int nitems)
{
	bool mysql = db->engine == PYTHIA_MYSQL;

	pythia_buffer_puts(out, mysql ? "CONCAT_WS(';'" : "pg_catalog.concat_ws(';'");
	for (int i = 0; i < nitems; i++)
	{
		const pythia_canonical_item *item = &items[i];

		pythia_buffer_puts(out, ", ");
		if (!item->plain)
		{
			pythia_buffer_puts(out, item->notnull ? "" : "COALESCE(");
			pythia_buffer_puts(out, mysql         ? "OCTET_LENGTH("
									: db->recoded ? "pg_catalog.octet_length(pg_catalog.convert_to("
												  : "pg_catalog.octet_length(");
			pythia_canonical_text(db, out, item);
			pythia_buffer_puts(out, db->recoded ? ", 'UTF8'))" : ")");
			if (!item->notnull)
				pythia_buffer_puts(out, mysql ? ", 'N')" : "::text, 'N')");
			pythia_buffer_puts(out, ", ");
			pythia_canonical_text(db, out, item);
		}
		else
		{
			pythia_buffer_puts(out, item->notnull ? "" : "COALESCE(");
			pythia_canonical_text(db, out, item);
			pythia_buffer_puts(out, item->notnull ? "" : ", 'N')");
		}
	}
	pythia_buffer_puts(out, ")");
}

/* PostgreSQL and MySQL: concat_ws leaves out NULLs, so N is written for them. */
static void encode_sql(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *items, int nitems)
{
	if (db->engine == PYTHIA_MYSQL || nitems <= ITEMS_A_CALL)
	{
		encode_items(db, out, items, nitems);
		return;
	}
	pythia_buffer_puts(out, "pg_catalog.concat_ws(';'");
	for (int first = 0; first < nitems; first += ITEMS_A_CALL)
	{
		pythia_buffer_puts(out, ", ");
		encode_items(db, out, items + first, nitems - first < ITEMS_A_CALL ? nitems - first : ITEMS_A_CALL);
	}
	pythia_buffer_puts(out, ")");
}

static void encode_sqlite(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *items, int nitems)
{
	for (int first = 0; first < nitems; first += VALUES_A_CALL)
	{
		int last = first + VALUES_A_CALL < nitems ? first + VALUES_A_CALL : nitems;

		pythia_buffer_puts(out, first > 0 ? " || ';' || pythia_encode('" : "pythia_encode('");
		for (int i = first; i < last; i++)
		{
			pythia_buffer_putc(out, items[i].plain ? '.' : '#');
			pythia_canonical_sqlite_spec(out, &items[i]);
		}
		pythia_buffer_puts(out, "'");
		for (int i = first; i < last; i++)
		{
			pythia_buffer_puts(out, ", ");
			pythia_canonical_reference(db, out, &items[i]);
		}
		pythia_buffer_puts(out, ")");
	}
}

void pythia_canonical_digest(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *items, int nitems,
							 pythia_digest digest)
{
	pythia_buffer row = PYTHIA_BUFFER_INIT;

	if (db->engine == PYTHIA_SQLITE)
		encode_sqlite(db, &row, items, nitems);
	else
		encode_sql(db, &row, items, nitems);
	pythia_canonical_hash(db, out, digest == PYTHIA_DIGEST_SHA256, true, row.data);
	pythia_buffer_free(&row);
}

/* The outer part where one aggregate returns three numbers of fixed width; "SELECT " stands already. */
static void fixed_width_sums(pythia_buffer *out, const char *group)
{
	pythia_buffer_puts(out, group != NULL ? "g, " : "");
	pythia_buffer_puts(out, "n, substr(x, 1, 20), substr(x, 21, 40), substr(x, 61, 40) FROM (SELECT ");
	if (group != NULL)
		pythia_buffer_printf(out, "%s AS g, ", group);
}

void pythia_canonical_sums(const pythia_db *db, pythia_buffer *out, const char *group, const char *source,
						   const pythia_canonical_item *items, int nitems, pythia_digest digest)
{
	pythia_buffer_puts(out, "SELECT ");
	switch (db->engine)
	{
		case PYTHIA_POSTGRESQL:
			if (digest == PYTHIA_DIGEST_SERVER)
			{
				fixed_width_sums(out, group);
				pythia_buffer_puts(out, "pg_catalog.count(*) AS n, pythia._sums(");
				encode_sql(db, out, items, nitems);
				pythia_buffer_printf(out, ") AS x %s", source);
				break;
			}
			/* OFFSET 0 keeps the planner from computing the digest once a use */
			pythia_buffer_puts(out, group != NULL ? "g, " : "");
			pythia_buffer_printf(out,
								 "pg_catalog.count(*), pg_catalog.count(h), coalesce(pg_catalog.sum(%s), 0), "
								 "coalesce(pg_catalog.sum(%s), 0) FROM (SELECT ",
								 digest == PYTHIA_DIGEST_HASH ? "pg_catalog.hashtextextended(h, 0)"
															  : "h::bit(60)::bigint",
								 digest == PYTHIA_DIGEST_HASH ? "pg_catalog.hashtextextended(h, 1)"
															  : "pg_catalog.substring(h, 61, 60)::bigint");
			if (group != NULL)
				pythia_buffer_printf(out, "%s AS g, ", group);
			if (digest == PYTHIA_DIGEST_HASH)
			{
				encode_sql(db, out, items, nitems);
				pythia_buffer_puts(out, " COLLATE \"C\"");
			}
			else
			{
				pythia_buffer_puts(out, "('x' || ");
				pythia_canonical_digest(db, out, items, nitems, digest);
				pythia_buffer_puts(out, ")::bit(120)");
			}
			pythia_buffer_printf(out, " AS h %s OFFSET 0) AS s", source);
			break;
		case PYTHIA_MYSQL:
			/*
			 * A user variable keeps the digest for the second slice; a derived table would be
			 * merged (the digest computed twice) or materialised.  The first slice assigns it,
			 * so that one is right whatever the order in which the server aggregates; bare SUMs
			 * go in the order of the list, while COALESCE around one would put it first.  A
			 * digest that cannot be built becomes a random one, which matches nothing.
			 */
			if (group != NULL)
				pythia_buffer_printf(out, "%s AS g, ", group);
			pythia_buffer_puts(out, "COUNT(*), COUNT(*), SUM(CAST(CONV(LEFT(@pythia_h := COALESCE(");
			pythia_canonical_digest(db, out, items, nitems, digest);
			pythia_buffer_puts(out, ", SHA2(RAND(), 256)), 15), 16, 10) AS UNSIGNED)), "
									"SUM(CAST(CONV(SUBSTR(@pythia_h, 16, 15), 16, 10) AS UNSIGNED)) ");
			pythia_buffer_puts(out, source);
			break;
		case PYTHIA_SQLITE:
			fixed_width_sums(out, group);
			pythia_buffer_puts(out, "count(*) AS n, pythia_sums(");
			encode_sqlite(db, out, items, nitems);
			pythia_buffer_printf(out, ", %d) AS x %s", digest == PYTHIA_DIGEST_SHA256 ? 256 : 5, source);
			break;
	}
	if (group != NULL)
		pythia_buffer_puts(out, " GROUP BY 1");
	if (db->engine == PYTHIA_SQLITE)
		pythia_buffer_putc(out, ')');
	if (digest == PYTHIA_DIGEST_SERVER)
		pythia_buffer_puts(out, ") AS s");
}
