#define _GNU_SOURCE /* memrchr */
#include "core/url.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "core/secret.h"
#include "core/text.h"

#define URL_HINT                                                                                                       \
	"Write it as postgresql://user:password@host:5432/database, mysql://user:password@host:3306/database or "          \
	"sqlite:////absolute/path.db."

static const struct
{
	const char *scheme;
	pythia_engine engine;
} schemes[] = {
	{"postgresql", PYTHIA_POSTGRESQL}, {"postgres", PYTHIA_POSTGRESQL}, {"mysql", PYTHIA_MYSQL},
	{"mariadb", PYTHIA_MYSQL},         {"sqlite", PYTHIA_SQLITE},
};

static bool bad_url(pythia_error *error, const char *why)
{
	/* never the text itself: it may hold a password */
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "invalid database URL: %s", why);
	return pythia_error_hint(error, "%s", URL_HINT);
}

/* Percent-decodes a part; NULL (and an error) where it is malformed. */
static char *decode(const char *from, size_t length, pythia_error *error)
{
	char *text = pythia_malloc(length + 1);
	char *to = text;

	for (size_t i = 0; i < length; i++)
	{
		int high, low;

		if (from[i] != '%')
		{
			*to++ = from[i];
			continue;
		}
		high = i + 2 < length ? pythia_hex_value(from[i + 1]) : -1;
		low = high >= 0 ? pythia_hex_value(from[i + 2]) : -1;
		if (high < 0 || low < 0 || (high == 0 && low == 0))
		{
			pythia_free(text);
			bad_url(error, "a percent sign must be followed by two hexadecimal digits, and not by 00");
			pythia_error_hint(error, "Write a literal percent sign as %%25.");
			return NULL;
		}
		*to++ = (char) (high << 4 | low);
		i += 2;
	}
	*to = '\0';
	return text;
}

static bool parse_parameters(const char *text, pythia_url *url, pythia_error *error)
{
	while (*text)
	{
		size_t length = strcspn(text, "&");
		const char *equals = memchr(text, '=', length);
		size_t name_length = equals ? (size_t) (equals - text) : length;
		pythia_url_parameter *parameter;

		if (length > 0)
		{
			if (!equals || name_length == 0)
				return bad_url(error, "a parameter after \"?\" must be written as name=value");
			url->parameters =
				pythia_realloc(url->parameters, (size_t) (url->nparameters + 1) * sizeof(*url->parameters));
			parameter = &url->parameters[url->nparameters++];
			memset(parameter, 0, sizeof(*parameter));
			if (!(parameter->name = decode(text, name_length, error)) ||
				!(parameter->value = decode(equals + 1, length - name_length - 1, error)))
				return false;
		}
		text += length;
		if (*text == '&')
			text++;
	}
	return true;
}

static bool parse_port(const char *text, size_t length, pythia_url *url, pythia_error *error)
{
	long port = 0;

	if (length == 0)
		return true;
	for (size_t i = 0; i < length; i++)
	{
		if (!isdigit((unsigned char) text[i]) || port > 65535)
		{
			bad_url(error, "the port must be a number from 1 to 65535");
			return pythia_error_hint(error, "Percent-encode special characters in the user name and the password "
											"(\"@\" as %%40, \":\" as %%3A, \"/\" as %%2F).");
		}
		port = port * 10 + (text[i] - '0');
	}
	if (port < 1 || port > 65535)
		return bad_url(error, "the port must be a number from 1 to 65535");
	url->port = (int) port;
	return true;
}

/*
 * What may stand for a host.  Client libraries read more into it than a name: a list, a whole list of options
 * (MariaDB's, where it holds a semicolon), a plugin (before "://").  None of that may come in by way of a host.
 */
static bool check_host(const pythia_url *url, bool bracketed, pythia_error *error)
{
	const char *host = url->host;
	bool good = *host != '\0';

	if (bracketed)
	{
		size_t length = strspn(host, "0123456789abcdefABCDEF:.");

		/* fe80::1%eth0 */
		if (host[length] == '%' && host[length + 1] != '\0')
			for (length++; isalnum((unsigned char) host[length]) || (host[length] && strchr("._-", host[length]));)
				length++;
		return host[length] == '\0' || bad_url(error, "an IPv6 address must be written as in [::1]");
	}
	/* a socket's folder, or an abstract socket: nobody resolves these */
	if (url->engine == PYTHIA_POSTGRESQL && (*host == '/' || *host == '@'))
		return true;
	for (const char *p = host; good && *p; p++)
		good = isalnum((unsigned char) *p) || (unsigned char) *p >= 0x80 || strchr(".-_", *p) ||
			   (*p == ',' && url->engine == PYTHIA_POSTGRESQL);
	if (good)
		return true;
	bad_url(error, "the host holds a character that no host has");
	return pythia_error_hint(error, "Write a name or an address.  Special characters of the user name and the "
									"password are percent-encoded: \"@\" as %%40, \":\" as %%3A, \"/\" as %%2F.");
}

