/* Prints the kHz of this computer's time stamp counter. An emulated microvm's kernel has nothing else to measure it by than an emulated
 * timer, and on a busy host that fails and leaves it without any timer, hanging; so the engine tells it (tsc_early_khz=). */
#include <stdint.h>
#include <stdio.h>
#include <time.h>

enum { TRIES = 50, SPAN_NS = 50000000 };

/* Both clocks at one moment: the pair that was read closest together. */
static void sample(uint64_t *ticks, uint64_t *ns) {
  uint64_t best = UINT64_MAX;
  for (int i = 0; i < TRIES; i++) {
    struct timespec t;
    uint64_t before = __builtin_ia32_rdtsc();
    clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    uint64_t took = __builtin_ia32_rdtsc() - before;
    if (took >= best) continue;
    best = took;
    *ticks = before + took / 2;
    *ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
  }
}

int main(void) {
  uint64_t ticks[2], ns[2];
  sample(&ticks[0], &ns[0]);
  nanosleep(&(struct timespec){.tv_nsec = SPAN_NS}, NULL);
  sample(&ticks[1], &ns[1]);
  return printf("%.0f\n", (double)(ticks[1] - ticks[0]) * 1e6 / (double)(ns[1] - ns[0])) < 0;
}
