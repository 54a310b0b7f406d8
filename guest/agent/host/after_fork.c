/* Libraries ask the C library to be told of a fork, as the one from whose generator QEMU's random-number device has its numbers (gnutls, lib/system/fork.c): two processes would hand out the same. A fork that the C library
 * knows nothing of tells them itself. Those that also want to be told before it hold locks meanwhile; of them there is QEMU's own alone, which it needs when it is run for a single program (util/rcu.c). */
#include <dlfcn.h>
#include <stddef.h>

#include "fork.h"

enum { HANDLERS = 64 };

typedef void handler(void);
typedef int register_fn(handler *, handler *, handler *, void *);

static handler *handlers[HANDLERS];
static int count;

int __register_atfork(handler *before, handler *parent, handler *child, void *library) {
  register_fn *real = (register_fn *)dlsym(RTLD_NEXT, "__register_atfork");
  if (before == NULL && child != NULL && ++count <= HANDLERS) handlers[count - 1] = child;
  return real(before, parent, child, library);
}

int tell_libraries_of_fork(void) {
  if (count > HANDLERS) return 0;
  for (int i = 0; i < count; i++) handlers[i]();
  return 1;
}
