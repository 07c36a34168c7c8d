/* Log and triggers (log.h) in PostgreSQL: a function in PL/pgSQL that runs with the rights of whoever made it. */
#include "capture/source/trigger.h"

#include "capture/source/first.h"

#include <inttypes.h>
#include <string.h>

#include "core/memory.h"
#include "dialect/tokens.h"

/* The row's columns are found before the function's variables, whatever they are named. */
static void put_when(pythia_buffer *body, const pythia_logger *w, const char *side)
{
	if (!w->table->config.where)
	{
		pythia_buffer_puts(body, "true");
		return;
	}
	pythia_buffer_printf(body, "EXISTS (SELECT FROM (SELECT (%s).*) AS ", side);
	w->dialect->identifier(body, w->table->table.name);
	pythia_buffer_puts(body, " WHERE ");
	pythia_condition_put(body, w->table->config.where);
	pythia_buffer_putc(body, ')');
}

/* The columns of the row's type, each with what it is made of where it is a domain. */
#define COLUMNS                                                                                                        \
	"FROM pg_attribute a CROSS JOIN LATERAL (WITH RECURSIVE r AS (SELECT t.* FROM pg_type t WHERE t.oid = "            \
	"a.atttypid UNION ALL SELECT u.* FROM r JOIN pg_type u ON u.oid = r.typbasetype WHERE r.typtype = 'd') "           \
	"SELECT * FROM r WHERE r.typtype <> 'd') b WHERE a.attrelid = TG_RELID AND a.attnum > 0 AND NOT a.attisdropped"

/* clang-format off */
/* For printf: the text of the expression that makes the image of `row`, by what put_image says of it. */
#define PIECES(row) \
	"(SELECT string_agg(format('jsonb_build_object(%%1$L, '" \
	" || CASE WHEN b.typtype <> 'c' AND b.oid < 10000 THEN 'to_jsonb(" row ".%%1$I))'" \
	" ELSE 'CASE WHEN " row ".%%1$I IS DISTINCT FROM NULL THEN to_jsonb(concat(" row ".%%1$I)'" \
	" || CASE WHEN b.typcategory = 'A' THEN '::text[]' ELSE '' END || ') END)' END, a.attname), ' || ' ORDER BY a.attnum) " \
	COLUMNS ")"
/* clang-format on */

/*
 * The function runs with our rights, and to_jsonb calls a cast to json that the owner of a type has made.  So in a
 * table with columns of users' types each value is taken by itself, these by their text: columns may come and go.
 * concat() makes it by the type's output function, where ::text would call a cast.
 */
static void put_image(pythia_buffer *body, const char *variable, const char *side)
{
	pythia_buffer_printf(
		body,
		"IF plain THEN %s := to_jsonb(%s); ELSE EXECUTE 'SELECT ' || " PIECES("($1)") " INTO %s USING %s;"
																					  " END IF; ",
		variable, side, variable, side);
}

/* Where that fails, one value after the other: of a json that jsonb does not take, its text. */
static void put_careful_image(pythia_buffer *body, const char *variable, const char *side)
{
	/* clang-format off */
	static const char loop[] =
		"%s := '{}'; FOR c IN SELECT a.attname, b.typtype <> 'c' AND b.oid < 10000 AS plain, b.typcategory = 'A' AS many "
		COLUMNS " ORDER BY a.attnum LOOP"
		" BEGIN"
		" IF c.plain THEN EXECUTE format('SELECT to_jsonb(($1).%%I)', c.attname) INTO piece USING %s;"
		" ELSE EXECUTE format('SELECT to_jsonb(CASE WHEN ($1).%%1$I IS DISTINCT FROM NULL THEN concat(($1).%%1$I) END%%2$s)',"
		" c.attname, CASE WHEN c.many THEN '::text[]' ELSE '' END) INTO piece USING %s; END IF;"
		" EXCEPTION WHEN OTHERS THEN EXECUTE format('SELECT to_jsonb(concat(($1).%%I))', c.attname) INTO piece USING %s; END;"
		" %s := %s || jsonb_build_object(c.attname, piece); END LOOP; ";
	/* clang-format on */

	pythia_buffer_printf(body, loop, variable, side, side, side, variable, variable);
}

