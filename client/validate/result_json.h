/* Results as JSON objects, with the names of pythia.sync_result and of validate_sync. */
#ifndef PYTHIA_VALIDATE_RESULT_JSON_H
#define PYTHIA_VALIDATE_RESULT_JSON_H

#include "core/buffer.h"
#include "core/stamp.h"
#include "validate/validate.h"

/* error: of a table that failed, or NULL.  Both append one object, without a newline. */
void pythia_sync_result_json(pythia_buffer *out, const char *table, const pythia_sync_result *result,
							 const pythia_error *error);
void pythia_validate_result_json(pythia_buffer *out, const char *table, const pythia_validate_result *result,
								 const pythia_error *error);
/* table NULL leaves that member out. */
void pythia_difference_json(pythia_buffer *out, const char *table, const pythia_difference *difference);
/* "2026-01-31T23:59:59.123456Z" into text, which is returned; microseconds since 1970. */
char *pythia_time_json(int64_t microseconds, char text[PYTHIA_INSTANT_SIZE]);

#endif
