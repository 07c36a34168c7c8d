/* What is made before the rows come: schemas, types, sequences, tables with their keys and columns. */
#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "core/visible.h"
#include "migrate/planner.h"
#include "sync/create/maps.h"
#include "sync/expressions.h"

/* --- schemas and types ------------------------------------------------------------------------ */

static void make_schemas(planner *p)
{
	for (int i = 0; i < p->catalog->nschemas; i++)
	{
		const char *schema = p->catalog->schemas[i];
		const char *made = planner_schema(p, schema);
		pythia_buffer sql = PYTHIA_BUFFER_INIT;

		if (made == NULL)
		{
			if (p->catalog->nschemas > 1 && p->source->default_schema != NULL &&
				strcmp(schema, p->source->default_schema) != 0)
				planner_note(p, PYTHIA_MIGRATE_CHANGED, "schema", NULL, schema,
							 "its tables are named %s_… in the one database there", schema);
			continue;
		}
		if (strcmp(made, schema) != 0 ||
			strcmp(made, p->target->default_schema != NULL ? p->target->default_schema : "public") == 0)
			continue;
		pythia_buffer_puts(&sql, "CREATE SCHEMA IF NOT EXISTS ");
		planner_put_name(p, made, &sql);
		planner_step(p, false, "schema", schema, &sql);
		planner_note(p, PYTHIA_MIGRATE_CARRIED, "schema", NULL, schema, NULL);
	}
}

static void put_type_name(const planner *p, const char *schema, const char *name, pythia_buffer *out)
{
	pythia_dialect_table(pythia_dialect_of(p->target), out, schema, name);
}

static void create_enum(planner *p, const char *schema, const char *name, const pythia_type *type, const char *comment)
{
	const pythia_dialect *dialect = pythia_dialect_of(p->target);
	pythia_buffer sql = PYTHIA_BUFFER_INIT;

	pythia_buffer_puts(&sql, "CREATE TYPE ");
	put_type_name(p, schema, name, &sql);
	pythia_buffer_puts(&sql, " AS ENUM (");
	for (int i = 0; i < type->nlabels; i++)
	{
		pythia_buffer_puts(&sql, i > 0 ? ", " : "");
		dialect->plain_string(&sql, type->labels[i]);
	}
	pythia_buffer_putc(&sql, ')');
	planner_step(p, false, "enum type", name, &sql);
	if (comment == NULL)
		return;
	pythia_buffer_puts(&sql, "COMMENT ON TYPE ");
	put_type_name(p, schema, name, &sql);
	pythia_buffer_puts(&sql, " IS ");
	dialect->plain_string(&sql, comment);
	planner_step(p, false, "comment", name, &sql);
}

static void make_enums(planner *p)
{
	for (int i = 0; i < p->catalog->nenums; i++)
	{
		const pythia_catalog_enum *type = &p->catalog->enums[i];

		if (planner_to(p, PYTHIA_POSTGRESQL))
		{
			create_enum(p, planner_schema(p, type->schema), type->name, &type->labels, type->comment);
			planner_note(p, PYTHIA_MIGRATE_CARRIED, "enum type", NULL, type->name, NULL);
		}
		else
			planner_note(p, PYTHIA_MIGRATE_CHANGED, "enum type", NULL, type->name,
						 planner_to(p, PYTHIA_MYSQL) ? "each column of it has an ENUM of its own"
													 : "each column of it has a CHECK of its own");
	}
}

/* --- sequences ----------------------------------------------------------------------------------- */

static const pythia_catalog_sequence *sequence_of(const planner *p, const char *schema, const char *name)
{
	for (int i = 0; i < p->catalog->nsequences; i++)
	{
		const pythia_catalog_sequence *sequence = &p->catalog->sequences[i];

		if (sequence->name != NULL && strcmp(sequence->name, name) == 0 && strcmp(sequence->schema, schema) == 0)
			return sequence;
	}
	return NULL;
}

