#include "agent.h"

uint32_t get_u32(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24; }

void put_u32(uint8_t *p, uint32_t v) { for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> 8 * i); }

void frame_header(uint8_t out[FRAME_HEADER_BYTES], uint8_t type, uint8_t flags, uint32_t stream, uint32_t length) {
  put_u32(out, length);
  put_u32(out + 4, (uint32_t)type | (uint32_t)flags << 8);
  put_u32(out + 8, stream);
}

static bool may_come(const struct frame *f) {
  switch (f->type) {
  case HELLO: return f->flags == 0 && f->stream == 0;
  case REQUEST: return f->flags == 0 && f->stream > WORKLOAD_STREAM;
  case DATA: return (f->flags & ~FLAG_END) == STDIN && f->stream != 0;
  case CREDIT: return f->flags < CHANNELS && f->stream != 0 && f->length == 4;
  default: return false;
  }
}

long frame_parse(const uint8_t *buf, size_t len, struct frame *out) {
  if (len < FRAME_HEADER_BYTES) return 0;
  *out = (struct frame){get_u32(buf), get_u32(buf + 8), buf[4], buf[5], buf + FRAME_HEADER_BYTES};
  if (out->length > FRAME_PAYLOAD_MAX_BYTES || buf[6] || buf[7] || !may_come(out)) return -1;
  return len - FRAME_HEADER_BYTES < out->length ? 0 : (long)FRAME_HEADER_BYTES + (long)out->length;
}
