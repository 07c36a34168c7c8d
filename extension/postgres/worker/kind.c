#include "postgres/worker/worker.h"

pythia_job_kind pythia_job_kind_from_text(const char *text)
{
	if (strcmp(text, "cdc") == 0)
		return PYTHIA_JOB_CDC;
	if (strcmp(text, "sync") == 0)
		return PYTHIA_JOB_SYNC;
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown kind of worker \"%s\"", text),
					errhint("Kinds are cdc and sync.")));
	return PYTHIA_JOB_CDC;
}
