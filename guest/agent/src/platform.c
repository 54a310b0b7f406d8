/* The guest: from initramfs to the machine's own root, the two ports, and power-off. */
#include "agent.h"
#include <sys/reboot.h>

enum { FIFREEZE = (int)0xc0045877 /* linux/fs.h */, DEVICE_WAIT_MS = 5000, FREEZE_WAIT_MS = 1000, HIDDEN = MS_NOSUID | MS_NODEV | MS_NOEXEC };

static int task_fd = -1, group_fd = -1;

static void complain(const char *what, const char *about) {
  int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
  dprintf(fd, "<3>isthmus-agent: %s %s: %s\n", what, about, strerror(errno));
  close(fd);
}

int platform_task_program(void) { return task_fd; }
int platform_group(void) { return group_fd; }

void platform_kill_all(void) { kill(-1, SIGKILL); } /* everything but PID 1 */

/* A clean journal even where something still writes, which no unmount can promise; mounted once more, where nothing hides it. */
static void freeze_disks(void) {
  char disk[] = "/dev/vdb";
  for (mkdir("/dev/.isthmus", 0755); disk[7] <= 'z'; disk[7]++)
    if (mount(disk, "/dev/.isthmus", "ext4", 0, NULL) == 0) ioctl(open("/dev/.isthmus", O_RDONLY | O_CLOEXEC), FIFREEZE, 0);
}

_Noreturn void platform_power_off(void) {
  sync();
  freeze_disks();
  reboot(RB_POWER_OFF);
  reboot(RB_AUTOBOOT); /* the VMM runs with -no-reboot: a kernel that cannot power off ends it this way */
  for (;;) pause();
}

static _Noreturn void fatal(const char *what) { complain("fatal:", what), platform_power_off(); }

static void mount_at(const char *type, const char *path, unsigned long flags, const char *options) {
  mkdir(path, 0755);
  if (mount(type, path, type, flags, options) < 0) complain("mount", path);
}

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); }

const char *platform_freeze(bool on) {
  char events[64] = "";
  int state = openat(group_fd, "cgroup.freeze", O_WRONLY | O_CLOEXEC), told = openat(group_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
  bool written = write(state, on ? "1" : "0", 1) == 1;
  for (int i = 0; written && on && i < FREEZE_WAIT_MS && !strstr(events, "frozen 1"); i++)
    nap(), (void)!pread(told, events, sizeof events - 1, 0);
  bool done = written && (!on || strstr(events, "frozen 1")), undo = written && !done;
  if (undo) (void)!write(state, "0", 1), errno = EBUSY;
  return close(state), close(told), done ? NULL : on ? "freeze" : "thaw";
}

/* Each file is unlinked when loaded: the initramfs is memory. */
static void load_modules(void) {
  char path[160] = "/modules/";
  FILE *order = fopen("/modules/order", "re");
  while (order && fgets(path + 9, sizeof path - 9, order)) {
    path[strcspn(path, "\n")] = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (path[9] && syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST) complain("module", path);
    close(fd), unlink(path);
  }
  if (order) fclose(order);
}

static bool mount_rootfs(void) {
  for (int i = 0; access("/dev/vda", F_OK) < 0 && i < DEVICE_WAIT_MS; i++) nap();
  mkdir("/lower", 0755);
  return mount("/dev/vda", "/lower", "squashfs", MS_RDONLY, NULL) == 0 || mount("/dev/vda", "/lower", "erofs", MS_RDONLY, NULL) == 0;
}

/* The kernel looked for partitions when it found the disk; in a clone that was another disk, so what it read is forgotten first. */
static bool mount_disk(void) {
  struct stat st;
  int device = open("/dev/vdb", O_RDONLY | O_CLOEXEC);
  ioctl(device, BLKFLSBUF);
  close(device);
  mkdir("/disk", 0755), mkdir("/root", 0755);
  if (mount("/dev/vdb", "/disk", "ext4", MS_NOATIME, NULL) < 0) return false;
  if (mkdir("/disk/upper", 0755) == 0 && stat("/lower", &st) == 0) /* the root of an overlay is its upper one: it has the image's mode and owner */
    (void)!chown("/disk/upper", st.st_uid, st.st_gid), chmod("/disk/upper", st.st_mode & 07777);
  mkdir("/disk/work", 0755);
  return mount("overlay", "/root", "overlay", 0, "lowerdir=/lower,upperdir=/disk/upper,workdir=/disk/work") == 0;
}

static bool read_line(const char *path, char *out, size_t cap) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = read(fd, out, cap - 1);
  close(fd);
  out[n > 0 ? n : 0] = 0;
  out[strcspn(out, "\n")] = 0;
  return n > 0;
}

