/* Streams: a running process each, with up to three channels between its pipes (or its terminal) and a port. */
#include "agent.h"
#include <termios.h>

struct channel {
  struct watch watch; /* fd -1: closed */
  uint32_t credit;    /* what the other side may still send us (stdin), or we it */
  int remaining;      /* bytes to read until the end; -1: until end-of-file */
};

static struct stream {
  enum stream_kind kind;
  uint32_t id, session; /* id 0: its session is over */
  pid_t pid;            /* 0: reaped */
  bool tty, cut, in_end;
  int status;
  uint64_t deadline; /* ms; after it an exited process's output ends with what is there */
  struct channel channels[CHANNELS];
  uint8_t *in; /* INITIAL_CREDIT_BYTES once used: the credit bounds it */
  size_t in_head, in_len, in_taken; /* in_taken: bytes that were handed on and not granted anew */
} table[STREAMS_MAX + 1]; /* the workload is not counted */

#define EACH(s) for (struct stream *s = table; s < table + STREAMS_MAX + 1; s++) if (s->kind)

static bool listened(const struct stream *s) { return s->id != 0 && s->session == session_number() && session_ready(); }

struct stream *stream_find(uint32_t id) {
  EACH(s) if (id && s->id == id) return s;
  return NULL;
}

int streams_open(bool with_workload) {
  int count = 0;
  EACH(s) count += with_workload || s->kind != WORKLOAD;
  return count;
}

static void channel_close(struct stream *s, int c) {
  struct watch *w = &s->channels[c].watch;
  if (w->fd < 0) return;
  watch_set(w, 0);
  close(w->fd);
  w->fd = -1;
  if (c != STDIN && s->kind != WORKLOAD && listened(s)) session_send(DATA, (uint8_t)(c | FLAG_END), s->id, "", 0);
}

static void grant(struct stream *s, size_t at_least) {
  uint8_t bytes[4];
  if (s->in_taken < at_least || !listened(s)) return;
  put_u32(bytes, (uint32_t)s->in_taken);
  s->channels[STDIN].credit += (uint32_t)s->in_taken;
  s->in_taken = 0;
  session_send(CREDIT, STDIN, s->id, bytes, sizeof bytes);
}

static void feed(struct stream *s) {
  struct watch *w = &s->channels[STDIN].watch;
  struct termios mode;
  while (s->in_len > 0) {
    ssize_t n = w->fd < 0 ? (ssize_t)s->in_len : write(w->fd, s->in + s->in_head, s->in_len); /* nobody reads it: take and forget */
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n < 0) channel_close(s, STDIN);
    n = n < 0 ? 0 : n;
    s->in_head += (size_t)n;
    s->in_len -= (size_t)n;
    s->in_taken += (size_t)n;
  }
  if (!s->in_end) return grant(s, CREDIT_STEP_BYTES);
  if (s->tty && w->fd >= 0 && tcgetattr(w->fd, &mode) == 0) (void)!write(w->fd, &mode.c_cc[VEOF], 1); /* a terminal has no half-close */
  channel_close(s, STDIN);
}

bool stream_data(const struct frame *f) {
  struct stream *s = stream_find(f->stream);
  if (!s) return true; /* it ended, which the host could not know yet */
  if (s->in_end || f->length > s->channels[STDIN].credit) return false;
  s->channels[STDIN].credit -= f->length;
  s->in_end = f->flags & FLAG_END;
  if (!s->in && !(s->in = malloc(INITIAL_CREDIT_BYTES))) return false;
  if (s->in_head + s->in_len + f->length > INITIAL_CREDIT_BYTES) {
    memmove(s->in, s->in + s->in_head, s->in_len);
    s->in_head = 0;
  }
  memcpy(s->in + s->in_head + s->in_len, f->payload, f->length);
  s->in_len += f->length;
  feed(s);
  return true;
}

bool stream_credit(const struct frame *f) {
  struct stream *s = stream_find(f->stream);
  uint32_t *credit = s && f->flags != STDIN ? &s->channels[f->flags].credit : NULL;
  return !credit || !__builtin_add_overflow(*credit, get_u32(f->payload), credit);
}

bool stream_signal(struct stream *s, int signal) {
  return s->pid > 0 && (kill(-s->pid, signal) == 0 || kill(s->pid, signal) == 0); /* a fresh child leads no group yet */
}

bool stream_resize(struct stream *s, int64_t cols, int64_t rows) {
  struct winsize size = {.ws_col = (uint16_t)cols, .ws_row = (uint16_t)rows};
  return s->tty && ioctl(s->channels[STDOUT].watch.fd, TIOCSWINSZ, &size) == 0;
}

