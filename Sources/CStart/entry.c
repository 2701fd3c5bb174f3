#include "start.h"
#include <asm/unistd.h>
#include <fcntl.h>
#include <limits.h>

// The program's first instructions in a release build, which is linked without naming a dynamic loader: the system maps the file and
// comes here at once, where a program with a loader is deaf for the milliseconds in which its libraries are loaded and relocated.
// With `train`, the signals that ask to stop are blocked, then the loader is run on this same file; what is blocked stays blocked and
// pending across that, until start.c listens. The loader ends by coming here once more, now with the address of its own last
// function in a register that the system leaves zero, and the C library's `_start` takes over.
//
// Before the loader no library may be called, so that system calls are made directly.

#if defined(__x86_64__)
static const char loader[] = "/lib64/ld-linux-x86-64.so.2";

__asm__(
    ".globl dms_entry\n"
    ".type dms_entry, @function\n"
    "dms_entry:\n"
    "  test %rdx, %rdx\n"
    "  jz 1f\n"
    "  movl $1, dms_started_by_loader(%rip)\n"
    "  jmp _start\n"
    "1: mov %rsp, %rdi\n"
    "  and $-16, %rsp\n"
    "  call dms_run_loader\n"
    "  hlt\n");

static long call(long number, long a, long b, long c, long d) {
  long result;
  register long fourth __asm__("r10") = d;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
                   : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
static const char loader[] = "/lib/ld-linux-aarch64.so.1";

__asm__(
    ".globl dms_entry\n"
    ".type dms_entry, %function\n"
    "dms_entry:\n"
    "  cbz x0, 1f\n"
    "  adrp x1, dms_started_by_loader\n"
    "  mov w2, #1\n"
    "  str w2, [x1, :lo12:dms_started_by_loader]\n"
    "  b _start\n"
    "1: mov x0, sp\n"
    "  bl dms_run_loader\n");

static long call(long number, long a, long b, long c, long d) {
  register long r8 __asm__("x8") = number;
  register long r0 __asm__("x0") = a;
  register long r1 __asm__("x1") = b;
  register long r2 __asm__("x2") = c;
  register long r3 __asm__("x3") = d;
  __asm__ volatile("svc 0" : "+r"(r0) : "r"(r8), "r"(r1), "r"(r2), "r"(r3) : "memory");
  return r0;
}
#endif

int dms_started_by_loader;

static int are_equal(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

/// `stack`: what the system left there: the count of arguments, the arguments, and after a null the environment.
__attribute__((used, noreturn, no_stack_protector)) void dms_run_loader(long *stack) {
  static char path[PATH_MAX];
  long count = stack[0];
  const char **arguments = (const char **)(stack + 1);
  const char **environment = arguments + count + 1;

  if (count > 1 && are_equal(arguments[1], "train")) {
    // A bit a signal, as the system takes them.
    unsigned long set = 0;
    for (int i = 0; i < STOPS; i++) set |= 1ul << (stops[i] - 1);
    call(__NR_rt_sigprocmask, SIG_BLOCK, (long)&set, 0, sizeof set);
  }
  long length = call(__NR_readlinkat, AT_FDCWD, (long)"/proc/self/exe", (long)path, sizeof path - 1);
  // Without /proc what the caller named will do.
  const char *program = length > 0 ? path : arguments[0];

  // The loader's name, the program's path, then the arguments: the two words in front of the second argument are free for it.
  stack[0] = (long)loader;
  stack[1] = (long)program;
  call(__NR_execve, (long)loader, (long)stack, (long)environment, 0);

  static const char message[] = "dmsnet: error: the system's dynamic loader cannot be run\n";
  call(__NR_write, 2, (long)message, sizeof message - 1, 0);
  for (;;) call(__NR_exit_group, 127, 0, 0, 0);
}
