#include "connection_url.h"

#include "bridge.h"
#include "commands/defrem.h"
#include "core/memory.h"
#include "nodes/makefuncs.h"

bool pythia_option_is_secret(const char *name)
{
	static const char *const words[] = {"pass", "pwd", "secret", "token"};

	for (size_t i = 0; i < lengthof(words); i++)
		if (strcasestr(name, words[i]))
			return true;
	return false;
}

static void free_url(void *url)
{
	pythia_url_free(url);
	pythia_free(url);
}

pythia_url *pythia_url_read(const char *text)
{
	pythia_url *url = pythia_calloc(1, sizeof(pythia_url));
	pythia_error error = PYTHIA_ERROR_INIT;
	char *utf8 = pythia_to_utf8(text);

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
		if (!pythia_option_is_secret(url->parameters[i].name))
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
		if (pythia_option_is_secret(url->parameters[i].name))
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
