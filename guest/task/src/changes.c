#include "changes.h"
#include "fail.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { DEPTH_MAX = 256 };

static char path[PATH_MAX]; /* of the entry at hand, in the machine */
static int lower_root;

static bool in_lower(struct stat *st) { return fstatat(lower_root, path + 1, st, AT_SYMLINK_NOFOLLOW) == 0; }
static void change(char kind) { printf("%c%s%c", kind, path, 0); }
static bool special(const char *entry) { return strcmp(entry, ".") == 0 || strcmp(entry, "..") == 0; }

/* A folder that was removed and made again hides all that the image has in it. */
static void gone_from(int upper) {
  struct stat st;
  size_t len = strlen(path);
  int fd = openat(lower_root, path + 1, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *dir = fd < 0 ? NULL : fdopendir(fd);
  for (struct dirent *e; dir && (e = readdir(dir));) {
    if (special(e->d_name) || fstatat(upper, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) continue;
    if (snprintf(path + len, sizeof path - len, "/%s", e->d_name) < (int)(sizeof path - len)) change('D');
    path[len] = 0;
  }
  if (dir) closedir(dir);
}

/* Overlay's marks: a removed name is a device 0/0, and of a folder that hides the image's the attribute is "y" (Documentation/filesystems/overlayfs.rst). */
static void compare(int folder, bool known, int depth) {
  size_t len = strlen(path);
  struct stat st, was;
  char mark[2] = {0};
  DIR *dir = fdopendir(folder);
  if (!dir || depth == DEPTH_MAX) task_fail("io_error", "%s: folders are nested too deep", path);
  if (known && (fgetxattr(folder, "trusted.overlay.opaque", mark, sizeof mark) > 0 || fgetxattr(folder, "user.overlay.opaque", mark, sizeof mark) > 0) && *mark == 'y') gone_from(folder);
  for (struct dirent *e; (e = readdir(dir));) {
    if (special(e->d_name) || fstatat(folder, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) continue;
    if (snprintf(path + len, sizeof path - len, "/%s", e->d_name) >= (int)(sizeof path - len)) task_fail("io_error", "%s: path too long", path);
    bool there = known && in_lower(&was);
    if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0)) {
      if (there) change('D');
    } else {
      change(there ? 'C' : 'A');
      if (S_ISDIR(st.st_mode)) {
        int fd = openat(folder, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) task_fail("io_error", "%s: %s", path, strerror(errno));
        compare(fd, there && S_ISDIR(was.st_mode), depth + 1);
      }
    }
    path[len] = 0;
  }
  closedir(dir);
}

void changes_between(const char *upper, const char *lower) {
  int fd = open(upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  lower_root = open(lower, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  task_check(fd >= 0 && lower_root >= 0, "layers");
  compare(fd, true, 0);
}

/* Beneath the machine's root, which covers them, lie the disk and the image: they are mounted once more, where this process alone sees it. */
void changes_print(void) {
  char serial[8] = "";
  int fd = open("/sys/block/vdb/serial", O_RDONLY | O_CLOEXEC);
  bool volume = read(fd, serial, sizeof serial - 1) > 0 && strncmp(serial, "vol", 3) == 0;
  close(fd);
  if (volume || access("/dev/vdb", F_OK) < 0) return; /* a read-only root has no disk */
  task_check(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "mount namespace");
  task_check(mount("/dev/vdb", "/proc", "ext4", MS_NOATIME, NULL) == 0, "mount disk");
  if (mount("/dev/vda", "/sys", "squashfs", MS_RDONLY, NULL) < 0) task_check(mount("/dev/vda", "/sys", "erofs", MS_RDONLY, NULL) == 0, "mount image");
  changes_between("/proc/upper", "/sys");
}
