/*
 * Rows into MariaDB as arrays of values, one a column, by one execution of a prepared
 * INSERT.  The server then reads no text: that was a third of what LOAD DATA cost it.
 * Rows with a value that has no plain binary form (a zero date, a NaN) go by LOAD DATA.
 */
#include "drivers/mysql/internal.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "core/moment.h"
#include "core/number.h"

typedef struct bulk_column
{
	pythia_kind kind;
	int precision;
	enum enum_field_types type;
	size_t size;  /* of an element of `values` */
	void *values; /* int64_t, double, char * or MYSQL_TIME * */
	unsigned long *lengths;
	char *indicators;
	MYSQL_TIME *times;
} bulk_column;

struct pythia_mysql_bulk
{
	int ncolumns;
	bulk_column *columns;
	MYSQL_BIND *binds;
	size_t room;         /* rows that the arrays can hold */
	unsigned rows;       /* that they do */
	pythia_buffer texts; /* decoded; `values` point into it */
	pythia_rows_reader reader;
	size_t packet;     /* bytes that the rows take on their way, at most */
	size_t max_packet; /* that the server takes */
};

static void choose_type(bulk_column *column)
{
	switch (column->kind)
	{
		case PYTHIA_KIND_BOOL:
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
			column->type = MYSQL_TYPE_LONGLONG;
			column->size = sizeof(int64_t);
			break;
		case PYTHIA_KIND_FLOAT:
		case PYTHIA_KIND_DOUBLE:
			column->type = MYSQL_TYPE_DOUBLE;
			column->size = sizeof(double);
			break;
		case PYTHIA_KIND_DATE:
			column->type = MYSQL_TYPE_DATE;
			column->size = sizeof(MYSQL_TIME *);
			break;
		case PYTHIA_KIND_TIMESTAMP:
		case PYTHIA_KIND_TIMESTAMPTZ: /* the session's zone is UTC */
			column->type = MYSQL_TYPE_DATETIME;
			column->size = sizeof(MYSQL_TIME *);
			break;
		case PYTHIA_KIND_BYTES:
			column->type = MYSQL_TYPE_BLOB;
			column->size = sizeof(char *);
			break;
		default:
			column->type = MYSQL_TYPE_STRING;
			column->size = sizeof(char *);
			break;
	}
}

static bool timed(const bulk_column *column)
{
	return column->type == MYSQL_TYPE_DATE || column->type == MYSQL_TYPE_DATETIME;
}

static bool texty(const bulk_column *column)
{
	return column->type == MYSQL_TYPE_STRING || column->type == MYSQL_TYPE_BLOB;
}

pythia_mysql_bulk *pythia_mysql_bulk_make(mysql_db *db, const pythia_load *load)
{
	unsigned long capabilities = 0;
	pythia_mysql_bulk *bulk;

	if (!load->binary_sql ||
		mariadb_get_infov(&db->mysql, MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES, &capabilities) != 0 ||
		!(capabilities & (MARIADB_CLIENT_STMT_BULK_OPERATIONS >> 32)))
		return NULL;
	bulk = pythia_calloc(1, sizeof(*bulk));
	bulk->ncolumns = load->ncolumns;
	bulk->max_packet = db->max_packet;
	bulk->columns = pythia_calloc((size_t) load->ncolumns, sizeof(bulk_column));
	bulk->binds = pythia_calloc((size_t) load->ncolumns, sizeof(MYSQL_BIND));
	for (int i = 0; i < load->ncolumns; i++)
	{
		bulk->columns[i].kind = load->types[i]->kind;
		bulk->columns[i].precision = load->types[i]->precision;
		choose_type(&bulk->columns[i]);
	}
	return bulk;
}