static void put_sequence_options(const pythia_catalog_sequence *sequence, pythia_buffer *out)
{
	pythia_buffer_printf(out, " START WITH %s INCREMENT BY %s MINVALUE %s MAXVALUE %s CACHE %s%s", sequence->start,
						 sequence->increment, sequence->minimum, sequence->maximum, sequence->cache,
						 sequence->cycle ? " CYCLE" : "");
}

static const char *integer_name(const char *type)
{
	return type != NULL && strcmp(type, "smallint") == 0  ? "smallint"
		   : type != NULL && strcmp(type, "integer") == 0 ? "integer"
														  : "bigint";
}

/* Those of identity columns come with them. */
static void make_sequences(planner *p)
{
	for (int i = 0; i < p->catalog->nsequences; i++)
	{
		const pythia_catalog_sequence *sequence = &p->catalog->sequences[i];
		pythia_buffer sql = PYTHIA_BUFFER_INIT;

		if (sequence->name == NULL || sequence->identity != '\0')
			continue;
		if (!planner_to(p, PYTHIA_POSTGRESQL))
		{
			if (sequence->table == NULL)
				planner_note(p, PYTHIA_MIGRATE_LEFT, "sequence", NULL, sequence->name,
							 "the target has none that stand alone");
			continue;
		}
		planner_take_name(p, &p->relations, planner_schema(p, sequence->schema), NULL, sequence->name);
		pythia_buffer_puts(&sql, "CREATE SEQUENCE ");
		put_type_name(p, planner_schema(p, sequence->schema), sequence->name, &sql);
		pythia_buffer_printf(&sql, " AS %s", integer_name(sequence->type));
		put_sequence_options(sequence, &sql);
		planner_step(p, false, "sequence", sequence->name, &sql);
	}
}

/* Between two PostgreSQLs a column counts by the sequence that it had. */
static const char *numbering(planner *p, const planned_table *table, int column)
{
	const pythia_catalog_column *more = &table->from->columns[column];
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	if (!planner_same_engine(p) || !planner_to(p, PYTHIA_POSTGRESQL))
		return NULL;
	for (int i = 0; i < p->catalog->nsequences; i++)
	{
		const pythia_catalog_sequence *s = &p->catalog->sequences[i];

		if (s->identity == '\0' || s->table == NULL || strcmp(s->table, table->from->table.name) != 0 ||
			strcmp(s->table_schema, table->from->table.schema) != 0 || strcmp(s->column, more->name) != 0)
			continue;
		/* BY DEFAULT until the rows are there */
		pythia_buffer_puts(&out, "GENERATED BY DEFAULT AS IDENTITY (SEQUENCE NAME ");
		put_type_name(p, planner_schema(p, s->schema), s->name, &out);
		put_sequence_options(s, &out);
		pythia_buffer_putc(&out, ')');
		return pythia_texts_take(&p->plan->texts, &out);
	}
	if (more->sequence_name != NULL && sequence_of(p, more->sequence_schema, more->sequence_name) != NULL)
	{
		pythia_buffer name = PYTHIA_BUFFER_INIT;

		put_type_name(p, planner_schema(p, more->sequence_schema), more->sequence_name, &name);
		pythia_buffer_puts(&out, "DEFAULT pg_catalog.nextval(");
		pythia_dialect_of(p->target)->plain_string(&out, name.data);
		pythia_buffer_puts(&out, "::pg_catalog.regclass)");
		pythia_buffer_free(&name);
		return pythia_texts_take(&p->plan->texts, &out);
	}
	return NULL;
}

static void own_sequences(planner *p, const planned_table *table)
{
	for (int i = 0; i < p->catalog->nsequences; i++)
	{
		const pythia_catalog_sequence *s = &p->catalog->sequences[i];
		pythia_buffer sql = PYTHIA_BUFFER_INIT;

		if (s->name == NULL || s->identity != '\0' || s->table == NULL || !planner_to(p, PYTHIA_POSTGRESQL) ||
			strcmp(s->table, table->from->table.name) != 0 || strcmp(s->table_schema, table->from->table.schema) != 0 ||
			planner_column(table, s->column) == NULL)
			continue;
		pythia_buffer_puts(&sql, "ALTER SEQUENCE ");
		put_type_name(p, planner_schema(p, s->schema), s->name, &sql);
		pythia_buffer_puts(&sql, " OWNED BY ");
		planner_put_table(p, table, &sql);
		pythia_buffer_putc(&sql, '.');
		planner_put_name(p, planner_column(table, s->column), &sql);
		planner_step(p, false, "sequence", s->name, &sql);
	}
}