/* [user[:password]@][host][:port] */
static bool parse_authority(const char *text, size_t length, pythia_url *url, pythia_error *error)
{
	const char *at = memrchr(text, '@', length);
	const char *colon;

	if (at)
	{
		size_t user_length = (size_t) (at - text);

		colon = memchr(text, ':', user_length);
		if (colon)
		{
			if (!(url->password = decode(colon + 1, (size_t) (at - colon - 1), error)))
				return false;
			user_length = (size_t) (colon - text);
		}
		/* where one reader sees the host, another must not see the user */
		if (memchr(text, '@', user_length) || memchr(text, '\\', user_length))
		{
			bad_url(error, "the user name holds \"@\" or a backslash");
			return pythia_error_hint(error, "Write them as %%40 and %%5C.");
		}
		if (user_length > 0 && !(url->user = decode(text, user_length, error)))
			return false;
		length -= (size_t) (at + 1 - text);
		text = at + 1;
	}
	if (length > 0 && text[0] == '[')
	{
		const char *close = memchr(text, ']', length);

		if (!close || close == text + 1)
			return bad_url(error, "an IPv6 address must be written as in [::1]");
		if (!(url->host = decode(text + 1, (size_t) (close - text - 1), error)) || !check_host(url, true, error))
			return false;
		length -= (size_t) (close + 1 - text);
		text = close + 1;
		if (length > 0 && text[0] != ':')
			return bad_url(error, "only a port may follow an IPv6 address");
		return length == 0 || parse_port(text + 1, length - 1, url, error);
	}
	colon = memrchr(text, ':', length);
	if (colon)
	{
		if (!parse_port(colon + 1, (size_t) (text + length - colon - 1), url, error))
			return false;
		length = (size_t) (colon - text);
	}
	if (memchr(text, ':', length))
	{
		bad_url(error, "the host contains a colon");
		return pythia_error_hint(error, "Write an IPv6 address in brackets, as in [::1].");
	}
	return length == 0 || ((url->host = decode(text, length, error)) != NULL && check_host(url, false, error));
}

static bool parse_scheme(const char *text, size_t length, pythia_url *url, pythia_error *error)
{
	const char *plus = memchr(text, '+', length);
	size_t name_length = plus ? (size_t) (plus - text) : length;

	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char) text[i]) && !strchr("+-._", text[i]))
			return bad_url(error, "it must begin with a scheme such as postgresql://");
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strlen(schemes[i].scheme) == name_length && strncasecmp(schemes[i].scheme, text, name_length) == 0)
		{
			url->engine = schemes[i].engine;
			url->scheme = pythia_strdup(schemes[i].scheme);
			return true;
		}
	pythia_fail(error, PYTHIA_E_USAGE, "22023", "invalid database URL: unknown database \"%.*s\"", (int) name_length,
				text);
	return pythia_error_hint(error, "%s", URL_HINT);
}

static bool parse_parts(const char *text, pythia_url *url, pythia_error *error)
{
	const char *colon = strstr(text, "://");
	const char *query;
	size_t length;
	size_t authority;

	if (!colon || colon == text)
		return bad_url(error, "it must begin with a scheme such as postgresql://");
	for (const char *p = text; *p; p++)
		if ((unsigned char) *p < ' ' || *p == 0x7f)
			return bad_url(error, "it holds a line break or another control character");
	if (!parse_scheme(text, (size_t) (colon - text), url, error))
		return false;
	text = colon + 3;
	query = strchr(text, '?');
	length = query ? (size_t) (query - text) : strlen(text);
	authority = strcspn(text, "/?");
	if (url->engine == PYTHIA_SQLITE)
	{
		if (authority > 0)
		{
			bad_url(error, "a SQLite URL has no host");
			return pythia_error_hint(error, "Write sqlite:////absolute/path.db or sqlite:///relative.db.");
		}
	}
	else if (!parse_authority(text, authority, url, error))
		return false;
	if (length > authority + 1 && !(url->database = decode(text + authority + 1, length - authority - 1, error)))
		return false;
	return !query || parse_parameters(query + 1, url, error);
}

