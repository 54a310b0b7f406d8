/* isthmus-fork.so, preloaded into a VMM that is to be started often: stops it before its own first instruction, with all its libraries loaded and bound, and from then on forks it for
 * whoever holds the other end of descriptor 3. A fork is a VMM that spares the work of the dynamic linker and shares its pages; it goes on as if it had been executed with these arguments.
 *
 * It also hands requests to those of its VMMs that are zygotes (zygote.c), and has their forks as children of its own. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fork.h"

enum { CHANNEL_FD = 3, MORE_PLACES = 64, SMALL_BYTES = 4 << 20, ZYGOTE_DEADLINE_S = 5, LEAST_FD = 16 };

typedef int main_fn(int, char **, char **);
typedef int start_fn(main_fn *, int, char **, void (*)(void), void (*)(void), void (*)(void), void *);

extern char **environ;

/* pid 0: a place that is free; requests: where a zygote takes them, or -1 */
static struct child {
  pid_t pid;
  int requests;
  char id[ID_BYTES];
} *children;
static int places;
static char *shown;
static size_t shown_bytes;

void show(char *const *words, int count) {
  char *from = shown;
  size_t room = shown_bytes;
  memset(from, 0, room);
  for (int i = 0; i < count; i++) {
    size_t length = strlen(words[i]) + 1;
    if (length > room) return;
    memcpy(from, words[i], length);
    from += length;
    room -= length;
  }
}

/* In the child, which is one thread: only the VMM's own start makes more. `requests`: where a zygote takes them. Returns its arguments, with its environment behind them. */
static char **become(const struct request *request, int requests) {
  int variables = 0;
  while (environ[variables] != NULL) variables++;
  char **vector = calloc(request->count + variables + 2, sizeof *vector);
  const char *what = vector == NULL ? "memory" : settle(request);
  if (what == NULL && *request->state != '\0' && !open_as(request->state, O_RDONLY, STATE_FD)) what = request->state;
  if (what == NULL && requests >= 0) what = become_zygote(requests);
  if (what != NULL) {
    tell("failed %s %s: %s", request->id, what, strerror(errno));
    _exit(1);
  }
  memcpy(vector, request->words, request->count * sizeof *vector);
  memcpy(vector + request->count + 1, environ, (variables + 1) * sizeof *vector);
  environ = vector + request->count + 1;
  show(request->words, request->count);
  tell("ready %s %d", request->id, getpid());
  // A zygote's forks say themselves that they are there.
  if (requests < 0) close(channel);
  return vector;
}

static int remember(pid_t pid, int requests, const char *id) {
  int place = 0;
  while (place < places && children[place].pid != 0) place++;
  if (place == places) {
    struct child *more = realloc(children, (places + MORE_PLACES) * sizeof *children);
    if (more == NULL) return 0;
    memset(more + places, 0, MORE_PLACES * sizeof *children);
    children = more;
    places += MORE_PLACES;
  }
  children[place].pid = pid;
  children[place].requests = requests;
  strcpy(children[place].id, id);
  return 1;
}

static void reap(int signals) {
  struct signalfd_siginfo info;
  int status;
  pid_t pid;
  if (read(signals, &info, sizeof info) < 0) return;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
    for (int i = 0; i < places; i++)
      if (children[i].pid == pid) {
        int killed = WIFSIGNALED(status);
        tell("ended %s %s %d", children[i].id, killed ? "killed" : "exited", killed ? WTERMSIG(status) : WEXITSTATUS(status));
        children[i].pid = 0;
        if (children[i].requests >= 0) close(children[i].requests);
      }
}

static const struct child *zygote_of(const char *id) {
  for (int i = 0; i < places; i++)
    if (children[i].pid != 0 && children[i].requests >= 0 && strcmp(children[i].id, id) == 0) return &children[i];
  return NULL;
}

