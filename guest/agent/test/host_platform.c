/* The agent as an ordinary process, for tests: host-agent SOCKET OUTPUT. A Unix socket stands for the agent port, a file for the output port. */
#include "agent.h"
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static void host_comes(struct watch *w, uint32_t) {
  int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0) session_attach(fd);
}

void platform_boot(void) {
  static struct watch listener = {.ready = host_comes};
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const char *output = getenv("HOST_AGENT_OUTPUT"), *path = getenv("HOST_AGENT_SOCKET");
  if (!output || !path || strlen(path) >= sizeof address.sun_path) exit(2);
  strcpy(address.sun_path, path);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (bind(listener.fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener.fd, 4) < 0) exit(2);
  watch_set(&listener, EPOLLIN);
  FILE *file = fopen(output, "ae"); /* a pipe's end would do as well: epoll refuses files, and they always take everything */
  output_open(fileno(file));
}

int platform_task_program(void) {
  static int fd;
  return fd = fd ? fd : open(getenv("HOST_AGENT_TASK"), O_RDONLY | O_CLOEXEC);
}

const char *platform_enter(void) { return NULL; }

int platform_group(void) { return -1; }

const char *platform_freeze(bool) { return errno = ENOSYS, "freeze"; }

void platform_kill_all(void) { streams_kill(SIGKILL); }

void platform_power_off(void) { exit(0); }
