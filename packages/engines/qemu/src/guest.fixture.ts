import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { decodeRecords } from "@isthmus/agent-client";
import { IsthmusError } from "@isthmus/contract";
import type { BootKernel, Kernels, LiveMachine, StartPlan, Workload } from "@isthmus/core";
import { createQemuEngine, type QemuEngine, type QemuEngineOptions } from "./engine.ts";
import { type EngineState, loadState } from "./engine-state.ts";

export const agentPath = join(import.meta.dirname, "../../../../guest/agent/build/isthmus-agent");
const run = promisify(execFile);
/** A busy host can stand still for longer than a daemon that starts waits for one machine. */
const PATIENT_MS = 30_000;
const applets = [
  "sh",
  "cat",
  "echo",
  "sleep",
  "hostname",
  "nc",
  "dd",
  "id",
  "wc",
  "stty",
  "true",
  "ls",
  "test",
  "sha256sum",
  "yes",
  "head",
  "od",
  "date",
];

/** The kernel that the set-up of all system tests fetched into the data folder ISTHMUS_TEST_SEED, with its initramfs. */
export async function testKernel(): Promise<BootKernel> {
  const kernels = join(process.env.ISTHMUS_TEST_SEED ?? "", "kernels");
  const files = await readdir(kernels, { recursive: true }).catch(() => []);
  const kernel = files.find((file) => basename(file) === "vmlinuz");
  const initramfs = files.find((file) => file.startsWith("initramfs/") && file.endsWith(".cpio"));
  if (kernel === undefined || initramfs === undefined) throw new IsthmusError("KERNEL_NOT_FOUND");
  return { kernelPath: join(kernels, kernel), initramfsPath: join(kernels, initramfs), version: "test", digest: `${kernel} ${initramfs}` };
}

/** A real engine on a folder of its own, with one small rootfs. */
export class GuestBench {
  readonly folder: string;
  readonly rootfsPath: string;
  readonly machinesFolder: string;
  readonly engine: QemuEngine;
  #count = 0;

  private constructor(folder: string, engine: QemuEngine) {
    this.folder = folder;
    this.rootfsPath = join(folder, "root.squashfs");
    this.machinesFolder = join(folder, "machines");
    this.engine = engine;
  }

  static async create(options: Partial<QemuEngineOptions> = {}): Promise<GuestBench> {
    await testKernel();
    const folder = await mkdtemp(join(tmpdir(), "isthmus-test-"));
    const root = join(folder, "root");
    for (const name of ["bin", "dev", "etc", "proc", "run", "sys", "tmp", "srv"]) await mkdir(join(root, name), { recursive: true });
    await copyFile("/usr/bin/busybox", join(root, "bin/busybox"));
    for (const applet of applets) await symlink("busybox", join(root, "bin", applet));
    await writeFile(join(root, "etc/passwd"), "root:x:0:0::/:/bin/sh\nwww:x:33:33::/srv:/bin/sh\n");
    await writeFile(join(root, "etc/group"), "root:x:0:\nwww:x:33:\n");
    const bench = new GuestBench(folder, await GuestBench.engine(folder, options));
    await run("mksquashfs", [root, bench.rootfsPath, "-all-root", "-quiet", "-no-progress"]);
    return bench;
  }

  /** Another engine on the same folders, as a restarted daemon has it. */
  static async engine(folder: string, options: Partial<QemuEngineOptions> = {}): Promise<QemuEngine> {
    const kernel = await testKernel();
    const kernels = { resolve: async () => kernel } satisfies Partial<Kernels>;
    const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
    const none = () => Promise.reject(new IsthmusError("KERNEL_NOT_FOUND"));
    return createQemuEngine({
      kernels: { ...kernels, list: async () => [], fetch: none, build: none },
      stateFolder: join(folder, "state"),
      bootId,
      agentPath,
      ...options,
    });
  }

  async plan(script: string, more: Partial<StartPlan> & { readonly process?: Partial<Workload> } = {}): Promise<StartPlan> {
    this.#count += 1;
    const id = `m${this.#count}`;
    const folder = join(this.machinesFolder, id);
    await mkdir(folder, { recursive: true });
    const { process: workload, ...rest } = more;
    const base = { argv: ["/bin/sh", "-c", script], env: ["PATH=/bin", "GREETING=hello"], cwd: "/", user: "", tty: false, stdin: false };
    return {
      id,
      name: `test-${id}`,
      folder,
      socketFolder: folder,
      rootfsPath: this.rootfsPath,
      outputPath: join(folder, "output.log"),
      cpus: 1,
      memoryBytes: 96 * 1024 * 1024,
      network: "none",
      ports: [],
      hostname: "guest-host",
      tmpfs: [],
      volumes: [],
      shares: [],
      ...rest,
      workload: { ...base, ...workload },
    };
  }

  /** An empty disk as the daemon makes them. */
  async disk(path: string, sizeBytes: number): Promise<void> {
    const tree = join(this.folder, "disk-tree");
    for (const name of ["upper", "work"]) await mkdir(join(tree, name), { recursive: true });
    await run("mkfs.ext4", ["-q", "-F", "-d", tree, path, `${sizeBytes / 1024}k`]);
  }

  async start(plan: StartPlan): Promise<LiveMachine> {
    return await this.engine.start(plan, new AbortController().signal);
  }

  async adopt(plan: StartPlan, adoptBudgetMs = PATIENT_MS): Promise<LiveMachine | undefined> {
    return await (await GuestBench.engine(this.folder, { adoptBudgetMs })).adopt(plan, new AbortController().signal);
  }

  /**
   * The machine that a daemon left whose lines `script`, with an `engine` and a `signal`, start it, and which died over that; undefined, and nothing is left, where the start
   * was over first.
   */
  async cutShort(plan: StartPlan, script: string): Promise<EngineState | undefined> {
    const program = join(this.folder, "start.ts");
    const lines = [
      `import { GuestBench } from ${JSON.stringify(import.meta.filename)};`,
      `const engine = await GuestBench.engine(${JSON.stringify(this.folder)});`,
      "const { signal } = new AbortController();",
      script,
    ];
    await writeFile(program, lines.join("\n"));
    const daemon = spawn(process.execPath, [program], { stdio: "inherit" });
    const exited = once(daemon, "exit");
    const phase = async () => (await loadState(plan.folder))?.phase ?? "spawning";
    while ((await phase()) === "spawning") await sleep(2);
    daemon.kill("SIGKILL");
    await exited;
    const state = await loadState(plan.folder);
    if (state?.phase === "booting") return state;
    await this.engine.reap(state?.pid ?? 0, plan.folder);
    return undefined;
  }

  /** Kinds and texts of a machine's output records. */
  async records(plan: StartPlan): Promise<readonly string[]> {
    return decodeRecords(await readFile(plan.outputPath)).records.map(({ kind, payload }) => `${kind} ${payload.toString()}`);
  }

  /** Ends what still runs. */
  async close(): Promise<void> {
    for (const { pid, machineId } of await this.engine.processes(this.machinesFolder)) {
      await this.engine.reap(pid, join(this.machinesFolder, machineId));
    }
    await this.engine.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
