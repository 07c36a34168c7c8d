/* `pythia create database-cdc|database-sync NAME`: a folder with a worker that runs. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/connect.h"
#include "cli/say.h"
#include "cli/state.h"
#include "cli/template.h"
#include "core/json.h"
#include "core/list.h"
#include "core/memory.h"
#include "core/secret.h"
#include "dialect/dialect.h"

static const char *const engines[] = {"postgresql", "mysql", "sqlite", NULL};
static const char *const tables_usage[] = {"psql -f tables.sql DATABASE", "mariadb DATABASE < tables.sql",
										   "sqlite3 FILE < tables.sql"};
static const char *const modes[] = {"incremental", "full", "live", NULL};

static const cli_option create_options[] = {
	{"database-type", 0, CLI_CHOICE, "TYPE", "the database that is captured or read (default postgresql)", engines,
	 NULL},
	{"connection", 0, CLI_URL, "URL", "database-cdc: the database that is captured", NULL, NULL},
	{"source", 0, CLI_URL, "URL", "database-sync: the database that is read", NULL, NULL},
	{"target", 0, CLI_URL, "URL", "database-sync: the database that is written", NULL, NULL},
	{"tables", 0, CLI_LIST, "A,B", "the tables (default: one example table)", NULL, NULL},
	{"timestamp-column", 0, CLI_TEXT, "NAME", "the column that tells when a row changed (default updated_at)", NULL,
	 NULL},
	{"poll-interval", 0, CLI_SECONDS, "TIME", "time between two looks (default 5 s)", NULL, NULL},
	{"mode", 0, CLI_CHOICE, "MODE",
	 "database-sync: what changed (default), everything, or live: always the source as of a moment", modes, NULL},
	{"force", 'f', CLI_FLAG, NULL, "overwrite the files of an existing folder", NULL, NULL},
	{NULL}};

static const cli_option *const sets[] = {create_options, cli_common_options, NULL};

typedef struct creation
{
	bool sync;
	const char *name;
	char *directory; /* absolute */
	int folder;      /* the same, open */
	pythia_engine engine;
	char *connection;
	char *source;
	char *target;
	char **tables;
	int ntables;
	bool example;
	const char *timestamp_column;
	cli_variables variables;
} creation;

static bool check_name(const char *name, pythia_error *error)
{
	size_t length = strlen(name);
	char *shown;
	bool good = length >= 1 && length <= 40 && isalpha((unsigned char) name[0]) && (unsigned char) name[0] < 128;

	for (size_t i = 1; i < length && good; i++)
		good = strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", name[i]) != NULL;
	if (good)
		return true;
	shown = pythia_secret_shown(name);
	pythia_fail(error, PYTHIA_E_USAGE, "42602", "\"%s\" is not a name for a worker", shown);
	pythia_free(shown);
	return pythia_error_hint(error, "Begin with a letter and go on with letters, digits, _ or -, at most 40 of them.");
}

/* --- the variables ---------------------------------------------------------------- */

static char *json_text(const char *text)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	pythia_json_string(&out, text, strlen(text));
	return pythia_buffer_take(&out);
}

/* A literal that every engine reads alike: the names and URLs here hold no backslash that matters. */
static char *sql_text(const char *text)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	pythia_dialect_for(PYTHIA_SQLITE)->literal(&out, text, strlen(text));
	return pythia_buffer_take(&out);
}

static char *identifier(pythia_engine engine, const char *text)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	pythia_dialect_for(engine)->identifier(&out, text);
	return pythia_buffer_take(&out);
}

static char *shell_text(const char *text)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	pythia_buffer_putc(&out, '\'');
	for (; *text != '\0'; text++)
	{
		if (*text == '\'')
			pythia_buffer_puts(&out, "'\\''");
		else
			pythia_buffer_putc(&out, *text);
	}
	pythia_buffer_putc(&out, '\'');
	return pythia_buffer_take(&out);
}

/* `text` with `mark` (0: itself) before each character that is among `marked`. */
static char *marked_text(const char *text, const char *marked, char mark)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	for (; *text != '\0'; text++)
	{
		if (strchr(marked, *text) != NULL)
			pythia_buffer_putc(&out, mark != '\0' ? mark : *text);
		pythia_buffer_putc(&out, *text);
	}
	return pythia_buffer_take(&out);
}

