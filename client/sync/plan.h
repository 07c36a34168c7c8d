/*
 * What goes where: the source's table, the target's, and which column becomes which.
 */
#ifndef PYTHIA_PLAN_H
#define PYTHIA_PLAN_H

#include "sync/sync.h"
#include "value/transform.h"

typedef struct pythia_pair
{
	int source; /* position in plan->source.columns */
	int target; /* position in plan->target.columns */
	pythia_transform transform;
	/* Between two columns of SQLite that store alike: they carry whatever is stored (PYTHIA_KIND_STORED), and these stand
	 * in for source and target. */
	bool stored;
	pythia_column stand_in[2];
} pythia_pair;

typedef struct pythia_plan
{
	pythia_table source;
	pythia_table target;
	bool target_missing; /* plan->target is what would be created */
	pythia_pair *pairs;  /* in the source's order of columns; generated ones are left out */
	int npairs;
	int *key;         /* positions in pairs, in the key's order */
	int nkey;         /* 0: a table without a key, which is replaced as a whole */
	int stamp;        /* position in pairs of the timestamp column; -1: none, or not among the pairs */
	int stamp_source; /* position in source.columns, or -1 */
	int *unmatched;   /* source columns that the target lacks and that would have been copied */
	int nunmatched;
	bool transforms;    /* any pair needs its values looked at */
	bool null_keys;     /* a key column of the source may hold NULL */
	bool extra_place;   /* the source's rows have their places as nkey further fields (sync/place.c) */
	const char *where;  /* borrowed from the config */
	char *endpoints[2]; /* which databases, source's and target's; NULL: the host's own */
} pythia_plan;

/* Describes both tables and pairs their columns: by column_map, exact name, name in other case, or other
 * convention (album_id and AlbumId).  A missing target is no error here (target_missing) where
 * config->create_target; unknown names, a table without a key and the like are class USAGE with a hint. */
bool pythia_plan_make(const pythia_sync_job *job, pythia_plan *plan, pythia_error *error);
void pythia_plan_free(pythia_plan *plan);

/* The unique index with the fewest columns, all of them NOT NULL, which tells rows apart as a primary key does; borrowed, NULL
 * where there is none. */
const pythia_index *pythia_plan_key_index(const pythia_table *table);

/* How the pair's columns are read and written; what they were declared as is in source and target. */
const pythia_column *pythia_pair_source(const pythia_plan *plan, int pair);
const pythia_column *pythia_pair_target(const pythia_plan *plan, int pair);
/* Sets pair->stored, from the pair's positions. */
void pythia_pair_look(pythia_plan *plan, pythia_pair *pair, pythia_engine source, pythia_engine target);
bool pythia_pair_is_key(const pythia_plan *plan, int pair);
/* The pair that fills a column of the target, or -1. */
int pythia_pair_of_target(const pythia_plan *plan, int column);

/* place.c: does the key's text not tell a row's place in the order of the source, an engine? */
bool pythia_place_is_extra(const pythia_plan *plan, pythia_engine source);

/* True where two names are one but for case and underscores. */
bool pythia_same_convention(const char *a, const char *b);
int pythia_compare_convention(const char *a, const char *b); /* 0 where they are the same, as strcmp */

/* Is there a unique index over key columns only? `source`: of the source's table, else of the target's. */
bool pythia_plan_key_constrained(const pythia_plan *plan, bool source);

#endif
