/*
 * What Connector/C does within one call and does not ask about: how it shows the password, and reading as long as
 * something comes.  Both are looked at from inside: by a function in front of each of its methods of logging in, and
 * by one that hears of each read.  Other users of the library in this process are left alone.
 */
#include "drivers/mysql/internal.h"

#include <errmsg.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/socket.h>

#include <mysql/plugin_auth.h>

#include "drivers/mysql/connector_c/guard.h"

/* The host is asked after so many bytes that were there without waiting. */
#define ASK_BYTES (4 << 20)

/* A connection of ours, or NULL. */
static mysql_db *ours(MYSQL *mysql)
{
	return mysql && mysql->options.local_infile_init == pythia_mysql_infile_begin ? mysql->options.local_infile_userdata
																				  : NULL;
}

/* --- logging in ----------------------------------------------------------------- */

/* A method, as its plugin declares it; the header for it wants one that is not installed. */
typedef struct method
{
	int type;
	unsigned interface_version;
	const char *name;
	const char *author;
	const char *description;
	unsigned version[3];
	const char *license;
	void *api;
	int (*init)(char *message, size_t room, int argc, va_list arguments);
	int (*deinit)(void);
	int (*options)(const char *option, const void *value);
	int (*authenticate)(MYSQL_PLUGIN_VIO *vio, MYSQL *mysql);
} method;

/* Its number in the library. */
#define METHODS_OF_LOGGING_IN 2

enum
{
	NATIVE,
	ED25519,
	CACHING_SHA2,
	SHA256,
	PARSEC,
	CLEAR, /* from here on they show the password as it is */
	DIALOG,
	METHODS
};

static int (*originals[METHODS])(MYSQL_PLUGIN_VIO *vio, MYSQL *mysql);

/* Encrypted already, or before anything of the account is said: then the library goes no further where that fails. */
static bool is_encrypted(MYSQL *mysql)
{
	return mysql_get_ssl_cipher(mysql) || (mysql->options.use_ssl && mysql->server_capabilities & CLIENT_SSL);
}

/* The library takes the wish for TLS, and each of these files, for TLS itself, and shows the password. */
static void wish_for_no_tls(MYSQL *mysql)
{
	my_bool no = 0;

	mysql_ssl_set(mysql, NULL, NULL, NULL, NULL, NULL);
	mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &no);
	mysql->client_flag &= ~(unsigned long) CLIENT_SSL;
}

/* Whatever the URL says. */
static bool on_socket(MYSQL *mysql)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);

	return getpeername((int) mysql_get_socket(mysql), (struct sockaddr *) &peer, &length) == 0 &&
		   peer.ss_family == AF_UNIX;
}

static int guarded(int which, MYSQL_PLUGIN_VIO *vio, MYSQL *mysql)
{
	mysql_db *db = ours(mysql);
	MYSQL_PLUGIN_VIO_INFO way;

	if (!db)
		return originals[which](vio, mysql);
	vio->info(vio, &way);
	if (way.protocol == MYSQL_VIO_TCP && !is_encrypted(mysql))
	{
		if (db->tls_required)
			db->refused = PYTHIA_MYSQL_NO_TLS;
		wish_for_no_tls(mysql);
	}
	if (!db->refused && which >= CLEAR && !db->in_clear && !on_socket(mysql))
		db->refused = PYTHIA_MYSQL_BAD_METHOD;
	/* a number whose text takes no arguments: the library gives none */
	return db->refused ? CR_SERVER_HANDSHAKE_ERR : originals[which](vio, mysql);
}

#define GUARD(name, which)                                                                                             \
	static int name(MYSQL_PLUGIN_VIO *vio, MYSQL *mysql)                                                               \
	{                                                                                                                  \
		return guarded(which, vio, mysql);                                                                             \
	}

GUARD(native, NATIVE)
GUARD(ed25519, ED25519)
GUARD(caching_sha2, CACHING_SHA2)
GUARD(sha256, SHA256)
GUARD(parsec, PARSEC)
GUARD(clear, CLEAR)
GUARD(dialog, DIALOG)

static const struct
{
	const char *name;
	int (*guard)(MYSQL_PLUGIN_VIO *vio, MYSQL *mysql);
} methods[METHODS] = {
	[NATIVE] = {"mysql_native_password", native},
	[ED25519] = {"client_ed25519", ed25519},
	[CACHING_SHA2] = {"caching_sha2_password", caching_sha2},
	[SHA256] = {"sha256_password", sha256},
	[PARSEC] = {"parsec", parsec},
	[CLEAR] = {"mysql_clear_password", clear},
	[DIALOG] = {"dialog", dialog},
};

/* --- reading -------------------------------------------------------------------- */

/* Of the library, exported, and in none of its headers. */
int ma_pvio_register_callback(my_bool add,
							  void (*callback)(int is_write, MYSQL *mysql, const unsigned char *bytes, size_t length));

/* On the library's stack: what was read is `length` bytes, or none where that is negative. */
static void heard(int is_write, MYSQL *mysql, const unsigned char *bytes, size_t length)
{
	mysql_db *db = is_write ? NULL : ours(mysql);
	/* what is packed is larger than it looks */
	size_t most = db && mysql->net.compress ? db->most / 64 : db ? db->most : 0;

	(void) bytes;
	if (!db || db->cut || length > SIZE_MAX / 2)
		return;
	db->heard += length;
	db->unasked += length;
	if (db->heard > most)
		db->cut = PYTHIA_MYSQL_CUT_FLOOD;
	else if (db->unasked >= ASK_BYTES)
	{
		db->unasked = 0;
		if (pythia_host_cancelled(db->base.host))
			db->cut = PYTHIA_MYSQL_CUT_CANCELLED;
	}
	/* the call ends as it does when the other side goes */
	if (db->cut)
		shutdown((int) mysql_get_socket(mysql), SHUT_RDWR);
}

/* --- both ----------------------------------------------------------------------- */

void pythia_mysql_guard_library(MYSQL *mysql)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static bool hears = false;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < METHODS; i++)
	{
		/* a method may be loaded later than the others; those that are not there cannot be asked for */
		method *found = (method *) mysql_client_find_plugin(mysql, methods[i].name, METHODS_OF_LOGGING_IN);

		if (!found || found->authenticate == methods[i].guard)
			continue;
		originals[i] = found->authenticate;
		found->authenticate = methods[i].guard;
	}
	if (!hears)
		hears = ma_pvio_register_callback(1, heard) == 0;
	pthread_mutex_unlock(&lock);
}
