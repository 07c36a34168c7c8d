/* Sync workers as the catalogue has them. */
#ifndef PYTHIA_POSTGRES_SYNC_WORKER_H
#define PYTHIA_POSTGRES_SYNC_WORKER_H

#include "postgres.h"

#include "core/node.h"
#include "datatype/timestamp.h"
#include "live/options.h"
#include "nodes/pg_list.h"

typedef struct pythia_sync_spec
{
	int32 worker_id; /* 0: sync_between and the like, nothing is remembered */
	Oid owner;
	char *name; /* of the worker, or NULL */
	char *source;
	char *target;
	Oid source_owner; /* whose the connection was when it was named */
	Oid target_owner;
	char *default_schema; /* that a name of this database without one means; NULL: by the session's search_path */
	pythia_node *config;  /* of a live one: of the copies that it begins with */
	bool live;            /* it has mode "live" */
	pythia_live_options live_options;
	List *tables;           /* of char *; NIL: all of the source's default schema */
	int64 schedule_ms;      /* -1: once */
	TimestampTz enabled_at; /* the start that this answers; 0: none */
} pythia_sync_spec;

/* Both ereport; the result is in the current memory context. */
extern pythia_sync_spec *pythia_sync_spec_by_name(const char *name);
extern pythia_sync_spec *pythia_sync_spec_by_id(int32 worker_id); /* NULL where it is gone or not enabled */
/* A text that is another one when the worker was changed or started again; NULL likewise.  Palloc'ed. */
extern char *pythia_sync_spec_mark(int32 worker_id);
/* Ereports where it is live: a single run would bring rows that its windows have passed already. */
extern void pythia_sync_refuse_live(const pythia_sync_spec *spec);
/* For a call without a worker; config may be NULL. */
extern pythia_sync_spec *pythia_sync_spec_between(const char *source, const char *target, pythia_node *config);

#endif
