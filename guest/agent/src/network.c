/* The one network interface, by ioctl. */
#include "agent.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>

static bool set_address(struct sockaddr *to, const char *text) {
  struct sockaddr_in *in = (struct sockaddr_in *)to;
  in->sin_family = AF_INET;
  return inet_pton(AF_INET, text, &in->sin_addr) == 1;
}

static bool set_mac(int fd, struct ifreq *r, const char *text) {
  uint8_t *b = (uint8_t *)r->ifr_hwaddr.sa_data;
  int end = 0;
  r->ifr_hwaddr.sa_family = ARPHRD_ETHER;
  sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", b, b + 1, b + 2, b + 3, b + 4, b + 5, &end);
  return end == 17 && text[end] == 0 ? ioctl(fd, SIOCSIFHWADDR, r) == 0 : (errno = EINVAL, false);
}

static const char *configure(int fd, struct ifreq *r, const char *mac, const char *address) {
  char ip[32] = "";
  int prefix = 24;
  if (ioctl(fd, SIOCSIFFLAGS, r) < 0) return "find network device"; /* down: takes the routes of an earlier identity along */
  if (*mac && !set_mac(fd, r, mac)) return "set MAC address";
  sscanf(address, "%31[0-9.]/%d", ip, &prefix);
  if (prefix < 0 || prefix > 32 || !set_address(&r->ifr_addr, ip)) return errno = EINVAL, "network address";
  if (ioctl(fd, SIOCSIFADDR, r) < 0) return "set address";
  ((struct sockaddr_in *)&r->ifr_netmask)->sin_addr.s_addr = htonl(prefix ? UINT32_MAX << (32 - prefix) : 0);
  return ioctl(fd, SIOCSIFNETMASK, r) < 0 ? "set netmask" : NULL;
}

/* IPv6 by the same old means; nobody else has the address, so it is not asked for first. */
const char *network_up6(const char *name, const char *address, const char *gateway) {
  struct { struct in6_addr address; uint32_t prefix; int index; } a = {.prefix = 64, .index = (int)if_nametoindex(name)};
  struct { struct in6_addr to, from, by; uint32_t type; uint16_t to_len, from_len; uint32_t metric; unsigned long info; uint32_t flags; int index; } route = {
    .metric = 1024, .flags = RTF_UP | RTF_GATEWAY, .index = a.index}; /* linux/ipv6_route.h */
  char ip[64] = "";
  sscanf(address, "%63[0-9a-f:]/%u", ip, &a.prefix);
  if (inet_pton(AF_INET6, ip, &a.address) != 1 || inet_pton(AF_INET6, gateway, &route.by) != 1) return errno = EINVAL, "IPv6 address";
  int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  bool ok = fd >= 0 && (ioctl(fd, SIOCSIFADDR, &a) == 0 || errno == EEXIST) && (ioctl(fd, SIOCADDRT, &route) == 0 || errno == EEXIST);
  close(fd);
  return ok ? NULL : "set IPv6 address";
}

const char *network_up(const char *name, const char *mac, const char *address, const char *gateway) {
  struct ifreq r = {0};
  struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY, .rt_dst.sa_family = AF_INET, .rt_genmask.sa_family = AF_INET};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  strncpy(r.ifr_name, name, IFNAMSIZ - 1);
  const char *failed = *address ? configure(fd, &r, mac, address) : *mac && !set_mac(fd, &r, mac) ? "set MAC address" : NULL;
  static const char *const settings[] = {"accept_dad", "accept_ra"}; /* addresses are given, and nobody else's */
  for (int i = 0; i < 2 && *address; i++) {
    char path[64];
    snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/%s", name, settings[i]);
    int setting = open(path, O_WRONLY | O_CLOEXEC);
    (void)!write(setting, "0", 1);
    close(setting);
  }
  r.ifr_flags = IFF_UP | IFF_RUNNING;
  if (!failed && ioctl(fd, SIOCSIFFLAGS, &r) < 0) failed = "bring network up";
  if (!failed && *gateway && (!set_address(&route.rt_gateway, gateway) || ioctl(fd, SIOCADDRT, &route) < 0)) failed = "set gateway";
  close(fd);
  return failed;
}