/* In a systemd unit a percent sign begins a specifier, and in a command's arguments a dollar sign a variable; a path that
 * stands alone has no quotes. */
static char *unit_path(const char *text)
{
	return marked_text(text, "%", '\0');
}

static char *unit_text(const char *text)
{
	char *path = unit_path(text);
	char *quoted = marked_text(path, "\\\"", '\\');

	pythia_free(path);
	return quoted;
}

/* In postgresql.conf, between quotes. */
static char *conf_text(const char *text)
{
	return marked_text(text, "'\\", '\0');
}

/* What quotes the body of a function in PostgreSQL: nothing that stands in it, which is among the names. */
static char *body_quote(const creation *c)
{
	char quote[32] = "$$";

	for (int i = 1; strstr(c->timestamp_column, quote); i++)
		snprintf(quote, sizeof(quote), "$body%d$", i);
	return pythia_strdup(quote);
}

/* Within a literal of SQL. */
static char *within_literal(const char *text)
{
	return marked_text(text, "'", '\0');
}

/* The name with everything odd made an underscore, in lower case. */
static char *plain(const char *prefix, const char *text, const char *suffix)
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	pythia_buffer_printf(&out, "%s%s%s", prefix, text, suffix);
	for (char *p = out.data; *p != '\0'; p++)
		*p = isalnum((unsigned char) *p) ? (char) tolower((unsigned char) *p) : '_';
	return pythia_buffer_take(&out);
}

/* A name for what belongs to a table: different for each table, and short enough for every engine. */
static char *name_for(const creation *c, const char *table, const char *suffix)
{
	char *own = plain("", table, "");
	bool same = c->engine == PYTHIA_POSTGRESQL ? strcmp(own, table) == 0 : strcasecmp(own, table) == 0;
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	pythia_buffer_printf(&out, "%.32s_", own);
	if (!same || strlen(own) > 32)
		pythia_buffer_printf(&out, "%08" PRIx32 "_", (uint32_t) cli_hash(CLI_HASH_START, table));
	pythia_buffer_puts(&out, suffix);
	pythia_free(own);
	return pythia_buffer_take(&out);
}

static bool set_table(creation *c, cli_variables *into, const char *text, pythia_error *error)
{
	char *schema;
	char *table;
	pythia_buffer quoted = PYTHIA_BUFFER_INIT;
	pythia_buffer parts = PYTHIA_BUFFER_INIT;

	if (!pythia_name_parse(text, &schema, &table, error))
		return pythia_error_context(error, "--tables");
	into->parent = &c->variables;
	pythia_dialect_table(pythia_dialect_for(c->engine), &quoted, schema, table);
	if (schema != NULL)
	{
		char *literal = sql_text(schema);

		pythia_buffer_printf(&parts, "%s, ", literal);
		pythia_free(literal);
	}
	{
		char *literal = sql_text(table);

		pythia_buffer_puts(&parts, literal);
		cli_variable_set(into, "table_literal", literal);
	}
	cli_variable_set(into, "table", pythia_buffer_take(&quoted));
	cli_variable_set(into, "table_regclass", pythia_buffer_take(&parts));
	cli_variable_set(into, "table_index", name_for(c, table, "pythia_idx"));
	cli_variable_set(into, "table_insert_trigger", name_for(c, table, "pythia_insert"));
	cli_variable_set(into, "table_update_trigger", name_for(c, table, "pythia_update"));
	pythia_free(schema);
	pythia_free(table);
	return true;
}

static void join(creation *c, const char *name, const char *between, const char *open, const char *close,
				 char *(*make)(const char *) )
{
	pythia_buffer out = PYTHIA_BUFFER_INIT;

	pythia_buffer_puts(&out, open);
	for (int i = 0; i < c->ntables; i++)
	{
		char *text = make != NULL ? make(c->tables[i]) : pythia_strdup(c->tables[i]);

		pythia_buffer_printf(&out, "%s%s", i > 0 ? between : "", text);
		pythia_free(text);
	}
	pythia_buffer_puts(&out, close);
	cli_variable_set(&c->variables, name, pythia_buffer_take(&out));
}

