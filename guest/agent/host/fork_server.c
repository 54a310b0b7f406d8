/* isthmus-fork.so, preloaded into a VMM that is to be started often: stops it before its own first instruction, with all its libraries loaded and bound, and from then on forks it for
 * whoever holds the other end of descriptor 3. A fork is a VMM that spares the work of the dynamic linker and shares its pages; it goes on as if it had been executed with these arguments.
 *
 * A request is its length in 4 bytes, then words that end with NUL each: an id, the folder to work in, the file for what it says, the file to open as descriptor 3 or nothing, the namespace
 * of networks ("" none other, "new", or a path), how many control groups, their files cgroup.procs, and the arguments.
 * Answers are lines: "ready ID PID", "failed ID REASON", "refused ID INDEX REASON" (of a group), "ended ID exited|killed NUMBER". */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHANNEL_FD = 3, STATE_FD = 3, REQUEST_BYTES = 1 << 20, WORDS = 4096, LINE_BYTES = 4096, MORE_PLACES = 64, SMALL_BYTES = 4 << 20 };

typedef int main_fn(int, char **, char **);
typedef int start_fn(main_fn *, int, char **, void (*)(void), void (*)(void), void (*)(void), void *);

extern char **environ;

struct request {
  char *id, *folder, *log, *state, *namespace, *entrances[WORDS], *words[WORDS];
  int groups, count;
};

/* pid 0: a place that is free */
static struct child {
  pid_t pid;
  char id[24];
} *children;
static int places, channel;
static char *shown;
static size_t shown_bytes;

static void tell(const char *format, ...) {
  char line[LINE_BYTES];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line, sizeof line - 1, format, arguments);
  va_end(arguments);
  if (length > (int)sizeof line - 2) length = sizeof line - 2;
  line[length] = '\n';
  if (write(channel, line, length + 1) != length + 1) _exit(0);
}

static int read_all(void *to, size_t length) {
  for (size_t got = 0; got < length;) {
    ssize_t more = read(channel, (char *)to + got, length - got);
    if (more < 0 && errno == EINTR) continue;
    if (more <= 0) return 0;
    got += more;
  }
  return 1;
}

/* The words of a request, which must be as many as it says. */
static int parse(char *text, uint32_t length, struct request *request) {
  static char *all[WORDS];
  int count = 0;
  if (length == 0 || text[length - 1] != '\0') return 0;
  for (char *word = text; word < text + length && count < WORDS; word += strlen(word) + 1) all[count++] = word;
  if (count < 7 || count == WORDS) return 0;
  *request = (struct request){.id = all[0], .folder = all[1], .log = all[2], .state = all[3], .namespace = all[4], .groups = atoi(all[5])};
  if (request->groups < 0 || request->groups > count - 7 || strlen(request->id) >= sizeof children->id) return 0;
  memcpy(request->entrances, all + 6, request->groups * sizeof *all);
  request->count = count - 6 - request->groups;
  memcpy(request->words, all + 6 + request->groups, request->count * sizeof *all);
  return 1;
}

static void enter_groups(const struct request *request) {
  for (int i = 0; i < request->groups; i++) {
    int fd = open(request->entrances[i], O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1) tell("refused %s %d %s", request->id, i, strerror(errno));
    if (fd >= 0) close(fd);
  }
}

static int enter_namespace(const char *name) {
  if (*name == '\0') return 1;
  if (strcmp(name, "new") == 0) return unshare(CLONE_NEWNET) == 0;
  int fd = open(name, O_RDONLY | O_CLOEXEC), ok = fd >= 0 && setns(fd, CLONE_NEWNET) == 0;
  if (fd >= 0) close(fd);
  return ok;
}

static int open_as(const char *path, int flags, int wanted) {
  int fd = open(path, flags, 0600);
  if (fd < 0 || fd == wanted) return fd >= 0;
  int ok = dup2(fd, wanted) >= 0;
  close(fd);
  return ok;
}

/* What ps shows: the arguments stand where this process's own stood. */
static void show(const struct request *request) {
  char *from = shown;
  size_t room = shown_bytes;
  memset(from, 0, room);
  for (int i = 0; i < request->count; i++) {
    size_t length = strlen(request->words[i]) + 1;
    if (length > room) return;
    memcpy(from, request->words[i], length);
    from += length;
    room -= length;
  }
}

/* In the child, which is one thread: only the VMM's own start makes more. Returns its arguments, with its environment behind them. */
static char **become(const struct request *request) {
  int variables = 0;
  while (environ[variables] != NULL) variables++;
  char **vector = calloc(request->count + variables + 2, sizeof *vector);
  const char *what = "memory";
  if (vector != NULL && (what = request->folder, chdir(what) == 0) && (what = request->log, open_as(what, O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO)) &&
      dup2(STDOUT_FILENO, STDERR_FILENO) >= 0 && (what = request->namespace, enter_namespace(what)) &&
      (what = request->state, *what == '\0' || open_as(what, O_RDONLY, STATE_FD))) {
    enter_groups(request);
    setsid();
    memcpy(vector, request->words, request->count * sizeof *vector);
    memcpy(vector + request->count + 1, environ, (variables + 1) * sizeof *vector);
    environ = vector + request->count + 1;
    show(request);
    tell("ready %s %d", request->id, getpid());
    close(channel);
    return vector;
  }
  tell("failed %s %s: %s", request->id, what, strerror(errno));
  _exit(1);
}

static int remember(pid_t pid, const char *id) {
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
      }
}

/* Forks until the channel ends; returns in the children alone, with their request. What a child has from here it has to itself. */
static void serve(struct request *request) {
  sigset_t mask, before;
  sigemptyset(&mask);
  sigaddset(&mask, SIGCHLD);
  sigprocmask(SIG_BLOCK, &mask, &before);
  channel = fcntl(CHANNEL_FD, F_DUPFD_CLOEXEC, CHANNEL_FD + 1);
  close(CHANNEL_FD);
  int signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
  struct pollfd both[2] = {{.fd = channel, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
  tell("serves %d", getpid());
  for (;;) {
    if (poll(both, 2, -1) < 0) continue;
    if (both[1].revents) reap(signals);
    if (!both[0].revents) continue;
    uint32_t length;
    char *text;
    if (!read_all(&length, sizeof length) || length > REQUEST_BYTES || (text = malloc(length + 1)) == NULL) _exit(0);
    if (!read_all(text, length) || !parse(text, length, request)) _exit(0);
    pid_t pid = fork();
    if (pid == 0) {
      close(signals);
      sigprocmask(SIG_SETMASK, &before, NULL);
      return;
    }
    if (pid < 0) tell("failed %s fork: %s", request->id, strerror(errno));
    else if (!remember(pid, request->id)) _exit(0);
    // Later children have the memory that this was in.
    explicit_bzero(text, length);
    free(text);
  }
}

/* QEMU asks for huge pages for all guest memory, also for tables of 2 MiB of which it fills the first pages. Only where many of them are used they are worth having. */
int madvise(void *from, size_t length, int advice) {
  if (advice == MADV_HUGEPAGE && length <= SMALL_BYTES) return 0;
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
  serve(&request);
  char **vector = become(&request);
  return start(entry, request.count, vector, init, fini, rtld_fini, stack_end);
}
