#include "cli/together.h"

#include <pthread.h>

#include "core/memory.h"

typedef enum stage
{
	WAITING,
	RUNNING,
	DONE
} stage;

typedef struct together
{
	pthread_mutex_t lock;
	pthread_cond_t changed;
	stage *stages;
	int count;
	const bool *waits;
	bool over; /* nothing more is begun */
	bool (*work)(void *context, int runner, int i);
	void *context;
} together;

typedef struct runner
{
	together *all;
	int number;
	pthread_t thread;
	bool started;
} runner;

static bool ready(const together *all, int i)
{
	if (all->stages[i] != WAITING)
		return false;
	for (int j = 0; all->waits != NULL && j < all->count; j++)
	{
		if (all->waits[i * all->count + j] && all->stages[j] != DONE)
			return false;
	}
	return true;
}

/* The next piece, or -1 where there is none; with the lock held. */
static int take(together *all)
{
	while (!all->over)
	{
		bool left = false;

		for (int i = 0; i < all->count; i++)
		{
			if (ready(all, i))
				return i;
			left = left || all->stages[i] == WAITING;
		}
		if (!left)
			break;
		pthread_cond_wait(&all->changed, &all->lock);
	}
	return -1;
}

static void *run(void *argument)
{
	runner *own = argument;
	together *all = own->all;
	int i;

	pthread_mutex_lock(&all->lock);
	while ((i = take(all)) >= 0)
	{
		bool go_on;

		all->stages[i] = RUNNING;
		pthread_mutex_unlock(&all->lock);
		go_on = all->work(all->context, own->number, i);
		pthread_mutex_lock(&all->lock);
		all->stages[i] = DONE;
		all->over = all->over || !go_on;
		pthread_cond_broadcast(&all->changed);
	}
	pthread_mutex_unlock(&all->lock);
	return NULL;
}

void cli_together(int count, const bool *waits, int runners, bool (*work)(void *context, int runner, int i),
				  void *context)
{
	together all = {PTHREAD_MUTEX_INITIALIZER,
					PTHREAD_COND_INITIALIZER,
					pythia_calloc((size_t) count + 1, sizeof(stage)),
					count,
					waits,
					false,
					work,
					context};
	runner *list = pythia_calloc((size_t) runners + 1, sizeof(runner));

	for (int i = 1; i < runners; i++)
	{
		list[i].all = &all;
		list[i].number = i;
		/* where there are no more threads to be had, fewer do */
		list[i].started = pthread_create(&list[i].thread, NULL, run, &list[i]) == 0;
	}
	list[0].all = &all;
	run(&list[0]);
	for (int i = 1; i < runners; i++)
	{
		if (list[i].started)
			pthread_join(list[i].thread, NULL);
	}
	pythia_free(list);
	pythia_free(all.stages);
}
