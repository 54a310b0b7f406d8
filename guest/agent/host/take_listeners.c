/* isthmus-take PID (ADDRESS PORT)...: takes the sockets with which a process listens there, which it keeps too, and hands them to the Node process that runs this, by the channel that `spawn` opens for it
 * (descriptor NODE_CHANNEL_FD), each with the words that named it. So whoever connects while one process takes the place of the other finds somebody listening at each moment. Ends with 0 when all were handed on. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int listens(int fd, const char *address, int port) {
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } name;
  uint8_t wanted[sizeof(struct in6_addr)];
  int is = 0;
  socklen_t length = sizeof is, name_length = sizeof name;
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is, &length) < 0 || !is || getsockname(fd, &name.any, &name_length) < 0) return 0;
  if (name.any.sa_family != AF_INET && name.any.sa_family != AF_INET6) return 0;
  if (inet_pton(name.any.sa_family, address, wanted) != 1) return 0;
  if (name.any.sa_family == AF_INET) return ntohs(name.v4.sin_port) == port && memcmp(wanted, &name.v4.sin_addr, sizeof name.v4.sin_addr) == 0;
  return ntohs(name.v6.sin6_port) == port && memcmp(wanted, &name.v6.sin6_addr, sizeof name.v6.sin6_addr) == 0;
}

static int find(const char *pid, const char *address, int port) {
  char path[32];
  snprintf(path, sizeof path, "/proc/%d/fd", atoi(pid));
  int process = (int)syscall(SYS_pidfd_open, atoi(pid), 0), found = -1;
  DIR *folder = opendir(path);
  for (struct dirent *entry; process >= 0 && folder && found < 0 && (entry = readdir(folder));) {
    int fd = *entry->d_name == '.' ? -1 : (int)syscall(SYS_pidfd_getfd, process, atoi(entry->d_name), 0);
    if (fd >= 0 && listens(fd, address, port)) found = fd;
    else if (fd >= 0) close(fd);
    else if (*entry->d_name != '.' && errno == EPERM) break;
  }
  if (folder) closedir(folder);
  if (process >= 0) close(process);
  return found;
}

/* As Node's own processes hand each other what they listen with: a line, with the descriptor beside it, that is answered by a line. */
static int hand_on(int channel, int fd, const char *address, const char *port) {
  char line[160], answer = 0;
  union {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof fd)];
  } control = {.head = {.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
  memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
  int length = snprintf(line, sizeof line, "{\"cmd\":\"NODE_HANDLE\",\"type\":\"net.Native\",\"msg\":\"%s %s\"}\n", address, port);
  struct iovec words = {line, (size_t)length};
  struct msghdr message = {.msg_iov = &words, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room};
  if (length >= (int)sizeof line || sendmsg(channel, &message, MSG_NOSIGNAL) != length) return 0;
  while (answer != '\n' && read(channel, &answer, 1) == 1);
  return answer == '\n';
}

int main(int count, char **words) {
  const char *channel = getenv("NODE_CHANNEL_FD");
  if (channel == NULL || count < 4) return fputs("isthmus-take: it is run by a daemon\n", stderr), 2;
  int to = atoi(channel);
  fcntl(to, F_SETFL, fcntl(to, F_GETFL) & ~O_NONBLOCK);
  for (int i = 2; i + 1 < count; i += 2) {
    int fd = find(words[1], words[i], atoi(words[i + 1]));
    if (fd < 0) return fprintf(stderr, "isthmus-take: process %s does not listen on %s %s, or may not be asked\n", words[1], words[i], words[i + 1]), 1;
    /* Of two that wait for the next connection one gets it, and the other must not wait for one more. */
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    if (!hand_on(to, fd, words[i], words[i + 1])) return perror("isthmus-take"), 1;
    close(fd);
  }
  return 0;
}
