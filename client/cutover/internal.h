/* Shared by the files of cutover; nobody else includes this. */
#ifndef PYTHIA_CUTOVER_INTERNAL_H
#define PYTHIA_CUTOVER_INTERNAL_H

#include "cutover/cutover.h"

#define PYTHIA_COMPARERS 3

/* Compares all tables, several at once. */
typedef struct pythia_cutover_comparison
{
	const pythia_cutover_job *job;
	bool within; /* the fence: nothing moves, and a difference is one */
	pythia_db *sources[PYTHIA_COMPARERS];
	pythia_db *targets[PYTHIA_COMPARERS];
	int runners;
	struct comparers *all; /* while it runs */
} pythia_cutover_comparison;

/* Connections are made beforehand. */
bool pythia_cutover_comparison_open(pythia_cutover_comparison *comparison, const pythia_cutover_job *job, bool local,
									pythia_error *error);
void pythia_cutover_comparison_close(pythia_cutover_comparison *comparison);
bool pythia_cutover_comparison_begin(pythia_cutover_comparison *comparison, bool within, pythia_error *error);
/* Waits; fails where a table differs (23000) or could not be compared. */
bool pythia_cutover_comparison_end(pythia_cutover_comparison *comparison, pythia_error *error);
bool pythia_cutover_comparison_over(pythia_cutover_comparison *comparison);

/* sequences.c */
bool pythia_cutover_sequences(const pythia_cutover_job *job, pythia_db *source, pythia_db *target, int *count,
							  pythia_error *error);
/* reverse.c: a live sync from target to source, as if all tables had been copied just now. */
bool pythia_cutover_check_reverse(const pythia_cutover_job *job, pythia_error *error);
bool pythia_cutover_reverse(const pythia_cutover_job *job, pythia_db *source, pythia_db *target, pythia_error *error);
bool pythia_cutover_drop_reverse(pythia_db *source, pythia_db *target, pythia_error *error);

#endif
