#include "tar.h"

/* Octal, or GNU base 256 when the first bit is set; -1 when malformed. */
static int64_t number(const uint8_t *p, int len) {
  int64_t n = p[0] & 0x7f;
  int i = 1;
  if (p[0] & 0x80) {
    for (; i < len; n = n << 8 | p[i++]) if (n >> 55) return -1;
    return n;
  }
  for (n = i = 0; i < len && p[i] == ' ';) i++;
  for (; i < len && p[i] >= '0' && p[i] <= '7'; i++) n = n << 3 | (p[i] - '0');
  return i < len && p[i] != 0 && p[i] != ' ' ? -1 : n;
}

int tar_parse(const uint8_t b[TAR_BLOCK_BYTES], struct tar_entry *e) {
  const char *text = (const char *)b;
  int64_t sum = 0, mode = number(b + 100, 8), uid = number(b + 108, 8), gid = number(b + 116, 8), size = number(b + 124, 12), mtime = number(b + 136, 12);
  for (int i = 0; i < TAR_BLOCK_BYTES; i++) sum += i >= 148 && i < 156 ? ' ' : b[i];
  if (sum == 8 * ' ' && b[148] == 0) return 0;
  if (sum != number(b + 148, 8) || mode < 0 || uid < 0 || gid < 0 || size < 0) return -1;
  e->mode = (uint32_t)mode & 07777;
  e->uid = (uint32_t)uid;
  e->gid = (uint32_t)gid;
  e->type = text[156];
  e->major = (uint32_t)number(b + 329, 8) & 0xfff;
  e->minor = (uint32_t)number(b + 337, 8) & 0xfffff;
  if (!e->has_size) e->size = size;
  if (!e->has_mtime) e->mtime = mtime < 0 ? 0 : mtime;
  bool prefix = memcmp(b + 257, "ustar", 6) == 0 && b[345];
  if (!*e->name) snprintf(e->name, sizeof e->name, "%.155s%s%.100s", prefix ? text + 345 : "", prefix ? "/" : "", text);
  if (!*e->link) snprintf(e->link, sizeof e->link, "%.100s", text + 157);
  return 1;
}

bool tar_pax(const char *p, size_t len, struct tar_entry *e) {
  for (size_t record; len > 0; p += record, len -= record) {
    size_t digits = strspn(p, "0123456789");
    record = digits < 7 ? (size_t)atoi(p) : 0;
    if (p[digits] != ' ' || record > len || record < digits + 3 || p[record - 1] != '\n') return false;
    const char *key = p + digits + 1, *value = memchr(key, '=', record - digits - 2);
    if (!value) return false;
    int chars = (int)(p + record - 1 - ++value);
    bool is_path = strncmp(key, "path=", 5) == 0;
    if (is_path || strncmp(key, "linkpath=", 9) == 0) {
      if ((size_t)chars >= sizeof e->name || memchr(value, 0, (size_t)chars)) return false;
      snprintf(is_path ? e->name : e->link, sizeof e->name, "%.*s", chars, value);
    }
    if (strncmp(key, "size=", 5) == 0 && (e->has_size = true) && (e->size = strtoll(value, NULL, 10)) < 0) return false;
    if (strncmp(key, "mtime=", 6) == 0 && (e->has_mtime = true)) e->mtime = strtoll(value, NULL, 10);
  }
  return true;
}

bool tar_normal(char *name) {
  char *out = name;
  for (const char *p = name; *p; p += *p == '/') {
    size_t len = strcspn(p, "/");
    if (len == 2 && p[0] == '.' && p[1] == '.') return false;
    if (len > 0 && !(len == 1 && *p == '.')) {
      if (out > name) *out++ = '/';
      memmove(out, p, len);
      out += len;
    }
    p += len;
  }
  *out = 0;
  return true;
}
