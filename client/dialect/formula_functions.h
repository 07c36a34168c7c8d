/* Functions that expressions may call: none does more than compute a value. */
#ifndef PYTHIA_FORMULA_FUNCTIONS_H
#define PYTHIA_FORMULA_FUNCTIONS_H

#include "dialect/formula.h"

/* One that several engines have. */
typedef struct pythia_function
{
	const char *names[3][3]; /* of PostgreSQL, MySQL, SQLite: the first one is written, all are read */
	int least;
	int most;            /* arguments */
	pythia_class result; /* UNKNOWN: its first argument's */
	bool texts;          /* takes texts */
	bool word;           /* PostgreSQL's own word, and no function of a schema */
	bool careful;        /* means another thing in another engine */
	bool counts;         /* behind the first argument are numbers that count characters */
	bool aggregate;
} pythia_function;

/* NULL where the engine's name, with as many arguments, is none of them. */
const pythia_function *pythia_function_find(pythia_engine engine, const char *name, int arguments, bool aggregates);
const char *pythia_function_name(const pythia_function *function, pythia_engine engine); /* NULL: it has none */
/* One that the engine has for itself. */
bool pythia_function_is_own(pythia_engine engine, const char *name);

#endif
