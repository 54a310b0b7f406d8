import { describe, expect, it } from "vitest";
import { readConfig } from "./config.ts";

const tcp = { ISTHMUS_TCP_ADDRESS: "[::1]:7443", ISTHMUS_TLS_CERT: "/c", ISTHMUS_TLS_KEY: "/k", ISTHMUS_TOKEN_FILE: "/t" };

describe("the daemon's settings", () => {
  it("follow the user when nothing is said", () => {
    expect(readConfig({}, 0, "/p")).toMatchObject({ home: "/var/lib/isthmus", socketPath: "/run/isthmus/isthmus.sock", logLevel: "info" });
    expect(readConfig({ HOME: "/h" }, 7, "/p")).toMatchObject({
      home: "/h/.local/share/isthmus",
      socketPath: "/run/user/7/isthmus/isthmus.sock",
    });
    expect(readConfig({ XDG_DATA_HOME: "/d", XDG_RUNTIME_DIR: "/r" }, 7, "/p")).toMatchObject({
      home: "/d/isthmus",
      runFolder: "/r/isthmus",
    });
  });

  it("promise no more memory than there is, unless told", () => {
    expect(readConfig({}, 0, "/p").memoryOvercommit).toBe(1);
    expect(readConfig({ ISTHMUS_MEMORY_OVERCOMMIT: "2.5" }, 0, "/p").memoryOvercommit).toBe(2.5);
  });

  it("serve TCP with certificate, key and token", () => {
    expect(readConfig(tcp, 0, "/p").tcp).toEqual({ host: "::1", port: 7443, certPath: "/c", keyPath: "/k", tokenPath: "/t" });
  });

  it.each<[string, Record<string, string>]>([
    ["ISTHMUS_HOME", { ISTHMUS_HOME: "relative" }],
    ["ISTHMUS_SOCKET", { ISTHMUS_SOCKET: "a.sock" }],
    ["ISTHMUS_LOG_LEVEL", { ISTHMUS_LOG_LEVEL: "loud" }],
    ["ISTHMUS_MEMORY_OVERCOMMIT", { ISTHMUS_MEMORY_OVERCOMMIT: "0.5" }],
    ["ISTHMUS_MEMORY_OVERCOMMIT", { ISTHMUS_MEMORY_OVERCOMMIT: "33" }],
    ["ISTHMUS_MEMORY_OVERCOMMIT", { ISTHMUS_MEMORY_OVERCOMMIT: "1e1" }],
    ["ISTHMUS_TCP_ADDRESS", { ...tcp, ISTHMUS_TCP_ADDRESS: "localhost" }],
    ["ISTHMUS_TCP_ADDRESS", { ...tcp, ISTHMUS_TCP_ADDRESS: "localhost:70000" }],
    ["ISTHMUS_TLS_CERT", { ...tcp, ISTHMUS_TLS_CERT: "" }],
    ["ISTHMUS_TLS_KEY", { ...tcp, ISTHMUS_TLS_KEY: "" }],
    ["ISTHMUS_TOKEN_FILE", { ...tcp, ISTHMUS_TOKEN_FILE: "" }],
  ])("are refused, naming %s", (field, env) => {
    expect(() => readConfig(env, 0, "/p")).toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringContaining(field) }),
    );
  });
});
