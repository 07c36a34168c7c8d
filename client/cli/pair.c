#include "cli/pair.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/list.h"
#include "core/memory.h"
#include "dialect/dialect.h"
#include "dialect/short_name.h"
#include "core/json_read.h"
#include "sync/order.h"
#include "sync/target.h"
#include "validate/validate.h"

/* More than any configuration has. */
#define MOST_BYTES (16 * 1024 * 1024)

const cli_option cli_pair_options[] = {
	{"source", 's', CLI_URL, "URL", "the database that is read (or PYTHIA_SOURCE)", NULL, NULL},
	{"target", 't', CLI_URL, "URL", "the database that is written or compared (or PYTHIA_TARGET)", NULL, NULL},
	{"tables", 0, CLI_LIST, "A,B", "tables of the source, with commas between; may be given again", NULL, NULL},
	{"all", 'a', CLI_FLAG, NULL, "all tables of the source", NULL, NULL},
	{"schema", 0, CLI_TEXT, "NAME", "with --all: the source's schema (default: its own default)", NULL, NULL},
	{"config", 0, CLI_FILE, "JSON|@FILE", "sync_config as JSON, or in a file; single options win over it", NULL, NULL},
	{NULL}};

static const char *const policy[] = {"error", "null", "clamp", "replace", "quarantine", NULL};

const cli_option cli_column_options[] = {
	{"key", 0, CLI_LIST, "A,B", "key columns, for a table without a primary key", NULL, "key"},
	{"columns", 0, CLI_LIST, "A,B", "only these columns", NULL, "columns"},
	{"exclude-columns", 0, CLI_LIST, "A,B", "all but these columns", NULL, "exclude_columns"},
	{"where", 'w', CLI_TEXT, "SQL", "only the source's rows that meet this condition", NULL, "where"},
	{"table-map", 0, CLI_MAP, "A=B,...", "tables with another name in the target", NULL, "table_map"},
	{"column-map", 0, CLI_MAP, "A=B,...", "columns with another name in the target", NULL, "column_map"},
	{"type-map", 0, CLI_MAP, "A=B,...", "types, or columns, with another type in the target", NULL, "type_map"},
	{"masks", 0, CLI_MAP, "A=B,...", "columns whose values are masked by hash, partial or null", NULL, "masks"},
	{"timestamp-column", 0, CLI_TEXT, "NAME", "the column that tells when a row changed (default updated_at)", NULL,
	 "timestamp_column"},
	{"zero-date", 0, CLI_CHOICE, "POLICY", "for MySQL's 0000-00-00", policy, "zero_date"},
	{"infinity", 0, CLI_CHOICE, "POLICY", "for infinite dates", policy, "infinity"},
	{"nan", 0, CLI_CHOICE, "POLICY", "for NaN", policy, "nan"},
	{"nul-byte", 0, CLI_CHOICE, "POLICY", "for a NUL byte in text", policy, "nul_byte"},
	{"bad-utf8", 0, CLI_CHOICE, "POLICY", "for text that is not UTF-8", policy, "bad_utf8"},
	{"out-of-range", 0, CLI_CHOICE, "POLICY", "for numbers and dates the target cannot hold", policy, "out_of_range"},
	{NULL}};

static char *unreadable(int fd, const char *path, const char *why, const char *hint, pythia_error *error)
{
	if (fd >= 0)
		close(fd);
	pythia_fail(error, PYTHIA_E_USAGE, fd < 0 ? "58P01" : "58030", "cannot read \"%s\": %s", path, why);
	pythia_error_hint(error, "%s", hint);
	return NULL;
}

char *cli_read_file(const char *path, bool pipes, pythia_error *error)
{
	/* nobody is waited for at the other end of a pipe that was put in a file's place */
	int fd = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC | (pipes ? 0 : O_NONBLOCK));
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	struct stat found;
	char chunk[8192];
	ssize_t n;

	if (fd < 0)
		return unreadable(fd, path, strerror(errno), "Check the path and its permissions.", error);
	if (fstat(fd, &found) != 0 || (!pipes && !S_ISREG(found.st_mode)))
		return unreadable(fd, path, "it is no ordinary file", "It must be a file that can be read.", error);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0 && text.length <= MOST_BYTES)
		pythia_buffer_append(&text, chunk, (size_t) n);
	if (n < 0 || text.length > MOST_BYTES)
	{
		pythia_buffer_free(&text);
		return unreadable(fd, path, n < 0 ? strerror(errno) : "it is larger than 16 MB",
						  "It must be a file that can be read.", error);
	}
	close(fd);
	return pythia_buffer_take(&text);
}

bool cli_read_json_option(const cli_args *args, const char *option, bool list, pythia_node **node, pythia_error *error)
{
	const char *text = cli_text(args, option, NULL);
	char *file = NULL;
	char what[64];
	bool ok;

	*node = NULL;
	if (text == NULL)
		return true;
	snprintf(what, sizeof(what), "--%s", option);
	if (*text == '@')
	{
		file = cli_read_file(text + 1, true, error);
		if (file == NULL)
			return false;
		text = file;
	}
	ok = pythia_json_read(what, text, node, error);
	if (ok && (*node)->type != PYTHIA_NODE_OBJECT && !(list && (*node)->type == PYTHIA_NODE_ARRAY))
	{
		pythia_node_free(*node);
		*node = NULL;
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "%s is not a JSON object", what);
		ok = pythia_error_hint(error, "Give an object such as {\"batch_size\": 1000}, or @FILE with one.");
	}
	pythia_free(file);
	return ok;
}

