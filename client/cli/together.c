#include "cli/together.h"

#include <pthread.h>
#include <time.h>

#include "core/memory.h"

/* Between two looks whether there is something to help with. */
#define LOOK_NS 20000000

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
	const pythia_references *waits;
	bool over; /* nothing more is begun */
	bool (*work)(void *context, int runner, int i);
	bool (*help)(void *context, int runner);
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
	int64_t n;
	const int *before = pythia_references_of(all->waits, i, &n);

	if (all->stages[i] != WAITING)
		return false;
	for (int64_t k = 0; k < n; k++)
	{
		if (all->stages[before[k]] != DONE)
			return false;
	}
	return true;
}

/* Until something is done, or there may be something to help with. */
static void wait_a_little(together *all)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += LOOK_NS;
	if (until.tv_nsec >= 1000000000)
	{
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&all->changed, &all->lock, &until);
}

/* The next piece, or -1 where there is none; with the lock held. */
static int take(together *all, int number)
{
	bool left = true;

	while (!all->over && left)
	{
		bool helped;

		left = false;
		for (int i = 0; i < all->count; i++)
		{
			if (ready(all, i))
				return i;
			left = left || all->stages[i] != DONE;
		}
		if (!left)
			break;
		pthread_mutex_unlock(&all->lock);
		helped = all->help(all->context, number);
		pthread_mutex_lock(&all->lock);
		if (!helped && !all->over)
			wait_a_little(all);
	}
	return -1;
}

static void *run(void *argument)
{
	runner *own = argument;
	together *all = own->all;
	int i;

	pthread_mutex_lock(&all->lock);
	while ((i = take(all, own->number)) >= 0)
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

void cli_together(int count, const pythia_references *waits, int runners,
				  bool (*work)(void *context, int runner, int i), bool (*help)(void *context, int runner),
				  void *context)
{
	together all = {PTHREAD_MUTEX_INITIALIZER,
					PTHREAD_COND_INITIALIZER,
					pythia_calloc((size_t) count + 1, sizeof(stage)),
					count,
					waits,
					false,
					work,
					help,
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
