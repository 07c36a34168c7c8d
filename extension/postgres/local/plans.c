#include "postgres.h"

#include "postgres/local/plans.h"

#include "common/hashfn.h"
#include "executor/spi.h"
#include "parser/parser.h"
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

static kept_plan *keep(const char *sql, uint64 hash)
{
	SPIPlanPtr plan = list_length(raw_parser(sql, RAW_PARSE_DEFAULT)) == 1 ? SPI_prepare(sql, 0, NULL) : NULL;
	char *copy = MemoryContextStrdup(TopMemoryContext, sql);
	kept_plan *entry = place();

	if (!plan || !entry || SPI_keepplan(plan) != 0)
	{
		pfree(copy);
		return NULL;
	}
	if (entry->sql)
	{
		SPI_freeplan(entry->plan);
		pfree(entry->sql);
	}
	*entry = (kept_plan){.sql = copy, .hash = hash, .plan = plan};
	return entry;
}

int pythia_local_execute(const char *sql, bool read_only)
{
	if (list_length(raw_parser(sql, RAW_PARSE_DEFAULT)) > 1)
		ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("several statements in one")));
	return SPI_execute(sql, read_only, 0);
}

int pythia_local_query(const char *sql, bool read_only)
{
	size_t length = strlen(sql);
	uint64 hash;
	kept_plan *entry;
	volatile int code = 0;

	if (length > LONGEST)
		return pythia_local_execute(sql, read_only);
	hash = hash_bytes_extended((const unsigned char *) sql, (int) length, 0);
	entry = find(sql, hash);
	if (!entry && heard_before(hash))
		entry = keep(sql, hash);
	if (!entry)
		return pythia_local_execute(sql, read_only);
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
