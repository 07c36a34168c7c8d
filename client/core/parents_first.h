/* An order in which each of some things comes after those that it refers to. */
#ifndef PYTHIA_PARENTS_FIRST_H
#define PYTHIA_PARENTS_FIRST_H

#include <stdint.h>

/* The thing `from` refers to the thing `to`, by their numbers from 0. */
typedef struct pythia_reference
{
	int from;
	int to;
} pythia_reference;

/*
 * Fills `order` with the numbers of `count` things: the first whose parents are placed comes next; in a ring, the first
 * of those that are left.  References to itself do not count, the same one may be told twice.  In time and memory that
 * grow with things and references (A. B. Kahn, Topological sorting of large networks, 1962, with a heap).
 */
void pythia_parents_first(int count, const pythia_reference *references, int64_t nreferences, int *order);

#endif
