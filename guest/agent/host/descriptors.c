/* After a fork parent and child share what is behind each descriptor. Of a VMM that stands still these are few, and known: whatever else is there is a reason not to go on. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "fork.h"

enum { DESCRIPTORS = 1024, PATH_BYTES = 4096, MEMORY_MAJOR = 1, BACKLOG = 1, PIECE_BYTES = 64 << 10, BLOCK_BYTES = 512 };

#define TAP_DEVICE "/dev/net/tun"

static char reason[256];
static unsigned long offloads;

static int put(int fd, int place) {
  if (fd < 0) return 0;
  int ok = dup3(fd, place, O_CLOEXEC) >= 0;
  close(fd);
  return ok;
}

/* What the kernel tells of a descriptor, in lines. */
static int read_info(int fd, char *text, size_t room) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  int info = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t length = info < 0 ? -1 : read(info, text, room - 1);
  if (info >= 0) close(info);
  if (length >= 0) text[length] = '\0';
  return length >= 0;
}

/* What wakes a thread of one must not wake, or be eaten by, the other's. */
static int renew_event(int fd, int flags) {
  char text[512];
  if (!read_info(fd, text, sizeof text)) return 0;
  const char *count = strstr(text, "eventfd-count:");
  int fresh = eventfd(0, (flags & O_NONBLOCK) | EFD_CLOEXEC);
  uint64_t value = count == NULL ? 0 : strtoull(count + strlen("eventfd-count:"), NULL, 16);
  if (fresh >= 0 && value > 0 && write(fresh, &value, sizeof value) != sizeof value) return 0;
  return put(fresh, fd);
}

static int listen_at(const char *path, int fd, int flags) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) return errno = ENAMETOOLONG, 0;
  strcpy(address.sun_path, path);
  int fresh = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (flags & O_NONBLOCK), 0);
  if (fresh < 0 || bind(fresh, (struct sockaddr *)&address, sizeof address) != 0 || listen(fresh, BACKLOG) != 0) return 0;
  return put(fresh, fd);
}

/* What a VMM locks a file for, so that no other uses it, is known to the kernel alone. Locks are of the open file: the fork's has none yet. */
static int copy_locks(int from, int to) {
  char text[2048];
  if (!read_info(from, text, sizeof text)) return 0;
  for (char *line = strstr(text, "lock:"); line != NULL; line = strstr(line + 1, "lock:")) {
    char kind[16], mode[16], access[16];
    long long first, last;
    if (sscanf(line, "lock: %*d: %15s %15s %15s %*d %*s %lld %lld", kind, mode, access, &first, &last) != 5 || strcmp(kind, "OFDLCK") != 0) continue;
    struct flock lock = {.l_type = strcmp(access, "WRITE") == 0 ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET, .l_start = first, .l_len = last - first + 1};
    if (fcntl(to, F_OFD_SETLK, &lock) != 0) return 0;
  }
  return 1;
}

/* Between file systems, too. */
static int copy_part(int from, int to, off_t at, off_t end) {
  static char piece[PIECE_BYTES];
  for (off_t in = at, out = at; in < end;)
    if (copy_file_range(from, &in, to, &out, end - in, 0) <= 0) {
      ssize_t length = pread(from, piece, end - in < PIECE_BYTES ? end - in : PIECE_BYTES, in);
      if (length <= 0 || pwrite(to, piece, length, in) != length) return 0;
      out = in += length;
    }
  return 1;
}

/* What is in a sparse file; nobody writes to it meanwhile. */
static int copy_content(int from, int to) {
  struct stat about;
  if (fstat(from, &about) != 0 || ftruncate(to, about.st_size) != 0) return 0;
  for (off_t at = 0, end; (at = lseek(from, at, SEEK_DATA)) >= 0; at = end) {
    if ((end = lseek(from, at, SEEK_HOLE)) < 0) return 0;
    // A file system that knows of no holes would have all of the disk copied.
    if (end - at > about.st_blocks * BLOCK_BYTES + PIECE_BYTES) return errno = EOPNOTSUPP, 0;
    if (!copy_part(from, to, at, end)) return 0;
  }
  return errno == ENXIO;
}

/* A log goes on, or begins; any other file is a copy. */
static int open_like(const char *path, int fd, int flags) {
  int mode = (flags & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_DIRECT)) | O_CREAT | O_CLOEXEC, log = flags & O_APPEND;
  int fresh = open(path, log ? mode : mode | O_EXCL, 0600);
  if (fresh < 0) return 0;
  if ((log || copy_content(fd, fresh)) && copy_locks(fd, fresh)) return put(fresh, fd);
  int error = errno;
  close(fresh);
  errno = error;
  return 0;
}

