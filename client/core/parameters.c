#include "core/parameters.h"

#include <string.h>

static const char *const postgres_anybody[] = {"host",
											   "hostaddr",
											   "port",
											   "dbname",
											   "user",
											   "password",
											   "connect_timeout",
											   "client_encoding",
											   "options",
											   "application_name",
											   "fallback_application_name",
											   "keepalives",
											   "keepalives_idle",
											   "keepalives_interval",
											   "keepalives_count",
											   "tcp_user_timeout",
											   "ssl",
											   "sslmode",
											   "sslnegotiation",
											   "sslcompression",
											   "sslsni",
											   "ssl_min_protocol_version",
											   "ssl_max_protocol_version",
											   "channel_binding",
											   "require_auth",
											   "target_session_attrs",
											   "load_balance_hosts",
											   NULL};
static const char *const postgres_file[] = {"passfile",    "password_file", "sslcert",   "sslkey", "sslpassword",
											"sslrootcert", "sslcrl",        "sslcrldir", NULL};
static const char *const mysql_anybody[] = {"connect_timeout",
											"charset",
											"collation",
											"ssl",
											"ssl_mode",
											"ssl-mode",
											"ssl_cipher",
											"compress",
											"local_infile",
											"ssl_verify_cert",
											"ssl_verify_identity",
											"autocommit",
											NULL};
static const char *const mysql_file[] = {"password_file", "ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", NULL};

static bool among(const char *const *names, const char *name)
{
	for (int i = 0; names[i]; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

pythia_parameter_class pythia_parameter_class_of(pythia_engine engine, const char *name, const char *value)
{
	/* ours, of every engine; no server is told of them */
	if (strcmp(name, "mask_key") == 0)
		return PYTHIA_PARAMETER_ANYBODY;
	if (strcmp(name, "mask_key_file") == 0)
		return PYTHIA_PARAMETER_FILE;
	switch (engine)
	{
		case PYTHIA_POSTGRESQL:
			/* the authorities of the operating system: a word, not a file */
			if (among(postgres_anybody, name) || (strcmp(name, "sslrootcert") == 0 && strcmp(value, "system") == 0))
				return PYTHIA_PARAMETER_ANYBODY;
			return among(postgres_file, name) ? PYTHIA_PARAMETER_FILE : PYTHIA_PARAMETER_ADMIN;
		case PYTHIA_MYSQL:
			if (among(mysql_anybody, name))
				return PYTHIA_PARAMETER_ANYBODY;
			return among(mysql_file, name) ? PYTHIA_PARAMETER_FILE : PYTHIA_PARAMETER_ADMIN;
		case PYTHIA_SQLITE:
			/* who may open the file at all is asked elsewhere; the driver takes mode and timeout alone */
			break;
	}
	return PYTHIA_PARAMETER_ANYBODY;
}

bool pythia_parameter_storable(pythia_engine engine, const char *name, const char *value)
{
	static const char *const stay[] = {"sslrootcert", "sslcrl",      "sslcrldir", "ssl_ca",
									   "ssl_capath",  "unix_socket", NULL};

	return pythia_parameter_class_of(engine, name, value) == PYTHIA_PARAMETER_ANYBODY || among(stay, name);
}
