/* Unpacks a tar archive from standard input into a folder, and never outside of it: every parent folder is opened by the kernel with the
 * target as root (openat2, RESOLVE_IN_ROOT), and the last part of a name is never followed. */
#include "tar.h"
#include <sys/syscall.h>

enum { RESOLVE_NO_MAGICLINKS = 2, RESOLVE_IN_ROOT = 16, SYS_OPENAT2 = 437 };

static int root_fd = -1;
static bool filling; /* the target becomes what the archive has for its root: owner and mode too */
static struct { char *name; int64_t mtime; } *folders; /* they get their time last: what is put into them changes it */
static size_t folder_count;

/* Bytes read: fewer than `len` only at the end of the input. */
static size_t read_full(void *to, size_t len) {
  size_t have = 0;
  for (ssize_t n = 1; have < len && n > 0; have += (size_t)n) task_check((n = read(STDIN_FILENO, (char *)to + have, len - have)) >= 0, "archive");
  return have;
}

static int open_folder(const char *path) {
  struct { uint64_t flags, mode, resolve; } how = {O_PATH | O_DIRECTORY | O_CLOEXEC, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
  return (int)syscall(SYS_OPENAT2, root_fd, *path ? path : ".", &how, sizeof how);
}

/* The folder that `name` is in, made where missing; `base` is its last part. */
static int open_parent(char *name, const char **base) {
  char *slash = strrchr(name, '/');
  const char *last;
  *base = slash ? slash + 1 : name;
  if (!slash) return open_folder("");
  *slash = 0;
  int fd = open_folder(name);
  if (fd < 0 && errno == ENOENT) {
    int above = open_parent(name, &last);
    if (mkdirat(above, last, 0755) == 0 || errno == EEXIST) fd = open_folder(name);
    close(above);
  }
  task_check(fd >= 0, name);
  *slash = '/';
  return fd;
}

static void set_time(int parent, const char *base, int64_t mtime) {
  struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = mtime}};
  utimensat(parent, base, times, AT_SYMLINK_NOFOLLOW);
}

static void copy_data(int to, int64_t size) {
  static char buf[TAR_COPY_BYTES];
  for (int64_t padded = (size + TAR_BLOCK_BYTES - 1) & -TAR_BLOCK_BYTES; padded > 0;) {
    size_t want = padded < (int64_t)sizeof buf ? (size_t)padded : sizeof buf, data = size < (int64_t)want ? (size_t)size : want;
    if (read_full(buf, want) != want) task_fail("bad_archive", "it ends within a file");
    for (ssize_t n, at = 0; to >= 0 && at < (ssize_t)data; at += n) task_check((n = write(to, buf + at, data - (size_t)at)) >= 0, "write");
    size -= (int64_t)data;
    padded -= (int64_t)want;
  }
}

/* Frees the place; false when the folder that is wanted there exists, if by way of a link (such as /lib -> usr/lib: it stays). */
static bool make_way(int parent, const char *base, const struct tar_entry *e) {
  struct stat st;
  if (fstatat(parent, base, &st, AT_SYMLINK_NOFOLLOW) < 0) return true;
  int there = e->type == '5' && !S_ISREG(st.st_mode) ? open_folder(e->name) : -1;
  if (there < 0) task_check(unlinkat(parent, base, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) == 0, e->name);
  else close(there);
  return there < 0;
}

