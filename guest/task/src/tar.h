/* Tar archives between standard streams and a folder: ustar, with the pax and GNU extensions that long names need. tar_put and tar_get end the
 * process by task_fail when they fail. */
#pragma once
#include "fail.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { /* limits */
  TAR_BLOCK_BYTES = 512, TAR_COPY_BYTES = 65536, TAR_PATH_MAX_BYTES = 4096, TAR_EXTENSION_MAX_BYTES = 65536,
  TAR_DEPTH_MAX = 256, TAR_LINKS_MAX = 65536, TAR_FOLDERS_MAX = 65536,
};

struct tar_entry {
  char name[TAR_PATH_MAX_BYTES], link[TAR_PATH_MAX_BYTES], type;
  int64_t size, mtime;
  uint32_t mode, uid, gid, major, minor;
  bool has_size, has_mtime; /* an extension header gave them, which outranks the entry's own */
};

/* 1: an entry; 0: a block of zeros; -1: malformed. What an extension header set already stays. */
int tar_parse(const uint8_t block[TAR_BLOCK_BYTES], struct tar_entry *e);
/* Takes pax records from `text`, which ends with a NUL at `len`; false when malformed. */
bool tar_pax(const char *text, size_t len, struct tar_entry *e);
/* To "a/b/c", "" for the folder itself; false when the name holds "..". */
bool tar_normal(char *name);

/* Unpacks standard input into the folder `path`, never outside of it. */
void tar_put(const char *path, bool fill); /* fill: the folder gets owner and mode of the root of the archive */
/* Packs `path` onto standard output; names are relative to its parent. */
void tar_get(const char *path);
