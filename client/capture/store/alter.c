/* Changing a worker: what stays keeps its position. */
#include <string.h>

#include "capture/discover.h"
#include "capture/internal.h"
#include "core/json.h"
#include "core/list.h"
#include "core/memory.h"

typedef struct alteration
{
	pythia_db *store;
	pythia_db *source;
	int64_t worker_id;
	const char *timestamp_column; /* as it will be */
	const char *timestamp_before;
	const pythia_node *options; /* as they will be */
	const pythia_node *options_before;
} alteration;

/* A table that the worker has had. */
typedef struct captured_name
{
	long long table_id;
	const char *name;
	const char *schema;
	const char *table;
	const char *log; /* or NULL */
} captured_name;

static captured_name name_of(const pythia_result *members, int64_t i)
{
	return (captured_name){.table_id = pythia_result_number(members, i, 0),
						   .name = pythia_result_text(members, i, 1),
						   .schema = pythia_result_text(members, i, 2),
						   .table = pythia_result_text(members, i, 3),
						   .log = pythia_result_optional(members, i, 4)};
}

static bool is_named(const captured_name *member, const char *name)
{
	pythia_buffer own = PYTHIA_BUFFER_INIT;
	bool same;

	pythia_dialect_table(pythia_dialect_for(PYTHIA_POSTGRESQL), &own, member->schema[0] ? member->schema : NULL,
						 member->table);
	same = strcmp(member->name, name) == 0 || pythia_same_table_name(own.data, name);
	pythia_buffer_free(&own);
	return same;
}

static bool take_out(const alteration *a, const captured_name *member, pythia_error *error)
{
	static const char *const tables[] = {"pythia_seen", "pythia_tracked", "pythia_told"};

	if (member->log && !pythia_log_remove(a->source, member->schema, member->table, member->log, error))
		return false;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if (!pythia_store_exec(a->store, error, "DELETE FROM main.%s WHERE table_id = %lld", tables[i],
							   member->table_id))
			return false;
	/* its changes in the journal keep their table's name */
	return pythia_store_exec(a->store, error,
							 "UPDATE main.pythia_cdc_table SET worker_id = -worker_id, name = name || ' ' || table_id,"
							 " log = NULL WHERE table_id = %lld",
							 member->table_id);
}

/* The next poll starts it, or delivers it from its beginning; `now`: whatever start_from says. */
static bool take_in(const alteration *a, const char *name, bool now, pythia_error *error)
{
	pythia_capture_table table;
	pythia_capture_config config;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool begins; /* delivered from its beginning */
	char *log;

	if (!pythia_capture_config_read(a->options, name, &config, error) ||
		!pythia_capture_table_open(a->source, NULL, name, a->timestamp_column, &config, &table, error))
		return false;
	log = config.capture == PYTHIA_CAPTURE_TRIGGER ? pythia_log_name() : NULL;
	begins = !now && config.start == PYTHIA_START_BEGINNING;
	pythia_buffer_puts(&sql,
					   "INSERT OR IGNORE INTO main.pythia_cdc_table (worker_id, name, \"schema\", \"table\", started,"
					   " log) VALUES (");
	pythia_buffer_printf(&sql, "%lld, ", (long long) a->worker_id);
	pythia_store_text(&sql, name);
	pythia_buffer_puts(&sql, ", ");
	pythia_store_text(&sql, table.table.schema);
	pythia_buffer_puts(&sql, ", ");
	pythia_store_text(&sql, table.table.name);
	/* triggers are yet to be made; a poll's position is before all */
	pythia_buffer_printf(&sql, ", %d, ", log ? !begins : begins);
	pythia_store_text(&sql, log);
	pythia_buffer_putc(&sql, ')');
	pythia_free(log);
	pythia_capture_table_close(&table);
	return pythia_store_run(a->store, &sql, error);
}

