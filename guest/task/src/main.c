/* isthmus-task: what the agent, PID 1, has done by another process. put|fill|get PATH: a tar archive on standard input or output. mount PATH TYPE SOURCE [ro].
 * stats: figures as JSON on standard output. processes, changes: see their headers. A failure is the error's code, a line feed and its message on standard error, and exit code 1. */
#include "changes.h"
#include "mount.h"
#include "processes.h"
#include "stats.h"
#include "tar.h"

int main(int argc, char **argv) {
  const char *task = argc > 1 ? argv[1] : "";
  umask(0);
  if (argc == 3 && (strcmp(task, "put") == 0 || strcmp(task, "fill") == 0)) tar_put(argv[2], *task == 'f');
  else if (argc == 3 && strcmp(task, "get") == 0) tar_get(argv[2]);
  else if ((argc == 5 || argc == 6) && strcmp(task, "mount") == 0) mount_add(argv[2], argv[3], argv[4], argc == 6);
  else if (argc == 2 && strcmp(task, "stats") == 0) stats_print();
  else if (argc == 2 && strcmp(task, "processes") == 0) processes_print();
  else if (argc == 2 && strcmp(task, "changes") == 0) changes_print();
  else task_fail("io_error", "usage: isthmus-task put|fill|get PATH, mount PATH TYPE SOURCE [ro], stats, processes, changes");
}
