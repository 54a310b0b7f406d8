/* The pure parts: names, headers, extensions. */
#include "tar.h"
#include <assert.h>

int main(void) {
  struct tar_entry e = {0};
  uint8_t block[TAR_BLOCK_BYTES] = {0};
  char names[][2][32] = {{"a/b", "a/b"}, {"/a//b/", "a/b"}, {"./a/./b", "a/b"}, {".", ""}, {"/", ""}, {"..a/b..", "..a/b.."}, {"...", "..."}};
  char outside[][16] = {"..", "../a", "a/..", "a/../b", "/..", "a/..//"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) assert(tar_normal(names[i][0]) && strcmp(names[i][0], names[i][1]) == 0);
  for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) assert(!tar_normal(outside[i]));
  assert(tar_parse(block, &e) == 0);
  block[0] = 'x';
  assert(tar_parse(block, &e) == -1);
  const char *pax = "19 path=long/name/x\n12 size=1234\n19 mtime=99.5000000\n14 linkpath=y\n";
  assert(!tar_pax("9 path=x\n9", 10, &e) && !tar_pax("100 path=x\n", 11, &e) && !tar_pax("0 \n", 3, &e) && !tar_pax("5 ab\n", 5, &e));
  assert(!tar_pax("99999999 path=x\n", 16, &e) && !tar_pax(pax, strlen(pax), &e));
  memset(&e, 0, sizeof e);
  pax = "20 path=long/name/x\n13 size=1234\n19 mtime=99.500000\n14 linkpath=y\n";
  assert(tar_pax(pax, strlen(pax), &e) && strcmp(e.name, "long/name/x") == 0 && strcmp(e.link, "y") == 0 && e.size == 1234 && e.mtime == 99);
  puts("unit tests passed");
}
