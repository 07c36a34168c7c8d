#include "postgres/base/trusted_calls.h"

#include "access/transam.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "postgres/base/object_owner.h"
#include "utils/acl.h"
#include "utils/regproc.h"

static object_access_hook_type hook_before = NULL;
static Oid trusted_role;

static void look_at_call(ObjectAccessType access, Oid class, Oid object, int part, void *detail)
{
	Oid owner;

	if (hook_before)
		hook_before(access, class, object, part, detail);
	if (access != OAT_FUNCTION_EXECUTE || class != ProcedureRelationId || object < FirstNormalObjectId)
		return;
	owner = pythia_function_owner(object);
	if (OidIsValid(trusted_role) && has_privs_of_role(owner, trusted_role))
		return;
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("function %s would run with the rights of role \"%s\"", format_procedure(object),
						   GetUserNameFromId(GetUserId(), false)),
					errdetail("A constant that is written here is of a type that calls it."),
					errhint("Leave that column out of \"where\", or cast it to text there.")));
}

void pythia_with_trusted_calls(void (*act)(void *argument), void *argument, Oid role)
{
	object_access_hook_type outer_hook = hook_before;
	object_access_hook_type found = object_access_hook;
	Oid outer_role = trusted_role;

	/* within another one the hook is ours already */
	if (found != look_at_call)
		hook_before = found;
	trusted_role = role;
	object_access_hook = look_at_call;
	PG_TRY();
	{
		act(argument);
	}
	PG_FINALLY();
	{
		object_access_hook = found;
		hook_before = outer_hook;
		trusted_role = outer_role;
	}
	PG_END_TRY();
}
