/*
 * A temporary table of the target beside the real one: loaded in bulk, then compared and merged by
 * statements over whole sets.  Rows that are equal already are not written; a row is found by its
 * key alone, so a second unique key that collides is an error and never an overwritten stranger.
 */
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "sync/run.h"

const char *pythia_stage_schema(const pythia_run *run)
{
	switch (run->target->engine)
	{
		case PYTHIA_POSTGRESQL:
			return "pg_temp";
		case PYTHIA_SQLITE:
			return "temp";
		case PYTHIA_MYSQL:
			break;
	}
	/* a temporary table hides a real one of its name, and lives in a database */
	return run->plan.target.schema;
}

static const pythia_dialect *dialect_of(const pythia_run *run)
{
	return pythia_dialect_of(run->target);
}

static void put_stage(const pythia_run *run, pythia_buffer *out)
{
	pythia_dialect_table(dialect_of(run), out, pythia_stage_schema(run), PYTHIA_STAGE_NAME);
}

static void put_target(const pythia_run *run, pythia_buffer *out)
{
	pythia_dialect_table(dialect_of(run), out, run->plan.target.schema, run->plan.target.name);
}

static void put_column(const pythia_run *run, pythia_buffer *out, const char *alias, int pair)
{
	pythia_buffer_puts(out, alias);
	dialect_of(run)->identifier(out, run->names[pair]);
}

static void put_columns(const pythia_run *run, pythia_buffer *out, const char *alias)
{
	for (int i = 0; i < run->plan.npairs; i++)
	{
		pythia_buffer_puts(out, i > 0 ? ", " : "");
		put_column(run, out, alias, i);
	}
}

static void put_key_join(const pythia_run *run, pythia_buffer *out)
{
	for (int i = 0; i < run->plan.nkey; i++)
	{
		pythia_buffer_puts(out, i > 0 ? " AND " : "");
		put_column(run, out, "t.", run->plan.key[i]);
		pythia_buffer_puts(out, " = ");
		put_column(run, out, "s.", run->plan.key[i]);
	}
}

static bool is_key(const pythia_run *run, int pair)
{
	for (int i = 0; i < run->plan.nkey; i++)
	{
		if (run->plan.key[i] == pair)
			return true;
	}
	return false;
}

