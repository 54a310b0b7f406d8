/* Starting processes: pipes or a terminal, identity, folder, environment. */
#include "agent.h"
#include <grp.h>
#include <linux/sched.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif

int make_folders(const char *path) {
  char part[PATH_MAX_BYTES];
  struct stat st;
  for (const char *p = path; (p = strchr(p + 1, '/'));) {
    snprintf(part, sizeof part, "%.*s", (int)(p - path), path);
    mkdir(part, 0755);
  }
  mkdir(path, 0755);
  if (stat(path, &st) < 0) return -1;
  return S_ISDIR(st.st_mode) ? 0 : (errno = ENOTDIR, -1);
}

/* What the image and the caller left out; `envp` has room for it. */
static void complete_env(const struct launch *l) {
  static char home[300] = "HOME=", host[80] = "HOSTNAME=", term[] = "TERM=xterm", path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  char *const wanted[] = {path, home, host, l->tty ? term : NULL};
  size_t count = 0;
  strcat(home, l->who.home);
  gethostname(host + strlen(host), 65);
  while (l->envp[count]) count++;
  for (int i = 0; i < 4 && wanted[i]; i++) {
    size_t len = strcspn(wanted[i], "=") + 1, k = 0;
    while (k < count && strncmp(l->envp[k], wanted[i], len) != 0) k++;
    if (k == count) l->envp[count++] = wanted[i];
  }
  l->envp[count] = NULL;
  environ = l->envp;
}

static _Noreturn void become(const struct launch *l, const int fds[CHANNELS]) {
  sigset_t none;
  setsid();
  for (int c = 0; c < CHANNELS; c++) dup2(fds[c], c);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  for (int c = 0; c < CHANNELS; c++) /* so that opening /dev/stdout works for that user; not for /dev/null */
    if (l->tty || c != STDIN || l->stdin_open) (void)!fchown(c, l->who.uid, (gid_t)-1);
  if (l->tty) ioctl(STDIN, TIOCSCTTY, 0);
  complete_env(l);
  bool ready = make_folders(l->cwd) == 0 && setgroups(l->who.group_count, l->who.groups) == 0 && setgid(l->who.gid) == 0 &&
               setuid(l->who.uid) == 0 && chdir(l->cwd) == 0;
  const char *failed = ready ? l->argv[0] : l->cwd;
  if (ready && l->program) fexecve(l->program, l->argv, environ);
  else if (ready) execvp(failed, l->argv);
  int code = ready && (errno == ENOENT || errno == ENOTDIR) ? 127 : 126;
  dprintf(STDERR, "isthmus: %s: %s\n", failed, code == 127 ? "command not found" : strerror(errno));
  _exit(code);
}

static bool open_terminal(const struct launch *l, int ours[CHANNELS], int theirs[CHANNELS]) {
  struct winsize size = {.ws_col = (uint16_t)l->cols, .ws_row = (uint16_t)l->rows};
  int unlock = 0, master = ours[STDIN] = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
  if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0 || ioctl(master, TIOCSWINSZ, &size) < 0) return false;
  ours[STDOUT] = fcntl(master, F_DUPFD_CLOEXEC, 3); /* the event loop watches each direction on its own */
  for (int c = 0; c < CHANNELS; c++) theirs[c] = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  return ours[STDOUT] >= 0 && theirs[STDERR] >= 0;
}

static bool open_pipes(const struct launch *l, int ours[CHANNELS], int theirs[CHANNELS]) {
  for (int ends[2], c = 0; c < CHANNELS; c++) {
    if (c == STDIN && !l->stdin_open) {
      theirs[c] = open("/dev/null", O_RDONLY | O_CLOEXEC);
      continue;
    }
    if (pipe2(ends, O_CLOEXEC) < 0) return false;
    ours[c] = ends[c == STDIN];
    theirs[c] = ends[c != STDIN];
    fcntl(ours[c], F_SETFL, fcntl(ours[c], F_GETFL) | O_NONBLOCK); /* on our side only: the ends are two open files */
  }
  return true;
}

/* fork(), into the group that `freeze` stops: to move there afterwards would wait for all processors. */
static pid_t fork_into(int group) {
  struct clone_args args = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)group};
  return group < 0 ? fork() : (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

pid_t process_launch(const struct launch *l, int ours[CHANNELS]) {
  int theirs[CHANNELS] = {-1, -1, -1};
  ours[STDIN] = ours[STDOUT] = ours[STDERR] = -1;
  pid_t pid = (l->tty ? open_terminal : open_pipes)(l, ours, theirs) ? fork_into(platform_group()) : -1;
  if (pid == 0) become(l, theirs);
  for (int c = 0; c < CHANNELS; c++) {
    if (theirs[c] >= 0) close(theirs[c]);
    if (pid < 0 && ours[c] >= 0) close(ours[c]);
  }
  return pid;
}
