#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/memory.h"
#include "cutover/internal.h"

typedef struct comparer
{
	struct comparers *all;
	int number;
	pthread_t thread;
	bool started;
	bool ok;
	pythia_error error;
} comparer;

typedef struct comparers
{
	pythia_cutover_comparison *comparison;
	atomic_int next;
	atomic_int at_work;
	atomic_bool stop;
	pthread_mutex_t lock; /* of what is told */
	comparer each[PYTHIA_COMPARERS];
} comparers;

bool pythia_cutover_comparison_open(pythia_cutover_comparison *comparison, const pythia_cutover_job *job, bool local,
									pythia_error *error)
{
	memset(comparison, 0, sizeof(*comparison));
	comparison->job = job;
	comparison->runners = local || job->ntables < 2         ? 1
						  : job->ntables < PYTHIA_COMPARERS ? job->ntables
															: PYTHIA_COMPARERS;
	for (int i = 0; i < comparison->runners; i++)
		if (!job->connect(job->context, false, pythia_default_host(), &comparison->sources[i], error) ||
			!job->connect(job->context, true, pythia_default_host(), &comparison->targets[i], error))
			return false;
	return true;
}

void pythia_cutover_comparison_close(pythia_cutover_comparison *comparison)
{
	for (int i = 0; i < PYTHIA_COMPARERS; i++)
	{
		pythia_db_close(comparison->sources[i]);
		pythia_db_close(comparison->targets[i]);
		comparison->sources[i] = comparison->targets[i] = NULL;
	}
}

static bool differs(const char *table, const pythia_validate_result *result, pythia_error *error)
{
	pythia_fail(error, PYTHIA_E_USAGE, "23000", "table \"%s\" is not equal: %lld rows differ", table,
				(long long) result->difference);
	return pythia_error_hint(error,
							 "pythia validate --differences names them; pythia sync --mode live --refresh mends them.");
}

static bool compare(comparer *own, const char *table)
{
	comparers *all = own->all;
	pythia_cutover_comparison *comparison = all->comparison;
	const pythia_cutover_job *job = comparison->job;
	pythia_sync_config config;
	pythia_validate_options options;
	pythia_validate_result result;
	pythia_sync_job one = {.source = comparison->sources[own->number],
						   .target = comparison->targets[own->number],
						   .table = table,
						   .config = &config};
	bool ok;

	memset(&result, 0, sizeof(result));
	ok = pythia_sync_config_read(job->config, NULL, table, &config, &own->error) &&
		 pythia_validate_options_read(NULL, &options, &own->error);
	if (ok)
	{
		/* before the fence rows are on their way: what differs is looked at again */
		options.recheck_after = comparison->within ? 0 : 2;
		options.method = comparison->within ? job->method : PYTHIA_VALIDATE_CHECKSUM;
		ok = pythia_validate_table(&one, &options, NULL, NULL, &result, &own->error);
	}
	if (ok && job->compared != NULL)
	{
		pthread_mutex_lock(&all->lock);
		job->compared(job->tell_context, table, comparison->within, &result);
		pthread_mutex_unlock(&all->lock);
	}
	if (!ok)
		pythia_error_context(&own->error, "table \"%s\"", table);
	else if (!result.is_valid)
		ok = differs(table, &result, &own->error);
	pythia_validate_result_free(&result);
	return ok;
}

static void *run(void *argument)
{
	comparer *own = argument;
	comparers *all = own->all;
	const pythia_cutover_job *job = all->comparison->job;
	int i;

	own->ok = true;
	while (own->ok && !atomic_load(&all->stop) && (i = atomic_fetch_add(&all->next, 1)) < job->ntables)
		own->ok = compare(own, job->tables[i]);
	if (!own->ok)
		atomic_store(&all->stop, true);
	atomic_fetch_sub(&all->at_work, 1);
	return NULL;
}

bool pythia_cutover_comparison_begin(pythia_cutover_comparison *comparison, bool within, pythia_error *error)
{
	comparers *all = pythia_calloc(1, sizeof(comparers));

	comparison->within = within;
	comparison->all = all;
	all->comparison = comparison;
	pthread_mutex_init(&all->lock, NULL);
	atomic_store(&all->at_work, comparison->runners);
	for (int i = 0; i < comparison->runners; i++)
	{
		comparer *own = &all->each[i];

		own->all = all;
		own->number = i;
		own->ok = true;
		own->started = pthread_create(&own->thread, NULL, run, own) == 0;
		if (own->started)
			continue;
		atomic_fetch_sub(&all->at_work, 1);
		/* where there are no more threads to be had, fewer do */
		if (i == 0)
		{
			pythia_free(all);
			comparison->all = NULL;
			return pythia_fail(error, PYTHIA_E_INTERNAL, "53000", "the system gives no thread");
		}
	}
	return true;
}

bool pythia_cutover_comparison_over(pythia_cutover_comparison *comparison)
{
	return atomic_load(&comparison->all->at_work) <= 0;
}

bool pythia_cutover_comparison_end(pythia_cutover_comparison *comparison, pythia_error *error)
{
	comparers *all = comparison->all;
	bool ok = true;

	for (int i = 0; i < comparison->runners; i++)
	{
		comparer *own = &all->each[i];

		if (own->started)
			pthread_join(own->thread, NULL);
		if (ok && !own->ok)
			ok = pythia_error_move(error, &own->error);
		pythia_error_reset(&own->error);
	}
	pthread_mutex_destroy(&all->lock);
	pythia_free(all);
	comparison->all = NULL;
	return ok;
}
