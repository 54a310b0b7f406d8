/* Packs a file or folder as a tar archive onto standard output. */
#include "tar.h"

static struct { dev_t dev; ino_t ino; char *name; } *linked; /* files with several names that were packed already */
static size_t linked_count;
static char name[TAR_PATH_MAX_BYTES + 2]; /* of the entry at hand */
static const char zeros[2 * TAR_BLOCK_BYTES];

static void emit(const void *data, size_t len) {
  for (ssize_t n, at = 0; at < (ssize_t)len; at += n)
    if ((n = write(STDOUT_FILENO, (const char *)data + at, len - (size_t)at)) < 0) task_fail("io_error", "output: %s", strerror(errno));
}

static void pad(int64_t size) { emit(zeros, (size_t)(-size & (TAR_BLOCK_BYTES - 1))); }

static void octal(char *to, int digits, uint64_t n) { snprintf(to, (size_t)digits + 1, "%0*llo", digits, (unsigned long long)n & ((1ull << 3 * digits) - 1)); }

static void header(const char *entry, const char *link, char type, int64_t size, const struct stat *st) {
  char block[TAR_BLOCK_BYTES + 1] = {0};
  uint64_t sum = 8 * ' ';
  memcpy(block, entry, strnlen(entry, 100));
  octal(block + 100, 7, st->st_mode & 07777);
  octal(block + 108, 7, st->st_uid);
  octal(block + 116, 7, st->st_gid);
  octal(block + 124, 11, (uint64_t)size);
  octal(block + 136, 11, st->st_mtime < 0 ? 0 : (uint64_t)st->st_mtime);
  block[156] = type;
  memcpy(block + 157, link, strnlen(link, 100));
  memcpy(block + 257, "ustar\0" "00", 8);
  octal(block + 329, 7, type == '3' || type == '4' ? major(st->st_rdev) : 0);
  octal(block + 337, 7, type == '3' || type == '4' ? minor(st->st_rdev) : 0);
  for (int i = 0; i < TAR_BLOCK_BYTES; i++) sum += (unsigned char)block[i];
  octal(block + 148, 6, sum);
  block[155] = ' ';
  emit(block, TAR_BLOCK_BYTES);
}

/* "LEN key=value\n", where LEN counts itself. */
static size_t pax_record(char *out, size_t cap, const char *key, const char *value) {
  int body = (int)(strlen(key) + strlen(value)) + 3, len = body + 1;
  while (len != body + snprintf(NULL, 0, "%d", len)) len++;
  return (size_t)snprintf(out, cap, "%d %s=%s\n", len, key, value);
}

static void put_header(const char *link, char type, int64_t size, const struct stat *st) {
  static char pax[2 * TAR_PATH_MAX_BYTES + 256];
  char number[24];
  size_t used = 0;
  snprintf(number, sizeof number, "%lld", (long long)size);
  if (strlen(name) > 100) used += pax_record(pax + used, sizeof pax - used, "path", name);
  if (strlen(link) > 100) used += pax_record(pax + used, sizeof pax - used, "linkpath", link);
  if (size > 077777777777) used += pax_record(pax + used, sizeof pax - used, "size", number);
  if (used > 0) {
    header("pax", "", 'x', (int64_t)used, st);
    emit(pax, used);
    pad((int64_t)used);
  }
  header(name, link, type, size, st);
}

/* The name under which this file was packed before; else NULL, and it is remembered. */
static const char *known_link(const struct stat *st) {
  for (size_t i = 0; i < linked_count; i++)
    if (linked[i].ino == st->st_ino && linked[i].dev == st->st_dev) return linked[i].name;
  if (linked_count == TAR_LINKS_MAX) return NULL;
  if (linked_count % 64 == 0 && !(linked = realloc(linked, (linked_count + 64) * sizeof *linked))) task_fail("io_error", "out of memory");
  linked[linked_count].dev = st->st_dev;
  linked[linked_count].ino = st->st_ino;
  linked[linked_count++].name = strdup(name);
  return NULL;
}

/* A file that grows or shrinks meanwhile still fills exactly what its header promised. */
static void get_file(int fd, const struct stat *st) {
  static char buf[TAR_COPY_BYTES];
  put_header("", '0', st->st_size, st);
  for (int64_t left = st->st_size; left > 0;) {
    size_t want = left < (int64_t)sizeof buf ? (size_t)left : sizeof buf;
    ssize_t n = read(fd, buf, want);
    if (n < 0) task_fail("io_error", "%s: %s", name, strerror(errno));
    if (n == 0) memset(buf, 0, (size_t)(n = (ssize_t)want));
    emit(buf, (size_t)n);
    left -= n;
  }
  pad(st->st_size);
  close(fd);
}

static void get_entry(int parent, const char *base, dev_t dev, int depth);

static void get_folder(int fd, const struct stat *st, dev_t dev, int depth) {
  size_t len = strlen(name);
  DIR *dir = fdopendir(fd);
  strcpy(name + len, "/");
  put_header("", '5', 0, st);
  if (!dir || depth == TAR_DEPTH_MAX) task_fail("io_error", "%s: folders are nested too deep", name);
  for (struct dirent *e; st->st_dev == dev && (e = readdir(dir));) { /* of another file system (/proc, /sys) only the mount point */
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
    if (len + 1 + strlen(e->d_name) >= TAR_PATH_MAX_BYTES) task_fail("io_error", "%s: path too long", name);
    strcpy(name + len + 1, e->d_name);
    get_entry(dirfd(dir), e->d_name, dev, depth + 1);
  }
  closedir(dir);
}

static void get_entry(int parent, const char *base, dev_t dev, int depth) {
  static char target[TAR_PATH_MAX_BYTES];
  struct stat st;
  if (fstatat(parent, base, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISSOCK(st.st_mode)) return; /* gone meanwhile; tar knows no sockets */
  const char *first = S_ISDIR(st.st_mode) || st.st_nlink < 2 ? NULL : known_link(&st);
  if (first) return put_header(first, '1', 0, &st);
  if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
    int fd = openat(parent, base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) task_fail("io_error", "%s: %s", name, strerror(errno));
    return S_ISDIR(st.st_mode) ? get_folder(fd, &st, dev ? dev : st.st_dev, depth) : get_file(fd, &st);
  }
  ssize_t n = readlinkat(parent, base, target, sizeof target - 1);
  target[n > 0 ? n : 0] = 0;
  put_header(target, S_ISLNK(st.st_mode) ? '2' : S_ISCHR(st.st_mode) ? '3' : S_ISBLK(st.st_mode) ? '4' : '6', 0, &st);
}

void tar_get(const char *path) {
  char folder[TAR_PATH_MAX_BYTES], base[TAR_PATH_MAX_BYTES];
  size_t len = strlen(path);
  while (len > 1 && path[len - 1] == '/') len--;
  size_t start = len;
  while (start > 0 && path[start - 1] != '/') start--;
  snprintf(folder, sizeof folder, "%.*s", (int)start, path);
  snprintf(base, sizeof base, "%.*s", (int)(len - start), path + start);
  strcpy(name, *base ? base : "."); /* the root itself */
  int parent = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (parent < 0) task_fail("io_error", "%s: %s", folder, strerror(errno));
  get_entry(parent, name[0] == '.' && !*base ? "." : base, 0, 0);
  emit(zeros, sizeof zeros);
}
