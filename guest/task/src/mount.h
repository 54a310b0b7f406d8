/* What a machine is given beside its own disk. */
#pragma once
#include <stdbool.h>

/* Mounts on `path`, which is made: "ext4" the block device with the serial number `source`, "virtiofs" the folder of the host with that tag, "tmpfs" with
 * those options, "bind" that file, "move" what is mounted on that folder. */
void mount_add(const char *path, const char *type, const char *source, bool read_only);
