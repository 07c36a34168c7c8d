#define _GNU_SOURCE /* statx */
#include "core/file_mark.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t hash(const char *text)
{
	uint64_t state = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		state = (state ^ (unsigned char) *text) * UINT64_C(0x100000001b3);
	return state;
}

bool pythia_file_mark(const char *path, char mark[PYTHIA_FILE_MARK])
{
	struct stat info;
	char *whole;

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
	snprintf(mark, PYTHIA_FILE_MARK, "%llu %016llx", (unsigned long long) info.st_ino,
			 (unsigned long long) hash(whole ? whole : path));
	free(whole);
	return true;
}
