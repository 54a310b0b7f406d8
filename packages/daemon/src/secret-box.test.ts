import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createSecretBox } from "./secret-box.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "isthmus-box-"));
  path = join(folder, "secrets.key");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const value = Buffer.from("correct horse");
const unreadable = expect.objectContaining({ code: "SECRET_UNREADABLE" });
const unusable = expect.objectContaining({ code: "LOCAL_FILE" });

describe("a secret box", () => {
  it("opens what it sealed, in another process too, and makes the key for its owner alone", () => {
    const sealed = createSecretBox(path).seal(value, "a/db");
    expect(sealed.includes(value)).toBe(false);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(createSecretBox(path).open(sealed, "a/db")).toEqual(value);
  });

  it("seals the same value differently each time", () => {
    const box = createSecretBox(path);
    expect(box.seal(value, "a/db")).not.toEqual(box.seal(value, "a/db"));
  });

  it("opens nothing that was moved to another name, cut, or changed in any bit of any byte", () => {
    const box = createSecretBox(path);
    const sealed = box.seal(value, "a/db");
    expect(() => box.open(sealed, "b/db")).toThrow(unreadable);
    for (let length = 0; length < sealed.length; length += 1)
      expect(() => box.open(sealed.subarray(0, length), "a/db"), `${length}`).toThrow(unreadable);
    for (let at = 0; at < sealed.length * 8; at += 1) {
      const changed = Buffer.from(sealed);
      changed[at >> 3] = (changed[at >> 3] ?? 0) ^ (1 << (at & 7));
      expect(() => box.open(changed, "a/db"), `bit ${at}`).toThrow(unreadable);
    }
  });

  it("says when the key is gone, another, of another length, or open to others", () => {
    const sealed = createSecretBox(path).seal(value, "a/db");
    const key = readFileSync(path);
    writeFileSync(path, Buffer.alloc(32, 1));
    expect(() => createSecretBox(path).open(sealed, "a/db")).toThrow(unreadable);
    writeFileSync(path, key.subarray(1));
    expect(() => createSecretBox(path).open(sealed, "a/db")).toThrow(unusable);
    writeFileSync(path, key);
    chmodSync(path, 0o640);
    expect(() => createSecretBox(path).open(sealed, "a/db")).toThrow(unusable);
    rmSync(path);
    expect(() => createSecretBox(path).open(sealed, "a/db")).toThrow(unreadable);
    expect(() => createSecretBox(join(folder, "no", "key")).seal(value, "a/db")).toThrow(unusable);
  });
});
