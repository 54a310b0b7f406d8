import { formatBytes, IsthmusError, type Kernel, MIB } from "@isthmus/contract";

/** What a guest boots with. */
interface Asked {
  readonly cpus: number;
  readonly memoryBytes: number;
}

/** Bytes that a guest with one processor boots with, with a network device and a volume, and that each further processor needs. As measured (docs/kernel.md); of other kernels it is not known. */
const least: Readonly<Partial<Record<Kernel["source"], { readonly bytes: number; readonly perCpuBytes: number }>>> = {
  debian: { bytes: 84 * MIB, perCpuBytes: 1.25 * MIB },
  built: { bytes: 48 * MIB, perCpuBytes: 1.25 * MIB },
};

function leastOf(source: Kernel["source"], cpus: number): number {
  const { bytes, perCpuBytes } = least[source] ?? { bytes: 0, perCpuBytes: 0 };
  return Math.ceil((bytes + (cpus - 1) * perCpuBytes) / MIB) * MIB;
}

/** Throws INVALID_REQUEST for less memory than the kernel that is booted here is known to need: it would end without a word. `list` is asked only where it can matter. */
export async function checkMemory({ cpus, memoryBytes }: Asked, list: () => Promise<readonly Kernel[]>): Promise<void> {
  if (memoryBytes >= Math.max(leastOf("debian", cpus), leastOf("built", cpus))) return;
  const kernel = (await list()).find(({ selected }) => selected);
  if (kernel === undefined || memoryBytes >= leastOf(kernel.source, cpus)) return;
  const small =
    kernel.source !== "built" && memoryBytes >= leastOf("built", cpus) ? "; one made with isthmus kernel build boots with that" : "";
  const processors = cpus === 1 ? "1 processor" : `${cpus} processors`;
  throw new IsthmusError("INVALID_REQUEST", {
    field: "memoryBytes",
    value: formatBytes(memoryBytes),
    reason: `the guest kernel ${kernel.version} needs ${formatBytes(leastOf(kernel.source, cpus))} to boot with ${processors}${small}`,
  });
}
