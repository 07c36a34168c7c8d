/* Log and triggers (log.h) in PostgreSQL: a function in PL/pgSQL that runs with the rights of whoever made it. */
#include "capture/source/trigger.h"

#include <inttypes.h>
#include <string.h>

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

/*
 * The function runs with our rights, and to_jsonb calls a cast to json that the owner of a type has made.  So in a
 * table with columns of users' types each value is taken by itself, these by their text: columns may come and go.
 * concat() makes it by the type's output function, where ::text would call a cast.
 */
static void put_image(pythia_buffer *body, const char *variable, const char *side)
{
	/* clang-format off */
	static const char execute[] =
		"IF plain THEN %s := to_jsonb(%s); ELSE EXECUTE 'SELECT ' || (SELECT string_agg(format('jsonb_build_object(%%1$L, '"
		" || CASE WHEN b.typtype <> 'c' AND b.oid < 10000 THEN 'to_jsonb(($1).%%1$I))'"
		" ELSE 'CASE WHEN ($1).%%1$I IS DISTINCT FROM NULL THEN to_jsonb(concat(($1).%%1$I)'"
		" || CASE WHEN b.typcategory = 'A' THEN '::text[]' ELSE '' END || ') END)' END, a.attname), ' || ' ORDER BY a.attnum) "
		COLUMNS ") INTO %s USING %s; END IF; ";
	/* clang-format on */

	pythia_buffer_printf(body, execute, variable, side, variable, side);
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

/*
 * Whoever adds a partition gives it our trigger himself, so the function is open to all: in a trigger of theirs it does
 * nothing.  The table goes by its number, whatever its name is by now, or by its name, as in a restored dump.
 */
static void put_guard(pythia_buffer *body, const pythia_logger *w, int64_t relid)
{
	pythia_buffer table = PYTHIA_BUFFER_INIT;
	pythia_buffer which = PYTHIA_BUFFER_INIT;

	pythia_capture_put_table(w->table, &table);
	pythia_buffer_printf(&which, "IN (%" PRId64 ", to_regclass(", relid);
	w->dialect->literal(&which, table.data, table.length);
	pythia_buffer_puts(&which, ")::oid)");
	pythia_buffer_printf(body,
						 "IF TG_NAME NOT IN (' %s_r', ' %s_t') OR TG_RELID <> %" PRId64
						 " AND (TG_RELID %s OR EXISTS (SELECT FROM pg_partition_ancestors(TG_RELID) p"
						 " WHERE p.relid::oid %s)) IS NOT TRUE THEN RETURN NULL; END IF; ",
						 w->log, w->log, relid, which.data, which.data);
	pythia_buffer_free(&table);
	pythia_buffer_free(&which);
}

/*
 * What the trigger does: `before` and `after` tell whether the row is ours.  No writer fails for what is logged.  What
 * may fail is done in subtransactions that write nothing, for those that do are dear.
 */
static void put_function(pythia_logger *w, int64_t relid)
{
	pythia_buffer body = PYTHIA_BUFFER_INIT;
	pythia_buffer into = PYTHIA_BUFFER_INIT;

	pythia_dialect_table(w->dialect, &into, w->table->table.schema, w->log);
	pythia_buffer_puts(&body, "\n#variable_conflict use_column\n"
							  "DECLARE before boolean := false; after boolean := false; plain boolean; fault text; "
							  "o jsonb; n jsonb; piece jsonb; c record; log regclass; BEGIN ");
	put_guard(&body, w, relid);
	pythia_buffer_puts(&body, "BEGIN log := to_regclass(");
	w->dialect->literal(&body, into.data, into.length);
	/* dropped by somebody, or taken away: whoever reads it will notice */
	pythia_buffer_puts(&body, "); IF NOT has_table_privilege(log, 'INSERT') THEN log := NULL; END IF; "
							  "IF log IS NULL THEN RETURN NULL; END IF; IF TG_OP = 'TRUNCATE' THEN ");
	pythia_buffer_printf(&body, "INSERT INTO %s (pythia_op) VALUES ('T'); RETURN NULL; END IF; ", into.data);
	pythia_buffer_puts(&body, "IF TG_OP <> 'INSERT' THEN before := ");
	put_when(&body, w, "OLD");
	pythia_buffer_puts(&body, "; END IF; IF TG_OP <> 'DELETE' THEN after := ");
	put_when(&body, w, "NEW");
	pythia_buffer_puts(&body, "; END IF; EXCEPTION WHEN OTHERS THEN IF log IS NULL THEN RETURN NULL; END IF; "
							  "fault := SQLERRM; END; "
							  "IF fault IS NULL AND NOT before AND NOT after THEN RETURN NULL; END IF; ");
	pythia_buffer_puts(&body,
					   "IF fault IS NULL THEN BEGIN plain := NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = "
					   "TG_RELID AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 10000); IF before THEN ");
	put_image(&body, "o", "OLD");
	pythia_buffer_puts(&body, "END IF; IF after THEN ");
	put_image(&body, "n", "NEW");
	pythia_buffer_puts(&body, "END IF; EXCEPTION WHEN OTHERS THEN BEGIN o := NULL; n := NULL; IF before THEN ");
	put_careful_image(&body, "o", "OLD");
	pythia_buffer_puts(&body, "END IF; IF after THEN ");
	put_careful_image(&body, "n", "NEW");
	pythia_buffer_puts(&body, "END IF; EXCEPTION WHEN OTHERS THEN fault := SQLERRM; END; END; END IF; ");
	pythia_buffer_printf(
		&body,
		"IF fault IS NOT NULL THEN INSERT INTO %s (pythia_op, n) VALUES ('E', jsonb_build_object('error', "
		"fault)); RETURN NULL; END IF; "
		"INSERT INTO %s (pythia_op, o, n) VALUES (CASE WHEN before AND after THEN 'U'"
		" WHEN after THEN 'I' ELSE 'D' END, o, n); RETURN NULL; END",
		into.data, into.data);
	w->dialect->literal(&w->sql, body.data, body.length);
	pythia_buffer_free(&into);
	pythia_buffer_free(&body);
}

/* A trigger sorts before all others: what those change in turn is logged after what they were fired by. */
static void put_trigger(pythia_logger *w, char letter)
{
	pythia_buffer name = PYTHIA_BUFFER_INIT;

	pythia_buffer_printf(&name, " %s_%c", w->log, letter);
	w->dialect->identifier(&w->sql, name.data);
	pythia_buffer_free(&name);
}

static bool install_trigger(pythia_logger *w, char letter, const char *events, const char *each, pythia_error *error)
{
	pythia_buffer_puts(&w->sql, "CREATE TRIGGER ");
	put_trigger(w, letter);
	pythia_buffer_printf(&w->sql, " AFTER %s ON ", events);
	pythia_logger_put_table(w);
	pythia_buffer_printf(&w->sql, " FOR EACH %s EXECUTE FUNCTION ", each);
	pythia_logger_put_name(w, "_f", true);
	pythia_buffer_puts(&w->sql, "()");
	if (!pythia_logger_flush(w, error))
		return false;
	/* also for what replication applies */
	pythia_buffer_puts(&w->sql, "ALTER TABLE ");
	pythia_logger_put_table(w);
	pythia_buffer_puts(&w->sql, " ENABLE ALWAYS TRIGGER ");
	put_trigger(w, letter);
	return pythia_logger_flush(w, error);
}

bool pythia_logger_install_postgres(pythia_logger *w, pythia_error *error)
{
	pythia_buffer_puts(&w->sql, "CREATE TABLE ");
	pythia_logger_put_name(w, "", true);
	pythia_buffer_puts(&w->sql, " (pythia_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, pythia_op text NOT NULL,"
								" pythia_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),"
								" pythia_xid bigint NOT NULL DEFAULT pg_catalog.txid_current(), o jsonb, n jsonb)");
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

bool pythia_logger_put_triggers_postgres(pythia_logger *w, pythia_error *error)
{
	int64_t relid;

	if (!find_table(w, &relid, error))
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
	return pythia_logger_flush(w, error) && install_trigger(w, 'r', "INSERT OR UPDATE OR DELETE", "ROW", error) &&
		   install_trigger(w, 't', "TRUNCATE", "STATEMENT", error);
}