static int make_node(int parent, const char *base, struct tar_entry *e) {
  mode_t kind = e->type == '3' ? S_IFCHR : e->type == '4' ? S_IFBLK : S_IFIFO;
  switch (e->type) {
  case '2': return symlinkat(e->link, parent, base);
  case '3': case '4': case '6': return mknodat(parent, base, kind | e->mode, makedev(e->major, e->minor));
  case '5': return mkdirat(parent, base, 0700);
  default: return openat(parent, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  }
}

static void put_link(int parent, const char *base, struct tar_entry *e) {
  const char *target;
  if (!tar_normal(e->link) || !*e->link) task_fail("bad_archive", "hard link outside of it: %s", e->name);
  int from = open_parent(e->link, &target);
  task_check(linkat(from, target, parent, base, 0) == 0, e->name);
  close(from);
}

static void put_entry(struct tar_entry *e) {
  const char *base;
  bool file = e->type == 0 || e->type == '0' || e->type == '7';
  if (!file && !strchr("123456", e->type)) task_fail("bad_archive", "entry type '%c' is not known: %s", e->type, e->name);
  if (file && *e->name && e->name[strlen(e->name) - 1] == '/') e->type = '5'; /* as before ustar */
  if (!tar_normal(e->name)) task_fail("bad_archive", "a name with '..': %s", e->name);
  if (!*e->name) { /* the target folder itself */
    if (filling && e->type == '5') task_check(fchown(root_fd, e->uid, e->gid) == 0 && fchmod(root_fd, e->mode) == 0, ".");
    return copy_data(-1, file ? e->size : 0);
  }
  int parent = open_parent(e->name, &base), fd = -1;
  bool fresh = make_way(parent, base, e);
  if (e->type == '1') put_link(parent, base, e);
  else if (fresh) task_check((fd = make_node(parent, base, e)) >= 0, e->name);
  if (e->type == '5') fd = openat(parent, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  else if (file) copy_data(fd, e->size);
  if (e->type != '1' && (fresh || fd >= 0)) {
    task_check(fchownat(parent, base, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) == 0, e->name);
    if (file || e->type == '5') task_check(fchmod(fd, e->mode) == 0, e->name);
    set_time(parent, base, e->mtime);
  }
  if (e->type == '5' && fd >= 0 && folder_count < TAR_FOLDERS_MAX) {
    if (folder_count % 64 == 0) task_check((folders = realloc(folders, (folder_count + 64) * sizeof *folders)) != NULL, e->name);
    folders[folder_count].mtime = e->mtime;
    folders[folder_count++].name = strdup(e->name);
  }
  if (file || e->type == '5') close(fd);
  close(parent);
}

/* The body of an extension header: pax records, or a GNU long name. */
static void extend(struct tar_entry *e, int64_t size) {
  static char body[TAR_EXTENSION_MAX_BYTES + TAR_BLOCK_BYTES];
  size_t padded = ((size_t)size + TAR_BLOCK_BYTES - 1) & -(size_t)TAR_BLOCK_BYTES;
  if (size > TAR_EXTENSION_MAX_BYTES || read_full(body, padded) != padded) task_fail("bad_archive", "an extension header is cut off or too long");
  body[size] = 0;
  bool ok = e->type == 'x' ? tar_pax(body, (size_t)size, e) : e->type == 'g' || strlen(body) < sizeof e->name;
  if (!ok) task_fail("bad_archive", "malformed extension header");
  if (e->type == 'L' || e->type == 'K') strcpy(e->type == 'L' ? e->name : e->link, body);
}

void tar_put(const char *path, bool fill) {
  filling = fill;
  static struct tar_entry e, header;
  static uint8_t block[TAR_BLOCK_BYTES], rest[4096];
  const char *base;
  task_check((root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0, path);
  for (size_t n; (n = read_full(block, sizeof block)) > 0;) {
    header = e;
    int found = n == sizeof block ? tar_parse(block, &header) : -1;
    if (found < 0) task_fail("bad_archive", "malformed header");
    if (found == 0) break;
    e.type = header.type;
    if (e.type && strchr("xgLK", e.type)) {
      extend(&e, header.size);
      continue;
    }
    put_entry(&header);
    memset(&e, 0, sizeof e);
  }
  while (read_full(rest, sizeof rest) == sizeof rest); /* padding behind the end */
  for (size_t i = folder_count; i-- > 0;) {
    int parent = open_parent(folders[i].name, &base);
    set_time(parent, base, folders[i].mtime);
    close(parent);
  }
}
