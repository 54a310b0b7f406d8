#include "fail.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void task_fail(const char *code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  dprintf(STDERR_FILENO, "%s\n", code);
  vdprintf(STDERR_FILENO, format, args);
  _exit(1);
}

void task_check(bool ok, const char *what) {
  if (!ok) task_fail(errno == ENOTDIR ? "not_a_directory" : "io_error", "%s: %s", what, strerror(errno));
}
