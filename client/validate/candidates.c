/* Keys that are to be looked at again; bounded by bytes, however much differs. */
#include "validate/merge.h"

#include <string.h>

#include "core/memory.h"

#define CANDIDATES_BYTES (8 * 1024 * 1024)

bool pythia_candidates_full(const pythia_candidates *candidates)
{
	return candidates->bytes >= CANDIDATES_BYTES;
}

static void candidate_free(pythia_candidate *candidate, int nkey)
{
	pythia_free(candidate->identity);
	for (int i = 0; i < nkey; i++)
		pythia_free(candidate->values[i]);
	pythia_free(candidate->values);
}

void pythia_candidates_clear(pythia_candidates *candidates, int nkey)
{
	for (int i = 0; i < candidates->count; i++)
		candidate_free(&candidates->list[i], nkey);
	candidates->count = 0;
	candidates->bytes = 0;
}

void pythia_candidates_free(pythia_candidates *candidates, int nkey)
{
	pythia_candidates_clear(candidates, nkey);
	pythia_free(candidates->list);
	memset(candidates, 0, sizeof(*candidates));
}

static pythia_candidate *append(pythia_candidates *candidates)
{
	if (candidates->count == candidates->capacity)
	{
		candidates->capacity = candidates->capacity > 0 ? 2 * candidates->capacity : 64;
		candidates->list = pythia_realloc(candidates->list, (size_t) candidates->capacity * sizeof(pythia_candidate));
	}
	return &candidates->list[candidates->count++];
}

/* With what the allocator takes for each piece. */
size_t pythia_candidate_bytes(const pythia_candidate *candidate, int nkey)
{
	size_t bytes = sizeof(*candidate) + strlen(candidate->identity) + 16 + ((size_t) nkey + 1) * (sizeof(char *) + 16);

	for (int i = 0; i < nkey; i++)
		bytes += candidate->values[i] != NULL ? strlen(candidate->values[i]) : 0;
	return bytes;
}

void pythia_candidates_copy(pythia_candidates *candidates, const pythia_candidate *from, int nkey)
{
	pythia_candidate *candidate = append(candidates);

	*candidate = *from;
	candidate->identity = pythia_strdup(from->identity);
	candidate->values = pythia_calloc((size_t) nkey, sizeof(char *));
	for (int i = 0; i < nkey; i++)
		candidate->values[i] = pythia_strdup(from->values[i]);
	candidates->bytes += pythia_candidate_bytes(candidate, nkey);
}

pythia_candidate *pythia_candidates_add(pythia_candidates *candidates, const pythia_cursor *cursor, int side, int nkey)
{
	const pythia_field *fields = cursor->reader.fields;
	pythia_candidate *candidate;

	if (candidates->count > 0 && strcmp(candidates->list[candidates->count - 1].identity, fields[0].value) == 0)
		return &candidates->list[candidates->count - 1];
	candidate = append(candidates);
	*candidate = (pythia_candidate){.side = side};
	candidate->identity = pythia_strndup(fields[0].value, fields[0].length);
	candidate->values = pythia_calloc((size_t) nkey, sizeof(char *));
	for (int i = 0; i < nkey; i++)
	{
		if (fields[1 + i].value != NULL)
			candidate->values[i] = pythia_strndup(fields[1 + i].value, fields[1 + i].length);
	}
	candidates->bytes += pythia_candidate_bytes(candidate, nkey);
	return candidate;
}