/* Behind a number: is it the table's own?  It goes by that, whatever its name is, or by its name, as in a restored dump. */
static void put_which(pythia_buffer *which, const pythia_logger *w, int64_t relid)
{
	pythia_buffer table = PYTHIA_BUFFER_INIT;

	pythia_capture_put_table(w->table, &table);
	pythia_buffer_printf(which, "IN (%" PRId64 ", to_regclass(", relid);
	w->dialect->literal(which, table.data, table.length);
	pythia_buffer_puts(which, ")::oid)");
	pythia_buffer_free(&table);
}

/*
 * Whoever adds a partition gives it our trigger himself, so the function is open to all: in a trigger of theirs it does
 * nothing.
 */
static void put_guard(pythia_buffer *body, const pythia_logger *w, int64_t relid, const char *which)
{
	pythia_buffer_printf(body,
						 "IF TG_NAME NOT IN ('" PYTHIA_TRIGGER_FIRST "%s_r', '" PYTHIA_TRIGGER_FIRST
						 "%s_t') OR TG_RELID <> %" PRId64
						 " AND (TG_RELID %s OR EXISTS (SELECT FROM pg_partition_ancestors(TG_RELID) p"
						 " WHERE p.relid::oid %s)) IS NOT TRUE THEN RETURN NULL; END IF; ",
						 w->log, w->log, relid, which, which);
}

/*
 * A partition that is emptied alone: its rows go one by one, before they do.  Where the whole table is emptied its own
 * trigger came first, and has delivered that.  A transaction that keeps its snapshot does not see all that goes.
 */
static void put_partition(pythia_buffer *body, const pythia_logger *w, const pythia_buffer *into)
{
	pythia_buffer rows = PYTHIA_BUFFER_INIT;

	pythia_buffer_puts(&rows, " AS ");
	w->dialect->identifier(&rows, w->table->table.name);
	if (w->table->config.where)
	{
		pythia_buffer_puts(&rows, " WHERE ");
		pythia_condition_put(&rows, w->table->config.where);
	}
	pythia_buffer_puts(&rows, ") AS pythia_row");
	pythia_buffer_printf(
		body,
		"IF (SELECT pythia_op = 'T' AND pythia_xid = txid_current() FROM %s ORDER BY pythia_id DESC"
		" LIMIT 1) THEN RETURN NULL; END IF;"
		" IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN"
		" RAISE 'a partition was emptied in a transaction that does not see all of its rows'; END IF;"
		" EXECUTE 'INSERT INTO %s (pythia_op, o) SELECT ''D'', ' || " PIECES(
			"pythia_row") " ||"
						  " ' FROM (SELECT * FROM ONLY ' || TG_RELID::regclass || ",
		into->data, into->data);
	w->dialect->literal(body, rows.data, rows.length);
	pythia_buffer_puts(body, "; RETURN NULL; ");
	pythia_buffer_free(&rows);
}

/* The key of a side. */
static void put_key(pythia_buffer *body, const pythia_logger *w, const char *side)
{
	const pythia_capture_table *table = w->table;
	pythia_buffer field = PYTHIA_BUFFER_INIT;

	pythia_buffer_puts(body, "jsonb_build_object(");
	for (int i = 0; i < table->nkey; i++)
	{
		const pythia_column *column = &table->table.columns[table->columns[table->key[i]].position];

		pythia_buffer_clear(&field);
		pythia_buffer_printf(&field, "%s.", side);
		w->dialect->identifier(&field, column->name);
		pythia_buffer_puts(body, i > 0 ? ", " : "");
		w->dialect->literal(body, column->name, strlen(column->name));
		pythia_buffer_puts(body, ", ");
		pythia_postgres_json(body, &column->type, field.data);
	}
	pythia_buffer_putc(body, ')');
	pythia_buffer_free(&field);
}