/* --- columns --------------------------------------------------------------------------------------- */

static const char *enum_type(planner *p, const planned_table *table, int column)
{
	const pythia_column *from = &table->from->table.columns[column];
	const pythia_catalog_column *more = &table->from->columns[column];
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	pythia_buffer wanted = PYTHIA_BUFFER_INIT;
	char *name;

	if (!planner_to(p, PYTHIA_POSTGRESQL) || from->type.kind != PYTHIA_KIND_ENUM || from->type.nlabels == 0 ||
		pythia_labels_are_blurred(p->source, from))
		return NULL;
	if (more->type_name != NULL)
	{
		for (int i = 0; i < p->catalog->nenums; i++)
		{
			const pythia_catalog_enum *type = &p->catalog->enums[i];

			if (strcmp(type->name, more->type_name) != 0 || strcmp(type->schema, more->type_schema) != 0)
				continue;
			put_type_name(p, planner_schema(p, type->schema), type->name, &out);
			return pythia_texts_take(&p->plan->texts, &out);
		}
		return NULL;
	}
	if (p->source->engine != PYTHIA_MYSQL)
		return NULL;
	pythia_buffer_printf(&wanted, "%s_%s", table->name, table->names[column]);
	name = planner_take_name(p, &p->relations, table->schema, NULL, wanted.data);
	pythia_buffer_free(&wanted);
	create_enum(p, table->schema, name, &from->type, NULL);
	put_type_name(p, table->schema, name, &out);
	return pythia_texts_take(&p->plan->texts, &out);
}

static const char *domain_type(planner *p, const planned_table *table, int column)
{
	const pythia_catalog_column *more = &table->from->columns[column];
	const pythia_catalog_domain *domain = planner_domain(p, more->type_schema, more->type_name);
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	if (domain == NULL)
		return NULL;
	put_type_name(p, planner_schema(p, domain->schema), domain->name, &out);
	return pythia_texts_take(&p->plan->texts, &out);
}

static const char *own_type(planner *p, const planned_table *table, int column)
{
	const char *domain = domain_type(p, table, column);

	return domain != NULL ? domain : enum_type(p, table, column);
}

static const char *generated(planner *p, const planned_table *table, int column, const char **why)
{
	const pythia_catalog_column *more = &table->from->columns[column];
	bool stored = more->stored;
	pythia_class class = PYTHIA_CLASS_UNKNOWN;
	bool cast;
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	pythia_buffer out = PYTHIA_BUFFER_INIT;
	bool ok;

	if (more->generated == NULL)
	{
		*why = "its expression is not shown";
		return NULL;
	}
	ok = planner_expression(p, table, more->generated, false, &text, &class, why);
	/* PostgreSQL before 18 has no others */
	if (planner_to(p, PYTHIA_POSTGRESQL) && p->target->version < 180000)
		stored = true;
	/* PostgreSQL takes no truth value for a number */
	cast = ok && planner_to(p, PYTHIA_POSTGRESQL) && class == PYTHIA_CLASS_BOOL &&
		   table->design.columns[table->position[column]].type.kind != PYTHIA_KIND_BOOL;
	if (ok)
		pythia_buffer_printf(&out, "GENERATED ALWAYS AS (%s%s) %s", text.data, cast ? "::integer" : "",
							 stored ? "STORED" : "VIRTUAL");
	pythia_buffer_free(&text);
	return ok ? pythia_texts_take(&p->plan->texts, &out) : NULL;
}

static const char *mapped_column(const pythia_sync_config *config, const char *name)
{
	for (const pythia_node *node = pythia_node_members(config->column_map); node != NULL; node = node->next)
		if (strcasecmp(node->name, name) == 0)
			return node->text;
	return name;
}

