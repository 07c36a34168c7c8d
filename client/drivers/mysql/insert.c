/* Rows into a server that takes no LOAD DATA LOCAL, as MySQL by default: INSERTs of many rows. */
#include "drivers/mysql/internal.h"

/* A statement takes about this much: the server keeps several times of it while it reads one. */
#define INSERT_BYTES (512 * 1024)
/* Of a packet: what goes before the statement. */
#define PACKET_HEAD 64

static bool too_large(const mysql_db *db, size_t length, pythia_error *error)
{
	pythia_fail(error, PYTHIA_E_DATA, "54000", "a row takes %zu bytes in an INSERT, and the server takes %zu", length,
				db->max_packet);
	return pythia_error_hint(error, "Raise max_allowed_packet on that server%s.",
							 db->takes_files ? "" : ", or set local_infile = ON there");
}

bool pythia_mysql_insert_make(const mysql_db *db, pythia_rows_reader *reader, pythia_buffer *out, uint64_t *rows,
							  pythia_error *error)
{
	const pythia_mysql_load *load = &db->load;
	size_t room = db->max_packet > PACKET_HEAD ? db->max_packet - PACKET_HEAD : 0;

	pythia_buffer_clear(out);
	pythia_buffer_append(out, load->sql.data, load->sql.length);
	*rows = 0;
	while (reader->cursor < reader->end && out->length < INSERT_BYTES)
	{
		const char *row = reader->cursor;
		size_t before = out->length;

		if (!pythia_rows_next(reader) || reader->nfields != load->ncolumns)
			return pythia_fail(error, PYTHIA_E_INTERNAL, "XX000", "%d values for %d columns", reader->nfields,
							   load->ncolumns);
		for (int i = 0; i < load->ncolumns; i++)
		{
			pythia_buffer_puts(out, i > 0 ? "," : *rows > 0 ? ",(" : "(");
			load->insert_value(&db->base, out, load->types[i], reader->fields[i].value, reader->fields[i].length);
		}
		pythia_buffer_putc(out, ')');
		if (out->length > room)
		{
			if (*rows == 0)
				return too_large(db, out->length, error);
			out->length = before;
			out->data[before] = '\0';
			reader->cursor = row;
			return true;
		}
		(*rows)++;
	}
	return true;
}
