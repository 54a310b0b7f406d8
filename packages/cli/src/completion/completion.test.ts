import { spawnSync } from "node:child_process";
import { describe, expect, it, vi } from "vitest";
import { fakeDaemon, image, machine, snapshot } from "../testing/fake-daemon.ts";
import { cli } from "../testing/test-world.ts";
import { scripts } from "./scripts.ts";

// The names of a busy host are right however late they come.
vi.mock("../config.ts", async (original) => ({ ...(await original<object>()), COMPLETION_DEADLINE_MS: 30_000 }));

async function complete(words: readonly string[], options: { readonly socketPath?: string } = {}): Promise<readonly string[]> {
  const { code, out } = await cli(["__complete", "--", ...words], options);
  expect(code).toBe(0);
  return out.split("\n").flatMap((line) => line.split("\t")[0] || []);
}

describe("completion scripts", () => {
  it("are valid bash", () => {
    expect(spawnSync("bash", ["-n"], { input: scripts.bash, encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
  });

  it("are printed by the command", async () => {
    expect(await cli(["completion", "fish"])).toMatchObject({ code: 0, out: scripts.fish });
  });

  it("complete in bash by asking the command", () => {
    const stub = `isthmus() { printf '%s\\n' "\${@:3}" >&2; printf 'stop\\tStop\\nstart\\tStart\\nps\\n'; }; COMP_LINE="isthmus --json st"; COMP_WORDS=(isthmus --json st); COMP_CWORD=2; _isthmus; echo "\${COMPREPLY[@]}"`;
    const script = scripts.bash.replace("2>/dev/null)", ")");
    const { stdout, stderr } = spawnSync("bash", ["-c", `${script}\n${stub}`], { encoding: "utf8" });
    expect([stdout, stderr]).toEqual(["stop start\n", "--json\nst\n"]);
  });
});

describe("candidates", () => {
  it("are commands, sub-commands and options", async () => {
    expect(await complete(["st"])).toEqual(["start", "stop", "stats"]);
    expect(await complete(["image", ""])).toEqual([
      "ls",
      "inspect",
      "import",
      "load",
      "pull",
      "push",
      "save",
      "history",
      "prune",
      "tag",
      "warm",
      "rm",
    ]);
    expect(await complete(["run", "--re"])).toEqual(["--read-only", "--restart", "--resume-on-contact"]);
    expect(await complete(["ps", "--j"])).toEqual(["--json"]);
    expect(await complete(["completion", ""])).toEqual(["bash", "zsh", "fish"]);
    expect(await complete(["run", "--env-file", ""])).toEqual([":files"]);
    expect(await complete(["nope", ""])).toEqual([]);
    expect(await complete(["run", "busybox", "ls", "-"])).toEqual([]);
  });

  it("are names of machines and images while a daemon answers, else none", async () => {
    await using daemon = await fakeDaemon(({ path }) => ({
      json: path === "/images" ? { images: [image({ tags: ["busybox:latest", "web:1"] })] } : { machines: [machine({ name: "web" })] },
    }));
    expect(await complete(["stop", ""], daemon)).toEqual(["web"]);
    expect(await complete(["stop", "web", ""], daemon)).toEqual(["web"]);
    expect(await complete(["run", "--rm", ""], daemon)).toEqual(["busybox", "web:1"]);
    expect(await complete(["run", "--name", ""], daemon)).toEqual([]);
    expect(await complete(["cp", "w"], daemon)).toEqual(["web:", ":files"]);
    expect(await complete(["stop", ""])).toEqual([]);
  });

  it("are names of snapshots, and for a clone those of running machines too, told apart where they are the same", async () => {
    await using daemon = await fakeDaemon(({ path }) => ({
      json:
        path === "/snapshots"
          ? { snapshots: [snapshot({ name: "before" }), snapshot({ name: "web", unusable: "another kernel" })] }
          : { machines: [machine({ name: "web" }), machine({ name: "db" })] },
    }));
    for (const command of ["inspect", "rm"]) expect(await complete(["snapshot", command, ""], daemon)).toEqual(["before", "web"]);
    expect(await complete(["snapshot", "create", ""], daemon)).toEqual(["web", "db"]);
    expect(await complete(["suspend", "d"], daemon)).toEqual(["db"]);
    expect(await complete(["clone", ""], daemon)).toEqual(["before", "snapshot:web", "machine:web", "db"]);
    expect(daemon.seen.find(({ path, query }) => path === "/machines" && query.state === "running")).toBeDefined();
    expect(await complete(["clone", "before", ""], daemon)).toEqual([]);
    expect(await complete(["clone", ""])).toEqual([]);
  });
});
