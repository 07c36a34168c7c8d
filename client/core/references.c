#include "core/references.h"

#include <stddef.h>
#include <string.h>

#include "core/memory.h"

void pythia_references_group(int count, const pythia_reference *list, int64_t n, bool backwards,
							 pythia_references *references)
{
	int64_t *first = pythia_calloc((size_t) count + 2, sizeof(int64_t));
	int *to = pythia_malloc(sizeof(int) * ((size_t) n + 1));

	/* one place further on: each moves back to where it belongs as it is filled from behind */
	for (int64_t k = 0; k < n; k++)
		first[(backwards ? list[k].to : list[k].from) + 1]++;
	for (int i = 0; i < count; i++)
		first[i + 1] += first[i];
	for (int64_t k = n - 1; k >= 0; k--)
		to[--first[(backwards ? list[k].to : list[k].from) + 1]] = backwards ? list[k].from : list[k].to;
	memmove(first, first + 1, sizeof(int64_t) * (size_t) count);
	first[count] = n;
	references->first = first;
	references->to = to;
}

const int *pythia_references_of(const pythia_references *references, int i, int64_t *n)
{
	*n = references->first ? references->first[i + 1] - references->first[i] : 0;
	return references->first ? references->to + references->first[i] : NULL;
}

void pythia_references_free(pythia_references *references)
{
	pythia_free(references->first);
	pythia_free(references->to);
	memset(references, 0, sizeof(*references));
}

/* Numbers, of which the smallest is at hand. */
typedef struct heap
{
	int *numbers;
	int count;
} heap;

static void swap(int *a, int *b)
{
	int kept = *a;

	*a = *b;
	*b = kept;
}

static void put(heap *h, int number)
{
	int at = h->count++;

	h->numbers[at] = number;
	for (; at > 0 && h->numbers[(at - 1) / 2] > h->numbers[at]; at = (at - 1) / 2)
		swap(&h->numbers[(at - 1) / 2], &h->numbers[at]);
}

static int take(heap *h)
{
	int smallest = h->numbers[0];
	int at = 0;

	h->numbers[0] = h->numbers[--h->count];
	for (;;)
	{
		int child = 2 * at + 1;

		if (child + 1 < h->count && h->numbers[child + 1] < h->numbers[child])
			child++;
		if (child >= h->count || h->numbers[at] <= h->numbers[child])
			return smallest;
		swap(&h->numbers[at], &h->numbers[child]);
		at = child;
	}
}

void pythia_parents_first(int count, const pythia_reference *list, int64_t n, int *order)
{
	pythia_references children;
	int64_t *waits_for = pythia_calloc((size_t) count + 1, sizeof(int64_t)); /* how many; -1: is placed */
	heap free_ones = {.numbers = pythia_malloc(sizeof(int) * ((size_t) count + 1))};
	int left = 0;

	pythia_references_group(count, list, n, true, &children);
	for (int64_t k = 0; k < n; k++)
		waits_for[list[k].from] += list[k].from != list[k].to;
	for (int i = 0; i < count; i++)
		if (waits_for[i] == 0)
			put(&free_ones, i);
	for (int placed = 0; placed < count; placed++)
	{
		int64_t waiting;
		const int *child;
		int next;

		while (free_ones.count == 0 && waits_for[left] < 0)
			left++;
		next = free_ones.count > 0 ? take(&free_ones) : left;
		waits_for[next] = -1;
		order[placed] = next;
		child = pythia_references_of(&children, next, &waiting);
		for (int64_t k = 0; k < waiting; k++)
			if (waits_for[child[k]] > 0 && --waits_for[child[k]] == 0)
				put(&free_ones, child[k]);
	}
	pythia_free(free_ones.numbers);
	pythia_free(waits_for);
	pythia_references_free(&children);
}
