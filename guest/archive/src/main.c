/* isthmus-archive put|fill|get PATH: what the agent runs for its requests of the same names. Archive on standard input or output. */
#include "tar.h"

void tar_fail(const char *code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  dprintf(STDERR_FILENO, "%s\n", code);
  vdprintf(STDERR_FILENO, format, args);
  _exit(1);
}

void tar_check(bool ok, const char *name) {
  if (!ok) tar_fail(errno == ENOTDIR ? "not_a_directory" : "io_error", "%s: %s", name, strerror(errno));
}

int main(int argc, char **argv) {
  umask(0);
  bool fill = argc == 3 && strcmp(argv[1], "fill") == 0, put = fill || (argc == 3 && strcmp(argv[1], "put") == 0), get = argc == 3 && strcmp(argv[1], "get") == 0;
  if (!put && !get) tar_fail("io_error", "usage: %s put|fill|get PATH", argc > 0 ? argv[0] : "isthmus-archive");
  if (put) tar_put(argv[2], fill);
  else tar_get(argv[2]);
}
