/* Preloaded: the n-th call that writes below some folders fails, or the process is killed there.

   Counted are open for writing, write, fsync, rename, mkdir, unlink and truncate, by path or by the path of the file
   descriptor. Of many writes into one file without another call between them, the 1st, 2nd, 4th, 8th, ... are counted.
   Nothing is counted before fault_arm is called, so imports do not matter. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[PATH_MAX];
static size_t folder_length = 0;
static atomic_long calls = 0;
static long fails_at = 0;
static int failure = 0;
static int stays = 0;
static int last_fd = -1;      /* of the last call, where that was a write */
static long in_a_row = 0;

/* The n-th call fails with this errno (0 only counts; below 0 the process is sent that signal, negated). With `sticky`
   all later calls fail too. */
void fault_arm(const char *below, long n, int what, int sticky)
{
    strncpy(folder, below, sizeof folder - 1);
    folder_length = strlen(folder);
    atomic_store(&calls, 0);
    fails_at = n;
    failure = what;
    stays = sticky;
}

long fault_count(void) { return atomic_load(&calls); }

static int below(const char *path)
{
    return strncmp(path, folder, folder_length) == 0 && (path[folder_length] == '/' || path[folder_length] == 0);
}

static int fd_below(int fd)
{
    char name[64], path[PATH_MAX];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(name, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return below(path);
}

static int path_below(int directory, const char *path)
{
    char start[PATH_MAX], whole[2 * PATH_MAX], name[64];
    if (path == NULL) return 0;
    if (path[0] == '/') return below(path);
    snprintf(name, sizeof name, directory == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", directory);
    ssize_t length = readlink(name, start, sizeof start - 1);
    if (length < 0) return 0;
    start[length] = 0;
    snprintf(whole, sizeof whole, "%s/%s", start, path);
    return below(whole);
}

/* Whether this call is to fail: errno is set, or the process is gone. */
static int fault(void)
{
    last_fd = -1;
    long now = atomic_fetch_add(&calls, 1) + 1;
    if (failure == 0 || fails_at == 0) return 0;
    if (now != fails_at && !(stays && now > fails_at)) return 0;
    if (failure < 0) {
        kill(getpid(), -failure);
        pause();
    }
    errno = failure;
    return 1;
}

#define ON (folder_length > 0)
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int writes(int flags) { return (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)); }

#define OPEN(name)                                                                          \
    int name(const char *path, int flags, ...)                                              \
    {                                                                                       \
        va_list more;                                                                       \
        va_start(more, flags);                                                              \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(more, mode_t) : 0;           \
        va_end(more);                                                                       \
        if (ON && writes(flags) && path_below(AT_FDCWD, path) && fault()) return -1;        \
        return REAL(name)(path, flags, mode);                                               \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                        \
    int name(int directory, const char *path, int flags, ...)                               \
    {                                                                                       \
        va_list more;                                                                       \
        va_start(more, flags);                                                              \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(more, mode_t) : 0;           \
        va_end(more);                                                                       \
        if (ON && writes(flags) && path_below(directory, path) && fault()) return -1;       \
        return REAL(name)(directory, path, flags, mode);                                    \
    }
OPENAT(openat)
OPENAT(openat64)

#define FOPEN(name)                                                                         \
    FILE *name(const char *path, const char *mode)                                          \
    {                                                                                       \
        int writing = strpbrk(mode, "wa+") != NULL;                                         \
        if (ON && writing && path_below(AT_FDCWD, path) && fault()) return NULL;            \
        return REAL(name)(path, mode);                                                      \
    }
FOPEN(fopen)
FOPEN(fopen64)

/* Whether this write is one of those that are counted. */
static int counted_write(int fd)
{
    in_a_row = fd == last_fd ? in_a_row + 1 : 1;
    last_fd = fd;
    return (in_a_row & (in_a_row - 1)) == 0;
}

/* A process that is killed has written half: disks do not promise more. */
ssize_t write(int fd, const void *data, size_t count)
{
    if (ON && fd_below(fd)) {
        int fresh = counted_write(fd);
        int over = stays && failure > 0 && atomic_load(&calls) >= fails_at;
        if (fresh || over) {
            if (failure < 0 && atomic_load(&calls) + 1 == fails_at && count > 1) REAL(write)(fd, data, count / 2);
            if (fault()) return -1;
            last_fd = fd;
        }
    }
    return REAL(write)(fd, data, count);
}

#define WITH_FD(type, name, parameters, arguments)                                          \
    type name parameters                                                                    \
    {                                                                                       \
        if (ON && fd_below(fd) && fault()) return -1;                                       \
        return REAL(name) arguments;                                                        \
    }
WITH_FD(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
WITH_FD(ssize_t, pwrite, (int fd, const void *data, size_t count, off_t at), (fd, data, count, at))
WITH_FD(ssize_t, pwrite64, (int fd, const void *data, size_t count, off64_t at), (fd, data, count, at))
WITH_FD(int, fsync, (int fd), (fd))
WITH_FD(int, fdatasync, (int fd), (fd))
WITH_FD(int, ftruncate, (int fd, off_t length), (fd, length))
WITH_FD(int, ftruncate64, (int fd, off64_t length), (fd, length))

/* A full disk can still remove files. */
#define REMOVES(name) (#name[0] == 'u' || #name[1] == 'm')
#define FULL (failure == ENOSPC)

#define WITH_PATH(name, parameters, directory, arguments)                                   \
    int name parameters                                                                     \
    {                                                                                       \
        if (ON && path_below(directory, path) && !(FULL && REMOVES(name)) && fault()) return -1;                        \
        return REAL(name) arguments;                                                        \
    }
WITH_PATH(mkdir, (const char *path, mode_t mode), AT_FDCWD, (path, mode))
WITH_PATH(mkdirat, (int directory, const char *path, mode_t mode), directory, (directory, path, mode))
WITH_PATH(unlink, (const char *path), AT_FDCWD, (path))
WITH_PATH(unlinkat, (int directory, const char *path, int flags), directory, (directory, path, flags))
WITH_PATH(rmdir, (const char *path), AT_FDCWD, (path))
WITH_PATH(rename, (const char *old, const char *path), AT_FDCWD, (old, path))
WITH_PATH(renameat, (int from, const char *old, int directory, const char *path), directory, (from, old, directory, path))
