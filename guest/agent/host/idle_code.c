/* isthmus-idle.so, a plugin of QEMU's emulator (TCG): once its guest has been idle for a while it gives back the memory of the code that was translated for it. What the guest runs after that
 * is translated anew. QEMU itself keeps that code until its buffer is full: 13 MiB of a guest that only ever started.
 *
 * The one argument is `after-ms=N`. Idle is a guest whose processors woke, in all that time, for no longer than BUSY_NS at once. A guest that does not wake at all is stopped, and is not to be
 * slow when it goes on: a gap of half that time begins it anew.
 * Source: include/qemu/qemu-plugin.h of QEMU; its loader looks for the names qemu_plugin_version and qemu_plugin_install. */
#include <dlfcn.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum {
  OLDEST_API = 1,
  /* of QEMU 9.0, which takes none older than this */
  SECOND_API = 2,
  NS_PER_MS = 1000000,
  /* what a wake-up of an idle guest does not take, with its code translated anew */
  BUSY_NS = 5 * NS_PER_MS,
  /* processor time since the code was last given back, below which there is nothing to be had */
  WORTH_NS = 50 * NS_PER_MS,
  /* the same of a fork of a zygote, which has in common with others what it did not translate itself, unless it has been idle so many times as long */
  WORTH_OF_FORK_NS = 500 * NS_PER_MS,
  LONG = 10,
  /* what enters and leaves translated code stands at the beginning of the buffer, and stays */
  PROLOGUE_BYTES = 64 << 10,
};

typedef uint64_t plugin_id;

extern void qemu_plugin_reset(plugin_id, void (*)(plugin_id));
extern void qemu_plugin_register_vcpu_resume_cb(plugin_id, void (*)(plugin_id, unsigned int));

int qemu_plugin_version = OLDEST_API;

/* ns; QEMU's own lock is held whenever they are touched */
static uint64_t after, idle_since, woke_at, used_then, used_at_return;
static pid_t installed_in, seen_in;

static uint64_t read_clock(clockid_t clock) {
  struct timespec at;
  clock_gettime(clock, &at);
  return at.tv_sec * 1000ull * NS_PER_MS + at.tv_nsec;
}

/* The buffer is the only memory without a file that is written to and executed. */
static int find_code(FILE *maps, char **from, char **to) {
  char *line = NULL, mode[5];
  size_t room = 0;
  unsigned long inode;
  int found = 0;
  while (!found && getline(&line, &room, maps) > 0)
    found = sscanf(line, "%p-%p %4s %*s %*s %lu", (void **)from, (void **)to, mode, &inode) == 4 && inode == 0 && strncmp(mode, "rwx", 3) == 0;
  free(line);
  return found;
}

static void woke(plugin_id id, unsigned int processor);

/* All processors stand still, and QEMU has just forgotten all that it had translated. */
static void give_back(plugin_id id) {
  FILE *maps = fopen("/proc/self/maps", "re");
  char *from, *to;
  while (maps != NULL && find_code(maps, &from, &to))
    if (to - from > PROLOGUE_BYTES) madvise(from + PROLOGUE_BYTES, to - from - PROLOGUE_BYTES, MADV_DONTNEED);
  if (maps != NULL) fclose(maps);
  malloc_trim(0);
  used_at_return = read_clock(CLOCK_PROCESS_CPUTIME_ID);
  qemu_plugin_register_vcpu_resume_cb(id, woke);
}

static void woke(plugin_id id, unsigned int processor) {
  (void)processor;
  pid_t here = getpid();
  // Its clock begins anew.
  if (here != seen_in) used_then = used_at_return = 0;
  seen_in = here;
  uint64_t now = read_clock(CLOCK_MONOTONIC), used = read_clock(CLOCK_PROCESS_CPUTIME_ID);
  if (used - used_then > BUSY_NS || now - woke_at > after / 2) idle_since = now;
  woke_at = now;
  used_then = used;
  uint64_t idle = now - idle_since, worth = here == installed_in || idle >= LONG * after ? WORTH_NS : WORTH_OF_FORK_NS;
  if (idle >= after && used - used_at_return >= worth) qemu_plugin_reset(id, give_back);
}

__attribute__((constructor)) static void choose_api(void) {
  if (dlsym(RTLD_DEFAULT, "qemu_plugin_u64_get") != NULL) qemu_plugin_version = SECOND_API;
}

int qemu_plugin_install(plugin_id id, const void *info, int count, char **arguments) {
  unsigned long ms;
  (void)info;
  if (count != 1 || sscanf(arguments[0], "after-ms=%lu", &ms) != 1) return -1;
  after = (uint64_t)ms * NS_PER_MS;
  installed_in = seen_in = getpid();
  qemu_plugin_register_vcpu_resume_cb(id, woke);
  return 0;
}
