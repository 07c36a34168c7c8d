#include "drivers/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/memory.h"

/* Longer than any secret, and short enough to be read at once. */
#define MOST_BYTES 8192

static bool unusable(const char *parameter, const char *path, const char *why, pythia_error *error)
{
	const char *what = strcmp(parameter, PYTHIA_PASSWORD_FILE) == 0 ? "password" : "key of masks";

	pythia_fail(error, PYTHIA_E_USAGE, "58P01", "cannot read the %s from \"%s\": %s", what, path, why);
	return pythia_error_hint(error, "Name by %s a file whose first line is the %s.", parameter, what);
}

/* *secret is to be freed; NULL where the URL has no such parameter. */
static bool read_first_line(const pythia_url *url, const char *parameter, char **secret, pythia_error *error)
{
	const char *path = pythia_url_parameter_get(url, parameter);
	char line[MOST_BYTES + 1];
	int fd;
	struct stat found;
	ssize_t length;

	*secret = NULL;
	if (path == NULL)
		return true;
	/* nobody is waited for at the other end of a pipe */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return unusable(parameter, path, strerror(errno), error);
	if (fstat(fd, &found) != 0 || !S_ISREG(found.st_mode))
	{
		close(fd);
		return unusable(parameter, path, "it is no ordinary file", error);
	}
	length = read(fd, line, MOST_BYTES);
	close(fd);
	if (length < 0)
		return unusable(parameter, path, strerror(errno), error);
	line[length] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	if (*line == '\0')
		return unusable(parameter, path, "its first line is empty", error);
	*secret = pythia_strdup(line);
	explicit_bzero(line, sizeof(line));
	return true;
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

void pythia_url_drop_secrets(pythia_url *url)
{
	drop_parameter(url, PYTHIA_PASSWORD_FILE);
	drop_parameter(url, PYTHIA_MASK_KEY_FILE);
	drop_parameter(url, PYTHIA_MASK_KEY);
}

bool pythia_url_has_secrets(const pythia_url *url)
{
	return pythia_url_parameter_get(url, PYTHIA_PASSWORD_FILE) || pythia_url_parameter_get(url, PYTHIA_MASK_KEY) ||
		   pythia_url_parameter_get(url, PYTHIA_MASK_KEY_FILE);
}

bool pythia_url_take_secrets(const pythia_url *url, pythia_url *to, char **mask_key, pythia_error *error)
{
	char *password;
	bool ok;

	pythia_url_copy(to, url);
	*mask_key = NULL;
	ok = read_first_line(url, PYTHIA_PASSWORD_FILE, &password, error) &&
		 read_first_line(url, PYTHIA_MASK_KEY_FILE, mask_key, error);
	if (ok && *mask_key == NULL)
		*mask_key = pythia_strdup(pythia_url_parameter_get(url, PYTHIA_MASK_KEY));
	pythia_url_drop_secrets(to);
	if (password != NULL)
	{
		pythia_free(to->password);
		to->password = password;
	}
	return ok;
}
