#include "processes.h"
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { COMMAND_MAX_BYTES = 4096 };

static ssize_t read_whole(const char *pid, const char *file, char *out, size_t cap) {
  char path[300];
  snprintf(path, sizeof path, "/proc/%s/%s", pid, file);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = read(fd, out, cap - 1);
  close(fd);
  out[n > 0 ? n : 0] = 0;
  return n > 0 ? n : 0;
}

/* `booted`: ms since 1970. */
static void print_one(const char *pid, long long booted) {
  static char stat_text[1024], command[COMMAND_MAX_BYTES + 1];
  char path[300], exe[8];
  struct stat st;
  long long field[22] = {0}; /* from the state, which is the third of /proc/PID/stat */
  snprintf(path, sizeof path, "/proc/%s/exe", pid);
  if (readlink(path, exe, sizeof exe) <= 0) return; /* a thread of the kernel */
  snprintf(path, sizeof path, "/proc/%s", pid);
  if (stat(path, &st) < 0 || read_whole(pid, "stat", stat_text, sizeof stat_text) == 0) return;
  char *open_name = strchr(stat_text, '('), *close_name = strrchr(stat_text, ')');
  if (!open_name || !close_name) return;
  char *p = close_name + 1 + strspn(close_name + 1, " ");
  for (int i = 1; i < 22 && *p; i++) p += strcspn(p, " "), field[i] = strtoll(p, &p, 10);
  ssize_t n = read_whole(pid, "cmdline", command, sizeof command);
  if (n == 0) n = snprintf(command, sizeof command, "[%.*s]", (int)(close_name - open_name - 1), open_name + 1);
  for (ssize_t i = 0; i < n; i++) command[i] = command[i] ? command[i] : ' ';
  while (n > 0 && command[n - 1] == ' ') n--;
  long long tick_ms = 1000 / sysconf(_SC_CLK_TCK);
  printf("%s %lld %u %lld %lld %lld %zd\n", pid, field[1], st.st_uid, field[21] * sysconf(_SC_PAGESIZE), (field[11] + field[12]) * tick_ms, booted + field[19] * tick_ms, n);
  fwrite(command, 1, (size_t)n, stdout);
  putchar('\n');
}

void processes_print(void) {
  struct timespec now, up;
  clock_gettime(CLOCK_REALTIME, &now);
  clock_gettime(CLOCK_BOOTTIME, &up);
  long long booted = (now.tv_sec - up.tv_sec) * 1000LL + (now.tv_nsec - up.tv_nsec) / 1000000;
  DIR *proc = opendir("/proc");
  for (struct dirent *e; proc && (e = readdir(proc));)
    if (isdigit((unsigned char)*e->d_name) && atoi(e->d_name) != getpid() && atoi(e->d_name) != 1) print_one(e->d_name, booted);
}
