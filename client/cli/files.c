#include "cli/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/say.h"
#include "core/buffer.h"
#include "core/memory.h"

#define OWNER_ONLY 0600
/* As the kernel: more links than that on the way to a file are a circle. */
#define LINKS_MOST 40

static bool refuse(const char *path, const char *why, const char *option, pythia_error *error)
{
	pythia_fail(error, PYTHIA_E_USAGE, "58030", "cannot write \"%s\": %s", path, why);
	return pythia_error_hint(
		error,
		"Give --%s FILE with a path you can write to, in a folder that nobody else may write to, such as ~/pythia.",
		option);
}

static bool is_ours(const struct stat *found)
{
	return found->st_uid == geteuid() || found->st_uid == 0;
}

/* A folder that is somebody else's, or lets others put files into it. */
static bool others_write(const struct stat *folder)
{
	return !is_ours(folder) || (folder->st_mode & (S_IWGRP | S_IWOTH));
}

/* The same of the folder that a file lies in; the path is absolute. */
static bool open_to_others(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = pythia_strndup(path, slash > path ? (size_t) (slash - path) : 1);
	struct stat found;
	bool shared = stat(folder, &found) == 0 && others_write(&found);

	pythia_free(folder);
	return shared;
}

/* `found` is what stands under the path. */
static bool trust(const char *path, const struct stat *found, const char *option, pythia_error *error)
{
	if (S_ISLNK(found->st_mode))
		return refuse(path, "it is a link", option, error);
	if (!S_ISREG(found->st_mode))
		return refuse(path, S_ISDIR(found->st_mode) ? "it is a folder" : "it is no ordinary file", option, error);
	if (open_to_others(path) && (found->st_uid != geteuid() || found->st_nlink > 1))
		return refuse(path, "it lies in a folder where others may write, and somebody else has put it there", option,
					  error);
	return true;
}

/* ---- the way to a file ---- */

/* Whether an entry, a folder or a link, leads where we, root, or the owner of the folder that was named want it to. */
static bool is_wanted(const struct stat *folder, const struct stat *entry)
{
	if (is_ours(entry))
		return true;
	if (!is_ours(folder))
		return S_ISDIR(entry->st_mode) && entry->st_uid == folder->st_uid;
	return !others_write(folder);
}

/* Whether others can put something else in the place of an entry of ours. */
static bool is_loose(const struct stat *folder)
{
	return others_write(folder) && !(is_ours(folder) && (folder->st_mode & S_ISVTX));
}

/* Of files in such folders others can make what they like; that they may lie there is their owner's decision. */
static void warn_of_loose(const char *path)
{
	static bool warned = false;

	for (const char *slash = strchr(path, '/'); slash && !warned; slash = strchr(slash + 1, '/'))
	{
		char *folder = pythia_strndup(path, slash > path ? (size_t) (slash - path) : 1);
		struct stat found;

		if (stat(folder, &found) == 0 && is_loose(&found))
		{
			cli_warn("others can put another file in the place of \"%s\": they may write to \"%s\"", path, folder);
			warned = true;
		}
		pythia_free(folder);
	}
}

/* Puts what a link stands for in its place: `at` is the folder that holds it, `rest` what follows it. */
static bool follow(const char *link, pythia_buffer *at, pythia_buffer *rest)
{
	char target[PATH_MAX];
	ssize_t length = readlink(link, target, sizeof(target) - 1);
	pythia_buffer whole = PYTHIA_BUFFER_INIT;

	if (length < 0)
		return false;
	target[length] = '\0';
	pythia_buffer_printf(&whole, "%s/%s", target, pythia_buffer_text(rest));
	if (target[0] == '/')
		pythia_buffer_clear(at);
	pythia_buffer_free(rest);
	*rest = whole;
	return true;
}

/* One step from the folder `at` to its entry `name`; NULL, or why it is not to be trusted. */
static const char *step(pythia_buffer *at, const char *name, pythia_buffer *rest, int *links)
{
	pythia_buffer next = PYTHIA_BUFFER_INIT;
	struct stat folder;
	struct stat entry;
	const char *why = NULL;

	pythia_buffer_printf(&next, "%s/%s", pythia_buffer_text(at), name);
	if (lstat(at->length > 0 ? at->data : "/", &folder) != 0 || lstat(next.data, &entry) != 0)
		why = strerror(errno);
	else if (!is_wanted(&folder, &entry))
		why = "somebody else has put a folder or a link above it there";
	else if (S_ISLNK(entry.st_mode))
	{
		if (++*links > LINKS_MOST || !follow(next.data, at, rest))
			why = strerror(ELOOP);
	}
	else if (!S_ISDIR(entry.st_mode))
		why = strerror(ENOTDIR);
	else
	{
		pythia_buffer_clear(at);
		pythia_buffer_puts(at, next.data);
	}
	pythia_buffer_free(&next);
	return why;
}

