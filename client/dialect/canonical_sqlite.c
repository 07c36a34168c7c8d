/*
 * Canonical text in SQLite: values have types of their own there whatever the
 * column says, so our functions (drivers/sqlite/functions.c) look at each.
 */
#include "dialect/canonical.h"

/* One letter for how a value is read, and a number where it matters. */
void pythia_canonical_sqlite_spec(pythia_buffer *out, const pythia_canonical_item *item)
{
	const pythia_type *agreed = item->agreed;

	switch (agreed->kind)
	{
		case PYTHIA_KIND_BOOL:
			pythia_buffer_puts(out, "o");
			return;
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
		case PYTHIA_KIND_YEAR:
			pythia_buffer_puts(out, "i");
			return;
		case PYTHIA_KIND_DECIMAL:
			pythia_buffer_printf(out, "n%d", agreed->precision > 0 ? agreed->scale : -1);
			return;
		case PYTHIA_KIND_FLOAT:
			pythia_buffer_puts(out, "f");
			return;
		case PYTHIA_KIND_DOUBLE:
			pythia_buffer_puts(out, "d");
			return;
		case PYTHIA_KIND_CHAR:
			pythia_buffer_puts(out, "c");
			return;
		case PYTHIA_KIND_BYTES:
		case PYTHIA_KIND_GEOMETRY:
			pythia_buffer_puts(out, item->sha256 ? "b256" : "b");
			return;
		case PYTHIA_KIND_DATE:
			pythia_buffer_puts(out, "D");
			return;
		case PYTHIA_KIND_TIME:
			pythia_buffer_printf(out, "T%d", agreed->precision >= 0 ? agreed->precision : 6);
			return;
		case PYTHIA_KIND_TIMESTAMP:
		case PYTHIA_KIND_TIMESTAMPTZ:
			pythia_buffer_printf(out, "S%d", agreed->precision >= 0 ? agreed->precision : 6);
			return;
		case PYTHIA_KIND_UUID:
			pythia_buffer_puts(out, "u");
			return;
		case PYTHIA_KIND_BIT:
			pythia_buffer_printf(out, "B%lld", (long long) agreed->length);
			return;
		case PYTHIA_KIND_STORED:
			pythia_buffer_puts(out, item->sha256 ? "v256" : "v");
			return;
		case PYTHIA_KIND_JSON:
		case PYTHIA_KIND_ARRAY:
			pythia_buffer_puts(out, item->json == PYTHIA_JSON_JSONB        ? "j"
									: item->json == PYTHIA_JSON_NORMALIZED ? "J"
																		   : "t");
			return;
		default:
			pythia_buffer_puts(out, "t");
			return;
	}
}

void pythia_canonical_sqlite(const pythia_db *db, pythia_buffer *out, const pythia_canonical_item *item)
{
	pythia_buffer_puts(out, "pythia_canonical('");
	pythia_canonical_sqlite_spec(out, item);
	pythia_buffer_puts(out, "', ");
	pythia_canonical_reference(db, out, item);
	pythia_buffer_puts(out, ")");
}
