import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type EgressDenial, type EgressPolicy, type GatewayMachine, type GatewayState, IsthmusError } from "@isthmus/contract";
import { type Answer, type DecodedPacket, decode, encode } from "dns-packet";
import type { GatewayClient } from "../client.ts";
import { LinesProgram } from "./lines-program.ts";
import type { Attempt, Outcome } from "./probe.ts";

const run = promisify(execFile);
/** A question may fail (SERVFAIL) because a busy host stood still for seconds; what fails each time is broken. */
const DNS_TRIES = 4;

/** Addresses of the test's internet. The first two stand for servers, `host` for the host itself. */
export const places = {
  v4: {
    server: "203.0.113.10",
    other: "203.0.113.20",
    dns: "198.51.100.53",
    host: "10.99.0.1",
    metadata: "169.254.169.254",
    private: "10.1.2.3",
  },
  v6: {
    server: "2001:db8::10",
    other: "2001:db8::20",
    dns: "2001:db8:53::53",
    host: "fd99::1",
    metadata: "fd00:ec2::254",
    private: "fd12:3456::1",
  },
} as const;

/**
 * Namespaces of a test: `net` is the network's, with its bridge and its way out; `out` plays the host's side and the internet; each machine is one with a veth in the bridge. Nothing of it is
 * connected to anything else.
 */
export class NetWorld {
  readonly folder = mkdtempSync(join(tmpdir(), "isthmus-gateway-"));
  readonly socket = join(this.folder, "gateway.sock");
  readonly machines: GatewayMachine[] = [];
  readonly probes = new Map<string, LinesProgram>();
  readonly #tag = `${process.pid}-${Math.random().toString(36).slice(2, 6)}`;
  readonly net = `ig-net-${this.#tag}`;
  readonly out = `ig-out-${this.#tag}`;
  #internet: LinesProgram | undefined;
  #gateway: ChildProcess | undefined;
  log = "";

  static async make(): Promise<NetWorld> {
    const world = new NetWorld();
    try {
      await world.#make();
      return world;
    } catch (error) {
      await world.end();
      throw error;
    }
  }

  async in(namespace: string, program: string, ...args: string[]): Promise<string> {
    return (await run("ip", ["netns", "exec", namespace, program, ...args])).stdout;
  }

