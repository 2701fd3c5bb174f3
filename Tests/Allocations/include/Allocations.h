/// Counts the calling thread's heap allocations: linked into the tests, it stands in front of the C library's allocator.
#ifndef ALLOCATIONS_H
#define ALLOCATIONS_H

/// Allocations of this thread since it began.
long allocation_count(void);

#endif
