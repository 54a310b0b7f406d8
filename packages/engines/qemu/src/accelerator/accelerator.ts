import { execFile } from "node:child_process";
import { access, constants, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { IsthmusError } from "@isthmus/contract";
import type { AcceleratorVerdict, BootKernel } from "@isthmus/core";
import type { BootVariant, IdleCode } from "../command-line.ts";
import { KVM_FORCED_PROBE_DEADLINE_MS, KVM_PROBE_DEADLINE_MS, QEMU_PACKAGE, QEMU_PROGRAM, TCG_PROBE_DEADLINE_MS } from "../config.ts";
import type { EngineLog } from "../engine-log.ts";
import { probeBoot, sweepProbes } from "./probe-boot.ts";

export type WantedAccelerator = "auto" | "kvm" | "tcg";

/** A verdict with what it takes to boot by it. */
export interface Choice {
  readonly variant: BootVariant;
  readonly verdict: AcceleratorVerdict;
}

interface Key {
  readonly bootId: string;
  readonly kernelDigest: string;
  readonly qemuVersion: string;
  readonly wanted: WantedAccelerator;
  readonly idleCode?: IdleCode;
}

interface ProbeOptions {
  readonly stateFolder: string;
  readonly bootId: string;
  readonly wanted: WantedAccelerator;
  /** what TCG guests get where QEMU takes it */
  readonly idleCode?: IdleCode;
  readonly tscKhz: () => Promise<number | undefined>;
  readonly log: EngineLog;
}

/** `host` passes everything on and aborts QEMU on some hosts; `qemu64` is the oldest model that all kernels boot on. */
const kvmVariants: readonly BootVariant[] = ["host", "qemu64"].map((cpuModel) => ({
  accelerator: "kvm",
  machineType: "microvm",
  cpuModel,
}));
/** A QEMU without plugins ends at once, so those that have one come first. */
function tcgVariants(idleCode: IdleCode | undefined): readonly BootVariant[] {
  const tcg = (machineType: "microvm" | "q35"): BootVariant => ({ accelerator: "tcg", machineType, cpuModel: "max" });
  const plain = [tcg("microvm"), tcg("q35")];
  return idleCode === undefined ? plain : [...plain.map((variant) => ({ ...variant, idleCode })), ...plain];
}

/** QEMU's version. Throws ENGINE_MISSING, HOST_COMMAND_FAILED. */
async function qemuVersion(): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(QEMU_PROGRAM, ["--version"], { timeout: 10_000 });
    return stdout.split("\n", 1)[0]?.replace("QEMU emulator version ", "") ?? "";
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") {
      throw new IsthmusError("ENGINE_MISSING", { program: QEMU_PROGRAM, package: QEMU_PACKAGE }, { cause });
    }
    throw new IsthmusError("HOST_COMMAND_FAILED", { program: QEMU_PROGRAM, reason: String(cause) }, { cause });
  }
}

async function kvmOpens(): Promise<string | undefined> {
  try {
    await access("/dev/kvm", constants.R_OK | constants.W_OK);
    return undefined;
  } catch (cause) {
    const missing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    return missing ? "there is no /dev/kvm" : "/dev/kvm is not permitted to this user";
  }
}

function isChoice(value: unknown): value is { key: Key; choice: Choice } {
  return typeof value === "object" && value !== null && "key" in value && "choice" in value;
}

/** Finds out what really boots a guest here, once per host boot, kernel and QEMU. */
export class AcceleratorProbe {
  readonly #options: ProbeOptions;
  readonly #path: string;
  #version: Promise<string> | undefined;
  #known: { key: string; choice: Promise<Choice> } | undefined;

  constructor(options: ProbeOptions) {
    this.#options = options;
    this.#path = join(options.stateFolder, "accelerator.json");
  }

  /** One probe serves all who ask. Throws NO_ACCELERATOR, ENGINE_MISSING. */
  async choose(kernel: BootKernel): Promise<Choice> {
    const { bootId, wanted, idleCode } = this.#options;
    const version = await this.version();
    const key: Key = { bootId, kernelDigest: kernel.digest, qemuVersion: version, wanted, idleCode };
    const text = JSON.stringify(key);
    if (this.#known?.key !== text) {
      const choice = this.#decide(kernel, key);
      this.#known = { key: text, choice };
      choice.catch(() => {
        this.#known = undefined;
      });
    }
    return await this.#known.choice;
  }

