#include "capture/classify.h"

#include <stddef.h>
#include <string.h>

#include "core/buffer.h"
#include "core/json.h"

bool pythia_classify_compares(const pythia_situation *s)
{
	return s->track == PYTHIA_TRACK_ROWS && s->tracked && !s->starting && !s->known &&
		   s->version != PYTHIA_VERSION_SAME;
}

static bool is_alike(pythia_likeness image)
{
	return image == PYTHIA_IMAGE_EQUAL || image == PYTHIA_IMAGE_RESTAMPED;
}

pythia_verdict pythia_classify(const pythia_situation *s)
{
	bool was_there = s->tracked;

	if (s->version == PYTHIA_VERSION_SAME)
		return PYTHIA_ROW_KNOWN;
	if (s->starting || s->known)
		return PYTHIA_ROW_REMEMBER;
	if (pythia_classify_compares(s) && is_alike(s->image))
		return PYTHIA_ROW_REMEMBER;
	/* without known keys the row itself must tell, as well as it can */
	if (s->track == PYTHIA_TRACK_NONE)
		was_there = s->version == PYTHIA_VERSION_OTHER || s->aged;
	return was_there ? PYTHIA_ROW_UPDATE : PYTHIA_ROW_INSERT;
}

bool pythia_classify_logged(pythia_track track, pythia_likeness image)
{
	return image != PYTHIA_IMAGE_EQUAL && (track != PYTHIA_TRACK_ROWS || !is_alike(image));
}

pythia_sweep_verdict pythia_classify_sweep(int64_t found, bool known, bool conditional)
{
	if (!known)
		return PYTHIA_SWEEP_NOTHING;
	return found == 0 && !conditional ? PYTHIA_SWEEP_TRUNCATE : PYTHIA_SWEEP_DELETES;
}

/* --- images ------------------------------------------------------------------------ */

/* After a string that begins at `at` with its quote, or at the end of the text. */
static const char *after_string(const char *at)
{
	for (at++; *at && *at != '"'; at++)
		if (*at == '\\' && at[1])
			at++;
	return *at ? at + 1 : at;
}

/* After the member that begins at `at`: where its comma is, or the object's end. */
static const char *after_member(const char *at)
{
	int depth = 0;

	while (*at && (depth > 0 || (*at != ',' && *at != '}')))
	{
		if (*at == '"')
		{
			at = after_string(at);
			continue;
		}
		depth += *at == '{' || *at == '[';
		depth -= *at == '}' || *at == ']';
		at++;
	}
	return at;
}

/* The member of that label (its name in quotes) in an object, up to its comma; false where there is none. */
static bool find_member(const char *object, const pythia_buffer *label, const char **begin, const char **end)
{
	const char *at = object;

	while (*at == '{' || *at == ',')
	{
		for (at++; *at == ' '; at++)
			;
		*begin = at;
		*end = after_member(at);
		if (strncmp(at, label->data, label->length) == 0)
			return true;
		at = *end;
	}
	return false;
}

pythia_likeness pythia_image_likeness(const char *old_image, const char *new_image, const char *stamp)
{
	pythia_buffer label = PYTHIA_BUFFER_INIT;
	pythia_likeness result = PYTHIA_IMAGE_DIFFERENT;
	const char *old_begin, *old_end, *new_begin, *new_end;

	if (!old_image || !new_image)
		return PYTHIA_IMAGE_UNKNOWN;
	if (strcmp(old_image, new_image) == 0)
		return PYTHIA_IMAGE_EQUAL;
	if (!stamp || !stamp[0])
		return PYTHIA_IMAGE_DIFFERENT;
	pythia_json_string(&label, stamp, strlen(stamp));
	pythia_buffer_puts(&label, ":");
	if (find_member(old_image, &label, &old_begin, &old_end) && find_member(new_image, &label, &new_begin, &new_end) &&
		old_begin - old_image == new_begin - new_image &&
		memcmp(old_image, new_image, (size_t) (old_begin - old_image)) == 0 && strcmp(old_end, new_end) == 0)
		result = PYTHIA_IMAGE_RESTAMPED;
	pythia_buffer_free(&label);
	return result;
}
