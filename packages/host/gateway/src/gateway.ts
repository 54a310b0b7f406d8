import { join } from "node:path";
import { type GatewayReply, type GatewayRequest, type GatewayState, IsthmusError } from "@isthmus/contract";
import { ControlServer } from "@isthmus/control";
import { DENIALS_QUIET_FACTOR, DENIALS_QUIET_MOST, GATEWAY_PROTOCOL } from "./config.ts";
import { Denials } from "./denials.ts";
import { answer } from "./dns/answer.ts";
import { LocalNames } from "./dns/local-names.ts";
import { DnsServer } from "./dns/server.ts";
import { KernelDenials } from "./kernel-denials.ts";
import { readRequest } from "./messages.ts";
import { mustBeApart, passOn, settle } from "./namespace.ts";
import { Nft } from "./nft.ts";
import { type MachinePlan, plansOf } from "./plan.ts";
import { type Applied, changeTo, nothing } from "./rules/ruleset.ts";
import { checkState } from "./state.ts";
import { Ties, type TieTimes } from "./ties.ts";
import { TlsProxy } from "./tls/proxy.ts";

export interface GatewayOptions {
  /** path of the control socket; what the gateway needs beside it is in the same folder */
  readonly socket: string;
  readonly tieTimes?: TieTimes;
  readonly tellEveryMs: number;
  readonly note: (text: string) => void;
}

/** The gateway of one network, in the namespace of its process. */
export class Gateway {
  readonly #options: GatewayOptions;
  readonly #nft: Nft;
  readonly #denials = new Denials();
  readonly #kernel: KernelDenials;
  readonly #ties: Ties;
  readonly #dns: DnsServer;
  readonly #tls: TlsProxy;
  readonly #control: ControlServer<GatewayRequest, GatewayReply>;
  readonly #stopped = Promise.withResolvers<void>();
  #machines = new Map<string, MachinePlan>();
  #names: LocalNames | undefined;
  #applied: Applied | undefined;
  #seq: number | null = null;
  #timer: NodeJS.Timeout | undefined;
  /** how many times later than usual the next look is */
  #quiet = 1;
  #stopping: Promise<GatewayReply> | undefined;

  constructor(options: GatewayOptions) {
    this.#options = options;
    const { note } = options;
    const machineAt = (address: string): MachinePlan | undefined => this.#machines.get(address);
    this.#nft = new Nft(join(options.socket, "..", "rules.nft"));
    this.#kernel = new KernelDenials(this.#nft, this.#denials);
    this.#ties = new Ties(this.#nft, options.tieTimes);
    this.#dns = new DnsServer({ machineAt, note, answer: (query, plan) => answer(query, plan, this.#world()) });
    this.#tls = new TlsProxy({ machineAt, note, ties: this.#ties, denials: this.#denials, applied: () => this.#applied });
    const hello = (): GatewayReply => ({ type: "hello", protocol: GATEWAY_PROTOCOL, pid: process.pid, seq: this.#seq });
    this.#control = new ControlServer({ name: "gateway", readRequest, hello, handle: (request) => this.#handle(request) });
  }

  /** Settles when the gateway has been told to stop and has left nothing behind. */
  get stopped(): Promise<void> {
    return this.#stopped.promise;
  }

  /** Listens for states. Throws HOST_COMMAND_FAILED. */
  async start(): Promise<void> {
    await mustBeApart();
    await this.#tls.listen();
    await this.#control.listen(this.#options.socket);
    this.#schedule();
  }

  /** Refuses everything, takes its tables away and ends. */
  stop(): Promise<GatewayReply> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  #world(): { applied: Applied; names: LocalNames; ties: Ties; denials: Denials } {
    if (!this.#applied || !this.#names) throw new IsthmusError("INTERNAL", { reason: "a question came before the first state" });
    return { applied: this.#applied, names: this.#names, ties: this.#ties, denials: this.#denials };
  }

  async #handle(request: GatewayRequest): Promise<GatewayReply> {
    if (request.type === "stop") return this.stop();
    if (this.#stopping !== undefined) throw new IsthmusError("SHUTTING_DOWN");
    await this.#apply(request.state);
    this.#seq = request.seq;
    return { type: "applied", seq: request.seq };
  }

  /** Brings a state about. What can be wrong with it is found before anything is changed. */
  async #apply(state: GatewayState): Promise<void> {
    checkState(state);
    const next: Applied = { state, plans: plansOf(state) };
    const { rules, anew, loses, whole } = changeTo(next, this.#applied);
    if (loses) await this.#count();
    if (whole) await settle(state);
    const own = (of: GatewayState | undefined): string[] => [of?.gateway.v4, of?.gateway.v6].filter((address) => address !== undefined);
    await this.#dns.listen([...own(this.#applied?.state), ...own(state)]);
    await this.#nft.change(rules);
    this.#applied = next;
    this.#names = new LocalNames(state);
    this.#machines = new Map(
      [...next.plans.values()].flatMap((plan) =>
        [plan.machine.v4, plan.machine.v6].flatMap((at) => (at === undefined ? [] : [[at, plan]])),
      ),
    );
    this.#ties.restart(anew, whole);
    if (whole) this.#kernel.reset();
    this.#tls.recheck();
    await this.#dns.listen(own(state));
  }

  #schedule(): void {
    this.#timer = setTimeout(() => {
      void this.#look().finally(() => {
        if (this.#stopping === undefined) this.#schedule();
      });
    }, this.#options.tellEveryMs * this.#quiet);
  }

  async #count(): Promise<void> {
    if (this.#applied) await this.#kernel.read(this.#applied.plans);
  }

  async #look(): Promise<void> {
    try {
      await this.#count();
      await this.#ties.sweep();
    } catch (error) {
      if (this.#stopping === undefined) this.#options.note(error instanceof Error ? error.message : String(error));
    }
    this.#quiet = this.#denials.some ? 1 : Math.min(this.#quiet * DENIALS_QUIET_FACTOR, DENIALS_QUIET_MOST);
    this.#tell();
  }

  #tell(): void {
    if (!this.#control.heard) return;
    const denials = this.#denials.take();
    if (denials.length > 0) this.#control.tell({ type: "denied", denials });
  }

  async #stop(): Promise<GatewayReply> {
    clearTimeout(this.#timer);
    await this.#count().catch((error: unknown) => this.#options.note(String(error)));
    this.#tell();
    this.#dns.close();
    this.#tls.close();
    // Nothing passes before the rules go.
    if (this.#applied) {
      await passOn(false, false);
      await this.#nft.change(nothing);
    }
    setImmediate(() => void this.#control.close().then(() => this.#stopped.resolve()));
    return { type: "stopped" };
  }
}