  #ip(namespace: string, line: string): Promise<unknown> {
    return run("ip", ["-n", namespace, ...line.split(" ")]);
  }

  async #make(): Promise<void> {
    for (const namespace of [this.net, this.out]) {
      await run("ip", ["netns", "add", namespace]);
      await this.#ip(namespace, "link set lo up");
    }
    await this.#ip(this.net, `link add up0 type veth peer name eth0 netns ${this.out}`);
    await this.#ip(this.net, "link add br0 type bridge");
    for (const line of [
      "addr add 10.89.0.1/24 dev br0",
      "addr add fd89::1/64 dev br0 nodad",
      "addr add 10.99.0.2/24 dev up0",
      "addr add fd99::2/64 dev up0 nodad",
    ])
      await this.#ip(this.net, line);
    for (const line of ["link set br0 up", "link set up0 up", "route add default via 10.99.0.1", "-6 route add default via fd99::1"])
      await this.#ip(this.net, line);
    for (const line of ["addr add 10.99.0.1/24 dev eth0", "addr add fd99::1/64 dev eth0 nodad", "link set eth0 up"])
      await this.#ip(this.out, line);
    for (const address of Object.values(places.v4).filter((one) => one !== places.v4.host))
      await this.#ip(this.out, `addr add ${address}/32 dev lo`);
    for (const address of Object.values(places.v6).filter((one) => one !== places.v6.host))
      await this.#ip(this.out, `addr add ${address}/128 dev lo nodad`);
    await run("openssl", [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-days",
      "2",
      "-subj",
      "/CN=test",
      "-keyout",
      join(this.folder, "key.pem"),
      "-out",
      join(this.folder, "cert.pem"),
    ]);
    this.#internet = new LinesProgram(this.out, new URL("./internet.ts", import.meta.url), [
      join(this.folder, "key.pem"),
      join(this.folder, "cert.pem"),
      ...Object.values(places.v4),
      ...Object.values(places.v6),
    ]);
    // what arrives on the other side, whatever becomes of it there
    await this.in(
      this.out,
      "nft",
      `table inet seen {
        set protocols { type inet_proto; flags dynamic; }
        set ports { type inet_service; flags dynamic; }
        chain in {
          type filter hook prerouting priority -400
          update @protocols { meta l4proto }
          meta l4proto udp update @ports { udp dport }
        }
      }`,
    );
    await this.zone({});
  }

  get ca(): string {
    return readFileSync(join(this.folder, "cert.pem"), "utf8");
  }

  /** Tells the test's DNS server what there is; gives what it was asked since. */
  async zone(records: Record<string, Answer[]>): Promise<readonly string[]> {
    return (await this.#internet?.ask<{ asked: string[] }>({ zone: { records } }))?.asked ?? [];
  }

  async asked(): Promise<readonly string[]> {
    return (await this.#internet?.ask<{ asked: string[] }>({}))?.asked ?? [];
  }

  /** A machine with its namespace; it is of the network once a state names it. */
  async machine(name: string, egress: EgressPolicy, also: Partial<GatewayMachine> = {}): Promise<GatewayMachine> {
    const number = this.machines.length + 10;
    const machine: GatewayMachine = {
      id: number.toString(16).padStart(16, "0"),
      name,
      aliases: [],
      tap: `tap${number}`,
      mac: `02:69:73:00:00:${number.toString(16).padStart(2, "0")}`,
      v4: `10.89.0.${number}`,
      v6: `fd89::${number.toString(16)}`,
      egress,
      ...also,
    };
    const namespace = this.space(name);
    await run("ip", ["netns", "add", namespace]);
    await this.#ip(this.net, `link add ${machine.tap} type veth peer name eth0 netns ${namespace}`);
    await this.#ip(this.net, `link set ${machine.tap} master br0 up`);
    const lines = [
      "link set lo up",
      `link set eth0 address ${machine.mac}`,
      "link set eth0 up",
      `addr add ${machine.v4}/24 dev eth0`,
      "route add default via 10.89.0.1",
    ];
    if (machine.v6 !== undefined) lines.push(`addr add ${machine.v6}/64 dev eth0 nodad`, "-6 route add default via fd89::1");
    for (const line of lines) await this.#ip(namespace, line);
    this.machines.push(machine);
    this.probes.set(name, new LinesProgram(namespace, new URL("./probe.ts", import.meta.url)));
    return machine;
  }

  space(machine: string): string {
    return `ig-${machine}-${this.#tag}`;
  }

  state(also: Partial<GatewayState> = {}): GatewayState {
    return {
      network: "lan",
      bridge: "br0",
      uplink: "up0",
      gateway: { v4: "10.89.0.1", v6: "fd89::1" },
      subnet: { v4: "10.89.0.0/24", v6: "fd89::/64" },
      upstreams: [places.v4.dns],
      hostAddresses: [places.v4.host, places.v6.host],
      machines: this.machines,
      ...also,
    };
  }

  /** Starts the gateway as a program, as the daemon does. */
  async gateway(...args: string[]): Promise<ChildProcess> {
    const program = new URL("../main.ts", import.meta.url).pathname;
    const child = spawn(
      "ip",
      ["netns", "exec", this.net, process.execPath, program, "--socket", this.socket, "--tell-every-ms", "100", ...args],
      {
        stdio: ["ignore", "ignore", "pipe"],
      },
    );
    child.stderr?.on("data", (bytes) => {
      this.log += String(bytes);
    });
    this.#gateway = child;
    while (!existsSync(this.socket) && child.exitCode === null) await sleep(20);
    return child;
  }

  /** The refusals that a gateway tells, until there is one of which `last` says that it was waited for. */
  async told(client: GatewayClient, last: (denial: EgressDenial) => boolean): Promise<EgressDenial[]> {
    const all: EgressDenial[] = [];
    for await (const denial of client.denials()) {
      all.push(denial);
      if (last(denial)) break;
    }
    return all;
  }

  try(machine: string, attempt: Attempt): Promise<Outcome> {
    const probe = this.probes.get(machine);
    if (!probe) throw new IsthmusError("MACHINE_NOT_FOUND", { ref: machine });
    return probe.ask<Outcome>(attempt);
  }

  /** What Node cannot do, from a machine (raw.py). */
  async raw(machine: string, ...args: string[]): Promise<string> {
    return (await this.in(this.space(machine), "/usr/bin/python3", fileURLToPath(new URL("./raw.py", import.meta.url)), ...args)).trim();
  }

  /** What a set of nftables in a namespace holds, as text. */
  async set(namespace: string, name: string): Promise<string> {
    return this.in(namespace, "nft", "list", "set", ...name.split(" "));
  }

  /** Asks the gateway's DNS from a machine, again when it says that it failed. */
  async dns(...question: Parameters<NetWorld["dnsOnce"]>): ReturnType<NetWorld["dnsOnce"]> {
    for (let left = DNS_TRIES; ; left -= 1) {
      const answer = await this.dnsOnce(...question);
      if (answer.rcode !== "SERVFAIL" || left <= 1) return answer;
    }
  }

  async dnsOnce(
    machine: string,
    name: string,
    type: "A" | "AAAA" | "TXT" | "PTR" | "CNAME" | "MX" = "A",
    over: "udp" | "tcp" = "udp",
    server = "10.89.0.1",
  ): Promise<DecodedPacket & { rcode: string }> {
    const data = encode({ type: "query", id: Math.floor(Math.random() * 65_536), flags: 0x0100, questions: [{ type, name }] });
    const outcome = await this.try(machine, {
      kind: over === "udp" ? "dns-udp" : "dns-tcp",
      address: server,
      port: 53,
      data: data.toString("base64"),
    });
    if (outcome.result !== "open") throw new IsthmusError("PROTOCOL", { reason: `DNS: ${outcome.result} ${outcome.detail}` });
    return decode(Buffer.from(outcome.detail, "base64")) as DecodedPacket & { rcode: string };
  }

  async end(): Promise<void> {
    for (const probe of this.probes.values()) await probe.end();
    await this.#internet?.end();
    const gateway = this.#gateway;
    if (gateway && gateway.exitCode === null && gateway.signalCode === null) {
      gateway.kill("SIGKILL");
      await once(gateway, "exit");
    }
    for (const namespace of [...this.machines.map(({ name }) => this.space(name)), this.net, this.out])
      await run("ip", ["netns", "del", namespace]).catch(() => undefined);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
