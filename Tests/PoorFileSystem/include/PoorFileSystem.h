/// A library to be preloaded, which changes what the file system does:
/// - POOR_FILE_SYSTEM=1: it knows no locks, no symbolic links and no synchronisation of folders, as some network and FAT file
///   systems do not.
/// - HANG_ON=PATH: once the file PATH.hang is there, reading PATH never returns, as on a network file system whose server is gone.
/// - KILL_AT_RENAME=N: the process is killed just before its Nth renaming or linking, as a power cut might.
#ifndef POOR_FILE_SYSTEM_H
#define POOR_FILE_SYSTEM_H

int flock(int descriptor, int operation);
int symlink(const char *target, const char *path);
int rename(const char *from, const char *to);
int fsync(int descriptor);
long read(int descriptor, void *bytes, unsigned long count);

#endif
