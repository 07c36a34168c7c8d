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
	if (item->value != NULL)
		pythia_buffer_puts(out, item->value);
	else
		pythia_dialect_of(db)->identifier(out, item->column->name);
}
