/* Forks a process with all its threads. A fork has only the thread that made it, but the stacks and the thread-local storage of all: each thread is stopped in a signal handler, and in the child a new
 * thread takes its stack and storage and returns from that handler. Locks are as they were, for whoever holds one goes on to let go of it; so nothing here may take one, also not to allocate memory.
 * The signal is the one by which the C library reaches all threads when user ids change (nptl/setxid): it lets nobody block it. */
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fork.h"

enum { STOP_SIGNAL = 33, THREADS = 128, STACK_BYTES = 8192, LOOK_NS = 1000000, LOOKS = 5000, KERNEL_MASK_BYTES = 8 };

static struct thread {
  pid_t id;
  /* where the C library keeps it; the kernel clears it when the thread ends */
  pid_t *id_place;
  void *storage;
  jmp_buf place;
} threads[THREADS];
static _Atomic int claimed, stopped, gate;
static char stacks[THREADS][STACK_BYTES] __attribute__((aligned(64)));

static void futex(_Atomic int *word, int operation, int value, const struct timespec *limit) { syscall(SYS_futex, word, operation, value, limit, NULL, 0); }

static void stop_here(int signal) {
  (void)signal;
  int error = errno, passed = gate, place = atomic_fetch_add(&claimed, 1);
  if (place >= THREADS) return;
  struct thread *thread = &threads[place];
  thread->id = gettid();
  thread->storage = __builtin_thread_pointer();
  if (prctl(PR_GET_TID_ADDRESS, &thread->id_place) != 0) thread->id_place = NULL;
  if (_setjmp(thread->place) == 0) {
    atomic_fetch_add(&stopped, 1);
    futex(&stopped, FUTEX_WAKE_PRIVATE, 1, NULL);
    while (gate == passed) futex(&gate, FUTEX_WAIT_PRIVATE, passed, NULL);
  }
  errno = error;
}

/* The kernel's own form of a handler, made by the C library for another signal: this one it refuses. */
static int take_signal(void) {
  struct {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    unsigned long mask;
  } action;
  struct sigaction ours = {.sa_handler = stop_here, .sa_flags = SA_RESTART}, before;
  sigfillset(&ours.sa_mask);
  int ok = sigaction(SIGRTMAX, &ours, &before) == 0 && syscall(SYS_rt_sigaction, SIGRTMAX, NULL, &action, KERNEL_MASK_BYTES) == 0 &&
           syscall(SYS_rt_sigaction, STOP_SIGNAL, &action, NULL, KERNEL_MASK_BYTES) == 0;
  return sigaction(SIGRTMAX, &before, NULL) == 0 && ok;
}

/* Ids of all threads but this one. */
static int others(pid_t *ids) {
  int count = 0, all = numbers_in("/proc/self/task", ids, THREADS);
  for (int i = 0; i < all; i++)
    if (ids[i] != gettid()) ids[count++] = ids[i];
  return count;
}

static int among(const pid_t *ids, int count, pid_t id) {
  while (count > 0 && ids[count - 1] != id) count--;
  return count > 0;
}

const char *stop_threads(void) {
  static int taken;
  static pid_t asked[THREADS], there[THREADS];
  if (!taken && !(taken = take_signal())) return "the signal that stops threads was refused";
  int asked_count = 0;
  atomic_store(&claimed, 0);
  atomic_store(&stopped, 0);
  for (int looks = 0; looks < LOOKS; looks++) {
    int seen = stopped, count = others(there), missing = 0;
    for (int i = 0; i < count; i++) {
      int halted = 0;
      for (int k = 0; k < seen && k < THREADS; k++) halted |= threads[k].id == there[i];
      missing += !halted;
      if (among(asked, asked_count, there[i]) || asked_count == THREADS) continue;
      asked[asked_count++] = there[i];
      syscall(SYS_tgkill, getpid(), there[i], STOP_SIGNAL);
    }
    if (missing == 0 && seen == stopped && seen == claimed && count < THREADS) return NULL;
    if (seen == stopped) futex(&stopped, FUTEX_WAIT_PRIVATE, seen, &(struct timespec){.tv_nsec = LOOK_NS});
  }
  release_threads();
  return "a thread did not stop";
}

void release_threads(void) {
  atomic_fetch_add(&gate, 1);
  futex(&gate, FUTEX_WAKE_PRIVATE, THREADS, NULL);
}

pid_t fork_thread(void) {
  pid_t *id_place = NULL;
  if (prctl(PR_GET_TID_ADDRESS, &id_place) != 0) return -1;
  return syscall(SYS_clone, CLONE_PARENT | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, NULL, NULL, id_place, NULL);
}

static int go_on(void *argument) {
  struct thread *thread = argument;
  // What the scheduler tells the C library of a thread it tells those only that ask for it.
  if (__rseq_size > 0) syscall(SYS_rseq, (char *)thread->storage + __rseq_offset, 32, 0, RSEQ_SIG);
  _longjmp(thread->place, 1);
}

int revive_threads(void) {
  const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
  for (int i = 0; i < stopped; i++) {
    struct thread *thread = &threads[i];
    if (thread->id_place == NULL) return 0;
    if (clone(go_on, stacks[i] + STACK_BYTES, flags, thread, thread->id_place, thread->storage, thread->id_place) < 0) return 0;
  }
  return 1;
}
