/* What the files of a validation all need. */
#include "validate/internal.h"

void pythia_and(pythia_buffer *filter)
{
	pythia_buffer_puts(filter, filter->length == 0 ? " WHERE " : " AND ");
}

void pythia_validation_progress(pythia_validation_state *v, const char *phase)
{
	const pythia_sync_callbacks *callbacks = v->job->callbacks;

	if (callbacks != NULL && callbacks->progress != NULL)
		callbacks->progress(callbacks->context, phase, v->rows_done,
							v->rows_expected >= v->rows_done ? v->rows_expected : -1, 0);
}
