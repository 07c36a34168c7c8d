#include "capture/config.h"

#include <string.h>

#include "dialect/dialect.h"
#include "dialect/table_names.h"

static const char *const known_options[] = {
	"capture",         "track",   "start_from",        "batch_size",  "lookback",        "time_zone", "columns",
	"exclude_columns", "where",   "timestamp_columns", "key",         "delete_interval", "retention", "max_attempts",
	"on_error",        "ordered", "keep_result",       "retry_delay", "handlers",        NULL};

static const char *const capture_words[] = {"poll", "trigger", NULL};
static const char *const track_words[] = {"none", "keys", "rows", NULL};
static const char *const on_error_words[] = {"skip", "block_key", NULL};

static bool bad_value(pythia_error *error, const char *option, const char *hint)
{
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "invalid value for option \"%s\"", option);
	return pythia_error_hint(error, "%s", hint);
}

/* The part of a per-table option that concerns `table`: an object is a map from
 * table name to value, anything else holds for every table. */
static const pythia_node *for_table(const pythia_node *value, const char *table)
{
	const pythia_node *found;

	if (!value || value->type != PYTHIA_NODE_OBJECT)
		return value;
	if (!table)
		return NULL;
	found = pythia_node_get(value, table);
	for (const pythia_node *item = pythia_node_members(value); item && !found; item = item->next)
		if (pythia_same_table_name(item->name, table))
			found = item;
	return found && found->type != PYTHIA_NODE_NULL ? found : NULL;
}

static bool check_names(const pythia_node *value, const char *option, pythia_error *error)
{
	if (!value || value->type == PYTHIA_NODE_NULL)
		return true;
	if (!pythia_node_items(value))
		return bad_value(error, option,
						 "Give an array of column names, or an object from table name to such an array.");
	if (!pythia_node_texts(value))
		return bad_value(error, option, "Each column name is a string.");
	return !pythia_node_twice(value) || bad_value(error, option, "Name each column once.");
}

static bool check_text(const pythia_node *value, const char *option, pythia_error *error)
{
	if (value && value->type != PYTHIA_NODE_NULL && (value->type != PYTHIA_NODE_STRING || !value->text[0]))
		return bad_value(error, option, "Give a text that is not empty, or an object from table name to text.");
	return true;
}

/* Checks a per-table option whole, so that a mistake shows when the worker is created. */
static bool check_map(const pythia_node *options, const char *option, bool names, bool must_be_map, pythia_error *error)
{
	const pythia_node *value = pythia_node_get(options, option);

	if (!value || value->type == PYTHIA_NODE_NULL)
		return true;
	if (value->type == PYTHIA_NODE_OBJECT)
	{
		for (const pythia_node *item = pythia_node_members(value); item; item = item->next)
			if (!(names ? check_names(item, option, error) : check_text(item, option, error)))
				return false;
		return true;
	}
	if (must_be_map)
		return bad_value(error, option, "Give an object from table name to column name.");
	return names ? check_names(value, option, error) : check_text(value, option, error);
}

static const pythia_node *names_of(const pythia_node *options, const char *option, const char *table)
{
	const pythia_node *value = for_table(pythia_node_get(options, option), table);

	return value && value->type == PYTHIA_NODE_ARRAY ? value : NULL;
}

static const char *text_of(const pythia_node *options, const char *option, const char *table)
{
	const pythia_node *value = for_table(pythia_node_get(options, option), table);

	return value && value->type == PYTHIA_NODE_STRING ? value->text : NULL;
}

/* Sums with it stay within what times are. */
#define LONGEST (100 * 366 * 86400.0)

static bool positive(const pythia_node *options, const char *option, double least, double *value, pythia_error *error)
{
	const pythia_node *node = pythia_node_get(options, option);

	if (!node || node->type == PYTHIA_NODE_NULL)
		return true;
	if (!pythia_node_seconds(options, option, value, error))
		return false;
	if (*value < least)
		return bad_value(error, option, least > 0 ? "It must be longer than nothing." : "It must not be negative.");
	if (*value > LONGEST)
		return bad_value(error, option, "It must be 100 years at most.");
	return true;
}

