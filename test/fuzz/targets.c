#include "targets.h"

#include <string.h>

#include "core/memory.h"

char *fuzz_text_of(const uint8_t *data, size_t size)
{
	return pythia_strndup((const char *) data, size);
}

pythia_db *fuzz_memory_db(void)
{
	static pythia_db *memory;
	pythia_error error = PYTHIA_ERROR_INIT;
	pythia_url url;

	if (!memory)
	{
		CHECK(pythia_url_parse("sqlite:///:memory:", &url, &error));
		CHECK(pythia_db_open(&url, NULL, NULL, &memory, &error));
		pythia_url_free(&url);
	}
	return memory;
}

void fuzz_check_error(pythia_error *error)
{
	CHECK(error->error_class != PYTHIA_E_NONE && error->error_class != PYTHIA_E_INTERNAL);
	CHECK(strlen(error->sqlstate) == 5);
	CHECK(error->message && *error->message);
	pythia_error_reset(error);
}

const fuzz_target fuzz_targets[] = {
	{"url", fuzz_url,
	 "a URL is refused with an error, or shown as a URL of the same parts that parses again, without its password",
	 "postgresql://\0mysql\0sqlite:///\0+x\0:\0@\0/\0?\0&\0=\0%\0%41\0[\0]\0::1\0:5432\0password=\0***\0 \0"},
	{"options", fuzz_options, "options are refused with an error, or written as JSON that reads back to the same",
	 "{\0}\0[\0]\0\"\0:\0,\0{\"mode\": \"full\"}\0\"batch_size\"\0\"tables\"\0\"columns\"\0\"lookback\"\0null\0true\0"
	 "1e3\0-0\0\"5 min\"\0\\u0041\0\\\0\"sample\"\0\"track\"\0"},
	{"rows", fuzz_rows, "rows are decoded within their bytes, and written again they are the same rows",
	 "\\\0\t\0\n\0\\N\0\\\\x00ff\0\\b\0\\v\0a\0123\0-1.5e300\0Infinity\0"},
	{"json", fuzz_json, "any bytes become one JSON string of valid UTF-8 without control characters",
	 "\"\0\\\0\n\0\x01\0\xc3\xa4\0\xf0\x9f\x98\x80\0\xed\xa0\x80\0\xff\0a\0"},
	{"image", fuzz_image, "a value of any kind becomes one JSON value on one line",
	 "\x01\0\x03\0\x05\0\x07\0\x08\0\x10\0\x11\0\t\0\n\0\\N\0\\b\0007\0-0\0.5\0001e5\0NaN\0-Infinity\0"
	 "2026-11-23 10:00:00\0true\0\"\0\xc3\xa4\0\xff\0"},
	{"literals", fuzz_literals,
	 "a value becomes one literal, a name one quoted name, and nothing of either is left behind it",
	 "\\x\0' OR 1\0' OR '\0\\'\0\\\0'\0\"\0`\0]\0--\0 */\0;\0)\0(\0009 OR 1\0001.5.5\0-9e+9\0NaN\0now\0"
	 "1e\0"
	 "0101\0"
	 "2026-01-01\0 10:00:00.5\0 BC\0-12:00:00\0Z\0infinity\0\xc3\xa4\0\xff\0\xc3\0$$\0E'\0"},
	{"conditions", fuzz_conditions,
	 "a condition is refused with an error, or stays within its parentheses, translated too",
	 "(\0)\0[\0]\0'\0''\0\\'\0\\\0\"\0`\0$$\0$x$\0$1\0?\0--\0-- \0\n\0#\0/\x2a\0*\x2f\0/\x2a!\0;\0E'\0e'\0"
	 "1e'\0x'\0U&'\0a\0t.a\0"
	 " AND \0::\0=\0"
	 "1\0{\0}\0:\0@\0,\0 \0\xc3\xa4\0\xff\0\r\0"},
	{"types", fuzz_types, "a type is left unread, or written anew as one type that reads back to the same",
	 "\x01\0\x02\0\x03\0(\0)\0,\0'\0''\0\\\0\"\0[]\0;\0--\0/*\0*/\0 \0 10\0-2\0.\0\x80\0enum('a')\0set(\0varchar\0"
	 "character varying\0numeric\0interval\0 day to second\0timestamp\0 with time zone\0 unsigned\0 zerofill\0"
	 "public.\0citext\0geometry\0integer\0decimal\0text\0blob\0 primary\0 default\0 generated\0 as\0"},
	{"tables", fuzz_tables, "a table of SQLite's is read to its end, and what is found belongs to columns of it",
	 "a\0b\0[\0]\0'\0''\0\"\0`\0(\0)\0,\0 \0\n\0--\0/*\0*/\0;\0\x27x\x27\0x'00'\0"
	 "0x1\0001.5e-3\0\xc3\xa4\0\xff\0"
	 "int\0integer primary key\0 autoincrement\0 collate \0nocase\0 check \0(a > 1)\0 constraint \0 default \0"
	 " unique\0 unique (a)\0 on conflict \0ignore\0 references \0 foreign key (a) references b\0 as (a)\0 not null\0"},
	{"defaults", fuzz_defaults, "a default is left out, or written as one literal of the target",
	 "\x01\0\x02\0\x03\0\x06\0\x09\0'\0''\0\\\0\"\0(\0)\0::\0text\0\"bit\"\0bytea\0[]\0;\0--\0/*\0*/\0 "
	 "\0-\0+\0007\0.5\0"
	 "e5\0E'\0b'\0x'\0ff\0now()\0current_timestamp\0(3)\0true\0null\0a\0\x80\0"},
	{"formulas", fuzz_formulas, "an expression is refused with a reason, or written as one and nothing more",
	 "\x01\0\x02\0(\0)\0'\0''\0\\\0\"\0`\0::text\0::numeric(1,2)\0::integer\0;\0--\0/*\0*/\0 \0,\0.\0a\0b\0"
	 "1\0-1\0 + \0 / \0 || \0 = \0 <> \0 <=> \0 and \0 or \0not \0 is null\0 in (\0 between \0 like \0"
	 "case when \0 then \0 else \0 end\0 = any (array[\0])\0coalesce(\0concat(\0lower(\0substr(\0"
	 "extract(year from \0cast(\0 as \0char\0if(\0count(*)\0true\0null\0_utf8mb4'x'\0 regexp \0 ~ \0\x80\0"},
	{"postgres_binary", fuzz_postgres_binary,
	 "rows become binary COPY whose fields hold what the rows said, or are refused",
	 "\t\0\n\0\\N\0\\\\x00ff\0001\0t\0-123.4500\0000.0001\0002026-11-23 10:00:00.5\00012:30:00\0Infinity\0"
	 "00000000-1111-2222-3333-444444444444\0\x01\0\x02\0\x08\0\x09\0{}\0"},
	{"mysql_results", fuzz_mysql_results,
	 "whatever a server answers is refused with an error, or read within its bounds",
	 "\t\0\n\0\\N\0\x1e\0\\0\0table\0"
	 "1\0shop\0t\0int(11)\0id\0"
	 "0\0PRIMARY\0updated_at\0datetime(6)\0\xff\0"
	 "99999999999999999999\0-1\0I\0U\0\x02\0\x06\0"},
	{NULL, NULL, NULL, NULL},
};
