/*
 * To whom the password is shown.
 *
 * The server chooses the method, so whoever stands in its place would choose to be given the password in clear.  That
 * is done for a server that has proved who it is (sslmode=verify-full), and through a Unix socket.  libpq of PostgreSQL
 * 16 and later is told so, by require_auth.  An older one sends it to whoever asks: we look at what is asked before it
 * does.
 */
#include "drivers/postgres/internal.h"

#include <openssl/ssl.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Requests are small; an error may say more. */
#define LOOK_BYTES   32768
#define REQUEST_HEAD 9 /* R, a length, a code */
#define CODE_OK      0
#define CODE_CLEAR   3

/* Every host of the list is a socket; without a name it is the socket of this machine. */
static bool are_sockets(const char *hosts)
{
	for (;;)
	{
		if (*hosts && !strchr("/@,", *hosts))
			return false;
		hosts = strchr(hosts, ',');
		if (!hosts)
			return true;
		hosts++;
	}
}

bool pythia_postgres_may_show_password(const pythia_postgres_words *words, const PQconninfoOption *defaults)
{
	/* the file that a service stands for may say otherwise than the environment */
	bool service = *pythia_postgres_word(words, "service", NULL) != '\0';
	const char *tls = pythia_postgres_word(words, "sslmode", service ? NULL : defaults);

	if (strcmp(tls, "verify-full") == 0)
		return true;
	return !service && *pythia_postgres_word(words, "hostaddr", defaults) == '\0' &&
		   are_sockets(pythia_postgres_word(words, "host", defaults));
}

const char *pythia_postgres_require_auth(const pythia_postgres_words *words)
{
	PQconninfoOption *defaults = PQconndefaults();
	const PQconninfoOption *option = defaults;
	const char *needed = NULL;

	while (option && option->keyword && strcmp(option->keyword, "require_auth") != 0)
		option++;
	if (option && option->keyword && *pythia_postgres_word(words, "require_auth", defaults) == '\0' &&
		!pythia_postgres_may_show_password(words, defaults))
		needed = "!password";
	PQconninfoFree(defaults);
	return needed;
}

static bool on_unix_socket(int fd)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	return getpeername(fd, (struct sockaddr *) &address, &length) == 0 && address.ss_family == AF_UNIX;
}

static uint32_t number_at(const unsigned char *at)
{
	return (uint32_t) at[0] << 24 | (uint32_t) at[1] << 16 | (uint32_t) at[2] << 8 | at[3];
}

/* Of so many bytes that wait to be read, at the beginning of a message. */
static pythia_postgres_asked look_at(const unsigned char *bytes, size_t length)
{
	size_t at = 0;

	while (at < length)
	{
		const unsigned char *message = bytes + at;
		size_t left = length - at;
		uint32_t size;

		/* an error ends the attempt, and libpq tells it; what else may be here is half a request */
		if (*message == 'E')
			return PYTHIA_POSTGRES_GO_ON;
		if (*message != 'R')
			return PYTHIA_POSTGRES_ASKED_ODDLY;
		if (left < REQUEST_HEAD)
			return PYTHIA_POSTGRES_ASKED_IN_PART;
		size = number_at(message + 1);
		switch (number_at(message + 5))
		{
			case CODE_OK:
				return PYTHIA_POSTGRES_LET_IN;
			case CODE_CLEAR:
				return PYTHIA_POSTGRES_ASKED_IN_CLEAR;
		}
		if (size < REQUEST_HEAD - 1 || size > LOOK_BYTES / 2)
			return PYTHIA_POSTGRES_ASKED_ODDLY;
		if (left < size + 1)
			return PYTHIA_POSTGRES_ASKED_IN_PART;
		at += size + 1;
	}
	return PYTHIA_POSTGRES_GO_ON;
}

static bool verifies_server(PGconn *conn)
{
	PQconninfoOption *settings = PQconninfo(conn);
	bool full = false;

	for (const PQconninfoOption *option = settings; option && option->keyword; option++)
		if (strcmp(option->keyword, "sslmode") == 0)
			full = option->val && strcmp(option->val, "verify-full") == 0;
	PQconninfoFree(settings);
	return full;
}

/* Looks at what libpq will read next, through TLS where there is any: a record at a time, as libpq reads it. */
static ssize_t peek(PGconn *conn, int fd, unsigned char *bytes, size_t size)
{
	if (PQsslInUse(conn))
		return SSL_peek(PQgetssl(conn), bytes, (int) size);
	return recv(fd, bytes, size, MSG_PEEK | MSG_DONTWAIT);
}

pythia_postgres_asked pythia_postgres_look(PGconn *conn)
{
	unsigned char bytes[LOOK_BYTES];
	int fd = PQsocket(conn);
	ConnStatusType status = PQstatus(conn);
	ssize_t length;

	if (PQlibVersion() >= 160000 || fd < 0 || on_unix_socket(fd) ||
		(status != CONNECTION_AWAITING_RESPONSE && (status != CONNECTION_SSL_STARTUP || PQsslInUse(conn))))
		return PYTHIA_POSTGRES_GO_ON;
	if (PQsslInUse(conn) && verifies_server(conn))
		return PYTHIA_POSTGRES_GO_ON;
	if (PQsslInUse(conn) && !PQgetssl(conn))
		return PYTHIA_POSTGRES_ASKED_IN_CLEAR; /* a TLS library that we cannot look through: nobody may ask */
	length = peek(conn, fd, bytes, sizeof(bytes));
	if (length <= 0)
		return PYTHIA_POSTGRES_GO_ON;
	/* whether there is TLS is one letter; a request hidden behind it would be read with it */
	if (status == CONNECTION_SSL_STARTUP)
		return bytes[0] == 'N' && length > 1 ? PYTHIA_POSTGRES_ASKED_ODDLY : PYTHIA_POSTGRES_GO_ON;
	return look_at(bytes, (size_t) length);
}

bool pythia_postgres_keep_password(postgres_db *db, pythia_postgres_asked asked, pythia_error *error)
{
	db->base.broken = true;
	if (asked == PYTHIA_POSTGRES_ASKED_ODDLY)
	{
		pythia_fail(error, PYTHIA_E_CONNECT, "08P01",
					"could not connect to %s: the server asks for no password that "
					"PostgreSQL knows",
					db->base.display);
		return pythia_error_hint(error, "Check that a PostgreSQL server listens there, and that nothing on the way "
										"changes what it says.");
	}
	pythia_fail(error, PYTHIA_E_CONNECT, "28000", "could not connect to %s: the server asked for the password in clear",
				db->base.display);
	return pythia_error_hint(error, PYTHIA_POSTGRES_CLEAR_HINT);
}
