/* Requests: each is answered at once, exactly once. */
#include "agent.h"

struct request { uint32_t id; struct json body; bool answered; };
static bool entered; /* this is the machine's own root */

static void fail(struct request *r, const char *code, const char *what, const char *why) {
  char message[MESSAGE_MAX_BYTES], escaped[2 * MESSAGE_MAX_BYTES];
  if (r->answered) return;
  snprintf(message, sizeof message, "%s: %s", what, why);
  json_escape(escaped, sizeof escaped, message);
  session_json(REPLY, r->id, "{\"ok\":false,\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}", code, escaped);
  r->answered = true;
}

static void refuse(struct request *r, const char *field) { fail(r, "bad_request", field, "missing, or not what the protocol allows"); }

/* The end of most requests: `failed` is NULL, or what failed with errno set. */
static void finish(struct request *r, const char *failed) {
  if (failed) fail(r, "io_error", failed, strerror(errno));
  if (!r->answered) session_json(REPLY, r->id, "{\"ok\":true}");
  r->answered = true;
}

static int64_t integer(struct request *r, struct json from, const char *key, int64_t fallback, int64_t min, int64_t max) {
  int64_t n;
  if (!json_integer_or(from, key, &n, fallback) || n < min || n > max) refuse(r, key);
  return n;
}

static char *text(struct request *r, struct json from, const char *key, char *out, size_t cap) {
  if (!json_text_or(from, key, out, cap, "")) refuse(r, key);
  return out;
}

static void path_of(struct request *r, struct json from, char path[PATH_MAX_BYTES]) { if (*text(r, from, "path", path, PATH_MAX_BYTES) != '/') refuse(r, "path"); }

/* An array of strings as a C vector whose bytes go to `*arena`. */
static void strings(struct request *r, const char *key, char **out, char **arena, const char *arena_end) {
  struct json value, cursor;
  size_t count = 0;
  if (json_find(r->body, key, &value)) {
    bool ok = json_array(value, &cursor);
    while (ok && json_next(&cursor, &value)) {
      ok = count + 1 < ARGS_MAX_COUNT && json_string(value, *arena, (size_t)(arena_end - *arena));
      out[count] = *arena;
      if (ok) *arena += strlen(out[count++]) + 1;
    }
    if (!ok) refuse(r, key);
  }
  out[count] = NULL;
}

static pid_t launch(struct request *r, int fds[CHANNELS]) {
  static char arena[ARGS_MAX_BYTES], *argv[ARGS_MAX_COUNT], *envp[ARGS_MAX_COUNT + 4], cwd[PATH_MAX_BYTES];
  char user[256], *rest = arena;
  struct launch l = {.argv = argv, .envp = envp, .cwd = cwd, .tty = json_true(r->body, "tty"), .stdin_open = json_true(r->body, "stdin")};
  strings(r, "argv", argv, &rest, arena + sizeof arena);
  strings(r, "env", envp, &rest, arena + sizeof arena);
  if (!argv[0] || !*argv[0]) refuse(r, "argv");
  if (!*text(r, r->body, "cwd", cwd, sizeof cwd)) strcpy(cwd, "/");
  if (*cwd != '/') refuse(r, "cwd");
  l.cols = integer(r, r->body, "cols", 80, 0, UINT16_MAX);
  l.rows = integer(r, r->body, "rows", 24, 0, UINT16_MAX);
  if (!identity_find(text(r, r->body, "user", user, sizeof user), &l.who)) fail(r, "bad_user", user, "no such user or group");
  return r->answered ? -1 : process_launch(&l, fds);
}

enum { PUT = EXEC + 1, GET, MOUNT, STATS, PROCESSES, CHANGES };

/* By a program of their own: none of what a hostile archive can do happens in PID 1. */
static pid_t task(struct request *r, int kind, int fds[CHANNELS]) {
  static char *const names[] = {"put", "get", "mount", "stats", "processes", "changes"};
  char path[PATH_MAX_BYTES], type[16], source[PATH_MAX_BYTES], *name = kind == PUT && json_true(r->body, "fill") ? "fill" : names[kind - PUT];
  char *argv[] = {"isthmus-task", name, path, type, source, json_true(r->body, "readOnly") ? "ro" : NULL, NULL}, *envp[5] = {NULL};
  struct launch l = {.argv = argv, .envp = envp, .cwd = "/", .program = platform_task_program(), .stdin_open = kind <= GET};
  struct stat st;
  argv[kind == MOUNT ? 6 : kind >= STATS ? 2 : 3] = NULL;
  if (kind < STATS) path_of(r, r->body, path);
  if (kind == MOUNT && (!*text(r, r->body, "source", source, sizeof source) || !*text(r, r->body, "type", type, sizeof type))) refuse(r, *source ? "type" : "source");
  else if (kind <= GET && (kind == PUT ? stat : lstat)(path, &st) < 0) fail(r, errno == ENOENT || errno == ENOTDIR ? "not_found" : "io_error", path, strerror(errno));
  else if (kind == PUT && !r->answered && !S_ISDIR(st.st_mode)) fail(r, "not_a_directory", path, "not a folder");
  return r->answered ? -1 : process_launch(&l, fds);
}

