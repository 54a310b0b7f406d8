import { limits, type PublishedPort, plainAddress } from "@isthmus/contract";
import { invalid } from "./invalid.ts";

const FORM = "write [ADDRESS:][HOST:]GUEST[/tcp|/udp], such as 8080:80";

interface Range {
  readonly first: number;
  readonly last: number;
}

function range(text: string, whole: string, minimum: number): Range {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (!match) throw invalid("--publish", whole, FORM);
  const first = Number(match[1]);
  const last = match[2] === undefined ? first : Number(match[2]);
  if (first < minimum || last > 65_535 || last < first) throw invalid("--publish", whole, "ports go from 1 to 65535");
  return { first, last };
}

function address(text: string | undefined, whole: string): string | undefined {
  if (text === undefined || text === "") return undefined;
  if (text === "localhost") return "127.0.0.1";
  const plain = plainAddress(text);
  if (plain !== undefined) return plain;
  throw invalid("--publish", whole, "its address must be an IPv4 address, or an IPv6 address in brackets");
}

/** The ports of one -p flag, in docker's forms: `80`, `8080:80`, `127.0.0.1:8080:80`, `127.0.0.1::80`, `8000-8002:80-82`, each with `/udp`. */
export function publishedPorts(text: string): readonly PublishedPort[] {
  const [body = "", protocol = "tcp", extra] = text.split("/");
  if (extra !== undefined || (protocol !== "tcp" && protocol !== "udp")) throw invalid("--publish", text, FORM);
  const [, inner, rest = body] = /^\[([^\]]+)\]:(.*)$/.exec(body) ?? [];
  const parts = inner === undefined ? rest.split(":") : [inner, ...rest.split(":")];
  if (parts.length > 3 || body.endsWith("]")) throw invalid("--publish", text, FORM);
  const guest = range(parts.at(-1) ?? "", text, 1);
  const hostText = parts.length >= 2 ? parts.at(-2) : undefined;
  const host = hostText ? range(hostText, text, 0) : undefined;
  const at = address(parts.length === 3 ? parts[0] : undefined, text);
  const count = guest.last - guest.first + 1;
  if (host && host.last - host.first + 1 !== count) throw invalid("--publish", text, "both ranges must be of the same length");
  if (count > limits.ports) throw invalid("--publish", text, `a machine publishes at most ${limits.ports} ports`);
  return Array.from({ length: count }, (_, index) => ({
    guest: guest.first + index,
    host: host ? host.first + index : 0,
    address: at ?? "127.0.0.1",
    protocol,
  }));
}

/** `127.0.0.1:8080->80/tcp`, `[::]:8080->80/tcp` */
export function portText({ address: at, host, guest, protocol }: PublishedPort): string {
  return `${at.includes(":") ? `[${at}]` : at}:${host}->${guest}/${protocol}`;
}
