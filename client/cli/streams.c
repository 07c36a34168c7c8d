#include "cli/streams.h"

#include <string.h>

#include "cli/progress.h"
#include "core/memory.h"

#define LOOK_MS 10

typedef struct part
{
	bool taken;
	bool begun;
	bool done;
	char *checkpoint;
} part;

struct cli_table_streams
{
	cli_streams *all;
	const char *table;
	char *ticket; /* NULL: not in parts */
	part *parts;
	int nparts;
	int at_work; /* threads that joined, and the table's own */
	int coming;  /* threads that had nothing to do when it was cut */
	int ready;   /* those who came, and read or have failed */
	bool over;
	pythia_sync_result counted;
	struct cli_stream *own;
	cli_table_streams *next;
};

/* One thread's. */
typedef struct cli_stream
{
	cli_table_streams *table;
	pythia_sync_streams *streams;
	int part; /* in hand, or -1 */
	bool ready;
} cli_stream;

static void free_parts(cli_table_streams *table)
{
	for (int i = 0; i < table->nparts; i++)
		pythia_free(table->parts[i].checkpoint);
	pythia_free(table->parts);
	pythia_free(table->ticket);
	table->parts = NULL;
	table->nparts = 0;
	table->ticket = NULL;
}

static int parts_left(const cli_table_streams *table)
{
	int left = 0;

	for (int i = 0; i < table->nparts; i++)
		left += !table->parts[i].done;
	return left;
}

/* --- what the engine calls ----------------------------------------------------- */

static bool open_parts(cli_table_streams *table, const char *ticket, int nparts, bool again, pythia_error *error)
{
	cli_state *state = table->all->state;

	free_parts(table);
	table->parts = pythia_calloc((size_t) nparts, sizeof(part));
	table->nparts = nparts;
	memset(&table->counted, 0, sizeof(table->counted));
	if (!cli_state_open_parts(state, table->table, ticket, nparts, again, error))
		return false;
	for (int i = 0; again && i < nparts; i++)
	{
		if (!cli_state_load_part(state, table->table, i, &table->parts[i].checkpoint, &table->parts[i].done, error))
			return false;
		table->parts[i].begun = table->parts[i].checkpoint != NULL;
	}
	table->ticket = pythia_strdup(ticket);
	table->coming = table->all->most;
	for (const cli_table_streams *one = table->all->open; one != NULL; one = one->next)
		table->coming -= one->at_work;
	return true;
}

static bool on_open(void *context, const char *ticket, int nparts, bool again, pythia_error *error)
{
	cli_stream *stream = context;
	cli_table_streams *table = stream->table;
	bool ok;

	pthread_mutex_lock(table->all->lock);
	ok = open_parts(table, ticket, nparts, again, error);
	pthread_mutex_unlock(table->all->lock);
	return ok;
}

static void give_back(cli_stream *stream)
{
	if (stream->part >= 0)
		stream->table->parts[stream->part].taken = false;
	stream->part = -1;
}

/* With the lock held. */
static void be_ready(cli_stream *stream)
{
	if (!stream->ready && stream != stream->table->own)
		stream->table->ready++;
	stream->ready = true;
}

static bool on_awaited(void *context, int *streams, pythia_error *error)
{
	cli_stream *stream = context;
	cli_table_streams *table = stream->table;

	(void) error;
	pthread_mutex_lock(table->all->lock);
	*streams = table->coming > table->ready ? table->coming - table->ready : 0;
	pthread_mutex_unlock(table->all->lock);
	return true;
}

static bool on_take(void *context, int *number, bool *begun, char **checkpoint, pythia_error *error)
{
	cli_stream *stream = context;
	cli_table_streams *table = stream->table;

	(void) error;
	*number = -1;
	*checkpoint = NULL;
	pthread_mutex_lock(table->all->lock);
	be_ready(stream);
	give_back(stream);
	for (int i = 0; i < table->nparts && !table->over && *number < 0; i++)
	{
		if (!table->parts[i].done && !table->parts[i].taken)
			*number = i;
	}
	if (*number >= 0)
	{
		part *taken = &table->parts[*number];

		*begun = taken->begun;
		*checkpoint = pythia_strdup(taken->checkpoint);
		taken->taken = taken->begun = true;
		stream->part = *number;
	}
	stream->streams->at_work = table->at_work;
	pthread_mutex_unlock(table->all->lock);
	return true;
}

static bool save_part(cli_table_streams *table, int number, const char *checkpoint, bool done, pythia_error *error)
{
	part *saved = &table->parts[number];

	if (table->over)
		return pythia_fail(error, PYTHIA_E_CANCELLED, "57014", "the run of table \"%s\" is over", table->table);
	if (!cli_state_store_part(table->all->state, table->table, number, checkpoint, done, error))
		return false;
	pythia_free(saved->checkpoint);
	saved->checkpoint = pythia_strdup(checkpoint);
	saved->done = done;
	return true;
}