static void make_room(pythia_mysql_bulk *bulk, size_t rows)
{
	if (rows <= bulk->room)
		return;
	bulk->room = rows;
	for (int i = 0; i < bulk->ncolumns; i++)
	{
		bulk_column *column = &bulk->columns[i];

		column->values = pythia_realloc(column->values, rows * column->size);
		column->indicators = pythia_realloc(column->indicators, rows);
		if (texty(column))
			column->lengths = pythia_realloc(column->lengths, rows * sizeof(unsigned long));
		if (timed(column))
			column->times = pythia_realloc(column->times, rows * sizeof(MYSQL_TIME));
	}
}

static void put_text(pythia_mysql_bulk *bulk, bulk_column *column, size_t row, size_t start)
{
	column->lengths[row] = bulk->texts.length - start;
	((char **) column->values)[row] = bulk->texts.data + start;
	bulk->packet += column->lengths[row] + 9;
}

static bool put_time(pythia_mysql_bulk *bulk, bulk_column *column, size_t row, const pythia_field *field)
{
	MYSQL_TIME *time = &column->times[row];
	pythia_moment moment;

	if (column->type == MYSQL_TYPE_DATE)
	{
		if (!pythia_moment_date(field->value, field->length, &moment))
			return false;
	}
	else if (!pythia_moment_stamp(field->value, field->length, &moment) || moment.digits > column->precision)
		return false; /* it would have to be rounded */
	memset(time, 0, sizeof(*time));
	time->year = (unsigned) moment.year;
	time->month = (unsigned) moment.month;
	time->day = (unsigned) moment.day;
	time->hour = (unsigned) moment.hour;
	time->minute = (unsigned) moment.minute;
	time->second = (unsigned) moment.second;
	time->second_part = (unsigned long) moment.microsecond;
	time->time_type = column->type == MYSQL_TYPE_DATE ? MYSQL_TIMESTAMP_DATE : MYSQL_TIMESTAMP_DATETIME;
	((MYSQL_TIME **) column->values)[row] = time;
	bulk->packet += 12;
	return true;
}

static bool put_value(pythia_mysql_bulk *bulk, bulk_column *column, size_t row, const pythia_field *field)
{
	size_t start = bulk->texts.length;
	double number;

	column->indicators[row] = field->value ? STMT_INDICATOR_NONE : STMT_INDICATOR_NULL;
	bulk->packet++;
	if (!field->value)
	{
		/* the library looks at nothing else, but not by contract */
		memset((char *) column->values + row * column->size, 0, column->size);
		if (column->lengths)
			column->lengths[row] = 0;
		return true;
	}
	switch (column->type)
	{
		case MYSQL_TYPE_LONGLONG:
			bulk->packet += sizeof(int64_t);
			return pythia_int64_read(field->value, field->length, &((int64_t *) column->values)[row]);
		case MYSQL_TYPE_DOUBLE:
			if (!pythia_double_read(field->value, field->length, &number) || !isfinite(number))
				return false;
			bulk->packet += sizeof(double);
			((double *) column->values)[row] = number == 0 ? 0 : number; /* no sign, as from a text */
			return true;
		case MYSQL_TYPE_DATE:
		case MYSQL_TYPE_DATETIME:
			return put_time(bulk, column, row, field);
		case MYSQL_TYPE_BLOB:
			if (!pythia_rows_unhex(field, &bulk->texts))
				return false;
			put_text(bulk, column, row, start);
			return true;
		default:
			pythia_buffer_append(&bulk->texts, field->value, field->length);
			put_text(bulk, column, row, start);
			return true;
	}
}

bool pythia_mysql_bulk_read(pythia_mysql_bulk *bulk, const pythia_rows *rows)
{
	make_room(bulk, rows->count);
	pythia_buffer_clear(&bulk->texts);
	pythia_buffer_reserve(&bulk->texts, rows->length + 16); /* decoded it is shorter: it will not move */
	bulk->packet = 1024 + (size_t) bulk->ncolumns * 2;
	bulk->rows = 0;
	pythia_rows_open(&bulk->reader, rows);
	while (pythia_rows_next(&bulk->reader))
	{
		if (bulk->reader.nfields != bulk->ncolumns || bulk->rows == rows->count)
			return false;
		for (int i = 0; i < bulk->ncolumns; i++)
			if (!put_value(bulk, &bulk->columns[i], bulk->rows, &bulk->reader.fields[i]))
				return false;
		bulk->rows++;
	}
	return bulk->rows == rows->count && bulk->packet <= bulk->max_packet;
}

