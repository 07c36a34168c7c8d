#include "postgres/connection/url.h"

#include "catalog/pg_authid.h"
#include "commands/defrem.h"
#include "core/memory.h"
#include "core/secret.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "postgres/base/bridge.h"
#include "postgres/base/secret_hooks.h"
#include "utils/acl.h"

static bool is_secret(const char *name)
{
	return pythia_secret_name(name, strlen(name));
}

pythia_parameter_class pythia_parameters_of_role(Oid role)
{
	if (superuser_arg(role))
		return PYTHIA_PARAMETER_ADMIN;
	return has_privs_of_role(role, ROLE_PG_READ_SERVER_FILES) ? PYTHIA_PARAMETER_FILE : PYTHIA_PARAMETER_ANYBODY;
}

void pythia_url_check_parameters(const pythia_url *url, Oid role)
{
	pythia_parameter_class most = pythia_parameters_of_role(role);

	for (int i = 0; i < url->nparameters; i++)
	{
		const pythia_url_parameter *one = &url->parameters[i];
		pythia_parameter_class class = pythia_parameter_class_of(url->engine, one->name, one->value);

		if (class <= most)
			continue;
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied to use \"%s\" in a connection", pythia_message_from_utf8(one->name)),
						class == PYTHIA_PARAMETER_FILE
							? errdetail("It names a file of the server.")
							: errdetail("It is not among the parameters that other roles than superusers may use."),
						class == PYTHIA_PARAMETER_FILE
							? errhint("Ask for membership in pg_read_server_files, or leave it out.")
							: errhint("Leave it out, or let a superuser make the connection and grant USAGE on it.")));
	}
}

static void free_url(void *url)
{
	pythia_url_free(url);
	pythia_free(url);
}

/* Also of what is no URL, for want of a percent sign, say. */
static bool may_hold_password(const char *text)
{
	const char *from = strstr(text, "://");
	const char *at = strrchr(text, '@');

	return from && at && at > from + 3 && memchr(from + 3, ':', at - from - 3);
}

pythia_url *pythia_url_read(const char *text)
{
	pythia_url *url = pythia_calloc(1, sizeof(pythia_url));
	pythia_error error = PYTHIA_ERROR_INIT;
	char *utf8 = pythia_to_utf8(text);

	/* whoever reads a URL may have got it with the statement */
	pythia_hide_activity();
	if (may_hold_password(text))
		pythia_hide_statement();
	if (!pythia_url_parse(utf8, url, &error))
	{
		pythia_free(url);
		pythia_raise(&error);
	}
	pythia_free_with_context(free_url, url);
	return url;
}

char *pythia_url_public(const pythia_url *url)
{
	pythia_url bare = *url;
	pythia_buffer text = PYTHIA_BUFFER_INIT;
	char *result;

	bare.user = bare.password = NULL;
	bare.nparameters = 0;
	bare.parameters = palloc(sizeof(pythia_url_parameter) * Max(url->nparameters, 1));
	for (int i = 0; i < url->nparameters; i++)
		if (!is_secret(url->parameters[i].name))
			bare.parameters[bare.nparameters++] = url->parameters[i];
	pythia_url_redact(&bare, &text);
	result = pythia_from_utf8(pythia_buffer_text(&text));
	pythia_buffer_free(&text);
	return result;
}

static DefElem *option(const char *name, const char *value)
{
	return makeDefElem(pstrdup(name), (Node *) makeString(pythia_from_utf8(value)), -1);
}

List *pythia_url_secrets(const pythia_url *url)
{
	List *result = NIL;

	if (url->user)
		result = lappend(result, option("user", url->user));
	if (url->password)
		result = lappend(result, option("password", url->password));
	for (int i = 0; i < url->nparameters; i++)
		if (is_secret(url->parameters[i].name))
			result = lappend(result, option(url->parameters[i].name, url->parameters[i].value));
	return result;
}

static void set_parameter(pythia_url *url, const char *name, const char *value)
{
	for (int i = 0; i < url->nparameters; i++)
		if (strcmp(url->parameters[i].name, name) == 0)
		{
			pythia_free(url->parameters[i].value);
			url->parameters[i].value = pythia_strdup(value);
			return;
		}
	url->parameters = pythia_realloc(url->parameters, sizeof(pythia_url_parameter) * (url->nparameters + 1));
	url->parameters[url->nparameters].name = pythia_strdup(name);
	url->parameters[url->nparameters++].value = pythia_strdup(value);
}

void pythia_url_apply(pythia_url *url, List *options)
{
	ListCell *cell;

	foreach (cell, options)
	{
		DefElem *element = lfirst(cell);
		char *value = pythia_to_utf8(defGetString(element));

		if (strcmp(element->defname, "user") == 0)
		{
			pythia_free(url->user);
			url->user = pythia_strdup(value);
		}
		else if (strcmp(element->defname, "password") == 0)
		{
			pythia_free(url->password);
			url->password = pythia_strdup(value);
		}
		else if (strcmp(element->defname, "password_required") != 0)
			set_parameter(url, element->defname, value);
	}
}