static bool set_tables(creation *c, pythia_error *error)
{
	if (c->ntables == 0)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "--tables names no table");
		return pythia_error_hint(error, "Name at least one, such as: --tables orders,customers");
	}
	c->variables.tables = pythia_calloc((size_t) c->ntables, sizeof(cli_variables));
	c->variables.ntables = c->ntables;
	for (int i = 0; i < c->ntables; i++)
		if (!set_table(c, &c->variables.tables[i], c->tables[i], error))
			return false;
	/* the example's own name, for the part that is not repeated */
	cli_variable_set(&c->variables, "table", pythia_strdup(c->variables.tables[0].items[1].value));
	cli_variable_set(&c->variables, "table_index", pythia_strdup(c->variables.tables[0].items[3].value));
	cli_variable_set(&c->variables, "example", pythia_strdup(c->example ? "yes" : ""));
	join(c, "tables_sql", ", ", "", "", sql_text);
	join(c, "tables_text", ", ", "", "", NULL);
	join(c, "tables_list", ",", "", "", NULL);
	cli_variable_set(&c->variables, "tables_shell", shell_text(c->variables.items[c->variables.count - 1].value));
	join(c, "tables_json", ", ", "[", "]", json_text);
	cli_variable_set(&c->variables, "tables_json_sql",
					 within_literal(c->variables.items[c->variables.count - 1].value));
	return true;
}

/* The URL in all its forms: NAME, NAME_json, NAME_sql, NAME_text (without its password). */
static bool set_url(creation *c, const char *name, const char *json, const char *sql, const char *text,
					const char *shell, const char *value, pythia_error *error)
{
	pythia_url url;
	pythia_buffer safe = PYTHIA_BUFFER_INIT;

	if (!pythia_url_parse(value, &url, error))
		return pythia_error_context(error, "--%s", name);
	pythia_url_redact(&url, &safe);
	cli_variable_set(&c->variables, name, pythia_strdup(value));
	cli_variable_set(&c->variables, json, json_text(value));
	cli_variable_set(&c->variables, shell, shell_text(value));
	cli_variable_set(&c->variables, sql, sql_text(value));
	cli_variable_set(&c->variables, text, pythia_buffer_take(&safe));
	if (c->sync)
		cli_variable_set(&c->variables, strcmp(name, "target") == 0 ? "target_file" : "source_file",
						 pythia_strdup(url.engine == PYTHIA_SQLITE ? name : ""));
	if (strcmp(name, "target") != 0)
	{
		cli_variable_set(&c->variables, "user", plain("", url.user != NULL ? url.user : c->name, ""));
		cli_variable_set(
			&c->variables, "database",
			conf_text(url.database != NULL && url.engine == PYTHIA_POSTGRESQL ? url.database : "postgres"));
	}
	pythia_url_free(&url);
	return true;
}

/* Units run as who made the folder; nothing that a worker does needs root, so his come with another. */
static void set_unit_user(cli_variables *v)
{
	const struct passwd *who = geteuid() != 0 ? getpwuid(geteuid()) : NULL;

	cli_variable_set(v, "unit_user", pythia_strdup(who != NULL ? who->pw_name : "pythia"));
	cli_variable_set(v, "unit_user_note",
					 pythia_strdup(who != NULL ? ", who made this folder"
											   : ": make that user (`useradd --system pythia`) and give it the folder "
												 "(`chown -R pythia .`), or name another in the units"));
}

/* Names that no role of PostgreSQL's may have, however they are quoted. */
static bool is_kept_role(const char *name)
{
	return strncasecmp(name, "pg_", 3) == 0 || strncasecmp(name, "pg-", 3) == 0 || strcasecmp(name, "public") == 0 ||
		   strcasecmp(name, "none") == 0;
}

