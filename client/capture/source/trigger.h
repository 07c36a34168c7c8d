/* Between the parts of trigger capture: SQL that is built up and run. */
#ifndef PYTHIA_CAPTURE_SOURCE_TRIGGER_H
#define PYTHIA_CAPTURE_SOURCE_TRIGGER_H

#include "capture/internal.h"

typedef struct pythia_logger
{
	const pythia_capture_table *table;
	const pythia_dialect *dialect;
	const char *log;
	int *place;   /* of each of the table's columns in the log */
	bool strayed; /* the triggers are not on the table */
	pythia_buffer sql;
} pythia_logger;

/* ---- trigger_sql.c: pieces that are appended to the writer's text ---- */

/* The log's name and a suffix; of the table's schema where qualified. */
void pythia_logger_put_name(pythia_logger *w, const char *suffix, bool qualified);
void pythia_logger_put_table(pythia_logger *w);
const char *pythia_logger_column_name(const pythia_logger *w, int i);
/* , o0, o1, … */
void pythia_logger_put_places(pythia_logger *w, char letter);
/* The values for them: , OLD.a, OLD.b, … */
void pythia_logger_put_values(pythia_logger *w, const char *row);
void pythia_logger_put_now(pythia_logger *w);
/* Whether a condition may name the column.  Within quotes a name may be written otherwise than it is. */
bool pythia_logger_may_name(const char *condition, const char *name);
/* A derived table of one row, that of a side (NEW or OLD): names in the condition mean that row's columns. */
void pythia_logger_put_row(pythia_logger *w, const char *side, const char *condition);
/* MySQL: the type in which the log holds a column. */
void pythia_logger_put_type(pythia_buffer *out, const pythia_column *column);
/* What the rows of a new log are numbered from. */
int64_t pythia_logger_first_number(const pythia_logger *w);
/* Runs the text and clears it. */
bool pythia_logger_flush(pythia_logger *w, pythia_error *error);
/* Makes the triggers of INSERT, UPDATE and DELETE anew; MySQL, SQLite. */
bool pythia_logger_put_triggers(pythia_logger *w, pythia_error *error);
/* Wherever they are. */
bool pythia_logger_drop_triggers(pythia_logger *w, pythia_error *error);

/* pythia_log.columns of the writer's places, each with the number from which it holds its column. */
char *pythia_logger_spell(const pythia_logger *w, const int64_t *first);
/* Letters of a digest of the type in which the log holds a column: a changed one wants a changed log. */
#define PYTHIA_TYPE_LETTERS 6
void pythia_logger_digest_type(const pythia_logger *w, int i, char type[33]);

/* ---- trigger_postgres.c ---- */

bool pythia_logger_install_postgres(pythia_logger *w, pythia_error *error);
/* Function and triggers, for a log that is there. */
bool pythia_logger_put_triggers_postgres(pythia_logger *w, pythia_error *error);
/* Triggers of TRUNCATE on partitions that lack one, as those that came later do. */
bool pythia_logger_complete_postgres(pythia_logger *w, pythia_error *error);

/* ---- trigger_condition.c ---- */

/* Fails where the user's condition could make writers fail: before anything is made, in the transaction that makes it. */
bool pythia_logger_check_condition(pythia_logger *w, pythia_error *error);

/* ---- trigger_replaced.c ---- */

/* SQLite's triggers that note what stands in the way of a new row. */
bool pythia_logger_put_befores(pythia_logger *w, pythia_error *error);
/* Whether they are as they would be made now: a unique index may have come, or gone. */
bool pythia_logger_befores_fit(pythia_logger *w, bool *fit, pythia_error *error);

/* ---- trigger.c ---- */

/* Fails for tables of which triggers would not see all changes. */
bool pythia_logger_refuse(pythia_logger *w, pythia_error *error);
/* Who waits for the table's lock holds up all writers behind: not for long. */
bool pythia_logger_limit_waiting(pythia_logger *w, pythia_error *error);
/* Nobody writes while triggers change: each change is logged by all of the old ones or all of the new ones. */
bool pythia_logger_lock_mysql(pythia_logger *w, pythia_error *error);
void pythia_logger_unlock_mysql(pythia_logger *w);
/* DDL of SQLite in one transaction; in a caller's it is part of that. */
bool pythia_logger_begin(pythia_db *source, pythia_error *error);
bool pythia_logger_end(pythia_db *source, bool ok, pythia_error *error);

#endif