static bool find_tables(const cli_args *args, cli_pair *pair, pythia_error *error)
{
	const char *list = cli_text(args, "tables", NULL);

	if (list != NULL)
	{
		pair->tables = pythia_list_split(list, &pair->ntables);
		return true;
	}
	if (!pythia_list_tables(pair->source.db, cli_text(args, "schema", NULL), &pair->tables, &pair->ntables, error))
		return false;
	pythia_short_names(pair->source.db, pair->tables, &pair->ntables);
	if (pair->ntables > 0)
		return true;
	pythia_fail(error, PYTHIA_E_USAGE, "42P01", "the source has no tables");
	return pythia_error_hint(
		error, pair->source.db->engine == PYTHIA_POSTGRESQL ? "Give --schema NAME where they are in another schema."
			   : pair->source.db->engine == PYTHIA_MYSQL    ? "Name the database that has them in the URL."
															: "Check the path of the file.");
}

static bool check_words(const cli_args *args, pythia_error *error)
{
	bool list = cli_given(args, "tables");

	if (list && cli_given(args, "all"))
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "--tables and --all exclude each other");
		return pythia_error_hint(error, "Give the one or the other.");
	}
	if (!list && !cli_given(args, "all"))
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "no tables given");
		return pythia_error_hint(error, "Give --tables a,b or --all.");
	}
	if (list && cli_given(args, "schema"))
	{
		pythia_fail(error, PYTHIA_E_USAGE, "22023", "--schema goes with --all");
		return pythia_error_hint(error, "Write the schema before the table: --tables schema.table.");
	}
	return true;
}

static void forget_tables(cli_pair *pair)
{
	pythia_list_free(pair->tables, pair->ntables);
	pair->tables = NULL;
	pair->ntables = 0;
}

/* Opens both places and finds the tables that may be worked on, parents first. */
static bool open_tables(const cli_args *args, cli_pair *pair, pythia_error *error)
{
	return cli_endpoint_open(&pair->source, error) && cli_endpoint_open(&pair->target, error) &&
		   find_tables(args, pair, error) &&
		   pythia_sync_config_names(pair->config, pair->tables, pair->ntables, pair->all ? NULL : pair->source.db,
									error) &&
		   pythia_tables_check(pair->source.db, pair->target.db, pair->config, pair->tables, &pair->ntables, NULL, 0,
							   error) &&
		   pythia_tables_order(pair->source.db, pair->target.db, pair->config, pair->tables, pair->ntables, error);
}

bool cli_pair_open(const cli_args *args, const cli_option *const *sets, bool create_target, cli_pair *pair,
				   pythia_error *error)
{
	const char *source;
	const char *target;
	pythia_sync_config config;

	memset(pair, 0, sizeof(*pair));
	source = cli_url_text(args, "source", "PYTHIA_SOURCE", error);
	target = source != NULL ? cli_url_text(args, "target", "PYTHIA_TARGET", error) : NULL;
	if (target == NULL || !check_words(args, error))
		return false;
	if (!cli_read_json_option(args, "config", false, &pair->config, error))
		return false;
	for (int i = 0; sets[i] != NULL; i++)
	{
		pair->config = cli_option_tree(args, sets[i], pair->config, error);
		if (pair->config == NULL)
			return false;
	}
	/* wrong words are told before anything is opened */
	if (!pythia_sync_config_read(pair->config, NULL, NULL, &config, error) ||
		!pythia_validate_config_check(&config, error))
		return false;
	pythia_sync_config_idle(pair->config, cli_warn_idle, (void *) args);
	if (!cli_endpoint_parse(&pair->source, source, error))
		return pythia_error_context(error, "--source");
	if (!cli_endpoint_parse(&pair->target, target, error))
		return pythia_error_context(error, "--target");
	/* in SQLite the boundary of an incremental run is read under the write lock */
	pair->source.options.read_only = pair->source.url.engine != PYTHIA_SQLITE;
	pair->target.options.create = create_target;
	if (create_target && config.dry_run)
		cli_endpoint_imagine(&pair->target);
	pair->all = cli_given(args, "all");
	if (open_tables(args, pair, error))
		return true;
	/* no table that was refused is worked on */
	forget_tables(pair);
	return false;
}

static bool connect_another(void *context, bool target, const pythia_host *host, pythia_db **db, pythia_error *error)
{
	cli_pair *pair = context;

	return cli_endpoint_another(target ? &pair->target : &pair->source, host, db, error);
}

bool cli_pair_job(cli_pair *pair, const char *table, pythia_sync_config *config, pythia_sync_job *job,
				  pythia_error *error)
{
	memset(job, 0, sizeof(*job));
	if (!pythia_sync_config_read(pair->config, NULL, table, config, error))
		return false;
	/* after a failed table a connection may be broken */
	if (!cli_endpoint_open(&pair->source, error) || !cli_endpoint_open(&pair->target, error))
		return false;
	config->may_fall_back = pair->all;
	config->idle_told = pythia_sync_config_one(pair->config);
	job->others_follow = pair->ntables > 1;
	job->connect = connect_another;
	job->connect_context = pair;
	job->source = pair->source.db;
	job->target = pair->target.db;
	job->table = table;
	job->config = config;
	return true;
}

void cli_pair_close(cli_pair *pair)
{
	cli_endpoint_close(&pair->source);
	cli_endpoint_close(&pair->target);
	forget_tables(pair);
	pythia_node_free(pair->config);
	memset(pair, 0, sizeof(*pair));
}

int cli_worse(int a, int b)
{
	static const int order[] = {
		[CLI_DONE] = 0, [CLI_DIFFERENCE] = 1, [CLI_USAGE] = 2, [CLI_CONNECT] = 3, [CLI_INTERRUPTED] = 4};

	return order[a] >= order[b] ? a : b;
}