static bool set_variables(creation *c, const cli_args *args, pythia_error *error)
{
	cli_variables *v = &c->variables;
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	double seconds = cli_seconds(args, "poll-interval", 5);
	pythia_buffer number = PYTHIA_BUFFER_INIT;
	char *interval;
	char *argument;

	cli_variable_set(v, "name", pythia_strdup(c->name));
	cli_variable_set(v, "ident", plain("", c->name, ""));
	cli_variable_set(v, "role", plain(is_kept_role(c->name) ? "worker_" : "", c->name, ""));
	self[n > 0 ? n : 0] = '\0';
	cli_variable_set(v, "pythia_unit", unit_text(n > 0 ? self : "/usr/local/bin/pythia"));
	argument = marked_text(c->directory, "$", '\0');
	cli_variable_set(v, "directory_unit", unit_text(argument));
	pythia_free(argument);
	cli_variable_set(v, "directory_plain", unit_path(c->directory));
	set_unit_user(v);
	cli_variable_set(v, "tables_usage", pythia_strdup(tables_usage[c->engine]));
	cli_variable_set(v, "mode", pythia_strdup(cli_text(args, "mode", "incremental")));
	pythia_buffer_printf(&number, "%g", seconds);
	cli_variable_set(v, "poll_interval_seconds", pythia_strdup(pythia_buffer_text(&number)));
	pythia_buffer_puts(&number, " s");
	interval = pythia_buffer_take(&number);
	cli_variable_set(v, "poll_interval_json", json_text(interval));
	cli_variable_set(v, "poll_interval_sql", sql_text(interval));
	pythia_free(interval);
	cli_variable_set(v, "timestamp_column_json", json_text(c->timestamp_column));
	/* a column that is named must be there; one that is not need not, where all rows are copied */
	if (cli_given(args, "timestamp-column"))
		pythia_buffer_printf(&number, "\"timestamp_column\": %s, ", v->items[v->count - 1].value);
	cli_variable_set(v, "timestamp_setting", pythia_buffer_take(&number));
	cli_variable_set(v, "timestamp_setting_sql", within_literal(v->items[v->count - 1].value));
	cli_variable_set(v, "body_quote", body_quote(c));
	cli_variable_set(v, "timestamp_column_literal", sql_text(c->timestamp_column));
	cli_variable_set(v, "timestamp_column_sql", identifier(c->engine, c->timestamp_column));
	cli_variable_set(v, "timestamp_column_shell", shell_text(c->timestamp_column));
	pythia_buffer_printf(&number, "%d", c->ntables + 8);
	cli_variable_set(v, "test_plan", pythia_buffer_take(&number));
	if (!set_tables(c, error))
		return false;
	if (!c->sync)
		return set_url(c, "connection", "connection_json", "connection_sql", "connection_text", "connection_shell",
					   c->connection, error);
	return set_url(c, "source", "source_json", "source_sql", "source_text", "source_shell", c->source, error) &&
		   set_url(c, "target", "target_json", "target_sql", "target_text", "target_shell", c->target, error);
}

/* --- the folder --------------------------------------------------------------------- */

static bool write_error(const char *directory, const char *file, pythia_error *error)
{
	pythia_fail(error, PYTHIA_E_USAGE, "58030", "cannot write \"%s%s\": %s", directory, file, strerror(errno));
	return pythia_error_hint(error, "Check the folder's permissions and the free space.");
}

