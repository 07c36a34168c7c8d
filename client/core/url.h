/*
 * Database URLs as SQLAlchemy writes them:
 *   postgresql://user:pass@host:5432/db?sslmode=require
 *   mysql://…  mariadb://…  sqlite:////absolute/path.db  sqlite:///relative.db
 * A driver suffix (postgresql+asyncpg) is accepted and ignored, `postgres://`
 * too; parts are percent-decoded; [::1] hosts work.
 */
#ifndef PYTHIA_URL_H
#define PYTHIA_URL_H

#include "core/buffer.h"
#include "core/error.h"

typedef enum pythia_engine
{
	PYTHIA_POSTGRESQL,
	PYTHIA_MYSQL, /* MySQL and MariaDB */
	PYTHIA_SQLITE
} pythia_engine;

typedef struct pythia_url_parameter
{
	char *name;
	char *value;
} pythia_url_parameter;

typedef struct pythia_url
{
	pythia_engine engine;
	char *scheme; /* as written, without the driver suffix */
	char *user;   /* NULL where absent, likewise below */
	char *password;
	char *host;
	int port;       /* 0 where absent */
	char *database; /* name, or a SQLite path (NULL or "" is :memory:) */
	pythia_url_parameter *parameters;
	int nparameters;
} pythia_url;

/* Parses `text` into `url` (freed with pythia_url_free).  Errors are of class
 * USAGE, SQLSTATE 22023, and never repeat the password. */
bool pythia_url_parse(const char *text, pythia_url *url, pythia_error *error);
void pythia_url_free(pythia_url *url);
/* A copy of its own, freed likewise. */
void pythia_url_copy(pythia_url *to, const pythia_url *from);
/* Value of a query parameter, or NULL; owned by the url. */
const char *pythia_url_parameter_get(const pythia_url *url, const char *name);
/* Appends the URL with its password (and secret parameters) as `***`. */
void pythia_url_redact(const pythia_url *url, pythia_buffer *out);
/* Appends which database it is: the server's address and the name, whoever enters and however. */
void pythia_url_endpoint(const pythia_url *url, pythia_buffer *out);
/* True where text looks like a URL (has "://") rather than a connection's name. */
bool pythia_url_like(const char *text);

#endif
