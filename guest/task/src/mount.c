#include "mount.h"
#include "fail.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static void make_folders(const char *path) {
  char part[PATH_MAX];
  for (const char *p = path; (p = strchr(p + 1, '/'));) {
    snprintf(part, sizeof part, "%.*s", (int)(p - path), path);
    mkdir(part, 0755);
  }
  if (mkdir(path, 0755) == 0 || errno == EEXIST) return;
  task_fail("io_error", "%s: %s", errno == EROFS ? "find the folder in the image, and make it on a read-only root" : "make mount point", strerror(errno));
}

static void poke(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  task_check(fd >= 0 && write(fd, text, strlen(text)) > 0, path);
  close(fd);
}

static ssize_t read_line(const char *path, char *out, size_t cap) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = read(fd, out, cap - 1);
  close(fd);
  out[n > 0 ? n : 0] = 0;
  out[strcspn(out, "\n")] = 0;
  return n;
}

/* In a clone the device was another one when the driver found it: it looks anew, which also forgets what was read of that. */
static void look_anew(char letter) {
  char path[64], found[PATH_MAX];
  snprintf(path, sizeof path, "/dev/vd%c", letter);
  int unused = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
  task_check(unused >= 0, "volume"); /* EBUSY: it is mounted */
  close(unused);
  snprintf(path, sizeof path, "/sys/block/vd%c/device", letter);
  ssize_t n = readlink(path, found, sizeof found - 1);
  found[n > 0 ? n : 0] = 0;
  const char *id = strrchr(found, '/');
  task_check(id != NULL, "find volume");
  poke("/sys/bus/virtio/drivers/virtio_blk/unbind", id + 1);
  poke("/sys/bus/virtio/drivers/virtio_blk/bind", id + 1);
}

static void mount_volume(const char *serial, const char *path, bool read_only) {
  char device[32], found[64];
  for (char letter = 'b'; letter <= 'z'; letter++) {
    snprintf(device, sizeof device, "/sys/block/vd%c/serial", letter);
    if (read_line(device, found, sizeof found) <= 0 || strcmp(found, serial) != 0) continue;
    look_anew(letter);
    snprintf(device, sizeof device, "/dev/vd%c", letter);
    return task_check(mount(device, path, "ext4", MS_NOATIME | (read_only ? MS_RDONLY : 0), read_only ? NULL : "discard") == 0, "mount volume");
  }
  task_fail("io_error", "find volume: none has the serial number %s", serial);
}

static void mount_share(const char *tag, const char *path, bool read_only) {
  if (mount(tag, path, "virtiofs", read_only ? MS_RDONLY : 0, NULL) == 0) return;
  const char *remedy = errno == ENODEV ? "; the guest's kernel cannot, another may: isthmus kernel fetch" : "";
  task_fail("io_error", "mount folder of the host%s: %s", remedy, strerror(errno));
}

/* A file needs a file to be bound on. */
static void bind_file(const char *source, const char *path) {
  char folder[PATH_MAX];
  snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
  if (*folder) make_folders(folder);
  close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644));
  task_check(mount(source, path, NULL, MS_BIND, NULL) == 0, "bind file");
}

void mount_add(const char *path, const char *type, const char *source, bool read_only) {
  umask(022);
  if (strcmp(type, "bind") == 0) return bind_file(source, path);
  make_folders(path);
  if (strcmp(type, "ext4") == 0) mount_volume(source, path, read_only);
  else if (strcmp(type, "virtiofs") == 0) mount_share(source, path, read_only);
  else if (strcmp(type, "tmpfs") == 0) task_check(mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, source) == 0, "mount tmpfs");
  else if (strcmp(type, "move") == 0) task_check(mount(source, path, NULL, MS_MOVE, NULL) == 0, "move mount");
  else task_fail("io_error", "type: no such mount as %s", type);
}
