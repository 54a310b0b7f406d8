/* libFuzzer: hostile archives are unpacked, as root, in a folder of a chroot; whatever they hold, nothing may appear beside that folder. */
#include "tar.h"
#include <ftw.h>
#include <sched.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/mount.h>

enum { FIRST_FD = 100, HEADERS_MAX = 24 };

static jmp_buf failed;
static int input, devnull;

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

_Noreturn void task_fail(const char *code, const char *format, ...) {
  char text[8192];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (!*code || strlen(text) == 0) abort();
  longjmp(failed, 1);
}

void task_check(bool ok, const char *name) {
  if (!ok) task_fail("io_error", "%s", name);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at) { return st && type >= 0 && at ? remove(path) : -1; }

static void prepare(void) {
  if (devnull > 0) return;
  if (unshare(CLONE_NEWNS) < 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
      mount("tmpfs", "/tmp", "tmpfs", 0, "size=64m") < 0 || chroot("/tmp") < 0 || chdir("/") < 0) {
    perror("a chroot, for which the fuzzer must be root");
    exit(1);
  }
  mkdir("/outside", 0755);
  close(open("/outside/kept", O_CREAT | O_WRONLY, 0644));
  input = fcntl(memfd_create("input", 0), F_DUPFD, FIRST_FD / 2);
  devnull = fcntl(memfd_create("null", 0), F_DUPFD, FIRST_FD / 2);
}

/* Aborts when anything but the target is not as it was. */
static void check(void) {
  struct stat root, outside, kept;
  int entries = 0;
  DIR *dir = opendir("/");
  for (struct dirent *e; (e = readdir(dir));) entries += *e->d_name != '.';
  closedir(dir);
  if (entries != 1 || stat("/", &root) < 0 || stat("/outside", &outside) < 0 || stat("/outside/kept", &kept) < 0) abort();
  if (root.st_nlink != 3 || outside.st_nlink != 2 || outside.st_uid || kept.st_nlink != 1 || kept.st_size || kept.st_mode != (S_IFREG | 0644)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  prepare();
  mkdir("/target", 0755);
  if (ftruncate(input, 0) < 0 || pwrite(input, data, size, 0) != (ssize_t)size || lseek(input, 0, SEEK_SET) != 0) abort();
  dup2(input, STDIN_FILENO);
  if (setjmp(failed) == 0) tar_put("/target", true);
  dup2(devnull, STDIN_FILENO);
  nftw("/target", remove_entry, 16, FTW_DEPTH | FTW_PHYS);
  check();
  close_range(FIRST_FD / 2 + 2, ~0u, 0); /* what a failure left open */
  return 0;
}

static void checksum(uint8_t *block) {
  unsigned sum = 8 * ' ';
  for (int i = 0; i < TAR_BLOCK_BYTES; i++) sum += i >= 148 && i < 156 ? 0 : block[i];
  snprintf((char *)block + 148, 8, "%06o", sum);
}

/* An archive whose entries play with each other's names; most mutations keep its checksums right, or none would get past them. */
static size_t invent(uint8_t *data, size_t max, unsigned seed) {
  static const char *const names[] = {"a", "a/b", "a/b/c", "../outside/x", "/outside/kept", "l", "l/kept", "l/x", ".", "", "a/../b"};
  static const char *const links[] = {"/outside", "../outside", "a", "..", "/", "l", "/outside/kept", "../../outside/kept", "a/b"};
  size_t used = 0;
  for (unsigned n = seed % HEADERS_MAX + 1; n > 0 && used + 3 * TAR_BLOCK_BYTES <= max; n--, used += TAR_BLOCK_BYTES) {
    uint8_t *block = data + used;
    seed = seed * 1103515245 + 12345;
    memset(block, 0, TAR_BLOCK_BYTES);
    strcpy((char *)block, names[(seed >> 4) % (sizeof names / sizeof *names)]);
    strcpy((char *)block + 157, links[(seed >> 9) % (sizeof links / sizeof *links)]);
    memcpy(block + 100, "0000755\0" "0000000\0" "0000000\0" "00000000000\0" "00000000000", 47);
    block[156] = (uint8_t)"00123456xLgK5520"[(seed >> 16) & 15];
    memcpy(block + 257, "ustar\0" "00", 8);
    checksum(block);
  }
  return used;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed) {
  if (size < TAR_BLOCK_BYTES || seed % 16 == 0) return invent(data, max, seed);
  size = LLVMFuzzerMutate(data, size, max);
  for (size_t at = 0; seed % 8 != 1 && at + TAR_BLOCK_BYTES <= size; at += TAR_BLOCK_BYTES)
    if (memcmp(data + at + 257, "ustar", 5) == 0) checksum(data + at);
  return size;
}
