import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const root = path.resolve(import.meta.dirname, "../../..");
const launcher = path.join(root, "isthmus");
let folder = "";
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "isthmus-launcher-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A folder with the launcher and nothing else, and a PATH with these programs. */
function bare(programs: Readonly<Record<string, string>>): { readonly run: (args: readonly string[]) => ReturnType<typeof spawnSync> } {
  const checkout = path.join(folder, "checkout");
  const bin = path.join(folder, "bin");
  mkdirSync(path.join(checkout, "node_modules/commander"), { recursive: true });
  mkdirSync(path.join(checkout, "packages/cli/src"), { recursive: true });
  mkdirSync(bin);
  copyFileSync(launcher, path.join(checkout, "isthmus"));
  writeFileSync(path.join(checkout, "packages/cli/src/main.ts"), "");
  for (const [name, text] of Object.entries(programs)) writeFileSync(path.join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  for (const name of ["dirname", "readlink", "find"])
    symlinkSync(execFileSync("which", [name], { encoding: "utf8" }).trim(), path.join(bin, name));
  return {
    run: (args) => spawnSync("/bin/sh", [path.join(checkout, "isthmus"), ...args], { env: { PATH: bin, HOME: folder }, encoding: "utf8" }),
  };
}

describe("the launcher of a checkout", () => {
  it("is found behind symbolic links and passes arguments and exit codes on", () => {
    symlinkSync(launcher, path.join(folder, "one"));
    symlinkSync("one", path.join(folder, "two"));
    const { stdout, status } = spawnSync(path.join(folder, "two"), ["--version"], { encoding: "utf8" });
    expect([stdout, status]).toEqual([expect.stringMatching(/^\d+\.\d+\.\d+\n$/), 0]);
    expect(spawnSync(launcher, ["no such command"]).status).toBe(2);
  });

  it("keeps Node from reading the file of --env-file, which is a machine's", () => {
    const { stderr, status } = spawnSync(launcher, ["run", "--env-file", path.join(folder, "none"), "busybox"], { encoding: "utf8" });
    expect(stderr).toMatch(/^isthmus: cannot use .*none/);
    expect(status).toBe(125);
  });

  it.each(["v22.18.0", "v22.19.1", "v24.1.0", "v100.0.0"])("uses the Node on PATH when it is %s", (version) => {
    const { run } = bare({ node: `if [ "$1" = --version ]; then echo ${version}; else shift 3; echo "ran $*"; exit 7; fi` });
    expect(run(["a", "b c"])).toMatchObject({ stdout: "ran a b c\n", status: 7 });
  });

  it.each(["v20.20.2", "v22.17.9", "v9.9.9", "nonsense", ""])("says so when there is only Node %j", (version) => {
    const { run } = bare({ node: `echo "${version}"` });
    const { stderr, status } = run([]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^isthmus: Node 22\.18 or newer is needed.*\n {2}→ Run: npm ci/);
  });

  it("says so when there is no Node, and when packages are missing", () => {
    const { run } = bare({});
    expect(run([]).status).toBe(1);
    rmSync(path.join(folder, "checkout/node_modules/commander"), { recursive: true });
    writeFileSync(path.join(folder, "bin/node"), "#!/bin/sh\necho v24.0.0\n", { mode: 0o755 });
    expect(run([]).stderr).toMatch(/packages that it stands on are not installed/);
  });

  it("runs the bundle until a source or the packages are newer", () => {
    const { run } = bare({ node: 'if [ "$1" = --version ]; then echo v24.0.0; else echo "$3"; fi' });
    const ran = () => path.relative(path.join(folder, "checkout"), String(run([]).stdout).trim());
    const file = (name: string, seconds: number) => {
      const at = path.join(folder, "checkout", name);
      mkdirSync(path.dirname(at), { recursive: true });
      writeFileSync(at, "");
      utimesSync(at, seconds, seconds);
    };
    const source = "packages/cli/src/main.ts";
    file(source, 1_000);
    file("node_modules/.isthmus-installed", 1_000);
    expect(ran()).toBe(source);
    file("dist/built", 2_000);
    expect(ran()).toBe("dist/isthmus.js");
    file("packages/core/node_modules/x/mod.ts", 3_000);
    expect(ran()).toBe("dist/isthmus.js");
    file("node_modules/.isthmus-installed", 3_000);
    expect(ran()).toBe(source);
    file("node_modules/.isthmus-installed", 1_000);
    file("packages/core/src/a.ts", 3_000);
    expect(ran()).toBe(source);
  });

  it("is a POSIX shell script", () => {
    expect(spawnSync("/bin/sh", ["-n", launcher], { encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
  });
});

describe("the end of the command", () => {
  // Node 24 waits for ever for a compiler's thread that waits for it. Its own loader may get a function hot before a line of ours has run.
  const LOADERS_OWN_JOBS = 3;

  it("finds no thread that optimizes code", () => {
    const main = path.join(import.meta.dirname, "main.ts");
    const { stdout, status } = spawnSync(process.execPath, ["--trace-opt", main, "--help"], { encoding: "utf8" });
    expect(status).toBe(0);
    const jobs = stdout.split("\n").filter((line) => line.startsWith("[compiling method") && line.includes("kConcurrent"));
    expect(jobs.slice(LOADERS_OWN_JOBS)).toEqual([]);
  });
});

describe("the launcher of an npm install", () => {
  it("runs the command and passes its exit code on", () => {
    const file = path.join(import.meta.dirname, "../bin/isthmus.cjs");
    expect(spawnSync(process.execPath, [file, "--version"], { encoding: "utf8" }).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(spawnSync(process.execPath, [file, "nope"], { encoding: "utf8" })).toMatchObject({ status: 2, stdout: "" });
  });

  it("keeps Node from reading the file of --env-file, which is a machine's", () => {
    const file = path.join(import.meta.dirname, "../bin/isthmus.cjs");
    const { stderr } = spawnSync(file, ["run", "--env-file", path.join(folder, "none"), "busybox"], { encoding: "utf8" });
    expect(stderr).toMatch(/^isthmus: cannot use .*none/);
  });

  it("hands over to the bundled Node when its own is too old", () => {
    const file = path.join(import.meta.dirname, "../bin/isthmus.cjs");
    const pretend = "Object.defineProperty(process.versions, 'node', { value: '20.1.0' })";
    const old = path.join(folder, "old.cjs");
    writeFileSync(old, `${pretend}; require(${JSON.stringify(file)});`);
    expect(spawnSync(process.execPath, [old, "--version"], { encoding: "utf8" })).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^\d/),
    });
    expect(spawnSync(process.execPath, [old, "nope"], { encoding: "utf8" }).status).toBe(2);
  });
});