/* Keys alone: a row's other columns may be what they want, and no more than one subtransaction is needed. */
static void put_keys(pythia_buffer *body, const pythia_logger *w)
{
	pythia_buffer_puts(body, "IF before THEN o := ");
	put_key(body, w, "OLD");
	pythia_buffer_puts(body, "; END IF; IF after THEN n := ");
	put_key(body, w, "NEW");
	pythia_buffer_puts(body, "; END IF; ");
}

static void put_images(pythia_buffer *body)
{
	pythia_buffer_puts(body,
					   "IF fault IS NULL THEN BEGIN plain := NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = "
					   "TG_RELID AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 10000); IF before THEN ");
	put_image(body, "o", "OLD");
	pythia_buffer_puts(body, "END IF; IF after THEN ");
	put_image(body, "n", "NEW");
	pythia_buffer_puts(body, "END IF; EXCEPTION WHEN OTHERS THEN BEGIN o := NULL; n := NULL; IF before THEN ");
	put_careful_image(body, "o", "OLD");
	pythia_buffer_puts(body, "END IF; IF after THEN ");
	put_careful_image(body, "n", "NEW");
	pythia_buffer_puts(body, "END IF; EXCEPTION WHEN program_limit_exceeded THEN fault := 'a row is too big to be"
							 " captured: its image would exceed 268435455 bytes'; WHEN OTHERS THEN fault := SQLERRM;"
							 " END; END; END IF; ");
}

/* Which sides the condition holds for. */
static void put_sides(pythia_buffer *body, const pythia_logger *w)
{
	pythia_buffer_puts(body, "IF TG_OP <> 'INSERT' THEN before := ");
	put_when(body, w, "OLD");
	pythia_buffer_puts(body, "; END IF; IF TG_OP <> 'DELETE' THEN after := ");
	put_when(body, w, "NEW");
	pythia_buffer_puts(body, "; END IF; ");
}

/*
 * What the trigger does: `before` and `after` tell whether the row is ours.  No writer fails for what is logged.  What
 * may fail is done in subtransactions that write nothing, for those that do are dear.
 */
static void put_function(pythia_logger *w, int64_t relid)
{
	pythia_buffer body = PYTHIA_BUFFER_INIT;
	pythia_buffer into = PYTHIA_BUFFER_INIT;
	pythia_buffer which = PYTHIA_BUFFER_INIT;

	pythia_dialect_table(w->dialect, &into, w->table->table.schema, w->log);
	put_which(&which, w, relid);
	pythia_buffer_puts(&body, "\n#variable_conflict use_column\n"
							  "DECLARE before boolean := false; after boolean := false; plain boolean; fault text; "
							  "o jsonb; n jsonb; piece jsonb; c record; log regclass; BEGIN ");
	put_guard(&body, w, relid, which.data);
	pythia_buffer_puts(&body, "BEGIN log := to_regclass(");
	w->dialect->literal(&body, into.data, into.length);
	/* dropped by somebody, or taken away: whoever reads it will notice */
	pythia_buffer_puts(&body, "); IF NOT has_table_privilege(log, 'INSERT') THEN log := NULL; END IF; "
							  "IF log IS NULL THEN RETURN NULL; END IF; IF TG_OP = 'TRUNCATE' THEN ");
	pythia_buffer_printf(&body, "IF TG_RELID %s THEN INSERT INTO %s (pythia_op) VALUES ('T'); RETURN NULL; END IF; ",
						 which.data, into.data);
	put_partition(&body, w, &into);
	pythia_buffer_puts(&body, "END IF; ");
	put_sides(&body, w);
	if (w->table->config.keys_only)
		put_keys(&body, w);
	pythia_buffer_puts(&body, "EXCEPTION WHEN OTHERS THEN IF log IS NULL THEN RETURN NULL; END IF; "
							  "fault := SQLERRM; END; "
							  "IF fault IS NULL AND NOT before AND NOT after THEN RETURN NULL; END IF; ");
	if (!w->table->config.keys_only)
		put_images(&body);
	pythia_buffer_printf(
		&body,
		"IF fault IS NOT NULL THEN INSERT INTO %s (pythia_op, n) VALUES ('E', jsonb_build_object('error', "
		"fault)); RETURN NULL; END IF; "
		"INSERT INTO %s (pythia_op, o, n) VALUES (CASE WHEN before AND after THEN 'U'"
		" WHEN after THEN 'I' ELSE 'D' END, o, n); RETURN NULL; END",
		into.data, into.data);
	w->dialect->literal(&w->sql, body.data, body.length);
	pythia_buffer_free(&which);
	pythia_buffer_free(&into);
	pythia_buffer_free(&body);
}