/* Has a zygote fork. Its answer is waited for: it stands still and has nothing else to do. */
static void pass_on(const struct request *request, const char *text, uint32_t length) {
  const struct child *zygote = zygote_of(request->zygote);
  struct forked answer = {.reason = "the zygote is gone"};
  if (zygote != NULL && send(zygote->requests, &length, sizeof length, MSG_NOSIGNAL) == sizeof length && send(zygote->requests, text, length, MSG_NOSIGNAL) == (ssize_t)length &&
      !read_all(zygote->requests, &answer, sizeof answer))
    answer = (struct forked){.reason = "the zygote does not answer"};
  if (answer.pid == 0) tell("failed %s %s", request->id, answer.reason);
  else if (!remember(answer.pid, -1, request->id)) _exit(0);
}

/* Returns twice, as fork does: in the child with where a zygote takes requests. */
static pid_t fork_one(const struct request *request, int *requests) {
  int ends[2] = {-1, -1};
  const struct timeval limit = {.tv_sec = ZYGOTE_DEADLINE_S};
  if (strcmp(request->kind, "zygote") == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return -1;
  if (ends[0] >= 0) setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  pid_t pid = fork();
  if (pid == 0) {
    for (int i = 0; i < places; i++)
      if (children[i].pid != 0 && children[i].requests >= 0) close(children[i].requests);
    // QEMU counts on the low ones, as the state's.
    *requests = ends[1] < 0 ? -1 : fcntl(ends[1], F_DUPFD_CLOEXEC, LEAST_FD);
    if (ends[0] >= 0) close(ends[0]);
  } else {
    *requests = ends[0];
  }
  if (ends[1] >= 0) close(ends[1]);
  return pid;
}

/* Forks until the channel ends; returns in the children alone, with their request. What a child has from here it has to itself. */
static void serve(struct request *request, int *requests) {
  sigset_t mask, before;
  sigemptyset(&mask);
  sigaddset(&mask, SIGCHLD);
  sigprocmask(SIG_BLOCK, &mask, &before);
  // What whoever started the daemon left open is no VMM's.
  close_range(CHANNEL_FD + 1, ~0U, 0);
  channel = fcntl(CHANNEL_FD, F_DUPFD_CLOEXEC, LEAST_FD);
  close(CHANNEL_FD);
  int signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
  struct pollfd both[2] = {{.fd = channel, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
  tell("serves %d", getpid());
  for (;;) {
    if (poll(both, 2, -1) < 0) continue;
    if (both[1].revents) reap(signals);
    if (!both[0].revents) continue;
    uint32_t length;
    char *text = receive(channel, request, &length);
    if (text == NULL) _exit(0);
    if (*request->zygote != '\0') {
      pass_on(request, text, length);
    } else {
      pid_t pid = fork_one(request, requests);
      if (pid == 0) {
        close(signals);
        sigprocmask(SIG_SETMASK, &before, NULL);
        return;
      }
      if (pid < 0) tell("failed %s fork: %s", request->id, strerror(errno));
      else if (!remember(pid, *requests, request->id)) _exit(0);
    }
    // Later children have the memory that this was in.
    explicit_bzero(text, length);
    free(text);
  }
}

/* QEMU asks for huge pages for all guest memory, also for tables of 2 MiB of which it fills the first pages. Only where many of them are used they are worth having. */
int madvise(void *from, size_t length, int advice) {
  if (advice == MADV_HUGEPAGE && length <= SMALL_BYTES) return 0;
  // A fork of a zygote has its guest's memory.
  if (advice == MADV_DONTFORK) return 0;
  return syscall(SYS_madvise, from, length, advice);
}

/* The C library's own first function, which calls the constructors of the program and its main: before it there is one thread, and nothing that a fork must not share. */
int __libc_start_main(main_fn *entry, int argc, char **argv, void (*init)(void), void (*fini)(void), void (*rtld_fini)(void), void *stack_end) {
  static struct request request;
  start_fn *start = (start_fn *)dlsym(RTLD_NEXT, "__libc_start_main");
  unsetenv("LD_PRELOAD");
  unsetenv("LD_BIND_NOW");
  shown = argv[0];
  shown_bytes = argv[argc - 1] + strlen(argv[argc - 1]) + 1 - argv[0];
  int requests;
  serve(&request, &requests);
  char **vector = become(&request, requests);
  return start(entry, request.count, vector, init, fini, rtld_fini, stack_end);
}
