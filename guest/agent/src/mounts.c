/* What a machine is given beside its own disk: volumes, which are block devices that the host names by a serial number, and what is moved or bound into place. */
#include "agent.h"

enum { FIFREEZE = (int)0xc0045877 /* linux/fs.h */, VOLUMES_MAX = 32 };

static int volume_fds[VOLUMES_MAX + 1]; /* keep volumes reachable when their mount points no longer are; 0: not mounted */

static ssize_t read_text(const char *path, char *out, size_t cap) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = read(fd, out, cap - 1);
  close(fd);
  out[n > 0 ? n : 0] = 0;
  out[strcspn(out, "\n")] = 0;
  return n;
}

static void poke(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  (void)!write(fd, text, strlen(text));
  close(fd);
}

bool mounts_is_volume(const char *disk) {
  char path[64], serial[32];
  snprintf(path, sizeof path, "/sys/block/%s/serial", disk);
  return read_text(path, serial, sizeof serial) > 0 && strncmp(serial, "vol", 3) == 0;
}

/* In a clone the device was another one when the driver found it: it looks anew, which also forgets what was read of that. */
static bool find_volume(const char *serial, char device[16]) {
  char path[64], found[256], *id;
  for (char letter = 'b'; letter <= 'z'; letter++) {
    snprintf(path, sizeof path, "/sys/block/vd%c/serial", letter);
    if (read_text(path, found, sizeof found) <= 0 || strcmp(found, serial) != 0) continue;
    snprintf(path, sizeof path, "/sys/block/vd%c/device", letter);
    ssize_t n = readlink(path, found, sizeof found - 1);
    found[n > 0 ? n : 0] = 0;
    if (!(id = strrchr(found, '/'))) break;
    poke("/sys/bus/virtio/drivers/virtio_blk/unbind", id + 1);
    poke("/sys/bus/virtio/drivers/virtio_blk/bind", id + 1);
    snprintf(device, 16, "/dev/vd%c", letter);
    return true;
  }
  return errno = ENODEV, false;
}

static const char *mount_volume(const char *serial, const char *path, bool read_only) {
  char device[16];
  int number = strncmp(serial, "vol", 3) == 0 ? atoi(serial + 3) : VOLUMES_MAX;
  if (number < 0 || number >= VOLUMES_MAX) return errno = EINVAL, "volume";
  if (volume_fds[number] > 0) return errno = EBUSY, "volume";
  if (!find_volume(serial, device)) return "find volume";
  if (mount(device, path, "ext4", MS_NOATIME | (read_only ? MS_RDONLY : 0), read_only ? NULL : "discard") < 0) return "mount volume";
  volume_fds[number] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return NULL;
}

/* A file needs a file to be bound on. */
static const char *bind_file(const char *source, const char *path) {
  char folder[PATH_MAX_BYTES];
  snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
  if (*folder) make_folders(folder);
  close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644));
  return mount(source, path, NULL, MS_BIND, NULL) < 0 ? "bind file" : NULL;
}

const char *mounts_add(const char *type, const char *source, const char *path, bool read_only) {
  if (strcmp(type, "bind") == 0) return bind_file(source, path);
  if (make_folders(path) < 0) return errno == ENOENT ? "find the folder in the image, and make it on a read-only root" : "make mount point";
  if (strcmp(type, "ext4") == 0) return mount_volume(source, path, read_only);
  if (strcmp(type, "virtiofs") == 0) return mount(source, path, "virtiofs", read_only ? MS_RDONLY : 0, NULL) == 0 ? NULL : errno == ENODEV ? "mount folder of the host; the guest's kernel cannot, another may: isthmus kernel fetch" : "mount folder of the host";
  if (strcmp(type, "move") != 0) return errno = EINVAL, "type";
  return mount(source, path, NULL, MS_MOVE, NULL) < 0 ? "move mount" : NULL;
}

void mounts_freeze(void) {
  for (int i = 0; i < VOLUMES_MAX; i++)
    if (volume_fds[i] > 0) ioctl(volume_fds[i], FIFREEZE, 0);
}
