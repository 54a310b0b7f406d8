import type { Accelerator, DoctorReport, HostFacts, HostStatus, Isolation, Kernel, MachineState, Progress } from "@isthmus/contract";
import type { StoredEvent } from "../machine/stored-events.ts";

/** A kernel with its initramfs (agent and modules), ready to boot. */
export interface BootKernel {
  readonly kernelPath: string;
  readonly initramfsPath: string;
  readonly version: string;
  /** of kernel and initramfs together: changes when either does */
  readonly digest: string;
}

export interface Kernels {
  /** First of: configured path, built, Debian's cloud kernel, the host's own. Throws KERNEL_NOT_FOUND, AGENT_BINARY_MISSING. */
  resolve(): Promise<BootKernel>;
  list(): Promise<readonly Kernel[]>;
  /** Debian's linux-image-cloud-amd64, downloaded and unpacked, not installed. Throws KERNEL_FETCH_FAILED. */
  fetch(onProgress: (progress: Progress) => void, signal?: AbortSignal): Promise<Kernel>;
  /** A small kernel from Debian's linux-source. Throws KERNEL_BUILD_FAILED. */
  build(onProgress: (progress: Progress) => void, signal?: AbortSignal): Promise<Kernel>;
}

/** What really boots a guest here, found by booting one. */
export interface AcceleratorVerdict {
  readonly accelerator: Accelerator;
  /** QEMU machine type in use */
  readonly machineType: "microvm" | "q35";
  /** why not the better one; empty when this is the best */
  readonly reason: string;
  readonly probedAt: string;
}

export interface Doctor {
  /** `probe` finds the accelerator anew, which boots guests and may take a minute. */
  report(options?: { readonly probe?: boolean }): Promise<DoctorReport>;
}

/** Measures the host. Cheap: it reads a few files of /proc. */
export interface HostGauge {
  /** Never throws: what cannot be read is 0, or without limit. */
  facts(): HostFacts;
}

/** How many machines there are of a kind. */
export interface MachineCount {
  readonly state: MachineState;
  readonly isolation: Isolation;
  readonly tenant: string;
  readonly count: number;
}

/** What metrics are made of. */
export interface MetricsSource {
  status(): HostStatus;
  census(): readonly MachineCount[];
  onEvents(listener: (events: readonly StoredEvent[]) => void): () => void;
}

/** Figures for a monitoring system. */
export interface Metrics {
  readonly contentType: string;
  text(): string;
}
