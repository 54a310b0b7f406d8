import { IsthmusError, type Kernel, type Progress } from "@isthmus/contract";
import { jsonLines } from "./lines.ts";
import type { CallOptions, ProgressOptions } from "./options.ts";
import type { Transport } from "./transport.ts";

/** The guest kernels of a host. */
export class Kernels {
  readonly #transport: Transport;

  /** Use `isthmus.kernels`. */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** All kernels; `selected` marks the one that new machines boot. */
  async list(options: CallOptions = {}): Promise<readonly Kernel[]> {
    const { kernels } = await this.#transport.json<{ kernels: readonly Kernel[] }>({
      method: "GET",
      path: "/kernels",
      signal: options.signal,
    });
    return kernels;
  }

  /** Downloads Debian's cloud kernel, which is unpacked and not installed. Throws KERNEL_FETCH_FAILED. */
  fetch(options: ProgressOptions = {}): Promise<Kernel> {
    return this.#work("/kernels/fetch", options);
  }

  /** Builds a small kernel from Debian's sources, which takes long. Throws KERNEL_BUILD_FAILED. */
  build(options: ProgressOptions = {}): Promise<Kernel> {
    return this.#work("/kernels/build", options);
  }

  async #work(path: string, options: ProgressOptions): Promise<Kernel> {
    const call = { method: "POST", path, signal: options.signal } as const;
    for await (const line of jsonLines<Progress | { kernel: Kernel }>(this.#transport, call)) {
      if ("kernel" in line) return line.kernel;
      options.onProgress?.(line);
    }
    throw new IsthmusError("PROTOCOL", { reason: `${path} ended without a kernel` });
  }
}
