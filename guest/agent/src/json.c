#include "agent.h"
#include <wchar.h>

static const char *space(const char *p, const char *end) {
  while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) p++;
  return p;
}

static int hex4(const char *p, const char *end) {
  int value = 0;
  for (int i = 0; i < 4; i++, p++) {
    if (p >= end || !isxdigit((unsigned char)*p)) return -1;
    value = value * 16 + (*p <= '9' ? *p - '0' : (*p | 32) - 'a' + 10);
  }
  return value;
}

/* `p` is behind the opening quote; the result behind the closing one, NULL when malformed. */
static const char *string(const char *p, const char *end) {
  for (; p < end && (unsigned char)*p >= 0x20; p++) {
    if (*p == '"') return p + 1;
    if (*p == '\\' && (++p == end || !memchr("\"\\/bfnrtu", *p, 9) || (*p == 'u' && hex4(p + 1, end) < 0))) return NULL;
  }
  return NULL;
}

static const char *scalar(const char *p, const char *end) {
  static const char *const words[] = {"true", "false", "null"};
  for (int i = 0; i < 3; i++)
    if ((size_t)(end - p) >= strlen(words[i]) && memcmp(p, words[i], strlen(words[i])) == 0) return p + strlen(words[i]);
  const char *start = p;
  while (p < end && (isdigit((unsigned char)*p) || (*p && strchr("+-.eE", *p)))) p++; /* json_integer_or is the one that is strict */
  return p > start ? p : NULL;
}

/* Behind the value at `p`; NULL when it is malformed or nested too deep. */
static const char *value(const char *p, const char *end, int depth) {
  if (p >= end) return NULL;
  if (*p == '"') return string(p + 1, end);
  if (*p != '{' && *p != '[') return scalar(p, end);
  char close = *p == '{' ? '}' : ']';
  p = space(p + 1, end);
  if (depth == JSON_DEPTH_MAX) return NULL;
  if (p < end && *p == close) return p + 1;
  for (;; p = space(p + 1, end)) {
    if (close == '}') {
      if (p >= end || *p != '"' || !(p = string(p + 1, end))) return NULL;
      if ((p = space(p, end)) >= end || *p != ':') return NULL;
      p = space(p + 1, end);
    }
    if (!(p = value(p, end, depth + 1))) return NULL;
    p = space(p, end);
    if (p < end && *p == close) return p + 1;
    if (p >= end || *p != ',') return NULL;
  }
}

bool json_object(const char *text, size_t len, struct json *out) {
  const char *end = text + len, *start = space(text, end);
  *out = (struct json){start, start < end && *start == '{' ? value(start, end, 0) : NULL};
  return out->end && space(out->end, end) == end;
}

/* The next member (with `key`) or element of what the cursor walks. */
static bool step(struct json *c, struct json *key, struct json *item) {
  c->p = space(c->p, c->end);
  if (c->p < c->end && *c->p == ',') c->p = space(c->p + 1, c->end);
  if (c->p >= c->end || *c->p == ']' || *c->p == '}') return false;
  if (key) {
    *key = (struct json){c->p + 1, string(c->p + 1, c->end)};
    c->p = space(space(key->end--, c->end) + 1, c->end);
  }
  *item = (struct json){c->p, value(c->p, c->end, 0)};
  return (c->p = item->end) != NULL;
}

bool json_next(struct json *cursor, struct json *item) { return step(cursor, NULL, item); }

bool json_array(struct json v, struct json *cursor) {
  *cursor = (struct json){v.p + 1, v.end};
  return *v.p == '[';
}

bool json_find(struct json object, const char *key, struct json *out) {
  struct json cursor = {object.p + 1, object.end}, name;
  while (step(&cursor, &name, out))
    if ((size_t)(name.end - name.p) == strlen(key) && memcmp(name.p, key, strlen(key)) == 0) return true;
  return false;
}

/* Decodes the escape behind whose backslash `*p` is; bytes written, 0 for NUL and for half a surrogate pair. */
static size_t unescape(const char **p, const char *end, char out[4]) {
  static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
  const char *at = strchr(from, *(*p)++);
  uint32_t c = (uint32_t)hex4(*p, end);
  if ((*p)[-1] != 'u') return out[0] = at ? to[at - from] : (*p)[-1], 1;
  *p += 4;
  if (c >= 0xd800 && c < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u' && (hex4(*p + 2, end) & 0xfc00) == 0xdc00) {
    c = 0x10000 + ((c - 0xd800) << 10) + ((uint32_t)hex4(*p + 2, end) & 0x3ff);
    *p += 6;
  }
  if (c == 0 || (c & 0xfffff800) == 0xd800) return 0;
  if (c < 0x80) return out[0] = (char)c, 1;
  int extra = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  for (int i = extra; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3f));
  out[0] = (char)((0xff00 >> (extra + 1) & 0xff) | (int)c);
  return (size_t)extra + 1;
}

bool json_string(struct json v, char *out, size_t cap) {
  size_t used = 0;
  if (*v.p != '"') return false;
  for (const char *p = v.p + 1; *p != '"';) {
    char piece[4] = {*p++};
    size_t len = piece[0] == '\\' ? unescape(&p, v.end, piece) : 1;
    if (len == 0 || used + len >= cap) return false;
    memcpy(out + used, piece, len);
    used += len;
  }
  return used < cap ? (out[used] = 0, true) : false;
}

bool json_text_or(struct json object, const char *key, char *out, size_t cap, const char *fallback) {
  struct json v;
  return json_find(object, key, &v) && *v.p != 'n' ? json_string(v, out, cap) : snprintf(out, cap, "%s", fallback) >= 0;
}

bool json_integer_or(struct json object, const char *key, int64_t *out, int64_t fallback) {
  struct json v;
  *out = fallback;
  if (!json_find(object, key, &v) || *v.p == 'n') return true;
  const char *p = v.p + (*v.p == '-');
  int64_t n = 0;
  for (; p < v.end; p++)
    if (!isdigit((unsigned char)*p) || __builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *p - '0', &n)) return false;
  *out = *v.p == '-' ? -n : n;
  return isdigit((unsigned char)v.end[-1]);
}

bool json_true(struct json object, const char *key) {
  struct json v;
  return json_find(object, key, &v) && *v.p == 't';
}

char *json_escape(char *out, size_t cap, const char *in) {
  size_t used = 0;
  for (size_t len; *in && used + 8 < cap; in += len) {
    len = mbrtowc(NULL, in, strlen(in), &(mbstate_t){0});
    bool odd = len > 4, special = (unsigned char)*in < 0x20 || *in == '"' || *in == '\\' || *in == 0x7f;
    if (odd) len = 1;
    if (special) used += (size_t)snprintf(out + used, cap - used, "\\u%04x", *in);
    else used += (size_t)snprintf(out + used, cap - used, "%.*s", (int)len, odd ? "?" : in);
  }
  out[used] = 0;
  return out;
}
