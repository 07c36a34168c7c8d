/* What refers to what, among things that are told by their numbers from 0, and an order that heeds it. */
#ifndef PYTHIA_REFERENCES_H
#define PYTHIA_REFERENCES_H

#include <stdbool.h>
#include <stdint.h>

/* The thing `from` refers to the thing `to`. */
typedef struct pythia_reference
{
	int from;
	int to;
} pythia_reference;

/* The same by things; pythia_references_of reads it. */
typedef struct pythia_references
{
	int64_t *first; /* thing i has those from to[first[i]] up to to[first[i + 1]]; NULL: none has any */
	int *to;
} pythia_references;

/* Groups `n` references of `count` things: what each thing refers to or, `backwards`, what refers to each. */
void pythia_references_group(int count, const pythia_reference *list, int64_t n, bool backwards,
							 pythia_references *references);
/* Those of thing i; *n is how many. */
const int *pythia_references_of(const pythia_references *references, int i, int64_t *n);
void pythia_references_free(pythia_references *references); /* and clears it */

/*
 * Fills `order` with the numbers of `count` things, each after those that it refers to: the first whose parents are
 * placed comes next; in a ring, the first of those that are left.  References to itself do not count, the same one may
 * be told twice.  In time and memory that grow with things and references (A. B. Kahn, Topological sorting of large
 * networks, 1962, with a heap).
 */
void pythia_parents_first(int count, const pythia_reference *list, int64_t n, int *order);

#endif
