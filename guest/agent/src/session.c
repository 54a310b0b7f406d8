/* The agent port: greeting, frames in, a bounded queue of frames out. */
#include "agent.h"
#include <sys/utsname.h>

#define MAGIC "ISTHMUS-AGENT/1\n"
enum { READ_BURST = 8 }; /* reads before others get their turn */

static struct watch port = {.fd = -1};
static bool connected, established, broken, readable;
static uint32_t number;
static uint8_t in[2 * (FRAME_HEADER_BYTES + FRAME_PAYLOAD_MAX_BYTES)], out[SEND_QUEUE_MAX_BYTES];
static size_t in_len, out_head, out_len;

bool session_ready(void) { return established && !broken; }
bool session_room(void) { return out_len < SEND_QUEUE_HIGH_BYTES; }
bool session_idle(void) { return !connected || out_len == 0; }
bool session_pending(void) { return readable && (broken || session_room()); }
uint32_t session_number(void) { return number; }

static void lose_host(void) {
  if (session_ready()) streams_orphan();
  in_len = 0;
  output_attended(false);
}

static void end_session(void) {
  lose_host();
  connected = established = broken = false;
  out_head = out_len = 0;
}

static void protocol_error(const char *what) {
  session_json(EVENT, 0, "{\"event\":\"protocol_error\",\"message\":\"%s\"}", what);
  lose_host();
  broken = true; /* what comes is thrown away until the host reconnects */
}

/* Sends what is queued; true when that made room for more. */
bool session_flush(void) {
  bool room = session_room();
  for (ssize_t n; connected && out_len > 0; out_head += (size_t)n, out_len -= (size_t)n)
    if ((n = write(port.fd, out + out_head, out_len)) <= 0) break;
  return !room && session_room();
}

static void enqueue(const void *data, size_t len) {
  if (out_head + out_len + len > sizeof out) {
    memmove(out, out + out_head, out_len);
    out_head = 0;
  }
  memcpy(out + out_head + out_len, data, len);
  out_len += len;
}

void session_send(uint8_t type, uint8_t flags, uint32_t stream, const void *payload, size_t len) {
  uint8_t header[FRAME_HEADER_BYTES];
  if (!connected || broken) return;
  if (out_len + sizeof header + len > sizeof out) abort(); /* all who send much look at session_room */
  frame_header(header, type, flags, stream, (uint32_t)len);
  enqueue(header, sizeof header);
  enqueue(payload, len);
}

void session_json(uint8_t type, uint32_t stream, const char *format, ...) {
  char text[2 * PATH_MAX_BYTES + 1024];
  va_list args;
  va_start(args, format);
  int len = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  session_send(type, 0, stream, text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1);
}

static void greet(void) {
  struct utsname system;
  uname(&system);
  connected = true;
  number++;
  enqueue(MAGIC, sizeof MAGIC - 1);
  session_json(HELLO, 0, "{\"protocol\":1,\"session\":%u,\"version\":\"" AGENT_VERSION "\",\"state\":\"%s\",\"kernel\":\"%s\"}", number,
               life_state(), system.release);
}

static bool accept_hello(struct json body) {
  int64_t protocol, session;
  if (!json_integer_or(body, "protocol", &protocol, 0) || protocol != 1) return false;
  if (!json_integer_or(body, "session", &session, 0) || session != number) return false;
  established = true;
  output_attended(true);
  streams_adopt();
  return true;
}

/* What is wrong with the frame, or NULL when it was taken. */
static const char *handle(const struct frame *f) {
  struct json body;
  if (established == (f->type == HELLO)) return "HELLO must be the first frame, once";
  if (f->type == DATA) return stream_data(f) ? NULL : "DATA beyond its credit or after END";
  if (f->type == CREDIT) return stream_credit(f) ? NULL : "CREDIT overflows";
  if (!json_object((const char *)f->payload, f->length, &body)) return "payload is not a JSON object";
  if (f->type == HELLO) return accept_hello(body) ? NULL : "HELLO of another session or protocol";
  if (stream_find(f->stream)) return "stream id is in use";
  request_handle(f->stream, body);
  return NULL;
}

static void parse(void) {
  struct frame f;
  size_t used = 0;
  for (long n; connected && !broken && session_room() && (n = frame_parse(in + used, in_len - used, &f)) != 0; used += (size_t)n) {
    const char *error = n < 0 ? "malformed frame" : handle(&f);
    if (error) return protocol_error(error);
  }
  memmove(in, in + used, in_len -= used);
}

void session_pump(void) {
  session_flush();
  parse();
  for (int i = 0; i < READ_BURST && session_pending() && in_len < sizeof in; i++) {
    ssize_t n = read(port.fd, in + in_len, sizeof in - in_len);
    if (n <= 0) { /* kept apart from `readable`: QEMU 7.2 loses the flags of a comparison whose result is stored to a page that faults, as after fork() */
      readable = false;
      if (n == 0) end_session();
      break;
    }
    if (broken) continue;
    in_len += (size_t)n;
    parse();
  }
}

/* Edge-triggered: the kernel wakes us when a host comes, goes, sends or makes room; there is nothing to poll. */
static void port_ready(struct watch *w, uint32_t events) {
  static uint8_t waste[4096];
  if (events & EPOLLHUP) end_session();
  readable = connected && (readable || (events & EPOLLIN));
  while (!connected && read(w->fd, waste, sizeof waste) > 0); /* of a session that is over: a host is silent until it was greeted */
  if (!connected && !(events & EPOLLHUP)) greet();
}

void session_attach(int fd) {
  if (port.fd >= 0) {
    end_session();
    watch_set(&port, 0);
    close(port.fd);
  }
  port = (struct watch){.fd = fd, .ready = port_ready};
  watch_set(&port, EPOLLIN | EPOLLOUT | EPOLLET);
}