static bool same_key(const pythia_node *a, const pythia_node *b)
{
	pythia_buffer x = PYTHIA_BUFFER_INIT;
	pythia_buffer y = PYTHIA_BUFFER_INIT;
	bool same;

	if (a)
		pythia_json_node(&x, a);
	if (b)
		pythia_json_node(&y, b);
	same = strcmp(pythia_buffer_text(&x), pythia_buffer_text(&y)) == 0;
	pythia_buffer_free(&x);
	pythia_buffer_free(&y);
	return same;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Whether what is recorded of a table holds under the new options. */
static bool still_holds(const alteration *a, const char *name, bool *holds, pythia_error *error)
{
	pythia_capture_config before;
	pythia_capture_config now;

	if (!pythia_capture_config_read(a->options_before, name, &before, error) ||
		!pythia_capture_config_read(a->options, name, &now, error))
		return false;
	*holds = before.capture == now.capture && before.track == now.track && same_key(before.key, now.key);
	if (now.capture == PYTHIA_CAPTURE_TRIGGER)
		*holds = *holds && same_text(before.where, now.where);
	else
		*holds = *holds && same_text(before.timestamp_column ? before.timestamp_column : a->timestamp_before,
									 now.timestamp_column ? now.timestamp_column : a->timestamp_column);
	return true;
}

static bool reconcile(const alteration *a, const pythia_result *members, char **wanted, int nwanted,
					  pythia_error *error)
{
	for (int64_t i = 0; i < members->nrows; i++)
	{
		captured_name member = name_of(members, i);
		bool stays = !wanted;
		bool holds;

		for (int j = 0; !stays && j < nwanted; j++)
			stays = is_named(&member, wanted[j]);
		if (!still_holds(a, member.name, &holds, error) || ((!stays || !holds) && !take_out(a, &member, error)) ||
			/* what was there until now was delivered */
			(stays && !holds && !take_in(a, member.name, true, error)))
			return false;
	}
	for (int j = 0; j < nwanted; j++)
	{
		bool known = false;

		for (int64_t i = 0; !known && i < members->nrows; i++)
		{
			captured_name member = name_of(members, i);

			known = is_named(&member, wanted[j]);
		}
		if (!known && !take_in(a, wanted[j], false, error))
			return false;
	}
	return true;
}

/* Every table that the names stand for. */
static bool resolve(pythia_db *source, const char *const *tables, char ***names, int *count, pythia_error *error)
{
	bool ok = true;

	*names = NULL;
	*count = 0;
	for (int i = 0; ok && tables && tables[i]; i++)
	{
		char **found;
		int nfound;

		ok = pythia_discover(source, tables[i], false, &found, &nfound, error);
		*names = pythia_realloc(*names, sizeof(char *) * (size_t) (*count + nfound + 1));
		for (int j = 0; j < nfound; j++)
			(*names)[(*count)++] = found[j];
		pythia_free(found);
	}
	return ok;
}

static bool save_settings(const alteration *a, double poll_interval, const char *options_json,
						  const char *const *tables, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	pythia_buffer_puts(&sql, "UPDATE main.pythia_cdc_worker SET options = ");
	pythia_store_text(&sql, options_json);
	pythia_buffer_puts(&sql, ", timestamp_column = ");
	pythia_store_text(&sql, a->timestamp_column);
	if (poll_interval > 0)
		pythia_buffer_printf(&sql, ", poll_interval = %.6f", poll_interval);
	if (tables)
		pythia_buffer_puts(&sql, ", patterns = NULL");
	pythia_buffer_printf(&sql, " WHERE worker_id = %lld", (long long) a->worker_id);
	return pythia_store_run(a->store, &sql, error) &&
		   (!tables || pythia_store_patterns(a->store, a->worker_id, tables, error));
}

static bool read_members(const alteration *a, pythia_result *members, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_buffer_printf(&sql,
						 "SELECT table_id, name, COALESCE(\"schema\", ''), \"table\", log FROM main.pythia_cdc_table"
						 " WHERE worker_id = %lld",
						 (long long) a->worker_id);
	ok = pythia_db_query(a->store, sql.data, "ntvtT", members, error);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_capture_alter(pythia_db *store, pythia_db *source, const char *name, const pythia_capture_changes *changes,
						  pythia_error *error)
{
	alteration a = {
		.store = store, .source = source, .options = changes->options, .options_before = changes->options_before};
	pythia_capture_settings settings;
	pythia_capture_config config;
	pythia_result members = {0};
	char **wanted = NULL;
	int nwanted = 0;
	bool ok;

	if (!pythia_capture_config_read(changes->options, NULL, &config, error) ||
		(changes->tables && !pythia_capture_config_names(changes->options, changes->tables, error)) ||
		!pythia_capture_settings_read(store, name, &settings, error))
		return false;
	a.worker_id = settings.worker_id;
	a.timestamp_before = settings.timestamp_column;
	a.timestamp_column = changes->timestamp_column ? changes->timestamp_column : settings.timestamp_column;
	ok = resolve(source, changes->tables, &wanted, &nwanted, error) &&
		 store->driver->begin(store, PYTHIA_BEGIN_IMMEDIATE, error);
	if (ok)
	{
		ok = save_settings(&a, changes->poll_interval, changes->options_json, changes->tables, error) &&
			 read_members(&a, &members, error) &&
			 reconcile(&a, &members, changes->tables ? wanted : NULL, nwanted, error) &&
			 store->driver->commit(store, error);
		if (!ok && !store->broken)
			store->driver->rollback(store, NULL);
	}
	pythia_result_free(&members);
	pythia_list_free(wanted, nwanted);
	pythia_capture_settings_free(&settings);
	return ok;
}
