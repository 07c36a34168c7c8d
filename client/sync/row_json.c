/* A row as a JSON object, for quarantine and for conflict functions. */
#include <string.h>

#include "core/classed.h"
#include "core/json.h"
#include "core/json_scan.h"
#include "dialect/dialect.h"
#include "sync/run.h"

void pythia_row_json(const pythia_plan *plan, const pythia_field *fields, bool target_names, bool target_values,
					 pythia_buffer *out)
{
	pythia_buffer_putc(out, '{');
	for (int i = 0; i < plan->npairs; i++)
	{
		const char *name = (target_names ? pythia_pair_target(plan, i) : pythia_pair_source(plan, i))->name;
		const pythia_column *column = target_values ? pythia_pair_target(plan, i) : pythia_pair_source(plan, i);
		const pythia_field *field = &fields[i];

		pythia_buffer_puts(out, i > 0 ? ", " : "");
		pythia_json_string(out, name, strlen(name));
		pythia_buffer_puts(out, ": ");
		if (field->value == NULL)
			pythia_buffer_puts(out, "null");
		else if (column->type.kind == PYTHIA_KIND_STORED)
			pythia_classed_json(out, field->value, field->length);
		else if (column->type.kind == PYTHIA_KIND_BOOL && field->length == 1 &&
				 (field->value[0] == '0' || field->value[0] == '1'))
			pythia_buffer_puts(out, field->value[0] == '0' ? "false" : "true");
		else if ((column->type.kind == PYTHIA_KIND_INT || column->type.kind == PYTHIA_KIND_UINT ||
				  column->type.kind == PYTHIA_KIND_DECIMAL || column->type.kind == PYTHIA_KIND_FLOAT ||
				  column->type.kind == PYTHIA_KIND_DOUBLE || column->type.kind == PYTHIA_KIND_YEAR) &&
				 pythia_json_is_number(field->value, field->length))
			pythia_buffer_append(out, field->value, field->length);
		else
			pythia_json_string(out, field->value, field->length);
	}
	pythia_buffer_putc(out, '}');
}