static bool wants(const struct stream *s, int c) {
  if (c == STDIN) return s->in_len > 0;
  if (s->kind == WORKLOAD) return output_room();
  return !listened(s) || (s->channels[c].credit > 0 && session_room());
}

static void deliver(struct stream *s, int c, const uint8_t *data, size_t len) {
  if (s->kind == WORKLOAD) return output_write(c == STDOUT ? RECORD_STDOUT : RECORD_STDERR, data, len);
  if (!listened(s)) return;
  s->channels[c].credit -= (uint32_t)len;
  session_send(DATA, (uint8_t)c, s->id, data, len);
}

static void channel_ready(struct watch *w, uint32_t) {
  static uint8_t buf[FRAME_PAYLOAD_MAX_BYTES];
  struct stream *s = w->owner;
  int c = w->channel;
  struct channel *ch = &s->channels[c];
  size_t max = s->kind == WORKLOAD ? OUTPUT_CHUNK_BYTES : sizeof buf;
  if (w->fd < 0 || !wants(s, c)) return;
  if (c == STDIN) return feed(s);
  if (s->kind == EXEC && listened(s) && ch->credit < max) max = ch->credit;
  if (ch->remaining >= 0 && (size_t)ch->remaining < max) max = (size_t)ch->remaining;
  ssize_t n = read(w->fd, buf, max);
  if (n > 0) deliver(s, c, buf, (size_t)n);
  if (n > 0 && ch->remaining > 0) ch->remaining -= (int)n;
  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) || ch->remaining == 0) channel_close(s, c); /* a terminal ends with EIO */
}

void stream_open(uint32_t id, enum stream_kind kind, pid_t pid, const int fds[CHANNELS], bool tty) {
  struct stream *s = table;
  while (s->kind) s++;
  *s = (struct stream){.kind = kind, .id = id, .session = session_number(), .pid = pid, .tty = tty, .deadline = UINT64_MAX};
  for (int c = 0; c < CHANNELS; c++)
    s->channels[c] = (struct channel){{fds[c], 0, channel_ready, s, c}, INITIAL_CREDIT_BYTES, -1};
}

void streams_adopt(void) {
  struct stream *s = stream_find(WORKLOAD_STREAM);
  if (!s) return;
  s->session = session_number();
  s->channels[STDIN].credit = 0;
  s->in_taken = INITIAL_CREDIT_BYTES - s->in_len;
  if (s->channels[STDIN].watch.fd >= 0 && !s->in_end) grant(s, 1);
}

void streams_orphan(void) {
  EACH(s) if (s->kind != WORKLOAD) {
    s->id = 0;
    s->in_end = true;
    feed(s);
  }
}

void streams_reap(void) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
    EACH(s) if (s->pid == pid) {
      s->pid = 0;
      s->status = status;
      s->deadline = now_ms() + (s->kind == WORKLOAD ? KILL_GRACE_MS / 2 : s->tty ? TTY_DRAIN_MS : 0);
      channel_close(s, STDIN);
      if (s->kind == WORKLOAD) life_workload_exited(status);
    }
}

/* A process is gone but something else holds its output open: what is there now still counts, nothing later does. */
static void cut_output(struct stream *s) {
  s->cut = true;
  for (int c = STDOUT; c <= STDERR; c++) {
    struct channel *ch = &s->channels[c];
    if (ch->watch.fd >= 0 && (ioctl(ch->watch.fd, FIONREAD, &ch->remaining) < 0 || ch->remaining <= 0)) channel_close(s, c);
  }
}

static void finish(struct stream *s) {
  int signal = WIFSIGNALED(s->status) ? WTERMSIG(s->status) : 0, code = signal ? 128 + signal : WEXITSTATUS(s->status);
  bool tell = s->kind != WORKLOAD && listened(s);
  if (tell && signal) session_json(EXIT, s->id, "{\"code\":%d,\"signal\":%d}", code, signal);
  else if (tell) session_json(EXIT, s->id, "{\"code\":%d}", code);
  free(s->in);
  s->kind = FREE;
}

void streams_update(void) {
  uint64_t now = now_ms();
  EACH(s) {
    if (s->pid == 0 && !s->cut && now >= s->deadline) cut_output(s);
    for (int c = 0; c < CHANNELS; c++) watch_set(&s->channels[c].watch, !wants(s, c) ? 0 : c == STDIN ? EPOLLOUT : EPOLLIN);
    if (s->pid == 0 && s->channels[STDOUT].watch.fd < 0 && s->channels[STDERR].watch.fd < 0) finish(s);
  }
}

void streams_kill(int signal) { EACH(s) stream_signal(s, signal); }

uint64_t streams_deadline(void) {
  uint64_t first = UINT64_MAX;
  EACH(s) if (s->pid == 0 && !s->cut && s->deadline < first) first = s->deadline;
  return first;
}
