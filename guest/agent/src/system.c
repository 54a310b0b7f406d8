/* Identity and entropy of this machine. */
#include "agent.h"

#define OWN_FOLDER "/dev/.isthmus" /* always writable; files here stand in for those that cannot be written */
enum { RNDADDENTROPY = 0x40085203, RNDRESEEDCRNG = 0x5207 }; /* linux/random.h */

static bool write_file(const char *path, const char *text) {
  ssize_t len = (ssize_t)strlen(text);
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
  bool ok = fd >= 0 && write(fd, text, (size_t)len) == len && (lseek(fd, 0, SEEK_END) <= len || ftruncate(fd, len) == 0); /* not cut when it need not be: that is slow */
  close(fd);
  return ok;
}

const char *system_write(const char *path, const char *format, ...) {
  char own[64], text[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  snprintf(own, sizeof own, OWN_FOLDER "%s", strrchr(path, '/'));
  mkdir("/etc", 0755);
  if (write_file(path, text)) return NULL;
  if (errno != EROFS && unlink(path) == 0 && write_file(path, text)) return NULL; /* a link to nowhere, for instance */
  mkdir(OWN_FOLDER, 0755);
  if (!write_file(own, text)) return "write under /dev";
  mount(own, path, NULL, MS_BIND, NULL); /* an image without such a file on a read-only root goes without */
  return NULL;
}

const char *system_hostname(const char *name, const char *address) {
  char ip[64];
  snprintf(ip, sizeof ip, "%.*s", (int)strcspn(address, "/"), *address ? address : "127.0.1.1");
  if (sethostname(name, strlen(name)) < 0) return "set hostname";
  const char *failed = system_write("/etc/hostname", "%s\n", name);
  return failed ? failed : system_write("/etc/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n%s\t%s\n", ip, name);
}

/* Bytes decoded, or -1. */
static int decode_hex(const char *in, uint8_t *out, int max) {
  int count = 0;
  for (int used = 0; count < max && sscanf(in, "%2hhx%n", out + count, &used) == 1 && used == 2; count++) in += 2;
  return *in ? -1 : count;
}

const char *system_entropy(const char *hex) {
  struct { int bits, bytes; uint8_t data[ENTROPY_MAX_BYTES]; } pool;
  pool.bytes = decode_hex(hex, pool.data, sizeof pool.data);
  pool.bits = pool.bytes * 8;
  if (pool.bytes <= 0) return errno = EINVAL, "entropy";
  int fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
  bool ok = ioctl(fd, RNDADDENTROPY, &pool) == 0;
  ioctl(fd, RNDRESEEDCRNG);
  close(fd);
  return ok ? NULL : "add entropy";
}

long long system_oom_kills(void) {
  char text[65536] = "";
  int fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
  (void)!read(fd, text, sizeof text - 1);
  close(fd);
  const char *at = strstr(text, "oom_kill ");
  return at ? atoll(at + 9) : 0;
}
