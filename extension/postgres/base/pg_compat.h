/* Every difference between PostgreSQL versions lives here. Supported: 14 and later. */
#ifndef PYTHIA_POSTGRES_BASE_PG_COMPAT_H
#define PYTHIA_POSTGRES_BASE_PG_COMPAT_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/guc.h"
#include "utils/wait_event.h"

#if PG_VERSION_NUM < 140000
#error "pythia_db needs PostgreSQL 14 or later"
#endif

/* Everything else is hidden; before 16 the server leaves this empty. */
#if PG_VERSION_NUM < 160000 && defined(__GNUC__) && !defined(WIN32)
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
#endif

/* A function that SQL calls: declared so that it can be seen, then registered. */
#define PYTHIA_FUNCTION(name)                                                                                          \
	extern PGDLLEXPORT Datum name(PG_FUNCTION_ARGS);                                                                   \
	PG_FUNCTION_INFO_V1(name)

/* 18 puts it before a declaration */
#ifndef pg_noreturn
#define pg_noreturn pg_attribute_noreturn()
#endif

/* 19 copies nodes by a word of C23, which its compiler may have known; in C11 it has another spelling. */
#if PG_VERSION_NUM >= 190000 && __STDC_VERSION__ < 202311L && !defined(typeof_unqual)
#define typeof_unqual __typeof_unqual__
#endif

/* Lets `request` ask for shared memory when that may be asked for; from the library's start. 15 has a hook for it. */
extern void pythia_shmem_request(void (*request)(void));

/* 15 reserves a prefix, 14 only warns of unknown names */
#if PG_VERSION_NUM < 150000
#define MarkGUCPrefixReserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

/* One of the processes that pgstat_fetch_stat_numbackends counts, from 1 on; 16 renamed it. */
#if PG_VERSION_NUM >= 160000
#define pythia_local_backend(i) pgstat_get_local_beentry_by_index(i)
#else
#define pythia_local_backend(i) pgstat_fetch_stat_local_beentry(i)
#endif

/* The header of locales, of which nothing else is used, asks for the headers of ICU from 17 on. */
extern PGDLLIMPORT char *locale_monetary;
extern PGDLLIMPORT char *locale_numeric;
extern PGDLLIMPORT char *locale_time;

/* 16 moved ACL checks of all kinds of objects into one function */
#if PG_VERSION_NUM >= 160000
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "utils/acl.h"
#define pythia_server_usage(server, role)     object_aclcheck(ForeignServerRelationId, server, role, ACL_USAGE)
#define pythia_server_owned(server, role)     object_ownercheck(ForeignServerRelationId, server, role)
#define pythia_database_owned(database, role) object_ownercheck(DatabaseRelationId, database, role)
#define pythia_function_usage(function, role) object_aclcheck(ProcedureRelationId, function, role, ACL_EXECUTE)
#define pythia_namespace_usage(schema, role)  object_aclcheck(NamespaceRelationId, schema, role, ACL_USAGE)
#define pythia_relation_owned(relation, role) object_ownercheck(RelationRelationId, relation, role)
#define pythia_extension_owned(id, role)      object_ownercheck(ExtensionRelationId, id, role)
#else
#define pythia_relation_owned(relation, role) pg_class_ownercheck(relation, role)
#define pythia_extension_owned(id, role)      pg_extension_ownercheck(id, role)
#define pythia_function_usage(function, role) pg_proc_aclcheck(function, role, ACL_EXECUTE)
#define pythia_namespace_usage(schema, role)  pg_namespace_aclcheck(schema, role, ACL_USAGE)
#define pythia_server_usage(server, role)     pg_foreign_server_aclcheck(server, role, ACL_USAGE)
#define pythia_server_owned(server, role)     pg_foreign_server_ownercheck(server, role)
#define pythia_database_owned(database, role) pg_database_ownercheck(database, role)
#endif

/* 16 renamed the list of backends */
#if PG_VERSION_NUM >= 160000
#define pythia_local_backend(i) pgstat_get_local_beentry_by_index(i)
#else
#define pythia_local_backend(i) pgstat_fetch_stat_local_beentry(i)
#endif

