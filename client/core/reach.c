#include "core/reach.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/memory.h"
#include "core/number.h"

/* Of the longest item: a name of 253 bytes, brackets, a port; or a socket's path. */
#define ITEM_BYTES 512

typedef struct item
{
	enum
	{
		ANY,
		NAME,
		BELOW, /* names that end so, with the dot */
		NETWORK,
		FOLDER
	} kind;
	char text[ITEM_BYTES]; /* of a name or a folder */
	unsigned char network[16];
	int bits;
	int port; /* 0: any */
} item;

/* --- reading the list ------------------------------------------------------- */

/* An address as 16 bytes, IPv4 in its place within IPv6, so that ::ffff:127.0.0.1 is 127.0.0.1. */
static void map_ipv4(unsigned char bytes[16], const void *four)
{
	memset(bytes, 0, 10);
	memset(bytes + 10, 0xff, 2);
	memcpy(bytes + 12, four, 4);
}

static bool read_number(const char *text, int most, int *number)
{
	int64_t read;

	if (!pythia_whole_number(text, most, &read))
		return false;
	*number = (int) read;
	return true;
}

/* "10.0.0.0/8", "fd00::1" */
static bool read_network(char *text, item *to)
{
	char *slash = strchr(text, '/');
	unsigned char four[4];
	int most = 128;
	bool good;

	if (slash)
		*slash = '\0';
	if (inet_pton(AF_INET, text, four) == 1)
	{
		map_ipv4(to->network, four);
		most = 32;
		good = true;
	}
	else
		good = inet_pton(AF_INET6, text, to->network) == 1;
	to->bits = most;
	if (slash)
	{
		good = good && read_number(slash + 1, most, &to->bits);
		*slash = '/';
	}
	to->bits += 128 - most;
	to->kind = NETWORK;
	return good;
}

static bool read_name(char *text, item *to)
{
	size_t length = strlen(text);

	if (strcmp(text, "*") == 0)
	{
		to->kind = ANY;
		return true;
	}
	to->kind = strncmp(text, "*.", 2) == 0 ? BELOW : NAME;
	if (to->kind == BELOW)
		memmove(text, text + 1, length--);
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char) text[i]) && (unsigned char) text[i] < 0x80 && !strchr(".-_", text[i]))
			return false;
	/* the dot that ends a whole name says nothing here */
	if (length > 0 && text[length - 1] == '.')
		text[--length] = '\0';
	memcpy(to->text, text, length + 1);
	return length > 0;
}

static bool read_item(const char *from, size_t length, item *to)
{
	char text[ITEM_BYTES];
	char *colon;

	memset(to, 0, sizeof(*to));
	if (length >= sizeof(text))
		return false;
	memcpy(text, from, length);
	text[length] = '\0';
	if (*text == '/' || *text == '@')
	{
		to->kind = FOLDER;
		memcpy(to->text, text, length + 1);
		return true;
	}
	if (*text == '[')
	{
		char *close = strchr(text, ']');

		if (!close || (close[1] != '\0' && (close[1] != ':' || !read_number(close + 2, 65535, &to->port))))
			return false;
		*close = '\0';
		return read_network(text + 1, to) && strchr(text, ':');
	}
	colon = strchr(text, ':');
	if (colon && strchr(colon + 1, ':'))
		return read_network(text, to);
	if (colon)
	{
		if (!read_number(colon + 1, 65535, &to->port))
			return false;
		*colon = '\0';
	}
	/* 127.1 and 010.0.0.1 are names to nobody */
	if (strspn(text, "0123456789./") == strlen(text) && *text)
		return read_network(text, to);
	return read_name(text, to);
}

/* Goes over the list; false behind its end.  *good: the item can be read. */
static bool next_item(const char **list, item *to, bool *good, const char **text, size_t *length)
{
	*list += strspn(*list, " \t\r\n,");
	*text = *list;
	*length = strcspn(*list, ",");
	*list += *length;
	while (*length > 0 && isspace((unsigned char) (*text)[*length - 1]))
		--*length;
	if (*length == 0)
		return false;
	*good = read_item(*text, *length, to);
	return true;
}

bool pythia_reach_valid(const char *list, char **bad)
{
	item one;
	bool good;
	const char *text;
	size_t length;

	while (next_item(&list, &one, &good, &text, &length))
		if (!good)
		{
			if (bad)
				*bad = pythia_strndup(text, length);
			return false;
		}
	return true;
}

/* --- asking it -------------------------------------------------------------- */

