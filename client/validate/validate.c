/* A validation: counts, sums or rows, then the checks. */
#include "validate/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/memory.h"
#include "dialect/tokens.h"

static const char *const method_names[] = {"checksum", "count", "rows"};

const char *pythia_difference_name(pythia_difference_kind kind)
{
	static const char *const names[] = {"missing", "extra", "differing"};

	return names[kind];
}

void pythia_validate_result_free(pythia_validate_result *result)
{
	pythia_free(result->checks);
	memset(result, 0, sizeof(*result));
}

static bool count_rows(pythia_validation_state *v, pythia_error *error)
{
	pythia_buffer sql[2] = {PYTHIA_BUFFER_INIT, PYTHIA_BUFFER_INIT};
	pythia_result results[2];
	bool ok;

	for (int side = 0; side < 2; side++)
		pythia_buffer_printf(&sql[side], "SELECT count(*) FROM %s%s", v->sides[side].name.data,
							 pythia_buffer_text(&v->sides[side].filter));
	ok = pythia_both_query(v, sql, "1c", results, error);
	if (ok)
	{
		v->result->source_count = pythia_result_number(&results[0], 0, 0);
		v->result->target_count = pythia_result_number(&results[1], 0, 0);
		pythia_result_free(&results[0]);
		pythia_result_free(&results[1]);
	}
	pythia_buffer_free(&sql[0]);
	pythia_buffer_free(&sql[1]);
	return ok;
}

static bool compare(pythia_validation_state *v, pythia_error *error)
{
	pythia_buffer all[2] = {PYTHIA_BUFFER_INIT, PYTHIA_BUFFER_INIT};
	int64_t rows[2];
	bool ok;

	switch (v->options->method)
	{
		case PYTHIA_VALIDATE_COUNT:
			if (!count_rows(v, error))
				return false;
			v->result->difference = llabs(v->result->source_count - v->result->target_count);
			return true;
		case PYTHIA_VALIDATE_ROWS:
			for (int side = 0; side < 2; side++)
				pythia_buffer_puts(&all[side], pythia_buffer_text(&v->sides[side].filter));
			ok = pythia_compare_values(v, all, rows, error) && pythia_recheck(v, error);
			v->result->source_count = rows[PYTHIA_SOURCE];
			v->result->target_count = rows[PYTHIA_TARGET];
			pythia_buffer_free(&all[0]);
			pythia_buffer_free(&all[1]);
			return ok;
		default:
			return pythia_compare_segments(v, error) && pythia_recheck(v, error);
	}
}

/* Each condition's rows that are not known to hold it; NULL counts as broken. */
static bool run_checks(pythia_validation_state *v, pythia_error *error)
{
	const pythia_node *checks = v->options->checks;
	pythia_side *target = &v->sides[PYTHIA_TARGET];
	pythia_buffer json = PYTHIA_BUFFER_INIT;
	bool ok = true;

	if (checks == NULL)
		return true;
	pythia_buffer_putc(&json, '{');
	for (const pythia_node *check = pythia_validate_checks(checks); ok && check != NULL; check = check->next)
	{
		const char *name = check->name != NULL ? check->name : check->text;
		pythia_buffer sql = PYTHIA_BUFFER_INIT;
		int64_t broken;

		pythia_buffer_printf(&sql, "SELECT count(*) FROM %s%s", target->name.data,
							 pythia_buffer_text(&target->lookup_filter));
		pythia_buffer_puts(&sql, target->lookup_filter.length == 0 ? " WHERE " : " AND ");
		pythia_buffer_puts(&sql, "NOT COALESCE(");
		pythia_condition_put(&sql, check->text);
		pythia_buffer_puts(&sql, target->db->engine == PYTHIA_POSTGRESQL ? ", false)" : ", 0)");
		ok = pythia_condition_check(target->db->engine, "checks", check->text, error) &&
			 pythia_db_count(target->db, sql.data, &broken, error);
		if (ok)
		{
			pythia_buffer_puts(&json, json.length > 1 ? ", " : "");
			pythia_json_string(&json, name, strlen(name));
			pythia_buffer_printf(&json, ": %lld", (long long) broken);
			v->result->failed_checks += broken;
		}
		else
		{
			if (error->error_class == PYTHIA_E_DATABASE && error->hint == NULL)
				pythia_error_hint(error, "A check is a condition in the target's own names.");
			pythia_error_context(error, "check \"%s\" of table \"%s\"", name, target->table->name);
		}
		pythia_buffer_free(&sql);
	}
	pythia_buffer_putc(&json, '}');
	if (ok)
		v->result->checks = pythia_buffer_take(&json);
	pythia_buffer_free(&json);
	return ok;
}

/*
 * What a sample says of the whole table at 95 %.  None of n differing: at most 3/n do (the
 * rule of three); else the normal approximation's upper bound.
 */
static void state_confidence(pythia_validation_state *v)
{
	pythia_validate_result *result = v->result;
	double n = (double) (result->source_count > result->target_count ? result->source_count : result->target_count);
	double share = n > 0 ? (double) result->difference / n : 0;

	result->sample = v->options->sample;
	result->confidence = v->options->sample < 1 ? 0.95 : 1;
	if (v->options->sample >= 1)
		result->max_difference = share;
	else if (n < 1)
		result->max_difference = 1;
	else if (result->difference == 0)
		result->max_difference = 3 / n < 1 ? 3 / n : 1;
	else
	{
		double bound = share + 1.645 * sqrt(share * (1 - share) / n) + 1 / n;

		result->max_difference = bound < 1 ? bound : 1;
	}
}

/* A sample that holds no row of a table that has some says nothing of it. */
static bool check_sample(pythia_validation_state *v, pythia_error *error)
{
	bool any = false;

	if (v->options->sample >= 1 || v->result->source_count > 0 || v->result->target_count > 0)
		return true;
	for (int side = 0; !any && side < 2; side++)
	{
		pythia_side *s = &v->sides[side];
		pythia_buffer sql = PYTHIA_BUFFER_INIT;
		bool ok;

		pythia_buffer_printf(&sql, "SELECT 1 FROM %s%s LIMIT 1", s->name.data, pythia_buffer_text(&s->lookup_filter));
		ok = pythia_db_any(s->db, sql.data, &any, error);
		pythia_buffer_free(&sql);
		if (!ok)
			return false;
	}
	if (!any)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "the sample holds no row of table \"%s\"", v->plan.source.name);
	return pythia_error_hint(error, "Set \"sample\" to a larger share, or leave it out.");
}

bool pythia_validation_run(pythia_validation_state *v, pythia_validate_result *result, pythia_error *error)
{
	v->result = result;
	result->method = method_names[v->options->method];
	if (!compare(v, error) || !check_sample(v, error) || !run_checks(v, error))
		return false;
	state_confidence(v);
	result->is_valid = result->difference == 0 && result->failed_checks == 0;
	return true;
}

bool pythia_validate_table(const pythia_sync_job *job, const pythia_validate_options *options,
						   pythia_difference_callback found, void *context, pythia_validate_result *result,
						   pythia_error *error)
{
	pythia_validation_state v;
	int64_t started = pythia_host_now(job->source->host);
	bool ok;

	memset(result, 0, sizeof(*result));
	if (!pythia_validation_begin(&v, job, options, error))
		return false;
	v.found = found;
	v.found_context = context;
	ok = pythia_validation_run(&v, result, error);
	pythia_validation_end(&v);
	result->duration_seconds = (double) (pythia_host_now(job->source->host) - started) / 1e6;
	if (!ok)
	{
		pythia_validate_result_free(result);
		result->is_valid = false;
	}
	return ok;
}