/* A queue of another tap, in the namespace of networks that this process is in by now, that does what this one does. */
static int put_tap(const char *name, int fd) {
  struct ifreq settings = {0};
  int header, room;
  if (ioctl(fd, TUNGETIFF, &settings) != 0 || ioctl(fd, TUNGETVNETHDRSZ, &header) != 0 || ioctl(fd, TUNGETSNDBUF, &room) != 0) return 0;
  if (strlen(name) >= sizeof settings.ifr_name) return errno = ENAMETOOLONG, 0;
  memset(settings.ifr_name, 0, sizeof settings.ifr_name);
  strcpy(settings.ifr_name, name);
  settings.ifr_flags &= IFF_TAP | IFF_NO_PI | IFF_ONE_QUEUE | IFF_VNET_HDR | IFF_MULTI_QUEUE;
  int fresh = open(TAP_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fresh < 0) return 0;
  if (ioctl(fresh, TUNSETIFF, &settings) == 0 && ioctl(fresh, TUNSETVNETHDRSZ, &header) == 0 && ioctl(fresh, TUNSETSNDBUF, &room) == 0 && ioctl(fresh, TUNSETOFFLOAD, offloads) == 0) return put(fresh, fd);
  close(fresh);
  return 0;
}

/* What the VMM leaves to a tap's other end is asked for and never told: it is written down when it is asked for. */
int ioctl(int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  unsigned long argument = va_arg(arguments, unsigned long);
  va_end(arguments);
  if (request == TUNSETOFFLOAD) offloads = argument;
  return syscall(SYS_ioctl, fd, request, argument);
}

int connections(void) {
  static int all[DESCRIPTORS];
  int found = 0, count = numbers_in("/proc/self/fd", all, DESCRIPTORS);
  for (int i = 0; i < count; i++) {
    int listens = 0;
    socklen_t size = sizeof listens;
    found += getsockopt(all[i], SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && !listens;
  }
  return found;
}

static int pair_of(char *const *pairs, int count, const char *path) {
  for (int i = 0; i + 1 < count; i += 2)
    if (strcmp(pairs[i], path) == 0) return i;
  return -1;
}

static const char *refuse(const char *what, const char *name) {
  snprintf(reason, sizeof reason, "%.60s: %.180s", what, name);
  return reason;
}

static const char *renew(int fd, char *const *pairs, int count, char *used) {
  char link[64], path[PATH_BYTES];
  if (fd == channel) return NULL;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return NULL;
  path[length] = '\0';
  struct stat about;
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fstat(fd, &about) != 0) return refuse("a descriptor that tells nothing of itself", path);
  if (strcmp(path, "anon_inode:[eventfd]") == 0) return renew_event(fd, flags) ? NULL : refuse("no new", path);
  // It tells each process of its own signals.
  if (strcmp(path, "anon_inode:[signalfd]") == 0 || (S_ISCHR(about.st_mode) && major(about.st_rdev) == MEMORY_MAJOR)) return NULL;
  struct sockaddr_un address = {.sun_family = AF_UNSPEC};
  socklen_t bytes = sizeof address;
  int listens = 0;
  socklen_t size = sizeof listens;
  int listener = S_ISSOCK(about.st_mode) && getsockname(fd, (struct sockaddr *)&address, &bytes) == 0 && address.sun_family == AF_UNIX &&
                 getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens;
  int pair = pair_of(pairs, count, listener ? address.sun_path : path);
  if (pair < 0) return S_ISREG(about.st_mode) && (flags & O_ACCMODE) == O_RDONLY ? NULL : refuse("a descriptor that would be shared", path);
  used[pair / 2] = 1;
  if (strcmp(pairs[pair], pairs[pair + 1]) == 0) return NULL;
  int ok = strcmp(path, TAP_DEVICE) == 0 ? put_tap(pairs[pair + 1], fd) : listener ? listen_at(pairs[pair + 1], fd, flags) : open_like(pairs[pair + 1], fd, flags);
  return ok ? NULL : refuse(strerror(errno), pairs[pair + 1]);
}

const char *renew_descriptors(char *const *pairs, int count) {
  static char used[WORDS];
  static int all[DESCRIPTORS];
  memset(used, 0, sizeof used);
  int open_count = numbers_in("/proc/self/fd", all, DESCRIPTORS);
  if (open_count == DESCRIPTORS) return "more descriptors than are looked at";
  for (int i = 0; i < open_count; i++) {
    const char *refused = all[i] > STDERR_FILENO ? renew(all[i], pairs, count, used) : NULL;
    if (refused != NULL) return refused;
  }
  for (int i = 0; i + 1 < count; i += 2)
    if (!used[i / 2]) return refuse("nothing has it open", pairs[i]);
  return NULL;
}