static bool bytes_of(const struct sockaddr *address, unsigned char bytes[16])
{
	if (address->sa_family == AF_INET)
		map_ipv4(bytes, &((const struct sockaddr_in *) (const void *) address)->sin_addr);
	else if (address->sa_family == AF_INET6)
		memcpy(bytes, &((const struct sockaddr_in6 *) (const void *) address)->sin6_addr, 16);
	else
		return false;
	return true;
}

static bool within(const unsigned char bytes[16], const unsigned char network[16], int bits)
{
	int whole = bits / 8;

	return memcmp(bytes, network, (size_t) whole) == 0 &&
		   (bits % 8 == 0 || ((bytes[whole] ^ network[whole]) >> (8 - bits % 8)) == 0);
}

/* Addresses that mean this machine or its own link, whatever the network's plan says. */
static bool own_address(const unsigned char bytes[16])
{
	static const char *const networks[] = {"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3",
										   "::/127",    "fe80::/10",   "ff00::/8"};

	for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++)
	{
		item network;

		if (read_item(networks[i], strlen(networks[i]), &network) && within(bytes, network.network, network.bits))
			return true;
	}
	return false;
}

static bool named(const item *one, const char *host)
{
	size_t length = host ? strlen(host) : 0;
	size_t end = strlen(one->text);

	if (length > 0 && host[length - 1] == '.')
		length--;
	if (one->kind == NAME)
		return length == end && strncasecmp(host, one->text, end) == 0;
	return one->kind == BELOW && length > end && strncasecmp(host + length - end, one->text, end) == 0;
}

bool pythia_reach_address(const char *list, const char *host, const struct sockaddr *address, int port)
{
	unsigned char bytes[16];
	item one;
	bool good;
	const char *text;
	size_t length;

	if (!bytes_of(address, bytes))
		return false;
	while (next_item(&list, &one, &good, &text, &length))
	{
		if (!good || (one.port != 0 && one.port != port))
			continue;
		if (one.kind == ANY || (one.kind == NETWORK && within(bytes, one.network, one.bits)) ||
			(named(&one, host) && (!own_address(bytes) || strcasecmp(one.text, "localhost") == 0)))
			return true;
	}
	return false;
}

bool pythia_reach_socket(const char *list, const char *path)
{
	item one;
	bool good;
	const char *text;
	size_t length;

	while (next_item(&list, &one, &good, &text, &length))
		if (good && one.port == 0 && (one.kind == ANY || (one.kind == FOLDER && strcmp(one.text, path) == 0)))
			return true;
	return false;
}

/* Where no item can match, nobody is asked for the name.  *by_name: one has the name itself. */
static bool worth_resolving(const char *list, const char *host, int port, bool *by_name)
{
	bool worth = false;

	item one;
	bool good;
	const char *text;
	size_t length;

	*by_name = false;
	while (next_item(&list, &one, &good, &text, &length))
		if (good && (one.port == 0 || one.port == port))
		{
			*by_name = *by_name || named(&one, host);
			worth = worth || one.kind == ANY || one.kind == NETWORK || named(&one, host);
		}
	return worth;
}

bool pythia_reach_denied(const char *host, int port, pythia_error *error)
{
	pythia_fail(error, PYTHIA_E_USAGE, "42501", "permission denied to connect to \"%s\", port %d", host, port);
	pythia_error_detail(error,
						"The setting pythia_db.allowed_hosts does not have it, or not what its name stands for.");
	return pythia_error_hint(error, "Ask a superuser to add the host, or its address, to pythia_db.allowed_hosts.");
}

bool pythia_reach_resolve(const char *list, const char *host, int port, pythia_buffer *addresses, int *count,
						  pythia_error *error)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
	struct addrinfo *found = NULL;
	int before = *count;

	bool by_name;

	if (!worth_resolving(list, host, port, &by_name))
		return pythia_reach_denied(host, port, error);
	if (getaddrinfo(host, NULL, &hints, &found) != 0)
	{
		/* which names there are is told of those alone that are in the list */
		if (!by_name)
			return pythia_reach_denied(host, port, error);
		pythia_fail(error, PYTHIA_E_CONNECT, "08001", "could not resolve the host \"%s\"", host);
		return pythia_error_hint(error, "Check the host's name in the URL.");
	}
	for (const struct addrinfo *one = found; one; one = one->ai_next)
	{
		char text[INET6_ADDRSTRLEN + 32];

		if (!pythia_reach_address(list, host, one->ai_addr, port) ||
			getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST) != 0)
		{
			freeaddrinfo(found);
			return pythia_reach_denied(host, port, error);
		}
		pythia_buffer_printf(addresses, "%s%s", *count > 0 ? "," : "", text);
		++*count;
	}
	freeaddrinfo(found);
	return *count > before || pythia_reach_denied(host, port, error);
}
