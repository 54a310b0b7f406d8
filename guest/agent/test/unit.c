/* The pure parts: frames, JSON. */
#include "agent.h"
#include <assert.h>
#include <locale.h>

static void frames(void) {
  uint8_t buf[64] = {0};
  struct frame f;
  frame_header(buf, DATA, FLAG_END, 7, 3);
  memcpy(buf + FRAME_HEADER_BYTES, "abc", 3);
  for (size_t len = 0; len < 15; len++) assert(frame_parse(buf, len, &f) == 0);
  assert(frame_parse(buf, sizeof buf, &f) == 15 && f.type == DATA && f.flags == FLAG_END && f.stream == 7 && f.length == 3);
  assert(memcmp(f.payload, "abc", 3) == 0);
  const struct { uint8_t type, flags; uint32_t stream, length; } bad[] = {
      {0, 0, 5, 0}, {8, 0, 5, 0}, {REPLY, 0, 5, 0}, {EXIT, 0, 5, 0}, {EVENT, 0, 0, 0}, {HELLO, 0, 1, 0}, {HELLO, 1, 0, 0}, {REQUEST, 0, 0, 0},
      {REQUEST, 0, 1, 0}, {DATA, 1, 5, 0}, {DATA, 4, 5, 0}, {DATA, 0, 0, 0}, {DATA, 0, 5, 65537}, {CREDIT, 3, 5, 4}, {CREDIT, 0, 5, 5}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    frame_header(buf, bad[i].type, bad[i].flags, bad[i].stream, bad[i].length);
    assert(frame_parse(buf, FRAME_HEADER_BYTES, &f) == -1);
  }
  frame_header(buf, DATA, 0, 5, 0);
  buf[6] = 1;
  assert(frame_parse(buf, FRAME_HEADER_BYTES, &f) == -1);
}

static bool valid(const char *text) {
  struct json j;
  return json_object(text, strlen(text), &j);
}

static void json(void) {
  struct json j, v, item;
  char out[64];
  int64_t n;
  const char *good[] = {"{}", " {\"a\" : [ ] } ", "{\"a\":-1.5e+3,\"b\":[true,false,null,\"\"],\"c\":{}}", "{\"a\":[[[[[[[1]]]]]]]}"};
  const char *bad[] = {"", "[]", "{", "}", "{a:1}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\":[1,]}", "{\"a\":tru}", "{\"a\":\"\x01\"}", "{\"a\":\"\\x\"}",
                       "{\"a\":\"\\u12g4\"}", "{\"a\":\"", "{} {}", "{\"a\":1 2}", "{\"a\":[[[[[[[[1]]]]]]]]}", "null", "{\"a\":\"\\"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert(valid(good[i]));
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert(!valid(bad[i]));
  const char *text = "{\"s\":\"a\\n\\u00e9\\ud83d\\ude00\\/\",\"n\":-42,\"big\":9223372036854775808,\"x\":null,\"t\":true,\"l\":[\"p\", {\"q\":[1]} ,3],"
                     "\"nul\":\"\\u0000\",\"half\":\"\\ud83d\",\"s\":\"second\",\"f\":1.5}";
  assert(json_object(text, strlen(text), &j));
  assert(json_text_or(j, "s", out, sizeof out, "") && strcmp(out, "a\n\xc3\xa9\xf0\x9f\x98\x80/") == 0);
  assert(json_text_or(j, "s", out, 10, "") && !json_text_or(j, "s", out, 9, ""));
  assert(!json_text_or(j, "nul", out, sizeof out, "") && !json_text_or(j, "half", out, sizeof out, "") && !json_text_or(j, "n", out, sizeof out, ""));
  assert(json_text_or(j, "x", out, sizeof out, "none") && strcmp(out, "none") == 0);
  assert(json_integer_or(j, "n", &n, 0) && n == -42 && json_integer_or(j, "missing", &n, 5) && n == 5);
  assert(!json_integer_or(j, "big", &n, 0) && !json_integer_or(j, "f", &n, 0) && !json_integer_or(j, "s", &n, 0));
  assert(json_true(j, "t") && !json_true(j, "s") && !json_true(j, "missing"));
  assert(json_find(j, "l", &v) && json_array(v, &v) && json_next(&v, &item) && json_string(item, out, sizeof out) && strcmp(out, "p") == 0);
  assert(json_next(&v, &item) && *item.p == '{' && json_next(&v, &item) && *item.p == '3' && !json_next(&v, &item));
  assert(strcmp(json_escape(out, sizeof out, "a\"\\\n\xc3\xa9\xff"), "a\\u0022\\u005c\\u000a\xc3\xa9?") == 0);
  assert(strlen(json_escape(out, 12, "abcdefghijkl")) < 12);
}

int main(void) {
  setlocale(LC_CTYPE, "C.UTF-8");
  frames();
  json();
  puts("unit tests passed");
}
