#include "dialect/formula_functions.h"

#include <string.h>

#define ANY 64 /* arguments */

/* clang-format off */
static const pythia_function common[] = {
	{{{"abs"}, {"abs"}, {"abs"}}, 1, 1, PYTHIA_CLASS_UNKNOWN, .texts = false},
	{{{"lower"}, {"lower", "lcase"}, {"lower"}}, 1, 1, PYTHIA_CLASS_TEXT, .texts = true},
	{{{"upper"}, {"upper", "ucase"}, {"upper"}}, 1, 1, PYTHIA_CLASS_TEXT, .texts = true},
	{{{"btrim", "trim"}, {"trim"}, {"trim"}}, 1, 1, PYTHIA_CLASS_TEXT, .texts = true},
	{{{"ltrim"}, {"ltrim"}, {"ltrim"}}, 1, 1, PYTHIA_CLASS_TEXT, .texts = true},
	{{{"rtrim"}, {"rtrim"}, {"rtrim"}}, 1, 1, PYTHIA_CLASS_TEXT, .texts = true},
	{{{"length", "char_length", "character_length"}, {"char_length", "character_length"}, {"length"}}, 1, 1,
	 PYTHIA_CLASS_INT, .texts = true},
	{{{"octet_length"}, {"octet_length", "length"}, {NULL}}, 1, 1, PYTHIA_CLASS_INT, .texts = true},
	{{{"replace"}, {"replace"}, {"replace"}}, 3, 3, PYTHIA_CLASS_TEXT, .texts = true},
	{{{"substr"}, {"substr"}, {"substr"}}, 2, 3, PYTHIA_CLASS_TEXT, .texts = true, .counts = true},
	{{{"left"}, {"left"}, {NULL}}, 2, 2, PYTHIA_CLASS_TEXT, .texts = true, .counts = true},
	{{{"right"}, {"right"}, {NULL}}, 2, 2, PYTHIA_CLASS_TEXT, .texts = true, .counts = true},
	{{{"coalesce"}, {"coalesce", "ifnull"}, {"coalesce", "ifnull"}}, 2, ANY, PYTHIA_CLASS_UNKNOWN, .word = true},
	{{{"nullif"}, {"nullif"}, {"nullif"}}, 2, 2, PYTHIA_CLASS_UNKNOWN, .word = true},
	/* PostgreSQL's leave NULLs out, the others are NULL then */
	{{{"greatest"}, {"greatest"}, {"max"}}, 2, ANY, PYTHIA_CLASS_UNKNOWN, .word = true, .careful = true},
	{{{"least"}, {"least"}, {"min"}}, 2, ANY, PYTHIA_CLASS_UNKNOWN, .word = true, .careful = true},
	{{{"round"}, {"round"}, {"round"}}, 1, 2, PYTHIA_CLASS_DECIMAL, .texts = false},
	{{{"floor"}, {"floor"}, {NULL}}, 1, 1, PYTHIA_CLASS_DECIMAL, .texts = false},
	{{{"ceil", "ceiling"}, {"ceiling", "ceil"}, {NULL}}, 1, 1, PYTHIA_CLASS_DECIMAL, .texts = false},
	{{{"mod"}, {"mod"}, {NULL}}, 2, 2, PYTHIA_CLASS_UNKNOWN, .texts = false},
	{{{"count"}, {"count"}, {"count"}}, 1, 1, PYTHIA_CLASS_INT, .aggregate = true},
	{{{"sum"}, {"sum"}, {"sum"}}, 1, 1, PYTHIA_CLASS_UNKNOWN, .aggregate = true},
	{{{"min"}, {"min"}, {"min"}}, 1, 1, PYTHIA_CLASS_UNKNOWN, .aggregate = true},
	{{{"max"}, {"max"}, {"max"}}, 1, 1, PYTHIA_CLASS_UNKNOWN, .aggregate = true},
	{{{"avg"}, {"avg"}, {"avg"}}, 1, 1, PYTHIA_CLASS_DECIMAL, .aggregate = true},
};

static const char *const own[][80] = {
	[PYTHIA_POSTGRESQL] = {
		"array_length", "array_lower", "array_position", "array_upper", "ascii", "bit_length", "cardinality", "chr",
		"concat", "concat_ws", "date_part", "date_trunc", "decode", "div", "encode", "exp", "format", "host",
		"initcap", "isempty", "isfinite", "json_typeof", "jsonb_array_length", "jsonb_typeof", "ln", "log",
		"lower_inc", "lower_inf", "lpad", "make_date", "masklen", "md5", "now", "num_nonnulls", "num_nulls",
		"numnode", "position", "power", "regexp_match", "regexp_replace", "repeat", "reverse", "rpad", "scale",
		"setweight", "sha256", "sign", "split_part", "sqrt", "starts_with", "strip", "strpos", "timezone", "to_char",
		"to_tsvector", "translate", "trunc", "upper_inc", "upper_inf", "width_bucket", NULL
	},
	[PYTHIA_MYSQL] = {
		"ascii", "bit_length", "concat_ws", "conv", "crc32", "curdate", "current_timestamp", "date", "date_format",
		"datediff", "dayofmonth", "dayofweek", "dayofyear", "elt", "exp", "field", "find_in_set", "format",
		"from_unixtime", "hex", "hour", "inet6_aton", "inet_aton", "instr", "is_ipv4", "is_ipv6", "json_extract",
		"json_length", "json_type", "json_unquote", "json_valid", "json_value", "last_day", "length", "ln", "locate",
		"log", "log10", "log2", "lpad", "md5", "microsecond", "minute", "now", "pow", "power", "quarter", "quote",
		"radians", "regexp_replace", "regexp_substr", "repeat", "reverse", "rpad", "second", "sha1", "sha2", "sign",
		"soundex", "space", "sqrt", "st_x", "st_y", "strcmp", "time", "time_to_sec", "to_days", "truncate", "unhex",
		"unix_timestamp", "week", "weekday", "year", NULL
	},
	[PYTHIA_SQLITE] = {
		"char", "date", "datetime", "format", "glob", "hex", "instr", "json", "json_array_length", "json_extract",
		"json_type", "json_valid", "julianday", "like", "likely", "printf", "quote", "sign", "strftime", "time",
		"typeof", "unicode", "unixepoch", "unlikely", NULL
	},
};
/* clang-format on */

static int number_of(pythia_engine engine)
{
	return engine == PYTHIA_POSTGRESQL ? 0 : engine == PYTHIA_MYSQL ? 1 : 2;
}

const pythia_function *pythia_function_find(pythia_engine engine, const char *name, int arguments, bool aggregates)
{
	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
	{
		const pythia_function *function = &common[i];

		if (arguments < function->least || arguments > function->most || (function->aggregate && !aggregates))
			continue;
		for (int k = 0; k < 3; k++)
		{
			const char *its = function->names[number_of(engine)][k];

			if (its != NULL && strcmp(its, name) == 0)
				return function;
		}
	}
	return NULL;
}

const char *pythia_function_name(const pythia_function *function, pythia_engine engine)
{
	return function->names[number_of(engine)][0];
}

bool pythia_function_is_own(pythia_engine engine, const char *name)
{
	for (int i = 0; own[engine][i] != NULL; i++)
		if (strcmp(own[engine][i], name) == 0)
			return true;
	return false;
}
