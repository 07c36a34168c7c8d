#include "drivers/password_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/memory.h"

/* Longer than any password, and short enough to be read at once. */
#define MOST_BYTES 8192

static bool unusable(const char *path, const char *why, pythia_error *error)
{
	pythia_fail(error, PYTHIA_E_USAGE, "58P01", "cannot read the password from \"%s\": %s", path, why);
	return pythia_error_hint(error, "Name by password_file a file whose first line is the password.");
}

static bool read_first_line(const char *path, char line[MOST_BYTES + 1], pythia_error *error)
{
	/* nobody is waited for at the other end of a pipe */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat found;
	ssize_t length;

	if (fd < 0)
		return unusable(path, strerror(errno), error);
	if (fstat(fd, &found) != 0 || !S_ISREG(found.st_mode))
	{
		close(fd);
		return unusable(path, "it is no ordinary file", error);
	}
	length = read(fd, line, MOST_BYTES);
	close(fd);
	if (length < 0)
		return unusable(path, strerror(errno), error);
	line[length] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	return *line != '\0' || unusable(path, "its first line is empty", error);
}

static void drop_parameter(pythia_url *url, const char *name)
{
	int kept = 0;

	for (int i = 0; i < url->nparameters; i++)
	{
		if (strcmp(url->parameters[i].name, name) != 0)
		{
			url->parameters[kept++] = url->parameters[i];
			continue;
		}
		pythia_free(url->parameters[i].name);
		pythia_free(url->parameters[i].value);
	}
	url->nparameters = kept;
}

bool pythia_password_from_file(const pythia_url *url, pythia_url *to, pythia_error *error)
{
	char line[MOST_BYTES + 1];
	bool ok;

	pythia_url_copy(to, url);
	ok = read_first_line(pythia_url_parameter_get(url, PYTHIA_PASSWORD_FILE), line, error);
	drop_parameter(to, PYTHIA_PASSWORD_FILE);
	if (ok)
	{
		pythia_free(to->password);
		to->password = pythia_strdup(line);
	}
	explicit_bzero(line, sizeof(line));
	return ok;
}
