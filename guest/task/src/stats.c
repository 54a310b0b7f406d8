#include "stats.h"
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

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

/* Kernel threads have no executable; this process is not the machine's. */
static int count_processes(void) {
  char path[300], exe[8];
  int count = 0;
  DIR *proc = opendir("/proc");
  for (struct dirent *e; proc && (e = readdir(proc));) {
    snprintf(path, sizeof path, "/proc/%s/exe", e->d_name);
    count += isdigit((unsigned char)*e->d_name) && atoi(e->d_name) != getpid() && readlink(path, exe, sizeof exe) > 0;
  }
  if (proc) closedir(proc);
  return count;
}

void stats_print(void) {
  static const char mem[] = "/proc/meminfo", disk[] = "/proc/diskstats", net[] = "/proc/net/dev";
  struct timespec up;
  struct statvfs fs = {0};
  long long ticks = 0, unit;
  clock_gettime(CLOCK_BOOTTIME, &up);
  for (int i = 0; i < 8; i++) ticks += i == 3 || i == 4 ? 0 : figure("/proc/stat", "cpu ", i); /* all but idle and iowait */
  statvfs("/", &fs);
  unit = (long long)fs.f_frsize;
  printf("{\"uptimeMs\":%lld,\"cpuMs\":%lld,", (long long)up.tv_sec * 1000 + up.tv_nsec / 1000000, ticks * 1000 / sysconf(_SC_CLK_TCK));
  printf("\"memory\":{\"totalBytes\":%lld,\"freeBytes\":%lld,", figure(mem, "MemTotal:", 0) * 1024, figure(mem, "MemFree:", 0) * 1024);
  printf("\"availableBytes\":%lld,\"cachedBytes\":%lld},", figure(mem, "MemAvailable:", 0) * 1024, figure(mem, "\nCached:", 0) * 1024);
  printf("\"disk\":{\"readBytes\":%lld,", (figure(disk, "vda ", 2) + figure(disk, "vdb ", 2)) * 512);
  printf("\"writtenBytes\":%lld,", (figure(disk, "vda ", 6) + figure(disk, "vdb ", 6)) * 512);
  printf("\"totalBytes\":%lld,\"freeBytes\":%lld},", (long long)fs.f_blocks * unit, (long long)fs.f_bavail * unit);
  printf("\"net\":{\"rxBytes\":%lld,\"txBytes\":%lld},", figure(net, "eth0:", 0), figure(net, "eth0:", 8));
  printf("\"processes\":%d}\n", count_processes());
}
