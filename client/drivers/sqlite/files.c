/*
 * SQLite believes what lies beside a database.  A journal there is played back, whoever has put it there, and the
 * "super-journal" that it names, any file at all, is read and deleted.  So each connection of ours sees the files
 * through a layer (a VFS) of its own, which
 *
 *  - opens nothing as its database but an ordinary file: a pipe would make it wait for ever;
 *  - takes no journal, in a folder where everybody may write, that somebody else has put there;
 *  - deletes nothing but its database's own journal, and reads no super-journal: ours have none, for they cannot
 *    ATTACH, and one of another program's stays, which only means that its other databases look at it, too.
 *
 * See "Atomic Commit In SQLite" and "The SQLite OS Interface or VFS" in SQLite's documentation.
 */
#include "drivers/sqlite/internal.h"

#include "drivers/sqlite/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/memory.h"

struct pythia_sqlite_files
{
	sqlite3_vfs base;
	sqlite3_vfs *real;
	char name[32];
	char *database; /* whole path; NULL: none is open */
	dev_t device;   /* what was found there when it was opened; 0: not opened yet */
	ino_t inode;
	char *refused;
};

static pythia_sqlite_files *files_of(sqlite3_vfs *vfs)
{
	return (pythia_sqlite_files *) vfs;
}

static sqlite3_vfs *real_of(sqlite3_vfs *vfs)
{
	return files_of(vfs)->real;
}

/* ---- what lies beside a database ---- */

static const char *const suffixes[] = {"-journal", "-wal", "-shm"};

static bool is_beside(const pythia_sqlite_files *files, const char *path)
{
	size_t length = files->database ? strlen(files->database) : 0;

	if (length == 0 || strncmp(path, files->database, length) != 0)
		return false;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (strcmp(path + length, suffixes[i]) == 0)
			return true;
	return false;
}

/* True where everybody may put files into the folder of that one. */
static bool lies_in_the_open(const char *path)
{
	const char *slash = strrchr(path, '/');
	pythia_buffer folder = PYTHIA_BUFFER_INIT;
	struct stat found;
	bool open;

	pythia_buffer_append(&folder, slash ? path : ".", slash > path ? (size_t) (slash - path) : 1);
	open = stat(pythia_buffer_text(&folder), &found) == 0 && (found.st_mode & S_IWOTH);
	pythia_buffer_free(&folder);
	return open;
}

/* Somebody has put it there who has no right on the database. */
static bool is_foreign(const char *path, const char *database)
{
	struct stat found;
	struct stat its;

	if (lstat(path, &found) != 0 || !lies_in_the_open(path))
		return false;
	if (!S_ISREG(found.st_mode) || found.st_nlink > 1)
		return true;
	return found.st_uid != geteuid() && found.st_uid != 0 && (stat(database, &its) != 0 || found.st_uid != its.st_uid);
}

static bool refuse(pythia_sqlite_files *files, const char *path)
{
	pythia_free(files->refused);
	files->refused = pythia_strdup(path);
	return false;
}

static bool trust(pythia_sqlite_files *files, const char *path)
{
	return !is_foreign(path, files->database) || refuse(files, path);
}

