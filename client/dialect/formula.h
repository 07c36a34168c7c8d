/*
 * Expressions over columns: conditions of checks and indexes, generated columns, what a view selects.
 *
 * A catalogue's text is read into a tree by a grammar of what it may hold: columns, literals, operators and functions of a
 * list, none of which does more than compute.  The tree is written anew, for the same engine or for another one, where the
 * meaning is the same there; what is not known, or means another thing, is refused with a reason.
 */
#ifndef PYTHIA_FORMULA_H
#define PYTHIA_FORMULA_H

#include "dialect/dialect.h"
#include "dialect/token_cursor.h"

typedef enum pythia_formula_kind
{
	PYTHIA_FORMULA_COLUMN, /* text, qualifier */
	PYTHIA_FORMULA_TEXT,   /* text: the value */
	PYTHIA_FORMULA_NUMBER, /* text: sign, digits, point, exponent */
	PYTHIA_FORMULA_NULL,
	PYTHIA_FORMULA_BOOL,  /* text: "true" or "false" */
	PYTHIA_FORMULA_WORD,  /* text: current_date and the like */
	PYTHIA_FORMULA_MINUS, /* -x */
	PYTHIA_FORMULA_NOT,
	PYTHIA_FORMULA_BINARY, /* text: the operator, one of our list */
	PYTHIA_FORMULA_IS,     /* text: "NULL", "TRUE", "FALSE" */
	PYTHIA_FORMULA_IN,     /* the first child in the others */
	PYTHIA_FORMULA_BETWEEN,
	PYTHIA_FORMULA_CALL, /* text: the function, one of our list; parts: arguments */
	PYTHIA_FORMULA_STAR, /* count(*) */
	PYTHIA_FORMULA_CAST, /* text: the type */
	PYTHIA_FORMULA_CASE, /* [subject] (when, then)… [else]: see `subject` and `otherwise` */
	PYTHIA_FORMULA_ARRAY
} pythia_formula_kind;

typedef struct pythia_formula
{
	pythia_formula_kind kind;
	char *text;
	char *qualifier; /* of a column: the table's name or alias, or NULL */
	bool negated;    /* IS NOT, NOT IN, NOT BETWEEN; of a call: DISTINCT */
	bool string;     /* of a column: quotes that SQLite takes for a text's where there is no such column */
	bool subject;    /* of a CASE */
	bool otherwise;
	struct pythia_formula *parts; /* in order */
	struct pythia_formula *next;
} pythia_formula;

/* What kind of value an expression has, as far as it is known. */
typedef enum pythia_class
{
	PYTHIA_CLASS_UNKNOWN, /* a literal's own: it takes that of what it stands beside */
	PYTHIA_CLASS_BOOL,
	PYTHIA_CLASS_INT,
	PYTHIA_CLASS_DECIMAL,
	PYTHIA_CLASS_DOUBLE,
	PYTHIA_CLASS_TEXT,
	PYTHIA_CLASS_ENUM,
	PYTHIA_CLASS_DATE,
	PYTHIA_CLASS_STAMP,
	PYTHIA_CLASS_OTHER
} pythia_class;

pythia_class pythia_class_of(const pythia_type *type);

/* Reads an expression at the cursor, up to what does not belong to it; NULL where it holds what is not known, with *why.
 * To be freed. */
pythia_formula *pythia_formula_read(pythia_tokens *cursor, const char **why);
void pythia_formula_free(pythia_formula *formula); /* NULL-safe */

/* Where a formula is written to. */
typedef struct pythia_formula_target
{
	const pythia_db *from;
	const pythia_db *to;
	/* Writes the column as the target has it, and tells its class there; false where there is none. */
	bool (*column)(void *context, const char *qualifier, const char *name, pythia_buffer *out, pythia_class *found);
	void *context;
	bool aggregates; /* count, sum and the like may be called: a view's select */
	const char *why; /* after a refusal: a text that need not be freed */
} pythia_formula_target;

/* Appends it as the target says it.  False where it cannot: see target->why.  `condition`: as a truth value; *found is what
 * it is, and may be NULL. */
bool pythia_formula_write(const pythia_formula *formula, pythia_formula_target *target, bool condition,
						  pythia_buffer *out, pythia_class *found);

/* The whole text is one expression: both of the above. */
bool pythia_formula_translate(const char *text, pythia_formula_target *target, bool condition, pythia_buffer *out,
							  pythia_class *found);

#endif