/* 17 moved the virtual transaction id */
#if PG_VERSION_NUM >= 170000
#define pythia_proc_in_transaction(proc) LocalTransactionIdIsValid((proc)->vxid.lxid)
#else
#define pythia_proc_in_transaction(proc) LocalTransactionIdIsValid((proc)->lxid)
#endif

/* 15 took the timeline out of a variable; not on a standby */
#include "access/xlog.h"
#if PG_VERSION_NUM >= 150000
#define pythia_timeline() GetWALInsertionTimeLine()
#else
#define pythia_timeline() ThisTimeLineID
#endif

/* 16 added an argument for BRIN's summaries, 19 made flags of them all */
#if PG_VERSION_NUM >= 160000
#if PG_VERSION_NUM >= 190000
#define pythia_insert_index_tuples(info, slot, estate) ExecInsertIndexTuples(info, estate, 0, slot, NIL, NULL)
#else
#define pythia_insert_index_tuples(info, slot, estate)                                                                 \
	ExecInsertIndexTuples(info, slot, estate, false, false, NULL, NIL, false)
#endif
#define pythia_table_update(relation, tid, slot, snapshot, indexes)                                                    \
	simple_table_tuple_update(relation, tid, slot, snapshot, indexes)
#define PYTHIA_UPDATE_INDEXES        TU_UpdateIndexes
#define pythia_indexes_wanted(value) ((value) != TU_None)
#else
#define pythia_insert_index_tuples(info, slot, estate)                                                                 \
	ExecInsertIndexTuples(info, slot, estate, false, false, NULL, NIL)
#define pythia_table_update(relation, tid, slot, snapshot, indexes)                                                    \
	simple_table_tuple_update(relation, tid, slot, snapshot, indexes)
#define PYTHIA_UPDATE_INDEXES        bool
#define pythia_indexes_wanted(value) (value)
#endif

/* 16 moved the headers of values of varying length out of postgres.h */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 17 tells event triggers of what is indexed anew */
#if PG_VERSION_NUM >= 170000
#define pythia_reindex(relation, flags, params) reindex_relation(NULL, relation, flags, params)
#else
#define pythia_reindex(relation, flags, params) reindex_relation(relation, flags, params)
#endif

/* 17 lets an extension name its wait events */
#if PG_VERSION_NUM >= 170000
#define pythia_wait_event(name) WaitEventExtensionNew(name)
#else
#define pythia_wait_event(name) PG_WAIT_EXTENSION
#endif

/* 15 got a generator of its own: a number of 64 bits, and one from 0 to below 1 */
#if PG_VERSION_NUM >= 150000
#include "common/pg_prng.h"
#define pythia_random_number() pg_prng_uint64(&pg_global_prng_state)
#define pythia_random_share()  pg_prng_double(&pg_global_prng_state)
#else
#define pythia_random_number() ((uint64) random() << 33 ^ (uint64) random() << 11 ^ (uint64) random())
#define pythia_random_share()  (random() / ((double) MAX_RANDOM_VALUE + 1))
#endif

/* 16 has nodes that make JSON, and IS JSON, 17 those that read it: the former look up casts to json */
#if PG_VERSION_NUM >= 170000
#define pythia_is_json_test(node) IsA(node, JsonIsPredicate)
#define pythia_is_json_call(node) (IsA(node, JsonConstructorExpr) || IsA(node, JsonExpr))
#elif PG_VERSION_NUM >= 160000
#define pythia_is_json_test(node) IsA(node, JsonIsPredicate)
#define pythia_is_json_call(node) IsA(node, JsonConstructorExpr)
#else
#define pythia_is_json_test(node) false
#define pythia_is_json_call(node) false
#endif

