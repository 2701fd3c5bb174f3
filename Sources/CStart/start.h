#ifndef START_H
#define START_H

#include <signal.h>

// The signals that ask a run to stop.
static const int stops[] = {SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP, SIGXCPU};
enum { STOPS = sizeof stops / sizeof *stops };

// Whether entry.c had the dynamic loader run on this program; known once the loader is done.
extern int dms_started_by_loader;

#endif
