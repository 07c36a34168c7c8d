/* What the function of the triggers knows of the relations that it fires on. */
#ifndef PYTHIA_POSTGRES_CAPTURE_TRIGGER_TARGET_H
#define PYTHIA_POSTGRES_CAPTURE_TRIGGER_TARGET_H

#include "postgres.h"

#include "access/transam.h"
#include "postgres/capture/catalog.h"
#include "postgres/capture/condition.h"
#include "postgres/capture/image.h"
#include "utils/rel.h"

/* What the trigger knows of one relation it fires on (a table or a partition of it). */
typedef struct pythia_trigger_key
{
	Oid relation;
	int32 table_id;
} pythia_trigger_key;

/* When a TRUNCATE of the table was delivered: while nothing more is delivered in that subtransaction, no row is left. */
typedef struct pythia_emptied
{
	FullTransactionId transaction;
	SubTransactionId subtransaction;
	uint64 rows_delivered;
} pythia_emptied;

typedef struct pythia_trigger_target
{
	pythia_trigger_key key;
	bool valid;
	MemoryContext memory;
	pythia_cdc_worker *worker;
	pythia_cdc_table *table;
	pythia_image *key_image;
	pythia_image *row_image;
	Oid sequence; /* of the journal's numbers */
	int *key_attributes;
	int stamp;             /* attribute, or -1 */
	pythia_filter *filter; /* NULL: all rows */
	char *row_trigger;     /* the names of ours */
	char *truncate_trigger;
	pythia_emptied emptied; /* of the table itself */
} pythia_trigger_target;

/* Of this session, looked up anew where what it knows may hold no more; its `table` is NULL where nothing is captured. */
extern pythia_trigger_target *pythia_trigger_target_of(Relation relation, int32 table_id);
/* The same where it is known already, or NULL. */
extern const pythia_trigger_target *pythia_trigger_known(Oid relation, int32 table_id);
/* What was noted, whatever its name is by now; or what has the name, if it is its owner's still. */
extern bool pythia_trigger_is_the_table(Oid relid, const pythia_cdc_table *table);

#endif
