/* Isthmus guest agent: what its parts share. The protocol and its limits are docs/guest-protocol.md. */
#pragma once
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AGENT_VERSION "0.1.0"
#define PRINTF(at, from) __attribute__((format(printf, at, from)))

enum { /* limits and times; the suffix is the unit */
  FRAME_HEADER_BYTES = 12, FRAME_PAYLOAD_MAX_BYTES = 65536, INITIAL_CREDIT_BYTES = 262144, JSON_DEPTH_MAX = 8,
  CREDIT_STEP_BYTES = 65536, /* smaller grants wait, so that small writes do not cost a frame each */
  SEND_QUEUE_HIGH_BYTES = 262144, SEND_QUEUE_MAX_BYTES = 524288, ENTROPY_MAX_BYTES = 512,
  STREAMS_MAX = 64, ARGS_MAX_BYTES = 60000, ARGS_MAX_COUNT = 8192, PATH_MAX_BYTES = 4096, MESSAGE_MAX_BYTES = 512,
  OUTPUT_HEADER_BYTES = 24, OUTPUT_CHUNK_BYTES = 32768 - OUTPUT_HEADER_BYTES, /* a port takes 32 KiB a write: one record, one write */
  TTY_DRAIN_MS = 50, KILL_GRACE_MS = 2000, LINGER_MS = 500, STOP_TIMEOUT_MS = 10000, STOP_TIMEOUT_MAX_MS = 86400000,
};

/* frame.c: pure. frame_parse: bytes of the first frame in `buf`, 0 when more are needed, -1 when no host may send this. */
enum { HELLO = 1, REQUEST, REPLY, DATA, CREDIT, EXIT, EVENT };
enum { STDIN, STDOUT, STDERR, CHANNELS, CHANNEL_MASK = 3, FLAG_END = 0x80, WORKLOAD_STREAM = 1 };
struct frame { uint32_t length, stream; uint8_t type, flags; const uint8_t *payload; };
uint32_t get_u32(const uint8_t *p);
void put_u32(uint8_t *p, uint32_t v);
void frame_header(uint8_t out[FRAME_HEADER_BYTES], uint8_t type, uint8_t flags, uint32_t stream, uint32_t length);
long frame_parse(const uint8_t *buf, size_t len, struct frame *out);

/* json.c: pure; keeps no tree: values are slices of a text that json_object validated once. json_string decodes; false for another type, one
 * that does not fit with its NUL, or one that holds U+0000. The …_or: false when the member has another type; null counts as missing.
 * json_escape writes `in` as the inside of a string, shortened to fit; bytes that are not UTF-8 become '?'. */
struct json { const char *p, *end; };
bool json_object(const char *text, size_t len, struct json *out);
bool json_find(struct json object, const char *key, struct json *out);
bool json_array(struct json value, struct json *cursor);
bool json_next(struct json *cursor, struct json *item);
bool json_string(struct json value, char *out, size_t cap);
bool json_text_or(struct json object, const char *key, char *out, size_t cap, const char *fallback);
bool json_integer_or(struct json object, const char *key, int64_t *out, int64_t fallback);
bool json_true(struct json object, const char *key);
char *json_escape(char *out, size_t cap, const char *in);

/* main.c: event loop and the machine's life */
struct watch { int fd; uint32_t events; /* as registered */ void (*ready)(struct watch *, uint32_t events); void *owner; int channel; };
void watch_set(struct watch *w, uint32_t events); /* 0: not watched */
uint64_t now_ms(void);
bool life_ending(void);
const char *life_state(void);
void life_started(pid_t pid);
void life_shutdown(int signal, int64_t timeout_ms);
void life_workload_exited(int status);

/* platform.c, or test/host_platform.c: what differs between a guest and a test on the host. enter: into the machine's own root, once; until then
 * nothing of the writable disk is known. NULL, or what failed, with errno set. */
void platform_boot(void);
int platform_task_program(void); /* open for reading */
int platform_group(void); /* folder of the cgroup of all processes but the agent, -1: none */
const char *platform_freeze(bool on);
const char *platform_enter(void);
void platform_kill_all(void);
_Noreturn void platform_power_off(void);

/* session.c: agent port. ready: a host is there and has said HELLO; room: the send queue takes more output; pending: more to read */
void session_attach(int fd);
void session_pump(void);
bool session_flush(void), session_ready(void), session_room(void), session_idle(void), session_pending(void);
uint32_t session_number(void);
void session_send(uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t len);
void session_json(uint8_t type, uint32_t stream, const char *format, ...) PRINTF(3, 4);

/* request.c */
void request_handle(uint32_t stream, struct json body);

/* output.c: output port */
enum record_kind { RECORD_STDOUT = 1, RECORD_STDERR, RECORD_EXIT, RECORD_DROPPED, RECORD_START };
void output_open(int fd);
void output_limit(uint64_t unattended_max_bytes); /* 0: none */
void output_attended(bool attended);
bool output_room(void);
void output_write(enum record_kind kind, const void *data, size_t len);
void output_json(enum record_kind kind, const char *json);

/* stream.c: running processes and their channels. stream_data, stream_credit: false for a protocol error */
enum stream_kind { FREE, WORKLOAD, EXEC };
struct stream;
void stream_open(uint32_t id, enum stream_kind kind, pid_t pid, const int fds[CHANNELS], bool tty);
struct stream *stream_find(uint32_t id);
bool stream_data(const struct frame *f), stream_credit(const struct frame *f);
bool stream_signal(struct stream *s, int signal);
bool stream_resize(struct stream *s, int64_t cols, int64_t rows);
void streams_adopt(void), streams_orphan(void); /* a session began, ended */
void streams_reap(void), streams_update(void), streams_kill(int signal);
int streams_open(bool with_workload);
uint64_t streams_deadline(void); /* ms; UINT64_MAX: none */

/* process.c, users.c: the pid, or -1 with errno; the agent's ends come in `fds`, -1 where there is none */
struct identity { uid_t uid; gid_t gid, groups[64]; size_t group_count; char home[256]; };
struct launch { char **argv, **envp; const char *cwd; int program; /* open file to execute; 0: argv[0] is looked up */ struct identity who; bool tty, stdin_open; int64_t cols, rows; };
bool identity_find(const char *user, struct identity *who);
pid_t process_launch(const struct launch *l, int fds[CHANNELS]);
int make_folders(const char *path);

/* system.c, network.c: NULL, or what failed, with errno set */
const char *system_hostname(const char *name, const char *address);
const char *system_entropy(const char *hex);
const char *system_write(const char *path, const char *format, ...) PRINTF(2, 3);
const char *network_up(const char *name, const char *mac, const char *address, const char *gateway);
const char *network_up6(const char *name, const char *address, const char *gateway);
long long system_oom_kills(void);