static bool design(planner *p, planned_table *table, const pythia_sync_job *job)
{
	const pythia_table *from = &table->from->table;
	int n = 0;

	for (int i = 0; i < from->ncolumns; i++)
		table->position[i] = table->names[i] != NULL ? n++ : -1;
	pythia_table_free(&table->design);
	return pythia_target_design(job, from, table->names, from->key, from->nkey, table->schema, table->name,
								&table->design, p->error);
}

/* Names all columns; those that are generated by what cannot be said there are left out again. */
static bool design_columns(planner *p, planned_table *table, const pythia_sync_job *job)
{
	const pythia_table *from = &table->from->table;
	bool again = false;

	for (int i = 0; i < from->ncolumns; i++)
		table->names[i] = mapped_column(job->config, from->columns[i].name);
	if (!design(p, table, job))
		return false;
	for (int i = 0; i < from->ncolumns; i++)
	{
		const char *why = NULL;
		const char *text = from->columns[i].generated ? generated(p, table, i, &why) : NULL;

		if (!from->columns[i].generated)
			continue;
		if (text == NULL)
		{
			char *shown = pythia_visible_short(
				table->from->columns[i].generated != NULL ? table->from->columns[i].generated : "");

			planner_note(p, PYTHIA_MIGRATE_LEFT, "generated column", table->shown, from->columns[i].name, "%s: %s", why,
						 shown);
			pythia_free(shown);
			table->names[i] = NULL;
			again = true;
		}
		else
			table->generated[i] = text;
	}
	return !again || design(p, table, job);
}

static int64_t bounded(int64_t length)
{
	/* as long as anybody likes */
	return length >= 16777215 ? -1 : length;
}

/* Is it the same type, spelled as the target does? */
static bool is_same_type(const pythia_type *a, const pythia_type *b)
{
	return a->kind == b->kind && a->kind != PYTHIA_KIND_OTHER && a->size == b->size && a->precision == b->precision &&
		   a->scale == b->scale && bounded(a->length) == bounded(b->length);
}

static void note_columns(planner *p, const planned_table *table)
{
	const pythia_table *from = &table->from->table;

	for (int i = 0; i < from->ncolumns; i++)
	{
		const pythia_column *source = &from->columns[i];
		const pythia_column *made = table->position[i] >= 0 ? &table->design.columns[table->position[i]] : NULL;
		const char *type;

		if (made == NULL)
			continue;
		type = table->types[table->position[i]] != NULL ? table->types[table->position[i]] : made->type.native;
		if (table->types[table->position[i]] == NULL && !is_same_type(&source->type, &made->type) &&
			strcasecmp(pythia_type_shown(&source->type), type) != 0)
			planner_note(p, PYTHIA_MIGRATE_CHANGED, "type", table->shown, source->name, "%s is made as %s",
						 pythia_type_shown(&source->type), type);
		if (source->generated)
			planner_note(p, PYTHIA_MIGRATE_CARRIED, "generated column", table->shown, source->name, NULL);
		if (source->expression != NULL)
			planner_note(p, PYTHIA_MIGRATE_CHANGED, "value", table->shown, source->name,
						 "it is computed or masked by the source");
		if (made->nullable && !source->nullable)
			planner_note(p, PYTHIA_MIGRATE_LEFT, "NOT NULL", table->shown, source->name, "a policy may say NULL there");
		if (source->value.kind != PYTHIA_DEFAULT_NONE && !source->identity && !source->generated &&
			made->value.kind == PYTHIA_DEFAULT_NONE && table->numbering[table->position[i]] == NULL)
		{
			char *shown = pythia_visible_short(source->value.text != NULL ? source->value.text : "the current time");

			planner_note(p, PYTHIA_MIGRATE_LEFT, "default", table->shown, source->name, "it cannot be said there: %s",
						 shown);
			pythia_free(shown);
		}
		if (source->identity && table->numbering[table->position[i]] == NULL &&
			!pythia_target_counts(p->target, &table->design, table->position[i]))
			planner_note(p, PYTHIA_MIGRATE_LEFT, "numbering", table->shown, source->name,
						 "the target's column cannot count on by itself");
	}
}

