/* What the expressions and types in a table call, whoever evaluates them. */
#ifndef PYTHIA_POSTGRES_BASE_EXPRESSION_H
#define PYTHIA_POSTGRES_BASE_EXPRESSION_H

#include "postgres.h"

#include "nodes/nodes.h"

/* Whether reading values of the type calls a user's function: they are compared, and how many there are is estimated. */
extern bool pythia_type_is_measured(Oid type);
/* Whether making a value of the type does. */
extern bool pythia_type_calls(Oid type);
/* Whether it is one of the nodes that every expression is made of, and that call nothing but what stands below them. */
extern bool pythia_node_calls_nothing(const Node *node);
/*
 * Whether the node calls an operator that does not come with PostgreSQL: the planner puts its negator or commutator in its
 * place, whose function is another one.
 */
extern bool pythia_operator_is_users(const Node *node);
/*
 * Whether evaluating an expression that `owner` has put into a table may call what a user has written.  Only nodes that
 * are known to call no more than the functions that they name pass: others look up casts, or open tables.
 */
extern bool pythia_expression_calls(Node *tree, Oid owner);

#endif
