import type { DoctorReport, Event, Version } from "@isthmus/contract";
import { type IsthmusOptions, parseAddress } from "./address.ts";
import { Host } from "./host.ts";
import { Images } from "./images.ts";
import { Kernels } from "./kernels.ts";
import { Licences } from "./licences.ts";
import { jsonLines } from "./lines.ts";
import { Machines } from "./machines.ts";
import { Networks } from "./networks.ts";
import type { CallOptions, EventOptions } from "./options.ts";
import { Quotas } from "./quotas.ts";
import { Secrets } from "./secrets.ts";
import { Snapshots } from "./snapshots.ts";
import { Templates } from "./templates.ts";
import { Tokens } from "./tokens.ts";
import { Transport } from "./transport.ts";
import { Volumes } from "./volumes.ts";

/**
 * A daemon. Making one connects to nothing.
 *
 * Every method throws IsthmusError: the daemon's own errors, and DAEMON_UNREACHABLE, CANCELLED, PROTOCOL.
 * @example
 * const isthmus = new Isthmus();
 * await using machine = await isthmus.machines.run({ image: "busybox", command: ["sh", "-c", "echo hello"] });
 * for await (const line of machine.logs({ follow: true })) console.log(line.text);
 */
export class Isthmus implements Disposable {
  /** machines */
  readonly machines: Machines;
  /** images */
  readonly images: Images;
  /** what new machines are cloned from */
  readonly templates: Templates;
  /** running machines as they were at a moment */
  readonly snapshots: Snapshots;
  /** file systems that outlive machines */
  readonly volumes: Volumes;
  /** where machines reach one another */
  readonly networks: Networks;
  /** the computer that it runs on */
  readonly host: Host;
  /** what tenants may have */
  readonly quotas: Quotas;
  /** values that machines are given and nothing tells */
  readonly secrets: Secrets;
  /** who else may ask, and for what */
  readonly tokens: Tokens;
  /** licence pools and who uses them */
  readonly licences: Licences;
  /** guest kernels */
  readonly kernels: Kernels;
  /** socket path or URL in use, for messages */
  readonly address: string;
  readonly #transport: Transport;

  /** Throws CONFIG_INVALID. */
  constructor(options: IsthmusOptions = {}) {
    this.#transport = new Transport(parseAddress(options));
    this.address = this.#transport.address.label;
    this.machines = new Machines(this.#transport);
    this.images = new Images(this.#transport);
    this.templates = new Templates(this.#transport);
    this.snapshots = new Snapshots(this.#transport);
    this.volumes = new Volumes(this.#transport);
    this.networks = new Networks(this.#transport);
    this.host = new Host(this.#transport);
    this.quotas = new Quotas(this.#transport);
    this.secrets = new Secrets(this.#transport);
    this.tokens = new Tokens(this.#transport);
    this.licences = new Licences(this.#transport);
    this.kernels = new Kernels(this.#transport);
  }

  /** What answers there: version, process, machines by state. */
  version(options: CallOptions = {}): Promise<Version> {
    return this.#transport.json({ method: "GET", path: "/version", signal: options.signal });
  }

  /** Resolves when the daemon answers and is fit to work. */
  async health(options: CallOptions = {}): Promise<void> {
    await this.#transport.json({ method: "GET", path: "/health", signal: options.signal });
  }

  /** What the host has and lacks, each finding with its remedy. `probe` finds out anew what boots a guest here, which may take a minute. */
  doctor(options: CallOptions & { readonly probe?: boolean } = {}): Promise<DoctorReport> {
    const { probe, signal } = options;
    return this.#transport.json({ method: "GET", path: "/doctor", query: { probe }, signal });
  }

  /** What happened, oldest first; with `follow`, what happens next as well. */
  events(options: EventOptions = {}): AsyncGenerator<Event, void, undefined> {
    const { since, until, kinds, types, images, labels, signal, ...rest } = options;
    const time = (at: typeof since) => (at instanceof Date ? at.toISOString() : at);
    const query = { ...rest, since: time(since), until: time(until), type: kinds, event: types, image: images, label: labels };
    return jsonLines(this.#transport, { method: "GET", path: "/events", query, signal });
  }

  /** Closes idle connections; those in use end with their work. */
  close(): void {
    this.#transport.close();
  }

  /** Same as `close`. */
  [Symbol.dispose](): void {
    this.close();
  }
}
