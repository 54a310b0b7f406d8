/* What the parts of isthmus-fork.so have in common: a server that forks VMMs before they begin (fork_server.c), and zygotes, VMMs whose guest stands still, that are forked as they are (zygote.c). */
#ifndef ISTHMUS_FORK_H
#define ISTHMUS_FORK_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { STATE_FD = 3, REQUEST_BYTES = 1 << 20, WORDS = 4096, ID_BYTES = 24 };

/* A request is its length in 4 bytes, then words that end with NUL each, in this order; how many control groups there are is said before the files that a process enters them by. What is left are the
 * arguments of a VMM; before those of a clone, which are there for who looks at it, come how many pairs there are of a path that its zygote has open and the one that it is to have instead, and they. */
struct request {
  /* zygote: the id of the one that is to be forked, or nothing; kind: "zygote" for a VMM that will be asked to fork */
  char *id, *zygote, *kind, *folder, *log, *state, *namespace, *entrances[WORDS], *words[WORDS];
  int groups, count;
};

/* What a zygote answers: the process, or 0 and why there is none. */
struct forked {
  pid_t pid;
  char reason[124];
};

/* to the daemon: "ready ID PID", "failed ID REASON", "refused ID INDEX REASON" (of a group), "ended ID exited|killed NUMBER" */
extern int channel;
void tell(const char *format, ...);

/* Reads a request and has `request` point into it. Returns its memory, which is the caller's, and how long it is; NULL at the channel's end, and of garbage. */
char *receive(int from, struct request *request, uint32_t *length);
int read_all(int from, void *to, size_t length);

/* Names of a folder of /proc that are numbers, so many at most; allocates nothing. Returns how many. */
int numbers_in(const char *path, int *numbers, int most);

/* What ps shows: the arguments stand where those stood that this process began with. */
void show(char *const *words, int count);

/* Working folder, log, network and control groups of a new process of one thread. Returns NULL, or what could not be had, with errno set. */
const char *settle(const struct request *request);
int open_as(const char *path, int flags, int wanted);

/* Has this process fork whenever that is asked for at `requests`, from a thread of its own; called before the VMM's first instruction. Returns NULL, or what could not be had. */
const char *become_zygote(int requests);

/* Stops all other threads where they are. Returns NULL, or why they would not stop; then they go on. */
const char *stop_threads(void);
/* Lets them go on: after a fork in the parent the ones that were stopped, in the child, where they are not, others that continue each where one stood. Returns 0 when that failed. */
void release_threads(void);
int revive_threads(void);
/* A fork of this thread, whose parent is the parent of this process. */
pid_t fork_thread(void);

/* What libraries do in a child, which is one thread. Returns 0 when it is not known of all of them. */
int tell_libraries_of_fork(void);

/* How many sockets are open that do not listen. */
int connections(void);

/* Has no descriptor in common with the parent that one of both could change for the other: files are opened, or copied when they are not there yet. Returns NULL, or why that cannot be. */
const char *renew_descriptors(char *const *pairs, int count);
#endif
