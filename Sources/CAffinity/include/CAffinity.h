#pragma once

enum { DMS_PROCESSORS = 4096 };

/// Writes the processors that this thread may run on, ascending, and returns how many; -1 where the system does not tell.
int dms_affinity(int processors[DMS_PROCESSORS]);

/// Keeps this thread, and those it starts from now on, to `count` processors; 0 where that worked.
int dms_bind(const int *processors, int count);
