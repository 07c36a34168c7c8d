/*
 * The stage's rows put into the target by statements over whole sets.  Rows that are equal already
 * are not written; a row is found by its key alone, so a second unique key that collides is an
 * error and never an overwritten stranger.
 */
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "sync/run.h"

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

void pythia_merge_table(const pythia_run *run, bool stage, pythia_buffer *out)
{
	if (stage)
		put_stage(run, out);
	else
		put_target(run, out);
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

static const char *collation_of(const pythia_column *column)
{
	return column->collation != NULL ? column->collation : "";
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text);

	return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

/* Texts that this key's equality takes for one though they are not: in other case, with blanks behind. */
static bool equality_is_loose(const pythia_run *run, int pair)
{
	const pythia_column *column = pythia_pair_target(&run->plan, pair);
	pythia_kind kind = column->type.kind;

	if (kind != PYTHIA_KIND_TEXT && kind != PYTHIA_KIND_CHAR && kind != PYTHIA_KIND_OTHER)
		return false;
	if (run->target->engine == PYTHIA_MYSQL)
		return collation_of(column)[0] != '\0' && !ends_with(collation_of(column), "_nopad_bin") &&
			   strcmp(collation_of(column), "binary") != 0;
	/* PostgreSQL names a collation where it is not the type's own, as one that is not deterministic must be */
	return run->target->engine == PYTHIA_SQLITE || collation_of(column)[0] != '\0' ||
		   (column->type.native != NULL && strstr(column->type.native, "citext") != NULL);
}

bool pythia_merge_keys_are_loose(const pythia_run *run)
{
	for (int i = 0; i < run->plan.nkey; i++)
	{
		if (equality_is_loose(run, run->plan.key[i]))
			return true;
	}
	return false;
}

/* Both sides take the same texts for one: then the row is the same, and its key's spelling may change. */
static bool spelling_may_change(const pythia_run *run, int pair)
{
	return equality_is_loose(run, pair) && run->source->engine == run->target->engine &&
		   run->target->engine == PYTHIA_MYSQL &&
		   strcmp(collation_of(pythia_pair_source(&run->plan, pair)),
				  collation_of(pythia_pair_target(&run->plan, pair))) == 0;
}

/*
 * A row is another one's counterpart only where their keys are the same, byte for byte: else the
 * target's equality would have one row of the source overwrite another's.  The engine's own
 * equality comes first, for the index; whoever collides fails when it is inserted.
 */
void pythia_merge_key_join(const pythia_run *run, pythia_buffer *out)
{
	for (int i = 0; i < run->plan.nkey; i++)
	{
		int pair = run->plan.key[i];
		bool mysql = run->target->engine == PYTHIA_MYSQL;
		bool postgres = run->target->engine == PYTHIA_POSTGRESQL;

		pythia_buffer_puts(out, i > 0 ? " AND " : "");
		put_column(run, out, "t.", pair);
		pythia_buffer_puts(out, " = ");
		put_column(run, out, "s.", pair);
		if (!equality_is_loose(run, pair) || spelling_may_change(run, pair))
			continue;
		pythia_buffer_puts(out, mysql ? " AND BINARY " : " AND ");
		put_column(run, out, "t.", pair);
		pythia_buffer_puts(out, mysql ? " = BINARY " : postgres ? "::pg_catalog.text = " : " = ");
		put_column(run, out, "s.", pair);
		if (!mysql)
			pythia_buffer_puts(out, postgres ? "::pg_catalog.text COLLATE pg_catalog.\"C\"" : " COLLATE BINARY");
	}
}

/* A key column that is the same wherever a row has a counterpart. */
static bool is_fixed(const pythia_run *run, int pair)
{
	return pythia_pair_is_key(&run->plan, pair) && !spelling_may_change(run, pair);
}

/* --- what differs ---------------------------------------------------------- */

/* PostgreSQL: types that have no equality, or whose equality is looser than their text, or a user's own. */
static bool postgres_compares_texts(const pythia_type *type)
{
	static const char *const textual[] = {"json", "xml",  "point",   "line",   "lseg",
										  "box",  "path", "polygon", "circle", NULL};

	if (type->kind == PYTHIA_KIND_INTERVAL || type->kind == PYTHIA_KIND_OTHER || !pythia_postgres_is_builtin(type))
		return true;
	for (const char *const *name = textual; *name != NULL; name++)
	{
		if (strcmp(type->native, *name) == 0)
			return true;
	}
	return false;
}

static void put_postgres_value(const pythia_run *run, int pair, const char *alias, pythia_buffer *out)
{
	const pythia_type *type = run->types[pair];
	pythia_buffer subject = PYTHIA_BUFFER_INIT;

	put_column(run, &subject, alias, pair);
	if (type->kind == PYTHIA_KIND_DOUBLE || type->kind == PYTHIA_KIND_FLOAT)
		pythia_buffer_printf(out, "pg_catalog.float%dsend(%s)", type->kind == PYTHIA_KIND_DOUBLE ? 8 : 4,
							 pythia_buffer_text(&subject));
	else if (postgres_compares_texts(type))
		pythia_postgres_text(out, type, pythia_buffer_text(&subject));
	else
		pythia_buffer_puts(out, pythia_buffer_text(&subject));
	pythia_buffer_free(&subject);
}

static void put_postgres_difference(const pythia_run *run, int pair, pythia_buffer *out)
{
	put_postgres_value(run, pair, "t.", out);
	pythia_buffer_puts(out, " IS DISTINCT FROM ");
	put_postgres_value(run, pair, "s.", out);
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

void pythia_merge_difference(const pythia_run *run, pythia_buffer *out)
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
		if (is_fixed(run, i))
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
void pythia_merge_rule(const pythia_run *run, pythia_buffer *out)
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

/* Up to the condition: the stage's rows, each with the target's of the same key. */
static void start_count(const pythia_run *run, const char *join, pythia_buffer *out)
{
	pythia_buffer_puts(out, "SELECT count(*) FROM ");
	put_stage(run, out);
	pythia_buffer_printf(out, " s %s ", join);
	put_target(run, out);
	pythia_buffer_puts(out, " t ON ");
	pythia_merge_key_join(run, out);
	pythia_buffer_puts(out, " WHERE ");
}

static bool count_differing(pythia_run *run, bool by_rule, int64_t *count, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	start_count(run, "JOIN", &sql);
	pythia_merge_difference(run, &sql);
	if (by_rule)
		pythia_merge_rule(run, &sql);
	ok = pythia_db_number(run->target, sql.data, count, error);
	pythia_buffer_free(&sql);
	return ok;
}

static bool count_missing(pythia_run *run, int64_t *count, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	start_count(run, "LEFT JOIN", &sql);
	put_column(run, &sql, "t.", run->plan.key[0]);
	pythia_buffer_puts(&sql, " IS NULL");
	ok = pythia_db_number(run->target, sql.data, count, error);
	pythia_buffer_free(&sql);
	return ok;
}

static void put_assignments(const pythia_run *run, const char *alias, pythia_buffer *out)
{
	bool any = false;

	for (int i = 0; i < run->plan.npairs; i++)
	{
		if (is_fixed(run, i))
			continue;
		pythia_buffer_puts(out, any ? ", " : "");
		any = true;
		put_column(run, out, alias, i);
		pythia_buffer_puts(out, " = ");
		put_column(run, out, "s.", i);
	}
}

static void put_changing(const pythia_run *run, const char *alias, pythia_buffer *out)
{
	bool any = false;

	for (int i = 0; i < run->plan.npairs; i++)
	{
		if (is_fixed(run, i))
			continue;
		pythia_buffer_puts(out, any ? ", " : "");
		any = true;
		put_column(run, out, alias, i);
	}
}

static void put_keys(const pythia_run *run, const char *alias, pythia_buffer *out)
{
	for (int i = 0; i < run->plan.nkey; i++)
	{
		pythia_buffer_puts(out, i > 0 ? ", " : "");
		put_column(run, out, alias, run->plan.key[i]);
	}
}

/*
 * SQLite's UPDATE ... FROM holds a row five times: what is compared, what it collects and what it writes.
 * Where rows are large, those that need no update leave the stage first, and each of the others is then
 * read and written by itself.
 */
static bool update_large(pythia_run *run, bool by_rule, int64_t *count, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	pythia_buffer counterpart = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_buffer_puts(&sql, "DELETE FROM ");
	put_stage(run, &sql);
	pythia_buffer_puts(&sql, " AS s WHERE EXISTS (SELECT 1 FROM ");
	put_target(run, &sql);
	pythia_buffer_puts(&sql, " AS t WHERE ");
	pythia_merge_key_join(run, &sql);
	pythia_buffer_puts(&sql, " AND (");
	pythia_merge_difference(run, &sql);
	if (by_rule)
		pythia_merge_rule(run, &sql);
	pythia_buffer_puts(&sql, ") IS NOT TRUE)");
	ok = pythia_run_exec(run, sql.data, NULL, error);
	pythia_buffer_clear(&sql);
	pythia_buffer_puts(&counterpart, " FROM ");
	put_stage(run, &counterpart);
	pythia_buffer_puts(&counterpart, " AS s WHERE ");
	pythia_merge_key_join(run, &counterpart);
	pythia_buffer_puts(&sql, "UPDATE ");
	put_target(run, &sql);
	pythia_buffer_puts(&sql, " AS t SET (");
	put_changing(run, "", &sql);
	pythia_buffer_puts(&sql, ") = (SELECT ");
	put_changing(run, "s.", &sql);
	pythia_buffer_printf(&sql, "%s) WHERE (", counterpart.data);
	put_keys(run, "t.", &sql);
	pythia_buffer_puts(&sql, ") IN (SELECT ");
	put_keys(run, "s.", &sql);
	pythia_buffer_puts(&sql, " FROM ");
	put_stage(run, &sql);
	/* the key itself, where the target takes others for it */
	pythia_buffer_printf(&sql, " AS s) AND EXISTS (SELECT 1%s)", counterpart.data);
	ok = ok && pythia_run_exec(run, sql.data, count, error);
	pythia_buffer_free(&counterpart);
	pythia_buffer_free(&sql);
	return ok;
}

bool pythia_merge_update(pythia_run *run, bool by_rule, int64_t *count, pythia_error *error)
{
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool any = false;
	bool ok;

	*count = 0;
	for (int i = 0; i < run->plan.npairs; i++)
		any = any || !is_fixed(run, i);
	if (!any)
		return true;
	if (run->large && run->target->engine == PYTHIA_SQLITE)
		return update_large(run, by_rule, count, error);
	pythia_buffer_puts(&sql, "UPDATE ");
	put_target(run, &sql);
	if (run->target->engine == PYTHIA_MYSQL)
	{
		pythia_buffer_puts(&sql, " t JOIN ");
		put_stage(run, &sql);
		pythia_buffer_puts(&sql, " s ON ");
		pythia_merge_key_join(run, &sql);
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
		pythia_merge_key_join(run, &sql);
		pythia_buffer_puts(&sql, " AND ");
	}
	pythia_merge_difference(run, &sql);
	if (by_rule)
		pythia_merge_rule(run, &sql);
	ok = pythia_run_exec(run, sql.data, count, error);
	pythia_buffer_free(&sql);
	return ok;
}

static bool insert_missing(pythia_run *run, int64_t *count, pythia_error *error)
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
	pythia_merge_key_join(run, &sql);
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
	pythia_merge_key_join(run, &sql);
	pythia_buffer_puts(&sql, " WHERE ");
	pythia_merge_difference(run, &sql);
	pythia_buffer_puts(&sql, " LIMIT 1");
	if (pythia_db_query(run->target, sql.data, "V*", &result, error))
	{
		for (int i = 0; i < result.ncolumns && result.nrows > 0; i++)
		{
			const char *text = pythia_result_optional(&result, 0, i);

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
		   rule == PYTHIA_CONFLICT_OLDEST_WINS || rule == PYTHIA_CONFLICT_FUNCTION;
}

static bool collides(const pythia_error *error)
{
	return strcmp(error->sqlstate, "23505") == 0 || strcmp(error->sqlstate, "23000") == 0;
}

/* Says what a collision in another unique key is about, where the engine's own words do not. */
static bool explain(pythia_error *error)
{
	if (collides(error) && error->hint == NULL)
		pythia_error_hint(error, "A row of the target with another key holds this value: mend one of the two rows, or "
								 "set on_bad_row to quarantine.");
	return false;
}

/* In one statement each; where each row has updated one of its own there is none to look for again. */
static bool update_and_insert(pythia_run *run, int64_t rows, int64_t *updated, int64_t *inserted, pythia_error *error)
{
	/* rows that are there may come to refer to rows that are new */
	if (run->refers_to_itself)
		return insert_missing(run, inserted, error) &&
			   (!updates(run) || pythia_merge_update(run, true, updated, error));
	return (!updates(run) || pythia_merge_update(run, true, updated, error)) &&
		   (*updated == rows || insert_missing(run, inserted, error));
}

static bool back_to_savepoint(pythia_run *run, pythia_error *error)
{
	return pythia_db_exec(run->target, "ROLLBACK TO SAVEPOINT pythia_merge", NULL, error) &&
		   pythia_db_exec(run->target, "RELEASE SAVEPOINT pythia_merge", NULL, error);
}

/* Rows that swap values of a unique key collide though the source's state is a sound one. */
static bool write_colliding(pythia_run *run, int64_t rows, int64_t *updated, int64_t *inserted, pythia_error *error)
{
	pythia_error second = PYTHIA_ERROR_INIT;
	bool ok;

	if (!pythia_db_exec(run->target, "SAVEPOINT pythia_merge", NULL, error))
		return false;
	ok = update_and_insert(run, rows, updated, inserted, error);
	if (!ok && collides(error))
	{
		*inserted = 0;
		if (pythia_db_exec(run->target, "ROLLBACK TO SAVEPOINT pythia_merge", NULL, &second) &&
			pythia_displace(run, updated, &second) && insert_missing(run, inserted, &second))
		{
			pythia_error_reset(error);
			ok = true;
		}
		/* a stranger in the way is told in the words of the first attempt */
		else if (!collides(&second) || second.hint != NULL)
			return pythia_error_move(error, &second);
		pythia_error_reset(&second);
	}
	if (ok)
		return pythia_db_exec(run->target, "RELEASE SAVEPOINT pythia_merge", NULL, error);
	if (!run->target->broken && collides(error) && !back_to_savepoint(run, &second))
		return pythia_error_move(error, &second);
	return false;
}

static bool write_rows(pythia_run *run, int64_t rows, int64_t *updated, int64_t *inserted, pythia_error *error)
{
	if (run->job->config->conflict == PYTHIA_CONFLICT_FUNCTION)
		/* first the new ones: the stage is used again for what the function returns */
		return insert_missing(run, inserted, error) && pythia_resolve_rows(run, updated, error);
	if (updates(run) && pythia_may_displace(run))
		return write_colliding(run, rows, updated, inserted, error);
	return update_and_insert(run, rows, updated, inserted, error);
}

bool pythia_stage_apply(pythia_run *run, uint64_t rows, pythia_error *error)
{
	pythia_conflict rule = run->job->config->conflict;
	bool dry = run->job->config->dry_run;
	int64_t differing = 0;
	int64_t updated = 0;
	int64_t inserted = 0;
	int64_t skipped;

	if (!pythia_keys_keep(run, error))
		return false;
	if ((rule != PYTHIA_CONFLICT_SOURCE_WINS || dry) && !count_differing(run, false, &differing, error))
		return false;
	if (rule == PYTHIA_CONFLICT_ERROR && differing > 0)
		return report_conflict(run, differing, error);
	if (dry)
	{
		if ((updates(run) && !count_differing(run, true, &updated, error)) || !count_missing(run, &inserted, error))
			return false;
	}
	else if (!write_rows(run, (int64_t) rows, &updated, &inserted, error))
		return explain(error);
	skipped = differing > updated ? differing - updated : 0;
	run->result->rows_updated += updated;
	run->result->rows_inserted += inserted;
	run->result->rows_skipped += skipped;
	run->result->rows_synced += (int64_t) rows - skipped;
	return true;
}