/* 18 has columns that are worked out when they are read */
#include "catalog/pg_attribute.h"
#ifndef ATTRIBUTE_GENERATED_VIRTUAL
#define ATTRIBUTE_GENERATED_VIRTUAL 'v'
#endif
#if PG_VERSION_NUM >= 180000
#include "rewrite/rewriteHandler.h"
/* An expression over a relation that is its first table, with what they are made of in their place. */
#define pythia_with_virtual_columns(node, relation) expand_generated_columns_in_expr(node, relation, 1)
#else
#define pythia_with_virtual_columns(node, relation) (node)
#endif

/* 16 takes soft errors */
#if PG_VERSION_NUM >= 160000
#define pythia_name_list(name) stringToQualifiedNameList(name, NULL)
#else
#define pythia_name_list(name) stringToQualifiedNameList(name)
#endif

/* 18 counts a scan's searches, 19 takes flags */
#if PG_VERSION_NUM >= 190000
#define pythia_index_beginscan(relation, index, snapshot, keys)                                                        \
	index_beginscan(relation, index, snapshot, NULL, keys, 0, SO_NONE)
#define pythia_table_beginscan(relation, snapshot) table_beginscan(relation, snapshot, 0, NULL, SO_NONE)
#else
#if PG_VERSION_NUM >= 180000
#define pythia_index_beginscan(relation, index, snapshot, keys)                                                        \
	index_beginscan(relation, index, snapshot, NULL, keys, 0)
#else
#define pythia_index_beginscan(relation, index, snapshot, keys) index_beginscan(relation, index, snapshot, keys, 0)
#endif
#define pythia_table_beginscan(relation, snapshot) table_beginscan(relation, snapshot, 0, NULL)
#endif

/* 19 keeps the result beside what is being built */
#include "utils/jsonb.h"
#if PG_VERSION_NUM >= 190000
typedef JsonbInState pythia_json_state;
#define pythia_json_push(state, token, value) pushJsonbValue(state, token, value)
#else
typedef struct pythia_json_state
{
	JsonbValue *result;
	JsonbParseState *parse;
} pythia_json_state;
#define pythia_json_push(state, token, value) ((state)->result = pushJsonbValue(&(state)->parse, token, value))
#endif

/* 19 wants it said when all columns are there */
#if PG_VERSION_NUM < 190000
#define TupleDescFinalize(desc) ((void) (desc))
#endif

/* 19 moved get_database_name */
#if PG_VERSION_NUM >= 190000
#include "utils/lsyscache.h"
#endif

/* What a signal's handler hands on to the server's own; 19 tells who sent it. */
#if PG_VERSION_NUM >= 190000
#define PYTHIA_SIGNAL_ARGS postgres_signal_arg, pg_siginfo
#else
#define PYTHIA_SIGNAL_ARGS postgres_signal_arg
#endif

/* 17 lets a worker run as a role that may not log in */
#include "postmaster/bgworker.h"
#ifndef BGWORKER_BYPASS_ROLELOGINCHECK
#define BGWORKER_BYPASS_ROLELOGINCHECK 0
#endif

/* 16 took the permissions out of range table entries */
#include "executor/executor.h"
#include "parser/parse_node.h"
static inline void pythia_check_insert(ParseState *state, ParseNamespaceItem *item, Bitmapset *columns)
{
#if PG_VERSION_NUM >= 160000
	item->p_perminfo->requiredPerms = ACL_INSERT;
	item->p_perminfo->insertedCols = columns;
	ExecCheckPermissions(state->p_rtable, list_make1(item->p_perminfo), true);
#else
	item->p_rte->requiredPerms = ACL_INSERT;
	item->p_rte->insertedCols = columns;
	ExecCheckRTPerms(state->p_rtable, true);
#endif
}

/* Whoever runs the query: `role` is asked for its rights. */
static inline void pythia_check_as(Query *query, Oid role)
{
	ListCell *cell;

#if PG_VERSION_NUM >= 160000
	foreach (cell, query->rteperminfos)
	{
		RTEPermissionInfo *entry = lfirst_node(RTEPermissionInfo, cell);
#else
	foreach (cell, query->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);
#endif
		if (!OidIsValid(entry->checkAsUser))
			entry->checkAsUser = role;
	}
}

#endif
