/* isthmus-share SOURCE SOCKET ro|rw PROGRAM: gives the folder SOURCE, and nothing else of this host, to the guest whose VMM connects to SOCKET: a mount of its own,
 * read-only where that is asked for, and then virtiofsd within it. Says "ready" when SOCKET can be connected to; a VMM that never comes is not waited for long. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

enum { CONNECT_WAIT_MS = 60000, LISTEN_FD = 3 };

static int fail(const char *what) {
  dprintf(STDERR_FILENO, "isthmus-share: %s: %s\n", what, strerror(errno));
  return 1;
}

static int write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  int ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
  close(fd);
  return ok;
}

/* Without root: root within a namespace of users of its own, where only this user is known. */
static int become_root(void) {
  char uids[32], gids[32];
  snprintf(uids, sizeof uids, "0 %u 1", geteuid());
  snprintf(gids, sizeof gids, "0 %u 1", getegid());
  return unshare(CLONE_NEWUSER) == 0 && write_file("/proc/self/uid_map", uids) && write_file("/proc/self/setgroups", "deny") && write_file("/proc/self/gid_map", gids);
}

/* Flags that the mount had may not be taken away within a namespace of users. */
static int narrow(const char *source, int read_only) {
  struct statvfs fs;
  unsigned long flags = MS_BIND | MS_REMOUNT | (read_only ? MS_RDONLY : 0);
  if (statvfs(source, &fs) < 0) return 0;
  flags |= (fs.f_flag & ST_RDONLY ? MS_RDONLY : 0) | (fs.f_flag & ST_NOEXEC ? MS_NOEXEC : 0) | (fs.f_flag & ST_NOATIME ? MS_NOATIME : 0) |
           (fs.f_flag & ST_RELATIME ? MS_RELATIME : 0) | MS_NOSUID | MS_NODEV;
  return mount(NULL, source, NULL, flags, NULL) == 0;
}

int main(int argc, char **argv) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (argc != 5 || strlen(argv[2]) >= sizeof address.sun_path || strchr(argv[1], ',')) return errno = EINVAL, fail("arguments");
  const char *source = argv[1], *program = argv[4];
  char option[5000], listening[16];
  int read_only = strcmp(argv[3], "rw") != 0, listener = socket(AF_UNIX, SOCK_STREAM, 0);
  strcpy(address.sun_path, argv[2]);
  umask(077);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 1) < 0) return fail(argv[2]);
  if (listener != LISTEN_FD && dup2(listener, LISTEN_FD) < 0) return fail("socket");
  umask(0);
  if (write(STDOUT_FILENO, "ready\n", 6) != 6) return fail("stdout");
  struct pollfd wait = {.fd = LISTEN_FD, .events = POLLIN};
  if (poll(&wait, 1, CONNECT_WAIT_MS) <= 0) return unlink(argv[2]), fail("nobody connected");
  unlink(argv[2]);
  if (geteuid() != 0 && !become_root()) return fail("namespace of users");
  if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return fail("namespace of mounts");
  if (mount(source, source, NULL, MS_BIND, NULL) < 0 || !narrow(source, read_only)) return fail(source);
  snprintf(option, sizeof option, "source=%s", source);
  snprintf(listening, sizeof listening, "--fd=%d", LISTEN_FD);
  execl(program, program, listening, "-o", option, "-o", "cache=auto", "-o", "modcaps=-mknod", (char *)NULL);
  return fail(program);
}
