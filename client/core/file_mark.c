#define _GNU_SOURCE /* statx */
#include "core/file_mark.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/digest.h"

bool pythia_file_mark(const char *path, char mark[PYTHIA_FILE_MARK])
{
	struct stat info;
	char *whole;
	char hex[33];

#ifdef STATX_BTIME
	struct statx more;

	if (statx(AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, &more) == 0 && (more.stx_mask & STATX_BTIME))
	{
		snprintf(mark, PYTHIA_FILE_MARK, "%llu %lld.%09u", (unsigned long long) more.stx_ino,
				 (long long) more.stx_btime.tv_sec, more.stx_btime.tv_nsec);
		return true;
	}
#endif
	if (stat(path, &info) != 0)
		return false;
	whole = realpath(path, NULL);
	pythia_md5(whole ? whole : path, strlen(whole ? whole : path), hex);
	free(whole);
	snprintf(mark, PYTHIA_FILE_MARK, "%llu %s", (unsigned long long) info.st_ino, hex);
	return true;
}
