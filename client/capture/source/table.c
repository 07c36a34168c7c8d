/* A source's table, described and checked against the options. */
#include "capture/internal.h"

#include <string.h>

#include "core/json.h"
#include "core/memory.h"
#include "dialect/tokens.h"
#include "core/suggest.h"
#include "dialect/forms.h"

/* What applications call the column that says when a row was made. */
static const char *const created_names[] = {"created_at",    "created",     "inserted_at",
											"creation_time", "created_on",  "createdAt",
											"date_created",  "create_time", NULL};

const pythia_column *pythia_capture_stamp_column(const pythia_capture_table *table)
{
	return &table->table.columns[table->columns[table->timestamp].position];
}

void pythia_capture_put_link(pythia_buffer *sql, int i)
{
	pythia_buffer_puts(sql, i % 200 != 0 ? " || " : i > 0 ? ") || (" : "(");
}

void pythia_capture_put_table(const pythia_capture_table *table, pythia_buffer *sql)
{
	pythia_dialect_table(pythia_dialect_of(table->db), sql, table->table.schema, table->table.name);
}

bool pythia_capture_is_stamp(const pythia_capture_table *table, const char *stamp)
{
	return table->numeric ? pythia_integer_text(stamp, strlen(stamp)) : pythia_stamp_text(stamp, strlen(stamp));
}

bool pythia_capture_put_stamp(const pythia_capture_table *table, pythia_buffer *sql, const char *stamp,
							  pythia_error *error)
{
	const pythia_dialect *dialect = pythia_dialect_of(table->db);
	bool good = pythia_capture_is_stamp(table, stamp);

	if (good && !sql)
		return true;
	if (good && pythia_sqlite_stamp_is_text(table))
		dialect->literal(sql, stamp, strlen(stamp));
	else if (good && table->numeric)
		pythia_buffer_puts(sql, stamp); /* bare, for it may be beyond the column's own type */
	else if (good)
		good = dialect->value_literal(table->db, sql, &pythia_capture_stamp_column(table)->type, stamp, strlen(stamp));
	if (good)
		return true;
	pythia_fail(error, PYTHIA_E_DATA, "22P02",
				"the stored position \"%.100s\" is none of column \"%s\" of table \"%s\"", stamp,
				pythia_capture_stamp_column(table)->name, table->table.name);
	return pythia_error_hint(error, "What keeps it was damaged: make the worker anew (--restart for pythia cdc).");
}

/* --- opening ---------------------------------------------------------------- */

static bool no_column(const pythia_table *table, const char *name, const char *option, pythia_error *error)
{
	const char **names = pythia_malloc(sizeof(char *) * (size_t) (table->ncolumns + 1));
	const char *close;

	for (int i = 0; i < table->ncolumns; i++)
		names[i] = table->columns[i].name;
	close = pythia_suggest(name, names, table->ncolumns);
	pythia_free(names);
	pythia_fail(error, PYTHIA_E_USAGE, "42703", "column \"%s\" of table \"%s.%s\" does not exist", name, table->schema,
				table->name);
	pythia_error_detail(error, "It is named by the option \"%s\".", option);
	if (close)
		pythia_error_hint(error, "Perhaps you meant \"%s\".", close);
	return false;
}

/* Marks the columns that an array of names holds. */
static bool mark_columns(const pythia_table *table, const pythia_node *names, const char *option, bool *marks,
						 pythia_error *error)
{
	for (const pythia_node *item = pythia_node_items(names); item; item = item->next)
	{
		int position = pythia_table_column(table, item->text);

		if (position < 0)
			return no_column(table, item->text, option, error);
		marks[position] = true;
	}
	return true;
}

static int add_column(pythia_capture_table *table, int position, bool in_image)
{
	const pythia_column *column = &table->table.columns[position];
	pythia_capture_column *added;
	pythia_buffer label = PYTHIA_BUFFER_INIT;

	for (int i = 0; i < table->ncolumns; i++)
		if (table->columns[i].position == position)
			return i;
	added = &table->columns[table->ncolumns];
	memset(added, 0, sizeof(*added));
	added->position = position;
	added->in_image = in_image;
	if (table->db->engine == PYTHIA_POSTGRESQL)
		/* an oid is a string to to_jsonb, which the triggers' images are made by */
		added->whole = column->type.kind == PYTHIA_KIND_ARRAY || column->type.kind == PYTHIA_KIND_OTHER ||
					   column->type.kind == PYTHIA_KIND_UINT || column->type.kind == PYTHIA_KIND_JSON;
	else
		added->whole = column->type.kind == PYTHIA_KIND_JSON;
	pythia_json_string(&label, column->name, strlen(column->name));
	pythia_buffer_puts(&label, ": ");
	added->label_length = label.length;
	added->label = pythia_buffer_take(&label);
	return table->ncolumns++;
}