bool pythia_capture_config_read(const pythia_node *options, const char *table, pythia_capture_config *config,
								pythia_error *error)
{
	int capture = PYTHIA_CAPTURE_POLL;
	int track = PYTHIA_TRACK_KEYS;
	int on_error = PYTHIA_ON_ERROR_SKIP;
	const char *start = "now";
	const pythia_node *start_node;

	*config = (pythia_capture_config){.batch_size = 1000,
									  .lookback = -1,
									  .delete_interval = 60,
									  .retention = -1,
									  .max_attempts = 40, /* more than an hour, with growing delays */
									  .handlers = 1,
									  .retry_delay = 1};
	if (options && options->type != PYTHIA_NODE_OBJECT && options->type != PYTHIA_NODE_NULL)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "options of a CDC worker must be a JSON object");
		return pythia_error_hint(error, "For example {\"track\": \"rows\"}.");
	}
	if (!pythia_node_only(options, known_options, "option", error) ||
		!pythia_node_choice(options, "capture", capture_words, &capture, error) ||
		!pythia_node_choice(options, "track", track_words, &track, error) ||
		!pythia_node_choice(options, "on_error", on_error_words, &on_error, error) ||
		!pythia_node_int(options, "batch_size", 1, 1000000, &config->batch_size, error) ||
		!pythia_node_int(options, "max_attempts", 1, 1000000, &config->max_attempts, error) ||
		!pythia_node_int(options, "handlers", 1, PYTHIA_MAX_HANDLERS, &config->handlers, error) ||
		!pythia_node_bool(options, "ordered", &config->ordered, error) ||
		!pythia_node_bool(options, "keep_result", &config->keep_result, error) ||
		!positive(options, "lookback", 0, &config->lookback, error) ||
		!positive(options, "retry_delay", 0.001, &config->retry_delay, error) ||
		!positive(options, "delete_interval", 0, &config->delete_interval, error) ||
		!positive(options, "retention", 0, &config->retention, error) ||
		!check_text(pythia_node_get(options, "time_zone"), "time_zone", error) ||
		!check_map(options, "where", false, false, error) ||
		!check_map(options, "timestamp_columns", false, true, error) ||
		!check_map(options, "columns", true, false, error) ||
		!check_map(options, "exclude_columns", true, false, error) || !check_map(options, "key", true, false, error))
		return false;
	if (config->ordered && config->handlers > 1)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "option \"ordered\" needs one handler at a time");
		return pythia_error_hint(error,
								 "Leave out \"handlers\", or \"ordered\": changes of one key are in order without.");
	}
	config->capture = (pythia_capture_method) capture;
	config->track = (pythia_track) track;
	config->on_error = (pythia_on_error) on_error;
	if (!pythia_node_text(options, "time_zone", &config->time_zone, error))
		return false;

	/* a number is a place to start from too, where the column holds numbers */
	start_node = pythia_node_get(options, "start_from");
	if (start_node && start_node->type == PYTHIA_NODE_NUMBER)
		start = start_node->text;
	else if (!pythia_node_text(options, "start_from", &start, error))
		return false;
	if (!start[0])
		return bad_value(error, "start_from", "Give \"now\", \"beginning\" or a timestamp.");
	if (strcmp(start, "now") == 0)
		config->start = PYTHIA_START_NOW;
	else if (strcmp(start, "beginning") == 0)
		config->start = PYTHIA_START_BEGINNING;
	else
	{
		config->start = PYTHIA_START_AT;
		config->start_at = start;
	}

	config->columns = names_of(options, "columns", table);
	config->exclude_columns = names_of(options, "exclude_columns", table);
	config->key = names_of(options, "key", table);
	config->where = text_of(options, "where", table);
	if (table)
		config->timestamp_column = text_of(options, "timestamp_columns", table);
	return true;
}

static bool check_named(const pythia_node *options, const char *option, pythia_table_names *known, pythia_error *error)
{
	for (const pythia_node *item = pythia_node_members(pythia_node_get(options, option)); item; item = item->next)
	{
		if (pythia_table_names_find(known, item->name, NULL))
			continue;
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "option \"%s\" names table \"%s\", which is not captured", option,
					item->name);
		return pythia_error_hint(error, "Name one of the worker's tables.");
	}
	return true;
}

bool pythia_capture_config_names(const pythia_node *options, const char *const *tables, pythia_error *error)
{
	static const char *const maps[] = {"columns", "exclude_columns", "where", "timestamp_columns", "key"};
	pythia_table_names known = {0};
	bool ok = true;

	/* what such a schema will hold is not known yet */
	for (int i = 0; tables[i]; i++)
		if (pythia_name_is_pattern(tables[i]))
			return true;
	for (int i = 0; tables[i]; i++)
		pythia_table_names_add(&known, tables[i], NULL);
	for (size_t m = 0; ok && m < sizeof(maps) / sizeof(maps[0]); m++)
		ok = check_named(options, maps[m], &known, error);
	pythia_table_names_free(&known);
	return ok;
}

void pythia_capture_config_idle(const pythia_node *options, bool handled, pythia_option_idle tell, void *context)
{
	static const char *const of_polls[] = {"lookback", "delete_interval", NULL};
	static const char *const of_handlers[] = {"max_attempts", "on_error", "ordered", "keep_result",
											  "retry_delay",  "handlers", NULL};
	pythia_error ignored = PYTHIA_ERROR_INIT;
	pythia_capture_config config;

	if (pythia_capture_config_read(options, NULL, &config, &ignored))
	{
		for (int i = 0; of_polls[i] && config.capture == PYTHIA_CAPTURE_TRIGGER; i++)
			if (pythia_node_get(options, of_polls[i]))
				tell(context, of_polls[i], "triggers tell every change");
		if (config.capture == PYTHIA_CAPTURE_POLL && config.track == PYTHIA_TRACK_NONE &&
			pythia_node_get(options, "delete_interval"))
			tell(context, "delete_interval", "no keys are kept that deleted rows could be told by");
		for (int i = 0; of_handlers[i] && !handled; i++)
			if (pythia_node_get(options, of_handlers[i]))
				tell(context, of_handlers[i], "there is no handler");
	}
	pythia_error_reset(&ignored);
}
