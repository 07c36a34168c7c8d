#include "postgres.h"

#include "postgres/local/plans.h"

#include "common/hashfn.h"
#include "executor/spi.h"
#include "postgres/local/stand_in.h"
#include "utils/memutils.h"

/* Plans kept, and texts remembered of which one may come again. */
#define PLANS   24
#define HEARD   64
#define LONGEST 8192

typedef struct kept_plan
{
	char *sql; /* NULL: free */
	uint64 hash;
	SPIPlanPtr plan;
	uint64 used; /* when last: the clock below */
	int running; /* it is not freed meanwhile */
} kept_plan;

static kept_plan plans[PLANS];
static uint64 heard[HEARD];
static int next_heard = 0;
static uint64 uses = 0;

static bool heard_before(uint64 hash)
{
	for (int i = 0; i < HEARD; i++)
	{
		if (heard[i] == hash)
			return true;
	}
	heard[next_heard] = hash;
	next_heard = (next_heard + 1) % HEARD;
	return false;
}

static kept_plan *find(const char *sql, uint64 hash)
{
	for (int i = 0; i < PLANS; i++)
	{
		if (plans[i].sql && plans[i].hash == hash && strcmp(plans[i].sql, sql) == 0)
			return &plans[i];
	}
	return NULL;
}

/* A place for one more: a free one, or that of the plan that was not used for longest. */
static kept_plan *place(void)
{
	kept_plan *oldest = NULL;

	for (int i = 0; i < PLANS; i++)
	{
		if (!plans[i].sql)
			return &plans[i];
		if (plans[i].running == 0 && (!oldest || plans[i].used < oldest->used))
			oldest = &plans[i];
	}
	return oldest;
}

static void keep(const char *sql, uint64 hash, SPIPlanPtr plan)
{
	char *copy = MemoryContextStrdup(TopMemoryContext, sql);
	kept_plan *entry = place();

	if (!entry || SPI_keepplan(plan) != 0)
	{
		pfree(copy);
		return;
	}
	if (entry->sql)
	{
		SPI_freeplan(entry->plan);
		pfree(entry->sql);
	}
	*entry = (kept_plan){.sql = copy, .hash = hash, .plan = plan};
}

static int run_kept(kept_plan *entry, bool read_only)
{
	volatile int code = 0;

	entry->used = ++uses;
	entry->running++;
	PG_TRY();
	{
		code = SPI_execute_plan(entry->plan, NULL, NULL, read_only, 0);
	}
	PG_FINALLY();
	{
		entry->running--;
	}
	PG_END_TRY();
	return code;
}

/* `hash`: of a text that may come again; 0 of others. */
static int run(const char *sql, uint64 hash, bool read_only, Oid *writer)
{
	local_concerned concerned;
	Oid role;
	SPIPlanPtr plan = local_stand_in_prepare(sql, 0, &concerned, &role);
	int code;

	/* tables are looked at each time */
	if (hash != 0 && concerned.read == NIL && concerned.written == NIL && heard_before(hash))
		keep(sql, hash, plan);
	code = local_stand_in_execute(plan, &concerned, role, read_only);
	*writer = concerned.written != NIL ? role : InvalidOid;
	return code;
}

int pythia_local_execute(const char *sql, bool read_only, Oid *writer)
{
	return run(sql, 0, read_only, writer);
}

int pythia_local_query(const char *sql, bool read_only, Oid *writer)
{
	size_t length = strlen(sql);
	uint64 hash = length > LONGEST ? 0 : hash_bytes_extended((const unsigned char *) sql, (int) length, 0);
	kept_plan *entry = hash != 0 ? find(sql, hash) : NULL;

	*writer = InvalidOid;
	return entry ? run_kept(entry, read_only) : run(sql, hash, read_only, writer);
}