static bool trust_all(pythia_sqlite_files *files)
{
	bool ok = true;

	for (size_t i = 0; ok && i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
	{
		pythia_buffer path = PYTHIA_BUFFER_INIT;

		pythia_buffer_printf(&path, "%s%s", files->database, suffixes[i]);
		ok = trust(files, pythia_buffer_text(&path));
		pythia_buffer_free(&path);
	}
	return ok;
}

/* ---- the layer ---- */

static int open_database(pythia_sqlite_files *files, const char *path, sqlite3_file *file, int flags, int *given)
{
	struct stat found;
	int code;

	if (!files->database)
		files->database = pythia_strdup(path);
	if ((stat(path, &found) == 0 && !S_ISREG(found.st_mode)) || !trust_all(files))
		return SQLITE_CANTOPEN;
	code = files->real->xOpen(files->real, path, file, flags, given);
	if (code == SQLITE_OK && files->inode == 0 && stat(path, &found) == 0)
	{
		files->device = found.st_dev;
		files->inode = found.st_ino;
	}
	return code;
}

static bool is_still_there(const pythia_sqlite_files *files)
{
	struct stat found;

	return files->inode == 0 ||
		   (stat(files->database, &found) == 0 && found.st_dev == files->device && found.st_ino == files->inode);
}

static int open_beside(pythia_sqlite_files *files, const char *path, sqlite3_file *file, int flags, int *given)
{
	struct stat found;
	int code;

	if (!trust(files, path))
		return SQLITE_CANTOPEN;
	/* SQLite looks for that itself, save of an empty database: whoever made it may have taken it away again */
	if (!is_still_there(files))
		return SQLITE_READONLY_DBMOVED;
	code = files->real->xOpen(files->real, path, file, flags, given);
	/* somebody may have been quicker */
	if (code == SQLITE_OK && lies_in_the_open(path) && (lstat(path, &found) != 0 || !trust(files, path)))
	{
		file->pMethods->xClose(file);
		file->pMethods = NULL;
		(void) refuse(files, path);
		code = SQLITE_CANTOPEN;
	}
	return code;
}

static int files_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *given)
{
	pythia_sqlite_files *files = files_of(vfs);

	file->pMethods = NULL;
	if (path && (flags & SQLITE_OPEN_MAIN_DB))
		return open_database(files, path, file, flags, given);
	if (path && (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL)))
		return open_beside(files, path, file, flags, given);
	/* an empty one instead: it names no journals */
	if (path && (flags & SQLITE_OPEN_SUPER_JOURNAL))
		return files->real->xOpen(files->real, NULL, file,
								  SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXCLUSIVE |
									  SQLITE_OPEN_DELETEONCLOSE | SQLITE_OPEN_TEMP_JOURNAL,
								  given);
	return files->real->xOpen(files->real, path, file, flags, given);
}

static int files_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
	if (!is_beside(files_of(vfs), path))
		return SQLITE_OK;
	return real_of(vfs)->xDelete(real_of(vfs), path, sync_folder);
}

static int files_access(sqlite3_vfs *vfs, const char *path, int flags, int *result)
{
	return real_of(vfs)->xAccess(real_of(vfs), path, flags, result);
}

static int files_full_path(sqlite3_vfs *vfs, const char *path, int room, char *full)
{
	return real_of(vfs)->xFullPathname(real_of(vfs), path, room, full);
}

static int files_randomness(sqlite3_vfs *vfs, int room, char *bytes)
{
	return real_of(vfs)->xRandomness(real_of(vfs), room, bytes);
}

static int files_sleep(sqlite3_vfs *vfs, int microseconds)
{
	return real_of(vfs)->xSleep(real_of(vfs), microseconds);
}

static int files_time(sqlite3_vfs *vfs, double *now)
{
	return real_of(vfs)->xCurrentTime(real_of(vfs), now);
}

static int files_last_error(sqlite3_vfs *vfs, int room, char *text)
{
	return real_of(vfs)->xGetLastError ? real_of(vfs)->xGetLastError(real_of(vfs), room, text) : 0;
}

pythia_sqlite_files *pythia_sqlite_files_new(void)
{
	static unsigned made;
	sqlite3_vfs *real = sqlite3_vfs_find(NULL);
	pythia_sqlite_files *files;

	if (!real)
		return NULL;
	files = pythia_calloc(1, sizeof(*files));
	files->real = real;
	snprintf(files->name, sizeof(files->name), "pythia-%u", __atomic_add_fetch(&made, 1, __ATOMIC_RELAXED));
	files->base = (sqlite3_vfs){.iVersion = 1,
								.szOsFile = real->szOsFile,
								.mxPathname = real->mxPathname,
								.zName = files->name,
								.xOpen = files_open,
								.xDelete = files_delete,
								.xAccess = files_access,
								.xFullPathname = files_full_path,
								.xRandomness = files_randomness,
								.xSleep = files_sleep,
								.xCurrentTime = files_time,
								.xGetLastError = files_last_error};
	if (sqlite3_vfs_register(&files->base, 0) == SQLITE_OK)
		return files;
	pythia_free(files);
	return NULL;
}

void pythia_sqlite_files_free(pythia_sqlite_files *files)
{
	if (!files)
		return;
	sqlite3_vfs_unregister(&files->base);
	pythia_free(files->database);
	pythia_free(files->refused);
	pythia_free(files);
}

const char *pythia_sqlite_files_name(const pythia_sqlite_files *files)
{
	return files->name;
}

const char *pythia_sqlite_files_refused(const pythia_sqlite_files *files)
{
	return files ? files->refused : NULL;
}

bool pythia_sqlite_files_make(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);

	return fd >= 0 && close(fd) == 0;
}

void pythia_sqlite_files_unmake(const pythia_sqlite_files *files)
{
	if (files->database && files->inode != 0 && is_still_there(files))
		(void) unlink(files->database);
}
