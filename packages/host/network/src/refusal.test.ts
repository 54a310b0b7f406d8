import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, expect, it } from "vitest";

/** What a daemon of this user with this PATH would say; a process of its own, for neither can be changed in a test's. */
function refusal(path: string, uid = 0): string {
  const code = `
    const { createNetworkHost } = await import(${JSON.stringify(join(import.meta.dirname, "mod.ts"))});
    const log = { warn() {}, error() {}, info() {}, debug() {} };
    console.log(createNetworkHost({ home: "/nowhere", runFolder: "/nowhere", start: () => Promise.reject(), log }).refusal() ?? "none");
  `;
  const options = { encoding: "utf8", env: { PATH: path }, uid, gid: uid, cwd: "/" } as const;
  return execFileSync(process.execPath, ["--input-type=module", "-e", code], options).trim();
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "isthmus-programs-"));
});
afterEach(() => rmSync(folder, { recursive: true }));
const program = (name: string, mode = 0o755) => {
  writeFileSync(join(folder, name), "");
  chmodSync(join(folder, name), mode);
};

it("says which program is missing, and that one which cannot be run is", () => {
  for (const name of ["ip", "nft", "nsenter", "unshare"]) {
    expect(refusal(folder)).toBe(`the program ${name} is missing`);
    program(name, 0o644);
    expect(refusal(`/nowhere:${folder}`)).toBe(`the program ${name} is missing`);
    program(name);
  }
  expect(refusal(folder)).toBe("none");
});

it("says that the daemon is not root before anything else", () => {
  expect(refusal(folder, 65_534)).toBe("it does not run as root");
});
