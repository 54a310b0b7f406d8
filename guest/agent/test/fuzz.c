/* libFuzzer: frames, then whatever their payloads claim to be. Values are walked as the agent walks them. */
#include "agent.h"

static void walk(struct json object) {
  static const char *const keys[] = {"op", "argv", "env", "cwd", "stream", "session", "tmpfs", "network", "clock"};
  static char text[FRAME_PAYLOAD_MAX_BYTES];
  struct json value, item;
  int64_t n;
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    json_text_or(object, keys[i], text, sizeof text, "");
    json_integer_or(object, keys[i], &n, 0);
    if (!json_find(object, keys[i], &value)) continue;
    if (*value.p == '{') walk(value);
    if (json_array(value, &value))
      while (json_next(&value, &item))
        if (json_string(item, text, sizeof text)) json_escape(text + 32768, 32768, text);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct frame f;
  struct json object;
  for (long n = 0, at = 0; (n = frame_parse(data + at, size - (size_t)at, &f)) > 0; at += n)
    if (json_object((const char *)f.payload, f.length, &object)) walk(object);
  if (json_object((const char *)data, size, &object)) walk(object);
  return 0;
}
