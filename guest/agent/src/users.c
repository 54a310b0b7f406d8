/* Users and groups from the guest's own /etc. Not getpwnam: musl would ask a name service daemon that the workload may pose as. */
#include "agent.h"
#include <grp.h>
#include <pwd.h>

static bool number(const char *text, uint32_t *out) {
  char *end;
  unsigned long n = strtoul(text, &end, 10);
  *out = (uint32_t)n;
  return isdigit((unsigned char)*text) && *end == 0 && n < UINT32_MAX;
}

static FILE *open_regular(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISREG(st.st_mode) ? fopen(path, "re") : NULL;
}

static bool find_group(const char *name, gid_t *gid) {
  struct group *g = NULL;
  FILE *file = open_regular("/etc/group");
  while (file && (g = fgetgrent(file)) && strcmp(g->gr_name, name) != 0);
  if (g) *gid = g->gr_gid;
  if (file) fclose(file);
  return g || number(name, gid);
}

static void add_memberships(const char *user, struct identity *who) {
  FILE *file = open_regular("/etc/group");
  for (struct group *g; file && (g = fgetgrent(file));)
    for (char **member = g->gr_mem; *member; member++)
      if (strcmp(*member, user) == 0 && who->group_count < sizeof who->groups / sizeof *who->groups) who->groups[who->group_count++] = g->gr_gid;
  if (file) fclose(file);
}

bool identity_find(const char *user, struct identity *who) {
  char text[256], *group = text, *name;
  struct passwd *p = NULL;
  uint32_t uid = 0;
  snprintf(text, sizeof text, "%s", user);
  name = strsep(&group, ":");
  if (!*name) name = "0";
  bool numeric = number(name, &uid), grouped = group && *group;
  FILE *file = open_regular("/etc/passwd");
  while (file && (p = fgetpwent(file)) && strcmp(p->pw_name, name) != 0 && !(numeric && p->pw_uid == uid));
  if (file) fclose(file);
  *who = (struct identity){.uid = p ? p->pw_uid : uid, .gid = p ? p->pw_gid : 0};
  snprintf(who->home, sizeof who->home, "%s", p ? p->pw_dir : uid == 0 ? "/root" : "/");
  if (p && !grouped) add_memberships(p->pw_name, who);
  return (p || numeric || strcmp(name, "root") == 0) && (!grouped || find_group(group, &who->gid));
}
