/* Values of types whose structure is not known beforehand, as jsonb. */
#ifndef PYTHIA_POSTGRES_CAPTURE_NESTED_H
#define PYTHIA_POSTGRES_CAPTURE_NESTED_H

#include "postgres.h"

#include "utils/jsonb.h"

/* Whether to_jsonb makes of a type what is wanted without calling anything of a user's. */
extern bool pythia_nested_is_builtin(Oid type);
/* Whether a value of the type (no domain) is an object or an array; others are their own text. */
extern bool pythia_nested_has_parts(Oid type);

/*
 * The value as to_jsonb gives it, but with the output function's text for a type
 * that does not come with PostgreSQL: to_jsonb would look for its owner's cast to
 * json, and call it with the rights of whoever captures.
 */
extern Jsonb *pythia_nested_jsonb(Datum value, Oid type);

/* json and arrays of it: their values may hold what jsonb cannot. */
extern bool pythia_nested_is_json(Oid type);

/*
 * An object of JSON that the engine wrote, of a row of another database.  A member that jsonb does not take (the
 * character 0 in a text, half a surrogate pair, a number beyond numeric) becomes a string that holds its JSON text;
 * *odd is the name of the first one, or NULL.
 */
extern Jsonb *pythia_nested_image(Datum json, char **odd);

#endif