/* A trigger sorts before all others: what those change in turn is logged after what they were fired by. */
static void put_trigger(pythia_logger *w, char letter)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;

	pythia_buffer_printf(&name, PYTHIA_TRIGGER_FIRST "%s_%c", w->log, letter);
	w->dialect->identifier(&w->sql, name.data);
	pythia_buffer_free(&name);
}

/* `on`: the table or a partition of it, as SQL. */
static bool install_trigger(pythia_logger *w, const char *on, char letter, const char *events, const char *each,
							pythia_error *error)
{
	pythia_buffer_puts(&w->sql, "CREATE TRIGGER ");
	put_trigger(w, letter);
	pythia_buffer_printf(&w->sql, " %s ON %s", events, on);
	pythia_buffer_printf(&w->sql, " FOR EACH %s EXECUTE FUNCTION ", each);
	pythia_logger_put_name(w, "_f", true);
	pythia_buffer_puts(&w->sql, "()");
	if (!pythia_logger_flush(w, error))
		return false;
	/* also for what replication applies */
	pythia_buffer_printf(&w->sql, "ALTER TABLE %s ENABLE ALWAYS TRIGGER ", on);
	put_trigger(w, letter);
	return pythia_logger_flush(w, error);
}

bool pythia_logger_complete_postgres(pythia_logger *w, pythia_error *error)
{
	pythia_buffer table = PYTHIA_BUFFER_INIT;
	pythia_buffer name = PYTHIA_BUFFER_INIT;
	pythia_result result;
	bool ok;

	if (w->table->table.relation != PYTHIA_RELATION_PARTITIONED)
		return true;
	pythia_capture_put_table(w->table, &table);
	pythia_buffer_printf(&name, PYTHIA_TRIGGER_FIRST "%s_t", w->log);
	pythia_buffer_puts(&w->sql, "SELECT c.oid::pg_catalog.regclass::text FROM pg_catalog.pg_partition_tree(");
	w->dialect->literal(&w->sql, table.data, table.length);
	pythia_buffer_puts(&w->sql, ") p JOIN pg_catalog.pg_class c ON c.oid = p.relid WHERE p.isleaf AND c.relkind = 'r'"
								" AND pg_catalog.has_table_privilege(c.oid, 'TRIGGER') AND NOT EXISTS (SELECT FROM"
								" pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = ");
	w->dialect->literal(&w->sql, name.data, name.length);
	pythia_buffer_puts(&w->sql, ")");
	ok = pythia_db_query(w->table->db, w->sql.data, "t", &result, error);
	pythia_buffer_clear(&w->sql);
	for (int64_t i = 0; ok && i < result.nrows; i++)
		ok = install_trigger(w, pythia_result_text(&result, i, 0), 't', "BEFORE TRUNCATE", "STATEMENT", error);
	pythia_result_free(&result);
	pythia_buffer_free(&table);
	pythia_buffer_free(&name);
	return ok;
}

bool pythia_logger_install_postgres(pythia_logger *w, pythia_error *error)
{
	pythia_buffer_puts(&w->sql, "CREATE TABLE ");
	pythia_logger_put_name(w, "", true);
	pythia_buffer_printf(&w->sql,
						 " (pythia_id bigint GENERATED ALWAYS AS IDENTITY (START WITH %" PRId64 ") PRIMARY KEY,"
						 " pythia_op text NOT NULL, pythia_at timestamptz NOT NULL DEFAULT"
						 " pg_catalog.clock_timestamp(), pythia_xid bigint NOT NULL DEFAULT pg_catalog.txid_current(),"
						 " o jsonb, n jsonb)",
						 pythia_logger_first_number(w));
	return pythia_logger_flush(w, error) && pythia_logger_put_triggers_postgres(w, error);
}

