/* A zygote is a VMM whose guest was restored, did its first work, and stands still: a fork of it is another such VMM, with all that it has in memory, its guest's pages and the code that was translated
 * for it included, shared until one of them writes to it. The fork server hands it requests; the process's children are the server's. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fork.h"

enum {
  X32_CALLS = 0x40000000,
  /* the daemon's and the server's */
  OWN_CONNECTIONS = 2,
  LOOKS = 100,
  LOOK_US = 2000,
};

static int requests;

#define OTHERWISE_KILL(number) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, what)

static const char *forbid(struct sock_filter *filter, unsigned short length) {
  struct sock_fprog program = {.len = length, .filter = filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0 ? NULL : "a seccomp filter";
}

/* Of a zygote: what QEMU's sandbox forbids with `elevateprivileges` and `spawn` (softmmu/qemu-seccomp.c), but for fork and setsid, which its forks must do first. */
static const char *forbid_programs(void) {
  struct sock_filter filter[] = {
      LOAD(arch), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0), ANSWER(SECCOMP_RET_KILL_PROCESS),
      LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_CALLS, 0, 1), ANSWER(SECCOMP_RET_KILL_PROCESS),
      OTHERWISE_KILL(SYS_execve), OTHERWISE_KILL(SYS_execveat), OTHERWISE_KILL(SYS_setuid), OTHERWISE_KILL(SYS_setgid), OTHERWISE_KILL(SYS_setpgid),
      OTHERWISE_KILL(SYS_setreuid), OTHERWISE_KILL(SYS_setregid), OTHERWISE_KILL(SYS_setresuid), OTHERWISE_KILL(SYS_setresgid), OTHERWISE_KILL(SYS_setfsuid),
      OTHERWISE_KILL(SYS_setfsgid),
      // The C library makes threads by the older call when there is no newer one, whose flags no filter can see.
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1), ANSWER(SECCOMP_RET_ERRNO | ENOSYS),
      ANSWER(SECCOMP_RET_ALLOW),
  };
  return forbid(filter, sizeof filter / sizeof *filter);
}

/* Of a clone, beside that, the rest: it is left threads. */
static const char *forbid_processes(void) {
  struct sock_filter filter[] = {
      LOAD(nr), OTHERWISE_KILL(SYS_fork), OTHERWISE_KILL(SYS_vfork), OTHERWISE_KILL(SYS_setsid),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 1, 0), ANSWER(SECCOMP_RET_ALLOW),
      LOAD(args[0]), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1), ANSWER(SECCOMP_RET_ALLOW), ANSWER(SECCOMP_RET_KILL_PROCESS),
  };
  return forbid(filter, sizeof filter / sizeof *filter);
}

/* In the child, which is one thread yet. Allocates nothing: a thread that is not there may hold the allocator's lock. */
static void become_clone(const struct request *request) {
  close(requests);
  const char *what = settle(request);
  if (what != NULL) {
    tell("failed %s %s: %s", request->id, what, strerror(errno));
    _exit(1);
  }
  int paths = request->count > 0 ? 2 * atoi(request->words[0]) : 0;
  if (paths < 0 || paths >= request->count) what = "a request without its paths";
  if (what == NULL && !tell_libraries_of_fork()) what = "too many libraries want to know of it";
  if (what != NULL || (what = renew_descriptors(request->words + 1, paths)) != NULL || (what = forbid_processes()) != NULL) {
    tell("failed %s %s", request->id, what);
    _exit(1);
  }
  show(request->words + 1 + paths, request->count - 1 - paths);
  tell("ready %s %d", request->id, getpid());
  close(channel);
  if (!revive_threads()) _exit(1);
  // The process is named by this thread's id, which is why it stays.
  for (;;) pause();
}

static void *serve(void *nothing) {
  static struct request request;
  for (;;) {
    uint32_t length;
    char *text = receive(requests, &request, &length);
    // The server is gone, and with it whoever would ask.
    if (text == NULL) _exit(0);
    struct forked answer = {0};
    // A client that has just left is there until the VMM has noticed.
    for (int looks = 0; looks < LOOKS && connections() > OWN_CONNECTIONS; looks++) usleep(LOOK_US);
    const char *why = stop_threads();
    if (why == NULL) {
      answer.pid = fork_thread();
      if (answer.pid == 0) become_clone(&request);
      if (answer.pid < 0) why = strerror(errno);
      release_threads();
    }
    if (why != NULL) {
      answer.pid = 0;
      snprintf(answer.reason, sizeof answer.reason, "%s", why);
    }
    if (write(requests, &answer, sizeof answer) != sizeof answer) _exit(0);
    explicit_bzero(text, length);
    free(text);
  }
  return nothing;
}

const char *become_zygote(int from) {
  requests = from;
  const char *what = forbid_programs();
  if (what != NULL) return what;
  sigset_t all, before;
  pthread_t thread;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  errno = pthread_create(&thread, NULL, serve, NULL);
  int made = errno == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return made ? NULL : "a thread";
}
