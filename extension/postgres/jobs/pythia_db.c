/* The library's life in a server process: settings, hooks, version. */
#include "postgres/base/settings.h"

#include <limits.h>

#include "core/memory.h"
#include "core/reach.h"
#include "miscadmin.h"
#include "postgres/base/inlining.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/secret_hooks.h"
#include "postgres/jobs/drop_hook.h"
#include "postgres/worker/process.h"
#include "postgres/worker/shared.h"
#include "utils/builtins.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

/* Small allocations outside palloc failed: unwinding would need more of them. */
static void out_of_memory(void)
{
	ereport(FATAL, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
}

void _PG_init(void)
{
	pythia_set_oom_handler(out_of_memory);
	pythia_settings_define();
	pythia_secret_hooks_install();
	pythia_inlining_hook_install();
	if (process_shared_preload_libraries_in_progress)
	{
		pythia_shared_init();
		if (!IsBinaryUpgrade)
			pythia_launcher_register();
		pythia_drop_hook_install();
	}
}

PYTHIA_FUNCTION(pythia_version);

Datum pythia_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(PYTHIA_VERSION));
}
