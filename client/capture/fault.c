#include "capture/fault.h"

#include <stddef.h>
#include <string.h>

/* By SQLSTATE or its beginning; the first that fits holds, so what is special comes before its class. */
static const struct
{
	const char *state;
	pythia_fault fault;
} rules[] = {
	{"57014", PYTHIA_FAULT_CANCEL},

	{"08", PYTHIA_FAULT_SOURCE},    /* connection */
	{"25", PYTHIA_FAULT_SOURCE},    /* transactions: a server that is read only for now */
	{"40", PYTHIA_FAULT_SOURCE},    /* serialization, deadlock */
	{"53", PYTHIA_FAULT_SOURCE},    /* disk, memory, connections, limits */
	{"55006", PYTHIA_FAULT_SOURCE}, /* in use */
	{"55P03", PYTHIA_FAULT_SOURCE}, /* a lock not to be had */
	{"57P0", PYTHIA_FAULT_SOURCE},  /* shutdown, crash, not up yet */
	{"HV", PYTHIA_FAULT_SOURCE},    /* a foreign data wrapper's */

	{"0A", PYTHIA_FAULT_TABLE}, /* not supported */
	{"21", PYTHIA_FAULT_TABLE}, /* cardinality: of a view's query */
	{"22", PYTHIA_FAULT_TABLE}, /* data */
	{"23", PYTHIA_FAULT_TABLE}, /* constraints: a key that is NULL */
	{"2F", PYTHIA_FAULT_TABLE}, /* functions that a view calls, and these three */
	{"38", PYTHIA_FAULT_TABLE},     {"39", PYTHIA_FAULT_TABLE},
	{"P0", PYTHIA_FAULT_TABLE},     {"42", PYTHIA_FAULT_TABLE}, /* names, types, rights */
	{"3F", PYTHIA_FAULT_TABLE},                                 /* its schema is gone */
	{"44", PYTHIA_FAULT_TABLE},     {"54", PYTHIA_FAULT_TABLE}, /* too big */
	{"XX001", PYTHIA_FAULT_TABLE},                              /* corrupted data, and index */
	{"XX002", PYTHIA_FAULT_TABLE},
};

/* *found is false for a SQLSTATE of which no rule speaks. */
static pythia_fault rule_for(const char *sqlstate, bool *found)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
	{
		*found = strncmp(sqlstate, rules[i].state, strlen(rules[i].state)) == 0;
		if (*found)
			return rules[i].fault;
	}
	return PYTHIA_FAULT_OURS;
}

pythia_fault pythia_fault_of_state(const char *sqlstate)
{
	bool found;

	return rule_for(sqlstate, &found);
}

pythia_fault pythia_fault_of(const pythia_error *error)
{
	bool found;
	pythia_fault fault = rule_for(error->sqlstate, &found);

	switch (error->error_class)
	{
		case PYTHIA_E_CANCELLED:
			return PYTHIA_FAULT_CANCEL;
		case PYTHIA_E_CONNECT:
		case PYTHIA_E_LOST:
		case PYTHIA_E_TRANSIENT:
			return PYTHIA_FAULT_SOURCE;
		case PYTHIA_E_USAGE:
			return PYTHIA_FAULT_TABLE;
		case PYTHIA_E_DATABASE:
		case PYTHIA_E_DATA:
			/* engines say HY000 of much that a statement brings; I/O is nobody's table */
			if (!found && strncmp(error->sqlstate, "58", 2) != 0)
				return PYTHIA_FAULT_TABLE;
			/* ended over there, as too slow: nobody here wished it */
			return fault == PYTHIA_FAULT_CANCEL ? PYTHIA_FAULT_TABLE : fault;
		default:
			return PYTHIA_FAULT_OURS;
	}
}

pythia_fault pythia_fault_among_tables(const pythia_error *error, bool broken)
{
	pythia_fault fault = pythia_fault_of(error);

	return broken && fault != PYTHIA_FAULT_CANCEL ? PYTHIA_FAULT_OURS : fault;
}
