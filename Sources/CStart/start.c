#include "start.h"
#include "CStart.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

// What must be settled before any other code of this process runs, constructors of libraries included: which signals end it,
// and which files the numbers of standard input, output and error stand for.

static volatile sig_atomic_t requested;
static volatile sig_atomic_t interrupted;
static volatile sig_atomic_t questions;

static void request(int number) {
  if (number == SIGINT) {
    if (interrupted) _exit(130);
    interrupted = 1;
  }
  requested = number;
}

static void ask(int number) {
  (void)number;
  questions = questions + 1;
}

static sigset_t stop_set(void) {
  sigset_t set;
  sigemptyset(&set);
  for (int i = 0; i < STOPS; i++) sigaddset(&set, stops[i]);
  return set;
}

static int stops_are_held;
static int hangup_is_ignored;

/// Installs the handlers.
static void install_handlers(void) {
  for (int i = 0; i < STOPS; i++) {
    struct sigaction action = {0};
    action.sa_handler = stops[i] == SIGHUP && hangup_is_ignored ? SIG_IGN : request;
    action.sa_flags = SA_RESTART;
    sigaction(stops[i], &action, NULL);
  }
  const struct sigaction action = {.sa_handler = ask, .sa_flags = SA_RESTART};
  sigaction(SIGQUIT, &action, NULL);
}

/// The signals stay blocked until `dms_stop_admit`: threads that libraries start meanwhile inherit that, so only the program's own take
/// them, and one that arrives waits, also across an `exec`.
static void hold_stops(void) {
  sigset_t set = stop_set();
  sigprocmask(SIG_BLOCK, &set, NULL);
  stops_are_held = 1;
  // Ignored at the start, as `nohup` does: the session's end is not to matter.
  struct sigaction before;
  hangup_is_ignored = sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler == SIG_IGN;
  install_handlers();
}

/// Gives closed standard descriptors a meaning, lest a file that is opened later gets their number and messages go into it.
/// Writing to the one for results fails, so that their loss is noticed; reading finds nothing, messages vanish.
static void fill_descriptors(void) {
  for (int number = 0; number <= 2; number++) {
    if (fcntl(number, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free number is the one looked for. Without /dev/null any descriptor that takes no bytes will do.
    if (open("/dev/null", number == 2 ? O_WRONLY : O_RDONLY) < 0) open("/", O_RDONLY | O_DIRECTORY);
  }
}

/// This program's file, where its arguments say it.
static const char *path;

static void start(int count, char **arguments, char **environment) {
  (void)environment;
  path = arguments[0];
  // What lists of processes show would else be the loader's name.
  const char *slash = strrchr(path, '/');
  prctl(PR_SET_NAME, slash ? slash + 1 : path);
  // A reader that went away and a limit on a file's size are errors of a write, not ends of the process.
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  if (count > 1 && strcmp(arguments[1], "train") == 0) hold_stops();
  fill_descriptors();
}

/// Runs before the constructors of any library.
__attribute__((used, section(".preinit_array"))) static void (*const first)(int, char **, char **) = start;

const char *dms_program(void) { return dms_started_by_loader ? path : "/proc/self/exe"; }

void dms_stop_admit(void) {
  if (!stops_are_held) return;
  // Once more, since constructors of libraries may have taken a signal: UCX, which comes with MPICH, takes SIGHUP.
  install_handlers();
  sigset_t set = stop_set();
  sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int dms_stop_requested(void) { return requested; }

int dms_place_requests(void) { return questions; }
