#include "core/parents_first.h"

#include <stdbool.h>
#include <stddef.h>

#include "core/memory.h"

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

/* children[first[i]] up to children[first[i + 1]] are those that refer to i. */
static int *list_children(int count, const pythia_reference *references, int64_t nreferences, int64_t *first)
{
	int *children = pythia_malloc(sizeof(int) * ((size_t) nreferences + 1));

	for (int64_t k = 0; k < nreferences; k++)
		first[references[k].to + 1]++;
	for (int i = 0; i < count; i++)
		first[i + 1] += first[i];
	/* from behind, so that each list's beginning ends where it belongs */
	for (int64_t k = 0; k < nreferences; k++)
		children[--first[references[k].to + 1]] = references[k].from;
	for (int i = 0; i < count; i++)
		first[i] = first[i + 1];
	first[count] = nreferences;
	return children;
}

void pythia_parents_first(int count, const pythia_reference *references, int64_t nreferences, int *order)
{
	int64_t *first = pythia_calloc((size_t) count + 2, sizeof(int64_t));
	int *children = list_children(count, references, nreferences, first);
	int64_t *waits_for = pythia_calloc((size_t) count + 1, sizeof(int64_t)); /* how many; -1: is placed */
	heap free_ones = {.numbers = pythia_malloc(sizeof(int) * ((size_t) count + 1))};
	int left = 0;

	for (int64_t k = 0; k < nreferences; k++)
		waits_for[references[k].from] += references[k].from != references[k].to;
	for (int i = 0; i < count; i++)
		if (waits_for[i] == 0)
			put(&free_ones, i);
	for (int n = 0; n < count; n++)
	{
		int next;

		while (free_ones.count == 0 && waits_for[left] < 0)
			left++;
		next = free_ones.count > 0 ? take(&free_ones) : left;
		waits_for[next] = -1;
		order[n] = next;
		for (int64_t k = first[next]; k < first[next + 1]; k++)
			if (waits_for[children[k]] > 0 && children[k] != next && --waits_for[children[k]] == 0)
				put(&free_ones, children[k]);
	}
	pythia_free(free_ones.numbers);
	pythia_free(waits_for);
	pythia_free(children);
	pythia_free(first);
}
