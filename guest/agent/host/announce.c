/* isthmus-announce INTERFACE (MAC ADDRESS)...: tells all on a network whose these addresses are from now on, in the machines' own words: a gratuitous ARP request (RFC 5227, 3) or an unsolicited
 * neighbour advertisement (RFC 4861, 7.2.6) each. Machines that remember another one by an address would send to it until they doubt it, half a minute and longer. */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip6.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct arp_frame {
  struct ether_header ether;
  struct ether_arp arp;
} __attribute__((packed));

struct advert_frame {
  struct ether_header ether;
  struct ip6_hdr ip;
  struct nd_neighbor_advert advert;
  struct nd_opt_hdr option;
  uint8_t mac[ETH_ALEN];
} __attribute__((packed));

enum { ADVERT_BYTES = sizeof(struct nd_neighbor_advert) + sizeof(struct nd_opt_hdr) + ETH_ALEN, HOPS = 255 };

static int parse_mac(const char *text, uint8_t *b) {
  int end = 0;
  sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", b, b + 1, b + 2, b + 3, b + 4, b + 5, &end);
  return end == 17 && text[end] == '\0';
}

static uint32_t sum(const void *bytes, size_t length) {
  uint32_t total = 0;
  for (const uint8_t *b = bytes; length > 1; b += 2, length -= 2) total += (uint32_t)b[0] << 8 | b[1];
  return total;
}

static size_t arp(struct arp_frame *f, const uint8_t *mac, const struct in_addr *address) {
  memset(f->ether.ether_dhost, 0xff, ETH_ALEN);
  f->ether.ether_type = htons(ETHERTYPE_ARP);
  f->arp.ea_hdr = (struct arphdr){htons(ARPHRD_ETHER), htons(ETHERTYPE_IP), ETH_ALEN, sizeof *address, htons(ARPOP_REQUEST)};
  memcpy(f->arp.arp_sha, mac, ETH_ALEN);
  memcpy(f->arp.arp_spa, address, sizeof *address);
  memcpy(f->arp.arp_tpa, address, sizeof *address);
  return sizeof *f;
}

static size_t advert(struct advert_frame *f, const uint8_t *mac, const struct in6_addr *address) {
  memcpy(f->ether.ether_dhost, (uint8_t[]){0x33, 0x33, 0, 0, 0, 1}, ETH_ALEN);
  f->ether.ether_type = htons(ETHERTYPE_IPV6);
  f->ip.ip6_flow = htonl(6u << 28);
  f->ip.ip6_plen = htons(ADVERT_BYTES);
  f->ip.ip6_nxt = IPPROTO_ICMPV6;
  f->ip.ip6_hlim = HOPS;
  f->ip.ip6_src = *address;
  inet_pton(AF_INET6, "ff02::1", &f->ip.ip6_dst);
  f->advert.nd_na_type = ND_NEIGHBOR_ADVERT;
  f->advert.nd_na_flags_reserved = ND_NA_FLAG_OVERRIDE;
  f->advert.nd_na_target = *address;
  f->option = (struct nd_opt_hdr){ND_OPT_TARGET_LINKADDR, 1};
  memcpy(f->mac, mac, ETH_ALEN);
  /* the pseudo header of RFC 8200, 8.1: both addresses, length and protocol */
  uint32_t total = sum(&f->ip.ip6_src, 2 * sizeof *address) + ADVERT_BYTES + IPPROTO_ICMPV6 + sum(&f->advert, ADVERT_BYTES);
  while (total >> 16) total = (total & 0xffff) + (total >> 16);
  f->advert.nd_na_cksum = htons((uint16_t)~total);
  return sizeof *f;
}

int main(int count, char **words) {
  struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_halen = ETH_ALEN};
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0 || count < 2 || (to.sll_ifindex = (int)if_nametoindex(words[1])) == 0) return perror("isthmus-announce"), 1;
  for (int i = 2; i + 1 < count; i += 2) {
    union {
      struct ether_header ether;
      struct arp_frame arp;
      struct advert_frame advert;
    } frame = {0};
    uint8_t mac[ETH_ALEN];
    struct in_addr v4;
    struct in6_addr v6;
    size_t length = 0;
    if (parse_mac(words[i], mac) && inet_pton(AF_INET, words[i + 1], &v4) == 1) length = arp(&frame.arp, mac, &v4);
    else if (parse_mac(words[i], mac) && inet_pton(AF_INET6, words[i + 1], &v6) == 1) length = advert(&frame.advert, mac, &v6);
    if (length == 0) return fprintf(stderr, "isthmus-announce: %s %s is no MAC address and address\n", words[i], words[i + 1]), 2;
    memcpy(frame.ether.ether_shost, mac, ETH_ALEN);
    memcpy(to.sll_addr, frame.ether.ether_dhost, ETH_ALEN);
    if (sendto(fd, &frame, length, 0, (struct sockaddr *)&to, sizeof to) < 0) return perror("isthmus-announce"), 1;
  }
  return 0;
}