static bool write_file(creation *c, const cli_template_file *file, pythia_error *error)
{
	pythia_buffer path = PYTHIA_BUFFER_INIT;
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	const char *name = file->path;
	bool own = strncmp(name, "@NAME@", 6) == 0;
	bool script = strcmp(name, "handler") == 0 || strcmp(name, "test.sh") == 0;
	/* these may hold a URL with a password */
	bool secret = strcmp(name, "pythia.json") == 0 || strcmp(name, "worker.sql") == 0 || strcmp(name, "test.sh") == 0;
	mode_t mode = (script ? 0755 : 0644) & (secret ? 0700 : 0777);
	int fd = -1;
	bool ok = false;

	pythia_buffer_printf(&path, "/%s", own ? c->name : "");
	pythia_buffer_puts(&path, own ? name + 6 : name);
	if (!cli_template_render(file->text, &c->variables, &text))
		pythia_fail(error, PYTHIA_E_INTERNAL, "XX000", "template %s/%s is broken", file->set, file->path);
	else
	{
		unlinkat(c->folder, path.data + 1, 0);
		fd = openat(c->folder, path.data + 1, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
		ok = fd >= 0 && write(fd, text.data, text.length) == (ssize_t) text.length;
		if ((fd >= 0 && close(fd) != 0) || !ok)
			ok = write_error(c->directory, path.data, error);
	}
	pythia_buffer_free(&path);
	pythia_buffer_free(&text);
	return ok;
}

/* Once it is open nobody can put another in its place. */
static bool open_folder(creation *c, bool force, pythia_error *error)
{
	struct stat found;
	bool made = mkdir(c->directory, 0755) == 0;

	c->folder = -1;
	if (!made && errno != EEXIST)
		return write_error(c->directory, "", error);
	if (!made && !force)
	{
		pythia_fail(error, PYTHIA_E_USAGE, "42710", "\"%s\" is already there", c->name);
		return pythia_error_hint(error, "Choose another name, or give --force to overwrite its files.");
	}
	c->folder = open(c->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* where a link leads, or in another's folder, others have a say in what is written */
	if (c->folder >= 0 && fstat(c->folder, &found) == 0 && found.st_uid == geteuid())
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "42809", "\"%s\" is not a folder of your own", c->name);
	return pythia_error_hint(error, "Choose another name.");
}

static bool write_folder(creation *c, const char *const *names, bool force, pythia_error *error)
{
	bool ok = open_folder(c, force, error);

	for (const cli_template_file *file = cli_template_files; ok && file->set != NULL; file++)
		for (int i = 0; ok && names[i] != NULL; i++)
			ok = strcmp(file->set, names[i]) != 0 || write_file(c, file, error);
	if (c->folder >= 0)
		close(c->folder);
	return ok;
}

static const char *example_url(pythia_engine engine)
{
	switch (engine)
	{
		case PYTHIA_MYSQL:
			return "mysql://localhost/test";
		case PYTHIA_SQLITE:
			return "sqlite:///app.db";
		default:
			return "postgresql://localhost/postgres";
	}
}

/* The engine of a URL, or an error. */
static bool engine_of(const char *option, const char *text, pythia_engine *engine, pythia_error *error)
{
	pythia_url url;

	if (!pythia_url_parse(text, &url, error))
		return pythia_error_context(error, "--%s", option);
	*engine = url.engine;
	pythia_url_free(&url);
	return true;
}

static bool wrong_option(const cli_args *args, const char *option, const char *kind, pythia_error *error)
{
	if (!cli_given(args, option))
		return false;
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "--%s does not go with %s", option, kind);
	pythia_error_hint(error, "See \"pythia create --help\".");
	return true;
}

/* Which databases, of which engines; and that the options agree with one another. */
static bool choose_databases(creation *c, const cli_args *args, const char **host, pythia_error *error)
{
	const char *type = cli_text(args, "database-type", NULL);
	const char *option = c->sync ? "source" : "connection";
	const char *given = cli_text(args, option, NULL);
	pythia_engine target = PYTHIA_SQLITE;

	if (c->sync ? wrong_option(args, "connection", "database-sync", error) ||
					  wrong_option(args, "poll-interval", "database-sync", error)
				: wrong_option(args, "source", "database-cdc", error) ||
					  wrong_option(args, "target", "database-cdc", error) ||
					  wrong_option(args, "mode", "database-cdc", error))
		return false;
	for (int i = 0; engines[i] != NULL; i++)
		if (type != NULL && strcmp(type, engines[i]) == 0)
			c->engine = (pythia_engine) i;
	if (given != NULL)
	{
		pythia_engine engine = PYTHIA_POSTGRESQL;

		if (!engine_of(option, given, &engine, error))
			return false;
		if (type != NULL && engine != c->engine)
		{
			pythia_fail(error, PYTHIA_E_USAGE, "22023", "--database-type %s and the URL of --%s disagree", type,
						option);
			return pythia_error_hint(error, "Leave --database-type out: the URL tells.");
		}
		c->engine = engine;
	}
	if (!c->sync)
	{
		c->connection = pythia_strdup(given != NULL ? given : example_url(c->engine));
		*host = engines[c->engine];
		return true;
	}
	c->source = pythia_strdup(given != NULL ? given : example_url(c->engine));
	c->target = pythia_strdup(cli_text(args, "target", "sqlite:///copy.db"));
	if (!engine_of("target", c->target, &target, error))
		return false;
	*host = c->engine != PYTHIA_SQLITE && target != PYTHIA_SQLITE           ? "postgresql"
			: c->engine == PYTHIA_POSTGRESQL || target == PYTHIA_POSTGRESQL ? "postgresql"
																			: "sqlite";
	return true;
}

