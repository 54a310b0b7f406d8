import { describe, expect, it } from "vitest";
import { readChanges, readProcesses } from "./looks.ts";

describe("processes of a guest", () => {
  it("are read with whatever bytes their commands have", () => {
    const said = "12 1 1000 4096 30 1700000000000 6\na 1\nb\u0001\n7 1 0 0 0 0 0\n\n";
    expect(readProcesses(Buffer.from(said))).toEqual([
      { pid: 7, parent: 1, uid: 0, rssBytes: 0, cpuMs: 0, startedAt: "1970-01-01T00:00:00.000Z", command: "" },
      { pid: 12, parent: 1, uid: 1000, rssBytes: 4096, cpuMs: 30, startedAt: "2023-11-14T22:13:20.000Z", command: "a 1\nb\u0001" },
    ]);
    expect(readProcesses(Buffer.alloc(0))).toEqual([]);
  });

  it.each(["x", "1 1 0 0 0 0 5\nab\n", "1 1 0 0 0 0 9999", "1 1 0 0 0 0 1\nab\n", "-1 1 0 0 0 0 0\n\n"])(
    "that say %j are a fault",
    (said) => {
      expect(() => readProcesses(Buffer.from(said))).toThrow(expect.objectContaining({ code: "AGENT_PROTOCOL" }));
    },
  );
});

describe("changes of a guest's files", () => {
  it("come in the order of their paths", () => {
    expect(readChanges(Buffer.from("C/etc\0A/etc/x y\nz\0D/bin/ls\0"))).toEqual([
      { kind: "D", path: "/bin/ls" },
      { kind: "C", path: "/etc" },
      { kind: "A", path: "/etc/x y\nz" },
    ]);
    expect(readChanges(Buffer.alloc(0))).toEqual([]);
  });

  it.each(["A/x", "B/x\0", "Ax\0", "\0"])("that say %j are a fault", (said) => {
    expect(() => readChanges(Buffer.from(said))).toThrow(expect.objectContaining({ code: "AGENT_PROTOCOL" }));
  });
});