static void begin(struct request *r, int kind) {
  int fds[CHANNELS];
  int64_t limit = integer(r, r->body, "unattendedMaxBytes", 0, 0, INT64_MAX);
  if (kind == WORKLOAD && strcmp(life_state(), "idle") != 0) fail(r, "already_started", "start", "this machine's workload was started before");
  if (kind != WORKLOAD && streams_open(false) >= STREAMS_MAX) fail(r, "too_many_streams", "streams", "as many are open as the protocol allows");
  pid_t pid = r->answered ? -1 : kind <= EXEC ? launch(r, fds) : task(r, kind, fds);
  if (pid < 0) return finish(r, "start process");
  session_json(REPLY, r->id, "{\"ok\":true,\"pid\":%d}", pid);
  stream_open(kind == WORKLOAD ? WORKLOAD_STREAM : r->id, kind == WORKLOAD ? WORKLOAD : EXEC, pid, fds, kind <= EXEC && json_true(r->body, "tty"));
  if (kind != WORKLOAD) return;
  output_limit((uint64_t)limit);
  life_started(pid);
}

static void control(struct request *r, int is_resize) {
  int64_t signal = is_resize ? 0 : integer(r, r->body, "signal", -1, 0, 64);
  int64_t cols = integer(r, r->body, "cols", 80, 1, UINT16_MAX), rows = integer(r, r->body, "rows", 24, 1, UINT16_MAX);
  struct stream *s = stream_find((uint32_t)integer(r, r->body, "stream", 0, 1, UINT32_MAX));
  if (!s) fail(r, "no_such_stream", "stream", "it is not open");
  if (r->answered) return;
  if (is_resize && !stream_resize(s, cols, rows)) fail(r, "bad_state", "stream", "it has no terminal");
  if (!is_resize && !stream_signal(s, (int)signal)) fail(r, "no_such_stream", "stream", "its process has ended");
  finish(r, NULL);
}

static void stat_path(struct request *r, int) {
  char path[PATH_MAX_BYTES], target[PATH_MAX_BYTES] = "", escaped[2 * PATH_MAX_BYTES];
  struct stat st;
  path_of(r, r->body, path);
  if (lstat(path, &st) < 0) fail(r, errno == ENOENT || errno == ENOTDIR ? "not_found" : "io_error", path, strerror(errno));
  if (r->answered) return;
  bool link = S_ISLNK(st.st_mode) && readlink(path, target, sizeof target - 1) >= 0;
  session_json(REPLY, r->id, "{\"ok\":true,\"type\":\"%s\",\"size\":%lld,\"mode\":%u%s%s%s}",
               S_ISREG(st.st_mode) ? "file" : S_ISDIR(st.st_mode) ? "directory" : S_ISLNK(st.st_mode) ? "symlink" : "other",
               (long long)st.st_size, st.st_mode & 07777, link ? ",\"target\":\"" : "", json_escape(escaped, sizeof escaped, target), link ? "\"" : "");
}

/* A step of `configure` failed: the rest is not done. */
static void check(struct request *r, const char *failed) { if (failed) fail(r, "io_error", failed, strerror(errno)); }

static bool given(struct request *r, const char *key, char type, struct json *out) {
  bool found = !r->answered && json_find(r->body, key, out) && *out->p != 'n';
  if (found && *out->p != type) refuse(r, key);
  return found && !r->answered;
}

static void set_clock(struct request *r, struct json from) {
  int64_t sec = integer(r, from, "sec", -1, 0, INT32_MAX * 4LL), nsec = integer(r, from, "nsec", 0, 0, 999999999);
  if (!r->answered && clock_settime(CLOCK_REALTIME, &(struct timespec){.tv_sec = sec, .tv_nsec = nsec}) < 0) check(r, "set clock");
}