static bool create(creation *c, const cli_args *args, pythia_error *error)
{
	const char *host = engines[0];
	char own[32];
	char common[32];
	char ddl[32];
	const char *names[] = {common, own, NULL, NULL, NULL};
	int n = 2;
	bool live = c->sync && strcmp(cli_text(args, "mode", ""), "live") == 0;
	const char *tables = cli_text(args, "tables", NULL);
	char *here;

	if (!check_name(c->name, error) || !choose_databases(c, args, &host, error))
		return false;
	c->example = tables == NULL;
	c->tables = pythia_list_split(tables != NULL ? tables : "orders", &c->ntables);
	c->timestamp_column = cli_text(args, "timestamp-column", "updated_at");
	here = getcwd(NULL, 0);
	if (here == NULL)
		return write_error(".", "", error);
	{
		pythia_buffer path = PYTHIA_BUFFER_INIT;

		pythia_buffer_printf(&path, "%s/%s", here, c->name);
		c->directory = pythia_buffer_take(&path);
		free(here);
	}
	for (const char *p = c->directory; *p != '\0'; p++)
		if ((unsigned char) *p < ' ')
		{
			pythia_fail(error, PYTHIA_E_USAGE, "22023", "the path of the folder holds a line break or the like");
			return pythia_error_hint(error, "No systemd unit can name it: make the worker in another folder.");
		}
	snprintf(common, sizeof(common), "common-%s", c->sync ? "sync" : "cdc");
	snprintf(own, sizeof(own), "%s-%s", c->sync ? "sync" : "cdc", host);
	snprintf(ddl, sizeof(ddl), "tables-%s", engines[c->engine]);
	/* it runs from the shell, wherever the databases are, and needs no timestamps */
	if (live)
	{
		if (wrong_option(args, "timestamp-column", "--mode live", error))
			return false;
		names[0] = "sync-live";
		n = 1;
	}
	if (c->sync)
		names[n++] = "test-sync";
	if (!live || c->example)
		names[n++] = ddl;
	names[n] = NULL;
	return set_variables(c, args, error) && cli_variables_check(&c->variables, error) &&
		   write_folder(c, names, cli_given(args, "force"), error);
}

static int run_create(cli_args *args)
{
	creation c;
	pythia_error error = PYTHIA_ERROR_INIT;
	const char *kind = args->operands[0];
	int code = CLI_DONE;

	memset(&c, 0, sizeof(c));
	c.name = args->operands[1];
	c.sync = strcmp(kind, "database-sync") == 0;
	if (!c.sync && strcmp(kind, "database-cdc") != 0)
	{
		pythia_fail(&error, PYTHIA_E_USAGE, "22023", "unknown kind of worker \"%s\"", kind);
		pythia_error_hint(&error, "It is database-cdc or database-sync.");
		code = cli_fail(&error);
	}
	else if (!create(&c, args, &error))
		code = cli_fail(&error);
	else if (cli_json)
	{
		char *directory = json_text(c.directory);

		cli_put_line(stdout, "{\"name\":\"%s\",\"kind\":\"%s\",\"directory\":%s}", c.name, kind, directory);
		pythia_free(directory);
	}
	else
		cli_say("Made %s.  Next: read %s/README.md, then run \"pythia run %s\".", c.name, c.name, c.name);
	pythia_free(c.directory);
	pythia_free(c.connection);
	pythia_free(c.source);
	pythia_free(c.target);
	pythia_list_free(c.tables, c.ntables);
	cli_variables_free(&c.variables);
	return code;
}

const cli_command cli_command_create = {
	.name = "create",
	.operands = "database-cdc|database-sync NAME [OPTION]...",
	.summary = "make a folder with a worker that runs",
	.description =
		"Makes the folder NAME: the worker in SQL, its configuration for \"pythia run\", a handler, grants for a role "
		"with few rights, a test that passes, a systemd unit and timer, and a README that tells how to use them.\n\n"
		"An existing folder is left alone unless --force is given.  Leave passwords out of URLs: they are read "
		"from ~/.pgpass, ~/.my.cnf, PGPASSWORD and MYSQL_PWD.",
	.example = "pythia create database-cdc my_cdc_worker --database-type postgresql --tables orders,users\n"
			   "pythia create database-sync my_sync_worker --source postgresql://db1/shop --target mysql://db2/shop",
	.sets = sets,
	.min_operands = 2,
	.max_operands = 2,
	.run = run_create,
};
