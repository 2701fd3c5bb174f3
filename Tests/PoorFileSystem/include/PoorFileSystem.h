/// A library to be preloaded: it makes every file system one that knows no locks, no symbolic links and no synchronisation of folders,
/// as some network and FAT file systems are.
#ifndef POOR_FILE_SYSTEM_H
#define POOR_FILE_SYSTEM_H

int flock(int descriptor, int operation);
int symlink(const char *target, const char *path);
int fsync(int descriptor);

#endif