/* The folders of `rest` one after another, from the root on. */
static const char *walk(pythia_buffer *at, pythia_buffer *rest)
{
	const char *why = NULL;
	int links = 0;

	while (!why)
	{
		const char *begin = pythia_buffer_text(rest) + strspn(pythia_buffer_text(rest), "/");
		size_t length = strcspn(begin, "/");
		char *name = pythia_strndup(begin, length);
		pythia_buffer others = PYTHIA_BUFFER_INIT;

		pythia_buffer_puts(&others, begin + length);
		pythia_buffer_free(rest);
		*rest = others;
		if (length == 0)
		{
			pythia_free(name);
			break;
		}
		if (strcmp(name, "..") == 0)
		{
			char *slash = at->length > 0 ? strrchr(at->data, '/') : NULL;

			if (slash)
			{
				at->length = (size_t) (slash - at->data);
				*slash = '\0';
			}
		}
		else if (strcmp(name, ".") != 0)
			why = step(at, name, rest, &links);
		pythia_free(name);
	}
	return why;
}

/* The absolute path of a file, links on the way replaced by what they stand for, of which nobody else has put a part there
 * but the last; freed by the caller.  NULL after an error. */
static char *trusted_path(const char *path, const char *option, pythia_error *error)
{
	const char *slash = strrchr(path, '/');
	pythia_buffer at = PYTHIA_BUFFER_INIT;
	pythia_buffer rest = PYTHIA_BUFFER_INIT;
	const char *why = NULL;

	if (path[0] != '/')
	{
		char *here = getcwd(NULL, 0);

		if (here)
			pythia_buffer_printf(&rest, "%s/", here);
		else
			why = strerror(errno);
		free(here);
	}
	pythia_buffer_append(&rest, path, slash ? (size_t) (slash - path) : 0);
	why = why ? why : walk(&at, &rest);
	pythia_buffer_free(&rest);
	if (why)
	{
		pythia_buffer_free(&at);
		refuse(path, why, option, error);
		return NULL;
	}
	pythia_buffer_printf(&at, "/%s", slash ? slash + 1 : path);
	warn_of_loose(at.data);
	return pythia_buffer_take(&at);
}

/* ---- the file ---- */

static int open_private(const char *path, int flags, const char *option, pythia_error *error)
{
	/* a pipe must not make us wait for its other end */
	int fd = open(path, flags | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, OWNER_ONLY);
	struct stat found;

	if (fd < 0)
	{
		refuse(path, errno == ELOOP ? "it is a link" : strerror(errno), option, error);
		return -1;
	}
	if (fstat(fd, &found) != 0 || !trust(path, &found, option, error))
	{
		close(fd);
		return -1;
	}
	return fd;
}

int cli_private_open(const char *path, int flags, const char *option, pythia_error *error)
{
	char *trusted = trusted_path(path, option, error);
	int fd = trusted ? open_private(trusted, flags, option, error) : -1;

	pythia_free(trusted);
	return fd;
}

char *cli_private_database(const char *given, const char *option, pythia_error *error)
{
	/* SQLite gives these the mode of the database */
	static const char *const beside[] = {"-journal", "-wal", "-shm"};
	char *path = trusted_path(given, option, error);
	int fd;
	bool ok;

	if (!path)
		return NULL;
	fd = open_private(path, O_RDWR, option, error);
	ok = fd >= 0;
	if (ok)
		close(fd);
	for (size_t i = 0; ok && i < sizeof(beside) / sizeof(beside[0]); i++)
	{
		pythia_buffer name = PYTHIA_BUFFER_INIT;
		struct stat found;

		pythia_buffer_printf(&name, "%s%s", path, beside[i]);
		ok = lstat(pythia_buffer_text(&name), &found) != 0 || trust(pythia_buffer_text(&name), &found, option, error);
		pythia_buffer_free(&name);
	}
	if (ok)
		return path;
	pythia_free(path);
	return NULL;
}

void cli_warn_of_owner(const char *path)
{
	struct stat found;

	if (stat(path, &found) == 0 && !is_ours(&found))
		cli_warn("\"%s\" belongs to another user, who decides what is run", path);
}
