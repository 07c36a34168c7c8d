/* What tells a file from its copies. */
#ifndef PYTHIA_FILE_MARK_H
#define PYTHIA_FILE_MARK_H

#include <stdbool.h>

#define PYTHIA_FILE_MARK 64

/*
 * The file's inode, and when that was made: a copy has others, a file that was renamed, or whose file system is mounted
 * elsewhere, has the same.  Where the file system tells no time of making, the path counts instead, by a hash.  False,
 * with errno, where there is no file.
 */
bool pythia_file_mark(const char *path, char mark[PYTHIA_FILE_MARK]);

#endif