static void set_network(struct request *r, struct json net, char known[128]) {
  char mac[32], address[64], gateway[64], address6[64], gateway6[64], both[128], dns[64], servers[512] = "";
  struct json cursor, item;
  text(r, net, "mac", mac, sizeof mac);
  text(r, net, "address", address, sizeof address);
  text(r, net, "gateway", gateway, sizeof gateway);
  text(r, net, "address6", address6, sizeof address6);
  snprintf(both, sizeof both, "%s%s", address, address6);
  bool kept = strcmp(both, known) == 0; /* it stays, and its routes with it */
  text(r, net, "gateway6", gateway6, sizeof gateway6);
  for (bool ok = json_find(net, "dns", &item) && json_array(item, &cursor); ok && json_next(&cursor, &item);)
    if (json_string(item, dns, sizeof dns) && strspn(dns, "0123456789abcdef.:") == strlen(dns))
      snprintf(servers + strlen(servers), sizeof servers - strlen(servers), "nameserver %s\n", dns);
  if (!r->answered) check(r, network_up("eth0", mac, kept ? "" : address, kept ? "" : gateway));
  if (!r->answered && !kept && *address6) check(r, network_up6("eth0", address6, gateway6));
  strcpy(known, r->answered ? "" : both);
  if (!r->answered && *servers && !kept) check(r, system_write("/etc/resolv.conf", "%s", servers));
}

/* Entropy and clock come first: nothing may be derived from those of the guest that this one was cloned from. */
static void configure(struct request *r, int) {
  static char address[128]; /* IPv6 behind the prefix of IPv4 */
  char hostname[65], machine_id[33], boot_id[37], entropy[2 * ENTROPY_MAX_BYTES + 1];
  struct json item;
  if (strpbrk(text(r, r->body, "hostname", hostname, sizeof hostname), " \t\r\n/")) refuse(r, "hostname");
  if (*text(r, r->body, "machineId", machine_id, sizeof machine_id) && strspn(machine_id, "0123456789abcdef") != 32) refuse(r, "machineId");
  if (*text(r, r->body, "bootId", boot_id, sizeof boot_id) && strspn(boot_id, "0123456789abcdef-") != 36) refuse(r, "bootId");
  if (*text(r, r->body, "entropy", entropy, sizeof entropy) && !r->answered) check(r, system_entropy(entropy));
  if (given(r, "clock", '{', &item)) set_clock(r, item);
  if (!entered && !r->answered) check(r, platform_enter());
  entered = entered || !r->answered;
  if (given(r, "network", '{', &item)) set_network(r, item, address);
  if (*hostname && !r->answered) check(r, system_hostname(hostname, address));
  if (*machine_id && !r->answered) check(r, system_write("/etc/machine-id", "%s\n", machine_id));
  if (*boot_id && !r->answered) check(r, system_write("/proc/sys/kernel/random/boot_id", "%s\n", boot_id));
  finish(r, NULL);
}

static void freeze(struct request *r, int on) { finish(r, platform_freeze(on)); }
static void ping(struct request *r, int) { finish(r, NULL); }

static void shut_down(struct request *r, int) {
  int64_t signal = integer(r, r->body, "signal", SIGTERM, 1, 64), timeout = integer(r, r->body, "timeoutMs", STOP_TIMEOUT_MS, 0, STOP_TIMEOUT_MAX_MS);
  if (r->answered) return;
  finish(r, NULL);
  life_shutdown((int)signal, timeout);
}

void request_handle(uint32_t stream, struct json body) {
  enum { ANY_TIME, NOT_ENDING, IN_ROOT };
  static const struct { const char *name; void (*run)(struct request *, int); int argument, when; } ops[] = {
      {"ping", ping, 0, ANY_TIME}, {"configure", configure, 0, NOT_ENDING}, {"start", begin, WORKLOAD, IN_ROOT}, {"exec", begin, EXEC, IN_ROOT},
      {"put", begin, PUT, IN_ROOT}, {"get", begin, GET, IN_ROOT}, {"resize", control, true, ANY_TIME}, {"signal", control, false, ANY_TIME},
      {"stat", stat_path, 0, IN_ROOT}, {"mount", begin, MOUNT, IN_ROOT}, {"stats", begin, STATS, NOT_ENDING}, {"processes", begin, PROCESSES, IN_ROOT},
      {"changes", begin, CHANGES, IN_ROOT}, {"freeze", freeze, true, NOT_ENDING}, {"thaw", freeze, false, ANY_TIME}, {"shutdown", shut_down, 0, ANY_TIME}};
  struct request r = {stream, body, false};
  char name[16];
  text(&r, body, "op", name, sizeof name);
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
    if (strcmp(ops[i].name, name) != 0) continue;
    if (life_ending() && ops[i].when != ANY_TIME) return fail(&r, "bad_state", name, "the machine is stopping");
    if (!entered && ops[i].when == IN_ROOT) return fail(&r, "bad_state", name, "the machine is not configured");
    return ops[i].run(&r, ops[i].argument);
  }
  fail(&r, "unknown_op", name, "no such request");
}
