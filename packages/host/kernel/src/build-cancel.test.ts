import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { aptWith, write } from "./debian.fixture.ts";
import { createKernels } from "./mod.ts";

const RULES = "tinyconfig:\n\techo > .config\nolddefconfig:\n\t@true\nbzImage:\n";
const GOOD = `${RULES}\t@echo '  CC one.o'; mkdir -p arch/x86/boot; cp image arch/x86/boot/bzImage\n`;
/** Compilers that run beside one another. */
const ENDLESS = `${RULES}\t@$(MAKE) -j2 one two\none:\n\t@echo '  CC one.o'; exec sleep 600\ntwo:\n\t@$(TRAP) exec sleep 600\n`;
/** The same, with one that takes no notice of SIGTERM. */
const STUBBORN = `TRAP = trap '' TERM;\n${ENDLESS}`;
const FULL = `${RULES}\t@echo '  CC one.o'; cat image > /dev/full\n`;

/** A process that builds a kernel and says each step, to be killed. */
const BUILDER = `
  import { createKernels } from ${JSON.stringify(new URL("./mod.ts", import.meta.url).href)};
  const [folder, fragmentPath] = process.argv.slice(1);
  await createKernels({ folder, fragmentPath, agentPath: "none", root: folder }).build(({ step }) => console.log(step));
`;

let home = "";
let folder = "";
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "isthmus-build-"));
  folder = join(home, "kernels");
  write(join(home, "agent"), "agent");
  write(join(home, "fragment"), "CONFIG_A=y\n# CONFIG_B is not set\n");
  // The tree compiles nothing, so the host need not have what compiling Linux takes.
  for (const tool of ["gcc", "ld", "flex", "bison", "bc", "lz4"]) {
    write(join(home, "bin", tool), "#!/bin/sh\n");
    chmodSync(join(home, "bin", tool), 0o755);
  }
});
afterEach(() => {
  for (const pid of builders()) process.kill(pid, "SIGKILL");
  rmSync(home, { recursive: true });
});

/** A host whose package archive has a source with this Makefile. */
function host(makefile: string): NodeJS.ProcessEnv {
  rmSync(join(home, "build"), { recursive: true, force: true });
  return { ...aptWith(home, { makefile }), PATH: `${join(home, "bin")}:${process.env.PATH}` };
}

const make = (env: NodeJS.ProcessEnv) =>
  createKernels({ folder, agentPath: join(home, "agent"), root: join(home, "none"), fragmentPath: join(home, "fragment"), env });

/** Processes at work inside of the data folder. */
function builders(): number[] {
  return readdirSync("/proc").flatMap((entry) => {
    try {
      return /^\d+$/.test(entry) && readlinkSync(`/proc/${entry}/cwd`).startsWith(folder) ? [Number(entry)] : [];
    } catch {
      return [];
    }
  });
}

async function noBuilders(): Promise<boolean> {
  for (let round = 0; round < 500 && builders().length > 0; round += 1) await sleep(20);
  return builders().length === 0;
}

const left = () => readdirSync(folder).filter((name) => name !== "build.log" && name !== "initramfs");

describe("a kernel build", () => {
  it("installs the image and its configuration, and nothing else stays", async () => {
    const kernel = await make(host(GOOD)).build(() => undefined);
    expect(kernel).toMatchObject({ version: "6.1.999-isthmus", source: "built", selected: true });
    expect(readFileSync(join(kernel.path, "../config"), "utf8")).toContain("CONFIG_A=y");
    expect(left()).toEqual(["built"]);
  });

  it.each(["download", "unpack", "configure", "compile"])(
    "cancelled in the step %s leaves no file and no process, and the next one succeeds",
    async (at) => {
      const controller = new AbortController();
      const kernels = make(host(STUBBORN));
      const building = kernels.build(({ step }) => step === at && controller.abort(), controller.signal);
      await expect(building).rejects.toMatchObject({ code: "CANCELLED" });
      expect([left(), builders(), await kernels.list()]).toEqual([[], [], []]);
      expect(await make(host(GOOD)).build(() => undefined)).toMatchObject({ source: "built" });
    },
  );

  it("ends with the process that started it, even by SIGKILL, and the next one sweeps up", async () => {
    const env = host(ENDLESS);
    const child = spawn(process.execPath, ["--input-type=module", "-e", BUILDER, folder, join(home, "fragment")], {
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    for await (const chunk of child.stdout.setEncoding("utf8")) if (String(chunk).includes("compile")) break;
    expect(builders().length).toBeGreaterThan(2);
    expect(await make(env).list()).toEqual([]);
    child.kill("SIGKILL");
    expect(await noBuilders()).toBe(true);
    expect(left()).toEqual([expect.stringMatching(/^\.tmp-/)]);
    const kernels = make(host(GOOD));
    expect(await kernels.list()).toEqual([]);
    await kernels.build(() => undefined);
    expect(left()).toEqual(["built"]);
  });

  it("that finds the disk full says so and leaves nothing", async () => {
    const kernels = make(host(FULL));
    await expect(kernels.build(() => undefined)).rejects.toMatchObject({ code: "DISK_FULL" });
    expect([left(), await kernels.list()]).toEqual([[], []]);
    expect(readFileSync(join(folder, "build.log"), "utf8")).toContain("No space left on device");
  });

  it("is refused while another runs, and waits for the end of a cancelled one", async () => {
    const controller = new AbortController();
    const compiling = Promise.withResolvers<void>();
    const kernels = make(host(ENDLESS));
    const first = kernels.build(({ step }) => step === "compile" && compiling.resolve(), controller.signal);
    await compiling.promise;
    await expect(kernels.build(() => undefined)).rejects.toThrow(/another build is running/);
    host(GOOD);
    controller.abort();
    const second = kernels.build(() => undefined);
    await expect(first).rejects.toMatchObject({ code: "CANCELLED" });
    expect(await second).toMatchObject({ source: "built" });
  });
});

describe("half-made folders", () => {
  it("of an earlier process with this process's own id are removed, those in use stay", async () => {
    const stale = join(folder, `.tmp-${process.pid}-0123456789ab`);
    write(join(stale, "half"), "half");
    const controller = new AbortController();
    const steps: boolean[] = [];
    const building = make(host(ENDLESS)).build(({ step }) => {
      if (step !== "compile") return;
      steps.push(existsSync(stale), left().length === 1);
      controller.abort();
    }, controller.signal);
    await expect(building).rejects.toMatchObject({ code: "CANCELLED" });
    expect(steps).toEqual([false, true]);
  });
});