static bool on_save(void *context, int number, const char *checkpoint, bool done, const pythia_sync_result *counted,
					pythia_error *error)
{
	cli_stream *stream = context;
	cli_table_streams *table = stream->table;
	bool ok;

	pthread_mutex_lock(table->all->lock);
	ok = save_part(table, number, checkpoint, done, error);
	if (ok)
		pythia_sync_result_add(&table->counted, counted);
	stream->streams->at_work = table->at_work;
	pthread_mutex_unlock(table->all->lock);
	return ok;
}

static bool on_look(void *context, int *left, pythia_sync_result *counted, pythia_error *error)
{
	cli_stream *stream = context;
	cli_table_streams *table = stream->table;

	(void) error;
	pthread_mutex_lock(table->all->lock);
	*left = parts_left(table);
	*counted = table->counted;
	pthread_mutex_unlock(table->all->lock);
	/* from now on the run counts all of it itself */
	if (*left == 0)
		cli_progress_alone();
	return true;
}

static void offer(pythia_sync_streams *streams, cli_stream *stream, int most)
{
	memset(streams, 0, sizeof(*streams));
	streams->context = stream;
	streams->most = most;
	streams->open = on_open;
	streams->awaited = on_awaited;
	streams->take = on_take;
	streams->save = on_save;
	streams->look = on_look;
}

/* --- the table's own thread ------------------------------------------------------- */

cli_table_streams *cli_streams_begin(cli_streams *all, const char *table, pythia_sync_streams *streams)
{
	cli_table_streams *own = pythia_calloc(1, sizeof(cli_table_streams));

	own->all = all;
	own->table = table;
	own->at_work = 1;
	own->own = pythia_calloc(1, sizeof(cli_stream));
	own->own->table = own;
	own->own->streams = streams;
	own->own->part = -1;
	offer(streams, own->own, all->most);
	pthread_mutex_lock(all->lock);
	own->next = all->open;
	all->open = own;
	pthread_mutex_unlock(all->lock);
	return own;
}

void cli_streams_end(cli_table_streams *own)
{
	cli_streams *all = own->all;
	cli_table_streams **link;

	pthread_mutex_lock(all->lock);
	own->over = true;
	for (link = &all->open; *link != own; link = &(*link)->next)
		;
	*link = own->next;
	while (own->at_work > 1)
	{
		pthread_mutex_unlock(all->lock);
		/* a cancel reaches them, too; until they have left their table is theirs */
		(void) pythia_host_wait(pythia_default_host(), -1, 0, LOOK_MS);
		pthread_mutex_lock(all->lock);
	}
	pthread_mutex_unlock(all->lock);
	free_parts(own);
	pythia_free(own->own);
	pythia_free(own);
}

/* --- others --------------------------------------------------------------------------- */

static cli_table_streams *find_work(cli_streams *all)
{
	for (cli_table_streams *table = all->open; table != NULL; table = table->next)
	{
		for (int i = 0; i < table->nparts && table->ticket != NULL && !table->over; i++)
		{
			if (!table->parts[i].done && !table->parts[i].taken)
				return table;
		}
	}
	return NULL;
}

static void join(cli_stream *stream, cli_pair *pair, const pythia_sync_callbacks *callbacks)
{
	cli_table_streams *table = stream->table;
	pythia_sync_config config;
	pythia_sync_job job;
	pythia_error error = PYTHIA_ERROR_INIT;

	cli_progress_join(table->table);
	/* what goes wrong here, the table's own thread meets, too, or does better */
	if (cli_pair_job(pair, table->table, &config, &job, &error))
	{
		job.callbacks = callbacks;
		job.streams = stream->streams;
		if (!pythia_sync_stream(&job, table->ticket, &error))
			pythia_host_log(job.source->host, PYTHIA_LOG_DEBUG, "table \"%s\": %s", table->table, error.message);
	}
	pythia_error_reset(&error);
	cli_progress_leave();
}

bool cli_streams_help(cli_streams *all, cli_pair *pair, pythia_sync_callbacks *callbacks, const char **table)
{
	pythia_sync_streams streams;
	cli_stream stream = {.streams = &streams, .part = -1};

	pthread_mutex_lock(all->lock);
	stream.table = find_work(all);
	if (stream.table != NULL)
		stream.table->at_work++;
	pthread_mutex_unlock(all->lock);
	if (stream.table == NULL)
		return false;
	*table = stream.table->table;
	offer(&streams, &stream, all->most);
	join(&stream, pair, callbacks);
	pthread_mutex_lock(all->lock);
	be_ready(&stream);
	give_back(&stream);
	stream.table->at_work--;
	pthread_mutex_unlock(all->lock);
	*table = NULL;
	return true;
}
