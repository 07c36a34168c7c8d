#include "cli/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buffer.h"

#define OWNER_ONLY 0600

static bool refuse(const char *path, const char *why, const char *option, pythia_error *error)
{
	pythia_fail(error, PYTHIA_E_USAGE, "58030", "cannot write \"%s\": %s", path, why);
	return pythia_error_hint(
		error,
		"Give --%s FILE with a path you can write to, in a folder that nobody else may write to, such as ~/pythia.",
		option);
}

/* True where others may put files beside it: the folder is somebody else's, or lets them. */
static bool open_to_others(const char *path)
{
	const char *slash = strrchr(path, '/');
	pythia_buffer folder = PYTHIA_BUFFER_INIT;
	struct stat found;
	bool shared;

	if (slash)
		pythia_buffer_append(&folder, path, slash > path ? (size_t) (slash - path) : 1);
	else
		pythia_buffer_putc(&folder, '.');
	shared = stat(pythia_buffer_text(&folder), &found) == 0 &&
			 ((found.st_mode & (S_IWGRP | S_IWOTH)) || (found.st_uid != geteuid() && found.st_uid != 0));
	pythia_buffer_free(&folder);
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

int cli_private_open(const char *path, int flags, const char *option, pythia_error *error)
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

bool cli_private_database(const char *path, const char *option, pythia_error *error)
{
	/* SQLite gives these the mode of the database */
	static const char *const beside[] = {"-journal", "-wal", "-shm"};
	int fd;
	bool ok;

	/* it also believes a journal that lies there, and finds it by its name, whatever was looked at before */
	if (open_to_others(path))
		return refuse(path, "others may write to its folder, and so put a journal beside it", option, error);
	fd = cli_private_open(path, O_RDWR, option, error);
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
	return ok;
}
