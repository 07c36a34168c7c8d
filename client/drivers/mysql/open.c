/* Opening a MySQL or MariaDB server: the session set up, and the ways that the connection is told of. */
#include "drivers/mysql/internal.h"

#include <stdio.h>
#include <string.h>

#include "core/memory.h"

#define CONNECT_SECONDS 30

static bool set_up(mysql_db *db, const pythia_open_options *options, pythia_error *error)
{
	pythia_db *base = &db->base;
	const char *info = mysql_get_server_info(&db->mysql);
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	pythia_result result;

	base->version = (int) mysql_get_server_version(&db->mysql);
	base->is_mariadb = strstr(info, "MariaDB") != NULL;
	base->encrypted = mysql_get_ssl_cipher(&db->mysql) != NULL;
	base->read_only = options->read_only;
	pythia_buffer_printf(&text, "%s %d.%d.%d", base->is_mariadb ? "MariaDB" : "MySQL", base->version / 10000,
						 base->version / 100 % 100, base->version % 100);
	base->version_text = pythia_buffer_take(&text);
	if (!pythia_db_query(base,
						 "SELECT DATABASE(), @@log_bin = 1 AND @@binlog_format = 'STATEMENT', @@local_infile,"
						 " @@max_allowed_packet",
						 "1Tbbn", &result, error))
		return false;
	base->default_schema = pythia_strdup(pythia_result_optional(&result, 0, 0));
	db->statement_log = pythia_result_true(&result, 0, 1);
	db->takes_files = pythia_result_true(&result, 0, 2);
	db->max_packet = pythia_result_number(&result, 0, 3) > 0 ? (size_t) pythia_result_number(&result, 0, 3) : 0;
	pythia_result_free(&result);
	if (!base->default_schema)
		base->default_schema = pythia_strdup("");
	return pythia_mysql_pin(db, error);
}

static bool again(const mysql_db *db, mysql_db **out, pythia_error *error)
{
	pythia_open_options options = {
		.client_defaults = db->client_defaults, .require_password = db->require_password, .reach = db->reach};
	pythia_db *second;

	*out = NULL;
	if (!pythia_mysql_open(&db->url, db->base.host, &options, &second, error))
		return false;
	*out = pythia_mysql_of(second);
	return true;
}

bool pythia_mysql_open(const pythia_url *url, const pythia_host *host, const pythia_open_options *options,
					   pythia_db **out, pythia_error *error)
{
	static const pythia_open_options defaults = {0};
	mysql_db *db = pythia_calloc(1, sizeof(*db));
	pythia_buffer display = PYTHIA_BUFFER_INIT;
	pythia_buffer place = PYTHIA_BUFFER_INIT;
	int64_t seconds;

	*out = NULL;
	if (!options)
		options = &defaults;
	db->base.driver = &pythia_mysql_driver;
	db->kill = pythia_mysql_kill;
	db->again = again;
	db->base.host = host ? host : pythia_default_host();
	db->base.engine = PYTHIA_MYSQL;
	pythia_url_redact(url, &display);
	db->base.display = pythia_buffer_take(&display);
	pythia_url_endpoint(url, &place);
	db->base.place = pythia_buffer_take(&place);
	db->client_defaults = options->client_defaults && !options->require_password;
	db->require_password = options->require_password;
	db->reach = pythia_strdup(options->reach);
	pythia_url_copy(&db->url, url);
	if (options->require_password && !(url->password && url->password[0]))
	{
		pythia_fail(error, PYTHIA_E_CONNECT, "2F003", "password is required");
		pythia_error_detail(error, "Non-superusers may not enter %s without a password.", db->base.display);
		pythia_error_hint(error, "Give a password in the connection's URL.");
	}
	else if (pythia_mysql_check_url(url, error) &&
			 pythia_url_seconds(url, "connect_timeout", CONNECT_SECONDS, &seconds, error) &&
			 pythia_mysql_set_options(db, url, seconds, error) && pythia_mysql_connect(db, url, error) &&
			 set_up(db, options, error))
	{
		*out = &db->base;
		return true;
	}
	pythia_mysql_driver.close(&db->base);
	return false;
}
