/* Identity and entropy of this machine. */
#include "agent.h"

#define OWN_FOLDER "/dev/.isthmus" /* in memory, and always writable */
enum { RNDADDENTROPY = 0x40085203, RNDRESEEDCRNG = 0x5207 }; /* linux/random.h */

static bool write_file(const char *path, const char *text) {
  ssize_t len = (ssize_t)strlen(text);
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
  bool ok = fd >= 0 && write(fd, text, (size_t)len) == len && (lseek(fd, 0, SEEK_END) <= len || ftruncate(fd, len) == 0); /* not cut when it need not be: that is slow */
  close(fd);
  return ok;
}

/* The file is ours, mounted over the image's: a clone then writes into memory, which takes a third of the time that its disk takes. */
const char *system_write(const char *path, const char *format, ...) {
  char own[64], text[1024];
  struct stat ours, seen;
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  snprintf(own, sizeof own, OWN_FOLDER "%s", strrchr(path, '/'));
  mkdir(OWN_FOLDER, 0755);
  if (!write_file(own, text)) return "write under /dev";
  bool there = stat(path, &seen) == 0;
  if (there && stat(own, &ours) == 0 && ours.st_dev == seen.st_dev && ours.st_ino == seen.st_ino) return NULL;
  mkdir("/etc", 0755);
  if (!there && !write_file(path, "") && errno != EROFS && unlink(path) == 0) write_file(path, ""); /* a link to nowhere, for instance */
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

/* Bytes decoded, or -1. Not by sscanf: an emulated guest takes 10 ms for that. */
static int decode_hex(const char *in, uint8_t *out, int max) {
  static const char digits[] = "0123456789abcdef";
  int count = 0;
  for (const char *high, *low; count < max && *in && in[1]; in += 2) {
    if (!(high = strchr(digits, in[0])) || !(low = strchr(digits, in[1]))) return -1;
    out[count++] = (uint8_t)((high - digits) * 16 + (low - digits));
  }
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
  /* The kernel holds 64 bytes of the device ready, and 64 behind them: those of a clone its original has too. */
  uint8_t held[128];
  (void)!read(fd = open("/dev/hwrng", O_RDONLY | O_CLOEXEC | O_NONBLOCK), held, sizeof held);
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
