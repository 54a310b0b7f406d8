import { blockText, plainBlock } from "./address.ts";
import type { EgressPolicy, EgressProtocol, EgressRule } from "./egress.ts";
import { IsthmusError } from "./errors.ts";
import { limits } from "./limits.ts";

/** An inclusive range of ports. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;
const FORM =
  "write open, none, HOST[:PORTS][/PROTOCOL] or ADDRESS[/BITS][:PORTS][/PROTOCOL], such as api.example.org:443, *.example.org, 10.0.0.0/8:5432 or [fd00::1]:53/udp";

function invalid(field: string, value: string, reason: string): IsthmusError {
  return new IsthmusError("INVALID_REQUEST", { field, value: value === "" ? "nothing" : value, reason });
}

/** A host of a rule in its one spelling: small letters, no dot at the end, punycode. Undefined when it is none. */
export function plainHost(text: string): string | undefined {
  const wildcard = text.startsWith("*.");
  const name = (wildcard ? text.slice(2) : text).replace(/\.$/, "");
  const ascii = /^[\x21-\x7e]+$/.test(name) ? name.toLowerCase() : punycode(name);
  if (ascii === undefined || ascii.length > limits.egressHostChars) return undefined;
  const labels = ascii.split(".");
  // A name whose last part is a number is an address that somebody misspelt.
  if (!labels.every((label) => LABEL.test(label)) || /^(\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? "")) return undefined;
  return wildcard ? `*.${ascii}` : ascii;
}

function punycode(name: string): string | undefined {
  const url = URL.parse(`http://${name}/`);
  return url?.pathname === "/" && url.host !== "" && url.username === "" ? url.hostname : undefined;
}

function plainPorts(ports: EgressRule["ports"], field: string): PortRange[] | undefined {
  const ranges = ports?.map((one) => (typeof one === "number" ? { first: one, last: one } : one));
  const wrong = ranges?.find(({ first, last }) => last < first);
  if (wrong) throw invalid(field, `${wrong.first}-${wrong.last}`, "the last port of a range is not below its first");
  return ranges;
}

function plainRule(rule: EgressRule, field: string): EgressRule {
  const { host, cidr, protocol = "tcp" } = rule;
  if ((host === undefined) === (cidr === undefined)) throw invalid(field, JSON.stringify(rule), "a rule has either host or cidr");
  const ports = plainPorts(rule.ports, `${field}.ports`);
  if (ports && protocol === "icmp") throw invalid(`${field}.ports`, JSON.stringify(rule.ports), "icmp has no ports");
  const rest = { ...(ports ? { ports } : {}), protocol };
  if (host !== undefined) {
    const plain = plainHost(host);
    if (plain === undefined)
      throw invalid(`${field}.host`, host, "it is a name such as api.example.org, or *.example.org; an address is given as cidr");
    return { host: plain, ...rest };
  }
  const block = plainBlock(cidr ?? "");
  if (!block)
    throw invalid(
      `${field}.cidr`,
      cidr ?? "",
      "it is an address or a block such as 10.0.0.0/8 or fd00::/8, with no bits set behind its prefix",
    );
  return { cidr: blockText(block), ...rest };
}

/** The same policy in its one spelling: every rule has a protocol, ports are ranges, names and addresses are written one way. Throws INVALID_REQUEST that names the field. */
export function plainEgress(policy: EgressPolicy, field = "egress"): EgressPolicy & { readonly allow: EgressRule[] } {
  return { default: policy.default, allow: (policy.allow ?? []).map((rule, index) => plainRule(rule, `${field}.allow[${index}]`)) };
}

function portsOf(text: string, whole: string): NonNullable<EgressRule["ports"]> {
  return text.split(",").map((part) => {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part);
    const first = Number(match?.[1]);
    const last = match?.[2] === undefined ? first : Number(match[2]);
    if (!match) throw invalid("--egress", whole, FORM);
    if (first < 1 || last > 65_535 || last < first) throw invalid("--egress", whole, "ports go from 1 to 65535");
    return first === last ? first : { first, last };
  });
}

const isProtocol = (text: string): text is EgressProtocol => ["tcp", "udp", "icmp", "any"].includes(text);

function ruleOf(text: string): EgressRule {
  const slash = text.lastIndexOf("/");
  const tail = slash === -1 ? "" : text.slice(slash + 1).toLowerCase();
  const protocol = isProtocol(tail) ? tail : undefined;
  const rest = protocol ? text.slice(0, slash) : text;
  const match = /^(?:\[([^\]]*)\](\/\d+)?|([^:]*))(?::([^:]*))?$/.exec(rest);
  // More than one colon and no brackets: an IPv6 address by itself.
  const target = match ? `${match[1] ?? match[3] ?? ""}${match[2] ?? ""}` : rest;
  const ports = match?.[4];
  const end = {
    ...(ports === undefined ? {} : { ports: portsOf(ports, text) }),
    ...(protocol ? { protocol } : {}),
  };
  const block = plainBlock(target);
  if (block) return { cidr: blockText(block), ...end };
  const host = match?.[1] === undefined ? plainHost(target) : undefined;
  if (host === undefined) throw invalid("--egress", text, FORM);
  return { host, ...end };
}

/**
 * The policy of `--egress` flags: `none`; `open`; or what is allowed, everything else being refused. `open` beside others keeps the rest open, for what is refused even then (`--egress open
 * --egress 169.254.169.254:80`). Throws INVALID_REQUEST, TOO_LARGE.
 */
export function parseEgress(texts: readonly string[]): EgressPolicy {
  const words = texts.map((text) => text.trim());
  const rules = words.filter((word) => word !== "open" && word !== "none");
  if (words.includes("none") && words.length > 1) throw invalid("--egress", words.join(" "), "none goes with nothing else");
  if (rules.length > limits.egressRules)
    throw new IsthmusError("TOO_LARGE", { field: "--egress", value: `${rules.length} rules`, limit: `${limits.egressRules} rules` });
  return plainEgress({ default: words.includes("open") ? "open" : "closed", allow: rules.map(ruleOf) }, "--egress");
}

function portsText(ports: EgressRule["ports"]): string {
  if (!ports) return "";
  return `:${ports.map((one) => (typeof one === "number" ? one : one.first === one.last ? one.first : `${one.first}-${one.last}`)).join(",")}`;
}

/** A policy as the words that `parseEgress` reads: `["none"]`, `["open"]`, `["api.example.org:443"]`. */
export function egressWords(policy: EgressPolicy): readonly string[] {
  const rules = (policy.allow ?? []).map(({ host, cidr = "", ports, protocol = "tcp" }) => {
    const target = host ?? (cidr.includes(":") && ports ? cidr.replace(/^([^/]*)/, "[$1]") : cidr);
    return `${target}${portsText(ports)}${protocol === "tcp" ? "" : `/${protocol}`}`;
  });
  if (policy.default === "open") return ["open", ...rules];
  return rules.length === 0 ? ["none"] : rules;
}
