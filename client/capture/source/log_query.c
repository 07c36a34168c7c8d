#include "capture/source/log_query.h"

#include <stdio.h>
#include <string.h>

/* o0 or n0 as a scan reads the column itself. */
static void put_logged(const pythia_capture_table *table, const int *place, pythia_buffer *sql, int i, char letter)
{
	pythia_column column = table->table.columns[table->columns[i].position];
	char name[16];

	snprintf(name, sizeof(name), "%c%d", letter, place[i]);
	column.name = name;
	if (table->db->engine == PYTHIA_SQLITE)
		pythia_buffer_puts(sql, name);
	else
		pythia_dialect_of(table->db)->read_expression(table->db, sql, NULL, &column);
}

static void put_storage(const pythia_capture_table *table, const int *place, pythia_buffer *sql, char letter)
{
	pythia_buffer_puts(sql, ", ");
	for (int i = 0; i < table->ncolumns; i++)
	{
		int at = place[i];

		pythia_capture_put_link(sql, i);
		if (table->columns[i].whole)
			pythia_buffer_printf(sql, "CASE WHEN json_valid(%c%d) THEN 'j' ELSE substr(typeof(%c%d), 1, 1) END", letter,
								 at, letter, at);
		else
			pythia_buffer_printf(sql, "substr(typeof(%c%d), 1, 1)", letter, at);
	}
	pythia_buffer_putc(sql, ')');
}

/* PostgreSQL makes the JSON itself: the key's part of an image, and the image without what is left out. */
static void put_jsonb(const pythia_capture_table *table, pythia_buffer *sql, char letter)
{
	const pythia_dialect *dialect = pythia_dialect_of(table->db);

	pythia_buffer_printf(sql, ", CASE WHEN %c IS NOT NULL THEN pg_catalog.jsonb_build_object(", letter);
	for (int i = 0; i < table->nkey; i++)
	{
		const char *name = table->table.columns[table->columns[table->key[i]].position].name;

		pythia_buffer_puts(sql, i > 0 ? ", " : "");
		dialect->literal(sql, name, strlen(name));
		pythia_buffer_printf(sql, ", %c -> ", letter);
		dialect->literal(sql, name, strlen(name));
	}
	pythia_buffer_printf(sql, ") END, %c", letter);
	for (int i = 0; i < table->table.ncolumns; i++)
	{
		bool in_image = false;

		for (int j = 0; j < table->ncolumns; j++)
			in_image = in_image || (table->columns[j].position == i && table->columns[j].in_image);
		if (!in_image)
		{
			pythia_buffer_puts(sql, " - ");
			dialect->literal(sql, table->table.columns[i].name, strlen(table->table.columns[i].name));
			pythia_buffer_puts(sql, "::text");
		}
	}
}

int pythia_log_query(const pythia_capture_table *table, const pythia_log *log, const int *place, int64_t from,
					 int64_t most, pythia_buffer *sql)
{
	bool postgres = table->db->engine == PYTHIA_POSTGRESQL;
	bool sqlite = table->db->engine == PYTHIA_SQLITE;
	bool mysql = table->db->engine == PYTHIA_MYSQL;
	int count = PYTHIA_LOG_META;

	pythia_buffer_printf(sql, "SELECT pythia_id, pythia_op, %s, %s, %s",
						 postgres ? "pythia_at::timestamp" : "pythia_at", postgres ? "pythia_xid" : "NULL",
						 postgres ? "CASE WHEN pythia_op = 'E' THEN n ->> 'error' END"
						 : mysql  ? "pythia_error"
								  : "NULL");
	for (const char *letter = mysql ? "c" : "on"; *letter; letter++)
	{
		if (postgres)
		{
			put_jsonb(table, sql, *letter);
			count += 2;
			continue;
		}
		if (sqlite)
			put_storage(table, place, sql, *letter);
		for (int i = 0; i < table->ncolumns; i++)
		{
			pythia_buffer_puts(sql, ", ");
			put_logged(table, place, sql, i, *letter);
		}
		count += table->ncolumns + sqlite;
	}
	pythia_buffer_puts(sql, " FROM ");
	pythia_dialect_table(pythia_dialect_of(table->db), sql, table->table.schema, log->name);
	if (from > 0)
		pythia_buffer_printf(sql, " WHERE pythia_id >= %lld", (long long) from);
	pythia_buffer_puts(sql, mysql ? " ORDER BY pythia_id, pythia_side" : " ORDER BY pythia_id");
	if (most > 0)
		pythia_buffer_printf(sql, " LIMIT %lld", (long long) most);
	return count;
}