static bool find_table(const pythia_logger *w, int64_t *relid, pythia_error *error)
{
	pythia_buffer table = PYTHIA_BUFFER_INIT;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	bool ok;

	pythia_capture_put_table(w->table, &table);
	pythia_buffer_puts(&sql, "SELECT ");
	w->dialect->literal(&sql, table.data, table.length);
	pythia_buffer_puts(&sql, "::pg_catalog.regclass::pg_catalog.oid::pg_catalog.int8");
	ok = pythia_db_count(w->table->db, sql.data, relid, error);
	pythia_buffer_free(&table);
	pythia_buffer_free(&sql);
	return ok;
}

/*
 * Who owns the schema can drop the log, and put a table of his own in its place: then the triggers' function, which runs
 * with our rights, would run what he has put there with them.  So it has to be somebody who has these rights anyway.
 */
static bool refuse_schema_owner(pythia_logger *w, pythia_error *error)
{
	const pythia_table *table = &w->table->table;
	pythia_buffer sql = PYTHIA_BUFFER_INIT;
	char *owner = NULL;
	bool ok;

	pythia_buffer_puts(&sql, "SELECT CASE WHEN NOT pg_catalog.pg_has_role(o.oid, current_user, 'MEMBER') THEN o.rolname"
							 " END FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner"
							 " JOIN pg_catalog.pg_roles o ON o.oid = CASE r.rolname WHEN 'pg_database_owner' THEN"
							 " (SELECT d.datdba FROM pg_catalog.pg_database d WHERE d.datname ="
							 " pg_catalog.current_database()) ELSE r.oid END WHERE n.nspname = ");
	w->dialect->literal(&sql, table->schema, strlen(table->schema));
	ok = pythia_db_text(w->table->db, sql.data, &owner, error);
	pythia_buffer_free(&sql);
	if (ok && owner != NULL)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "42501", "triggers on table \"%s\" would lend your rights to role \"%s\"",
					table->name, owner);
		pythia_error_detail(error,
							"That role owns schema \"%s\", in which the log lies that they write with your rights.",
							table->schema);
		pythia_error_hint(error,
						  "Log in as that role, or act as it by \"?options=-c%%20role=%s\" in the URL of PostgreSQL;"
						  " or poll the table.",
						  owner);
		ok = false;
	}
	pythia_free(owner);
	return ok;
}

bool pythia_logger_put_triggers_postgres(pythia_logger *w, pythia_error *error)
{
	bool parted = w->table->table.relation == PYTHIA_RELATION_PARTITIONED;
	pythia_buffer table = PYTHIA_BUFFER_INIT;
	int64_t relid;
	bool ok;

	if (!refuse_schema_owner(w, error) || !find_table(w, &relid, error))
		return false;
	pythia_buffer_puts(&w->sql, "CREATE FUNCTION ");
	pythia_logger_put_name(w, "_f", true);
	/* the writer needs no right on the log; what his session sets shows in no value */
	pythia_buffer_puts(&w->sql,
					   "() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
					   " SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, MDY'"
					   " SET intervalstyle = 'postgres' SET bytea_output = 'hex' SET extra_float_digits = 1 AS ");
	put_function(w, relid);
	if (!pythia_logger_flush(w, error))
		return false;
	/* whatever ALTER DEFAULT PRIVILEGES says; see put_guard */
	pythia_buffer_puts(&w->sql, "GRANT EXECUTE ON FUNCTION ");
	pythia_logger_put_name(w, "_f", true);
	pythia_buffer_puts(&w->sql, "() TO PUBLIC");
	pythia_dialect_table(w->dialect, &table, w->table->table.schema, w->table->table.name);
	ok = pythia_logger_flush(w, error) &&
		 install_trigger(w, table.data, 'r', "AFTER INSERT OR UPDATE OR DELETE", "ROW", error) &&
		 install_trigger(w, table.data, 't', parted ? "BEFORE TRUNCATE" : "AFTER TRUNCATE", "STATEMENT", error) &&
		 pythia_logger_complete_postgres(w, error);
	pythia_buffer_free(&table);
	return ok;
}