bool pythia_url_parse(const char *text, pythia_url *url, pythia_error *error)
{
	memset(url, 0, sizeof(*url));
	if (!text)
		return bad_url(error, "it is empty");
	while (isspace((unsigned char) *text))
		text++;
	if (*text == '\0')
		return bad_url(error, "it is empty");
	if (parse_parts(text, url, error))
		return true;
	pythia_url_free(url);
	return false;
}

void pythia_url_free(pythia_url *url)
{
	/* a freed password should not linger in memory */
	if (url->password)
		explicit_bzero(url->password, strlen(url->password));
	pythia_free(url->scheme);
	pythia_free(url->user);
	pythia_free(url->password);
	pythia_free(url->host);
	pythia_free(url->database);
	for (int i = 0; i < url->nparameters; i++)
	{
		if (url->parameters[i].value)
			explicit_bzero(url->parameters[i].value, strlen(url->parameters[i].value));
		pythia_free(url->parameters[i].name);
		pythia_free(url->parameters[i].value);
	}
	pythia_free(url->parameters);
	memset(url, 0, sizeof(*url));
}

void pythia_url_copy(pythia_url *to, const pythia_url *from)
{
	*to = *from;
	to->scheme = pythia_strdup(from->scheme);
	to->user = pythia_strdup(from->user);
	to->password = pythia_strdup(from->password);
	to->host = pythia_strdup(from->host);
	to->database = pythia_strdup(from->database);
	to->parameters = pythia_calloc((size_t) from->nparameters, sizeof(*to->parameters));
	for (int i = 0; i < from->nparameters; i++)
	{
		to->parameters[i].name = pythia_strdup(from->parameters[i].name);
		to->parameters[i].value = pythia_strdup(from->parameters[i].value);
	}
}

const char *pythia_url_parameter_get(const pythia_url *url, const char *name)
{
	const char *value = NULL;

	for (int i = 0; i < url->nparameters; i++)
		if (strcmp(url->parameters[i].name, name) == 0)
			value = url->parameters[i].value;
	return value;
}

static void encode(pythia_buffer *out, const char *text, const char *keep)
{
	for (; *text; text++)
	{
		if (isalnum((unsigned char) *text) || (unsigned char) *text >= 0x80 || strchr("-._~", *text) ||
			strchr(keep, *text))
			pythia_buffer_putc(out, *text);
		else
			pythia_buffer_printf(out, "%%%02X", (unsigned char) *text);
	}
}

static const char *engine_name(pythia_engine engine)
{
	switch (engine)
	{
		case PYTHIA_POSTGRESQL:
			return "postgresql";
		case PYTHIA_MYSQL:
			return "mysql";
		case PYTHIA_SQLITE:
			break;
	}
	return "sqlite";
}

void pythia_url_redact(const pythia_url *url, pythia_buffer *out)
{
	pythia_buffer_printf(out, "%s://", url->scheme ? url->scheme : engine_name(url->engine));
	if (url->user)
		encode(out, url->user, "");
	if (url->password)
		pythia_buffer_puts(out, ":***");
	if (url->user || url->password)
		pythia_buffer_putc(out, '@');
	if (url->host && strchr(url->host, ':') && url->host[strspn(url->host, "0123456789abcdefABCDEF:.")] == '\0')
		pythia_buffer_printf(out, "[%s]", url->host);
	else if (url->host)
		encode(out, url->host, "");
	if (url->port)
		pythia_buffer_printf(out, ":%d", url->port);
	if (url->database)
	{
		pythia_buffer_putc(out, '/');
		encode(out, url->database, "/:@");
	}
	for (int i = 0; i < url->nparameters; i++)
	{
		pythia_buffer_putc(out, i ? '&' : '?');
		encode(out, url->parameters[i].name, "");
		pythia_buffer_putc(out, '=');
		if (pythia_secret_name(url->parameters[i].name, strlen(url->parameters[i].name)))
			pythia_buffer_puts(out, "***");
		else
			encode(out, url->parameters[i].value, "/:@");
	}
}

bool pythia_url_like(const char *text)
{
	return text && strstr(text, "://") != NULL;
}

void pythia_url_endpoint(const pythia_url *url, pythia_buffer *out)
{
	static const char *const addresses[] = {"host", "hostaddr", "port", "dbname", "service", "unix_socket"};

	pythia_buffer_printf(out, "%s %s %d %s", engine_name(url->engine), url->host ? url->host : "", url->port,
						 url->database ? url->database : "");
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
	{
		const char *value = pythia_url_parameter_get(url, addresses[i]);

		if (value)
			pythia_buffer_printf(out, " %s=%s", addresses[i], value);
	}
}
