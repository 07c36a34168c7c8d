#include "postgres/base/pg_compat.h"

#include "miscadmin.h"
#include "storage/ipc.h"

#if PG_VERSION_NUM >= 150000
static shmem_request_hook_type previous_hook = NULL;
static void (*wanted)(void) = NULL;

static void call_request(void)
{
	if (previous_hook)
		previous_hook();
	wanted();
}
#endif

void pythia_shmem_request(void (*request)(void))
{
#if PG_VERSION_NUM >= 150000
	wanted = request;
	previous_hook = shmem_request_hook;
	shmem_request_hook = call_request;
#else
	request();
#endif
}
