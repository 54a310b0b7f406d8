/* PID 1: the event loop, and the machine's life from first workload to power-off. */
#include "agent.h"
#include <locale.h>
#include <sys/signalfd.h>

/* SERVING, then STOPPING (the stop signal is sent), KILLING (all got SIGKILL, output drains), LEAVING (last bytes to the host). */
static enum phase { SERVING, STOPPING, KILLING, LEAVING } phase;
static uint64_t phase_deadline = UINT64_MAX;
static bool started, exited;
static char exit_json[64] = "{\"code\":137,\"signal\":9}";
static long long oom_kills;
static int epoll_fd = -1;

uint64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void watch_set(struct watch *w, uint32_t events) {
  struct epoll_event e = {.events = events, .data.ptr = w};
  if (w->events == events || w->fd < 0) return;
  epoll_ctl(epoll_fd, !events ? EPOLL_CTL_DEL : w->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, w->fd, &e);
  w->events = events;
}

bool life_ending(void) { return phase != SERVING; }
const char *life_state(void) { return exited ? "exited" : started ? "running" : "idle"; }

void life_started(pid_t pid) {
  char text[32];
  snprintf(text, sizeof text, "{\"pid\":%d}", pid);
  output_json(RECORD_START, text);
  started = true;
  oom_kills = system_oom_kills();
}

static void enter(enum phase next, uint64_t timeout_ms) {
  phase = next;
  phase_deadline = now_ms() + timeout_ms;
}

static void kill_all(void) {
  if (phase < KILLING) enter(KILLING, KILL_GRACE_MS);
  platform_kill_all();
}

void life_workload_exited(int status) {
  int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  const char *oom = signal == SIGKILL && system_oom_kills() > oom_kills ? ",\"oom\":true" : "";
  exited = true;
  if (signal) snprintf(exit_json, sizeof exit_json, "{\"code\":%d,\"signal\":%d%s}", 128 + signal, signal, oom);
  else snprintf(exit_json, sizeof exit_json, "{\"code\":%d}", WEXITSTATUS(status));
  kill_all();
}

void life_shutdown(int signal, int64_t timeout_ms) {
  struct stream *workload = stream_find(WORKLOAD_STREAM);
  if (phase >= KILLING) return;
  if (workload && timeout_ms > 0 && stream_signal(workload, signal)) enter(STOPPING, (uint64_t)timeout_ms);
  else kill_all();
}

static void life_update(void) {
  bool late = now_ms() >= phase_deadline;
  if (phase == STOPPING && late) kill_all();
  else if (phase == KILLING && (streams_open(true) == 0 || late)) {
    if (started) output_json(RECORD_EXIT, exit_json);
    if (started) session_json(EVENT, 0, "{\"event\":\"exited\",%s", exit_json + 1);
    enter(LEAVING, LINGER_MS);
    session_flush();
  }
  if (phase == LEAVING && ((session_idle() && output_room()) || now_ms() >= phase_deadline)) platform_power_off();
}

static int wait_ms(bool again) {
  uint64_t now = now_ms(), streams = streams_deadline(), deadline = streams < phase_deadline ? streams : phase_deadline;
  if (again || session_pending() || deadline <= now) return 0;
  return deadline == UINT64_MAX ? -1 : (int)(deadline - now); /* STOP_TIMEOUT_MAX_MS keeps it small */
}

static void child_ended(struct watch *w, uint32_t) {
  struct signalfd_siginfo info;
  while (read(w->fd, &info, sizeof info) > 0);
  streams_reap();
}

int main(void) {
  static struct watch children = {.ready = child_ended};
  struct epoll_event ready[32];
  sigset_t set;
  setlocale(LC_CTYPE, "C.UTF-8");
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, NULL);
  signal(SIGPIPE, SIG_IGN);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  platform_boot();
  children.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  watch_set(&children, EPOLLIN);
  for (bool again = false;;) {
    int n = epoll_wait(epoll_fd, ready, sizeof ready / sizeof *ready, wait_ms(again));
    for (int i = 0; i < n; i++) ((struct watch *)ready[i].data.ptr)->ready(ready[i].data.ptr, ready[i].events);
    session_pump();
    streams_update(); /* last to look at what the session took: a watch that is not set then is missed by the wait */
    again = session_flush();
    life_update();
  }
}
