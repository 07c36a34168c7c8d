/* Which addresses a connection of libpq goes to: resolved here, looked up in the list of those allowed, and given
 * to it as numbers, so that no name can mean another one meanwhile. */
#include "drivers/postgres/internal.h"

#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/reach.h"

#define DEFAULT_PORT "5432"

const char *pythia_postgres_word(const pythia_postgres_words *words, const char *keyword,
								 const PQconninfoOption *defaults)
{
	for (int i = words->count - 1; i >= 0; i--)
		if (strcmp(words->names[i], keyword) == 0 && words->values[i] && words->values[i][0])
			return words->values[i];
	for (; defaults && defaults->keyword; defaults++)
		if (strcmp(defaults->keyword, keyword) == 0 && defaults->val)
			return defaults->val;
	return "";
}

static int count_elements(const char *list)
{
	int count = 1;

	for (; *list; list++)
		count += *list == ',';
	return count;
}

/* An element of a comma list; the caller's. */
static char *element(const char *list, int which)
{
	for (; which > 0 && *list; which--)
	{
		list += strcspn(list, ",");
		list += *list == ',';
	}
	return pythia_strndup(list, strcspn(list, ","));
}

static void put(pythia_buffer *list, int count, const char *text)
{
	pythia_buffer_printf(list, "%s%s", count > 0 ? "," : "", text);
}

/* One host, which may have several addresses; *count is that of all hosts so far. */
static bool add_host(const char *reach, const char *host, const char *address, const char *port,
					 pythia_postgres_addresses *to, int *count, pythia_error *error)
{
	int before = *count;
	const char *place = *address ? address : host;

	if (*place == '/' || *place == '@' || !*place)
	{
		if (!pythia_reach_socket(reach, place))
			return pythia_reach_denied(*place ? place : "a socket of this machine", atoi(port), error);
		put(&to->addresses, (*count)++, "");
	}
	else if (!pythia_reach_resolve(reach, place, atoi(port), &to->addresses, count, error))
		return false;
	for (int i = before; i < *count; i++)
	{
		put(&to->hosts, i, host);
		put(&to->ports, i, port);
	}
	return true;
}

bool pythia_postgres_limit(const char *reach, const pythia_postgres_words *words, pythia_postgres_addresses *to,
						   pythia_error *error)
{
	PQconninfoOption *defaults = PQconndefaults();
	const char *hosts = pythia_postgres_word(words, "host", defaults);
	const char *addresses = pythia_postgres_word(words, "hostaddr", defaults);
	const char *ports = pythia_postgres_word(words, "port", defaults);
	int nhosts = count_elements(*addresses ? addresses : hosts);
	int nports = count_elements(ports);
	int count = 0;
	bool ok = true;

	if ((*addresses && *hosts && count_elements(hosts) != nhosts) || (nports != 1 && nports != nhosts))
	{
		ok = pythia_fail(error, PYTHIA_E_USAGE, "22023", "the lists of hosts, addresses and ports differ in length");
		pythia_error_hint(error, "Give as many of each as there are hosts, or one port for all.");
	}
	for (int i = 0; ok && i < nhosts; i++)
	{
		char *host = element(hosts, i);
		char *address = element(addresses, i);
		char *port = element(ports, nports == 1 ? 0 : i);

		ok = add_host(reach, host, address, *port ? port : DEFAULT_PORT, to, &count, error);
		pythia_free(host);
		pythia_free(address);
		pythia_free(port);
	}
	PQconninfoFree(defaults);
	return ok;
}

void pythia_postgres_addresses_free(pythia_postgres_addresses *addresses)
{
	pythia_buffer_free(&addresses->hosts);
	pythia_buffer_free(&addresses->addresses);
	pythia_buffer_free(&addresses->ports);
}
