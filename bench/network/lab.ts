import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { PEER } from "./config.ts";

const run = promisify(execFile);
const TAP = "raw0";
const TAP_GATEWAY = "10.99.0.1";

/** What a guest by hand has on the lab's tap. */
export const tapGuest = { address: "10.99.0.2/24", gateway: TAP_GATEWAY } as const;

/** Two namespaces with a cable between them, and none to anywhere else: one plays the host, the other has the peer. Gone when disposed of. */
export class Lab implements AsyncDisposable {
  readonly #host = `isthmus-bench-${process.pid}-host`;
  readonly #out = `isthmus-bench-${process.pid}-out`;
  readonly tap = TAP;

  /** Throws where namespaces cannot be made. */
  static async make(): Promise<Lab> {
    const lab = new Lab();
    try {
      await lab.#build();
      return lab;
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What a command is begun by that runs on the lab's host. */
  get onHost(): readonly string[] {
    return ["nsenter", `--net=/run/netns/${this.#host}`, "--"];
  }

  /** The same where the peer is. */
  get outside(): readonly string[] {
    return ["nsenter", `--net=/run/netns/${this.#out}`, "--"];
  }

  async #build(): Promise<void> {
    for (const line of [
      `netns add ${this.#host}`,
      `netns add ${this.#out}`,
      `-n ${this.#host} link set lo up`,
      `-n ${this.#host} link add eth0 type veth peer name eth0 netns ${this.#out}`,
      `-n ${this.#host} addr add 203.0.113.1/24 dev eth0`,
      `-n ${this.#host} link set eth0 up`,
      `-n ${this.#out} addr add ${PEER}/24 dev eth0`,
      `-n ${this.#out} link set eth0 up`,
      `-n ${this.#host} route add default via ${PEER}`,
      `-n ${this.#host} tuntap add dev ${TAP} mode tap`,
      `-n ${this.#host} addr add ${TAP_GATEWAY}/24 dev ${TAP}`,
      `-n ${this.#host} link set ${TAP} up`,
    ])
      await run("ip", line.split(" "));
    const [program = "", ...words] = this.onHost;
    await run(program, [...words, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1"]);
    const masquerade = `table ip bench { chain out { type nat hook postrouting priority srcnat; iifname "${TAP}" oifname "eth0" masquerade; }; }`;
    await run(program, [...words, "nft", masquerade]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of [this.#host, this.#out]) await run("ip", ["netns", "del", name]).catch(() => undefined);
  }
}
