/* The validation verbs. */
#include "pythia_sqlite.h"

SQLITE_EXTENSION_INIT3

#include <string.h>

#include "core/json.h"
#include "core/memory.h"
#include "endpoints.h"
#include "validate/options_split.h"
#include "validate/result_json.h"
#include "worker.h"

/* Everything a validation verb works with; zero it first, end with comparison_close. */
typedef struct comparison
{
	pythia_sync_worker worker;
	pythia_endpoints endpoints;
	pythia_node *validate; /* options of the validation */
	pythia_node *config;   /* of the sync: the worker's, or given with the options */
	pythia_validate_options options;
	pythia_sync_config settings;
	pythia_sync_job job;
} comparison;

static void comparison_close(comparison *c)
{
	pythia_endpoints_close(&c->endpoints);
	pythia_worker_free(&c->worker);
	pythia_node_free(c->validate);
	pythia_node_free(c->config);
}

static bool comparison_open(pythia_call *call, bool by_worker, bool repair, comparison *c, pythia_error *error)
{
	int at = by_worker ? 1 : 2; /* the table's argument */
	const char *name;
	const char *table;
	pythia_node *given = NULL;

	memset(c, 0, sizeof(*c));
	if ((by_worker && !pythia_arg_needed(call, 0, "worker", &name, error)) ||
		!pythia_arg_needed(call, at, "table", &table, error) ||
		!pythia_arg_options(call, at + 1, "options", &given, error))
		return false;
	pythia_validate_split(given, &c->validate, &c->config);
	if (!pythia_validate_options_read(c->validate, &c->options, error))
		return false;
	if (by_worker && !pythia_worker_read(call->self, name, repair, &c->worker, error))
		return false;
	/* with a worker, options of the sync override the worker's */
	if (!pythia_sync_config_read(by_worker ? c->worker.config : c->config, by_worker ? c->config : NULL, table,
								 &c->settings, error))
		return false;
	if (!pythia_endpoints_open(call->self, by_worker ? c->worker.source : pythia_arg(call, 0),
							   by_worker ? c->worker.target : pythia_arg(call, 1),
							   repair ? PYTHIA_ENDPOINT_WRITE : PYTHIA_ENDPOINT_READ, &c->endpoints, error) ||
		(!by_worker && !pythia_sync_config_names(c->config, (char *[]){(char *) table}, 1, c->endpoints.source, error)))
		return false;
	c->job.connect = pythia_endpoints_another;
	c->job.connect_context = &c->endpoints;
	c->job.source = c->endpoints.source;
	c->job.target = c->endpoints.target;
	c->job.table = table;
	c->job.config = &c->settings;
	return true;
}

static bool validate(pythia_call *call, bool by_worker, pythia_buffer *out, pythia_error *error)
{
	comparison c;
	pythia_validate_result result;
	bool ok;

	memset(&result, 0, sizeof(result));
	ok = comparison_open(call, by_worker, false, &c, error) &&
		 pythia_validate_table(&c.job, &c.options, NULL, NULL, &result, error);
	if (ok)
		pythia_validate_result_json(out, c.job.table, &result, NULL);
	pythia_validate_result_free(&result);
	comparison_close(&c);
	return ok;
}

static bool repair(pythia_call *call, bool by_worker, pythia_buffer *out, pythia_error *error)
{
	comparison c;
	pythia_sync_result result;
	bool ok;

	memset(&result, 0, sizeof(result));
	ok = comparison_open(call, by_worker, true, &c, error) &&
		 pythia_repair_table(&c.job, &c.options, NULL, NULL, &result, error);
	if (ok)
		pythia_sync_result_json(out, c.job.table, &result, NULL);
	pythia_sync_result_free(&result);
	comparison_close(&c);
	return ok;
}

static bool add_difference(void *context, const pythia_difference *difference, pythia_error *error)
{
	pythia_buffer columns = PYTHIA_BUFFER_INIT;
	const char *cells[5];
	bool ok;

	pythia_buffer_putc(&columns, '[');
	for (int i = 0; i < difference->ncolumns; i++)
	{
		if (i > 0)
			pythia_buffer_putc(&columns, ',');
		pythia_json_string(&columns, difference->columns[i], strlen(difference->columns[i]));
	}
	pythia_buffer_putc(&columns, ']');
	cells[0] = difference->primary_key;
	cells[1] = pythia_difference_name(difference->kind);
	cells[2] = pythia_buffer_text(&columns);
	cells[3] = difference->source_row;
	cells[4] = difference->target_row;
	ok = pythia_rowset_add(context, cells, error);
	pythia_buffer_free(&columns);
	return ok;
}

static bool differences(pythia_call *call, bool by_worker, pythia_rowset *rows, pythia_error *error)
{
	comparison c;
	pythia_validate_result result;
	bool ok;

	memset(&result, 0, sizeof(result));
	ok = comparison_open(call, by_worker, false, &c, error) &&
		 pythia_validate_table(&c.job, &c.options, add_difference, rows, &result, error);
	pythia_validate_result_free(&result);
	comparison_close(&c);
	return ok;
}

bool pythia_verb_validate_sync(pythia_call *call, pythia_buffer *out, pythia_error *error)
{
	return validate(call, true, out, error);
}

bool pythia_verb_validate_between(pythia_call *call, pythia_buffer *out, pythia_error *error)
{
	return validate(call, false, out, error);
}

bool pythia_verb_repair_sync(pythia_call *call, pythia_buffer *out, pythia_error *error)
{
	return repair(call, true, out, error);
}

bool pythia_verb_repair_between(pythia_call *call, pythia_buffer *out, pythia_error *error)
{
	return repair(call, false, out, error);
}

bool pythia_verb_sync_differences(pythia_call *call, pythia_rowset *rows, pythia_error *error)
{
	return differences(call, true, rows, error);
}

bool pythia_verb_differences_between(pythia_call *call, pythia_rowset *rows, pythia_error *error)
{
	return differences(call, false, rows, error);
}