/* Columns of PostgreSQL's that are worked out when they are read: a trigger gets a row without them. */
static bool mark_unseen(const pythia_capture_table *table, bool *marks, pythia_error *error)
{
	const pythia_table *described = &table->table;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	pythia_result names;
	bool generated = false;
	bool ok = true;

	for (int i = 0; i < described->ncolumns; i++)
		generated = generated || described->columns[i].generated;
	if (!generated || table->db->engine != PYTHIA_POSTGRESQL || table->config.capture != PYTHIA_CAPTURE_TRIGGER)
		return true;
	pythia_capture_put_table(table, &name);
	pythia_buffer_puts(&sql, "SELECT attname FROM pg_catalog.pg_attribute WHERE attgenerated = 'v' AND NOT attisdropped"
							 " AND attrelid = ");
	pythia_dialect_of(table->db)->literal(&sql, name.data, name.length);
	pythia_buffer_puts(&sql, "::pg_catalog.regclass");
	ok = pythia_db_query(table->db, sql.data, "t", &names, error);
	for (int64_t row = 0; ok && row < names.nrows; row++)
	{
		const char *unseen = pythia_result_text(&names, row, 0);
		int position = pythia_table_column(described, unseen);

		/* in the condition it may stand for something else: nothing is lost by that */
		if (pythia_node_lists(table->config.key, unseen) ||
			(table->config.where && strstr(table->config.where, unseen)))
		{
			pythia_fail(error, PYTHIA_E_USAGE, "0A000", "triggers do not see the virtual column \"%s\" of table \"%s\"",
						unseen, described->name);
			ok = pythia_error_hint(error, "Make the column STORED, leave it out of the options \"key\" and \"where\", "
										  "or use \"capture\": \"poll\".");
		}
		if (position >= 0)
			marks[position] = true;
	}
	pythia_result_free(&names);
	pythia_buffer_free(&name);
	pythia_buffer_free(&sql);
	return ok;
}

/* The image's columns in the table's order, then what else a scan needs. */
static bool choose_columns(pythia_capture_table *table, pythia_error *error)
{
	const pythia_table *described = &table->table;
	const pythia_capture_config *config = &table->config;
	bool *wanted = pythia_calloc((size_t) described->ncolumns + 1, sizeof(bool));
	bool *unwanted = pythia_calloc((size_t) described->ncolumns + 1, sizeof(bool));
	bool ok = mark_columns(described, config->columns, "columns", wanted, error) &&
			  mark_columns(described, config->exclude_columns, "exclude_columns", unwanted, error) &&
			  mark_unseen(table, unwanted, error);

	table->columns = pythia_calloc((size_t) described->ncolumns + 1, sizeof(pythia_capture_column));
	for (int i = 0; ok && i < described->ncolumns; i++)
		if ((wanted[i] || !config->columns) && !unwanted[i])
			add_column(table, i, true);
	pythia_free(wanted);
	pythia_free(unwanted);
	return ok;
}

/* As triggers log it: by the server's jsonb, which has no number for it. */
static bool tell_money_as_written(pythia_capture_table *table)
{
	for (int i = 0; table->db->engine == PYTHIA_POSTGRESQL && i < table->table.ncolumns; i++)
		if (table->table.columns[i].type.native && strcmp(table->table.columns[i].type.native, "money") == 0)
			table->table.columns[i].type.kind = PYTHIA_KIND_TEXT;
	return true;
}

static bool choose_key(pythia_capture_table *table, pythia_error *error)
{
	const pythia_table *described = &table->table;
	const pythia_node *given = table->config.key;
	int count = described->nkey;

	if (given)
	{
		count = 0;
		for (const pythia_node *item = pythia_node_items(given); item; item = item->next)
			count++;
	}
	if (count == 0)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "42P16", "table \"%s.%s\" has no primary key", described->schema,
					described->name);
		return pythia_error_hint(error,
								 "Name the columns that tell its rows apart in option \"key\", or add a primary key.");
	}
	table->key = pythia_calloc((size_t) count, sizeof(int));
	for (const pythia_node *item = pythia_node_items(given); item; item = item->next)
	{
		int position = pythia_table_column(described, item->text);

		if (position < 0)
			return no_column(described, item->text, "key", error);
		for (int i = 0; i < table->nkey; i++)
			if (table->columns[table->key[i]].position == position)
			{
				pythia_fail(error, PYTHIA_E_USAGE, "22023", "option \"key\" names column \"%s\" twice", item->text);
				return pythia_error_hint(error, "Name each column of the key once.");
			}
		table->key[table->nkey++] = add_column(table, position, false);
	}
	for (int i = 0; !given && i < described->nkey; i++)
		table->key[table->nkey++] = add_column(table, described->key[i], false);
	return true;
}