/* Volumes have a serial number. */
static bool has_disk(void) {
  char serial[32];
  return access("/dev/vdb", F_OK) == 0 && !(read_line("/sys/block/vdb/serial", serial, sizeof serial) && strncmp(serial, "vol", 3) == 0);
}

const char *platform_enter(void) {
  static const char *const moved[] = {"/dev", "/proc", "/sys"}, *const scratch[] = {"/tmp", "/run", "/var/tmp"};
  bool writable = has_disk();
  char target[16];
  if (writable && !mount_disk()) return "mount writable disk";
  if (chdir(writable ? "/root" : "/lower") < 0) return "find root";
  for (int i = 0; i < 3; i++) {
    snprintf(target, sizeof target, ".%s", moved[i]);
    mkdir(target, 0755);
    if (mount(moved[i], target, NULL, MS_MOVE, NULL) < 0) return "move into root";
  }
  if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0) return "enter root";
  for (int i = 0; i < 3 && !writable; i++)
    if (access(scratch[i], F_OK) == 0) mount_at("tmpfs", scratch[i], MS_NOSUID | MS_NODEV, i == 1 ? "mode=755" : "mode=1777");
  return NULL;
}

/* All that a clone would have to do again if it were not done before the greeting. */
static void prepare(void) {
  static const char *const links[][2] = {{"", "/dev/fd"}, {"/0", "/dev/stdin"}, {"/1", "/dev/stdout"}, {"/2", "/dev/stderr"}};
  char target[32];
  mount_at("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=620,gid=5,ptmxmode=666");
  mount_at("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
  mount_at("cgroup2", "/sys/fs/cgroup", HIDDEN, NULL);
  if (mkdir("/sys/fs/cgroup/isthmus", 0755) == 0) group_fd = open("/sys/fs/cgroup/isthmus", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (int i = 0; i < 4; i++) {
    snprintf(target, sizeof target, "/proc/self/fd%s", links[i][0]);
    (void)!symlink(target, links[i][1]);
  }
  network_up("lo", "", "", "");
}

static int open_port(const char *wanted) {
  char path[300], name[64];
  int fd = -1;
  DIR *ports = opendir("/sys/class/virtio-ports");
  for (struct dirent *e; ports && fd < 0 && (e = readdir(ports));) {
    snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", e->d_name);
    if (!read_line(path, name, sizeof name) || strcmp(name, wanted) != 0) continue;
    snprintf(path, sizeof path, "/dev/%s", e->d_name);
    fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  }
  if (ports) closedir(ports);
  return fd;
}

void platform_boot(void) {
  int fd, agent = -1, output = -1;
  if (getpid() != 1) exit(2);
  mount_at("devtmpfs", "/dev", MS_NOSUID, "mode=755");
  mount_at("proc", "/proc", HIDDEN, NULL);
  mount_at("sysfs", "/sys", HIDDEN, NULL);
  while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR); /* no other file may take the standard numbers */
  close(fd), umask(022);
  task_fd = open("/task", O_RDONLY | O_CLOEXEC), unlink("/task"), unlink("/init"); /* the initramfs is out of reach later */
  load_modules();
  if (!mount_rootfs()) fatal("mount root");
  prepare();
  for (int i = 0; (agent < 0 || output < 0) && i < DEVICE_WAIT_MS; i++) {
    if (i > 0) nap(); /* the driver learns the names of ports some time after the ports */
    if (agent < 0) agent = open_port("isthmus.agent");
    if (output < 0) output = open_port("isthmus.output");
  }
  if (agent < 0) fatal("find the agent port");
  output_open(output);
  session_attach(agent);
}