/* --- tables ------------------------------------------------------------------------------------------ */

static const char *table_options(planner *p, const planned_table *table)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	if (!planner_same_engine(p))
		return NULL;
	if (planner_to(p, PYTHIA_MYSQL) && table->from->collation != NULL && p->target->version >= p->source->version &&
		table->from->collation[strspn(table->from->collation, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0')
		pythia_buffer_printf(&out, "ENGINE=InnoDB DEFAULT COLLATE=%s", table->from->collation);
	if (planner_to(p, PYTHIA_SQLITE) && (table->from->strict || table->from->without_rowid))
		pythia_buffer_printf(&out, "%s%s%s", table->from->strict ? "STRICT" : "",
							 table->from->strict && table->from->without_rowid ? ", " : "",
							 table->from->without_rowid ? "WITHOUT ROWID" : "");
	return out.length > 0 ? pythia_texts_take(&p->plan->texts, &out) : NULL;
}

static const char *primary_name(const planner *p, const planned_table *table)
{
	for (int i = 0; i < table->from->nindexes; i++)
		if (table->from->indexes[i].primary && planner_same_engine(p) && planner_to(p, PYTHIA_POSTGRESQL))
			return table->from->indexes[i].name;
	return NULL;
}

/* SQLite's own collations, and those of PostgreSQL that are everywhere. */
static void keep_collation(planner *p, const planned_table *table, int column)
{
	static const char *const sqlite[] = {"NOCASE", "RTRIM"};
	static const char *const postgres[] = {"C", "POSIX", "ucs_basic"};
	const char *const *list = planner_to(p, PYTHIA_SQLITE) ? sqlite : postgres;
	const char *has = planner_to(p, PYTHIA_SQLITE) ? table->from->columns[column].collation
												   : table->from->table.columns[column].collation;
	pythia_column *made = &table->design.columns[table->position[column]];
	pythia_buffer quoted = PYTHIA_BUFFER_INIT;

	if (!planner_same_engine(p) || planner_to(p, PYTHIA_MYSQL) || has == NULL || made->collation != NULL)
		return;
	for (int i = 0; i < (planner_to(p, PYTHIA_SQLITE) ? 2 : 3); i++)
	{
		if (strcasecmp(has, list[i]) != 0)
			continue;
		if (planner_to(p, PYTHIA_POSTGRESQL))
			pythia_buffer_puts(&quoted, "pg_catalog.");
		planner_put_name(p, list[i], &quoted);
		made->collation = pythia_buffer_take(&quoted);
	}
}

/* The expressions of generated columns, by the target's columns; to be freed. */
static const char **generated_there(const planned_table *table)
{
	const char **list = pythia_calloc((size_t) table->from->table.ncolumns + 2, sizeof(char *));

	for (int i = 0; i < table->from->table.ncolumns; i++)
		if (table->position[i] >= 0)
			list[table->position[i]] = table->generated[i];
	return list;
}

static void put_table(planner *p, planned_table *table)
{
	const char **expressions = generated_there(table);
	pythia_buffer constraints = PYTHIA_BUFFER_INIT;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_table made = table->design;
	pythia_definition definition = {.types = table->types,
									.generated = expressions,
									.numbering = table->numbering,
									.tails = table->tails,
									.primary = primary_name(p, table),
									.options = table_options(p, table),
									.autoincrement = table->from->autoincrement,
									.null_keys = planner_same_engine(p) && !table->from->without_rowid,
									.lines = true};

	/* the files are for any database of the engine */
	made.schema = table->schema;
	if (planner_to(p, PYTHIA_SQLITE))
	{
		planner_put_uniques(p, table, &constraints);
		planner_put_foreigns(p, table, &constraints);
		planner_put_checks(p, table, &constraints);
	}
	definition.constraints = constraints.length > 0 ? constraints.data : NULL;
	pythia_target_ddl(p->target, &made, &definition, &sql);
	planner_step(p, false, "table", table->shown, &sql);
	pythia_free(expressions);
	pythia_buffer_free(&constraints);
	for (int i = -1; planner_to(p, PYTHIA_POSTGRESQL) && i < made.ncolumns; i++)
		if (pythia_target_comment(&made, i, &sql))
			planner_step(p, false, "comment", table->shown, &sql);
	own_sequences(p, table);
}

static void fill_columns(planner *p, planned_table *table)
{
	for (int i = 0; i < table->from->table.ncolumns; i++)
	{
		int at = table->position[i];
		const pythia_type *type = &table->from->table.columns[i].type;

		if (at < 0)
			continue;
		table->types[at] = table->mapped[at] ? NULL : own_type(p, table, i);
		table->numbering[at] = numbering(p, table, i);
		if (planner_same_engine(p) && planner_to(p, PYTHIA_MYSQL) && table->from->columns[i].on_update != NULL)
		{
			pythia_buffer tail = PYTHIA_BUFFER_INIT;

			pythia_buffer_puts(&tail, "ON UPDATE CURRENT_TIMESTAMP");
			if (type->precision > 0)
				pythia_buffer_printf(&tail, "(%d)", type->precision);
			table->tails[at] = pythia_texts_take(&p->plan->texts, &tail);
		}
		if (table->from->strict && planner_same_engine(p) && (type->native == NULL || type->native[0] == '\0'))
			table->types[at] = "ANY";
		keep_collation(p, table, i);
	}
}

static bool design_table(planner *p, pythia_catalog_table *from, planned_table *table)
{
	size_t n = (size_t) table->from->table.ncolumns + 2;
	pythia_sync_config config;
	pythia_sync_job job = {.source = p->source, .target = p->target, .table = table->from->quoted, .config = &config};
	bool ok;

	table->position = pythia_calloc(n, sizeof(int));
	table->names = pythia_calloc(n, sizeof(char *));
	table->generated = pythia_calloc(n, sizeof(char *));
	table->types = pythia_calloc(n, sizeof(char *));
	table->numbering = pythia_calloc(n, sizeof(char *));
	table->tails = pythia_calloc(n, sizeof(char *));
	table->mapped = pythia_calloc(n, sizeof(bool));
	ok = pythia_sync_config_read(p->options->config, NULL, table->from->quoted, &config, p->error) &&
		 pythia_target_name_fits(p->target, table->name, "table_map", p->error) &&
		 pythia_expressions_apply(&job, &from->table, false, p->error) && design_columns(p, table, &job);
	for (int i = 0; ok && i < from->table.ncolumns; i++)
	{
		const char *type = NULL;

		if (table->position[i] < 0)
			continue;
		ok = pythia_map_type(&job, &from->table.columns[i], &type, p->error);
		table->mapped[table->position[i]] = type != NULL;
	}
	for (int i = 0; ok && i < table->design.ncolumns; i++)
		ok = pythia_target_name_fits(p->target, table->design.columns[i].name, "column_map", p->error);
	table->made = ok;
	return ok;
}

bool planner_tables(planner *p)
{
	make_schemas(p);
	make_enums(p);
	planner_domains(p);
	make_sequences(p);
	for (int i = 0; i < p->catalog->ntables; i++)
	{
		planned_table *table = &p->tables[i];

		if (design_table(p, &p->catalog->tables[i], table))
			continue;
		/* one table's trouble is that table's */
		if (p->source->broken || p->target->broken || p->error->error_class == PYTHIA_E_CANCELLED)
			return false;
		planner_note(p, PYTHIA_MIGRATE_LEFT, "table", NULL, table->shown, "%s%s%s", p->error->message,
					 p->error->hint != NULL ? ".  " : "", p->error->hint != NULL ? p->error->hint : "");
		pythia_error_reset(p->error);
	}
	/* when it is known which there are: they refer to each other */
	for (int i = 0; i < p->catalog->ntables; i++)
	{
		if (!p->tables[i].made)
			continue;
		planner_note(p, PYTHIA_MIGRATE_CARRIED, "table", NULL, p->tables[i].shown, NULL);
		fill_columns(p, &p->tables[i]);
		note_columns(p, &p->tables[i]);
		put_table(p, &p->tables[i]);
	}
	return true;
}
