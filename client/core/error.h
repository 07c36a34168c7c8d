/*
 * Errors are values: a function that can fail takes a pythia_error and
 * returns false after filling it.  Only a host turns one into ereport,
 * sqlite3_result_error or an exit code.
 */
#ifndef PYTHIA_ERROR_H
#define PYTHIA_ERROR_H

#include <stdbool.h>

typedef enum pythia_error_class
{
	PYTHIA_E_NONE,
	PYTHIA_E_USAGE,     /* the caller's words: option, name, URL */
	PYTHIA_E_CONNECT,   /* cannot reach or enter a database */
	PYTHIA_E_LOST,      /* a connection broke midway; may be retried */
	PYTHIA_E_TRANSIENT, /* deadlock, lock timeout, serialization: retry */
	PYTHIA_E_DATABASE,  /* a statement failed */
	PYTHIA_E_DATA,      /* a value the other side cannot hold */
	PYTHIA_E_CANCELLED, /* the host asked to stop */
	PYTHIA_E_INTERNAL
} pythia_error_class;

typedef struct pythia_error
{
	pythia_error_class error_class;
	char sqlstate[6]; /* always five characters when set */
	char *message;    /* lower-case, no full stop */
	char *detail;     /* a sentence, or NULL */
	char *hint;       /* a sentence that says what to do, or NULL */
	char *context;    /* where: statement, table, remote context, a line each, the innermost first; or NULL */
} pythia_error;

#define PYTHIA_ERROR_INIT                                                                                              \
	{                                                                                                                  \
		PYTHIA_E_NONE, "", NULL, NULL, NULL, NULL                                                                      \
	}

/* All texts are made visible here (core/visible.h), whoever gave them: what is in an error may be shown to anybody. */

/* Sets class, SQLSTATE and message, dropping what was there.  Returns false, so
 * that a function can end with `return pythia_fail(...)`. */
bool pythia_fail(pythia_error *error, pythia_error_class error_class, const char *sqlstate, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* These return false too, for the same reason. */
bool pythia_error_detail(pythia_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool pythia_error_hint(pythia_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Adds a line after what is there: who calls knows of a wider place. */
bool pythia_error_context(pythia_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Moves `from` into `to`; `from` is empty afterwards.  Returns false. */
bool pythia_error_move(pythia_error *to, pythia_error *from);
/* Frees the texts and clears the error; safe on a cleared one. */
void pythia_error_reset(pythia_error *error);

#endif