/* SQLite's columns hold what they are given: the greatest stamp tells what kind it is. */
static bool sample_stamp(pythia_capture_table *table, pythia_error *error)
{
	const pythia_column *column = pythia_capture_stamp_column(table);
	const pythia_dialect *dialect = pythia_dialect_of(table->db);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	char *sample = NULL;
	bool ok = true;

	/* in a column of integers a text is greater than all of them: it is not asked where there is one */
	for (int integers = column->type.kind == PYTHIA_KIND_INT || column->type.kind == PYTHIA_KIND_UINT;
		 ok && !sample && integers >= 0; integers--)
	{
		pythia_buffer_puts(&sql, "SELECT substr(typeof(m), 1, 1) || m FROM (SELECT max(");
		dialect->identifier(&sql, column->name);
		pythia_buffer_puts(&sql, ") AS m FROM ");
		pythia_capture_put_table(table, &sql);
		if (integers)
		{
			pythia_buffer_puts(&sql, " WHERE typeof(");
			dialect->identifier(&sql, column->name);
			pythia_buffer_puts(&sql, ") = 'integer'");
		}
		pythia_buffer_putc(&sql, ')');
		ok = pythia_db_text(table->db, sql.data, &sample, error);
		pythia_buffer_free(&sql);
	}
	if (!ok)
		return false;
	if (!sample)
		table->numeric = column->type.kind == PYTHIA_KIND_INT || column->type.kind == PYTHIA_KIND_UINT;
	else if (sample[0] == 'i')
		/* of a column of times they are seconds, or parts of them, since 1970 */
		table->numeric = column->type.kind != PYTHIA_KIND_TIMESTAMP && column->type.kind != PYTHIA_KIND_TIMESTAMPTZ &&
						 column->type.kind != PYTHIA_KIND_DATE;
	pythia_free(sample);
	return true;
}

static bool choose_timestamp(pythia_capture_table *table, const char *name, pythia_error *error)
{
	const pythia_table *described = &table->table;
	int position = pythia_table_column(described, name);
	const pythia_column *column;

	/* triggers tell the time themselves */
	table->timestamp = -1;
	if (table->config.capture == PYTHIA_CAPTURE_TRIGGER)
		return true;
	if (position < 0)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "42703", "table \"%s.%s\" has no timestamp column \"%s\"", described->schema,
					described->name, name);
		return pythia_error_hint(error,
								 "Name the column that every insert and update stamps in timestamp_column "
								 "(--timestamp-column), or per table in options.timestamp_columns; an ever-growing "
								 "integer will do too.");
	}
	column = &described->columns[position];
	table->timestamp = add_column(table, position, false);
	for (int i = 0; i < described->nindexes; i++)
		table->indexed = table->indexed || described->indexes[i].columns[0] == position;
	table->indexed = table->indexed || (described->nkey > 0 && described->key[0] == position);
	for (int i = 0; created_names[i]; i++)
	{
		int created = pythia_table_column(described, created_names[i]);

		if (created >= 0 && created != position && described->columns[created].type.kind == column->type.kind)
		{
			table->created = add_column(table, created, false);
			break;
		}
	}
	if (table->db->engine == PYTHIA_SQLITE)
		return sample_stamp(table, error);
	switch (column->type.kind)
	{
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
			table->numeric = true;
			return true;
		case PYTHIA_KIND_DATE:
		case PYTHIA_KIND_TIMESTAMP:
		case PYTHIA_KIND_TIMESTAMPTZ:
			return true;
		default:
			pythia_fail(error, PYTHIA_E_USAGE, "42804", "timestamp column \"%s\" of table \"%s.%s\" is of type %s",
						name, described->schema, described->name, pythia_type_shown(&column->type));
			return pythia_error_hint(error, "It must be a date, a timestamp or an integer.");
	}
}

/*
 * Whether PostgreSQL tells a version of each row: not of foreign tables, nor of partitions that are some, and not to a
 * role that may read some columns alone.
 */
