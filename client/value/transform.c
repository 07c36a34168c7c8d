/* One value on its way: which of them need a look, and the policies. */
#include "value/transform.h"

#include <stdio.h>
#include <string.h>

#include "value/convert.h"
#include "value/form.h"
#include "value/json_numbers.h"
#include "value/limits.h"

void pythia_transform_init(pythia_transform *transform, const pythia_type *from, pythia_engine from_engine,
						   const pythia_type *to, pythia_engine to_engine, const pythia_policies *policies,
						   bool careful)
{
	transform->from = from;
	transform->to = to;
	transform->from_engine = from_engine;
	transform->to_engine = to_engine;
	transform->policies = *policies;
	transform->doubles = transform->to_2106 = transform->notnull = false;
	transform->convert = pythia_convert_needed(from, from_engine, to, to_engine);
	transform->check = pythia_limits_apply(transform, careful);
	transform->form = pythia_form_apply(transform);
}

void pythia_transform_target(pythia_transform *transform, const pythia_db *target)
{
	transform->doubles =
		target->engine == PYTHIA_MYSQL && !target->is_mariadb && transform->to->kind == PYTHIA_KIND_JSON;
	transform->to_2106 = pythia_mysql_to_2106(target);
}

bool pythia_transform_needed(const pythia_transform *transform)
{
	return transform->check || transform->convert || transform->form || transform->doubles;
}

static pythia_value_verdict convert_and_check(const pythia_transform *transform, const char *value, size_t length,
											  pythia_buffer *out, pythia_bad_value *bad)
{
	pythia_value_verdict verdict = PYTHIA_VALUE_KEEP;

	if (transform->convert)
	{
		if (!pythia_convert_value(transform, value, length, out, bad))
			return transform->policies.out_of_range == PYTHIA_POLICY_NULL ? PYTHIA_VALUE_NULL : PYTHIA_VALUE_BAD;
		verdict = PYTHIA_VALUE_CHANGED;
	}
	if (transform->check)
	{
		pythia_value_verdict checked;

		if (verdict == PYTHIA_VALUE_CHANGED)
		{
			pythia_buffer again = PYTHIA_BUFFER_INIT;

			checked = pythia_limits_check(transform, pythia_buffer_text(out), out->length, &again, bad);
			if (checked == PYTHIA_VALUE_CHANGED)
			{
				pythia_buffer_clear(out);
				pythia_buffer_append(out, pythia_buffer_text(&again), again.length);
			}
			pythia_buffer_free(&again);
		}
		else
			checked = pythia_limits_check(transform, value, length, out, bad);
		if (checked != PYTHIA_VALUE_KEEP)
			verdict = checked;
	}
	return verdict;
}

static pythia_value_verdict transformed(const pythia_transform *transform, const char *value, size_t length,
										pythia_buffer *out, pythia_bad_value *bad)
{
	pythia_value_verdict verdict = PYTHIA_VALUE_KEEP;

	pythia_buffer_clear(out);
	if (transform->form)
		verdict = pythia_form_check(transform, value, length, out, bad);
	if (verdict == PYTHIA_VALUE_KEEP)
		return convert_and_check(transform, value, length, out, bad);
	if (verdict == PYTHIA_VALUE_CHANGED && transform->check)
	{
		pythia_buffer said = *out;

		*out = (pythia_buffer) PYTHIA_BUFFER_INIT;
		verdict = pythia_limits_check(transform, pythia_buffer_text(&said), said.length, out, bad);
		if (verdict == PYTHIA_VALUE_KEEP)
		{
			pythia_buffer_append(out, said.data, said.length);
			verdict = PYTHIA_VALUE_CHANGED;
		}
		pythia_buffer_free(&said);
	}
	return verdict;
}

pythia_value_verdict pythia_transform_value(const pythia_transform *transform, const char *value, size_t length,
											pythia_buffer *out, pythia_bad_value *bad)
{
	pythia_value_verdict verdict = transformed(transform, value, length, out, bad);
	bool changed = verdict == PYTHIA_VALUE_CHANGED;

	if (verdict == PYTHIA_VALUE_NULL && transform->notnull)
	{
		memset(bad, 0, sizeof(*bad));
		snprintf(bad->reason, sizeof(bad->reason), "%s", PYTHIA_NO_NULL);
		return PYTHIA_VALUE_BAD;
	}
	/* the nearest double is what "clamp" means */
	if (!transform->doubles || transform->policies.out_of_range == PYTHIA_POLICY_CLAMP ||
		(verdict != PYTHIA_VALUE_KEEP && !changed) ||
		pythia_json_numbers_kept(changed ? pythia_buffer_text(out) : value, changed ? out->length : length))
		return verdict;
	verdict = pythia_policy_decide(transform->policies.out_of_range, "out_of_range", NULL,
								   "a JSON number that is rounded there", out, bad);
	bad->bounded = true;
	return verdict;
}
