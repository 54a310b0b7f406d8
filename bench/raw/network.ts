const DEVICE = ["-device", "virtio-net-device,netdev=net"] as const;

/** What slirp's guests have by default. */
export const slirpGuest = { address: "10.0.2.15/24", gateway: "10.0.2.2" } as const;

/** QEMU's arguments for one network device, by what is behind it. */
export const backEnds = {
  slirp: () => ["-netdev", "user,id=net,ipv6=off", ...DEVICE],
  tap: (ifname: string) => ["-netdev", `tap,id=net,ifname=${ifname},script=no,downscript=no`, ...DEVICE],
  passt: (socket: string) => ["-netdev", `stream,id=net,server=off,addr.type=unix,addr.path=${socket}`, ...DEVICE],
} as const;