bool pythia_mysql_bulk_prepare(pythia_mysql_bulk *bulk, mysql_db *connection, const char *insert, pythia_error *error)
{
	int answer = 0;

	if (connection->load.statement)
		return true;
	connection->load.statement = mysql_stmt_init(&connection->mysql);
	if (!connection->load.statement)
		return pythia_mysql_failed(connection, error);
	if (!PYTHIA_MYSQL_RUN(connection,
						  ready == PYTHIA_STEP_BEGIN
							  ? mysql_stmt_prepare_start(&answer, connection->load.statement, insert, strlen(insert))
							  : mysql_stmt_prepare_cont(&answer, connection->load.statement, ready),
						  error))
		return false;
	if (answer != 0)
		return pythia_mysql_failed(connection, error);
	/* the library reads as many of our arrays as the server says that there are */
	if (mysql_stmt_param_count(connection->load.statement) == (unsigned long) bulk->ncolumns)
		return true;
	connection->base.broken = true;
	return pythia_db_bad_answer(&connection->base, error, "%lu parameters of a statement that has %d",
								mysql_stmt_param_count(connection->load.statement), bulk->ncolumns);
}

int pythia_mysql_bulk_step(pythia_mysql_bulk *bulk, mysql_db *connection, int ready)
{
	MYSQL_STMT *statement = connection->load.statement;

	if (ready != PYTHIA_STEP_BEGIN)
		return mysql_stmt_execute_cont(&connection->load.answer, statement, ready);
	for (int i = 0; i < bulk->ncolumns; i++)
	{
		MYSQL_BIND *bind = &bulk->binds[i];

		memset(bind, 0, sizeof(*bind));
		bind->buffer_type = bulk->columns[i].type;
		bind->buffer = bulk->columns[i].values;
		bind->length = bulk->columns[i].lengths;
		bind->u.indicator = bulk->columns[i].indicators;
	}
	mysql_stmt_attr_set(statement, STMT_ATTR_ARRAY_SIZE, &bulk->rows);
	if (mysql_stmt_bind_param(statement, bulk->binds))
	{
		connection->load.answer = 1;
		return 0;
	}
	/* the values are packed before the first byte is sent: the arrays are free when this returns */
	return mysql_stmt_execute_start(&connection->load.answer, statement);
}

uint64_t pythia_mysql_bulk_stored(mysql_db *connection)
{
	return mysql_stmt_affected_rows(connection->load.statement);
}

void pythia_mysql_bulk_close(mysql_db *connection)
{
	my_bool answer;

	if (!connection->load.statement || connection->base.broken)
		return; /* it is freed after the connection */
	(void) PYTHIA_MYSQL_RUN(connection,
							ready == PYTHIA_STEP_BEGIN
								? mysql_stmt_close_start(&answer, connection->load.statement)
								: mysql_stmt_close_cont(&answer, connection->load.statement, ready),
							NULL);
	connection->load.statement = NULL;
}

void pythia_mysql_bulk_forget(mysql_db *connection)
{
	if (connection->load.statement)
		mysql_stmt_close(connection->load.statement);
	connection->load.statement = NULL;
}

void pythia_mysql_bulk_free(pythia_mysql_bulk *bulk)
{
	if (!bulk)
		return;
	for (int i = 0; i < bulk->ncolumns; i++)
	{
		pythia_free(bulk->columns[i].values);
		pythia_free(bulk->columns[i].lengths);
		pythia_free(bulk->columns[i].indicators);
		pythia_free(bulk->columns[i].times);
	}
	pythia_free(bulk->columns);
	pythia_free(bulk->binds);
	pythia_buffer_free(&bulk->texts);
	pythia_rows_close(&bulk->reader);
	pythia_free(bulk);
}
