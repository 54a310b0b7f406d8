import { IsthmusError, limits, type PublishedPort } from "@isthmus/contract";
import { shown } from "./names.ts";

/** `80`, `80/tcp`, `53/udp`, `8000-8010/tcp` */
const form = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp))?$/;

/**
 * The ports that an image exposes, each on a free port of the loopback, but for those of `named`. What an image says that is no port of TCP or UDP is told
 * in `notes`. Throws INVALID_REQUEST when there are too many.
 */
export function exposedPorts(words: readonly string[], named: readonly PublishedPort[], notes: string[]): readonly PublishedPort[] {
  const known = new Set(named.map(({ guest, protocol }) => `${guest}/${protocol}`));
  const ports: PublishedPort[] = [];
  for (const word of words) {
    const [, from, to = from, protocol] = form.exec(word) ?? [];
    const [first, last] = [Number(from), Number(to)];
    if (!(first >= 1 && first <= last && last <= 65_535)) {
      notes.push(`the image exposes ${shown(word)}, which is no port of TCP or UDP: it is not published`);
      continue;
    }
    for (let guest = first; guest <= last; guest += 1) {
      const port = { guest, host: 0, address: "127.0.0.1", protocol: protocol === "udp" ? "udp" : "tcp" } as const;
      const key = `${guest}/${port.protocol}`;
      if (known.has(key)) continue;
      known.add(key);
      ports.push(port);
      if (named.length + ports.length > limits.ports) throw tooMany(words);
    }
  }
  return ports;
}

function tooMany(words: readonly string[]): IsthmusError {
  const reason = `a machine publishes at most ${limits.ports} ports; name those that are wanted`;
  return new IsthmusError("INVALID_REQUEST", { field: "publishExposed", value: shown(words.join(" ")), reason });
}
