/* The output port: records that the VMM appends to a file, whether or not anybody listens. */
#include "agent.h"

static struct watch port = {.fd = -1};
static uint8_t queue[2 * (OUTPUT_HEADER_BYTES + OUTPUT_CHUNK_BYTES)];
static size_t head, queued;
static uint32_t seq;
static bool attended;
static uint64_t unattended_bytes, limit_bytes, dropped_bytes;

static void flush(struct watch *w, uint32_t) {
  for (ssize_t n; queued > 0; head += (size_t)n, queued -= (size_t)n)
    if ((n = write(w->fd, queue + head, queued)) <= 0) return; /* full, or no VMM yet: the port says when that changes */
  head = 0;
}

void output_open(int fd) {
  port = (struct watch){.fd = fd, .ready = flush};
  watch_set(&port, EPOLLOUT | EPOLLET);
}

bool output_room(void) { return queued == 0; }

static void append(enum record_kind kind, const void *data, size_t len) {
  struct timespec now;
  uint8_t *p = queue + head + queued;
  uint32_t number = seq++;
  if (port.fd < 0 || head + queued + OUTPUT_HEADER_BYTES + len > sizeof queue) return; /* the gap in seq shows */
  clock_gettime(CLOCK_REALTIME, &now);
  uint64_t ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
  uint32_t words[] = {(uint32_t)len, (uint32_t)ns, (uint32_t)(ns >> 32), number, kind};
  memcpy(p, "ILOG", 4);
  for (size_t i = 0; i < 5; i++) put_u32(p + 4 + 4 * i, words[i]);
  memcpy(p + OUTPUT_HEADER_BYTES, data, len);
  queued += OUTPUT_HEADER_BYTES + len;
  flush(&port, 0);
}

static void tell_dropped(void) {
  char text[48];
  int len = snprintf(text, sizeof text, "{\"bytes\":%llu}", (unsigned long long)dropped_bytes);
  if (dropped_bytes > 0) append(RECORD_DROPPED, text, (size_t)len);
  dropped_bytes = 0;
}

void output_limit(uint64_t unattended_max_bytes) { limit_bytes = unattended_max_bytes; }

void output_attended(bool is_attended) {
  attended = is_attended;
  unattended_bytes = 0;
  if (attended) tell_dropped();
}

void output_write(enum record_kind kind, const void *data, size_t len) {
  bool drop = !attended && limit_bytes > 0 && (dropped_bytes > 0 || unattended_bytes + len > limit_bytes);
  unattended_bytes += attended ? 0 : len;
  dropped_bytes += drop ? len : 0;
  if (!drop) append(kind, data, len);
}

void output_json(enum record_kind kind, const char *json) {
  if (kind == RECORD_EXIT) tell_dropped();
  append(kind, json, strlen(json));
}
