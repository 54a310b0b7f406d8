/* What a fork is asked for, and what every one of them needs. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fork.h"

enum { LINE_BYTES = 4096, FIRST_WORDS = 8, ENTRIES_BYTES = 8192 };

int channel;

void tell(const char *format, ...) {
  char line[LINE_BYTES];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line, sizeof line - 1, format, arguments);
  va_end(arguments);
  if (length > (int)sizeof line - 2) length = sizeof line - 2;
  line[length] = '\n';
  if (write(channel, line, length + 1) != length + 1) _exit(0);
}

int read_all(int from, void *to, size_t length) {
  for (size_t got = 0; got < length;) {
    ssize_t more = read(from, (char *)to + got, length - got);
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
  if (count < FIRST_WORDS || count == WORDS) return 0;
  *request = (struct request){.id = all[0], .zygote = all[1], .kind = all[2], .folder = all[3], .log = all[4], .state = all[5], .namespace = all[6], .groups = atoi(all[7])};
  if (request->groups < 0 || request->groups > count - FIRST_WORDS || strlen(request->id) >= ID_BYTES) return 0;
  memcpy(request->entrances, all + FIRST_WORDS, request->groups * sizeof *all);
  request->count = count - FIRST_WORDS - request->groups;
  memcpy(request->words, all + FIRST_WORDS + request->groups, request->count * sizeof *all);
  return 1;
}

int numbers_in(const char *path, int *numbers, int most) {
  static char entries[ENTRIES_BYTES];
  int count = 0, folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (long bytes; folder >= 0 && (bytes = syscall(SYS_getdents64, folder, entries, sizeof entries)) > 0;)
    for (long at = 0; at < bytes; at += ((struct dirent64 *)(entries + at))->d_reclen) {
      const char *name = ((struct dirent64 *)(entries + at))->d_name;
      if (*name != '.' && count < most) numbers[count++] = atoi(name);
    }
  if (folder >= 0) close(folder);
  return count;
}

char *receive(int from, struct request *request, uint32_t *length) {
  char *text;
  if (!read_all(from, length, sizeof *length) || *length > REQUEST_BYTES || (text = malloc(*length + 1)) == NULL) return NULL;
  if (read_all(from, text, *length) && parse(text, *length, request)) return text;
  free(text);
  return NULL;
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

int open_as(const char *path, int flags, int wanted) {
  int fd = open(path, flags, 0600);
  if (fd < 0 || fd == wanted) return fd >= 0;
  int ok = dup2(fd, wanted) >= 0;
  close(fd);
  return ok;
}

const char *settle(const struct request *request) {
  if (chdir(request->folder) != 0) return request->folder;
  if (!open_as(request->log, O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO) || dup2(STDOUT_FILENO, STDERR_FILENO) < 0) return request->log;
  if (!enter_namespace(request->namespace)) return request->namespace;
  enter_groups(request);
  setsid();
  return NULL;
}
