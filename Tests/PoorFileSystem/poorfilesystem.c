#include "PoorFileSystem.h"
#include <errno.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int flock(int descriptor, int operation) {
  (void)descriptor, (void)operation;
  errno = ENOLCK;
  return -1;
}

int symlink(const char *target, const char *path) {
  (void)target, (void)path;
  errno = EPERM;
  return -1;
}

int fsync(int descriptor) {
  struct stat about;
  if (!fstat(descriptor, &about) && S_ISDIR(about.st_mode)) {
    errno = EINVAL;
    return -1;
  }
  return syscall(SYS_fsync, descriptor);
}