bool pythia_stage_create(pythia_run *run, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	if (!pythia_stage_drop(run, error))
		return false;
	pythia_buffer_puts(&sql, "CREATE TEMPORARY TABLE ");
	/* PostgreSQL takes pg_temp as TEMPORARY's schema, SQLite wants no schema beside TEMPORARY */
	if (run->target->engine == PYTHIA_SQLITE)
		dialect_of(run)->identifier(&sql, PYTHIA_STAGE_NAME);
	else
		put_stage(run, &sql);
	if (run->target->engine == PYTHIA_MYSQL)
	{
		/* its primary key finds keys that are one under the target's collation */
		pythia_buffer_puts(&sql, " (PRIMARY KEY (");
		for (int i = 0; i < run->plan.nkey; i++)
		{
			pythia_buffer_puts(&sql, i > 0 ? ", " : "");
			put_column(run, &sql, "", run->plan.key[i]);
		}
		pythia_buffer_puts(&sql, "))");
	}
	pythia_buffer_puts(&sql, " AS SELECT ");
	put_columns(run, &sql, "");
	pythia_buffer_puts(&sql, " FROM ");
	put_target(run, &sql);
	pythia_buffer_puts(&sql, run->target->engine == PYTHIA_POSTGRESQL ? " WITH NO DATA" : " WHERE 1 = 0");
	ok = pythia_db_exec(run->target, sql.data, NULL, error);
	if (!ok)
		pythia_error_context(error, "making a stage for table \"%s\"", run->plan.target.name);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_stage_clear(pythia_run *run, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	/* MySQL's TRUNCATE commits, which is why this comes before a chunk's transaction */
	pythia_buffer_puts(&sql, run->target->engine == PYTHIA_SQLITE ? "DELETE FROM " : "TRUNCATE TABLE ");
	put_stage(run, &sql);
	ok = pythia_db_exec(run->target, sql.data, NULL, error);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_stage_drop(pythia_run *run, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_buffer_puts(&sql, run->target->engine == PYTHIA_MYSQL ? "DROP TEMPORARY TABLE IF EXISTS "
																 : "DROP TABLE IF EXISTS ");
	put_stage(run, &sql);
	ok = pythia_db_exec(run->target, sql.data, NULL, error);
	pythia_buffer_free(&sql);
	return ok;
}

/* --- what differs ---------------------------------------------------------- */

/* PostgreSQL: types that have no equality, or whose equality is looser than their text. */
static const char *postgres_cast(const pythia_type *type)
{
	static const char *const textual[] = {"json", "xml",  "point",   "line",   "lseg",
										  "box",  "path", "polygon", "circle", NULL};

	if (type->kind == PYTHIA_KIND_INTERVAL || type->kind == PYTHIA_KIND_OTHER)
		return "::text";
	if (type->kind == PYTHIA_KIND_TEXT || type->kind == PYTHIA_KIND_CHAR)
		return type->native != NULL && strstr(type->native, "citext") != NULL ? "::text" : "";
	for (const char *const *name = textual; type->native != NULL && *name != NULL; name++)
	{
		if (strcmp(type->native, *name) == 0)
			return "::text";
	}
	return "";
}

static void put_postgres_difference(const pythia_run *run, int pair, pythia_buffer *out)
{
	const pythia_type *type = run->types[pair];
	const char *before = type->kind == PYTHIA_KIND_DOUBLE  ? "pg_catalog.float8send("
						 : type->kind == PYTHIA_KIND_FLOAT ? "pg_catalog.float4send("
														   : "";
	const char *after = before[0] != '\0' ? ")" : postgres_cast(type);

	pythia_buffer_puts(out, before);
	put_column(run, out, "t.", pair);
	pythia_buffer_printf(out, "%s IS DISTINCT FROM %s", after, before);
	put_column(run, out, "s.", pair);
	pythia_buffer_puts(out, after);
}

static void put_mysql_difference(const pythia_run *run, int pair, pythia_buffer *out)
{
	pythia_kind kind = run->types[pair]->kind;
	bool text = kind == PYTHIA_KIND_TEXT || kind == PYTHIA_KIND_CHAR || kind == PYTHIA_KIND_OTHER ||
				kind == PYTHIA_KIND_ENUM || kind == PYTHIA_KIND_SET ||
				(kind == PYTHIA_KIND_JSON && run->target->is_mariadb);
	const char *before = text ? "BINARY " : kind == PYTHIA_KIND_GEOMETRY ? "ST_AsWKB(" : "";
	const char *after = kind == PYTHIA_KIND_GEOMETRY ? ")" : "";

	/* a stage is made from the target's columns, so bytes can be compared with bytes */
	pythia_buffer_printf(out, "NOT (%s", before);
	put_column(run, out, "t.", pair);
	pythia_buffer_printf(out, "%s <=> %s", after, before);
	put_column(run, out, "s.", pair);
	pythia_buffer_printf(out, "%s)", after);
}

static void put_difference(const pythia_run *run, pythia_buffer *out)
{
	bool any = false;

	if (run->known_to_differ)
	{
		pythia_buffer_puts(out, "1 = 1");
		return;
	}
	pythia_buffer_putc(out, '(');
	for (int i = 0; i < run->plan.npairs; i++)
	{
		if (is_key(run, i))
			continue;
		pythia_buffer_puts(out, any ? " OR " : "");
		any = true;
		switch (run->target->engine)
		{
			case PYTHIA_POSTGRESQL:
				put_postgres_difference(run, i, out);
				break;
			case PYTHIA_MYSQL:
				put_mysql_difference(run, i, out);
				break;
			case PYTHIA_SQLITE:
				put_column(run, out, "t.", i);
				pythia_buffer_puts(out, " IS NOT ");
				put_column(run, out, "s.", i);
				pythia_buffer_puts(out, " COLLATE BINARY");
				break;
		}
	}
	pythia_buffer_puts(out, any ? ")" : "1 = 0)");
}

/* Whose row stays, where both have one: a NULL stamp loses, a tie goes to the source. */
static void put_rule(const pythia_run *run, pythia_buffer *out)
{
	const char *comparison = run->job->config->conflict == PYTHIA_CONFLICT_NEWEST_WINS ? " >= " : " <= ";

	if (run->job->config->conflict != PYTHIA_CONFLICT_NEWEST_WINS &&
		run->job->config->conflict != PYTHIA_CONFLICT_OLDEST_WINS)
		return;
	pythia_buffer_puts(out, " AND (");
	put_column(run, out, "t.", run->plan.stamp);
	pythia_buffer_puts(out, " IS NULL OR ");
	put_column(run, out, "s.", run->plan.stamp);
	pythia_buffer_puts(out, comparison);
	put_column(run, out, "t.", run->plan.stamp);
	pythia_buffer_putc(out, ')');
}

/* --- merging --------------------------------------------------------------- */

static bool count_differing(pythia_run *run, int64_t *count, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	char *text = NULL;
	bool ok;

	pythia_buffer_puts(&sql, "SELECT count(*) FROM ");
	put_stage(run, &sql);
	pythia_buffer_puts(&sql, " s JOIN ");
	put_target(run, &sql);
	pythia_buffer_puts(&sql, " t ON ");
	put_key_join(run, &sql);
	pythia_buffer_puts(&sql, " WHERE ");
	put_difference(run, &sql);
	ok = pythia_run_scalar(run->target, sql.data, &text, error);
	if (ok)
		*count = text != NULL ? strtoll(text, NULL, 10) : 0;
	pythia_free(text);
	pythia_buffer_free(&sql);
	return ok;
}

static bool count_missing(pythia_run *run, int64_t *count, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	char *text = NULL;
	bool ok;

	pythia_buffer_puts(&sql, "SELECT count(*) FROM ");
	put_stage(run, &sql);
	pythia_buffer_puts(&sql, " s LEFT JOIN ");
	put_target(run, &sql);
	pythia_buffer_puts(&sql, " t ON ");
	put_key_join(run, &sql);
	pythia_buffer_puts(&sql, " WHERE ");
	put_column(run, &sql, "t.", run->plan.key[0]);
	pythia_buffer_puts(&sql, " IS NULL");
	ok = pythia_run_scalar(run->target, sql.data, &text, error);
	if (ok)
		*count = text != NULL ? strtoll(text, NULL, 10) : 0;
	pythia_free(text);
	pythia_buffer_free(&sql);
	return ok;
}

static void put_assignments(const pythia_run *run, const char *alias, pythia_buffer *out)
{
	bool any = false;

	for (int i = 0; i < run->plan.npairs; i++)
	{
		if (is_key(run, i))
			continue;
		pythia_buffer_puts(out, any ? ", " : "");
		any = true;
		put_column(run, out, alias, i);
		pythia_buffer_puts(out, " = ");
		put_column(run, out, "s.", i);
	}
}

static bool update_rows(pythia_run *run, int64_t *count, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	*count = 0;
	if (run->plan.npairs == run->plan.nkey)
		return true;
	pythia_buffer_puts(&sql, "UPDATE ");
	put_target(run, &sql);
	if (run->target->engine == PYTHIA_MYSQL)
	{
		pythia_buffer_puts(&sql, " t JOIN ");
		put_stage(run, &sql);
		pythia_buffer_puts(&sql, " s ON ");
		put_key_join(run, &sql);
		pythia_buffer_puts(&sql, " SET ");
		put_assignments(run, "t.", &sql);
		pythia_buffer_puts(&sql, " WHERE ");
	}
	else
	{
		pythia_buffer_puts(&sql, " AS t SET ");
		put_assignments(run, "", &sql);
		pythia_buffer_puts(&sql, " FROM ");
		put_stage(run, &sql);
		pythia_buffer_puts(&sql, " AS s WHERE ");
		put_key_join(run, &sql);
		pythia_buffer_puts(&sql, " AND ");
	}
	put_difference(run, &sql);
	put_rule(run, &sql);
	ok = pythia_run_exec(run, sql.data, count, error);
	pythia_buffer_free(&sql);
	return ok;
}

static bool insert_rows(pythia_run *run, int64_t *count, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_buffer_puts(&sql, "INSERT INTO ");
	put_target(run, &sql);
	pythia_buffer_puts(&sql, " (");
	put_columns(run, &sql, "");
	pythia_buffer_puts(&sql, ") ");
	if (run->target->engine == PYTHIA_POSTGRESQL)
		pythia_buffer_puts(&sql, "OVERRIDING SYSTEM VALUE ");
	pythia_buffer_puts(&sql, "SELECT ");
	put_columns(run, &sql, "s.");
	pythia_buffer_puts(&sql, " FROM ");
	put_stage(run, &sql);
	pythia_buffer_puts(&sql, " s LEFT JOIN ");
	put_target(run, &sql);
	pythia_buffer_puts(&sql, " t ON ");
	put_key_join(run, &sql);
	pythia_buffer_puts(&sql, " WHERE ");
	put_column(run, &sql, "t.", run->plan.key[0]);
	pythia_buffer_puts(&sql, " IS NULL");
	ok = pythia_run_exec(run, sql.data, count, error);
	pythia_buffer_free(&sql);
	return ok;
}

/* Names one row that is there already and differs, for the rule "error". */
static bool report_conflict(pythia_run *run, int64_t differing, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_result result;
	pythia_buffer key = PYTHIA_BUFFER_INIT;

	memset(&result, 0, sizeof(result));
	pythia_buffer_puts(&sql, "SELECT ");
	for (int i = 0; i < run->plan.nkey; i++)
	{
		pythia_buffer_puts(&sql, i > 0 ? ", " : "");
		put_column(run, &sql, "t.", run->plan.key[i]);
	}
	pythia_buffer_puts(&sql, " FROM ");
	put_stage(run, &sql);
	pythia_buffer_puts(&sql, " s JOIN ");
	put_target(run, &sql);
	pythia_buffer_puts(&sql, " t ON ");
	put_key_join(run, &sql);
	pythia_buffer_puts(&sql, " WHERE ");
	put_difference(run, &sql);
	pythia_buffer_puts(&sql, " LIMIT 1");
	if (pythia_db_query(run->target, sql.data, &result, error))
	{
		for (int i = 0; i < result.ncolumns && result.nrows > 0; i++)
		{
			const char *text = pythia_result_get(&result, 0, i);

			pythia_buffer_printf(&key, "%s%.100s", i > 0 ? ", " : "", text != NULL ? text : "NULL");
		}
		pythia_fail(error, PYTHIA_E_DATA, "23505", "%lld rows of table \"%s\" exist in the target and differ",
					(long long) differing, run->plan.target.name);
		pythia_error_detail(error, "One of them has the key (%s).", pythia_buffer_text(&key));
		pythia_error_hint(error, "Set conflict_resolution to another rule, or look at the rows.");
	}
	pythia_result_free(&result);
	pythia_buffer_free(&sql);
	pythia_buffer_free(&key);
	return false;
}

static bool updates(const pythia_run *run)
{
	pythia_conflict rule = run->job->config->conflict;

	return rule == PYTHIA_CONFLICT_SOURCE_WINS || rule == PYTHIA_CONFLICT_NEWEST_WINS ||
		   rule == PYTHIA_CONFLICT_OLDEST_WINS;
}

bool pythia_stage_apply(pythia_run *run, uint64_t rows, pythia_error *error)
{
	pythia_conflict rule = run->job->config->conflict;
	bool dry = run->job->config->dry_run;
	int64_t differing = 0;
	int64_t updated = 0;
	int64_t inserted = 0;

	if ((rule != PYTHIA_CONFLICT_SOURCE_WINS || dry) && !count_differing(run, &differing, error))
		return false;
	if (rule == PYTHIA_CONFLICT_ERROR && differing > 0)
		return report_conflict(run, differing, error);
	if (dry)
	{
		updated = updates(run) ? differing : 0;
		if (!count_missing(run, &inserted, error))
			return false;
	}
	else if ((updates(run) && !update_rows(run, &updated, error)) || !insert_rows(run, &inserted, error))
		return false;
	run->result->rows_updated += updated;
	run->result->rows_inserted += inserted;
	if (rule != PYTHIA_CONFLICT_SOURCE_WINS && rule != PYTHIA_CONFLICT_ERROR)
		run->result->rows_skipped += differing - updated;
	run->result->rows_synced += (int64_t) rows - (differing > updated ? differing - updated : 0);
	return true;
}