  /** The next who asks has it found out anew; a probe in progress is waited for. */
  async forget(): Promise<void> {
    await this.#known?.choice.catch(() => undefined);
    this.#known = undefined;
    await rm(this.#path, { force: true });
  }

  /** QEMU's, asked once. Throws ENGINE_MISSING. */
  async version(): Promise<string> {
    this.#version ??= qemuVersion();
    return await this.#version.catch((error: unknown) => {
      this.#version = undefined;
      throw error;
    });
  }

  async #decide(kernel: BootKernel, key: Key): Promise<Choice> {
    const cached = await this.#load(key);
    if (cached !== undefined) return cached;
    await sweepProbes(this.#options.stateFolder);
    const choice = await this.#probe(kernel, key.wanted);
    this.#options.log("accelerator found", { ...choice.verdict });
    await mkdir(this.#options.stateFolder, { recursive: true, mode: 0o700 });
    await writeFile(`${this.#path}.new`, JSON.stringify({ key, choice }));
    await rename(`${this.#path}.new`, this.#path);
    return choice;
  }

  async #load(key: Key): Promise<Choice | undefined> {
    try {
      const value: unknown = JSON.parse(await readFile(this.#path, "utf8"));
      return isChoice(value) && JSON.stringify(value.key) === JSON.stringify(key) ? value.choice : undefined;
    } catch {
      return undefined;
    }
  }

  /** KVM and TCG are tried side by side: the one that fails takes its whole deadline. */
  async #probe(kernel: BootKernel, wanted: WantedAccelerator): Promise<Choice> {
    const stop = new AbortController();
    const kvmDeadlineMs = wanted === "kvm" ? KVM_FORCED_PROBE_DEADLINE_MS : KVM_PROBE_DEADLINE_MS;
    const cannot = wanted === "tcg" ? "software emulation was asked for" : await kvmOpens();
    const tcg = wanted === "kvm" ? undefined : this.#first(kernel, tcgVariants(this.#options.idleCode), TCG_PROBE_DEADLINE_MS, stop.signal);
    tcg?.catch(() => {});
    const kvm =
      cannot === undefined ? await this.#first(kernel, kvmVariants, kvmDeadlineMs, new AbortController().signal) : { reasons: [cannot] };
    if (kvm.variant !== undefined) {
      stop.abort();
      await tcg;
      return chosen(kvm.variant, []);
    }
    const emulated = await tcg;
    const reasons = [...kvm.reasons.map((reason) => `KVM: ${reason}`), ...(emulated?.reasons ?? [])];
    if (emulated?.variant === undefined) throw new IsthmusError("NO_ACCELERATOR", { reason: reasons.join("; ") });
    return chosen(emulated.variant, reasons);
  }

  /** The first of `variants` that boots, all within one deadline. */
  async #first(
    kernel: BootKernel,
    variants: readonly BootVariant[],
    deadlineMs: number,
    signal: AbortSignal,
  ): Promise<{ variant?: BootVariant; reasons: readonly string[] }> {
    const reasons: string[] = [];
    const tscKhz = await this.#options.tscKhz();
    for (const variant of variants) {
      if (signal.aborted) break;
      if (tscKhz === undefined && variant.accelerator === "tcg" && variant.machineType === "microvm") {
        reasons.push("microvm: the frequency of the time-stamp counter is not known");
        continue;
      }
      const started = performance.now();
      const failed = await probeBoot({ kernel, variant, tscKhz, stateFolder: this.#options.stateFolder, deadlineMs, signal });
      const details = { ...variant, ms: Math.round(performance.now() - started), failed };
      this.#options.log("accelerator tried", details);
      if (failed === undefined) return { variant, reasons };
      reasons.push(
        `${variant.machineType} with CPU ${variant.cpuModel}${variant.idleCode ? " and the plugin for idle guests" : ""}: ${failed}`,
      );
      // A guest that hangs under KVM does so with every CPU model; another model cures only an abort of QEMU.
      if (variant.accelerator === "kvm" && !failed.startsWith("QEMU ended")) break;
    }
    return { reasons };
  }
}

function chosen(variant: BootVariant, reasons: readonly string[]): Choice {
  const { accelerator, machineType } = variant;
  return { variant, verdict: { accelerator, machineType, reason: reasons.join("; "), probedAt: new Date().toISOString() } };
}
