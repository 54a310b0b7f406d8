/* Identity, clock, entropy and figures of this machine. */
#include "agent.h"
#include <sys/statvfs.h>

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
static int decode_base64(const char *in, uint8_t *out, int max) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  uint32_t bits = 0;
  int count = 0, have = 0;
  for (const char *at; *in && (at = strchr(digits, *in)); in++) {
    bits = bits << 6 | (uint32_t)(at - digits);
    if ((have += 6) < 8) continue;
    if (count == max) return -1;
    out[count++] = (uint8_t)(bits >> (have -= 8));
  }
  return in[strspn(in, "=")] ? -1 : count;
}

const char *system_entropy(const char *base64) {
  struct { int bits, bytes; uint8_t data[ENTROPY_MAX_BYTES]; } pool;
  pool.bytes = decode_base64(base64, pool.data, sizeof pool.data);
  pool.bits = pool.bytes * 8;
  if (pool.bytes <= 0) return errno = EINVAL, "entropy";
  int fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
  bool ok = ioctl(fd, RNDADDENTROPY, &pool) == 0;
  ioctl(fd, RNDRESEEDCRNG);
  close(fd);
  return ok ? NULL : "add entropy";
}

/* The `column`-th number behind the first `name` in a /proc file; 0 when there is none. */
static long long figure(const char *path, const char *name, int column) {
  static char text[16384];
  long long value = 0;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  text[n > 0 ? n : 0] = 0;
  char *p = strstr(text, name);
  for (p = p ? p + strlen(name) : NULL; p && column >= 0; column--) value = strtoll(p, &p, 10);
  return value;
}

long long system_oom_kills(void) { return figure("/proc/vmstat", "oom_kill ", 0); }

static int count_processes(void) {
  char path[300], exe[8];
  int count = 0;
  DIR *proc = opendir("/proc");
  for (struct dirent *e; proc && (e = readdir(proc));) {
    snprintf(path, sizeof path, "/proc/%s/exe", e->d_name);
    count += isdigit((unsigned char)*e->d_name) && readlink(path, exe, sizeof exe) > 0; /* kernel threads have none */
  }
  if (proc) closedir(proc);
  return count;
}

void system_stats(uint32_t stream) {
  static const char mem[] = "/proc/meminfo", disk[] = "/proc/diskstats", net[] = "/proc/net/dev";
  struct timespec up;
  struct statvfs fs = {0};
  long long ticks = 0, unit;
  clock_gettime(CLOCK_BOOTTIME, &up);
  for (int i = 0; i < 8; i++) ticks += i == 3 || i == 4 ? 0 : figure("/proc/stat", "cpu ", i); /* all but idle and iowait */
  statvfs("/", &fs);
  unit = (long long)fs.f_frsize;
  session_json(REPLY, stream,
               "{\"ok\":true,\"uptimeMs\":%lld,\"cpuMs\":%lld,"
               "\"memory\":{\"totalBytes\":%lld,\"freeBytes\":%lld,\"availableBytes\":%lld,\"cachedBytes\":%lld},"
               "\"disk\":{\"readBytes\":%lld,\"writtenBytes\":%lld,\"totalBytes\":%lld,\"freeBytes\":%lld},"
               "\"net\":{\"rxBytes\":%lld,\"txBytes\":%lld},\"processes\":%d}",
               (long long)up.tv_sec * 1000 + up.tv_nsec / 1000000, ticks * 1000 / sysconf(_SC_CLK_TCK), figure(mem, "MemTotal:", 0) * 1024,
               figure(mem, "MemFree:", 0) * 1024, figure(mem, "MemAvailable:", 0) * 1024, figure(mem, "\nCached:", 0) * 1024,
               (figure(disk, "vda ", 2) + figure(disk, "vdb ", 2)) * 512, (figure(disk, "vda ", 6) + figure(disk, "vdb ", 6)) * 512,
               (long long)fs.f_blocks * unit, (long long)fs.f_bavail * unit, figure(net, "eth0:", 0), figure(net, "eth0:", 8), count_processes());
}
