/* LOAD DATA LOCAL reads what we hand out during our own load, and nothing else, ever. */
#include "drivers/mysql/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int pythia_mysql_infile_begin(void **handle, const char *name, void *context)
{
	mysql_db *db = context;

	(void) name; /* whatever the server asks for, it gets our rows or nothing */
	*handle = db;
	return db->state == PYTHIA_LOADING && db->load.flying && !db->load.in_bulk ? 0 : 1;
}

/* COPY text is LOAD DATA's but for two escapes that it does not know. */
static int infile_read(void *handle, char *to, unsigned room)
{
	pythia_mysql_load *load = &((mysql_db *) handle)->load;
	const char *start = to;

	if (((mysql_db *) handle)->aborting || !load->unsent)
		return -1;
	while (load->unsent < load->unsent_end && room > 1)
	{
		size_t left = (size_t) (load->unsent_end - load->unsent);
		size_t most = left < room ? left : room;
		const char *escape = memchr(load->unsent, '\\', most); /* every one begins a pair */
		size_t plain = escape ? (size_t) (escape - load->unsent) : most;
		char second;

		memcpy(to, load->unsent, plain);
		to += plain;
		load->unsent += plain;
		room -= (unsigned) plain;
		if (!escape || room < 2)
			continue;
		second = escape + 1 < load->unsent_end ? escape[1] : '\\';
		load->unsent += 2;
		if (second == 'f' || second == 'v')
		{
			*to++ = second == 'f' ? '\f' : '\v';
			room--;
			continue;
		}
		*to++ = '\\';
		*to++ = second;
		room -= 2;
	}
	return (int) (to - start);
}

static void infile_end(void *handle)
{
	(void) handle;
}

static int infile_error(void *handle, char *message, unsigned room)
{
	(void) handle;
	snprintf(message, room, "the server asked for a file, and is not given any");
	return PYTHIA_MYSQL_ASKED_FOR_FILE;
}

void pythia_mysql_guard_infile(mysql_db *db)
{
	mysql_set_local_infile_handler(&db->mysql, pythia_mysql_infile_begin, infile_read, infile_end, infile_error, db);
}
