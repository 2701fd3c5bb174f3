#include "PoorFileSystem.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int is_poor(void) { return getenv("POOR_FILE_SYSTEM") != NULL; }

static int fail(int code) {
  errno = code;
  return -1;
}

/// Renames and links come from one thread.
static void count(void) {
  static long calls;
  const char *last = getenv("KILL_AT_RENAME");
  if (last && ++calls == atol(last)) kill(getpid(), SIGKILL);
}

int flock(int descriptor, int operation) {
  return is_poor() ? fail(ENOLCK) : (int)syscall(SYS_flock, descriptor, operation);
}

int symlink(const char *target, const char *path) {
  count();
  return is_poor() ? fail(EPERM) : (int)syscall(SYS_symlinkat, target, AT_FDCWD, path);
}

int rename(const char *from, const char *to) {
  count();
  return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

long read(int descriptor, void *bytes, unsigned long count) {
  const char *path = getenv("HANG_ON");
  char link[64], name[4096] = "", mark[4096];
  if (path) {
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    snprintf(mark, sizeof mark, "%s.hang", path);
    if (readlink(link, name, sizeof name - 1) > 0 && !strcmp(name, path))
      while (!access(mark, F_OK)) usleep(100000);
  }
  return syscall(SYS_read, descriptor, bytes, count);
}

int fsync(int descriptor) {
  struct stat about;
  if (is_poor() && !fstat(descriptor, &about) && S_ISDIR(about.st_mode)) return fail(EINVAL);
  return (int)syscall(SYS_fsync, descriptor);
}