static bool find_versions(pythia_capture_table *table, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	bool parted = table->table.relation == PYTHIA_RELATION_PARTITIONED;
	bool chosen = table->config.columns || table->config.exclude_columns;
	bool none = false;
	bool ok;

	table->has_xmin =
		table->db->engine == PYTHIA_POSTGRESQL && (table->table.relation == PYTHIA_RELATION_TABLE || parted);
	if (!table->has_xmin || !(parted || chosen))
		return true;
	pythia_capture_put_table(table, &name);
	pythia_buffer_puts(&sql, "SELECT 1 FROM (SELECT ");
	pythia_dialect_of(table->db)->literal(&sql, name.data, name.length);
	pythia_buffer_puts(&sql,
					   "::pg_catalog.regclass AS oid) AS t WHERE NOT pg_catalog.has_table_privilege(t.oid, 'SELECT')");
	if (parted)
		pythia_buffer_puts(&sql, " OR EXISTS (SELECT FROM pg_catalog.pg_partition_tree(t.oid) AS p"
								 " JOIN pg_catalog.pg_class AS c ON c.oid = p.relid WHERE c.relkind = 'f')");
	ok = pythia_db_any(table->db, sql.data, &none, error);
	table->has_xmin = !none;
	pythia_buffer_free(&name);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_capture_table_open(pythia_db *db, pythia_descriptions *described, const char *name,
							   const char *timestamp_column, const pythia_capture_config *config,
							   pythia_capture_table *table, pythia_error *error)
{
	memset(table, 0, sizeof(*table));
	table->db = db;
	table->config = *config;
	table->created = -1;
	if (config->timestamp_column)
		timestamp_column = config->timestamp_column;
	if (pythia_condition_check(db->engine, "where", config->where, error) &&
		pythia_describe_next(db, described, name, &table->table, error) &&
		(config->columns || pythia_check_columns_seen(db, &table->table, error)) && tell_money_as_written(table) &&
		choose_columns(table, error) && choose_key(table, error) && choose_timestamp(table, timestamp_column, error) &&
		find_versions(table, error))
		return true;
	pythia_capture_table_close(table);
	return false;
}

/* Kinds whose values are spelled alike share a name. */
static void put_form(pythia_buffer *out, const pythia_type *type)
{
	switch (type->kind)
	{
		case PYTHIA_KIND_INT:
		case PYTHIA_KIND_UINT:
			pythia_buffer_puts(out, "integer");
			break;
		case PYTHIA_KIND_DECIMAL:
			if (type->precision > 0 && type->scale == 0)
				pythia_buffer_puts(out, "integer");
			else
				pythia_buffer_printf(out, "numeric(%d)", type->scale);
			break;
		case PYTHIA_KIND_TEXT:
		case PYTHIA_KIND_ENUM:
			pythia_buffer_puts(out, "text");
			break;
		default:
			pythia_buffer_puts(out, pythia_type_shown(type));
			break;
	}
}

char *pythia_capture_key_form(const pythia_capture_table *table)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	for (int i = 0; i < table->nkey; i++)
	{
		const pythia_column *column = &table->table.columns[table->columns[table->key[i]].position];

		pythia_buffer_puts(&out, i > 0 ? ", " : "");
		pythia_json_string(&out, column->name, strlen(column->name));
		pythia_buffer_putc(&out, ' ');
		put_form(&out, &column->type);
	}
	return pythia_buffer_take(&out);
}

bool pythia_capture_key_fits(const pythia_capture_table *table, const char *known_form, pythia_error *error)
{
	char *form;
	bool fits;

	if (!known_form || table->config.capture == PYTHIA_CAPTURE_TRIGGER || table->config.track == PYTHIA_TRACK_NONE)
		return true;
	form = pythia_capture_key_form(table);
	fits = strcmp(form, known_form) == 0;
	if (!fits)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "42804",
					"the key of table \"%s\" has another type or name than when its rows were read", table->table.name);
		pythia_error_detail(error, "It was (%s), and is (%s).", known_form, form);
		pythia_error_hint(error, "Begin anew with it: take the table out of the worker with alter_cdc_worker and in "
								 "again, or drop and create the worker; give --restart to pythia cdc.");
	}
	pythia_free(form);
	return fits;
}

void pythia_capture_table_close(pythia_capture_table *table)
{
	for (int i = 0; i < table->ncolumns; i++)
		pythia_free(table->columns[i].label);
	pythia_free(table->columns);
	pythia_free(table->key);
	pythia_table_free(&table->table);
	memset(table, 0, sizeof(*table));
}
